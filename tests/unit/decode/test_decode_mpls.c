/* SPDX-License-Identifier: BSD-2-Clause */
/* Label stacks, which do not say what follows them. */
#include "decode_test.h"

static const uint8_t control_word[4] = { 0 };

static void add_syn(struct decode_test *test)
{
	pb_ipv4(&test->pb, "10.0.0.1", "10.0.0.2");
	pb_tcp(&test->pb, &(struct pb_tcp){ .src_port = 1, .dst_port = 2, .flags = "S" });
}

static void begin(struct decode_test *test, unsigned n_labels)
{
	pb_ethernet(pb_reset(&test->pb));
	for (unsigned i = 0; i < n_labels; i++)
		pb_mpls(&test->pb, 16 + i);
}

static void ip_of_both_versions_is_found_behind_labels(void **state)
{
	struct decode_test *test = *state;

	begin(test, 3);
	add_syn(test);
	expect_built(test, DECODE_TCP);
	begin(test, 1);
	pb_ipv6(&test->pb, "2001:db8::1", "2001:db8::2");
	pb_tcp(&test->pb, &(struct pb_tcp){ .src_port = 1, .dst_port = 2, .flags = "S" });
	expect_built(test, DECODE_TCP);
}

static void sixteen_labels_are_read_and_seventeen_refused(void **state)
{
	struct decode_test *test = *state;

	begin(test, 16);
	add_syn(test);
	expect_built(test, DECODE_TCP);
	begin(test, 17);
	add_syn(test);
	expect_built(test, DECODE_TOO_MANY_MPLS_LABELS);
}

static void a_pseudowire_is_found_with_and_without_control_word(void **state)
{
	struct decode_test *test = *state;

	begin(test, 1);
	pb_data(&test->pb, control_word, sizeof(control_word));
	pb_ethernet(&test->pb);
	add_syn(test);
	expect_built(test, DECODE_TCP);
	begin(test, 1);
	pb_ethernet(&test->pb);
	add_syn(test);
	expect_built(test, DECODE_TCP);
}

/* RFC 4928 2: address 4c:00:... begins like an IPv4 header with a length of 12 words. */
static void an_address_that_looks_like_ip_is_an_address(void **state)
{
	struct decode_test *test = *state;
	struct frame frame;

	begin(test, 1);
	pb_ethernet(&test->pb);
	add_syn(test);
	frame = pb_frame(&test->pb);
	memcpy(pb_header(&test->pb, PB_ETHERNET), "\x4c\x00\xff\xff\x01\x02", 6);
	expect_result(test, &frame, DECODE_TCP);
}

static void an_associated_channel_is_not_tcp(void **state)
{
	struct decode_test *test = *state;

	/* RFC 5085: BFD over the channel of a pseudowire. */
	begin(test, 1);
	pb_data(&test->pb, "\x10\x00\x00\x07\x20\xc0\x03\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 20);
	expect_built(test, DECODE_NOT_TCP);
}

static void what_is_neither_is_named_so(void **state)
{
	struct decode_test *test = *state;

	begin(test, 1);
	pb_data(&test->pb, "\xf0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 20);
	expect_built(test, DECODE_UNKNOWN_MPLS_PAYLOAD);
}

static void labels_without_end_are_truncated(void **state)
{
	struct decode_test *test = *state;
	struct frame frame;

	begin(test, 2);
	frame = pb_frame(&test->pb);
	expect_result(test, &frame, DECODE_TRUNCATED_MPLS);
	frame.captured_bytes -= 1;
	expect_result(test, &frame, DECODE_TRUNCATED_MPLS);
}

/* Ethernet in MPLS in Ethernet and so on: bounded by max_depth, whatever the frame's size. */
static void pseudowires_in_pseudowires_end(void **state)
{
	struct decode_test *test = *state;

	pb_ethernet(pb_reset(&test->pb));
	for (unsigned i = 0; i < 12; i++) {
		pb_mpls(&test->pb, 16);
		pb_frame(&test->pb);
		pb_header(&test->pb, PB_MPLS)[2] |= 1;
		pb_ethernet(&test->pb);
	}
	add_syn(test);
	expect_built(test, DECODE_TUNNELS_TOO_DEEP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DECODE_TEST(ip_of_both_versions_is_found_behind_labels),
		DECODE_TEST(sixteen_labels_are_read_and_seventeen_refused),
		DECODE_TEST(a_pseudowire_is_found_with_and_without_control_word),
		DECODE_TEST(an_address_that_looks_like_ip_is_an_address),
		DECODE_TEST(an_associated_channel_is_not_tcp),
		DECODE_TEST(what_is_neither_is_named_so),
		DECODE_TEST(labels_without_end_are_truncated),
		DECODE_TEST(pseudowires_in_pseudowires_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
