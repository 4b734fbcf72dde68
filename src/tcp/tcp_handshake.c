/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opening (RFC 9293 3.5, 3.10.7.2 and 3.10.7.3): SYN, SYN-ACK and what completes them, with candidates
 * where several were seen, simultaneous opens, and openings that the tap missed.
 */
#include "tcp_internal.h"

#include <string.h>

static void candidate_add(struct tcp_end *end, uint32_t iss)
{
	for (unsigned i = 0; i < end->n_candidates; i++) {
		if (end->candidates[i] == iss)
			return;
	}
	if (end->n_candidates == CONN_MAX_SYN_CANDIDATES) {
		memmove(&end->candidates[0], &end->candidates[1],
			sizeof(end->candidates[0]) * (CONN_MAX_SYN_CANDIDATES - 1));
		end->n_candidates--;
	}
	end->candidates[end->n_candidates++] = iss;
}

static bool candidate_has(const struct tcp_end *end, uint32_t iss)
{
	for (unsigned i = 0; i < end->n_candidates; i++) {
		if (end->candidates[i] == iss)
			return true;
	}
	return false;
}

/* Several SYNs (or SYN-ACKs) were seen and this one turned out to be the one that counts. */
static void candidate_choose(struct tcp_end *end, uint32_t iss)
{
	if (end->iss == iss)
		return;
	candidate_add(end, end->iss);
	end->iss = iss;
	end->syn_end = iss + 1;
	end->snd_nxt = iss + 1;
}

static uint8_t mptcp_of(const struct tcp_options *options)
{
	enum { MP_CAPABLE = 0, MP_JOIN = 1 }; /* RFC 8684 3 */

	if ((options->present & TCPOPT_MPTCP) == 0 || options->mptcp_subtype > MP_JOIN)
		return CONN_MPTCP_NONE;
	return options->mptcp_subtype == MP_CAPABLE ? CONN_MPTCP_CAPABLE : CONN_MPTCP_JOIN;
}

void handshake_note_syn_options(struct segment *seg)
{
	const struct tcp_options *options = &seg->packet->options;
	struct tcp_end *end = seg->sender;
	enum { MAX_WSCALE = 14 }; /* RFC 7323 2.3 */

	if (seg->sender_side == SIDE_CLIENT) {
		seg->conn->syn_layout = options->layout;
		seg->conn->syn_window = seg->packet->window;
	}
	end->mss = (options->present & TCPOPT_MSS) ? options->mss : 0;
	end->wscale_ok = (options->present & TCPOPT_WSCALE) != 0;
	end->wscale_cut_off = !end->wscale_ok && !seg->packet->options_complete;
	end->wscale = options->wscale > MAX_WSCALE ? MAX_WSCALE : options->wscale;
	end->sack_ok = (options->present & TCPOPT_SACK_PERMITTED) != 0;
	end->timestamps = (options->present & TCPOPT_TIMESTAMP) != 0;
	end->mptcp = mptcp_of(options);
}

static void note_syn_of(struct segment *seg)
{
	struct tcp_end *sender = seg->sender;

	loss_note_syn(seg);
	sender->syns++;
	sender->syn_seen = true;
	sender->seq_known = true;
	sender->iss = seg->packet->seq;
	sender->syn_end = seg->end;
	sender->snd_nxt = seg->end;
	sender->syn_flags = seg->packet->flags;
	sender->window_bytes = seg->packet->window;
	sender->window_known = true;
	sender->last_window = seg->packet->window;
	handshake_note_syn_options(seg);
	candidate_add(sender, seg->packet->seq);
}

static void note_fast_open(struct segment *seg)
{
	const struct packet *packet = seg->packet;

	if ((packet->options.present & TCPOPT_FASTOPEN) == 0) {
		if (packet->payload_bytes > 0)
			segment_anomaly(seg, ANOMALY_SYN_WITH_DATA);
		return;
	}
	if (packet->options.fastopen_cookie_bytes == 0)
		segment_anomaly(seg, ANOMALY_TFO_COOKIE_REQUEST);
	else if (packet->payload_bytes > 0)
		segment_anomaly(seg, ANOMALY_TFO_DATA);
}

static void first_syn(struct segment *seg)
{
	struct tcp_conn *conn = seg->conn;

	note_syn_of(seg);
	note_fast_open(seg);
	seg->sender->active_open = true;
	seg->sender->fast_open =
		(seg->packet->options.present & TCPOPT_FASTOPEN) != 0 && seg->packet->options.fastopen_cookie_bytes > 0;
	seg->sender->payload_bytes += seg->packet->payload_bytes;
	seg->verdict->new_payload = seg->packet->payload_bytes > 0;
	if (conn->first_syn_ns == 0)
		conn->first_syn_ns = seg->now_ns;
	conn->last_syn_ns = seg->now_ns;
	end_prove(seg, (enum conn_side)seg->sender_side, TCPE_SND_SYN, false);
	end_presume(seg, segment_receiver_side(seg), TCPE_RCV_SYN);
	if (seg->receiver->sure == TCPS_SYN_SENT) {
		segment_anomaly(seg, ANOMALY_SIMULTANEOUS_OPEN);
		/* The receiver's own SYN passed the tap before: it is on its way to this end. */
		end_presume_since(seg, (enum conn_side)seg->sender_side, TCPE_RCV_SYN, seg->receiver->sure_caused_by);
	}
}

void handshake_syn(struct segment *seg)
{
	struct tcp_end *sender = seg->sender;
	struct tcp_conn *conn = seg->conn;

	if (!sender->syn_seen) {
		first_syn(seg);
		return;
	}
	loss_note_syn(seg);
	sender->syns++;
	conn->last_syn_ns = seg->now_ns;
	conn->later_syn_ns = seg->now_ns;
	if (candidate_has(sender, seg->packet->seq)) {
		segment_anomaly(seg, ANOMALY_SYN_RETRANSMIT);
		sender->assumed &= sender->sure != TCPS_SYN_SENT;
		/* It would not ask again had it been answered (RFC 9293 3.8.1), nor without ACK after the other SYN. */
		end_contradict_unless_crossed(seg, (enum conn_side)seg->sender_side, TCPE_RCV_SYN);
		end_contradict_unless_crossed(seg, (enum conn_side)seg->sender_side, TCPE_RCV_SYNACK);
		end_contradict_unless_crossed(seg, (enum conn_side)seg->sender_side, TCPE_RCV_RST);
		return;
	}
	segment_anomaly(seg, ANOMALY_SYN_DIFFERENT_ISN);
	candidate_add(sender, seg->packet->seq);
	if (!seg->receiver->syn_seen)
		candidate_choose(sender, seg->packet->seq);
}

/* Servers that keep no state may number each SYN-ACK otherwise (RFC 4987 3.6), and the first may come last. */
void handshake_choose_synack(struct segment *seg)
{
	struct tcp_end *receiver = seg->receiver;
	uint32_t iss = seg->packet->ack - 1;

	if (seg->sender->sure == TCPS_SYN_SENT && receiver->syn_seen && candidate_has(receiver, iss))
		candidate_choose(receiver, iss);
}

/* It answers another SYN than the one it was reset for (RFC 9293 figure 8): it listened again. */
void handshake_listened_again(struct segment *seg)
{
	struct tcp_end *sender = seg->sender;
	bool repeats = seg->packet->seq == sender->iss || candidate_has(sender, seg->packet->seq);

	if (repeats || sender->active_open || !end_is_pending(sender, TCPE_RCV_RST))
		return;
	/* Another RST may be on its way to it. */
	bool other_reset = seg->receiver->rsts > 1 || seg->receiver->rst_copied;
	if (other_reset && end_may_not_have_it(seg, (enum conn_side)seg->sender_side,
					       stamp_ns(seg->conn, seg->receiver->rst_sent_stamp)))
		sender->assumed = true;
	end_prove(seg, (enum conn_side)seg->sender_side, TCPE_RCV_RST, false);
	sender->syn_seen = false;
	sender->n_candidates = 0;
}

/* Which of the receiver's SYNs does this acknowledgement answer? RFC 7413: it may cover data on the SYN too. */
static bool acknowledges_syn(const struct tcp_end *end, uint32_t ack, uint32_t *iss)
{
	if (!end->syn_seen)
		return false;
	if (seq_gt(ack, end->iss) && seq_leq(ack, end->snd_nxt)) {
		*iss = end->iss;
		return true;
	}
	*iss = ack - 1;
	return candidate_has(end, ack - 1);
}

static void first_synack(struct segment *seg)
{
	struct tcp_conn *conn = seg->conn;

	note_syn_of(seg);
	seg->sender->acked_any = false; /* whatever it acknowledged before, was of another attempt */
	conn->first_synack_ns = seg->now_ns;
	if (conn->last_syn_ns != 0 && seg->receiver->syns == 1)
		conn->rtt_server_us = (uint32_t)(ns_since(seg->now_ns, conn->last_syn_ns) / NS_PER_US);
	loss_note_syn_received(seg);
	if (seg->receiver->syn_end - seg->receiver->iss > 1 && seg->packet->ack == seg->receiver->iss + 1)
		segment_anomaly(seg, ANOMALY_TFO_DATA_IGNORED);
	end_prove(seg, (enum conn_side)seg->sender_side, TCPE_SND_SYNACK, false);
}

static void repeated_synack(struct segment *seg)
{
	struct tcp_end *sender = seg->sender;

	loss_note_syn(seg);
	sender->syns++;
	if (!candidate_has(sender, seg->packet->seq)) {
		segment_anomaly(seg, ANOMALY_SYNACK_DIFFERENT_ISN);
		/* It opens anew: it has not that connection any more. */
		if (sender->sure != TCPS_SYN_RCVD)
			sender->assumed = true;
		candidate_add(sender, seg->packet->seq);
		if (seg->receiver->sure == TCPS_SYN_SENT)
			candidate_choose(sender, seg->packet->seq);
		return;
	}
	if (sender->sure == TCPS_SYN_RCVD && sender->acked_any && seg->packet->ack != sender->last_ack) {
		segment_anomaly(seg, ANOMALY_SYNACK_DIFFERENT_ACK);
		return;
	}
	/* RFC 9293 3.8.1: it would not repeat its SYN had it been acknowledged. */
	bool third_ack_lost = end_contradict_unless_crossed(seg, (enum conn_side)seg->sender_side, TCPE_RCV_ACK_OF_SYN);
	seg->verdict->third_ack_ignored = sender->sure == TCPS_SYN_RCVD && seg->receiver->sure == TCPS_ESTABLISHED &&
					  !end_is_pending(sender, TCPE_RCV_ACK_OF_SYN);
	if (third_ack_lost || seg->receiver->sure != TCPS_SYN_SENT)
		segment_anomaly(seg, ANOMALY_SYNACK_AFTER_ESTABLISHED);
	else
		segment_anomaly(seg, ANOMALY_SYNACK_RETRANSMIT);
}

/* A SYN-ACK whose SYN was not seen proves that one was sent. */
static void infer_syn(struct segment *seg)
{
	struct tcp_end *receiver = seg->receiver;

	receiver->active_open = true;
	receiver->syn_seen = true;
	receiver->seq_known = true;
	receiver->iss = seg->packet->ack - 1;
	receiver->syn_end = seg->packet->ack;
	receiver->snd_nxt = seg->packet->ack;
	candidate_add(receiver, receiver->iss);
	end_prove(seg, segment_receiver_side(seg), TCPE_SND_SYN, true);
}

bool handshake_synack(struct segment *seg)
{
	struct tcp_end *receiver = seg->receiver;
	uint32_t iss;

	if (!receiver->heard && !receiver->syn_seen && !seg->sender->syn_seen)
		infer_syn(seg);
	if (!acknowledges_syn(receiver, seg->packet->ack, &iss)) {
		bool wrong_direction = seg->sender->active_open && !receiver->syn_seen;
		segment_anomaly(seg, wrong_direction ? ANOMALY_SYNACK_WRONG_DIRECTION : ANOMALY_SYNACK_WRONG_ACK);
		/* It answers a SYN that the tap has missed, of whatever connection. */
		if (seg->sender->sure != TCPS_LISTEN)
			seg->sender->assumed = true;
		seg->verdict->kind = CONN_TRACK_ONLY;
		return false;
	}
	if (receiver->sure == TCPS_SYN_SENT)
		candidate_choose(receiver, iss);
	if (seg->sender->syn_seen && seg->sender->sure != TCPS_SYN_SENT)
		repeated_synack(seg);
	else
		first_synack(seg);
	acknowledgement_advance(seg);
	end_presume(seg, segment_receiver_side(seg), TCPE_RCV_SYNACK);
	return true;
}

/* --- the third segment, and every later one, as evidence of the opening --- */

static void complete(struct segment *seg)
{
	struct tcp_conn *conn = seg->conn;

	if (conn->established_once)
		return;
	conn->established_once = true;
	seg->verdict->completed = true;
	if (conn->first_synack_ns != 0 && seg->receiver->syns == 1)
		conn->rtt_client_us = (uint32_t)(ns_since(seg->now_ns, conn->first_synack_ns) / NS_PER_US);
	loss_note_syn_received(seg);
}

/* The sender shows that it has the SYN-ACK; if this segment arrives, the receiver is established too. */
static void opened(struct segment *seg, bool inferred)
{
	enum conn_side side = (enum conn_side)seg->sender_side;

	/* A SYN-ACK that came behind a RST: it goes on, so the RST was not believed, or has yet to come. */
	if (!end_is_pending(seg->sender, TCPE_RCV_SYNACK)) {
		bool yet_to_come = end_may_not_have_it(seg, side, stamp_ns(seg->conn, seg->receiver->rst_sent_stamp));
		if (end_contradict(seg, side, TCPE_RCV_RST) && yet_to_come)
			seg->sender->assumed = true;
	}
	/* An end in SYN_RCVD answers with a bare ACK, too, what it cannot accept (RFC 9293 3.10.7.4). */
	if (seg->receiver->active_open && !segment_occupies(seg))
		seg->sender->may_be_opening = true;
	end_prove(seg, side, TCPE_RCV_SYNACK, inferred);
	complete(seg);
	end_presume(seg, segment_receiver_side(seg), TCPE_RCV_ACK_OF_SYN);
}

/* The sender acknowledges a SYN-ACK that the tap missed: it was sent, and it arrived. */
static bool infer_synack(struct segment *seg)
{
	struct tcp_end *sender = seg->sender;
	struct tcp_end *receiver = seg->receiver;

	if (seg->packet->seq != sender->iss + 1 && seg->packet->seq != sender->snd_nxt)
		return false;
	receiver->iss = seg->packet->ack - 1;
	receiver->seq_known = true;
	receiver->snd_nxt = seg->packet->ack;
	end_prove(seg, segment_receiver_side(seg), TCPE_SND_SYNACK, true);
	opened(seg, true);
	return true;
}

static bool reject_third_ack(struct segment *seg, enum anomaly anomaly)
{
	segment_anomaly(seg, anomaly);
	if (seg->packet->payload_bytes > 0)
		segment_anomaly(seg, ANOMALY_DATA_BEFORE_ESTABLISHED);
	seg->verdict->kind = CONN_TRACK_ONLY;
	return false;
}

/* The sender is in SYN_SENT as far as proved, and this is its first segment that is no SYN. */
static bool leaves_syn_sent(struct segment *seg)
{
	struct tcp_end *receiver = seg->receiver;
	uint32_t iss;

	if (!receiver->syn_seen && receiver->sure == TCPS_LISTEN)
		return infer_synack(seg);
	if (!receiver->syn_seen) {
		opened(seg, false);
		return true;
	}
	if (!acknowledges_syn(receiver, seg->packet->ack, &iss) && seq_leq(seg->packet->ack, receiver->iss)) {
		/* RFC 9293 3.10.7.4 refuses it; Linux, having opened actively, takes what acknowledges nothing yet. */
		if (receiver->active_open && seg->packet->ack == receiver->iss)
			receiver->assumed = true;
		return reject_third_ack(seg, ANOMALY_THIRD_ACK_WRONG_ACK);
	}
	if (seq_leq(seg->packet->ack, receiver->snd_nxt))
		candidate_choose(receiver, iss);
	/* Where its SYN stands: a keep-alive, or an old connection that answers. */
	if (seg->packet->seq == seg->sender->iss)
		seg->sender->assumed = true;
	opened(seg, false);
	return true;
}

/*
 * In SYN_RCVD only something that needs the third segment proves that it came: data of its own (unless a fast open
 * lets it speak or close early, RFC 7413 4.2), or the acknowledgement of more than the SYN. A bare ACK may be a
 * challenge.
 */
static bool proves_ack_of_syn(const struct segment *seg)
{
	const struct tcp_end *receiver = seg->receiver;
	const struct tcp_end *sender = seg->sender;

	/* Beyond what the receiver takes: of an older connection. */
	uint32_t window = receiver->window_bytes > UINT16_MAX ? receiver->window_bytes : UINT16_MAX;
	if (sender->syn_seen && seq_gt(seg->end, sender->iss + 1 + window))
		return false;
	bool may_be_early = client_opens_fast(receiver) || receiver->syns == 0; /* an unseen SYN may do so too */
	if ((segment_has(seg, SEG_FIN) || seg->packet->payload_bytes > 0) && !may_be_early)
		return true;
	return receiver->syn_seen && seq_gt(seg->packet->ack, receiver->syn_end);
}

/* The server speaks, and only the client's SYN was seen of the opening. */
static bool server_without_synack(struct segment *seg)
{
	bool bare = !segment_occupies(seg);
	uint32_t iss;

	if (!acknowledges_syn(seg->receiver, seg->packet->ack, &iss) &&
	    !(!bare && seg->receiver->syn_seen && seq_gt(seg->packet->ack, seg->receiver->iss) &&
	      seq_diff(seg->packet->ack, seg->receiver->snd_nxt) < (1 << 16))) {
		/* Not about this SYN: it holds an older connection (RFC 9293 figure 9, RFC 5961 section 4). */
		return reject_third_ack(seg, ANOMALY_CHALLENGE_ACK);
	}
	seg->sender->iss = seg->packet->seq - 1;
	/* A bare ACK: of an end in SYN_RCVD, or established since the tap missed more than the SYN-ACK. */
	seg->sender->assumed = bare;
	end_prove(seg, (enum conn_side)seg->sender_side, TCPE_SND_SYNACK, true);
	end_presume_unseen(seg, segment_receiver_side(seg), TCPE_RCV_SYNACK);
	return true;
}

static void leaves_syn_rcvd(struct segment *seg)
{
	struct tcp_end *sender = seg->sender;
	enum conn_side side = (enum conn_side)seg->sender_side;

	if (end_is_pending(sender, TCPE_RCV_SYNACK)) {
		end_prove(seg, side, TCPE_RCV_SYNACK, false);
	} else {
		bool unseen = !end_is_pending(sender, TCPE_RCV_ACK_OF_SYN);
		if (unseen)
			segment_anomaly(seg, ANOMALY_THIRD_ACK_MISSING);
		end_prove(seg, side, TCPE_RCV_ACK_OF_SYN, unseen);
		/* Without a SYN-ACK that passed, only the server's word says that the client has one. */
		if (unseen && sender->syn_seen && seg->receiver->sure == TCPS_SYN_SENT)
			end_prove(seg, segment_receiver_side(seg), TCPE_RCV_SYNACK, true);
	}
	if (!seg->conn->established_once) {
		seg->conn->established_once = true;
		seg->verdict->completed = true;
	}
}

bool handshake_ack(struct segment *seg)
{
	struct tcp_end *sender = seg->sender;
	struct tcp_end *receiver = seg->receiver;

	if (sender->sure == TCPS_SYN_SENT && !leaves_syn_sent(seg))
		return false;
	if (segment_occupies(seg) || (receiver->syn_seen && seq_gt(seg->packet->ack, receiver->syn_end)))
		sender->may_be_opening = false;
	if ((sender->sure == TCPS_LISTEN || sender->sure == TCPS_CLOSED) && !sender->syn_seen && !sender->rst_sent &&
	    !server_without_synack(seg))
		return false;
	if (sender->sure == TCPS_SYN_RCVD && proves_ack_of_syn(seg))
		leaves_syn_rcvd(seg);
	else if (sender->sure == TCPS_SYN_RCVD && receiver->syns == 0 && segment_occupies(seg))
		sender->assumed = true; /* early, or established: it depends on a SYN that was not seen */
	/* A simultaneous open: both are in SYN_RCVD, and this acknowledges the receiver's SYN. */
	if (receiver->sure == TCPS_SYN_RCVD && receiver->syn_seen && seq_gt(seg->packet->ack, receiver->iss))
		end_presume(seg, segment_receiver_side(seg), TCPE_RCV_ACK_OF_SYN);
	return true;
}

void handshake_infer_opened(struct segment *seg)
{
	end_begin_opened(seg, SIDE_CLIENT);
	end_begin_opened(seg, SIDE_SERVER);
	seg->conn->established_once = true;
}
