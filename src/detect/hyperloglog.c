/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many distinct sources there were, after Flajolet et al. 2007. With hashes of 64 bits no correction for large
 * numbers is needed (Heule, Nunkesser, Hall, 2013); small numbers use linear counting, as both papers do.
 */
#include "hyperloglog.h"

#include <math.h>
#include <string.h>

enum { MAX_RANK = 64 - HYPERLOGLOG_BITS + 1 };

void hyperloglog_clear(struct hyperloglog *sketch)
{
	memset(sketch, 0, sizeof(*sketch));
}

void hyperloglog_add(struct hyperloglog *sketch, uint64_t hash)
{
	uint64_t index = hash >> (64 - HYPERLOGLOG_BITS);
	/* The guard bit ends the run of zeros after the last bit of the hash. */
	uint64_t rest = (hash << HYPERLOGLOG_BITS) | (UINT64_C(1) << (HYPERLOGLOG_BITS - 1));
	uint8_t rank = (uint8_t)(__builtin_clzll(rest) + 1);

	if (rank > sketch->registers[index])
		sketch->registers[index] = rank;
}

void hyperloglog_merge(struct hyperloglog *into, const struct hyperloglog *from)
{
	for (int i = 0; i < HYPERLOGLOG_REGISTERS; i++)
		if (from->registers[i] > into->registers[i])
			into->registers[i] = from->registers[i];
}

double hyperloglog_estimate(const struct hyperloglog *sketch)
{
	static const double alpha = 0.7213 / (1.0 + 1.079 / HYPERLOGLOG_REGISTERS);
	const double m = HYPERLOGLOG_REGISTERS;
	unsigned with_rank[MAX_RANK + 1] = { 0 };
	double sum = 0;

	for (int i = 0; i < HYPERLOGLOG_REGISTERS; i++)
		with_rank[sketch->registers[i]]++;
	/* Smallest terms first: exact in double, and the same on every machine. */
	for (int rank = MAX_RANK; rank >= 0; rank--)
		sum += ldexp(with_rank[rank], -rank);

	double estimate = alpha * m * m / sum;
	if (estimate <= 2.5 * m && with_rank[0] > 0)
		estimate = m * log(m / with_rank[0]);
	return estimate;
}
