/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From frames to batches. Everything that depends on the order of all frames, whatever connection they are of, happens
 * here, in one thread: fragments are put together, checksums of senders learned, packet time told, oddities counted.
 */
#include "intake.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "pause.h"
#include "shards.h"
#include "tcpwitness/base/units.h"
#include "tcpwitness/detect/detect_engine.h"

/* One is followed, one is ready when that is done, and one is read by whoever has nothing else to do. */
enum { BATCHES_AHEAD = 3 };

/* The taker looks for a batch that somebody else is about to end: some 0.1 ms. */
enum { PAUSES_AWAKE = 2000 };

/* What frames of several queues, or of several files, may come out of order. */
#define REORDERED_NS (100 * NS_PER_MS)

struct intake {
	struct intake_config config;
	struct capture *capture;     /* borrowed */
	const struct shards *shards; /* borrowed */
	struct decoder *decoder;
	struct error error;
	struct stats_clock stats;

	/* Whoever reads. */
	atomic_flag is_at_work; /* somebody does */
	bool is_begun;          /* there is something in the next batch */
	bool is_at_end;
	struct frame *burst;
	size_t burst_max;
	size_t n_burst;
	size_t next_in_burst;
	bool may_block; /* input comes as it is written */
	uint64_t now_ns;
	uint64_t boundary_ns; /* the next at which something is judged */
	uint64_t calm_until_ns;
	uint64_t frame_ns; /* time of the frame before */
	uint8_t lane_of[MAX_SHARDS];
	struct frame_counts counts;

	/* Between whoever reads and the taker. */
	size_t n_batches;
	struct batch batches[BATCHES_AHEAD];
	_Atomic uint64_t n_filled; /* batches so far; the next is at this number modulo n_batches */
	_Atomic uint64_t n_released;
	/* The thread that does nothing but read. */
	pthread_t thread;
	bool started;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool is_over; /* nobody takes any more */
};

bool stats_clock_strikes(struct stats_clock *clock, uint64_t now_ns)
{
	if (clock->interval_ns == 0)
		return false;
	if (clock->next_ns == 0)
		clock->next_ns = now_ns + clock->interval_ns;
	if (now_ns < clock->next_ns)
		return false;
	clock->next_ns = now_ns + clock->interval_ns;
	return true;
}

/* --- frames into a batch --- */

/* A header that does not fit what was kept of the frame; a payload need not fit. */
static inline bool is_cut_short(const struct frame *frame, const struct decoded_frame *decoded)
{
	if (frame->captured_bytes == frame->wire_bytes)
		return false;
	return decoded->result == DECODE_TCP ? !decoded->packet.options_complete
					     : decode_result_is_truncation(decoded->result);
}

static void count(struct intake *intake, const struct frame *frames, const struct decoded_frame *decoded, size_t n)
{
	struct frame_counts counts = intake->counts;
	uint64_t before_ns = intake->frame_ns;

	counts.frames += n;
	for (size_t i = 0; i < n; i++) {
		counts.bytes += frames[i].wire_bytes;
		if (frames[i].time_ns < before_ns) {
			counts.time_backwards++;
			counts.backward_steps += frames[i].time_ns + REORDERED_NS < before_ns;
		}
		counts.truncated_packets += is_cut_short(&frames[i], &decoded[i]);
		before_ns = frames[i].time_ns;
	}
	intake->counts = counts;
	intake->frame_ns = before_ns;
}

/* Something may be judged before the frame counts: a boundary of time lies before it. */
static bool begins_stretch(const struct intake *intake, const struct batch *batch, uint64_t now_ns)
{
	return batch->n_stretches == 0 || now_ns >= intake->boundary_ns;
}

/* Up to when it can be told of each frame by its time alone that neither a stretch begins with it nor stats are due. */
static uint64_t calm_until_ns(const struct intake *intake)
{
	const struct stats_clock *clock = &intake->stats;
	uint64_t stats_ns = clock->interval_ns == 0 ? UINT64_MAX : clock->next_ns;

	return stats_ns < intake->boundary_ns ? stats_ns : intake->boundary_ns;
}

static inline void decode(const struct intake *intake, const struct frame *frame, uint64_t now_ns,
			  struct decoded_frame *to)
{
	to->result = decoder_decode(intake->decoder, frame, &to->packet);
	to->shard = (uint8_t)intake->config.ring;
	if (is_tracked(to->result)) {
		unsigned shard =
			shards_prepare(intake->shards, &to->packet, to->result == DECODE_ICMP_QUOTE, &to->tracked);
		if (!intake->config.is_ring)
			to->shard = (uint8_t)shard;
		to->tracked.now_ns = now_ns;
	}
	to->lane = intake->lane_of[to->shard];
}

static inline uint64_t later_of(uint64_t a_ns, uint64_t b_ns)
{
	return a_ns > b_ns ? a_ns : b_ns;
}

/* The next frames of the burst into the batch, at most n_max and none of until_ns or later. Gives their number. */
static size_t take_frames(struct intake *intake, struct batch *batch, size_t n_max, uint64_t until_ns)
{
	const struct frame *frames = &intake->burst[intake->next_in_burst];
	struct decoded_frame *decoded = &batch->frames[batch->n_frames];
	uint64_t *times_ns = &batch->now_ns[batch->n_frames];
	uint64_t now_ns = intake->now_ns;
	size_t n = 0;

	for (; n < n_max && later_of(frames[n].time_ns, now_ns) < until_ns; n++) {
		now_ns = later_of(frames[n].time_ns, now_ns);
		times_ns[n] = now_ns;
		decode(intake, &frames[n], now_ns, &decoded[n]);
	}
	count(intake, frames, decoded, n);
	intake->next_in_burst += n;
	intake->now_ns = now_ns;
	return n;
}

/* The next frame of the burst, and what it may bring about. */
static void add_frame(struct intake *intake, struct batch *batch)
{
	if (batch->n_frames == 0)
		batch->first_number = intake->burst[intake->next_in_burst].number;
	take_frames(intake, batch, 1, UINT64_MAX);
	if (begins_stretch(intake, batch, intake->now_ns))
		batch_begin_stretch(batch, &intake->counts);
	batch_add(batch, 1);
	if (intake->now_ns >= intake->boundary_ns)
		intake->boundary_ns = (intake->now_ns / DETECT_TICK_NS + 1) * DETECT_TICK_NS;
	intake->calm_until_ns = calm_until_ns(intake);
}

/* The next frames as far as they bring nothing but themselves, see calm_until_ns. False: none. */
static bool add_calm_frames(struct intake *intake, struct batch *batch)
{
	const size_t n_left = intake->n_burst - intake->next_in_burst;
	const size_t n_room = batch->capacity - batch->n_frames;
	size_t n;

	if (batch->n_stretches == 0)
		return false;
	n = take_frames(intake, batch, n_left < n_room ? n_left : n_room, intake->calm_until_ns);
	batch_add(batch, (uint16_t)n);
	return n > 0;
}

static bool is_full(const struct batch *batch)
{
	return batch->n_frames == batch->capacity || batch->n_stretches == BATCH_MAX_STRETCHES;
}

/*
 * Puts frames of the burst into the batch. True: the batch is to be handed on. Decoding goes no further than to the
 * frame with which stats are written: counters of later frames would tell.
 */
static bool add_burst(struct intake *intake, struct batch *batch)
{
	while (intake->next_in_burst < intake->n_burst && !is_full(batch)) {
		if (add_calm_frames(intake, batch))
			continue;
		const uint64_t now_ns = later_of(intake->burst[intake->next_in_burst].time_ns, intake->now_ns);
		struct stats_clock clock = intake->stats;
		const bool strikes = stats_clock_strikes(&clock, now_ns);
		if (strikes && batch->n_frames > 0)
			return true;
		if (batch->n_frames >= BATCH_ENOUGH_FRAMES && begins_stretch(intake, batch, now_ns))
			return true;
		intake->stats = clock;
		add_frame(intake, batch);
		if (strikes)
			return true;
	}
	return is_full(batch);
}

/* Nobody is to wait for the frames at hand until more come. */
static bool is_enough(const struct intake *intake, const struct batch *batch)
{
	if (batch->n_frames == 0)
		return false;
	return !intake->config.reads_ahead || intake->may_block;
}

/* True: the batch is to be handed on. */
static bool add_some(struct intake *intake, struct batch *batch)
{
	if (add_burst(intake, batch) || is_enough(intake, batch))
		return true;
	batch->result =
		capture_next_burst(intake->capture, intake->burst, intake->burst_max, &intake->n_burst, &intake->error);
	intake->next_in_burst = 0;
	return batch->result != CAPTURE_FRAME;
}

static void end_batch(struct intake *intake, struct batch *batch)
{
	batch_end(batch);
	batch->counts = intake->counts;
	batch->decoder = decoder_get_stats(intake->decoder);
	if (intake->config.reads_ahead) {
		batch->own_decoder = *batch->decoder;
		batch->decoder = &batch->own_decoder;
	}
}

static void fill(struct intake *intake, struct batch *batch)
{
	batch_clear(batch);
	while (!add_some(intake, batch))
		;
	end_batch(intake, batch);
}

/* --- by whoever has time --- */

static struct batch *next_batch(struct intake *intake)
{
	return &intake->batches[atomic_load(&intake->n_filled) % intake->n_batches];
}

static bool has_room(const struct intake *intake)
{
	return atomic_load(&intake->n_filled) - atomic_load(&intake->n_released) < intake->n_batches;
}

static void read_some(struct intake *intake)
{
	struct batch *batch = next_batch(intake);

	if (!intake->is_begun)
		batch_clear(batch);
	intake->is_begun = !add_some(intake, batch);
	if (intake->is_begun)
		return;
	end_batch(intake, batch);
	intake->is_at_end = batch->result > CAPTURE_IDLE;
	atomic_fetch_add(&intake->n_filled, 1);
}

bool intake_read_some(struct intake *intake)
{
	bool can_go_on;

	if (intake->may_block || !has_room(intake))
		return false;
	if (atomic_flag_test_and_set_explicit(&intake->is_at_work, memory_order_acquire))
		return false;
	can_go_on = has_room(intake) && !intake->is_at_end;
	if (can_go_on)
		read_some(intake);
	atomic_flag_clear_explicit(&intake->is_at_work, memory_order_release);
	return can_go_on;
}

bool intake_is_behind(const struct intake *intake)
{
	return atomic_load(&intake->n_filled) - atomic_load(&intake->n_released) < 2;
}

/* If somebody else is at it, that may be somebody whom the system lets wait. */
static const struct batch *read_next(struct intake *intake, const struct batch *batch)
{
	unsigned n_pauses = 0;

	while (atomic_load(&intake->n_filled) == atomic_load(&intake->n_released)) {
		if (intake_read_some(intake))
			n_pauses = 0;
		else if (n_pauses++ < PAUSES_AWAKE)
			pause_processor();
		else
			sched_yield();
	}
	return batch;
}

/* --- in a thread of its own --- */

static void *read_ahead(void *argument)
{
	struct intake *intake = argument;
	enum capture_result result;

	do {
		pthread_mutex_lock(&intake->mutex);
		while (intake->n_filled - intake->n_released == intake->n_batches && !intake->is_over)
			pthread_cond_wait(&intake->changed, &intake->mutex);
		bool is_over = intake->is_over;
		struct batch *batch = &intake->batches[intake->n_filled % intake->n_batches];
		pthread_mutex_unlock(&intake->mutex);
		if (is_over)
			return NULL;
		fill(intake, batch);
		result = batch->result;
		pthread_mutex_lock(&intake->mutex);
		intake->n_filled++;
		pthread_cond_signal(&intake->changed);
		pthread_mutex_unlock(&intake->mutex);
	} while (result <= CAPTURE_IDLE);
	return NULL;
}

const struct batch *intake_next(struct intake *intake)
{
	struct batch *batch = &intake->batches[intake->n_released % intake->n_batches];

	if (!intake->config.reads_ahead) {
		fill(intake, batch);
		return batch;
	}
	if (!intake->may_block)
		return read_next(intake, batch);
	pthread_mutex_lock(&intake->mutex);
	while (intake->n_filled == intake->n_released)
		pthread_cond_wait(&intake->changed, &intake->mutex);
	pthread_mutex_unlock(&intake->mutex);
	return batch;
}

void intake_release(struct intake *intake)
{
	if (!intake->config.reads_ahead)
		return;
	pthread_mutex_lock(&intake->mutex);
	intake->n_released++;
	pthread_cond_signal(&intake->changed);
	pthread_mutex_unlock(&intake->mutex);
}

int intake_start(struct intake *intake, struct error *error)
{
	if (!intake->config.reads_ahead || !intake->may_block)
		return 0;
	int result = pthread_create(&intake->thread, NULL, read_ahead, intake);
	if (result != 0)
		return error_set(error, "cannot start the thread that reads: %s", strerror(result));
	intake->started = true;
	return 0;
}

/* --- life cycle --- */

const struct error *intake_error(const struct intake *intake)
{
	return &intake->error;
}

static bool is_pipe(struct capture *capture)
{
	struct capture_stats stats;

	capture_get_stats(capture, &stats);
	return stats.input_bytes_total == 0;
}

struct intake *intake_create(const struct intake_config *config, struct capture *capture, const struct shards *shards,
			     struct error *error)
{
	struct intake *intake = calloc(1, sizeof(*intake));

	if (intake == NULL) {
		error_set(error, "out of memory: no room for the reader");
		return NULL;
	}
	pthread_mutex_init(&intake->mutex, NULL);
	pthread_cond_init(&intake->changed, NULL);
	atomic_flag_clear(&intake->is_at_work);
	intake->config = *config;
	intake->capture = capture;
	intake->shards = shards;
	intake->stats.interval_ns = config->stats_interval_ns;
	for (unsigned i = 0; i < MAX_SHARDS; i++)
		intake->lane_of[i] = (uint8_t)(i % shards->n_lanes);
	intake->may_block = is_pipe(capture);
	/* Behind a pipe's burst nobody can tell whether a frame comes or a pause: it is to be all that is there. */
	intake->burst_max = config->reads_ahead && intake->may_block ? BATCH_MAX_FRAMES : BURST_FRAMES;
	intake->burst = calloc(intake->burst_max, sizeof(*intake->burst));
	if (intake->burst == NULL) {
		error_set(error, "out of memory: no room for %zu frames", intake->burst_max);
		goto fail;
	}
	intake->decoder = decoder_create(&config->decoder, error);
	if (intake->decoder == NULL)
		goto fail;
	for (size_t n = config->reads_ahead ? BATCHES_AHEAD : 1; intake->n_batches < n; intake->n_batches++) {
		uint16_t capacity = config->reads_ahead ? BATCH_MAX_FRAMES : BURST_FRAMES;
		if (batch_init(&intake->batches[intake->n_batches], capacity, config->reads_ahead) != 0) {
			batch_fini(&intake->batches[intake->n_batches]);
			error_set(error, "out of memory: no room for %u frames", capacity);
			goto fail;
		}
		intake->batches[intake->n_batches].number_step = config->is_ring ? config->n_of_rings : 1;
	}
	return intake;
fail:
	intake_destroy(intake);
	return NULL;
}

void intake_destroy(struct intake *intake)
{
	if (intake == NULL)
		return;
	if (intake->started) {
		pthread_mutex_lock(&intake->mutex);
		intake->is_over = true;
		pthread_cond_signal(&intake->changed);
		pthread_mutex_unlock(&intake->mutex);
		pthread_join(intake->thread, NULL);
	}
	for (size_t i = 0; i < intake->n_batches; i++)
		batch_fini(&intake->batches[i]);
	decoder_destroy(intake->decoder);
	free(intake->burst);
	pthread_cond_destroy(&intake->changed);
	pthread_mutex_destroy(&intake->mutex);
	free(intake);
}
