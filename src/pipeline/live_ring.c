/* SPDX-License-Identifier: BSD-2-Clause */
/* What one thread does with the frames of its ring: the same as shards_follow, with a log for what is told of them. */
#include "live_ring.h"

#include "event_log.h"
#include "tcpwitness/base/units.h"

/* Events of all rings are merged by time; finer than a microsecond nobody sees their order. */
static uint32_t rank_of(const struct live_ring *ring, uint64_t now_ns)
{
	uint64_t since_us = ns_since(now_ns, ring->base_ns) / NS_PER_US;

	return since_us < UINT32_MAX ? (uint32_t)since_us : UINT32_MAX - 1;
}

static void fire(struct live_ring *ring, uint64_t now_ns, uint64_t packet_number)
{
	struct event_rank stopped_at;

	while (!shard_group_fire(ring->lane, now_ns, packet_number, rank_of(ring, now_ns), &stopped_at))
		live_lanes_make_room(ring);
}

/* Boundaries at which nothing is due are passed in one step. */
static void pass_boundaries(struct live_ring *ring, uint64_t now_ns, uint64_t packet_number)
{
	uint64_t last_ns = now_ns / DETECT_TICK_NS * DETECT_TICK_NS;

	if (last_ns <= ring->now_ns)
		return;
	while (ring->lane->first_due_ns <= last_ns) {
		uint64_t due_ns = ring->lane->first_due_ns > ring->now_ns ? ring->lane->first_due_ns : ring->now_ns;
		uint64_t boundary_ns = (due_ns + DETECT_TICK_NS - 1) / DETECT_TICK_NS * DETECT_TICK_NS;
		ring->now_ns = boundary_ns;
		fire(ring, boundary_ns, packet_number);
	}
}

static void pass_time(struct live_ring *ring, uint64_t now_ns, uint64_t packet_number)
{
	if (ring->first_ns == 0)
		ring->first_ns = now_ns;
	if (now_ns / LIVE_RING_STEP_NS > ring->now_ns / LIVE_RING_STEP_NS) {
		pass_boundaries(ring, now_ns, packet_number);
		atomic_store_explicit(&ring->passed_ns, now_ns / LIVE_RING_STEP_NS * LIVE_RING_STEP_NS,
				      memory_order_release);
	}
	if (now_ns > ring->now_ns)
		ring->now_ns = now_ns;
	ring->packet_number = packet_number;
	if (ring->lane->first_due_ns <= ring->now_ns)
		fire(ring, ring->now_ns, packet_number);
}

static void follow_frame(struct live_ring *ring, const struct decoded_frame *frame)
{
	const struct event_rank rank = { .frame = rank_of(ring, ring->now_ns), .is_packet = true };

	if (!is_followed(frame->result))
		return;
	while (!event_log_begin(ring->lane->log, &rank))
		live_lanes_make_room(ring);
	shard_group_follow(ring->lane, ring->shard, frame);
}

void live_ring_follow(struct live_ring *ring, const struct batch *batch)
{
	for (uint32_t i = 0; i < batch->n_frames; i++) {
		if (i % BURST_FRAMES == 0)
			shards_fetch(ring->shards, batch, i, batch->n_frames);
		pass_time(ring, batch->now_ns[i], batch_number(batch, i));
		follow_frame(ring, &batch->frames[i]);
	}
	if (batch->n_frames > 0)
		ring->frame_ns = ring->now_ns;
	ring->counts = batch->counts;
	ring->decoder = *batch->decoder;
	capture_get_stats(ring->capture, &ring->capture_stats);
}

void live_ring_pass_silence(struct live_ring *ring, uint64_t now_ns)
{
	pass_time(ring, now_ns, 0);
}
