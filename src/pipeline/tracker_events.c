/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tracker writes: a state that changed, an anomaly seen for the first time in its flow, a flow's
 * record at its end.
 */
#include "tracker_internal.h"

#include <stdio.h>
#include <string.h>

#include "tcpwitness/base/units.h"

static void fill_header(const struct tracker *tracker, struct sensor_event *event, const struct flow *flow,
			uint64_t time_ns)
{
	event->time_ns = time_ns;
	event->packet_number = tracker->packet_number;
	event->flow_id = flow->id;
	event->in_iface = tracker->source_names == NULL ? NULL : tracker->source_names[flow->source];
	event->ends.client = flow_addr(flow, SIDE_CLIENT);
	event->ends.server = flow_addr(flow, SIDE_SERVER);
	event->ends.client_port = flow_port(flow, SIDE_CLIENT);
	event->ends.server_port = flow_port(flow, SIDE_SERVER);
	event->ends.has_ports = true;
	event->ends.n_vlans = flow->n_vlans;
	event->ends.n_tunnels = flow->n_tunnels;
	memcpy(event->ends.vlans, flow->vlans, sizeof(event->ends.vlans));
	memcpy(event->ends.tunnels, flow->tunnels, sizeof(event->ends.tunnels));
}

static struct sensor_event *begin(struct tracker *tracker, enum sensor_event_type type)
{
	return tracker->writer.begin(tracker->writer.context, type);
}

static void end(struct tracker *tracker, struct sensor_event *event)
{
	tracker->writer.end(tracker->writer.context, event);
}

void tracker_write_transitions(struct tracker *tracker, const struct flow *flow, uint64_t time_ns,
			       uint64_t packet_number, const struct tcp_verdict *verdict)
{
	for (unsigned i = 0; i < verdict->n_transitions; i++) {
		struct sensor_event *event = begin(tracker, EVENT_TCP_STATE);
		if (event == NULL)
			return;
		fill_header(tracker, event, flow, time_ns);
		event->packet_number = packet_number;
		event->tcp_state.previous_flow_id = flow->previous_id;
		event->tcp_state.transition = verdict->transitions[i];
		end(tracker, event);
	}
}

static void write_anomaly(struct tracker *tracker, const struct flow *flow, const struct packet *packet,
			  enum anomaly anomaly, uint64_t count)
{
	struct sensor_event *event = begin(tracker, EVENT_ANOMALY);

	if (event == NULL)
		return;
	if (flow != NULL) {
		fill_header(tracker, event, flow, packet->time_ns);
	} else {
		event->time_ns = packet->time_ns;
		event->packet_number = packet->number;
		event->in_iface = tracker->source_names == NULL ? NULL : tracker->source_names[packet->source];
		event->ends.client = packet->src;
		event->ends.server = packet->dst;
		event->ends.client_port = packet->src_port;
		event->ends.server_port = packet->dst_port;
		event->ends.has_ports = packet->src_port != 0 || packet->dst_port != 0;
		event->ends.n_vlans = packet->n_vlans;
		event->ends.n_tunnels = packet->n_tunnels;
		memcpy(event->ends.vlans, packet->vlans, sizeof(event->ends.vlans));
		memcpy(event->ends.tunnels, packet->tunnels, sizeof(event->ends.tunnels));
	}
	event->anomaly.anomaly = anomaly;
	event->anomaly.count = count;
	end(tracker, event);
}

/* Takes the lowest anomaly out of the set; the set must not be empty. */
static enum anomaly pop_lowest(struct anomaly_set *set)
{
	unsigned word = set->bits[0] != 0 ? 0 : 1;
	unsigned bit = (unsigned)__builtin_ctzll(set->bits[word]);

	set->bits[word] &= set->bits[word] - 1;
	return (enum anomaly)(word * 64 + bit);
}

/* Of backscatter each one is a flow of its own: they are folded over all flows, as those without a flow. */
static bool is_folded_over_flows(enum anomaly anomaly)
{
	return anomaly == ANOMALY_SYNACK_UNSOLICITED;
}

/* One more of all flows, or without one: is it worth an event, which says *count? 0: that is for others to say. */
static bool count_orphan(struct tracker *tracker, enum anomaly anomaly, uint64_t *count)
{
	*count = tracker->orphan_counts != NULL ? ++tracker->orphan_counts[anomaly] : 0;
	return *count == 0 || is_power_of_ten(*count);
}

/* It happened to the flow for the nth time; *count is what the event will say. */
static bool is_worth_an_event(struct tracker *tracker, enum anomaly anomaly, uint16_t nth, uint64_t *count)
{
	if (is_folded_over_flows(anomaly))
		return count_orphan(tracker, anomaly, count);
	*count = 1;
	return nth == 1;
}

void tracker_fold_anomalies(struct tracker *tracker, struct flow *flow, const struct packet *packet,
			    const struct anomaly_set *anomalies)
{
	struct anomaly_set left = *anomalies;

	while (!anomaly_set_empty(&left)) {
		enum anomaly anomaly = pop_lowest(&left);
		uint64_t count;
		tracker->stats.anomalies[anomaly]++;
		uint16_t nth = anomaly_counts_add(&flow->anomalies, anomaly);
		if (nth == 0)
			continue;
		if (is_worth_an_event(tracker, anomaly, nth, &count) && !anomaly_info(anomaly)->is_noise)
			write_anomaly(tracker, flow, packet, anomaly, count);
	}
}

static void write_orphans(struct tracker *tracker, const struct packet *packet, struct anomaly_set left)
{
	while (!anomaly_set_empty(&left)) {
		enum anomaly anomaly = pop_lowest(&left);
		uint64_t count;
		tracker->stats.anomalies[anomaly]++;
		if (count_orphan(tracker, anomaly, &count) && !anomaly_info(anomaly)->is_noise)
			write_anomaly(tracker, NULL, packet, anomaly, count);
	}
}

void tracker_orphan_anomalies(struct tracker *tracker, const struct packet *packet)
{
	write_orphans(tracker, packet, packet->anomalies);
}

void tracker_orphan_segment(struct tracker *tracker, const struct packet *packet, enum anomaly anomaly)
{
	struct anomaly_set anomalies = packet->anomalies;

	anomaly_set_add(&anomalies, anomaly);
	write_orphans(tracker, packet, anomalies);
}

static void fill_end(struct event_flow_end *to, const struct flow *flow, enum conn_side side)
{
	const struct tcp_end *from = &flow->conn.end[side];
	const struct flow_direction *direction = &flow->direction[side];

	*to = (struct event_flow_end){
		.state = from->state,
		.certainty = from->certainty,
		.heard = from->heard,
		.isn_known = from->syn_seen,
		.sack_ok = from->sack_ok,
		.timestamps = from->timestamps,
		.wscale_ok = from->wscale_ok,
		.wscale = from->wscale,
		.mptcp = from->mptcp,
		.mss = from->mss,
		.isn = from->iss,
		.state_packet = from->state_packet,
		.caused_by = from->caused_by,
		.payload_bytes = from->payload_bytes,
		.syns = from->syns,
		.fins = from->fins,
		.rsts = from->rsts,
		.retransmissions = from->retransmissions,
		.out_of_order = from->out_of_order,
		.lost_before_tap = from->lost_before_tap,
		.lost_after_tap = from->lost_after_tap,
		.zero_windows = from->zero_windows,
		.duplicate_acks = from->duplicate_acks,
		.packets = direction->packets,
		.bytes = direction->bytes,
		.flags = direction->flags,
	};
}

void tracker_count_records(struct tracker *tracker, enum conn_outcome outcome, uint64_t n)
{
	tracker->stats.outcomes[outcome] += n;
	tracker->stats.flow_records += n;
}

/* By a hash of the number of the first packet: the same on every run, and no period in the traffic meets it. */
bool tracker_is_left_out(const struct tracker *tracker, uint64_t flow_id)
{
	uint32_t sample = tracker->config.attempt_sample;
	uint32_t hash = (uint32_t)(flow_id * UINT64_C(0x9e3779b97f4a7c15) >> 32);

	return sample > 1 && hash % sample != 0;
}

/* An attempt that came to nothing while an alarm was open for its target, see attempt_sample. */
static bool is_of_sample(const struct tracker *tracker, const struct flow *flow)
{
	return tracker->config.attempt_sample > 1 && flow->alerted && flow->conn.origin == CONN_ORIGIN_SYN &&
	       !flow->conn.established_once && flow->n_interim == 0;
}

void tracker_write_flow(struct tracker *tracker, const struct flow *flow, uint64_t time_ns, enum flow_end_reason reason)
{
	bool idle_timeout = reason == FLOW_END_TIMEOUT || reason == FLOW_END_CLOSED;
	enum conn_outcome outcome = tcp_conn_outcome(&flow->conn, idle_timeout);
	bool is_sample = is_of_sample(tracker, flow);

	if (reason != FLOW_END_INTERIM)
		tracker_count_records(tracker, outcome, 1);
	if (is_sample && tracker_is_left_out(tracker, flow->id)) {
		tracker->stats.flow_records_left_out++;
		return;
	}
	struct sensor_event *event = begin(tracker, EVENT_FLOW);
	if (event == NULL)
		return;
	fill_header(tracker, event, flow, time_ns);
	/* The record is about the connection, not about the packet that happened to end it. */
	event->packet_number = 0;
	struct event_flow *to = &event->flow;
	to->start_ns = flow->first_ns;
	to->end_ns = flow->last_ns;
	to->reason = (uint8_t)reason;
	to->phase = (uint8_t)tcp_conn_phase(&flow->conn);
	to->outcome = (uint8_t)outcome;
	to->origin = flow->conn.origin;
	to->direction_certain = flow->conn.direction_certain;
	to->closed_by_known = flow->conn.closed_by_known;
	to->closed_by = flow->conn.closed_by;
	to->rst_cause = flow->conn.rst_cause;
	to->ecn = (uint8_t)tcp_conn_ecn(&flow->conn);
	to->alerted = flow->alerted;
	to->established_once = flow->conn.established_once;
	to->n_interim = flow->n_interim;
	to->previous_flow_id = flow->previous_id;
	to->stands_for = is_sample ? tracker->config.attempt_sample : 0;
	to->rtt_client_us = flow->conn.rtt_client_us;
	to->rtt_server_us = flow->conn.rtt_server_us;
	fill_end(&to->end[SIDE_CLIENT], flow, SIDE_CLIENT);
	fill_end(&to->end[SIDE_SERVER], flow, SIDE_SERVER);
	snprintf(to->conn_state, sizeof(to->conn_state), "%s", conn_history_state(&flow->history));
	memcpy(to->history, flow->history.text, sizeof(to->history));
	anomaly_counts_read(&flow->anomalies, to->anomalies);
	end(tracker, event);
}
