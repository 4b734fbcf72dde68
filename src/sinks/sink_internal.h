/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <event2/event.h>

#include "line_buffer.h"
#include "tcpwitness/sinks/sink.h"

enum {
	/* A sink has room while it could take the longest line: a path with each byte escaped, and all counters. */
	SINK_LINE_BYTES = 64 * 1024,
};

/* Sizes and times of sinks; other than the defaults only in tests. Buffers are at least twice SINK_LINE_BYTES. */
struct sink_settings {
	size_t direct_buffer_bytes; /* regular files: how much is written at once */
	size_t polled_buffer_bytes; /* pipes, terminals, sockets: how much may wait for a slow reader */
	bool pipes_stay_shared;     /* standard output is a pipe that cannot be opened anew */
	unsigned flush_after_ms;    /* regular files: how long a line may wait for others */
	unsigned retry_min_ms;      /* unix: between attempts to connect, doubled up to retry_max_ms */
	unsigned retry_max_ms;
	unsigned connect_timeout_ms; /* unix, lossless: for the first reader */
	unsigned return_timeout_ms;  /* unix, lossless: for a reader that went away */
};

extern const struct sink_settings sink_settings_default;

/* What a type's open is given. */
struct sink_request {
	const char *text;  /* as the user wrote it, for messages */
	const char *place; /* of that, what follows the scheme and the colon */
	struct event_base *base;
	bool lossless;
	const struct sink_settings *settings; /* borrowed for the call */
};

/* One kind of sink. open returns a sink with its buffer ready; the other functions get what open returned. */
struct sink_type {
	const char *scheme; /* what its text begins with, before ':' */
	struct sink *(*open)(const struct sink_request *request, struct error *error);
	void (*written)(struct sink *sink);                     /* a line was put into the buffer */
	void (*drain)(struct sink *sink, uint64_t deadline_ns); /* write what is unsent, wait until then */
	int (*reopen)(struct sink *sink, struct error *error);  /* null: nothing to do */
	void (*destroy)(struct sink *sink);                     /* all but the struct sink inside */
};

/* What all sinks have; the first member of each type's own struct. */
struct sink {
	const struct sink_type *type;
	char *name;
	bool lossless;
	bool full;       /* from less than a line's room until half of the buffer is free */
	bool notify_due; /* the feed must be told: room again, or failed */
	struct line_buffer buffer;
	struct sink_stats stats;
	struct error failure;
	sink_room_fn *room;
	void *room_context;
};

extern const struct sink_type sink_type_stdout;
extern const struct sink_type sink_type_file;
extern const struct sink_type sink_type_unix;

/* sink_open with other settings, for tests. */
struct sink *sink_open_with(const char *text, struct event_base *base, bool lossless, sink_room_fn *room, void *context,
			    const struct sink_settings *settings, struct error *error);

/* The kernel accepted n_bytes more. */
void sink_accepted(struct sink *sink, size_t n_bytes);

/*
 * Output cannot be written any more: reason is "what happened (how to mend it)". Lines still in the buffer are
 * dropped and counted.
 */
void sink_fail(struct sink *sink, const char *reason, ...) __attribute__((format(printf, 2, 3)));

/*
 * Tells the feed what sink_accepted and sink_fail found. The last thing that a callback of the event loop does: the
 * feed may close the sink in it.
 */
void sink_notify(struct sink *sink);

/* Milliseconds until deadline_ns, rounded up, for poll(2); 0 when it passed. */
int sink_ms_until(uint64_t deadline_ns);
