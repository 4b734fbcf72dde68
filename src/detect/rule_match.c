/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides which of many prefixes and ports is the most specific one for a key. Prefixes are sorted so that what holds
 * something stands before it; the longest that holds a key is then the last one not behind the key, or one of those
 * that hold that one in turn.
 */
#include "tcpwitness/detect/rule_match.h"

#include <assert.h>
#include <stdlib.h>

#define NONE SIZE_MAX

/* The rows of one prefix: those with ports by port, without overlaps, then perhaps one without. */
struct group {
	struct ip_prefix prefix;
	size_t parent; /* the next shorter prefix that holds this one; NONE = there is none */
	size_t first;  /* row with ports */
	size_t n_ported;
	int portless; /* value of the row without ports; -1 = there is none */
};

struct rule_matcher {
	size_t n_rows;
	struct rule_match_row *rows;
	size_t n_groups;
	struct group *groups; /* that of every address is the first, if there is one */
};

/* The order of the rows: as they were given where all else is equal, so that clashes are told the same way always. */
struct numbered_row {
	struct rule_match_row row;
	size_t number;
};

static int by_place(const void *a, const void *b)
{
	const struct numbered_row *x = a;
	const struct numbered_row *y = b;
	int order = ip_prefix_compare(&x->row.prefix, &y->row.prefix);

	if (order != 0)
		return order;
	if (x->row.has_ports != y->row.has_ports)
		return x->row.has_ports ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

static bool overlap(const struct rule_match_row *a, const struct rule_match_row *b)
{
	return a->port_first <= b->port_last && b->port_first <= a->port_last;
}

/*
 * Puts a row with ports among those of its group, by port. Ports that are taken already stay as they are: the row fills
 * the gaps between them. Every row begins at the first port of a row given or behind the last of one, so twice the rows
 * given are enough.
 */
static void insert_ports(struct rule_matcher *matcher, struct group *group, struct rule_match_row row,
			 rule_match_clash *clash, void *context)
{
	struct rule_match_row *rows = matcher->rows + group->first;
	uint32_t next = row.port_first;
	uint32_t last = row.port_last;
	size_t i = 0;

	while (next <= last) {
		while (i < group->n_ported && rows[i].port_last < next)
			i++;
		if (i < group->n_ported && rows[i].port_first <= next) { /* taken */
			if (rows[i].value != row.value && clash != NULL)
				clash(context, &rows[i], &row);
			next = rows[i].port_last + 1u;
			continue;
		}
		uint32_t gap_last = i < group->n_ported && rows[i].port_first <= last ? rows[i].port_first - 1u : last;

		for (size_t k = group->n_ported; k > i; k--)
			rows[k] = rows[k - 1];
		rows[i] = row;
		rows[i].port_first = (uint16_t)next;
		rows[i].port_last = (uint16_t)gap_last;
		group->n_ported++;
		matcher->n_rows++;
		next = gap_last + 1;
	}
}

static void insert_portless(struct group *group, const struct rule_match_row *row, rule_match_clash *clash,
			    void *context)
{
	struct rule_match_row kept = { .prefix = group->prefix };

	if (group->portless < 0) {
		group->portless = row->value;
		return;
	}
	kept.value = (uint16_t)group->portless;
	if (kept.value != row->value && clash != NULL)
		clash(context, &kept, row);
}

static size_t find_parent(const struct rule_matcher *matcher, size_t before, const struct ip_prefix *prefix)
{
	size_t i = before;

	while (i != NONE && !ip_prefix_holds(&matcher->groups[i].prefix, prefix))
		i = matcher->groups[i].parent;
	return i;
}

static void build(struct rule_matcher *matcher, const struct numbered_row *sorted, size_t n_rows,
		  rule_match_clash *clash, void *context)
{
	for (size_t i = 0; i < n_rows; i++) {
		const struct rule_match_row *row = &sorted[i].row;
		assert(matcher->groups != NULL);
		struct group *group = matcher->n_groups > 0 ? &matcher->groups[matcher->n_groups - 1] : NULL;

		if (group == NULL || ip_prefix_compare(&group->prefix, &row->prefix) != 0) {
			size_t before = matcher->n_groups > 0 ? matcher->n_groups - 1 : NONE;

			group = &matcher->groups[matcher->n_groups++];
			*group = (struct group){
				.prefix = row->prefix,
				.parent = find_parent(matcher, before, &row->prefix),
				.first = matcher->n_rows,
				.portless = -1,
			};
		}
		if (row->has_ports)
			insert_ports(matcher, group, *row, clash, context);
		else
			insert_portless(group, row, clash, context);
	}
}

struct rule_matcher *rule_matcher_create(const struct rule_match_row *rows, size_t n_rows, rule_match_clash *clash,
					 void *context)
{
	struct rule_matcher *matcher = calloc(1, sizeof(*matcher));
	struct numbered_row *sorted = calloc(n_rows + 1, sizeof(*sorted));

	if (matcher != NULL && sorted != NULL) {
		matcher->rows = calloc(2 * n_rows + 1, sizeof(*matcher->rows));
		matcher->groups = calloc(n_rows + 1, sizeof(*matcher->groups));
	}
	if (matcher == NULL || sorted == NULL || matcher->rows == NULL || matcher->groups == NULL) {
		rule_matcher_destroy(matcher);
		free(sorted);
		return NULL;
	}
	for (size_t i = 0; i < n_rows; i++)
		sorted[i] = (struct numbered_row){ .row = rows[i], .number = i };
	qsort(sorted, n_rows, sizeof(*sorted), by_place);
	build(matcher, sorted, n_rows, clash, context);
	free(sorted);
	return matcher;
}

void rule_matcher_destroy(struct rule_matcher *matcher)
{
	if (matcher == NULL)
		return;
	free(matcher->rows);
	free(matcher->groups);
	free(matcher);
}

static int find_in_group(const struct rule_matcher *matcher, const struct group *group,
			 const struct rule_match_key *key)
{
	size_t low = group->first;
	size_t high = group->first + group->n_ported; /* the row, if any, is in [low, high) */

	while (key->has_port && low < high) {
		size_t middle = low + (high - low) / 2;
		const struct rule_match_row *row = &matcher->rows[middle];

		if (key->port < row->port_first)
			high = middle;
		else if (key->port > row->port_last)
			low = middle + 1;
		else
			return row->value;
	}
	return group->portless;
}

/* The group of the longest prefix that holds this one, which may be its own; NONE = there is none. */
static size_t find_group(const struct rule_matcher *matcher, const struct ip_prefix *prefix)
{
	size_t low = 0;
	size_t high = matcher->n_groups; /* the first group behind prefix is in [low, high] */

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ip_prefix_compare(&matcher->groups[middle].prefix, prefix) > 0)
			high = middle;
		else
			low = middle + 1;
	}
	return find_parent(matcher, low > 0 ? low - 1 : NONE, prefix);
}

/* That of the rows without address, or null. */
static const struct group *everybody(const struct rule_matcher *matcher)
{
	return matcher->n_groups > 0 && matcher->groups[0].prefix.ip.version == 0 ? &matcher->groups[0] : NULL;
}

int rule_matcher_find(const struct rule_matcher *matcher, const struct rule_match_key *key)
{
	if (matcher == NULL)
		return -1;
	for (size_t i = find_group(matcher, &key->prefix); i != NONE; i = matcher->groups[i].parent) {
		int value = find_in_group(matcher, &matcher->groups[i], key);
		if (value >= 0)
			return value;
	}
	return everybody(matcher) != NULL ? find_in_group(matcher, everybody(matcher), key) : -1;
}

/* A row of another value in this group that would answer for some port of row. */
static bool group_answers(const struct rule_matcher *matcher, const struct group *group,
			  const struct rule_match_row *row)
{
	if (group->portless >= 0 && group->portless != row->value)
		return true;
	for (size_t i = group->first; row->has_ports && i < group->first + group->n_ported; i++)
		if (matcher->rows[i].value != row->value && overlap(&matcher->rows[i], row))
			return true;
	return false;
}

bool rule_matcher_covers(const struct rule_matcher *matcher, const struct rule_match_row *row)
{
	for (size_t i = find_group(matcher, &row->prefix); i != NONE; i = matcher->groups[i].parent)
		if (group_answers(matcher, &matcher->groups[i], row))
			return true;
	return row->prefix.ip.version != 0 && everybody(matcher) != NULL &&
	       group_answers(matcher, everybody(matcher), row);
}
