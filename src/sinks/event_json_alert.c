/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The alarm: EVE's alert object, so that every EVE reader raises it, and the object detection with its evidence and its
 * place in the alarm's life (design sections 3 and 5).
 */
#include "event_json_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
	ALERT_ID_BYTES = 17,
	GENERATOR_ID = 1, /* EVE: the rule engine itself */
	RATE_DECIMALS = 3,
	SHARE_DECIMALS = 4,
	REPLAY_BYTES = 8192,
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

/* ATT&CK's number of a tactic (Enterprise); null = it has none of that name. */
static const char *tactic_id(const char *name)
{
	static const char *const tactics[][2] = {
		{ "Reconnaissance", "TA0043" },  { "Resource Development", "TA0042" },
		{ "Initial Access", "TA0001" },  { "Execution", "TA0002" },
		{ "Persistence", "TA0003" },     { "Privilege Escalation", "TA0004" },
		{ "Defense Evasion", "TA0005" }, { "Credential Access", "TA0006" },
		{ "Discovery", "TA0007" },       { "Lateral Movement", "TA0008" },
		{ "Collection", "TA0009" },      { "Command and Control", "TA0011" },
		{ "Exfiltration", "TA0010" },    { "Impact", "TA0040" },
	};

	if (name == NULL)
		return NULL;
	for (size_t i = 0; i < sizeof(tactics) / sizeof(tactics[0]); i++)
		if (strcmp(tactics[i][0], name) == 0)
			return tactics[i][1];
	return NULL;
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
	put_metadata_key(build, metadata, "mitre_tactic_id", tactic_id(alert->mitre_tactic));
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

static void put_class(struct object_builder *build, json_t *detection, const struct event_alert *alert)
{
	const char *class_name = alert->class_name != NULL ? alert->class_name : alert->detector;

	put_name(build, detection, "detector", alert->detector);
	put_name(build, detection, "class", class_name);
	if (alert->class_score > 0)
		put_real(build, detection, "class_score", alert->class_score, SHARE_DECIMALS);
	if (alert->runner_up != NULL) {
		json_t *runner_up = put_object(build, detection, "runner_up");

		put_name(build, runner_up, "detector", alert->runner_up);
		put_real(build, runner_up, "score", alert->runner_up_score, SHARE_DECIMALS);
	}
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
	put_count(build, counts, "syn_repeated", alert->counts.syn_repeated);
	put_count(build, counts, "synack_repeated", alert->counts.synack_repeated);
	put_count(build, counts, "client_reset", alert->counts.client_reset);
	put_count(build, counts, "unreachable", alert->counts.unreachable);
	put_count(build, counts, "stray", alert->counts.stray);
}

static void put_completion(struct object_builder *build, json_t *detection, const struct event_alert *alert)
{
	json_t *completion;

	if (alert->completion < 0 && alert->completion_baseline < 0)
		return;
	completion = put_object(build, detection, "completion");
	if (alert->completion >= 0)
		put_real(build, completion, "now", alert->completion, SHARE_DECIMALS);
	if (alert->completion_baseline >= 0)
		put_real(build, completion, "baseline", alert->completion_baseline, SHARE_DECIMALS);
}

static const char *cookies_name(uint8_t cookies)
{
	switch ((enum alert_cookies)cookies) {
	case ALERT_COOKIES_NO:
		return "no";
	case ALERT_COOKIES_YES:
		return "yes";
	case ALERT_COOKIES_UNKNOWN:
		break;
	}
	return "unknown";
}

static void put_listener(struct object_builder *build, json_t *detection, const struct event_alert *alert)
{
	json_t *listener;

	if (!alert->has_listener)
		return;
	listener = put_object(build, detection, "listener");
	put_count(build, listener, "half_open", alert->listener.half_open_now);
	put_count(build, listener, "half_open_peak", alert->listener.half_open_peak);
	if (alert->listener.backlog > 0)
		put_count(build, listener, "backlog", alert->listener.backlog);
	put_name(build, listener, "cookies", cookies_name(alert->listener.cookies));
	if (alert->listener.why != NULL)
		put_text(build, listener, "cookies_why", alert->listener.why);
}

static void put_sources(struct object_builder *build, json_t *detection, const struct event_alert *alert)
{
	json_t *sources = put_object(build, detection, "sources");
	json_t *top;

	put_count(build, sources, "distinct", alert->sources_distinct);
	if (alert->sources_error > 0)
		put_real(build, sources, "error", alert->sources_error, SHARE_DECIMALS);
	if (alert->sources_baseline >= 0)
		put_real(build, sources, "baseline", alert->sources_baseline, RATE_DECIMALS);
	if (alert->sources_folded > 0)
		put_count(build, sources, "folded", alert->sources_folded);
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

static void put_fingerprint(struct object_builder *build, json_t *detection, const struct event_alert *alert)
{
	json_t *fingerprint;
	char options[9];

	if (alert->fingerprint.share <= 0)
		return;
	fingerprint = put_object(build, detection, "fingerprint");
	if (alert->fingerprint.entropy_bits >= 0)
		put_real(build, fingerprint, "entropy_bits", alert->fingerprint.entropy_bits, RATE_DECIMALS);
	put_count(build, fingerprint, "ttl", alert->fingerprint.ttl);
	put_count(build, fingerprint, "window", alert->fingerprint.window);
	snprintf(options, sizeof(options), "%08" PRIx32, alert->fingerprint.layout);
	put_name(build, fingerprint, "options", alert->fingerprint.layout == 0 ? "none" : options);
	put_real(build, fingerprint, "share", alert->fingerprint.share, SHARE_DECIMALS);
	put_flag(build, fingerprint, "isn_low_bits_zero", alert->fingerprint.isn_low_bits_zero);
	put_flag(build, fingerprint, "one_source_port", alert->fingerprint.one_source_port);
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
	if (alert->visibility.lost_share >= 0)
		put_real(build, visibility, "lost_share", alert->visibility.lost_share, SHARE_DECIMALS);
	if (alert->visibility.one_way_share >= 0)
		put_real(build, visibility, "one_way_share", alert->visibility.one_way_share, SHARE_DECIMALS);
	put_flag(build, visibility, "started_late", alert->visibility.started_late);
}

static const char *id_text(uint64_t alert_id, char text[static ALERT_ID_BYTES])
{
	snprintf(text, ALERT_ID_BYTES, "%016" PRIx64, alert_id);
	return text;
}

static void put_life(struct object_builder *build, json_t *detection, const struct event_alert *alert)
{
	char into[ALERT_ID_BYTES];

	put_time(build, detection, "started", alert->started_ns);
	put_time(build, detection, "updated", alert->updated_ns);
	if (alert->ended_ns != 0)
		put_time(build, detection, "ended", alert->ended_ns);
	else
		put_value(build, detection, "ended", json_null());
	put_real(build, detection, "duration", alert->duration_s, RATE_DECIMALS);
	put_count(build, detection, "reopened", alert->n_reopened);
	if (alert->clear_reason != NULL)
		put_name(build, detection, "clear_reason", alert->clear_reason);
	if (alert->folded_into != 0)
		put_name(build, detection, "folded_into", id_text(alert->folded_into, into));
}

static void put_parameters(struct object_builder *build, json_t *detection, const struct event_alert *alert)
{
	json_t *parameters;

	if (alert->n_parameters == 0)
		return;
	parameters = put_object(build, detection, "parameters");
	for (unsigned i = 0; i < alert->n_parameters && i < ALERT_MAX_PARAMETERS; i++) {
		const struct alert_parameter *parameter = &alert->parameters[i];

		if (parameter->kind == ALERT_PARAMETER_FLAG)
			put_flag(build, parameters, parameter->name, parameter->value > 0);
		else
			put_real(build, parameters, parameter->name, parameter->value, SHARE_DECIMALS);
	}
}

static void put_sample_flows(struct object_builder *build, json_t *detection, const struct event_alert *alert)
{
	json_t *flows;

	if (alert->n_sample_flows == 0)
		return;
	flows = put_array(build, detection, "flows");
	for (unsigned i = 0; i < alert->n_sample_flows && i < ALERT_SAMPLE_FLOWS; i++)
		append_value(build, flows, json_integer((json_int_t)alert->sample_flows[i]));
}

/* Live, the packets are gone: first a capture must be taken. Of a file, the same alarm comes again, with its id. */
static void put_command(struct object_builder *build, json_t *detection, const struct event_alert *alert,
			const char *alert_id, const struct event_json_replay *replay)
{
	char command[REPLAY_BYTES];
	int length;

	if (replay->command == NULL)
		return;
	if (replay->capture[0] == '\0')
		length = snprintf(command, sizeof(command), "%s | grep %s", replay->command, alert_id);
	else
		length = snprintf(command, sizeof(command), "%s '%s'; %s", replay->capture, alert->capture,
				  replay->command);
	/* Cut short it would be another command. */
	if (length > 0 && (size_t)length < sizeof(command))
		put_text(build, detection, "command", command);
}

static void put_detection(struct object_builder *build, json_t *object, const struct event_alert *alert,
			  const struct event_json_replay *replay)
{
	json_t *detection = put_object(build, object, "detection");
	char alert_id[ALERT_ID_BYTES];

	/* Text, because many JSON readers cut 64-bit numbers to 53 bits. */
	id_text(alert->alert_id, alert_id);
	put_class(build, detection, alert);
	put_name(build, detection, "alert_id", alert_id);
	put_name(build, detection, "phase", phase_name(alert->phase));
	put_target(build, detection, &alert->target);
	put_life(build, detection, alert);
	put_real(build, detection, "rate", alert->rate, RATE_DECIMALS);
	put_real(build, detection, "baseline", alert->baseline, RATE_DECIMALS);
	put_real(build, detection, "threshold", alert->threshold, RATE_DECIMALS);
	put_real(build, detection, "peak", alert->peak, RATE_DECIMALS);
	put_counts(build, detection, alert);
	put_completion(build, detection, alert);
	put_listener(build, detection, alert);
	put_sources(build, detection, alert);
	put_fingerprint(build, detection, alert);
	put_real(build, detection, "confidence", alert->confidence, SHARE_DECIMALS);
	if (alert->has_forecast)
		put_forecast(build, detection, alert);
	put_visibility(build, detection, alert);
	put_sample_flows(build, detection, alert);
	put_parameters(build, detection, alert);
	if (alert->filter[0] != '\0')
		put_text(build, detection, "filter", alert->filter);
	put_command(build, detection, alert, alert_id, replay);
	put_text(build, detection, "explanation", alert->explanation);
}

void event_json_put_alert(struct object_builder *build, json_t *object, const struct event_alert *alert,
			  const struct event_json_replay *replay)
{
	put_eve_alert(build, object, alert);
	put_detection(build, object, alert, replay);
}
