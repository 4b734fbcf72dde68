/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The blocks that a pcapng file consists of (sections 3.1 and 3.6.1 of draft-ietf-opsawg-pcapng): where one ends,
 * which lengths are believed, and the byte order. It knows nothing of what blocks hold.
 */
#include "pcapng_block.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
	HEADER_BYTES = 8, /* type and total length */
	MAGIC_BYTES = 4,  /* of a section, behind its block's header */
	TRAILER_BYTES = 4,
	FIRST_BUFFER_BYTES = 64 * 1024,
	/* 16 MiB and the fields of a packet block. The format has no limit; this bounds what a forged length costs. */
	BLOCK_MAX_BYTES = 16 * 1024 * 1024 + 32,
};

#define BYTE_ORDER_MAGIC 0x1a2b3c4dU

int pcapng_blocks_init(struct pcapng_blocks *blocks, FILE *file)
{
	*blocks = (struct pcapng_blocks){ .file = file, .buffer_bytes = FIRST_BUFFER_BYTES };
	blocks->buffer = malloc(blocks->buffer_bytes);
	return blocks->buffer != NULL ? 0 : -1;
}

void pcapng_blocks_fini(struct pcapng_blocks *blocks)
{
	free(blocks->buffer);
}

/* Why fewer bytes came than the block has. Returns -1. */
static int cut_off(const struct pcapng_blocks *blocks, struct error *reason)
{
	if (ferror(blocks->file))
		return error_set(reason, "it cannot be read further: %s", strerror(errno));
	return error_set(reason, "the block at byte %" PRIu64 " is cut off", blocks->next_at);
}

/* The section's byte order holds for its header's length, too, and is stated behind that. Returns 0, or -1. */
static int read_byte_order(struct pcapng_blocks *blocks, struct error *reason)
{
	if (fread(blocks->buffer, 1, MAGIC_BYTES, blocks->file) != MAGIC_BYTES)
		return cut_off(blocks, reason);
	blocks->big_endian = blocks->buffer[0] == BYTE_ORDER_MAGIC >> 24;
	if (pcapng_load32(blocks, blocks->buffer) != BYTE_ORDER_MAGIC)
		return error_set(reason, "the section at byte %" PRIu64 " has no byte-order magic", blocks->next_at);
	return 0;
}

static int make_room(struct pcapng_blocks *blocks, size_t n_bytes, struct error *reason)
{
	size_t bigger_bytes = blocks->buffer_bytes;

	if (n_bytes <= blocks->buffer_bytes)
		return 0;
	while (bigger_bytes < n_bytes)
		bigger_bytes *= 2;
	uint8_t *bigger = realloc(blocks->buffer, bigger_bytes);
	if (bigger == NULL)
		return error_set(reason, "not enough memory for the block at byte %" PRIu64 " of %zu bytes",
				 blocks->next_at, n_bytes);
	blocks->buffer = bigger;
	blocks->buffer_bytes = bigger_bytes;
	return 0;
}

/* Reads what follows the header, of which n_read bytes are in the buffer already. Returns 0, or -1. */
static int read_rest(struct pcapng_blocks *blocks, uint32_t total_bytes, size_t n_read, struct error *reason)
{
	if (total_bytes < HEADER_BYTES + n_read + TRAILER_BYTES || total_bytes > BLOCK_MAX_BYTES ||
	    total_bytes % 4 != 0)
		return error_set(reason, "the block at byte %" PRIu64 " has an impossible length of %" PRIu32 " bytes",
				 blocks->next_at, total_bytes);
	size_t n_bytes = total_bytes - HEADER_BYTES;
	if (make_room(blocks, n_bytes, reason) < 0)
		return -1;
	if (fread(blocks->buffer + n_read, 1, n_bytes - n_read, blocks->file) != n_bytes - n_read)
		return cut_off(blocks, reason);
	uint32_t trailing_bytes = pcapng_load32(blocks, blocks->buffer + n_bytes - TRAILER_BYTES);
	if (trailing_bytes != total_bytes)
		return error_set(reason,
				 "the block at byte %" PRIu64 " has a length of %" PRIu32
				 " bytes by its beginning and of %" PRIu32 " by its end",
				 blocks->next_at, total_bytes, trailing_bytes);
	return 0;
}

enum pcapng_block_result pcapng_blocks_read(struct pcapng_blocks *blocks, struct pcapng_block *block,
					    struct error *reason)
{
	uint8_t header[HEADER_BYTES];
	size_t n_read = fread(header, 1, HEADER_BYTES, blocks->file);
	size_t n_magic = 0;

	if (n_read == 0 && !ferror(blocks->file))
		return PCAPNG_BLOCK_END;
	if (n_read != HEADER_BYTES) {
		cut_off(blocks, reason);
		return PCAPNG_BLOCK_DAMAGED;
	}
	block->type = pcapng_load32(blocks, header);
	/* The same in both byte orders. */
	if (block->type == PCAPNG_SECTION) {
		if (read_byte_order(blocks, reason) < 0)
			return PCAPNG_BLOCK_DAMAGED;
		n_magic = MAGIC_BYTES;
	}
	uint32_t total_bytes = pcapng_load32(blocks, header + 4);
	if (read_rest(blocks, total_bytes, n_magic, reason) < 0)
		return PCAPNG_BLOCK_DAMAGED;
	block->body = blocks->buffer;
	block->body_bytes = total_bytes - HEADER_BYTES - TRAILER_BYTES;
	block->at = blocks->next_at;
	blocks->next_at += total_bytes;
	return PCAPNG_BLOCK_READ;
}
