/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RSTs that somebody else sends in the name of an end (field survey 3.5, RFC 5961). Two things prove it: the end goes
 * on as if it had sent none, and its own segments come from another distance or are numbered otherwise; or RSTs try
 * one sequence number after the other. A RST from another distance alone is none: load balancers and firewalls end
 * connections for others.
 */
#include <stdio.h>

#include "tcpwitness/base/units.h"

#include "detect_internal.h"
#include "evidence.h"
#include "judgement.h"
#include "minmax.h"
#include "recent.h"

struct rst_injection_params {
	uint64_t forged;
	uint64_t contradicted;
	uint64_t probes;
	uint64_t clear_after_ns;
};

static const struct rule_param params[] = {
	/* name, type, offset, least, most, default, meaning */
	{ "forged", RULE_PARAM_COUNT, offsetof(struct rst_injection_params, forged), 1, 1e6, 3,
	  "RSTs within 10 min that their sender denies and that come from elsewhere" },
	{ "contradicted", RULE_PARAM_COUNT, offsetof(struct rst_injection_params, contradicted), 1, 1e6, 12,
	  "RSTs within 10 min that their sender only denies" },
	{ "probes", RULE_PARAM_COUNT, offsetof(struct rst_injection_params, probes), 2, 1e6, 8,
	  "sequence numbers that are tried per connection within 10 min" },
	{ "clear_after", RULE_PARAM_DURATION, offsetof(struct rst_injection_params, clear_after_ns), 1, 86400, 60,
	  "how long there must be no more of them" },
};

/* Cases add up over ten minutes, and are the trouble itself for ten seconds. */
#define SLOT_NS     (60 * NS_PER_SEC)
#define HOT_SLOT_NS NS_PER_SEC

struct rst_injection_state {
	uint64_t n_forged;
	uint64_t n_contradicted;
	uint64_t n_probes;
	uint32_t n_connections;
	bool is_begun;        /* there was something to count */
	struct recent forged; /* until then, of this and those that follow only when it was looked at is read */
	struct recent contradicted;
	struct recent probes;
	struct recent connections;
	struct recent now;
};

static const char class_forged[] = "forged_reset";
static const char class_probing[] = "reset_probing";

static bool is_anything_counted(const uint64_t *totals)
{
	return (totals[SUMMARY_RST_FORGED] | totals[SUMMARY_RST_CONTRADICTED] | totals[SUMMARY_RST_PROBES] |
		totals[SUMMARY_RST_SUSPECTS]) != 0;
}

/* All are looked at together. */
static void begin(struct rst_injection_state *state)
{
	state->is_begun = true;
	state->contradicted.looked_ns = state->forged.looked_ns;
	state->probes.looked_ns = state->forged.looked_ns;
	state->connections.looked_ns = state->forged.looked_ns;
	state->now.looked_ns = state->forged.looked_ns;
}

/* Returns how many there are of late. Most services never get any. */
static uint64_t count(struct rst_injection_state *state, const struct summary *summary, uint64_t now_ns)
{
	const uint64_t *totals = summary->totals;
	uint64_t since_ns = summary->since_ns;

	if (!state->is_begun) {
		if (!is_anything_counted(totals)) {
			recent_look(&state->forged, now_ns);
			return 0;
		}
		begin(state);
	}
	state->n_forged = recent_count(&state->forged, totals[SUMMARY_RST_FORGED], since_ns, SLOT_NS, now_ns);
	state->n_contradicted =
		recent_count(&state->contradicted, totals[SUMMARY_RST_CONTRADICTED], since_ns, SLOT_NS, now_ns);
	state->n_probes = recent_count(&state->probes, totals[SUMMARY_RST_PROBES], since_ns, SLOT_NS, now_ns);
	uint64_t n_connections =
		recent_count(&state->connections, totals[SUMMARY_RST_SUSPECTS], since_ns, SLOT_NS, now_ns);
	state->n_connections = n_connections < UINT32_MAX ? (uint32_t)n_connections : UINT32_MAX;
	return recent_count(&state->now, totals[SUMMARY_RST_CONTRADICTED] + totals[SUMMARY_RST_PROBES], since_ns,
			    HOT_SLOT_NS, now_ns);
}

static void find(const void *rule_params, const struct detect_scene *scene, void *memory, struct finding *finding)
{
	const struct rst_injection_params *p = rule_params;
	struct rst_injection_state *state = memory;
	uint64_t n_now = count(state, scene->summary, scene->now_ns);

	double by_forged = (double)state->n_forged / (double)p->forged;
	double by_denied = (double)state->n_contradicted / (double)p->contradicted;
	double by_probes = (double)state->n_probes / (double)p->probes / greater((double)state->n_connections, 1);
	double denied = greater(by_forged, by_denied);
	double excess = greater(denied, by_probes);
	bool is_probing = by_probes > denied;

	finding->level = (double)(is_probing ? state->n_probes : state->n_contradicted);
	finding->threshold = is_probing               ? (double)p->probes
			     : by_forged >= by_denied ? (double)p->forged
						      : (double)p->contradicted;
	finding->extent = (double)state->n_connections;
	finding->is_alarming = excess >= 1;
	finding->is_hot = excess >= 1 && n_now > 0;
	finding->is_suspicious = finding->is_hot;
	finding->score = lesser(excess / 2, 1);
	finding->severity = 2;
	finding->confidence = by_forged >= 1 ? 0.95 : is_probing ? 0.9 : 0.7;
	finding->clear_after_ns = p->clear_after_ns;
	finding->class_name = is_probing ? class_probing : class_forged;
}

static void explain(const void *rule_params, const struct detect_scene *scene, const void *memory,
		    const struct finding *finding, enum alert_phase phase, struct event_alert *alert)
{
	const struct rst_injection_state *state = memory;
	char name[EVIDENCE_NAME_BYTES];

	(void)rule_params;
	(void)scene;
	evidence_name(&alert->target, name);
	if (phase == ALERT_CLEARED)
		snprintf(alert->explanation, sizeof(alert->explanation),
			 "No more forged RSTs in connections with %s: the last one came %.0f s after the first.", name,
			 alert->duration_s);
	else if (finding->class_name == class_probing)
		snprintf(alert->explanation, sizeof(alert->explanation),
			 "Somebody tries to reset connections with %s: %llu RSTs at sequence numbers that no end would "
			 "use, in %llu connections within 10 min. Look for spoofed packets at your edge; the ends "
			 "should obey RFC 5961.",
			 name, (unsigned long long)state->n_probes, (unsigned long long)state->n_connections);
	else
		snprintf(
			alert->explanation, sizeof(alert->explanation),
			"Somebody resets connections with %s in the name of one end: %llu RSTs within 10 min whose "
			"alleged sender went on, %llu of them from another distance (TTL) or out of step (IP id). Look "
			"for a device on the path that sends them: an intruder, or a filter.",
			name, (unsigned long long)state->n_contradicted, (unsigned long long)state->n_forged);
}

static const char *const class_names[] = { class_forged, class_probing, NULL };

const struct detector detector_rst_injection = {
	.name = "rst_injection",
	.text = "RSTs that somebody else sends in the name of an end",
	.default_signature_id = 1000016,
	.default_severity = 2,
	.default_signature = "TCPWITNESS Forged RSTs in connections",
	.default_category = "Potentially Bad Traffic",
	.default_mitre_technique = "T1565.002",
	.default_mitre_tactic = "Impact",
	.params = params,
	.n_params = sizeof(params) / sizeof(params[0]),
	.params_bytes = sizeof(struct rst_injection_params),
	.class_names = class_names,
	.kinds = 1u << SUMMARY_SERVICE,
	.group = INCIDENT_OWN,
	.crowd = CROWD_TRYING,
	.target_bytes = sizeof(struct rst_injection_state),
	.glance_bytes = offsetof(struct rst_injection_state, forged.began),
	.find = find,
	.explain = explain,
};
