/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "mistakes.h"
#include "rule_keys.h"
#include "rule_sets.h"
#include "tcpwitness/detect/detector.h"
#include "tcpwitness/detect/rule_exceptions.h"
#include "yaml_tree.h"

/* One rule while it is read, and what that needs. The parts of the reader, each in its own file, share it. */
struct rule_reader {
	const struct detector *detector;
	struct rule *rule;
	const struct rule_sets *sets; /* resolved */
	struct mistakes *mistakes;    /* of the file that is being read */
};

/* rule_values.c: a flag, number or text of the rule; object holds the field at key->offset. */
void rule_value_read(const struct rule_reader *reader, const struct rule_key *key, const struct yaml_node *node,
		     void *object);

/* The parameters below node into the detector's parameter struct. */
void rule_parameters_read(const struct rule_reader *reader, const struct yaml_node *node, void *params);

/* rule_parties.c */
struct match_rows {
	struct rule_match_row *rows;
	size_t n;
	size_t capacity;
};

/* Appends what the keys address, prefix, set and port of a mapping are about. False with a mistake. */
bool rule_whom_read(const struct rule_reader *reader, const struct yaml_node *mapping, uint16_t value,
		    struct match_rows *rows);

/*
 * The matcher of a list of targets or sources, or null with a mistake, unless the list is nothing but empty sets: then
 * it matches nobody.
 */
struct rule_matcher *rule_parties_read(const struct rule_reader *reader, const struct yaml_node *node,
				       const char *name);

/* rule_overrides.c, rule_quiet.c, rule_lists.c: each replaces what the rule had of it before. */
void rule_overrides_read(const struct rule_reader *reader, const struct yaml_node *node);
void rule_quiet_read(const struct rule_reader *reader, const struct yaml_node *node);
void rule_allow_read(const struct rule_reader *reader, const struct yaml_node *node);
void rule_severity_map_read(const struct rule_reader *reader, const struct yaml_node *node);

/* The rule's exceptions, made when there are none; null with a mistake when memory is short. */
struct rule_exceptions *rule_exceptions_of(const struct rule_reader *reader, const struct yaml_node *node);
