/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tcpwitness/base/error.h"
#include "tcpwitness/decode/packet.h"
#include "tcpwitness/detect/detect_engine.h"
#include "tcpwitness/events/sensor_event.h"
#include "tcpwitness/flow/flow_key.h"
#include "tcpwitness/flow/flow_table.h"
#include "tcpwitness/flow/syn_store.h"
#include "tcpwitness/flow/tombstones.h"
#include "tcpwitness/tcp/tcp_conn.h"

/*
 * From decoded segments to flows, both ends' states, events and signals: the middle of the pipeline. Packet
 * time only; the same packets give the same events. Capture thread.
 */
struct tracker;

struct tracker_config {
	struct flow_key_config key;
	struct flow_table_config table;
	struct syn_store_config syn_store; /* its times are taken from table */
	struct tombstones_config tombstones;
	struct tcp_conn_config conn;
	size_t recent_bytes; /* for the last segments of all connections */
	uint64_t interim_ns; /* a flow that lives on gets a record after each such time; 0 = none */
	/*
	 * Attempts that came to nothing while an alarm was open for their target are alike, and there may be millions:
	 * a record is written for one in so many. 0, 1 = for all.
	 */
	uint32_t attempt_sample;
	bool takes_short_way;     /* see flow_table_plain_segment: quicker, and nothing else; a test compares */
	bool track_bad_checksums; /* apply segments whose checksum is bad (decoder says so) to the state */
};

struct tracker_stats {
	uint64_t segments;
	uint64_t payload_bytes;
	uint64_t connections;                  /* flows begun, whatever they began with */
	uint64_t outcomes[CONN_OUTCOME_COUNT]; /* of records written */
	uint64_t flow_records;
	uint64_t flow_records_left_out; /* of these: not written, see attempt_sample */
	uint64_t untracked;             /* segments for which no place could be made */
	uint64_t icmp_matched;
	uint64_t icmp_unmatched;
	uint64_t late_segments; /* of connections that were over, and whose flow had left the table */
	uint64_t out_of_state;  /* segments without a flow that begin none (RST, late FIN) */
	uint64_t lone_resets;   /* RSTs among those out of state */
	uint64_t bad_checksum;
	uint64_t duplicates;
	uint64_t one_way;      /* connections of which one direction was heard only, though it goes on */
	uint64_t two_way;      /* of which both were */
	uint64_t short_way;    /* segments that took it, see tracker_config */
	uint64_t with_payload; /* segments that brought something new, of connections of which both ends are heard */
	uint64_t unseen;       /* as many as were acknowledged, and had not passed the tap by then */
	uint64_t came_late;    /* of these: passed it behind their acknowledgement */
	uint64_t anomalies[ANOMALY_COUNT];
};

void tracker_config_defaults(struct tracker_config *config);

/*
 * detection may be null (no detection). source_names: by packet.source, static for the run, for in_iface. All memory is
 * allocated here. Null with *error filled on failure.
 */
struct tracker *tracker_create(const struct tracker_config *config, struct detect_source *detection,
			       const struct event_writer *writer, const char *const *source_names, struct error *error);
void tracker_destroy(struct tracker *tracker);

/* A decoded segment, or ICMP quote, and which connection it is of. */
struct tracked_packet {
	const struct packet *packet; /* borrowed until it is tracked */
	struct flow_key key;
	uint64_t hash;
	uint64_t now_ns;      /* packet time, if frames that went to others were later; else that of the packet */
	uint8_t sender_index; /* in key */
	bool is_icmp_quote;
};

/* A packet of a burst, and who will track it. */
struct tracker_errand {
	const struct tracker *tracker;
	const struct tracked_packet *tracked;
	struct { /* of tracker_fetch: what its steps have come to */
		bool is_of_handshake;
		bool is_news; /* the detection is told */
		struct detect_expected expected;
		struct flow_trail flow;
		const uint32_t *attempt;
	} trail;
};

/*
 * Tracking looks at memory all over the place, and waits for it. So packets are tracked in bursts: tracker_prepare
 * names the connection of each, tracker_fetch fetches what they will look at, step by step for all packets of the
 * burst, and then tracker_track tracks them one by one, in order. Fetching changes nothing; a burst of one needs none.
 */
void tracker_prepare(const struct tracker *tracker, const struct packet *packet, bool is_icmp_quote,
		     struct tracked_packet *tracked);
void tracker_fetch(struct tracker_errand *errands, unsigned n);
void tracker_track(struct tracker *tracker, const struct tracked_packet *tracked);

/* A burst of one. */
void tracker_packet(struct tracker *tracker, const struct packet *packet, bool is_icmp_quote);

/*
 * A frame that was refused, or a segment that belongs to no connection: its decode anomalies become events, the first
 * of a kind and then at each power of ten.
 */
void tracker_orphan_anomalies(struct tracker *tracker, const struct packet *packet);

/*
 * Packet time is now_ns: expires flows. tracker_packet does it by itself; this is for packets that are not TCP, and for
 * the tick of a live capture that is idle. packet_number is 0 for a tick.
 */
void tracker_advance(struct tracker *tracker, uint64_t now_ns, uint64_t packet_number);

/* The end of the run: writes a record for every flow that is left, in the order of their ids. */
void tracker_finish(struct tracker *tracker);

/*
 * The same for connections that are spread over several trackers, step by step, so that what goes off and what is
 * recorded can be put in one order for all of them. A timer with an earlier time goes first, then one of a lower class,
 * then that of a lower flow id; but within a tracker those of one time and class keep the order of their queue.
 */
struct tracker_timer {
	uint64_t due_ns;
	uint64_t flow_id;
	uint8_t flow_class; /* enum flow_class */
};

bool tracker_timer_is_before(const struct tracker_timer *a, const struct tracker_timer *b);

/* Packet time before which no timer goes off. */
uint64_t tracker_due_ns(const struct tracker *tracker);

/* Packet time is now_ns, and nothing goes off by itself: that is up to the next two. */
void tracker_pass_time(struct tracker *tracker, uint64_t now_ns, uint64_t packet_number);

/* As tracker_track, when nothing is due any more at tracked->now_ns. */
void tracker_follow(struct tracker *tracker, const struct tracked_packet *tracked);

/* The next timer that is due; false: none is. To be followed by tracker_fire, with nothing between them. */
bool tracker_first_timer(struct tracker *tracker, struct tracker_timer *timer);
void tracker_fire(struct tracker *tracker);

/* The connection with the lowest id that is left; false: none is. To be followed by tracker_record_left. */
bool tracker_first_left(struct tracker *tracker, uint64_t *flow_id);
void tracker_record_left(struct tracker *tracker);

/*
 * From now on events go to writer. orphan_counts, ANOMALY_COUNT of them: how often each anomaly was seen without a
 * connection, by all trackers that write to it. Null: whoever puts the events of several trackers in order has to count
 * them, for only he knows how many came before. Then each is written, with a count of 0.
 */
void tracker_set_writer(struct tracker *tracker, const struct event_writer *writer, uint64_t *orphan_counts);

const struct tracker_stats *tracker_get_stats(const struct tracker *tracker);
const struct flow_table_stats *tracker_get_table_stats(const struct tracker *tracker);
const struct syn_store_stats *tracker_get_syn_stats(const struct tracker *tracker);
const struct tombstones_stats *tracker_get_tombstone_stats(const struct tracker *tracker);

/* Connections that lost their place to others, of all classes and wherever they were kept. */
uint64_t tracker_evicted(const struct tracker *tracker);
