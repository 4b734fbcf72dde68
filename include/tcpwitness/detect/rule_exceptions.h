/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tcpwitness/detect/rule_match.h"

/*
 * What a rule says about some subjects or at some times only. Made by control/rule_*.c from YAML, with every set and
 * every parameter resolved; read by detect/rule_lookup.c. All of it is owned by the rule.
 */

/* What holds instead of the rule for what the entry is about. */
struct rule_override {
	void *params; /* complete; null = those of the rule */
	bool enabled;
	uint8_t severity; /* 0 = as the rule */
};

/* Addresses of both sides; a null matcher has none. */
struct rule_parties {
	struct rule_matcher *targets;
	struct rule_matcher *sources;
};

/* A time of the week. One that ends before it begins lasts into the next day; days are those on which it begins. */
struct rule_quiet {
	uint8_t days;                /* bit 1 << day, Monday 0 .. Sunday 6 */
	uint16_t from_minute;        /* of the day, 0 .. 1439 */
	uint16_t to_minute;          /* 1 .. 1440, not included; other than from_minute */
	int16_t utc_offset_minutes;  /* of the clock that days and times are read on; east is positive */
	bool is_for_all;             /* parties do not matter */
	struct rule_parties parties; /* for whom else */
};

struct rule_class_severity {
	const char *class_name; /* the detector's own string; its name stands for no finer class, too */
	uint8_t severity;
};

struct rule_exceptions {
	size_t n_overrides;
	struct rule_override *overrides;
	struct rule_matcher *override_matcher; /* value = index of the override */
	struct rule_parties allowed;
	size_t n_quiet;
	struct rule_quiet *quiet;
	size_t n_class_severities;
	struct rule_class_severity *class_severities;
};

/* Null is legal. */
void rule_exceptions_destroy(struct rule_exceptions *exceptions);

/* True when the moment lies in the window, whoever it is about. now_ns since 1970, UTC. */
bool rule_quiet_holds(const struct rule_quiet *quiet, uint64_t now_ns);
