/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A scan by many sources is one alarm, with the real detector: what is told in it, and what still has its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "simulation.h"

enum { BOTS = 60 };

static const struct sim_host web = { .ip = { .bytes = { 203, 0, 113, 5 }, .version = 4 }, .port = 443 };

static struct sim *start(void)
{
	static struct sim sim;

	sim_init(&sim);
	sim.only = "port_scan";
	return &sim;
}

static struct ip_addr bot(unsigned number)
{
	return sim_ip4(0xc6336400 + number);
}

/* One source asks ports of one host, in an order of its own. */
static void scan(struct sim *sim, struct ip_addr source, struct ip_addr target, double from, double to,
		 double per_second)
{
	for (int i = 0; from + i / per_second < to; i++) {
		uint16_t port = (uint16_t)(1 + (i * 7919 + source.bytes[3] * 104729) % 60000);
		struct sim_conn conn = sim_attempt(sim, from + i / per_second, source, (uint16_t)(40000 + i),
						   (struct sim_host){ target, port });
		sim_raw_stack(&conn);
		sim_is_refused(sim, conn);
	}
}

static void scan_together(struct sim *sim, double from, double to)
{
	for (unsigned i = 0; i < BOTS; i++)
		scan(sim, bot(i + 1), web.ip, from + 0.005 * i, to, 3);
}

static unsigned count_of_sources(const struct sim *sim, enum alert_phase phase)
{
	unsigned n = 0;

	for (size_t i = 0; i < sim->n_alerts; i++)
		n += sim->alerts[i].alert.phase == phase && sim->alerts[i].alert.target.is_source;
	return n;
}

static const struct event_alert *last_of_target(const struct sim *sim, struct ip_addr ip)
{
	const struct event_alert *last = NULL;

	for (size_t i = 0; i < sim->n_alerts; i++)
		if (ip_addr_equal(&sim->alerts[i].alert.target.ip, &ip))
			last = &sim->alerts[i].alert;
	return last;
}

static void test_one_scan_is_one_alarm(void **state)
{
	struct sim *sim = start();

	(void)state;
	scan_together(sim, 10, 30);
	sim_run(sim, 75);
	assert_int_equal(sim_count(sim, "port_scan", ALERT_RAISED), 1);
	assert_int_equal(sim_count(sim, "port_scan", ALERT_CLEARED), 1);
	const struct event_alert *cleared = last_of_target(sim, web.ip);
	assert_int_equal(cleared->sources_folded, BOTS);
	assert_string_equal(cleared->clear_reason, "silent");
	sim_fini(sim);
}

/* Spread over trackers, a slow source stands out a little later in each. */
static void test_many_trackers_fold_as_well(void **state)
{
	struct sim *sim = start();

	(void)state;
	sim->n_sources = 8;
	scan_together(sim, 10, 30);
	sim_run(sim, 75);
	assert_int_equal(sim_count(sim, "port_scan", ALERT_RAISED), 1);
	assert_true(last_of_target(sim, web.ip)->sources_folded > BOTS / 2);
	sim_fini(sim);
}

static void test_one_that_began_alone_is_told_with_the_others(void **state)
{
	struct sim *sim = start();

	(void)state;
	scan(sim, bot(1), web.ip, 10, 40, 10);
	scan_together(sim, 25, 40);
	sim_run(sim, 75);
	assert_int_equal(count_of_sources(sim, ALERT_RAISED), 1);
	assert_int_equal(count_of_sources(sim, ALERT_CLEARED), 1);
	const struct event_alert *alone = last_of_target(sim, bot(1));
	assert_string_equal(alone->clear_reason, "folded");
	assert_int_equal(alone->folded_into, last_of_target(sim, web.ip)->alert_id);
	assert_non_null(strstr(alone->explanation, "about 203.0.113.5; 198.51.100.1 tries "));
	assert_int_equal(last_of_target(sim, web.ip)->sources_folded, BOTS);
	sim_fini(sim);
}

static void test_one_that_scans_elsewhere_too_has_its_own(void **state)
{
	struct sim *sim = start();

	(void)state;
	scan_together(sim, 10, 30);
	scan(sim, bot(1), sim_ip("203.0.114.9"), 10, 30, 6);
	sim_run(sim, 75);
	assert_int_equal(count_of_sources(sim, ALERT_RAISED), 1);
	assert_string_equal(last_of_target(sim, bot(1))->clear_reason, "silent");
	sim_fini(sim);
}

/* Many bots ask one port of each host again and again. */
static void test_a_flood_of_a_prefix_is_one_alarm(void **state)
{
	struct sim *sim = start();

	(void)state;
	sim->only = NULL;
	for (int i = 0; i < 16000; i++) {
		struct sim_host host = { sim_ip4(0xcb007100 + (uint32_t)(i % 250)), 80 };
		struct sim_conn conn =
			sim_attempt(sim, 20 + i / 1600.0, bot((unsigned)(i % 151)), (uint16_t)(5000 + i), host);
		sim_raw_stack(&conn);
		sim_is_ignored(sim, conn, 0);
	}
	sim_run(sim, 90);
	assert_int_equal(sim_count(sim, "carpet_bombing", ALERT_RAISED), 1);
	for (size_t i = 0; i < sim->n_alerts; i++) {
		const struct event_alert *alert = &sim->alerts[i].alert;
		if (alert->target.is_source && alert->phase == ALERT_CLEARED)
			assert_string_equal(alert->clear_reason, "folded");
	}
	assert_int_equal(count_of_sources(sim, ALERT_CLEARED), count_of_sources(sim, ALERT_RAISED));
	assert_true(count_of_sources(sim, ALERT_RAISED) <= 10);
	assert_true(last_of_target(sim, sim_ip("203.0.113.0"))->sources_folded >= 10);
	sim_fini(sim);
}

/* One source asks n ports of one host in turn, and is refused. */
static void ask_in_turn(struct sim *sim, int n_ports, double from, double to, double per_second)
{
	for (int i = 0; from + i / per_second < to; i++) {
		struct sim_conn conn = sim_attempt(sim, from + i / per_second, bot(1), (uint16_t)(20000 + i % 40000),
						   (struct sim_host){ web.ip, (uint16_t)(1000 + i % n_ports) });
		sim_raw_stack(&conn);
		sim_is_refused(sim, conn);
	}
}

static void test_one_that_hammers_ports_floods_them(void **state)
{
	struct sim *sim = start();

	(void)state;
	sim->only = NULL;
	sim_background(sim, 0, 40, 20, web);
	ask_in_turn(sim, 400, 20, 25, 2000);
	sim_run(sim, 40);
	const struct sensor_event *flood = sim_alert(sim, "syn_flood", ALERT_RAISED, 0);
	assert_non_null(flood);
	assert_true(sim_seconds(flood->time_ns) < 22);
	assert_false(flood->alert.target.has_port);
	assert_string_equal(flood->alert.class_name, "direct_syn_flood");
	assert_non_null(strstr(flood->alert.explanation, "its ports refuse them"));
	const struct event_alert *source = last_of_target(sim, bot(1));
	assert_string_equal(source->clear_reason, "folded");
	assert_int_equal(source->folded_into, flood->alert.alert_id);
	sim_fini(sim);
}

/* However fast, it asks each once. */
static void test_one_that_asks_each_port_once_scans_them(void **state)
{
	struct sim *sim = start();

	(void)state;
	sim->only = NULL;
	sim_background(sim, 0, 40, 20, web);
	ask_in_turn(sim, 10000, 20, 25, 2000);
	sim_run(sim, 40);
	assert_int_equal(sim_count(sim, "syn_flood", ALERT_RAISED), 0);
	assert_string_equal(last_of_target(sim, bot(1))->class_name, "vertical_scan");
	sim_fini(sim);
}

/* It is infected: somebody must look at it. */
static void test_one_inside_has_its_own(void **state)
{
	struct sim *sim = start();

	(void)state;
	scan_together(sim, 10, 30);
	scan(sim, sim_ip("10.0.0.9"), web.ip, 10, 30, 3);
	sim_run(sim, 75);
	assert_int_equal(count_of_sources(sim, ALERT_RAISED), 1);
	assert_int_equal(last_of_target(sim, sim_ip("10.0.0.9"))->severity, 2);
	sim_fini(sim);
}

/* And only for what it does then. */
static void test_one_that_goes_on_alone_has_its_own_afterwards(void **state)
{
	struct sim *sim = start();
	double raised_s = 0;

	(void)state;
	scan_together(sim, 10, 25);
	scan(sim, bot(1), web.ip, 25, 150, 1);
	sim_run(sim, 190);
	assert_int_equal(count_of_sources(sim, ALERT_RAISED), 1);
	for (size_t i = 0; i < sim->n_alerts; i++)
		if (sim->alerts[i].alert.target.is_source && sim->alerts[i].alert.phase == ALERT_RAISED)
			raised_s = sim_seconds(sim->alerts[i].time_ns);
	assert_true(raised_s > 50 && raised_s < 100);
	assert_null(last_of_target(sim, bot(2)));
	sim_fini(sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_scan_is_one_alarm),
		cmocka_unit_test(test_many_trackers_fold_as_well),
		cmocka_unit_test(test_one_that_began_alone_is_told_with_the_others),
		cmocka_unit_test(test_one_that_scans_elsewhere_too_has_its_own),
		cmocka_unit_test(test_a_flood_of_a_prefix_is_one_alarm),
		cmocka_unit_test(test_one_that_hammers_ports_floods_them),
		cmocka_unit_test(test_one_that_asks_each_port_once_scans_them),
		cmocka_unit_test(test_one_inside_has_its_own),
		cmocka_unit_test(test_one_that_goes_on_alone_has_its_own_afterwards),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
