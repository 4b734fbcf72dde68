/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

/*
 * Frames given to an interface through memory shared with the kernel (packet_mmap, TPACKET_V2), past the queueing
 * discipline: the fastest way out that a program has. One thread.
 */
struct tx_ring;

enum { TX_FRAME_MAX_BYTES = 1514 };

/* Null with a line on standard error. Needs CAP_NET_RAW. */
struct tx_ring *tx_ring_open(const char *interface);
void tx_ring_close(struct tx_ring *ring);

/* Room for the next frame, TX_FRAME_MAX_BYTES of it; waits for the kernel when none is free. Null when it refuses. */
uint8_t *tx_ring_next(struct tx_ring *ring);

/* The room got last holds a frame of n_bytes. */
void tx_ring_put(struct tx_ring *ring, uint32_t n_bytes);

/* Gives the kernel all frames that were put. 0, or -1 with a line on standard error. */
int tx_ring_send(struct tx_ring *ring);

/* Waits until all were taken. How many the kernel refused, of all that were put. */
uint64_t tx_ring_finish(struct tx_ring *ring);
