/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many half-open connections a server keeps, by its own schedule of repeated SYN-ACKs: see summary.h.
 */
#include "summary.h"

#include <string.h>

static uint32_t *slot_of(struct summary_held *held, uint64_t number)
{
	return &held->ends[number % SUMMARY_HELD_SLOTS];
}

/* The slots that take the places of those that are forgotten begin empty. */
static void advance(struct summary_held *held, uint64_t now_ns)
{
	uint64_t now = now_ns / SUMMARY_SLOT_NS;
	uint64_t first = now > SUMMARY_HELD_PAST_SLOTS ? now - SUMMARY_HELD_PAST_SLOTS : 0;

	if (first <= held->first)
		return;
	if (first - held->first >= SUMMARY_HELD_SLOTS) {
		memset(held->ends, 0, sizeof(held->ends));
	} else {
		for (uint64_t number = held->first; number < first; number++)
			*slot_of(held, number) = 0;
	}
	held->first = first;
}

void summary_held_move(struct summary_held *held, uint64_t before_ns, uint64_t until_ns, uint64_t now_ns)
{
	advance(held, now_ns);

	uint64_t last = held->first + SUMMARY_HELD_SLOTS - 1;
	uint64_t before = before_ns / SUMMARY_SLOT_NS;
	uint64_t until = until_ns / SUMMARY_SLOT_NS;
	if (before > last)
		before = last;
	if (until > last)
		until = last;
	if (before_ns != 0 && before >= held->first && *slot_of(held, before) > 0)
		--*slot_of(held, before);
	if (until_ns != 0 && until >= held->first)
		++*slot_of(held, until);
}

uint64_t summary_held_at(const struct summary_held *held, uint64_t slot)
{
	uint64_t n_kept = 0;

	for (uint64_t number = slot + 1 > held->first ? slot + 1 : held->first;
	     number < held->first + SUMMARY_HELD_SLOTS; number++)
		n_kept += held->ends[number % SUMMARY_HELD_SLOTS];
	return n_kept;
}

void summary_held_merge(struct summary_held *into, const struct summary_held *from)
{
	advance(into, (from->first + SUMMARY_HELD_PAST_SLOTS) * SUMMARY_SLOT_NS);
	for (uint64_t number = into->first; number < from->first + SUMMARY_HELD_SLOTS; number++)
		*slot_of(into, number) += from->ends[number % SUMMARY_HELD_SLOTS];
}
