/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * time_wait_exhaustion by example, after the measurements in detection science section 3 (L1, L8b) and goal G7.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "simulation.h"

static const struct sim_host api = { .ip = { .bytes = { 10, 0, 0, 9 }, .version = 4 }, .port = 443 };

enum { LINUX_FIRST = 32768, LINUX_PORTS = 28232 };

static int setup(void **state)
{
	static struct sim sim;

	sim_init(&sim);
	sim.only = "time_wait_exhaustion";
	*state = &sim;
	return 0;
}

static int teardown(void **state)
{
	sim_fini(*state);
	return 0;
}

/* As the kernel does: even ports first, then odd ones. */
static uint16_t linux_port(unsigned nth)
{
	nth %= LINUX_PORTS;
	return (uint16_t)(LINUX_FIRST + (nth < LINUX_PORTS / 2 ? 2 * nth : 2 * (nth - LINUX_PORTS / 2) + 1));
}

/* Connections of 5 ms that the client closes, one after the other, at rate(t) per second; none when no port is left. */
static void open_and_close(struct sim *sim, double from, double to, double start_rate, double rate_per_s)
{
	static double freed_at[LINUX_PORTS];
	struct ip_addr client = sim_ip("10.0.0.5");
	unsigned nth = 0;

	memset(freed_at, 0, sizeof(freed_at));
	for (double at = from; at < to;) {
		double jitter = 0.5 + sim_fraction(sim);
		if (freed_at[nth % LINUX_PORTS] <= at) {
			struct sim_conn conn = sim_attempt(sim, at, client, linux_port(nth), api);
			sim_leaves_time_wait(sim, conn, 0.005, 60, false);
			freed_at[nth++ % LINUX_PORTS] = at + 60.006;
		}
		at += jitter / (start_rate + rate_per_s * (at - from));
	}
}

static const struct sensor_event *first_alarm(const struct sim *sim)
{
	sim_print(sim);
	return sim_alert(sim, "time_wait_exhaustion", ALERT_RAISED, 0);
}

/* The first connect() fails 28232 / 800 = 35.3 s after the step. */
static void test_step_to_800_per_second(void **state)
{
	struct sim *sim = *state;

	open_and_close(sim, 10, 90, 800, 0);
	sim_run(sim, 90);
	const struct sensor_event *event = first_alarm(sim);
	assert_non_null(event);
	const struct event_alert *alert = &event->alert;
	double at = sim_seconds(event->time_ns);
	double failure = 10 + LINUX_PORTS / 800.0;
	assert_true(at > 27 && at <= 29.5);
	assert_int_equal(alert->severity, 2);
	assert_true(alert->has_forecast);
	assert_int_equal(alert->forecast.capacity, LINUX_PORTS);
	assert_true(alert->forecast.occupancy >= 0.5 && alert->forecast.occupancy < 0.55);
	double error = at + alert->forecast.seconds_left - failure;
	assert_true(error > -1.8 && error < 1.8);
	assert_true(alert->forecast.exhaustion_at_ns > event->time_ns);
	struct ip_addr client = sim_ip("10.0.0.5");
	assert_true(ip_addr_equal(&alert->target.client, &client));
	assert_true(ip_addr_equal(&event->ends.client, &client));
	assert_true(ip_addr_equal(&alert->target.ip, &api.ip));
	assert_int_equal(alert->target.port, 443);
	assert_non_null(strstr(alert->explanation, "10.0.0.5 has 1"));
	/* It becomes critical before the failure, under the same id. */
	const struct sensor_event *update = sim_alert(sim, "time_wait_exhaustion", ALERT_UPDATE, 0);
	while (update->alert.severity != 1)
		update++;
	assert_true(sim_seconds(update->time_ns) < failure);
	assert_int_equal(update->alert.alert_id, alert->alert_id);
}

/* 480/s is just above 28232 / 60 = 470/s: the last port goes 58.8 s after the step. */
static void test_step_to_480_per_second(void **state)
{
	struct sim *sim = *state;

	open_and_close(sim, 10, 80, 480, 0);
	sim_run(sim, 80);
	const struct sensor_event *event = first_alarm(sim);
	assert_non_null(event);
	assert_true(sim_seconds(event->time_ns) <= 10 + 58.8 - 28);
}

/* The sensor began later than the client, which fails already when there seems to be a moment left. */
static void test_a_last_moment_is_no_promise(void **state)
{
	struct sim *sim = *state;

	open_and_close(sim, 10, 100, 480, 0);
	size_t n_kept = 0;
	unsigned n_told = 0;
	for (size_t i = 0; i < sim->n_events; i++)
		if (sim->events[i].signal.since_ns >= sim_ns(30))
			sim->events[n_kept++] = sim->events[i];
	sim->n_events = n_kept;
	sim_run(sim, 100);
	assert_non_null(first_alarm(sim));
	for (size_t i = 0; i < sim->n_alerts; i++)
		if (sim_seconds(sim->alerts[i].time_ns) >= 10 + LINUX_PORTS / 480.0) {
			assert_null(strstr(sim->alerts[i].alert.explanation, "none is left in about"));
			n_told++;
		}
	assert_true(n_told >= 1);
}

static void test_steady_sixty_percent_is_silent(void **state)
{
	struct sim *sim = *state;

	open_and_close(sim, 10, 400, 0.6 * LINUX_PORTS / 60, 0);
	sim_run(sim, 400);
	assert_null(first_alarm(sim));
}

/* One more per second each second: at 10 + 500 s none is left. */
static void test_ramp_is_foreseen(void **state)
{
	struct sim *sim = *state;

	open_and_close(sim, 10, 500, 0.5, 1);
	sim_run(sim, 500);
	const struct sensor_event *event = first_alarm(sim);
	assert_non_null(event);
	assert_true(sim_seconds(event->time_ns) <= 510 - 120);
}

static void test_cleared_after_the_load_is_gone(void **state)
{
	struct sim *sim = *state;

	open_and_close(sim, 10, 35, 800, 0);
	sim_run(sim, 250);
	assert_non_null(first_alarm(sim));
	const struct sensor_event *cleared = sim_alert(sim, "time_wait_exhaustion", ALERT_CLEARED, 0);
	assert_non_null(cleared);
	/* The ports are in TIME_WAIT for another minute, but from now on they come free. */
	double at = sim_seconds(cleared->time_ns);
	assert_true(at > 50 && at < 35 + 35);
	assert_true(cleared->alert.peak > 0.65 && cleared->alert.peak < 0.75);
}

/* L1: the client then opens next to nothing. */
static void test_silence_of_an_exhausted_client(void **state)
{
	struct sim *sim = *state;

	open_and_close(sim, 10, 60, 800, 0);
	sim_run(sim, 60);
	bool said = false;
	sim_print(sim);
	for (size_t i = 0; i < sim->n_alerts; i++)
		said |= strstr(sim->alerts[i].alert.explanation, "failing now") != NULL;
	assert_true(said);
}

/* L8b: tcp_tw_reuse takes ports again that are in TIME_WAIT; the range never ends. */
static void test_client_that_reuses_ports(void **state)
{
	struct sim *sim = *state;
	struct ip_addr client = sim_ip("10.0.0.5");

	for (unsigned i = 0; i < 60 * 700; i++) {
		struct sim_conn conn = sim_attempt(sim, 10 + i / 700.0, client, linux_port(i % 13650), api);
		sim_leaves_time_wait(sim, conn, 0.005, 13650 / 700.0 - 0.01, true);
	}
	sim_run(sim, 80);
	assert_null(first_alarm(sim));
}

/* Half of Windows' 16384 dynamic ports; by the built-in range it would be a third. */
static void test_narrow_range_is_learned(void **state)
{
	struct sim *sim = *state;
	struct ip_addr client = sim_ip("10.0.0.6");

	for (unsigned i = 0; i < 16384; i++) {
		struct sim_conn conn =
			sim_attempt(sim, 10 + i / 400.0, client, (uint16_t)(49152 + (i * 7919) % 16384), api);
		sim_leaves_time_wait(sim, conn, 0.005, 60, false);
	}
	sim_run(sim, 55);
	const struct sensor_event *event = first_alarm(sim);
	assert_non_null(event);
	assert_int_equal(event->alert.forecast.capacity, 16384);
	assert_true(sim_seconds(event->time_ns) < 33);
}

static void test_server_that_closes_first(void **state)
{
	struct sim *sim = *state;

	for (unsigned i = 0; i < 40000; i++)
		sim_completes(sim, sim_attempt(sim, 10 + i / 1000.0, sim_ip("10.0.0.5"), linux_port(i), api), 0.001,
			      0.01);
	sim_run(sim, 60);
	assert_null(first_alarm(sim));
}

/* Spoofed with one client's address, or sent by a raw tool: none of its ports is taken. */
static void test_flood_of_one_source_takes_no_ports(void **state)
{
	struct sim *sim = *state;

	for (unsigned i = 0; i < 60000; i++)
		sim_stays_half_open(sim, sim_attempt(sim, 10 + i / 2000.0, sim_ip("10.0.0.5"), (uint16_t)i, api), 63);
	sim_run(sim, 60);
	assert_null(first_alarm(sim));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_step_to_800_per_second),
		TEST(test_step_to_480_per_second),
		TEST(test_a_last_moment_is_no_promise),
		TEST(test_steady_sixty_percent_is_silent),
		TEST(test_ramp_is_foreseen),
		TEST(test_cleared_after_the_load_is_gone),
		TEST(test_silence_of_an_exhausted_client),
		TEST(test_client_that_reuses_ports),
		TEST(test_narrow_range_is_learned),
		TEST(test_server_that_closes_first),
		TEST(test_flood_of_one_source_takes_no_ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
