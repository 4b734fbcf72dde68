/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Segments as Ethernet frames in a pcap file with microseconds. All checksums are right: payloads are zero bytes,
 * so the TCP checksum does not depend on them, cut or whole.
 */
#include "frame_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	ETHERNET_BYTES = 14,
	IPV4_BYTES = 20,
	IPV6_BYTES = 40,
	TCP_BYTES = 20,
	SYN_OPTION_BYTES = 20,
	TIMESTAMP_OPTION_BYTES = 12,
	HEADERS_MAX_BYTES = ETHERNET_BYTES + IPV6_BYTES + TCP_BYTES + SYN_OPTION_BYTES,
	RECORD_BYTES = 16,
	FRAME_MAX_BYTES = 65536 + ETHERNET_BYTES,
	BUFFER_BYTES = 4 << 20,
	MSS = 1460,
	WINDOW_SCALE = 7,
	IPPROTO_TCP_NUMBER = 6,
};

struct frame_writer {
	const char *path;
	uint64_t n_left;
	uint32_t snaplen; /* 0 = whole frames */
	int fd;
	int failure; /* errno of the first write that failed */
	size_t n_used;
	uint8_t buffer[BUFFER_BYTES];
};

static uint8_t *put_be16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
	return at + 2;
}

static uint8_t *put_be32(uint8_t *at, uint32_t value)
{
	return put_be16(put_be16(at, value >> 16), value & 0xffff);
}

static uint8_t *put_le32(uint8_t *at, uint32_t value)
{
	for (unsigned shift = 0; shift < 32; shift += 8)
		*at++ = (uint8_t)(value >> shift);
	return at;
}

/* The sum of RFC 1071 over an even number of bytes, not yet folded. */
static uint32_t sum_words(const uint8_t *bytes, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static uint8_t *put_ethernet(uint8_t *at, const struct segment *segment)
{
	static const uint8_t mac[2][6] = { { 0x02, 0, 0, 0, 0, 0x01 }, { 0x02, 0, 0, 0, 0, 0x02 } };

	memcpy(at, mac[segment->to_server], 6);
	memcpy(at + 6, mac[!segment->to_server], 6);
	return put_be16(at + 12, segment->ipv6 ? 0x86dd : 0x0800);
}

static uint8_t *put_ipv4(uint8_t *at, const struct segment *segment, uint32_t tcp_bytes)
{
	uint8_t *header = at;

	at = put_be16(at, 0x4500);
	at = put_be16(at, IPV4_BYTES + tcp_bytes);
	at = put_be16(at, segment->ip_id);
	at = put_be16(at, 0x4000); /* don't fragment */
	*at++ = segment->ttl;
	*at++ = IPPROTO_TCP_NUMBER;
	uint8_t *checksum = at;
	at = put_be16(at, 0);
	memcpy(at, segment->from.addr, 4);
	memcpy(at + 4, segment->to.addr, 4);
	put_be16(checksum, fold(sum_words(header, IPV4_BYTES)));
	return at + 8;
}

static uint8_t *put_ipv6(uint8_t *at, const struct segment *segment, uint32_t tcp_bytes)
{
	at = put_be32(at, 0x60000000);
	at = put_be16(at, tcp_bytes);
	*at++ = IPPROTO_TCP_NUMBER;
	*at++ = segment->ttl;
	memcpy(at, segment->from.addr, 16);
	memcpy(at + 16, segment->to.addr, 16);
	return at + 32;
}

static uint32_t option_bytes(const struct segment *segment)
{
	if (!segment->timestamps)
		return 0;
	return segment->flags & FLAG_SYN ? SYN_OPTION_BYTES : TIMESTAMP_OPTION_BYTES;
}

static uint8_t *put_options(uint8_t *at, const struct segment *segment)
{
	if (!segment->timestamps)
		return at;
	if (segment->flags & FLAG_SYN) {
		at = put_be32(at, 0x02040000 | MSS);
		at = put_be16(at, 0x0402); /* SACK permitted */
	} else {
		at = put_be16(at, 0x0101); /* two NOPs, so that the stamps are aligned */
	}
	at = put_be16(at, 0x080a);
	at = put_be32(at, segment->ts_value);
	at = put_be32(at, segment->ts_echo);
	if (segment->flags & FLAG_SYN)
		at = put_be32(at, 0x01030300 | WINDOW_SCALE);
	return at;
}

static uint8_t *put_tcp(uint8_t *at, const struct segment *segment, uint32_t tcp_bytes)
{
	size_t addr_bytes = segment->ipv6 ? 16 : 4;
	uint32_t header_bytes = TCP_BYTES + option_bytes(segment);
	uint8_t *header = at;

	at = put_be16(at, segment->from.port);
	at = put_be16(at, segment->to.port);
	at = put_be32(at, segment->seq);
	at = put_be32(at, segment->ack);
	*at++ = (uint8_t)(header_bytes / 4 << 4);
	*at++ = segment->flags;
	at = put_be16(at, segment->window);
	uint8_t *checksum = at;
	at = put_be32(at, 0); /* with the urgent pointer */
	at = put_options(at, segment);
	uint32_t sum = sum_words(header, header_bytes) + tcp_bytes + IPPROTO_TCP_NUMBER;
	sum += sum_words(segment->from.addr, addr_bytes) + sum_words(segment->to.addr, addr_bytes);
	put_be16(checksum, fold(sum));
	return at;
}

static void flush(struct frame_writer *writer)
{
	size_t at = 0;

	while (at < writer->n_used && writer->failure == 0) {
		ssize_t n = write(writer->fd, writer->buffer + at, writer->n_used - at);
		if (n >= 0)
			at += (size_t)n;
		else if (errno != EINTR)
			writer->failure = errno;
	}
	writer->n_used = 0;
}

/* Where the next frame is to be made, behind the head of its record. */
static uint8_t *begin_frame(struct frame_writer *writer)
{
	if (BUFFER_BYTES - writer->n_used < RECORD_BYTES + FRAME_MAX_BYTES)
		flush(writer);
	return writer->buffer + writer->n_used + RECORD_BYTES;
}

static uint32_t stored_of(const struct frame_writer *writer, uint32_t wire_bytes)
{
	return writer->snaplen != 0 && writer->snaplen < wire_bytes ? writer->snaplen : wire_bytes;
}

static bool end_frame(struct frame_writer *writer, uint64_t time_ns, uint32_t wire_bytes)
{
	uint8_t *record = writer->buffer + writer->n_used;
	uint32_t stored_bytes = stored_of(writer, wire_bytes);

	put_le32(record, (uint32_t)(time_ns / 1000000000));
	put_le32(record + 4, (uint32_t)(time_ns % 1000000000 / 1000));
	put_le32(record + 8, stored_bytes);
	put_le32(record + 12, wire_bytes);
	writer->n_used += RECORD_BYTES + stored_bytes;
	return --writer->n_left > 0;
}

/* The frame is made where it will be written from; what the snap length cuts off is overwritten by the next one. */
bool frame_writer_put(struct frame_writer *writer, const struct segment *segment)
{
	uint32_t tcp_bytes = TCP_BYTES + option_bytes(segment) + segment->payload_bytes;

	if (writer->n_left == 0)
		return false;
	uint8_t *frame = begin_frame(writer);
	uint8_t *at = put_ethernet(frame, segment);
	at = segment->ipv6 ? put_ipv6(at, segment, tcp_bytes) : put_ipv4(at, segment, tcp_bytes);
	at = put_tcp(at, segment, tcp_bytes);
	uint32_t header_bytes = (uint32_t)(at - frame);
	uint32_t wire_bytes = header_bytes + segment->payload_bytes;
	uint32_t stored_bytes = stored_of(writer, wire_bytes);
	if (stored_bytes > header_bytes)
		memset(at, 0, stored_bytes - header_bytes);
	return end_frame(writer, segment->time_ns, wire_bytes);
}

bool frame_writer_put_frame(struct frame_writer *writer, uint64_t time_ns, const uint8_t *bytes, uint32_t wire_bytes)
{
	if (writer->n_left == 0)
		return false;
	memcpy(begin_frame(writer), bytes, wire_bytes);
	return end_frame(writer, time_ns, wire_bytes);
}

uint64_t frame_writer_left(const struct frame_writer *writer)
{
	return writer->n_left;
}

static void put_file_header(struct frame_writer *writer)
{
	uint8_t *header = writer->buffer;

	memset(header, 0, 24);
	put_le32(header, 0xa1b2c3d4);
	put_le32(header + 4, 4 << 16 | 2); /* version 2.4, two 16-bit numbers */
	put_le32(header + 16, writer->snaplen != 0 ? writer->snaplen : 262144);
	put_le32(header + 20, 1); /* Ethernet */
	writer->n_used = 24;
}

struct frame_writer *frame_writer_open(const char *path, uint64_t n_packets, uint32_t snaplen)
{
	struct frame_writer *writer = malloc(sizeof(*writer));

	if (writer == NULL) {
		fprintf(stderr, "bench_generate: not enough memory\n");
		return NULL;
	}
	writer->path = path;
	writer->n_left = n_packets;
	writer->snaplen = snaplen;
	writer->failure = 0;
	writer->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (writer->fd < 0) {
		fprintf(stderr, "bench_generate: %s: cannot be written: %s\n", path, strerror(errno));
		free(writer);
		return NULL;
	}
	put_file_header(writer);
	return writer;
}

int frame_writer_close(struct frame_writer *writer)
{
	flush(writer);
	if (close(writer->fd) < 0 && writer->failure == 0)
		writer->failure = errno;
	int failure = writer->failure;
	if (failure != 0)
		fprintf(stderr, "bench_generate: %s: not all could be written: %s\n", writer->path, strerror(failure));
	free(writer);
	return failure != 0 ? -1 : 0;
}
