/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Learning what is usual: quickly at first, slowly later, and never from a ramp.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "baseline.h"
#include "tcpwitness/base/units.h"

static uint64_t at(unsigned second)
{
	return (1000 + second) * NS_PER_SEC;
}

static void test_is_ready_after_a_minute(void **state)
{
	struct baseline baseline;

	(void)state;
	baseline_begin(&baseline, at(0));
	for (unsigned s = 1; s <= 59; s++)
		baseline_learn(&baseline, 10, at(s));
	assert_false(baseline_ready(&baseline));
	assert_true(fabs(baseline.mean - 10) < 1e-9);
	baseline_learn(&baseline, 10, at(60));
	assert_true(baseline_ready(&baseline));
}

static void test_forgets_with_its_half_life(void **state)
{
	struct baseline baseline;

	(void)state;
	baseline_begin(&baseline, at(0));
	for (unsigned s = 1; s <= 60; s++)
		baseline_learn(&baseline, 10, at(s));
	baseline_rest(&baseline, at(360));
	assert_true(fabs(baseline.mean - 5) < 1e-9);
	baseline_learn(&baseline, 0, at(660));
	assert_true(fabs(baseline.mean - 2.5) < 0.01);
}

static void test_grows_by_five_percent_a_minute_at_most(void **state)
{
	struct baseline baseline;

	(void)state;
	baseline_begin(&baseline, at(0));
	for (unsigned s = 1; s <= 60; s++)
		baseline_learn(&baseline, 100, at(s));
	for (unsigned s = 61; s <= 660; s++)
		baseline_learn(&baseline, 1000, at(s));
	assert_true(baseline.mean > 150 && baseline.mean <= 100 * pow(1.05, 10) + 5);
}

static void test_skipped_time_changes_nothing(void **state)
{
	struct baseline baseline;

	(void)state;
	baseline_begin(&baseline, at(0));
	for (unsigned s = 1; s <= 60; s++)
		baseline_learn(&baseline, 10, at(s));
	double mean = baseline.mean;
	baseline_skip(&baseline, at(10000));
	assert_true(baseline.mean >= mean && baseline.mean <= mean);
	baseline_learn(&baseline, 10, at(10001));
	assert_true(fabs(baseline.mean - 10) < 1e-9);
}

static void test_silence_is_known_to_be_silence(void **state)
{
	struct baseline baseline;

	(void)state;
	baseline_begin(&baseline, at(0));
	baseline_rest(&baseline, at(600));
	assert_true(baseline_ready(&baseline));
	assert_true(baseline.mean >= 0 && baseline.mean <= 0);
}

/* The factors that are written down are those that would be computed. */
static void test_what_is_kept(void **state)
{
	const volatile double half_life_s = 300;

	(void)state;
	for (unsigned quarters = 0; quarters <= 40; quarters++) {
		double computed = exp2(-(quarters / 4.0) / half_life_s);
		assert_true(fabs(baseline_kept(quarters / 4.0) - computed) <= 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_is_ready_after_a_minute),
		cmocka_unit_test(test_forgets_with_its_half_life),
		cmocka_unit_test(test_grows_by_five_percent_a_minute_at_most),
		cmocka_unit_test(test_skipped_time_changes_nothing),
		cmocka_unit_test(test_silence_is_known_to_be_silence),
		cmocka_unit_test(test_what_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
