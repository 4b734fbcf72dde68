/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "tcpwitness/pipeline/tracker.h"

/*
 * The tracker's parts share this. tracker.c follows a packet; tracker_events.c writes what happened;
 * tracker_signals.c tells the detectors.
 */
struct tracker {
	struct tracker_config config;
	struct flow_table *table;
	struct detect_engine *engine; /* null: no detection */
	struct event_writer writer;
	const char *const *source_names;
	uint64_t now_ns;        /* latest packet time seen: never goes backwards */
	uint64_t packet_number; /* of the packet being handled; 0 in a tick */
	uint64_t orphan_anomalies[ANOMALY_COUNT];
	struct tracker_stats stats;
};

/* tracker_events.c */

/* packet_number: of the packet with which the states changed. */
void tracker_write_transitions(struct tracker *tracker, const struct flow *flow, uint64_t time_ns,
			       uint64_t packet_number, const struct tcp_verdict *verdict);
void tracker_fold_anomalies(struct tracker *tracker, struct flow *flow, const struct packet *packet,
			    const struct anomaly_set *anomalies);
void tracker_write_flow(struct tracker *tracker, const struct flow *flow, uint64_t time_ns,
			enum flow_end_reason reason);

/* tracker_signals.c */

/* After a segment changed the flow: gives the signals that follow from it. */
void tracker_signal_segment(struct tracker *tracker, struct flow *flow, const struct tcp_verdict *verdict);

/* A deadline passed without an answer (kind is UNANSWERED or STILL_HALF_OPEN). */
void tracker_signal_overdue(struct tracker *tracker, struct flow *flow, enum flow_signal_kind kind);

/* The flow's record ends: closes what is open. reused: another connection took the tuple. */
void tracker_signal_end(struct tracker *tracker, struct flow *flow, bool reused);
