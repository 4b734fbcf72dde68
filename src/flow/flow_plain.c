/* SPDX-License-Identifier: BSD-2-Clause */
/* Each condition names the rule that has nothing to say when it holds. */
#include "flow_plain.h"

#include "common_history.h"

#include "tcpwitness/base/units.h"
#include "tcpwitness/tcp/tcp_limits.h"
#include "tcpwitness/tcp/tcp_seq.h"

struct plain_segment {
	const struct packet *packet;
	struct rest_head *rest;
	struct rest_end *sender;
	struct rest_end *receiver;
	unsigned side;
	uint64_t lag_ns; /* as it is behind this segment */
	uint32_t window_bytes;
	uint8_t wscale;
	uint8_t history; /* as in the head, behind this segment */
};

/* The header: nothing of it is an anomaly, opens, closes, or tells of losses. */
static bool has_plain_header(const struct plain_segment *seg)
{
	const struct packet *packet = seg->packet;
	uint16_t options = seg->rest->has_timestamps ? TCPOPT_TIMESTAMP : 0;

	return (packet->flags & (uint16_t)~SEG_PSH) == SEG_ACK && packet->options.present == options &&
	       packet->options_complete && anomaly_set_empty(&packet->anomalies) &&
	       packet->ttl == seg->rest->ttl[seg->side];
}

/* tcp_sequence.c: SEGMENT_NEXT; its acknowledgement is of something that was sent, and not older than the last. */
static bool has_plain_numbers(const struct plain_segment *seg)
{
	const struct packet *packet = seg->packet;
	const struct rest_end *sender = seg->sender;
	const struct rest_end *receiver = seg->receiver;
	/* note_repeated_ack */
	bool repeats =
		packet->payload_bytes == 0 && packet->ack == receiver->snd_una && packet->window == sender->last_window;

	return packet->seq == sender->snd_nxt && seq_geq(packet->ack, receiver->snd_una) &&
	       seq_leq(packet->ack, receiver->snd_nxt) && !repeats && packet->payload_bytes <= UINT16_MAX &&
	       packet->seq + packet->payload_bytes - sender->snd_una <= TCP_EXCESS_BYTES;
}

/* tcp_sequence.c: the window neither shrinks nor is it closed; tracker_gauges.c: nor narrow. */
static bool has_plain_window(const struct plain_segment *seg, uint64_t max_window_bytes)
{
	uint32_t right_edge = seg->receiver->snd_una + ((uint32_t)seg->sender->last_window << seg->wscale);
	uint32_t edge = seg->packet->ack + seg->window_bytes;

	return seg->window_bytes >= FLOW_WIDE_WINDOW_BYTES &&
	       seq_geq(edge + (UINT32_C(1) << seg->wscale), right_edge) &&
	       (max_window_bytes == 0 || seg->window_bytes <= max_window_bytes);
}

/* RFC 7323 5.3: they do not go back; tcp_loss.c: nor do echoes that may tell where something was lost. */
static bool has_plain_timestamps(const struct plain_segment *seg)
{
	const struct tcp_options *options = &seg->packet->options;

	if (!seg->rest->has_timestamps)
		return true;
	return seq_geq(options->ts_val, seg->sender->ts_val) &&
	       (!seg->rest->has_repeats || seq_geq(options->ts_ecr, seg->sender->ts_ecr));
}

/* tcp_loss.c, note_ip_id: they go on as before, whether they count or not. */
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
	return step > 1 || step < -TCP_MOST_IDS_MISSED;
}

/* conn_history.c: the history that it leaves behind; 0 = none that has a number. */
static uint8_t history_behind(const struct plain_segment *seg)
{
	enum common_step step = seg->packet->payload_bytes > 0 ? STEP_DATA : STEP_ACK;

	return common_history_then(seg->rest->history, (enum conn_side)seg->side, step);
}

/* conn_history.c, payload_seen. */
static bool has_payload(uint8_t history)
{
	return history >= OWN_HISTORIES || common_histories[history].has_payload;
}

/* tracker_signals.c, tcp_volume.c: it cannot be what tells that the client spoke, and ends no run of small ones. */
static bool has_plain_story(const struct plain_segment *seg)
{
	const struct rest_head *rest = seg->rest;
	uint32_t payload_bytes = seg->packet->payload_bytes;

	if (seg->history == 0)
		return false;
	if (payload_bytes == 0)
		return true;
	if (!has_payload(rest->history))
		return false;
	if (payload_bytes <= TCP_SMALL_PAYLOAD_BYTES && rest->small_run[seg->side] + 1 >= TCP_SMALL_RUN_SEGMENTS)
		return false;
	return rest->client_has_spoken;
}

/* Time goes on, a record is not due, and what is counted still fits. */
static bool has_plain_time(struct plain_segment *seg, const struct rest_link *link, uint64_t interim_ns)
{
	const struct rest_head *rest = seg->rest;
	const struct packet *packet = seg->packet;
	uint64_t recorded_ns = flow_rest_first_ns(rest) + rest->recorded_ms * NS_PER_MS;
	uint64_t other_ns = rest->last_side == seg->side ? link->touched_ns - rest->lag_ns : link->touched_ns;

	if (packet->time_ns < link->touched_ns || packet->time_ns < recorded_ns)
		return false;
	seg->lag_ns = packet->time_ns - other_ns;
	return (seg->lag_ns >> 40) == 0 && (interim_ns == 0 || packet->time_ns - recorded_ns < interim_ns) &&
	       seg->sender->packets != UINT32_MAX && seg->sender->bytes <= UINT32_MAX - packet->ip_bytes;
}

static void apply(const struct plain_segment *seg)
{
	const struct packet *packet = seg->packet;
	struct rest_head *rest = seg->rest;
	struct rest_end *sender = seg->sender;

	sender->packets++;
	sender->bytes += packet->ip_bytes;
	sender->flags |= packet->flags;
	sender->snd_nxt += packet->payload_bytes;
	sender->last_window = packet->window;
	sender->front_ip_id = packet->ip_id;
	if (packet->payload_bytes > sender->longest_payload_bytes)
		sender->longest_payload_bytes = (uint16_t)packet->payload_bytes;
	if (packet->payload_bytes > 0)
		rest->small_run[seg->side] = packet->payload_bytes <= TCP_SMALL_PAYLOAD_BYTES
						     ? (uint8_t)(rest->small_run[seg->side] + 1)
						     : 0;
	seg->receiver->snd_una = packet->ack;
	if (rest->has_timestamps) {
		sender->ts_val = packet->options.ts_val;
		sender->ts_ecr = seq_max(packet->options.ts_ecr, sender->ts_ecr);
	}
	rest->lag_ns = seg->lag_ns & ((UINT64_C(1) << 40) - 1);
	rest->last_side = seg->side & 1;
	rest->history = seg->history;
}

static void remember(const struct plain_segment *seg, uint64_t hash, struct recent_segments *recent)
{
	const struct packet *packet = seg->packet;
	uint32_t owner = tcp_conn_owner(hash, flow_rest_id(seg->rest)) | seg->side;
	struct recent_segment *self =
		recent_segments_add(recent_segments_set(recent, owner, packet->seq), owner, packet);

	/* tcp_overlap.c: nothing was here before, so this is what later ones are compared with. */
	if (packet->payload_head == 0 || packet->payload_bytes < 2)
		return;
	self->head_hash = packet->payload_head;
	self->head_bytes =
		packet->payload_bytes < PACKET_HEAD_BYTES ? (uint8_t)packet->payload_bytes : PACKET_HEAD_BYTES;
}

bool flow_plain_segment(struct rest_head *rest, const struct rest_link *link, unsigned sender_index,
			const struct packet *packet, const struct plain_rules *rules)
{
	unsigned side = sender_index == rest->client_index ? SIDE_CLIENT : SIDE_SERVER;
	struct plain_segment seg = {
		.packet = packet,
		.rest = rest,
		.sender = &rest->end[side],
		.receiver = &rest->end[1 - side],
		.side = side,
		.wscale = side == SIDE_CLIENT ? rest->wscale_client : rest->wscale_server,
	};

	if (!rest->is_plain)
		return false;
	seg.window_bytes = (uint32_t)packet->window << seg.wscale;
	seg.history = history_behind(&seg);
	if (!has_plain_header(&seg) || !has_plain_numbers(&seg) || !has_plain_window(&seg, rules->max_window_bytes) ||
	    !has_plain_timestamps(&seg) || !has_plain_ip_id(&seg) || !has_plain_story(&seg) ||
	    !has_plain_time(&seg, link, rules->interim_ns))
		return false;
	apply(&seg);
	remember(&seg, link->hash, rules->recent);
	return true;
}
