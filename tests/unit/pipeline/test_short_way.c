/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Segments that take the short way (flow_plain.h) leave behind what they would have left on the long one: the same
 * packets go to a tracker that knows the short way and to one that does not, and after each of them the connection is
 * compared byte for byte, and so are all events and signals. The test stands in for the detectors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "../../../src/pipeline/tracker_internal.h"
#include "endpoint_lab.h"
#include "event_padding.h"
#include "no_detection_fetch.h"
#include "random.h"
#include "tcpwitness/base/units.h"
#include "tcpwitness/capture/capture.h"
#include "tcpwitness/decode/decoder.h"
#include "tcpwitness/tcp/tcp_stamp.h"
#include "tracked_flow.h"

struct detect_source {
	uint64_t n_signals;
	uint64_t n_speeches;
	uint64_t digest;
};

struct sensor {
	struct tracker *tracker;
	struct detect_source detection;
	struct sensor_event event;
	bool wants_states;
	uint64_t n_events;
	uint64_t digest;
};

static uint64_t digest_of(uint64_t digest, const void *data, size_t n)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < n; i++)
		digest = (digest ^ bytes[i]) * UINT64_C(0x100000001b3);
	return digest;
}

/* Some connections are alerted. */
bool detect_source_signal(struct detect_source *source, const struct flow_signal *signal)
{
	const uint64_t numbers[] = {
		signal->kind,     signal->answered,    signal->completed,   signal->spoke,       signal->timestamps,
		signal->retried,  signal->ttl,         signal->window,      signal->syn_layout,  signal->isn,
		signal->flow_id,  signal->client_port, signal->now_ns,      signal->server_port, signal->packet_number,
		signal->since_ns, signal->is_first,    signal->side,        signal->state,       signal->suspicion,
		signal->stray,    signal->reused,      signal->bare_synack,
	};

	source->n_signals++;
	source->n_speeches += signal->kind == SIGNAL_CLIENT_SPOKE;
	source->digest = digest_of(source->digest, numbers, sizeof(numbers));
	source->digest = digest_of(source->digest, signal->client.bytes, sizeof(signal->client.bytes));
	source->digest = digest_of(source->digest, signal->server.bytes, sizeof(signal->server.bytes));
	return (signal->flow_id + 5 * (uint64_t)signal->kind) % 11 == 0;
}

static struct sensor_event *begin_event(void *context, enum sensor_event_type type)
{
	struct sensor *sensor = context;

	if (type == EVENT_TCP_STATE && !sensor->wants_states)
		return NULL;
	memset(&sensor->event, 0, sizeof(sensor->event));
	sensor->event.type = type;
	return &sensor->event;
}

static void end_event(void *context, struct sensor_event *event)
{
	struct sensor *sensor = context;

	clear_event_padding(event);
	sensor->n_events++;
	sensor->digest = digest_of(sensor->digest, event, sizeof(*event));
}

static void sensor_init(struct sensor *sensor, bool takes_short_way, bool is_heard, bool wants_states,
			uint64_t interim_ns)
{
	static const char *const names[] = { "test" };
	const struct event_writer writer = {
		.context = sensor,
		.begin = begin_event,
		.end = end_event,
		.unwanted = wants_states ? 0 : (sensor_event_mask)1 << EVENT_TCP_STATE,
	};
	struct tracker_config config;

	memset(sensor, 0, sizeof(*sensor));
	sensor->wants_states = wants_states;
	tracker_config_defaults(&config);
	config.table.memory_bytes = 8 << 20;
	config.syn_store.memory_bytes = 1 << 20;
	config.key.secret = siphash_key_from_seed(1);
	config.interim_ns = interim_ns;
	config.takes_short_way = takes_short_way;
	sensor->tracker = tracker_create(&config, is_heard ? &sensor->detection : NULL, &writer, names, NULL);
	assert_non_null(sensor->tracker);
}

/* As times since the beginning; those of which only the age is kept are alike. */
static void mask_stamps(const struct flow *flow, uint32_t *stamps, unsigned n)
{
	const struct tcp_conn *conn = &flow->conn;

	for (unsigned i = 0; i < n; i++) {
		uint64_t since_ns = stamp_ns(conn, stamps[i]) - (flow->first_ns - STAMP_EXACT_NS);
		bool is_old = stamp_ns(conn, stamps[i]) + STAMP_EXACT_NS < flow->last_ns + NS_PER_MS;
		if (stamps[i] != 0)
			stamps[i] = is_old ? 1 : (uint32_t)(since_ns / NS_PER_US);
	}
}

/* Stamps are times: where they are counted from may differ, and only that. */
static void mask(struct flow *flow)
{
	flow->slot = 0;
	for (unsigned side = 0; side < 2; side++) {
		struct tcp_end *end = &flow->conn.end[side];
		mask_stamps(flow, end->pending_stamp, end->n_pending);
		mask_stamps(flow, &end->fin_stamp, 1);
		mask_stamps(flow, &end->rst_sent_stamp, 1);
		mask_stamps(flow, &end->rst_refused_stamp, 1);
		for (unsigned i = 0; i < end->n_holes; i++)
			mask_stamps(flow, &end->holes[i].stamp, 1);
	}
	flow->conn.stamps_from_ns = 0;
}

/* How many segments took the short way of which this is to be said. */
struct cases {
	uint64_t all;
	uint64_t openings;      /* it was the third */
	uint64_t behind_repeat; /* something was sent again before */
	uint64_t proofs;        /* the server showed that it has the third segment */
	uint64_t speeches;      /* the client spoke for the first time */
	uint64_t served;        /* or was served as if it had */
	uint64_t fins[2];       /* the first one, and the other */
	uint64_t fin_acks[2];   /* each one's bare acknowledgement */
	uint64_t half_closed;   /* data behind the other end's FIN */
};

struct pair {
	struct sensor with;
	struct sensor without;
	struct cases cases;
};

static void count_closing(struct cases *cases, const struct flow *flow, const struct packet *packet)
{
	bool from_server = packet->src_port == flow_port(flow, SIDE_SERVER);
	const struct tcp_end *sender = &flow->conn.end[from_server];
	const struct tcp_end *receiver = &flow->conn.end[!from_server];

	if ((packet->flags & SEG_FIN) != 0)
		cases->fins[receiver->fin_seen]++;
	else if (receiver->fin_seen && packet->payload_bytes == 0)
		cases->fin_acks[sender->fin_seen]++;
	else if (receiver->fin_seen)
		cases->half_closed++;
}

static void count_case(struct cases *cases, const struct flow *flow, const struct packet *packet, bool spoke)
{
	bool from_server = packet->src_port == flow_port(flow, SIDE_SERVER);

	cases->all++;
	if (flow->direction[SIDE_CLIENT].packets == 2 && flow->direction[SIDE_SERVER].packets == 1 && !spoke) {
		cases->openings++;
		return;
	}
	cases->proofs += flow->conn.end[SIDE_SERVER].state_packet == packet->number;
	cases->speeches += spoke && !from_server;
	cases->served += spoke && from_server;
	cases->behind_repeat += (flow->conn.end[0].n_repeated | flow->conn.end[1].n_repeated) != 0;
	count_closing(cases, flow, packet);
}

static void pair_init(struct pair *pair, bool wants_states, uint64_t interim_ns)
{
	pair->cases = (struct cases){ 0 };
	sensor_init(&pair->with, true, true, wants_states, interim_ns);
	sensor_init(&pair->without, false, true, wants_states, interim_ns);
}

/* Without detection. */
static void pair_init_unheard(struct pair *pair)
{
	pair->cases = (struct cases){ 0 };
	sensor_init(&pair->with, true, false, false, 0);
	sensor_init(&pair->without, false, false, false, 0);
}

static void hand_to_both(struct pair *pair, const struct packet *packet, bool is_icmp_quote)
{
	static struct flow a;
	static struct flow b;

	uint64_t n_before = tracker_get_stats(pair->with.tracker)->short_way;
	uint64_t n_speeches = pair->with.detection.n_speeches;
	tracker_packet(pair->with.tracker, packet, is_icmp_quote);
	tracker_packet(pair->without.tracker, packet, is_icmp_quote);
	bool known = tracked_flow_of(pair->with.tracker, packet, &a);
	assert_int_equal(known, tracked_flow_of(pair->without.tracker, packet, &b));
	if (known) {
		mask(&a);
		mask(&b);
		assert_memory_equal(&a, &b, sizeof(a));
	}
	if (tracker_get_stats(pair->with.tracker)->short_way != n_before)
		count_case(&pair->cases, &a, packet, pair->with.detection.n_speeches != n_speeches);
	assert_int_equal(pair->with.detection.n_signals, pair->without.detection.n_signals);
	assert_true(pair->with.detection.digest == pair->without.detection.digest);
	assert_int_equal(pair->with.n_events, pair->without.n_events);
	assert_true(pair->with.digest == pair->without.digest);
}

static struct cases pair_end(struct pair *pair)
{
	tracker_finish(pair->with.tracker);
	tracker_finish(pair->without.tracker);
	assert_true(pair->with.digest == pair->without.digest);
	struct tracker_stats stats = *tracker_get_stats(pair->with.tracker);
	assert_int_equal(stats.short_way, pair->cases.all);
	stats.short_way = 0;
	assert_memory_equal(&stats, tracker_get_stats(pair->without.tracker), sizeof(stats));
	tracker_destroy(pair->with.tracker);
	tracker_destroy(pair->without.tracker);
	return pair->cases;
}

/* --- recorded --- */

static void play_file(const char *path, bool wants_states, uint64_t *n_packets, uint64_t *n_short)
{
	const char *files[] = { path };
	struct decoder_config decoder_config;
	struct error error;
	struct frame frame;
	struct packet packet;
	struct pair pair;
	struct capture *capture = capture_open_files(files, 1, NULL, &error);

	assert_non_null(capture);
	decoder_config_defaults(&decoder_config);
	struct decoder *decoder = decoder_create(&decoder_config, &error);
	assert_non_null(decoder);
	pair_init(&pair, wants_states, NS_PER_SEC);
	while (capture_next(capture, &frame, &error) == CAPTURE_FRAME) {
		enum decode_result result = decoder_decode(decoder, &frame, &packet);
		if (result != DECODE_TCP && result != DECODE_ICMP_QUOTE)
			continue;
		hand_to_both(&pair, &packet, result == DECODE_ICMP_QUOTE);
		++*n_packets;
	}
	*n_short += pair_end(&pair).all;
	decoder_destroy(decoder);
	capture_close(capture);
}

static void test_recorded_connections(void **state)
{
	DIR *folder = opendir(PROJECT_DIR "/pcaps");
	uint64_t n_packets = 0;
	uint64_t n_short = 0;
	char path[512];

	(void)state;
	assert_non_null(folder);
	for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
		const char *dot = strrchr(entry->d_name, '.');
		if (dot == NULL || strcmp(dot, ".pcap") != 0)
			continue;
		snprintf(path, sizeof(path), "%s/pcaps/%s", PROJECT_DIR, entry->d_name);
		play_file(path, true, &n_packets, &n_short);
		play_file(path, false, &n_packets, &n_short);
	}
	closedir(folder);
	assert_true(n_packets > 3000);
	assert_true(n_short > n_packets / 10);
}

/* --- made up --- */

/* A connection whose ends do mostly, but not only, what the short way is made for. */
struct talk {
	struct random random;
	uint64_t now_ns;
	uint64_t number;
	uint16_t client_port;
	bool timestamps;
	bool ipv6;
	bool only_server_speaks;
	bool speaks_in_small_pieces;
	uint8_t ids; /* 0: none, 1: counted by connection, 2: random, 3: counted by host */
	struct {
		uint32_t next;
		uint32_t acked; /* what it acknowledged */
		uint16_t ip_id;
		uint16_t window;
		uint8_t ttl;
	} end[2];
};

static uint32_t below(struct talk *talk, uint32_t limit)
{
	return random_below(&talk->random, limit);
}

static uint16_t next_id(struct talk *talk, unsigned side)
{
	if (talk->ids == 0)
		return 0;
	if (talk->ids == 2)
		return (uint16_t)below(talk, 65536);
	talk->end[side].ip_id = (uint16_t)(talk->end[side].ip_id + 1 + (talk->ids == 3 ? below(talk, 5) : 0));
	return talk->end[side].ip_id;
}

/* As good as that of the decoder: other segments have another one. */
static uint32_t hash_of(const struct packet *packet)
{
	const uint32_t parts[] = { packet->seq, packet->ack, packet->window, packet->flags, packet->payload_bytes };
	uint64_t hash = 1;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		hash = (hash ^ parts[i]) * UINT64_C(0x9fb21c651e98df25);
		hash ^= hash >> 32;
	}
	return (uint32_t)hash | 1;
}

static struct packet segment(struct talk *talk, unsigned side, uint16_t flags, uint32_t payload_bytes)
{
	struct packet packet = {
		.time_ns = talk->now_ns,
		.number = ++talk->number,
		.src_port = side == SIDE_CLIENT ? talk->client_port : 443,
		.dst_port = side == SIDE_CLIENT ? 443 : talk->client_port,
		.ttl = talk->end[side].ttl,
		.ip_id = next_id(talk, side),
		.seq = talk->end[side].next,
		.ack = talk->end[1 - side].next,
		.flags = flags,
		.window = talk->end[side].window,
		.payload_bytes = payload_bytes,
		.payload_captured_bytes = payload_bytes,
		.ip_bytes = (uint16_t)(40 + payload_bytes),
		.options_complete = true,
		.tcp_header_bytes = 20,
	};

	packet.src.version = packet.dst.version = talk->ipv6 ? 6 : 4;
	packet.src.bytes[0] = side == SIDE_CLIENT ? 10 : 192;
	packet.dst.bytes[0] = side == SIDE_CLIENT ? 192 : 10;
	packet.payload_hash = hash_of(&packet);
	packet.payload_head = payload_bytes > 0 ? packet.seq | 1 : 0;
	if (talk->timestamps) {
		packet.options.present = TCPOPT_TIMESTAMP;
		packet.options.ts_val = (uint32_t)(talk->now_ns / NS_PER_MS);
		packet.options.ts_ecr = packet.options.ts_val - 1;
	}
	return packet;
}

static void sent(struct talk *talk, unsigned side, const struct packet *packet)
{
	uint32_t end = packet->seq + packet->payload_bytes + ((packet->flags & (SEG_SYN | SEG_FIN)) != 0);

	if ((int32_t)(end - talk->end[side].next) > 0)
		talk->end[side].next = end;
}

static void open_talk(struct talk *talk, struct pair *pair)
{
	for (unsigned i = 0; i < 3; i++) {
		unsigned side = i == 1 ? SIDE_SERVER : SIDE_CLIENT;
		uint16_t flags = i == 0 ? SEG_SYN : i == 1 ? SEG_SYN | SEG_ACK : SEG_ACK;
		struct packet packet = segment(talk, side, flags, 0);
		if (i == 0) {
			packet.ack = 0;
			packet.options.ts_ecr = 0;
		}
		if (i == 0 && below(talk, 16) == 0) {
			packet.options.present |= TCPOPT_FASTOPEN;
			packet.options.fastopen_cookie_bytes = 8;
			packet.payload_bytes = below(talk, 2) * 100;
		}
		if (i < 2) {
			packet.options.present |= TCPOPT_MSS | TCPOPT_WSCALE;
			packet.options.mss = 1460;
			packet.options.wscale = (uint8_t)below(talk, 9);
		}
		hand_to_both(pair, &packet, false);
		sent(talk, side, &packet);
		talk->now_ns += NS_PER_MS + below(talk, 1000000);
		talk->number += below(talk, 8) == 0 ? 100000 : 0;
	}
}

/* What the short way must leave to the long one. */
static void disturb(struct talk *talk, unsigned side, struct packet *packet)
{
	switch (below(talk, 14)) {
	case 0:
		packet->seq -= 1 + below(talk, 3000);
		break;
	case 1:
		packet->seq += 1 + below(talk, 3000);
		break;
	case 2:
		packet->ack -= 1 + below(talk, 3000);
		break;
	case 3:
		packet->ack += 1 + below(talk, 3000);
		break;
	case 4:
		packet->window = below(talk, 2) == 0 ? 0 : (uint16_t)below(talk, 65536);
		break;
	case 5:
		packet->ttl = (uint8_t)(packet->ttl + 1);
		break;
	case 6:
		packet->options.present ^= below(talk, 2) == 0 ? TCPOPT_TIMESTAMP : TCPOPT_SACK;
		packet->options.n_sack_blocks = (packet->options.present & TCPOPT_SACK) != 0 ? 1 : 0;
		packet->options.sack[0].left = talk->end[1 - side].next - 1000;
		packet->options.sack[0].right = talk->end[1 - side].next;
		break;
	case 7:
		packet->options.ts_val -= 1 + below(talk, 100);
		break;
	case 8:
		packet->flags |= below(talk, 2) == 0 ? SEG_ECE : SEG_URG;
		break;
	case 9:
		packet->time_ns -= below(talk, 5000000);
		break;
	case 10:
		packet->options_complete = false;
		break;
	case 11:
		anomaly_set_add(&packet->anomalies, ANOMALY_TCP_OPTION_EXPERIMENTAL);
		break;
	case 12:
		talk->now_ns += below(talk, 3) * UINT64_C(1000) * NS_PER_SEC;
		packet->time_ns = talk->now_ns;
		break;
	default:
		packet->ip_id = (uint16_t)(packet->ip_id + 2);
		break;
	}
}

/* A segment of the close, which may be odd, lost, or come twice. */
static void say_closing(struct talk *talk, struct pair *pair, unsigned side, uint16_t flags, uint32_t payload_bytes,
			unsigned one_odd_in)
{
	unsigned n_times = below(talk, one_odd_in) != 0 ? 1 : below(talk, 2) * 2;
	struct packet packet = segment(talk, side, flags, payload_bytes);

	/* What crosses on the way does not acknowledge what was sent last. */
	if (below(talk, one_odd_in) == 0)
		packet.ack -= 1 + below(talk, 2) * below(talk, 500);
	if (below(talk, one_odd_in) == 0)
		disturb(talk, side, &packet);
	for (unsigned i = 0; i < n_times; i++) {
		hand_to_both(pair, &packet, false);
		packet.number = ++talk->number;
		packet.ip_id = next_id(talk, side);
		talk->now_ns += below(talk, 3) == 0 ? below(talk, 2000) * NS_PER_MS : below(talk, 3000000);
		packet.time_ns = talk->now_ns;
	}
	sent(talk, side, &packet);
}

static uint32_t some_payload(struct talk *talk)
{
	return below(talk, 3) == 0 ? below(talk, 1000) : 0;
}

/* All orders in which FINs and their acknowledgements come, and what the other end says in between. */
static void close_talk(struct talk *talk, struct pair *pair, unsigned one_odd_in)
{
	unsigned closer = below(talk, 2);
	unsigned n_data = below(talk, 3) == 0 ? below(talk, 4) : 0;

	if (below(talk, 8) == 0) {
		say_closing(talk, pair, closer, SEG_RST | (below(talk, 2) != 0 ? SEG_ACK : 0), 0, one_odd_in);
		return;
	}
	say_closing(talk, pair, closer, SEG_FIN | SEG_ACK | (below(talk, 2) != 0 ? SEG_PSH : 0), some_payload(talk),
		    one_odd_in);
	if (n_data > 0 || below(talk, 2) == 0)
		say_closing(talk, pair, 1 - closer, SEG_ACK, below(talk, 8) == 0 ? 100 : 0, one_odd_in);
	for (unsigned i = 0; i < n_data; i++) {
		say_closing(talk, pair, 1 - closer, SEG_ACK | SEG_PSH, below(talk, 1000), one_odd_in);
		if (below(talk, 4) == 0)
			say_closing(talk, pair, closer, SEG_ACK, 0, one_odd_in);
	}
	say_closing(talk, pair, 1 - closer, SEG_FIN | SEG_ACK, some_payload(talk), one_odd_in);
	say_closing(talk, pair, closer, SEG_ACK, 0, one_odd_in);
	if (below(talk, 8) == 0)
		say_closing(talk, pair, below(talk, 2), below(talk, 2) != 0 ? SEG_RST : SEG_ACK, 0, one_odd_in);
}

static void converse(struct talk *talk, struct pair *pair, unsigned n_segments, unsigned one_odd_in)
{
	struct packet last = { .time_ns = 0 };

	for (unsigned i = 0; i < n_segments; i++) {
		unsigned side = below(talk, 2);
		uint32_t payload = below(talk, 3) == 0 ? 0 : below(talk, 4) == 0 ? below(talk, 20) : below(talk, 1460);
		if (talk->speaks_in_small_pieces)
			payload = payload % 17;
		if (talk->only_server_speaks && side == SIDE_CLIENT)
			payload = 0;
		talk->now_ns += below(talk, 100) == 0 ? below(talk, 2000) * NS_PER_MS : below(talk, 3000000);
		if (below(talk, 4) == 0)
			talk->end[side].window = (uint16_t)(2000 + below(talk, 60000));
		struct packet packet = segment(talk, side, below(talk, 3) == 0 ? SEG_ACK | SEG_PSH : SEG_ACK, payload);
		if (below(talk, one_odd_in) == 0)
			disturb(talk, side, &packet);
		if (last.number != 0 && below(talk, 2 * one_odd_in) == 0) {
			packet = last;
			packet.number = talk->number;
			packet.time_ns = talk->now_ns;
		}
		hand_to_both(pair, &packet, false);
		sent(talk, side, &packet);
		last = packet;
	}
	close_talk(talk, pair, one_odd_in);
}

static void begin_talk(struct talk *talk, unsigned n)
{
	talk->client_port = (uint16_t)(10000 + n);
	for (unsigned side = 0; side < 2; side++) {
		talk->end[side].next = below(talk, UINT32_MAX);
		talk->end[side].window = (uint16_t)(3000 + below(talk, 60000));
		talk->end[side].ttl = side == SIDE_CLIENT ? 64 : 57;
	}
}

static void hold_talks(struct pair *pair, unsigned n_talks, unsigned n_segments, unsigned one_odd_in)
{
	struct talk talk = { .random = { 7 + one_odd_in }, .now_ns = 1000 * NS_PER_SEC };

	for (unsigned i = 0; i < n_talks; i++) {
		talk.timestamps = below(&talk, 2) == 0;
		talk.ipv6 = below(&talk, 4) == 0;
		talk.only_server_speaks = below(&talk, 4) == 0;
		talk.speaks_in_small_pieces = below(&talk, 16) == 0;
		talk.ids = talk.ipv6 ? 0 : (uint8_t)below(&talk, 4);
		begin_talk(&talk, i);
		open_talk(&talk, pair);
		/* A packet far behind the first is named otherwise in a flow at rest. */
		talk.number += below(&talk, 4) == 0 ? 100000 : 0;
		converse(&talk, pair, n_segments, one_odd_in);
	}
}

static struct cases play_talks(unsigned n_talks, unsigned n_segments, unsigned one_odd_in, bool wants_states,
			       uint64_t interim_ns)
{
	struct pair pair;

	pair_init(&pair, wants_states, interim_ns);
	hold_talks(&pair, n_talks, n_segments, one_odd_in);
	return pair_end(&pair);
}

/* The one counts what is left, the other one would write it. */
static void test_what_is_left_is_counted_without_records(void **state)
{
	static const unsigned odd[] = { 1000000, 40, 5 };
	struct pair pair;

	(void)state;
	for (unsigned i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		pair_init(&pair, false, 0);
		hold_talks(&pair, 100, 4, odd[i]);
		struct talk begun = { .random = { 8 },
				      .now_ns = pair.with.tracker->now_ns,
				      .number = pair.with.tracker->packet_number };
		for (unsigned n = 0; n < 20; n++) {
			begin_talk(&begun, n);
			open_talk(&begun, &pair);
		}
		const struct tracker_stats before = *tracker_get_stats(pair.with.tracker);
		struct event_writer writer = pair.with.tracker->writer;
		writer.unwanted |= (sensor_event_mask)1 << EVENT_FLOW;
		tracker_set_writer(pair.with.tracker, &writer, pair.with.tracker->orphan_counts);
		tracker_finish(pair.with.tracker);
		tracker_finish(pair.without.tracker);
		struct tracker_stats stats = *tracker_get_stats(pair.with.tracker);
		bool both_are_left =
			stats.outcomes[CONN_OUTCOME_COMPLETED_NORMAL] >
				before.outcomes[CONN_OUTCOME_COMPLETED_NORMAL] &&
			stats.outcomes[CONN_OUTCOME_IN_PROGRESS] > before.outcomes[CONN_OUTCOME_IN_PROGRESS];
		assert_true(both_are_left || i > 0);
		stats.short_way = 0;
		assert_memory_equal(&stats, tracker_get_stats(pair.without.tracker), sizeof(stats));
		for (unsigned class = 0; class < FLOW_CLASS_COUNT; class ++)
			assert_int_equal(tracker_get_table_stats(pair.with.tracker)->in_use[class], 0);
		tracker_destroy(pair.with.tracker);
		tracker_destroy(pair.without.tracker);
	}
}

static void test_connections_in_good_order(void **state)
{
	(void)state;
	struct cases told = play_talks(100, 200, 1000000, true, 0);
	struct cases untold = play_talks(100, 200, 1000000, false, 0);
	/* Beside the opening and the close nearly all take the short way. */
	assert_true(told.all > 100 * 200 * 3 / 10);
	assert_true(untold.all > told.all);
	assert_int_equal(told.proofs, 0);
	assert_true(untold.proofs > 60 && untold.speeches > 25 && untold.served > 5);
	assert_int_equal(told.openings, 0);
	assert_true(untold.openings > 20);
}

static void test_connections_that_close(void **state)
{
	(void)state;
	struct cases told = play_talks(200, 30, 1000000, true, 0);
	struct cases untold = play_talks(1000, 30, 1000000, false, 0);
	assert_int_equal(told.fins[0] + told.fins[1] + told.fin_acks[0] + told.fin_acks[1] + told.half_closed, 0);
	assert_true(untold.fins[0] > 300 && untold.fins[1] > 150);
	assert_true(untold.fin_acks[0] > 150 && untold.fin_acks[1] > 150 && untold.half_closed > 100);
	play_talks(2000, 4, 1000000, false, 0);
	play_talks(1000, 10, 12, false, 0);
	play_talks(1000, 10, 5, false, 0);
	play_talks(300, 10, 6, true, 0);
}

static void test_when_nobody_listens(void **state)
{
	static const unsigned odd[] = { 1000000, 40, 5 };
	struct pair pair;

	(void)state;
	for (unsigned i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		pair_init_unheard(&pair);
		hold_talks(&pair, 200, 30, odd[i]);
		struct cases cases = pair_end(&pair);
		assert_int_equal(pair.with.detection.n_signals + pair.without.detection.n_signals, 0);
		assert_true(cases.openings > 20 && cases.proofs > 40);
	}
}

static void test_connections_with_troubles(void **state)
{
	(void)state;
	struct cases some = play_talks(200, 100, 40, false, 0);
	struct cases more = play_talks(200, 100, 15, false, 0);
	assert_true(some.all > 200 && some.behind_repeat > 100 && some.proofs > 100);
	assert_true(more.all > 50 && more.behind_repeat > 50);
	play_talks(200, 100, 40, true, 0);
	play_talks(300, 60, 4, true, 0);
	play_talks(300, 60, 4, false, 0);
	play_talks(4000, 5, 10, false, 0);
}

/* One more segment of a talk, in order; ack_back: how much less than all it acknowledges. */
static void say(struct talk *talk, struct pair *pair, unsigned side, uint32_t payload_bytes, uint32_t ack_back)
{
	struct packet packet = segment(talk, side, SEG_ACK, payload_bytes);

	packet.ack -= ack_back;
	hand_to_both(pair, &packet, false);
	sent(talk, side, &packet);
	talk->now_ns += NS_PER_MS;
}

/* The server says something, but not that it has the third segment; then it does. */
static void test_what_proves_nothing(void **state)
{
	struct pair pair;
	struct talk talk = { .random = { 1 }, .now_ns = 1000 * NS_PER_SEC };

	(void)state;
	pair_init(&pair, false, 0);
	for (unsigned i = 0; i < 20; i++) {
		begin_talk(&talk, i);
		open_talk(&talk, &pair);
		say(&talk, &pair, SIDE_CLIENT, 100, 0);
		talk.end[SIDE_SERVER].window++;
		say(&talk, &pair, SIDE_SERVER, 0, 100);
		say(&talk, &pair, SIDE_SERVER, 0, 0);
	}
	pair_end(&pair);
}

/* What waits is stamped anew with each segment of the client, and stamps have an end. */
static void test_a_client_that_speaks_late(void **state)
{
	struct pair pair;
	struct talk talk = { .random = { 2 }, .now_ns = 1000 * NS_PER_SEC };

	(void)state;
	pair_init(&pair, false, 0);
	for (unsigned i = 0; i < 400; i++) {
		begin_talk(&talk, i);
		open_talk(&talk, &pair);
		for (unsigned n = 0; n < 3; n++) {
			talk.now_ns += i * UINT64_C(18) * NS_PER_SEC;
			say(&talk, &pair, SIDE_CLIENT, 100, 0);
		}
		say(&talk, &pair, SIDE_SERVER, 0, 0);
	}
	struct cases cases = pair_end(&pair);
	assert_true(cases.speeches > 0 && cases.proofs > 0);
}

/* The acknowledgement echoes what passed before the repeat: the first one had come. */
static void test_an_echo_from_before_the_repeat(void **state)
{
	struct pair pair;
	struct talk talk = { .random = { 3 }, .now_ns = 1000 * NS_PER_SEC, .timestamps = true };

	(void)state;
	pair_init(&pair, false, 0);
	for (unsigned i = 0; i < 20; i++) {
		begin_talk(&talk, i);
		open_talk(&talk, &pair);
		say(&talk, &pair, SIDE_CLIENT, 100, 0);
		say(&talk, &pair, SIDE_SERVER, 100, 0);
		struct packet data = segment(&talk, SIDE_CLIENT, SEG_ACK, 100);
		uint32_t first_ts_val = data.options.ts_val;
		hand_to_both(&pair, &data, false);
		sent(&talk, SIDE_CLIENT, &data);
		talk.now_ns += 300 * NS_PER_MS;
		data.number = ++talk.number;
		data.time_ns = talk.now_ns;
		data.options.ts_val += 300;
		hand_to_both(&pair, &data, false);
		struct packet answer = segment(&talk, SIDE_SERVER, SEG_ACK, 100);
		answer.options.ts_ecr = first_ts_val;
		hand_to_both(&pair, &answer, false);
		sent(&talk, SIDE_SERVER, &answer);
		say(&talk, &pair, SIDE_SERVER, 100, 0);
		say(&talk, &pair, SIDE_CLIENT, 100, 0);
	}
	assert_true(pair_end(&pair).all > 40);
}

/* Echoes of what passed behind the repeat tell nothing, whether or not each is newer than the one before. */
static void test_echoes_that_go_back(void **state)
{
	enum { TALKS = 20 };
	struct pair pair;
	struct talk talk = { .random = { 4 }, .now_ns = 1000 * NS_PER_SEC, .timestamps = true };
	uint64_t n_behind = 0;

	(void)state;
	pair_init(&pair, false, 0);
	for (unsigned i = 0; i < TALKS; i++) {
		begin_talk(&talk, i);
		open_talk(&talk, &pair);
		say(&talk, &pair, SIDE_CLIENT, 100, 0);
		say(&talk, &pair, SIDE_SERVER, 100, 0);
		struct packet data = segment(&talk, SIDE_CLIENT, SEG_ACK, 100);
		hand_to_both(&pair, &data, false);
		sent(&talk, SIDE_CLIENT, &data);
		talk.now_ns += 300 * NS_PER_MS;
		data.number = ++talk.number;
		data.time_ns = talk.now_ns;
		data.options.ts_val += 300;
		hand_to_both(&pair, &data, false);
		uint64_t n_before = pair.cases.behind_repeat;
		for (unsigned back = 0; back < 3; back++) {
			struct packet answer = segment(&talk, SIDE_SERVER, SEG_ACK, 100);
			answer.options.ts_ecr = data.options.ts_val + 2 - back;
			hand_to_both(&pair, &answer, false);
			sent(&talk, SIDE_SERVER, &answer);
			talk.now_ns += NS_PER_MS;
		}
		n_behind += pair.cases.behind_repeat - n_before;
		struct packet older = segment(&talk, SIDE_SERVER, SEG_ACK, 100);
		older.options.ts_ecr = data.options.ts_val - 1;
		n_before = pair.cases.all;
		hand_to_both(&pair, &older, false);
		assert_int_equal(pair.cases.all, n_before);
		sent(&talk, SIDE_SERVER, &older);
		talk.now_ns += NS_PER_MS;
	}
	pair_end(&pair);
	assert_int_equal(n_behind, 3 * TALKS);
}

static void test_records_in_between_come_when_they_are_due(void **state)
{
	(void)state;
	assert_true(play_talks(40, 300, 200, true, NS_PER_SEC).all > 40);
	assert_true(play_talks(40, 300, 200, false, NS_PER_SEC).all > 40);
}

static void see(void *context, const struct packet *packet)
{
	hand_to_both(context, packet, false);
}

/* What honest endpoints say on a path that loses, repeats and overtakes; one connection behind the other. */
static void test_endpoints_on_a_bad_path(void **state)
{
	static const unsigned allowed[] = { 0, LAB_TAP_MISSES, LAB_REUSE | LAB_CRASHES, LAB_BOTH_CONNECT };
	struct random random = { 11 };
	struct cases all = { 0 };
	uint8_t bytes[200];
	struct pair pair;

	(void)state;
	for (unsigned i = 0; i < 1200; i++) {
		size_t n_bytes = 40 + random_below(&random, sizeof(bytes) - 40);
		for (size_t n = 0; n < n_bytes; n++)
			bytes[n] = (uint8_t)random_below(&random, 256);
		pair_init(&pair, false, 0);
		lab_play(bytes, n_bytes, allowed[i % 4], see, &pair);
		struct cases cases = pair_end(&pair);
		all.all += cases.all;
		all.fins[0] += cases.fins[0];
		all.fins[1] += cases.fins[1];
	}
	assert_true(all.all > 800 && all.fins[0] > 30 && all.fins[1] > 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recorded_connections),
		cmocka_unit_test(test_connections_in_good_order),
		cmocka_unit_test(test_what_is_left_is_counted_without_records),
		cmocka_unit_test(test_connections_that_close),
		cmocka_unit_test(test_when_nobody_listens),
		cmocka_unit_test(test_connections_with_troubles),
		cmocka_unit_test(test_what_proves_nothing),
		cmocka_unit_test(test_a_client_that_speaks_late),
		cmocka_unit_test(test_an_echo_from_before_the_repeat),
		cmocka_unit_test(test_echoes_that_go_back),
		cmocka_unit_test(test_endpoints_on_a_bad_path),
		cmocka_unit_test(test_records_in_between_come_when_they_are_due),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
