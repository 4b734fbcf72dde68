/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When a tuple is used again: does this segment begin the next connection (RFC 9293 3.6.1, RFC 6191),
 * or does it belong to the one that is known? A SYN on a connection that may be alive is held until
 * the other end's answer tells (RFC 9293 3.5.1 figures 9 and 10, RFC 5961 section 4).
 */
#include "tcp_internal.h"

/* A new connection attempt, not an old duplicate: stacks repeat a SYN with the same number (RFC 9293 3.8.1). */
#define NEW_ATTEMPT_AFTER_NS NS_PER_SEC
/* Paths to a tap differ by less, and a SYN is repeated later (RFC 6298 2.1). */
#define LONGEST_OVERTAKING_NS (150 * NS_PER_MS)

static bool is_over(const struct tcp_end *end)
{
	return end->state == TCPS_CLOSED || end->state == TCPS_TIME_WAIT || end->state == TCPS_LISTEN;
}

/*
 * A SYN is on its way to an end that is over: a listener opens with it. An end that refused a SYN does not listen (a
 * refusal has the number 0, RFC 9293 3.10.7.1).
 */
static void doubt_if_listening(struct tcp_end *end)
{
	bool refused = !end->syn_seen && end->rst_seq == 0;

	if (end->state == TCPS_CLOSED && end->rsts > 0 && !refused)
		end->assumed = true;
}

void incarnation_note_copy(struct segment *seg)
{
	if (segment_has(seg, SEG_RST)) {
		seg->sender->rst_copied = true;
		seg->sender->rst_sent_stamp = stamp_of(seg->conn, seg->now_ns);
	}
	if (!segment_has(seg, SEG_SYN) || segment_has(seg, SEG_ACK))
		return;
	seg->conn->later_syn_ns = seg->now_ns;
	doubt_if_listening(seg->receiver);
}

static void hold_syn(struct segment *seg)
{
	struct tcp_conn *conn = seg->conn;
	const struct packet *packet = seg->packet;

	/* Its sender may have no other connection than the one it asks for. */
	seg->sender->assumed = true;
	doubt_if_listening(seg->receiver);
	conn->next_syn_held = true;
	conn->next_syn_challenged = false;
	conn->next_syn_side = seg->sender_side;
	conn->next_syn = (struct packet_syn){
		.time_ns = packet->time_ns,
		.number = packet->number,
		.seq = packet->seq,
		.window = packet->window,
		.flags = packet->flags,
		.options_present = packet->options.present,
		.mss = packet->options.mss,
		.wscale = packet->options.wscale,
		.fastopen_cookie_bytes = packet->options.fastopen_cookie_bytes,
		.mptcp_subtype = packet->options.mptcp_subtype,
		.ts_val = packet->options.ts_val,
		.ts_ecr = packet->options.ts_ecr,
		.layout = packet->options.layout,
	};
	seg->verdict->kind = CONN_TRACK_ONLY;
}

/* RFC 6191 section 2: may a SYN open a new connection at an end that is in TIME_WAIT? */
static bool time_wait_accepts(const struct segment *seg)
{
	const struct tcp_end *sender = seg->sender;
	const struct tcp_options *options = &seg->packet->options;

	if ((options->present & TCPOPT_TIMESTAMP) != 0 && sender->ts_known) {
		if (seq_gt(options->ts_val, sender->ts_val))
			return true;
		if (options->ts_val != sender->ts_val)
			return false;
	}
	return seq_gt(seg->packet->seq, sender->snd_nxt);
}

static enum conn_verdict_kind judge_syn_after_close(struct segment *seg)
{
	/* RFC 9293 3.6.1 keeps the owner from this; some stacks have an option for it, and rewriting boxes do it. */
	if (seg->sender->state == TCPS_TIME_WAIT)
		segment_anomaly(seg, ANOMALY_EARLY_PORT_REUSE);
	if (seg->receiver->state != TCPS_TIME_WAIT)
		return CONN_NEW_INCARNATION;
	segment_anomaly(seg, ANOMALY_SYN_IN_TIME_WAIT);
	if (time_wait_accepts(seg)) {
		segment_anomaly(seg, ANOMALY_TIME_WAIT_REUSE_OK);
		return CONN_NEW_INCARNATION;
	}
	hold_syn(seg);
	return CONN_TRACK_ONLY;
}

/* While the handshake is open: repeats and candidates are part of it, a later attempt with a new number is not. */
static enum conn_verdict_kind judge_syn_in_handshake(struct segment *seg)
{
	const struct tcp_end *sender = seg->sender;

	if (!sender->syn_seen || seg->packet->seq == sender->iss)
		return CONN_ACCEPT;
	for (unsigned i = 0; i < sender->n_candidates; i++) {
		if (sender->candidates[i] == seg->packet->seq)
			return CONN_ACCEPT;
	}
	if (ns_since(seg->now_ns, seg->conn->last_syn_ns) >= NEW_ATTEMPT_AFTER_NS)
		return CONN_NEW_INCARNATION;
	return CONN_ACCEPT;
}

/* The SYN whose answer came to the tap before it. It tells what it offers, and changes nothing else. */
static bool note_overtaken_syn(struct segment *seg)
{
	struct tcp_end *sender = seg->sender;

	if (sender->syns > 0)
		return false;
	sender->syns = 1;
	sender->out_of_order++;
	seg->conn->direction_certain = true;
	handshake_note_syn_options(seg);
	segment_anomaly(seg, ANOMALY_OUT_OF_ORDER);
	return true;
}

/* The tap missed the first SYN, and then this one did not cross the SYN-ACK: its sender does not have that. */
static bool is_repeat_behind_synack(const struct segment *seg)
{
	const struct tcp_conn *conn = seg->conn;

	return conn->origin == CONN_ORIGIN_SYNACK && !conn->established_once && seg->sender->syns == 0 &&
	       !seg->sender->rst_sent && ns_since(seg->now_ns, conn->first_synack_ns) > LONGEST_OVERTAKING_NS;
}

static enum conn_verdict_kind judge_syn(struct segment *seg)
{
	const struct tcp_end *sender = seg->sender;
	const struct tcp_conn *conn = seg->conn;
	bool same_syn = sender->syn_seen && seg->packet->seq == sender->iss;

	if (conn->origin == CONN_ORIGIN_SYN && !conn->established_once && !conn->refused && !sender->rst_sent &&
	    (sender->state != TCPS_CLOSED || conn->unreachable))
		return judge_syn_in_handshake(seg);
	if (same_syn && is_repeat_behind_synack(seg)) {
		handshake_note_syn_options(seg);
		seg->conn->direction_certain = true;
		return CONN_ACCEPT;
	}
	if (is_over(sender) && is_over(seg->receiver) && !same_syn)
		return judge_syn_after_close(seg);
	if (same_syn) {
		bool attempt_over =
			conn->refused || conn->synack_reset || (!conn->established_once && seg->receiver->rst_sent);
		bool crossed_reset = end_may_not_have_it(seg, (enum conn_side)seg->sender_side,
							 stamp_ns(seg->conn, seg->receiver->rst_sent_stamp));
		/* Late or repeated by the network: it says nothing new. After a refusal it is a new try. */
		if (attempt_over && !segment_is_recent(seg) && !crossed_reset && !segment_may_precede_reset(seg))
			return CONN_NEW_INCARNATION;
		if (!note_overtaken_syn(seg)) {
			doubt_if_listening(seg->receiver);
			seg->conn->later_syn_ns = seg->now_ns;
			segment_anomaly(seg, ANOMALY_SYN_RETRANSMIT);
			/* Whatever the other end sends: it asks again, so it was not answered (RFC 9293 3.8.1). */
			if (sender->sure == TCPS_SYN_SENT)
				end_contradict_unless_crossed(seg, (enum conn_side)seg->sender_side, TCPE_RCV_SYNACK);
		}
		seg->verdict->kind = CONN_TRACK_ONLY;
		return CONN_TRACK_ONLY;
	}
	/* Whether it is open is not sure when its opening was not seen. */
	segment_anomaly(seg, conn->origin >= CONN_ORIGIN_MIDSTREAM ? ANOMALY_SYN_AFTER_PARTIAL
								   : ANOMALY_SYN_IN_SYNCHRONIZED);
	hold_syn(seg);
	return CONN_TRACK_ONLY;
}

/* A SYN is held: what does the next segment say of it? */
static enum conn_verdict_kind judge_answer(struct segment *seg)
{
	struct tcp_conn *conn = seg->conn;
	const struct packet *packet = seg->packet;
	bool from_opener = conn->next_syn_side == seg->sender_side;

	if (!from_opener && segment_has(seg, SEG_SYN) && segment_has(seg, SEG_ACK) &&
	    packet->ack == conn->next_syn.seq + 1) {
		segment_anomaly(seg, ANOMALY_TUPLE_REUSE_LIVE);
		return CONN_NEW_INCARNATION_HELD_SYN;
	}
	if (from_opener && !segment_has(seg, SEG_SYN | SEG_RST) && packet->seq == conn->next_syn.seq + 1 &&
	    packet->seq != seg->sender->snd_nxt)
		return CONN_NEW_INCARNATION_HELD_SYN;
	if (from_opener && segment_has(seg, SEG_RST)) {
		/* The opener has no such connection: the old one is over (where TIME_WAIT held it, in good order). */
		if (seg->receiver->state != TCPS_TIME_WAIT)
			segment_anomaly(seg, ANOMALY_HALF_OPEN_DISCOVERED);
		return CONN_ACCEPT;
	}
	if (!from_opener && segment_has(seg, SEG_ACK) && !segment_has(seg, SEG_RST | SEG_SYN) &&
	    packet->payload_bytes == 0 && !conn->next_syn_challenged) {
		conn->next_syn_challenged = true;
		bool time_wait = seg->sender->state == TCPS_TIME_WAIT;
		segment_anomaly(seg, time_wait ? ANOMALY_TIME_WAIT_REUSE_REFUSED : ANOMALY_CHALLENGE_ACK);
	}
	return CONN_ACCEPT;
}

/*
 * An end that is over answers a SYN that the tap has missed (RFC 9293 3.6.1). That SYN has a number beyond those of the
 * old connection; what acknowledges one of those, answers nothing.
 */
static enum conn_verdict_kind judge_synack(const struct segment *seg)
{
	const struct tcp_end *sender = seg->sender;
	bool repeated = sender->syn_seen && seg->packet->seq == sender->iss;
	bool of_old_number = seg->receiver->syn_seen && seq_gt(seg->packet->ack, seg->receiver->iss) &&
			     seq_leq(seg->packet->ack, seg->receiver->snd_nxt);

	if (seg->conn->established_once && is_over(sender) && is_over(seg->receiver) && !repeated && !of_old_number)
		return CONN_NEW_INCARNATION;
	return CONN_ACCEPT;
}

enum conn_verdict_kind incarnation_judge(struct segment *seg)
{
	bool opens = segment_has(seg, SEG_SYN) && !segment_has(seg, SEG_ACK | SEG_RST | SEG_FIN);

	if (opens)
		return judge_syn(seg);
	if (seg->conn->next_syn_held)
		return judge_answer(seg);
	if (segment_has(seg, SEG_SYN) && !segment_has(seg, SEG_RST | SEG_FIN))
		return judge_synack(seg);
	return CONN_ACCEPT;
}
