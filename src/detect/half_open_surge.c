/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Services with too many connections in SYN_RCVD (detection science, sections 5 and 6, D2): answered, and never
 * completed. The gauge leaves out attempts younger than the hold time: connections that complete are gone by then, so
 * that a flash crowd, however large, does not raise it, and what is left has been held for that long. It finds what a
 * rate cannot: a trickle of a few SYNs per second that keeps a backlog full.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tcpwitness/base/units.h"

#include "detect_internal.h"
#include "evidence.h"

struct half_open_params {
	uint64_t floor;
	double factor;
	uint64_t hold_ns;
	double clear_below;
	uint64_t clear_after_ns;
};

static const struct rule_param params[] = {
	/* name, type, offset, least, most, default, meaning */
	{ "floor", RULE_PARAM_COUNT, offsetof(struct half_open_params, floor), 1, 1e9, 64,
	  "half-open connections up to which there is never an alarm" },
	{ "factor", RULE_PARAM_RATIO, offsetof(struct half_open_params, factor), 1, 1000, 4,
	  "how many times what is usual for the service is too much" },
	{ "hold", RULE_PARAM_DURATION, offsetof(struct half_open_params, hold_ns), 0.5, 3, 2,
	  "age from which on a half-open connection counts" },
	{ "clear_below", RULE_PARAM_RATIO, offsetof(struct half_open_params, clear_below), 0, 1, 0.5,
	  "share of the level at which the alarm was raised below which its end begins" },
	{ "clear_after", RULE_PARAM_DURATION, offsetof(struct half_open_params, clear_after_ns), 1, 3600, 30,
	  "how long the level must stay there" },
};

struct half_open {
	const struct half_open_params *params;
	uint8_t severity;
};

static void *create(const struct rule *rule, size_t memory_bytes, struct error *error)
{
	struct half_open *surge = memory_bytes >= sizeof(*surge) ? calloc(1, sizeof(*surge)) : NULL;

	if (surge == NULL) {
		error_set(error, "no memory for half_open_surge");
		return NULL;
	}
	surge->params = rule->params;
	surge->severity = rule->severity;
	return surge;
}

static void destroy(void *state)
{
	free(state);
}

static double threshold(const struct half_open_params *p, const struct half_open_target *state)
{
	double limit = (double)p->floor;

	if (baseline_ready(&state->level))
		limit = fmax(limit, p->factor * state->level.mean);
	return limit;
}

static void learn(struct half_open_target *state, double level, double limit, uint64_t now_ns)
{
	/* Before anything is known, a level that builds up must not be learned on its way. */
	double suspicious = baseline_ready(&state->level) ? limit / 2 : limit / 4;

	if (ns_since(now_ns, state->learned_ns) < NS_PER_SEC)
		return;
	state->learned_ns = now_ns;
	if (state->alarm != NULL || level > suspicious)
		baseline_skip(&state->level, now_ns);
	else
		baseline_learn(&state->level, level, now_ns);
}

/*
 * The trouble starts to build up when the level leaves what is harmless; it is an alarm when it passes the threshold.
 */
static void follow(struct target *target, double level, double limit, uint64_t since_ns)
{
	struct half_open_target *state = &target->half_open;
	uint64_t recent[TARGET_OUTCOMES];

	if (state->alarm != NULL)
		return;
	if (level <= limit / 4) {
		state->began_ns = 0;
		state->suppressed = false;
	} else if (state->began_ns == 0) {
		state->began_ns = since_ns > target->created_ns ? since_ns : target->created_ns;
		target_summary_sum(&target->summary, 0, UINT64_MAX, recent);
		for (int k = 0; k < TARGET_OUTCOMES; k++)
			state->totals_before[k] = target->summary.totals[k] - recent[k];
	}
}

static void explain(struct event_alert *alert, const struct target *target, double level)
{
	const uint64_t *totals = target->summary.totals;
	const struct half_open_target *state = &target->half_open;
	const uint64_t *before = state->totals_before;
	char name[EVIDENCE_NAME_BYTES];
	char sources[EVIDENCE_SOURCES_BYTES];
	uint64_t answered = totals[TARGET_ANSWERED] - before[TARGET_ANSWERED];
	uint64_t repeated = totals[TARGET_SYNACK_REPEATED] - before[TARGET_SYNACK_REPEATED];
	/* Stateful servers repeat each of these SYN-ACKs after 1 s, younger than all that count here (science, L4). */
	bool is_cookies = answered >= 20 && (double)repeated < 0.05 * level;

	snprintf(alert->explanation, sizeof(alert->explanation),
		 "%s holds %.0f half-open connections (usual: %.0f) from %s: clients leave its SYN-ACKs "
		 "unanswered%s; %s.%s",
		 evidence_name(&alert->target, name), level, alert->baseline,
		 evidence_sources((double)alert->sources_distinct, sources),
		 alert->spoofed_likelihood >= 0.7 ? ", likely spoofed" : "",
		 is_cookies ? "no SYN-ACK is repeated, so SYN cookies seem to hold"
			    : "check its backlog (ss -ltn) and SYN cookies before it fills up",
		 target->syn_flood.alarm != NULL ? " Same incident as the SYN flood alarm." : "");
}

static void explain_end(struct event_alert *alert, const struct alarm *alarm, double level)
{
	char name[EVIDENCE_NAME_BYTES];

	snprintf(
		alert->explanation, sizeof(alert->explanation),
		"The half-open surge on %s is over: %.0f half-open connections are left of at most %.0f, after %.0f s.",
		evidence_name(&alert->target, name), level, alarm->peak,
		ns_to_seconds(ns_since(alarm->hot_ns, alarm->started_ns)));
}

static double confidence(const struct detect_context *context, const struct target *target, const struct alarm *alarm)
{
	double sure = 1 - 0.4 * fmin(alarm->threshold / fmax(alarm->peak, 1), 1);

	/* What the tracker forgot may have completed since. */
	if (context->visibility->flows_evicted > 0 || context->visibility->kernel_dropped > 0)
		sure *= 0.9;
	return baseline_ready(&target->half_open.level) ? sure : 0.9 * sure;
}

static struct alarm_reading reading(const struct half_open *surge, const struct target *target, double level)
{
	return (struct alarm_reading){
		.level = level,
		.extent = hyperloglog_estimate(&target_evidence_crowd(target)->sources),
		.severity = surge->severity,
		.is_hot = level >= surge->params->clear_below * target->half_open.alarm->threshold,
	};
}

static void write_event(const struct half_open *surge, struct detect_context *context, struct target *target,
			enum alert_phase phase, double level)
{
	struct half_open_target *state = &target->half_open;
	struct alarm *alarm = state->alarm;
	const struct alarm_reading now = reading(surge, target, level);
	struct sensor_event *event = detect_event_begin(context, alarm, phase, &now);

	if (event == NULL)
		return;
	target_evidence_fill(event, target, state->totals_before);
	event->alert.baseline = state->level.mean;
	event->alert.confidence = confidence(context, target, alarm);
	if (phase == ALERT_CLEARED)
		explain_end(&event->alert, alarm, level);
	else
		explain(&event->alert, target, level);
	detect_event_end(context, event);
}

static void raise(const struct half_open *surge, struct detect_context *context, struct target *target, double level,
		  double limit)
{
	struct half_open_target *state = &target->half_open;
	struct alert_target alert_target = evidence_target(target);

	state->alarm = detect_raise(context, &alert_target, state->began_ns, limit, &state->suppressed);
	if (state->alarm == NULL)
		return;
	target_table_alarm(context->targets, target, true);
	write_event(surge, context, target, ALERT_RAISED, level);
}

static void review_target(const struct half_open *surge, struct detect_context *context, struct target *target,
			  uint64_t now_ns)
{
	const struct half_open_params *p = surge->params;
	struct half_open_target *state = &target->half_open;
	uint64_t first_young = ns_since(now_ns, p->hold_ns) / TARGET_SLOT_NS;
	double level = (double)target_summary_old_half_open(&target->summary, first_young);
	double limit = threshold(p, state);

	learn(state, level, limit, now_ns);
	follow(target, level, limit, ns_since(now_ns, p->hold_ns));
	if (state->alarm == NULL) {
		if (level > limit)
			raise(surge, context, target, level, limit);
		return;
	}

	const struct alarm_reading now = reading(surge, target, level);
	switch (alarm_review(state->alarm, &now, p->clear_after_ns, now_ns)) {
	case ALARM_NOTHING_DUE:
		break;
	case ALARM_UPDATE_DUE:
		write_event(surge, context, target, ALERT_UPDATE, level);
		break;
	case ALARM_CLEAR_DUE:
		write_event(surge, context, target, ALERT_CLEARED, level);
		state->alarm = NULL;
		state->began_ns = 0;
		target_table_alarm(context->targets, target, false);
		break;
	}
}

static void tick(void *state, struct detect_context *context, uint64_t now_ns)
{
	const struct half_open *surge = state;

	for (struct target *target = target_table_first_hot(context->targets); target != NULL;
	     target = target->hot_next)
		if (target->key.is_service)
			review_target(surge, context, target, now_ns);
}

const struct detector detector_half_open_surge = {
	.name = "half_open_surge",
	.text = "a service with too many connections that are answered and never completed",
	.default_signature_id = 1000002,
	.default_severity = 1,
	.default_signature = "TCPWITNESS Surge of half-open connections on a service",
	.default_category = "Attempted Denial of Service",
	.default_mitre_technique = "T1499.001",
	.default_mitre_tactic = "Impact",
	.params = params,
	.n_params = sizeof(params) / sizeof(params[0]),
	.params_bytes = sizeof(struct half_open_params),
	.create = create,
	.destroy = destroy,
	.tick = tick,
};
