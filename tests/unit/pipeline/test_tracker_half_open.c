/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long a server keeps a half-open connection, by the times at which it repeats its SYN-ACK: it gives up when the
 * next repetition would be due, and who never repeats of its own accord keeps nothing, as far as seen.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "tcpwitness/base/units.h"

#include "tracker_internal.h"

/* Of the client's SYN. */
#define SYN_NS (UINT64_C(1795132800) * NS_PER_SEC)

/* Times are kept to 4 ms, and three of them make the answer. */
#define TOLERANCE_S 0.012

/* seconds are since the client's SYN. */
static uint64_t at(double seconds)
{
	return SYN_NS + (uint64_t)llround(seconds * (double)NS_PER_SEC);
}

/* A SYN at 0 s that the server answered at answered_s. */
static struct flow answered(double answered_s)
{
	struct flow flow = { .first_ns = SYN_NS };

	tracker_half_open_begins(&flow, at(answered_s));
	return flow;
}

static struct flow_signal repeat(struct flow *flow, double seconds)
{
	struct flow_signal signal = { .kind = SIGNAL_SYNACK_REPEATED };

	tracker_half_open_repeats(flow, at(seconds), &signal);
	return signal;
}

static struct flow_signal end(struct flow *flow, double seconds)
{
	struct flow_signal signal = { .kind = SIGNAL_HALF_OPEN_ENDED };

	tracker_half_open_ends(flow, at(seconds), &signal);
	return signal;
}

static void assert_time(uint64_t time_ns, double seconds)
{
	assert_true(fabs(((double)time_ns - (double)SYN_NS) / (double)NS_PER_SEC - seconds) <= TOLERANCE_S);
}

/* Linux: five repetitions, each interval twice the one before (RFC 6298 5.5), and gone when a sixth would be due. */
static void a_server_gives_up_when_its_next_repetition_would_be_due(void **state)
{
	static const double repeats_s[] = { 1, 3, 7, 15, 31 };
	static const double kept_s[] = { 3, 7, 15, 31, 63 };
	struct flow flow = answered(0.001);

	(void)state;
	for (size_t i = 0; i < 5; i++)
		assert_time(repeat(&flow, repeats_s[i] + 0.001).held_until_ns, kept_s[i]);
}

/* So that it can be moved from one slot of the server's queue to another (summary_held). */
static void each_repetition_says_what_the_one_before_it_said(void **state)
{
	struct flow flow = answered(0.02);
	uint64_t before_ns = 0;

	(void)state;
	for (double seconds = 1; seconds < 40; seconds = 2 * seconds + 1) {
		struct flow_signal signal = repeat(&flow, seconds + 0.02);
		assert_int_equal(signal.held_before_ns, before_ns);
		assert_true(signal.held_until_ns > before_ns);
		before_ns = signal.held_until_ns;
	}
}

/* The intervals are the server's own: here it begins after 3 s, as RFC 2988 had it, and far from the tap. */
static void the_intervals_are_the_servers_own(void **state)
{
	struct flow flow = answered(0.2);

	(void)state;
	assert_time(repeat(&flow, 3.2).held_until_ns, 9.2);
	assert_time(repeat(&flow, 9.2).held_until_ns, 21.2);
}

static void a_server_that_never_repeats_keeps_nothing(void **state)
{
	struct flow flow = answered(0.001);
	struct flow_signal signal = end(&flow, 63);

	(void)state;
	assert_int_equal(signal.held_before_ns, 0);
	assert_int_equal(signal.held_until_ns, 0);
}

/* --- SYN-ACKs that a repeated SYN asked for --- */

/* A server with SYN cookies sends them too, each time the client asks again. */
static void what_a_repeated_syn_asked_for_shows_nothing(void **state)
{
	struct flow flow = answered(0.001);

	(void)state;
	for (double seconds = 1; seconds < 10; seconds = 2 * seconds + 1) {
		flow.conn.later_syn_ns = at(seconds);
		assert_int_equal(repeat(&flow, seconds + 0.001).held_until_ns, 0);
	}
}

/* 400 ms behind the SYN it is no answer to it any more: on either side of that. */
static void what_comes_long_after_the_repeated_syn_is_of_its_own_accord(void **state)
{
	(void)state;
	for (unsigned k = 0; k < 2; k++) {
		struct flow flow = answered(0.001);
		flow.conn.later_syn_ns = at(1);
		assert_int_equal(repeat(&flow, k == 0 ? 1.39 : 1.41).held_until_ns != 0, k);
	}
}

/* The SYN was answered already; what follows is the server's own, however soon it follows. */
static void a_repeated_syn_asks_for_one_synack_only(void **state)
{
	struct flow flow = answered(0.001);

	(void)state;
	flow.conn.later_syn_ns = at(1);
	assert_int_equal(repeat(&flow, 1.01).held_until_ns, 0);
	assert_true(repeat(&flow, 1.2).held_until_ns != 0);
}

/* It was seen to keep the connection before; an answer does not take that back. */
static void an_answer_to_a_repeated_syn_leaves_what_is_known(void **state)
{
	struct flow flow = answered(0.001);

	(void)state;
	assert_time(repeat(&flow, 1.001).held_until_ns, 3);
	flow.conn.later_syn_ns = at(1.5);
	struct flow_signal signal = repeat(&flow, 1.501);
	assert_time(signal.held_before_ns, 3);
	assert_true(signal.held_until_ns != 0);
}

/* --- how it ends --- */

static void who_completes_is_kept_no_longer(void **state)
{
	struct flow flow = answered(0.001);

	(void)state;
	repeat(&flow, 1.001);
	repeat(&flow, 3.001);
	struct flow_signal signal = end(&flow, 4);
	assert_time(signal.held_before_ns, 7);
	assert_int_equal(signal.held_until_ns, at(4));
}

/* Our record ended late: the server had given it up before. */
static void who_was_given_up_before_is_not_kept_until_the_record_ends(void **state)
{
	struct flow flow = answered(0.001);

	(void)state;
	repeat(&flow, 1.001);
	struct flow_signal signal = end(&flow, 60);
	assert_time(signal.held_until_ns, 3);
	assert_int_equal(signal.held_until_ns, signal.held_before_ns);
}

/* The same tuple again, with another SYN: nothing of the first is left. */
static void another_attempt_begins_anew(void **state)
{
	struct flow flow = answered(0.001);

	(void)state;
	repeat(&flow, 1.001);
	tracker_half_open_begins(&flow, at(2));
	assert_int_equal(end(&flow, 5).held_before_ns, 0);
}

/* Units of 4 ms in 16 bits are good for four minutes; beyond that it is the most that can be said. */
static void what_is_longer_than_four_minutes_is_the_most(void **state)
{
	struct flow flow = answered(0.001);

	(void)state;
	struct flow_signal signal = repeat(&flow, 200);
	assert_true(signal.held_until_ns >= at(200 + 260));
	assert_true(repeat(&flow, 300).held_until_ns >= at(262));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_server_gives_up_when_its_next_repetition_would_be_due),
		cmocka_unit_test(each_repetition_says_what_the_one_before_it_said),
		cmocka_unit_test(the_intervals_are_the_servers_own),
		cmocka_unit_test(a_server_that_never_repeats_keeps_nothing),
		cmocka_unit_test(what_a_repeated_syn_asked_for_shows_nothing),
		cmocka_unit_test(what_comes_long_after_the_repeated_syn_is_of_its_own_accord),
		cmocka_unit_test(a_repeated_syn_asks_for_one_synack_only),
		cmocka_unit_test(an_answer_to_a_repeated_syn_leaves_what_is_known),
		cmocka_unit_test(who_completes_is_kept_no_longer),
		cmocka_unit_test(who_was_given_up_before_is_not_kept_until_the_record_ends),
		cmocka_unit_test(another_attempt_begins_anew),
		cmocka_unit_test(what_is_longer_than_four_minutes_is_the_most),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
