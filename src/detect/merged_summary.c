/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One value for a key, from all tables that know something of it.
 */
#include "merged_summary.h"

#include <string.h>

static void begin(struct merged_summary *merged, enum summary_kind kind)
{
	memset(&merged->summary, 0, sizeof(merged->summary));
	if (!summary_kind_has_slots(kind))
		return;
	memset(merged->slots, 0, sizeof(merged->slots));
	merged->summary.slots = merged->slots;
}

struct summary_crowds *merged_summary_begin_crowds(struct merged_summary *merged, enum summary_crowd_kind kind)
{
	struct summary_crowds *crowds = &merged->crowds[kind];

	memset(crowds, 0, sizeof(*crowds));
	for (int i = 0; i < 2; i++)
		summary_crowd_give_room(&crowds->spans[i], &merged->rooms[kind][i]);
	return crowds;
}

/* Parts that none of them has are left out, as one table alone would. */
static void add_parts(struct merged_summary *merged, const struct summary *from)
{
	struct summary *into = &merged->summary;

	if (from->ages != NULL && into->ages == NULL) {
		memset(&merged->ages, 0, sizeof(merged->ages));
		into->ages = &merged->ages;
	}
	if (from->held != NULL && into->held == NULL) {
		memset(&merged->held, 0, sizeof(merged->held));
		into->held = &merged->held;
	}
	for (int kind = 0; kind < SUMMARY_CROWDS; kind++) {
		if (from->crowds[kind] == NULL || into->crowds[kind] != NULL)
			continue;
		into->crowds[kind] = merged_summary_begin_crowds(merged, (enum summary_crowd_kind)kind);
	}
	if (from->ports != NULL && into->ports == NULL) {
		memset(&merged->ports, 0, sizeof(merged->ports));
		merged->ports.since_ns = UINT64_MAX;
		into->ports = &merged->ports;
	}
}

const struct summary *merged_summary_of(struct merged_summary *merged, const struct summary_set *set,
					const struct summary_key *key)
{
	size_t n = summary_set_layers(set);
	bool is_known = false;

	if (n == 1) {
		const struct summary_record *record = summary_table_find(summary_set_table(set, 0, key), key);
		return record == NULL ? NULL : &record->summary;
	}
	begin(merged, (enum summary_kind)key->kind);
	/* All parts first: a table without one adds to it what its totals say. */
	for (size_t i = 0; i < n; i++) {
		const struct summary_record *record = summary_table_find(summary_set_table(set, i, key), key);
		if (record != NULL)
			add_parts(merged, &record->summary);
	}
	for (size_t i = 0; i < n; i++) {
		const struct summary_record *record = summary_table_find(summary_set_table(set, i, key), key);
		if (record == NULL)
			continue;
		is_known = true;
		summary_merge(&merged->summary, &record->summary);
	}
	return is_known ? &merged->summary : NULL;
}
