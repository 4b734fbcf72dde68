/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "tcpwitness/decode/packet.h"

/*
 * Two honest endpoints (tcp_endpoint.h), a path between them that loses, repeats, overtakes and holds back, and a tap
 * in the path's middle. The tracker is shown what passes the tap, and is held to what the endpoints know of themselves.
 */

/* What one run may contain beyond loss, repetition and delay on either side of the tap. */
enum {
	LAB_TAP_MISSES = 1 << 0,    /* segments that arrive, but that the tap does not see */
	LAB_BOTH_CONNECT = 1 << 1,  /* the server's host too, also at the same time (RFC 9293 3.5) */
	LAB_REUSE_AT_ONCE = 1 << 2, /* a new connection while segments of the old one are on their way */
	LAB_REUSE = 1 << 4,         /* a new connection while the other end has the old one still (figures 9 and 10) */
	LAB_CRASHES = 1 << 3,       /* a host forgets its connection */
};

struct lab_score {
	uint64_t looks;  /* ends that were compared with their endpoint, one look a packet */
	uint64_t proved; /* of these */
	uint64_t right;  /* state is that of the endpoint now */
	uint64_t packets;
};

/*
 * The bytes steer what the applications and the path do; when they are used up, the path is good and everything comes
 * to rest. Returns null, or what the tracker said that is not so (static, until the next call). trace may be null;
 * *score is added to. Deterministic. Not thread-safe.
 */
const char *lab_run(const uint8_t *data, size_t size, unsigned allowed, FILE *trace, struct lab_score *score);

/* The same, but nobody looks at what the tracker says: tap is shown each packet that passes the tap. */
typedef void lab_tap_fn(void *context, const struct packet *packet);
void lab_play(const uint8_t *data, size_t size, unsigned allowed, lab_tap_fn *tap, void *context);
