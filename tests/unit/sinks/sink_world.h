/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * What the tests of sinks share: a folder of their own, a loop that runs for a while, numbered lines, and readers
 * that check what they get. Included after cmocka.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "sink_internal.h"
#include "tcpwitness/base/clock.h"
#include "tcpwitness/base/units.h"

/* Times short enough for a test, and the smallest buffers. */
static const struct sink_settings QUICK = {
	.direct_buffer_bytes = 2 * SINK_LINE_BYTES,
	.polled_buffer_bytes = 2 * SINK_LINE_BYTES,
	.flush_after_ms = 20,
	.retry_min_ms = 5,
	.retry_max_ms = 20,
	.connect_timeout_ms = 200,
	.return_timeout_ms = 200,
};

struct sink_world {
	struct event_base *base;
	struct error error;
	struct sink_settings settings; /* QUICK, unless a test changes it */
	unsigned room_calls;
	char folder[32];
	char path[64]; /* of the socket or file under test */
	char text[80];
};

static inline int world_setup(void **state)
{
	struct sink_world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	strcpy(world->folder, "/tmp/tcpwitness-sink-XXXXXX");
	assert_non_null(mkdtemp(world->folder));
	snprintf(world->path, sizeof(world->path), "%s/events", world->folder);
	world->settings = QUICK;
	world->base = event_base_new();
	assert_non_null(world->base);
	*state = world;
	return 0;
}

static inline int world_teardown(void **state)
{
	struct sink_world *world = *state;
	char rotated[80];

	snprintf(rotated, sizeof(rotated), "%s.1", world->path);
	unlink(rotated);
	unlink(world->path);
	assert_int_equal(rmdir(world->folder), 0);
	event_base_free(world->base);
	free(world);
	return 0;
}

static inline void count_room_call(void *context)
{
	struct sink_world *world = context;

	world->room_calls++;
}

/* The sink of that kind at world->path. */
static inline struct sink *world_open(struct sink_world *world, const char *scheme, bool lossless)
{
	struct sink *sink;

	snprintf(world->text, sizeof(world->text), "%s:%s", scheme, world->path);
	sink = sink_open_with(world->text, world->base, lossless, count_room_call, world, &world->settings,
			      &world->error);
	if (sink == NULL)
		print_error("%s\n", world->error.text);
	assert_non_null(sink);
	return sink;
}

/* Runs the loop until done says so, ms at most; a null done runs it for ms. Returns what done said. */
static inline bool world_run(struct sink_world *world, unsigned ms, bool (*done)(void *), void *context)
{
	uint64_t until_ns = clock_monotonic_ns() + ms * NS_PER_MS;

	while (clock_monotonic_ns() < until_ns) {
		const struct timespec pause = { .tv_nsec = 1000000 };

		event_base_loop(world->base, EVLOOP_NONBLOCK);
		if (done != NULL && done(context))
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

/* Lines "NUMBER xxx...\n" of line_bytes each. */
static inline void write_lines(struct sink *sink, unsigned first, unsigned n, size_t line_bytes)
{
	char *line = malloc(line_bytes + 1);

	assert_non_null(line);
	for (unsigned i = first; i < first + n; i++) {
		memset(line, 'x', line_bytes);
		line[sprintf(line, "%08u", i)] = ' ';
		line[line_bytes - 1] = '\n';
		sink_write(sink, line, line_bytes);
	}
	free(line);
}

/* The reading side: everything read so far, checked by reader_lines. */
struct line_reader {
	int fd;
	bool at_end;
	char *bytes;
	size_t n_bytes;
	size_t most_bytes; /* how much reader_read reads at most; 0 = all there is */
};

static inline void reader_read(struct line_reader *reader)
{
	size_t total = 0;

	while (reader->most_bytes == 0 || total < reader->most_bytes) {
		char piece[4096];
		ssize_t n = read(reader->fd, piece, sizeof(piece));

		if (n < 0) {
			assert_int_equal(errno, EAGAIN);
			return;
		}
		if (n == 0) {
			reader->at_end = true;
			return;
		}
		reader->bytes = realloc(reader->bytes, reader->n_bytes + (size_t)n);
		assert_non_null(reader->bytes);
		memcpy(reader->bytes + reader->n_bytes, piece, (size_t)n);
		reader->n_bytes += (size_t)n;
		total += (size_t)n;
	}
}

struct lines_read {
	unsigned n;
	unsigned first;
	unsigned last;
	bool cut; /* bytes without a newline follow */
};

/* Checks that what was read is whole lines as written, with rising numbers, but for a cut at the very end. */
static inline struct lines_read reader_lines(const struct line_reader *reader)
{
	struct lines_read lines = { .n = 0 };
	const char *at = reader->bytes;
	const char *end = at + reader->n_bytes;

	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		unsigned number = 0;

		if (newline == NULL) {
			lines.cut = true;
			break;
		}
		assert_true(newline - at > 9 && at[8] == ' ');
		for (unsigned i = 0; i < 8; i++) {
			assert_in_range(at[i], '0', '9');
			number = 10 * number + (unsigned)(at[i] - '0');
		}
		for (const char *padding = at + 9; padding < newline; padding++) {
			if (*padding != 'x')
				fail_msg("line %u is damaged", number);
		}
		assert_true(lines.n == 0 || number > lines.last);
		if (lines.n++ == 0)
			lines.first = number;
		lines.last = number;
		at = newline + 1;
	}
	return lines;
}

static inline void reader_close(struct line_reader *reader)
{
	if (reader->fd >= 0)
		close(reader->fd);
	free(reader->bytes);
	*reader = (struct line_reader){ .fd = -1 };
}
