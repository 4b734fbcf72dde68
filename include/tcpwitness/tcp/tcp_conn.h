/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tcpwitness/decode/packet.h"
#include "tcpwitness/tcp/recent_segments.h"
#include "tcpwitness/tcp/tcp_state.h"

/*
 * One connection as a passive observer knows it: two ends, each with a state that its own segments
 * prove and a list of things it was sent but has not yet shown to have received. Deterministic:
 * no clock, no I/O, no allocation, no globals. Capture thread.
 */

/* The ends of a connection; also the index into tcp_conn.end. */
enum conn_side {
	SIDE_CLIENT = 0, /* sent the first SYN, or is the best guess */
	SIDE_SERVER = 1,
};

static inline enum conn_side conn_side_other(enum conn_side side)
{
	return side == SIDE_CLIENT ? SIDE_SERVER : SIDE_CLIENT;
}

/* What the connection's record begins with. */
enum conn_origin {
	CONN_ORIGIN_SYN = 0,
	CONN_ORIGIN_SYNACK = 1,    /* the SYN was not seen */
	CONN_ORIGIN_MIDSTREAM = 2, /* data or a bare ACK */
	CONN_ORIGIN_CLOSING = 3,   /* FIN or RST: nothing before it was seen */
};

/* The segment or timer class behind a transition, as in tcp_state.cause. */
enum conn_cause {
	CONN_CAUSE_SYN = 0,
	CONN_CAUSE_SYNACK,
	CONN_CAUSE_ACK,
	CONN_CAUSE_DATA,
	CONN_CAUSE_FIN,
	CONN_CAUSE_RST,
	CONN_CAUSE_ICMP,
	CONN_CAUSE_TIMEOUT,
	CONN_CAUSE_COUNT, /* not a cause */
};

/* Why the flow's record says what became of the connection (one per record). */
enum conn_outcome {
	CONN_OUTCOME_IN_PROGRESS = 0, /* the capture or the sensor ended first */
	CONN_OUTCOME_NEVER_ANSWERED,
	CONN_OUTCOME_REFUSED,
	CONN_OUTCOME_UNREACHABLE,
	CONN_OUTCOME_HALF_OPEN_TIMEOUT,
	CONN_OUTCOME_HALF_OPEN_RESET,
	CONN_OUTCOME_COMPLETED_NORMAL,
	CONN_OUTCOME_COMPLETED_HALF_CLOSED,
	CONN_OUTCOME_ABORTED_BY_CLIENT,
	CONN_OUTCOME_ABORTED_BY_SERVER,
	CONN_OUTCOME_ESTABLISHED_IDLE_TIMEOUT,
	CONN_OUTCOME_MIDSTREAM_COMPLETED,
	CONN_OUTCOME_MIDSTREAM_RESET,
	CONN_OUTCOME_MIDSTREAM_TIMEOUT,
	CONN_OUTCOME_COUNT, /* not an outcome */
};

/* Why the RST that ended the connection was sent, as far as its form tells (RFC 9293 3.5.2, 3.6.1, 3.10.5). */
enum conn_rst_cause {
	CONN_RST_CAUSE_NONE = 0,           /* no RST ended it */
	CONN_RST_CAUSE_CLOSED_PORT,        /* it refuses a SYN */
	CONN_RST_CAUSE_NO_SUCH_CONNECTION, /* it answers a segment of a connection that its sender does not have */
	CONN_RST_CAUSE_ABORT,              /* its sender gives up a connection that it has */
	CONN_RST_CAUSE_LATE_DATA,          /* its sender had closed, and data came */
	CONN_RST_CAUSE_CHALLENGE_REPLY,    /* it answers a challenge ACK (RFC 5961) */
	CONN_RST_CAUSE_UNKNOWN,
	CONN_RST_CAUSE_COUNT, /* not a cause */
};

/* Why a RST is in doubt; a set of bits. */
enum conn_rst_suspicion {
	CONN_RST_PROBE = 1,        /* refused for its sequence number, and so was one before it with another */
	CONN_RST_CONTRADICTED = 2, /* its alleged sender goes on as if it had sent none */
	CONN_RST_TTL = 4,          /* another distance than its alleged sender's segments */
	CONN_RST_IP_ID = 8,        /* out of step with its alleged sender's packet numbers */
	CONN_RST_CHALLENGED = 16,  /* its receiver answered with a challenge ACK (RFC 5961 3.2) */
};

/* What the opening says of explicit congestion notification (RFC 3168 6.1.1, RFC 9768 3.1). */
enum conn_ecn {
	CONN_ECN_NONE = 0, /* not asked for, or the SYN was not seen */
	CONN_ECN_OFFERED,  /* asked for, and not taken up as far as was seen */
	CONN_ECN_CLASSIC,  /* agreed */
	CONN_ECN_ACCURATE, /* agreed, with more accurate feedback */
	CONN_ECN_COUNT,    /* not a result */
};

/* What the options of an end's SYN say of Multipath TCP (RFC 8684 3.1 and 3.2). */
enum conn_mptcp {
	CONN_MPTCP_NONE = 0,
	CONN_MPTCP_CAPABLE, /* MP_CAPABLE: it would make this the first subflow of a connection */
	CONN_MPTCP_JOIN,    /* MP_JOIN: it adds this subflow to a connection that is elsewhere */
	CONN_MPTCP_COUNT,   /* not a result */
};

enum {
	CONN_MAX_SYN_CANDIDATES = 4,
	CONN_MAX_HOLES = 4,
	CONN_MAX_PENDING = 4, /* an opening, both halves of a close, a reset; what comes beyond is left out */
	CONN_MAX_REPEATS = 4,
};

/* Sequence numbers [left, right) that the tap was passed over by, and the segments around them. */
struct tcp_hole {
	uint32_t left;
	uint32_t right;
	uint32_t stamp;        /* when the segment behind it passed */
	uint32_t ts_behind;    /* TSval of that segment, if in holes_dated */
	uint16_t ip_id_before; /* IPv4 identification of the segment before it; 0 = unknown */
	uint16_t ip_id_behind;
};

/*
 * One end. Sequence numbers are in host order. Invariants: snd_una <= snd_nxt (mod 2^32) once both are
 * known; state is what sure becomes when the pending events happen in order.
 *
 * There are two in each flow, and memory is made of flows: members stand in the order of their sizes, truths are one
 * bit each, and rings are arrays side by side.
 */
struct tcp_end {
	/*
	 * Numbers of packets, 0 where there is none. state_packet is the one with which state and certainty became what
	 * they are (with proved: the one that proved it; 0: a timer); caused_by the segment that brought this end into
	 * state, which it sent or was sent (0: unseen, or a timer).
	 */
	uint64_t state_packet;
	uint64_t caused_by;
	uint64_t sure_caused_by; /* as caused_by, of sure */
	uint64_t sure_caused_by_before_rst;
	uint64_t pending_packet[CONN_MAX_PENDING]; /* of the first segment that can have meant pending[i] */
	uint64_t fin_packet;                       /* in which its FIN passed last */

	uint64_t last_ns;       /* time of its last segment */
	uint64_t payload_bytes; /* each sequence number once */

	/* Sequence space. */
	uint32_t iss;        /* sequence number of its SYN */
	uint32_t syn_end;    /* one past the last sequence number of its SYN: iss + 1, and more with data on it */
	uint32_t snd_nxt;    /* one past the highest sequence number seen sent, SYN and FIN counted */
	uint32_t snd_una;    /* highest acknowledgement of it that the other end sent */
	uint32_t last_ack;   /* highest acknowledgement number it sent */
	uint32_t stray_next; /* one past its last segment that was too far away to be believed */
	uint32_t fin_seq;    /* sequence number of its FIN */
	uint32_t fin_suspected_seq;  /* of a FIN of it that crossed the other one and may have been missed */
	uint32_t acked_fin_at;       /* its next number when it acknowledged the other FIN without one of its own */
	uint32_t nxt_before_fin_ack; /* see tcp_close.c: above it, all was seen with an ACK of the peer's FIN */
	uint32_t rst_seq;            /* of the RST that it sent, if rst_sent or rst_refused */
	uint32_t peer_nxt_at_rst;    /* snd_nxt of the other end then */
	uint32_t window_bytes;       /* its receive window as last advertised, scaled */
	uint32_t right_edge;         /* of its window, as last advertised behind the handshake */
	uint32_t ts_val;             /* highest TSval it sent */
	uint32_t new_bytes;          /* of payload sent after the flow was picked up, saturated */
	uint32_t candidates[CONN_MAX_SYN_CANDIDATES]; /* for iss while the handshake is open, newest last */

	/* Stamps: when something was, see struct tcp_conn. */
	uint32_t pending_stamp[CONN_MAX_PENDING]; /* when the latest segment passed that can have meant pending[i] */
	uint32_t fin_stamp;                       /* when its FIN passed first */
	uint32_t rst_sent_stamp;                  /* when its last RST passed, taken or not */
	uint32_t rst_refused_stamp;               /* when it sent a RST that was only in the window */

	struct tcp_hole holes[CONN_MAX_HOLES]; /* oldest first */

	/* Counters. */
	uint32_t syns; /* SYN or SYN-ACK segments, repeats included */
	uint32_t fins;
	uint32_t rsts;
	uint32_t retransmissions; /* segments */
	uint32_t out_of_order;
	uint32_t lost_before_tap; /* segments that occupy sequence numbers */
	uint32_t lost_after_tap;
	uint32_t zero_windows;
	uint32_t duplicate_acks;

	/* Where its losses were, see tcp_loss.c. */
	uint32_t first_syn_ts_val; /* of its first SYN or SYN-ACK, and of its last */
	uint32_t last_syn_ts_val;
	struct {
		uint32_t left;
		uint32_t right;
		uint32_t ts_val;      /* of the repeat, if dated */
	} repeated[CONN_MAX_REPEATS]; /* counted as lost behind the tap; the other end may still say that it had them */
	struct {
		uint32_t left;
		uint32_t right;
	} sacked[4];               /* what the other end has beyond snd_una, as it said last (RFC 2018) */
	uint32_t last_repeat_left; /* of its last segment that was sent again */
	uint32_t last_repeat_right;
	uint32_t longest_payload_bytes;

	uint16_t mss;         /* 0 = not offered */
	uint16_t syn_flags;   /* SEG_* */
	uint16_t last_window; /* as in the header, for duplicate ACKs */
	uint16_t front_ip_id; /* IPv4 identification of the segment that ends at snd_nxt; 0 = unknown */
	uint16_t last_ip_id;

	/* State. */
	uint8_t state;           /* enum tcp_state: the best estimate */
	uint8_t sure;            /* enum tcp_state: what this end's own segments prove */
	uint8_t certainty;       /* enum tcp_certainty of state */
	uint8_t sure_before_rst; /* enum tcp_state: to go back to when a reset turns out not to have happened */
	uint8_t n_pending;
	uint8_t pending[CONN_MAX_PENDING]; /* enum tcp_event: sent to this end, receipt not shown yet, in tap order */

	uint8_t n_holes;
	uint8_t holes_dated;        /* a bit for each of holes, as those that follow; the bits of unused ones are 0 */
	uint8_t holes_acknowledged; /* the other end has it: only the tap misses it */
	uint8_t n_repeated;
	uint8_t n_sacked;
	uint8_t n_candidates;
	uint8_t small_run;      /* very small segments in a row */
	uint8_t ip_ids_missed;  /* counted as lost before the tap by their identifications; they may still come late */
	uint8_t probe;          /* enum probe of tcp_probe.c: its last segment was a probe that was not answered yet */
	uint8_t wscale;         /* what its SYN offered */
	uint8_t mptcp;          /* enum conn_mptcp: what its SYN offered */
	uint8_t repeated_dated; /* a bit for each of repeated; the bits of unused ones are 0 */
	uint8_t ttl;            /* of its last segment that was no RST */
	uint8_t rst_suspicion;  /* enum conn_rst_suspicion: traits of all its RSTs, see tcp_suspicion.c */

	/* As a number, too, for those who compare or keep all of them. */
	union {
		struct {
			/* What is known of it. */
			bool heard : 1; /* at least one segment of this end was seen */
			/* sure is assumed: picked up in its middle, or it did what a closed end may do */
			bool assumed : 1;
			/* both connect, and an end in SYN_RCVD may send what proved it established */
			bool may_be_opening : 1;
			bool active_open : 1;  /* it sent a SYN of its own, so a reset takes it to CLOSED, not LISTEN */
			bool seq_known : 1;    /* snd_nxt is valid */
			bool una_known : 1;    /* snd_una is valid: the other end has acknowledged something */
			bool acked_any : 1;    /* last_ack is valid */
			bool stray_known : 1;  /* stray_next is valid */
			bool stray_is_fin : 1; /* that segment was a FIN */
			bool edge_known : 1;   /* right_edge is valid */
			bool window_known : 1; /* window_bytes is scaled rightly */
			/* it sent signatures (RFC 2385, RFC 5925): who knows whether a RST is believed */
			bool signs : 1;
			bool probe_byte : 1; /* its probe carried the byte snd_nxt, which the other end may take */

			/* Of its SYN. */
			bool syn_seen : 1;       /* its SYN or SYN-ACK was seen, iss is sure */
			bool wscale_cut_off : 1; /* its options were cut off: whether it offered a scale is not known */

			/* What it offered and shows of its stack; side by side, see src/flow/flow_rest.c. */
			/* with a cookie (RFC 7413): the other end may speak before the third segment */
			bool fast_open : 1;
			bool wscale_ok : 1;
			bool sack_ok : 1;
			bool timestamps : 1;
			bool timestamps_declined : 1; /* it was read to its end and offered none */
			bool ts_known : 1;            /* ts_val is valid */
			bool ip_ids_count_up : 1; /* its IPv4 identifications number the packets of this connection */
			bool ip_ids_of_host : 1;  /* they number those of others too: see tcp_loss.c */

			/* Of its FIN. */
			bool fin_seen : 1;  /* it was seen (or must have been sent), fin_seq is valid */
			bool fin_again : 1; /* it passed more than once, sent again or delivered twice */
			/* it may repeat an unseen one: which end closed first is not sure */
			bool close_order_unsure : 1;
			bool close_may_be_unseen : 1; /* it may have been missed: neither end's state is sure */
			bool fin_suspected : 1; /* an unseen number at its end was acknowledged: a byte or a FIN */
			bool fin_crossed_suspected : 1; /* fin_suspected_seq is valid, see tcp_close.c */

			/* Of the other end's FIN. */
			bool fin_held_back : 1;          /* it has it (SACK), but not everything before it */
			bool fin_ack_sent : 1;           /* it acknowledged it */
			bool fin_ack_boundary_known : 1; /* nxt_before_fin_ack is valid */

			/* Of its RST. */
			bool rst_sent : 1;
			bool rst_challenged : 1; /* the RST of rst_refused_stamp was answered with a challenge ACK */
			bool rst_copied : 1;     /* a RST of it was delivered twice by the network */
			/* a RST of it was not taken: rst_seq is that of the last, if not rst_sent */
			bool rst_refused : 1;
			bool rst_waits : 1; /* that one was in the window, and it has brought nothing new since */
		};
		uint64_t truths;
	};
};

/* A SYN as far as a connection may begin with it later. */
struct packet_syn {
	uint64_t time_ns;
	uint64_t number;
	uint32_t seq;
	uint32_t ts_val; /* options: as in struct tcp_options, which has room for what no SYN carries */
	uint32_t ts_ecr;
	uint32_t layout;
	uint16_t options_present;
	uint16_t mss;
	uint16_t window;
	uint16_t flags;
	uint8_t wscale;
	uint8_t fastopen_cookie_bytes;
	uint8_t mptcp_subtype;
};

struct tcp_conn {
	struct tcp_end end[2]; /* by enum conn_side */
	/*
	 * Members named stamp hold microseconds since then, exact for 18 minutes; what is older may look less old, but
	 * never less than that. 0 = never.
	 */
	uint64_t stamps_from_ns;
	uint64_t first_syn_ns;
	uint64_t last_syn_ns;
	uint64_t later_syn_ns; /* when the last SYN behind the first one passed, or a copy of one; 0 = none */
	uint64_t first_synack_ns;
	struct packet_syn next_syn; /* might open the next incarnation while this one is not surely over */
	uint32_t rtt_client_us;     /* SYN-ACK to ACK, behind the tap on the client's side; UINT32_MAX = unknown */
	uint32_t rtt_server_us;     /* SYN to SYN-ACK */
	uint32_t syn_layout;        /* of the client's SYN */
	uint32_t owner;             /* names the connection among the recent segments; even, see segment_owner */
	uint16_t syn_window;
	uint8_t origin;        /* enum conn_origin */
	uint8_t rst_cause;     /* enum conn_rst_cause: of the first RST that took effect */
	uint8_t closed_by;     /* enum conn_side: who sent the first FIN or RST */
	uint8_t next_syn_side; /* enum conn_side that sent next_syn */
	union {
		struct {
			bool closed_by_known : 1;
			bool next_syn_held : 1;
			bool next_syn_challenged : 1; /* a bare ACK answered it */
			/* who is the client is known: by its SYN, or it took up a SYN-ACK */
			bool direction_certain : 1;
			bool unsolicited : 1;      /* it began with a SYN-ACK that a RST answered */
			bool established_once : 1; /* the client proved that it has the SYN-ACK */
			bool refused : 1;
			bool unreachable : 1;  /* an ICMP error answered the SYN */
			bool synack_reset : 1; /* client reset after SYN-ACK, before its ACK */
		};
		uint16_t truths;
	};
};

struct tcp_transition {
	uint8_t side;       /* enum conn_side */
	uint8_t from;       /* enum tcp_state */
	uint8_t to;         /* equal to from when only the certainty changed */
	uint8_t certainty;  /* enum tcp_certainty of to */
	uint8_t cause;      /* enum conn_cause */
	bool inferred;      /* happened unseen and was filled in */
	uint64_t caused_by; /* number of the segment that brought the end into to; 0: unseen, or a timer */
};

enum { CONN_MAX_TRANSITIONS = 16 };

enum conn_verdict_kind {
	CONN_ACCEPT = 0, /* the segment counts */
	CONN_TRACK_ONLY =
		1, /* it counts as traffic, but says nothing of the state (implausible numbers, bad checksum) */
	CONN_DUPLICATE = 2,       /* the same packet captured twice: counts as nothing but a duplicate */
	CONN_NEW_INCARNATION = 3, /* this segment opens a new connection on the same tuple; nothing was changed here */
	CONN_NEW_INCARNATION_HELD_SYN = 4, /* the held SYN (next_syn) did, and this segment belongs to the new one */
};

/* What one segment did. */
struct tcp_verdict {
	uint8_t kind; /* enum conn_verdict_kind */
	uint8_t n_transitions;
	struct tcp_transition transitions[CONN_MAX_TRANSITIONS]; /* in order */
	struct anomaly_set anomalies;                            /* of this segment, decode anomalies included */
	bool completed;   /* this segment completed the handshake: the client proved ESTABLISHED */
	bool new_payload; /* brought payload not seen before */
	bool retransmitted_payload;
	bool acked_gap;         /* it acknowledged something that the other end, which is visible, sent unseen */
	bool came_late;         /* it was overtaken by its own acknowledgement, so it was counted as unseen */
	uint8_t n_unseen;       /* segments in the gap that it acknowledged, by their size; 255 = or more */
	bool third_ack_ignored; /* a SYN-ACK again, though the third segment had time to arrive */
	uint8_t rst_suspicion;  /* a RST of its sender, this one or an earlier, is in doubt: enum conn_rst_suspicion */
};

struct tcp_conn_config {
	/* A gap filled within this is out_of_order, not a loss, where the segments and the round trip tell no more. */
	uint64_t reorder_tolerance_ns;
	uint64_t duplicate_window_ns; /* an identical packet within this is a capture duplicate; 0 = off */
	uint64_t max_window_bytes;    /* a larger window is an anomaly; 0 = none is */
	bool rst_strict;              /* RFC 5961: only an exact sequence number resets; else any in the window */
};

void tcp_conn_config_defaults(struct tcp_conn_config *config);

/* What connections have in common. */
struct tcp_context {
	struct tcp_conn_config config;
	struct recent_segments *recent; /* borrowed */
};

/*
 * A name for the connection that began with that packet: another one for each of the last thousand million. No secret
 * is in it, or which segments are remembered (recent_segments.h), and so what is said of them, would differ from run to
 * run.
 */
static inline uint32_t tcp_conn_owner(uint64_t first_packet)
{
	return (uint32_t)(first_packet * UINT64_C(0x9e3779b97f4a7c15) >> 32) & ~UINT32_C(1);
}

/*
 * Begins a connection with its first segment and applies it. Which side sent it is decided here
 * (SYN: the client; SYN-ACK: the server; else by ports: the lower one is the server's, and
 * direction_certain stays false) and returned. *conn need not be initialised. verdict is filled. owner is that of
 * tcp_conn_owner.
 */
enum conn_side tcp_conn_init(struct tcp_conn *conn, const struct tcp_context *context, uint32_t owner,
			     const struct packet *packet, struct tcp_verdict *verdict);

/*
 * Begins the next incarnation with a SYN held by the old one (CONN_NEW_INCARNATION_HELD_SYN). side is the sender
 * of that SYN, which becomes the client. *verdict gets the SYN's transitions.
 */
void tcp_conn_init_from_syn(struct tcp_conn *conn, const struct tcp_context *context, uint32_t owner,
			    const struct packet_syn *syn, struct tcp_verdict *verdict);

/*
 * Applies one more segment, sent by side. *verdict is filled; for the two NEW_INCARNATION kinds *conn is unchanged
 * but for counters of anomalies. now is packet->time_ns.
 */
void tcp_conn_advance(struct tcp_conn *conn, const struct tcp_context *context, enum conn_side side,
		      const struct packet *packet, struct tcp_verdict *verdict);

/* Applies an ICMP error that quotes a segment sent by side. Unknown quoted numbers change nothing. */
void tcp_conn_icmp(struct tcp_conn *conn, enum conn_side side, const struct packet *packet,
		   struct tcp_verdict *verdict);

/*
 * Time ran out in the present state (2MSL, give-up, idle): estimates what the ends did without a segment.
 * Transitions carry the cause "timeout" and certainty presumed.
 */
void tcp_conn_expire(struct tcp_conn *conn, uint64_t now_ns, struct tcp_verdict *verdict);

/*
 * What became of the connection, as things stand. idle_timeout: the flow's timer ran out (not the
 * end of the capture, and not an eviction).
 */
enum conn_outcome tcp_conn_outcome(const struct tcp_conn *conn, bool idle_timeout);

/* Coarse phase, for timers and eviction; derived from both ends' states. */
enum conn_phase {
	CONN_PHASE_UNANSWERED = 0, /* SYN only */
	CONN_PHASE_HALF_OPEN,      /* SYN-ACK seen, the client has not shown that it has it */
	CONN_PHASE_MIDSTREAM,      /* picked up without a handshake, only one end heard so far */
	CONN_PHASE_ESTABLISHED,
	CONN_PHASE_HALF_CLOSED, /* one FIN acknowledged or seen, the other end still open */
	CONN_PHASE_CLOSING,     /* both FINs sent, or one unanswered */
	CONN_PHASE_TIME_WAIT,   /* an end holds TIME_WAIT */
	CONN_PHASE_CLOSED,      /* reset, refused, unreachable */
	CONN_PHASE_COUNT,       /* not a phase */
};

enum conn_phase tcp_conn_phase(const struct tcp_conn *conn);

/*
 * True when an end holds TIME_WAIT; *owner is that end (the client when both hold it, as its ports are the ones
 * that run out).
 */
bool tcp_conn_time_wait_owner(const struct tcp_conn *conn, enum conn_side *owner);

/* What SYN and SYN-ACK agreed on. */
enum conn_ecn tcp_conn_ecn(const struct tcp_conn *conn);

/* Names as in events. Static storage. */
const char *conn_ecn_name(enum conn_ecn ecn);
const char *conn_mptcp_name(enum conn_mptcp mptcp);
const char *conn_side_name(enum conn_side side);
const char *conn_origin_name(enum conn_origin origin);
const char *conn_rst_cause_name(enum conn_rst_cause cause);
const char *conn_cause_name(enum conn_cause cause);
const char *conn_outcome_name(enum conn_outcome outcome);
