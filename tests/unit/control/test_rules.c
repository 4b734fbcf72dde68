/* SPDX-License-Identifier: BSD-2-Clause */
/* Rule files: what they change, and what is said about mistakes. Two detectors made for the test stand for all. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "tcpwitness/base/units.h"
#include "tcpwitness/control/rules.h"
#include "tcpwitness/detect/detector.h"

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

struct flood_params {
	uint64_t floor;
	uint64_t window_ns;
	double ratio;
	double rate;
	bool learn;
};

static const struct rule_param flood_table[] = {
	{ "floor", RULE_PARAM_COUNT, offsetof(struct flood_params, floor), 1, 1000000, 20, "attempts at least" },
	{ "window", RULE_PARAM_DURATION, offsetof(struct flood_params, window_ns), 0.1, 3600, 10, "time counted" },
	{ "ratio", RULE_PARAM_RATIO, offsetof(struct flood_params, ratio), 0, 1, 0.5, "part unanswered" },
	{ "rate", RULE_PARAM_RATE, offsetof(struct flood_params, rate), 0.1, 1000000, 50, "attempts" },
	{ "learn", RULE_PARAM_FLAG, offsetof(struct flood_params, learn), 0, 1, 1, "follow the usual rate" },
};

static const struct detector flood = {
	.name = "syn_flood",
	.text = "connection attempts that nobody completes",
	.default_signature_id = 1000001,
	.default_severity = 1,
	.default_signature = "a \"flood\" of \\ SYN",
	.default_category = "Attempted Denial of Service",
	.default_mitre_technique = "T1499.001",
	.default_mitre_tactic = "Impact",
	.params = flood_table,
	.n_params = N_ELEMENTS(flood_table),
	.params_bytes = sizeof(struct flood_params),
};

static const struct detector scan = {
	.name = "port_scan",
	.text = "one source, many ports",
	.default_signature_id = 1000002,
	.default_severity = 2,
	.default_signature = "scan",
	.default_category = "Scan",
	.default_mitre_technique = "",
	.default_mitre_tactic = "",
	.params_bytes = 1,
};

/* In place of the program's own table, so that these tests do not change when a detector does. */
const struct detector *const detectors[] = { &flood, &scan, NULL };

static const struct flood_params *params_of(const struct ruleset *ruleset)
{
	return ruleset->rules[0].params;
}

static struct ruleset *load_good(const char *text)
{
	struct ruleset *ruleset = ruleset_create_default(NULL);
	struct error error = { .text = "" };

	assert_non_null(ruleset);
	assert_int_equal(rules_load_text(ruleset, "t", text, strlen(text), NULL, &error), 0);
	assert_string_equal(error.text, "");
	return ruleset;
}

static void a_rule_sets_what_it_names(void **state)
{
	struct ruleset *ruleset = load_good("detector: syn_flood\n"
					    "enabled: false\n"
					    "severity: 3\n"
					    "signature: \"\xc3\x9c"
					    "berlauf\"\n"
					    "category: test\n"
					    "signature_id: 4294967295\n"
					    "rev: 2\n"
					    "mitre: { technique: T1498, tactic: Havoc }\n"
					    "parameters:\n"
					    "  floor: 100\n"
					    "  window: 250ms\n"
					    "  ratio: 0.25\n"
					    "  rate: 7.5/s\n"
					    "  learn: no\n");
	const struct rule *rule = &ruleset->rules[0];

	(void)state;
	assert_false(rule->enabled);
	assert_int_equal(rule->severity, 3);
	assert_string_equal(rule->signature, "\xc3\x9c"
					     "berlauf");
	assert_string_equal(rule->category, "test");
	assert_int_equal(rule->signature_id, UINT32_MAX);
	assert_int_equal(rule->rev, 2);
	assert_string_equal(rule->mitre_technique, "T1498");
	assert_string_equal(rule->mitre_tactic, "Havoc");
	assert_int_equal(params_of(ruleset)->floor, 100);
	assert_int_equal(params_of(ruleset)->window_ns, 250 * NS_PER_MS);
	assert_true(params_of(ruleset)->ratio == 0.25);
	assert_true(params_of(ruleset)->rate == 7.5);
	assert_false(params_of(ruleset)->learn);
	ruleset_destroy(ruleset);
}

static void what_a_rule_does_not_name_stays(void **state)
{
	struct ruleset *ruleset = load_good("detector: syn_flood\nparameters: { floor: 7 }\nmitre:\n---\n"
					    "detector: port_scan\nmitre: { technique: \"\" }\nparameters:\n");

	(void)state;
	assert_true(ruleset->rules[0].enabled);
	assert_int_equal(ruleset->rules[0].severity, 1);
	assert_string_equal(ruleset->rules[0].mitre_technique, "T1499.001");
	assert_int_equal(params_of(ruleset)->floor, 7);
	assert_int_equal(params_of(ruleset)->window_ns, 10 * NS_PER_SEC);
	assert_string_equal(ruleset->rules[1].signature, "scan");
	ruleset_destroy(ruleset);
}

static void an_empty_text_changes_nothing(void **state)
{
	(void)state;
	ruleset_destroy(load_good(""));
	ruleset_destroy(load_good("# only a comment\n---\n"));
}

static void mistakes_have_a_place_and_a_remedy(void **state)
{
	static const struct {
		const char *text;
		const char *mistake;
	} cases[] = {
		{ "severity: 1\n", "t:1:1: the rule names no detector (add e.g. 'detector: syn_flood')" },
		{ "- a\n", "t:1:1: a list instead of a rule (begin with e.g. 'detector: syn_flood')" },
		{ "detector: synflood\n", "t:1:11: unknown detector 'synflood' (did you mean 'syn_flood'?)" },
		{ "detector: xyz\n", "t:1:11: unknown detector 'xyz'" },
		{ "detector:\n", "t:1:1: detector has no value (give one or remove the line)" },
		{ "detector: [a]\n", "t:1:11: detector: a list instead of a value" },
		{ "detector: syn_flood\nseverty: 1\n", "t:2:1: unknown key 'severty' (did you mean 'severity'?)" },
		{ "detector: syn_flood\ncolour: red\n", "t:2:1: unknown key 'colour'" },
		{ "detector: syn_flood\nseverity: 4\n", "t:2:11: severity: '4' is out of range (use 1 to 3)" },
		{ "detector: syn_flood\nseverity: high\n",
		  "t:2:11: severity: 'high' is not a whole number (use e.g. 20)" },
		{ "detector: syn_flood\nenabled: maybe\n",
		  "t:2:10: enabled: 'maybe' is not true or false (write one of them)" },
		{ "detector: syn_flood\nenabled:\n", "t:2:1: enabled has no value (give one or remove the line)" },
		{ "detector: syn_flood\nsignature_id: 4294967296\n",
		  "t:2:15: signature_id: '4294967296' is out of range (use 1 to 4294967295)" },
		{ "detector: syn_flood\nsignature_id: 1000002\n",
		  "t:2:15: signature_id: 1000002 is that of detector 'port_scan' (use another)" },
		{ "detector: syn_flood\nsignature: \"\"\n",
		  "t:2:12: signature: the text is empty (say what the alert means)" },
		{ "detector: syn_flood\nsignature: [a]\n", "t:2:12: signature: a list instead of a value" },
		{ "detector: syn_flood\nmitre: { technique: X1 }\n",
		  "t:2:21: technique: 'X1' is no ATT&CK technique (use e.g. T1499 or T1499.001)" },
		{ "detector: syn_flood\nmitre: { tecchnique: T1 }\n",
		  "t:2:10: unknown key 'tecchnique' (did you mean 'technique'?)" },
		{ "detector: syn_flood\nmitre: T1499\n",
		  "t:2:8: mitre: a value instead of keys (write 'key: value' below it, indented)" },
		{ "detector: syn_flood\nmitre: { technique: T1499.0012345678901 }\n",
		  "t:2:21: technique: longer than 15 bytes (shorten it)" },
		{ "detector: syn_flood\nparameters: { flloor: 1 }\n",
		  "t:2:15: detector 'syn_flood' has no parameter 'flloor' (did you mean 'floor'?)" },
		{ "detector: port_scan\nparameters: { floor: 1 }\n",
		  "t:2:15: detector 'port_scan' has no parameter 'floor'" },
		{ "detector: syn_flood\nparameters: { window: 10 }\n",
		  "t:2:23: window: '10' is not a duration (use e.g. 250ms, 10s, 5m or 1h)" },
		{ "detector: syn_flood\nparameters: { window: 2h }\n",
		  "t:2:23: window: '2h' is out of range (use 100ms to 1h)" },
		{ "detector: syn_flood\nparameters: { floor: 0 }\n",
		  "t:2:22: floor: '0' is out of range (use 1 to 1000000)" },
		{ "detector: syn_flood\nparameters: { rate: 0 }\n",
		  "t:2:21: rate: '0' is out of range (use 0.1 to 1000000 per second)" },
		{ "detector: syn_flood\nparameters: { floor: }\n",
		  "t:2:15: floor has no value (give one or remove the line)" },
		{ "detector: syn_flood\nparameters: [floor]\n",
		  "t:2:13: parameters: a list instead of keys (write 'key: value' below it, indented)" },
		{ "detector: syn_flood\n---\ndetector: syn_flood\n",
		  "t:3:1: a second rule for detector 'syn_flood' (the first is on line 1; merge them)" },
		{ "detector: syn_flood\ndetector: port_scan\n",
		  "t:2:1: key 'detector' is given twice (first on line 1; keep one)" },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		struct ruleset *ruleset = ruleset_create_default(NULL);
		struct error error = { .text = "" };

		assert_int_equal(rules_load_text(ruleset, "t", cases[i].text, strlen(cases[i].text), NULL, &error), -1);
		assert_string_equal(error.text, cases[i].mistake);
		ruleset_destroy(ruleset);
	}
}

static void a_text_that_just_fits_is_taken_whole(void **state)
{
	char text[256];
	char signature[128];
	struct ruleset *ruleset;

	(void)state;
	memset(signature, 's', sizeof(signature) - 1);
	signature[sizeof(signature) - 1] = '\0';
	snprintf(text, sizeof(text), "detector: syn_flood\nsignature: %s\n", signature);
	ruleset = load_good(text);
	assert_string_equal(ruleset->rules[0].signature, signature);
	ruleset_destroy(ruleset);
	ruleset = ruleset_create_default(NULL);
	snprintf(text, sizeof(text), "detector: syn_flood\nsignature: %ss\n", signature);
	assert_int_equal(rules_load_text(ruleset, "t", text, strlen(text), NULL, NULL), -1);
	ruleset_destroy(ruleset);
}

static void all_mistakes_are_reported(void **state)
{
	static const char text[] = "detector: syn_flood\nseverity: 9\nfoo: 1\nparameters: { floor: x, bar: 2 }\n"
				   "---\ndetector: nothing\n---\ndetector: port_scan\nrev: 0\n";
	struct ruleset *ruleset = ruleset_create_default(NULL);
	struct error error = { .text = "" };
	char *report_text;
	size_t report_bytes;
	FILE *report = open_memstream(&report_text, &report_bytes);

	(void)state;
	assert_int_equal(rules_load_text(ruleset, "t", text, strlen(text), report, &error), -1);
	fclose(report);
	assert_string_equal(report_text, "t:2:11: severity: '9' is out of range (use 1 to 3)\n"
					 "t:3:1: unknown key 'foo'\n"
					 "t:4:22: floor: 'x' is not a whole number (use e.g. 20)\n"
					 "t:4:25: detector 'syn_flood' has no parameter 'bar'\n"
					 "t:6:11: unknown detector 'nothing'\n"
					 "t:9:6: rev: '0' is out of range (use 1 to 4294967295)\n");
	assert_string_equal(error.text, "t:2:11: severity: '9' is out of range (use 1 to 3)");
	free(report_text);
	ruleset_destroy(ruleset);
}

/* Two rules of one file may exchange their numbers. */
static void signature_ids_are_compared_after_all_rules(void **state)
{
	struct ruleset *ruleset = load_good("detector: syn_flood\nsignature_id: 1000002\n---\n"
					    "detector: port_scan\nsignature_id: 1000001\n");

	(void)state;
	assert_int_equal(ruleset->rules[0].signature_id, 1000002);
	ruleset_destroy(ruleset);
}

static void the_printed_defaults_are_the_defaults(void **state)
{
	struct ruleset *defaults = ruleset_create_default(NULL);
	struct ruleset *ruleset;
	char *text;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	(void)state;
	rules_print_defaults(out);
	fclose(out);
	assert_non_null(strstr(text, "\n# connection attempts that nobody completes\ndetector: syn_flood\n"));
	assert_non_null(strstr(text, "\n  # time counted (100ms to 1h)\n  window: 10s\n"));
	ruleset = load_good(text);
	for (size_t i = 0; i < defaults->n_rules; i++) {
		const struct rule *a = &defaults->rules[i];
		const struct rule *b = &ruleset->rules[i];

		assert_int_equal(a->enabled, b->enabled);
		assert_int_equal(a->severity, b->severity);
		assert_int_equal(a->signature_id, b->signature_id);
		assert_int_equal(a->rev, b->rev);
		assert_string_equal(a->signature, b->signature);
		assert_string_equal(a->category, b->category);
		assert_string_equal(a->mitre_technique, b->mitre_technique);
		assert_string_equal(a->mitre_tactic, b->mitre_tactic);
		assert_memory_equal(a->params, b->params, detectors[i]->params_bytes);
	}
	free(text);
	ruleset_destroy(ruleset);
	ruleset_destroy(defaults);
}

static void write_file(const char *folder, const char *name, const char *text)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void remove_folder(const char *folder, const char *const *names)
{
	for (; *names != NULL; names++) {
		char path[128];

		snprintf(path, sizeof(path), "%s/%s", folder, *names);
		unlink(path);
	}
	assert_int_equal(rmdir(folder), 0);
}

/* Files are read by name, so a later one overrides; other files, hidden ones too, are none of ours. */
static void a_folder_is_read_in_the_order_of_names(void **state)
{
	static const char *const names[] = { "10.yaml", "20.yaml", "note.txt", ".30.yaml", NULL };
	char folder[] = "/tmp/tcpwitness-test-rules-XXXXXX";
	struct ruleset *ruleset = ruleset_create_default(NULL);
	struct error error = { .text = "" };

	(void)state;
	assert_non_null(mkdtemp(folder));
	write_file(folder, names[1], "detector: syn_flood\nparameters: { floor: 2 }\n");
	write_file(folder, names[0], "detector: syn_flood\nrev: 10\nparameters: { floor: 1 }\n");
	write_file(folder, names[2], "not: a rule\n");
	write_file(folder, names[3], "not: a rule\n");
	assert_int_equal(rules_load_path(ruleset, folder, NULL, &error), 0);
	assert_int_equal(params_of(ruleset)->floor, 2);
	assert_int_equal(ruleset->rules[0].rev, 10);
	remove_folder(folder, names);
	ruleset_destroy(ruleset);
}

static void every_file_of_a_folder_is_checked(void **state)
{
	static const char *const names[] = { "a.yaml", "b.yaml", NULL };
	char folder[] = "/tmp/tcpwitness-test-rules-XXXXXX";
	struct ruleset *ruleset = ruleset_create_default(NULL);
	struct error error = { .text = "" };
	char *report_text;
	size_t report_bytes;
	FILE *report = open_memstream(&report_text, &report_bytes);
	char expected[256];

	(void)state;
	assert_non_null(mkdtemp(folder));
	write_file(folder, names[0], "detector: x\n");
	write_file(folder, names[1], "detector: y\n");
	assert_int_equal(rules_load_path(ruleset, folder, report, &error), -1);
	fclose(report);
	snprintf(expected, sizeof(expected),
		 "%s/a.yaml:1:11: unknown detector 'x'\n%s/b.yaml:1:11: unknown detector 'y'\n", folder, folder);
	assert_string_equal(report_text, expected);
	snprintf(expected, sizeof(expected), "%s/a.yaml:1:11: unknown detector 'x'", folder);
	assert_string_equal(error.text, expected);
	free(report_text);
	remove_folder(folder, names);
	ruleset_destroy(ruleset);
}

static void a_folder_without_rules_is_a_mistake(void **state)
{
	static const char *const no_names[] = { NULL };
	char folder[] = "/tmp/tcpwitness-test-rules-XXXXXX";
	struct ruleset *ruleset = ruleset_create_default(NULL);
	struct error error = { .text = "" };
	char expected[128];

	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_int_equal(rules_load_path(ruleset, folder, NULL, &error), -1);
	snprintf(expected, sizeof(expected), "%s: holds no *.yaml file (give the folder with the rules)", folder);
	assert_string_equal(error.text, expected);
	remove_folder(folder, no_names);
	assert_int_equal(rules_load_path(ruleset, "/nonexistent", NULL, &error), -1);
	assert_string_equal(error.text, "/nonexistent: cannot be opened: No such file or directory (check the path)");
	ruleset_destroy(ruleset);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rule_sets_what_it_names),
		cmocka_unit_test(what_a_rule_does_not_name_stays),
		cmocka_unit_test(an_empty_text_changes_nothing),
		cmocka_unit_test(mistakes_have_a_place_and_a_remedy),
		cmocka_unit_test(a_text_that_just_fits_is_taken_whole),
		cmocka_unit_test(all_mistakes_are_reported),
		cmocka_unit_test(signature_ids_are_compared_after_all_rules),
		cmocka_unit_test(the_printed_defaults_are_the_defaults),
		cmocka_unit_test(a_folder_is_read_in_the_order_of_names),
		cmocka_unit_test(every_file_of_a_folder_is_checked),
		cmocka_unit_test(a_folder_without_rules_is_a_mistake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
