/* SPDX-License-Identifier: BSD-2-Clause */
/* Several capture files as one sequence: the order of frames, their numbers and sources, and files that end early. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/resource.h>

#include "tcpwitness/base/units.h"
#include "tcpwitness/capture/capture.h"

#include "capture_builder.h"

/* A file whose frames stand at the given seconds (0 ends the list). */
static const char *add_file(struct folder *folder, const char *name, const uint32_t *seconds)
{
	struct bytes *bytes = bytes_new();
	const struct style style = { 0 };

	put_pcap_header(bytes, style, LINK_ETHERNET);
	for (; *seconds != 0; seconds++)
		put_pcap_frame(bytes, style, *seconds, 0, 80);
	return folder_add(folder, name, bytes);
}

struct step {
	uint32_t second;
	uint16_t source;
};

/* Reads all frames and compares their times and sources with the n expected; returns the final statistics. */
static struct capture_stats assert_order(const char *const *paths, size_t n_paths, const struct step *expected,
					 size_t n)
{
	struct error error = { 0 };
	struct capture *capture = capture_open_files(paths, n_paths, NULL, &error);
	struct capture_stats stats;
	struct frame frame;

	assert_non_null(capture);
	assert_int_equal(capture_n_sources(capture), n_paths);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(capture_next(capture, &frame, &error), CAPTURE_FRAME);
		assert_int_equal(frame.time_ns, expected[i].second * NS_PER_SEC);
		assert_int_equal(frame.source, expected[i].source);
		assert_int_equal(frame.number, i + 1);
		assert_int_equal(frame.captured_bytes, FRAME_BYTES);
		assert_int_equal(frame.data[37], 80);
	}
	assert_int_equal(capture_next(capture, &frame, &error), CAPTURE_END);
	capture_get_stats(capture, &stats);
	capture_close(capture);
	return stats;
}

static void test_earliest_first_ties_in_path_order(void **state)
{
	const char *const paths[] = {
		add_file(*state, "a", (const uint32_t[]){ 10, 20, 30, 0 }),
		add_file(*state, "b", (const uint32_t[]){ 5, 20, 40, 0 }),
		add_file(*state, "c", (const uint32_t[]){ 20, 21, 0 }),
	};
	const struct step expected[] = {
		{ 5, 1 }, { 10, 0 }, { 20, 0 }, { 20, 1 }, { 20, 2 }, { 21, 2 }, { 30, 0 }, { 40, 1 },
	};
	struct capture_stats stats = assert_order(paths, 3, expected, 8);

	assert_int_equal(stats.frames, 8);
	assert_int_equal(stats.time_backwards, 0);
	assert_false(stats.truncated);
}

static void test_files_without_frames(void **state)
{
	const char *const paths[] = {
		add_file(*state, "a", (const uint32_t[]){ 0 }),
		add_file(*state, "b", (const uint32_t[]){ 7, 0 }),
		add_file(*state, "c", (const uint32_t[]){ 0 }),
	};

	assert_order(paths, 3, (const struct step[]){ { 7, 1 } }, 1);
	assert_order(paths, 1, NULL, 0);
}

/* A file's own order is kept when its clock steps back; the step is counted. */
static void test_file_that_goes_backwards(void **state)
{
	const char *const paths[] = {
		add_file(*state, "a", (const uint32_t[]){ 10, 3, 11, 0 }),
		add_file(*state, "b", (const uint32_t[]){ 9, 12, 0 }),
	};
	const struct step expected[] = { { 9, 1 }, { 10, 0 }, { 3, 0 }, { 11, 0 }, { 12, 1 } };
	struct capture_stats stats = assert_order(paths, 2, expected, 5);

	assert_int_equal(stats.time_backwards, 1);
}

/* Twelve files, so that the heap is deep, whose frames interleave one by one. */
static void test_many_files_interleaved(void **state)
{
	enum { N_FILES = 12, N_ROUNDS = 50 };
	const char *paths[N_FILES];
	struct step expected[N_FILES * N_ROUNDS];

	for (unsigned i = 0; i < N_FILES; i++) {
		uint32_t seconds[N_ROUNDS + 1] = { 0 };
		char name[8];
		for (uint32_t round = 0; round < N_ROUNDS; round++) {
			/* The file order turns by one in each round. */
			uint32_t place = round * N_FILES + (i + round) % N_FILES;
			seconds[round] = 1 + place;
			expected[place] = (struct step){ .second = 1 + place, .source = (uint16_t)i };
		}
		snprintf(name, sizeof(name), "f%u", i);
		paths[i] = add_file(*state, name, seconds);
	}
	assert_order(paths, N_FILES, expected, sizeof(expected) / sizeof(expected[0]));
}

/* The cut file ends, the others go on, and the end says which one it was. */
static void test_cut_file_does_not_end_the_others(void **state)
{
	struct bytes *cut = pcap_with_frames(2); /* seconds 1000 and 1001 */
	struct capture_stats stats;
	struct error error = { 0 };
	struct frame frame;
	size_t n_frames = 0;
	const char *paths[2];

	cut->n -= 1;
	paths[0] = folder_add(*state, "cut.pcap", cut);
	paths[1] = add_file(*state, "whole.pcap", (const uint32_t[]){ 999, 1002, 1003, 0 });
	struct capture *capture = capture_open_files(paths, 2, NULL, &error);
	assert_non_null(capture);
	while (capture_next(capture, &frame, &error) == CAPTURE_FRAME)
		n_frames++;
	assert_int_equal(n_frames, 4);
	capture_get_stats(capture, &stats);
	assert_true(stats.truncated);
	assert_non_null(strstr(error.text, "cut.pcap"));
	assert_null(strstr(error.text, "whole.pcap"));
	capture_close(capture);
}

/* One frame in each of so many seconds, from first on and step apart, as a pcap file in a byte order, or as pcapng. */
struct run {
	uint32_t first;
	uint32_t step;
	uint32_t n_frames;
	uint32_t link_type;
	bool big_endian;
	bool is_pcapng;
};

static const char *add_run(struct folder *folder, const char *name, const struct run *run)
{
	const struct style style = { .big_endian = run->big_endian };
	struct bytes *bytes = bytes_new();

	if (run->is_pcapng) {
		put_pcapng_section(bytes, run->big_endian);
		put_pcapng_interface(bytes, run->big_endian, (uint16_t)run->link_type, 6);
	} else {
		put_pcap_header(bytes, style, run->link_type);
	}
	for (uint32_t i = 0; i < run->n_frames; i++) {
		uint32_t second = run->first + i * run->step;
		/* The second stands in the frame as well. */
		if (run->is_pcapng)
			put_pcapng_frame(bytes, run->big_endian, second * UINT64_C(1000000), (uint16_t)second);
		else
			put_pcap_frame(bytes, style, second, 0, (uint16_t)second);
	}
	return folder_add(folder, name, bytes);
}

/* All frames of a burst still have their bytes when its last one has come. */
static void assert_burst_is_whole(const struct frame *frames, size_t n_frames)
{
	for (size_t i = 0; i < n_frames; i++) {
		assert_int_equal(frames[i].captured_bytes, FRAME_BYTES);
		assert_int_equal(frames[i].data[36] << 8 | frames[i].data[37],
				 (uint16_t)(frames[i].time_ns / NS_PER_SEC));
	}
}

/* Reads one by one and in bursts of n_max, which must come to the same. Returns the number of bursts. */
static size_t compare_bursts(const char *const *paths, size_t n_paths, const char *filter, size_t n_max)
{
	struct capture *one_by_one = capture_open_files(paths, n_paths, filter, NULL);
	struct capture *in_bursts = capture_open_files(paths, n_paths, filter, NULL);
	struct frame frames[64];
	struct frame single;
	size_t n_frames;
	size_t n_bursts = 0;

	assert_non_null(one_by_one);
	assert_non_null(in_bursts);
	while (capture_next_burst(in_bursts, frames, n_max, &n_frames, NULL) == CAPTURE_FRAME) {
		assert_in_range(n_frames, 1, n_max);
		assert_burst_is_whole(frames, n_frames);
		for (size_t i = 0; i < n_frames; i++) {
			assert_int_equal(capture_next(one_by_one, &single, NULL), CAPTURE_FRAME);
			assert_int_equal(frames[i].time_ns, single.time_ns);
			assert_int_equal(frames[i].source, single.source);
			assert_int_equal(frames[i].number, single.number);
			assert_int_equal(frames[i].link_type, single.link_type);
		}
		n_bursts++;
	}
	assert_int_equal(n_frames, 0);
	assert_int_equal(capture_next(one_by_one, &single, NULL), CAPTURE_END);
	capture_close(one_by_one);
	capture_close(in_bursts);
	return n_bursts;
}

/* Files of several windows, of every kind of reader: bursts are the same sequence, only more of it at once. */
static void test_bursts_are_the_same_sequence(void **state)
{
	const struct run runs[] = {
		{ .first = 1, .step = 1, .n_frames = 10000, .link_type = LINK_ETHERNET },
		{ .first = 5000, .step = 2, .n_frames = 6000, .link_type = LINK_ETHERNET, .big_endian = true },
		{ .first = 1, .step = 3, .n_frames = 5000, .link_type = LINK_ETHERNET, .is_pcapng = true },
		/* In the other byte order, a link type that is left to libpcap. */
		{ .first = 12000, .step = 1, .n_frames = 100, .link_type = 113, .big_endian = true },
	};
	const size_t bursts[] = { 1, 2, 64 };
	const char *paths[4];
	char name[8];

	for (size_t i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "f%zu", i);
		paths[i] = add_run(*state, name, &runs[i]);
	}
	for (size_t i = 0; i < sizeof(bursts) / sizeof(bursts[0]); i++) {
		for (size_t n_paths = 1; n_paths <= 4; n_paths++) {
			compare_bursts(paths, n_paths, NULL, bursts[i]);
			compare_bursts(paths, n_paths, "tcp[3] & 1 = 1 or len > 60", bursts[i]);
		}
		compare_bursts(paths + 2, 1, NULL, bursts[i]);
		assert_int_equal(compare_bursts(paths + 3, 1, NULL, bursts[i]), 100);
	}
	/* Most are full. */
	assert_in_range(compare_bursts(paths, 1, NULL, 64), 10000 / 64, 10000 / 64 + 10);
	assert_in_range(compare_bursts(paths, 3, NULL, 64), 21000 / 64, 21000 / 64 + 50);
}

/* One missing file among several refuses all: a run over half of the input would mislead. */
static void test_one_missing_file_refuses_all(void **state)
{
	const char *const paths[] = {
		add_file(*state, "a", (const uint32_t[]){ 1, 0 }),
		"/nonexistent/b.pcap",
	};
	struct error error = { 0 };

	assert_null(capture_open_files(paths, 2, NULL, &error));
	assert_non_null(strstr(error.text, "/nonexistent/b.pcap"));
}

static void test_too_many_files_for_the_limit(void **state)
{
	const char *path = add_file(*state, "a", (const uint32_t[]){ 1, 0 });
	const char *paths[64];
	struct rlimit saved;
	struct error error = { 0 };

	for (size_t i = 0; i < 64; i++)
		paths[i] = path;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &saved), 0);
	const struct rlimit low = { .rlim_cur = 32, .rlim_max = saved.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	struct capture *capture = capture_open_files(paths, 64, NULL, &error);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &saved), 0);
	assert_null(capture);
	assert_non_null(strstr(error.text, "Too many open files; raise the limit"));
}

/* Whatever was opened is closed again, after a success and after a refusal. */
static void test_no_descriptor_is_left(void **state)
{
	const char *const good[] = { add_file(*state, "a", (const uint32_t[]){ 1, 0 }) };
	const char *const bad[] = { good[0], good[0], "/nonexistent/b.pcap" };
	int before = open("/dev/null", O_RDONLY | O_CLOEXEC);

	close(before);
	capture_close(capture_open_files(good, 1, "tcp", NULL));
	assert_null(capture_open_files(bad, 3, NULL, NULL));
	assert_null(capture_open_files(good, 1, "no such filter", NULL));
	int after = open("/dev/null", O_RDONLY | O_CLOEXEC);
	close(after);
	assert_int_equal(after, before);
}

#define with_folder(test) cmocka_unit_test_setup_teardown(test, folder_setup, folder_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_folder(test_earliest_first_ties_in_path_order),
		with_folder(test_files_without_frames),
		with_folder(test_file_that_goes_backwards),
		with_folder(test_many_files_interleaved),
		with_folder(test_cut_file_does_not_end_the_others),
		with_folder(test_bursts_are_the_same_sequence),
		with_folder(test_one_missing_file_refuses_all),
		with_folder(test_too_many_files_for_the_limit),
		with_folder(test_no_descriptor_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
