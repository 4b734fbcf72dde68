/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an alarm about a target can show: counts, sources, and how likely these are spoofed (detection science,
 * sections 5 and 6).
 */
#include "target_evidence.h"

#include <math.h>

/* Fewer connections say nothing about the crowd. */
enum { MIN_CROWD = 30 };

/* A source that sent less is not worth naming. */
#define MIN_TOP_SHARE 0.01

/* One that sent so much stands for the event. */
#define MAIN_SOURCE_SHARE 0.9

struct alert_target evidence_target(const struct target *target)
{
	return (struct alert_target){
		.ip = target->key.ip,
		.has_port = target->key.is_service,
		.port = target->key.port,
	};
}

const struct target_crowd *target_evidence_crowd(const struct target *target)
{
	const struct target_summary *summary = &target->summary;

	return summary->failing.connections >= MIN_CROWD ? &summary->failing : &summary->trying;
}

static double clamp_unit(double value)
{
	return fmin(fmax(value, 0), 1);
}

/*
 * Two signs, each enough for a suspicion: sources that are all different while their SYNs are all alike (measured
 * floods: 1 bit of fingerprints, 15 of sources; flash crowds have both), and answers that nobody reacts to, neither
 * by ACK nor by RST. Who sends his SYN again is a real client, or imitates one.
 */
double target_evidence_spoofed(const struct target *target, const struct target_crowd *crowd)
{
	if (crowd->connections < MIN_CROWD)
		return -1;

	const uint64_t *totals = target->summary.totals;
	double connections = (double)crowd->connections;
	double once = clamp_unit((hyperloglog_estimate(&crowd->sources) / connections - 0.2) / 0.6);
	double alike = 1 - clamp_unit((target_crowd_entropy(crowd) - 1.5) / 2.0);
	double failed = (double)totals[TARGET_UNANSWERED] + (double)totals[TARGET_STILL_HALF_OPEN] + 1;
	double ignored = clamp_unit((double)totals[TARGET_STILL_HALF_OPEN] / failed);
	double retried = clamp_unit(target->syn_flood.retried_share);
	/* Once real clients would have sent their SYN again, different stacks excuse less. */
	double without_stacks = target->syn_flood.n_incomplete >= MIN_CROWD ? 0.8 : 0.3;
	double suspect = once * (without_stacks + (1 - without_stacks) * alike);
	double doubt = (1 - suspect) * (1 - 0.5 * ignored * alike);

	return clamp_unit((1 - doubt) * (1 - retried));
}

bool target_evidence_one_way(const struct target *target)
{
	const uint64_t *totals = target->summary.totals;

	return totals[TARGET_ATTEMPTS] > 0 && totals[TARGET_ANSWERED] == 0 && totals[TARGET_REFUSED] == 0;
}

static void fill_sources(struct sensor_event *event, const struct target *target)
{
	struct event_alert *alert = &event->alert;
	const struct target_crowd *crowd = target_evidence_crowd(target);
	struct top_source_share top[ALERT_TOP_SOURCES];

	alert->sources_distinct = (uint64_t)llround(hyperloglog_estimate(&crowd->sources));
	alert->spoofed_likelihood = target_evidence_spoofed(target, crowd);
	if (crowd != &target->summary.failing)
		return;
	alert->n_top_sources = (uint8_t)top_sources_list(&target->top_failing, MIN_TOP_SHARE, top, ALERT_TOP_SOURCES);
	for (unsigned i = 0; i < alert->n_top_sources; i++) {
		alert->top_sources[i].ip = top[i].ip;
		alert->top_sources[i].share = top[i].share;
	}
	if (alert->n_top_sources > 0 && top[0].share >= MAIN_SOURCE_SHARE)
		event->ends.client = top[0].ip;
}

void target_evidence_fill(struct sensor_event *event, const struct target *target,
			  const uint64_t before[static TARGET_OUTCOMES])
{
	struct event_alert *alert = &event->alert;
	const uint64_t *totals = target->summary.totals;

	alert->counts.syn = totals[TARGET_ATTEMPTS] - before[TARGET_ATTEMPTS];
	alert->counts.synack = totals[TARGET_ANSWERED] - before[TARGET_ANSWERED];
	alert->counts.completed = totals[TARGET_COMPLETED] - before[TARGET_COMPLETED];
	alert->counts.unanswered = totals[TARGET_UNANSWERED] - before[TARGET_UNANSWERED];
	alert->counts.refused = totals[TARGET_REFUSED] - before[TARGET_REFUSED];
	alert->counts.half_open = target_summary_half_open(&target->summary);
	alert->visibility.one_way = target_evidence_one_way(target);
	fill_sources(event, target);
}
