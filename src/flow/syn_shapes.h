/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * What SYN and SYN-ACK of a connection look like, but for their numbers, follows from the systems at its ends, and
 * there are few of those. So a flow at rest names the shape of its opening by a number, as long as there is room:
 * what was once noted stays. Whoever completes connections of shapes that nobody else has takes these places, and then
 * those of other shapes need some more bytes.
 */
struct syn_shape {
	uint32_t layout;   /* syn_layout of struct tcp_conn */
	uint16_t mss[2];   /* as in struct tcp_end, by enum conn_side */
	uint16_t window;   /* syn_window of struct tcp_conn */
	uint16_t source;   /* as in struct flow */
	uint8_t offers[2]; /* those of truths (struct tcp_end) that do not follow from the state: rest_offers_of */
	uint8_t wscales;   /* of the server in the high four bits */
	uint8_t is_used;
};

_Static_assert(sizeof(struct syn_shape) == 16, "it has no padding, and is compared as bytes");

/* So many that those of a large network seldom meet: a number is 12 bits. */
enum { SYN_SHAPES = 4096, SYN_SHAPE_BITS = 12 };

/* Zeroed, there is none. Capture thread. */
struct syn_shapes {
	struct syn_shape shape[SYN_SHAPES];
};

/* The number of the shape, whose is_used is set. False: there is no room for it. */
bool syn_shapes_note(struct syn_shapes *shapes, const struct syn_shape *shape, uint16_t *number);
