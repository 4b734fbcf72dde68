/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "tcpwitness/base/error.h"

/* A pcapng file as a sequence of blocks. Numbers in them are in the byte order of their section. */
struct pcapng_blocks {
	FILE *file; /* borrowed */
	bool big_endian;
	uint64_t next_at; /* where the next block begins in the unpacked file */
	uint8_t *buffer;  /* the block last read, without its header */
	size_t buffer_bytes;
};

enum pcapng_block_type {
	PCAPNG_INTERFACE = 1,
	PCAPNG_OBSOLETE_PACKET = 2,
	PCAPNG_SIMPLE_PACKET = 3,
	PCAPNG_ENHANCED_PACKET = 6,
	PCAPNG_SECTION = 0x0a0d0d0a,
};

struct pcapng_block {
	uint32_t type;       /* of enum pcapng_block_type or another */
	uint32_t body_bytes; /* at body, a multiple of 4 */
	const uint8_t *body; /* valid until the next read */
	uint64_t at;         /* where the block begins, for messages */
};

enum pcapng_block_result {
	PCAPNG_BLOCK_READ = 0,
	PCAPNG_BLOCK_END = 1,     /* the file ends behind the block before */
	PCAPNG_BLOCK_DAMAGED = 2, /* *reason says how */
};

/* file is borrowed until the fini. Returns 0, or -1 when memory is short. */
int pcapng_blocks_init(struct pcapng_blocks *blocks, FILE *file);
void pcapng_blocks_fini(struct pcapng_blocks *blocks);

/* Reads the next block, and takes over the byte order of a section's header. */
enum pcapng_block_result pcapng_blocks_read(struct pcapng_blocks *blocks, struct pcapng_block *block,
					    struct error *reason);

static inline uint16_t pcapng_load16(const struct pcapng_blocks *blocks, const uint8_t *at)
{
	return (uint16_t)(blocks->big_endian ? at[0] << 8 | at[1] : at[1] << 8 | at[0]);
}

static inline uint32_t pcapng_load32(const struct pcapng_blocks *blocks, const uint8_t *at)
{
	uint32_t first = pcapng_load16(blocks, at);
	uint32_t second = pcapng_load16(blocks, at + 2);

	return blocks->big_endian ? first << 16 | second : second << 16 | first;
}

static inline uint64_t pcapng_load64(const struct pcapng_blocks *blocks, const uint8_t *at)
{
	uint64_t first = pcapng_load32(blocks, at);
	uint64_t second = pcapng_load32(blocks, at + 4);

	return blocks->big_endian ? first << 32 | second : second << 32 | first;
}
