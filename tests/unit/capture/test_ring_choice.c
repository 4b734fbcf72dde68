/* SPDX-License-Identifier: BSD-2-Clause */
/* The program for the kernel, run by libpcap's machine: which frames come to one ring, and how evenly all do. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pcap/pcap.h>
#include <stdio.h>

#include "packet_builder.h"
#include "random.h"
#include "ring_choice.h"

enum { N_SECRETS = 20, N_CONNECTIONS = 4000, N_RINGS = 4 };

_Static_assert(sizeof(struct ring_choice_step) == sizeof(struct bpf_insn), "libpcap runs it");

struct ends {
	char src[48];
	char dst[48];
	uint16_t src_port;
	uint16_t dst_port;
	bool is_ipv6;
};

static struct packet_builder pb;
static struct packet_builder other;
static struct ring_choice choice;

static uint32_t choose(const struct frame *frame)
{
	return bpf_filter((const struct bpf_insn *)(const void *)choice.steps, frame->data, frame->wire_bytes,
			  frame->captured_bytes);
}

static struct ends any_ends(struct random *random, bool is_ipv6)
{
	struct ends ends = {
		.src_port = (uint16_t)random_u32(random),
		.dst_port = (uint16_t)random_u32(random),
		.is_ipv6 = is_ipv6,
	};

	if (is_ipv6) {
		snprintf(ends.src, sizeof(ends.src), "2001:db8::%x:%x", random_below(random, 65536),
			 random_below(random, 65536));
		snprintf(ends.dst, sizeof(ends.dst), "2001:db8:%x::1", random_below(random, 65536));
	} else {
		snprintf(ends.src, sizeof(ends.src), "10.%u.%u.%u", random_below(random, 256),
			 random_below(random, 256), random_below(random, 256));
		snprintf(ends.dst, sizeof(ends.dst), "192.0.2.%u", random_below(random, 256));
	}
	return ends;
}

static struct ends other_way(const struct ends *ends)
{
	struct ends turned = *ends;

	snprintf(turned.src, sizeof(turned.src), "%s", ends->dst);
	snprintf(turned.dst, sizeof(turned.dst), "%s", ends->src);
	turned.src_port = ends->dst_port;
	turned.dst_port = ends->src_port;
	return turned;
}

static void put_ip(struct packet_builder *to, const struct ends *ends)
{
	if (ends->is_ipv6)
		pb_ipv6(to, ends->src, ends->dst);
	else
		pb_ipv4(to, ends->src, ends->dst);
}

static void put_segment(struct packet_builder *to, const struct ends *ends)
{
	put_ip(to, ends);
	pb_tcp(to, &(struct pb_tcp){ .src_port = ends->src_port, .dst_port = ends->dst_port, .flags = "." });
	pb_pattern(to, 20);
}

static uint32_t choose_segment(const struct ends *ends, unsigned n_tags)
{
	pb_ethernet(pb_reset(&pb));
	for (unsigned i = 0; i < n_tags; i++)
		pb_vlan(&pb, i == 0 && n_tags == 2 ? 0x88a8 : 0x8100, (uint16_t)(7 + i));
	put_segment(&pb, ends);
	const struct frame frame = pb_frame(&pb);
	return choose(&frame);
}

static void test_a_connection_has_one_ring(void **state)
{
	struct random random = { .state = 1 };

	(void)state;
	for (uint64_t secret = 0; secret < N_SECRETS; secret++) {
		ring_choice_write(&choice, RING_CHOICE_ETHERNET, secret);
		const struct ends ends = any_ends(&random, secret % 2 != 0);
		const struct ends turned = other_way(&ends);
		uint32_t chosen = choose_segment(&ends, 0);
		assert_int_equal(choose_segment(&turned, 0), chosen);
		assert_int_equal(choose_segment(&ends, 1), chosen);
		assert_int_equal(choose_segment(&turned, 2), chosen);
	}
}

/* Each kind that the decoder takes for one: see decode_icmp.c. */
static void test_an_error_goes_with_what_it_quotes(void **state)
{
	static const uint8_t types[2][4] = { { 3, 11, 12, 3 }, { 1, 2, 3, 4 } };
	struct random random = { .state = 2 };

	(void)state;
	for (uint64_t secret = 0; secret < N_SECRETS; secret++) {
		ring_choice_write(&choice, RING_CHOICE_ETHERNET, secret);
		const struct ends ends = any_ends(&random, secret % 2 != 0);
		struct ends router = other_way(&ends);
		snprintf(router.src, sizeof(router.src), ends.is_ipv6 ? "2001:db8:ffff::1" : "203.0.113.9");
		for (unsigned i = 0; i < 4; i++) {
			pb_raw(pb_reset(&other));
			put_segment(&other, &ends);
			pb_frame(&other);
			pb_ethernet(pb_reset(&pb));
			put_ip(&pb, &router);
			pb_icmp_quote(&pb, types[ends.is_ipv6][i], 0, &other, ends.is_ipv6 ? 48 : 28);
			const struct frame frame = pb_frame(&pb);
			uint32_t chosen = choose(&frame);
			assert_int_equal(choose_segment(&ends, 0), chosen);
		}
	}
}

static uint32_t choose_fragment(uint32_t offset_bytes)
{
	const struct frame frame = pb_fragment(&other, &pb, offset_bytes, 16, 99);

	return choose(&frame);
}

static void test_fragments_stay_together(void **state)
{
	struct random random = { .state = 3 };

	(void)state;
	for (uint64_t secret = 0; secret < N_SECRETS; secret++) {
		ring_choice_write(&choice, RING_CHOICE_ETHERNET, secret);
		const struct ends ends = any_ends(&random, secret % 2 != 0);
		pb_ethernet(pb_reset(&pb));
		put_segment(&pb, &ends);
		pb_frame(&pb);
		assert_int_equal(choose_fragment(0), choose_fragment(16));
	}
}

/* Of a tunnel over UDP, whose ports say nothing, both directions. */
static uint32_t choose_vxlan(const struct ends *outer, const struct ends *inner)
{
	pb_ethernet(pb_reset(&pb));
	put_ip(&pb, outer);
	pb_udp(&pb, inner->src_port, 4789);
	pb_vxlan(&pb, 5);
	pb_ethernet(&pb);
	put_segment(&pb, inner);
	const struct frame frame = pb_frame(&pb);
	return choose(&frame);
}

static void test_a_tunnel_stays_together(void **state)
{
	struct random random = { .state = 4 };

	(void)state;
	ring_choice_write(&choice, RING_CHOICE_ETHERNET, 1);
	const struct ends outer = any_ends(&random, false);
	const struct ends outer_turned = other_way(&outer);
	for (unsigned i = 0; i < N_SECRETS; i++) {
		const struct ends inner = any_ends(&random, i % 2 != 0);
		const struct ends inner_turned = other_way(&inner);
		assert_int_equal(choose_vxlan(&outer, &inner), choose_vxlan(&outer_turned, &inner_turned));
	}
}

static void check_evenness(bool is_ipv6, bool is_one_pair)
{
	struct random random = { .state = 5 };
	struct ends ends = any_ends(&random, is_ipv6);
	unsigned counts[N_RINGS] = { 0 };

	for (unsigned i = 0; i < N_CONNECTIONS; i++) {
		if (is_one_pair)
			ends.src_port = (uint16_t)(32768 + i);
		else
			ends = any_ends(&random, is_ipv6);
		counts[choose_segment(&ends, 0) % N_RINGS]++;
	}
	for (unsigned i = 0; i < N_RINGS; i++)
		assert_in_range(counts[i], N_CONNECTIONS / N_RINGS * 8 / 10, N_CONNECTIONS / N_RINGS * 12 / 10);
}

static void test_rings_get_alike(void **state)
{
	(void)state;
	for (uint64_t secret = 0; secret < N_SECRETS; secret++) {
		ring_choice_write(&choice, RING_CHOICE_ETHERNET, secret);
		check_evenness(false, false);
		check_evenness(false, true);
		check_evenness(true, false);
		check_evenness(true, true);
	}
}

/* What is cut short ends the program, as it does in the kernel: ring 0. No length does anything else. */
static void test_short_frames_are_harmless(void **state)
{
	struct random random = { .state = 6 };
	const struct ends ends = any_ends(&random, false);

	(void)state;
	ring_choice_write(&choice, RING_CHOICE_ETHERNET, 7);
	choose_segment(&ends, 1);
	struct frame frame = pb_frame(&pb);
	uint32_t chosen = choose(&frame);
	for (uint32_t n = 0; n < frame.wire_bytes; n++) {
		frame.captured_bytes = n;
		uint32_t cut = bpf_filter((const struct bpf_insn *)(const void *)choice.steps, frame.data, n, n);
		assert_true(cut == 0 || cut == chosen);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_connection_has_one_ring),
		cmocka_unit_test(test_an_error_goes_with_what_it_quotes),
		cmocka_unit_test(test_fragments_stay_together),
		cmocka_unit_test(test_a_tunnel_stays_together),
		cmocka_unit_test(test_rings_get_alike),
		cmocka_unit_test(test_short_frames_are_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
