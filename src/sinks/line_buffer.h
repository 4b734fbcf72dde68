/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/*
 * A bounded queue of bytes that remembers where lines begin. What was accepted by the kernel is released by whole lines
 * only, so that a line cut by a reader's death can be sent again from its beginning. sent <= used <= capacity.
 */
struct line_buffer {
	char *bytes;
	size_t capacity;
	size_t head; /* where the oldest line begins that was not accepted whole */
	size_t used; /* bytes from there on */
	size_t sent; /* of those, accepted by the kernel */
};

struct line_counts {
	uint64_t lines;
	uint64_t bytes;
};

/* Returns false when memory is short. */
bool line_buffer_init(struct line_buffer *buffer, size_t capacity);
void line_buffer_fini(struct line_buffer *buffer);

static inline size_t line_buffer_free_bytes(const struct line_buffer *buffer)
{
	return buffer->capacity - buffer->used;
}

static inline bool line_buffer_has_unsent(const struct line_buffer *buffer)
{
	return buffer->used > buffer->sent;
}

/* Copies one line, its newline included. Returns false, and takes nothing, when it does not fit. */
bool line_buffer_put(struct line_buffer *buffer, const char *line, size_t length);

/* The oldest unsent bytes, limit_bytes at most, in up to two pieces. Returns the number of pieces. */
int line_buffer_unsent(const struct line_buffer *buffer, size_t limit_bytes, struct iovec pieces[static 2]);

/* The kernel accepted n_bytes more. Returns how many lines that completed, and their bytes. */
struct line_counts line_buffer_accept(struct line_buffer *buffer, size_t n_bytes);

/* The reader is gone: a line that it got in part is unsent again. */
void line_buffer_rewind(struct line_buffer *buffer);

/* Forgets everything. */
void line_buffer_clear(struct line_buffer *buffer);

/* Lines that were not accepted whole. */
uint64_t line_buffer_lines(const struct line_buffer *buffer);
