/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/* What goes on in the simulated world: ordinary traffic and trouble, each begun by one call. */
#include "conn.h"

/* Ordinary clients of one server, arriving at random at a mean rate. */
struct crowd {
	struct server *server;
	double per_second;
	bool is_diurnal;
	uint64_t from_ns;
	uint64_t until_ns;
	uint32_t first_ip;
	unsigned n_clients;
	double loss;
	double gives_up;      /* share of clients that never answer the SYN-ACK */
	double resets;        /* share that reset instead of closing */
	struct script script; /* of all; exchanges 0 = a fresh one for each connection, as the web has them */
	bool is_web;
	uint16_t *ports; /* next port of each client */
};

/* A usual visit of a web client. */
struct script web_script(struct sim *sim);

void crowd_begin(struct sim *sim, const struct crowd *crowd);

/* Two servers' worth of a day: web at a rate, health checks, dead hosts, peers, noise, long connections, mail. */
void ordinary_day(struct sim *sim, double per_second, double loss, uint64_t until_ns);

enum spoofing { SPOOF_RANDOM = 0, SPOOF_NET24, SPOOF_ONE, SPOOF_BOTNET };

struct flood {
	struct server *server;
	double per_second;
	uint64_t from_ns;
	uint64_t until_ns;
	uint64_t ramp_ns; /* from nothing to per_second */
	uint64_t on_ns;   /* pulses; 0 = always on */
	uint64_t off_ns;
	enum spoofing spoofing;
	enum stack_kind stack;
	bool is_mixed;       /* stacks at random */
	double owners_reset; /* share of the spoofed addresses whose owners answer with RST */
	double loss;
};

void flood_begin(struct sim *sim, const struct flood *flood);

/* A client host that opens and closes towards one service and chooses ports as its system does. */
struct opener {
	struct server *server;
	uint32_t ip;
	double per_second;
	double ramp_per_second2; /* growth; 0 = at once */
	uint64_t from_ns;
	uint64_t until_ns;
	enum stack_kind stack;
	bool reuses; /* tcp_tw_reuse */
	bool sags;   /* the search for a port costs time behind the flip (L3) */
	bool is_poisson;
	struct script script;
	/* What is so now. */
	uint8_t *taken; /* by port: 0 free, 1 open, 2 TIME_WAIT */
	uint64_t *freed_ns;
	unsigned lowest, n_ports, next, n_taken, step;
	uint64_t two_msl_ns;
	uint64_t first_failure_ns;
	uint64_t half_ns;
	uint64_t n_opened, n_failed;
};

void opener_begin(struct sim *sim, struct opener *opener);

/* Segments of no connection, at a rate. */
struct strays {
	double per_second;
	uint64_t from_ns;
	uint64_t until_ns;
	uint32_t from_ip;   /* 0 = random sources */
	unsigned n_from;    /* so many in a row */
	uint16_t from_port; /* 0 = random */
	uint32_t to_ip;
	unsigned n_to;
	uint16_t to_port;
	uint8_t flags;
	bool to_server;
	bool is_answered; /* by RST */
};

void strays_begin(struct sim *sim, const struct strays *strays);

struct scan {
	uint32_t from_ip;
	unsigned n_sources; /* distributed */
	uint32_t to_ip;
	unsigned n_hosts;
	uint16_t first_port;
	unsigned n_ports;
	double per_second;
	uint64_t from_ns;
	uint8_t flags; /* SYN, or a stealth kind */
	double open;   /* share of endpoints that answer; the others refuse or are silent */
	double refusing;
	bool real_stack;   /* connects, with repeated SYNs (worm) */
	uint64_t until_ns; /* 0 = when all were asked */
};

void scan_begin(struct sim *sim, const struct scan *scan);
