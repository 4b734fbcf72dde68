/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "tcpwitness/detect/detector.h"
#include "tcpwitness/events/sensor_event.h"

#include "judgement.h"

/* Room for "[IPv6 address]:port" and for a number of sources in words. */
enum { EVIDENCE_NAME_BYTES = IP_ADDR_TEXT_BYTES + 10, EVIDENCE_SOURCES_BYTES = 32 };

/* "203.0.113.5:443", "[2001:db8::1]:443", "203.0.113.0/24", or the host alone. Returns text. */
const char *evidence_name(const struct alert_target *target, char text[static EVIDENCE_NAME_BYTES]);

/* "1 source", "about 830 sources", "about 40k sources", "about 2.1M sources". Returns text. */
const char *evidence_sources(double n_sources, char text[static EVIDENCE_SOURCES_BYTES]);

/* What is to be remembered of a key while there is trouble with it. */
struct evidence_past {
	uint64_t totals[SUMMARY_COUNTERS]; /* when the trouble began */
	uint64_t half_open_peak;
	double sources; /* distinct ones, in the span of crowds before; negative = unknown */
};

/* The trouble with the scene's key began at began_ns, when its totals were totals. */
void evidence_begin(struct evidence_past *past, const struct detect_scene *scene, uint64_t began_ns,
		    const uint64_t totals[static SUMMARY_COUNTERS]);

/* Once a tick as long as it lasts. */
void evidence_watch(struct evidence_past *past, const struct detect_scene *scene);

/*
 * Who takes part, for the detector's kind of trouble: of those who fail all who try, as long as too few have had the
 * time to fail. Null when nobody is known.
 */
const struct summary_crowd *evidence_crowd(const struct detector *detector, const struct detect_scene *scene);

/*
 * 0 .. 1: how likely the addresses of the crowd are not those of who sends; counts: what became of attempts since the
 * trouble began. Negative when too little is known.
 */
double evidence_spoofed(const struct summary_crowd *crowd, const uint64_t counts[static SUMMARY_COUNTERS]);

/* Never seen to answer, although it was asked: it is silent, or its answers do not pass the sensor. */
bool evidence_one_way(const struct summary *summary);

/*
 * Fills all evidence that the summaries hold: counts, completion, listener (but backlog and cookies), sources,
 * fingerprint, spoofed_likelihood, sample flows and visibility; and the client in the ends, if one source stands out.
 * Behind alarm_event_life, whose started_ns it reads.
 */
void evidence_fill(struct sensor_event *event, const struct detector *detector, const struct detect_scene *scene,
		   const struct evidence_past *past);
