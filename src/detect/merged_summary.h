/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "port_use.h"
#include "summary.h"
#include "summary_table.h"

/* Room for what several tables know of one key together. */
struct merged_summary {
	struct summary summary;
	struct summary_slot slots[SUMMARY_SLOTS];
	struct summary_ages ages;
	struct summary_held held;
	struct summary_crowds crowds[SUMMARY_CROWDS];
	struct port_use ports;
};

/*
 * What n tables know of the key: of one table its own record's, else a copy in *merged (null is allowed for one table)
 * that holds until the next call with it. Null: none knows anything.
 */
const struct summary *merged_summary_of(struct merged_summary *merged, struct summary_table *const *tables, size_t n,
					const struct summary_key *key);
