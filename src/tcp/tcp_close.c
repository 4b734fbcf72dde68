/* SPDX-License-Identifier: BSD-2-Clause */
/* Closing: FIN and what acknowledges it (RFC 9293 3.6), from where an observer stands. */
#include "tcp_internal.h"

static enum conn_side sender_side(const struct segment *seg)
{
	return (enum conn_side)seg->sender_side;
}

static bool covers_fin(const struct tcp_end *fin_sender, uint32_t ack)
{
	return fin_sender->fin_seen && seq_gt(ack, fin_sender->fin_seq);
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
	bool brings_new = seg->class == SEGMENT_FIRST || seg->class == SEGMENT_NEXT || seg->class == SEGMENT_GAP;
	uint32_t acked_from = brings_new ? seg->packet->seq : sender->snd_nxt;
	uint32_t boundary = acknowledges ? acked_from : seg->end;

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
	seg->sender->fin_again = true;
	/* It would not repeat a FIN that was acknowledged, nor overlook a FIN that it has (RFC 9293 3.8.1). */
	end_contradict_unless_crossed(seg, sender_side(seg), TCPE_RCV_ACK_OF_FIN);
	if (!covers_fin(seg->receiver, seg->packet->ack))
		end_contradict_unless_crossed(seg, sender_side(seg), TCPE_RCV_FIN);
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

/*
 * Its first acknowledgement of the other FIN, before that one was repeated, is ahead of all that was seen. What was
 * missed may end in its own FIN; then the two crossed, as nothing but the other FIN can have made it send this ACK. So
 * it is not sure which came first until what was missed is sent again.
 */
static void suspect_crossed_fin(struct segment *seg)
{
	struct tcp_end *sender = seg->sender;

	if (segment_occupies(seg)) {
		if (seq_gt(seg->end, sender->fin_suspected_seq) && !segment_has(seg, SEG_FIN))
			sender->fin_crossed_suspected = false;
		return;
	}
	if (sender->fin_seen || sender->fin_ack_sent || seg->receiver->fin_again || seg->class != SEGMENT_GAP ||
	    !covers_fin(seg->receiver, seg->packet->ack))
		return;
	sender->fin_crossed_suspected = true;
	sender->fin_suspected_seq = seg->packet->seq - 1;
}

/* A FIN that does not acknowledge the other one crossed it: it was sent before that one arrived (figure 13). */
static void first_fin(struct segment *seg)
{
	struct tcp_end *sender = seg->sender;
	bool was_missed = sender->fin_crossed_suspected && sender->fin_suspected_seq == sender->fin_seq;
	bool crossed = seg->receiver->fin_seen && (was_missed || !covers_fin(seg->receiver, seg->packet->ack));

	if (crossed)
		segment_anomaly(seg, ANOMALY_SIMULTANEOUS_CLOSE);
	if (crossed && end_is_pending(sender, TCPE_RCV_FIN))
		end_prove_before(seg, TCPE_SND_FIN, TCPE_RCV_FIN);
	else if (crossed && sender->sure == TCPS_CLOSE_WAIT)
		end_prove_crossing(seg); /* its ACK of the other FIN overtook it on the way to the tap */
	else
		end_prove(seg, sender_side(seg), TCPE_SND_FIN, false);
	sender->fin_crossed_suspected = false;
	if (covers_fin(seg->receiver, seg->packet->ack))
		end_prove_if_pending(seg, sender_side(seg), TCPE_RCV_FIN);
}

/*
 * Its sender sends something else where its FIN stands: which of the two the receiver took, no acknowledgement tells,
 * unless the FIN was acknowledged before.
 */
static void contest_fin(struct segment *seg, enum anomaly anomaly)
{
	struct tcp_end *receiver = seg->receiver;

	segment_anomaly(seg, anomaly);
	if (!receiver->acked_any || seq_leq(receiver->last_ack, seg->sender->fin_seq))
		receiver->assumed = true;
}

static void fin_sent(struct segment *seg)
{
	struct tcp_end *sender = seg->sender;
	uint32_t fin_seq = seg->end - 1;

	sender->fins++;
	sender->fin_packet = seg->number;
	if (!sender->fin_seen) {
		infer_unseen_fin(seg);
		segment_note_closer(seg);
		/*
		 * It may repeat a FIN that the tap has not seen, which then crossed the other one: LAST_ACK is sure
		 * only if this end acknowledged the other FIN before, where its own now stands.
		 */
		sender->close_order_unsure = covers_fin(seg->receiver, seg->packet->ack) &&
					     (sender->sure != TCPS_CLOSE_WAIT || sender->acked_fin_at != fin_seq);
		sender->close_may_be_unseen = false;
		sender->fin_seen = true;
		sender->fin_stamp = stamp_of(seg->conn, seg->now_ns);
		sender->fin_seq = fin_seq;
		first_fin(seg);
		return;
	}
	if (fin_seq == sender->fin_seq) {
		fin_repeated(seg);
		return;
	}
	contest_fin(seg, ANOMALY_FIN_MOVED);
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

/*
 * It acknowledges the other FIN. Had it sent its own before, this segment would be numbered behind it; but for what it
 * sends again, which is older than a FIN that the tap may have missed. Data that answer the FIN late were perhaps sent
 * before, for every stack acknowledges a FIN at once.
 */
static void note_close_order(struct segment *seg, bool acked_before)
{
	struct tcp_end *sender = seg->sender;
	bool at_once = seg->receiver->fins <= 1 &&
		       end_may_not_have_it(seg, sender_side(seg), stamp_ns(seg->conn, seg->receiver->fin_stamp));
	bool sent_again = seg->class == SEGMENT_OUT_OF_ORDER || seg->class == SEGMENT_REPEAT_UNSEEN ||
			  seg->class == SEGMENT_REPEAT_SEEN || seg->class == SEGMENT_REPEAT_NEEDLESS ||
			  (segment_occupies(seg) && !at_once && !acked_before);

	if (!sent_again)
		sender->acked_fin_at = seg->end;
	if (!sender->fin_seen && !(sent_again && acked_before))
		sender->close_order_unsure = sent_again;
}

/*
 * FINs crossed at the tap, and the receiver's was lost behind it: what came was its repeat. So the acknowledgement of
 * the sender's own FIN, which passed before that, came first.
 */
static bool fin_came_late(struct segment *seg)
{
	struct tcp_end *sender = seg->sender;
	uint64_t ack_packet = end_pending_packet(sender, TCPE_RCV_ACK_OF_FIN);

	if (sender->sure != TCPS_FIN_WAIT_1 || ack_packet == 0 || ack_packet > seg->receiver->fin_packet ||
	    !loss_of_first_shown(seg, seg->receiver->fin_seq))
		return false;
	if (!end_contradict(seg, sender_side(seg), TCPE_RCV_FIN))
		return false;
	end_presume_since(seg, sender_side(seg), TCPE_RCV_ACK_OF_FIN, ack_packet);
	end_presume_since(seg, sender_side(seg), TCPE_RCV_FIN, seg->receiver->fin_packet);
	return true;
}

static void fin_acknowledged(struct segment *seg, bool acked_before)
{
	enum conn_side side = sender_side(seg);

	if (!segment_has(seg, SEG_FIN))
		note_close_order(seg, acked_before);
	if (!fin_came_late(seg) && !seg->sender->fin_crossed_suspected)
		end_prove(seg, side, TCPE_RCV_FIN, !end_is_pending(seg->sender, TCPE_RCV_FIN));
	end_presume(seg, segment_receiver_side(seg), TCPE_RCV_ACK_OF_FIN);
}

void close_segment(struct segment *seg)
{
	struct tcp_end *sender = seg->sender;
	bool acked_before = sender->fin_ack_sent;

	suspect_crossed_fin(seg);
	track_fin_ack_boundary(seg);
	if (proves_own_fin_acked(seg))
		end_prove(seg, sender_side(seg), TCPE_RCV_ACK_OF_FIN, false);
	if (segment_has(seg, SEG_ACK) && covers_fin(seg->receiver, seg->packet->ack))
		fin_acknowledged(seg, acked_before);
	if (segment_has(seg, SEG_FIN))
		fin_sent(seg);
	else if (sender->fin_seen && seg->packet->payload_bytes > 0 && seq_gt(seg->end, sender->fin_seq))
		contest_fin(seg, ANOMALY_DATA_AFTER_FIN);
	presume_fin_read(seg);
}
