/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tcpwitness/detect/flow_signal.h"

/*
 * A client that takes its source ports as real ones do, and what a tracker tells of its connections to one service
 * (detection science, L1, L2, L3, L8b). Seconds are counted from the start of the model.
 */
enum port_order {
	PORT_ORDER_PARITY = 0, /* Linux: one parity first, from an offset that moves on by 2 .. 16 */
	PORT_ORDER_RANDOM,     /* Windows, macOS, FreeBSD, many gateways */
	PORT_ORDER_NEXT,       /* one after the other */
};

struct port_client {
	/* Rate: rises from start_per_s by growth_per_s2 to most_per_s, then stays; stops at until_s. */
	double start_per_s;
	double growth_per_s2;
	double most_per_s; /* 0 = start_per_s */
	double from_s;
	double until_s;
	double slow_per_s; /* what it manages with half of its ports taken; 0 = as much as without */
	double life_s;     /* mean; exponentially distributed if is_random */
	double two_msl_s;
	double server_closes; /* share of the connections that the server closes: no TIME_WAIT here */
	double resets;        /* share that ends with RST */
	bool is_random;       /* Poisson arrivals */
	bool reuses;          /* takes ports that have been in TIME_WAIT for 1 s */
	enum port_order order;
	uint16_t first_port;
	uint16_t last_port;
	uint8_t ttl;
	uint16_t window;
	uint32_t layout;
	uint64_t seed;
};

extern const struct port_client port_client_linux;
extern const struct port_client port_client_windows;
extern const struct port_client port_client_macos;

/* One thing that a tracker tells. */
struct port_client_event {
	uint64_t order;
	double at_s;
	double since_s;
	enum flow_signal_kind kind;
	bool reused;
	uint16_t port;
};

struct port_client_run {
	struct port_client_event *events; /* by time */
	size_t n_events;
	size_t room;
	double failed_s;  /* first connect() that failed; negative = none did */
	double flipped_s; /* first connection from the other parity; negative = none */
	uint64_t n_opened;
	uint64_t n_failed;
};

/* Aborts when memory is short. */
void port_client_plan(const struct port_client *client, struct port_client_run *run);
void port_client_free(struct port_client_run *run);

struct flow_signal port_client_signal(const struct port_client *client, const struct port_client_event *event,
				      uint64_t start_ns);
