/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Services whose application does not accept its connections (detection science, section 5 and L7, L7b, L7c). The
 * kernel then drops the third ACK of a handshake and repeats its SYN-ACK; with SYN cookies it drops the ACK without a
 * word and never takes what the client says; and as long as the queue is full it answers no SYN, while those who are
 * connected are served as before.
 */
#include <stdio.h>

#include "tcpwitness/base/units.h"

#include "baseline.h"
#include "detect_internal.h"
#include "evidence.h"
#include "judgement.h"
#include "minmax.h"
#include "recent.h"

struct overflow_params {
	uint64_t floor;
	double share;
	double clear_below;
	uint64_t clear_after_ns;
};

static const struct rule_param params[] = {
	/* name, type, offset, least, most, default, meaning */
	{ "floor", RULE_PARAM_COUNT, offsetof(struct overflow_params, floor), 1, 1e6, 8,
	  "connections within 20 s that the service leaves waiting, below which there is never an alarm" },
	{ "share", RULE_PARAM_RATIO, offsetof(struct overflow_params, share), 0, 1, 0.1,
	  "share of the new connections that must be left waiting" },
	{ "clear_below", RULE_PARAM_RATIO, offsetof(struct overflow_params, clear_below), 0, 1, 0.5,
	  "share of the threshold below which the alarm's end begins" },
	{ "clear_after", RULE_PARAM_DURATION, offsetof(struct overflow_params, clear_after_ns), 1, 3600, 10,
	  "how long the level must stay there" },
};

/*
 * Counts are over the last 5 s, and over the last 20 s for services with few clients; whichever is worse. Whether the
 * service answers at all is asked of the last second, or the last four.
 */
enum { WINDOWS = 2 };
static const uint64_t slot_ns[WINDOWS] = { NS_PER_SEC / 2, 2 * NS_PER_SEC };

struct overflow_window {
	struct recent completed;
	uint64_t n_dropped;
	uint64_t n_ignored;
	uint64_t n_completed;
};

struct overflow_rare {
	struct recent dropped;
	struct recent ignored;
};

struct overflow_state {
	struct overflow_window windows[WINDOWS];
	struct recent answered; /* in 1 s */
	struct recent progress; /* completed in 4 s */
	struct baseline usual;
	uint64_t learned_ns;
	uint64_t silent_ns; /* since when it looks silent; 0 = it does not */
	uint64_t class;     /* of the last alarming finding: enum overflow_class */
	uint8_t severity;   /* of that; 0 = none yet */
	bool is_rare_begun[WINDOWS][2];
	/* What the last finding rests on. */
	uint64_t n_answered;
	uint64_t worst; /* of the windows */
	uint64_t n_silent;
	uint64_t n_asked;
	uint64_t n_progress;
	struct overflow_rare rare[WINDOWS]; /* it is not read as long as nothing of it happens */
};

enum overflow_class { CLASS_DROPPED = 0, CLASS_IGNORED, CLASS_SILENT };
static const char *const class_names[] = {
	[CLASS_DROPPED] = "syn_ack_again_after_ack",
	[CLASS_IGNORED] = "client_data_ignored",
	[CLASS_SILENT] = "syn_unanswered_by_a_busy_service",
	NULL,
};

/*
 * Where the application takes a connection now and then, some of those who ask again get in, like those who ask for the
 * first time. Of a flood that repeats its SYNs none does, whatever it leaves to others.
 */
#define GETTING_IN 0.01

/* It is silent for so long: a service that dies or comes back looks so for a moment. */
#define SILENT_NS (5 * NS_PER_SEC)

/* A service that has died takes nothing either, and answers nobody. */
static double waiting_of(const struct overflow_state *state, const struct overflow_window *window)
{
	return (double)(window->n_dropped + (state->n_answered > 0 ? window->n_ignored : 0));
}

static double limit_of(const struct overflow_params *p, const struct overflow_window *window)
{
	return greater((double)p->floor, p->share * (double)window->n_completed);
}

static void count(struct overflow_state *state, const struct overflow_params *p, const struct detect_scene *scene)
{
	const uint64_t *totals = scene->summary->totals;
	uint64_t since_ns = scene->summary->since_ns;
	uint64_t now_ns = scene->now_ns;
	uint64_t looked_ns = state->answered.looked_ns;
	double worst = -1;

	state->n_answered =
		recent_count(&state->answered, totals[SUMMARY_ANSWERED], since_ns, NS_PER_SEC / RECENT_SLOTS, now_ns);
	state->n_progress = recent_count(&state->progress, totals[SUMMARY_COMPLETED], since_ns,
					 4 * NS_PER_SEC / RECENT_SLOTS, now_ns);
	for (unsigned i = 0; i < WINDOWS; i++) {
		struct overflow_window *w = &state->windows[i];
		struct overflow_rare *rare = &state->rare[i];
		bool *is_begun = state->is_rare_begun[i];
		w->n_dropped = recent_count_rare(&rare->dropped, &is_begun[0], looked_ns, totals[SUMMARY_ACKS_DROPPED],
						 since_ns, slot_ns[i], now_ns);
		w->n_ignored = recent_count_rare(&rare->ignored, &is_begun[1], looked_ns, totals[SUMMARY_DATA_IGNORED],
						 since_ns, slot_ns[i], now_ns);
		w->n_completed = recent_count(&w->completed, totals[SUMMARY_COMPLETED], since_ns, slot_ns[i], now_ns);
		if (waiting_of(state, w) / limit_of(p, w) > worst) {
			worst = waiting_of(state, w) / limit_of(p, w);
			state->worst = i;
		}
	}
}

/*
 * L7: real stacks ask again and again and hear nothing, while others get in. A full queue of half-open connections
 * would show as such, and a flood does not ask twice. Younger attempts than a second and a half may be answered yet, or
 * asked again.
 */
static bool looks_silent(struct overflow_state *state, const struct detect_scene *scene,
			 const struct overflow_params *p)
{
	enum { FIRST_SLOTS = 20, YOUNG_SLOTS = 7 };
	uint64_t slot = scene->now_ns / SUMMARY_SLOT_NS;
	uint64_t counts[SUMMARY_COHORT_COUNTERS];

	state->n_asked = 0;
	state->n_silent = 0;
	/* Cohorts have no more of them than all time. */
	if (scene->summary->totals[SUMMARY_UNANSWERED] < p->floor)
		return false;
	summary_sum(scene->summary, slot - FIRST_SLOTS, slot - YOUNG_SLOTS, counts);
	state->n_asked = counts[SUMMARY_ATTEMPTS];
	state->n_silent = counts[SUMMARY_UNANSWERED];
	return state->n_silent >= p->floor && 5 * state->n_silent >= state->n_asked &&
	       10 * counts[SUMMARY_RETRIED] >= 8 * state->n_silent && counts[SUMMARY_REFUSED] == 0 &&
	       GETTING_IN * (double)counts[SUMMARY_RETRIED] <= (double)counts[SUMMARY_RETRIED_SETTLED] &&
	       20 * state->n_progress >= state->n_silent && state->n_progress >= 3 &&
	       5 * summary_half_open(scene->summary) < state->n_silent;
}

static bool is_silent(struct overflow_state *state, const struct detect_scene *scene, const struct overflow_params *p)
{
	if (!looks_silent(state, scene, p))
		state->silent_ns = 0;
	else if (state->silent_ns == 0)
		state->silent_ns = scene->now_ns;
	return state->silent_ns != 0 && ns_since(scene->now_ns, state->silent_ns) >= SILENT_NS;
}

static void learn(struct overflow_state *state, const struct detect_scene *scene, const struct finding *finding)
{
	if (state->learned_ns == 0)
		baseline_begin(&state->usual, scene->now_ns);
	else if (ns_since(scene->now_ns, state->learned_ns) < NS_PER_SEC)
		return;
	state->learned_ns = scene->now_ns;
	if (scene->is_suspicious || finding->is_suspicious)
		baseline_skip(&state->usual, scene->now_ns);
	else
		baseline_learn(&state->usual, finding->level, scene->now_ns);
}

static void find(const void *rule_params, const struct detect_scene *scene, void *memory, struct finding *finding)
{
	const struct overflow_params *p = rule_params;
	struct overflow_state *state = memory;

	count(state, p, scene);
	const struct overflow_window *window = &state->windows[state->worst];
	double window_s = ns_to_seconds(RECENT_SLOTS * slot_ns[state->worst]);
	bool silent = is_silent(state, scene, p);
	double waiting = waiting_of(state, window);
	double limit = limit_of(p, window);
	double share = waiting / greater((double)window->n_completed, 1);

	finding->level = (waiting + (silent ? (double)state->n_silent : 0)) / window_s;
	finding->threshold = limit / window_s;
	finding->is_alarming = waiting >= limit || silent;
	finding->is_hot = waiting >= p->clear_below * limit || silent;
	finding->is_suspicious = finding->is_alarming;
	finding->score = waiting >= limit ? 0.75 + 0.2 * lesser(share, 1) : silent ? 0.6 : 0;
	finding->confidence = (waiting >= limit ? 0.95 : 0.7) * sensor_view_confidence(scene->view);
	finding->clear_after_ns = p->clear_after_ns;
	/* On its way out an alarm stays what it was. */
	if (finding->is_alarming) {
		state->class = waiting < limit                             ? CLASS_SILENT
			       : window->n_ignored > 4 * window->n_dropped ? CLASS_IGNORED
									   : CLASS_DROPPED;
		state->severity = share >= 0.5 || (silent && 2 * state->n_silent >= state->n_asked) ? 1 : 2;
	}
	finding->class_name = class_names[state->class];
	finding->severity = state->severity == 1 ? 1 : 2;
	learn(state, scene, finding);
	finding->baseline = state->usual.mean;
}

static void explain_end(struct event_alert *alert, const char *name)
{
	snprintf(alert->explanation, sizeof(alert->explanation),
		 "%s accepts its connections again, after %.0f s. Find out what kept the application from accept() "
		 "before it happens again.",
		 name, alert->duration_s);
}

static void explain(const void *rule_params, const struct detect_scene *scene, const void *memory,
		    const struct finding *finding, enum alert_phase phase, struct event_alert *alert)
{
	const struct overflow_state *state = memory;
	char name[EVIDENCE_NAME_BYTES];
	const struct overflow_window *window = &state->windows[state->worst];
	double window_s = ns_to_seconds(RECENT_SLOTS * slot_ns[state->worst]);
	char what[160];

	(void)rule_params;
	(void)scene;
	evidence_name(&alert->target, name);
	if (phase == ALERT_CLEARED) {
		explain_end(alert, name);
		return;
	}
	if (phase == ALERT_UPDATE && !finding->is_hot) {
		snprintf(alert->explanation, sizeof(alert->explanation),
			 "%s accepts its connections again, as far as is seen. The alarm is cleared if it stays so.",
			 name);
		return;
	}
	if (state->class == CLASS_SILENT)
		snprintf(what, sizeof(what),
			 "%llu of %llu clients ask again and get no answer, while others are served",
			 (unsigned long long)state->n_silent, (unsigned long long)state->n_asked);
	else if (state->class == CLASS_IGNORED)
		snprintf(what, sizeof(what),
			 "it takes nothing of what %llu of %llu new clients say in %.0f s, and SYN cookies hide it",
			 (unsigned long long)window->n_ignored, (unsigned long long)window->n_completed, window_s);
	else
		snprintf(what, sizeof(what),
			 "%llu clients were asked for their handshake again in %.0f s, after it was done (%llu new "
			 "ones came)",
			 (unsigned long long)window->n_dropped + window->n_ignored, window_s,
			 (unsigned long long)window->n_completed);
	snprintf(
		alert->explanation, sizeof(alert->explanation),
		"%s does not accept its connections: %s. Its application is too slow or hangs; look at it, and compare "
		"Recv-Q with Send-Q in \"ss -ltn\" (nstat: TcpExtListenOverflows).",
		name, what);
}

const struct detector detector_accept_queue_overflow = {
	.name = "accept_queue_overflow",
	.text = "a service whose application does not accept its connections",
	.default_signature_id = 1000013,
	.default_severity = 2,
	.default_signature = "TCPWITNESS Service does not accept its connections",
	.default_category = "Detection of a Denial of Service Attack",
	.default_mitre_technique = "T1499.002",
	.default_mitre_tactic = "Impact",
	.params = params,
	.n_params = sizeof(params) / sizeof(params[0]),
	.params_bytes = sizeof(struct overflow_params),
	.class_names = class_names,
	.kinds = 1u << SUMMARY_SERVICE,
	.group = INCIDENT_SERVICE,
	.crowd = CROWD_TRYING,
	.target_bytes = sizeof(struct overflow_state),
	.glance_bytes = offsetof(struct overflow_state, rare),
	.find = find,
	.explain = explain,
};
