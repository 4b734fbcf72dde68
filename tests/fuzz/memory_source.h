/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <string.h>

#include "../../src/capture/byte_window.h"

/* A file in memory that comes in pieces of different sizes, as a pipe's bytes do. */
struct memory_source {
	const uint8_t *data; /* borrowed */
	size_t n_left;
	size_t piece_bytes; /* of the next piece, at least 1 */
};

static inline ssize_t memory_source_read(void *context, uint8_t *out, size_t out_bytes)
{
	enum { PIECE_STEP = 29, PIECE_MAX = 97 };
	struct memory_source *memory = context;
	size_t n_bytes = memory->piece_bytes < out_bytes ? memory->piece_bytes : out_bytes;

	if (n_bytes > memory->n_left)
		n_bytes = memory->n_left;
	memcpy(out, memory->data, n_bytes);
	memory->data += n_bytes;
	memory->n_left -= n_bytes;
	memory->piece_bytes = (memory->piece_bytes + PIECE_STEP) % PIECE_MAX + 1;
	return (ssize_t)n_bytes;
}

/* *memory is to live as long as its source. */
static inline struct byte_source memory_source(struct memory_source *memory, const uint8_t *data, size_t n_bytes)
{
	*memory = (struct memory_source){ .data = data, .n_left = n_bytes, .piece_bytes = 1 };
	return (struct byte_source){ .read = memory_source_read, .context = memory };
}
