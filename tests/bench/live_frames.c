/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * New addresses without new checksums: what is added to one half of an address is taken off the other, in the one's
 * complement arithmetic of RFC 1071, so the sum over both stays.
 */
#include "live_frames.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "random.h"

enum {
	PCAP_HEADER_BYTES = 24,
	RECORD_BYTES = 16,
	ETHERNET_BYTES = 14,
	IPV4_BYTES = 20,
	IPV4_ADDRESSES = ETHERNET_BYTES + 12,
	IPV6_ADDRESSES = ETHERNET_BYTES + 8,
	IPV6_FRAME_LEAST_BYTES = ETHERNET_BYTES + 40,
	SYN_FRAME_BYTES = ETHERNET_BYTES + IPV4_BYTES + 24,
};

struct frame_source {
	uint8_t *capture; /* mapped to be read; null: a flood */
	size_t capture_bytes;
	size_t at;
	uint32_t round; /* how often the capture began again */
	struct random random;
	uint8_t syn[SYN_FRAME_BYTES];
};

static uint32_t get_be16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

static void put_be16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static uint32_t get_le32(const uint8_t *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* --- a capture --- */

/* Records that fit into a frame, to the last byte of the file: looked at once, and then not again. */
static bool is_whole(const uint8_t *capture, size_t n_bytes)
{
	static const uint8_t magic[2][4] = { { 0xd4, 0xc3, 0xb2, 0xa1 }, { 0x4d, 0x3c, 0xb2, 0xa1 } };
	size_t at = PCAP_HEADER_BYTES;

	if (n_bytes < PCAP_HEADER_BYTES + RECORD_BYTES ||
	    (memcmp(capture, magic[0], 4) != 0 && memcmp(capture, magic[1], 4) != 0))
		return false;
	while (n_bytes - at >= RECORD_BYTES) {
		uint32_t captured = get_le32(capture + at + 8);
		uint32_t wire = get_le32(capture + at + 12);

		if (captured < IPV6_FRAME_LEAST_BYTES || captured > wire || wire > TX_FRAME_MAX_BYTES ||
		    captured > n_bytes - at - RECORD_BYTES)
			return false;
		at += RECORD_BYTES + captured;
	}
	return at == n_bytes;
}

static int map(struct frame_source *source, const char *path)
{
	struct stat status;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &status) < 0 || status.st_size == 0)
		goto fail;
	source->capture_bytes = (size_t)status.st_size;
	void *capture = mmap(NULL, source->capture_bytes, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (capture == MAP_FAILED)
		goto fail;
	close(fd);
	source->capture = capture;
	return 0;
fail:
	fprintf(stderr, "bench_sender: %s: %s\n", path, errno != 0 ? strerror(errno) : "is empty");
	if (fd >= 0)
		close(fd);
	return -1;
}

struct frame_source *frame_source_capture(const char *path)
{
	struct frame_source *source = calloc(1, sizeof(*source));

	if (source == NULL || map(source, path) < 0)
		goto fail;
	if (!is_whole(source->capture, source->capture_bytes)) {
		fprintf(stderr, "bench_sender: %s: no capture of bench_generate\n", path);
		goto fail;
	}
	source->at = PCAP_HEADER_BYTES;
	return source;
fail:
	frame_source_close(source);
	return NULL;
}

/* The last four bytes of an address. */
static void renumber(uint8_t *half, uint32_t round)
{
	uint32_t more = get_be16(half) + round;
	uint32_t less = get_be16(half + 2) + 0xffff - round;

	put_be16(half, more % 0xffff);
	put_be16(half + 2, less % 0xffff);
}

static void give_new_addresses(uint8_t *frame, uint32_t round)
{
	if (frame[ETHERNET_BYTES] >> 4 == 4) {
		renumber(frame + IPV4_ADDRESSES, round);
		renumber(frame + IPV4_ADDRESSES + 4, round);
	} else {
		renumber(frame + IPV6_ADDRESSES + 12, round);
		renumber(frame + IPV6_ADDRESSES + 28, round);
	}
}

static uint32_t next_of_capture(struct frame_source *source, uint8_t *frame)
{
	if (source->at == source->capture_bytes) {
		source->at = PCAP_HEADER_BYTES;
		source->round = (source->round + 1) % 0xffff;
	}
	const uint8_t *record = source->capture + source->at;
	uint32_t captured = get_le32(record + 8);
	uint32_t wire = get_le32(record + 12);

	memcpy(frame, record + RECORD_BYTES, captured);
	memset(frame + captured, 0, wire - captured);
	if (source->round != 0)
		give_new_addresses(frame, source->round);
	source->at += RECORD_BYTES + captured;
	return wire;
}

/* --- a flood --- */

/* The sum of RFC 1071 over an even number of bytes, not yet folded. */
static uint32_t sum_of(const uint8_t *bytes, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i += 2)
		sum += get_be16(bytes + i);
	return sum;
}

static uint32_t checksum(uint32_t sum)
{
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

struct frame_source *frame_source_flood(uint32_t address, uint16_t port, uint64_t seed)
{
	/* Everything but addresses, ports, sequence number and checksums; one option, the MSS. */
	static const uint8_t syn[SYN_FRAME_BYTES] = {
		0x02, 0,    0,    0,    0, 2, 0x02, 0, 0,  0, 0,    1,
		0x08, 0,                                                  /* locally administered addresses, IPv4 */
		0x45, 0,    0,    44,   0, 0, 0x40, 0, 64, 6, 0,    0,    /* 44 bytes, no fragment, TCP */
		10,   0,    0,    0,    0, 0, 0,    0,                    /* addresses */
		0,    0,    0,    0,    0, 0, 0,    0, 0,  0, 0,    0,    /* ports, numbers */
		0x60, 0x02, 0xfa, 0xf0, 0, 0, 0,    0, 2,  4, 0x05, 0xb4, /* SYN, window, MSS 1460 */
	};
	struct frame_source *source = calloc(1, sizeof(*source));

	if (source == NULL)
		return NULL;
	source->random.state = seed;
	memcpy(source->syn, syn, sizeof(syn));
	put_be16(source->syn + IPV4_ADDRESSES + 4, address >> 16);
	put_be16(source->syn + IPV4_ADDRESSES + 6, address);
	put_be16(source->syn + ETHERNET_BYTES + IPV4_BYTES + 2, port);
	return source;
}

static uint32_t next_of_flood(struct frame_source *source, uint8_t *frame)
{
	static const uint32_t pseudo_header = 6 + 24; /* the protocol and the length (RFC 9293, section 3.1) */
	uint64_t random = random_u64(&source->random);
	uint8_t *ip = frame + ETHERNET_BYTES;
	uint8_t *tcp = ip + IPV4_BYTES;

	memcpy(frame, source->syn, sizeof(source->syn));
	put_be16(ip + 4, (uint32_t)(random >> 40)); /* identification */
	ip[13] = (uint8_t)(random >> 32);
	put_be16(ip + 14, (uint32_t)(random >> 16));
	put_be16(tcp, 1024 + (uint32_t)(random % 60000));
	put_be16(tcp + 4, (uint32_t)(random >> 48));
	put_be16(tcp + 6, (uint32_t)(random >> 24));
	put_be16(ip + 10, checksum(sum_of(ip, IPV4_BYTES)));
	put_be16(tcp + 16, checksum(sum_of(ip + 12, SYN_FRAME_BYTES - ETHERNET_BYTES - 12) + pseudo_header));
	return SYN_FRAME_BYTES;
}

uint32_t frame_source_next(struct frame_source *source, uint8_t *frame)
{
	return source->capture != NULL ? next_of_capture(source, frame) : next_of_flood(source, frame);
}

void frame_source_close(struct frame_source *source)
{
	if (source == NULL)
		return;
	if (source->capture != NULL)
		munmap(source->capture, source->capture_bytes);
	free(source);
}
