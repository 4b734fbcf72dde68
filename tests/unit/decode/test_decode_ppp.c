/* SPDX-License-Identifier: BSD-2-Clause */
/* PPP, its framings and carriers. */
#include "decode_test.h"

enum { LINK_PPP = 9, LINK_PPP_SERIAL = 50, LINK_PPP_ETHERNET = 51 };

/* prefix, then a SYN over IPv4. */
static void expect_behind(struct decode_test *test, uint16_t link_type, const char *prefix, uint32_t n_bytes,
			  enum decode_result expected)
{
	uint8_t bytes[128];
	struct packet_builder *pb = pb_reset(&test->pb);

	pb_raw(pb);
	pb_ipv4(pb, "10.0.0.1", "10.0.0.2");
	pb_tcp(pb, &(struct pb_tcp){ .src_port = 1, .dst_port = 2, .flags = "S" });
	pb_frame(pb);
	memcpy(bytes, prefix, n_bytes);
	memcpy(bytes + n_bytes, pb->bytes, pb->n_bytes);
	expect_bytes(test, link_type, bytes, n_bytes + pb->n_bytes, expected);
}

static void address_and_protocol_may_be_compressed(void **state)
{
	expect_behind(*state, LINK_PPP, "\xff\x03\x00\x21", 4, DECODE_TCP);
	expect_behind(*state, LINK_PPP, "\x00\x21", 2, DECODE_TCP);
	expect_behind(*state, LINK_PPP, "\xff\x03\x21", 3, DECODE_TCP);
	expect_behind(*state, LINK_PPP, "\x21", 1, DECODE_TCP);
}

static void other_protocols_are_not_tcp(void **state)
{
	expect_behind(*state, LINK_PPP, "\xff\x03\xc0\x21", 4, DECODE_NOT_TCP); /* link control */
	expect_behind(*state, LINK_PPP, "\xff\x03\x00\x2d", 4, DECODE_NOT_TCP); /* compressed TCP/IP */
	expect_behind(*state, LINK_PPP, "\xff\x03\x00\x3d", 4, DECODE_NOT_TCP); /* multilink */
	expect_behind(*state, LINK_PPP, "\xff\x03\x00\x57", 4, DECODE_BAD_IPV6_VERSION);
}

static void mpls_over_ppp_leads_to_ip(void **state)
{
	expect_behind(*state, LINK_PPP, "\xff\x03\x02\x81\x00\x01\x01\x40", 8, DECODE_TCP);
}

static void a_serial_line_has_either_framing(void **state)
{
	expect_behind(*state, LINK_PPP_SERIAL, "\xff\x03\x00\x21", 4, DECODE_TCP);
	expect_behind(*state, LINK_PPP_SERIAL, "\x0f\x00\x08\x00", 4, DECODE_TCP);
	expect_behind(*state, LINK_PPP_SERIAL, "\x8f\x00\x80\x35", 4, DECODE_NOT_TCP); /* keep-alive */
	expect_behind(*state, LINK_PPP_SERIAL, "\x0f\x00\x00\x21", 4, DECODE_NOT_TCP);
}

static void pppoe_says_how_long_it_is(void **state)
{
	/* 42 bytes: the protocol field and a SYN of 40 */
	expect_behind(*state, LINK_PPP_ETHERNET, "\x11\x00\x00\x01\x00\x2a\x00\x21", 8, DECODE_TCP);
	expect_behind(*state, LINK_PPP_ETHERNET, "\x11\x00\x00\x01\x00\x2b\x00\x21", 8, DECODE_BAD_PPPOE);
	expect_behind(*state, LINK_PPP_ETHERNET, "\x11\x00\x00\x01\x00\x29\x00\x21", 8, DECODE_BAD_IPV4_TOTAL_LENGTH);
	expect_behind(*state, LINK_PPP_ETHERNET, "\x11\x00\x00\x01\x00\x01\x00\x21", 8, DECODE_TRUNCATED_PPP);
	expect_behind(*state, LINK_PPP_ETHERNET, "\x21\x00\x00\x01\x00\x2a\x00\x21", 8, DECODE_BAD_PPPOE);
	expect_behind(*state, LINK_PPP_ETHERNET, "\x11\x09\x00\x00\x00\x2a\x00\x21", 8, DECODE_NOT_TCP); /* discovery */
}

static void what_is_cut_is_truncated(void **state)
{
	static const uint8_t bytes[] = { 0xff, 0x03, 0x00, 0x21 };
	static const uint8_t pppoe[] = { 0x11, 0x00, 0x00, 0x01, 0x00 };

	for (uint32_t n_bytes = 0; n_bytes < 4; n_bytes++)
		expect_bytes(*state, LINK_PPP, bytes, n_bytes, DECODE_TRUNCATED_PPP);
	expect_bytes(*state, LINK_PPP, bytes, 4, DECODE_TRUNCATED_IPV4);
	expect_bytes(*state, 104, (const uint8_t *)"\x0f\x00\x08", 3, DECODE_TRUNCATED_PPP);
	expect_bytes(*state, LINK_PPP_ETHERNET, pppoe, sizeof(pppoe), DECODE_TRUNCATED_PPPOE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DECODE_TEST(address_and_protocol_may_be_compressed),
		DECODE_TEST(other_protocols_are_not_tcp),
		DECODE_TEST(mpls_over_ppp_leads_to_ip),
		DECODE_TEST(a_serial_line_has_either_framing),
		DECODE_TEST(pppoe_says_how_long_it_is),
		DECODE_TEST(what_is_cut_is_truncated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
