/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an alarm about a SYN flood says.
 */
#include <math.h>
#include <stdio.h>

#include "tcpwitness/base/units.h"

#include "syn_flood.h"

#define MAIN_SHARE    0.5
#define ALERT_RETRIED 0.5
#define PAUSE_SHARE   0.02
#define LOOKS_SPOOFED 0.5

/* A pause is one when nothing was found for so long; of a moment it is chance. */
#define PAUSE_NS (2 * NS_PER_SEC)

static const char *name_sources(const struct syn_flood_state *state, const struct event_alert *alert,
				char text[static FATE_SOURCES_BYTES])
{
	/* The sources that are counted are those of attempts. */
	if (state->by == BY_AGAIN)
		return "few ports";
	if (state->top_share >= MAIN_SHARE)
		return ip_addr_format(&state->top_ip, text);
	return fate_sources(alert, text);
}

static const char *describe_victim(const struct syn_flood_state *state, const struct event_alert *alert)
{
	if (alert->visibility.one_way)
		return state->by == BY_AGAIN
			       ? "they come again and again from the same ports, and its answers are not visible here"
			       : "its answers are not visible here";
	if (state->by == BY_REFUSAL)
		return alert->target.has_port ? "the port refuses them, so it costs load and no state"
					      : "its ports refuse them, so it costs load and no state";
	if (state->by == BY_AGAIN)
		return "they come again and again from the same ports, so they cost load and hardly any state";
	if (state->listener.cookies == ALERT_COOKIES_YES)
		return "the server answers with SYN cookies and goes on serving";
	if (state->listener.is_silent)
		return "its queue is full and it answers nobody beyond it";
	if (state->unanswered_share > 0.5)
		return "it answers few of them";
	if (state->reset_share >= MAIN_SHARE)
		return "their senders' RSTs free what it keeps for them";
	return "it keeps state for them";
}

static const char *advise(const struct syn_flood_state *state, const struct event_alert *alert)
{
	if (state->by == BY_AGAIN)
		return "look in the flow records for who repeats most SYNs, and block that source";
	if (state->retrying_share >= ALERT_RETRIED)
		return "many SYNs are repeated as real clients do: look at the service's health too";
	if (state->by == BY_REFUSAL)
		return state->top_share >= MAIN_SHARE
			       ? "block that source"
			       : "nothing listens there, so drop such SYNs in front of it if the load hurts";
	if (state->top_share >= MAIN_SHARE)
		return "block that source, and check that SYN cookies are on";
	if (state->reset_share >= 0.3)
		return "the senders' own kernels reset the answers, so the addresses are real: block or limit them per "
		       "source";
	if (alert->spoofed_likelihood >= LOOKS_SPOOFED)
		return "addresses look spoofed, so do not block them: check SYN cookies (sysctl "
		       "net.ipv4.tcp_syncookies) and ask "
		       "upstream to filter";
	return "whether the addresses are real is not sure: limit new connections per source and check that SYN "
	       "cookies are on";
}

static void explain_now(const struct syn_flood_state *state, struct event_alert *alert)
{
	char name[EVIDENCE_NAME_BYTES];
	char sources[FATE_SOURCES_BYTES];
	char usual[48] = "";
	double failing = state->rate + state->usual_rate + state->again_rate;
	double tried = state->attempts_rate + state->again_rate;
	double completed = fate_share(state->completed_share * state->attempts_rate, tried);

	if (baseline_ready(&state->attempts))
		snprintf(usual, sizeof(usual), " (usual: %.0f)", state->attempts.mean);
	snprintf(alert->explanation, sizeof(alert->explanation),
		 "%s gets %.0f SYN/s%s from %s, and %.*f/s of them never become connections; %s, %.0f %% of all "
		 "attempts succeed. %s.",
		 evidence_name(&alert->target, name), tried, usual, name_sources(state, alert, sources),
		 failing < 10 ? 1 : 0, failing, describe_victim(state, alert), 100 * completed, advise(state, alert));
	/* The advice begins the last sentence. */
	for (char *c = alert->explanation; *c != '\0'; c++)
		if (c[0] == '.' && c[1] == ' ' && c[2] >= 'a' && c[2] <= 'z')
			c[2] = (char)(c[2] - 'a' + 'A');
}

static bool is_pausing(const struct syn_flood_state *state, const struct detect_scene *scene,
		       const struct finding *finding, const struct event_alert *alert)
{
	if (finding->is_alarming)
		return false;
	return state->rate + state->again_rate < PAUSE_SHARE * alert->peak ||
	       (scene->alarm != NULL && ns_since(scene->now_ns, scene->alarm->hot_ns) >= PAUSE_NS);
}

static void explain_pause(const struct syn_flood_state *state, struct event_alert *alert)
{
	char name[EVIDENCE_NAME_BYTES];

	snprintf(alert->explanation, sizeof(alert->explanation),
		 "The SYN flood on %s has stopped or pauses: at most %.0f attempts/s failed, now %.0f %% of %.0f "
		 "attempts/s succeed. The alarm is cleared if it stays so.",
		 evidence_name(&alert->target, name), alert->peak, 100 * state->completed_share, state->attempts_rate);
}

static void explain_end(const struct syn_flood_state *state, struct event_alert *alert)
{
	char name[EVIDENCE_NAME_BYTES];
	char sources[FATE_SOURCES_BYTES];

	snprintf(alert->explanation, sizeof(alert->explanation),
		 "The SYN flood on %s is over after about %.0f s: %llu SYNs came from %s, %llu handshakes completed, "
		 "at most "
		 "%.0f attempts per second failed. Now %.0f %% of %.0f attempts per second succeed.",
		 evidence_name(&alert->target, name), alert->duration_s, (unsigned long long)alert->counts.syn,
		 name_sources(state, alert, sources), (unsigned long long)alert->counts.completed, alert->peak,
		 100 * state->completed_share, state->attempts_rate);
}

void syn_flood_explain(const void *params, const struct detect_scene *scene, const void *target,
		       const struct finding *finding, enum alert_phase phase, struct event_alert *alert)
{
	const struct syn_flood_state *state = target;

	(void)params;
	if (scene->key->kind == SUMMARY_SERVICE)
		listener_fill(&state->listener, alert);
	alert->completion = state->completed_share;
	alert->completion_baseline = -1;
	if (baseline_ready(&state->attempts))
		alert->completion_baseline = fate_share(state->completed.mean, state->attempts.mean);
	if (phase == ALERT_CLEARED)
		explain_end(state, alert);
	else if (phase == ALERT_UPDATE && is_pausing(state, scene, finding, alert))
		explain_pause(state, alert);
	else
		explain_now(state, alert);
}
