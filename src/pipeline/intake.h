/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "batch.h"
#include "tcpwitness/base/error.h"

struct shards;

/*
 * Reads frames, decodes them, and says which shard follows each: batch after batch. In the calling thread, a burst at a
 * time; or ahead, in other threads.
 */
struct intake;

struct intake_config {
	struct decoder_config decoder;
	uint64_t stats_interval_ns; /* as in struct pipeline_config */
	bool reads_ahead;
	bool is_ring;        /* a ring of an interface: all frames are for one shard */
	unsigned ring;       /* which */
	unsigned n_of_rings; /* see capture_ring */
};

/* capture and shards are borrowed. Null with *error filled on failure. */
struct intake *intake_create(const struct intake_config *config, struct capture *capture, const struct shards *shards,
			     struct error *error);

void intake_destroy(struct intake *intake);

/* Starts the thread that reads ahead, if there is to be one: of a pipe. 0, or -1 with *error filled. */
int intake_start(struct intake *intake, struct error *error);

/*
 * The next batch, to be given back before the next call. It has frames, or its result is not CAPTURE_FRAME. Behind a
 * result other than these two and CAPTURE_IDLE nothing comes.
 */
const struct batch *intake_next(struct intake *intake);
void intake_release(struct intake *intake);

/*
 * Reading ahead in a file needs no thread of its own: any thread that has nothing else to do reads a little, one at a
 * time. False: there is no room before a batch is released, nothing more to read, or somebody at it.
 */
bool intake_read_some(struct intake *intake);

/* No batch is ready behind the one that was taken last. Any thread asks. */
bool intake_is_behind(const struct intake *intake);

/* After the last batch: what capture_next_burst had to say. */
const struct error *intake_error(const struct intake *intake);

/*
 * Whether stats are due when packet time comes to now_ns. The thread that reads cuts its batches where the one that
 * tracks will write stats, so both ask the same clock, each its own.
 */
struct stats_clock {
	uint64_t interval_ns; /* 0 = never */
	uint64_t next_ns;     /* 0 = not begun */
};

bool stats_clock_strikes(struct stats_clock *clock, uint64_t now_ns);
