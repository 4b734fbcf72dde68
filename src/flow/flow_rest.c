/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One description of the form serves both ways: each member is named once, with what it is expected to be. Packing
 * notes where a member differs and appends it; unpacking takes what was appended, or what was expected. So both ways
 * agree by construction, provided that what is expected follows from members that stand before.
 *
 * An expectation that often fails costs memory, and nothing else.
 */
#include "flow_rest.h"

#include "common_history.h"

#include <assert.h>
#include <string.h>

#include "tcpwitness/tcp/tcp_seq.h"

/*
 * What a description is used for. Members come in groups. Most groups of most flows are as expected in all: that is
 * found out first, and then the group is left out; else its members are packed one by one.
 */
enum way {
	WAY_TEST,   /* is anything not as expected? changes nothing */
	WAY_PACK,   /* appends what is not */
	WAY_UNPACK, /* takes what was appended, or what is expected */
	WAY_EXPECT, /* takes what is expected */
};

/* All ways are made from the same functions, by the compiler: which one it is, is known in each. */
#define ALL_WAYS static inline __attribute__((always_inline))

struct coder {
	uint8_t *at;
	uint64_t mask; /* bit i: the member number i is not as expected; of a test: what differs, in whatever bits */
	unsigned n;    /* members so far */
};

/* --- members --- */

ALL_WAYS bool code_flag(struct coder *c, const enum way way, bool flag)
{
	unsigned n = c->n++;

	if (way == WAY_UNPACK)
		return (c->mask >> n & 1) != 0;
	if (way == WAY_TEST)
		c->mask |= flag;
	if (way == WAY_PACK)
		c->mask |= (uint64_t)flag << n;
	return way == WAY_PACK && flag;
}

/* Written always, and kept only if needed: that is quicker than to decide. NOLINTBEGIN(bugprone-macro-parentheses) */
#define CODE_FUNCTION(name, type)                                                                \
	ALL_WAYS void name(struct coder *c, const enum way way, type *value, type expected)      \
	{                                                                                        \
		if (way == WAY_TEST) {                                                           \
			c->mask |= (uint64_t)(*value ^ expected);                                \
		} else if (way == WAY_EXPECT) {                                                  \
			*value = expected;                                                       \
		} else {                                                                         \
			bool differs = code_flag(c, way, way == WAY_PACK && *value != expected); \
			if (way == WAY_PACK)                                                     \
				memcpy(c->at, value, sizeof(*value));                            \
			else if (differs)                                                        \
				memcpy(value, c->at, sizeof(*value));                            \
			else                                                                     \
				*value = expected;                                               \
			c->at += differs ? sizeof(*value) : 0;                                   \
		}                                                                                \
	}

CODE_FUNCTION(code_u8, uint8_t)
CODE_FUNCTION(code_u16, uint16_t)
CODE_FUNCTION(code_u32, uint32_t)
CODE_FUNCTION(code_u64, uint64_t)
/* NOLINTEND(bugprone-macro-parentheses) */

/* Bytes as they are. */
ALL_WAYS void code_raw(struct coder *c, const enum way way, void *bytes, size_t n)
{
	if (way == WAY_PACK)
		memcpy(c->at, bytes, n);
	if (way == WAY_UNPACK)
		memcpy(bytes, c->at, n);
	if (way == WAY_PACK || way == WAY_UNPACK)
		c->at += n;
}

/* The first n of some places, when there are any. */
ALL_WAYS void code_places(struct coder *c, const enum way way, uint8_t *n, void *places, size_t place_bytes)
{
	if (!code_flag(c, way, *n != 0))
		return;
	code_raw(c, way, n, sizeof(*n));
	code_raw(c, way, places, *n * place_bytes);
}

/* The mask of a group stands before its members. */
ALL_WAYS struct coder group_begin(uint8_t *at, const enum way way)
{
	struct coder c = { .at = at + sizeof(c.mask) };

	if (way == WAY_UNPACK)
		memcpy(&c.mask, at, sizeof(c.mask));
	return c;
}

ALL_WAYS void group_end(const struct coder *c, const enum way way, uint8_t **at)
{
	assert(c->n <= 64);
	if (way == WAY_PACK)
		memcpy(*at, &c->mask, sizeof(c->mask));
	if (way == WAY_PACK || way == WAY_UNPACK)
		*at = c->at;
}

/* --- an end --- */

ALL_WAYS void code_losses(struct coder *c, const enum way way, struct tcp_end *e)
{
	code_u32(c, way, &e->retransmissions, 0);
	code_u32(c, way, &e->out_of_order, 0);
	code_u32(c, way, &e->lost_before_tap, 0);
	code_u32(c, way, &e->lost_after_tap, 0);
	code_u32(c, way, &e->zero_windows, 0);
	code_u32(c, way, &e->duplicate_acks, 0);
	code_u32(c, way, &e->last_repeat_left, 0);
	code_u32(c, way, &e->last_repeat_right, e->last_repeat_left);
	code_places(c, way, &e->n_repeated, e->repeated, sizeof(e->repeated[0]));
	code_u8(c, way, &e->repeated_dated, 0);
	code_places(c, way, &e->n_sacked, e->sacked, sizeof(e->sacked[0]));
	code_places(c, way, &e->n_holes, e->holes, sizeof(e->holes[0]));
	code_u8(c, way, &e->holes_dated, 0);
	code_u8(c, way, &e->holes_acknowledged, 0);
}

ALL_WAYS void code_pending(struct coder *c, const enum way way, struct tcp_end *e)
{
	code_places(c, way, &e->n_pending, e->pending, sizeof(e->pending[0]));
	code_raw(c, way, e->pending_packet, e->n_pending * sizeof(e->pending_packet[0]));
	code_raw(c, way, e->pending_stamp, e->n_pending * sizeof(e->pending_stamp[0]));
}

ALL_WAYS void code_high(struct coder *c, const enum way way, struct flow_direction *d, struct tcp_end *e)
{
	uint32_t packets = (uint32_t)(d->packets >> 32);
	uint32_t bytes = (uint32_t)(d->bytes >> 32);
	uint16_t longest = (uint16_t)(e->longest_payload_bytes >> 16);

	code_u32(c, way, &packets, 0);
	code_u32(c, way, &bytes, 0);
	code_u16(c, way, &longest, 0);
	if (way != WAY_UNPACK)
		return;
	d->packets |= (uint64_t)packets << 32;
	d->bytes |= (uint64_t)bytes << 32;
	e->longest_payload_bytes |= (uint32_t)longest << 16;
}

/* While the handshake is open there may be several; else there is the one of the SYN. */
ALL_WAYS void code_candidates(struct coder *c, const enum way way, struct tcp_end *e)
{
	uint8_t n = e->syn_seen ? 1 : 0;
	uint32_t first = e->syn_seen ? e->iss : 0;

	code_u8(c, way, &e->n_candidates, n);
	code_u32(c, way, &e->candidates[0], first);
	if (e->n_candidates > 1 && (way == WAY_PACK || way == WAY_UNPACK))
		code_raw(c, way, &e->candidates[1], (e->n_candidates - 1) * sizeof(e->candidates[0]));
}

/* What is of interest only when something went wrong, waits, or ends. */
ALL_WAYS void code_rare(struct coder *c, const enum way way, struct flow *flow, unsigned side)
{
	struct tcp_end *e = &flow->conn.end[side];

	code_u32(c, way, &e->fin_stamp, 0);
	code_u64(c, way, &e->fin_packet, e->fin_seen ? e->state_packet : 0);
	code_u32(c, way, &e->fins, e->fin_seen);
	code_u32(c, way, &e->fin_suspected_seq, 0);
	code_u32(c, way, &e->acked_fin_at, e->fin_ack_sent ? e->snd_nxt - e->fin_seen : 0);
	code_u32(c, way, &e->stray_next, 0);
	code_u32(c, way, &e->rst_seq, 0);
	code_u32(c, way, &e->peer_nxt_at_rst, 0);
	code_u32(c, way, &e->rst_sent_stamp, 0);
	code_u32(c, way, &e->rst_refused_stamp, 0);
	code_u32(c, way, &e->rsts, e->rst_sent);
	code_u8(c, way, &e->sure_before_rst, 0);
	code_u64(c, way, &e->sure_caused_by_before_rst, 0);
	code_u8(c, way, &e->rst_suspicion, 0);
	code_losses(c, way, e);
	code_pending(c, way, e);
	code_candidates(c, way, e);
	code_u8(c, way, &e->ip_ids_missed, 0);
	code_u8(c, way, &e->probe, 0);
	code_u8(c, way, &e->mptcp, 0);
	code_high(c, way, &flow->direction[side], e);
	code_u32(c, way, &flow->direction[side].held_ms, 0);
	code_u32(c, way, &flow->narrow_ms[side], 0);
}

/* See tcp_loss.c: those of others are of no use, and are not followed. */
static bool ids_are_followed(const struct tcp_end *end)
{
	return end->timestamps && !end->ip_ids_of_host;
}

/* The state, and where the end stands in its sequence space. */
ALL_WAYS void code_end(struct coder *c, const enum way way, struct flow *flow, unsigned side)
{
	const struct tcp_end *other = &flow->conn.end[1 - side];
	struct tcp_end *e = &flow->conn.end[side];
	bool scaled = e->wscale_ok && other->wscale_ok;

	code_u8(c, way, &e->state, TCPS_ESTABLISHED);
	code_u8(c, way, &e->sure, e->state);
	code_u8(c, way, &e->certainty, TCP_PROVED);
	code_u64(c, way, &e->sure_caused_by, e->caused_by);
	code_u32(c, way, &e->syns, e->syn_seen);
	code_u16(c, way, &e->syn_flags, side == SIDE_CLIENT ? SEG_SYN : SEG_SYN | SEG_ACK);
	code_u32(c, way, &e->last_syn_ts_val, e->first_syn_ts_val);
	code_u16(c, way, &e->last_ip_id, ids_are_followed(e) ? e->front_ip_id : 0);
	code_u32(c, way, &e->syn_end, e->iss + e->syn_seen);
	code_u64(c, way, &e->payload_bytes, (uint32_t)(e->snd_nxt - e->syn_end - e->fin_seen));
	code_u32(c, way, &e->new_bytes, (uint32_t)e->payload_bytes);
	code_u32(c, way, &e->last_ack, other->snd_una);
	code_u32(c, way, &e->fin_seq, e->fin_seen ? e->snd_nxt - 1 : 0);
	code_u32(c, way, &e->nxt_before_fin_ack, e->fin_ack_boundary_known ? e->snd_nxt - e->fin_seen : 0);
	code_u32(c, way, &e->window_bytes, (uint32_t)e->last_window << (scaled ? e->wscale & 15 : 0));
	code_u32(c, way, &e->right_edge, e->edge_known ? e->last_ack + e->window_bytes : 0);
	code_u8(c, way, &flow->direction[side].ttl_min, e->ttl);
	code_u8(c, way, &flow->direction[side].ttl_max, flow->direction[side].ttl_min);
}

/* --- the connection --- */

ALL_WAYS void code_conn(struct coder *c, const enum way way, struct flow *flow, const uint64_t expected_ns[2])
{
	struct tcp_conn *conn = &flow->conn;
	const struct tcp_conn usual = { .direction_certain = true, .established_once = true };
	uint64_t last_ns;

	code_u8(c, way, &conn->origin, CONN_ORIGIN_SYN);
	code_u16(c, way, &conn->truths, usual.truths);
	code_u32(c, way, &conn->owner, tcp_conn_owner(flow->hash, flow->id));
	code_u64(c, way, &conn->stamps_from_ns, flow->first_ns - (UINT64_C(1) << 30) * 1000);
	code_u64(c, way, &conn->first_syn_ns, conn->origin == CONN_ORIGIN_SYN ? flow->first_ns : 0);
	code_u64(c, way, &conn->last_syn_ns, conn->first_syn_ns);
	code_u64(c, way, &conn->later_syn_ns, 0);
	code_u64(c, way, &conn->first_synack_ns, conn->first_syn_ns + conn->rtt_server_us * UINT64_C(1000));
	code_u8(c, way, &conn->rst_cause, 0);
	code_u8(c, way, &conn->closed_by, 0);
	if (code_flag(c, way, (conn->next_syn.time_ns | conn->next_syn.number) != 0)) {
		code_raw(c, way, &conn->next_syn, sizeof(conn->next_syn));
		code_raw(c, way, &conn->next_syn_side, sizeof(conn->next_syn_side));
	}
	code_u64(c, way, &conn->end[0].last_ns, expected_ns[0]);
	code_u64(c, way, &conn->end[1].last_ns, expected_ns[1]);
	last_ns = conn->end[0].last_ns > conn->end[1].last_ns ? conn->end[0].last_ns : conn->end[1].last_ns;
	code_u64(c, way, &flow->last_ns, last_ns);
	code_u64(c, way, &flow->recorded_ns, flow->first_ns);
	code_u32(c, way, &flow->n_interim, 0);
	code_u64(c, way, &flow->previous_id, 0);
}

/* --- the history --- */

ALL_WAYS void code_history(struct coder *c, const enum way way, struct flow *flow, const struct common_history *common)
{
	static const uint32_t none[2][4];
	struct conn_history *history = &flow->history;
	bool is_common = common != common_histories;
	uint8_t begun = (uint8_t)(history->started | history->payload_seen << 1);

	if (code_flag(c, way, !is_common)) {
		code_raw(c, way, &history->length, sizeof(history->length));
		code_raw(c, way, history->text, history->length);
	} else if (way == WAY_UNPACK || way == WAY_EXPECT) {
		memcpy(history->text, common->text, sizeof(common->text));
		history->length = common->length;
	}
	for (unsigned side = 0; side < 2; side++) {
		const struct tcp_end *e = &flow->conn.end[side];
		code_u16(c, way, &history->seen[side], common->seen[side]);
		code_u8(c, way, &history->endpoint[side], common->endpoint[side]);
		code_u32(c, way, &history->last_seq[side][0], e->iss);
		code_u32(c, way, &history->last_seq[side][1], e->fin_seq);
		code_u32(c, way, &history->last_seq[side][2], 0);
	}
	code_u8(c, way, &begun, (uint8_t)(1 | common->has_payload << 1));
	history->started = begun & 1;
	history->payload_seen = begun >> 1 & 1;
	if (code_flag(c, way, memcmp(history->repeats, none, sizeof(none)) != 0))
		code_raw(c, way, history->repeats, sizeof(history->repeats));
}

/* --- the rest --- */

/* Those bytes that are not zero, with their places. */
ALL_WAYS void code_anomalies(struct coder *c, const enum way way, struct anomaly_counts *counts)
{
	static const struct anomaly_counts none;
	uint8_t *bytes = (uint8_t *)counts;

	_Static_assert(sizeof(*counts) <= UINT8_MAX, "a place among the counts is told in a byte");
	if (!code_flag(c, way, memcmp(counts, &none, sizeof(none)) != 0))
		return;
	uint8_t *n = c->at++;
	if (way == WAY_UNPACK) {
		for (unsigned i = 0; i < *n; i++, c->at += 2)
			bytes[c->at[0]] = c->at[1];
		return;
	}
	*n = 0;
	for (unsigned i = 0; i < sizeof(*counts); i++) {
		if (bytes[i] == 0)
			continue;
		*c->at++ = (uint8_t)i;
		*c->at++ = bytes[i];
		++*n;
	}
}

ALL_WAYS void code_rest(struct coder *c, const enum way way, struct flow *flow)
{
	uint8_t gauges[2];

	_Static_assert(sizeof(flow->gauges) == sizeof(gauges), "the gauges of an end are one byte");
	memcpy(gauges, flow->gauges, sizeof(gauges));
	code_u8(c, way, &gauges[0], 0);
	code_u8(c, way, &gauges[1], 0);
	memcpy(flow->gauges, gauges, sizeof(gauges));
	code_u64(c, way, &flow->key.domain, 0);
	code_places(c, way, &flow->n_vlans, flow->vlans, sizeof(flow->vlans[0]));
	code_places(c, way, &flow->n_tunnels, flow->tunnels, sizeof(flow->tunnels[0]));
	code_anomalies(c, way, &flow->anomalies);
}

/* --- the opening --- */

/* What is settled with the handshake, and other in each connection. */
struct rest_opening {
	uint64_t first_ns;
	uint64_t id;
	uint64_t truths[2]; /* as in struct tcp_end */
	uint32_t iss[2];
	uint32_t first_syn_ts_val[2];
	uint32_t rtt_client_us;
	uint32_t rtt_server_us;
	uint32_t syn_layout;
	uint32_t signals;
	/* As in struct tcp_end, each as its distance from the one before, the first from id; see FAR. */
	uint16_t client_caused_by;
	uint16_t client_state_packet;
	uint16_t server_caused_by;
	uint16_t server_state_packet;
	uint16_t mss[2];
	uint16_t syn_window;
	uint16_t synack_after;
	uint16_t synack_held;
	uint16_t groups; /* which groups follow, a bit each */
	uint8_t wscale[2];
	uint16_t : 16;
};

/* A distance that does not fit: the number follows in full. */
enum { FAR = UINT16_MAX };

static uint16_t distance(uint64_t number, uint64_t from, uint8_t **at)
{
	if (number - from < FAR)
		return (uint16_t)(number - from);
	memcpy(*at, &number, sizeof(number));
	*at += sizeof(number);
	return FAR;
}

static uint64_t number_at(uint16_t distance, uint64_t from, const uint8_t **at)
{
	uint64_t number = from + distance;

	if (distance != FAR)
		return number;
	memcpy(&number, *at, sizeof(number));
	*at += sizeof(number);
	return number;
}

static void pack_opening(struct rest_opening *opening, const struct flow *flow, uint8_t **at)
{
	const struct tcp_end *client = &flow->conn.end[SIDE_CLIENT];
	const struct tcp_end *server = &flow->conn.end[SIDE_SERVER];

	*opening = (struct rest_opening){
		.first_ns = flow->first_ns,
		.id = flow->id,
		.truths = { client->truths, server->truths },
		.iss = { client->iss, server->iss },
		.first_syn_ts_val = { client->first_syn_ts_val, server->first_syn_ts_val },
		.rtt_client_us = flow->conn.rtt_client_us,
		.rtt_server_us = flow->conn.rtt_server_us,
		.syn_layout = flow->conn.syn_layout,
		.signals = flow->signals,
		.mss = { client->mss, server->mss },
		.syn_window = flow->conn.syn_window,
		.synack_after = flow->synack_after,
		.synack_held = flow->synack_held,
		.wscale = { client->wscale, server->wscale },
	};
	opening->client_caused_by = distance(client->caused_by, flow->id, at);
	opening->client_state_packet = distance(client->state_packet, client->caused_by, at);
	opening->server_caused_by = distance(server->caused_by, client->state_packet, at);
	opening->server_state_packet = distance(server->state_packet, server->caused_by, at);
}

static void unpack_opening(const struct rest_opening *opening, struct flow *flow, const uint8_t **at)
{
	struct tcp_end *client = &flow->conn.end[SIDE_CLIENT];
	struct tcp_end *server = &flow->conn.end[SIDE_SERVER];

	flow->first_ns = opening->first_ns;
	flow->id = opening->id;
	flow->conn.rtt_client_us = opening->rtt_client_us;
	flow->conn.rtt_server_us = opening->rtt_server_us;
	flow->conn.syn_layout = opening->syn_layout;
	flow->conn.syn_window = opening->syn_window;
	flow->signals = opening->signals;
	flow->synack_after = opening->synack_after;
	flow->synack_held = opening->synack_held;
	for (unsigned side = 0; side < 2; side++) {
		struct tcp_end *end = &flow->conn.end[side];
		end->truths = opening->truths[side];
		end->iss = opening->iss[side];
		end->first_syn_ts_val = opening->first_syn_ts_val[side];
		end->mss = opening->mss[side];
		end->wscale = opening->wscale[side];
	}
	client->caused_by = number_at(opening->client_caused_by, flow->id, at);
	client->state_packet = number_at(opening->client_state_packet, client->caused_by, at);
	server->caused_by = number_at(opening->server_caused_by, client->state_packet, at);
	server->state_packet = number_at(opening->server_state_packet, server->caused_by, at);
}

/* --- groups --- */

/* function is one of those above, called with a coder, the way, and the rest. */
#define PACK_GROUP(number, function, ...)                            \
	do {                                                         \
		struct coder test = { .mask = 0 };                   \
		function(&test, WAY_TEST, __VA_ARGS__);              \
		if (test.mask != 0) {                                \
			struct coder c = group_begin(*at, WAY_PACK); \
			function(&c, WAY_PACK, __VA_ARGS__);         \
			group_end(&c, WAY_PACK, at);                 \
			groups |= 1u << (number);                    \
		}                                                    \
	} while (0)

#define UNPACK_GROUP(number, function, ...)                            \
	do {                                                           \
		if ((groups >> (number)&1) != 0) {                     \
			struct coder c = group_begin(*at, WAY_UNPACK); \
			function(&c, WAY_UNPACK, __VA_ARGS__);         \
			group_end(&c, WAY_UNPACK, at);                 \
		} else {                                               \
			struct coder c = { .mask = 0 };                \
			function(&c, WAY_EXPECT, __VA_ARGS__);         \
		}                                                      \
	} while (0)

#define EACH_GROUP(DO)                       \
	DO(0, code_conn, flow, expected_ns); \
	DO(1, code_end, flow, SIDE_CLIENT);  \
	DO(2, code_end, flow, SIDE_SERVER);  \
	DO(3, code_rare, flow, SIDE_CLIENT); \
	DO(4, code_rare, flow, SIDE_SERVER); \
	DO(5, code_history, flow, common);   \
	DO(6, code_rest, flow)

static unsigned pack_groups(uint8_t **at, struct flow *flow, const uint64_t expected_ns[2],
			    const struct common_history *common)
{
	unsigned groups = 0;

	EACH_GROUP(PACK_GROUP);
	return groups;
}

static void unpack_groups(unsigned groups, uint8_t **at, struct flow *flow, const uint64_t expected_ns[2],
			  const struct common_history *common)
{
	EACH_GROUP(UNPACK_GROUP);
}

/* --- the head --- */

enum { ADDR_REST_BYTES = 12 };

static void expect_times(const struct rest_head *head, uint64_t touched_ns, uint64_t expected_ns[2])
{
	expected_ns[head->last_side] = touched_ns;
	expected_ns[1 - head->last_side] = touched_ns - head->lag_ns;
}

/* tcp_loss.c: what the other end acknowledges now says no more of what this end sent again. */
static bool are_repeats_settled(const struct tcp_end *e, const struct tcp_end *other)
{
	for (unsigned i = 0; i < e->n_repeated; i++) {
		if ((e->repeated_dated >> i & 1) != 0 && seq_lt(other->ts_ecr, e->repeated[i].ts_val))
			return false;
	}
	return true;
}

/* Nothing is missing, waits, or is in doubt at this end: what it sends next can be judged by what is in the head. */
static bool is_in_order(const struct flow *flow, unsigned side)
{
	const struct tcp_end *e = &flow->conn.end[side];
	const struct tcp_end *other = &flow->conn.end[1 - side];
	const struct flow_direction *d = &flow->direction[side];
	const struct tcp_end trusted = {
		.heard = true,
		.active_open = side == SIDE_CLIENT,
		.seq_known = true,
		.una_known = true,
		.acked_any = true,
		.edge_known = true,
		.window_known = true,
		.syn_seen = true,
		.fin_ack_boundary_known = true,
		.fast_open = e->fast_open,
		.ts_known = e->ts_known,
		.wscale_ok = e->wscale_ok,
		.sack_ok = e->sack_ok,
		.timestamps = e->timestamps,
		.timestamps_declined = e->timestamps_declined,
		.ip_ids_count_up = e->ip_ids_count_up,
		.ip_ids_of_host = e->ip_ids_of_host,
	};
	uint32_t waits = e->n_pending | e->n_holes | e->n_sacked | e->probe | e->ip_ids_missed | e->rst_refused_stamp |
			 flow->narrow_ms[side];
	uint32_t payload = e->snd_nxt - e->syn_end;

	return e->truths == trusted.truths && e->state == TCPS_ESTABLISHED && e->sure == TCPS_ESTABLISHED &&
	       e->certainty == TCP_PROVED && waits == 0 && are_repeats_settled(e, other) &&
	       e->last_ack == other->snd_una && e->payload_bytes == payload && e->new_bytes == payload &&
	       payload <= INT32_MAX && e->nxt_before_fin_ack == e->snd_nxt &&
	       e->right_edge == e->last_ack + e->window_bytes &&
	       e->last_ip_id == (ids_are_followed(e) ? e->front_ip_id : e->last_ip_id) && d->ttl_min == e->ttl &&
	       d->ttl_max == e->ttl;
}

static bool is_plain(const struct flow *flow, const struct rest_head *head)
{
	const struct tcp_conn *conn = &flow->conn;
	uint64_t expected_ns[2];
	const struct tcp_conn usual = { .direction_certain = true, .established_once = true };
	uint8_t gauges[2];

	memcpy(gauges, flow->gauges, sizeof(gauges));
	expect_times(head, flow->touched_ns, expected_ns);
	return flow->flow_class == FLOW_CLASS_ESTABLISHED && conn->origin == CONN_ORIGIN_SYN &&
	       conn->truths == usual.truths && (flow->signals & FLOW_SIGNALS_OPENED) == FLOW_SIGNALS_OPENED &&
	       gauges[0] == 0 && gauges[1] == 0 && flow->last_ns == flow->touched_ns &&
	       conn->end[0].last_ns == expected_ns[0] && conn->end[1].last_ns == expected_ns[1] &&
	       is_in_order(flow, SIDE_CLIENT) && is_in_order(flow, SIDE_SERVER);
}

static void pack_plain(struct rest_head *head, const struct flow *flow)
{
	const struct tcp_end *ends = flow->conn.end;
	uint64_t recorded_ms = (flow->recorded_ns - flow->first_ns) / UINT64_C(1000000);
	bool scaled = ends[0].wscale_ok && ends[1].wscale_ok;

	bool is_followed[2];
	bool all_dated = ends[0].ts_known && ends[1].ts_known;
	bool agreed = ends[0].timestamps && ends[1].timestamps;

	head->is_plain = is_plain(flow, head) && all_dated >= agreed && recorded_ms <= UINT32_MAX &&
			 ends[0].wscale < 15 && ends[1].wscale < 15;
	head->recorded_ms = (uint32_t)recorded_ms;
	head->wscale_client = scaled ? ends[SIDE_CLIENT].wscale & 15u : 0;
	head->wscale_server = scaled ? ends[SIDE_SERVER].wscale & 15u : 0;
	head->has_repeats = (ends[0].n_repeated | ends[1].n_repeated) != 0;
	head->has_timestamps = agreed && all_dated;
	head->client_has_spoken = (flow->signals & FLOW_SIGNAL_SPOKE) != 0;
	for (unsigned side = 0; side < 2; side++) {
		is_followed[side] = ids_are_followed(&ends[side]);
	}
	head->ids_are_followed = ((unsigned)is_followed[0] | (unsigned)is_followed[1] << 1) & 3u;
	head->ids_count_up = ((unsigned)ends[0].ip_ids_count_up | (unsigned)ends[1].ip_ids_count_up << 1) & 3u;
}

static void pack_head(struct rest_head *head, const struct flow *flow)
{
	const struct tcp_end *ends = flow->conn.end;
	unsigned last_side = ends[SIDE_SERVER].last_ns > ends[SIDE_CLIENT].last_ns;
	uint64_t lag_ns = flow->touched_ns - ends[1 - last_side].last_ns;

	*head = (struct rest_head){
		.lag_ns = (lag_ns >> 40) == 0 ? lag_ns & ((UINT64_C(1) << 40) - 1) : 0,
		.last_side = last_side & 1,
		.is_ipv6 = flow->key.ip_version == 6,
		.client_index = (flow->client_index & 1) != 0,
		.alerted = flow->alerted,
		.flow_class = flow->flow_class & 15u,
		.port = { flow->key.port[0], flow->key.port[1] },
		.source = flow->source,
		.history = common_history_number(&flow->history),
		.ttl = { ends[0].ttl, ends[1].ttl },
	};
	for (unsigned side = 0; side < 2; side++) {
		const struct flow_direction *direction = &flow->direction[side];
		head->end[side] = (struct rest_end){
			.snd_nxt = ends[side].snd_nxt,
			.snd_una = ends[side].snd_una,
			.ts_val = ends[side].ts_val,
			.ts_ecr = ends[side].ts_ecr,
			.packets = (uint32_t)direction->packets,
			.bytes = (uint32_t)direction->bytes,
			.last_window = ends[side].last_window,
			.front_ip_id = ends[side].front_ip_id,
			.longest_payload_bytes = (uint16_t)ends[side].longest_payload_bytes,
			.flags = direction->flags,
		};
		memcpy(head->addr[side], flow->key.addr[side], sizeof(head->addr[side]));
		head->small_run[side] = ends[side].small_run;
	}
	pack_plain(head, flow);
}

static void unpack_head(const struct rest_head *head, struct flow *flow)
{
	flow->key.ip_version = head->is_ipv6 ? 6 : 4;
	flow->client_index = head->client_index;
	flow->alerted = head->alerted;
	flow->flow_class = head->flow_class;
	flow->source = head->source;
	for (unsigned side = 0; side < 2; side++) {
		const struct rest_end *from = &head->end[side];
		struct tcp_end *end = &flow->conn.end[side];
		end->snd_nxt = from->snd_nxt;
		end->snd_una = from->snd_una;
		end->ts_val = from->ts_val;
		end->ts_ecr = from->ts_ecr;
		end->last_window = from->last_window;
		end->front_ip_id = from->front_ip_id;
		end->small_run = head->small_run[side];
		end->longest_payload_bytes = from->longest_payload_bytes;
		end->ttl = head->ttl[side];
		flow->direction[side].packets = from->packets;
		flow->direction[side].bytes = from->bytes;
		flow->direction[side].flags = from->flags;
		flow->key.port[side] = head->port[side];
		memcpy(flow->key.addr[side], head->addr[side], sizeof(head->addr[side]));
	}
}

/* Where the opening is: behind the head and the rest of IPv6 addresses. */
static const struct rest_opening *opening_of(const void *rest)
{
	const struct rest_head *head = rest;
	const uint8_t *behind = (const uint8_t *)(head + 1);

	return (const void *)(behind + (head->is_ipv6 ? 2 * ADDR_REST_BYTES : 0));
}

size_t flow_rest_pack(struct flow *flow, void *to)
{
	struct rest_head *head = to;
	uint8_t *behind = (uint8_t *)(head + 1);
	uint64_t expected_ns[2];

	pack_head(head, flow);
	expect_times(head, flow->touched_ns, expected_ns);
	if (head->is_ipv6) {
		memcpy(behind, flow->key.addr[0] + 4, ADDR_REST_BYTES);
		memcpy(behind + ADDR_REST_BYTES, flow->key.addr[1] + 4, ADDR_REST_BYTES);
	}
	struct rest_opening *opening = (void *)(behind + (head->is_ipv6 ? 2 * ADDR_REST_BYTES : 0));
	uint8_t *at = (uint8_t *)(opening + 1);
	pack_opening(opening, flow, &at);
	opening->groups = (uint16_t)pack_groups(&at, flow, expected_ns, common_history_at(head->history));
	return (size_t)(at - (uint8_t *)to);
}

void flow_rest_unpack(const void *from, const struct rest_link *link, struct flow *flow)
{
	const struct rest_head *head = from;
	const struct rest_opening *opening = opening_of(from);
	const uint8_t *behind = (const uint8_t *)(opening + 1);
	uint64_t expected_ns[2];

	memset(flow, 0, sizeof(*flow));
	flow->hash = link->hash;
	flow->touched_ns = link->touched_ns;
	unpack_head(head, flow);
	expect_times(head, link->touched_ns, expected_ns);
	if (head->is_ipv6) {
		memcpy(flow->key.addr[0] + 4, head + 1, ADDR_REST_BYTES);
		memcpy(flow->key.addr[1] + 4, (const uint8_t *)(head + 1) + ADDR_REST_BYTES, ADDR_REST_BYTES);
	}
	unpack_opening(opening, flow, &behind);
	/* It is only read. NOLINTNEXTLINE(performance-no-int-to-ptr) */
	uint8_t *at = (uint8_t *)(uintptr_t)behind;
	unpack_groups(opening->groups, &at, flow, expected_ns, common_history_at(head->history));
}

bool flow_rest_has_key(const void *rest, const struct flow_key *key)
{
	const struct rest_head *head = rest;
	const uint8_t *behind = (const uint8_t *)rest + sizeof(*head);

	for (unsigned end = 0; end < 2; end++) {
		if (head->port[end] != key->port[end] ||
		    memcmp(head->addr[end], key->addr[end], sizeof(head->addr[end])) != 0)
			return false;
		if (head->is_ipv6 &&
		    memcmp(behind + (size_t)end * ADDR_REST_BYTES, key->addr[end] + 4, ADDR_REST_BYTES) != 0)
			return false;
	}
	return key->ip_version == (head->is_ipv6 ? 6u : 4u);
}

uint64_t flow_rest_id(const void *rest)
{
	return opening_of(rest)->id;
}

uint64_t flow_rest_first_ns(const void *rest)
{
	return opening_of(rest)->first_ns;
}
