/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tcpwitness/base/units.h"
#include "tcpwitness/tcp/tcp_conn.h"
#include "tcpwitness/tcp/tcp_seq.h"
#include "tcpwitness/tcp/tcp_stamp.h"

/*
 * What a segment is to its sender's sequence space (tcp_sequence.c). A late one occupies sequence numbers, some of them
 * below the highest that passed the tap.
 */
enum segment_class {
	SEGMENT_UNCLASSED = 0,   /* not looked at: SYN, RST, implausible numbers */
	SEGMENT_FIRST,           /* the first that tells this end's numbers */
	SEGMENT_NEXT,            /* just behind what went before, or empty there */
	SEGMENT_GAP,             /* beyond that: something in between was not seen */
	SEGMENT_OLD_EMPTY,       /* occupies nothing, and is numbered below what went before */
	SEGMENT_PROBE,           /* keep-alive or zero-window probe */
	SEGMENT_OUT_OF_ORDER,    /* late, and brings what was not seen: overtaken on its way to the tap */
	SEGMENT_REPEAT_UNSEEN,   /* late, and brings what was not seen: the first one was lost before the tap */
	SEGMENT_REPEAT_SEEN,     /* passed before and is not acknowledged: lost behind the tap, or its ACK was */
	SEGMENT_REPEAT_NEEDLESS, /* passed before, and its acknowledgement too */
};

/*
 * One segment on its way through the machine: what the files of this folder hand to one another.
 * sender and receiver are picked once; no rule below asks which of them is the client, but where
 * the RFC does.
 */
struct segment {
	struct tcp_conn *conn;
	const struct tcp_conn_config *config; /* null for ICMP errors and timers: no rule of theirs asks for it */
	struct recent_segment *recent;        /* the set of segments where this one belongs; null as config */
	struct recent_segment *self;          /* its place there, once it is remembered */
	const struct packet *packet;
	struct tcp_verdict *verdict;
	struct tcp_end *sender;
	struct tcp_end *receiver;
	uint8_t sender_side; /* enum conn_side */
	uint8_t cause;       /* enum conn_cause */
	uint8_t class;       /* enum segment_class, once sequence_advance has looked */
	uint64_t now_ns;
	uint64_t number; /* of the packet */
	uint32_t end;    /* one past its last sequence number, SYN and FIN counted */
};

static inline bool segment_has(const struct segment *seg, uint16_t flag)
{
	return (seg->packet->flags & flag) != 0;
}

/* It occupies sequence numbers. */
static inline bool segment_occupies(const struct segment *seg)
{
	return seg->end != seg->packet->seq;
}

static inline void segment_anomaly(struct segment *seg, enum anomaly anomaly)
{
	anomaly_set_add(&seg->verdict->anomalies, anomaly);
}

/* How its sender is named among the recent segments. */
static inline uint32_t segment_owner(const struct segment *seg)
{
	return seg->conn->owner | seg->sender_side;
}

static inline enum conn_side segment_receiver_side(const struct segment *seg)
{
	return conn_side_other((enum conn_side)seg->sender_side);
}

/*
 * RFC 7413 4.2: to a client that brings a cookie or data on its SYN, a server may speak, and close, before the third
 * segment.
 */
static inline bool client_opens_fast(const struct tcp_end *client)
{
	return client->active_open && (client->fast_open || client->syn_end != client->iss + 1);
}

/* Who closed first: the sender of the first FIN or RST. */
static inline void segment_note_closer(struct segment *seg)
{
	if (seg->conn->closed_by_known)
		return;
	seg->conn->closed_by_known = true;
	seg->conn->closed_by = seg->sender_side;
}

/* tcp_evidence.c: the only file that changes a state. */

/*
 * A later segment of this end, or this one, shows that event happened to it. Transitions are noted; inferred says that
 * the event itself was not seen.
 */
void end_prove(struct segment *seg, enum conn_side side, enum tcp_event event, bool inferred);

/* The same, but only for an event that waits. */
void end_prove_if_pending(struct segment *seg, enum conn_side side, enum tcp_event event);

/* The segment seen going to this end means event, if it arrives. Kept until proved or contradicted. */
void end_presume(struct segment *seg, enum conn_side side, enum tcp_event event);

/* The same, of a segment that passed before the one at hand: the packet of that number. */
void end_presume_since(struct segment *seg, enum conn_side side, enum tcp_event event, uint64_t packet);

/* The same, of a segment that the tap missed: the segment at hand tells of it. The step is inferred. */
void end_presume_unseen(struct segment *seg, enum conn_side side, enum tcp_event event);

/* A connection picked up in its middle: its opening was not seen, and so is inferred. */
void end_begin_opened(struct segment *seg, enum conn_side side);

/*
 * This end acted as if event had not happened: event, and what was presumed after it, is taken back. Returns
 * true when it had been presumed.
 */
bool end_contradict(struct segment *seg, enum conn_side side, enum tcp_event event);

/*
 * The same, where what this end did may have been on its way already when the event was sent to it: then it shows
 * nothing, false is returned, and nothing changes.
 */
bool end_contradict_unless_crossed(struct segment *seg, enum conn_side side, enum tcp_event event);

/* What passed the tap on its way to that end at passed_ns may not have arrived when the segment was sent. */
bool end_may_not_have_it(const struct segment *seg, enum conn_side side, uint64_t passed_ns);

/*
 * The sender sent this before it received what waits: event happens to it before the pending ones. waits, and what
 * follows it, is told as taken back and presumed again.
 */
void end_prove_before(struct segment *seg, enum tcp_event event, enum tcp_event waits);

/* The sender's FIN, which was sent before it read the other one, though it is known already that it read that. */
void end_prove_crossing(struct segment *seg);

/* How late a segment may come to the tap behind a RST that its sender sent after it. */
#define SEGMENT_OVERTAKEN_NS (250 * NS_PER_MS)
static inline bool segment_may_precede_reset(const struct segment *seg)
{
	return seg->sender->rst_sent_stamp != 0 &&
	       ns_since(seg->now_ns, stamp_ns(seg->conn, seg->sender->rst_sent_stamp)) <= SEGMENT_OVERTAKEN_NS;
}

/* A reset turned out not to have ended the sender: back to where it was. */
void end_revive(struct segment *seg, enum conn_side side);

/* At the end of a segment: works out both ends' certainties, and notes those that changed alone. */
void ends_settle(struct segment *seg);

/* True when event waits among the end's pending ones. */
bool end_is_pending(const struct tcp_end *end, enum tcp_event event);

/* Number of the packet from which event waits; 0 when it does not wait. */
uint64_t end_pending_packet(const struct tcp_end *end, enum tcp_event event);

/* tcp_copy.c: the same segment again, not sent again. */

enum segment_copy {
	SEGMENT_ORIGINAL = 0,
	SEGMENT_CAPTURED_TWICE, /* by the capture: it passed the tap once */
	SEGMENT_DELIVERED_TWICE /* by the network */
};

enum segment_copy segment_copy_of(const struct segment *seg);

/* It passed, with the same identification, a short while ago. */
bool segment_is_recent(const struct segment *seg);
void segment_remember(struct segment *seg);

/* Without the bit of that index: those above it move down, as in the array that the bits belong to. */
static inline uint8_t bits_without(uint8_t bits, unsigned index)
{
	unsigned below = (1u << index) - 1;

	return (uint8_t)((bits & below) | ((bits >> 1) & ~below));
}

/* tcp_sequence.c: where a segment stands in its sender's and receiver's sequence space. */

/* False: its numbers are implausible, nothing may follow from it (verdict kind and anomalies are set). */
bool sequence_plausible(struct segment *seg);

/* Applies its sequence numbers to the sender: new, repeated, out of order, a gap, a probe. */
void sequence_advance(struct segment *seg);

/* Applies its acknowledgement and window. */
void acknowledgement_advance(struct segment *seg);

/* tcp_hole.c: what the tap missed of a sender, so far. */

/* The segment is beyond what comes next: what is between is a hole. Before snd_nxt moves. */
void hole_open(struct segment *seg);

/* The segment acknowledges something beyond all that was seen: the other end's snd_nxt moves there after this. */
void hole_open_acknowledged(struct segment *seg);

/* The segment is the last one in sequence now. */
void hole_note_front(struct segment *seg);

/* A hole that overlaps [left, right), the last one, and the number of missing numbers of all; null and 0 without. */
const struct tcp_hole *hole_find(const struct tcp_end *sender, uint32_t left, uint32_t right, uint32_t *missing);

/* There are none any more. */
void holes_forget(struct tcp_end *sender);

/* Takes [left, right) out of the holes. */
void hole_fill(struct tcp_end *sender, uint32_t left, uint32_t right);

/* So many segments at least are so many bytes from sender to receiver. */
uint32_t hole_segments(const struct tcp_end *sender, const struct tcp_end *receiver, uint32_t bytes);

/* The receiver has all below limit; returns how many segments were in holes that it had not acknowledged before. */
uint32_t hole_acknowledge(struct tcp_end *sender, const struct tcp_end *receiver, uint32_t limit);

/* The segment fills a hole that the other end has acknowledged, and so soon that its acknowledgement overtook it. */
bool hole_came_late(const struct segment *seg);

/* The other end has what was in it. */
bool hole_is_acknowledged(const struct tcp_end *sender, const struct tcp_hole *hole);

/* The segment, which fills a hole of its sender, was sent before the one behind it: it is no repeat. */
bool hole_was_overtaken(const struct segment *seg, const struct tcp_hole *hole);

/* True when something the sender sent before sequence number limit was neither seen nor acknowledged. */
bool sequence_has_hole_before(const struct tcp_end *sender, uint32_t limit);

/* tcp_probe.c: a probe moves no sequence number of its sender. */
bool probe_is(const struct segment *seg);
void probe_note(struct segment *seg);

/*
 * The byte of a probe of a closed window was taken after all if the sender goes on from next, or the other end
 * acknowledges up to it. Then it counts. False when there is no such byte.
 */
bool probe_byte_went_in(struct tcp_end *sender, uint32_t next);

/* A segment of the end that was probed, before its acknowledgement is applied. */
void probe_answered(struct segment *seg);

/* The sender of this RST waits in vain for the answer to a keep-alive. */
bool probe_given_up(const struct segment *seg);

/* tcp_overlap.c: does this segment bring other bytes than an earlier one at the same sequence number? */
void overlap_judge(struct segment *seg);

/* tcp_volume.c: a segment brought new payload. */
void volume_note_new_payload(struct segment *seg);

/*
 * tcp_loss.c: where what had to be sent again was lost. Counted are segments that occupy sequence numbers; the loss of
 * a bare ACK shows nowhere.
 */
void loss_note_syn(struct segment *seg);          /* a SYN or SYN-ACK, before it is counted */
void loss_note_syn_received(struct segment *seg); /* the first answer to the receiver's SYN or SYN-ACK */
void loss_note_repeat(struct segment *seg);       /* class is SEGMENT_REPEAT_* */
void loss_note_segment(struct segment *seg);      /* class is known, numbers and ACK are not applied */
/* This acknowledges the receiver's sequence number seq, of which only the repeat had come: the first one was lost. */
bool loss_of_first_shown(const struct segment *seg, uint32_t seq);
void loss_note_acknowledgement(struct segment *seg); /* D-SACK: the receiver sent what the sender had */

/* tcp_opening.c: plain segments of an opening, done without the rules. False: not plain, nothing was done. */
bool opening_syn(struct segment *seg);     /* the first segment of all; the connection is as it begins */
bool opening_segment(struct segment *seg); /* a later one, and no copy */

/* tcp_handshake.c */
void handshake_note_syn_options(struct segment *seg); /* of its sender */
void handshake_choose_synack(struct segment *seg);    /* of several, the one that this segment acknowledges */
void handshake_listened_again(struct segment *seg);   /* before a SYN or SYN-ACK is applied */
void handshake_syn(struct segment *seg);              /* SYN without ACK, not a new incarnation */
bool handshake_synack(struct segment *seg);           /* false: answers no SYN of ours; nothing may follow from it */
bool handshake_ack(struct segment *seg);              /* any other segment with ACK; false as above */
void handshake_infer_opened(struct segment *seg);     /* segments of an open connection whose opening was not seen */

/* tcp_close.c */
void close_segment(struct segment *seg);      /* FIN and its acknowledgements */
void reset_segment(struct segment *seg);      /* RST */
void reset_contradicted(struct segment *seg); /* a segment that is no RST after one */

/* tcp_suspicion.c: what speaks against a RST being its alleged sender's. */
void suspicion_note_reset(struct segment *seg);                   /* of an end that is past SYN_SENT; before all else */
void suspicion_note_refused(struct segment *seg, bool in_window); /* it is not taken */
void suspicion_note_goes_on(struct segment *seg);                 /* no RST, after one that was refused */
void suspicion_contradicted(struct segment *seg);                 /* only one who sent no RST can have sent this */

/* tcp_reset_cause.c: a bare ACK upon a RST that was only in the window challenges it. Before the ACK is applied. */
void reset_challenge(struct segment *seg);

/* Asked before the RST is applied. */
enum conn_rst_cause reset_cause(const struct segment *seg);
bool reset_shows_half_open(const struct segment *seg, enum conn_rst_cause cause);

/* tcp_incarnation.c: does this segment begin the next connection on the tuple? */
enum conn_verdict_kind incarnation_judge(struct segment *seg);

/* A copy of a segment, delivered twice by the network: a listener takes that of a SYN for a SYN, of a RST for a RST. */
void incarnation_note_copy(struct segment *seg);
