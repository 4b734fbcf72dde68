/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pcapng through capture.h: every kind of packet block, several interfaces and sections in one file, and filters
 * across link types.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tcpwitness/base/units.h"

#include "pcapng_check.h"

static void test_packet_blocks_of_all_kinds(void **state)
{
	for (int big_endian = 0; big_endian < 2; big_endian++) {
		struct pcapng pcapng = pcapng_new(big_endian);
		put_interface(&pcapng, LINK_ETHERNET, 0);
		put_interface(&pcapng, LINK_RAW_IPV4, 0);
		put_enhanced(&pcapng, 0, UINT64_C(1700000000123456), "one", 3, 1514);
		put_obsolete(&pcapng, 1, UINT64_C(1700000001000000), "three", 5, 40);
		put_simple(&pcapng, "sixsix", 6, 6);

		struct capture *capture = open_bytes(state, &pcapng, NULL);
		struct frame frame = next_frame(capture);
		assert_int_equal(frame.number, 1);
		assert_int_equal(frame.source, 0);
		assert_int_equal(frame.link_type, LINK_ETHERNET);
		assert_int_equal(frame.time_ns, UINT64_C(1700000000123456000));
		assert_int_equal(frame.captured_bytes, 3);
		assert_int_equal(frame.wire_bytes, 1514);
		assert_memory_equal(frame.data, "one", 3);
		frame = next_frame(capture);
		assert_int_equal(frame.link_type, LINK_RAW_IPV4);
		assert_int_equal(frame.time_ns, 1700000001 * NS_PER_SEC);
		assert_int_equal(frame.captured_bytes, 5);
		assert_int_equal(frame.wire_bytes, 40);
		assert_memory_equal(frame.data, "three", 5);
		/* The first interface's, at the time of the frame before. */
		frame = next_frame(capture);
		assert_int_equal(frame.number, 3);
		assert_int_equal(frame.link_type, LINK_ETHERNET);
		assert_int_equal(frame.time_ns, 1700000001 * NS_PER_SEC);
		assert_int_equal(frame.captured_bytes, 6);
		assert_int_equal(frame.wire_bytes, 6);
		assert_memory_equal(frame.data, "sixsix", 6);
		assert_end(capture);
	}
}

static void test_simple_packets_only(void **state)
{
	struct pcapng pcapng = pcapng_new(false);

	put_interface(&pcapng, LINK_ETHERNET, 4);
	put_simple(&pcapng, "all", 3, 3);
	put_simple(&pcapng, "part", 4, 1000); /* as far as the snapshot length goes */
	struct capture *capture = open_bytes(state, &pcapng, NULL);
	struct frame frame = next_frame(capture);
	assert_int_equal(frame.time_ns, 0);
	assert_int_equal(frame.captured_bytes, 3);
	frame = next_frame(capture);
	assert_int_equal(frame.time_ns, 0);
	assert_int_equal(frame.captured_bytes, 4);
	assert_int_equal(frame.wire_bytes, 1000);
	assert_memory_equal(frame.data, "part", 4);
	assert_end(capture);
}

/* The time of a simple packet is that of the packet before, even when the filter kept that one back. */
static void test_simple_packet_after_a_filtered_one(void **state)
{
	struct pcapng pcapng = pcapng_new(false);
	uint8_t data[64];
	uint32_t n_bytes = build_frame(data, LINK_ETHERNET, 2);

	put_interface(&pcapng, LINK_ETHERNET, 0);
	put_to_port(&pcapng, 0, LINK_ETHERNET, 5000000, 1);
	put_simple(&pcapng, data, n_bytes, n_bytes);
	struct capture *capture = open_bytes(state, &pcapng, "tcp dst port 2");
	assert_int_equal(next_frame(capture).time_ns, 5 * NS_PER_SEC);
	assert_end(capture);
}

static void test_captured_above_wire_and_snapshot_length(void **state)
{
	struct pcapng pcapng = pcapng_new(false);

	put_interface(&pcapng, LINK_ETHERNET, 2);
	put_enhanced(&pcapng, 0, 0, "seven__", 7, 5);
	struct capture *capture = open_bytes(state, &pcapng, NULL);
	struct frame frame = next_frame(capture);
	assert_int_equal(frame.captured_bytes, 7);
	assert_int_equal(frame.wire_bytes, 7);
	assert_end(capture);
}

static void test_empty_frame(void **state)
{
	struct pcapng pcapng = pcapng_new(false);

	put_interface(&pcapng, LINK_ETHERNET, 0);
	put_enhanced(&pcapng, 0, 0, "", 0, 0);
	struct capture *capture = open_bytes(state, &pcapng, NULL);
	assert_int_equal(next_frame(capture).captured_bytes, 0);
	assert_end(capture);
}

static void test_other_blocks_are_skipped(void **state)
{
	static const uint32_t types[] = { BLOCK_NAMES, BLOCK_STATISTICS, BLOCK_CUSTOM, 0x0a, 0x40000bad, 0x80000001 };
	struct pcapng pcapng = pcapng_new(false);

	put_other(&pcapng, BLOCK_CUSTOM, 0); /* before the first interface, too */
	put_interface(&pcapng, LINK_ETHERNET, 0);
	for (uint16_t i = 0; i < 6; i++) {
		put_other(&pcapng, types[i], (size_t)8 * i);
		put_to_port(&pcapng, 0, LINK_ETHERNET, i, i);
	}
	put_other(&pcapng, BLOCK_STATISTICS, 100);
	struct capture *capture = open_bytes(state, &pcapng, NULL);
	for (uint16_t i = 0; i < 6; i++) {
		struct frame frame = next_frame(capture);
		assert_int_equal(frame_port(&frame), i);
	}
	assert_end(capture);
}

/* Larger than the buffer at first, before and between ordinary ones. */
static void test_large_blocks(void **state)
{
	enum { LARGE_BYTES = 300000 };
	struct pcapng pcapng = pcapng_new(true);
	uint8_t *large = malloc(LARGE_BYTES);

	for (uint32_t i = 0; i < LARGE_BYTES; i++)
		large[i] = (uint8_t)(i % 251);
	put_other(&pcapng, BLOCK_NAMES, 100000);
	put_interface(&pcapng, LINK_ETHERNET, 0);
	put_to_port(&pcapng, 0, LINK_ETHERNET, 0, 1);
	put_enhanced(&pcapng, 0, 0, large, LARGE_BYTES, LARGE_BYTES);
	put_to_port(&pcapng, 0, LINK_ETHERNET, 0, 2);
	struct capture *capture = open_bytes(state, &pcapng, NULL);
	struct frame frame = next_frame(capture);
	assert_int_equal(frame_port(&frame), 1);
	frame = next_frame(capture);
	assert_int_equal(frame.captured_bytes, LARGE_BYTES);
	assert_memory_equal(frame.data, large, LARGE_BYTES);
	frame = next_frame(capture);
	assert_int_equal(frame_port(&frame), 2);
	assert_end(capture);
	free(large);
}

/* The clock itself has a test of its own; here it is found among the options. */
static void test_clock_options(void **state)
{
	static const struct {
		uint8_t tsresol;
		int64_t tsoffset;
		uint64_t ticks;
		uint64_t time_ns;
	} cases[] = {
		{ 3, 0, UINT64_C(1700000000123), UINT64_C(1700000000123000000) },
		{ 6, 0, UINT64_C(1700000000123456), UINT64_C(1700000000123456000) },
		{ 9, 0, UINT64_C(1700000000123456789), UINT64_C(1700000000123456789) },
		{ TSRESOL_BASE_2 | 10, 0, UINT64_C(1700000000) * 1024 + 512, UINT64_C(1700000000500000000) },
		{ 6, 1700000000, 123456, UINT64_C(1700000000123456000) },
		{ 6, -1000, 1000000001, 1000 },
		{ 6, -1000, 999999999, 0 },      /* before 1970 */
		{ 0, 0, UINT64_MAX, INT64_MAX }, /* after 2262 */
		{ 9, INT64_MAX, UINT64_MAX, INT64_MAX },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pcapng pcapng = pcapng_new(i % 2 == 1);
		put_clock_interface(&pcapng, cases[i].tsresol, cases[i].tsoffset);
		put_to_port(&pcapng, 0, LINK_ETHERNET, cases[i].ticks, 1);
		struct capture *capture = open_bytes(state, &pcapng, NULL);
		assert_int_equal(next_frame(capture).time_ns, cases[i].time_ns);
		assert_end(capture);
	}
}

/* Behind the end of its options an interface may have anything. */
static void test_end_of_options(void **state)
{
	const uint8_t tsresol = 9;
	struct pcapng pcapng = pcapng_new(false);

	begin_block(&pcapng, BLOCK_INTERFACE);
	put_u32(&pcapng, LINK_ETHERNET);
	put_u32(&pcapng, 0);
	put_option(&pcapng, OPTION_END, "", 0);
	put_option(&pcapng, OPTION_TSRESOL, &tsresol, 1);
	put_u32(&pcapng, UINT32_MAX);
	end_block(&pcapng);
	put_to_port(&pcapng, 0, LINK_ETHERNET, 1, 1);
	struct capture *capture = open_bytes(state, &pcapng, NULL);
	assert_int_equal(next_frame(capture).time_ns, NS_PER_US);
	assert_end(capture);
}

/* What a capture of all interfaces and joined captures hold, and libpcap refuses. One interface comes late. */
static struct pcapng mixed_links(void)
{
	struct pcapng pcapng = pcapng_new(false);

	put_interface(&pcapng, LINK_ETHERNET, 262144);
	put_interface(&pcapng, LINK_LINUX_SLL, 65535);
	for (uint16_t port = 1; port <= 6; port++) {
		put_to_port(&pcapng, 0, LINK_ETHERNET, port, port);
		put_to_port(&pcapng, 1, LINK_LINUX_SLL, port, port);
		if (port == 3)
			put_interface(&pcapng, LINK_RAW_IP, 0);
		if (port > 3)
			put_to_port(&pcapng, 2, LINK_RAW_IP, port, port);
	}
	return pcapng;
}

static void test_interfaces_of_several_link_types(void **state)
{
	struct pcapng pcapng = mixed_links();
	struct capture *capture = open_bytes(state, &pcapng, NULL);

	for (uint16_t port = 1; port <= 6; port++) {
		static const uint16_t link_types[] = { LINK_ETHERNET, LINK_LINUX_SLL, DLT_OF_RAW_IP };
		for (size_t i = 0; i < (port > 3 ? 3 : 2); i++) {
			struct frame frame = next_frame(capture);
			assert_int_equal(frame.link_type, link_types[i]);
			assert_int_equal(frame_port(&frame), port);
		}
	}
	assert_end(capture);
}

static void test_filter_is_compiled_for_each_link_type(void **state)
{
	struct pcapng pcapng = mixed_links();
	struct capture *capture = open_bytes(state, &pcapng, "tcp dst port 5 or tcp dst port 2");

	for (uint16_t i = 0; i < 5; i++) {
		struct frame frame = next_frame(capture);
		assert_int_equal(frame_port(&frame), i < 2 ? 2 : 5);
		assert_int_equal(frame.number, i + 1);
	}
	assert_end(capture);
}

static void test_filter_that_does_not_fit_the_first_interface(void **state)
{
	struct pcapng pcapng = pcapng_new(false);

	put_interface(&pcapng, LINK_RAW_IP, 0);
	put_interface(&pcapng, LINK_ETHERNET, 0);
	assert_refused(state, &pcapng, "ether host 02:00:00:00:00:01", "filter 'ether host 02:00:00:00:00:01'");
	pcapng = pcapng_new(false);
	put_interface(&pcapng, LINK_ETHERNET, 0);
	assert_refused(state, &pcapng, "tcp prot 80", "syntax error");
}

/* One that has no frame is no obstacle, one that has is named. */
static void test_filter_that_does_not_fit_a_later_interface(void **state)
{
	const char *filter = "ether proto 0x0800";

	for (int used = 0; used < 2; used++) {
		struct pcapng pcapng = pcapng_new(false);
		put_interface(&pcapng, LINK_ETHERNET, 0);
		put_interface(&pcapng, LINK_ETHERNET, 0);
		put_interface(&pcapng, 189, 0); /* USB */
		put_to_port(&pcapng, 0, LINK_ETHERNET, 1, 1);
		if (used)
			put_enhanced(&pcapng, 2, 1, "usb", 3, 3);
		put_to_port(&pcapng, 1, LINK_ETHERNET, 1, 2);
		struct capture *capture = open_bytes(state, &pcapng, filter);
		struct frame frame = next_frame(capture);
		assert_int_equal(frame_port(&frame), 1);
		if (used) {
			assert_cut(capture, "read up to frame 1 only: filter 'ether proto 0x0800' does not fit its "
					    "interface 2 (link type USB_LINUX)");
			continue;
		}
		frame = next_frame(capture);
		assert_int_equal(frame_port(&frame), 2);
		assert_end(capture);
	}
}

/* IPv6 cannot occur on a link of IPv4: libpcap calls such a filter an error, here it just matches nothing there. */
static void test_filter_that_matches_nothing_on_a_later_interface(void **state)
{
	struct pcapng pcapng = pcapng_new(false);
	uint8_t ipv6[60] = { [12] = 0x86, [13] = 0xdd, [14] = 0x60 };

	put_interface(&pcapng, LINK_ETHERNET, 0);
	put_interface(&pcapng, LINK_RAW_IPV4, 0);
	put_to_port(&pcapng, 1, LINK_RAW_IPV4, 1, 1);
	put_enhanced(&pcapng, 0, 2, ipv6, sizeof(ipv6), sizeof(ipv6));
	struct capture *capture = open_bytes(state, &pcapng, "ip6");
	struct frame frame = next_frame(capture);
	assert_int_equal(frame.link_type, LINK_ETHERNET);
	assert_int_equal(frame.time_ns, 2000);
	assert_end(capture);
}

/* Captures that were joined with cat: each section has its own byte order, interfaces and clocks. */
static void test_sections(void **state)
{
	struct pcapng pcapng = pcapng_new(false);

	put_interface(&pcapng, LINK_ETHERNET, 0);
	put_interface(&pcapng, LINK_RAW_IP, 0);
	put_to_port(&pcapng, 1, LINK_RAW_IP, 1, 1);
	pcapng.big_endian = true;
	put_section(&pcapng);
	put_interface(&pcapng, LINK_LINUX_SLL, 0);
	put_clock_interface(&pcapng, 3, 0);
	put_to_port(&pcapng, 0, LINK_LINUX_SLL, 2, 2);
	put_to_port(&pcapng, 1, LINK_ETHERNET, 3, 3);
	pcapng.big_endian = false;
	put_section(&pcapng);
	put_section(&pcapng); /* an empty one before */
	put_interface(&pcapng, LINK_ETHERNET, 0);
	put_to_port(&pcapng, 0, LINK_ETHERNET, 4, 4);
	struct capture *capture = open_bytes(state, &pcapng, "tcp");
	static const uint64_t times_ns[] = { 1000, 2000, 3000000, 4000 };
	for (uint16_t i = 0; i < 4; i++) {
		struct frame frame = next_frame(capture);
		assert_int_equal(frame_port(&frame), i + 1);
		assert_int_equal(frame.time_ns, times_ns[i]);
	}
	assert_end(capture);
}

static void test_interfaces_end_with_their_section(void **state)
{
	struct pcapng pcapng = pcapng_new(false);

	put_interface(&pcapng, LINK_ETHERNET, 0);
	put_interface(&pcapng, LINK_ETHERNET, 0);
	put_section(&pcapng);
	put_interface(&pcapng, LINK_ETHERNET, 0);
	put_to_port(&pcapng, 0, LINK_ETHERNET, 1, 1);
	put_to_port(&pcapng, 1, LINK_ETHERNET, 2, 2);
	struct capture *capture = open_bytes(state, &pcapng, NULL);
	next_frame(capture);
	assert_cut(capture,
		   "cut off or damaged after 1 frames, read up to there: the packet at byte 216 is of interface "
		   "1, which is not described before it");
}

static void test_version_1_2_is_1_0(void **state)
{
	struct pcapng pcapng = pcapng_new(false);

	pcapng.bytes->data[14] = 2;
	put_interface(&pcapng, LINK_ETHERNET, 0);
	assert_end(open_bytes(state, &pcapng, NULL));
}

/* As a section can have: 65536, which the limit is, and one more. */
static void test_number_of_interfaces_is_bounded(void **state)
{
	enum { INTERFACES_MAX = 65536 };
	const char *path = folder_name(*state, "test.pcapng");
	struct pcapng head = pcapng_new(false);
	struct pcapng tail = { .bytes = bytes_new() };
	FILE *file = fopen(path, "wb");

	put_interface(&head, LINK_ETHERNET, 0);
	assert_non_null(file);
	assert_int_equal(fwrite(head.bytes->data, 1, head.bytes->n, file), head.bytes->n);
	for (int i = 1; i < INTERFACES_MAX; i++)
		assert_int_equal(fwrite(head.bytes->data + 28, 1, 20, file), 20);
	put_to_port(&tail, INTERFACES_MAX - 1, LINK_ETHERNET, 1, 1);
	put_interface(&tail, LINK_ETHERNET, 0);
	assert_int_equal(fwrite(tail.bytes->data, 1, tail.bytes->n, file), tail.bytes->n);
	fclose(file);
	struct capture *capture = open_one(path, NULL);
	next_frame(capture);
	assert_cut(capture, "is one above 65536 in a section");
	free(head.bytes);
	free(tail.bytes);
}

/* Packed, and cut in the middle of that: frames before the cut, and the packing's own reason. */
static void test_compressed(void **state)
{
	static void (*const packers[])(struct bytes *, const uint8_t *, size_t) = { put_gzip, put_zstd };
	const char *path = folder_name(*state, "test.pcapng");

	for (size_t i = 0; i < 2; i++) {
		struct bytes *plain = pcapng_with_frames(2000);
		struct bytes *packed = bytes_new();
		struct error error = { 0 };
		bool truncated;
		packers[i](packed, plain->data, plain->n / 2);
		size_t n_first = packed->n;
		packers[i](packed, plain->data + plain->n / 2, plain->n - plain->n / 2);
		write_file(path, packed->data, packed->n);
		assert_int_equal(drain(open_one(path, NULL), &error, &truncated), 2000);
		assert_false(truncated);
		write_file(path, packed->data, n_first + 5);
		assert_int_equal(drain(open_one(path, NULL), &error, &truncated), 999);
		assert_true(truncated);
		assert_non_null(strstr(error.text, "the compressed data end in the middle"));
		free(plain);
		free(packed);
	}
}

static void test_merged_with_pcap(void **state)
{
	const char *paths[2];
	struct error error = { 0 };
	struct frame frame;

	paths[0] = folder_add(*state, "plain.pcap", pcap_with_frames(3));
	paths[1] = folder_add(*state, "test.pcapng", pcapng_with_frames(3));
	struct capture *capture = capture_open_files(paths, 2, "tcp", &error);
	assert_non_null(capture);
	for (unsigned i = 0; i < 6; i++) {
		frame = next_frame(capture);
		assert_int_equal(frame.source, i % 2);
		assert_int_equal(frame_port(&frame), i / 2 + 1);
	}
	assert_end(capture);
}

/* The caller's copy of the filter may be gone when a later interface needs it. */
static void test_filter_is_not_borrowed(void **state)
{
	struct pcapng pcapng = mixed_links();
	char filter[] = "tcp dst port 6";
	struct capture *capture = open_bytes(state, &pcapng, filter);

	memset(filter, 'x', sizeof(filter) - 1);
	for (int i = 0; i < 3; i++) {
		struct frame frame = next_frame(capture);
		assert_int_equal(frame_port(&frame), 6);
	}
	assert_end(capture);
}

#define with_folder(test) cmocka_unit_test_setup_teardown(test, folder_setup, folder_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_folder(test_packet_blocks_of_all_kinds),
		with_folder(test_simple_packets_only),
		with_folder(test_simple_packet_after_a_filtered_one),
		with_folder(test_captured_above_wire_and_snapshot_length),
		with_folder(test_empty_frame),
		with_folder(test_other_blocks_are_skipped),
		with_folder(test_large_blocks),
		with_folder(test_clock_options),
		with_folder(test_end_of_options),
		with_folder(test_interfaces_of_several_link_types),
		with_folder(test_filter_is_compiled_for_each_link_type),
		with_folder(test_filter_that_does_not_fit_the_first_interface),
		with_folder(test_filter_that_does_not_fit_a_later_interface),
		with_folder(test_filter_that_matches_nothing_on_a_later_interface),
		with_folder(test_sections),
		with_folder(test_interfaces_end_with_their_section),
		with_folder(test_version_1_2_is_1_0),
		with_folder(test_number_of_interfaces_is_bounded),
		with_folder(test_compressed),
		with_folder(test_merged_with_pcap),
		with_folder(test_filter_is_not_borrowed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
