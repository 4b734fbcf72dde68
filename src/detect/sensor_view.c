/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How well the sensor sees, by its own counts: see sensor_view.h.
 */
#include "sensor_view.h"

#include <math.h>
#include <stddef.h>

#include "minmax.h"

/* Fewer tell nothing. */
enum { LEAST_SEGMENTS = 100, LEAST_CONNECTIONS = 10 };

static struct detect_visibility difference(const struct detect_visibility *now, const struct detect_visibility *before)
{
	return (struct detect_visibility){
		.segments = now->segments - before->segments,
		.connections = now->connections - before->connections,
		.one_way_connections = now->one_way_connections - before->one_way_connections,
		.two_way_connections = now->two_way_connections - before->two_way_connections,
		.duplicates = now->duplicates - before->duplicates,
		.payload_segments = now->payload_segments - before->payload_segments,
		.unseen_segments = now->unseen_segments - before->unseen_segments,
		.late_segments = now->late_segments - before->late_segments,
		.truncated_packets = now->truncated_packets - before->truncated_packets,
		.backward_steps = now->backward_steps - before->backward_steps,
		.kernel_dropped = now->kernel_dropped - before->kernel_dropped,
		.interface_dropped = now->interface_dropped - before->interface_dropped,
		.flows_evicted = now->flows_evicted - before->flows_evicted,
		.open_evicted = now->open_evicted - before->open_evicted,
		.attempts_evicted = now->attempts_evicted - before->attempts_evicted,
		.flows_refused = now->flows_refused - before->flows_refused,
	};
}

static double share(uint64_t part, uint64_t rest, uint64_t least)
{
	return part + rest < least ? -1 : (double)part / (double)(part + rest);
}

uint64_t sensor_view_unseen(const struct detect_visibility *counts)
{
	return counts->unseen_segments > counts->late_segments ? counts->unseen_segments - counts->late_segments : 0;
}

static double lost_share(const struct detect_visibility *recent)
{
	double missed = share(sensor_view_unseen(recent), recent->payload_segments, LEAST_SEGMENTS);
	double dropped = share(recent->kernel_dropped + recent->interface_dropped, recent->segments, LEAST_SEGMENTS);

	/* That nothing was dropped here says nothing of what was lost before. */
	if (missed < 0 && dropped <= 0)
		return -1;
	/* What was dropped is acknowledged all the same, and one direction may be dropped more than the other. */
	return greater(missed, dropped);
}

double sensor_view_lost_share(const struct sensor_view *view)
{
	return view == NULL || !view->is_begun ? -1 : view->lost_share;
}

double sensor_view_one_way_share(const struct sensor_view *view)
{
	if (view == NULL)
		return -1;
	return share(view->recent.one_way_connections, view->recent.two_way_connections, LEAST_CONNECTIONS);
}

/* Of the segments seen, which hold the part in question. */
static double share_of_segments(const struct sensor_view *view, uint64_t part)
{
	uint64_t segments = view->recent.segments;

	return share(part < segments ? part : segments, part < segments ? segments - part : 0, LEAST_SEGMENTS);
}

double sensor_view_duplicate_share(const struct sensor_view *view)
{
	return view == NULL ? -1 : share_of_segments(view, view->recent.duplicates);
}

double sensor_view_truncated_share(const struct sensor_view *view)
{
	return view == NULL ? -1 : share_of_segments(view, view->recent.truncated_packets);
}

bool sensor_view_is_one_way(const struct sensor_view *view)
{
	return sensor_view_one_way_share(view) > 0.5;
}

static double confidence(double lost_share, double one_way_share)
{
	/* With one segment in a hundred missing, three connections in a hundred look unfinished; with ten, a third. */
	enum { SEGMENTS_OF_HANDSHAKE = 3 };

	/* Where only one end is heard, its ACKs are still certain, and that it does not ask again. */
	return pow(1 - greater(lost_share, 0), SEGMENTS_OF_HANDSHAKE) * (1 - greater(one_way_share, 0) / 2);
}

double sensor_view_confidence(const struct sensor_view *view)
{
	return view == NULL || !view->is_begun ? 1 : view->confidence;
}

void sensor_view_update(struct sensor_view *view, const struct detect_visibility *counts, uint64_t now_ns)
{
	uint64_t slot = now_ns / SENSOR_VIEW_SLOT_NS;

	/* At first all came within the minute. */
	uint64_t from = view->slot == 0 || slot - view->slot > SENSOR_VIEW_SLOTS ? slot - SENSOR_VIEW_SLOTS + 1
										 : view->slot + 1;
	if (view->slot != 0 && slot <= view->slot)
		from = slot + 1;
	for (uint64_t number = from; number <= slot; number++)
		view->began[number % SENSOR_VIEW_SLOTS] = view->slot == 0 ? (struct detect_visibility){ 0 } : *counts;
	if (view->slot == 0 || slot > view->slot)
		view->slot = slot;
	view->recent = difference(counts, &view->began[(view->slot + 1) % SENSOR_VIEW_SLOTS]);
	view->is_begun = true;
	view->lost_share = lost_share(&view->recent);
	view->confidence = confidence(view->lost_share, sensor_view_one_way_share(view));
}
