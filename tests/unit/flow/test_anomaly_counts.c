/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tcpwitness/flow/anomaly_counts.h"

static uint16_t count_of(const struct anomaly_counts *counts, enum anomaly anomaly)
{
	uint16_t all[ANOMALY_COUNT];

	anomaly_counts_read(counts, all);
	return all[anomaly];
}

static void test_counts_are_exact_to_the_end(void **state)
{
	struct anomaly_counts counts = { 0 };

	(void)state;
	for (uint32_t n = 1; n <= ANOMALY_COUNTS_MAX; n++) {
		assert_int_equal(anomaly_counts_add(&counts, ANOMALY_RETRANSMISSION), n);
		if (n % 10 == 0)
			assert_int_equal(anomaly_counts_add(&counts, ANOMALY_ZERO_WINDOW), n / 10);
		assert_int_equal(count_of(&counts, ANOMALY_RETRANSMISSION), n);
	}
	assert_int_equal(anomaly_counts_add(&counts, ANOMALY_RETRANSMISSION), 0);
	assert_int_equal(count_of(&counts, ANOMALY_RETRANSMISSION), ANOMALY_COUNTS_MAX);
	assert_int_equal(count_of(&counts, ANOMALY_ZERO_WINDOW), ANOMALY_COUNTS_MAX / 10);
	assert_int_equal(count_of(&counts, ANOMALY_TCP_HEADER_TRUNCATED), 0);
}

static void test_many_at_once(void **state)
{
	struct anomaly_counts counts = { 0 };

	(void)state;
	anomaly_counts_add_times(&counts, ANOMALY_SYN_RETRANSMIT, 0);
	assert_int_equal(count_of(&counts, ANOMALY_SYN_RETRANSMIT), 0);
	anomaly_counts_add_times(&counts, ANOMALY_SYN_RETRANSMIT, 1000);
	assert_int_equal(count_of(&counts, ANOMALY_SYN_RETRANSMIT), 1000);
	anomaly_counts_add_times(&counts, ANOMALY_SYN_RETRANSMIT, UINT32_MAX);
	assert_int_equal(count_of(&counts, ANOMALY_SYN_RETRANSMIT), ANOMALY_COUNTS_MAX);
}

static void test_more_kinds_than_carries(void **state)
{
	struct anomaly_counts counts = { 0 };

	(void)state;
	for (unsigned i = 0; i < ANOMALY_COUNT; i++)
		anomaly_counts_add_times(&counts, (enum anomaly)i, 300);
	for (unsigned i = 0; i < ANOMALY_COUNT; i++)
		assert_int_equal(count_of(&counts, (enum anomaly)i), i < ANOMALY_COUNTS_CARRIES ? 300 : 255);
	assert_int_equal(anomaly_counts_add(&counts, (enum anomaly)(ANOMALY_COUNT - 1)), 0);
	assert_int_equal(anomaly_counts_add(&counts, ANOMALY_TCP_HEADER_TRUNCATED), 301);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts_are_exact_to_the_end),
		cmocka_unit_test(test_many_at_once),
		cmocka_unit_test(test_more_kinds_than_carries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
