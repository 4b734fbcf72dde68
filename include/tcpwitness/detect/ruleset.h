/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tcpwitness/base/error.h"
#include "tcpwitness/base/ip_addr.h"

/*
 * Parsed rules, one per detector, immutable once built. Built by control/rules.c from YAML with the tables
 * that the detectors declare; read by the detectors. Any thread may read them.
 */
enum rule_param_type {
	RULE_PARAM_COUNT = 0,    /* uint64_t */
	RULE_PARAM_RATE = 1,     /* double, per second */
	RULE_PARAM_RATIO = 2,    /* double */
	RULE_PARAM_DURATION = 3, /* uint64_t, ns; written "10s", "250ms", "5m" */
	RULE_PARAM_FLAG = 4,     /* bool */
};

/* One parameter of a detector: parser, range check, manual page and defaults come from this row. */
struct rule_param {
	const char *name;
	enum rule_param_type type;
	size_t offset; /* in the detector's parameter struct */
	double min;    /* durations in seconds */
	double max;
	double default_value; /* flags: 0 or 1; durations in seconds */
	const char *text;     /* one line: what it means */
};

struct rule {
	const char *detector_name; /* static */
	bool enabled;              /* the detector runs, be it for some targets only */
	bool is_off_elsewhere;     /* it runs only for those whose override enables it */
	bool is_about_source;      /* the detector judges sources or pairs: overrides are about the source */
	uint8_t severity;          /* 1 .. 3 */
	uint8_t default_severity;  /* the detector's */
	uint32_t signature_id;
	uint32_t rev;
	char signature[128]; /* UTF-8 */
	char category[64];
	char mitre_technique[16]; /* empty = none */
	char mitre_tactic[48];
	void *params; /* the detector's parameter struct, filled; in force where nothing else is: see rule_params_for */
	struct rule_exceptions *exceptions; /* detect/rule_exceptions.h; null = none */
};

struct ruleset {
	size_t n_rules; /* one per row of detectors[], in that order */
	struct rule *rules;
};

struct detector; /* detect/detector.h */

/* A ruleset with every detector's defaults. Owned by the caller; null with *error filled when memory is short. */
struct ruleset *ruleset_create_default(struct error *error);
void ruleset_destroy(struct ruleset *ruleset);

/* Index of the detector with this name in detectors[], or -1. */
int ruleset_find(const char *detector_name);

/*
 * Whom a decision is about. Unknown parts have version 0 / has_port false. Of a detector that judges sources or pairs,
 * overrides are about source where it is known; of all others, about target. Ports are always the target's.
 */
struct rule_subject {
	struct ip_addr target;
	uint8_t target_bits; /* prefix length, 0 = host */
	bool has_port;
	uint16_t port;
	struct ip_addr source;
};

/*
 * The parameter struct in force for the subject: the rule's own, or the most specific override's. Never null. Bounded
 * and without allocation, and the answer for a subject never changes, so it may be kept.
 */
const void *rule_params_for(const struct rule *rule, const struct rule_subject *subject);

/* Whether and why an alarm about subject must not be raised at packet time now_ns. */
enum rule_silence {
	RULE_SPEAKS = 0,
	RULE_ALLOWED,
	RULE_QUIET_HOURS,
	RULE_DISABLED_HERE,
};

/*
 * An alarm that is open when quiet hours begin is not touched by them: it is updated and cleared as ever, so that
 * nobody is left with an alarm that never ends. What would be raised during them is counted and not raised; what still
 * lasts when they end is raised then.
 */
enum rule_silence rule_silence_of(const struct rule *rule, const struct rule_subject *subject, uint64_t now_ns);

/*
 * The same of an alarm about a target, of which some sources are known, one for each connection of a sample: silent
 * also when it would be for nearly all of these (seven in eight). subject->source is unknown.
 */
enum rule_silence rule_silence_of_sources(const struct rule *rule, const struct rule_subject *subject,
					  const struct ip_addr *sources, size_t n_sources, uint64_t now_ns);

/*
 * Severity 1 .. 3 for the subject and the detection class ("" = none finer than the detector), given the one that the
 * detector proposes, which holds where no rule says otherwise.
 */
uint8_t rule_severity_for(const struct rule *rule, const struct rule_subject *subject, const char *class_name,
			  uint8_t proposed);
