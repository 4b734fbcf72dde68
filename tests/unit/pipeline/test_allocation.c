/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From frame to event nothing is allocated once everything is created: a flood may cost time, never memory. Counts
 * every call of the C library's allocator, in this program and its libraries.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "packet_builder.h"
#include "packet_samples.h"
#include "tcpwitness/base/units.h"
#include "tcpwitness/decode/decoder.h"
#include "tcpwitness/pipeline/tracker.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OWN_ALLOCATOR 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define OWN_ALLOCATOR 0
#endif
#endif
#ifndef OWN_ALLOCATOR
#define OWN_ALLOCATOR 1
#endif

static unsigned long n_allocations;

#if OWN_ALLOCATOR
/* glibc's own entry points, for those who stand before malloc. */
void *__libc_malloc(size_t n_bytes);
void *__libc_calloc(size_t n, size_t n_bytes);
void *__libc_realloc(void *memory, size_t n_bytes);

void *malloc(size_t n_bytes)
{
	n_allocations++;
	return __libc_malloc(n_bytes);
}

void *calloc(size_t n, size_t n_bytes)
{
	n_allocations++;
	return __libc_calloc(n, n_bytes);
}

void *realloc(void *memory, size_t n_bytes)
{
	n_allocations++;
	return __libc_realloc(memory, n_bytes);
}
#endif

static struct sensor_event event;
static unsigned long n_events;

static struct sensor_event *begin_event(void *context, enum sensor_event_type type)
{
	(void)context;
	event = (struct sensor_event){ .type = type };
	return &event;
}

static void end_event(void *context, struct sensor_event *ended)
{
	(void)context;
	(void)ended;
	n_events++;
}

struct sensor {
	struct decoder *decoder;
	struct ruleset *ruleset;
	struct detect_engine *engine;
	struct tracker *tracker;
	uint64_t number;
	uint64_t now_ns;
};

static struct sensor make_sensor(void)
{
	static const char *const names[] = { "test" };
	const struct event_writer writer = { .context = NULL, .begin = begin_event, .end = end_event };
	struct detect_config detect = { .memory_bytes = 4 << 20, .secret = siphash_key_from_seed(2) };
	struct sensor sensor = { .now_ns = NS_PER_SEC };
	struct decoder_config decoder;
	struct tracker_config tracker;
	struct error error;

	decoder_config_defaults(&decoder);
	tracker_config_defaults(&tracker);
	tracker.table.memory_bytes = 1 << 20;
	tracker.key.secret = siphash_key_from_seed(1);
	sensor.decoder = decoder_create(&decoder, &error);
	sensor.ruleset = ruleset_create_default(&error);
	sensor.engine = detect_engine_create(sensor.ruleset, &detect, &writer, &error);
	sensor.tracker = tracker_create(&tracker, detect_engine_source(sensor.engine, 0), &writer, names, &error);
	assert_non_null(sensor.decoder);
	assert_non_null(sensor.tracker);
	return sensor;
}

static void destroy_sensor(struct sensor *sensor)
{
	tracker_destroy(sensor->tracker);
	detect_engine_destroy(sensor->engine);
	ruleset_destroy(sensor->ruleset);
	decoder_destroy(sensor->decoder);
}

static void hand_in(struct sensor *sensor, struct frame frame)
{
	static const struct detect_visibility all_seen;
	struct packet packet;

	frame.number = ++sensor->number;
	frame.time_ns = sensor->now_ns;
	detect_engine_advance(sensor->engine, sensor->now_ns, frame.number, &all_seen);
	enum decode_result result = decoder_decode(sensor->decoder, &frame, &packet);
	if (result == DECODE_TCP || result == DECODE_ICMP_QUOTE)
		tracker_packet(sensor->tracker, &packet, result == DECODE_ICMP_QUOTE);
	else
		tracker_orphan_anomalies(sensor->tracker, &packet);
}

static void every_kind_of_frame(struct sensor *sensor, struct packet_builder *builder)
{
	for (unsigned i = 0; i < n_packet_samples; i++) {
		packet_samples[i].build(builder);
		hand_in(sensor, pb_frame(builder));
	}
}

/* More attempts than the table has room for, from many sources: eviction, alarms, expiry. */
static void a_flood(struct sensor *sensor, struct packet_builder *builder)
{
	for (unsigned i = 0; i < 20000; i++) {
		char source[32];
		snprintf(source, sizeof(source), "198.18.%u.%u", i / 250 % 250, i % 250);
		pb_ethernet(pb_reset(builder));
		pb_ipv4(builder, source, "192.0.2.2");
		pb_tcp(builder,
		       &(struct pb_tcp){
			       .src_port = (uint16_t)(1024 + i % 50000), .dst_port = 80, .flags = "S", .seq = i });
		sensor->now_ns += 500 * NS_PER_US;
		hand_in(sensor, pb_frame(builder));
	}
}

static void the_packet_path_allocates_nothing(void **state)
{
	static struct packet_builder builder;
	struct sensor sensor = make_sensor();

	(void)state;
	if (!OWN_ALLOCATOR) {
		print_message("SKIPPED: a sanitizer owns the allocator\n");
		destroy_sensor(&sensor);
		skip();
	}
	unsigned long before = n_allocations;
	assert_true(before > 0);
	every_kind_of_frame(&sensor, &builder);
	a_flood(&sensor, &builder);
	tracker_advance(sensor.tracker, sensor.now_ns + 100000 * NS_PER_SEC, 0);
	tracker_finish(sensor.tracker);
	assert_int_equal(n_allocations, before);
	assert_true(n_events > 20000);
	assert_true(detect_engine_get_stats(sensor.engine)->alarms_raised > 0);
	destroy_sensor(&sensor);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(the_packet_path_allocates_nothing) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
