/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Services that worked and now refuse or ignore all clients (detection science, section 6, D6): a dead process, a dead
 * host, a filter. The clients are real: they repeat their SYNs, or are refused; a flood that buries a service is the
 * matter of syn_flood. It ends with the first handshake that completes. What never worked cannot be down: health
 * checks of dead hosts, scans.
 */
#include <stddef.h>
#include <stdio.h>

#include "tcpwitness/base/units.h"
#include "tcpwitness/detect/detector.h"

#include "evidence.h"
#include "fate.h"
#include "minmax.h"

/* Share of those who are neither refused nor ask again from which on it is no outage. */
#define MAX_SILENT_SHARE 0.5

/* Nothing that is expected within a second is an outage yet, and who came within the last second is not judged. */
#define YOUNG_NS FATE_EARLY_NS

#define TROUBLED_NS (3 * NS_PER_SEC)

/* A service is busy if it completed so many handshakes per second. */
#define BUSY_RATE 10.0

/* Without any attempt for so long nobody suffers. */
#define DESERTED_NS (20 * NS_PER_SEC)

struct service_down_params {
	uint64_t min_success;
	uint64_t min_syns;
	uint64_t min_sources;
	double min_failed;
	uint64_t outage_ns;
	uint64_t clear_after_ns;
};

static const struct rule_param rows[] = {
	/* name, type, offset, least, most, default, meaning */
	{ "min_success", RULE_PARAM_COUNT, offsetof(struct service_down_params, min_success), 1, 1e6, 10,
	  "handshakes that must have completed before" },
	{ "min_syns", RULE_PARAM_COUNT, offsetof(struct service_down_params, min_syns), 1, 1e6, 20,
	  "SYNs since the last success that must have come to nothing" },
	{ "min_sources", RULE_PARAM_COUNT, offsetof(struct service_down_params, min_sources), 1, 1e6, 3,
	  "distinct sources that must have failed" },
	{ "min_failed", RULE_PARAM_RATIO, offsetof(struct service_down_params, min_failed), 0.5, 1, 0.95,
	  "share of the attempts that must have failed" },
	{ "outage", RULE_PARAM_DURATION, offsetof(struct service_down_params, outage_ns), 1, 3600, 10,
	  "how long it must have gone on; restarts are shorter" },
	{ "clear_after", RULE_PARAM_DURATION, offsetof(struct service_down_params, clear_after_ns), 1, 3600, 2,
	  "how long after the first success the alarm is over" },
};

enum outage { OUTAGE_NONE = 0, OUTAGE_REFUSING, OUTAGE_HOST, OUTAGE_FILTERED };

struct service_down_state {
	uint64_t success_ns;    /* when a handshake was last seen to have completed */
	uint64_t first_fail_ns; /* when an attempt was first seen behind it */
	uint64_t failed_ns;     /* when it was last found to be down */
	uint64_t served_ns;     /* the first success after that */
	uint64_t n_completed;   /* as of then */
	uint64_t attempts_seen;
	uint64_t attempted_ns;                      /* when an attempt was last seen */
	uint64_t before[SUMMARY_SYNS_REPEATED + 1]; /* totals at the last success */
	uint64_t watched_ns;
	double usual_rate; /* of handshakes per second, before */
	double sources;
	double syns;
	double failed_share; /* not answered by SYN-ACK */
	double refused_share;
	double real_share; /* refused, or asked again: as real clients */
	uint8_t outage;    /* enum outage */
	uint64_t n_failing;
};

static uint64_t count_since(const struct service_down_state *state, const struct summary *summary, int counter)
{
	uint64_t before = state->before[counter];

	return summary->totals[counter] > before ? summary->totals[counter] - before : 0;
}

/* A success makes everything before it history. */
static void note_success(struct service_down_state *state, const struct detect_scene *scene)
{
	const struct summary *summary = scene->summary;
	uint64_t completed = summary->totals[SUMMARY_COMPLETED];
	uint64_t attempts = summary->totals[SUMMARY_ATTEMPTS];

	if (attempts != state->attempts_seen)
		state->attempted_ns = scene->now_ns;
	state->attempts_seen = attempts;
	if (completed == state->n_completed && state->watched_ns != 0) {
		if (state->first_fail_ns == 0 && attempts > state->before[SUMMARY_ATTEMPTS])
			state->first_fail_ns = scene->now_ns;
		return;
	}
	if (state->watched_ns == 0)
		state->watched_ns = scene->now_ns;
	state->n_completed = completed;
	state->success_ns = scene->now_ns;
	if (state->served_ns <= state->failed_ns)
		state->served_ns = scene->now_ns;
	state->first_fail_ns = 0;
	double watched_s = ns_to_seconds(ns_since(scene->now_ns, summary->since_ns));
	if (state->outage == OUTAGE_NONE)
		state->usual_rate = (double)completed / greater(watched_s, 1);
	for (int k = 0; k <= SUMMARY_SYNS_REPEATED; k++)
		state->before[k] = summary->totals[k];
}

/* It has worked again since it was found to be down. */
static bool has_served(const struct service_down_state *state)
{
	return state->served_ns > state->failed_ns;
}

static void measure(struct service_down_state *state, const struct detect_scene *scene)
{
	const struct summary *summary = scene->summary;
	const struct summary_crowd *crowd = fate_crowd(scene);
	struct fate young;

	fate_sum(summary, fate_last_slot(scene->now_ns, YOUNG_NS) + 1, scene->now_ns / SUMMARY_SLOT_NS, &young);
	double attempts = (double)count_since(state, summary, SUMMARY_ATTEMPTS);
	double refused = (double)count_since(state, summary, SUMMARY_REFUSED);
	double unreachable = (double)count_since(state, summary, SUMMARY_UNREACHABLE);
	double answered = (double)count_since(state, summary, SUMMARY_ANSWERED);
	double retried = (double)count_since(state, summary, SUMMARY_RETRIED);
	double judged = greater(attempts - (young.attempts - young.refused - young.unreachable), 0);

	state->syns = judged + (double)count_since(state, summary, SUMMARY_SYNS_REPEATED);
	state->failed_share = 1 - fate_share(answered, attempts);
	state->real_share = fate_share(refused + unreachable + retried, judged);
	state->refused_share = fate_share(refused, judged);
	state->sources = crowd != NULL ? summary_crowd_sources(crowd) : 0;
	state->n_failing = (uint64_t)judged;
}

/* Do other services of the host still answer? */
static bool host_is_silent(const struct detect_scene *scene)
{
	uint64_t last = fate_last_slot(scene->now_ns, 0);
	const struct summary *summary = scene_host(scene);
	struct fate host;

	if (summary == NULL)
		return false;
	fate_sum(summary, last >= SUMMARY_SLOTS ? last - SUMMARY_SLOTS + 1 : 0, last, &host);
	return host.answered + host.refused <= 0;
}

static enum outage outage_of(const struct service_down_state *state, const struct detect_scene *scene)
{
	if (state->refused_share >= 0.5)
		return OUTAGE_REFUSING;
	return host_is_silent(scene) ? OUTAGE_HOST : OUTAGE_FILTERED;
}

static const char *class_name(enum outage outage)
{
	switch (outage) {
	case OUTAGE_REFUSING:
		return "service_refusing";
	case OUTAGE_HOST:
		return "host_silent";
	case OUTAGE_FILTERED:
		return "port_filtered";
	case OUTAGE_NONE:
		break;
	}
	return NULL;
}

static double confidence(const struct service_down_params *p, const struct service_down_state *state)
{
	return 0.6 + 0.35 * fate_share(state->syns, 4.0 * (double)p->min_syns);
}

static void find(const void *params, const struct detect_scene *scene, void *target, struct finding *finding)
{
	const struct service_down_params *p = params;
	struct service_down_state *state = target;

	note_success(state, scene);
	bool is_open = scene->alarm != NULL && state->outage != OUTAGE_NONE;
	finding->severity = state->usual_rate >= BUSY_RATE ? 1 : 2;
	finding->stage = state->outage;
	finding->clear_after_ns = p->clear_after_ns;
	finding->class_name = class_name((enum outage)state->outage);
	/* Once it serves again, it is still as sure that it did not. */
	finding->confidence = confidence(p, state);
	if (state->first_fail_ns == 0) {
		if (scene->alarm == NULL)
			state->outage = OUTAGE_NONE;
		return;
	}
	measure(state, scene);
	bool has_worked = state->n_completed >= p->min_success;
	bool is_failing = state->failed_share >= p->min_failed && state->real_share >= 1 - MAX_SILENT_SHARE &&
			  state->sources + 0.5 >= (double)p->min_sources;
	/* When something is found wrong with the service already, this may be what. */
	bool is_long = ns_since(scene->now_ns, state->first_fail_ns) >=
		       (scene->alarm != NULL && p->outage_ns > TROUBLED_NS ? TROUBLED_NS : p->outage_ns);
	bool is_deserted = ns_since(scene->now_ns, state->attempted_ns) >= DESERTED_NS;

	finding->is_alarming = has_worked && is_failing && is_long && state->syns >= (double)p->min_syns &&
			       state->n_failing >= p->min_sources && !is_deserted;
	if (finding->is_alarming) {
		state->outage = (uint8_t)outage_of(state, scene);
		state->failed_ns = scene->now_ns;
	}
	finding->is_suspicious = has_worked && is_failing && state->n_failing >= p->min_sources;
	/* Behind a success, one whose handshake takes its time is no reason to think that it is down again. */
	finding->is_hot =
		finding->is_alarming || (is_open && !is_deserted && (!has_served(state) || finding->is_suspicious));
	finding->score = is_failing ? 0.5 + 0.45 * state->real_share : 0;
	finding->level =
		(double)state->n_failing / greater(ns_to_seconds(ns_since(scene->now_ns, state->first_fail_ns)), 1);
	finding->baseline = 0;
	finding->threshold = (double)p->min_syns;
	finding->extent = state->sources;
	finding->confidence = confidence(p, state);
	finding->stage = state->outage;
	finding->began_ns = state->first_fail_ns;
	finding->class_name = class_name((enum outage)state->outage);
}

static const char *describe(enum outage outage)
{
	switch (outage) {
	case OUTAGE_REFUSING:
		return "it refuses them with RST, so the host lives and nothing listens on the port: restart the "
		       "service";
	case OUTAGE_HOST:
		return "nothing of the host answers: check the host itself, its switch port and the route to it";
	case OUTAGE_FILTERED:
		return "other ports of the host still answer: look for a filter, a stopped container or a dead load "
		       "balancer";
	case OUTAGE_NONE:
		break;
	}
	return "";
}

static void explain(const void *params, const struct detect_scene *scene, const void *target,
		    const struct finding *finding, enum alert_phase phase, struct event_alert *alert)
{
	const struct service_down_state *state = target;
	double lasted_s = ns_to_seconds(ns_since(state->served_ns, alert->started_ns));
	char name[EVIDENCE_NAME_BYTES];
	char sources[FATE_SOURCES_BYTES];

	(void)params;
	(void)finding;
	evidence_name(&alert->target, name);
	if (has_served(state)) {
		snprintf(alert->explanation, sizeof(alert->explanation),
			 "%s serves clients again, %.0f s after the outage began%s.", name, lasted_s,
			 phase == ALERT_CLEARED ? "" : "; this alarm is over if it goes on to do so");
		return;
	}
	alert->completion = 0;
	alert->completion_baseline = -1;
	if (phase == ALERT_CLEARED)
		snprintf(alert->explanation, sizeof(alert->explanation),
			 "Nobody tries to reach %s any more; it was not seen to work again.", name);
	else
		snprintf(alert->explanation, sizeof(alert->explanation),
			 "%s has served no client for %.0f s: all %llu attempts of %s failed, where about %.1f "
			 "handshakes/s "
			 "completed before; %s.",
			 name, ns_to_seconds(ns_since(scene->now_ns, state->success_ns)),
			 (unsigned long long)state->n_failing, fate_sources(alert, sources), state->usual_rate,
			 describe((enum outage)state->outage));
}

static const char *const class_names[] = { "service_refusing", "host_silent", "port_filtered", NULL };

const struct detector detector_service_down = {
	.name = "service_down",
	.text = "a service that worked, and now refuses or ignores all clients",
	.default_signature_id = 1000014,
	.default_severity = 1,
	.default_signature = "TCPWITNESS Service is down",
	.default_category = "Misc activity",
	.default_mitre_technique = "",
	.default_mitre_tactic = "",
	.params = rows,
	.n_params = sizeof(rows) / sizeof(rows[0]),
	.params_bytes = sizeof(struct service_down_params),
	.kinds = 1 << SUMMARY_SERVICE,
	.class_names = class_names,
	.group = INCIDENT_SERVICE,
	.target_bytes = (sizeof(struct service_down_state) + 7) / 8 * 8,
	.find = find,
	.explain = explain,
};
