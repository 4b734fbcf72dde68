/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Why a RST was sent, as far as its form tells. A stack that resets a connection of its own sets ACK (RFC 9293 3.10.5
 * does not ask for it, but for very old ones all do); one that answers a segment for which it has no use sends
 * <SEQ=SEG.ACK> without ACK, or to a segment without ACK <SEQ=0><ACK=SEG.SEQ+SEG.LEN> (RFC 9293 3.5.2).
 */
#include "tcp_internal.h"

/* An answer follows what it answers within a round trip, be it a long one. */
#define ANSWER_WITHIN_NS NS_PER_SEC

/* RFC 9293 3.6.1: it has closed both ways, and data (not just the other FIN) came that nobody will read. */
static bool data_came_too_late(const struct segment *seg)
{
	const struct tcp_end *sender = seg->sender;
	const struct tcp_end *receiver = seg->receiver;
	uint32_t data_end = receiver->fin_seen ? receiver->fin_seq : receiver->snd_nxt;

	return sender->fin_seen && sender->acked_any && seq_gt(data_end, sender->last_ack);
}

/* Its number is the acknowledgement of a segment that just came. */
static bool answers_segment(const struct segment *seg)
{
	const struct tcp_end *sender = seg->sender;
	const struct tcp_end *receiver = seg->receiver;

	return !segment_has(seg, SEG_ACK) && receiver->acked_any && seg->packet->seq == receiver->last_ack &&
	       receiver->last_ns >= sender->last_ns && ns_since(seg->now_ns, receiver->last_ns) <= ANSWER_WITHIN_NS;
}

/* RFC 5961 3.2 and 4.2: what it answers is a challenge, to its SYN or to a RST that was only in the window. */
static bool answers_challenge(const struct segment *seg)
{
	const struct tcp_conn *conn = seg->conn;
	bool of_syn = conn->next_syn_held && conn->next_syn_challenged && conn->next_syn_side == seg->sender_side;

	return of_syn || seg->sender->rst_challenged;
}

void reset_challenge(struct segment *seg)
{
	struct tcp_end *resetter = seg->receiver;
	const struct tcp_end *sender = seg->sender;
	bool says_nothing_new = !segment_occupies(seg) && sender->acked_any && seg->packet->ack == sender->last_ack &&
				seg->packet->seq == sender->snd_nxt;

	if (resetter->rst_refused_stamp == 0 || resetter->rst_challenged || !says_nothing_new ||
	    ns_since(seg->now_ns, stamp_ns(seg->conn, resetter->rst_refused_stamp)) > ANSWER_WITHIN_NS)
		return;
	resetter->rst_challenged = true;
	resetter->rst_suspicion |= CONN_RST_CHALLENGED;
	segment_anomaly(seg, ANOMALY_CHALLENGE_ACK);
}

enum conn_rst_cause reset_cause(const struct segment *seg)
{
	const struct tcp_end *sender = seg->sender;

	if (data_came_too_late(seg))
		return CONN_RST_CAUSE_LATE_DATA;
	if (segment_has(seg, SEG_ACK))
		return seg->conn->origin == CONN_ORIGIN_CLOSING || !(sender->syn_seen || sender->acked_any)
			       ? CONN_RST_CAUSE_UNKNOWN
			       : CONN_RST_CAUSE_ABORT;
	if (!answers_segment(seg))
		return CONN_RST_CAUSE_UNKNOWN;
	return answers_challenge(seg) ? CONN_RST_CAUSE_CHALLENGE_REPLY : CONN_RST_CAUSE_NO_SUCH_CONNECTION;
}

/* An end that took part in the connection, and has neither closed nor reset it, answers as if it knew of none. */
bool reset_shows_half_open(const struct segment *seg, enum conn_rst_cause cause)
{
	const struct tcp_end *sender = seg->sender;
	bool had_it = sender->sure == TCPS_ESTABLISHED || sender->sure == TCPS_CLOSE_WAIT;

	return cause == CONN_RST_CAUSE_NO_SUCH_CONNECTION && had_it && sender->acked_any && !sender->fin_seen &&
	       !sender->close_may_be_unseen && !sender->rst_sent;
}
