/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

/* SplitMix64 (Steele, Lea, Flood, 2014): the same numbers for the same seed on every machine. */
struct random {
	uint64_t state;
};

static inline uint64_t random_u64(struct random *random)
{
	uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static inline uint32_t random_u32(struct random *random)
{
	return (uint32_t)(random_u64(random) >> 32);
}

/* 0 .. n - 1; the bias of at most n / 2^32 does not matter here. */
static inline uint32_t random_below(struct random *random, uint32_t n)
{
	return (uint32_t)(((uint64_t)random_u32(random) * n) >> 32);
}

/* True n times in 1000. */
static inline bool random_permille(struct random *random, uint32_t n)
{
	return random_below(random, 1000) < n;
}

/* 0 < x <= 1. */
static inline double random_unit(struct random *random)
{
	return ((double)(random_u64(random) >> 11) + 1.0) / 9007199254740992.0;
}

/* An exponentially distributed time: arrivals without memory. */
static inline uint64_t random_gap_ns(struct random *random, double mean_ns)
{
	return (uint64_t)(-mean_ns * log(random_unit(random)));
}

/* A Pareto distributed size: most are small, a few carry most of the bytes. */
static inline uint32_t random_size(struct random *random, double least, double shape, double most)
{
	double size = least * pow(random_unit(random), -1.0 / shape);

	return (uint32_t)(size < most ? size : most);
}
