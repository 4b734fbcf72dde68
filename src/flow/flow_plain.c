/* SPDX-License-Identifier: BSD-2-Clause */
/* Each condition names the rule that has nothing to say when it holds. */
#include "flow_plain.h"

#include "common_history.h"
#include "flow_plain_close.h"
#include "flow_rest_close.h"

#include "tcpwitness/base/units.h"
#include "tcpwitness/tcp/tcp_limits.h"
#include "tcpwitness/tcp/tcp_seq.h"

/* --- which flows --- */

/* Nothing is in doubt at this end. */
static bool is_trusted(const struct tcp_end *e, unsigned side, const struct rest_head *head)
{
	static const struct tcp_end may = {
		.fast_open = true,
		.ts_known = true,
		.wscale_ok = true,
		.sack_ok = true,
		.timestamps = true,
		.timestamps_declined = true,
		.ip_ids_count_up = true,
		.ip_ids_of_host = true,
	};
	static const struct tcp_end may_as_last = { .close_order_unsure = true };
	bool closes_last = head->close == REST_FINS && side != head->closer;

	return (e->truths & ~(may.truths | (closes_last ? may_as_last.truths : 0))) == flow_rest_truths(head, side);
}

/*
 * Nothing is missing or in doubt at this end, and its state is what is expected of one that is established or closes.
 * waits: it is a server that waits, and may wait for that alone.
 */
static bool is_in_order(const struct flow *flow, const struct rest_head *head, unsigned side, bool waits)
{
	const struct tcp_end *e = &flow->conn.end[side];
	const struct tcp_end *other = &flow->conn.end[1 - side];
	const struct flow_direction *d = &flow->direction[side];
	bool is_in_state = head->close != REST_OPEN || (e->state == TCPS_ESTABLISHED && e->n_pending == waits);
	uint32_t rare =
		e->n_holes | e->n_sacked | e->probe | e->ip_ids_missed | e->rst_refused_stamp | flow->narrow_ms[side];
	uint32_t payload = e->snd_nxt - e->syn_end - e->fin_seen;

	return is_trusted(e, side, head) && is_in_state && rare == 0 && e->last_ack == other->snd_una &&
	       e->payload_bytes == payload && e->new_bytes == payload && payload <= INT32_MAX && d->ttl_min == e->ttl &&
	       d->ttl_max == e->ttl;
}

static bool follows_front_id(const struct tcp_end *e)
{
	return !rest_follows_ids(e) || e->last_ip_id == e->front_ip_id;
}

/* It goes on from what is in the head. */
static bool goes_on(const struct tcp_end *e)
{
	return e->sure == TCPS_ESTABLISHED && e->certainty == TCP_PROVED && e->nxt_before_fin_ack == e->snd_nxt &&
	       e->right_edge == e->last_ack + e->window_bytes && follows_front_id(e);
}

/*
 * The server has but to show that it has the third segment. To a client that opened fast it may speak before
 * (RFC 7413 4.2); nothing of it is acknowledged but the SYN-ACK.
 */
static bool server_is_to_answer(const struct tcp_conn *conn)
{
	const struct tcp_end *client = &conn->end[SIDE_CLIENT];
	const struct tcp_end *server = &conn->end[SIDE_SERVER];

	return server->sure == TCPS_SYN_RCVD && server->certainty == TCP_PRESUMED &&
	       server->sure_caused_by == client->caused_by && server->nxt_before_fin_ack == 0 &&
	       server->right_edge == 0 && server->window_bytes == server->last_window && server->payload_bytes == 0 &&
	       (rest_follows_ids(server) || server->last_ip_id == 0) && !client->fast_open && client->syns > 0 &&
	       client->snd_una == client->syn_end;
}

/* Both ends go on from what is in the head, and in struct rest_closing of a flow that closes. */
static bool both_go_on(const struct tcp_conn *conn, const struct rest_head *head)
{
	const struct tcp_end *client = &conn->end[SIDE_CLIENT];
	const struct tcp_end *server = &conn->end[SIDE_SERVER];

	if (head->close != REST_OPEN)
		return follows_front_id(client) && follows_front_id(server);
	return goes_on(client) && (head->server_waits ? server_is_to_answer(conn) : goes_on(server));
}

static bool has_expected_gauges(const struct flow *flow, const struct rest_head *head)
{
	for (unsigned side = 0; side < 2; side++) {
		const struct flow_gauges expected = flow_rest_gauges(head, side);
		const struct flow_gauges *gauges = &flow->gauges[side];
		if (gauges->held != expected.held || gauges->is_narrow != expected.is_narrow ||
		    gauges->is_stalled != expected.is_stalled || gauges->is_stray != expected.is_stray)
			return false;
	}
	return true;
}

static bool is_plain(const struct flow *flow, const struct rest_head *head)
{
	const struct tcp_conn *conn = &flow->conn;
	const struct tcp_end *client = &conn->end[SIDE_CLIENT];
	const struct tcp_end *server = &conn->end[SIDE_SERVER];
	bool closes = head->close != REST_OPEN;
	const struct tcp_conn usual = {
		.direction_certain = true,
		.established_once = true,
		.closed_by_known = closes,
	};
	/* What SYNs bring is counted on its own, and a client that has spoken is not closed before. */
	bool has_spoken = (flow->signals & FLOW_SIGNAL_SPOKE) != 0;
	bool may_speak = (flow->signals & FLOW_SIGNAL_CLOSED) == 0 && client->syn_end == client->iss + 1 &&
			 server->syn_end == server->iss + 1;

	return conn->origin == CONN_ORIGIN_SYN && conn->truths == usual.truths &&
	       (closes || conn->closed_by == SIDE_CLIENT) && conn->first_syn_ns == flow->first_ns &&
	       (flow->signals & FLOW_SIGNALS_OPENED) == FLOW_SIGNALS_OPENED && (has_spoken || (may_speak && !closes)) &&
	       has_expected_gauges(flow, head) && flow->last_ns == flow->touched_ns &&
	       conn->end[head->last_side].last_ns == flow->touched_ns &&
	       conn->end[1 - head->last_side].last_ns == flow->touched_ns - head->lag_ns &&
	       is_in_order(flow, head, SIDE_CLIENT, false) &&
	       is_in_order(flow, head, SIDE_SERVER, head->server_waits) && both_go_on(conn, head);
}

/* Where the short way leads on from: see flow_plain_close.c for the classes of a flow that closes. */
static bool may_go_on(const struct flow *flow, const struct rest_head *head)
{
	switch ((enum rest_close)head->close) {
	case REST_OPEN:
		return flow->flow_class == FLOW_CLASS_ESTABLISHED;
	case REST_FIN:
	case REST_FIN_ACKED:
		return flow->flow_class == FLOW_CLASS_HALF_CLOSED;
	case REST_FINS:
		/* expect_times */
		return flow->flow_class == FLOW_CLASS_TIME_WAIT &&
		       flow->conn.end[1 - head->closer].last_ns == flow->touched_ns;
	case REST_FINS_ACKED:
		break;
	}
	return false;
}

/* tcp_loss.c: what was sent again, and is told to have come before by the echo of an older timestamp. */
static void mark_repeats(struct rest_head *head, struct rest_more *more, unsigned side, const struct tcp_end *e)
{
	for (unsigned i = 0; i < e->n_repeated; i++) {
		if ((e->repeated_dated >> i & 1) == 0)
			continue;
		bool is_first = (head->has_repeats >> side & 1) == 0;
		uint32_t newest = more->ts_repeated[side];
		more->ts_repeated[side] = is_first ? e->repeated[i].ts_val : seq_max(e->repeated[i].ts_val, newest);
		head->has_repeats = (head->has_repeats | 1u << side) & 3u;
	}
}

void flow_plain_mark(struct rest_head *head, struct rest_more *more, const struct flow *flow)
{
	const struct tcp_end *ends = flow->conn.end;
	uint64_t recorded_ms = (flow->recorded_ns - flow->first_ns) / NS_PER_MS;
	bool scaled = ends[0].wscale_ok && ends[1].wscale_ok;
	bool all_dated = ends[0].ts_known && ends[1].ts_known;
	bool agreed = ends[0].timestamps && ends[1].timestamps;

	head->is_plain = false;
	if (!may_go_on(flow, head))
		return;
	head->is_plain = is_plain(flow, head) && all_dated >= agreed && recorded_ms <= UINT32_MAX &&
			 ends[0].wscale < 15 && ends[1].wscale < 15;
	if (!head->is_plain)
		return;
	more->recorded_ms = (uint32_t)recorded_ms;
	head->wscale_client = scaled ? ends[SIDE_CLIENT].wscale & 15u : 0;
	head->wscale_server = scaled ? ends[SIDE_SERVER].wscale & 15u : 0;
	mark_repeats(head, more, SIDE_CLIENT, &ends[SIDE_CLIENT]);
	mark_repeats(head, more, SIDE_SERVER, &ends[SIDE_SERVER]);
	head->has_timestamps = agreed && all_dated;
	head->ids_are_followed =
		((unsigned)rest_follows_ids(&ends[0]) | (unsigned)rest_follows_ids(&ends[1]) << 1) & 3u;
}

/* --- which segments --- */

static void stands_at(struct plain_segment *seg, struct rest_head *rest)
{
	seg->rest = rest;
	seg->opening = rest_opening_of(rest);
	seg->sender = &rest->end[seg->side];
	seg->receiver = &rest->end[1 - seg->side];
}

/* The header: nothing of it is an anomaly, opens, resets, or tells of losses. */
static bool has_plain_header(const struct plain_segment *seg)
{
	const struct packet *packet = seg->packet;
	uint16_t options = seg->rest->has_timestamps ? TCPOPT_TIMESTAMP : 0;

	return (packet->flags & (uint16_t) ~(SEG_PSH | SEG_FIN)) == SEG_ACK && packet->options.present == options &&
	       packet->options_complete && anomaly_set_empty(&packet->anomalies) &&
	       packet->ttl == seg->rest->ttl[seg->side];
}

static bool is_fin(const struct packet *packet)
{
	return (packet->flags & SEG_FIN) != 0;
}

/* tcp_sequence.c: SEGMENT_NEXT; its acknowledgement is of something that was sent, and not older than the last. */
static bool has_plain_numbers(const struct plain_segment *seg)
{
	const struct packet *packet = seg->packet;
	const struct rest_end *sender = seg->sender;
	const struct rest_end *receiver = seg->receiver;
	/* note_repeated_ack */
	bool repeats = packet->payload_bytes == 0 && !is_fin(packet) && packet->ack == receiver->snd_una &&
		       packet->window == sender->last_window;

	return packet->seq == sender->snd_nxt && seq_geq(packet->ack, receiver->snd_una) &&
	       seq_leq(packet->ack, receiver->snd_nxt) && !repeats && packet->payload_bytes <= UINT16_MAX &&
	       packet->seq + packet->payload_bytes - sender->snd_una <= TCP_EXCESS_BYTES;
}

/* tcp_sequence.c: the window neither shrinks, if one was given, nor is it closed; tracker_gauges.c: nor narrow. */
static bool has_plain_window(const struct plain_segment *seg, uint64_t max_window_bytes)
{
	uint32_t right_edge = seg->receiver->snd_una + ((uint32_t)seg->sender->last_window << seg->wscale);
	uint32_t edge = seg->packet->ack + seg->window_bytes;

	return seg->window_bytes >= FLOW_WIDE_WINDOW_BYTES &&
	       (seg->proves_opening || seq_geq(edge + (UINT32_C(1) << seg->wscale), right_edge)) &&
	       (max_window_bytes == 0 || seg->window_bytes <= max_window_bytes);
}

/* RFC 7323 5.3: they do not go back; tcp_loss.c: nor does the echo tell where something of the receiver was lost. */
static bool has_plain_timestamps(const struct plain_segment *seg)
{
	const struct tcp_options *options = &seg->packet->options;
	bool may_tell = (seg->rest->has_repeats >> (1 - seg->side) & 1) != 0;

	if (!seg->rest->has_timestamps)
		return true;
	return seq_geq(options->ts_val, seg->sender->ts_val) &&
	       (!may_tell || seq_geq(options->ts_ecr, rest_more_of(seg->opening)->ts_repeated[1 - seg->side]));
}

/* tcp_loss.c, note_ip_id: they go on as before, or show now that they count. */
static bool has_plain_ip_id(const struct plain_segment *seg)
{
	uint16_t ip_id = seg->packet->ip_id;
	int16_t step = (int16_t)(ip_id - seg->sender->front_ip_id);

	if ((seg->rest->ids_are_followed >> seg->side & 1) == 0)
		return true;
	if (ip_id == 0)
		return seg->sender->front_ip_id == 0;
	if ((seg->rest->ids_count_up >> seg->side & 1) != 0)
		return step == 1;
	return step > 0 || step < -TCP_MOST_IDS_MISSED;
}

/* conn_history.c: the history that it leaves behind; 0 = none that has a number. */
static uint8_t history_behind(const struct plain_segment *seg)
{
	enum common_step step = is_fin(seg->packet) ? STEP_FIN : seg->packet->payload_bytes > 0 ? STEP_DATA : STEP_ACK;

	return common_history_then(seg->rest->history, (enum conn_side)seg->side, step);
}

/*
 * tcp_handshake.c, proves_ack_of_syn: what the server sends after its SYN-ACK shows that it has the third segment. That
 * is a change of certainty, and nothing else when nobody wants to be told of it.
 */
static bool is_plain_proof(struct plain_segment *seg, const struct plain_rules *rules)
{
	const struct packet *packet = seg->packet;
	const struct rest_opening *opening = seg->opening;

	if (!seg->rest->server_waits)
		return true;
	if (seg->side == SIDE_CLIENT)
		return true;
	seg->proves_opening = packet->payload_bytes > 0 || packet->ack != seg->receiver->snd_una;
	return seg->proves_opening && !rules->states_are_told && !rest_has_group(opening, REST_OPENING) &&
	       (packet->number - rest_client_state_packet(opening)) >> REST_STATE_PACKET_BITS == 0;
}

/* tracker_signals.c, is_served: the server goes on with what its client does not ask for. */
static bool is_served(const struct plain_segment *seg)
{
	const struct rest_opening *opening = seg->opening;

	return seg->side == SIDE_SERVER && seq_gt(seg->sender->snd_una, opening->iss[SIDE_SERVER] + 1) &&
	       ns_since(seg->packet->time_ns, seg->first_ns) >= FLOW_GREETED_S * NS_PER_SEC;
}

/* conn_history.c, tracker_signals.c, tcp_volume.c: what it adds to the story has a number, and is no anomaly. */
static bool has_plain_story(struct plain_segment *seg)
{
	const struct rest_head *rest = seg->rest;
	uint32_t payload_bytes = seg->packet->payload_bytes;

	if (seg->history == 0)
		return false;
	if (payload_bytes == 0)
		return true;
	if (payload_bytes <= TCP_SMALL_PAYLOAD_BYTES && rest->small_run[seg->side] + 1 >= TCP_SMALL_RUN_SEGMENTS)
		return false;
	seg->is_first_speech = !rest->client_has_spoken && (seg->side == SIDE_CLIENT || is_served(seg));
	return true;
}

/* Time goes on, a record is not due, and what is counted still fits. */
static bool has_plain_time(struct plain_segment *seg, const struct rest_link *link, uint64_t interim_ns)
{
	const struct rest_head *rest = seg->rest;
	const struct packet *packet = seg->packet;
	uint64_t recorded_ms = seg->opening->has_more ? rest_more_of(seg->opening)->recorded_ms : 0;
	uint64_t recorded_ns = seg->first_ns + recorded_ms * NS_PER_MS;
	uint64_t other_ns = rest->last_side == seg->side ? link->touched_ns - rest->lag_ns : link->touched_ns;

	if (packet->time_ns < link->touched_ns || packet->time_ns < recorded_ns)
		return false;
	if ((packet->time_ns - seg->first_ns) >> REST_FIRST_NS_BITS != 0 && !seg->opening->is_far)
		return false;
	/* No longer than that has a server been waiting either, so what waits can be stamped as before. */
	seg->lag_ns = packet->time_ns - other_ns;
	return (seg->lag_ns >> 40) == 0 && (interim_ns == 0 || packet->time_ns - recorded_ns < interim_ns) &&
	       seg->sender->packets != UINT32_MAX && seg->sender->bytes <= UINT32_MAX - packet->ip_bytes;
}

/* --- what they do --- */

/* It was RCV_ACK_OF_SYN that waited: see server_is_to_answer for what it was before, and goes_on for what it is now. */
static void prove_opening(const struct plain_segment *seg)
{
	struct rest_opening *opening = seg->opening;
	uint64_t distance = seg->packet->number - rest_client_state_packet(opening);

	seg->rest->server_waits = 0;
	opening->server_state_packet = distance & ((1u << REST_STATE_PACKET_BITS) - 1);
}

/* tcp_loss.c, note_ip_id: the next number after the last is a counter's. */
static void note_ip_id(const struct plain_segment *seg)
{
	unsigned bit = 1u << seg->side;

	if ((seg->rest->ids_are_followed & ~(unsigned)seg->rest->ids_count_up & bit) != 0 &&
	    (uint16_t)(seg->packet->ip_id - seg->sender->front_ip_id) == 1)
		seg->rest->ids_count_up = (seg->rest->ids_count_up | bit) & 3u;
	seg->sender->front_ip_id = seg->packet->ip_id;
}

static void apply(const struct plain_segment *seg)
{
	const struct packet *packet = seg->packet;
	struct rest_head *rest = seg->rest;
	struct rest_end *sender = seg->sender;

	sender->packets++;
	sender->bytes += packet->ip_bytes;
	rest->flags[seg->side] |= (uint8_t)packet->flags; /* no others are plain */
	sender->snd_nxt += packet->payload_bytes + is_fin(packet);
	sender->last_window = packet->window;
	note_ip_id(seg);
	if (packet->payload_bytes > rest->longest_payload_bytes[seg->side])
		rest->longest_payload_bytes[seg->side] = (uint16_t)packet->payload_bytes;
	if (packet->payload_bytes > 0)
		rest->small_run[seg->side] = packet->payload_bytes <= TCP_SMALL_PAYLOAD_BYTES
						     ? (uint8_t)(rest->small_run[seg->side] + 1)
						     : 0;
	seg->receiver->snd_una = packet->ack;
	if (rest->has_timestamps)
		sender->ts_val = packet->options.ts_val;
	rest->lag_ns = seg->lag_ns & ((UINT64_C(1) << 40) - 1);
	rest->last_side = seg->side & 1;
	rest->history = seg->history;
	if (seg->proves_opening)
		prove_opening(seg);
}

static void remember(const struct plain_segment *seg, struct recent_segments *recent)
{
	const struct packet *packet = seg->packet;
	uint32_t owner = tcp_conn_owner(rest_id(seg->opening)) | seg->side;
	struct recent_segment *self =
		recent_segments_add(recent_segments_set(recent, owner, packet->seq), owner, packet);

	/* tcp_overlap.c: nothing was here before, so this is what later ones are compared with. */
	if (packet->payload_head == 0 || packet->payload_bytes < 2)
		return;
	self->head_hash = packet->payload_head;
	self->head_bytes =
		packet->payload_bytes < PACKET_HEAD_BYTES ? (uint8_t)packet->payload_bytes : PACKET_HEAD_BYTES;
}

static void tell_speech(const struct plain_segment *seg, const struct plain_rules *rules)
{
	if (rules->client_speaks != NULL) {
		flow_rest_sketch(seg->rest, seg->link, seg->shapes, rules->sketch);
		if (rules->client_speaks(rules->context, rules->sketch))
			seg->rest->alerted = 1;
	}
	seg->rest->client_has_spoken = 1;
	if (seg->opening->has_more)
		rest_more_of(seg->opening)->signals |= FLOW_SIGNAL_SPOKE;
}

bool flow_plain_judge(struct plain_segment *seg, struct rest_head *rest, const struct rest_link *link,
		      unsigned sender_index, const struct packet *packet, const struct plain_rules *rules)
{
	unsigned side = sender_index == rest->client_index ? SIDE_CLIENT : SIDE_SERVER;

	if (!rest->is_plain)
		return false;
	*seg = (struct plain_segment){
		.packet = packet,
		.link = link,
		.side = side,
		.wscale = side == SIDE_CLIENT ? rest->wscale_client : rest->wscale_server,
	};
	stands_at(seg, rest);
	seg->first_ns = rest_first_ns(seg->opening, link->touched_ns);
	seg->window_bytes = (uint32_t)packet->window << seg->wscale;
	seg->history = history_behind(seg);
	bool closes = is_fin(packet) || rest->close != REST_OPEN;
	return has_plain_header(seg) && has_plain_numbers(seg) && is_plain_proof(seg, rules) &&
	       has_plain_window(seg, rules->max_window_bytes) && has_plain_timestamps(seg) && has_plain_ip_id(seg) &&
	       has_plain_story(seg) && has_plain_time(seg, link, rules->interim_ns) &&
	       (!closes || plain_close_judge(seg, rules));
}

bool flow_plain_apply(struct plain_segment *seg, struct rest_head *rest, const struct syn_shapes *shapes,
		      const struct plain_rules *rules)
{
	stands_at(seg, rest);
	seg->shapes = shapes;
	apply(seg);
	remember(seg, rules->recent);
	if (seg->is_first_speech)
		tell_speech(seg, rules);
	if (seg->close != REST_OPEN)
		plain_close_apply(seg, rules);
	/* tracker.c, restarts_timer */
	return seg->close != REST_FINS_ACKED;
}
