/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>

#include "intake.h"
#include "shards.h"
#include "tcpwitness/base/units.h"

struct live_lanes;

enum { LIVE_RING_ALIGN_BYTES = 64 };

/* So often a ring says how far it is: a part of DETECT_TICK_NS. */
#define LIVE_RING_STEP_NS (20 * NS_PER_MS)

/*
 * One ring and what its thread owns. The members are the thread's while it works, and of whoever claimed a rest while
 * it rests; but the intake and the capture are always the thread's.
 */
struct live_ring {
	alignas(LIVE_RING_ALIGN_BYTES) struct live_lanes *lanes;
	unsigned number;
	struct capture *capture; /* borrowed, as the next three */
	const struct shards *shards;
	struct shard_group *lane;
	struct shard *shard; /* that of all frames of the ring */
	struct intake *intake;
	uint64_t base_ns; /* from when on the ranks of events count */

	uint64_t now_ns; /* packet time */
	uint64_t first_ns;
	uint64_t frame_ns;      /* of the latest frame */
	uint64_t packet_number; /* the same; 0: time has passed by the clock since then */
	uint64_t logged_ns;     /* since when there are events in the log; 0 = none */
	struct frame_counts counts;
	struct decoder_stats decoder;
	struct capture_stats capture_stats;

	pthread_t thread;
	enum capture_result result; /* when it has ended */
	struct error error;

	/* Read by all, at any time: the latest step up to which all has been told. */
	_Atomic uint64_t passed_ns; /* UINT64_MAX = there is nothing more to come */
};

/* At work. All frames of the batch, and what goes off before them. */
void live_ring_follow(struct live_ring *ring, const struct batch *batch);

/* At work. No frame of before now_ns can come any more. */
void live_ring_pass_silence(struct live_ring *ring, uint64_t now_ns);

/* live_lanes.c: the log of the ring is full; it is empty afterwards. Between two frames or timers. */
void live_lanes_make_room(struct live_ring *ring);
