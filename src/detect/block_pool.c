/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parts of summaries that only some keys have.
 */
#include "block_pool.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tcpwitness/base/big_memory.h"

/* Of a processor's cache. Parts of that size that begin at its borders are one line, not two. */
int block_pool_init(struct block_pool *pool, size_t block_bytes, size_t memory_bytes)
{
	size_t n = memory_bytes / (block_bytes + sizeof(*pool->free));

	*pool = (struct block_pool){ .block_bytes = block_bytes };
	if (n == 0)
		return 0;
	if (n > UINT32_MAX)
		n = UINT32_MAX;
	pool->memory = big_memory_calloc(n * block_bytes + BIG_MEMORY_LINE_BYTES, 1);
	pool->free = calloc(n, sizeof(*pool->free));
	if (pool->memory == NULL || pool->free == NULL) {
		block_pool_fini(pool);
		return -1;
	}
	pool->blocks = big_memory_first_line(pool->memory);
	pool->n_blocks = (uint32_t)n;
	pool->n_free = pool->n_blocks;
	/* The first block is the first to be taken: pages are touched as they are needed. */
	for (uint32_t i = 0; i < pool->n_blocks; i++)
		pool->free[i] = pool->n_blocks - 1 - i;
	return 0;
}

void block_pool_fini(struct block_pool *pool)
{
	free(pool->memory);
	free(pool->free);
	*pool = (struct block_pool){ 0 };
}

void *block_pool_take(struct block_pool *pool)
{
	if (pool->n_free == 0)
		return NULL;
	uint32_t number = pool->free[--pool->n_free];
	void *block = pool->blocks + (size_t)number * pool->block_bytes;
	/* They are taken in order at first: what lies behind was never used, is zero, and need not be touched. */
	if (number >= pool->n_used)
		pool->n_used = number + 1;
	else
		memset(block, 0, pool->block_bytes);
	return block;
}

void block_pool_give_back(struct block_pool *pool, void *block)
{
	size_t offset = (size_t)((unsigned char *)block - pool->blocks);

	assert(pool->n_free < pool->n_blocks && offset % pool->block_bytes == 0);
	pool->free[pool->n_free++] = (uint32_t)(offset / pool->block_bytes);
}
