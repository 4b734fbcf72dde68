/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The order in which the flows that are left at the end of a run are written. A merge sort from the bottom up, because
 * the end of a run may not need memory that the start did not set aside. Slots are given out in the order of first
 * packets, so the slab is one ascending run until slots are reused, and then mostly long ones.
 */
#include "flow_sort.h"

/* Bin i holds a list made of 2^i runs. Slots are 32-bit numbers, so there are fewer than 2^32 runs. */
enum { N_BINS = 33 };

/* Both lists end with NO_SLOT; of equal ids that in a comes first. */
static uint32_t merge(struct flow *slab, uint32_t a, uint32_t b)
{
	uint32_t merged = NO_SLOT;
	uint32_t *link = &merged;

	while (a != NO_SLOT && b != NO_SLOT) {
		uint32_t *first = slab[b].id < slab[a].id ? &b : &a;
		*link = *first;
		link = &slab[*first].class_next;
		*first = *link;
	}
	*link = a != NO_SLOT ? a : b;
	return merged;
}

/* Links the ascending run that begins at *slot or later, and leaves *slot behind it. NO_SLOT when none is left. */
static uint32_t take_run(struct flow *slab, uint32_t *slot, uint32_t end_slot)
{
	uint32_t head = NO_SLOT;
	uint32_t last = NO_SLOT;

	for (; *slot < end_slot; (*slot)++) {
		if (slab[*slot].flow_class == FLOW_CLASS_FREE)
			continue;
		if (last != NO_SLOT && slab[*slot].id < slab[last].id)
			break;
		if (last != NO_SLOT)
			slab[last].class_next = *slot;
		else
			head = *slot;
		slab[*slot].class_next = NO_SLOT;
		last = *slot;
	}
	return head;
}

uint32_t flow_sort_by_id(struct flow *slab, uint32_t first_slot, uint32_t end_slot)
{
	uint32_t bins[N_BINS] = { NO_SLOT };
	uint32_t sorted = NO_SLOT;
	uint32_t slot = first_slot;
	uint32_t run;

	while ((run = take_run(slab, &slot, end_slot)) != NO_SLOT) {
		unsigned bin = 0;
		for (; bins[bin] != NO_SLOT; bin++) {
			run = merge(slab, bins[bin], run);
			bins[bin] = NO_SLOT;
		}
		bins[bin] = run;
	}
	/* Low bins hold what came last. */
	for (unsigned bin = 0; bin < N_BINS; bin++)
		sorted = merge(slab, bins[bin], sorted);
	return sorted;
}
