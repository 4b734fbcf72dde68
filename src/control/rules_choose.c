/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides which rules hold. The installed rules say what is built in, so a program that is not installed, or
 * whose rules were removed, does the same without them.
 */
#include "rules_choose.h"

#include <unistd.h>

#include "tcpwitness/control/rules.h"

struct ruleset *rules_choose(const struct config *config, FILE *report, struct error *error)
{
	struct ruleset *ruleset = ruleset_create_default(error);
	struct error ignored;
	int result = 0;

	if (ruleset == NULL)
		return NULL;
	if (config->n_rules_paths == 0 && access(TCPWITNESS_RULES_DIR, F_OK) == 0)
		result = rules_load_path(ruleset, TCPWITNESS_RULES_DIR, report, error);
	for (size_t i = 0; i < config->n_rules_paths; i++) {
		/* The first mistake of all files is the one for *error. */
		if (rules_load_path(ruleset, config->rules_paths[i], report, result == 0 ? error : &ignored) != 0)
			result = -1;
	}
	if (result != 0) {
		ruleset_destroy(ruleset);
		return NULL;
	}
	return ruleset;
}
