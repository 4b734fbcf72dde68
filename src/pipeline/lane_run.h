/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "event_log.h"
#include "shards.h"

/*
 * One lane on its way through a stretch, while others are on theirs. It sees its own frames and the times of all; its
 * events go to its log. It stops where the log is full, and goes on when that was read.
 */
struct lane_run {
	struct shards *shards;
	struct shard_group *lane;
	const struct batch *batch;
	uint16_t next;                /* frame to follow; NO_FRAME: none is left */
	uint16_t end;                 /* of the stretch */
	uint16_t caught_up;           /* frame: what was due before it has gone off */
	struct event_rank stopped_at; /* what comes next, or EVENT_RANK_LAST */
};

/* While no lane is at work. */
void lane_run_begin(struct lane_run *run, struct shards *shards, unsigned lane, const struct batch *batch,
		    const struct stretch *stretch);
void lane_run_end(struct lane_run *run);

/* Any thread, one at a time. */
void lane_run_go_on(struct lane_run *run);

/* The same, when all lanes are through and a boundary of time comes: see detect_source_settle. */
void lane_run_settle(struct lane_run *run);

/* At the end of a run, in place of lane_run_begin and lane_run_go_on: records of what is left. */
void lane_run_begin_last(struct lane_run *run, struct shards *shards, unsigned lane);
void lane_run_record_left(struct lane_run *run);
