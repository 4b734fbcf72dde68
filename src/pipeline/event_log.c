/* SPDX-License-Identifier: BSD-2-Clause */
/* A buffer of records of different size, written from its beginning to its end, and read so; then anew. */
#include "event_log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tcpwitness/base/units.h"

enum { ALIGN_BYTES = _Alignof(struct sensor_event) };

struct log_entry {
	struct event_rank rank;
	size_t bytes; /* with this head */
};

_Static_assert(sizeof(struct log_entry) % ALIGN_BYTES == 0, "an event follows its head");

struct event_log {
	uint8_t *memory;
	size_t capacity_bytes;
	size_t used_bytes;
	size_t taken_bytes;
	sensor_event_mask unwanted;
	struct event_rank rank; /* of what is written now */
};

bool event_rank_is_before(const struct event_rank *a, const struct event_rank *b)
{
	if (a->frame != b->frame)
		return a->frame < b->frame;
	if (a->is_packet || b->is_packet)
		return !a->is_packet && b->is_packet;
	return tracker_timer_is_before(&a->timer, &b->timer);
}

struct event_log *event_log_create(size_t bytes, sensor_event_mask unwanted, struct error *error)
{
	struct event_log *log = calloc(1, sizeof(*log));

	assert(bytes / 2 >= EVENT_LOG_RANK_BYTES);
	if (log != NULL)
		log->memory = malloc(bytes);
	if (log == NULL || log->memory == NULL) {
		error_set(error, "out of memory: no room for events of %zu bytes; use fewer threads", bytes);
		free(log);
		return NULL;
	}
	log->capacity_bytes = bytes;
	log->unwanted = unwanted;
	return log;
}

void event_log_destroy(struct event_log *log)
{
	if (log == NULL)
		return;
	free(log->memory);
	free(log);
}

/* --- writing --- */

bool event_log_begin(struct event_log *log, const struct event_rank *rank)
{
	if (log->capacity_bytes - log->used_bytes < EVENT_LOG_RANK_BYTES)
		return false;
	log->rank = *rank;
	return true;
}

/* Once for each packet: nothing that a packet's rank does not have is written, or copied. */
bool event_log_begin_packet(struct event_log *log, uint32_t frame)
{
	if (log->capacity_bytes - log->used_bytes < EVENT_LOG_RANK_BYTES)
		return false;
	log->rank.frame = frame;
	log->rank.is_packet = true;
	return true;
}

static struct log_entry *entry_at(const struct event_log *log, size_t offset)
{
	return (void *)(log->memory + offset);
}

static struct sensor_event *begin_event(void *context, enum sensor_event_type type)
{
	struct event_log *log = context;
	size_t bytes =
		(sizeof(struct log_entry) + sensor_event_bytes(type) + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;

	if (log->unwanted >> type & 1)
		return NULL;
	/* Nothing is ever lost of a capture: that one rank takes more than it may is a mistake of this program. */
	assert(log->capacity_bytes - log->used_bytes >= bytes);
	struct log_entry *entry = entry_at(log, log->used_bytes);
	*entry = (struct log_entry){ log->rank, bytes };
	struct sensor_event *event = (void *)(entry + 1);
	memset(event, 0, sensor_event_bytes(type));
	event->type = type;
	return event;
}

static void end_event(void *context, struct sensor_event *event)
{
	struct event_log *log = context;

	(void)event;
	log->used_bytes += entry_at(log, log->used_bytes)->bytes;
}

struct event_writer event_log_writer(struct event_log *log)
{
	return (struct event_writer){
		.context = log,
		.begin = begin_event,
		.end = end_event,
		.unwanted = log->unwanted,
	};
}

/* --- reading --- */

const struct sensor_event *event_log_first(const struct event_log *log, struct event_rank *rank)
{
	if (log->taken_bytes == log->used_bytes)
		return NULL;
	const struct log_entry *entry = entry_at(log, log->taken_bytes);
	*rank = entry->rank;
	return (const void *)(entry + 1);
}

void event_log_take(struct event_log *log)
{
	log->taken_bytes += entry_at(log, log->taken_bytes)->bytes;
	if (log->taken_bytes < log->used_bytes)
		return;
	log->taken_bytes = 0;
	log->used_bytes = 0;
}

/* --- merging --- */

/* What only the order of all events tells. False: it is not worth an event. */
static bool count_orphan(uint64_t *count, enum anomaly anomaly, uint64_t *orphan_counts)
{
	if (*count != 0)
		return true;
	*count = ++orphan_counts[anomaly];
	return is_power_of_ten(*count);
}

static void hand_on(const struct sensor_event *event, const struct event_writer *writer, uint64_t *orphan_counts)
{
	uint64_t count = event->type == EVENT_ANOMALY ? event->anomaly.count : 0;

	if (event->type == EVENT_ANOMALY && !count_orphan(&count, event->anomaly.anomaly, orphan_counts))
		return;
	struct sensor_event *to = writer->begin(writer->context, event->type);
	if (to == NULL)
		return;
	memcpy(to, event, sensor_event_bytes(event->type));
	if (event->type == EVENT_ANOMALY)
		to->anomaly.count = count;
	writer->end(writer->context, to);
}

void event_log_merge(struct event_log *const *logs, unsigned n, const struct event_rank *bound,
		     const struct event_writer *writer, uint64_t *orphan_counts)
{
	for (;;) {
		const struct sensor_event *first = NULL;
		struct event_rank first_rank = *bound;
		unsigned from = 0;
		for (unsigned i = 0; i < n; i++) {
			struct event_rank rank;
			const struct sensor_event *event = event_log_first(logs[i], &rank);
			if (event == NULL || event_rank_is_before(bound, &rank))
				continue;
			if (first != NULL && !event_rank_is_before(&rank, &first_rank))
				continue;
			first = event;
			first_rank = rank;
			from = i;
		}
		if (first == NULL)
			return;
		hand_on(first, writer, orphan_counts);
		event_log_take(logs[from]);
	}
}
