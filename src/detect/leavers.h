/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "watch.h"

/*
 * The hot keys of one kind that may go for others, those to which least happens first; of equals, who became hot first.
 * Gathered anew at each tick at which there is no room for a newcomer: who became hot since then is not among them.
 */
struct leaver {
	struct watch *watch;
	uint32_t weight;
	uint32_t order; /* in which they became hot */
};

struct leavers {
	const struct watch_kind *kind; /* whose they are; null = not gathered */
	struct leaver *heap;           /* none comes before the one above it */
	size_t n;
};

/* Room for the hot keys of any kind. -1 when memory is short. */
int leavers_init(struct leavers *leavers, const struct watch_set *watches);
void leavers_fini(struct leavers *leavers);
size_t leavers_bytes(const struct watch_set *watches);

/* A new tick: they are to be gathered anew. */
void leavers_forget(struct leavers *leavers);

/* The first of the kind, which are gathered if they are not; null = none is left. */
const struct leaver *leavers_first(struct leavers *leavers, const struct watch_kind *kind);
void leavers_drop_first(struct leavers *leavers);
