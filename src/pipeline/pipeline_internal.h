/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "crew.h"
#include "intake.h"
#include "live_lanes.h"
#include "shards.h"
#include "tcpwitness/pipeline/pipeline.h"

/* One writer (the pipeline's thread), any reader, relaxed: figures for people, not for decisions. */
struct shared_progress {
	_Atomic uint64_t packets;
	_Atomic uint64_t bytes;
	_Atomic uint64_t tcp_segments;
	_Atomic uint64_t connections;
	_Atomic uint64_t alarms_raised;
	_Atomic uint64_t alarms_open;
	_Atomic uint64_t decode_refused;
	_Atomic uint64_t input_bytes_read;
	_Atomic uint64_t input_bytes_total;
	_Atomic uint64_t kernel_dropped;
	_Atomic uint64_t first_ns;
	_Atomic uint64_t last_ns;
};

struct pipeline {
	struct pipeline_config config;
	struct capture *capture;   /* borrowed */
	struct event_queue *queue; /* borrowed */
	struct event_writer writer;
	struct detect_engine *engine;
	struct shards *shards;
	struct crew *crew;        /* null: one thread follows all, or lanes do */
	struct live_lanes *lanes; /* null: there is one ring, or files */
	struct intake *intake;    /* null: lanes have their own */
	const char **source_names;
	char refused_names[DECODE_RESULT_COUNT][64]; /* names of counters, by enum decode_result */
	pthread_t thread;
	bool started;
	enum pipeline_end end;
	struct error error;

	/* The pipeline's own thread, while it runs. */
	struct frame_counts counts;                /* of the frames so far */
	const struct decoder_stats *decoder_stats; /* the same; of the batch at hand */
	struct shards_stats stats;                 /* when they were last asked for */
	struct capture_stats capture_stats;        /* the same */
	struct stats_clock stats_clock;
	bool is_unsettled; /* the crew's lanes told what is not counted yet */
	uint64_t now_ns;   /* latest packet time: never goes backwards */
	uint64_t first_ns;
	uint64_t shared_ns; /* when the figures for the main thread were renewed */
	uint64_t shared_frames;

	struct shared_progress progress;
};

/* pipeline.c; by the pipeline's thread, or whoever stands for it */
struct detect_visibility pipeline_visibility(struct pipeline *pipeline);
void pipeline_share_progress(struct pipeline *pipeline);
void pipeline_ask_capture(struct pipeline *pipeline); /* renews capture_stats */

/* pipeline_report.c */
void pipeline_name_refusals(struct pipeline *pipeline);
void pipeline_write_stats(struct pipeline *pipeline);
void pipeline_write_summary(struct pipeline *pipeline);
