/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keeps sources that are seen once out of the table of sources: in a flood with made-up addresses that is all of them.
 */
#include "source_filter.h"

#include <math.h>
#include <stdlib.h>

#include "tcpwitness/base/units.h"

/* So many, beyond what chance explains, are worth a record. */
enum { WORTH = 8, OPEN_SPANS = 2, MAX_CELLS = 1 << 16, TOUCHED_SHARE = 16 };
#define CHANCE_DEVIATIONS 8.0

uint32_t source_filter_cells(size_t memory_bytes)
{
	uint32_t n_cells = 64;

	while (2 * (size_t)n_cells * (sizeof(struct source_cell) + 1) <= memory_bytes && n_cells < MAX_CELLS)
		n_cells *= 2;
	return n_cells;
}

int source_filter_init(struct source_filter *filter, uint32_t n_cells, unsigned n_parts, uint64_t span_ns)
{
	uint32_t n_own = (n_cells + n_parts - 1) / n_parts;

	*filter = (struct source_filter){
		.span_ns = span_ns,
		.cells = calloc(n_own, sizeof(*filter->cells)),
		.touched = calloc(n_own / TOUCHED_SHARE + 1, sizeof(*filter->touched)),
		.touched_room = n_own / TOUCHED_SHARE + 1,
		.mask = n_cells - 1,
		.n_parts = n_parts,
		.offer_at = WORTH,
	};
	if (filter->cells != NULL && filter->touched != NULL)
		return 0;
	source_filter_fini(filter);
	return -1;
}

void source_filter_fini(struct source_filter *filter)
{
	free(filter->cells);
	free(filter->touched);
	*filter = (struct source_filter){ 0 };
}

static uint16_t add_saturated(uint16_t a, uint16_t b)
{
	return a > UINT16_MAX - b ? UINT16_MAX : (uint16_t)(a + b);
}

static void advance(struct source_filter *filter, uint64_t span)
{
	if (span <= filter->span)
		return;
	filter->total_before = span == filter->span + 1 ? filter->total : 0;
	filter->total = 0;
	filter->span = span;
}

static void advance_cell(const struct source_filter *filter, struct source_cell *cell)
{
	uint16_t span = (uint16_t)filter->span;

	if (cell->span == span)
		return;
	cell->before = (uint16_t)(cell->span + 1) == span ? cell->now : 0;
	cell->now = 0;
	cell->span = span;
	/* To be earned anew within a span. */
	if (cell->open > 0)
		cell->open--;
}

bool source_filter_is_open(struct source_filter *filter, uint64_t hash, uint64_t now_ns)
{
	struct source_cell *cell = &filter->cells[source_filter_place(filter, hash)];

	advance(filter, now_ns / filter->span_ns);
	advance_cell(filter, cell);
	return cell->open > 0;
}

bool source_filter_count(struct source_filter *filter, uint64_t hash, uint64_t now_ns)
{
	uint32_t place = source_filter_place(filter, hash);
	struct source_cell *cell = &filter->cells[place];

	advance(filter, now_ns / filter->span_ns);
	advance_cell(filter, cell);
	filter->total++;
	cell->now = add_saturated(cell->now, 1);
	if (cell->open == OPEN_SPANS)
		return true;
	if ((uint32_t)cell->now + cell->before >= filter->offer_at && filter->n_touched < filter->touched_room)
		filter->touched[filter->n_touched++] = place;
	return cell->open > 0;
}

static double worth(struct source_filter **filters, size_t n)
{
	double total = 0;

	for (size_t i = 0; i < n; i++)
		total += (double)filters[i]->total + (double)filters[i]->total_before;
	double mean = total / (filters[0]->mask + 1.0);
	return WORTH + mean + CHANCE_DEVIATIONS * sqrt(mean);
}

static void judge_cell(struct source_filter *filter, uint32_t place, double least)
{
	struct source_cell *cell = &filter->cells[place];

	advance_cell(filter, cell);
	if ((double)cell->now + cell->before >= least)
		cell->open = OPEN_SPANS;
}

void source_filter_judge(struct source_filter **filters, size_t n, uint64_t now_ns)
{
	for (size_t i = 0; i < n; i++)
		advance(filters[i], now_ns / filters[i]->span_ns);
	double least = worth(filters, n);
	for (size_t i = 0; i < n; i++) {
		for (uint32_t k = 0; k < filters[i]->n_touched; k++)
			judge_cell(filters[i], filters[i]->touched[k], least);
		filters[i]->n_touched = 0;
		/* What cannot be enough need not be offered again and again. */
		filters[i]->offer_at = (uint32_t)floor(least);
	}
}
