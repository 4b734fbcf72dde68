/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Holes: sequence numbers of a sender that the tap was passed over by. A segment that fills one later was either
 * overtaken on its way to the tap, or is the repeat of one that was lost before it. What tells the two apart is
 * when it was sent, against the segment behind the hole: its timestamp (RFC 7323 4.2: of the time of sending), its IPv4
 * identification where the sender counts it up, and else the time: a loss is not known to its sender before a round
 * trip is over. A hole that the other end acknowledges is no loss; it is kept, as what was in it may have been
 * overtaken by its own acknowledgement.
 */
#include "tcp_internal.h"

#include <string.h>

enum {
	/* Identifications this far apart around a hole come from a counter, nearly always. */
	LARGEST_ID_STEP = 256,
	/* Beyond it, an identification is not ahead of another one but behind it, or of another counter. */
	LARGEST_ID_LEAD = 1 << 14,
	/* RFC 9293 3.7.1: what an end that names no MSS can take. */
	DEFAULT_MSS = 536,
};

enum sent { SENT_BEFORE, SENT_AFTER, SENT_UNKNOWN };

static uint8_t bit_of(unsigned index)
{
	return (uint8_t)(1u << index);
}

static bool is_dated(const struct tcp_end *sender, const struct tcp_hole *hole)
{
	return (sender->holes_dated & bit_of((unsigned)(hole - sender->holes))) != 0;
}

bool hole_is_acknowledged(const struct tcp_end *sender, const struct tcp_hole *hole)
{
	return (sender->holes_acknowledged & bit_of((unsigned)(hole - sender->holes))) != 0;
}

static void hole_remove(struct tcp_end *sender, unsigned index)
{
	memmove(&sender->holes[index], &sender->holes[index + 1],
		sizeof(sender->holes[0]) * (sender->n_holes - index - 1u));
	sender->n_holes--;
	sender->holes_dated = bits_without(sender->holes_dated, index);
	sender->holes_acknowledged = bits_without(sender->holes_acknowledged, index);
}

/* What the other end has can only come late, and soon; what it does not have must be sent again. */
static void make_room(struct tcp_end *sender)
{
	unsigned index = 0;

	if (sender->n_holes < CONN_MAX_HOLES)
		return;
	for (unsigned i = sender->n_holes; i > 0; i--) {
		if (hole_is_acknowledged(sender, &sender->holes[i - 1]))
			index = i - 1;
	}
	hole_remove(sender, index);
}

void hole_open(struct segment *seg)
{
	struct tcp_end *sender = seg->sender;
	const struct tcp_options *options = &seg->packet->options;

	make_room(sender);
	if ((options->present & TCPOPT_TIMESTAMP) != 0)
		sender->holes_dated |= bit_of(sender->n_holes);
	sender->holes[sender->n_holes++] = (struct tcp_hole){
		.left = sender->snd_nxt,
		.right = seg->packet->seq,
		.stamp = stamp_of(seg->conn, seg->now_ns),
		.ip_id_before = sender->front_ip_id,
		.ip_id_behind = seg->packet->ip_id,
		.ts_behind = options->ts_val,
	};
}

void hole_open_acknowledged(struct segment *seg)
{
	struct tcp_end *receiver = seg->receiver;

	make_room(receiver);
	receiver->holes_acknowledged |= bit_of(receiver->n_holes);
	receiver->holes[receiver->n_holes++] = (struct tcp_hole){
		.left = receiver->snd_nxt,
		.right = seg->packet->ack,
		.stamp = stamp_of(seg->conn, seg->now_ns),
	};
}

void hole_note_front(struct segment *seg)
{
	seg->sender->front_ip_id = seg->packet->ip_id;
}

/* The part of [*left, *right) that is in the hole; false when nothing is. */
static bool overlap(const struct tcp_hole *hole, uint32_t *left, uint32_t *right)
{
	*left = seq_max(*left, hole->left);
	*right = seq_lt(*right, hole->right) ? *right : hole->right;
	return seq_lt(*left, *right);
}

const struct tcp_hole *hole_find(const struct tcp_end *sender, uint32_t left, uint32_t right, uint32_t *missing)
{
	const struct tcp_hole *found = NULL;

	*missing = 0;
	for (unsigned i = 0; i < sender->n_holes; i++) {
		uint32_t from = left;
		uint32_t to = right;
		if (overlap(&sender->holes[i], &from, &to)) {
			*missing += to - from;
			found = &sender->holes[i];
		}
	}
	return found;
}

void holes_forget(struct tcp_end *sender)
{
	sender->n_holes = 0;
	sender->holes_dated = 0;
	sender->holes_acknowledged = 0;
}

/* A piece cut out of a hole's middle leaves its left part: the right one is given up, as the table is small. */
void hole_fill(struct tcp_end *sender, uint32_t left, uint32_t right)
{
	for (unsigned i = 0; i < sender->n_holes;) {
		struct tcp_hole *hole = &sender->holes[i];
		uint32_t from = left;
		uint32_t to = right;
		if (!overlap(hole, &from, &to)) {
			i++;
			continue;
		}
		if (from == hole->left)
			hole->left = to;
		else
			hole->right = from;
		if (seq_geq(hole->left, hole->right))
			hole_remove(sender, i);
		else
			i++;
	}
}

uint32_t hole_segments(const struct tcp_end *sender, const struct tcp_end *receiver, uint32_t bytes)
{
	uint32_t size = receiver->mss != 0 ? receiver->mss : DEFAULT_MSS;

	if (size < sender->longest_payload_bytes)
		size = sender->longest_payload_bytes;
	return bytes / size + (bytes % size != 0);
}

uint32_t hole_acknowledge(struct tcp_end *sender, const struct tcp_end *receiver, uint32_t limit)
{
	uint32_t n_segments = 0;

	for (unsigned i = 0; i < sender->n_holes; i++) {
		struct tcp_hole *hole = &sender->holes[i];
		if (hole_is_acknowledged(sender, hole) || seq_geq(hole->left, limit))
			continue;
		uint32_t right = seq_leq(hole->right, limit) ? hole->right : limit;
		n_segments += hole_segments(sender, receiver, right - hole->left);
		if (right == hole->right)
			sender->holes_acknowledged |= bit_of(i);
		else
			hole->left = limit;
	}
	return n_segments;
}

bool sequence_has_hole_before(const struct tcp_end *sender, uint32_t limit)
{
	for (unsigned i = 0; i < sender->n_holes; i++) {
		if (!hole_is_acknowledged(sender, &sender->holes[i]) && seq_lt(sender->holes[i].left, limit))
			return true;
	}
	return false;
}

/* --- overtaken or sent again --- */

static enum sent sent_by_timestamp(const struct segment *seg, const struct tcp_hole *hole)
{
	const struct tcp_options *options = &seg->packet->options;

	if (!is_dated(seg->sender, hole) || (options->present & TCPOPT_TIMESTAMP) == 0 ||
	    options->ts_val == hole->ts_behind)
		return SENT_UNKNOWN; /* the same tick of the sender's clock */
	return seq_lt(options->ts_val, hole->ts_behind) ? SENT_BEFORE : SENT_AFTER;
}

static enum sent sent_by_identification(const struct segment *seg, const struct tcp_hole *hole)
{
	uint16_t step = (uint16_t)(hole->ip_id_behind - hole->ip_id_before);
	uint16_t lead = (uint16_t)(seg->packet->ip_id - hole->ip_id_before);

	if (hole->ip_id_before == 0 || hole->ip_id_behind == 0 || seg->packet->ip_id == 0 || step == 0 ||
	    step > LARGEST_ID_STEP || lead == 0 || lead > LARGEST_ID_LEAD || lead == step)
		return SENT_UNKNOWN;
	return lead < step ? SENT_BEFORE : SENT_AFTER;
}

/* What the handshake took, both ways, or the tolerance where that is not known. */
static uint64_t round_trip_ns(const struct segment *seg)
{
	const struct tcp_conn *conn = seg->conn;

	if (conn->rtt_client_us == UINT32_MAX || conn->rtt_server_us == UINT32_MAX)
		return seg->config->reorder_tolerance_ns;
	return ((uint64_t)conn->rtt_client_us + conn->rtt_server_us) * NS_PER_US;
}

bool hole_was_overtaken(const struct segment *seg, const struct tcp_hole *hole)
{
	enum sent sent = sent_by_timestamp(seg, hole);

	if (sent == SENT_UNKNOWN)
		sent = sent_by_identification(seg, hole);
	if (sent == SENT_UNKNOWN)
		return ns_since(seg->now_ns, stamp_ns(seg->conn, hole->stamp)) <= round_trip_ns(seg);
	return sent == SENT_BEFORE;
}

bool hole_came_late(const struct segment *seg)
{
	uint32_t missing;
	const struct tcp_hole *hole = hole_find(seg->sender, seg->packet->seq, seg->end, &missing);

	if (hole == NULL || !hole_is_acknowledged(seg->sender, hole))
		return false;
	uint64_t waited_ns = ns_since(seg->now_ns, stamp_ns(seg->conn, hole->stamp));
	/* It is sent again only if the acknowledgement got lost, and no sooner than that is known (RFC 6298 2.4). */
	return waited_ns <= seg->config->reorder_tolerance_ns || hole_was_overtaken(seg, hole);
}
