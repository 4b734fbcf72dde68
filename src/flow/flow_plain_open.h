/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "flow_rest.h"
#include "tcpwitness/flow/flow_table.h"

/*
 * The part of the short way that opens: the bare ACK that completes a handshake of one SYN and one SYN-ACK, about none
 * of which anything is odd. What is known of such a connection follows from the three, so it is written down at rest
 * at once, as flow_rest_pack would write what the state machine makes of them (tcp_opening.c).
 */

/*
 * Is packet, which the client of the attempt sent and which is the latest of all, its plain third segment? True: *shape
 * is the number of what SYN and SYN-ACK look like, and else nothing is done yet. What has no number is not plain.
 */
bool plain_open_judge(const struct plain_opening *opening, const struct packet *packet, const struct plain_rules *rules,
		      struct syn_shapes *shapes, uint16_t *shape);

/* What the flow takes at rest. */
size_t plain_open_bytes(const struct plain_opening *opening);

/* Writes the flow to rest, as touched at packet->time_ns, once it was judged, and does what else the segment does. */
void plain_open_apply(const struct plain_opening *opening, const struct flow_key *key, const struct packet *packet,
		      const struct plain_rules *rules, uint16_t shape, struct rest_head *rest);
