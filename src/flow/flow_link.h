/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

/*
 * What a flow table keeps of each flow beside the flow itself: where it stands. Links are named by their slot, their
 * number in the table's array; slot 0 is never a flow: as a link it means "none".
 */
enum { NO_SLOT = 0 };

struct flow_link {
	uint64_t hash;
	uint64_t touched_ns; /* as in struct flow */
	uint32_t hash_next;  /* in its chain; of a free slot, the next free one */
	uint32_t class_next; /* in the queue of its class */
	uint32_t class_prev;
	uint32_t body; /* where it is at rest; 0 = it is open and has none yet, or the slot is free */
};

_Static_assert(sizeof(struct flow_link) == 32, "two links share a cache line");
