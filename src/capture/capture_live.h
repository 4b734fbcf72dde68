/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

#include "tcpwitness/capture/capture.h"

#include "break_request.h"

/* One interface. */
struct capture_live;

/* As capture_open_live; request is borrowed until the close. */
struct capture_live *capture_live_open(const struct capture_live_config *config, const struct break_request *request,
				       struct error *error);
void capture_live_close(struct capture_live *live);

/*
 * All that were opened for the rings of one interface, at least two: from now on each frame comes to one of them. 0, or
 * -1 with *error filled.
 */
int capture_live_share(struct capture_live *const *lives, size_t n, struct error *error);

/* As capture_next_burst, without CAPTURE_END. Numbers of frames are left alone. */
enum capture_result capture_live_next(struct capture_live *live, struct frame *frames, size_t n_max, size_t *n_frames,
				      struct error *error);

/* As capture_expect and capture_silent_until_ns. */
void capture_live_expect(struct capture_live *live, uint64_t due_ns);
uint64_t capture_live_silent_until_ns(const struct capture_live *live);

/* Any thread and signal handlers, after the break was requested: ends libpcap's own loop. */
void capture_live_break(struct capture_live *live);

/* Fills the three drop counters. Capture thread. */
void capture_live_get_drops(struct capture_live *live, struct capture_stats *stats);
