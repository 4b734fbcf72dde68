/* SPDX-License-Identifier: BSD-2-Clause */
/* Files, FIFOs and standard output, with real descriptors. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <sys/resource.h>

#include "sink_world.h"

static struct line_reader read_whole_file(const char *path)
{
	struct line_reader reader = { .fd = open(path, O_RDONLY | O_CLOEXEC) };

	assert_true(reader.fd >= 0);
	reader_read(&reader);
	return reader;
}

static bool file_has_bytes(void *context)
{
	struct stat status;

	return stat(context, &status) == 0 && status.st_size > 0;
}

/* --- files --- */

static void a_line_is_in_the_file_within_a_tenth_of_a_second(void **state)
{
	struct sink_world *world = *state;
	struct sink *sink = world_open(world, "file", false);

	write_lines(sink, 1, 3, 40);
	assert_false(file_has_bytes(world->path)); /* it waits for others, to be written with them */
	assert_true(world_run(world, 100, file_has_bytes, world->path));
	assert_int_equal(sink_get_stats(sink)->lines_written, 3);
	assert_int_equal(sink_get_stats(sink)->bytes_written, 120);
	assert_true(sink_close(sink, 1000, &world->error));
}

static void a_file_gets_every_line_and_is_appended_to(void **state)
{
	struct sink_world *world = *state;

	for (unsigned run = 0; run < 2; run++) {
		struct sink *sink = world_open(world, "file", true);

		for (unsigned i = 0; i < 5000; i++) {
			assert_int_equal(sink_room(sink), SINK_ROOM);
			write_lines(sink, run * 5000 + i, 1, 100 + i % 400);
		}
		assert_true(sink_close(sink, 1000, &world->error));
	}
	struct line_reader reader = read_whole_file(world->path);
	struct lines_read lines = reader_lines(&reader);
	assert_int_equal(lines.n, 10000);
	assert_false(lines.cut);
	reader_close(&reader);
}

static void a_file_is_not_for_everybody_to_read(void **state)
{
	struct sink_world *world = *state;
	mode_t mask = umask(0);
	struct sink *sink = world_open(world, "file", false);
	struct stat status;

	umask(mask);
	assert_int_equal(stat(world->path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0640);
	sink_close(sink, 0, NULL);
}

static void a_line_cut_by_a_crash_is_ended_before_the_first_new_one(void **state)
{
	struct sink_world *world = *state;
	int fd = open(world->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	char text[64] = "";
	struct sink *sink;

	assert_int_equal(write(fd, "{\"cut", 5), 5);
	close(fd);
	sink = world_open(world, "file", false);
	sink_write(sink, "whole\n", 6);
	assert_true(sink_close(sink, 1000, &world->error));
	fd = open(world->path, O_RDONLY | O_CLOEXEC);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	assert_string_equal(text, "{\"cut\nwhole\n");
}

static void reopen_goes_on_in_a_new_file_and_loses_nothing(void **state)
{
	struct sink_world *world = *state;
	struct sink *sink = world_open(world, "file", false);
	char rotated[80];

	write_lines(sink, 1, 10, 50);
	snprintf(rotated, sizeof(rotated), "%s.1", world->path);
	assert_int_equal(rename(world->path, rotated), 0);
	assert_int_equal(sink_reopen(sink, &world->error), 0);
	write_lines(sink, 11, 5, 50);
	assert_true(sink_close(sink, 1000, &world->error));

	struct line_reader before = read_whole_file(rotated);
	struct line_reader after = read_whole_file(world->path);
	assert_int_equal(reader_lines(&before).last, 10);
	assert_int_equal(reader_lines(&after).first, 11);
	assert_int_equal(reader_lines(&after).n, 5);
	reader_close(&before);
	reader_close(&after);
}

static void reopen_that_fails_keeps_the_old_file(void **state)
{
	struct sink_world *world = *state;
	struct sink *sink = world_open(world, "file", false);
	char rotated[80];

	snprintf(rotated, sizeof(rotated), "%s.1", world->path);
	assert_int_equal(rename(world->path, rotated), 0);
	assert_int_equal(mkdir(world->path, 0700), 0); /* now a folder is in the way */
	assert_int_equal(sink_reopen(sink, &world->error), -1);
	assert_non_null(strstr(world->error.text, world->path));
	write_lines(sink, 1, 2, 50);
	assert_true(sink_close(sink, 1000, &world->error));
	assert_int_equal(rmdir(world->path), 0);

	struct line_reader reader = read_whole_file(rotated);
	assert_int_equal(reader_lines(&reader).n, 2);
	reader_close(&reader);
}

static void a_full_disk_is_a_failure_with_its_reason(void **state)
{
	struct sink_world *world = *state;
	struct sink *sink = sink_open("file:/dev/full", world->base, true, count_room_call, world, &world->error);

	assert_non_null(sink);
	write_lines(sink, 1, 3, 100);
	assert_false(sink_get_stats(sink)->failed);
	world_run(world, 100, NULL, NULL);
	assert_true(sink_get_stats(sink)->failed);
	assert_int_equal(sink_get_stats(sink)->lines_dropped, 3);
	assert_string_equal(sink_error(sink),
			    "output file:/dev/full: No space left on device (free some space, then start again)");
	assert_int_equal(world->room_calls, 1); /* the feed learns of it */
	write_lines(sink, 4, 1, 100);
	assert_int_equal(sink_get_stats(sink)->lines_dropped, 4);
	assert_false(sink_close(sink, 1000, &world->error));
	assert_non_null(strstr(world->error.text, "No space left"));
}

static void a_null_device_takes_everything(void **state)
{
	struct sink_world *world = *state;
	struct sink *sink = sink_open("file:/dev/null", world->base, true, count_room_call, world, &world->error);

	assert_non_null(sink);
	write_lines(sink, 1, 1000, 1000);
	assert_true(sink_close(sink, 1000, &world->error));
}

/* --- FIFOs: opened by us, so non-blocking --- */

static void a_fifo_without_a_reader_is_an_error_that_says_what_to_do(void **state)
{
	struct sink_world *world = *state;

	assert_int_equal(mkfifo(world->path, 0600), 0);
	snprintf(world->text, sizeof(world->text), "file:%s", world->path);
	assert_null(sink_open(world->text, world->base, true, count_room_call, world, &world->error));
	assert_non_null(strstr(world->error.text, "start its reader first"));
}

struct pipe_reading {
	struct line_reader reader;
	unsigned wanted; /* lines */
};

static bool pipe_has_lines(void *context)
{
	struct pipe_reading *reading = context;

	reader_read(&reading->reader);
	return reader_lines(&reading->reader).n >= reading->wanted;
}

/* Writes as the feed does: as long as there is room, then waits for the call. Returns how often it had to wait. */
static unsigned feed_with_back_pressure(struct sink_world *world, struct sink *sink, struct pipe_reading *reading,
					unsigned n_lines, size_t line_bytes)
{
	unsigned waits = 0;
	unsigned next = 1;

	while (next <= n_lines) {
		if (sink_room(sink) == SINK_ROOM) {
			write_lines(sink, next++, 1, line_bytes);
			continue;
		}
		unsigned calls = world->room_calls;
		waits++;
		for (int i = 0; i < 10000 && world->room_calls == calls; i++) {
			world_run(world, 1, NULL, NULL);
			reader_read(&reading->reader);
		}
		assert_true(world->room_calls > calls);
	}
	return waits;
}

static void lossless_a_slow_pipe_gets_every_line(void **state)
{
	struct sink_world *world = *state;
	struct pipe_reading reading = { .wanted = 2000 };
	struct sink *sink;

	assert_int_equal(mkfifo(world->path, 0600), 0);
	reading.reader.fd = open(world->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	reading.reader.most_bytes = 100000;
	sink = world_open(world, "file", true);
	assert_true(feed_with_back_pressure(world, sink, &reading, 2000, 700) > 0);
	assert_true(world_run(world, 5000, pipe_has_lines, &reading));
	assert_int_equal(sink_get_stats(sink)->lines_dropped, 0);
	assert_int_equal(sink_get_stats(sink)->lines_written, 2000);
	assert_true(sink_close(sink, 1000, &world->error));
	reader_close(&reading.reader);
}

static void live_a_stalled_pipe_costs_whole_lines_that_are_counted(void **state)
{
	struct sink_world *world = *state;
	struct pipe_reading reading = { .wanted = 1 };
	struct sink *sink;

	assert_int_equal(mkfifo(world->path, 0600), 0);
	reading.reader.fd = open(world->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	sink = world_open(world, "file", false);
	for (unsigned i = 0; i < 1000; i++) {
		write_lines(sink, i, 1, 1000);
		event_base_loop(world->base, EVLOOP_NONBLOCK);
	}
	uint64_t dropped = sink_get_stats(sink)->lines_dropped;
	assert_in_range(dropped, 1, 999);
	reading.wanted = (unsigned)(1000 - dropped);
	assert_true(world_run(world, 5000, pipe_has_lines, &reading));
	assert_int_equal(reader_lines(&reading.reader).n, 1000 - dropped);
	assert_true(sink_close(sink, 1000, &world->error));
	reader_close(&reading.reader);
}

static void close_waits_for_a_slow_reader_but_not_for_ever(void **state)
{
	struct sink_world *world = *state;
	int fd;
	struct sink *sink;

	assert_int_equal(mkfifo(world->path, 0600), 0);
	fd = open(world->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	sink = world_open(world, "file", false);
	write_lines(sink, 1, 100, 1000); /* more than a pipe holds */
	assert_false(sink_close(sink, 50, &world->error));
	assert_non_null(strstr(world->error.text, "lines were not read within 50 ms"));
	close(fd);
}

/* --- standard output: shared, blocking, and not ours to change --- */

struct stdout_swap {
	int saved_fd;
	int read_fd;
};

static struct stdout_swap stdout_becomes_pipe(void)
{
	struct stdout_swap swap = { .saved_fd = dup(STDOUT_FILENO) };
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	fflush(stdout);
	assert_int_equal(dup2(ends[1], STDOUT_FILENO), STDOUT_FILENO);
	close(ends[1]);
	assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
	swap.read_fd = ends[0];
	return swap;
}

static void stdout_comes_back(struct stdout_swap *swap)
{
	dup2(swap->saved_fd, STDOUT_FILENO);
	close(swap->saved_fd);
}

/* Opened anew, or written in small pieces where that cannot be. */
static void expect_all_lines_through_stdout(struct sink_world *world, bool pipes_stay_shared)
{
	struct stdout_swap swap = stdout_becomes_pipe();
	struct pipe_reading reading = { .reader = { .fd = swap.read_fd, .most_bytes = 50000 }, .wanted = 1500 };
	struct sink_settings settings = QUICK;
	int flags = fcntl(STDOUT_FILENO, F_GETFL);
	struct sink *sink;

	settings.pipes_stay_shared = pipes_stay_shared;
	sink = sink_open_with("-", world->base, true, count_room_call, world, &settings, &world->error);
	assert_non_null(sink);
	assert_true(feed_with_back_pressure(world, sink, &reading, 1500, 333) > 0);
	assert_true(world_run(world, 5000, pipe_has_lines, &reading));
	assert_true(sink_close(sink, 1000, &world->error));
	assert_int_equal(fcntl(STDOUT_FILENO, F_GETFL), flags);
	assert_false(flags & O_NONBLOCK);
	stdout_comes_back(&swap);
	reader_read(&reading.reader);
	assert_int_equal(reader_lines(&reading.reader).n, 1500);
	reader_close(&reading.reader);
}

static void stdout_as_a_pipe_is_never_blocked_on_nor_made_non_blocking(void **state)
{
	expect_all_lines_through_stdout(*state, false);
}

static void nor_where_the_pipe_cannot_be_opened_anew(void **state)
{
	expect_all_lines_through_stdout(*state, true);
}

static void stdout_whose_reader_left_is_a_failure_and_no_signal(void **state)
{
	struct sink_world *world = *state;
	struct stdout_swap swap = stdout_becomes_pipe();
	struct sink *sink = sink_open("stdout", world->base, true, count_room_call, world, &world->error);

	assert_non_null(sink);
	close(swap.read_fd);
	write_lines(sink, 1, 2, 50);
	world_run(world, 20, NULL, NULL);
	stdout_comes_back(&swap);
	assert_true(sink_get_stats(sink)->failed);
	assert_string_equal(sink_error(sink), "output stdout: the reader closed it before the end");
	assert_int_equal(world->room_calls, 1);
	assert_false(sink_close(sink, 1000, &world->error));
}

static void stdout_may_be_a_socket(void **state)
{
	struct sink_world *world = *state;
	struct pipe_reading reading = { .wanted = 1000 };
	int saved_fd = dup(STDOUT_FILENO);
	struct sink *sink;
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	fflush(stdout);
	dup2(ends[1], STDOUT_FILENO);
	close(ends[1]);
	sink = sink_open_with("-", world->base, true, count_room_call, world, &QUICK, &world->error);
	dup2(saved_fd, STDOUT_FILENO); /* the sink has a descriptor of its own */
	close(saved_fd);
	assert_non_null(sink);
	reading.reader = (struct line_reader){ .fd = ends[0] };
	assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
	feed_with_back_pressure(world, sink, &reading, 1000, 900);
	assert_true(world_run(world, 5000, pipe_has_lines, &reading));
	close(ends[0]);
	reading.reader.fd = -1;
	write_lines(sink, 2000, 1, 900);
	world_run(world, 20, NULL, NULL);
	assert_true(sink_get_stats(sink)->failed);
	sink_close(sink, 0, NULL);
	reader_close(&reading.reader);
}

/* --- names --- */

static void a_wrong_name_is_an_error_with_a_remedy(void **state)
{
	struct sink_world *world = *state;
	static const char *const rows[][2] = {
		{ "kafka:x", "choose -, file:PATH or unix:PATH" },
		{ "", "choose -, file:PATH or unix:PATH" },
		{ "filet:x", "choose -" },
		{ "/var/log/x.json", "write file:/var/log/x.json" },
		{ "file:", "the path is missing" },
		{ "file", "the path is missing" },
		{ "stdout:/x", "stdout takes no path" },
		{ "file:/nonexistent/folder/x", "/nonexistent/folder/x" },
		{ "file:/tmp", "cannot open for writing" },
		{ "unix:", "the path is missing (write unix:PATH)" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_null(sink_open(rows[i][0], world->base, true, count_room_call, world, &world->error));
		assert_non_null(strstr(world->error.text, rows[i][1]));
		assert_null(strchr(world->error.text, '\n'));
	}
}

static void closing_nothing_is_legal(void **state)
{
	(void)state;
	assert_true(sink_close(NULL, 0, NULL));
}

#define world_test(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(a_line_is_in_the_file_within_a_tenth_of_a_second),
		world_test(a_file_gets_every_line_and_is_appended_to),
		world_test(a_file_is_not_for_everybody_to_read),
		world_test(a_line_cut_by_a_crash_is_ended_before_the_first_new_one),
		world_test(reopen_goes_on_in_a_new_file_and_loses_nothing),
		world_test(reopen_that_fails_keeps_the_old_file),
		world_test(a_full_disk_is_a_failure_with_its_reason),
		world_test(a_null_device_takes_everything),
		world_test(a_fifo_without_a_reader_is_an_error_that_says_what_to_do),
		world_test(lossless_a_slow_pipe_gets_every_line),
		world_test(live_a_stalled_pipe_costs_whole_lines_that_are_counted),
		world_test(close_waits_for_a_slow_reader_but_not_for_ever),
		world_test(stdout_as_a_pipe_is_never_blocked_on_nor_made_non_blocking),
		world_test(nor_where_the_pipe_cannot_be_opened_anew),
		world_test(stdout_whose_reader_left_is_a_failure_and_no_signal),
		world_test(stdout_may_be_a_socket),
		world_test(a_wrong_name_is_an_error_with_a_remedy),
		world_test(closing_nothing_is_legal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
