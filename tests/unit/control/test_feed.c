/* SPDX-License-Identifier: BSD-2-Clause */
/* From the queue into the sinks: nothing is lost offline, and the end and a failure are told once. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <event2/event.h>

#include "feed.h"

enum { ALL_EVENTS = (1 << EVENT_TYPE_COUNT) - 1, CAPACITY = 64 };

struct fixture {
	struct event_base *base;
	struct event_queue *queue;
	struct event_writer writer;
	struct feed *feed;
	struct error error;
	unsigned n_ended;
	char path[64];
	char output[80];
};

static void on_ended(void *context)
{
	struct fixture *fixture = context;

	fixture->n_ended++;
	event_base_loopbreak(fixture->base);
}

static void set_up_with(struct fixture *fixture, size_t capacity)
{
	int fd;

	memset(fixture, 0, sizeof(*fixture));
	snprintf(fixture->path, sizeof(fixture->path), "/tmp/tcpwitness-test-feed-XXXXXX");
	fd = mkstemp(fixture->path);
	assert_true(fd >= 0);
	close(fd);
	snprintf(fixture->output, sizeof(fixture->output), "file:%s", fixture->path);
	fixture->base = event_base_new();
	fixture->queue = event_queue_create(capacity, true, ALL_EVENTS, &fixture->error);
	assert_non_null(fixture->base);
	assert_non_null(fixture->queue);
	fixture->writer = event_queue_writer(fixture->queue);
}

static void set_up(struct fixture *fixture)
{
	set_up_with(fixture, CAPACITY);
}

static void open_feed(struct fixture *fixture, const char *const *outputs, size_t n_outputs)
{
	struct feed_config config = {
		.outputs = outputs, .n_outputs = n_outputs, .lossless = true, .ended = on_ended, .context = fixture
	};

	fixture->feed = feed_create(&config, fixture->base, fixture->queue, &fixture->error);
}

static void tear_down(struct fixture *fixture)
{
	feed_destroy(fixture->feed);
	event_queue_destroy(fixture->queue);
	event_base_free(fixture->base);
	unlink(fixture->path);
}

static void put(struct fixture *fixture, enum sensor_event_type type)
{
	struct sensor_event *event = fixture->writer.begin(fixture->writer.context, type);

	assert_non_null(event);
	event->time_ns = 1;
	fixture->writer.end(fixture->writer.context, event);
}

/* The lines of a file; *text gets a copy of its end. */
static size_t read_lines(const char *path, char *text, size_t text_bytes)
{
	size_t n_lines = 0;
	FILE *file = fopen(path, "r");
	char line[16384];

	assert_non_null(file);
	text[0] = '\0';
	while (fgets(line, sizeof(line), file) != NULL) {
		n_lines++;
		snprintf(text, text_bytes, "%.*s", (int)text_bytes - 1, line);
	}
	fclose(file);
	return n_lines;
}

static void every_event_reaches_every_sink(void **state)
{
	struct fixture f;
	char text[8192];
	const char *outputs[2];

	(void)state;
	set_up(&f);
	outputs[0] = f.output;
	outputs[1] = f.output; /* appended: two sinks on one file are two lines for each event */
	open_feed(&f, outputs, 2);
	assert_non_null(f.feed);
	for (int i = 0; i < 10; i++)
		put(&f, EVENT_SUMMARY);
	event_queue_finish(f.queue);
	event_base_dispatch(f.base);
	assert_int_equal(f.n_ended, 1);
	assert_false(feed_failed(f.feed, &f.error));
	assert_true(feed_flush(f.feed, 1000, &f.error));
	assert_int_equal(read_lines(f.path, text, sizeof(text)), 20);
	tear_down(&f);
}

/* The capture thread cannot know what became of its events: the feed adds it. */
static void stats_tell_of_the_output(void **state)
{
	struct fixture f;
	char text[8192];
	const char *outputs[1];

	(void)state;
	set_up(&f);
	outputs[0] = f.output;
	open_feed(&f, outputs, 1);
	put(&f, EVENT_STATS);
	event_queue_finish(f.queue);
	event_base_dispatch(f.base);
	assert_true(feed_flush(f.feed, 1000, &f.error));
	assert_int_equal(read_lines(f.path, text, sizeof(text)), 1);
	assert_non_null(strstr(text, "\"output\":{\"events_dropped\":0,\"lines_dropped\":0,\"reconnects\":0}"));
	tear_down(&f);
}

/* Else the capture thread would make a system call for each event or two. */
static void a_queue_that_was_emptied_wakes_nobody_for_a_moment(void **state)
{
	struct fixture f;
	uint64_t wake_ups = 0;
	char text[8192];
	const char *outputs[1];

	(void)state;
	set_up_with(&f, 8192);
	outputs[0] = f.output;
	open_feed(&f, outputs, 1);
	put(&f, EVENT_SUMMARY);
	event_base_loop(f.base, EVLOOP_NONBLOCK);
	assert_null(event_queue_peek(f.queue));
	for (int i = 0; i < 100; i++)
		put(&f, EVENT_SUMMARY);
	assert_int_equal(read(event_queue_fd(f.queue), &wake_ups, sizeof(wake_ups)), sizeof(wake_ups));
	assert_int_equal(wake_ups, 1);
	assert_int_equal(write(event_queue_fd(f.queue), &wake_ups, sizeof(wake_ups)), sizeof(wake_ups));
	event_queue_finish(f.queue);
	event_base_dispatch(f.base);
	assert_int_equal(f.n_ended, 1);
	assert_true(feed_flush(f.feed, 1000, &f.error));
	assert_int_equal(read_lines(f.path, text, sizeof(text)), 101);
	tear_down(&f);
}

/* The pause ends by itself, and an event that comes after it is told at once. */
static void events_are_read_again_after_the_pause(void **state)
{
	const struct timeval while_idle = { .tv_usec = 20000 };
	struct fixture f;
	const char *outputs[1];

	(void)state;
	set_up_with(&f, 8192);
	outputs[0] = f.output;
	open_feed(&f, outputs, 1);
	for (int i = 0; i < 3; i++) {
		put(&f, EVENT_SUMMARY);
		event_base_loopexit(f.base, &while_idle);
		event_base_dispatch(f.base);
		assert_null(event_queue_peek(f.queue));
	}
	tear_down(&f);
}

static void an_output_that_cannot_be_opened_is_named(void **state)
{
	struct fixture f;
	const char *const outputs[] = { "-", "file:/nonexistent/x" };

	(void)state;
	set_up(&f);
	open_feed(&f, outputs, 2);
	assert_null(f.feed);
	assert_non_null(strstr(f.error.text, "file:/nonexistent/x"));
	tear_down(&f);
}

static void a_full_disk_ends_the_feed(void **state)
{
	struct fixture f;
	const char *const outputs[] = { "file:/dev/full" };

	(void)state;
	set_up(&f);
	open_feed(&f, outputs, 1);
	assert_non_null(f.feed);
	put(&f, EVENT_SUMMARY);
	event_queue_finish(f.queue);
	event_base_dispatch(f.base);
	assert_int_equal(f.n_ended, 1);
	if (!feed_failed(f.feed, &f.error)) /* the sink may write the last lines only when it is closed */
		assert_false(feed_flush(f.feed, 1000, &f.error));
	assert_non_null(strstr(f.error.text, "file:/dev/full: No space left on device"));
	tear_down(&f);
}

static void files_are_opened_anew(void **state)
{
	struct fixture f;
	char text[8192];
	char moved[80];
	const char *outputs[1];

	(void)state;
	set_up(&f);
	snprintf(moved, sizeof(moved), "%s.1", f.path);
	outputs[0] = f.output;
	open_feed(&f, outputs, 1);
	put(&f, EVENT_SUMMARY);
	event_base_loop(f.base, EVLOOP_NONBLOCK);
	assert_int_equal(rename(f.path, moved), 0);
	feed_reopen(f.feed);
	put(&f, EVENT_SUMMARY);
	put(&f, EVENT_SUMMARY);
	event_queue_finish(f.queue);
	event_base_dispatch(f.base);
	assert_true(feed_flush(f.feed, 1000, &f.error));
	assert_int_equal(read_lines(moved, text, sizeof(text)), 1);
	assert_int_equal(read_lines(f.path, text, sizeof(text)), 2);
	unlink(moved);
	tear_down(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_event_reaches_every_sink),
		cmocka_unit_test(stats_tell_of_the_output),
		cmocka_unit_test(a_queue_that_was_emptied_wakes_nobody_for_a_moment),
		cmocka_unit_test(events_are_read_again_after_the_pause),
		cmocka_unit_test(an_output_that_cannot_be_opened_is_named),
		cmocka_unit_test(a_full_disk_ends_the_feed),
		cmocka_unit_test(files_are_opened_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
