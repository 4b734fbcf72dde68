/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What each signal counts: in which counters, as what is recent, in which crowd, and how urgent it makes a key.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "summary_count.h"

#define START_NS (UINT64_C(1795132800) * NS_PER_SEC)

enum { NONE = SUMMARY_COUNTERS };

/* One signal, told after_ns after the connection began. */
struct told {
	struct flow_signal signal;
	uint64_t after_ns;
	uint8_t counters[4]; /* each grows by one, and no other; up to the first NONE */
	uint8_t attempts;
	uint8_t signs;
	int8_t crowd; /* enum summary_crowd_kind; -1 = none */
	int8_t crowd_of_source;
	uint8_t urge;
	uint8_t urge_of_pair;
};

#define KIND(which, ...) .signal = { .kind = SIGNAL_##which, __VA_ARGS__ }
#define COUNTS(...)      .counters = { __VA_ARGS__, NONE }
#define NOTHING          .counters = { NONE }
#define NO_CROWD         .crowd = -1, .crowd_of_source = -1
#define CROWD(which)     .crowd = CROWD_##which, .crowd_of_source = CROWD_##which
#define TROUBLE          .signs = 1, .urge = 2

static const struct told told[] = {
	{ KIND(ATTEMPT, 0), COUNTS(SUMMARY_ATTEMPTS), .attempts = 1, .urge = 1, CROWD(TRYING) },
	{ KIND(SYN_REPEATED, 0), COUNTS(SUMMARY_SYNS_REPEATED), .urge = 2, NO_CROWD },
	{ KIND(SYN_REPEATED, .is_first = true), COUNTS(SUMMARY_SYNS_REPEATED, SUMMARY_RETRIED), .urge = 2, NO_CROWD },
	{ KIND(ANSWERED, 0), COUNTS(SUMMARY_ANSWERED), .crowd = -1, .crowd_of_source = CROWD_ANSWERED },
	{ KIND(ANSWERED, .bare_synack = true), COUNTS(SUMMARY_ANSWERED, SUMMARY_BARE_SYNACKS), .crowd = -1,
	  .crowd_of_source = CROWD_ANSWERED },
	{ KIND(SYNACK_REPEATED, 0), COUNTS(SUMMARY_SYNACKS_REPEATED), .urge = 2, NO_CROWD },
	{ KIND(SYNACK_REPEATED, .held_until_ns = 2), COUNTS(SUMMARY_SYNACKS_REPEATED, SUMMARY_SYNACK_REPEATERS),
	  .urge = 2, NO_CROWD },
	{ KIND(SYNACK_REPEATED, .held_until_ns = 2, .held_before_ns = 1), COUNTS(SUMMARY_SYNACKS_REPEATED), .urge = 2,
	  NO_CROWD },
	{ KIND(COMPLETED, .answered = true), COUNTS(SUMMARY_COMPLETED), .urge_of_pair = 1, NO_CROWD },
	{ KIND(COMPLETED, .retried = true), COUNTS(SUMMARY_COMPLETED, SUMMARY_RETRIED_SETTLED), .urge_of_pair = 1,
	  .crowd = -1, .crowd_of_source = CROWD_ANSWERED },
	{ KIND(COMPLETED, .answered = true, .ended = true), COUNTS(SUMMARY_COMPLETED, SUMMARY_HALF_OPEN_ENDED),
	  .urge_of_pair = 1, NO_CROWD },
	{ KIND(COMPLETED, .answered = true, .ended = true, .retried = true, .held_before_ns = 1),
	  .counters = { SUMMARY_COMPLETED, SUMMARY_RETRIED_SETTLED, SUMMARY_HALF_OPEN_ENDED, SUMMARY_REPEATERS_ENDED },
	  .urge_of_pair = 1, NO_CROWD },
	{ KIND(REFUSED, 0), COUNTS(SUMMARY_REFUSED), TROUBLE, CROWD(FAILING) },
	{ KIND(REFUSED, .retried = true), .after_ns = NS_PER_SEC, COUNTS(SUMMARY_REFUSED, SUMMARY_RETRIED_SETTLED),
	  TROUBLE, NO_CROWD },
	{ KIND(UNREACHABLE, 0), .after_ns = NS_PER_SEC - 1, COUNTS(SUMMARY_UNREACHABLE), TROUBLE, CROWD(FAILING) },
	{ KIND(UNREACHABLE, .retried = true), .after_ns = NS_PER_SEC,
	  COUNTS(SUMMARY_UNREACHABLE, SUMMARY_RETRIED_SETTLED), TROUBLE, NO_CROWD },
	{ KIND(UNANSWERED, 0), .after_ns = NS_PER_SEC, COUNTS(SUMMARY_UNANSWERED), TROUBLE, CROWD(FAILING) },
	{ KIND(STILL_HALF_OPEN, 0), .after_ns = NS_PER_SEC, COUNTS(SUMMARY_STILL_HALF_OPEN), TROUBLE, CROWD(FAILING) },
	{ KIND(HALF_OPEN_ENDED, 0), COUNTS(SUMMARY_HALF_OPEN_ENDED), NO_CROWD },
	{ KIND(HALF_OPEN_ENDED, .held_before_ns = 1), COUNTS(SUMMARY_HALF_OPEN_ENDED, SUMMARY_REPEATERS_ENDED),
	  NO_CROWD },
	{ KIND(TIME_WAIT, 0), COUNTS(SUMMARY_TIME_WAIT), NO_CROWD },
	{ KIND(TIME_WAIT_OVER, 0), COUNTS(SUMMARY_TIME_WAIT_OVER), NO_CROWD },
	{ KIND(TIME_WAIT_OVER, .reused = true), COUNTS(SUMMARY_TIME_WAIT_OVER, SUMMARY_TIME_WAIT_REUSED), NO_CROWD },
	{ KIND(CLOSED, 0), NOTHING, NO_CROWD },
	{ KIND(CLOSED, .completed = true), COUNTS(SUMMARY_CLOSED, SUMMARY_CLOSED_UNSPOKEN), NO_CROWD },
	{ KIND(CLOSED, .completed = true, .spoke = true), COUNTS(SUMMARY_CLOSED), NO_CROWD },
	{ KIND(SERVER_TIME_WAIT, 0), COUNTS(SUMMARY_SERVER_TIME_WAIT), NO_CROWD },
	{ KIND(SERVER_TIME_WAIT_OVER, 0), COUNTS(SUMMARY_SERVER_TIME_WAIT_OVER), NO_CROWD },
	{ KIND(CLIENT_RESET, 0), COUNTS(SUMMARY_CLIENT_RESET), TROUBLE, CROWD(FAILING) },
	{ KIND(CLIENT_RESET, 0), .after_ns = NS_PER_SEC, COUNTS(SUMMARY_CLIENT_RESET), TROUBLE, NO_CROWD },
	{ KIND(CLIENT_SPOKE, 0), COUNTS(SUMMARY_SPOKEN), NO_CROWD },
	{ KIND(SYNACK_AFTER_ACK, 0), COUNTS(SUMMARY_SYNACKS_AFTER_ACK), TROUBLE, NO_CROWD },
	{ KIND(SYNACK_AFTER_ACK, .is_first = true), COUNTS(SUMMARY_SYNACKS_AFTER_ACK, SUMMARY_ACKS_DROPPED), TROUBLE,
	  NO_CROWD },
	{ KIND(DATA_IGNORED, 0), COUNTS(SUMMARY_DATA_IGNORED), TROUBLE, NO_CROWD },
	{ KIND(STALLED, .side = SIDE_CLIENT), COUNTS(SUMMARY_STALLED), .urge = 2, NO_CROWD },
	{ KIND(STALLED_OVER, .side = SIDE_CLIENT), COUNTS(SUMMARY_STALLED_OVER), NO_CROWD },
	{ KIND(STALLED_OVER, .side = SIDE_SERVER), NOTHING, NO_CROWD },
	{ KIND(HELD, .state = TCPS_CLOSE_WAIT), COUNTS(SUMMARY_CLOSE_WAIT), .urge = 2, NO_CROWD },
	{ KIND(HELD_OVER, .state = TCPS_CLOSE_WAIT), COUNTS(SUMMARY_CLOSE_WAIT_OVER), NO_CROWD },
	{ KIND(HELD, .state = TCPS_FIN_WAIT_2), COUNTS(SUMMARY_FIN_WAIT_2), .urge = 2, NO_CROWD },
	{ KIND(HELD_OVER, .state = TCPS_FIN_WAIT_2), COUNTS(SUMMARY_FIN_WAIT_2_OVER), NO_CROWD },
	{ KIND(HELD, .state = TCPS_LAST_ACK), COUNTS(SUMMARY_LAST_ACK), .urge = 2, NO_CROWD },
	{ KIND(HELD_OVER, .state = TCPS_LAST_ACK), COUNTS(SUMMARY_LAST_ACK_OVER), NO_CROWD },
	{ KIND(RST_SUSPECT, .is_first = true), COUNTS(SUMMARY_RST_SUSPECTS), TROUBLE, NO_CROWD },
	{ KIND(RST_SUSPECT, .suspicion = RST_SUSPECT_PROBE | RST_SUSPECT_TTL), COUNTS(SUMMARY_RST_PROBES), TROUBLE,
	  NO_CROWD },
	{ KIND(RST_SUSPECT, .suspicion = RST_SUSPECT_CONTRADICTED), COUNTS(SUMMARY_RST_CONTRADICTED), TROUBLE,
	  NO_CROWD },
	{ KIND(RST_SUSPECT, .is_first = true,
	       .suspicion = RST_SUSPECT_CONTRADICTED | RST_SUSPECT_PROBE | RST_SUSPECT_IP_ID),
	  .counters = { SUMMARY_RST_SUSPECTS, SUMMARY_RST_CONTRADICTED, SUMMARY_RST_FORGED, SUMMARY_RST_PROBES },
	  TROUBLE, NO_CROWD },
	{ KIND(STRAY, .stray = STRAY_XMAS), COUNTS(SUMMARY_STRAYS + STRAY_XMAS), TROUBLE, CROWD(STRAY) },
	{ KIND(JOINED, 0), COUNTS(SUMMARY_JOINED), NO_CROWD },
	{ KIND(STRAY_CLAIMED, 0), COUNTS(SUMMARY_STRAYS_CLAIMED), NO_CROWD },
};

enum { N_TOLD = sizeof(told) / sizeof(told[0]) };

static struct flow_signal signal_of(const struct told *one)
{
	struct flow_signal signal = one->signal;

	signal.since_ns = START_NS;
	signal.now_ns = START_NS + one->after_ns;
	return signal;
}

static bool counts(const struct told *one, int counter)
{
	for (int i = 0; i < 4 && one->counters[i] != NONE; i++)
		if (one->counters[i] == counter)
			return true;
	return false;
}

static void test_each_signal_counts_where_it_should(void **state)
{
	(void)state;
	for (int i = 0; i < N_TOLD; i++) {
		const struct flow_signal signal = signal_of(&told[i]);
		struct summary_slot slots[SUMMARY_SLOTS] = { 0 };
		struct summary summary = { .slots = slots };
		struct summary_tally tally;

		summary_tally_signal(&tally, &signal);
		summary_count_signal(&summary, SUMMARY_SERVICE, &tally, &signal);
		for (int k = 0; k < SUMMARY_COUNTERS; k++) {
			assert_int_equal(summary.totals[k], counts(&told[i], k));
			if (k < SUMMARY_COHORT_COUNTERS)
				assert_int_equal(
					summary_cohort(&summary, (enum summary_counter)k, START_NS / SUMMARY_SLOT_NS),
					counts(&told[i], k));
		}
		assert_int_equal(summary.latest_ns, signal.now_ns);
		assert_int_equal(summary.recent.attempts, told[i].attempts);
		assert_int_equal(summary.recent.signs, told[i].signs);
		assert_int_equal(tally.crowd, told[i].crowd + 1);
		assert_int_equal(tally.crowd_of_source, told[i].crowd_of_source + 1);
		assert_int_equal(tally.urge, told[i].urge);
		assert_int_equal(tally.urge_of_pair, told[i].urge_of_pair);
		assert_int_equal(!tally.is_not_of_targets, summary_is_counted(SUMMARY_SERVICE, &signal));
		assert_int_equal(!tally.is_not_of_source, summary_is_counted(SUMMARY_SOURCE, &signal));
	}
}

static void test_every_kind_is_told(void **state)
{
	uint32_t kinds = 0;

	(void)state;
	for (int i = 0; i < N_TOLD; i++)
		kinds |= UINT32_C(1) << told[i].signal.kind;
	assert_int_equal(kinds, (UINT32_C(1) << SIGNAL_KIND_COUNT) - 1);
}

/* A signal that counts in no cohort does not take the place of an old one. */
static void test_only_what_is_of_a_cohort_begins_its_slot(void **state)
{
	const uint64_t later_ns = START_NS + SUMMARY_SLOTS * SUMMARY_SLOT_NS;
	struct summary_slot slots[SUMMARY_SLOTS] = { 0 };
	struct summary summary = { .slots = slots };
	struct flow_signal signal = { .kind = SIGNAL_ATTEMPT, .since_ns = START_NS, .now_ns = START_NS };
	struct summary_tally tally;

	(void)state;
	summary_tally_signal(&tally, &signal);
	summary_count_signal(&summary, SUMMARY_HOST, &tally, &signal);
	signal = (struct flow_signal){ .kind = SIGNAL_JOINED, .since_ns = later_ns, .now_ns = later_ns };
	summary_tally_signal(&tally, &signal);
	summary_count_signal(&summary, SUMMARY_HOST, &tally, &signal);
	assert_int_equal(summary_cohort(&summary, SUMMARY_ATTEMPTS, START_NS / SUMMARY_SLOT_NS), 1);
	/* Nor does what is neither attempt nor sign begin a span. */
	assert_int_equal(summary.recent.span, START_NS / SUMMARY_SPAN_NS);
	signal = (struct flow_signal){ .kind = SIGNAL_ANSWERED, .since_ns = later_ns, .now_ns = later_ns };
	summary_tally_signal(&tally, &signal);
	summary_count_signal(&summary, SUMMARY_HOST, &tally, &signal);
	assert_int_equal(summary_cohort(&summary, SUMMARY_ATTEMPTS, START_NS / SUMMARY_SLOT_NS), 0);
	assert_int_equal(summary_cohort(&summary, SUMMARY_ANSWERED, later_ns / SUMMARY_SLOT_NS), 1);
}

static uint64_t handshakes(const struct summary *summary)
{
	uint64_t n = 0;

	for (int i = 0; i < SUMMARY_RTT_BUCKETS; i++)
		n += summary->handshakes[i];
	return n;
}

static void test_handshakes_are_timed_for_who_is_asked(void **state)
{
	const struct flow_signal signal = { .kind = SIGNAL_COMPLETED,
					    .since_ns = START_NS,
					    .now_ns = START_NS + 200 * NS_PER_US };
	struct summary_tally tally;

	(void)state;
	summary_tally_signal(&tally, &signal);
	for (int kind = 0; kind < SUMMARY_KINDS; kind++) {
		struct summary summary = { 0 };
		summary_count_signal(&summary, (enum summary_kind)kind, &tally, &signal);
		bool is_timed = kind != SUMMARY_SOURCE && kind != SUMMARY_PAIR;
		assert_int_equal(handshakes(&summary), is_timed);
		assert_int_equal(summary.handshakes[1], is_timed);
	}
}

static void test_gauges_are_told_by_age(void **state)
{
	struct summary_ages ages = { 0 };
	struct summary summary = { .ages = &ages };
	struct summary_tally tally;
	struct flow_signal signal = { .kind = SIGNAL_COMPLETED, .since_ns = START_NS, .now_ns = START_NS };

	(void)state;
	for (int i = 0; i < 3; i++) {
		summary_tally_signal(&tally, &signal);
		summary_count_signal(&summary, SUMMARY_SERVICE, &tally, &signal);
	}
	uint64_t place = START_NS / SUMMARY_AGE_NS % SUMMARY_AGES;
	assert_int_equal(ages.buckets[place].counts[GAUGE_UNSPOKEN], 3);
	signal.kind = SIGNAL_CLIENT_SPOKE;
	summary_tally_signal(&tally, &signal);
	summary_count_signal(&summary, SUMMARY_SERVICE, &tally, &signal);
	signal.kind = SIGNAL_CLOSED;
	signal.completed = true;
	summary_tally_signal(&tally, &signal);
	summary_count_signal(&summary, SUMMARY_SERVICE, &tally, &signal);
	assert_int_equal(ages.buckets[place].counts[GAUGE_UNSPOKEN], 1);
	signal.spoke = true;
	summary_tally_signal(&tally, &signal);
	summary_count_signal(&summary, SUMMARY_SERVICE, &tally, &signal);
	assert_int_equal(ages.buckets[place].counts[GAUGE_UNSPOKEN], 1);
	signal.kind = SIGNAL_HELD;
	signal.state = TCPS_CLOSE_WAIT;
	summary_tally_signal(&tally, &signal);
	summary_count_signal(&summary, SUMMARY_SERVICE, &tally, &signal);
	assert_int_equal(ages.buckets[place].counts[GAUGE_CLOSE_WAIT], 1);
}

static void test_what_the_server_keeps_moves(void **state)
{
	struct summary_held held = { 0 };
	struct summary summary = { .held = &held };
	struct summary_tally tally;
	struct flow_signal signal = { .kind = SIGNAL_SYNACK_REPEATED,
				      .since_ns = START_NS,
				      .now_ns = START_NS,
				      .held_until_ns = START_NS + 10 * NS_PER_SEC };

	(void)state;
	summary_tally_signal(&tally, &signal);
	summary_count_signal(&summary, SUMMARY_SERVICE, &tally, &signal);
	assert_int_equal(summary_held_at(&held, START_NS / SUMMARY_SLOT_NS), 1);
	/* Of another connection nothing was known. */
	signal = (struct flow_signal){ .kind = SIGNAL_HALF_OPEN_ENDED, .since_ns = START_NS, .now_ns = START_NS };
	summary_tally_signal(&tally, &signal);
	summary_count_signal(&summary, SUMMARY_SERVICE, &tally, &signal);
	assert_int_equal(summary_held_at(&held, START_NS / SUMMARY_SLOT_NS), 1);
	signal.held_before_ns = START_NS + 10 * NS_PER_SEC;
	signal.held_until_ns = START_NS;
	summary_tally_signal(&tally, &signal);
	summary_count_signal(&summary, SUMMARY_SERVICE, &tally, &signal);
	assert_int_equal(summary_held_at(&held, START_NS / SUMMARY_SLOT_NS), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_signal_counts_where_it_should),
		cmocka_unit_test(test_every_kind_is_told),
		cmocka_unit_test(test_only_what_is_of_a_cohort_begins_its_slot),
		cmocka_unit_test(test_handshakes_are_timed_for_who_is_asked),
		cmocka_unit_test(test_gauges_are_told_by_age),
		cmocka_unit_test(test_what_the_server_keeps_moves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
