/* SPDX-License-Identifier: BSD-2-Clause */
/* Link layers, byte by byte: the frames here are written by hand, not by the builder. */
#include "decode_test.h"

/* IP 10.0.0.1.40000 > 10.0.0.2.80: Flags [S], seq 1, win 1024, length 0; both checksums right */
#define IPV4_SYN                                                                                                      \
	0x45, 0x00, 0x00, 0x28, 0x00, 0x01, 0x00, 0x00, 0x40, 0x06, 0x66, 0xcd, 10, 0, 0, 1, 10, 0, 0, 2, 0x9c, 0x40, \
		0x00, 0x50, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x50, 0x02, 0x04, 0x00, 0xfb, 0x4e, 0x00, \
		0x00
#define MAC_ADDRESSES 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1

struct link_case {
	const char *what;
	uint16_t link_type;
	enum decode_result expected;
	uint32_t n_bytes;
	uint8_t bytes[128];
};

static void expect_case(struct decode_test *test, const struct link_case *link)
{
	struct frame frame = { .data = link->bytes,
			       .captured_bytes = link->n_bytes,
			       .wire_bytes = link->n_bytes,
			       .link_type = link->link_type };
	enum decode_result result = decode_both_ways(test, &frame);

	if (result != link->expected)
		fail_msg("%s: %s", link->what, decode_result_name(result));
	if (result != DECODE_TCP)
		return;
	expect_address(&test->packet.src, "10.0.0.1");
	expect_address(&test->packet.dst, "10.0.0.2");
	assert_int_equal(test->packet.src_port, 40000);
	assert_int_equal(test->packet.flags, SEG_SYN);
	assert_int_equal(test->packet.checksum, CHECKSUM_GOOD);
	assert_int_equal(test->packet.payload_bytes, 0);
}

/* clang-format off */
static const struct link_case cases[] = {
	{ "Ethernet", 1, DECODE_TCP, 54, { MAC_ADDRESSES, 0x08, 0x00, IPV4_SYN } },
	{ "Ethernet padded to 60 bytes", 1, DECODE_TCP, 60, { MAC_ADDRESSES, 0x08, 0x00, IPV4_SYN, 1, 2, 3, 4, 5, 6 } },
	{ "ARP", 1, DECODE_NOT_TCP, 60, { MAC_ADDRESSES, 0x08, 0x06, 0x00, 0x01 } },
	{ "a type that is neither length nor type", 1, DECODE_NOT_TCP, 60, { MAC_ADDRESSES, 0x05, 0xf0 } },
	{ "13 bytes", 1, DECODE_TRUNCATED_LINK, 13, { MAC_ADDRESSES, 0x08 } },
	{ "no bytes", 1, DECODE_TRUNCATED_LINK, 0, { 0 } },
	{ "802.3 with SNAP", 1, DECODE_TCP, 62,
	  { MAC_ADDRESSES, 0x00, 0x30, 0xaa, 0xaa, 3, 0, 0, 0, 0x08, 0x00, IPV4_SYN } },
	{ "802.3 with SNAP, bridge tunnel", 1, DECODE_TCP, 62,
	  { MAC_ADDRESSES, 0x00, 0x30, 0xaa, 0xaa, 3, 0, 0, 0xf8, 0x08, 0x00, IPV4_SYN } },
	{ "802.3 with SNAP of another organisation", 1, DECODE_NOT_TCP, 62,
	  { MAC_ADDRESSES, 0x00, 0x30, 0xaa, 0xaa, 3, 0, 0, 0x0c, 0x08, 0x00, IPV4_SYN } },
	{ "802.3 with IP by LLC alone", 1, DECODE_TCP, 57, { MAC_ADDRESSES, 0x00, 0x2b, 6, 6, 3, IPV4_SYN } },
	{ "802.3 with spanning tree", 1, DECODE_NOT_TCP, 60, { MAC_ADDRESSES, 0x00, 0x26, 0x42, 0x42, 3 } },
	{ "802.3 that ends in LLC", 1, DECODE_TRUNCATED_LINK, 16, { MAC_ADDRESSES, 0x00, 0x02, 0xaa, 0xaa } },
	{ "802.3 that ends in SNAP", 1, DECODE_TRUNCATED_LINK, 20,
	  { MAC_ADDRESSES, 0x00, 0x06, 0xaa, 0xaa, 3, 0, 0, 0 } },
	{ "802.3 shorter than the IP in it", 1, DECODE_BAD_IPV4_TOTAL_LENGTH, 57,
	  { MAC_ADDRESSES, 0x00, 0x20, 6, 6, 3, IPV4_SYN } },
	{ "802.1Q, tag 0", 1, DECODE_TCP, 58, { MAC_ADDRESSES, 0x81, 0x00, 0xe0, 0x00, 0x08, 0x00, IPV4_SYN } },
	{ "802.1Q cut", 1, DECODE_TRUNCATED_VLAN, 17, { MAC_ADDRESSES, 0x81, 0x00, 0x00, 0x01, 0x08 } },
	{ "802.1Q around 802.3", 1, DECODE_TCP, 61,
	  { MAC_ADDRESSES, 0x81, 0x00, 0x00, 0x05, 0x00, 0x2b, 6, 6, 3, IPV4_SYN } },
	{ "null, little-endian", 0, DECODE_TCP, 44, { 2, 0, 0, 0, IPV4_SYN } },
	{ "null, big-endian", 0, DECODE_TCP, 44, { 0, 0, 0, 2, IPV4_SYN } },
	{ "loop", 108, DECODE_TCP, 44, { 0, 0, 0, 2, IPV4_SYN } },
	{ "null with another family", 0, DECODE_NOT_TCP, 44, { 7, 0, 0, 0, IPV4_SYN } },
	{ "null, FreeBSD IPv6 with IPv4 in it", 0, DECODE_BAD_IPV6_VERSION, 44, { 28, 0, 0, 0, IPV4_SYN } },
	{ "null cut", 0, DECODE_TRUNCATED_LINK, 3, { 2, 0, 0 } },
	{ "raw 12", 12, DECODE_TCP, 40, { IPV4_SYN } },
	{ "raw 14", 14, DECODE_TCP, 40, { IPV4_SYN } },
	{ "raw 101", 101, DECODE_TCP, 40, { IPV4_SYN } },
	{ "raw with neither version", 101, DECODE_BAD_IPV4_VERSION, 40, { 0x55 } },
	{ "raw and empty", 101, DECODE_TRUNCATED_LINK, 0, { 0 } },
	{ "IPv4 link", 228, DECODE_TCP, 40, { IPV4_SYN } },
	{ "IPv6 link with IPv4 in it", 229, DECODE_BAD_IPV6_VERSION, 40, { IPV4_SYN } },
	{ "Linux cooked", 113, DECODE_TCP, 56, { 0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 0x08, 0x00, IPV4_SYN } },
	{ "Linux cooked with a tag", 113, DECODE_TCP, 60,
	  { 0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 0x81, 0x00, 0x00, 0x07, 0x08, 0x00, IPV4_SYN } },
	{ "Linux cooked with LLC", 113, DECODE_TCP, 59,
	  { 0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 0x00, 0x04, 6, 6, 3, IPV4_SYN } },
	{ "Linux cooked netlink", 113, DECODE_NOT_TCP, 56,
	  { 0, 4, 0x03, 0x38, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x08, 0x00, IPV4_SYN } },
	{ "Linux cooked ARP", 113, DECODE_NOT_TCP, 44, { 0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 0x08, 0x06 } },
	{ "Linux cooked cut", 113, DECODE_TRUNCATED_LINK, 15, { 0 } },
	{ "Linux cooked 2", 276, DECODE_TCP, 60,
	  { 0x08, 0x00, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, IPV4_SYN } },
	{ "Linux cooked 2 cut", 276, DECODE_TRUNCATED_LINK, 19, { 0x08, 0x00 } },
	{ "an unknown link type", 105, DECODE_UNKNOWN_LINK_TYPE, 40, { IPV4_SYN } },
};
/* clang-format on */

static void each_link_layer_leads_where_it_should(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_case(*state, &cases[i]);
}

static void build_tagged(struct decode_test *test, unsigned n_tags)
{
	static const uint16_t tag_protocols[] = { 0x88a8, 0x9100, 0x9200, 0x8100 };

	pb_ethernet(pb_reset(&test->pb));
	for (unsigned i = 0; i < n_tags; i++)
		pb_vlan(&test->pb, tag_protocols[i % 4], (uint16_t)(100 + i));
	pb_ipv4(&test->pb, "10.0.0.1", "10.0.0.2");
	pb_tcp(&test->pb, &(struct pb_tcp){ .src_port = 1, .dst_port = 2, .flags = "S" });
}

static void four_tags_are_stored_outermost_first(void **state)
{
	struct decode_test *test = *state;

	build_tagged(test, 4);
	expect_built(test, DECODE_TCP);
	assert_int_equal(test->packet.n_vlans, 4);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(test->packet.vlans[i], 100 + i);
}

static void five_to_eight_tags_are_read_and_nine_refused(void **state)
{
	struct decode_test *test = *state;

	for (unsigned n_tags = 5; n_tags <= 8; n_tags++) {
		build_tagged(test, n_tags);
		expect_built(test, DECODE_TCP);
		assert_int_equal(test->packet.n_vlans, 4);
	}
	build_tagged(test, 9);
	expect_built(test, DECODE_TOO_MANY_VLANS);
}

static void tag_0_is_a_tag_and_priority_bits_are_not(void **state)
{
	struct decode_test *test = *state;

	build_tagged(test, 1);
	pb_frame(&test->pb);
	pb_header(&test->pb, PB_VLAN)[0] = 0xf0; /* priority 7, drop eligible */
	pb_header(&test->pb, PB_VLAN)[1] = 0x00;
	expect_built(test, DECODE_TCP);
	assert_int_equal(test->packet.n_vlans, 1);
	assert_int_equal(test->packet.vlans[0], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DECODE_TEST(each_link_layer_leads_where_it_should),
		DECODE_TEST(four_tags_are_stored_outermost_first),
		DECODE_TEST(five_to_eight_tags_are_read_and_nine_refused),
		DECODE_TEST(tag_0_is_a_tag_and_priority_bits_are_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
