/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The thread that makes frames into events: batch by batch it lets packet time pass, has the frames' connections
 * followed, by itself or by a crew, and judges what became of them. What it has to say goes into the event queue; the
 * main thread does the rest.
 */
#include "pipeline_internal.h"

#include <stdlib.h>
#include <string.h>

#include "tcpwitness/base/units.h"

/* How often the figures for the main thread are renewed, in frames. */
enum { PROGRESS_FRAMES = 1024 };

/* Fewer frames are followed in less time than others take to wake up. */
enum { WORTH_SHARING_FRAMES = 256 };

/* A stretch seldom tells more; what does takes more rounds (crew.c). */
enum { LANE_LOG_BYTES = 4 << 20 };

void pipeline_ask_capture(struct pipeline *pipeline)
{
	/* Each ring's thread asks for itself. */
	if (pipeline->lanes == NULL)
		capture_get_stats(pipeline->capture, &pipeline->capture_stats);
}

void pipeline_share_progress(struct pipeline *pipeline)
{
	struct shared_progress *to = &pipeline->progress;
	const struct tracker_stats *tracker = &pipeline->stats.tracker;
	const struct detect_stats *detect = detect_engine_get_stats(pipeline->engine);

	pipeline->shared_ns = pipeline->now_ns;
	pipeline->shared_frames = pipeline->counts.frames;
	shards_get_stats(pipeline->shards, &pipeline->stats);
	pipeline_ask_capture(pipeline);
	atomic_store_explicit(&to->packets, pipeline->counts.frames, memory_order_relaxed);
	atomic_store_explicit(&to->bytes, pipeline->counts.bytes, memory_order_relaxed);
	atomic_store_explicit(&to->tcp_segments, tracker->segments, memory_order_relaxed);
	atomic_store_explicit(&to->connections, tracker->connections, memory_order_relaxed);
	atomic_store_explicit(&to->alarms_raised, detect->alarms_raised, memory_order_relaxed);
	atomic_store_explicit(&to->alarms_open, detect->alarms_open, memory_order_relaxed);
	atomic_store_explicit(&to->decode_refused, decoder_stats_refused(pipeline->decoder_stats),
			      memory_order_relaxed);
	atomic_store_explicit(&to->input_bytes_read, pipeline->capture_stats.input_bytes_read, memory_order_relaxed);
	atomic_store_explicit(&to->input_bytes_total, pipeline->capture_stats.input_bytes_total, memory_order_relaxed);
	atomic_store_explicit(&to->kernel_dropped, pipeline->capture_stats.kernel_dropped, memory_order_relaxed);
	atomic_store_explicit(&to->first_ns, pipeline->first_ns, memory_order_relaxed);
	atomic_store_explicit(&to->last_ns, pipeline->now_ns, memory_order_relaxed);
}

struct detect_visibility pipeline_visibility(struct pipeline *pipeline)
{
	const struct tracker_stats *tracker = &pipeline->stats.tracker;
	const struct flow_table_stats *table = &pipeline->stats.table;

	shards_get_stats(pipeline->shards, &pipeline->stats);
	return (struct detect_visibility){
		.segments = tracker->segments,
		.connections = tracker->connections,
		.one_way_connections = tracker->one_way,
		.two_way_connections = tracker->two_way,
		.duplicates = tracker->duplicates,
		.payload_segments = tracker->with_payload,
		.unseen_segments = tracker->unseen,
		.late_segments = tracker->came_late,
		.truncated_packets = pipeline->counts.truncated_packets,
		.backward_steps = pipeline->counts.backward_steps,
		.kernel_dropped = pipeline->capture_stats.kernel_dropped,
		.interface_dropped = pipeline->capture_stats.interface_dropped,
		.flows_evicted = pipeline->stats.evicted,
		.open_evicted = table->evicted[FLOW_CLASS_ESTABLISHED] + table->evicted[FLOW_CLASS_HALF_CLOSED],
		.attempts_evicted = table->evicted[FLOW_CLASS_UNANSWERED_NEW] +
				    table->evicted[FLOW_CLASS_HALF_OPEN_NEW] + pipeline->stats.syn_store.evicted[false],
		.flows_refused = table->refused,
	};
}

/* Moves packet time on: what is due happens before the packet at hand counts. */
static void advance(struct pipeline *pipeline, uint64_t time_ns, uint64_t packet_number)
{
	uint64_t tick_ns;

	if (time_ns > pipeline->now_ns)
		pipeline->now_ns = time_ns;
	if (pipeline->first_ns == 0)
		pipeline->first_ns = time_ns;
	/* A boundary is judged when all that was due by then has been told, and nothing of later. */
	while ((tick_ns = detect_engine_due(pipeline->engine, pipeline->now_ns)) != 0) {
		shards_advance(pipeline->shards, tick_ns, packet_number);
		const struct detect_visibility visibility = pipeline_visibility(pipeline);
		detect_engine_tick(pipeline->engine, tick_ns, pipeline->now_ns, packet_number, &visibility);
	}
	/* Slow traffic is not to leave the figures old for minutes. */
	if (ns_since(pipeline->now_ns, pipeline->shared_ns) >= NS_PER_SEC)
		pipeline_share_progress(pipeline);
	if (stats_clock_strikes(&pipeline->stats_clock, pipeline->now_ns))
		pipeline_write_stats(pipeline);
}

/* What a crew's lanes told is counted side by side too, when it is to be judged. */
static void settle_before(struct pipeline *pipeline, uint64_t time_ns)
{
	if (!pipeline->is_unsettled || time_ns / DETECT_TICK_NS == pipeline->now_ns / DETECT_TICK_NS)
		return;
	crew_settle(pipeline->crew);
	pipeline->is_unsettled = false;
}

/* Nothing but the first frame of a stretch can lead to a judgement. */
static void handle_stretch(struct pipeline *pipeline, const struct batch *batch, const struct stretch *stretch)
{
	uint64_t begins_ns = batch->now_ns[stretch->first];

	pipeline->counts = stretch->counts;
	settle_before(pipeline, begins_ns);
	advance(pipeline, begins_ns, batch_number(batch, stretch->first));
	if (pipeline->crew != NULL && stretch->end - stretch->first >= (int)pipeline->config.sharing.from_frames) {
		crew_follow(pipeline->crew, batch, stretch);
		pipeline->is_unsettled = true;
	} else {
		shards_follow(pipeline->shards, batch, stretch);
	}
	pipeline->now_ns = batch->now_ns[stretch->end - 1];
	/* It has to know when it was last heard of something: none of the frames is behind a boundary. */
	detect_engine_due(pipeline->engine, pipeline->now_ns);
}

static void handle_batch(struct pipeline *pipeline, const struct batch *batch)
{
	pipeline->decoder_stats = batch->decoder;
	for (unsigned i = 0; i < batch->n_stretches; i++)
		handle_stretch(pipeline, batch, &batch->stretches[i]);
	pipeline->counts = batch->counts;
	if (pipeline->counts.frames - pipeline->shared_frames >= PROGRESS_FRAMES)
		pipeline_share_progress(pipeline);
}

/*
 * A live capture that hears nothing: time goes on all the same, by the clock that stamps its packets, but not past
 * those that the kernel may still hold.
 */
static void idle_tick(struct pipeline *pipeline)
{
	uint64_t now_ns = capture_silent_until_ns(pipeline->capture);

	advance(pipeline, now_ns, 0);
	shards_advance(pipeline->shards, now_ns, 0);
	pipeline_share_progress(pipeline);
}

/* All is read: what is left is told. */
static void conclude(struct pipeline *pipeline)
{
	event_queue_wait_from_now(pipeline->queue);
	if (capture_is_live(pipeline->capture))
		detect_engine_end(pipeline->engine, pipeline->now_ns, 0);
	if (pipeline->crew != NULL)
		crew_finish(pipeline->crew);
	else
		shards_finish(pipeline->shards);
	pipeline_share_progress(pipeline);
	if (pipeline->config.stats_interval_ns != 0)
		pipeline_write_stats(pipeline);
	if (pipeline->config.summary)
		pipeline_write_summary(pipeline);
	event_queue_finish(pipeline->queue);
}

static enum capture_result follow_capture(struct pipeline *pipeline)
{
	enum capture_result result;

	for (;;) {
		/* All timers of a long silence at once would be a pause in which packets wait. */
		capture_expect(pipeline->capture, shards_due_ns(pipeline->shards));
		const struct batch *batch = intake_next(pipeline->intake);
		handle_batch(pipeline, batch);
		result = batch->result;
		if (result == CAPTURE_IDLE)
			idle_tick(pipeline);
		else if (result != CAPTURE_FRAME)
			break;
		intake_release(pipeline->intake);
		if (pipeline->crew != NULL)
			crew_call(pipeline->crew);
	}
	pipeline->error = *intake_error(pipeline->intake);
	return result;
}

static void *pipeline_thread(void *argument)
{
	struct pipeline *pipeline = argument;
	enum capture_result result = pipeline->lanes != NULL ? live_lanes_follow(pipeline->lanes, &pipeline->error)
							     : follow_capture(pipeline);

	pipeline->end = result == CAPTURE_FAILED ? PIPELINE_FAILED : PIPELINE_DONE;
	conclude(pipeline);
	return NULL;
}

/* --- life cycle --- */

static const char **names_of(const struct capture *capture)
{
	size_t n = capture_n_sources(capture);
	const char **names = calloc(n, sizeof(*names));

	for (size_t i = 0; names != NULL && i < n; i++)
		names[i] = capture_source_name(capture, i);
	return names;
}

static bool read_some(void *intake)
{
	return intake_read_some(intake);
}

static bool is_behind(void *intake)
{
	return intake_is_behind(intake);
}

static int create_parts(struct pipeline *pipeline, const struct ruleset *ruleset, struct error *error)
{
	const struct pipeline_config *config = &pipeline->config;
	bool has_rings = capture_n_rings(pipeline->capture) > 1;
	unsigned n_shards = shards_count(&config->tracker, pipeline->capture);
	unsigned n_lanes = !has_rings && config->n_threads < n_shards ? config->n_threads : n_shards;
	struct detect_config detect = config->detect;
	const struct shards_config shards = {
		.tracker = config->tracker,
		.n_shards = n_shards,
		.n_lanes = n_lanes,
		.log_bytes = config->sharing.log_bytes,
	};
	const struct intake_config intake = {
		.decoder = config->decoder,
		.stats_interval_ns = config->stats_interval_ns,
		.reads_ahead = n_lanes > 1,
	};

	detect.n_sources = n_lanes;
	pipeline->source_names = names_of(pipeline->capture);
	if (pipeline->source_names == NULL)
		return error_set(error, "out of memory: no room for the names of the sources");
	pipeline->engine = detect_engine_create(ruleset, &detect, &pipeline->writer, error);
	if (pipeline->engine == NULL)
		return -1;
	pipeline->shards = shards_create(&shards, pipeline->engine, &pipeline->writer, pipeline->source_names, error);
	if (pipeline->shards == NULL)
		return -1;
	if (has_rings) {
		pipeline->lanes = live_lanes_create(pipeline, error);
		return pipeline->lanes != NULL ? 0 : -1;
	}
	pipeline->intake = intake_create(&intake, pipeline->capture, pipeline->shards, error);
	if (pipeline->intake == NULL)
		return -1;
	if (n_lanes == 1)
		return 0;
	pipeline->crew =
		crew_create(pipeline->shards, &(struct crew_spare){ read_some, is_behind, pipeline->intake }, error);
	return pipeline->crew != NULL ? 0 : -1;
}

struct pipeline *pipeline_create(const struct pipeline_config *config, struct capture *capture,
				 const struct ruleset *ruleset, struct event_queue *queue, struct error *error)
{
	struct pipeline *pipeline = calloc(1, sizeof(*pipeline));

	if (pipeline == NULL) {
		error_set(error, "out of memory: no room for the pipeline");
		return NULL;
	}
	pipeline->config = *config;
	if (config->sharing.from_frames == 0)
		pipeline->config.sharing.from_frames = WORTH_SHARING_FRAMES;
	if (config->sharing.log_bytes == 0)
		pipeline->config.sharing.log_bytes = LANE_LOG_BYTES;
	pipeline->capture = capture;
	pipeline->queue = queue;
	pipeline->writer = event_queue_writer(queue);
	pipeline->stats_clock.interval_ns = config->stats_interval_ns;
	pipeline_name_refusals(pipeline);
	if (create_parts(pipeline, ruleset, error) != 0) {
		pipeline_destroy(pipeline);
		return NULL;
	}
	return pipeline;
}

void pipeline_destroy(struct pipeline *pipeline)
{
	if (pipeline == NULL)
		return;
	pipeline_join(pipeline);
	crew_destroy(pipeline->crew);
	live_lanes_destroy(pipeline->lanes);
	intake_destroy(pipeline->intake);
	shards_destroy(pipeline->shards);
	detect_engine_destroy(pipeline->engine);
	free(pipeline->source_names);
	free(pipeline);
}

int pipeline_start(struct pipeline *pipeline, struct error *error)
{
	if (pipeline->crew != NULL && crew_start(pipeline->crew, error) != 0)
		return -1;
	if (pipeline->lanes != NULL && live_lanes_start(pipeline->lanes, error) != 0)
		return -1;
	if (pipeline->intake != NULL && intake_start(pipeline->intake, error) != 0)
		return -1;
	int result = pthread_create(&pipeline->thread, NULL, pipeline_thread, pipeline);
	if (result != 0)
		return error_set(error, "cannot start the capture thread: %s", strerror(result));
	pipeline->started = true;
	return 0;
}

void pipeline_stop(struct pipeline *pipeline)
{
	capture_break(pipeline->capture);
}

enum pipeline_end pipeline_join(struct pipeline *pipeline)
{
	if (pipeline->started)
		pthread_join(pipeline->thread, NULL);
	pipeline->started = false;
	return pipeline->end;
}

const struct error *pipeline_error(const struct pipeline *pipeline)
{
	return &pipeline->error;
}

void pipeline_get_progress(const struct pipeline *pipeline, struct pipeline_progress *progress)
{
	const struct shared_progress *from = &pipeline->progress;

	*progress = (struct pipeline_progress){
		.packets = atomic_load_explicit(&from->packets, memory_order_relaxed),
		.bytes = atomic_load_explicit(&from->bytes, memory_order_relaxed),
		.tcp_segments = atomic_load_explicit(&from->tcp_segments, memory_order_relaxed),
		.connections = atomic_load_explicit(&from->connections, memory_order_relaxed),
		.alarms_raised = atomic_load_explicit(&from->alarms_raised, memory_order_relaxed),
		.alarms_open = atomic_load_explicit(&from->alarms_open, memory_order_relaxed),
		.decode_refused = atomic_load_explicit(&from->decode_refused, memory_order_relaxed),
		.input_bytes_read = atomic_load_explicit(&from->input_bytes_read, memory_order_relaxed),
		.input_bytes_total = atomic_load_explicit(&from->input_bytes_total, memory_order_relaxed),
		.kernel_dropped = atomic_load_explicit(&from->kernel_dropped, memory_order_relaxed),
		.first_ns = atomic_load_explicit(&from->first_ns, memory_order_relaxed),
		.last_ns = atomic_load_explicit(&from->last_ns, memory_order_relaxed),
	};
}
