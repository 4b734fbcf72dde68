/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

/*
 * HyperLogLog (Flajolet, Fusy, Gandouet, Meunier, 2007): how many distinct values were seen, in 1 KiB. The relative
 * standard error is 1.04 / sqrt(1024) = 3.25 %; small numbers are counted by the empty registers and are nearly
 * exact.
 */
enum { HYPERLOGLOG_BITS = 10, HYPERLOGLOG_REGISTERS = 1 << HYPERLOGLOG_BITS };

struct hyperloglog {
	uint8_t registers[HYPERLOGLOG_REGISTERS]; /* longest run of zeros seen, plus one; 0 = nothing seen */
};

void hyperloglog_clear(struct hyperloglog *sketch);

/*
 * What a value leaves in a sketch. hash: 64 well mixed bits of the value. The same value must give the same hash in all
 * sketches that are merged.
 */
struct hyperloglog_mark {
	uint16_t place; /* of the register */
	uint8_t rank;   /* that it holds at least */
};

struct hyperloglog_mark hyperloglog_mark_of(uint64_t hash);

static inline void hyperloglog_set(struct hyperloglog *sketch, struct hyperloglog_mark mark)
{
	if (mark.rank > sketch->registers[mark.place])
		sketch->registers[mark.place] = mark.rank;
}

/* Both at once. */
void hyperloglog_add(struct hyperloglog *sketch, uint64_t hash);

/* The sketch of the union. Associative, commutative and idempotent. */
void hyperloglog_merge(struct hyperloglog *into, const struct hyperloglog *from);

double hyperloglog_estimate(const struct hyperloglog *sketch);

/* No sketch to which so many values were added at most is estimated to hold more. */
double hyperloglog_most(uint64_t n_added);

/* The same in 256 bytes, with a relative standard error of 6.5 %. */
enum { HYPERLOGLOG_SMALL_BITS = 8, HYPERLOGLOG_SMALL_REGISTERS = 1 << HYPERLOGLOG_SMALL_BITS };

struct hyperloglog_small {
	uint8_t registers[HYPERLOGLOG_SMALL_REGISTERS];
};

void hyperloglog_small_clear(struct hyperloglog_small *sketch);

struct hyperloglog_mark hyperloglog_small_mark_of(uint64_t hash);

static inline void hyperloglog_small_set(struct hyperloglog_small *sketch, struct hyperloglog_mark mark)
{
	if (mark.rank > sketch->registers[mark.place])
		sketch->registers[mark.place] = mark.rank;
}

void hyperloglog_small_merge(struct hyperloglog_small *into, const struct hyperloglog_small *from);
double hyperloglog_small_estimate(const struct hyperloglog_small *sketch);
