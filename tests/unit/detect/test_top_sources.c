/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Big sources are found among any number of small ones, and small ones are never blamed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "target_summary.h"
#include "top_sources.h"

static struct ip_addr source(uint32_t value)
{
	return (struct ip_addr){
		.version = 4,
		.bytes = { (uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8), (uint8_t)value },
	};
}

static void add(struct top_sources *top, uint32_t value)
{
	struct ip_addr ip = source(value);

	top_sources_add(top, &ip, target_source_hash(&ip));
}

static void test_few_sources_are_counted_exactly(void **state)
{
	struct top_sources top;
	struct top_source_share list[3];

	(void)state;
	top_sources_clear(&top);
	for (uint32_t i = 0; i < 100; i++)
		add(&top, i < 60 ? 1 : i < 90 ? 2 : 3 + i);
	assert_int_equal(top_sources_list(&top, 0.05, list, 3), 2);
	assert_true(list[0].share == 0.6 && list[1].share == 0.3);
	struct ip_addr first = source(1);
	assert_true(ip_addr_equal(&list[0].ip, &first));
}

static void test_big_source_among_a_crowd(void **state)
{
	struct top_sources top;
	struct top_source_share list[5];

	(void)state;
	top_sources_clear(&top);
	for (uint32_t i = 0; i < 100000; i++)
		add(&top, i % 4 == 0 ? 7 : 1000 + i);
	assert_int_equal(top_sources_list(&top, 0.01, list, 5), 1);
	struct ip_addr big = source(7);
	assert_true(ip_addr_equal(&list[0].ip, &big));
	assert_true(list[0].share > 0.2 && list[0].share <= 0.25);
}

static void test_crowd_without_a_big_source(void **state)
{
	struct top_sources top;
	struct top_source_share list[5];

	(void)state;
	top_sources_clear(&top);
	for (uint32_t i = 0; i < 100000; i++)
		add(&top, 1000 + i);
	assert_int_equal(top_sources_list(&top, 0.01, list, 5), 0);
}

/* Of equal ones the lower address comes first, so that lists do not depend on the order of arrival. */
static void test_order_of_equals(void **state)
{
	struct top_sources top;
	struct top_source_share list[2];

	(void)state;
	top_sources_clear(&top);
	for (uint32_t value = 9; value > 0; value--)
		add(&top, value);
	assert_int_equal(top_sources_list(&top, 0, list, 2), 2);
	assert_int_equal(list[0].ip.bytes[3], 1);
	assert_int_equal(list[1].ip.bytes[3], 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_few_sources_are_counted_exactly),
		cmocka_unit_test(test_big_source_among_a_crowd),
		cmocka_unit_test(test_crowd_without_a_big_source),
		cmocka_unit_test(test_order_of_equals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
