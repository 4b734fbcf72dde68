/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Floods that spread over a prefix, so that no host of it gets enough to be noticed (detection science, section 6,
 * D15): silent attempts (fate.h) and refused ones of made-up sources, from many sources to many hosts, none in the
 * lead. Few sources that go through a prefix are a scan. The noise of the internet is many sources and many hosts too,
 * which the floor and what is usual for the prefix leave out.
 */
#include <math.h>
#include <stddef.h>
#include <stdio.h>

#include "tcpwitness/base/units.h"
#include "tcpwitness/detect/detector.h"

#include "baseline.h"
#include "evidence.h"
#include "fate.h"
#include "minmax.h"

enum { RATE_SLOTS = 8, HOT_SLOTS = 12, SAMPLE_SLOTS = 4, HOST_ESTIMATE_TOLERANCE = 10 };

#define MAX_EXCESS 2.0

/* A host with so much of it is the target itself. */
#define HOST_MAX_SHARE 0.5

/* A source with so much of it, or so few that they are many times fewer than the hosts, scan. */
#define SOURCE_MAX_SHARE 0.25
#define ONCE_SPOOFED     0.5

struct carpet_params {
	double floor;
	double count;
	double factor;
	uint64_t min_hosts;
	uint64_t min_sources;
	uint64_t clear_after_ns;
};

static const struct rule_param rows[] = {
	/* name, type, offset, least, most, default, meaning */
	{ "floor", RULE_PARAM_RATE, offsetof(struct carpet_params, floor), 1, 1e7, 30,
	  "failing attempts per second, over the prefix, that are never an alarm" },
	{ "count", RULE_PARAM_RATIO, offsetof(struct carpet_params, count), 1, 1000, 60,
	  "failing attempts beyond the floor and the usual, summed up, that are an alarm" },
	{ "factor", RULE_PARAM_RATIO, offsetof(struct carpet_params, factor), 1, 1000, 3,
	  "how many times what is usual for the prefix is no alarm either, beyond the floor" },
	{ "min_hosts", RULE_PARAM_COUNT, offsetof(struct carpet_params, min_hosts), 2, 1e6, 32,
	  "distinct hosts that must be hit" },
	{ "min_sources", RULE_PARAM_COUNT, offsetof(struct carpet_params, min_sources), 1, 1e6, 32,
	  "distinct sources that must take part" },
	{ "clear_after", RULE_PARAM_DURATION, offsetof(struct carpet_params, clear_after_ns), 1, 3600, 25,
	  "how long it must be quiet before the alarm is over" },
};

struct carpet_state {
	struct baseline failing; /* per second */
	uint64_t began_ns;       /* of what may be trouble; 0 = nothing is wrong */
	uint64_t judged;
	double sum;
	double rate;
	double attempts_rate;
	double completed_share;
	double hosts;
	double sources;
	double once;
	double host_share;   /* of the leading one */
	double source_share; /* of the leading one */
};

static double failing_of(const struct carpet_state *state, const struct fate *fate)
{
	double refused = state->once >= ONCE_SPOOFED ? fate->refused + fate->unreachable : 0;

	return fate->silent + refused;
}

static double usual_of(const struct carpet_params *p, const struct carpet_state *state,
		       const struct detect_scene *scene, const struct fate *fate)
{
	double usual = fate->retried * fate_missed_repeats(scene);

	if (baseline_ready(&state->failing))
		usual = greater(usual, p->factor * state->failing.mean * fate->seconds);
	return usual;
}

static void learn(struct carpet_state *state, const struct detect_scene *scene, uint64_t last)
{
	uint64_t end_ns = (last + 1) * SUMMARY_SLOT_NS;
	struct fate fate;

	fate_sum(scene->summary, last >= SAMPLE_SLOTS ? last - SAMPLE_SLOTS + 1 : 0, last, &fate);
	if (scene->alarm != NULL || scene->is_suspicious || state->sum > 0)
		baseline_skip(&state->failing, end_ns);
	else
		baseline_learn(&state->failing, failing_of(state, &fate) / fate.seconds, end_ns);
}

static void judge(const struct carpet_params *p, struct carpet_state *state, const struct detect_scene *scene)
{
	uint64_t last = fate_last_slot(scene->now_ns, FATE_EARLY_NS);
	struct fate fate;

	if (last >= state->judged + SUMMARY_SLOTS / 2) {
		state->judged = last - SUMMARY_SLOTS / 2;
		state->sum = 0;
	}
	for (; state->judged <= last; state->judged++) {
		uint64_t slot = state->judged;
		fate_sum(scene->summary, slot, slot, &fate);
		double beyond = failing_of(state, &fate) - usual_of(p, state, scene, &fate) - p->floor * fate.seconds;
		state->sum = lesser(greater(state->sum + beyond, 0), MAX_EXCESS * p->count);
		if (state->sum > 0 && state->began_ns == 0)
			state->began_ns = slot * SUMMARY_SLOT_NS;
		if (state->sum <= 0 && scene->alarm == NULL)
			state->began_ns = 0;
		if (slot % SAMPLE_SLOTS == 0)
			learn(state, scene, slot);
	}
}

/* An estimate may be higher than a prefix has room for. */
static double hosts_of(const struct summary_key *prefix)
{
	return exp2((prefix->ip.version == 4 ? 32 : 128) - prefix->prefix_bits);
}

static void measure(struct carpet_state *state, const struct detect_scene *scene)
{
	const struct summary_crowd *crowd = fate_crowd(scene);
	struct fate_leaders leaders;

	fate_leaders(crowd, &leaders);
	state->hosts = crowd != NULL ? lesser(summary_crowd_servers(crowd), hosts_of(scene->key)) : 0;
	state->sources = crowd != NULL ? summary_crowd_sources(crowd) : 0;
	state->once = crowd != NULL ? fate_once_of(crowd, state->sources) : 0;
	state->host_share = leaders.server;
	state->source_share = leaders.source;
}

/*
 * Who takes part is looked up when it matters. Attempts that are refused count only if it shows that their sources are
 * made up, so for these it matters before any of them counts: when refused and silent ones together may be too many.
 */
static bool is_worth_measuring(const struct carpet_params *p, const struct carpet_state *state,
			       const struct detect_scene *scene)
{
	uint64_t last = fate_last_slot(scene->now_ns, FATE_EARLY_NS);
	struct fate fate;

	if (state->sum > 0 || scene->alarm != NULL)
		return true;
	fate_sum(scene->summary, last >= RATE_SLOTS ? last - RATE_SLOTS + 1 : 0, last, &fate);
	return fate.silent + fate.refused + fate.unreachable >= p->floor / 2 * fate.seconds;
}

static double rate_of(struct carpet_state *state, const struct detect_scene *scene, uint64_t n_slots)
{
	uint64_t last = fate_last_slot(scene->now_ns, FATE_EARLY_NS);
	struct fate fate;

	fate_sum(scene->summary, last >= n_slots ? last - n_slots + 1 : 0, last, &fate);
	state->attempts_rate = fate.attempts / fate.seconds;
	state->completed_share = fate_share(fate.completed, fate.attempts);
	return failing_of(state, &fate) / fate.seconds;
}

static void find(const void *params, const struct detect_scene *scene, void *target, struct finding *finding)
{
	const struct carpet_params *p = params;
	struct carpet_state *state = target;

	if (state->judged == 0) {
		uint64_t last = fate_last_slot(scene->now_ns, FATE_EARLY_NS);
		state->judged = last >= RATE_SLOTS ? last - RATE_SLOTS : 1;
		baseline_begin(&state->failing, scene->now_ns);
	}
	if (is_worth_measuring(p, state, scene))
		measure(state, scene);
	judge(p, state, scene);
	bool is_hot = rate_of(state, scene, HOT_SLOTS) - p->factor * state->failing.mean >= p->floor / 3;
	state->rate = rate_of(state, scene, RATE_SLOTS);
	/* The sketch of hosts is good to 6.5 %. */
	double tolerance = 1 + HOST_ESTIMATE_TOLERANCE / 100.0;
	bool is_wide = state->hosts * tolerance >= (double)p->min_hosts && state->host_share <= HOST_MAX_SHARE;
	bool is_crowd = state->sources >= (double)p->min_sources && state->source_share <= SOURCE_MAX_SHARE &&
			state->sources * 2 >= state->hosts;

	finding->is_alarming = state->sum >= p->count && is_wide && is_crowd;
	finding->is_hot = is_hot && is_wide;
	finding->is_suspicious = state->sum > p->count / 4;
	finding->score = 0.7 + 0.2 * fate_share(state->hosts, 128);
	finding->level = state->rate;
	finding->baseline = state->failing.mean;
	finding->threshold = p->floor + (baseline_ready(&state->failing) ? p->factor * state->failing.mean : 0);
	finding->extent = state->hosts;
	finding->confidence = 0.6 + 0.35 * fate_share(state->hosts, 4.0 * (double)p->min_hosts);
	finding->severity = fate_worst(scene, state->completed_share < 0.3 ? 1 : 2);
	finding->began_ns = state->began_ns;
	finding->clear_after_ns = p->clear_after_ns;
}

static void explain(const void *params, const struct detect_scene *scene, const void *target,
		    const struct finding *finding, enum alert_phase phase, struct event_alert *alert)
{
	const struct carpet_state *state = target;
	char name[EVIDENCE_NAME_BYTES];
	char sources[FATE_SOURCES_BYTES];

	(void)params;
	(void)scene;
	alert->completion = state->completed_share;
	alert->completion_baseline = -1;
	evidence_name(&alert->target, name);
	if (phase == ALERT_CLEARED)
		snprintf(alert->explanation, sizeof(alert->explanation),
			 "The flood over %s is over: %llu SYNs came, at most %.0f failing attempts/s.", name,
			 (unsigned long long)alert->counts.syn, alert->peak);
	else if (phase == ALERT_UPDATE && !finding->is_hot)
		snprintf(alert->explanation, sizeof(alert->explanation),
			 "The flood over %s has stopped or pauses; at most %.0f attempts/s failed. The alarm is "
			 "cleared if it "
			 "stays so.",
			 name, alert->peak);
	else
		snprintf(alert->explanation, sizeof(alert->explanation),
			 "About %.0f hosts of %s together get %.0f SYN/s that never become connections (usual: "
			 "%.0f/s), about "
			 "%.1f/s each, from %s: a flood spread over the prefix so that no host stands out. Limits per "
			 "host will "
			 "not see it: filter upstream for the whole prefix.",
			 state->hosts, name, state->rate, state->failing.mean, state->rate / greater(state->hosts, 1),
			 fate_sources(alert, sources));
}

const struct detector detector_carpet_bombing = {
	.name = "carpet_bombing",
	.text = "a flood that is spread over the hosts of a prefix",
	.default_signature_id = 1000015,
	.default_severity = 1,
	.default_signature = "TCPWITNESS SYN flood over a prefix (carpet bombing)",
	.default_category = "Attempted Denial of Service",
	.default_mitre_technique = "T1498.001",
	.default_mitre_tactic = "Impact",
	.params = rows,
	.n_params = sizeof(rows) / sizeof(rows[0]),
	.params_bytes = sizeof(struct carpet_params),
	.kinds = 1 << SUMMARY_PREFIX,
	.group = INCIDENT_SERVICE,
	.target_bytes = (sizeof(struct carpet_state) + 7) / 8 * 8,
	.find = find,
	.explain = explain,
};
