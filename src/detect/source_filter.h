/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tcpwitness/base/prefetch.h"

/*
 * Which clients and senders are worth a record of their own: those that come again. Counts by a hash of the address,
 * in cells, over the present span of time and the one before. A flood with made-up addresses raises all cells
 * alike; then only what stands out from the mean is worth a record. The cells may be dealt out to several filters that
 * are judged together, so whether an address is admitted does not depend on how many there are.
 */
struct source_cell {
	uint16_t span; /* the span's number, its lowest bits */
	uint16_t now;
	uint16_t before;
	uint16_t open; /* addresses of this cell are admitted, in so many spans */
};

struct source_filter {
	uint64_t span_ns;
	struct source_cell *cells; /* every n_parts-th of all */
	uint32_t mask;             /* of the numbers of all cells */
	uint32_t n_parts;          /* filters over which they are dealt out */
	uint64_t span;
	uint64_t total; /* of all cells, this span and the one before */
	uint64_t total_before;
	uint32_t *touched; /* cells that may have become worth it since the last look */
	uint32_t n_touched;
	uint32_t touched_room;
	uint32_t offer_at; /* as many as this make a cell a candidate */
};

/* As many cells as fit into memory_bytes: a power of two. */
uint32_t source_filter_cells(size_t memory_bytes);

/* One of n_parts filters that have n_cells together. -1 when memory is short. */
int source_filter_init(struct source_filter *filter, uint32_t n_cells, unsigned n_parts, uint64_t span_ns);
void source_filter_fini(struct source_filter *filter);

/* Which of the filters, from 0, has the cell of addresses with this hash; the others must not be asked for them. */
static inline unsigned source_filter_part(uint32_t n_cells, unsigned n_parts, uint64_t hash)
{
	return n_parts == 1 ? 0 : ((uint32_t)hash & (n_cells - 1)) % n_parts;
}

static inline uint32_t source_filter_place(const struct source_filter *filter, uint64_t hash)
{
	uint32_t place = (uint32_t)hash & filter->mask;

	return filter->n_parts == 1 ? place : place / filter->n_parts;
}

/* Addresses with this hash are going to be asked for. */
static inline void source_filter_prefetch(const struct source_filter *filter, uint64_t hash)
{
	prefetch_to_write(&filter->cells[source_filter_place(filter, hash)]);
}

/* Whether addresses with this hash are worth a record now. */
bool source_filter_is_open(struct source_filter *filter, uint64_t hash, uint64_t now_ns);

/* One attempt or stray of the address with this hash. True: it is worth a record. */
bool source_filter_count(struct source_filter *filter, uint64_t hash, uint64_t now_ns);

/* Once a tick: opens the cells that stand out among those of all n filters together. */
void source_filter_judge(struct source_filter **filters, size_t n, uint64_t now_ns);
