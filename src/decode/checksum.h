/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tcpwitness/base/ip_addr.h"

/*
 * The Internet checksum (RFC 1071) as a running sum of 16-bit words in the machine's own byte order, in which
 * it is equally valid. Only sums over an even number of bytes may be added to.
 */
uint64_t checksum_add(uint64_t sum, const uint8_t *bytes, uint32_t n_bytes);

/* The same of one word of up to 64 bits. What leaves at the top comes in at the bottom. */
static inline uint64_t checksum_add_word(uint64_t sum, uint64_t word)
{
	sum += word;
	return sum + (sum < word);
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

/* Judges a whole segment of at least 20 bytes, with the pseudo-header of RFC 9293 3.1 or RFC 8200 8.1. */
enum tcp_checksum checksum_verify_tcp(const struct ip_addr *src, const struct ip_addr *dst, const uint8_t *segment,
				      uint32_t n_bytes);
