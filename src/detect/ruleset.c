/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The built-in rules: what the detectors' tables declare. They must serve without any file (design section 2).
 */
#include "tcpwitness/detect/ruleset.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tcpwitness/base/units.h"
#include "tcpwitness/detect/detector.h"
#include "tcpwitness/detect/rule_exceptions.h"

#include "summary.h"

static size_t count_detectors(void)
{
	size_t n = 0;

	while (detectors[n] != NULL)
		n++;
	return n;
}

static void set_default(void *params, const struct rule_param *param)
{
	void *field = (char *)params + param->offset;

	switch (param->type) {
	case RULE_PARAM_COUNT:
		memcpy(field, &(uint64_t){ (uint64_t)param->default_value }, sizeof(uint64_t));
		break;
	case RULE_PARAM_RATE:
	case RULE_PARAM_RATIO:
		memcpy(field, &param->default_value, sizeof(double));
		break;
	case RULE_PARAM_DURATION: {
		uint64_t value_ns = (uint64_t)(param->default_value * (double)NS_PER_SEC + 0.5);
		memcpy(field, &value_ns, sizeof(value_ns));
		break;
	}
	case RULE_PARAM_FLAG: {
		bool value = param->default_value > 0;
		memcpy(field, &value, sizeof(value));
		break;
	}
	}
}

static int set_defaults(struct rule *rule, const struct detector *detector)
{
	rule->detector_name = detector->name;
	rule->enabled = true;
	rule->is_about_source = (detector->kinds & (1 << SUMMARY_SOURCE | 1 << SUMMARY_PAIR)) != 0;
	rule->severity = detector->default_severity;
	rule->default_severity = detector->default_severity;
	rule->signature_id = detector->default_signature_id;
	rule->rev = 1;
	snprintf(rule->signature, sizeof(rule->signature), "%s", detector->default_signature);
	snprintf(rule->category, sizeof(rule->category), "%s", detector->default_category);
	snprintf(rule->mitre_technique, sizeof(rule->mitre_technique), "%s", detector->default_mitre_technique);
	snprintf(rule->mitre_tactic, sizeof(rule->mitre_tactic), "%s", detector->default_mitre_tactic);
	rule->params = calloc(1, detector->params_bytes);
	if (rule->params == NULL)
		return -1;
	for (size_t i = 0; i < detector->n_params; i++)
		set_default(rule->params, &detector->params[i]);
	return 0;
}

struct ruleset *ruleset_create_default(struct error *error)
{
	size_t n = count_detectors();
	struct ruleset *ruleset = calloc(1, sizeof(*ruleset));

	assert(n > 0);
	if (ruleset != NULL)
		ruleset->rules = calloc(n, sizeof(*ruleset->rules));
	if (ruleset == NULL || ruleset->rules == NULL)
		goto fail;
	ruleset->n_rules = n;
	for (size_t i = 0; i < n; i++)
		if (set_defaults(&ruleset->rules[i], detectors[i]) != 0)
			goto fail;
	return ruleset;

fail:
	ruleset_destroy(ruleset);
	error_set(error, "rules: no memory");
	return NULL;
}

void ruleset_destroy(struct ruleset *ruleset)
{
	if (ruleset == NULL)
		return;
	for (size_t i = 0; i < ruleset->n_rules; i++) {
		free(ruleset->rules[i].params);
		rule_exceptions_destroy(ruleset->rules[i].exceptions);
	}
	free(ruleset->rules);
	free(ruleset);
}

int ruleset_find(const char *detector_name)
{
	for (int i = 0; detectors[i] != NULL; i++)
		if (strcmp(detectors[i]->name, detector_name) == 0)
			return i;
	return -1;
}
