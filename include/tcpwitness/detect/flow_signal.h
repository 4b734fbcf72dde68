/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tcpwitness/base/ip_addr.h"
#include "tcpwitness/tcp/tcp_conn.h"
#include "tcpwitness/tcp/tcp_state.h"

/*
 * What becomes of connection attempts and connections, as the tracker tells the detectors. Each connection gives each
 * signal at most once, but for those that say otherwise. Detectors count these, never packets (design 1.6).
 *
 * What begins is over once, whatever becomes of the connection or of its place in the table: each COMPLETED and each
 * JOINED is followed by one CLOSED with completed set (an attempt that only seemed over, and then completed, gives
 * CLOSED twice, the first time without), and between them by at most one CLIENT_SPOKE.
 */
enum flow_signal_kind {
	SIGNAL_ATTEMPT = 0,  /* first SYN of a connection */
	SIGNAL_SYN_REPEATED, /* the same SYN again; or another one of the same ports, which makes it not retried */
	SIGNAL_ANSWERED,     /* first SYN-ACK: the connection is half open from now */
	SIGNAL_SYNACK_REPEATED,
	SIGNAL_COMPLETED,        /* the client proved that it has the SYN-ACK */
	SIGNAL_REFUSED,          /* RST answered the SYN */
	SIGNAL_UNREACHABLE,      /* an ICMP error answered the SYN */
	SIGNAL_UNANSWERED,       /* no answer within the deadline (rules: an answer may still come) */
	SIGNAL_STILL_HALF_OPEN,  /* no third ACK within the deadline (one may still come) */
	SIGNAL_HALF_OPEN_ENDED,  /* no longer half open, however it ended; follows every ANSWERED once, see ended */
	SIGNAL_TIME_WAIT,        /* the client owns TIME_WAIT from now: its port is taken for 2MSL */
	SIGNAL_TIME_WAIT_OVER,   /* follows every TIME_WAIT once: 2MSL passed, or the tuple was used again */
	SIGNAL_CLOSED,           /* the connection is over, or its record ends */
	SIGNAL_SERVER_TIME_WAIT, /* as TIME_WAIT, of the server: it closed first */
	SIGNAL_SERVER_TIME_WAIT_OVER,
	SIGNAL_CLIENT_RESET,     /* the client reset after the SYN-ACK, before its ACK: its kernel knows of no SYN */
	SIGNAL_CLIENT_SPOKE,     /* the first payload of the client in an established connection */
	SIGNAL_SYNACK_AFTER_ACK, /* repeats: a SYN-ACK again, although the third ACK must have arrived */
	SIGNAL_DATA_IGNORED,     /* the client's first payload was repeated twice, and nothing of it acknowledged */
	SIGNAL_STALLED,          /* side has closed its window while the other end has something to send */
	SIGNAL_STALLED_OVER,     /* follows every STALLED once; of an end that stalls again, both are given again */
	SIGNAL_HELD,             /* side came into state: CLOSE_WAIT, FIN_WAIT_2, or LAST_ACK and repeats its FIN */
	SIGNAL_HELD_OVER,        /* follows every HELD once */
	SIGNAL_RST_SUSPECT,      /* repeats: a RST that its sender may not have sent: see suspicion */
	SIGNAL_STRAY,            /* repeats: a segment that belongs to no connection; client is its sender: see stray */
	SIGNAL_JOINED,           /* a connection that was picked up in its middle: both ends were heard now */
	/*
	 * The STRAY that a connection began with belonged to it after all: both of its ends were heard (a RST is no
	 * answer), or its sender went on as in a connection, with new data or a FIN behind it. client is the STRAY's
	 * sender and stray its kind, once for each connection; until then, each segment of it is a STRAY.
	 */
	SIGNAL_STRAY_CLAIMED,
	SIGNAL_KIND_COUNT, /* not a signal */
};

/* What kind of segment came out of nowhere. */
enum flow_stray {
	STRAY_SYNACK = 0,
	STRAY_RST,
	STRAY_FIN,     /* FIN alone: no stack sends it without ACK */
	STRAY_FIN_ACK, /* late ones are ordinary; so do Maimon scans look */
	STRAY_ACK,     /* ACK, with or without payload: it may also belong to a connection that began unseen */
	STRAY_NULL,    /* no flag at all */
	STRAY_XMAS,    /* FIN, PSH and URG */
	STRAY_OTHER,   /* SYN and FIN, SYN and RST, FIN and PSH: what no stack sends */
	STRAY_COUNT,   /* not a kind */
};

/* By the segment's SEG_* flags (decode/packet.h). A SYN alone is never stray and counts as OTHER. */
enum flow_stray flow_stray_kind(uint16_t flags);

/* "ACK", "Xmas", ...; as explanations say it. Static storage. */
const char *flow_stray_name(enum flow_stray stray);

/* Why a RST is in doubt; a set of bits. */
enum flow_rst_suspicion {
	RST_SUSPECT_PROBE = 1,        /* its sequence number is not the one expected, though in or near the window */
	RST_SUSPECT_CONTRADICTED = 2, /* its alleged sender goes on as if it had sent none */
	RST_SUSPECT_TTL = 4,          /* another distance than its alleged sender's segments */
	RST_SUSPECT_IP_ID = 8,        /* out of step with its alleged sender's packet numbers */
	RST_SUSPECT_CHALLENGED = 16,  /* its receiver answered with a challenge ACK (RFC 5961) */
};

struct flow_signal {
	enum flow_signal_kind kind;
	bool answered;       /* of UNANSWERED.. CLOSED: a SYN-ACK had been seen */
	bool ended;          /* of COMPLETED: it was half open until now. It stands for HALF_OPEN_ENDED too */
	bool completed;      /* of HALF_OPEN_ENDED, CLOSED: COMPLETED (or JOINED) had been given */
	bool spoke;          /* of CLOSED: CLIENT_SPOKE had been given, or nobody knows as its beginning was not seen */
	bool reused;         /* of TIME_WAIT_OVER: the tuple was used again before 2MSL */
	bool timestamps;     /* the client's SYN offered timestamps */
	bool is_first;       /* of SYN_REPEATED, SYNACK_REPEATED, SYNACK_AFTER_ACK, RST_SUSPECT: of this connection */
	bool retried;        /* its SYN had been sent again */
	bool bare_synack;    /* of ANSWERED: it offers MSS only, although the SYN offered more (and no timestamps) */
	uint8_t side;        /* of STALLED.. HELD_OVER, RST_SUSPECT: enum conn_side of the end in question */
	uint8_t state;       /* of HELD and HELD_OVER: enum tcp_state */
	uint8_t stray;       /* of STRAY: enum flow_stray */
	uint8_t suspicion;   /* of RST_SUSPECT: enum flow_rst_suspicion, a set */
	uint8_t ttl;         /* of the client's SYN */
	uint16_t window;     /* of the client's SYN */
	uint32_t syn_layout; /* of the client's SYN: struct tcp_options.layout */
	uint32_t isn;        /* of the client's SYN */
	struct ip_addr client;
	struct ip_addr server;
	uint16_t client_port;
	uint16_t server_port;
	uint64_t flow_id;
	uint64_t now_ns;
	uint64_t packet_number; /* of the packet during which it was found out */
	/*
	 * When the attempt began (its first SYN); of TIME_WAIT_OVER and SERVER_TIME_WAIT_OVER, when that TIME_WAIT
	 * began; of STALLED.. HELD_OVER, when that began.
	 */
	uint64_t since_ns;
	/*
	 * Of SYNACK_REPEATED, HALF_OPEN_ENDED and COMPLETED (ended), of servers that keep state: when the server gives
	 * the attempt up, by the times of its own repetitions. 0 = it never repeated a SYN-ACK of its own accord, so it
	 * may keep no state.
	 */
	uint64_t held_until_ns;
	uint64_t held_before_ns; /* what the signal before it said; 0 = nothing */
};
