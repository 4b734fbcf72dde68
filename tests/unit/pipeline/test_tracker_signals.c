/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tracker tells the detectors. The test stands in for the engine: it defines detect_source_signal itself and
 * records what it is given.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "no_detection_fetch.h"
#include "tcpwitness/base/units.h"
#include "tcpwitness/pipeline/tracker.h"
#include "unheard_events.h"

enum { MAX_SIGNALS = 4096, CLIENT_ISN = 1000, SERVER_ISN = 9000, PORT = 40000 };

struct detect_source {
	struct flow_signal signals[MAX_SIGNALS];
	size_t n;
	void (*watch)(const struct flow_signal *signal); /* null: they are recorded */
};

bool detect_source_signal(struct detect_source *engine, const struct flow_signal *signal)
{
	if (engine->watch != NULL) {
		engine->watch(signal);
		return false;
	}
	assert_true(engine->n < MAX_SIGNALS);
	engine->signals[engine->n++] = *signal;
	return false;
}

struct fixture {
	struct tracker *tracker;
	uint64_t number;
	struct packet next; /* what send() adds the rest to */
};

static struct detect_source engine;

static struct fixture begin_with(size_t memory_bytes)
{
	static const char *const source_names[] = { "test" };
	const struct event_writer writer = unheard_events(0);
	struct tracker_config config;
	struct fixture f = { 0 };
	struct error error;

	memset(&engine, 0, sizeof(engine));
	tracker_config_defaults(&config);
	config.table.memory_bytes = memory_bytes;
	config.syn_store.memory_bytes = memory_bytes;
	config.key.secret = siphash_key_from_seed(1);
	f.tracker = tracker_create(&config, &engine, &writer, source_names, &error);
	assert_non_null(f.tracker);
	f.next = (struct packet){ .ttl = 64, .window = 65535, .options_complete = true };
	return f;
}

static struct fixture begin(void)
{
	return begin_with(1 << 20);
}

static void finish(struct fixture *f)
{
	tracker_destroy(f->tracker);
}

/* One segment between 192.0.2.1:PORT and 192.0.2.2:80; seq and ack relative to the first numbers. */
static void send(struct fixture *f, double seconds, bool from_client, uint16_t flags, uint32_t seq, uint32_t ack,
		 uint32_t payload_bytes)
{
	struct packet packet = f->next;

	packet.time_ns = (uint64_t)((seconds + 1000) * 1e9);
	packet.number = ++f->number;
	packet.wire_bytes = 60;
	packet.ip_bytes = (uint16_t)(40 + payload_bytes);
	packet.src = (struct ip_addr){ .version = 4, .bytes = { 192, 0, 2, from_client ? 1 : 2 } };
	packet.dst = (struct ip_addr){ .version = 4, .bytes = { 192, 0, 2, from_client ? 2 : 1 } };
	packet.src_port = from_client ? PORT : 80;
	packet.dst_port = from_client ? 80 : PORT;
	packet.ip_id = (uint16_t)f->number;
	packet.seq = seq + (from_client ? CLIENT_ISN : SERVER_ISN);
	packet.ack = (flags & SEG_ACK) ? ack + (from_client ? SERVER_ISN : CLIENT_ISN) : 0;
	packet.flags = flags;
	packet.payload_bytes = payload_bytes;
	tracker_packet(f->tracker, &packet, false);
}

static void from_client(struct fixture *f, double at, uint16_t flags, uint32_t seq, uint32_t ack, uint32_t bytes)
{
	send(f, at, true, flags, seq, ack, bytes);
}

static void from_server(struct fixture *f, double at, uint16_t flags, uint32_t seq, uint32_t ack, uint32_t bytes)
{
	send(f, at, false, flags, seq, ack, bytes);
}

static void handshake(struct fixture *f, double at)
{
	from_client(f, at, SEG_SYN, 0, 0, 0);
	from_server(f, at + 0.01, SEG_SYN | SEG_ACK, 0, 1, 0);
	from_client(f, at + 0.02, SEG_ACK, 1, 1, 0);
}

static void let_pass(struct fixture *f, double until)
{
	tracker_advance(f->tracker, (uint64_t)((until + 1000) * 1e9), 0);
}

static size_t count(enum flow_signal_kind kind)
{
	size_t n = 0;

	for (size_t i = 0; i < engine.n; i++)
		n += engine.signals[i].kind == kind;
	return n;
}

static const struct flow_signal *only(enum flow_signal_kind kind)
{
	const struct flow_signal *found = NULL;

	for (size_t i = 0; i < engine.n; i++) {
		if (engine.signals[i].kind != kind)
			continue;
		assert_null(found);
		found = &engine.signals[i];
	}
	assert_non_null(found);
	return found;
}

/* --- opening --- */

static void a_bare_synack_is_told_only_where_the_client_offered_more(void **state)
{
	(void)state;
	for (int timestamps = 0; timestamps < 2; timestamps++) {
		struct fixture f = begin();
		f.next.options.present = TCPOPT_MSS | TCPOPT_WSCALE | TCPOPT_SACK_PERMITTED;
		if (timestamps)
			f.next.options.present |= TCPOPT_TIMESTAMP;
		f.next.options.mss = 1460;
		from_client(&f, 0, SEG_SYN, 0, 0, 0);
		f.next.options.present = TCPOPT_MSS;
		from_server(&f, 0.01, SEG_SYN | SEG_ACK, 0, 1, 0);
		assert_int_equal(only(SIGNAL_ANSWERED)->bare_synack, !timestamps);
		finish(&f);
	}
}

static void a_client_that_resets_the_synack_is_told(void **state)
{
	(void)state;
	struct fixture f = begin();
	from_client(&f, 0, SEG_SYN, 0, 0, 0);
	from_server(&f, 0.01, SEG_SYN | SEG_ACK, 0, 1, 0);
	from_client(&f, 0.02, SEG_RST, 1, 0, 0);
	from_client(&f, 0.03, SEG_RST, 1, 0, 0);
	assert_int_equal(count(SIGNAL_CLIENT_RESET), 1);
	assert_int_equal(count(SIGNAL_HALF_OPEN_ENDED), 1);
	assert_int_equal(count(SIGNAL_COMPLETED), 0);
	finish(&f);
}

static void a_client_speaks_once(void **state)
{
	(void)state;
	struct fixture f = begin();
	handshake(&f, 0);
	from_server(&f, 0.1, SEG_ACK | SEG_PSH, 1, 1, 40);
	assert_int_equal(count(SIGNAL_CLIENT_SPOKE), 0);
	from_client(&f, 0.2, SEG_ACK | SEG_PSH, 1, 41, 10);
	from_client(&f, 0.3, SEG_ACK | SEG_PSH, 11, 41, 10);
	assert_int_equal(count(SIGNAL_CLIENT_SPOKE), 1);
	from_client(&f, 0.4, SEG_RST | SEG_ACK, 21, 41, 0);
	assert_true(only(SIGNAL_CLOSED)->spoke);
	assert_true(only(SIGNAL_CLOSED)->completed);
	finish(&f);
}

static void what_a_client_said_unseen_shows_in_its_acknowledgement(void **state)
{
	(void)state;
	struct fixture f = begin();
	handshake(&f, 0);
	from_server(&f, 0.1, SEG_ACK | SEG_PSH, 1, 200, 40);
	assert_int_equal(count(SIGNAL_CLIENT_SPOKE), 1);
	finish(&f);
}

static void what_a_client_said_unseen_shows_in_what_follows(void **state)
{
	(void)state;
	struct fixture f = begin();
	handshake(&f, 0);
	from_client(&f, 0.2, SEG_ACK, 200, 41, 0);
	assert_int_equal(count(SIGNAL_CLIENT_SPOKE), 1);
	finish(&f);
}

static void who_is_told_ever_more_need_not_speak(void **state)
{
	(void)state;
	struct fixture f = begin();
	handshake(&f, 0);
	/* A greeting, however many segments it takes. */
	from_server(&f, 0.1, SEG_ACK | SEG_PSH, 1, 1, 40);
	from_client(&f, 0.2, SEG_ACK, 1, 41, 0);
	from_server(&f, 0.3, SEG_ACK | SEG_PSH, 41, 1, 40);
	from_client(&f, 0.4, SEG_ACK, 1, 81, 0);
	assert_int_equal(count(SIGNAL_CLIENT_SPOKE), 0);
	from_server(&f, 5, SEG_ACK | SEG_PSH, 81, 1, 40);
	assert_int_equal(count(SIGNAL_CLIENT_SPOKE), 1);
	finish(&f);
}

static void a_late_greeting_is_no_feed(void **state)
{
	(void)state;
	struct fixture f = begin();
	handshake(&f, 0);
	from_server(&f, 10, SEG_ACK | SEG_PSH, 1, 1, 40);
	from_client(&f, 10.1, SEG_ACK, 1, 41, 0);
	assert_int_equal(count(SIGNAL_CLIENT_SPOKE), 0);
	finish(&f);
}

static void a_fin_is_no_word(void **state)
{
	(void)state;
	struct fixture f = begin();
	handshake(&f, 0);
	from_server(&f, 0.2, SEG_ACK, 1, 2, 0);
	from_client(&f, 0.3, SEG_ACK, 2, 1, 0);
	assert_int_equal(count(SIGNAL_CLIENT_SPOKE), 0);
	finish(&f);
}

static void segments_that_never_passed_are_counted_by_their_size(void **state)
{
	(void)state;
	struct fixture f = begin();
	const struct tracker_stats *stats = tracker_get_stats(f.tracker);
	handshake(&f, 0);
	from_client(&f, 0.1, SEG_ACK | SEG_PSH, 1, 1, 100);
	from_server(&f, 0.2, SEG_ACK, 1, 101, 1400);
	/* Three full ones and a short one are missing, and then one more. */
	from_client(&f, 0.3, SEG_ACK, 101, 1 + 4 * 1400 + 10, 0);
	assert_int_equal(stats->unseen, 4);
	from_server(&f, 0.4, SEG_ACK, 1 + 5 * 1400 + 10, 101, 1400);
	from_client(&f, 0.5, SEG_ACK, 101, 1 + 6 * 1400 + 10, 0);
	assert_int_equal(stats->unseen, 5);
	assert_int_equal(stats->with_payload, 3);
	assert_int_equal(stats->came_late, 0);
	finish(&f);
}

static void what_its_acknowledgement_overtook_is_not_lost(void **state)
{
	(void)state;
	struct fixture f = begin();
	const struct tracker_stats *stats = tracker_get_stats(f.tracker);
	handshake(&f, 0);
	from_server(&f, 0.1, SEG_ACK, 1, 101, 0);
	assert_int_equal(stats->unseen, 1);
	from_client(&f, 0.102, SEG_ACK | SEG_PSH, 1, 1, 100);
	assert_int_equal(stats->came_late, 1);
	/* And what was overtaken by other segments was never missed. */
	from_client(&f, 0.2, SEG_ACK | SEG_PSH, 201, 1, 100);
	from_client(&f, 0.201, SEG_ACK | SEG_PSH, 101, 1, 100);
	from_server(&f, 0.3, SEG_ACK, 1, 301, 0);
	assert_int_equal(stats->unseen, 1);
	assert_int_equal(stats->came_late, 1);
	finish(&f);
}

/* Its acknowledgement was lost behind the tap: it is sent again, long after. */
static void flood_of_strays(struct fixture *f, double seconds, uint16_t flags, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct packet packet = f->next;
		packet.time_ns = (uint64_t)((seconds + 1000) * 1e9) + i;
		packet.number = ++f->number;
		packet.wire_bytes = 60;
		packet.ip_bytes = 40;
		packet.src = (struct ip_addr){ .version = 4, .bytes = { 198, 51, (uint8_t)(i >> 8), (uint8_t)i } };
		packet.dst = (struct ip_addr){ .version = 4, .bytes = { 192, 0, 2, 2 } };
		packet.src_port = 5000;
		packet.dst_port = 80;
		packet.seq = 77 * i;
		packet.ack = 99 * i;
		packet.flags = flags;
		tracker_packet(f->tracker, &packet, false);
	}
}

static void strays_push_out_nobody_who_connects(void **state)
{
	static const uint16_t kinds[] = { SEG_FIN | SEG_ACK, SEG_ACK, SEG_SYN | SEG_ACK };

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct fixture f = begin_with(1 << 17);
		from_client(&f, 0, SEG_SYN, 0, 0, 0);
		from_server(&f, 0.01, SEG_SYN | SEG_ACK, 0, 1, 0);
		flood_of_strays(&f, 0.02, kinds[i], 1000);
		assert_true(tracker_evicted(f.tracker) > 500);
		from_client(&f, 0.1, SEG_ACK, 1, 1, 0);
		assert_int_equal(count(SIGNAL_COMPLETED), 1);
		finish(&f);
	}
}

static void what_is_sent_again_was_missed_before(void **state)
{
	(void)state;
	struct fixture f = begin();
	const struct tracker_stats *stats = tracker_get_stats(f.tracker);
	handshake(&f, 0);
	from_server(&f, 0.1, SEG_ACK, 1, 101, 0);
	from_client(&f, 0.4, SEG_ACK | SEG_PSH, 1, 1, 100);
	assert_int_equal(stats->unseen, 1);
	assert_int_equal(stats->came_late, 0);
	finish(&f);
}

static void a_client_that_said_nothing_did_not_speak(void **state)
{
	(void)state;
	struct fixture f = begin();
	handshake(&f, 0);
	from_client(&f, 0.4, SEG_RST | SEG_ACK, 1, 1, 0);
	assert_false(only(SIGNAL_CLOSED)->spoke);
	assert_true(only(SIGNAL_CLOSED)->completed);
	finish(&f);
}

/* L7b of the lab: the accept queue is full, so the server goes on asking for the ACK that it has dropped. */
static void a_synack_again_after_the_ack_is_told_each_time(void **state)
{
	(void)state;
	struct fixture f = begin();
	handshake(&f, 0);
	from_server(&f, 1.01, SEG_SYN | SEG_ACK, 0, 1, 0);
	assert_true(only(SIGNAL_SYNACK_AFTER_ACK)->is_first);
	from_client(&f, 1.02, SEG_ACK, 1, 1, 0);
	from_server(&f, 3.01, SEG_SYN | SEG_ACK, 0, 1, 0);
	from_server(&f, 7.01, SEG_SYN | SEG_ACK, 0, 1, 0);
	assert_int_equal(count(SIGNAL_SYNACK_AFTER_ACK), 3);
	assert_false(engine.signals[engine.n - 1].is_first);
	finish(&f);
}

static void a_synack_that_crosses_the_ack_is_none(void **state)
{
	(void)state;
	struct fixture f = begin();
	from_client(&f, 0, SEG_SYN, 0, 0, 0);
	from_server(&f, 0.4, SEG_SYN | SEG_ACK, 0, 1, 0);
	from_client(&f, 1.39, SEG_ACK, 1, 1, 0);
	from_server(&f, 1.4, SEG_SYN | SEG_ACK, 0, 1, 0);
	assert_int_equal(count(SIGNAL_SYNACK_AFTER_ACK), 0);
	finish(&f);
}

/* L7c: with SYN cookies the ACK is dropped without a word, and so is what the client says. */
static void data_that_nobody_takes_is_told_once(void **state)
{
	(void)state;
	struct fixture f = begin();
	handshake(&f, 0);
	from_client(&f, 0.1, SEG_ACK | SEG_PSH, 1, 1, 100);
	from_client(&f, 0.4, SEG_ACK | SEG_PSH, 1, 1, 100);
	assert_int_equal(count(SIGNAL_DATA_IGNORED), 0);
	from_client(&f, 1.0, SEG_ACK | SEG_PSH, 1, 1, 100);
	from_client(&f, 2.2, SEG_ACK | SEG_PSH, 1, 1, 100);
	assert_int_equal(count(SIGNAL_DATA_IGNORED), 1);
	finish(&f);
}

static void data_that_was_lost_and_taken_is_not_ignored(void **state)
{
	(void)state;
	struct fixture f = begin();
	handshake(&f, 0);
	from_client(&f, 0.1, SEG_ACK | SEG_PSH, 1, 1, 100);
	from_client(&f, 0.4, SEG_ACK | SEG_PSH, 1, 1, 100);
	from_server(&f, 0.5, SEG_ACK, 1, 101, 0);
	from_client(&f, 1.0, SEG_ACK | SEG_PSH, 101, 1, 100);
	from_client(&f, 2.2, SEG_ACK | SEG_PSH, 101, 1, 100);
	from_client(&f, 3.2, SEG_ACK | SEG_PSH, 101, 1, 100);
	assert_int_equal(count(SIGNAL_DATA_IGNORED), 0);
	finish(&f);
}

/* --- closing --- */

static void a_server_that_closes_first_owns_time_wait(void **state)
{
	(void)state;
	struct fixture f = begin();
	handshake(&f, 0);
	from_server(&f, 1, SEG_FIN | SEG_ACK, 1, 1, 0);
	from_client(&f, 1.1, SEG_FIN | SEG_ACK, 1, 2, 0);
	from_server(&f, 1.2, SEG_ACK, 2, 2, 0);
	assert_int_equal(count(SIGNAL_TIME_WAIT), 0);
	assert_int_equal(count(SIGNAL_SERVER_TIME_WAIT), 1);
	assert_int_equal(count(SIGNAL_SERVER_TIME_WAIT_OVER), 0);
	let_pass(&f, 3600);
	assert_int_equal(count(SIGNAL_SERVER_TIME_WAIT_OVER), 1);
	finish(&f);
}

static const struct flow_signal *held(enum flow_signal_kind kind, enum conn_side side, enum tcp_state in)
{
	const struct flow_signal *found = NULL;

	for (size_t i = 0; i < engine.n; i++) {
		const struct flow_signal *signal = &engine.signals[i];
		if (signal->kind == kind && signal->side == side && signal->state == in) {
			assert_null(found);
			found = signal;
		}
	}
	return found;
}

static void states_that_wait_are_told_with_their_beginning_and_end(void **state)
{
	(void)state;
	struct fixture f = begin();
	handshake(&f, 0);
	from_client(&f, 1, SEG_FIN | SEG_ACK, 1, 1, 0);
	const struct flow_signal *waits = held(SIGNAL_HELD, SIDE_SERVER, TCPS_CLOSE_WAIT);
	assert_non_null(waits);
	assert_true(waits->since_ns == 1001 * NS_PER_SEC);
	from_server(&f, 1.1, SEG_ACK, 1, 2, 0);
	assert_non_null(held(SIGNAL_HELD, SIDE_CLIENT, TCPS_FIN_WAIT_2));
	assert_null(held(SIGNAL_HELD_OVER, SIDE_SERVER, TCPS_CLOSE_WAIT));
	from_server(&f, 100, SEG_FIN | SEG_ACK, 1, 2, 0);
	const struct flow_signal *over = held(SIGNAL_HELD_OVER, SIDE_SERVER, TCPS_CLOSE_WAIT);
	assert_non_null(over);
	assert_true(over->since_ns == 1001 * NS_PER_SEC && over->now_ns == 1100 * NS_PER_SEC);
	assert_non_null(held(SIGNAL_HELD_OVER, SIDE_CLIENT, TCPS_FIN_WAIT_2));
	/* Its acknowledgement is on its way, until the FIN comes again. */
	assert_null(held(SIGNAL_HELD, SIDE_SERVER, TCPS_LAST_ACK));
	from_server(&f, 100.5, SEG_FIN | SEG_ACK, 1, 2, 0);
	assert_non_null(held(SIGNAL_HELD, SIDE_SERVER, TCPS_LAST_ACK));
	from_client(&f, 101, SEG_ACK, 2, 2, 0);
	assert_non_null(held(SIGNAL_HELD_OVER, SIDE_SERVER, TCPS_LAST_ACK));
	finish(&f);
}

static void a_state_that_waits_is_over_when_the_flow_expires(void **state)
{
	(void)state;
	struct fixture f = begin();
	handshake(&f, 0);
	from_client(&f, 1, SEG_FIN | SEG_ACK, 1, 1, 0);
	from_server(&f, 1.1, SEG_ACK, 1, 2, 0);
	let_pass(&f, 30 * 24 * 3600.0);
	assert_int_equal(count(SIGNAL_HELD), 2);
	assert_int_equal(count(SIGNAL_HELD_OVER), 2);
	finish(&f);
}

/* A capture that misses a FIN is not to see a leak: the other end acknowledges it. */
static void a_close_that_was_missed_is_no_state_that_waits(void **state)
{
	(void)state;
	struct fixture f = begin();
	handshake(&f, 0);
	from_client(&f, 1, SEG_FIN | SEG_ACK, 1, 1, 0);
	from_server(&f, 1.1, SEG_ACK, 1, 2, 0);
	assert_int_equal(count(SIGNAL_HELD) - count(SIGNAL_HELD_OVER), 2);
	from_client(&f, 1.2, SEG_ACK, 2, 2, 0);
	assert_int_equal(count(SIGNAL_HELD) - count(SIGNAL_HELD_OVER), 0);
	finish(&f);
}

static void a_fin_out_of_nowhere_leaves_no_state_that_waits(void **state)
{
	(void)state;
	struct fixture f = begin();
	from_client(&f, 1, SEG_FIN | SEG_ACK, 1, 1, 0);
	assert_int_equal(count(SIGNAL_HELD), 0);
	assert_int_equal(only(SIGNAL_STRAY)->stray, STRAY_FIN_ACK);
	finish(&f);
}

/* --- windows --- */

static void a_closed_window_is_told_once_something_waits_for_it(void **state)
{
	(void)state;
	struct fixture f = begin();
	handshake(&f, 0);
	from_client(&f, 0.1, SEG_ACK | SEG_PSH, 1, 1, 100);
	from_server(&f, 0.2, SEG_ACK, 1, 101, 500);
	f.next.window = 0;
	from_client(&f, 0.3, SEG_ACK, 101, 501, 0);
	f.next.window = 65535;
	assert_int_equal(count(SIGNAL_STALLED), 0);
	/* It probes with a number that was acknowledged (RFC 9293 3.8.6.1). */
	from_server(&f, 0.5, SEG_ACK, 500, 101, 0);
	from_server(&f, 1.5, SEG_ACK, 500, 101, 0);
	const struct flow_signal *stalled = only(SIGNAL_STALLED);
	assert_int_equal(stalled->side, SIDE_CLIENT);
	assert_true(stalled->since_ns == 1000 * NS_PER_SEC + 300 * NS_PER_MS);
	assert_int_equal(count(SIGNAL_STALLED_OVER), 0);
	from_client(&f, 60, SEG_ACK, 101, 501, 0);
	assert_true(only(SIGNAL_STALLED_OVER)->since_ns == 1000 * NS_PER_SEC + 300 * NS_PER_MS);
	finish(&f);
}

static void a_closed_window_that_nobody_needs_is_no_stall(void **state)
{
	(void)state;
	struct fixture f = begin();
	handshake(&f, 0);
	f.next.window = 0;
	for (int i = 1; i < 100; i++)
		from_client(&f, i, SEG_ACK, 1, 1, 0);
	assert_int_equal(count(SIGNAL_STALLED), 0);
	finish(&f);
}

static void a_small_stack_with_a_small_window_is_no_stall(void **state)
{
	(void)state;
	struct fixture f = begin();
	f.next.window = 1024;
	f.next.options.present = TCPOPT_MSS;
	f.next.options.mss = 1460;
	from_client(&f, 0, SEG_SYN, 0, 0, 0);
	f.next.window = 65535;
	from_server(&f, 0.01, SEG_SYN | SEG_ACK, 0, 1, 0);
	f.next.options.present = 0;
	f.next.window = 1024;
	from_client(&f, 0.02, SEG_ACK | SEG_PSH, 1, 1, 100);
	for (uint32_t i = 0; i < 20; i++) {
		from_server(&f, 1.0 + i, SEG_ACK, 1 + i * 500, 101, 500);
		from_client(&f, 1.5 + i, SEG_ACK, 101, 501 + i * 500, 0);
	}
	assert_int_equal(count(SIGNAL_STALLED), 0);
	finish(&f);
}

static void a_window_that_nobody_keeps_to_is_no_stall(void **state)
{
	(void)state;
	struct fixture f = begin();
	handshake(&f, 0);
	from_client(&f, 0.1, SEG_ACK | SEG_PSH, 1, 1, 100);
	f.next.window = 501;
	for (uint32_t i = 0; i < 20; i++) {
		from_server(&f, 1.0 + i, SEG_ACK, 1 + i * 1460, 101, 1460);
		from_client(&f, 1.5 + i, SEG_ACK, 101, 1461 + i * 1460, 0);
	}
	assert_int_equal(count(SIGNAL_STALLED), 0);
	finish(&f);
}

static void a_window_that_holds_a_few_bytes_is_a_stall(void **state)
{
	(void)state;
	struct fixture f = begin();
	handshake(&f, 0);
	from_client(&f, 0.1, SEG_ACK | SEG_PSH, 1, 1, 100);
	from_server(&f, 0.2, SEG_ACK, 1, 101, 500);
	f.next.window = 20;
	from_client(&f, 0.3, SEG_ACK, 101, 501, 0);
	for (uint32_t i = 0; i < 20; i++) {
		f.next.window = 65535;
		from_server(&f, 1.0 + i, SEG_ACK, 501 + i * 20, 101, 20);
		f.next.window = 20;
		from_client(&f, 1.5 + i, SEG_ACK, 101, 521 + i * 20, 0);
	}
	assert_int_equal(count(SIGNAL_STALLED), 1);
	assert_int_equal(count(SIGNAL_STALLED_OVER), 0);
	finish(&f);
}

/* --- resets --- */

static void a_forged_reset_is_told_when_its_sender_goes_on(void **state)
{
	(void)state;
	struct fixture f = begin();
	handshake(&f, 0);
	from_server(&f, 1, SEG_ACK | SEG_PSH, 1, 1, 100);
	f.next.ttl = 50;
	from_server(&f, 2, SEG_RST, 101, 0, 0);
	f.next.ttl = 64;
	assert_int_equal(count(SIGNAL_RST_SUSPECT), 0);
	from_server(&f, 3, SEG_ACK | SEG_PSH, 101, 1, 100);
	const struct flow_signal *suspect = only(SIGNAL_RST_SUSPECT);
	assert_int_equal(suspect->side, SIDE_SERVER);
	assert_int_equal(suspect->suspicion & (RST_SUSPECT_CONTRADICTED | RST_SUSPECT_TTL),
			 RST_SUSPECT_CONTRADICTED | RST_SUSPECT_TTL);
	assert_true(suspect->is_first);
	finish(&f);
}

static void resets_at_several_numbers_are_probes(void **state)
{
	(void)state;
	struct fixture f = begin();
	handshake(&f, 0);
	from_server(&f, 0.5, SEG_ACK | SEG_PSH, 1, 1, 100);
	from_client(&f, 0.6, SEG_ACK, 1, 101, 0);
	for (uint32_t i = 1; i <= 10; i++)
		from_server(&f, 1 + 0.01 * i, SEG_RST, 101 + i * 1000, 0, 0);
	assert_int_equal(count(SIGNAL_RST_SUSPECT), 9);
	assert_true((engine.signals[engine.n - 1].suspicion & RST_SUSPECT_PROBE) != 0);
	finish(&f);
}

static void resets_that_end_a_connection_are_not_suspect(void **state)
{
	(void)state;
	struct fixture f = begin();
	handshake(&f, 0);
	from_client(&f, 0.5, SEG_ACK | SEG_PSH, 1, 1, 100);
	/* Abort from behind a load balancer, and the answers to what was on its way. */
	f.next.ttl = 50;
	from_server(&f, 1, SEG_RST | SEG_ACK, 1, 101, 0);
	f.next.ttl = 64;
	from_client(&f, 1.001, SEG_ACK | SEG_PSH, 101, 1, 100);
	from_server(&f, 1.002, SEG_RST, 1, 0, 0);
	from_client(&f, 1.003, SEG_ACK | SEG_PSH, 201, 1, 100);
	from_server(&f, 1.004, SEG_RST, 1, 0, 0);
	assert_int_equal(count(SIGNAL_RST_SUSPECT), 0);
	finish(&f);
}

/* --- what belongs to no connection --- */

static void segments_out_of_nowhere_are_told_by_their_kind(void **state)
{
	static const struct {
		uint16_t flags;
		enum flow_stray stray;
	} cases[] = {
		{ SEG_SYN | SEG_ACK, STRAY_SYNACK },
		{ SEG_RST, STRAY_RST },
		{ SEG_FIN | SEG_ACK, STRAY_FIN_ACK },
		{ SEG_ACK | SEG_PSH, STRAY_ACK },
		{ 0, STRAY_NULL },
		{ SEG_FIN | SEG_PSH | SEG_URG, STRAY_XMAS },
		{ SEG_SYN | SEG_FIN, STRAY_OTHER },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture f = begin();
		from_server(&f, 1, cases[i].flags, 0, 1, 0);
		const struct flow_signal *stray = only(SIGNAL_STRAY);
		assert_int_equal(stray->stray, cases[i].stray);
		assert_int_equal(stray->client.bytes[3], 2);
		assert_int_equal(stray->client_port, 80);
		finish(&f);
	}
}

static void late_segments_are_not_stray(void **state)
{
	(void)state;
	struct fixture f = begin();
	handshake(&f, 0);
	from_client(&f, 1, SEG_FIN | SEG_ACK, 1, 1, 0);
	from_server(&f, 1.1, SEG_FIN | SEG_ACK, 1, 2, 0);
	from_client(&f, 1.2, SEG_ACK, 2, 2, 0);
	let_pass(&f, 100);
	from_server(&f, 101, SEG_FIN | SEG_ACK, 1, 2, 0);
	from_client(&f, 101.1, SEG_RST, 2, 0, 0);
	assert_int_equal(count(SIGNAL_STRAY), 0);
	finish(&f);
}

static void acks_to_an_end_that_knows_of_no_connection_are_all_stray(void **state)
{
	(void)state;
	struct fixture f = begin();
	from_client(&f, 1, SEG_ACK, 1, 1, 0);
	from_server(&f, 1.01, SEG_RST, 1, 0, 0);
	from_client(&f, 1.1, SEG_ACK, 500, 1, 0);
	from_server(&f, 1.11, SEG_RST, 1, 0, 0);
	from_client(&f, 1.2, SEG_ACK, 900, 1, 0);
	assert_int_equal(count(SIGNAL_STRAY), 3);
	assert_int_equal(count(SIGNAL_JOINED), 0);
	finish(&f);
}

static void a_connection_that_began_unseen_is_joined_when_both_speak(void **state)
{
	(void)state;
	struct fixture f = begin();
	from_client(&f, 1, SEG_ACK | SEG_PSH, 1, 1, 100);
	assert_int_equal(only(SIGNAL_STRAY)->stray, STRAY_ACK);
	assert_int_equal(count(SIGNAL_JOINED), 0);
	from_server(&f, 1.1, SEG_ACK, 1, 101, 0);
	from_client(&f, 1.2, SEG_ACK | SEG_PSH, 101, 1, 100);
	assert_int_equal(count(SIGNAL_JOINED), 1);
	assert_int_equal(count(SIGNAL_STRAY), 1);
	assert_int_equal(only(SIGNAL_STRAY_CLAIMED)->client_port, PORT);
	assert_int_equal(count(SIGNAL_CLIENT_SPOKE), 0);
	from_server(&f, 1.3, SEG_RST | SEG_ACK, 1, 201, 0);
	assert_true(only(SIGNAL_CLOSED)->completed && only(SIGNAL_CLOSED)->spoke);
	assert_int_equal(tracker_get_stats(f.tracker)->one_way, 0);
	assert_int_equal(tracker_get_stats(f.tracker)->two_way, 1);
	finish(&f);
}

static void an_end_that_goes_on_claims_what_seemed_stray(void **state)
{
	(void)state;
	struct fixture f = begin();
	from_server(&f, 1, SEG_ACK | SEG_PSH, 1, 1, 100);
	from_server(&f, 1.1, SEG_ACK | SEG_PSH, 101, 1, 100);
	from_server(&f, 1.2, SEG_ACK | SEG_PSH, 201, 1, 100);
	assert_int_equal(count(SIGNAL_STRAY), 1);
	assert_int_equal(only(SIGNAL_STRAY_CLAIMED)->stray, STRAY_ACK);
	assert_int_equal(only(SIGNAL_STRAY_CLAIMED)->client_port, 80);
	assert_int_equal(count(SIGNAL_JOINED), 0);
	finish(&f);
}

static void a_connection_of_which_one_end_is_never_heard_is_one_way(void **state)
{
	(void)state;
	struct fixture f = begin();
	from_client(&f, 1, SEG_SYN, 0, 0, 0);
	from_client(&f, 1.1, SEG_ACK, 1, 1, 0);
	from_client(&f, 1.2, SEG_ACK | SEG_PSH, 1, 1, 100);
	from_client(&f, 1.3, SEG_ACK | SEG_PSH, 101, 1001, 100);
	from_client(&f, 1.4, SEG_ACK | SEG_PSH, 201, 2001, 100);
	assert_int_equal(tracker_get_stats(f.tracker)->one_way, 1);
	assert_int_equal(tracker_get_stats(f.tracker)->two_way, 0);
	finish(&f);
}

/* --- whatever happens, what begins is over once --- */

enum { TUPLES = 200, OPEN_MAX = 4096 };

/* What is begun of one flow. */
struct open_flow {
	uint64_t id;
	uint64_t held_ns[2];
	uint8_t held[2]; /* state, TCPS_CLOSED = none */
	bool stalled[2];
	uint64_t stalled_ns[2];
	bool time_wait[2];
	bool connected; /* COMPLETED or JOINED, and not CLOSED yet */
	bool spoke;
	bool half_open;
};

static struct open_flow open_flows[OPEN_MAX];
static size_t n_open_flows;
static uint64_t seen_kinds;

static struct open_flow *open_flow_of(uint64_t id)
{
	for (size_t i = 0; i < n_open_flows; i++) {
		if (open_flows[i].id == id)
			return &open_flows[i];
	}
	assert_true(n_open_flows < OPEN_MAX);
	open_flows[n_open_flows] = (struct open_flow){ .id = id };
	return &open_flows[n_open_flows++];
}

static void toggle(bool *is, bool to)
{
	assert_int_equal(*is, !to);
	*is = to;
}

static void watch_waiting(struct open_flow *flow, const struct flow_signal *signal)
{
	if (signal->kind == SIGNAL_HELD) {
		assert_int_equal(flow->held[signal->side], TCPS_CLOSED);
		flow->held[signal->side] = signal->state;
		flow->held_ns[signal->side] = signal->since_ns;
	} else if (signal->kind == SIGNAL_HELD_OVER) {
		assert_int_equal(flow->held[signal->side], signal->state);
		assert_true(flow->held_ns[signal->side] == signal->since_ns);
		flow->held[signal->side] = TCPS_CLOSED;
	} else if (signal->kind == SIGNAL_STALLED) {
		toggle(&flow->stalled[signal->side], true);
		flow->stalled_ns[signal->side] = signal->since_ns;
	} else if (signal->kind == SIGNAL_STALLED_OVER) {
		toggle(&flow->stalled[signal->side], false);
		assert_true(flow->stalled_ns[signal->side] == signal->since_ns);
	}
}

static void watch(const struct flow_signal *signal)
{
	if (signal->kind == SIGNAL_STRAY || signal->kind == SIGNAL_STRAY_CLAIMED)
		return;
	struct open_flow *flow = open_flow_of(signal->flow_id);
	seen_kinds |= UINT64_C(1) << signal->kind;
	assert_true(signal->since_ns <= signal->now_ns);
	watch_waiting(flow, signal);
	if (signal->kind == SIGNAL_TIME_WAIT || signal->kind == SIGNAL_TIME_WAIT_OVER)
		toggle(&flow->time_wait[0], signal->kind == SIGNAL_TIME_WAIT);
	if (signal->kind == SIGNAL_SERVER_TIME_WAIT || signal->kind == SIGNAL_SERVER_TIME_WAIT_OVER)
		toggle(&flow->time_wait[1], signal->kind == SIGNAL_SERVER_TIME_WAIT);
	if (signal->kind == SIGNAL_ANSWERED || signal->kind == SIGNAL_HALF_OPEN_ENDED)
		toggle(&flow->half_open, signal->kind == SIGNAL_ANSWERED);
	if (signal->kind == SIGNAL_COMPLETED && signal->ended)
		toggle(&flow->half_open, false);
	if (signal->kind == SIGNAL_COMPLETED || signal->kind == SIGNAL_JOINED)
		toggle(&flow->connected, true);
	if (signal->kind == SIGNAL_CLIENT_SPOKE) {
		assert_true(flow->connected);
		toggle(&flow->spoke, true);
	}
	if (signal->kind == SIGNAL_CLOSED && signal->completed) {
		toggle(&flow->connected, false);
		assert_true(signal->spoke || !flow->spoke);
	}
}

static uint64_t next_random(uint64_t *random)
{
	/* xorshift64 */
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return *random >> 8;
}

/* A segment that may make sense: numbers in the neighbourhood, flags that go together more often than not. */
static struct packet random_segment(uint64_t *random, uint64_t *now_ns)
{
	static const uint16_t flags[] = {
		SEG_SYN,           SEG_SYN | SEG_ACK, SEG_ACK, SEG_ACK,           SEG_ACK | SEG_PSH, SEG_ACK | SEG_PSH,
		SEG_FIN | SEG_ACK, SEG_FIN | SEG_ACK, SEG_RST, SEG_RST | SEG_ACK, SEG_FIN,           0,
	};
	static const uint16_t windows[] = { 0, 0, 100, 2000, 65535 };
	static const uint32_t offsets[] = { 0, 1, 1, 1, 2, 101, 102, 201, 5000 };
	static const uint64_t steps_ms[] = { 1, 1, 10, 300, 2000, 70000 };
	bool to_server = next_random(random) & 1;
	uint8_t host = (uint8_t)(next_random(random) % TUPLES);
	struct packet packet = {
		.src = { .version = 4, .bytes = { 192, 0, 2, to_server ? host : 200 } },
		.dst = { .version = 4, .bytes = { 192, 0, 2, to_server ? 200 : host } },
		.src_port = to_server ? 4000 : 80,
		.dst_port = to_server ? 80 : 4000,
		.ttl = 64,
		.flags = flags[next_random(random) % (sizeof(flags) / sizeof(flags[0]))],
		.window = windows[next_random(random) % 5],
		.options_complete = true,
		.ip_bytes = 40,
		.wire_bytes = 60,
	};

	*now_ns += steps_ms[next_random(random) % 6] * NS_PER_MS / TUPLES;
	packet.time_ns = *now_ns;
	packet.seq = (to_server ? CLIENT_ISN : SERVER_ISN) + offsets[next_random(random) % 9];
	if (packet.flags & SEG_ACK)
		packet.ack = (to_server ? SERVER_ISN : CLIENT_ISN) + offsets[next_random(random) % 9];
	if (packet.flags & SEG_PSH)
		packet.payload_bytes = 100;
	if (packet.flags == SEG_SYN || packet.flags == (SEG_SYN | SEG_ACK))
		packet.seq = to_server ? CLIENT_ISN : SERVER_ISN;
	packet.ip_id = (uint16_t)next_random(random);
	return packet;
}

static void assert_all_over(void)
{
	for (size_t i = 0; i < n_open_flows; i++) {
		const struct open_flow *flow = &open_flows[i];
		for (int side = 0; side < 2; side++) {
			assert_int_equal(flow->held[side], TCPS_CLOSED);
			assert_false(flow->stalled[side]);
			assert_false(flow->time_wait[side]);
		}
		assert_false(flow->connected);
		assert_false(flow->half_open);
	}
}

static void what_begins_is_over_once_whatever_happens(void **state)
{
	uint64_t n_evicted = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		/* Some with a table that is too small for them. */
		struct fixture f = begin_with(seed % 2 ? 1 << 20 : 1 << 16);
		uint64_t random = seed * 0x9e3779b97f4a7c15u;
		uint64_t now_ns = 1000 * NS_PER_SEC;

		engine.watch = watch;
		n_open_flows = 0;
		for (int i = 0; i < 3000; i++) {
			struct packet packet = random_segment(&random, &now_ns);
			packet.number = ++f.number;
			tracker_packet(f.tracker, &packet, false);
		}
		tracker_advance(f.tracker, now_ns + 30 * 24 * 3600 * NS_PER_SEC, 0);
		assert_all_over();
		n_evicted += tracker_evicted(f.tracker);
		finish(&f);
	}
	assert_true(n_evicted > 0);
	/* And everything did happen. */
	for (int kind = 0; kind < SIGNAL_KIND_COUNT; kind++) {
		if (kind != SIGNAL_UNREACHABLE && kind != SIGNAL_STRAY && kind != SIGNAL_STRAY_CLAIMED &&
		    (seen_kinds >> kind & 1) == 0)
			fail_msg("signal %d never came", kind);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bare_synack_is_told_only_where_the_client_offered_more),
		cmocka_unit_test(a_client_that_resets_the_synack_is_told),
		cmocka_unit_test(a_client_speaks_once),
		cmocka_unit_test(what_a_client_said_unseen_shows_in_its_acknowledgement),
		cmocka_unit_test(what_a_client_said_unseen_shows_in_what_follows),
		cmocka_unit_test(who_is_told_ever_more_need_not_speak),
		cmocka_unit_test(a_late_greeting_is_no_feed),
		cmocka_unit_test(a_fin_is_no_word),
		cmocka_unit_test(segments_that_never_passed_are_counted_by_their_size),
		cmocka_unit_test(what_its_acknowledgement_overtook_is_not_lost),
		cmocka_unit_test(what_is_sent_again_was_missed_before),
		cmocka_unit_test(strays_push_out_nobody_who_connects),
		cmocka_unit_test(a_client_that_said_nothing_did_not_speak),
		cmocka_unit_test(a_synack_again_after_the_ack_is_told_each_time),
		cmocka_unit_test(a_synack_that_crosses_the_ack_is_none),
		cmocka_unit_test(data_that_nobody_takes_is_told_once),
		cmocka_unit_test(data_that_was_lost_and_taken_is_not_ignored),
		cmocka_unit_test(a_server_that_closes_first_owns_time_wait),
		cmocka_unit_test(states_that_wait_are_told_with_their_beginning_and_end),
		cmocka_unit_test(a_state_that_waits_is_over_when_the_flow_expires),
		cmocka_unit_test(a_close_that_was_missed_is_no_state_that_waits),
		cmocka_unit_test(a_fin_out_of_nowhere_leaves_no_state_that_waits),
		cmocka_unit_test(a_closed_window_is_told_once_something_waits_for_it),
		cmocka_unit_test(a_closed_window_that_nobody_needs_is_no_stall),
		cmocka_unit_test(a_small_stack_with_a_small_window_is_no_stall),
		cmocka_unit_test(a_window_that_nobody_keeps_to_is_no_stall),
		cmocka_unit_test(a_window_that_holds_a_few_bytes_is_a_stall),
		cmocka_unit_test(a_forged_reset_is_told_when_its_sender_goes_on),
		cmocka_unit_test(resets_at_several_numbers_are_probes),
		cmocka_unit_test(resets_that_end_a_connection_are_not_suspect),
		cmocka_unit_test(segments_out_of_nowhere_are_told_by_their_kind),
		cmocka_unit_test(late_segments_are_not_stray),
		cmocka_unit_test(acks_to_an_end_that_knows_of_no_connection_are_all_stray),
		cmocka_unit_test(a_connection_that_began_unseen_is_joined_when_both_speak),
		cmocka_unit_test(an_end_that_goes_on_claims_what_seemed_stray),
		cmocka_unit_test(a_connection_of_which_one_end_is_never_heard_is_one_way),
		cmocka_unit_test(what_begins_is_over_once_whatever_happens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
