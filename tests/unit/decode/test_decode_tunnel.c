/* SPDX-License-Identifier: BSD-2-Clause */
/* Tunnels: what is recorded of them, how deep they may go, and broken headers beside other protocols on a port. */
#include "decode_test.h"

static void add_syn(struct decode_test *test)
{
	pb_ipv4(&test->pb, "10.0.0.1", "10.0.0.2");
	pb_tcp(&test->pb, &(struct pb_tcp){ .src_port = 1, .dst_port = 2, .flags = "S" });
}

static void begin(struct decode_test *test)
{
	pb_ethernet(pb_reset(&test->pb));
	pb_ipv4(&test->pb, "192.0.2.1", "192.0.2.2");
}

static void expect_tunnels(const struct decode_test *test, unsigned n_tunnels, enum tunnel_kind first,
			   enum tunnel_kind second)
{
	assert_int_equal(test->packet.n_tunnels, n_tunnels);
	assert_int_equal(test->packet.tunnels[0], first);
	assert_int_equal(test->packet.tunnels[1], second);
	expect_address(&test->packet.src, "10.0.0.1");
}

static void gre_has_any_of_its_optional_fields(void **state)
{
	static const uint16_t flags[] = { 0, 0x8000, 0x2000, 0x1000, 0xa000, 0xb000 };
	struct decode_test *test = *state;

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		begin(test);
		pb_gre(&test->pb, flags[i]);
		add_syn(test);
		expect_built(test, DECODE_TCP);
		expect_tunnels(test, 1, TUNNEL_GRE, TUNNEL_NONE);
	}
}

static void gre_with_source_routes_or_of_another_version_is_bad(void **state)
{
	static const uint16_t flags[] = { 0x4000, 0x0002, 0x0007, 0x0001, 0xa001 };
	struct decode_test *test = *state;

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		begin(test);
		pb_gre(&test->pb, flags[i]);
		add_syn(test);
		expect_built(test, DECODE_BAD_GRE);
	}
}

static void gre_with_other_payload_is_not_tcp(void **state)
{
	struct decode_test *test = *state;
	struct frame frame;

	begin(test);
	pb_gre(&test->pb, 0);
	add_syn(test);
	frame = pb_frame(&test->pb);
	pb_header(&test->pb, PB_GRE)[2] = 0x88; /* 8800: not assigned */
	expect_result(test, &frame, DECODE_NOT_TCP);
	pb_header(&test->pb, PB_GRE)[2] = 0x00; /* a length where a type must be */
	expect_result(test, &frame, DECODE_NOT_TCP);
}

static void pptp_acknowledgements_carry_nothing(void **state)
{
	struct decode_test *test = *state;

	begin(test);
	pb_gre(&test->pb, 0x2081);
	expect_built(test, DECODE_NOT_TCP);
}

static void pptp_that_claims_too_much_is_bad(void **state)
{
	struct decode_test *test = *state;
	struct frame frame;

	begin(test);
	pb_gre(&test->pb, 0x3001);
	pb_data(&test->pb, "\xff\x03\x00\x21", 4);
	add_syn(test);
	frame = pb_frame(&test->pb);
	expect_result(test, &frame, DECODE_TCP);
	pb_header(&test->pb, PB_GRE)[5]++;
	expect_result(test, &frame, DECODE_BAD_GRE);
}

static void erspan_types_are_told_apart(void **state)
{
	struct decode_test *test = *state;

	for (unsigned type = 1; type <= 3; type++) {
		begin(test);
		pb_erspan(&test->pb, type);
		pb_ethernet(&test->pb);
		pb_vlan(&test->pb, 0x8100, 77);
		add_syn(test);
		expect_built(test, DECODE_TCP);
		expect_tunnels(test, 1, TUNNEL_ERSPAN, TUNNEL_NONE);
		assert_int_equal(test->packet.vlans[0], 77);
	}
}

static void erspan_of_another_version_is_bad(void **state)
{
	struct decode_test *test = *state;

	for (unsigned type = 2; type <= 3; type++) {
		struct frame frame;

		begin(test);
		pb_erspan(&test->pb, type);
		pb_ethernet(&test->pb);
		add_syn(test);
		frame = pb_frame(&test->pb);
		pb_header(&test->pb, PB_ERSPAN)[0] = 0x70;
		expect_result(test, &frame, DECODE_BAD_GRE);
		frame.captured_bytes = 14 + 20 + 8 + 7;
		expect_result(test, &frame, DECODE_TRUNCATED_ERSPAN);
	}
}

/* ERSPAN III with the platform's own 8 bytes, and with an IP packet instead of a frame. */
static void erspan_iii_says_what_it_carries(void **state)
{
	struct decode_test *test = *state;
	struct frame frame;

	begin(test);
	pb_erspan(&test->pb, 3);
	pb_data(&test->pb, "\0\0\0\0\0\0\0", 8);
	pb_ethernet(&test->pb);
	add_syn(test);
	frame = pb_frame(&test->pb);
	pb_header(&test->pb, PB_ETHERNET);
	pb_header(&test->pb, PB_ERSPAN)[11] = 0x01;
	expect_result(test, &frame, DECODE_TCP);

	begin(test);
	pb_erspan(&test->pb, 3);
	add_syn(test);
	frame = pb_frame(&test->pb);
	pb_header(&test->pb, PB_ERSPAN)[10] = 2 << 2;
	expect_result(test, &frame, DECODE_TCP);
	pb_header(&test->pb, PB_ERSPAN)[10] = 3 << 2;
	expect_result(test, &frame, DECODE_NOT_TCP);
}

static void vxlan_and_geneve_give_their_network(void **state)
{
	struct decode_test *test = *state;

	begin(test);
	pb_udp(&test->pb, 50000, 4789);
	pb_vxlan(&test->pb, 0xabcdef);
	pb_ethernet(&test->pb);
	add_syn(test);
	expect_built(test, DECODE_TCP);
	expect_tunnels(test, 1, TUNNEL_VXLAN, TUNNEL_NONE);
	assert_int_equal(test->packet.tunnel_network, 0xabcdef);

	begin(test);
	pb_udp(&test->pb, 50000, 6081);
	pb_geneve(&test->pb, 0x123456, 252);
	add_syn(test);
	expect_built(test, DECODE_TCP);
	expect_tunnels(test, 1, TUNNEL_GENEVE, TUNNEL_NONE);
	assert_int_equal(test->packet.tunnel_network, 0x123456);
}

static void the_innermost_network_is_kept(void **state)
{
	struct decode_test *test = *state;

	begin(test);
	pb_udp(&test->pb, 50000, 4789);
	pb_vxlan(&test->pb, 1);
	pb_ethernet(&test->pb);
	pb_ipv6(&test->pb, "2001:db8::1", "2001:db8::2");
	pb_udp(&test->pb, 50000, 6081);
	pb_geneve(&test->pb, 2, 0);
	add_syn(test);
	expect_built(test, DECODE_TCP);
	expect_tunnels(test, 2, TUNNEL_VXLAN, TUNNEL_GENEVE);
	assert_int_equal(test->packet.tunnel_network, 2);
}

struct udp_case {
	const char *what;
	uint16_t port;
	enum decode_result expected;
	uint32_t n_bytes;
	const char *bytes;
};

static const struct udp_case udp_cases[] = {
	{ "a DNS answer to port 4789", 4789, DECODE_NOT_TCP, 12, "\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00" },
	{ "VXLAN without a network", 4789, DECODE_BAD_VXLAN, 8, "\x00\x00\x00\x00\x00\x00\x01\x00" },
	{ "five bytes to port 4789", 4789, DECODE_NOT_TCP, 5, "\x08\x00\x00\x00\x00" },
	{ "VXLAN with nothing in it", 4789, DECODE_TRUNCATED_LINK, 8, "\x08\x00\x00\x00\x00\x00\x01\x00" },
	{ "a DNS answer to port 6081", 6081, DECODE_NOT_TCP, 12, "\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00" },
	{ "Geneve version 1", 6081, DECODE_BAD_GENEVE, 8, "\x40\x00\x65\x58\x00\x00\x01\x00" },
	{ "Geneve options beyond the packet", 6081, DECODE_BAD_GENEVE, 8, "\x01\x00\x65\x58\x00\x00\x01\x00" },
	{ "Geneve control packet", 6081, DECODE_NOT_TCP, 8, "\x00\x80\x65\x58\x00\x00\x01\x00" },
	{ "GTP echo request", 2152, DECODE_NOT_TCP, 12, "\x32\x01\x00\x04\x00\x00\x00\x00\x00\x01\x00\x00" },
	{ "GTP version 2", 2152, DECODE_NOT_TCP, 8, "\x48\xff\x00\x00\x00\x00\x00\x00" },
	{ "GTP longer than the packet", 2152, DECODE_BAD_GTPU, 8, "\x30\xff\x00\x01\x00\x00\x00\x01" },
	{ "GTP without room for its optional fields", 2152, DECODE_BAD_GTPU, 8, "\x32\xff\x00\x00\x00\x00\x00\x01" },
	{ "GTP with an extension of length 0", 2152, DECODE_BAD_GTPU, 16,
	  "\x34\xff\x00\x08\x00\x00\x00\x01\x00\x00\x00\x85\x00\x00\x00\x00" },
	{ "GTP that ends before its extension", 2152, DECODE_BAD_GTPU, 12,
	  "\x34\xff\x00\x04\x00\x00\x00\x01\x00\x00\x00\x85" },
	{ "GTP with no data", 2152, DECODE_NOT_TCP, 8, "\x30\xff\x00\x00\x00\x00\x00\x01" },
	{ "GTP with Ethernet", 2152, DECODE_NOT_TCP, 10, "\x30\xff\x00\x02\x00\x00\x00\x01\x02\x00" },
	{ "DNS", 53, DECODE_NOT_TCP, 4, "\x12\x34\x01\x00" },
};

static void other_protocols_on_tunnel_ports_are_not_refused(void **state)
{
	struct decode_test *test = *state;

	for (size_t i = 0; i < sizeof(udp_cases) / sizeof(udp_cases[0]); i++) {
		enum decode_result result;
		struct frame frame;

		begin(test);
		pb_udp(&test->pb, 53, udp_cases[i].port);
		pb_data(&test->pb, udp_cases[i].bytes, udp_cases[i].n_bytes);
		frame = pb_frame(&test->pb);
		result = decode_both_ways(test, &frame);
		if (result != udp_cases[i].expected)
			fail_msg("%s: %s", udp_cases[i].what, decode_result_name(result));
	}
}

/* RFC 7348 5: reserved bits are ignored on receipt, so a frame that is plainly there is read. */
static void reserved_bits_of_vxlan_do_not_hide_a_frame(void **state)
{
	struct decode_test *test = *state;
	struct frame frame;

	begin(test);
	pb_udp(&test->pb, 50000, 4789);
	pb_vxlan(&test->pb, 5);
	pb_ethernet(&test->pb);
	add_syn(test);
	frame = pb_frame(&test->pb);
	pb_header(&test->pb, PB_VXLAN)[7] = 0x55;
	expect_result(test, &frame, DECODE_TCP);
	/* Group policy. */
	memcpy(pb_header(&test->pb, PB_VXLAN), "\x88\x40\x12\x34", 4);
	expect_result(test, &frame, DECODE_TCP);
}

static void ports_are_configured(void **state)
{
	struct decode_test *test = *state;
	struct decoder_config config;
	struct frame frame;

	begin(test);
	pb_udp(&test->pb, 50000, 8472);
	pb_vxlan(&test->pb, 5);
	pb_ethernet(&test->pb);
	add_syn(test);
	frame = pb_frame(&test->pb);
	expect_result(test, &frame, DECODE_NOT_TCP);
	decoder_config_defaults(&config);
	config.vxlan_port = 8472;
	decode_test_configure(test, &config);
	expect_result(test, &frame, DECODE_TCP);
	/* Port 0 in the configuration means none, and not packets to port 0. */
	config.vxlan_port = 0;
	decode_test_configure(test, &config);
	pb_header(&test->pb, PB_UDP)[2] = 0;
	pb_header(&test->pb, PB_UDP)[3] = 0;
	expect_result(test, &frame, DECODE_NOT_TCP);
}

static void ip_in_ip_is_named_by_its_versions(void **state)
{
	struct decode_test *test = *state;

	begin(test);
	add_syn(test);
	expect_built(test, DECODE_TCP);
	expect_tunnels(test, 1, TUNNEL_IPIP, TUNNEL_NONE);

	begin(test);
	pb_ipv6(&test->pb, "2001:db8::a", "2001:db8::b");
	add_syn(test);
	expect_built(test, DECODE_TCP);
	expect_tunnels(test, 2, TUNNEL_6IN4, TUNNEL_IPIP);
}

/* Each IP header and each tunnel counts: 8 are four IP headers in IP headers, less one tunnel. */
static void depth_is_limited(void **state)
{
	struct decode_test *test = *state;

	for (unsigned n_headers = 1; n_headers < 12; n_headers++) {
		pb_ethernet(pb_reset(&test->pb));
		for (unsigned i = 1; i < n_headers; i++)
			pb_ipv4(&test->pb, "192.0.2.1", "192.0.2.2");
		add_syn(test);
		expect_built(test, 2 * n_headers - 1 <= 8 ? DECODE_TCP : DECODE_TUNNELS_TOO_DEEP);
	}
}

static void more_tunnels_than_stored_are_passed(void **state)
{
	struct decode_test *test = *state;
	struct decoder_config config;

	decoder_config_defaults(&config);
	config.max_depth = 16;
	decode_test_configure(test, &config);
	pb_ethernet(pb_reset(&test->pb));
	for (unsigned i = 0; i < 6; i++)
		pb_ipv4(&test->pb, "192.0.2.1", "192.0.2.2");
	add_syn(test);
	expect_built(test, DECODE_TCP);
	expect_tunnels(test, PACKET_MAX_TUNNELS, TUNNEL_IPIP, TUNNEL_IPIP);
}

static void mpls_in_ip_is_read(void **state)
{
	struct decode_test *test = *state;

	begin(test);
	pb_mpls(&test->pb, 16);
	add_syn(test);
	expect_built(test, DECODE_TCP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DECODE_TEST(gre_has_any_of_its_optional_fields),
		DECODE_TEST(gre_with_source_routes_or_of_another_version_is_bad),
		DECODE_TEST(gre_with_other_payload_is_not_tcp),
		DECODE_TEST(pptp_acknowledgements_carry_nothing),
		DECODE_TEST(pptp_that_claims_too_much_is_bad),
		DECODE_TEST(erspan_types_are_told_apart),
		DECODE_TEST(erspan_of_another_version_is_bad),
		DECODE_TEST(erspan_iii_says_what_it_carries),
		DECODE_TEST(vxlan_and_geneve_give_their_network),
		DECODE_TEST(the_innermost_network_is_kept),
		DECODE_TEST(other_protocols_on_tunnel_ports_are_not_refused),
		DECODE_TEST(reserved_bits_of_vxlan_do_not_hide_a_frame),
		DECODE_TEST(ports_are_configured),
		DECODE_TEST(ip_in_ip_is_named_by_its_versions),
		DECODE_TEST(depth_is_limited),
		DECODE_TEST(more_tunnels_than_stored_are_passed),
		DECODE_TEST(mpls_in_ip_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
