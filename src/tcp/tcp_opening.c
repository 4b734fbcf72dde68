/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The short way of the opening: a SYN, the SYN-ACK that answers it and the bare ACK that completes it, about none of
 * which anything is out of the ordinary. What the rules make of them is known, and is written down here, each step as
 * the rules leave it. No rule is here that is not elsewhere: each condition names the one that has nothing to say when
 * it holds, and what is not plain goes by the rules (tcp_conn.c). A test gives random openings to both.
 */
#include "tcp_internal.h"

#include "tcpwitness/tcp/tcp_limits.h"

/* What an end's SYN may say without a rule of its own. */
enum {
	PLAIN_SYN_OPTIONS = TCPOPT_MSS | TCPOPT_WSCALE | TCPOPT_SACK_PERMITTED | TCPOPT_TIMESTAMP,
	MAX_PLAIN_WSCALE = 14, /* RFC 7323 2.3 */
};

/* --- what is plain --- */

static bool has_plain_syn_form(const struct packet *packet)
{
	return packet->payload_bytes == 0 && packet->options_complete && packet->options.wscale <= MAX_PLAIN_WSCALE &&
	       (packet->options.present & ~PLAIN_SYN_OPTIONS) == 0 && anomaly_set_empty(&packet->anomalies);
}

/* tcp_handshake.c: no fast open, no repeat. ECN is asked for or not (RFC 3168 6.1.1): no rule asks. */
static bool is_plain_syn(const struct packet *packet)
{
	return (packet->flags & (uint16_t) ~(SEG_ECE | SEG_CWR)) == SEG_SYN && has_plain_syn_form(packet);
}

/* What is known of an end whose SYN, a plain one, was all that it sent. */
static struct tcp_end opened_by(const struct packet *packet)
{
	const struct tcp_options *options = &packet->options;

	return (struct tcp_end){
		.heard = true,
		.seq_known = true,
		.window_known = true,
		.syn_seen = true,
		.ts_known = (options->present & TCPOPT_TIMESTAMP) != 0,
		.timestamps = (options->present & TCPOPT_TIMESTAMP) != 0,
		.timestamps_declined = (options->present & TCPOPT_TIMESTAMP) == 0,
		.wscale_ok = (options->present & TCPOPT_WSCALE) != 0,
		.sack_ok = (options->present & TCPOPT_SACK_PERMITTED) != 0,
	};
}

/* The same truths as of an end that sent such a SYN. */
static bool is_opened_plainly(const struct tcp_end *end, uint64_t more)
{
	const struct tcp_end known = {
		.heard = true,
		.seq_known = true,
		.window_known = true,
		.syn_seen = true,
		.ts_known = end->timestamps,
		.timestamps = end->timestamps,
		.timestamps_declined = !end->timestamps,
		.wscale_ok = end->wscale_ok,
		.sack_ok = end->sack_ok,
	};

	return end->truths == (known.truths | more) && end->syns == 1 && end->snd_nxt == end->iss + 1 &&
	       end->syn_end == end->snd_nxt && end->n_candidates == 1;
}

static bool is_certain(const struct tcp_conn *conn)
{
	const struct tcp_conn certain = { .direction_certain = true };

	return conn->origin == CONN_ORIGIN_SYN && conn->truths == certain.truths;
}

/* Time is known, does not go back, and is not long enough for stamps_from_ns to move (tcp_stamp.h). */
static bool goes_on(const struct tcp_conn *conn, uint64_t now_ns)
{
	return conn->first_syn_ns != 0 && now_ns >= conn->end[SIDE_CLIENT].last_ns &&
	       now_ns >= conn->end[SIDE_SERVER].last_ns && now_ns - conn->first_syn_ns < STAMP_EXACT_NS;
}

/* tcp_probe.c, tcp_hole.c, tcp_loss.c: there is nothing for the acknowledgement to settle. */
static bool has_nothing_open(const struct tcp_end *end)
{
	return (end->probe | end->n_holes | end->n_repeated | end->n_sacked) == 0;
}

static bool is_plain_synack(const struct segment *seg)
{
	const struct tcp_end *client = seg->receiver;
	const struct tcp_end *server = seg->sender;
	const struct tcp_end asked = { .active_open = true };
	uint64_t max_window_bytes = seg->config->max_window_bytes;

	return seg->sender_side == SIDE_SERVER && is_certain(seg->conn) &&
	       (seg->packet->flags & (uint16_t)~SEG_ECE) == (SEG_SYN | SEG_ACK) && has_plain_syn_form(seg->packet) &&
	       is_opened_plainly(client, asked.truths) && client->sure == TCPS_SYN_SENT && client->n_pending == 0 &&
	       client->state == TCPS_SYN_SENT && client->certainty == TCP_PROVED && server->truths == 0 &&
	       server->sure == TCPS_LISTEN && server->state == TCPS_LISTEN && server->n_pending == 0 &&
	       seg->packet->ack == client->snd_nxt && goes_on(seg->conn, seg->now_ns) &&
	       (max_window_bytes == 0 || seg->packet->window <= max_window_bytes);
}

/* Nothing but the SYN and the SYN-ACK was sent. */
static bool is_plainly_half_open(const struct segment *seg)
{
	const struct tcp_end *client = seg->sender;
	const struct tcp_end *server = seg->receiver;
	const struct tcp_end asked = { .active_open = true, .una_known = true };
	const struct tcp_end answered = { .acked_any = true };

	return seg->sender_side == SIDE_CLIENT && is_certain(seg->conn) && client->n_pending == 1 &&
	       client->pending[0] == TCPE_RCV_SYNACK && client->sure == TCPS_SYN_SENT &&
	       client->state == TCPS_ESTABLISHED && client->certainty == TCP_PRESUMED &&
	       is_opened_plainly(client, asked.truths) && server->sure == TCPS_SYN_RCVD &&
	       server->state == TCPS_SYN_RCVD && server->certainty == TCP_PROVED && server->n_pending == 0 &&
	       is_opened_plainly(server, answered.truths) && has_nothing_open(client) && has_nothing_open(server);
}

/* Numbers are the next ones; timestamps are there if they were agreed (RFC 7323 3.2), and the window is open. */
static bool is_plain_third(const struct segment *seg)
{
	const struct tcp_end *client = seg->sender;
	const struct tcp_end *server = seg->receiver;
	const struct packet *packet = seg->packet;
	uint16_t options = client->timestamps && server->timestamps ? TCPOPT_TIMESTAMP : 0;

	return is_plainly_half_open(seg) && (packet->flags & (uint16_t)~SEG_PSH) == SEG_ACK &&
	       packet->payload_bytes == 0 && packet->seq == client->snd_nxt && packet->ack == server->snd_nxt &&
	       packet->options.present == options && packet->options_complete &&
	       anomaly_set_empty(&packet->anomalies) && packet->window != 0 && seg->config->max_window_bytes == 0 &&
	       goes_on(seg->conn, seg->now_ns);
}

/* --- what it does --- */

static void note_timestamps(struct tcp_end *sender, const struct packet *packet)
{
	const struct tcp_options *options = &packet->options;

	if ((options->present & TCPOPT_TIMESTAMP) == 0)
		return;
	sender->ts_val = sender->ts_known ? seq_max(options->ts_val, sender->ts_val) : options->ts_val;
	sender->ts_known = true;
}

/* tcp_handshake.c, note_syn_of: of both SYNs; the sender is as it begins. */
static void note_syn(struct tcp_end *sender, const struct packet *packet)
{
	const struct tcp_options *options = &packet->options;

	note_timestamps(sender, packet);
	sender->truths = opened_by(packet).truths;
	sender->ttl = packet->ttl;
	sender->first_syn_ts_val = options->ts_val;
	sender->last_syn_ts_val = options->ts_val;
	if (sender->timestamps)
		sender->last_ip_id = packet->ip_id;
	sender->syns = 1;
	sender->iss = packet->seq;
	sender->syn_end = packet->seq + 1;
	sender->snd_nxt = packet->seq + 1;
	sender->syn_flags = packet->flags;
	sender->window_bytes = packet->window;
	sender->last_window = packet->window;
	sender->mss = (options->present & TCPOPT_MSS) != 0 ? options->mss : 0;
	sender->wscale = options->wscale;
	sender->candidates[0] = packet->seq;
	sender->n_candidates = 1;
	sender->last_ns = packet->time_ns;
}

/* The end is in this state with the segment at hand, whoever sent it. */
static void enter(struct segment *seg, enum conn_side side, enum tcp_state state, enum tcp_certainty certainty)
{
	struct tcp_end *end = &seg->conn->end[side];
	struct tcp_verdict *verdict = seg->verdict;

	verdict->transitions[verdict->n_transitions++] = (struct tcp_transition){
		.side = (uint8_t)side,
		.from = end->state,
		.to = (uint8_t)state,
		.certainty = (uint8_t)certainty,
		.cause = seg->cause,
		.caused_by = seg->number,
	};
	end->state = (uint8_t)state;
	end->certainty = (uint8_t)certainty;
	end->state_packet = seg->number;
	end->caused_by = seg->number;
}

/* States are those of the table (tcp_state.c). */
static void enter_surely(struct segment *seg, enum tcp_event event)
{
	enum tcp_state state = tcp_state_next((enum tcp_state)seg->sender->sure, event);

	enter(seg, (enum conn_side)seg->sender_side, state, TCP_PROVED);
	seg->sender->sure = (uint8_t)state;
	seg->sender->sure_caused_by = seg->number;
}

/* What happens to the receiver if the segment arrives. */
static void enter_presumably(struct segment *seg, enum tcp_event event)
{
	seg->receiver->pending[0] = (uint8_t)event;
	seg->receiver->pending_packet[0] = seg->number;
	seg->receiver->pending_stamp[0] = stamp_of(seg->conn, seg->now_ns);
	seg->receiver->n_pending = 1;
	enter(seg, segment_receiver_side(seg), tcp_state_next((enum tcp_state)seg->receiver->state, event),
	      TCP_PRESUMED);
}

bool opening_syn(struct segment *seg)
{
	struct tcp_conn *conn = seg->conn;
	const struct packet *packet = seg->packet;

	if (!is_plain_syn(packet))
		return false;
	conn->direction_certain = true;
	conn->origin = CONN_ORIGIN_SYN;
	conn->first_syn_ns = seg->now_ns;
	conn->last_syn_ns = seg->now_ns;
	conn->syn_layout = packet->options.layout;
	conn->syn_window = packet->window;
	note_syn(seg->sender, packet);
	seg->sender->active_open = true;
	enter_surely(seg, TCPE_SND_SYN);
	segment_remember(seg);
	return true;
}

static void apply_synack(struct segment *seg)
{
	struct tcp_conn *conn = seg->conn;
	const struct packet *packet = seg->packet;

	conn->first_synack_ns = seg->now_ns;
	conn->rtt_server_us = (uint32_t)(ns_since(seg->now_ns, conn->last_syn_ns) / NS_PER_US);
	note_syn(seg->sender, packet);
	seg->sender->last_ack = packet->ack;
	seg->sender->acked_any = true;
	seg->receiver->una_known = true;
	seg->receiver->snd_una = packet->ack;
	enter_surely(seg, TCPE_SND_SYNACK);
	enter_presumably(seg, TCPE_RCV_SYNACK);
}

/* tcp_loss.c, note_ip_id: the second number of an end that sends timestamps. */
static void note_second_ip_id(struct tcp_end *sender, uint16_t ip_id)
{
	int16_t step = (int16_t)(ip_id - sender->last_ip_id);

	sender->front_ip_id = ip_id;
	if (ip_id == 0 || !sender->timestamps)
		return;
	sender->ip_ids_count_up = step == 1;
	if (step > 0 || step < -TCP_MOST_IDS_MISSED)
		sender->last_ip_id = ip_id;
}

/* Its sender shows that it has the SYN-ACK: what was presumed of it is proved. */
static void prove_established(struct segment *seg)
{
	struct tcp_end *client = seg->sender;
	struct tcp_verdict *verdict = seg->verdict;

	client->sure = TCPS_ESTABLISHED;
	client->sure_caused_by = client->pending_packet[0];
	client->n_pending = 0;
	client->certainty = TCP_PROVED;
	client->state_packet = seg->number;
	verdict->transitions[verdict->n_transitions++] = (struct tcp_transition){
		.side = SIDE_CLIENT,
		.from = TCPS_ESTABLISHED,
		.to = TCPS_ESTABLISHED,
		.certainty = TCP_PROVED,
		.cause = seg->cause,
		.caused_by = client->caused_by,
	};
}

static void apply_third(struct segment *seg)
{
	struct tcp_conn *conn = seg->conn;
	struct tcp_end *client = seg->sender;
	struct tcp_end *server = seg->receiver;
	const struct packet *packet = seg->packet;
	bool scaled = client->wscale_ok && server->wscale_ok;

	conn->established_once = true;
	conn->rtt_client_us = (uint32_t)(ns_since(seg->now_ns, conn->first_synack_ns) / NS_PER_US);
	seg->verdict->completed = true;
	note_timestamps(client, packet);
	client->ttl = packet->ttl;
	note_second_ip_id(client, packet->ip_id);
	client->last_ack = packet->ack;
	client->acked_any = true;
	client->window_bytes = (uint32_t)packet->window << (scaled ? client->wscale : 0);
	client->last_window = packet->window;
	client->right_edge = packet->ack + client->window_bytes;
	client->edge_known = true;
	client->nxt_before_fin_ack = seg->end; /* tcp_close.c, track_fin_ack_boundary */
	client->fin_ack_boundary_known = true;
	client->last_ns = seg->now_ns;
	server->una_known = true;
	server->snd_una = packet->ack;
	enter_presumably(seg, TCPE_RCV_ACK_OF_SYN);
	prove_established(seg);
}

bool opening_segment(struct segment *seg)
{
	/* Most segments are of connections that are open. */
	if (seg->conn->established_once || seg->conn->origin != CONN_ORIGIN_SYN)
		return false;
	if (is_plain_synack(seg))
		apply_synack(seg);
	else if (is_plain_third(seg))
		apply_third(seg);
	else
		return false;
	segment_remember(seg);
	return true;
}
