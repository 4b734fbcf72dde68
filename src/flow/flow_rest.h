/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "syn_shapes.h"
#include "tcpwitness/flow/flow.h"

/*
 * A flow at rest. Between two of its segments a flow needs no more room than what is not known otherwise of it: most
 * members of struct flow are what they are in nearly every connection, or follow from others. Those are left out, so
 * a connection in good order takes two cache lines instead of sizeof(struct flow), and one with troubles as many more
 * as it has troubles.
 *
 * Nothing is lost: unpacked, a flow is equal to what was packed, byte for byte, but for places of arrays that are not
 * in use (pending events, holes, ...), which are zero then.
 *
 * The form begins with struct rest_head, in which stands what every segment changes. Behind it are what the handshake
 * settled, what a close in good order has brought so far, if there is one, and then groups of members, each of which
 * is left out when all in it is as expected. A connection that has closed in good order has a form of its own, which
 * shares the first word alone (flow_rest_over.h).
 */
enum { FLOW_REST_MAX_BYTES = sizeof(struct flow) + 256 };

/* Of members of struct rest_opening. */
enum {
	REST_FIRST_NS_BITS = 48,
	REST_ID_BITS = 48,
	REST_SYNACK_AFTER_BITS = 36,
	REST_RTT_BITS = 28,
	REST_CAUSED_BITS = 20,
	REST_STATE_PACKET_BITS = 24,
};

/* Of one end, in the head. */
struct rest_end {
	uint32_t snd_nxt; /* as in struct tcp_end */
	uint32_t snd_una;
	uint32_t ts_val;
	uint32_t packets; /* as in struct flow_direction; the low halves */
	uint32_t bytes;
	uint16_t last_window;
	uint16_t front_ip_id;
};

/* How far a close in good order has come (flow_rest_close.h). */
enum rest_close {
	REST_OPEN = 0, /* no FIN passed, or something about the close is odd */
	REST_FIN,
	REST_FIN_ACKED, /* by a segment that is no FIN */
	REST_FINS,      /* the other one acknowledges the first */
	REST_FINS_ACKED,
};

struct rest_head {
	/* How much earlier the other end than last_side sent its last segment; behind REST_FINS_ACKED see there. */
	uint64_t lag_ns : 40;
	uint64_t last_side : 1;
	uint64_t is_ipv6 : 1; /* the rest of the addresses follows the head */
	uint64_t client_index : 1;
	uint64_t alerted : 1;
	uint64_t flow_class : 4;
	/* Whether the next segment may be plain, see flow_plain.h. */
	uint64_t is_plain : 1;
	uint64_t has_timestamps : 1;    /* both ends send them; for plain segments only */
	uint64_t client_has_spoken : 1; /* FLOW_SIGNAL_SPOKE */
	/* A bit for each end, for plain segments only: last_ip_id is front_ip_id. */
	uint64_t ids_are_followed : 2;
	uint64_t ids_count_up : 2;         /* as in struct tcp_end */
	uint64_t is_over : 1;              /* what follows is another form: flow_rest_over.h */
	uint64_t history : 8;              /* of common_history.h; 0 = not known, no segment is plain */
	struct rest_end end[2];            /* by enum conn_side, as all in pairs that follow */
	uint16_t longest_payload_bytes[2]; /* as in struct tcp_end; the low half */
	uint8_t flags[2];                  /* as in struct flow_direction; the low half */
	uint8_t small_run[2];              /* as in struct tcp_end */
	uint8_t wscale_client : 4;         /* what windows are scaled by, if is_plain */
	uint8_t wscale_server : 4;
	/* A bit for each end: an echo older than ts_repeated may tell where something of it was lost. */
	uint8_t has_repeats : 2;
	/*
	 * The server was sent the third segment and has not shown that it has it; nor has it sent anything else since
	 * its SYN-ACK. Most of what is known of it follows from that. front_ip_id is that of the SYN-ACK meanwhile.
	 */
	uint8_t server_waits : 1;
	uint8_t close : 3;  /* enum rest_close; unless REST_OPEN, struct rest_closing follows the opening */
	uint8_t closer : 1; /* enum conn_side that sent the first FIN */
	uint8_t is_close_order_unsure : 1; /* as in struct tcp_end of the other one */
	uint8_t ttl[2];                    /* as in struct tcp_end */
	uint8_t addr[2][4];                /* as in struct flow_key, by place there; of IPv6 the first four bytes */
	uint16_t port[2];
};

_Static_assert(sizeof(struct rest_head) == 80, "the head has no padding");

/*
 * What is settled with the handshake, and other in each connection. It stands behind the head. Members are as wide as
 * nearly all connections need: what does not fit is in the first of the groups, see flow_rest.c.
 */
struct rest_opening {
	uint64_t first_ns : 48; /* the low bits; the others follow from when the flow was touched */
	uint64_t groups : 11;   /* which groups follow, a bit each */
	uint64_t is_far : 1;    /* first_ns or id does not fit: see struct rest_more */
	uint64_t has_more : 1;  /* struct rest_more follows */
	uint64_t : 3;
	uint64_t id : 48;
	uint64_t shape : 16;           /* number of what SYN and SYN-ACK look like (syn_shapes.h), unless has_more */
	uint64_t synack_after_ns : 36; /* first_synack_ns, after first_ns; all bits: it is 0 */
	uint64_t rtt_client_us : 28;   /* all bits: UINT32_MAX */
	/* As in struct tcp_end, each as its distance from the one before, the first from id. */
	uint64_t client_caused_by : 20;
	uint64_t client_state_packet : 20;
	uint64_t server_state_packet : REST_STATE_PACKET_BITS;
	uint32_t iss[2]; /* by enum conn_side, as that below */
	uint32_t first_syn_ts_val[2];
};

_Static_assert(sizeof(struct rest_opening) == 48, "the opening has no padding");
_Static_assert(sizeof(struct rest_head) + sizeof(struct rest_opening) == 128, "together they take two cache lines");

/* Which groups follow: bits of struct rest_opening. */
enum rest_group {
	REST_OPENING, /* what has no room in the opening */
	REST_NUMBERS_OF_CLIENT,
	REST_NUMBERS_OF_SERVER,
	REST_TIMES,
	REST_STATE_OF_CLIENT,
	REST_STATE_OF_SERVER,
	REST_CONN,
	REST_RARE_OF_CLIENT,
	REST_RARE_OF_SERVER,
	REST_HISTORY,
	REST_REST,
	REST_GROUPS, /* not a group */
};

_Static_assert(REST_GROUPS == 11, "struct rest_opening has a bit for each");

/*
 * Behind the opening of a flow of which one of these is not as it is in most, in full. ts_repeated and recorded_ms are
 * for plain segments only.
 */
struct rest_more {
	uint64_t first_ns;
	uint64_t id;
	struct syn_shape shape;
	uint32_t signals;        /* else see rest_signals */
	uint32_t recorded_ms;    /* after first_ns, rounded down; else 0 */
	uint32_t ts_repeated[2]; /* if has_repeats: the newest TSval of what it sent again */
};

_Static_assert(sizeof(struct rest_more) == 48, "it takes three granules of memory");

/*
 * Behind that, of a flow that closes in good order; none of those is far. Packets are told by their distance from
 * id. What follows from the step of the close, is not used.
 */
struct rest_closing {
	uint32_t fin_stamp;        /* of the first FIN, as in struct tcp_end */
	uint32_t fin_packet;       /* of the first FIN */
	uint32_t ack_packet;       /* that acknowledged the last FIN; with REST_FIN what opened its receiver */
	uint32_t other_fin_packet; /* with REST_FINS ack_packet is that of the first FIN still */
	uint32_t fin_wait_2_ms;    /* held_ms of the closer, as in struct flow_direction */
	uint32_t boundary;         /* nxt_before_fin_ack of its peer, as in struct tcp_end */
	uint32_t right_edge[2];    /* as in struct tcp_end, from the other end's FIN on */
	uint32_t signals;
};

_Static_assert(sizeof(struct rest_closing) == 36, "it has no padding");

enum { REST_ADDR_BYTES = 12, REST_BOTH_ADDRS_BYTES = 2 * REST_ADDR_BYTES }; /* of IPv6 addresses, behind the head */

static inline size_t rest_opening_offset(const struct rest_head *head)
{
	return sizeof(*head) + (head->is_ipv6 ? REST_BOTH_ADDRS_BYTES : 0);
}

static inline struct rest_opening *rest_opening_of(struct rest_head *head)
{
	return (void *)((uint8_t *)head + rest_opening_offset(head));
}

static inline struct rest_more *rest_more_of(struct rest_opening *opening)
{
	return (void *)(opening + 1);
}

/* Where the groups of a flow that does not close begin, and struct rest_closing of one that does. */
static inline size_t rest_bytes_before(const struct rest_head *head, const struct rest_opening *opening)
{
	return rest_opening_offset(head) + sizeof(*opening) + (opening->has_more ? sizeof(struct rest_more) : 0);
}

static inline struct rest_closing *rest_closing_of(struct rest_head *head)
{
	return (void *)((uint8_t *)head + rest_bytes_before(head, rest_opening_of(head)));
}

/* The rest of both IPv6 addresses, as it stands behind the head, and behind struct rest_over. */
static inline uint8_t *rest_put_addrs(uint8_t *behind, const struct flow_key *key)
{
	memcpy(behind, key->addr[0] + 4, REST_ADDR_BYTES);
	memcpy(behind + REST_ADDR_BYTES, key->addr[1] + 4, REST_ADDR_BYTES);
	return behind + REST_BOTH_ADDRS_BYTES;
}

static inline void rest_take_addrs(const uint8_t *behind, struct flow_key *key)
{
	memcpy(key->addr[0] + 4, behind, REST_ADDR_BYTES);
	memcpy(key->addr[1] + 4, behind + REST_ADDR_BYTES, REST_ADDR_BYTES);
}

static inline bool rest_has_addrs(const uint8_t *behind, const struct flow_key *key)
{
	return memcmp(behind, key->addr[0] + 4, REST_ADDR_BYTES) == 0 &&
	       memcmp(behind + REST_ADDR_BYTES, key->addr[1] + 4, REST_ADDR_BYTES) == 0;
}

/*
 * Those of truths (struct tcp_end) that are offers are side by side. What its IP identifications show of an end
 * (ip_ids_count_up) stands among them, and is kept in the head, as it is found out later.
 */
enum { REST_OFFERS_COUNTING_IDS = 1 << 6 };

static inline unsigned rest_offers_shift(void)
{
	const struct tcp_end first = { .fast_open = true };

	return (unsigned)__builtin_ctzll(first.truths);
}

static inline uint8_t rest_offers_of(uint64_t truths)
{
	return (uint8_t)((truths >> rest_offers_shift()) & ~(unsigned)REST_OFFERS_COUNTING_IDS);
}

/* touched_ns is as in struct rest_link. */
static inline uint64_t rest_first_ns(const struct rest_opening *opening, uint64_t touched_ns)
{
	const struct rest_more *more = (const void *)(opening + 1);
	const uint64_t low_bits = (UINT64_C(1) << REST_FIRST_NS_BITS) - 1;

	return opening->is_far ? more->first_ns : touched_ns - ((touched_ns - opening->first_ns) & low_bits);
}

static inline uint64_t rest_id(const struct rest_opening *opening)
{
	const struct rest_more *more = (const void *)(opening + 1);

	return opening->is_far ? more->id : opening->id;
}

/* Those of a connection that completed, and whose client has spoken or has not. */
static inline uint32_t rest_usual_signals(const struct rest_head *head)
{
	return FLOW_SIGNALS_OPENED | (head->client_has_spoken ? FLOW_SIGNAL_SPOKE : 0u);
}

static inline uint32_t rest_signals(const struct rest_head *head)
{
	const struct rest_opening *opening = (const void *)((const uint8_t *)head + rest_opening_offset(head));
	const struct rest_more *more = (const void *)(opening + 1);
	const struct rest_closing *closing = (const void *)((const uint8_t *)head + rest_bytes_before(head, opening));

	if (head->close != REST_OPEN)
		return closing->signals;
	return opening->has_more ? more->signals : rest_usual_signals(head);
}

static inline struct syn_shape rest_shape(const struct rest_opening *opening, const struct syn_shapes *shapes)
{
	const struct rest_more *more = (const void *)(opening + 1);

	return opening->has_more ? more->shape : shapes->shape[opening->shape];
}

/* If they fit, and of a flow that does not close: as in struct tcp_end. */
static inline uint64_t rest_client_state_packet(const struct rest_opening *opening)
{
	return rest_id(opening) + opening->client_caused_by + opening->client_state_packet;
}

static inline uint64_t rest_caused_by(const struct rest_opening *opening, enum conn_side side)
{
	return side == SIDE_CLIENT ? rest_id(opening) + opening->client_caused_by : rest_client_state_packet(opening);
}

static inline bool rest_has_group(const struct rest_opening *opening, enum rest_group group)
{
	return (opening->groups >> group & 1) != 0;
}

/* See tcp_loss.c: those of others are of no use, and are not followed. */
static inline bool rest_follows_ids(const struct tcp_end *end)
{
	return end->timestamps && !end->ip_ids_of_host;
}

/* What is kept of a flow in its link: see flow_table.c. */
struct rest_link {
	uint64_t hash;
	uint64_t touched_ns;
};

/*
 * Writes the flow to to, which has room for FLOW_REST_MAX_BYTES and is aligned for uint64_t, and returns the number of
 * bytes. hash and touched_ns, and the flow's place in the table, are the caller's to keep. shapes: see syn_shapes.h.
 */
size_t flow_rest_pack(struct flow *flow, struct syn_shapes *shapes, void *to);

/* The flow that was packed into from, with these shapes. */
void flow_rest_unpack(const void *from, const struct rest_link *link, const struct syn_shapes *shapes,
		      struct flow *flow);

/*
 * As much of the flow as its signals tell (tracker_signal_of): what is in the head and in the opening. The rest of
 * *flow is not written.
 */
void flow_rest_sketch(const struct rest_head *head, const struct rest_link *link, const struct syn_shapes *shapes,
		      struct flow *flow);

/*
 * The flow, which takes up to n bytes at from and does not close, gets room for struct rest_closing at to: there it
 * takes as many more bytes, and is not marked as closing yet.
 */
void flow_rest_make_room(const void *from, size_t n, void *to);

/* Is it the flow with this key? The domain, itself a hash, is in the hash of the key, which the caller compares. */
bool flow_rest_has_key(const void *rest, const struct flow_key *key);

/*
 * What became of the flow, if the run ends now (tcp_conn_outcome), where head and opening tell. False: it takes the
 * whole flow.
 */
bool flow_rest_outcome(const void *rest, enum conn_outcome *outcome);

/* Number of its first packet. */
uint64_t flow_rest_id(const void *rest);
