/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The way of events from one capture thread to the main thread. The ring carries the records; this file decides who
 * sleeps and who wakes whom.
 *
 * Each side announces its sleep with an atomic exchange on a flag (reader_waiting, writer_waiting) and looks at the
 * ring once more after it; the other side changes the ring first and exchanges the flag back after that. All
 * exchanges of one flag are in one order: either the announcement comes first, and the other side sees it and
 * wakes, or it comes second and, reading the other side's exchange, also sees the change of the ring. So no wake-up
 * is lost, and the descriptor is written only when the reader may sleep, not for each event.
 *
 * A lossless writer that met a full ring sleeps until the ring is half empty: a wake-up for half a ring, not for a
 * record.
 */
#include "tcpwitness/events/event_queue.h"

#include <errno.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tcpwitness/base/ring.h"

enum { QUEUE_MAX_EVENTS = 1 << 20, CACHE_LINE_BYTES = 64 };

/*
 * Live, these find room when there is none for records of connections, of which there may be any number: they are few,
 * and say what the many are about.
 */
static const sensor_event_mask SELDOM = 1U << EVENT_ALERT | 1U << EVENT_STATS | 1U << EVENT_SUMMARY;

enum { PLACES_PER_SELDOM_ONE = 16 };

/* Each flag is exchanged by the other side for every event, so each has a cache line of its own. */
struct event_queue {
	alignas(CACHE_LINE_BYTES) atomic_bool reader_waiting; /* the reader sleeps on wake_fd, or is about to */
	alignas(CACHE_LINE_BYTES) atomic_bool writer_waiting; /* the writer sleeps on room, or is about to */
	alignas(CACHE_LINE_BYTES) struct ring *ring;          /* changed seldom or never from here on */
	int wake_fd;
	bool lossless; /* the writer's, once it runs */
	sensor_event_mask wanted;
	atomic_bool finished;
	atomic_bool abandoned;
	_Atomic uint64_t dropped;
	pthread_mutex_t mutex; /* for room only */
	pthread_cond_t room;
};

struct event_queue *event_queue_create(size_t capacity, bool lossless, sensor_event_mask wanted, struct error *error)
{
	struct event_queue *queue;

	if (capacity < 1 || capacity > QUEUE_MAX_EVENTS) {
		error_set(error, "event queue: %zu events is out of range (choose 1 to %d)", capacity,
			  QUEUE_MAX_EVENTS);
		return NULL;
	}
	queue = aligned_alloc(CACHE_LINE_BYTES, sizeof(*queue));
	if (queue == NULL)
		goto no_memory;
	memset(queue, 0, sizeof(*queue));
	queue->ring = ring_create(capacity, sizeof(struct sensor_event));
	if (queue->ring == NULL)
		goto no_memory;
	queue->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (queue->wake_fd < 0) {
		error_set(error, "event queue: eventfd: %s (raise the limit of open files)", strerror(errno));
		goto no_descriptor;
	}
	queue->lossless = lossless;
	queue->wanted = wanted;
	atomic_init(&queue->reader_waiting, true); /* until it has looked once */
	pthread_mutex_init(&queue->mutex, NULL);
	pthread_cond_init(&queue->room, NULL);
	return queue;

no_memory:
	error_set(error, "event queue: not enough memory for %zu events (choose a smaller queue)", capacity);
no_descriptor:
	if (queue != NULL)
		ring_destroy(queue->ring);
	free(queue);
	return NULL;
}

void event_queue_destroy(struct event_queue *queue)
{
	if (queue == NULL)
		return;
	pthread_cond_destroy(&queue->room);
	pthread_mutex_destroy(&queue->mutex);
	close(queue->wake_fd);
	ring_destroy(queue->ring);
	free(queue);
}

static bool half_empty(const struct event_queue *queue)
{
	return ring_count(queue->ring) <= ring_capacity(queue->ring) / 2;
}

/* The counter is far from its limit, so the write cannot fail but for a closed descriptor. */
static void make_readable(struct event_queue *queue)
{
	const uint64_t one = 1;

	while (write(queue->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static void wake_reader(struct event_queue *queue)
{
	if (atomic_exchange(&queue->reader_waiting, false))
		make_readable(queue);
}

/* Returns when there is room, or the reader has given up. */
static void wait_for_room(struct event_queue *queue)
{
	pthread_mutex_lock(&queue->mutex);
	for (;;) {
		atomic_exchange(&queue->writer_waiting, true);
		if (half_empty(queue) || atomic_load(&queue->abandoned))
			break;
		pthread_cond_wait(&queue->room, &queue->mutex);
	}
	atomic_store(&queue->writer_waiting, false);
	pthread_mutex_unlock(&queue->mutex);
}

static void wake_writer(struct event_queue *queue)
{
	pthread_mutex_lock(&queue->mutex);
	pthread_cond_signal(&queue->room);
	pthread_mutex_unlock(&queue->mutex);
}

/* Places that an event of this type leaves free. */
static size_t places_kept(const struct event_queue *queue, enum sensor_event_type type)
{
	if (queue->lossless || (SELDOM >> type & 1) != 0)
		return 0;
	return ring_capacity(queue->ring) / PLACES_PER_SELDOM_ONE;
}

static struct sensor_event *begin_event(void *context, enum sensor_event_type type)
{
	struct event_queue *queue = context;
	struct sensor_event *event;

	if ((queue->wanted >> type & 1) == 0 || atomic_load_explicit(&queue->abandoned, memory_order_relaxed))
		return NULL;
	event = ring_reserve_keeping(queue->ring, places_kept(queue, type));
	if (event == NULL && queue->lossless) {
		wait_for_room(queue);
		if (atomic_load(&queue->abandoned))
			return NULL;
		event = ring_reserve(queue->ring);
	}
	if (event == NULL) {
		atomic_fetch_add_explicit(&queue->dropped, 1, memory_order_relaxed);
		return NULL;
	}
	memset(event, 0, sensor_event_bytes(type));
	event->type = type;
	return event;
}

static void end_event(void *context, struct sensor_event *event)
{
	struct event_queue *queue = context;

	(void)event;
	ring_commit(queue->ring);
	wake_reader(queue);
}

struct event_writer event_queue_writer(struct event_queue *queue)
{
	return (struct event_writer){
		.context = queue,
		.begin = begin_event,
		.end = end_event,
		.unwanted = ~queue->wanted,
	};
}

void event_queue_wait_from_now(struct event_queue *queue)
{
	queue->lossless = true;
}

void event_queue_finish(struct event_queue *queue)
{
	atomic_store(&queue->finished, true);
	wake_reader(queue);
}

int event_queue_fd(const struct event_queue *queue)
{
	return queue->wake_fd;
}

const struct sensor_event *event_queue_peek(struct event_queue *queue)
{
	return ring_peek(queue->ring);
}

void event_queue_release(struct event_queue *queue)
{
	ring_release(queue->ring);
	/* How many there are in truth takes the writer's cache line: it is asked for only when the writer waits. */
	if (ring_known_count(queue->ring) > ring_capacity(queue->ring) / 2 ||
	    !atomic_exchange(&queue->writer_waiting, false))
		return;
	if (half_empty(queue))
		wake_writer(queue);
	else
		atomic_exchange(&queue->writer_waiting, true); /* on its behalf: not yet */
}

bool event_queue_prepare_wait(struct event_queue *queue)
{
	uint64_t wake_ups;

	/* Emptied before the announcement: a wake-up written after it must stay. */
	while (read(queue->wake_fd, &wake_ups, sizeof(wake_ups)) < 0 && errno == EINTR)
		;
	atomic_exchange(&queue->reader_waiting, true);
	if (ring_peek(queue->ring) != NULL) {
		atomic_exchange(&queue->reader_waiting, false);
		/* A reader that goes on later, not at once, must be called again: its last wake-up is read above. */
		make_readable(queue);
		return false;
	}
	/* Nobody will write any more: a reader that waits must come back at once and find the queue finished. */
	if (atomic_load(&queue->finished))
		make_readable(queue);
	return true;
}

size_t event_queue_capacity(const struct event_queue *queue)
{
	return ring_capacity(queue->ring);
}

bool event_queue_finished(const struct event_queue *queue)
{
	/* In this order: after finish the ring only empties. */
	return atomic_load(&queue->finished) && ring_count(queue->ring) == 0;
}

void event_queue_abandon(struct event_queue *queue)
{
	atomic_store(&queue->abandoned, true);
	wake_writer(queue);
}

uint64_t event_queue_dropped(const struct event_queue *queue)
{
	return atomic_load_explicit(&queue->dropped, memory_order_relaxed);
}
