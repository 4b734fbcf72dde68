/* SPDX-License-Identifier: BSD-2-Clause */
/* A flow that was packed and unpacked is what it was, however odd; and an ordinary one takes little room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "flow_rest.h"
#include "flow_rest_over.h"
#include "random.h"

static struct syn_shapes shapes;
static uint64_t packed[FLOW_REST_MAX_BYTES / sizeof(uint64_t) + 1];

static unsigned n_told; /* outcomes */

static size_t pack_and_compare(struct flow *flow)
{
	static struct flow unpacked;
	const struct rest_link link = { flow->hash, flow->touched_ns };

	memset(packed, 0xa5, sizeof(packed));
	size_t bytes = flow_rest_pack(flow, &shapes, packed);
	assert_in_range(bytes, 1, FLOW_REST_MAX_BYTES);
	flow_rest_unpack(packed, &link, &shapes, &unpacked);
	unpacked.slot = flow->slot;
	assert_memory_equal(&unpacked, flow, sizeof(*flow));
	assert_true(flow_rest_has_key(packed, &flow->key));
	assert_int_equal(flow_rest_id(packed), flow->id);
	enum conn_outcome outcome;
	if (flow_rest_outcome(packed, &outcome)) {
		n_told++;
		assert_int_equal(outcome, tcp_conn_outcome(&flow->conn, false));
	}
	return bytes;
}

/* In good order: what the client's and the server's segments of a plain exchange leave behind. */
static struct flow ordinary_flow(void)
{
	static struct flow flow;
	const uint64_t begin_ns = UINT64_C(1700000000) * 1000000000;

	memset(&flow, 0, sizeof(flow));
	flow.key = (struct flow_key){ .addr = { { 10, 0, 0, 1 }, { 192, 0, 2, 7 } },
				      .port = { 40000, 443 },
				      .ip_version = 4 };
	flow.hash = 0x123456789abcdef;
	flow.id = 1000;
	flow.flow_class = FLOW_CLASS_ESTABLISHED;
	flow.first_ns = flow.recorded_ns = flow.conn.first_syn_ns = flow.conn.last_syn_ns = begin_ns;
	flow.touched_ns = flow.last_ns = begin_ns + 5000000;
	flow.conn.owner = tcp_conn_owner(flow.id);
	flow.conn.stamps_from_ns = begin_ns - (UINT64_C(1) << 30) * 1000;
	flow.conn.rtt_server_us = 1000;
	flow.conn.rtt_client_us = 500;
	flow.conn.first_synack_ns = begin_ns + 1000000;
	flow.conn.direction_certain = true;
	flow.conn.established_once = true;
	for (unsigned side = 0; side < 2; side++) {
		struct tcp_end *end = &flow.conn.end[side];
		end->heard = end->seq_known = end->una_known = end->acked_any = end->edge_known = end->window_known =
			true;
		end->syn_seen = end->fin_ack_boundary_known = true;
		end->active_open = side == SIDE_CLIENT;
		end->state = end->sure = TCPS_ESTABLISHED;
		end->caused_by = end->sure_caused_by = 1001 + side;
		end->state_packet = 1002 + 2 * side;
		end->iss = 5000 + 1000 * side;
		end->syn_end = end->iss + 1;
		end->snd_nxt = end->snd_una = end->nxt_before_fin_ack = end->syn_end + 100;
		end->payload_bytes = end->new_bytes = 100;
		end->syns = end->n_candidates = 1;
		end->candidates[0] = end->iss;
		end->syn_flags = side == SIDE_CLIENT ? SEG_SYN : SEG_SYN | SEG_ACK;
		end->last_window = 1000;
		end->window_bytes = 1000;
		end->mss = 1460;
		end->ttl = flow.direction[side].ttl_min = flow.direction[side].ttl_max = 64;
		end->longest_payload_bytes = 100;
		end->last_ns = begin_ns + 4000000 + side * UINT64_C(1000000);
		flow.direction[side].packets = 4;
		flow.direction[side].bytes = 300;
		flow.direction[side].flags = SEG_SYN | SEG_ACK | SEG_PSH;
		flow.history.last_seq[side][0] = end->iss;
	}
	for (unsigned side = 0; side < 2; side++) {
		struct tcp_end *end = &flow.conn.end[side];
		end->last_ack = flow.conn.end[1 - side].snd_una;
		end->right_edge = end->last_ack + end->window_bytes;
	}
	flow.signals = 1u << 0 | 1u << 2 | 1u << 4 | 1u << 9 | 1u << 16;
	memcpy(flow.history.text, "ShADad", 7);
	flow.history.length = 6;
	flow.history.started = flow.history.payload_seen = true;
	flow.history.endpoint[0] = flow.history.endpoint[1] = 3;
	flow.history.seen[0] = 0xc1;
	flow.history.seen[1] = 0xc2;
	return flow;
}

static void wait_for(struct tcp_end *end, enum tcp_event event, uint64_t packet)
{
	end->pending[end->n_pending] = (uint8_t)event;
	end->pending_packet[end->n_pending] = packet;
	end->pending_stamp[end->n_pending++] = (1u << 30) + 5000;
}

static void set_state(struct tcp_end *end, enum tcp_state state, enum tcp_state sure, enum tcp_certainty certainty)
{
	end->state = (uint8_t)state;
	end->sure = (uint8_t)sure;
	end->certainty = (uint8_t)certainty;
}

/* The server closes with its packet 1010; 1011 acknowledges that, 1012 is the other FIN, and 1013 acknowledges it. */
static struct flow closing_flow(enum rest_close close)
{
	struct flow flow = ordinary_flow();
	struct tcp_end *closer = &flow.conn.end[SIDE_SERVER];
	struct tcp_end *peer = &flow.conn.end[SIDE_CLIENT];

	peer->last_ns = closer->last_ns;
	flow.conn.closed_by_known = closer->fin_seen = true;
	flow.conn.closed_by = SIDE_SERVER;
	flow.flow_class = close >= REST_FINS ? FLOW_CLASS_TIME_WAIT : FLOW_CLASS_HALF_CLOSED;
	closer->snd_nxt++;
	closer->fin_seq = flow.history.last_seq[SIDE_SERVER][1] = closer->snd_nxt - 1;
	closer->fin_stamp = (1u << 30) + 5000;
	closer->fins = 1;
	closer->fin_packet = closer->caused_by = closer->sure_caused_by = closer->state_packet = 1010;
	closer->nxt_before_fin_ack = closer->snd_nxt;
	set_state(closer, TCPS_FIN_WAIT_1, TCPS_FIN_WAIT_1, TCP_PROVED);
	peer->caused_by = peer->state_packet = 1010;
	flow.direction[SIDE_CLIENT].held_ms = 5;
	if (close == REST_FIN) {
		set_state(peer, TCPS_CLOSE_WAIT, TCPS_ESTABLISHED, TCP_PRESUMED);
		wait_for(peer, TCPE_RCV_FIN, 1010);
	}
	if (close < REST_FINS)
		flow.gauges[SIDE_CLIENT].held = FLOW_HELD_CLOSE_WAIT;
	if (close == REST_FIN)
		return flow;
	set_state(closer, TCPS_FIN_WAIT_2, TCPS_FIN_WAIT_1, TCP_PRESUMED);
	closer->caused_by = closer->state_packet = peer->state_packet = 1011;
	flow.direction[SIDE_SERVER].held_ms = 5;
	set_state(peer, TCPS_CLOSE_WAIT, TCPS_CLOSE_WAIT, TCP_PROVED);
	peer->sure_caused_by = 1010;
	peer->fin_ack_sent = true;
	peer->acked_fin_at = peer->snd_nxt;
	peer->last_ack = closer->snd_una = closer->snd_nxt;
	if (close < REST_FINS_ACKED)
		wait_for(closer, TCPE_RCV_ACK_OF_FIN, 1011);
	if (close == REST_FIN_ACKED) {
		flow.gauges[SIDE_SERVER].held = FLOW_HELD_FIN_WAIT_2;
		return flow;
	}
	set_state(closer, TCPS_TIME_WAIT, TCPS_FIN_WAIT_1, TCP_PRESUMED);
	peer->fin_seen = true;
	peer->fins = 1;
	peer->fin_seq = flow.history.last_seq[SIDE_CLIENT][1] = peer->snd_nxt++;
	peer->fin_stamp = (1u << 30) + 5000;
	peer->fin_packet = peer->caused_by = peer->sure_caused_by = peer->state_packet = 1012;
	closer->caused_by = closer->state_packet = 1012;
	set_state(peer, TCPS_LAST_ACK, TCPS_LAST_ACK, TCP_PROVED);
	if (close == REST_FINS) {
		wait_for(closer, TCPE_RCV_FIN, 1012);
		return flow;
	}
	set_state(closer, TCPS_TIME_WAIT, TCPS_TIME_WAIT, TCP_PROVED);
	closer->sure_caused_by = 1012;
	closer->state_packet = 1013;
	closer->fin_ack_sent = true;
	closer->acked_fin_at = closer->snd_nxt;
	closer->last_ack = peer->snd_una = peer->snd_nxt;
	set_state(peer, TCPS_CLOSED, TCPS_LAST_ACK, TCP_PRESUMED);
	peer->caused_by = peer->state_packet = 1013;
	wait_for(peer, TCPE_RCV_ACK_OF_FIN, 1013);
	return flow;
}

static enum rest_close packed_close(void)
{
	struct rest_head head;

	memcpy(&head, packed, sizeof(head));
	return (enum rest_close)head.close;
}

static bool packed_is_over(void)
{
	struct rest_head head;

	memcpy(&head, packed, sizeof(head));
	return head.is_over;
}

static void test_a_flow_that_closes_is_small(void **state)
{
	struct flow open = ordinary_flow();
	size_t bytes = pack_and_compare(&open);

	(void)state;
	for (enum rest_close close = REST_FIN; close <= REST_FINS_ACKED; close++) {
		struct flow flow = closing_flow(close);
		size_t closing_bytes = pack_and_compare(&flow);
		assert_int_equal(packed_is_over(), close == REST_FINS_ACKED);
		if (close != REST_FINS_ACKED) {
			assert_int_equal(closing_bytes, bytes + sizeof(struct rest_closing));
			assert_int_equal(packed_close(), close);
		}
		/* One thing is odd: it is kept as any other flow is. */
		flow.conn.end[SIDE_CLIENT].certainty = TCP_CONTRADICTED;
		assert_true(pack_and_compare(&flow) > bytes + sizeof(struct rest_closing));
		assert_false(packed_is_over());
		assert_int_equal(packed_close(), REST_OPEN);
	}
}

/* And how much less, when it is over. */
static void test_a_flow_that_is_over_is_smaller(void **state)
{
	struct flow flow = closing_flow(REST_FINS_ACKED);

	(void)state;
	memset(&shapes, 0, sizeof(shapes));
	assert_in_range(pack_and_compare(&flow), 1, 96);
	flow.key.ip_version = 6;
	flow.key.addr[0][15] = 1;
	flow.key.addr[1][4] = 2;
	assert_in_range(pack_and_compare(&flow), 1, 120);
	for (unsigned i = 0; i < sizeof(flow.key.addr) + sizeof(flow.key.port); i++) {
		struct flow_key key = flow.key;
		((uint8_t *)&key)[i] ^= 1;
		assert_false(flow_rest_has_key(packed, &key));
	}
	flow.key.ip_version = 4;
	assert_false(flow_rest_has_key(packed, &flow.key));
}

static unsigned n_noted(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SYN_SHAPES; i++)
		n += shapes.shape[i].is_used;
	return n;
}

/* However far from one another its numbers are. */
static void test_a_flow_that_is_over_is_kept_whole(void **state)
{
	struct random random = { 6 };
	size_t largest = 0;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		static const uint32_t widths[] = { 0, 0x7f, 0xff, 0x7fff, 0xffff, 0xffffff, UINT32_MAX };
		struct flow flow = closing_flow(REST_FINS_ACKED);
		uint32_t width = widths[random_below(&random, sizeof(widths) / sizeof(widths[0]))];
		flow.signals = (random_u32(&random) & width) | FLOW_SIGNAL_COMPLETED;
		flow.source = (uint16_t)(random_u32(&random) & width);
		flow.conn.syn_layout = random_u32(&random);
		flow.conn.syn_window = (uint16_t)random_u32(&random);
		flow.conn.rtt_client_us = random_u32(&random) & width & ((1u << 28) - 1);
		for (unsigned side = 0; side < 2; side++) {
			struct tcp_end *end = &flow.conn.end[side];
			end->ts_val = random_u32(&random) & width;
			end->first_syn_ts_val = end->last_syn_ts_val = random_u32(&random) & width;
			end->mss = (uint16_t)random_u32(&random);
			end->ttl = flow.direction[side].ttl_min = flow.direction[side].ttl_max =
				(uint8_t)random_u32(&random);
			end->wscale = (uint8_t)random_below(&random, 15);
			end->small_run = (uint8_t)(random_u32(&random) & width);
			end->longest_payload_bytes = (uint16_t)(random_u32(&random) & width);
			end->right_edge -= random_u32(&random) & width;
			flow.direction[side].packets = random_u32(&random) & width;
			flow.direction[side].bytes = random_u32(&random) & width;
			flow.direction[side].flags = (uint16_t)(random_u32(&random) & width & UINT8_MAX);
		}
		n_told = 0;
		size_t bytes = pack_and_compare(&flow);
		assert_true(packed_is_over());
		assert_int_equal(n_told, 1);
		largest = bytes > largest ? bytes : largest;
	}
	assert_in_range(largest, 130, REST_OVER_MAX_BYTES);
	/* The first of a shape has noted it, and the others, for which there was no room, were kept whole. */
	assert_in_range(n_noted(), SYN_SHAPES / 2, SYN_SHAPES);
}

static void test_an_ordinary_flow_is_small(void **state)
{
	struct flow flow = ordinary_flow();

	(void)state;
	assert_in_range(pack_and_compare(&flow), 1, 128);
	const struct rest_head *head = (const void *)packed;
	assert_true(head->is_plain);
	flow.key.ip_version = 6;
	flow.key.addr[0][15] = 1;
	flow.key.addr[1][4] = 2;
	assert_in_range(pack_and_compare(&flow), 1, 152);
}

/* Nothing odd has a place in the two cache lines: with it, there is more. */
static void test_a_flow_that_is_less_usual_has_more(void **state)
{
	const struct flow flow = ordinary_flow();
	struct flow unusual[5];

	(void)state;
	memset(&shapes, 0, sizeof(shapes));
	for (unsigned i = 0; i < 5; i++)
		unusual[i] = flow;
	unusual[0].signals &= ~(uint32_t)FLOW_SIGNAL_COMPLETED;
	unusual[1].signals |= 1u << 11;
	unusual[2].id = UINT64_C(1) << 48;
	unusual[2].conn.owner = tcp_conn_owner(unusual[2].id);
	unusual[3].recorded_ns += 3000000;
	unusual[4].conn.end[SIDE_SERVER].n_repeated = 1;
	unusual[4].conn.end[SIDE_SERVER].repeated_dated = 1;
	unusual[4].conn.end[SIDE_SERVER].repeated[0].ts_val = 77;
	for (unsigned i = 0; i < 5; i++) {
		struct rest_head *head = (void *)packed;
		assert_in_range(pack_and_compare(&unusual[i]), 176, 216);
		assert_true(rest_opening_of(head)->has_more);
		assert_int_equal(rest_more_of(rest_opening_of(head))->recorded_ms, i == 3 ? 3 : 0);
		assert_int_equal(rest_more_of(rest_opening_of(head))->ts_repeated[SIDE_SERVER], i == 4 ? 77 : 0);
		assert_int_equal(head->has_repeats, i == 4 ? 2 : 0);
	}
}

/* What SYN and SYN-ACK look like has no number when there is no room for another shape, and is kept in full. */
static void test_a_flow_whose_shape_has_no_number(void **state)
{
	struct flow flow = ordinary_flow();

	(void)state;
	memset(&shapes, 0, sizeof(shapes));
	for (unsigned i = 0; i < SYN_SHAPES; i++)
		shapes.shape[i] = (struct syn_shape){ .layout = 1, .is_used = 1 };
	flow.source = 5;
	assert_int_equal(pack_and_compare(&flow), 128 + sizeof(struct rest_more));
	assert_true(((struct rest_head *)packed)->is_plain);
	for (enum rest_close close = REST_FIN; close <= REST_FINS_ACKED; close++) {
		struct flow closing = closing_flow(close);
		pack_and_compare(&closing);
	}
	memset(&shapes, 0, sizeof(shapes));
	assert_int_equal(pack_and_compare(&flow), 128);
}

/* It goes on where it was: only the room for what the close brings is new. */
static void test_room_to_close_is_made(void **state)
{
	static uint64_t to[FLOW_REST_MAX_BYTES / sizeof(uint64_t) + 1];

	(void)state;
	for (unsigned has_more = 0; has_more < 2; has_more++) {
		struct flow flow = ordinary_flow();
		if (has_more)
			flow.recorded_ns += 3000000;
		size_t bytes = pack_and_compare(&flow);
		size_t before = sizeof(struct rest_head) + sizeof(struct rest_opening) +
				(has_more ? sizeof(struct rest_more) : 0);
		flow_rest_make_room(packed, bytes, to);
		assert_memory_equal(to, packed, before);
		assert_memory_equal((uint8_t *)to + before + sizeof(struct rest_closing), (uint8_t *)packed + before,
				    bytes - before);
		assert_ptr_equal(rest_closing_of((void *)to), (uint8_t *)to + before);
		assert_int_equal(rest_signals((void *)to), flow.signals);
	}
}

static void test_another_key_is_another_flow(void **state)
{
	struct flow flow = ordinary_flow();

	(void)state;
	flow.key.ip_version = 6;
	pack_and_compare(&flow);
	for (unsigned i = 0; i < sizeof(flow.key.addr) + sizeof(flow.key.port); i++) {
		struct flow_key key = flow.key;
		((uint8_t *)&key)[i] ^= 1;
		assert_false(flow_rest_has_key(packed, &key));
	}
	flow.key.ip_version = 4;
	assert_false(flow_rest_has_key(packed, &flow.key));
}

struct range {
	size_t from;
	size_t bytes;
};

#define MEMBER(type, member)                                                      \
	{                                                                         \
		offsetof(struct type, member), sizeof(((struct type *)0)->member) \
	}

/* Of an ordinary flow: places of arrays of which none is in use, what follows from others, and holes. */
static const struct range unused_of_end[] = {
	MEMBER(tcp_end, pending),
	MEMBER(tcp_end, pending_packet),
	MEMBER(tcp_end, pending_stamp),
	MEMBER(tcp_end, holes),
	MEMBER(tcp_end, repeated),
	MEMBER(tcp_end, sacked),
	{ offsetof(struct tcp_end, candidates[1]), 3 * sizeof(uint32_t) },
	{ offsetof(struct tcp_end, rst_suspicion) + 1, sizeof(uint64_t) - 1 },
};

static const struct range unused_of_flow[] = {
	MEMBER(flow, slot),
	MEMBER(flow, history.length),
	{ offsetof(struct flow, history.text) + 7, CONN_HISTORY_BYTES - 7 },
	MEMBER(flow, vlans),
	MEMBER(flow, tunnels),
	MEMBER(flow, conn.next_syn.seq),
	MEMBER(flow, conn.next_syn.ts_val),
	MEMBER(flow, conn.next_syn.ts_ecr),
	MEMBER(flow, conn.next_syn.layout),
	{ offsetof(struct flow, conn.next_syn.options_present), 16 },
	MEMBER(flow, conn.next_syn_side),
};

static bool is_in(size_t offset, const struct range *ranges, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (offset >= ranges[i].from && offset - ranges[i].from < ranges[i].bytes)
			return true;
	}
	return false;
}

static bool is_unused(size_t offset)
{
	const size_t ends = offsetof(struct flow, conn.end);

	if (offset >= ends && offset - ends < 2 * sizeof(struct tcp_end))
		return is_in((offset - ends) % sizeof(struct tcp_end), unused_of_end,
			     sizeof(unused_of_end) / sizeof(unused_of_end[0]));
	return is_in(offset, unused_of_flow, sizeof(unused_of_flow) / sizeof(unused_of_flow[0]));
}

static void clear_unused(struct tcp_end *end)
{
	memset(&end->pending[end->n_pending], 0, CONN_MAX_PENDING - end->n_pending);
	memset(&end->pending_packet[end->n_pending], 0, (CONN_MAX_PENDING - end->n_pending) * sizeof(uint64_t));
	memset(&end->pending_stamp[end->n_pending], 0, (CONN_MAX_PENDING - end->n_pending) * sizeof(uint32_t));
	memset(&end->holes[end->n_holes], 0, (CONN_MAX_HOLES - end->n_holes) * sizeof(end->holes[0]));
	memset(&end->repeated[end->n_repeated], 0, (CONN_MAX_REPEATS - end->n_repeated) * sizeof(end->repeated[0]));
	memset(&end->sacked[end->n_sacked], 0, (4u - end->n_sacked) * sizeof(end->sacked[0]));
	for (unsigned i = end->n_candidates; i < CONN_MAX_SYN_CANDIDATES; i++)
		end->candidates[i] = i == 0 ? end->candidates[i] : 0;
}

/* Each byte of the flow set to something else in turn: whatever it means, it is kept. */
static void change_every_byte(struct flow flow)
{
	unsigned n_holes = 0;

	for (size_t i = 0; i < sizeof(flow); i++) {
		struct flow changed = flow;
		static struct flow unpacked;
		((uint8_t *)&changed)[i] ^= 1;
		if (is_unused(i) || (changed.key.ip_version != 4 && changed.key.ip_version != 6))
			continue;
		clear_unused(&changed.conn.end[0]);
		clear_unused(&changed.conn.end[1]);
		const struct rest_link link = { changed.hash, changed.touched_ns };
		flow_rest_pack(&changed, &shapes, packed);
		flow_rest_unpack(packed, &link, &shapes, &unpacked);
		unpacked.slot = changed.slot;
		if (memcmp(&unpacked, &changed, sizeof(changed)) == 0)
			continue;
		/* Between members, or of an IPv4 address. */
		assert_memory_equal(&unpacked, &flow, sizeof(flow));
		n_holes++;
	}
	assert_in_range(n_holes, 24, 28);
}

static void test_every_byte_is_kept(void **state)
{
	(void)state;
	change_every_byte(ordinary_flow());
	for (enum rest_close close = REST_FIN; close <= REST_FINS_ACKED; close++)
		change_every_byte(closing_flow(close));
}

/* What is as it is in few connections needs more room, and is kept. */
static void test_members_that_are_wider_than_usual_are_kept(void **state)
{
	const struct flow flow = ordinary_flow();
	const uint64_t day_ns = UINT64_C(86400) * 1000000000;
	struct flow wide[8];

	(void)state;
	for (unsigned i = 0; i < 8; i++)
		wide[i] = flow;
	wide[0].touched_ns = wide[0].first_ns + 3 * day_ns;
	wide[1].touched_ns = wide[1].first_ns + 4 * day_ns;
	wide[2].touched_ns = wide[2].first_ns - 1;
	wide[3].id = (UINT64_C(1) << 48) - 1;
	wide[4].id = UINT64_C(1) << 48;
	wide[5].conn.rtt_client_us = wide[5].conn.rtt_server_us = (UINT32_C(1) << 28) - 1;
	wide[6].conn.first_synack_ns = 0;
	wide[7].conn.end[SIDE_CLIENT].caused_by = flow.id + (1 << 20);
	for (unsigned i = 0; i < 8; i++)
		pack_and_compare(&wide[i]);
}

static void fill(struct random *random, void *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((uint8_t *)bytes)[i] = (uint8_t)random_u32(random);
}

/* An end of which nothing is as it should be, but for what counts and bits can be. */
static void make_odd(struct random *random, struct tcp_end *end)
{
	const size_t hole = offsetof(struct tcp_end, rst_suspicion) + sizeof(end->rst_suspicion);

	fill(random, end, sizeof(*end));
	memset((uint8_t *)end + hole, 0, offsetof(struct tcp_end, truths) - hole);
	end->n_pending = (uint8_t)random_below(random, CONN_MAX_PENDING + 1);
	end->n_holes = (uint8_t)random_below(random, CONN_MAX_HOLES + 1);
	end->n_repeated = (uint8_t)random_below(random, CONN_MAX_REPEATS + 1);
	end->n_sacked = (uint8_t)random_below(random, 5);
	end->n_candidates = (uint8_t)random_below(random, CONN_MAX_SYN_CANDIDATES + 1);
	clear_unused(end);
}

static void test_odd_flows_are_kept_whole(void **state)
{
	struct random random = { 5 };
	size_t largest = 0;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		struct flow flow = ordinary_flow();
		if (random_permille(&random, 500))
			make_odd(&random, &flow.conn.end[SIDE_CLIENT]);
		if (random_permille(&random, 500))
			make_odd(&random, &flow.conn.end[SIDE_SERVER]);
		if (random_permille(&random, 300))
			fill(&random, &flow.conn.next_syn, offsetof(struct packet_syn, mptcp_subtype));
		if (random_permille(&random, 300))
			fill(&random, &flow.anomalies, 1 + random_below(&random, sizeof(flow.anomalies)));
		if (random_permille(&random, 300)) {
			flow.history.length = (uint8_t)random_below(&random, CONN_HISTORY_BYTES);
			memset(flow.history.text, 0, sizeof(flow.history.text));
			memset(flow.history.text, 'D', flow.history.length);
			fill(&random, flow.history.repeats, sizeof(flow.history.repeats));
		}
		if (random_permille(&random, 300)) {
			flow.n_vlans = PACKET_MAX_VLANS;
			fill(&random, flow.vlans, sizeof(flow.vlans));
			fill(&random, &flow.key.domain, sizeof(flow.key.domain));
		}
		if (random_permille(&random, 300)) {
			fill(&random, &flow.previous_id, sizeof(flow.previous_id));
			fill(&random, &flow.touched_ns, sizeof(flow.touched_ns));
			fill(&random, &flow.direction[0].packets, sizeof(uint64_t));
			fill(&random, &flow.direction[1].bytes, sizeof(uint64_t));
		}
		size_t bytes = pack_and_compare(&flow);
		largest = bytes > largest ? bytes : largest;
	}
	assert_true(largest > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_ordinary_flow_is_small),
		cmocka_unit_test(test_a_flow_that_closes_is_small),
		cmocka_unit_test(test_a_flow_that_is_over_is_smaller),
		cmocka_unit_test(test_a_flow_that_is_over_is_kept_whole),
		cmocka_unit_test(test_a_flow_that_is_less_usual_has_more),
		cmocka_unit_test(test_a_flow_whose_shape_has_no_number),
		cmocka_unit_test(test_room_to_close_is_made),
		cmocka_unit_test(test_another_key_is_another_flow),
		cmocka_unit_test(test_every_byte_is_kept),
		cmocka_unit_test(test_members_that_are_wider_than_usual_are_kept),
		cmocka_unit_test(test_odd_flows_are_kept_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
