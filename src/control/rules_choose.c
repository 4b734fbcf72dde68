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
	struct rules_loader *loader = ruleset != NULL ? rules_loader_create(error) : NULL;

	if (loader == NULL) {
		ruleset_destroy(ruleset);
		return NULL;
	}
	if (config->n_rules_paths == 0 && access(TCPWITNESS_RULES_DIR, F_OK) == 0)
		rules_loader_add_path(loader, TCPWITNESS_RULES_DIR);
	for (size_t i = 0; i < config->n_rules_paths; i++)
		rules_loader_add_path(loader, config->rules_paths[i]);
	if (rules_loader_apply(loader, ruleset, report, error) != 0) {
		ruleset_destroy(ruleset);
		ruleset = NULL;
	}
	rules_loader_destroy(loader);
	return ruleset;
}
