/* SPDX-License-Identifier: BSD-2-Clause */
#include "tcp_endpoint.h"

#include <assert.h>
#include <string.h>

#include "tcpwitness/base/units.h"
#include "tcpwitness/decode/packet.h"
#include "tcpwitness/tcp/tcp_seq.h"

enum {
	MAX_PAYLOAD_BYTES = 1000,
	MAX_UNACKED_BYTES = 6000,
	WINDOW_BYTES = 65535,
	MAX_RESENT = 4,
	NEXT_ISS_STEP = 250007,
	RANDOM_ISS_STEP = 0x59d1a3b7
};

#define RESEND_NS      (200 * NS_PER_MS)
#define RESEND_SYN_NS  NS_PER_SEC
#define DELAYED_ACK_NS (40 * NS_PER_MS)
#define TIME_WAIT_NS   (60 * NS_PER_SEC)
#define ORPHAN_NS      (60 * NS_PER_SEC)

/* --- state --- */

enum tcp_state endpoint_state(const struct tcp_endpoint *ep)
{
	return (enum tcp_state)ep->past[ep->n_past - 1].state;
}

static bool in(const struct tcp_endpoint *ep, enum tcp_state state)
{
	return endpoint_state(ep) == state;
}

static void stop_timers(struct tcp_endpoint *ep)
{
	ep->resend_due_ns = 0;
	ep->ack_due_ns = 0;
	ep->end_due_ns = 0;
	ep->n_resent = 0;
}

static void enter(struct tcp_endpoint *ep, enum tcp_state state)
{
	assert(ep->n_past < ENDPOINT_MAX_PAST);
	ep->past[ep->n_past].state = (uint8_t)state;
	ep->past[ep->n_past].by_segment = ep->is_receiving;
	ep->past[ep->n_past].sent_reset = false;
	ep->n_past++;
	if (state == TCPS_CLOSED)
		stop_timers(ep);
	if (state == TCPS_TIME_WAIT) {
		stop_timers(ep);
		ep->end_due_ns = ep->now_ns + TIME_WAIT_NS;
	}
	if (state == TCPS_FIN_WAIT_2 && ep->orphan)
		ep->end_due_ns = ep->now_ns + ORPHAN_NS;
}

void endpoint_init(struct tcp_endpoint *ep, const struct endpoint_config *config, uint32_t first_iss)
{
	memset(ep, 0, sizeof(*ep));
	ep->config = *config;
	ep->next_iss = first_iss;
	ep->past[0].state = TCPS_CLOSED;
	ep->n_past = 1;
}

static void begin_call(struct tcp_endpoint *ep, uint64_t now_ns, bool is_receiving)
{
	ep->now_ns = now_ns;
	ep->n_out = 0;
	ep->ack_now = false;
	ep->is_receiving = is_receiving;
}

/* --- sending --- */

static void emit(struct tcp_endpoint *ep, uint16_t flags, uint32_t seq, uint32_t ack, uint32_t payload_bytes)
{
	bool may_stamp = ep->config.timestamps && (flags & SEG_RST) == 0;

	assert(ep->n_out < ENDPOINT_MAX_OUT);
	ep->out[ep->n_out++] = (struct endpoint_segment){
		.seq = seq,
		.ack = (flags & SEG_ACK) ? ack : 0,
		.flags = flags,
		.payload_bytes = payload_bytes,
		.past = ep->n_past - 1,
		.timestamps = may_stamp && (ep->ts_agreed || flags == SEG_SYN),
		.ts_val = 1000 + (uint32_t)(ep->now_ns / NS_PER_MS),
		.ts_ecr = ep->ts_recent,
	};
	if (flags & SEG_RST)
		ep->past[ep->n_past - 1].sent_reset = true;
	if (flags & SEG_ACK) {
		ep->ack_now = false;
		ep->ack_due_ns = 0;
	}
}

static void emit_ack(struct tcp_endpoint *ep)
{
	emit(ep, SEG_ACK, ep->snd_nxt, ep->rcv_nxt, 0);
}

static bool fin_sent(const struct tcp_endpoint *ep)
{
	return seq_gt(ep->snd_nxt, ep->data_end);
}

static void start_resending(struct tcp_endpoint *ep)
{
	uint64_t first_ns = in(ep, TCPS_SYN_SENT) || in(ep, TCPS_SYN_RCVD) ? RESEND_SYN_NS : RESEND_NS;

	ep->resend_due_ns = ep->now_ns + (first_ns << ep->n_resent);
}

/* One segment of the stream from seq on, with the FIN when it is due. Returns the number behind it. */
static uint32_t emit_from(struct tcp_endpoint *ep, uint32_t seq)
{
	uint32_t left = ep->data_end - seq;
	uint32_t bytes = seq_geq(seq, ep->data_end) ? 0 : left < MAX_PAYLOAD_BYTES ? left : MAX_PAYLOAD_BYTES;
	bool last = seq + bytes == ep->data_end;
	bool fin = ep->fin_wanted && last && (bytes == 0 || ep->config.fin_with_data);
	unsigned n_past = ep->n_past;

	if (fin && in(ep, TCPS_ESTABLISHED))
		enter(ep, TCPS_FIN_WAIT_1);
	else if (fin && in(ep, TCPS_CLOSE_WAIT))
		enter(ep, TCPS_LAST_ACK);
	if (ep->n_past > n_past)
		ep->past[n_past].by_segment = false; /* its own doing, whatever gave the occasion */
	emit(ep, (uint16_t)(SEG_ACK | (bytes > 0 ? SEG_PSH : 0) | (fin ? SEG_FIN : 0)), seq, ep->rcv_nxt, bytes);
	return seq + bytes + (fin ? 1 : 0);
}

static bool may_send(const struct tcp_endpoint *ep)
{
	return in(ep, TCPS_ESTABLISHED) || in(ep, TCPS_CLOSE_WAIT);
}

static void send_new(struct tcp_endpoint *ep)
{
	while (may_send(ep) && (seq_lt(ep->snd_nxt, ep->data_end) || ep->fin_wanted)) {
		ep->snd_nxt = emit_from(ep, ep->snd_nxt);
		if (ep->resend_due_ns == 0)
			start_resending(ep);
	}
}

static void resend(struct tcp_endpoint *ep)
{
	if (in(ep, TCPS_SYN_SENT))
		emit(ep, SEG_SYN, ep->iss, 0, 0);
	else if (in(ep, TCPS_SYN_RCVD))
		emit(ep, SEG_SYN | SEG_ACK, ep->iss, ep->rcv_nxt, 0);
	else
		emit_from(ep, ep->snd_una);
	struct endpoint_segment *sent = &ep->out[ep->n_out - 1];
	sent->shows_nothing = (sent->flags & (SEG_SYN | SEG_FIN)) == 0;
}

static void end_call(struct tcp_endpoint *ep)
{
	send_new(ep);
	if (ep->ack_now && !in(ep, TCPS_CLOSED))
		emit_ack(ep);
}

/* --- opening --- */

static void open_with(struct tcp_endpoint *ep, enum tcp_state state, bool passive)
{
	stop_timers(ep);
	ep->iss = ep->next_iss;
	ep->next_iss += ep->config.random_iss ? RANDOM_ISS_STEP : NEXT_ISS_STEP;
	ep->snd_una = ep->iss;
	ep->snd_nxt = ep->iss + 1;
	ep->data_end = ep->iss + 1;
	ep->passive = passive;
	ep->fin_wanted = false;
	ep->orphan = false;
	ep->peer_fin_known = false;
	ep->n_ranges = 0;
	enter(ep, state);
	start_resending(ep);
}

static void read_syn(struct tcp_endpoint *ep, const struct endpoint_segment *segment)
{
	ep->irs = segment->seq;
	ep->rcv_nxt = segment->seq + 1;
	ep->ts_agreed = ep->config.timestamps && segment->timestamps;
	ep->ts_recent = segment->ts_val;
}

static void open_passively(struct tcp_endpoint *ep, const struct endpoint_segment *segment)
{
	read_syn(ep, segment);
	open_with(ep, TCPS_SYN_RCVD, true);
	emit(ep, SEG_SYN | SEG_ACK, ep->iss, ep->rcv_nxt, 0);
}

void endpoint_connect(struct tcp_endpoint *ep, uint64_t now_ns)
{
	begin_call(ep, now_ns, false);
	if (!in(ep, TCPS_CLOSED))
		return;
	ep->ts_agreed = false;
	ep->ts_recent = 0;
	open_with(ep, TCPS_SYN_SENT, false);
	emit(ep, SEG_SYN, ep->iss, 0, 0);
}

/* --- the rest of the application --- */

/* A server is given a connection by accept(), when it is established. */
static bool is_not_accepted(const struct tcp_endpoint *ep)
{
	return ep->passive && in(ep, TCPS_SYN_RCVD);
}

void endpoint_write(struct tcp_endpoint *ep, uint64_t now_ns, uint32_t bytes)
{
	begin_call(ep, now_ns, false);
	if (ep->fin_wanted || is_not_accepted(ep) || !(may_send(ep) || in(ep, TCPS_SYN_SENT) || in(ep, TCPS_SYN_RCVD)))
		return;
	if (ep->data_end + bytes - ep->snd_una > MAX_UNACKED_BYTES)
		return;
	ep->data_end += bytes;
	end_call(ep);
}

void endpoint_shutdown(struct tcp_endpoint *ep, uint64_t now_ns)
{
	begin_call(ep, now_ns, false);
	if (!may_send(ep))
		return;
	ep->fin_wanted = true;
	end_call(ep);
}

void endpoint_close(struct tcp_endpoint *ep, uint64_t now_ns)
{
	begin_call(ep, now_ns, false);
	if (in(ep, TCPS_SYN_SENT)) {
		enter(ep, TCPS_CLOSED);
		return;
	}
	if (in(ep, TCPS_CLOSED) || is_not_accepted(ep))
		return;
	ep->orphan = true;
	ep->fin_wanted = true;
	if (in(ep, TCPS_FIN_WAIT_2))
		ep->end_due_ns = now_ns + ORPHAN_NS;
	end_call(ep);
}

void endpoint_abort(struct tcp_endpoint *ep, uint64_t now_ns)
{
	bool silent = in(ep, TCPS_SYN_SENT) || in(ep, TCPS_CLOSING) || in(ep, TCPS_LAST_ACK) || in(ep, TCPS_TIME_WAIT);

	begin_call(ep, now_ns, false);
	if (in(ep, TCPS_CLOSED) || is_not_accepted(ep))
		return;
	enter(ep, TCPS_CLOSED);
	if (!silent)
		emit(ep, SEG_RST | SEG_ACK, ep->snd_nxt, ep->rcv_nxt, 0);
}

void endpoint_probe(struct tcp_endpoint *ep, uint64_t now_ns)
{
	bool may = in(ep, TCPS_ESTABLISHED) || in(ep, TCPS_CLOSE_WAIT) || in(ep, TCPS_FIN_WAIT_2);

	begin_call(ep, now_ns, false);
	if (may && ep->snd_una == ep->snd_nxt)
		emit(ep, SEG_ACK, ep->snd_nxt - 1, ep->rcv_nxt, 0);
}

void endpoint_crash(struct tcp_endpoint *ep, uint64_t now_ns)
{
	begin_call(ep, now_ns, false);
	if (!in(ep, TCPS_CLOSED))
		enter(ep, TCPS_CLOSED);
}

/* --- receiving, in the order of RFC 9293 3.10.7 --- */

static uint32_t length_of(const struct endpoint_segment *segment)
{
	return segment->payload_bytes + ((segment->flags & SEG_SYN) ? 1 : 0) + ((segment->flags & SEG_FIN) ? 1 : 0);
}

/* 3.10.7.1: what belongs to no connection. */
static void reset_for(struct tcp_endpoint *ep, const struct endpoint_segment *segment)
{
	if (segment->flags & SEG_ACK)
		emit(ep, SEG_RST, segment->ack, 0, 0);
	else
		emit(ep, SEG_RST | SEG_ACK, 0, segment->seq + length_of(segment), 0);
	ep->out[ep->n_out - 1].shows_nothing = true;
}

static void receive_closed(struct tcp_endpoint *ep, const struct endpoint_segment *segment)
{
	if (segment->flags & SEG_RST)
		return;
	if (!ep->config.listens || (segment->flags & SEG_ACK))
		reset_for(ep, segment);
	else if (segment->flags & SEG_SYN)
		open_passively(ep, segment);
}

/* 3.10.7.3 */
static void receive_syn_sent(struct tcp_endpoint *ep, const struct endpoint_segment *segment)
{
	bool ack = (segment->flags & SEG_ACK) != 0;

	if (ack && segment->ack != ep->snd_nxt) {
		if ((segment->flags & SEG_RST) == 0)
			reset_for(ep, segment);
		return;
	}
	if (segment->flags & SEG_RST) {
		if (ack)
			enter(ep, TCPS_CLOSED);
		return;
	}
	if ((segment->flags & SEG_SYN) == 0)
		return;
	read_syn(ep, segment);
	if (ack) {
		ep->snd_una = segment->ack;
		stop_timers(ep);
		enter(ep, TCPS_ESTABLISHED);
		ep->ack_now = true;
	} else {
		enter(ep, TCPS_SYN_RCVD);
		emit(ep, SEG_SYN | SEG_ACK, ep->iss, ep->rcv_nxt, 0);
	}
}

static bool in_window(const struct tcp_endpoint *ep, uint32_t seq)
{
	return seq - ep->rcv_nxt < WINDOW_BYTES;
}

/* 3.4 and RFC 7323 5.3 */
static bool is_acceptable(const struct tcp_endpoint *ep, const struct endpoint_segment *segment)
{
	uint32_t length = length_of(segment);
	bool rst = (segment->flags & SEG_RST) != 0;

	if (ep->ts_agreed && !rst && segment->timestamps && seq_lt(segment->ts_val, ep->ts_recent))
		return false;
	return in_window(ep, segment->seq) || (length > 0 && in_window(ep, segment->seq + length - 1));
}

/* RFC 6191: a SYN may end TIME_WAIT and open the next connection. */
static bool reopens(struct tcp_endpoint *ep, const struct endpoint_segment *segment)
{
	bool newer = ep->ts_agreed && segment->timestamps ? seq_gt(segment->ts_val, ep->ts_recent)
							  : seq_gt(segment->seq, ep->rcv_nxt);

	if (!in(ep, TCPS_TIME_WAIT) || segment->flags != SEG_SYN || !ep->config.listens || !newer)
		return false;
	enter(ep, TCPS_CLOSED);
	open_passively(ep, segment);
	return true;
}

/* The SYN again, or the SYN-ACK of a simultaneous open: both are before the window. */
static bool repeats_syn(struct tcp_endpoint *ep, const struct endpoint_segment *segment)
{
	if (!in(ep, TCPS_SYN_RCVD) || (segment->flags & SEG_SYN) == 0 || segment->seq != ep->irs ||
	    (segment->flags & SEG_RST))
		return false;
	if ((segment->flags & SEG_ACK) == 0) {
		emit(ep, SEG_SYN | SEG_ACK, ep->iss, ep->rcv_nxt, 0);
		return true;
	}
	if (!ep->config.synack_establishes || segment->ack != ep->snd_nxt)
		return false;
	ep->snd_una = segment->ack;
	stop_timers(ep);
	enter(ep, TCPS_ESTABLISHED);
	ep->ack_now = true;
	return true;
}

/* RFC 5961 section 3. */
static void receive_reset(struct tcp_endpoint *ep, const struct endpoint_segment *segment)
{
	if (segment->seq != ep->rcv_nxt)
		emit_ack(ep);
	else if (!in(ep, TCPS_TIME_WAIT) || ep->config.time_wait_resets)
		enter(ep, TCPS_CLOSED);
}

/* False: the segment says nothing further. */
static bool read_ack(struct tcp_endpoint *ep, const struct endpoint_segment *segment)
{
	if (in(ep, TCPS_SYN_RCVD)) {
		if (segment->ack != ep->snd_nxt) {
			reset_for(ep, segment);
			return false;
		}
		enter(ep, TCPS_ESTABLISHED);
	} else if (seq_gt(segment->ack, ep->snd_nxt)) {
		emit_ack(ep);
		return false;
	}
	if (seq_leq(segment->ack, ep->snd_una))
		return true;
	bool recovering = ep->n_resent > 0;
	ep->snd_una = segment->ack;
	ep->n_resent = 0;
	ep->resend_due_ns = 0;
	if (ep->snd_una != ep->snd_nxt) {
		if (recovering)
			resend(ep);
		start_resending(ep);
		return true;
	}
	if (!fin_sent(ep))
		return true;
	if (in(ep, TCPS_FIN_WAIT_1))
		enter(ep, TCPS_FIN_WAIT_2);
	else if (in(ep, TCPS_CLOSING))
		enter(ep, TCPS_TIME_WAIT);
	else if (in(ep, TCPS_LAST_ACK))
		enter(ep, TCPS_CLOSED);
	return !in(ep, TCPS_CLOSED);
}

static void take_ranges(struct tcp_endpoint *ep)
{
	for (unsigned i = 0; i < ep->n_ranges;) {
		if (seq_gt(ep->ranges[i].left, ep->rcv_nxt)) {
			i++;
			continue;
		}
		ep->rcv_nxt = seq_max(ep->rcv_nxt, ep->ranges[i].right);
		ep->ranges[i] = ep->ranges[--ep->n_ranges];
		i = 0;
	}
}

static void read_fin(struct tcp_endpoint *ep)
{
	if (!ep->peer_fin_known || ep->rcv_nxt != ep->peer_fin)
		return;
	ep->rcv_nxt++;
	ep->ack_now = true;
	if (in(ep, TCPS_ESTABLISHED))
		enter(ep, TCPS_CLOSE_WAIT);
	else if (in(ep, TCPS_FIN_WAIT_1))
		enter(ep, TCPS_CLOSING);
	else if (in(ep, TCPS_FIN_WAIT_2))
		enter(ep, TCPS_TIME_WAIT);
}

static void read_text(struct tcp_endpoint *ep, const struct endpoint_segment *segment)
{
	uint32_t end = segment->seq + segment->payload_bytes;
	bool in_order = seq_leq(segment->seq, ep->rcv_nxt);

	if (!in(ep, TCPS_ESTABLISHED) && !in(ep, TCPS_FIN_WAIT_1) && !in(ep, TCPS_FIN_WAIT_2))
		return;
	if (segment->payload_bytes > 0 && seq_gt(end, ep->rcv_nxt)) {
		if (ep->orphan) {
			/* 3.6.1: nobody will read it. */
			enter(ep, TCPS_CLOSED);
			reset_for(ep, segment);
			return;
		}
		if (in_order) {
			ep->rcv_nxt = end;
		} else if (ep->n_ranges < ENDPOINT_MAX_RANGES) {
			ep->ranges[ep->n_ranges].left = segment->seq;
			ep->ranges[ep->n_ranges++].right = end;
		} else {
			return;
		}
		take_ranges(ep);
	}
	if (segment->flags & SEG_FIN) {
		ep->peer_fin_known = true;
		ep->peer_fin = end;
	}
	read_fin(ep);
	if (length_of(segment) == 0)
		return;
	if (ep->config.delays_acks && in_order && ep->n_ranges == 0 && (segment->flags & SEG_FIN) == 0)
		ep->ack_due_ns = ep->now_ns + DELAYED_ACK_NS;
	else
		ep->ack_now = true;
}

/* 3.10.7.4 */
static void receive_synchronised(struct tcp_endpoint *ep, const struct endpoint_segment *segment)
{
	if (reopens(ep, segment) || repeats_syn(ep, segment))
		return;
	if (!is_acceptable(ep, segment)) {
		if (segment->flags & SEG_RST)
			return;
		if (in(ep, TCPS_TIME_WAIT) && (segment->flags & SEG_FIN))
			ep->end_due_ns = ep->now_ns + TIME_WAIT_NS;
		emit_ack(ep);
		return;
	}
	if (segment->flags & SEG_RST) {
		receive_reset(ep, segment);
		return;
	}
	if (segment->flags & SEG_SYN) {
		emit_ack(ep); /* RFC 5961 section 4 */
		return;
	}
	if ((segment->flags & SEG_ACK) == 0)
		return;
	if (ep->ts_agreed && segment->timestamps && seq_leq(segment->seq, ep->rcv_nxt) &&
	    seq_gt(segment->ts_val, ep->ts_recent))
		ep->ts_recent = segment->ts_val;
	if (read_ack(ep, segment))
		read_text(ep, segment);
}

void endpoint_receive(struct tcp_endpoint *ep, uint64_t now_ns, const struct endpoint_segment *segment)
{
	begin_call(ep, now_ns, true);
	if (in(ep, TCPS_CLOSED))
		receive_closed(ep, segment);
	else if (in(ep, TCPS_SYN_SENT))
		receive_syn_sent(ep, segment);
	else
		receive_synchronised(ep, segment);
	end_call(ep);
}

/* --- time --- */

uint64_t endpoint_due_ns(const struct tcp_endpoint *ep)
{
	const uint64_t due_ns[] = { ep->resend_due_ns, ep->ack_due_ns, ep->end_due_ns };
	uint64_t first_ns = UINT64_MAX;

	for (unsigned i = 0; i < 3; i++) {
		if (due_ns[i] != 0 && due_ns[i] < first_ns)
			first_ns = due_ns[i];
	}
	return first_ns;
}

void endpoint_timer(struct tcp_endpoint *ep, uint64_t now_ns)
{
	begin_call(ep, now_ns, false);
	if (ep->ack_due_ns != 0 && ep->ack_due_ns <= now_ns)
		emit_ack(ep);
	if (ep->end_due_ns != 0 && ep->end_due_ns <= now_ns) {
		enter(ep, TCPS_CLOSED);
		return;
	}
	if (ep->resend_due_ns == 0 || ep->resend_due_ns > now_ns)
		return;
	if (ep->n_resent == MAX_RESENT) {
		enter(ep, TCPS_CLOSED);
		return;
	}
	ep->n_resent++;
	resend(ep);
	start_resending(ep);
}
