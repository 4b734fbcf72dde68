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

/* The sum in 16 bits; 0xffff when data with a right checksum was added. */
uint16_t checksum_fold(uint64_t sum);

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
