/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IPv4 headers (RFC 791) and what an IP packet of either version may carry on the way to TCP. The lengths in the
 * header are the truth about what was sent, and are held against the frame's length on the wire, never
 * against what the capture kept.
 */
#include <string.h>

#include "decode_internal.h"
#include "ip_header.h"

enum { QUOTE_MIN_BYTES = 8 }; /* of the quoted datagram's payload (RFC 792) */

/* Is the header's checksum acceptable by itself? */
static bool ipv4_checksum_is_good(const struct decode_context *context, const uint8_t *header, uint32_t header_bytes,
				  uint16_t total_bytes)
{
	enum checksum_mode mode = context->decoder->config.checksum;

	/* Routers change the header and need not mend a quoted one (RFC 1812 4.3.2.3). */
	if (mode == CHECKSUM_MODE_OFF || context->is_quote)
		return true;
	if (checksum_fold(checksum_add(0, header, header_bytes)) == 0xffff)
		return true;
	/* Offload: the interface was to fill in checksum and, when it was to cut the segment, the length. */
	return mode == CHECKSUM_MODE_AUTO && (load_be16(header + 10) == 0 || total_bytes == 0);
}

/* Limits *packet_bytes, the cursor of the whole IP packet, to what its header claims. False: it cannot be so. */
static bool apply_ipv4_length(const struct decode_context *context, struct cursor *packet_bytes, uint32_t header_bytes,
			      uint16_t total_bytes)
{
	if (context->is_quote) {
		/* The quote is cut short of its length. Some stacks put a wrong one there: then go by what is there. */
		if (total_bytes >= header_bytes + QUOTE_MIN_BYTES)
			cursor_set_wire_bytes(packet_bytes, total_bytes);
		return true;
	}
	/* Captured before the interface cut it into segments; or too large for the field at all. */
	if (total_bytes == 0)
		return header_bytes <= packet_bytes->wire_bytes;
	if (total_bytes < header_bytes || total_bytes > packet_bytes->wire_bytes)
		return false;
	cursor_limit(packet_bytes, total_bytes);
	return true;
}

enum decode_result decode_add_fragment(struct decode_context *context, const struct fragment *fragment,
				       struct frag_datagram *datagram)
{
	struct packet *packet = context->packet;
	enum decode_result result;

	if (context->is_reassembled)
		return context->fragment_end == NULL ? DECODE_FRAGMENT_NESTED : DECODE_BAD_FRAGMENT;
	result = frag_table_add(context->decoder->fragments, fragment, packet->time_ns, datagram);
	if (result == DECODE_FRAGMENT_OVERLAP)
		anomaly_set_add(&packet->anomalies, ANOMALY_FRAGMENT_OVERLAP);
	if (result == DECODE_TCP) {
		context->is_reassembled = true;
		context->fragment_end = datagram->fragment_end;
	}
	return result;
}

/* Puts a fragment to its datagram and goes on with the datagram when that is complete. */
static enum decode_result decode_ipv4_fragment(struct decode_context *context, const uint8_t *header, struct cursor in)
{
	struct packet *packet = context->packet;
	uint32_t header_bytes = (header[0] & 0x0f) * 4U;
	uint16_t offset = load_be16(header + 6);
	struct frag_datagram datagram;
	struct fragment fragment;
	enum decode_result result;

	packet->was_fragmented = true;
	if (context->is_quote && (offset & IPV4_OFFSET_MASK) == 0)
		return decode_ip_payload(context, header[9], in);
	if (context->is_quote || (header[9] != IPPROTO_NR_TCP && !protocol_is_tunnel(header[9])))
		return DECODE_FRAGMENT_HELD;
	memset(&fragment, 0, sizeof(fragment));
	fragment.key.src = packet->src;
	fragment.key.dst = packet->dst;
	fragment.key.id = packet->ip_id;
	fragment.key.path = decode_path(packet);
	fragment.key.protocol = header[9];
	fragment.offset_bytes = (uint32_t)(offset & IPV4_OFFSET_MASK) * 8;
	fragment.is_last = (offset & IPV4_MORE_FRAGMENTS) == 0;
	fragment.protocol = header[9];
	fragment.payload = in;
	result = decode_add_fragment(context, &fragment, &datagram);
	if (result != DECODE_TCP)
		return result;
	packet->ip_bytes = saturate_u16(header_bytes + datagram.payload.wire_bytes);
	return decode_ip_payload(context, datagram.protocol, datagram.payload);
}

enum decode_result decode_ipv4(struct decode_context *context, struct cursor in)
{
	const uint8_t *header = cursor_peek(&in, IPV4_HEADER_MIN_BYTES);
	uint32_t header_bytes;
	uint16_t total_bytes;
	bool is_fragment;

	if (header == NULL)
		return DECODE_TRUNCATED_IPV4;
	if (header[0] >> 4 != 4)
		return DECODE_BAD_IPV4_VERSION;
	if (!decode_descend(context))
		return DECODE_TUNNELS_TOO_DEEP;
	header_bytes = (header[0] & 0x0f) * 4U;
	if (header_bytes < IPV4_HEADER_MIN_BYTES)
		return DECODE_BAD_IPV4_HEADER_LENGTH;
	context->pseudo_header_unsure = false;
	context->ipv4_checksum_wrong = false;
	fill_from_ipv4(context->packet, header);
	total_bytes = load_be16(header + 2);
	if (!apply_ipv4_length(context, &in, header_bytes, total_bytes))
		return DECODE_BAD_IPV4_TOTAL_LENGTH;
	context->packet->ip_bytes = saturate_u16(in.wire_bytes);
	if (!cursor_skip(&in, header_bytes))
		return DECODE_TRUNCATED_IPV4;
	/* A quoted header is as some router left it. */
	if (!context->is_quote &&
	    !ipv4_options_are_possible(header + IPV4_HEADER_MIN_BYTES, header_bytes - IPV4_HEADER_MIN_BYTES))
		return DECODE_BAD_IPV4_OPTIONS;
	is_fragment = (load_be16(header + 6) & (IPV4_OFFSET_MASK | IPV4_MORE_FRAGMENTS)) != 0;
	if (!ipv4_checksum_is_good(context, header, header_bytes, total_bytes)) {
		/* Fragments and ICMP errors have no other checksum to tell rewriting from what the receiver drops. */
		if (context->decoder->config.checksum == CHECKSUM_MODE_ON || is_fragment ||
		    header[9] == IPPROTO_NR_ICMP)
			return DECODE_BAD_IPV4_CHECKSUM;
		/* Rewritten addresses spoil both checksums: the segment's own decides. */
		context->ipv4_checksum_wrong = true;
	}
	if (is_fragment)
		return decode_ipv4_fragment(context, header, in);
	return decode_ip_payload(context, header[9], in);
}

enum decode_result decode_ip(struct decode_context *context, struct cursor in)
{
	const uint8_t *first = cursor_peek(&in, 1);

	if (first == NULL)
		return DECODE_TRUNCATED_LINK;
	return first[0] >> 4 == 6 ? decode_ipv6(context, in) : decode_ipv4(context, in);
}

/* RFC 4302 2: in IPv4 the authentication header stands once, between the IP header and the payload. */
static enum decode_result decode_ipv4_ah(struct decode_context *context, struct cursor in)
{
	const uint8_t *header = cursor_peek(&in, 2);
	uint8_t next;

	if (header == NULL)
		return DECODE_TRUNCATED_IPV4;
	next = header[0];
	if (!cursor_skip(&in, (header[1] + 2U) * 4))
		return DECODE_TRUNCATED_IPV4;
	return next == IPPROTO_NR_AH ? DECODE_NOT_TCP : decode_ip_payload(context, next, in);
}

enum decode_result decode_ip_payload(struct decode_context *context, uint8_t protocol, struct cursor in)
{
	bool is_ipv4 = context->packet->src.version == 4;

	if (protocol == IPPROTO_NR_TCP)
		return decode_tcp(context, in);
	/* An error about a tunnel says nothing of the connections inside. */
	if (context->is_quote)
		return DECODE_NOT_TCP;
	switch (protocol) {
	case IPPROTO_NR_ICMP:
		return is_ipv4 ? decode_icmp(context, in) : DECODE_NOT_TCP;
	case IPPROTO_NR_ICMPV6:
		return is_ipv4 ? DECODE_NOT_TCP : decode_icmpv6(context, in);
	case IPPROTO_NR_UDP:
		return decode_udp(context, in);
	case IPPROTO_NR_GRE:
		return decode_gre(context, in);
	case IPPROTO_NR_IPV4:
		return decode_enter_tunnel(context, TUNNEL_IPIP) ? decode_ipv4(context, in) : DECODE_TUNNELS_TOO_DEEP;
	case IPPROTO_NR_IPV6:
		return decode_enter_tunnel(context, is_ipv4 ? TUNNEL_6IN4 : TUNNEL_IPIP) ? decode_ipv6(context, in)
											 : DECODE_TUNNELS_TOO_DEEP;
	case IPPROTO_NR_MPLS:
		return decode_mpls(context, in);
	case IPPROTO_NR_AH:
		return is_ipv4 ? decode_ipv4_ah(context, in) : DECODE_NOT_TCP;
	default:
		return DECODE_NOT_TCP;
	}
}
