/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * In the words of this file the closer sends the first FIN, and the other end is its peer. What each segment of the
 * close does is said by tcp_close.c; here stands what it leaves behind, if nothing is odd about it.
 */
#include "flow_rest_close.h"

#include "tcpwitness/base/units.h"
#include "tcpwitness/tcp/tcp_stamp.h"

enum tcp_state flow_rest_closing_state(enum rest_close close, bool is_closer)
{
	static const uint8_t of_closer[] = {
		[REST_OPEN] = TCPS_ESTABLISHED, [REST_FIN] = TCPS_FIN_WAIT_1,       [REST_FIN_ACKED] = TCPS_FIN_WAIT_2,
		[REST_FINS] = TCPS_TIME_WAIT,   [REST_FINS_ACKED] = TCPS_TIME_WAIT,
	};
	static const uint8_t of_peer[] = {
		[REST_OPEN] = TCPS_ESTABLISHED, [REST_FIN] = TCPS_CLOSE_WAIT,    [REST_FIN_ACKED] = TCPS_CLOSE_WAIT,
		[REST_FINS] = TCPS_LAST_ACK,    [REST_FINS_ACKED] = TCPS_CLOSED,
	};

	return (enum tcp_state)(is_closer ? of_closer[close] : of_peer[close]);
}

static uint64_t closing_truths(enum rest_close close, bool is_closer)
{
	static const struct tcp_end closes = { .fin_seen = true };
	static const struct tcp_end acknowledges = { .fin_ack_sent = true };
	bool has_closed = close >= (is_closer ? REST_FIN : REST_FINS);
	bool has_acknowledged = close >= (is_closer ? REST_FINS_ACKED : REST_FIN_ACKED);

	return (has_closed ? closes.truths : 0) | (has_acknowledged ? acknowledges.truths : 0);
}

uint64_t flow_rest_truths(const struct rest_head *head, unsigned side)
{
	static const struct tcp_end usual = {
		.heard = true,
		.seq_known = true,
		.una_known = true,
		.acked_any = true,
		.window_known = true,
		.syn_seen = true,
	};
	static const struct tcp_end opener = { .active_open = true };
	static const struct tcp_end has_opened = { .edge_known = true, .fin_ack_boundary_known = true };
	bool waits = side == SIDE_SERVER && head->server_waits;

	return usual.truths | (side == SIDE_CLIENT ? opener.truths : 0) | (waits ? 0 : has_opened.truths) |
	       closing_truths((enum rest_close)head->close, side == head->closer);
}

/* tracker_gauges.c */
enum flow_held flow_rest_closing_held(enum rest_close close, bool is_closer)
{
	if (is_closer)
		return close == REST_FIN_ACKED ? FLOW_HELD_FIN_WAIT_2 : FLOW_HELD_NOTHING;
	return close == REST_FIN || close == REST_FIN_ACKED ? FLOW_HELD_CLOSE_WAIT : FLOW_HELD_NOTHING;
}

struct flow_gauges flow_rest_gauges(const struct rest_head *head, unsigned side)
{
	enum flow_held held = flow_rest_closing_held((enum rest_close)head->close, side == head->closer);

	return (struct flow_gauges){ .held = (unsigned)held & 3u };
}

uint32_t flow_rest_close_wait_ms(const struct rest_closing *closing)
{
	const uint32_t first_stamp = (uint32_t)(STAMP_EXACT_NS / NS_PER_US); /* stamps_begin */

	return (closing->fin_stamp - first_stamp) / (uint32_t)(NS_PER_MS / NS_PER_US);
}

static void add_pending(struct closing_end *end, enum tcp_event event, uint64_t packet)
{
	end->pending[end->n_pending] = (uint8_t)event;
	end->pending_packet[end->n_pending++] = packet;
}

static uint32_t right_edge(const struct tcp_end *end)
{
	return end->last_ack + end->window_bytes;
}

/*
 * The peer's FIN is presumed to have come to the closer, and its acknowledgement of the closer's FIN with it or before;
 * each of the peer's segments may bring both, so what waits is as old as the last of them.
 */
static struct closing_end closer_of(enum rest_close close, const struct rest_closing *closing, const struct flow *flow,
				    enum conn_side side)
{
	const struct tcp_end *closer = &flow->conn.end[side];
	const struct tcp_end *peer = &flow->conn.end[conn_side_other(side)];
	uint64_t fin = flow->id + closing->fin_packet;
	uint64_t ack = flow->id + closing->ack_packet;
	uint64_t other_fin = flow->id + closing->other_fin_packet;
	bool is_over = close == REST_FINS_ACKED;
	struct closing_end end = {
		.state = (uint8_t)flow_rest_closing_state(close, true),
		.sure = is_over ? TCPS_TIME_WAIT : TCPS_FIN_WAIT_1,
		.certainty = close == REST_FIN || is_over ? TCP_PROVED : TCP_PRESUMED,
		.caused_by = close == REST_FIN         ? fin
			     : close == REST_FIN_ACKED ? ack
						       : other_fin,
		.sure_caused_by = is_over ? other_fin : fin,
		.fin_packet = fin,
		.fin_stamp = closing->fin_stamp,
		.fins = 1,
		.acked_fin_at = is_over ? closer->snd_nxt : 0,
		.nxt_before_fin_ack = closer->snd_nxt,
		.right_edge = close >= REST_FINS ? closing->right_edge[side] : right_edge(closer),
		.held_ms = closing->fin_wait_2_ms,
		.pending_stamp = stamp_of(&flow->conn, peer->last_ns),
	};

	end.state_packet = is_over ? ack : end.caused_by;
	if (close == REST_FIN_ACKED || close == REST_FINS)
		add_pending(&end, TCPE_RCV_ACK_OF_FIN, ack);
	if (close == REST_FINS)
		add_pending(&end, TCPE_RCV_FIN, other_fin);
	return end;
}

static struct closing_end peer_of(enum rest_close close, const struct rest_closing *closing, const struct flow *flow,
				  enum conn_side side)
{
	const struct tcp_end *peer = &flow->conn.end[side];
	const struct tcp_end *closer = &flow->conn.end[conn_side_other(side)];
	uint64_t fin = flow->id + closing->fin_packet;
	uint64_t ack = flow->id + closing->ack_packet;
	uint64_t other_fin = flow->id + closing->other_fin_packet;
	struct closing_end end = {
		.state = (uint8_t)flow_rest_closing_state(close, false),
		.nxt_before_fin_ack = closing->boundary,
		.right_edge = closing->right_edge[side],
		.held_ms = flow_rest_close_wait_ms(closing),
		.pending_stamp = stamp_of(&flow->conn, closer->last_ns),
	};

	if (close >= REST_FINS) {
		end.fin_packet = other_fin;
		end.fin_stamp = stamp_of(&flow->conn, peer->last_ns);
		end.fins = 1;
		/* Where the FIN stands, or it has not acknowledged the other one before (tcp_close.c, fin_sent). */
		end.acked_fin_at = peer->close_order_unsure ? 0 : peer->fin_seq;
	}
	switch (close) {
	case REST_OPEN:
	case REST_FIN:
		end.sure = TCPS_ESTABLISHED;
		end.certainty = TCP_PRESUMED;
		end.caused_by = end.state_packet = fin;
		end.sure_caused_by = ack;
		add_pending(&end, TCPE_RCV_FIN, fin);
		break;
	case REST_FIN_ACKED:
		end.sure = TCPS_CLOSE_WAIT;
		end.certainty = TCP_PROVED;
		end.caused_by = end.sure_caused_by = fin;
		end.state_packet = ack;
		end.acked_fin_at = peer->snd_nxt;
		break;
	case REST_FINS:
		end.sure = TCPS_LAST_ACK;
		end.certainty = peer->close_order_unsure ? TCP_PRESUMED : TCP_PROVED;
		end.caused_by = end.sure_caused_by = end.state_packet = other_fin;
		break;
	case REST_FINS_ACKED:
		end.sure = TCPS_LAST_ACK;
		end.certainty = TCP_PRESUMED;
		end.caused_by = end.state_packet = ack;
		end.sure_caused_by = other_fin;
		add_pending(&end, TCPE_RCV_ACK_OF_FIN, ack);
		break;
	}
	return end;
}

static bool has_same_pending(const struct tcp_end *end, const struct closing_end *closing)
{
	if (end->n_pending != closing->n_pending)
		return false;
	for (unsigned i = 0; i < end->n_pending; i++) {
		if (end->pending[i] != closing->pending[i] || end->pending_packet[i] != closing->pending_packet[i] ||
		    end->pending_stamp[i] != closing->pending_stamp)
			return false;
	}
	return true;
}

static bool is_so(const struct flow *flow, enum conn_side side, const struct closing_end *closing)
{
	const struct tcp_end *end = &flow->conn.end[side];

	return end->state == closing->state && end->sure == closing->sure && end->certainty == closing->certainty &&
	       end->caused_by == closing->caused_by && end->sure_caused_by == closing->sure_caused_by &&
	       end->state_packet == closing->state_packet && end->fin_packet == closing->fin_packet &&
	       end->fin_stamp == closing->fin_stamp && end->fins == closing->fins &&
	       end->acked_fin_at == closing->acked_fin_at && end->nxt_before_fin_ack == closing->nxt_before_fin_ack &&
	       end->right_edge == closing->right_edge && flow->direction[side].held_ms == closing->held_ms &&
	       has_same_pending(end, closing);
}

static void make_so(struct flow *flow, enum conn_side side, const struct closing_end *closing)
{
	struct tcp_end *end = &flow->conn.end[side];

	end->state = closing->state;
	end->sure = closing->sure;
	end->certainty = closing->certainty;
	end->caused_by = closing->caused_by;
	end->sure_caused_by = closing->sure_caused_by;
	end->state_packet = closing->state_packet;
	end->fin_packet = closing->fin_packet;
	end->fin_stamp = closing->fin_stamp;
	end->fins = closing->fins;
	end->acked_fin_at = closing->acked_fin_at;
	end->nxt_before_fin_ack = closing->nxt_before_fin_ack;
	end->right_edge = closing->right_edge;
	flow->direction[side].held_ms = closing->held_ms;
	end->n_pending = closing->n_pending;
	for (unsigned i = 0; i < end->n_pending; i++) {
		end->pending[i] = closing->pending[i];
		end->pending_packet[i] = closing->pending_packet[i];
		end->pending_stamp[i] = closing->pending_stamp;
	}
}

/* How far it seems to have come; whether all is so, is another question. */
static enum rest_close steps_of(const struct tcp_end *closer, const struct tcp_end *peer)
{
	if (!closer->fin_seen)
		return REST_OPEN;
	if (peer->fin_seen)
		return closer->fin_ack_sent ? REST_FINS_ACKED : REST_FINS;
	return peer->fin_ack_sent ? REST_FIN_ACKED : REST_FIN;
}

/* The packet that struct rest_closing names so. */
static uint64_t ack_packet_of(enum rest_close close, const struct tcp_end *closer, const struct tcp_end *peer)
{
	if (close == REST_FIN)
		return peer->sure_caused_by;
	return close == REST_FINS_ACKED ? closer->state_packet : closer->pending_packet[0];
}

enum rest_close flow_rest_find_close(const struct flow *flow, struct rest_closing *closing)
{
	enum conn_side side = (enum conn_side)flow->conn.closed_by;
	const struct tcp_end *closer = &flow->conn.end[side];
	const struct tcp_end *peer = &flow->conn.end[conn_side_other(side)];
	enum rest_close close = flow->conn.closed_by_known ? steps_of(closer, peer) : REST_OPEN;

	if (close == REST_OPEN || !closer->edge_known || !peer->edge_known)
		return REST_OPEN;
	*closing = (struct rest_closing){
		.fin_stamp = closer->fin_stamp,
		.fin_packet = (uint32_t)(closer->fin_packet - flow->id),
		.ack_packet = (uint32_t)(ack_packet_of(close, closer, peer) - flow->id),
		.other_fin_packet = peer->fin_seen ? (uint32_t)(peer->fin_packet - flow->id) : 0,
		.fin_wait_2_ms = flow->direction[side].held_ms,
		.boundary = peer->nxt_before_fin_ack,
		.right_edge = { flow->conn.end[0].right_edge, flow->conn.end[1].right_edge },
		.signals = flow->signals,
	};
	/* So it is seen, too, when a number did not fit. */
	const struct closing_end of_closer = closer_of(close, closing, flow, side);
	const struct closing_end of_peer = peer_of(close, closing, flow, conn_side_other(side));
	bool is_found = is_so(flow, side, &of_closer) && is_so(flow, conn_side_other(side), &of_peer);
	return is_found ? close : REST_OPEN;
}

void flow_rest_take_close(const struct rest_head *head, const struct rest_closing *closing, struct flow *flow)
{
	enum conn_side side = (enum conn_side)head->closer;
	enum rest_close close = (enum rest_close)head->close;
	const struct closing_end of_closer = closer_of(close, closing, flow, side);
	const struct closing_end of_peer = peer_of(close, closing, flow, conn_side_other(side));

	make_so(flow, side, &of_closer);
	make_so(flow, conn_side_other(side), &of_peer);
}
