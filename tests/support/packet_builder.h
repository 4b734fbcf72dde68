/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tcpwitness/base/frame.h"

/*
 * Builds frames for tests, from the outside in. Each call adds one header behind what is there and tells the header
 * before it what follows; pb_frame() then fills in all lengths and checksums. A SYN reads:
 *
 *	struct packet_builder pb;
 *
 *	pb_ethernet(pb_reset(&pb));
 *	pb_ipv4(&pb, "10.0.0.1", "10.0.0.2");
 *	pb_tcp(&pb, &(struct pb_tcp){ .src_port = 40000, .dst_port = 80, .flags = "S", .seq = 1000,
 *	                              .options = "mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7" });
 *	frame = pb_frame(&pb);
 *
 * To make a header wrong, change it through pb_header() after pb_frame(): the frame shows the same bytes. Misuse (an
 * address that is none, no room) ends the program. Nothing is allocated.
 */
enum { PB_BYTES_MAX = 70000, PB_LAYERS_MAX = 40 };

enum pb_layer {
	PB_ETHERNET,
	PB_COOKED,   /* Linux cooked capture, version 1 */
	PB_COOKED2,  /* version 2 */
	PB_LOOPBACK, /* BSD null and loop */
	PB_PPP,
	PB_CISCO_HDLC,
	PB_VLAN,
	PB_MPLS,
	PB_PPPOE,
	PB_IPV4,
	PB_IPV6,
	PB_IPV6_EXTENSION,
	PB_GRE,
	PB_ERSPAN,
	PB_UDP,
	PB_VXLAN,
	PB_GENEVE,
	PB_GTPU,
	PB_ICMP,
	PB_ICMPV6,
	PB_TCP,
	PB_DATA,
};

struct packet_builder {
	uint8_t bytes[PB_BYTES_MAX];
	uint32_t n_bytes;
	uint16_t link_type;
	uint32_t n_layers;
	struct {
		enum pb_layer kind;
		uint32_t at; /* first byte of its header */
	} layers[PB_LAYERS_MAX];
};

/* A TCP header. What is left out is 0. */
struct pb_tcp {
	uint16_t src_port;
	uint16_t dst_port;
	const char *flags; /* as tcpdump prints them: S F R P . U E W and e for AE; "" or null for none */
	uint32_t seq;
	uint32_t ack;
	uint16_t window;
	uint16_t urgent;
	/*
	 * Comma-separated, padded with zeros: "mss N", "wscale N", "sackOK", "sack L:R L:R", "TS val N ecr N", "nop",
	 * "eol", "raw HEX" for anything else; null for none.
	 */
	const char *options;
};

/* Empties the builder and returns it. */
struct packet_builder *pb_reset(struct packet_builder *pb);

/* Link layers. The first call after pb_reset decides the link type of the frame. */
void pb_ethernet(struct packet_builder *pb); /* also inside tunnels */
void pb_cooked(struct packet_builder *pb);
void pb_cooked2(struct packet_builder *pb);
void pb_loopback(struct packet_builder *pb, bool is_little_endian); /* link type NULL */
void pb_ppp(struct packet_builder *pb);                             /* with address and control bytes */
void pb_cisco_hdlc(struct packet_builder *pb);
void pb_raw(struct packet_builder *pb); /* no link header: the next call adds an IP header */

void pb_vlan(struct packet_builder *pb, uint16_t tag_protocol, uint16_t vlan);
void pb_mpls(struct packet_builder *pb, uint32_t label); /* the last of several gets the bottom bit */
void pb_pppoe(struct packet_builder *pb);

/* Addresses as text. IPv4: identification 0x1234, time to live 64. */
void pb_ipv4(struct packet_builder *pb, const char *src, const char *dst);
void pb_ipv6(struct packet_builder *pb, const char *src, const char *dst);
/* number: protocol number of the extension header; data_bytes (a multiple of 8) zero bytes behind its first 8. */
void pb_ipv6_extension(struct packet_builder *pb, uint8_t number, uint32_t data_bytes);

/* flags: the header's first word: 0x8000 checksum, 0x2000 key, 0x1000 sequence, 0x0001 PPTP and then 0x0080
 * acknowledgement. */
void pb_gre(struct packet_builder *pb, uint16_t flags);
/* type 1, 2 or 3. Adds the GRE header that it needs. */
void pb_erspan(struct packet_builder *pb, unsigned type);
void pb_udp(struct packet_builder *pb, uint16_t src_port, uint16_t dst_port);
void pb_vxlan(struct packet_builder *pb, uint32_t network);
void pb_geneve(struct packet_builder *pb, uint32_t network, uint32_t option_bytes);
/* With sequence number and one extension header when has_extension. */
void pb_gtpu(struct packet_builder *pb, uint32_t tunnel, bool has_extension);

/* ICMP or ICMPv6, by the IP header before it. The payload is what pb_data adds. */
void pb_icmp(struct packet_builder *pb, uint8_t type, uint8_t code);
void pb_tcp(struct packet_builder *pb, const struct pb_tcp *tcp);
void pb_data(struct packet_builder *pb, const void *data, uint32_t n_bytes);
/* n_bytes of a pattern that no two neighbouring positions share. */
void pb_pattern(struct packet_builder *pb, uint32_t n_bytes);

/*
 * An ICMP error quoting the first n_bytes of quoted's IP packet, which must have been built behind pb_raw and
 * finished. Add the error's own link and IP headers first.
 */
void pb_icmp_quote(struct packet_builder *pb, uint8_t type, uint8_t code, const struct packet_builder *quoted,
		   uint32_t n_bytes);

/*
 * *out becomes a fragment of whole, which is finished: n_bytes of the IP payload of its first IP header, from
 * offset_bytes on, with the more-fragments bit unless they reach the end. IPv6 gets a fragment header with id.
 */
struct frame pb_fragment(struct packet_builder *out, const struct packet_builder *whole, uint32_t offset_bytes,
			 uint32_t n_bytes, uint32_t id);

/* Finishes lengths and checksums. The frame borrows the builder's bytes; number and time are 1 and 1 s. */
struct frame pb_frame(struct packet_builder *pb);

/* The innermost header of that kind. */
uint8_t *pb_header(struct packet_builder *pb, enum pb_layer kind);

/* Makes the header's checksum right again after a change to the innermost IPv4 header. */
void pb_fix_ipv4_checksum(struct packet_builder *pb);
