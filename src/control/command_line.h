/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "tcpwitness/control/config.h"
#include "option_table.h"

/*
 * The command line, read but not yet applied: the configuration file that it names comes before it. Everything is
 * borrowed from argv.
 */
struct command_line {
	enum config_command command;
	int verbosity;
	const char *config_path; /* null = none */
	struct command_line_value {
		const struct config_option *option;
		const char *text;
		bool by_key; /* given with --set */
	} * values;          /* in the order given */
	size_t n_values;
	char **operands; /* the BPF filter; ended by null */
};

/* False with *error when it is wrong usage. *line must be freed with command_line_fini in either case. */
bool command_line_read(struct command_line *line, int argc, char **argv, struct error *error);
void command_line_fini(struct command_line *line);

/*
 * Puts the values into *config. A list that is given here replaces what is there. False with *error on a value that
 * is none of its option.
 */
bool command_line_apply(const struct command_line *line, struct config *config, struct error *error);
