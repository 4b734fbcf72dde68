/* SPDX-License-Identifier: BSD-2-Clause */
#include "memory_plan.h"

#include <inttypes.h>

#include "tcpwitness/base/log.h"

enum {
	PROCESS_BYTES = 7 << 20, /* code and data of the program and its libraries, stacks, rules, buffers of sinks */
	CAPTURE_FILE_BYTES = 200 << 10,
	/* Up to this much memory is all for what is tracked: the fixed parts stand beside it, and cannot be less. */
	SMALL_BYTES = 16 << 20,
	DETECT_MIN_BYTES = 256 << 10, /* of struct detect_config */
	/* Parts of the whole: one in so many, at most. The defaults of both fit into 256M. */
	QUEUE_SHARE = 10,
	FRAGMENTS_SHARE = 25,
	/* Parts of what is left: one in so many. The flow table has the rest. */
	RECENT_SHARE = 64, /* up to RECENT_DEFAULT_BYTES */
	SYN_STORE_SHARE = 8,
	TOMBSTONES_SHARE = 16,
};

static unsigned at_most(unsigned asked, uint64_t fitting)
{
	return fitting < asked ? (unsigned)fitting : asked;
}

/* How many events there is room for when so many are asked for: a power of two, to which the queue rounds up. */
static uint64_t queue_room(unsigned asked, uint64_t bytes)
{
	uint64_t events = 1;

	while (events < asked && 2 * events * EVENT_QUEUE_RECORD_BYTES <= bytes)
		events *= 2;
	return events;
}

/* The sizes of the fixed parts, and what they take together. */
static uint64_t fix_parts(struct config *config)
{
	uint64_t whole_bytes = config->memory_bytes > SMALL_BYTES ? config->memory_bytes : SMALL_BYTES;
	struct decoder_config *decoder = &config->pipeline.decoder;
	uint64_t queue_events = queue_room(config->queue_events, whole_bytes / QUEUE_SHARE);

	config->queue_events_held = at_most(config->queue_events, queue_events);
	decoder->max_fragments_held =
		at_most(config->max_fragments, whole_bytes / FRAGMENTS_SHARE / DECODER_FRAGMENT_BYTES);
	return PROCESS_BYTES + config->n_read_paths * (uint64_t)CAPTURE_FILE_BYTES +
	       queue_events * EVENT_QUEUE_RECORD_BYTES + (uint64_t)decoder->max_fragments_held * DECODER_FRAGMENT_BYTES;
}

/* Between SMALL_BYTES and the sum of that and the fixed parts it stays the same. */
static uint64_t tracking_and_detecting_bytes(const struct config *config)
{
	uint64_t small_bytes = config->memory_bytes < SMALL_BYTES ? config->memory_bytes : SMALL_BYTES;

	if (config->memory_bytes <= config->memory_fixed_bytes + small_bytes)
		return small_bytes;
	return config->memory_bytes - config->memory_fixed_bytes;
}

void memory_plan_divide(struct config *config)
{
	struct tracker_config *tracker = &config->pipeline.tracker;

	config->memory_fixed_bytes = fix_parts(config);
	uint64_t shared_bytes = tracking_and_detecting_bytes(config);
	uint64_t detect_bytes = (uint64_t)((double)shared_bytes * config->detect_share);
	if (detect_bytes < DETECT_MIN_BYTES)
		detect_bytes = DETECT_MIN_BYTES;
	uint64_t recent_bytes = shared_bytes / RECENT_SHARE;
	if (recent_bytes > RECENT_DEFAULT_BYTES)
		recent_bytes = RECENT_DEFAULT_BYTES;
	uint64_t tracking_bytes = shared_bytes - detect_bytes - recent_bytes;
	config->pipeline.detect.memory_bytes = (size_t)detect_bytes;
	tracker->recent_bytes = (size_t)recent_bytes;
	tracker->syn_store.memory_bytes = (size_t)(tracking_bytes / SYN_STORE_SHARE);
	tracker->tombstones.memory_bytes = (size_t)(tracking_bytes / TOMBSTONES_SHARE);
	tracker->table.memory_bytes =
		(size_t)(tracking_bytes - tracker->syn_store.memory_bytes - tracker->tombstones.memory_bytes);
	config->memory_planned_bytes = config->memory_fixed_bytes + shared_bytes;
}

/* What is reduced although its default would have fitted was asked for, and whoever asks is told. */
static void log_part(const char *key, unsigned asked, unsigned held, const struct config *config)
{
	if (held == asked)
		return;
	log_info("%s: %u instead of %u, to leave room for what is tracked (raise memory, which is %" PRIu64 "M)", key,
		 held, asked, config->memory_bytes >> 20);
}

void memory_plan_log(const struct config *config)
{
	log_part("queue.events", config->queue_events, config->queue_events_held, config);
	log_part("decode.max_fragments", config->max_fragments, config->pipeline.decoder.max_fragments_held, config);
	if (config->memory_planned_bytes > config->memory_bytes)
		log_info("memory: %" PRIu64 "M leaves no room for the program itself, which takes up to %" PRIu64
			 "M in all (give 64M or more)",
			 config->memory_bytes >> 20, config->memory_planned_bytes >> 20);
}
