/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every capture of pcaps/, followed by one thread and by several: the same events, byte for byte. Every stretch of time
 * is shared, however short, and logs are so small that they run full.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "event_padding.h"
#include "event_log.h"
#include "tcpwitness/base/units.h"
#include "tcpwitness/pipeline/pipeline.h"

struct recording {
	size_t n_events;
	size_t n_bytes;
	size_t room_bytes;
	uint8_t *bytes; /* of each event what its type uses, one behind the other */
	char summary[4096];
};

static struct ruleset *ruleset;

/* How often tables of several sources forget depends on how many there are: see detect_engine.h. */
static void clear_targets_evicted(struct sensor_event *event)
{
	if (event->type != EVENT_STATS)
		return;
	for (unsigned i = 0; i < event->stats.n_counters; i++) {
		if (strcmp(event->stats.counters[i].name, "detect.targets_evicted") == 0)
			event->stats.counters[i].value = 0;
	}
}

static void record(struct recording *recording, const struct sensor_event *event)
{
	struct sensor_event copy;
	size_t bytes = sensor_event_bytes(event->type);

	memcpy(&copy, event, bytes);
	clear_event_padding(&copy);
	clear_targets_evicted(&copy);
	if (event->in_iface != NULL)
		copy.in_iface = "capture";
	if (recording->n_bytes + bytes > recording->room_bytes) {
		recording->room_bytes = 2 * recording->room_bytes + sizeof(copy);
		recording->bytes = realloc(recording->bytes, recording->room_bytes);
		assert_non_null(recording->bytes);
	}
	memcpy(recording->bytes + recording->n_bytes, &copy, bytes);
	recording->n_bytes += bytes;
	recording->n_events++;
}

static void read_events(struct event_queue *queue, struct recording *recording)
{
	while (!event_queue_finished(queue)) {
		const struct sensor_event *event = event_queue_peek(queue);
		if (event != NULL) {
			record(recording, event);
			event_queue_release(queue);
		} else if (event_queue_prepare_wait(queue)) {
			struct pollfd wait = { .fd = event_queue_fd(queue), .events = POLLIN };
			poll(&wait, 1, -1);
		}
	}
}

struct run {
	struct capture *capture;
	struct event_queue *queue;
	struct pipeline *pipeline;
};

static void start(struct run *run, const char *path, unsigned n_threads, size_t table_bytes)
{
	struct pipeline_config config = {
		.sharing = { .from_frames = 1, .log_bytes = (size_t)2 * EVENT_LOG_RANK_BYTES },
		.n_threads = n_threads,
		.detect = { .memory_bytes = 64 << 20, .secret = siphash_key_from_seed(2) },
		.stats_interval_ns = NS_PER_SEC,
		.summary = true,
	};
	struct error error = { .text = "" };

	decoder_config_defaults(&config.decoder);
	tracker_config_defaults(&config.tracker);
	config.tracker.key.secret = siphash_key_from_seed(n_threads); /* nothing depends on it either */
	config.tracker.table.memory_bytes = table_bytes;
	config.tracker.syn_store.memory_bytes = table_bytes / 64;
	run->capture = capture_open_files(&path, 1, NULL, &error);
	if (run->capture == NULL)
		fail_msg("%s", error.text);
	run->queue = event_queue_create(64, true, ~0u, &error);
	run->pipeline = pipeline_create(&config, run->capture, ruleset, run->queue, &error);
	if (run->pipeline == NULL || pipeline_start(run->pipeline, &error) != 0)
		fail_msg("%s", error.text);
}

static void finish(struct run *run, struct recording *recording)
{
	read_events(run->queue, recording);
	assert_int_equal(pipeline_join(run->pipeline), PIPELINE_DONE);
	pipeline_summary_text(run->pipeline, 1, recording->summary, sizeof(recording->summary));
	pipeline_destroy(run->pipeline);
	event_queue_destroy(run->queue);
	capture_close(run->capture);
}

static void play(const char *path, unsigned n_threads, size_t table_bytes, struct recording *recording)
{
	struct run run;

	start(&run, path, n_threads, table_bytes);
	finish(&run, recording);
}

static void compare(const char *path, size_t table_bytes)
{
	struct recording one = { .n_events = 0 };

	play(path, 1, table_bytes, &one);
	for (unsigned i = 0; i < 3; i++) {
		unsigned n_threads = (const unsigned[]){ 2, 3, 8 }[i];
		struct recording many = { .n_events = 0 };
		play(path, n_threads, table_bytes, &many);
		if (one.n_events != many.n_events || one.n_bytes != many.n_bytes ||
		    memcmp(one.bytes, many.bytes, one.n_bytes) != 0)
			fail_msg("%s: %zu events with one thread are not the %zu with %u", path, one.n_events,
				 many.n_events, n_threads);
		assert_string_equal(many.summary, one.summary);
		free(many.bytes);
	}
	free(one.bytes);
}

static void compare_all(size_t table_bytes)
{
	DIR *folder = opendir(PROJECT_DIR "/pcaps");
	unsigned n = 0;

	assert_non_null(folder);
	for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
		char path[1024];
		if (strstr(entry->d_name, ".pcap") == NULL)
			continue;
		snprintf(path, sizeof(path), PROJECT_DIR "/pcaps/%s", entry->d_name);
		compare(path, table_bytes);
		n++;
	}
	closedir(folder);
	assert_true(n > 50);
}

static void test_same_events(void **state)
{
	(void)state;
	compare_all(64 << 20);
}

/* Most attempts and some connections lose their places. */
static void test_same_events_when_memory_is_short(void **state)
{
	(void)state;
	compare(PROJECT_DIR "/pcaps/syn_flood.pcap.zst", 16 << 20);
}

enum { PCAP_HEADER_BYTES = 24, PCAP_RECORD_BYTES = 16, PCAP_CAPTURED_AT = 8 };

/* The first frames of a capture; how many bytes that is. */
static size_t first_frames(const char *path, unsigned n_frames, uint8_t *bytes, size_t room)
{
	FILE *file = fopen(path, "rb");
	size_t end = PCAP_HEADER_BYTES;

	assert_non_null(file);
	size_t n = fread(bytes, 1, room, file);
	fclose(file);
	for (unsigned i = 0; i < n_frames; i++) {
		uint32_t captured_bytes;
		assert_true(end + PCAP_RECORD_BYTES <= n);
		memcpy(&captured_bytes, bytes + end + PCAP_CAPTURED_AT, sizeof(captured_bytes));
		end += PCAP_RECORD_BYTES + captured_bytes;
	}
	assert_true(end <= n);
	return end;
}

/* What came through a pipe is told before more comes, though it is as much as is ever decoded in one go. */
static void test_pause_of_a_pipe(void **state)
{
	uint8_t bytes[16384];
	int pipe_fds[2];
	char path[64];
	struct run run;
	struct recording recording = { .n_events = 0 };

	(void)state;
	size_t n = first_frames(PROJECT_DIR "/pcaps/close_wait_pile.pcap", 64, bytes, sizeof(bytes));
	assert_int_equal(pipe(pipe_fds), 0);
	assert_int_equal(write(pipe_fds[1], bytes, n), n);
	snprintf(path, sizeof(path), "/dev/fd/%d", pipe_fds[0]);
	start(&run, path, 2, 64 << 20);
	for (unsigned left = 100; event_queue_peek(run.queue) == NULL; left--) {
		if (left == 0)
			fail_msg("nothing is told while the pipe is silent");
		poll(NULL, 0, 100);
	}
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	finish(&run, &recording);
	free(recording.bytes);
}

static int load_rules(void **state)
{
	struct error error;

	(void)state;
	ruleset = ruleset_create_default(&error);
	return ruleset == NULL ? -1 : 0;
}

static int free_rules(void **state)
{
	(void)state;
	ruleset_destroy(ruleset);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_events),
		cmocka_unit_test(test_same_events_when_memory_is_short),
		cmocka_unit_test(test_pause_of_a_pipe),
	};
	return cmocka_run_group_tests(tests, load_rules, free_rules);
}
