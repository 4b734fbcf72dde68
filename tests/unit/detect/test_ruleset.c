/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The built-in rules, and the tables that they come from.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tcpwitness/base/units.h"
#include "tcpwitness/detect/detector.h"

static int setup(void **state)
{
	*state = ruleset_create_default(NULL);
	return *state == NULL;
}

static int teardown(void **state)
{
	ruleset_destroy(*state);
	return 0;
}

static void test_one_enabled_rule_per_detector(void **state)
{
	const struct ruleset *ruleset = *state;

	for (size_t i = 0; i < ruleset->n_rules; i++) {
		const struct rule *rule = &ruleset->rules[i];
		assert_non_null(detectors[i]);
		assert_true(rule->enabled);
		assert_true(rule->severity >= 1 && rule->severity <= 3);
		assert_int_equal(rule->rev, 1);
		assert_string_equal(rule->signature, detectors[i]->default_signature);
		assert_int_equal(ruleset_find(detectors[i]->name), (int)i);
		for (size_t k = 0; k < i; k++)
			assert_int_not_equal(rule->signature_id, ruleset->rules[k].signature_id);
	}
	assert_null(detectors[ruleset->n_rules]);
	assert_int_equal(ruleset_find("no_such_detector"), -1);
}

static size_t size_of(enum rule_param_type type)
{
	switch (type) {
	case RULE_PARAM_COUNT:
	case RULE_PARAM_DURATION:
		return sizeof(uint64_t);
	case RULE_PARAM_RATE:
	case RULE_PARAM_RATIO:
		return sizeof(double);
	case RULE_PARAM_FLAG:
		return sizeof(bool);
	}
	return SIZE_MAX;
}

static void test_tables_are_sound(void **state)
{
	(void)state;
	for (size_t i = 0; detectors[i] != NULL; i++) {
		for (size_t k = 0; k < detectors[i]->n_params; k++) {
			const struct rule_param *param = &detectors[i]->params[k];
			assert_true(param->offset + size_of(param->type) <= detectors[i]->params_bytes);
			assert_true(param->min <= param->default_value && param->default_value <= param->max);
			assert_true(strlen(param->text) > 10);
			for (size_t m = 0; m < k; m++) {
				const struct rule_param *other = &detectors[i]->params[m];
				assert_string_not_equal(param->name, other->name);
				assert_true(param->offset >= other->offset + size_of(other->type) ||
					    other->offset >= param->offset + size_of(param->type));
			}
		}
	}
}

static void test_defaults_are_filled_in(void **state)
{
	const struct ruleset *ruleset = *state;

	for (size_t i = 0; i < ruleset->n_rules; i++) {
		for (size_t k = 0; k < detectors[i]->n_params; k++) {
			const struct rule_param *param = &detectors[i]->params[k];
			const char *field = (const char *)ruleset->rules[i].params + param->offset;
			uint64_t whole = 0;
			double real = 0;
			if (param->type == RULE_PARAM_FLAG) {
				memcpy(&whole, field, sizeof(bool));
				real = (double)whole;
			} else if (param->type == RULE_PARAM_RATE || param->type == RULE_PARAM_RATIO) {
				memcpy(&real, field, sizeof(real));
			} else {
				memcpy(&whole, field, sizeof(whole));
				real = (double)whole;
			}
			if (param->type == RULE_PARAM_DURATION)
				real /= (double)NS_PER_SEC;
			assert_true(real >= param->default_value - 1e-9 && real <= param->default_value + 1e-9);
		}
	}
}

/* Without any file the detector decides alone; a severity that somebody chose holds for all its alarms. */
static void test_rule_without_exceptions(void **state)
{
	struct ruleset *ruleset = *state;
	struct rule *rule = &ruleset->rules[0];
	const struct rule_subject subject = { .target = { .bytes = { 192, 0, 2, 1 }, .version = 4 } };
	uint8_t other = rule->default_severity == 3 ? 2 : 3;

	assert_ptr_equal(rule_params_for(rule, &subject), rule->params);
	assert_int_equal(rule_silence_of(rule, &subject, NS_PER_SEC), RULE_SPEAKS);
	assert_int_equal(rule_severity_for(rule, &subject, "", 1), 1);
	assert_int_equal(rule_severity_for(rule, &subject, "", 3), 3);
	rule->severity = other;
	assert_int_equal(rule_severity_for(rule, &subject, "", 1), other);
	rule->enabled = false;
	assert_int_equal(rule_silence_of(rule, &subject, NS_PER_SEC), RULE_DISABLED_HERE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_one_enabled_rule_per_detector),
		TEST(test_tables_are_sound),
		TEST(test_defaults_are_filled_in),
		TEST(test_rule_without_exceptions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
