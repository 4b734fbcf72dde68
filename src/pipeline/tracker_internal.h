/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "tcpwitness/pipeline/tracker.h"

/*
 * The tracker's parts share this. tracker.c follows a packet; tracker_attempts.c keeps attempts that nobody answered
 * out of the flow table; tracker_events.c writes what happened; tracker_signals.c tells the detectors.
 */
struct tracker {
	struct tracker_config config;
	struct tcp_context tcp;
	struct plain_rules plain;
	struct flow_table *table;
	struct syn_store *syn_store;
	struct tombstones *tombstones;
	struct flow scratch;             /* an attempt of the store, while something happens to it */
	struct tcp_context scratch_tcp;  /* with that attempt's segments alone */
	struct detect_source *detection; /* null: no detection */
	struct event_writer writer;
	const char *const *source_names;
	uint64_t now_ns;        /* latest packet time seen: never goes backwards */
	uint64_t due_ns;        /* of the timer that goes off: its signals bear this time; 0 = none does */
	uint64_t packet_number; /* of the packet being handled; 0 in a tick */
	struct {
		struct flow *flow;         /* open */
		struct syn_entry *attempt; /* null: the flow is next */
		struct tracker_timer timer;
	} next;                  /* what tracker_first_timer or tracker_first_left has found */
	uint64_t *orphan_counts; /* null: others count */
	uint64_t own_orphan_counts[ANOMALY_COUNT];
	struct tracker_stats stats;
};

/* tracker.c */

/* Everything that the flow's record says because of its first packet alone, but for its ends. */
void tracker_init_flow(struct flow *flow, const struct packet *packet);
void tracker_count(struct flow *flow, enum conn_side side, const struct packet *packet);

/* Everything that one segment of a flow brings about once the machine has spoken, but for its place in the table. */
void tracker_observe(struct tracker *tracker, struct flow *flow, enum conn_side side, const struct packet *packet,
		     const struct tcp_verdict *verdict);

/* The flow's last timer ended at due_ns: what its ends did then, and its record. It stays where it is. */
void tracker_time_out(struct tracker *tracker, struct flow *flow, uint64_t due_ns);

/* The flow ends for this reason: signals and record. It stays where it is. */
void tracker_end_record(struct tracker *tracker, struct flow *flow, uint64_t time_ns, enum flow_end_reason reason);

/* tracker_attempts.c */
struct syn_store *tracker_create_syn_store(struct tracker *tracker, struct error *error);

/* Puts a connection that begins with packet, of this end of its key, into the store. False: it needs a flow. */
bool tracker_begin_attempt(struct tracker *tracker, const struct flow_key *key, uint64_t hash, unsigned sender_index,
			   const struct packet *packet, uint64_t previous_id);

/* Adds a segment to an attempt. False, with nothing done: it is no repeat and no plain SYN-ACK, so it needs a flow. */
bool tracker_follow_attempt(struct tracker *tracker, struct syn_entry *attempt, const struct tracked_packet *tracked);

/* An attempt becomes a flow at rest (connection_opens_fn); context is the tracker. */
bool tracker_connection_opens(void *context, const struct plain_opening *opening);

/* The attempt as a flow in the table, as if it had been there all the time. Null: no place, its record is written. */
struct flow *tracker_promote_attempt(struct tracker *tracker, struct syn_entry *attempt);

/* Packet time before which no attempt is due. */
uint64_t tracker_attempt_due_ns(const struct tracker *tracker);

/*
 * The attempt that is due, and before flow (null: none is due), with *timer filled, or null: then *timer is as before.
 * And the same for the order of the records at the end of a run.
 */
struct syn_entry *tracker_attempt_due_before(struct tracker *tracker, const struct flow *flow,
					     struct tracker_timer *timer);
struct syn_entry *tracker_attempt_left_before(struct tracker *tracker, const struct flow *flow);

/* The attempt is due: it moves on or expires. It is left at the end of the run: its record. */
void tracker_expire_attempt(struct tracker *tracker, struct syn_entry *attempt, const struct tracker_timer *timer);
void tracker_finish_attempt(struct tracker *tracker, struct syn_entry *attempt);

/* tracker_events.c */

/* packet_number: of the packet with which the states changed. */
void tracker_write_transitions(struct tracker *tracker, const struct flow *flow, uint64_t time_ns,
			       uint64_t packet_number, const struct tcp_verdict *verdict);
void tracker_fold_anomalies(struct tracker *tracker, struct flow *flow, const struct packet *packet,
			    const struct anomaly_set *anomalies);

/* A segment of no connection: its own anomalies, and this one, as tracker_orphan_anomalies. */
void tracker_orphan_segment(struct tracker *tracker, const struct packet *packet, enum anomaly anomaly);

/* So many connections' records are due, whether or not anybody wants them written. */
void tracker_count_records(struct tracker *tracker, enum conn_outcome outcome, uint64_t n);

void tracker_write_flow(struct tracker *tracker, const struct flow *flow, uint64_t time_ns,
			enum flow_end_reason reason);

/* Of attempts of which a sample gets a record (attempt_sample), this one gets none. */
bool tracker_is_left_out(const struct tracker *tracker, uint64_t flow_id);

/* tracker_half_open.c */

/* The first SYN-ACK, one of the repeats, the end: the last two say in *signal how long the server keeps it. */
void tracker_half_open_begins(struct flow *flow, uint64_t now_ns);
void tracker_half_open_repeats(struct flow *flow, uint64_t now_ns, struct flow_signal *signal);
void tracker_half_open_ends(struct flow *flow, uint64_t now_ns, struct flow_signal *signal);

/* tracker_signals.c */

/* Does the SYN-ACK look like a cookie? Options are TCPOPT_*, those of the SYN and of the SYN-ACK. */
bool tracker_is_bare(uint16_t client_options, uint16_t server_options, uint16_t server_mss);

/* Which signals an attempt in the store has given, a bit each, as in struct flow. */
uint32_t tracker_signals_of_attempt(const struct syn_attempt *attempt);

/* After a segment that side sent (or an ICMP error quotes) changed the flow: gives the signals that follow from it. */
void tracker_signal_segment(struct tracker *tracker, struct flow *flow, enum conn_side side,
			    const struct tcp_verdict *verdict);

/* The same of a flow at rest when its client speaks first (client_speaks_fn); context is the tracker. */
bool tracker_client_speaks(void *context, struct flow *flow);

/* The same of a flow at rest that closes (flow_closes_fn). */
void tracker_flow_closes(void *context, struct flow *flow);

/* A deadline passed without an answer (kind is UNANSWERED or STILL_HALF_OPEN). */
void tracker_signal_overdue(struct tracker *tracker, struct flow *flow, enum flow_signal_kind kind);

/* A segment that belongs to no connection; flow: the one that it is in all the same, or null. */
void tracker_signal_stray(struct tracker *tracker, struct flow *flow, const struct packet *packet);

/* The flow begins with such a segment, of side; and one more segment of the flow, before tracker_observe. */
void tracker_begin_stray(struct tracker *tracker, struct flow *flow, enum conn_side side, const struct packet *packet);
void tracker_follow_stray(struct tracker *tracker, struct flow *flow, enum conn_side side, const struct packet *packet,
			  const struct tcp_verdict *verdict);

/* It began so, and nothing shows yet that it is a connection. */
bool tracker_is_stray(const struct flow *flow);

/* Nobody listens: a signal of this kind counts as given, and need not be made. */
bool tracker_gives_nobody(const struct tracker *tracker, struct flow *flow, enum flow_signal_kind kind);

/* A signal of the flow, and giving it. */
struct flow_signal tracker_signal_of(const struct tracker *tracker, const struct flow *flow,
				     enum flow_signal_kind kind);
void tracker_give(struct tracker *tracker, struct flow *flow, struct flow_signal *signal);

/* The flow's record ends: closes what is open. reused: another connection took the tuple. */
void tracker_signal_end(struct tracker *tracker, struct flow *flow, bool reused);

/* tracker_gauges.c: what lasts at an end, and is told when it begins and when it is over. */

/* After a segment of side. may_have_moved: a state may have changed, or who counts as a connection. */
void tracker_gauge_segment(struct tracker *tracker, struct flow *flow, enum conn_side side,
			   const struct tcp_verdict *verdict, bool may_have_moved);

/* The same for a segment that moved states, and no window. */
void tracker_gauge_states(struct tracker *tracker, struct flow *flow);

/* The flow's record ends: nothing lasts. */
void tracker_gauge_end(struct tracker *tracker, struct flow *flow);
