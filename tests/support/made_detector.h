/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * Detectors made for a test, of what happens to services: the test says how they find, and all else that a rule needs
 * is here. A test program has a table of them in place of the project's:
 *
 *     static const struct detector good = MADE_DETECTOR("good", 1, 2, .find = find_well);
 *     const struct detector *const detectors[] = { &good, NULL };
 */
#include <stddef.h>
#include <stdint.h>

#include "judgement.h"
#include "summary.h"
#include "tcpwitness/detect/detector.h"

struct made_params {
	uint64_t floor;
	uint64_t window_ns;
};

static const struct rule_param made_params[] = {
	{ "floor", RULE_PARAM_COUNT, offsetof(struct made_params, floor), 1, 1000000, 50, "attempts in the window" },
	{ "window", RULE_PARAM_DURATION, offsetof(struct made_params, window_ns), 1, 8, 2, "time counted" },
};

enum { MADE_PARAMS = sizeof(made_params) / sizeof(made_params[0]) };

/* its_id: of the signature. The rest is what the test wants of struct detector: find at least. */
#define MADE_DETECTOR(its_name, its_id, its_severity, ...)                                                          \
	{                                                                                                           \
		.name = (its_name), .text = "made for a test", .default_signature_id = (its_id),                    \
		.default_severity = (its_severity), .default_signature = (its_name), .default_category = "",        \
		.default_mitre_technique = "T1499.001", .default_mitre_tactic = "Impact", .params = made_params,    \
		.n_params = MADE_PARAMS, .params_bytes = sizeof(struct made_params), .kinds = 1 << SUMMARY_SERVICE, \
		.group = INCIDENT_SERVICE, __VA_ARGS__                                                              \
	}

/* Too many attempts in the window, which is over 10 s after it ended. */
static inline void made_find_attempts(const struct made_params *params, const struct detect_scene *scene, double score,
				      struct finding *finding)
{
	uint64_t counts[SUMMARY_COHORT_COUNTERS];
	uint64_t slot = scene->now_ns / SUMMARY_SLOT_NS;

	summary_sum(scene->summary, slot - params->window_ns / SUMMARY_SLOT_NS, slot, counts);
	finding->level = (double)counts[SUMMARY_ATTEMPTS];
	finding->is_alarming = counts[SUMMARY_ATTEMPTS] >= params->floor;
	finding->is_hot = finding->is_alarming;
	finding->is_suspicious = finding->is_alarming;
	finding->score = finding->is_alarming ? score : 0;
	finding->clear_after_ns = 10 * NS_PER_SEC;
}
