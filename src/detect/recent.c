/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Running counts over a sliding time: a ring of what they were when each slot began.
 */
#include "recent.h"

#include "tcpwitness/base/units.h"

/* Keys to which little happens are looked at so seldom at most. */
#define LOOKS_NS NS_PER_SEC

/* Nothing was counted since the oldest slot began: as a rule, for most of what is counted is seldom. */
static bool is_quiet(const struct recent *recent, uint64_t total)
{
	uint64_t differences = recent->seen ^ total;

	if (recent->began[0] != total)
		return false;
	for (unsigned i = 1; i < RECENT_SLOTS; i++)
		differences |= recent->began[i] ^ total;
	return differences == 0;
}

static void begin(struct recent *recent, uint64_t total, uint64_t since_ns, uint64_t slot_ns, uint64_t now_ns)
{
	uint64_t before = ns_since(now_ns, since_ns) < RECENT_SLOTS * slot_ns ? 0 : total;

	for (unsigned i = 0; i < RECENT_SLOTS; i++)
		recent->began[i] = before;
	recent->looked_ns = now_ns;
	recent->seen = before;
}

uint64_t recent_count(struct recent *recent, uint64_t total, uint64_t since_ns, uint64_t slot_ns, uint64_t now_ns)
{
	if (recent->looked_ns < slot_ns)
		begin(recent, total, since_ns, slot_ns, now_ns);
	if (is_quiet(recent, total)) {
		recent->looked_ns = now_ns > recent->looked_ns ? now_ns : recent->looked_ns;
		return 0;
	}

	uint64_t before = recent->looked_ns / slot_ns;
	uint64_t slot = now_ns / slot_ns;
	uint64_t n_new = slot > before ? slot - before : 0;
	bool is_brief = n_new > 1 && n_new * slot_ns <= LOOKS_NS + slot_ns && total > recent->seen;
	for (uint64_t i = 1; i <= n_new && i <= RECENT_SLOTS; i++) {
		/* What came between two looks, came evenly; but over a long silence, at its end. */
		uint64_t later = is_brief ? (total - recent->seen) * (n_new - i) / n_new : 0;
		recent->began[(before + i) % RECENT_SLOTS] = total - later;
	}
	recent->looked_ns = now_ns > recent->looked_ns ? now_ns : recent->looked_ns;
	recent->seen = total;
	/* After more slots than there are, each holds the same, wherever the next one begins. */
	uint64_t oldest = recent->began[(before + n_new + 1) % RECENT_SLOTS];
	return total > oldest ? total - oldest : 0;
}
