/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What must hold for every kind of frame: whole, it gives the segment; cut anywhere, with any byte changed, it gives a
 * named result and nothing is read outside. Frames lie in memory of exactly their size, so that the
 * sanitizers see every byte too many.
 */
#include "decode_test.h"

#include <stdlib.h>

#include "packet_samples.h"

static void check_sound(const struct frame *frame, enum decode_result result, const struct packet *packet)
{
	assert_true((unsigned)result < DECODE_RESULT_COUNT);
	assert_non_null(decode_result_name(result));
	assert_true(packet->n_vlans <= PACKET_MAX_VLANS);
	assert_true(packet->n_tunnels <= PACKET_MAX_TUNNELS);
	assert_int_equal(packet->wire_bytes, frame->wire_bytes);
	if (result != DECODE_TCP && result != DECODE_ICMP_QUOTE)
		return;
	assert_true(packet->src.version == 4 || packet->src.version == 6);
	assert_int_equal(packet->src.version, packet->dst.version);
	assert_true(packet->payload_captured_bytes <= packet->payload_bytes);
	assert_true(packet->options.n_sack_blocks <= 4);
	assert_int_not_equal(packet->payload_hash, 0);
	assert_int_equal(packet->icmp_error != ICMP_ERROR_NONE, result == DECODE_ICMP_QUOTE);
}

static enum decode_result decode_exactly(struct decode_test *test, const struct frame *frame, uint32_t captured_bytes)
{
	uint8_t *copy = malloc(captured_bytes == 0 ? 1 : captured_bytes);
	struct frame cut = *frame;
	enum decode_result result;

	assert_non_null(copy);
	memcpy(copy, frame->data, captured_bytes);
	cut.data = captured_bytes == 0 ? NULL : copy;
	cut.captured_bytes = captured_bytes;
	result = decode_both_ways(test, &cut);
	free(copy);
	check_sound(&cut, result, &test->packet);
	return result;
}

static void every_sample_leads_to_its_segment(void **state)
{
	struct decode_test *test = *state;

	for (unsigned i = 0; i < n_packet_samples; i++) {
		const struct packet_sample *sample = &packet_samples[i];
		struct frame frame;

		sample->build(&test->pb);
		frame = pb_frame(&test->pb);
		expect_result(test, &frame, sample->is_icmp_quote ? DECODE_ICMP_QUOTE : DECODE_TCP);
		check_sound(&frame, sample->is_icmp_quote ? DECODE_ICMP_QUOTE : DECODE_TCP, &test->packet);
		assert_int_equal(test->packet.src_port, 40000);
		assert_int_equal(test->packet.dst_port, 80);
		assert_int_equal(test->packet.n_tunnels, sample->n_tunnels);
		assert_true(anomaly_set_empty(&test->packet.anomalies));
		if (!sample->is_icmp_quote)
			assert_int_equal(test->packet.checksum, CHECKSUM_GOOD);
	}
}

/* A cut can only hide what a whole frame shows: it is refused as cut, or gives the same segment. */
static void every_cut_gives_a_truncation_or_the_same_segment(void **state)
{
	struct decode_test *test = *state;

	for (unsigned i = 0; i < n_packet_samples; i++) {
		enum decode_result whole_result;
		struct packet whole;
		struct frame frame;

		packet_samples[i].build(&test->pb);
		frame = pb_frame(&test->pb);
		whole_result = decode_both_ways(test, &frame);
		whole = test->packet;
		for (uint32_t n_bytes = 0; n_bytes < frame.captured_bytes; n_bytes++) {
			enum decode_result result = decode_exactly(test, &frame, n_bytes);

			if (result == whole_result) {
				assert_int_equal(test->packet.seq, whole.seq);
				assert_int_equal(test->packet.src_port, whole.src_port);
				assert_true(ip_addr_equal(&test->packet.dst, &whole.dst));
				if (result == DECODE_TCP) {
					assert_int_equal(test->packet.flags, whole.flags);
					assert_int_equal(test->packet.payload_bytes, whole.payload_bytes);
					assert_int_equal(test->packet.checksum, CHECKSUM_UNCHECKED);
				}
			} else if (strstr(decode_result_name(result), "truncated") == NULL) {
				fail_msg("%s cut to %u bytes is %s", packet_samples[i].name, n_bytes,
					 decode_result_name(result));
			}
		}
	}
}

/* The same cuts when the packet itself ends there, as after a short write: any named result will do. */
static void every_short_packet_is_named(void **state)
{
	struct decode_test *test = *state;

	for (unsigned i = 0; i < n_packet_samples; i++) {
		struct frame frame;

		packet_samples[i].build(&test->pb);
		frame = pb_frame(&test->pb);
		for (uint32_t n_bytes = 0; n_bytes < test->pb.n_bytes; n_bytes++) {
			frame.wire_bytes = n_bytes;
			decode_exactly(test, &frame, n_bytes);
		}
	}
}

static void every_changed_byte_is_survived(void **state)
{
	struct decode_test *test = *state;

	for (unsigned i = 0; i < n_packet_samples; i++) {
		struct frame frame;

		packet_samples[i].build(&test->pb);
		frame = pb_frame(&test->pb);
		for (uint32_t at = 0; at < frame.captured_bytes; at++) {
			const uint8_t original = test->pb.bytes[at];

			for (unsigned value = 0; value < 256; value++) {
				test->pb.bytes[at] = (uint8_t)value;
				decode_exactly(test, &frame, frame.captured_bytes);
			}
			test->pb.bytes[at] = original;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DECODE_TEST(every_sample_leads_to_its_segment),
		DECODE_TEST(every_cut_gives_a_truncation_or_the_same_segment),
		DECODE_TEST(every_short_packet_is_named),
		DECODE_TEST(every_changed_byte_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
