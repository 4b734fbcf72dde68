/* SPDX-License-Identifier: BSD-2-Clause */
/* IPv4 headers: lengths against the wire, checksums, options, and what the header leads to. */
#include "decode_test.h"

static struct frame build(struct decode_test *test, uint32_t data_bytes)
{
	pb_ethernet(pb_reset(&test->pb));
	pb_ipv4(&test->pb, "10.0.0.1", "10.0.0.2");
	pb_tcp(&test->pb, &(struct pb_tcp){ .src_port = 1000, .dst_port = 2000, .flags = ".", .ack = 1 });
	pb_pattern(&test->pb, data_bytes);
	return pb_frame(&test->pb);
}

static void set_total_length(struct decode_test *test, uint32_t length)
{
	uint8_t *header = pb_header(&test->pb, PB_IPV4);

	header[2] = (uint8_t)(length >> 8);
	header[3] = (uint8_t)length;
	pb_fix_ipv4_checksum(&test->pb);
}

static void fields_are_those_of_the_header(void **state)
{
	struct decode_test *test = *state;
	struct frame frame = build(test, 10);

	expect_result(test, &frame, DECODE_TCP);
	assert_int_equal(test->packet.src.version, 4);
	expect_address(&test->packet.src, "10.0.0.1");
	expect_address(&test->packet.dst, "10.0.0.2");
	assert_int_equal(test->packet.ttl, 64);
	assert_int_equal(test->packet.ip_id, 0x1234);
	assert_int_equal(test->packet.ip_bytes, 50);
	assert_int_equal(test->packet.payload_bytes, 10);
	assert_false(test->packet.was_fragmented);
}

static void version_and_header_length_must_be_possible(void **state)
{
	struct decode_test *test = *state;
	struct frame frame = build(test, 0);

	pb_header(&test->pb, PB_IPV4)[0] = 0x65;
	expect_result(test, &frame, DECODE_BAD_IPV4_VERSION);
	pb_header(&test->pb, PB_IPV4)[0] = 0x44;
	expect_result(test, &frame, DECODE_BAD_IPV4_HEADER_LENGTH);
	/* What was decoded before the refusal stays: nothing yet. */
	assert_int_equal(test->packet.src.version, 0);
	pb_header(&test->pb, PB_IPV4)[0] = 0x4f;
	expect_result(test, &frame, DECODE_BAD_IPV4_TOTAL_LENGTH);
	expect_address(&test->packet.src, "10.0.0.1");
}

static void total_length_must_fit_the_wire(void **state)
{
	struct decode_test *test = *state;
	struct frame frame = build(test, 10);

	set_total_length(test, 51);
	expect_result(test, &frame, DECODE_BAD_IPV4_TOTAL_LENGTH);
	set_total_length(test, 19);
	expect_result(test, &frame, DECODE_BAD_IPV4_TOTAL_LENGTH);
	set_total_length(test, 20);
	expect_result(test, &frame, DECODE_SHORT_TCP_HEADER);
	/* On the wire there was more than the capture kept. */
	frame.wire_bytes += 1000;
	set_total_length(test, 1050);
	expect_result(test, &frame, DECODE_TCP);
	assert_int_equal(test->packet.payload_bytes, 1010);
	assert_int_equal(test->packet.payload_captured_bytes, 10);
}

/* Headers of 96 bytes are the usual capture of a mirror port. */
static void a_capture_of_headers_gives_the_whole_payload_size(void **state)
{
	struct decode_test *test = *state;
	struct frame frame = build(test, 1400);

	frame.captured_bytes = 96;
	expect_result(test, &frame, DECODE_TCP);
	assert_int_equal(test->packet.payload_bytes, 1400);
	assert_int_equal(test->packet.payload_captured_bytes, 96 - 54);
	assert_int_equal(test->packet.checksum, CHECKSUM_UNCHECKED);
	assert_true(test->packet.options_complete);
}

static void padding_is_no_payload(void **state)
{
	struct decode_test *test = *state;
	struct frame frame = build(test, 0);

	frame.captured_bytes = 60;
	frame.wire_bytes = 60;
	expect_result(test, &frame, DECODE_TCP);
	assert_int_equal(test->packet.payload_bytes, 0);
	assert_int_equal(test->packet.checksum, CHECKSUM_GOOD);
}

/* A host that leaves segmentation to its interface captures large packets with no length and no checksum. */
static void length_0_means_that_the_interface_would_segment(void **state)
{
	struct decode_test *test = *state;
	struct frame frame = build(test, 30000);
	uint8_t *header = pb_header(&test->pb, PB_IPV4);

	memset(header + 2, 0, 2);
	memset(header + 10, 0, 2);
	expect_result(test, &frame, DECODE_TCP);
	assert_int_equal(test->packet.payload_bytes, 30000);
	assert_int_equal(test->packet.checksum, CHECKSUM_GOOD);
}

static void a_size_above_65535_is_saturated_in_ip_bytes_only(void **state)
{
	struct decode_test *test = *state;
	struct frame frame = build(test, 69000);

	memset(pb_header(&test->pb, PB_IPV4) + 2, 0, 2);
	expect_result(test, &frame, DECODE_TCP);
	assert_int_equal(test->packet.ip_bytes, 65535);
	assert_int_equal(test->packet.payload_bytes, 69000);
}

static void a_bad_header_checksum_is_refused_unless_it_was_left_out(void **state)
{
	struct decode_test *test = *state;
	struct decoder_config config;
	struct frame frame = build(test, 0);

	decoder_config_defaults(&config);
	pb_header(&test->pb, PB_IPV4)[10] ^= 1;
	expect_result(test, &frame, DECODE_BAD_IPV4_CHECKSUM);
	/* Nor is a right TCP checksum an excuse: no receiver sees such a packet. */
	assert_int_equal(test->packet.checksum, CHECKSUM_GOOD);
	memset(pb_header(&test->pb, PB_IPV4) + 10, 0, 2);
	expect_result(test, &frame, DECODE_TCP);
	config.checksum = CHECKSUM_MODE_ON;
	decode_test_configure(test, &config);
	expect_result(test, &frame, DECODE_BAD_IPV4_CHECKSUM);
	config.checksum = CHECKSUM_MODE_OFF;
	decode_test_configure(test, &config);
	pb_header(&test->pb, PB_IPV4)[10] = 0x77;
	expect_result(test, &frame, DECODE_TCP);
}

/* Addresses rewritten after the capture spoil both checksums; the third such segment shows that all are. */
static void rewritten_addresses_are_accepted_from_the_third_segment_on(void **state)
{
	struct decode_test *test = *state;

	for (unsigned i = 1; i <= 5; i++) {
		struct frame frame = build(test, i);

		pb_header(&test->pb, PB_IPV4)[13] = (uint8_t)(100 + i);
		pb_header(&test->pb, PB_IPV4)[17] = 77;
		expect_result(test, &frame, i < 3 ? DECODE_BAD_IPV4_CHECKSUM : DECODE_TCP);
		assert_int_equal(test->packet.checksum, i < 3 ? CHECKSUM_BAD : CHECKSUM_OFFLOADED);
	}
}

/* Otherwise whoever sends a fragment that no receiver accepts could spoil a datagram for the sensor alone. */
static void a_fragment_with_a_bad_header_checksum_is_refused(void **state)
{
	struct decode_test *test = *state;
	struct frame frame = build(test, 100);

	pb_header(&test->pb, PB_IPV4)[6] = 0x20;
	expect_result(test, &frame, DECODE_BAD_IPV4_CHECKSUM);
}

static struct frame build_with_options(struct decode_test *test, const void *options, uint32_t n_bytes)
{
	pb_ethernet(pb_reset(&test->pb));
	pb_ipv4(&test->pb, "10.0.0.1", "10.0.0.2");
	pb_data(&test->pb, options, n_bytes);
	pb_header(&test->pb, PB_IPV4)[0] = (uint8_t)(0x45 + n_bytes / 4);
	pb_header(&test->pb, PB_IPV4)[9] = 6;
	pb_tcp(&test->pb, &(struct pb_tcp){ .src_port = 1, .dst_port = 2, .flags = "S" });
	return pb_frame(&test->pb);
}

/* IP (options (RR, EOL)) 10.0.0.1.1 > 10.0.0.2.2: Flags [S] */
static void options_are_passed_over(void **state)
{
	struct decode_test *test = *state;
	static const uint8_t ip_options[8] = { 7, 7, 4, 0, 0, 0, 0, 0 };
	struct frame frame = build_with_options(test, ip_options, sizeof(ip_options));

	expect_result(test, &frame, DECODE_TCP);
	assert_int_equal(test->packet.dst_port, 2);
	assert_int_equal(test->packet.checksum, CHECKSUM_GOOD);
	/* Cut inside the options. */
	frame.captured_bytes = 14 + 24;
	expect_result(test, &frame, DECODE_TRUNCATED_IPV4);
}

/* Each of them was sent to a host running Linux 6.18, which took and dropped them as here. */
static void options_that_no_host_takes_are_refused(void **state)
{
	static const struct {
		uint8_t n_bytes;
		uint8_t options[8];
		enum decode_result result;
	} rows[] = {
		{ 4, { 0x82, 0x00 }, DECODE_BAD_IPV4_OPTIONS },       /* length 0 */
		{ 4, { 0x82, 0x01 }, DECODE_BAD_IPV4_OPTIONS },       /* shorter than its own head */
		{ 4, { 0x82, 0x05 }, DECODE_BAD_IPV4_OPTIONS },       /* beyond the header */
		{ 4, { 1, 1, 1, 0x82 }, DECODE_BAD_IPV4_OPTIONS },    /* no room for its length */
		{ 4, { 0x07, 0x02 }, DECODE_BAD_IPV4_OPTIONS },       /* a recorded route without pointer */
		{ 8, { 0x07, 0x07, 0x03 }, DECODE_BAD_IPV4_OPTIONS }, /* its pointer into its head */
		{ 8, { 0x07, 0x07, 0x08 }, DECODE_TCP },              /* full */
		{ 4, { 0x83, 0x02 }, DECODE_BAD_IPV4_OPTIONS },       /* a source route without pointer */
		{ 4, { 0x44, 0x03, 0x05 }, DECODE_BAD_IPV4_OPTIONS }, /* timestamps without flags */
		{ 8, { 0x44, 0x08, 0x04 }, DECODE_BAD_IPV4_OPTIONS }, /* their pointer into their head */
		{ 4, { 0x44, 0x04, 0x05, 0x00 }, DECODE_TCP },        /* room for none */
		{ 4, { 0x55, 0x04, 0x99, 0x99 }, DECODE_TCP },        /* unknown */
		{ 4, { 0x82, 0x02 }, DECODE_TCP },                    /* a security label without level */
		{ 8, { 0x00, 0x82, 0xff, 0x07, 0x01 }, DECODE_TCP },  /* what is behind the end does not count */
		{ 8, { 0x94, 0x04, 0, 0, 1, 1, 1, 1 }, DECODE_TCP },  /* router alert, no end */
	};
	struct decode_test *test = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct frame frame = build_with_options(test, rows[i].options, rows[i].n_bytes);

		expect_result(test, &frame, rows[i].result);
	}
}

static void other_protocols_are_sound_and_not_tcp(void **state)
{
	static const uint8_t protocols[] = { 0, 2, 50, 58, 60, 89, 132, 253 };
	struct decode_test *test = *state;

	for (size_t i = 0; i < sizeof(protocols); i++) {
		struct frame frame = build(test, 0);

		pb_header(&test->pb, PB_IPV4)[9] = protocols[i];
		pb_fix_ipv4_checksum(&test->pb);
		expect_result(test, &frame, DECODE_NOT_TCP);
		expect_address(&test->packet.src, "10.0.0.1");
	}
}

static void an_authentication_header_is_passed_over_once(void **state)
{
	struct decode_test *test = *state;

	for (unsigned n_headers = 1; n_headers <= 2; n_headers++) {
		pb_ethernet(pb_reset(&test->pb));
		pb_ipv4(&test->pb, "10.0.0.1", "10.0.0.2");
		for (unsigned i = 0; i < n_headers; i++)
			pb_ipv6_extension(&test->pb, 51, 16);
		pb_tcp(&test->pb, &(struct pb_tcp){ .src_port = 1, .dst_port = 2, .flags = "S" });
		expect_built(test, n_headers == 1 ? DECODE_TCP : DECODE_NOT_TCP);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DECODE_TEST(fields_are_those_of_the_header),
		DECODE_TEST(version_and_header_length_must_be_possible),
		DECODE_TEST(total_length_must_fit_the_wire),
		DECODE_TEST(a_capture_of_headers_gives_the_whole_payload_size),
		DECODE_TEST(padding_is_no_payload),
		DECODE_TEST(length_0_means_that_the_interface_would_segment),
		DECODE_TEST(a_size_above_65535_is_saturated_in_ip_bytes_only),
		DECODE_TEST(a_bad_header_checksum_is_refused_unless_it_was_left_out),
		DECODE_TEST(rewritten_addresses_are_accepted_from_the_third_segment_on),
		DECODE_TEST(a_fragment_with_a_bad_header_checksum_is_refused),
		DECODE_TEST(options_are_passed_over),
		DECODE_TEST(options_that_no_host_takes_are_refused),
		DECODE_TEST(other_protocols_are_sound_and_not_tcp),
		DECODE_TEST(an_authentication_header_is_passed_over_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
