/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the link-layer header to what it carries: the LINKTYPE_ values and headers of the pcap link-type registry,
 * Ethernet and IEEE 802.3 with LLC and SNAP (RFC 1042), and stacked IEEE 802.1Q tags. A frame of
 * another protocol is not an error: it is sound and not TCP.
 */
#include "decode_internal.h"

enum link_type {
	LINK_NULL = 0, /* BSD loopback, family in the order of the machine that captured */
	LINK_PPP = 9,
	LINK_RAW = 12,     /* DLT_RAW on most systems */
	LINK_RAW_BSD = 14, /* DLT_RAW on OpenBSD */
	LINK_PPP_SERIAL = 50,
	LINK_PPP_ETHERNET = 51,
	LINK_RAW_FILE = 101, /* LINKTYPE_RAW, as files have it */
	LINK_CISCO_HDLC = 104,
	LINK_LOOP = 108, /* OpenBSD loopback, family in network order */
	LINK_LINUX_SLL = 113,
	LINK_IPV4 = 228,
	LINK_IPV6 = 229,
	LINK_LINUX_SLL2 = 276,
};

enum {
	LENGTH_802_3_MAX = 1500,
	MAX_VLAN_TAGS = 8,
	SLL_PROTOCOL_802_2 = 4, /* in place of an ethertype: an LLC header follows */
	ARPHRD_NETLINK = 824,   /* what SLL calls the protocol is then a netlink family */
};

/* Address families of the systems whose loopback captures are seen in files. */
static enum decode_result decode_loopback(struct decode_context *context, struct cursor in)
{
	const uint8_t *header = cursor_take(&in, 4);
	uint32_t family;

	if (header == NULL)
		return DECODE_TRUNCATED_LINK;
	family = load_be32(header);
	/* Families are small numbers: one in the upper half was written in the other byte order. */
	if (family > UINT16_MAX)
		family = (uint32_t)header[3] << 24 | (uint32_t)header[2] << 16 | (uint32_t)header[1] << 8 | header[0];
	switch (family) {
	case 2:
		return decode_ipv4(context, in);
	case 10: /* Linux */
	case 23: /* Windows */
	case 24: /* NetBSD, OpenBSD */
	case 28: /* FreeBSD */
	case 30: /* macOS */
		return decode_ipv6(context, in);
	default:
		return DECODE_NOT_TCP;
	}
}

/* LLC, and SNAP with the two organisation codes that mean an ethertype (IEEE 802.1H). */
static enum decode_result decode_llc(struct decode_context *context, struct cursor in)
{
	enum { SNAP = 0xaaaa, IP = 0x0606, UNNUMBERED = 3, OUI_ETHERTYPE = 0x000000, OUI_BRIDGE_TUNNEL = 0x0000f8 };
	const uint8_t *llc = cursor_take(&in, 3);
	const uint8_t *snap;
	uint32_t organisation;
	uint16_t ethertype;

	if (llc == NULL)
		return DECODE_TRUNCATED_LINK;
	if (load_be16(llc) == IP && llc[2] == UNNUMBERED)
		return decode_ipv4(context, in);
	if (load_be16(llc) != SNAP || llc[2] != UNNUMBERED)
		return DECODE_NOT_TCP;
	snap = cursor_take(&in, 5);
	if (snap == NULL)
		return DECODE_TRUNCATED_LINK;
	organisation = load_be32(snap) >> 8;
	ethertype = load_be16(snap + 3);
	if (ethertype < ETYPE_FIRST || (organisation != OUI_ETHERTYPE && organisation != OUI_BRIDGE_TUNNEL))
		return DECODE_NOT_TCP;
	return decode_ethertype(context, ethertype, in);
}

/* The tag was taken off; its last two bytes say what follows. */
static bool store_vlan(struct decode_context *context, uint16_t tag)
{
	struct packet *packet = context->packet;

	if (context->n_vlan_tags++ == MAX_VLAN_TAGS)
		return false;
	if (packet->n_vlans < PACKET_MAX_VLANS)
		packet->vlans[packet->n_vlans++] = tag & VLAN_ID_MASK;
	return true;
}

enum decode_result decode_ethertype(struct decode_context *context, uint16_t ethertype, struct cursor in)
{
	const uint8_t *tag;

	for (;;) {
		switch (ethertype) {
		case ETYPE_IPV4:
			return decode_ipv4(context, in);
		case ETYPE_IPV6:
			return decode_ipv6(context, in);
		case ETYPE_VLAN:
		case ETYPE_VLAN_SERVICE:
		case ETYPE_VLAN_QINQ_9100:
		case ETYPE_VLAN_QINQ_9200:
			tag = cursor_take(&in, 4);
			if (tag == NULL)
				return DECODE_TRUNCATED_VLAN;
			if (!store_vlan(context, load_be16(tag)))
				return DECODE_TOO_MANY_VLANS;
			ethertype = load_be16(tag + 2);
			break;
		case ETYPE_MPLS:
		case ETYPE_MPLS_MULTICAST:
			return decode_mpls(context, in);
		case ETYPE_PPPOE_SESSION:
			return decode_pppoe(context, in);
		default:
			if (ethertype > LENGTH_802_3_MAX)
				return DECODE_NOT_TCP;
			cursor_limit(&in, ethertype);
			return decode_llc(context, in);
		}
	}
}

enum decode_result decode_ethernet(struct decode_context *context, struct cursor in)
{
	const uint8_t *header = cursor_take(&in, ETHERNET_HEADER_BYTES);

	if (header == NULL)
		return DECODE_TRUNCATED_LINK;
	context->is_on_wire = ethernet_has_sender(header);
	return decode_ethertype(context, load_be16(header + ETHERNET_TYPE_AT), in);
}

bool ethernet_is_plausible(struct cursor in)
{
	enum { ETYPE_ARP = 0x0806 };
	const uint8_t *header = cursor_take(&in, ETHERNET_HEADER_BYTES);
	uint16_t ethertype;

	if (header == NULL)
		return false;
	ethertype = load_be16(header + ETHERNET_TYPE_AT);
	switch (ethertype) {
	case ETYPE_IPV4:
	case ETYPE_IPV6:
	case ETYPE_ARP:
	case ETYPE_VLAN:
	case ETYPE_VLAN_SERVICE:
	case ETYPE_VLAN_QINQ_9100:
	case ETYPE_VLAN_QINQ_9200:
	case ETYPE_MPLS:
	case ETYPE_PPPOE_SESSION:
		return true;
	default:
		return ethertype <= LENGTH_802_3_MAX && ethertype <= in.wire_bytes;
	}
}

/* Both Linux cooked headers hold an ethertype; what else they hold matters only where it is none. */
static enum decode_result decode_cooked(struct decode_context *context, uint16_t hardware, uint16_t protocol,
					struct cursor in)
{
	if (hardware == ARPHRD_NETLINK)
		return DECODE_NOT_TCP;
	if (protocol == SLL_PROTOCOL_802_2)
		return decode_llc(context, in);
	return protocol < ETYPE_FIRST ? DECODE_NOT_TCP : decode_ethertype(context, protocol, in);
}

static enum decode_result decode_linux_sll(struct decode_context *context, struct cursor in)
{
	const uint8_t *header = cursor_take(&in, 16);

	if (header == NULL)
		return DECODE_TRUNCATED_LINK;
	return decode_cooked(context, load_be16(header + 2), load_be16(header + 14), in);
}

static enum decode_result decode_linux_sll2(struct decode_context *context, struct cursor in)
{
	const uint8_t *header = cursor_take(&in, 20);

	if (header == NULL)
		return DECODE_TRUNCATED_LINK;
	return decode_cooked(context, load_be16(header + 8), load_be16(header), in);
}

enum decode_result decode_link(struct decode_context *context, uint16_t link_type, struct cursor in)
{
	switch (link_type) {
	case LINK_ETHERNET:
		return decode_ethernet(context, in);
	case LINK_NULL:
	case LINK_LOOP:
		return decode_loopback(context, in);
	case LINK_PPP:
		return decode_ppp(context, in);
	case LINK_PPP_SERIAL:
		return decode_ppp_serial(context, in);
	case LINK_PPP_ETHERNET:
		return decode_pppoe(context, in);
	case LINK_CISCO_HDLC:
		return decode_cisco_hdlc(context, in);
	case LINK_RAW:
	case LINK_RAW_BSD:
	case LINK_RAW_FILE:
		return decode_ip(context, in);
	case LINK_IPV4:
		return decode_ipv4(context, in);
	case LINK_IPV6:
		return decode_ipv6(context, in);
	case LINK_LINUX_SLL:
		return decode_linux_sll(context, in);
	case LINK_LINUX_SLL2:
		return decode_linux_sll2(context, in);
	default:
		return DECODE_UNKNOWN_LINK_TYPE;
	}
}
