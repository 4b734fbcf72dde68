/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The order in which the flows that are left at the end of a run are written. A merge sort from the bottom up, because
 * the end of a run may not need memory that the start did not set aside. Slots are given out in the order of first
 * packets, so the links are one ascending run until slots are reused, and then mostly long ones.
 */
#include "flow_sort.h"

static uint64_t key_of(const struct flow_link *link)
{
	return (uint64_t)link->class_prev << 32 | link->hash_next;
}

void flow_sort_set_key(struct flow_link *link, uint64_t key)
{
	link->class_prev = (uint32_t)(key >> 32);
	link->hash_next = (uint32_t)key;
}

/* Bin i holds a list made of 2^i runs. Slots are 32-bit numbers, so there are fewer than 2^32 runs. */
enum { N_BINS = 33 };

/* Both lists end with NO_SLOT; of equal ids that in a comes first. */
static uint32_t merge(struct flow_link *links, uint32_t a, uint32_t b)
{
	uint32_t merged = NO_SLOT;
	uint32_t *link = &merged;

	while (a != NO_SLOT && b != NO_SLOT) {
		uint32_t *first = key_of(&links[b]) < key_of(&links[a]) ? &b : &a;
		*link = *first;
		link = &links[*first].class_next;
		*first = *link;
	}
	*link = a != NO_SLOT ? a : b;
	return merged;
}

/* Links the ascending run that begins at *slot or later, and leaves *slot behind it. NO_SLOT when none is left. */
static uint32_t take_run(struct flow_link *links, uint32_t *slot, uint32_t end_slot)
{
	uint32_t head = NO_SLOT;
	uint32_t last = NO_SLOT;

	for (; *slot < end_slot; (*slot)++) {
		if (links[*slot].body == 0)
			continue;
		if (last != NO_SLOT && key_of(&links[*slot]) < key_of(&links[last]))
			break;
		if (last != NO_SLOT)
			links[last].class_next = *slot;
		else
			head = *slot;
		links[*slot].class_next = NO_SLOT;
		last = *slot;
	}
	return head;
}

uint32_t flow_sort(struct flow_link *links, uint32_t first_slot, uint32_t end_slot)
{
	uint32_t bins[N_BINS] = { NO_SLOT };
	uint32_t sorted = NO_SLOT;
	uint32_t slot = first_slot;
	uint32_t run;

	while ((run = take_run(links, &slot, end_slot)) != NO_SLOT) {
		unsigned bin = 0;
		for (; bins[bin] != NO_SLOT; bin++) {
			run = merge(links, bins[bin], run);
			bins[bin] = NO_SLOT;
		}
		bins[bin] = run;
	}
	/* Low bins hold what came last. */
	for (unsigned bin = 0; bin < N_BINS; bin++)
		sorted = merge(links, bins[bin], sorted);
	return sorted;
}
