/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides when an event leaves the queue: offline, when every sink has room for it, so that the slowest reader sets the
 * pace; live, at once, as a reader must never slow the sensor down; at the end of a live run, when every sink has room
 * or does not get any. The queue and the sinks know nothing of each other.
 */
#include "feed.h"

#include <event2/event.h>
#include <stdlib.h>

#include "alarm_list.h"
#include "tcpwitness/base/log.h"
#include "tcpwitness/sinks/event_json.h"
#include "tcpwitness/sinks/sink.h"

enum {
	EVENTS_AT_ONCE = 512, /* then signals, timers and other descriptors get their turn */
	/*
	 * How long a queue that was emptied is left alone. A reader that waited again at once would be woken for each
	 * event or two, by a system call of the capture thread.
	 */
	PAUSE_US = 1000,
	PAUSE_LEAST_EVENTS = 4096, /* a smaller queue could overflow meanwhile */
};

struct feed {
	struct feed_config config;
	struct event_queue *queue;
	struct event_json *encoder;
	struct event *readable; /* libevent: the queue has something */
	struct event *rested;   /* libevent: the pause is over; readable is not watched until then */
	bool is_patient;        /* a full sink makes the queue wait */
	bool waits_for_room;    /* readable is not watched until a sink has room */
	struct event *give_up;  /* libevent: live, such a wait was too long */
	struct timeval patience;
	bool has_ended;
	struct error failure;
	struct sensor_event *stats; /* a copy to which the sinks' counters are added */
	size_t n_sinks;
	struct sink *sinks[];
};

static void end(struct feed *feed)
{
	if (feed->has_ended)
		return;
	feed->has_ended = true;
	event_del(feed->readable);
	event_del(feed->rested);
	event_del(feed->give_up);
	feed->config.ended(feed->config.context);
}

static bool any_sink_full(const struct feed *feed)
{
	for (size_t i = 0; i < feed->n_sinks; i++) {
		if (sink_room(feed->sinks[i]) == SINK_FULL)
			return true;
	}
	return false;
}

static const struct sink *failed_sink(const struct feed *feed)
{
	for (size_t i = 0; i < feed->n_sinks; i++) {
		if (sink_get_stats(feed->sinks[i])->failed)
			return feed->sinks[i];
	}
	return NULL;
}

uint64_t feed_dropped(const struct feed *feed)
{
	uint64_t dropped = 0;

	for (size_t i = 0; i < feed->n_sinks; i++)
		dropped += sink_get_stats(feed->sinks[i])->lines_dropped;
	return dropped;
}

static uint64_t count_reconnects(const struct feed *feed)
{
	uint64_t reconnects = 0;

	for (size_t i = 0; i < feed->n_sinks; i++)
		reconnects += sink_get_stats(feed->sinks[i])->reconnects;
	return reconnects;
}

static void add_counter(struct event_stats *stats, const char *name, uint64_t value)
{
	if (stats->n_counters < EVENT_MAX_COUNTERS)
		stats->counters[stats->n_counters++] = (struct event_counter){ .name = name, .value = value };
}

/* The capture thread, which makes stats events, does not know what became of the events behind it. */
static const struct sensor_event *with_output_counters(struct feed *feed, const struct sensor_event *event)
{
	*feed->stats = *event;
	add_counter(&feed->stats->stats, "output.events_dropped", event_queue_dropped(feed->queue));
	add_counter(&feed->stats->stats, "output.lines_dropped", feed_dropped(feed));
	add_counter(&feed->stats->stats, "output.reconnects", count_reconnects(feed));
	return feed->stats;
}

static bool write_event(struct feed *feed, const struct sensor_event *event)
{
	const char *line;
	size_t length;

	if (event->type == EVENT_STATS)
		event = with_output_counters(feed, event);
	if (event->type == EVENT_ALERT && feed->config.alarms != NULL)
		alarm_list_note(feed->config.alarms, &event->alert);
	line = event_json_encode(feed->encoder, event, &length);
	if (line == NULL) {
		error_set(&feed->failure, "output: not enough memory for an event");
		return false;
	}
	for (size_t i = 0; i < feed->n_sinks; i++)
		sink_write(feed->sinks[i], line, length);
	return true;
}

void feed_check(struct feed *feed)
{
	const struct sink *sink = failed_sink(feed);

	if (sink == NULL || feed->failure.text[0] != '\0')
		return;
	error_set(&feed->failure, "%s", sink_error(sink));
	end(feed);
}

static void wait_for_room(struct feed *feed)
{
	feed->waits_for_room = true;
	event_del(feed->readable);
	if (!feed->config.lossless)
		event_add(feed->give_up, &feed->patience);
}

static void pause_reading(struct feed *feed)
{
	const struct timeval pause = { .tv_usec = PAUSE_US };

	event_del(feed->readable);
	event_add(feed->rested, &pause);
}

/* The descriptor is still readable: only event_queue_prepare_wait empties it. */
static void on_rested(evutil_socket_t fd, short what, void *context)
{
	struct feed *feed = context;

	(void)fd;
	(void)what;
	event_add(feed->readable, NULL);
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
	struct feed *feed = context;

	(void)fd;
	(void)what;
	for (unsigned n = 0; n < EVENTS_AT_ONCE && !feed->has_ended;) {
		const struct sensor_event *event = event_queue_peek(feed->queue);

		if (event == NULL && event_queue_finished(feed->queue)) {
			end(feed);
		} else if (event == NULL && n > 0 && event_queue_capacity(feed->queue) >= PAUSE_LEAST_EVENTS) {
			pause_reading(feed);
			break;
		} else if (event == NULL) {
			if (event_queue_prepare_wait(feed->queue))
				break;
		} else if (feed->is_patient && any_sink_full(feed)) {
			wait_for_room(feed);
			break;
		} else {
			bool is_written = write_event(feed, event);

			event_queue_release(feed->queue);
			if (!is_written)
				end(feed);
			n++;
		}
	}
	feed_check(feed);
}

/* Called by a sink that was full and has room, or has failed. */
static void on_room(void *context)
{
	struct feed *feed = context;

	feed_check(feed);
	if (!feed->waits_for_room || feed->has_ended)
		return;
	feed->waits_for_room = false;
	event_del(feed->give_up);
	event_add(feed->readable, NULL);
	event_active(feed->readable, EV_READ, 0);
}

static void on_give_up(evutil_socket_t fd, short what, void *context)
{
	struct feed *feed = context;

	(void)fd;
	(void)what;
	feed->is_patient = false;
	on_room(feed);
}

void feed_wait_from_now(struct feed *feed, unsigned timeout_ms)
{
	feed->patience =
		(struct timeval){ .tv_sec = timeout_ms / 1000, .tv_usec = (suseconds_t)(timeout_ms % 1000) * 1000 };
	feed->is_patient = true;
}

struct feed *feed_create(const struct feed_config *config, struct event_base *base, struct event_queue *queue,
			 struct error *error)
{
	struct feed *feed = calloc(1, sizeof(*feed) + config->n_outputs * sizeof(void *));

	if (feed == NULL)
		goto no_memory;
	feed->config = *config;
	feed->queue = queue;
	feed->is_patient = config->lossless;
	feed->encoder = event_json_create();
	feed->stats = calloc(1, sizeof(*feed->stats));
	feed->readable = event_new(base, event_queue_fd(queue), EV_READ | EV_PERSIST, on_readable, feed);
	feed->rested = event_new(base, -1, 0, on_rested, feed);
	feed->give_up = event_new(base, -1, 0, on_give_up, feed);
	if (feed->encoder == NULL || feed->stats == NULL || feed->readable == NULL || feed->rested == NULL ||
	    feed->give_up == NULL || event_add(feed->readable, NULL) != 0)
		goto no_memory;
	event_json_set_replay(feed->encoder, &config->replay);
	for (size_t i = 0; i < config->n_outputs; i++) {
		feed->sinks[i] = sink_open(config->outputs[i], base, config->lossless, on_room, feed, error);
		if (feed->sinks[i] == NULL) {
			feed_destroy(feed);
			return NULL;
		}
		feed->n_sinks++;
	}
	return feed;

no_memory:
	error_set(error, "not enough memory for the output");
	feed_destroy(feed);
	return NULL;
}

bool feed_failed(const struct feed *feed, struct error *error)
{
	if (feed->failure.text[0] == '\0')
		return false;
	*error = feed->failure;
	return true;
}

void feed_reopen(struct feed *feed)
{
	struct error error = { .text = "" };

	for (size_t i = 0; i < feed->n_sinks; i++) {
		if (sink_reopen(feed->sinks[i], &error) != 0)
			log_error("%s", error.text);
	}
}

bool feed_flush(struct feed *feed, unsigned timeout_ms, struct error *error)
{
	struct error ignored;
	bool is_written = true;

	while (feed->n_sinks > 0) {
		struct sink *sink = feed->sinks[--feed->n_sinks];

		if (!sink_close(sink, timeout_ms, is_written ? error : &ignored))
			is_written = false;
	}
	return is_written;
}

void feed_destroy(struct feed *feed)
{
	struct error ignored;

	if (feed == NULL)
		return;
	feed_flush(feed, 0, &ignored);
	if (feed->readable != NULL)
		event_free(feed->readable);
	if (feed->rested != NULL)
		event_free(feed->rested);
	if (feed->give_up != NULL)
		event_free(feed->give_up);
	event_json_destroy(feed->encoder);
	free(feed->stats);
	free(feed);
}
