/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an alarm's life and its rule put into its event.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "alarm_event.h"
#include "tcpwitness/base/units.h"

static const struct alert_target web = { .ip = { .bytes = { 192, 0, 2, 1 }, .version = 4 },
					 .has_port = true,
					 .port = 80 };

static bool is_about(double value, double expected)
{
	return value > expected - 1e-9 && value < expected + 1e-9;
}

static void test_the_life_of_an_alarm(void **state)
{
	struct alarm_set *set = alarm_set_create(65536, 4);
	struct alarm *alarm = alarm_open(set, "service", &web, 8 * NS_PER_SEC, 10 * NS_PER_SEC);
	struct alarm_reading reading = { .level = 100, .severity = 2, .is_hot = true, .detector = "syn_flood" };
	struct event_alert alert = { .detector = "whoever asks" };

	(void)state;
	reading.class_name = "spoofed_syn_flood";
	alarm_written(alarm, &reading, 10 * NS_PER_SEC);
	alarm_event_life(&alert, alarm, ALERT_RAISED, 10 * NS_PER_SEC);
	assert_string_equal(alert.detector, "syn_flood");
	assert_string_equal(alert.class_name, "spoofed_syn_flood");
	assert_true(is_about(alert.duration_s, 2));
	assert_null(alert.clear_reason);
	assert_int_equal(alert.ended_ns, 0);
	/* Nothing is claimed that nobody has found out yet. */
	assert_true(alert.completion < 0 && alert.completion_baseline < 0 && alert.sources_baseline < 0);
	assert_true(alert.spoofed_likelihood < 0 && alert.visibility.lost_share < 0);

	reading.is_hot = false;
	reading.level = 3;
	assert_int_equal(alarm_review(alarm, &reading, 30 * NS_PER_SEC, 40 * NS_PER_SEC), ALARM_CLEAR_DUE);
	alarm_written(alarm, &reading, 40 * NS_PER_SEC);
	alarm_close(set, alarm, 40 * NS_PER_SEC);
	alert = (struct event_alert){ .detector = "syn_flood" };
	alarm_event_life(&alert, alarm, ALERT_CLEARED, 40 * NS_PER_SEC);
	assert_string_equal(alert.clear_reason, "recovered");
	assert_true(is_about(alert.duration_s, 2) && is_about(alert.peak, 100) && is_about(alert.rate, 3));
	assert_int_equal(alert.ended_ns, 40 * NS_PER_SEC);
	alarm_set_destroy(set);
}

static void test_parameters_as_in_force(void **state)
{
	struct params {
		uint64_t count;
		double rate;
		uint64_t window_ns;
		bool flag;
	} params = { .count = 7, .rate = 2.5, .window_ns = 250 * NS_PER_MS, .flag = true };
	const struct rule_param table[] = {
		{ .name = "count", .type = RULE_PARAM_COUNT, .offset = offsetof(struct params, count) },
		{ .name = "rate", .type = RULE_PARAM_RATE, .offset = offsetof(struct params, rate) },
		{ .name = "window", .type = RULE_PARAM_DURATION, .offset = offsetof(struct params, window_ns) },
		{ .name = "flag", .type = RULE_PARAM_FLAG, .offset = offsetof(struct params, flag) },
	};
	const struct detector detector = { .params = table, .n_params = 4 };
	static struct event_alert alert;

	(void)state;
	alarm_event_parameters(&alert, &detector, &params);
	assert_int_equal(alert.n_parameters, 4);
	assert_true(is_about(alert.parameters[0].value, 7) && is_about(alert.parameters[1].value, 2.5));
	assert_true(is_about(alert.parameters[2].value, 0.25) && is_about(alert.parameters[3].value, 1));
	assert_int_equal(alert.parameters[2].kind, ALERT_PARAMETER_SECONDS);
	assert_int_equal(alert.parameters[3].kind, ALERT_PARAMETER_FLAG);
}

static void test_an_event_has_room_for_every_detectors_parameters(void **state)
{
	(void)state;
	for (size_t i = 0; detectors[i] != NULL; i++)
		assert_true(detectors[i]->n_params <= ALERT_MAX_PARAMETERS);
	/* Alarms do not make the queue's records larger than the counters do. */
	assert_true(sizeof(struct event_alert) <= sizeof(struct event_stats));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_life_of_an_alarm),
		cmocka_unit_test(test_parameters_as_in_force),
		cmocka_unit_test(test_an_event_has_room_for_every_detectors_parameters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
