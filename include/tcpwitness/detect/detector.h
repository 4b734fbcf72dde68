/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "tcpwitness/base/error.h"
#include "tcpwitness/detect/flow_signal.h"
#include "tcpwitness/detect/ruleset.h"

/*
 * A detector is one file that ends in one const struct detector, and one row in detectors[]
 * (src/detect/detectors.c). Capture thread, but for create and destroy.
 */
struct detect_context; /* src/detect/detect_internal.h: target tables and alarms, for detectors only */

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

	/* State within memory_bytes, allocated once; null with *error filled on failure. */
	void *(*create)(const struct rule *rule, size_t memory_bytes, struct error *error);
	void (*destroy)(void *state);
	/* One outcome, or null when only the target records matter. Alarms are decided here or in tick. */
	void (*signal)(void *state, struct detect_context *context, const struct flow_signal *signal);
	/* Packet time passed a tick's boundary (engine: every 100 ms at most once a packet). */
	void (*tick)(void *state, struct detect_context *context, uint64_t now_ns);
};

/* All detectors in evaluation order, ended by null. */
extern const struct detector *const detectors[];
