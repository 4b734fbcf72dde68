/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

/*
 * Merge sort from the bottom up of lists that are linked by slot number, 0 = none: it needs no memory but the links,
 * because the end of a run may not take what the start did not set aside. What lists consist of, the caller's functions
 * know; they are inlined.
 */
typedef uint64_t list_key_fn(const void *list, uint32_t slot);
typedef uint32_t *list_next_fn(void *list, uint32_t slot);

/* Bin i holds a list made of 2^i runs. Slots are 32-bit numbers, so there are fewer than 2^32 runs. */
enum { LIST_SORT_BINS = 33 };

struct list_sort {
	uint32_t bins[LIST_SORT_BINS];
};

#define LIST_SORT_INLINE static inline __attribute__((always_inline))

/* Both lists end with 0; of equal keys that in a comes first. */
LIST_SORT_INLINE uint32_t list_merge(void *list, list_key_fn *key, list_next_fn *next, uint32_t a, uint32_t b)
{
	uint32_t merged = 0;
	uint32_t *link = &merged;

	while (a != 0 && b != 0) {
		uint32_t *first = key(list, b) < key(list, a) ? &b : &a;
		*link = *first;
		link = next(list, *first);
		*first = *link;
	}
	*link = a != 0 ? a : b;
	return merged;
}

/* An ascending run, behind those before it. */
LIST_SORT_INLINE void list_sort_add(struct list_sort *sort, void *list, list_key_fn *key, list_next_fn *next,
				    uint32_t run)
{
	unsigned bin = 0;

	for (; sort->bins[bin] != 0; bin++) {
		run = list_merge(list, key, next, sort->bins[bin], run);
		sort->bins[bin] = 0;
	}
	sort->bins[bin] = run;
}

/* All runs in one list. */
LIST_SORT_INLINE uint32_t list_sort_end(struct list_sort *sort, void *list, list_key_fn *key, list_next_fn *next)
{
	uint32_t sorted = 0;

	/* Low bins hold what came last. */
	for (unsigned bin = 0; bin < LIST_SORT_BINS; bin++)
		sorted = list_merge(list, key, next, sort->bins[bin], sorted);
	return sorted;
}
