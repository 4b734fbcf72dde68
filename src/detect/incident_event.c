/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an alarm's event says whoever found it: rule, life, target, counts, sources, and what could not be seen.
 */
#include "incident.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "alarm_event.h"
#include "alarm_filter.h"
#include "evidence.h"
#include "sensor_view.h"

static const char *text_or_null(const char *text)
{
	return text[0] == '\0' ? NULL : text;
}

struct alert_target incident_target(const struct summary_key *key)
{
	return (struct alert_target){
		.ip = key->ip,
		.prefix_bits = key->prefix_bits,
		.has_port = key->kind == SUMMARY_SERVICE || key->kind == SUMMARY_PAIR,
		.port = key->port,
		.is_source = key->kind == SUMMARY_SOURCE,
		.client = key->client,
	};
}

static void fill_ends(struct sensor_event *event, const struct summary_key *key)
{
	if (key->kind == SUMMARY_PREFIX || key->kind == SUMMARY_SENSOR)
		return;
	event->ends.has_ports = key->kind == SUMMARY_SERVICE || key->kind == SUMMARY_PAIR;
	event->ends.server_port = key->port;
	event->ends.client = key->kind == SUMMARY_SOURCE ? key->ip : key->client;
	if (key->kind != SUMMARY_SOURCE)
		event->ends.server = key->ip;
}

static void fill_rule(struct event_alert *alert, const struct detector_run *run)
{
	alert->signature_id = run->rule->signature_id;
	alert->rev = run->rule->rev;
	alert->signature = run->rule->signature;
	alert->category = run->rule->category;
	alert->mitre_technique = text_or_null(run->rule->mitre_technique);
	alert->mitre_tactic = text_or_null(run->rule->mitre_tactic);
	alert->detector = run->detector->name;
}

static void fill_life(struct event_alert *alert, const struct incident_event *about)
{
	const struct finding *finding = about->finding;

	alarm_event_life(alert, about->incident->alarm, about->phase, about->scene->now_ns);
	alert->updated_ns = about->time.now_ns;
	if (about->is_ending)
		alert->clear_reason = "shutdown";
	if (about->folded_into != NULL) {
		alert->clear_reason = "folded";
		alert->folded_into = about->folded_into->alarm->alert_id;
	}
	alert->baseline = finding->baseline;
	alert->confidence = finding->confidence;
	if (alert->class_name == NULL)
		alert->class_name = alert->detector;
	alert->class_score = finding->score;
	if (about->runner_up != NULL) {
		alert->runner_up = about->runner_up->detector->name;
		alert->runner_up_score = about->runner_up_score;
	}
}

void incident_event_fill(struct sensor_event *event, const struct incident_event *about)
{
	struct event_alert *alert = &event->alert;

	event->time_ns = about->time.now_ns;
	event->packet_number = about->time.packet_number;
	fill_ends(event, &about->incident->watch->key);
	fill_rule(alert, about->incident->present);
	fill_life(alert, about);
	evidence_fill(event, about->incident->present->detector, about->scene, &about->incident->past);
	alert->sources_folded = about->incident->n_folded;
	alarm_event_parameters(alert, about->incident->present->detector,
			       watch_params(about->incident->watch, about->incident->present));
	alarm_filter_fill(alert);
}

/* In front of what the detector said of the source alone. */
void incident_event_tell_folded(struct event_alert *alert, const struct incident *into)
{
	char alone[sizeof(alert->explanation)];
	char name[EVIDENCE_NAME_BYTES];

	memcpy(alone, alert->explanation, sizeof(alone));
	snprintf(alert->explanation, sizeof(alert->explanation),
		 "Part of what is told from now on in the alarm %016" PRIx64 " about %s; %.260s", into->alarm->alert_id,
		 evidence_name(&into->alarm->target, name), alone);
}

void incident_event_doubt(struct sensor_event *event, const struct incident_event *about)
{
	enum { DOUBT_BYTES = 160, MANY_EVICTED = 100 };
	const struct sensor_view *view = about->scene->view;
	char *text = event->alert.explanation;
	char doubt[DOUBT_BYTES] = "";
	double lost = sensor_view_lost_share(view);

	/* An alarm about the sensor says nothing else; and what is over needs no doubt. */
	if (about->incident->watch->key.kind == SUMMARY_SENSOR || about->phase == ALERT_CLEARED)
		return;
	if (view != NULL && view->recent.attempts_evicted >= MANY_EVICTED)
		snprintf(doubt, sizeof(doubt),
			 " The sensor's memory was too small for %llu attempts of the last minute: they seem to fail.",
			 (unsigned long long)view->recent.attempts_evicted);
	else if (sensor_view_is_one_way(view))
		snprintf(doubt, sizeof(doubt), " The sensor sees most connections in one direction only.");
	else if (lost >= 0.01)
		snprintf(doubt, sizeof(doubt),
			 " The sensor misses about %.0f %% of the segments: some of what seems unanswered is not.",
			 100 * lost);
	size_t used = strlen(text);
	if (used + strlen(doubt) < sizeof(event->alert.explanation))
		memcpy(text + used, doubt, strlen(doubt) + 1);
}
