/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which keys of a table are offered for a closer look, which are to be judged soon, and what more is kept of them.
 */
#include "port_use.h"
#include "summary_table_internal.h"

/* --- attention --- */

void summary_table_offer(struct summary_table *table, struct summary_record *record, uint64_t now_ns)
{
	if (record->candidate != 0 || table->n_candidates == table->candidates_room)
		return;
	uint32_t lacks = summary_lacks_to_deserve(&record->summary, (enum summary_kind)record->key.kind, now_ns,
						  table->n_tables);
	if (lacks > 0) {
		record->n_calm = lacks - 1 < UINT16_MAX ? (uint16_t)(lacks - 1) : UINT16_MAX;
		return;
	}
	table->candidates[table->n_candidates++] = record;
	record->candidate = (uint16_t)table->n_candidates;
}

size_t summary_table_candidates(const struct summary_table *table, struct summary_record *const **candidates)
{
	*candidates = table->candidates;
	return table->n_candidates;
}

void summary_table_forget_candidates(struct summary_table *table)
{
	for (size_t i = 0; i < table->n_candidates; i++)
		if (table->candidates[i] != NULL)
			table->candidates[i]->candidate = 0;
	table->n_candidates = 0;
}

/* --- urgency --- */

void summary_table_add_urge(struct summary_table *table, struct summary_record *record, unsigned urge)
{
	if (record->urge <= UINT16_MAX - SUMMARY_URGENT)
		record->urge = (uint16_t)(record->urge + urge);
	if (record->urge < table->urgent_at || record->urgent != 0)
		return;
	if (table->n_urgent == table->candidates_room) {
		table->is_urgent_full = true;
		return;
	}
	table->urgent[table->n_urgent++] = record;
	record->urgent = (uint16_t)table->n_urgent;
}

bool summary_table_urgent(const struct summary_table *table, struct summary_record *const **urgent, size_t *n)
{
	*urgent = table->urgent;
	*n = table->n_urgent;
	return !table->is_urgent_full;
}

void summary_table_sift_urgent(struct summary_table *table)
{
	size_t n = 0;

	for (size_t i = 0; i < table->n_urgent; i++) {
		struct summary_record *record = table->urgent[i];
		if (record == NULL)
			continue;
		record->urgent = 0;
		if (record->urge == 0 || record->attention == ATTENTION_NONE)
			continue;
		table->urgent[n++] = record;
		record->urgent = (uint16_t)n;
	}
	table->n_urgent = n;
	table->is_urgent_full = false;
}

void summary_table_judged(struct summary_table *table, const struct summary_key *key)
{
	struct summary_record *record = summary_table_find(table, key);

	if (record != NULL)
		record->urge = 0;
}

/* --- attention, and what it brings --- */

static uint32_t still_so(uint64_t begun, uint64_t over)
{
	uint64_t n = begun > over ? begun - over : 0;

	return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

static void begin_ports(struct summary *summary, uint64_t now_ns)
{
	uint64_t since_ns = summary->since_ns != 0 ? summary->since_ns : now_ns;
	uint64_t begun = summary->totals[SUMMARY_COMPLETED] + summary->totals[SUMMARY_JOINED];

	port_use_begin(summary->ports, since_ns, now_ns, still_so(begun, summary->totals[SUMMARY_CLOSED]),
		       still_so(summary->totals[SUMMARY_TIME_WAIT], summary->totals[SUMMARY_TIME_WAIT_OVER]));
}

/* How a pair uses its ports is followed from now on, or no longer. */
static void attend_ports(struct summary_table *table, struct summary *summary, enum summary_attention attention,
			 uint64_t now_ns)
{
	if (attention == ATTENTION_NONE && summary->ports != NULL) {
		block_pool_give_back(&table->ports, summary->ports);
		summary->ports = NULL;
	} else if (attention != ATTENTION_NONE && summary->ports == NULL) {
		summary->ports = block_pool_take(&table->ports);
		if (summary->ports != NULL)
			begin_ports(summary, now_ns);
	}
}

struct summary_record *summary_table_attend(struct summary_table *table, const struct summary_key *key,
					    enum summary_attention attention, uint64_t now_ns)
{
	struct summary_record *record;

	if (key->kind == SUMMARY_SENSOR) {
		table->sensor.attention = (uint8_t)attention;
		return &table->sensor;
	}
	record = summary_table_find_or_create(table, key, attention > ATTENTION_NONE);
	if (record == NULL)
		return NULL;
	record->attention = (uint8_t)attention;
	record->n_calm = 0;
	if (attention == ATTENTION_NONE)
		record->urge = 0;
	if (attention < ATTENTION_CROWDS)
		summary_table_give_back_crowds(table, &record->summary);
	if (key->kind == SUMMARY_PAIR)
		attend_ports(table, &record->summary, attention, now_ns);
	bounded_table_touch(table->kinds[key->kind].entries, record, summary_table_worth(record));
	return record;
}

void summary_table_set_alarmed(struct summary_table *table, const struct summary_key *key, bool is_alarmed)
{
	struct summary_record *record = summary_table_find(table, key);

	if (record != NULL)
		record->is_alarmed = is_alarmed;
}
