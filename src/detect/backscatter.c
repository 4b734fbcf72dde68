/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Senders whose SYN-ACKs or RSTs nobody here asked for, to many of our addresses: somebody floods them, with source
 * addresses that are made up, some of which are ours. Nothing is wrong here; but who does not know it may take the
 * victim for an attacker.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "detect_internal.h"
#include "judgement.h"
#include "reach.h"
#include "source_scene.h"

struct backscatter_params {
	uint64_t addresses;
	uint64_t window_ns;
	double min_share;
	double max_claimed;
	uint64_t clear_after_ns;
};

#define P(member) offsetof(struct backscatter_params, member)

static const struct rule_param params[] = {
	{ "addresses", RULE_PARAM_COUNT, P(addresses), 2, 65535, 16,
	  "addresses that get answers they never asked for" },
	{ "window", RULE_PARAM_DURATION, P(window_ns), 10, 24 * 3600, 3600, "how long they are remembered, at least" },
	{ "min_share", RULE_PARAM_RATIO, P(min_share), 0, 1, 0.9,
	  "share of SYN-ACKs and RSTs in what the sender sends without a connection" },
	{ "max_claimed", RULE_PARAM_RATIO, P(max_claimed), 0, 1, 0.1,
	  "share of them that a connection follows above which it is none" },
	{ "clear_after", RULE_PARAM_DURATION, P(clear_after_ns), 1, 24 * 3600, 300, "silence after which it is over" },
};

/* In which a connection would have shown itself. */
#define WAIT_NS NS_PER_SEC

/* SYN-ACKs to SYNs that passed before the run began are repeated for so long. */
#define WARM_UP_NS (65 * NS_PER_SEC)

/* Of a sender of RSTs alone: a RST that answers a SYN has the number zero (RFC 9293 3.10.7.1). */
#define MIN_ZERO_SHARE   0.7
#define MIN_SYNACK_SHARE 0.2

struct backscatter_period {
	uint64_t number; /* packet time / window, plus one; 0 = empty */
	uint64_t counts[STRAY_COUNT];
	uint64_t claimed;
	struct hyperloglog_small addresses;
};

struct backscatter_state {
	struct crowd_cursor strays;
	struct backscatter_period periods[REACH_PERIODS];
	uint64_t totals[STRAY_COUNT];
	uint64_t claimed;
	bool is_begun;
	uint64_t since_ns; /* since when it looks like backscatter; 0 = it does not */
	uint16_t n_examples;
	uint16_t n_zero; /* examples with the sequence number zero */
	uint16_t port;   /* that most come from */
	double addresses;
	struct backscatter_period both;
	struct source_activity activity;
	bool is_told; /* there was an alarm about the story */
	/* Since it began: for those who read of it. */
	uint64_t story_ns;
	uint64_t story_synacks;
	uint64_t story_rsts;
	struct hyperloglog_small story_addresses;
};

static void begin(struct backscatter_state *state, const struct detect_scene *scene)
{
	const struct summary *summary = scene->summary;

	state->is_begun = true;
	/* What is not in the crowds does not count. */
	if (crowd_recent(summary, CROWD_STRAY, scene->now_ns) > 0)
		return;
	memcpy(state->totals, &summary->totals[SUMMARY_STRAYS], sizeof(state->totals));
	state->claimed = summary->totals[SUMMARY_STRAYS_CLAIMED];
}

static void see_examples(struct backscatter_state *state, const struct summary_crowd *crowd)
{
	int most = 0;

	if (crowd == NULL)
		return;
	state->n_examples = 0;
	state->n_zero = 0;
	for (unsigned i = 0; i < crowd->n_sampled; i++) {
		const struct summary_sampled *sampled = summary_crowd_sampled(crowd, i);
		int alike = 0;
		state->n_examples++;
		if (sampled->isn == 0)
			state->n_zero++;
		for (unsigned j = 0; j < crowd->n_sampled; j++)
			alike += summary_crowd_sampled(crowd, j)->client_port == sampled->client_port;
		if (alike > most) {
			most = alike;
			state->port = sampled->client_port;
		}
	}
}

/* Before the totals of the last look are forgotten. */
static void tell_story(struct backscatter_state *state, const struct detect_scene *scene)
{
	const uint64_t *totals = scene->summary->totals;

	if (state->story_ns != state->activity.began_ns) {
		/* What an alarm told is told: a straggler is no new one. */
		if (state->is_told) {
			memset(state->periods, 0, sizeof(state->periods));
			state->since_ns = 0;
			state->is_told = false;
		}
		state->story_ns = state->activity.began_ns;
		state->story_synacks = 0;
		state->story_rsts = 0;
		memset(&state->story_addresses, 0, sizeof(state->story_addresses));
	}
	state->story_synacks += totals[SUMMARY_STRAYS + STRAY_SYNACK] - state->totals[STRAY_SYNACK];
	state->story_rsts += totals[SUMMARY_STRAYS + STRAY_RST] - state->totals[STRAY_RST];
	reach_add_hosts(&state->story_addresses, scene->summary, CROWD_STRAY, scene->now_ns);
}

static struct backscatter_period *period_at(struct backscatter_state *state, uint64_t number)
{
	struct backscatter_period *period = &state->periods[number % REACH_PERIODS];

	if (period->number != number) {
		memset(period, 0, sizeof(*period));
		period->number = number;
	}
	return period;
}

static uint64_t take(struct backscatter_state *state, const struct detect_scene *scene,
		     const struct backscatter_params *p)
{
	const struct summary *summary = scene->summary;

	if (!state->is_begun)
		begin(state, scene);
	uint64_t n_new = crowd_growth(&state->strays, summary, CROWD_STRAY, scene->now_ns);
	source_activity_note(&state->activity, n_new, p->clear_after_ns, scene->now_ns);
	if (n_new > 0)
		tell_story(state, scene);
	struct backscatter_period *period = period_at(state, scene->now_ns / p->window_ns + 1);
	for (int i = 0; i < STRAY_COUNT; i++) {
		period->counts[i] += summary->totals[SUMMARY_STRAYS + i] - state->totals[i];
		state->totals[i] = summary->totals[SUMMARY_STRAYS + i];
	}
	period->claimed += summary->totals[SUMMARY_STRAYS_CLAIMED] - state->claimed;
	state->claimed = summary->totals[SUMMARY_STRAYS_CLAIMED];
	if (n_new > 0) {
		reach_add_hosts(&period->addresses, summary, CROWD_STRAY, scene->now_ns);
		see_examples(state, summary_crowd_now(summary, CROWD_STRAY, scene->now_ns));
	}
	return n_new;
}

static void see_both(struct backscatter_state *state, const struct backscatter_params *p, uint64_t now_ns)
{
	uint64_t number = now_ns / p->window_ns + 1;

	memset(&state->both, 0, sizeof(state->both));
	for (int place = 0; place < REACH_PERIODS; place++) {
		const struct backscatter_period *period = &state->periods[place];
		if (period->number != number && period->number + 1 != number)
			continue;
		for (int i = 0; i < STRAY_COUNT; i++)
			state->both.counts[i] += period->counts[i];
		state->both.claimed += period->claimed;
		hyperloglog_small_merge(&state->both.addresses, &period->addresses);
	}
	state->addresses = hyperloglog_small_estimate(&state->both.addresses);
}

static bool is_answering(const struct backscatter_state *state, const struct backscatter_params *p)
{
	double synacks = (double)state->both.counts[STRAY_SYNACK];
	double rsts = (double)state->both.counts[STRAY_RST];
	double all = 0;

	for (int i = 0; i < STRAY_COUNT; i++)
		all += (double)state->both.counts[i];
	if (round(state->addresses) < (double)p->addresses || synacks + rsts < p->min_share * all ||
	    (double)state->both.claimed > p->max_claimed * all)
		return false;
	return synacks >= MIN_SYNACK_SHARE * all || (double)state->n_zero >= MIN_ZERO_SHARE * (double)state->n_examples;
}

/* It may answer SYNs that nobody saw: others are answered here, and the run has only begun. */
static bool may_be_late(const struct detect_scene *scene)
{
	return scene->sensor->totals[SUMMARY_ANSWERED] > 0 && ns_since(scene->now_ns, scene->began_ns) < WARM_UP_NS;
}

/* What may have been asked for before the run began speaks against nobody, however late it is looked at. */
static void forget(struct backscatter_state *state)
{
	memset(state->periods, 0, sizeof(state->periods));
	state->since_ns = 0;
	state->story_ns = 0;
}

static void find(const void *parameters, const struct detect_scene *scene, void *memory, struct finding *finding)
{
	const struct backscatter_params *p = parameters;
	struct backscatter_state *state = memory;
	bool is_own = scene->alarm != NULL && scene->present_class == &detector_backscatter;
	state->is_told |= is_own;
	uint64_t n_new = take(state, scene, p);

	if (n_new > 0) {
		if (may_be_late(scene))
			forget(state);
		see_both(state, p, scene->now_ns);
		if (!is_answering(state, p))
			state->since_ns = 0;
		else if (state->since_ns == 0)
			state->since_ns = scene->now_ns;
	}
	bool is_fresh = source_activity_fresh(&state->activity) > 0;
	bool is_found = is_fresh && state->since_ns != 0 && ns_since(scene->now_ns, state->since_ns) >= WAIT_NS;

	if (!is_found && !is_own)
		return;
	finding->is_alarming = is_found;
	finding->is_hot = is_fresh;
	finding->is_suspicious = is_found;
	finding->score = 0.9;
	finding->level = hyperloglog_small_estimate(&state->story_addresses);
	finding->threshold = (double)p->addresses;
	finding->confidence = state->both.counts[STRAY_SYNACK] > 0 ? 0.95 : 0.8;
	finding->severity = 3;
	finding->began_ns = state->activity.began_ns;
	finding->clear_after_ns = p->clear_after_ns;
}

static void explain(const void *parameters, const struct detect_scene *scene, const void *memory,
		    const struct finding *finding, enum alert_phase phase, struct event_alert *alert)
{
	const struct backscatter_state *state = memory;
	double seconds = ns_to_seconds(ns_since(state->activity.active_ns, state->activity.began_ns));
	char sender[IP_ADDR_TEXT_BYTES];

	(void)parameters;
	ip_addr_format(&scene->key->ip, sender);
	if (phase == ALERT_CLEARED)
		snprintf(alert->explanation, sizeof(alert->explanation),
			 "The backscatter of %s has ended; it reached %.0f of the addresses here.", sender,
			 round(alert->peak));
	else
		snprintf(
			alert->explanation, sizeof(alert->explanation),
			"%s answers (%llu SYN-ACKs, %llu RSTs, from port %u) to %.0f addresses here that never asked "
			"it, within %.0f s: it is the victim of a flood with made-up sources, not an attacker; nothing "
			"to do, and do not block it.",
			sender, (unsigned long long)state->story_synacks, (unsigned long long)state->story_rsts,
			state->port, round(finding->level), fmax(ceil(seconds), 1));
}

const struct detector detector_backscatter = {
	.name = "backscatter",
	.text = "answers from the victim of somebody else's flood, to many addresses here that asked for none",
	.default_signature_id = 1000008,
	.default_severity = 3,
	.default_signature = "TCPWITNESS Backscatter of a flood elsewhere",
	.default_category = "Misc activity",
	.default_mitre_technique = "",
	.default_mitre_tactic = "",
	.params = params,
	.n_params = sizeof(params) / sizeof(params[0]),
	.params_bytes = sizeof(struct backscatter_params),
	.kinds = 1 << SUMMARY_SOURCE,
	.group = INCIDENT_SOURCE,
	.crowd = CROWD_STRAY,
	.target_bytes = sizeof(struct backscatter_state),
	.find = find,
	.explain = explain,
};
