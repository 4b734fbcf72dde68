/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One segment through the machine, in the order of RFC 9293 3.10.7.4 as an observer can follow it:
 * duplicates of the capture, which connection, plausible numbers, RST, SYN, what its sender proves by it,
 * what its receiver will know if it arrives. The steps are in the other files of this folder.
 */
#include "tcp_internal.h"

#include <string.h>

void tcp_conn_config_defaults(struct tcp_conn_config *config)
{
	*config = (struct tcp_conn_config){
		.reorder_tolerance_ns = 3 * NS_PER_MS,
		.duplicate_window_ns = 2 * NS_PER_MS,
		.rst_strict = true,
	};
}

static enum conn_cause cause_of(const struct packet *packet)
{
	if (packet->flags & SEG_RST)
		return CONN_CAUSE_RST;
	if (packet->flags & SEG_SYN)
		return (packet->flags & SEG_ACK) ? CONN_CAUSE_SYNACK : CONN_CAUSE_SYN;
	if (packet->flags & SEG_FIN)
		return CONN_CAUSE_FIN;
	return packet->payload_bytes > 0 ? CONN_CAUSE_DATA : CONN_CAUSE_ACK;
}

static struct segment segment_of(struct tcp_conn *conn, const struct tcp_context *context, enum conn_side side,
				 const struct packet *packet, struct tcp_verdict *verdict)
{
	struct recent_segment *recent = NULL;
	uint32_t occupied =
		packet->payload_bytes + ((packet->flags & SEG_SYN) ? 1u : 0u) + ((packet->flags & SEG_FIN) ? 1u : 0u);

	if (context != NULL)
		recent = recent_segments_set(context->recent, conn->owner | (uint32_t)side, packet->seq);
	return (struct segment){
		.conn = conn,
		.config = context != NULL ? &context->config : NULL,
		.recent = recent,
		.packet = packet,
		.verdict = verdict,
		.sender = &conn->end[side],
		.receiver = &conn->end[conn_side_other(side)],
		.sender_side = (uint8_t)side,
		.cause = (uint8_t)cause_of(packet),
		.now_ns = packet->time_ns,
		.number = packet->number,
		.end = packet->seq + occupied,
	};
}

static void verdict_init(struct tcp_verdict *verdict, const struct packet *packet)
{
	verdict->kind = CONN_ACCEPT;
	verdict->n_transitions = 0;
	verdict->anomalies = packet->anomalies;
	verdict->completed = false;
	verdict->new_payload = false;
	verdict->retransmitted_payload = false;
	verdict->acked_gap = false;
	verdict->came_late = false;
	verdict->n_unseen = 0;
	verdict->third_ack_ignored = false;
	verdict->rst_suspicion = 0;
}

/*
 * RFC 7323 3.2 and 5.3: agreed timestamps are on every segment, others on none, and they do not go back on what is
 * new.
 */
static void note_timestamp(struct segment *seg)
{
	const struct tcp_options *options = &seg->packet->options;
	struct tcp_end *sender = seg->sender;
	bool agreed = sender->timestamps && seg->receiver->timestamps;

	if (segment_has(seg, SEG_SYN)) {
		/* A later SYN is of another connection, or forged. */
		if (!sender->syn_seen)
			sender->timestamps_declined =
				seg->packet->options_complete && (options->present & TCPOPT_TIMESTAMP) == 0;
		return;
	}
	if ((options->present & TCPOPT_TIMESTAMP) == 0) {
		/* Some stacks leave it out of keep-alive probes (macOS), and those change no state. */
		if (agreed && seg->packet->options_complete && !segment_has(seg, SEG_RST) && !probe_is(seg))
			segment_anomaly(seg, ANOMALY_TIMESTAMP_MISSING);
		return;
	}
	if (sender->timestamps_declined || seg->receiver->timestamps_declined)
		segment_anomaly(seg, ANOMALY_TIMESTAMP_UNEXPECTED);
	if (agreed && !segment_has(seg, SEG_RST) && sender->ts_known && seq_lt(options->ts_val, sender->ts_val) &&
	    sender->seq_known && seq_geq(seg->packet->seq, sender->snd_nxt) && segment_occupies(seg))
		segment_anomaly(seg, ANOMALY_PAWS_REJECT);
}

static void note_heard(struct segment *seg)
{
	struct tcp_end *sender = seg->sender;
	const struct tcp_options *options = &seg->packet->options;

	if (segment_has(seg, SEG_ACK | SEG_SYN))
		note_timestamp(seg);
	sender->heard = true;
	if (!segment_has(seg, SEG_RST))
		sender->ttl = seg->packet->ttl;
	if ((options->present & (TCPOPT_MD5 | TCPOPT_AO)) != 0)
		sender->signs = true;
	segment_remember(seg);
	if ((options->present & TCPOPT_TIMESTAMP) == 0)
		return;
	if (!sender->ts_known || seq_gt(options->ts_val, sender->ts_val))
		sender->ts_val = options->ts_val;
	sender->ts_known = true;
}

/*
 * The flow was picked up in its middle, so neither end's state is sure: one may have sent a FIN before, and only repeat
 * what went before that. More payload from both than a window holds shows that neither had (RFC 9293 3.6).
 */
static void drop_assumptions(struct segment *seg)
{
	enum {
		WINDOW_BYTES = 65535
	}; /* the largest without scaling: the scale of a flow without its SYN is not known */
	struct tcp_end *ends = seg->conn->end;

	if (seg->conn->origin <= CONN_ORIGIN_SYNACK) {
		/* Whatever made its state doubtful: an end that goes on with its data has the connection. */
		if (seg->verdict->new_payload && seg->sender->sure != TCPS_SYN_RCVD && !seg->sender->rst_sent &&
		    !segment_may_precede_reset(seg))
			seg->sender->assumed = false;
	} else if (ends[0].new_bytes > WINDOW_BYTES && ends[1].new_bytes > WINDOW_BYTES) {
		ends[0].assumed = false;
		ends[1].assumed = false;
	}
}

static void apply(struct segment *seg)
{
	if (segment_has(seg, SEG_RST)) {
		reset_segment(seg);
		return;
	}
	if (segment_has(seg, SEG_SYN))
		handshake_listened_again(seg);
	reset_contradicted(seg);
	if (segment_has(seg, SEG_SYN)) {
		if (segment_has(seg, SEG_FIN)) {
			/* Hardly a stack accepts it (RFC 9293 3.10.7.2); Linux may give up a TIME_WAIT for it. */
			seg->verdict->kind = CONN_TRACK_ONLY;
			if (seg->receiver->state == TCPS_TIME_WAIT)
				seg->receiver->assumed = true;
		} else if (segment_has(seg, SEG_ACK)) {
			handshake_synack(seg);
		} else {
			handshake_syn(seg);
		}
		return;
	}
	if (!segment_has(seg, SEG_ACK)) {
		/* RFC 9293 3.10.7.4: dropped by every receiver in a synchronised state. */
		seg->verdict->kind = CONN_TRACK_ONLY;
		return;
	}
	handshake_choose_synack(seg);
	if (!sequence_plausible(seg) || !handshake_ack(seg))
		return;
	reset_challenge(seg);
	sequence_advance(seg);
	acknowledgement_advance(seg);
	close_segment(seg);
	drop_assumptions(seg);
}

/*
 * A SYN-ACK alone may answer a SYN that somebody else forged: its "client" need not know of it. Until that end
 * speaks, or the sender goes on as only an answered one does, nobody knows who asked whom.
 */
static void settle_direction(struct segment *seg)
{
	struct tcp_conn *conn = seg->conn;

	if (conn->origin != CONN_ORIGIN_SYNACK || conn->direction_certain || conn->unsolicited)
		return;
	conn->direction_certain = conn->established_once;
	conn->unsolicited = !conn->established_once && conn->end[SIDE_CLIENT].rst_sent;
	if (conn->unsolicited)
		segment_anomaly(seg, ANOMALY_SYNACK_UNSOLICITED);
}

static void finish(struct segment *seg)
{
	settle_direction(seg);
	ends_settle(seg);
	if (seg->now_ns > seg->sender->last_ns)
		seg->sender->last_ns = seg->now_ns;
}

void tcp_conn_advance(struct tcp_conn *conn, const struct tcp_context *context, enum conn_side side,
		      const struct packet *packet, struct tcp_verdict *verdict)
{
	struct segment seg = segment_of(conn, context, side, packet, verdict);

	stamps_advance(conn, seg.now_ns);
	verdict_init(verdict, packet);
	switch (segment_copy_of(&seg)) {
	case SEGMENT_CAPTURED_TWICE:
		verdict->kind = CONN_DUPLICATE;
		segment_anomaly(&seg, ANOMALY_CAPTURE_DUPLICATE);
		return;
	case SEGMENT_DELIVERED_TWICE:
		verdict->kind = CONN_TRACK_ONLY;
		verdict->retransmitted_payload = packet->payload_bytes > 0;
		segment_anomaly(&seg, ANOMALY_NETWORK_DUPLICATE);
		incarnation_note_copy(&seg);
		seg.sender->fin_again |= seg.sender->fin_seen && segment_has(&seg, SEG_FIN);
		finish(&seg);
		return;
	case SEGMENT_ORIGINAL:
		break;
	}
	if (opening_segment(&seg))
		return;
	enum conn_verdict_kind kind = incarnation_judge(&seg);
	if (kind == CONN_NEW_INCARNATION || kind == CONN_NEW_INCARNATION_HELD_SYN) {
		verdict->kind = (uint8_t)kind;
		return;
	}
	note_heard(&seg);
	if (kind == CONN_ACCEPT)
		apply(&seg);
	finish(&seg);
}

/* --- beginnings --- */

static void ends_begin(struct tcp_conn *conn, uint32_t owner, uint64_t now_ns)
{
	memset(conn, 0, sizeof(*conn));
	conn->owner = owner;
	stamps_begin(conn, now_ns);
	conn->rtt_client_us = UINT32_MAX;
	conn->rtt_server_us = UINT32_MAX;
	conn->end[SIDE_CLIENT].certainty = TCP_PRESUMED;
	conn->end[SIDE_SERVER].sure = TCPS_LISTEN;
	conn->end[SIDE_SERVER].state = TCPS_LISTEN;
	conn->end[SIDE_SERVER].certainty = TCP_PRESUMED;
}

/* Services have the lower port; below 1024 nearly always (RFC 6335 section 6). */
static enum conn_side guess_sender(const struct packet *packet)
{
	return packet->src_port < packet->dst_port ? SIDE_SERVER : SIDE_CLIENT;
}

enum conn_side tcp_conn_init(struct tcp_conn *conn, const struct tcp_context *context, uint32_t owner,
			     const struct packet *packet, struct tcp_verdict *verdict)
{
	bool syn = (packet->flags & SEG_SYN) != 0 && (packet->flags & SEG_FIN) == 0;
	bool ack = (packet->flags & SEG_ACK) != 0;
	enum conn_side side = syn ? (ack ? SIDE_SERVER : SIDE_CLIENT) : guess_sender(packet);

	ends_begin(conn, owner, packet->time_ns);
	verdict_init(verdict, packet);
	struct segment seg = segment_of(conn, context, side, packet, verdict);
	if (opening_syn(&seg))
		return SIDE_CLIENT;
	note_heard(&seg);
	conn->direction_certain = syn && !ack;
	if (syn) {
		conn->origin = ack ? CONN_ORIGIN_SYNACK : CONN_ORIGIN_SYN;
	} else {
		bool closing = (packet->flags & (SEG_FIN | SEG_RST)) != 0;
		conn->origin = closing ? CONN_ORIGIN_CLOSING : CONN_ORIGIN_MIDSTREAM;
		segment_anomaly(&seg, ANOMALY_NO_SESSION_SEGMENT);
		handshake_infer_opened(&seg);
	}
	apply(&seg);
	finish(&seg);
	return side;
}

void tcp_conn_init_from_syn(struct tcp_conn *conn, const struct tcp_context *context, uint32_t owner,
			    const struct packet_syn *syn, struct tcp_verdict *verdict)
{
	struct packet packet = {
		.time_ns = syn->time_ns,
		.number = syn->number,
		.seq = syn->seq,
		.flags = syn->flags,
		.window = syn->window,
		.options = {
			.present = syn->options_present & (uint16_t)~TCPOPT_SACK,
			.mss = syn->mss,
			.wscale = syn->wscale,
			.fastopen_cookie_bytes = syn->fastopen_cookie_bytes,
			.mptcp_subtype = syn->mptcp_subtype,
			.ts_val = syn->ts_val,
			.ts_ecr = syn->ts_ecr,
			.layout = syn->layout,
		},
	};

	tcp_conn_init(conn, context, owner, &packet, verdict);
}

/* --- what is not a segment --- */

void tcp_conn_icmp(struct tcp_conn *conn, enum conn_side side, const struct packet *packet, struct tcp_verdict *verdict)
{
	struct segment seg = segment_of(conn, NULL, side, packet, verdict);
	bool fatal = packet->icmp_error == ICMP_ERROR_HARD_UNREACHABLE ||
		     packet->icmp_error == ICMP_ERROR_SOFT_UNREACHABLE || packet->icmp_error == ICMP_ERROR_PROHIBITED;

	stamps_advance(conn, seg.now_ns);
	verdict_init(verdict, packet);
	seg.cause = CONN_CAUSE_ICMP;
	/* RFC 5927 section 4: believed only if it quotes something that this end could have in flight. */
	if (!seg.sender->seq_known || seq_gt(packet->seq, seg.sender->snd_nxt) ||
	    (seg.sender->una_known && seq_lt(packet->seq, seg.sender->snd_una))) {
		verdict->kind = CONN_TRACK_ONLY;
		return;
	}
	segment_anomaly(&seg, ANOMALY_ICMP_ERROR);
	/* RFC 1122 4.2.3.9 lets only some of them end an attempt; the stacks in use end it on all of these. */
	if (fatal && seg.sender->sure == TCPS_SYN_SENT && !seg.receiver->heard) {
		conn->unreachable = true;
		end_presume(&seg, side, TCPE_RCV_RST);
	}
	ends_settle(&seg);
}

void tcp_conn_expire(struct tcp_conn *conn, uint64_t now_ns, struct tcp_verdict *verdict)
{
	const struct packet nothing = { .time_ns = now_ns };
	struct segment seg = segment_of(conn, NULL, SIDE_CLIENT, &nothing, verdict);

	stamps_advance(conn, now_ns);
	verdict_init(verdict, &nothing);
	seg.cause = CONN_CAUSE_TIMEOUT;
	if (conn->origin == CONN_ORIGIN_SYNACK && !conn->direction_certain && !conn->end[SIDE_CLIENT].heard)
		segment_anomaly(&seg, ANOMALY_SYNACK_UNSOLICITED);
	/* RFC 4987 3.6: a server that keeps no state for a SYN-ACK cannot repeat it. */
	if (!conn->established_once && conn->end[SIDE_SERVER].sure == TCPS_SYN_RCVD &&
	    conn->end[SIDE_SERVER].syns == 1 && !conn->synack_reset)
		segment_anomaly(&seg, ANOMALY_SYN_COOKIE_SUSPECTED);
	for (unsigned i = 0; i < 2; i++) {
		/* The SYN-ACK was repeated to the end and never acknowledged: the client cannot have it. */
		if (!conn->established_once)
			end_contradict(&seg, (enum conn_side)i, TCPE_RCV_SYNACK);
		end_presume(&seg, (enum conn_side)i, TCPE_TIMEOUT);
	}
	ends_settle(&seg);
}
