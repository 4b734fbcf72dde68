/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Services that hold too many half-open connections (detection science, sections 5 and 6, D2): answered, and never
 * completed. It finds what a rate cannot: a trickle of a few SYNs per second that keeps a backlog full. What counts is
 * what the server provably holds, for it repeats the SYN-ACKs (summary_held.c), and has held for longer than any real
 * client lets it wait: so handshakes that are going on do not count, however many, nor what is answered with SYN
 * cookies. Of a flash crowd some vanish in the middle of the handshake: a share of those who are served, which comes
 * and goes with them. A trickle does not.
 */
#include <math.h>
#include <stddef.h>
#include <stdio.h>

#include "tcpwitness/base/units.h"
#include "tcpwitness/detect/detector.h"

#include "baseline.h"
#include "evidence.h"
#include "fate.h"
#include "listener.h"
#include "minmax.h"

/* From this rate of failing attempts on it is a flood that fills the queue, and the rate is the matter. */
#define FLOOD_RATE 5.0

/* Clients whose SYNs are repeated do not get the answers: no attack, but many of them are trouble too. */
#define LOST_ANSWERS       0.5
#define LOST_ANSWER_FACTOR 4.0

/* The level must be so high for so long. */
#define HOLD_NS NS_PER_SEC

/* It grows, or is kept up, if the last 5 s brought at least so many. */
enum { INFLOW_SLOTS = 20, INFLOW_MIN = 3 };

/* Nothing is held longer than its lifetime, so in the long run what is added in one is all that is held. */
#define KEPT_UP 0.5

/*
 * Clients that vanish leave entries that a server keeps for a minute. What share of the attempts that is, is learned
 * while no more come than it and chance explain; what is not known yet counts as so many attempts. A crowd is other
 * people, on other paths: of those who are served beyond the usual, so large a share may vanish.
 */
#define UNKNOWN_SHARE  0.003
#define UNKNOWN_WEIGHT 200.0
#define CROWD_SHARE    0.015
#define CROWDED        1.5
#define KNOWN_NS       (5 * NS_PER_SEC)
#define LIFETIME_S     63.0
#define SURGE_COUNT    6.0
#define SURGE_FACTOR   1.5
#define SURGE_FLOOR    0.4
#define SURGE_SECONDS  5.0
#define FADING         0.9977 /* a half-life of five minutes, in seconds */
#define SURGED_NS      (15 * NS_PER_SEC)
enum { SAMPLE_SLOTS = 4 };

/* So many must be left waiting to tell why. */
#define TELLING 6.0

/* What seems to be a smaller backlog is none. */
enum { LEAST_BACKLOG = 32 };

struct half_open_params {
	double floor;
	double factor;
	double of_backlog;
	double clear_below;
	uint64_t clear_after_ns;
};

static const struct rule_param rows[] = {
	/* name, type, offset, least, most, default, meaning */
	{ "floor", RULE_PARAM_RATIO, offsetof(struct half_open_params, floor), 1, 1e6, 40,
	  "half-open connections held for more than 3 s up to which there is never an alarm" },
	{ "factor", RULE_PARAM_RATIO, offsetof(struct half_open_params, factor), 1, 1000, 1.25,
	  "how many times what clients that vanish usually leave is too much" },
	{ "of_backlog", RULE_PARAM_RATIO, offsetof(struct half_open_params, of_backlog), 0.05, 1, 0.5,
	  "share of the server's backlog, once that is known, which is too much whatever is usual" },
	{ "clear_below", RULE_PARAM_RATIO, offsetof(struct half_open_params, clear_below), 0, 1, 0.5,
	  "share of the level that is too much below which the alarm's end begins" },
	{ "clear_after", RULE_PARAM_DURATION, offsetof(struct half_open_params, clear_after_ns), 1, 3600, 25,
	  "how long the level must stay there, or nothing be added to it" },
};

struct half_open_state {
	struct listener listener;
	struct baseline level;
	struct baseline completed; /* handshakes per second */
	uint64_t began_ns;         /* of what may be trouble; 0 = nothing is wrong */
	uint64_t learned;          /* slots up to this one */
	double learned_held;       /* of the attempts that were learned from: kept for more than 3 s */
	double learned_attempts;   /* with old ones fading */
	double attempts_rate;
	double crowd_rate;  /* handshakes per second beyond the usual */
	uint64_t surged_ns; /* when more was added than what is usual explains, the last time */
	double surge;       /* what is added beyond the usual, summed up */
	bool is_surging;
	uint64_t over_ns; /* since when the level is too high; 0 = it is not */
	double held;
	double limit;
	double rate;    /* of attempts that fail, per second */
	double inflow;  /* added to what is held, per second */
	double retried; /* share of those left waiting whose client asks again */
	double sources;
	double completed_share;
};

/* What clients that vanish leave with the server, at the present rate of attempts, of the usual clients and a crowd. */
static double usual_level(const struct half_open_state *state)
{
	double share =
		(state->learned_held + UNKNOWN_SHARE * UNKNOWN_WEIGHT) / (state->learned_attempts + UNKNOWN_WEIGHT);
	double of_crowd = lesser(state->crowd_rate, state->attempts_rate);
	double vanishing = share * (state->attempts_rate - of_crowd) + greater(share, CROWD_SHARE) * of_crowd;

	return vanishing * LIFETIME_S;
}

static double limit_of(const struct half_open_params *p, const struct half_open_state *state)
{
	double usual = usual_level(state);
	double limit = greater(p->floor, p->factor * usual + 3 * sqrt(usual));

	/* A queue that is full of a crowd's leavings is no attack as long as cookies serve those who come. */
	bool is_served = state->crowd_rate > 0 && !state->listener.is_silent;
	if (state->listener.backlog >= LEAST_BACKLOG && !is_served)
		limit = lesser(limit, p->of_backlog * (double)state->listener.backlog);
	if (state->retried >= LOST_ANSWERS)
		limit *= LOST_ANSWER_FACTOR;
	return limit;
}

static void measure(struct half_open_state *state, const struct detect_scene *scene)
{
	uint64_t last = fate_last_slot(scene->now_ns, FATE_EARLY_NS);
	struct fate fate;

	fate_sum(scene->summary, last >= INFLOW_SLOTS ? last - INFLOW_SLOTS + 1 : 0, last, &fate);
	state->attempts_rate = fate.attempts / fate.seconds;
	state->inflow = fate.repeaters / fate.seconds;
	state->rate = fate.silent / fate.seconds;
	if (fate.retrying + fate.waiting >= TELLING)
		state->retried = fate_share(fate.retrying, fate.retrying + fate.waiting);
	state->completed_share = fate_share(fate.completed, fate.attempts);
	double most_usual = CROWDED * state->completed.mean * fate.seconds + 3 * sqrt(fate.completed);
	bool is_crowded = state->completed.learned_ns >= KNOWN_NS && fate.completed > most_usual;
	state->crowd_rate = is_crowded ? fate.completed / fate.seconds - state->completed.mean : 0;
	state->held = listener_old_held(scene);
	state->sources = 0;
	/* Nobody matters where nothing is held. */
	if (state->held <= 0 && scene->alarm == NULL)
		return;
	const struct summary_crowd *crowd = fate_crowd(scene);
	state->sources = crowd != NULL ? summary_crowd_sources(crowd) : 0;
}

/* A second of attempts that are old enough: is more added than what is usual, and chance, explain? (CUSUM) */
static void sum_up(struct half_open_state *state, const struct detect_scene *scene, const struct fate *late)
{
	double share = usual_level(state) / LIFETIME_S / greater(state->attempts_rate, 1);
	double usual = share * late->attempts;
	double limit = SURGE_COUNT + 3 * sqrt(SURGE_SECONDS * usual);

	state->surge =
		lesser(greater(state->surge + late->repeaters - SURGE_FACTOR * usual - SURGE_FLOOR, 0), 2 * limit);
	state->is_surging = state->surge > SURGE_COUNT;
	if (state->surge >= limit)
		state->surged_ns = scene->now_ns;
}

/* A crowd that comes early must not be taken for what is usual; what is usual after all is learned later then. */
static void learn_completed(struct half_open_state *state, const struct detect_scene *scene, const struct fate *late)
{
	uint64_t first_ns = (state->learned - SAMPLE_SLOTS + 1) * SUMMARY_SLOT_NS;
	double rate = late->completed / late->seconds;

	if (scene->alarm != NULL || first_ns < scene->summary->since_ns) {
		baseline_skip(&state->completed, scene->now_ns);
		return;
	}
	if (state->crowd_rate > 0 && !baseline_ready(&state->completed))
		rate = lesser(rate, CROWDED * state->completed.mean);
	baseline_learn(&state->completed, rate, scene->now_ns);
}

static void learn(struct half_open_state *state, const struct detect_scene *scene)
{
	uint64_t last = fate_last_slot(scene->now_ns, FATE_LATE_NS);
	struct fate late;

	if (last < state->learned + SAMPLE_SLOTS)
		return;
	state->learned = last;
	fate_sum(scene->summary, last - SAMPLE_SLOTS + 1, last, &late);
	sum_up(state, scene, &late);
	learn_completed(state, scene, &late);
	/* A trickle must not be learned while it is told from chance. */
	if (scene->alarm != NULL || state->surge > SURGE_COUNT / 4) {
		baseline_skip(&state->level, scene->now_ns);
		return;
	}
	baseline_learn(&state->level, state->held, scene->now_ns);
	state->learned_held = state->learned_held * FADING + late.repeaters;
	state->learned_attempts = state->learned_attempts * FADING + late.attempts;
}

/* The trouble starts to build up when the level leaves what is harmless. */
static void follow(struct half_open_state *state, const struct detect_scene *scene)
{
	if (state->held <= state->limit / 4 && scene->alarm == NULL)
		state->began_ns = 0;
	else if (state->began_ns == 0) {
		uint64_t since_ns = ns_since(scene->now_ns, FATE_LATE_NS);
		state->began_ns = (since_ns / SUMMARY_SLOT_NS) * SUMMARY_SLOT_NS;
		listener_begin(&state->listener);
	}
	if (state->held <= state->limit)
		state->over_ns = 0;
	else if (state->over_ns == 0)
		state->over_ns = scene->now_ns;
}

/*
 * More is added than those who usually vanish, and enough to keep up what is held: what a flood has left over ends by
 * itself, however long the server repeats its SYN-ACKs, and a few more that vanish meanwhile do not prolong it.
 */
static bool is_more_added(const struct half_open_state *state)
{
	double seconds = INFLOW_SLOTS * ns_to_seconds(SUMMARY_SLOT_NS);
	double usual = usual_level(state) / LIFETIME_S * seconds;

	if (state->inflow * LIFETIME_S < KEPT_UP * state->held)
		return false;
	return state->inflow * seconds >= INFLOW_MIN + SURGE_FACTOR * usual + 2 * sqrt(usual);
}

/* As long as it has not shown how much it can hold, nobody has come to harm. */
static bool is_dangerous(const struct half_open_state *state)
{
	const struct listener *listener = &state->listener;

	if (listener->is_full)
		return true;
	return listener->backlog > 0 && state->held >= (double)listener->backlog / 2;
}

static void find(const void *params, const struct detect_scene *scene, void *target, struct finding *finding)
{
	const struct half_open_params *p = params;
	struct half_open_state *state = target;

	if (state->learned == 0) {
		baseline_begin(&state->level, scene->now_ns);
		baseline_begin(&state->completed, scene->now_ns);
		state->learned = fate_last_slot(scene->now_ns, FATE_LATE_NS);
	}
	listener_judge(&state->listener, scene);
	measure(state, scene);
	state->limit = limit_of(p, state);
	learn(state, scene);
	follow(state, scene);

	bool is_over = state->over_ns != 0 && ns_since(scene->now_ns, state->over_ns) >= HOLD_NS;
	bool is_fed = is_more_added(state);
	bool is_lost = state->retried >= LOST_ANSWERS;
	bool has_surged = state->surged_ns != 0 && ns_since(scene->now_ns, state->surged_ns) < SURGED_NS;
	finding->is_alarming = is_over && is_fed && has_surged && !scene->is_alarm_above;
	finding->is_hot = is_fed && state->held >= p->clear_below * state->limit;
	finding->is_suspicious = state->held > state->limit / 2 && state->is_surging;
	finding->score = (is_lost                     ? 0.3
			  : state->rate >= FLOOD_RATE ? 0.45
						      : 0.85) *
			 fate_share(state->held, state->limit);
	finding->level = state->held;
	finding->baseline = state->level.mean;
	finding->threshold = state->limit;
	finding->extent = state->sources;
	finding->confidence = (1 - 0.4 * lesser(state->limit / greater(state->held, 1), 1)) * (is_lost ? 0.6 : 1);
	finding->severity = fate_worst(scene, is_dangerous(state) && !is_lost ? 1 : 2);
	finding->began_ns = state->began_ns;
	finding->clear_after_ns = p->clear_after_ns;
	finding->class_name = is_lost ? "answers_lost" : state->rate < FLOOD_RATE ? "syn_trickle" : NULL;
}

static const char *describe_room(const struct half_open_state *state, char text[static 96])
{
	const struct listener *listener = &state->listener;

	if (listener->is_full && listener->cookies == ALERT_COOKIES_YES)
		return "the queue is full and SYN cookies hold";
	if (listener->is_full)
		return "the queue is full and new clients get no answer";
	if (listener->backlog > 0) {
		snprintf(text, 96, "it can hold about %llu", (unsigned long long)listener->backlog);
		return text;
	}
	return "how many it can hold has not shown yet";
}

static void explain_now(const struct half_open_state *state, struct event_alert *alert)
{
	char name[EVIDENCE_NAME_BYTES];
	char sources[FATE_SOURCES_BYTES];
	char room[96];

	if (state->retried >= LOST_ANSWERS)
		snprintf(alert->explanation, sizeof(alert->explanation),
			 "%s holds %llu half-open connections (usual: %.0f) of clients that repeat their SYN: its "
			 "answers do not "
			 "reach them. Check the way back to %s (routes, firewalls) before you suspect an attack.",
			 evidence_name(&alert->target, name), (unsigned long long)state->listener.half_open_now,
			 alert->baseline, fate_sources(alert, sources));
	else
		snprintf(
			alert->explanation, sizeof(alert->explanation),
			"%s holds %llu half-open connections (usual: %.0f), and %.1f/s are added by %s that never "
			"answer its "
			"SYN-ACKs; %s. Check its backlog (ss -ltn) and SYN cookies (sysctl net.ipv4.tcp_syncookies)%s.",
			evidence_name(&alert->target, name), (unsigned long long)state->listener.half_open_now,
			alert->baseline, state->inflow, fate_sources(alert, sources), describe_room(state, room),
			alert->n_top_sources > 0 && alert->top_sources[0].share >= 0.5 ? ", and block that source"
										       : "");
}

static void explain(const void *params, const struct detect_scene *scene, const void *target,
		    const struct finding *finding, enum alert_phase phase, struct event_alert *alert)
{
	const struct half_open_state *state = target;
	char name[EVIDENCE_NAME_BYTES];

	(void)params;
	(void)scene;
	(void)finding;
	listener_fill(&state->listener, alert);
	alert->completion = state->completed_share;
	alert->completion_baseline = -1;
	if (phase != ALERT_CLEARED) {
		explain_now(state, alert);
		return;
	}
	snprintf(alert->explanation, sizeof(alert->explanation),
		 "Nothing is added any more to the half-open connections of %s: %llu are left of at most %llu, and the "
		 "server "
		 "gives them up within a minute.",
		 evidence_name(&alert->target, name), (unsigned long long)state->listener.half_open_now,
		 (unsigned long long)state->listener.half_open_peak);
}

static const char *const class_names[] = { "syn_trickle", "answers_lost", NULL };

const struct detector detector_half_open_surge = {
	.name = "half_open_surge",
	.text = "a service with too many connections that are answered and never completed",
	.default_signature_id = 1000002,
	.default_severity = 1,
	.default_signature = "TCPWITNESS Surge of half-open connections on a service",
	.default_category = "Attempted Denial of Service",
	.default_mitre_technique = "T1499.001",
	.default_mitre_tactic = "Impact",
	.params = rows,
	.n_params = sizeof(rows) / sizeof(rows[0]),
	.params_bytes = sizeof(struct half_open_params),
	.kinds = 1 << SUMMARY_SERVICE,
	.class_names = class_names,
	.group = INCIDENT_SERVICE,
	.trouble = TROUBLE_SYN_FLOOD,
	.behind = CROWD_FAILING,
	.target_bytes = (sizeof(struct half_open_state) + 7) / 8 * 8,
	.find = find,
	.explain = explain,
};
