/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * Connections of the simulated world, packet by packet: a client and a server that keep TCP's rules, with their
 * timers, over a path that loses. The tap stands between them.
 */
#include "sim.h"

enum reaction {
	REACTS_LINUX = 0, /* backlog, pruning above its half, cookies or silence when it is full */
	REACTS_WINDOWS,   /* two repetitions, no cookies */
	REACTS_PROXY,     /* answers every SYN and keeps nothing (SYN proxy, or cookies always) */
	REACTS_REFUSING,  /* RST: nobody listens */
	REACTS_SILENT,    /* dead, or filtered */
};

struct server {
	uint32_t ip;
	uint16_t port;
	enum reaction reaction;
	unsigned backlog; /* as in listen(): one more fits */
	bool cookies;
	bool counts_timestamps;    /* cookies keep options in the time stamp, if the client has one */
	unsigned accept_backlog;   /* one more fits; 0 = without end */
	double accepts_per_second; /* 0 = at once */
	unsigned hops;
	uint64_t delay_ns; /* to the tap */
	/* What is so now. */
	unsigned n_half_open;
	unsigned n_young;   /* of them: SYN-ACK not repeated yet */
	unsigned n_waiting; /* for accept() */
	uint64_t accepting_ns;
	unsigned peak_half_open;
	uint64_t full_ns; /* first time that the backlog was full */
	uint64_t half_full_ns;
	uint64_t first_cookie_ns;
	uint64_t last_cookie_ns;
	uint64_t n_cookies;
	uint64_t n_dropped; /* SYNs */
};

/* What a client does once it is connected. */
struct script {
	uint32_t request_bytes; /* 0 = it never says anything */
	uint32_t response_bytes;
	unsigned exchanges;
	uint64_t think_ns;       /* before each request */
	uint64_t answer_ns;      /* the server's time for a response */
	uint64_t hold_ns;        /* after the last response, before the first FIN */
	uint64_t close_delay_ns; /* between the first FIN and the other one; UINT64_MAX = never */
	bool server_closes;
	bool client_resets; /* instead of closing */
	bool stops_reading; /* the client's window stays closed after the first response segments */
	bool leaves;        /* the client is gone once it sent its FIN */
	bool vanishes;      /* the client is gone once it is connected: it answers nothing any more */
};

struct conn;
typedef void (*conn_over)(struct sim *sim, struct conn *conn, void *owner, bool completed);

struct conn {
	struct conn *next_free;
	struct server *server;
	void *owner;
	conn_over over; /* the client is done with it (its port may be in TIME_WAIT); null = nobody asks */
	uint32_t client_ip;
	uint16_t client_port;
	uint8_t stack;
	uint8_t hops;
	float loss;        /* of each segment, each half of the way */
	uint64_t delay_ns; /* client to tap */
	struct script script;
	/* What is so now. */
	struct tcp_side {
		uint32_t iss;
		uint32_t nxt; /* relative to iss */
		uint32_t una;
		uint32_t highest;
		uint32_t rcv;     /* next expected from the other one, relative to its iss */
		uint32_t to_send; /* up to here, FIN not counted */
		uint8_t tries;
		uint8_t timer; /* generation */
		bool fin_wanted, fin_sent, fin_acked, fin_seen;
		bool window_closed;
		bool is_open; /* established */
		bool is_gone; /* closed: answers with RST, or not at all */
	} client, server_side;
	uint32_t refs;
	unsigned exchanges_done;
	bool is_bogus;     /* nobody is behind the client's address: a spoofed SYN */
	bool owner_resets; /* somebody is there who does not know of it: RST for the SYN-ACK */
	bool is_linear;    /* SYNs are repeated every second at first (Linux since 6.5) */
	bool has_entry, is_young, is_cookie, is_waiting;
	bool is_told; /* over was called */
	bool completed;
	bool repeats_never; /* the client sends one SYN only */
	bool is_ignored;    /* server: its third ACK was dropped with a cookie */
};

/* A connection that has not sent anything yet. */
struct conn *conn_new(struct sim *sim, struct server *server, uint32_t client_ip, uint16_t client_port);

/* Sends the SYN now. */
void conn_open(struct sim *sim, struct conn *conn);

/*
 * Somebody beside the path sends a RST in the name of one end. beside: how far its number is from the one that would be
 * right; 0 = it hits.
 */
void conn_forge_rst(struct sim *sim, struct conn *conn, bool to_server, uint32_t beside, uint8_t ttl);

/* A lone segment of nobody's connection passes the tap. */
void stray_segment(struct sim *sim, uint32_t from, uint16_t from_port, uint32_t to, uint16_t to_port, uint8_t flags,
		   uint8_t ttl, bool to_server);
