/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Running counts over a sliding time: a ring of what they were when each slot began.
 */
#include "recent.h"

#include "tcpwitness/base/units.h"

uint64_t recent_count(struct recent *recent, uint64_t total, uint64_t since_ns, uint64_t slot_ns, uint64_t now_ns)
{
	uint64_t slot = now_ns / slot_ns;

	if (recent->slot == 0) {
		uint64_t before = ns_since(now_ns, since_ns) < RECENT_SLOTS * slot_ns ? 0 : total;
		for (unsigned i = 0; i < RECENT_SLOTS; i++)
			recent->began[i] = before;
		recent->slot = slot;
	}
	uint64_t n_new = slot > recent->slot ? slot - recent->slot : 0;
	for (uint64_t i = 1; i <= n_new && i <= RECENT_SLOTS; i++)
		recent->began[(recent->slot + i) % RECENT_SLOTS] = total;
	recent->slot += n_new;
	/* After more slots than there are, each holds the same, wherever the next one begins. */
	uint64_t oldest = recent->began[(recent->slot + 1) % RECENT_SLOTS];
	return total > oldest ? total - oldest : 0;
}
