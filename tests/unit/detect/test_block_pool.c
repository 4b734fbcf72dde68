/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocks are zeroed whenever they are taken, are each other's neighbours, and begin where cache lines do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "block_pool.h"

enum { BLOCK_BYTES = 128, BLOCKS = 10, LINE_BYTES = 64 };

static void test_blocks_begin_lines_and_are_zero(void **state)
{
	static const unsigned char zero[BLOCK_BYTES];
	struct block_pool pool;
	unsigned char *blocks[BLOCKS];

	(void)state;
	assert_int_equal(block_pool_init(&pool, BLOCK_BYTES, BLOCKS * (BLOCK_BYTES + sizeof(uint32_t))), 0);
	assert_int_equal(pool.n_blocks, BLOCKS);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < BLOCKS; i++) {
			blocks[i] = block_pool_take(&pool);
			assert_non_null(blocks[i]);
			assert_int_equal((uintptr_t)blocks[i] % LINE_BYTES, 0);
			assert_memory_equal(blocks[i], zero, BLOCK_BYTES);
			memset(blocks[i], 0xa5, BLOCK_BYTES);
		}
		assert_null(block_pool_take(&pool));
		for (int i = 0; i < BLOCKS; i++)
			block_pool_give_back(&pool, blocks[i]);
	}
	block_pool_fini(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blocks_begin_lines_and_are_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
