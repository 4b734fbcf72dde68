/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An attempt in the SYN store is the flow that it would be without the store. Two trackers get the same packets, one
 * with a store and one without; after each packet they must have said the same, byte for byte, and the flow of the
 * packet's tuple must be the same, byte for byte, wherever it is kept.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tracker_attempts.c"

#include "tcpwitness/base/siphash.h"

#include "event_padding.h"
#include "random.h"

enum { N_TUPLES = 60, N_STEPS = 30000 };

struct sensor {
	sensor_event_mask wanted;
	struct tracker *tracker;
	struct detect_engine *engine;
	struct sensor_event event;
	uint64_t digest; /* of all events so far */
	uint64_t n_events;
	uint64_t n_alerts;
};

struct run {
	struct ruleset *ruleset;
	struct sensor with;
	struct sensor without;
	struct random random;
	uint64_t now_ns;
	uint64_t number;
	unsigned pace;       /* how fast packets come just now */
	uint64_t n_in_store; /* comparisons of an attempt that was in the store, and repeated ones of them */
	uint64_t n_repeated;
	uint64_t n_alerted;
	struct packet last[N_TUPLES]; /* the last SYN of each tuple */
};

static struct sensor_event *begin_event(void *context, enum sensor_event_type type)
{
	struct sensor *sensor = context;

	if ((sensor->wanted >> type & 1) == 0)
		return NULL;
	memset(&sensor->event, 0, sizeof(sensor->event));
	sensor->event.type = type;
	return &sensor->event;
}

static void end_event(void *context, struct sensor_event *event)
{
	struct sensor *sensor = context;
	const struct siphash_key chained = { sensor->digest, 1 };

	clear_event_padding(event);
	/* What an alarm says is the detectors' own; when it comes shows that they were told the same. */
	size_t n_bytes = event->type == EVENT_ALERT ? offsetof(struct sensor_event, alert) : sizeof(*event);
	sensor->digest = siphash13(&chained, event, n_bytes);
	sensor->n_events++;
	sensor->n_alerts += event->type == EVENT_ALERT;
}

static void sensor_create(struct sensor *sensor, const struct ruleset *ruleset, size_t store_bytes,
			  sensor_event_mask unwanted)
{
	static const char *const names[] = { "test" };
	const struct event_writer writer = {
		.context = sensor, .begin = begin_event, .end = end_event, .unwanted = unwanted
	};
	const struct detect_config detect = { .memory_bytes = 4 << 20, .secret = siphash_key_from_seed(2) };
	struct tracker_config config;
	struct error error;

	tracker_config_defaults(&config);
	config.key.secret = siphash_key_from_seed(1);
	config.syn_store.memory_bytes = store_bytes;
	config.tombstones.memory_bytes = 1 << 20;
	config.interim_ns = 30 * NS_PER_SEC;
	sensor->engine = detect_engine_create(ruleset, &detect, &writer, &error);
	assert_non_null(sensor->engine);
	sensor->tracker = tracker_create(&config, detect_engine_source(sensor->engine, 0), &writer, names, &error);
	assert_non_null(sensor->tracker);
}

static void sensor_destroy(struct sensor *sensor)
{
	tracker_destroy(sensor->tracker);
	detect_engine_destroy(sensor->engine);
}

/* ---- Packets ---- */

static bool one_in(struct run *run, uint32_t n)
{
	return random_below(&run->random, n) == 0;
}

/* Tuples of all kinds: both address families, VLANs, a tunnel, one whose ends are the same. */
static void set_ends(struct packet *packet, unsigned tuple)
{
	uint8_t version = tuple % 3 == 0 ? 6 : 4;

	packet->src = (struct ip_addr){ .version = version, .bytes = { 192, 0, 2, 1 } };
	packet->dst = (struct ip_addr){ .version = version, .bytes = { 192, 0, 2, tuple % 2 == 0 ? 2 : 0 } };
	if (version == 6) {
		packet->src.bytes[15] = (uint8_t)tuple;
		packet->dst.bytes[9] = 7;
	}
	packet->src_port = (uint16_t)(40000 + tuple / 4);
	packet->dst_port = 80;
	if (tuple == 1) {
		packet->dst = packet->src;
		packet->dst_port = packet->src_port;
	}
	packet->n_vlans = (uint8_t)(tuple % 4);
	for (unsigned i = 0; i < packet->n_vlans; i++)
		packet->vlans[i] = (uint16_t)(i + tuple % 5);
	if (tuple % 11 == 0) {
		packet->n_tunnels = 1;
		packet->tunnels[0] = TUNNEL_VXLAN;
		packet->tunnel_network = 77;
	}
}

static void swap_ends(struct packet *packet)
{
	const struct ip_addr addr = packet->src;
	uint16_t port = packet->src_port;

	packet->src = packet->dst;
	packet->dst = addr;
	packet->src_port = packet->dst_port;
	packet->dst_port = port;
}

static uint16_t random_options(struct run *run)
{
	static const uint16_t common = TCPOPT_MSS | TCPOPT_WSCALE | TCPOPT_SACK_PERMITTED | TCPOPT_TIMESTAMP;

	switch (random_below(&run->random, 4)) {
	case 0:
		return TCPOPT_MSS;
	case 1:
		return (uint16_t)random_below(&run->random, TCPOPT_OTHER * 2);
	default:
		return common;
	}
}

static void fill_options(struct run *run, struct tcp_options *options)
{
	options->present = random_options(run);
	if (options->present & TCPOPT_MSS)
		options->mss = (uint16_t)random_below(&run->random, 65536);
	if (options->present & TCPOPT_WSCALE)
		options->wscale = (uint8_t)random_below(&run->random, one_in(run, 5) ? 256 : 15);
	if (options->present & TCPOPT_TIMESTAMP) {
		options->ts_val = random_below(&run->random, UINT32_MAX);
		options->ts_ecr = one_in(run, 8) ? random_below(&run->random, UINT32_MAX) : 0;
	}
	if (options->present & TCPOPT_FASTOPEN)
		options->fastopen_cookie_bytes = (uint8_t)(8 * random_below(&run->random, 2));
	if (options->present & TCPOPT_MPTCP)
		options->mptcp_subtype = (uint8_t)random_below(&run->random, 4);
	if (options->present & TCPOPT_SACK) {
		options->n_sack_blocks = 1;
		options->sack[0].left = random_below(&run->random, UINT32_MAX);
		options->sack[0].right = options->sack[0].left + 100;
	}
	options->layout = random_below(&run->random, UINT32_MAX);
}

static void fill_syn(struct run *run, struct packet *packet)
{
	packet->flags = SEG_SYN;
	if (one_in(run, 4))
		packet->flags |= one_in(run, 2) ? SEG_ECE | SEG_CWR : SEG_PSH | SEG_URG | SEG_AE;
	packet->seq = random_below(&run->random, UINT32_MAX);
	packet->ack = one_in(run, 4) ? random_below(&run->random, UINT32_MAX) : 0;
	packet->window = one_in(run, 8) ? 0 : (uint16_t)random_below(&run->random, 65536);
	packet->ttl = (uint8_t)random_below(&run->random, 256);
	packet->payload_bytes = one_in(run, 6) ? 1 + random_below(&run->random, 1000) : 0;
	packet->ip_bytes = (uint16_t)(40 + packet->payload_bytes);
	fill_options(run, &packet->options);
	if (one_in(run, 6))
		anomaly_set_add(&packet->anomalies, (enum anomaly)random_below(&run->random, ANOMALY_SYN_RETRANSMIT));
	if (one_in(run, 50))
		packet->source = 0;
}

/* The tuple's last SYN, as a stack repeats it, or nearly so. */
static void repeat_syn(struct run *run, struct packet *packet)
{
	if (packet->options.present & TCPOPT_TIMESTAMP)
		packet->options.ts_val += 1000;
	packet->ip_id++;
	packet->payload_hash += 3;
	switch (random_below(&run->random, 40)) {
	case 0:
		packet->seq++;
		break;
	case 1:
		packet->window ^= 64;
		break;
	case 2:
		packet->ttl++;
		break;
	case 3:
		packet->options.ts_val -= 2000;
		break;
	case 4:
		packet->flags ^= SEG_ECE | SEG_CWR;
		break;
	case 5:
		packet->options.present ^= TCPOPT_FASTOPEN;
		break;
	case 6:
		packet->payload_bytes ^= 5;
		break;
	case 7:
		anomaly_set_add(&packet->anomalies, ANOMALY_FRAGMENT_OVERLAP);
		break;
	case 8:
		packet->ip_bytes++;
		break;
	case 9:
		packet->options.mss ^= 1;
		break;
	case 10:
		packet->options_complete ^= true;
		break;
	default:
		break;
	}
}

/* What may come instead of another SYN. */
static void fill_answer(struct run *run, struct packet *packet)
{
	static const uint16_t flags[] = { SEG_SYN | SEG_ACK, SEG_SYN | SEG_ACK, SEG_RST | SEG_ACK, SEG_RST, SEG_ACK,
					  SEG_FIN | SEG_ACK, SEG_SYN | SEG_FIN, SEG_ACK | SEG_PSH, SEG_SYN, 0 };
	bool from_server = !one_in(run, 3);
	uint32_t iss = packet->seq;

	packet->flags = flags[random_below(&run->random, sizeof(flags) / sizeof(flags[0]))];
	packet->seq = from_server ? 5000 : iss + 1;
	packet->ack = from_server ? iss + (one_in(run, 5) ? 77 : 1) : 5001;
	packet->ip_id = (uint16_t)random_below(&run->random, 65536);
	packet->payload_hash = random_below(&run->random, UINT32_MAX);
	packet->payload_bytes = one_in(run, 3) ? 10 : 0;
	if (from_server)
		swap_ends(packet);
	if (one_in(run, 10))
		packet->checksum = CHECKSUM_BAD;
}

/* No two packets at the same time: timers that end together are in another order with the store than without. */
static void move_time(struct run *run)
{
	static const uint64_t steps_ns[] = { 100, 3 * NS_PER_US, NS_PER_MS, 30 * NS_PER_MS, NS_PER_SEC };

	if (one_in(run, 500))
		run->pace = random_below(&run->random, 5);
	run->now_ns += 1 + steps_ns[run->pace] / 2 + random_below(&run->random, 1000) * steps_ns[run->pace] / 1000;
	if (one_in(run, 1000))
		run->now_ns += random_below(&run->random, 200) * NS_PER_SEC;
}

/* Returns true for an ICMP error. */
static bool next_packet(struct run *run, unsigned tuple, struct packet *packet)
{
	struct packet *last = &run->last[tuple];
	bool quote = false;

	move_time(run);
	*packet = *last;
	if (last->number == 0 || one_in(run, 12)) {
		memset(packet, 0, sizeof(*packet));
		set_ends(packet, tuple);
		packet->ip_id = packet->src.version == 4 ? (uint16_t)random_below(&run->random, 65536) : 0;
		packet->payload_hash = one_in(run, 10) ? 0 : 1 + random_below(&run->random, 1000000);
		packet->options_complete = !one_in(run, 20);
		fill_syn(run, packet);
	} else if (one_in(run, 5)) {
		fill_answer(run, packet);
		quote = one_in(run, 8);
	} else if (!one_in(run, 4)) {
		repeat_syn(run, packet);
	}
	packet->time_ns = run->now_ns;
	if (one_in(run, 200) && run->now_ns > 2 * NS_PER_SEC)
		packet->time_ns -= random_below(&run->random, 2000) * NS_PER_MS;
	packet->number = ++run->number;
	if (quote)
		packet->icmp_error = (enum icmp_error_kind)(1 + random_below(&run->random, 5));
	else if (packet->flags == SEG_SYN || last->number == 0)
		*last = *packet;
	return quote;
}

/* ---- Comparison ---- */

/* The places in the table may differ, and what is held for the next incarnation is not the store's. */
static void mask(struct flow *flow)
{
	flow->slot = 0;
	memset(&flow->conn.next_syn, 0, sizeof(flow->conn.next_syn));
}

static bool get_flow(struct run *run, const struct sensor *sensor, const struct packet *packet, struct flow *flow)
{
	const struct flow_key_config *config = &sensor->tracker->config.key;
	struct flow_key key;

	flow_key_from_packet(config, packet, &key);
	uint64_t hash = flow_key_hash(config, &key);
	const struct flow *in_table = flow_table_find(sensor->tracker->table, &key, hash);
	const struct syn_entry *in_store = syn_store_find(sensor->tracker->syn_store, &key, hash);
	assert_true(in_table == NULL || in_store == NULL);
	if (in_table != NULL) {
		*flow = *in_table;
	} else if (in_store != NULL) {
		make_flow(sensor->tracker, in_store, flow);
		run->n_in_store++;
		run->n_alerted += flow->alerted;
		run->n_repeated += flow->conn.end[SIDE_CLIENT].syns > 1;
	}
	mask(flow);
	return in_table != NULL || in_store != NULL;
}

static void compare(struct run *run, const struct packet *packet)
{
	static struct flow a;
	static struct flow b;
	bool known = get_flow(run, &run->with, packet, &a);

	assert_int_equal(run->with.n_events, run->without.n_events);
	assert_true(run->with.digest == run->without.digest);
	assert_int_equal(known, get_flow(run, &run->without, packet, &b));
	if (known)
		assert_memory_equal(&a, &b, sizeof(a));
}

static void hand_in(struct sensor *sensor, const struct packet *packet, bool is_icmp_quote)
{
	static const struct detect_visibility all_seen;

	detect_engine_advance(sensor->engine, packet->time_ns, packet->number, &all_seen);
	tracker_packet(sensor->tracker, packet, is_icmp_quote);
}

static void hand_to_both(struct run *run, const struct packet *packet, bool is_icmp_quote)
{
	hand_in(&run->with, packet, is_icmp_quote);
	hand_in(&run->without, packet, is_icmp_quote);
	compare(run, packet);
}

/* Raises an alarm for the server of half of the tuples, so that attempts on it are marked. */
static void flood(struct run *run)
{
	for (unsigned i = 0; i < 4000; i++) {
		struct packet packet = {
			.time_ns = run->now_ns += NS_PER_MS,
			.number = ++run->number,
			.src = { .version = 4, .bytes = { 198, 18, (uint8_t)(i >> 8), (uint8_t)i } },
			.dst = { .version = 4, .bytes = { 192, 0, 2, 2 } },
			.src_port = 1024,
			.dst_port = 80,
			.flags = SEG_SYN,
			.seq = i,
			.ip_bytes = 40,
		};
		hand_to_both(run, &packet, false);
	}
	run->pace = 1;
}

static void run_with(uint64_t seed, sensor_event_mask wanted)
{
	struct run *run = test_calloc(1, sizeof(*run));
	struct error error;

	run->random.state = seed;
	run->now_ns = 1000 * NS_PER_SEC;
	run->ruleset = ruleset_create_default(&error);
	run->with.wanted = run->without.wanted = wanted;
	sensor_create(&run->with, run->ruleset, 8 << 20, ~wanted);
	sensor_create(&run->without, run->ruleset, 0, 0);
	for (unsigned step = 0; step < N_STEPS; step++) {
		struct packet packet;
		bool quote = next_packet(run, random_below(&run->random, N_TUPLES), &packet);
		hand_to_both(run, &packet, quote);
		if (step == N_STEPS / 2)
			flood(run);
	}
	tracker_finish(run->with.tracker);
	tracker_finish(run->without.tracker);
	assert_true(run->with.digest == run->without.digest);
	assert_memory_equal(tracker_get_stats(run->with.tracker), tracker_get_stats(run->without.tracker),
			    sizeof(struct tracker_stats));

	/* The run went where it should. */
	const struct syn_store_stats *stats = syn_store_get_stats(run->with.tracker->syn_store);
	assert_true(run->n_in_store > 1000 && run->n_repeated > 500);
	assert_true(stats->promoted > 500 && stats->expired[true] > 20);
	assert_int_equal(stats->evicted[false] + stats->evicted[true], 0);
	assert_int_equal(stats->entries_in_use, 0);
	assert_int_equal(syn_store_get_stats(run->without.tracker->syn_store)->created, 0);
	assert_true(run->with.n_alerts > 0 && run->n_alerted > 0);
	sensor_destroy(&run->with);
	sensor_destroy(&run->without);
	ruleset_destroy(run->ruleset);
	test_free(run);
}

static void an_attempt_in_the_store_is_the_flow_it_stands_for(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++)
		run_with(seed * UINT64_C(0x2545f4914f6cdd1d), UINT32_MAX);
}

/* Then most of what happens to an attempt happens without a flow. */
static void so_it_is_when_only_alarms_are_wanted(void **state)
{
	(void)state;
	for (uint64_t seed = 4; seed <= 6; seed++)
		run_with(seed * UINT64_C(0x2545f4914f6cdd1d), UINT32_C(1) << EVENT_ALERT);
}

/* Then SYN-ACKs stay in the store, too, and records come from there. */
static void so_it_is_when_records_are_wanted_and_states_are_not(void **state)
{
	(void)state;
	for (uint64_t seed = 7; seed <= 9; seed++)
		run_with(seed * UINT64_C(0x2545f4914f6cdd1d), ~(UINT32_C(1) << EVENT_TCP_STATE));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(an_attempt_in_the_store_is_the_flow_it_stands_for),
					    cmocka_unit_test(so_it_is_when_only_alarms_are_wanted),
					    cmocka_unit_test(so_it_is_when_records_are_wanted_and_states_are_not) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
