/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Nearly all that is left of a connection is a number near another one: the end of its payload is near its beginning,
 * and one packet of the close is near the next. So each number is kept as its difference from what it is expected to
 * be, in as many bytes as that needs: none, one, two or four.
 *
 * One description serves both ways, as in flow_rest.c: it names each number once, and what it is expected to be follows
 * from those that stand before.
 */
#include "flow_rest_over.h"

#include <endian.h>
#include <string.h>

#include "rest_coder.h"
#include "tcpwitness/tcp/tcp_stamp.h"

/* --- numbers --- */

struct number_coder {
	uint8_t *at;
	uint64_t lengths; /* of the numbers so far; unpacking, of those that are left */
	unsigned n_bits;  /* of lengths; packing only */
};

static const uint8_t bytes_of_length[] = { 0, 1, 2, 4 };

/* Written in full, and kept as far as needed: that is quicker than to decide. */
static inline void put_number(struct number_coder *c, uint32_t number)
{
	unsigned length = (number != 0 ? 1u : 0u) + (number > UINT8_MAX ? 1u : 0u) + (number > UINT16_MAX ? 1u : 0u);
	uint32_t low_first = htole32(number);

	memcpy(c->at, &low_first, sizeof(low_first));
	c->at += bytes_of_length[length];
	c->lengths |= (uint64_t)length << c->n_bits;
	c->n_bits += 2;
}

static inline uint32_t take_number(struct number_coder *c)
{
	unsigned length = c->lengths & 3;
	const uint8_t *at = c->at;
	uint32_t number = 0;

	c->lengths >>= 2;
	c->at += bytes_of_length[length];
	switch (length) {
	case 0:
		break;
	case 1:
		number = at[0];
		break;
	case 2:
		number = at[0] | (uint32_t)at[1] << 8;
		break;
	default:
		memcpy(&number, at, sizeof(number));
		number = le32toh(number);
	}
	return number;
}

/* A set of bits, or members side by side: whatever differs. */
ALL_WAYS void code_bits(struct number_coder *c, const enum way way, uint32_t *value, uint32_t expected)
{
	if (way == WAY_PACK)
		put_number(c, *value ^ expected);
	else
		*value = take_number(c) ^ expected;
}

/* A number somewhat above or below what is expected: the sign is the lowest bit. */
ALL_WAYS void code_difference(struct number_coder *c, const enum way way, uint32_t *value, uint32_t expected)
{
	if (way == WAY_PACK) {
		uint32_t difference = *value - expected;
		put_number(c, difference << 1 ^ (0 - (difference >> 31)));
	} else {
		uint32_t number = take_number(c);
		*value = expected + (number >> 1 ^ (0 - (number & 1)));
	}
}

ALL_WAYS void code_pair(struct number_coder *c, const enum way way, uint16_t *first, uint16_t *second,
			uint16_t expected_first, uint16_t expected_second)
{
	uint32_t both = *first | (uint32_t)*second << 16;

	code_bits(c, way, &both, expected_first | (uint32_t)expected_second << 16);
	*first = (uint16_t)both;
	*second = (uint16_t)(both >> 16);
}

/* --- what is near what --- */

/* A flow at rest that closes, in its parts. */
struct parts {
	struct rest_head *head;
	struct rest_opening *opening;
	struct rest_closing *closing;
	struct syn_shape shape;
	uint64_t touched_ns;
};

/* Behind SYN and FIN. */
static uint32_t payload_of(const struct parts *p, unsigned side)
{
	return p->head->end[side].snd_nxt - p->opening->iss[side] - 2;
}

/* What each segment carries behind its header, as long as timestamps are all that it does. */
static uint32_t options_of(const struct rest_end *end)
{
	enum { TIMESTAMPS_BYTES = 12 };

	return end->ts_val != 0 ? TIMESTAMPS_BYTES : 0;
}

/* Of headers without what SYNs carry. */
static uint32_t expected_bytes(const struct parts *p, unsigned side)
{
	enum { IPV4_BYTES = 20, IPV6_BYTES = 40, TCP_BYTES = 20 };
	const struct rest_end *end = &p->head->end[side];
	unsigned headers = (p->head->is_ipv6 ? IPV6_BYTES : IPV4_BYTES) + TCP_BYTES;

	return payload_of(p, side) + end->packets * (headers + options_of(end));
}

static uint16_t expected_longest(const struct parts *p, unsigned side)
{
	uint32_t payload = payload_of(p, side);
	uint32_t segment = p->shape.mss[side] - options_of(&p->head->end[side]);

	return (uint16_t)(payload < segment ? payload : segment);
}

/* As it was when the other end sent its FIN. */
static uint32_t expected_edge(const struct parts *p, unsigned side)
{
	unsigned wscale = side == SIDE_CLIENT ? p->shape.wscales & 15u : p->shape.wscales >> 4;

	return p->head->end[1 - side].snd_nxt - 1 + ((uint32_t)p->head->end[side].last_window << wscale);
}

/* The ends waited for one another while they closed, one at a time. */
static uint32_t expected_signals(const struct rest_head *head)
{
	uint32_t time_wait = head->closer == SIDE_CLIENT ? FLOW_SIGNAL_TIME_WAIT : FLOW_SIGNAL_SERVER_TIME_WAIT;

	return FLOW_SIGNALS_OPENED | FLOW_SIGNAL_SPOKE | FLOW_SIGNALS_HELD | FLOW_SIGNAL_CLOSED | time_wait;
}

/* The second FIN touched the flow; stamps begin as expected where no group says otherwise (code_times). */
static uint32_t stamp_of_second_fin(const struct parts *p)
{
	uint64_t first_ns = rest_first_ns(p->opening, p->touched_ns);

	return (uint32_t)((p->touched_ns - (first_ns - STAMP_EXACT_NS)) / NS_PER_US);
}

/* --- the description --- */

/* Seldom more than a few bits each. */
ALL_WAYS void code_small(struct number_coder *c, const enum way way, struct parts *p)
{
	struct rest_head *head = p->head;
	uint64_t synack_after_ns = p->opening->synack_after_ns;
	const uint8_t usual_flags = SEG_SYN | SEG_ACK | SEG_PSH | SEG_FIN;
	uint32_t rare = head->small_run[0] | (uint32_t)head->small_run[1] << 8 |
			(uint32_t)(head->flags[0] ^ usual_flags) << 16 | (uint32_t)(head->flags[1] ^ usual_flags) << 24;
	uint32_t rtt_and_synack_high = p->opening->rtt_client_us | (uint32_t)(synack_after_ns >> 32) << REST_RTT_BITS;

	code_bits(c, way, &rare, 0);
	code_bits(c, way, &rtt_and_synack_high, 0);
	code_bits(c, way, &p->closing->signals, expected_signals(head));
	if (way == WAY_PACK)
		return;
	head->small_run[0] = (uint8_t)rare;
	head->small_run[1] = (uint8_t)(rare >> 8);
	head->flags[0] = (uint8_t)(rare >> 16) ^ usual_flags;
	head->flags[1] = (uint8_t)(rare >> 24) ^ usual_flags;
	p->opening->synack_after_ns = synack_after_ns | (uint64_t)(rtt_and_synack_high >> REST_RTT_BITS) << 32;
	p->opening->rtt_client_us = rtt_and_synack_high & ((1u << REST_RTT_BITS) - 1);
}

ALL_WAYS void code_ends(struct number_coder *c, const enum way way, struct parts *p)
{
	struct rest_end *end = p->head->end;
	struct rest_opening *opening = p->opening;

	for (unsigned side = 0; side < 2; side++) {
		code_difference(c, way, &opening->iss[side], end[side].snd_nxt - 2);
		code_bits(c, way, &end[side].ts_val, 0);
		code_difference(c, way, &opening->first_syn_ts_val[side], end[side].ts_val);
		code_difference(c, way, &end[side].packets, 0);
		code_difference(c, way, &end[side].bytes, expected_bytes(p, side));
	}
	code_pair(c, way, &end[0].front_ip_id, &end[1].front_ip_id, 0, 0);
	code_pair(c, way, &p->head->longest_payload_bytes[0], &p->head->longest_payload_bytes[1],
		  expected_longest(p, 0), expected_longest(p, 1));
}

ALL_WAYS void code_closing(struct number_coder *c, const enum way way, struct parts *p)
{
	struct rest_closing *closing = p->closing;

	code_difference(c, way, &closing->fin_stamp, stamp_of_second_fin(p));
	code_bits(c, way, &closing->fin_packet, 0);
	code_difference(c, way, &closing->other_fin_packet, closing->fin_packet);
	code_difference(c, way, &closing->ack_packet, closing->other_fin_packet);
	code_bits(c, way, &closing->fin_wait_2_ms, 0);
	code_difference(c, way, &closing->boundary, p->head->end[1 - p->head->closer].snd_nxt - 1);
	for (unsigned side = 0; side < 2; side++)
		code_difference(c, way, &closing->right_edge[side], expected_edge(p, side));
}

ALL_WAYS void code_all(struct number_coder *c, const enum way way, struct parts *p)
{
	code_small(c, way, p);
	code_ends(c, way, p);
	code_closing(c, way, p);
}

/* --- both ways --- */

static bool is_over_in_order(const struct rest_head *rest, const struct rest_opening *opening)
{
	return rest->close == REST_FINS_ACKED && opening->groups == 0 && !rest->server_waits &&
	       (rest_signals(rest) & FLOW_SIGNAL_COMPLETED) != 0 && rest->end[0].snd_una == rest->end[0].snd_nxt &&
	       rest->end[1].snd_una == rest->end[1].snd_nxt;
}

/* The first word of the head; the short way is behind such a flow. */
static uint64_t first_word(const struct rest_head *rest)
{
	struct rest_head head = *rest;
	uint64_t word;

	head.is_over = 1;
	head.is_plain = 0;
	memcpy(&word, &head, sizeof(word));
	return word;
}

/* What is other in each connection, and as long. */
static void fill(struct rest_over *over, const struct parts *p)
{
	const struct rest_head *head = p->head;
	const struct rest_opening *opening = p->opening;

	*over = (struct rest_over){
		.head = first_word(head),
		.closer = head->closer,
		.is_close_order_unsure = head->is_close_order_unsure,
		.first_ns = opening->first_ns,
		.id = opening->id,
		.port_of_first = head->port[0],
		.port_of_second = head->port[1],
		.snd_nxt = { head->end[0].snd_nxt, head->end[1].snd_nxt },
		.last_window = { head->end[0].last_window, head->end[1].last_window },
		.synack_after_low_ns = (uint32_t)opening->synack_after_ns,
		.ttl = { head->ttl[0], head->ttl[1] },
	};
	memcpy(over->addr, head->addr, sizeof(over->addr));
}

static void take(const struct rest_over *over, const struct parts *p)
{
	struct rest_head *head = p->head;

	head->is_over = 0;
	head->close = REST_FINS_ACKED;
	head->closer = over->closer & 1;
	head->is_close_order_unsure = over->is_close_order_unsure & 1;
	head->port[0] = over->port_of_first;
	head->port[1] = over->port_of_second;
	memcpy(head->addr, over->addr, sizeof(head->addr));
	for (unsigned side = 0; side < 2; side++) {
		head->end[side].snd_nxt = head->end[side].snd_una = over->snd_nxt[side];
		head->end[side].last_window = over->last_window[side];
		head->ttl[side] = over->ttl[side];
	}
	p->opening->first_ns = over->first_ns;
	p->opening->id = over->id;
	p->opening->synack_after_ns = over->synack_after_low_ns;
}

size_t flow_rest_over_pack(struct rest_head *rest, uint64_t touched_ns, struct syn_shapes *shapes, void *to)
{
	struct rest_opening *opening = rest_opening_of(rest);
	uint64_t packed[REST_OVER_MAX_BYTES / sizeof(uint64_t) + 1];
	struct rest_over *over = (void *)packed;
	struct number_coder c = { .at = over->behind };
	uint16_t number = opening->shape;

	if (!is_over_in_order(rest, opening))
		return 0;
	struct parts p = { rest, opening, rest_closing_of(rest), rest_shape(opening, shapes), touched_ns };
	fill(over, &p);
	if (rest->is_ipv6) {
		memcpy(c.at, rest + 1, REST_BOTH_ADDRS_BYTES);
		c.at += REST_BOTH_ADDRS_BYTES;
	}
	if (!opening->has_more || syn_shapes_note(shapes, &p.shape, &number)) {
		over->has_shape = 1;
		over->shape = number & (SYN_SHAPES - 1u);
	} else {
		memcpy(c.at, &p.shape, sizeof(p.shape));
		c.at += sizeof(p.shape);
	}
	code_all(&c, WAY_PACK, &p);
	over->lengths = c.lengths & ((UINT64_C(1) << 2 * REST_OVER_NUMBERS) - 1);
	size_t bytes = (size_t)(c.at - (uint8_t *)packed);
	memcpy(to, packed, bytes);
	return bytes;
}

void flow_rest_over_unpack(const struct rest_over *over, uint64_t touched_ns, const struct syn_shapes *shapes,
			   struct rest_closed *rest)
{
	/* It is only read. NOLINTNEXTLINE(performance-no-int-to-ptr) */
	struct number_coder c = { .at = (uint8_t *)(uintptr_t)over->behind, .lengths = over->lengths };
	struct rest_head *head = (void *)rest;

	memset(rest, 0, sizeof(*rest));
	memcpy(head, &over->head, sizeof(over->head));
	if (head->is_ipv6) {
		memcpy(head + 1, c.at, REST_BOTH_ADDRS_BYTES);
		c.at += REST_BOTH_ADDRS_BYTES;
	}
	struct rest_opening *opening = rest_opening_of(head);
	opening->shape = over->shape;
	opening->has_more = !over->has_shape;
	if (opening->has_more) {
		memcpy(&rest_more_of(opening)->shape, c.at, sizeof(struct syn_shape));
		c.at += sizeof(struct syn_shape);
	}
	struct parts p = { head, opening, rest_closing_of(head), rest_shape(opening, shapes), touched_ns };
	take(over, &p);
	code_all(&c, WAY_UNPACK, &p);
}

bool flow_rest_over_has_key(const struct rest_over *over, const struct flow_key *key)
{
	struct rest_head head;

	memcpy(&head, &over->head, sizeof(over->head));
	return over->port_of_first == key->port[0] && over->port_of_second == key->port[1] &&
	       memcmp(over->addr[0], key->addr[0], sizeof(over->addr[0])) == 0 &&
	       memcmp(over->addr[1], key->addr[1], sizeof(over->addr[1])) == 0 &&
	       key->ip_version == (head.is_ipv6 ? 6u : 4u) && (!head.is_ipv6 || rest_has_addrs(over->behind, key));
}
