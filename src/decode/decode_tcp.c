/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The TCP header (RFC 9293 3.1): its fields, what is wrong with them by themselves, the checksum, and a short hash by
 * which a repeated capture of one segment is told from a retransmission. What a segment means for its connection
 * is not decided here.
 */
#include <string.h>

#include "tcpwitness/base/word.h"
#include "decode_internal.h"

enum {
	TCP_HEADER_MIN_BYTES = 20,
	TCP_PORTS_BYTES = 4,
	TCP_PORTS_AND_SEQ_BYTES = 8, /* what every ICMP error must quote (RFC 792) */
	TCP_UP_TO_ACK_BYTES = 12,
	TCP_UP_TO_FLAGS_BYTES = 14,
	HASHED_BYTES_MAX = 128,
};

/* The compiler takes them for too long; as calls they would save and load again what stands in registers. */
#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* All bits of both in 64: the halves of their product. */
static inline uint64_t mix(uint64_t a, uint64_t b)
{
	__extension__ typedef unsigned __int128 product;
	const product whole = (product)a * b;

	return (uint64_t)whole ^ (uint64_t)(whole >> 64);
}

/*
 * Two segments of one connection that differ only behind the first 128 bytes still differ in the checksum,
 * which is among them. Pairs of words are mixed apart from each other, so that they need not wait for each other; the
 * place of a pair is in its mixture. The last pair may overlap the one before it.
 */
ALWAYS_INLINE uint32_t hash_bytes(const uint8_t *bytes, uint32_t n_bytes)
{
	enum { WORD_BYTES = 8, PAIR_BYTES = 2 * WORD_BYTES };
	const uint64_t first_key = UINT64_C(0x9fb21c651e98df25);
	const uint64_t second_key = UINT64_C(0xd6e8feb86659fd93);
	const uint32_t n_hashed = n_bytes < HASHED_BYTES_MAX ? n_bytes : HASHED_BYTES_MAX;
	uint8_t padded[PAIR_BYTES] = { 0 };
	const uint8_t *last = padded;
	uint64_t hash = n_bytes;

	if (n_hashed >= PAIR_BYTES)
		last = bytes + n_hashed - PAIR_BYTES;
	else
		memcpy(padded, bytes, n_hashed);
	for (uint32_t at = 0; at + PAIR_BYTES < n_hashed; at += PAIR_BYTES)
		hash ^= mix(word_load64(bytes + at) ^ (first_key + at),
			    word_load64(bytes + at + WORD_BYTES) ^ second_key);
	hash = mix(hash ^ word_load64(last) ^ second_key, word_load64(last + WORD_BYTES) ^ first_key);
	return (uint32_t)hash == 0 ? 1 : (uint32_t)hash;
}

static uint32_t hash_head(const struct packet *packet, const struct cursor *segment)
{
	uint32_t n_bytes = packet->payload_bytes < PACKET_HEAD_BYTES ? packet->payload_bytes : PACKET_HEAD_BYTES;

	if (n_bytes == 0 || packet->payload_captured_bytes < n_bytes)
		return 0;
	return hash_bytes(segment->data + packet->tcp_header_bytes, n_bytes);
}

static inline void fill_from_header(struct packet *packet, const uint8_t *header)
{
	packet->src_port = load_be16(header);
	packet->dst_port = load_be16(header + 2);
	packet->seq = load_be32(header + 4);
	packet->ack = load_be32(header + 8);
	packet->tcp_header_bytes = (uint16_t)((header[12] >> 4) * 4);
	packet->flags = load_be16(header + 12) & 0x01ff;
	packet->window = load_be16(header + 14);
	packet->urgent = load_be16(header + 18);
}

/* Of a header of which fewer than 20 bytes were captured, the fields that are there as a whole. */
static void fill_from_cut_header(struct packet *packet, const struct cursor *segment)
{
	uint8_t padded[TCP_HEADER_MIN_BYTES] = { 0 };
	uint32_t n_bytes = segment->captured_bytes;
	bool in_numbers = n_bytes >= TCP_PORTS_BYTES && n_bytes < TCP_UP_TO_ACK_BYTES;

	/* Those of four bytes begin at a multiple of four, those of two at one of two. */
	n_bytes -= n_bytes % (in_numbers ? 4U : 2U);
	if (n_bytes > 0)
		memcpy(padded, segment->data, n_bytes);
	fill_from_header(packet, padded);
}

/* One name for each cause: a null or Xmas segment is not also said to lack its ACK. */
static void judge_flags(struct packet *packet)
{
	const uint16_t flags = packet->flags;
	const uint16_t control = flags & (SEG_FIN | SEG_SYN | SEG_RST | SEG_PSH | SEG_ACK | SEG_URG);
	const uint16_t xmas = SEG_FIN | SEG_PSH | SEG_URG;
	struct anomaly_set *anomalies = &packet->anomalies;

	/* What nearly all are, and none of what follows. */
	if ((flags & (SEG_ACK | SEG_SYN | SEG_FIN | SEG_RST | SEG_URG)) == SEG_ACK)
		return;
	if ((flags & SEG_SYN) && (flags & SEG_FIN))
		anomaly_set_add(anomalies, ANOMALY_FLAGS_SYN_FIN);
	if ((flags & SEG_SYN) && (flags & SEG_RST))
		anomaly_set_add(anomalies, ANOMALY_FLAGS_SYN_RST);
	if ((flags & SEG_FIN) && (flags & SEG_RST))
		anomaly_set_add(anomalies, ANOMALY_FLAGS_FIN_RST);
	if ((flags & SEG_SYN) && (flags & SEG_URG))
		anomaly_set_add(anomalies, ANOMALY_SYN_URGENT);
	if (control == 0)
		anomaly_set_add(anomalies, ANOMALY_FLAGS_NULL);
	else if ((control & xmas) == xmas && ((control & SEG_ACK) == 0 || ((control & SEG_SYN) && (control & SEG_RST))))
		anomaly_set_add(anomalies, ANOMALY_FLAGS_XMAS);
	else if ((control & (SEG_ACK | SEG_SYN | SEG_RST)) == 0)
		anomaly_set_add(anomalies, flags & SEG_FIN ? ANOMALY_FLAGS_FIN_NO_ACK : ANOMALY_FLAGS_ACK_MISSING);
}

static bool is_multicast_or_broadcast(const struct ip_addr *addr)
{
	static const uint8_t broadcast[4] = { 255, 255, 255, 255 };

	if (addr->version == 6)
		return addr->bytes[0] == 0xff;
	return addr->bytes[0] >> 4 == 0xe || memcmp(addr->bytes, broadcast, sizeof(broadcast)) == 0;
}

static bool is_loopback(const struct ip_addr *addr)
{
	static const uint8_t loopback6[16] = { [15] = 1 };

	return addr->version == 6 ? memcmp(addr->bytes, loopback6, sizeof(loopback6)) == 0 : addr->bytes[0] == 127;
}

static void judge_fields(const struct decode_context *context)
{
	struct packet *packet = context->packet;
	struct anomaly_set *anomalies = &packet->anomalies;

	if ((packet->flags & SEG_ACK) == 0 && packet->ack != 0)
		anomaly_set_add(anomalies, ANOMALY_ACK_FIELD_WITHOUT_FLAG);
	/* RFC 6093 4: the pointer is to point into, or right behind, data that is there. */
	if ((packet->flags & SEG_URG) && (packet->urgent == 0 || packet->urgent > packet->payload_bytes))
		anomaly_set_add(anomalies, ANOMALY_URGENT_POINTER_BAD);
	if (packet->src_port == 0 || packet->dst_port == 0)
		anomaly_set_add(anomalies, ANOMALY_PORT_ZERO);
	if (packet->src_port == packet->dst_port && ip_addr_equal(&packet->src, &packet->dst))
		anomaly_set_add(anomalies, ANOMALY_LAND_PACKET);
	/* RFC 1122 3.2.1.3 (g), RFC 4291 2.5.3: such an address never leaves its host. */
	if (context->is_on_wire && (is_loopback(&packet->src) || is_loopback(&packet->dst)))
		anomaly_set_add(anomalies, ANOMALY_LOOPBACK_ON_WIRE);
	/* RFC 9293 3.9.2.3 (MUST-57): a connection has two ends. */
	if ((packet->flags & (SEG_SYN | SEG_ACK)) == SEG_SYN && is_multicast_or_broadcast(&packet->dst))
		anomaly_set_add(anomalies, ANOMALY_SYN_TO_MULTICAST);
}

static enum checksum_state judge_checksum(struct decode_context *context, const struct cursor *segment)
{
	struct decoder *decoder = context->decoder;
	struct packet *packet = context->packet;
	bool is_whole = segment->captured_bytes == segment->wire_bytes && !context->pseudo_header_unsure;
	enum tcp_checksum checksum = TCP_CHECKSUM_WRONG;
	bool is_explained;

	if (decoder->config.checksum == CHECKSUM_MODE_OFF || (!is_whole && !context->ipv4_checksum_wrong)) {
		decoder->stats.checksum_unchecked++;
		return CHECKSUM_UNCHECKED;
	}
	if (is_whole)
		checksum = checksum_verify_tcp(&packet->src, &packet->dst, segment->data, segment->wire_bytes);
	is_explained = decoder->config.checksum == CHECKSUM_MODE_AUTO &&
		       checksum_offload_explains(&decoder->offload, &packet->src, checksum);
	if (checksum == TCP_CHECKSUM_RIGHT)
		return CHECKSUM_GOOD;
	if (is_explained) {
		decoder->stats.checksum_offloaded++;
		return CHECKSUM_OFFLOADED;
	}
	decoder->stats.checksum_bad++;
	anomaly_set_add(&packet->anomalies, ANOMALY_BAD_TCP_CHECKSUM);
	return CHECKSUM_BAD;
}

/* The options and the payload's length, for a header of which 20 bytes were captured. False: bad data offset. */
ALWAYS_INLINE bool fill_behind_header(const struct decode_context *context, const struct cursor *segment)
{
	struct packet *packet = context->packet;
	const uint32_t header_bytes = packet->tcp_header_bytes;
	const uint32_t captured_bytes = segment->captured_bytes;
	const bool options_complete = captured_bytes >= header_bytes;

	if (header_bytes < TCP_HEADER_MIN_BYTES || header_bytes > segment->wire_bytes)
		return false;
	packet->payload_bytes = segment->wire_bytes - header_bytes;
	packet->payload_captured_bytes = options_complete ? captured_bytes - header_bytes : 0;
	packet->options_complete = options_complete;
	if (header_bytes > TCP_HEADER_MIN_BYTES)
		decode_tcp_options(context, segment->data + TCP_HEADER_MIN_BYTES,
				   (options_complete ? header_bytes : captured_bytes) - TCP_HEADER_MIN_BYTES,
				   options_complete);
	return true;
}

/* Only addresses, ports and sequence number are sure; what else was quoted is used and not judged. */
static enum decode_result decode_quoted_tcp(const struct decode_context *context, const struct cursor *segment)
{
	struct packet *packet = context->packet;

	if (segment->captured_bytes >= TCP_HEADER_MIN_BYTES)
		fill_from_header(packet, segment->data);
	else
		fill_from_cut_header(packet, segment);
	if (segment->captured_bytes < TCP_PORTS_AND_SEQ_BYTES)
		return DECODE_TRUNCATED_ICMP_QUOTE;
	packet->payload_hash = hash_bytes(segment->data, segment->captured_bytes);
	if (segment->captured_bytes >= TCP_HEADER_MIN_BYTES && !fill_behind_header(context, segment))
		return DECODE_BAD_TCP_DATA_OFFSET;
	if (segment->captured_bytes >= TCP_UP_TO_FLAGS_BYTES && packet->tcp_header_bytes <= segment->wire_bytes)
		packet->payload_bytes = segment->wire_bytes - packet->tcp_header_bytes;
	packet->anomalies = (struct anomaly_set){ .bits = { 0 } };
	return DECODE_TCP;
}

static enum decode_result refuse_cut_header(struct packet *packet, const struct cursor *segment)
{
	fill_from_cut_header(packet, segment);
	/* Cut by the capture: nothing is wrong with what was sent. */
	if (segment->wire_bytes >= TCP_HEADER_MIN_BYTES)
		return DECODE_TRUNCATED_TCP_HEADER;
	anomaly_set_add(&packet->anomalies, ANOMALY_TCP_HEADER_TRUNCATED);
	return DECODE_SHORT_TCP_HEADER;
}

enum decode_result decode_tcp(struct decode_context *context, struct cursor in)
{
	struct packet *packet = context->packet;

	if (context->is_quote)
		return decode_quoted_tcp(context, &in);
	if (in.captured_bytes < TCP_HEADER_MIN_BYTES)
		return refuse_cut_header(packet, &in);
	fill_from_header(packet, in.data);
	if (!fill_behind_header(context, &in)) {
		anomaly_set_add(&packet->anomalies, ANOMALY_TCP_HEADER_TRUNCATED);
		return DECODE_BAD_TCP_DATA_OFFSET;
	}
	if (context->fragment_end != NULL && context->fragment_end - in.data < packet->tcp_header_bytes)
		anomaly_set_add(&packet->anomalies, ANOMALY_FRAGMENTED_TCP_HEADER);
	packet->payload_hash = hash_bytes(in.data, in.captured_bytes);
	packet->payload_head = hash_head(packet, &in);
	judge_flags(packet);
	judge_fields(context);
	packet->checksum = judge_checksum(context, &in);
	/* Rewritten addresses spoil both checksums. With TCP's right, it is a packet that its receiver drops. */
	if (context->ipv4_checksum_wrong && packet->checksum != CHECKSUM_OFFLOADED)
		return DECODE_BAD_IPV4_CHECKSUM;
	return DECODE_TCP;
}
