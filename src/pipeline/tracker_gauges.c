/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What lasts at an end of a connection: a window that is closed while the other end has something to send, and the
 * states in which an end waits for the other one, or for its own application. What begins is told once and is over
 * once, whatever becomes of the connection. Times are kept in milliseconds since the flow's first packet, so that
 * beginning and end tell the same one.
 */
#include "tracker_internal.h"

#include "tcpwitness/base/units.h"
#include "tcpwitness/tcp/tcp_seq.h"

/* A busy reader closes its window for a moment; one that is closed for longer is worth a word. */
enum { STALL_MS = 1000 };

/* RFC 9293 3.7.1: what an end that names no MSS can take. */
enum { DEFAULT_MSS = 536 };

static uint32_t ms_of(const struct tracker *tracker, const struct flow *flow)
{
	uint64_t ms = ns_since(tracker->now_ns, flow->first_ns) / NS_PER_MS;

	return ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
}

static void give(struct tracker *tracker, struct flow *flow, enum flow_signal_kind kind, enum conn_side side,
		 uint32_t since_ms, uint8_t state)
{
	if (tracker_gives_nobody(tracker, flow, kind))
		return;
	struct flow_signal signal = tracker_signal_of(tracker, flow, kind);
	signal.side = (uint8_t)side;
	signal.state = state;
	signal.since_ns = flow->first_ns + (uint64_t)since_ms * NS_PER_MS;
	tracker_give(tracker, flow, &signal);
}

/* --- states that wait --- */

static const uint8_t state_of_held[] = {
	[FLOW_HELD_NOTHING] = TCPS_CLOSED,
	[FLOW_HELD_CLOSE_WAIT] = TCPS_CLOSE_WAIT,
	[FLOW_HELD_FIN_WAIT_2] = TCPS_FIN_WAIT_2,
	[FLOW_HELD_LAST_ACK] = TCPS_LAST_ACK,
};

static enum flow_held held_of(const struct flow *flow, enum conn_side side)
{
	const struct tcp_end *end = &flow->conn.end[side];
	bool is_known = flow->conn.origin == CONN_ORIGIN_SYN || (flow->signals >> SIGNAL_JOINED & 1);
	bool is_unsure = end->close_may_be_unseen || flow->conn.end[conn_side_other(side)].close_may_be_unseen;

	/*
	 * A FIN out of nowhere makes no connection, and its receiver waits for nothing. And a sensor that loses
	 * segments is not to see leaks where it has missed a FIN.
	 */
	if (!flow->conn.established_once || !is_known || is_unsure)
		return FLOW_HELD_NOTHING;
	uint8_t state = end->state;
	if (state == TCPS_CLOSE_WAIT)
		return FLOW_HELD_CLOSE_WAIT;
	if (state == TCPS_FIN_WAIT_2)
		return FLOW_HELD_FIN_WAIT_2;
	/* The acknowledgement of a FIN may have been missed here; one that is sent again shows that it did not come. */
	if (state == TCPS_LAST_ACK && end->fin_again)
		return FLOW_HELD_LAST_ACK;
	return FLOW_HELD_NOTHING;
}

static void hold(struct tracker *tracker, struct flow *flow, enum conn_side side, enum flow_held held)
{
	enum flow_held before = (enum flow_held)flow->gauges[side].held;
	struct flow_direction *direction = &flow->direction[side];

	if (held == before)
		return;
	flow->gauges[side].held = (uint8_t)held & 3u;
	if (before != FLOW_HELD_NOTHING)
		give(tracker, flow, SIGNAL_HELD_OVER, side, direction->held_ms, state_of_held[before]);
	if (held == FLOW_HELD_NOTHING)
		return;
	direction->held_ms = ms_of(tracker, flow);
	give(tracker, flow, SIGNAL_HELD, side, direction->held_ms, state_of_held[held]);
}

/* --- windows --- */

/*
 * Small stacks never offer a whole segment: an end's window is narrow when it is smaller than the segments that it
 * takes, and than what it offered at first.
 */
static uint32_t narrow_below(const struct tcp_conn *conn, enum conn_side side)
{
	uint32_t mss = conn->end[side].mss != 0 ? conn->end[side].mss : DEFAULT_MSS;
	uint32_t wide = mss < FLOW_WIDE_WINDOW_BYTES ? mss : FLOW_WIDE_WINDOW_BYTES;

	if (side == SIDE_CLIENT && conn->origin == CONN_ORIGIN_SYN && conn->syn_window < wide)
		wide = conn->syn_window;
	return wide > 0 ? wide : 1;
}

/* Who sends more than the window holds knows of another one: the scale was not what it seemed, or was not seen. */
static bool is_narrow(const struct tcp_conn *conn, enum conn_side side)
{
	const struct tcp_end *reader = &conn->end[side];
	const struct tcp_end *writer = &conn->end[conn_side_other(side)];

	if (!conn->established_once || !reader->window_known || reader->window_bytes >= narrow_below(conn, side))
		return false;
	if (reader->window_bytes == 0 || !writer->una_known || !writer->seq_known)
		return true;
	return seq_leq(writer->snd_nxt, writer->snd_una + reader->window_bytes + 1);
}

/* The reader's window holds nothing up once all was read, or one end is gone. */
static bool is_open(const struct tcp_conn *conn, enum conn_side reader)
{
	const struct tcp_end *writer = &conn->end[conn_side_other(reader)];
	enum conn_phase phase = tcp_conn_phase(conn);
	bool all_read = writer->fin_seen && writer->una_known && seq_gt(writer->snd_una, writer->fin_seq);

	return !all_read && phase != CONN_PHASE_CLOSED && phase != CONN_PHASE_TIME_WAIT;
}

/* The writer has something that its reader does not take: it is outstanding, or it probes the window. */
static bool has_to_send(const struct tcp_end *writer, bool sends, const struct tcp_verdict *verdict)
{
	uint32_t end = writer->fin_seen ? writer->fin_seq : writer->snd_nxt;

	if (writer->una_known && writer->seq_known && seq_lt(writer->snd_una, end))
		return true;
	return sends && (verdict->new_payload || anomaly_set_has(&verdict->anomalies, ANOMALY_ZERO_WINDOW_PROBE));
}

static void end_stall(struct tracker *tracker, struct flow *flow, enum conn_side reader)
{
	flow->gauges[reader].is_narrow = 0;
	if (!flow->gauges[reader].is_stalled)
		return;
	flow->gauges[reader].is_stalled = 0;
	give(tracker, flow, SIGNAL_STALLED_OVER, reader, flow->narrow_ms[reader], 0);
}

/* The reader's window is or was narrow; sender sent the segment at hand. */
static void judge_window(struct tracker *tracker, struct flow *flow, enum conn_side reader, enum conn_side sender,
			 const struct tcp_verdict *verdict)
{
	const struct tcp_conn *conn = &flow->conn;
	uint32_t now_ms = ms_of(tracker, flow);

	if (!is_narrow(conn, reader) || !is_open(conn, reader)) {
		end_stall(tracker, flow, reader);
		return;
	}
	if (!flow->gauges[reader].is_narrow) {
		flow->gauges[reader].is_narrow = 1;
		flow->narrow_ms[reader] = now_ms;
	}
	if (flow->gauges[reader].is_stalled || now_ms - flow->narrow_ms[reader] < STALL_MS ||
	    !has_to_send(&conn->end[conn_side_other(reader)], sender != reader, verdict))
		return;
	flow->gauges[reader].is_stalled = 1;
	give(tracker, flow, SIGNAL_STALLED, reader, flow->narrow_ms[reader], 0);
}

/* --- both --- */

void tracker_gauge_states(struct tracker *tracker, struct flow *flow)
{
	hold(tracker, flow, SIDE_CLIENT, held_of(flow, SIDE_CLIENT));
	hold(tracker, flow, SIDE_SERVER, held_of(flow, SIDE_SERVER));
}

void tracker_gauge_segment(struct tracker *tracker, struct flow *flow, enum conn_side side,
			   const struct tcp_verdict *verdict, bool may_have_moved)
{
	enum conn_side other = conn_side_other(side);

	if (may_have_moved || anomaly_set_has(&verdict->anomalies, ANOMALY_FIN_RETRANSMIT))
		tracker_gauge_states(tracker, flow);
	if (flow->gauges[side].is_narrow || flow->conn.end[side].window_bytes < FLOW_WIDE_WINDOW_BYTES)
		judge_window(tracker, flow, side, side, verdict);
	if (flow->gauges[other].is_narrow)
		judge_window(tracker, flow, other, side, verdict);
}

void tracker_gauge_end(struct tracker *tracker, struct flow *flow)
{
	for (unsigned i = 0; i < 2; i++) {
		hold(tracker, flow, (enum conn_side)i, FLOW_HELD_NOTHING);
		end_stall(tracker, flow, (enum conn_side)i);
	}
}
