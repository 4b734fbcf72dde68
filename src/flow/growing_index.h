/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

#include "tcpwitness/base/prefetch.h"

/*
 * Hash chains whose number grows with what is in them, one at a time (linear hashing, Litwin 1980): room is set aside
 * for as many as a full table needs, but a table that holds little touches as little, and what it looks up is near. No
 * step takes longer than one chain, so there is no pause.
 *
 * Chains are linked by slot number, 0 = none. The caller's functions know where the links are; they are inlined.
 */
struct growing_index {
	uint32_t *chains; /* n_max of them, zero at first: the first slot of each */
	uint64_t n;       /* in use */
	uint64_t base;    /* a power of two, base <= n < 2 * base: chains below n - base were split already */
	uint64_t n_max;   /* a power of two */
};

typedef uint32_t *index_next_fn(void *links, uint32_t slot);
typedef uint64_t index_hash_fn(const void *links, uint32_t slot);

static inline struct growing_index growing_index_begin(uint32_t *chains, uint64_t n_max)
{
	enum { FIRST_CHAINS = 64 };
	uint64_t n = n_max < FIRST_CHAINS ? n_max : FIRST_CHAINS;

	return (struct growing_index){ .chains = chains, .n = n, .base = n, .n_max = n_max };
}

static inline uint32_t *growing_index_chain(const struct growing_index *index, uint64_t hash)
{
	uint64_t i = hash & (2 * index->base - 1);

	return &index->chains[i < index->n ? i : i - index->base];
}

/*
 * Splits a chain in two; pointers to chains are void then. Who is in them stays in order. One that will be split
 * soon is fetched.
 */
static inline __attribute__((always_inline)) void growing_index_grow(struct growing_index *index, void *links,
								     index_next_fn *link_of,
								     index_hash_fn *hash_of_slot)
{
	uint32_t *stays = &index->chains[index->n - index->base];
	uint32_t *goes = &index->chains[index->n];
	enum { AHEAD = 8 }; /* less than the first chains */

	for (uint32_t slot = *stays; slot != 0;) {
		uint32_t *next = link_of(links, slot);
		uint32_t **end = (hash_of_slot(links, slot) & index->base) != 0 ? &goes : &stays;
		**end = slot;
		*end = next;
		slot = *next;
	}
	*stays = 0;
	*goes = 0;
	index->n++;
	if (index->n == 2 * index->base)
		index->base = index->n;
	prefetch_to_write(link_of(links, index->chains[index->n - index->base + AHEAD]));
}
