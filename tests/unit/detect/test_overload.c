/* SPDX-License-Identifier: BSD-2-Clause */
/* Detectors of services that are overloaded: raised, silent just below, over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "judged.h"

/* --- accept_queue_overflow --- */

/* So many new connections in a second, of which some are asked for again after their ACK. */
static void connect(struct judged *j, unsigned n, unsigned n_dropped)
{
	for (unsigned i = 0; i < n; i++) {
		summary_count(&j->summary, SUMMARY_ATTEMPTS, j->now_ns);
		summary_count(&j->summary, SUMMARY_ANSWERED, j->now_ns);
		summary_count(&j->summary, SUMMARY_COMPLETED, j->now_ns);
		summary_count(&j->summary, SUMMARY_HALF_OPEN_ENDED, j->now_ns);
		j->summary.totals[SUMMARY_SPOKEN]++;
		j->summary.totals[SUMMARY_CLOSED]++;
	}
	j->summary.totals[SUMMARY_ACKS_DROPPED] += n_dropped;
}

static void synacks_again_after_the_ack_are_an_overflow(void **state)
{
	struct judged *j = judged_begin(&detector_accept_queue_overflow, SUMMARY_SERVICE);

	(void)state;
	for (int second = 0; second < 100; second++) {
		connect(j, 20, 0);
		judged_pass(j, 1);
	}
	assert_true(j->raised_ns == 0);
	/* L7b of the lab: 17 of 20. */
	connect(j, 20, 17);
	judged_pass(j, 0.2);
	assert_true(j->raised_ns != 0);
	assert_string_equal(j->finding.class_name, "syn_ack_again_after_ack");
	assert_true(j->finding.score > 0.7);
	assert_non_null(strstr(judged_text(j, ALERT_RAISED), "203.0.113.5:443 does not accept"));
	uint64_t raised_ns = j->now_ns;
	for (int second = 0; second < 60; second++) {
		connect(j, 20, 0);
		judged_pass(j, 1);
	}
	assert_false(j->finding.is_hot);
	assert_true(j->hot_ns - raised_ns < 22 * NS_PER_SEC);
	assert_non_null(strstr(judged_text(j, ALERT_CLEARED), "accepts its connections again"));
	judged_end(j);
}

static void acks_that_a_bad_path_loses_are_none(void **state)
{
	struct judged *j = judged_begin(&detector_accept_queue_overflow, SUMMARY_SERVICE);

	(void)state;
	for (int second = 0; second < 300; second++) {
		connect(j, 100, 8);
		judged_pass(j, 1);
	}
	assert_true(j->raised_ns == 0);
	judged_end(j);
	/* And few of few. */
	j = judged_begin(&detector_accept_queue_overflow, SUMMARY_SERVICE);
	for (int second = 0; second < 300; second++) {
		connect(j, 1, second % 3 == 0);
		judged_pass(j, 1);
	}
	assert_true(j->raised_ns == 0);
	judged_end(j);
}

static void ignored_data_is_an_overflow_behind_cookies(void **state)
{
	struct judged *j = judged_begin(&detector_accept_queue_overflow, SUMMARY_SERVICE);

	(void)state;
	connect(j, 60, 0);
	j->summary.totals[SUMMARY_DATA_IGNORED] += 27;
	judged_pass(j, 0.2);
	assert_true(j->finding.is_alarming);
	assert_string_equal(j->finding.class_name, "client_data_ignored");
	judged_end(j);
}

/* L7: the server answers no SYN at all. */
static void ask_in_vain(struct judged *j, unsigned n, bool again, bool gets_in)
{
	for (unsigned i = 0; i < n; i++) {
		summary_count(&j->summary, SUMMARY_ATTEMPTS, j->now_ns);
		/* What becomes of them a second later is credited to this time. */
		summary_count(&j->summary, SUMMARY_UNANSWERED, j->now_ns);
		if (again)
			summary_count(&j->summary, SUMMARY_RETRIED, j->now_ns);
	}
	if (again && gets_in)
		summary_count(&j->summary, SUMMARY_RETRIED_SETTLED, j->now_ns);
}

static void clients_that_ask_in_vain_while_others_are_served_are_an_overflow(void **state)
{
	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		struct judged *j = judged_begin(&detector_accept_queue_overflow, SUMMARY_SERVICE);
		bool is_served = kind != 1;
		bool asks_again = kind != 2;
		/* Of a flood that repeats its SYNs nobody gets in. */
		bool gets_in = kind != 3;
		for (int second = 0; second < 30; second++) {
			ask_in_vain(j, 5, asks_again, gets_in);
			if (is_served)
				connect(j, 2, 0);
			judged_pass(j, 1);
		}
		assert_int_equal(j->raised_ns != 0, is_served && asks_again && gets_in);
		if (j->raised_ns != 0)
			assert_string_equal(j->finding.class_name, "syn_unanswered_by_a_busy_service");
		judged_end(j);
	}
}

/* Those who had just connected hear no more, nor does anybody who asks: it is dead, not busy. */
static void a_service_that_dies_and_comes_back_is_no_overflow(void **state)
{
	struct judged *j = judged_begin(&detector_accept_queue_overflow, SUMMARY_SERVICE);

	(void)state;
	for (int second = 0; second < 30; second++) {
		connect(j, 50, 0);
		judged_pass(j, 1);
	}
	for (int second = 0; second < 30; second++) {
		ask_in_vain(j, 50, true, true);
		judged_pass(j, 1);
		if (second == 1)
			j->summary.totals[SUMMARY_DATA_IGNORED] += 40;
	}
	for (int second = 0; second < 30; second++) {
		connect(j, 50, 0);
		judged_pass(j, 1);
	}
	assert_true(j->raised_ns == 0);
	judged_end(j);
}

/* --- connection_flood --- */

static void established(struct judged *j, unsigned n)
{
	j->summary.totals[SUMMARY_COMPLETED] += n;
	summary_count_age(&j->summary, GAUGE_UNSPOKEN, (int)n, j->now_ns);
}

static void speak(struct judged *j, unsigned n)
{
	established(j, n);
	j->summary.totals[SUMMARY_SPOKEN] += n;
	summary_count_age(&j->summary, GAUGE_UNSPOKEN, -(int)n, j->now_ns);
}

static void connections_that_stay_silent_are_a_flood(void **state)
{
	struct judged *j = judged_begin(&detector_connection_flood, SUMMARY_SERVICE);
	uint64_t since_ns = 0;

	(void)state;
	for (int second = 0; second < 100; second++) {
		speak(j, 50);
		judged_pass(j, 1);
	}
	since_ns = j->now_ns;
	established(j, 200);
	judged_pass(j, 30);
	assert_true(j->raised_ns == 0);
	established(j, 60);
	judged_pass(j, 9);
	assert_true(j->raised_ns == 0);
	judged_pass(j, 8);
	assert_true(j->raised_ns != 0);
	assert_string_equal(j->finding.class_name, "idle_connection_flood");
	assert_non_null(strstr(judged_text(j, ALERT_RAISED), "260 connections to"));
	j->summary.totals[SUMMARY_CLOSED_UNSPOKEN] += 200;
	summary_count_age(&j->summary, GAUGE_UNSPOKEN, -200, since_ns);
	judged_pass(j, 1);
	assert_false(j->finding.is_hot);
	judged_end(j);
}

static void crowds_and_pools_speak(void **state)
{
	struct judged *j = judged_begin(&detector_connection_flood, SUMMARY_SERVICE);

	(void)state;
	/* A database's pool of 5000, and a crowd. */
	speak(j, 5000);
	for (int second = 0; second < 100; second++) {
		speak(j, second < 50 ? 50 : 1000);
		judged_pass(j, 1);
	}
	assert_true(j->raised_ns == 0);
	judged_end(j);
}

static struct summary_crowds *crowd_of(struct judged *j, unsigned n_sources)
{
	static struct summary_crowds crowds;
	static struct summary_sketches sketches;
	struct summary_crowd *crowd = &crowds.spans[0];

	memset(&crowds, 0, sizeof(crowds));
	memset(&sketches, 0, sizeof(sketches));
	crowd->sketches = &sketches;
	crowd->is_sketched = true;
	crowd->span = j->now_ns / SUMMARY_SPAN_NS;
	for (uint64_t i = 1; i <= n_sources; i++)
		hyperloglog_add(&sketches.sources, i * 0x9e3779b97f4a7c15u);
	j->scene.crowd[CROWD_TRYING] = crowd;
	return &crowds;
}

static void empty_connections_of_many_are_a_flood(void **state)
{
	(void)state;
	for (unsigned n_sources = 1; n_sources <= 100; n_sources += 99) {
		struct judged *j = judged_begin(&detector_connection_flood, SUMMARY_SERVICE);
		for (int second = 0; second < 40; second++) {
			speak(j, 20);
			judged_pass(j, 1);
		}
		crowd_of(j, n_sources);
		for (int second = 0; second < 10; second++) {
			j->summary.totals[SUMMARY_COMPLETED] += 100;
			j->summary.totals[SUMMARY_CLOSED_UNSPOKEN] += 100;
			judged_pass(j, 1);
		}
		/* Of one source it is a program that connects too often. */
		assert_int_equal(j->raised_ns != 0, n_sources > 1);
		if (n_sources > 1) {
			assert_string_equal(j->finding.class_name, "empty_connection_flood");
			assert_true(j->raised_ns < JUDGED_BEGIN_NS + 44 * NS_PER_SEC);
		}
		judged_end(j);
	}
}

static void what_was_so_from_the_beginning_is_usual(void **state)
{
	struct judged *j = judged_begin(&detector_connection_flood, SUMMARY_SERVICE);

	(void)state;
	crowd_of(j, 100);
	for (int second = 0; second < 19; second++) {
		j->summary.totals[SUMMARY_COMPLETED] += 100;
		j->summary.totals[SUMMARY_CLOSED_UNSPOKEN] += 100;
		judged_pass(j, 1);
	}
	assert_true(j->raised_ns == 0);
	judged_end(j);
}

static void what_is_open_from_the_beginning_is_usual(void **state)
{
	struct judged *j = judged_begin(&detector_connection_flood, SUMMARY_SERVICE);

	(void)state;
	crowd_of(j, 100);
	/* Browsers that connect ahead, from the first second on: 300 are silent at any time. */
	established(j, 300);
	judged_pass(j, 200);
	assert_true(j->raised_ns == 0);
	/* Five times as many are too many. */
	established(j, 1500);
	judged_pass(j, 20);
	assert_true(j->raised_ns != 0);
	judged_end(j);
}

static void the_pools_of_few_machines_are_none(void **state)
{
	(void)state;
	for (unsigned n = 400; n <= 600; n += 200) {
		struct judged *j = judged_begin(&detector_connection_flood, SUMMARY_SERVICE);
		judged_pass(j, 1);
		/* A service that is new. */
		j->now_ns += 100 * NS_PER_SEC;
		j->summary.since_ns = j->now_ns;
		crowd_of(j, 5);
		established(j, n);
		judged_pass(j, 2);
		/* They have done nothing since, and yet it is known how many they are. */
		j->scene.crowd[CROWD_TRYING] = NULL;
		judged_pass(j, 20);
		assert_int_equal(j->raised_ns != 0, n > 500);
		if (n > 500)
			assert_non_null(strstr(judged_text(j, ALERT_RAISED), "from 5 sources"));
		judged_end(j);
	}
}

static void regular_checks_are_usual_when_they_were_there_at_first(void **state)
{
	struct judged *j = judged_begin(&detector_connection_flood, SUMMARY_SERVICE);

	(void)state;
	crowd_of(j, 25);
	for (int second = 0; second < 100; second++) {
		j->summary.totals[SUMMARY_COMPLETED] += 25;
		j->summary.totals[SUMMARY_CLOSED_UNSPOKEN] += 25;
		judged_pass(j, 1);
	}
	assert_true(j->raised_ns == 0);
	judged_end(j);
}

/* --- zero_window_hold --- */

static void windows_that_stay_closed_are_held(void **state)
{
	struct judged *j = judged_begin(&detector_zero_window_hold, SUMMARY_SERVICE);

	(void)state;
	j->summary.totals[SUMMARY_COMPLETED] = 300;
	judged_gauge(j, SUMMARY_STALLED, GAUGE_STALLED, 16);
	judged_pass(j, 60);
	assert_true(j->raised_ns == 0);
	uint64_t since_ns = j->now_ns;
	judged_gauge(j, SUMMARY_STALLED, GAUGE_STALLED, 10);
	judged_pass(j, 29);
	assert_true(j->raised_ns == 0);
	judged_pass(j, 8);
	assert_true(j->raised_ns != 0);
	assert_non_null(strstr(judged_text(j, ALERT_RAISED), "26 of 300 open connections"));
	judged_gauge_over(j, SUMMARY_STALLED_OVER, GAUGE_STALLED, 10, since_ns);
	judged_pass(j, 70);
	j->summary.totals[SUMMARY_STALLED_OVER] += 10;
	judged_pass(j, 1);
	assert_false(j->finding.is_hot);
	judged_end(j);
}

static void a_few_slow_readers_of_many_are_none(void **state)
{
	struct judged *j = judged_begin(&detector_zero_window_hold, SUMMARY_SERVICE);

	(void)state;
	j->summary.totals[SUMMARY_COMPLETED] = 2000;
	judged_gauge(j, SUMMARY_STALLED, GAUGE_STALLED, 99);
	judged_pass(j, 120);
	assert_true(j->raised_ns == 0);
	judged_end(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(synacks_again_after_the_ack_are_an_overflow),
		cmocka_unit_test(acks_that_a_bad_path_loses_are_none),
		cmocka_unit_test(ignored_data_is_an_overflow_behind_cookies),
		cmocka_unit_test(clients_that_ask_in_vain_while_others_are_served_are_an_overflow),
		cmocka_unit_test(a_service_that_dies_and_comes_back_is_no_overflow),
		cmocka_unit_test(connections_that_stay_silent_are_a_flood),
		cmocka_unit_test(crowds_and_pools_speak),
		cmocka_unit_test(empty_connections_of_many_are_a_flood),
		cmocka_unit_test(what_was_so_from_the_beginning_is_usual),
		cmocka_unit_test(what_is_open_from_the_beginning_is_usual),
		cmocka_unit_test(the_pools_of_few_machines_are_none),
		cmocka_unit_test(regular_checks_are_usual_when_they_were_there_at_first),
		cmocka_unit_test(windows_that_stay_closed_are_held),
		cmocka_unit_test(a_few_slow_readers_of_many_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
