/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "floor_table.h"

/* The headers of an Ethernet frame that holds a TCP segment, read as barely as can be. */
struct floor_frame {
	const uint8_t *data;
	uint32_t stored_bytes;
	uint32_t wire_bytes;
	uint64_t time_ns;
};

struct floor_headers {
	const uint8_t *addrs; /* source, then destination */
	const uint8_t *tcp;
	bool ipv6;
	uint32_t digest; /* of ports, numbers, flags and window: all that a tracker would look at */
};

#define ALWAYS_INLINE static inline __attribute__((always_inline))

ALWAYS_INLINE uint32_t be16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

ALWAYS_INLINE uint32_t be32(const uint8_t *at)
{
	uint32_t word;

	memcpy(&word, at, sizeof(word));
	return __builtin_bswap32(word);
}

ALWAYS_INLINE uint64_t be64(const uint8_t *at)
{
	return (uint64_t)be32(at) << 32 | be32(at + 4);
}

ALWAYS_INLINE uint32_t le32(const uint8_t *at)
{
	return __builtin_bswap32(be32(at));
}

/* Offset of the TCP header in an Ethernet frame, or 0. */
ALWAYS_INLINE uint32_t floor_find_tcp(const uint8_t *data, uint32_t n_bytes, bool *ipv6)
{
	*ipv6 = false;
	if (n_bytes >= 14 + 20 && be16(data + 12) == 0x0800 && data[14 + 9] == 6)
		return 14 + 4 * (data[14] & 15U);
	*ipv6 = true;
	if (n_bytes >= 14 + 40 && be16(data + 12) == 0x86dd && data[14 + 6] == 6)
		return 14 + 40;
	return 0;
}

/* False when it holds no TCP header. */
ALWAYS_INLINE bool floor_read_headers(const struct floor_frame *frame, struct floor_headers *headers)
{
	uint32_t at = floor_find_tcp(frame->data, frame->stored_bytes, &headers->ipv6);

	if (at == 0 || at + 20 > frame->stored_bytes)
		return false;
	const uint8_t *tcp = frame->data + at;
	headers->tcp = tcp;
	headers->addrs = frame->data + 14 + (headers->ipv6 ? 8 : 12);
	headers->digest = be32(tcp) ^ be32(tcp + 4) ^ be32(tcp + 8) ^ tcp[13] ^ be16(tcp + 14);
	return true;
}

ALWAYS_INLINE void floor_fill_end(const struct floor_key *key, struct floor_end *end, bool ipv6, const uint8_t *addr,
				  const uint8_t *port)
{
	end->high = ipv6 ? be64(addr) : 0;
	end->low = ipv6 ? be64(addr + 8) : be32(addr);
	end->port = (uint16_t)be16(port);
	floor_digest(key, end, ipv6);
}

/* Which connection it belongs to, hashed. */
ALWAYS_INLINE void floor_fill_segment(const struct floor_key *key, const struct floor_frame *frame,
				      const struct floor_headers *headers, struct floor_segment *segment)
{
	uint32_t addr_bytes = headers->ipv6 ? 16 : 4;

	segment->time_ns = frame->time_ns;
	segment->wire_bytes = frame->wire_bytes;
	floor_fill_end(key, &segment->ends[0], headers->ipv6, headers->addrs, headers->tcp);
	floor_fill_end(key, &segment->ends[1], headers->ipv6, headers->addrs + addr_bytes, headers->tcp + 2);
	floor_identify(key, segment);
}
