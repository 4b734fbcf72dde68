/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is kept of pairs that have no record: whom it finds and forgets, and that nothing is lost when they get one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "rare_pairs.h"
#include "summary_count.h"

enum { PAIRS = 100, LEAST = 6 };

#define START_NS (UINT64_C(1795132800) * NS_PER_SEC)

static void setup(struct rare_pairs *rare)
{
	/* A line for alignment, a place that is left free. */
	assert_int_equal(rare_pairs_init(rare, 64 + (PAIRS + 1) * (sizeof(struct rare_pair) + 2 * sizeof(uint32_t))),
			 0);
}

static struct flow_signal signal_of(enum flow_signal_kind kind, uint64_t at_ns)
{
	return (struct flow_signal){ .kind = kind, .since_ns = at_ns, .now_ns = at_ns, .completed = true };
}

static void add(struct rare_pairs *rare, uint64_t hash)
{
	const struct flow_signal completed = signal_of(SIGNAL_COMPLETED, START_NS);
	struct rare_pair *pair;

	rare_pairs_add(rare, hash, START_NS, &pair);
	rare_pair_count(pair, &completed);
}

static void test_too_little_memory_is_refused(void **state)
{
	struct rare_pairs rare;

	(void)state;
	assert_int_equal(rare_pairs_init(&rare, 100), -1);
	assert_int_equal(rare_pairs_init(&rare, 0), -1);
}

/* Whatever the hashes: here all are in one chain, then spread, then in a few. */
static void test_those_that_came_first_are_forgotten(void **state)
{
	static const uint64_t strides[] = { UINT64_C(1) << 32, 1, 13 * UINT64_C(64) };
	struct rare_pairs rare;

	(void)state;
	for (size_t i = 0; i < sizeof(strides) / sizeof(strides[0]); i++) {
		setup(&rare);
		for (uint64_t n = 1; n <= 10 * PAIRS; n++) {
			assert_null(rare_pairs_find(&rare, n * strides[i]));
			add(&rare, n * strides[i]);
			for (uint64_t known = n > PAIRS ? n - PAIRS + 1 : 1; known <= n; known++)
				assert_non_null(rare_pairs_find(&rare, known * strides[i]));
			if (n > PAIRS)
				assert_null(rare_pairs_find(&rare, (n - PAIRS) * strides[i]));
		}
		rare_pairs_fini(&rare);
	}
}

/* Against a plain list, with removals in between. */
static void test_removed_ones_stay_away(void **state)
{
	uint64_t order[10 * PAIRS];
	bool is_gone[10 * PAIRS] = { false };
	struct rare_pairs rare;
	uint64_t random = 1;

	(void)state;
	setup(&rare);
	for (size_t n = 0; n < 10 * PAIRS; n++) {
		random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
		order[n] = random >> 40 | 1;
		order[n] = order[n] << 24 | (uint64_t)n << 8 | (random >> 20 & 3);
		add(&rare, order[n]);
		size_t first = n >= PAIRS ? n - PAIRS + 1 : 0;
		size_t removed = first + (random >> 33) % (n - first + 1);
		if (random >> 32 & 1 && !is_gone[removed]) {
			rare_pairs_remove(&rare, rare_pairs_find(&rare, order[removed]));
			is_gone[removed] = true;
		}
		for (size_t k = 0; k <= n; k++)
			assert_int_equal(rare_pairs_find(&rare, order[k]) != NULL, k >= first && !is_gone[k]);
	}
	rare_pairs_fini(&rare);
}

static void test_says_when_another_is_forgotten(void **state)
{
	struct rare_pairs rare;
	struct rare_pair *pair;

	(void)state;
	setup(&rare);
	for (uint64_t n = 1; n <= PAIRS; n++)
		add(&rare, n);
	rare_pairs_remove(&rare, rare_pairs_find(&rare, 1));
	assert_false(rare_pairs_add(&rare, PAIRS + 1, START_NS, &pair));
	assert_true(rare_pairs_add(&rare, PAIRS + 2, START_NS, &pair));
	rare_pairs_fini(&rare);
}

/* A summary that had counted all signals itself would say the same. */
static void assert_gives_all(const struct flow_signal *signals, size_t n)
{
	struct summary expected = { .since_ns = START_NS };
	struct summary given = { 0 };
	struct rare_pair pair = { .since_ns = START_NS };
	struct summary_tally tally;

	for (size_t i = 0; i < n; i++) {
		assert_false(rare_pair_is_full(&pair, &signals[i], LEAST));
		rare_pair_count(&pair, &signals[i]);
		summary_tally_signal(&tally, &signals[i]);
		summary_count_signal(&expected, SUMMARY_PAIR, &tally, &signals[i]);
		if (signals[i].kind == SIGNAL_COMPLETED)
			summary_count_recent(&expected, 1, 0, signals[i].now_ns);
	}
	rare_pair_give(&pair, &given);
	expected.latest_ns = given.latest_ns;
	assert_memory_equal(&given, &expected, sizeof(given));
}

static void test_nothing_is_lost(void **state)
{
	static const enum flow_signal_kind kinds[] = {
		SIGNAL_COMPLETED,        SIGNAL_COMPLETED,      SIGNAL_JOINED,         SIGNAL_COMPLETED,
		SIGNAL_CLOSED,           SIGNAL_CLOSED,         SIGNAL_TIME_WAIT,      SIGNAL_TIME_WAIT,
		SIGNAL_SERVER_TIME_WAIT, SIGNAL_COMPLETED,      SIGNAL_TIME_WAIT_OVER, SIGNAL_SERVER_TIME_WAIT_OVER,
		SIGNAL_TIME_WAIT,        SIGNAL_TIME_WAIT_OVER, SIGNAL_CLOSED,
	};
	enum { N = sizeof(kinds) / sizeof(kinds[0]) };
	struct flow_signal signals[N];

	(void)state;
	for (size_t i = 0; i < N; i++) {
		signals[i] = signal_of(kinds[i], START_NS + i * NS_PER_SEC);
		signals[i].spoke = i == 4;
		signals[i].retried = i == 1;
		signals[i].reused = i == 10;
	}
	for (size_t n = 1; n <= N; n++)
		assert_gives_all(signals, n);
}

/* Completed ones may be told late, and a pair may rest for long. */
static void test_spans_are_those_of_the_latest(void **state)
{
	const struct flow_signal signals[] = {
		signal_of(SIGNAL_COMPLETED, START_NS),
		signal_of(SIGNAL_COMPLETED, START_NS + 1000 * SUMMARY_SPAN_NS),
		signal_of(SIGNAL_COMPLETED, START_NS + 999 * SUMMARY_SPAN_NS),
		signal_of(SIGNAL_COMPLETED, START_NS + 1000 * SUMMARY_SPAN_NS),
	};

	(void)state;
	for (size_t n = 1; n <= 4; n++)
		assert_gives_all(signals, n);
}

static void test_is_full_in_time(void **state)
{
	const struct flow_signal completed = signal_of(SIGNAL_COMPLETED, START_NS);
	const struct flow_signal joined = signal_of(SIGNAL_JOINED, START_NS);
	const struct flow_signal closed = signal_of(SIGNAL_CLOSED, START_NS);
	struct rare_pair pair = { .since_ns = START_NS };

	(void)state;
	for (int i = 0; i < LEAST - 2; i++)
		rare_pair_count(&pair, &completed);
	rare_pair_count(&pair, &joined);
	assert_true(rare_pair_is_full(&pair, &completed, LEAST));
	assert_true(rare_pair_is_full(&pair, &joined, LEAST));
	/* Counters of five bits. */
	while (!rare_pair_is_full(&pair, &closed, LEAST))
		rare_pair_count(&pair, &closed);
	assert_int_equal(pair.signals, 31);
	assert_int_equal(pair.closed, 31 - (LEAST - 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_too_little_memory_is_refused),
		cmocka_unit_test(test_those_that_came_first_are_forgotten),
		cmocka_unit_test(test_removed_ones_stay_away),
		cmocka_unit_test(test_says_when_another_is_forgotten),
		cmocka_unit_test(test_nothing_is_lost),
		cmocka_unit_test(test_spans_are_those_of_the_latest),
		cmocka_unit_test(test_is_full_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
