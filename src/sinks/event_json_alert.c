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
static void put_metadata_key(struct json_writer *json, const char *key, const char *text)
{
	if (text == NULL || text[0] == '\0')
		return;
	begin_array(json, key);
	append_text(json, text);
	end_array(json);
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

static void put_eve_alert(struct json_writer *json, const struct event_alert *alert)
{
	begin_object(json, "alert");
	put_name(json, "action", "allowed");
	put_count(json, "gid", GENERATOR_ID);
	put_count(json, "signature_id", alert->signature_id);
	put_count(json, "rev", alert->rev);
	put_text(json, "signature", alert->signature);
	put_text(json, "category", alert->category);
	put_count(json, "severity", alert->severity);
	begin_object(json, "metadata");
	put_metadata_key(json, "mitre_technique_id", alert->mitre_technique);
	put_metadata_key(json, "mitre_tactic_id", tactic_id(alert->mitre_tactic));
	put_metadata_key(json, "mitre_tactic_name", alert->mitre_tactic);
	end_object(json);
	end_object(json);
}

static void put_target(struct json_writer *json, const struct alert_target *target)
{
	begin_object(json, "target");
	if (target->client.version != 0)
		put_addr(json, "client", &target->client);
	if (target->prefix_bits != 0) {
		char ip[IP_ADDR_TEXT_BYTES];
		char prefix[IP_ADDR_TEXT_BYTES + 5];

		snprintf(prefix, sizeof(prefix), "%s/%u", ip_addr_format(&target->ip, ip), target->prefix_bits);
		put_name(json, "prefix", prefix);
	} else if (target->ip.version != 0) {
		put_addr(json, "ip", &target->ip);
	}
	if (target->has_port)
		put_count(json, "port", target->port);
	if (target->is_source)
		put_name(json, "role", "source");
	end_object(json);
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

static void put_class(struct json_writer *json, const struct event_alert *alert)
{
	const char *class_name = alert->class_name != NULL ? alert->class_name : alert->detector;

	put_name(json, "detector", alert->detector);
	put_name(json, "class", class_name);
	if (alert->class_score > 0)
		put_real(json, "class_score", alert->class_score, SHARE_DECIMALS);
	if (alert->runner_up != NULL) {
		begin_object(json, "runner_up");
		put_name(json, "detector", alert->runner_up);
		put_real(json, "score", alert->runner_up_score, SHARE_DECIMALS);
		end_object(json);
	}
}

static void put_counts(struct json_writer *json, const struct event_alert *alert)
{
	begin_object(json, "counts");
	put_count(json, "syn", alert->counts.syn);
	put_count(json, "synack", alert->counts.synack);
	put_count(json, "completed", alert->counts.completed);
	put_count(json, "unanswered", alert->counts.unanswered);
	put_count(json, "half_open", alert->counts.half_open);
	put_count(json, "refused", alert->counts.refused);
	put_count(json, "syn_repeated", alert->counts.syn_repeated);
	put_count(json, "synack_repeated", alert->counts.synack_repeated);
	put_count(json, "client_reset", alert->counts.client_reset);
	put_count(json, "unreachable", alert->counts.unreachable);
	put_count(json, "stray", alert->counts.stray);
	end_object(json);
}

static void put_completion(struct json_writer *json, const struct event_alert *alert)
{
	if (alert->completion < 0 && alert->completion_baseline < 0)
		return;
	begin_object(json, "completion");
	if (alert->completion >= 0)
		put_real(json, "now", alert->completion, SHARE_DECIMALS);
	if (alert->completion_baseline >= 0)
		put_real(json, "baseline", alert->completion_baseline, SHARE_DECIMALS);
	end_object(json);
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

static void put_listener(struct json_writer *json, const struct event_alert *alert)
{
	if (!alert->has_listener)
		return;
	begin_object(json, "listener");
	put_count(json, "half_open", alert->listener.half_open_now);
	put_count(json, "half_open_peak", alert->listener.half_open_peak);
	if (alert->listener.backlog > 0)
		put_count(json, "backlog", alert->listener.backlog);
	put_name(json, "cookies", cookies_name(alert->listener.cookies));
	if (alert->listener.why != NULL)
		put_text(json, "cookies_why", alert->listener.why);
	end_object(json);
}

static void put_sources(struct json_writer *json, const struct event_alert *alert)
{
	begin_object(json, "sources");
	put_count(json, "distinct", alert->sources_distinct);
	if (alert->sources_error > 0)
		put_real(json, "error", alert->sources_error, SHARE_DECIMALS);
	if (alert->sources_baseline >= 0)
		put_real(json, "baseline", alert->sources_baseline, RATE_DECIMALS);
	if (alert->sources_folded > 0)
		put_count(json, "folded", alert->sources_folded);
	begin_array(json, "top");
	for (unsigned i = 0; i < alert->n_top_sources && i < ALERT_TOP_SOURCES; i++) {
		append_object(json);
		put_addr(json, "ip", &alert->top_sources[i].ip);
		put_real(json, "share", alert->top_sources[i].share, SHARE_DECIMALS);
		end_object(json);
	}
	end_array(json);
	if (alert->spoofed_likelihood >= 0)
		put_real(json, "spoofed_likelihood", alert->spoofed_likelihood, SHARE_DECIMALS);
	end_object(json);
}

static void put_fingerprint(struct json_writer *json, const struct event_alert *alert)
{
	char options[9];

	if (alert->fingerprint.share <= 0)
		return;
	begin_object(json, "fingerprint");
	if (alert->fingerprint.entropy_bits >= 0)
		put_real(json, "entropy_bits", alert->fingerprint.entropy_bits, RATE_DECIMALS);
	put_count(json, "ttl", alert->fingerprint.ttl);
	put_count(json, "window", alert->fingerprint.window);
	snprintf(options, sizeof(options), "%08" PRIx32, alert->fingerprint.layout);
	put_name(json, "options", alert->fingerprint.layout == 0 ? "none" : options);
	put_real(json, "share", alert->fingerprint.share, SHARE_DECIMALS);
	put_flag(json, "isn_low_bits_zero", alert->fingerprint.isn_low_bits_zero);
	put_flag(json, "one_source_port", alert->fingerprint.one_source_port);
	end_object(json);
}

static void put_forecast(struct json_writer *json, const struct event_alert *alert)
{
	begin_object(json, "forecast");
	put_real(json, "occupancy", alert->forecast.occupancy, SHARE_DECIMALS);
	put_count(json, "capacity", alert->forecast.capacity);
	if (alert->forecast.exhaustion_at_ns != 0)
		put_time(json, "exhaustion_at", alert->forecast.exhaustion_at_ns);
	if (alert->forecast.seconds_left >= 0)
		put_real(json, "seconds_left", alert->forecast.seconds_left, RATE_DECIMALS);
	end_object(json);
}

static void put_visibility(struct json_writer *json, const struct event_alert *alert)
{
	begin_object(json, "visibility");
	put_flag(json, "one_way", alert->visibility.one_way);
	put_count(json, "kernel_dropped", alert->visibility.kernel_dropped);
	put_count(json, "flows_evicted", alert->visibility.flows_evicted);
	put_count(json, "flows_refused", alert->visibility.flows_refused);
	if (alert->visibility.lost_share >= 0)
		put_real(json, "lost_share", alert->visibility.lost_share, SHARE_DECIMALS);
	if (alert->visibility.one_way_share >= 0)
		put_real(json, "one_way_share", alert->visibility.one_way_share, SHARE_DECIMALS);
	put_flag(json, "started_late", alert->visibility.started_late);
	end_object(json);
}

static const char *id_text(uint64_t alert_id, char text[static ALERT_ID_BYTES])
{
	snprintf(text, ALERT_ID_BYTES, "%016" PRIx64, alert_id);
	return text;
}

static void put_life(struct json_writer *json, const struct event_alert *alert)
{
	char into[ALERT_ID_BYTES];

	put_time(json, "started", alert->started_ns);
	put_time(json, "updated", alert->updated_ns);
	if (alert->ended_ns != 0)
		put_time(json, "ended", alert->ended_ns);
	else
		put_null(json, "ended");
	put_real(json, "duration", alert->duration_s, RATE_DECIMALS);
	put_count(json, "reopened", alert->n_reopened);
	if (alert->clear_reason != NULL)
		put_name(json, "clear_reason", alert->clear_reason);
	if (alert->folded_into != 0)
		put_name(json, "folded_into", id_text(alert->folded_into, into));
}

static void put_parameters(struct json_writer *json, const struct event_alert *alert)
{
	if (alert->n_parameters == 0)
		return;
	begin_object(json, "parameters");
	for (unsigned i = 0; i < alert->n_parameters && i < ALERT_MAX_PARAMETERS; i++) {
		const struct alert_parameter *parameter = &alert->parameters[i];

		if (parameter->kind == ALERT_PARAMETER_FLAG)
			put_flag(json, parameter->name, parameter->value > 0);
		else
			put_real(json, parameter->name, parameter->value, SHARE_DECIMALS);
	}
	end_object(json);
}

static void put_sample_flows(struct json_writer *json, const struct event_alert *alert)
{
	if (alert->n_sample_flows == 0)
		return;
	begin_array(json, "flows");
	for (unsigned i = 0; i < alert->n_sample_flows && i < ALERT_SAMPLE_FLOWS; i++)
		append_count(json, alert->sample_flows[i]);
	end_array(json);
}

/* Live, the packets are gone: first a capture must be taken. Of a file, the same alarm comes again, with its id. */
static void put_command(struct json_writer *json, const struct event_alert *alert, const char *alert_id,
			const struct event_json_replay *replay)
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
		put_text(json, "command", command);
}

static void put_detection(struct json_writer *json, const struct event_alert *alert,
			  const struct event_json_replay *replay)
{
	char alert_id[ALERT_ID_BYTES];

	begin_object(json, "detection");
	/* Text, because many JSON readers cut 64-bit numbers to 53 bits. */
	id_text(alert->alert_id, alert_id);
	put_class(json, alert);
	put_name(json, "alert_id", alert_id);
	put_name(json, "phase", phase_name(alert->phase));
	put_target(json, &alert->target);
	put_life(json, alert);
	put_real(json, "rate", alert->rate, RATE_DECIMALS);
	put_real(json, "baseline", alert->baseline, RATE_DECIMALS);
	put_real(json, "threshold", alert->threshold, RATE_DECIMALS);
	put_real(json, "peak", alert->peak, RATE_DECIMALS);
	put_counts(json, alert);
	put_completion(json, alert);
	put_listener(json, alert);
	put_sources(json, alert);
	put_fingerprint(json, alert);
	put_real(json, "confidence", alert->confidence, SHARE_DECIMALS);
	if (alert->has_forecast)
		put_forecast(json, alert);
	put_visibility(json, alert);
	put_sample_flows(json, alert);
	put_parameters(json, alert);
	if (alert->filter[0] != '\0')
		put_text(json, "filter", alert->filter);
	put_command(json, alert, alert_id, replay);
	put_text(json, "explanation", alert->explanation);
	end_object(json);
}

void event_json_put_alert(struct json_writer *json, const struct event_alert *alert,
			  const struct event_json_replay *replay)
{
	put_eve_alert(json, alert);
	put_detection(json, alert, replay);
}
