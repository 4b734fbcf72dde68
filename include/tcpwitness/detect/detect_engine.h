/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tcpwitness/base/error.h"
#include "tcpwitness/base/siphash.h"
#include "tcpwitness/detect/flow_signal.h"
#include "tcpwitness/detect/ruleset.h"
#include "tcpwitness/events/sensor_event.h"

/* Runs all enabled detectors over the signals of one tracker. Capture thread. */
struct detect_engine;

struct detect_config {
	size_t memory_bytes;       /* for all detectors together; at least 256 KiB */
	struct siphash_key secret; /* of the target tables */
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
	uint64_t unseen_segments;     /* acknowledgements of data that never passed here, of ends that are heard */
	uint64_t truncated_packets;   /* whose headers did not fit what was kept of the frame */
	uint64_t backward_steps;      /* of the clock that stamps the frames, by more than reordering explains */
	uint64_t kernel_dropped;      /* frames */
	uint64_t interface_dropped;
	uint64_t flows_evicted;    /* connections that lost their place to others, wherever they were kept */
	uint64_t attempts_evicted; /* of these: SYNs that nobody had answered */
	uint64_t flows_refused;    /* connections for which there was no place */
};

struct detect_stats {
	uint64_t alarms_raised;
	uint64_t alarms_updated;
	uint64_t alarms_cleared;
	uint64_t alarms_open;       /* now */
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

/* One outcome, in packet order. Returns true when an alarm is open for the connection's service or its host. */
bool detect_engine_signal(struct detect_engine *engine, const struct flow_signal *signal);

/*
 * Packet time is now_ns (never less than before), at packet_number. Cheap when no tick is due. Called before the
 * packet's own signals. Alarms that are due are written through the writer.
 */
void detect_engine_advance(struct detect_engine *engine, uint64_t now_ns, uint64_t packet_number,
			   const struct detect_visibility *visibility);

const struct detect_stats *detect_engine_get_stats(const struct detect_engine *engine);
