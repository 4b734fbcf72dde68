/* SPDX-License-Identifier: BSD-2-Clause */
/* Under an alarm, of attempts that come to nothing a sample has records, and the records say so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tcpwitness/base/units.h"
#include "tcpwitness/pipeline/tracker.h"

enum { N_ATTEMPTS = 20000 };

struct sensor {
	struct ruleset *ruleset;
	struct detect_engine *engine;
	struct tracker *tracker;
	struct sensor_event event;
	uint64_t number;
	uint64_t n_before; /* records of attempts that nobody was alarmed for, of those that were, and of connections */
	uint64_t n_sampled;
	uint64_t n_completed;
	uint64_t estimate; /* what the records of attempts stand for together */
};

static struct sensor_event *begin_event(void *context, enum sensor_event_type type)
{
	struct sensor *sensor = context;

	memset(&sensor->event, 0, sizeof(sensor->event));
	sensor->event.type = type;
	return &sensor->event;
}

static void end_event(void *context, struct sensor_event *event)
{
	struct sensor *sensor = context;

	if (event->type != EVENT_FLOW)
		return;
	if (event->flow.established_once) {
		assert_int_equal(event->flow.stands_for, 0);
		sensor->n_completed++;
		return;
	}
	sensor->n_sampled += event->flow.stands_for != 0;
	sensor->n_before += event->flow.stands_for == 0;
	sensor->estimate += event->flow.stands_for != 0 ? event->flow.stands_for : 1;
}

static void sensor_create(struct sensor *sensor, uint32_t attempt_sample, size_t store_bytes,
			  sensor_event_mask unwanted)
{
	const struct event_writer writer = {
		.context = sensor, .begin = begin_event, .end = end_event, .unwanted = unwanted
	};
	const struct detect_config detect = { .memory_bytes = 4 << 20, .secret = siphash_key_from_seed(2) };
	struct tracker_config config;
	struct error error;

	memset(sensor, 0, sizeof(*sensor));
	tracker_config_defaults(&config);
	config.syn_store.memory_bytes = store_bytes;
	if (attempt_sample != 0)
		config.attempt_sample = attempt_sample;
	sensor->ruleset = ruleset_create_default(&error);
	sensor->engine = detect_engine_create(sensor->ruleset, &detect, &writer, &error);
	sensor->tracker = tracker_create(&config, detect_engine_source(sensor->engine, 0), &writer, NULL, &error);
	assert_non_null(sensor->tracker);
}

static void sensor_destroy(struct sensor *sensor)
{
	tracker_destroy(sensor->tracker);
	detect_engine_destroy(sensor->engine);
	ruleset_destroy(sensor->ruleset);
}

static void hand_in(struct sensor *sensor, struct packet *packet)
{
	static const struct detect_visibility all_seen;

	packet->number = ++sensor->number;
	packet->time_ns = (1000000 + sensor->number) * NS_PER_MS;
	detect_engine_advance(sensor->engine, packet->time_ns, packet->number, &all_seen);
	tracker_packet(sensor->tracker, packet, false);
}

static struct packet segment(unsigned client, uint16_t flags, uint32_t seq, uint32_t ack)
{
	return (struct packet){
		.src = { .version = 4, .bytes = { 198, 18, (uint8_t)(client >> 8), (uint8_t)client } },
		.dst = { .version = 4, .bytes = { 192, 0, 2, 2 } },
		.src_port = 1024,
		.dst_port = 80,
		.flags = flags,
		.seq = seq,
		.ack = ack,
		.window = 8192,
		.ip_bytes = 40,
		.options_complete = true,
	};
}

static struct packet answer(struct packet packet)
{
	const struct ip_addr client = packet.src;

	packet.src = packet.dst;
	packet.dst = client;
	packet.src_port = 80;
	packet.dst_port = 1024;
	return packet;
}

/* A flood, and in its midst one client in fifty that completes its handshake. */
static void flood(struct sensor *sensor)
{
	for (unsigned i = 0; i < N_ATTEMPTS; i++) {
		struct packet syn = segment(i, SEG_SYN, i, 0);
		hand_in(sensor, &syn);
		if (i % 50 != 0)
			continue;
		struct packet synack = answer(segment(i, SEG_SYN | SEG_ACK, 77, i + 1));
		struct packet ack = segment(i, SEG_ACK, i + 1, 78);
		hand_in(sensor, &synack);
		hand_in(sensor, &ack);
	}
	tracker_finish(sensor->tracker);
}

static void attempts_under_an_alarm_have_a_sample_of_records(void **state)
{
	static struct sensor sensor;
	const struct tracker_stats *stats;

	(void)state;
	sensor_create(&sensor, 0, 8 << 20, 0);
	flood(&sensor);
	stats = tracker_get_stats(sensor.tracker);
	assert_int_equal(sensor.n_completed, N_ATTEMPTS / 50);
	assert_int_equal(stats->flow_records, N_ATTEMPTS);
	assert_int_equal(sensor.n_completed + sensor.n_before + sensor.n_sampled + stats->flow_records_left_out,
			 N_ATTEMPTS);
	assert_true(sensor.n_sampled > 100 && stats->flow_records_left_out > N_ATTEMPTS / 2);
	assert_in_range(sensor.estimate, N_ATTEMPTS * 49 / 50 * 9 / 10, N_ATTEMPTS * 49 / 50 * 11 / 10);
	sensor_destroy(&sensor);
}

static void which_ones_does_not_depend_on_where_they_are_kept(void **state)
{
	static struct sensor in_store;
	static struct sensor in_table;

	(void)state;
	sensor_create(&in_store, 10, 8 << 20, UINT32_C(1) << EVENT_TCP_STATE);
	sensor_create(&in_table, 10, 0, 0);
	flood(&in_store);
	flood(&in_table);
	assert_true(in_store.n_sampled > 1000);
	assert_int_equal(in_store.n_sampled, in_table.n_sampled);
	assert_int_equal(in_store.n_before, in_table.n_before);
	struct tracker_stats stats = *tracker_get_stats(in_store.tracker);
	assert_true(stats.short_way > 0);
	stats.short_way = tracker_get_stats(in_table.tracker)->short_way;
	assert_memory_equal(&stats, tracker_get_stats(in_table.tracker), sizeof(stats));
	sensor_destroy(&in_store);
	sensor_destroy(&in_table);
}

static void all_are_written_when_asked_for(void **state)
{
	static struct sensor sensor;

	(void)state;
	sensor_create(&sensor, 1, 8 << 20, 0);
	flood(&sensor);
	assert_int_equal(sensor.n_completed + sensor.n_before, N_ATTEMPTS);
	assert_int_equal(sensor.n_sampled, 0);
	assert_int_equal(tracker_get_stats(sensor.tracker)->flow_records_left_out, 0);
	sensor_destroy(&sensor);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(attempts_under_an_alarm_have_a_sample_of_records),
		cmocka_unit_test(which_ones_does_not_depend_on_where_they_are_kept),
		cmocka_unit_test(all_are_written_when_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
