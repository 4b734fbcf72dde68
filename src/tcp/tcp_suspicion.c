/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RSTs that their alleged sender may not have sent: a third party guesses sequence numbers (RFC 5961), or sees the
 * connection and resets it from elsewhere. Nothing here moves a state; what is found goes with the verdict.
 *
 * A single trait is ordinary: load balancers and firewalls reset for others from another distance, and a RST that
 * answers something old has an old number. So a RST is only reported when its alleged sender goes on, or when RSTs come
 * at several numbers, none of which is the one expected.
 */
#include "tcp_internal.h"

/* Paths of one connection may differ by a router. */
enum { TTL_TOLERANCE = 1 };

/* So many packets may have been missed, or overtaken. */
enum { IP_ID_TOLERANCE = 64 };

static bool is_from_elsewhere(const struct segment *seg)
{
	int difference = (int)seg->packet->ttl - (int)seg->sender->ttl;

	return seg->sender->ttl != 0 && (difference > TTL_TOLERANCE || difference < -TTL_TOLERANCE);
}

/* Stacks answer what they know nothing of with identification 0 or numbers of their own, so 0 tells nothing. */
static bool is_out_of_step(const struct segment *seg)
{
	const struct tcp_end *sender = seg->sender;
	int16_t step = (int16_t)(seg->packet->ip_id - sender->last_ip_id);

	return sender->ip_ids_count_up && !sender->ip_ids_of_host && seg->packet->ip_id != 0 &&
	       (step > IP_ID_TOLERANCE || step < -IP_ID_TOLERANCE);
}

void suspicion_note_reset(struct segment *seg)
{
	if (is_from_elsewhere(seg))
		seg->sender->rst_suspicion |= CONN_RST_TTL;
	if (is_out_of_step(seg))
		seg->sender->rst_suspicion |= CONN_RST_IP_ID;
}

/* An end that has closed or reset answers whatever still comes, each at the number that it acknowledges. */
static bool is_over(const struct segment *seg)
{
	return !seg->conn->established_once || !seg->receiver->acked_any || seg->sender->fin_seen ||
	       seg->sender->rst_sent || seg->receiver->fin_seen || seg->receiver->rst_sent;
}

void suspicion_note_refused(struct segment *seg, bool in_window)
{
	struct tcp_end *sender = seg->sender;

	if (is_over(seg))
		return;
	if (sender->rst_refused && sender->rst_seq != seg->packet->seq)
		seg->verdict->rst_suspicion = sender->rst_suspicion | CONN_RST_PROBE;
	sender->rst_refused = true;
	sender->rst_seq = seg->packet->seq;
	sender->rst_waits |= in_window;
}

void suspicion_contradicted(struct segment *seg)
{
	seg->sender->rst_waits = false;
	seg->verdict->rst_suspicion = seg->sender->rst_suspicion | CONN_RST_CONTRADICTED;
}

void suspicion_note_goes_on(struct segment *seg)
{
	bool is_new = seg->sender->seq_known && segment_occupies(seg) && seq_gt(seg->end, seg->sender->snd_nxt);

	if (is_new && !segment_has(seg, SEG_SYN) && !segment_may_precede_reset(seg))
		suspicion_contradicted(seg);
}
