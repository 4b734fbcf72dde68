/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of sample frames, and a builder function for each. */
#include "packet_samples.h"

#include <string.h>

static const struct pb_tcp syn = { .src_port = 40000,
				   .dst_port = 80,
				   .flags = "S",
				   .seq = 1000,
				   .window = 64240,
				   .options = "mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 7" };

static const struct pb_tcp data = { .src_port = 40000,
				    .dst_port = 80,
				    .flags = "P.",
				    .seq = 1001,
				    .ack = 2001,
				    .window = 502,
				    .options = "nop,nop,TS val 101 ecr 200" };

static void add_ipv4_syn(struct packet_builder *pb)
{
	pb_ipv4(pb, "10.0.0.1", "10.0.0.2");
	pb_tcp(pb, &syn);
}

static void add_ipv6_syn(struct packet_builder *pb)
{
	pb_ipv6(pb, "2001:db8::1", "2001:db8::2");
	pb_tcp(pb, &syn);
}

static void add_outer_ipv4(struct packet_builder *pb)
{
	pb_ethernet(pb_reset(pb));
	pb_ipv4(pb, "192.0.2.1", "192.0.2.2");
}

static void build_ethernet_ipv4(struct packet_builder *pb)
{
	pb_ethernet(pb_reset(pb));
	add_ipv4_syn(pb);
}

static void build_ethernet_ipv4_data(struct packet_builder *pb)
{
	pb_ethernet(pb_reset(pb));
	pb_ipv4(pb, "10.0.0.1", "10.0.0.2");
	pb_tcp(pb, &data);
	pb_data(pb, "GET / HTTP/1.1\r\n", 16);
}

static void build_ethernet_ipv6(struct packet_builder *pb)
{
	pb_ethernet(pb_reset(pb));
	add_ipv6_syn(pb);
}

static void build_ipv6_extensions(struct packet_builder *pb)
{
	pb_ethernet(pb_reset(pb));
	pb_ipv6(pb, "2001:db8::1", "2001:db8::2");
	pb_ipv6_extension(pb, 0, 0);
	pb_ipv6_extension(pb, 60, 8);
	pb_ipv6_extension(pb, 51, 16);
	pb_ipv6_extension(pb, 135, 0);
	pb_tcp(pb, &syn);
}

static void build_vlan_stack(struct packet_builder *pb)
{
	pb_ethernet(pb_reset(pb));
	pb_vlan(pb, 0x88a8, 10);
	pb_vlan(pb, 0x8100, 20);
	add_ipv4_syn(pb);
}

static void build_802_3_snap(struct packet_builder *pb)
{
	static const uint8_t snap[8] = { 0xaa, 0xaa, 0x03, 0, 0, 0, 0x08, 0x00 };
	uint8_t *header;

	pb_ethernet(pb_reset(pb));
	pb_data(pb, snap, sizeof(snap));
	add_ipv4_syn(pb);
	header = pb_header(pb, PB_ETHERNET);
	header[12] = 0;
	header[13] = (uint8_t)(pb->n_bytes - 14);
}

static void build_mpls(struct packet_builder *pb)
{
	pb_ethernet(pb_reset(pb));
	pb_mpls(pb, 100);
	pb_mpls(pb, 200);
	add_ipv4_syn(pb);
}

static void build_mpls_pseudowire(struct packet_builder *pb)
{
	static const uint8_t control_word[4] = { 0 };

	pb_ethernet(pb_reset(pb));
	pb_mpls(pb, 100);
	pb_data(pb, control_word, sizeof(control_word));
	pb_ethernet(pb);
	add_ipv4_syn(pb);
}

static void build_pppoe(struct packet_builder *pb)
{
	pb_ethernet(pb_reset(pb));
	pb_pppoe(pb);
	add_ipv4_syn(pb);
}

static void build_ppp(struct packet_builder *pb)
{
	pb_ppp(pb_reset(pb));
	add_ipv4_syn(pb);
}

static void build_cisco_hdlc(struct packet_builder *pb)
{
	pb_cisco_hdlc(pb_reset(pb));
	add_ipv4_syn(pb);
}

static void build_loopback_little(struct packet_builder *pb)
{
	pb_loopback(pb_reset(pb), true);
	add_ipv4_syn(pb);
}

static void build_loopback_big(struct packet_builder *pb)
{
	pb_loopback(pb_reset(pb), false);
	add_ipv6_syn(pb);
}

static void build_raw(struct packet_builder *pb)
{
	pb_raw(pb_reset(pb));
	add_ipv6_syn(pb);
}

static void build_cooked_vlan(struct packet_builder *pb)
{
	pb_cooked(pb_reset(pb));
	pb_vlan(pb, 0x8100, 30);
	add_ipv4_syn(pb);
}

static void build_cooked2(struct packet_builder *pb)
{
	pb_cooked2(pb_reset(pb));
	add_ipv6_syn(pb);
}

static void build_gre(struct packet_builder *pb)
{
	add_outer_ipv4(pb);
	pb_gre(pb, 0x3000);
	add_ipv4_syn(pb);
}

static void build_gre_ethernet(struct packet_builder *pb)
{
	add_outer_ipv4(pb);
	pb_gre(pb, 0x8000);
	pb_ethernet(pb);
	add_ipv4_syn(pb);
}

static void build_gre_pptp(struct packet_builder *pb)
{
	static const uint8_t ppp_ipv4[4] = { 0xff, 0x03, 0x00, 0x21 };

	add_outer_ipv4(pb);
	pb_gre(pb, 0x3001);
	pb_data(pb, ppp_ipv4, sizeof(ppp_ipv4));
	add_ipv4_syn(pb);
}

static void build_erspan_i(struct packet_builder *pb)
{
	add_outer_ipv4(pb);
	pb_erspan(pb, 1);
	pb_ethernet(pb);
	add_ipv4_syn(pb);
}

static void build_erspan_ii(struct packet_builder *pb)
{
	add_outer_ipv4(pb);
	pb_erspan(pb, 2);
	pb_ethernet(pb);
	add_ipv4_syn(pb);
}

static void build_erspan_iii(struct packet_builder *pb)
{
	add_outer_ipv4(pb);
	pb_erspan(pb, 3);
	pb_ethernet(pb);
	add_ipv4_syn(pb);
}

static void build_ipip(struct packet_builder *pb)
{
	add_outer_ipv4(pb);
	add_ipv4_syn(pb);
}

static void build_6in4(struct packet_builder *pb)
{
	add_outer_ipv4(pb);
	add_ipv6_syn(pb);
}

static void build_4in6(struct packet_builder *pb)
{
	pb_ethernet(pb_reset(pb));
	pb_ipv6(pb, "2001:db8::a", "2001:db8::b");
	add_ipv4_syn(pb);
}

static void build_vxlan(struct packet_builder *pb)
{
	add_outer_ipv4(pb);
	pb_udp(pb, 50000, 4789);
	pb_vxlan(pb, 5001);
	pb_ethernet(pb);
	add_ipv4_syn(pb);
}

static void build_geneve(struct packet_builder *pb)
{
	add_outer_ipv4(pb);
	pb_udp(pb, 50000, 6081);
	pb_geneve(pb, 6001, 8);
	pb_ethernet(pb);
	add_ipv6_syn(pb);
}

static void build_gtpu(struct packet_builder *pb)
{
	add_outer_ipv4(pb);
	pb_udp(pb, 2152, 2152);
	pb_gtpu(pb, 7001, true);
	add_ipv4_syn(pb);
}

static void build_vxlan_in_gre(struct packet_builder *pb)
{
	add_outer_ipv4(pb);
	pb_gre(pb, 0);
	pb_ipv4(pb, "198.51.100.1", "198.51.100.2");
	pb_udp(pb, 50000, 4789);
	pb_vxlan(pb, 5002);
	pb_ethernet(pb);
	add_ipv6_syn(pb);
}

static void build_icmp_quote(struct packet_builder *pb)
{
	static struct packet_builder quoted;

	pb_raw(pb_reset(&quoted));
	add_ipv4_syn(&quoted);
	pb_frame(&quoted);
	pb_ethernet(pb_reset(pb));
	pb_ipv4(pb, "10.0.0.254", "10.0.0.1");
	pb_icmp_quote(pb, 3, 1, &quoted, 28);
}

static void build_icmpv6_quote(struct packet_builder *pb)
{
	static struct packet_builder quoted;

	pb_raw(pb_reset(&quoted));
	add_ipv6_syn(&quoted);
	pb_frame(&quoted);
	pb_ethernet(pb_reset(pb));
	pb_ipv6(pb, "2001:db8::fe", "2001:db8::1");
	pb_icmp_quote(pb, 1, 4, &quoted, 200);
}

const struct packet_sample packet_samples[] = {
	{ .name = "ethernet_ipv4", .build = build_ethernet_ipv4 },
	{ .name = "ethernet_ipv4_data", .build = build_ethernet_ipv4_data },
	{ .name = "ethernet_ipv6", .build = build_ethernet_ipv6 },
	{ .name = "ipv6_extensions", .build = build_ipv6_extensions },
	{ .name = "vlan_stack", .build = build_vlan_stack },
	{ .name = "802_3_snap", .build = build_802_3_snap },
	{ .name = "mpls", .build = build_mpls },
	{ .name = "mpls_pseudowire", .build = build_mpls_pseudowire },
	{ .name = "pppoe", .build = build_pppoe },
	{ .name = "ppp", .build = build_ppp },
	{ .name = "cisco_hdlc", .build = build_cisco_hdlc },
	{ .name = "loopback_little", .build = build_loopback_little },
	{ .name = "loopback_big", .build = build_loopback_big },
	{ .name = "raw", .build = build_raw },
	{ .name = "cooked_vlan", .build = build_cooked_vlan },
	{ .name = "cooked2", .build = build_cooked2 },
	{ .name = "gre", .build = build_gre, .n_tunnels = 1 },
	{ .name = "gre_ethernet", .build = build_gre_ethernet, .n_tunnels = 1 },
	{ .name = "gre_pptp", .build = build_gre_pptp, .n_tunnels = 1 },
	{ .name = "erspan_i", .build = build_erspan_i, .n_tunnels = 1 },
	{ .name = "erspan_ii", .build = build_erspan_ii, .n_tunnels = 1 },
	{ .name = "erspan_iii", .build = build_erspan_iii, .n_tunnels = 1 },
	{ .name = "ipip", .build = build_ipip, .n_tunnels = 1 },
	{ .name = "6in4", .build = build_6in4, .n_tunnels = 1 },
	{ .name = "4in6", .build = build_4in6, .n_tunnels = 1 },
	{ .name = "vxlan", .build = build_vxlan, .n_tunnels = 1 },
	{ .name = "geneve", .build = build_geneve, .n_tunnels = 1 },
	{ .name = "gtpu", .build = build_gtpu, .n_tunnels = 1 },
	{ .name = "vxlan_in_gre", .build = build_vxlan_in_gre, .n_tunnels = 2 },
	{ .name = "icmp_quote", .build = build_icmp_quote, .is_icmp_quote = true },
	{ .name = "icmpv6_quote", .build = build_icmpv6_quote, .is_icmp_quote = true },
};

const unsigned n_packet_samples = sizeof(packet_samples) / sizeof(packet_samples[0]);
