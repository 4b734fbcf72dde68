/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "tcpwitness/base/error.h"

#include "break_request.h"

/*
 * One file, pipe or standard input as a stream of unpacked bytes behind a FILE, which is the only form in which
 * libpcap takes it. Never seeks.
 */
struct file_stream;

/* What a path is called in messages: itself, or "standard input" for "-". */
const char *file_stream_display_name(const char *path);

/*
 * Opens the path ("-" is standard input), blocks for a pipe until it has a writer and its first bytes are there,
 * and finds out the compression and the first bytes behind it. path and request are borrowed until the close. Null
 * with *error filled on failure; a file of 0 bytes is one.
 */
struct file_stream *file_stream_open(const char *path, const struct break_request *request, struct error *error);

/*
 * The FILE, owned by the stream until file_stream_handed_over says that another closes it. Its reads fail with
 * ECANCELED once a break was requested, and end at the place where compressed data are damaged.
 */
FILE *file_stream_file(struct file_stream *stream);
void file_stream_handed_over(struct file_stream *stream);

/* Closes everything but a FILE that was handed over, which must have been closed before. Null is legal. */
void file_stream_close(struct file_stream *stream);

/* The first unpacked bytes, 4 or as many as there are. The FILE begins with them all the same. */
size_t file_stream_head(const struct file_stream *stream, uint8_t head[static 4]);

/* Why the compressed data ended before their end, or null. */
const char *file_stream_damage(const struct file_stream *stream);

/* Any thread: bytes of the stored file consumed so far, and its size (0 for a pipe). */
uint64_t file_stream_bytes_read(const struct file_stream *stream);
uint64_t file_stream_bytes_total(const struct file_stream *stream);
