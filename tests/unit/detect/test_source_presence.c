/* SPDX-License-Identifier: BSD-2-Clause */
/* A source that has a record is never said to have none; with few records, hardly another one is thought to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "random.h"
#include "source_presence.h"

enum { N_SOURCES = 2000, N_STEPS = 200000 };

static struct ip_addr source(uint32_t number)
{
	struct ip_addr addr = { .version = number % 5 == 0 ? 6 : 4 };

	memcpy(&addr.bytes[addr.version == 6 ? 12 : 0], &number, sizeof(number));
	return addr;
}

static void who_has_a_record_is_known(void **state)
{
	static uint8_t n_records[N_SOURCES];
	struct source_presence presence;
	struct random random = { 1 };

	(void)state;
	memset(n_records, 0, sizeof(n_records));
	assert_int_equal(source_presence_init(&presence, 256), 0);
	for (unsigned step = 0; step < N_STEPS; step++) {
		uint32_t number = random_below(&random, N_SOURCES);
		struct ip_addr addr = source(number);
		assert_true(source_presence_may_have(&presence, &addr) || n_records[number] == 0);
		if (n_records[number] == 0)
			source_presence_add(&presence, &addr);
		else
			source_presence_remove(&presence, &addr);
		n_records[number] ^= 1;
	}
	source_presence_fini(&presence);
}

static void when_all_are_gone_nobody_is_thought_to_have_one(void **state)
{
	struct source_presence presence;

	(void)state;
	assert_int_equal(source_presence_init(&presence, N_SOURCES), 0);
	for (uint32_t i = 0; i < N_SOURCES; i++) {
		struct ip_addr addr = source(i);
		source_presence_add(&presence, &addr);
	}
	for (uint32_t i = 0; i < N_SOURCES; i++) {
		struct ip_addr addr = source(i);
		source_presence_remove(&presence, &addr);
	}
	for (uint32_t i = 0; i < 2 * N_SOURCES; i++) {
		struct ip_addr addr = source(i);
		assert_false(source_presence_may_have(&presence, &addr));
	}
	source_presence_fini(&presence);
}

/* What too many share can only be asked in vain: it stays as it is, and no count runs over. */
static void a_place_of_very_many_stays(void **state)
{
	struct source_presence presence;
	struct ip_addr addr = source(7);

	(void)state;
	assert_int_equal(source_presence_init(&presence, 64), 0);
	for (int i = 0; i < 1000; i++)
		source_presence_add(&presence, &addr);
	for (int i = 0; i < 999; i++)
		source_presence_remove(&presence, &addr);
	assert_true(source_presence_may_have(&presence, &addr));
	source_presence_fini(&presence);
}

static void few_records_are_seldom_mistaken(void **state)
{
	struct source_presence presence;
	unsigned n_mistaken = 0;

	(void)state;
	assert_int_equal(source_presence_init(&presence, 1000), 0);
	for (uint32_t i = 0; i < 20; i++) {
		struct ip_addr addr = source(1000000 + i);
		source_presence_add(&presence, &addr);
	}
	for (uint32_t i = 0; i < 60000; i++) {
		struct ip_addr addr = source(i);
		n_mistaken += source_presence_may_have(&presence, &addr);
	}
	assert_in_range(n_mistaken, 0, 60000 / 100);
	source_presence_fini(&presence);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_has_a_record_is_known),
		cmocka_unit_test(when_all_are_gone_nobody_is_thought_to_have_one),
		cmocka_unit_test(a_place_of_very_many_stays),
		cmocka_unit_test(few_records_are_seldom_mistaken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
