/* SPDX-License-Identifier: BSD-2-Clause */
/* Time arithmetic that saturates instead of wrapping when a capture's clock steps back. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tcpwitness/base/units.h"

static void test_units_fit_together(void **state)
{
	(void)state;
	assert_int_equal(1000 * NS_PER_US, NS_PER_MS);
	assert_int_equal(1000 * NS_PER_MS, NS_PER_SEC);
}

static void test_ns_since(void **state)
{
	(void)state;
	assert_int_equal(ns_since(5, 3), 2);
	assert_int_equal(ns_since(3, 3), 0);
	assert_int_equal(ns_since(UINT64_MAX, 0), UINT64_MAX);
}

static void test_ns_since_a_later_time_is_zero(void **state)
{
	(void)state;
	assert_int_equal(ns_since(3, 5), 0);
	assert_int_equal(ns_since(0, UINT64_MAX), 0);
}

static void test_ns_to_seconds(void **state)
{
	(void)state;
	assert_true(ns_to_seconds(0) == 0.0);
	assert_true(ns_to_seconds(1500 * NS_PER_MS) == 1.5);
	assert_true(ns_to_seconds(60 * NS_PER_SEC) == 60.0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_units_fit_together),
		cmocka_unit_test(test_ns_since),
		cmocka_unit_test(test_ns_since_a_later_time_is_zero),
		cmocka_unit_test(test_ns_to_seconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
