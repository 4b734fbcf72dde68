/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tcpwitness/events/sensor_event.h"

/* What the detector finds now, of one alarm. */
struct alarm_reading {
	double level;
	double extent;    /* a second figure that grows with the trouble: sources; 0 = none */
	uint8_t severity; /* that the alarm would have if it were raised now */
	uint8_t stage;    /* the detector's own: a new stage is news */
	bool is_hot;      /* still above the level to clear at */
};

/*
 * The life of the alarms of one detector: raised, updated, cleared; one per target; a bounded number. What an alarm
 * says is the detector's matter, when it may say so is decided here.
 */
struct alarm {
	bool is_used;
	bool is_open;
	struct alert_target target;
	uint64_t alert_id;
	uint64_t started_ns;          /* of the trouble; the first time, when it was raised again soon */
	uint64_t raised_ns;           /* the last time */
	uint64_t written_ns;          /* last event */
	uint64_t hot_ns;              /* last time at which the level was above the level to clear at */
	uint64_t ended_ns;            /* cleared; 0 = open */
	struct alarm_reading written; /* in the last event */
	double peak;
	double threshold; /* when it was raised */
};

struct alarm_set;

/*
 * Holds as many alarms as fit, at most max_open open ones and as many that are remembered. Null when memory is short.
 */
struct alarm_set *alarm_set_create(size_t memory_bytes, size_t max_open);
void alarm_set_destroy(struct alarm_set *set);

size_t alarm_set_open(const struct alarm_set *set);

/*
 * Opens an alarm for a target that has none, at the level level. Within five minutes after its last one ended it is
 * the same alarm again: same id, same start. Null when too many are open.
 */
struct alarm *alarm_open(struct alarm_set *set, const char *detector, const struct alert_target *target,
			 uint64_t started_ns, uint64_t now_ns);

enum alarm_due { ALARM_NOTHING_DUE = 0, ALARM_UPDATE_DUE, ALARM_CLEAR_DUE };

/* What is to be written of it. clear_after_ns: how long it must not be hot before it is over. */
enum alarm_due alarm_review(struct alarm *alarm, const struct alarm_reading *reading, uint64_t clear_after_ns,
			    uint64_t now_ns);

/* It is written now. */
void alarm_written(struct alarm *alarm, const struct alarm_reading *reading, uint64_t now_ns);

/* The alarm is over. It is remembered until its place is needed. */
void alarm_close(struct alarm_set *set, struct alarm *alarm, uint64_t now_ns);
