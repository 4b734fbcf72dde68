/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * flash_crowd by example: what makes a crowd, on either side of each threshold; how it ends; and where a flood begins.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "simulation.h"

static const struct sim_host web = { .ip = { .bytes = { 203, 0, 113, 5 }, .version = 4 }, .port = 443 };

/* What is usual is known after a minute. */
enum { KNOWN = 68 };

static int setup(void **state)
{
	static struct sim sim;

	sim_init(&sim);
	sim.only = "flash_crowd";
	*state = &sim;
	return 0;
}

static int teardown(void **state)
{
	sim_fini(*state);
	return 0;
}

/* So many clients a second as usual until KNOWN, then a crowd of n_clients for 15 s: how many alarms are there? */
static unsigned alarms_of(double usual, double crowd, unsigned n_clients)
{
	struct sim sim;

	sim_init(&sim);
	sim.only = "flash_crowd";
	sim_clients(&sim, 0, KNOWN, usual, 20, web, SIM_ANSWERS);
	sim_clients(&sim, KNOWN, KNOWN + 15, crowd, n_clients, web, SIM_ANSWERS);
	sim_run(&sim, KNOWN + 15);
	unsigned n = sim_count(&sim, "flash_crowd", ALERT_RAISED);
	sim_fini(&sim);
	return n;
}

static void a_crowd_is_told_once_it_has_lasted_and_is_no_attack(void **state)
{
	struct sim *sim = *state;

	sim_clients(sim, 0, KNOWN, 10, 20, web, SIM_ANSWERS);
	sim_clients(sim, KNOWN, KNOWN + 20, 200, 500, web, SIM_ANSWERS);
	sim_run(sim, KNOWN + 20);
	sim_print(sim);
	assert_int_equal(sim->n_alerts, 1);
	const struct sensor_event *raised = sim_alert(sim, "flash_crowd", ALERT_RAISED, 0);
	/* Who takes part is counted by spans of 4 s, and it must go on for 3 s more. */
	double delay = sim_seconds(raised->time_ns) - KNOWN;
	assert_true(delay >= 6.9 && delay <= 7.2);
	assert_int_equal(raised->alert.severity, 3);
	assert_string_equal(raised->alert.class_name, "flash_crowd");
	assert_true(raised->alert.baseline > 9 && raised->alert.baseline < 11);
	assert_true(raised->alert.completion > 0.99);
	assert_non_null(strstr(raised->alert.explanation, "203.0.113.5:443 is popular"));
	assert_non_null(strstr(raised->alert.explanation, "No attack"));
}

/* Half of what made it a crowd keeps it one; then 25 s must pass. */
static void it_is_over_when_the_crowd_has_been_gone_for_25_s(void **state)
{
	struct sim *sim = *state;

	sim_clients(sim, 0, KNOWN, 10, 20, web, SIM_ANSWERS);
	sim_clients(sim, KNOWN, KNOWN + 10, 200, 500, web, SIM_ANSWERS);
	sim_clients(sim, KNOWN + 10, KNOWN + 50, 30, 500, web, SIM_ANSWERS);
	sim_clients(sim, KNOWN + 50, KNOWN + 90, 10, 500, web, SIM_ANSWERS);
	sim_run(sim, KNOWN + 90);
	sim_print(sim);
	assert_int_equal(sim_count(sim, "flash_crowd", ALERT_RAISED), 1);
	assert_int_equal(sim_count(sim, "flash_crowd", ALERT_CLEARED), 1);
	/* On its way out it is no longer said to be popular. */
	const struct sensor_event *going = sim_alert(sim, "flash_crowd", ALERT_UPDATE, 1);
	assert_non_null(going);
	assert_non_null(strstr(going->alert.explanation, "The crowd at 203.0.113.5:443 goes"));
	const struct sensor_event *cleared = sim_alert(sim, "flash_crowd", ALERT_CLEARED, 0);
	double after = sim_seconds(cleared->time_ns) - (KNOWN + 50);
	assert_true(after >= 25 && after <= 29);
	assert_non_null(strstr(cleared->alert.explanation, "is over"));
}

/* A service under stress: seven in ten are enough for what is a crowd already. */
static void a_crowd_may_be_served_worse_once_it_is_one(void **state)
{
	struct sim *sim = *state;

	sim_clients(sim, 0, KNOWN, 10, 20, web, SIM_ANSWERS);
	sim_clients(sim, KNOWN, KNOWN + 10, 100, 500, web, SIM_ANSWERS);
	sim_clients(sim, KNOWN + 10, KNOWN + 60, 80, 500, web, SIM_ANSWERS);
	sim_clients(sim, KNOWN + 10, KNOWN + 60, 20, 500, web, SIM_REFUSES);
	sim_run(sim, KNOWN + 60);
	sim_print(sim);
	assert_int_equal(sim_count(sim, "flash_crowd", ALERT_RAISED), 1);
	assert_int_equal(sim_count(sim, "flash_crowd", ALERT_CLEARED), 0);
}

/* --- on either side of each threshold --- */

static void fifty_a_second_are_needed_whatever_is_usual(void **state)
{
	(void)state;
	assert_int_equal(alarms_of(2, 46, 200), 0);
	assert_int_equal(alarms_of(2, 54, 200), 1);
}

static void five_times_the_usual_is_needed(void **state)
{
	(void)state;
	assert_int_equal(alarms_of(20, 92, 200), 0);
	assert_int_equal(alarms_of(20, 112, 200), 1);
}

static void thirty_two_sources_are_needed(void **state)
{
	(void)state;
	assert_int_equal(alarms_of(10, 100, 28), 0);
	assert_int_equal(alarms_of(10, 100, 36), 1);
}

static void nine_in_ten_must_complete(void **state)
{
	(void)state;
	for (unsigned refused = 4; refused <= 16; refused += 12) {
		struct sim sim;

		sim_init(&sim);
		sim.only = "flash_crowd";
		sim_clients(&sim, 0, KNOWN, 10, 20, web, SIM_ANSWERS);
		sim_clients(&sim, KNOWN, KNOWN + 15, 100 - refused, 200, web, SIM_ANSWERS);
		sim_clients(&sim, KNOWN, KNOWN + 15, refused, 200, web, SIM_REFUSES);
		sim_run(&sim, KNOWN + 15);
		assert_int_equal(sim_count(&sim, "flash_crowd", ALERT_RAISED), refused == 4);
		sim_fini(&sim);
	}
}

/* A program that connects too often is another matter. */
static void one_source_must_not_make_four_in_ten_of_it(void **state)
{
	(void)state;
	for (unsigned of_one = 10; of_one <= 70; of_one += 60) {
		struct sim sim;

		sim_init(&sim);
		sim.only = "flash_crowd";
		sim_clients(&sim, 0, KNOWN, 10, 20, web, SIM_ANSWERS);
		sim_clients(&sim, KNOWN, KNOWN + 15, 100 - of_one, 200, web, SIM_ANSWERS);
		sim_clients(&sim, KNOWN, KNOWN + 15, of_one, 1, web, SIM_ANSWERS);
		sim_run(&sim, KNOWN + 15);
		assert_int_equal(sim_count(&sim, "flash_crowd", ALERT_RAISED), of_one == 10);
		sim_fini(&sim);
	}
}

/* As after a restart of all clients: the rate of 2 s is high for less than 3 s. */
static void a_burst_is_no_crowd(void **state)
{
	struct sim *sim = *state;

	sim_clients(sim, 0, KNOWN, 10, 20, web, SIM_ANSWERS);
	sim_clients(sim, KNOWN + 1, KNOWN + 4, 100, 500, web, SIM_ANSWERS);
	sim_clients(sim, KNOWN + 4, KNOWN + 20, 10, 20, web, SIM_ANSWERS);
	sim_run(sim, KNOWN + 20);
	sim_print(sim);
	assert_int_equal(sim->n_alerts, 0);
}

/* Many times more than usual: that takes knowing what is usual. */
static void a_service_that_is_not_known_yet_has_no_crowd(void **state)
{
	struct sim *sim = *state;

	sim_clients(sim, 0, 20, 10, 20, web, SIM_ANSWERS);
	sim_clients(sim, 20, 50, 200, 500, web, SIM_ANSWERS);
	sim_run(sim, 50);
	sim_print(sim);
	assert_int_equal(sim->n_alerts, 0);
}

/* --- where a flood begins --- */

/* As many and as sudden as a crowd, and answered too. */
static void who_comes_without_completing_is_no_crowd(void **state)
{
	struct sim *sim = *state;

	sim_clients(sim, 0, KNOWN + 12, 10, 20, web, SIM_ANSWERS);
	sim_spoofed_flood(sim, KNOWN, KNOWN + 12, 100, web, SIM_ANSWERS);
	sim_run(sim, KNOWN + 12);
	sim_print(sim);
	assert_int_equal(sim->n_alerts, 0);
}

/* With all detectors: the alarm of the crowd becomes that of the flood, and is no second one. */
static void a_flood_in_a_crowd_takes_over_its_alarm(void **state)
{
	struct sim *sim = *state;

	sim->only = NULL;
	sim_clients(sim, 0, KNOWN, 10, 20, web, SIM_ANSWERS);
	sim_clients(sim, KNOWN, KNOWN + 25, 100, 500, web, SIM_ANSWERS);
	sim_spoofed_flood(sim, KNOWN + 10, KNOWN + 25, 300, web, SIM_IGNORES);
	sim_run(sim, KNOWN + 25);
	sim_print(sim);
	assert_int_equal(sim_count(sim, "flash_crowd", ALERT_RAISED), 1);
	assert_int_equal(sim_count(sim, "syn_flood", ALERT_RAISED), 0);
	const struct sensor_event *flood = sim_alert(sim, "syn_flood", ALERT_UPDATE, 0);
	assert_non_null(flood);
	assert_int_equal(flood->alert.alert_id, sim->alerts[0].alert.alert_id);
	assert_int_equal(flood->alert.severity, 1);
	/* Its figures are its own from the first on, not those of the crowd before it. */
	assert_true(flood->alert.rate > 250 && flood->alert.rate < 350);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_crowd_is_told_once_it_has_lasted_and_is_no_attack),
		TEST(it_is_over_when_the_crowd_has_been_gone_for_25_s),
		TEST(a_crowd_may_be_served_worse_once_it_is_one),
		cmocka_unit_test(fifty_a_second_are_needed_whatever_is_usual),
		cmocka_unit_test(five_times_the_usual_is_needed),
		cmocka_unit_test(thirty_two_sources_are_needed),
		cmocka_unit_test(nine_in_ten_must_complete),
		cmocka_unit_test(one_source_must_not_make_four_in_ten_of_it),
		TEST(a_burst_is_no_crowd),
		TEST(a_service_that_is_not_known_yet_has_no_crowd),
		TEST(who_comes_without_completing_is_no_crowd),
		TEST(a_flood_in_a_crowd_takes_over_its_alarm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
