/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

/*
 * How capture_break reaches the capture thread: the flag is looked at between frames, the descriptor stands in every
 * poll, so that a thread that waits for bytes wakes at once. Set by any thread or signal handler, never taken back.
 */
struct break_request {
	atomic_bool requested;
	int event_fd; /* an eventfd, readable from the request on */
};

static inline bool break_requested(const struct break_request *request)
{
	return atomic_load_explicit(&request->requested, memory_order_relaxed);
}
