/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who goes first when hot keys are too many: a heap, so that many newcomers at one tick cost little more than one.
 */
#include "leavers.h"

#include <stdbool.h>
#include <stdlib.h>

static size_t room_for(const struct watch_set *watches)
{
	size_t room = 0;

	for (int kind = 0; kind < SUMMARY_SENSOR; kind++)
		if (watches->kinds[kind].max_hot > room)
			room = watches->kinds[kind].max_hot;
	return room;
}

size_t leavers_bytes(const struct watch_set *watches)
{
	return room_for(watches) * sizeof(struct leaver);
}

int leavers_init(struct leavers *leavers, const struct watch_set *watches)
{
	*leavers = (struct leavers){ .heap = calloc(room_for(watches) + 1, sizeof(struct leaver)) };
	return leavers->heap == NULL ? -1 : 0;
}

void leavers_fini(struct leavers *leavers)
{
	free(leavers->heap);
}

static bool comes_before(const struct leaver *a, const struct leaver *b)
{
	return a->weight != b->weight ? a->weight < b->weight : a->order < b->order;
}

static void sift_down(struct leavers *leavers, size_t at)
{
	struct leaver *heap = leavers->heap;
	struct leaver moved = heap[at];

	for (size_t child = 2 * at + 1; child < leavers->n; child = 2 * at + 1) {
		if (child + 1 < leavers->n && comes_before(&heap[child + 1], &heap[child]))
			child++;
		if (!comes_before(&heap[child], &moved))
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = moved;
}

static void gather(struct leavers *leavers, const struct watch_kind *kind)
{
	leavers->kind = kind;
	leavers->n = 0;
	for (size_t place = 0; place < kind->n_places; place++) {
		const struct hot_key *hot = &kind->hot[place];
		if (hot->watch != NULL && !hot->is_troubled)
			leavers->heap[leavers->n++] = (struct leaver){ hot->watch, hot->weight, (uint32_t)place };
	}
	for (size_t i = leavers->n / 2; i-- > 0;)
		sift_down(leavers, i);
}

void leavers_forget(struct leavers *leavers)
{
	leavers->kind = NULL;
}

const struct leaver *leavers_first(struct leavers *leavers, const struct watch_kind *kind)
{
	if (leavers->kind != kind)
		gather(leavers, kind);
	return leavers->n > 0 ? &leavers->heap[0] : NULL;
}

void leavers_drop_first(struct leavers *leavers)
{
	leavers->heap[0] = leavers->heap[--leavers->n];
	if (leavers->n > 0)
		sift_down(leavers, 0);
}
