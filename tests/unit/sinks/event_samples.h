/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * One filled event of each kind, as the capture thread would leave it in the queue. test_event_json.c has the lines
 * that they become; tcpwitness-events(5) shows the same lines.
 */
#include <string.h>

#include "tcpwitness/base/units.h"
#include "tcpwitness/decode/packet.h"
#include "tcpwitness/events/sensor_event.h"
#include "tcpwitness/flow/flow.h"

/* 2026-11-20T02:31:45 UTC */
#define SAMPLE_TIME_NS (UINT64_C(1795141905) * NS_PER_SEC)

static inline struct ip_addr sample_addr(const char *text)
{
	struct ip_addr addr = { .version = 0 };

	(void)ip_addr_parse(text, &addr);
	return addr;
}

static inline struct sensor_event sample_event(enum sensor_event_type type, uint64_t time_us, uint64_t packet,
					       uint64_t flow)
{
	struct sensor_event event;

	memset(&event, 0, sizeof(event));
	event.type = type;
	event.time_ns = SAMPLE_TIME_NS + time_us * NS_PER_US;
	event.packet_number = packet;
	event.flow_id = flow;
	event.in_iface = "eth0";
	return event;
}

static inline struct event_ends sample_ends(const char *client, uint16_t client_port, const char *server,
					    uint16_t server_port)
{
	return (struct event_ends){
		.client = sample_addr(client),
		.server = sample_addr(server),
		.client_port = client_port,
		.server_port = server_port,
		.has_ports = true,
	};
}

/* The server's SYN-ACK was seen, so the client is in ESTABLISHED if it arrives. */
static inline struct sensor_event sample_tcp_state(void)
{
	struct sensor_event event = sample_event(EVENT_TCP_STATE, 39666, 1009, 1008);

	event.ends = sample_ends("192.0.2.10", 50001, "198.51.100.5", 443);
	event.tcp_state.transition = (struct tcp_transition){
		.side = SIDE_CLIENT,
		.from = TCPS_SYN_SENT,
		.to = TCPS_ESTABLISHED,
		.certainty = TCP_PRESUMED,
		.cause = CONN_CAUSE_SYNACK,
		.caused_by = 1009,
	};
	return event;
}

/*
 * A download with some loss behind the tap, on VLAN 100 inside VXLAN, closed by the client. No one packet causes a
 * record.
 */
static inline struct sensor_event sample_flow(void)
{
	struct sensor_event event = sample_event(EVENT_FLOW, 72539666, 0, 1007);
	struct event_flow_end *client = &event.flow.end[SIDE_CLIENT];
	struct event_flow_end *server = &event.flow.end[SIDE_SERVER];

	event.ends = sample_ends("192.0.2.10", 50000, "198.51.100.5", 443);
	event.ends.n_vlans = 1;
	event.ends.vlans[0] = 100;
	event.ends.n_tunnels = 1;
	event.ends.tunnels[0] = TUNNEL_VXLAN;
	event.flow.start_ns = SAMPLE_TIME_NS + 39000 * NS_PER_US;
	event.flow.end_ns = SAMPLE_TIME_NS + 12539666 * NS_PER_US;
	event.flow.reason = FLOW_END_CLOSED;
	event.flow.phase = CONN_PHASE_TIME_WAIT;
	event.flow.outcome = CONN_OUTCOME_COMPLETED_NORMAL;
	event.flow.origin = CONN_ORIGIN_SYN;
	event.flow.direction_certain = true;
	event.flow.closed_by_known = true;
	event.flow.closed_by = SIDE_CLIENT;
	event.flow.established_once = true;
	event.flow.previous_flow_id = 12;
	event.flow.rtt_client_us = 300;
	event.flow.rtt_server_us = 12100;
	*client = (struct event_flow_end){
		.state = TCPS_TIME_WAIT,
		.certainty = TCP_PROVED,
		.heard = true,
		.isn_known = true,
		.sack_ok = true,
		.timestamps = true,
		.wscale_ok = true,
		.wscale = 7,
		.mss = 1460,
		.isn = 2864434397,
		.state_packet = 1465,
		.caused_by = 1464,
		.payload_bytes = 517,
		.syns = 2,
		.fins = 1,
		.duplicate_acks = 3,
		.packets = 180,
		.bytes = 10243,
		.flags = SEG_FIN | SEG_SYN | SEG_PSH | SEG_ACK,
	};
	*server = (struct event_flow_end){
		.state = TCPS_CLOSED,
		.certainty = TCP_PRESUMED,
		.heard = true,
		.isn_known = true,
		.sack_ok = true,
		.timestamps = true,
		.wscale_ok = true,
		.wscale = 9,
		.mss = 1400,
		.isn = 19088743,
		.state_packet = 1465,
		.caused_by = 1465,
		.payload_bytes = 350112,
		.syns = 1,
		.fins = 1,
		.retransmissions = 2,
		.lost_after_tap = 2,
		.packets = 260,
		.bytes = 366732,
		.flags = SEG_FIN | SEG_SYN | SEG_PSH | SEG_ACK | SEG_ECE,
	};
	strcpy(event.flow.conn_state, "SF");
	strcpy(event.flow.history, "ShADadFfA");
	event.flow.anomalies[ANOMALY_SYN_RETRANSMIT] = 1;
	event.flow.anomalies[ANOMALY_RETRANSMISSION] = 2;
	event.flow.anomalies[ANOMALY_DUPLICATE_ACK] = 3;
	return event;
}

/* All that is known of a SYN that nobody answered. */
static inline struct sensor_event sample_flow_unanswered(void)
{
	struct sensor_event event = sample_event(EVENT_FLOW, 90000000, 0, 2001);
	struct event_flow_end *client = &event.flow.end[SIDE_CLIENT];

	event.in_iface = NULL;
	event.ends = sample_ends("2001:db8::1", 40000, "2001:db8::2", 443);
	event.flow.start_ns = SAMPLE_TIME_NS;
	event.flow.end_ns = SAMPLE_TIME_NS + 7 * NS_PER_SEC;
	event.flow.reason = FLOW_END_TIMEOUT;
	event.flow.outcome = CONN_OUTCOME_NEVER_ANSWERED;
	event.flow.origin = CONN_ORIGIN_SYN;
	event.flow.direction_certain = true;
	event.flow.alerted = true;
	event.flow.rtt_client_us = UINT32_MAX;
	event.flow.rtt_server_us = UINT32_MAX;
	*client = (struct event_flow_end){
		.state = TCPS_SYN_SENT,
		.certainty = TCP_PROVED,
		.heard = true,
		.isn_known = true,
		.isn = 1,
		.state_packet = 2001,
		.caused_by = 2001,
		.syns = 4,
		.packets = 4,
		.bytes = 240,
		.flags = SEG_SYN,
	};
	event.flow.end[SIDE_SERVER].state = TCPS_LISTEN;
	event.flow.end[SIDE_SERVER].certainty = TCP_PRESUMED;
	strcpy(event.flow.conn_state, "S0");
	strcpy(event.flow.history, "S");
	event.flow.anomalies[ANOMALY_SYN_RETRANSMIT] = 3;
	return event;
}

static inline struct sensor_event sample_anomaly(void)
{
	struct sensor_event event = sample_event(EVENT_ANOMALY, 1250000, 1100, 1007);

	event.ends = sample_ends("192.0.2.10", 50000, "198.51.100.5", 443);
	event.anomaly.anomaly = ANOMALY_RST_OUT_OF_WINDOW;
	event.anomaly.count = 1;
	return event;
}

/* Found while decoding, before there was a flow. */
static inline struct sensor_event sample_anomaly_decode(void)
{
	struct sensor_event event = sample_event(EVENT_ANOMALY, 1300000, 1101, 0);

	event.ends = sample_ends("10.0.0.7", 0, "10.0.0.7", 80);
	event.anomaly.anomaly = ANOMALY_LAND_PACKET;
	event.anomaly.count = 1;
	return event;
}

static inline struct sensor_event sample_alert(void)
{
	struct sensor_event event = sample_event(EVENT_ALERT, 2000000, 5120, 0);
	struct event_alert *alert = &event.alert;

	alert->signature_id = 4100001;
	alert->rev = 1;
	alert->severity = 1;
	alert->signature = "SYN flood: connection attempts far above normal stay unanswered";
	alert->category = "Attempted Denial of Service";
	alert->mitre_technique = "T1499.001";
	alert->mitre_tactic = "Impact";
	alert->detector = "syn_flood";
	alert->alert_id = UINT64_C(0x00c0ffee12345678);
	alert->phase = ALERT_RAISED;
	alert->target = (struct alert_target){ .ip = sample_addr("198.51.100.5"), .has_port = true, .port = 443 };
	alert->started_ns = SAMPLE_TIME_NS + 1000000 * NS_PER_US;
	alert->updated_ns = event.time_ns;
	alert->duration_s = 1;
	alert->class_name = "spoofed_syn_flood";
	alert->class_score = 0.91;
	alert->runner_up = "half_open_surge";
	alert->runner_up_score = 0.62;
	alert->rate = 2411.33333333;
	alert->baseline = 12.5;
	alert->threshold = 200;
	alert->peak = 2411.33333333;
	alert->counts.syn = 4096;
	alert->counts.synack = 1020;
	alert->counts.completed = 20;
	alert->counts.unanswered = 3076;
	alert->counts.half_open = 1000;
	alert->counts.synack_repeated = 513;
	alert->completion = 0.0049;
	alert->completion_baseline = 0.987;
	alert->has_listener = true;
	alert->listener.half_open_now = 1000;
	alert->listener.half_open_peak = 1024;
	alert->listener.backlog = 1024;
	alert->listener.cookies = ALERT_COOKIES_NO;
	alert->listener.why = "its SYN-ACKs are repeated, and SYNs beyond its backlog stay unanswered";
	alert->sources_error = 0.0325;
	alert->sources_baseline = 31.5;
	alert->sources_distinct = 4031;
	alert->n_top_sources = 2;
	alert->top_sources[0].ip = sample_addr("203.0.113.77");
	alert->top_sources[0].share = 0.01171875;
	alert->top_sources[1].ip = sample_addr("203.0.113.4");
	alert->top_sources[1].share = 0.0002441;
	alert->spoofed_likelihood = 0.94;
	alert->fingerprint.entropy_bits = 0.9981;
	alert->fingerprint.ttl = 244;
	alert->fingerprint.share = 0.5312;
	alert->confidence = 0.97;
	alert->visibility.lost_share = 0.0012;
	alert->visibility.one_way_share = 0;
	alert->n_sample_flows = 2;
	alert->sample_flows[0] = 1024;
	alert->sample_flows[1] = 4711;
	alert->n_parameters = 3;
	alert->parameters[0] = (struct alert_parameter){ .name = "floor", .value = 20 };
	alert->parameters[1] =
		(struct alert_parameter){ .name = "window", .value = 10, .kind = ALERT_PARAMETER_SECONDS };
	alert->parameters[2] =
		(struct alert_parameter){ .name = "whole_host", .value = 1, .kind = ALERT_PARAMETER_FLAG };
	strcpy(alert->filter,
	       "tcp and dst host 198.51.100.5 and dst port 443 and tcp[tcpflags] & (tcp-syn|tcp-ack) = tcp-syn");
	strcpy(alert->explanation,
	       "198.51.100.5:443 gets 2411 connection attempts a second (normal: 12.5) and 99.5 % of "
	       "them do not complete; filter or enable SYN cookies there.");
	return event;
}

/* The end of an alarm whose subject is a pair of hosts; with a forecast. */
static inline struct sensor_event sample_alert_time_wait(void)
{
	struct sensor_event event = sample_event(EVENT_ALERT, 30000000, 0, 0);
	struct event_alert *alert = &event.alert;

	alert->signature_id = 4100003;
	alert->rev = 2;
	alert->severity = 2;
	alert->signature = "TIME_WAIT exhausts the ports of a client";
	alert->category = "Misc activity";
	alert->detector = "time_wait_exhaustion";
	alert->alert_id = UINT64_C(0xfedcba9876543210);
	alert->phase = ALERT_CLEARED;
	alert->target = (struct alert_target){
		.ip = sample_addr("10.0.0.9"),
		.has_port = true,
		.port = 443,
		.client = sample_addr("10.0.0.5"),
	};
	alert->started_ns = SAMPLE_TIME_NS;
	alert->updated_ns = event.time_ns;
	alert->ended_ns = event.time_ns;
	alert->duration_s = 12.5;
	alert->clear_reason = "recovered";
	alert->rate = 14640;
	alert->peak = 27001;
	alert->threshold = 14116;
	alert->completion = -1;
	alert->completion_baseline = -1;
	alert->sources_baseline = -1;
	alert->spoofed_likelihood = -1;
	alert->visibility.lost_share = -1;
	alert->visibility.one_way_share = -1;
	alert->visibility.started_late = true;
	alert->confidence = 0.9;
	alert->has_forecast = true;
	alert->forecast.occupancy = 0.51856;
	alert->forecast.capacity = 28232;
	alert->forecast.exhaustion_at_ns = SAMPLE_TIME_NS + 57100000 * NS_PER_US;
	alert->forecast.seconds_left = 27.1;
	alert->visibility.one_way = true;
	alert->visibility.kernel_dropped = 12;
	strcpy(alert->explanation, "10.0.0.5 no longer runs out of ports towards 10.0.0.9:443.");
	return event;
}

static inline struct sensor_event sample_stats(void)
{
	struct sensor_event event = sample_event(EVENT_STATS, 60000000, 0, 0);
	static const struct event_counter counters[] = {
		{ "capture.frames", 1048576 },
		{ "capture.bytes", 734003200 },
		{ "capture.kernel_received", 1048600 },
		{ "capture.kernel_dropped", 24 },
		{ "capture.interface_dropped", 0 },
		{ "capture.time_backwards", 0 },
		{ "decode.tcp", 1000000 },
		{ "decode.icmp_quote", 12 },
		{ "decode.not_tcp", 48560 },
		{ "decode.fragment_held", 2 },
		{ "decode.fragments_reassembled", 1 },
		{ "decode.fragments_timed_out", 0 },
		{ "decode.checksum_bad", 5 },
		{ "decode.checksum_offloaded", 0 },
		{ "decode.checksum_unchecked", 120 },
		{ "decode_refused.truncated_ipv4", 2 },
		{ "tcp.segments", 1000000 },
		{ "tcp.payload_bytes", 650117120 },
		{ "tcp.duplicates", 0 },
		{ "tcp.late_segments", 40 },
		{ "tcp.out_of_state", 310 },
		{ "tcp.backscatter.synack", 0 },
		{ "tcp.backscatter.rst", 300 },
		{ "tcp.bad_checksum", 5 },
		{ "tcp.untracked", 0 },
		{ "tcp.icmp_matched", 12 },
		{ "tcp.icmp_unmatched", 0 },
		{ "flow.created", 5120 },
		{ "flow.records", 4100 },
		{ "flow.records_left_out", 0 },
		{ "flow.refused", 0 },
		{ "flow.capacity", 262144 },
		{ "flow.memory_bytes", 268435456 },
		{ "flow.in_use.established", 1000 },
		{ "flow.in_use.time_wait", 3 },
		{ "flow.expired.unanswered", 4100 },
		{ "flow.evicted.closed", 17 },
		{ "syn_store.created", 4900 },
		{ "syn_store.promoted", 800 },
		{ "syn_store.refused", 0 },
		{ "syn_store.entries_in_use", 0 },
		{ "syn_store.capacity", 440000 },
		{ "syn_store.memory_bytes", 29360128 },
		{ "tombstones.created", 3200 },
		{ "tombstones.evicted", 0 },
		{ "tombstones.capacity", 400000 },
		{ "tombstones.memory_bytes", 14680064 },
		{ "detect.alarms_raised", 1 },
		{ "detect.alarms_updated", 6 },
		{ "detect.alarms_cleared", 0 },
		{ "detect.alarms_open", 1 },
		{ "detect.alarms_silenced", 0 },
		{ "detect.alarms_suppressed", 0 },
		{ "detect.targets_evicted", 0 },
		{ "detect.memory_bytes", 16777216 },
		{ "events.dropped", 0 },
		{ "output.events_dropped", 0 },
		{ "output.lines_dropped", 0 },
		{ "output.reconnects", 1 },
	};

	event.stats.uptime_s = 60;
	event.stats.n_counters = sizeof(counters) / sizeof(counters[0]);
	memcpy(event.stats.counters, counters, sizeof(counters));
	return event;
}

static inline struct sensor_event sample_summary(void)
{
	struct sensor_event event = sample_event(EVENT_SUMMARY, 95000000, 0, 0);
	static const struct event_counter counters[] = {
		{ "packets", 6120 },
		{ "bytes", 591234 },
		{ "tcp_segments", 6000 },
		{ "connections", 4129 },
		{ "flow_records", 4129 },
		{ "late_segments", 4 },
		{ "out_of_state", 12 },
		{ "backscatter.synack", 0 },
		{ "backscatter.rst", 12 },
		{ "bad_checksum", 0 },
		{ "untracked", 0 },
		{ "kernel_dropped", 0 },
		{ "alerts.raised", 2 },
		{ "alerts.open", 1 },
		{ "decode_refused.truncated_ipv4", 2 },
		{ "decode_refused.bad_tcp_data_offset", 1 },
	};

	event.in_iface = NULL;
	event.summary.truncated = true;
	event.summary.n_counters = sizeof(counters) / sizeof(counters[0]);
	memcpy(event.summary.counters, counters, sizeof(counters));
	return event;
}
