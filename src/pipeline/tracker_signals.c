/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From what is known of a flow to what the detectors are told: each outcome once. Which ones were given
 * is kept in the flow, so that a repeated segment or a rolled-back state says nothing twice.
 */
#include "tracker_internal.h"

static bool given(const struct flow *flow, enum flow_signal_kind kind)
{
	return (flow->signals >> kind) & 1;
}

static void give(struct tracker *tracker, struct flow *flow, struct flow_signal *signal)
{
	flow->signals |= UINT32_C(1) << signal->kind;
	if (tracker->engine == NULL)
		return;
	if (detect_engine_signal(tracker->engine, signal))
		flow->alerted = true;
}

static struct flow_signal signal_of(const struct tracker *tracker, const struct flow *flow, enum flow_signal_kind kind)
{
	const struct tcp_end *client = &flow->conn.end[SIDE_CLIENT];

	return (struct flow_signal){
		.kind = kind,
		.answered = flow->conn.first_synack_ns != 0,
		.completed = flow->conn.established_once,
		.timestamps = client->timestamps,
		.retried = given(flow, SIGNAL_SYN_REPEATED),
		.ttl = flow->direction[SIDE_CLIENT].ttl_max,
		.window = flow->conn.syn_window,
		.syn_layout = flow->conn.syn_layout,
		.isn = client->iss,
		.client = flow_addr(flow, SIDE_CLIENT),
		.server = flow_addr(flow, SIDE_SERVER),
		.client_port = flow_port(flow, SIDE_CLIENT),
		.server_port = flow_port(flow, SIDE_SERVER),
		.flow_id = flow->id,
		.now_ns = tracker->now_ns,
		.packet_number = tracker->packet_number,
		.since_ns = flow->conn.first_syn_ns != 0 ? flow->conn.first_syn_ns : flow->first_ns,
	};
}

static void give_once(struct tracker *tracker, struct flow *flow, enum flow_signal_kind kind)
{
	if (given(flow, kind))
		return;
	struct flow_signal signal = signal_of(tracker, flow, kind);
	give(tracker, flow, &signal);
}

static void give_repeat(struct tracker *tracker, struct flow *flow, enum flow_signal_kind kind)
{
	struct flow_signal signal = signal_of(tracker, flow, kind);

	give(tracker, flow, &signal);
}

static void end_half_open(struct tracker *tracker, struct flow *flow)
{
	if (!given(flow, SIGNAL_ANSWERED) || given(flow, SIGNAL_HALF_OPEN_ENDED))
		return;
	struct flow_signal signal = signal_of(tracker, flow, SIGNAL_HALF_OPEN_ENDED);
	tracker_half_open_ends(flow, tracker->now_ns, &signal);
	give(tracker, flow, &signal);
}

static void repeat_synack(struct tracker *tracker, struct flow *flow)
{
	struct flow_signal signal = signal_of(tracker, flow, SIGNAL_SYNACK_REPEATED);

	tracker_half_open_repeats(flow, tracker->now_ns, &signal);
	give(tracker, flow, &signal);
}

/* A state may be rolled back from TIME_WAIT and come to it again, so this pair may be given more than once. */
static void leave_time_wait(struct tracker *tracker, struct flow *flow, bool reused)
{
	if (!given(flow, SIGNAL_TIME_WAIT))
		return;
	flow->signals &= ~(UINT32_C(1) << SIGNAL_TIME_WAIT);
	struct flow_signal signal = signal_of(tracker, flow, SIGNAL_TIME_WAIT_OVER);
	signal.reused = reused;
	signal.since_ns = flow->last_ns;
	give(tracker, flow, &signal);
}

static void signal_opening(struct tracker *tracker, struct flow *flow, const struct tcp_verdict *verdict)
{
	const struct tcp_conn *conn = &flow->conn;

	give_once(tracker, flow, SIGNAL_ATTEMPT);
	if (anomaly_set_has(&verdict->anomalies, ANOMALY_SYN_RETRANSMIT))
		give_repeat(tracker, flow, SIGNAL_SYN_REPEATED);
	if (conn->first_synack_ns != 0 && !given(flow, SIGNAL_ANSWERED)) {
		tracker_half_open_begins(flow, tracker->now_ns);
		give_once(tracker, flow, SIGNAL_ANSWERED);
	}
	if (anomaly_set_has(&verdict->anomalies, ANOMALY_SYNACK_RETRANSMIT))
		repeat_synack(tracker, flow);
	if (conn->established_once) {
		give_once(tracker, flow, SIGNAL_COMPLETED);
		end_half_open(tracker, flow);
	}
	if (conn->refused)
		give_once(tracker, flow, SIGNAL_REFUSED);
	if (conn->unreachable)
		give_once(tracker, flow, SIGNAL_UNREACHABLE);
	if (conn->synack_reset)
		end_half_open(tracker, flow);
}

uint32_t tracker_signals_of_attempt(const struct syn_attempt *attempt)
{
	uint32_t signals = UINT32_C(1) << SIGNAL_ATTEMPT;

	if (attempt->n_repeats > 0)
		signals |= UINT32_C(1) << SIGNAL_SYN_REPEATED;
	if (attempt->overdue)
		signals |= UINT32_C(1) << SIGNAL_UNANSWERED;
	return signals;
}

void tracker_signal_segment(struct tracker *tracker, struct flow *flow, const struct tcp_verdict *verdict)
{
	enum conn_phase phase = tcp_conn_phase(&flow->conn);

	/* Without its SYN nobody knows who asked whom: such flows are no attempts. */
	if (flow->conn.origin == CONN_ORIGIN_SYN)
		signal_opening(tracker, flow, verdict);
	if (flow->conn.end[SIDE_CLIENT].state == TCPS_TIME_WAIT)
		give_once(tracker, flow, SIGNAL_TIME_WAIT);
	else
		leave_time_wait(tracker, flow, false);
	if (phase == CONN_PHASE_TIME_WAIT || phase == CONN_PHASE_CLOSED) {
		end_half_open(tracker, flow);
		give_once(tracker, flow, SIGNAL_CLOSED);
	}
}

void tracker_signal_overdue(struct tracker *tracker, struct flow *flow, enum flow_signal_kind kind)
{
	if (flow->conn.origin == CONN_ORIGIN_SYN)
		give_once(tracker, flow, kind);
}

void tracker_signal_end(struct tracker *tracker, struct flow *flow, bool reused)
{
	end_half_open(tracker, flow);
	leave_time_wait(tracker, flow, reused);
	give_once(tracker, flow, SIGNAL_CLOSED);
}
