/* SPDX-License-Identifier: BSD-2-Clause */
/* What counts as late when a connection's flow has left the table, for how long, and whose memory goes first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tcpwitness/base/units.h"
#include "tcpwitness/flow/tombstones.h"

/* The connection of most tests: the client is the key's lower end and sent up to 5000, the server up to 9000. */
enum { CLIENT = 0, SERVER = 1, HASH = 77, ID = 12, CLIENT_NEXT = 5000, SERVER_NEXT = 9000 };

#define CLOSED_AT (1000 * NS_PER_SEC)

static struct tombstones *create(size_t memory_bytes)
{
	struct tombstones_config config;
	struct error error;

	tombstones_config_defaults(&config);
	config.memory_bytes = memory_bytes;
	struct tombstones *tombstones = tombstones_create(&config, &error);
	assert_non_null(tombstones);
	return tombstones;
}

static struct flow flow_number(uint64_t hash, uint64_t id)
{
	struct flow flow = { .hash = hash, .id = id, .client_index = CLIENT };

	flow.conn.end[SIDE_CLIENT].seq_known = true;
	flow.conn.end[SIDE_CLIENT].snd_nxt = CLIENT_NEXT;
	flow.conn.end[SIDE_SERVER].seq_known = true;
	flow.conn.end[SIDE_SERVER].snd_nxt = SERVER_NEXT;
	return flow;
}

static struct tombstones *with_closed(void)
{
	struct tombstones *tombstones = create(64 * 1024);
	const struct flow flow = flow_number(HASH, ID);

	tombstones_add(tombstones, &flow, true, CLOSED_AT);
	return tombstones;
}

struct segment {
	const char *what;
	unsigned sender;
	uint16_t flags;
	uint32_t seq;
	uint32_t ack;
	uint32_t payload_bytes;
	bool late;
};

static bool is_late(const struct tombstones *tombstones, const struct segment *segment, uint64_t now_ns, uint64_t *id)
{
	const struct packet packet = {
		.flags = segment->flags,
		.seq = segment->seq,
		.ack = segment->ack,
		.payload_bytes = segment->payload_bytes,
	};

	return tombstones_is_late(tombstones, HASH, segment->sender, &packet, now_ns, id);
}

static void what_brings_nothing_new_is_late(void **state)
{
	static const struct segment segments[] = {
		{ "a repeated FIN", CLIENT, SEG_FIN | SEG_ACK, 4999, 9000, 0, true },
		{ "the ACK of a repeated FIN", SERVER, SEG_ACK, 9000, 5000, 0, true },
		{ "a RST, as one that answers it", SERVER, SEG_RST, 9000, 0, 0, true },
		{ "data from before", SERVER, SEG_ACK, 7000, 4000, 1000, true },
		{ "the SYN-ACK, repeated", SERVER, SEG_SYN | SEG_ACK, 8000, 4500, 0, true },
		{ "a FIN that nobody saw before", SERVER, SEG_FIN | SEG_ACK, 9000, 5000, 0, true },
		{ "the ACK of a FIN that nobody saw", CLIENT, SEG_ACK, 5000, 9001, 0, true },
		{ "a SYN, whatever its number", CLIENT, SEG_SYN, 4000, 0, 0, false },
		{ "data that goes on", SERVER, SEG_ACK, 9000, 5000, 1, false },
		{ "an ACK of data that nobody saw", CLIENT, SEG_ACK, 5000, 9002, 0, false },
		{ "an ACK behind data that nobody saw", CLIENT, SEG_ACK, 5002, 9000, 0, false },
		{ "numbers of another connection", CLIENT, SEG_ACK, 2000000000, 9000, 0, false },
		{ "a number too far behind", CLIENT, SEG_ACK, 5000u - (1u << 25), 9000, 0, false },
		{ "a SYN-ACK of another connection", SERVER, SEG_SYN | SEG_ACK, 700000, 4500, 0, false },
	};
	struct tombstones *tombstones = with_closed();

	(void)state;
	for (size_t i = 0; i < sizeof(segments) / sizeof(segments[0]); i++) {
		uint64_t id;
		bool late = is_late(tombstones, &segments[i], CLOSED_AT + NS_PER_SEC, &id);
		if (late != segments[i].late)
			fail_msg("%s should %sbe late", segments[i].what, segments[i].late ? "" : "not ");
		assert_int_equal(id, ID);
	}
	tombstones_destroy(tombstones);
}

static const struct segment repeated_fin = { "a repeated FIN", CLIENT, SEG_FIN | SEG_ACK, 4999, 9000, 0, true };

static void it_is_forgotten_after_240_seconds_and_after_60_behind_a_reset(void **state)
{
	struct tombstones *tombstones = with_closed();
	struct flow reset = flow_number(HASH, ID + 1);
	uint64_t id;

	(void)state;
	assert_true(is_late(tombstones, &repeated_fin, CLOSED_AT + 239 * NS_PER_SEC, &id));
	assert_false(is_late(tombstones, &repeated_fin, CLOSED_AT + 240 * NS_PER_SEC, &id));
	assert_int_equal(id, 0);
	reset.conn.end[SIDE_SERVER].rst_sent = true;
	tombstones_add(tombstones, &reset, true, CLOSED_AT);
	assert_true(is_late(tombstones, &repeated_fin, CLOSED_AT + 59 * NS_PER_SEC, &id));
	assert_int_equal(id, ID + 1);
	assert_false(is_late(tombstones, &repeated_fin, CLOSED_AT + 60 * NS_PER_SEC, &id));
	tombstones_destroy(tombstones);
}

static void numbers_wrap(void **state)
{
	struct tombstones *tombstones = create(64 * 1024);
	struct flow flow = flow_number(HASH, ID);
	const struct segment before = { "", CLIENT, SEG_ACK, UINT32_MAX - 100, 9000, 100, true };
	const struct segment behind = { "", CLIENT, SEG_ACK, 3, 9000, 1, false };
	uint64_t id;

	(void)state;
	flow.conn.end[SIDE_CLIENT].snd_nxt = 3;
	tombstones_add(tombstones, &flow, true, CLOSED_AT);
	assert_true(is_late(tombstones, &before, CLOSED_AT, &id));
	assert_false(is_late(tombstones, &behind, CLOSED_AT, &id));
	tombstones_destroy(tombstones);
}

static void an_end_that_was_never_heard_has_no_numbers_to_compare(void **state)
{
	struct tombstones *tombstones = create(64 * 1024);
	struct flow flow = flow_number(HASH, ID);
	const struct segment refusal = { "", SERVER, SEG_RST | SEG_ACK, 0, 5000, 0, true };
	const struct segment of_another = { "", SERVER, SEG_RST | SEG_ACK, 0, 6000, 0, false };
	uint64_t id;

	(void)state;
	flow.conn.end[SIDE_SERVER].seq_known = false;
	tombstones_add(tombstones, &flow, true, CLOSED_AT);
	assert_true(is_late(tombstones, &refusal, CLOSED_AT, &id));
	assert_false(is_late(tombstones, &of_another, CLOSED_AT, &id));
	tombstones_destroy(tombstones);
}

static void a_connection_that_was_evicted_alive_goes_on(void **state)
{
	struct tombstones *tombstones = create(64 * 1024);
	const struct flow flow = flow_number(HASH, ID);
	uint64_t id;

	(void)state;
	tombstones_add(tombstones, &flow, false, CLOSED_AT);
	assert_false(is_late(tombstones, &repeated_fin, CLOSED_AT, &id));
	assert_int_equal(id, ID);
	tombstones_destroy(tombstones);
}

/* The client is the higher end of the key as often as the lower. */
static void ends_are_those_of_the_key(void **state)
{
	struct tombstones *tombstones = create(64 * 1024);
	struct flow flow = flow_number(HASH, ID);
	const struct segment from_client = { "", 1, SEG_FIN | SEG_ACK, 4999, 9000, 0, true };
	uint64_t id;

	(void)state;
	flow.client_index = 1;
	tombstones_add(tombstones, &flow, true, CLOSED_AT);
	assert_true(is_late(tombstones, &from_client, CLOSED_AT, &id));
	assert_false(is_late(tombstones, &repeated_fin, CLOSED_AT, &id));
	tombstones_destroy(tombstones);
}

/* Against an array: who is remembered is a matter of order alone, whatever the hashes. */
static void the_oldest_goes_first(void **state)
{
	struct tombstones *tombstones = create(16 * 1024);
	const struct tombstones_stats *stats = tombstones_get_stats(tombstones);
	const uint64_t n = 5000;
	const struct packet packet = { .flags = SEG_ACK, .seq = CLIENT_NEXT, .ack = SERVER_NEXT };

	(void)state;
	assert_true(stats->capacity > 300 && stats->capacity < 512);
	for (uint64_t id = 1; id <= n; id++) {
		/* A few bits only: chains are long, and those of equal low bits are told apart by the rest. */
		uint64_t hash = (id * UINT64_C(0x9e3779b97f4a7c15)) & UINT64_C(0xffffffff00000003);
		const struct flow flow = flow_number(hash, id);
		uint64_t found;
		tombstones_add(tombstones, &flow, true, CLOSED_AT);
		for (uint64_t back = 0; back < id && back < stats->capacity + 2; back++) {
			uint64_t old = ((id - back) * UINT64_C(0x9e3779b97f4a7c15)) & UINT64_C(0xffffffff00000003);
			bool late = tombstones_is_late(tombstones, old, CLIENT, &packet, CLOSED_AT, &found);
			assert_int_equal(late, back < stats->capacity);
			assert_int_equal(found, late ? id - back : 0);
		}
	}
	assert_int_equal(stats->created, n);
	assert_int_equal(stats->evicted, n - stats->capacity);
	tombstones_destroy(tombstones);
}

static void the_same_tuple_takes_no_second_place_among_those_found(void **state)
{
	struct tombstones *tombstones = create(16 * 1024);
	uint64_t id;

	(void)state;
	for (uint64_t i = 1; i <= 2000; i++) {
		const struct flow flow = flow_number(HASH, i);
		tombstones_add(tombstones, &flow, true, CLOSED_AT);
		assert_true(is_late(tombstones, &repeated_fin, CLOSED_AT, &id));
		assert_int_equal(id, i);
	}
	assert_int_equal(tombstones_get_stats(tombstones)->evicted, 0);
	tombstones_destroy(tombstones);
}

static void without_memory_nothing_is_remembered(void **state)
{
	struct tombstones *tombstones = create(0);
	const struct flow flow = flow_number(HASH, ID);
	struct tombstones_config config;
	struct error error;
	uint64_t id;

	(void)state;
	tombstones_add(tombstones, &flow, true, CLOSED_AT);
	assert_false(is_late(tombstones, &repeated_fin, CLOSED_AT, &id));
	tombstones_destroy(tombstones);
	tombstones_config_defaults(&config);
	config.memory_bytes = 1000;
	assert_null(tombstones_create(&config, &error));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_brings_nothing_new_is_late),
		cmocka_unit_test(it_is_forgotten_after_240_seconds_and_after_60_behind_a_reset),
		cmocka_unit_test(numbers_wrap),
		cmocka_unit_test(an_end_that_was_never_heard_has_no_numbers_to_compare),
		cmocka_unit_test(a_connection_that_was_evicted_alive_goes_on),
		cmocka_unit_test(ends_are_those_of_the_key),
		cmocka_unit_test(the_oldest_goes_first),
		cmocka_unit_test(the_same_tuple_takes_no_second_place_among_those_found),
		cmocka_unit_test(without_memory_nothing_is_remembered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
