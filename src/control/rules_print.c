/* SPDX-License-Identifier: BSD-2-Clause */
/* Decides how the default rules look as a file: everything that can be set, with its range, ready to be edited. */
#include <stdio.h>

#include "tcpwitness/control/rules.h"
#include "tcpwitness/detect/detector.h"
#include "rule_param.h"

/* In double quotes; the texts come from the program and hold no control characters. */
static void print_text(FILE *out, const char *key, const char *text)
{
	fprintf(out, "%s: \"", key);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
	fputs("\"\n", out);
}

static void print_param(FILE *out, const struct rule_param *param, const void *params)
{
	char value[VALUE_TEXT_BYTES];
	char range[VALUE_RANGE_BYTES];

	rule_param_range(param, range);
	fprintf(out, "  # %s%s%s%s\n", param->text, range[0] != '\0' ? " (" : "", range, range[0] != '\0' ? ")" : "");
	fprintf(out, "  %s: %s\n", param->name, rule_param_format(param, params, value));
}

static void print_rule(FILE *out, const struct detector *detector, const struct rule *rule)
{
	fprintf(out, "---\n# %s\ndetector: %s\n", detector->text, detector->name);
	fprintf(out, "enabled: %s\nseverity: %u\n", rule->enabled ? "true" : "false", rule->severity);
	print_text(out, "signature", rule->signature);
	print_text(out, "category", rule->category);
	fprintf(out, "signature_id: %u\nrev: %u\n", rule->signature_id, rule->rev);
	if (rule->mitre_technique[0] != '\0') {
		fprintf(out, "mitre:\n");
		print_text(out, "  technique", rule->mitre_technique);
		print_text(out, "  tactic", rule->mitre_tactic);
	}
	if (detector->n_params > 0)
		fputs("parameters:\n", out);
	for (size_t i = 0; i < detector->n_params; i++)
		print_param(out, &detector->params[i], rule->params);
}

void rules_print_defaults(FILE *out)
{
	struct ruleset *ruleset = ruleset_create_default(NULL);

	if (ruleset == NULL)
		return;
	fputs("# The default rules of tcpwitness, one document for each detector. Every key but \"detector\" may be "
	      "left\n"
	      "# out. To change some, put a rule with the detector's name and only those keys into a file of your own "
	      "and give it\n"
	      "# with --rules: what it does not name stays as here. tcpwitness check validates it. Rules for some "
	      "addresses or times\n"
	      "# only (overrides, allow, quiet, sets) are described in tcpwitness-rules(5).\n",
	      out);
	for (size_t i = 0; detectors[i] != NULL; i++)
		print_rule(out, detectors[i], &ruleset->rules[i]);
	ruleset_destroy(ruleset);
}
