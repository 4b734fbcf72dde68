/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who sends most, after "Efficient Computation of Frequent and Top-k Elements in Data Streams" (2005). In a spoofed
 * flood every source is new and takes the place of another; what such a newcomer inherits is known (excess) and is
 * never shown as its own.
 */
#include "top_sources.h"

#include <string.h>

void top_sources_clear(struct top_sources *top)
{
	memset(top, 0, sizeof(*top));
}

static unsigned least_slot(const struct top_sources *top)
{
	unsigned least = 0;

	for (unsigned i = 1; i < top->n_slots; i++)
		if (top->slots[i].count < top->slots[least].count)
			least = i;
	return least;
}

void top_sources_add(struct top_sources *top, const struct ip_addr *ip, uint64_t hash)
{
	uint32_t tag = (uint32_t)hash;
	struct top_source *slot;

	top->total++;
	for (unsigned i = 0; i < top->n_slots; i++) {
		slot = &top->slots[i];
		if (top->tags[i] == tag && ip_addr_equal(&slot->ip, ip)) {
			if (slot->count < UINT32_MAX)
				slot->count++;
			return;
		}
	}

	unsigned place = top->n_slots < TOP_SOURCES_SLOTS ? top->n_slots++ : least_slot(top);
	slot = &top->slots[place];
	slot->excess = slot->count;
	if (slot->count < UINT32_MAX)
		slot->count++;
	slot->ip = *ip;
	top->tags[place] = tag;
}

static bool ranks_before(const struct top_source_share *a, const struct top_source_share *b)
{
	if (a->share > b->share)
		return true;
	return !(a->share < b->share) && ip_addr_compare(&a->ip, &b->ip) < 0;
}

unsigned top_sources_list(const struct top_sources *top, double min_share, struct top_source_share *list, unsigned max)
{
	unsigned n = 0;

	for (unsigned i = 0; i < top->n_slots; i++) {
		const struct top_source *slot = &top->slots[i];
		struct top_source_share entry = {
			.ip = slot->ip,
			.share = (double)(slot->count - slot->excess) / (double)top->total,
		};
		if (entry.share < min_share)
			continue;
		unsigned place = n;
		while (place > 0 && ranks_before(&entry, &list[place - 1]))
			place--;
		if (place == max)
			continue;
		if (n < max)
			n++;
		for (unsigned k = n - 1; k > place; k--)
			list[k] = list[k - 1];
		list[place] = entry;
	}
	return n;
}
