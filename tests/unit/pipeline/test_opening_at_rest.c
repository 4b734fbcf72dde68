/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A connection that opens in good order is written down at rest at once (flow_plain_open.h): with the same bytes as the
 * flow has that the rules make of its three segments, when it is packed. Random openings, most of them plain but for
 * one thing, go to a tracker with the short way and to one without it; the test stands in for the detectors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "../../../src/flow/flow_plain_open.h"
#include "../../../src/flow/syn_shapes.h"
#include "../../../src/pipeline/tracker_internal.h"
#include "no_detection_fetch.h"
#include "random.h"
#include "tcpwitness/base/units.h"
#include "tracked_flow.h"

enum { MS_PER_S = 1000 };

struct detect_source {
	uint64_t n_signals;
	uint64_t digest;
};

struct sensor {
	struct tracker *tracker;
	struct detect_source detection;
};

/* One opening, and the next. */
struct run {
	struct random random;
	struct sensor with;
	struct sensor without;
	uint64_t now_ns;
	uint64_t number;
	uint32_t max_pause_ms;
	unsigned n_at_rest;
	unsigned n_other; /* that the short way left to the rules */
};

static uint64_t mix(uint64_t digest, uint64_t value)
{
	return (digest ^ value) * UINT64_C(0x9e3779b97f4a7c15) ^ digest >> 29;
}

bool detect_source_signal(struct detect_source *source, const struct flow_signal *signal)
{
	const uint64_t numbers[] = {
		signal->kind,
		signal->answered,
		signal->completed,
		signal->spoke,
		signal->timestamps,
		signal->retried,
		signal->ttl,
		signal->window,
		signal->syn_layout,
		signal->isn,
		signal->flow_id,
		signal->client_port,
		signal->server_port,
		signal->now_ns,
		signal->packet_number,
		signal->since_ns,
		signal->is_first,
		signal->side,
		signal->state,
		signal->suspicion,
		signal->bare_synack,
		signal->held_before_ns,
		signal->held_until_ns,
		signal->client.version,
		signal->reused,
		signal->client.bytes[0],
		signal->server.bytes[0],
	};

	source->n_signals++;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		source->digest = mix(source->digest, numbers[i]);
	return (signal->flow_id + 3 * (uint64_t)signal->kind) % 7 == 0;
}

static struct sensor_event *no_event(void *context, enum sensor_event_type type)
{
	(void)context;
	(void)type;
	return NULL;
}

static void no_end(void *context, struct sensor_event *event)
{
	(void)context;
	(void)event;
}

/* timeout_ns: after which a SYN or SYN-ACK is overdue; 0 = as it is by default. */
static void sensor_init(struct sensor *sensor, bool takes_short_way, uint64_t max_window_bytes, uint64_t timeout_ns)
{
	static const char *const names[] = { "test" };
	const struct event_writer writer = {
		.context = sensor,
		.begin = no_event,
		.end = no_end,
		.unwanted = (sensor_event_mask)1 << EVENT_TCP_STATE,
	};
	struct tracker_config config;

	tracker_config_defaults(&config);
	config.table.memory_bytes = 1 << 20;
	config.syn_store.memory_bytes = 1 << 20;
	config.key.secret = siphash_key_from_seed(1);
	config.interim_ns = 60 * NS_PER_SEC;
	config.conn.max_window_bytes = max_window_bytes;
	config.takes_short_way = takes_short_way;
	if (timeout_ns != 0) {
		config.interim_ns = timeout_ns;
		config.table.timeout_ns[FLOW_CLASS_UNANSWERED_NEW] = timeout_ns;
		config.table.timeout_ns[FLOW_CLASS_HALF_OPEN_NEW] = timeout_ns;
	}
	sensor->detection = (struct detect_source){ 0 };
	sensor->tracker = tracker_create(&config, &sensor->detection, &writer, names, NULL);
	assert_non_null(sensor->tracker);
}

static void run_init(struct run *run, uint64_t seed, uint64_t max_window_bytes, uint64_t timeout_ns)
{
	*run = (struct run){ .random = { seed }, .now_ns = 1000 * NS_PER_SEC, .number = 1 };
	sensor_init(&run->with, true, max_window_bytes, timeout_ns);
	sensor_init(&run->without, false, max_window_bytes, timeout_ns);
}

static void run_end(struct run *run)
{
	tracker_finish(run->with.tracker);
	tracker_finish(run->without.tracker);
	struct tracker_stats stats = *tracker_get_stats(run->with.tracker);
	assert_int_equal(stats.short_way, run->n_at_rest);
	stats.short_way = 0;
	assert_memory_equal(&stats, tracker_get_stats(run->without.tracker), sizeof(stats));
	tracker_destroy(run->with.tracker);
	tracker_destroy(run->without.tracker);
}

static unsigned below(struct run *run, uint32_t n)
{
	return random_below(&run->random, n);
}

static bool one_in(struct run *run, uint32_t n)
{
	return below(run, n) == 0;
}

static void hand_to_both(struct run *run, const struct packet *packet)
{
	tracker_packet(run->with.tracker, packet, false);
	tracker_packet(run->without.tracker, packet, false);
	assert_int_equal(run->with.detection.n_signals, run->without.detection.n_signals);
	assert_true(run->with.detection.digest == run->without.detection.digest);
}

/* What the three have in common. */
static struct packet begin_packet(struct run *run, const struct packet *syn, uint16_t flags)
{
	bool from_server = (flags & (SEG_SYN | SEG_ACK)) == (SEG_SYN | SEG_ACK);
	struct packet packet = {
		.src = from_server ? syn->dst : syn->src,
		.dst = from_server ? syn->src : syn->dst,
		.src_port = from_server ? syn->dst_port : syn->src_port,
		.dst_port = from_server ? syn->src_port : syn->dst_port,
		.source = (uint16_t)below(run, 3),
		.flags = flags,
		.window = (uint16_t)(2000 + below(run, 60000)),
		.ttl = from_server ? 57 : 64,
		.ip_id = (uint16_t)(one_in(run, 3) ? 0 : below(run, 20)),
		.ip_bytes = (uint16_t)(40 + below(run, 40)),
		.payload_hash = one_in(run, 20) ? below(run, 3) : below(run, UINT32_MAX),
		.options_complete = true,
	};

	run->now_ns += one_in(run, run->max_pause_ms != 0 ? 4 : 30) ? below(run, run->max_pause_ms + 2000) * NS_PER_MS
								    : below(run, 1000000);
	run->number += one_in(run, 30) ? below(run, 1 << 22) : 1 + below(run, 3);
	packet.time_ns = run->now_ns;
	packet.number = run->number;
	return packet;
}

/* There are so few systems that nearly all shapes of openings have a number (syn_shapes.h). */
static void add_syn_options(struct run *run, struct packet *packet)
{
	struct random system = { below(run, 24) };
	struct tcp_options *options = &packet->options;

	options->present = (uint16_t)((random_permille(&system, 200) ? 0 : TCPOPT_MSS) |
				      (random_permille(&system, 250) ? 0 : TCPOPT_WSCALE) |
				      (random_permille(&system, 250) ? 0 : TCPOPT_SACK_PERMITTED) |
				      (random_permille(&system, 300) ? 0 : TCPOPT_TIMESTAMP));
	options->mss = (options->present & TCPOPT_MSS) != 0 ? (uint16_t)random_below(&system, 65536) : 0;
	options->wscale = (options->present & TCPOPT_WSCALE) != 0 ? (uint8_t)random_below(&system, 16) : 0;
	options->ts_val = (options->present & TCPOPT_TIMESTAMP) != 0 ? 1 + below(run, 100) : 0;
	options->layout = random_u32(&system);
	packet->window = (uint16_t)(2000 + random_below(&system, 60000));
}

/* One thing about it is not plain, or seldom. */
static void disturb(struct run *run, struct packet *packet)
{
	switch (below(run, 14)) {
	case 0:
		packet->seq += below(run, 5) - 2;
		break;
	case 1:
		packet->ack += below(run, 5) - 2;
		break;
	case 2:
		packet->payload_bytes = 1 + below(run, 3);
		break;
	case 3:
		packet->flags ^= (uint16_t)(1u << below(run, 9));
		break;
	case 4:
		anomaly_set_add(&packet->anomalies, ANOMALY_TCP_OPTION_EXPERIMENTAL);
		break;
	case 5:
		packet->options.present ^= TCPOPT_TIMESTAMP;
		break;
	case 6:
		packet->window = (uint16_t)(one_in(run, 2) ? 0 : below(run, 3000));
		break;
	case 7:
		packet->ttl = (uint8_t)(1 + below(run, 255));
		break;
	case 8:
		packet->options_complete = false;
		break;
	case 9:
		packet->vlans[0] = 7;
		packet->n_vlans = 1;
		break;
	case 10:
		packet->time_ns -= below(run, 2000000);
		break;
	case 11:
		packet->checksum = CHECKSUM_BAD;
		break;
	case 12:
		packet->options.ts_val -= 1 + below(run, 50);
		break;
	default:
		run->now_ns += below(run, 3) * 1000 * NS_PER_SEC;
		packet->time_ns = run->now_ns;
		break;
	}
}

static struct packet begin_syn(struct run *run)
{
	struct packet ends = { .src_port = (uint16_t)(1 + below(run, 60000)), .dst_port = 443 };
	uint8_t version = one_in(run, 4) ? 6 : 4;

	ends.src.version = ends.dst.version = version;
	ends.src.bytes[0] = (uint8_t)(1 + below(run, 255));
	ends.dst.bytes[0] = (uint8_t)(1 + below(run, 255));
	ends.src.bytes[version == 6 ? 15 : 3] = (uint8_t)below(run, 256);
	struct packet syn = begin_packet(run, &ends, SEG_SYN);
	syn.seq = one_in(run, 8) ? UINT32_MAX : below(run, UINT32_MAX);
	add_syn_options(run, &syn);
	return syn;
}

static struct packet answer_syn(struct run *run, const struct packet *syn)
{
	struct packet synack = begin_packet(run, syn, SEG_SYN | SEG_ACK);

	synack.seq = one_in(run, 8) ? UINT32_MAX : below(run, UINT32_MAX);
	synack.ack = syn->seq + 1;
	add_syn_options(run, &synack);
	synack.options.ts_ecr = synack.options.ts_val != 0 ? syn->options.ts_val : 0;
	return synack;
}

static struct packet third_of(struct run *run, const struct packet *syn, const struct packet *synack)
{
	struct packet third = begin_packet(run, syn, SEG_ACK);

	third.seq = syn->seq + 1;
	third.ack = synack->seq + 1;
	third.flags |= one_in(run, 8) ? SEG_PSH : 0;
	if ((syn->options.present & synack->options.present & TCPOPT_TIMESTAMP) != 0) {
		third.options.present = TCPOPT_TIMESTAMP;
		third.options.ts_val = syn->options.ts_val + below(run, 10);
		third.options.ts_ecr = synack->options.ts_val;
	}
	if (one_in(run, 2) && syn->ip_id != 0)
		third.ip_id = (uint16_t)(syn->ip_id + 1 + below(run, 2));
	return third;
}

static bool is_no_alarm(void *context, const struct plain_opening *opening)
{
	(void)context;
	(void)opening;
	return false;
}

/* Beside the trackers. */
static struct syn_shapes shapes;

/* The third segment as the short way writes it down, beside the tracker; 0 bytes: it does not. */
static size_t write_at_rest(const struct sensor *sensor, const struct packet *third, uint64_t *rest)
{
	const struct tracker *tracker = sensor->tracker;
	struct plain_rules rules = tracker->plain;
	struct plain_opening opening;
	struct flow_key key;
	uint16_t shape;
	size_t bytes = 0;

	memset(&shapes, 0, sizeof(shapes));
	unsigned sender = flow_key_from_packet(&tracker->config.key, third, &key);
	struct syn_entry *attempt = syn_store_find(tracker->syn_store, &key, flow_key_hash(&tracker->config.key, &key));
	if (attempt == NULL || sender != syn_store_client_index(attempt) ||
	    !syn_store_get_opening(tracker->syn_store, attempt, &opening) || third->time_ns < tracker->now_ns ||
	    !plain_open_judge(&opening, third, &rules, &shapes, &shape))
		return 0;
	rules.recent = recent_segments_create(0, NULL);
	rules.connection_opens = is_no_alarm;
	bytes = plain_open_bytes(&opening);
	plain_open_apply(&opening, &key, third, &rules, shape, (struct rest_head *)rest);
	recent_segments_destroy(rules.recent);
	return bytes;
}

static void compare_flows(const struct run *run, const struct packet *third, bool is_at_rest, const uint64_t *at_rest,
			  size_t n_bytes)
{
	static struct flow a;
	static struct flow b;
	static uint64_t packed[FLOW_REST_MAX_BYTES / sizeof(uint64_t) + 1];
	struct rest_head written;
	struct rest_head head;

	bool known = tracked_flow_of(run->with.tracker, third, &a);
	assert_int_equal(known, tracked_flow_of(run->without.tracker, third, &b));
	if (!known)
		return;
	a.slot = b.slot = 0;
	assert_memory_equal(&a, &b, sizeof(a));
	if (!is_at_rest)
		return;
	assert_int_equal(flow_rest_pack(&b, &shapes, packed), n_bytes);
	memcpy(&written, at_rest, sizeof(written));
	memcpy(&head, packed, sizeof(head));
	head.alerted = written.alerted;
	memcpy(packed, &head, sizeof(head));
	assert_memory_equal(packed, at_rest, n_bytes);
}

static void open_one(struct run *run, unsigned one_odd_in)
{
	static uint64_t at_rest[FLOW_REST_MAX_BYTES / sizeof(uint64_t) + 1];
	struct packet syn = begin_syn(run);
	struct packet packet = syn;

	if (one_in(run, one_odd_in))
		disturb(run, &packet);
	hand_to_both(run, &packet);
	if (one_in(run, one_odd_in)) {
		packet.number = ++run->number;
		packet.time_ns = run->now_ns += below(run, 1500) * NS_PER_MS;
		hand_to_both(run, &packet);
	}
	struct packet synack = answer_syn(run, &syn);
	packet = synack;
	if (one_in(run, one_odd_in))
		disturb(run, &packet);
	hand_to_both(run, &packet);
	struct packet third = third_of(run, &syn, &synack);
	if (one_in(run, one_odd_in))
		disturb(run, &third);
	uint64_t n_before = tracker_get_stats(run->with.tracker)->short_way;
	size_t n_bytes = third.checksum != CHECKSUM_BAD ? write_at_rest(&run->with, &third, at_rest) : 0;
	hand_to_both(run, &third);
	bool is_at_rest = tracker_get_stats(run->with.tracker)->short_way != n_before;
	run->n_at_rest += is_at_rest;
	run->n_other += !is_at_rest;
	assert_true(n_bytes > 0 || !is_at_rest);
	compare_flows(run, &third, is_at_rest, at_rest, n_bytes);
	/* A copy of any of them is known for one. */
	if (!one_in(run, 4))
		return;
	packet = one_in(run, 3) ? syn : one_in(run, 2) ? synack : third;
	packet.number = ++run->number;
	packet.time_ns = run->now_ns;
	hand_to_both(run, &packet);
	compare_flows(run, &third, false, NULL, 0);
}

static void test_it_is_what_the_rules_would_leave(void **state)
{
	struct run run;

	(void)state;
	run_init(&run, 1, 0, 0);
	for (unsigned i = 0; i < 60000; i++)
		open_one(&run, 6);
	run_end(&run);
	assert_true(run.n_at_rest > 10000 && run.n_other > 10000);
}

/* The table is small: established connections go for new ones. */
static void test_in_good_order_nearly_all_take_the_short_way(void **state)
{
	struct run run;

	(void)state;
	run_init(&run, 2, 0, 0);
	for (unsigned i = 0; i < 3000; i++)
		open_one(&run, 1000000);
	run_end(&run);
	assert_true(run.n_at_rest > 1500);
}

/* Nobody says that an answer is overdue: so one may come too late to be written as if nothing were odd about it. */
static void test_an_opening_that_takes_long(void **state)
{
	struct run run;

	(void)state;
	run_init(&run, 4, 0, 2000 * NS_PER_SEC);
	run.max_pause_ms = 1200 * MS_PER_S;
	for (unsigned i = 0; i < 4000; i++)
		open_one(&run, 1000000);
	run_end(&run);
	assert_true(run.n_at_rest > 1500 && run.n_other > 500);
	run_init(&run, 5, 0, 20 * NS_PER_SEC);
	run.max_pause_ms = 30 * MS_PER_S;
	for (unsigned i = 0; i < 2000; i++)
		open_one(&run, 1000000);
	run_end(&run);
	assert_true(run.n_at_rest > 1000 && run.n_other > 100);
}

static void test_with_a_largest_window_the_rules_are_asked(void **state)
{
	struct run run;

	(void)state;
	run_init(&run, 3, 60000, 0);
	for (unsigned i = 0; i < 1000; i++)
		open_one(&run, 6);
	run_end(&run);
	assert_int_equal(run.n_at_rest, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_is_what_the_rules_would_leave),
		cmocka_unit_test(test_in_good_order_nearly_all_take_the_short_way),
		cmocka_unit_test(test_an_opening_that_takes_long),
		cmocka_unit_test(test_with_a_largest_window_the_rules_are_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
