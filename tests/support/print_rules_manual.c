/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Prints what tcpwitness-rules(5) says of keys, detectors and parameters, from the tables that the program itself reads
 * rules with: one line a fact, words between tabs. rules_manual.py makes a page of it.
 */
#include <stdio.h>

#include "rule_keys.h"
#include "rule_param.h"
#include "summary.h"
#include "tcpwitness/detect/ruleset.h"

static void print_group(const char *name, const struct rule_key_group *group)
{
	for (size_t i = 0; i < group->n_keys; i++)
		printf("key\t%s\t%s\t%s\t%s\n", name, group->keys[i].name, group->keys[i].values, group->keys[i].text);
}

/* Whom its alarms are about, hence its overrides. */
static const char *subject_of(const struct detector *detector)
{
	bool of_targets = (detector->kinds & (1 << SUMMARY_SERVICE | 1 << SUMMARY_HOST | 1 << SUMMARY_PREFIX)) != 0;
	bool of_sources = (detector->kinds & (1 << SUMMARY_SOURCE | 1 << SUMMARY_PAIR)) != 0;

	if (of_targets && of_sources)
		return "both";
	if (of_sources)
		return (detector->kinds & 1 << SUMMARY_PAIR) != 0 ? "pair" : "source";
	return detector->kinds == 1 << SUMMARY_SENSOR ? "sensor" : "target";
}

static void print_detector(const struct detector *detector, const struct rule *rule)
{
	printf("detector\t%s\t%s\t%s\t%u\t%u\t%s\t%s", detector->name, detector->text, subject_of(detector),
	       rule->signature_id, rule->severity, rule->signature, rule->mitre_technique);
	for (size_t i = 0; detector->class_names != NULL && detector->class_names[i] != NULL; i++)
		printf("\t%s", detector->class_names[i]);
	putchar('\n');
	for (size_t i = 0; i < detector->n_params; i++) {
		char value[VALUE_TEXT_BYTES];
		char range[VALUE_RANGE_BYTES];

		printf("param\t%s\t%s\t%s%s\t%s\t%s\n", detector->name, detector->params[i].name,
		       rule_param_format(&detector->params[i], rule->params, value),
		       detector->params[i].type == RULE_PARAM_RATE ? "/s" : "",
		       rule_param_range(&detector->params[i], range), detector->params[i].text);
	}
}

int main(void)
{
	struct ruleset *ruleset = ruleset_create_default(NULL);

	if (ruleset == NULL)
		return 1;
	print_group("rule", &rule_keys);
	print_group("mitre", &mitre_keys);
	print_group("override", &override_keys);
	print_group("allow", &allow_keys);
	print_group("quiet", &quiet_keys);
	for (size_t i = 0; detectors[i] != NULL; i++)
		print_detector(detectors[i], &ruleset->rules[i]);
	ruleset_destroy(ruleset);
	return 0;
}
