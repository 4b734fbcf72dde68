/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a segment stands in its sender's and its receiver's sequence space (RFC 9293 3.4, 3.10.7.4),
 * as far as an observer can tell: new, repeated, out of order, a probe; what it acknowledges. Windows
 * are used to judge what is plausible, never to reject evidence: the tap may have missed the segment that
 * opened a window.
 */
#include "tcp_internal.h"

enum {
	/* A window that is unknown, or smaller, still lets this much pass: unscaled maximum. */
	LEAST_WINDOW_BYTES = 65535,
	/* What a sender may be ahead of the last thing the tap saw of it, when the tap misses segments. */
	UNSEEN_MARGIN_BYTES = 1 << 20,
};

static uint32_t window_or_more(const struct tcp_end *end)
{
	return end->window_known && end->window_bytes > LEAST_WINDOW_BYTES ? end->window_bytes : LEAST_WINDOW_BYTES;
}

static bool reject(struct segment *seg, enum anomaly anomaly)
{
	segment_anomaly(seg, anomaly);
	seg->verdict->kind = CONN_TRACK_ONLY;
	return false;
}

/* FINs, and bare ACKs while the connection closes, go by names of their own. */
static enum anomaly implausible(const struct segment *seg, enum anomaly of_fin, enum anomaly of_others)
{
	bool closing = seg->sender->fin_seen || seg->receiver->fin_seen;

	if (segment_has(seg, SEG_FIN))
		return of_fin;
	return closing && !segment_occupies(seg) ? ANOMALY_BAD_ACK_IN_CLOSE : of_others;
}

/*
 * Either the segment is not this connection's, or the tap missed a long stretch of it. Until that is known, nobody's
 * state is sure.
 */
static bool reject_stray(struct segment *seg)
{
	struct tcp_end *sender = seg->sender;

	sender->stray_known = true;
	sender->stray_next = seg->end;
	sender->stray_is_fin = segment_has(seg, SEG_FIN);
	sender->close_may_be_unseen = true;
	return reject(seg, implausible(seg, ANOMALY_FIN_OUT_OF_WINDOW, ANOMALY_SEQ_OUT_OF_WINDOW));
}

/* The tap missed a long stretch of what end sent: it goes on from next. */
static void resynchronise(struct segment *seg, struct tcp_end *end, uint32_t next)
{
	segment_anomaly(seg, ANOMALY_UNSEEN_SEGMENT);
	end->stray_known = false;
	holes_forget(end);
	end->snd_nxt = next;
	end->close_may_be_unseen = true;
}

static bool is_near(uint32_t number, const struct tcp_end *of, const struct tcp_end *window_of)
{
	int64_t reach = (int64_t)window_or_more(window_of) + UNSEEN_MARGIN_BYTES;
	int64_t ahead = seq_diff(number, of->snd_nxt);

	return ahead <= reach && ahead >= -2 * reach;
}

/* Either the segment is not this connection's, or its sender has another one. */
static bool reject_acknowledgement(struct segment *seg)
{
	seg->sender->assumed = true;
	return reject(seg, implausible(seg, ANOMALY_FIN_INVALID_ACK, ANOMALY_INVALID_ACK));
}

/*
 * It begins beyond all that the receiver said it would take, and leaves out something that its sender would have had to
 * send before: no receiver takes it (RFC 9293 3.10.7.4). The tap may have missed how that window moved, though.
 */
static bool is_beyond_window(const struct segment *seg)
{
	const struct tcp_end *sender = seg->sender;
	const struct tcp_end *receiver = seg->receiver;
	uint32_t taken = receiver->acked_any ? receiver->last_ack : sender->syn_end;
	uint32_t edge = receiver->edge_known ? receiver->right_edge : taken + receiver->window_bytes;
	uint32_t rounded_off = UINT32_C(1) << receiver->wscale; /* RFC 7323 2.4 */

	return sender->seq_known && receiver->window_known && (receiver->acked_any || sender->syn_seen) &&
	       seq_gt(seg->packet->seq, sender->snd_nxt) && seq_gt(seg->packet->seq, edge + rounded_off);
}

/*
 * The receiver's FIN was seen, and this acknowledges what would come behind it; or it acknowledges less than its sender
 * did before, by more than a window (RFC 5961 section 5): dropped. What is sent again carries the newest
 * acknowledgement.
 */
static bool has_impossible_ack(const struct segment *seg)
{
	const struct tcp_end *sender = seg->sender;
	const struct tcp_end *receiver = seg->receiver;
	uint32_t ack = seg->packet->ack;

	if (receiver->fin_seen && seq_gt(ack, receiver->fin_seq + 1))
		return true;
	return sender->acked_any && seq_lt(ack, sender->last_ack - window_or_more(sender));
}

/*
 * A FIN moves both ends for good, so it is believed only where its receiver can take it. Numbers below what the
 * receiver has acknowledged are of nobody's FIN: of an earlier connection, or forged.
 */
static bool fin_plausible(struct segment *seg)
{
	struct tcp_end *sender = seg->sender;
	bool before_syn = sender->syn_seen && seq_leq(seg->end, sender->iss);
	bool old = before_syn || (sender->una_known && seq_lt(seg->end, sender->snd_una));

	if (old && sender->fin_seen)
		return reject(seg, ANOMALY_FIN_OUT_OF_WINDOW);
	if (old || is_beyond_window(seg))
		return reject_stray(seg);
	return has_impossible_ack(seg) ? reject_acknowledgement(seg) : true;
}

/* The FIN that seemed astray was acknowledged: it was the sender's, and the tap has missed what came before. */
static void believe_stray_fin(struct segment *seg)
{
	struct tcp_end *end = seg->receiver;

	if (!end->stray_known || !end->stray_is_fin || end->fin_seen || seg->packet->ack != end->stray_next)
		return;
	end->stray_known = false;
	/* But not when the acknowledgements contradict one another. */
	if (!end->una_known || seq_gt(seg->packet->ack, end->snd_una))
		end->close_may_be_unseen = false;
	end->fins++;
	end->fin_seen = true;
	end->fin_seq = end->stray_next - 1;
	end->fin_stamp = stamp_of(seg->conn, seg->now_ns);
	end_prove(seg, segment_receiver_side(seg), TCPE_SND_FIN, true);
}

/*
 * It ends where the receiver's acknowledgements do, and at its number was something else, a SYN or payload. What the
 * tap missed there may have been a FIN.
 */
static bool is_at_other_number(const struct segment *seg)
{
	const struct tcp_end *sender = seg->sender;
	uint32_t missing;

	return sender->seq_known && sender->una_known && seg->end == sender->snd_una && !sender->fin_seen &&
	       !sender->close_may_be_unseen && hole_find(sender, seg->end - 1, seg->end, &missing) == NULL;
}

/* Nothing comes behind a FIN, so nobody can have got it (RFC 9293 3.10.7.4): the segment is dropped. */
static bool acknowledges_beyond_fin(const struct segment *seg)
{
	const struct tcp_end *receiver = seg->receiver;

	return segment_has(seg, SEG_ACK) && receiver->fin_seen &&
	       seq_gt(seg->packet->ack, seq_max(receiver->fin_seq + 1, receiver->snd_nxt));
}

bool sequence_plausible(struct segment *seg)
{
	struct tcp_end *sender = seg->sender;
	struct tcp_end *receiver = seg->receiver;
	uint32_t ack = seg->packet->ack;

	if (sender->seq_known && !is_near(seg->packet->seq, sender, receiver)) {
		/* A second segment right behind the first stray one: the sender is there. */
		if (!sender->stray_known || seg->packet->seq != sender->stray_next)
			return reject_stray(seg);
		resynchronise(seg, sender, seg->packet->seq);
	}
	if (segment_has(seg, SEG_ACK) && receiver->seq_known && !is_near(ack, receiver, sender)) {
		/* The other end acknowledges just what seemed astray. */
		if (!receiver->stray_known || ack != receiver->stray_next)
			return reject_acknowledgement(seg);
		resynchronise(seg, receiver, ack);
	}
	if (segment_has(seg, SEG_FIN) && is_at_other_number(seg)) {
		/* Some stacks take the acknowledgement of what ends where the window begins. */
		if (segment_has(seg, SEG_ACK) && (!receiver->una_known || seq_gt(ack, receiver->snd_una)))
			receiver->assumed = true;
		return reject(seg, ANOMALY_FIN_OUT_OF_WINDOW);
	}
	if (segment_has(seg, SEG_FIN))
		return fin_plausible(seg);
	if (acknowledges_beyond_fin(seg)) {
		sender->assumed = true;
		return reject(seg, ANOMALY_ACK_BEYOND_FIN);
	}
	return true;
}

/* --- what the sender sent --- */

static void count_payload(struct segment *seg, uint32_t bytes)
{
	if (bytes == 0)
		return;
	seg->sender->payload_bytes += bytes;
	seg->verdict->new_payload = true;
	volume_note_new_payload(seg);
}

static uint32_t payload_of(const struct segment *seg, uint32_t sequence_numbers)
{
	uint32_t payload = seg->packet->payload_bytes;

	return sequence_numbers < payload ? sequence_numbers : payload;
}

/* New payload, or a FIN that was seen: no FIN was missed before. */
static void note_goes_on(struct segment *seg)
{
	struct tcp_end *sender = seg->sender;

	if (!segment_occupies(seg))
		return;
	if (seg->packet->payload_bytes <= UINT32_MAX - sender->new_bytes)
		sender->new_bytes += seg->packet->payload_bytes;
	sender->close_may_be_unseen = false;
	sender->fin_suspected = false;
	sender->stray_known = false;
	sender->probe_byte = false;
}

/*
 * A segment that brings sequence numbers below the next ones, and how many of them the tap had not seen. One that
 * repeats something and goes on beyond it is a repeat, unless a hole is in what it repeats.
 */
static enum segment_class classify_late(const struct segment *seg, uint32_t *missing)
{
	const struct tcp_end *sender = seg->sender;
	const struct tcp_hole *hole = hole_find(sender, seg->packet->seq, seg->end, missing);
	bool goes_on = seq_gt(seg->end, sender->snd_nxt);
	uint32_t seen_end = goes_on ? sender->snd_nxt : seg->end;

	if (goes_on)
		*missing += seg->end - sender->snd_nxt;
	if (hole != NULL && hole_was_overtaken(seg, hole))
		return SEGMENT_OUT_OF_ORDER;
	if (hole != NULL && !hole_is_acknowledged(sender, hole))
		return SEGMENT_REPEAT_UNSEEN;
	return sender->una_known && seq_leq(seen_end, sender->snd_una) ? SEGMENT_REPEAT_NEEDLESS : SEGMENT_REPEAT_SEEN;
}

/* What the segment is to its sender's sequence space; changes nothing. *missing is set as by classify_late. */
static enum segment_class classify(const struct segment *seg, uint32_t *missing)
{
	const struct tcp_end *sender = seg->sender;
	uint32_t seq = seg->packet->seq;

	*missing = seg->end - seq;
	if (!sender->seq_known)
		return SEGMENT_FIRST;
	if (probe_is(seg))
		return SEGMENT_PROBE;
	if (seq_gt(seq, sender->snd_nxt))
		return SEGMENT_GAP;
	if (seq == sender->snd_nxt)
		return SEGMENT_NEXT;
	return segment_occupies(seg) ? classify_late(seg, missing) : SEGMENT_OLD_EMPTY;
}

static void note_gap(struct segment *seg)
{
	struct tcp_end *sender = seg->sender;

	hole_open(seg);
	segment_anomaly(seg, ANOMALY_UNSEEN_SEGMENT);
	sender->snd_nxt = seg->packet->seq;
	/* Without payload behind it, what was passed over may end in a FIN. */
	if (!segment_occupies(seg))
		sender->close_may_be_unseen = true;
}

static void note_late(struct segment *seg, bool goes_on)
{
	struct tcp_end *sender = seg->sender;
	bool needless = seg->class == SEGMENT_REPEAT_NEEDLESS && !goes_on;

	if (seg->class == SEGMENT_OUT_OF_ORDER) {
		sender->out_of_order++;
		segment_anomaly(seg, ANOMALY_OUT_OF_ORDER);
		return;
	}
	sender->retransmissions++;
	seg->verdict->retransmitted_payload = seg->packet->payload_bytes > 0;
	segment_anomaly(seg, needless ? ANOMALY_SPURIOUS_RETRANSMISSION : ANOMALY_RETRANSMISSION);
	loss_note_repeat(seg);
}

void sequence_advance(struct segment *seg)
{
	struct tcp_end *sender = seg->sender;
	uint32_t missing;

	probe_byte_went_in(sender, seg->packet->seq);
	seg->class = (uint8_t)classify(seg, &missing);
	loss_note_segment(seg);
	switch ((enum segment_class)seg->class) {
	case SEGMENT_FIRST:
		sender->seq_known = true;
		break;
	case SEGMENT_GAP:
		note_gap(seg);
		note_goes_on(seg);
		break;
	case SEGMENT_NEXT:
		note_goes_on(seg);
		break;
	case SEGMENT_PROBE:
		probe_note(seg);
		return;
	case SEGMENT_OLD_EMPTY:
	case SEGMENT_UNCLASSED:
		return;
	case SEGMENT_OUT_OF_ORDER:
	case SEGMENT_REPEAT_UNSEEN:
	case SEGMENT_REPEAT_SEEN:
	case SEGMENT_REPEAT_NEEDLESS:
		seg->verdict->came_late = hole_came_late(seg);
		hole_fill(sender, seg->packet->seq, seg->end);
		note_late(seg, seq_gt(seg->end, sender->snd_nxt));
		/* All was seen now, to its end, and that is no FIN. */
		if (missing > 0 && !sequence_has_hole_before(sender, seg->end) && seg->end == sender->snd_nxt &&
		    !segment_has(seg, SEG_FIN))
			sender->close_may_be_unseen = sender->stray_known;
		break;
	}
	overlap_judge(seg);
	if (seg->class == SEGMENT_FIRST || seq_geq(seg->end, sender->snd_nxt)) {
		sender->snd_nxt = seg->end;
		hole_note_front(seg);
	}
	count_payload(seg, payload_of(seg, missing));
}

/* --- what the receiver is told --- */

/*
 * RFC 9293 3.8.6: the right edge should not move left. What the scale rounds off does not count (RFC 7323 2.4), nor
 * does a segment that comes late.
 */
static void edge_advance(struct segment *seg)
{
	struct tcp_end *sender = seg->sender;
	uint32_t edge = seg->packet->ack + sender->window_bytes;

	/* Behind the other end's FIN nothing comes that would need it. */
	if (!sender->window_known || seq_lt(seg->packet->ack, sender->last_ack) || seg->receiver->fin_seen)
		return;
	if (sender->edge_known && seq_lt(edge + (UINT32_C(1) << sender->wscale), sender->right_edge))
		segment_anomaly(seg, ANOMALY_WINDOW_SHRINK);
	sender->right_edge = edge;
	sender->edge_known = true;
}

static void window_advance(struct segment *seg)
{
	struct tcp_end *sender = seg->sender;
	uint16_t window = seg->packet->window;
	bool is_syn = segment_has(seg, SEG_SYN);
	bool is_cut_off = sender->wscale_cut_off || seg->receiver->wscale_cut_off;

	if (is_syn) {
		sender->window_bytes = window; /* RFC 7323 2.2: never scaled on a SYN */
		sender->window_known = true;
	} else if (sender->syn_seen && seg->receiver->syn_seen && !is_cut_off) {
		bool scaled = sender->wscale_ok && seg->receiver->wscale_ok;
		sender->window_bytes = (uint32_t)window << (scaled ? sender->wscale : 0);
		sender->window_known = true;
	} else {
		sender->window_bytes = window;
		sender->window_known = window == 0; /* zero is zero, whatever the scale */
	}
	if (sender->window_known && seg->config->max_window_bytes != 0 &&
	    sender->window_bytes > seg->config->max_window_bytes)
		segment_anomaly(seg, ANOMALY_WINDOW_TOO_LARGE);
	if (!is_syn)
		edge_advance(seg);
	if (window == 0 && !segment_has(seg, SEG_FIN | SEG_SYN)) {
		if (sender->last_window != 0 || sender->zero_windows == 0)
			sender->zero_windows++;
		segment_anomaly(seg, ANOMALY_ZERO_WINDOW);
	}
}

/* An answer to a probe or to a challenge. */
static bool has_a_name(const struct segment *seg)
{
	const struct anomaly_set *anomalies = &seg->verdict->anomalies;

	return anomaly_set_has(anomalies, ANOMALY_KEEPALIVE_ACK) || anomaly_set_has(anomalies, ANOMALY_CHALLENGE_ACK) ||
	       anomaly_set_has(anomalies, ANOMALY_TIME_WAIT_REUSE_REFUSED);
}

/*
 * The same acknowledgement again, and nothing else said. RFC 5681 section 2 calls it a duplicate while something is
 * outstanding; otherwise it answers something that could not be accepted, or came twice. Multipath TCP sends such
 * segments for what else it has to say, and they are no duplicates (RFC 8684 section 3).
 */
static void note_repeated_ack(struct segment *seg)
{
	struct tcp_end *sender = seg->sender;
	const struct tcp_end *receiver = seg->receiver;
	const struct packet *packet = seg->packet;
	bool is_bare = packet->payload_bytes == 0 && !segment_has(seg, SEG_SYN | SEG_FIN) && packet->window != 0 &&
		       seg->class != SEGMENT_GAP && (packet->options.present & TCPOPT_MPTCP_SIGNAL) == 0;
	bool is_same = sender->acked_any && packet->ack == sender->last_ack && packet->window == sender->last_window &&
		       packet->seq == sender->snd_nxt;

	if (!is_bare || !is_same || has_a_name(seg))
		return;
	if (receiver->una_known && packet->ack == receiver->snd_una && seq_lt(receiver->snd_una, receiver->snd_nxt)) {
		sender->duplicate_acks++;
		segment_anomaly(seg, ANOMALY_DUPLICATE_ACK);
	} else {
		segment_anomaly(seg, ANOMALY_REPEATED_ACK);
	}
}

/* RFC 2883 section 4: a first block below the acknowledgement, or within the second block, tells of what came twice. */
static void note_dsack(struct segment *seg)
{
	const struct tcp_options *options = &seg->packet->options;

	if ((options->present & TCPOPT_SACK) == 0 || options->n_sack_blocks == 0)
		return;
	bool below = seq_leq(options->sack[0].right, seg->packet->ack);
	bool within = options->n_sack_blocks > 1 && seq_geq(options->sack[0].left, options->sack[1].left) &&
		      seq_leq(options->sack[0].right, options->sack[1].right);
	if (below || within)
		segment_anomaly(seg, ANOMALY_DSACK);
}

static void note_acked_gap(struct segment *seg, uint32_t n_segments)
{
	uint32_t all = seg->verdict->n_unseen + n_segments;

	seg->verdict->acked_gap = true;
	seg->verdict->n_unseen = all < UINT8_MAX ? (uint8_t)all : UINT8_MAX;
}

/*
 * The sender acknowledges what the tap did not see. The last of it may have been a FIN: until the other end goes
 * on, its state is not sure, nor is that of the end that would have read the FIN.
 */
static void note_unseen(struct segment *seg)
{
	struct tcp_end *receiver = seg->receiver;
	uint32_t unseen = seg->packet->ack - receiver->snd_nxt;

	segment_anomaly(seg, ANOMALY_ACK_UNSEEN_DATA);
	if (receiver->heard && unseen > 1) /* one may be a FIN */
		note_acked_gap(seg, hole_segments(receiver, seg->sender, unseen));
	if (!receiver->heard)
		segment_anomaly(seg, ANOMALY_SPLIT_ROUTING);
	if (!receiver->fin_seen) {
		receiver->close_may_be_unseen = true;
		receiver->fin_suspected = unseen == 1;
	}
	if (receiver->heard)
		hole_open_acknowledged(seg);
	receiver->snd_nxt = seg->packet->ack;
}

/* The other end has those bytes: they were not lost, the tap missed them. */
static void note_holes_acknowledged(struct segment *seg)
{
	uint32_t n_segments = hole_acknowledge(seg->receiver, seg->sender, seg->packet->ack);

	if (n_segments == 0)
		return;
	segment_anomaly(seg, ANOMALY_ACK_UNSEEN_DATA);
	note_acked_gap(seg, n_segments);
}

/* RFC 2018: the sender has the FIN, but not all that comes before it. */
static void note_fin_held_back(struct segment *seg)
{
	const struct tcp_options *options = &seg->packet->options;
	const struct tcp_end *receiver = seg->receiver;

	if (!receiver->fin_seen || (options->present & TCPOPT_SACK) == 0 || seq_gt(seg->packet->ack, receiver->fin_seq))
		return;
	for (unsigned i = 0; i < options->n_sack_blocks; i++) {
		if (seq_leq(options->sack[i].left, receiver->fin_seq) &&
		    seq_gt(options->sack[i].right, receiver->fin_seq)) {
			seg->sender->fin_held_back = true;
			end_contradict(seg, (enum conn_side)seg->sender_side, TCPE_RCV_FIN);
		}
	}
}

void acknowledgement_advance(struct segment *seg)
{
	struct tcp_end *sender = seg->sender;
	struct tcp_end *receiver = seg->receiver;
	uint32_t ack = seg->packet->ack;

	if (!segment_has(seg, SEG_ACK))
		return;
	if (!receiver->seq_known) {
		receiver->seq_known = true;
		receiver->snd_nxt = ack;
	} else if (seq_gt(ack, receiver->snd_nxt) && !probe_byte_went_in(receiver, ack)) {
		note_unseen(seg);
	}
	believe_stray_fin(seg);
	note_fin_held_back(seg);
	loss_note_acknowledgement(seg);
	probe_answered(seg);
	note_repeated_ack(seg);
	note_dsack(seg);
	if (receiver->fin_seen && seq_gt(ack, receiver->fin_seq + 1))
		segment_anomaly(seg, ANOMALY_ACK_BEYOND_FIN);
	if (!receiver->una_known || seq_gt(ack, receiver->snd_una)) {
		receiver->una_known = true;
		receiver->snd_una = ack;
		note_holes_acknowledged(seg);
	} else if (seq_lt(ack, receiver->snd_una)) {
		segment_anomaly(seg, ANOMALY_OUTDATED_ACK);
	}
	if (!sender->acked_any || seq_gt(ack, sender->last_ack))
		sender->last_ack = ack;
	sender->acked_any = true;
	window_advance(seg);
	sender->last_window = seg->packet->window;
}
