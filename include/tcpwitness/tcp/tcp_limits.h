/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/* Limits of the state machine that the short way of segments (flow/) has to know too. */
enum {
	/* tcp_volume.c: a run of this many segments of at most so many bytes is no accident. */
	TCP_SMALL_PAYLOAD_BYTES = 16,
	TCP_SMALL_RUN_SEGMENTS = 32,
	/* tcp_volume.c: this much under way is never too much. */
	TCP_EXCESS_BYTES = 1 << 20,
	/* tcp_loss.c: a counter that goes up by more, or back by more, is none of a connection. */
	TCP_MOST_IDS_MISSED = 8,
};
