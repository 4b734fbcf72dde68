/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "shards.h"

/*
 * Threads that follow the lanes side by side, stretch by stretch; one for each. Between two stretches all are at rest,
 * and whoever gives them work may touch every shard. What comes of it is the same as of shards_follow.
 */
struct crew;

/* What threads do that have nothing else to do. Any thread calls it, several at a time. */
struct crew_spare {
	bool (*work)(void *context); /* a little of it; false: there is none. Null: there never is */
	/* Soon everybody will wait for it: whoever does not give the work does this rather than a lane. */
	bool (*is_wanted)(void *context);
	void *context;
};

/* shards, with at least two lanes, are borrowed. Null with *error filled on failure. */
struct crew *crew_create(struct shards *shards, const struct crew_spare *spare, struct error *error);
void crew_destroy(struct crew *crew);

/* Starts those beside the one that gives them work, which works too; 0, or -1 with *error filled. */
int crew_start(struct crew *crew, struct error *error);

/* There is spare work again. */
void crew_call(struct crew *crew);

/* Follows the whole stretch. */
void crew_follow(struct crew *crew, const struct batch *batch, const struct stretch *stretch);

/* As shards_finish. */
void crew_finish(struct crew *crew);

/* After crew_follow, where a boundary of time comes next: as detect_source_settle, for all lanes. */
void crew_settle(struct crew *crew);
