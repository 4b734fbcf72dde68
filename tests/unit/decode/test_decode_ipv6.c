/* SPDX-License-Identifier: BSD-2-Clause */
/* IPv6 headers, their lengths, and chains of extension headers. */
#include "decode_test.h"

enum { HOP_BY_HOP = 0, ROUTING = 43, AH = 51, DESTINATION = 60, MOBILITY = 135, HIP = 139, SHIM6 = 140 };

static struct packet_builder *begin(struct decode_test *test)
{
	pb_ethernet(pb_reset(&test->pb));
	pb_ipv6(&test->pb, "2001:db8::1", "2001:db8::2");
	return &test->pb;
}

static struct frame end(struct decode_test *test, uint32_t data_bytes)
{
	pb_tcp(&test->pb, &(struct pb_tcp){ .src_port = 1000, .dst_port = 2000, .flags = ".", .ack = 1 });
	pb_pattern(&test->pb, data_bytes);
	return pb_frame(&test->pb);
}

static void set_payload_length(struct decode_test *test, uint32_t length)
{
	pb_header(&test->pb, PB_IPV6)[4] = (uint8_t)(length >> 8);
	pb_header(&test->pb, PB_IPV6)[5] = (uint8_t)length;
}

static void fields_are_those_of_the_header(void **state)
{
	struct decode_test *test = *state;
	struct frame frame;

	begin(test);
	frame = end(test, 7);
	expect_result(test, &frame, DECODE_TCP);
	expect_address(&test->packet.src, "2001:db8::1");
	expect_address(&test->packet.dst, "2001:db8::2");
	assert_int_equal(test->packet.ttl, 64);
	assert_int_equal(test->packet.ip_id, 0);
	assert_int_equal(test->packet.ip_bytes, 67);
	assert_int_equal(test->packet.payload_bytes, 7);
	assert_int_equal(test->packet.checksum, CHECKSUM_GOOD);
}

static void payload_length_must_fit_the_wire(void **state)
{
	struct decode_test *test = *state;
	struct frame frame;

	begin(test);
	frame = end(test, 10);
	set_payload_length(test, 31);
	expect_result(test, &frame, DECODE_BAD_IPV6_LENGTH);
	expect_address(&test->packet.src, "2001:db8::1");
	set_payload_length(test, 19);
	expect_result(test, &frame, DECODE_SHORT_TCP_HEADER);
	set_payload_length(test, 29);
	expect_result(test, &frame, DECODE_TCP);
	assert_int_equal(test->packet.payload_bytes, 9);
	pb_header(&test->pb, PB_IPV6)[0] = 0x40;
	expect_result(test, &frame, DECODE_BAD_IPV6_VERSION);
}

static void length_0_means_that_the_interface_would_segment(void **state)
{
	struct decode_test *test = *state;
	struct frame frame;

	begin(test);
	frame = end(test, 30000);
	set_payload_length(test, 0);
	expect_result(test, &frame, DECODE_TCP);
	assert_int_equal(test->packet.payload_bytes, 30000);
}

/* RFC 2675: a hop-by-hop option has the length of a jumbogram, above 65535. */
static void a_jumbogram_has_its_length_in_an_option(void **state)
{
	struct decode_test *test = *state;
	const uint32_t jumbo_bytes = 8 + 20 + 66000;
	struct frame frame;
	uint8_t *option;

	begin(test);
	pb_ipv6_extension(&test->pb, HOP_BY_HOP, 0);
	option = pb_header(&test->pb, PB_IPV6_EXTENSION) + 2;
	frame = end(test, 66000);
	set_payload_length(test, 0);
	option[0] = 0xc2;
	option[1] = 4;
	option[3] = (uint8_t)(jumbo_bytes >> 16);
	option[4] = (uint8_t)(jumbo_bytes >> 8);
	option[5] = (uint8_t)jumbo_bytes;
	expect_result(test, &frame, DECODE_TCP);
	assert_int_equal(test->packet.payload_bytes, 66000);
	assert_int_equal(test->packet.ip_bytes, 65535);
	/* Longer than the wire, or not a jumbogram at all. */
	option[5]++;
	expect_result(test, &frame, DECODE_BAD_IPV6_LENGTH);
	option[3] = 0;
	expect_result(test, &frame, DECODE_BAD_IPV6_LENGTH);
}

static void extension_headers_are_passed_in_any_order(void **state)
{
	static const uint8_t orders[][4] = {
		{ HOP_BY_HOP, DESTINATION, ROUTING, AH },
		{ AH, ROUTING, DESTINATION, HOP_BY_HOP },
		{ MOBILITY, HIP, SHIM6, DESTINATION },
		{ DESTINATION, DESTINATION, DESTINATION, DESTINATION },
	};
	struct decode_test *test = *state;

	for (size_t order = 0; order < sizeof(orders) / sizeof(orders[0]); order++) {
		struct frame frame;

		begin(test);
		for (size_t i = 0; i < 4; i++)
			pb_ipv6_extension(&test->pb, orders[order][i], 8);
		frame = end(test, 3);
		expect_result(test, &frame, DECODE_TCP);
		assert_int_equal(test->packet.payload_bytes, 3);
		assert_int_equal(test->packet.checksum, CHECKSUM_GOOD);
	}
}

static void sixteen_extension_headers_are_read_and_seventeen_refused(void **state)
{
	struct decode_test *test = *state;

	for (unsigned n_headers = 16; n_headers <= 17; n_headers++) {
		struct frame frame;

		begin(test);
		for (unsigned i = 0; i < n_headers; i++)
			pb_ipv6_extension(&test->pb, DESTINATION, 0);
		frame = end(test, 0);
		expect_result(test, &frame, n_headers == 16 ? DECODE_TCP : DECODE_TOO_MANY_IPV6_EXTENSIONS);
	}
}

static void an_extension_header_beyond_the_packet_is_a_bad_length(void **state)
{
	struct decode_test *test = *state;
	struct frame frame;

	begin(test);
	pb_ipv6_extension(&test->pb, DESTINATION, 0);
	frame = end(test, 0);
	pb_header(&test->pb, PB_IPV6_EXTENSION)[1] = 3;
	expect_result(test, &frame, DECODE_BAD_IPV6_LENGTH);
	pb_header(&test->pb, PB_IPV6_EXTENSION)[1] = 0;
	frame.captured_bytes = 54 + 7;
	expect_result(test, &frame, DECODE_TRUNCATED_IPV6_EXTENSION);
}

static void esp_and_no_next_header_are_not_tcp(void **state)
{
	struct decode_test *test = *state;
	struct frame frame;

	begin(test);
	frame = end(test, 0);
	pb_header(&test->pb, PB_IPV6)[6] = 50;
	expect_result(test, &frame, DECODE_NOT_TCP);
	pb_header(&test->pb, PB_IPV6)[6] = 59;
	expect_result(test, &frame, DECODE_NOT_TCP);
	begin(test);
	pb_ipv6_extension(&test->pb, DESTINATION, 0);
	frame = end(test, 0);
	pb_header(&test->pb, PB_IPV6_EXTENSION)[0] = 59;
	expect_result(test, &frame, DECODE_NOT_TCP);
}

/* RFC 8200 8.1: the checksum covers the final destination, which is also the end of the connection. */
static void a_packet_under_way_belongs_to_its_final_destination(void **state)
{
	static const uint8_t final[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 0x99 };
	struct decode_test *test = *state;
	struct frame frame;
	uint8_t *routing;

	/* First with the final destination in the IPv6 header, for the checksum. */
	begin(test);
	memcpy(pb_header(&test->pb, PB_IPV6) + 24, final, sizeof(final));
	pb_ipv6_extension(&test->pb, ROUTING, 16);
	frame = end(test, 0);
	routing = pb_header(&test->pb, PB_IPV6_EXTENSION);
	pb_header(&test->pb, PB_IPV6)[39] = 0x02;
	memcpy(routing + 8, final, sizeof(final));
	routing[3] = 1; /* segments left */
	for (unsigned type = 0; type <= 4; type += 2) {
		routing[2] = (uint8_t)type;
		expect_result(test, &frame, DECODE_TCP);
		expect_address(&test->packet.dst, "2001:db8::99");
		assert_int_equal(test->packet.checksum, CHECKSUM_GOOD);
	}
	/* A type that is not known: nothing can be said of the checksum. */
	routing[2] = 77;
	expect_result(test, &frame, DECODE_TCP);
	expect_address(&test->packet.dst, "2001:db8::2");
	assert_int_equal(test->packet.checksum, CHECKSUM_UNCHECKED);
	routing[3] = 0;
	expect_result(test, &frame, DECODE_TCP);
	assert_int_equal(test->packet.checksum, CHECKSUM_BAD);
}

/* RFC 6275 6.3: the checksum covers the home address, which the sender's own checksum must not be held against. */
static void a_home_address_leaves_the_checksum_unchecked(void **state)
{
	struct decode_test *test = *state;
	struct frame frame;
	uint8_t *option;

	begin(test);
	pb_ipv6_extension(&test->pb, DESTINATION, 16);
	option = pb_header(&test->pb, PB_IPV6_EXTENSION) + 2;
	option[0] = 1; /* PadN, so that the option is aligned */
	option[1] = 2;
	option[4] = 0xc9;
	option[5] = 16;
	frame = end(test, 0);
	expect_result(test, &frame, DECODE_TCP);
	assert_int_equal(test->packet.checksum, CHECKSUM_UNCHECKED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DECODE_TEST(fields_are_those_of_the_header),
		DECODE_TEST(payload_length_must_fit_the_wire),
		DECODE_TEST(length_0_means_that_the_interface_would_segment),
		DECODE_TEST(a_jumbogram_has_its_length_in_an_option),
		DECODE_TEST(extension_headers_are_passed_in_any_order),
		DECODE_TEST(sixteen_extension_headers_are_read_and_seventeen_refused),
		DECODE_TEST(an_extension_header_beyond_the_packet_is_a_bad_length),
		DECODE_TEST(esp_and_no_next_header_are_not_tcp),
		DECODE_TEST(a_packet_under_way_belongs_to_its_final_destination),
		DECODE_TEST(a_home_address_leaves_the_checksum_unchecked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
