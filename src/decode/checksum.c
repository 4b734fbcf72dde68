/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Internet checksum (RFC 1071) and the TCP checksum with its pseudo-header (RFC 9293 3.1, RFC 8200 8.1). A wrong
 * one is told apart by its cause: an operating system that leaves checksums to its network interface
 * stores the sum of the pseudo-header alone, not complemented, and a capture on that host sees just that.
 */
#include "checksum.h"

#include <endian.h>

#include "tcpwitness/base/word.h"
#include "decode_internal.h"

enum {
	TCP_CHECKSUM_OFFSET = 16,
	BLOCK_BYTES = 32, /* that are summed at once */
};

/* Four sums apart from each other, so that no addition waits for the one before it. n_bytes is a multiple of 32. */
static uint64_t add_blocks(uint64_t sum, const uint8_t *bytes, uint32_t n_bytes)
{
	uint64_t second = 0;
	uint64_t third = 0;
	uint64_t fourth = 0;

	for (const uint8_t *end = bytes + n_bytes; bytes < end; bytes += BLOCK_BYTES) {
		sum = checksum_add_word(sum, word_load64(bytes));
		second = checksum_add_word(second, word_load64(bytes + 8));
		third = checksum_add_word(third, word_load64(bytes + 16));
		fourth = checksum_add_word(fourth, word_load64(bytes + 24));
	}
	return checksum_add_word(checksum_add_word(sum, second), checksum_add_word(third, fourth));
}

static inline uint64_t add_bytes(uint64_t sum, const uint8_t *bytes, uint32_t n_bytes)
{
	uint32_t blocks_bytes = n_bytes & ~(BLOCK_BYTES - 1U);
	uint8_t last[2] = { 0 };

	if (blocks_bytes > 0) {
		sum = add_blocks(sum, bytes, blocks_bytes);
		bytes += blocks_bytes;
	}
	for (uint32_t n_words = n_bytes % BLOCK_BYTES / 8; n_words > 0; n_words--, bytes += 8)
		sum = checksum_add_word(sum, word_load64(bytes));
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

uint64_t checksum_add(uint64_t sum, const uint8_t *bytes, uint32_t n_bytes)
{
	return add_bytes(sum, bytes, n_bytes);
}

/* Why it is not right. The sums are of the pseudo-header. */
static enum tcp_checksum explain_wrong(const uint8_t *segment, uint64_t with_length, uint64_t without_length)
{
	uint16_t field = word_load16(segment + TCP_CHECKSUM_OFFSET);

	if (field == 0)
		return TCP_CHECKSUM_ZERO;
	/* For segments that the interface is to cut into smaller ones, some systems leave the length out. */
	if (field == checksum_fold(with_length) || field == checksum_fold(without_length))
		return TCP_CHECKSUM_PARTIAL;
	return TCP_CHECKSUM_WRONG;
}

/* Unused bytes of an IPv4 address are zero and add nothing. */
static inline uint64_t sum_addr(const struct ip_addr *addr)
{
	return checksum_add_word(word_load64(addr->bytes), word_load64(addr->bytes + 8));
}

enum tcp_checksum checksum_verify_tcp(const struct ip_addr *src, const struct ip_addr *dst, const uint8_t *segment,
				      uint32_t n_bytes)
{
	const uint64_t protocol = htobe16(IPPROTO_NR_TCP);
	uint64_t addrs = checksum_add_word(sum_addr(src), sum_addr(dst));
	uint64_t pseudo_header = checksum_add_word(addrs, protocol << 32 | htobe32(n_bytes));

	if (checksum_fold(add_bytes(pseudo_header, segment, n_bytes)) == 0xffff)
		return TCP_CHECKSUM_RIGHT;
	return explain_wrong(segment, pseudo_header, checksum_add_word(addrs, protocol));
}
