/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tcpwitness/tcp/tcp_state.h"

/*
 * A model of one honest TCP endpoint, after RFC 9293 with RFC 5961 and RFC 6191: small, but right in what it sends and
 * in which state it is when it does. It knows nothing of the tracker but the names of the states. Payload is only
 * counted. There is one connection at a time; a host that listens is CLOSED here until a SYN comes.
 */

struct endpoint_segment {
	uint32_t seq;
	uint32_t ack;
	uint16_t flags; /* SEG_* */
	uint32_t payload_bytes;
	unsigned past; /* the state it was sent in: index into the endpoint's past */
	/*
	 * It does not show in which state it was sent: data sent again, perhaps after a FIN that the tap did not see,
	 * and a RST for what belongs to no connection, though there may be another one.
	 */
	bool shows_nothing;
	bool timestamps;
	uint32_t ts_val;
	uint32_t ts_ecr;
};

struct endpoint_config {
	bool listens;
	bool timestamps;         /* RFC 7323 */
	bool delays_acks;        /* RFC 9293 3.8.6.3 */
	bool time_wait_resets;   /* a RST ends TIME_WAIT (RFC 9293 3.10.7.4; RFC 1337 advises against) */
	bool fin_with_data;      /* its last data and its FIN are one segment */
	bool random_iss;         /* not driven by a clock (RFC 9293 3.4.1): the next one may be lower */
	bool synack_establishes; /* in SYN_RCVD it reads the ACK of a SYN-ACK, though its number is old (figure 7) */
};

enum { ENDPOINT_MAX_PAST = 96, ENDPOINT_MAX_OUT = 16, ENDPOINT_MAX_RANGES = 4 };

struct tcp_endpoint {
	struct endpoint_config config;

	/* Every state it was in, oldest first; the last is the present one. */
	unsigned n_past;
	struct {
		uint8_t state;   /* enum tcp_state */
		bool by_segment; /* entered because a segment came (else a timer or its application) */
		bool sent_reset; /* a RST went out in the same step */
	} past[ENDPOINT_MAX_PAST];

	/* What the last call sent, in order. */
	unsigned n_out;
	struct endpoint_segment out[ENDPOINT_MAX_OUT];

	/* RFC 9293 3.3.1. */
	uint32_t iss;
	uint32_t snd_una;
	uint32_t snd_nxt;
	uint32_t data_end; /* one past the last byte that the application wrote; the FIN has this number */
	uint32_t irs;
	uint32_t rcv_nxt;
	uint32_t next_iss;
	bool passive;
	bool fin_wanted;
	bool orphan; /* its application has closed both ways */
	bool ts_agreed;
	uint32_t ts_recent;
	bool peer_fin_known;
	uint32_t peer_fin;
	unsigned n_ranges;
	struct {
		uint32_t left;
		uint32_t right;
	} ranges[ENDPOINT_MAX_RANGES]; /* received out of order */

	/* Timers; 0 = off. */
	uint64_t resend_due_ns;
	uint64_t ack_due_ns;
	uint64_t end_due_ns; /* of TIME_WAIT, and of an orphan's FIN_WAIT_2 */
	unsigned n_resent;

	/* Of the call at work. */
	uint64_t now_ns;
	bool ack_now;
	bool is_receiving;
};

void endpoint_init(struct tcp_endpoint *ep, const struct endpoint_config *config, uint32_t first_iss);

enum tcp_state endpoint_state(const struct tcp_endpoint *ep);

/* The application; what does not fit the state is ignored. */
void endpoint_connect(struct tcp_endpoint *ep, uint64_t now_ns);
void endpoint_write(struct tcp_endpoint *ep, uint64_t now_ns, uint32_t bytes);
void endpoint_shutdown(struct tcp_endpoint *ep, uint64_t now_ns); /* no more to send */
void endpoint_close(struct tcp_endpoint *ep, uint64_t now_ns);    /* nor to read */
void endpoint_abort(struct tcp_endpoint *ep, uint64_t now_ns);
void endpoint_probe(struct tcp_endpoint *ep, uint64_t now_ns); /* keep-alive, RFC 9293 3.8.4 */
void endpoint_crash(struct tcp_endpoint *ep, uint64_t now_ns); /* its host forgets the connection */

void endpoint_receive(struct tcp_endpoint *ep, uint64_t now_ns, const struct endpoint_segment *segment);

/* When its next timer runs out; UINT64_MAX = none runs. */
uint64_t endpoint_due_ns(const struct tcp_endpoint *ep);
void endpoint_timer(struct tcp_endpoint *ep, uint64_t now_ns);
