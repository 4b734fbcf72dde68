/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A bounded reader over the rest of a packet. It knows two lengths, since a capture may keep less than
 * what passed: wire_bytes is what the protocol headers are judged against, captured_bytes is what may be
 * read. wire_bytes is never less than captured_bytes.
 */
struct cursor {
	const uint8_t *data;
	uint32_t captured_bytes;
	uint32_t wire_bytes;
};

static inline uint16_t load_be16(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static inline uint32_t load_be32(const uint8_t *bytes)
{
	return (uint32_t)load_be16(bytes) << 16 | load_be16(bytes + 2);
}

static inline uint64_t load_be64(const uint8_t *bytes)
{
	return (uint64_t)load_be32(bytes) << 32 | load_be32(bytes + 4);
}

/* The next n_bytes without moving on, or null when fewer were captured. n_bytes is at least 1. */
__attribute__((warn_unused_result)) static inline const uint8_t *cursor_peek(const struct cursor *cursor,
									     uint32_t n_bytes)
{
	return n_bytes <= cursor->captured_bytes ? cursor->data : NULL;
}

/* Moves over n_bytes; false, without moving, when fewer were captured. */
__attribute__((warn_unused_result)) static inline bool cursor_skip(struct cursor *cursor, uint32_t n_bytes)
{
	if (n_bytes > cursor->captured_bytes)
		return false;
	if (n_bytes > 0)
		cursor->data += n_bytes;
	cursor->captured_bytes -= n_bytes;
	cursor->wire_bytes -= n_bytes;
	return true;
}

/* The next n_bytes, moving over them, or null, without moving, when fewer were captured. */
__attribute__((warn_unused_result)) static inline const uint8_t *cursor_take(struct cursor *cursor, uint32_t n_bytes)
{
	const uint8_t *taken = cursor->data;

	return cursor_skip(cursor, n_bytes) ? taken : NULL;
}

/* States that wire_bytes remain on the wire. What was captured beyond them is no longer read. */
static inline void cursor_set_wire_bytes(struct cursor *cursor, uint32_t wire_bytes)
{
	cursor->wire_bytes = wire_bytes;
	if (cursor->captured_bytes > wire_bytes)
		cursor->captured_bytes = wire_bytes;
}

/* As cursor_set_wire_bytes, but never lengthens. */
static inline void cursor_limit(struct cursor *cursor, uint32_t wire_bytes)
{
	if (wire_bytes < cursor->wire_bytes)
		cursor_set_wire_bytes(cursor, wire_bytes);
}
