/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>

#include "mistakes.h"
#include "value.h"
#include "yaml_tree.h"

/*
 * Every key that may stand in a rule file, group by group: the reader and the manual page follow from these tables.
 * A detector's parameters are in its own table.
 */
enum rule_key_type {
	RULE_KEY_DETECTOR = 0,
	RULE_KEY_FLAG,
	RULE_KEY_NUMBER,
	RULE_KEY_TEXT,
	RULE_KEY_MITRE,
	RULE_KEY_PARAMETERS,
	RULE_KEY_OVERRIDES,
	RULE_KEY_ALLOW,
	RULE_KEY_QUIET,
	RULE_KEY_SEVERITY_MAP,
	RULE_KEY_SETS,
	RULE_KEY_ADDRESS, /* a list of addresses and names of sets */
	RULE_KEY_PREFIX,  /* a list of prefixes and names of sets */
	RULE_KEY_SET,     /* a list of names of sets */
	RULE_KEY_PORT,
	RULE_KEY_PARTIES, /* a list of addresses, prefixes, names of sets, and groups of the keys of enum party */
	RULE_KEY_DAYS,
	RULE_KEY_TIME,
	RULE_KEY_UTC_OFFSET,
};

struct rule_key {
	const char *name;
	enum rule_key_type type;
	size_t offset; /* of a flag, number or text: in struct rule, or rule_override */
	size_t bytes;
	struct value_range range; /* of a number */
	const char *values;       /* what may stand there, for the manual: "1 to 3" */
	const char *text;         /* what it means, sentences for the manual */
};

struct rule_key_group {
	const char *name; /* as the manual and messages call it: "entry of overrides" */
	const struct rule_key *keys;
	size_t n_keys;
};

extern const struct rule_key_group rule_keys;     /* of a rule */
extern const struct rule_key_group mitre_keys;    /* below mitre */
extern const struct rule_key_group override_keys; /* of an entry below overrides */
extern const struct rule_key_group party_keys;    /* of an entry in a list of targets or sources */
extern const struct rule_key_group allow_keys;    /* below allow */
extern const struct rule_key_group quiet_keys;    /* of an entry below quiet */

/* The key that names node in this group; or null, and a mistake with a suggestion is added. */
const struct rule_key *rule_key_of(const struct rule_key_group *group, const struct yaml_node *node,
				   struct mistakes *mistakes);

/* True for a scalar with a value; else a mistake is added. name is what it is called, node->key may be null. */
bool rule_node_is_value(const struct yaml_node *node, const char *name, struct mistakes *mistakes);

/* True for a group of keys, or for a list; else a mistake is added. */
bool rule_node_is_mapping(const struct yaml_node *node, const char *name, struct mistakes *mistakes);
bool rule_node_is_list(const struct yaml_node *node, const char *name, struct mistakes *mistakes);
