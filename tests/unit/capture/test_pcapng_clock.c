/* SPDX-License-Identifier: BSD-2-Clause */
/* Ticks of pcapng as times: every resolution that an interface can state, and offsets beyond all sense. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "pcapng_clock.h"

#define BASE_2(exponent) (0x80 | (exponent))

static void assert_time(uint8_t tsresol, int64_t offset_s, uint64_t ticks, int64_t seconds, int64_t ns)
{
	struct pcapng_clock clock = PCAPNG_CLOCK_DEFAULT;

	pcapng_clock_set_resolution(&clock, tsresol);
	clock.offset_s = offset_s;
	struct timeval time = pcapng_clock_time(&clock, ticks);
	assert_int_equal(time.tv_sec, seconds);
	assert_int_equal(time.tv_usec, ns);
}

static void test_default_is_microseconds(void **state)
{
	const struct pcapng_clock clock = PCAPNG_CLOCK_DEFAULT;
	struct timeval time = pcapng_clock_time(&clock, UINT64_C(1700000000123456));

	(void)state;
	assert_int_equal(time.tv_sec, 1700000000);
	assert_int_equal(time.tv_usec, 123456000);
}

static void test_powers_of_10(void **state)
{
	(void)state;
	assert_time(0, 0, 1700000000, 1700000000, 0);
	assert_time(3, 0, UINT64_C(1700000000123), 1700000000, 123000000);
	assert_time(6, 0, UINT64_C(1700000000123456), 1700000000, 123456000);
	assert_time(9, 0, UINT64_C(1700000000123456789), 1700000000, 123456789);
	/* Finer than nanoseconds: rounded down. */
	assert_time(10, 0, UINT64_C(17000000009999999999), 1700000000, 999999999);
	assert_time(12, 0, UINT64_C(1000000000999), 1, 0);
	assert_time(12, 0, UINT64_C(1000000001000), 1, 1);
	assert_time(19, 0, UINT64_C(10000000000000000000), 1, 0);
	/* 2^64 ticks are less than a second from here on, and at last less than a nanosecond. */
	assert_time(20, 0, UINT64_MAX, 0, 184467440);
	assert_time(28, 0, UINT64_MAX, 0, 1);
	assert_time(29, 0, UINT64_MAX, 0, 0);
	assert_time(127, 0, UINT64_MAX, 0, 0);
}

static void test_powers_of_2(void **state)
{
	(void)state;
	assert_time(BASE_2(0), 0, 1700000000, 1700000000, 0);
	assert_time(BASE_2(1), 0, 3, 1, 500000000);
	assert_time(BASE_2(10), 0, 1700000000 * UINT64_C(1024) + 1, 1700000000, 976562);
	assert_time(BASE_2(10), 0, 1023, 0, 999023437);
	/* As NTP has it. */
	assert_time(BASE_2(32), 0, (UINT64_C(1700000000) << 32) + 1, 1700000000, 0);
	assert_time(BASE_2(32), 0, (UINT64_C(1700000000) << 32) + UINT32_MAX, 1700000000, 999999999);
	/* Here the fraction times 10^9 no longer fits in 64 bits. */
	assert_time(BASE_2(40), 0, (UINT64_C(1) << 40) + (UINT64_C(1) << 39), 1, 500000000);
	assert_time(BASE_2(63), 0, UINT64_MAX, 1, 999999999);
	assert_time(BASE_2(64), 0, UINT64_C(1) << 63, 0, 500000000);
	assert_time(BASE_2(65), 0, UINT64_C(1) << 63, 0, 250000000);
	assert_time(BASE_2(127), 0, UINT64_MAX, 0, 0);
}

static void test_offset(void **state)
{
	(void)state;
	assert_time(6, 1000, 5000001, 1005, 1000);
	assert_time(6, -1000, 5000001, -995, 1000);
	assert_time(9, INT64_MIN, 1, INT64_MIN, 1);
	/* Only with its offset does this count fit. */
	assert_time(0, INT64_MIN, UINT64_C(1) << 63, 0, 0);
}

static void test_seconds_that_do_not_fit(void **state)
{
	(void)state;
	assert_time(0, 0, UINT64_MAX, INT64_MAX, 0);
	assert_time(6, INT64_MAX, UINT64_MAX, INT64_MAX, 551615000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default_is_microseconds),
		cmocka_unit_test(test_powers_of_10),
		cmocka_unit_test(test_powers_of_2),
		cmocka_unit_test(test_offset),
		cmocka_unit_test(test_seconds_that_do_not_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
