/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many distinct sources there were, after Flajolet et al. 2007. With hashes of 64 bits no correction for large
 * numbers is needed (Heule, Nunkesser, Hall, 2013); small numbers use linear counting, as both papers do.
 */
#include "hyperloglog.h"

#include <math.h>
#include <string.h>

/* With the fewest bits for the index, the longest run. */
enum { MAX_RANK = 64 - HYPERLOGLOG_SMALL_BITS + 1 };

static struct hyperloglog_mark mark_of(uint64_t hash, unsigned bits)
{
	/* The guard bit ends the run of zeros after the last bit of the hash. */
	uint64_t rest = (hash << bits) | (UINT64_C(1) << (bits - 1));

	return (struct hyperloglog_mark){
		.place = (uint16_t)(hash >> (64 - bits)),
		.rank = (uint8_t)(__builtin_clzll(rest) + 1),
	};
}

static void merge(uint8_t *into, const uint8_t *from, size_t n_registers)
{
	/* Whatever it was, it is written: so compilers take many registers at once. */
	for (size_t i = 0; i < n_registers; i++)
		into[i] = from[i] > into[i] ? from[i] : into[i];
}

/* Of eight registers. As long as few values were seen, most are empty. */
static void count_ranks(const uint8_t *registers, unsigned with_rank[static MAX_RANK + 1])
{
	uint64_t eight;

	memcpy(&eight, registers, sizeof(eight));
	if (eight == 0) {
		with_rank[0] += sizeof(eight);
		return;
	}
	for (size_t i = 0; i < sizeof(eight); i++)
		with_rank[registers[i]]++;
}

static double estimate(const uint8_t *registers, size_t n_registers)
{
	const double m = (double)n_registers;
	const double alpha = 0.7213 / (1.0 + 1.079 / m);
	unsigned with_rank[MAX_RANK + 1] = { 0 };
	double sum = 0;
	/* Of the longest run, 2 to the power of -MAX_RANK. */
	double share = 1.0 / (double)(UINT64_C(1) << MAX_RANK);

	for (size_t i = 0; i < n_registers; i += sizeof(uint64_t))
		count_ranks(registers + i, with_rank);
	/* Smallest terms first: exact in double, and the same on every machine. */
	for (int rank = MAX_RANK; rank >= 0; rank--, share *= 2)
		sum += with_rank[rank] * share;

	double distinct = alpha * m * m / sum;
	if (distinct <= 2.5 * m && with_rank[0] > 0)
		distinct = m * log(m / with_rank[0]);
	return distinct;
}

void hyperloglog_clear(struct hyperloglog *sketch)
{
	memset(sketch, 0, sizeof(*sketch));
}

struct hyperloglog_mark hyperloglog_mark_of(uint64_t hash)
{
	return mark_of(hash, HYPERLOGLOG_BITS);
}

void hyperloglog_add(struct hyperloglog *sketch, uint64_t hash)
{
	hyperloglog_set(sketch, hyperloglog_mark_of(hash));
}

void hyperloglog_merge(struct hyperloglog *into, const struct hyperloglog *from)
{
	merge(into->registers, from->registers, HYPERLOGLOG_REGISTERS);
}

double hyperloglog_estimate(const struct hyperloglog *sketch)
{
	return estimate(sketch->registers, HYPERLOGLOG_REGISTERS);
}

double hyperloglog_most(uint64_t n_added)
{
	const double m = HYPERLOGLOG_REGISTERS;

	/* Each fills one register at most; and as long as half of them are empty, these are counted. */
	return n_added <= HYPERLOGLOG_REGISTERS / 2 ? m * log(m / (m - (double)n_added)) : INFINITY;
}

void hyperloglog_small_clear(struct hyperloglog_small *sketch)
{
	memset(sketch, 0, sizeof(*sketch));
}

struct hyperloglog_mark hyperloglog_small_mark_of(uint64_t hash)
{
	return mark_of(hash, HYPERLOGLOG_SMALL_BITS);
}

void hyperloglog_small_merge(struct hyperloglog_small *into, const struct hyperloglog_small *from)
{
	merge(into->registers, from->registers, HYPERLOGLOG_SMALL_REGISTERS);
}

double hyperloglog_small_estimate(const struct hyperloglog_small *sketch)
{
	return estimate(sketch->registers, HYPERLOGLOG_SMALL_REGISTERS);
}
