/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>

#include "tcpwitness/base/ip_addr.h"
#include "tcpwitness/base/word.h"
#include "ip_protocol.h"

/* A word of up to 64 bits onto a sum, see checksum_add. What leaves at the top comes in at the bottom. */
static inline uint64_t checksum_add_word(uint64_t sum, uint64_t word)
{
	sum += word;
	return sum + (sum < word);
}

enum { CHECKSUM_BLOCK_BYTES = 32 };

/* Of whole blocks, and of what is left behind whole words. */
uint64_t checksum_add_blocks(uint64_t sum, const uint8_t *bytes, uint32_t n_bytes);
uint64_t checksum_add_rest(uint64_t sum, const uint8_t *bytes, uint32_t n_bytes);

/*
 * The Internet checksum (RFC 1071) as a running sum of 16-bit words in the machine's own byte order, in which
 * it is equally valid. Only sums over an even number of bytes may be added to.
 */
static inline uint64_t checksum_add(uint64_t sum, const uint8_t *bytes, uint32_t n_bytes)
{
	/* Fewer than two blocks, as most segments have, gain nothing from sums side by side. */
	if (n_bytes >= 2 * CHECKSUM_BLOCK_BYTES) {
		const uint32_t blocks_bytes = n_bytes & ~(CHECKSUM_BLOCK_BYTES - 1U);
		sum = checksum_add_blocks(sum, bytes, blocks_bytes);
		bytes += blocks_bytes;
		n_bytes -= blocks_bytes;
	}
	for (; n_bytes >= 8; n_bytes -= 8, bytes += 8)
		sum = checksum_add_word(sum, word_load64(bytes));
	return n_bytes == 0 ? sum : checksum_add_rest(sum, bytes, n_bytes);
}

/*
 * The sum in 16 bits; 0xffff when data with a right checksum was added. A word plus itself with its halves exchanged
 * has in its upper half the sum of both, and what that carried: it came in from the lower half.
 */
static inline uint16_t checksum_fold(uint64_t sum)
{
	uint32_t half = (uint32_t)((sum + (sum << 32 | sum >> 32)) >> 32);

	return (uint16_t)((half + (half << 16 | half >> 16)) >> 16);
}

/* What a TCP segment's checksum says, with the cause where it is wrong. */
enum tcp_checksum {
	TCP_CHECKSUM_RIGHT,
	TCP_CHECKSUM_PARTIAL, /* the pseudo-header's sum alone: what a host leaves for its interface to finish */
	TCP_CHECKSUM_ZERO,    /* nothing filled in, and that does not verify */
	TCP_CHECKSUM_WRONG,
};

/* Why a segment's checksum is not right. */
enum tcp_checksum checksum_explain_wrong(const struct ip_addr *src, const struct ip_addr *dst, const uint8_t *segment,
					 uint32_t n_bytes);

/* The pseudo-header of RFC 9293 3.1 or RFC 8200 8.1. Unused bytes of an IPv4 address are zero and add nothing. */
static inline uint64_t checksum_add_pseudo_header(const struct ip_addr *src, const struct ip_addr *dst,
						  uint32_t n_bytes)
{
	const uint64_t protocol = htobe16(IPPROTO_NR_TCP);
	uint64_t sum = protocol << 32 | htobe32(n_bytes);

	sum = checksum_add_word(sum, word_load64(src->bytes));
	sum = checksum_add_word(sum, word_load64(src->bytes + 8));
	sum = checksum_add_word(sum, word_load64(dst->bytes));
	return checksum_add_word(sum, word_load64(dst->bytes + 8));
}

/* Judges a whole segment of at least 20 bytes, with its pseudo-header. */
static inline enum tcp_checksum checksum_verify_tcp(const struct ip_addr *src, const struct ip_addr *dst,
						    const uint8_t *segment, uint32_t n_bytes)
{
	const uint64_t pseudo_header = checksum_add_pseudo_header(src, dst, n_bytes);

	if (checksum_fold(checksum_add(pseudo_header, segment, n_bytes)) == 0xffff)
		return TCP_CHECKSUM_RIGHT;
	return checksum_explain_wrong(src, dst, segment, n_bytes);
}
