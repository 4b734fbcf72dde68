/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Floods of segments that belong to no connection: ACK, RST, FIN, and flags that no stack sends. Each makes its
 * receiver, and every firewall on the way, look for a connection that is not there.
 *
 * What belongs to connections that began unseen is taken back as soon as the connection shows. Where that cannot be,
 * for only one direction passes the tap, ordinary connections have many segments each; a flood has few.
 */
#include <math.h>
#include <stdio.h>

#include "baseline.h"
#include "detect_internal.h"
#include "evidence.h"
#include "judgement.h"
#include "minmax.h"
#include "stray_rate.h"

struct stray_flood_params {
	double floor;
	double factor;
	double max_claimed;
	double min_share;
	double max_per_flow;
	double clear_below;
	uint64_t clear_after_ns;
};

#define P(member) offsetof(struct stray_flood_params, member)

static const struct rule_param params[] = {
	{ "floor", RULE_PARAM_RATE, P(floor), 1, 1e9, 200, "stray segments per second that are none too many" },
	{ "factor", RULE_PARAM_RATIO, P(factor), 1, 1e4, 10, "how many times what is usual is too much" },
	{ "min_share", RULE_PARAM_RATIO, P(min_share), 0, 1, 0.5,
	  "share of stray segments in these and the connections that are tried" },
	{ "max_claimed", RULE_PARAM_RATIO, P(max_claimed), 0, 1, 0.3,
	  "share of the stray segments that turn out to belong to connections above which there is no alarm" },
	{ "max_per_flow", RULE_PARAM_RATIO, P(max_per_flow), 1, 1e6, 4,
	  "ACKs on the same addresses and ports above which they pass for half of a connection" },
	{ "clear_below", RULE_PARAM_RATIO, P(clear_below), 0.01, 1, 0.5, "share of the threshold below which it ends" },
	{ "clear_after", RULE_PARAM_DURATION, P(clear_after_ns), 1, 3600, 30, "how long it must be below" },
};

/* So many times the threshold is an emergency. */
#define URGENT_FACTOR 10

/* When both directions of connections pass the tap, no half of one is ordinary. */
#define TWO_WAY_MIN    20
#define TWO_WAY_FACTOR 4

/* Where it is not known that both directions pass, of so few sources it must be so much more. */
#define FEW_SOURCES 2
#define FEW_FACTOR  3

#define SCAN_PORT_SHARE 0.2

/* In what passes before, connections of the time before the run show up all at once. */
#define WARM_UP_NS          (5 * NS_PER_SEC)
#define WARM_UP_MAX_CLAIMED 0.1

enum flood_class { FLOOD_ACK, FLOOD_RST, FLOOD_FIN, FLOOD_XMAS, FLOOD_NULL, FLOOD_ODD, FLOOD_CLASSES };

static const char *const class_names[FLOOD_CLASSES + 1] = {
	[FLOOD_ACK] = "ack_flood",   [FLOOD_RST] = "rst_flood",   [FLOOD_FIN] = "fin_flood",
	[FLOOD_XMAS] = "xmas_flood", [FLOOD_NULL] = "null_flood", [FLOOD_ODD] = "odd_flags_flood",
	[FLOOD_CLASSES] = NULL,
};

/* What the segments are called for people. */
static const char *const class_texts[FLOOD_CLASSES] = {
	[FLOOD_ACK] = "ACK",   [FLOOD_RST] = "RST",      [FLOOD_FIN] = "FIN", [FLOOD_XMAS] = "Xmas (FIN, PSH, URG)",
	[FLOOD_NULL] = "NULL", [FLOOD_ODD] = "odd-flag",
};

struct stray_flood_state {
	struct baseline usual;
	uint64_t second; /* of the last lesson */
	uint64_t began_ns;
	double now; /* in the last second */
	uint8_t class;
	uint8_t severity; /* of the alarm: it does not get less */
	struct stray_rate rate;
	struct stray_spread spread;
};

static void sort(const double counts[static STRAY_COUNT], double by_class[static FLOOD_CLASSES])
{
	by_class[FLOOD_ACK] = counts[STRAY_ACK];
	by_class[FLOOD_RST] = counts[STRAY_RST];
	by_class[FLOOD_FIN] = counts[STRAY_FIN] + counts[STRAY_FIN_ACK];
	by_class[FLOOD_XMAS] = counts[STRAY_XMAS];
	by_class[FLOOD_NULL] = counts[STRAY_NULL];
	by_class[FLOOD_ODD] = counts[STRAY_OTHER];
}

static double sum(const double by_class[static FLOOD_CLASSES])
{
	double all = 0;

	for (int i = 0; i < FLOOD_CLASSES; i++)
		all += by_class[i];
	return all;
}

static uint8_t main_class(const double by_class[static FLOOD_CLASSES])
{
	uint8_t most = 0;

	for (uint8_t i = 1; i < (uint8_t)FLOOD_CLASSES; i++)
		if (by_class[i] > by_class[most])
			most = i;
	return most;
}

static bool is_two_way(const struct detect_visibility *visibility)
{
	return visibility->two_way_connections >= TWO_WAY_MIN &&
	       visibility->two_way_connections >= TWO_WAY_FACTOR * visibility->one_way_connections;
}

/* What has another reason than a flood. */
static bool is_ordinary(const struct stray_flood_state *state, const struct detect_scene *scene,
			const struct stray_flood_params *p)
{
	const struct stray_spread *spread = &state->spread;

	/* ACKs of whom the other half is not seen. */
	if ((state->class == FLOOD_ACK || state->class == FLOOD_FIN) && !is_two_way(scene->visibility) &&
	    spread->segments > p->max_per_flow * spread->flows)
		return true;
	/* Few sources that go from port to port scan it. */
	if (round(spread->sources) <= FEW_SOURCES && spread->port_share < SCAN_PORT_SHARE)
		return true;
	/* A capture of what a host says to itself. */
	if (spread->is_own)
		return true;
	/* One host refuses what was sent to many of its ports: the answers to a stealth scan. */
	return state->class == FLOOD_RST && round(spread->sources) <= 2 && spread->from_port_share < 0.2 &&
	       spread->port_share > 0.5;
}

static bool is_one_way(const struct detect_visibility *visibility)
{
	return visibility->one_way_connections >= TWO_WAY_MIN &&
	       visibility->one_way_connections > visibility->two_way_connections;
}

static void find(const void *parameters, const struct detect_scene *scene, void *memory, struct finding *finding)
{
	const struct stray_flood_params *p = parameters;
	struct stray_flood_state *state = memory;
	bool is_own = scene->alarm != NULL && scene->present_class == &detector_out_of_state_flood;
	bool is_early = ns_since(scene->now_ns, scene->began_ns) < WARM_UP_NS;
	double by_class[FLOOD_CLASSES];
	double recent[FLOOD_CLASSES];
	struct stray_sums sums;

	stray_rate_take(&state->rate, scene, 0);
	/* Nothing is less than any limit, and there is nothing to tell. */
	if (!is_own && stray_rate_is_zero(&state->rate, scene->now_ns)) {
		baseline_teach(&state->usual, &state->second, 0, false, scene->now_ns);
		state->began_ns = 0;
		state->now = 0;
		return;
	}
	stray_rate_sum(&state->rate, scene->now_ns, &sums);
	sort(sums.counts, by_class);
	sort(sums.recent, recent);
	double strays = sum(by_class);
	double net = greater(strays - sums.claimed, 0);
	double limit = baseline_limit(&state->usual, p->floor, p->factor);
	double max_claimed = is_early ? lesser(p->max_claimed, WARM_UP_MAX_CLAIMED) : p->max_claimed;
	bool is_over =
		net >= limit && sums.claimed <= max_claimed * strays && net >= p->min_share * (net + sums.attempts);

	if (is_over) {
		state->class = main_class(by_class);
		stray_spread_see(scene, &state->spread);
		is_over = !is_ordinary(state, scene, p) &&
			  (is_two_way(scene->visibility) || round(state->spread.sources) > FEW_SOURCES ||
			   net >= FEW_FACTOR * limit);
	}
	baseline_teach(&state->usual, &state->second, net, is_over || is_own, scene->now_ns);
	if (net >= p->clear_below * limit && state->began_ns == 0)
		state->began_ns = scene->now_ns - (STRAY_LAG_TICKS + 1) * STRAY_TICK_NS;
	else if (net < p->clear_below * limit && !is_own)
		state->began_ns = 0;
	state->now = sum(recent);
	if (!is_over && !is_own)
		return;
	finding->is_alarming = is_over;
	finding->is_hot = is_over || state->now >= p->clear_below * limit;
	finding->is_suspicious = is_over;
	finding->score = 0.8;
	finding->level = state->now;
	finding->baseline = state->usual.mean;
	finding->threshold = limit;
	finding->extent = state->spread.sources;
	finding->confidence = (baseline_ready(&state->usual) ? 1 : 0.9) * (is_two_way(scene->visibility) ? 1 : 0.8);
	if (!is_own || state->severity != 1)
		state->severity = state->now >= URGENT_FACTOR * limit ? 1 : 2;
	finding->severity = state->severity;
	finding->began_ns = state->began_ns;
	finding->clear_after_ns = p->clear_after_ns;
	finding->class_name = class_names[state->class];
}

static void explain(const void *parameters, const struct detect_scene *scene, const void *memory,
		    const struct finding *finding, enum alert_phase phase, struct event_alert *alert)
{
	const struct stray_flood_state *state = memory;
	char name[EVIDENCE_NAME_BYTES];
	char sources[EVIDENCE_SOURCES_BYTES];
	char port[32] = "";

	(void)parameters;
	(void)finding;
	evidence_name(&alert->target, name);
	evidence_sources(state->spread.sources, sources);
	if (state->spread.port_share >= 0.5)
		snprintf(port, sizeof(port), ", most to port %u", state->spread.port);
	if (phase == ALERT_CLEARED)
		snprintf(alert->explanation, sizeof(alert->explanation),
			 "The flood of %s segments without a connection on %s is over; at most there were %.0f/s.",
			 class_texts[state->class], name, alert->peak);
	else
		snprintf(alert->explanation, sizeof(alert->explanation),
			 "%s gets %.0f %s segments/s that belong to no connection (usual: %.0f), from %s%s: let a "
			 "stateful filter in front of it drop what has no connection, and rate-limit upstream.%s",
			 name, state->now, class_texts[state->class], state->usual.mean, sources, port,
			 is_one_way(scene->visibility)
				 ? " Most connections pass here in one direction only: check the mirror port first."
				 : "");
}

const struct detector detector_out_of_state_flood = {
	.name = "out_of_state_flood",
	.text = "floods of ACK, RST, FIN and odd segments that belong to no connection",
	.default_signature_id = 1000009,
	.default_severity = 2,
	.default_signature = "TCPWITNESS Flood of segments without a connection",
	.default_category = "Attempted Denial of Service",
	.default_mitre_technique = "T1498.001",
	.default_mitre_tactic = "Impact",
	.params = params,
	.n_params = sizeof(params) / sizeof(params[0]),
	.params_bytes = sizeof(struct stray_flood_params),
	.class_names = class_names,
	.kinds = 1 << SUMMARY_HOST,
	.group = INCIDENT_STRAY,
	.crowd = CROWD_STRAY,
	.target_bytes = sizeof(struct stray_flood_state),
	.glance_bytes = offsetof(struct stray_flood_state, rate.ticks),
	.find = find,
	.explain = explain,
};
