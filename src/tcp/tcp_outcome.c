/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a connection amounts to: its phase while it lives (for timers and eviction), the outcome in its
 * record, and the names of both.
 */
#include "tcpwitness/tcp/tcp_conn.h"
#include "tcpwitness/tcp/tcp_seq.h"

static bool is_closed(const struct tcp_end *end)
{
	return end->state == TCPS_CLOSED || end->state == TCPS_LISTEN;
}

bool tcp_conn_time_wait_owner(const struct tcp_conn *conn, enum conn_side *owner)
{
	for (unsigned side = 0; side < 2; side++) {
		if (conn->end[side].state == TCPS_TIME_WAIT) {
			*owner = (enum conn_side)side;
			return true;
		}
	}
	return false;
}

enum conn_phase tcp_conn_phase(const struct tcp_conn *conn)
{
	const struct tcp_end *client = &conn->end[SIDE_CLIENT];
	const struct tcp_end *server = &conn->end[SIDE_SERVER];
	enum conn_side owner;

	if (tcp_conn_time_wait_owner(conn, &owner))
		return CONN_PHASE_TIME_WAIT;
	if (is_closed(client) && is_closed(server))
		return CONN_PHASE_CLOSED;
	if (!conn->established_once)
		return server->sure == TCPS_SYN_RCVD || server->syn_seen ? CONN_PHASE_HALF_OPEN : CONN_PHASE_UNANSWERED;
	if (client->fin_seen && server->fin_seen)
		return CONN_PHASE_CLOSING;
	if (client->fin_seen || server->fin_seen)
		return CONN_PHASE_HALF_CLOSED;
	if (conn->origin >= CONN_ORIGIN_MIDSTREAM && !(client->heard && server->heard))
		return CONN_PHASE_MIDSTREAM;
	return CONN_PHASE_ESTABLISHED;
}

/* Both FINs were sent, and each was acknowledged. */
static bool closed_normally(const struct tcp_conn *conn)
{
	for (unsigned side = 0; side < 2; side++) {
		const struct tcp_end *end = &conn->end[side];
		const struct tcp_end *other = &conn->end[1 - side];
		if (!end->fin_seen || !other->acked_any || seq_leq(other->last_ack, end->fin_seq))
			return false;
	}
	return true;
}

static enum conn_outcome outcome_unopened(const struct tcp_conn *conn, bool idle_timeout)
{
	const struct tcp_end *server = &conn->end[SIDE_SERVER];

	if (conn->refused)
		return CONN_OUTCOME_REFUSED;
	if (conn->synack_reset || conn->end[SIDE_CLIENT].rst_sent)
		return CONN_OUTCOME_HALF_OPEN_RESET;
	if (server->syn_seen || server->sure == TCPS_SYN_RCVD)
		return idle_timeout ? CONN_OUTCOME_HALF_OPEN_TIMEOUT : CONN_OUTCOME_IN_PROGRESS;
	if (conn->unreachable)
		return CONN_OUTCOME_UNREACHABLE;
	return idle_timeout ? CONN_OUTCOME_NEVER_ANSWERED : CONN_OUTCOME_IN_PROGRESS;
}

static enum conn_outcome outcome_midstream(const struct tcp_conn *conn, bool idle_timeout)
{
	if (closed_normally(conn))
		return CONN_OUTCOME_MIDSTREAM_COMPLETED;
	if (conn->end[SIDE_CLIENT].rst_sent || conn->end[SIDE_SERVER].rst_sent)
		return CONN_OUTCOME_MIDSTREAM_RESET;
	return idle_timeout ? CONN_OUTCOME_MIDSTREAM_TIMEOUT : CONN_OUTCOME_IN_PROGRESS;
}

enum conn_outcome tcp_conn_outcome(const struct tcp_conn *conn, bool idle_timeout)
{
	if (conn->origin >= CONN_ORIGIN_MIDSTREAM)
		return outcome_midstream(conn, idle_timeout);
	if (!conn->established_once)
		return outcome_unopened(conn, idle_timeout);
	if (closed_normally(conn))
		return CONN_OUTCOME_COMPLETED_NORMAL;
	if (conn->end[SIDE_CLIENT].rst_sent)
		return CONN_OUTCOME_ABORTED_BY_CLIENT;
	if (conn->end[SIDE_SERVER].rst_sent)
		return CONN_OUTCOME_ABORTED_BY_SERVER;
	if (!idle_timeout)
		return CONN_OUTCOME_IN_PROGRESS;
	if (conn->end[SIDE_CLIENT].fin_seen || conn->end[SIDE_SERVER].fin_seen)
		return CONN_OUTCOME_COMPLETED_HALF_CLOSED;
	return CONN_OUTCOME_ESTABLISHED_IDLE_TIMEOUT;
}

enum conn_ecn tcp_conn_ecn(const struct tcp_conn *conn)
{
	enum { BITS = SEG_AE | SEG_CWR | SEG_ECE };
	const struct tcp_end *client = &conn->end[SIDE_CLIENT];
	const struct tcp_end *server = &conn->end[SIDE_SERVER];
	unsigned asked = client->syn_flags & BITS;
	unsigned answered = server->syn_seen ? server->syn_flags & BITS : 0;

	if (asked != BITS && asked != (SEG_CWR | SEG_ECE))
		return CONN_ECN_NONE;
	if (answered == SEG_ECE)
		return CONN_ECN_CLASSIC;
	/* RFC 9768 3.1.1: the answer tells the codepoint of the SYN's IP header. All bits: a reflection. */
	if (asked == BITS && (answered == SEG_CWR || answered == (SEG_CWR | SEG_ECE) || answered == SEG_AE ||
			      answered == (SEG_AE | SEG_CWR)))
		return CONN_ECN_ACCURATE;
	return CONN_ECN_OFFERED;
}

const char *conn_ecn_name(enum conn_ecn ecn)
{
	static const char *const names[CONN_ECN_COUNT] = {
		[CONN_ECN_NONE] = "none",
		[CONN_ECN_OFFERED] = "offered",
		[CONN_ECN_CLASSIC] = "classic",
		[CONN_ECN_ACCURATE] = "accurate",
	};

	return names[ecn];
}

const char *conn_mptcp_name(enum conn_mptcp mptcp)
{
	static const char *const names[CONN_MPTCP_COUNT] = {
		[CONN_MPTCP_NONE] = "none",
		[CONN_MPTCP_CAPABLE] = "capable",
		[CONN_MPTCP_JOIN] = "join",
	};

	return names[mptcp];
}

const char *conn_side_name(enum conn_side side)
{
	return side == SIDE_CLIENT ? "client" : "server";
}

const char *conn_origin_name(enum conn_origin origin)
{
	static const char *const names[] = {
		[CONN_ORIGIN_SYN] = "syn",
		[CONN_ORIGIN_SYNACK] = "synack",
		[CONN_ORIGIN_MIDSTREAM] = "midstream",
		[CONN_ORIGIN_CLOSING] = "closing",
	};

	return names[origin];
}

const char *conn_cause_name(enum conn_cause cause)
{
	static const char *const names[CONN_CAUSE_COUNT] = {
		[CONN_CAUSE_SYN] = "syn",   [CONN_CAUSE_SYNACK] = "synack",   [CONN_CAUSE_ACK] = "ack",
		[CONN_CAUSE_DATA] = "data", [CONN_CAUSE_FIN] = "fin",         [CONN_CAUSE_RST] = "rst",
		[CONN_CAUSE_ICMP] = "icmp", [CONN_CAUSE_TIMEOUT] = "timeout",
	};

	return names[cause];
}

const char *conn_rst_cause_name(enum conn_rst_cause cause)
{
	static const char *const names[CONN_RST_CAUSE_COUNT] = {
		[CONN_RST_CAUSE_NONE] = "none",
		[CONN_RST_CAUSE_CLOSED_PORT] = "closed_port",
		[CONN_RST_CAUSE_NO_SUCH_CONNECTION] = "no_such_connection",
		[CONN_RST_CAUSE_ABORT] = "abort",
		[CONN_RST_CAUSE_LATE_DATA] = "late_data",
		[CONN_RST_CAUSE_CHALLENGE_REPLY] = "challenge_reply",
		[CONN_RST_CAUSE_UNKNOWN] = "unknown",
	};

	return names[cause];
}

const char *conn_outcome_name(enum conn_outcome outcome)
{
	static const char *const names[CONN_OUTCOME_COUNT] = {
		[CONN_OUTCOME_IN_PROGRESS] = "in_progress",
		[CONN_OUTCOME_NEVER_ANSWERED] = "never_answered",
		[CONN_OUTCOME_REFUSED] = "refused",
		[CONN_OUTCOME_UNREACHABLE] = "unreachable",
		[CONN_OUTCOME_HALF_OPEN_TIMEOUT] = "half_open_timeout",
		[CONN_OUTCOME_HALF_OPEN_RESET] = "half_open_reset",
		[CONN_OUTCOME_COMPLETED_NORMAL] = "completed_normal",
		[CONN_OUTCOME_COMPLETED_HALF_CLOSED] = "completed_half_closed",
		[CONN_OUTCOME_ABORTED_BY_CLIENT] = "aborted_by_client",
		[CONN_OUTCOME_ABORTED_BY_SERVER] = "aborted_by_server",
		[CONN_OUTCOME_ESTABLISHED_IDLE_TIMEOUT] = "established_idle_timeout",
		[CONN_OUTCOME_MIDSTREAM_COMPLETED] = "midstream_completed",
		[CONN_OUTCOME_MIDSTREAM_RESET] = "midstream_reset",
		[CONN_OUTCOME_MIDSTREAM_TIMEOUT] = "midstream_timeout",
	};

	return names[outcome];
}
