/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

/*
 * Histories (conn_history.h) that most connections in good order have at some time, so that a flow at rest holds a
 * number instead of the text. seen and endpoint are as in struct conn_history; then is the number of the history that
 * follows on a first D, A, d or a: 0 = none of these, or nothing follows. Number 0 stands for all others.
 */
struct common_history {
	char text[12];
	uint16_t seen[2];
	uint8_t endpoint[2];
	uint8_t then[4];
	uint8_t length;
	uint8_t has_payload; /* of either end */
};

enum { N_COMMON_HISTORIES = 62 };

extern const struct common_history common_histories[N_COMMON_HISTORIES];
