/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hosts that open connections to very many others, nearly all in vain: a worm that spreads, or a program that was told
 * to reach what is not there. Unlike a scanner's, their SYNs are those of a real stack: what is not answered is sent
 * again.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "detect_internal.h"
#include "inside.h"
#include "judgement.h"
#include "minmax.h"
#include "reach.h"
#include "source_scene.h"

struct fan_out_params {
	uint64_t hosts;
	uint64_t window_ns;
	double web_factor;
	double max_reached;
	uint64_t clear_after_ns;
	uint64_t slow_clear_after_ns;
};

#define P(member) offsetof(struct fan_out_params, member)

static const struct rule_param params[] = {
	{ "hosts", RULE_PARAM_COUNT, P(hosts), 5, 65535, 50, "hosts that are tried in vain within window" },
	{ "window", RULE_PARAM_DURATION, P(window_ns), 10, 24 * 3600, 600, "how long failures count, at least" },
	{ "web_factor", RULE_PARAM_RATIO, P(web_factor), 1, 100, 2, "so many times more on ports 80 and 443" },
	{ "max_reached", RULE_PARAM_RATIO, P(max_reached), 0, 1, 0.3,
	  "share of tried hosts that were reached above which there is no alarm" },
	{ "clear_after", RULE_PARAM_DURATION, P(clear_after_ns), 1, 3600, 30, "silence after which it is over" },
	{ "slow_clear_after", RULE_PARAM_DURATION, P(slow_clear_after_ns), 1, 24 * 3600, 300,
	  "silence after which slow spreading is over" },
};

/* So many times the limit is an emergency. */
#define URGENT_FACTOR 4

/* A worm reaches fewer; and mail servers have bad addresses every day. */
#define OLD_LIST_REACHED 0.15
enum { SMTP = 25 };

/* What takes longer until it is found, is slow. */
#define SLOW_NS (30 * NS_PER_SEC)

/* How long what was found holds. */
#define HELD_NS (3 * NS_PER_SEC)

struct fan_out_state {
	struct crowd_cursor failed;
	struct crowd_cursor answered;
	struct source_activity activity;
	double limit;
	uint64_t found_ns; /* the last time */
	uint8_t severity;  /* of the alarm: it does not get less */
	bool is_slow;
	struct reach_view view; /* from here on it is not read as long as nothing happens */
	struct reach_period periods[REACH_PERIODS];
	struct reach_example tried[REACH_EXAMPLES];
	struct reach_example reached[REACH_EXAMPLES];
};

/* True if more has failed. */
static bool take(struct fan_out_state *state, const struct detect_scene *scene, const struct fan_out_params *p)
{
	uint64_t failed = crowd_growth(&state->failed, scene->summary, CROWD_FAILING, scene->now_ns);
	uint64_t answered = crowd_growth(&state->answered, scene->summary, CROWD_ANSWERED, scene->now_ns);

	struct reach_period *period = reach_period_at(state->periods, p->window_ns, scene->now_ns);
	if (failed > 0)
		reach_add(&period->failed, scene->summary, CROWD_FAILING, scene->now_ns, failed);
	if (answered > 0)
		reach_add_answers(&period->answered, scene->summary, scene->now_ns);
	source_activity_note(&state->activity, failed, p->slow_clear_after_ns, scene->now_ns);
	return failed > 0;
}

static bool judge(struct fan_out_state *state, const struct detect_scene *scene, const struct fan_out_params *p,
		  bool is_own)
{
	double limit = (double)p->hosts;
	struct reach_period both;
	struct reach_view view;

	if (state->periods[0].failed.connections + state->periods[1].failed.connections < p->hosts)
		return false;
	reach_both(state->periods, p->window_ns, scene->now_ns, &both);
	reach_see(&both, &view);
	if (view.port == 80 || view.port == 443)
		limit *= p->web_factor;
	if (view.shape != REACH_HORIZONTAL || round(view.count) < limit ||
	    view.against > p->max_reached * (view.count + view.against))
		return false;
	if (!is_own && source_is_outage(scene, crowd_recent(scene->summary, CROWD_TRYING, scene->now_ns)))
		return false;
	/* What was fast once has its end like all that is fast. */
	bool is_slow = ns_since(scene->now_ns, state->activity.began_ns) > SLOW_NS;
	state->is_slow = is_slow && (!is_own || state->is_slow);
	state->view = view;
	state->limit = limit;
	memcpy(state->tried, both.failed.examples, sizeof(state->tried));
	reach_found(&both, view.shape, state->reached);
	return true;
}

static double confidence(const struct fan_out_state *state, const struct detect_scene *scene)
{
	double sure = 1 - 0.5 * state->view.against / greater(state->view.count + state->view.against, 1);

	/* A client that cannot get out tries many web servers. */
	if (state->view.port == 80 || state->view.port == 443)
		sure *= 0.8;
	return scene->visibility->kernel_dropped > 0 ? sure * 0.95 : sure;
}

/* Who is told where to go finds more of them than who tries at random: a list of addresses that has grown old. */
static bool has_old_list(const struct fan_out_state *state)
{
	const struct reach_view *view = &state->view;

	return view->found > OLD_LIST_REACHED * (view->count + view->found);
}

static uint8_t severity_now(const struct fan_out_state *state)
{
	const struct reach_view *view = &state->view;

	if (has_old_list(state))
		return view->port == SMTP ? 3 : 2;
	return view->found >= 0.5 || view->count >= URGENT_FACTOR * state->limit ? 1 : 2;
}

static void find(const void *parameters, const struct detect_scene *scene, void *memory, struct finding *finding)
{
	const struct fan_out_params *p = parameters;
	struct fan_out_state *state = memory;
	bool is_own = scene->alarm != NULL && scene->present_class == &detector_connection_fan_out;
	bool is_found = false;

	if (take(state, scene, p) && source_is_retried(scene->summary))
		is_found = judge(state, scene, p, is_own);
	if (is_found)
		state->found_ns = scene->now_ns;
	/* It is judged when more has failed; in between it is still so. */
	is_found = state->found_ns != 0 && ns_since(scene->now_ns, state->found_ns) <= HELD_NS;
	if (!is_found && !is_own)
		return;
	finding->is_alarming = is_found;
	finding->is_hot = source_activity_fresh(&state->activity) >= (state->is_slow ? 1 : 3) || (is_found && !is_own);
	finding->is_suspicious = is_found;
	finding->score = 0.9;
	finding->level = state->view.count;
	finding->threshold = state->limit;
	finding->extent = state->view.count;
	finding->confidence = confidence(state, scene);
	uint8_t severity = severity_now(state);
	if (!is_own || severity < state->severity)
		state->severity = severity;
	finding->severity = state->severity;
	finding->began_ns = state->activity.began_ns;
	finding->clear_after_ns = state->is_slow ? p->slow_clear_after_ns : p->clear_after_ns;
}

/* "10.0.0.7, 10.0.0.9", a few of them. */
static const char *name_hosts(const struct reach_example *examples, char *text, size_t size)
{
	char ip[IP_ADDR_TEXT_BYTES];
	size_t length = 0;

	text[0] = 0;
	for (int i = 0, named = 0; i < REACH_EXAMPLES && examples[i].priority != 0 && named < 2; i++) {
		bool is_known = false;
		for (int j = 0; j < i; j++)
			is_known |= ip_addr_equal(&examples[j].ip, &examples[i].ip);
		if (is_known)
			continue;
		length += (size_t)snprintf(text + length, size - length, "%s%s", named > 0 ? ", " : "",
					   ip_addr_format(&examples[i].ip, ip));
		named++;
	}
	return text;
}

static unsigned whole(double value)
{
	return (unsigned)lesser(greater(round(value), 0), 1e9);
}

static const char *guess(const struct fan_out_state *state)
{
	if (!has_old_list(state))
		return "a worm, or a program told to reach what is not there; look at this host now";
	if (state->view.port == SMTP)
		return "mail to many domains that are gone: a list of old addresses, or spam; look at its mail queue";
	return "a program with a list of hosts of which many are gone, or a worm; look what it runs";
}

static void explain(const void *parameters, const struct detect_scene *scene, const void *memory,
		    const struct finding *finding, enum alert_phase phase, struct event_alert *alert)
{
	const struct fan_out_state *state = memory;
	double seconds = ns_to_seconds(ns_since(state->activity.active_ns, state->activity.began_ns));
	char source[IP_ADDR_TEXT_BYTES];
	char hosts[3 * IP_ADDR_TEXT_BYTES];
	char reached[3 * IP_ADDR_TEXT_BYTES + 32];
	char names[3 * IP_ADDR_TEXT_BYTES];

	(void)parameters;
	(void)finding;
	ip_addr_format(&scene->key->ip, source);
	name_hosts(state->tried, hosts, sizeof(hosts));
	if (state->view.found >= 0.5)
		snprintf(reached, sizeof(reached), "reached %u (%s)", whole(state->view.found),
			 name_hosts(state->reached, names, sizeof(names)));
	else
		snprintf(reached, sizeof(reached), "reached none");
	if (phase == ALERT_CLEARED)
		snprintf(alert->explanation, sizeof(alert->explanation),
			 "%s has stopped: it tried %u hosts on port %u in vain within %u s, and %.200s.", source,
			 whole(alert->peak), state->view.port, whole(greater(ceil(seconds), 1)), reached);
	else
		snprintf(alert->explanation, sizeof(alert->explanation),
			 "%s tries to connect to ever new hosts: %u in vain within %u s, most on port %u (%.60s), and "
			 "%.65s: %s%s.",
			 source, whole(state->view.count), whole(greater(ceil(seconds), 1)), state->view.port, hosts,
			 reached, guess(state),
			 state->view.found >= 0.5 && !has_old_list(state) ? ", and at those it reached" : "");
	if (!ip_addr_is_inside(&scene->key->ip) && alert->mitre_technique != NULL &&
	    strcmp(alert->mitre_technique, "T1046") == 0) {
		alert->mitre_technique = "T1595.001";
		alert->mitre_tactic = "Reconnaissance";
	}
}

const struct detector detector_connection_fan_out = {
	.name = "connection_fan_out",
	.text = "hosts that open connections to very many others in vain, as worms do",
	.default_signature_id = 1000006,
	.default_severity = 2,
	.default_signature = "TCPWITNESS Connection attempts to very many hosts",
	.default_category = "A Network Trojan was detected",
	.default_mitre_technique = "T1046",
	.default_mitre_tactic = "Discovery",
	.params = params,
	.n_params = sizeof(params) / sizeof(params[0]),
	.params_bytes = sizeof(struct fan_out_params),
	.kinds = 1 << SUMMARY_SOURCE,
	.group = INCIDENT_SOURCE,
	.crowd = CROWD_FAILING,
	.target_bytes = sizeof(struct fan_out_state),
	.glance_bytes = offsetof(struct fan_out_state, view),
	.find = find,
	.explain = explain,
};
