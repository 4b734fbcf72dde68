/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* How much a running count grew of late: over the last RECENT_SLOTS slots, the present one included. */
enum { RECENT_SLOTS = 10 };

struct recent {
	uint64_t looked_ns;           /* when it was looked at last; 0 = never */
	uint64_t began[RECENT_SLOTS]; /* what it was when slots began, by number */
	uint64_t seen;                /* what it was at the last look */
};

/*
 * total: the count at now_ns, of what is counted since since_ns. To be asked about once a tick, or once a second: what
 * was counted between is taken to have come evenly. What was counted before the first time is recent if all of it may
 * be.
 */
uint64_t recent_count(struct recent *recent, uint64_t total, uint64_t since_ns, uint64_t slot_ns, uint64_t now_ns);

/*
 * The same of what as a rule is never counted, and asked about whenever another recent is, which was looked at
 * looked_ns before (0 = never). Until it is counted nothing of recent is read. *is_begun: the caller's, false before
 * the first time.
 */
static inline uint64_t recent_count_rare(struct recent *recent, bool *is_begun, uint64_t looked_ns, uint64_t total,
					 uint64_t since_ns, uint64_t slot_ns, uint64_t now_ns)
{
	if (!*is_begun) {
		if (total == 0)
			return 0;
		recent->looked_ns = looked_ns;
		*is_begun = true;
	}
	return recent_count(recent, total, since_ns, slot_ns, now_ns);
}

/* It is asked about, and its total is 0, as it always was. */
static inline void recent_look(struct recent *recent, uint64_t now_ns)
{
	recent->looked_ns = now_ns > recent->looked_ns ? now_ns : recent->looked_ns;
}
