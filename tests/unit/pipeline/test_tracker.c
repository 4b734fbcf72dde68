/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets in, flows and events out: what the tracker adds to the table and the machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tcpwitness/base/units.h"
#include "tcpwitness/pipeline/tracker.h"

enum { MAX_EVENTS = 256 };

struct recorder {
	struct sensor_event events[MAX_EVENTS];
	size_t n;
};

struct fixture {
	struct recorder recorder;
	struct tracker *tracker;
	uint64_t number;
};

static struct sensor_event *record_begin(void *context, enum sensor_event_type type)
{
	struct recorder *recorder = context;

	assert_true(recorder->n < MAX_EVENTS);
	struct sensor_event *event = &recorder->events[recorder->n];
	memset(event, 0, sizeof(*event));
	event->type = type;
	return event;
}

static void record_end(void *context, struct sensor_event *event)
{
	struct recorder *recorder = context;

	(void)event;
	recorder->n++;
}

static const char *const source_names[] = { "test" };

static struct fixture *begin_with(size_t memory_bytes)
{
	static struct fixture fixture;
	struct event_writer writer = { .context = &fixture.recorder, .begin = record_begin, .end = record_end };
	struct tracker_config config;
	struct error error;

	memset(&fixture, 0, sizeof(fixture));
	tracker_config_defaults(&config);
	config.table.memory_bytes = memory_bytes;
	config.syn_store.memory_bytes = memory_bytes / 4;
	config.key.secret = siphash_key_from_seed(1);
	fixture.tracker = tracker_create(&config, NULL, &writer, source_names, &error);
	assert_non_null(fixture.tracker);
	return &fixture;
}

static struct fixture *begin(void)
{
	return begin_with(1 << 20);
}

static void finish(struct fixture *f)
{
	tracker_destroy(f->tracker);
}

enum { CLIENT_ISN = 1000, SERVER_ISN = 9000 };

/* One segment between 192.0.2.1:port and 192.0.2.2:80; seq and ack relative to the first numbers. */
static void send(struct fixture *f, double seconds, bool from_client, uint16_t port, uint16_t flags, uint32_t seq,
		 uint32_t ack, uint32_t payload_bytes)
{
	struct packet packet = {
		.time_ns = (uint64_t)((seconds + 1000) * 1e9),
		.number = ++f->number,
		.wire_bytes = 60,
		.ip_bytes = (uint16_t)(40 + payload_bytes),
		.src = { .version = 4, .bytes = { 192, 0, 2, from_client ? 1 : 2 } },
		.dst = { .version = 4, .bytes = { 192, 0, 2, from_client ? 2 : 1 } },
		.src_port = from_client ? port : 80,
		.dst_port = from_client ? 80 : port,
		.ttl = 64,
		.ip_id = (uint16_t)f->number,
		.seq = seq + (from_client ? CLIENT_ISN : SERVER_ISN),
		.ack = (flags & SEG_ACK) ? ack + (from_client ? SERVER_ISN : CLIENT_ISN) : 0,
		.flags = flags,
		.window = 65535,
		.payload_bytes = payload_bytes,
		.options_complete = true,
	};

	tracker_packet(f->tracker, &packet, false);
}

static void handshake(struct fixture *f, double at, uint16_t port)
{
	send(f, at, true, port, SEG_SYN, 0, 0, 0);
	send(f, at + 0.01, false, port, SEG_SYN | SEG_ACK, 0, 1, 0);
	send(f, at + 0.02, true, port, SEG_ACK, 1, 1, 0);
}

static void close_by_client(struct fixture *f, double at, uint16_t port)
{
	send(f, at, true, port, SEG_FIN | SEG_ACK, 1, 1, 0);
	send(f, at + 0.01, false, port, SEG_FIN | SEG_ACK, 1, 2, 0);
	send(f, at + 0.02, true, port, SEG_ACK, 2, 2, 0);
}

static const struct sensor_event *only_flow(const struct fixture *f)
{
	const struct sensor_event *found = NULL;

	for (size_t i = 0; i < f->recorder.n; i++) {
		if (f->recorder.events[i].type != EVENT_FLOW)
			continue;
		assert_null(found);
		found = &f->recorder.events[i];
	}
	assert_non_null(found);
	return found;
}

static size_t count_type(const struct fixture *f, enum sensor_event_type type)
{
	size_t n = 0;

	for (size_t i = 0; i < f->recorder.n; i++)
		n += f->recorder.events[i].type == type;
	return n;
}

static void a_closed_connection_is_recorded_when_time_wait_ends(void **context)
{
	struct fixture *f = begin();

	(void)context;
	handshake(f, 0, 40000);
	close_by_client(f, 1, 40000);
	tracker_advance(f->tracker, 1060 * NS_PER_SEC, 0);
	assert_int_equal(count_type(f, EVENT_FLOW), 0);
	tracker_advance(f->tracker, 1062 * NS_PER_SEC, 0);
	const struct sensor_event *record = only_flow(f);
	assert_int_equal(record->flow_id, 1);
	assert_int_equal(record->flow.outcome, CONN_OUTCOME_COMPLETED_NORMAL);
	assert_int_equal(record->flow.reason, FLOW_END_CLOSED);
	assert_int_equal(record->flow.end[SIDE_CLIENT].packets, 4);
	assert_int_equal(record->flow.end[SIDE_SERVER].packets, 2);
	assert_int_equal(record->flow.end[SIDE_CLIENT].state, TCPS_CLOSED);
	assert_string_equal(record->flow.conn_state, "SF");
	/* The record carries the time at which 2MSL passed, not the time of the packet that showed it. */
	assert_true(record->time_ns < 1062 * NS_PER_SEC);
	finish(f);
}

static void syn_repeats_are_one_attempt_that_ends_after_135_seconds(void **context)
{
	struct fixture *f = begin();

	(void)context;
	for (double at = 0; at < 100; at = at * 2 + 1)
		send(f, at, true, 40000, SEG_SYN, 0, 0, 0);
	assert_int_equal(tracker_get_stats(f->tracker)->connections, 1);
	tracker_advance(f->tracker, 1134 * NS_PER_SEC, 0);
	assert_int_equal(count_type(f, EVENT_FLOW), 0);
	tracker_advance(f->tracker, 1137 * NS_PER_SEC, 0);
	assert_int_equal(only_flow(f)->flow.outcome, CONN_OUTCOME_NEVER_ANSWERED);
	assert_int_equal(only_flow(f)->flow.end[SIDE_CLIENT].syns, 7);
	finish(f);
}

static void a_lone_reset_begins_nothing(void **context)
{
	struct fixture *f = begin();

	(void)context;
	send(f, 0, false, 40000, SEG_RST | SEG_ACK, 5, 5, 0);
	assert_int_equal(tracker_get_stats(f->tracker)->connections, 0);
	assert_int_equal(tracker_get_stats(f->tracker)->out_of_state, 1);
	tracker_finish(f->tracker);
	assert_int_equal(f->recorder.n, 0);
	finish(f);
}

static void late_segments_after_a_close_belong_to_the_closed_connection(void **context)
{
	struct fixture *f = begin();

	(void)context;
	handshake(f, 0, 40000);
	send(f, 1, true, 40000, SEG_RST, 1, 0, 0);
	send(f, 1.5, false, 40000, SEG_ACK, 1, 1, 0);
	send(f, 1.6, true, 40000, SEG_RST, 1, 0, 0);
	assert_int_equal(tracker_get_stats(f->tracker)->connections, 1);
	finish(f);
}

/* The flow of a reset connection leaves its table after 5 s, that of a closed one after 2MSL. */
static void late_segments_are_no_connection_when_the_flow_is_gone_either(void **context)
{
	struct fixture *f = begin();

	(void)context;
	handshake(f, 0, 40000);
	close_by_client(f, 1, 40000);
	send(f, 100, true, 40000, SEG_FIN | SEG_ACK, 1, 2, 0);
	send(f, 100.1, false, 40000, SEG_ACK, 2, 2, 0);
	handshake(f, 200, 40001);
	send(f, 201, true, 40001, SEG_RST, 1, 0, 0);
	send(f, 220, false, 40001, SEG_ACK | SEG_FIN, 1, 1, 0);
	assert_int_equal(tracker_get_stats(f->tracker)->connections, 2);
	assert_int_equal(tracker_get_stats(f->tracker)->late_segments, 3);
	assert_int_equal(tracker_get_stats(f->tracker)->anomalies[ANOMALY_NO_SESSION_SEGMENT], 3);
	/* And what is new is a connection, which knows of the one before. */
	send(f, 230, true, 40001, SEG_SYN, 70000, 0, 0);
	send(f, 231, false, 40000, SEG_ACK, 2, 2, 100);
	tracker_finish(f->tracker);
	assert_int_equal(tracker_get_stats(f->tracker)->connections, 4);
	assert_int_equal(f->recorder.events[f->recorder.n - 2].flow.previous_flow_id, 9);
	assert_int_equal(f->recorder.events[f->recorder.n - 1].flow.previous_flow_id, 1);
	finish(f);
}

static const struct sensor_event *flow_of(const struct fixture *f, uint64_t id)
{
	for (size_t i = 0; i < f->recorder.n; i++) {
		if (f->recorder.events[i].type == EVENT_FLOW && f->recorder.events[i].flow_id == id)
			return &f->recorder.events[i];
	}
	fail();
	return NULL;
}

static size_t count_anomaly(const struct fixture *f, enum anomaly anomaly)
{
	size_t n = 0;

	for (size_t i = 0; i < f->recorder.n; i++)
		n += f->recorder.events[i].type == EVENT_ANOMALY && f->recorder.events[i].anomaly.anomaly == anomaly;
	return n;
}

/* What spoofed SYNs bring about at those whose addresses they carry. Nobody is known to have asked for anything. */
static void a_synack_that_nobody_takes_up_is_backscatter(void **context)
{
	struct fixture *f = begin();

	(void)context;
	send(f, 0, false, 40000, SEG_SYN | SEG_ACK, 0, 1, 0);   /* nothing answers it */
	send(f, 0.1, false, 40001, SEG_SYN | SEG_ACK, 0, 1, 0); /* a RST does */
	send(f, 0.11, true, 40001, SEG_RST, 1, 0, 0);
	send(f, 0.2, false, 40002, SEG_SYN | SEG_ACK, 0, 1, 0); /* a client does, whose SYN was not seen */
	send(f, 0.21, true, 40002, SEG_ACK, 1, 1, 0);
	send(f, 0.3, false, 40003, SEG_RST | SEG_ACK, 0, 1, 0); /* alone */
	tracker_advance(f->tracker, 1200 * NS_PER_SEC, 0);
	tracker_finish(f->tracker);
	assert_false(flow_of(f, 1)->flow.direction_certain);
	assert_false(flow_of(f, 2)->flow.direction_certain);
	assert_true(flow_of(f, 4)->flow.direction_certain);
	assert_string_equal(flow_of(f, 1)->flow.conn_state, "OTH");
	assert_int_equal(tracker_get_stats(f->tracker)->anomalies[ANOMALY_SYNACK_UNSOLICITED], 2);
	assert_int_equal(tracker_get_stats(f->tracker)->lone_resets, 1);
	assert_int_equal(tracker_get_stats(f->tracker)->connections, 3);
	finish(f);
}

static void backscatter_does_not_fill_the_feed(void **context)
{
	struct fixture *f = begin();

	(void)context;
	for (unsigned i = 0; i < 100; i++) {
		f->recorder.n = 0;
		send(f, 0, false, (uint16_t)(40000 + i), SEG_SYN | SEG_ACK, 0, 1, 0);
		send(f, 0.01, true, (uint16_t)(40000 + i), SEG_RST, 1, 0, 0);
		assert_int_equal(count_anomaly(f, ANOMALY_SYNACK_UNSOLICITED), i == 0 || i == 9 || i == 99);
	}
	finish(f);
}

static void a_synack_that_overtook_its_syn_is_one_connection(void **context)
{
	struct fixture *f = begin();

	(void)context;
	send(f, 0, false, 40000, SEG_SYN | SEG_ACK, 0, 1, 0);
	send(f, 0.001, true, 40000, SEG_SYN, 0, 0, 0);
	send(f, 0.02, true, 40000, SEG_ACK, 1, 1, 0);
	tracker_finish(f->tracker);
	const struct sensor_event *record = only_flow(f);
	assert_int_equal(record->ends.client_port, 40000);
	assert_true(record->flow.direction_certain);
	assert_int_equal(record->flow.end[SIDE_CLIENT].syns, 1);
	assert_int_equal(record->flow.end[SIDE_CLIENT].state, TCPS_ESTABLISHED);
	assert_int_equal(tracker_get_stats(f->tracker)->anomalies[ANOMALY_SYNACK_UNSOLICITED], 0);
	finish(f);
}

static void a_reused_tuple_is_a_new_record_linked_to_the_old_one(void **context)
{
	struct fixture *f = begin();

	(void)context;
	handshake(f, 0, 40000);
	close_by_client(f, 1, 40000);
	send(f, 3, true, 40000, SEG_SYN, 500000, 0, 0);
	assert_int_equal(only_flow(f)->flow.reason, FLOW_END_REUSED);
	tracker_finish(f->tracker);
	const struct sensor_event *second = &f->recorder.events[f->recorder.n - 1];
	assert_int_equal(second->flow_id, 7);
	assert_int_equal(second->flow.previous_flow_id, 1);
	finish(f);
}

static void a_held_syn_begins_its_connection_when_it_is_answered(void **context)
{
	struct fixture *f = begin();

	(void)context;
	handshake(f, 0, 40000);
	send(f, 50, true, 40000, SEG_SYN, 700000, 0, 0); /* packet 4 */
	assert_int_equal(tracker_get_stats(f->tracker)->connections, 1);
	send(f, 50.01, false, 40000, SEG_SYN | SEG_ACK, 33000, 700001, 0);
	assert_int_equal(tracker_get_stats(f->tracker)->connections, 2);
	send(f, 50.02, true, 40000, SEG_ACK, 700001, 33001, 0);
	tracker_finish(f->tracker);
	const struct sensor_event *second = &f->recorder.events[f->recorder.n - 1];
	assert_int_equal(second->flow_id, 4);
	assert_int_equal(second->flow.previous_flow_id, 1);
	assert_int_equal(second->flow.end[SIDE_CLIENT].state, TCPS_ESTABLISHED);
	assert_int_equal(second->flow.end[SIDE_CLIENT].certainty, TCP_PROVED);
	finish(f);
}

static void a_bad_checksum_moves_no_state(void **context)
{
	struct fixture *f = begin();
	struct packet reset = {
		.time_ns = 1001 * NS_PER_SEC,
		.number = 4,
		.src = { .version = 4, .bytes = { 192, 0, 2, 1 } },
		.dst = { .version = 4, .bytes = { 192, 0, 2, 2 } },
		.src_port = 40000,
		.dst_port = 80,
		.seq = CLIENT_ISN + 1,
		.flags = SEG_RST,
		.checksum = CHECKSUM_BAD,
	};

	(void)context;
	anomaly_set_add(&reset.anomalies, ANOMALY_BAD_TCP_CHECKSUM);
	handshake(f, 0, 40000);
	tracker_packet(f->tracker, &reset, false);
	assert_int_equal(tracker_get_stats(f->tracker)->bad_checksum, 1);
	tracker_finish(f->tracker);
	assert_int_equal(only_flow(f)->flow.end[SIDE_CLIENT].state, TCPS_ESTABLISHED);
	assert_int_equal(only_flow(f)->flow.anomalies[ANOMALY_BAD_TCP_CHECKSUM], 1);
	finish(f);
}

static void an_anomaly_is_one_event_a_flow_and_counted_after_that(void **context)
{
	struct fixture *f = begin();

	(void)context;
	handshake(f, 0, 40000);
	for (unsigned i = 0; i < 5; i++)
		send(f, 1 + i, false, 40000, SEG_SYN | SEG_ACK, 0, 1, 0);
	assert_int_equal(count_type(f, EVENT_ANOMALY), 1);
	tracker_finish(f->tracker);
	assert_int_equal(only_flow(f)->flow.anomalies[ANOMALY_SYNACK_AFTER_ESTABLISHED], 5);
	finish(f);
}

static void a_connection_that_lives_long_is_recorded_on_the_way(void **context)
{
	struct fixture *f = begin();
	unsigned n_interim = 0;

	(void)context;
	handshake(f, 0, 40000);
	for (unsigned minute = 1; minute < 150; minute++)
		send(f, minute * 60, true, 40000, SEG_ACK | SEG_PSH, 1 + minute, 1, 1);
	tracker_finish(f->tracker);
	for (size_t i = 0; i < f->recorder.n; i++) {
		const struct sensor_event *event = &f->recorder.events[i];
		if (event->type == EVENT_FLOW && event->flow.reason == FLOW_END_INTERIM)
			assert_int_equal(event->flow.n_interim, ++n_interim);
	}
	assert_int_equal(n_interim, 2);
	assert_int_equal(count_type(f, EVENT_FLOW), 3);
	assert_int_equal(tracker_get_stats(f->tracker)->flow_records, 1);
	finish(f);
}

static void a_flood_evicts_attempts_and_no_connection(void **context)
{
	struct fixture *f = begin_with(1 << 18);

	(void)context;
	handshake(f, 0, 40000);
	f->recorder.n = 0;
	for (unsigned i = 0; i < 20000; i++) {
		f->recorder.n = 0;
		send(f, 1 + i * 1e-5, true, (uint16_t)(1024 + i % 30000), SEG_SYN, 0, 0, 0);
	}
	f->recorder.n = 0;
	send(f, 2, true, 40000, SEG_ACK | SEG_PSH, 1, 1, 10);
	send(f, 2, false, 40000, SEG_ACK, 1, 11, 0);
	const struct flow_table_stats *table = tracker_get_table_stats(f->tracker);
	assert_int_equal(table->in_use[FLOW_CLASS_ESTABLISHED], 1);
	assert_int_equal(table->created, 1);
	assert_int_equal(table->evicted_total, 0);
	assert_true(tracker_get_syn_stats(f->tracker)->evicted[false] > 10000);
	assert_int_equal(tracker_evicted(f->tracker), tracker_get_syn_stats(f->tracker)->evicted[false]);
	finish(f);
}

/* More connections close within 2MSL than there is room for: each is still one connection, completed. */
static void a_table_full_of_time_wait_does_not_split_handshakes(void **context)
{
	struct fixture *f = begin_with(1 << 18);
	const unsigned n = 4000;

	(void)context;
	for (unsigned i = 0; i < n; i++) {
		f->recorder.n = 0;
		handshake(f, i * 0.01, (uint16_t)(1024 + i));
		close_by_client(f, i * 0.01 + 0.03, (uint16_t)(1024 + i));
	}
	assert_int_equal(tracker_get_stats(f->tracker)->connections, n);
	assert_true(tracker_get_table_stats(f->tracker)->evicted[FLOW_CLASS_TIME_WAIT] > n / 2);
	assert_int_equal(tracker_get_table_stats(f->tracker)->evicted[FLOW_CLASS_UNANSWERED_NEW], 0);
	finish(f);
}

/* A file and a live run, whose idle ticks notice sooner what is due, must say the same. */
static void an_overdue_attempt_ends_at_the_same_time_however_late_it_is_noticed(void **context)
{
	uint64_t ended_ns[2];

	(void)context;
	for (unsigned live = 0; live < 2; live++) {
		struct fixture *f = begin();
		send(f, 0, true, 40000, SEG_SYN, 0, 0, 0);
		for (unsigned second = 1; live == 1 && second < 300; second++)
			tracker_advance(f->tracker, (1000 + second) * NS_PER_SEC, 0);
		tracker_advance(f->tracker, 1300 * NS_PER_SEC, 0);
		ended_ns[live] = only_flow(f)->time_ns;
		finish(f);
	}
	assert_int_equal(ended_ns[0], 1135 * NS_PER_SEC);
	assert_int_equal(ended_ns[1], ended_ns[0]);
}

static void packet_time_that_steps_back_does_no_harm(void **context)
{
	struct fixture *f = begin();

	(void)context;
	send(f, 100, true, 40000, SEG_SYN, 0, 0, 0);
	send(f, 10, false, 40000, SEG_SYN | SEG_ACK, 0, 1, 0);
	send(f, 100.1, true, 40000, SEG_ACK, 1, 1, 0);
	tracker_finish(f->tracker);
	assert_int_equal(only_flow(f)->flow.end[SIDE_CLIENT].state, TCPS_ESTABLISHED);
	assert_true(only_flow(f)->flow.end_ns >= only_flow(f)->flow.start_ns);
	finish(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_closed_connection_is_recorded_when_time_wait_ends),
		cmocka_unit_test(syn_repeats_are_one_attempt_that_ends_after_135_seconds),
		cmocka_unit_test(a_lone_reset_begins_nothing),
		cmocka_unit_test(late_segments_after_a_close_belong_to_the_closed_connection),
		cmocka_unit_test(late_segments_are_no_connection_when_the_flow_is_gone_either),
		cmocka_unit_test(a_synack_that_nobody_takes_up_is_backscatter),
		cmocka_unit_test(backscatter_does_not_fill_the_feed),
		cmocka_unit_test(a_synack_that_overtook_its_syn_is_one_connection),
		cmocka_unit_test(a_reused_tuple_is_a_new_record_linked_to_the_old_one),
		cmocka_unit_test(a_held_syn_begins_its_connection_when_it_is_answered),
		cmocka_unit_test(a_bad_checksum_moves_no_state),
		cmocka_unit_test(an_anomaly_is_one_event_a_flow_and_counted_after_that),
		cmocka_unit_test(a_connection_that_lives_long_is_recorded_on_the_way),
		cmocka_unit_test(a_flood_evicts_attempts_and_no_connection),
		cmocka_unit_test(a_table_full_of_time_wait_does_not_split_handshakes),
		cmocka_unit_test(an_overdue_attempt_ends_at_the_same_time_however_late_it_is_noticed),
		cmocka_unit_test(packet_time_that_steps_back_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
