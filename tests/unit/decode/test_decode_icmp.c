/* SPDX-License-Identifier: BSD-2-Clause */
/* ICMP errors and the segments that they quote. */
#include "decode_test.h"

static struct packet_builder quoted;

/* IP 10.0.0.1.40000 > 10.0.0.2.80: Flags [P.], seq 1000:1100, ack 2000, win 500, options [nop,nop,TS] */
static void build_quoted(bool is_ipv4)
{
	pb_raw(pb_reset(&quoted));
	if (is_ipv4)
		pb_ipv4(&quoted, "10.0.0.1", "10.0.0.2");
	else
		pb_ipv6(&quoted, "2001:db8::1", "2001:db8::2");
	pb_tcp(&quoted, &(struct pb_tcp){ .src_port = 40000,
					  .dst_port = 80,
					  .flags = "P.",
					  .seq = 1000,
					  .ack = 2000,
					  .window = 500,
					  .options = "nop,nop,TS val 1 ecr 2" });
	pb_pattern(&quoted, 100);
	pb_frame(&quoted);
}

static struct frame build_error(struct decode_test *test, bool is_ipv4, uint8_t type, uint8_t code, uint32_t n_bytes)
{
	build_quoted(is_ipv4);
	pb_ethernet(pb_reset(&test->pb));
	if (is_ipv4)
		pb_ipv4(&test->pb, "10.0.0.254", "10.0.0.1");
	else
		pb_ipv6(&test->pb, "2001:db8::fe", "2001:db8::1");
	pb_icmp_quote(&test->pb, type, code, &quoted, n_bytes);
	return pb_frame(&test->pb);
}

struct icmp_case {
	bool is_ipv4;
	uint8_t type;
	uint8_t code;
	enum icmp_error_kind kind; /* NONE: not an error that quotes */
};

static const struct icmp_case cases[] = {
	{ true, 3, 0, ICMP_ERROR_SOFT_UNREACHABLE },
	{ true, 3, 1, ICMP_ERROR_SOFT_UNREACHABLE },
	{ true, 3, 2, ICMP_ERROR_HARD_UNREACHABLE },
	{ true, 3, 3, ICMP_ERROR_HARD_UNREACHABLE },
	{ true, 3, 4, ICMP_ERROR_TOO_BIG },
	{ true, 3, 5, ICMP_ERROR_SOFT_UNREACHABLE },
	{ true, 3, 6, ICMP_ERROR_SOFT_UNREACHABLE },
	{ true, 3, 9, ICMP_ERROR_PROHIBITED },
	{ true, 3, 10, ICMP_ERROR_PROHIBITED },
	{ true, 3, 12, ICMP_ERROR_SOFT_UNREACHABLE },
	{ true, 3, 13, ICMP_ERROR_PROHIBITED },
	{ true, 3, 99, ICMP_ERROR_OTHER },
	{ true, 11, 0, ICMP_ERROR_SOFT_UNREACHABLE },
	{ true, 12, 0, ICMP_ERROR_OTHER },
	{ true, 0, 0, ICMP_ERROR_NONE },
	{ true, 8, 0, ICMP_ERROR_NONE },
	{ true, 4, 0, ICMP_ERROR_NONE },
	{ true, 5, 1, ICMP_ERROR_NONE },
	{ false, 1, 0, ICMP_ERROR_SOFT_UNREACHABLE },
	{ false, 1, 1, ICMP_ERROR_PROHIBITED },
	{ false, 1, 2, ICMP_ERROR_SOFT_UNREACHABLE },
	{ false, 1, 3, ICMP_ERROR_SOFT_UNREACHABLE },
	{ false, 1, 4, ICMP_ERROR_HARD_UNREACHABLE },
	{ false, 1, 5, ICMP_ERROR_PROHIBITED },
	{ false, 1, 6, ICMP_ERROR_PROHIBITED },
	{ false, 1, 9, ICMP_ERROR_OTHER },
	{ false, 2, 0, ICMP_ERROR_TOO_BIG },
	{ false, 3, 0, ICMP_ERROR_SOFT_UNREACHABLE },
	{ false, 4, 0, ICMP_ERROR_OTHER },
	{ false, 4, 1, ICMP_ERROR_HARD_UNREACHABLE },
	{ false, 128, 0, ICMP_ERROR_NONE },
	{ false, 135, 0, ICMP_ERROR_NONE },
};

static void each_type_and_code_is_classified(void **state)
{
	struct decode_test *test = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct icmp_case *icmp = &cases[i];
		struct frame frame = build_error(test, icmp->is_ipv4, icmp->type, icmp->code, 48);

		expect_result(test, &frame, icmp->kind == ICMP_ERROR_NONE ? DECODE_NOT_TCP : DECODE_ICMP_QUOTE);
		assert_int_equal(test->packet.icmp_error, icmp->kind);
	}
}

/* RFC 792: the IP header and 64 bits of data are all that is sure to be there. */
static void eight_bytes_give_addresses_ports_and_sequence_number(void **state)
{
	struct decode_test *test = *state;
	struct frame frame = build_error(test, true, 3, 1, 28);

	expect_result(test, &frame, DECODE_ICMP_QUOTE);
	expect_address(&test->packet.src, "10.0.0.1");
	expect_address(&test->packet.dst, "10.0.0.2");
	assert_int_equal(test->packet.src_port, 40000);
	assert_int_equal(test->packet.dst_port, 80);
	assert_int_equal(test->packet.seq, 1000);
	assert_int_equal(test->packet.flags, 0);
	assert_int_equal(test->packet.checksum, CHECKSUM_UNCHECKED);
}

/* RFC 1812 4.3.2.3 and RFC 4443: as much of the packet as fits. */
static void a_longer_quote_gives_flags_options_and_size(void **state)
{
	struct decode_test *test = *state;
	struct frame frame = build_error(test, true, 3, 4, 20 + 14);

	expect_result(test, &frame, DECODE_ICMP_QUOTE);
	assert_int_equal(test->packet.flags, SEG_PSH | SEG_ACK);
	assert_int_equal(test->packet.ack, 2000);
	assert_int_equal(test->packet.payload_bytes, 100);

	frame = build_error(test, false, 2, 0, 40 + 32 + 10);
	expect_result(test, &frame, DECODE_ICMP_QUOTE);
	assert_int_equal(test->packet.options.present, TCPOPT_TIMESTAMP);
	assert_int_equal(test->packet.payload_bytes, 100);
	assert_int_equal(test->packet.payload_captured_bytes, 10);
	assert_true(anomaly_set_empty(&test->packet.anomalies));
}

static void a_quote_that_is_too_short_is_truncated(void **state)
{
	struct decode_test *test = *state;

	for (uint32_t n_bytes = 0; n_bytes < 28; n_bytes++) {
		struct frame frame = build_error(test, true, 3, 1, n_bytes);

		expect_result(test, &frame, DECODE_TRUNCATED_ICMP_QUOTE);
		assert_int_equal(test->packet.icmp_error, ICMP_ERROR_NONE);
	}
	for (uint32_t n_bytes = 0; n_bytes < 48; n_bytes++) {
		struct frame frame = build_error(test, false, 1, 4, n_bytes);

		expect_result(test, &frame, DECODE_TRUNCATED_ICMP_QUOTE);
	}
}

/* Routers have changed the header by then, and some stacks put lengths of their own into it. */
static void checksum_and_length_of_the_quoted_header_are_not_held_against_it(void **state)
{
	struct decode_test *test = *state;
	struct frame frame = build_error(test, true, 11, 0, 28);
	uint8_t *quoted_header = pb_header(&test->pb, PB_DATA);

	quoted_header[8] = 1;    /* time to live */
	quoted_header[10] ^= 99; /* checksum */
	expect_result(test, &frame, DECODE_ICMP_QUOTE);
	assert_int_equal(test->packet.ttl, 1);
	quoted_header[2] = 0;
	quoted_header[3] = 0;
	expect_result(test, &frame, DECODE_ICMP_QUOTE);
	assert_int_equal(test->packet.seq, 1000);
}

static void quotes_of_other_protocols_and_of_tunnels_are_not_tcp(void **state)
{
	static const uint8_t protocols[] = { 1, 4, 17, 41, 47, 50 };
	struct decode_test *test = *state;

	for (size_t i = 0; i < sizeof(protocols); i++) {
		struct frame frame = build_error(test, true, 3, 3, 100);

		pb_header(&test->pb, PB_DATA)[9] = protocols[i];
		expect_result(test, &frame, DECODE_NOT_TCP);
		assert_int_equal(test->packet.icmp_error, ICMP_ERROR_NONE);
	}
}

static void only_a_first_fragment_can_be_quoted(void **state)
{
	struct decode_test *test = *state;
	struct frame frame = build_error(test, true, 11, 1, 60);

	pb_header(&test->pb, PB_DATA)[6] = 0x20;
	expect_result(test, &frame, DECODE_ICMP_QUOTE);
	assert_true(test->packet.was_fragmented);
	pb_header(&test->pb, PB_DATA)[7] = 5;
	expect_result(test, &frame, DECODE_FRAGMENT_HELD);
}

/* An error about the outer header of a tunnel is found behind other tunnels as well. */
static void an_error_inside_a_tunnel_is_read(void **state)
{
	struct decode_test *test = *state;

	build_quoted(true);
	pb_ethernet(pb_reset(&test->pb));
	pb_ipv4(&test->pb, "192.0.2.1", "192.0.2.2");
	pb_gre(&test->pb, 0);
	pb_ipv4(&test->pb, "10.0.0.254", "10.0.0.1");
	pb_icmp_quote(&test->pb, 3, 3, &quoted, 28);
	expect_built(test, DECODE_ICMP_QUOTE);
	assert_int_equal(test->packet.n_tunnels, 1);
	assert_int_equal(test->packet.icmp_error, ICMP_ERROR_HARD_UNREACHABLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DECODE_TEST(each_type_and_code_is_classified),
		DECODE_TEST(eight_bytes_give_addresses_ports_and_sequence_number),
		DECODE_TEST(a_longer_quote_gives_flags_options_and_size),
		DECODE_TEST(a_quote_that_is_too_short_is_truncated),
		DECODE_TEST(checksum_and_length_of_the_quoted_header_are_not_held_against_it),
		DECODE_TEST(quotes_of_other_protocols_and_of_tunnels_are_not_tcp),
		DECODE_TEST(only_a_first_fragment_can_be_quoted),
		DECODE_TEST(an_error_inside_a_tunnel_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
