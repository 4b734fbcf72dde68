/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tcpwitness/base/error.h"

/*
 * Parsed rules, one per detector, immutable once built. Built by control/rules.c from YAML with the tables
 * that the detectors declare; read by the detectors.
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
	bool enabled;
	uint8_t severity; /* 1 .. 3 */
	uint32_t signature_id;
	uint32_t rev;
	char signature[128]; /* UTF-8 */
	char category[64];
	char mitre_technique[16]; /* empty = none */
	char mitre_tactic[48];
	void *params; /* the detector's parameter struct, filled */
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
