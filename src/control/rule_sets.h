/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>

#include "mistakes.h"
#include "tcpwitness/base/ip_prefix.h"
#include "yaml_tree.h"

/*
 * Named sets of addresses, from all rule files together. They are told by name, and read when all are known, so their
 * order does not matter.
 */
struct rule_sets;

enum { RULE_SET_MAX_PREFIXES = 65536 };

/* Prefixes in the order in which they were met. */
struct prefix_list {
	struct ip_prefix *prefixes;
	size_t n;
	size_t capacity;
};

/* What may stand in a list of addresses; a set of bits. */
enum address_form {
	ADDRESS_FORM_HOST = 1,
	ADDRESS_FORM_PREFIX = 2, /* a host is one, too */
	ADDRESS_FORM_SET = 4,
	ADDRESS_FORM_ANY = 7,
};

/* Null when memory is short. */
struct rule_sets *rule_sets_create(void);
void rule_sets_destroy(struct rule_sets *sets);

/*
 * Takes the sets of one "sets" group. A set of another file that has the name already is replaced. node and mistakes
 * are borrowed until rule_sets_resolve is over.
 */
void rule_sets_collect(struct rule_sets *sets, const struct yaml_node *node, struct mistakes *mistakes);

/* Resolves all sets, used or not, and adds the mistakes in them. */
void rule_sets_resolve(struct rule_sets *sets);

/*
 * Appends what one scalar stands for: an address, a prefix, or a resolved set. False with a mistake, which begins with
 * name, when it is none of the allowed forms.
 */
bool rule_sets_append(const struct rule_sets *sets, const struct yaml_node *scalar, const char *name, unsigned forms,
		      struct prefix_list *list, struct mistakes *mistakes);

void prefix_list_free(struct prefix_list *list);
