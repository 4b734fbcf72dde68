/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Captures that come through pipes: FIFOs and standard input, written slowly, compressed, and abandoned by
 * capture_break.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>

#include "tcpwitness/capture/capture.h"

#include "capture_builder.h"
#include "pcapng_builder.h"

static void sleep_ms(long ms)
{
	const struct timespec wait = { .tv_nsec = ms * 1000000 };

	nanosleep(&wait, NULL);
}

/* What the writer thread sends: the bytes, in pieces, and then nothing until it may close. */
struct writer {
	pthread_t thread;
	const char *path; /* null: fd is given */
	int fd;
	const struct bytes *bytes;
	size_t piece_bytes;
	pthread_mutex_t may_close; /* held by the test while the pipe shall stay open */
};

static void *writer_run(void *argument)
{
	struct writer *writer = argument;

	if (writer->path != NULL)
		writer->fd = open(writer->path, O_WRONLY | O_CLOEXEC);
	for (size_t at = 0; at < writer->bytes->n;) {
		size_t left = writer->bytes->n - at;
		size_t n = left < writer->piece_bytes ? left : writer->piece_bytes;
		if (write(writer->fd, writer->bytes->data + at, n) != (ssize_t)n)
			break;
		at += n;
	}
	pthread_mutex_lock(&writer->may_close);
	close(writer->fd);
	pthread_mutex_unlock(&writer->may_close);
	return NULL;
}

static void writer_start(struct writer *writer, bool keep_open)
{
	pthread_mutex_init(&writer->may_close, NULL);
	if (keep_open)
		pthread_mutex_lock(&writer->may_close);
	assert_int_equal(pthread_create(&writer->thread, NULL, writer_run, writer), 0);
}

static const char *add_fifo(struct folder *folder, const char *name)
{
	const char *path = folder_name(folder, name);

	assert_int_equal(mkfifo(path, 0600), 0);
	return path;
}

static size_t count_frames(struct capture *capture)
{
	struct frame frame;
	size_t n_frames = 0;
	enum capture_result result;

	while ((result = capture_next(capture, &frame, NULL)) == CAPTURE_FRAME)
		n_frames++;
	assert_int_equal(result, CAPTURE_END);
	return n_frames;
}

/* In pieces of a prime size, so that they fall everywhere: in headers, in the magic, between records. */
static void test_fifo_in_small_pieces(void **state)
{
	struct bytes *plain = pcap_with_frames(300);
	struct bytes *gzip = bytes_new();
	struct bytes *zstd = bytes_new();
	struct bytes *pcapng = pcapng_with_frames(300);
	const struct bytes *contents[] = { plain, pcapng, gzip, zstd };
	const char *path = add_fifo(*state, "fifo");

	put_gzip(gzip, plain->data, plain->n);
	put_zstd(zstd, pcapng->data, pcapng->n);
	for (size_t i = 0; i < 4; i++) {
		struct writer writer = { .path = path, .bytes = contents[i], .piece_bytes = i < 2 ? 13 : 3 };
		struct error error = { 0 };
		struct capture_stats stats;
		writer_start(&writer, false);
		struct capture *capture = capture_open_files(&path, 1, NULL, &error);
		assert_non_null(capture);
		assert_int_equal(count_frames(capture), 300);
		capture_get_stats(capture, &stats);
		assert_int_equal(stats.input_bytes_read, contents[i]->n);
		assert_int_equal(stats.input_bytes_total, 0);
		assert_false(stats.truncated);
		capture_close(capture);
		pthread_join(writer.thread, NULL);
	}
	free(plain);
	free(pcapng);
	free(gzip);
	free(zstd);
}

/* A frame that was written comes out at once, although the pipe stays open: nothing is read ahead. */
static void assert_not_read_ahead(struct folder *folder, struct bytes *content)
{
	const char *path = add_fifo(folder, "fifo");
	struct writer writer = { .path = path, .bytes = content, .piece_bytes = content->n };
	struct frame frame;

	writer_start(&writer, true);
	struct capture *capture = capture_open_files(&path, 1, NULL, NULL);
	assert_non_null(capture);
	for (int i = 0; i < 3; i++)
		assert_int_equal(capture_next(capture, &frame, NULL), CAPTURE_FRAME);
	pthread_mutex_unlock(&writer.may_close);
	assert_int_equal(capture_next(capture, &frame, NULL), CAPTURE_END);
	capture_close(capture);
	pthread_join(writer.thread, NULL);
	free(content);
}

static void test_single_fifo_is_not_read_ahead(void **state)
{
	assert_not_read_ahead(*state, pcap_with_frames(3));
}

static void test_single_fifo_of_pcapng_is_not_read_ahead(void **state)
{
	assert_not_read_ahead(*state, pcapng_with_frames(3));
}

/* What a live writer of pcapng sends before the first packet is enough to open it. */
static void test_fifo_is_open_before_its_first_frame(void **state)
{
	struct bytes *content = pcapng_with_frames(0);
	const char *path = add_fifo(*state, "fifo");
	struct writer writer = { .path = path, .bytes = content, .piece_bytes = content->n };

	writer_start(&writer, true);
	struct capture *capture = capture_open_files(&path, 1, "tcp", NULL);
	assert_non_null(capture);
	pthread_mutex_unlock(&writer.may_close);
	assert_int_equal(count_frames(capture), 0);
	capture_close(capture);
	pthread_join(writer.thread, NULL);
	free(content);
}

static void test_fifo_that_ends_in_a_record(void **state)
{
	struct bytes *plain = pcap_with_frames(3);
	const char *path = add_fifo(*state, "fifo");
	struct writer writer = { .path = path, .bytes = plain, .piece_bytes = plain->n };
	struct capture_stats stats;

	plain->n -= 10;
	writer_start(&writer, false);
	struct capture *capture = capture_open_files(&path, 1, NULL, NULL);
	assert_non_null(capture);
	assert_int_equal(count_frames(capture), 2);
	capture_get_stats(capture, &stats);
	assert_true(stats.truncated);
	capture_close(capture);
	pthread_join(writer.thread, NULL);
	free(plain);
}

static void test_fifo_without_a_byte_is_empty(void **state)
{
	struct bytes *nothing = bytes_new();
	const char *path = add_fifo(*state, "fifo");
	struct writer writer = { .path = path, .bytes = nothing, .piece_bytes = 1 };
	struct error error = { 0 };

	writer_start(&writer, false);
	assert_null(capture_open_files(&path, 1, NULL, &error));
	assert_non_null(strstr(error.text, "is empty"));
	pthread_join(writer.thread, NULL);
	free(nothing);
}

/* Runs the reader while standard input is the read end of a pipe. */
static void test_standard_input(void **state)
{
	struct bytes *plain = pcap_with_frames(50);
	struct bytes *packed = bytes_new();
	const char *const paths[] = { "-" };
	int saved_stdin = dup(STDIN_FILENO);
	struct error error = { 0 };
	int ends[2];

	(void)state;
	put_zstd(packed, plain->data, plain->n);
	assert_int_equal(pipe(ends), 0);
	dup2(ends[0], STDIN_FILENO);
	close(ends[0]);
	struct writer writer = { .fd = ends[1], .bytes = packed, .piece_bytes = 100 };
	writer_start(&writer, false);
	struct capture *capture = capture_open_files(paths, 1, NULL, &error);
	assert_non_null(capture);
	assert_string_equal(capture_source_name(capture, 0), "-");
	assert_int_equal(count_frames(capture), 50);
	capture_close(capture);
	pthread_join(writer.thread, NULL);
	/* Not ours to close. */
	assert_true(fcntl(STDIN_FILENO, F_GETFD) >= 0);

	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	dup2(null, STDIN_FILENO);
	close(null);
	assert_null(capture_open_files(paths, 1, NULL, &error));
	assert_non_null(strstr(error.text, "standard input: is empty"));
	dup2(saved_stdin, STDIN_FILENO);
	close(saved_stdin);
	free(plain);
	free(packed);
}

/* A thread that waits in capture_next, and what it got. */
struct reader {
	pthread_t thread;
	struct capture *capture;
	size_t n_frames;
	enum capture_result result;
};

static void *reader_run(void *argument)
{
	struct reader *reader = argument;
	struct frame frame;

	while ((reader->result = capture_next(reader->capture, &frame, NULL)) == CAPTURE_FRAME)
		reader->n_frames++;
	return NULL;
}

/* The writer is silent and stays so; the test hangs here when the break does not reach the wait. */
static void assert_break_wakes(struct folder *folder, struct bytes *content)
{
	const char *path = add_fifo(folder, "fifo");
	struct writer writer = { .path = path, .bytes = content, .piece_bytes = content->n - 5 };
	struct reader reader = { 0 };

	content->n -= 5;
	writer_start(&writer, true);
	reader.capture = capture_open_files(&path, 1, NULL, NULL);
	assert_non_null(reader.capture);
	assert_int_equal(pthread_create(&reader.thread, NULL, reader_run, &reader), 0);
	sleep_ms(50);
	capture_break(reader.capture);
	pthread_join(reader.thread, NULL);
	assert_int_equal(reader.result, CAPTURE_BROKEN);
	assert_int_equal(reader.n_frames, 2);
	pthread_mutex_unlock(&writer.may_close);
	pthread_join(writer.thread, NULL);
	capture_close(reader.capture);
	free(content);
}

static void test_break_wakes_a_wait_for_a_fifo(void **state)
{
	assert_break_wakes(*state, pcap_with_frames(3));
}

static void test_break_wakes_a_wait_for_a_fifo_of_pcapng(void **state)
{
	assert_break_wakes(*state, pcapng_with_frames(3));
}

static void *write_without_end(void *argument)
{
	const struct folder *folder = argument;
	struct bytes *plain = pcap_with_frames(1000);
	int fd = open(folder->file[0], O_WRONLY | O_CLOEXEC);
	ssize_t n = write(fd, plain->data, PCAP_HEADER_BYTES);

	/* The same frames again and again, until the reader goes away. */
	while (n > 0)
		n = write(fd, plain->data + PCAP_HEADER_BYTES, plain->n - PCAP_HEADER_BYTES);
	close(fd);
	free(plain);
	return NULL;
}

/*
 * A filter that lets nothing through keeps libpcap in its own loop: the break must end that, too. Meanwhile another
 * thread asks for statistics, as the progress bar does.
 */
static void test_break_ends_a_fruitless_filter(void **state)
{
	const char *path = add_fifo(*state, "fifo");
	struct reader reader = { 0 };
	struct capture_stats stats = { 0 };
	pthread_t writer;

	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pthread_create(&writer, NULL, write_without_end, *state), 0);
	reader.capture = capture_open_files(&path, 1, "udp", NULL);
	assert_non_null(reader.capture);
	assert_int_equal(pthread_create(&reader.thread, NULL, reader_run, &reader), 0);
	while (stats.input_bytes_read < 1000000)
		capture_get_stats(reader.capture, &stats);
	assert_int_equal(stats.frames, 0);
	capture_break(reader.capture);
	pthread_join(reader.thread, NULL);
	assert_int_equal(reader.result, CAPTURE_BROKEN);
	capture_close(reader.capture);
	pthread_join(writer, NULL);
	signal(SIGPIPE, SIG_DFL);
}

/* The one global of this test: a signal handler has no argument. */
static struct capture *capture_for_handler;

static void handle_signal(int number)
{
	(void)number;
	capture_break(capture_for_handler);
}

static void *send_signal(void *argument)
{
	pthread_t *target = argument;

	sleep_ms(50);
	pthread_kill(*target, SIGUSR1);
	return NULL;
}

/* The handler runs in the very thread that waits. */
static void test_break_from_a_signal_handler(void **state)
{
	struct bytes *plain = pcap_with_frames(1);
	const char *path = add_fifo(*state, "fifo");
	struct writer writer = { .path = path, .bytes = plain, .piece_bytes = plain->n };
	const struct sigaction action = { .sa_handler = handle_signal, .sa_flags = SA_RESTART };
	pthread_t self = pthread_self();
	struct sigaction saved;
	struct frame frame;
	pthread_t sender;

	writer_start(&writer, true);
	struct capture *capture = capture_open_files(&path, 1, NULL, NULL);
	assert_non_null(capture);
	capture_for_handler = capture;
	assert_int_equal(sigaction(SIGUSR1, &action, &saved), 0);
	assert_int_equal(capture_next(capture, &frame, NULL), CAPTURE_FRAME);
	assert_int_equal(pthread_create(&sender, NULL, send_signal, &self), 0);
	assert_int_equal(capture_next(capture, &frame, NULL), CAPTURE_BROKEN);
	assert_int_equal(capture_next(capture, &frame, NULL), CAPTURE_BROKEN);
	pthread_join(sender, NULL);
	sigaction(SIGUSR1, &saved, NULL);
	pthread_mutex_unlock(&writer.may_close);
	pthread_join(writer.thread, NULL);
	capture_close(capture);
	free(plain);
}

/* A break between two frames of a file takes effect at once, and is no truncation. */
static void test_break_in_a_file(void **state)
{
	const char *path = folder_add(*state, "plain.pcap", pcap_with_frames(5));
	struct capture *capture = capture_open_files(&path, 1, NULL, NULL);
	struct capture_stats stats;
	struct frame frame;

	assert_non_null(capture);
	assert_int_equal(capture_next(capture, &frame, NULL), CAPTURE_FRAME);
	capture_break(capture);
	assert_int_equal(capture_next(capture, &frame, NULL), CAPTURE_BROKEN);
	capture_get_stats(capture, &stats);
	assert_int_equal(stats.frames, 1);
	assert_false(stats.truncated);
	capture_close(capture);
}

#define with_folder(test) cmocka_unit_test_setup_teardown(test, folder_setup, folder_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_folder(test_fifo_in_small_pieces),
		with_folder(test_single_fifo_is_not_read_ahead),
		with_folder(test_single_fifo_of_pcapng_is_not_read_ahead),
		with_folder(test_fifo_is_open_before_its_first_frame),
		with_folder(test_fifo_that_ends_in_a_record),
		with_folder(test_fifo_without_a_byte_is_empty),
		cmocka_unit_test(test_standard_input),
		with_folder(test_break_wakes_a_wait_for_a_fifo),
		with_folder(test_break_wakes_a_wait_for_a_fifo_of_pcapng),
		with_folder(test_break_ends_a_fruitless_filter),
		with_folder(test_break_from_a_signal_handler),
		with_folder(test_break_in_a_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
