/* SPDX-License-Identifier: BSD-2-Clause */
/* Rules for some addresses and some times: sets, overrides, allow lists, quiet hours, severities by class. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tcpwitness/base/units.h"
#include "tcpwitness/control/rules.h"
#include "tcpwitness/detect/detector.h"

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

struct flood_params {
	uint64_t floor;
	uint64_t window_ns;
};

static const struct rule_param flood_table[] = {
	{ "floor", RULE_PARAM_COUNT, offsetof(struct flood_params, floor), 1, 1000, 20, "attempts at least" },
	{ "window", RULE_PARAM_DURATION, offsetof(struct flood_params, window_ns), 1, 60, 10, "time counted" },
};

static const char *const flood_classes[] = { "spoofed_flood", "real_flood", NULL };

static const struct detector flood = {
	.name = "syn_flood",
	.text = "connection attempts that nobody completes",
	.default_signature_id = 1,
	.default_severity = 2,
	.default_signature = "flood",
	.default_category = "",
	.default_mitre_technique = "",
	.default_mitre_tactic = "",
	.params = flood_table,
	.n_params = N_ELEMENTS(flood_table),
	.params_bytes = sizeof(struct flood_params),
	.class_names = flood_classes,
};

static const struct detector scan = {
	.name = "port_scan",
	.text = "one source, many ports",
	.default_signature_id = 2,
	.default_severity = 2,
	.default_signature = "scan",
	.default_category = "",
	.default_mitre_technique = "",
	.default_mitre_tactic = "",
	.params_bytes = 1,
};

/* In place of the program's own table, so that these tests do not change when a detector does. */
const struct detector *const detectors[] = { &flood, &scan, NULL };

static struct ruleset *load_good(const char *text)
{
	struct ruleset *ruleset = ruleset_create_default(NULL);
	struct error error = { .text = "" };
	int result = rules_load_text(ruleset, "t", text, strlen(text), NULL, &error);

	assert_string_equal(error.text, "");
	assert_int_equal(result, 0);
	return ruleset;
}

/* All mistakes of a text, one a line. */
static void assert_mistakes(const char *text, const char *expected)
{
	struct ruleset *ruleset = ruleset_create_default(NULL);
	char *told;
	size_t told_bytes;
	FILE *report = open_memstream(&told, &told_bytes);
	int result = rules_load_text(ruleset, "t", text, strlen(text), report, NULL);

	fclose(report);
	assert_string_equal(told, expected);
	assert_int_equal(result, -1);
	free(told);
	ruleset_destroy(ruleset);
}

static struct rule_subject about(const char *target, int port)
{
	struct rule_subject subject = { .has_port = port >= 0, .port = (uint16_t)port };

	assert_true(ip_addr_parse(target, &subject.target));
	return subject;
}

static struct rule_subject from(const char *source)
{
	struct rule_subject subject = { .has_port = false };

	assert_true(ip_addr_parse(source, &subject.source));
	return subject;
}

static uint64_t floor_for(const struct ruleset *ruleset, const char *target, int port)
{
	const struct rule_subject subject = about(target, port);
	const struct flood_params *params = rule_params_for(&ruleset->rules[0], &subject);

	return params->floor;
}

static enum rule_silence silence(const struct rule *rule, struct rule_subject subject, uint64_t now_ns)
{
	return rule_silence_of(rule, &subject, now_ns);
}

static void the_most_specific_override_holds(void **state)
{
	struct ruleset *ruleset = load_good("detector: syn_flood\n"
					    "parameters: { floor: 30, window: 20s }\n"
					    "overrides:\n"
					    "- prefix: 10.0.0.0/8\n"
					    "  parameters: { floor: 1 }\n"
					    "- prefix: [10.1.0.0/16, 2001:db8::/32]\n"
					    "  port: [443, 8000-8099]\n"
					    "  parameters: { floor: 2 }\n"
					    "- address: 10.1.2.3\n"
					    "  parameters: { floor: 3 }\n"
					    "- port: 25\n"
					    "  parameters: { floor: 4 }\n");
	const struct rule_subject subject = about("10.1.2.3", 443);
	const struct flood_params *params = rule_params_for(&ruleset->rules[0], &subject);

	(void)state;
	assert_int_equal(floor_for(ruleset, "10.9.9.9", 443), 1);
	assert_int_equal(floor_for(ruleset, "10.1.9.9", 443), 2);
	assert_int_equal(floor_for(ruleset, "10.1.9.9", 8050), 2);
	assert_int_equal(floor_for(ruleset, "10.1.9.9", 80), 1);
	assert_int_equal(floor_for(ruleset, "10.1.9.9", -1), 1);
	assert_int_equal(floor_for(ruleset, "10.1.2.3", 443), 3);
	assert_int_equal(floor_for(ruleset, "2001:db8::9", 8099), 2);
	assert_int_equal(floor_for(ruleset, "2001:db8::9", 25), 4);
	assert_int_equal(floor_for(ruleset, "192.0.2.1", 25), 4);
	assert_int_equal(floor_for(ruleset, "192.0.2.1", 26), 30);
	/* What an entry does not name is as in the rule, not as in a less specific entry. */
	assert_int_equal(params->window_ns, 20 * NS_PER_SEC);
	ruleset_destroy(ruleset);
}

/* A part of what an override is about can be given back to the rule. */
static void an_override_may_except_from_another(void **state)
{
	struct ruleset *ruleset = load_good("detector: syn_flood\n"
					    "overrides:\n"
					    "- { prefix: 10.0.0.0/8, parameters: { floor: 500 } }\n"
					    "- { prefix: 10.7.0.0/16, parameters: { floor: 20 } }\n"
					    "- { address: 10.8.0.1 }\n");

	(void)state;
	assert_int_equal(floor_for(ruleset, "10.6.0.1", 1), 500);
	assert_int_equal(floor_for(ruleset, "10.7.0.1", 1), 20);
	assert_int_equal(floor_for(ruleset, "10.8.0.1", 1), 20);
	ruleset_destroy(ruleset);
}

static void sets_hold_addresses_prefixes_and_sets(void **state)
{
	struct ruleset *ruleset = load_good("detector: syn_flood\n"
					    "overrides:\n"
					    "- set: all_of_ours\n"
					    "  parameters: { floor: 7 }\n"
					    "- address: [web]\n"
					    "  port: 443\n"
					    "  parameters: { floor: 8 }\n"
					    "---\n"
					    "sets:\n"
					    "  all_of_ours: [office, 192.0.2.0/28, web]\n"
					    "  web: [2001:db8::80, 203.0.113.80]\n"
					    "  office: 198.51.100.0/24\n"
					    "  nobody: []\n"
					    "  also-nobody:\n");

	(void)state;
	assert_int_equal(floor_for(ruleset, "198.51.100.200", 1), 7);
	assert_int_equal(floor_for(ruleset, "192.0.2.15", 1), 7);
	assert_int_equal(floor_for(ruleset, "192.0.2.16", 1), 20);
	assert_int_equal(floor_for(ruleset, "2001:db8::80", 80), 7);
	assert_int_equal(floor_for(ruleset, "2001:db8::80", 443), 8);
	assert_int_equal(floor_for(ruleset, "203.0.113.80", 443), 8);
	ruleset_destroy(ruleset);
}

/* Files are read in turn, sets are known in all of them; a later file replaces lists and sets as a whole. */
static void files_know_the_sets_of_each_other(void **state)
{
	static const char first[] = "sets: { ours: 10.0.0.1 }\n"
				    "---\n"
				    "detector: syn_flood\n"
				    "overrides:\n"
				    "- { set: theirs, parameters: { floor: 5 } }\n"
				    "allow: { targets: [ours] }\n"
				    "quiet: [ { days: mon } ]\n"
				    "severity_map: { spoofed_flood: 1 }\n";
	static const char second[] = "detector: syn_flood\n"
				     "parameters: { window: 30s }\n"
				     "quiet:\n"
				     "severity_map: { real_flood: 3 }\n"
				     "sets:\n"
				     "  ours: 10.0.0.2\n"
				     "  theirs: 192.0.2.1\n";
	struct ruleset *ruleset = ruleset_create_default(NULL);
	const struct rule *rule = &ruleset->rules[0];
	struct rules_loader *loader = rules_loader_create(NULL);
	struct error error = { .text = "" };
	const struct rule_subject theirs = about("192.0.2.1", 80);
	const struct flood_params *params;

	(void)state;
	rules_loader_add_text(loader, "first", first, strlen(first));
	rules_loader_add_text(loader, "second", second, strlen(second));
	assert_int_equal(rules_loader_apply(loader, ruleset, NULL, &error), 0);
	assert_string_equal(error.text, "");
	params = rule_params_for(rule, &theirs);
	assert_int_equal(params->floor, 5);
	assert_int_equal(params->window_ns, 30 * NS_PER_SEC); /* of the second file, in an override of the first */
	assert_int_equal(silence(rule, about("10.0.0.1", 80), 4 * 86400 * NS_PER_SEC), RULE_SPEAKS);
	assert_int_equal(silence(rule, about("10.0.0.2", 80), 4 * 86400 * NS_PER_SEC), RULE_ALLOWED);
	assert_int_equal(rule_severity_for(rule, &theirs, "spoofed_flood", 2), 2);
	assert_int_equal(rule_severity_for(rule, &theirs, "real_flood", 2), 3);
	rules_loader_destroy(loader);
	ruleset_destroy(ruleset);
}

static void all_files_tell_their_mistakes_in_order(void **state)
{
	static const char first[] = "detector: syn_flood\n"
				    "overrides: [ { set: tehirs, severity: 1 } ]\n"
				    "severity: 9\n";
	static const char second[] = "sets: { theirs: 192.0.2.256 }\n";
	struct ruleset *ruleset = ruleset_create_default(NULL);
	struct rules_loader *loader = rules_loader_create(NULL);
	struct error error = { .text = "" };
	char *told;
	size_t told_bytes;
	FILE *report = open_memstream(&told, &told_bytes);

	(void)state;
	rules_loader_add_text(loader, "a", first, strlen(first));
	rules_loader_add_text(loader, "b", second, strlen(second));
	assert_int_equal(rules_loader_apply(loader, ruleset, report, &error), -1);
	fclose(report);
	assert_string_equal(told,
			    "a:2:21: set: unknown set 'tehirs' (did you mean 'theirs'?)\n"
			    "a:3:11: severity: '9' is out of range (use 1 to 3)\n"
			    "b:1:17: theirs: '192.0.2.256' is no address, no prefix and no name of a set (use e.g. "
			    "192.0.2.1 or 192.0.2.0/24)\n");
	assert_string_equal(error.text, "a:2:21: set: unknown set 'tehirs' (did you mean 'theirs'?)");
	free(told);
	rules_loader_destroy(loader);
	ruleset_destroy(ruleset);
}

static void a_detector_may_be_on_for_some_and_off_for_some(void **state)
{
	struct ruleset *ruleset = load_good("detector: syn_flood\n"
					    "overrides: [ { prefix: 10.0.0.0/8, enabled: true } ]\n"
					    "enabled: false\n"
					    "---\n"
					    "detector: port_scan\n"
					    "overrides: [ { prefix: 10.0.0.0/8, enabled: false } ]\n");

	(void)state;
	assert_true(ruleset->rules[0].enabled);
	assert_int_equal(silence(&ruleset->rules[0], about("10.0.0.1", 80), 0), RULE_SPEAKS);
	assert_int_equal(silence(&ruleset->rules[0], about("11.0.0.1", 80), 0), RULE_DISABLED_HERE);
	assert_true(ruleset->rules[1].enabled);
	assert_int_equal(silence(&ruleset->rules[1], about("10.0.0.1", 80), 0), RULE_DISABLED_HERE);
	assert_int_equal(silence(&ruleset->rules[1], about("11.0.0.1", 80), 0), RULE_SPEAKS);
	ruleset_destroy(ruleset);
}

static void allowed_are_sources_and_targets_with_ports(void **state)
{
	struct ruleset *ruleset = load_good("detector: port_scan\n"
					    "allow:\n"
					    "  sources: [scanners, 2001:db8::/64]\n"
					    "  targets:\n"
					    "  - 192.0.2.0/24\n"
					    "  - { address: 198.51.100.1, port: [80, 443] }\n"
					    "  - { port: 113 }\n"
					    "---\n"
					    "sets: { scanners: [10.0.0.5, 10.0.0.6] }\n");
	const struct rule *rule = &ruleset->rules[1];

	(void)state;
	assert_int_equal(silence(rule, from("10.0.0.6"), 0), RULE_ALLOWED);
	assert_int_equal(silence(rule, from("10.0.0.7"), 0), RULE_SPEAKS);
	assert_int_equal(silence(rule, from("2001:db8::77"), 0), RULE_ALLOWED);
	assert_int_equal(silence(rule, about("192.0.2.200", 80), 0), RULE_ALLOWED);
	assert_int_equal(silence(rule, about("192.0.2.200", -1), 0), RULE_ALLOWED);
	assert_int_equal(silence(rule, about("198.51.100.1", 443), 0), RULE_ALLOWED);
	assert_int_equal(silence(rule, about("198.51.100.1", 22), 0), RULE_SPEAKS);
	assert_int_equal(silence(rule, about("198.51.100.1", -1), 0), RULE_SPEAKS);
	assert_int_equal(silence(rule, about("203.0.113.1", 113), 0), RULE_ALLOWED);
	ruleset_destroy(ruleset);
}

/* Packet time is since Thursday 1970-01-01. */
static uint64_t at(unsigned day_of_january, unsigned hour, unsigned minute)
{
	return ((UINT64_C(1) * (day_of_january - 1) * 24 + hour) * 60 + minute) * 60 * NS_PER_SEC;
}

static void quiet_hours_are_read_on_their_own_clock(void **state)
{
	struct ruleset *ruleset = load_good("detector: syn_flood\n"
					    "quiet:\n"
					    "- { days: [sat-sun], from: 22:00, to: 06:00, utc_offset: +01:00 }\n"
					    "- { days: wed, targets: 192.0.2.1 }\n"
					    "- { from: 12:00, to: 12:30, sources: [192.0.2.9] }\n"
					    "- { days: fri, from: 23:00, to: 00:00 }\n");
	const struct rule *rule = &ruleset->rules[0];
	const struct rule_subject any = about("10.0.0.1", 80);

	(void)state;
	assert_int_equal(silence(rule, any, at(3, 20, 59)), RULE_SPEAKS); /* Saturday */
	assert_int_equal(silence(rule, any, at(3, 21, 0)), RULE_QUIET_HOURS);
	assert_int_equal(silence(rule, any, at(4, 4, 59)), RULE_QUIET_HOURS);
	assert_int_equal(silence(rule, any, at(4, 5, 0)), RULE_SPEAKS);
	assert_int_equal(silence(rule, any, at(5, 4, 59)), RULE_QUIET_HOURS); /* Monday, of Sunday's window */
	assert_int_equal(silence(rule, any, at(6, 0, 0)), RULE_SPEAKS);
	assert_int_equal(silence(rule, any, at(7, 10, 0)), RULE_SPEAKS); /* Wednesday */
	assert_int_equal(silence(rule, about("192.0.2.1", 80), at(7, 10, 0)), RULE_QUIET_HOURS);
	assert_int_equal(silence(rule, from("192.0.2.9"), at(1, 12, 29)), RULE_QUIET_HOURS);
	assert_int_equal(silence(rule, from("192.0.2.9"), at(1, 12, 30)), RULE_SPEAKS);
	assert_int_equal(silence(rule, any, at(2, 23, 59)), RULE_QUIET_HOURS); /* Friday */
	assert_int_equal(silence(rule, any, at(3, 0, 0)), RULE_SPEAKS);
	ruleset_destroy(ruleset);
}

static void severities_are_by_target_and_by_class(void **state)
{
	struct ruleset *ruleset = load_good("detector: syn_flood\n"
					    "severity_map: { spoofed_flood: 1, syn_flood: 3 }\n"
					    "overrides: [ { set: toys, severity: 3 } ]\n"
					    "sets: { toys: [10.0.0.0/8] }\n");
	const struct rule *rule = &ruleset->rules[0];
	const struct rule_subject toy = about("10.0.0.1", 80);
	const struct rule_subject other = about("192.0.2.1", 80);

	(void)state;
	assert_int_equal(rule_severity_for(rule, &toy, "spoofed_flood", 2), 3);
	assert_int_equal(rule_severity_for(rule, &other, "spoofed_flood", 2), 1);
	assert_int_equal(rule_severity_for(rule, &other, "syn_flood", 2), 3);
	assert_int_equal(rule_severity_for(rule, &other, "real_flood", 1), 1);
	ruleset_destroy(ruleset);
}

#define FLOOD "detector: syn_flood\n"

static void mistakes_in_sets(void **state)
{
	(void)state;
	assert_mistakes("sets: { a: [b], b: [c], c: [a] }\n",
			"t:1:29: set 'a' is held by one that it holds itself (remove one of them)\n");
	assert_mistakes("sets: { a: [10.0.0.1, a] }\n", "t:1:23: set 'a' holds itself (remove it here)\n");
	assert_mistakes("sets: { a: [10.0.0.1, scaners], scanners: 10.0.0.2 }\n",
			"t:1:23: a: unknown set 'scaners' (did you mean 'scanners'?)\n");
	assert_mistakes("sets: { a: xyz }\n",
			"t:1:12: a: unknown set 'xyz' (define it below 'sets', in any rule file)\n");
	assert_mistakes("sets: { a: 10.1.0.0/8 }\n",
			"t:1:12: a: '10.1.0.0/8' has bits behind its prefix (write 10.0.0.0/8 for all of it)\n");
	assert_mistakes("sets: { a: 2001:db8::1/129 }\n", "t:1:12: a: '2001:db8::1/129' has no legal length behind its "
							  "'/' (use 0 to 32, or to 128 for IPv6)\n");
	assert_mistakes("sets: { 1a: 10.0.0.1 }\n",
			"t:1:9: '1a' cannot name a set (use up to 32 letters, digits, '_' and '-', a letter first)\n");
	assert_mistakes("sets: { a: { b: 1 } }\n",
			"t:1:12: a: a mapping instead of a list (begin each entry with '- ')\n");
	assert_mistakes("sets: { a: [ [10.0.0.1] ] }\n", "t:1:14: a: a list instead of a value\n");
	assert_mistakes("sets: [a]\n", "t:1:7: sets: a list instead of keys (write 'key: value' below it, indented)\n");
	assert_mistakes("sets: { a: 10.0.0.1 }\n---\nsets: { a: 10.0.0.2 }\n",
			"t:3:9: set 'a' is given twice (first on line 1; keep one)\n");
	assert_mistakes("sets: { a: 10.0.0.1 }\nseverity: 1\n",
			"t:1:1: the rule names no detector (add e.g. 'detector: syn_flood')\n");
}

static void mistakes_in_overrides(void **state)
{
	(void)state;
	assert_mistakes(FLOOD "overrides: { address: 10.0.0.1 }\n",
			"t:2:12: overrides: a mapping instead of a list (begin each entry with '- ')\n");
	assert_mistakes(FLOOD "overrides: [ 10.0.0.1 ]\n", "t:2:14: an entry of overrides: a value instead of keys "
							   "(write 'key: value' below it, indented)\n");
	assert_mistakes(FLOOD "overrides:\n- parameters: { floor: 1 }\n",
			"t:3:3: the entry is about nobody (add address, prefix, set or port)\n");
	assert_mistakes(FLOOD "overrides:\n- { addrezz: 10.0.0.1, port: 1, severity: 4 }\n",
			"t:3:5: unknown key 'addrezz' (did you mean 'address'?)\n"
			"t:3:43: severity: '4' is out of range (use 1 to 3)\n");
	assert_mistakes(FLOOD "overrides:\n- { address: 10.0.0.0/8, severity: 1 }\n",
			"t:3:14: address: '10.0.0.0/8' is a prefix (write 'prefix: 10.0.0.0/8')\n");
	assert_mistakes(FLOOD "overrides:\n- { set: 10.0.0.1, severity: 1 }\n",
			"t:3:10: set: '10.0.0.1' is no name of a set (use letters, digits, '_' and '-')\n");
	assert_mistakes(FLOOD "overrides:\n- { address: [], severity: 1 }\n",
			"t:3:14: address: the list is empty (fill it or remove the line)\n");
	assert_mistakes(FLOOD "overrides:\n- { port: [0, 70000, 90-80, x, 1-2-3], severity: 1 }\n",
			"t:3:12: port: '0' is no port and no range (use e.g. 443 or 8000-8099)\n"
			"t:3:15: port: '70000' is no port and no range (use e.g. 443 or 8000-8099)\n"
			"t:3:22: port: '90-80' is empty (write 80-90)\n"
			"t:3:29: port: 'x' is no port and no range (use e.g. 443 or 8000-8099)\n"
			"t:3:32: port: '1-2-3' is no port and no range (use e.g. 443 or 8000-8099)\n");
	assert_mistakes(FLOOD "overrides:\n- { port: 1, parameters: { flooor: 2, window: 2m } }\n",
			"t:3:28: detector 'syn_flood' has no parameter 'flooor' (did you mean 'floor'?)\n"
			"t:3:47: window: '2m' is out of range (use 1s to 1m)\n");
}

static void overrides_that_make_no_sense(void **state)
{
	(void)state;
	assert_mistakes(FLOOD "sets: { a: [10.0.0.0/8, 192.0.2.1] }\n"
			      "overrides:\n"
			      "- { set: a, severity: 1 }\n"
			      "- { address: 192.0.2.1, port: 80, severity: 2 }\n"
			      "- { prefix: 10.0.0.0/8, severity: 2 }\n"
			      "- { address: 192.0.2.1, port: 79-81, severity: 3 }\n",
			"t:6:3: this override and the one on line 4 are both about 10.0.0.0/8 (remove one, or make one "
			"more specific)\n"
			"t:7:3: this override and the one on line 5 are both about 192.0.2.1 port 80 (remove one, or "
			"make one more specific)\n");
	assert_mistakes(FLOOD "overrides:\n- { port: 1-9, severity: 1 }\n- { port: [5-20], enabled: false }\n",
			"t:4:3: this override and the one on line 3 are both about all addresses port 5-9 (remove one, "
			"or make one more specific)\n");
	assert_mistakes(
		FLOOD "overrides:\n- { port: 1, parameters: { floor: 20 } }\n- { port: 2 }\n"
		      "- { port: 3, enabled: true }\n",
		"t:3:3: this override changes nothing (give it other parameters, enabled or severity, or remove "
		"it)\n"
		"t:4:3: this override changes nothing (give it other parameters, enabled or severity, or remove "
		"it)\n"
		"t:5:3: this override changes nothing (give it other parameters, enabled or severity, or remove "
		"it)\n");
}

static void mistakes_in_allow_lists_and_severities(void **state)
{
	(void)state;
	assert_mistakes(FLOOD "allow: [10.0.0.1]\n",
			"t:2:8: allow: a list instead of keys (write 'key: value' below it, indented)\n");
	assert_mistakes(FLOOD "allow: { source: 10.0.0.1, targets: [] }\n",
			"t:2:10: unknown key 'source' (did you mean 'sources'?)\n"
			"t:2:37: targets: the list is empty (fill it or remove the line)\n");
	assert_mistakes(FLOOD "allow: { targets: [ { addrezz: 10.0.0.1 }, 10.0.0.1:80 ] }\n",
			"t:2:21: the entry is about nobody (add address, prefix, set or port)\n"
			"t:2:23: unknown key 'addrezz' (did you mean 'address'?)\n"
			"t:2:44: targets: '10.0.0.1:80' is no address, no prefix and no name of a set (use e.g. "
			"192.0.2.1 or 192.0.2.0/24)\n");
	assert_mistakes(FLOOD "severity_map: { spoofd_flood: 1, real_flood: 0, syn_flood: [1] }\n",
			"t:2:17: detector 'syn_flood' has no class 'spoofd_flood' (did you mean 'spoofed_flood'?)\n"
			"t:2:46: real_flood: '0' is out of range (use 1 to 3)\n"
			"t:2:60: syn_flood: a list instead of a value\n");
	assert_mistakes("detector: port_scan\nseverity_map: { spoofed_flood: 1 }\n",
			"t:2:17: detector 'port_scan' has no class 'spoofed_flood'\n");
}

static void mistakes_in_quiet_hours(void **state)
{
	(void)state;
	assert_mistakes(FLOOD "quiet: { days: mon }\n",
			"t:2:8: quiet: a mapping instead of a list (begin each entry with '- ')\n");
	assert_mistakes(FLOOD "quiet:\n- { day: mon, from: 10:00, to: 10:00 }\n",
			"t:3:5: unknown key 'day' (did you mean 'days'?)\n"
			"t:3:32: to: the window is empty (for whole days leave out from and to)\n");
	assert_mistakes(FLOOD "quiet:\n- { days: [mno, sat-so, monday], from: 24:00, to: 7:00 }\n",
			"t:3:12: days: 'mno' is no day and no range (did you mean 'mon'?)\n"
			"t:3:17: days: 'sat-so' is no day and no range (use e.g. mon or mon-fri)\n"
			"t:3:25: days: 'monday' is no day and no range (use e.g. mon or mon-fri)\n"
			"t:3:40: from: '24:00' is no time of the day (use 00:00 to 23:59)\n"
			"t:3:51: to: '7:00' is no time of the day (use 00:00 to 24:00)\n");
	assert_mistakes(FLOOD "quiet:\n- { from: 10:00 }\n- { to: 24:01 }\n- { days: [] }\n",
			"t:3:3: the window has no 'to' (add it)\n"
			"t:4:3: the window has no 'from' (add it)\n"
			"t:5:11: days: the list is empty (fill it or remove the line)\n");
	assert_mistakes(FLOOD "quiet:\n- { days: mon, utc_offset: 1 }\n- { days: mon, utc_offset: +14:01 }\n",
			"t:3:28: utc_offset: '1' is no offset from UTC (use -14:00 to +14:00)\n"
			"t:4:28: utc_offset: '+14:01' is no offset from UTC (use -14:00 to +14:00)\n");
	assert_mistakes(FLOOD "quiet:\n- { days: tue-mon }\n- { from: 00:00, to: 24:00 }\n",
			"t:3:3: the window is always, and for all (narrow it, or write 'enabled: false')\n"
			"t:4:3: the window is always, and for all (narrow it, or write 'enabled: false')\n");
}

/* Sets in sets, each twice as large as the one before it: refused, not computed. */
static void sets_cannot_grow_without_bounds(void **state)
{
	struct ruleset *ruleset = ruleset_create_default(NULL);
	struct error error = { .text = "" };
	char text[4096];
	size_t length = (size_t)snprintf(text, sizeof(text), "sets:\n  s0: [");

	(void)state;
	for (int i = 0; i < 100; i++)
		length += (size_t)snprintf(text + length, sizeof(text) - length, "%s10.0.0.1", i == 0 ? "" : ",");
	length += (size_t)snprintf(text + length, sizeof(text) - length, "]\n");
	for (int i = 1; i < 15; i++)
		length += (size_t)snprintf(text + length, sizeof(text) - length, "  s%d: [s%d,s%d]\n", i, i - 1, i - 1);
	assert_int_equal(rules_load_text(ruleset, "t", text, length, NULL, &error), -1);
	assert_string_equal(error.text, "t:12:12: more than 65536 addresses and prefixes (use shorter prefixes)");
	ruleset_destroy(ruleset);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_most_specific_override_holds),
		cmocka_unit_test(an_override_may_except_from_another),
		cmocka_unit_test(sets_hold_addresses_prefixes_and_sets),
		cmocka_unit_test(files_know_the_sets_of_each_other),
		cmocka_unit_test(all_files_tell_their_mistakes_in_order),
		cmocka_unit_test(a_detector_may_be_on_for_some_and_off_for_some),
		cmocka_unit_test(allowed_are_sources_and_targets_with_ports),
		cmocka_unit_test(quiet_hours_are_read_on_their_own_clock),
		cmocka_unit_test(severities_are_by_target_and_by_class),
		cmocka_unit_test(mistakes_in_sets),
		cmocka_unit_test(mistakes_in_overrides),
		cmocka_unit_test(overrides_that_make_no_sense),
		cmocka_unit_test(mistakes_in_allow_lists_and_severities),
		cmocka_unit_test(mistakes_in_quiet_hours),
		cmocka_unit_test(sets_cannot_grow_without_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
