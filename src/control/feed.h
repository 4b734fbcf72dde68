/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tcpwitness/base/error.h"
#include "tcpwitness/events/event_queue.h"
#include "tcpwitness/sinks/event_json.h"

struct alarm_list; /* alarm_list.h */
struct event_base; /* libevent */

/* The way of events from the queue through the encoder into all sinks. Main thread, in libevent's loop. */
struct feed;

struct feed_config {
	const char *const *outputs; /* texts for sink_open; borrowed for the call */
	size_t n_outputs;
	bool lossless; /* a full sink makes the queue wait; else its line is dropped and counted */
	struct event_json_replay replay;
	struct alarm_list *alarms;    /* told of every alarm that is written; borrowed; null = nobody */
	void (*ended)(void *context); /* called once: all is encoded, or a sink failed (feed_failed) */
	void *context;
};

/* Opens all sinks. base and queue are borrowed. Null with *error filled. */
struct feed *feed_create(const struct feed_config *config, struct event_base *base, struct event_queue *queue,
			 struct error *error);

/* True once output could not be written; *error says which and why. */
bool feed_failed(const struct feed *feed, struct error *error);

/* From time to time: a sink may fail while no events come. */
void feed_check(struct feed *feed);

/* SIGHUP: opens files anew. Failures are said in the log, and the old file stays in use. */
void feed_reopen(struct feed *feed);

/*
 * At the end of a live run, when waiting slows nothing down: from now on a full sink makes the queue wait, until one
 * stays full for timeout_ms.
 */
void feed_wait_from_now(struct feed *feed, unsigned timeout_ms);

/* Lines dropped by the sinks so far. */
uint64_t feed_dropped(const struct feed *feed);

/* Writes what is buffered, at most timeout_ms for each sink. False with *error when not all could be written. */
bool feed_flush(struct feed *feed, unsigned timeout_ms, struct error *error);

/* Closes the sinks without waiting; null is legal. Before event_base_free. */
void feed_destroy(struct feed *feed);
