/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tcpwitness/base/error.h"
#include "tcpwitness/capture/capture.h"
#include "tcpwitness/decode/decoder.h"
#include "tcpwitness/detect/detect_engine.h"
#include "tcpwitness/events/event_queue.h"
#include "tcpwitness/pipeline/tracker.h"

/*
 * One capture source and the thread that does everything from reading a frame to queueing events. Capture, decode,
 * track, detect run to completion for each frame, in that order. A capture with several rings has a thread for each.
 */
struct pipeline;

struct pipeline_config {
	struct decoder_config decoder;
	struct tracker_config tracker;
	struct detect_config detect;
	unsigned n_threads; /* that follow connections of files; at least 1. The output does not depend on it */
	struct {
		unsigned from_frames; /* threads share the work of a stretch of time with so many */
		size_t log_bytes;     /* room for what a thread tells of it until it is put in order */
	} sharing;                    /* 0 = as is best; tests choose what makes rare things happen */
	uint64_t stats_interval_ns;   /* 0 = no stats events */
	bool summary;                 /* write the summary event at the end */
};

/* What the main thread may read while the pipeline runs, and after it. Old by up to a batch. */
struct pipeline_progress {
	uint64_t packets;
	uint64_t bytes;
	uint64_t tcp_segments;
	uint64_t connections;
	uint64_t alarms_raised;
	uint64_t alarms_open;
	uint64_t decode_refused;
	uint64_t input_bytes_read;
	uint64_t input_bytes_total;
	uint64_t kernel_dropped;
	uint64_t first_ns; /* packet time of the first and latest frame */
	uint64_t last_ns;
};

enum pipeline_end {
	PIPELINE_DONE = 0,   /* all read, or told to stop */
	PIPELINE_FAILED = 1, /* the interface failed; pipeline_error says how */
};

/*
 * capture, ruleset and queue are borrowed and must outlive the pipeline. All memory is allocated here. Null with
 * *error filled on failure. Main thread.
 */
struct pipeline *pipeline_create(const struct pipeline_config *config, struct capture *capture,
				 const struct ruleset *ruleset, struct event_queue *queue, struct error *error);
void pipeline_destroy(struct pipeline *pipeline);

/* Main thread: starts the capture thread; 0, or -1 with *error filled. */
int pipeline_start(struct pipeline *pipeline, struct error *error);

/* Main thread: asks it to stop; it writes all records, finishes the queue and ends. Returns at once. */
void pipeline_stop(struct pipeline *pipeline);

/* Main thread: waits for its end, after the queue was finished or abandoned. */
enum pipeline_end pipeline_join(struct pipeline *pipeline);

/* After pipeline_join: why a file was cut short or the interface failed; empty text = nothing to say. */
const struct error *pipeline_error(const struct pipeline *pipeline);

/* Main thread, at any time. */
void pipeline_get_progress(const struct pipeline *pipeline, struct pipeline_progress *progress);

/*
 * After pipeline_join: the final summary for people, several lines of text, written into text (cut to fit).
 */
void pipeline_summary_text(const struct pipeline *pipeline, double wall_seconds, char *text, size_t text_bytes);
