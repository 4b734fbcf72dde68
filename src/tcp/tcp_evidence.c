/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is known of an end, and how surely. A segment at the tap proves what its sender did and
 * knew; it does not prove that its receiver got it. So an end has a state that its own segments
 * prove (sure), an ordered list of events that happened to it if the segments seen going to it arrived
 * (pending), and the state that follows from both. Evidence moves events from pending to sure; a
 * contradiction throws them away. Every change of state in the program goes through here.
 */
#include "tcp_internal.h"

#include <string.h>

/* Without a measured round trip, segments this close behind one another may have crossed. */
#define CROSSING_UNKNOWN_NS (250 * NS_PER_MS)
/* What a round trip may be longer than the one that was measured. */
#define CROSSING_MARGIN_NS (20 * NS_PER_MS)

static void note(struct segment *seg, enum conn_side side, uint8_t from, uint8_t to, bool inferred)
{
	struct tcp_verdict *verdict = seg->verdict;

	if (verdict->n_transitions == CONN_MAX_TRANSITIONS)
		return;
	verdict->transitions[verdict->n_transitions++] = (struct tcp_transition){
		.side = (uint8_t)side,
		.from = from,
		.to = to,
		.certainty = seg->conn->end[side].certainty,
		.cause = seg->cause,
		.inferred = inferred,
		.caused_by = seg->conn->end[side].caused_by,
	};
}

bool end_is_pending(const struct tcp_end *end, enum tcp_event event)
{
	return memchr(end->pending, (int)event, end->n_pending) != NULL;
}

/* A passive open that is reset listens again (RFC 9293 3.10.7.4); an end that opened actively is closed. */
static uint8_t next_state(const struct tcp_end *end, uint8_t state, enum tcp_event event)
{
	enum tcp_state next = tcp_state_next((enum tcp_state)state, event);

	if (event == TCPE_RCV_RST && next == TCPS_LISTEN && end->active_open)
		next = TCPS_CLOSED;
	return (uint8_t)next;
}

/* What sure becomes when the pending events happen; *caused_by is the packet that the last step to it came with. */
static uint8_t state_with_pending(const struct tcp_end *end, uint64_t *caused_by)
{
	uint8_t state = end->sure;

	*caused_by = end->sure_caused_by;
	for (unsigned i = 0; i < end->n_pending; i++) {
		uint8_t next = next_state(end, state, (enum tcp_event)end->pending[i]);
		if (next != state)
			*caused_by = end->pending_packet[i];
		state = next;
	}
	return state;
}

/*
 * The other end's FIN was seen: it may have been read since this end sent what was seen last, also when it was behind a
 * hole (the tap may have missed what this end has), or when this end acted as if not (it may be on its way still).
 */
static bool may_have_read_fin(const struct tcp_conn *conn, enum conn_side side)
{
	const struct tcp_end *end = &conn->end[side];
	const struct tcp_end *other = &conn->end[conn_side_other(side)];
	bool acknowledged = end->acked_any && seq_gt(end->last_ack, other->fin_seq);

	return other->fin_seen && !acknowledged && end->sure != TCPS_CLOSED;
}

/* The same of the acknowledgement of its own FIN. */
static bool may_have_read_ack_of_fin(const struct tcp_conn *conn, enum conn_side side)
{
	const struct tcp_end *end = &conn->end[side];
	const struct tcp_end *other = &conn->end[conn_side_other(side)];
	bool waits = end->sure == TCPS_FIN_WAIT_1 || end->sure == TCPS_CLOSING || end->sure == TCPS_LAST_ACK;

	return waits && end->fin_seen && other->acked_any && seq_gt(other->last_ack, end->fin_seq);
}

/*
 * An unheard end is never more than presumed, whatever its peer's segments say of it; no segment shows that somebody
 * listens; a FIN that the tap may have missed would have moved both ends; and the third segment may have come from an
 * end that the tap does not hear.
 */
static enum tcp_certainty certainty_of(const struct tcp_conn *conn, enum conn_side side)
{
	const struct tcp_end *end = &conn->end[side];
	const struct tcp_end *other = &conn->end[conn_side_other(side)];
	bool close_may_be_unseen = conn->end[0].close_may_be_unseen || conn->end[1].close_may_be_unseen;

	if (end->state != end->sure || !end->heard || end->assumed || end->may_be_opening || close_may_be_unseen ||
	    end->state == TCPS_LISTEN)
		return TCP_PRESUMED;
	if (end->state == TCPS_SYN_RCVD && !other->heard)
		return TCP_PRESUMED;
	if (end->close_order_unsure || may_have_read_fin(conn, side) || may_have_read_ack_of_fin(conn, side))
		return TCP_PRESUMED;
	return TCP_PROVED;
}

static void update(struct segment *seg, enum conn_side side, bool contradicted, bool inferred)
{
	struct tcp_end *end = &seg->conn->end[side];
	uint8_t from = end->state;
	uint64_t caused_by;

	end->state = state_with_pending(end, &caused_by);
	if (end->state == from)
		return;
	end->caused_by = caused_by;
	end->certainty = contradicted ? TCP_CONTRADICTED : (uint8_t)certainty_of(seg->conn, side);
	end->state_packet = seg->number;
	note(seg, side, from, end->state, inferred);
}

uint64_t end_pending_packet(const struct tcp_end *end, enum tcp_event event)
{
	const uint8_t *place = memchr(end->pending, (int)event, end->n_pending);

	return place == NULL ? 0 : end->pending_packet[place - end->pending];
}

static void drop_pending(struct tcp_end *end, enum tcp_event event)
{
	uint8_t *place = memchr(end->pending, (int)event, end->n_pending);

	if (place == NULL)
		return;
	size_t index = (size_t)(place - end->pending);
	size_t behind = end->n_pending - (index + 1);
	memmove(place, place + 1, behind);
	memmove(&end->pending_packet[index], &end->pending_packet[index + 1], behind * sizeof(end->pending_packet[0]));
	memmove(&end->pending_stamp[index], &end->pending_stamp[index + 1], behind * sizeof(end->pending_stamp[0]));
	end->n_pending--;
}

/*
 * Some events can only happen to an end that is established: a FIN is read, and but for Fast Open with every stack in
 * use also sent, after the handshake. So they prove its completion too.
 */
static void prove_established_first(struct segment *seg, enum conn_side side, enum tcp_event event)
{
	struct tcp_end *end = &seg->conn->end[side];
	bool closes_early = event == TCPE_SND_FIN && client_opens_fast(&seg->conn->end[conn_side_other(side)]);
	bool needs = (event == TCPE_RCV_FIN || event == TCPE_SND_FIN || event == TCPE_RCV_ACK_OF_FIN) && !closes_early;

	if (needs && end->sure == TCPS_SYN_RCVD)
		end_prove(seg, side, TCPE_RCV_ACK_OF_SYN, !end_is_pending(end, TCPE_RCV_ACK_OF_SYN));
	if (needs && end->sure == TCPS_SYN_SENT)
		end_prove(seg, side, TCPE_RCV_SYNACK, !end_is_pending(end, TCPE_RCV_SYNACK));
}

/* What this end sent is the segment at hand, unless that one only tells of it; what it was sent had to wait. */
static uint64_t packet_of(const struct segment *seg, const struct tcp_end *end, enum tcp_event event, bool inferred)
{
	bool sent = event <= TCPE_SND_RST;

	if (sent)
		return inferred ? 0 : seg->number;
	return end_pending_packet(end, event);
}

/*
 * It has the SYN-ACK, and would have answered a SYN that came before it with a SYN-ACK of its own (RFC 9293 3.5, figure
 * 7): that SYN has not come.
 */
static void overtake(struct segment *seg, enum conn_side side, enum tcp_event event)
{
	struct tcp_end *end = &seg->conn->end[side];
	uint64_t synack = end_pending_packet(end, TCPE_RCV_SYNACK);

	if (event != TCPE_RCV_SYNACK || end->sure != TCPS_SYN_SENT || !end_contradict(seg, side, TCPE_RCV_SYN))
		return;
	if (synack != 0)
		end_presume_since(seg, side, TCPE_RCV_SYNACK, synack);
}

void end_prove(struct segment *seg, enum conn_side side, enum tcp_event event, bool inferred)
{
	struct tcp_end *end = &seg->conn->end[side];

	prove_established_first(seg, side, event);
	overtake(seg, side, event);
	if (event == TCPE_SND_RST && end->sure != TCPS_CLOSED) {
		end->sure_before_rst = end->sure;
		end->sure_caused_by_before_rst = end->sure_caused_by;
	}
	uint8_t next = next_state(end, end->sure, event);
	if (next != end->sure)
		end->sure_caused_by = packet_of(seg, end, event, inferred);
	drop_pending(end, event);
	if (event == TCPE_SND_SYNACK)
		drop_pending(end, TCPE_RCV_SYN);
	end->sure = next;
	if (event == TCPE_SND_RST)
		end->n_pending = 0;
	update(seg, side, false, inferred);
}

void end_prove_if_pending(struct segment *seg, enum conn_side side, enum tcp_event event)
{
	if (end_is_pending(&seg->conn->end[side], event))
		end_prove(seg, side, event, false);
}

void end_presume(struct segment *seg, enum conn_side side, enum tcp_event event)
{
	end_presume_since(seg, side, event, seg->number);
}

static void presume(struct segment *seg, enum conn_side side, enum tcp_event event, uint64_t packet, bool inferred)
{
	struct tcp_end *end = &seg->conn->end[side];
	const uint8_t *place = memchr(end->pending, (int)event, end->n_pending);

	if (place != NULL)
		end->pending_stamp[place - end->pending] = stamp_of(seg->conn, seg->now_ns);
	if (place != NULL || end->n_pending == CONN_MAX_PENDING)
		return;
	if (next_state(end, end->state, event) == end->state)
		return;
	end->pending_stamp[end->n_pending] = stamp_of(seg->conn, seg->now_ns);
	end->pending_packet[end->n_pending] = packet;
	end->pending[end->n_pending++] = (uint8_t)event;
	update(seg, side, false, inferred);
}

void end_presume_since(struct segment *seg, enum conn_side side, enum tcp_event event, uint64_t packet)
{
	presume(seg, side, event, packet, false);
}

void end_presume_unseen(struct segment *seg, enum conn_side side, enum tcp_event event)
{
	presume(seg, side, event, 0, true);
}

bool end_contradict(struct segment *seg, enum conn_side side, enum tcp_event event)
{
	struct tcp_end *end = &seg->conn->end[side];
	uint8_t *place = memchr(end->pending, (int)event, end->n_pending);

	if (place == NULL)
		return false;
	end->n_pending = (uint8_t)(place - end->pending);
	update(seg, side, true, false);
	return true;
}

void end_prove_before(struct segment *seg, enum tcp_event event, enum tcp_event waits)
{
	enum conn_side side = (enum conn_side)seg->sender_side;
	struct tcp_end *end = seg->sender;
	const struct tcp_end before = *end;

	end_contradict(seg, side, waits);
	end_prove(seg, side, event, false);
	for (unsigned i = end->n_pending; i < before.n_pending; i++)
		end_presume_since(seg, side, (enum tcp_event)before.pending[i], before.pending_packet[i]);
}

void end_prove_crossing(struct segment *seg)
{
	enum conn_side side = (enum conn_side)seg->sender_side;
	struct tcp_end *end = seg->sender;
	uint64_t other_fin = end->sure_caused_by;

	end->sure = TCPS_ESTABLISHED;
	end->sure_caused_by = 0;
	update(seg, side, true, false);
	end_prove(seg, side, TCPE_SND_FIN, false);
	end_presume_since(seg, side, TCPE_RCV_FIN, other_fin);
	end_prove(seg, side, TCPE_RCV_FIN, false);
}

void end_revive(struct segment *seg, enum conn_side side)
{
	struct tcp_end *end = &seg->conn->end[side];

	end->sure = end->sure_before_rst;
	end->sure_caused_by = end->sure_caused_by_before_rst;
	update(seg, side, true, false);
}

void end_begin_opened(struct segment *seg, enum conn_side side)
{
	struct tcp_end *end = &seg->conn->end[side];

	end->sure = TCPS_ESTABLISHED;
	end->state = TCPS_ESTABLISHED;
	end->certainty = TCP_PRESUMED;
	end->assumed = true;
	end->state_packet = seg->number;
	note(seg, side, TCPS_ESTABLISHED, TCPS_ESTABLISHED, true);
}

/*
 * Twice the round trip between the tap and an end, as the handshake showed it: for so long after something was sent to
 * the end, what comes from it may have been sent before that arrived.
 */
static uint64_t crossing_ns(const struct tcp_conn *conn, enum conn_side side)
{
	uint32_t rtt_us = side == SIDE_CLIENT ? conn->rtt_client_us : conn->rtt_server_us;

	return rtt_us == UINT32_MAX ? CROSSING_UNKNOWN_NS : 2 * (uint64_t)rtt_us * NS_PER_US + CROSSING_MARGIN_NS;
}

bool end_may_not_have_it(const struct segment *seg, enum conn_side side, uint64_t passed_ns)
{
	return ns_since(seg->now_ns, passed_ns) <= crossing_ns(seg->conn, side);
}

bool end_contradict_unless_crossed(struct segment *seg, enum conn_side side, enum tcp_event event)
{
	const struct tcp_end *end = &seg->conn->end[side];
	const uint8_t *place = memchr(end->pending, (int)event, end->n_pending);

	if (place == NULL)
		return false;
	if (end_may_not_have_it(seg, side, stamp_ns(seg->conn, end->pending_stamp[place - end->pending])))
		return false;
	return end_contradict(seg, side, event);
}

/* The last thing that this segment did to the end's state; null when it did nothing. */
static struct tcp_transition *last_move(struct tcp_verdict *verdict, enum conn_side side)
{
	for (unsigned i = verdict->n_transitions; i > 0; i--) {
		if (verdict->transitions[i - 1].side == side)
			return &verdict->transitions[i - 1];
	}
	return NULL;
}

void ends_settle(struct segment *seg)
{
	for (unsigned i = 0; i < 2; i++) {
		enum conn_side side = (enum conn_side)i;
		struct tcp_end *end = &seg->conn->end[side];
		enum tcp_certainty certainty = certainty_of(seg->conn, side);

		/* What was rolled back stays so until the state moves on: it says why the state is what it is. */
		if (end->certainty == TCP_CONTRADICTED)
			continue;
		if (certainty == (enum tcp_certainty)end->certainty)
			continue;
		struct tcp_transition *move = last_move(seg->verdict, side);
		end->certainty = (uint8_t)certainty;
		end->state_packet = seg->number;
		/* The same segment may first presume a state and then prove it: that is one step. */
		if (move != NULL)
			move->certainty = (uint8_t)certainty;
		else
			note(seg, side, end->state, end->state, false);
	}
}
