/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The TCP header (RFC 9293 3.1): its fields, what is wrong with them by themselves, the checksum, and a short hash by
 * which a repeated capture of one segment is told from a retransmission. What a segment means for its connection
 * is not decided here.
 */
#include <string.h>

#include "decode_internal.h"
#include "tcp_header.h"

enum {
	TCP_PORTS_BYTES = 4,
	TCP_PORTS_AND_SEQ_BYTES = 8, /* what every ICMP error must quote (RFC 792) */
	TCP_UP_TO_ACK_BYTES = 12,
	TCP_UP_TO_FLAGS_BYTES = 14,
};

/* The compiler takes it for too long; as a call it would save and load again what stands in registers. */
#define ALWAYS_INLINE static inline __attribute__((always_inline))

uint32_t hash_few_bytes(const uint8_t *bytes, uint32_t n_bytes)
{
	uint8_t padded[HASHED_PAIR_BYTES] = { 0 };

	memcpy(padded, bytes, n_bytes);
	return hash_last_pair(n_bytes, padded);
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
	fill_from_tcp(packet, padded);
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

enum checksum_state decode_judge_wrong_checksum(struct decoder *decoder, struct packet *packet,
						enum tcp_checksum checksum)
{
	bool is_explained = decoder->config.checksum == CHECKSUM_MODE_AUTO &&
			    checksum_offload_explains(&decoder->offload, &packet->src, checksum);

	if (is_explained) {
		decoder->stats.checksum_offloaded++;
		return CHECKSUM_OFFLOADED;
	}
	decoder->stats.checksum_bad++;
	anomaly_set_add(&packet->anomalies, ANOMALY_BAD_TCP_CHECKSUM);
	return CHECKSUM_BAD;
}

static enum checksum_state check_checksum(const struct decode_context *context, const struct cursor *segment)
{
	struct decoder *decoder = context->decoder;
	struct packet *packet = context->packet;
	bool is_whole = segment->captured_bytes == segment->wire_bytes && !context->pseudo_header_unsure;
	enum tcp_checksum checksum = TCP_CHECKSUM_WRONG;

	if (decoder->config.checksum == CHECKSUM_MODE_OFF || (!is_whole && !context->ipv4_checksum_wrong)) {
		decoder->stats.checksum_unchecked++;
		return CHECKSUM_UNCHECKED;
	}
	if (is_whole)
		checksum = checksum_verify_tcp(&packet->src, &packet->dst, segment->data, segment->wire_bytes);
	return decode_judge_checksum(decoder, packet, checksum);
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
		fill_from_tcp(packet, segment->data);
	else
		fill_from_cut_header(packet, segment);
	if (segment->captured_bytes < TCP_PORTS_AND_SEQ_BYTES)
		return DECODE_TRUNCATED_ICMP_QUOTE;
	packet->payload_hash = segment->captured_bytes >= HASHED_PAIR_BYTES
				       ? hash_bytes(segment->data, segment->captured_bytes)
				       : hash_few_bytes(segment->data, segment->captured_bytes);
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
	fill_from_tcp(packet, in.data);
	if (!fill_behind_header(context, &in)) {
		anomaly_set_add(&packet->anomalies, ANOMALY_TCP_HEADER_TRUNCATED);
		return DECODE_BAD_TCP_DATA_OFFSET;
	}
	if (context->fragment_end != NULL && context->fragment_end - in.data < packet->tcp_header_bytes)
		anomaly_set_add(&packet->anomalies, ANOMALY_FRAGMENTED_TCP_HEADER);
	packet->payload_hash = hash_bytes(in.data, in.captured_bytes);
	packet->payload_head = hash_head(packet, in.data + packet->tcp_header_bytes);
	judge_flags(packet);
	judge_fields(context);
	packet->checksum = check_checksum(context, &in);
	/* Rewritten addresses spoil both checksums. With TCP's right, it is a packet that its receiver drops. */
	if (context->ipv4_checksum_wrong && packet->checksum != CHECKSUM_OFFLOADED)
		return DECODE_BAD_IPV4_CHECKSUM;
	return DECODE_TCP;
}
