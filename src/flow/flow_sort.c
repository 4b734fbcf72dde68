/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The order in which the flows that are left at the end of a run are written. Slots are given out in the order of first
 * packets, so the links are one ascending run until slots are reused, and then mostly long ones.
 */
#include "flow_sort.h"

#include "list_sort.h"

static uint64_t key_of(const struct flow_link *link)
{
	return (uint64_t)link->class_prev << 32 | link->hash_next;
}

void flow_sort_set_key(struct flow_link *link, uint64_t key)
{
	link->class_prev = (uint32_t)(key >> 32);
	link->hash_next = (uint32_t)key;
}

static uint64_t key_at(const void *links, uint32_t slot)
{
	return key_of(&((const struct flow_link *)links)[slot]);
}

static uint32_t *next_at(void *links, uint32_t slot)
{
	return &((struct flow_link *)links)[slot].class_next;
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
	struct list_sort sort = { { NO_SLOT } };
	uint32_t slot = first_slot;
	uint32_t run;

	while ((run = take_run(links, &slot, end_slot)) != NO_SLOT)
		list_sort_add(&sort, links, key_at, next_at, run);
	return list_sort_end(&sort, links, key_at, next_at);
}
