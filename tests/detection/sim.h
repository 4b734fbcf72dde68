/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * A deterministic world of hosts for judging detectors: clients, servers that react, attackers, and a tap between them
 * that writes what passes as a capture. The clock is an event queue; the same seed gives the same bytes.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "random.h"

#define SIM_MS UINT64_C(1000000)
#define SIM_S  UINT64_C(1000000000)

/* 2026-11-20T00:00:00Z, and a little, for nothing in the real world starts on a tick. */
#define SIM_START_NS (UINT64_C(1795132800) * SIM_S + UINT64_C(12345678))

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, URG = 32, ECE = 64, CWR = 128 };

struct sim;
typedef void (*sim_action)(struct sim *sim, void *who, uint64_t argument);

/* How a host's SYNs look. */
enum stack_kind {
	STACK_LINUX = 0,
	STACK_WINDOWS,
	STACK_MACOS,
	STACK_RAW, /* no options, window 512: a tool with raw sockets */
	STACK_MASSCAN,
	STACK_ZMAP,
	STACK_BARE,     /* window 0, no options: most of a published flood (lab L10) */
	STACK_DOMINATE, /* SYN, ECE, CWR, no options (lab L11) */
	STACK_KINDS,
};

/* IPv4 addresses as numbers; with the option ipv6 they stand in 2001:db8::/96. */
struct segment {
	uint32_t from;
	uint32_t to;
	uint16_t from_port;
	uint16_t to_port;
	uint32_t seq;
	uint32_t ack;
	uint8_t flags;
	uint8_t ttl;
	uint16_t window;
	uint16_t ip_id;
	uint8_t options[40];
	uint8_t n_options; /* bytes, a multiple of 4 */
	uint32_t payload_bytes;
};

/* What the tap does to the truth. */
struct tap {
	double lost;      /* share that the sensor does not get */
	double doubled;   /* share that it gets twice */
	double reordered; /* share written up to 2 ms late */
	bool one_way;     /* only what goes to servers passes */
	uint16_t snaplen; /* bytes of a frame */
	uint16_t vlan;    /* 0 = none */
	uint16_t outer_vlan;
	uint64_t blind_ns; /* nothing is written before that (mid-stream start) */
	uint64_t step_ns;  /* at this time the clock jumps back by step_back_ns; 0 = never */
	uint64_t step_back_ns;
	bool ipv6;
};

struct sim_event {
	uint64_t time_ns;
	uint64_t order;
	sim_action action;
	void *who;
	uint64_t argument;
};

struct sim {
	uint64_t now_ns;
	uint64_t end_ns;
	struct random random;
	struct tap tap;
	FILE *capture;
	FILE *truth;
	uint64_t n_packets;
	uint64_t order;
	struct sim_event *heap;
	size_t n_events;
	size_t room;
	struct conn *free_conns;
	unsigned n_attacks;
	struct server *victim; /* of whom truth_end tells what became; null = none */
	struct opener *opener;
};

void sim_at(struct sim *sim, uint64_t time_ns, sim_action action, void *who, uint64_t argument);
static inline void sim_in(struct sim *sim, uint64_t delay_ns, sim_action action, void *who, uint64_t argument)
{
	sim_at(sim, sim->now_ns + delay_ns, action, who, argument);
}

/* Runs until end_ns or until nothing is left to happen. */
void sim_run(struct sim *sim);

double sim_uniform(struct sim *sim);             /* 0 <= x < 1 */
uint64_t sim_below(struct sim *sim, uint64_t n); /* 0 .. n - 1 */
bool sim_chance(struct sim *sim, double probability);
uint64_t sim_exponential_ns(struct sim *sim, double per_second); /* to the next of so many per second */
double sim_pareto(struct sim *sim, double least, double alpha, double most);

/* The segment passes the tap now. to_server: it goes to a server (tap.one_way). */
void tap_pass(struct sim *sim, const struct segment *segment, bool to_server);
int tap_begin(struct sim *sim);
int tap_end(struct sim *sim);

/* Fills flags, window, options and TTL of a SYN as the stack sends it; hops are taken off the TTL. */
unsigned stack_first_ttl(enum stack_kind stack);
void stack_syn(struct segment *segment, enum stack_kind stack, unsigned hops, uint32_t ts_value);

/*
 * One line of truth: what was done to whom, from when to when, and which detectors are right to say so. key and
 * parameters are JSON members without braces.
 */
void truth_attack(struct sim *sim, const char *scenario, const char *accepted, const char *key, uint64_t start_ns,
		  uint64_t end_ns, const char *parameters);
void truth_line(struct sim *sim, const char *kind, const char *members);
const char *ip_text(struct sim *sim, uint32_t ip, char text[static 48]);
