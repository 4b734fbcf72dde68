/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tcpwitness/base/error.h"
#include "tcpwitness/decode/packet.h"

/*
 * The last segments of all connections, as much of each as tells a copy that the capture or the network made from a
 * repeat by the sender, and a repeat from other bytes at the same place. Only for a moment does that matter, so it is
 * not kept in each connection: one memory of fixed size serves all, and holds the more of each the fewer send.
 *
 * Segments of one end at one sequence number share a set of RECENT_WAYS places; the oldest of them goes for a new one.
 * What is forgotten is not taken for a copy: it is then what it would be without this memory. Capture thread.
 */
enum { RECENT_WAYS = 4, RECENT_DEFAULT_BYTES = 2 * 1024 * 1024 };

struct recent_segments;

struct recent_segment {
	uint64_t time_ns; /* when it passed; 0 = no segment */
	uint32_t owner;   /* connection and end */
	uint32_t seq;
	uint32_t payload_hash; /* as in struct packet */
	uint32_t head_hash;    /* its payload_head, of head_bytes bytes */
	uint16_t ip_id;
	uint8_t head_bytes; /* 0 = nothing to compare */
};

/* memory_bytes is rounded down to a power of two; at least one set. Null with *error filled when memory is short. */
struct recent_segments *recent_segments_create(size_t memory_bytes, struct error *error);
void recent_segments_destroy(struct recent_segments *recent);

/* All are forgotten. */
void recent_segments_clear(struct recent_segments *recent);

/* The set in which segments of owner at seq are, RECENT_WAYS places. Borrowed until the next function call. */
struct recent_segment *recent_segments_set(struct recent_segments *recent, uint32_t owner, uint32_t seq);

/* Fetches the set, so that it is there when it is needed. */
void recent_segments_fetch(const struct recent_segments *recent, uint32_t owner, uint32_t seq);

/* The newest segment of owner in set that is packet byte for byte, header and all; null when none is known. */
const struct recent_segment *recent_segments_find(const struct recent_segment *set, uint32_t owner,
						  const struct packet *packet);

/* Remembers the segment, whose time is set, in the place of the oldest in its set. */
void recent_segments_put(struct recent_segments *recent, const struct recent_segment *segment);

/* Copies all segments of one memory into another, where each takes the place of the oldest in its set. */
void recent_segments_copy(struct recent_segments *to, const struct recent_segments *from);

/* Remembers packet in set in the place of the oldest, without a head. Returns its place. */
struct recent_segment *recent_segments_add(struct recent_segment *set, uint32_t owner, const struct packet *packet);
