/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Community ID version 1 (community-id-spec): "1:" and the base64 of the SHA-1 over seed, the lower end's address,
 * the higher end's, protocol, a zero byte, and the two ports in the same order. Numbers in network order.
 */
#include "tcpwitness/events/community_id.h"

#include <string.h>
#include <sys/types.h>

#include <sha1.h>

enum {
	PROTOCOL_TCP = 6,
	/* Where in SHA-1's only block the number of hashed bits stands, of which 16 bits are not zero. */
	HASHED_BITS_AT = SHA1_BLOCK_LENGTH - 2,
};

static size_t put_bytes(uint8_t *out, size_t at, const void *bytes, size_t length)
{
	memcpy(out + at, bytes, length);
	return at + length;
}

static size_t put_uint16(uint8_t *out, size_t at, uint16_t number)
{
	const uint8_t bytes[2] = { (uint8_t)(number >> 8), (uint8_t)number };

	return put_bytes(out, at, bytes, sizeof(bytes));
}

/* FIPS 180-4 section 6.1.2, of the length bytes with which an otherwise empty block begins; 55 at most. */
static void sha1_of_block(uint8_t block[static SHA1_BLOCK_LENGTH], size_t length,
			  uint8_t digest[static SHA1_DIGEST_LENGTH])
{
	uint32_t hash[] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 };

	block[length] = 0x80;
	put_uint16(block, HASHED_BITS_AT, (uint16_t)(8 * length));
	SHA1Transform(hash, block);
	for (size_t i = 0; i < SHA1_DIGEST_LENGTH / 4; i++) {
		put_uint16(digest, 4 * i, (uint16_t)(hash[i] >> 16));
		put_uint16(digest, 4 * i + 2, (uint16_t)hash[i]);
	}
}

/* RFC 4648 section 4. Twenty bytes are six groups of three and one of two, so one '=' ends the text. */
static void base64_of_sha1(const uint8_t digest[static SHA1_DIGEST_LENGTH], char *text)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < SHA1_DIGEST_LENGTH; i += 3) {
		uint32_t group = (uint32_t)digest[i] << 16 | (uint32_t)digest[i + 1] << 8;

		if (i + 2 < SHA1_DIGEST_LENGTH)
			group |= digest[i + 2];
		*text++ = digits[group >> 18 & 63];
		*text++ = digits[group >> 12 & 63];
		*text++ = digits[group >> 6 & 63];
		*text++ = i + 2 < SHA1_DIGEST_LENGTH ? digits[group & 63] : '=';
	}
	*text = '\0';
}

const char *community_id(const struct ip_addr *src, uint16_t src_port, const struct ip_addr *dst, uint16_t dst_port,
			 char text[static COMMUNITY_ID_BYTES])
{
	int order = ip_addr_compare(src, dst);
	bool swap = order > 0 || (order == 0 && src_port > dst_port);
	const struct ip_addr *low = swap ? dst : src;
	const struct ip_addr *high = swap ? src : dst;
	size_t addr_bytes = low->version == 6 ? 16 : 4;
	static const uint8_t seed[2] = { 0, 0 };
	static const uint8_t protocol[2] = { PROTOCOL_TCP, 0 };
	uint8_t block[SHA1_BLOCK_LENGTH] = { 0 };
	uint8_t digest[SHA1_DIGEST_LENGTH];
	size_t length = 0;

	length = put_bytes(block, length, seed, sizeof(seed));
	length = put_bytes(block, length, low->bytes, addr_bytes);
	length = put_bytes(block, length, high->bytes, addr_bytes);
	length = put_bytes(block, length, protocol, sizeof(protocol));
	length = put_uint16(block, length, swap ? dst_port : src_port);
	length = put_uint16(block, length, swap ? src_port : dst_port);

	sha1_of_block(block, length, digest);
	text[0] = '1';
	text[1] = ':';
	base64_of_sha1(digest, text + 2);
	return text;
}
