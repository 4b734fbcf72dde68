/* SPDX-License-Identifier: BSD-2-Clause */
/* The Internet checksum against the example of RFC 1071 and a slow reference, and the cause of wrong TCP checksums. */
#include "decode_test.h"

#include "checksum.h"

static uint16_t reference_sum(const uint8_t *bytes, uint32_t n_bytes)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < n_bytes; i++)
		sum += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* The sum of the layer is in the machine's byte order. */
static uint16_t network_order(uint16_t sum)
{
	uint8_t bytes[2];

	memcpy(bytes, &sum, sizeof(sum));
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static void rfc_1071_example(void **state)
{
	const uint8_t bytes[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };

	(void)state;
	assert_int_equal(network_order(checksum_fold(checksum_add(0, bytes, sizeof(bytes)))), 0xddf2);
}

static void every_length_and_alignment_agrees_with_the_reference(void **state)
{
	uint8_t bytes[300];

	(void)state;
	for (uint32_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 151 + 255 - i / 3);
	for (uint32_t from = 0; from < 9; from++) {
		for (uint32_t n_bytes = 0; n_bytes < sizeof(bytes) - from; n_bytes++)
			assert_int_equal(network_order(checksum_fold(checksum_add(0, bytes + from, n_bytes))),
					 reference_sum(bytes + from, n_bytes));
	}
}

static void carries_are_not_lost(void **state)
{
	static uint8_t ones[70000];

	(void)state;
	memset(ones, 0xff, sizeof(ones));
	assert_int_equal(checksum_fold(checksum_add(0, ones, sizeof(ones))), 0xffff);
	assert_int_equal(checksum_fold(UINT64_C(0xffffffffffffffff)), 0xffff);
	assert_int_equal(checksum_fold(0), 0);
}

/* IP 10.0.0.1.40000 > 10.0.0.2.80: Flags [S], seq 1000:1003, win 64240, length 3 */
static struct packet_builder pb;

static uint8_t *build_segment(uint32_t *n_bytes, bool is_ipv6)
{
	pb_raw(pb_reset(&pb));
	if (is_ipv6)
		pb_ipv6(&pb, "2001:db8::1", "2001:db8::2");
	else
		pb_ipv4(&pb, "10.0.0.1", "10.0.0.2");
	pb_tcp(&pb, &(struct pb_tcp){ .src_port = 40000, .dst_port = 80, .flags = "S", .seq = 1000, .window = 64240 });
	pb_data(&pb, "abc", 3);
	pb_frame(&pb);
	*n_bytes = 23;
	return pb_header(&pb, PB_TCP);
}

static enum tcp_checksum verify(const uint8_t *segment, uint32_t n_bytes, bool is_ipv6)
{
	struct ip_addr src;
	struct ip_addr dst;

	assert_true(ip_addr_parse(is_ipv6 ? "2001:db8::1" : "10.0.0.1", &src));
	assert_true(ip_addr_parse(is_ipv6 ? "2001:db8::2" : "10.0.0.2", &dst));
	return checksum_verify_tcp(&src, &dst, segment, n_bytes);
}

static void a_right_checksum_is_right_in_both_versions_of_ip(void **state)
{
	uint32_t n_bytes;
	uint8_t *segment = build_segment(&n_bytes, false);

	(void)state;
	assert_int_equal(verify(segment, n_bytes, false), TCP_CHECKSUM_RIGHT);
	segment = build_segment(&n_bytes, true);
	assert_int_equal(verify(segment, n_bytes, true), TCP_CHECKSUM_RIGHT);
}

static void every_flipped_bit_is_wrong(void **state)
{
	uint32_t n_bytes;
	uint8_t *segment = build_segment(&n_bytes, false);

	(void)state;
	for (uint32_t bit = 0; bit < n_bytes * 8; bit++) {
		segment[bit / 8] = (uint8_t)(segment[bit / 8] ^ 1U << bit % 8);
		assert_int_equal(verify(segment, n_bytes, false), TCP_CHECKSUM_WRONG);
		segment[bit / 8] = (uint8_t)(segment[bit / 8] ^ 1U << bit % 8);
	}
}

/* 10.0.0.1 + 10.0.0.2 + protocol 6 + length 23 = 0a00 + 0001 + 0a00 + 0002 + 0006 + 0017 = 1420. */
static void the_sum_of_the_pseudo_header_is_partial(void **state)
{
	uint32_t n_bytes;
	uint8_t *segment = build_segment(&n_bytes, false);

	(void)state;
	segment[16] = 0x14;
	segment[17] = 0x20;
	assert_int_equal(verify(segment, n_bytes, false), TCP_CHECKSUM_PARTIAL);
	/* Without the length, as before segmentation by the interface. */
	segment[17] = 0x09;
	assert_int_equal(verify(segment, n_bytes, false), TCP_CHECKSUM_PARTIAL);
	segment[17] = 0x0a;
	assert_int_equal(verify(segment, n_bytes, false), TCP_CHECKSUM_WRONG);
}

static void an_empty_field_is_told_apart(void **state)
{
	uint32_t n_bytes;
	uint8_t *segment = build_segment(&n_bytes, true);

	(void)state;
	segment[16] = 0;
	segment[17] = 0;
	assert_int_equal(verify(segment, n_bytes, true), TCP_CHECKSUM_ZERO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc_1071_example),
		cmocka_unit_test(every_length_and_alignment_agrees_with_the_reference),
		cmocka_unit_test(carries_are_not_lost),
		cmocka_unit_test(a_right_checksum_is_right_in_both_versions_of_ip),
		cmocka_unit_test(every_flipped_bit_is_wrong),
		cmocka_unit_test(the_sum_of_the_pseudo_header_is_partial),
		cmocka_unit_test(an_empty_field_is_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
