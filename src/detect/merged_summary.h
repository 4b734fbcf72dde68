/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "port_use.h"
#include "summary.h"
#include "summary_set.h"

/* Room for what several tables know of one key together. */
struct merged_summary {
	struct summary summary;
	struct summary_slot slots[SUMMARY_SLOTS];
	struct summary_ages ages;
	struct summary_held held;
	struct summary_crowds crowds[SUMMARY_CROWDS];
	struct summary_crowd_room rooms[SUMMARY_CROWDS][2];
	struct port_use ports;
};

/* Those of that kind hold nobody, and have all the room that they may need. */
struct summary_crowds *merged_summary_begin_crowds(struct merged_summary *merged, enum summary_crowd_kind kind);

/*
 * What is known of the key: where there are no other sensors, its own record's, else a copy in *merged (null is allowed
 * where there are none) that holds until the next call with it. Null: nothing is.
 */
const struct summary *merged_summary_of(struct merged_summary *merged, const struct summary_set *set,
					const struct summary_key *key);
