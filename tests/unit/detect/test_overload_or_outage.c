/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Clients ask again and again and get no answer: the border between a service that does not accept its connections
 * (accept_queue_overflow) and one that is down (service_down). What tells them apart is whether anybody is served.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "simulation.h"

static const struct sim_host web = { .ip = { .bytes = { 203, 0, 113, 5 }, .version = 4 }, .port = 443 };

/* Until then all clients are served. */
enum { TROUBLE = 20 };

/* Both, and nothing else. */
static int setup(void **state)
{
	static struct sim sim;

	sim_init(&sim);
	for (size_t i = 0; i < sim.ruleset->n_rules; i++)
		sim.ruleset->rules[i].enabled = strcmp(detectors[i]->name, "accept_queue_overflow") == 0 ||
						strcmp(detectors[i]->name, "service_down") == 0;
	sim_clients(&sim, 0, TROUBLE, 20, 40, web, SIM_ANSWERS);
	*state = &sim;
	return 0;
}

static int teardown(void **state)
{
	sim_fini(*state);
	return 0;
}

/* The connections of so many clients a second complete, and the server asks for their handshake again (L7b). */
static void drop_acks(struct sim *sim, double from, double to, double per_second)
{
	double at = from;

	for (unsigned n = 0; at < to; at = from + ++n / per_second) {
		struct sim_conn conn = sim_attempt(sim, at, sim_ip4(0x0a030000 + n % 40), (uint16_t)(1024 + n), web);
		sim_real_stack(sim, &conn);
		sim_completes(sim, conn, 0.05, 20);
		conn.signal.answered = true;
		conn.signal.completed = true;
		conn.signal.is_first = true;
		sim_plan(sim, &conn, SIGNAL_SYNACK_AFTER_ACK, 1.05);
	}
}

/* There is no room for them at first, and there is when they ask again. */
static void get_in_later(struct sim *sim, double from, double to, double per_second)
{
	double at = from;

	for (unsigned n = 0; at < to; at = from + ++n / per_second) {
		struct sim_conn conn = sim_attempt(sim, at, sim_ip4(0x0a040000 + n % 40), (uint16_t)(1024 + n), web);
		sim_real_stack(sim, &conn);
		sim_plan(sim, &conn, SIGNAL_ATTEMPT, 0);
		sim_plan(sim, &conn, SIGNAL_UNANSWERED, 1);
		conn.signal.is_first = true;
		sim_plan(sim, &conn, SIGNAL_SYN_REPEATED, 1);
		conn.signal.is_first = false;
		conn.signal.retried = true;
		conn.signal.answered = true;
		sim_plan(sim, &conn, SIGNAL_ANSWERED, 1.025);
		sim_plan(sim, &conn, SIGNAL_COMPLETED, 1.05);
		conn.signal.completed = true;
		sim_plan(sim, &conn, SIGNAL_HALF_OPEN_ENDED, 1.05);
		sim_plan(sim, &conn, SIGNAL_CLIENT_SPOKE, 1.06);
		conn.signal.spoke = true;
		sim_plan(sim, &conn, SIGNAL_CLOSED, 1.25);
	}
}

static const struct sensor_event *the_only_alarm(const struct sim *sim, const char *detector, const char *class_name)
{
	sim_print(sim);
	unsigned n_raised = 0;
	for (size_t i = 0; i < sim->n_alerts; i++)
		n_raised += sim->alerts[i].alert.phase == ALERT_RAISED;
	assert_int_equal(n_raised, 1);
	const struct sensor_event *raised = sim_alert(sim, detector, ALERT_RAISED, 0);
	assert_non_null(raised);
	assert_string_equal(raised->alert.class_name, class_name);
	return raised;
}

/* L7: one in five still gets in, whenever the application accepts one; some only when they ask again. */
static void as_long_as_some_are_served_it_is_an_overflow(void **state)
{
	struct sim *sim = *state;

	sim_clients(sim, TROUBLE, TROUBLE + 30, 16, 40, web, SIM_IGNORES);
	sim_clients(sim, TROUBLE, TROUBLE + 30, 3, 40, web, SIM_ANSWERS);
	get_in_later(sim, TROUBLE, TROUBLE + 30, 1);
	sim_run(sim, TROUBLE + 30);
	const struct sensor_event *raised =
		the_only_alarm(sim, "accept_queue_overflow", "syn_unanswered_by_a_busy_service");
	/* Judged when they are 1.75 s old, and so for 5 s. */
	double delay = sim_seconds(raised->time_ns) - TROUBLE;
	assert_true(delay >= 6.5 && delay <= 8.5);
	assert_non_null(strstr(raised->alert.explanation, "get no answer, while others are served"));
}

/* Of those who ask again nobody gets in: rather a flood that repeats its SYNs, and the others find room beside it. */
static void where_asking_again_is_in_vain_it_is_no_overflow(void **state)
{
	struct sim *sim = *state;

	sim_clients(sim, TROUBLE, TROUBLE + 30, 16, 40, web, SIM_IGNORES);
	sim_clients(sim, TROUBLE, TROUBLE + 30, 4, 40, web, SIM_ANSWERS);
	sim_run(sim, TROUBLE + 30);
	sim_print(sim);
	assert_int_equal(sim->n_alerts, 0);
}

static void where_nobody_is_served_it_is_an_outage(void **state)
{
	struct sim *sim = *state;

	sim_clients(sim, TROUBLE, TROUBLE + 30, 20, 40, web, SIM_IGNORES);
	sim_run(sim, TROUBLE + 30);
	the_only_alarm(sim, "service_down", "host_silent");
}

/* A listener that refuses is none that is too slow. */
static void who_is_refused_is_refused_by_an_outage(void **state)
{
	struct sim *sim = *state;

	sim_clients(sim, TROUBLE, TROUBLE + 30, 20, 40, web, SIM_REFUSES);
	sim_run(sim, TROUBLE + 30);
	the_only_alarm(sim, "service_down", "service_refusing");
}

/* It must look so for 5 s: a service that restarts does for a moment. */
static void a_silence_of_three_seconds_is_neither(void **state)
{
	struct sim *sim = *state;

	sim_clients(sim, TROUBLE, TROUBLE + 3, 16, 40, web, SIM_IGNORES);
	get_in_later(sim, TROUBLE, TROUBLE + 3, 1);
	sim_clients(sim, TROUBLE, TROUBLE + 40, 4, 40, web, SIM_ANSWERS);
	sim_clients(sim, TROUBLE + 3, TROUBLE + 40, 16, 40, web, SIM_ANSWERS);
	sim_run(sim, TROUBLE + 40);
	sim_print(sim);
	assert_int_equal(sim->n_alerts, 0);
}

/* One client in ten that has trouble has a trouble of its own. */
static void silence_for_a_few_of_many_is_neither(void **state)
{
	struct sim *sim = *state;

	sim_clients(sim, TROUBLE, TROUBLE + 40, 4, 40, web, SIM_IGNORES);
	get_in_later(sim, TROUBLE, TROUBLE + 40, 1);
	sim_clients(sim, TROUBLE, TROUBLE + 40, 36, 40, web, SIM_ANSWERS);
	sim_run(sim, TROUBLE + 40);
	sim_print(sim);
	assert_int_equal(sim->n_alerts, 0);
}

static void what_is_left_waiting_is_an_overflow_until_it_is_accepted(void **state)
{
	struct sim *sim = *state;

	drop_acks(sim, TROUBLE, TROUBLE + 10, 10);
	sim_clients(sim, TROUBLE, TROUBLE + 70, 10, 40, web, SIM_ANSWERS);
	sim_run(sim, TROUBLE + 70);
	the_only_alarm(sim, "accept_queue_overflow", "syn_ack_again_after_ack");
	/* On its way out nobody is left waiting any more, and that is what is said. */
	unsigned n_updates = sim_count(sim, "accept_queue_overflow", ALERT_UPDATE);
	const struct sensor_event *going = sim_alert(sim, "accept_queue_overflow", ALERT_UPDATE, n_updates - 1);
	assert_non_null(strstr(going->alert.explanation, "accepts its connections again, as far as is seen"));
	const struct sensor_event *cleared = sim_alert(sim, "accept_queue_overflow", ALERT_CLEARED, 0);
	assert_non_null(cleared);
	/* The last ones are there until TROUBLE + 11; counted over 20 s; and it must stay so for 10 s. */
	double after = sim_seconds(cleared->time_ns) - TROUBLE;
	assert_true(after >= 36 && after <= 42);
	assert_non_null(strstr(cleared->alert.explanation, "accepts its connections again"));
}

/* An application that hangs, and then its process dies: the same alarm, of another class. */
static void an_overflow_that_ends_in_death_becomes_an_outage(void **state)
{
	struct sim *sim = *state;

	drop_acks(sim, TROUBLE, TROUBLE + 10, 10);
	sim_clients(sim, TROUBLE, TROUBLE + 10, 10, 40, web, SIM_ANSWERS);
	sim_clients(sim, TROUBLE + 10, TROUBLE + 50, 20, 40, web, SIM_REFUSES);
	sim_run(sim, TROUBLE + 50);
	the_only_alarm(sim, "accept_queue_overflow", "syn_ack_again_after_ack");
	const struct sensor_event *down = sim_alert(sim, "service_down", ALERT_UPDATE, 0);
	assert_non_null(down);
	assert_int_equal(down->alert.alert_id, sim->alerts[0].alert.alert_id);
	assert_string_equal(down->alert.class_name, "service_refusing");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(as_long_as_some_are_served_it_is_an_overflow),
		TEST(where_asking_again_is_in_vain_it_is_no_overflow),
		TEST(where_nobody_is_served_it_is_an_outage),
		TEST(who_is_refused_is_refused_by_an_outage),
		TEST(a_silence_of_three_seconds_is_neither),
		TEST(silence_for_a_few_of_many_is_neither),
		TEST(what_is_left_waiting_is_an_overflow_until_it_is_accepted),
		TEST(an_overflow_that_ends_in_death_becomes_an_outage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
