/* SPDX-License-Identifier: BSD-2-Clause */
/* Which bytes may be forgotten: a ring of bytes, released by whole lines. */
#include "line_buffer.h"

#include <stdlib.h>
#include <string.h>

static size_t min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

bool line_buffer_init(struct line_buffer *buffer, size_t capacity)
{
	*buffer = (struct line_buffer){ .capacity = capacity, .bytes = malloc(capacity) };
	return buffer->bytes != NULL;
}

void line_buffer_fini(struct line_buffer *buffer)
{
	free(buffer->bytes);
	*buffer = (struct line_buffer){ .bytes = NULL };
}

/* Where the ring has the byte that is offset bytes after the head. Both are at most the capacity. */
static size_t place_of(const struct line_buffer *buffer, size_t offset)
{
	size_t at = buffer->head + offset;

	return at < buffer->capacity ? at : at - buffer->capacity;
}

/* The n_bytes that begin at offset bytes after the head, as the up to two pieces in which they lie in memory. */
static int pieces_at(const struct line_buffer *buffer, size_t offset, size_t n_bytes, struct iovec pieces[static 2])
{
	size_t at = place_of(buffer, offset);
	size_t first = min_size(n_bytes, buffer->capacity - at);

	pieces[0] = (struct iovec){ .iov_base = buffer->bytes + at, .iov_len = first };
	pieces[1] = (struct iovec){ .iov_base = buffer->bytes, .iov_len = n_bytes - first };
	if (n_bytes == 0)
		return 0;
	return first == n_bytes ? 1 : 2;
}

bool line_buffer_put(struct line_buffer *buffer, const char *line, size_t length)
{
	struct iovec pieces[2];

	if (length > line_buffer_free_bytes(buffer))
		return false;
	pieces_at(buffer, buffer->used, length, pieces);
	memcpy(pieces[0].iov_base, line, pieces[0].iov_len);
	memcpy(pieces[1].iov_base, line + pieces[0].iov_len, pieces[1].iov_len);
	buffer->used += length;
	return true;
}

int line_buffer_unsent(const struct line_buffer *buffer, size_t limit_bytes, struct iovec pieces[static 2])
{
	return pieces_at(buffer, buffer->sent, min_size(buffer->used - buffer->sent, limit_bytes), pieces);
}

/* Newlines in the n_bytes after offset; *last_end is set to where the last of those lines ends. */
static uint64_t count_newlines(const struct line_buffer *buffer, size_t offset, size_t n_bytes, size_t *last_end)
{
	struct iovec pieces[2];
	uint64_t n = 0;
	int n_pieces = pieces_at(buffer, offset, n_bytes, pieces);

	for (int i = 0; i < n_pieces; i++) {
		const char *begin = pieces[i].iov_base;
		const char *end = begin + pieces[i].iov_len;
		const char *newline;

		for (const char *at = begin; (newline = memchr(at, '\n', (size_t)(end - at))) != NULL;
		     at = newline + 1) {
			n++;
			*last_end = offset + (size_t)(newline + 1 - begin);
		}
		offset += pieces[i].iov_len;
	}
	return n;
}

struct line_counts line_buffer_accept(struct line_buffer *buffer, size_t n_bytes)
{
	size_t done = 0;
	uint64_t lines = count_newlines(buffer, buffer->sent, n_bytes, &done);

	buffer->sent += n_bytes - done;
	buffer->used -= done;
	buffer->head = place_of(buffer, done);
	return (struct line_counts){ .lines = lines, .bytes = done };
}

void line_buffer_rewind(struct line_buffer *buffer)
{
	buffer->sent = 0;
}

void line_buffer_clear(struct line_buffer *buffer)
{
	buffer->used = 0;
	buffer->sent = 0;
}

uint64_t line_buffer_lines(const struct line_buffer *buffer)
{
	size_t last_end = 0;

	return count_newlines(buffer, 0, buffer->used, &last_end);
}
