/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "tcpwitness/base/error.h"
#include "tcpwitness/capture/capture.h"

/*
 * Several threads on one interface. Each has a ring of the kernel's of its own (capture_ring) and all that it needs to
 * follow its connections to the end: intake and decoder, a shard with its tracker, a log of events, a source of the
 * detection. From frame to log a thread touches nothing that another one does.
 *
 * What belongs to all (the detectors, the event queue, counters, the main thread's figures) is touched by whichever
 * thread finds that it is time for it, while all others are at rest (rest.h): between two bursts, or waiting for
 * frames. It is time when
 *
 * - all have passed a boundary of packet time (DETECT_TICK_NS): it is judged. A thread that gets a frame from behind
 *   the boundary lets go off what is due by then, says that it has passed, and goes on: what it tells the detection of
 *   later waits (detect_engine_count_until). One that gets no frames passes by the clock, once nothing older can be in
 *   its ring (capture_silent_until_ns). So nobody stands still for another one to come to the boundary, but only as
 *   long as judging takes. One that is behind the first by more than a second, as it gets more than it can follow, is
 *   not waited for: what it tells counts when it comes, and is judged late.
 * - all have passed a fifth of the way to it: what they told up to there is counted, by all threads that rest, so that
 *   no rest is long.
 * - a log has events, and its ring is read out or they are 20 ms old: all logs are merged by time, and written. Those
 *   of one ring are in order; over all rings they are nearly.
 *
 * With one ring there is none of this: the pipeline's thread does all.
 */
struct live_lanes;

struct pipeline;

/*
 * For a pipeline with a capture of several rings, whose shards, one for each, and engine are there. Null with *error
 * filled on failure.
 */
struct live_lanes *live_lanes_create(struct pipeline *pipeline, struct error *error);
void live_lanes_destroy(struct live_lanes *lanes);

/* Starts the threads but one; 0, or -1 with *error filled. */
int live_lanes_start(struct live_lanes *lanes, struct error *error);

/*
 * The pipeline's thread, which is that one: follows the interface until its end, with the result of the last frame that
 * did not come. Then all is at rest and merged, but for what is left in the tables.
 */
enum capture_result live_lanes_follow(struct live_lanes *lanes, struct error *error);
