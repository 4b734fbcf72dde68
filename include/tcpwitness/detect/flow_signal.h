/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tcpwitness/base/ip_addr.h"

/*
 * What becomes of connection attempts, as the tracker tells the detectors. Each connection gives each signal
 * at most once, but for the repeats. Detectors count these, never packets (design 1.6).
 */
enum flow_signal_kind {
	SIGNAL_ATTEMPT = 0,  /* first SYN of a connection */
	SIGNAL_SYN_REPEATED, /* the same SYN again */
	SIGNAL_ANSWERED,     /* first SYN-ACK: the connection is half open from now */
	SIGNAL_SYNACK_REPEATED,
	SIGNAL_COMPLETED,       /* the client proved that it has the SYN-ACK */
	SIGNAL_REFUSED,         /* RST answered the SYN */
	SIGNAL_UNREACHABLE,     /* an ICMP error answered the SYN */
	SIGNAL_UNANSWERED,      /* no answer within the deadline (rules: an answer may still come) */
	SIGNAL_STILL_HALF_OPEN, /* no third ACK within the deadline (one may still come) */
	SIGNAL_HALF_OPEN_ENDED, /* no longer half open, however it ended; follows every ANSWERED once */
	SIGNAL_TIME_WAIT,       /* the client owns TIME_WAIT from now: its port is taken for 2MSL */
	SIGNAL_TIME_WAIT_OVER,  /* follows every TIME_WAIT once: 2MSL passed, or the tuple was used again */
	SIGNAL_CLOSED,          /* the connection is over, or its record ends */
	SIGNAL_KIND_COUNT,      /* not a signal */
};

struct flow_signal {
	enum flow_signal_kind kind;
	bool answered;       /* of UNANSWERED.. CLOSED: a SYN-ACK had been seen */
	bool completed;      /* of HALF_OPEN_ENDED, CLOSED: the handshake had completed */
	bool reused;         /* of TIME_WAIT_OVER: the tuple was used again before 2MSL */
	bool timestamps;     /* the client's SYN offered timestamps */
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
	uint64_t since_ns;      /* when the attempt began (its first SYN) */
};
