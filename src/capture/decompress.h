/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Bytes of a file's beginning that tell its compression. */
enum { COMPRESSION_MAGIC_BYTES = 6 };

enum compression {
	COMPRESSION_NONE = 0,
	COMPRESSION_GZIP,
	COMPRESSION_ZSTD,
};

/* What the first n bytes of a file say. Fewer than COMPRESSION_MAGIC_BYTES are legal (a short file). */
enum compression compression_detect(const uint8_t *head, size_t n);

/* The name of a compression that is recognised but not read ("xz"), or null. */
const char *compression_unsupported_name(const uint8_t *head, size_t n);

/* Bytes not yet consumed; data is borrowed. */
struct byte_span {
	const uint8_t *data;
	size_t n_bytes;
};

/*
 * Unpacks a sequence of gzip members (RFC 1952) or zstd frames (RFC 8878). Zero bytes between and after gzip members
 * are padding and skipped.
 */
struct decompressor;

/* kind is gzip or zstd. Null when memory is short. */
struct decompressor *decompressor_create(enum compression kind);
void decompressor_destroy(struct decompressor *decompressor);

/*
 * Consumes from *input and writes up to out_bytes bytes to out. Returns the number written; 0 = all input was consumed
 * and more is needed; -1 = the data are corrupt, decompressor_reason says how. Everything before the corrupt part
 * is returned before the -1.
 */
ssize_t decompressor_run(struct decompressor *decompressor, struct byte_span *input, uint8_t *out, size_t out_bytes);

/* True when the input may end here: no member or frame is open. */
bool decompressor_may_end(const struct decompressor *decompressor);

/* After -1: the library's reason. Valid until decompressor_destroy. */
const char *decompressor_reason(const struct decompressor *decompressor);
