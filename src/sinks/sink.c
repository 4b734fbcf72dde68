/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What all sinks share: finding the type by its text, the bounded buffer of lines with its room and its drops, and what
 * happens when output fails.
 */
#include "tcpwitness/sinks/sink.h"

#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sink_internal.h"
#include "tcpwitness/base/clock.h"
#include "tcpwitness/base/units.h"

static const struct sink_type *const sink_types[] = { &sink_type_stdout, &sink_type_file, &sink_type_unix };

const struct sink_settings sink_settings_default = {
	.direct_buffer_bytes = 256UL * 1024,
	.polled_buffer_bytes = 4UL * 1024 * 1024,
	.flush_after_ms = 10,
	.retry_min_ms = 100,
	.retry_max_ms = 5000,
	.connect_timeout_ms = 10000,
	.return_timeout_ms = 30000,
};

static const struct sink_type *find_type(const char *text, const char **place)
{
	size_t length = strcspn(text, ":");

	*place = text[length] == ':' ? text + length + 1 : "";
	if (strcmp(text, "-") == 0)
		return &sink_type_stdout;
	for (size_t i = 0; i < sizeof(sink_types) / sizeof(sink_types[0]); i++) {
		if (strlen(sink_types[i]->scheme) == length && strncmp(sink_types[i]->scheme, text, length) == 0)
			return sink_types[i];
	}
	return NULL;
}

int sink_check_text(const char *text, struct error *error)
{
	const char *place;
	const struct sink_type *type = find_type(text, &place);

	if (type == NULL && text[0] == '/')
		return error_set(error, "output %s: unknown kind of output (write file:%s)", text, text);
	if (type == NULL)
		return error_set(error, "output %s: unknown kind of output (choose -, file:PATH or unix:PATH)", text);
	if (type != &sink_type_stdout && place[0] == '\0')
		return error_set(error, "output %s: the path is missing (write %s:PATH)", text, type->scheme);
	return 0;
}

struct sink *sink_open(const char *text, struct event_base *base, bool lossless, sink_room_fn *room, void *context,
		       struct error *error)
{
	return sink_open_with(text, base, lossless, room, context, &sink_settings_default, error);
}

struct sink *sink_open_with(const char *text, struct event_base *base, bool lossless, sink_room_fn *room, void *context,
			    const struct sink_settings *settings, struct error *error)
{
	struct sink_request request = { .text = text, .base = base, .lossless = lossless, .settings = settings };
	const struct sink_type *type = find_type(text, &request.place);
	struct sink *sink;

	if (sink_check_text(text, error) != 0)
		return NULL;
	/* A reader that went away is an error to be told of (EPIPE), not a signal to die of. */
	signal(SIGPIPE, SIG_IGN);
	sink = type->open(&request, error);
	if (sink == NULL)
		return NULL;
	sink->type = type;
	sink->lossless = lossless;
	sink->room = room;
	sink->room_context = context;
	sink->name = strdup(text);
	if (sink->name == NULL) {
		error_set(error, "output %s: not enough memory", text);
		sink_close(sink, 0, NULL);
		return NULL;
	}
	return sink;
}

bool sink_close(struct sink *sink, unsigned timeout_ms, struct error *error)
{
	bool complete;

	if (sink == NULL)
		return true;
	sink->room = NULL; /* nobody waits for room any more */
	if (!sink->stats.failed && line_buffer_has_unsent(&sink->buffer))
		sink->type->drain(sink, clock_monotonic_ns() + timeout_ms * NS_PER_MS);
	if (!sink->stats.failed && line_buffer_has_unsent(&sink->buffer))
		sink_fail(sink, "%llu lines were not read within %u ms (is the reader running?)",
			  (unsigned long long)line_buffer_lines(&sink->buffer), timeout_ms);
	complete = !sink->stats.failed;
	if (!complete)
		error_set(error, "%s", sink->failure.text);
	sink->type->destroy(sink);
	line_buffer_fini(&sink->buffer);
	free(sink->name);
	free(sink);
	return complete;
}

enum sink_room sink_room(const struct sink *sink)
{
	return sink->full ? SINK_FULL : SINK_ROOM;
}

void sink_write(struct sink *sink, const char *line, size_t length)
{
	if (sink->stats.failed || !line_buffer_put(&sink->buffer, line, length)) {
		sink->stats.lines_dropped++;
		return;
	}
	sink->type->written(sink);
	if (line_buffer_free_bytes(&sink->buffer) < SINK_LINE_BYTES)
		sink->full = true;
}

int sink_reopen(struct sink *sink, struct error *error)
{
	return sink->type->reopen == NULL ? 0 : sink->type->reopen(sink, error);
}

const struct sink_stats *sink_get_stats(const struct sink *sink)
{
	return &sink->stats;
}

const char *sink_name(const struct sink *sink)
{
	return sink->name;
}

const char *sink_error(const struct sink *sink)
{
	return sink->failure.text;
}

void sink_accepted(struct sink *sink, size_t n_bytes)
{
	struct line_counts counts = line_buffer_accept(&sink->buffer, n_bytes);

	sink->stats.lines_written += counts.lines;
	sink->stats.bytes_written += counts.bytes;
	if (sink->full && line_buffer_free_bytes(&sink->buffer) >= sink->buffer.capacity / 2) {
		sink->full = false;
		sink->notify_due = true;
	}
}

void sink_fail(struct sink *sink, const char *reason, ...)
{
	char text[384];
	va_list args;

	va_start(args, reason);
	vsnprintf(text, sizeof(text), reason, args);
	va_end(args);
	error_set(&sink->failure, "output %s: %s", sink->name, text);
	sink->stats.failed = true;
	sink->stats.lines_dropped += line_buffer_lines(&sink->buffer);
	line_buffer_clear(&sink->buffer);
	sink->full = false;
	sink->notify_due = true;
}

void sink_notify(struct sink *sink)
{
	if (!sink->notify_due)
		return;
	sink->notify_due = false;
	if (sink->room != NULL)
		sink->room(sink->room_context);
}

int sink_ms_until(uint64_t deadline_ns)
{
	uint64_t ms = (ns_since(deadline_ns, clock_monotonic_ns()) + NS_PER_MS - 1) / NS_PER_MS;

	return ms > INT_MAX ? INT_MAX : (int)ms;
}
