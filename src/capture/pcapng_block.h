/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tcpwitness/base/error.h"

#include "byte_window.h"

/* A pcapng file as a sequence of blocks. Numbers in them are in the byte order of their section. */
struct pcapng_blocks {
	struct byte_window window;
	bool big_endian;
	uint64_t next_at; /* where the next block begins in the unpacked file */
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

/* Returns 0, or -1 when memory is short. A fini is due in both cases. */
int pcapng_blocks_init(struct pcapng_blocks *blocks, struct byte_source source);
void pcapng_blocks_fini(struct pcapng_blocks *blocks);

/*
 * Reads the next block, which stays the next until it is taken, and takes over the byte order of a section's header.
 * The bodies of those before are given up.
 */
enum pcapng_block_result pcapng_blocks_read(struct pcapng_blocks *blocks, struct pcapng_block *block,
					    struct error *reason);

/*
 * The same for a block that is in memory and begins no section: the bodies of those before stay valid. False when the
 * next is none, or damaged: pcapng_blocks_read knows.
 */
bool pcapng_blocks_find(const struct pcapng_blocks *blocks, struct pcapng_block *block);

void pcapng_blocks_take(struct pcapng_blocks *blocks, const struct pcapng_block *block);

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
