/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Clients that run out of ports towards one service (detection science, section 4): who closes first keeps the port
 * for 2MSL, and a client that opens faster than range / 2MSL ends without one. The failing connect() sends nothing,
 * so the alarm must come before: from the ports in use, from when they come free, and from the rate at which they are
 * taken. What settles well below the range is no alarm, however high the rate, and whatever it did on the way there.
 */
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "tcpwitness/base/units.h"
#include "tcpwitness/detect/detector.h"

#include "detect_internal.h"
#include "evidence.h"
#include "judgement.h"
#include "port_watch.h"
#include "summary.h"

struct exhaustion_params {
	uint64_t port_range;
	uint64_t two_msl_ns;
	double warn_at;
	double settles_at;
	double warn_always_at;
	double critical_at;
	uint64_t warn_ahead_ns;
	double clear_below;
	uint64_t clear_after_ns;
};

static const struct rule_param params[] = {
	/* name, type, offset, least, most, default, meaning */
	{ "port_range", RULE_PARAM_COUNT, offsetof(struct exhaustion_params, port_range), 0, 65535, 0,
	  "source ports that a client can use towards one service; 0 = by its stack and by what it uses" },
	{ "two_msl", RULE_PARAM_DURATION, offsetof(struct exhaustion_params, two_msl_ns), 0, 300, 0,
	  "how long TIME_WAIT takes a port; 0 = by its stack and by when it uses ports again" },
	{ "warn_at", RULE_PARAM_RATIO, offsetof(struct exhaustion_params, warn_at), 0.1, 1, 0.45,
	  "occupancy from which on an expected exhaustion is an alarm" },
	{ "settles_at", RULE_PARAM_RATIO, offsetof(struct exhaustion_params, settles_at), 0.5, 1.5, 0.9,
	  "occupancy to which the present rate leads that is taken for an exhaustion" },
	{ "warn_ahead", RULE_PARAM_DURATION, offsetof(struct exhaustion_params, warn_ahead_ns), 1, 600, 300,
	  "an exhaustion of a growing rate that is later than this is not yet an alarm" },
	{ "warn_always_at", RULE_PARAM_RATIO, offsetof(struct exhaustion_params, warn_always_at), 0.1, 1, 0.8,
	  "occupancy that is an alarm wherever it leads" },
	{ "critical_at", RULE_PARAM_RATIO, offsetof(struct exhaustion_params, critical_at), 0.1, 1, 0.95,
	  "occupancy from which on the alarm has the highest severity" },
	{ "clear_below", RULE_PARAM_RATIO, offsetof(struct exhaustion_params, clear_below), 0, 1, 0.4,
	  "occupancy below which an alarm ends, whatever the rate" },
	{ "clear_after", RULE_PARAM_DURATION, offsetof(struct exhaustion_params, clear_after_ns), 1, 3600, 15,
	  "how long no exhaustion must be in sight" },
};

enum exhaustion_stage { STAGE_NONE = 0, STAGE_WARNING, STAGE_HIGH, STAGE_CRITICAL, STAGE_SILENT };

struct exhaustion {
	struct port_watch watch;
	uint64_t stage_ns;   /* last time at which it was this stage or a higher one */
	uint64_t fullest_ns; /* last time at which hardly a port was left; 0 = never */
	uint8_t stage;
};

/* A growing rate is an alarm only where the present one is already beyond what is usual, and nobody's steady state. */
#define MIN_GROWING_STEADY 0.68
/* What leads no further than this is over, or never was. */
#define HOT_STEADY 0.65
/* Nearly all ports taken, and not yet draining. */
#define FULL    0.9
#define FULLEST 0.98
/* What is so near may be there: connections that began before the sensor did are not counted. */
#define SOON_S 1.5
/* A pair that has a few connections only is never in want of ports, whatever is configured. */
enum { MIN_PORTS = 100 };
/* It is TIME_WAIT that takes them; not connections that live long. */
#define MIN_WAITING_SHARE 0.1

/* The half-way mark would have been passed by now; a rate so far beyond the sustainable one reaches it soon. */
#define HALF_WAY_OVERDUE   0.52
#define WAITS_FOR_HALF_WAY 1.2

#define HIGH_OCCUPANCY 0.8
#define HIGH_SECONDS   60.0
#define URGENT_SECONDS 15.0
/* A stage is left when it was not reached for so long. */
#define STAGE_KEPT_NS (10 * NS_PER_SEC)

static const char class_exhaustion[] = "client_ports_exhausted";
static const char class_warning[] = "client_ports_running_out";
static const char class_shared[] = "nat_ports_running_out";
static const char class_server[] = "nat_client_blocked_by_server_time_wait";
static const char *const class_names[] = { class_exhaustion, class_warning, class_shared, class_server, NULL };

/* Occupancy to which the rate of the last seconds leads, whatever is expected of it. */
static double recent_steady(const struct port_watch *watch)
{
	const struct port_outlook *outlook = &watch->outlook;

	return outlook->sustainable_per_s > 0 ? watch->rate.recent_per_s / outlook->sustainable_per_s : 0;
}

static bool is_foreseen(const struct exhaustion_params *p, const struct port_watch *watch)
{
	const struct port_outlook *outlook = &watch->outlook;

	if (outlook->steady >= p->settles_at)
		return true;
	return outlook->seconds_left >= 0 && outlook->seconds_left <= ns_to_seconds(p->warn_ahead_ns) &&
	       outlook->steady >= MIN_GROWING_STEADY;
}

/*
 * A client that may use ports again while they are in TIME_WAIT shows that at the half-way mark at the latest, where
 * others turn to the other parity. That is worth waiting for where the mark comes soon and leaves time enough.
 */
static bool may_turn_out_harmless(const struct port_watch *watch)
{
	return port_parity_is_linux(&watch->parity) && !watch->parity.has_flipped &&
	       watch->outlook.occupancy < HALF_WAY_OVERDUE && watch->outlook.steady > WAITS_FOR_HALF_WAY;
}

static bool is_alarming(const struct exhaustion_params *p, const struct port_watch *watch)
{
	const struct port_outlook *outlook = &watch->outlook;

	if (watch->is_beyond_model || outlook->in_use < MIN_PORTS ||
	    outlook->waiting < MIN_WAITING_SHARE * outlook->in_use)
		return false;
	if (watch->silent_since_ns != 0)
		return true;
	/* Ports that are used again do not run out, as long as nothing fails. */
	if (watch->limits.is_reusing)
		return false;
	/* Tuples that the server keeps are mostly given away again (RFC 6191): only a nearly full table tells. */
	if (watch->side == PORT_SIDE_SERVER)
		return outlook->occupancy >= FULL;
	if (outlook->occupancy >= p->warn_always_at)
		return outlook->steady >= HOT_STEADY;
	return outlook->occupancy >= p->warn_at && is_foreseen(p, watch) && !may_turn_out_harmless(watch);
}

static bool is_hot(const struct exhaustion_params *p, const struct port_watch *watch)
{
	const struct port_outlook *outlook = &watch->outlook;

	if (watch->silent_since_ns != 0)
		return true;
	if (watch->limits.is_reusing || watch->is_beyond_model || outlook->occupancy < p->clear_below)
		return false;
	return outlook->occupancy >= FULL || recent_steady(watch) >= HOT_STEADY;
}

static enum exhaustion_stage stage_now(const struct exhaustion_params *p, const struct port_watch *watch)
{
	const struct port_outlook *outlook = &watch->outlook;

	if (watch->silent_since_ns != 0)
		return STAGE_SILENT;
	if (outlook->occupancy >= p->critical_at)
		return STAGE_CRITICAL;
	if (outlook->occupancy >= HIGH_OCCUPANCY ||
	    (outlook->seconds_left >= 0 && outlook->seconds_left < HIGH_SECONDS))
		return STAGE_HIGH;
	return STAGE_WARNING;
}

/* Up at once, down at a walk. */
static void follow_stage(struct exhaustion *state, enum exhaustion_stage stage, uint64_t now_ns)
{
	if (stage >= state->stage || now_ns >= state->stage_ns + STAGE_KEPT_NS)
		state->stage = (uint8_t)stage;
	if (stage >= state->stage)
		state->stage_ns = now_ns;
}

static bool is_urgent(const struct exhaustion *state)
{
	double left = state->watch.outlook.seconds_left;

	return state->stage >= STAGE_CRITICAL || (left >= 0 && left < URGENT_SECONDS);
}

static double confidence(const struct detect_scene *scene, const struct port_watch *watch)
{
	double sure = 0.75;

	if (watch->is_exact || watch->limits.by_rule)
		sure = 0.97;
	else if (watch->limits.stack != PORT_STACK_OTHER)
		sure = 0.9;
	if (watch->outlook.seconds_left < 0 && watch->silent_since_ns == 0)
		sure *= 0.8;
	/* What was not captured may have freed ports, or taken some. */
	return scene->visibility != NULL && scene->visibility->kernel_dropped > 0 ? 0.9 * sure : sure;
}

static const char *class_of(const struct exhaustion *state)
{
	const struct port_watch *watch = &state->watch;

	if (watch->side == PORT_SIDE_SERVER)
		return class_server;
	if (watch->limits.is_shared)
		return class_shared;
	return state->stage >= STAGE_SILENT ? class_exhaustion : class_warning;
}

static void find(const void *parameters, const struct detect_scene *scene, void *target, struct finding *finding)
{
	const struct exhaustion_params *p = parameters;
	const struct port_use *use = scene->summary->ports;
	const struct port_watch_given given = { p->port_range, p->two_msl_ns };
	struct exhaustion *state = target;
	struct port_watch *watch = &state->watch;

	if (use == NULL || (port_use_active(use) + use->waiting + use->server_waiting < MIN_PORTS && use->opened == 0))
		return;
	port_watch_update(watch, use, &given, scene->now_ns);
	if (watch->outlook.occupancy >= FULLEST)
		state->fullest_ns = scene->now_ns;
	finding->is_alarming = is_alarming(p, watch);
	finding->is_hot = is_hot(p, watch) || finding->is_alarming;
	finding->is_suspicious = finding->is_alarming;
	if (scene->alarm == NULL && !finding->is_alarming)
		state->stage = STAGE_NONE;
	else
		follow_stage(state, stage_now(p, watch), scene->now_ns);
	finding->is_immediate = watch->silent_since_ns != 0;
	finding->score = 0.5 + 0.5 * fmin(watch->outlook.occupancy, 1);
	finding->level = watch->outlook.occupancy;
	finding->threshold = is_foreseen(p, watch) ? p->warn_at : p->warn_always_at;
	finding->confidence = confidence(scene, watch);
	finding->severity = is_urgent(state) ? 1 : 2;
	finding->stage = state->stage;
	finding->clear_after_ns = p->clear_after_ns;
	finding->class_name = class_of(state);
}

static void forecast(const struct detect_scene *scene, const struct port_watch *watch, struct event_alert *alert)
{
	const struct port_outlook *outlook = &watch->outlook;
	bool is_full = watch->silent_since_ns != 0;
	double left = is_full ? 0 : outlook->seconds_left;

	alert->has_forecast = true;
	alert->forecast.occupancy = outlook->occupancy;
	alert->forecast.capacity = (uint32_t)(watch->limits.capacity + 0.5);
	alert->forecast.seconds_left = left;
	if (is_full)
		alert->forecast.exhaustion_at_ns = watch->silent_since_ns;
	else if (left >= 0)
		alert->forecast.exhaustion_at_ns = scene->now_ns + (uint64_t)(left * (double)NS_PER_SEC);
}

/* How the capacity is known. */
static const char *source_of_capacity(const struct port_watch *watch)
{
	if (watch->limits.by_rule)
		return "configured";
	if (watch->limits.is_shared)
		return "several hosts behind one address";
	if (watch->parity.has_flipped && watch->is_exact)
		return "half-way change of port parity seen";
	if (watch->limits.by_ports)
		return "by the ports seen";
	return port_stack_name(watch->limits.stack);
}

/*
 * A client that has no port left goes on with those that come free, no faster than these do: what was seen of it then
 * looks like some room, above all if a part of its ports was taken before the sensor began.
 */
static bool is_at_the_end(const struct exhaustion *state, uint64_t now_ns)
{
	const struct port_outlook *outlook = &state->watch.outlook;
	double two_msl_s = state->watch.limits.two_msl_s;

	if (state->fullest_ns != 0 && ns_to_seconds(ns_since(now_ns, state->fullest_ns)) < two_msl_s)
		return true;
	return outlook->seconds_left >= 0 && outlook->seconds_left < SOON_S;
}

static void say_what_comes(const struct exhaustion *state, uint64_t now_ns, char *text, size_t room)
{
	const struct port_watch *watch = &state->watch;
	const struct port_outlook *outlook = &watch->outlook;

	if (watch->silent_since_ns != 0)
		snprintf(text, room, "connects are failing now, without a packet: no SYN for %.0f s after up to %.0f/s",
			 ns_to_seconds(now_ns - watch->silent_since_ns), watch->demand_per_s);
	else if (outlook->steady < HOT_STEADY)
		snprintf(text, room, "it takes hardly any more (%.0f new/s, sustainable: %.0f), so they come free",
			 watch->rate.per_s, outlook->sustainable_per_s);
	else if (is_at_the_end(state, now_ns))
		snprintf(text, room, "hardly one %s, so connects may fail already (%.0f new/s, sustainable: %.0f)",
			 outlook->occupancy >= FULLEST ? "is left" : "was left of late", watch->rate.per_s,
			 outlook->sustainable_per_s);
	else if (outlook->seconds_left >= 0)
		snprintf(text, room, "at %.0f new/s (sustainable: %.0f) none is left in about %.0f s",
			 watch->rate.per_s, outlook->sustainable_per_s, outlook->seconds_left);
	else
		snprintf(text, room, "at %.0f new/s (sustainable: %.0f) it settles at %.0f %%", watch->rate.per_s,
			 outlook->sustainable_per_s, 100 * outlook->steady);
}

static const char *advice(const struct port_watch *watch)
{
	if (watch->side == PORT_SIDE_SERVER)
		return "Let the client close first, or give the gateway more addresses.";
	if (watch->limits.is_shared)
		return "Give the gateway more addresses, or let its clients keep connections open; many new clients at "
		       "once "
		       "may be an attack (T1499).";
	if (watch->limits.stack == PORT_STACK_LINUX)
		return "Keep connections open (pool, keep-alive), or widen ip_local_port_range, or set tcp_tw_reuse=1 "
		       "there.";
	return "Keep connections open (pool, keep-alive), or widen the client's dynamic port range.";
}

static void explain(const void *parameters, const struct detect_scene *scene, const void *target,
		    const struct finding *finding, enum alert_phase phase, struct event_alert *alert)
{
	const struct exhaustion *state = target;
	const struct port_watch *watch = &state->watch;
	const struct port_outlook *outlook = &watch->outlook;
	char client[IP_ADDR_TEXT_BYTES];
	char service[EVIDENCE_NAME_BYTES];
	char comes[120];

	(void)parameters;
	(void)finding;
	ip_addr_format(&scene->key->client, client);
	evidence_name(&alert->target, service);
	forecast(scene, watch, alert);
	/* Connections that close in an orderly way were opened by who they say. */
	alert->spoofed_likelihood = 0;
	if (phase == ALERT_CLEARED) {
		snprintf(alert->explanation, sizeof(alert->explanation),
			 "%s opens %.0f connections/s to %s, which can go on: %.0f of %.0f ports are in use, and they "
			 "come "
			 "free.",
			 client, watch->rate.recent_per_s, service, outlook->in_use, watch->limits.capacity);
		return;
	}
	say_what_comes(state, scene->now_ns, comes, sizeof(comes));
	snprintf(alert->explanation, sizeof(alert->explanation),
		 "%s has %.0f of %.0f ports to %s in use (%.0f in TIME_WAIT of %.0f s%s; range: %s): %s.", client,
		 outlook->in_use, watch->limits.capacity, service, outlook->waiting, watch->limits.two_msl_s,
		 watch->side == PORT_SIDE_SERVER ? " at the server" : "", source_of_capacity(watch), comes);
	size_t length = strlen(alert->explanation);
	snprintf(alert->explanation + length, sizeof(alert->explanation) - length, " %s", advice(watch));
}

const struct detector detector_time_wait_exhaustion = {
	.name = "time_wait_exhaustion",
	.text = "a client that is running out of ports towards one service because they stay in TIME_WAIT",
	.default_signature_id = 1000003,
	.default_severity = 2,
	.default_signature = "TCPWITNESS Client ports running out in TIME_WAIT",
	.default_category = "Misc activity",
	.default_mitre_technique = "",
	.default_mitre_tactic = "",
	.params = params,
	.n_params = sizeof(params) / sizeof(params[0]),
	.params_bytes = sizeof(struct exhaustion_params),
	.class_names = class_names,
	.kinds = 1 << SUMMARY_PAIR,
	.group = INCIDENT_OWN,
	.target_bytes = sizeof(struct exhaustion),
	.find = find,
	.explain = explain,
};
