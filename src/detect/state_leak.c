/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ends that pile up connections which are half over (detection science, D14): CLOSE_WAIT is an application that does
 * not close, FIN_WAIT_2 a peer that does not, LAST_ACK a peer that is gone. Any of them passes within seconds; what is
 * there for a minute, and does not become less, is a leak, whether it came at once or drop by drop.
 */
#include <stdio.h>

#include "tcpwitness/base/units.h"

#include "baseline.h"
#include "detect_internal.h"
#include "evidence.h"
#include "judgement.h"
#include "minmax.h"

struct state_leak_params {
	uint64_t floor;
	double factor;
	uint64_t age_ns;
	uint64_t lasting_ns;
	double clear_below;
	uint64_t clear_after_ns;
};

static const struct rule_param params[] = {
	/* name, type, offset, least, most, default, meaning */
	{ "floor", RULE_PARAM_COUNT, offsetof(struct state_leak_params, floor), 1, 1e9, 100,
	  "connections in one of the states up to which there is never an alarm" },
	{ "factor", RULE_PARAM_RATIO, offsetof(struct state_leak_params, factor), 1, 1000, 5,
	  "how many times what is usual is too much" },
	{ "age", RULE_PARAM_DURATION, offsetof(struct state_leak_params, age_ns), 10, 70, 60,
	  "how long a connection must be in the state before it counts" },
	{ "lasting", RULE_PARAM_DURATION, offsetof(struct state_leak_params, lasting_ns), 10, 600, 60,
	  "how long there must be too many of them" },
	{ "clear_below", RULE_PARAM_RATIO, offsetof(struct state_leak_params, clear_below), 0, 1, 0.5,
	  "share of the threshold below which the alarm's end begins" },
	{ "clear_after", RULE_PARAM_DURATION, offsetof(struct state_leak_params, clear_after_ns), 1, 3600, 30,
	  "how long the level must stay there" },
};

static const char class_close_wait[] = "close_wait_leak";
static const char class_fin_wait_2[] = "fin_wait_2_pileup";
static const char class_last_ack[] = "last_ack_pileup";

enum { LEAKS = 3 };

/* Slots of a minute, for the slope. */
enum { MINUTES = 12 };

static const struct {
	enum summary_gauge gauge;
	enum summary_counter begun;
	const char *class_name;
	const char *state;
	const char *cause;
} leaks[LEAKS] = {
	{ GAUGE_CLOSE_WAIT, SUMMARY_CLOSE_WAIT, class_close_wait, "CLOSE_WAIT",
	  "the peers have closed, and its application does not: it leaks sockets, and needs a restart and a repair" },
	{ GAUGE_FIN_WAIT_2, SUMMARY_FIN_WAIT_2, class_fin_wait_2, "FIN_WAIT_2",
	  "it has closed and its clients do not: look at the clients (CLOSE_WAIT there), and at its tcp_fin_timeout" },
	{ GAUGE_LAST_ACK, SUMMARY_LAST_ACK, class_last_ack, "LAST_ACK",
	  "nobody acknowledges its FIN: its clients are gone, or a firewall has forgotten their connections" },
};

struct leak_state {
	struct baseline usual;
	uint64_t above_ns; /* since when there are too many; 0 = not now */
	uint32_t level;
	uint32_t minutes[MINUTES]; /* what the level was, by minute */
	uint64_t begun[MINUTES];   /* how many had come into the state until then, by minute */
};

struct state_leak_state {
	uint64_t learned_ns;
	uint64_t minute; /* number of the last one; 0 = none */
	struct leak_state leaks[LEAKS];
};

/*
 * Where segments get lost before they are seen, both the last FIN and what acknowledges it may be missing: so many of
 * the connections that came into the state seem to be in it still, until they are forgotten, after ten minutes.
 */
static double unseen_ends(const struct detect_scene *scene, const struct leak_state *leak, uint64_t minute, unsigned i)
{
	double lost = greater(sensor_view_lost_share(scene->view), 0);
	uint64_t begun = scene->summary->totals[leaks[i].begun];
	uint64_t before = leak->begun[(minute + 1) % MINUTES];

	return 2 * lost * lost * (double)(begun > before ? begun - before : 0);
}

static double limit_of(const struct state_leak_params *p, const struct detect_scene *scene,
		       const struct leak_state *leak, uint64_t minute, unsigned i)
{
	double limit = (double)p->floor;

	if (baseline_ready(&leak->usual))
		limit = greater(limit, p->factor * leak->usual.mean);
	return limit + unseen_ends(scene, leak, minute, i);
}

static void note_minute(struct state_leak_state *state, const struct detect_scene *scene)
{
	uint64_t minute = scene->now_ns / (60 * NS_PER_SEC);

	if (minute == state->minute)
		return;
	/* Of minutes that nobody looked at, the level is that of now. */
	uint64_t first = state->minute != 0 && minute - state->minute < MINUTES ? state->minute + 1 : minute;
	for (uint64_t number = first; number <= minute; number++) {
		for (unsigned i = 0; i < LEAKS; i++) {
			state->leaks[i].minutes[number % MINUTES] = state->leaks[i].level;
			state->leaks[i].begun[number % MINUTES] = scene->summary->totals[leaks[i].begun];
		}
	}
	state->minute = minute;
}

static void learn(struct state_leak_state *state, const struct detect_scene *scene, bool is_suspicious)
{
	bool begins = state->learned_ns == 0;

	if (!begins && ns_since(scene->now_ns, state->learned_ns) < NS_PER_SEC)
		return;
	state->learned_ns = scene->now_ns;
	for (unsigned i = 0; i < LEAKS; i++) {
		struct baseline *usual = &state->leaks[i].usual;
		if (begins)
			baseline_begin(usual, scene->now_ns);
		else if (is_suspicious || scene->is_suspicious)
			baseline_skip(usual, scene->now_ns);
		else
			baseline_learn(usual, state->leaks[i].level, scene->now_ns);
	}
}

/* A source's own leak is what it does not close; that its servers do not close is theirs. */
static unsigned n_judged(const struct detect_scene *scene)
{
	return scene->key->kind == SUMMARY_SOURCE ? 1 : LEAKS;
}

static void judge(const struct state_leak_params *p, const struct detect_scene *scene, struct leak_state *leak,
		  uint64_t minute, unsigned i, struct finding *finding)
{
	double limit = limit_of(p, scene, leak, minute, i);
	double excess = leak->level / limit;

	if (excess <= 1)
		leak->above_ns = 0;
	else if (leak->above_ns == 0)
		leak->above_ns = scene->now_ns;
	bool is_alarming = excess > 1 && ns_since(scene->now_ns, leak->above_ns) >= p->lasting_ns;
	if (finding->class_name != NULL &&
	    (excess <= finding->level / finding->threshold || (finding->is_alarming && !is_alarming)))
		return;
	finding->is_alarming = is_alarming;
	finding->is_hot = excess > p->clear_below;
	finding->is_suspicious = excess > 1;
	finding->score = lesser(excess / 2, 1);
	finding->level = leak->level;
	finding->threshold = limit;
	finding->baseline = leak->usual.mean;
	finding->severity = 2;
	finding->confidence = (1 - 0.3 / greater(excess, 1)) * sensor_view_confidence(scene->view);
	finding->class_name = leaks[i].class_name;
	finding->began_ns = leak->above_ns > p->age_ns ? leak->above_ns - p->age_ns : 0;
}

static void find(const void *rule_params, const struct detect_scene *scene, void *memory, struct finding *finding)
{
	const struct state_leak_params *p = rule_params;
	struct state_leak_state *state = memory;

	for (unsigned i = 0; i < n_judged(scene); i++) {
		uint64_t level = summary_old_gauge(scene->summary, leaks[i].gauge, ns_since(scene->now_ns, p->age_ns));
		state->leaks[i].level = level < UINT32_MAX ? (uint32_t)level : UINT32_MAX;
		judge(p, scene, &state->leaks[i], state->minute, i, finding);
	}
	finding->clear_after_ns = p->clear_after_ns;
	note_minute(state, scene);
	learn(state, scene, finding->is_suspicious);
}

static unsigned index_of(const struct finding *finding)
{
	for (unsigned i = 0; i < LEAKS; i++) {
		if (leaks[i].class_name == finding->class_name)
			return i;
	}
	return 0;
}

static void explain(const void *rule_params, const struct detect_scene *scene, const void *memory,
		    const struct finding *finding, enum alert_phase phase, struct event_alert *alert)
{
	const struct state_leak_params *p = rule_params;
	const struct state_leak_state *state = memory;
	unsigned i = index_of(finding);
	uint32_t five_minutes_ago = state->leaks[i].minutes[(state->minute + MINUTES - 5) % MINUTES];
	char name[EVIDENCE_NAME_BYTES];

	evidence_name(&alert->target, name);
	if (phase == ALERT_CLEARED) {
		snprintf(alert->explanation, sizeof(alert->explanation),
			 "%s is rid of its connections in %s: %.0f are left of %.0f, after %.0f s.", name,
			 leaks[i].state, finding->level, alert->peak, alert->duration_s);
		return;
	}
	snprintf(alert->explanation, sizeof(alert->explanation),
		 "%s has had %.0f connections in %s for %.0f s and more (usual: %.0f; five minutes ago: %u): %s.", name,
		 finding->level, leaks[i].state, ns_to_seconds(p->age_ns), finding->baseline, five_minutes_ago,
		 scene->key->kind == SUMMARY_SOURCE
			 ? "its servers have closed, and its own application does not: it leaks sockets"
			 : leaks[i].cause);
}

static const char *const class_names[] = { class_close_wait, class_fin_wait_2, class_last_ack, NULL };

const struct detector detector_state_leak = {
	.name = "state_leak",
	.text = "connections that pile up half closed: CLOSE_WAIT, FIN_WAIT_2, LAST_ACK",
	.default_signature_id = 1000012,
	.default_severity = 2,
	.default_signature = "TCPWITNESS Connections pile up half closed",
	.default_category = "Not Suspicious Traffic",
	.default_mitre_technique = "",
	.default_mitre_tactic = "",
	.params = params,
	.n_params = sizeof(params) / sizeof(params[0]),
	.params_bytes = sizeof(struct state_leak_params),
	.class_names = class_names,
	.kinds = 1u << SUMMARY_SERVICE | 1u << SUMMARY_SOURCE,
	.group = INCIDENT_OWN,
	.crowd = CROWD_TRYING,
	.target_bytes = sizeof(struct state_leak_state),
	.find = find,
	.explain = explain,
};
