/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sequence numbers that are sent again with other bytes: a receiver keeps either the first or the last, and an
 * observer cannot know which (Ptacek and Newsham, 1998). Only beginnings of recent segments are held: what differs
 * later, begins elsewhere, or comes long after, is not noticed; what is noticed is a conflict.
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
	uint32_t owner = segment_owner(seg);
	uint8_t n_bytes = head_bytes(packet);

	if (packet->payload_head == 0 || n_bytes < TELLING_BYTES)
		return;
	for (unsigned i = 0; i < RECENT_WAYS; i++) {
		const struct recent_segment *before = &seg->recent[i];
		if (before->head_bytes != n_bytes || before->seq != packet->seq || before->owner != owner)
			continue;
		if (before->head_hash != packet->payload_head)
			segment_anomaly(seg, ANOMALY_OVERLAP_CONFLICT);
		return;
	}
	seg->self->head_hash = packet->payload_head;
	seg->self->head_bytes = n_bytes;
}
