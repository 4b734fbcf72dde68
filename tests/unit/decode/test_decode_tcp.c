/* SPDX-License-Identifier: BSD-2-Clause */
/* The fixed TCP header: fields, flag combinations, addresses, cuts and the hash. */
#include "decode_test.h"

static const struct pb_tcp ordinary = {
	.src_port = 1000, .dst_port = 2000, .flags = ".", .seq = 5, .ack = 6, .window = 7
};

static void build(struct decode_test *test, const struct pb_tcp *tcp, uint32_t data_bytes)
{
	pb_ethernet(pb_reset(&test->pb));
	pb_ipv4(&test->pb, "10.0.0.1", "10.0.0.2");
	pb_tcp(&test->pb, tcp);
	pb_pattern(&test->pb, data_bytes);
}

static void expect_only(const struct decode_test *test, const char *what, int anomaly)
{
	for (unsigned i = 0; i < ANOMALY_COUNT; i++) {
		bool expected = anomaly >= 0 && i == (unsigned)anomaly;

		if (anomaly_set_has(&test->packet.anomalies, (enum anomaly)i) != expected)
			fail_msg("%s: %s is %s", what, anomaly_info((enum anomaly)i)->name,
				 expected ? "missing" : "wrong");
	}
}

static void every_field_and_every_flag_is_read(void **state)
{
	struct decode_test *test = *state;

	build(test,
	      &(struct pb_tcp){ .src_port = 0x1234,
				.dst_port = 0x5678,
				.flags = "FSRP.UEWe",
				.seq = 0x9abcdef0,
				.ack = 0x0fedcba9,
				.window = 0x8765,
				.urgent = 0x0003 },
	      9);
	expect_built(test, DECODE_TCP);
	assert_int_equal(test->packet.src_port, 0x1234);
	assert_int_equal(test->packet.dst_port, 0x5678);
	assert_int_equal(test->packet.seq, 0x9abcdef0);
	assert_int_equal(test->packet.ack, 0x0fedcba9);
	assert_int_equal(test->packet.window, 0x8765);
	assert_int_equal(test->packet.urgent, 3);
	assert_int_equal(test->packet.flags, 0x1ff);
	assert_int_equal(test->packet.tcp_header_bytes, 20);
	assert_int_equal(test->packet.payload_bytes, 9);
	assert_true(test->packet.options_complete);
	assert_int_equal(test->packet.options.layout, 0);
}

static const struct {
	const char *flags;
	int anomaly; /* -1: none */
} flag_cases[] = {
	{ "S", -1 },
	{ "S.", -1 },
	{ "SEW", -1 },
	{ ".", -1 },
	{ "P.", -1 },
	{ "F.", -1 },
	{ "FP.", -1 },
	{ "R", -1 },
	{ "R.", -1 },
	{ "FP.U", -1 }, /* urgent data with the last segment is legal */
	{ "", ANOMALY_FLAGS_NULL },
	{ "EW", ANOMALY_FLAGS_NULL }, /* congestion bits control nothing */
	{ "FPU", ANOMALY_FLAGS_XMAS },
	{ "F", ANOMALY_FLAGS_FIN_NO_ACK },
	{ "FP", ANOMALY_FLAGS_FIN_NO_ACK },
	{ "P", ANOMALY_FLAGS_ACK_MISSING },
	{ "U", ANOMALY_FLAGS_ACK_MISSING },
	{ "SF", ANOMALY_FLAGS_SYN_FIN },
	{ "SF.", ANOMALY_FLAGS_SYN_FIN },
	{ "SR", ANOMALY_FLAGS_SYN_RST },
	{ "FR", ANOMALY_FLAGS_FIN_RST },
	{ "FR.", ANOMALY_FLAGS_FIN_RST },
	{ "SU", ANOMALY_SYN_URGENT },
};

static void each_combination_of_flags_has_its_one_name(void **state)
{
	struct decode_test *test = *state;

	for (size_t i = 0; i < sizeof(flag_cases) / sizeof(flag_cases[0]); i++) {
		bool has_ack = strchr(flag_cases[i].flags, '.') != NULL;

		build(test,
		      &(struct pb_tcp){ .src_port = 1,
					.dst_port = 2,
					.flags = flag_cases[i].flags,
					.ack = has_ack ? 9 : 0,
					.urgent = strchr(flag_cases[i].flags, 'U') != NULL ? 1 : 0 },
		      4);
		expect_built(test, DECODE_TCP);
		expect_only(test, flag_cases[i].flags, flag_cases[i].anomaly);
	}
}

static void all_six_flags_are_xmas_too(void **state)
{
	struct decode_test *test = *state;

	build(test, &(struct pb_tcp){ .src_port = 1, .dst_port = 2, .flags = "FSRP.U", .ack = 1, .urgent = 1 }, 1);
	expect_built(test, DECODE_TCP);
	assert_true(anomaly_set_has(&test->packet.anomalies, ANOMALY_FLAGS_XMAS));
	assert_true(anomaly_set_has(&test->packet.anomalies, ANOMALY_FLAGS_SYN_FIN));
}

static void fields_that_contradict_the_flags_are_named(void **state)
{
	struct decode_test *test = *state;

	build(test, &(struct pb_tcp){ .src_port = 1, .dst_port = 2, .flags = "S", .ack = 77 }, 0);
	expect_built(test, DECODE_TCP);
	expect_only(test, "ack without flag", ANOMALY_ACK_FIELD_WITHOUT_FLAG);
	assert_int_equal(test->packet.ack, 77);

	build(test, &(struct pb_tcp){ .src_port = 1, .dst_port = 2, .flags = ".U", .ack = 1, .urgent = 5 }, 4);
	expect_built(test, DECODE_TCP);
	expect_only(test, "urgent beyond data", ANOMALY_URGENT_POINTER_BAD);

	build(test, &(struct pb_tcp){ .src_port = 1, .dst_port = 2, .flags = ".U", .ack = 1, .urgent = 4 }, 4);
	expect_built(test, DECODE_TCP);
	expect_only(test, "urgent at the end of data", -1);

	build(test, &(struct pb_tcp){ .src_port = 1, .dst_port = 2, .flags = ".U", .ack = 1, .urgent = 1 }, 0);
	expect_built(test, DECODE_TCP);
	expect_only(test, "urgent without data", ANOMALY_URGENT_POINTER_BAD);

	build(test, &(struct pb_tcp){ .src_port = 1, .dst_port = 2, .flags = ".", .ack = 1, .urgent = 9 }, 0);
	expect_built(test, DECODE_TCP);
	expect_only(test, "urgent field without flag", -1);
}

static void port_zero_is_named_at_either_end(void **state)
{
	struct decode_test *test = *state;

	build(test, &(struct pb_tcp){ .dst_port = 2, .flags = "S" }, 0);
	expect_built(test, DECODE_TCP);
	expect_only(test, "source", ANOMALY_PORT_ZERO);
	build(test, &(struct pb_tcp){ .src_port = 2, .flags = "S" }, 0);
	expect_built(test, DECODE_TCP);
	expect_only(test, "destination", ANOMALY_PORT_ZERO);
}

static void expect_addresses(struct decode_test *test, const char *src, const char *dst, const char *flags,
			     uint16_t src_port, int anomaly)
{
	pb_ethernet(pb_reset(&test->pb));
	if (strchr(src, ':') != NULL)
		pb_ipv6(&test->pb, src, dst);
	else
		pb_ipv4(&test->pb, src, dst);
	pb_tcp(&test->pb, &(struct pb_tcp){ .src_port = src_port,
					    .dst_port = 80,
					    .flags = flags,
					    .ack = strchr(flags, '.') != NULL ? 1 : 0 });
	expect_built(test, DECODE_TCP);
	expect_only(test, dst, anomaly);
}

static void addresses_that_cannot_hold_a_connection_are_named(void **state)
{
	struct decode_test *test = *state;

	expect_addresses(test, "10.0.0.1", "10.0.0.1", "S", 80, ANOMALY_LAND_PACKET);
	expect_addresses(test, "2001:db8::1", "2001:db8::1", "S", 80, ANOMALY_LAND_PACKET);
	expect_addresses(test, "10.0.0.1", "10.0.0.1", "S", 81, -1);
	expect_addresses(test, "10.0.0.1", "224.0.0.1", "S", 81, ANOMALY_SYN_TO_MULTICAST);
	expect_addresses(test, "10.0.0.1", "239.255.255.255", "S", 81, ANOMALY_SYN_TO_MULTICAST);
	expect_addresses(test, "10.0.0.1", "255.255.255.255", "S", 81, ANOMALY_SYN_TO_MULTICAST);
	expect_addresses(test, "2001:db8::1", "ff02::1", "S", 81, ANOMALY_SYN_TO_MULTICAST);
	expect_addresses(test, "10.0.0.1", "240.0.0.1", "S", 81, -1);
	expect_addresses(test, "10.0.0.1", "223.255.255.255", "S", 81, -1);
	expect_addresses(test, "10.0.0.1", "224.0.0.1", "S.", 81, -1);
}

static void loopback_addresses_belong_on_no_wire(void **state)
{
	struct decode_test *test = *state;

	expect_addresses(test, "127.0.0.1", "10.0.0.2", "S", 81, ANOMALY_LOOPBACK_ON_WIRE);
	expect_addresses(test, "10.0.0.1", "127.255.0.1", "S", 81, ANOMALY_LOOPBACK_ON_WIRE);
	expect_addresses(test, "::1", "2001:db8::1", "S", 81, ANOMALY_LOOPBACK_ON_WIRE);
	expect_addresses(test, "128.0.0.1", "10.0.0.2", "S", 81, -1);
	expect_addresses(test, "::2", "2001:db8::1", "S", 81, -1);
}

static void the_loopback_interface_is_no_wire(void **state)
{
	struct decode_test *test = *state;
	static const struct pb_tcp syn = { .src_port = 81, .dst_port = 80, .flags = "S" };

	/* Linux shows its loopback interface as Ethernet without a sender's address, the BSDs as a family number. */
	pb_ethernet(pb_reset(&test->pb));
	pb_ipv4(&test->pb, "127.0.0.1", "127.0.0.1");
	pb_tcp(&test->pb, &syn);
	memset(test->pb.bytes + 6, 0, 6);
	expect_built(test, DECODE_TCP);
	expect_only(test, "Linux", -1);

	pb_loopback(pb_reset(&test->pb), true);
	pb_ipv4(&test->pb, "127.0.0.1", "127.0.0.1");
	pb_tcp(&test->pb, &syn);
	expect_built(test, DECODE_TCP);
	expect_only(test, "BSD", -1);
}

static void the_data_offset_must_fit(void **state)
{
	struct decode_test *test = *state;

	for (unsigned words = 0; words < 16; words++) {
		struct frame frame;
		bool fits = words >= 5 && words <= 7;

		build(test, &ordinary, 8);
		pb_header(&test->pb, PB_TCP)[12] = (uint8_t)(words << 4);
		frame = pb_frame(&test->pb);
		memset(pb_header(&test->pb, PB_TCP) + 20, 1, 8);
		expect_result(test, &frame, fits ? DECODE_TCP : DECODE_BAD_TCP_DATA_OFFSET);
		assert_int_equal(anomaly_set_has(&test->packet.anomalies, ANOMALY_TCP_HEADER_TRUNCATED), !fits);
		assert_int_equal(test->packet.src_port, 1000);
	}
}

static void a_packet_without_room_for_the_header_is_short(void **state)
{
	struct decode_test *test = *state;

	for (uint32_t n_bytes = 0; n_bytes < 20; n_bytes++) {
		struct frame frame;

		pb_ethernet(pb_reset(&test->pb));
		pb_ipv4(&test->pb, "10.0.0.1", "10.0.0.2");
		pb_header(&test->pb, PB_IPV4)[9] = 6;
		pb_pattern(&test->pb, n_bytes);
		frame = pb_frame(&test->pb);
		expect_result(test, &frame, DECODE_SHORT_TCP_HEADER);
		expect_only(test, "short", ANOMALY_TCP_HEADER_TRUNCATED);
	}
}

/* The capture cut it: nothing is wrong with what was sent, and what is there is filled in. */
static void a_header_cut_by_the_capture_gives_what_is_there(void **state)
{
	struct decode_test *test = *state;

	for (uint32_t n_bytes = 0; n_bytes < 20; n_bytes++) {
		struct frame frame;

		build(test, &ordinary, 0);
		frame = pb_frame(&test->pb);
		frame.captured_bytes = 34 + n_bytes;
		expect_result(test, &frame, DECODE_TRUNCATED_TCP_HEADER);
		expect_only(test, "cut", -1);
		assert_int_equal(test->packet.src_port, n_bytes >= 2 ? 1000 : 0);
		assert_int_equal(test->packet.dst_port, n_bytes >= 4 ? 2000 : 0);
		assert_int_equal(test->packet.seq, n_bytes >= 8 ? 5 : 0);
		assert_int_equal(test->packet.ack, n_bytes >= 12 ? 6 : 0);
		assert_int_equal(test->packet.flags, n_bytes >= 14 ? SEG_ACK : 0);
	}
}

static uint32_t hash_of(struct decode_test *test, const struct frame *frame)
{
	expect_result(test, frame, DECODE_TCP);
	assert_int_not_equal(test->packet.payload_hash, 0);
	return test->packet.payload_hash;
}

/* The same segment, seen again behind a router, has the same hash; any other content has not. */
static void the_hash_tells_segments_apart_and_not_copies(void **state)
{
	struct decode_test *test = *state;
	uint32_t first;
	struct frame frame;

	build(test, &ordinary, 50);
	frame = pb_frame(&test->pb);
	first = hash_of(test, &frame);
	pb_header(&test->pb, PB_ETHERNET)[0] ^= 2;
	pb_header(&test->pb, PB_IPV4)[8]--;
	pb_fix_ipv4_checksum(&test->pb);
	assert_int_equal(hash_of(test, &frame), first);
	for (uint32_t at = 0; at < 70; at++) {
		uint8_t *byte = pb_header(&test->pb, PB_TCP) + at;

		if (at == 12)
			continue; /* the data offset */
		*byte ^= 0x10;
		assert_int_not_equal(hash_of(test, &frame), first);
		*byte ^= 0x10;
	}
	build(test, &ordinary, 51);
	frame = pb_frame(&test->pb);
	assert_int_not_equal(hash_of(test, &frame), first);
}

static uint32_t head_of(struct decode_test *test, uint32_t seq, const char *text)
{
	struct pb_tcp tcp = ordinary;

	tcp.seq = seq;
	build(test, &tcp, 0);
	pb_data(&test->pb, text, (uint32_t)strlen(text));
	expect_built(test, DECODE_TCP);
	return test->packet.payload_head;
}

static void the_head_is_of_the_first_bytes_of_payload_alone(void **state)
{
	struct decode_test *test = *state;
	const char *text = "HTTP/1.1 200 OK, and then more than 32 bytes";
	uint32_t head = head_of(test, 5, text);

	assert_int_not_equal(head, 0);
	assert_int_equal(head_of(test, 6, text), head);
	assert_int_equal(head_of(test, 5, "HTTP/1.1 200 OK, and then more than 32"), head);
	assert_int_not_equal(head_of(test, 5, "HTTP/1.1 200 OK, and then mole than 32 bytes"), head);
	assert_int_not_equal(head_of(test, 5, "HTTP/1.1 200 OK"), head);
	assert_int_equal(head_of(test, 5, ""), 0);
}

static void a_difference_far_behind_shows_through_the_checksum(void **state)
{
	struct decode_test *test = *state;
	uint32_t first;
	struct frame frame;

	build(test, &ordinary, 1000);
	frame = pb_frame(&test->pb);
	first = hash_of(test, &frame);
	build(test, &ordinary, 1000);
	test->pb.bytes[900] ^= 1;
	frame = pb_frame(&test->pb);
	assert_int_not_equal(hash_of(test, &frame), first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DECODE_TEST(every_field_and_every_flag_is_read),
		DECODE_TEST(each_combination_of_flags_has_its_one_name),
		DECODE_TEST(all_six_flags_are_xmas_too),
		DECODE_TEST(fields_that_contradict_the_flags_are_named),
		DECODE_TEST(port_zero_is_named_at_either_end),
		DECODE_TEST(addresses_that_cannot_hold_a_connection_are_named),
		DECODE_TEST(loopback_addresses_belong_on_no_wire),
		DECODE_TEST(the_loopback_interface_is_no_wire),
		DECODE_TEST(the_data_offset_must_fit),
		DECODE_TEST(a_packet_without_room_for_the_header_is_short),
		DECODE_TEST(a_header_cut_by_the_capture_gives_what_is_there),
		DECODE_TEST(the_hash_tells_segments_apart_and_not_copies),
		DECODE_TEST(the_head_is_of_the_first_bytes_of_payload_alone),
		DECODE_TEST(a_difference_far_behind_shows_through_the_checksum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
