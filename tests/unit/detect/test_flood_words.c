/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an alarm about a flood says must hold together: its rates, its times, its advice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "simulation.h"

static const struct sim_host web = { .ip = { .bytes = { 203, 0, 113, 5 }, .version = 4 }, .port = 443 };

static int setup(void **state)
{
	static struct sim sim;

	sim_init(&sim);
	sim.only = "syn_flood";
	*state = &sim;
	return 0;
}

static int teardown(void **state)
{
	sim_fini(*state);
	return 0;
}

/* "gets 596 SYN/s from 12 sources, and 496/s of them ..." */
static bool rates_of(const struct event_alert *alert, double *tried, double *failing)
{
	const char *gets = strstr(alert->explanation, " gets ");
	const char *and = strstr(alert->explanation, ", and ");

	return gets != NULL && and != NULL && sscanf(gets, " gets %lf SYN/s", tried) == 1 &&
	       sscanf(and, ", and %lf/s of them", failing) == 1;
}

/* When it has just ended, the figures that take longer to be sure of still show it. */
static void test_what_fails_is_part_of_what_is_tried(void **state)
{
	struct sim *sim = *state;
	unsigned n_told = 0;

	sim_background(sim, 0, 140, 20, web);
	sim_spoofed_flood(sim, 90, 96.9, 500, web, SIM_ANSWERS);
	sim_run(sim, 140);
	sim_print(sim);
	for (size_t i = 0; i < sim->n_alerts; i++) {
		double tried;
		double failing;
		if (!rates_of(&sim->alerts[i].alert, &tried, &failing))
			continue;
		n_told++;
		assert_true(failing <= tried + 0.5);
	}
	assert_true(n_told >= 1);
}

static void test_a_short_flood_lasted_as_long_as_it_did(void **state)
{
	struct sim *sim = *state;

	sim_background(sim, 0, 140, 20, web);
	sim_spoofed_flood(sim, 90, 91, 500, web, SIM_ANSWERS);
	sim_run(sim, 140);
	sim_print(sim);
	const struct sensor_event *cleared = sim_alert(sim, "syn_flood", ALERT_CLEARED, 0);
	assert_non_null(cleared);
	assert_true(cleared->alert.duration_s >= 0.75 && cleared->alert.duration_s <= 1.6);
	assert_non_null(strstr(cleared->alert.explanation, " is over after about 1 s:"));
}

/* A SYN that got lost before is no part of a flood. */
static void test_a_flood_began_with_its_first_packet(void **state)
{
	struct sim *sim = *state;

	sim_background(sim, 0, 140, 20, web);
	sim_spoofed_flood(sim, 86, 86.2, 25, web, SIM_ANSWERS);
	sim_spoofed_flood(sim, 90, 120, 500, web, SIM_ANSWERS);
	sim_run(sim, 100);
	sim_print(sim);
	const struct sensor_event *raised = sim_alert(sim, "syn_flood", ALERT_RAISED, 0);
	assert_non_null(raised);
	assert_true(sim_seconds(raised->alert.started_ns) >= 89.7 && sim_seconds(raised->alert.started_ns) <= 90.3);
}

/* Its class, or its severity, changes while it goes on: that is no pause. */
static void test_no_pause_is_told_while_it_goes_on(void **state)
{
	struct sim *sim = *state;

	sim_background(sim, 0, 140, 20, web);
	for (double at = 90; at < 110; at += 1 / 520.0) {
		struct sim_host port = { .ip = web.ip, .port = (uint16_t)(1 + sim_random(sim) % 65535) };
		struct sim_conn conn = sim_attempt(sim, at, sim_ip4((uint32_t)sim_random(sim) | 1),
						   (uint16_t)(1024 + sim_random(sim) % 60000), port);
		sim_real_stack(sim, &conn);
		sim_is_refused(sim, conn);
	}
	sim_run(sim, 109);
	sim_print(sim);
	assert_true(sim->n_alerts >= 2);
	for (size_t i = 0; i < sim->n_alerts; i++)
		assert_null(strstr(sim->alerts[i].alert.explanation, "pauses"));
}

/* A flood must not be taken for what is usual in the seconds before it is found, nor what is usual for a part of it. */
static void test_what_is_usual_is_below_what_is_too_much(void **state)
{
	struct sim *sim = *state;

	sim_background(sim, 0, 140, 3, web);
	sim_spoofed_flood(sim, 0, 140, 7, web, SIM_ANSWERS);
	sim_run(sim, 140);
	sim_print(sim);
	assert_true(sim->n_alerts >= 1);
	for (size_t i = 0; i < sim->n_alerts; i++) {
		const struct event_alert *alert = &sim->alerts[i].alert;
		assert_true(alert->baseline < alert->threshold);
		assert_true(alert->rate >= alert->threshold);
	}
}

/* Bots are few for what they send, and their owners can be told. */
static void test_real_addresses_are_not_called_spoofed(void **state)
{
	struct sim *sim = *state;

	sim_background(sim, 0, 140, 20, web);
	for (double at = 90; at < 110; at += 0.004) {
		struct ip_addr bot = sim_ip4(0x60000000 + 7919 * (uint32_t)(sim_random(sim) % 300));
		struct sim_conn conn = sim_attempt(sim, at, bot, (uint16_t)(1024 + sim_random(sim) % 60000), web);
		sim_real_stack(sim, &conn);
		sim_stays_half_open(sim, conn, 63);
	}
	sim_run(sim, 130);
	sim_print(sim);
	assert_true(sim->n_alerts >= 2);
	for (size_t i = 0; i < sim->n_alerts; i++) {
		const struct event_alert *alert = &sim->alerts[i].alert;
		bool is_told = strstr(alert->explanation, "look spoofed") != NULL;
		assert_true(!is_told || alert->spoofed_likelihood >= 0.5);
	}
}

static void test_a_refused_flood_has_no_use_for_cookies(void **state)
{
	struct sim *sim = *state;

	sim_spoofed_flood(sim, 10, 30, 500, web, SIM_REFUSES);
	sim_run(sim, 30);
	sim_print(sim);
	const struct sensor_event *raised = sim_alert(sim, "syn_flood", ALERT_RAISED, 0);
	assert_non_null(raised);
	assert_null(strstr(raised->alert.explanation, "cookies"));
	assert_non_null(strstr(raised->alert.explanation, "no state"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_what_fails_is_part_of_what_is_tried),     TEST(test_a_short_flood_lasted_as_long_as_it_did),
		TEST(test_a_flood_began_with_its_first_packet),     TEST(test_no_pause_is_told_while_it_goes_on),
		TEST(test_what_is_usual_is_below_what_is_too_much), TEST(test_real_addresses_are_not_called_spoofed),
		TEST(test_a_refused_flood_has_no_use_for_cookies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
