/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "summary.h"

#define START_NS (UINT64_C(1795132800) * NS_PER_SEC)

static uint64_t at_ms(uint64_t ms)
{
	return START_NS + ms * NS_PER_MS;
}

static uint64_t slot_at(uint64_t ms)
{
	return at_ms(ms) / SUMMARY_SLOT_NS;
}

/* A Linux server's entry: SYN-ACKs at 0, 1 and 3 s, then nothing: given up at 7 s. */
static void test_an_entry_is_kept_until_its_next_repetition_is_due(void **state)
{
	struct summary_held held = { 0 };

	(void)state;
	summary_held_move(&held, 0, at_ms(3000), at_ms(1000));
	summary_held_move(&held, at_ms(3000), at_ms(7004), at_ms(3001));
	assert_int_equal(summary_held_at(&held, slot_at(1000)), 1);
	assert_int_equal(summary_held_at(&held, slot_at(6900)), 1);
	assert_int_equal(summary_held_at(&held, slot_at(7100)), 0);
}

/* What completes at 5 s was kept before that, and is not afterwards. */
static void test_an_end_counts_from_then_on(void **state)
{
	struct summary_held held = { 0 };

	(void)state;
	summary_held_move(&held, 0, at_ms(3000), at_ms(1000));
	summary_held_move(&held, at_ms(3000), at_ms(7000), at_ms(3000));
	summary_held_move(&held, at_ms(7000), at_ms(5000), at_ms(5000));
	assert_int_equal(summary_held_at(&held, slot_at(4500)), 1);
	assert_int_equal(summary_held_at(&held, slot_at(5000)), 0);
}

/* Entries whose end has passed unnoticed, and old places in the ring, are no entries. */
static void test_places_are_used_again_empty(void **state)
{
	struct summary_held held = { 0 };

	(void)state;
	for (uint64_t ms = 0; ms < 300000; ms += 500)
		summary_held_move(&held, 0, at_ms(ms + 2000), at_ms(ms));
	assert_int_equal(summary_held_at(&held, slot_at(299500)), 4);
	summary_held_move(&held, 0, at_ms(1000000), at_ms(999000));
	assert_int_equal(summary_held_at(&held, slot_at(999000)), 1);
}

static void test_merging_adds_and_commutes(void **state)
{
	struct summary_held a = { 0 };
	struct summary_held b = { 0 };

	(void)state;
	summary_held_move(&a, 0, at_ms(3000), at_ms(1000));
	summary_held_move(&a, 0, at_ms(9000), at_ms(5000));
	summary_held_move(&b, 0, at_ms(70000), at_ms(8000));
	struct summary_held ab = a;
	struct summary_held ba = b;
	summary_held_merge(&ab, &b);
	summary_held_merge(&ba, &a);
	assert_memory_equal(&ab, &ba, sizeof(ab));
	assert_int_equal(summary_held_at(&ab, slot_at(8000)), 2);
	assert_int_equal(summary_held_at(&ab, slot_at(9500)), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_entry_is_kept_until_its_next_repetition_is_due),
		cmocka_unit_test(test_an_end_counts_from_then_on),
		cmocka_unit_test(test_places_are_used_again_empty),
		cmocka_unit_test(test_merging_adds_and_commutes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
