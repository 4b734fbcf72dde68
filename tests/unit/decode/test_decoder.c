/* SPDX-License-Identifier: BSD-2-Clause */
/* The decoder's life, names, counters, checksum modes, and that the same frames give the same answers. */
#include "decode_test.h"

#include "packet_samples.h"
#include "tcpwitness/base/units.h"

static void every_result_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (unsigned i = 0; i < DECODE_RESULT_COUNT; i++) {
		const char *name = decode_result_name((enum decode_result)i);

		assert_non_null(name);
		assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_0123456789"), strlen(name));
		for (unsigned other = 0; other < i; other++)
			assert_string_not_equal(name, decode_result_name((enum decode_result)other));
	}
	assert_string_equal(decode_result_name(DECODE_TRUNCATED_TCP_HEADER), "truncated_tcp_header");
	assert_false(decode_result_is_refusal(DECODE_FRAGMENT_HELD));
	assert_true(decode_result_is_refusal(DECODE_UNKNOWN_LINK_TYPE));
	assert_true(decode_result_is_truncation(DECODE_TRUNCATED_IPV4));
	assert_false(decode_result_is_truncation(DECODE_SHORT_TCP_HEADER));
}

static void defaults_are_those_of_the_header(void **state)
{
	struct decoder_config config;

	(void)state;
	decoder_config_defaults(&config);
	assert_int_equal(config.vxlan_port, 4789);
	assert_int_equal(config.geneve_port, 6081);
	assert_int_equal(config.gtpu_port, 2152);
	assert_int_equal(config.max_depth, 8);
	assert_int_equal(config.max_fragments_held, 1024);
	assert_true(config.fragment_timeout_ns == 30 * NS_PER_SEC);
	assert_int_equal(config.checksum, CHECKSUM_MODE_AUTO);
}

static void a_config_out_of_range_is_refused_with_its_name(void **state)
{
	struct decoder_config good;
	struct decoder_config bad;
	struct error error;

	(void)state;
	decoder_config_defaults(&good);
	bad = good;
	bad.max_fragments_held = 0;
	assert_null(decoder_create(&bad, &error));
	assert_non_null(strstr(error.text, "max_fragments_held"));
	bad.max_fragments_held = 65537;
	assert_null(decoder_create(&bad, &error));
	bad = good;
	bad.max_depth = 0;
	assert_null(decoder_create(&bad, &error));
	assert_non_null(strstr(error.text, "max_depth"));
	bad.max_depth = 17;
	assert_null(decoder_create(&bad, &error));
	bad = good;
	bad.checksum = (enum checksum_mode)3;
	assert_null(decoder_create(&bad, &error));
	assert_non_null(strstr(error.text, "checksum"));
	assert_null(decoder_create(&bad, NULL));
	decoder_destroy(NULL);
}

static void the_packet_carries_the_frame_s_time_and_place(void **state)
{
	struct decode_test *test = *state;
	struct frame frame;

	packet_samples[0].build(&test->pb);
	frame = pb_frame(&test->pb);
	frame.time_ns = UINT64_C(1700000000123456789);
	frame.number = 42;
	frame.source = 3;
	expect_result(test, &frame, DECODE_TCP);
	assert_true(test->packet.time_ns == frame.time_ns);
	assert_int_equal(test->packet.number, 42);
	assert_int_equal(test->packet.source, 3);
	assert_int_equal(test->packet.wire_bytes, frame.wire_bytes);
}

static void every_frame_is_counted_under_its_result(void **state)
{
	struct decode_test *test = *state;
	const struct decoder_stats *stats = decoder_get_stats(test->decoder);
	struct frame frame;

	packet_samples[0].build(&test->pb);
	frame = pb_frame(&test->pb);
	expect_result(test, &frame, DECODE_TCP);
	expect_result(test, &frame, DECODE_TCP);
	frame.link_type = 9999;
	expect_result(test, &frame, DECODE_UNKNOWN_LINK_TYPE);
	assert_int_equal(stats->results[DECODE_TCP], 2);
	assert_int_equal(stats->results[DECODE_UNKNOWN_LINK_TYPE], 1);
	assert_int_equal(stats->checksum_bad, 0);
}

/* Files from some converters claim a length on the wire below what they hold. */
static void a_wire_length_below_the_captured_one_is_mended(void **state)
{
	struct decode_test *test = *state;
	struct frame frame;

	packet_samples[0].build(&test->pb);
	frame = pb_frame(&test->pb);
	frame.wire_bytes = 0;
	expect_result(test, &frame, DECODE_TCP);
	assert_int_equal(test->packet.wire_bytes, frame.captured_bytes);
}

/* A segment of the host with that last octet, its checksum spoiled or replaced. */
static void expect_checksum(struct decode_test *test, const char *src, int32_t field, enum checksum_state expected)
{
	struct frame frame;

	pb_ethernet(pb_reset(&test->pb));
	pb_ipv4(&test->pb, src, "10.0.0.2");
	pb_tcp(&test->pb, &(struct pb_tcp){ .src_port = 1, .dst_port = 2, .flags = ".", .ack = 7 });
	frame = pb_frame(&test->pb);
	if (field >= 0) {
		pb_header(&test->pb, PB_TCP)[16] = (uint8_t)(field >> 8);
		pb_header(&test->pb, PB_TCP)[17] = (uint8_t)field;
	}
	expect_result(test, &frame, DECODE_TCP);
	assert_int_equal(test->packet.checksum, expected);
	assert_int_equal(anomaly_set_has(&test->packet.anomalies, ANOMALY_BAD_TCP_CHECKSUM), expected == CHECKSUM_BAD);
}

/* 0a00 + 0001 + 0a00 + 0002 + 0006 + 0014 (20 bytes) = 141d: what Linux leaves in the field. */
static void offload_is_recognised_by_the_first_segment_in_auto_mode(void **state)
{
	struct decode_test *test = *state;

	expect_checksum(test, "10.0.0.1", 0x141d, CHECKSUM_OFFLOADED);
	expect_checksum(test, "10.0.0.1", -1, CHECKSUM_GOOD);
	assert_int_equal(decoder_get_stats(test->decoder)->checksum_offloaded, 1);
}

static void a_damaged_segment_among_good_ones_is_bad_in_auto_mode(void **state)
{
	struct decode_test *test = *state;

	expect_checksum(test, "10.0.0.1", -1, CHECKSUM_GOOD);
	expect_checksum(test, "10.0.0.1", 0x1111, CHECKSUM_BAD);
	expect_checksum(test, "10.0.0.1", -1, CHECKSUM_GOOD);
	assert_int_equal(decoder_get_stats(test->decoder)->checksum_bad, 1);
}

static void mode_on_explains_nothing_and_mode_off_checks_nothing(void **state)
{
	struct decode_test *test = *state;
	struct decoder_config config;

	decoder_config_defaults(&config);
	config.checksum = CHECKSUM_MODE_ON;
	decode_test_configure(test, &config);
	expect_checksum(test, "10.0.0.1", 0x141d, CHECKSUM_BAD);
	expect_checksum(test, "10.0.0.1", 0, CHECKSUM_BAD);
	expect_checksum(test, "10.0.0.1", -1, CHECKSUM_GOOD);
	config.checksum = CHECKSUM_MODE_OFF;
	decode_test_configure(test, &config);
	expect_checksum(test, "10.0.0.1", 0x1111, CHECKSUM_UNCHECKED);
	assert_int_equal(decoder_get_stats(test->decoder)->checksum_unchecked, 1);
}

/* Whole structs are compared: nothing of the decoder's memory, keys or addresses may show in a packet. */
static void two_decoders_give_the_same_bytes(void **state)
{
	struct decode_test *test = *state;
	struct decoder_config config;
	struct decoder *second;

	decoder_config_defaults(&config);
	second = decoder_create(&config, NULL);
	assert_non_null(second);
	for (unsigned i = 0; i < n_packet_samples; i++) {
		struct packet packet;
		struct frame frame;

		packet_samples[i].build(&test->pb);
		frame = pb_frame(&test->pb);
		memset(&packet, 0xa5, sizeof(packet));
		assert_int_equal(decoder_decode(test->decoder, &frame, &test->packet),
				 decoder_decode(second, &frame, &packet));
		assert_memory_equal(&test->packet, &packet, sizeof(packet));
	}
	decoder_destroy(second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DECODE_TEST(every_result_has_a_name_of_its_own),
		DECODE_TEST(defaults_are_those_of_the_header),
		DECODE_TEST(a_config_out_of_range_is_refused_with_its_name),
		DECODE_TEST(the_packet_carries_the_frame_s_time_and_place),
		DECODE_TEST(every_frame_is_counted_under_its_result),
		DECODE_TEST(a_wire_length_below_the_captured_one_is_mended),
		DECODE_TEST(offload_is_recognised_by_the_first_segment_in_auto_mode),
		DECODE_TEST(a_damaged_segment_among_good_ones_is_bad_in_auto_mode),
		DECODE_TEST(mode_on_explains_nothing_and_mode_off_checks_nothing),
		DECODE_TEST(two_decoders_give_the_same_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
