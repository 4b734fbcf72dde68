/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * Every block of pcapng that the reader knows (draft-ietf-opsawg-pcapng, section 4 and appendix A), and how to write
 * one that it does not. Include capture_builder.h before.
 */

enum {
	BLOCK_INTERFACE = 1,
	BLOCK_OBSOLETE_PACKET = 2,
	BLOCK_SIMPLE_PACKET = 3,
	BLOCK_NAMES = 4,
	BLOCK_STATISTICS = 5,
	BLOCK_ENHANCED_PACKET = 6,
	BLOCK_CUSTOM = 0x0bad,
	OPTION_END = 0,
	OPTION_COMMENT = 1,
	OPTION_TSRESOL = 9,
	OPTION_TSOFFSET = 14,
	TSRESOL_BASE_2 = 0x80,
	LINK_LINUX_SLL = 113,
	LINK_RAW_IPV4 = 228,
	/* What libpcap makes of LINK_RAW_IP on this system. */
	DLT_OF_RAW_IP = 12,
};

/* A capture under construction, with the byte order of its section. */
struct pcapng {
	struct bytes *bytes;
	bool big_endian;
	size_t block_at; /* where the block being written begins */
};

static inline void put_u16(struct pcapng *pcapng, uint16_t value)
{
	put_int(pcapng->bytes, pcapng->big_endian, value, 2);
}

static inline void put_u32(struct pcapng *pcapng, uint32_t value)
{
	put_int(pcapng->bytes, pcapng->big_endian, value, 4);
}

static inline void pad(struct pcapng *pcapng)
{
	while (pcapng->bytes->n % 4 != 0)
		put(pcapng->bytes, "", 1);
}

static inline void begin_block(struct pcapng *pcapng, uint32_t type)
{
	pcapng->block_at = pcapng->bytes->n;
	put_u32(pcapng, type);
	put_u32(pcapng, 0); /* until the end_block */
}

/* Writes the length at both ends. */
static inline void end_block(struct pcapng *pcapng)
{
	size_t end = pcapng->bytes->n;
	uint32_t block_bytes = (uint32_t)(end + 4 - pcapng->block_at);

	pcapng->bytes->n = pcapng->block_at + 4;
	put_u32(pcapng, block_bytes);
	pcapng->bytes->n = end;
	put_u32(pcapng, block_bytes);
}

static inline void put_section(struct pcapng *pcapng)
{
	put_pcapng_section(pcapng->bytes, pcapng->big_endian);
}

static inline struct pcapng pcapng_new(bool big_endian)
{
	struct pcapng pcapng = { .bytes = bytes_new(), .big_endian = big_endian };

	put_section(&pcapng);
	return pcapng;
}

static inline void put_option(struct pcapng *pcapng, uint16_t code, const void *value, uint16_t n)
{
	put_u16(pcapng, code);
	put_u16(pcapng, n);
	put(pcapng->bytes, value, n);
	pad(pcapng);
}

/* Without options, thus in microseconds. */
static inline void put_interface(struct pcapng *pcapng, uint16_t link_type, uint32_t snaplen)
{
	begin_block(pcapng, BLOCK_INTERFACE);
	put_u16(pcapng, link_type);
	put_u16(pcapng, 0);
	put_u32(pcapng, snaplen);
	end_block(pcapng);
}

/* With options around those of the clock, as capture programs have it, and without the mark at their end. */
static inline void put_clock_interface(struct pcapng *pcapng, uint8_t tsresol, int64_t tsoffset)
{
	uint64_t offset = (uint64_t)tsoffset;

	begin_block(pcapng, BLOCK_INTERFACE);
	put_u16(pcapng, LINK_ETHERNET);
	put_u16(pcapng, 0);
	put_u32(pcapng, 0);
	put_option(pcapng, OPTION_COMMENT, "five!", 5);
	put_option(pcapng, OPTION_TSRESOL, &tsresol, 1);
	put_u16(pcapng, OPTION_TSOFFSET);
	put_u16(pcapng, 8);
	put_u32(pcapng, (uint32_t)(pcapng->big_endian ? offset >> 32 : offset));
	put_u32(pcapng, (uint32_t)(pcapng->big_endian ? offset : offset >> 32));
	put_option(pcapng, OPTION_COMMENT, "", 0);
	end_block(pcapng);
}

static inline void put_enhanced(struct pcapng *pcapng, uint32_t interface, uint64_t ticks, const void *data,
				uint32_t captured_bytes, uint32_t wire_bytes)
{
	begin_block(pcapng, BLOCK_ENHANCED_PACKET);
	put_u32(pcapng, interface);
	put_u32(pcapng, (uint32_t)(ticks >> 32));
	put_u32(pcapng, (uint32_t)ticks);
	put_u32(pcapng, captured_bytes);
	put_u32(pcapng, wire_bytes);
	put(pcapng->bytes, data, captured_bytes);
	pad(pcapng);
	put_option(pcapng, OPTION_COMMENT, "why", 3);
	put_option(pcapng, OPTION_END, "", 0);
	end_block(pcapng);
}

static inline void put_obsolete(struct pcapng *pcapng, uint16_t interface, uint64_t ticks, const void *data,
				uint32_t captured_bytes, uint32_t wire_bytes)
{
	begin_block(pcapng, BLOCK_OBSOLETE_PACKET);
	put_u16(pcapng, interface);
	put_u16(pcapng, UINT16_MAX); /* dropped packets: unknown */
	put_u32(pcapng, (uint32_t)(ticks >> 32));
	put_u32(pcapng, (uint32_t)ticks);
	put_u32(pcapng, captured_bytes);
	put_u32(pcapng, wire_bytes);
	put(pcapng->bytes, data, captured_bytes);
	pad(pcapng);
	end_block(pcapng);
}

static inline void put_simple(struct pcapng *pcapng, const void *data, uint32_t captured_bytes, uint32_t wire_bytes)
{
	begin_block(pcapng, BLOCK_SIMPLE_PACKET);
	put_u32(pcapng, wire_bytes);
	put(pcapng->bytes, data, captured_bytes);
	pad(pcapng);
	end_block(pcapng);
}

/* A block that holds no packet, of any type and size. */
static inline void put_other(struct pcapng *pcapng, uint32_t type, size_t body_bytes)
{
	begin_block(pcapng, type);
	for (size_t i = 0; i < body_bytes; i++)
		put(pcapng->bytes, "\x5a", 1);
	pad(pcapng);
	end_block(pcapng);
}

/* put_frame's frame to the port on links of other types. Returns its length. */
static inline uint32_t build_frame(uint8_t frame[static 64], uint16_t link_type, uint16_t port)
{
	enum { ETHERNET_BYTES = 14, SLL_BYTES = 16 };
	struct bytes *ethernet = bytes_new();
	uint32_t header_bytes = 0;

	put_frame(ethernet, port);
	if (link_type == LINK_ETHERNET)
		header_bytes = ETHERNET_BYTES;
	else if (link_type == LINK_LINUX_SLL)
		header_bytes = SLL_BYTES;
	memset(frame, 0, 64);
	if (header_bytes > 0)
		frame[header_bytes - 2] = 0x08; /* IPv4, in both kinds of header */
	memcpy(frame + header_bytes, ethernet->data + ETHERNET_BYTES, FRAME_BYTES - ETHERNET_BYTES);
	free(ethernet);
	return header_bytes + FRAME_BYTES - ETHERNET_BYTES;
}

/* n frames to ports 1 .. n, one second apart from second 1000 on. */
static inline struct bytes *pcapng_with_frames(uint16_t n)
{
	struct bytes *bytes = bytes_new();

	put_pcapng_section(bytes, false);
	put_pcapng_interface(bytes, false, LINK_ETHERNET, 6);
	for (uint16_t i = 1; i <= n; i++)
		put_pcapng_frame(bytes, false, (999U + i) * UINT64_C(1000000), i);
	return bytes;
}
