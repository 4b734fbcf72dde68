/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tunnels with a header of their own: GRE (RFC 2784, RFC 2890), its PPTP form (RFC 2637), the ERSPAN mirrors inside it
 * (draft-foschiano-erspan), and over UDP VXLAN (RFC 7348), Geneve (RFC 8926) and GTP-U (3GPP TS 29.281). UDP tunnels
 * are recognised by destination port, which proves nothing: what does not look like the tunnel's header at all is
 * another protocol on that port, and only a broken header of the right kind is refused.
 */
#include "decode_internal.h"

enum {
	GRE_CHECKSUM = 0x8000,
	GRE_ROUTING = 0x4000,
	GRE_KEY = 0x2000,
	GRE_SEQUENCE = 0x1000,
	GRE_V1_ACK = 0x0080,
	GRE_VERSION_MASK = 0x0007,
};

/* Type II has 8 bytes, told from type I, which has none, by GRE's sequence number. */
static enum decode_result decode_erspan_ii(struct decode_context *context, struct cursor in, bool has_header)
{
	const uint8_t *header;

	if (has_header) {
		header = cursor_take(&in, 8);
		if (header == NULL)
			return DECODE_TRUNCATED_ERSPAN;
		if (header[0] >> 4 != 1)
			return DECODE_BAD_GRE;
	}
	return decode_ethernet(context, in);
}

static enum decode_result decode_erspan_iii(struct decode_context *context, struct cursor in)
{
	enum { FRAME_ETHERNET = 0, FRAME_IP = 2, HAS_PLATFORM_HEADER = 0x01 };
	const uint8_t *header = cursor_take(&in, 12);
	uint8_t frame_type;

	if (header == NULL)
		return DECODE_TRUNCATED_ERSPAN;
	if (header[0] >> 4 != 2)
		return DECODE_BAD_GRE;
	frame_type = header[10] >> 2 & 0x1f;
	if ((header[11] & HAS_PLATFORM_HEADER) != 0 && !cursor_skip(&in, 8))
		return DECODE_TRUNCATED_ERSPAN;
	if (frame_type == FRAME_IP)
		return decode_ip(context, in);
	return frame_type == FRAME_ETHERNET ? decode_ethernet(context, in) : DECODE_NOT_TCP;
}

/* Version 1 carries PPP and has lengths and acknowledgements of its own (RFC 2637 4.1). */
static enum decode_result decode_gre_pptp(struct decode_context *context, uint16_t flags, uint16_t protocol,
					  struct cursor in)
{
	const uint8_t *key;
	uint32_t optional_bytes = (flags & GRE_SEQUENCE ? 4U : 0) + (flags & GRE_V1_ACK ? 4U : 0);
	uint16_t payload_bytes;

	if ((flags & (GRE_CHECKSUM | GRE_ROUTING)) != 0 || (flags & GRE_KEY) == 0 || protocol != ETYPE_PPP)
		return DECODE_BAD_GRE;
	key = cursor_take(&in, 4);
	if (key == NULL || !cursor_skip(&in, optional_bytes))
		return DECODE_TRUNCATED_GRE;
	payload_bytes = load_be16(key);
	if (payload_bytes == 0 || (flags & GRE_SEQUENCE) == 0)
		return DECODE_NOT_TCP;
	if (payload_bytes > in.wire_bytes)
		return DECODE_BAD_GRE;
	cursor_limit(&in, payload_bytes);
	if (!decode_enter_tunnel(context, TUNNEL_GRE))
		return DECODE_TUNNELS_TOO_DEEP;
	return decode_ppp(context, in);
}

enum decode_result decode_gre(struct decode_context *context, struct cursor in)
{
	const uint8_t *header = cursor_take(&in, 4);
	uint32_t optional_bytes;
	uint16_t flags;
	uint16_t protocol;
	bool is_erspan;

	if (header == NULL)
		return DECODE_TRUNCATED_GRE;
	flags = load_be16(header);
	protocol = load_be16(header + 2);
	if ((flags & GRE_VERSION_MASK) == 1)
		return decode_gre_pptp(context, flags, protocol, in);
	/* RFC 2784 2.3: receivers that do not know source routes discard them. */
	if ((flags & GRE_VERSION_MASK) != 0 || (flags & GRE_ROUTING) != 0)
		return DECODE_BAD_GRE;
	optional_bytes = (flags & GRE_CHECKSUM ? 4U : 0) + (flags & GRE_KEY ? 4U : 0) + (flags & GRE_SEQUENCE ? 4U : 0);
	if (!cursor_skip(&in, optional_bytes))
		return DECODE_TRUNCATED_GRE;
	is_erspan = protocol == ETYPE_ERSPAN_II || protocol == ETYPE_ERSPAN_III;
	if (!decode_enter_tunnel(context, is_erspan ? TUNNEL_ERSPAN : TUNNEL_GRE))
		return DECODE_TUNNELS_TOO_DEEP;
	switch (protocol) {
	case ETYPE_ERSPAN_II:
		return decode_erspan_ii(context, in, (flags & GRE_SEQUENCE) != 0);
	case ETYPE_ERSPAN_III:
		return decode_erspan_iii(context, in);
	case ETYPE_BRIDGED_ETHERNET:
		return decode_ethernet(context, in);
	default:
		return protocol < ETYPE_FIRST ? DECODE_NOT_TCP : decode_ethertype(context, protocol, in);
	}
}

static enum decode_result decode_vxlan(struct decode_context *context, struct cursor in)
{
	enum { HAS_NETWORK = 0x08, GROUP_POLICY = 0x80, POLICY_FLAGS = 0x48 };
	const uint8_t *header;
	bool reserved_is_zero;

	if (in.wire_bytes < 8)
		return DECODE_NOT_TCP;
	header = cursor_take(&in, 8);
	if (header == NULL)
		return DECODE_TRUNCATED_VXLAN;
	/* Group policy (draft-smith-vxlan-group-policy) uses some of what RFC 7348 reserves, and is widely sent. */
	reserved_is_zero = (header[0] & ~(HAS_NETWORK | GROUP_POLICY)) == 0 && (header[1] & ~POLICY_FLAGS) == 0 &&
			   header[7] == 0 && (header[0] & GROUP_POLICY || load_be16(header + 2) == 0);
	if ((header[0] & HAS_NETWORK) == 0)
		return reserved_is_zero ? DECODE_BAD_VXLAN : DECODE_NOT_TCP;
	/* Reserved bits are to be ignored on receipt, so they only call for a second look. */
	if (!reserved_is_zero && !ethernet_is_plausible(in))
		return DECODE_NOT_TCP;
	if (!decode_enter_tunnel(context, TUNNEL_VXLAN))
		return DECODE_TUNNELS_TOO_DEEP;
	context->packet->tunnel_network = load_be32(header + 4) >> 8;
	return decode_ethernet(context, in);
}

static enum decode_result decode_geneve(struct decode_context *context, struct cursor in)
{
	enum { CONTROL_PACKET = 0x80 };
	const uint8_t *header;
	uint32_t options_bytes;
	uint16_t protocol;

	if (in.wire_bytes < 8)
		return DECODE_NOT_TCP;
	header = cursor_take(&in, 8);
	if (header == NULL)
		return DECODE_TRUNCATED_GENEVE;
	protocol = load_be16(header + 2);
	if (protocol != ETYPE_BRIDGED_ETHERNET && protocol != ETYPE_IPV4 && protocol != ETYPE_IPV6)
		return DECODE_NOT_TCP;
	options_bytes = (header[0] & 0x3f) * 4U;
	if (header[0] >> 6 != 0 || options_bytes > in.wire_bytes)
		return DECODE_BAD_GENEVE;
	if ((header[1] & CONTROL_PACKET) != 0)
		return DECODE_NOT_TCP;
	if (!cursor_skip(&in, options_bytes))
		return DECODE_TRUNCATED_GENEVE;
	if (!decode_enter_tunnel(context, TUNNEL_GENEVE))
		return DECODE_TUNNELS_TOO_DEEP;
	context->packet->tunnel_network = load_be32(header + 4) >> 8;
	return protocol == ETYPE_BRIDGED_ETHERNET ? decode_ethernet(context, in)
						  : decode_ethertype(context, protocol, in);
}

/* TS 29.281 5.2: each extension gives its length in words and, last, the type of the next; type 0 ends the chain. */
static enum decode_result skip_gtpu_extensions(struct cursor *in, uint8_t next_type)
{
	while (next_type != 0) {
		const uint8_t *extension = cursor_peek(in, 1);
		uint32_t extension_bytes;

		if (extension == NULL)
			return in->wire_bytes == 0 ? DECODE_BAD_GTPU : DECODE_TRUNCATED_GTPU;
		extension_bytes = extension[0] * 4U;
		if (extension_bytes == 0 || extension_bytes > in->wire_bytes)
			return DECODE_BAD_GTPU;
		if (!cursor_skip(in, extension_bytes))
			return DECODE_TRUNCATED_GTPU;
		next_type = extension[extension_bytes - 1];
	}
	return DECODE_TCP;
}

static enum decode_result decode_gtpu(struct decode_context *context, struct cursor in)
{
	enum { VERSION_AND_TYPE_MASK = 0xf0, GTPU_V1 = 0x30, OPTIONAL_FIELDS = 0x07, HAS_EXTENSION = 0x04 };
	enum { MESSAGE_USER_DATA = 255 };
	const uint8_t *header;
	const uint8_t *optional;
	const uint8_t *first;
	enum decode_result result;

	if (in.wire_bytes < 8)
		return DECODE_NOT_TCP;
	header = cursor_take(&in, 8);
	if (header == NULL)
		return DECODE_TRUNCATED_GTPU;
	if ((header[0] & VERSION_AND_TYPE_MASK) != GTPU_V1 || header[1] != MESSAGE_USER_DATA)
		return DECODE_NOT_TCP;
	if (load_be16(header + 2) > in.wire_bytes)
		return DECODE_BAD_GTPU;
	cursor_limit(&in, load_be16(header + 2));
	if ((header[0] & OPTIONAL_FIELDS) != 0) {
		if (in.wire_bytes < 4)
			return DECODE_BAD_GTPU;
		optional = cursor_take(&in, 4);
		if (optional == NULL)
			return DECODE_TRUNCATED_GTPU;
		result = skip_gtpu_extensions(&in, header[0] & HAS_EXTENSION ? optional[3] : 0);
		if (result != DECODE_TCP)
			return result;
	}
	if (!decode_enter_tunnel(context, TUNNEL_GTPU))
		return DECODE_TUNNELS_TOO_DEEP;
	first = cursor_peek(&in, 1);
	if (first == NULL)
		return in.wire_bytes == 0 ? DECODE_NOT_TCP : DECODE_TRUNCATED_GTPU;
	/* A bearer may carry Ethernet or other data, and does not say so. */
	if (first[0] >> 4 != 4 && first[0] >> 4 != 6)
		return DECODE_NOT_TCP;
	return decode_ip(context, in);
}

enum decode_result decode_udp(struct decode_context *context, struct cursor in)
{
	const struct decoder_config *config = &context->decoder->config;
	const uint8_t *header = cursor_take(&in, 8);
	uint16_t port;
	uint16_t length;

	if (header == NULL)
		return DECODE_TRUNCATED_UDP;
	port = load_be16(header + 2);
	if (port == 0)
		return DECODE_NOT_TCP;
	length = load_be16(header + 4);
	/* A length that cannot be is left to the receiver; IP's has been checked. */
	if (length >= 8)
		cursor_limit(&in, length - 8U);
	if (port == config->vxlan_port)
		return decode_vxlan(context, in);
	if (port == config->geneve_port)
		return decode_geneve(context, in);
	return port == config->gtpu_port ? decode_gtpu(context, in) : DECODE_NOT_TCP;
}
