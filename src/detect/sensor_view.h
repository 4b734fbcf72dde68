/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tcpwitness/base/units.h"
#include "tcpwitness/detect/detect_engine.h"

/*
 * How well the sensor sees, over the last minute: what detectors of ratios ask before they believe a ratio. The engine
 * keeps one and hands it to detectors in the scene; null there means that nothing is known.
 */
#define SENSOR_VIEW_SLOT_NS (5 * NS_PER_SEC)
enum { SENSOR_VIEW_SLOTS = 12 };

struct sensor_view {
	uint64_t slot;                                     /* packet time / SENSOR_VIEW_SLOT_NS; 0 = not begun */
	struct detect_visibility began[SENSOR_VIEW_SLOTS]; /* what it was when the slot began */
	struct detect_visibility recent;                   /* what came since the oldest of them */
	/* By recent, what every judgement asks. */
	bool is_begun;
	double lost_share;
	double confidence;
};

/* It is now_ns, and the sensor's counts are these. */
void sensor_view_update(struct sensor_view *view, const struct detect_visibility *counts, uint64_t now_ns);

/* All 0 .. 1; negative = too little was seen to tell. view may be null. */

/* Segments that were acknowledged and did not pass here, not even late. */
uint64_t sensor_view_unseen(const struct detect_visibility *counts);

/*
 * Share of the segments that did not reach this program: dropped on the way, or acknowledged and never seen. Only what
 * is acknowledged can be missed, so that is a share of those with payload; the others are lost as often.
 */
double sensor_view_lost_share(const struct sensor_view *view);

/* Share of the connections that go on of which only one direction passes here. */
double sensor_view_one_way_share(const struct sensor_view *view);

/* Share of the segments that were captured a second time. */
double sensor_view_duplicate_share(const struct sensor_view *view);

/* Share of the segments whose headers were cut by the capture. */
double sensor_view_truncated_share(const struct sensor_view *view);

/* Most connections pass in one direction only: whatever compares questions with answers is worth nothing. */
bool sensor_view_is_one_way(const struct sensor_view *view);

/*
 * 0 .. 1: what is left of the confidence in a figure that every lost segment can spoil: 1 with a view that is good or
 * not known.
 */
double sensor_view_confidence(const struct sensor_view *view);
