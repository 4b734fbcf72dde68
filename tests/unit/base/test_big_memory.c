/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory of tables is zero, whatever its size, and all of it may be written. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tcpwitness/base/big_memory.h"

enum { MB = 1 << 20 };

static void check(size_t n, size_t bytes_each)
{
	unsigned char *memory = big_memory_calloc(n, bytes_each);

	assert_non_null(memory);
	for (size_t i = 0; i < n * bytes_each; i++)
		assert_true(memory[i] == 0);
	memset(memory, 0xff, n * bytes_each);
	free(memory);
}

static void test_memory_is_zero_and_writable(void **state)
{
	(void)state;
	check(1, 1);
	check(3, 4096);
	check(2, MB);
	check(5 * MB + 7, 1);
	check(5 * MB + 7, 1);
}

/* Neighbours keep what they hold, and a wish for what is too small, or begins anywhere, is none. */
static void test_wishes_change_nothing(void **state)
{
	unsigned char *memory = malloc(7 * MB);

	(void)state;
	assert_non_null(memory);
	memset(memory, 0x5a, 7 * MB);
	big_memory_wish_huge_pages(memory + 13, 6 * MB);
	big_memory_wish_huge_pages(memory + 1, 1);
	big_memory_wish_huge_pages(memory, 0);
	for (size_t i = 0; i < 7 * MB; i++)
		assert_true(memory[i] == 0x5a);
	free(memory);
}

static void test_too_much_is_refused(void **state)
{
	(void)state;
	assert_null(big_memory_calloc(SIZE_MAX / 2, 4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory_is_zero_and_writable),
		cmocka_unit_test(test_wishes_change_nothing),
		cmocka_unit_test(test_too_much_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
