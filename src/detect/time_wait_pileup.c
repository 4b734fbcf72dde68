/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Servers that close first keep TIME_WAIT, each a little memory, up to a limit of the kernel (tcp_max_tw_buckets).
 * Above it, sockets are closed at once: nothing fails at that moment, but late segments may then meet new connections.
 * So it is told, and never as urgent.
 */
#include <stddef.h>
#include <stdio.h>

#include "tcpwitness/base/units.h"
#include "tcpwitness/detect/detector.h"

#include "detect_internal.h"
#include "judgement.h"
#include "summary.h"

struct pileup_params {
	uint64_t max_tw_buckets;
	double warn_at;
	double high_at;
	double clear_below;
	uint64_t hold_ns;
	uint64_t clear_after_ns;
};

static const struct rule_param params[] = {
	/* name, type, offset, least, most, default, meaning */
	{ "max_tw_buckets", RULE_PARAM_COUNT, offsetof(struct pileup_params, max_tw_buckets), 100, 100000000, 131072,
	  "TIME_WAITs that the server can hold (net.ipv4.tcp_max_tw_buckets)" },
	{ "warn_at", RULE_PARAM_RATIO, offsetof(struct pileup_params, warn_at), 0.1, 1, 0.5,
	  "share of them from which on it is an alarm" },
	{ "high_at", RULE_PARAM_RATIO, offsetof(struct pileup_params, high_at), 0.1, 1, 0.9,
	  "share of them from which on the alarm is more than informational" },
	{ "clear_below", RULE_PARAM_RATIO, offsetof(struct pileup_params, clear_below), 0, 1, 0.4,
	  "share of them below which the alarm's end begins" },
	{ "hold", RULE_PARAM_DURATION, offsetof(struct pileup_params, hold_ns), 0, 600, 5,
	  "how long it must be that many" },
	{ "clear_after", RULE_PARAM_DURATION, offsetof(struct pileup_params, clear_after_ns), 1, 3600, 20,
	  "how long it must be less than clear_below" },
};

struct pileup {
	uint64_t above_since_ns; /* 0 = not */
};

enum { STAGE_WARNING = 1, STAGE_HIGH };

static uint64_t difference(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static uint64_t waiting(const struct summary *summary)
{
	return difference(summary->totals[SUMMARY_SERVER_TIME_WAIT], summary->totals[SUMMARY_SERVER_TIME_WAIT_OVER]);
}

static void find(const void *parameters, const struct detect_scene *scene, void *target, struct finding *finding)
{
	const struct pileup_params *p = parameters;
	struct pileup *state = target;
	double share = (double)waiting(scene->summary) / (double)p->max_tw_buckets;

	if (share < p->warn_at)
		state->above_since_ns = 0;
	else if (state->above_since_ns == 0)
		state->above_since_ns = scene->now_ns;
	finding->is_alarming = state->above_since_ns != 0 && scene->now_ns - state->above_since_ns >= p->hold_ns;
	finding->is_hot = share >= p->clear_below;
	finding->score = share < 1 ? share : 1;
	finding->level = (double)waiting(scene->summary);
	finding->threshold = p->warn_at * (double)p->max_tw_buckets;
	/* The limit is a guess as long as nobody configures it. */
	finding->confidence = 0.7;
	finding->severity = share >= p->high_at ? 2 : 3;
	finding->stage = share >= p->high_at ? STAGE_HIGH : STAGE_WARNING;
	finding->began_ns = state->above_since_ns;
	finding->clear_after_ns = p->clear_after_ns;
}

static void explain(const void *parameters, const struct detect_scene *scene, const void *target,
		    const struct finding *finding, enum alert_phase phase, struct event_alert *alert)
{
	const struct pileup_params *p = parameters;
	char server[IP_ADDR_TEXT_BYTES];

	(void)target;
	(void)finding;
	ip_addr_format(&scene->key->ip, server);
	alert->spoofed_likelihood = 0;
	if (phase == ALERT_CLEARED) {
		snprintf(alert->explanation, sizeof(alert->explanation),
			 "%s holds %llu TIME_WAITs again, %.0f at most.", server,
			 (unsigned long long)waiting(scene->summary), alert->peak);
		return;
	}
	snprintf(alert->explanation, sizeof(alert->explanation),
		 "%s closes first and holds %llu TIME_WAITs, %.0f %% of the %llu that it is taken to allow: memory, no "
		 "failure yet. Let clients close first or keep connections open; raise tcp_max_tw_buckets if it is "
		 "lower.",
		 server, (unsigned long long)waiting(scene->summary),
		 100 * (double)waiting(scene->summary) / (double)p->max_tw_buckets,
		 (unsigned long long)p->max_tw_buckets);
}

const struct detector detector_time_wait_pileup = {
	.name = "time_wait_pileup",
	.text = "a server that holds many TIME_WAITs because it closes first",
	.default_signature_id = 1000004,
	.default_severity = 3,
	.default_signature = "TCPWITNESS TIME_WAIT piles up at a server",
	.default_category = "Misc activity",
	.default_mitre_technique = "",
	.default_mitre_tactic = "",
	.params = params,
	.n_params = sizeof(params) / sizeof(params[0]),
	.params_bytes = sizeof(struct pileup_params),
	.kinds = 1 << SUMMARY_HOST,
	.group = INCIDENT_OWN,
	.target_bytes = sizeof(struct pileup),
	.find = find,
	.explain = explain,
};
