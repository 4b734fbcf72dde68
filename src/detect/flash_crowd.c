/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Flash crowds (detection science, section 6, D16): many times more attempts than usual, from many sources, and they
 * complete. Informational: it says what a busy service is about, and that it is no flood.
 */
#include <stddef.h>
#include <stdio.h>

#include "tcpwitness/base/units.h"
#include "tcpwitness/detect/detector.h"

#include "baseline.h"
#include "evidence.h"
#include "fate.h"
#include "minmax.h"

enum { RATE_SLOTS = 8, SAMPLE_SLOTS = 4 };

/* As long as it is a crowd, fewer may complete than were needed for it to become one. */
#define STILL_COMPLETED 0.7

struct flash_crowd_params {
	double factor;
	double floor;
	double min_completed;
	uint64_t min_sources;
	double max_leader;
	uint64_t hold_ns;
	uint64_t clear_after_ns;
};

static const struct rule_param rows[] = {
	/* name, type, offset, least, most, default, meaning */
	{ "factor", RULE_PARAM_RATIO, offsetof(struct flash_crowd_params, factor), 1, 1000, 5,
	  "how many times the usual rate of attempts makes a crowd" },
	{ "floor", RULE_PARAM_RATE, offsetof(struct flash_crowd_params, floor), 1, 1e7, 50,
	  "attempts per second below which there is never a crowd" },
	{ "min_completed", RULE_PARAM_RATIO, offsetof(struct flash_crowd_params, min_completed), 0.5, 1, 0.9,
	  "share of the handshakes that must complete" },
	{ "min_sources", RULE_PARAM_COUNT, offsetof(struct flash_crowd_params, min_sources), 1, 1e6, 32,
	  "distinct sources that must take part" },
	{ "max_leader", RULE_PARAM_RATIO, offsetof(struct flash_crowd_params, max_leader), 0, 1, 0.4,
	  "share of the attempts by one source above which it is the doing of that one" },
	{ "hold", RULE_PARAM_DURATION, offsetof(struct flash_crowd_params, hold_ns), 0.1, 3600, 3,
	  "how long it must go on" },
	{ "clear_after", RULE_PARAM_DURATION, offsetof(struct flash_crowd_params, clear_after_ns), 1, 3600, 25,
	  "how long it must be over" },
};

struct flash_crowd_state {
	struct baseline attempts; /* per second */
	uint64_t began_ns;        /* of what may be trouble; 0 = nothing is wrong */
	uint64_t judged;          /* slots before this one */
	uint64_t over_ns;
	double rate;
	double completed_share;
	double sources;
	double leader; /* share of one source */
	double limit;
};

static void learn(struct flash_crowd_state *state, const struct detect_scene *scene, uint64_t last)
{
	uint64_t end_ns = (last + 1) * SUMMARY_SLOT_NS;
	struct fate fate;

	fate_sum(scene->summary, last >= SAMPLE_SLOTS ? last - SAMPLE_SLOTS + 1 : 0, last, &fate);
	double rate = fate.attempts / fate.seconds;
	bool is_crowded = rate > state->limit / 2 && baseline_ready(&state->attempts);
	if (scene->alarm != NULL || scene->is_suspicious || is_crowded)
		baseline_skip(&state->attempts, end_ns);
	else
		baseline_learn(&state->attempts, rate, end_ns);
}

static void measure(struct flash_crowd_state *state, const struct detect_scene *scene, uint64_t last)
{
	struct fate fate;

	fate_sum(scene->summary, last >= RATE_SLOTS ? last - RATE_SLOTS + 1 : 0, last, &fate);
	state->rate = fate.attempts / fate.seconds;
	state->completed_share = fate_share(fate.completed, fate.attempts);
	/* Who they are matters only if they are many. */
	if (state->rate < state->limit && scene->alarm == NULL)
		return;
	const struct summary_crowd *crowd = summary_crowd_before(scene->summary, CROWD_TRYING, scene->now_ns);
	if (crowd == NULL)
		crowd = summary_crowd_now(scene->summary, CROWD_TRYING, scene->now_ns);
	state->sources = crowd != NULL ? summary_crowd_sources(crowd) : 0;
	state->leader = 0;
	if (crowd == NULL)
		return;
	struct fate_leaders leaders;
	fate_leaders(crowd, &leaders);
	state->leader = leaders.source;
}

static void find(const void *params, const struct detect_scene *scene, void *target, struct finding *finding)
{
	const struct flash_crowd_params *p = params;
	struct flash_crowd_state *state = target;
	uint64_t last = fate_last_slot(scene->now_ns, FATE_EARLY_NS);

	if (state->judged == 0) {
		baseline_begin(&state->attempts, scene->now_ns);
		state->judged = last;
	}
	if (last > state->judged + SUMMARY_SLOTS / 2)
		state->judged = last - SUMMARY_SLOTS / 2;
	state->limit = greater(p->floor, p->factor * state->attempts.mean);
	measure(state, scene, last);
	for (; state->judged <= last; state->judged++)
		if (state->judged % SAMPLE_SLOTS == 0)
			learn(state, scene, state->judged);

	bool is_known = baseline_ready(&state->attempts);
	bool is_crowd = is_known && state->rate >= state->limit && state->sources >= (double)p->min_sources &&
			state->leader <= p->max_leader;
	if (!is_crowd || state->completed_share < p->min_completed) {
		if (scene->alarm == NULL)
			state->began_ns = 0;
		state->over_ns = 0;
	} else if (state->over_ns == 0) {
		state->over_ns = scene->now_ns;
		if (state->began_ns == 0)
			state->began_ns = (last >= RATE_SLOTS ? last - RATE_SLOTS : 0) * SUMMARY_SLOT_NS;
	}

	finding->is_alarming = state->over_ns != 0 && ns_since(scene->now_ns, state->over_ns) >= p->hold_ns;
	finding->is_hot = is_known && state->rate >= state->limit / 2 && state->completed_share >= STILL_COMPLETED &&
			  state->began_ns != 0;
	finding->is_suspicious = is_crowd;
	finding->score = finding->is_alarming ? 0.5 + 0.4 * state->completed_share : 0.1;
	finding->level = state->rate;
	finding->baseline = state->attempts.mean;
	finding->threshold = state->limit;
	finding->extent = state->sources;
	finding->confidence = 0.9 * state->completed_share;
	finding->severity = 3;
	finding->began_ns = state->began_ns;
	finding->clear_after_ns = p->clear_after_ns;
}

static void explain(const void *params, const struct detect_scene *scene, const void *target,
		    const struct finding *finding, enum alert_phase phase, struct event_alert *alert)
{
	const struct flash_crowd_state *state = target;
	char name[EVIDENCE_NAME_BYTES];
	char sources[FATE_SOURCES_BYTES];

	(void)params;
	(void)scene;
	alert->completion = state->completed_share;
	alert->completion_baseline = -1;
	evidence_name(&alert->target, name);
	if (phase == ALERT_CLEARED)
		snprintf(alert->explanation, sizeof(alert->explanation),
			 "The crowd at %s is over: %.0f connections/s now, at most %.0f/s, usual are %.0f/s.", name,
			 state->rate, alert->peak, state->attempts.mean);
	else if (phase == ALERT_UPDATE && !finding->is_hot)
		snprintf(alert->explanation, sizeof(alert->explanation),
			 "The crowd at %s goes: %.0f connections/s now, at most %.0f/s. The alarm is cleared if it "
			 "stays so.",
			 name, state->rate, alert->peak);
	else
		snprintf(alert->explanation, sizeof(alert->explanation),
			 "%s is popular: %.0f connections/s from %s where %.0f/s are usual, and %.0f %% of the "
			 "handshakes "
			 "complete. No attack; see that the service has the capacity.",
			 name, state->rate, fate_sources(alert, sources), state->attempts.mean,
			 100 * state->completed_share);
}

const struct detector detector_flash_crowd = {
	.name = "flash_crowd",
	.text = "many times more clients than usual, and they are served",
	.default_signature_id = 1000017,
	.default_severity = 3,
	.default_signature = "TCPWITNESS Flash crowd at a service",
	.default_category = "Not Suspicious Traffic",
	.default_mitre_technique = "",
	.default_mitre_tactic = "",
	.params = rows,
	.n_params = sizeof(rows) / sizeof(rows[0]),
	.params_bytes = sizeof(struct flash_crowd_params),
	.kinds = 1 << SUMMARY_SERVICE,
	.group = INCIDENT_SERVICE,
	.target_bytes = (sizeof(struct flash_crowd_state) + 7) / 8 * 8,
	.find = find,
	.explain = explain,
};
