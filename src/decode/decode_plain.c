/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The short way of the frame that nearly all are: Ethernet with one VLAN tag or none, an IPv4 header without options or
 * an IPv6 header without extensions, no fragment, a TCP segment. Where all that stands is known before it is looked at.
 * Each condition names the rule that has nothing to say when it holds. A frame for which one does not hold goes the
 * long way, which comes to the same for the others too.
 */
#include <endian.h>

#include "tcpwitness/base/word.h"
#include "decode_internal.h"
#include "ip_header.h"
#include "tcp_header.h"

static inline bool ipv4_checksum_is_right(const uint8_t *header)
{
	uint64_t sum = checksum_add_word(word_load64(header), word_load64(header + 8));

	return checksum_fold(checksum_add_word(sum, word_load32(header + 16))) == 0xffff;
}

/*
 * As fill_ipv4_addr, into an address that is zero still. Eight bytes are written at once, because as many are read
 * again soon, and what was written in pieces has to wait until it is in the cache (no forwarding).
 */
static inline void put_ipv4_addr(struct ip_addr *addr, const uint8_t *bytes)
{
	const uint64_t padded = htole64(le32toh(word_load32(bytes)));

	memcpy(addr->bytes, &padded, sizeof(padded));
	addr->version = 4;
}

/* Moves over the header, whose 20 bytes are there, when decode_ipv4 would find nothing in it but the way to TCP. */
static inline bool take_plain_ipv4(struct packet *packet, struct cursor *in)
{
	/* Of the first eight bytes: version, header length, and whether it is a fragment. */
	const uint64_t judged = UINT64_C(0xff00000000000000) | IPV4_OFFSET_MASK | IPV4_MORE_FRAGMENTS;
	const uint64_t whole_without_options = UINT64_C(0x4500000000000000);
	const uint8_t *header = in->data;
	const uint64_t first = load_be64(header);
	const uint16_t total_bytes = (uint16_t)(first >> 32);

	/* decode_ipv4_fragment, decode_ip_payload */
	if ((first & judged) != whole_without_options || header[IPV4_PROTOCOL_AT] != IPPROTO_NR_TCP)
		return false;
	/* apply_ipv4_length, ipv4_checksum_is_good */
	if (total_bytes < IPV4_HEADER_MIN_BYTES || total_bytes > in->wire_bytes || !ipv4_checksum_is_right(header))
		return false;
	packet->ttl = header[8];
	packet->ip_id = (uint16_t)(first >> 16);
	packet->ip_bytes = total_bytes;
	put_ipv4_addr(&packet->src, header + 12);
	put_ipv4_addr(&packet->dst, header + 16);
	cursor_limit(in, total_bytes);
	return cursor_skip(in, IPV4_HEADER_MIN_BYTES);
}

static inline bool take_plain_ipv6(struct packet *packet, struct cursor *in)
{
	const uint8_t *header = cursor_take(in, IPV6_HEADER_BYTES);
	uint16_t payload_bytes;

	if (header == NULL || header[0] >> 4 != 6)
		return false;
	/* apply_ipv6_length */
	payload_bytes = load_be16(header + IPV6_LENGTH_AT);
	if (payload_bytes == 0 || payload_bytes > in->wire_bytes)
		return false;
	/* walk_extensions */
	if (header[IPV6_NEXT_HEADER_AT] != IPPROTO_NR_TCP)
		return false;
	fill_from_ipv6(packet, header);
	packet->ip_bytes = saturate_u16(payload_bytes + IPV6_HEADER_BYTES);
	cursor_limit(in, payload_bytes);
	return true;
}

/* Moves *in from the frame's beginning to its TCP segment. False, with *in wherever it is then: it is not plain. */
static inline bool find_plain_segment(struct packet *packet, struct cursor *in)
{
	enum { VLAN_TAG_BYTES = 4, LEAST_BYTES = ETHERNET_HEADER_BYTES + VLAN_TAG_BYTES + IPV4_HEADER_MIN_BYTES };
	const uint8_t *frame = in->data;
	uint32_t link_bytes = ETHERNET_HEADER_BYTES;
	uint16_t ethertype;
	bool is_plain = false;

	/* The one bound for what is read of Ethernet, the tag and IPv4; a segment is longer. */
	if (in->captured_bytes < LEAST_BYTES)
		return false;
	ethertype = load_be16(frame + ETHERNET_TYPE_AT);
	if (ethertype == ETYPE_VLAN) {
		link_bytes += VLAN_TAG_BYTES;
		ethertype = load_be16(frame + ETHERNET_HEADER_BYTES + 2);
	}
	if (!cursor_skip(in, link_bytes))
		return false;
	if (ethertype == ETYPE_IPV4)
		is_plain = take_plain_ipv4(packet, in);
	else if (ethertype == ETYPE_IPV6)
		is_plain = take_plain_ipv6(packet, in);
	if (!is_plain)
		return false;
	if (link_bytes > ETHERNET_HEADER_BYTES) {
		packet->vlans[0] = load_be16(frame + ETHERNET_HEADER_BYTES) & VLAN_ID_MASK;
		packet->n_vlans = 1;
	}
	return true;
}

/* Of neither version is it a loopback address, 127.0.0.0/8 or ::1. */
static inline bool is_of_the_wire(const struct ip_addr *addr)
{
	return addr->bytes[0] != 127 && addr->bytes[0] != 0;
}

/* decode_tcp.c, judge_flags: it has nothing to say of these, whatever PSH and the flags of ECN are. */
static inline bool has_plain_flags(uint32_t flags)
{
	enum { JUDGED = SEG_FIN | SEG_SYN | SEG_RST | SEG_ACK | SEG_URG };
	const uint64_t one = 1;
	const uint64_t plain = one << SEG_ACK | one << (SEG_ACK | SEG_FIN) | one << SEG_SYN |
			       one << (SEG_SYN | SEG_ACK) | one << SEG_RST | one << (SEG_RST | SEG_ACK);

	return (plain >> (flags & JUDGED) & 1) != 0;
}

/* decode_tcp.c, judge_fields, of a segment without ACK. Of IPv4, 255 stands for the one address of broadcast. */
static inline bool may_lack_ack(const struct packet *packet)
{
	const uint8_t first = packet->dst.bytes[0];

	return packet->ack == 0 && first != 0xff && (first >> 4 != 0xe || packet->dst.version == 6);
}

/* decode_tcp.c, judge_flags and judge_fields: a segment in good order, between two ports of two hosts. */
static inline bool has_plain_fields(const struct packet *packet)
{
	return has_plain_flags(packet->flags) && packet->src_port != packet->dst_port && packet->src_port != 0 &&
	       packet->dst_port != 0 && is_of_the_wire(&packet->src) && is_of_the_wire(&packet->dst) &&
	       ((packet->flags & SEG_ACK) != 0 || may_lack_ack(packet));
}

/* No options, or what nearly all segments have of them. */
static inline bool fill_plain_options(struct packet *packet, const uint8_t *header, uint32_t header_bytes)
{
	const uint8_t *options = header + TCP_HEADER_MIN_BYTES;
	const uint32_t options_bytes = header_bytes - TCP_HEADER_MIN_BYTES;

	return header_bytes == TCP_HEADER_MIN_BYTES || fill_lone_timestamp(&packet->options, options, options_bytes) ||
	       fill_linux_syn(&packet->options, options, options_bytes);
}

/* What decode_tcp does with a segment in which it finds nothing to judge but its checksum. False: with others. */
static inline bool take_plain_tcp(struct decoder *decoder, struct packet *packet, const struct cursor *in)
{
	const uint8_t *header = in->data;
	uint32_t header_bytes;

	if (in->captured_bytes < TCP_HEADER_MIN_BYTES)
		return false;
	fill_from_tcp(packet, header);
	header_bytes = packet->tcp_header_bytes;
	if (header_bytes > in->captured_bytes || !has_plain_fields(packet) ||
	    !fill_plain_options(packet, header, header_bytes))
		return false;
	packet->options_complete = true;
	packet->payload_bytes = in->wire_bytes - header_bytes;
	packet->payload_captured_bytes = in->captured_bytes - header_bytes;
	packet->payload_hash = hash_bytes(header, in->captured_bytes);
	packet->payload_head = hash_head(packet, header + header_bytes);
	if (decoder->config.checksum == CHECKSUM_MODE_OFF || in->captured_bytes != in->wire_bytes)
		decoder->stats.checksum_unchecked++;
	else
		packet->checksum = decode_judge_checksum(
			decoder, packet, checksum_verify_tcp(&packet->src, &packet->dst, header, in->wire_bytes));
	return true;
}

/* Both of these need room on the stack for what the short way does without, so they are no part of their caller. */
__attribute__((noinline)) static enum decode_result decode_long_way(struct decoder *decoder, uint16_t link_type,
								    struct cursor in, struct packet *packet)
{
	struct decode_context context = { .decoder = decoder, .packet = packet };

	return decode_link(&context, link_type, in);
}

/* A segment behind plain headers in which there is something to judge. */
__attribute__((noinline)) static enum decode_result decode_segment(struct decoder *decoder, const uint8_t *frame,
								   struct cursor segment, struct packet *packet)
{
	struct decode_context context = {
		.decoder = decoder,
		.packet = packet,
		.is_on_wire = ethernet_has_sender(frame),
	};

	return decode_tcp(&context, segment);
}

enum decode_result decode_frame(struct decoder *decoder, uint16_t link_type, struct cursor in, struct packet *packet)
{
	struct cursor segment = in;

	if (link_type != LINK_ETHERNET || decoder->no_short_way || !find_plain_segment(packet, &segment))
		return decode_long_way(decoder, link_type, in, packet);
	if (take_plain_tcp(decoder, packet, &segment))
		return DECODE_TCP;
	return decode_segment(decoder, in.data, segment, packet);
}
