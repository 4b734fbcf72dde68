/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Services that cannot get rid of what they have to say (detection science, D13): their clients keep the window closed,
 * so that connections and buffers stay taken (sockstress, slow reading). A client that is busy opens its window again
 * within seconds.
 */
#include <stdio.h>

#include "tcpwitness/base/units.h"

#include "detect_internal.h"
#include "evidence.h"
#include "judgement.h"
#include "minmax.h"

struct zero_window_params {
	uint64_t floor;
	double share;
	uint64_t hold_ns;
	double clear_below;
	uint64_t clear_after_ns;
};

static const struct rule_param params[] = {
	/* name, type, offset, least, most, default, meaning */
	{ "floor", RULE_PARAM_COUNT, offsetof(struct zero_window_params, floor), 1, 1e9, 16,
	  "connections with a closed window up to which there is never an alarm" },
	{ "share", RULE_PARAM_RATIO, offsetof(struct zero_window_params, share), 0, 1, 0.05,
	  "share of the open connections that must be held so" },
	{ "hold", RULE_PARAM_DURATION, offsetof(struct zero_window_params, hold_ns), 5, 70, 30,
	  "how long a window must be closed before it counts" },
	{ "clear_below", RULE_PARAM_RATIO, offsetof(struct zero_window_params, clear_below), 0, 1, 0.5,
	  "share of the threshold below which the alarm's end begins" },
	{ "clear_after", RULE_PARAM_DURATION, offsetof(struct zero_window_params, clear_after_ns), 1, 3600, 20,
	  "how long the level must stay there" },
};

static double established_of(const struct summary *summary)
{
	const uint64_t *totals = summary->totals;
	uint64_t begun = totals[SUMMARY_COMPLETED] + totals[SUMMARY_JOINED];

	return begun > totals[SUMMARY_CLOSED] ? (double)(begun - totals[SUMMARY_CLOSED]) : 0;
}

static void find(const void *rule_params, const struct detect_scene *scene, void *memory, struct finding *finding)
{
	const struct zero_window_params *p = rule_params;
	uint64_t held = summary_old_gauge(scene->summary, GAUGE_STALLED, ns_since(scene->now_ns, p->hold_ns));
	double established = greater(established_of(scene->summary), (double)held);
	double limit = greater((double)p->floor, p->share * established);

	(void)memory;
	finding->level = (double)held;
	finding->threshold = limit;
	finding->is_alarming = (double)held > limit;
	finding->is_hot = (double)held > p->clear_below * limit;
	finding->is_suspicious = finding->is_alarming;
	finding->score = lesser((double)held / (2 * limit), 1);
	finding->severity = (double)held > 0.5 * established && (double)held > 4 * limit ? 1 : 2;
	finding->confidence = (1 - 0.3 * limit / greater((double)held, limit)) * sensor_view_confidence(scene->view);
	finding->began_ns = finding->is_alarming ? ns_since(scene->now_ns, p->hold_ns) : 0;
	finding->clear_after_ns = p->clear_after_ns;
}

static void explain(const void *rule_params, const struct detect_scene *scene, const void *memory,
		    const struct finding *finding, enum alert_phase phase, struct event_alert *alert)
{
	const struct zero_window_params *p = rule_params;
	char name[EVIDENCE_NAME_BYTES];
	char worst[IP_ADDR_TEXT_BYTES + 64] = "";

	(void)memory;
	evidence_name(&alert->target, name);
	if (phase == ALERT_CLEARED) {
		snprintf(alert->explanation, sizeof(alert->explanation),
			 "The clients of %s read again: %.0f connections with a closed window are left of %.0f, after "
			 "%.0f s.",
			 name, finding->level, alert->peak, alert->duration_s);
		return;
	}
	if (alert->n_top_sources > 0 && alert->top_sources[0].share >= 0.2) {
		char ip[IP_ADDR_TEXT_BYTES];
		ip_addr_format(&alert->top_sources[0].ip, ip);
		snprintf(worst, sizeof(worst), ", mostly %s", ip);
	}
	snprintf(alert->explanation, sizeof(alert->explanation),
		 "%.0f of %.0f open connections to %s have kept their window closed for %.0f s and more, although it "
		 "has "
		 "something to send%s: its connections and send buffers stay taken. Limit connections per source, drop "
		 "these, and set a write time-out.",
		 finding->level, greater(established_of(scene->summary), finding->level), name,
		 ns_to_seconds(p->hold_ns), worst);
}

const struct detector detector_zero_window_hold = {
	.name = "zero_window_hold",
	.text = "a service whose clients keep their windows closed",
	.default_signature_id = 1000011,
	.default_severity = 2,
	.default_signature = "TCPWITNESS Clients hold connections with closed windows",
	.default_category = "Attempted Denial of Service",
	.default_mitre_technique = "T1499.002",
	.default_mitre_tactic = "Impact",
	.params = params,
	.n_params = sizeof(params) / sizeof(params[0]),
	.params_bytes = sizeof(struct zero_window_params),
	.kinds = 1u << SUMMARY_SERVICE,
	.group = INCIDENT_OWN,
	.crowd = CROWD_TRYING,
	.find = find,
	.explain = explain,
};
