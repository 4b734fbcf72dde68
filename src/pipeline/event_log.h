/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tcpwitness/base/error.h"
#include "tcpwitness/events/sensor_event.h"
#include "tcpwitness/pipeline/tracker.h"

/*
 * Events of one shard, on their way to where those of all shards are put in order. Each bears its rank: with which
 * frame it came, and of which timer, if of one. Ranks of a log never go down. One thread at a time.
 */
struct event_log;

struct event_rank {
	uint32_t frame; /* of the batch: timers that it lets go off come first, then what itself brings about */
	bool is_packet; /* else of a timer */
	struct tracker_timer timer;
};

/* Behind all others. */
#define EVENT_RANK_LAST ((struct event_rank){ .frame = UINT32_MAX })

bool event_rank_is_before(const struct event_rank *a, const struct event_rank *b);

/* At most so much is written of one rank: a packet with all its anomalies, for which a score of connections go. */
enum { EVENT_LOG_RANK_BYTES = 128 * 1024 };

/* bytes: at least twice EVENT_LOG_RANK_BYTES. unwanted: as in struct event_writer. */
struct event_log *event_log_create(size_t bytes, sensor_event_mask unwanted, struct error *error);
void event_log_destroy(struct event_log *log);

/* What is written from now on has this rank. False: there is no room, the log must be read first. */
bool event_log_begin(struct event_log *log, const struct event_rank *rank);
bool event_log_begin_packet(struct event_log *log, uint32_t frame);
struct event_writer event_log_writer(struct event_log *log);

/* The first event that was not taken yet, and its rank; null: there is none. Only what its type uses is there. */
const struct sensor_event *event_log_first(const struct event_log *log, struct event_rank *rank);
void event_log_take(struct event_log *log);

/*
 * Puts the events of n logs into writer, in the order of their ranks: all that come before bound, and those with its
 * very rank. Anomalies with a count of 0 (tracker_set_writer) are counted in orphan_counts, and written where a single
 * tracker would. Of two logs with events of one rank that of the first goes first.
 */
void event_log_merge(struct event_log *const *logs, unsigned n, const struct event_rank *bound,
		     const struct event_writer *writer, uint64_t *orphan_counts);
