/* SPDX-License-Identifier: BSD-2-Clause */
/* The builder of the tests against bytes written by hand: were it wrong, so would be what is tested with it. */
#include "decode_test.h"

/* IP 10.0.0.1.40000 > 10.0.0.2.80: Flags [S], seq 1, win 1024, options [mss 1460], length 2 */
static const uint8_t ipv4_syn[] = {
	0x02, 0x00, 0x00, 0x00, 0x00, 0x02, 0x02, 0x00, 0x00, 0x00, 0x00, 0x01, 0x08, 0x00, 0x45,
	0x00, 0x00, 0x2e, 0x12, 0x34, 0x00, 0x00, 0x40, 0x06, 0x54, 0x94, 0x0a, 0x00, 0x00, 0x01,
	0x0a, 0x00, 0x00, 0x02, 0x9c, 0x40, 0x00, 0x50, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00,
	0x00, 0x60, 0x02, 0x04, 0x00, 0x7b, 0x27, 0x00, 0x00, 0x02, 0x04, 0x05, 0xb4, 0x68, 0x69,
};

static void an_ipv4_syn_is_as_written_by_hand(void **state)
{
	struct decode_test *test = *state;
	struct frame frame;

	pb_ethernet(pb_reset(&test->pb));
	pb_ipv4(&test->pb, "10.0.0.1", "10.0.0.2");
	pb_tcp(&test->pb, &(struct pb_tcp){ .src_port = 40000,
					    .dst_port = 80,
					    .flags = "S",
					    .seq = 1,
					    .window = 1024,
					    .options = "mss 1460" });
	pb_data(&test->pb, "hi", 2);
	frame = pb_frame(&test->pb);
	assert_int_equal(frame.captured_bytes, sizeof(ipv4_syn));
	assert_memory_equal(frame.data, ipv4_syn, sizeof(ipv4_syn));
	assert_int_equal(frame.link_type, 1);
}

static void options_are_written_as_tcpdump_prints_them(void **state)
{
	static const uint8_t expected[] = { 0x03, 0x03, 0x07, 0x01, 0x04, 0x02, 0x05, 0x0a, 0,    0,    0,    1,
					    0,    0,    0,    2,    0xfe, 0x04, 0xf9, 0x89, 0x00, 0x00, 0x00, 0x00 };
	struct decode_test *test = *state;

	pb_raw(pb_reset(&test->pb));
	pb_ipv4(&test->pb, "10.0.0.1", "10.0.0.2");
	pb_tcp(&test->pb, &(struct pb_tcp){ .flags = "S", .options = "wscale 7,nop,sackOK,sack 1:2,raw fe04f989,eol" });
	assert_memory_equal(pb_header(&test->pb, PB_TCP) + 20, expected, sizeof(expected));
	assert_int_equal(pb_header(&test->pb, PB_TCP)[12] >> 4, (20 + sizeof(expected)) / 4);
}

/* IP 10.0.0.1 > 10.0.0.2: ip-proto-6 8:16, more to come */
static void a_fragment_has_its_place_and_the_bit_for_more(void **state)
{
	static struct packet_builder whole;
	struct decode_test *test = *state;
	struct frame frame;

	pb_raw(pb_reset(&whole));
	pb_ipv4(&whole, "10.0.0.1", "10.0.0.2");
	pb_tcp(&whole, &(struct pb_tcp){ .src_port = 1, .dst_port = 2, .flags = "S" });
	pb_frame(&whole);
	frame = pb_fragment(&test->pb, &whole, 8, 8, 0xabcd);
	assert_int_equal(frame.captured_bytes, 28);
	assert_memory_equal(frame.data + 2, "\x00\x1c\xab\xcd\x20\x01\x40\x06", 8);
	assert_memory_equal(frame.data + 20, whole.bytes + 28, 8);
	frame = pb_fragment(&test->pb, &whole, 16, 4, 0xabcd);
	assert_memory_equal(frame.data + 6, "\x00\x02", 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DECODE_TEST(an_ipv4_syn_is_as_written_by_hand),
		DECODE_TEST(options_are_written_as_tcpdump_prints_them),
		DECODE_TEST(a_fragment_has_its_place_and_the_bit_for_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
