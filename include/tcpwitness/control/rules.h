/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdio.h>

#include "tcpwitness/base/error.h"
#include "tcpwitness/detect/ruleset.h"

/*
 * Rules from YAML files. A file holds one or more documents, each naming its detector. Every key is checked
 * against the detector's table; an unknown one is an error with a suggestion.
 */

/*
 * Applies the rules at path (a file, or a folder whose *.yaml files are read in the order of their names) to *ruleset.
 * Returns 0, or -1 with *error filled by the first mistake as "file:line:column: what (how to mend)". All
 * mistakes are written to report, one a line, when it is not null. A later file overrides an earlier one's keys.
 */
int rules_load_path(struct ruleset *ruleset, const char *path, FILE *report, struct error *error);

/* The same from memory; name stands for the file in messages. For tests and the fuzzer. */
int rules_load_text(struct ruleset *ruleset, const char *name, const char *text, size_t length, FILE *report,
		    struct error *error);

/* The defaults of every detector as a rule file, commented, as installed in rules/. */
void rules_print_defaults(FILE *out);
