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
 * Says in head, which is zero there and else written, whether the next segment of flow may be plain, and what it is
 * held against then.
 */
void flow_plain_mark(struct rest_head *head, const struct flow *flow);

/*
 * The flow at rest is in the queue of FLOW_CLASS_ESTABLISHED; packet was sent by the end with index sender_index in the
 * flow's key and is the latest packet of all. False: it is not plain, nothing was done. True: it is done, and the flow
 * is touched at packet->time_ns.
 */
bool flow_plain_segment(struct rest_head *rest, const struct rest_link *link, unsigned sender_index,
			const struct packet *packet, const struct plain_rules *rules);
