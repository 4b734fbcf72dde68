/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The mergeable value per key that design 1.7 asks for: its sums, cohorts and ages. It decides nothing; the detectors
 * do. Who took part is in summary_crowd.c.
 */
#include "summary.h"

#include <assert.h>
#include <string.h>

#include "port_use.h"

static uint64_t difference(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

void summary_begin_slot(struct summary_slot *slot, uint64_t number)
{
	memset(slot, 0, sizeof(*slot));
	slot->number = number;
}

void summary_count_age(struct summary *summary, enum summary_gauge gauge, int change, uint64_t since_ns)
{
	if (summary->ages == NULL)
		return;

	uint64_t number = since_ns / SUMMARY_AGE_NS;
	struct summary_age *age = &summary->ages->buckets[number % SUMMARY_AGES];
	if (number > age->number)
		*age = (struct summary_age){ .number = number };
	if (number == age->number)
		age->counts[gauge] += change;
}

/* All that began, began within one slot: then the totals are that slot. */
static struct summary_slot only_slot(const struct summary *summary)
{
	struct summary_slot slot = { .number = summary->since_ns / SUMMARY_SLOT_NS };

	for (int k = 0; k < SUMMARY_COHORT_COUNTERS; k++)
		slot.counts[k] = summary->totals[k] > UINT32_MAX ? UINT32_MAX : (uint32_t)summary->totals[k];
	return slot;
}

static void slot_merge(struct summary_slot *into, const struct summary_slot *from)
{
	if (from->number < into->number)
		return;
	if (from->number > into->number) {
		*into = *from;
		return;
	}
	for (int k = 0; k < SUMMARY_COHORT_COUNTERS; k++)
		into->counts[k] = summary_add_saturated(into->counts[k], from->counts[k]);
}

void summary_begin_slots(struct summary *summary, struct summary_slot *slots)
{
	const struct summary_slot first = only_slot(summary);

	memset(slots, 0, SUMMARY_SLOTS * sizeof(*slots));
	slots[first.number % SUMMARY_SLOTS] = first;
	summary->slots = slots;
}

static uint64_t gauge_by_totals(const struct summary *summary, enum summary_gauge gauge)
{
	const uint64_t *totals = summary->totals;

	switch (gauge) {
	case GAUGE_UNSPOKEN:
		return difference(totals[SUMMARY_COMPLETED], totals[SUMMARY_SPOKEN] + totals[SUMMARY_CLOSED_UNSPOKEN]);
	case GAUGE_STALLED:
		return difference(totals[SUMMARY_STALLED], totals[SUMMARY_STALLED_OVER]);
	case GAUGE_CLOSE_WAIT:
		return difference(totals[SUMMARY_CLOSE_WAIT], totals[SUMMARY_CLOSE_WAIT_OVER]);
	case GAUGE_FIN_WAIT_2:
		return difference(totals[SUMMARY_FIN_WAIT_2], totals[SUMMARY_FIN_WAIT_2_OVER]);
	case GAUGE_LAST_ACK:
		return difference(totals[SUMMARY_LAST_ACK], totals[SUMMARY_LAST_ACK_OVER]);
	case SUMMARY_GAUGES:
		break;
	}
	return 0;
}

void summary_begin_ages(struct summary *summary, struct summary_ages *ages)
{
	memset(ages, 0, sizeof(*ages));
	summary->ages = ages;
	for (int gauge = 0; gauge < SUMMARY_GAUGES; gauge++) {
		int now = (int)gauge_by_totals(summary, (enum summary_gauge)gauge);
		if (now > 0)
			summary_count_age(summary, (enum summary_gauge)gauge, now, summary->since_ns);
	}
}

static void add_slot(const struct summary_slot *slot, uint64_t counts[static SUMMARY_COHORT_COUNTERS])
{
	for (int k = 0; k < SUMMARY_COHORT_COUNTERS; k++)
		counts[k] += slot->counts[k];
}

/*
 * Counters are added four at a time, as processors do; the last four begin among those before, so that they end with
 * the last counter. Sums of a few slots fit into words as long as no counter is above MOST_ADDED.
 */
enum { FOURS = (SUMMARY_COHORT_COUNTERS + 3) / 4, LAST_FOUR = SUMMARY_COHORT_COUNTERS - 4 };
typedef uint32_t four_words __attribute__((vector_size(4 * sizeof(uint32_t))));
#define MOST_ADDED (UINT32_MAX / SUMMARY_SLOTS)

static int first_of_four(int four)
{
	return four < FOURS - 1 ? 4 * four : LAST_FOUR;
}

/*
 * Of n_slots from first on, SUMMARY_SLOTS at most: those are where their numbers say. Detectors ask often, mostly for a
 * few slots in which little happened. False: a counter is too large, and nothing is summed.
 */
static bool sum_fours(const struct summary_slot *slots, uint64_t first, uint64_t n_slots,
		      uint64_t counts[static SUMMARY_COHORT_COUNTERS], bool *is_any)
{
	four_words sums[FOURS] = { { 0 } };
	four_words bits = { 0 };

	for (uint64_t i = 0; i < n_slots; i++) {
		const struct summary_slot *slot = &slots[(first + i) % SUMMARY_SLOTS];
		if (slot->number != first + i)
			continue;
		for (int k = 0; k < FOURS; k++) {
			four_words four;
			memcpy(&four, &slot->counts[first_of_four(k)], sizeof(four));
			sums[k] += four;
			bits |= four;
		}
		*is_any = true;
	}
	if ((bits[0] | bits[1] | bits[2] | bits[3]) > MOST_ADDED)
		return false;
	for (int k = 0; k < FOURS; k++)
		for (int i = 0; i < 4; i++)
			counts[first_of_four(k) + i] = sums[k][i];
	return true;
}

bool summary_sum(const struct summary *summary, uint64_t first, uint64_t last,
		 uint64_t counts[static SUMMARY_COHORT_COUNTERS])
{
	bool is_any = false;

	if (summary->slots != NULL && last - first < SUMMARY_SLOTS &&
	    sum_fours(summary->slots, first, last - first + 1, counts, &is_any))
		return is_any;
	memset(counts, 0, SUMMARY_COHORT_COUNTERS * sizeof(*counts));
	if (summary->slots == NULL) {
		uint64_t number = summary->since_ns / SUMMARY_SLOT_NS;
		if (number < first || number > last)
			return false;
		const struct summary_slot slot = only_slot(summary);
		add_slot(&slot, counts);
		return true;
	}
	for (int i = 0; i < SUMMARY_SLOTS; i++) {
		if (summary->slots[i].number < first || summary->slots[i].number > last)
			continue;
		add_slot(&summary->slots[i], counts);
		is_any = true;
	}
	return is_any;
}

uint64_t summary_cohort(const struct summary *summary, enum summary_counter counter, uint64_t slot)
{
	assert(counter < SUMMARY_COHORT_COUNTERS);
	if (summary->slots != NULL) {
		const struct summary_slot *known = &summary->slots[slot % SUMMARY_SLOTS];
		return known->number == slot ? known->counts[counter] : 0;
	}
	if (summary->since_ns / SUMMARY_SLOT_NS != slot)
		return 0;
	return summary->totals[counter] < UINT32_MAX ? summary->totals[counter] : UINT32_MAX;
}

uint64_t summary_half_open(const struct summary *summary)
{
	return difference(summary->totals[SUMMARY_ANSWERED], summary->totals[SUMMARY_HALF_OPEN_ENDED]);
}

uint64_t summary_incomplete(const uint64_t counts[static SUMMARY_COHORT_COUNTERS])
{
	return difference(counts[SUMMARY_ATTEMPTS],
			  counts[SUMMARY_COMPLETED] + counts[SUMMARY_REFUSED] + counts[SUMMARY_UNREACHABLE]);
}

uint64_t summary_gauge(const struct summary *summary, enum summary_gauge gauge)
{
	return gauge_by_totals(summary, gauge);
}

/* Of n that began within one bucket of ages, evenly: as many as began at since_ns or later, rather one too many. */
static int64_t young_part(int64_t n, uint64_t since_ns)
{
	int64_t young_ms = (int64_t)((SUMMARY_AGE_NS - since_ns % SUMMARY_AGE_NS) / NS_PER_MS);
	int64_t whole_ms = (int64_t)(SUMMARY_AGE_NS / NS_PER_MS);

	return n <= 0 ? n : (n * young_ms + whole_ms - 1) / whole_ms;
}

uint64_t summary_old_gauge(const struct summary *summary, enum summary_gauge gauge, uint64_t since_ns)
{
	uint64_t all = gauge_by_totals(summary, gauge);
	int64_t young = 0;

	if (all == 0)
		return 0;
	if (summary->ages == NULL)
		return summary->since_ns / SUMMARY_AGE_NS < since_ns / SUMMARY_AGE_NS ? all : 0;
	for (int i = 0; i < SUMMARY_AGES; i++) {
		const struct summary_age *age = &summary->ages->buckets[i];
		int64_t n = age->counts[gauge];
		if (age->number > since_ns / SUMMARY_AGE_NS)
			young += n;
		else if (age->number == since_ns / SUMMARY_AGE_NS)
			young += young_part(n, since_ns);
	}
	return difference(all, young > 0 ? (uint64_t)young : 0);
}

unsigned summary_rtt_bucket(uint64_t took_ns)
{
	uint64_t times = took_ns / (128 * NS_PER_US);
	unsigned bucket = times == 0 ? 0 : 64 - (unsigned)__builtin_clzll(times);

	return bucket < SUMMARY_RTT_BUCKETS ? bucket : SUMMARY_RTT_BUCKETS - 1;
}

void summary_count_rtt(struct summary *summary, unsigned bucket)
{
	summary->handshakes[bucket] = summary_add_saturated(summary->handshakes[bucket], 1);
}

static void age_merge(struct summary_age *into, const struct summary_age *from)
{
	if (from->number < into->number)
		return;
	if (from->number > into->number)
		*into = (struct summary_age){ .number = from->number };
	for (int gauge = 0; gauge < SUMMARY_GAUGES; gauge++)
		into->counts[gauge] += from->counts[gauge];
}

static void ages_merge(struct summary_ages *into, const struct summary_ages *from)
{
	for (int i = 0; i < SUMMARY_AGES; i++)
		age_merge(&into->buckets[i], &from->buckets[i]);
}

static void parts_merge(struct summary *into, const struct summary *from)
{
	if (into->slots != NULL && from->slots != NULL) {
		for (int i = 0; i < SUMMARY_SLOTS; i++)
			slot_merge(&into->slots[i], &from->slots[i]);
	} else if (into->slots != NULL) {
		const struct summary_slot slot = only_slot(from);
		slot_merge(&into->slots[slot.number % SUMMARY_SLOTS], &slot);
	}
	if (into->ages != NULL && from->ages != NULL) {
		ages_merge(into->ages, from->ages);
	} else if (into->ages != NULL) {
		struct summary copy = *from;
		struct summary_ages ages;
		summary_begin_ages(&copy, &ages);
		ages_merge(into->ages, &ages);
	}
	if (into->held != NULL && from->held != NULL)
		summary_held_merge(into->held, from->held);
	for (int kind = 0; kind < SUMMARY_CROWDS; kind++) {
		if (into->crowds[kind] == NULL || from->crowds[kind] == NULL)
			continue;
		for (int i = 0; i < 2; i++)
			summary_crowd_merge(&into->crowds[kind]->spans[i], &from->crowds[kind]->spans[i]);
	}
	if (into->ports != NULL && from->ports != NULL)
		port_use_merge(into->ports, from->ports);
}

void summary_merge(struct summary *into, const struct summary *from)
{
	parts_merge(into, from);
	if (into->since_ns == 0 || (from->since_ns != 0 && from->since_ns < into->since_ns))
		into->since_ns = from->since_ns;
	if (from->latest_ns > into->latest_ns)
		into->latest_ns = from->latest_ns;
	summary_add_recent(into, &from->recent);
	for (int k = 0; k < SUMMARY_COUNTERS; k++)
		into->totals[k] += from->totals[k];
	for (int i = 0; i < SUMMARY_RTT_BUCKETS; i++)
		into->handshakes[i] = summary_add_saturated(into->handshakes[i], from->handshakes[i]);
}
