/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "live_tx_ring.h"

/* What is sent: the frames of a capture, over and over, or a flood of SYNs. */
struct frame_source;

/*
 * A capture of bench_generate: what it cut off was zero, and is put back. Each time that it begins again, all addresses
 * are others, so that its connections are new ones. Null with a line on standard error.
 */
struct frame_source *frame_source_capture(const char *path);

/* SYNs from random addresses of 10.0.0.0/8 to the address (host order) and port. Null when memory is short. */
struct frame_source *frame_source_flood(uint32_t address, uint16_t port, uint64_t seed);

void frame_source_close(struct frame_source *source);

/* Writes the next frame, of at most TX_FRAME_MAX_BYTES; returns its length. */
uint32_t frame_source_next(struct frame_source *source, uint8_t *frame);
