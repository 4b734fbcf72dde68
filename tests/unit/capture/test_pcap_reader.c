/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pcap files in all their variants, written by hand and read beside libpcap: magics, versions, lengths in either order,
 * snapshot lengths, link types and what stands above them, times, and records that are cut off or impossible.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <unistd.h>

#include "capture_builder.h"
#include "libpcap_check.h"

enum {
	MAGIC_EXTENDED = 0xa1b2cd34,
	LINK_LINUX_SLL = 113,
	LINK_DBUS = 231,
	LINK_USB_MMAPPED = 220,
	CAPTURED_MAX_BYTES = 262144,
};

static const uint32_t magics[] = { 0xa1b2c3d4, 0xa1b23c4d, MAGIC_EXTENDED };

/* What a file is like. */
struct variant {
	bool big_endian;
	uint32_t magic;
	uint16_t major;
	uint16_t minor;
	uint32_t snaplen;
	uint32_t link_type;
};

static const struct variant usual = {
	.magic = 0xa1b2c3d4, .major = 2, .minor = 4, .snaplen = 65535, .link_type = LINK_ETHERNET
};

static void put_header(struct bytes *bytes, const struct variant *variant)
{
	put_int(bytes, variant->big_endian, variant->magic, 4);
	put_int(bytes, variant->big_endian, variant->major, 2);
	put_int(bytes, variant->big_endian, variant->minor, 2);
	put_int(bytes, variant->big_endian, 0, 4);
	put_int(bytes, variant->big_endian, 0, 4);
	put_int(bytes, variant->big_endian, variant->snaplen, 4);
	put_int(bytes, variant->big_endian, variant->link_type, 4);
}

struct stamp {
	uint32_t seconds;
	uint32_t fraction;
};

/* Lengths in the order in which they stand in the file. */
static void put_record_header(struct bytes *bytes, const struct variant *variant, struct stamp stamp,
			      uint32_t first_bytes, uint32_t second_bytes)
{
	put_int(bytes, variant->big_endian, stamp.seconds, 4);
	put_int(bytes, variant->big_endian, stamp.fraction, 4);
	put_int(bytes, variant->big_endian, first_bytes, 4);
	put_int(bytes, variant->big_endian, second_bytes, 4);
	if (variant->magic == MAGIC_EXTENDED) {
		put_int(bytes, variant->big_endian, 3, 4);
		put_int(bytes, variant->big_endian, 4, 4);
	}
}

/* n bytes of IPv4 and TCP and what follows. */
static void put_packet(struct bytes *bytes, size_t n_bytes)
{
	size_t begin = bytes->n;

	put_frame(bytes, (uint16_t)n_bytes);
	while (bytes->n < begin + n_bytes)
		put_int(bytes, true, (uint32_t)bytes->n * 2654435761U, 4);
	bytes->n = begin + n_bytes;
}

/* Frames whose captured lengths stand first, second, or are as long as on the wire. */
static struct bytes *varied_frames(const struct variant *variant)
{
	static const uint16_t lengths[][2] = {
		{ 60, 60 }, { 60, 1514 }, { 100, 60 }, { 54, 0 }, { 0, 60 }, { 60, 60 }
	};
	bool is_wire_first = variant->major != 2 || variant->minor < 3;
	struct bytes *bytes = bytes_new();

	put_header(bytes, variant);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		uint32_t captured = lengths[i][is_wire_first];
		/* As libpcap does: whatever is smaller, when it cannot be told. */
		if (variant->major == 2 && variant->minor == 3 && lengths[i][0] > lengths[i][1])
			captured = lengths[i][1];
		put_record_header(bytes, variant, (struct stamp){ 1700000000 + (uint32_t)i, 999999 }, lengths[i][0],
				  lengths[i][1]);
		put_packet(bytes, captured);
	}
	return bytes;
}

static struct comparison compare(const char *path, const char *filter)
{
	struct comparison one = compare_with_libpcap(path, filter, 1);
	struct comparison many = compare_with_libpcap(path, filter, BURST_MAX);

	assert_int_equal(one.n_frames, many.n_frames);
	assert_int_equal(one.truncated, many.truncated);
	if (!one.refused)
		assert_int_equal(one.truncated, one.libpcap_gave_up);
	return one;
}

static struct comparison compare_bytes(struct folder *folder, struct bytes *bytes, const char *filter)
{
	folder->n_files = 0;
	return compare(folder_add(folder, "variant.pcap", bytes), filter);
}

static void test_magics_and_versions(void **state)
{
	static const uint16_t versions[][2] = { { 2, 0 }, { 2, 2 }, { 2, 3 }, { 2, 4 }, { 543, 0 } };
	static const uint16_t unknown[][2] = { { 1, 4 }, { 2, 5 }, { 3, 0 }, { 543, 1 }, { 0, 0 } };
	struct variant variant = usual;

	for (size_t i = 0; i < 2 * sizeof(magics) / sizeof(magics[0]); i++) {
		variant.big_endian = i % 2 == 1;
		variant.magic = magics[i / 2];
		for (size_t v = 0; v < sizeof(versions) / sizeof(versions[0]); v++) {
			variant.major = versions[v][0];
			variant.minor = versions[v][1];
			struct comparison all = compare_bytes(*state, varied_frames(&variant), NULL);
			assert_int_equal(all.n_frames, 6);
			assert_false(all.truncated);
			struct comparison some = compare_bytes(*state, varied_frames(&variant), "tcp and len > 54");
			assert_in_range(some.n_frames, 1, 5);
			variant.major = unknown[v][0];
			variant.minor = unknown[v][1];
			assert_true(compare_bytes(*state, varied_frames(&variant), NULL).refused);
		}
	}
}

static void test_snapshot_lengths(void **state)
{
	static const uint32_t snaplens[] = { 0, 1, 59, 60, 61, 262144, 262145, 0x7fffffff, 0x80000000, 0xffffffff };
	struct variant variant = usual;

	for (size_t m = 0; m < sizeof(magics) / sizeof(magics[0]); m++) {
		variant.magic = magics[m];
		for (size_t i = 0; i < sizeof(snaplens) / sizeof(snaplens[0]); i++) {
			variant.snaplen = snaplens[i];
			assert_int_equal(compare_bytes(*state, varied_frames(&variant), NULL).n_frames, 6);
			compare_bytes(*state, varied_frames(&variant), "tcp");
		}
	}
}

/* The upper bits say whether frames end in a check sequence and how long it is. They are not part of the type. */
static void test_link_types(void **state)
{
	static const uint32_t upper_bits[] = { 0, 0x04000000, 0x24000000, 0xfc000000 };
	static const uint32_t link_types[] = {
		LINK_ETHERNET, LINK_RAW_IP, LINK_LINUX_SLL, LINK_DBUS, LINK_USB_MMAPPED, 0, 276, 999
	};
	struct variant variant = usual;

	for (size_t i = 0; i < 2 * sizeof(link_types) / sizeof(link_types[0]); i++) {
		variant.big_endian = i % 2 == 1;
		for (size_t u = 0; u < sizeof(upper_bits) / sizeof(upper_bits[0]); u++) {
			variant.link_type = link_types[i / 2] | upper_bits[u];
			struct comparison comparison = compare_bytes(*state, varied_frames(&variant), NULL);
			assert_false(comparison.refused);
			assert_int_equal(comparison.n_frames, 6);
		}
	}
}

/* In the machine's own order libpcap takes them for signed; the format says that they are not. */
static void test_times_are_unsigned(void **state)
{
	static const struct {
		struct stamp stamp;
		uint32_t magic;
		uint64_t time_ns;
	} cases[] = {
		{ { 0, 0 }, 0xa1b2c3d4, 0 },
		{ { 0x7fffffff, 999999 }, 0xa1b2c3d4, 0x7fffffff * NS_PER_SEC + 999999000 },
		{ { 0x80000000, 1 }, 0xa1b2c3d4, 0x80000000 * NS_PER_SEC + 1000 },
		{ { 0xffffffff, 0xffffffff }, 0xa1b2c3d4, 0xffffffff * NS_PER_SEC + 0xffffffff * UINT64_C(1000) },
		{ { 0xffffffff, 0xffffffff }, 0xa1b23c4d, 0xffffffff * NS_PER_SEC + 0xffffffff },
		{ { 10, 3000000 }, MAGIC_EXTENDED, 13 * NS_PER_SEC },
	};

	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		struct variant variant = usual;
		struct bytes *bytes = bytes_new();
		struct frame frame;
		variant.big_endian = i % 2 == 1;
		variant.magic = cases[i / 2].magic;
		put_header(bytes, &variant);
		put_record_header(bytes, &variant, cases[i / 2].stamp, 60, 60);
		put_packet(bytes, 60);
		((struct folder *)*state)->n_files = 0;
		const char *path = folder_add(*state, "times.pcap", bytes);
		compare(path, NULL);
		struct capture *capture = capture_open_files(&path, 1, NULL, NULL);
		assert_int_equal(capture_next(capture, &frame, NULL), CAPTURE_FRAME);
		assert_int_equal(frame.time_ns, cases[i / 2].time_ns);
		capture_close(capture);
	}
}

static void test_cut_at_every_byte(void **state)
{
	const char *path = folder_name(*state, "cut.pcap");

	for (size_t m = 0; m < sizeof(magics) / sizeof(magics[0]); m++) {
		struct variant variant = usual;
		variant.magic = magics[m];
		variant.snaplen = 58; /* shorter than some records: a cut behind it is one all the same */
		struct bytes *bytes = varied_frames(&variant);
		for (size_t n_bytes = 1; n_bytes <= bytes->n; n_bytes++) {
			write_file(path, bytes->data, n_bytes);
			compare(path, NULL);
		}
		free(bytes);
	}
}

static void test_every_changed_byte(void **state)
{
	const char *path = folder_name(*state, "changed.pcap");
	struct bytes *bytes = varied_frames(&usual);

	for (size_t i = 0; i < bytes->n * 8; i++) {
		bytes->data[i / 8] ^= (uint8_t)(1U << i % 8);
		write_file(path, bytes->data, bytes->n);
		/* A link type above all that a frame can name is refused here only. */
		if (i / 8 < 22 || i / 8 > 23)
			compare(path, NULL);
		bytes->data[i / 8] ^= (uint8_t)(1U << i % 8);
	}
	free(bytes);
}

static void test_longest_record(void **state)
{
	struct variant variant = usual;

	for (uint32_t above = 0; above < 2; above++) {
		for (variant.snaplen = 0; variant.snaplen <= 65535; variant.snaplen += 65535) {
			struct bytes *bytes = bytes_new();
			put_header(bytes, &variant);
			put_record_header(bytes, &variant, (struct stamp){ 1, 0 }, 60, 60);
			put_packet(bytes, 60);
			put_record_header(bytes, &variant, (struct stamp){ 2, 0 }, CAPTURED_MAX_BYTES + above,
					  CAPTURED_MAX_BYTES + above);
			put_packet(bytes, CAPTURED_MAX_BYTES + above);
			put_record_header(bytes, &variant, (struct stamp){ 3, 0 }, 60, 60);
			put_packet(bytes, 60);
			struct comparison comparison = compare_bytes(*state, bytes, NULL);
			assert_int_equal(comparison.n_frames, above == 0 ? 3 : 1);
			assert_int_equal(comparison.truncated, above);
		}
	}
}

/* Many windows long, so that records lie across the ends of most of them. */
static void test_long_file(void **state)
{
	struct bytes *bytes = bytes_new();
	uint64_t n_frames = 0;

	put_header(bytes, &usual);
	for (uint32_t n_bytes = 0; bytes->n < 1000000; n_bytes = (n_bytes * 7 + 61) % 3001) {
		put_record_header(bytes, &usual, (struct stamp){ (uint32_t)++n_frames, 0 }, n_bytes, n_bytes);
		put_packet(bytes, n_bytes);
	}
	const char *path = folder_add(*state, "long.pcap", bytes);
	assert_int_equal(compare(path, NULL).n_frames, n_frames);
	assert_in_range(compare(path, "len > 1000").n_frames, 1, n_frames - 1);
}

/* A file that loses its end while it is read: what was read before counts, and nothing worse happens. */
static void test_file_is_cut_meanwhile(void **state)
{
	enum { FRAMES = 10000 };
	const char *path = folder_add(*state, "shrinks.pcap", pcap_with_frames(FRAMES));
	struct capture *capture = capture_open_files(&path, 1, NULL, NULL);
	struct error error = { .text = "" };
	struct capture_stats stats;
	struct frame frame;
	size_t n_frames = 0;

	while (capture_next(capture, &frame, &error) == CAPTURE_FRAME) {
		if (++n_frames == 10)
			assert_int_equal(truncate(path, 100), 0);
	}
	capture_get_stats(capture, &stats);
	assert_in_range(n_frames, 10, FRAMES - 1);
	assert_true(stats.truncated);
	assert_non_null(strstr(error.text, "truncated"));
	capture_close(capture);
}

/* One that grows is read to the end that it has then. */
static void test_file_grows_meanwhile(void **state)
{
	enum { FRAMES = 10000, CUT = 9000 };
	struct bytes *bytes = pcap_with_frames(FRAMES);
	const char *path = folder_name(*state, "grows.pcap");
	size_t cut_bytes = PCAP_HEADER_BYTES + CUT * (PCAP_RECORD_HEADER_BYTES + FRAME_BYTES);
	struct frame frame;
	size_t n_frames = 0;

	write_file(path, bytes->data, cut_bytes);
	struct capture *capture = capture_open_files(&path, 1, NULL, NULL);
	while (capture_next(capture, &frame, NULL) == CAPTURE_FRAME) {
		if (++n_frames != 10)
			continue;
		FILE *file = fopen(path, "ab");
		assert_int_equal(fwrite(bytes->data + cut_bytes, 1, bytes->n - cut_bytes, file), bytes->n - cut_bytes);
		fclose(file);
	}
	assert_int_equal(n_frames, FRAMES);
	capture_close(capture);
	free(bytes);
}

#define with_folder(test) cmocka_unit_test_setup_teardown(test, folder_setup, folder_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_folder(test_magics_and_versions),
		with_folder(test_snapshot_lengths),
		with_folder(test_link_types),
		with_folder(test_times_are_unsigned),
		with_folder(test_cut_at_every_byte),
		with_folder(test_every_changed_byte),
		with_folder(test_longest_record),
		with_folder(test_long_file),
		with_folder(test_file_is_cut_meanwhile),
		with_folder(test_file_grows_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
