/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "flow_rest.h"
#include "syn_shapes.h"

enum { REST_OVER_NUMBERS = 24 };

/*
 * A connection that had completed and is over: both FINs were acknowledged, in good order, and one end waits for 2MSL
 * to pass (RFC 9293 figure 12). It is looked at once more when that time has passed, unless something late or a new SYN
 * comes before; and there are more of these than of any other. So it is kept in fewer bytes, and takes longer to read.
 *
 * This is another way to write what stands in head, opening and closing of a flow at rest (flow_rest.h). Nothing is
 * lost but what only the short way would need, which is behind it, and what the steps of the close have outdated. It
 * begins with the first word of the head: whoever looks at that alone need not know which form it is.
 */
struct rest_over {
	uint64_t head;                            /* the first word of struct rest_head, is_over set */
	uint64_t lengths : 2 * REST_OVER_NUMBERS; /* two bits for each of the numbers */
	uint64_t closer : 1;
	uint64_t is_close_order_unsure : 1;
	uint64_t has_shape : 1; /* shape is the number of its struct syn_shape; else that follows */
	uint64_t : 1;
	uint64_t shape : SYN_SHAPE_BITS;
	uint64_t first_ns : 48;
	uint64_t port_of_first : 16; /* by place in the key, as addr */
	uint64_t id : 48;
	uint64_t port_of_second : 16;
	uint8_t addr[2][4];
	uint32_t snd_nxt[2]; /* by enum conn_side, as those below */
	uint32_t synack_after_low_ns;
	uint16_t last_window[2];
	uint8_t ttl[2];
	uint8_t behind[]; /* the rest of IPv6 addresses, the shape if it has no number, and the numbers */
};

enum {
	REST_OVER_MAX_BYTES = sizeof(struct rest_over) + REST_BOTH_ADDRS_BYTES + sizeof(struct syn_shape) +
			      REST_OVER_NUMBERS * sizeof(uint32_t),
};

/* Room for what is_over stands for: head, opening and closing. */
struct rest_closed {
	struct rest_head head;
	uint8_t rest[REST_BOTH_ADDRS_BYTES + sizeof(struct rest_opening) + sizeof(struct rest_more) +
		     sizeof(struct rest_closing)];
};

/*
 * Writes the flow at rest to to, which has room for REST_OVER_MAX_BYTES and is aligned for uint64_t, and returns the
 * number of bytes: never more than rest takes. 0: it is not over, or something about it is odd. touched_ns is as in
 * struct rest_link.
 */
size_t flow_rest_over_pack(struct rest_head *rest, uint64_t touched_ns, struct syn_shapes *shapes, void *to);

/* shapes are those that it was packed with. */
void flow_rest_over_unpack(const struct rest_over *over, uint64_t touched_ns, const struct syn_shapes *shapes,
			   struct rest_closed *rest);

/* As those of flow_rest.h, which ask these where is_over is set. */
bool flow_rest_over_has_key(const struct rest_over *over, const struct flow_key *key);
