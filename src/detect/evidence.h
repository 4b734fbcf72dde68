/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "tcpwitness/events/sensor_event.h"

#include "target_table.h"

/* Room for "[IPv6 address]:port" and for a number of sources in words. */
enum { EVIDENCE_NAME_BYTES = IP_ADDR_TEXT_BYTES + 10, EVIDENCE_SOURCES_BYTES = 32 };

/* The alarm target that stands for the record. */
struct alert_target evidence_target(const struct target *target);

/* "203.0.113.5:443", "[2001:db8::1]:443", or the host alone. Returns text. */
const char *evidence_name(const struct alert_target *target, char text[static EVIDENCE_NAME_BYTES]);

/* "1 source", "about 830 sources", "about 40k sources", "about 2.1M sources". Returns text. */
const char *evidence_sources(double n_sources, char text[static EVIDENCE_SOURCES_BYTES]);

/*
 * Those whose attempts failed; or, as long as too few attempts are old enough to have failed, all who try.
 */
const struct target_crowd *evidence_crowd(const struct target *target);

/*
 * 0 .. 1: how likely the addresses of the crowd are not those of who sends. Negative when too little is known.
 */
double evidence_spoofed(const struct target *target, const struct target_crowd *crowd);

/* Never seen to answer, although it was asked: it is silent, or its answers do not pass the sensor. */
bool evidence_one_way(const struct target *target);

/*
 * Fills counts (since before), sources, spoofed_likelihood, visibility.one_way, and the ends if one source stands
 * out.
 */
void evidence_fill(struct sensor_event *event, const struct target *target,
		   const uint64_t before[static TARGET_OUTCOMES]);
