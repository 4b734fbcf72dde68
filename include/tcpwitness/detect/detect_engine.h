/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tcpwitness/base/error.h"
#include "tcpwitness/base/siphash.h"
#include "tcpwitness/base/units.h"
#include "tcpwitness/detect/flow_signal.h"
#include "tcpwitness/detect/ruleset.h"
#include "tcpwitness/events/sensor_event.h"

/*
 * Runs all enabled detectors over the signals of one tracker, or of several over which connections are spread: each is
 * a source. What is found does not depend on how many there are: the same alarms, at the same times, with the same
 * evidence. Not the connections but what they are about (services, hosts, sources, ...) are dealt out: each source owns
 * a part of these keys, which counts all that concerns them, in the order of time, whichever source was told it.
 *
 * This holds as long as nothing is forgotten for lack of room (targets_evicted in the stats is 0) and seven in eight of
 * the room for crowds suffice. Beyond that it may differ which keys are remembered, and which crowds are given up for
 * others: each part has an equal share of the memory and forgets what is oldest in it. Keys are dealt out by a keyed
 * hash, so that parts fill alike. A source that is told more within one tick than its log holds counts that at once,
 * before what others were told: that changes who is the oldest, and when a source's record begins, but no sums.
 *
 * Threads: each source may be used by a thread of its own. detect_source_signal may be called for different sources at
 * the same time, and so may detect_source_settle, but not one of these and the other. All else wants every source at
 * rest.
 */
struct detect_engine;
struct detect_source;

/* Time is judged at boundaries that are multiples of this, or at some of them. */
#define DETECT_TICK_NS (100 * NS_PER_MS)

struct detect_config {
	size_t memory_bytes;       /* for all detectors together; at least 256 KiB */
	struct siphash_key secret; /* of the target tables */
	unsigned n_sources;        /* 0 = 1, at most 64; they share the memory */
	unsigned n_remotes;        /* other sensors whose summaries are judged together with what is told here */
};

/*
 * What the sensor itself could not see, for alert.visibility and sensor_health; filled by the pipeline before each
 * tick. All are counts since the run began; those of several sensors add up.
 */
struct detect_visibility {
	uint64_t segments;            /* seen */
	uint64_t connections;         /* begun, whatever with */
	uint64_t one_way_connections; /* of which one direction was heard only, though it goes on */
	uint64_t two_way_connections; /* of which both were */
	uint64_t duplicates;          /* segments captured twice */
	uint64_t payload_segments;    /* seen, with something new, of connections of which both ends are heard */
	uint64_t unseen_segments;     /* as many as were acknowledged without having passed here */
	uint64_t late_segments;       /* of these: came behind their acknowledgement after all */
	uint64_t truncated_packets;   /* whose headers did not fit what was kept of the frame */
	uint64_t backward_steps;      /* of the clock that stamps the frames, by more than reordering explains */
	uint64_t kernel_dropped;      /* frames */
	uint64_t interface_dropped;
	uint64_t flows_evicted;    /* connections that lost their place to others, wherever they were kept */
	uint64_t open_evicted;     /* of these: established, or half closed */
	uint64_t attempts_evicted; /* of these: within a second after they began, so that their outcome is not known */
	uint64_t flows_refused;    /* connections for which there was no place */
};

struct detect_stats {
	uint64_t alarms_raised;
	uint64_t alarms_updated;
	uint64_t alarms_cleared;
	uint64_t alarms_open;       /* now */
	uint64_t alarms_silenced;   /* not raised when due: rules say so, see enum rule_silence */
	uint64_t alarms_suppressed; /* not raised when due: too many open, or too many new ones at once */
	uint64_t targets_evicted;   /* forgotten for lack of room */
	uint64_t memory_bytes;
};

/*
 * ruleset is borrowed and must outlive the engine and every event it wrote; writer is copied. Null with *error
 * filled when memory is short. All memory is allocated here.
 */
struct detect_engine *detect_engine_create(const struct ruleset *ruleset, const struct detect_config *config,
					   const struct event_writer *writer, struct error *error);
void detect_engine_destroy(struct detect_engine *engine);

/*
 * The source with this number, from 0; null = no such number, or no detector is enabled and nobody listens. Behind
 * those that are told signals come those of other sensors.
 */
struct detect_source *detect_engine_source(struct detect_engine *engine, unsigned number);

/*
 * A signal may come soon, at about now_ns: what it will change is fetched into the processor's cache, as far as it is
 * known where that is. In steps, each of which looks at what the one before has fetched, with other work between them.
 * Changes nothing that can be seen. source may be null.
 */
enum detect_fetch { DETECT_FETCH_PLACES, DETECT_FETCH_RECORDS, DETECT_FETCH_PARTS, DETECT_FETCH_PARTS_OF_HOST };

enum detect_news { DETECT_NEWS_SYN, DETECT_NEWS_ANSWERED, DETECT_NEWS_COMPLETED, DETECT_NEWS_SPOKEN };

struct summary_record; /* of the detectors */

struct detect_expected {
	enum detect_news news;
	uint16_t server_port;
	const struct ip_addr *client;
	const struct ip_addr *server;
	/* What the steps have come to. */
	struct summary_record *const *service_place;
	struct summary_record *const *source_place;
	const struct summary_record *service;
	const struct summary_record *source;
	uint64_t pair_hash; /* of COMPLETED */
};

void detect_source_fetch(const struct detect_source *source, struct detect_expected *expected, uint64_t now_ns,
			 enum detect_fetch step);

/*
 * One outcome, in the order of the packets of this source. Returns true when an alarm is open for the connection's
 * service or its host. source may be null: nobody listens.
 */
bool detect_source_signal(struct detect_source *source, const struct flow_signal *signal);

/*
 * With several sources: counts what concerns the keys of this source, of all that all sources were told. Nobody must
 * tell anything before detect_engine_due or detect_engine_tick, which do this themselves for the sources for which it
 * was not done: it is worth calling where every source has a thread, before each of the two.
 */
void detect_source_settle(struct detect_source *source);

/*
 * With several sources, all at rest: what they told of later than until_ns is not counted before this is called again.
 * So sources may go on beyond a boundary of time before all have come to it and it is judged, as long as their logs
 * hold what they tell. UINT64_MAX, as at the beginning: all is counted.
 */
void detect_engine_count_until(struct detect_engine *engine, uint64_t until_ns);

/* With all sources at rest: counts what detect_source_settle was not called for, so that a boundary has less to do. */
void detect_engine_count(struct detect_engine *engine);

/*
 * The next boundary of time that is to be judged before a packet at now_ns counts (never less than before), or 0. It
 * is asked for each packet, when all sources have told what passed before, or for the first behind a boundary. All
 * sources are to be advanced to it, so that they have told all that was due by then; then it is judged by
 * detect_engine_tick, and this is to be asked again. now_ns and packet_number: of that packet. Alarms that are due are
 * written through the writer.
 */
uint64_t detect_engine_due(struct detect_engine *engine, uint64_t now_ns);
void detect_engine_tick(struct detect_engine *engine, uint64_t tick_ns, uint64_t now_ns, uint64_t packet_number,
			const struct detect_visibility *visibility);

/* Judges all boundaries up to now_ns, for sources that have nothing more to tell of the time before. */
void detect_engine_advance(struct detect_engine *engine, uint64_t now_ns, uint64_t packet_number,
			   const struct detect_visibility *visibility);

/*
 * Nobody will watch any more, though packets go on: alarms that are open are cleared, with the reason "shutdown". Not
 * at the end of a capture: what is open there stays open. After it only the stats are of use.
 */
void detect_engine_end(struct detect_engine *engine, uint64_t now_ns, uint64_t packet_number);

const struct detect_stats *detect_engine_get_stats(const struct detect_engine *engine);
