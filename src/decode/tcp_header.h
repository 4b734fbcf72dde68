/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <string.h>

#include "tcpwitness/base/word.h"
#include "tcpwitness/decode/packet.h"
#include "cursor.h"

/* The TCP header (RFC 9293 3.1), as the short and the long way of a frame read it. */
enum {
	TCP_HEADER_MIN_BYTES = 20,
	TCP_DATA_OFFSET_AT = 12,
	TCP_FLAGS_MASK = 0x01ff,
};

static inline void fill_from_tcp(struct packet *packet, const uint8_t *header)
{
	const uint32_t offset_and_flags = load_be16(header + TCP_DATA_OFFSET_AT);

	packet->tcp_header_bytes = (uint16_t)((offset_and_flags >> 12) * 4);
	packet->flags = (uint16_t)(offset_and_flags & TCP_FLAGS_MASK);
	packet->src_port = load_be16(header);
	packet->dst_port = load_be16(header + 2);
	packet->seq = load_be32(header + 4);
	packet->ack = load_be32(header + 8);
	packet->window = load_be16(header + 14);
	packet->urgent = load_be16(header + 18);
}

/* --- options --- */

enum tcp_option_kind {
	OPTION_END = 0,
	OPTION_NOP = 1,
	OPTION_MSS = 2,
	OPTION_WSCALE = 3,         /* RFC 7323 2 */
	OPTION_SACK_PERMITTED = 4, /* RFC 2018 2 */
	OPTION_SACK = 5,           /* RFC 2018 3 */
	OPTION_ECHO = 6,           /* RFC 1072; historic by RFC 6247, as all that are called obsolete here */
	OPTION_ECHO_REPLY = 7,
	OPTION_TIMESTAMP = 8,     /* RFC 7323 3 */
	OPTION_POC_PERMITTED = 9, /* RFC 1693 */
	OPTION_POC_PROFILE = 10,
	OPTION_CC = 11, /* RFC 1644 */
	OPTION_CC_NEW = 12,
	OPTION_CC_ECHO = 13,
	OPTION_ALT_CHECKSUM = 14, /* RFC 1146 */
	OPTION_ALT_CHECKSUM_DATA = 15,
	OPTION_MD5 = 19,           /* RFC 2385 */
	OPTION_AO = 29,            /* RFC 5925 2.2 */
	OPTION_MPTCP = 30,         /* RFC 8684 3 */
	OPTION_FASTOPEN = 34,      /* RFC 7413 2 */
	OPTION_EXPERIMENT_1 = 253, /* RFC 6994: an identifier follows, so that several may stand together */
	OPTION_EXPERIMENT_2 = 254,
};

/* Lengths with kind and length octets. */
enum { MSS_BYTES = 4, WSCALE_BYTES = 3, SACK_PERMITTED_BYTES = 2, TIMESTAMP_BYTES = 10 };

enum { WSCALE_MAX = 14 }; /* RFC 7323 2.3 */

/* Layouts are hashes of the kinds, as in FNV-1a. */
static inline uint32_t tcp_layout_begin(void)
{
	return 2166136261U;
}

static inline uint32_t tcp_layout_add(uint32_t layout, uint8_t kind)
{
	return (layout ^ kind) * 16777619U;
}

/* What nearly every segment behind the handshake has: the layout that RFC 7323 A recommends. False: others. */
static inline bool fill_lone_timestamp(struct tcp_options *options, const uint8_t *bytes, uint32_t n_bytes)
{
	enum { LONE_TIMESTAMP_BYTES = 12 };
	const uint32_t nop_nop_timestamp =
		OPTION_NOP << 24 | OPTION_NOP << 16 | OPTION_TIMESTAMP << 8 | TIMESTAMP_BYTES;
	uint32_t layout = tcp_layout_begin();

	if (n_bytes != LONE_TIMESTAMP_BYTES || load_be32(bytes) != nop_nop_timestamp)
		return false;
	options->present = TCPOPT_TIMESTAMP;
	options->ts_val = load_be32(bytes + 4);
	options->ts_ecr = load_be32(bytes + 8);
	layout = tcp_layout_add(layout, OPTION_NOP);
	layout = tcp_layout_add(layout, OPTION_NOP);
	options->layout = tcp_layout_add(layout, OPTION_TIMESTAMP);
	return true;
}

/* What Linux and Android put into a SYN and a SYN-ACK: MSS, SACK permitted, timestamp, NOP, window scale. */
static inline bool fill_linux_syn(struct tcp_options *options, const uint8_t *bytes, uint32_t n_bytes)
{
	enum { LINUX_SYN_BYTES = 20 };
	const uint32_t sack_permitted_timestamp =
		OPTION_SACK_PERMITTED << 24 | SACK_PERMITTED_BYTES << 16 | OPTION_TIMESTAMP << 8 | TIMESTAMP_BYTES;
	uint32_t layout = tcp_layout_begin();

	if (n_bytes != LINUX_SYN_BYTES || load_be16(bytes) != (OPTION_MSS << 8 | MSS_BYTES) ||
	    load_be32(bytes + 4) != sack_permitted_timestamp ||
	    load_be32(bytes + 16) >> 8 != (OPTION_NOP << 16 | OPTION_WSCALE << 8 | WSCALE_BYTES) ||
	    bytes[19] > WSCALE_MAX)
		return false;
	options->present = TCPOPT_MSS | TCPOPT_SACK_PERMITTED | TCPOPT_TIMESTAMP | TCPOPT_WSCALE;
	options->mss = load_be16(bytes + 2);
	options->ts_val = load_be32(bytes + 8);
	options->ts_ecr = load_be32(bytes + 12);
	options->wscale = bytes[19];
	layout = tcp_layout_add(layout, OPTION_MSS);
	layout = tcp_layout_add(layout, OPTION_SACK_PERMITTED);
	layout = tcp_layout_add(layout, OPTION_TIMESTAMP);
	layout = tcp_layout_add(layout, OPTION_NOP);
	options->layout = tcp_layout_add(layout, OPTION_WSCALE);
	return true;
}

/* --- hashes by which copies and repeats are told --- */

enum { HASHED_BYTES_MAX = 128, HASHED_PAIR_BYTES = 16 };

/* All bits of both in 64: the halves of their product. */
static inline uint64_t hash_mix(uint64_t a, uint64_t b)
{
	__extension__ typedef unsigned __int128 product;
	const uint64_t high = (uint64_t)((product)a * b >> 64);

	return a * b ^ high;
}

#define HASH_FIRST_KEY  UINT64_C(0x9fb21c651e98df25)
#define HASH_SECOND_KEY UINT64_C(0xd6e8feb86659fd93)

/* hash: of what is before the pair. 0 stands for what was not captured. */
static inline uint32_t hash_last_pair(uint64_t hash, const uint8_t *pair)
{
	hash = hash_mix(hash ^ word_load64(pair) ^ HASH_SECOND_KEY, word_load64(pair + 8) ^ HASH_FIRST_KEY);
	return (uint32_t)hash == 0 ? 1 : (uint32_t)hash;
}

/*
 * Of 16 bytes or more. Two segments of one connection that differ only behind the first 128 bytes still differ in the
 * checksum, which is among them. Pairs of words are mixed apart from each other, so that they need not wait for each
 * other; the place of a pair is in its mixture. The last pair may overlap the one before it.
 */
static inline uint32_t hash_bytes(const uint8_t *bytes, uint32_t n_bytes)
{
	const uint32_t n_hashed = n_bytes < HASHED_BYTES_MAX ? n_bytes : HASHED_BYTES_MAX;
	const uint8_t *last = bytes + n_hashed - HASHED_PAIR_BYTES;
	uint64_t key = HASH_FIRST_KEY;
	uint64_t hash = n_bytes;

	for (; bytes < last; bytes += HASHED_PAIR_BYTES, key += HASHED_PAIR_BYTES)
		hash ^= hash_mix(word_load64(bytes) ^ key, word_load64(bytes + 8) ^ HASH_SECOND_KEY);
	return hash_last_pair(hash, last);
}

/* The same of fewer, which are hashed as if zeros followed them. Seldom, so not a part of its callers. */
__attribute__((noinline)) uint32_t hash_few_bytes(const uint8_t *bytes, uint32_t n_bytes);

/* struct packet.payload_head, of a packet whose header was filled in. */
static inline uint32_t hash_head(const struct packet *packet, const uint8_t *payload)
{
	uint32_t n_bytes = packet->payload_bytes;

	if (n_bytes == 0)
		return 0;
	if (n_bytes > PACKET_HEAD_BYTES)
		n_bytes = PACKET_HEAD_BYTES;
	if (packet->payload_captured_bytes < n_bytes)
		return 0;
	return n_bytes >= HASHED_PAIR_BYTES ? hash_bytes(payload, n_bytes) : hash_few_bytes(payload, n_bytes);
}
