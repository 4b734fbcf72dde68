/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a service shows of its queue of half-open connections: its backlog, SYN cookies, silence. A detector made for
 * the test looks at the listener at each tick, while servers of several kinds are flooded.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "listener.h"
#include "made_detector.h"
#include "simulation.h"

static const struct sim_host web = { .ip = { .bytes = { 203, 0, 113, 5 }, .version = 4 }, .port = 443 };

/* Attempts a second, from FLOOD on. */
enum { FLOOD = 10, RATE = 200, BACKLOG = 128 };

static struct listener listener;
static double old_held;
static double begin_at; /* a new trouble begins then; 0 = none */

static void look(const void *params, const struct detect_scene *scene, void *state, struct finding *finding)
{
	(void)params;
	(void)state;
	(void)finding;
	if (begin_at > 0 && sim_seconds(scene->now_ns) >= begin_at) {
		listener_begin(&listener);
		begin_at = 0;
	}
	listener_judge(&listener, scene);
	old_held = listener_old_held(scene);
}

static const struct detector looker = MADE_DETECTOR("looker", 1, 2, .crowd = CROWD_TRYING, .find = look);

/* In place of the project's. */
const struct detector *const detectors[] = { &looker, NULL };

static int setup(void **state)
{
	static struct sim sim;

	sim_init(&sim);
	listener = (struct listener){ 0 };
	old_held = 0;
	begin_at = 0;
	*state = &sim;
	return 0;
}

static int teardown(void **state)
{
	sim_fini(*state);
	return 0;
}

/* What becomes of a SYN that nobody completes, in a queue that has room or has none. */
enum treatment { KEPT, KEPT_LATE, BARE_KEPT, COOKIE, BARE_COOKIE, DROPPED };

/* KEPT: the SYN-ACK is repeated after 1, 3, 7 s ...; KEPT_LATE: after 3, 9, 21 s ... BARE: it has MSS alone. */
static void treat(struct sim *sim, struct sim_conn conn, enum treatment treatment)
{
	double first = treatment == KEPT_LATE ? 3 : 1;
	bool is_kept = treatment <= BARE_KEPT;

	if (treatment == DROPPED) {
		sim_is_ignored(sim, conn, 0);
		return;
	}
	sim_plan(sim, &conn, SIGNAL_ATTEMPT, 0);
	conn.signal.answered = true;
	conn.signal.bare_synack = treatment == BARE_COOKIE || treatment == BARE_KEPT;
	sim_plan(sim, &conn, SIGNAL_ANSWERED, 0.001);
	sim_plan(sim, &conn, SIGNAL_STILL_HALF_OPEN, 1.001);
	conn.signal.is_first = true;
	for (double after = first; after < 60 && is_kept; after = 2 * after + first) {
		conn.signal.held_before_ns = conn.signal.held_until_ns;
		conn.signal.held_until_ns = sim_ns(conn.at + 2 * after + first);
		sim_plan(sim, &conn, SIGNAL_SYNACK_REPEATED, after + 0.002);
		conn.signal.is_first = false;
	}
	conn.signal.held_before_ns = conn.signal.held_until_ns;
	sim_plan(sim, &conn, SIGNAL_HALF_OPEN_ENDED, 63);
	sim_plan(sim, &conn, SIGNAL_CLOSED, 63);
}

/* n SYNs at RATE from FLOOD on: the first n_first are treated so, all behind them otherwise. */
static void flood(struct sim *sim, unsigned n, unsigned n_first, enum treatment first, enum treatment later)
{
	for (unsigned i = 0; i < n; i++) {
		struct sim_conn conn = sim_attempt(sim, FLOOD + (double)i / RATE,
						   sim_ip4((uint32_t)sim_random(sim) | 1), (uint16_t)(1024 + i), web);
		sim_raw_stack(&conn);
		treat(sim, conn, i < n_first ? first : later);
	}
}

static void assert_about(uint64_t value, uint64_t wanted)
{
	print_message("%llu, and %llu are wanted\n", (unsigned long long)value, (unsigned long long)wanted);
	assert_in_range(value, wanted - wanted / 12, wanted + wanted / 12);
}

/* --- a full queue --- */

static void where_cookies_begin_the_backlog_is_full(void **state)
{
	struct sim *sim = *state;

	flood(sim, 5 * RATE, BACKLOG, KEPT, COOKIE);
	sim_run(sim, FLOOD + 4.5);
	assert_int_equal(listener.cookies, ALERT_COOKIES_YES);
	assert_true(listener.is_full);
	assert_about(listener.backlog, BACKLOG);
	/* What is answered with cookies is held by nobody. */
	assert_int_equal(listener.half_open_now, listener.backlog);
	assert_int_equal(listener.half_open_peak, listener.backlog);
	assert_non_null(strstr(listener.why, "not repeated"));
}

static void where_silence_begins_the_backlog_is_full(void **state)
{
	struct sim *sim = *state;

	flood(sim, 5 * RATE, BACKLOG, KEPT, DROPPED);
	sim_run(sim, FLOOD + 4.5);
	assert_int_equal(listener.cookies, ALERT_COOKIES_NO);
	assert_true(listener.is_full && listener.is_silent);
	assert_about(listener.backlog, BACKLOG);
	assert_about(listener.half_open_now, BACKLOG);
	assert_non_null(strstr(listener.why, "unanswered while its queue is full"));
}

static void a_queue_that_takes_all_is_not_full_and_its_backlog_unknown(void **state)
{
	struct sim *sim = *state;

	flood(sim, 4 * RATE, 4 * RATE, KEPT, KEPT);
	sim_run(sim, FLOOD + 5.5);
	assert_int_equal(listener.cookies, ALERT_COOKIES_NO);
	assert_false(listener.is_full);
	assert_int_equal(listener.backlog, 0);
	assert_int_equal(listener.half_open_now, 4 * RATE);
	assert_int_equal(listener.half_open_peak, 4 * RATE);
	assert_non_null(strstr(listener.why, "keeps state"));
}

/* Silence without anything held is a dead host, or a filter. */
static void a_service_that_answers_nobody_has_no_full_queue(void **state)
{
	struct sim *sim = *state;

	flood(sim, 5 * RATE, 0, KEPT, DROPPED);
	sim_run(sim, FLOOD + 4.5);
	assert_int_equal(listener.cookies, ALERT_COOKIES_UNKNOWN);
	assert_false(listener.is_full || listener.is_silent);
	assert_int_equal(listener.backlog, 0);
}

/* --- cookies --- */

/* Clients without timestamps get a SYN-ACK with MSS alone (L5): that shows at once, before any repetition is due. */
static void options_that_are_gone_are_cookies_at_once(void **state)
{
	struct sim *sim = *state;

	sim_clients(sim, 0, FLOOD, 10, 20, web, SIM_ANSWERS);
	flood(sim, RATE, 50, KEPT, BARE_COOKIE);
	sim_run(sim, FLOOD + 0.6);
	assert_int_equal(listener.cookies, ALERT_COOKIES_YES);
	assert_non_null(strstr(listener.why, "options"));
}

/* A server that never offers any has none to lose. */
static void a_server_without_options_has_no_cookies_for_that(void **state)
{
	struct sim *sim = *state;

	flood(sim, 3 * RATE, 3 * RATE, BARE_KEPT, BARE_KEPT);
	sim_run(sim, FLOOD + 3);
	assert_int_equal(listener.cookies, ALERT_COOKIES_NO);
}

/* Of a server that was never seen to repeat, 20 must be left waiting before that says something. */
static void a_few_that_are_not_repeated_tell_nothing(void **state)
{
	struct sim *sim = *state;

	(void)state;
	/* Clients of its own, so that somebody looks. */
	sim_background(sim, 0, FLOOD + 10, 20, web);
	flood(sim, 12, 0, KEPT, COOKIE);
	sim_run(sim, FLOOD + 2.5);
	assert_int_equal(listener.cookies, ALERT_COOKIES_UNKNOWN);
	teardown(state);
	setup(state);
	sim_background(sim, 0, FLOOD + 10, 20, web);
	flood(sim, 28, 0, KEPT, COOKIE);
	sim_run(sim, FLOOD + 2.5);
	assert_int_equal(listener.cookies, ALERT_COOKIES_YES);
}

/* What is not repeated after 1 s, but after 3 s, was kept all the time: the doubt is taken back. */
static void a_server_that_repeats_late_has_no_cookies(void **state)
{
	struct sim *sim = *state;

	flood(sim, 6 * RATE, 6 * RATE, KEPT_LATE, KEPT_LATE);
	sim_run(sim, FLOOD + 2.5);
	assert_int_equal(listener.cookies, ALERT_COOKIES_YES); /* as far as could be known */
	teardown(state);
	setup(state);
	flood(sim, 6 * RATE, 6 * RATE, KEPT_LATE, KEPT_LATE);
	sim_run(sim, FLOOD + 8);
	assert_true(listener.is_late);
	assert_int_equal(listener.cookies, ALERT_COOKIES_NO);
	assert_int_equal(listener.half_open_now, 6 * RATE);
}

/* --- what is held --- */

static void handshakes_that_complete_are_held_for_a_moment(void **state)
{
	struct sim *sim = *state;

	sim_clients(sim, 0, FLOOD + 5, 100, 50, web, SIM_ANSWERS); /* each takes 50 ms */
	sim_run(sim, FLOOD + 5);
	assert_int_equal(listener.cookies, ALERT_COOKIES_UNKNOWN);
	assert_true(listener.half_open_peak <= 12);
	assert_int_equal(listener.backlog, 0);
}

/* The peak of a trouble is not that of the trouble before it. */
static void a_new_trouble_has_a_peak_of_its_own(void **state)
{
	struct sim *sim = *state;

	flood(sim, 4 * RATE, 4 * RATE, KEPT, KEPT);
	sim_clients(sim, FLOOD, FLOOD + 90, 20, 50, web, SIM_ANSWERS);
	begin_at = FLOOD + 80;
	sim_run(sim, FLOOD + 85);
	assert_true(begin_at <= 0);
	assert_true(listener.half_open_peak <= 12);
}

/* Longer than any real client lets it wait: the SYNs of 3.3 s and more ago. */
static void the_old_ones_are_those_that_no_client_completes_any_more(void **state)
{
	struct sim *sim = *state;

	flood(sim, 5 * RATE, 5 * RATE, KEPT, KEPT);
	sim_run(sim, FLOOD + 5);
	/* 1.7 s of it, by slots of a quarter of a second. */
	assert_true(old_held >= 1.4 * RATE && old_held <= 1.75 * RATE);
}

static void an_event_says_what_is_known(void **state)
{
	struct sim *sim = *state;
	struct event_alert alert = { 0 };

	flood(sim, 5 * RATE, BACKLOG, KEPT, COOKIE);
	sim_run(sim, FLOOD + 4.5);
	listener_fill(&listener, &alert);
	assert_true(alert.has_listener);
	assert_int_equal(alert.listener.backlog, listener.backlog);
	assert_int_equal(alert.listener.half_open_now, listener.half_open_now);
	assert_int_equal(alert.listener.half_open_peak, listener.half_open_peak);
	assert_int_equal(alert.listener.cookies, ALERT_COOKIES_YES);
	assert_ptr_equal(alert.listener.why, listener.why);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(where_cookies_begin_the_backlog_is_full),
		TEST(where_silence_begins_the_backlog_is_full),
		TEST(a_queue_that_takes_all_is_not_full_and_its_backlog_unknown),
		TEST(a_service_that_answers_nobody_has_no_full_queue),
		TEST(options_that_are_gone_are_cookies_at_once),
		TEST(a_server_without_options_has_no_cookies_for_that),
		TEST(a_few_that_are_not_repeated_tell_nothing),
		TEST(a_server_that_repeats_late_has_no_cookies),
		TEST(handshakes_that_complete_are_held_for_a_moment),
		TEST(a_new_trouble_has_a_peak_of_its_own),
		TEST(the_old_ones_are_those_that_no_client_completes_any_more),
		TEST(an_event_says_what_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
