/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "flow_rest.h"
#include "tcpwitness/flow/flow_table.h"

/*
 * The short way: most segments are the next of their end in a connection in good order, and all that such a segment
 * does stands in the head of the flow at rest, or in its opening (flow_rest.h). It is done there, and the flow is not
 * unpacked.
 *
 * This adds no rule to those of the state machine (tcp/) and of the tracker; it says which of them have nothing to say
 * to such a segment, and does what the others do. When in doubt, a segment is not plain. A test gives the same
 * captures to a tracker with the short way and to one without, and compares flows and events.
 */

/*
 * Says in head and *more, which are zero there and else written, whether the next segment of flow may be plain, and
 * what it is held against then.
 */
void flow_plain_mark(struct rest_head *head, struct rest_more *more, const struct flow *flow);

/* A segment that is plain: what it is, and what it does. */
struct plain_segment {
	const struct packet *packet;
	const struct rest_link *link; /* of the flow before it */
	const struct syn_shapes *shapes;
	struct rest_head *rest;
	struct rest_opening *opening;
	struct rest_end *sender;
	struct rest_end *receiver;
	unsigned side;
	uint64_t first_ns; /* as in struct flow */
	uint64_t lag_ns;   /* as it is behind this segment */
	uint32_t window_bytes;
	uint8_t wscale;
	uint8_t history;       /* as in the head, behind this segment */
	bool proves_opening;   /* the server shows that it has the third segment */
	bool is_first_speech;  /* the client speaks, or is served as if it had: SIGNAL_CLIENT_SPOKE */
	enum rest_close close; /* of the flow, behind this segment */
};

/*
 * Is packet, sent by the end with index sender_index in the key of the flow at rest, and the latest packet of all, a
 * plain one? True: *seg says what it does. Nothing is done yet.
 */
bool flow_plain_judge(struct plain_segment *seg, struct rest_head *rest, const struct rest_link *link,
		      unsigned sender_index, const struct packet *packet, const struct plain_rules *rules);

/* The segment begins to close the flow, which needs flow_rest_make_room for that. */
static inline bool flow_plain_needs_room(const struct plain_segment *seg)
{
	return seg->close != REST_OPEN && seg->rest->close == REST_OPEN;
}

/*
 * Does it. rest is the flow that was judged, or what flow_rest_make_room made of it; shapes are those that it was
 * packed with. True: the flow is touched at packet->time_ns, in the queue of its class, which may be another one than
 * before.
 */
bool flow_plain_apply(struct plain_segment *seg, struct rest_head *rest, const struct syn_shapes *shapes,
		      const struct plain_rules *rules);
