/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * half_open_surge by example: above all the trickle that no rate can show, and the crowds that it must leave alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "simulation.h"

static const struct sim_host ssh = { .ip = { .bytes = { 203, 0, 113, 8 }, .version = 4 }, .port = 22 };

static int setup(void **state)
{
	static struct sim sim;

	sim_init(&sim);
	sim.only = "half_open_surge";
	*state = &sim;
	return 0;
}

static int teardown(void **state)
{
	sim_fini(*state);
	return 0;
}

/*
 * Two SYNs per second, each held for the 63 s of a Linux server, fill a backlog of 128; the 65th is there after 32.5
 * s.
 */
static void test_trickle_of_two_per_second(void **state)
{
	struct sim *sim = *state;

	sim_background(sim, 0, 180, 20, ssh);
	sim_spoofed_flood(sim, 90, 180, 2, ssh, SIM_ANSWERS);
	sim_run(sim, 180);
	sim_print(sim);
	const struct sensor_event *event = sim_alert(sim, "half_open_surge", ALERT_RAISED, 0);
	assert_non_null(event);
	double delay = sim_seconds(event->time_ns) - 90;
	/* 40 are held for more than 3.3 s: before half of a backlog of 128 is taken. */
	assert_true(delay >= 20 && delay <= 28);
	assert_true(event->alert.rate > 40 && event->alert.rate < 50);
	assert_true(event->alert.listener.half_open_now >= 45 && event->alert.listener.half_open_now <= 60);
	assert_string_equal(event->alert.class_name, "syn_trickle");
	assert_int_equal(event->alert.signature_id, 1000002);
	assert_non_null(strstr(event->alert.explanation, "203.0.113.8:22 holds "));
	assert_non_null(strstr(event->alert.explanation, "backlog"));
}

static void test_flood_is_found_when_it_has_lasted(void **state)
{
	struct sim *sim = *state;

	sim_background(sim, 0, 100, 50, ssh);
	sim_spoofed_flood(sim, 90, 100, 1000, ssh, SIM_ANSWERS);
	sim_run(sim, 100);
	sim_print(sim);
	const struct sensor_event *event = sim_alert(sim, "half_open_surge", ALERT_RAISED, 0);
	assert_non_null(event);
	double delay = sim_seconds(event->time_ns) - 90;
	assert_true(delay >= 3.3 && delay <= 5);
}

static void test_life_of_an_alarm(void **state)
{
	struct sim *sim = *state;

	sim_spoofed_flood(sim, 10, 30, 10, ssh, SIM_ANSWERS);
	sim_run(sim, 200);
	sim_print(sim);
	assert_int_equal(sim_count(sim, "half_open_surge", ALERT_RAISED), 1);
	assert_int_equal(sim_count(sim, "half_open_surge", ALERT_CLEARED), 1);
	const struct sensor_event *cleared = sim_alert(sim, "half_open_surge", ALERT_CLEARED, 0);
	/* 200 are held from 30 s to 73 s, but nothing is added any more: the server gives them up by itself. */
	double at = sim_seconds(cleared->time_ns);
	assert_true(at >= 55 && at <= 65);
	assert_true(cleared->alert.peak >= 198 && cleared->alert.peak <= 200);
	assert_int_equal(cleared->alert.alert_id, sim->alerts[0].alert.alert_id);
}

/* Of a flood 800 are left, which some clients that vanish, as some always do, cannot keep up. */
static void test_what_a_flood_left_over_ends_by_itself(void **state)
{
	struct sim *sim = *state;

	sim_spoofed_flood(sim, 10, 18, 100, ssh, SIM_ANSWERS);
	sim_spoofed_flood(sim, 18, 55, 0.9, ssh, SIM_ANSWERS);
	sim_run(sim, 80);
	sim_print(sim);
	const struct sensor_event *cleared = sim_alert(sim, "half_open_surge", ALERT_CLEARED, 0);
	assert_non_null(cleared);
	assert_true(sim_seconds(cleared->time_ns) <= 18 + 35);
	assert_int_equal(sim_count(sim, "half_open_surge", ALERT_RAISED), 1);
}

/* 5000 handshakes per second of 200 ms: a thousand are half open at any time, none for long. */
static void test_flash_crowd(void **state)
{
	struct sim *sim = *state;

	for (int i = 0; i < 50000; i++) {
		struct ip_addr client = sim_ip4(0x0a000000 + (uint32_t)(sim_random(sim) % 60000));
		struct sim_conn conn = sim_attempt(sim, 10 + i / 5000.0, client, (uint16_t)(1024 + i % 60000), ssh);
		sim_real_stack(sim, &conn);
		sim_completes(sim, conn, 0.2, 1);
	}
	sim_run(sim, 40);
	sim_print(sim);
	assert_int_equal(sim->n_alerts, 0);
}

/* Completes, or vanishes in the middle of the handshake: so many of a thousand. */
static void clients(struct sim *sim, double from, double to, double per_second, unsigned vanish)
{
	for (double at = from; at < to; at += 2 * sim_fraction(sim) / per_second) {
		struct ip_addr client = sim_ip4(0x0a000000 + (uint32_t)(sim_random(sim) % 60000));
		struct sim_conn conn = sim_attempt(sim, at, client, (uint16_t)(1024 + sim_random(sim) % 60000), ssh);
		sim_real_stack(sim, &conn);
		if (sim_random(sim) % 1000 < vanish)
			sim_stays_half_open(sim, conn, 63);
		else
			sim_completes(sim, conn, 0.05, 1);
	}
}

/* Twenty times as many clients, and three times the share of them vanishes: 200 are held, and no attack. */
static void test_those_who_leave_a_crowd(void **state)
{
	struct sim *sim = *state;

	clients(sim, 0, 140, 30, 2);
	clients(sim, 20, 140, 570, 6);
	sim_run(sim, 140);
	sim_print(sim);
	assert_int_equal(sim->n_alerts, 0);
}

/* As many more vanish, and no more are served: that is none who leave a crowd. */
static void test_without_a_crowd_it_is_a_trickle(void **state)
{
	struct sim *sim = *state;

	clients(sim, 0, 140, 30, 2);
	sim_spoofed_flood(sim, 20, 140, 3.5, ssh, SIM_ANSWERS);
	sim_run(sim, 140);
	sim_print(sim);
	const struct sensor_event *event = sim_alert(sim, "half_open_surge", ALERT_RAISED, 0);
	assert_non_null(event);
	/* How much it can hold has not shown, and clients are served. */
	assert_int_equal(event->alert.severity, 2);
}

/* A trickle in a crowd is told when it holds more than a crowd leaves. */
static void test_trickle_in_a_crowd(void **state)
{
	struct sim *sim = *state;

	clients(sim, 0, 200, 30, 2);
	clients(sim, 70, 200, 200, 4);
	sim_spoofed_flood(sim, 90, 200, 8, ssh, SIM_ANSWERS);
	sim_run(sim, 200);
	sim_print(sim);
	assert_non_null(sim_alert(sim, "half_open_surge", ALERT_RAISED, 0));
}

static void test_unanswered_attempts_are_not_half_open(void **state)
{
	struct sim *sim = *state;

	sim_spoofed_flood(sim, 10, 30, 500, ssh, SIM_IGNORES);
	sim_run(sim, 40);
	assert_int_equal(sim->n_alerts, 0);
}

/* The server keeps nothing of what it answers with SYN cookies: no SYN-ACK is repeated. */
static void test_cookies_are_not_half_open(void **state)
{
	struct sim *sim = *state;

	for (int i = 0; i < 4000; i++) {
		struct sim_conn conn =
			sim_attempt(sim, 10 + i / 400.0, sim_ip4((uint32_t)sim_random(sim) | 1), 1000, ssh);
		sim_raw_stack(&conn);
		sim_plan(sim, &conn, SIGNAL_ATTEMPT, 0);
		conn.signal.answered = true;
		sim_plan(sim, &conn, SIGNAL_ANSWERED, 0.001);
		sim_plan(sim, &conn, SIGNAL_STILL_HALF_OPEN, 1.001);
		sim_plan(sim, &conn, SIGNAL_HALF_OPEN_ENDED, 63);
	}
	sim_run(sim, 20);
	sim_print(sim);
	assert_int_equal(sim->n_alerts, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_trickle_of_two_per_second),
		TEST(test_flood_is_found_when_it_has_lasted),
		TEST(test_life_of_an_alarm),
		TEST(test_what_a_flood_left_over_ends_by_itself),
		TEST(test_flash_crowd),
		TEST(test_those_who_leave_a_crowd),
		TEST(test_without_a_crowd_it_is_a_trickle),
		TEST(test_trickle_in_a_crowd),
		TEST(test_unanswered_attempts_are_not_half_open),
		TEST(test_cookies_are_not_half_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
