/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define NS_PER_US  UINT64_C(1000)
#define NS_PER_MS  UINT64_C(1000000)
#define NS_PER_SEC UINT64_C(1000000000)

/* Time from earlier_ns to later_ns; 0 when the clock went backwards. */
static inline uint64_t ns_since(uint64_t later_ns, uint64_t earlier_ns)
{
	return later_ns > earlier_ns ? later_ns - earlier_ns : 0;
}

/* Nanoseconds as seconds, for ratios and texts only: precision is lost. */
static inline double ns_to_seconds(uint64_t time_ns)
{
	return (double)time_ns / (double)NS_PER_SEC;
}

/* 1, 10, 100, ...: when what repeats is worth saying again. */
static inline bool is_power_of_ten(uint64_t n)
{
	while (n >= 10 && n % 10 == 0)
		n /= 10;
	return n == 1;
}
