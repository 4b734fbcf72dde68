/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The alarm: EVE's alert object, so that every EVE reader raises it, and the object detection with its evidence and its
 * place in the alarm's life (design sections 3 and 5).
 */
#include "event_json_internal.h"

#include <inttypes.h>
#include <stdio.h>

enum {
	GENERATOR_ID = 1, /* EVE: the rule engine itself */
	RATE_DECIMALS = 3,
	SHARE_DECIMALS = 4,
};

struct event_ends event_json_alert_ends(const struct sensor_event *event)
{
	const struct alert_target *target = &event->alert.target;
	struct event_ends ends = event->ends;

	if (ends.client.version != 0 || ends.server.version != 0)
		return ends;
	ends.client = target->client;
	if (target->ip.version == 0 || target->prefix_bits != 0)
		return ends;
	if (target->is_source) {
		ends.client = target->ip;
		return ends;
	}
	ends.server = target->ip;
	ends.has_ports = target->has_port;
	ends.client_port = 0;
	ends.server_port = target->port;
	return ends;
}

/* Suricata writes each metadata key as an array. */
static void put_metadata_key(struct object_builder *build, json_t *metadata, const char *key, const char *text)
{
	json_t *values;

	if (text == NULL || text[0] == '\0')
		return;
	values = put_array(build, metadata, key);
	append_text(build, values, text);
}

static void put_eve_alert(struct object_builder *build, json_t *object, const struct event_alert *alert)
{
	json_t *eve = put_object(build, object, "alert");
	json_t *metadata;

	put_name(build, eve, "action", "allowed");
	put_count(build, eve, "gid", GENERATOR_ID);
	put_count(build, eve, "signature_id", alert->signature_id);
	put_count(build, eve, "rev", alert->rev);
	put_text(build, eve, "signature", alert->signature);
	put_text(build, eve, "category", alert->category);
	put_count(build, eve, "severity", alert->severity);
	metadata = put_object(build, eve, "metadata");
	put_metadata_key(build, metadata, "mitre_technique_id", alert->mitre_technique);
	put_metadata_key(build, metadata, "mitre_tactic_name", alert->mitre_tactic);
}

static void put_target(struct object_builder *build, json_t *detection, const struct alert_target *target)
{
	json_t *object = put_object(build, detection, "target");

	if (target->client.version != 0)
		put_addr(build, object, "client", &target->client);
	if (target->prefix_bits != 0) {
		char ip[IP_ADDR_TEXT_BYTES];
		char prefix[IP_ADDR_TEXT_BYTES + 5];

		snprintf(prefix, sizeof(prefix), "%s/%u", ip_addr_format(&target->ip, ip), target->prefix_bits);
		put_name(build, object, "prefix", prefix);
	} else if (target->ip.version != 0) {
		put_addr(build, object, "ip", &target->ip);
	}
	if (target->has_port)
		put_count(build, object, "port", target->port);
	if (target->is_source)
		put_name(build, object, "role", "source");
}

static const char *phase_name(enum alert_phase phase)
{
	switch (phase) {
	case ALERT_RAISED:
		return "raised";
	case ALERT_UPDATE:
		return "update";
	case ALERT_CLEARED:
		break;
	}
	return "cleared";
}

static void put_counts(struct object_builder *build, json_t *detection, const struct event_alert *alert)
{
	json_t *counts = put_object(build, detection, "counts");

	put_count(build, counts, "syn", alert->counts.syn);
	put_count(build, counts, "synack", alert->counts.synack);
	put_count(build, counts, "completed", alert->counts.completed);
	put_count(build, counts, "unanswered", alert->counts.unanswered);
	put_count(build, counts, "half_open", alert->counts.half_open);
	put_count(build, counts, "refused", alert->counts.refused);
}

static void put_sources(struct object_builder *build, json_t *detection, const struct event_alert *alert)
{
	json_t *sources = put_object(build, detection, "sources");
	json_t *top;

	put_count(build, sources, "distinct", alert->sources_distinct);
	top = put_array(build, sources, "top");
	for (unsigned i = 0; i < alert->n_top_sources && i < ALERT_TOP_SOURCES; i++) {
		json_t *source = json_object();

		put_addr(build, source, "ip", &alert->top_sources[i].ip);
		put_real(build, source, "share", alert->top_sources[i].share, SHARE_DECIMALS);
		append_value(build, top, source);
	}
	if (alert->spoofed_likelihood >= 0)
		put_real(build, sources, "spoofed_likelihood", alert->spoofed_likelihood, SHARE_DECIMALS);
}

static void put_forecast(struct object_builder *build, json_t *detection, const struct event_alert *alert)
{
	json_t *forecast = put_object(build, detection, "forecast");

	put_real(build, forecast, "occupancy", alert->forecast.occupancy, SHARE_DECIMALS);
	put_count(build, forecast, "capacity", alert->forecast.capacity);
	if (alert->forecast.exhaustion_at_ns != 0)
		put_time(build, forecast, "exhaustion_at", alert->forecast.exhaustion_at_ns);
	if (alert->forecast.seconds_left >= 0)
		put_real(build, forecast, "seconds_left", alert->forecast.seconds_left, RATE_DECIMALS);
}

static void put_visibility(struct object_builder *build, json_t *detection, const struct event_alert *alert)
{
	json_t *visibility = put_object(build, detection, "visibility");

	put_flag(build, visibility, "one_way", alert->visibility.one_way);
	put_count(build, visibility, "kernel_dropped", alert->visibility.kernel_dropped);
	put_count(build, visibility, "flows_evicted", alert->visibility.flows_evicted);
	put_count(build, visibility, "flows_refused", alert->visibility.flows_refused);
}

static void put_life(struct object_builder *build, json_t *detection, const struct event_alert *alert)
{
	put_time(build, detection, "started", alert->started_ns);
	put_time(build, detection, "updated", alert->updated_ns);
	if (alert->ended_ns != 0)
		put_time(build, detection, "ended", alert->ended_ns);
	else
		put_value(build, detection, "ended", json_null());
}

static void put_detection(struct object_builder *build, json_t *object, const struct event_alert *alert)
{
	json_t *detection = put_object(build, object, "detection");
	char alert_id[17];

	/* Text, because many JSON readers cut 64-bit numbers to 53 bits. */
	snprintf(alert_id, sizeof(alert_id), "%016" PRIx64, alert->alert_id);
	put_name(build, detection, "detector", alert->detector);
	put_name(build, detection, "alert_id", alert_id);
	put_name(build, detection, "phase", phase_name(alert->phase));
	put_target(build, detection, &alert->target);
	put_life(build, detection, alert);
	put_real(build, detection, "rate", alert->rate, RATE_DECIMALS);
	put_real(build, detection, "baseline", alert->baseline, RATE_DECIMALS);
	put_real(build, detection, "threshold", alert->threshold, RATE_DECIMALS);
	put_real(build, detection, "peak", alert->peak, RATE_DECIMALS);
	put_counts(build, detection, alert);
	put_sources(build, detection, alert);
	put_real(build, detection, "confidence", alert->confidence, SHARE_DECIMALS);
	if (alert->has_forecast)
		put_forecast(build, detection, alert);
	put_visibility(build, detection, alert);
	put_text(build, detection, "explanation", alert->explanation);
}

void event_json_put_alert(struct object_builder *build, json_t *object, const struct event_alert *alert)
{
	put_eve_alert(build, object, alert);
	put_detection(build, object, alert);
}
