/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Internet checksum (RFC 1071) and the TCP checksum with its pseudo-header (RFC 9293 3.1, RFC 8200 8.1). A wrong
 * one is told apart by its cause: an operating system that leaves checksums to its network interface
 * stores the sum of the pseudo-header alone, not complemented, and a capture on that host sees just that.
 */
#include "checksum.h"

/* Four sums apart from each other, so that no addition waits for the one before it. */
uint64_t checksum_add_blocks(uint64_t sum, const uint8_t *bytes, uint32_t n_bytes)
{
	uint64_t second = 0;
	uint64_t third = 0;
	uint64_t fourth = 0;

	for (const uint8_t *end = bytes + n_bytes; bytes < end; bytes += CHECKSUM_BLOCK_BYTES) {
		sum = checksum_add_word(sum, word_load64(bytes));
		second = checksum_add_word(second, word_load64(bytes + 8));
		third = checksum_add_word(third, word_load64(bytes + 16));
		fourth = checksum_add_word(fourth, word_load64(bytes + 24));
	}
	return checksum_add_word(checksum_add_word(sum, second), checksum_add_word(third, fourth));
}

uint64_t checksum_add_rest(uint64_t sum, const uint8_t *bytes, uint32_t n_bytes)
{
	uint8_t last[2] = { 0 };

	if ((n_bytes & 4) != 0) {
		sum = checksum_add_word(sum, word_load32(bytes));
		bytes += 4;
	}
	if ((n_bytes & 2) != 0) {
		sum = checksum_add_word(sum, word_load16(bytes));
		bytes += 2;
	}
	if ((n_bytes & 1) != 0) {
		last[0] = *bytes;
		sum = checksum_add_word(sum, word_load16(last));
	}
	return sum;
}

enum tcp_checksum checksum_explain_wrong(const struct ip_addr *src, const struct ip_addr *dst, const uint8_t *segment,
					 uint32_t n_bytes)
{
	enum { TCP_CHECKSUM_OFFSET = 16 };
	uint16_t field = word_load16(segment + TCP_CHECKSUM_OFFSET);

	if (field == 0)
		return TCP_CHECKSUM_ZERO;
	/* For segments that the interface is to cut into smaller ones, some systems leave the length out. */
	if (field == checksum_fold(checksum_add_pseudo_header(src, dst, n_bytes)) ||
	    field == checksum_fold(checksum_add_pseudo_header(src, dst, 0)))
		return TCP_CHECKSUM_PARTIAL;
	return TCP_CHECKSUM_WRONG;
}
