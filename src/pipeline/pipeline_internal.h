/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "tcpwitness/pipeline/pipeline.h"

/* One writer (the capture thread), any reader, relaxed: figures for people, not for decisions. */
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

/* As many as are decoded before the first is tracked: memory has time to answer, and all stay in the nearest cache. */
enum { BURST_FRAMES = 32 };

struct decoded_frame {
	struct packet packet;
	struct tracked_packet tracked; /* if it is tracked */
	enum decode_result result;
};

struct pipeline {
	struct pipeline_config config;
	struct capture *capture;   /* borrowed */
	struct event_queue *queue; /* borrowed */
	struct event_writer writer;
	struct decoder *decoder;
	struct detect_engine *engine;
	struct tracker *tracker;
	const char **source_names;
	char refused_names[DECODE_RESULT_COUNT][64]; /* names of counters, by enum decode_result */
	pthread_t thread;
	bool started;
	enum pipeline_end end;
	struct error error;

	/* Capture thread only, while it runs. */
	struct decoded_frame burst[BURST_FRAMES];
	struct capture_stats capture_stats;
	uint64_t now_ns; /* latest packet time: never goes backwards */
	uint64_t first_ns;
	uint64_t shared_ns;     /* when the figures for the main thread were renewed */
	uint64_t next_stats_ns; /* 0 = not begun */
	uint64_t frames;
	uint64_t bytes;
	uint64_t frame_ns;       /* time of the frame before */
	uint64_t backward_steps; /* see struct detect_visibility */
	uint64_t truncated_packets;

	struct shared_progress progress;
};

/* pipeline_report.c */
void pipeline_name_refusals(struct pipeline *pipeline);
void pipeline_write_stats(struct pipeline *pipeline);
void pipeline_write_summary(struct pipeline *pipeline);
