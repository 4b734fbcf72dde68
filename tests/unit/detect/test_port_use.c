/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The forecast against what then happens, and what a client's ports tell of its range.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "port_use.h"
#include "tcpwitness/base/units.h"

enum { RANGE = 28232, TWO_MSL_S = 60 };

static uint64_t at(double seconds)
{
	return (uint64_t)((1000000 + seconds) * 1e9);
}

/* Opens rate + growth * (s - from) connections in each second s; each is over at once and frees its port after 2MSL. */
static void run(struct port_use *use, unsigned from, unsigned to, unsigned rate, int growth)
{
	static unsigned opened[1000];

	for (unsigned s = from; s < to; s++) {
		port_use_advance(use, at(s + 0.5));
		for (unsigned i = 0; s >= TWO_MSL_S && i < opened[s - TWO_MSL_S]; i++)
			port_use_time_wait_over(use, false);
		opened[s] = (unsigned)((int)rate + growth * (int)(s - from));
		for (unsigned i = 0; i < opened[s]; i++) {
			port_use_open(use, (uint16_t)(32768 + i % RANGE));
			port_use_time_wait(use);
			port_use_closed(use);
		}
	}
	port_use_advance(use, at(to));
}

static void test_occupancy(void **state)
{
	struct port_use use;

	(void)state;
	port_use_init(&use, TWO_MSL_S * NS_PER_SEC, at(0));
	run(&use, 0, 20, 706, 0);
	assert_true(fabs(port_use_occupancy(&use, RANGE) - 0.5) < 0.01);
	assert_true(fabs(port_use_rate(&use) - 706) < 1);
}

static void test_step_ends_when_the_range_is_used_up(void **state)
{
	struct port_use use;

	(void)state;
	port_use_init(&use, TWO_MSL_S * NS_PER_SEC, at(0));
	run(&use, 0, 20, 800, 0);
	double left = port_use_forecast(&use, RANGE, 300);
	assert_true(fabs(20 + left - RANGE / 800.0) <= 1);
}

static void test_steady_use_below_the_range_never_ends(void **state)
{
	struct port_use use;

	(void)state;
	for (unsigned rate = 100; rate <= 440; rate += 20) {
		port_use_init(&use, TWO_MSL_S * NS_PER_SEC, at(0));
		for (unsigned s = 0; s < 200; s += 10) {
			run(&use, s, s + 10, rate, 0);
			assert_true(port_use_forecast(&use, RANGE, 300) < 0);
		}
	}
}

static void test_steady_use_above_the_range_ends(void **state)
{
	struct port_use use;

	(void)state;
	port_use_init(&use, TWO_MSL_S * NS_PER_SEC, at(0));
	run(&use, 0, 40, 480, 0);
	double left = port_use_forecast(&use, RANGE, 300);
	assert_true(fabs(40 + left - RANGE / 480.0) <= 1);
}

/* Two more per second each second: W(t) = 120 t - 3600 reaches the range at 265 s. */
static void test_steady_rise_is_carried_on(void **state)
{
	struct port_use use;

	(void)state;
	port_use_init(&use, TWO_MSL_S * NS_PER_SEC, at(0));
	run(&use, 0, 150, 0, 2);
	double left = port_use_forecast(&use, RANGE, 300);
	assert_true(left > 0 && fabs(150 + left - 265) < 12);
}

static void test_falling_use_is_no_rise(void **state)
{
	struct port_use use;

	(void)state;
	port_use_init(&use, TWO_MSL_S * NS_PER_SEC, at(0));
	run(&use, 0, 90, 440, -2);
	assert_true(port_use_forecast(&use, RANGE, 300) < 0);
}

static void test_silence(void **state)
{
	struct port_use use;

	(void)state;
	port_use_init(&use, TWO_MSL_S * NS_PER_SEC, at(0));
	run(&use, 0, 30, 500, 0);
	assert_false(port_use_is_silent(&use));
	port_use_advance(&use, at(31.5));
	assert_false(port_use_is_silent(&use));
	port_use_advance(&use, at(32.5));
	assert_true(port_use_is_silent(&use));
}

static void test_a_long_gap_is_forgotten_in_bounded_time(void **state)
{
	struct port_use use;

	(void)state;
	port_use_init(&use, TWO_MSL_S * NS_PER_SEC, at(0));
	run(&use, 0, 30, 500, 0);
	port_use_advance(&use, at(1e7));
	assert_int_equal(use.slot, at(1e7) / NS_PER_SEC);
	assert_true(port_use_rate(&use) < 0.01);
	for (int i = 0; i < PORT_USE_SLOTS; i++)
		assert_int_equal(use.entered[i], 0);
}

static uint32_t capacity_of_ports(unsigned first, unsigned last, unsigned step)
{
	struct port_use use;

	port_use_init(&use, TWO_MSL_S * NS_PER_SEC, at(0));
	for (unsigned port = first; port <= last; port += step)
		port_use_open(&use, (uint16_t)port);
	return port_use_capacity(&use, RANGE);
}

static void test_range_is_learned_from_ports(void **state)
{
	(void)state;
	assert_int_equal(capacity_of_ports(32768, 60999, 2), RANGE);
	assert_int_equal(capacity_of_ports(49152, 65535, 2), 16384);
	assert_int_equal(capacity_of_ports(1024, 65535, 3), 65536);
	/* One turn of Linux may be above 49152 for a while; the top of its range is below that of the others. */
	assert_int_equal(capacity_of_ports(50000, 60999, 2), RANGE);
	/* Not a range that anyone could have chosen by default. */
	assert_int_equal(capacity_of_ports(20000, 22100, 1), RANGE);
	/* Too few to tell. */
	assert_int_equal(capacity_of_ports(49152, 65535, 20), RANGE);
}

static void test_reuse_counts_when_it_is_common(void **state)
{
	struct port_use use;

	(void)state;
	port_use_init(&use, TWO_MSL_S * NS_PER_SEC, at(0));
	run(&use, 0, 20, 500, 0);
	port_use_time_wait_over(&use, true);
	port_use_advance(&use, at(22));
	assert_false(port_use_reuses(&use));
	for (int i = 0; i < 200; i++) {
		port_use_time_wait_over(&use, true);
		port_use_open(&use, 40000);
	}
	port_use_advance(&use, at(23));
	assert_true(port_use_reuses(&use));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_occupancy),
		cmocka_unit_test(test_step_ends_when_the_range_is_used_up),
		cmocka_unit_test(test_steady_use_below_the_range_never_ends),
		cmocka_unit_test(test_steady_use_above_the_range_ends),
		cmocka_unit_test(test_steady_rise_is_carried_on),
		cmocka_unit_test(test_falling_use_is_no_rise),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_a_long_gap_is_forgotten_in_bounded_time),
		cmocka_unit_test(test_range_is_learned_from_ports),
		cmocka_unit_test(test_reuse_counts_when_it_is_common),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
