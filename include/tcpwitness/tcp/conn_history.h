/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tcpwitness/decode/packet.h"
#include "tcpwitness/tcp/tcp_conn.h"

/*
 * Zeek's two summaries of a connection, conn_state and history, as Zeek documents them for conn.log
 * (base/protocols/conn/main.zeek). Kept beside the connection, so that people who read Zeek logs can
 * read ours. Capture thread.
 */
enum { CONN_HISTORY_BYTES = 32 };

struct conn_history {
	char text[CONN_HISTORY_BYTES]; /* zero-terminated; full = no more letters */
	uint8_t length;
	bool started;            /* a segment was seen */
	bool payload_seen;       /* of either side */
	uint8_t endpoint[2];     /* Zeek's endpoint state; all arrays are by enum conn_side */
	uint16_t seen[2];        /* letters already given, a bit each */
	uint32_t last_seq[2][3]; /* sequence numbers of the last S or H, F and R: another number gives another letter */
	uint32_t repeats[2][4];  /* how often C, T, W, G happened: they come again at 10, 100, ... */
};

void conn_history_init(struct conn_history *history);

/* One segment of side, after tcp_conn_advance (or _init) gave *verdict. Not for CONN_DUPLICATE. */
void conn_history_segment(struct conn_history *history, enum conn_side side, const struct packet *packet,
			  const struct tcp_verdict *verdict);

/* The client's SYN that tcp_conn_init_from_syn began with, before the segments after it. */
void conn_history_held_syn(struct conn_history *history, const struct packet_syn *syn);

/* Zeek's conn_state ("SF", "S0", ...; static storage) for what was seen so far. */
const char *conn_history_state(const struct conn_history *history);
