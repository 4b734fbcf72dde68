/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tcpwitness/base/error.h"
#include "tcpwitness/events/sensor_event.h"

/*
 * The way of events from one capture thread to the main thread: a bounded ring and an eventfd that wakes the reader.
 * "Capture thread" may be several that write one after the other, each knowing that the one before has finished.
 * Lossless (offline): a full ring makes the capture thread wait. Else (live): the event is dropped and counted;
 * the last sixteenth of the ring is for alerts, stats and the summary alone.
 */
struct event_queue;

/* What room for one more event takes; the capacity is rounded up to a power of two. */
enum { EVENT_QUEUE_RECORD_BYTES = sizeof(struct sensor_event) };

struct event_queue *event_queue_create(size_t capacity, bool lossless, sensor_event_mask wanted, struct error *error);
void event_queue_destroy(struct event_queue *queue);

/* Capture thread: a writer that puts events into the queue. Valid as long as the queue. */
struct event_writer event_queue_writer(struct event_queue *queue);

/*
 * Capture thread: from now on a full ring makes it wait. For the end of a live run, when there are no more packets that
 * waiting could lose, and every flow is still to be recorded.
 */
void event_queue_wait_from_now(struct event_queue *queue);

/* Capture thread: no more events will come. Wakes the reader. */
void event_queue_finish(struct event_queue *queue);

/* Main thread: the descriptor that becomes readable when there is something to read; for libevent. */
int event_queue_fd(const struct event_queue *queue);

/* Main thread: the oldest event, valid until event_queue_release, or null when there is none now. */
const struct sensor_event *event_queue_peek(struct event_queue *queue);
void event_queue_release(struct event_queue *queue);

/*
 * Main thread: call before waiting on the descriptor; false when events came meanwhile and peek must be called
 * again, at once or when the descriptor, which stays readable, says so.
 */
bool event_queue_prepare_wait(struct event_queue *queue);

/* Any thread: how many events it holds. */
size_t event_queue_capacity(const struct event_queue *queue);

/* Main thread: true once finish was called and every event was released. */
bool event_queue_finished(const struct event_queue *queue);

/*
 * Main thread: the reader gives up (output failed); a waiting capture thread goes on and its events are dropped.
 */
void event_queue_abandon(struct event_queue *queue);

/* Any thread: events dropped because there was no room for them, so far. */
uint64_t event_queue_dropped(const struct event_queue *queue);
