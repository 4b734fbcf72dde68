/* SPDX-License-Identifier: BSD-2-Clause */
/* Fragments: every order, repeats, overlaps, holes, captures that cut them, time and a full table. */
#include "decode_test.h"

#include "tcpwitness/base/units.h"

static struct packet_builder whole;

/* IP 10.0.0.1.1000 > 10.0.0.2.2000: Flags [P.], seq 1:data_bytes, ack 1; 20 bytes of TCP header, then a pattern */
static void build_ipv4(uint32_t data_bytes)
{
	pb_ethernet(pb_reset(&whole));
	pb_ipv4(&whole, "10.0.0.1", "10.0.0.2");
	pb_tcp(&whole, &(struct pb_tcp){ .src_port = 1000, .dst_port = 2000, .flags = "P.", .seq = 1, .ack = 1 });
	pb_pattern(&whole, data_bytes);
	pb_frame(&whole);
}

static void build_ipv6(uint32_t data_bytes)
{
	pb_ethernet(pb_reset(&whole));
	pb_ipv6(&whole, "2001:db8::1", "2001:db8::2");
	pb_tcp(&whole, &(struct pb_tcp){ .src_port = 1000, .dst_port = 2000, .flags = "P.", .seq = 1, .ack = 1 });
	pb_pattern(&whole, data_bytes);
	pb_frame(&whole);
}

static void expect_fragment(struct decode_test *test, uint32_t offset_bytes, uint32_t n_bytes,
			    enum decode_result expected)
{
	struct frame frame = pb_fragment(&test->pb, &whole, offset_bytes, n_bytes, 7);

	expect_result(test, &frame, expected);
}

static bool has_anomaly(const struct decode_test *test, enum anomaly anomaly)
{
	return anomaly_set_has(&test->packet.anomalies, anomaly);
}

static void every_order_of_three_gives_the_segment(void **state)
{
	static const uint8_t orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
					      { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
	static const uint32_t sizes[3] = { 24, 24, 15 };
	struct decode_test *test = *state;

	for (unsigned version = 4; version <= 6; version += 2) {
		for (unsigned order = 0; order < 6; order++) {
			if (version == 4)
				build_ipv4(43);
			else
				build_ipv6(43);
			for (unsigned i = 0; i < 3; i++) {
				uint8_t piece = orders[order][i];

				expect_fragment(test, piece * 24U, sizes[piece],
						i < 2 ? DECODE_FRAGMENT_HELD : DECODE_TCP);
				assert_true(test->packet.was_fragmented);
			}
			assert_int_equal(test->packet.src.version, version);
			assert_int_equal(test->packet.dst_port, 2000);
			assert_int_equal(test->packet.payload_bytes, 43);
			assert_int_equal(test->packet.payload_captured_bytes, 43);
			assert_int_equal(test->packet.ip_bytes, (version == 4 ? 20 : 48) + 63);
			assert_int_equal(test->packet.checksum, CHECKSUM_GOOD);
			assert_true(anomaly_set_empty(&test->packet.anomalies));
		}
	}
	assert_int_equal(decoder_get_stats(test->decoder)->fragments_reassembled, 12);
}

static void the_segment_has_time_and_number_of_the_frame_that_completed_it(void **state)
{
	struct decode_test *test = *state;
	struct frame frame;

	build_ipv4(43);
	expect_fragment(test, 0, 24, DECODE_FRAGMENT_HELD);
	frame = pb_fragment(&test->pb, &whole, 24, 39, 7);
	frame.number = 99;
	frame.time_ns = 5 * NS_PER_SEC;
	expect_result(test, &frame, DECODE_TCP);
	assert_int_equal(test->packet.number, 99);
	assert_true(test->packet.time_ns == 5 * NS_PER_SEC);
}

static void a_tcp_header_in_two_fragments_is_an_anomaly(void **state)
{
	struct decode_test *test = *state;

	build_ipv4(40);
	expect_fragment(test, 0, 16, DECODE_FRAGMENT_HELD);
	expect_fragment(test, 16, 44, DECODE_TCP);
	assert_true(has_anomaly(test, ANOMALY_FRAGMENTED_TCP_HEADER));
	assert_int_equal(test->packet.flags, SEG_PSH | SEG_ACK);
	assert_int_equal(test->packet.checksum, CHECKSUM_GOOD);
}

static void repeats_are_harmless_in_both_versions(void **state)
{
	struct decode_test *test = *state;

	for (unsigned version = 4; version <= 6; version += 2) {
		if (version == 4)
			build_ipv4(43);
		else
			build_ipv6(43);
		for (unsigned i = 0; i < 100; i++)
			expect_fragment(test, 24, 24, DECODE_FRAGMENT_HELD);
		expect_fragment(test, 48, 15, DECODE_FRAGMENT_HELD);
		expect_fragment(test, 48, 15, DECODE_FRAGMENT_HELD);
		expect_fragment(test, 0, 24, DECODE_TCP);
		assert_true(anomaly_set_empty(&test->packet.anomalies));
	}
}

static void other_content_in_the_same_place_drops_the_datagram(void **state)
{
	struct decode_test *test = *state;
	struct frame frame;

	build_ipv4(43);
	expect_fragment(test, 0, 24, DECODE_FRAGMENT_HELD);
	expect_fragment(test, 48, 15, DECODE_FRAGMENT_HELD);
	frame = pb_fragment(&test->pb, &whole, 0, 24, 7);
	test->pb.bytes[14 + 20 + 13] = SEG_SYN; /* the flags */
	expect_result(test, &frame, DECODE_FRAGMENT_OVERLAP);
	assert_true(has_anomaly(test, ANOMALY_FRAGMENT_OVERLAP));
	expect_address(&test->packet.src, "10.0.0.1");
	/* Nothing of it is left: the missing piece does not complete it. */
	expect_fragment(test, 24, 24, DECODE_FRAGMENT_HELD);
}

/* RFC 1858 3: the second fragment begins 8 bytes on and would rewrite the flags. */
static void an_overlap_inside_the_tcp_header_drops_even_equal_content(void **state)
{
	struct decode_test *test = *state;

	build_ipv4(43);
	expect_fragment(test, 0, 24, DECODE_FRAGMENT_HELD);
	expect_fragment(test, 8, 40, DECODE_FRAGMENT_OVERLAP);
}

static void an_overlap_of_equal_content_behind_the_header_is_accepted_in_ipv4_only(void **state)
{
	struct decode_test *test = *state;

	build_ipv4(180);
	expect_fragment(test, 0, 104, DECODE_FRAGMENT_HELD);
	expect_fragment(test, 96, 104, DECODE_TCP);
	assert_int_equal(test->packet.payload_captured_bytes, 180);
	assert_int_equal(test->packet.checksum, CHECKSUM_GOOD);
	build_ipv6(180);
	expect_fragment(test, 0, 104, DECODE_FRAGMENT_HELD);
	expect_fragment(test, 96, 104, DECODE_FRAGMENT_OVERLAP);
}

static void one_byte_of_difference_in_an_overlap_drops(void **state)
{
	struct decode_test *test = *state;
	struct frame frame;

	build_ipv4(180);
	expect_fragment(test, 0, 104, DECODE_FRAGMENT_HELD);
	frame = pb_fragment(&test->pb, &whole, 96, 104, 7);
	test->pb.bytes[14 + 20 + 7] ^= 1;
	expect_result(test, &frame, DECODE_FRAGMENT_OVERLAP);
}

/* IP 10.0.0.1 > 10.0.0.2: a fragment of that offset word and length, with the checksum mended. */
static void expect_offset(struct decode_test *test, uint16_t offset_word, uint32_t n_bytes, enum decode_result expected)
{
	struct frame frame;
	uint8_t *header;

	pb_ethernet(pb_reset(&test->pb));
	pb_ipv4(&test->pb, "10.0.0.1", "10.0.0.2");
	pb_pattern(&test->pb, n_bytes);
	header = pb_header(&test->pb, PB_IPV4);
	header[6] = (uint8_t)(offset_word >> 8);
	header[7] = (uint8_t)offset_word;
	header[9] = 6;
	frame = pb_frame(&test->pb);
	expect_result(test, &frame, expected);
}

static void impossible_fragments_are_named(void **state)
{
	struct decode_test *test = *state;

	expect_offset(test, 0x1fff, 8, DECODE_BAD_FRAGMENT);  /* 65528 + 8 is more than IP can say */
	expect_offset(test, 0x1fff, 7, DECODE_FRAGMENT_HELD); /* its last possible byte */
	expect_offset(test, 0x2000, 12, DECODE_BAD_FRAGMENT); /* more to come, and not a multiple of 8 */
	expect_offset(test, 0x0001, 0, DECODE_BAD_FRAGMENT);
}

static void the_end_cannot_move(void **state)
{
	struct decode_test *test = *state;

	expect_offset(test, 0x0004, 16, DECODE_FRAGMENT_HELD); /* 32:48, the last */
	expect_offset(test, 0x0008, 16, DECODE_BAD_FRAGMENT);  /* another last one, further on */
	expect_offset(test, 0x0004, 16, DECODE_FRAGMENT_HELD); /* begun anew */
	expect_offset(test, 0x2006, 16, DECODE_BAD_FRAGMENT);  /* data behind the end */
	expect_offset(test, 0x2006, 16, DECODE_FRAGMENT_HELD);
	expect_offset(test, 0x0004, 16, DECODE_BAD_FRAGMENT); /* an end before data */
}

static void other_protocols_are_not_kept(void **state)
{
	struct decode_test *test = *state;
	struct decoder_config config;

	decoder_config_defaults(&config);
	config.max_fragments_held = 1;
	decode_test_configure(test, &config);
	build_ipv4(43);
	expect_fragment(test, 0, 24, DECODE_FRAGMENT_HELD);
	whole.bytes[14 + 9] = 17;
	for (uint32_t id = 100; id < 200; id++) {
		struct frame frame = pb_fragment(&test->pb, &whole, 0, 24, id);

		expect_result(test, &frame, DECODE_FRAGMENT_HELD);
	}
	whole.bytes[14 + 9] = 6;
	expect_fragment(test, 24, 39, DECODE_TCP);
	assert_int_equal(decoder_get_stats(test->decoder)->fragments_timed_out, 0);
}

static void datagrams_of_other_addresses_ids_and_vlans_are_apart(void **state)
{
	struct decode_test *test = *state;
	struct frame frame;

	build_ipv4(43);
	expect_fragment(test, 0, 24, DECODE_FRAGMENT_HELD);
	frame = pb_fragment(&test->pb, &whole, 24, 39, 8);
	expect_result(test, &frame, DECODE_FRAGMENT_HELD);
	frame = pb_fragment(&test->pb, &whole, 24, 39, 7);
	pb_header(&test->pb, PB_IPV4)[15] ^= 4; /* 10.0.0.5 */
	pb_fix_ipv4_checksum(&test->pb);
	expect_result(test, &frame, DECODE_FRAGMENT_HELD);
	pb_ethernet(pb_reset(&whole));
	pb_vlan(&whole, 0x8100, 5);
	pb_ipv4(&whole, "10.0.0.1", "10.0.0.2");
	pb_tcp(&whole, &(struct pb_tcp){ .src_port = 1000, .dst_port = 2000, .flags = "P.", .seq = 1, .ack = 1 });
	pb_pattern(&whole, 43);
	pb_frame(&whole);
	expect_fragment(test, 24, 39, DECODE_FRAGMENT_HELD);
	build_ipv4(43);
	expect_fragment(test, 24, 39, DECODE_TCP);
}

static void expect_fragment_at(struct decode_test *test, uint32_t offset_bytes, uint32_t n_bytes, uint64_t time_ns,
			       enum decode_result expected)
{
	struct frame frame = pb_fragment(&test->pb, &whole, offset_bytes, n_bytes, 7);

	frame.time_ns = time_ns;
	expect_result(test, &frame, expected);
}

static void an_incomplete_datagram_is_forgotten_after_its_time(void **state)
{
	struct decode_test *test = *state;
	const struct decoder_stats *stats = decoder_get_stats(test->decoder);

	build_ipv4(43);
	expect_fragment_at(test, 0, 24, 100 * NS_PER_SEC, DECODE_FRAGMENT_HELD);
	expect_fragment_at(test, 24, 39, 130 * NS_PER_SEC, DECODE_TCP);
	expect_fragment_at(test, 0, 24, 200 * NS_PER_SEC, DECODE_FRAGMENT_HELD);
	expect_fragment_at(test, 24, 39, 230 * NS_PER_SEC + 1, DECODE_FRAGMENT_HELD);
	assert_int_equal(stats->fragments_timed_out, 1);
	assert_int_equal(stats->results[DECODE_FRAGMENT_HEADER_SPLIT], 0);
}

static void a_clock_that_goes_backwards_forgets_nothing(void **state)
{
	struct decode_test *test = *state;

	build_ipv4(43);
	expect_fragment_at(test, 0, 24, 100 * NS_PER_SEC, DECODE_FRAGMENT_HELD);
	expect_fragment_at(test, 24, 39, 50 * NS_PER_SEC, DECODE_TCP);
}

/* The header's rest never came: counted under a name of its own when the datagram is given up. */
static void a_header_that_stays_split_is_counted_when_it_is_given_up(void **state)
{
	struct decode_test *test = *state;
	const struct decoder_stats *stats = decoder_get_stats(test->decoder);

	build_ipv4(43);
	expect_fragment_at(test, 0, 8, 100 * NS_PER_SEC, DECODE_FRAGMENT_HELD);
	expect_fragment_at(test, 24, 8, 200 * NS_PER_SEC, DECODE_FRAGMENT_HELD);
	assert_int_equal(stats->results[DECODE_FRAGMENT_HEADER_SPLIT], 1);
	assert_int_equal(stats->fragments_timed_out, 1);
	/* Nor is a header with options whole with its first 20 bytes. */
	whole.bytes[14 + 20 + 12] = 0x80;
	expect_fragment_at(test, 0, 24, 300 * NS_PER_SEC, DECODE_FRAGMENT_HELD);
	expect_fragment_at(test, 48, 8, 400 * NS_PER_SEC, DECODE_FRAGMENT_HELD);
	assert_int_equal(stats->results[DECODE_FRAGMENT_HEADER_SPLIT], 2);
}

static void a_full_table_gives_up_its_oldest_datagram(void **state)
{
	struct decode_test *test = *state;
	struct decoder_config config;
	struct frame frame;

	decoder_config_defaults(&config);
	config.max_fragments_held = 4;
	decode_test_configure(test, &config);
	build_ipv4(43);
	for (uint32_t id = 1; id <= 5; id++) {
		frame = pb_fragment(&test->pb, &whole, 0, 24, id);
		expect_result(test, &frame, DECODE_FRAGMENT_HELD);
	}
	assert_int_equal(decoder_get_stats(test->decoder)->fragments_timed_out, 1);
	for (uint32_t id = 2; id <= 5; id++) {
		frame = pb_fragment(&test->pb, &whole, 24, 39, id);
		expect_result(test, &frame, DECODE_TCP);
	}
	frame = pb_fragment(&test->pb, &whole, 24, 39, 1);
	expect_result(test, &frame, DECODE_FRAGMENT_HELD);
}

/* More datagrams than places, over and over: the lists of the table stay whole. */
static void the_table_survives_being_overrun(void **state)
{
	struct decode_test *test = *state;
	struct decoder_config config;
	uint64_t n_complete = 0;
	uint32_t random = 1;

	decoder_config_defaults(&config);
	config.max_fragments_held = 7;
	decode_test_configure(test, &config);
	build_ipv4(43);
	for (uint32_t i = 0; i < 20000; i++) {
		uint32_t half = random >> 16 & 1;
		uint32_t id = random >> 20 & 15;
		struct frame frame = pb_fragment(&test->pb, &whole, half * 24, half == 0 ? 24 : 39, id);

		random = random * 1664525 + 1013904223;
		frame.time_ns = i * NS_PER_SEC;
		n_complete += decode_both_ways(test, &frame) == DECODE_TCP;
	}
	assert_true(n_complete > 100);
	assert_int_equal(decoder_get_stats(test->decoder)->fragments_reassembled, n_complete);
}

static void more_pieces_than_kept_are_named(void **state)
{
	struct decode_test *test = *state;

	build_ipv4(1000);
	for (uint32_t i = 0; i < 64; i++)
		expect_fragment(test, i * 8, 8, DECODE_FRAGMENT_HELD);
	expect_fragment(test, 64 * 8, 8, DECODE_FRAGMENT_TABLE_FULL);
	/* Other datagrams have their own places. */
	build_ipv6(43);
	expect_fragment(test, 0, 24, DECODE_FRAGMENT_HELD);
	expect_fragment(test, 24, 39, DECODE_TCP);
}

/* A datagram of 64 KiB: its header and size are known, its end is as if cut by the capture. */
static void what_is_longer_than_kept_is_cut(void **state)
{
	struct decode_test *test = *state;
	const uint32_t total_bytes = 65000;

	build_ipv4(total_bytes - 20);
	for (uint32_t at = 0; at < total_bytes; at += 1480) {
		bool is_last = at + 1480 >= total_bytes;

		expect_fragment(test, at, is_last ? total_bytes - at : 1480,
				is_last ? DECODE_TCP : DECODE_FRAGMENT_HELD);
	}
	assert_int_equal(test->packet.payload_bytes, total_bytes - 20);
	assert_int_equal(test->packet.payload_captured_bytes, 9216 - 20);
	assert_int_equal(test->packet.checksum, CHECKSUM_UNCHECKED);
	assert_true(anomaly_set_empty(&test->packet.anomalies));
}

/* A capture of 96 bytes a packet: the first fragment's header is enough, and sizes are right. */
static void fragments_cut_by_the_capture_still_give_the_segment(void **state)
{
	struct decode_test *test = *state;
	struct frame frame;

	build_ipv4(2000);
	frame = pb_fragment(&test->pb, &whole, 1480, 540, 7);
	frame.captured_bytes = 96;
	expect_result(test, &frame, DECODE_FRAGMENT_HELD);
	frame = pb_fragment(&test->pb, &whole, 0, 1480, 7);
	frame.captured_bytes = 96;
	expect_result(test, &frame, DECODE_TCP);
	assert_int_equal(test->packet.payload_bytes, 2000);
	assert_int_equal(test->packet.payload_captured_bytes, 96 - 54);
	assert_int_equal(test->packet.checksum, CHECKSUM_UNCHECKED);
}

/* RFC 6946: a fragment header on a whole packet needs no other fragment, even while one of its id waits. */
static void an_atomic_fragment_is_processed_by_itself(void **state)
{
	struct decode_test *test = *state;

	build_ipv6(43);
	expect_fragment(test, 0, 24, DECODE_FRAGMENT_HELD);
	expect_fragment(test, 0, 63, DECODE_TCP);
	assert_false(test->packet.was_fragmented);
	assert_int_equal(test->packet.checksum, CHECKSUM_GOOD);
	expect_fragment(test, 24, 39, DECODE_TCP);
}

/* The destination header is in the first fragment, TCP's in the second: forbidden by RFC 7112, and put together. */
static void extension_headers_inside_the_datagram_are_walked(void **state)
{
	struct decode_test *test = *state;

	pb_ethernet(pb_reset(&whole));
	pb_ipv6(&whole, "2001:db8::1", "2001:db8::2");
	pb_ipv6_extension(&whole, 60, 16);
	pb_tcp(&whole, &(struct pb_tcp){ .src_port = 1000, .dst_port = 2000, .flags = "S" });
	pb_frame(&whole);
	expect_fragment(test, 0, 24, DECODE_FRAGMENT_HELD);
	expect_fragment(test, 24, 20, DECODE_TCP);
	assert_int_equal(test->packet.dst_port, 2000);
	assert_true(has_anomaly(test, ANOMALY_FRAGMENTED_TCP_HEADER));
}

/* ERSPAN makes full frames longer than what the path takes: 10.0.0.1 > 10.0.0.2: GRE, an Ethernet frame in it. */
static void a_tunnel_is_followed_behind_its_fragments(void **state)
{
	struct decode_test *test = *state;

	for (unsigned version = 4; version <= 6; version += 2) {
		pb_ethernet(pb_reset(&whole));
		if (version == 4)
			pb_ipv4(&whole, "10.0.0.1", "10.0.0.2");
		else
			pb_ipv6(&whole, "2001:db8::1", "2001:db8::2");
		pb_erspan(&whole, 2);
		pb_ethernet(&whole);
		pb_ipv4(&whole, "192.0.2.1", "192.0.2.2");
		pb_tcp(&whole, &(struct pb_tcp){ .src_port = 1000, .dst_port = 2000, .flags = "P.", .ack = 1 });
		pb_pattern(&whole, 1460);
		pb_frame(&whole);
		/* TCP's header is cut, but by the tunnel: its sender has no part in that. */
		expect_fragment(test, 56, 1474, DECODE_FRAGMENT_HELD);
		expect_fragment(test, 0, 56, DECODE_TCP);
		assert_int_equal(test->packet.n_tunnels, 1);
		expect_address(&test->packet.src, "192.0.2.1");
		assert_int_equal(test->packet.dst_port, 2000);
		assert_int_equal(test->packet.payload_bytes, 1460);
		assert_int_equal(test->packet.ip_bytes, 1500);
		assert_int_equal(test->packet.checksum, CHECKSUM_GOOD);
		assert_true(anomaly_set_empty(&test->packet.anomalies));
	}
}

/* The table's bytes are read where they lie, so only one level is put together, and the other refused by name. */
static void fragments_in_what_was_fragmented_are_refused(void **state)
{
	struct decode_test *test = *state;

	pb_ethernet(pb_reset(&whole));
	pb_ipv6(&whole, "2001:db8::1", "2001:db8::2");
	pb_ipv6_extension(&whole, 60, 0);
	pb_ipv6_extension(&whole, 44, 0);
	pb_header(&whole, PB_IPV6_EXTENSION)[3] = 1;
	pb_tcp(&whole, &(struct pb_tcp){ .src_port = 1000, .dst_port = 2000, .flags = "S" });
	pb_frame(&whole);
	expect_fragment(test, 0, 24, DECODE_FRAGMENT_HELD);
	expect_fragment(test, 24, 12, DECODE_BAD_FRAGMENT);

	pb_ethernet(pb_reset(&whole));
	pb_ipv6(&whole, "2001:db8::1", "2001:db8::2");
	pb_ipv4(&whole, "10.0.0.1", "10.0.0.2");
	pb_tcp(&whole, &(struct pb_tcp){ .src_port = 1000, .dst_port = 2000, .flags = "S" });
	pb_frame(&whole);
	pb_header(&whole, PB_IPV4)[6] = 0x20;
	pb_fix_ipv4_checksum(&whole);
	expect_fragment(test, 0, 24, DECODE_FRAGMENT_HELD);
	expect_fragment(test, 24, 16, DECODE_FRAGMENT_NESTED);
}

/* Fragments of UDP do not say by themselves whether they are a tunnel's, and are not kept. */
static void fragments_of_tunnels_over_udp_are_not_kept(void **state)
{
	struct decode_test *test = *state;

	pb_ethernet(pb_reset(&whole));
	pb_ipv4(&whole, "10.0.0.1", "10.0.0.2");
	pb_udp(&whole, 50000, 4789);
	pb_vxlan(&whole, 7);
	pb_ethernet(&whole);
	pb_ipv4(&whole, "192.0.2.1", "192.0.2.2");
	pb_tcp(&whole, &(struct pb_tcp){ .src_port = 1000, .dst_port = 2000, .flags = "S" });
	pb_frame(&whole);
	expect_fragment(test, 0, 24, DECODE_FRAGMENT_HELD);
	expect_fragment(test, 24, 46, DECODE_FRAGMENT_HELD);
	assert_int_equal(decoder_get_stats(test->decoder)->fragments_reassembled, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DECODE_TEST(every_order_of_three_gives_the_segment),
		DECODE_TEST(the_segment_has_time_and_number_of_the_frame_that_completed_it),
		DECODE_TEST(a_tcp_header_in_two_fragments_is_an_anomaly),
		DECODE_TEST(repeats_are_harmless_in_both_versions),
		DECODE_TEST(other_content_in_the_same_place_drops_the_datagram),
		DECODE_TEST(an_overlap_inside_the_tcp_header_drops_even_equal_content),
		DECODE_TEST(an_overlap_of_equal_content_behind_the_header_is_accepted_in_ipv4_only),
		DECODE_TEST(one_byte_of_difference_in_an_overlap_drops),
		DECODE_TEST(impossible_fragments_are_named),
		DECODE_TEST(the_end_cannot_move),
		DECODE_TEST(other_protocols_are_not_kept),
		DECODE_TEST(datagrams_of_other_addresses_ids_and_vlans_are_apart),
		DECODE_TEST(an_incomplete_datagram_is_forgotten_after_its_time),
		DECODE_TEST(a_clock_that_goes_backwards_forgets_nothing),
		DECODE_TEST(a_header_that_stays_split_is_counted_when_it_is_given_up),
		DECODE_TEST(a_full_table_gives_up_its_oldest_datagram),
		DECODE_TEST(the_table_survives_being_overrun),
		DECODE_TEST(more_pieces_than_kept_are_named),
		DECODE_TEST(what_is_longer_than_kept_is_cut),
		DECODE_TEST(fragments_cut_by_the_capture_still_give_the_segment),
		DECODE_TEST(an_atomic_fragment_is_processed_by_itself),
		DECODE_TEST(extension_headers_inside_the_datagram_are_walked),
		DECODE_TEST(a_tunnel_is_followed_behind_its_fragments),
		DECODE_TEST(fragments_in_what_was_fragmented_are_refused),
		DECODE_TEST(fragments_of_tunnels_over_udp_are_not_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
