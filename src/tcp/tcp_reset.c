/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RST: which ones a receiver accepts (RFC 9293 3.10.7, RFC 5961 section 3), as far as an observer can tell, what
 * they mean for either end, and when the ends show that one did not happen.
 */
#include "tcp_internal.h"

static enum conn_side sender_side(const struct segment *seg)
{
	return (enum conn_side)seg->sender_side;
}

enum rst_class { RST_EXACT, RST_IN_WINDOW, RST_OUT_OF_WINDOW };

/*
 * At the number of its sender's FIN: some stacks number a RST behind a FIN so, or answer with it what crossed the FIN,
 * and Linux believes it where the FIN was the last to come.
 */
static bool is_at_fin(const struct segment *seg)
{
	const struct tcp_end *sender = seg->sender;
	const struct tcp_end *receiver = seg->receiver;
	bool fin_was_last = receiver->state == TCPS_CLOSE_WAIT || receiver->state == TCPS_LAST_ACK ||
			    receiver->state == TCPS_CLOSING;

	return fin_was_last && sender->fin_seen && seg->packet->seq == sender->fin_seq;
}

/*
 * RFC 5961 3.2 asks for the receiver's exact RCV.NXT. The tap knows that only within limits: at
 * least what the receiver acknowledged, at most what the sender was seen to send.
 */
static enum rst_class classify(const struct segment *seg)
{
	const struct tcp_end *sender = seg->sender;
	const struct tcp_end *receiver = seg->receiver;
	uint32_t seq = seg->packet->seq;
	uint32_t window = receiver->window_known ? receiver->window_bytes : 65535;

	if (!receiver->acked_any)
		return !sender->seq_known || seq == sender->snd_nxt ? RST_EXACT : RST_OUT_OF_WINDOW;
	if (seq == receiver->last_ack || (sender->seq_known && seq == sender->snd_nxt) || is_at_fin(seg))
		return RST_EXACT;
	if (sender->seq_known && seq_geq(seq, receiver->last_ack) && seq_leq(seq, sender->snd_nxt))
		return RST_EXACT;
	if (seq_gt(seq, receiver->last_ack) && seq_lt(seq, receiver->last_ack + window))
		return RST_IN_WINDOW;
	return RST_OUT_OF_WINDOW;
}

/*
 * A listener that resets its half-open connection takes the next SYN: one that passed may still be on its way to it, or
 * have been answered already with a number of its own. (A refusal of an end that does not listen has the number 0.)
 */
static void doubt_if_listening(struct segment *seg)
{
	const struct tcp_conn *conn = seg->conn;
	struct tcp_end *sender = seg->sender;
	bool refuses = !sender->syn_seen && seg->packet->seq == 0;
	bool syn_held = conn->next_syn_held && conn->next_syn_side != seg->sender_side;
	bool syn_on_its_way = conn->later_syn_ns != 0 && end_may_not_have_it(seg, sender_side(seg), conn->later_syn_ns);

	/* Without a number of its own it refuses a SYN that came before it asked for a connection itself (3.10.7.1). */
	if (sender->active_open && sender->sure != TCPS_ESTABLISHED && seg->packet->seq == 0 && sender->iss != 0)
		sender->assumed = true;
	if (sender->active_open || refuses)
		return;
	if (syn_held || sender->n_candidates > 1 || syn_on_its_way)
		sender->assumed = true;
}

/*
 * The receiver is in SYN_SENT: acceptable when the RST acknowledges its SYN (RFC 9293 3.10.7.3). An acknowledgement of
 * the SYN without the data on it (RFC 7413) counts as well.
 */
static void reset_of_attempt(struct segment *seg)
{
	struct tcp_end *receiver = seg->receiver;
	uint32_t ack = seg->packet->ack;

	if (!segment_has(seg, SEG_ACK) || !seq_gt(ack, receiver->iss) || !seq_leq(ack, receiver->snd_nxt)) {
		segment_anomaly(seg, ANOMALY_RST_OUT_OF_WINDOW);
		seg->verdict->kind = CONN_TRACK_ONLY;
		/* Blind; or it refuses a later SYN that the tap has missed. */
		receiver->assumed = true;
		return;
	}
	segment_anomaly(seg, ANOMALY_RST_REFUSES_SYN);
	if (!seg->sender->syn_seen)
		seg->conn->refused = true;
	if (seg->conn->rst_cause == CONN_RST_CAUSE_NONE)
		seg->conn->rst_cause = seg->sender->syn_seen ? CONN_RST_CAUSE_ABORT : CONN_RST_CAUSE_CLOSED_PORT;
	doubt_if_listening(seg);
	seg->sender->rst_seq = seg->packet->seq;
	end_prove(seg, sender_side(seg), TCPE_SND_RST, false);
	end_presume(seg, segment_receiver_side(seg), TCPE_RCV_RST);
}

/*
 * An end in SYN_SENT answers what does not acknowledge its SYN with a RST and goes on (RFC 9293 3.10.7.3, figures 8 and
 * 9). Seen when the RST's number is the acknowledgement that it could not accept, and another SYN of it is still open.
 */
static bool answers_wrong_ack(struct segment *seg)
{
	struct tcp_end *sender = seg->sender;
	uint32_t other_iss = sender->iss;

	if (sender->sure != TCPS_SYN_SENT)
		return false;
	if (!seg->receiver->syn_seen) {
		/* What answers an ACK has none itself. */
		if (segment_has(seg, SEG_ACK) || seg->packet->seq == sender->iss + 1 ||
		    seg->packet->seq == sender->snd_nxt)
			return false;
		segment_anomaly(seg, ANOMALY_HALF_OPEN_DISCOVERED);
		return true;
	}
	bool answers_candidate = false;
	for (unsigned i = 0; i < sender->n_candidates; i++) {
		if (sender->candidates[i] + 1 != seg->packet->seq)
			other_iss = sender->candidates[i];
		else
			answers_candidate = true;
	}
	if (!answers_candidate || other_iss == seg->packet->seq - 1 || segment_has(seg, SEG_ACK))
		return false;
	segment_anomaly(seg, ANOMALY_OLD_DUPLICATE_SYN);
	sender->iss = other_iss;
	sender->syn_end = other_iss + 1;
	sender->snd_nxt = other_iss + 1;
	end_contradict(seg, sender_side(seg), TCPE_RCV_SYNACK);
	end_presume(seg, segment_receiver_side(seg), TCPE_RCV_RST);
	/* The SYN-ACK to the other SYN will have another number: forget this one. */
	seg->receiver->syn_seen = false;
	seg->receiver->n_candidates = 0;
	seg->receiver->seq_known = false;
	return true;
}

static void note_reset(struct segment *seg)
{
	struct tcp_conn *conn = seg->conn;
	struct tcp_end *sender = seg->sender;

	if (sender->sure == TCPS_SYN_SENT && seg->receiver->sure == TCPS_SYN_RCVD)
		conn->synack_reset = true;
	enum conn_rst_cause cause = reset_cause(seg);
	if (conn->rst_cause == CONN_RST_CAUSE_NONE)
		conn->rst_cause = (uint8_t)cause;
	if (cause == CONN_RST_CAUSE_LATE_DATA)
		segment_anomaly(seg, ANOMALY_DATA_AFTER_CLOSE_RST);
	else if (sender->fin_seen)
		segment_anomaly(seg, ANOMALY_RST_AFTER_FIN);
	else if (reset_shows_half_open(seg, cause))
		segment_anomaly(seg, ANOMALY_HALF_OPEN_DISCOVERED);
	else if ((cause == CONN_RST_CAUSE_ABORT || cause == CONN_RST_CAUSE_UNKNOWN) && conn->established_once &&
		 conn->origin != CONN_ORIGIN_CLOSING && !seg->receiver->fin_seen)
		segment_anomaly(seg, ANOMALY_ABORTIVE_CLOSE);
	if (probe_given_up(seg))
		segment_anomaly(seg, ANOMALY_KEEPALIVE_UNANSWERED);
	if (seg->receiver->state == TCPS_TIME_WAIT)
		segment_anomaly(seg, ANOMALY_TIME_WAIT_ASSASSINATED);
	segment_note_closer(seg);
}

/*
 * The receiver ignores or challenges it, if the tap has seen all that the receiver has; and who knows whether its
 * sender is the other end at all. So it moves nothing, but makes what it would have moved unsure.
 */
static void reset_not_applied(struct segment *seg, enum rst_class class)
{
	seg->verdict->kind = CONN_TRACK_ONLY;
	suspicion_note_refused(seg, class == RST_IN_WINDOW);
	if (seg->sender->sure != TCPS_CLOSED)
		seg->sender->assumed = true;
	if (class == RST_IN_WINDOW) {
		seg->receiver->assumed = true;
		seg->sender->rst_refused_stamp = stamp_of(seg->conn, seg->now_ns);
		seg->sender->rst_challenged = false;
	}
}

static void apply_reset(struct segment *seg)
{
	struct tcp_end *sender = seg->sender;

	note_reset(seg);
	/*
	 * RFC 9293 3.10.7.1: without ACK it answers a segment that it has no connection for. Its attempt was given up
	 * before the SYN-ACK came.
	 */
	if (!segment_has(seg, SEG_ACK))
		end_contradict(seg, sender_side(seg), TCPE_RCV_SYNACK);
	/*
	 * RFC 9293 3.10.7.3 and 3.10.7.4: before it is established, a RST without ACK may be the answer to an ACK that
	 * was not for this SYN; a listener's own has the number behind its SYN.
	 */
	bool opens = sender->sure == TCPS_SYN_SENT ||
		     (sender->sure == TCPS_SYN_RCVD && (sender->active_open || seg->packet->seq != sender->iss + 1));
	if (opens && !segment_has(seg, SEG_ACK))
		sender->assumed = true;
	doubt_if_listening(seg);
	/* RFC 2385, RFC 5925: whether the other end believes it, depends on a key that the tap does not have. */
	if (sender->signs || seg->receiver->signs)
		sender->assumed = true;
	if (!sender->rst_sent || seq_gt(seg->receiver->snd_nxt, sender->peer_nxt_at_rst))
		sender->peer_nxt_at_rst = seg->receiver->snd_nxt;
	sender->rst_sent = true;
	sender->rst_seq = seg->packet->seq;
	if (!sender->seq_known) {
		sender->seq_known = true;
		sender->snd_nxt = seg->packet->seq;
	}
	end_prove(seg, sender_side(seg), TCPE_SND_RST, false);
	end_presume(seg, segment_receiver_side(seg), TCPE_RCV_RST);
}

/*
 * A closed end answers each segment at the number that it acknowledges (RFC 9293 3.5.2): data that crossed its FIN, at
 * a number that is old when its RST arrives.
 */
static bool answers_old_segment(const struct segment *seg)
{
	const struct tcp_end *sender = seg->sender;

	return sender->fin_seen && !segment_has(seg, SEG_ACK) && seq_leq(seg->packet->seq, sender->fin_seq) &&
	       seg->receiver->acked_any && seq_gt(seg->receiver->last_ack, seg->packet->seq);
}

void reset_segment(struct segment *seg)
{
	static const enum anomaly names[] = {
		[RST_EXACT] = ANOMALY_RST_EXACT,
		[RST_IN_WINDOW] = ANOMALY_RST_IN_WINDOW,
		[RST_OUT_OF_WINDOW] = ANOMALY_RST_OUT_OF_WINDOW,
	};

	seg->sender->rsts++;
	seg->sender->rst_sent_stamp = stamp_of(seg->conn, seg->now_ns);
	if (seg->packet->payload_bytes > 0)
		segment_anomaly(seg, ANOMALY_RST_WITH_DATA);
	if (answers_wrong_ack(seg))
		return;
	if (seg->receiver->sure == TCPS_SYN_SENT && !end_is_pending(seg->receiver, TCPE_RCV_SYNACK)) {
		reset_of_attempt(seg);
		return;
	}
	suspicion_note_reset(seg);
	enum rst_class class = classify(seg);
	segment_anomaly(seg,
			class == RST_OUT_OF_WINDOW && answers_old_segment(seg) ? ANOMALY_RST_AFTER_FIN : names[class]);
	if (class == RST_EXACT || (class == RST_IN_WINDOW && !seg->config->rst_strict))
		apply_reset(seg);
	else
		reset_not_applied(seg, class);
}

/*
 * Something that this end can only have sent after its RST: an answer to what passed later, or new sequence numbers,
 * unless the RST overtook them on its way to the tap.
 */
static bool denies_own_reset(struct segment *seg)
{
	struct tcp_end *sender = seg->sender;
	bool goes_on = seq_gt(seg->end, seq_max(sender->rst_seq, sender->snd_nxt));
	bool overtaken = segment_may_precede_reset(seg);

	if (segment_has(seg, SEG_ACK) && seq_gt(seg->packet->ack, sender->peer_nxt_at_rst))
		return true;
	if (!overtaken || goes_on || segment_has(seg, SEG_SYN))
		sender->assumed = true;
	return goes_on && !overtaken;
}

void reset_contradicted(struct segment *seg)
{
	struct tcp_end *sender = seg->sender;

	/* It answers the SYN that it refused: the refusal was not its own. */
	if (seg->conn->refused && sender->sure == TCPS_CLOSED && segment_has(seg, SEG_SYN) &&
	    segment_has(seg, SEG_ACK)) {
		seg->conn->refused = false;
		sender->assumed = segment_may_precede_reset(seg);
		seg->conn->rst_cause = CONN_RST_CAUSE_NONE;
		segment_anomaly(seg, ANOMALY_RST_CONTRADICTED);
	}
	/* It goes on long after a RST that it was sent: the RST was lost, or refused. */
	if (end_contradict_unless_crossed(seg, sender_side(seg), TCPE_RCV_RST)) {
		seg->conn->rst_cause = CONN_RST_CAUSE_NONE;
		segment_anomaly(seg, ANOMALY_RST_CONTRADICTED);
	}
	if (sender->rst_waits)
		suspicion_note_goes_on(seg);
	if (!sender->rst_sent || !denies_own_reset(seg))
		return;
	sender->rst_sent = false;
	suspicion_contradicted(seg);
	seg->conn->rst_cause = CONN_RST_CAUSE_NONE;
	segment_anomaly(seg, ANOMALY_RST_CONTRADICTED);
	end_revive(seg, sender_side(seg));
	end_contradict(seg, segment_receiver_side(seg), TCPE_RCV_RST);
}
