/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The capture thread: a frame is read, decoded, tracked and judged before the next one is read. What it
 * has to say goes into the event queue; the main thread does the rest.
 */
#include "pipeline_internal.h"

#include <stdlib.h>
#include <string.h>

#include "tcpwitness/base/clock.h"
#include "tcpwitness/base/units.h"

/* How often the figures for the main thread are renewed, in frames. */
enum { PROGRESS_FRAMES = 1024 };

static void share_progress(struct pipeline *pipeline)
{
	struct shared_progress *to = &pipeline->progress;
	const struct tracker_stats *tracker = tracker_get_stats(pipeline->tracker);
	const struct detect_stats *detect = detect_engine_get_stats(pipeline->engine);
	const struct decoder_stats *decoder = decoder_get_stats(pipeline->decoder);

	pipeline->shared_ns = pipeline->now_ns;
	capture_get_stats(pipeline->capture, &pipeline->capture_stats);
	atomic_store_explicit(&to->packets, pipeline->frames, memory_order_relaxed);
	atomic_store_explicit(&to->bytes, pipeline->bytes, memory_order_relaxed);
	atomic_store_explicit(&to->tcp_segments, tracker->segments, memory_order_relaxed);
	atomic_store_explicit(&to->connections, tracker->connections, memory_order_relaxed);
	atomic_store_explicit(&to->alarms_raised, detect->alarms_raised, memory_order_relaxed);
	atomic_store_explicit(&to->alarms_open, detect->alarms_open, memory_order_relaxed);
	atomic_store_explicit(&to->decode_refused, decoder_stats_refused(decoder), memory_order_relaxed);
	atomic_store_explicit(&to->input_bytes_read, pipeline->capture_stats.input_bytes_read, memory_order_relaxed);
	atomic_store_explicit(&to->input_bytes_total, pipeline->capture_stats.input_bytes_total, memory_order_relaxed);
	atomic_store_explicit(&to->kernel_dropped, pipeline->capture_stats.kernel_dropped, memory_order_relaxed);
	atomic_store_explicit(&to->first_ns, pipeline->first_ns, memory_order_relaxed);
	atomic_store_explicit(&to->last_ns, pipeline->now_ns, memory_order_relaxed);
}

static struct detect_visibility visibility_of(const struct pipeline *pipeline)
{
	const struct tracker_stats *tracker = tracker_get_stats(pipeline->tracker);
	const struct flow_table_stats *table = tracker_get_table_stats(pipeline->tracker);

	return (struct detect_visibility){
		.segments = tracker->segments,
		.connections = tracker->connections,
		.one_way_connections = tracker->one_way,
		.two_way_connections = tracker->two_way,
		.duplicates = tracker->duplicates,
		.payload_segments = tracker->with_payload,
		.unseen_segments = tracker->unseen,
		.late_segments = tracker->came_late,
		.truncated_packets = pipeline->truncated_packets,
		.backward_steps = pipeline->backward_steps,
		.kernel_dropped = pipeline->capture_stats.kernel_dropped,
		.interface_dropped = pipeline->capture_stats.interface_dropped,
		.flows_evicted = tracker_evicted(pipeline->tracker),
		.open_evicted = table->evicted[FLOW_CLASS_ESTABLISHED] + table->evicted[FLOW_CLASS_HALF_CLOSED],
		.attempts_evicted = table->evicted[FLOW_CLASS_UNANSWERED_NEW] +
				    table->evicted[FLOW_CLASS_HALF_OPEN_NEW] +
				    tracker_get_syn_stats(pipeline->tracker)->evicted[false],
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
		tracker_advance(pipeline->tracker, tick_ns, packet_number);
		const struct detect_visibility visibility = visibility_of(pipeline);
		detect_engine_tick(pipeline->engine, tick_ns, pipeline->now_ns, packet_number, &visibility);
	}
	/* Slow traffic is not to leave the figures old for minutes. */
	if (ns_since(pipeline->now_ns, pipeline->shared_ns) >= NS_PER_SEC)
		share_progress(pipeline);
	if (pipeline->config.stats_interval_ns == 0)
		return;
	if (pipeline->next_stats_ns == 0)
		pipeline->next_stats_ns = pipeline->now_ns + pipeline->config.stats_interval_ns;
	if (pipeline->now_ns >= pipeline->next_stats_ns) {
		pipeline->next_stats_ns = pipeline->now_ns + pipeline->config.stats_interval_ns;
		capture_get_stats(pipeline->capture, &pipeline->capture_stats);
		pipeline_write_stats(pipeline);
	}
}

/* What frames of several queues, or of several files, may come out of order. */
#define REORDERED_NS (100 * NS_PER_MS)

/* A header that does not fit what was kept of the frame; a payload need not fit. */
static bool is_cut_short(const struct frame *frame, const struct packet *packet, enum decode_result result)
{
	if (frame->captured_bytes == frame->wire_bytes)
		return false;
	return result == DECODE_TCP ? !packet->options_complete : decode_result_is_truncation(result);
}

static void note_quality(struct pipeline *pipeline, const struct frame *frame, const struct packet *packet,
			 enum decode_result result)
{
	pipeline->truncated_packets += is_cut_short(frame, packet, result);
	pipeline->backward_steps += frame->time_ns + REORDERED_NS < pipeline->frame_ns;
	pipeline->frame_ns = frame->time_ns;
}

static bool is_tracked(enum decode_result result)
{
	return result == DECODE_TCP || result == DECODE_ICMP_QUOTE;
}

static void handle_frame(struct pipeline *pipeline, const struct frame *frame, const struct decoded_frame *decoded)
{
	pipeline->frames++;
	pipeline->bytes += frame->wire_bytes;
	note_quality(pipeline, frame, &decoded->packet, decoded->result);
	advance(pipeline, frame->time_ns, frame->number);
	if (is_tracked(decoded->result)) {
		tracker_track(pipeline->tracker, &decoded->tracked);
		return;
	}
	tracker_advance(pipeline->tracker, frame->time_ns, frame->number);
	if (decode_result_is_refusal(decoded->result))
		tracker_orphan_anomalies(pipeline->tracker, &decoded->packet);
}

/* How many of the frames are decoded before the first is tracked. Counters that are written in between would tell. */
static size_t burst_before_stats(const struct pipeline *pipeline, const struct frame *frames, size_t n_frames)
{
	if (pipeline->config.stats_interval_ns == 0)
		return n_frames;
	if (pipeline->next_stats_ns == 0)
		return 1;
	for (size_t i = 0; i < n_frames; i++) {
		if (frames[i].time_ns >= pipeline->next_stats_ns)
			return i == 0 ? 1 : i;
	}
	return n_frames;
}

/* Decodes all, fetches what each will need while others are prepared, and then handles one after the other. */
static void handle_burst(struct pipeline *pipeline, const struct frame *frames, size_t n)
{
	struct decoded_frame *burst = pipeline->burst;

	for (size_t i = 0; i < n; i++) {
		burst[i].result = decoder_decode(pipeline->decoder, &frames[i], &burst[i].packet);
		if (!is_tracked(burst[i].result))
			continue;
		tracker_prepare(pipeline->tracker, &burst[i].packet, burst[i].result == DECODE_ICMP_QUOTE,
				&burst[i].tracked);
		tracker_fetch(pipeline->tracker, &burst[i].tracked, 0);
	}
	for (unsigned step = 1; step < TRACKER_FETCH_STEPS && n > 1; step++) {
		for (size_t i = 0; i < n; i++) {
			if (is_tracked(burst[i].result))
				tracker_fetch(pipeline->tracker, &burst[i].tracked, step);
		}
	}
	for (size_t i = 0; i < n; i++) {
		handle_frame(pipeline, &frames[i], &burst[i]);
		if (pipeline->frames % PROGRESS_FRAMES == 0)
			share_progress(pipeline);
	}
}

/* A live capture that hears nothing: time goes on all the same, by the clock that stamps its packets. */
static void idle_tick(struct pipeline *pipeline)
{
	uint64_t now_ns = clock_realtime_ns();

	advance(pipeline, now_ns, 0);
	tracker_advance(pipeline->tracker, now_ns, 0);
	share_progress(pipeline);
}

static void *capture_thread(void *argument)
{
	struct pipeline *pipeline = argument;
	enum capture_result result;
	struct frame frames[BURST_FRAMES];
	size_t n_frames;
	size_t n;

	while ((result = capture_next_burst(pipeline->capture, frames, BURST_FRAMES, &n_frames, &pipeline->error)) <=
	       CAPTURE_IDLE) {
		if (result == CAPTURE_IDLE)
			idle_tick(pipeline);
		for (size_t i = 0; i < n_frames; i += n) {
			n = burst_before_stats(pipeline, &frames[i], n_frames - i);
			handle_burst(pipeline, &frames[i], n);
		}
	}
	pipeline->end = result == CAPTURE_FAILED ? PIPELINE_FAILED : PIPELINE_DONE;
	event_queue_wait_from_now(pipeline->queue);
	if (capture_is_live(pipeline->capture))
		detect_engine_end(pipeline->engine, pipeline->now_ns, 0);
	tracker_finish(pipeline->tracker);
	share_progress(pipeline);
	if (pipeline->config.stats_interval_ns != 0)
		pipeline_write_stats(pipeline);
	if (pipeline->config.summary)
		pipeline_write_summary(pipeline);
	event_queue_finish(pipeline->queue);
	return NULL;
}

static const char **names_of(const struct capture *capture)
{
	size_t n = capture_n_sources(capture);
	const char **names = calloc(n, sizeof(*names));

	for (size_t i = 0; names != NULL && i < n; i++)
		names[i] = capture_source_name(capture, i);
	return names;
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
	pipeline->capture = capture;
	pipeline->queue = queue;
	pipeline_name_refusals(pipeline);
	pipeline->writer = event_queue_writer(queue);
	pipeline->source_names = names_of(capture);
	if (pipeline->source_names == NULL) {
		error_set(error, "out of memory: no room for the names of the sources");
		goto fail;
	}
	pipeline->decoder = decoder_create(&config->decoder, error);
	if (pipeline->decoder == NULL)
		goto fail;
	pipeline->engine = detect_engine_create(ruleset, &config->detect, &pipeline->writer, error);
	if (pipeline->engine == NULL)
		goto fail;
	pipeline->tracker = tracker_create(&config->tracker, detect_engine_source(pipeline->engine, 0),
					   &pipeline->writer, pipeline->source_names, error);
	if (pipeline->tracker == NULL)
		goto fail;
	return pipeline;
fail:
	pipeline_destroy(pipeline);
	return NULL;
}

void pipeline_destroy(struct pipeline *pipeline)
{
	if (pipeline == NULL)
		return;
	tracker_destroy(pipeline->tracker);
	detect_engine_destroy(pipeline->engine);
	decoder_destroy(pipeline->decoder);
	free(pipeline->source_names);
	free(pipeline);
}

int pipeline_start(struct pipeline *pipeline, struct error *error)
{
	int result = pthread_create(&pipeline->thread, NULL, capture_thread, pipeline);

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
