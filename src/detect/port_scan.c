/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Port scans: of one source, whichever way it goes and however slowly, and of many sources together.
 *
 * Of a source, distinct first contacts are judged by a threshold random walk, within some seconds and over an hour.
 * Failures alone make no scan: they must lie along ports or along hosts, and speak against successes of the same kind
 * only, for behind one address may be many hosts. A SYN scan resets what it finds open, which counts as a failure.
 * What is fast need not wait until answers are overdue: honest hosts' first answers would be there by then.
 */
#include "port_scan.h"

#include <math.h>
#include <string.h>

#include "detect_internal.h"
#include "inside.h"
#include "minmax.h"
#include "source_scene.h"

#define P(member) offsetof(struct port_scan_params, member)

static const struct rule_param params[] = {
	{ "ports", RULE_PARAM_COUNT, P(ports), 5, 65535, 20,
	  "ports of few hosts, or endpoints of many, that fail within 8 s" },
	{ "hosts", RULE_PARAM_COUNT, P(hosts), 5, 65535, 25, "hosts that fail on few ports within 8 s" },
	{ "slow_endpoints", RULE_PARAM_COUNT, P(slow_endpoints), 5, 65535, 20,
	  "endpoints that fail within slow_window" },
	{ "slow_window", RULE_PARAM_DURATION, P(slow_window_ns), 60, 24 * 3600, 3600,
	  "how long failures are remembered, at least" },
	{ "pending", RULE_PARAM_COUNT, P(pending), 10, 65535, 60, "endpoints asked at once that need not fail first" },
	{ "patience", RULE_PARAM_DURATION, P(patience_ns), 0.1, 10, 0.4,
	  "time in which a fifth of the pending would have been answered if it were no scan" },
	{ "min_failed", RULE_PARAM_RATIO, P(min_failed), 0.1, 1, 0.7,
	  "share of failures among first contacts of the same kind" },
	{ "alpha", RULE_PARAM_RATIO, P(alpha), 1e-9, 0.1, 1e-4,
	  "how often the random walk may accuse an honest source" },
	{ "beta", RULE_PARAM_RATIO, P(beta), 0.5, 0.999999, 0.99, "how often it finds a scanner" },
	{ "stealth", RULE_PARAM_COUNT, P(stealth), 3, 65535, 12,
	  "endpoints that get segments which no stack sends; twice as many of ACK and FIN-ACK" },
	{ "spread_endpoints", RULE_PARAM_COUNT, P(spread_endpoints), 10, 65535, 40,
	  "distributed: endpoints of one host or prefix that fail within 8 s" },
	{ "spread_sources", RULE_PARAM_COUNT, P(spread_sources), 2, 65535, 8, "distributed: sources that take part" },
	{ "clear_after", RULE_PARAM_DURATION, P(clear_after_ns), 1, 3600, 30,
	  "silence after which a fast scan is over" },
	{ "slow_clear_after", RULE_PARAM_DURATION, P(slow_clear_after_ns), 1, 24 * 3600, 300,
	  "silence after which a slow scan is over" },
};

/* Of a source whose SYNs are repeated as real stacks do, more hosts must fail; still more where all clients go. */
#define RETRIED_FACTOR 3
#define WEB_FACTOR     4

/* Until a real stack would have repeated its SYNs nobody can tell an inside host that spreads from one that scans. */
#define REPEAT_NS (1400 * NS_PER_MS)

/* What took longer is a slow scan, unless so many per second fail. */
#define FAST_NS   (30 * NS_PER_SEC)
#define FAST_RATE 2.0

/* ACKs and FIN-ACKs out of nowhere are ordinary when a run begins. */
#define STRAY_WAIT_NS     (3 * NS_PER_SEC)
#define STRAY_WARM_UP_NS  (60 * NS_PER_SEC)
#define STRAY_MAX_CLAIMED 0.1
#define STRAY_MIN_SHARE   0.7

/* A distributed scan asks each endpoint once, and each of its sources several; a flood does neither. */
#define SPREAD_MAX_REPEATS 1.6
#define SPREAD_MIN_EACH    2.0
#define SPREAD_MIN_HOSTS   5
#define SPREAD_MAX_ENTROPY 1.5
#define SPREAD_MAX_RETRIED 0.3

/* The failures of a span speak for all if they are so large a part: one in so many. */
#define SPREAD_MEANT_PART 8

/* And a quarter of a second is the scan's already if it has so large a part of what the scan's busiest one has. */
#define SPREAD_BEGUN_PART 4

/* By class, without the first, which has none. */
static const char *const class_names[SCAN_STEALTH + STRAY_COUNT] = {
	[SCAN_SLOW - 1] = "slow_scan",
	[SCAN_DISTRIBUTED - 1] = "distributed_scan",
	[SCAN_BLOCK - 1] = "block_scan",
	[SCAN_HORIZONTAL - 1] = "horizontal_scan",
	[SCAN_VERTICAL - 1] = "vertical_scan",
	[SCAN_STEALTH - 1 + STRAY_SYNACK] = "stealth_synack_scan",
	[SCAN_STEALTH - 1 + STRAY_RST] = "stealth_rst_scan",
	[SCAN_STEALTH - 1 + STRAY_FIN] = "stealth_fin_scan",
	[SCAN_STEALTH - 1 + STRAY_FIN_ACK] = "stealth_maimon_scan",
	[SCAN_STEALTH - 1 + STRAY_ACK] = "stealth_ack_scan",
	[SCAN_STEALTH - 1 + STRAY_NULL] = "stealth_null_scan",
	[SCAN_STEALTH - 1 + STRAY_XMAS] = "stealth_xmas_scan",
	[SCAN_STEALTH - 1 + STRAY_OTHER] = "stealth_odd_flags_scan",
};

const char *port_scan_class_name(unsigned class)
{
	return class > SCAN_NONE && class < SCAN_STEALTH + STRAY_COUNT ? class_names[class - 1] : NULL;
}

/* --- what is new --- */

static void first_look(struct port_scan_state *state, const struct detect_scene *scene)
{
	const struct summary *summary = scene->summary;
	uint64_t seen = crowd_recent(summary, CROWD_FAILING, scene->now_ns);
	uint64_t failed = source_failures(summary);

	state->is_first_look_done = true;
	state->unseen = failed > seen ? failed - seen : 0;
	/* Of a source that does much else besides, it began now. */
	state->activity.began_ns = 2 * failed >= summary->totals[SUMMARY_ATTEMPTS] ? summary->since_ns : scene->now_ns;
	state->activity.active_ns = scene->now_ns;
	/* What strayed before is not in the crowd, but for that of now. */
	if (crowd_recent(summary, CROWD_STRAY, scene->now_ns) == 0)
		memcpy(state->stray_totals, &summary->totals[SUMMARY_STRAYS], sizeof(state->stray_totals));
	state->claimed_total = 0;
}

static uint64_t take_strays(struct port_scan_state *state, const struct detect_scene *scene, uint64_t pause_ns)
{
	const struct summary *summary = scene->summary;
	uint64_t n_new = crowd_growth(&state->strays, summary, CROWD_STRAY, scene->now_ns);

	if (n_new == 0)
		return 0;
	if (state->stray_ns == 0 || ns_since(scene->now_ns, state->activity.active_ns) > pause_ns) {
		memset(&state->stray, 0, sizeof(state->stray));
		memset(state->stray_counts, 0, sizeof(state->stray_counts));
		state->stray_claimed = 0;
		state->stray_ns = scene->now_ns;
		state->stray_scan_ns = 0;
	}
	reach_add(&state->stray, summary, CROWD_STRAY, scene->now_ns, n_new);
	for (int i = 0; i < STRAY_COUNT; i++) {
		state->stray_counts[i] += summary->totals[SUMMARY_STRAYS + i] - state->stray_totals[i];
		state->stray_totals[i] = summary->totals[SUMMARY_STRAYS + i];
	}
	return n_new;
}

/* Takes what is new into the state; true if anything is that may matter. */
static bool take(struct port_scan_state *state, const struct detect_scene *scene, const struct port_scan_params *p)
{
	const struct summary *summary = scene->summary;
	struct reach_period *period = reach_period_at(state->periods, p->slow_window_ns, scene->now_ns);

	if (!state->is_first_look_done)
		first_look(state, scene);
	uint64_t trying = crowd_growth(&state->trying, summary, CROWD_TRYING, scene->now_ns);
	uint64_t failed = crowd_growth(&state->failed, summary, CROWD_FAILING, scene->now_ns);
	uint64_t answered = crowd_growth(&state->answered, summary, CROWD_ANSWERED, scene->now_ns);
	uint64_t strays = take_strays(state, scene, p->slow_clear_after_ns);
	uint64_t claimed = summary->totals[SUMMARY_STRAYS_CLAIMED];

	state->stray_claimed += claimed - state->claimed_total;
	state->claimed_total = claimed;
	if (failed > 0)
		reach_add(&period->failed, summary, CROWD_FAILING, scene->now_ns, failed);
	if (answered > 0)
		reach_add_answers(&period->answered, summary, scene->now_ns);
	source_activity_note(&state->activity, failed + strays, p->slow_clear_after_ns, scene->now_ns);
	return trying + failed + answered + strays > 0 || state->pending_ns != 0 || state->stray_scan_ns != 0;
}

/* --- one source --- */

static bool is_scan(const struct reach_view *view, double limit, const struct port_scan_params *p)
{
	return view->shape != REACH_SCATTERED && round(view->count) >= limit &&
	       view->count >= p->min_failed * (view->count + view->against) &&
	       reach_likelihood(view->count, view->against) >= log(p->beta / p->alpha);
}

static enum port_scan_class class_of(enum reach_shape shape)
{
	switch (shape) {
	case REACH_VERTICAL:
		return SCAN_VERTICAL;
	case REACH_HORIZONTAL:
		return SCAN_HORIZONTAL;
	case REACH_BLOCK:
		return SCAN_BLOCK;
	case REACH_SCATTERED:
		break;
	}
	return SCAN_NONE;
}

static double hosts_factor(const struct summary *summary, const struct reach_view *view)
{
	if (view->shape != REACH_HORIZONTAL || !source_is_retried(summary))
		return 1;
	return view->port == 443 || view->port == 80 ? WEB_FACTOR : RETRIED_FACTOR;
}

static double fast_limit(const struct summary *summary, const struct reach_view *view, const struct port_scan_params *p)
{
	if (view->shape == REACH_HORIZONTAL)
		return (double)p->hosts * hosts_factor(summary, view);
	return (double)p->ports;
}

/* What the failures of the last seconds show. */
static enum port_scan_class judge_recent(const struct detect_scene *scene, const struct port_scan_params *p,
					 struct reach_view *view)
{
	struct reach_period recent = { 0 };
	uint64_t failures = crowd_recent(scene->summary, CROWD_FAILING, scene->now_ns);

	if ((double)failures < lesser((double)p->ports, (double)p->hosts))
		return SCAN_NONE;
	reach_add(&recent.failed, scene->summary, CROWD_FAILING, scene->now_ns, failures);
	reach_add_answers(&recent.answered, scene->summary, scene->now_ns);
	reach_see(&recent, view);
	return is_scan(view, fast_limit(scene->summary, view, p), p) ? class_of(view->shape) : SCAN_NONE;
}

/*
 * Many endpoints are asked at once, and after a while nearly none of those has answered. The view is of all that are
 * asked, as if they had failed.
 */
static enum port_scan_class judge_pending(struct port_scan_state *state, const struct detect_scene *scene,
					  const struct port_scan_params *p, struct reach_view *view)
{
	struct reach_period asked = { 0 };
	uint64_t trying = crowd_recent(scene->summary, CROWD_TRYING, scene->now_ns);
	uint64_t answered = crowd_recent(scene->summary, CROWD_ANSWERED, scene->now_ns);
	uint64_t unanswered = trying > answered ? trying - answered : 0;
	bool is_pending = trying >= p->pending && 5 * unanswered >= 4 * trying;

	if (is_pending) {
		reach_add(&asked.failed, scene->summary, CROWD_TRYING, scene->now_ns, trying);
		reach_see(&asked, view);
		is_pending = round(view->count) >= (double)p->pending && view->shape != REACH_SCATTERED;
	}
	if (!is_pending) {
		state->pending_ns = 0;
		return SCAN_NONE;
	}
	if (state->pending_ns == 0) {
		state->pending_ns = scene->now_ns;
		state->pending_tried = view->count;
	}
	if (ns_since(scene->now_ns, state->pending_ns) < p->patience_ns ||
	    (double)answered > 0.2 * state->pending_tried)
		return SCAN_NONE;
	/* Real clients that are cut off send their SYN again; whether these are such shows after a second. */
	if (view->shape == REACH_HORIZONTAL &&
	    (source_is_outage(scene, trying) || view->count < WEB_FACTOR * (double)p->hosts))
		return SCAN_NONE;
	return class_of(view->shape);
}

/* What the failures of the last hour show. */
static enum port_scan_class judge_slow(const struct port_scan_state *state, const struct detect_scene *scene,
				       const struct port_scan_params *p, struct reach_view *view)
{
	struct reach_period both;
	uint64_t failures = state->periods[0].failed.connections + state->periods[1].failed.connections;

	if (failures + state->unseen < p->slow_endpoints || failures < p->slow_endpoints / 3)
		return SCAN_NONE;
	reach_both(state->periods, p->slow_window_ns, scene->now_ns, &both);
	reach_see(&both, view);
	/* If all that was seen was new each time, so was what failed before anybody looked. */
	double seen = (double)both.failed.connections;
	if (seen > 0 && view->count > 0.8 * seen)
		view->count += (double)state->unseen * lesser(view->count / seen, 1);
	if (!is_scan(view, (double)p->slow_endpoints * hosts_factor(scene->summary, view), p))
		return SCAN_NONE;
	return SCAN_SLOW;
}

/* Which kind of stray segment the source sends, if it is one that scanners send. */
static int stray_kind(const struct port_scan_state *state, double *share)
{
	uint64_t all = 0;
	int main_kind = STRAY_OTHER;

	for (int i = 0; i < STRAY_COUNT; i++) {
		all += state->stray_counts[i];
		if (state->stray_counts[i] > state->stray_counts[main_kind])
			main_kind = i;
	}
	*share = all == 0 ? 0 : (double)state->stray_counts[main_kind] / (double)all;
	return main_kind;
}

/* ACKs of connections that began unseen look like an ACK scan for a moment; and their ports are clients' ports. */
static bool is_ordinary_stray(const struct port_scan_state *state, const struct detect_scene *scene,
			      const struct reach_view *view)
{
	int low = 0;
	int n = 0;

	for (; n < REACH_EXAMPLES && state->stray.examples[n].priority != 0; n++)
		low += state->stray.examples[n].is_low;
	if (low < STRAY_MIN_SHARE * n || (double)state->stray_claimed > STRAY_MAX_CLAIMED * view->count)
		return true;
	return view->shape != REACH_VERTICAL && ns_since(scene->now_ns, scene->began_ns) < STRAY_WARM_UP_NS;
}

static enum port_scan_class judge_strays(struct port_scan_state *state, const struct detect_scene *scene,
					 const struct port_scan_params *p, struct reach_view *view)
{
	struct reach_period strays = { 0 };
	double share;
	int kind = stray_kind(state, &share);
	bool is_ambiguous = kind == STRAY_ACK || kind == STRAY_FIN_ACK;
	double limit = (double)p->stealth * (is_ambiguous ? 2 : 1);

	if (source_activity_fresh(&state->activity) == 0 || state->stray_ns == 0 || kind == STRAY_SYNACK ||
	    kind == STRAY_RST || share < STRAY_MIN_SHARE || (double)state->stray_counts[kind] < limit)
		return SCAN_NONE;
	strays.failed = state->stray;
	reach_see(&strays, view);
	if (view->failed < limit || view->shape == REACH_SCATTERED ||
	    (is_ambiguous && is_ordinary_stray(state, scene, view))) {
		state->stray_scan_ns = 0;
		return SCAN_NONE;
	}
	if (state->stray_scan_ns == 0)
		state->stray_scan_ns = scene->now_ns;
	if (is_ambiguous && ns_since(scene->now_ns, state->stray_scan_ns) < STRAY_WAIT_NS)
		return SCAN_NONE;
	return (enum port_scan_class)(SCAN_STEALTH + kind);
}

static bool is_sure_horizontal(const struct port_scan_state *state, const struct detect_scene *scene)
{
	uint64_t trying = crowd_recent(scene->summary, CROWD_TRYING, scene->now_ns);

	/* An inside host that spreads is the matter of connection_fan_out. */
	if (source_is_retried(scene->summary))
		return !ip_addr_is_inside(&scene->key->ip) && !source_is_outage(scene, trying);
	/* What is refused is not sent again. */
	return !ip_addr_is_inside(&scene->key->ip) || 2 * scene->summary->totals[SUMMARY_REFUSED] > trying ||
	       ns_since(scene->now_ns, state->activity.began_ns) >= REPEAT_NS;
}

static bool is_going_on(const struct port_scan_state *state)
{
	unsigned enough = state->is_fast ? 3 : 1;

	return source_activity_fresh(&state->activity) >= enough;
}

/* What opens many ports may be found late; it is slow only if it goes slowly. */
static bool is_at_a_walk(const struct port_scan_state *state, const struct detect_scene *scene,
			 const struct reach_view *view)
{
	uint64_t lasts_ns = ns_since(scene->now_ns, state->activity.began_ns);

	return lasts_ns >= FAST_NS && view->count < FAST_RATE * ns_to_seconds(lasts_ns);
}

static enum port_scan_class judge_source(struct port_scan_state *state, const struct detect_scene *scene,
					 const struct port_scan_params *p, bool is_own, struct reach_view *view)
{
	enum port_scan_class class = judge_strays(state, scene, p, view);

	if (class == SCAN_NONE)
		class = judge_recent(scene, p, view);
	if (class == SCAN_NONE)
		class = judge_pending(state, scene, p, view);
	if (class == SCAN_HORIZONTAL && !is_sure_horizontal(state, scene))
		class = SCAN_NONE;
	/* What was fast is over when it is no longer fast, whatever else fails now and then. */
	state->is_fast = class != SCAN_NONE || (is_own && state->is_fast);
	if (state->is_fast && (class != SCAN_NONE || !is_own || !is_going_on(state)))
		return class;
	class = judge_slow(state, scene, p, view);
	if (class == SCAN_NONE || (!state->is_fast && is_at_a_walk(state, scene, view)))
		return class;
	state->is_fast = true;
	return class_of(view->shape);
}

/* --- many sources --- */

static double recent_sources(const struct detect_scene *scene)
{
	const struct summary_crowd *now = summary_crowd_now(scene->summary, CROWD_FAILING, scene->now_ns);
	const struct summary_crowd *before = summary_crowd_before(scene->summary, CROWD_FAILING, scene->now_ns);
	struct hyperloglog sources;

	hyperloglog_clear(&sources);
	if (now != NULL)
		summary_crowd_add_sources(&sources, now);
	if (before != NULL)
		summary_crowd_add_sources(&sources, before);
	return hyperloglog_estimate(&sources);
}

/* One tool, or several alike; clients of a network that is down are of many kinds, and send their SYNs again. */
static bool is_concerted(const struct detect_scene *scene)
{
	const struct summary_crowd *now = summary_crowd_now(scene->summary, CROWD_FAILING, scene->now_ns);
	const struct summary_crowd *crowd = summary_crowd_before(scene->summary, CROWD_FAILING, scene->now_ns);
	uint64_t counts[SUMMARY_COHORT_COUNTERS];
	uint64_t last = scene->now_ns / SUMMARY_SLOT_NS;

	/* The few that failed in the span before a scan are not of it. */
	if (crowd == NULL || (now != NULL && now->connections > crowd->connections))
		crowd = now;
	if (crowd == NULL || summary_crowd_entropy(crowd) > SPREAD_MAX_ENTROPY)
		return false;
	summary_sum(scene->summary, last > 24 ? last - 24 : 0, last > 5 ? last - 5 : 0, counts);
	return (double)counts[SUMMARY_RETRIED] < SPREAD_MAX_RETRIED * (double)counts[SUMMARY_ATTEMPTS];
}

/* The source of most of it has an alarm of its own. The few that failed in the span before a scan say nothing. */
static bool has_main_source(const struct summary_crowd *crowd, uint64_t failures)
{
	if (crowd == NULL || SPREAD_MEANT_PART * crowd->connections < failures)
		return false;
	for (unsigned i = 0; i < crowd->n_sampled; i++) {
		const struct ip_addr *client = &summary_crowd_sampled(crowd, i)->client;
		unsigned alike = 0;
		for (unsigned k = 0; k < crowd->n_sampled; k++)
			alike += ip_addr_equal(&summary_crowd_sampled(crowd, k)->client, client);
		if (2 * alike >= crowd->n_sampled)
			return true;
	}
	return false;
}

static enum port_scan_class judge_target(struct port_scan_state *state, const struct detect_scene *scene,
					 const struct port_scan_params *p, struct reach_view *view)
{
	uint64_t failures = crowd_recent(scene->summary, CROWD_FAILING, scene->now_ns);

	if (failures < p->spread_endpoints)
		return SCAN_NONE;
	/* Floods, of which there are more, differ from scans in how many were asked and how many asked. */
	double endpoints = reach_endpoints(scene->summary, CROWD_FAILING, scene->now_ns);
	if (round(endpoints) < (double)p->spread_endpoints || (double)failures > SPREAD_MAX_REPEATS * endpoints)
		return SCAN_NONE;
	state->sources = recent_sources(scene);
	if (round(state->sources) < (double)p->spread_sources || (double)failures < SPREAD_MIN_EACH * state->sources ||
	    !is_concerted(scene) ||
	    has_main_source(summary_crowd_now(scene->summary, CROWD_FAILING, scene->now_ns), failures) ||
	    has_main_source(summary_crowd_before(scene->summary, CROWD_FAILING, scene->now_ns), failures))
		return SCAN_NONE;
	struct reach_period recent = { 0 };
	reach_add(&recent.failed, scene->summary, CROWD_FAILING, scene->now_ns, failures);
	reach_see(&recent, view);
	view->count = view->failed;
	/* Of a prefix only what its hosts do not show. */
	if (scene->key->kind == SUMMARY_PREFIX && (scene->n_alarms_below > 0 || round(view->hosts) < SPREAD_MIN_HOSTS))
		return SCAN_NONE;
	state->is_fast = true;
	return SCAN_DISTRIBUTED;
}

/*
 * When a scan of many began: in the earliest of the last slots in which so many attempts did not complete as do in one
 * of the scan's. A slow one has slots without any.
 */
static uint64_t spread_began_ns(const struct detect_scene *scene)
{
	enum { SLOTS = SUMMARY_SPAN_NS / SUMMARY_SLOT_NS };
	uint64_t counts[SUMMARY_COHORT_COUNTERS];
	uint64_t lost[SLOTS];
	uint64_t last = scene->now_ns / SUMMARY_SLOT_NS;
	uint64_t most = 0;
	int i = 0;

	for (; i < SLOTS; i++) {
		uint64_t slot = last >= SLOTS ? last - SLOTS + 1 + (uint64_t)i : 0;
		summary_sum(scene->summary, slot, slot, counts);
		lost[i] = counts[SUMMARY_ATTEMPTS] - counts[SUMMARY_COMPLETED];
		most = lost[i] > most ? lost[i] : most;
	}
	for (i = 0; i < SLOTS - 1 && (lost[i] == 0 || SPREAD_BEGUN_PART * lost[i] < most);)
		i++;
	return (last - (uint64_t)(SLOTS - 1 - i)) * SUMMARY_SLOT_NS;
}

/* --- both --- */

/* What the explanation will name. */
static void keep_evidence(struct port_scan_state *state, const struct detect_scene *scene,
			  const struct port_scan_params *p, const struct reach_view *view, bool is_own)
{
	struct reach_period both;
	struct reach_view longer;
	double found = is_own ? state->view.found : 0;

	reach_both(state->periods, p->slow_window_ns, scene->now_ns, &both);
	reach_see(&both, &longer);
	state->view = *view;
	if (state->class < SCAN_STEALTH && longer.shape == view->shape && longer.count > view->count)
		state->view = longer;
	/* What answered before anybody looked is known by its number only, if the source does little else. */
	if (2 * source_failures(scene->summary) >= scene->summary->totals[SUMMARY_ATTEMPTS])
		state->view.found = greater(state->view.found, (double)scene->summary->totals[SUMMARY_ANSWERED]);
	/* What was open once is not unknown to the scanner later. */
	state->view.found = greater(state->view.found, found);
	const struct reach_side *asked = state->class >= SCAN_STEALTH ? &state->stray : &both.failed;
	struct reach_side trying = { 0 };
	if (asked->examples[0].priority == 0) {
		reach_add(&trying, scene->summary, CROWD_TRYING, scene->now_ns, 0);
		asked = &trying;
	}
	memcpy(state->targets, asked->examples, sizeof(state->targets));
	reach_found(&both, view->shape, state->open);
}

static double confidence(const struct port_scan_state *state, const struct detect_scene *scene)
{
	const struct reach_view *view = &state->view;
	double sure = 1 - 0.3 * view->against / greater(view->count + view->against, 1);

	if (state->class == SCAN_SLOW)
		sure *= 0.9;
	if (state->class == SCAN_DISTRIBUTED)
		sure *= 0.8;
	return scene->visibility->kernel_dropped > 0 ? sure * 0.95 : sure;
}

/* Begins anew behind an alarm: what is remembered has been told. */
static void forget(struct port_scan_state *state)
{
	memset(state->periods, 0, sizeof(state->periods));
	state->unseen = 0;
	state->stray_ns = 0;
	state->stray_scan_ns = 0;
	state->is_fast = false;
	state->class = SCAN_NONE;
}

static void find(const void *parameters, const struct detect_scene *scene, void *memory, struct finding *finding)
{
	const struct port_scan_params *p = parameters;
	struct port_scan_state *state = memory;
	bool is_source = scene->key->kind == SUMMARY_SOURCE;
	bool is_own = scene->alarm != NULL && scene->present_class == &detector_port_scan;
	struct reach_view view = { 0 };
	enum port_scan_class class = SCAN_NONE;

	if (state->was_told && scene->alarm == NULL && !scene->is_folded)
		forget(state);
	state->was_told = is_own || scene->is_folded;
	if (take(state, scene, p))
		class = is_source ? judge_source(state, scene, p, is_own, &view) : judge_target(state, scene, p, &view);
	if (class != SCAN_NONE) {
		/* An open alarm keeps its class unless a better one is found. */
		if (!is_own || class >= state->class)
			state->class = (uint8_t) class;
		if (!is_source && !is_own)
			state->activity.began_ns = spread_began_ns(scene);
		keep_evidence(state, scene, p, &view, is_own);
	}
	if (class == SCAN_NONE && !is_own)
		return;
	finding->is_alarming = class != SCAN_NONE;
	finding->is_hot = is_going_on(state);
	finding->is_suspicious = finding->is_alarming;
	finding->score = state->view.shape == REACH_HORIZONTAL && source_is_retried(scene->summary) ? 0.6 : 0.8;
	finding->level = state->view.count;
	finding->threshold = (double)(state->class == SCAN_SLOW ? p->slow_endpoints : p->ports);
	finding->extent = is_source ? state->view.hosts : state->sources;
	finding->confidence = confidence(state, scene);
	finding->severity = is_source && ip_addr_is_inside(&scene->key->ip) ? 2 : 3;
	finding->began_ns = state->activity.began_ns;
	finding->clear_after_ns = state->is_fast ? p->clear_after_ns : p->slow_clear_after_ns;
	finding->class_name = port_scan_class_name(state->class);
	finding->asked = is_source ? state->targets : NULL;
}

const struct detector detector_port_scan = {
	.name = "port_scan",
	.text = "sources that try ports or hosts one after the other, and many that do so together",
	.default_signature_id = 1000005,
	.default_severity = 3,
	.default_signature = "TCPWITNESS Port scan",
	.default_category = "Detection of a Network Scan",
	.default_mitre_technique = "T1595.001",
	.default_mitre_tactic = "Reconnaissance",
	.params = params,
	.n_params = sizeof(params) / sizeof(params[0]),
	.params_bytes = sizeof(struct port_scan_params),
	.class_names = class_names,
	.kinds = 1 << SUMMARY_SOURCE | 1 << SUMMARY_HOST | 1 << SUMMARY_PREFIX,
	.group = INCIDENT_SOURCE,
	.crowd = CROWD_FAILING,
	.target_bytes = sizeof(struct port_scan_state),
	.glance_bytes = offsetof(struct port_scan_state, stray),
	.find = find,
	.explain = port_scan_explain,
};
