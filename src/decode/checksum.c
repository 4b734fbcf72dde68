/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Internet checksum (RFC 1071) and the TCP checksum with its pseudo-header (RFC 9293 3.1, RFC 8200 8.1). A wrong
 * one is told apart by its cause: an operating system that leaves checksums to its network interface
 * stores the sum of the pseudo-header alone, not complemented, and a capture on that host sees just that.
 */
#include "checksum.h"

#include <string.h>

#include "decode_internal.h"

enum { TCP_CHECKSUM_OFFSET = 16 };

uint64_t checksum_add(uint64_t sum, const uint8_t *bytes, uint32_t n_bytes)
{
	uint64_t low = 0;
	uint64_t high = 0;
	uint32_t word;

	while (n_bytes >= 8) {
		uint32_t second;

		memcpy(&word, bytes, sizeof(word));
		memcpy(&second, bytes + sizeof(word), sizeof(second));
		low += word;
		high += second;
		bytes += 8;
		n_bytes -= 8;
	}
	sum += low + high;
	if (n_bytes >= sizeof(word)) {
		memcpy(&word, bytes, sizeof(word));
		sum += word;
		bytes += sizeof(word);
		n_bytes -= (uint32_t)sizeof(word);
	}
	word = 0;
	for (uint32_t i = 0; i < n_bytes; i++)
		((uint8_t *)&word)[i] = bytes[i];
	return sum + word;
}

uint16_t checksum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

enum tcp_checksum checksum_verify_tcp(const struct ip_addr *src, const struct ip_addr *dst, const uint8_t *segment,
				      uint32_t n_bytes)
{
	const uint8_t protocol[2] = { 0, IPPROTO_NR_TCP };
	const uint8_t length[4] = { (uint8_t)(n_bytes >> 24), (uint8_t)(n_bytes >> 16), (uint8_t)(n_bytes >> 8),
				    (uint8_t)n_bytes };
	uint64_t without_length = 0;
	uint64_t pseudo_header;
	uint16_t field;

	/* Unused bytes of an IPv4 address are zero and add nothing. */
	without_length = checksum_add(without_length, src->bytes, sizeof(src->bytes));
	without_length = checksum_add(without_length, dst->bytes, sizeof(dst->bytes));
	without_length = checksum_add(without_length, protocol, sizeof(protocol));
	pseudo_header = checksum_add(without_length, length, sizeof(length));
	if (checksum_fold(checksum_add(pseudo_header, segment, n_bytes)) == 0xffff)
		return TCP_CHECKSUM_RIGHT;

	memcpy(&field, segment + TCP_CHECKSUM_OFFSET, sizeof(field));
	if (field == 0)
		return TCP_CHECKSUM_ZERO;
	/* For segments that the interface is to cut into smaller ones, some systems leave the length out. */
	if (field == checksum_fold(pseudo_header) || field == checksum_fold(without_length))
		return TCP_CHECKSUM_PARTIAL;
	return TCP_CHECKSUM_WRONG;
}
