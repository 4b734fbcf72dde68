/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A lane does what shards_follow does with all shards. In that order a timer goes off with the first frame that comes
 * at its time or later, whoever follows that frame: so the times of all frames are looked through for each timer.
 */
#include "lane_run.h"

#include "tcpwitness/base/prefetch.h"

enum { CACHE_LINE_BYTES = 64 };

void lane_run_begin(struct lane_run *run, struct shards *shards, unsigned lane, const struct batch *batch,
		    const struct stretch *stretch)
{
	*run = (struct lane_run){
		.shards = shards,
		.lane = &shards->lanes[lane],
		.batch = batch,
		.next = stretch->first_of[lane],
		.end = stretch->end,
		.caught_up = stretch->first,
	};
	shard_group_begin(run->lane);
}

void lane_run_end(struct lane_run *run)
{
	shard_group_end(run->lane, run->shards);
}

/* The first frame of [first, last] at due_ns or later; that of last is. */
static uint16_t first_since(const uint64_t *now_ns, uint16_t first, uint16_t last, uint64_t due_ns)
{
	while (first < last) {
		uint16_t middle = (uint16_t)((first + last) / 2);
		if (now_ns[middle] >= due_ns)
			last = middle;
		else
			first = (uint16_t)(middle + 1);
	}
	return first;
}

/* All that goes off with frames up to last. False: the log is full. */
static bool catch_up(struct lane_run *run, uint16_t last)
{
	const uint64_t *now_ns = run->batch->now_ns;

	while (run->lane->first_due_ns <= now_ns[last]) {
		uint16_t frame = first_since(now_ns, run->caught_up, last, run->lane->first_due_ns);
		run->caught_up = frame;
		if (!shard_group_fire(run->lane, now_ns[frame], batch_number(run->batch, frame), frame,
				      &run->stopped_at))
			return false;
	}
	run->caught_up = last;
	return true;
}

static bool follow(struct lane_run *run, uint16_t frame)
{
	const struct decoded_frame *decoded = &run->batch->frames[frame];

	if (!catch_up(run, frame))
		return false;
	if (!event_log_begin_packet(run->lane->log, frame)) {
		run->stopped_at = (struct event_rank){ .frame = frame, .is_packet = true };
		return false;
	}
	shard_group_follow(run->lane, &run->shards->shard[decoded->shard], decoded);
	run->next = run->batch->next[frame];
	return true;
}

/* Another thread may have written them. Returns the frame behind them. */
static uint16_t expect_frames(const struct batch *batch, uint16_t frame, unsigned n)
{
	for (; frame != NO_FRAME && n > 0; n--, frame = batch->next[frame]) {
		for (size_t at = 0; at < sizeof(batch->frames[frame]); at += CACHE_LINE_BYTES)
			prefetch((const char *)&batch->frames[frame] + at);
	}
	return frame;
}

/* The lane's next frames, and what its shards will look at for them; how many. */
static unsigned fetch_burst(const struct lane_run *run, uint16_t *frames)
{
	struct burst burst;
	unsigned n = 0;

	burst.n = 0;
	for (uint16_t frame = run->next; frame != NO_FRAME && n < BURST_FRAMES; frame = run->batch->next[frame]) {
		frames[n++] = frame;
		burst_add(&burst, run->shards, &run->batch->frames[frame]);
	}
	burst_fetch(&burst);
	return n;
}

void lane_run_go_on(struct lane_run *run)
{
	uint16_t frames[BURST_FRAMES];
	uint16_t expected = expect_frames(run->batch, run->next, BURST_FRAMES);

	while (run->next != NO_FRAME) {
		unsigned n = fetch_burst(run, frames);
		expected = expect_frames(run->batch, expected, n);
		for (unsigned i = 0; i < n; i++) {
			if (!follow(run, frames[i]))
				return;
		}
	}
	if (catch_up(run, (uint16_t)(run->end - 1)))
		run->stopped_at = EVENT_RANK_LAST;
}

void lane_run_settle(struct lane_run *run)
{
	detect_source_settle(run->lane->detection);
}

void lane_run_begin_last(struct lane_run *run, struct shards *shards, unsigned lane)
{
	*run = (struct lane_run){ .shards = shards, .lane = &shards->lanes[lane] };
	shard_group_begin(run->lane);
}

void lane_run_record_left(struct lane_run *run)
{
	if (shard_group_record_left(run->lane, &run->stopped_at))
		run->stopped_at = EVENT_RANK_LAST;
}
