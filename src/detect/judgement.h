/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tcpwitness/detect/detect_engine.h"
#include "tcpwitness/events/sensor_event.h"

#include "alarm.h"
#include "reach.h"
#include "sensor_view.h"
#include "summary.h"

/*
 * What a detector is asked and what it answers. A detector only judges: given what is known of one key now, what does
 * it find? When an alarm is raised, updated, cleared, and which class an incident has when several detectors find
 * something on the same target, is decided in one place for all (incident.c), so no detector can flap.
 */

/* All that a detector may look at. Everything is borrowed for the call. */
struct detect_scene {
	uint64_t now_ns;
	uint64_t began_ns; /* packet time of the first packet of the run: what began before was not seen */
	const struct summary_key *key;
	const struct summary *summary; /* of the key, merged over all sources */
	/* Of a SERVICE, what is known of its host is seldom asked: see scene_host. Null = nobody knows. */
	const struct summary *(*find_host)(void *tables, const struct summary_key *service);
	void *tables;
	const struct summary *sensor; /* of everything */
	const struct detect_visibility *visibility;
	const struct sensor_view *view; /* the same over the last minute; null = not known */
	uint32_t n_alarms_below;        /* HOST: open incidents of its services; PREFIX: of its hosts and services */
	bool is_alarm_above;            /* SERVICE, HOST: an incident of its host or prefix is open */
	bool is_folded;                 /* SOURCE: what was found of it is told in an open alarm about those it asked */
	bool is_suspicious;        /* at the last tick a detector of the group found what is not to be learned from */
	const struct alarm *alarm; /* the open alarm of this group and key; null = none */
	const struct detector *present_class; /* of that alarm */
	/* Who took part since the trouble began, over spans: filled while something is found; null = none yet. */
	const struct summary_crowd *crowd[SUMMARY_CROWDS];
};

/* Of a SERVICE: the summary of its host; null = none. */
static inline const struct summary *scene_host(const struct detect_scene *scene)
{
	return scene->find_host != NULL ? scene->find_host(scene->tables, scene->key) : NULL;
}

/* What a detector finds about one key at one time. */
struct finding {
	bool is_alarming;        /* enough for an alarm */
	bool is_hot;             /* not yet over: above the level at which an open alarm begins to end */
	bool is_suspicious;      /* not to be learned from, by no detector of the group */
	bool is_immediate;       /* of such weight that a class change need not wait */
	double score;            /* 0 .. 1: how well all evidence fits this detector's class; decides between several */
	double level;            /* what it counts: per second, or a gauge */
	double baseline;         /* what is usual of it */
	double threshold;        /* what is too much */
	double extent;           /* a second figure that grows with the trouble, e.g. sources; 0 = none */
	double confidence;       /* 0 .. 1 */
	uint8_t severity;        /* 1 .. 3, proposed; rules may change it */
	uint8_t stage;           /* the detector's own: a new stage is news */
	uint64_t began_ns;       /* of the trouble; 0 = unknown, now */
	uint64_t seen_ns;        /* when it is known to have gone on last, while it is hot; 0 = now */
	uint64_t clear_after_ns; /* how long it must not be hot before the alarm is over */
	const char *class_name;  /* finer than the detector's name, static: "spoofed_syn_flood"; null = the name */
	const struct reach_example *asked; /* SOURCE: REACH_EXAMPLES of what level counts; null = not told */
};
