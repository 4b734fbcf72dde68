/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Blocks of one size, allocated once, given out and taken back. */
struct block_pool {
	unsigned char *memory;
	unsigned char *blocks; /* in it, the first at the beginning of a line of a processor's cache */
	uint32_t *returned;    /* a stack of numbers of blocks that were given back */
	size_t block_bytes;
	uint32_t n_blocks;
	uint32_t n_free; /* returned, or never used */
	uint32_t n_returned;
	uint32_t n_used; /* blocks with a smaller number have been given out at some time */
};

/* As many blocks as fit into memory_bytes, perhaps none. -1 when memory is short. */
int block_pool_init(struct block_pool *pool, size_t block_bytes, size_t memory_bytes);
void block_pool_fini(struct block_pool *pool);

/* A zeroed block, or null when all are given out. */
void *block_pool_take(struct block_pool *pool);
void block_pool_give_back(struct block_pool *pool, void *block);
