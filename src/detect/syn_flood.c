/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SYN floods against a service, or a host over its ports: attempts that never become connections (detection science,
 * sections 5 and 6, D1). What counts is what became of attempts, in cohorts: a cohort is judged when each of its
 * attempts had time to complete and each real client time to send its SYN again. Over the judged cohorts runs a one-
 * sided CUSUM in units of the threshold, so that a rate at the threshold is found after the window, a higher one
 * sooner. A fast path judges strong floods as soon as handshakes are overdue by the target's own standards.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tcpwitness/base/units.h"

#include "detect_internal.h"
#include "evidence.h"

/*
 * A cohort is judged so long after its end: the tracker's deadline, and the first retransmission of real stacks, are
 * at 1 s.
 */
#define MATURE_NS (1200 * NS_PER_MS)

/* Rates are means over so many judged cohorts: 2 s. */
enum { RATE_SLOTS = 8 };

/* The fast path's window: 1 s. */
enum { FAST_SLOTS = 4 };

/* Baselines get a sample every so many cohorts: 1 s. */
enum { SAMPLE_SLOTS = 4 };

/*
 * The CUSUM falls where the rate is below this share of the threshold: one window at the threshold is then the limit.
 */
#define SLACK 0.8

/* It may not grow so far that the end of a flood would not be noticed. */
#define MAX_EXCESS_WINDOWS 2.0

/* Share of attempts that come to nothing where nothing else is known, and the least that is expected anywhere. */
#define USUAL_SHARE_UNKNOWN 0.10
#define USUAL_SHARE_LEAST   0.015
#define USUAL_SHARE_MOST    0.25

/* How long a handshake may take before the fast path counts it as overdue; the first where none was seen. */
#define OVERDUE_UNKNOWN_S 0.4
#define OVERDUE_LEAST_S   0.1
#define OVERDUE_MOST_S    1.0

/* The fast path's demands: it decides before real clients could be told from others by their retransmissions. */
#define FAST_MAX_COMPLETED 0.5
#define FAST_MIN_SOURCES   32.0
#define FAST_MAX_ENTROPY   2.5 /* bits of fingerprints, where no handshake ever completed */

/* Refused attempts are load, not half-open state: they count only when their sources look made up. */
#define REFUSED_MIN_SPOOFED 0.8

/* A flood of a whole host: over so many of 64 groups of ports, without a port in the lead, not from a few scanners. */
enum { HOST_MIN_PORT_GROUPS = 8, HOST_TOP_SOURCES = 5 };
#define HOST_MAX_TOP_SHARE 0.5
#define HOST_MAX_LEAD      0.25

/* What the explanation says outright. */
#define LIKELY_SPOOFED 0.7
#define MAIN_SHARE     0.5

struct syn_flood_params {
	double floor;
	double factor;
	uint64_t window_ns;
	uint64_t fast_count;
	double max_completed;
	uint64_t min_incomplete;
	uint64_t min_sources;
	double max_retried;
	double retried_factor;
	uint64_t retried_sources;
	bool whole_host;
	uint64_t host_sources;
	double clear_below;
	uint64_t clear_after_ns;
};

static const struct rule_param params[] = {
	/* name, type, offset, least, most, default, meaning */
	{ "floor", RULE_PARAM_RATE, offsetof(struct syn_flood_params, floor), 1, 1e7, 20,
	  "incomplete attempts per second below which there is never an alarm" },
	{ "factor", RULE_PARAM_RATIO, offsetof(struct syn_flood_params, factor), 1, 1000, 3,
	  "how many times what is usual for the target is too much" },
	{ "window", RULE_PARAM_DURATION, offsetof(struct syn_flood_params, window_ns), 1, 300, 10,
	  "how long a rate just at the threshold lasts before it is an alarm; higher rates are found sooner" },
	{ "fast_count", RULE_PARAM_COUNT, offsetof(struct syn_flood_params, fast_count), 50, 1e9, 200,
	  "incomplete attempts within one second that are an alarm at once" },
	{ "max_completed", RULE_PARAM_RATIO, offsetof(struct syn_flood_params, max_completed), 0, 1, 0.95,
	  "share of completed handshakes above which there is never an alarm" },
	{ "min_incomplete", RULE_PARAM_COUNT, offsetof(struct syn_flood_params, min_incomplete), 1, 1e6, 30,
	  "incomplete attempts that must have been seen at least" },
	{ "min_sources", RULE_PARAM_COUNT, offsetof(struct syn_flood_params, min_sources), 1, 1e6, 1,
	  "distinct sources that must take part" },
	{ "max_retried", RULE_PARAM_RATIO, offsetof(struct syn_flood_params, max_retried), 0, 1, 0.5,
	  "share of incomplete attempts with a repeated SYN from which on they pass for real clients" },
	{ "retried_factor", RULE_PARAM_RATIO, offsetof(struct syn_flood_params, retried_factor), 1, 1000, 10,
	  "how many times higher the threshold is for such" },
	{ "retried_sources", RULE_PARAM_COUNT, offsetof(struct syn_flood_params, retried_sources), 1, 1e6, 32,
	  "from fewer sources than this, such are never a flood" },
	{ "whole_host", RULE_PARAM_FLAG, offsetof(struct syn_flood_params, whole_host), 0, 1, 1,
	  "also watch hosts over all their ports" },
	{ "host_sources", RULE_PARAM_COUNT, offsetof(struct syn_flood_params, host_sources), 1, 1e6, 32,
	  "distinct sources that must take part in a flood of a whole host" },
	{ "clear_below", RULE_PARAM_RATIO, offsetof(struct syn_flood_params, clear_below), 0, 1, 0.5,
	  "share of the threshold below which the alarm's end begins" },
	{ "clear_after", RULE_PARAM_DURATION, offsetof(struct syn_flood_params, clear_after_ns), 1, 3600, 30,
	  "how long the rate must stay there" },
};

struct syn_flood {
	const struct syn_flood_params *params;
	uint8_t severity;
};

static void *create(const struct rule *rule, size_t memory_bytes, struct error *error)
{
	struct syn_flood *flood = memory_bytes >= sizeof(*flood) ? calloc(1, sizeof(*flood)) : NULL;

	if (flood == NULL) {
		error_set(error, "no memory for syn_flood");
		return NULL;
	}
	flood->params = rule->params;
	flood->severity = rule->severity;
	return flood;
}

static void destroy(void *state)
{
	free(state);
}

/* The last slot that ended at least age_ns ago. */
static uint64_t last_slot_older(uint64_t now_ns, uint64_t age_ns)
{
	uint64_t slots = ns_since(now_ns, age_ns) / TARGET_SLOT_NS;

	return slots > 0 ? slots - 1 : 0;
}

static uint64_t window_start(uint64_t last, uint64_t n_slots)
{
	return last >= n_slots ? last - n_slots + 1 : 0;
}

static double slots_to_seconds(uint64_t n_slots)
{
	return ns_to_seconds(n_slots * TARGET_SLOT_NS);
}

static double share(uint64_t part, uint64_t whole)
{
	return whole == 0 ? 0 : fmin((double)part / (double)whole, 1);
}

static uint64_t count_incomplete(const uint64_t outcomes[static TARGET_OUTCOMES], bool with_refused)
{
	return target_incomplete(outcomes) + (with_refused ? outcomes[TARGET_REFUSED] : 0);
}

static bool refused_count(const struct target *target)
{
	return target->summary.totals[TARGET_REFUSED] > 0 &&
	       target_evidence_spoofed(target, &target->summary.failing) >= REFUSED_MIN_SPOOFED;
}

/*
 * What is too much: a floor, a multiple of the target's usual rate, and of its usual share of all attempts, so that a
 * flash crowd's ordinary losses are not taken for a flood.
 */
static double threshold(const struct syn_flood_params *p, const struct syn_flood_target *state)
{
	const struct baseline *incomplete = &state->incomplete;
	double usual_share = USUAL_SHARE_UNKNOWN;
	double limit = p->floor;

	if (baseline_ready(incomplete)) {
		usual_share = incomplete->mean / fmax(state->attempts.mean, 1.0);
		limit = fmax(limit, p->factor * incomplete->mean + 3 * incomplete->deviation);
	}
	usual_share = fmin(fmax(usual_share, USUAL_SHARE_LEAST), USUAL_SHARE_MOST);
	limit = fmax(limit, p->factor * usual_share * state->attempts_rate);
	if (state->retried_share >= p->max_retried)
		limit *= p->retried_factor;
	return limit;
}

/* Rates and shares over the last cohorts, but not over those before the trouble began. */
static void measure(struct target *target, const struct syn_flood_params *p, uint64_t last, bool with_refused)
{
	struct syn_flood_target *state = &target->syn_flood;
	uint64_t first = window_start(last, RATE_SLOTS);
	uint64_t began = state->began_ns / TARGET_SLOT_NS;
	uint64_t outcomes[TARGET_OUTCOMES];

	if (began > first)
		first = began < last ? began : last;
	target_summary_sum(&target->summary, first, last, outcomes);
	double seconds = slots_to_seconds(last - first + 1);
	uint64_t incomplete = count_incomplete(outcomes, with_refused);
	state->attempts_rate = (double)outcomes[TARGET_ATTEMPTS] / seconds;
	state->incomplete_rate = (double)incomplete / seconds;
	state->completed_share = share(outcomes[TARGET_COMPLETED], outcomes[TARGET_ATTEMPTS]);
	state->retried_share = share(outcomes[TARGET_RETRIED], incomplete);
	state->threshold = threshold(p, state);
}

static void begin_excess(struct target *target, uint64_t slot)
{
	struct syn_flood_target *state = &target->syn_flood;
	uint64_t outcomes[TARGET_OUTCOMES];

	state->began_ns = slot * TARGET_SLOT_NS;
	state->n_incomplete = 0;
	target_summary_sum(&target->summary, slot, UINT64_MAX, outcomes);
	for (int k = 0; k < TARGET_OUTCOMES; k++)
		state->totals_before[k] = target->summary.totals[k] - outcomes[k];
}

static void learn(struct syn_flood_target *state, uint64_t slot_end_ns, double limit_s)
{
	bool is_suspicious =
		state->alarm != NULL || state->excess_s > limit_s / 4 || state->incomplete_rate > state->threshold / 2;

	if (is_suspicious) {
		baseline_skip(&state->attempts, slot_end_ns);
		baseline_skip(&state->incomplete, slot_end_ns);
	} else {
		baseline_learn(&state->attempts, state->attempts_rate, slot_end_ns);
		baseline_learn(&state->incomplete, state->incomplete_rate, slot_end_ns);
	}
}

/* One cohort has had its time. True when the excess is, with it, at the limit. */
static bool judge(struct target *target, const struct syn_flood_params *p, uint64_t slot, bool with_refused)
{
	struct syn_flood_target *state = &target->syn_flood;
	double limit_s = ns_to_seconds(p->window_ns) * (1 - SLACK);
	double slot_s = slots_to_seconds(1);
	uint64_t outcomes[TARGET_OUTCOMES];

	target_summary_sum(&target->summary, slot, slot, outcomes);
	uint64_t incomplete = count_incomplete(outcomes, with_refused);
	if (state->began_ns == 0 && incomplete > 0)
		begin_excess(target, slot);
	state->n_incomplete += incomplete;
	measure(target, p, slot, with_refused);

	double gain_s = (double)incomplete / state->threshold - SLACK * slot_s;
	state->excess_s = fmin(state->excess_s + gain_s, limit_s * MAX_EXCESS_WINDOWS);
	if (state->excess_s <= 0) {
		state->excess_s = 0;
		if (state->alarm == NULL) {
			state->began_ns = 0;
			state->suppressed = false;
		}
	}
	if (slot % SAMPLE_SLOTS == 0)
		learn(state, (slot + 1) * TARGET_SLOT_NS, limit_s);
	return state->excess_s >= limit_s;
}

/* Judges what has matured since the last time; true if at some cohort the excess was at the limit. */
static bool judge_matured(struct target *target, const struct syn_flood_params *p, uint64_t now_ns)
{
	struct syn_flood_target *state = &target->syn_flood;
	uint64_t last = last_slot_older(now_ns, MATURE_NS);
	uint64_t first = state->judged;
	bool is_over = false;

	if (first > last)
		return state->excess_s >= ns_to_seconds(p->window_ns) * (1 - SLACK);

	uint64_t oldest = last_slot_older(target->created_ns, 0);
	if (first < oldest)
		first = oldest;
	bool with_refused = refused_count(target);
	/*
	 * After a silence only the first cohorts can hold something, and only the last ones matter to what is usual
	 * now.
	 */
	for (uint64_t slot = first; slot <= last && slot < first + TARGET_SLOTS; slot++)
		is_over |= judge(target, p, slot, with_refused);
	if (last >= first + TARGET_SLOTS) {
		double silent_s = slots_to_seconds(last - first + 1 - TARGET_SLOTS);
		state->excess_s = fmax(state->excess_s - SLACK * silent_s, 0);
		judge(target, p, last, with_refused);
	}
	state->judged = last + 1;
	return is_over;
}

/* No port in the lead, many ports, many sources: not one service's trouble, and not a scan. */
static bool is_spread(const struct target *host, const struct syn_flood_params *p)
{
	struct top_source_share top[HOST_TOP_SOURCES];
	unsigned n = top_sources_list(&host->top_failing, 0, top, HOST_TOP_SOURCES);
	double top_share = 0;

	for (unsigned i = 0; i < n; i++)
		top_share += top[i].share;
	return host->n_service_alarms == 0 && __builtin_popcountll(host->ports_seen) >= HOST_MIN_PORT_GROUPS &&
	       host->leading_votes <= HOST_MAX_LEAD * host->all_votes && top_share <= HOST_MAX_TOP_SHARE &&
	       hyperloglog_estimate(&target_evidence_crowd(host)->sources) >= (double)p->host_sources;
}

static bool may_raise(struct detect_context *context, const struct target *target, const struct syn_flood_params *p)
{
	if (!target->key.is_service)
		return p->whole_host && is_spread(target, p);

	const struct target *host = target_table_host(context->targets, target);
	return host == NULL || host->syn_flood.alarm == NULL;
}

/* The judged cohorts say flood; what speaks against it? */
static bool is_plausible(const struct target *target, const struct syn_flood_params *p)
{
	const struct syn_flood_target *state = &target->syn_flood;
	double sources = hyperloglog_estimate(&target_evidence_crowd(target)->sources);

	if (state->n_incomplete < p->min_incomplete || state->completed_share > p->max_completed)
		return false;
	if (state->retried_share >= p->max_retried && sources < (double)p->retried_sources)
		return false;
	return round(sources) >= (double)p->min_sources;
}

/* The last slot whose attempts should have completed, by how long handshakes with the target usually take. */
static uint64_t last_overdue(const struct target *target, uint64_t now_ns)
{
	double usual_s = target->handshake_mean_s + 4 * target->handshake_deviation_s;

	usual_s = fmin(fmax(usual_s, OVERDUE_LEAST_S), OVERDUE_MOST_S);
	if (target->summary.totals[TARGET_COMPLETED] == 0)
		usual_s = OVERDUE_UNKNOWN_S;
	return last_slot_older(now_ns, (uint64_t)(usual_s * (double)NS_PER_SEC));
}

/*
 * The rate of overdue attempts in the last second if that alone is a flood, or 0. Where handshakes complete, many
 * more attempts than usual must come, for a service that has just died looks the same for a second.
 */
static double fast_rate(const struct target *target, const struct syn_flood_params *p, uint64_t now_ns)
{
	const struct syn_flood_target *state = &target->syn_flood;
	const struct target_crowd *trying = &target->summary.trying;
	uint64_t outcomes[TARGET_OUTCOMES];
	uint64_t last = last_overdue(target, now_ns);
	double limit = (double)p->fast_count;

	target_summary_sum(&target->summary, window_start(last, FAST_SLOTS), last, outcomes);
	double overdue = (double)target_incomplete(outcomes);
	if (baseline_ready(&state->attempts))
		limit = fmax(limit, p->factor * state->attempts.mean);
	if (overdue < limit || state->retried_share >= p->max_retried ||
	    share(outcomes[TARGET_COMPLETED], outcomes[TARGET_ATTEMPTS]) > FAST_MAX_COMPLETED)
		return 0;
	if (hyperloglog_estimate(&trying->sources) < fmax(FAST_MIN_SOURCES, (double)p->min_sources))
		return 0;
	if (target->summary.totals[TARGET_COMPLETED] == 0 && target_crowd_entropy(trying) > FAST_MAX_ENTROPY)
		return 0;
	return overdue / slots_to_seconds(FAST_SLOTS);
}

/* Before its cohorts are judged, a strong flood has a beginning, a rate and a threshold too. */
static void begin_fast(struct target *target, const struct syn_flood_params *p, double rate, uint64_t now_ns)
{
	struct syn_flood_target *state = &target->syn_flood;
	uint64_t outcomes[TARGET_OUTCOMES];
	uint64_t overdue = last_overdue(target, now_ns);
	uint64_t slot = window_start(overdue, FAST_SLOTS);

	/* The first cohort with its part of the rate. */
	for (; slot < overdue; slot++) {
		target_summary_sum(&target->summary, slot, slot, outcomes);
		if ((double)target_incomplete(outcomes) >= rate * slots_to_seconds(1) / 4)
			break;
	}
	if (state->began_ns == 0 || state->n_incomplete == 0)
		begin_excess(target, slot);
	target_summary_sum(&target->summary, slot, overdue, outcomes);
	double seconds = slots_to_seconds(overdue - slot + 1);
	state->attempts_rate = (double)outcomes[TARGET_ATTEMPTS] / seconds;
	state->completed_share = share(outcomes[TARGET_COMPLETED], outcomes[TARGET_ATTEMPTS]);
	state->incomplete_rate = (double)target_incomplete(outcomes) / seconds;
	state->threshold = threshold(p, state);
}

static double confidence(const struct detect_context *context, const struct target *target, double rate)
{
	const struct syn_flood_target *state = &target->syn_flood;
	double sure = 1 - 0.5 * fmin(state->threshold / fmax(rate, state->threshold), 1);

	if (!baseline_ready(&state->incomplete))
		sure *= 0.9;
	if (target_evidence_one_way(target))
		sure *= 0.7;
	if (context->visibility->kernel_dropped > 0)
		sure *= 0.95;
	return sure * (1 - 0.5 * state->retried_share);
}

static const char *advice(const struct event_alert *alert, const struct syn_flood_target *state, double max_retried)
{
	if (state->retried_share >= max_retried)
		return "the SYNs are repeated as real clients do: the service may be down or overloaded rather than "
		       "attacked";
	if (alert->spoofed_likelihood >= LIKELY_SPOOFED)
		return "looks like a spoofed SYN flood; check SYN cookies and upstream filtering";
	if (alert->n_top_sources > 0 && alert->top_sources[0].share >= MAIN_SHARE)
		return "a direct SYN flood; block the main source and check SYN cookies";
	return "looks like a SYN flood from many hosts; check SYN cookies and limit new connections per source";
}

static void explain(struct event_alert *alert, const struct target *target, const struct syn_flood_params *p)
{
	const struct syn_flood_target *state = &target->syn_flood;
	const char *unseen = alert->visibility.one_way ? " No answer of it was ever seen here." : "";
	char name[EVIDENCE_NAME_BYTES];
	char sources[EVIDENCE_SOURCES_BYTES];
	char main_source[IP_ADDR_TEXT_BYTES];
	const char *from = evidence_sources((double)alert->sources_distinct, sources);

	if (alert->n_top_sources > 0 && alert->top_sources[0].share >= MAIN_SHARE)
		from = ip_addr_format(&alert->top_sources[0].ip, main_source);
	snprintf(alert->explanation, sizeof(alert->explanation),
		 "%s gets %.0f SYN/s, and %.0f %% are never completed, from %s: %s.%s",
		 evidence_name(&alert->target, name), state->attempts_rate, 100 * (1 - state->completed_share), from,
		 advice(alert, state, p->max_retried), unseen);
}

static void explain_pause(struct event_alert *alert, const struct target *target)
{
	char name[EVIDENCE_NAME_BYTES];

	snprintf(alert->explanation, sizeof(alert->explanation),
		 "The SYN flood on %s has stopped or paused: %.0f of %.0f SYN/s are not completed now, at most there "
		 "were %.0f/s.",
		 evidence_name(&alert->target, name), target->syn_flood.incomplete_rate,
		 target->syn_flood.attempts_rate, alert->peak);
}

static void explain_end(struct event_alert *alert, const struct alarm *alarm)
{
	char name[EVIDENCE_NAME_BYTES];
	char sources[EVIDENCE_SOURCES_BYTES];

	snprintf(alert->explanation, sizeof(alert->explanation),
		 "The SYN flood on %s is over: within %.0f s %llu SYNs came from %s and %llu handshakes "
		 "completed; at most "
		 "%.0f incomplete attempts per second.",
		 evidence_name(&alert->target, name), ns_to_seconds(ns_since(alarm->hot_ns, alarm->started_ns)),
		 (unsigned long long)alert->counts.syn, evidence_sources((double)alert->sources_distinct, sources),
		 (unsigned long long)alert->counts.completed, alarm->peak);
}

static struct alarm_reading reading(const struct syn_flood *flood, const struct target *target)
{
	const struct syn_flood_target *state = &target->syn_flood;
	/* The threshold rises with the flood itself; when it ebbs, the lower one holds. */
	double clear_at = flood->params->clear_below * fmin(state->alarm->threshold, state->threshold);

	return (struct alarm_reading){
		.level = state->incomplete_rate,
		.extent = hyperloglog_estimate(&target_evidence_crowd(target)->sources),
		.severity = flood->severity,
		.is_hot = state->incomplete_rate >= clear_at,
	};
}

static void write_event(const struct syn_flood *flood, struct detect_context *context, struct target *target,
			enum alert_phase phase)
{
	struct syn_flood_target *state = &target->syn_flood;
	struct alarm *alarm = state->alarm;
	const struct alarm_reading now = reading(flood, target);
	struct sensor_event *event = detect_event_begin(context, alarm, phase, &now);

	if (event == NULL)
		return;
	target_evidence_fill(event, target, state->totals_before);
	event->alert.baseline = state->incomplete.mean;
	event->alert.confidence = confidence(context, target, alarm->peak);
	if (phase == ALERT_CLEARED)
		explain_end(&event->alert, alarm);
	else if (phase == ALERT_RAISED || now.is_hot)
		explain(&event->alert, target, flood->params);
	else
		explain_pause(&event->alert, target);
	detect_event_end(context, event);
}

static void raise(const struct syn_flood *flood, struct detect_context *context, struct target *target)
{
	struct syn_flood_target *state = &target->syn_flood;
	struct alert_target alert_target = evidence_target(target);

	state->alarm = detect_raise(context, &alert_target, state->began_ns, state->threshold, &state->suppressed);
	if (state->alarm == NULL)
		return;
	target_table_alarm(context->targets, target, true);
	struct target *host = target->key.is_service ? target_table_host(context->targets, target) : NULL;
	if (host != NULL)
		target_table_service_alarm(context->targets, host, true);
	write_event(flood, context, target, ALERT_RAISED);
}

static void clear(const struct syn_flood *flood, struct detect_context *context, struct target *target)
{
	struct syn_flood_target *state = &target->syn_flood;
	struct target *host = target->key.is_service ? target_table_host(context->targets, target) : NULL;

	write_event(flood, context, target, ALERT_CLEARED);
	state->alarm = NULL;
	state->excess_s = 0;
	state->began_ns = 0;
	target_table_alarm(context->targets, target, false);
	if (host != NULL && host->n_service_alarms > 0)
		target_table_service_alarm(context->targets, host, false);
}

static void review_target(const struct syn_flood *flood, struct detect_context *context, struct target *target,
			  uint64_t now_ns)
{
	const struct syn_flood_params *p = flood->params;
	struct syn_flood_target *state = &target->syn_flood;
	bool is_over = judge_matured(target, p, now_ns) && is_plausible(target, p);

	if (state->alarm == NULL) {
		double rate = is_over ? 0 : fast_rate(target, p, now_ns);
		if ((!is_over && rate <= 0) || !may_raise(context, target, p))
			return;
		if (rate > 0)
			begin_fast(target, p, rate, now_ns);
		raise(flood, context, target);
		return;
	}

	const struct alarm_reading now = reading(flood, target);
	switch (alarm_review(state->alarm, &now, p->clear_after_ns, now_ns)) {
	case ALARM_NOTHING_DUE:
		break;
	case ALARM_UPDATE_DUE:
		write_event(flood, context, target, ALERT_UPDATE);
		break;
	case ALARM_CLEAR_DUE:
		clear(flood, context, target);
		break;
	}
}

static void tick(void *state, struct detect_context *context, uint64_t now_ns)
{
	const struct syn_flood *flood = state;

	for (struct target *target = target_table_first_hot(context->targets); target != NULL;
	     target = target->hot_next)
		review_target(flood, context, target, now_ns);
}

const struct detector detector_syn_flood = {
	.name = "syn_flood",
	.text = "attempts to connect to a service, or to a host over its ports, that never become connections",
	.default_signature_id = 1000001,
	.default_severity = 1,
	.default_signature = "TCPWITNESS SYN flood on a service",
	.default_category = "Attempted Denial of Service",
	.default_mitre_technique = "T1499.001",
	.default_mitre_tactic = "Impact",
	.params = params,
	.n_params = sizeof(params) / sizeof(params[0]),
	.params_bytes = sizeof(struct syn_flood_params),
	.create = create,
	.destroy = destroy,
	.tick = tick,
};
