/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tcpwitness/base/ip_prefix.h"

/*
 * Addresses, prefixes and ports with a value each, looked up by the most specific: the longest prefix first, and of one
 * prefix the row with the port before the row without. Built once when rules are loaded; then a lookup takes a binary
 * search and a walk of at most one step for each length of prefix, and allocates nothing.
 */
struct rule_matcher;

/* A row without address is about every address, and less specific than the shortest prefix. */
struct rule_match_row {
	struct ip_prefix prefix; /* ip.version 0 = every address */
	bool has_ports;
	uint16_t port_first; /* both included */
	uint16_t port_last;
	uint16_t value;
};

/*
 * Two rows of the same prefix, with overlapping ports or both without, and of different values: which of them holds
 * is anybody's guess. The first given counts.
 */
typedef void rule_match_clash(void *context, const struct rule_match_row *kept, const struct rule_match_row *refused);

/* rows are copied. Null when memory is short. clash may be null. */
struct rule_matcher *rule_matcher_create(const struct rule_match_row *rows, size_t n_rows, rule_match_clash *clash,
					 void *context);
void rule_matcher_destroy(struct rule_matcher *matcher);

/* What is looked for: a host, or a prefix, which matches where a row holds the whole of it. */
struct rule_match_key {
	struct ip_prefix prefix; /* ip.version 0 = unknown: only rows without address match */
	bool has_port;           /* false: only rows without ports match */
	uint16_t port;
};

/* The value of the most specific row, or -1. A null matcher has no rows. */
int rule_matcher_find(const struct rule_matcher *matcher, const struct rule_match_key *key);

/* True when what row says would, without it, be said by a less specific row with another value. */
bool rule_matcher_covers(const struct rule_matcher *matcher, const struct rule_match_row *row);
