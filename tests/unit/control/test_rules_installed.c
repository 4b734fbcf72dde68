/* SPDX-License-Identifier: BSD-2-Clause */
/* The rules in rules/ say what is built in, so that a sensor without them does the same. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "rule_param.h"
#include "tcpwitness/control/rules.h"
#include "tcpwitness/detect/detector.h"

/* Values, not bytes: a parameter struct may have padding. */
static void assert_same_params(const struct detector *detector, const struct rule *a, const struct rule *b)
{
	for (size_t i = 0; i < detector->n_params; i++) {
		char text_a[VALUE_TEXT_BYTES];
		char text_b[VALUE_TEXT_BYTES];

		rule_param_format(&detector->params[i], a->params, text_a);
		rule_param_format(&detector->params[i], b->params, text_b);
		assert_string_equal(text_a, text_b);
	}
}

static void assert_same_rules(const struct ruleset *a, const struct ruleset *b)
{
	for (size_t i = 0; detectors[i] != NULL; i++) {
		assert_int_equal(a->rules[i].enabled, b->rules[i].enabled);
		assert_int_equal(a->rules[i].severity, b->rules[i].severity);
		assert_int_equal(a->rules[i].signature_id, b->rules[i].signature_id);
		assert_int_equal(a->rules[i].rev, b->rules[i].rev);
		assert_string_equal(a->rules[i].signature, b->rules[i].signature);
		assert_string_equal(a->rules[i].category, b->rules[i].category);
		assert_string_equal(a->rules[i].mitre_technique, b->rules[i].mitre_technique);
		assert_string_equal(a->rules[i].mitre_tactic, b->rules[i].mitre_tactic);
		assert_same_params(detectors[i], &a->rules[i], &b->rules[i]);
	}
}

static void the_installed_rules_are_the_defaults(void **state)
{
	struct ruleset *defaults = ruleset_create_default(NULL);
	struct ruleset *installed = ruleset_create_default(NULL);
	struct error error = { .text = "" };

	(void)state;
	assert_int_equal(rules_load_path(installed, PROJECT_DIR "/rules", NULL, &error), 0);
	assert_string_equal(error.text, "");
	assert_same_rules(defaults, installed);
	ruleset_destroy(defaults);
	ruleset_destroy(installed);
}

/* No default may be out of its own range, and what is printed is read back as the same. */
static void the_printed_defaults_are_legal(void **state)
{
	struct ruleset *defaults = ruleset_create_default(NULL);
	struct ruleset *read_back = ruleset_create_default(NULL);
	struct error error = { .text = "" };
	char *text;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	(void)state;
	rules_print_defaults(out);
	fclose(out);
	assert_int_equal(rules_load_text(read_back, "defaults", text, bytes, NULL, &error), 0);
	assert_string_equal(error.text, "");
	assert_same_rules(defaults, read_back);
	free(text);
	ruleset_destroy(defaults);
	ruleset_destroy(read_back);
}

/* Whoever wants to change a parameter finds it in the file. */
static void every_parameter_stands_in_its_file(void **state)
{
	(void)state;
	for (size_t i = 0; detectors[i] != NULL; i++) {
		char path[256];
		char text[16384];
		FILE *file;

		snprintf(path, sizeof(path), PROJECT_DIR "/rules/%s.yaml", detectors[i]->name);
		file = fopen(path, "r");
		assert_non_null(file);
		text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
		fclose(file);
		for (size_t j = 0; j < detectors[i]->n_params; j++) {
			char key[80];

			snprintf(key, sizeof(key), "\n  %s:", detectors[i]->params[j].name);
			assert_non_null(strstr(text, key));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_installed_rules_are_the_defaults),
		cmocka_unit_test(the_printed_defaults_are_legal),
		cmocka_unit_test(every_parameter_stands_in_its_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
