/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "tcpwitness/detect/detect_engine.h"
#include "tcpwitness/detect/detector.h"

#include "alarm.h"
#include "target_evidence.h"
#include "target_table.h"

extern const struct detector detector_syn_flood;
extern const struct detector detector_half_open_surge;
extern const struct detector detector_service_down;
extern const struct detector detector_flash_crowd;
extern const struct detector detector_carpet_bombing;
extern const struct detector detector_time_wait_exhaustion;
extern const struct detector detector_time_wait_pileup;
extern const struct detector detector_port_scan;
extern const struct detector detector_connection_fan_out;
extern const struct detector detector_synack_reflection;
extern const struct detector detector_backscatter;
extern const struct detector detector_out_of_state_flood;
extern const struct detector detector_accept_queue_overflow;
extern const struct detector detector_connection_flood;
extern const struct detector detector_zero_window_hold;
extern const struct detector detector_state_leak;
extern const struct detector detector_rst_injection;
extern const struct detector detector_sensor_health;

/* What one detector may use; made by the engine, one per detector. */
struct detect_context {
	const struct detector *detector;
	const struct rule *rule;
	struct target_table *targets;
	struct alarm_set *alarms;
	struct detect_stats *stats;
	const struct event_writer *writer;
	const struct detect_visibility *visibility;
	const struct siphash_key *secret; /* for tables of the detector's own */
	uint64_t now_ns;
	uint64_t packet_number; /* of the packet during which something is decided */
};

/*
 * Raises an alarm for target at level above threshold, and counts it. Null when too many are open, which is counted
 * once as long as the caller keeps *suppressed. Then detect_event_begin is to be called with ALERT_RAISED.
 */
struct alarm *detect_raise(struct detect_context *context, const struct alert_target *target, uint64_t started_ns,
			   double threshold, bool *suppressed);

/*
 * Begins an event about the alarm with all that is not evidence: rule, ids, times, target, ends, peak, threshold,
 * visibility. The caller fills the rest and calls detect_event_end. Null when nobody wants alerts. ALERT_CLEARED
 * closes the alarm.
 */
struct sensor_event *detect_event_begin(struct detect_context *context, struct alarm *alarm, enum alert_phase phase,
					const struct alarm_reading *reading);
void detect_event_end(struct detect_context *context, struct sensor_event *event);

/* What a source has summed up, for those who send it to another sensor; for tests. */
struct summary_table;
struct summary_table *detect_source_table(struct detect_source *source);
