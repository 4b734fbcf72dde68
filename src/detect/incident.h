/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "tcpwitness/detect/detect_engine.h"

#include "alarm.h"
#include "evidence.h"
#include "judgement.h"
#include "watch.h"

/* From this severity on an alarm only informs: nobody has to act on it. */
enum { INCIDENT_INFORMATIONAL = 3 };

/*
 * What becomes of findings: incidents. Detectors of one group share one incident per key; which of them names it, when
 * it begins, changes and ends is decided here.
 */
struct incident {
	struct incident *next; /* open ones, oldest first */
	struct incident *previous;
	struct incident *next_of_watch;
	struct watch *watch;
	struct alarm *alarm;
	const struct detector_run *present;   /* whose class it has */
	const struct detector_run *contender; /* whose class has fitted better since contender_ns; null = none */
	uint64_t contender_ns;
	uint64_t clear_after_ns; /* as the present class demanded when it last found something */
	uint32_t n_changes;
	uint32_t was;      /* runs whose class it had, a bit each */
	uint32_t n_folded; /* sources that are told in it instead of by alarms of their own */
	uint8_t slot;
	uint8_t severity;
	struct finding finding; /* the last of the present class */
	struct evidence_past past;
};

struct incident_book {
	struct watch_set *watches; /* borrowed */
	const struct event_writer *writer;
	struct detect_stats *stats;
	struct alarm_set *sets[MAX_SLOTS];
	uint32_t runs_of_slot[MAX_SLOTS];     /* bits: numbers of runs */
	uint32_t runs_of_kind[SUMMARY_KINDS]; /* those that judge it */
	uint32_t runs_with_exceptions;        /* those whose rules may keep something silent */
	struct block_pool pool;               /* struct incident */
	struct summary_whole_crowd *views;    /* borrowed: SUMMARY_CROWDS, for the scene that is judged; null = none */
	struct incident *first;
	struct incident *last;
	uint32_t n_shared;                      /* open incidents in which sources may be told */
	const struct watch *expected;           /* of the same kind, to be judged next; null = nobody knows */
	bool is_ending;                         /* the run ends: what is open is cleared, and nothing is raised */
	struct finding findings[MAX_DETECTORS]; /* about the key that is judged */
};

/* runs: those of watches, by whose slots sets are made. -1 when memory is short. */
int incident_book_init(struct incident_book *book, struct watch_set *watches, size_t memory_bytes,
		       const struct event_writer *writer, struct detect_stats *stats);
void incident_book_fini(struct incident_book *book);

/* When something is decided: time and number of the packet that let it happen. */
struct incident_time {
	uint64_t now_ns;
	uint64_t packet_number;
};

/* Asks all detectors about the key of scene, which is filled but for what belongs to a group, and acts upon it. */
void incident_judge(struct incident_book *book, struct watch *watch, struct detect_scene *scene,
		    struct incident_time time);

/* Open incidents of worth: of a host's services, or of a prefix's hosts and services. */
uint32_t incident_count_below(const struct incident_book *book, const struct summary_key *key);

/* An incident of the service's or host's host or prefix is open. */
bool incident_is_above(const struct incident_book *book, const struct summary_key *key);

/*
 * incident_fold.c: one trouble of many sources is one alarm, about those whom they ask. Whether sources may be told in
 * an incident of this key; the one in which a source is told; the one in which what was found of it now should be, of
 * that severity, null = none.
 */
bool incident_is_shared(const struct summary_key *key, unsigned slot);
struct incident *incident_fold_now(const struct incident_book *book, const struct watch *watch);
struct incident *incident_fold_for(const struct incident_book *book, const struct finding *finding, uint8_t severity);

/* incident_event.c: all of an event but what only the detector knows. */
struct incident_event {
	const struct incident *incident;
	const struct detect_scene *scene;
	const struct finding *finding;
	const struct detector_run *runner_up; /* null = none */
	double runner_up_score;
	enum alert_phase phase;
	const struct incident *folded_into; /* cleared because it is told there; null = for another reason */
	bool is_ending;
	struct incident_time time;
};
void incident_event_fill(struct sensor_event *event, const struct incident_event *about);
void incident_event_tell_folded(struct event_alert *alert, const struct incident *into);

/* What the sensor does not see, added to the explanation: whoever reads a figure is to know what it is worth. */
void incident_event_doubt(struct sensor_event *event, const struct incident_event *about);
struct alert_target incident_target(const struct summary_key *key);
