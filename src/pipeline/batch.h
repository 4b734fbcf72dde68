/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "tcpwitness/capture/capture.h"
#include "tcpwitness/decode/decoder.h"
#include "tcpwitness/pipeline/tracker.h"

/*
 * Frames on their way from where they are read and decoded to where they are tracked. A batch is cut into
 * stretches of packet time, between whose frames nothing is judged: so the connections of a stretch can be followed
 * side by side.
 */
enum {
	BURST_FRAMES =
		32, /* decoded before the first is tracked: memory has time to answer, and all stay in the cache */
	BATCH_MAX_FRAMES = 8192,
	BATCH_ENOUGH_FRAMES = 4096, /* it ends where a stretch does: each stretch has threads wait for each other */
	BATCH_MAX_STRETCHES = 64,
	MAX_SHARDS = 16, /* see shards.h */
	NO_FRAME = UINT16_MAX,
};

_Static_assert(BATCH_MAX_FRAMES < NO_FRAME, "frames of a batch are linked by 16 bits");

struct decoded_frame {
	struct packet packet;
	struct tracked_packet tracked; /* if it is tracked */
	enum decode_result result;
	uint8_t shard; /* which follows it, see is_followed; and whose lane is that */
	uint8_t lane;
};

/* What is known of the frames so far, whatever becomes of them. */
struct frame_counts {
	uint64_t frames;
	uint64_t bytes;
	uint64_t time_backwards;    /* frames whose time was before their predecessor's */
	uint64_t backward_steps;    /* see struct detect_visibility */
	uint64_t truncated_packets; /* the same */
};

struct stretch {
	uint16_t first;                /* frame of the batch */
	uint16_t end;                  /* one past the last */
	struct frame_counts counts;    /* with the first frame */
	uint16_t first_of[MAX_SHARDS]; /* by lane: its frame, or NO_FRAME; the others by struct batch.next, if any */
	uint16_t last_of[MAX_SHARDS];
};

struct batch {
	/* Of each frame. */
	struct decoded_frame *frames;
	uint64_t *now_ns; /* packet time when it came: never goes backwards */
	uint16_t *next;   /* frame of the same stretch and lane, or NO_FRAME; null: all are for one thread */
	uint16_t capacity;
	uint16_t n_frames;
	uint16_t n_stretches;
	struct stretch stretches[BATCH_MAX_STRETCHES];
	uint64_t first_number; /* of the first frame; the others follow, in steps of */
	uint64_t number_step;
	/* When all its frames were read. */
	struct frame_counts counts;
	const struct decoder_stats *decoder;
	enum capture_result result;       /* CAPTURE_FRAME: there is more to come */
	struct decoder_stats own_decoder; /* where decoder points if the reader is ahead */
};

/* is_dealt: frames are dealt out to lanes. 0, or -1 when memory is short. */
int batch_init(struct batch *batch, uint16_t capacity, bool is_dealt);
void batch_fini(struct batch *batch);

/* Nothing is in it any more. */
void batch_clear(struct batch *batch);

/* A stretch begins with the next frame; counts are with it. */
void batch_begin_stretch(struct batch *batch, const struct frame_counts *counts);

/* Puts so many frames at n_frames, which are filled in, with their times, behind the others. */
void batch_add(struct batch *batch, uint16_t n_frames);

/* The last stretch ends. */
void batch_end(struct batch *batch);

static inline bool is_tracked(enum decode_result result)
{
	return result == DECODE_TCP || result == DECODE_ICMP_QUOTE;
}

/* A shard has to do with it. Of what is refused only anomalies are told. */
static inline bool is_followed(enum decode_result result)
{
	return is_tracked(result) || decode_result_is_refusal(result);
}

static inline uint64_t batch_number(const struct batch *batch, uint32_t frame)
{
	return batch->first_number + frame * batch->number_step;
}
