/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is found does not depend on over how many sources connections are spread: traffic of many kinds is told to an
 * engine with one source and to engines with several, and every alarm is the same, byte for byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "simulation.h"
#include "tcpwitness/tcp/tcp_conn.h"
#include "tcpwitness/tcp/tcp_state.h"

static const struct sim_host web = { .ip = { .bytes = { 203, 0, 113, 5 }, .version = 4 }, .port = 443 };

typedef void (*plan_fn)(struct sim *sim);

/* Of all engines, for alarms point to the names in it. */
static struct ruleset *ruleset;

static void run(struct sim *sim, plan_fn plan, double seconds, unsigned n_sources, size_t memory_bytes)
{
	sim_init(sim);
	ruleset_destroy(sim->ruleset);
	sim->ruleset = ruleset;
	sim->n_sources = n_sources;
	sim->memory_bytes = memory_bytes;
	plan(sim);
	sim_run(sim, seconds);
}

static void end(struct sim *sim)
{
	sim->ruleset = NULL;
	sim_fini(sim);
}

/* With one source, and with the first n_numbers of these. */
static void compare_in(plan_fn plan, double seconds, size_t n_numbers, size_t least_alerts, size_t memory_bytes)
{
	static const unsigned numbers[] = { 16, 3, 8 };
	static struct sim one;
	static struct sim several;

	run(&one, plan, seconds, 1, memory_bytes);
	print_message("%zu alarm events\n", one.n_alerts);
	assert_true(one.n_alerts >= least_alerts);
	assert_int_equal(detect_engine_get_stats(one.engine)->targets_evicted, 0);
	for (size_t k = 0; k < n_numbers; k++) {
		run(&several, plan, seconds, numbers[k], memory_bytes);
		assert_int_equal(detect_engine_get_stats(several.engine)->targets_evicted, 0);
		for (size_t i = 0; i < one.n_alerts && i < several.n_alerts; i++) {
			if (is_same_alarm(&one.alerts[i], &several.alerts[i]))
				continue;
			print_message("with %u sources alarm %zu differs\n", numbers[k], i);
			fail();
		}
		assert_int_equal(one.n_alerts, several.n_alerts);
		end(&several);
	}
	end(&one);
}

static void compare(plan_fn plan, double seconds, size_t n_numbers, size_t least_alerts)
{
	compare_in(plan, seconds, n_numbers, least_alerts, (size_t)256 << 20);
}

/* --- traffic --- */

/* Each scanner asks one more port or host at a time; one in three is refused. */
static void plan_slow_scans(struct sim *sim)
{
	sim_background(sim, 0, 90, 20, web);
	for (uint32_t scanner = 0; scanner < 10; scanner++) {
		for (uint32_t i = 0; i < 80 * (scanner + 1); i++) {
			struct sim_host victim = { .ip = sim_ip4(0xc0a80000 + (scanner << 8) + i % 200),
						   .port = (uint16_t)(scanner % 2 == 0 ? 22 : i) };
			struct sim_conn conn = sim_attempt(sim, 3 + i / (1.0 + scanner), sim_ip4(0xc6336401 + scanner),
							   (uint16_t)(40000 + i % 7), victim);
			sim_raw_stack(&conn);
			if (i % 3 == 0)
				sim_is_refused(sim, conn);
			else
				sim_is_ignored(sim, conn, 0);
		}
	}
}

/* From one, a few, hundreds and any number of sources. */
static void plan_floods(struct sim *sim)
{
	static const uint32_t n_sources[] = { 1, 7, 300, UINT32_MAX };

	sim_background(sim, 0, 90, 30, web);
	for (uint32_t k = 0; k < 4; k++) {
		struct sim_host victim = { .ip = sim_ip4(0xcb007210 + k), .port = 80 };
		sim_background(sim, 0, 90, 10, victim);
		for (double at = 15 + 4 * k; at < 25 + 4 * k; at += 1 / 150.0) {
			uint32_t source = 0x2d000000 + (uint32_t)(sim_random(sim) % n_sources[k]);
			struct sim_conn conn = sim_attempt(sim, at, sim_ip4(source),
							   (uint16_t)(1024 + sim_random(sim) % 60000), victim);
			sim_raw_stack(&conn);
			if (k % 2 == 0)
				sim_stays_half_open(sim, conn, 63);
			else
				sim_is_ignored(sim, conn, 0);
		}
	}
}

static void plan_carpet_and_crowd(struct sim *sim)
{
	for (uint32_t i = 0; i < 6000; i++) {
		struct sim_host victim = { .ip = sim_ip4(0xc0000200 + (uint32_t)(sim_random(sim) % 256)), .port = 80 };
		struct sim_conn conn = sim_attempt(sim, 20 + i / 300.0, sim_ip4((uint32_t)sim_random(sim) | 1),
						   (uint16_t)(1024 + sim_random(sim) % 60000), victim);
		sim_raw_stack(&conn);
		sim_is_ignored(sim, conn, 0);
	}
	sim_background(sim, 0, 80, 10, web);
	sim_clients(sim, 35, 55, 400, 3000, web, SIM_ANSWERS);
}

/* Tens of thousands of hosts that ask tens of thousands of others, a few of them in vain; then a flood of one. */
static void plan_wide_background(struct sim *sim)
{
	for (uint32_t i = 0; i < 30000; i++) {
		uint64_t random = sim_random(sim);
		struct sim_host server = { .ip = sim_ip4(0x60000000 + (uint32_t)(random % 8000) * 37),
					   .port = (uint16_t)(random >> 32 & 1 ? 443 : 80) };
		struct sim_conn conn =
			sim_attempt(sim, i / 750.0, sim_ip4(0x0a000000 + (uint32_t)(random >> 40) % 15000),
				    (uint16_t)(32768 + i % 28232), server);
		sim_real_stack(sim, &conn);
		if (random % 97 == 0)
			sim_is_ignored(sim, conn, 3);
		else if (random % 89 == 0)
			sim_is_refused(sim, conn);
		else
			sim_completes(sim, conn, 0.02, 1);
	}
	sim_spoofed_flood(sim, 25, 35, 300, web, SIM_ANSWERS);
}

/*
 * Connections of which anything is told, as trackers may and as they would not: of few addresses, so that much piles
 * up everywhere.
 */
static void plan_anything(struct sim *sim)
{
	for (uint32_t i = 0; i < 20000; i++) {
		struct sim_host server = { .ip = sim_ip4(0xc0a80000 + (uint32_t)(sim_random(sim) % 40)),
					   .port = (uint16_t)(80 + sim_random(sim) % 3) };
		double at = 50 * sim_fraction(sim);
		struct sim_conn conn = sim_attempt(sim, at, sim_ip4(0x0a000000 + (uint32_t)(sim_random(sim) % 60)),
						   (uint16_t)sim_random(sim), server);
		double after = 0;

		sim_real_stack(sim, &conn);
		conn.signal.is_first = true;
		if (i % 4 != 0)
			sim_plan(sim, &conn, SIGNAL_ATTEMPT, 0);
		for (unsigned n = (unsigned)(sim_random(sim) % 6); n > 0; n--) {
			enum flow_signal_kind kind = (enum flow_signal_kind)(sim_random(sim) % SIGNAL_KIND_COUNT);
			after += sim_fraction(sim) * (sim_random(sim) % 4 == 0 ? 8 : 0.2);
			conn.signal.side = sim_random(sim) % 2 == 0 ? SIDE_CLIENT : SIDE_SERVER;
			conn.signal.state = sim_random(sim) % 2 == 0 ? TCPS_CLOSE_WAIT : TCPS_FIN_WAIT_2;
			conn.signal.stray = (uint8_t)(sim_random(sim) % STRAY_COUNT);
			conn.signal.suspicion = (uint8_t)(sim_random(sim) % 32);
			conn.signal.completed |= kind == SIGNAL_COMPLETED || kind == SIGNAL_JOINED;
			conn.signal.answered |= kind == SIGNAL_ANSWERED;
			sim_plan(sim, &conn, kind, after);
		}
	}
}

/* A client that runs out of ports, and half-open connections that pile up slowly. */
static void plan_slow_piles(struct sim *sim)
{
	struct sim_host api = { .ip = sim_ip("10.0.0.9"), .port = 443 };

	sim_background(sim, 0, 120, 20, web);
	for (unsigned i = 0; i < 14000; i++) {
		struct sim_conn conn = sim_attempt(sim, 20 + i / 350.0, sim_ip("10.0.0.5"), (uint16_t)(32768 + i), api);
		sim_leaves_time_wait(sim, conn, 0.005, 60, false);
	}
	for (unsigned i = 0; i < 600; i++) {
		struct sim_conn conn = sim_attempt(sim, 10 + i / 6.0, sim_ip4(0x2d000000 + i), 5000, web);
		sim_stays_half_open(sim, conn, 63);
	}
}

/* More at once than the logs hold. */
static void plan_burst(struct sim *sim)
{
	sim_background(sim, 0, 20, 30, web);
	sim_spoofed_flood(sim, 10, 10.4, 150000, web, SIM_IGNORES);
}

static void test_slow_scans(void **state)
{
	(void)state;
	compare(plan_slow_scans, 100, 3, 5);
}

static void test_floods(void **state)
{
	(void)state;
	compare(plan_floods, 100, 2, 6);
}

static void test_carpet_and_crowd(void **state)
{
	(void)state;
	compare(plan_carpet_and_crowd, 90, 2, 2);
}

static void test_wide_background(void **state)
{
	(void)state;
	compare_in(plan_wide_background, 60, 2, 1, (size_t)1 << 30);
}

static void test_anything(void **state)
{
	(void)state;
	compare(plan_anything, 80, 3, 10);
}

static void test_slow_piles(void **state)
{
	(void)state;
	compare(plan_slow_piles, 130, 1, 2);
}

static void test_full_logs(void **state)
{
	(void)state;
	compare_in(plan_burst, 30, 2, 1, (size_t)16 << 20);
}

static int make_ruleset(void **state)
{
	(void)state;
	ruleset = ruleset_create_default(NULL);
	return ruleset == NULL;
}

static int destroy_ruleset(void **state)
{
	(void)state;
	ruleset_destroy(ruleset);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slow_scans),       cmocka_unit_test(test_floods),
		cmocka_unit_test(test_carpet_and_crowd), cmocka_unit_test(test_wide_background),
		cmocka_unit_test(test_anything),         cmocka_unit_test(test_slow_piles),
		cmocka_unit_test(test_full_logs),
	};

	return cmocka_run_group_tests(tests, make_ruleset, destroy_ruleset);
}
