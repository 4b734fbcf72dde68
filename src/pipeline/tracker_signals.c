/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From what is known of a flow to what the detectors are told: each outcome once. Which ones were given
 * is kept in the flow, so that a repeated segment or a rolled-back state says nothing twice.
 */
#include "tracker_internal.h"

#include "tcpwitness/base/units.h"
#include "tcpwitness/tcp/tcp_seq.h"

_Static_assert(FLOW_SIGNALS_OPENED == (1 << SIGNAL_ATTEMPT | 1 << SIGNAL_ANSWERED | 1 << SIGNAL_COMPLETED |
				       1 << SIGNAL_HALF_OPEN_ENDED) &&
		       FLOW_SIGNAL_COMPLETED == 1 << SIGNAL_COMPLETED &&
		       FLOW_SIGNAL_SPOKE == 1 << SIGNAL_CLIENT_SPOKE && FLOW_SIGNAL_CLOSED == 1 << SIGNAL_CLOSED &&
		       FLOW_SIGNAL_TIME_WAIT == 1 << SIGNAL_TIME_WAIT &&
		       FLOW_SIGNAL_SERVER_TIME_WAIT == 1 << SIGNAL_SERVER_TIME_WAIT &&
		       FLOW_SIGNALS_HELD == (1 << SIGNAL_HELD | 1 << SIGNAL_HELD_OVER),
	       "flows at rest know these signals by their bits");
_Static_assert(SIGNAL_KIND_COUNT <= 32, "struct flow remembers each kind in a bit of 32");
_Static_assert((int)RST_SUSPECT_PROBE == (int)CONN_RST_PROBE &&
		       (int)RST_SUSPECT_CONTRADICTED == (int)CONN_RST_CONTRADICTED &&
		       (int)RST_SUSPECT_TTL == (int)CONN_RST_TTL && (int)RST_SUSPECT_IP_ID == (int)CONN_RST_IP_ID &&
		       (int)RST_SUSPECT_CHALLENGED == (int)CONN_RST_CHALLENGED,
	       "detectors and connections name suspicions alike");

static bool given(const struct flow *flow, enum flow_signal_kind kind)
{
	return (flow->signals >> kind) & 1;
}

bool tracker_gives_nobody(const struct tracker *tracker, struct flow *flow, enum flow_signal_kind kind)
{
	if (tracker->detection != NULL)
		return false;
	flow->signals |= UINT32_C(1) << kind;
	return true;
}

void tracker_give(struct tracker *tracker, struct flow *flow, struct flow_signal *signal)
{
	flow->signals |= UINT32_C(1) << signal->kind;
	if (tracker->detection == NULL)
		return;
	if (detect_source_signal(tracker->detection, signal))
		flow->alerted = true;
}

struct flow_signal tracker_signal_of(const struct tracker *tracker, const struct flow *flow, enum flow_signal_kind kind)
{
	const struct tcp_end *client = &flow->conn.end[SIDE_CLIENT];

	return (struct flow_signal){
		.kind = kind,
		.answered = flow->conn.first_synack_ns != 0,
		.completed = given(flow, SIGNAL_COMPLETED) || given(flow, SIGNAL_JOINED),
		.spoke = given(flow, SIGNAL_CLIENT_SPOKE) || !given(flow, SIGNAL_COMPLETED),
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
		.now_ns = tracker->due_ns != 0 ? tracker->due_ns : tracker->now_ns,
		.packet_number = tracker->packet_number,
		.since_ns = flow->conn.first_syn_ns != 0 ? flow->conn.first_syn_ns : flow->first_ns,
	};
}

static void give_once(struct tracker *tracker, struct flow *flow, enum flow_signal_kind kind)
{
	if (given(flow, kind))
		return;
	if (tracker_gives_nobody(tracker, flow, kind))
		return;
	struct flow_signal signal = tracker_signal_of(tracker, flow, kind);
	tracker_give(tracker, flow, &signal);
}

static void give_repeat(struct tracker *tracker, struct flow *flow, enum flow_signal_kind kind)
{
	struct flow_signal signal = tracker_signal_of(tracker, flow, kind);

	signal.is_first = !given(flow, kind);
	tracker_give(tracker, flow, &signal);
}

/*
 * Another SYN of the same ports while the first is not done with: it is one more to answer. No stack asks again so, and
 * the attempt is not one that was repeated.
 */
static void give_other_syn(struct tracker *tracker, struct flow *flow)
{
	struct flow_signal signal = tracker_signal_of(tracker, flow, SIGNAL_SYN_REPEATED);
	uint32_t before = flow->signals;

	tracker_give(tracker, flow, &signal);
	flow->signals = before;
}

static bool is_half_open(const struct flow *flow)
{
	return given(flow, SIGNAL_ANSWERED) && !given(flow, SIGNAL_HALF_OPEN_ENDED);
}

static void end_half_open(struct tracker *tracker, struct flow *flow)
{
	if (!is_half_open(flow))
		return;
	struct flow_signal signal = tracker_signal_of(tracker, flow, SIGNAL_HALF_OPEN_ENDED);
	tracker_half_open_ends(flow, signal.now_ns, &signal);
	tracker_give(tracker, flow, &signal);
}

static void repeat_synack(struct tracker *tracker, struct flow *flow)
{
	struct flow_signal signal = tracker_signal_of(tracker, flow, SIGNAL_SYNACK_REPEATED);

	signal.is_first = !given(flow, SIGNAL_SYNACK_REPEATED);
	tracker_half_open_repeats(flow, tracker->now_ns, &signal);
	tracker_give(tracker, flow, &signal);
}

/* --- TIME_WAIT --- */

struct time_wait_kinds {
	enum flow_signal_kind begun;
	enum flow_signal_kind over;
};

static const struct time_wait_kinds time_wait_kinds[] = {
	[SIDE_CLIENT] = { SIGNAL_TIME_WAIT, SIGNAL_TIME_WAIT_OVER },
	[SIDE_SERVER] = { SIGNAL_SERVER_TIME_WAIT, SIGNAL_SERVER_TIME_WAIT_OVER },
};

/* A state may be rolled back from TIME_WAIT and come to it again, so this pair may be given more than once. */
static void leave_time_wait(struct tracker *tracker, struct flow *flow, enum conn_side side, bool reused)
{
	const struct time_wait_kinds *kinds = &time_wait_kinds[side];

	if (!given(flow, kinds->begun))
		return;
	flow->signals &= ~(UINT32_C(1) << kinds->begun);
	struct flow_signal signal = tracker_signal_of(tracker, flow, kinds->over);
	signal.reused = reused;
	signal.since_ns = flow->last_ns;
	tracker_give(tracker, flow, &signal);
}

static void signal_time_wait(struct tracker *tracker, struct flow *flow, enum conn_side side)
{
	if (flow->conn.end[side].state == TCPS_TIME_WAIT)
		give_once(tracker, flow, time_wait_kinds[side].begun);
	else
		leave_time_wait(tracker, flow, side, false);
}

/* --- opening --- */

/* What counts as a connection from now on is closed once more, should it have seemed over before. */
static void give_joined(struct tracker *tracker, struct flow *flow)
{
	give_once(tracker, flow, SIGNAL_JOINED);
	flow->signals &= ~(UINT32_C(1) << SIGNAL_CLOSED);
}

/* As a rule it was half open until now: one signal says both. */
static void give_completed(struct tracker *tracker, struct flow *flow)
{
	if (given(flow, SIGNAL_COMPLETED))
		return;
	struct flow_signal signal = tracker_signal_of(tracker, flow, SIGNAL_COMPLETED);
	signal.ended = is_half_open(flow);
	if (signal.ended) {
		tracker_half_open_ends(flow, signal.now_ns, &signal);
		flow->signals |= UINT32_C(1) << SIGNAL_HALF_OPEN_ENDED;
	}
	tracker_give(tracker, flow, &signal);
	flow->signals &= ~(UINT32_C(1) << SIGNAL_CLOSED);
}

/* RFC 4987 3.6: a cookie has no room for options but the MSS, unless the client's timestamp carries them. */
bool tracker_is_bare(uint16_t client_options, uint16_t server_options, uint16_t server_mss)
{
	const uint16_t more = TCPOPT_SACK_PERMITTED | TCPOPT_WSCALE;

	return (client_options & more) != 0 && (client_options & TCPOPT_TIMESTAMP) == 0 &&
	       (server_options & more) == 0 && server_mss != 0;
}

/* As its SYN had them: TCPOPT_*. */
static uint16_t options_of(const struct tcp_end *end)
{
	return (uint16_t)((end->sack_ok ? TCPOPT_SACK_PERMITTED : 0) | (end->wscale_ok ? TCPOPT_WSCALE : 0) |
			  (end->timestamps ? TCPOPT_TIMESTAMP : 0));
}

static void give_answered(struct tracker *tracker, struct flow *flow)
{
	struct flow_signal signal = tracker_signal_of(tracker, flow, SIGNAL_ANSWERED);
	const struct tcp_end *client = &flow->conn.end[SIDE_CLIENT];
	const struct tcp_end *server = &flow->conn.end[SIDE_SERVER];

	tracker_half_open_begins(flow, tracker->now_ns);
	signal.bare_synack = tracker_is_bare(options_of(client), options_of(server), server->mss);
	tracker_give(tracker, flow, &signal);
}

/* The server never showed that it has the connection, nor that it has anything of what the client says. */
static bool is_data_ignored(const struct tcp_conn *conn)
{
	enum { REPEATS = 2 };
	const struct tcp_end *client = &conn->end[SIDE_CLIENT];

	return client->retransmissions >= REPEATS && client->una_known && seq_leq(client->snd_una, client->syn_end) &&
	       conn->end[SIDE_SERVER].sure == TCPS_SYN_RCVD;
}

/* What the tap missed of it shows in what is acknowledged, or follows; a FIN takes one number. */
static bool has_spoken(const struct tcp_end *client)
{
	return client->payload_bytes > 0 || seq_gt(client->snd_nxt, client->syn_end + 1);
}

/*
 * The server goes on, long after its greeting, to a client that acknowledges and has nothing to say: who subscribes to
 * a feed is served, and does not sit in its place in vain.
 */
static bool is_served(const struct tracker *tracker, const struct flow *flow, enum conn_side side,
		      const struct tcp_verdict *verdict)
{
	const struct tcp_end *server = &flow->conn.end[SIDE_SERVER];

	return side == SIDE_SERVER && verdict->new_payload && server->una_known &&
	       seq_gt(server->snd_una, server->syn_end) &&
	       ns_since(tracker->now_ns, flow->first_ns) >= FLOW_GREETED_S * NS_PER_SEC;
}

bool tracker_client_speaks(void *context, struct flow *flow)
{
	struct tracker *tracker = context;

	give_once(tracker, flow, SIGNAL_CLIENT_SPOKE);
	return flow->alerted;
}

static void signal_client(struct tracker *tracker, struct flow *flow, enum conn_side side,
			  const struct tcp_verdict *verdict)
{
	bool speaks = has_spoken(&flow->conn.end[SIDE_CLIENT]) || is_served(tracker, flow, side, verdict);

	if (speaks && !given(flow, SIGNAL_CLOSED))
		give_once(tracker, flow, SIGNAL_CLIENT_SPOKE);
	if (verdict->retransmitted_payload && is_data_ignored(&flow->conn))
		give_once(tracker, flow, SIGNAL_DATA_IGNORED);
}

static void signal_opening(struct tracker *tracker, struct flow *flow, enum conn_side side,
			   const struct tcp_verdict *verdict)
{
	const struct tcp_conn *conn = &flow->conn;

	give_once(tracker, flow, SIGNAL_ATTEMPT);
	if (anomaly_set_has(&verdict->anomalies, ANOMALY_SYN_RETRANSMIT))
		give_repeat(tracker, flow, SIGNAL_SYN_REPEATED);
	else if (anomaly_set_has(&verdict->anomalies, ANOMALY_SYN_DIFFERENT_ISN) && !conn->established_once)
		give_other_syn(tracker, flow);
	if (conn->first_synack_ns != 0 && !given(flow, SIGNAL_ANSWERED))
		give_answered(tracker, flow);
	if (anomaly_set_has(&verdict->anomalies, ANOMALY_SYNACK_RETRANSMIT))
		repeat_synack(tracker, flow);
	if (verdict->third_ack_ignored)
		give_repeat(tracker, flow, SIGNAL_SYNACK_AFTER_ACK);
	if (conn->established_once) {
		give_completed(tracker, flow);
		end_half_open(tracker, flow);
		signal_client(tracker, flow, side, verdict);
	}
	if (conn->refused)
		give_once(tracker, flow, SIGNAL_REFUSED);
	if (conn->unreachable)
		give_once(tracker, flow, SIGNAL_UNREACHABLE);
	if (conn->synack_reset) {
		give_once(tracker, flow, SIGNAL_CLIENT_RESET);
		end_half_open(tracker, flow);
	}
}

uint32_t tracker_signals_of_attempt(const struct syn_attempt *attempt)
{
	uint32_t signals = UINT32_C(1) << SIGNAL_ATTEMPT;

	if (attempt->n_repeats > 0)
		signals |= UINT32_C(1) << SIGNAL_SYN_REPEATED;
	if (attempt->class == SYN_UNANSWERED || attempt->answered_late)
		signals |= UINT32_C(1) << SIGNAL_UNANSWERED;
	if (attempt->class >= SYN_HALF_OPEN_NEW)
		signals |= UINT32_C(1) << SIGNAL_ANSWERED;
	if (attempt->class == SYN_HALF_OPEN)
		signals |= UINT32_C(1) << SIGNAL_STILL_HALF_OPEN;
	return signals;
}

/* --- what did not begin here --- */

/* Both ends have sent something else than a RST: they know of the connection. */
static bool are_both_heard(const struct flow *flow)
{
	return flow->conn.end[SIDE_CLIENT].ttl != 0 && flow->conn.end[SIDE_SERVER].ttl != 0;
}

void tracker_signal_stray(struct tracker *tracker, struct flow *flow, const struct packet *packet)
{
	const struct flow_signal signal = {
		.kind = SIGNAL_STRAY,
		.stray = (uint8_t)flow_stray_kind(packet->flags),
		.timestamps = (packet->options.present & TCPOPT_TIMESTAMP) != 0,
		.ttl = packet->ttl,
		.window = packet->window,
		.syn_layout = packet->options.layout,
		.isn = packet->seq,
		.client = packet->src,
		.server = packet->dst,
		.client_port = packet->src_port,
		.server_port = packet->dst_port,
		.flow_id = flow != NULL ? flow->id : packet->number,
		.now_ns = tracker->now_ns,
		.packet_number = packet->number,
		.since_ns = packet->time_ns,
	};

	if (tracker->detection != NULL && detect_source_signal(tracker->detection, &signal) && flow != NULL)
		flow->alerted = true;
}

bool tracker_is_stray(const struct flow *flow)
{
	return flow->gauges[SIDE_CLIENT].is_stray || flow->gauges[SIDE_SERVER].is_stray;
}

void tracker_begin_stray(struct tracker *tracker, struct flow *flow, enum conn_side side, const struct packet *packet)
{
	flow->gauges[side].is_stray = 1;
	tracker_signal_stray(tracker, flow, packet);
}

/* What it began with, as flow_stray_kind said of that segment. */
static enum flow_stray beginning_of(const struct flow *flow)
{
	if (flow->conn.origin == CONN_ORIGIN_SYNACK)
		return STRAY_SYNACK;
	return flow->conn.origin == CONN_ORIGIN_CLOSING ? STRAY_FIN_ACK : STRAY_ACK;
}

static void claim_stray(struct tracker *tracker, struct flow *flow, enum conn_side sender)
{
	struct flow_signal signal = tracker_signal_of(tracker, flow, SIGNAL_STRAY_CLAIMED);
	enum conn_side receiver = conn_side_other(sender);

	signal.stray = (uint8_t)beginning_of(flow);
	signal.client = flow_addr(flow, sender);
	signal.server = flow_addr(flow, receiver);
	signal.client_port = flow_port(flow, sender);
	signal.server_port = flow_port(flow, receiver);
	flow->gauges[sender].is_stray = 0;
	tracker_give(tracker, flow, &signal);
}

void tracker_follow_stray(struct tracker *tracker, struct flow *flow, enum conn_side side, const struct packet *packet,
			  const struct tcp_verdict *verdict)
{
	enum conn_side sender = flow->gauges[SIDE_CLIENT].is_stray ? SIDE_CLIENT : SIDE_SERVER;
	bool closes = verdict->kind == CONN_ACCEPT && (packet->flags & SEG_FIN) != 0 &&
		      flow->conn.origin != CONN_ORIGIN_CLOSING;
	bool goes_on = side == sender && (verdict->new_payload || closes);

	if (goes_on || are_both_heard(flow))
		claim_stray(tracker, flow, sender);
	else if (side == sender)
		tracker_signal_stray(tracker, flow, packet);
}

/* --- all of them --- */

static void signal_suspicion(struct tracker *tracker, struct flow *flow, enum conn_side side, uint8_t suspicion)
{
	struct flow_signal signal = tracker_signal_of(tracker, flow, SIGNAL_RST_SUSPECT);

	signal.is_first = !given(flow, SIGNAL_RST_SUSPECT);
	signal.side = (uint8_t)side;
	signal.suspicion = suspicion;
	tracker_give(tracker, flow, &signal);
}

/* Nobody has a connection any more, be it that one end holds its ports. */
static void signal_end_of_life(struct tracker *tracker, struct flow *flow)
{
	enum conn_phase phase = tcp_conn_phase(&flow->conn);

	if (phase != CONN_PHASE_TIME_WAIT && phase != CONN_PHASE_CLOSED)
		return;
	end_half_open(tracker, flow);
	give_once(tracker, flow, SIGNAL_CLOSED);
}

void tracker_signal_segment(struct tracker *tracker, struct flow *flow, enum conn_side side,
			    const struct tcp_verdict *verdict)
{
	bool joins = flow->conn.origin != CONN_ORIGIN_SYN && !given(flow, SIGNAL_JOINED) &&
		     flow->conn.established_once && are_both_heard(flow);

	/* Without its SYN nobody knows who asked whom: such flows are no attempts. */
	if (flow->conn.origin == CONN_ORIGIN_SYN)
		signal_opening(tracker, flow, side, verdict);
	else if (joins)
		give_joined(tracker, flow);
	if (verdict->rst_suspicion != 0)
		signal_suspicion(tracker, flow, side, verdict->rst_suspicion);
	signal_time_wait(tracker, flow, SIDE_CLIENT);
	signal_time_wait(tracker, flow, SIDE_SERVER);
	tracker_gauge_segment(tracker, flow, side, verdict, verdict->n_transitions > 0 || joins);
	signal_end_of_life(tracker, flow);
}

void tracker_flow_closes(void *context, struct flow *flow)
{
	struct tracker *tracker = context;

	signal_time_wait(tracker, flow, SIDE_CLIENT);
	signal_time_wait(tracker, flow, SIDE_SERVER);
	tracker_gauge_states(tracker, flow);
	signal_end_of_life(tracker, flow);
}

void tracker_signal_overdue(struct tracker *tracker, struct flow *flow, enum flow_signal_kind kind)
{
	if (flow->conn.origin == CONN_ORIGIN_SYN)
		give_once(tracker, flow, kind);
}

void tracker_signal_end(struct tracker *tracker, struct flow *flow, bool reused)
{
	end_half_open(tracker, flow);
	tracker_gauge_end(tracker, flow);
	leave_time_wait(tracker, flow, SIDE_CLIENT, reused);
	leave_time_wait(tracker, flow, SIDE_SERVER, reused);
	give_once(tracker, flow, SIGNAL_CLOSED);
}
