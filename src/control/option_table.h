/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "tcpwitness/control/config.h"
#include "value.h"

/*
 * Everything that can be configured, one row each. The command line, --set, the configuration file, --help, the
 * manual page and the range checks all come from this table.
 */
enum option_type {
	OPTION_FLAG = VALUE_FLAG,
	OPTION_COUNT = VALUE_COUNT,
	OPTION_SIZE = VALUE_SIZE,
	OPTION_DURATION = VALUE_DURATION, /* stored in nanoseconds */
	OPTION_RATIO = VALUE_RATIO,
	OPTION_STRING,   /* const char * */
	OPTION_LIST,     /* const char *[CONFIG_MAX_PATHS] and a count */
	OPTION_EVENTS,   /* sensor_event_mask, from names with commas */
	OPTION_CHECKSUM, /* enum checksum_mode */
	OPTION_SEED,     /* a number, or "random"; seed, seed_given and seed_random */
	OPTION_HELP,     /* from here on: on the command line only, not stored by option_set */
	OPTION_VERSION,
	OPTION_QUIET,
	OPTION_VERBOSE,
	OPTION_SET,
};

struct config_option {
	const char *name;     /* long option; null = a key only */
	const char *argument; /* what it takes, for help; null = nothing */
	const char *key;      /* in files and --set; null = on the command line only */
	enum option_type type;
	char letter; /* short option; 0 = none */
	struct value_range range;
	const char *default_text; /* null = none, or what the layer that obeys it says */
	size_t offset;            /* in struct config */
	size_t bytes;             /* of the field there */
	size_t count_offset;      /* of a list: where its length is */
	const char *text;         /* one line: what it means */
};

/* Ended by a row without name and key. */
extern const struct config_option config_options[];

/* The row with this key, or null. */
const struct config_option *option_find_key(const char *key);

/* True when keys below this one exist ("flow.timeout"). */
bool option_is_group(const char *group);

/* " (did you mean 'flow.timeout.established'?)" or an empty text. Returns text. */
const char *option_suggest_key(const char *key, char *text, size_t text_bytes);

/* Stores a value (lists: one more). False with *problem when it is none of the row's type, or out of range. */
bool option_set(const struct config_option *option, struct config *config, const char *text, struct error *problem);

/* Empties a list, so that one source of values replaces another; nothing for the other types. */
void option_clear(const struct config_option *option, struct config *config);

#define OPTION_TEXT_BYTES 128

/* The value in *config as option_set reads it; lists and null strings give an empty text. Returns text. */
const char *option_format(const struct config_option *option, const struct config *config,
			  char text[static OPTION_TEXT_BYTES]);
