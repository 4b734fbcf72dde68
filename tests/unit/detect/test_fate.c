/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What became of attempts, and who leads among those who made them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "fate.h"

#define START_NS (UINT64_C(1795132800) * NS_PER_SEC)

static bool is_same(double a, double b)
{
	return !(a < b) && !(a > b);
}

static void count(struct summary *summary, enum summary_counter counter, unsigned n, uint64_t since_ns)
{
	for (unsigned i = 0; i < n; i++)
		summary_count(summary, counter, since_ns);
}

static void assert_cohort(const struct summary *summary, uint64_t slot)
{
	struct fate_cohort cohort;
	struct fate fate;

	fate_of_cohort(summary, slot, &cohort);
	fate_sum(summary, slot, slot, &fate);
	assert_true(is_same(cohort.attempts, fate.attempts));
	assert_true(is_same(cohort.refused, fate.refused + fate.unreachable));
	assert_true(is_same(cohort.open, fate.open));
}

static void a_cohort_says_what_a_sum_over_it_says(void **state)
{
	struct summary summary = { .since_ns = START_NS };
	struct summary_slot slots[SUMMARY_SLOTS];
	struct fate_cohort cohort;
	uint64_t slot = START_NS / SUMMARY_SLOT_NS;

	(void)state;
	count(&summary, SUMMARY_ATTEMPTS, 9, START_NS);
	count(&summary, SUMMARY_COMPLETED, 2, START_NS);
	count(&summary, SUMMARY_REFUSED, 3, START_NS);
	count(&summary, SUMMARY_UNREACHABLE, 1, START_NS);
	fate_of_cohort(&summary, slot, &cohort);
	assert_true(is_same(cohort.open, 3));
	assert_cohort(&summary, slot);
	assert_cohort(&summary, slot + 1);

	summary_begin_slots(&summary, slots);
	count(&summary, SUMMARY_ATTEMPTS, 2, START_NS + SUMMARY_SLOT_NS);
	/* What completed twice is not open less than not at all. */
	count(&summary, SUMMARY_COMPLETED, 4, START_NS + SUMMARY_SLOT_NS);
	for (uint64_t i = 0; i < 2 * SUMMARY_SLOTS; i++)
		assert_cohort(&summary, slot + i);
}

static struct summary_sampled sampled(uint8_t client, uint8_t server, uint16_t port)
{
	return (struct summary_sampled){
		.client = { .version = 4, .bytes = { 10, 0, 0, client } },
		.server = { .version = 4, .bytes = { 203, 0, 113, server } },
		.server_port = port,
	};
}

static void the_most_frequent_lead(void **state)
{
	static struct summary_whole_crowd whole;
	struct summary_crowd *crowd = &whole.crowd;
	struct fate_leaders leaders;

	(void)state;
	summary_crowd_give_room(crowd, &whole.room);
	fate_leaders(NULL, &leaders);
	assert_int_equal(leaders.n, 0);
	fate_leaders(crowd, &leaders);
	assert_true(is_same(leaders.source, 0));

	*summary_crowd_take_place(crowd, 4) = sampled(3, 2, 81);
	*summary_crowd_take_place(crowd, 1) = sampled(1, 1, 80);
	*summary_crowd_take_place(crowd, 5) = sampled(2, 3, 81);
	*summary_crowd_take_place(crowd, 2) = sampled(2, 1, 81);
	*summary_crowd_take_place(crowd, 3) = sampled(3, 1, 82);
	fate_leaders(crowd, &leaders);
	assert_int_equal(leaders.n, 5);
	assert_true(is_same(leaders.source, 0.4));
	assert_true(is_same(leaders.server, 0.6));
	assert_true(is_same(leaders.port, 0.6));
	/* Of equals the first in the sample. */
	assert_int_equal(leaders.source_ip.bytes[3], 2);
}

/* Whoever chooses addresses whose halves are exchanged is told apart all the same. */
static void addresses_of_any_bytes_are_told_apart(void **state)
{
	static struct summary_whole_crowd whole;
	struct summary_crowd *crowd = &whole.crowd;
	struct fate_leaders leaders;

	(void)state;
	summary_crowd_give_room(crowd, &whole.room);
	for (unsigned i = 0; i < SUMMARY_SAMPLE; i++) {
		struct summary_sampled one = sampled(0, (uint8_t)(i % 4), 80);
		one.client = (struct ip_addr){ .version = 6 };
		one.client.bytes[0] = one.client.bytes[12] = (uint8_t)(i + 1);
		*summary_crowd_take_place(crowd, i + 1) = one;
	}
	fate_leaders(crowd, &leaders);
	assert_int_equal(leaders.n, SUMMARY_SAMPLE);
	assert_true(is_same(leaders.source, 1.0 / SUMMARY_SAMPLE));
	assert_true(is_same(leaders.server, 0.25));
	assert_true(is_same(leaders.port, 1));
	assert_int_equal(leaders.source_ip.bytes[0], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cohort_says_what_a_sum_over_it_says),
		cmocka_unit_test(the_most_frequent_lead),
		cmocka_unit_test(addresses_of_any_bytes_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
