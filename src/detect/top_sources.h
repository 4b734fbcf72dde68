/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tcpwitness/base/ip_addr.h"

/*
 * Space-Saving (Metwally, Agrawal, El Abbadi, 2005): the sources that were counted most, in fixed space. A source that
 * made more than total / TOP_SOURCES_SLOTS of the counts is in it for certain.
 */
enum { TOP_SOURCES_SLOTS = 16 };

struct top_source {
	struct ip_addr ip;
	uint32_t count;  /* at least its true count */
	uint32_t excess; /* at most so much too high */
};

struct top_sources {
	uint64_t total; /* of all counts */
	uint32_t tags[TOP_SOURCES_SLOTS];
	uint32_t n_slots;
	struct top_source slots[TOP_SOURCES_SLOTS];
};

void top_sources_clear(struct top_sources *top);

/* Counts one for ip; hash is any fixed hash of it. */
void top_sources_add(struct top_sources *top, const struct ip_addr *ip, uint64_t hash);

/*
 * Fills list with at most max sources, most first, whose count is certain to be at least min_share of the total.
 * share is the certain part: random sources that only pass through have none. Returns how many.
 */
struct top_source_share {
	struct ip_addr ip;
	double share; /* 0 .. 1 */
};
unsigned top_sources_list(const struct top_sources *top, double min_share, struct top_source_share *list, unsigned max);
