/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * service_down by example: what an outage is and which, how it ends, and what looks like one and is none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "simulation.h"

static const struct sim_host web = { .ip = { .bytes = { 203, 0, 113, 5 }, .version = 4 }, .port = 443 };
static const struct sim_host ssh = { .ip = { .bytes = { 203, 0, 113, 5 }, .version = 4 }, .port = 22 };

static int setup(void **state)
{
	static struct sim sim;

	sim_init(&sim);
	sim.only = "service_down";
	*state = &sim;
	return 0;
}

static int teardown(void **state)
{
	sim_fini(*state);
	return 0;
}

static const struct sensor_event *the_only(const struct sim *sim, enum alert_phase phase)
{
	sim_print(sim);
	assert_int_equal(sim_count(sim, "service_down", phase), 1);
	return sim_alert(sim, "service_down", phase, 0);
}

static void assert_silent(const struct sim *sim)
{
	sim_print(sim);
	assert_int_equal(sim->n_alerts, 0);
}

/* --- what it finds --- */

/* The first attempt that fails is at 20.1 s; it has been so for 10 s then. */
static void a_service_that_refuses_all_for_10_s_is_refusing(void **state)
{
	struct sim *sim = *state;

	sim_clients(sim, 0, 20, 10, 20, web, SIM_ANSWERS);
	sim_clients(sim, 20, 40, 10, 20, web, SIM_REFUSES);
	sim_run(sim, 40);
	const struct sensor_event *raised = the_only(sim, ALERT_RAISED);
	assert_true(sim_seconds(raised->time_ns) >= 30 && sim_seconds(raised->time_ns) < 30.5);
	assert_string_equal(raised->alert.class_name, "service_refusing");
	assert_true(sim_seconds(raised->alert.started_ns) >= 20 && sim_seconds(raised->alert.started_ns) < 20.3);
	assert_non_null(strstr(raised->alert.explanation, "203.0.113.5:443 has served no client for 10 s"));
	assert_non_null(strstr(raised->alert.explanation, "restart the service"));
}

static void a_host_that_answers_nobody_any_more_is_silent(void **state)
{
	struct sim *sim = *state;

	sim_clients(sim, 0, 20, 10, 20, web, SIM_ANSWERS);
	sim_clients(sim, 0, 20, 1, 3, ssh, SIM_ANSWERS);
	sim_clients(sim, 20, 40, 10, 20, web, SIM_IGNORES);
	sim_clients(sim, 20, 40, 1, 3, ssh, SIM_IGNORES);
	sim_run(sim, 32);
	const struct sensor_event *raised = sim_alert(sim, "service_down", ALERT_RAISED, 0);
	sim_print(sim);
	assert_non_null(raised);
	assert_int_equal(raised->alert.target.port, web.port);
	assert_string_equal(raised->alert.class_name, "host_silent");
	assert_non_null(strstr(raised->alert.explanation, "check the host itself"));
}

/* One port of the host is enough to show that it lives. */
static void a_port_that_falls_silent_on_a_host_that_answers_is_filtered(void **state)
{
	struct sim *sim = *state;

	sim_clients(sim, 0, 20, 10, 20, web, SIM_ANSWERS);
	sim_clients(sim, 20, 40, 10, 20, web, SIM_IGNORES);
	sim_clients(sim, 0, 40, 0.5, 3, ssh, SIM_ANSWERS);
	sim_run(sim, 40);
	const struct sensor_event *raised = the_only(sim, ALERT_RAISED);
	assert_int_equal(raised->alert.target.port, web.port);
	assert_string_equal(raised->alert.class_name, "port_filtered");
}

/* 10/s completed before: act now. Of a service that few use, it can wait. */
static void the_outage_of_a_busy_service_is_the_more_severe(void **state)
{
	struct sim *sim = *state;

	sim_clients(sim, 0, 20, 12, 20, web, SIM_ANSWERS);
	sim_clients(sim, 20, 40, 12, 20, web, SIM_REFUSES);
	sim_clients(sim, 0, 20, 5, 20, ssh, SIM_ANSWERS);
	sim_clients(sim, 20, 40, 5, 20, ssh, SIM_REFUSES);
	sim_run(sim, 40);
	sim_print(sim);
	assert_int_equal(sim_count(sim, "service_down", ALERT_RAISED), 2);
	for (unsigned i = 0; i < 2; i++) {
		const struct event_alert *alert = &sim_alert(sim, "service_down", ALERT_RAISED, i)->alert;
		assert_int_equal(alert->severity, alert->target.port == web.port ? 1 : 2);
	}
}

/* --- how it ends --- */

static void it_is_over_two_seconds_after_the_first_success(void **state)
{
	struct sim *sim = *state;

	sim_clients(sim, 0, 20, 10, 20, web, SIM_ANSWERS);
	sim_clients(sim, 20, 50, 10, 20, web, SIM_REFUSES);
	sim_clients(sim, 50, 70, 10, 20, web, SIM_ANSWERS);
	sim_run(sim, 70);
	the_only(sim, ALERT_RAISED);
	/* At once it is said that it serves, and not that nobody is served. */
	const struct sensor_event *again = the_only(sim, ALERT_UPDATE);
	assert_true(sim_seconds(again->time_ns) >= 50 && sim_seconds(again->time_ns) < 50.5);
	assert_non_null(strstr(again->alert.explanation, "serves clients again, 30 s after the outage began; this"));
	assert_true(again->alert.confidence > 0.9);
	const struct sensor_event *cleared = the_only(sim, ALERT_CLEARED);
	assert_true(sim_seconds(cleared->time_ns) >= 52 && sim_seconds(cleared->time_ns) < 52.5);
	assert_non_null(strstr(cleared->alert.explanation, "serves clients again, 30 s after"));
	assert_true(cleared->alert.confidence > 0.9);
}

/* Clients one after the other, whose handshakes take a while; from 60 to 120 s they are refused. */
static void one_by_one(struct sim *sim, double gap, double rtt, double to)
{
	for (int i = 0; i * gap < to; i++) {
		double at = i * gap;
		struct sim_conn conn =
			sim_attempt(sim, at, sim_ip4(0xc6336400 + (uint32_t)(i % 200)), (uint16_t)(10000 + i), web);
		sim_real_stack(sim, &conn);
		if (at >= 60 && at < 120)
			sim_is_refused(sim, conn);
		else
			sim_completes(sim, conn, rtt, 1);
	}
	sim_run(sim, to);
}

static void the_first_client_served_ends_it(void **state)
{
	struct sim *sim = *state;

	one_by_one(sim, 0.4, 0.3, 160);
	the_only(sim, ALERT_RAISED);
	const struct sensor_event *cleared = the_only(sim, ALERT_CLEARED);
	double at = sim_seconds(cleared->time_ns);
	assert_true(at > 122 && at < 124);
	assert_string_equal(cleared->alert.explanation,
			    "203.0.113.5:443 serves clients again, 60 s after the outage began.");
}

/* The rate of failures falls to nothing at once, which is news before the alarm is over. */
static void an_update_behind_the_outage_says_so(void **state)
{
	struct sim *sim = *state;
	const struct event_alert *last = NULL;

	one_by_one(sim, 0.05, 0.01, 140);
	sim_print(sim);
	for (size_t i = 0; i < sim->n_alerts; i++)
		if (sim->alerts[i].alert.phase == ALERT_UPDATE)
			last = &sim->alerts[i].alert;
	assert_non_null(last);
	assert_non_null(strstr(last->explanation, "serves clients again, 60 s after the outage began; "));
}

/* Nobody suffers where nobody asks; that is no recovery. */
static void it_is_over_when_nobody_has_asked_for_20_s(void **state)
{
	struct sim *sim = *state;

	sim_clients(sim, 0, 20, 10, 20, web, SIM_ANSWERS);
	sim_clients(sim, 20, 40, 10, 20, web, SIM_REFUSES);
	sim_run(sim, 80);
	the_only(sim, ALERT_RAISED);
	const struct sensor_event *cleared = the_only(sim, ALERT_CLEARED);
	assert_true(sim_seconds(cleared->time_ns) >= 59.9 && sim_seconds(cleared->time_ns) < 63);
	assert_non_null(strstr(cleared->alert.explanation, "it was not seen to work again"));
}

/* --- what is none --- */

static void a_restart_of_nine_seconds_is_none(void **state)
{
	struct sim *sim = *state;

	sim_clients(sim, 0, 20, 10, 20, web, SIM_ANSWERS);
	sim_clients(sim, 20, 29.5, 10, 20, web, SIM_REFUSES);
	sim_clients(sim, 29.5, 60, 10, 20, web, SIM_ANSWERS);
	sim_run(sim, 60);
	assert_silent(sim);
}

/* What is asked in vain from the beginning never worked: health checks of dead hosts, scans. */
static void only_what_has_completed_ten_handshakes_can_be_down(void **state)
{
	for (unsigned n_before = 9; n_before <= 10; n_before++) {
		struct sim sim;

		(void)state;
		sim_init(&sim);
		sim.only = "service_down";
		sim_clients(&sim, 0, n_before - 0.5, 1, 10, web, SIM_ANSWERS);
		sim_clients(&sim, 12, 40, 10, 20, web, SIM_REFUSES);
		sim_run(&sim, 40);
		assert_int_equal(sim_count(&sim, "service_down", ALERT_RAISED), n_before >= 10);
		sim_fini(&sim);
	}
}

/* One client, or a pair of them, may have a trouble of its own. */
static void three_sources_must_fail(void **state)
{
	for (unsigned n_sources = 2; n_sources <= 3; n_sources++) {
		struct sim sim;

		(void)state;
		sim_init(&sim);
		sim.only = "service_down";
		sim_clients(&sim, 0, 20, 10, 20, web, SIM_ANSWERS);
		sim_clients(&sim, 20, 60, 10, n_sources, web, SIM_REFUSES);
		sim_run(&sim, 60);
		assert_int_equal(sim_count(&sim, "service_down", ALERT_RAISED), n_sources >= 3);
		sim_fini(&sim);
	}
}

/* SYNs that their senders do not repeat are no clients: syn_flood's matter. */
static void a_flood_that_buries_the_service_is_none(void **state)
{
	struct sim *sim = *state;

	sim_clients(sim, 0, 20, 10, 20, web, SIM_ANSWERS);
	sim_spoofed_flood(sim, 20, 45, 100, web, SIM_IGNORES);
	sim_clients(sim, 20, 45, 10, 20, web, SIM_IGNORES);
	sim_run(sim, 45);
	assert_silent(sim);
}

/* It is slow to say so, but somebody is there: 19 of 20 must get nothing at all. */
static void a_service_that_answers_one_syn_in_ten_is_none(void **state)
{
	struct sim *sim = *state;

	sim_clients(sim, 0, 20, 10, 20, web, SIM_ANSWERS);
	sim_clients(sim, 20, 60, 9, 20, web, SIM_IGNORES);
	sim_spoofed_flood(sim, 20, 60, 1, web, SIM_ANSWERS);
	sim_run(sim, 60);
	assert_silent(sim);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_service_that_refuses_all_for_10_s_is_refusing),
		TEST(a_host_that_answers_nobody_any_more_is_silent),
		TEST(a_port_that_falls_silent_on_a_host_that_answers_is_filtered),
		TEST(the_outage_of_a_busy_service_is_the_more_severe),
		TEST(it_is_over_two_seconds_after_the_first_success),
		TEST(the_first_client_served_ends_it),
		TEST(an_update_behind_the_outage_says_so),
		TEST(it_is_over_when_nobody_has_asked_for_20_s),
		TEST(a_restart_of_nine_seconds_is_none),
		cmocka_unit_test(only_what_has_completed_ten_handshakes_can_be_down),
		cmocka_unit_test(three_sources_must_fail),
		TEST(a_flood_that_buries_the_service_is_none),
		TEST(a_service_that_answers_one_syn_in_ten_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
