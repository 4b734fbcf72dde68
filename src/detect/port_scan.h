/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "tcpwitness/detect/detector.h"

#include "judgement.h"
#include "reach.h"
#include "source_scene.h"

/* What port_scan.c (what it finds) and port_scan_text.c (how it says so) share. */
struct port_scan_params {
	double min_failed;
	double alpha;
	double beta;
	uint64_t ports;
	uint64_t hosts;
	uint64_t slow_endpoints;
	uint64_t slow_window_ns;
	uint64_t pending;
	uint64_t patience_ns;
	uint64_t stealth;
	uint64_t spread_endpoints;
	uint64_t spread_sources;
	uint64_t clear_after_ns;
	uint64_t slow_clear_after_ns;
};

enum port_scan_class {
	SCAN_NONE = 0,
	SCAN_SLOW, /* the later ones say more, or are surer */
	SCAN_DISTRIBUTED,
	SCAN_BLOCK,
	SCAN_HORIZONTAL,
	SCAN_VERTICAL,
	SCAN_STEALTH, /* by segments without a connection: one for each enum flow_stray */
};

struct port_scan_state {
	struct crowd_cursor trying;
	struct crowd_cursor failed;
	struct crowd_cursor answered;
	struct crowd_cursor strays;
	uint64_t stray_counts[STRAY_COUNT];
	uint64_t stray_totals[STRAY_COUNT]; /* of the summary, at the last look */
	uint64_t stray_claimed;
	uint64_t claimed_total;
	uint64_t stray_ns;               /* since when stray collects; 0 = it is empty */
	uint64_t stray_scan_ns;          /* since when it looks like a scan; 0 = it does not */
	uint64_t unseen;                 /* attempts that failed before anybody looked */
	uint64_t pending_ns;             /* since when many attempts are without an answer; 0 = they are not */
	double pending_tried;            /* distinct endpoints then */
	struct source_activity activity; /* what fails, or strays */
	uint8_t class;                   /* enum port_scan_class, of the alarm or of what was found last */
	bool is_first_look_done;
	bool was_told;           /* at the last look an alarm was open that told of it */
	bool is_fast;            /* found by what happened within some seconds */
	struct reach_side stray; /* since stray_ns: from here on it is not read as long as nothing happens */
	struct reach_period periods[REACH_PERIODS];
	struct reach_view view; /* what it was found by */
	struct reach_example targets[REACH_EXAMPLES];
	struct reach_example open[REACH_EXAMPLES];
	double sources; /* of a distributed scan */
};

const char *port_scan_class_name(unsigned class);

void port_scan_explain(const void *params, const struct detect_scene *scene, const void *state,
		       const struct finding *finding, enum alert_phase phase, struct event_alert *alert);
