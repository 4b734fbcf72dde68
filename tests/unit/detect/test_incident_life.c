/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long incidents last, with real detectors: one for trouble in pulses, and an end soon after the end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "simulation.h"

static const struct sim_host web = { .ip = { .bytes = { 203, 0, 113, 5 }, .version = 4 }, .port = 443 };

static struct sim *start(const char *detector)
{
	static struct sim sim;

	sim_init(&sim);
	sim.only = detector;
	return &sim;
}

/* 10 s on, 50 s off. */
static void test_pulses_are_one_incident(void **state)
{
	struct sim *sim = start("syn_flood");

	(void)state;
	for (int pulse = 0; pulse < 6; pulse++)
		sim_spoofed_flood(sim, 10 + 60 * pulse, 20 + 60 * pulse, 200, web, SIM_ANSWERS);
	sim_run(sim, 460);
	assert_int_equal(sim_count(sim, "syn_flood", ALERT_RAISED), 2);
	assert_int_equal(sim_count(sim, "syn_flood", ALERT_CLEARED), 2);
	for (size_t i = 0; i < sim->n_alerts; i++)
		assert_int_equal(sim->alerts[i].alert.alert_id, sim->alerts[0].alert.alert_id);
	const struct sensor_event *first = sim_alert(sim, "syn_flood", ALERT_CLEARED, 0);
	const struct sensor_event *last = sim_alert(sim, "syn_flood", ALERT_CLEARED, 1);
	assert_true(sim_seconds(first->time_ns) <= 20 + 35);
	assert_true(sim_seconds(last->time_ns) > 320 && sim_seconds(last->time_ns) < 320 + 70);
	assert_int_equal(last->alert.n_reopened, 1);
	sim_fini(sim);
}

static void test_a_flood_is_over_soon_after_its_end(void **state)
{
	struct sim *sim = start("syn_flood");

	(void)state;
	sim_background(sim, 0, 200, 50, web);
	sim_spoofed_flood(sim, 60, 90, 500, web, SIM_ANSWERS);
	sim_run(sim, 200);
	assert_int_equal(sim_count(sim, "syn_flood", ALERT_RAISED), 1);
	assert_int_equal(sim_count(sim, "syn_flood", ALERT_CLEARED), 1);
	const struct sensor_event *cleared = sim_alert(sim, "syn_flood", ALERT_CLEARED, 0);
	assert_true(sim_seconds(cleared->time_ns) <= 90 + 35);
	assert_string_equal(cleared->alert.clear_reason, "recovered");
	sim_fini(sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pulses_are_one_incident),
		cmocka_unit_test(test_a_flood_is_over_soon_after_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
