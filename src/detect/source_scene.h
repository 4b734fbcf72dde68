/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "judgement.h"

/*
 * What detectors of sources ask of a scene: whether failures may have an honest reason, and when something happened
 * last.
 */

/* Attempts of the key that were refused, or came to nothing. */
uint64_t source_failures(const struct summary *summary);

/* Its unanswered SYNs are sent again, as real stacks do: it may be honest, and cut off. */
bool source_is_retried(const struct summary *summary);

/* Others, too, get no answers now: the network is cut. own_attempts: of the last 8 s. */
bool source_is_outage(const struct detect_scene *scene, uint64_t own_attempts);

/* How far back what goes on reaches. A pause longer than pause_ns begins it anew. */
struct source_activity {
	uint64_t began_ns;
	uint64_t active_ns; /* last time */
	uint64_t second;    /* packet time in seconds of fresh[second % 2] */
	uint32_t fresh[2];  /* how much in that second, and in the one before */
};
void source_activity_note(struct source_activity *activity, uint64_t n_new, uint64_t pause_ns, uint64_t now_ns);

/* How much happened in the present second and the one before. */
uint64_t source_activity_fresh(const struct source_activity *activity);
