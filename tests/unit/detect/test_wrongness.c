/* SPDX-License-Identifier: BSD-2-Clause */
/* Detectors of what should not be, whatever the load: leaks, forged resets, and the sensor's own blindness. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "judged.h"
#include "recent.h"

/* --- state_leak --- */

static void connections_that_are_never_closed_are_a_leak(void **state)
{
	struct judged *j = judged_begin(&detector_state_leak, SUMMARY_SERVICE);

	(void)state;
	for (int second = 0; second < 300; second++) {
		judged_gauge(j, SUMMARY_CLOSE_WAIT, GAUGE_CLOSE_WAIT, 1);
		judged_pass(j, 1);
		/* 100 of them are 60 s old after 160 s, and have been there for another minute after 220 s. */
		if (second < 215)
			assert_true(j->raised_ns == 0);
	}
	assert_true(j->raised_ns != 0 && j->raised_ns < JUDGED_BEGIN_NS + 232 * NS_PER_SEC);
	assert_string_equal(j->finding.class_name, "close_wait_leak");
	assert_non_null(strstr(judged_text(j, ALERT_RAISED), "connections in CLOSE_WAIT for 60 s and more"));
	/* A restart closes them all. */
	j->summary.totals[SUMMARY_CLOSE_WAIT_OVER] = 300;
	memset(&j->ages, 0, sizeof(j->ages));
	judged_pass(j, 1);
	assert_false(j->finding.is_hot);
	judged_end(j);
}

static void a_pile_that_comes_at_once_is_found_too(void **state)
{
	struct judged *j = judged_begin(&detector_state_leak, SUMMARY_SERVICE);

	(void)state;
	judged_pass(j, 120);
	judged_gauge(j, SUMMARY_FIN_WAIT_2, GAUGE_FIN_WAIT_2, 150);
	judged_pass(j, 115);
	assert_true(j->raised_ns == 0);
	judged_pass(j, 15);
	assert_true(j->raised_ns != 0);
	assert_string_equal(j->finding.class_name, "fin_wait_2_pileup");
	judged_end(j);
}

static void closes_that_take_their_time_are_no_leak(void **state)
{
	struct judged *j = judged_begin(&detector_state_leak, SUMMARY_SERVICE);
	uint64_t began[400];

	(void)state;
	/* 20 a second, each for 30 s. */
	for (int second = 0; second < 400; second++) {
		began[second] = j->now_ns;
		judged_gauge(j, SUMMARY_CLOSE_WAIT, GAUGE_CLOSE_WAIT, 20);
		if (second >= 30)
			judged_gauge_over(j, SUMMARY_CLOSE_WAIT_OVER, GAUGE_CLOSE_WAIT, 20, began[second - 30]);
		judged_pass(j, 1);
	}
	assert_true(j->raised_ns == 0);
	judged_end(j);
}

static void what_a_lossy_capture_leaves_open_is_no_leak(void **state)
{
	struct judged *j = judged_begin(&detector_state_leak, SUMMARY_SERVICE);

	(void)state;
	/* 100 a second; of 1 % neither the FIN nor its acknowledgement was seen, with 10 % of all segments lost. */
	for (int second = 0; second < 500; second++) {
		j->summary.totals[SUMMARY_CLOSE_WAIT_OVER] += 99;
		j->summary.totals[SUMMARY_CLOSE_WAIT] += 99;
		judged_gauge(j, SUMMARY_CLOSE_WAIT, GAUGE_CLOSE_WAIT, 1);
		j->counts.segments += 900;
		j->counts.payload_segments += 450;
		j->counts.unseen_segments += 50;
		judged_pass(j, 1);
	}
	assert_true(j->raised_ns == 0);
	judged_end(j);
}

static void what_was_lost_long_ago_excuses_no_leak(void **state)
{
	struct judged *j = judged_begin(&detector_state_leak, SUMMARY_SERVICE);

	(void)state;
	/* A million connections came and went; and then 5 % of the segments get lost, while 300 are never closed. */
	for (int second = 0; second < 1000; second++) {
		j->summary.totals[SUMMARY_CLOSE_WAIT] += second < 100 ? 10000 : 1;
		j->summary.totals[SUMMARY_CLOSE_WAIT_OVER] += second < 100 ? 10000 : 1;
		if (second == 850)
			judged_gauge(j, SUMMARY_CLOSE_WAIT, GAUGE_CLOSE_WAIT, 300);
		j->counts.segments += 1000;
		j->counts.payload_segments += 475;
		j->counts.unseen_segments += 25;
		judged_pass(j, 1);
	}
	assert_true(j->raised_ns != 0);
	judged_end(j);
}

static void a_source_answers_for_what_it_does_not_close_itself(void **state)
{
	struct judged *j = judged_begin(&detector_state_leak, SUMMARY_SOURCE);

	(void)state;
	judged_gauge(j, SUMMARY_FIN_WAIT_2, GAUGE_FIN_WAIT_2, 500);
	judged_pass(j, 200);
	assert_true(j->raised_ns == 0);
	judged_gauge(j, SUMMARY_CLOSE_WAIT, GAUGE_CLOSE_WAIT, 500);
	judged_pass(j, 200);
	assert_true(j->raised_ns != 0);
	judged_end(j);
}

/* --- rst_injection --- */

static void a_few_forged_resets_suffice(void **state)
{
	struct judged *j = judged_begin(&detector_rst_injection, SUMMARY_SERVICE);

	(void)state;
	judged_pass(j, 60);
	for (int i = 0; i < 3; i++) {
		assert_true(j->raised_ns == 0);
		j->summary.totals[SUMMARY_RST_SUSPECTS]++;
		j->summary.totals[SUMMARY_RST_CONTRADICTED]++;
		j->summary.totals[SUMMARY_RST_FORGED]++;
		judged_pass(j, 60);
	}
	assert_true(j->raised_ns != 0);
	assert_string_equal(j->finding.class_name, "forged_reset");
	assert_non_null(strstr(judged_text(j, ALERT_RAISED), "3 RSTs within 10 min"));
	uint64_t last_ns = j->hot_ns;
	judged_pass(j, 600);
	assert_true(j->hot_ns == last_ns && !j->finding.is_alarming);
	judged_end(j);
}

static void resets_that_are_only_denied_must_be_more(void **state)
{
	struct judged *j = judged_begin(&detector_rst_injection, SUMMARY_SERVICE);

	(void)state;
	judged_pass(j, 1);
	j->summary.totals[SUMMARY_RST_SUSPECTS] = 11;
	j->summary.totals[SUMMARY_RST_CONTRADICTED] = 11;
	judged_pass(j, 60);
	assert_true(j->raised_ns == 0);
	j->summary.totals[SUMMARY_RST_CONTRADICTED]++;
	judged_pass(j, 1);
	assert_true(j->raised_ns != 0);
	judged_end(j);
}

static void many_numbers_at_one_connection_are_probes(void **state)
{
	struct judged *j = judged_begin(&detector_rst_injection, SUMMARY_SERVICE);

	(void)state;
	judged_pass(j, 1);
	j->summary.totals[SUMMARY_RST_SUSPECTS] = 1;
	j->summary.totals[SUMMARY_RST_PROBES] = 7;
	judged_pass(j, 1);
	assert_true(j->raised_ns == 0);
	j->summary.totals[SUMMARY_RST_PROBES] = 8;
	judged_pass(j, 1);
	assert_true(j->raised_ns != 0);
	assert_string_equal(j->finding.class_name, "reset_probing");
	judged_end(j);
	/* Two numbers at each of many are not. */
	j = judged_begin(&detector_rst_injection, SUMMARY_SERVICE);
	judged_pass(j, 1);
	j->summary.totals[SUMMARY_RST_SUSPECTS] = 100;
	j->summary.totals[SUMMARY_RST_PROBES] = 200;
	judged_pass(j, 1);
	assert_true(j->raised_ns == 0);
	judged_end(j);
}

/* --- sensor_health --- */

/* What comes in a second. */
static void see(struct judged *j, struct detect_visibility second, int seconds)
{
	for (int i = 0; i < seconds; i++) {
		j->counts.segments += second.segments;
		j->counts.payload_segments += second.payload_segments;
		j->counts.late_segments += second.late_segments;
		j->counts.unseen_segments += second.unseen_segments;
		j->counts.kernel_dropped += second.kernel_dropped;
		j->counts.one_way_connections += second.one_way_connections;
		j->counts.two_way_connections += second.two_way_connections;
		j->counts.duplicates += second.duplicates;
		j->counts.truncated_packets += second.truncated_packets;
		j->counts.flows_evicted += second.flows_evicted;
		j->counts.open_evicted += second.open_evicted;
		judged_pass(j, 1);
	}
}

static void a_share_that_wavers_changes_nothing(void **state)
{
	struct judged *j = judged_begin(&detector_sensor_health, SUMMARY_SENSOR);
	struct alarm alarm = { .is_open = true, .written = { .severity = 2 } };

	(void)state;
	see(j, (struct detect_visibility){ .segments = 20000, .payload_segments = 10000, .unseen_segments = 95 }, 70);
	assert_int_equal(j->finding.severity, 3);
	/* It was 1 % at some time. */
	j->scene.alarm = &alarm;
	see(j, (struct detect_visibility){ .segments = 20000, .payload_segments = 10000, .unseen_segments = 95 }, 1);
	assert_int_equal(j->finding.severity, 2);
	see(j, (struct detect_visibility){ .segments = 20000, .payload_segments = 10000, .unseen_segments = 7 }, 70);
	assert_true(j->finding.is_hot && !j->finding.is_alarming);
	see(j, (struct detect_visibility){ .segments = 20000, .payload_segments = 10000, .unseen_segments = 4 }, 70);
	assert_false(j->finding.is_hot);
	judged_end(j);
}

static void each_kind_of_blindness_has_its_class(void **state)
{
	static const struct {
		struct detect_visibility second;
		const char *class_name; /* null = all is well */
		uint8_t severity;
	} cases[] = {
		{ { .segments = 1000, .two_way_connections = 50 }, NULL, 0 },
		{ { .segments = 1000, .payload_segments = 400, .unseen_segments = 2 }, "segments_lost", 3 },
		/* Overtaken by their acknowledgements: they came. */
		{ { .segments = 1000, .payload_segments = 400, .unseen_segments = 20, .late_segments = 20 }, NULL, 0 },
		{ { .segments = 1000, .payload_segments = 400, .unseen_segments = 20, .late_segments = 18 },
		  "segments_lost",
		  3 },
		{ { .segments = 1000, .kernel_dropped = 20 }, "segments_lost", 2 },
		{ { .segments = 100000, .payload_segments = 60000, .unseen_segments = 50 }, NULL, 0 },
		{ { .segments = 1000, .one_way_connections = 50 }, "one_way_view", 2 },
		{ { .segments = 1000, .one_way_connections = 10, .two_way_connections = 50 }, "one_way_view", 3 },
		{ { .segments = 1000, .one_way_connections = 1, .two_way_connections = 50 }, NULL, 0 },
		{ { .segments = 1000, .duplicates = 500 }, "captured_twice", 3 },
		{ { .segments = 1000, .duplicates = 20 }, NULL, 0 },
		{ { .segments = 1000, .truncated_packets = 300 }, "headers_cut", 3 },
		{ { .segments = 1000, .flows_evicted = 100, .open_evicted = 10 }, "table_pressure", 2 },
		/* Floods push out what nobody answers, and crowds what is over. */
		{ { .segments = 1000, .flows_evicted = 1000 }, NULL, 0 },
		{ { .segments = 1000, .open_evicted = 100, .duplicates = 500 }, "table_pressure", 2 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct judged *j = judged_begin(&detector_sensor_health, SUMMARY_SENSOR);
		see(j, cases[i].second, 60);
		if (cases[i].class_name == NULL) {
			assert_true(j->raised_ns == 0);
		} else {
			assert_true(j->finding.is_alarming);
			assert_string_equal(j->finding.class_name, cases[i].class_name);
			assert_int_equal(j->finding.severity, cases[i].severity);
			assert_non_null(strstr(judged_text(j, ALERT_RAISED), "in the last minute: "));
			see(j, (struct detect_visibility){ .segments = 1000, .two_way_connections = 50 }, 66);
			assert_false(j->finding.is_hot);
		}
		judged_end(j);
	}
}

static void a_clock_that_steps_back_is_told_once(void **state)
{
	struct judged *j = judged_begin(&detector_sensor_health, SUMMARY_SENSOR);

	(void)state;
	see(j, (struct detect_visibility){ .segments = 10 }, 10);
	j->counts.backward_steps++;
	judged_pass(j, 1);
	assert_string_equal(j->finding.class_name, "clock_steps_back");
	judged_pass(j, 60);
	assert_false(j->finding.is_alarming);
	judged_end(j);
}

/* --- recent.h --- */

static void recent_counts_slide(void **state)
{
	struct recent recent = { 0 };
	uint64_t now_ns = 1000 * NS_PER_SEC;

	(void)state;
	/* All of it is recent, as far as is known. */
	assert_int_equal(recent_count(&recent, 7, now_ns - NS_PER_SEC, NS_PER_SEC, now_ns), 7);
	for (uint64_t second = 1; second <= 19; second++) {
		uint64_t count = recent_count(&recent, second < 5 ? 7 : 9, 0, NS_PER_SEC, now_ns + second * NS_PER_SEC);
		assert_int_equal(count, second < 5 ? 7 : second < 10 ? 9 : second < 14 ? 2 : 0);
	}
	/* After a long silence nothing is; nor of what was counted long before the first time. */
	assert_int_equal(recent_count(&recent, 30, 0, NS_PER_SEC, now_ns + 500 * NS_PER_SEC), 0);
	recent = (struct recent){ 0 };
	assert_int_equal(recent_count(&recent, 100, now_ns - 600 * NS_PER_SEC, NS_PER_SEC, now_ns), 0);
	assert_int_equal(recent_count(&recent, 101, 0, NS_PER_SEC, now_ns), 1);
}

/* Looks at which nothing had been counted for long are looks all the same: what follows came since the last one. */
static void recent_counts_come_evenly_behind_a_silence(void **state)
{
	const uint64_t slot_ns = 500 * NS_PER_MS;
	struct recent recent = { 0 };
	uint64_t now_ns = 1000 * NS_PER_SEC;

	(void)state;
	for (unsigned second = 0; second < 30; second++, now_ns += NS_PER_SEC)
		assert_int_equal(recent_count(&recent, 40, 0, slot_ns, now_ns), 0);
	/* Two slots in that second: half came in either. */
	assert_int_equal(recent_count(&recent, 50, 0, slot_ns, now_ns), 10);
	assert_int_equal(recent_count(&recent, 50, 0, slot_ns, now_ns + 4 * NS_PER_SEC - slot_ns), 10);
	assert_int_equal(recent_count(&recent, 50, 0, slot_ns, now_ns + 4 * NS_PER_SEC), 5);
	assert_int_equal(recent_count(&recent, 50, 0, slot_ns, now_ns + 4 * NS_PER_SEC + slot_ns), 0);
	/* Clocks that go back change nothing. */
	assert_int_equal(recent_count(&recent, 50, 0, slot_ns, now_ns), 0);
	assert_int_equal(recent_count(&recent, 51, 0, slot_ns, now_ns + 6 * NS_PER_SEC), 1);
}

/* What is not read until it is counted is counted as if it had been read at each look. */
static void what_is_rare_counts_as_if_it_was_looked_at(void **state)
{
	const uint64_t slot_ns = 500 * NS_PER_MS;

	(void)state;
	for (unsigned first = 0; first < 30; first++) {
		struct recent plain = { 0 };
		struct recent rare = { 0 };
		struct recent other = { 0 };
		uint64_t now_ns = 1000 * NS_PER_SEC;
		bool is_begun = false;
		for (unsigned look = 0; look < 60; look++, now_ns += look % 7 == 0 ? 3 * NS_PER_SEC : NS_PER_SEC) {
			/* It may be forgotten, too. */
			uint64_t total = look < first || look == 50 ? 0 : 10 + look / 4;
			uint64_t count = recent_count(&plain, total, now_ns - NS_PER_SEC, slot_ns, now_ns);
			assert_int_equal(recent_count_rare(&rare, &is_begun, other.looked_ns, total,
							   now_ns - NS_PER_SEC, slot_ns, now_ns),
					 count);
			recent_look(&other, now_ns);
		}
		assert_memory_equal(&rare, &plain, sizeof(rare));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connections_that_are_never_closed_are_a_leak),
		cmocka_unit_test(a_pile_that_comes_at_once_is_found_too),
		cmocka_unit_test(closes_that_take_their_time_are_no_leak),
		cmocka_unit_test(what_a_lossy_capture_leaves_open_is_no_leak),
		cmocka_unit_test(what_was_lost_long_ago_excuses_no_leak),
		cmocka_unit_test(a_source_answers_for_what_it_does_not_close_itself),
		cmocka_unit_test(a_few_forged_resets_suffice),
		cmocka_unit_test(resets_that_are_only_denied_must_be_more),
		cmocka_unit_test(many_numbers_at_one_connection_are_probes),
		cmocka_unit_test(a_share_that_wavers_changes_nothing),
		cmocka_unit_test(each_kind_of_blindness_has_its_class),
		cmocka_unit_test(a_clock_that_steps_back_is_told_once),
		cmocka_unit_test(recent_counts_slide),
		cmocka_unit_test(recent_counts_come_evenly_behind_a_silence),
		cmocka_unit_test(what_is_rare_counts_as_if_it_was_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
