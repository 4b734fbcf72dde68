/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What holds for all detectors together: bounded memory, the same events under every secret, gaps in time, and how
 * alarms of one incident stand beside each other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <malloc.h>

#include "alarm.h"
#include "simulation.h"

static const struct sim_host web = { .ip = { .bytes = { 203, 0, 113, 5 }, .version = 4 }, .port = 443 };

/*
 * As much of everything as fits into a test: a flood, a scan, clients that come and go, and one that uses up its
 * ports.
 */
static void plan_mixed_traffic(struct sim *sim)
{
	struct ip_addr busy = sim_ip("10.0.0.5");
	struct sim_host api = { .ip = sim_ip("10.0.0.9"), .port = 443 };

	sim_background(sim, 0, 120, 50, web);
	sim_spoofed_flood(sim, 70, 90, 300, web, SIM_ANSWERS);
	for (unsigned i = 0; i < 20000; i++) {
		struct sim_conn conn = sim_attempt(sim, 20 + i / 600.0, busy, (uint16_t)(32768 + i), api);
		sim_leaves_time_wait(sim, conn, 0.005, 60, false);
	}
	for (uint32_t i = 0; i < 20000; i++) {
		struct sim_host victim = { .ip = sim_ip4(0xc0a80000 + i), .port = 23 };
		sim_is_ignored(sim, sim_attempt(sim, 10 + i / 500.0, sim_ip("198.51.100.1"), 5555, victim), 0);
	}
}

static void run_mixed(struct sim *sim, struct siphash_key secret, size_t memory_bytes)
{
	sim_init(sim);
	sim->secret = secret;
	sim->memory_bytes = memory_bytes;
	plan_mixed_traffic(sim);
	sim_run(sim, 200);
}

static void run_mixed_over(struct sim *sim, unsigned n_sources, size_t memory_bytes)
{
	sim_init(sim);
	sim->n_sources = n_sources;
	sim->memory_bytes = memory_bytes;
	plan_mixed_traffic(sim);
	sim_run(sim, 200);
}

static void test_same_events_under_every_secret(void **state)
{
	static struct sim first;
	static struct sim second;

	(void)state;
	/* So little memory that much is forgotten: what is, must not depend on the secret either. */
	run_mixed(&first, (struct siphash_key){ 1, 2 }, (size_t)512 * 1024);
	run_mixed(&second, (struct siphash_key){ UINT64_C(0xdeadbeef), 77 }, (size_t)512 * 1024);
	sim_print(&first);
	assert_true(detect_engine_get_stats(first.engine)->targets_evicted > 10000);
	assert_true(first.n_alerts >= 3);
	assert_int_equal(first.n_alerts, second.n_alerts);
	for (size_t i = 0; i < first.n_alerts; i++)
		assert_memory_equal(&first.alerts[i].alert.explanation, &second.alerts[i].alert.explanation, 320);
	for (size_t i = 0; i < first.n_alerts; i++) {
		assert_int_equal(first.alerts[i].time_ns, second.alerts[i].time_ns);
		assert_int_equal(first.alerts[i].packet_number, second.alerts[i].packet_number);
		assert_int_equal(first.alerts[i].alert.alert_id, second.alerts[i].alert.alert_id);
		assert_memory_equal(&first.alerts[i].alert.counts, &second.alerts[i].alert.counts,
				    sizeof(first.alerts[i].alert.counts));
	}
	sim_fini(&first);
	sim_fini(&second);
}

/* A flood that fills a backlog is one incident, of one class; what a client does to its ports is another. */
static void test_each_trouble_is_one_incident(void **state)
{
	static struct sim sim;

	(void)state;
	run_mixed(&sim, (struct siphash_key){ 1, 2 }, (size_t)32 * 1024 * 1024);
	sim_print(&sim);
	assert_int_equal(sim_count(&sim, "syn_flood", ALERT_RAISED) + sim_count(&sim, "half_open_surge", ALERT_RAISED),
			 1);
	assert_int_equal(sim_count(&sim, "time_wait_exhaustion", ALERT_RAISED), 1);
	assert_int_equal(sim_count(&sim, "port_scan", ALERT_RAISED), 1);
	sim_fini(&sim);
}

/* The same plan, its connections spread over several trackers. */
static void test_same_events_over_several_trackers(void **state)
{
	static struct sim first;
	static struct sim second;

	(void)state;
	run_mixed(&first, (struct siphash_key){ 1, 2 }, (size_t)32 * 1024 * 1024);
	run_mixed_over(&second, 5, (size_t)5 * 32 * 1024 * 1024);
	assert_true(first.n_alerts >= 5);
	assert_int_equal(first.n_alerts, second.n_alerts);
	for (size_t i = 0; i < first.n_alerts; i++) {
		assert_int_equal(first.alerts[i].time_ns, second.alerts[i].time_ns);
		assert_string_equal(first.alerts[i].alert.explanation, second.alerts[i].alert.explanation);
		assert_int_equal(first.alerts[i].alert.alert_id, second.alerts[i].alert.alert_id);
	}
	sim_fini(&first);
	sim_fini(&second);
}

/* Far more hot keys than are judged at each tick, and to each little happens; then one of them is flooded. */
static void plan_crowded(struct sim *sim, unsigned n_services)
{
	sim_background(sim, 0, 40, 5, web);
	for (uint32_t i = 0; i < n_services; i++)
		sim_background(sim, 0, 40, 4, (struct sim_host){ .ip = sim_ip4(0x0a010001 + 256 * i), .port = 443 });
	sim_spoofed_flood(sim, 30, 38, 300, web, SIM_ANSWERS);
}

static void run_crowded(struct sim *sim, unsigned n_services, unsigned n_sources)
{
	sim_init(sim);
	sim->n_sources = n_sources;
	sim->memory_bytes = n_sources * (size_t)64 * 1024 * 1024;
	plan_crowded(sim, n_services);
	sim_run(sim, 80);
}

static void test_many_busy_hosts_hide_no_flood(void **state)
{
	static struct sim alone;
	static struct sim crowded;

	(void)state;
	run_crowded(&alone, 0, 1);
	run_crowded(&crowded, 150, 1);
	sim_print(&crowded);
	assert_int_equal(sim_count(&alone, "syn_flood", ALERT_RAISED), 1);
	assert_int_equal(sim_count(&crowded, "syn_flood", ALERT_RAISED), 1);
	assert_int_equal(crowded.alerts[0].time_ns / (100 * NS_PER_MS), alone.alerts[0].time_ns / (100 * NS_PER_MS));
	assert_int_equal(crowded.n_alerts, alone.n_alerts);
	sim_fini(&alone);
	sim_fini(&crowded);
}

static void test_many_busy_hosts_over_several_trackers(void **state)
{
	static struct sim first;
	static struct sim second;

	(void)state;
	run_crowded(&first, 150, 1);
	run_crowded(&second, 150, 5);
	assert_true(first.n_alerts >= 2);
	assert_int_equal(first.n_alerts, second.n_alerts);
	for (size_t i = 0; i < first.n_alerts; i++) {
		assert_int_equal(first.alerts[i].time_ns, second.alerts[i].time_ns);
		assert_string_equal(first.alerts[i].alert.explanation, second.alerts[i].alert.explanation);
	}
	sim_fini(&first);
	sim_fini(&second);
}

static void test_explanations_fit(void **state)
{
	static struct sim sim;
	struct sim_host server = { .ip = sim_ip("2001:db8:1234:5678:9abc:def0:1234:5678"), .port = 65535 };
	struct ip_addr client = sim_ip("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff");

	(void)state;
	sim_init(&sim);
	for (unsigned i = 0; i < 25000; i++) {
		struct sim_conn conn = sim_attempt(&sim, 10 + i / 600.0, client, (uint16_t)(32768 + i % 28232), server);
		sim_leaves_time_wait(&sim, conn, 0.005, 60, false);
	}
	for (unsigned i = 0; i < 60000; i++) {
		struct sim_conn conn = sim_attempt(&sim, 20 + i / 6000.0, client, (uint16_t)i, server);
		sim_raw_stack(&conn);
		sim_stays_half_open(&sim, conn, 63);
	}
	sim_run(&sim, 200);
	sim_print(&sim);
	assert_true(sim.n_alerts >= 6);
	for (size_t i = 0; i < sim.n_alerts; i++) {
		const char *text = sim.alerts[i].alert.explanation;
		assert_true(strlen(text) < sizeof(sim.alerts[i].alert.explanation) - 1);
		assert_int_equal(text[strlen(text) - 1], '.');
	}
	sim_fini(&sim);
}

static void test_memory_is_what_was_given(void **state)
{
	static const size_t sizes[] = { 256 * 1024, 1024 * 1024, 64 * 1024 * 1024 };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		static struct sim sim;
		sim_init(&sim);
		sim.memory_bytes = sizes[i];
		struct mallinfo2 before = mallinfo2();
		sim_start(&sim);
		struct mallinfo2 after = mallinfo2();
		size_t taken = after.uordblks + after.hblkhd - before.uordblks - before.hblkhd;
		/* The allocator rounds each of a dozen blocks up to pages. */
		assert_true(taken <= sizes[i] + 16 * 4096);
		/*
		 * An allocator that does not count (a sanitizer's) shows nothing; any other shows that the memory is
		 * used.
		 */
		assert_true(taken == 0 || taken > sizes[i] / 3);
		sim_fini(&sim);
	}
}

static void test_nothing_is_allocated_later(void **state)
{
	static struct sim sim;
	struct flow_signal signal = { .kind = SIGNAL_ATTEMPT, .server = web.ip, .server_port = 443 };

	(void)state;
	sim_init(&sim);
	sim.memory_bytes = (size_t)1024 * 1024;
	sim_start(&sim);
	/* Room for the test's own list of alarms. */
	sim.alerts = calloc(4096, sizeof(*sim.alerts));
	sim.alerts_room = 4096;
	assert_non_null(sim.alerts);
	struct mallinfo2 before = mallinfo2();
	for (uint64_t i = 0; i < 200000; i++) {
		signal.now_ns = SIM_START_NS + i * 500000;
		signal.since_ns = signal.now_ns;
		signal.client = sim_ip4((uint32_t)sim_random(&sim));
		signal.server = sim_ip4(0xcb007100 + (uint32_t)(i % 5 == 0 ? sim_random(&sim) % 4000 : i % 3));
		detect_engine_advance(sim.engine, signal.now_ns, i + 1, &sim.visibility);
		detect_source_signal(detect_engine_source(sim.engine, 0), &signal);
	}
	struct mallinfo2 after = mallinfo2();
	assert_true(sim.n_alerts > 0);
	assert_int_equal(after.uordblks, before.uordblks);
	assert_int_equal(after.hblkhd, before.hblkhd);
	sim_fini(&sim);
}

static void test_too_little_memory_is_an_error(void **state)
{
	struct ruleset *ruleset = ruleset_create_default(NULL);
	const struct detect_config config = { .memory_bytes = 1000 };
	const struct event_writer writer = { .context = NULL, .begin = sim_event_begin, .end = sim_event_end };
	struct error error = { "" };

	(void)state;
	assert_null(detect_engine_create(ruleset, &config, &writer, &error));
	assert_non_null(strstr(error.text, "at least 262144"));
	ruleset_destroy(ruleset);
}

/* A year without packets: one tick, and the alarm that was open is over. */
static void test_a_long_silence(void **state)
{
	static struct sim sim;

	(void)state;
	sim_init(&sim);
	sim.only = "syn_flood";
	sim_spoofed_flood(&sim, 10, 20, 200, web, SIM_IGNORES);
	sim_run(&sim, 20);
	assert_int_equal(sim.n_alerts, 1);
	detect_engine_advance(sim.engine, sim_ns(365 * 86400.0), 999999, &sim.visibility);
	sim_print(&sim);
	assert_int_equal(sim.n_alerts, 2);
	assert_int_equal(sim.alerts[1].alert.phase, ALERT_CLEARED);
	assert_int_equal(sim.alerts[1].packet_number, 999999);
	/* The event is as late as its packet; when the trouble ended, it says all the same. */
	assert_true(sim_seconds(sim.alerts[1].alert.ended_ns) < 70);
	sim_fini(&sim);
}

static void test_disabled_detectors_are_silent(void **state)
{
	static struct sim sim;

	(void)state;
	sim_init(&sim);
	for (size_t i = 0; i < sim.ruleset->n_rules; i++)
		sim.ruleset->rules[i].enabled = false;
	sim_spoofed_flood(&sim, 10, 20, 500, web, SIM_ANSWERS);
	sim_run(&sim, 60);
	assert_int_equal(sim.n_alerts, 0);
	sim_fini(&sim);
}

/* Floods of many services at once: no more alarms than there is room for, each counted once. */
static void test_too_many_alarms_are_counted(void **state)
{
	static struct sim sim;

	(void)state;
	sim_init(&sim);
	sim.only = "syn_flood";
	sim.memory_bytes = (size_t)2048 * 1024;
	for (uint32_t host = 0; host < 40; host++) {
		struct sim_host victim = { .ip = sim_ip4(0xcb007100 + host), .port = 80 };
		sim_spoofed_flood(&sim, 10, 20, 60, victim, SIM_IGNORES);
	}
	sim_run(&sim, 25);
	const struct detect_stats *stats = detect_engine_get_stats(sim.engine);
	assert_true(stats->alarms_raised > 0 && stats->alarms_suppressed > 0);
	/* Each of the 40 services, and each host beside its service not at all; some had only to wait. */
	assert_true(stats->alarms_raised + stats->alarms_suppressed >= 40);
	assert_true(stats->alarms_raised <= 40 && stats->alarms_suppressed <= 40 - ALARM_BURST);
	assert_int_equal(stats->alarms_open, stats->alarms_raised);
	sim_fini(&sim);
}

static void test_visibility_is_in_the_alarm(void **state)
{
	static struct sim sim;

	(void)state;
	sim_init(&sim);
	sim.only = "syn_flood";
	sim.visibility = (struct detect_visibility){ .kernel_dropped = 11, .flows_evicted = 22, .flows_refused = 33 };
	sim_spoofed_flood(&sim, 10, 20, 200, web, SIM_ANSWERS);
	sim_run(&sim, 20);
	assert_int_equal(sim.alerts[0].alert.visibility.kernel_dropped, 11);
	assert_int_equal(sim.alerts[0].alert.visibility.flows_evicted, 22);
	assert_int_equal(sim.alerts[0].alert.visibility.flows_refused, 33);
	sim_fini(&sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_events_under_every_secret),
		cmocka_unit_test(test_each_trouble_is_one_incident),
		cmocka_unit_test(test_same_events_over_several_trackers),
		cmocka_unit_test(test_many_busy_hosts_hide_no_flood),
		cmocka_unit_test(test_many_busy_hosts_over_several_trackers),
		cmocka_unit_test(test_explanations_fit),
		cmocka_unit_test(test_memory_is_what_was_given),
		cmocka_unit_test(test_nothing_is_allocated_later),
		cmocka_unit_test(test_too_little_memory_is_an_error),
		cmocka_unit_test(test_a_long_silence),
		cmocka_unit_test(test_disabled_detectors_are_silent),
		cmocka_unit_test(test_too_many_alarms_are_counted),
		cmocka_unit_test(test_visibility_is_in_the_alarm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
