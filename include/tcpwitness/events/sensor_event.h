/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tcpwitness/base/ip_addr.h"
#include "tcpwitness/decode/anomaly.h"
#include "tcpwitness/decode/packet.h"
#include "tcpwitness/tcp/conn_history.h"
#include "tcpwitness/tcp/tcp_conn.h"
#include "tcpwitness/tcp/tcp_state.h"

/*
 * What the sensor has to say, as plain values of fixed size: made by the capture thread, carried
 * by the ring, written by the sinks. Strings are inside the record, or have static storage.
 */
enum sensor_event_type {
	EVENT_ALERT = 0,
	EVENT_FLOW = 1,
	EVENT_ANOMALY = 2,
	EVENT_TCP_STATE = 3,
	EVENT_STATS = 4,
	EVENT_SUMMARY = 5,
	EVENT_TYPE_COUNT, /* not a type */
};

/* "alert", ...; static storage. */
const char *sensor_event_type_name(enum sensor_event_type type);

/* A set of types, as --events gives it: bit 1 << enum sensor_event_type. */
typedef uint32_t sensor_event_mask;

struct event_ends {
	struct ip_addr client; /* version 0 = the event has no ends */
	struct ip_addr server; /* version 0 = not one host */
	uint16_t client_port;  /* valid with its address and has_ports */
	uint16_t server_port;
	bool has_ports;
	uint8_t n_vlans;
	uint8_t n_tunnels;
	uint16_t vlans[PACKET_MAX_VLANS];
	uint8_t tunnels[PACKET_MAX_TUNNELS];
};

struct event_tcp_state {
	struct tcp_transition transition;
	uint64_t previous_flow_id; /* 0: no connection on these addresses and ports is known before this one */
};

struct event_anomaly {
	enum anomaly anomaly;
	uint64_t count; /* so far, of this kind in this flow (or in this run, without a flow) */
};

struct event_flow_end {    /* one side, as in witness.client and witness.server */
	uint8_t state;     /* enum tcp_state */
	uint8_t certainty; /* enum tcp_certainty */
	bool heard;
	bool isn_known;
	bool sack_ok;
	bool timestamps;
	bool wscale_ok;
	uint8_t wscale;
	uint8_t mptcp; /* enum conn_mptcp */
	uint16_t mss;  /* 0 = not offered */
	uint32_t isn;
	uint64_t state_packet; /* with which state and certainty became what they are; 0: a timer */
	uint64_t caused_by;    /* the segment that brought this end into state; 0: unseen, or a timer */
	uint64_t payload_bytes;
	uint32_t syns;
	uint32_t fins;
	uint32_t rsts;
	uint32_t retransmissions;
	uint32_t out_of_order;
	uint32_t lost_before_tap;
	uint32_t lost_after_tap;
	uint32_t zero_windows;
	uint32_t duplicate_acks;
	uint64_t packets; /* sent by this side */
	uint64_t bytes;
	uint16_t flags; /* union of SEG_* it sent */
};

struct event_flow {
	uint64_t start_ns;
	uint64_t end_ns;
	uint8_t reason;  /* enum flow_end_reason, by number (flow/flow.h) */
	uint8_t phase;   /* enum conn_phase */
	uint8_t outcome; /* enum conn_outcome */
	uint8_t origin;  /* enum conn_origin */
	bool direction_certain;
	bool closed_by_known;
	uint8_t closed_by; /* enum conn_side */
	uint8_t rst_cause; /* enum conn_rst_cause */
	uint8_t ecn;       /* enum conn_ecn */
	bool alerted;
	bool established_once;
	uint32_t n_interim;        /* interim records of this flow, this one included */
	uint64_t previous_flow_id; /* 0 = none */
	uint32_t stands_for;       /* of so many such attempts this one has a record; 0 = it speaks for itself */
	uint32_t rtt_client_us;    /* UINT32_MAX = unknown */
	uint32_t rtt_server_us;
	struct event_flow_end end[2]; /* by enum conn_side */
	char conn_state[8];
	char history[CONN_HISTORY_BYTES];
	uint16_t anomalies[ANOMALY_COUNT];
};

enum alert_cookies { ALERT_COOKIES_UNKNOWN = 0, ALERT_COOKIES_NO, ALERT_COOKIES_YES };

enum alert_phase { ALERT_RAISED = 0, ALERT_UPDATE = 1, ALERT_CLEARED = 2 };

/* Who or what an alarm is about (design section 5). */
struct alert_target {
	struct ip_addr ip;   /* the target host; or the prefix, with prefix_bits set */
	uint8_t prefix_bits; /* 0 = ip is a host */
	bool has_port;
	uint16_t port;
	bool is_source;        /* "role":"source" */
	struct ip_addr client; /* version 0 = none */
};

enum { ALERT_TOP_SOURCES = 5, ALERT_SAMPLE_FLOWS = 5, ALERT_MAX_PARAMETERS = 32 };

enum alert_parameter_kind { ALERT_PARAMETER_NUMBER = 0, ALERT_PARAMETER_SECONDS, ALERT_PARAMETER_FLAG };

/* One parameter of the detector, as in force for the target. */
struct alert_parameter {
	const char *name; /* static */
	double value;
	uint8_t kind; /* enum alert_parameter_kind */
};

/* In the order of the event. NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding) */
struct event_alert {
	/* EVE's alert object; strings are borrowed from the ruleset, which outlives every event. */
	uint32_t signature_id;
	uint32_t rev;
	uint8_t severity; /* 1 .. 3 */
	const char *signature;
	const char *category;
	const char *mitre_technique; /* "T1499.001"; null = none */
	const char *mitre_tactic;

	/* The detection object. */
	const char *detector;   /* static: of the incident's class */
	const char *class_name; /* static: finer, e.g. "spoofed_syn_flood" */
	const char *runner_up;  /* static: the detector whose class fits next best; null = none */
	double class_score;     /* 0 .. 1: how well the evidence fits */
	double runner_up_score;
	const char *clear_reason; /* static, with ALERT_CLEARED: "recovered", "silent", "shutdown", ... */
	uint64_t folded_into;     /* with "folded": id of the alarm that tells of it from now on */
	uint32_t n_reopened;      /* how often it was raised again within five minutes after it was cleared */
	uint64_t alert_id;
	enum alert_phase phase;
	struct alert_target target;
	uint64_t started_ns;
	uint64_t updated_ns;
	uint64_t ended_ns; /* 0 = not over */
	double duration_s; /* from the start to the last time at which the trouble was seen, pauses included */
	double rate;       /* of what the detector counts, per second (or its level, for gauges) */
	double baseline;
	double threshold;
	double peak;
	struct {
		uint64_t syn;
		uint64_t synack;
		uint64_t completed;
		uint64_t unanswered;
		uint64_t half_open;
		uint64_t refused;
		uint64_t syn_repeated;
		uint64_t synack_repeated;
		uint64_t client_reset;
		uint64_t server_rst;
		uint64_t unreachable;
		uint64_t stray;     /* segments without a connection */
	} counts;                   /* since the trouble began */
	double completion;          /* share of the attempts that completed, now; negative = not known */
	double completion_baseline; /* negative = not known */
	struct {
		uint64_t half_open_now;
		uint64_t half_open_peak;
		uint64_t backlog; /* inferred; 0 = unknown */
		uint8_t cookies;  /* enum alert_cookies */
		const char *why;  /* static: why cookies is so; null = nothing to say */
	} listener;               /* of a service; has_listener */
	bool has_listener;
	double sources_error;    /* relative standard error of sources_distinct */
	double sources_baseline; /* usual number of distinct sources in a span of 4 s; negative = unknown */
	struct {
		double entropy_bits; /* of the SYNs' fingerprints; negative = unknown */
		uint8_t ttl;         /* of the most frequent one */
		uint16_t window;
		uint32_t layout;
		double share; /* 0 .. 1 */
		bool isn_low_bits_zero;
		bool one_source_port;
	} fingerprint;
	uint64_t sources_distinct;
	uint32_t sources_folded; /* of them: told in this alarm instead of by alarms of their own */
	uint8_t n_top_sources;
	struct {
		struct ip_addr ip;
		double share; /* 0 .. 1 */
	} top_sources[ALERT_TOP_SOURCES];
	double spoofed_likelihood; /* 0 .. 1; negative = not known */
	double confidence;         /* 0 .. 1 */
	bool has_forecast;         /* time_wait_exhaustion */
	struct {
		double occupancy;          /* 0 .. 1 and above */
		uint32_t capacity;         /* ports */
		uint64_t exhaustion_at_ns; /* 0 = not to be expected */
		double seconds_left;       /* negative = not to be expected */
	} forecast;
	struct {
		bool one_way;            /* the target's answers are not visible */
		uint64_t kernel_dropped; /* frames, so far in this run */
		uint64_t flows_evicted;  /* so far in this run */
		uint64_t flows_refused;
		double lost_share;    /* of the last minute's segments: not got by the sensor; negative = unknown */
		double one_way_share; /* of the connections; negative = unknown */
		bool started_late;    /* what was open when the run began is not known */
	} visibility;
	uint8_t n_parameters;
	uint8_t n_sample_flows;
	struct alert_parameter parameters[ALERT_MAX_PARAMETERS];
	uint64_t sample_flows[ALERT_SAMPLE_FLOWS]; /* flow ids of connections that took part */
	char explanation[400];
	char filter[200];  /* BPF: shows the traffic in question */
	char capture[100]; /* BPF: what a capture must hold, at least, for the alarm to be found in it again */
};

/* One named number of a stats event. name has static storage and may be nested with dots ("flow.evicted.closed"). */
struct event_counter {
	const char *name;
	uint64_t value;
};

enum { EVENT_MAX_COUNTERS = 192 };

struct event_stats {
	uint64_t uptime_s; /* packet time since the first packet */
	uint16_t n_counters;
	struct event_counter counters[EVENT_MAX_COUNTERS];
};

/* summary: the counters named by the design, as dotted names ("alerts.raised"), in printing order. */
struct event_summary {
	bool truncated;
	uint16_t n_counters;
	struct event_counter counters[EVENT_MAX_COUNTERS];
};

struct sensor_event {
	enum sensor_event_type type;
	uint64_t time_ns;       /* packet time */
	uint64_t packet_number; /* 0 = no one packet caused it */
	uint64_t flow_id;       /* 0 = none */
	const char *in_iface;   /* interface or file name, outlives every event; null = none */
	struct event_ends ends;
	union {
		struct event_alert alert;
		struct event_flow flow;
		struct event_anomaly anomaly;
		struct event_tcp_state tcp_state;
		struct event_stats stats;
		struct event_summary summary;
	};
};

/* Bytes of a record that its type uses: a record is as large as the largest type, and most are much smaller. */
size_t sensor_event_bytes(enum sensor_event_type type);

/*
 * Where the capture thread puts events. begin gives a zeroed record of the wanted type to fill in place, or null
 * when it is not wanted (masked) or there is no room (live: counted); end hands it on. One record at a time.
 */
struct event_writer {
	void *context;
	struct sensor_event *(*begin)(void *context, enum sensor_event_type type);
	void (*end)(void *context, struct sensor_event *event);
	sensor_event_mask unwanted; /* types that begin never gives; 0 = nothing is known of that */
};

static inline bool event_writer_may_want(const struct event_writer *writer, enum sensor_event_type type)
{
	return (writer->unwanted >> type & 1) == 0;
}
