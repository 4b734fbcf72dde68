/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The threads of an interface's rings, and what one of them does for all while the others are at rest: see
 * live_lanes.h.
 */
#include "live_lanes.h"

#include <stdlib.h>
#include <string.h>

#include "event_log.h"
#include "live_ring.h"
#include "pipeline_internal.h"
#include "rest.h"
#include "tcpwitness/base/clock.h"
#include "tcpwitness/base/units.h"

/* Events are merged as soon as a ring is read out, but not more often than that; and when they are so old. */
#define MERGE_AGAIN_NS (5 * NS_PER_MS)
#define MERGE_AFTER_NS (20 * NS_PER_MS)

/* So long after the last frame of any ring all let time pass from boundary to boundary; then they sleep longer. */
#define AWAKE_NS NS_PER_SEC

/* Whoever is so far behind the first is not waited for. */
#define BEHIND_NS NS_PER_SEC

/* Boundaries further back are judged in one go: a machine was asleep. */
#define MISSED_NS (2 * NS_PER_SEC)

struct live_lanes {
	struct pipeline *pipeline; /* borrowed */
	struct rest *rest;
	unsigned n;
	unsigned n_started;           /* threads */
	uint64_t judged_ns;           /* the latest boundary */
	_Atomic uint64_t counted_ns;  /* the latest step; written in a rest, as the next one */
	_Atomic uint64_t merged_ns;   /* packet time when logs were merged last */
	_Atomic uint64_t heard_ns;    /* about the time of the latest frame of any ring */
	struct decoder_stats decoder; /* of all rings */
	struct live_ring rings[];
};

static uint64_t load(const _Atomic uint64_t *value)
{
	return atomic_load_explicit(value, memory_order_relaxed);
}

static void store(_Atomic uint64_t *value, uint64_t now)
{
	atomic_store_explicit(value, now, memory_order_relaxed);
}

/* --- while all others are at rest --- */

static void add_counts(struct frame_counts *to, const struct frame_counts *counts)
{
	to->frames += counts->frames;
	to->bytes += counts->bytes;
	to->time_backwards += counts->time_backwards;
	to->backward_steps += counts->backward_steps;
	to->truncated_packets += counts->truncated_packets;
}

static void add_capture(struct capture_stats *to, const struct capture_stats *stats)
{
	to->frames += stats->frames;
	to->bytes += stats->bytes;
	to->kernel_received += stats->kernel_received;
	to->kernel_dropped += stats->kernel_dropped;
	to->interface_dropped += stats->interface_dropped;
	to->time_backwards += stats->time_backwards;
}

_Static_assert(sizeof(struct decoder_stats) % sizeof(uint64_t) == 0, "counters and nothing else");

static void add_decoder(struct decoder_stats *to, const struct decoder_stats *stats)
{
	uint64_t *sums = (uint64_t *)to;
	const uint64_t *counters = (const uint64_t *)stats;

	for (size_t i = 0; i < sizeof(*to) / sizeof(*sums); i++)
		sums[i] += counters[i];
}

/* What the pipeline knows is what its rings know together. */
static void gather(struct live_lanes *lanes)
{
	struct pipeline *pipeline = lanes->pipeline;

	pipeline->counts = (struct frame_counts){ .frames = 0 };
	pipeline->capture_stats = (struct capture_stats){ .frames = 0 };
	lanes->decoder = (struct decoder_stats){ .checksum_bad = 0 };
	for (unsigned i = 0; i < lanes->n; i++) {
		const struct live_ring *ring = &lanes->rings[i];
		add_counts(&pipeline->counts, &ring->counts);
		add_capture(&pipeline->capture_stats, &ring->capture_stats);
		add_decoder(&lanes->decoder, &ring->decoder);
		if (ring->now_ns > pipeline->now_ns)
			pipeline->now_ns = ring->now_ns;
		if (ring->first_ns != 0 && (pipeline->first_ns == 0 || ring->first_ns < pipeline->first_ns))
			pipeline->first_ns = ring->first_ns;
	}
}

static void merge(struct live_lanes *lanes)
{
	const struct event_rank last = EVENT_RANK_LAST;
	struct shards *shards = lanes->pipeline->shards;
	struct event_log *logs[MAX_SHARDS];
	uint64_t base_ns = UINT64_MAX;

	for (unsigned i = 0; i < lanes->n; i++) {
		const struct live_ring *ring = &lanes->rings[i];
		logs[i] = ring->lane->log;
		if (ring->now_ns < base_ns)
			base_ns = ring->now_ns;
	}
	event_log_merge(logs, lanes->n, &last, &shards->writer, shards->orphan_counts);
	for (unsigned i = 0; i < lanes->n; i++) {
		lanes->rings[i].base_ns = base_ns;
		lanes->rings[i].logged_ns = 0;
	}
}

static void settle(void *context, unsigned number)
{
	struct live_lanes *lanes = context;

	detect_source_settle(lanes->rings[number].lane->detection);
}

static void count_until(struct live_lanes *lanes, uint64_t until_ns)
{
	detect_engine_count_until(lanes->pipeline->engine, until_ns);
	rest_share(lanes->rest, settle, lanes, lanes->n);
	detect_engine_count(lanes->pipeline->engine);
}

static void judge_boundary(struct live_lanes *lanes, const struct live_ring *by, uint64_t boundary_ns)
{
	struct pipeline *pipeline = lanes->pipeline;
	struct detect_engine *engine = pipeline->engine;
	uint64_t tick_ns;

	count_until(lanes, boundary_ns);
	while ((tick_ns = detect_engine_due(engine, boundary_ns)) != 0) {
		const struct detect_visibility visibility = pipeline_visibility(pipeline);
		detect_engine_tick(engine, tick_ns, by->now_ns, by->packet_number, &visibility);
	}
}

static void judge(struct live_lanes *lanes, const struct live_ring *by, uint64_t until_ns)
{
	uint64_t boundary_ns = lanes->judged_ns;

	if (until_ns <= boundary_ns)
		return;
	if (boundary_ns == 0)
		detect_engine_due(lanes->pipeline->engine, until_ns - 1); /* it begins: nothing is judged */
	if (until_ns - boundary_ns > MISSED_NS)
		boundary_ns = until_ns - DETECT_TICK_NS;
	while (boundary_ns < until_ns) {
		boundary_ns += DETECT_TICK_NS;
		judge_boundary(lanes, by, boundary_ns);
	}
	lanes->judged_ns = until_ns;
}

static void do_for_all(struct live_lanes *lanes, const struct live_ring *by, uint64_t until_ns)
{
	struct pipeline *pipeline = lanes->pipeline;

	gather(lanes);
	merge(lanes);
	judge(lanes, by, until_ns / DETECT_TICK_NS * DETECT_TICK_NS);
	if (until_ns > lanes->judged_ns)
		count_until(lanes, until_ns);
	store(&lanes->counted_ns, until_ns);
	store(&lanes->merged_ns, by->now_ns);
	if (stats_clock_strikes(&pipeline->stats_clock, pipeline->now_ns))
		pipeline_write_stats(pipeline);
	pipeline_share_progress(pipeline);
}

/* --- whether it is time --- */

/* The step that all have passed who are waited for, or 0. */
static uint64_t passed_by_all(const struct live_lanes *lanes)
{
	uint64_t least_ns = UINT64_MAX;
	uint64_t most_ns = 0;

	for (unsigned i = 0; i < lanes->n; i++) {
		uint64_t passed_ns = atomic_load_explicit(&lanes->rings[i].passed_ns, memory_order_acquire);
		if (passed_ns < least_ns)
			least_ns = passed_ns;
		if (passed_ns != UINT64_MAX && passed_ns > most_ns)
			most_ns = passed_ns;
	}
	if (most_ns == 0)
		return 0;
	return most_ns > BEHIND_NS && least_ns < most_ns - BEHIND_NS ? most_ns - BEHIND_NS : least_ns;
}

static bool is_merging_due(struct live_ring *ring, const struct batch *batch)
{
	bool is_read_out = batch->n_frames < BURST_FRAMES;
	struct event_rank rank;

	if (event_log_first(ring->lane->log, &rank) == NULL)
		return false;
	if (ring->logged_ns == 0)
		ring->logged_ns = ring->now_ns;
	if (batch->result == CAPTURE_IDLE || ring->now_ns - ring->logged_ns >= MERGE_AFTER_NS)
		return true;
	return is_read_out && ns_since(ring->now_ns, load(&ring->lanes->merged_ns)) >= MERGE_AGAIN_NS;
}

/* At work, between two bursts. */
static void do_what_is_due(struct live_ring *ring, const struct batch *batch)
{
	struct live_lanes *lanes = ring->lanes;
	uint64_t until_ns = passed_by_all(lanes);

	if (until_ns <= load(&lanes->counted_ns) && !is_merging_due(ring, batch))
		return;
	if (!rest_claim(lanes->rest, ring->number))
		return;
	do_for_all(lanes, ring, passed_by_all(lanes));
	rest_release(lanes->rest);
}

void live_lanes_make_room(struct live_ring *ring)
{
	struct rest *rest = ring->lanes->rest;

	if (!rest_claim(rest, ring->number)) {
		/* Whoever did merges all logs, too. */
		rest_end_work(rest, ring->number);
		rest_begin_work(rest, ring->number);
		return;
	}
	merge(ring->lanes);
	rest_release(rest);
}

/* --- a ring's thread --- */

static void hear(struct live_lanes *lanes, uint64_t now_ns)
{
	/* Seldom, as all threads read it. */
	if (now_ns >= load(&lanes->heard_ns) + DETECT_TICK_NS / 2)
		store(&lanes->heard_ns, now_ns);
}

/* Until when the ring has nothing to do in a silence; see capture_expect. */
static uint64_t next_due_ns(const struct live_ring *ring)
{
	uint64_t due_ns = ring->lane->first_due_ns;
	uint64_t boundary_ns = (ring->now_ns / DETECT_TICK_NS + 1) * DETECT_TICK_NS;

	if (ring->logged_ns != 0)
		return ring->now_ns;
	if (ring->now_ns < load(&ring->lanes->heard_ns) + AWAKE_NS && boundary_ns < due_ns)
		return boundary_ns;
	return due_ns;
}

/* Nobody waits for it any more. */
static void end(struct live_ring *ring, enum capture_result result)
{
	ring->result = result;
	ring->error = *intake_error(ring->intake);
	atomic_store_explicit(&ring->passed_ns, UINT64_MAX, memory_order_release);
	if (result == CAPTURE_FAILED)
		capture_break(ring->lanes->pipeline->capture);
}

static void *follow_ring(void *argument)
{
	struct live_ring *ring = argument;
	struct rest *rest = ring->lanes->rest;
	enum capture_result result;
	uint64_t due_ns = UINT64_MAX;

	do {
		capture_expect(ring->capture, due_ns);
		const struct batch *batch = intake_next(ring->intake);
		result = batch->result;
		rest_begin_work(rest, ring->number);
		if (batch->n_frames > 0)
			hear(ring->lanes, batch->now_ns[batch->n_frames - 1]);
		live_ring_follow(ring, batch);
		if (result == CAPTURE_IDLE)
			live_ring_pass_silence(ring, capture_silent_until_ns(ring->capture));
		if (result > CAPTURE_IDLE)
			end(ring, result);
		do_what_is_due(ring, batch);
		due_ns = next_due_ns(ring);
		rest_end_work(rest, ring->number);
		intake_release(ring->intake);
	} while (result <= CAPTURE_IDLE);
	return NULL;
}

/* --- life cycle --- */

enum capture_result live_lanes_follow(struct live_lanes *lanes, struct error *error)
{
	struct shards *shards = lanes->pipeline->shards;
	const struct live_ring *ended = &lanes->rings[0];

	follow_ring(&lanes->rings[0]);
	for (; lanes->n_started > 0; lanes->n_started--)
		pthread_join(lanes->rings[lanes->n_started].thread, NULL);
	gather(lanes);
	merge(lanes);
	for (unsigned i = 0; i < lanes->n; i++)
		shard_group_end(lanes->rings[i].lane, shards);
	shards_resume(shards, lanes->pipeline->now_ns);
	detect_engine_count_until(lanes->pipeline->engine, UINT64_MAX);
	for (unsigned i = 0; i < lanes->n && ended->result != CAPTURE_FAILED; i++)
		ended = &lanes->rings[i];
	*error = ended->error;
	return ended->result;
}

int live_lanes_start(struct live_lanes *lanes, struct error *error)
{
	for (unsigned i = 1; i < lanes->n; i++) {
		int result = pthread_create(&lanes->rings[i].thread, NULL, follow_ring, &lanes->rings[i]);
		if (result != 0)
			return error_set(error, "cannot start %u threads: %s; use fewer (--threads)", lanes->n,
					 strerror(result));
		lanes->n_started = i;
	}
	return 0;
}

static int init_ring(struct live_lanes *lanes, unsigned number, struct error *error)
{
	struct pipeline *pipeline = lanes->pipeline;
	struct live_ring *ring = &lanes->rings[number];
	struct intake_config config = {
		.decoder = pipeline->config.decoder,
		.is_ring = true,
		.ring = number,
		.n_of_rings = lanes->n,
	};

	/* Together as many as one would hold. */
	config.decoder.max_fragments_held = (config.decoder.max_fragments_held + lanes->n - 1) / lanes->n;
	ring->lanes = lanes;
	ring->number = number;
	ring->capture = capture_ring(pipeline->capture, number);
	ring->shards = pipeline->shards;
	ring->lane = &pipeline->shards->lanes[number];
	ring->shard = ring->lane->members[0];
	ring->base_ns = clock_realtime_ns();
	shard_group_begin(ring->lane);
	ring->intake = intake_create(&config, ring->capture, pipeline->shards, error);
	return ring->intake != NULL ? 0 : -1;
}

struct live_lanes *live_lanes_create(struct pipeline *pipeline, struct error *error)
{
	unsigned n = (unsigned)capture_n_rings(pipeline->capture);
	size_t bytes = sizeof(struct live_lanes) + n * sizeof(struct live_ring);
	struct live_lanes *lanes = aligned_alloc(LIVE_RING_ALIGN_BYTES, bytes);

	if (lanes == NULL) {
		error_set(error, "out of memory: no room for %u threads", n);
		return NULL;
	}
	memset(lanes, 0, bytes);
	lanes->pipeline = pipeline;
	lanes->n = n;
	pipeline->decoder_stats = &lanes->decoder;
	lanes->rest = rest_create(n, error);
	if (lanes->rest == NULL)
		goto fail;
	for (unsigned i = 0; i < n; i++) {
		if (init_ring(lanes, i, error) != 0)
			goto fail;
	}
	return lanes;
fail:
	live_lanes_destroy(lanes);
	return NULL;
}

void live_lanes_destroy(struct live_lanes *lanes)
{
	if (lanes == NULL)
		return;
	/* The pipeline's thread was not started: nobody else has told the others to end. */
	if (lanes->n_started > 0)
		capture_break(lanes->pipeline->capture);
	for (; lanes->n_started > 0; lanes->n_started--)
		pthread_join(lanes->rings[lanes->n_started].thread, NULL);
	for (unsigned i = 0; i < lanes->n; i++)
		intake_destroy(lanes->rings[i].intake);
	rest_destroy(lanes->rest);
	free(lanes);
}
