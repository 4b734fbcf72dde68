/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "flow_rest.h"

/*
 * A close in good order (RFC 9293 figure 12), as a flow at rest holds it: what moves both ends' states follows from how
 * far it has come and from a few numbers (struct rest_closing), instead of standing there member by member.
 */

/* Of an end that closes: its state, and why. All members are as in struct tcp_end and struct flow_direction. */
struct closing_end {
	uint64_t caused_by;
	uint64_t sure_caused_by;
	uint64_t state_packet;
	uint64_t fin_packet;
	uint64_t pending_packet[2];
	uint32_t pending_stamp; /* of all that waits */
	uint32_t fin_stamp;
	uint32_t fins;
	uint32_t acked_fin_at;
	uint32_t nxt_before_fin_ack;
	uint32_t right_edge;
	uint32_t held_ms;
	uint8_t state;
	uint8_t sure;
	uint8_t certainty;
	uint8_t n_pending;
	uint8_t pending[2];
};

/*
 * How far a close in good order has come; REST_OPEN: there is none, or something about it is not as it is expected.
 * Fills in *closing, whose closer is conn.closed_by.
 */
enum rest_close flow_rest_find_close(const struct flow *flow, struct rest_closing *closing);

/* What head and closing say of both ends; what else there is of the flow, is there already. */
void flow_rest_take_close(const struct rest_head *head, const struct rest_closing *closing, struct flow *flow);

/* Its state alone. */
enum tcp_state flow_rest_closing_state(enum rest_close close, bool is_closer);

/*
 * The truths (struct tcp_end) of an end in good order, open or closing, but for close_order_unsure and for what the end
 * offered and shows of its stack.
 */
uint64_t flow_rest_truths(const struct rest_head *head, unsigned side);

/* What of the end is told to last, alone and as it stands in struct flow. */
enum flow_held flow_rest_closing_held(enum rest_close close, bool is_closer);
struct flow_gauges flow_rest_gauges(const struct rest_head *head, unsigned side);

/* Since when the end that closes second waits in CLOSE_WAIT, as in struct flow_direction. */
uint32_t flow_rest_close_wait_ms(const struct rest_closing *closing);
