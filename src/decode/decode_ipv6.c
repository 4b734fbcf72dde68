/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IPv6 headers and the chain of extension headers behind them (RFC 8200), in any order up to a limit, since receivers
 * accept them so (4.1). Fragments are put together; jumbograms (RFC 2675) and packets that the capturing host
 * was to cut into segments have no payload length of their own.
 */
#include <string.h>

#include "decode_internal.h"
#include "ip_header.h"

enum {
	EXTENSION_UNIT_BYTES = 8,
	EXTENSION_MIN_BYTES = 8,
	MAX_EXTENSIONS = 16,
	NO_NEXT_HEADER = 59,
	OPTION_PAD1 = 0x00,
	OPTION_JUMBO = 0xc2,
	OPTION_HOME_ADDRESS = 0xc9, /* RFC 6275 6.3 */
	ROUTING_TYPE_0 = 0,         /* RFC 2460 4.4, deprecated and still seen */
	ROUTING_TYPE_2 = 2,         /* RFC 6275 6.4 */
	ROUTING_SEGMENTS = 4,       /* RFC 8754 */
	ROUTING_FIXED_BYTES = 8,
	ADDRESS_BYTES = 16,
	QUOTE_MIN_BYTES = 8,
};

/* The option of that type in a hop-by-hop or destination header, or null. */
static const uint8_t *find_option(const uint8_t *header, uint32_t header_bytes, uint8_t type, uint8_t data_bytes)
{
	uint32_t at = 2;

	while (at < header_bytes) {
		if (header[at] == OPTION_PAD1) {
			at++;
			continue;
		}
		if (at + 2 > header_bytes || at + 2 + header[at + 1] > header_bytes)
			return NULL;
		if (header[at] == type && header[at + 1] == data_bytes)
			return header + at;
		at += 2U + header[at + 1];
	}
	return NULL;
}

/* RFC 2675 2: the length behind the IPv6 header, or 0 when the first header holds no such option. */
static uint32_t find_jumbo_length(struct cursor payload)
{
	const uint8_t *header = cursor_peek(&payload, EXTENSION_MIN_BYTES);
	const uint8_t *option;
	uint32_t header_bytes;

	if (header == NULL)
		return 0;
	header_bytes = (header[1] + 1U) * EXTENSION_UNIT_BYTES;
	header = cursor_peek(&payload, header_bytes);
	if (header == NULL)
		return 0;
	option = find_option(header, header_bytes, OPTION_JUMBO, 4);
	return option == NULL ? 0 : load_be32(option + 2);
}

/* Limits *payload to what the header claims. False: it cannot be so. */
static bool apply_ipv6_length(const struct decode_context *context, const uint8_t *header, struct cursor *payload)
{
	uint32_t payload_bytes = load_be16(header + 4);

	if (context->is_quote) {
		if (payload_bytes >= QUOTE_MIN_BYTES)
			cursor_set_wire_bytes(payload, payload_bytes);
		return true;
	}
	if (payload_bytes == 0 && header[6] == IPPROTO_NR_HOP_BY_HOP) {
		payload_bytes = find_jumbo_length(*payload);
		if (payload_bytes != 0 && payload_bytes <= UINT16_MAX)
			return false;
	}
	/* No length at all: captured before the interface cut it into segments. */
	if (payload_bytes == 0)
		return true;
	if (payload_bytes > payload->wire_bytes)
		return false;
	cursor_limit(payload, payload_bytes);
	return true;
}

/*
 * A packet with a routing header that is still under way has the next hop in its header; the connection, and the
 * checksum's pseudo-header (RFC 8200 8.1), have the last one.
 */
static void apply_routing(struct decode_context *context, const uint8_t *header, uint32_t header_bytes)
{
	uint32_t n_addresses = (header_bytes - ROUTING_FIXED_BYTES) / ADDRESS_BYTES;
	uint32_t final;

	if (header[3] == 0)
		return;
	context->pseudo_header_unsure = true;
	if (n_addresses == 0)
		return;
	switch (header[2]) {
	case ROUTING_TYPE_0:
	case ROUTING_TYPE_2:
		final = n_addresses - 1;
		break;
	case ROUTING_SEGMENTS:
		final = 0;
		break;
	default:
		return;
	}
	memcpy(context->packet->dst.bytes, header + ROUTING_FIXED_BYTES + (size_t) final * ADDRESS_BYTES,
	       ADDRESS_BYTES);
	context->pseudo_header_unsure = false;
}

/* May lead to TCP, when it stands in the next-header field of a fragment. */
static bool is_tcp_or_extension(uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_NR_TCP:
	case IPPROTO_NR_HOP_BY_HOP:
	case IPPROTO_NR_ROUTING:
	case IPPROTO_NR_AH:
	case IPPROTO_NR_DESTINATION:
	case IPPROTO_NR_MOBILITY:
	case IPPROTO_NR_HIP:
	case IPPROTO_NR_SHIM6:
		return true;
	default:
		return false;
	}
}

/*
 * header is the fragment header, already taken. Returns DECODE_TCP when there is a payload to go on with,
 * in *next and *in.
 */
static enum decode_result join_fragment(struct decode_context *context, const uint8_t *header, uint8_t *next,
					struct cursor *in)
{
	struct packet *packet = context->packet;
	uint16_t offset = load_be16(header + 2);
	uint32_t fragment_bytes = in->wire_bytes;
	struct frag_datagram datagram;
	struct fragment fragment;
	enum decode_result result;

	*next = header[0];
	/* RFC 8200 4.5, RFC 6946: a fragment that is the whole datagram is processed by itself. */
	if ((offset & 0xfff9) == 0)
		return DECODE_TCP;
	packet->was_fragmented = true;
	if (context->is_quote)
		return (offset & 0xfff8) == 0 ? DECODE_TCP : DECODE_FRAGMENT_HELD;
	/* Only the first fragment's word counts (RFC 8200 4.5), but senders that mean no harm repeat it in all. */
	if (!is_tcp_or_extension(header[0]) && !protocol_is_tunnel(header[0]))
		return DECODE_FRAGMENT_HELD;
	memset(&fragment, 0, sizeof(fragment));
	fragment.key.src = packet->src;
	fragment.key.dst = packet->dst;
	fragment.key.id = load_be32(header + 4);
	fragment.key.path = decode_path(packet);
	fragment.offset_bytes = offset & 0xfff8;
	fragment.is_last = (offset & 1) == 0;
	fragment.protocol = header[0];
	fragment.payload = *in;
	result = decode_add_fragment(context, &fragment, &datagram);
	if (result != DECODE_TCP)
		return result;
	packet->ip_bytes = saturate_u16(packet->ip_bytes - fragment_bytes + datagram.payload.wire_bytes);
	*next = datagram.protocol;
	*in = datagram.payload;
	return DECODE_TCP;
}

static bool is_extension(uint8_t protocol)
{
	return protocol != IPPROTO_NR_TCP && (protocol == IPPROTO_NR_FRAGMENT || is_tcp_or_extension(protocol));
}

/* Length of the extension header that begins with header. */
static uint32_t extension_bytes(uint8_t protocol, const uint8_t *header)
{
	if (protocol == IPPROTO_NR_FRAGMENT)
		return EXTENSION_MIN_BYTES;
	/* RFC 4302 2.2: the authentication header counts in words, less two. */
	if (protocol == IPPROTO_NR_AH)
		return (header[1] + 2U) * 4;
	return (header[1] + 1U) * EXTENSION_UNIT_BYTES;
}

static enum decode_result walk_extensions(struct decode_context *context, uint8_t protocol, struct cursor in)
{
	for (unsigned n = 0; is_extension(protocol); n++) {
		const uint8_t *header = cursor_peek(&in, EXTENSION_MIN_BYTES);
		enum decode_result result;
		uint32_t header_bytes;

		if (n == MAX_EXTENSIONS)
			return DECODE_TOO_MANY_IPV6_EXTENSIONS;
		if (header == NULL)
			return DECODE_TRUNCATED_IPV6_EXTENSION;
		header_bytes = extension_bytes(protocol, header);
		if (header_bytes > in.wire_bytes && !context->is_quote)
			return DECODE_BAD_IPV6_LENGTH;
		if (!cursor_skip(&in, header_bytes))
			return DECODE_TRUNCATED_IPV6_EXTENSION;
		if (protocol == IPPROTO_NR_FRAGMENT) {
			result = join_fragment(context, header, &protocol, &in);
			if (result != DECODE_TCP)
				return result;
			continue;
		}
		if (protocol == IPPROTO_NR_ROUTING)
			apply_routing(context, header, header_bytes);
		if (protocol == IPPROTO_NR_DESTINATION &&
		    find_option(header, header_bytes, OPTION_HOME_ADDRESS, ADDRESS_BYTES) != NULL)
			context->pseudo_header_unsure = true;
		protocol = header[0];
	}
	return decode_ip_payload(context, protocol, in);
}

enum decode_result decode_ipv6(struct decode_context *context, struct cursor in)
{
	struct packet *packet = context->packet;
	const uint8_t *header = cursor_take(&in, IPV6_HEADER_BYTES);

	if (header == NULL)
		return DECODE_TRUNCATED_IPV6;
	if (header[0] >> 4 != 6)
		return DECODE_BAD_IPV6_VERSION;
	if (!decode_descend(context))
		return DECODE_TUNNELS_TOO_DEEP;
	context->pseudo_header_unsure = false;
	fill_from_ipv6(packet, header);
	if (!apply_ipv6_length(context, header, &in))
		return DECODE_BAD_IPV6_LENGTH;
	packet->ip_bytes = saturate_u16(in.wire_bytes + IPV6_HEADER_BYTES);
	if (header[6] == NO_NEXT_HEADER)
		return DECODE_NOT_TCP;
	return walk_extensions(context, header[6], in);
}
