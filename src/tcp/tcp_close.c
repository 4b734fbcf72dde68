/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Closing: FIN and what acknowledges it (RFC 9293 3.6), and RST with the acceptance test of RFC 5961
 * section 3, from where an observer stands.
 */
#include "tcp_internal.h"

static enum conn_side sender_side(const struct segment *seg)
{
	return (enum conn_side)seg->sender_side;
}

static bool covers_fin(const struct tcp_end *fin_sender, uint32_t ack)
{
	return fin_sender->fin_seen && seq_gt(ack, fin_sender->fin_seq);
}

static void note_closer(struct segment *seg)
{
	struct tcp_conn *conn = seg->conn;

	if (conn->closed_by_known)
		return;
	conn->closed_by_known = true;
	conn->closed_by = seg->sender_side;
}

/*
 * An end shows that its FIN was acknowledged only by acknowledging something that the other end sent
 * with or after that acknowledgement. nxt_before_fin_ack is the highest sequence number that the other end can have
 * sent in a segment that did not acknowledge the FIN, seen or not: whoever has more, has the acknowledgement.
 */
static void track_fin_ack_boundary(struct segment *seg)
{
	struct tcp_end *sender = seg->sender;
	bool acknowledges = segment_has(seg, SEG_ACK) && covers_fin(seg->receiver, seg->packet->ack);
	uint32_t boundary = acknowledges ? seg->packet->seq : seg->end;

	if (acknowledges && sender->fin_ack_sent)
		return;
	sender->fin_ack_sent = acknowledges;
	if (!sender->fin_ack_boundary_known || seq_gt(boundary, sender->nxt_before_fin_ack))
		sender->nxt_before_fin_ack = boundary;
	sender->fin_ack_boundary_known = true;
}

static bool proves_own_fin_acked(const struct segment *seg)
{
	const struct tcp_end *sender = seg->sender;
	const struct tcp_end *receiver = seg->receiver;

	return sender->fin_seen && receiver->fin_ack_sent && segment_has(seg, SEG_ACK) &&
	       seq_gt(seg->packet->ack, receiver->nxt_before_fin_ack);
}

static void fin_repeated(struct segment *seg)
{
	segment_anomaly(seg, ANOMALY_FIN_RETRANSMIT);
	/* It would not repeat a FIN that was acknowledged, nor overlook a FIN that it has (RFC 9293 3.8.1). */
	end_contradict(seg, sender_side(seg), TCPE_RCV_ACK_OF_FIN);
	if (!covers_fin(seg->receiver, seg->packet->ack))
		end_contradict(seg, sender_side(seg), TCPE_RCV_FIN);
}

/*
 * The other end closes, and all that is missing of this connection is one sequence number of the receiver, which
 * the sender has: that was a FIN (RFC 9293 3.6). Inferred, and so only presumed.
 */
static void infer_unseen_fin(struct segment *seg)
{
	struct tcp_end *receiver = seg->receiver;
	enum conn_side receiver_side = segment_receiver_side(seg);

	if (!receiver->fin_suspected || receiver->fin_seen)
		return;
	receiver->fin_seen = true;
	receiver->fin_seq = receiver->snd_nxt - 1;
	seg->conn->closed_by_known = true;
	seg->conn->closed_by = (uint8_t)receiver_side;
	end_prove(seg, receiver_side, TCPE_SND_FIN, true);
	end_prove(seg, sender_side(seg), TCPE_RCV_FIN, true);
	end_presume(seg, receiver_side, TCPE_RCV_ACK_OF_FIN);
}

/* A FIN that does not acknowledge the other one crossed it: it was sent before that one arrived (figure 13). */
static void first_fin(struct segment *seg)
{
	bool crossed = seg->receiver->fin_seen && !covers_fin(seg->receiver, seg->packet->ack);
	bool presumed = crossed && end_contradict(seg, sender_side(seg), TCPE_RCV_FIN);

	if (crossed)
		segment_anomaly(seg, ANOMALY_SIMULTANEOUS_CLOSE);
	end_prove(seg, sender_side(seg), TCPE_SND_FIN, false);
	if (presumed)
		end_presume(seg, sender_side(seg), TCPE_RCV_FIN);
}

static void fin_sent(struct segment *seg)
{
	struct tcp_end *sender = seg->sender;
	uint32_t fin_seq = seg->end - 1;

	sender->fins++;
	if (!sender->fin_seen) {
		infer_unseen_fin(seg);
		note_closer(seg);
		sender->fin_may_be_unseen = false;
		sender->fin_seen = true;
		sender->fin_seq = fin_seq;
		first_fin(seg);
		return;
	}
	if (fin_seq == sender->fin_seq) {
		fin_repeated(seg);
		return;
	}
	segment_anomaly(seg, ANOMALY_FIN_MOVED);
}

/* A FIN is read when everything before it was (RFC 9293 3.10.7.4): a hole delays it. */
static void presume_fin_read(struct segment *seg)
{
	const struct tcp_end *sender = seg->sender;
	struct tcp_end *receiver = seg->receiver;

	/* What the receiver waits for passes the tap now. */
	if (seq_leq(seg->packet->seq, receiver->last_ack) && seq_gt(seg->end, receiver->last_ack))
		receiver->fin_held_back = false;
	if (receiver->fin_held_back)
		return;
	if (sender->fin_seen && !sequence_has_hole_before(sender, sender->fin_seq))
		end_presume(seg, segment_receiver_side(seg), TCPE_RCV_FIN);
}

static void fin_acknowledged(struct segment *seg)
{
	enum conn_side side = sender_side(seg);

	end_prove(seg, side, TCPE_RCV_FIN, !end_is_pending(seg->sender, TCPE_RCV_FIN));
	end_presume(seg, segment_receiver_side(seg), TCPE_RCV_ACK_OF_FIN);
}

void close_segment(struct segment *seg)
{
	struct tcp_end *sender = seg->sender;

	track_fin_ack_boundary(seg);
	if (proves_own_fin_acked(seg))
		end_prove(seg, sender_side(seg), TCPE_RCV_ACK_OF_FIN, false);
	if (segment_has(seg, SEG_ACK) && covers_fin(seg->receiver, seg->packet->ack))
		fin_acknowledged(seg);
	if (segment_has(seg, SEG_FIN))
		fin_sent(seg);
	else if (sender->fin_seen && seg->packet->payload_bytes > 0 && seq_gt(seg->end, sender->fin_seq))
		segment_anomaly(seg, ANOMALY_DATA_AFTER_FIN);
	presume_fin_read(seg);
}

/* --- RST --- */

enum rst_class { RST_EXACT, RST_IN_WINDOW, RST_OUT_OF_WINDOW };

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
	if (seq == receiver->last_ack || (sender->seq_known && seq == sender->snd_nxt))
		return RST_EXACT;
	if (sender->seq_known && seq_geq(seq, receiver->last_ack) && seq_leq(seq, sender->snd_nxt))
		return RST_EXACT;
	if (seq_gt(seq, receiver->last_ack) && seq_lt(seq, receiver->last_ack + window))
		return RST_IN_WINDOW;
	return RST_OUT_OF_WINDOW;
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
		return;
	}
	segment_anomaly(seg, ANOMALY_RST_REFUSES_SYN);
	if (!seg->sender->syn_seen)
		seg->conn->refused = true;
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
		if (seg->packet->seq == sender->iss + 1 || seg->packet->seq == sender->snd_nxt)
			return false;
		segment_anomaly(seg, ANOMALY_HALF_OPEN_DISCOVERED);
		return true;
	}
	for (unsigned i = 0; i < sender->n_candidates; i++) {
		if (sender->candidates[i] + 1 != seg->packet->seq)
			other_iss = sender->candidates[i];
	}
	if (other_iss == seg->packet->seq - 1)
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
	if (sender->fin_seen)
		segment_anomaly(seg, ANOMALY_RST_AFTER_FIN);
	else if (conn->established_once && !seg->receiver->fin_seen)
		segment_anomaly(seg, ANOMALY_ABORTIVE_CLOSE);
	if (seg->receiver->state == TCPS_TIME_WAIT)
		segment_anomaly(seg, ANOMALY_TIME_WAIT_ASSASSINATED);
	note_closer(seg);
}

void reset_segment(struct segment *seg)
{
	static const enum anomaly names[] = {
		[RST_EXACT] = ANOMALY_RST_EXACT,
		[RST_IN_WINDOW] = ANOMALY_RST_IN_WINDOW,
		[RST_OUT_OF_WINDOW] = ANOMALY_RST_OUT_OF_WINDOW,
	};
	struct tcp_end *sender = seg->sender;

	sender->rsts++;
	if (seg->packet->payload_bytes > 0)
		segment_anomaly(seg, ANOMALY_RST_WITH_DATA);
	if (answers_wrong_ack(seg))
		return;
	if (seg->receiver->sure == TCPS_SYN_SENT && !end_is_pending(seg->receiver, TCPE_RCV_SYNACK)) {
		reset_of_attempt(seg);
		return;
	}
	enum rst_class class = classify(seg);
	segment_anomaly(seg, names[class]);
	if (class == RST_OUT_OF_WINDOW || (class == RST_IN_WINDOW && seg->config->rst_strict)) {
		/* The receiver ignores or challenges it; and who knows whether its sender is the other end. */
		seg->verdict->kind = CONN_TRACK_ONLY;
		return;
	}
	note_reset(seg);
	sender->rst_sent = true;
	if (!sender->seq_known) {
		sender->seq_known = true;
		sender->snd_nxt = seg->packet->seq;
	}
	end_prove(seg, sender_side(seg), TCPE_SND_RST, false);
	end_presume(seg, segment_receiver_side(seg), TCPE_RCV_RST);
}

void reset_contradicted(struct segment *seg)
{
	struct tcp_end *sender = seg->sender;

	/* It goes on after a RST that it was sent: the RST was lost, refused, or has not arrived yet. */
	if (end_contradict(seg, sender_side(seg), TCPE_RCV_RST))
		segment_anomaly(seg, ANOMALY_RST_CONTRADICTED);
	if (!sender->rst_sent)
		return;
	/* Its own earlier segments may overtake a RST before the tap; new ones deny it. */
	if (seq_leq(seg->end, sender->snd_nxt) &&
	    ns_since(seg->now_ns, sender->last_ns) <= seg->config->reorder_tolerance_ns)
		return;
	sender->rst_sent = false;
	segment_anomaly(seg, ANOMALY_RST_CONTRADICTED);
	end_revive(seg, sender_side(seg));
	end_contradict(seg, segment_receiver_side(seg), TCPE_RCV_RST);
}
