/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What becomes of findings, whatever detectors find: which class an incident has, what its events say, and what is said
 * when the sensor stops. The detectors here find what the test says, about a service that is kept busy.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "made_detector.h"
#include "simulation.h"

static const struct sim_host web = { .ip = { .bytes = { 203, 0, 113, 5 }, .version = 4 }, .port = 443 };

/* What they find: from when to when, how well it fits, and how they call it. */
struct part {
	double from;
	double to;
	double score;
	double level;
	const char *class_name;
	uint8_t severity;
};

static struct part flood_part;
static struct part crowd_part;

static void find_part(const struct part *part, const struct detect_scene *scene, struct finding *finding)
{
	double now = sim_seconds(scene->now_ns);

	if (scene->key->kind != SUMMARY_SERVICE || now < part->from || now >= part->to)
		return;
	*finding = (struct finding){
		.is_alarming = true,
		.is_hot = true,
		.is_suspicious = true,
		.score = part->score,
		.level = part->level,
		.threshold = 10,
		.confidence = 0.9,
		.severity = part->severity,
		.class_name = part->class_name,
		.clear_after_ns = 20 * NS_PER_SEC,
	};
}

static void find_flood(const void *params, const struct detect_scene *scene, void *state, struct finding *finding)
{
	(void)params;
	(void)state;
	find_part(&flood_part, scene, finding);
}

static void find_crowd(const void *params, const struct detect_scene *scene, void *state, struct finding *finding)
{
	(void)params;
	(void)state;
	find_part(&crowd_part, scene, finding);
}

static void explain(const void *params, const struct detect_scene *scene, const void *state,
		    const struct finding *finding, enum alert_phase phase, struct event_alert *alert)
{
	(void)params;
	(void)scene;
	(void)state;
	(void)finding;
	strcpy(alert->explanation, phase == ALERT_CLEARED ? "It is over." : "It goes on.");
}

static const char *const flood_classes[] = { "spoofed_syn_flood", NULL };

static const struct detector flood = MADE_DETECTOR("syn_flood", 1, 1, .class_names = flood_classes,
						   .crowd = CROWD_FAILING, .find = find_flood, .explain = explain);
static const struct detector crowd =
	MADE_DETECTOR("flash_crowd", 2, 3, .crowd = CROWD_TRYING, .find = find_crowd, .explain = explain);

/* In place of the project's. */
const struct detector *const detectors[] = { &flood, &crowd, NULL };

static struct sim *run_seen(struct detect_visibility visibility, struct part of_flood, struct part of_crowd, double to)
{
	static struct sim sim;

	flood_part = of_flood;
	crowd_part = of_crowd;
	sim_init(&sim);
	sim.visibility = visibility;
	sim_background(&sim, 0, to, 50, web);
	sim_spoofed_flood(&sim, 5, to, 200, web, SIM_ANSWERS);
	sim_run(&sim, to);
	return &sim;
}

static struct sim *run(struct part of_flood, struct part of_crowd, double to)
{
	return run_seen((struct detect_visibility){ 0 }, of_flood, of_crowd, to);
}

/* Whoever reads a figure is to know what it is worth. */
static void test_what_the_sensor_misses_is_said(void **state)
{
	static const struct {
		struct detect_visibility seen;
		const char *text;
	} cases[] = {
		{ { .segments = 5000, .payload_segments = 990, .unseen_segments = 10 }, "misses about 1 % of" },
		{ { .segments = 5000, .payload_segments = 800, .unseen_segments = 200 }, "misses about 20 % of" },
		{ { .segments = 5000, .payload_segments = 1000, .unseen_segments = 5 }, "It goes on." },
		{ { .segments = 5000, .kernel_dropped = 5000 }, "misses about 50 % of" },
		{ { .segments = 5000, .one_way_connections = 90 }, "one direction only" },
		{ { .segments = 5000, .attempts_evicted = 700 }, "too small for 700 attempts" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sim *sim = run_seen(cases[i].seen, (struct part){ 10, 30, 0.9, 100, "spoofed_syn_flood", 1 },
					   (struct part){ .to = 0 }, 20);
		const struct event_alert *alert = &sim_alert(sim, "syn_flood", ALERT_RAISED, 0)->alert;
		assert_ptr_equal(strstr(alert->explanation, "It goes on."), alert->explanation);
		assert_non_null(strstr(alert->explanation, cases[i].text));
		sim_fini(sim);
	}
}

/* The same incident: its class changes in an update, and its rule is the other one's. */
static void test_another_class_is_an_update(void **state)
{
	struct sim *sim = run((struct part){ 10, 200, 0.9, 100, "spoofed_syn_flood", 1 },
			      (struct part){ 8, 200, 0.5, 50, NULL, 3 }, 60);

	(void)state;
	assert_int_equal(sim->n_alerts, 2);
	const struct event_alert *first = &sim->alerts[0].alert;
	const struct event_alert *second = &sim->alerts[1].alert;
	assert_string_equal(first->detector, "flash_crowd");
	assert_string_equal(first->class_name, "flash_crowd");
	assert_int_equal(first->signature_id, 2);
	assert_int_equal(first->severity, 3);
	assert_null(first->runner_up);
	assert_int_equal(second->phase, ALERT_UPDATE);
	assert_string_equal(second->detector, "syn_flood");
	assert_string_equal(second->class_name, "spoofed_syn_flood");
	assert_string_equal(second->runner_up, "flash_crowd");
	assert_true(second->runner_up_score > 0.49 && second->runner_up_score < 0.51);
	assert_int_equal(second->signature_id, 1);
	assert_int_equal(second->severity, 1);
	assert_int_equal(second->alert_id, first->alert_id);
	assert_int_equal(second->started_ns, first->started_ns);
	sim_fini(sim);
}

/* What it was is said to the end, though nothing is found any more. */
static void test_the_class_lasts_to_the_end(void **state)
{
	struct sim *sim = run((struct part){ 10, 30, 0.9, 100, "spoofed_syn_flood", 1 }, (struct part){ .to = 0 }, 60);

	(void)state;
	assert_int_equal(sim_count(sim, "syn_flood", ALERT_RAISED), 1);
	assert_int_equal(sim_count(sim, "syn_flood", ALERT_CLEARED), 1);
	for (size_t i = 0; i < sim->n_alerts; i++)
		assert_string_equal(sim->alerts[i].alert.class_name, "spoofed_syn_flood");
	const struct sensor_event *cleared = sim_alert(sim, "syn_flood", ALERT_CLEARED, 0);
	assert_true(sim_seconds(cleared->time_ns) >= 49.8 && sim_seconds(cleared->time_ns) <= 50.3);
	assert_string_equal(cleared->alert.clear_reason, "recovered");
	assert_string_equal(cleared->alert.explanation, "It is over.");
	assert_true(cleared->alert.peak > 99 && cleared->alert.rate < 1);
	assert_true(cleared->alert.duration_s > 19 && cleared->alert.duration_s < 21);
	sim_fini(sim);
}

static void test_an_incident_shows_its_evidence(void **state)
{
	struct sim *sim = run((struct part){ 10, 200, 0.9, 100, NULL, 1 }, (struct part){ .to = 0 }, 20);
	const struct event_alert *alert = &sim_alert(sim, "syn_flood", ALERT_RAISED, 0)->alert;

	(void)state;
	assert_true(alert->has_listener && alert->listener.half_open_now > 800);
	assert_true(alert->completion > 0.1 && alert->completion < 0.3);
	assert_true(alert->completion_baseline > alert->completion);
	assert_int_equal(alert->n_parameters, MADE_PARAMS);
	assert_string_equal(alert->parameters[0].name, "floor");
	assert_true(alert->parameters[0].value > 49.9 && alert->parameters[0].value < 50.1);
	assert_string_equal(alert->parameters[1].name, "window");
	assert_true(alert->parameters[1].value > 1.9 && alert->parameters[1].value < 2.1);
	assert_string_equal(alert->capture, "host 203.0.113.5");
	assert_non_null(strstr(alert->filter, "dst host 203.0.113.5 and dst port 443"));
	assert_string_equal(alert->mitre_technique, "T1499.001");
	sim_fini(sim);
}

/* The trouble is not over only because nobody watches any more. */
static void test_a_sensor_that_stops_says_so(void **state)
{
	struct sim *sim = run((struct part){ 10, 200, 0.9, 100, NULL, 1 }, (struct part){ .to = 0 }, 20);

	(void)state;
	assert_int_equal(detect_engine_get_stats(sim->engine)->alarms_open, 1);
	detect_engine_end(sim->engine, sim_ns(20), 0);
	const struct sensor_event *cleared = sim_alert(sim, "syn_flood", ALERT_CLEARED, 0);
	assert_non_null(cleared);
	assert_string_equal(cleared->alert.clear_reason, "shutdown");
	assert_string_equal(cleared->alert.explanation, "It goes on.");
	assert_int_equal(cleared->alert.ended_ns, sim_ns(20));
	assert_int_equal(detect_engine_get_stats(sim->engine)->alarms_open, 0);
	assert_int_equal(detect_engine_get_stats(sim->engine)->alarms_raised, 1);
	sim_fini(sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_the_sensor_misses_is_said),
		cmocka_unit_test(test_another_class_is_an_update),
		cmocka_unit_test(test_the_class_lasts_to_the_end),
		cmocka_unit_test(test_an_incident_shows_its_evidence),
		cmocka_unit_test(test_a_sensor_that_stops_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
