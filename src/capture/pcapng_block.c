/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The blocks that a pcapng file consists of (sections 3.1 and 3.6.1 of draft-ietf-opsawg-pcapng): where one ends,
 * which lengths are believed, and the byte order. It knows nothing of what blocks hold.
 */
#include "pcapng_block.h"

#include <inttypes.h>
#include <string.h>

enum {
	HEADER_BYTES = 8, /* type and total length */
	LENGTH_AT = 4,
	MAGIC_BYTES = 4, /* of a section, behind its block's header */
	TRAILER_BYTES = 4,
	WINDOW_BYTES = 128 * 1024, /* as for pcap */
	/* 16 MiB and the fields of a packet block. The format has no limit; this bounds what a forged length costs. */
	BLOCK_MAX_BYTES = 16 * 1024 * 1024 + 32,
};

#define BYTE_ORDER_MAGIC 0x1a2b3c4dU

int pcapng_blocks_init(struct pcapng_blocks *blocks, struct byte_source source)
{
	*blocks = (struct pcapng_blocks){ .next_at = 0 };
	return byte_window_init(&blocks->window, source, WINDOW_BYTES);
}

void pcapng_blocks_fini(struct pcapng_blocks *blocks)
{
	byte_window_fini(&blocks->window);
}

/* Makes n_bytes of the next block be at hand. Returns 0, or -1 with *reason filled. */
static int fill(struct pcapng_blocks *blocks, size_t n_bytes, struct error *reason)
{
	if (byte_window_fill(&blocks->window, n_bytes))
		return 0;
	if (blocks->window.error != 0)
		return error_set(reason, "it cannot be read further: %s", strerror(blocks->window.error));
	return error_set(reason, "the block at byte %" PRIu64 " is cut off", blocks->next_at);
}

/* The section's byte order holds for its header's length, too, and is stated behind that. Returns 0, or -1. */
static int read_byte_order(struct pcapng_blocks *blocks, struct error *reason)
{
	if (fill(blocks, HEADER_BYTES + MAGIC_BYTES, reason) < 0)
		return -1;
	const uint8_t *magic = byte_window_data(&blocks->window) + HEADER_BYTES;
	blocks->big_endian = magic[0] == BYTE_ORDER_MAGIC >> 24;
	if (pcapng_load32(blocks, magic) != BYTE_ORDER_MAGIC)
		return error_set(reason, "the section at byte %" PRIu64 " has no byte-order magic", blocks->next_at);
	return 0;
}

static bool is_possible(uint32_t total_bytes, size_t least_bytes)
{
	return total_bytes >= least_bytes && total_bytes <= BLOCK_MAX_BYTES && total_bytes % 4 == 0;
}

/* The length by the end of the block, which is at hand. */
static uint32_t trailing_bytes_of(const struct pcapng_blocks *blocks, uint32_t total_bytes)
{
	return pcapng_load32(blocks, byte_window_data(&blocks->window) + total_bytes - TRAILER_BYTES);
}

/* Makes the block be at hand as a whole. Returns 0, or -1 with *reason filled. */
static int read_whole(struct pcapng_blocks *blocks, uint32_t total_bytes, size_t least_bytes, struct error *reason)
{
	if (!is_possible(total_bytes, least_bytes))
		return error_set(reason, "the block at byte %" PRIu64 " has an impossible length of %" PRIu32 " bytes",
				 blocks->next_at, total_bytes);
	if (fill(blocks, total_bytes, reason) < 0)
		return -1;
	uint32_t trailing_bytes = trailing_bytes_of(blocks, total_bytes);
	if (trailing_bytes != total_bytes)
		return error_set(reason,
				 "the block at byte %" PRIu64 " has a length of %" PRIu32
				 " bytes by its beginning and of %" PRIu32 " by its end",
				 blocks->next_at, total_bytes, trailing_bytes);
	return 0;
}

/* The block at the window's beginning, of which type and total length are known. */
static struct pcapng_block block_at_hand(const struct pcapng_blocks *blocks, uint32_t type, uint32_t total_bytes)
{
	return (struct pcapng_block){
		.type = type,
		.body_bytes = total_bytes - HEADER_BYTES - TRAILER_BYTES,
		.body = byte_window_data(&blocks->window) + HEADER_BYTES,
		.at = blocks->next_at,
	};
}

enum pcapng_block_result pcapng_blocks_read(struct pcapng_blocks *blocks, struct pcapng_block *block,
					    struct error *reason)
{
	size_t least_bytes = HEADER_BYTES + TRAILER_BYTES;

	if (fill(blocks, HEADER_BYTES, reason) < 0) {
		bool is_end = blocks->window.error == 0 && byte_window_at_hand(&blocks->window) == 0;
		return is_end ? PCAPNG_BLOCK_END : PCAPNG_BLOCK_DAMAGED;
	}
	uint32_t type = pcapng_load32(blocks, byte_window_data(&blocks->window));
	/* The same in both byte orders. */
	if (type == PCAPNG_SECTION) {
		if (read_byte_order(blocks, reason) < 0)
			return PCAPNG_BLOCK_DAMAGED;
		least_bytes += MAGIC_BYTES;
	}
	uint32_t total_bytes = pcapng_load32(blocks, byte_window_data(&blocks->window) + LENGTH_AT);
	if (read_whole(blocks, total_bytes, least_bytes, reason) < 0)
		return PCAPNG_BLOCK_DAMAGED;
	*block = block_at_hand(blocks, type, total_bytes);
	return PCAPNG_BLOCK_READ;
}

bool pcapng_blocks_find(const struct pcapng_blocks *blocks, struct pcapng_block *block)
{
	const uint8_t *header = byte_window_data(&blocks->window);
	size_t n_bytes = byte_window_at_hand(&blocks->window);

	if (n_bytes < HEADER_BYTES)
		return false;
	uint32_t type = pcapng_load32(blocks, header);
	uint32_t total_bytes = pcapng_load32(blocks, header + LENGTH_AT);
	if (type == PCAPNG_SECTION || total_bytes > n_bytes ||
	    !is_possible(total_bytes, HEADER_BYTES + TRAILER_BYTES) ||
	    trailing_bytes_of(blocks, total_bytes) != total_bytes)
		return false;
	*block = block_at_hand(blocks, type, total_bytes);
	return true;
}

void pcapng_blocks_take(struct pcapng_blocks *blocks, const struct pcapng_block *block)
{
	uint32_t total_bytes = block->body_bytes + HEADER_BYTES + TRAILER_BYTES;

	byte_window_take(&blocks->window, total_bytes);
	blocks->next_at += total_bytes;
}
