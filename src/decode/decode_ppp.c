/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PPP (RFC 1661) with and without HDLC framing (RFC 1662), PPP over Ethernet (RFC 2516) and Cisco HDLC, which
 * shares PPP's links. Compressed TCP/IP headers (RFC 1144) and multilink bundles are counted as not TCP:
 * they cannot be read without state that the capture may not hold.
 */
#include "decode_internal.h"

enum {
	HDLC_ADDRESS_ALL = 0xff,
	HDLC_CONTROL_UI = 0x03,
	CISCO_UNICAST = 0x0f,
	CISCO_MULTICAST = 0x8f,
	PPP_IPV4 = 0x0021,
	PPP_IPV6 = 0x0057,
	PPP_MPLS = 0x0281,
	PPP_MPLS_MULTICAST = 0x0283,
	PPPOE_VERSION_TYPE = 0x11,
	PPPOE_CODE_SESSION = 0,
	PPPOE_HEADER_BYTES = 6,
};

enum decode_result decode_ppp(struct decode_context *context, struct cursor in)
{
	const uint8_t *header = cursor_peek(&in, 2);
	uint16_t protocol;

	if (header == NULL)
		return DECODE_TRUNCATED_PPP;
	if (header[0] == HDLC_ADDRESS_ALL && header[1] == HDLC_CONTROL_UI && !cursor_skip(&in, 2))
		return DECODE_TRUNCATED_PPP;
	header = cursor_take(&in, 1);
	if (header == NULL)
		return DECODE_TRUNCATED_PPP;
	protocol = header[0];
	/* RFC 1661 6.5: an odd first octet is the whole, compressed, protocol field. */
	if ((protocol & 1) == 0) {
		header = cursor_take(&in, 1);
		if (header == NULL)
			return DECODE_TRUNCATED_PPP;
		protocol = (uint16_t)(protocol << 8 | header[0]);
	}
	switch (protocol) {
	case PPP_IPV4:
		return decode_ipv4(context, in);
	case PPP_IPV6:
		return decode_ipv6(context, in);
	case PPP_MPLS:
	case PPP_MPLS_MULTICAST:
		return decode_mpls(context, in);
	default:
		return DECODE_NOT_TCP;
	}
}

enum decode_result decode_ppp_serial(struct decode_context *context, struct cursor in)
{
	const uint8_t *address = cursor_peek(&in, 1);

	if (address != NULL && (address[0] == CISCO_UNICAST || address[0] == CISCO_MULTICAST))
		return decode_cisco_hdlc(context, in);
	return decode_ppp(context, in);
}

enum decode_result decode_cisco_hdlc(struct decode_context *context, struct cursor in)
{
	const uint8_t *header = cursor_take(&in, 4);
	uint16_t protocol;

	if (header == NULL)
		return DECODE_TRUNCATED_PPP;
	protocol = load_be16(header + 2);
	return protocol < ETYPE_FIRST ? DECODE_NOT_TCP : decode_ethertype(context, protocol, in);
}

enum decode_result decode_pppoe(struct decode_context *context, struct cursor in)
{
	const uint8_t *header = cursor_take(&in, PPPOE_HEADER_BYTES);
	uint16_t length;

	if (header == NULL)
		return DECODE_TRUNCATED_PPPOE;
	if (header[0] != PPPOE_VERSION_TYPE)
		return DECODE_BAD_PPPOE;
	/* Discovery packets, which have a link type of their own beside the session's. */
	if (header[1] != PPPOE_CODE_SESSION)
		return DECODE_NOT_TCP;
	length = load_be16(header + 4);
	if (length > in.wire_bytes)
		return DECODE_BAD_PPPOE;
	cursor_limit(&in, length);
	return decode_ppp(context, in);
}
