/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sequence numbers that are sent again with other bytes: a receiver keeps either the first or the last, and an
 * observer cannot know which (Ptacek and Newsham, 1998). Only beginnings of segments are held, as many as there is
 * room for: what differs later, or begins elsewhere, is not noticed; what is noticed is a conflict.
 */
#include "tcp_internal.h"

/* One byte behind what is acknowledged may be the garbage of a keep-alive (RFC 9293 3.8.4). */
enum { TELLING_BYTES = 2 };

static uint8_t head_bytes(const struct packet *packet)
{
	return packet->payload_bytes < PACKET_HEAD_BYTES ? (uint8_t)packet->payload_bytes : PACKET_HEAD_BYTES;
}

void overlap_judge(struct segment *seg)
{
	const struct packet *packet = seg->packet;
	struct tcp_end *sender = seg->sender;
	uint8_t n_bytes = head_bytes(packet);

	if (packet->payload_head == 0 || n_bytes < TELLING_BYTES)
		return;
	for (unsigned i = 0; i < CONN_MAX_HEADS; i++) {
		if (sender->head_bytes[i] != n_bytes || sender->head_seq[i] != packet->seq)
			continue;
		if (sender->head_hash[i] != packet->payload_head)
			segment_anomaly(seg, ANOMALY_OVERLAP_CONFLICT);
		return;
	}
	sender->head_seq[sender->next_head] = packet->seq;
	sender->head_hash[sender->next_head] = packet->payload_head;
	sender->head_bytes[sender->next_head] = n_bytes;
	sender->next_head = (uint8_t)((sender->next_head + 1) % CONN_MAX_HEADS);
}
