/* SPDX-License-Identifier: BSD-2-Clause */
/* Whole runs in a child process: how they end, and what they write where. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "tcpwitness/control/check.h"
#include "tcpwitness/control/run.h"

enum { MAX_WORDS = 16, TEXT_BYTES = 16384 };

/* The header of a capture file (microseconds, this machine's byte order, Ethernet) without packets. */
static const uint32_t capture_header[] = { 0xa1b2c3d4, 2 | 4 << 16, 0, 0, 65535, 1 };

/* A SYN from 10.0.0.1:40000 to 10.0.0.2:80 with a record header: one connection, so at least one event. */
static const uint8_t syn_frame[] = {
	0x02,
	0,
	0,
	0,
	0,
	2,
	0x02,
	0,
	0,
	0,
	0,
	1,
	0x08,
	0x00,
	/* IPv4: 40 bytes, TTL 64, TCP */
	0x45,
	0,
	0,
	40,
	0,
	1,
	0x40,
	0,
	64,
	6,
	0x26,
	0xcd,
	10,
	0,
	0,
	1,
	10,
	0,
	0,
	2,
	/* TCP: SYN, sequence number 1 */
	0x9c,
	0x40,
	0,
	80,
	0,
	0,
	0,
	1,
	0,
	0,
	0,
	0,
	0x50,
	0x02,
	0xff,
	0xff,
	0xff,
	0x4e,
	0,
	0,
};

struct folder {
	char path[64];
	char capture[96];
	char events[96];
	char output[104]; /* "file:" and events */
	char messages[96];
};

static void write_capture(int fd)
{
	const uint32_t record[] = { 1, 0, sizeof(syn_frame), sizeof(syn_frame) };

	assert_int_equal(write(fd, capture_header, sizeof(capture_header)), sizeof(capture_header));
	assert_int_equal(write(fd, record, sizeof(record)), sizeof(record));
	assert_int_equal(write(fd, syn_frame, sizeof(syn_frame)), sizeof(syn_frame));
}

static void set_up(struct folder *folder)
{
	int fd;

	snprintf(folder->path, sizeof(folder->path), "/tmp/tcpwitness-test-run-XXXXXX");
	assert_non_null(mkdtemp(folder->path));
	snprintf(folder->capture, sizeof(folder->capture), "%s/a.pcap", folder->path);
	snprintf(folder->events, sizeof(folder->events), "%s/events", folder->path);
	snprintf(folder->output, sizeof(folder->output), "file:%s", folder->events);
	snprintf(folder->messages, sizeof(folder->messages), "%s/messages", folder->path);
	fd = open(folder->capture, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	write_capture(fd);
	close(fd);
}

static void tear_down(const struct folder *folder)
{
	unlink(folder->capture);
	unlink(folder->events);
	unlink(folder->messages);
	assert_int_equal(rmdir(folder->path), 0);
}

static const char *read_text(const char *path, char text[static TEXT_BYTES])
{
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	text[fread(text, 1, TEXT_BYTES - 1, file)] = '\0';
	fclose(file);
	return text;
}

/* What the program does with these words, its standard output in stdout_fd; never returns. */
static void run_child(const struct folder *folder, const char *const *words, int stdout_fd)
{
	char *argv[MAX_WORDS] = { NULL };
	struct config config;
	struct error error = { .text = "" };
	int argc = 0;
	int messages = open(folder->messages, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	dup2(messages, STDERR_FILENO);
	dup2(stdout_fd, STDOUT_FILENO);
	argv[argc++] = strdup("tcpwitness");
	for (; *words != NULL; words++)
		argv[argc++] = strdup(*words);
	if (config_load(&config, argc, argv, &error) != CONFIG_OK)
		_exit(99);
	_exit((int)run_execute(&config));
}

static pid_t start(const struct folder *folder, const char *const *words, int stdout_fd)
{
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0)
		run_child(folder, words, stdout_fd);
	return child;
}

static int wait_for(pid_t child)
{
	int status;

	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int run(const struct folder *folder, const char *const *words)
{
	return wait_for(start(folder, words, STDOUT_FILENO));
}

static void a_capture_is_read_to_its_end(void **state)
{
	struct folder f;
	char text[TEXT_BYTES];

	(void)state;
	set_up(&f);
	const char *const words[] = { "-r", f.capture, "-o", f.output, NULL };
	assert_int_equal(run(&f, words), EXIT_DONE);
	read_text(f.events, text);
	assert_non_null(strstr(text, "\"event_type\":\"flow\""));
	assert_non_null(strstr(text, "\"event_type\":\"summary\""));
	assert_non_null(strstr(read_text(f.messages, text), "packets"));
	tear_down(&f);
}

static void quiet_runs_say_nothing(void **state)
{
	struct folder f;
	char text[TEXT_BYTES];

	(void)state;
	set_up(&f);
	const char *const words[] = { "-q", "-r", f.capture, "-o", f.output, NULL };
	assert_int_equal(run(&f, words), EXIT_DONE);
	assert_string_equal(read_text(f.messages, text), "");
	tear_down(&f);
}

static void a_capture_that_is_cut_short_is_reported_with_quiet_too(void **state)
{
	struct folder f;
	char text[TEXT_BYTES];

	(void)state;
	set_up(&f);
	int fd = open(f.capture, O_WRONLY | O_APPEND);
	write_capture(fd); /* of which 8 bytes stay: half of a record's header */
	assert_int_equal(ftruncate(fd, sizeof(capture_header) + 16 + sizeof(syn_frame) + 8), 0);
	close(fd);
	const char *const words[] = { "-q", "-r", f.capture, "-o", f.output, NULL };
	assert_int_equal(run(&f, words), EXIT_DONE);
	assert_non_null(strstr(read_text(f.messages, text), "cut off or damaged after 1 frames"));
	tear_down(&f);
}

static void input_that_cannot_be_read_is_1(void **state)
{
	struct folder f;
	char text[TEXT_BYTES];

	(void)state;
	set_up(&f);
	const char *const missing[] = { "-r", "/nonexistent.pcap", NULL };
	const char *const no_capture[] = { "-r", "/proc/self/status", NULL };
	const char *const bad_filter[] = { "-r", f.capture, "no", "such", "filter", NULL };
	const char *const no_interface[] = { "-i", "nosuch0", NULL };
	const char *const bad_rules[] = { "-r", f.capture, "--rules", "/nonexistent.yaml", NULL };
	const char *const *const cases[] = { missing, no_capture, bad_filter, no_interface, bad_rules };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(run(&f, cases[i]), EXIT_INPUT);
		read_text(f.messages, text);
		assert_int_equal(strncmp(text, "tcpwitness: ", strlen("tcpwitness: ")), 0);
		assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1); /* one line */
	}
	tear_down(&f);
}

static size_t count_lines(const char *text)
{
	size_t n_lines = 0;

	for (; *text != '\0'; text++)
		n_lines += *text == '\n';
	return n_lines;
}

/* One bad file of many must not cost the others: it is named, and the exit code tells. */
static void captures_that_can_be_opened_are_read_without_the_others(void **state)
{
	struct folder f;
	char text[TEXT_BYTES];
	char empty[104];

	(void)state;
	set_up(&f);
	snprintf(empty, sizeof(empty), "%s/empty", f.path);
	close(open(empty, O_WRONLY | O_CREAT, 0600));
	const char *const words[] = { "-q",  "-r", "/nonexistent.pcap", "-r", f.capture, "-r", f.path, "-r",
				      empty, "-r", "/proc/self/status", "-o", f.output,  NULL };
	assert_int_equal(run(&f, words), EXIT_INPUT);
	assert_non_null(strstr(read_text(f.events, text), "\"event_type\":\"flow\""));
	read_text(f.messages, text);
	assert_int_equal(count_lines(text), 4);
	assert_non_null(strstr(text, "tcpwitness: /nonexistent.pcap: "));
	assert_non_null(strstr(text, "tcpwitness: /proc/self/status: "));
	assert_non_null(strstr(text, empty));

	const char *const no_good[] = { "-r", "/nonexistent.pcap", "-r", "/nonexistent2.pcap", NULL };
	assert_int_equal(run(&f, no_good), EXIT_INPUT);
	assert_int_equal(count_lines(read_text(f.messages, text)), 2); /* and no summary */

	const char *const bad_output[] = { "-r", f.capture, "-r", "/nonexistent.pcap", "-o", "file:/dev/full", NULL };
	assert_int_equal(run(&f, bad_output), EXIT_OUTPUT);
	unlink(empty);
	tear_down(&f);
}

/* True when the file exists within ten seconds. */
static bool appears(const char *path)
{
	const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };

	for (int i = 0; i < 500; i++) {
		if (access(path, F_OK) == 0)
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

/*
 * A pipe that stays open: the run has no end of its own. Signals are watched before outputs are opened. Returns the
 * end to write to.
 */
static int open_pipe_input(const struct folder *folder, const char *const *words, pid_t *child)
{
	int fd;

	unlink(folder->capture);
	assert_int_equal(mkfifo(folder->capture, 0600), 0);
	*child = start(folder, words, STDOUT_FILENO);
	fd = open(folder->capture, O_WRONLY);
	assert_true(fd >= 0);
	write_capture(fd);
	assert_true(appears(folder->events));
	return fd;
}

/* Trying a pipe would take its beginning away. */
static void a_pipe_beside_a_bad_file_is_read_whole(void **state)
{
	struct folder f;
	pid_t child;
	char text[TEXT_BYTES];

	(void)state;
	set_up(&f);
	const char *const words[] = { "-r", f.capture, "-r", "/nonexistent.pcap", "-o", f.output, NULL };
	close(open_pipe_input(&f, words, &child));
	assert_int_equal(wait_for(child), EXIT_INPUT);
	assert_non_null(strstr(read_text(f.events, text), "\"event_type\":\"flow\""));
	tear_down(&f);
}

static void output_that_cannot_be_written_is_3(void **state)
{
	struct folder f;
	char text[TEXT_BYTES];

	(void)state;
	set_up(&f);
	const char *const no_folder[] = { "-r", f.capture, "-o", "file:/nonexistent/x", NULL };
	const char *const full_disk[] = { "-r", f.capture, "-o", "file:/dev/full", NULL };
	const char *const *const cases[] = { no_folder, full_disk };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(run(&f, cases[i]), EXIT_OUTPUT);
		read_text(f.messages, text);
		assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1); /* one line, no summary */
	}
	tear_down(&f);
}

/* As "tcpwitness -r x | head -0": told and ended, not killed. */
static void a_reader_that_went_away_is_3(void **state)
{
	struct folder f;
	char text[TEXT_BYTES];
	int ends[2];

	(void)state;
	set_up(&f);
	assert_int_equal(pipe(ends), 0);
	close(ends[0]);
	const char *const words[] = { "-r", f.capture, NULL };
	assert_int_equal(wait_for(start(&f, words, ends[1])), EXIT_OUTPUT);
	close(ends[1]);
	read_text(f.messages, text);
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	tear_down(&f);
}

static void a_signal_to_stop_ends_the_run_well(void **state)
{
	static const int signals[] = { SIGINT, SIGTERM };
	char text[TEXT_BYTES];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct folder f;
		pid_t child;

		set_up(&f);
		const char *const words[] = { "-r", f.capture, "-o", f.output, NULL };
		int fd = open_pipe_input(&f, words, &child);
		kill(child, signals[i]);
		assert_int_equal(wait_for(child), EXIT_DONE);
		close(fd);
		assert_non_null(strstr(read_text(f.events, text), "\"event_type\":\"summary\""));
		tear_down(&f);
	}
}

static void hangup_opens_files_anew(void **state)
{
	struct folder f;
	char text[TEXT_BYTES];
	char moved[104];
	pid_t child;

	(void)state;
	set_up(&f);
	snprintf(moved, sizeof(moved), "%s.1", f.events);
	const char *const words[] = { "-r", f.capture, "-o", f.output, NULL };
	int fd = open_pipe_input(&f, words, &child);
	assert_int_equal(rename(f.events, moved), 0);
	kill(child, SIGHUP);
	assert_true(appears(f.events));
	close(fd);
	assert_int_equal(wait_for(child), EXIT_DONE);
	assert_string_equal(read_text(moved, text), "");
	assert_non_null(strstr(read_text(f.events, text), "\"event_type\":\"summary\""));
	unlink(moved);
	tear_down(&f);
}

static void check_says_ok_or_every_mistake(void **state)
{
	static char program[] = "tcpwitness";
	static char command[] = "check";
	static char option[] = "--rules";
	static char path[] = "/nonexistent.yaml";
	char *good[] = { program, command, NULL };
	char *bad[] = { program, command, option, path, NULL };
	struct error none = { .text = "" };
	struct config config;
	char *text;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	(void)state;
	assert_int_equal(config_load(&config, 2, good, &none), CONFIG_OK);
	assert_int_equal(check_execute(&config, &none, out, out), EXIT_DONE);
	fclose(out);
	assert_int_equal(strncmp(text, "ok: ", 4), 0);
	free(text);
	config_free(&config);

	out = open_memstream(&text, &bytes);
	assert_int_equal(config_load(&config, 4, bad, &none), CONFIG_OK);
	assert_int_equal(check_execute(&config, &none, out, out), EXIT_INPUT);
	fclose(out);
	assert_string_equal(text, "/nonexistent.yaml: cannot be opened: No such file or directory (check the path)\n");
	free(text);
	config_free(&config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_capture_is_read_to_its_end),
		cmocka_unit_test(quiet_runs_say_nothing),
		cmocka_unit_test(a_capture_that_is_cut_short_is_reported_with_quiet_too),
		cmocka_unit_test(input_that_cannot_be_read_is_1),
		cmocka_unit_test(captures_that_can_be_opened_are_read_without_the_others),
		cmocka_unit_test(a_pipe_beside_a_bad_file_is_read_whole),
		cmocka_unit_test(output_that_cannot_be_written_is_3),
		cmocka_unit_test(a_reader_that_went_away_is_3),
		cmocka_unit_test(a_signal_to_stop_ends_the_run_well),
		cmocka_unit_test(hangup_opens_files_anew),
		cmocka_unit_test(check_says_ok_or_every_mistake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
