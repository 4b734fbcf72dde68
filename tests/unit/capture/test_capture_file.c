/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One capture file through capture.h: every format, filters, what is said about files that are no captures, and what
 * is still delivered of files that are cut off or damaged.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/stat.h>

#include "tcpwitness/base/units.h"
#include "tcpwitness/capture/capture.h"

#include "capture_builder.h"

static struct capture *open_one(const char *path, const char *filter)
{
	struct error error = { 0 };
	struct capture *capture = capture_open_files(&path, 1, filter, &error);

	if (capture == NULL)
		print_error("%s\n", error.text);
	assert_non_null(capture);
	return capture;
}

/* The port that put_frame wrote, by which the tests tell frames apart. */
static uint16_t frame_port(const struct frame *frame)
{
	return (uint16_t)(frame->data[36] << 8 | frame->data[37]);
}

struct outcome {
	size_t n_frames;
	bool truncated;
	struct error error;
	uint64_t bytes_read;
};

/* Reads the file to its end; frames must go to ports 1, 2, 3 ... */
static struct outcome read_all(const char *path)
{
	struct capture *capture = open_one(path, NULL);
	struct outcome outcome = { 0 };
	struct capture_stats stats;
	struct frame frame;
	enum capture_result result;

	while ((result = capture_next(capture, &frame, &outcome.error)) == CAPTURE_FRAME) {
		outcome.n_frames++;
		assert_int_equal(frame.number, outcome.n_frames);
		assert_int_equal(frame_port(&frame), outcome.n_frames);
	}
	assert_int_equal(result, CAPTURE_END);
	assert_int_equal(capture_next(capture, &frame, &outcome.error), CAPTURE_END);
	capture_get_stats(capture, &stats);
	assert_int_equal(stats.frames, outcome.n_frames);
	outcome.truncated = stats.truncated;
	outcome.bytes_read = stats.input_bytes_read;
	assert_int_equal(outcome.truncated, outcome.error.text[0] != '\0');
	capture_close(capture);
	return outcome;
}

static void assert_refused(const char *path, const char *filter, const char *expected)
{
	struct error error = { 0 };

	assert_null(capture_open_files(&path, 1, filter, &error));
	if (strstr(error.text, expected) == NULL)
		fail_msg("'%s' does not contain '%s'", error.text, expected);
	assert_null(strchr(error.text, '\n'));
}

/* pcap: both byte orders, both units of time, all fields of struct frame. */
static void test_pcap_variants(void **state)
{
	static const struct style styles[] = {
		{ .big_endian = false, .nanoseconds = false },
		{ .big_endian = false, .nanoseconds = true },
		{ .big_endian = true, .nanoseconds = false },
		{ .big_endian = true, .nanoseconds = true },
	};

	for (size_t i = 0; i < 4; i++) {
		struct bytes *bytes = bytes_new();
		put_pcap_header(bytes, styles[i], LINK_ETHERNET);
		put_pcap_record_header(bytes, styles[i], 1700000000, 123456, FRAME_BYTES, 1514);
		put_frame(bytes, 443);
		struct capture *capture = open_one(folder_add(*state, "variant.pcap", bytes), NULL);
		struct frame frame;
		assert_int_equal(capture_next(capture, &frame, NULL), CAPTURE_FRAME);
		assert_int_equal(frame.time_ns, 1700000000 * NS_PER_SEC + (styles[i].nanoseconds ? 123456 : 123456000));
		assert_int_equal(frame.captured_bytes, FRAME_BYTES);
		assert_int_equal(frame.wire_bytes, 1514);
		assert_int_equal(frame.link_type, LINK_ETHERNET);
		assert_int_equal(frame.source, 0);
		assert_int_equal(frame.number, 1);
		assert_int_equal(frame_port(&frame), 443);
		assert_int_equal(capture_next(capture, &frame, NULL), CAPTURE_END);
		capture_close(capture);
	}
}

static void test_pcapng_variants(void **state)
{
	for (int big_endian = 0; big_endian < 2; big_endian++) {
		for (uint8_t tsresol = 6; tsresol <= 9; tsresol += 3) {
			uint64_t tick_ns = tsresol == 9 ? 1 : NS_PER_US;
			struct bytes *bytes = bytes_new();
			put_pcapng_section(bytes, big_endian);
			put_pcapng_interface(bytes, big_endian, LINK_ETHERNET, tsresol);
			put_pcapng_frame(bytes, big_endian, UINT64_C(1700000000123456789) / tick_ns, 443);
			struct capture *capture = open_one(folder_add(*state, "variant.pcapng", bytes), NULL);
			struct frame frame;
			assert_int_equal(capture_next(capture, &frame, NULL), CAPTURE_FRAME);
			assert_int_equal(frame.time_ns, UINT64_C(1700000000123456789) / tick_ns * tick_ns);
			assert_int_equal(frame.link_type, LINK_ETHERNET);
			assert_int_equal(frame_port(&frame), 443);
			assert_int_equal(capture_next(capture, &frame, NULL), CAPTURE_END);
			capture_close(capture);
		}
	}
}

static void test_header_without_frames_is_legal(void **state)
{
	struct outcome outcome = read_all(folder_add(*state, "no-frames.pcap", pcap_with_frames(0)));

	assert_int_equal(outcome.n_frames, 0);
	assert_false(outcome.truncated);
}

/* A forged record whose captured length is above the length on the wire: the larger one holds for both. */
static void test_captured_above_wire_length(void **state)
{
	const struct style style = { 0 };
	struct bytes *bytes = bytes_new();
	struct frame frame;

	put_pcap_header(bytes, style, LINK_ETHERNET);
	put_pcap_record_header(bytes, style, 1, 0, FRAME_BYTES, 10);
	put_frame(bytes, 1);
	struct capture *capture = open_one(folder_add(*state, "forged.pcap", bytes), NULL);
	assert_int_equal(capture_next(capture, &frame, NULL), CAPTURE_FRAME);
	assert_int_equal(frame.captured_bytes, FRAME_BYTES);
	assert_int_equal(frame.wire_bytes, FRAME_BYTES);
	capture_close(capture);
}

static void test_stats_and_names(void **state)
{
	const char *path = folder_add(*state, "three.pcap", pcap_with_frames(3));
	struct capture *capture = open_one(path, NULL);
	struct capture_stats stats;
	struct frame frame;

	assert_int_equal(capture_n_sources(capture), 1);
	assert_string_equal(capture_source_name(capture, 0), path);
	assert_false(capture_is_live(capture));
	while (capture_next(capture, &frame, NULL) == CAPTURE_FRAME)
		continue;
	capture_get_stats(capture, &stats);
	assert_int_equal(stats.frames, 3);
	assert_int_equal(stats.bytes, 3 * FRAME_BYTES);
	assert_int_equal(stats.time_backwards, 0);
	assert_int_equal(stats.input_bytes_total, PCAP_HEADER_BYTES + 3 * (PCAP_RECORD_HEADER_BYTES + FRAME_BYTES));
	assert_int_equal(stats.input_bytes_read, stats.input_bytes_total);
	capture_close(capture);
}

static void test_filter(void **state)
{
	const char *path = folder_add(*state, "five.pcap", pcap_with_frames(5));
	struct capture *capture = open_one(path, "tcp dst port 2 or tcp dst port 4");
	struct frame frame;

	assert_int_equal(capture_next(capture, &frame, NULL), CAPTURE_FRAME);
	assert_int_equal(frame_port(&frame), 2);
	assert_int_equal(frame.number, 1);
	assert_int_equal(capture_next(capture, &frame, NULL), CAPTURE_FRAME);
	assert_int_equal(frame_port(&frame), 4);
	assert_int_equal(frame.number, 2);
	assert_int_equal(capture_next(capture, &frame, NULL), CAPTURE_END);
	capture_close(capture);
}

/*
 * Two files with different link types: one filter, compiled for each; and the file named whose link type cannot
 * have it.
 */
static void test_filter_is_compiled_for_each_link_type(void **state)
{
	const struct style style = { 0 };
	struct bytes *raw = bytes_new();
	struct error error = { 0 };
	struct frame frame;
	const char *paths[2];

	paths[0] = folder_add(*state, "ethernet.pcap", pcap_with_frames(2));
	put_pcap_header(raw, style, LINK_RAW_IP);
	put_pcap_record_header(raw, style, 1000, 500, FRAME_BYTES - 14, FRAME_BYTES - 14);
	struct bytes *frame_bytes = bytes_new();
	put_frame(frame_bytes, 2);
	put(raw, frame_bytes->data + 14, FRAME_BYTES - 14);
	free(frame_bytes);
	paths[1] = folder_add(*state, "raw-ip.pcap", raw);

	struct capture *capture = capture_open_files(paths, 2, "tcp dst port 2", &error);
	assert_non_null(capture);
	assert_int_equal(capture_next(capture, &frame, &error), CAPTURE_FRAME);
	assert_int_equal(frame.source, 1);
	assert_int_equal(capture_next(capture, &frame, &error), CAPTURE_FRAME);
	assert_int_equal(frame.source, 0);
	assert_int_equal(frame.link_type, LINK_ETHERNET);
	assert_int_equal(capture_next(capture, &frame, &error), CAPTURE_END);
	capture_close(capture);

	assert_null(capture_open_files(paths, 2, "ether host 02:00:00:00:00:01", &error));
	assert_non_null(strstr(error.text, "raw-ip.pcap"));
	assert_non_null(strstr(error.text, "filter 'ether host 02:00:00:00:00:01'"));
}

static void test_bad_filter_is_named(void **state)
{
	const char *path = folder_add(*state, "one.pcap", pcap_with_frames(1));

	assert_refused(path, "tcp prot 80", "filter 'tcp prot 80'");
	assert_refused(path, "tcp prot 80", "syntax error");
}

static void test_no_capture_file(void **state)
{
	struct folder *folder = *state;
	const char *text = "# a text file, and long enough for a header of any kind\n";
	const char *text_path = folder_name(folder, "text");
	const char *xz_path = folder_name(folder, "capture.pcap.xz");
	const char *two_bytes = folder_name(folder, "two-bytes");
	const char *empty = folder_name(folder, "empty.pcap");

	assert_refused("/nonexistent/trace.pcap", NULL, "/nonexistent/trace.pcap: cannot be opened: No such file");
	assert_refused(folder->path, NULL, "is a directory");
	write_file(text_path, text, strlen(text));
	assert_refused(text_path, NULL, "is neither pcap nor pcapng");
	write_file(two_bytes, "\xd4\xc3", 2);
	assert_refused(two_bytes, NULL, "is neither pcap nor pcapng");
	write_file(xz_path,
		   "\xfd"
		   "7zXZ\0rest",
		   10);
	assert_refused(xz_path, NULL, "is compressed with xz");
	write_file(empty, "", 0);
	assert_refused(empty, NULL, "is empty");
}

static void test_unreadable_file(void **state)
{
	const char *path = folder_add(*state, "secret.pcap", pcap_with_frames(1));

	/* root may read everything, so this test is somebody else for a moment. */
	uid_t uid = geteuid();
	assert_int_equal(chmod(path, 0), 0);
	assert_true(uid != 0 || seteuid(65534) == 0);
	assert_refused(path, NULL, "Permission denied; this user must be allowed to read it");
	assert_true(uid != 0 || seteuid(0) == 0);
}

static void test_no_files_or_stdin_twice(void **state)
{
	const char *const paths[] = { "-", "-" };
	struct error error = { 0 };

	(void)state;
	assert_null(capture_open_files(paths, 0, NULL, &error));
	assert_non_null(strstr(error.text, "no capture file"));
	assert_null(capture_open_files(paths, 2, NULL, &error));
	assert_non_null(strstr(error.text, "standard input (-) is named 2 times"));
}

/* Cut after every byte: whole records before the cut come out, and only a cut between records is silent. */
static void test_pcap_cut_at_every_byte(void **state)
{
	const size_t record_bytes = PCAP_RECORD_HEADER_BYTES + FRAME_BYTES;
	const char *path = folder_name(*state, "cut.pcap");
	struct bytes *bytes = pcap_with_frames(3);

	for (size_t n = 1; n <= bytes->n; n++) {
		write_file(path, bytes->data, n);
		if (n < PCAP_HEADER_BYTES) {
			assert_refused(path, NULL, n < 4 ? "is neither" : "header is cut off");
			continue;
		}
		struct outcome outcome = read_all(path);
		assert_int_equal(outcome.n_frames, (n - PCAP_HEADER_BYTES) / record_bytes);
		assert_int_equal(outcome.truncated, (n - PCAP_HEADER_BYTES) % record_bytes != 0);
		if (outcome.truncated) {
			assert_non_null(strstr(outcome.error.text, "cut.pcap: cut off"));
			assert_non_null(strstr(outcome.error.text, "truncated"));
		}
	}
	free(bytes);
}

static void test_pcapng_cut_at_every_byte(void **state)
{
	const char *path = folder_name(*state, "cut.pcapng");
	struct bytes *bytes = bytes_new();
	size_t ends[4]; /* of the headers, and of each frame */

	put_pcapng_section(bytes, false);
	put_pcapng_interface(bytes, false, LINK_ETHERNET, 6);
	ends[0] = bytes->n;
	for (uint16_t i = 1; i <= 3; i++) {
		put_pcapng_frame(bytes, false, i, i);
		ends[i] = bytes->n;
	}
	for (size_t n = 1; n <= bytes->n; n++) {
		write_file(path, bytes->data, n);
		if (n < ends[0]) {
			assert_refused(path, NULL, n < 4 ? "is neither" : "header is cut off");
			continue;
		}
		size_t n_whole = 0;
		while (n_whole < 3 && ends[n_whole + 1] <= n)
			n_whole++;
		struct outcome outcome = read_all(path);
		assert_int_equal(outcome.n_frames, n_whole);
		assert_int_equal(outcome.truncated, n != ends[n_whole]);
	}
	free(bytes);
}

static void test_absurd_record_length(void **state)
{
	const struct style style = { 0 };
	struct bytes *bytes = pcap_with_frames(2);

	put_pcap_record_header(bytes, style, 1002, 0, 0x7fffffff, 0x7fffffff);
	put_frame(bytes, 3);
	struct outcome outcome = read_all(folder_add(*state, "absurd.pcap", bytes));
	assert_int_equal(outcome.n_frames, 2);
	assert_true(outcome.truncated);
	assert_non_null(strstr(outcome.error.text, "absurd.pcap: cut off or damaged after 2 frames"));
}

static void test_damaged_pcapng_block(void **state)
{
	struct bytes *bytes = bytes_new();

	put_pcapng_section(bytes, false);
	put_pcapng_interface(bytes, false, LINK_ETHERNET, 6);
	put_pcapng_frame(bytes, false, 1, 1);
	put_pcapng_frame(bytes, false, 2, 2);
	bytes->data[bytes->n - 1] ^= 0xff; /* the trailing block length */
	struct outcome outcome = read_all(folder_add(*state, "damaged.pcapng", bytes));
	assert_int_equal(outcome.n_frames, 1);
	assert_true(outcome.truncated);
}

static void test_every_flipped_byte_is_survived(void **state)
{
	const char *path = folder_name(*state, "flipped.pcap");
	struct bytes *bytes = pcap_with_frames(3);

	for (size_t i = 0; i < bytes->n; i++) {
		struct error error = { 0 };
		bytes->data[i] ^= 0xff;
		write_file(path, bytes->data, bytes->n);
		struct capture *capture = capture_open_files(&path, 1, NULL, &error);
		if (capture != NULL) {
			struct frame frame;
			size_t n_frames = 0;
			while (capture_next(capture, &frame, &error) == CAPTURE_FRAME) {
				assert_true(frame.wire_bytes >= frame.captured_bytes);
				n_frames++;
			}
			assert_true(n_frames <= 3);
		} else {
			assert_true(error.text[0] != '\0');
		}
		capture_close(capture);
		bytes->data[i] ^= 0xff;
	}
	free(bytes);
}

typedef void (*packer)(struct bytes *, const uint8_t *, size_t);

static const struct {
	const char *name;
	packer pack;
} packers[] = {
	{ "gzip", put_gzip },
	{ "zstd", put_zstd },
};

/* By content, not by name; several members or frames one after the other, cut anywhere, are one file. */
static void test_compressed(void **state)
{
	const char *path = folder_name(*state, "misnamed.pcap");

	for (size_t i = 0; i < 2; i++) {
		struct bytes *plain = pcap_with_frames(2000);
		struct bytes *packed = bytes_new();
		size_t half = plain->n / 2 + 7;
		packers[i].pack(packed, plain->data, half);
		packers[i].pack(packed, plain->data + half, plain->n - half);
		write_file(path, packed->data, packed->n);
		struct outcome outcome = read_all(path);
		assert_int_equal(outcome.n_frames, 2000);
		assert_false(outcome.truncated);
		assert_int_equal(outcome.bytes_read, packed->n);
		free(packed);
		free(plain);
	}
}

static void test_gzip_padding_and_zstd_skippable_frame(void **state)
{
	static const uint8_t zeros[100] = { 0 };
	/* A skippable frame of 3 bytes, as parallel compressors put in front. */
	static const uint8_t skippable[] = { 0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 'a', 'b', 'c' };
	struct bytes *plain = pcap_with_frames(3);
	struct bytes *gzip = bytes_new();
	struct bytes *zstd = bytes_new();

	put_gzip(gzip, plain->data, plain->n);
	put(gzip, zeros, sizeof(zeros));
	struct outcome outcome = read_all(folder_add(*state, "padded.pcap.gz", gzip));
	assert_int_equal(outcome.n_frames, 3);
	assert_false(outcome.truncated);

	put(zstd, skippable, sizeof(skippable));
	put_zstd(zstd, plain->data, plain->n);
	outcome = read_all(folder_add(*state, "skippable.pcap.zst", zstd));
	assert_int_equal(outcome.n_frames, 3);
	assert_false(outcome.truncated);
	free(plain);
}

/* Cut after every byte: never a crash, never a frame too many, never silent. */
static void test_compressed_cut_at_every_byte(void **state)
{
	const char *path = folder_name(*state, "cut.pcap.packed");

	for (size_t i = 0; i < 2; i++) {
		struct bytes *plain = pcap_with_frames(5);
		struct bytes *packed = bytes_new();
		packers[i].pack(packed, plain->data, plain->n);
		for (size_t n = 1; n < packed->n; n++) {
			struct error error = { 0 };
			write_file(path, packed->data, n);
			struct capture *capture = capture_open_files(&path, 1, NULL, &error);
			if (capture == NULL) {
				assert_true(error.text[0] != '\0');
				continue;
			}
			capture_close(capture);
			struct outcome outcome = read_all(path);
			assert_true(outcome.n_frames <= 5);
			assert_true(outcome.truncated);
			assert_non_null(strstr(outcome.error.text, "compressed data end in the middle"));
		}
		free(packed);
		free(plain);
	}
}

/* Two parts, the second cut off: all of the first part's frames come out. */
static void test_compressed_delivers_what_precedes_the_cut(void **state)
{
	const char *path = folder_name(*state, "half.pcap.packed");

	for (size_t i = 0; i < 2; i++) {
		struct bytes *plain = pcap_with_frames(100);
		struct bytes *packed = bytes_new();
		size_t half = PCAP_HEADER_BYTES + 60 * (PCAP_RECORD_HEADER_BYTES + FRAME_BYTES);
		packers[i].pack(packed, plain->data, half);
		size_t n_first = packed->n;
		packers[i].pack(packed, plain->data + half, plain->n - half);
		write_file(path, packed->data, n_first + 12);
		struct outcome outcome = read_all(path);
		assert_int_equal(outcome.n_frames, 60);
		assert_true(outcome.truncated);
		/* The same with the second part's beginning overwritten. */
		memset(packed->data + n_first, 0x55, 12);
		write_file(path, packed->data, packed->n);
		outcome = read_all(path);
		assert_int_equal(outcome.n_frames, 60);
		assert_true(outcome.truncated);
		assert_non_null(strstr(outcome.error.text, "compressed data are corrupt"));
		free(packed);
		free(plain);
	}
}

/* A large zstd frame has many blocks: a corrupt one must not take the ones before it away. */
static void test_zstd_corrupt_block_keeps_earlier_blocks(void **state)
{
	struct bytes *plain = pcap_with_frames(10000); /* 700 kB: six blocks of 128 KiB */
	struct bytes *packed = bytes_new();

	put_zstd(packed, plain->data, plain->n);
	memset(packed->data + packed->n * 9 / 10, 0xff, packed->n / 10);
	struct outcome outcome = read_all(folder_add(*state, "corrupt.pcap.zst", packed));
	assert_in_range(outcome.n_frames, 5000, 9999);
	assert_true(outcome.truncated);
	free(plain);
}

static void test_compressed_header_errors(void **state)
{
	struct bytes *empty = bytes_new();
	struct bytes *text = bytes_new();
	struct bytes *cut = bytes_new();

	put_gzip(empty, (const uint8_t *)"", 0);
	assert_refused(folder_add(*state, "empty.gz", empty), NULL, "is empty once unpacked");
	put_zstd(text, (const uint8_t *)"plain text, not a capture at all", 32);
	assert_refused(folder_add(*state, "text.zst", text), NULL, "is neither pcap nor pcapng");
	put_gzip(cut, (const uint8_t *)"anything", 8);
	cut->n = 5;
	assert_refused(folder_add(*state, "cut.gz", cut), NULL, "compressed data end in the middle");
}

#define with_folder(test) cmocka_unit_test_setup_teardown(test, folder_setup, folder_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_folder(test_pcap_variants),
		with_folder(test_pcapng_variants),
		with_folder(test_header_without_frames_is_legal),
		with_folder(test_captured_above_wire_length),
		with_folder(test_stats_and_names),
		with_folder(test_filter),
		with_folder(test_filter_is_compiled_for_each_link_type),
		with_folder(test_bad_filter_is_named),
		with_folder(test_no_capture_file),
		with_folder(test_unreadable_file),
		cmocka_unit_test(test_no_files_or_stdin_twice),
		with_folder(test_pcap_cut_at_every_byte),
		with_folder(test_pcapng_cut_at_every_byte),
		with_folder(test_absurd_record_length),
		with_folder(test_damaged_pcapng_block),
		with_folder(test_every_flipped_byte_is_survived),
		with_folder(test_compressed),
		with_folder(test_gzip_padding_and_zstd_skippable_frame),
		with_folder(test_compressed_cut_at_every_byte),
		with_folder(test_compressed_delivers_what_precedes_the_cut),
		with_folder(test_zstd_corrupt_block_keeps_earlier_blocks),
		with_folder(test_compressed_header_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
