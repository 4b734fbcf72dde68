/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdio.h>

#include "tcpwitness/base/error.h"
#include "tcpwitness/detect/ruleset.h"

/*
 * Rules from YAML files. A file holds one or more documents, each naming its detector, or naming sets of addresses that
 * hold in all files. Every key is checked against the detector's table; an unknown one is an error with a suggestion.
 * Main thread.
 */
struct rules_loader;

/* Null with *error when memory is short. */
struct rules_loader *rules_loader_create(struct error *error);
void rules_loader_destroy(struct rules_loader *loader);

/* Reads a file, or the *.yaml files of a folder in the order of their names. What is wrong is told by apply. */
void rules_loader_add_path(struct rules_loader *loader, const char *path);

/* The same from memory; name stands for the file in messages. */
void rules_loader_add_text(struct rules_loader *loader, const char *name, const char *text, size_t length);

/*
 * Applies what was added, in that order, to *ruleset: a later file overrides an earlier one's keys, lists as a whole.
 * Returns 0, or -1 with *error filled by the first mistake as "file:line:column: what (how to mend)", and *ruleset
 * of no use. All mistakes are written to report, one a line, when it is not null. Once for each loader.
 */
int rules_loader_apply(struct rules_loader *loader, struct ruleset *ruleset, FILE *report, struct error *error);

/* One path and nothing else. */
int rules_load_path(struct ruleset *ruleset, const char *path, FILE *report, struct error *error);

/* One text and nothing else. For tests and the fuzzer. */
int rules_load_text(struct ruleset *ruleset, const char *name, const char *text, size_t length, FILE *report,
		    struct error *error);

/* The defaults of every detector as a rule file, commented, as installed in rules/. */
void rules_print_defaults(FILE *out);
