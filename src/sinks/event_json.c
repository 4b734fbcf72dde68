/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From an event to its line of JSON (design section 3): the keys that all types share, in EVE's order, and the
 * objects of the small types. flow and alert have files of their own.
 */
#include "tcpwitness/sinks/event_json.h"

#include <stdlib.h>

#include "event_json_internal.h"
#include "tcpwitness/events/community_id.h"

enum {
	LINE_FIRST_BYTES = 4096,
	/* Enough for every rounded number, and 0.1 stays 0.1. */
	REAL_DIGITS = 15,
};

struct event_json {
	char *line;
	size_t capacity;
	struct event_json_replay replay;
};

struct event_json *event_json_create(void)
{
	struct event_json *encoder = malloc(sizeof(*encoder));

	if (encoder == NULL)
		return NULL;
	encoder->replay = (struct event_json_replay){ .command = NULL };
	encoder->capacity = LINE_FIRST_BYTES;
	encoder->line = malloc(encoder->capacity);
	if (encoder->line == NULL) {
		free(encoder);
		return NULL;
	}
	return encoder;
}

void event_json_destroy(struct event_json *encoder)
{
	if (encoder == NULL)
		return;
	free(encoder->line);
	free(encoder);
}

void event_json_set_replay(struct event_json *encoder, const struct event_json_replay *replay)
{
	encoder->replay = *replay;
}

static const char *tunnel_name(uint8_t kind)
{
	switch ((enum tunnel_kind)kind) {
	case TUNNEL_NONE:
		break;
	case TUNNEL_GRE:
		return "gre";
	case TUNNEL_IPIP:
		return "ipip";
	case TUNNEL_6IN4:
		return "6in4";
	case TUNNEL_VXLAN:
		return "vxlan";
	case TUNNEL_GENEVE:
		return "geneve";
	case TUNNEL_GTPU:
		return "gtpu";
	case TUNNEL_ERSPAN:
		return "erspan";
	}
	return "none";
}

static void put_path(struct object_builder *build, json_t *object, const struct event_ends *ends)
{
	if (ends->n_vlans > 0) {
		json_t *vlans = put_array(build, object, "vlan");

		for (unsigned i = 0; i < ends->n_vlans && i < PACKET_MAX_VLANS; i++)
			append_value(build, vlans, json_integer(ends->vlans[i]));
	}
	if (ends->n_tunnels > 0) {
		json_t *tunnel = put_object(build, object, "tunnel");
		json_t *kinds;

		put_count(build, tunnel, "depth", ends->n_tunnels);
		kinds = put_array(build, tunnel, "kinds");
		for (unsigned i = 0; i < ends->n_tunnels && i < PACKET_MAX_TUNNELS; i++)
			append_value(build, kinds, json_string_nocheck(tunnel_name(ends->tunnels[i])));
	}
}

/* Port 0 is a port that segments really carry, but an alarm has none to give where it says 0. */
static bool shows_port(const struct sensor_event *event, const struct event_ends *ends, uint16_t port)
{
	return ends->has_ports && (port != 0 || event->type != EVENT_ALERT);
}

static void put_ends(struct object_builder *build, json_t *object, const struct sensor_event *event)
{
	struct event_ends ends = event->type == EVENT_ALERT ? event_json_alert_ends(event) : event->ends;
	bool has_client = ends.client.version != 0;
	bool has_server = ends.server.version != 0;
	bool has_client_port = has_client && shows_port(event, &ends, ends.client_port);
	bool has_server_port = has_server && shows_port(event, &ends, ends.server_port);
	char text[COMMUNITY_ID_BYTES];

	if (has_client)
		put_addr(build, object, "src_ip", &ends.client);
	if (has_client_port)
		put_count(build, object, "src_port", ends.client_port);
	if (has_server)
		put_addr(build, object, "dest_ip", &ends.server);
	if (has_server_port)
		put_count(build, object, "dest_port", ends.server_port);
	put_name(build, object, "proto", "TCP");
	if (has_client || has_server)
		put_count(build, object, "ip_v", has_client ? ends.client.version : ends.server.version);
	put_path(build, object, &ends);
	if (has_client_port && has_server_port)
		put_name(build, object, "community_id",
			 community_id(&ends.client, ends.client_port, &ends.server, ends.server_port, text));
}

static void put_tcp_state(struct object_builder *build, json_t *object, const struct event_tcp_state *event)
{
	const struct tcp_transition *transition = &event->transition;
	json_t *tcp_state = put_object(build, object, "tcp_state");

	put_name(build, tcp_state, "endpoint", conn_side_name((enum conn_side)transition->side));
	put_name(build, tcp_state, "from", tcp_state_name((enum tcp_state)transition->from));
	put_name(build, tcp_state, "to", tcp_state_name((enum tcp_state)transition->to));
	put_name(build, tcp_state, "certainty", tcp_certainty_name((enum tcp_certainty)transition->certainty));
	put_name(build, tcp_state, "cause", conn_cause_name((enum conn_cause)transition->cause));
	put_flag(build, tcp_state, "inferred", transition->inferred);
	if (transition->caused_by != 0)
		put_count(build, tcp_state, "caused_by", transition->caused_by);
	if (event->previous_flow_id != 0)
		put_count(build, tcp_state, "previous_flow_id", event->previous_flow_id);
}

/* The protocol whose rules the anomaly is about; all others of the catalogue are TCP's. */
static const char *anomaly_layer(enum anomaly anomaly)
{
	if (anomaly == ANOMALY_LAND_PACKET || anomaly == ANOMALY_SYN_TO_MULTICAST ||
	    anomaly == ANOMALY_LOOPBACK_ON_WIRE || anomaly == ANOMALY_FRAGMENTED_TCP_HEADER ||
	    anomaly == ANOMALY_FRAGMENT_OVERLAP)
		return "ip";
	return anomaly == ANOMALY_ICMP_ERROR ? "icmp" : "tcp";
}

static void put_anomaly(struct object_builder *build, json_t *object, const struct event_anomaly *event)
{
	const struct anomaly_info *info = anomaly_info(event->anomaly);
	json_t *anomaly = put_object(build, object, "anomaly");

	put_name(build, anomaly, "type", info->is_decode ? "decode" : "stream");
	put_name(build, anomaly, "event", info->name);
	put_name(build, anomaly, "layer", anomaly_layer(event->anomaly));
	put_count(build, anomaly, "count", event->count);
}

static void put_counters(struct object_builder *build, json_t *object, const struct event_counter *counters, unsigned n)
{
	for (unsigned i = 0; i < n && i < EVENT_MAX_COUNTERS; i++)
		put_dotted(build, object, counters[i].name, counters[i].value);
}

static void put_stats(struct object_builder *build, json_t *object, const struct event_stats *event)
{
	json_t *stats = put_object(build, object, "stats");

	put_count(build, stats, "uptime", event->uptime_s);
	put_counters(build, stats, event->counters, event->n_counters);
}

/* The two maps are there also when nothing was refused or evicted: no reader has to ask for them first. */
static void put_summary(struct object_builder *build, json_t *object, const struct event_summary *event)
{
	static const char *const maps[] = { "decode_refused", "evicted" };
	json_t *summary = put_object(build, object, "summary");

	put_counters(build, summary, event->counters, event->n_counters);
	for (unsigned i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
		if (json_object_get(summary, maps[i]) == NULL)
			put_object(build, summary, maps[i]);
	}
	put_flag(build, summary, "truncated", event->truncated);
}

static void put_own_objects(struct object_builder *build, json_t *object, const struct sensor_event *event,
			    const struct event_json_replay *replay)
{
	switch (event->type) {
	case EVENT_ALERT:
		event_json_put_alert(build, object, &event->alert, replay);
		break;
	case EVENT_FLOW:
		event_json_put_flow(build, object, &event->flow);
		break;
	case EVENT_ANOMALY:
		put_anomaly(build, object, &event->anomaly);
		break;
	case EVENT_TCP_STATE:
		put_tcp_state(build, object, &event->tcp_state);
		break;
	case EVENT_STATS:
		put_stats(build, object, &event->stats);
		break;
	case EVENT_SUMMARY:
		put_summary(build, object, &event->summary);
		break;
	case EVENT_TYPE_COUNT:
		break;
	}
}

static void put_event(struct object_builder *build, json_t *object, const struct sensor_event *event,
		      const struct event_json_replay *replay)
{
	put_time(build, object, "timestamp", event->time_ns);
	if (event->flow_id != 0)
		put_count(build, object, "flow_id", event->flow_id);
	if (event->packet_number != 0)
		put_count(build, object, "pcap_cnt", event->packet_number);
	if (event->in_iface != NULL)
		put_text(build, object, "in_iface", event->in_iface);
	put_name(build, object, "event_type", sensor_event_type_name(event->type));
	if (event->type != EVENT_STATS && event->type != EVENT_SUMMARY)
		put_ends(build, object, event);
	put_own_objects(build, object, event, replay);
}

/* Prints object into the line, which grows as needed. Returns its length with the newline, 0 when memory is short. */
static size_t print_line(struct event_json *encoder, const json_t *object)
{
	const size_t flags = JSON_COMPACT | JSON_REAL_PRECISION(REAL_DIGITS);
	size_t length = json_dumpb(object, encoder->line, encoder->capacity, flags);

	if (length >= encoder->capacity) {
		char *longer = realloc(encoder->line, length + 1);

		if (longer == NULL)
			return 0;
		encoder->line = longer;
		encoder->capacity = length + 1;
		length = json_dumpb(object, encoder->line, encoder->capacity, flags);
	}
	if (length == 0)
		return 0;
	encoder->line[length] = '\n';
	return length + 1;
}

const char *event_json_encode(struct event_json *encoder, const struct sensor_event *event, size_t *length)
{
	struct object_builder build = { .failed = false };
	json_t *object = json_object();

	*length = 0;
	put_event(&build, object, event, &encoder->replay);
	if (!build.failed)
		*length = print_line(encoder, object);
	json_decref(object);
	return *length == 0 ? NULL : encoder->line;
}
