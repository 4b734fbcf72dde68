/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "summary.h"

/*
 * What a signal counts, the same wherever it counts. It is worked out once: as a rule a signal counts in five
 * summaries.
 */
enum { TALLY_COHORTS = 4, TALLY_EVENTS = 4 };

struct summary_tally {
	uint64_t slot;                /* in which the attempt began */
	struct summary_recent recent; /* span: of now, whatever it adds */
	uint8_t n_cohorts;
	bool has_more; /* than cohorts and what is recent */
	uint8_t n_events;
	uint8_t n_cohorts_of_pair;
	uint8_t cohorts[TALLY_COHORTS]; /* enum summary_counter, those of the cohorts: one more of each */
	uint8_t events[TALLY_EVENTS];   /* those that have totals only */
	uint8_t gauge;                  /* enum summary_gauge */
	int8_t gauge_change;
	uint8_t rtt_bucket; /* of targets plus one; 0 = none: how long a handshake took */
	bool moves_held;
	/* Not counted by these at all: summary_is_counted. */
	bool is_not_of_targets;
	bool is_not_of_source;
	/* The crowd that its client joins, enum summary_crowd_kind plus one; 0 = none. */
	uint8_t crowd;
	uint8_t crowd_of_source;
	/* How urgent it makes it to judge a key again. */
	uint8_t urge;
	uint8_t urge_of_pair;
};

void summary_tally_signal(struct summary_tally *tally, const struct flow_signal *signal);

/* Whether anything of the signal counts for keys of this kind; all but SOURCE are alike, and PAIR is not asked. */
bool summary_is_counted(enum summary_kind kind, const struct flow_signal *signal);

static inline void summary_count_more(struct summary *summary, enum summary_kind kind,
				      const struct summary_tally *tally, const struct flow_signal *signal)
{
	for (unsigned i = 0; i < tally->n_events; i++)
		summary->totals[tally->events[i]]++;
	if (tally->gauge_change != 0 && summary->ages != NULL)
		summary_count_age(summary, (enum summary_gauge)tally->gauge, tally->gauge_change, signal->since_ns);
	/* How long handshakes take is a matter of who is asked. */
	if (tally->rtt_bucket != 0 && kind != SUMMARY_SOURCE && kind != SUMMARY_PAIR)
		summary_count_rtt(summary, tally->rtt_bucket - 1u);
	if (tally->moves_held && summary->held != NULL)
		summary_held_move(summary->held, signal->held_before_ns, signal->held_until_ns, signal->now_ns);
}

/*
 * Counts the signal, whose tally it is, into totals, cohorts, ages and what is recent; not into crowds and ports. Only
 * where summary_is_counted.
 */
static inline void summary_count_signal(struct summary *summary, enum summary_kind kind,
					const struct summary_tally *tally, const struct flow_signal *signal)
{
	if (signal->now_ns > summary->latest_ns)
		summary->latest_ns = signal->now_ns;
	unsigned n_cohorts = kind == SUMMARY_PAIR ? tally->n_cohorts_of_pair : tally->n_cohorts;
	for (unsigned i = 0; i < n_cohorts; i++)
		summary_count_in(summary, (enum summary_counter)tally->cohorts[i], tally->slot);
	if ((tally->recent.attempts | tally->recent.signs) != 0)
		summary_add_recent(summary, &tally->recent);
	if (tally->has_more)
		summary_count_more(summary, kind, tally, signal);
}
