/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What rules keep from being raised: two detectors made for the test find the same floods, one of them fitting better,
 * and share their alarm.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "made_detector.h"
#include "simulation.h"
#include "tcpwitness/detect/rule_exceptions.h"

static void find_well(const void *params, const struct detect_scene *scene, void *state, struct finding *finding)
{
	(void)state;
	made_find_attempts(params, scene, 0.9, finding);
}

static void find_somehow(const void *params, const struct detect_scene *scene, void *state, struct finding *finding)
{
	(void)state;
	made_find_attempts(params, scene, 0.4, finding);
}

static const struct detector good = MADE_DETECTOR("good", 1, 2, .crowd = CROWD_TRYING, .find = find_well);
static const struct detector fair = MADE_DETECTOR("fair", 2, 2, .crowd = CROWD_TRYING, .find = find_somehow);

/* In place of the program's own table. */
const struct detector *const detectors[] = { &good, &fair, NULL };

static const struct sim_host web = { .ip = { .bytes = { 203, 0, 113, 5 }, .version = 4 }, .port = 443 };
static const struct sim_host mail = { .ip = { .bytes = { 203, 0, 113, 6 }, .version = 4 }, .port = 25 };

static struct rule_matcher *matcher_of(const char *prefix_text)
{
	struct rule_match_row row = { .value = 0 };

	assert_int_equal(ip_prefix_parse(prefix_text, &row.prefix), IP_PREFIX_OK);
	return rule_matcher_create(&row, 1, NULL, NULL);
}

/* The exceptions of a rule, to be filled; the ruleset owns them. */
static struct rule_exceptions *exceptions_of(struct sim *sim, size_t rule)
{
	struct rule_exceptions *exceptions = calloc(1, sizeof(*exceptions));

	sim->ruleset->rules[rule].exceptions = exceptions;
	return exceptions;
}

static void set_override(struct sim *sim, size_t rule, const char *prefix, struct rule_override override)
{
	struct rule_exceptions *exceptions = exceptions_of(sim, rule);

	exceptions->overrides = calloc(1, sizeof(*exceptions->overrides));
	exceptions->overrides[0] = override;
	exceptions->n_overrides = 1;
	exceptions->override_matcher = matcher_of(prefix);
}

static void set_quiet(struct sim *sim, size_t rule, uint16_t from_minute, uint16_t to_minute)
{
	struct rule_exceptions *exceptions = exceptions_of(sim, rule);

	exceptions->quiet = calloc(1, sizeof(*exceptions->quiet));
	exceptions->quiet[0] = (struct rule_quiet){
		.days = 0x7f,
		.from_minute = from_minute,
		.to_minute = to_minute,
		.is_for_all = true,
	};
	exceptions->n_quiet = 1;
}

static uint64_t n_silenced(const struct sim *sim)
{
	return detect_engine_get_stats(sim->engine)->alarms_silenced;
}

static void without_exceptions_the_better_one_speaks(void **state)
{
	struct sim sim;

	(void)state;
	sim_init(&sim);
	sim_spoofed_flood(&sim, 10, 20, 200, web, SIM_IGNORES);
	sim_run(&sim, 60);
	assert_int_equal(sim_count(&sim, "good", ALERT_RAISED), 1);
	assert_int_equal(sim_count(&sim, "good", ALERT_CLEARED), 1);
	assert_int_equal(sim_count(&sim, "fair", ALERT_RAISED), 0);
	assert_int_equal(n_silenced(&sim), 0);
	sim_fini(&sim);
}

/* A detector that is off for a target leaves it to the others of its group. */
static void who_is_off_here_leaves_it_to_the_others(void **state)
{
	struct sim sim;

	(void)state;
	sim_init(&sim);
	set_override(&sim, 0, "203.0.113.5", (struct rule_override){ .enabled = false });
	sim_spoofed_flood(&sim, 10, 20, 200, web, SIM_IGNORES);
	sim_spoofed_flood(&sim, 10, 20, 200, mail, SIM_IGNORES);
	sim_run(&sim, 60);
	assert_int_equal(sim_count(&sim, "fair", ALERT_RAISED), 1);
	assert_int_equal(sim_alert(&sim, "fair", ALERT_RAISED, 0)->alert.target.port, web.port);
	assert_int_equal(sim_count(&sim, "good", ALERT_RAISED), 1);
	assert_int_equal(sim_alert(&sim, "good", ALERT_RAISED, 0)->alert.target.port, mail.port);
	assert_int_equal(n_silenced(&sim), 1);
	sim_fini(&sim);
}

static void an_override_changes_threshold_and_severity(void **state)
{
	struct made_params *high = malloc(sizeof(*high));
	struct sim sim;

	(void)state;
	*high = (struct made_params){ .floor = 1000000, .window_ns = 2 * NS_PER_SEC };
	sim_init(&sim);
	set_override(&sim, 0, "203.0.113.5", (struct rule_override){ .params = high, .enabled = true });
	set_override(&sim, 1, "203.0.113.0/24", (struct rule_override){ .enabled = true, .severity = 3 });
	sim_spoofed_flood(&sim, 10, 20, 200, web, SIM_IGNORES);
	sim_run(&sim, 60);
	assert_int_equal(sim_count(&sim, "good", ALERT_RAISED), 0);
	assert_int_equal(sim_count(&sim, "fair", ALERT_RAISED), 1);
	assert_int_equal(sim_alert(&sim, "fair", ALERT_RAISED, 0)->alert.severity, 3);
	assert_int_equal(n_silenced(&sim), 0); /* not found is not silenced */
	sim_fini(&sim);
}

static void allowed_targets_are_counted_once_for_each_trouble(void **state)
{
	struct sim sim;

	(void)state;
	sim_init(&sim);
	exceptions_of(&sim, 0)->allowed.targets = matcher_of("203.0.113.0/24");
	exceptions_of(&sim, 1)->allowed.targets = matcher_of("203.0.113.5");
	sim_spoofed_flood(&sim, 10, 20, 200, web, SIM_IGNORES);
	sim_spoofed_flood(&sim, 40, 50, 200, web, SIM_IGNORES);
	sim_run(&sim, 90);
	assert_int_equal(sim.n_alerts, 0);
	assert_int_equal(n_silenced(&sim), 4); /* two detectors, two floods */
	sim_fini(&sim);
}

static void nearly_all_sources_must_be_allowed(void **state)
{
	static const struct {
		const char *allowed;
		unsigned alarms;
	} cases[] = {
		{ "198.51.100.0/24", 0 },
		{ "198.51.100.0/25", 1 },
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct sim sim;

		sim_init(&sim);
		for (size_t rule = 0; rule < 2; rule++)
			exceptions_of(&sim, rule)->allowed.sources = matcher_of(cases[i].allowed);
		/* A load test from a /24, and few others. */
		for (unsigned k = 0; k < 2000; k++) {
			bool is_other = k % 64 == 63;
			struct ip_addr client = sim_ip4((is_other ? 0x0a000000 : 0xc6336400) + k * 37 % 256);
			sim_is_ignored(&sim, sim_attempt(&sim, 10 + k / 200.0, client, (uint16_t)(1024 + k), web), 0);
		}
		sim_run(&sim, 60);
		assert_int_equal(sim_count(&sim, "good", ALERT_RAISED), cases[i].alarms);
		sim_fini(&sim);
	}
}

/* The simulation begins at midnight UTC. */
static void what_outlasts_quiet_hours_is_raised_after_them(void **state)
{
	struct sim sim;

	(void)state;
	sim_init(&sim);
	set_quiet(&sim, 0, 0, 1);
	set_quiet(&sim, 1, 0, 1);
	sim_spoofed_flood(&sim, 10, 90, 200, web, SIM_IGNORES);
	sim_spoofed_flood(&sim, 10, 40, 200, mail, SIM_IGNORES);
	sim_run(&sim, 120);
	assert_int_equal(sim_count(&sim, "good", ALERT_RAISED), 1);
	const struct sensor_event *raised = sim_alert(&sim, "good", ALERT_RAISED, 0);
	assert_int_equal(raised->alert.target.port, web.port);
	assert_true(raised->time_ns >= SIM_START_NS / NS_PER_SEC * NS_PER_SEC + 60 * NS_PER_SEC);
	assert_true(sim_seconds(raised->time_ns) < 60.2);
	assert_int_equal(n_silenced(&sim), 4);
	sim_fini(&sim);
}

static void an_open_alarm_goes_on_through_quiet_hours(void **state)
{
	struct sim sim;

	(void)state;
	sim_init(&sim);
	set_quiet(&sim, 0, 1, 60);
	set_quiet(&sim, 1, 1, 60);
	sim_spoofed_flood(&sim, 50, 70, 200, web, SIM_IGNORES);
	sim_run(&sim, 120);
	assert_int_equal(sim_count(&sim, "good", ALERT_RAISED), 1);
	assert_int_equal(sim_count(&sim, "good", ALERT_CLEARED), 1);
	assert_true(sim_seconds(sim_alert(&sim, "good", ALERT_CLEARED, 0)->time_ns) > 75);
	assert_int_equal(n_silenced(&sim), 0);
	sim_fini(&sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_exceptions_the_better_one_speaks),
		cmocka_unit_test(who_is_off_here_leaves_it_to_the_others),
		cmocka_unit_test(an_override_changes_threshold_and_severity),
		cmocka_unit_test(allowed_targets_are_counted_once_for_each_trouble),
		cmocka_unit_test(nearly_all_sources_must_be_allowed),
		cmocka_unit_test(what_outlasts_quiet_hours_is_raised_after_them),
		cmocka_unit_test(an_open_alarm_goes_on_through_quiet_hours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
