/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

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
