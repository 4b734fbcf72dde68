/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Connections spread over one to sixteen trackers, by a hash that both ends share: the alarms are the same, byte for
 * byte. So they are when the summaries of each source go to another sensor as bytes, and are judged there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../src/detect/detect_internal.h"
#include "../../../src/detect/summary_wire.h"
#include "event_padding.h"
#include "tcpwitness/base/units.h"
#include "tcpwitness/capture/capture.h"
#include "tcpwitness/decode/decoder.h"
#include "tcpwitness/pipeline/tracker.h"
#include "unheard_events.h"

enum { MAX_TRACKERS = 16, MAX_ALARMS = 2000 };

struct alarms {
	struct sensor_event open;
	size_t n;
	struct sensor_event events[MAX_ALARMS];
};

static struct sensor_event *begin_alarm(void *context, enum sensor_event_type type)
{
	struct alarms *alarms = context;

	if (type != EVENT_ALERT)
		return NULL;
	memset(&alarms->open, 0, sizeof(alarms->open));
	alarms->open.type = type;
	return &alarms->open;
}

static void end_alarm(void *context, struct sensor_event *event)
{
	struct alarms *alarms = context;

	assert_true(alarms->n < MAX_ALARMS);
	clear_event_padding(event);
	memcpy(&alarms->events[alarms->n++], event, sizeof(*event));
}

/* n trackers, the engine that judges them; and perhaps another, to which their summaries are sent. */
struct sensors {
	unsigned n;
	struct flow_key_config key;
	struct tracker *trackers[MAX_TRACKERS];
	struct detect_engine *engine;
	struct detect_engine *remote; /* null = none */
	uint64_t version;
	uint64_t now_ns;
	uint8_t *bytes;
	unsigned sending;
};

static struct ruleset *ruleset;

static struct detect_engine *make_engine(unsigned n, unsigned n_remotes, struct alarms *alarms)
{
	const struct event_writer writer = { .context = alarms, .begin = begin_alarm, .end = end_alarm };
	const struct detect_config config = { (size_t)(n + n_remotes) * (16 << 20), siphash_key_from_seed(2), n,
					      n_remotes };
	struct detect_engine *engine = detect_engine_create(ruleset, &config, &writer, NULL);

	assert_non_null(engine);
	return engine;
}

static void sensors_init(struct sensors *sensors, unsigned n, struct alarms *alarms, struct alarms *remote_alarms)
{
	static const char *const names[] = { "test" };
	const struct event_writer writer = unheard_events(0);
	struct tracker_config config;

	memset(sensors, 0, sizeof(*sensors));
	alarms->n = 0;
	tracker_config_defaults(&config);
	config.table.memory_bytes = 32 << 20;
	config.syn_store.memory_bytes = 8 << 20;
	config.key.secret = siphash_key_from_seed(1);
	sensors->n = n;
	sensors->key = config.key;
	sensors->engine = make_engine(n, 0, alarms);
	for (unsigned i = 0; i < n; i++) {
		sensors->trackers[i] =
			tracker_create(&config, detect_engine_source(sensors->engine, i), &writer, names, NULL);
		assert_non_null(sensors->trackers[i]);
	}
	if (remote_alarms == NULL)
		return;
	remote_alarms->n = 0;
	sensors->remote = make_engine(1, n, remote_alarms);
	sensors->bytes = malloc(summary_wire_max_bytes());
	assert_non_null(sensors->bytes);
}

static void sensors_fini(struct sensors *sensors)
{
	for (unsigned i = 0; i < sensors->n; i++)
		tracker_destroy(sensors->trackers[i]);
	detect_engine_destroy(sensors->engine);
	detect_engine_destroy(sensors->remote);
	free(sensors->bytes);
}

static void send_record(void *context, struct summary_record *record)
{
	static struct summary_wire wire;
	struct sensors *sensors = context;

	/* What nothing happened to, and nobody looks at, is there already. */
	if (record->attention == ATTENTION_NONE && record->summary.latest_ns + NS_PER_SEC < sensors->now_ns)
		return;
	size_t n = summary_wire_write(&record->key, sensors->version, &record->summary, sensors->bytes,
				      summary_wire_max_bytes());

	assert_true(n > 0);
	assert_int_equal(summary_wire_read(sensors->bytes, n, &wire), SUMMARY_WIRE_OK);
	assert_true(summary_table_put(detect_source_table(detect_engine_source(sensors->remote, 1 + sensors->sending)),
				      &wire.key, wire.version, &wire.parts.summary));
}

/* All that each source knows and has not sent before. */
static void send_all(struct sensors *sensors)
{
	sensors->version++;
	for (unsigned i = 0; i < sensors->n; i++)
		detect_source_settle(detect_engine_source(sensors->engine, i));
	for (sensors->sending = 0; sensors->sending < sensors->n; sensors->sending++)
		summary_table_each(detect_source_table(detect_engine_source(sensors->engine, sensors->sending)),
				   send_record, sensors);
}

static void pass_time(struct sensors *sensors, uint64_t time_ns, uint64_t number)
{
	static const struct detect_visibility all_seen;
	uint64_t tick_ns;

	if (time_ns > sensors->now_ns)
		sensors->now_ns = time_ns;
	if (sensors->remote != NULL)
		detect_engine_due(sensors->remote, sensors->now_ns);
	while ((tick_ns = detect_engine_due(sensors->engine, sensors->now_ns)) != 0) {
		for (unsigned i = 0; i < sensors->n; i++)
			tracker_advance(sensors->trackers[i], tick_ns, number);
		if (sensors->remote != NULL) {
			send_all(sensors);
			detect_engine_tick(sensors->remote, tick_ns, sensors->now_ns, number, &all_seen);
		}
		detect_engine_tick(sensors->engine, tick_ns, sensors->now_ns, number, &all_seen);
	}
}

static void hand_in(struct sensors *sensors, const struct packet *packet, bool is_icmp_quote)
{
	struct flow_key key;

	flow_key_from_packet(&sensors->key, packet, &key);
	tracker_packet(sensors->trackers[flow_key_hash(&sensors->key, &key) % sensors->n], packet, is_icmp_quote);
}

/* --- traffic --- */

static void play_capture(struct sensors *sensors, const char *name)
{
	struct decoder_config config;
	char path[300];
	const char *paths[] = { path };
	struct error error = { "" };
	struct frame frame;
	struct packet packet;

	snprintf(path, sizeof(path), "%s/pcaps/%s", PROJECT_DIR, name);
	decoder_config_defaults(&config);
	struct decoder *decoder = decoder_create(&config, &error);
	struct capture *capture = capture_open_files(paths, 1, NULL, &error);
	assert_non_null(decoder);
	assert_non_null(capture);
	while (capture_next(capture, &frame, &error) == CAPTURE_FRAME) {
		enum decode_result result = decoder_decode(decoder, &frame, &packet);
		pass_time(sensors, frame.time_ns, frame.number);
		if (result == DECODE_TCP || result == DECODE_ICMP_QUOTE)
			hand_in(sensors, &packet, result == DECODE_ICMP_QUOTE);
	}
	capture_close(capture);
	decoder_destroy(decoder);
}

struct generator {
	struct sensors *sensors;
	uint64_t random;
	uint64_t number;
};

static uint64_t next_random(struct generator *generator)
{
	generator->random = generator->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return generator->random >> 33;
}

static struct ip_addr ip4(uint64_t value)
{
	return (struct ip_addr){
		.version = 4,
		.bytes = { (uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8), (uint8_t)value },
	};
}

static void send(struct generator *generator, struct packet *packet, uint64_t at_ns)
{
	packet->time_ns = at_ns;
	packet->number = ++generator->number;
	pass_time(generator->sensors, at_ns, packet->number);
	hand_in(generator->sensors, packet, false);
}

static struct packet syn(uint64_t client, uint16_t client_port, uint64_t server, uint16_t server_port)
{
	return (struct packet){
		.src = ip4(client),
		.dst = ip4(server),
		.src_port = client_port,
		.dst_port = server_port,
		.flags = SEG_SYN,
		.seq = 1000,
		.window = 1024,
		.ttl = 57,
		.ip_bytes = 40,
		.options_complete = true,
	};
}

/* The answer, and what the client says to it: flags of both. */
static void exchange(struct generator *generator, struct packet packet, uint64_t at_ns, uint16_t answer, uint16_t then)
{
	struct packet back = packet;

	send(generator, &packet, at_ns);
	if (answer == 0)
		return;
	back.src = packet.dst;
	back.dst = packet.src;
	back.src_port = packet.dst_port;
	back.dst_port = packet.src_port;
	back.flags = answer;
	back.seq = 5000;
	back.ack = 1001;
	send(generator, &back, at_ns + 100);
	if (then == 0)
		return;
	packet.flags = then;
	packet.seq = 1001;
	packet.ack = 5001;
	send(generator, &packet, at_ns + 200);
}

/* Clients of a service, a flood on it, a scanner, and a carpet of SYNs over its network; 30 s. */
static void play_generated(struct sensors *sensors, const char *name)
{
	static const uint64_t start_ns = UINT64_C(1795132800) * NS_PER_SEC + 12345;
	struct generator generator = { .sensors = sensors, .random = 5 };

	(void)name;
	for (uint64_t i = 0; i < 30000; i++) {
		uint64_t at_ns = start_ns + i * NS_PER_MS;
		uint64_t random = next_random(&generator);
		if (i % 20 == 0)
			exchange(&generator, syn(0x0a000000 + random % 50, (uint16_t)(20000 + i), 0xcb007105, 443),
				 at_ns, SEG_SYN | SEG_ACK, SEG_ACK);
		if (i > 5000 && i < 15000)
			exchange(&generator, syn(random ^ random << 9, (uint16_t)random, 0xcb007105, 443), at_ns + 1000,
				 SEG_SYN | SEG_ACK, 0);
		if (i % 10 == 3)
			exchange(&generator, syn(0xc6336407, (uint16_t)(30000 + i / 10), 0xcb007200 + i / 10 % 250, 22),
				 at_ns + 2000, i % 30 == 3 ? SEG_RST | SEG_ACK : 0, 0);
		if (i > 18000 && i % 2 == 0)
			exchange(&generator, syn(random ^ random << 7, (uint16_t)random, 0xc0000200 + random % 256, 80),
				 at_ns + 3000, 0, 0);
	}
}

/* --- the comparison --- */

static struct alarms whole;
static struct alarms split;
static struct alarms remote;

static void assert_same_alarms(const struct alarms *a, const struct alarms *b, const char *what, unsigned n)
{
	for (size_t i = 0; i < a->n && i < b->n; i++) {
		if (is_same_alarm(&a->events[i], &b->events[i]))
			continue;
		print_message("%s over %u trackers, alarm %zu\n", what, n, i);
		fail();
	}
	assert_int_equal(a->n, b->n);
}

/* Over one tracker and over n. */
static void compare(void (*play)(struct sensors *, const char *), const char *name, unsigned n, bool with_remote)
{
	struct sensors sensors;

	sensors_init(&sensors, 1, &whole, NULL);
	play(&sensors, name);
	sensors_fini(&sensors);
	print_message("%s: %zu alarm events\n", name, whole.n);
	sensors_init(&sensors, n, &split, with_remote ? &remote : NULL);
	play(&sensors, name);
	sensors_fini(&sensors);
	assert_same_alarms(&whole, &split, name, n);
	if (with_remote)
		assert_same_alarms(&whole, &remote, name, n);
}

static void test_captures(void **state)
{
	static const struct {
		const char *name;
		unsigned n;
	} captures[] = {
		{ "syn_flood.pcap.zst", 8 },
		{ "port_scan.pcap.gz", 3 },
		{ "worm_fan_out.pcap.gz", 16 },
		{ "syn_flood_no_cookies.pcap.zst", 2 },
		{ "time_wait_exhaustion.pcap.zst", 5 },
	};
	size_t n_alarms = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(captures) / sizeof(captures[0]); i++) {
		compare(play_capture, captures[i].name, captures[i].n, false);
		n_alarms += whole.n;
	}
	assert_true(n_alarms >= 10);
}

static void test_generated_traffic(void **state)
{
	(void)state;
	compare(play_generated, "generated", 2, false);
	compare(play_generated, "generated", 16, false);
	assert_true(whole.n > 0);
}

static void test_another_sensor_judges_the_same(void **state)
{
	(void)state;
	compare(play_capture, "port_scan.pcap.gz", 3, true);
	compare(play_generated, "generated", 3, true);
	assert_true(whole.n > 0);
}

static int make_ruleset(void **state)
{
	(void)state;
	ruleset = ruleset_create_default(NULL);
	return ruleset == NULL;
}

static int destroy_ruleset(void **state)
{
	(void)state;
	ruleset_destroy(ruleset);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_captures),
		cmocka_unit_test(test_generated_traffic),
		cmocka_unit_test(test_another_sensor_judges_the_same),
	};

	return cmocka_run_group_tests(tests, make_ruleset, destroy_ruleset);
}
