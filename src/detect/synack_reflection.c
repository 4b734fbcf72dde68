/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hosts that get SYN-ACKs from many servers that they never asked: somebody sends SYNs to these servers with the host's
 * address as their source, and the answers, repeated several times each, meet the host.
 *
 * A SYN-ACK whose SYN was not seen is ordinary where SYNs are lost before the tap, pass elsewhere, or passed before the
 * run began. But then a connection follows, and the SYN-ACK is taken back.
 */
#include <math.h>
#include <stdio.h>

#include "baseline.h"
#include "detect_internal.h"
#include "evidence.h"
#include "judgement.h"
#include "minmax.h"
#include "stray_rate.h"

struct reflection_params {
	double floor;
	double factor;
	double max_claimed;
	uint64_t min_sources;
	double clear_below;
	uint64_t clear_after_ns;
};

#define P(member) offsetof(struct reflection_params, member)

static const struct rule_param params[] = {
	{ "floor", RULE_PARAM_RATE, P(floor), 1, 1e9, 50, "unsolicited SYN-ACKs per second that are none too many" },
	{ "factor", RULE_PARAM_RATIO, P(factor), 1, 1e4, 10, "how many times what is usual is too much" },
	{ "min_sources", RULE_PARAM_COUNT, P(min_sources), 1, 1e6, 20, "servers that take part" },
	{ "max_claimed", RULE_PARAM_RATIO, P(max_claimed), 0, 1, 0.5,
	  "share of the SYN-ACKs that a connection follows above which there is no alarm" },
	{ "clear_below", RULE_PARAM_RATIO, P(clear_below), 0.01, 1, 0.5, "share of the threshold below which it ends" },
	{ "clear_after", RULE_PARAM_DURATION, P(clear_after_ns), 1, 3600, 30, "how long it must be below" },
};

/* SYN-ACKs to SYNs that passed before the run began. */
#define WARM_UP_NS (800 * NS_PER_MS)

/* So many times the threshold is an emergency. */
#define URGENT_FACTOR 10

struct reflection_state {
	struct baseline usual;
	uint64_t second; /* of the last lesson */
	uint64_t began_ns;
	double now;       /* SYN-ACKs in the last second */
	uint8_t severity; /* of the alarm: it does not get less */
	struct stray_rate rate;
	struct stray_spread spread;
};

static void find(const void *parameters, const struct detect_scene *scene, void *memory, struct finding *finding)
{
	const struct reflection_params *p = parameters;
	struct reflection_state *state = memory;
	bool is_own = scene->alarm != NULL && scene->present_class == &detector_synack_reflection;
	struct stray_sums sums;

	stray_rate_take(&state->rate, scene, scene->began_ns + WARM_UP_NS);
	/* Nothing is less than any limit, and there is nothing to tell. */
	if (!is_own && stray_rate_is_zero(&state->rate, scene->now_ns)) {
		baseline_teach(&state->usual, &state->second, 0, false, scene->now_ns);
		state->began_ns = 0;
		state->now = 0;
		return;
	}
	stray_rate_sum(&state->rate, scene->now_ns, &sums);
	double synacks = sums.counts[STRAY_SYNACK];
	double net = greater(synacks - sums.claimed, 0);
	double limit = baseline_limit(&state->usual, p->floor, p->factor);
	bool is_over = net >= limit && sums.claimed <= p->max_claimed * synacks;

	if (is_over)
		stray_spread_see(scene, &state->spread);
	is_over = is_over && round(state->spread.sources) >= (double)p->min_sources;
	baseline_teach(&state->usual, &state->second, net, is_over || is_own, scene->now_ns);
	if (net >= p->clear_below * limit && state->began_ns == 0)
		state->began_ns = scene->now_ns - (STRAY_LAG_TICKS + 1) * STRAY_TICK_NS;
	else if (net < p->clear_below * limit && !is_own)
		state->began_ns = 0;
	state->now = sums.recent[STRAY_SYNACK];
	if (!is_over && !is_own)
		return;
	finding->is_alarming = is_over;
	finding->is_hot = is_over || state->now >= p->clear_below * limit;
	finding->is_suspicious = is_over;
	finding->score = 0.9;
	finding->level = state->now;
	finding->baseline = state->usual.mean;
	finding->threshold = limit;
	finding->extent = state->spread.sources;
	finding->confidence =
		(baseline_ready(&state->usual) ? 1 : 0.9) * (1 - 0.5 * sums.claimed / greater(synacks, 1));
	if (!is_own || state->severity != 1)
		state->severity = state->now >= URGENT_FACTOR * limit ? 1 : 2;
	finding->severity = state->severity;
	finding->began_ns = state->began_ns;
	finding->clear_after_ns = p->clear_after_ns;
}

static void explain(const void *parameters, const struct detect_scene *scene, const void *memory,
		    const struct finding *finding, enum alert_phase phase, struct event_alert *alert)
{
	const struct reflection_state *state = memory;
	char name[EVIDENCE_NAME_BYTES];
	char sources[EVIDENCE_SOURCES_BYTES];
	char from[32] = "";

	(void)parameters;
	(void)scene;
	(void)finding;
	evidence_name(&alert->target, name);
	evidence_sources(state->spread.sources, sources);
	if (state->spread.from_port_share >= 0.3)
		snprintf(from, sizeof(from), ", most on port %u", state->spread.from_port);
	if (phase == ALERT_CLEARED)
		snprintf(alert->explanation, sizeof(alert->explanation),
			 "The SYN-ACKs that %s never asked for have ended; at most there were %.0f/s.", name,
			 alert->peak);
	else
		snprintf(alert->explanation, sizeof(alert->explanation),
			 "%s gets %.0f SYN-ACK/s that it never asked for (usual: %.0f), from %s%s: somebody sends them "
			 "SYNs in its name. They are not the attackers; let SYN-ACKs without a connection be dropped "
			 "upstream, and watch the line's load.",
			 name, state->now, state->usual.mean, sources, from);
}

const struct detector detector_synack_reflection = {
	.name = "synack_reflection",
	.text = "SYN-ACKs from many servers to a host that asked none of them",
	.default_signature_id = 1000007,
	.default_severity = 2,
	.default_signature = "TCPWITNESS SYN-ACK reflection on a host",
	.default_category = "Attempted Denial of Service",
	.default_mitre_technique = "T1498.002",
	.default_mitre_tactic = "Impact",
	.params = params,
	.n_params = sizeof(params) / sizeof(params[0]),
	.params_bytes = sizeof(struct reflection_params),
	.kinds = 1 << SUMMARY_HOST,
	.group = INCIDENT_STRAY,
	.crowd = CROWD_STRAY,
	.target_bytes = sizeof(struct reflection_state),
	.glance_bytes = offsetof(struct reflection_state, rate.ticks),
	.find = find,
	.explain = explain,
};
