/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Services to which many connections are opened and nothing is said (detection science, D12): they are held open to
 * use up the service's places, or opened and closed again to keep it busy. Who uses a service speaks, in every protocol
 * in use: where the server speaks first (SSH, SMTP, FTP, MySQL), the client answers at once. Pools and keep-alive
 * connections have spoken; crowds speak.
 */
#include <math.h>
#include <stdio.h>

#include "tcpwitness/base/units.h"

#include "baseline.h"
#include "detect_internal.h"
#include "evidence.h"
#include "judgement.h"
#include "minmax.h"
#include "recent.h"

struct connection_flood_params {
	uint64_t floor;
	double factor;
	uint64_t idle_after_ns;
	uint64_t per_source;
	double empty_share;
	uint64_t sources;
	double clear_below;
	uint64_t clear_after_ns;
};

static const struct rule_param params[] = {
	/* name, type, offset, least, most, default, meaning */
	{ "floor", RULE_PARAM_COUNT, offsetof(struct connection_flood_params, floor), 1, 1e9, 200,
	  "silent connections, open now or closed within 10 s, up to which there is never an alarm" },
	{ "factor", RULE_PARAM_RATIO, offsetof(struct connection_flood_params, factor), 1, 1000, 5,
	  "how many times what is usual for the service is too much" },
	{ "idle_after", RULE_PARAM_DURATION, offsetof(struct connection_flood_params, idle_after_ns), 5, 60, 10,
	  "how long a client may say nothing before its connection counts as idle" },
	{ "per_source", RULE_PARAM_COUNT, offsetof(struct connection_flood_params, per_source), 1, 1e6, 100,
	  "silent connections that each of few sources (8 at most) may hold open" },
	{ "empty_share", RULE_PARAM_RATIO, offsetof(struct connection_flood_params, empty_share), 0, 1, 0.6,
	  "share of the new connections that must end without a word for a flood of empty ones" },
	{ "sources", RULE_PARAM_COUNT, offsetof(struct connection_flood_params, sources), 1, 1e6, 4,
	  "sources from which empty connections must come" },
	{ "clear_below", RULE_PARAM_RATIO, offsetof(struct connection_flood_params, clear_below), 0, 1, 0.5,
	  "share of the threshold below which the alarm's end begins" },
	{ "clear_after", RULE_PARAM_DURATION, offsetof(struct connection_flood_params, clear_after_ns), 1, 3600, 20,
	  "how long the level must stay there" },
};

/* Empty connections are counted over 10 s. */
#define SLOT_NS NS_PER_SEC

/* What a service that was there from the beginning did for so long is known to be usual. */
#define KNOWN_NS (20 * NS_PER_SEC)

/* So few sources are rather the machines of one application, each with its pool. */
enum { FEW_SOURCES = 8 };

struct connection_flood_state {
	struct recent completed;
	struct baseline usual_idle;
	struct baseline usual_empty;
	uint64_t learned_ns;
	uint64_t n_idle;
	uint64_t n_empty;
	uint64_t n_completed;
	double n_sources; /* of those that took part since the first of them: at least; negative = unknown */
	bool was_idle;    /* what the last alarming finding counted */
	uint8_t severity; /* of that; 0 = none yet */
	bool is_empty_begun;
	struct recent empty; /* not read until there are some */
};

static const char class_idle[] = "idle_connection_flood";
static const char class_empty[] = "empty_connection_flood";

/* A service that appears while we watch had none before. */
static bool is_new(const struct detect_scene *scene)
{
	return ns_since(scene->summary->since_ns, scene->began_ns) >= KNOWN_NS;
}

/* Of one that was there at first something must be known, and what that is counts as soon as it is. */
static bool is_known(const struct detect_scene *scene, const struct baseline *usual, uint64_t from_ns)
{
	return is_new(scene) || usual->learned_ns >= from_ns + KNOWN_NS;
}

static double limit_of(const struct connection_flood_params *p, const struct detect_scene *scene,
		       const struct baseline *usual)
{
	bool is_usual = baseline_ready(usual) || (!is_new(scene) && usual->learned_ns >= KNOWN_NS);

	return is_usual ? greater((double)p->floor, p->factor * usual->mean) : (double)p->floor;
}

static double idle_limit_of(const struct connection_flood_params *p, const struct detect_scene *scene,
			    const struct connection_flood_state *state)
{
	double limit = limit_of(p, scene, &state->usual_idle);

	if (state->n_sources < 0 || round(state->n_sources) > FEW_SOURCES)
		return limit;
	return greater(limit, (double)p->per_source * round(state->n_sources));
}

/* A crowd of so few connections that they cannot be more sources than are known need not be counted. */
static void note_crowd(struct connection_flood_state *state, const struct summary_crowd *crowd)
{
	if (crowd != NULL && hyperloglog_most(crowd->connections) > state->n_sources)
		state->n_sources = greater(state->n_sources, summary_crowd_sources(crowd));
}

/* Who opened a pile came when it grew, and may have done nothing since. */
static void note_sources(const struct connection_flood_params *p, const struct detect_scene *scene,
			 struct connection_flood_state *state)
{
	uint64_t piled_up = summary_gauge(scene->summary, GAUGE_UNSPOKEN) + state->n_empty;

	if (piled_up < p->floor / 4 && scene->alarm == NULL) {
		state->n_sources = -1;
		return;
	}
	note_crowd(state, scene->crowd[CROWD_TRYING]);
	note_crowd(state, summary_crowd_now(scene->summary, CROWD_TRYING, scene->now_ns));
	note_crowd(state, summary_crowd_before(scene->summary, CROWD_TRYING, scene->now_ns));
}

/*
 * Empty connections of one source are rather a program that connects too often, which time_wait_exhaustion watches, or
 * a monitor; a flood of one host is found by what it holds open.
 */
static bool is_empty_flood(const struct connection_flood_params *p, const struct detect_scene *scene,
			   const struct connection_flood_state *state)
{
	return (double)state->n_empty > limit_of(p, scene, &state->usual_empty) &&
	       (double)state->n_empty >= p->empty_share * (double)state->n_completed &&
	       state->n_sources >= (double)p->sources && is_known(scene, &state->usual_empty, 0);
}

static void learn(struct connection_flood_state *state, const struct detect_scene *scene, bool is_suspicious)
{
	if (state->learned_ns == 0) {
		baseline_begin(&state->usual_idle, scene->now_ns);
		baseline_begin(&state->usual_empty, scene->now_ns);
	} else if (ns_since(scene->now_ns, state->learned_ns) < NS_PER_SEC) {
		return;
	}
	state->learned_ns = scene->now_ns;
	if (is_suspicious || scene->is_suspicious) {
		baseline_skip(&state->usual_idle, scene->now_ns);
		baseline_skip(&state->usual_empty, scene->now_ns);
	} else {
		baseline_learn(&state->usual_idle, (double)state->n_idle, scene->now_ns);
		baseline_learn(&state->usual_empty, (double)state->n_empty, scene->now_ns);
	}
}

/* New clients do not get in any more. */
static bool is_full(const struct detect_scene *scene)
{
	enum { FIRST_SLOTS = 28, YOUNG_SLOTS = 8, LEAST = 10 };
	uint64_t slot = scene->now_ns / SUMMARY_SLOT_NS;
	uint64_t counts[SUMMARY_COHORT_COUNTERS];

	summary_sum(scene->summary, slot - FIRST_SLOTS, slot - YOUNG_SLOTS, counts);
	uint64_t failed = summary_incomplete(counts) + counts[SUMMARY_REFUSED];
	return failed >= LEAST && 10 * failed > 3 * counts[SUMMARY_ATTEMPTS];
}

static void find(const void *rule_params, const struct detect_scene *scene, void *memory, struct finding *finding)
{
	const struct connection_flood_params *p = rule_params;
	struct connection_flood_state *state = memory;
	const struct summary *s = scene->summary;

	state->n_idle = summary_old_gauge(s, GAUGE_UNSPOKEN, ns_since(scene->now_ns, p->idle_after_ns));
	state->n_empty = recent_count_rare(&state->empty, &state->is_empty_begun, state->completed.looked_ns,
					   s->totals[SUMMARY_CLOSED_UNSPOKEN], s->since_ns, SLOT_NS, scene->now_ns);
	state->n_completed =
		recent_count(&state->completed, s->totals[SUMMARY_COMPLETED], s->since_ns, SLOT_NS, scene->now_ns);

	note_sources(p, scene, state);
	double idle_limit = idle_limit_of(p, scene, state);
	double empty_limit = limit_of(p, scene, &state->usual_empty);
	double idle_excess = (double)state->n_idle / idle_limit;
	bool is_empty = is_empty_flood(p, scene, state);
	double empty_excess = is_empty || scene->alarm != NULL ? (double)state->n_empty / empty_limit : 0;
	bool is_idle = idle_excess > 1 && is_known(scene, &state->usual_idle, p->idle_after_ns);
	bool is_alarming = is_idle || is_empty;
	bool by_idle = is_alarming ? !is_empty || idle_excess > empty_excess : state->was_idle;
	double excess = greater(idle_excess, empty_excess);

	finding->level = (double)(by_idle ? state->n_idle : state->n_empty);
	finding->threshold = by_idle ? idle_limit : empty_limit;
	finding->is_alarming = is_alarming;
	finding->is_hot = excess >= p->clear_below;
	finding->is_suspicious = finding->is_alarming;
	finding->score = finding->is_alarming ? 0.75 + 0.2 * lesser(greater(excess - 1, 0) / 4, 1) : 0;
	finding->extent = greater(state->n_sources, 0);
	/* On its way out an alarm stays what it was. */
	if (is_alarming) {
		state->was_idle = by_idle;
		state->severity = excess >= 5 || is_full(scene) ? 1 : 2;
	}
	finding->severity = state->severity != 0 ? state->severity : 2;
	finding->confidence = (1 - 0.3 / greater(excess, 1)) * sensor_view_confidence(scene->view);
	finding->clear_after_ns = p->clear_after_ns;
	finding->class_name = by_idle ? class_idle : class_empty;
	learn(state, scene, finding->is_suspicious);
	finding->baseline = by_idle ? state->usual_idle.mean : state->usual_empty.mean;
}

static void explain(const void *rule_params, const struct detect_scene *scene, const void *memory,
		    const struct finding *finding, enum alert_phase phase, struct event_alert *alert)
{
	const struct connection_flood_params *p = rule_params;
	const struct connection_flood_state *state = memory;
	char name[EVIDENCE_NAME_BYTES];
	char sources[EVIDENCE_SOURCES_BYTES];
	char worst[IP_ADDR_TEXT_BYTES + 64] = "";

	evidence_name(&alert->target, name);
	if (phase == ALERT_CLEARED) {
		snprintf(alert->explanation, sizeof(alert->explanation),
			 "The connection flood on %s is over after %.0f s: %.0f silent connections are left of %.0f.",
			 name, alert->duration_s, finding->level, alert->peak);
		return;
	}
	if (alert->n_top_sources > 0) {
		char ip[IP_ADDR_TEXT_BYTES];
		ip_addr_format(&alert->top_sources[0].ip, ip);
		snprintf(worst, sizeof(worst), ", %.0f %% of them %s", 100 * alert->top_sources[0].share, ip);
	}
	/* In the tick in which the trouble begins nobody was counted for it yet. */
	if ((double)alert->sources_distinct < state->n_sources)
		alert->sources_distinct = (uint64_t)llround(state->n_sources);
	if (alert->sources_distinct > 0)
		evidence_sources((double)alert->sources_distinct, sources);
	else
		snprintf(sources, sizeof(sources), "sources not counted");
	if (finding->class_name == class_idle)
		snprintf(alert->explanation, sizeof(alert->explanation),
			 "%llu connections to %s are open whose clients have said nothing for %.0f s or more (usual: "
			 "%.0f), from %s%s.%s Limit connections per source and shorten the service's time-out for "
			 "requests.",
			 (unsigned long long)state->n_idle, name, ns_to_seconds(p->idle_after_ns), finding->baseline,
			 sources, worst, is_full(scene) ? " New clients fail." : "");
	else
		snprintf(alert->explanation, sizeof(alert->explanation),
			 "%.0f connections a second to %s are opened and closed without a word (usual: %.1f), from "
			 "%s%s.%s Limit new connections per source.",
			 (double)state->n_empty / RECENT_SLOTS, name, finding->baseline / RECENT_SLOTS, sources, worst,
			 is_full(scene) ? " New clients fail." : "");
}

static const char *const class_names[] = { class_idle, class_empty, NULL };

const struct detector detector_connection_flood = {
	.name = "connection_flood",
	.text = "a service to which many connections are opened and nothing is said",
	.default_signature_id = 1000010,
	.default_severity = 2,
	.default_signature = "TCPWITNESS Flood of connections that say nothing",
	.default_category = "Attempted Denial of Service",
	.default_mitre_technique = "T1499.002",
	.default_mitre_tactic = "Impact",
	.params = params,
	.n_params = sizeof(params) / sizeof(params[0]),
	.params_bytes = sizeof(struct connection_flood_params),
	.class_names = class_names,
	.kinds = 1u << SUMMARY_SERVICE,
	.group = INCIDENT_SERVICE,
	.crowd = CROWD_TRYING,
	.target_bytes = sizeof(struct connection_flood_state),
	.glance_bytes = offsetof(struct connection_flood_state, empty),
	.find = find,
	.explain = explain,
};
