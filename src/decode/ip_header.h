/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <string.h>

#include "tcpwitness/decode/packet.h"
#include "cursor.h"

/* The fixed IP headers (RFC 791 3.1, RFC 8200 3), as the short and the long way of a frame read them. */
enum {
	IPV4_HEADER_MIN_BYTES = 20,
	IPV4_LENGTH_AT = 2,
	IPV4_FRAGMENT_AT = 6,
	IPV4_PROTOCOL_AT = 9,
	IPV4_OFFSET_MASK = 0x1fff,
	IPV4_MORE_FRAGMENTS = 0x2000,
	IPV6_HEADER_BYTES = 40,
	IPV6_LENGTH_AT = 4,
	IPV6_NEXT_HEADER_AT = 6,
};

static inline void fill_ipv4_addr(struct ip_addr *addr, const uint8_t *bytes)
{
	uint8_t padded[sizeof(addr->bytes)] = { 0 };

	memcpy(padded, bytes, 4);
	memcpy(addr->bytes, padded, sizeof(padded));
	addr->version = 4;
}

static inline void fill_from_ipv4(struct packet *packet, const uint8_t *header)
{
	packet->ttl = header[8];
	packet->ip_id = load_be16(header + 4);
	fill_ipv4_addr(&packet->src, header + 12);
	fill_ipv4_addr(&packet->dst, header + 16);
}

static inline void fill_from_ipv6(struct packet *packet, const uint8_t *header)
{
	packet->ttl = header[7];
	packet->ip_id = 0;
	packet->src.version = 6;
	packet->dst.version = 6;
	memcpy(packet->src.bytes, header + 8, sizeof(packet->src.bytes));
	memcpy(packet->dst.bytes, header + 24, sizeof(packet->dst.bytes));
}
