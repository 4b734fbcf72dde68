/* SPDX-License-Identifier: BSD-2-Clause */
/* A sink with readers that come late, stall, die and return: real sockets in a folder of the test's own. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "sink_world.h"

static int listen_at(const char *path, int type)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	unlink(path);
	strcpy(address.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 4), 0);
	return fd;
}

/* A listener and the connection that it accepted, if any. */
struct listener {
	int fd;
	unsigned accepted;
	unsigned wanted_lines;
	struct line_reader reader;
};

static bool has_reader(void *context)
{
	struct listener *listener = context;
	int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return false;
	listener->reader = (struct line_reader){ .fd = fd };
	listener->accepted++;
	return true;
}

static bool has_lines(void *context)
{
	struct listener *listener = context;

	reader_read(&listener->reader);
	return reader_lines(&listener->reader).n >= listener->wanted_lines;
}

static void listener_close(struct listener *listener)
{
	reader_close(&listener->reader);
	close(listener->fd);
}

static void lines_reach_the_reader(void **state)
{
	struct sink_world *world = *state;
	struct listener listener = { .fd = listen_at(world->path, SOCK_STREAM), .wanted_lines = 100 };
	struct sink *sink = world_open(world, "unix", false);

	write_lines(sink, 1, 100, 200);
	assert_true(world_run(world, 1000, has_reader, &listener));
	assert_true(world_run(world, 1000, has_lines, &listener));
	assert_int_equal(sink_get_stats(sink)->lines_written, 100);
	assert_int_equal(sink_get_stats(sink)->bytes_written, 100 * 200);
	assert_int_equal(sink_get_stats(sink)->reconnects, 0);
	assert_string_equal(sink_name(sink), world->text);
	assert_true(sink_close(sink, 1000, &world->error));
	listener_close(&listener);
}

static void live_a_reader_may_come_late(void **state)
{
	struct sink_world *world = *state;
	struct sink *sink = world_open(world, "unix", false);
	struct listener listener = { .wanted_lines = 10 };

	write_lines(sink, 1, 10, 100);
	world_run(world, 300, NULL, NULL); /* longer than a lossless run would wait */
	assert_false(sink_get_stats(sink)->failed);
	listener.fd = listen_at(world->path, SOCK_STREAM);
	assert_true(world_run(world, 1000, has_reader, &listener));
	assert_true(world_run(world, 1000, has_lines, &listener));
	assert_int_equal(reader_lines(&listener.reader).first, 1);
	assert_true(sink_close(sink, 1000, &world->error));
	listener_close(&listener);
}

static void live_without_a_reader_the_oldest_lines_are_kept_and_the_rest_is_counted(void **state)
{
	struct sink_world *world = *state;
	struct sink *sink = world_open(world, "unix", false);
	struct listener listener = { .wanted_lines = 131 };

	write_lines(sink, 1, 1000, 1000); /* the buffer holds 131 of them */
	assert_int_equal(sink_get_stats(sink)->lines_dropped, 1000 - 131);
	assert_int_equal(sink_room(sink), SINK_FULL);
	listener.fd = listen_at(world->path, SOCK_STREAM);
	assert_true(world_run(world, 1000, has_reader, &listener));
	assert_true(world_run(world, 1000, has_lines, &listener));
	assert_int_equal(reader_lines(&listener.reader).last, 131);
	assert_int_equal(sink_room(sink), SINK_ROOM);
	write_lines(sink, 2000, 1, 1000);
	listener.wanted_lines = 132;
	assert_true(world_run(world, 1000, has_lines, &listener));
	assert_int_equal(reader_lines(&listener.reader).last, 2000);
	assert_true(sink_close(sink, 1000, &world->error));
	listener_close(&listener);
}

static bool has_reconnected(void *context)
{
	return sink_get_stats(context)->reconnects > 0;
}

/*
 * More than a socket holds is written at once to a reader that stalls, so that the socket ends inside a line; then the
 * reader takes what is there and dies. The next one must begin with exactly that line.
 */
static void a_line_cut_by_the_readers_death_is_sent_whole_to_the_next(void **state)
{
	struct sink_world *world = *state;
	struct listener listener = { .fd = listen_at(world->path, SOCK_STREAM) };
	const size_t line_bytes = 9973; /* divides no buffer */
	struct lines_read first;
	struct lines_read second;
	struct sink *sink;

	world->settings.polled_buffer_bytes = 1 << 20;
	sink = world_open(world, "unix", false);
	assert_true(world_run(world, 1000, has_reader, &listener));
	write_lines(sink, 1, 100, line_bytes);
	world_run(world, 20, NULL, NULL);
	reader_read(&listener.reader);
	first = reader_lines(&listener.reader);
	assert_true(first.cut);
	assert_int_equal(first.n, sink_get_stats(sink)->lines_written);
	reader_close(&listener.reader);

	assert_true(world_run(world, 1000, has_reconnected, sink));
	assert_true(world_run(world, 1000, has_reader, &listener));
	listener.wanted_lines = 100 - first.n;
	assert_true(world_run(world, 1000, has_lines, &listener));
	second = reader_lines(&listener.reader);
	assert_int_equal(second.first, first.last + 1);
	assert_int_equal(second.last, 100);
	assert_int_equal(sink_get_stats(sink)->lines_written, 100);
	assert_int_equal(sink_get_stats(sink)->lines_dropped, 0);
	assert_int_equal(sink_get_stats(sink)->reconnects, 1);
	assert_true(sink_close(sink, 1000, &world->error));
	listener_close(&listener);
}

static void an_idle_sink_notices_that_its_reader_returned(void **state)
{
	struct sink_world *world = *state;
	struct listener listener = { .fd = listen_at(world->path, SOCK_STREAM), .wanted_lines = 1 };
	struct sink *sink = world_open(world, "unix", true);

	for (unsigned i = 1; i <= 3; i++) {
		assert_true(world_run(world, 1000, has_reader, &listener));
		write_lines(sink, i, 1, 100);
		assert_true(world_run(world, 1000, has_lines, &listener));
		assert_int_equal(reader_lines(&listener.reader).first, i);
		reader_close(&listener.reader);
	}
	assert_true(world_run(world, 1000, has_reader, &listener));
	assert_int_equal(sink_get_stats(sink)->reconnects, 3);
	assert_true(sink_close(sink, 1000, &world->error));
	listener_close(&listener);
}

/* As "socat -u" does: it only reads, and says so. */
static void a_reader_that_shut_its_own_sending_down_still_reads(void **state)
{
	struct sink_world *world = *state;
	struct listener listener = { .fd = listen_at(world->path, SOCK_STREAM), .wanted_lines = 5 };
	struct sink *sink = world_open(world, "unix", false);

	assert_true(world_run(world, 1000, has_reader, &listener));
	assert_int_equal(shutdown(listener.reader.fd, SHUT_WR), 0);
	world_run(world, 50, NULL, NULL);
	write_lines(sink, 1, 5, 100);
	assert_true(world_run(world, 1000, has_lines, &listener));
	assert_int_equal(sink_get_stats(sink)->reconnects, 0);

	/* Its death is then seen by sending, at the latest. */
	reader_close(&listener.reader);
	write_lines(sink, 6, 1, 100);
	assert_true(world_run(world, 1000, has_reader, &listener));
	listener.wanted_lines = 1;
	assert_true(world_run(world, 1000, has_lines, &listener));
	assert_int_equal(reader_lines(&listener.reader).first, 6);
	assert_true(sink_close(sink, 1000, &world->error));
	listener_close(&listener);
}

static void what_a_reader_says_is_ignored(void **state)
{
	struct sink_world *world = *state;
	struct listener listener = { .fd = listen_at(world->path, SOCK_STREAM), .wanted_lines = 2 };
	struct sink *sink = world_open(world, "unix", false);

	assert_true(world_run(world, 1000, has_reader, &listener));
	assert_int_equal(write(listener.reader.fd, "GET / HTTP/1.0\r\n\r\n", 18), 18);
	write_lines(sink, 1, 2, 100);
	assert_true(world_run(world, 1000, has_lines, &listener));
	assert_true(sink_close(sink, 1000, &world->error));
	listener_close(&listener);
}

static void lossless_a_stalled_reader_makes_the_feed_wait(void **state)
{
	struct sink_world *world = *state;
	struct listener listener = { .fd = listen_at(world->path, SOCK_STREAM) };
	struct sink *sink = world_open(world, "unix", true);
	unsigned next = 1;

	assert_true(world_run(world, 1000, has_reader, &listener));
	for (unsigned still = 0; still < 20; still++) {
		while (sink_room(sink) == SINK_ROOM)
			write_lines(sink, next++, 1, 500);
		event_base_loop(world->base, EVLOOP_NONBLOCK);
		world_run(world, 2, NULL, NULL);
	}
	assert_int_equal(sink_room(sink), SINK_FULL);
	world_run(world, 300, NULL, NULL); /* a stalled reader is there: it may take as long as it likes */
	assert_false(sink_get_stats(sink)->failed);
	world->room_calls = 0;

	listener.wanted_lines = next - 1;
	assert_true(world_run(world, 5000, has_lines, &listener));
	assert_int_equal(world->room_calls, 1);
	assert_int_equal(sink_room(sink), SINK_ROOM);
	assert_int_equal(sink_get_stats(sink)->lines_dropped, 0);
	assert_int_equal(reader_lines(&listener.reader).n, next - 1);
	assert_true(sink_close(sink, 1000, &world->error));
	listener_close(&listener);
}

static bool has_failed(void *context)
{
	return sink_get_stats(context)->failed;
}

static void lossless_a_reader_that_never_comes_is_an_error(void **state)
{
	struct sink_world *world = *state;
	struct sink *sink = world_open(world, "unix", true);

	write_lines(sink, 1, 4, 100);
	world_run(world, 100, NULL, NULL);
	assert_false(sink_get_stats(sink)->failed);
	assert_true(world_run(world, 1000, has_failed, sink));
	assert_non_null(strstr(sink_error(sink), "nobody listened within 0.2 s (start the reader first)"));
	assert_int_equal(world->room_calls, 1);
	assert_int_equal(sink_get_stats(sink)->lines_dropped, 4);
	assert_false(sink_close(sink, 1000, &world->error));
}

static void lossless_a_reader_that_went_away_may_return_for_a_while(void **state)
{
	struct sink_world *world = *state;
	struct listener listener = { .fd = listen_at(world->path, SOCK_STREAM), .wanted_lines = 1 };
	struct sink *sink = world_open(world, "unix", true);

	assert_true(world_run(world, 1000, has_reader, &listener));
	listener_close(&listener);
	world_run(world, 100, NULL, NULL);
	listener.fd = listen_at(world->path, SOCK_STREAM);
	assert_true(world_run(world, 1000, has_reader, &listener));
	world_run(world, 300, NULL, NULL);
	assert_false(sink_get_stats(sink)->failed);

	listener_close(&listener);
	assert_true(world_run(world, 1000, has_failed, sink));
	assert_non_null(strstr(sink_error(sink), "the reader went away and did not return within 0.2 s"));
	assert_false(sink_close(sink, 0, NULL));
}

static void close_sends_what_is_left(void **state)
{
	struct sink_world *world = *state;
	struct listener listener = { .fd = listen_at(world->path, SOCK_STREAM) };
	struct sink *sink = world_open(world, "unix", true);

	write_lines(sink, 1, 100, 1000); /* the loop never runs */
	assert_true(sink_close(sink, 1000, &world->error));
	assert_true(has_reader(&listener));
	listener.wanted_lines = 100;
	assert_true(has_lines(&listener));
	assert_true(listener.reader.at_end);
	listener_close(&listener);
}

static void close_gives_a_stalled_reader_its_time_and_then_says_what_was_lost(void **state)
{
	struct sink_world *world = *state;
	struct listener listener = { .fd = listen_at(world->path, SOCK_STREAM) };
	uint64_t before_ns;
	struct sink *sink;

	world->settings.polled_buffer_bytes = 1 << 20;
	sink = world_open(world, "unix", false);
	write_lines(sink, 1, 1000, 1000); /* several times what a socket holds */
	before_ns = clock_monotonic_ns();
	assert_false(sink_close(sink, 100, &world->error));
	assert_in_range((clock_monotonic_ns() - before_ns) / NS_PER_MS, 99, 1000);
	assert_non_null(strstr(world->error.text, "lines were not read within 100 ms"));
	close(listener.fd);
}

/* A short run has read everything before the reader's time is over; then it waits for the reader in sink_close. */
static void close_waits_for_an_absent_reader_no_longer_than_the_loop_would(void **state)
{
	struct sink_world *world = *state;
	struct sink *sink = world_open(world, "unix", true);
	uint64_t before_ns = clock_monotonic_ns();

	write_lines(sink, 1, 1, 100);
	assert_false(sink_close(sink, UINT32_MAX, &world->error));
	assert_in_range((clock_monotonic_ns() - before_ns) / NS_PER_MS, 150, 2000);
	assert_non_null(strstr(world->error.text, "nobody listened within 0.2 s"));
}

static void close_sees_a_reader_die_and_not_return(void **state)
{
	struct sink_world *world = *state;
	struct listener listener = { .fd = listen_at(world->path, SOCK_STREAM) };
	struct sink *sink = world_open(world, "unix", true);

	assert_true(world_run(world, 1000, has_reader, &listener));
	listener_close(&listener);
	write_lines(sink, 1, 1, 100);
	assert_false(sink_close(sink, UINT32_MAX, &world->error));
	assert_non_null(strstr(world->error.text, "the reader went away and did not return within 0.2 s"));
}

static void what_is_no_stream_socket_is_an_error_at_once(void **state)
{
	struct sink_world *world = *state;
	int fd = listen_at(world->path, SOCK_DGRAM);

	snprintf(world->text, sizeof(world->text), "unix:%s", world->path);
	assert_null(sink_open(world->text, world->base, true, count_room_call, world, &world->error));
	assert_non_null(strstr(world->error.text, "it must be a stream socket"));
	close(fd);
}

static void close_in_room_callback(void *context)
{
	struct sink **sink = context;

	sink_close(*sink, 0, NULL);
	*sink = NULL;
}

static bool is_null(void *context)
{
	return *(struct sink **)context == NULL;
}

/* The feed may stop everything when it learns of a failure. */
static void a_sink_may_be_closed_from_the_call_that_tells_of_its_failure(void **state)
{
	struct sink_world *world = *state;
	struct sink *sink;

	snprintf(world->text, sizeof(world->text), "unix:%s", world->path);
	sink = sink_open_with(world->text, world->base, true, close_in_room_callback, &sink, &QUICK, &world->error);
	assert_non_null(sink);
	assert_true(world_run(world, 2000, is_null, &sink));
}

#define world_test(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(lines_reach_the_reader),
		world_test(live_a_reader_may_come_late),
		world_test(live_without_a_reader_the_oldest_lines_are_kept_and_the_rest_is_counted),
		world_test(a_line_cut_by_the_readers_death_is_sent_whole_to_the_next),
		world_test(an_idle_sink_notices_that_its_reader_returned),
		world_test(a_reader_that_shut_its_own_sending_down_still_reads),
		world_test(what_a_reader_says_is_ignored),
		world_test(lossless_a_stalled_reader_makes_the_feed_wait),
		world_test(lossless_a_reader_that_never_comes_is_an_error),
		world_test(lossless_a_reader_that_went_away_may_return_for_a_while),
		world_test(close_sends_what_is_left),
		world_test(close_gives_a_stalled_reader_its_time_and_then_says_what_was_lost),
		world_test(close_waits_for_an_absent_reader_no_longer_than_the_loop_would),
		world_test(close_sees_a_reader_die_and_not_return),
		world_test(what_is_no_stream_socket_is_an_error_at_once),
		world_test(a_sink_may_be_closed_from_the_call_that_tells_of_its_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
