/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An attempt that was answered stays in the SYN store while nothing odd happens to it, and no flow is made to tell the
 * detectors of it. Two trackers get the same handshakes, one with a store and one without; after each packet they must
 * have told the detectors the same, in all that a signal says, and the flow must be the same, byte for byte. The test
 * stands in for the detectors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "no_detection_fetch.h"
#include "tracker_attempts.c"

#include "tcpwitness/base/siphash.h"

#include "random.h"
#include "unheard_events.h"

enum { N_TUPLES = 40, N_STEPS = 30000 };

struct detect_source {
	uint64_t digest; /* of all signals so far */
	uint64_t n_signals[SIGNAL_KIND_COUNT];
};

static uint64_t digest_of(uint64_t before, const struct flow_signal *signal)
{
	const uint64_t members[] = {
		signal->kind,           signal->answered,      signal->completed,
		signal->spoke,          signal->reused,        signal->timestamps,
		signal->is_first,       signal->retried,       signal->bare_synack,
		signal->side,           signal->state,         signal->stray,
		signal->suspicion,      signal->ttl,           signal->window,
		signal->syn_layout,     signal->isn,           signal->client_port,
		signal->server_port,    signal->flow_id,       signal->now_ns,
		signal->since_ns,       signal->packet_number, signal->held_until_ns,
		signal->held_before_ns,
	};
	const struct siphash_key chained = { before, 1 };
	uint64_t digest = siphash13(&chained, members, sizeof(members));

	digest ^= siphash13(&chained, signal->client.bytes, sizeof(signal->client.bytes));
	return digest + siphash13(&chained, signal->server.bytes, sizeof(signal->server.bytes));
}

bool detect_source_signal(struct detect_source *source, const struct flow_signal *signal)
{
	source->digest = digest_of(source->digest, signal);
	source->n_signals[signal->kind]++;
	/* An alarm is open for some of the time. */
	return signal->now_ns / NS_PER_SEC % 8 == 0;
}

/* What becomes of a tuple's connection: the segments so far. */
struct handshake {
	struct packet syn; /* number 0: none */
	struct packet synack;
};

struct run {
	struct tracker *with;
	struct tracker *without;
	struct detect_source told_with;
	struct detect_source told_without;
	struct handshake handshakes[N_TUPLES];
	struct random random;
	uint64_t now_ns;
	uint64_t number;
	uint64_t n_half_open; /* comparisons of one that was in the store */
	uint64_t n_overdue;
	uint64_t n_alerted;
};

static bool one_in(struct run *run, uint32_t n)
{
	return random_below(&run->random, n) == 0;
}

static struct tracker *create(struct detect_source *told, size_t store_bytes)
{
	static const char *const names[] = { "test" };
	const struct event_writer writer = unheard_events(UINT32_MAX);
	struct tracker_config config;
	struct error error;

	tracker_config_defaults(&config);
	config.key.secret = siphash_key_from_seed(1);
	config.syn_store.memory_bytes = store_bytes;
	config.interim_ns = 30 * NS_PER_SEC;
	struct tracker *tracker = tracker_create(&config, told, &writer, names, &error);
	assert_non_null(tracker);
	return tracker;
}

/* ---- Packets ---- */

static void set_ends(struct packet *packet, unsigned tuple, bool from_client)
{
	struct ip_addr client = { .version = tuple % 3 == 0 ? 6 : 4, .bytes = { 192, 0, 2, 9 } };
	struct ip_addr server = { .version = client.version, .bytes = { 192, 0, 2, tuple % 2 == 0 ? 20 : 2 } };
	uint16_t client_port = (uint16_t)(40000 + tuple);

	packet->src = from_client ? client : server;
	packet->dst = from_client ? server : client;
	packet->src_port = from_client ? client_port : 80;
	packet->dst_port = from_client ? 80 : client_port;
	packet->n_vlans = tuple % 5 == 0;
	packet->vlans[0] = tuple % 5 == 0 ? 7 : 0;
}

static void fill_options(struct run *run, struct tcp_options *options)
{
	const uint16_t all = TCPOPT_MSS | TCPOPT_WSCALE | TCPOPT_SACK_PERMITTED | TCPOPT_TIMESTAMP;

	options->present = (uint16_t)(one_in(run, 2) ? all : all & random_below(&run->random, UINT16_MAX));
	if (options->present & TCPOPT_MSS)
		options->mss = (uint16_t)(one_in(run, 20) ? 0 : 1460 - random_below(&run->random, 10));
	if (options->present & TCPOPT_WSCALE)
		options->wscale = (uint8_t)random_below(&run->random, 15);
	if (options->present & TCPOPT_TIMESTAMP) {
		options->ts_val = random_below(&run->random, UINT32_MAX);
		options->ts_ecr = random_below(&run->random, UINT32_MAX);
	}
	options->layout = random_below(&run->random, UINT32_MAX);
}

static struct packet blank(struct run *run, unsigned tuple, bool from_client)
{
	struct packet packet = {
		.window = (uint16_t)random_below(&run->random, 65536),
		.ttl = (uint8_t)(50 + random_below(&run->random, 10)),
		.ip_bytes = 40,
		.payload_hash = random_below(&run->random, UINT32_MAX),
		.options_complete = !one_in(run, 30),
	};

	set_ends(&packet, tuple, from_client);
	packet.ip_id = packet.src.version == 4 ? (uint16_t)random_below(&run->random, 65536) : 0;
	return packet;
}

static struct packet new_syn(struct run *run, unsigned tuple)
{
	struct packet packet = blank(run, tuple, true);

	packet.flags = one_in(run, 8) ? SEG_SYN | SEG_ECE | SEG_CWR : SEG_SYN;
	packet.seq = random_below(&run->random, UINT32_MAX);
	fill_options(run, &packet.options);
	packet.options.ts_ecr = 0;
	if (one_in(run, 20))
		packet.payload_bytes = 10;
	return packet;
}

/* Most are plain. */
static struct packet new_synack(struct run *run, unsigned tuple, const struct packet *syn)
{
	struct packet packet = blank(run, tuple, false);

	packet.flags = one_in(run, 4) ? SEG_SYN | SEG_ACK | SEG_ECE : SEG_SYN | SEG_ACK;
	packet.seq = random_below(&run->random, UINT32_MAX);
	packet.ack = syn->seq + 1;
	fill_options(run, &packet.options);
	switch (random_below(&run->random, 40)) {
	case 0:
		packet.ack++;
		break;
	case 1:
		packet.payload_bytes = 7;
		break;
	case 2:
		packet.flags |= SEG_PSH;
		break;
	case 3:
		packet.options.present |= TCPOPT_FASTOPEN;
		break;
	case 4:
		anomaly_set_add(&packet.anomalies, ANOMALY_FRAGMENT_OVERLAP);
		break;
	case 5:
		packet.checksum = CHECKSUM_BAD;
		break;
	case 6:
		set_ends(&packet, tuple, true);
		break;
	default:
		break;
	}
	return packet;
}

/* What comes behind the SYN-ACK, of either end. */
static struct packet behind(struct run *run, unsigned tuple, const struct handshake *handshake)
{
	static const uint16_t flags[] = { SEG_ACK, SEG_ACK,           SEG_ACK,          SEG_ACK | SEG_PSH,
					  SEG_RST, SEG_RST | SEG_ACK, SEG_FIN | SEG_ACK };
	bool from_client = !one_in(run, 4);
	struct packet packet = blank(run, tuple, from_client);

	packet.flags = flags[random_below(&run->random, sizeof(flags) / sizeof(flags[0]))];
	packet.seq = from_client ? handshake->syn.seq + 1 : handshake->synack.seq + 1;
	packet.ack = from_client ? handshake->synack.seq + 1 : handshake->syn.seq + 1;
	packet.payload_bytes = (packet.flags & SEG_PSH) ? 5 : 0;
	if (handshake->syn.options.present & handshake->synack.options.present & TCPOPT_TIMESTAMP) {
		packet.options.present = TCPOPT_TIMESTAMP;
		packet.options.ts_val = (from_client ? &handshake->syn : &handshake->synack)->options.ts_val + 1;
		packet.options.ts_ecr = (from_client ? &handshake->synack : &handshake->syn)->options.ts_val;
	}
	return packet;
}

static struct packet again(struct run *run, const struct packet *before)
{
	struct packet packet = *before;

	if (one_in(run, 4))
		return packet; /* delivered twice */
	packet.ip_id = packet.ip_id != 0 ? packet.ip_id ^ 1 : 0;
	packet.options.ts_val += (packet.options.present & TCPOPT_TIMESTAMP) != 0;
	packet.payload_hash++;
	return packet;
}

/* Returns true for an ICMP error. No two packets at the same time, see test_tracker_attempts.c. */
static bool next_packet(struct run *run, unsigned tuple, struct packet *packet)
{
	struct handshake *handshake = &run->handshakes[tuple];
	bool is_quote = false;

	run->now_ns += 1 + random_below(&run->random, one_in(run, 40) ? 2000000000 : 20000000);
	if (one_in(run, 500))
		run->now_ns += random_below(&run->random, 100) * NS_PER_SEC;
	if (handshake->syn.number == 0 || one_in(run, 12)) {
		*packet = new_syn(run, tuple);
	} else if (handshake->synack.number == 0) {
		*packet = one_in(run, 5) ? again(run, &handshake->syn) : new_synack(run, tuple, &handshake->syn);
	} else if (one_in(run, 4)) {
		*packet = again(run, one_in(run, 3) ? &handshake->syn : &handshake->synack);
	} else {
		*packet = behind(run, tuple, handshake);
		is_quote = one_in(run, 10);
	}
	packet->time_ns = run->now_ns - (one_in(run, 100) ? random_below(&run->random, 1000000) : 0);
	packet->number = ++run->number;
	packet->icmp_error = is_quote ? ICMP_ERROR_SOFT_UNREACHABLE : ICMP_ERROR_NONE;
	if (is_quote)
		return true;
	if (packet->flags == SEG_SYN)
		*handshake = (struct handshake){ .syn = *packet };
	else if ((packet->flags & (SEG_SYN | SEG_ACK)) == (SEG_SYN | SEG_ACK))
		handshake->synack = *packet;
	return false;
}

/* ---- Comparison ---- */

static bool get_flow(struct run *run, struct tracker *tracker, const struct packet *packet, struct flow *flow)
{
	struct flow_key key;

	flow_key_from_packet(&tracker->config.key, packet, &key);
	uint64_t hash = flow_key_hash(&tracker->config.key, &key);
	const struct flow *in_table = flow_table_find(tracker->table, &key, hash);
	const struct syn_entry *in_store = syn_store_find(tracker->syn_store, &key, hash);
	assert_true(in_table == NULL || in_store == NULL);
	if (in_table != NULL) {
		*flow = *in_table;
	} else if (in_store != NULL) {
		make_flow(tracker, in_store, flow);
		run->n_half_open += flow->flow_class == FLOW_CLASS_HALF_OPEN_NEW;
		run->n_overdue += flow->flow_class == FLOW_CLASS_HALF_OPEN;
		run->n_alerted += flow->alerted && flow->flow_class >= FLOW_CLASS_HALF_OPEN_NEW;
	}
	flow->slot = 0;
	flow_table_close(tracker->table);
	return in_table != NULL || in_store != NULL;
}

static void compare(struct run *run, const struct packet *packet)
{
	static struct flow a;
	static struct flow b;
	bool known = get_flow(run, run->with, packet, &a);

	assert_memory_equal(&run->told_with, &run->told_without, sizeof(run->told_with));
	assert_int_equal(known, get_flow(run, run->without, packet, &b));
	if (known)
		assert_memory_equal(&a, &b, sizeof(a));
}

static void compare_counts(const struct run *run)
{
	const uint64_t *table = flow_table_get_stats(run->with->table)->in_use;
	const uint64_t *store = syn_store_get_stats(run->with->syn_store)->in_use;
	const uint64_t *without = flow_table_get_stats(run->without->table)->in_use;

	for (unsigned i = 0; i < SYN_CLASS_COUNT; i++)
		assert_int_equal(table[flow_class_of[i]] + store[i], without[flow_class_of[i]]);
}

static void run_with(uint64_t seed)
{
	struct run *run = test_calloc(1, sizeof(*run));

	run->random.state = seed;
	run->now_ns = 1000 * NS_PER_SEC;
	run->with = create(&run->told_with, 1 << 20);
	run->without = create(&run->told_without, 0);
	for (unsigned step = 0; step < N_STEPS; step++) {
		struct packet packet;
		bool is_quote = next_packet(run, random_below(&run->random, N_TUPLES), &packet);
		tracker_packet(run->with, &packet, is_quote);
		tracker_packet(run->without, &packet, is_quote);
		compare(run, &packet);
		compare(run, &run->handshakes[random_below(&run->random, N_TUPLES)].syn); /* timers may have moved it */
		compare_counts(run);
	}
	tracker_finish(run->with);
	tracker_finish(run->without);
	assert_memory_equal(&run->told_with, &run->told_without, sizeof(run->told_with));
	assert_memory_equal(tracker_get_stats(run->with), tracker_get_stats(run->without),
			    sizeof(struct tracker_stats));

	/* The run went where it should. */
	assert_true(run->n_half_open > 500 && run->n_overdue > 100 && run->n_alerted > 50);
	assert_true(syn_store_get_stats(run->with->syn_store)->expired[SYN_HALF_OPEN] > 4);
	assert_int_equal(syn_store_get_stats(run->with->syn_store)->entries_in_use, 0);
	assert_true(run->told_with.n_signals[SIGNAL_STILL_HALF_OPEN] > 100);
	tracker_destroy(run->with);
	tracker_destroy(run->without);
	test_free(run);
}

static void an_answered_attempt_in_the_store_is_the_flow_it_stands_for(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++)
		run_with(seed * UINT64_C(0x2545f4914f6cdd1d));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answered_attempt_in_the_store_is_the_flow_it_stands_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
