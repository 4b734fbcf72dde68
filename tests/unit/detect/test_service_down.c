/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * service_down by example: an outage has an end, which shows with the first client that is served.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "simulation.h"

static const struct sim_host web = { .ip = { .bytes = { 203, 0, 113, 5 }, .version = 4 }, .port = 443 };

/* Clients one after the other, whose handshakes take a while; from down to up they are refused. */
static struct sim *play(double gap, double rtt, double down, double up, double to)
{
	static struct sim sim;

	sim_init(&sim);
	sim.only = "service_down";
	for (int i = 0; i * gap < to; i++) {
		double at = i * gap;
		struct sim_conn conn =
			sim_attempt(&sim, at, sim_ip4(0xc6336400 + (uint32_t)(i % 200)), (uint16_t)(10000 + i), web);
		sim_real_stack(&sim, &conn);
		if (at >= down && at < up)
			sim_is_refused(&sim, conn);
		else
			sim_completes(&sim, conn, rtt, 1);
	}
	sim_run(&sim, to);
	sim_print(&sim);
	return &sim;
}

static void test_the_first_client_served_ends_it(void **state)
{
	struct sim *sim = play(0.4, 0.3, 60, 120, 160);

	(void)state;
	assert_int_equal(sim_count(sim, "service_down", ALERT_RAISED), 1);
	const struct sensor_event *cleared = sim_alert(sim, "service_down", ALERT_CLEARED, 0);
	assert_non_null(cleared);
	double at = sim_seconds(cleared->time_ns);
	assert_true(at > 122 && at < 124);
	assert_string_equal(cleared->alert.explanation,
			    "203.0.113.5:443 serves clients again, 60 s after the outage began.");
	sim_fini(sim);
}

/* The rate of failures falls to nothing at once, which is news before the alarm is over. */
static void test_an_update_behind_the_outage_says_so(void **state)
{
	struct sim *sim = play(0.05, 0.01, 60, 120, 140);
	const struct event_alert *last = NULL;

	(void)state;
	for (size_t i = 0; i < sim->n_alerts; i++)
		if (sim->alerts[i].alert.phase == ALERT_UPDATE)
			last = &sim->alerts[i].alert;
	assert_non_null(last);
	assert_non_null(strstr(last->explanation, "serves clients again, 60 s after the outage began; "));
	sim_fini(sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_first_client_served_ends_it),
		cmocka_unit_test(test_an_update_behind_the_outage_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
