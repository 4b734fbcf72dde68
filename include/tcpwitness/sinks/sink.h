/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tcpwitness/base/error.h"

struct event_base; /* libevent */

/*
 * Where encoded lines go. A sink is one file with one struct sink_type and a row in sink.c. Main thread, in
 * libevent's loop: no call blocks, but for flush.
 */
struct sink;

/* Room left in a sink's buffer, as the feed asks before it takes an event from the ring. */
enum sink_room {
	SINK_ROOM = 0, /* write will take a line */
	SINK_FULL = 1, /* offline: wait; live: write will drop the line and count it */
};

struct sink_stats {
	uint64_t lines_written; /* accepted by the kernel whole */
	uint64_t lines_dropped; /* live: no room, or no reader, declared in stats */
	uint64_t bytes_written;
	uint64_t reconnects;
	bool failed; /* output could not be written: exit code 3; error text in sink_error */
};

/* Called when a full sink has room again. */
typedef void sink_room_fn(void *context);

/*
 * 0 when text names a kind of sink and a path where one is needed, else -1 with *error filled. Opens nothing.
 * Any thread.
 */
int sink_check_text(const char *text, struct error *error);

/*
 * Opens a sink from its text: "-" or "stdout", "file:PATH" (appended), "unix:PATH" (stream socket, connected to, and
 * again when the reader comes back). lossless (offline): nothing is ever dropped; a sink without a reader
 * makes the run wait, and a reader that never comes is an error after connect_timeout. Null with *error
 * filled: unknown kind, path not writable.
 */
struct sink *sink_open(const char *text, struct event_base *base, bool lossless, sink_room_fn *room, void *context,
		       struct error *error);

/* Writes what is buffered, waiting at most timeout_ms, closes and frees. Null is legal. True when all was written. */
bool sink_close(struct sink *sink, unsigned timeout_ms, struct error *error);

enum sink_room sink_room(const struct sink *sink);

/* Takes one whole line (copied). When there is no room: drops and counts it. */
void sink_write(struct sink *sink, const char *line, size_t length);

/*
 * SIGHUP: files are closed and opened again at their path (logrotate); others ignore it. Returns 0 or -1 with
 * *error filled.
 */
int sink_reopen(struct sink *sink, struct error *error);

const struct sink_stats *sink_get_stats(const struct sink *sink);

/* The text it was opened with, and the reason after stats.failed. Borrowed. */
const char *sink_name(const struct sink *sink);
const char *sink_error(const struct sink *sink);
