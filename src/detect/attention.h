/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "leavers.h"
#include "merged_summary.h"
#include "watch.h"

/*
 * Which keys become hot, how much is kept of them, and when they are no longer hot: decided once a tick over all
 * tables together.
 */
struct newcomer {
	struct summary_key key;
	uint32_t weight;
};

struct attention {
	struct watch_set *watches;     /* borrowed */
	const struct summary_set *set; /* borrowed */
	struct merged_summary *merged; /* borrowed: room for one */
	struct newcomer *newcomers;
	size_t newcomers_room;
	size_t n_newcomers;
	struct leavers leavers;
	bool is_short;      /* of crowds, all tables together or that of another sensor */
	uint64_t n_refused; /* that deserved attention, and there was no room */
};

/* -1 when memory is short. */
int attention_init(struct attention *attention, struct watch_set *watches, const struct summary_set *set,
		   struct merged_summary *merged, size_t memory_bytes);
void attention_fini(struct attention *attention);

/* Before the tick at tick_ns is judged: keys that deserve it since the last one become hot. */
void attention_adopt(struct attention *attention, uint64_t tick_ns);

/* After a hot key was judged: it gets more or less, or none any more; then the watch is no longer hot. */
void attention_renew(struct attention *attention, struct watch *watch, const struct summary *summary, uint64_t tick_ns);

/* The key is no longer hot; no incident about it is open. */
void attention_end(struct attention *attention, struct watch *watch, uint64_t tick_ns);
