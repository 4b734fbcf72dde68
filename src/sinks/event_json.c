/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From an event to its line of JSON (design section 3): the keys that all types share, in EVE's order, and the
 * objects of the small types. flow and alert have files of their own.
 */
#include "tcpwitness/sinks/event_json.h"

#include <stdlib.h>
#include <string.h>

#include "event_json_internal.h"
#include "tcpwitness/events/community_id.h"

/* More than most events need; what is longer makes it grow once. */
enum { LINE_FIRST_BYTES = 4096 };

struct event_json {
	struct json_writer json;
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
	json_writer_init(&encoder->json);
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

static void put_path(struct json_writer *json, const struct event_ends *ends)
{
	if (ends->n_vlans > 0) {
		begin_array(json, "vlan");
		for (unsigned i = 0; i < ends->n_vlans && i < PACKET_MAX_VLANS; i++)
			append_count(json, ends->vlans[i]);
		end_array(json);
	}
	if (ends->n_tunnels > 0) {
		begin_object(json, "tunnel");
		put_count(json, "depth", ends->n_tunnels);
		begin_array(json, "kinds");
		for (unsigned i = 0; i < ends->n_tunnels && i < PACKET_MAX_TUNNELS; i++)
			append_name(json, tunnel_name(ends->tunnels[i]));
		end_array(json);
		end_object(json);
	}
}

/* Port 0 is a port that segments really carry, but an alarm has none to give where it says 0. */
static bool shows_port(const struct sensor_event *event, const struct event_ends *ends, uint16_t port)
{
	return ends->has_ports && (port != 0 || event->type != EVENT_ALERT);
}

static void put_ends(struct json_writer *json, const struct sensor_event *event)
{
	struct event_ends ends = event->type == EVENT_ALERT ? event_json_alert_ends(event) : event->ends;
	bool has_client = ends.client.version != 0;
	bool has_server = ends.server.version != 0;
	bool has_client_port = has_client && shows_port(event, &ends, ends.client_port);
	bool has_server_port = has_server && shows_port(event, &ends, ends.server_port);
	char text[COMMUNITY_ID_BYTES];

	if (has_client)
		put_addr(json, "src_ip", &ends.client);
	if (has_client_port)
		put_count(json, "src_port", ends.client_port);
	if (has_server)
		put_addr(json, "dest_ip", &ends.server);
	if (has_server_port)
		put_count(json, "dest_port", ends.server_port);
	put_name(json, "proto", "TCP");
	if (has_client || has_server)
		put_count(json, "ip_v", has_client ? ends.client.version : ends.server.version);
	put_path(json, &ends);
	if (has_client_port && has_server_port)
		put_name(json, "community_id",
			 community_id(&ends.client, ends.client_port, &ends.server, ends.server_port, text));
}

static void put_tcp_state(struct json_writer *json, const struct event_tcp_state *event)
{
	const struct tcp_transition *transition = &event->transition;
	begin_object(json, "tcp_state");
	put_name(json, "endpoint", conn_side_name((enum conn_side)transition->side));
	put_name(json, "from", tcp_state_name((enum tcp_state)transition->from));
	put_name(json, "to", tcp_state_name((enum tcp_state)transition->to));
	put_name(json, "certainty", tcp_certainty_name((enum tcp_certainty)transition->certainty));
	put_name(json, "cause", conn_cause_name((enum conn_cause)transition->cause));
	put_flag(json, "inferred", transition->inferred);
	if (transition->caused_by != 0)
		put_count(json, "caused_by", transition->caused_by);
	if (event->previous_flow_id != 0)
		put_count(json, "previous_flow_id", event->previous_flow_id);
	end_object(json);
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

static void put_anomaly(struct json_writer *json, const struct event_anomaly *event)
{
	const struct anomaly_info *info = anomaly_info(event->anomaly);
	begin_object(json, "anomaly");
	put_name(json, "type", info->is_decode ? "decode" : "stream");
	put_name(json, "event", info->name);
	put_name(json, "layer", anomaly_layer(event->anomaly));
	put_count(json, "count", event->count);
	end_object(json);
}

/* Counters by their dotted names, of which a prefix is at hand: those of one object of the event. */
struct counters {
	const struct event_counter *list;
	unsigned n;
	size_t prefix_bytes; /* "flow." or "flow.evicted."; 0 = all of the list */
};

static bool begins_alike(const struct event_counter *a, const struct event_counter *b, size_t n_bytes)
{
	return strncmp(a->name, b->name, n_bytes) == 0;
}

/* One of the list has those n_bytes as its whole name. */
static bool is_number(const struct counters *counters, const char *name, size_t n_bytes)
{
	for (unsigned i = 0; i < counters->n; i++) {
		if (strncmp(counters->list[i].name, name, n_bytes) == 0 && counters->list[i].name[n_bytes] == '\0')
			return true;
	}
	return false;
}

static bool is_first_of_group(const struct counters *counters, unsigned index, size_t group_bytes)
{
	for (unsigned i = 0; i < index; i++) {
		if (begins_alike(&counters->list[i], &counters->list[index], group_bytes))
			return false;
	}
	return true;
}

/*
 * The counters that begin as the first of them does, as nested objects: "flow.created" is created in flow, which stands
 * where its first counter does. Where a part of the name is a number itself, the rest stays one key with its dots:
 * nothing is lost.
 */
static void put_counters(struct json_writer *json, const struct counters *counters, unsigned first)
{
	size_t prefix_bytes = counters->prefix_bytes;

	for (unsigned i = first; i < counters->n; i++) {
		const struct event_counter *counter = &counters->list[i];
		const char *rest = counter->name + prefix_bytes;
		const char *dot;
		struct counters group = *counters;

		if (!begins_alike(counter, &counters->list[first], prefix_bytes))
			continue;
		dot = strchr(rest, '.');
		if (dot == NULL || is_number(counters, counter->name, (size_t)(dot - counter->name))) {
			put_count(json, rest, counter->value);
			continue;
		}
		group.prefix_bytes = (size_t)(dot + 1 - counter->name);
		if (!is_first_of_group(counters, i, group.prefix_bytes))
			continue;
		begin_object_n(json, rest, (size_t)(dot - rest));
		put_counters(json, &group, i);
		end_object(json);
	}
}

static bool has_group(const struct counters *counters, const char *prefix)
{
	for (unsigned i = 0; i < counters->n; i++) {
		if (strncmp(counters->list[i].name, prefix, strlen(prefix)) == 0)
			return true;
	}
	return false;
}

static struct counters all_counters(const struct event_counter *list, unsigned n)
{
	return (struct counters){ .list = list, .n = n < EVENT_MAX_COUNTERS ? n : EVENT_MAX_COUNTERS };
}

static void put_stats(struct json_writer *json, const struct event_stats *event)
{
	struct counters counters = all_counters(event->counters, event->n_counters);

	begin_object(json, "stats");
	put_count(json, "uptime", event->uptime_s);
	put_counters(json, &counters, 0);
	end_object(json);
}

/* The two maps are there also when nothing was refused or evicted: no reader has to ask for them first. */
static void put_summary(struct json_writer *json, const struct event_summary *event)
{
	static const char *const maps[] = { "decode_refused.", "evicted." };
	struct counters counters = all_counters(event->counters, event->n_counters);
	begin_object(json, "summary");
	put_counters(json, &counters, 0);
	for (unsigned i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
		if (has_group(&counters, maps[i]))
			continue;
		begin_object_n(json, maps[i], strlen(maps[i]) - 1);
		end_object(json);
	}
	put_flag(json, "truncated", event->truncated);
	end_object(json);
}

static void put_own_objects(struct json_writer *json, const struct sensor_event *event,
			    const struct event_json_replay *replay)
{
	switch (event->type) {
	case EVENT_ALERT:
		event_json_put_alert(json, &event->alert, replay);
		break;
	case EVENT_FLOW:
		event_json_put_flow(json, &event->flow);
		break;
	case EVENT_ANOMALY:
		put_anomaly(json, &event->anomaly);
		break;
	case EVENT_TCP_STATE:
		put_tcp_state(json, &event->tcp_state);
		break;
	case EVENT_STATS:
		put_stats(json, &event->stats);
		break;
	case EVENT_SUMMARY:
		put_summary(json, &event->summary);
		break;
	case EVENT_TYPE_COUNT:
		break;
	}
}

static void put_event(struct json_writer *json, const struct sensor_event *event,
		      const struct event_json_replay *replay)
{
	put_time(json, "timestamp", event->time_ns);
	if (event->flow_id != 0)
		put_count(json, "flow_id", event->flow_id);
	if (event->packet_number != 0)
		put_count(json, "pcap_cnt", event->packet_number);
	if (event->in_iface != NULL)
		put_text(json, "in_iface", event->in_iface);
	put_name(json, "event_type", sensor_event_type_name(event->type));
	if (event->type != EVENT_STATS && event->type != EVENT_SUMMARY)
		put_ends(json, event);
	put_own_objects(json, event, replay);
}

/* Room for twice as much. */
static bool lengthen_line(struct event_json *encoder)
{
	char *longer = realloc(encoder->line, 2 * encoder->capacity);

	if (longer == NULL)
		return false;
	encoder->line = longer;
	encoder->capacity *= 2;
	return true;
}

const char *event_json_encode(struct event_json *encoder, const struct sensor_event *event, size_t *length)
{
	size_t object_bytes;

	*length = 0;
	for (;;) {
		json_writer_start(&encoder->json, encoder->line, encoder->capacity - 1);
		put_event(&encoder->json, event, &encoder->replay);
		object_bytes = json_writer_finish(&encoder->json);
		if (object_bytes > 0)
			break;
		if (!lengthen_line(encoder))
			return NULL;
	}
	encoder->line[object_bytes] = '\n';
	*length = object_bytes + 1;
	return encoder->line;
}
