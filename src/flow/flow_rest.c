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
#include "flow_plain.h"
#include "flow_rest_close.h"
#include "flow_rest_over.h"
#include "rest_coder.h"

#include <string.h>

#include "tcpwitness/base/units.h"
#include "tcpwitness/tcp/tcp_seq.h"
#include "tcpwitness/tcp/tcp_stamp.h"

/* --- what the opening says --- */

/* What is known of members from head and opening; the first group has those of which it is not so. */
struct said {
	uint64_t first_ns;
	uint64_t id;
	uint64_t first_synack_ns;
	uint64_t client_caused_by;
	uint64_t client_state_packet;
	uint64_t server_state_packet;
	uint64_t truths[2];
	uint32_t rtt_client_us;
	uint8_t wscale[2];
	uint8_t state[2];
};

/* All bits of a member. */
#define ALL_BITS(n) ((UINT64_C(1) << (n)) - 1)

/* What the steps of a close say of states; what they add to truths is in flow_rest_truths, but for this. */
static void add_close(const struct rest_head *head, struct said *said)
{
	const struct tcp_end unsure = { .close_order_unsure = true };

	for (unsigned side = 0; side < 2; side++) {
		bool is_closer = side == head->closer;
		said->state[side] = (uint8_t)flow_rest_closing_state((enum rest_close)head->close, is_closer);
	}
	said->truths[1 - head->closer] |= head->is_close_order_unsure ? unsure.truths : 0;
}

static void read_opening(const struct rest_head *head, const struct rest_opening *opening, uint64_t touched_ns,
			 const struct syn_shape *shape, struct said *said)
{
	static const struct tcp_end counts = { .ip_ids_count_up = true };

	said->first_ns = rest_first_ns(opening, touched_ns);
	said->id = rest_id(opening);
	said->first_synack_ns = opening->synack_after_ns != ALL_BITS(REST_SYNACK_AFTER_BITS)
					? said->first_ns + opening->synack_after_ns
					: 0;
	said->rtt_client_us =
		opening->rtt_client_us != ALL_BITS(REST_RTT_BITS) ? (uint32_t)opening->rtt_client_us : UINT32_MAX;
	said->client_caused_by = said->id + opening->client_caused_by;
	said->client_state_packet = said->client_caused_by + opening->client_state_packet;
	said->server_state_packet = said->client_state_packet + opening->server_state_packet;
	said->wscale[SIDE_CLIENT] = shape->wscales & 15u;
	said->wscale[SIDE_SERVER] = shape->wscales >> 4;
	said->state[SIDE_CLIENT] = said->state[SIDE_SERVER] = TCPS_ESTABLISHED;
	for (unsigned side = 0; side < 2; side++)
		said->truths[side] = flow_rest_truths(head, side) |
				     (uint64_t)shape->offers[side] << rest_offers_shift() |
				     ((head->ids_count_up >> side & 1) != 0 ? counts.truths : 0);
	if (head->close != REST_OPEN)
		add_close(head, said);
}

/* What has no room in the opening. All other groups follow from it. closes: struct rest_closing tells of packets. */
ALL_WAYS void code_opening(struct coder *c, const enum way way, struct flow *flow, const struct said *said, bool closes)
{
	struct tcp_conn *conn = &flow->conn;
	struct tcp_end *client = &conn->end[SIDE_CLIENT];
	struct tcp_end *server = &conn->end[SIDE_SERVER];

	code_u64(c, way, &conn->first_synack_ns, said->first_synack_ns);
	code_u32(c, way, &conn->rtt_client_us, said->rtt_client_us);
	if (!closes) {
		code_near(c, way, &client->caused_by, said->client_caused_by, flow->id, 3);
		code_near(c, way, &client->state_packet, said->client_state_packet, flow->id, 3);
		code_near(c, way, &server->caused_by, client->state_packet, flow->id, 3);
		code_near(c, way, &server->state_packet, said->server_state_packet, flow->id, 3);
	}
	for (unsigned side = 0; side < 2; side++) {
		code_u64(c, way, &conn->end[side].truths, said->truths[side]);
		code_u8(c, way, &conn->end[side].wscale, said->wscale[side]);
		code_u8(c, way, &conn->end[side].state, said->state[side]);
	}
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

/* waits: it is what a server waits for, see struct rest_head. */
ALL_WAYS void code_pending(struct coder *c, const enum way way, struct flow *flow, struct tcp_end *e, bool waits)
{
	const struct tcp_conn *conn = &flow->conn;

	if (waits && (way == WAY_UNPACK || way == WAY_EXPECT)) {
		e->n_pending = 1;
		e->pending[0] = TCPE_RCV_ACK_OF_SYN;
		e->pending_packet[0] = e->caused_by;
		e->pending_stamp[0] = stamp_of(conn, conn->end[SIDE_CLIENT].last_ns);
	}
	if (!code_flag(c, way, !waits && e->n_pending != 0))
		return;
	code_raw(c, way, &e->n_pending, sizeof(e->n_pending));
	for (unsigned i = 0; i < e->n_pending; i++) {
		code_raw(c, way, &e->pending[i], sizeof(e->pending[i]));
		code_raw(c, way, &e->pending_packet[i], sizeof(e->pending_packet[i]));
		code_raw(c, way, &e->pending_stamp[i], sizeof(e->pending_stamp[i]));
	}
}

ALL_WAYS void code_high(struct coder *c, const enum way way, struct flow_direction *d, struct tcp_end *e)
{
	uint32_t packets = (uint32_t)(d->packets >> 32);
	uint32_t bytes = (uint32_t)(d->bytes >> 32);
	uint16_t longest = (uint16_t)(e->longest_payload_bytes >> 16);
	uint8_t flags = (uint8_t)(d->flags >> 8);

	code_u32(c, way, &packets, 0);
	code_u32(c, way, &bytes, 0);
	code_u16(c, way, &longest, 0);
	code_u8(c, way, &flags, 0);
	if (way != WAY_UNPACK)
		return;
	d->packets |= (uint64_t)packets << 32;
	d->bytes |= (uint64_t)bytes << 32;
	e->longest_payload_bytes |= (uint32_t)longest << 16;
	d->flags |= (uint16_t)(flags << 8);
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

/* What moves the state, if it does not close in good order: what waits, and the FINs. Behind the numbers. */
ALL_WAYS void code_state(struct coder *c, const enum way way, struct flow *flow, unsigned side, bool waits)
{
	const struct tcp_end *other = &flow->conn.end[1 - side];
	struct tcp_end *e = &flow->conn.end[side];
	uint32_t before_fin = e->snd_nxt - e->fin_seen;

	code_u8(c, way, &e->sure, waits ? TCPS_SYN_RCVD : e->state);
	code_u8(c, way, &e->certainty, waits ? TCP_PRESUMED : TCP_PROVED);
	code_near(c, way, &e->sure_caused_by, waits ? other->caused_by : e->caused_by, flow->id, 3);
	code_u32(c, way, &e->fin_stamp, 0);
	code_near(c, way, &e->fin_packet, e->fin_seen ? e->state_packet : 0, flow->id, 3);
	code_u32(c, way, &e->fins, e->fin_seen);
	code_u32(c, way, &e->acked_fin_at, e->fin_ack_sent ? before_fin : 0);
	code_u32(c, way, &e->nxt_before_fin_ack, e->fin_ack_boundary_known ? before_fin : 0);
	/* Behind the other end's FIN it stays (tcp_sequence.c). */
	code_u32(c, way, &e->right_edge, e->edge_known ? e->last_ack + e->window_bytes : 0);
	code_u32(c, way, &flow->direction[side].held_ms, 0);
	code_pending(c, way, flow, e, waits);
}

/* What is of interest only when something went wrong. */
ALL_WAYS void code_rare(struct coder *c, const enum way way, struct flow *flow, unsigned side)
{
	struct tcp_end *e = &flow->conn.end[side];

	code_u32(c, way, &e->fin_suspected_seq, 0);
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
	code_candidates(c, way, e);
	code_u8(c, way, &e->ip_ids_missed, 0);
	code_u8(c, way, &e->probe, 0);
	code_u8(c, way, &e->mptcp, 0);
	code_high(c, way, &flow->direction[side], e);
	code_u32(c, way, &flow->narrow_ms[side], 0);
}

/* Where the end stands in its sequence space. */
ALL_WAYS void code_numbers(struct coder *c, const enum way way, struct flow *flow, unsigned side, bool waits)
{
	const struct tcp_end *other = &flow->conn.end[1 - side];
	struct tcp_end *e = &flow->conn.end[side];
	bool scaled = e->wscale_ok && other->wscale_ok && !waits; /* RFC 7323 2.2: not on a SYN-ACK */
	uint16_t ip_id = waits ? e->last_ip_id : rest_follows_ids(e) ? e->front_ip_id : 0;

	code_u32(c, way, &e->syns, e->syn_seen);
	code_u16(c, way, &e->syn_flags, side == SIDE_CLIENT ? SEG_SYN : SEG_SYN | SEG_ACK);
	code_u32(c, way, &e->last_syn_ts_val, e->first_syn_ts_val);
	code_u16(c, way, &e->last_ip_id, ip_id);
	code_u32(c, way, &e->syn_end, e->iss + e->syn_seen);
	code_u64(c, way, &e->payload_bytes, (uint32_t)(e->snd_nxt - e->syn_end - e->fin_seen));
	code_u32(c, way, &e->new_bytes, (uint32_t)e->payload_bytes);
	code_u32(c, way, &e->last_ack, other->snd_una);
	code_u32(c, way, &e->fin_seq, e->fin_seen ? e->snd_nxt - 1 : 0);
	code_u32(c, way, &e->window_bytes, (uint32_t)e->last_window << (scaled ? e->wscale & 15 : 0));
	code_u8(c, way, &flow->direction[side].ttl_min, e->ttl);
	code_u8(c, way, &flow->direction[side].ttl_max, flow->direction[side].ttl_min);
}

/* --- the connection --- */

ALL_WAYS void code_times(struct coder *c, const enum way way, struct flow *flow, const uint64_t expected_ns[2])
{
	struct tcp_end *ends = flow->conn.end;
	uint64_t last_ns;

	code_u64(c, way, &flow->conn.stamps_from_ns, flow->first_ns - STAMP_EXACT_NS);
	code_near(c, way, &ends[0].last_ns, expected_ns[0], expected_ns[0], 4);
	code_near(c, way, &ends[1].last_ns, expected_ns[1], expected_ns[1], 4);
	last_ns = ends[0].last_ns > ends[1].last_ns ? ends[0].last_ns : ends[1].last_ns;
	code_u64(c, way, &flow->last_ns, last_ns);
	code_u64(c, way, &flow->recorded_ns, flow->first_ns);
	code_u32(c, way, &flow->n_interim, 0);
}

/* As its signals and its ends say. */
static uint16_t expected_truths(const struct flow *flow)
{
	const struct tcp_conn usual = { .direction_certain = true };
	const struct tcp_conn opened = { .established_once = true };
	const struct tcp_conn closed = { .closed_by_known = true };
	bool is_opened = (flow->signals & FLOW_SIGNAL_COMPLETED) != 0;
	bool closes = flow->conn.end[0].fin_seen || flow->conn.end[1].fin_seen;

	return (uint16_t)(usual.truths | (is_opened ? opened.truths : 0) | (closes ? closed.truths : 0));
}

/* RFC 9293 figure 12: an end in these states has closed first. */
static bool is_closer(const struct tcp_end *end)
{
	return end->state == TCPS_FIN_WAIT_1 || end->state == TCPS_FIN_WAIT_2 || end->state == TCPS_TIME_WAIT;
}

/* The first SYN-ACK answered the last SYN. */
static uint32_t expected_rtt_server_us(const struct tcp_conn *conn)
{
	return conn->first_synack_ns != 0 ? (uint32_t)((conn->first_synack_ns - conn->last_syn_ns) / NS_PER_US)
					  : UINT32_MAX;
}

/* The handshake was complete before the server repeated anything. */
static uint16_t expected_synack_after(const struct flow *flow)
{
	uint64_t units = (flow->conn.first_synack_ns - flow->first_ns) / FLOW_SYNACK_UNIT_NS;

	return flow->conn.first_synack_ns != 0 && units < UINT16_MAX ? (uint16_t)units : 0;
}

ALL_WAYS void code_conn(struct coder *c, const enum way way, struct flow *flow)
{
	struct tcp_conn *conn = &flow->conn;

	code_u8(c, way, &conn->origin, CONN_ORIGIN_SYN);
	code_u16(c, way, &conn->truths, expected_truths(flow));
	code_u32(c, way, &conn->owner, tcp_conn_owner(flow->id));
	code_u64(c, way, &conn->first_syn_ns, conn->origin == CONN_ORIGIN_SYN ? flow->first_ns : 0);
	code_u64(c, way, &conn->last_syn_ns, conn->first_syn_ns);
	code_u64(c, way, &conn->later_syn_ns, 0);
	code_u32(c, way, &conn->rtt_server_us, expected_rtt_server_us(conn));
	code_u8(c, way, &conn->rst_cause, 0);
	code_u8(c, way, &conn->closed_by, is_closer(&conn->end[SIDE_SERVER]) ? SIDE_SERVER : SIDE_CLIENT);
	if (code_flag(c, way, (conn->next_syn.time_ns | conn->next_syn.number) != 0)) {
		code_raw(c, way, &conn->next_syn, sizeof(conn->next_syn));
		code_raw(c, way, &conn->next_syn_side, sizeof(conn->next_syn_side));
	}
	code_u64(c, way, &flow->previous_id, 0);
	code_u16(c, way, &flow->synack_after, expected_synack_after(flow));
	code_u16(c, way, &flow->synack_held, 0);
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

/* What lasts at an end, as a byte. */
static uint8_t expected_gauges(const struct rest_head *head, unsigned side)
{
	const struct flow_gauges gauges = flow_rest_gauges(head, side);
	uint8_t byte;

	memcpy(&byte, &gauges, sizeof(byte));
	return byte;
}

ALL_WAYS void code_rest(struct coder *c, const enum way way, struct flow *flow, const struct rest_head *head)
{
	uint8_t gauges[2];

	_Static_assert(sizeof(flow->gauges) == sizeof(gauges), "the gauges of an end are one byte");
	memcpy(gauges, flow->gauges, sizeof(gauges));
	code_u8(c, way, &gauges[0], head->close == REST_OPEN ? 0 : expected_gauges(head, 0));
	code_u8(c, way, &gauges[1], head->close == REST_OPEN ? 0 : expected_gauges(head, 1));
	memcpy(flow->gauges, gauges, sizeof(gauges));
	code_u64(c, way, &flow->key.domain, 0);
	code_places(c, way, &flow->n_vlans, flow->vlans, sizeof(flow->vlans[0]));
	code_places(c, way, &flow->n_tunnels, flow->tunnels, sizeof(flow->tunnels[0]));
	code_anomalies(c, way, &flow->anomalies);
}

/* --- the opening --- */

/* As much of it as fits. */
static uint64_t fitting(uint64_t value, unsigned bits)
{
	return value < ALL_BITS(bits) ? value : ALL_BITS(bits);
}

#define FITTING(value, bits) (fitting(value, bits) & ALL_BITS(bits))

static bool is_far(const struct flow *flow)
{
	return (flow->touched_ns - flow->first_ns) >> REST_FIRST_NS_BITS != 0 || flow->id >> 48 != 0;
}

static struct syn_shape shape_of(const struct flow *flow)
{
	const struct tcp_conn *conn = &flow->conn;
	const struct tcp_end *client = &conn->end[SIDE_CLIENT];
	const struct tcp_end *server = &conn->end[SIDE_SERVER];

	return (struct syn_shape){
		.layout = conn->syn_layout,
		.mss = { client->mss, server->mss },
		.window = conn->syn_window,
		.source = flow->source,
		.offers = { rest_offers_of(client->truths), rest_offers_of(server->truths) },
		.wscales = (uint8_t)((client->wscale & 15u) | (server->wscale & 15u) << 4),
		.is_used = 1,
	};
}

/* What SYN and SYN-ACK look like is noted of connections that have nothing else that takes struct rest_more. */
static bool needs_more(const struct rest_head *head, const struct flow *flow, const struct rest_more *more,
		       struct syn_shapes *shapes, uint16_t *number)
{
	bool has_usual_signals = head->close != REST_OPEN || flow->signals == rest_usual_signals(head);

	return is_far(flow) || !has_usual_signals || more->recorded_ms != 0 || head->has_repeats != 0 ||
	       !syn_shapes_note(shapes, &more->shape, number);
}

/* more says what flow_plain_mark found. */
static void pack_opening(struct rest_opening *opening, const struct rest_head *head, const struct flow *flow,
			 struct rest_more *more, struct syn_shapes *shapes)
{
	const struct tcp_conn *conn = &flow->conn;
	const struct tcp_end *client = &conn->end[SIDE_CLIENT];
	const struct tcp_end *server = &conn->end[SIDE_SERVER];
	uint64_t synack_after_ns = conn->first_synack_ns != 0 ? conn->first_synack_ns - flow->first_ns : UINT64_MAX;
	uint16_t number = 0;

	more->shape = shape_of(flow);
	bool has_more = needs_more(head, flow, more, shapes, &number);
	*opening = (struct rest_opening){
		.first_ns = flow->first_ns & ALL_BITS(REST_FIRST_NS_BITS),
		.is_far = is_far(flow),
		.has_more = has_more,
		.id = flow->id & ALL_BITS(48),
		.shape = has_more ? 0 : number,
		.synack_after_ns = FITTING(synack_after_ns, REST_SYNACK_AFTER_BITS),
		.rtt_client_us = FITTING(conn->rtt_client_us, REST_RTT_BITS),
		.client_caused_by = FITTING(client->caused_by - flow->id, REST_CAUSED_BITS),
		.client_state_packet = FITTING(client->state_packet - client->caused_by, REST_CAUSED_BITS),
		.server_state_packet = FITTING(server->state_packet - client->state_packet, REST_STATE_PACKET_BITS),
		.iss = { client->iss, server->iss },
		.first_syn_ts_val = { client->first_syn_ts_val, server->first_syn_ts_val },
	};
	if (!has_more)
		return;
	more->first_ns = flow->first_ns;
	more->id = flow->id;
	more->signals = flow->signals;
	*rest_more_of(opening) = *more;
}

static void unpack_opening(const struct rest_opening *opening, const struct said *said, const struct syn_shape *shape,
			   struct flow *flow)
{
	flow->first_ns = said->first_ns;
	flow->id = said->id;
	flow->conn.syn_layout = shape->layout;
	flow->conn.syn_window = shape->window;
	flow->source = shape->source;
	for (unsigned side = 0; side < 2; side++) {
		struct tcp_end *end = &flow->conn.end[side];
		end->iss = opening->iss[side];
		end->first_syn_ts_val = opening->first_syn_ts_val[side];
		end->mss = shape->mss[side];
	}
}

/* --- groups --- */

/* function is one of those above, called with a coder, the way, and the rest. */
#define PACK_GROUP(number, mask_bytes, function, ...)                            \
	do {                                                                     \
		struct coder test = { .mask = 0 };                               \
		function(&test, WAY_TEST, __VA_ARGS__);                          \
		if (test.mask != 0) {                                            \
			struct coder c = group_begin(*at, WAY_PACK, mask_bytes); \
			function(&c, WAY_PACK, __VA_ARGS__);                     \
			group_end(&c, WAY_PACK, at, mask_bytes);                 \
			groups |= 1u << (number);                                \
		}                                                                \
	} while (0)

#define UNPACK_GROUP(number, mask_bytes, function, ...)                            \
	do {                                                                       \
		if ((groups >> (number)&1) != 0) {                                 \
			struct coder c = group_begin(*at, WAY_UNPACK, mask_bytes); \
			function(&c, WAY_UNPACK, __VA_ARGS__);                     \
			group_end(&c, WAY_UNPACK, at, mask_bytes);                 \
		} else {                                                           \
			struct coder c = { .mask = 0 };                            \
			function(&c, WAY_EXPECT, __VA_ARGS__);                     \
		}                                                                  \
	} while (0)

/* Group, bytes of its mask, and what is in it. CLOSE stands for states when it closes in good order. */
#define EACH_GROUP(DO, CLOSE)                                                      \
	DO(REST_OPENING, 2, code_opening, flow, said, head->close != REST_OPEN);   \
	DO(REST_NUMBERS_OF_CLIENT, 2, code_numbers, flow, SIDE_CLIENT, false);     \
	DO(REST_NUMBERS_OF_SERVER, 2, code_numbers, flow, SIDE_SERVER, waits);     \
	DO(REST_TIMES, 1, code_times, flow, expected_ns);                          \
	if (head->close != REST_OPEN) {                                            \
		CLOSE;                                                             \
	} else {                                                                   \
		DO(REST_STATE_OF_CLIENT, 2, code_state, flow, SIDE_CLIENT, false); \
		DO(REST_STATE_OF_SERVER, 2, code_state, flow, SIDE_SERVER, waits); \
	}                                                                          \
	DO(REST_CONN, 2, code_conn, flow);                                         \
	DO(REST_RARE_OF_CLIENT, 5, code_rare, flow, SIDE_CLIENT);                  \
	DO(REST_RARE_OF_SERVER, 5, code_rare, flow, SIDE_SERVER);                  \
	DO(REST_HISTORY, 2, code_history, flow, common);                           \
	DO(REST_REST, 1, code_rest, flow, head)

/* What a close in good order says of states was packed before. */
static unsigned pack_groups(const struct rest_head *head, const struct said *said, uint8_t **at, struct flow *flow,
			    const uint64_t expected_ns[2])
{
	const struct common_history *common = common_history_at(head->history);
	const bool waits = head->server_waits;
	unsigned groups = 0;

	EACH_GROUP(PACK_GROUP, (void)0);
	return groups;
}

static void unpack_groups(const struct rest_head *head, const struct said *said, const struct rest_closing *closing,
			  unsigned groups, uint8_t **at, struct flow *flow, const uint64_t expected_ns[2])
{
	const struct common_history *common = common_history_at(head->history);
	const bool waits = head->server_waits;

	EACH_GROUP(UNPACK_GROUP, flow_rest_take_close(head, closing, flow));
}

/* --- the head --- */

/*
 * A flow is touched by each of its segments, but for the acknowledgement of the second FIN: that does not restart
 * TIME_WAIT (RFC 9293 3.10.7.8), so it came lag_ns after the flow was touched.
 */
static void expect_times(const struct rest_head *head, uint64_t touched_ns, uint64_t expected_ns[2])
{
	if (head->close == REST_FINS_ACKED) {
		expected_ns[head->closer] = touched_ns + head->lag_ns;
		expected_ns[1 - head->closer] = touched_ns;
		return;
	}
	expected_ns[head->last_side] = touched_ns;
	expected_ns[1 - head->last_side] = touched_ns - head->lag_ns;
}

/*
 * The server was sent the third segment and has not answered: what it has then, it has of its SYN-ACK, and what waits
 * is that the third segment arrives. The client says again with each of its segments what waits (tcp_handshake.c).
 */
static bool server_waits(const struct flow *flow)
{
	const struct tcp_conn *conn = &flow->conn;
	const struct tcp_end *client = &conn->end[SIDE_CLIENT];
	const struct tcp_end *server = &conn->end[SIDE_SERVER];

	return server->n_pending == 1 && server->pending[0] == TCPE_RCV_ACK_OF_SYN &&
	       server->pending_packet[0] == server->caused_by &&
	       server->pending_stamp[0] == stamp_of(conn, client->last_ns) && server->front_ip_id == 0;
}

/* What flow_plain_mark has no room for in the head, is in *more. */
static void pack_head(struct rest_head *head, const struct flow *flow, enum rest_close close, struct rest_more *more)
{
	const struct tcp_end *ends = flow->conn.end;
	unsigned last_side = ends[SIDE_SERVER].last_ns > ends[SIDE_CLIENT].last_ns;
	unsigned closer = close != REST_OPEN && flow->conn.closed_by == SIDE_SERVER;
	uint64_t lag_ns = close == REST_FINS_ACKED ? ends[closer].last_ns - flow->touched_ns
						   : flow->touched_ns - ends[1 - last_side].last_ns;

	*head = (struct rest_head){
		.lag_ns = (lag_ns >> 40) == 0 ? lag_ns & ((UINT64_C(1) << 40) - 1) : 0,
		.last_side = last_side & 1,
		.is_ipv6 = flow->key.ip_version == 6,
		.client_index = (flow->client_index & 1) != 0,
		.alerted = flow->alerted,
		.flow_class = flow->flow_class & 15u,
		.port = { flow->key.port[0], flow->key.port[1] },
		.client_has_spoken = (flow->signals & FLOW_SIGNAL_SPOKE) != 0,
		.ids_count_up = ((unsigned)ends[0].ip_ids_count_up | (unsigned)ends[1].ip_ids_count_up << 1) & 3u,
		.history = common_history_number(&flow->history),
		.server_waits = server_waits(flow),
		.close = close & 7u,
		.closer = closer & 1u,
		.is_close_order_unsure = close != REST_OPEN && ends[1 - closer].close_order_unsure,
		.ttl = { ends[0].ttl, ends[1].ttl },
	};
	for (unsigned side = 0; side < 2; side++) {
		const struct flow_direction *direction = &flow->direction[side];
		head->end[side] = (struct rest_end){
			.snd_nxt = ends[side].snd_nxt,
			.snd_una = ends[side].snd_una,
			.ts_val = ends[side].ts_val,
			.packets = (uint32_t)direction->packets,
			.bytes = (uint32_t)direction->bytes,
			.last_window = ends[side].last_window,
			.front_ip_id = ends[side].front_ip_id,
		};
		head->longest_payload_bytes[side] = (uint16_t)ends[side].longest_payload_bytes;
		head->flags[side] = (uint8_t)direction->flags;
		memcpy(head->addr[side], flow->key.addr[side], sizeof(head->addr[side]));
		head->small_run[side] = ends[side].small_run;
	}
	if (head->server_waits)
		head->end[SIDE_SERVER].front_ip_id = ends[SIDE_SERVER].last_ip_id;
	flow_plain_mark(head, more, flow);
}

static void unpack_head(const struct rest_head *head, struct flow *flow)
{
	struct tcp_end *server = &flow->conn.end[SIDE_SERVER];

	flow->key.ip_version = head->is_ipv6 ? 6 : 4;
	flow->client_index = head->client_index;
	flow->alerted = head->alerted;
	flow->flow_class = head->flow_class;
	flow->signals = rest_signals(head);
	for (unsigned side = 0; side < 2; side++) {
		const struct rest_end *from = &head->end[side];
		struct tcp_end *end = &flow->conn.end[side];
		end->snd_nxt = from->snd_nxt;
		end->snd_una = from->snd_una;
		end->ts_val = from->ts_val;
		end->last_window = from->last_window;
		end->front_ip_id = from->front_ip_id;
		end->small_run = head->small_run[side];
		end->longest_payload_bytes = head->longest_payload_bytes[side];
		end->ttl = head->ttl[side];
		flow->direction[side].packets = from->packets;
		flow->direction[side].bytes = from->bytes;
		flow->direction[side].flags = head->flags[side];
		flow->key.port[side] = head->port[side];
		memcpy(flow->key.addr[side], head->addr[side], sizeof(head->addr[side]));
	}
	if (head->server_waits) {
		server->last_ip_id = server->front_ip_id;
		server->front_ip_id = 0;
	}
}

static const struct rest_opening *opening_of(const void *rest)
{
	return (const void *)((const uint8_t *)rest + rest_opening_offset(rest));
}

static const struct rest_closing *closing_of(const struct rest_head *head)
{
	return (const void *)((const uint8_t *)head + rest_bytes_before(head, opening_of(head)));
}

/* Where the groups begin. */
static const uint8_t *behind_opening(const struct rest_head *head)
{
	const uint8_t *behind = (const uint8_t *)head + rest_bytes_before(head, opening_of(head));

	return behind + (head->close != REST_OPEN ? sizeof(struct rest_closing) : 0);
}

/* What the head has no room for. */
static void unpack_ipv6(const struct rest_head *head, struct flow *flow)
{
	if (head->is_ipv6)
		rest_take_addrs((const uint8_t *)(head + 1), &flow->key);
}

size_t flow_rest_pack(struct flow *flow, struct syn_shapes *shapes, void *to)
{
	struct rest_head *head = to;
	struct rest_more more = { 0 };
	uint64_t expected_ns[2];
	struct said said;
	struct rest_closing closing;
	enum rest_close close = is_far(flow) ? REST_OPEN : flow_rest_find_close(flow, &closing);

	pack_head(head, flow, close, &more);
	expect_times(head, flow->touched_ns, expected_ns);
	if (head->is_ipv6)
		rest_put_addrs((uint8_t *)(head + 1), &flow->key);
	struct rest_opening *opening = rest_opening_of(head);
	pack_opening(opening, head, flow, &more, shapes);
	uint8_t *at = (uint8_t *)rest_closing_of(head);
	if (close != REST_OPEN) {
		memcpy(at, &closing, sizeof(closing));
		at += sizeof(closing);
	}
	read_opening(head, opening, flow->touched_ns, &more.shape, &said);
	opening->groups = pack_groups(head, &said, &at, flow, expected_ns) & 0x7ffu;
	size_t n_over = flow_rest_over_pack(head, flow->touched_ns, shapes, to);
	return n_over != 0 ? n_over : (size_t)(at - (uint8_t *)to);
}

static void unpack(const struct rest_head *head, const struct rest_link *link, const struct syn_shapes *shapes,
		   struct flow *flow)
{
	const struct rest_opening *opening = opening_of(head);
	const struct syn_shape shape = rest_shape(opening, shapes);
	const uint8_t *behind = behind_opening(head);
	uint64_t expected_ns[2];
	struct said said;

	memset(flow, 0, sizeof(*flow));
	flow->hash = link->hash;
	flow->touched_ns = link->touched_ns;
	unpack_head(head, flow);
	expect_times(head, link->touched_ns, expected_ns);
	unpack_ipv6(head, flow);
	read_opening(head, opening, link->touched_ns, &shape, &said);
	unpack_opening(opening, &said, &shape, flow);
	/* It is only read. NOLINTNEXTLINE(performance-no-int-to-ptr) */
	uint8_t *at = (uint8_t *)(uintptr_t)behind;
	unpack_groups(head, &said, closing_of(head), opening->groups, &at, flow, expected_ns);
}

void flow_rest_unpack(const void *from, const struct rest_link *link, const struct syn_shapes *shapes,
		      struct flow *flow)
{
	const struct rest_head *head = from;
	struct rest_closed closed;

	if (head->is_over) {
		flow_rest_over_unpack(from, link->touched_ns, shapes, &closed);
		head = &closed.head;
	}
	unpack(head, link, shapes, flow);
}

void flow_rest_sketch(const struct rest_head *head, const struct rest_link *link, const struct syn_shapes *shapes,
		      struct flow *flow)
{
	const struct rest_opening *opening = opening_of(head);
	const struct syn_shape shape = rest_shape(opening, shapes);
	struct said said;

	flow->key = (struct flow_key){ .ip_version = 0 };
	unpack_head(head, flow);
	unpack_ipv6(head, flow);
	read_opening(head, opening, link->touched_ns, &shape, &said);
	unpack_opening(opening, &said, &shape, flow);
	/* As it is expected of each flow that is asked so. */
	flow->conn.first_syn_ns = said.first_ns;
	flow->conn.first_synack_ns = said.first_ns + opening->synack_after_ns;
	flow->conn.end[SIDE_CLIENT].truths = said.truths[SIDE_CLIENT];
	flow->conn.end[SIDE_SERVER].truths = said.truths[SIDE_SERVER];
	flow->direction[SIDE_CLIENT].ttl_max = flow->conn.end[SIDE_CLIENT].ttl;
}

void flow_rest_make_room(const void *from, size_t n, void *to)
{
	size_t before = rest_bytes_before(from, opening_of(from));

	memcpy(to, from, before);
	memcpy((uint8_t *)to + before + sizeof(struct rest_closing), (const uint8_t *)from + before, n - before);
}

bool flow_rest_has_key(const void *rest, const struct flow_key *key)
{
	const struct rest_head *head = rest;

	if (head->is_over)
		return flow_rest_over_has_key(rest, key);
	return memcmp(head->port, key->port, sizeof(head->port)) == 0 &&
	       memcmp(head->addr[0], key->addr[0], sizeof(head->addr[0])) == 0 &&
	       memcmp(head->addr[1], key->addr[1], sizeof(head->addr[1])) == 0 &&
	       (!head->is_ipv6 || rest_has_addrs((const uint8_t *)(head + 1), key)) &&
	       key->ip_version == (head->is_ipv6 ? 6u : 4u);
}

bool flow_rest_outcome(const void *rest, enum conn_outcome *outcome)
{
	enum { ASKED = 1 << REST_OPENING | 1 << REST_NUMBERS_OF_CLIENT | 1 << REST_NUMBERS_OF_SERVER | 1 << REST_CONN };
	const struct rest_head *head = rest;
	const struct rest_opening *opening = opening_of(rest);
	const struct rest_end *ends = head->end;

	if (head->is_over) {
		*outcome = CONN_OUTCOME_COMPLETED_NORMAL;
		return true;
	}
	/* It began with a SYN, and nobody sent a RST. */
	if ((opening->groups & (unsigned)ASKED) != 0 || (rest_signals(head) & FLOW_SIGNAL_COMPLETED) == 0)
		return false;
	bool all_acknowledged = seq_geq(ends[0].snd_una, ends[0].snd_nxt) && seq_geq(ends[1].snd_una, ends[1].snd_nxt);
	*outcome =
		head->close >= REST_FINS && all_acknowledged ? CONN_OUTCOME_COMPLETED_NORMAL : CONN_OUTCOME_IN_PROGRESS;
	return true;
}

uint64_t flow_rest_id(const void *rest)
{
	const struct rest_head *head = rest;
	const struct rest_over *over = rest;

	return head->is_over ? over->id : rest_id(opening_of(rest));
}
