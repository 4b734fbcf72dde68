/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "tcpwitness/base/error.h"

#include "break_request.h"
#include "byte_window.h"

/* One file, pipe or standard input as a stream of unpacked bytes. Never seeks. */
struct file_stream;

/* As many as tell the formats apart, and all of pcap's header. */
enum { FILE_STREAM_HEAD_BYTES = 24 };

/* What a path is called in messages: itself, or "standard input" for "-". */
const char *file_stream_display_name(const char *path);

/*
 * Opens the path ("-" is standard input), blocks for a pipe until it has a writer and its first bytes are there,
 * and finds out the compression and the first bytes behind it. path and request are borrowed until the close. Null
 * with *error filled on failure; a file of 0 bytes is one.
 */
struct file_stream *file_stream_open(const char *path, const struct break_request *request, struct error *error);

/* The first unpacked bytes, or as many as there are. The stream begins with them all the same. */
size_t file_stream_head(const struct file_stream *stream, uint8_t head[static FILE_STREAM_HEAD_BYTES]);

/* From here on capture_break wakes the stream, and other signals no longer do. */
void file_stream_opened(struct file_stream *stream);

/*
 * The stream's bytes: their number, 0 at the end and at the place where compressed data are damaged, or -1 with errno,
 * ECANCELED once a break was requested. The source lives as long as the stream.
 */
struct byte_source file_stream_source(struct file_stream *stream);

/*
 * The same as a FILE, instead of the source: the form in which libpcap takes it. The caller's to close, before the
 * stream. Null when memory is short.
 */
FILE *file_stream_fopen(struct file_stream *stream);

void file_stream_close(struct file_stream *stream);

/* Why the compressed data ended before their end, or null. */
const char *file_stream_damage(const struct file_stream *stream);

/* Any thread: bytes of the stored file consumed so far, and its size (0 for a pipe). */
uint64_t file_stream_bytes_read(const struct file_stream *stream);
uint64_t file_stream_bytes_total(const struct file_stream *stream);
