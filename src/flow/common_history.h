/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

#include "tcpwitness/tcp/conn_history.h"

/*
 * Histories (conn_history.h) that most connections in good order have at some time, so that a flow at rest holds a
 * number instead of the text. All begin with "Sh", and whatever a history begins with is one of them too. seen and
 * endpoint are as in struct conn_history; then are the numbers of those that follow with one more letter: 0 = none.
 * Number 0 stands for all others.
 */
enum common_step { STEP_DATA = 0, STEP_ACK, STEP_FIN, STEPS_OF_END };

struct common_history {
	char text[12];
	uint16_t seen[2];
	uint8_t endpoint[2];
	uint8_t then[2 * STEPS_OF_END]; /* by enum conn_side that sends, then by the first of what it sends */
	uint8_t length;
	uint8_t has_payload; /* of either end */
};

enum {
	N_COMMON_HISTORIES = 62,
	COMMON_HISTORY_OPENED = 2, /* the handshake alone: "ShA" */
	/*
	 * A number from here on says what the next segment may ask of a history that is none of these: its lowest bits
	 * are the steps D, A, d and a, set where that letter was given. Both ends have the connection, and payload was
	 * seen.
	 */
	OWN_HISTORIES = 240,
};

extern const struct common_history common_histories[N_COMMON_HISTORIES];

/* What a flow at rest says of its history. */
uint8_t common_history_number(const struct conn_history *history);

/* The number that follows when side sends something of that kind in good order; 0 = none does. */
uint8_t common_history_then(uint8_t number, enum conn_side side, enum common_step step);

/* The history that a number stands for; the first of all when it must be written in full. */
static inline const struct common_history *common_history_at(uint8_t number)
{
	return &common_histories[number < N_COMMON_HISTORIES ? number : 0];
}
