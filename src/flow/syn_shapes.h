/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * What SYN and SYN-ACK of a connection look like, but for their numbers, follows from the systems at its ends, and
 * there are few of those. So a flow that is over names the shape of its opening by a number, as long as there is room:
 * what was once noted stays. Whoever sends shapes that nobody else has takes these places, and then others need a few
 * bytes more.
 */
struct syn_shape {
	uint32_t layout; /* as in struct rest_opening, as those below; ends by enum conn_side */
	uint16_t mss[2];
	uint16_t window;
	uint8_t offers[2];
	uint8_t wscales; /* of the server in the high four bits */
	uint8_t is_used;
	uint8_t unused[2];
};

_Static_assert(sizeof(struct syn_shape) == 16, "it has no padding, and is compared as bytes");

enum { SYN_SHAPES = 256 };

/* Zeroed, there is none. Capture thread. */
struct syn_shapes {
	struct syn_shape shape[SYN_SHAPES];
};

/* The number of the shape, whose is_used is set and unused zero. False: there is no room for it. */
bool syn_shapes_note(struct syn_shapes *shapes, const struct syn_shape *shape, uint8_t *number);
