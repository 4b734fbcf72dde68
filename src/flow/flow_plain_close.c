/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * In the words of this file the closer sends the first FIN, and the other end is its peer. Each step names the rules of
 * tcp_close.c and tcp_evidence.c that it stands for; what they leave behind is in flow_rest_close.c.
 */
#include "flow_plain_close.h"

#include "flow_rest_close.h"
#include "tcpwitness/base/units.h"
#include "tcpwitness/tcp/tcp_stamp.h"

/* --- which segments --- */

/*
 * What such a flow says of its states follows from the steps of the close, so it must not stand there member by member;
 * nor must that which is no longer said when it begins to close.
 */
static bool has_expected_members(const struct plain_segment *seg)
{
	enum {
		MEMBERS = 1 << REST_STATE_OF_CLIENT | 1 << REST_STATE_OF_SERVER | 1 << REST_HISTORY,
		MEMBERS_BEFORE = MEMBERS | 1 << REST_OPENING,
	};
	bool begins = seg->rest->close == REST_OPEN;

	return (seg->opening->groups & (unsigned)(begins ? MEMBERS_BEFORE : MEMBERS)) == 0;
}

static uint32_t distance_of(const struct plain_segment *seg, uint64_t packet_number)
{
	return (uint32_t)(packet_number - seg->opening->id);
}

/* A flow so young has its stamps where they began (tcp_stamp.h); and its packets are numbered within reach. */
static bool is_young(const struct plain_segment *seg)
{
	return seg->packet->time_ns - seg->first_ns < STAMP_EXACT_NS && !seg->opening->is_far &&
	       seg->packet->number - seg->opening->id <= UINT32_MAX;
}

/*
 * The step that the segment takes the flow to; REST_OPEN: to none of these. A plain segment acknowledges no less than
 * the one before, so once a FIN is acknowledged, each segment does that.
 */
static enum rest_close step_of(const struct plain_segment *seg)
{
	bool is_fin = (seg->packet->flags & SEG_FIN) != 0;
	bool is_empty = seg->packet->payload_bytes == 0;
	bool is_closer = seg->side == seg->rest->closer;
	bool acknowledges_all = seg->packet->ack == seg->receiver->snd_nxt;

	switch ((enum rest_close)seg->rest->close) {
	case REST_OPEN:
		return REST_FIN;
	case REST_FIN:
		/* What does not acknowledge the FIN crossed it; data may be older than it (note_close_order). */
		if (is_closer || !acknowledges_all)
			return REST_OPEN;
		return is_fin ? REST_FINS : is_empty ? REST_FIN_ACKED : REST_OPEN;
	case REST_FIN_ACKED:
		/* The closer shows by what it sends that it has the acknowledgement (proves_own_fin_acked). */
		if (is_closer)
			return REST_OPEN;
		/* Where the FIN stands, its sender acknowledged the other one (fin_sent). */
		return !is_fin ? REST_FIN_ACKED : is_empty ? REST_FINS : REST_OPEN;
	case REST_FINS:
		return is_closer && !is_fin && is_empty && acknowledges_all ? REST_FINS_ACKED : REST_OPEN;
	case REST_FINS_ACKED:
		break;
	}
	return REST_OPEN;
}

bool plain_close_judge(struct plain_segment *seg, const struct plain_rules *rules)
{
	const struct rest_head *rest = seg->rest;

	/* Each step moves states; and what a server waits for is behind it when it closes or reads a FIN. */
	if (rules->states_are_told || rest->server_waits || !rest->client_has_spoken)
		return false;
	seg->close = step_of(seg);
	return seg->close != REST_OPEN && is_young(seg) && has_expected_members(seg);
}

/* --- what they do --- */

static uint32_t right_edge_of(const struct rest_head *rest, unsigned side)
{
	unsigned wscale = side == SIDE_CLIENT ? rest->wscale_client : rest->wscale_server;

	return rest->end[1 - side].snd_una + ((uint32_t)rest->end[side].last_window << wscale);
}

/* As in stamp_of, of a flow that is young. */
static uint32_t stamp_of_packet(const struct plain_segment *seg)
{
	return (uint32_t)((seg->packet->time_ns - (seg->first_ns - STAMP_EXACT_NS)) / NS_PER_US);
}

/* close_segment: its sender is in FIN_WAIT_1, its receiver presumed to be in CLOSE_WAIT, and that one's edge stays. */
static void first_fin(const struct plain_segment *seg, struct rest_closing *closing, uint32_t signals)
{
	struct rest_head *rest = seg->rest;
	unsigned peer = 1 - seg->side;

	*closing = (struct rest_closing){
		.fin_stamp = stamp_of_packet(seg),
		.fin_packet = distance_of(seg, seg->packet->number),
		.ack_packet = distance_of(seg, rest_caused_by(seg->opening, (enum conn_side)peer)),
		.boundary = seg->receiver->snd_nxt,
		.signals = signals,
	};
	closing->right_edge[peer] = right_edge_of(rest, peer);
	rest->closer = seg->side & 1;
	rest->flow_class = FLOW_CLASS_HALF_CLOSED;
}

/* fin_acknowledged: its sender is in CLOSE_WAIT, its receiver presumed to be in FIN_WAIT_2. */
static void fin_acknowledged(const struct plain_segment *seg, struct rest_closing *closing, enum rest_close before)
{
	if (before == REST_FIN_ACKED)
		return;
	closing->ack_packet = distance_of(seg, seg->packet->number);
	/* track_fin_ack_boundary */
	closing->boundary = seg->packet->seq;
}

/* fin_sent: its sender is in LAST_ACK, its receiver presumed to be in TIME_WAIT, and that one's edge stays. */
static void second_fin(const struct plain_segment *seg, struct rest_closing *closing, enum rest_close before)
{
	unsigned closer = 1 - seg->side;

	fin_acknowledged(seg, closing, before);
	closing->other_fin_packet = distance_of(seg, seg->packet->number);
	closing->right_edge[closer] = right_edge_of(seg->rest, closer);
	/* acked_fin_at is 0 of an end that has not acknowledged the FIN before. */
	if (before == REST_FIN && seg->packet->seq + seg->packet->payload_bytes != 0)
		seg->rest->is_close_order_unsure = 1;
	seg->rest->flow_class = FLOW_CLASS_TIME_WAIT;
}

/* What the detectors are told, as tracker_signal_segment does; the last acknowledgement tells them nothing. */
static void tell(const struct plain_segment *seg, struct rest_closing *closing, enum rest_close before,
		 const struct plain_rules *rules)
{
	struct rest_head *rest = seg->rest;
	struct flow *sketch = rules->sketch;

	flow_rest_sketch(rest, seg->link, seg->shapes, sketch);
	sketch->conn.origin = CONN_ORIGIN_SYN;
	sketch->conn.truths = 0;
	sketch->conn.established_once = true;
	for (unsigned side = 0; side < 2; side++) {
		bool is_closer = side == rest->closer;
		sketch->conn.end[side].state = (uint8_t)flow_rest_closing_state(seg->close, is_closer);
		sketch->gauges[side] = (struct flow_gauges){
			.held = (unsigned)flow_rest_closing_held(before, is_closer) & 3u,
		};
		sketch->direction[side].held_ms = is_closer ? closing->fin_wait_2_ms : flow_rest_close_wait_ms(closing);
	}
	rules->flow_closes(rules->context, sketch);
	closing->signals = sketch->signals;
	rest->alerted = sketch->alerted;
	closing->fin_wait_2_ms = sketch->direction[rest->closer].held_ms;
}

void plain_close_apply(const struct plain_segment *seg, const struct plain_rules *rules)
{
	struct rest_head *rest = seg->rest;
	struct rest_closing *closing = rest_closing_of(rest);
	enum rest_close before = (enum rest_close)rest->close;
	uint32_t signals = rest_signals(rest);

	rest->close = seg->close & 7u;
	switch (seg->close) {
	case REST_FIN:
		first_fin(seg, closing, signals);
		break;
	case REST_FIN_ACKED:
		fin_acknowledged(seg, closing, before);
		break;
	case REST_FINS:
		second_fin(seg, closing, before);
		break;
	case REST_OPEN:
	case REST_FINS_ACKED: /* its sender is in TIME_WAIT, its receiver presumed to be closed */
		closing->ack_packet = distance_of(seg, seg->packet->number);
		rest->is_plain = 0;
		break;
	}
	if (seg->close != before && seg->close != REST_FINS_ACKED)
		tell(seg, closing, before, rules);
}
