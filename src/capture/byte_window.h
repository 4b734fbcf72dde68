/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Where bytes come from: read returns their number, 0 at the end, or -1 with errno. */
struct byte_source {
	ssize_t (*read)(void *context, uint8_t *out, size_t out_bytes);
	void *context; /* borrowed */
};

/*
 * A piece of a stream, long enough for its next record, so that records are looked at where they were read to. Their
 * bytes stay in place while more of them are taken, until byte_window_fill.
 */
struct byte_window {
	struct byte_source source;
	uint8_t *buffer;
	size_t room_bytes;
	size_t usual_bytes; /* what is read into of the room, unless one record needs more */
	size_t begin;       /* of the bytes that are at hand and not yet taken */
	size_t end;
	int error; /* an errno: why the source gives no more; 0 = it ended */
};

/* Returns 0, or -1 when memory is short. A fini is due in both cases. */
int byte_window_init(struct byte_window *window, struct byte_source source, size_t room_bytes);
void byte_window_fini(struct byte_window *window);

/*
 * Reads until n_bytes are at hand, and as much more as comes with them. A window that is too small for them grows.
 * False when the source ends before or fails, see error.
 */
bool byte_window_fill(struct byte_window *window, size_t n_bytes);

static inline size_t byte_window_at_hand(const struct byte_window *window)
{
	return window->end - window->begin;
}

static inline const uint8_t *byte_window_data(const struct byte_window *window)
{
	return window->buffer + window->begin;
}

/* Of those at hand. */
static inline void byte_window_take(struct byte_window *window, size_t n_bytes)
{
	window->begin += n_bytes;
}
