/* SPDX-License-Identifier: BSD-2-Clause */
/* Servers that hold TIME_WAITs: time_wait_pileup asked once a tick. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "detect_internal.h"
#include "judgement.h"
#include "summary.h"

#define START_NS (UINT64_C(1795132800) * NS_PER_SEC)

/* The parameters that its table gives. */
static void fill_defaults(unsigned char *params)
{
	for (size_t i = 0; i < detector_time_wait_pileup.n_params; i++) {
		const struct rule_param *param = &detector_time_wait_pileup.params[i];
		double scale = param->type == RULE_PARAM_DURATION ? (double)NS_PER_SEC : 1;
		uint64_t integer = (uint64_t)(param->default_value * scale);
		if (param->type == RULE_PARAM_RATIO)
			memcpy(params + param->offset, &param->default_value, sizeof(double));
		else
			memcpy(params + param->offset, &integer, sizeof(integer));
	}
}

static struct finding find_with(uint64_t waiting, double at_s, void *state)
{
	unsigned char params[256];
	struct summary summary = { 0 };
	struct finding finding = { 0 };
	const struct detect_scene scene = {
		.now_ns = START_NS + (uint64_t)(at_s * 1e9),
		.summary = &summary,
	};

	assert_true(detector_time_wait_pileup.params_bytes <= sizeof(params));
	fill_defaults(params);
	summary.totals[SUMMARY_SERVER_TIME_WAIT] = 1000 + waiting;
	summary.totals[SUMMARY_SERVER_TIME_WAIT_OVER] = 1000;
	detector_time_wait_pileup.find(params, &scene, state, &finding);
	return finding;
}

static void test_told_when_it_lasts(void **unused)
{
	uint64_t state[8] = { 0 };
	(void)unused;

	assert_true(detector_time_wait_pileup.target_bytes <= sizeof(state));
	assert_false(find_with(65000, 1, state).is_alarming);
	assert_false(find_with(66000, 2, state).is_alarming);
	assert_false(find_with(66000, 6.9, state).is_alarming);
	struct finding finding = find_with(66000, 7, state);
	assert_true(finding.is_alarming && finding.is_hot);
	assert_int_equal(finding.severity, 3);
	assert_true(finding.level == 66000);
	finding = find_with(118000, 8, state);
	assert_int_equal(finding.severity, 2);
	/* Between the level to raise at and the one to clear at nothing begins and nothing ends. */
	finding = find_with(60000, 9, state);
	assert_true(!finding.is_alarming && finding.is_hot);
	assert_false(find_with(50000, 10, state).is_hot);
}

/* 20 times as many as usual for a few seconds are a crowd. */
static void test_a_short_crowd_is_silent(void **unused)
{
	uint64_t state[8] = { 0 };
	(void)unused;

	for (double at_s = 0; at_s < 4; at_s += 0.1)
		assert_false(find_with(80000, at_s, state).is_alarming);
	assert_false(find_with(60000, 4, state).is_alarming);
	assert_false(find_with(80000, 5, state).is_alarming);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_told_when_it_lasts),
		cmocka_unit_test(test_a_short_crowd_is_silent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
