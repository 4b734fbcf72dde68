/* SPDX-License-Identifier: BSD-2-Clause */
#include "source_scene.h"

/* SYNs are repeated after a second; many of those that failed must have been, for some are given up before. */
#define RETRIED_SHARE 0.3

/* Attempts of others that are enough to say how the network does, and the share of them that should be answered. */
#define OUTAGE_MIN_OTHERS   20
#define OUTAGE_MAX_ANSWERED 0.3

/* Cohorts by age in slots: old enough to have their outcome, young enough to be now. */
enum { YOUNGEST_SLOT = 5, OLDEST_SLOT = 24 };

uint64_t source_failures(const struct summary *summary)
{
	const uint64_t *totals = summary->totals;

	return totals[SUMMARY_REFUSED] + totals[SUMMARY_UNREACHABLE] + totals[SUMMARY_UNANSWERED] +
	       totals[SUMMARY_STILL_HALF_OPEN] + totals[SUMMARY_CLIENT_RESET];
}

bool source_is_retried(const struct summary *summary)
{
	return summary->totals[SUMMARY_RETRIED] > 0 &&
	       (double)summary->totals[SUMMARY_RETRIED] >= RETRIED_SHARE * (double)source_failures(summary);
}

bool source_is_outage(const struct detect_scene *scene, uint64_t own_attempts)
{
	uint64_t counts[SUMMARY_COHORT_COUNTERS];
	uint64_t slot = scene->now_ns / SUMMARY_SLOT_NS;

	if (slot < OLDEST_SLOT)
		return false;
	summary_sum(scene->sensor, slot - OLDEST_SLOT, slot - YOUNGEST_SLOT, counts);
	uint64_t others = counts[SUMMARY_ATTEMPTS] > own_attempts ? counts[SUMMARY_ATTEMPTS] - own_attempts : 0;
	return others >= OUTAGE_MIN_OTHERS && 2 * others > own_attempts &&
	       (double)(counts[SUMMARY_COMPLETED] + counts[SUMMARY_REFUSED]) < OUTAGE_MAX_ANSWERED * (double)others;
}

void source_activity_note(struct source_activity *activity, uint64_t n_new, uint64_t pause_ns, uint64_t now_ns)
{
	uint64_t second = now_ns / NS_PER_SEC;

	if (second != activity->second) {
		if (second != activity->second + 1)
			activity->fresh[(second + 1) % 2] = 0;
		activity->fresh[second % 2] = 0;
		activity->second = second;
	}
	if (n_new == 0)
		return;
	activity->fresh[second % 2] += (uint32_t)n_new;
	if (activity->began_ns == 0 || ns_since(now_ns, activity->active_ns) > pause_ns)
		activity->began_ns = now_ns;
	activity->active_ns = now_ns;
}

uint64_t source_activity_fresh(const struct source_activity *activity)
{
	return (uint64_t)activity->fresh[0] + activity->fresh[1];
}
