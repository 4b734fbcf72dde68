/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "tcpwitness/base/error.h"
#include "tcpwitness/detect/flow_signal.h"
#include "tcpwitness/detect/ruleset.h"
#include "tcpwitness/events/sensor_event.h"

/*
 * A detector is one file that ends in one const struct detector, and one row in detectors[]
 * (src/detect/detectors.c). Capture thread.
 */
struct detect_scene; /* src/detect/judgement.h: what a detector may look at, and what it answers */
struct finding;

/* Detectors of one group share one alarm per target: one incident, with one class and a runner-up. */
enum incident_group {
	INCIDENT_SERVICE = 0, /* what keeps clients from a service: floods, overload, death; and a crowd that is none */
	INCIDENT_SOURCE,      /* what one host does to many: scans, spreads, or answers what nobody asked */
	INCIDENT_STRAY,       /* what reaches a host without a connection */
	INCIDENT_OWN,         /* the detector's alarms are its own */
};

/* What several detectors find, each by a measure of its own: whom rules allow of one, they allow of the others. */
enum detector_trouble {
	TROUBLE_OWN = 0,
	TROUBLE_SYN_FLOOD, /* attempts that are never completed: their rate, and what the server holds of them */
};

struct detector {
	const char *name; /* as in detection.detector and in rules */
	const char *text; /* one line: what it finds */
	uint32_t default_signature_id;
	uint8_t default_severity;
	const char *default_signature;
	const char *default_category;
	const char *default_mitre_technique; /* "" = none */
	const char *default_mitre_tactic;
	const struct rule_param *params;
	size_t n_params;
	size_t params_bytes; /* size of the parameter struct */
	/* Every class_name that find gives, ended by null: severity_map may name them. Null = only the detector's. */
	const char *const *class_names;

	/*
	 * A detector only judges: given what is known of one key now, what does it find? When an alarm is raised,
	 * updated, cleared, and which class an incident has when several detectors find something on the same target,
	 * is decided in one place for all, so no detector can flap.
	 */
	uint8_t kinds;   /* of keys that it judges: bits 1 << enum summary_kind (src/detect/summary.h) */
	uint8_t group;   /* enum incident_group */
	uint8_t trouble; /* enum detector_trouble: allow lists and quiet hours hold for all of one kind */
	uint8_t crowd;   /* enum summary_crowd_kind: who takes part in what it finds */
	uint8_t behind; /* the same of those that an allow list must name, where the others are bystanders; 0 = crowd */
	size_t target_bytes; /* of its own state per key; a multiple of 8, 0 = none */
	size_t glance_bytes; /* of these, from the beginning: what is read although nothing happens; 0 = all */
	/*
	 * params: in force for the key (rule_params_for). state: the detector's own of this key, target_bytes, zeroed
	 * when the key is first watched. Called at ticks (100 ms of packet time) for each key that deserves attention,
	 * in an order that depends on packets only: at each tick, or where many keys are watched, and little happens
	 * or many are suspicious, once a second at least. *finding is zeroed before.
	 */
	void (*find)(const void *params, const struct detect_scene *scene, void *state, struct finding *finding);
	/*
	 * Fills what only this detector knows of an event that is about to be written: counts, forecast, explanation.
	 * All else (times, ids, rule, target, sources, spoofing, visibility, filter, command) is filled in before.
	 */
	void (*explain)(const void *params, const struct detect_scene *scene, const void *state,
			const struct finding *finding, enum alert_phase phase, struct event_alert *alert);
};

/* All detectors in evaluation order, ended by null. */
extern const struct detector *const detectors[];
