/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "tcpwitness/events/sensor_event.h"

#include "evidence.h"
#include "target_table.h"

/* The alarm target that stands for the record. */
struct alert_target evidence_target(const struct target *target);

/*
 * Those whose attempts failed; or, as long as too few attempts are old enough to have failed, all who try.
 */
const struct target_crowd *target_evidence_crowd(const struct target *target);

/*
 * 0 .. 1: how likely the addresses of the crowd are not those of who sends. Negative when too little is known.
 */
double target_evidence_spoofed(const struct target *target, const struct target_crowd *crowd);

/* Never seen to answer, although it was asked: it is silent, or its answers do not pass the sensor. */
bool target_evidence_one_way(const struct target *target);

/*
 * Fills counts (since before), sources, spoofed_likelihood, visibility.one_way, and the ends if one source stands
 * out.
 */
void target_evidence_fill(struct sensor_event *event, const struct target *target,
			  const uint64_t before[static TARGET_OUTCOMES]);
