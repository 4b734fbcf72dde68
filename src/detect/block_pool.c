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
	size_t n = memory_bytes / (block_bytes + sizeof(*pool->returned));

	*pool = (struct block_pool){ .block_bytes = block_bytes };
	if (n == 0)
		return 0;
	if (n > UINT32_MAX)
		n = UINT32_MAX;
	pool->memory = big_memory_calloc(n * block_bytes + BIG_MEMORY_LINE_BYTES, 1);
	pool->returned = calloc(n, sizeof(*pool->returned));
	if (pool->memory == NULL || pool->returned == NULL) {
		block_pool_fini(pool);
		return -1;
	}
	pool->blocks = big_memory_first_line(pool->memory);
	pool->n_blocks = (uint32_t)n;
	pool->n_free = pool->n_blocks;
	return 0;
}

void block_pool_fini(struct block_pool *pool)
{
	free(pool->memory);
	free(pool->returned);
	*pool = (struct block_pool){ 0 };
}

void *block_pool_take(struct block_pool *pool)
{
	if (pool->n_free == 0)
		return NULL;
	pool->n_free--;
	/* They are taken in order at first: what lies behind was never used, is zero, and need not be touched. */
	if (pool->n_returned == 0)
		return pool->blocks + (size_t)pool->n_used++ * pool->block_bytes;
	void *block = pool->blocks + (size_t)pool->returned[--pool->n_returned] * pool->block_bytes;
	memset(block, 0, pool->block_bytes);
	return block;
}

void block_pool_give_back(struct block_pool *pool, void *block)
{
	size_t offset = (size_t)((unsigned char *)block - pool->blocks);

	assert(pool->n_free < pool->n_blocks && offset % pool->block_bytes == 0);
	pool->n_free++;
	pool->returned[pool->n_returned++] = (uint32_t)(offset / pool->block_bytes);
}
