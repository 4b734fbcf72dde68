/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides what the words of the command line mean, from the option table. Options end at the first other word, so
 * that a BPF filter may hold anything, minus signs too.
 */
#include "command_line.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "suggestion.h"

enum { MAX_OPTIONS = 32, LONG_CODE = 256 /* + row: beyond every letter */ };

struct getopt_tables {
	char letters[2 * MAX_OPTIONS + 3];
	struct option names[MAX_OPTIONS + 1];
};

/* Rows of the command line come first in the table. */
static void build_tables(struct getopt_tables *tables)
{
	char *letter = tables->letters;
	int row = 0;

	memset(tables, 0, sizeof(*tables));
	*letter++ = '+'; /* stop at the first operand */
	*letter++ = ':'; /* tell a missing argument from an unknown option */
	for (; config_options[row].name != NULL && row < MAX_OPTIONS; row++) {
		const struct config_option *option = &config_options[row];

		tables->names[row] = (struct option){
			.name = option->name,
			.has_arg = option->argument != NULL ? required_argument : no_argument,
			.val = LONG_CODE + row,
		};
		if (option->letter == '\0')
			continue;
		*letter++ = option->letter;
		if (option->argument != NULL)
			*letter++ = ':';
	}
}

static const struct config_option *find_code(int code)
{
	if (code >= LONG_CODE)
		return &config_options[code - LONG_CODE];
	for (const struct config_option *option = config_options; option->name != NULL; option++) {
		if (option->letter == code)
			return option;
	}
	return NULL;
}

/* "-r" or "--rules", for messages. */
static const char *shown_name(const struct config_option *option, char *text, size_t text_bytes)
{
	if (option->letter != '\0')
		snprintf(text, text_bytes, "-%c", option->letter);
	else
		snprintf(text, text_bytes, "--%s", option->name);
	return text;
}

static bool refuse_unknown(const char *word, struct error *error)
{
	char name[64];
	char hint[96];
	struct suggestion suggestion;

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(word + 2, "="), word + 2);
	suggestion_init(&suggestion, name);
	for (const struct config_option *option = config_options; option->name != NULL; option++)
		suggestion_offer(&suggestion, option->name);
	if (suggestion.best == NULL)
		hint[0] = '\0';
	else
		snprintf(hint, sizeof(hint), " (did you mean '--%s'?)", suggestion.best);
	error_set(error, "unknown option '--%s'%s", name, hint);
	return false;
}

/* What getopt_long could not read; word is where it stands. */
static bool refuse_word(int code, const char *word, struct error *error)
{
	const struct config_option *option = optopt != 0 ? find_code(optopt) : NULL;
	char name[40];

	if (code == ':' && option != NULL) {
		error_set(error, "option '%s' needs a value (%s)", shown_name(option, name, sizeof(name)),
			  option->argument);
		return false;
	}
	if (option != NULL && optopt >= LONG_CODE) {
		error_set(error, "option '--%s' takes no value", option->name);
		return false;
	}
	if (optopt != 0) {
		error_set(error, "unknown option '-%c'", optopt);
		return false;
	}
	return refuse_unknown(word, error);
}

static void add_value(struct command_line *line, const struct config_option *option, const char *text, bool by_key)
{
	line->values[line->n_values++] =
		(struct command_line_value){ .option = option, .text = text, .by_key = by_key };
}

/* key=value; the value is checked when it is applied. */
static bool take_set(struct command_line *line, char *word, struct error *error)
{
	char *equals = strchr(word, '=');
	const struct config_option *option;
	char key[64];
	char hint[128];

	if (equals == NULL || equals == word) {
		error_set(error, "--set: '%.64s' is not KEY=VALUE (use e.g. stats.interval=10s)", word);
		return false;
	}
	snprintf(key, sizeof(key), "%.*s", (int)(equals - word), word);
	option = option_find_key(key);
	if (option == NULL) {
		error_set(error, "--set: unknown key '%s'%s", key, option_suggest_key(key, hint, sizeof(hint)));
		return false;
	}
	add_value(line, option, equals + 1, true);
	return true;
}

static bool take_option(struct command_line *line, const struct config_option *option, char *argument,
			struct error *error)
{
	switch (option->type) {
	case OPTION_HELP:
		line->command = COMMAND_HELP;
		return true;
	case OPTION_VERSION:
		line->command = COMMAND_VERSION;
		return true;
	case OPTION_QUIET:
		line->verbosity = -1;
		return true;
	case OPTION_VERBOSE:
		line->verbosity = line->verbosity < 1 ? 1 : 2;
		return true;
	case OPTION_SET:
		return take_set(line, argument, error);
	case OPTION_FLAG:
	case OPTION_COUNT:
	case OPTION_SIZE:
	case OPTION_DURATION:
	case OPTION_RATIO:
	case OPTION_STRING:
	case OPTION_LIST:
	case OPTION_EVENTS:
	case OPTION_CHECKSUM:
	case OPTION_SEED:
		break;
	}
	if (strcmp(option->name, "config") == 0)
		line->config_path = argument;
	add_value(line, option, argument, false);
	return true;
}

bool command_line_read(struct command_line *line, int argc, char **argv, struct error *error)
{
	struct getopt_tables tables;
	bool in_order = true;

	*line = (struct command_line){ .command = COMMAND_RUN };
	if (argc > 1 && strcmp(argv[1], "check") == 0) {
		line->command = COMMAND_CHECK;
		argc--;
		argv++;
	}
	line->values = calloc((size_t)argc + 1, sizeof(*line->values)); /* each takes a word at least */
	if (line->values == NULL) {
		error_set(error, "out of memory");
		return false;
	}
	build_tables(&tables);
	opterr = 0;
	optind = 0; /* GNU: begin anew, whatever was read before */
	while (in_order) {
		int code = getopt_long(argc, argv, tables.letters, tables.names, NULL);

		if (code == -1)
			break;
		if (code == '?' || code == ':')
			return refuse_word(code, argv[optind - 1], error);
		in_order = take_option(line, find_code(code), optarg, error);
		if (line->command == COMMAND_HELP || line->command == COMMAND_VERSION)
			break;
	}
	line->operands = argv + optind;
	return in_order;
}

void command_line_fini(struct command_line *line)
{
	free(line->values);
	line->values = NULL;
}

bool command_line_apply(const struct command_line *line, struct config *config, struct error *error)
{
	char name[40];

	for (size_t i = 0; i < line->n_values; i++) {
		const struct command_line_value *value = &line->values[i];
		struct error problem = { .text = "" };
		bool is_first = true;

		for (size_t j = 0; j < i; j++)
			is_first = is_first && line->values[j].option != value->option;
		if (is_first)
			option_clear(value->option, config);
		if (option_set(value->option, config, value->text, &problem))
			continue;
		if (value->by_key)
			error_set(error, "--set %s: %.300s", value->option->key, problem.text);
		else
			error_set(error, "%s: %.300s", shown_name(value->option, name, sizeof(name)), problem.text);
		return false;
	}
	return true;
}
