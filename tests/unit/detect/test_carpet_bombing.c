/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * carpet_bombing by example: a flood spread over a prefix, on either side of each threshold; how it ends; and where a
 * scan, the noise of the internet and a flood of one host begin.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "simulation.h"

/* SYNs to port 80 of hosts of 203.0.113.0/24. */
struct carpet {
	double from;
	double to;
	double per_second;
	unsigned n_hosts;   /* that get them, in turn */
	unsigned n_sources; /* that send them, at random; 0 = each another one */
	double to_one;      /* share of them that goes to one host instead */
	double of_one;      /* share of them that comes of one source */
	bool is_repeated;   /* as real clients do */
	bool is_refused;    /* otherwise nobody answers */
};

static const struct carpet carpet = { .from = 10, .to = 22, .per_second = 60, .n_hosts = 64 };

static void lay(struct sim *sim, struct carpet c)
{
	double at = c.from;

	for (unsigned n = 0; at < c.to; at = c.from + ++n / c.per_second) {
		bool is_to_one = sim_fraction(sim) < c.to_one;
		struct sim_host host = { sim_ip4(0xcb007100 + (is_to_one ? 200 : n % c.n_hosts)), 80 };
		uint64_t source = c.n_sources == 0 ? sim_random(sim) | 1 : 0xc6330000 + sim_random(sim) % c.n_sources;
		if (sim_fraction(sim) < c.of_one)
			source = 0xc6120001;
		struct sim_conn conn = sim_attempt(sim, at, sim_ip4((uint32_t)source),
						   (uint16_t)(1024 + sim_random(sim) % 60000), host);
		sim_raw_stack(&conn);
		if (c.is_refused)
			sim_is_refused(sim, conn);
		else
			sim_is_ignored(sim, conn, c.is_repeated ? 5 : 0);
	}
}

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

/* How many alarms such a one makes, by its end. */
static unsigned alarms_of(struct carpet c)
{
	struct sim sim;

	sim_init(&sim);
	sim.only = "carpet_bombing";
	lay(&sim, c);
	sim_run(&sim, c.to);
	unsigned n = sim_count(&sim, "carpet_bombing", ALERT_RAISED);
	sim_fini(&sim);
	return n;
}

static void a_flood_over_a_prefix_is_found_though_no_host_stands_out(void **state)
{
	struct sim *sim = *state;

	lay(sim, carpet);
	sim_run(sim, carpet.to);
	sim_print(sim);
	assert_int_equal(sim_count(sim, "carpet_bombing", ALERT_RAISED), 1);
	const struct sensor_event *raised = sim_alert(sim, "carpet_bombing", ALERT_RAISED, 0);
	/* 60 beyond the 30/s that may be are there after 2 s; they are judged 1 s later. */
	double delay = sim_seconds(raised->time_ns) - carpet.from;
	assert_true(delay >= 3 && delay <= 4.5);
	assert_int_equal(raised->alert.target.prefix_bits, 24);
	assert_true(
		ip_addr_equal(&raised->alert.target.ip, &(struct ip_addr){ .version = 4, .bytes = { 203, 0, 113 } }));
	assert_int_equal(raised->alert.severity, 1);
	assert_non_null(strstr(raised->alert.explanation, "filter upstream for the whole prefix"));
}

static void it_is_over_when_it_has_been_quiet_for_25_s(void **state)
{
	struct sim *sim = *state;

	lay(sim, carpet);
	sim_clients(sim, 0, 80, 2, 20, (struct sim_host){ sim_ip4(0xcb007105), 443 }, SIM_ANSWERS);
	sim_run(sim, 80);
	sim_print(sim);
	const struct sensor_event *cleared = sim_alert(sim, "carpet_bombing", ALERT_CLEARED, 0);
	assert_non_null(cleared);
	double after = sim_seconds(cleared->time_ns) - carpet.to;
	assert_true(after >= 25 && after <= 30);
	assert_non_null(strstr(cleared->alert.explanation, "The flood over 203.0.113.0/24 is over"));
}

/* --- on either side of each threshold --- */

static void thirty_a_second_may_fail_for_ever(void **state)
{
	struct carpet weak = carpet;

	(void)state;
	weak.to = 60;
	weak.per_second = 27;
	assert_int_equal(alarms_of(weak), 0);
	weak.per_second = 36;
	assert_int_equal(alarms_of(weak), 1);
}

/* 70/s too many: for 0.8 s, or for two. */
static void sixty_beyond_that_are_needed(void **state)
{
	(void)state;
	for (unsigned k = 0; k < 2; k++) {
		struct carpet brief = carpet;
		struct sim sim;

		sim_init(&sim);
		sim.only = "carpet_bombing";
		brief.per_second = 100;
		brief.to = brief.from + (k == 0 ? 0.8 : 2);
		lay(&sim, brief);
		sim_run(&sim, 30);
		assert_int_equal(sim_count(&sim, "carpet_bombing", ALERT_RAISED), k);
		sim_fini(&sim);
	}
}

static void thirty_two_hosts_must_be_hit(void **state)
{
	struct carpet narrow = carpet;

	(void)state;
	narrow.n_hosts = 24;
	assert_int_equal(alarms_of(narrow), 0);
	narrow.n_hosts = 36;
	assert_int_equal(alarms_of(narrow), 1);
}

/* One that gets most of it is the target, and what the others get is noise. */
static void no_host_may_get_half_of_it(void **state)
{
	struct carpet leaning = carpet;

	(void)state;
	leaning.to_one = 0.8;
	leaning.per_second = 200;
	assert_int_equal(alarms_of(leaning), 0);
	leaning.to_one = 0.2;
	assert_int_equal(alarms_of(leaning), 1);
}

/* --- what looks like it --- */

static void few_sources_that_go_through_a_prefix_scan_it(void **state)
{
	struct carpet scan = carpet;

	(void)state;
	scan.n_hosts = 40;
	scan.n_sources = 26;
	assert_int_equal(alarms_of(scan), 0);
	scan.n_sources = 44;
	assert_int_equal(alarms_of(scan), 1);
}

/* A botnet that scans: the more hosts, the more sources it takes to be a flood. */
static void sources_that_are_half_as_many_as_the_hosts_scan_too(void **state)
{
	struct carpet scan = carpet;

	(void)state;
	scan.n_hosts = 240;
	scan.n_sources = 40;
	assert_int_equal(alarms_of(scan), 0);
	scan.n_sources = 140;
	assert_int_equal(alarms_of(scan), 1);
}

static void a_source_that_sends_most_of_it_scans(void **state)
{
	struct carpet scan = carpet;

	(void)state;
	scan.of_one = 0.6;
	scan.per_second = 120;
	assert_int_equal(alarms_of(scan), 0);
	scan.of_one = 0.05;
	assert_int_equal(alarms_of(scan), 1);
}

/* Clients of a network that is down ask again. */
static void clients_that_ask_again_are_no_flood(void **state)
{
	struct carpet outage = carpet;

	(void)state;
	outage.is_repeated = true;
	outage.per_second = 300;
	assert_int_equal(alarms_of(outage), 0);
}

/* Ports that are closed on all hosts: of made-up sources it is a flood all the same, of real ones it is none. */
static void refused_attempts_count_where_sources_come_only_once(void **state)
{
	struct carpet closed = carpet;

	(void)state;
	closed.is_refused = true;
	assert_int_equal(alarms_of(closed), 1);
	closed.n_sources = 40;
	assert_int_equal(alarms_of(closed), 0);
}

/* The noise of the internet, which a large prefix gets all day long: 3 times 25/s, and the floor. */
static void what_is_beyond_three_times_the_usual_noise_counts(void **state)
{
	(void)state;
	for (unsigned k = 0; k < 2; k++) {
		struct sim sim;

		sim_init(&sim);
		sim.only = "carpet_bombing";
		lay(&sim, (struct carpet){ .from = 0, .to = 72, .per_second = 25, .n_hosts = 64 });
		lay(&sim, (struct carpet){ .from = 72, .to = 84, .per_second = k == 0 ? 100 : 140, .n_hosts = 64 });
		sim_run(&sim, 84);
		assert_int_equal(sim_count(&sim, "carpet_bombing", ALERT_RAISED), k);
		if (k == 1) {
			const struct event_alert *alert = &sim.alerts[0].alert;
			assert_true(alert->baseline > 23 && alert->baseline < 27);
			assert_true(alert->threshold > 100 && alert->threshold < 110);
		}
		sim_fini(&sim);
	}
}

/* --- with all detectors: whose alarm it is --- */

static void a_carpet_is_one_alarm_of_the_prefix(void **state)
{
	struct sim *sim = *state;

	sim->only = NULL;
	lay(sim, carpet);
	sim_run(sim, carpet.to);
	sim_print(sim);
	assert_int_equal(sim_count(sim, "carpet_bombing", ALERT_RAISED), 1);
	assert_int_equal(sim_count(sim, "syn_flood", ALERT_RAISED), 0);
}

static void a_flood_of_one_host_is_none_of_its_prefix(void **state)
{
	struct sim *sim = *state;

	sim->only = NULL;
	sim_spoofed_flood(sim, 10, 22, 200, (struct sim_host){ sim_ip4(0xcb007105), 443 }, SIM_IGNORES);
	sim_run(sim, 22);
	sim_print(sim);
	assert_int_equal(sim_count(sim, "syn_flood", ALERT_RAISED), 1);
	assert_int_equal(sim_count(sim, "carpet_bombing", ALERT_RAISED), 0);
}

/* --- hosts that refuse what real stacks seem to ask --- */

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

static void hosts_that_refuse_are_flooded_too(void **state)
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

static void a_quarter_of_a_prefix_that_refuses_is_enough(void **state)
{
	struct sim *sim = *state;

	refused(sim, 20, 50, 128, 64, 0);
	sim_run(sim, 60);
	sim_print(sim);
	assert_int_equal(sim_count(sim, "carpet_bombing", ALERT_RAISED), 1);
}

/* A hundred clients of a network whose services are gone, who try again and again. */
static void clients_of_services_that_are_gone_are_no_flood(void **state)
{
	struct sim *sim = *state;

	refused(sim, 20, 80, 128, 64, 100);
	sim_run(sim, 90);
	sim_print(sim);
	assert_int_equal(sim->n_alerts, 0);
}

static void noise_that_is_refused_is_no_flood(void **state)
{
	struct sim *sim = *state;

	refused(sim, 0, 120, 25, 256, 0);
	sim_run(sim, 120);
	sim_print(sim);
	assert_int_equal(sim->n_alerts, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_flood_over_a_prefix_is_found_though_no_host_stands_out),
		TEST(it_is_over_when_it_has_been_quiet_for_25_s),
		cmocka_unit_test(thirty_a_second_may_fail_for_ever),
		cmocka_unit_test(sixty_beyond_that_are_needed),
		cmocka_unit_test(thirty_two_hosts_must_be_hit),
		cmocka_unit_test(no_host_may_get_half_of_it),
		cmocka_unit_test(few_sources_that_go_through_a_prefix_scan_it),
		cmocka_unit_test(sources_that_are_half_as_many_as_the_hosts_scan_too),
		cmocka_unit_test(a_source_that_sends_most_of_it_scans),
		cmocka_unit_test(clients_that_ask_again_are_no_flood),
		cmocka_unit_test(refused_attempts_count_where_sources_come_only_once),
		cmocka_unit_test(what_is_beyond_three_times_the_usual_noise_counts),
		TEST(a_carpet_is_one_alarm_of_the_prefix),
		TEST(a_flood_of_one_host_is_none_of_its_prefix),
		TEST(hosts_that_refuse_are_flooded_too),
		TEST(a_quarter_of_a_prefix_that_refuses_is_enough),
		TEST(clients_of_services_that_are_gone_are_no_flood),
		TEST(noise_that_is_refused_is_no_flood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
