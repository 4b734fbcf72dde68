/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The estimate keeps the error that 1024 registers promise; merging is the union.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "hyperloglog.h"
#include "tcpwitness/base/siphash.h"

static uint64_t hash_of(uint64_t value)
{
	static const struct siphash_key key = { 3, 4 };

	return siphash13(&key, &value, sizeof(value));
}

static void test_empty(void **state)
{
	struct hyperloglog sketch;

	(void)state;
	hyperloglog_clear(&sketch);
	assert_true(hyperloglog_estimate(&sketch) < 0.5);
}

static void test_small_numbers_are_nearly_exact(void **state)
{
	struct hyperloglog sketch;

	(void)state;
	hyperloglog_clear(&sketch);
	for (uint64_t n = 1; n <= 50; n++) {
		hyperloglog_add(&sketch, hash_of(n));
		assert_true(fabs(hyperloglog_estimate(&sketch) - (double)n) <= 0.5 + 0.05 * (double)n);
	}
}

/* Whoever leaves a sketch uncounted because of it misses nothing: not of hashes that meet in no register either. */
static void test_no_estimate_is_more_than_the_most(void **state)
{
	struct hyperloglog sketch;
	struct hyperloglog apart;

	(void)state;
	hyperloglog_clear(&sketch);
	hyperloglog_clear(&apart);
	for (uint64_t n = 1; n <= HYPERLOGLOG_REGISTERS; n++) {
		hyperloglog_add(&sketch, hash_of(n));
		hyperloglog_add(&apart, (n - 1) << (64 - HYPERLOGLOG_BITS));
		assert_true(hyperloglog_estimate(&sketch) <= hyperloglog_most(n));
		assert_true(hyperloglog_estimate(&apart) <= hyperloglog_most(n));
	}
	assert_true(hyperloglog_most(0) == 0);
	assert_true(hyperloglog_most(100) < 110);
}

static void test_repeats_do_not_count(void **state)
{
	struct hyperloglog sketch;

	(void)state;
	hyperloglog_clear(&sketch);
	for (int i = 0; i < 100000; i++)
		hyperloglog_add(&sketch, hash_of(7));
	assert_true(fabs(hyperloglog_estimate(&sketch) - 1) < 0.01);
}

/* The standard error is 3.25 %: over 50 sets the mean square must show it, and none may be five times off. */
static void test_error_is_as_promised(void **state)
{
	static const uint64_t sizes[] = { 500, 2000, 5000, 40000, 300000 };

	(void)state;
	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		double squares = 0;
		for (uint64_t run = 0; run < 50; run++) {
			struct hyperloglog sketch;
			hyperloglog_clear(&sketch);
			for (uint64_t i = 0; i < sizes[s]; i++)
				hyperloglog_add(&sketch, hash_of(run << 32 | i));
			double error = hyperloglog_estimate(&sketch) / (double)sizes[s] - 1;
			assert_true(fabs(error) < 5 * 0.0325);
			squares += error * error;
		}
		assert_true(sqrt(squares / 50) < 1.35 * 0.0325);
	}
}

static void test_merge_is_the_union(void **state)
{
	struct hyperloglog a;
	struct hyperloglog b;
	struct hyperloglog both;

	(void)state;
	hyperloglog_clear(&a);
	hyperloglog_clear(&b);
	hyperloglog_clear(&both);
	for (uint64_t i = 0; i < 3000; i++) {
		hyperloglog_add(i % 3 == 0 ? &a : &b, hash_of(i));
		if (i % 5 == 0)
			hyperloglog_add(&a, hash_of(i));
		hyperloglog_add(&both, hash_of(i));
	}
	hyperloglog_merge(&a, &b);
	assert_memory_equal(&a, &both, sizeof(a));
	hyperloglog_merge(&a, &a);
	assert_memory_equal(&a, &both, sizeof(a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_small_numbers_are_nearly_exact),
		cmocka_unit_test(test_no_estimate_is_more_than_the_most),
		cmocka_unit_test(test_repeats_do_not_count),
		cmocka_unit_test(test_error_is_as_promised),
		cmocka_unit_test(test_merge_is_the_union),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
