/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tcpwitness/events/sensor_event.h"

/* What is found now, of one alarm. */
struct alarm_reading {
	double level;
	double extent;          /* a second figure that grows with the trouble: sources; 0 = none */
	const char *detector;   /* static: the class that it has now; null = it never changes */
	const char *class_name; /* static: a finer class; null = none */
	uint64_t arrivals; /* a running count of what arrives: when it stands still, all is silent; 0 = not counted */
	uint64_t seen_ns;  /* when the trouble is known to have gone on last, while it is hot; 0 = now */
	uint8_t severity;  /* that the alarm would have if it were raised now */
	uint8_t stage;     /* the detector's own: a new stage is news */
	bool is_hot;       /* still above the level to clear at */
};

/*
 * The life of alarms: raised, updated, cleared; one per target; a bounded number. What an alarm says is somebody
 * else's matter, when it may say so is decided here, so that nothing it is told can make it flap: see ALARM_*.
 */
struct alarm {
	bool is_used;
	bool is_open;
	uint8_t worst_severity; /* that was written since it was raised */
	struct alert_target target;
	uint64_t alert_id;
	uint64_t started_ns;      /* of the trouble; the first time, when it was raised again soon */
	uint64_t raised_ns;       /* the last time */
	uint64_t written_ns;      /* last event */
	uint64_t changed_ns;      /* last event with another class or severity than the one before; 0 = none */
	uint32_t n_changes;       /* such events since it was begun */
	struct alarm_reading was; /* written before the last such event */
	uint64_t hot_ns;          /* last time at which the level was above the level to clear at */
	uint64_t seen_ns;         /* last time at which the trouble is known to have gone on */
	uint64_t arrived_ns;      /* last time at which anything had arrived */
	uint64_t ended_ns;        /* cleared; 0 = open */
	uint64_t patience_ns;     /* how long it must not be hot before it is over */
	uint64_t pause_ns;        /* the longest after which the trouble came back; 0 = none */
	uint32_t n_reopened;
	struct alarm_reading written; /* in the last event */
	uint64_t arrivals;
	double peak;      /* since started_ns */
	double threshold; /* when it was raised */
};

/* The defaults for one detector: so many open, and of new ones so many at once and then one a second. */
enum { ALARM_MAX_OPEN = 50, ALARM_BURST = 10 };

/* No more events than this of one alarm within any minute, whatever its readings are. */
enum { ALARM_EVENTS_PER_MINUTE = 16 };

struct alarm_set;

/*
 * Holds as many alarms as fit, at most max_open open ones and as many that are remembered. Null when memory is short.
 */
struct alarm_set *alarm_set_create(size_t memory_bytes, size_t max_open);
void alarm_set_destroy(struct alarm_set *set);

size_t alarm_set_open(const struct alarm_set *set);

/*
 * Opens an alarm for a target that has none. An alarm is what it is about: its group (of detectors that share one
 * alarm per target; or the detector's name) and its target. Within five minutes after its last one was over it is the
 * same alarm again: same id, same start, same peak. Null when too many are open, or too many new ones came at once
 * (one that is refused may be opened later).
 */
struct alarm *alarm_open(struct alarm_set *set, const char *group, const struct alert_target *target,
			 uint64_t started_ns, uint64_t now_ns);

enum alarm_due { ALARM_NOTHING_DUE = 0, ALARM_UPDATE_DUE, ALARM_CLEAR_DUE };

/*
 * What is to be written of it: on another class or severity at once (but not twice within 10 s, unless it is worse
 * than ever), else every 10 s in the first minute and every 60 s later, if a figure moved. clear_after_ns: how long
 * it must not be hot before it is over; longer when its trouble came back before.
 */
enum alarm_due alarm_review(struct alarm *alarm, const struct alarm_reading *reading, uint64_t clear_after_ns,
			    uint64_t now_ns);

/* It is written now. */
void alarm_written(struct alarm *alarm, const struct alarm_reading *reading, uint64_t now_ns);

/* Why an alarm for which ALARM_CLEAR_DUE was said is over: "recovered", or "silent": nothing arrives any more. */
const char *alarm_clear_reason(const struct alarm *alarm, uint64_t now_ns);

/* How long its trouble has lasted, from its start to when it is known to have gone on last; pauses are part of it. */
uint64_t alarm_duration_ns(const struct alarm *alarm);

/* The alarm is over. It is remembered until its place is needed. */
void alarm_close(struct alarm_set *set, struct alarm *alarm, uint64_t now_ns);
