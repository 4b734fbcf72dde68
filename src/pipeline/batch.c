/* SPDX-License-Identifier: BSD-2-Clause */
/* Room for frames that were decoded and wait to be tracked; allocated once and used again and again. */
#include "batch.h"

#include <stdlib.h>

int batch_init(struct batch *batch, uint16_t capacity, bool is_dealt)
{
	*batch = (struct batch){
		.frames = calloc(capacity, sizeof(*batch->frames)),
		.now_ns = calloc(capacity, sizeof(*batch->now_ns)),
		.next = is_dealt ? calloc(capacity, sizeof(*batch->next)) : NULL,
		.capacity = capacity,
	};
	return batch->frames != NULL && batch->now_ns != NULL && (batch->next != NULL || !is_dealt) ? 0 : -1;
}

void batch_fini(struct batch *batch)
{
	free(batch->frames);
	free(batch->now_ns);
	free(batch->next);
}

void batch_clear(struct batch *batch)
{
	batch->n_frames = 0;
	batch->n_stretches = 0;
	batch->result = CAPTURE_FRAME;
}

void batch_end(struct batch *batch)
{
	if (batch->n_stretches > 0)
		batch->stretches[batch->n_stretches - 1].end = batch->n_frames;
}

void batch_begin_stretch(struct batch *batch, const struct frame_counts *counts)
{
	struct stretch *stretch = &batch->stretches[batch->n_stretches];

	batch_end(batch);
	batch->n_stretches++;
	stretch->first = batch->n_frames;
	stretch->counts = *counts;
	for (unsigned i = 0; i < MAX_SHARDS; i++)
		stretch->first_of[i] = NO_FRAME;
}

/* The frame is the next of its lane. */
static void deal_out(struct batch *batch, uint16_t frame)
{
	struct stretch *stretch = &batch->stretches[batch->n_stretches - 1];
	unsigned lane = batch->frames[frame].lane;

	batch->next[frame] = NO_FRAME;
	if (!is_followed(batch->frames[frame].result))
		return;
	if (stretch->first_of[lane] == NO_FRAME)
		stretch->first_of[lane] = frame;
	else
		batch->next[stretch->last_of[lane]] = frame;
	stretch->last_of[lane] = frame;
}

void batch_add(struct batch *batch, uint16_t n_frames)
{
	uint16_t frame = batch->n_frames;

	batch->n_frames = (uint16_t)(frame + n_frames);
	if (batch->next == NULL)
		return;
	for (; frame < batch->n_frames; frame++)
		deal_out(batch, frame);
}
