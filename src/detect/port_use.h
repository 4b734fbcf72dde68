/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tcpwitness/base/units.h"
#include "tcpwitness/detect/flow_signal.h"

/*
 * How one client uses up its ports towards one service (detection science, section 4), as one tracker saw it. Those of
 * several trackers merge: every member is a sum, a minimum or a maximum, kept apart by numbered seconds of packet time.
 * It draws no conclusions; port_forecast.h and the detector do.
 *
 * A pair gets one when it deserves attention; what it did before is taken in as a number and spread over time.
 */
#define PORT_USE_SLOT_NS NS_PER_SEC
enum {
	PORT_USE_SLOTS = 512, /* more than twice the longest 2MSL in use, 240 s: what comes free, and how rates rise */
	PORT_USE_GROUPS = 64,
	PORT_USE_GROUP_PORTS = 1024,
	PORT_USE_GAPS = 8,
};

struct port_use_slot {
	uint32_t number;         /* packet time / PORT_USE_SLOT_NS + 1, modulo 2^32; 0 = empty */
	uint32_t opened;         /* connections that completed */
	uint32_t opened_odd;     /* of these, from an odd port */
	uint32_t closed;         /* connections that ended, with or without TIME_WAIT */
	uint32_t waiting;        /* the client's TIME_WAITs that began, but for those that a new connection cut short */
	uint32_t server_waiting; /* the same of the server's */
	uint32_t cut_short;      /* TIME_WAITs that a new connection cut short in this second */
	uint32_t lived_ms;       /* how long the closed ones had lived, together */
};

/* Ports that were used: of a group of PORT_USE_GROUP_PORTS. */
struct port_use_group {
	uint32_t opened; /* 0: lowest and highest mean nothing */
	uint32_t lowest;
	uint32_t highest;
};

/* Stacks that differ in their ephemeral ports or in 2MSL, by what their SYNs look like. */
enum port_use_stack {
	PORT_STACK_OTHER = 0,
	PORT_STACK_LINUX,
	PORT_STACK_WINDOWS,
	PORT_STACK_MACOS,
	PORT_STACK_FREEBSD,
	PORT_STACKS, /* not a stack */
};

/* Time between the beginning of TIME_WAIT and a new connection on the same ports: bucket i ends at 2^i s. */
struct port_use_gap {
	uint32_t count;
	uint32_t shortest_ms; /* 0 with count 0 */
};

/* For serialisation: two uint64_t, and then nothing but uint32_t up to the end. */
struct port_use {
	uint64_t since_ns;    /* it counts connections that began since then */
	uint64_t followed_ns; /* one by one since then; those before are estimated */
	uint32_t estimated;   /* of the opened: these */
	uint32_t opened;      /* all of these wrap around; differences do not */
	uint32_t closed;
	uint32_t waiting;   /* TIME_WAITs of the client that began */
	uint32_t cut_short; /* of these, by a new connection on the same ports */
	uint32_t server_waiting;
	uint32_t server_cut_short;
	uint32_t stacks[PORT_STACKS]; /* opened, by stack, where a SYN was seen */
	uint32_t ttl_lowest;          /* of the SYNs; 0 = none yet */
	uint32_t ttl_highest;
	struct port_use_gap gaps[PORT_USE_GAPS];
	struct port_use_group groups[PORT_USE_GROUPS];
	struct port_use_slot slots[PORT_USE_SLOTS];
};

/* It counts connections whose first SYN came at since_ns or later, one by one. */
void port_use_init(struct port_use *use, uint64_t since_ns);

/*
 * The same from now_ns on, for a pair of which some is known already: of its connections since since_ns, so many are
 * open, and so many in TIME_WAIT at the client. These are taken to have come evenly.
 */
void port_use_begin(struct port_use *use, uint64_t since_ns, uint64_t now_ns, uint32_t open, uint32_t waiting);

/*
 * Counts what one of the pair's signals says about its ports: COMPLETED, JOINED, CLOSED, TIME_WAIT, TIME_WAIT_OVER,
 * SERVER_TIME_WAIT, SERVER_TIME_WAIT_OVER. Others say nothing and may be given too.
 */
void port_use_signal(struct port_use *use, const struct flow_signal *signal);

/* Adds what another tracker saw of the same pair. Associative and commutative. */
void port_use_merge(struct port_use *into, const struct port_use *from);

/* The second that holds time_ns; null when nothing is known of it. */
const struct port_use_slot *port_use_slot_at(const struct port_use *use, uint64_t time_ns);

/* Connections that are open now. */
uint32_t port_use_active(const struct port_use *use);

/* By TTL, window and options of a SYN. */
enum port_use_stack port_use_stack_of(uint8_t ttl, uint16_t window, uint32_t layout);
