/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tcpwitness/base/units.h"
#include "tcpwitness/flow/anomaly_counts.h"
#include "tcpwitness/flow/flow_key.h"
#include "tcpwitness/tcp/conn_history.h"
#include "tcpwitness/tcp/tcp_conn.h"

/*
 * Where a flow stands in the table: its timer and its place in the order of eviction. A class is a
 * queue in the order of last touch, so the head is always the next to expire.
 */
enum flow_class {
	FLOW_CLASS_FREE = 0,       /* not in use */
	FLOW_CLASS_UNANSWERED_NEW, /* SYN only, answer still to be expected */
	FLOW_CLASS_UNANSWERED,     /* SYN only, answer overdue */
	FLOW_CLASS_HALF_OPEN_NEW,  /* SYN-ACK seen, third ACK still to be expected */
	FLOW_CLASS_HALF_OPEN,      /* third ACK overdue */
	FLOW_CLASS_MIDSTREAM,      /* one end heard, and no SYN of it: whatever it says, it may be nobody's */
	FLOW_CLASS_ESTABLISHED,
	FLOW_CLASS_HALF_CLOSED,
	FLOW_CLASS_CLOSING,
	FLOW_CLASS_TIME_WAIT,
	FLOW_CLASS_CLOSED, /* over; kept so that late segments do not become connections */
	FLOW_CLASS_COUNT,  /* not a class */
};

/* Name as in counters ("half_open_new"). Static storage. */
const char *flow_class_name(enum flow_class flow_class);

/* Why a flow's record was written. Names follow EVE where EVE has one. */
enum flow_end_reason {
	FLOW_END_TIMEOUT = 0,
	FLOW_END_CLOSED = 1,   /* over, and the grace for late segments passed */
	FLOW_END_EVICTED = 2,  /* the table was full: EVE "forced" */
	FLOW_END_REUSED = 3,   /* EVE "tcp_reuse" */
	FLOW_END_SHUTDOWN = 4, /* end of the capture or of the sensor */
	FLOW_END_INTERIM = 5,  /* it goes on, and has lived long since its last record */
};

const char *flow_end_reason_name(enum flow_end_reason reason);

/* A window that holds an ordinary segment is wide, whatever the MSS: see gauges. */
enum { FLOW_WIDE_WINDOW_BYTES = 1460 };

/*
 * Bits of signals: of an attempt that was completed, of its end, of its client that spoke, and of ends that waited.
 * pipeline/tracker_signals.c holds them against enum flow_signal_kind.
 */
enum {
	FLOW_SIGNALS_OPENED = 1 << 0 | 1 << 2 | 1 << 4 | 1 << 9,
	FLOW_SIGNAL_COMPLETED = 1 << 4,
	FLOW_SIGNAL_CLOSED = 1 << 12,
	FLOW_SIGNAL_SPOKE = 1 << 16,
	FLOW_SIGNAL_TIME_WAIT = 1 << 10,
	FLOW_SIGNAL_SERVER_TIME_WAIT = 1 << 13,
	FLOW_SIGNALS_HELD = 1 << 21 | 1 << 22,
};

/* synack_after and synack_held are kept in this unit: good for four minutes. */
#define FLOW_SYNACK_UNIT_NS (4 * NS_PER_MS)

/* A server that goes on for longer than its greeting may last serves a client that has nothing to say. */
enum { FLOW_GREETED_S = 2 };

/* The states that last, of which the detectors are told when they begin and when they are over. */
enum flow_held { FLOW_HELD_NOTHING = 0, FLOW_HELD_CLOSE_WAIT, FLOW_HELD_FIN_WAIT_2, FLOW_HELD_LAST_ACK };

/* What pipeline/tracker_gauges.c has begun at an end and not ended. */
struct flow_gauges {
	uint8_t held : 2; /* enum flow_held: which state was signalled */
	uint8_t is_narrow : 1;
	uint8_t is_stalled : 1;
	uint8_t is_stray : 1; /* it sent the segment that the flow began with, which was SIGNAL_STRAY */
};

struct flow_direction {
	uint64_t packets;
	uint64_t bytes;   /* IP packets with their headers */
	uint32_t held_ms; /* since when this end is in held, see struct flow; after first_ns */
	uint16_t flags;   /* union of SEG_* */
	uint8_t ttl_min;
	uint8_t ttl_max;
};

struct flow {
	struct flow_key key;
	uint64_t hash;
	uint64_t id;          /* number of its first packet: unique, and the same on every run */
	uint64_t previous_id; /* the incarnation before it on the same tuple; 0 = none known */
	uint64_t touched_ns;  /* when it last took its place in its class's queue; never goes backwards */
	uint64_t first_ns;
	uint64_t last_ns;
	uint64_t recorded_ns; /* time of its last interim record, or of its beginning */
	struct tcp_conn conn;
	struct flow_direction direction[2]; /* by enum conn_side that sent */
	uint32_t slot;                      /* its place in the table; see flow_table.c */
	uint32_t signals;      /* which enum flow_signal_kind were given, a bit each (pipeline/tracker_signals.c) */
	uint32_t n_interim;    /* interim records so far */
	uint32_t narrow_ms[2]; /* since when an end's window is too small, see gauges; after first_ns */
	struct conn_history history;
	uint16_t synack_after; /* its last SYN-ACK, and how long the server keeps it from then on: see */
	uint16_t synack_held;  /* pipeline/tracker_half_open.c */
	uint16_t source;       /* index of file or interface of its first packet */
	uint16_t vlans[PACKET_MAX_VLANS];
	uint8_t tunnels[PACKET_MAX_TUNNELS];
	uint8_t n_vlans;
	uint8_t n_tunnels;
	uint8_t flow_class;           /* enum flow_class */
	uint8_t client_index;         /* which end of the key (0 or 1) is the client */
	bool alerted;                 /* something happened to it while an alarm was open for its server */
	struct flow_gauges gauges[2]; /* by enum conn_side */
	struct anomaly_counts anomalies;
};

/* Address and port of one side. */
static inline struct ip_addr flow_addr(const struct flow *flow, enum conn_side side)
{
	struct ip_addr addr = { .version = (uint8_t)flow->key.ip_version };
	unsigned index = side == SIDE_CLIENT ? flow->client_index : 1u - flow->client_index;
	memcpy(addr.bytes, flow->key.addr[index], sizeof(addr.bytes));
	return addr;
}

static inline uint16_t flow_port(const struct flow *flow, enum conn_side side)
{
	return flow->key.port[side == SIDE_CLIENT ? flow->client_index : 1u - flow->client_index];
}
