/* SPDX-License-Identifier: BSD-2-Clause */
/* TCP options: every kind, every wrong length, and every one-byte change of a real header's options. */
#include "decode_test.h"

#include <stdlib.h>

#include "decode_internal.h"

static struct packet packet;

/* Both by the walk alone and with the layouts that are known as a whole, which must come to the same. */
static void decode(const uint8_t *bytes, uint32_t n_bytes, bool is_whole)
{
	/* Of exactly that size, so that the sanitizers see every byte too many. */
	uint8_t *copy = malloc(n_bytes == 0 ? 1 : n_bytes);
	static struct decoder decoder;
	static struct packet walked;

	assert_non_null(copy);
	memcpy(copy, bytes, n_bytes);
	memset(&packet, 0, sizeof(packet));
	memset(&walked, 0, sizeof(walked));
	decoder.no_short_way = false;
	decode_tcp_options(&(struct decode_context){ .decoder = &decoder, .packet = &packet }, copy, n_bytes, is_whole);
	decoder.no_short_way = true;
	decode_tcp_options(&(struct decode_context){ .decoder = &decoder, .packet = &walked }, copy, n_bytes, is_whole);
	free(copy);
	assert_memory_equal(&packet, &walked, sizeof(packet));
}

static bool has(enum anomaly anomaly)
{
	return anomaly_set_has(&packet.anomalies, anomaly);
}

/* The options as a Linux SYN has them. */
static const uint8_t linux_syn[] = { 2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0, 0, 0, 100, 0, 0, 0, 0, 1, 3, 3, 7 };

static void a_linux_syn_is_read(void **state)
{
	(void)state;
	decode(linux_syn, sizeof(linux_syn), true);
	assert_int_equal(packet.options.present, TCPOPT_MSS | TCPOPT_SACK_PERMITTED | TCPOPT_TIMESTAMP | TCPOPT_WSCALE);
	assert_int_equal(packet.options.mss, 1460);
	assert_int_equal(packet.options.wscale, 7);
	assert_int_equal(packet.options.ts_val, 100);
	assert_int_equal(packet.options.ts_ecr, 0);
	assert_true(anomaly_set_empty(&packet.anomalies));
}

struct option_case {
	const char *what;
	uint8_t n_bytes;
	uint8_t bytes[40];
	uint16_t present;
	int anomaly; /* -1: none */
};

static const struct option_case cases[] = {
	{ "MSS", 4, { 2, 4, 1, 0 }, TCPOPT_MSS, -1 },
	{ "MSS too short", 4, { 2, 3, 1, 1 }, 0, ANOMALY_TCP_OPTION_MALFORMED },
	{ "window scale 14", 3, { 3, 3, 14 }, TCPOPT_WSCALE, -1 },
	{ "window scale 15", 3, { 3, 3, 15 }, TCPOPT_WSCALE, ANOMALY_WSCALE_OUT_OF_RANGE },
	{ "window scale too long", 4, { 3, 4, 1, 1 }, 0, ANOMALY_TCP_OPTION_MALFORMED },
	{ "SACK permitted", 2, { 4, 2 }, TCPOPT_SACK_PERMITTED, -1 },
	{ "SACK permitted with data", 3, { 4, 3, 0 }, 0, ANOMALY_TCP_OPTION_MALFORMED },
	{ "SACK of one block", 10, { 5, 10, 0, 0, 0, 1, 0, 0, 0, 2 }, TCPOPT_SACK, -1 },
	{ "SACK of four blocks", 34, { 5, 34 }, TCPOPT_SACK, -1 },
	{ "SACK without blocks", 2, { 5, 2 }, 0, ANOMALY_TCP_OPTION_MALFORMED },
	{ "SACK of half a block", 6, { 5, 6 }, 0, ANOMALY_TCP_OPTION_MALFORMED },
	{ "timestamp", 10, { 8, 10, 0, 0, 0, 1, 0, 0, 0, 2 }, TCPOPT_TIMESTAMP, -1 },
	{ "timestamp too short", 9, { 8, 9 }, 0, ANOMALY_TCP_OPTION_MALFORMED },
	{ "MD5", 18, { 19, 18 }, TCPOPT_MD5, -1 },
	{ "MD5 too short", 17, { 19, 17 }, 0, ANOMALY_TCP_OPTION_MALFORMED },
	{ "authentication", 16, { 29, 16 }, TCPOPT_AO, -1 },
	{ "authentication without key", 3, { 29, 3, 1 }, 0, ANOMALY_TCP_OPTION_MALFORMED },
	{ "multipath", 12, { 30, 12, 0x10 }, TCPOPT_MPTCP | TCPOPT_MPTCP_SIGNAL, -1 },
	{ "multipath without subtype", 2, { 30, 2 }, 0, ANOMALY_TCP_OPTION_MALFORMED },
	{ "multipath twice", 8, { 30, 4, 0x20, 0, 30, 4, 0x30, 0 }, TCPOPT_MPTCP | TCPOPT_MPTCP_SIGNAL, -1 },
	{ "Fast Open request", 2, { 34, 2 }, TCPOPT_FASTOPEN, -1 },
	{ "Fast Open cookie", 10, { 34, 10 }, TCPOPT_FASTOPEN, -1 },
	{ "Fast Open cookie of 2 bytes", 4, { 34, 4 }, 0, ANOMALY_TCP_OPTION_MALFORMED },
	{ "Fast Open cookie of odd length", 7, { 34, 7 }, 0, ANOMALY_TCP_OPTION_MALFORMED },
	{ "Fast Open cookie of 18 bytes", 20, { 34, 20 }, 0, ANOMALY_TCP_OPTION_MALFORMED },
	{ "experimental Fast Open", 12, { 254, 12, 0xf9, 0x89 }, TCPOPT_FASTOPEN, -1 },
	{ "another experiment", 12, { 254, 12, 0xf9, 0x8a }, TCPOPT_OTHER, ANOMALY_TCP_OPTION_EXPERIMENTAL },
	{ "two experiments", 8, { 253, 4, 1, 2, 253, 4, 3, 4 }, TCPOPT_OTHER, ANOMALY_TCP_OPTION_EXPERIMENTAL },
	{ "an unknown kind", 4, { 77, 4, 0, 0 }, TCPOPT_OTHER, -1 },
	{ "an unknown kind twice", 4, { 77, 2, 77, 2 }, TCPOPT_OTHER, ANOMALY_TCP_OPTION_DUPLICATE },
	{ "echo", 6, { 6, 6 }, TCPOPT_OTHER, ANOMALY_TCP_OPTION_OBSOLETE },
	{ "echo reply", 6, { 7, 6 }, TCPOPT_OTHER, ANOMALY_TCP_OPTION_OBSOLETE },
	{ "partial order", 2, { 9, 2 }, TCPOPT_OTHER, ANOMALY_TCP_OPTION_OBSOLETE },
	{ "partial order profile", 3, { 10, 3, 0 }, TCPOPT_OTHER, ANOMALY_TCP_OPTION_OBSOLETE },
	{ "connection count", 6, { 11, 6 }, TCPOPT_OTHER, ANOMALY_TCP_OPTION_OBSOLETE },
	{ "connection count, new", 6, { 12, 6 }, TCPOPT_OTHER, ANOMALY_TCP_OPTION_OBSOLETE },
	{ "connection count, echo", 6, { 13, 6 }, TCPOPT_OTHER, ANOMALY_TCP_OPTION_OBSOLETE },
	{ "alternate checksum", 3, { 14, 3, 1 }, TCPOPT_OTHER, ANOMALY_TCP_OPTION_OBSOLETE },
	{ "alternate checksum data", 8, { 15, 8 }, TCPOPT_OTHER, ANOMALY_TCP_OPTION_OBSOLETE },
	{ "MSS twice", 8, { 2, 4, 1, 0, 2, 4, 2, 0 }, TCPOPT_MSS, ANOMALY_TCP_OPTION_DUPLICATE },
	{ "length 0", 4, { 77, 0, 1, 1 }, 0, ANOMALY_TCP_OPTION_MALFORMED },
	{ "length 1", 4, { 77, 1, 1, 1 }, 0, ANOMALY_TCP_OPTION_MALFORMED },
	{ "length beyond the header", 4, { 77, 5, 1, 1 }, 0, ANOMALY_TCP_OPTION_MALFORMED },
	{ "no length", 4, { 1, 1, 1, 77 }, 0, ANOMALY_TCP_OPTION_MALFORMED },
	{ "what follows the end is not read", 8, { 0, 2, 4, 1, 0, 2, 4, 1 }, 0, -1 },
	{ "no-operation alone", 4, { 1, 1, 1, 1 }, 0, -1 },
	{ "MSS before a bad length", 8, { 2, 4, 1, 0, 77, 9, 0, 0 }, TCPOPT_MSS, ANOMALY_TCP_OPTION_MALFORMED },
	{ "MSS behind a wrong length", 8, { 3, 4, 0, 0, 2, 4, 1, 0 }, TCPOPT_MSS, ANOMALY_TCP_OPTION_MALFORMED },
};

static void each_kind_and_each_mistake_is_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		decode(cases[i].bytes, cases[i].n_bytes, true);
		if (packet.options.present != cases[i].present)
			fail_msg("%s: present is %#x", cases[i].what, packet.options.present);
		for (unsigned a = 0; a < ANOMALY_COUNT; a++) {
			bool expected = cases[i].anomaly >= 0 && a == (unsigned)cases[i].anomaly;

			if (has((enum anomaly)a) != expected)
				fail_msg("%s: %s", cases[i].what, anomaly_info((enum anomaly)a)->name);
		}
	}
}

static void an_obsolete_option_of_wrong_length_is_both(void **state)
{
	static const uint8_t echo[] = { 6, 4, 0, 0 };

	(void)state;
	decode(echo, sizeof(echo), true);
	assert_true(has(ANOMALY_TCP_OPTION_OBSOLETE));
	assert_true(has(ANOMALY_TCP_OPTION_MALFORMED));
	assert_int_equal(packet.options.present, 0);
}

static void of_two_the_later_one_counts(void **state)
{
	static const uint8_t two[] = { 2, 4, 1, 0, 2, 4, 2, 0 };

	(void)state;
	decode(two, sizeof(two), true);
	assert_int_equal(packet.options.mss, 0x0200);
}

static void blocks_cookie_and_subtype_are_read(void **state)
{
	static const uint8_t sack[] = { 1, 1, 5, 18, 0, 0, 0, 1, 0, 0, 0, 2, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 4 };
	static const uint8_t mptcp[] = { 30, 4, 0x81, 0 };
	static const uint8_t cookie[] = { 34, 10, 1, 2, 3, 4, 5, 6, 7, 8 };
	static const uint8_t experimental[] = { 254, 8, 0xf9, 0x89, 1, 2, 3, 4 };

	(void)state;
	decode(sack, sizeof(sack), true);
	assert_int_equal(packet.options.n_sack_blocks, 2);
	assert_int_equal(packet.options.sack[0].left, 1);
	assert_int_equal(packet.options.sack[0].right, 2);
	assert_int_equal(packet.options.sack[1].left, 0xffffffff);
	assert_int_equal(packet.options.sack[1].right, 4);
	decode(mptcp, sizeof(mptcp), true);
	assert_int_equal(packet.options.mptcp_subtype, 8);
	decode(cookie, sizeof(cookie), true);
	assert_int_equal(packet.options.fastopen_cookie_bytes, 8);
	decode(experimental, sizeof(experimental), true);
	assert_int_equal(packet.options.fastopen_cookie_bytes, 4);
}

/* RFC 8684: whatever is not the acknowledgement of data alone, in any of several options. */
static void multipath_says_more_than_an_acknowledgement(void **state)
{
	static const uint8_t data_ack[] = { 30, 8, 0x20, 0x01, 0, 0, 0, 9 };
	static const uint8_t data_fin[] = { 30, 18, 0x20, 0x15, 0, 0, 0, 9, 0, 0, 0, 5, 0, 0, 0, 0, 0, 1, 1, 1 };
	static const uint8_t add_addr_and_data_ack[] = { 30, 4, 0x30, 1, 30, 8, 0x20, 0x01, 0, 0, 0, 9 };
	static const uint8_t empty[] = { 30, 2, 0, 0 };

	(void)state;
	decode(data_ack, sizeof(data_ack), true);
	assert_int_equal(packet.options.present, TCPOPT_MPTCP);
	decode(data_fin, sizeof(data_fin), true);
	assert_int_equal(packet.options.present, TCPOPT_MPTCP | TCPOPT_MPTCP_SIGNAL);
	decode(add_addr_and_data_ack, sizeof(add_addr_and_data_ack), true);
	assert_int_equal(packet.options.present, TCPOPT_MPTCP | TCPOPT_MPTCP_SIGNAL);
	decode(empty, sizeof(empty), true);
	assert_int_equal(packet.options.present, 0);
}

/* The layout tells stacks apart by order and padding, whatever the values. */
static void the_layout_is_of_kinds_in_order(void **state)
{
	static const uint8_t other_values[] = { 2, 4, 1, 1, 4, 2, 8, 10, 9, 9, 9, 9, 9, 9, 9, 9, 1, 3, 3, 2 };
	static const uint8_t other_order[] = { 4, 2, 2, 4, 0x05, 0xb4, 8, 10, 0, 0, 0, 100, 0, 0, 0, 0, 1, 3, 3, 7 };
	static const uint8_t mss[] = { 2, 4, 5, 180 };
	uint32_t layout;

	(void)state;
	decode(linux_syn, sizeof(linux_syn), true);
	layout = packet.options.layout;
	assert_int_not_equal(layout, 0);
	decode(other_values, sizeof(other_values), true);
	assert_int_equal(packet.options.layout, layout);
	decode(other_order, sizeof(other_order), true);
	assert_int_not_equal(packet.options.layout, layout);
	/* FNV-1a of the one byte 02, computed by hand: (2166136261 ^ 2) * 16777619 modulo 2^32. */
	decode(mss, sizeof(mss), true);
	assert_int_equal(packet.options.layout, 118251589);
	decode(mss, 0, true);
	assert_int_equal(packet.options.layout, 0);
}

/* Where the capture ends inside the options, what came before it counts and nothing is called malformed. */
static void options_cut_by_the_capture_are_not_malformed(void **state)
{
	static const uint8_t length_1[] = { 77, 1 };

	(void)state;
	for (uint32_t n_bytes = 0; n_bytes <= sizeof(linux_syn); n_bytes++) {
		decode(linux_syn, n_bytes, false);
		assert_true(anomaly_set_empty(&packet.anomalies));
		assert_int_equal((packet.options.present & TCPOPT_MSS) != 0, n_bytes >= 4);
		assert_int_equal((packet.options.present & TCPOPT_SACK_PERMITTED) != 0, n_bytes >= 6);
		assert_int_equal((packet.options.present & TCPOPT_TIMESTAMP) != 0, n_bytes >= 16);
		assert_int_equal((packet.options.present & TCPOPT_WSCALE) != 0, n_bytes >= 20);
	}
	decode(length_1, sizeof(length_1), false);
	assert_true(has(ANOMALY_TCP_OPTION_MALFORMED));
}

static void a_frame_cut_inside_its_options_is_a_segment(void **state)
{
	struct decode_test *test = *state;
	struct frame frame;

	pb_ethernet(pb_reset(&test->pb));
	pb_ipv4(&test->pb, "10.0.0.1", "10.0.0.2");
	pb_tcp(&test->pb, &(struct pb_tcp){ .src_port = 1,
					    .dst_port = 2,
					    .flags = "S",
					    .options = "mss 1460,sackOK,TS val 1 ecr 2,nop,wscale 7" });
	pb_pattern(&test->pb, 5);
	frame = pb_frame(&test->pb);
	frame.captured_bytes = 54 + 7;
	expect_result(test, &frame, DECODE_TCP);
	assert_false(test->packet.options_complete);
	assert_int_equal(test->packet.options.present, TCPOPT_MSS | TCPOPT_SACK_PERMITTED);
	assert_int_equal(test->packet.payload_bytes, 5);
	assert_int_equal(test->packet.payload_captured_bytes, 0);
}

/* Every byte of a header full of options set to every value: nothing is read outside, and numbers keep their bounds. */
static void every_one_byte_change_is_survived(void **state)
{
	static const uint8_t full[40] = { 2, 4, 0x05, 0xb4, 1, 3, 3, 7, 8,  10, 0, 0, 0, 1, 0,  0, 0,    2, 5, 10,
					  0, 0, 0,    1,    0, 0, 0, 2, 34, 6,  1, 2, 3, 4, 30, 4, 0x10, 0, 4, 2 };
	uint8_t bytes[40];

	(void)state;
	for (unsigned at = 0; at < sizeof(full); at++) {
		for (unsigned value = 0; value < 256; value++) {
			memcpy(bytes, full, sizeof(full));
			bytes[at] = (uint8_t)value;
			for (uint32_t n_bytes = 0; n_bytes <= sizeof(full); n_bytes += 4) {
				decode(bytes, n_bytes, true);
				assert_true(packet.options.n_sack_blocks <= 4);
				assert_true(packet.options.fastopen_cookie_bytes <= 16);
				assert_int_equal((packet.options.present & TCPOPT_SACK) != 0,
						 packet.options.n_sack_blocks != 0);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_linux_syn_is_read),
		cmocka_unit_test(each_kind_and_each_mistake_is_named),
		cmocka_unit_test(an_obsolete_option_of_wrong_length_is_both),
		cmocka_unit_test(of_two_the_later_one_counts),
		cmocka_unit_test(blocks_cookie_and_subtype_are_read),
		cmocka_unit_test(multipath_says_more_than_an_acknowledgement),
		cmocka_unit_test(the_layout_is_of_kinds_in_order),
		cmocka_unit_test(options_cut_by_the_capture_are_not_malformed),
		DECODE_TEST(a_frame_cut_inside_its_options_is_a_segment),
		cmocka_unit_test(every_one_byte_change_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
