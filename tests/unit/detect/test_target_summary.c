/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cohorts, gauges, and the laws that make summaries of several sensors one summary (design 1.7).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "target_summary.h"

static uint64_t random_state;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static uint64_t count(const struct target_summary *summary, enum target_outcome outcome, uint64_t first, uint64_t last)
{
	uint64_t outcomes[TARGET_OUTCOMES];

	target_summary_sum(summary, first, last, outcomes);
	return outcomes[outcome];
}

static void test_outcomes_count_where_the_attempt_began(void **state)
{
	static struct target_summary summary;
	uint64_t slot = 1000;

	(void)state;
	target_summary_count(&summary, TARGET_ATTEMPTS, slot * TARGET_SLOT_NS + 1);
	target_summary_count(&summary, TARGET_ATTEMPTS, (slot + 8) * TARGET_SLOT_NS);
	target_summary_count(&summary, TARGET_COMPLETED, slot * TARGET_SLOT_NS + 1);
	assert_int_equal(count(&summary, TARGET_ATTEMPTS, slot, slot), 1);
	assert_int_equal(count(&summary, TARGET_COMPLETED, slot, slot), 1);
	assert_int_equal(count(&summary, TARGET_COMPLETED, slot + 1, slot + 8), 0);
	assert_int_equal(count(&summary, TARGET_ATTEMPTS, slot, slot + 8), 2);
}

static void test_old_cohorts_make_room_and_late_outcomes_go_to_the_totals(void **state)
{
	static struct target_summary summary;

	(void)state;
	target_summary_count(&summary, TARGET_ATTEMPTS, 100 * TARGET_SLOT_NS);
	target_summary_count(&summary, TARGET_ATTEMPTS, (100 + TARGET_SLOTS) * TARGET_SLOT_NS);
	target_summary_count(&summary, TARGET_COMPLETED, 100 * TARGET_SLOT_NS);
	assert_int_equal(count(&summary, TARGET_ATTEMPTS, 0, UINT64_MAX), 1);
	assert_int_equal(count(&summary, TARGET_COMPLETED, 0, UINT64_MAX), 0);
	assert_int_equal(summary.totals[TARGET_COMPLETED], 1);
}

static void test_old_half_open_leaves_out_the_young(void **state)
{
	static struct target_summary summary;

	(void)state;
	for (uint64_t slot = 100; slot < 110; slot++)
		for (int i = 0; i < 5; i++)
			target_summary_count(&summary, TARGET_ANSWERED, slot * TARGET_SLOT_NS);
	target_summary_count(&summary, TARGET_HALF_OPEN_ENDED, 100 * TARGET_SLOT_NS);
	target_summary_count(&summary, TARGET_HALF_OPEN_ENDED, 109 * TARGET_SLOT_NS);
	assert_int_equal(target_summary_half_open(&summary), 48);
	assert_int_equal(target_summary_old_half_open(&summary, 102), 9);
	assert_int_equal(target_summary_old_half_open(&summary, 200), 48);
}

static void test_incomplete_is_never_less_than_nothing(void **state)
{
	uint64_t outcomes[TARGET_OUTCOMES] = { 0 };

	(void)state;
	outcomes[TARGET_ATTEMPTS] = 10;
	outcomes[TARGET_COMPLETED] = 4;
	outcomes[TARGET_REFUSED] = 2;
	outcomes[TARGET_UNREACHABLE] = 1;
	assert_int_equal(target_incomplete(outcomes), 3);
	outcomes[TARGET_COMPLETED] = 40;
	assert_int_equal(target_incomplete(outcomes), 0);
}

static void test_entropy_of_fingerprints(void **state)
{
	static struct target_crowd crowd;
	struct flow_signal signal = { .ttl = 242 };

	(void)state;
	random_state = 1;
	for (int i = 0; i < 1000; i++)
		target_crowd_add(&crowd, &signal, next_random());
	assert_true(target_crowd_entropy(&crowd) < 0.01);
	for (int i = 0; i < 9000; i++) {
		signal.ttl = (uint8_t)next_random();
		signal.window = (uint16_t)next_random();
		target_crowd_add(&crowd, &signal, next_random());
	}
	assert_true(target_crowd_entropy(&crowd) > 4);
}

/* A sensor's view of some seconds of traffic, within the same minute as the others'. */
static void fill(struct target_summary *summary, uint64_t seed)
{
	memset(summary, 0, sizeof(*summary));
	random_state = seed * 2654435761u + 1;
	uint64_t start_ns = 1000000 * NS_PER_SEC + next_random() % (6 * NS_PER_SEC);
	unsigned n = (unsigned)(next_random() % 400);

	for (unsigned i = 0; i < n; i++) {
		uint64_t now_ns = start_ns + next_random() % (8 * NS_PER_SEC);
		struct flow_signal signal = {
			.now_ns = now_ns,
			.ttl = (uint8_t)(next_random() % 4),
			.window = (uint16_t)(next_random() % 8),
		};
		enum target_outcome outcome = (enum target_outcome)(next_random() % TARGET_OUTCOMES);
		target_summary_count(summary, outcome, now_ns);
		if (outcome == TARGET_ATTEMPTS)
			target_summary_try(summary, &signal, next_random(), next_random() % 7 == 0);
		if (outcome == TARGET_UNANSWERED)
			target_crowd_add(&summary->failing, &signal, next_random());
	}
}

static struct target_summary *merged(const struct target_summary *a, const struct target_summary *b)
{
	struct target_summary *result = malloc(sizeof(*result));

	assert_non_null(result);
	*result = *a;
	target_summary_merge(result, b);
	return result;
}

static void assert_same(struct target_summary *a, struct target_summary *b)
{
	assert_memory_equal(a, b, sizeof(*a));
	free(a);
	free(b);
}

static void test_merge_is_commutative_and_associative(void **state)
{
	static struct target_summary a;
	static struct target_summary b;
	static struct target_summary c;
	static const struct target_summary nothing;

	(void)state;
	for (uint64_t round = 0; round < 500; round++) {
		fill(&a, 3 * round);
		fill(&b, 3 * round + 1);
		fill(&c, 3 * round + 2);
		assert_same(merged(&a, &b), merged(&b, &a));

		struct target_summary *ab = merged(&a, &b);
		struct target_summary *bc = merged(&b, &c);
		assert_same(merged(ab, &c), merged(&a, bc));
		free(ab);
		free(bc);

		struct target_summary *unchanged = merged(&a, &nothing);
		assert_memory_equal(unchanged, &a, sizeof(a));
		free(unchanged);
	}
}

/* What two sensors see of one stream, merged, is what one sensor would have seen. */
static void test_merge_of_parts_is_the_whole(void **state)
{
	static struct target_summary parts[2];
	static struct target_summary whole;

	(void)state;
	random_state = 99;
	for (uint64_t i = 0; i < 5000; i++) {
		struct flow_signal signal = {
			.now_ns = 1000000 * NS_PER_SEC + i * 500000,
			.ttl = (uint8_t)(next_random() % 4),
		};
		struct target_summary *part = &parts[next_random() % 2];
		uint64_t source = next_random();
		target_summary_count(part, TARGET_ATTEMPTS, signal.now_ns);
		target_summary_count(&whole, TARGET_ATTEMPTS, signal.now_ns);
		target_summary_try(part, &signal, source, false);
		target_summary_try(&whole, &signal, source, false);
	}
	target_summary_merge(&parts[0], &parts[1]);
	assert_memory_equal(&parts[0], &whole, sizeof(whole));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_outcomes_count_where_the_attempt_began),
		cmocka_unit_test(test_old_cohorts_make_room_and_late_outcomes_go_to_the_totals),
		cmocka_unit_test(test_old_half_open_leaves_out_the_young),
		cmocka_unit_test(test_incomplete_is_never_less_than_nothing),
		cmocka_unit_test(test_entropy_of_fingerprints),
		cmocka_unit_test(test_merge_is_commutative_and_associative),
		cmocka_unit_test(test_merge_of_parts_is_the_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
