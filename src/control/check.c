/* SPDX-License-Identifier: BSD-2-Clause */
/* tcpwitness check: reads what a run would read before its first packet, and reports every mistake in it. */
#include "tcpwitness/control/check.h"

#include "rules_choose.h"

static size_t count_enabled(const struct ruleset *ruleset)
{
	size_t n_enabled = 0;

	for (size_t i = 0; i < ruleset->n_rules; i++)
		n_enabled += ruleset->rules[i].enabled;
	return n_enabled;
}

enum exit_code check_execute(const struct config *config, const struct error *invalid, FILE *out, FILE *err)
{
	struct error error = { .text = "" };
	struct ruleset *ruleset = rules_choose(config, err, &error);
	bool is_valid = invalid->text[0] == '\0' && ruleset != NULL;

	if (config->mistakes != NULL)
		fputs(config->mistakes, err);
	else if (invalid->text[0] != '\0')
		fprintf(err, "%s\n", invalid->text);
	if (is_valid)
		fprintf(out, "ok: %zu rules, %zu enabled\n", ruleset->n_rules, count_enabled(ruleset));
	ruleset_destroy(ruleset);
	return is_valid ? EXIT_DONE : EXIT_INPUT;
}
