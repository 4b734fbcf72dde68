/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * How one client uses up its ports towards one service (detection science, section 4): ports of open connections,
 * ports in TIME_WAIT, when those come free, and what follows from it.
 */
enum { PORT_RING_SLOTS = 60, PORT_RING_GROUPS = 16 };

struct port_ring {
	uint64_t slot_ns;          /* 2MSL / PORT_RING_SLOTS */
	uint64_t slot;             /* now, as packet time / slot_ns */
	uint32_t active;           /* open or opening connections */
	uint32_t waiting;          /* in TIME_WAIT */
	uint32_t in_use_before;    /* when the slot began */
	uint32_t opened;           /* in this slot */
	uint32_t opened_before[2]; /* in the last slot and the one before */
	uint32_t freed;            /* TIME_WAITs that ended in this slot */
	uint32_t reused;           /* of these, before their time */
	uint32_t n_slots;          /* whole slots seen */
	double arrivals;           /* opened per slot, moving mean */
	double peak_arrivals;
	double taken;                      /* ports per slot that are newly taken, moving mean */
	double reuse_share;                /* of those opened that reuse a port in TIME_WAIT, moving mean */
	uint32_t groups[PORT_RING_GROUPS]; /* opened by source port / 4096 */
	uint16_t entered[PORT_RING_SLOTS]; /* TIME_WAITs that began, by slot; each comes free PORT_RING_SLOTS later */
};

void port_ring_init(struct port_ring *use, uint64_t two_msl_ns, uint64_t now_ns);

/* Closes the slots that are over. To be called before anything else is told of now_ns. */
void port_ring_advance(struct port_ring *use, uint64_t now_ns);

void port_ring_open(struct port_ring *use, uint16_t port);
void port_ring_closed(struct port_ring *use);
void port_ring_time_wait(struct port_ring *use);
void port_ring_time_wait_over(struct port_ring *use, bool reused);

/*
 * Ports that the client can use: range, unless its ports show that it has a wider or the narrower dynamic range (RFC
 * 6335).
 */
uint32_t port_ring_capacity(const struct port_ring *use, uint32_t range);

/* 0 .. 1 and above. */
double port_ring_occupancy(const struct port_ring *use, uint32_t capacity);

/* Connections opened per second. */
double port_ring_rate(const struct port_ring *use);

/* It opens next to none where it opened many before. */
bool port_ring_is_silent(const struct port_ring *use);

/* It is able to use ports again that are still in TIME_WAIT, and does. */
bool port_ring_reuses(const struct port_ring *use);

/*
 * Seconds until no port is left if things go on as they do, at most horizon_s; negative when that is not to be
 * expected.
 */
double port_ring_forecast(const struct port_ring *use, uint32_t capacity, double horizon_s);

/*
 * Takes in what from knows of the same pair: connections of one pair are spread over trackers. Both are to be advanced
 * to the same time before. Associative and commutative; a zeroed value is the neutral element.
 */
void port_ring_merge(struct port_ring *into, const struct port_ring *from);
