/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "tcpwitness/decode/decoder.h"
#include "checksum.h"
#include "checksum_offload.h"
#include "cursor.h"
#include "ip_protocol.h"
#include "decode_ip_frag.h"

/* IEEE 802 numbers of what an Ethernet frame, or a header that borrows them (GRE, Geneve), carries. */
enum ethertype {
	ETYPE_FIRST = 0x0600, /* smaller values are the length of an IEEE 802.3 frame */
	ETYPE_IPV4 = 0x0800,
	ETYPE_ERSPAN_III = 0x22eb,
	ETYPE_BRIDGED_ETHERNET = 0x6558,
	ETYPE_VLAN = 0x8100,
	ETYPE_IPV6 = 0x86dd,
	ETYPE_PPP = 0x880b,
	ETYPE_MPLS = 0x8847,
	ETYPE_MPLS_MULTICAST = 0x8848,
	ETYPE_PPPOE_SESSION = 0x8864,
	ETYPE_VLAN_SERVICE = 0x88a8,
	ETYPE_ERSPAN_II = 0x88be,
	ETYPE_VLAN_QINQ_9100 = 0x9100,
	ETYPE_VLAN_QINQ_9200 = 0x9200,
};

struct decoder {
	struct decoder_config config;
	bool no_short_way; /* for tests, which hold the two ways of a frame against each other */
	struct decoder_stats stats;
	struct frag_table *fragments;
	struct checksum_offload offload;
};

/* What is known of the frame in hand, besides *packet. */
struct decode_context {
	struct decoder *decoder;
	struct packet *packet;
	uint8_t depth;               /* IP headers, tunnels and inner Ethernet headers entered */
	uint8_t n_vlan_tags;         /* seen; packet->n_vlans of them are stored */
	bool is_quote;               /* inside an ICMP error: lengths may exceed what is there */
	bool is_reassembled;         /* reading from the fragment table, which the next fragment would overwrite */
	bool ipv4_checksum_wrong;    /* innermost IPv4 header's: accepted if TCP's is wrong too, and explained */
	bool is_on_wire;             /* in an Ethernet frame with a sender: the loopback interface's has none */
	bool pseudo_header_unsure;   /* the addresses that the TCP checksum covers are not those of the packet */
	const uint8_t *fragment_end; /* if is_reassembled and in no tunnel since: one past the first fragment's bytes */
};

/* Enters one more header of those that max_depth limits. False: there are too many. */
__attribute__((warn_unused_result)) static inline bool decode_descend(struct decode_context *context)
{
	return ++context->depth <= context->decoder->config.max_depth;
}

/* Enters a tunnel and stores it if there is room. False: there are too many. */
__attribute__((warn_unused_result)) static inline bool decode_enter_tunnel(struct decode_context *context,
									   enum tunnel_kind kind)
{
	struct packet *packet = context->packet;

	if (packet->n_tunnels < PACKET_MAX_TUNNELS)
		packet->tunnels[packet->n_tunnels++] = (uint8_t)kind;
	context->fragment_end = NULL;
	return decode_descend(context);
}

/* VLANs and tunnels that the packet came through, as one number: equal for equal paths. */
static inline uint32_t decode_path(const struct packet *packet)
{
	const uint32_t fnv_prime = 16777619;
	uint32_t path = 2166136261U;

	for (unsigned i = 0; i < packet->n_vlans; i++)
		path = (path ^ packet->vlans[i]) * fnv_prime;
	for (unsigned i = 0; i < packet->n_tunnels; i++)
		path = (path ^ (0x10000U | packet->tunnels[i])) * fnv_prime;
	return (path ^ packet->tunnel_network) * fnv_prime;
}

/*
 * Tunnels without ports: each fragment says what it is of. Of those over UDP only the first does, and they are not to
 * be fragmented (RFC 7348 4.3, RFC 8926 4.1).
 */
static inline bool protocol_is_tunnel(uint8_t protocol)
{
	return protocol == IPPROTO_NR_GRE || protocol == IPPROTO_NR_IPV4 || protocol == IPPROTO_NR_IPV6 ||
	       protocol == IPPROTO_NR_MPLS;
}

static inline uint16_t saturate_u16(uint32_t value)
{
	return value < UINT16_MAX ? (uint16_t)value : UINT16_MAX;
}

enum { LINK_ETHERNET = 1 }; /* the other link types are in decode_link.c */

enum {
	ETHERNET_SOURCE_AT = 6,
	ETHERNET_TYPE_AT = 12,
	ETHERNET_HEADER_BYTES = 14,
	VLAN_ID_MASK = 0x0fff,
};

/* Frames that a loopback interface shows have none. */
static inline bool ethernet_has_sender(const uint8_t *header)
{
	static const uint8_t nobody[6];

	return memcmp(header + ETHERNET_SOURCE_AT, nobody, sizeof(nobody)) != 0;
}

/* From the first byte of the frame on; by the short way where that can be. */
enum decode_result decode_frame(struct decoder *decoder, uint16_t link_type, struct cursor in, struct packet *packet);

/* Each of these takes the bytes from its own header on and goes on inwards until the frame is explained. */
enum decode_result decode_link(struct decode_context *context, uint16_t link_type, struct cursor in);
enum decode_result decode_ethernet(struct decode_context *context, struct cursor in);
enum decode_result decode_ethertype(struct decode_context *context, uint16_t ethertype, struct cursor in);
enum decode_result decode_mpls(struct decode_context *context, struct cursor in);
enum decode_result decode_ppp(struct decode_context *context, struct cursor in);
enum decode_result decode_ppp_serial(struct decode_context *context, struct cursor in);
enum decode_result decode_cisco_hdlc(struct decode_context *context, struct cursor in);
enum decode_result decode_pppoe(struct decode_context *context, struct cursor in);
enum decode_result decode_ip(struct decode_context *context, struct cursor in);
enum decode_result decode_ipv4(struct decode_context *context, struct cursor in);
/* False: options that make every receiver drop the packet. */
bool ipv4_options_are_possible(const uint8_t *options, uint32_t n_bytes);
enum decode_result decode_ipv6(struct decode_context *context, struct cursor in);
/* Puts a fragment to its datagram. DECODE_TCP: *datagram is complete, and context goes on inside it. */
enum decode_result decode_add_fragment(struct decode_context *context, const struct fragment *fragment,
				       struct frag_datagram *datagram);
enum decode_result decode_ip_payload(struct decode_context *context, uint8_t protocol, struct cursor in);
enum decode_result decode_gre(struct decode_context *context, struct cursor in);
enum decode_result decode_udp(struct decode_context *context, struct cursor in);
enum decode_result decode_icmp(struct decode_context *context, struct cursor in);
enum decode_result decode_icmpv6(struct decode_context *context, struct cursor in);
enum decode_result decode_tcp(struct decode_context *context, struct cursor in);

/* What a wrong checksum means. Seldom asked, so not a part of its callers. */
__attribute__((noinline)) enum checksum_state decode_judge_wrong_checksum(struct decoder *decoder,
									  struct packet *packet,
									  enum tcp_checksum checksum);

/* What the checksum of a segment that is there as a whole means, for the packet and for what is known of its sender. */
static inline enum checksum_state decode_judge_checksum(struct decoder *decoder, struct packet *packet,
							enum tcp_checksum checksum)
{
	if (checksum != TCP_CHECKSUM_RIGHT)
		return decode_judge_wrong_checksum(decoder, packet, checksum);
	if (decoder->config.checksum == CHECKSUM_MODE_AUTO)
		checksum_offload_learn_right(&decoder->offload, &packet->src);
	return CHECKSUM_GOOD;
}

/*
 * The option bytes of a TCP header, as many as were captured. is_whole is false when the header has more.
 * Adds to the packet's options and anomalies.
 */
void decode_tcp_options(const struct decode_context *context, const uint8_t *bytes, uint32_t n_bytes, bool is_whole);

/*
 * True when the bytes look like an Ethernet frame: enough of them, and a length or a known type where
 * it should be. For headers that do not say what follows.
 */
bool ethernet_is_plausible(struct cursor in);
