/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * carpet_bombing by example: what hosts refuse is a flood too if its sources are made up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "simulation.h"

static int setup(void **state)
{
	static struct sim sim;

	sim_init(&sim);
	sim.only = "carpet_bombing";
	*state = &sim;
	return 0;
}

static int teardown(void **state)
{
	sim_fini(*state);
	return 0;
}

static struct sim_host host(struct sim *sim, unsigned n_hosts)
{
	return (struct sim_host){ .ip = sim_ip4(0xcb007100 + (uint32_t)(sim_random(sim) % n_hosts)), .port = 80 };
}

/* So many per second over the hosts of 203.0.113.0/24, all refused. */
static void refused(struct sim *sim, double from, double to, double per_second, unsigned n_hosts, unsigned n_sources)
{
	for (double at = from; at < to; at += 1 / per_second) {
		uint32_t source = n_sources > 0 ? 0x0a000000 + (uint32_t)(sim_random(sim) % n_sources)
						: (uint32_t)sim_random(sim) | 1;
		struct sim_conn conn = sim_attempt(sim, at, sim_ip4(source), (uint16_t)(1024 + sim_random(sim) % 60000),
						   host(sim, n_hosts));
		sim_real_stack(sim, &conn);
		sim_is_refused(sim, conn);
	}
}

static void test_hosts_that_refuse(void **state)
{
	struct sim *sim = *state;

	refused(sim, 20, 50, 512, 256, 0);
	sim_run(sim, 120);
	sim_print(sim);
	const struct sensor_event *event = sim_alert(sim, "carpet_bombing", ALERT_RAISED, 0);
	assert_non_null(event);
	double delay = sim_seconds(event->time_ns) - 20;
	assert_true(delay <= 2);
	assert_int_equal(sim_count(sim, "carpet_bombing", ALERT_RAISED), 1);
	assert_int_equal(sim_count(sim, "carpet_bombing", ALERT_CLEARED), 1);
	/* Nobody is told of more hosts than a prefix has. */
	for (size_t i = 0; i < sim->n_alerts; i++) {
		unsigned n_hosts = 0;
		if (sscanf(sim->alerts[i].alert.explanation, "About %u hosts", &n_hosts) == 1)
			assert_in_range(n_hosts, 32, 256);
	}
}

static void test_a_quarter_of_a_prefix(void **state)
{
	struct sim *sim = *state;

	refused(sim, 20, 50, 128, 64, 0);
	sim_run(sim, 60);
	sim_print(sim);
	assert_int_equal(sim_count(sim, "carpet_bombing", ALERT_RAISED), 1);
}

/* A hundred clients of a network whose services are gone, who try again and again. */
static void test_clients_that_try_again(void **state)
{
	struct sim *sim = *state;

	refused(sim, 20, 80, 128, 64, 100);
	sim_run(sim, 90);
	sim_print(sim);
	assert_int_equal(sim->n_alerts, 0);
}

static void test_noise_of_the_internet(void **state)
{
	struct sim *sim = *state;

	refused(sim, 0, 120, 25, 256, 0);
	sim_run(sim, 120);
	sim_print(sim);
	assert_int_equal(sim->n_alerts, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_hosts_that_refuse),
		TEST(test_a_quarter_of_a_prefix),
		TEST(test_clients_that_try_again),
		TEST(test_noise_of_the_internet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
