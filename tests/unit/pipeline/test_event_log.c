/* SPDX-License-Identifier: BSD-2-Clause */
/* Events of several lanes come out in one order, also when a lane stops half way; and logs that are full say so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "event_log.h"

enum { MAX_EVENTS = 4096 };

/* What came out: ids of flows, or counts of anomalies. */
struct output {
	struct sensor_event event;
	size_t n;
	uint64_t values[MAX_EVENTS];
};

static struct sensor_event *begin_output(void *context, enum sensor_event_type type)
{
	struct output *output = context;

	memset(&output->event, 0, sizeof(output->event));
	output->event.type = type;
	return &output->event;
}

static void end_output(void *context, struct sensor_event *event)
{
	struct output *output = context;

	assert_true(output->n < MAX_EVENTS);
	output->values[output->n++] = event->type == EVENT_ANOMALY ? event->anomaly.count : event->flow_id;
}

static struct event_writer writer_to(struct output *output)
{
	output->n = 0;
	return (struct event_writer){ .context = output, .begin = begin_output, .end = end_output };
}

static struct event_log *make_log(void)
{
	struct event_log *log = event_log_create((size_t)2 * EVENT_LOG_RANK_BYTES, 1u << EVENT_TCP_STATE, NULL);

	assert_non_null(log);
	return log;
}

static void write_flow(struct event_log *log, uint64_t id)
{
	const struct event_writer writer = event_log_writer(log);
	struct sensor_event *event = writer.begin(writer.context, EVENT_FLOW);

	event->flow_id = id;
	writer.end(writer.context, event);
}

static void tell_packet(struct event_log *log, uint32_t frame, uint64_t id)
{
	assert_true(event_log_begin_packet(log, frame));
	write_flow(log, id);
}

static void tell_timer(struct event_log *log, uint32_t frame, uint64_t due_ns, uint8_t flow_class, uint64_t id)
{
	const struct event_rank rank = { .frame = frame, .timer = { due_ns, id, flow_class } };

	assert_true(event_log_begin(log, &rank));
	write_flow(log, id);
}

static void expect(const struct output *output, const uint64_t *ids, size_t n)
{
	assert_int_equal(output->n, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(output->values[i], ids[i]);
}

/* By frame; timers before the packet; by time, then class, then flow id. */
static void test_order(void **state)
{
	static const uint64_t ids[] = { 50, 10, 9, 11, 2, 1, 7, 3, 4, 5 };
	const struct event_rank last = EVENT_RANK_LAST;
	struct event_log *logs[] = { make_log(), make_log(), make_log() };
	struct output output;
	const struct event_writer writer = writer_to(&output);

	(void)state;
	tell_timer(logs[0], 3, 100, 5, 50);
	tell_timer(logs[0], 3, 200, 1, 11);
	tell_packet(logs[0], 4, 7);
	tell_timer(logs[1], 3, 150, 9, 10);
	tell_packet(logs[1], 3, 2);
	write_flow(logs[1], 1);
	tell_packet(logs[1], 9, 4);
	tell_timer(logs[2], 3, 200, 1, 9);
	tell_packet(logs[2], 5, 3);
	tell_packet(logs[2], 10, 5);
	event_log_merge(logs, 3, &last, &writer, NULL);
	expect(&output, ids, sizeof(ids) / sizeof(ids[0]));
	for (size_t i = 0; i < 3; i++)
		event_log_destroy(logs[i]);
}

/* Nothing is behind what is still to come; what stands at the bound itself is before it. */
static void test_bound(void **state)
{
	static const uint64_t first[] = { 1, 2 };
	static const uint64_t all[] = { 1, 2, 3, 4 };
	const struct event_rank bound = { .frame = 5, .is_packet = true };
	const struct event_rank last = EVENT_RANK_LAST;
	struct event_log *logs[] = { make_log(), make_log() };
	struct output output;
	const struct event_writer writer = writer_to(&output);

	(void)state;
	tell_packet(logs[0], 1, 1);
	tell_packet(logs[0], 8, 4);
	tell_packet(logs[1], 5, 2);
	event_log_merge(logs, 2, &bound, &writer, NULL);
	expect(&output, first, 2);
	tell_packet(logs[1], 6, 3);
	event_log_merge(logs, 2, &last, &writer, NULL);
	expect(&output, all, 4);
	event_log_destroy(logs[0]);
	event_log_destroy(logs[1]);
}

/* There is room for whatever one rank may bring, or it is not begun; read, it is as new. */
static void test_full(void **state)
{
	const struct event_rank last = EVENT_RANK_LAST;
	struct event_log *log = make_log();
	uint32_t frame = 0;
	struct event_rank rank;
	struct output output;
	const struct event_writer writer = writer_to(&output);
	size_t n = 0;

	(void)state;
	for (unsigned round = 0; round < 2; round++) {
		for (n = 0; event_log_begin_packet(log, frame); n++, frame++)
			write_flow(log, n);
		assert_true(n > EVENT_LOG_RANK_BYTES / sizeof(struct sensor_event));
		output.n = 0;
		event_log_merge(&log, 1, &last, &writer, NULL);
		assert_int_equal(output.n, n);
		assert_null(event_log_first(log, &rank));
	}
	event_log_destroy(log);
}

/* Anomalies of no connection are counted where the order of all is known: the first, the tenth, the hundredth. */
static void test_orphans(void **state)
{
	static const uint64_t counts[] = { 1, 10, 100, 7 };
	const struct event_rank last = EVENT_RANK_LAST;
	struct event_log *logs[] = { make_log(), make_log() };
	uint64_t orphan_counts[ANOMALY_COUNT] = { 0 };
	struct output output;
	const struct event_writer writer = writer_to(&output);

	(void)state;
	for (uint32_t frame = 0; frame < 101; frame++) {
		const struct event_rank rank = { .frame = frame, .is_packet = true };
		const struct event_writer log = event_log_writer(logs[frame % 2]);
		assert_true(event_log_begin(logs[frame % 2], &rank));
		struct sensor_event *event = log.begin(log.context, EVENT_ANOMALY);
		event->anomaly.anomaly = ANOMALY_NO_SESSION_SEGMENT;
		event->anomaly.count = frame == 100 ? 7 : 0; /* that of a connection has its own */
		log.end(log.context, event);
	}
	event_log_merge(logs, 2, &last, &writer, orphan_counts);
	expect(&output, counts, 4);
	event_log_destroy(logs[0]);
	event_log_destroy(logs[1]);
}

static void test_unwanted(void **state)
{
	struct event_log *log = make_log();
	const struct event_writer writer = event_log_writer(log);

	(void)state;
	assert_null(writer.begin(writer.context, EVENT_TCP_STATE));
	assert_false(event_writer_may_want(&writer, EVENT_TCP_STATE));
	event_log_destroy(log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),   cmocka_unit_test(test_bound),    cmocka_unit_test(test_full),
		cmocka_unit_test(test_orphans), cmocka_unit_test(test_unwanted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
