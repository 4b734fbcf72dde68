/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Summaries as bytes: what is written is read again, and whatever is wrong with bytes has a name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "summary_wire.h"

#define START_NS (UINT64_C(1795132800) * NS_PER_SEC)

static const struct ip_addr web = { .version = 4, .bytes = { 203, 0, 113, 5 } };

static void add_connections(struct merged_summary *whole, uint64_t n)
{
	struct flow_signal signal = { .server = web, .server_port = 443, .ttl = 64, .now_ns = START_NS };
	struct summary *summary = &whole->summary;

	for (uint64_t i = 0; i < n; i++) {
		uint64_t at_ns = START_NS + i * 10 * NS_PER_MS;
		signal.flow_id = i + 1;
		signal.client = (struct ip_addr){ .version = 4, .bytes = { 10, 0, (uint8_t)(i >> 8), (uint8_t)i } };
		const struct summary_hashes hashes = summary_hashes_of(&signal, summary_address_hash(&signal.client),
								       summary_address_hash(&signal.server));
		summary_crowd_add(summary_crowd_at(summary->crowds[CROWD_TRYING], at_ns), SUMMARY_SERVICE, &signal,
				  &hashes);
	}
}

/* A service with every part that a service can have. */
static void fill(struct merged_summary *whole)
{
	struct summary *summary = &whole->summary;

	memset(whole, 0, sizeof(*whole));
	summary->since_ns = START_NS;
	summary_begin_slots(summary, whole->slots);
	summary_begin_ages(summary, &whole->ages);
	summary->held = &whole->held;
	summary->crowds[CROWD_TRYING] = merged_summary_begin_crowds(whole, CROWD_TRYING);
	for (uint64_t i = 0; i < 500; i++) {
		uint64_t at_ns = START_NS + i * 10 * NS_PER_MS;
		summary_count(summary, SUMMARY_ATTEMPTS, at_ns);
		summary_count_recent(summary, 1, 0, at_ns);
		summary_count_age(summary, GAUGE_UNSPOKEN, i % 3 == 0 ? -1 : 1, at_ns);
		summary_count_handshake(summary, i * NS_PER_MS);
		summary->latest_ns = at_ns;
	}
	add_connections(whole, 500);
	summary_held_move(summary->held, 0, START_NS + NS_PER_SEC, START_NS);
}

static uint8_t *write(const struct merged_summary *whole, size_t *n_bytes)
{
	const struct summary_key key = summary_key_service(&web, 443);
	uint8_t *bytes = malloc(summary_wire_max_bytes());

	assert_non_null(bytes);
	*n_bytes = summary_wire_write(&key, 7, &whole->summary, bytes, summary_wire_max_bytes());
	assert_true(*n_bytes > 0);
	return bytes;
}

static void test_what_is_written_is_read(void **state)
{
	static struct merged_summary whole;
	static struct summary_wire wire;
	const struct summary_key key = summary_key_service(&web, 443);
	size_t n;

	(void)state;
	fill(&whole);
	uint8_t *bytes = write(&whole, &n);
	assert_int_equal(summary_wire_read(bytes, n, &wire), SUMMARY_WIRE_OK);
	assert_int_equal(wire.n_bytes, n);
	assert_int_equal(wire.version, 7);
	assert_memory_equal(&wire.key, &key, sizeof(key));
	assert_memory_equal(wire.parts.summary.totals, whole.summary.totals, sizeof(whole.summary.totals));
	assert_memory_equal(wire.parts.summary.handshakes, whole.summary.handshakes, sizeof(whole.summary.handshakes));
	assert_memory_equal(&wire.parts.summary.recent, &whole.summary.recent, sizeof(whole.summary.recent));
	assert_memory_equal(wire.parts.slots, whole.slots, sizeof(whole.slots));
	assert_memory_equal(&wire.parts.ages, &whole.ages, sizeof(whole.ages));
	assert_memory_equal(&wire.parts.held, &whole.held, sizeof(whole.held));
	const struct summary_crowd *crowd = &whole.crowds[CROWD_TRYING].spans[0];
	const struct summary_crowd *crowd_read = &wire.parts.crowds[CROWD_TRYING].spans[0];
	assert_int_equal(crowd_read->connections, crowd->connections);
	assert_int_equal(crowd_read->n_sampled, SUMMARY_SAMPLE);
	for (unsigned rank = 0; rank < SUMMARY_SAMPLE; rank++) {
		const struct summary_sampled *sampled = summary_crowd_sampled(crowd, rank);
		const struct summary_sampled *sampled_read = summary_crowd_sampled(crowd_read, rank);
		assert_int_equal(sampled_read->flow_id, sampled->flow_id);
		assert_true(ip_addr_equal(&sampled_read->client, &sampled->client));
		assert_int_equal(sampled_read->ttl, sampled->ttl);
	}
	uint8_t *again = malloc(n);
	assert_non_null(again);
	assert_int_equal(summary_wire_write(&key, 7, &wire.parts.summary, again, n), n);
	assert_memory_equal(again, bytes, n);
	free(again);
	assert_null(wire.parts.summary.crowds[CROWD_FAILING]);
	assert_null(wire.parts.summary.ports);
	/* Several may stand behind each other. */
	uint8_t *two = malloc(2 * n);
	assert_non_null(two);
	memcpy(two, bytes, n);
	memcpy(two + n, bytes, n);
	assert_int_equal(summary_wire_read(two, 2 * n, &wire), SUMMARY_WIRE_OK);
	assert_int_equal(wire.n_bytes, n);
	free(two);
	free(bytes);
}

static void test_no_room(void **state)
{
	static struct merged_summary whole;
	const struct summary_key key = summary_key_service(&web, 443);
	size_t n;

	(void)state;
	fill(&whole);
	uint8_t *bytes = write(&whole, &n);
	assert_int_equal(summary_wire_write(&key, 7, &whole.summary, bytes, n - 1), 0);
	assert_int_equal(summary_wire_write(&key, 7, &whole.summary, bytes, n), n);
	free(bytes);
}

/* Cut anywhere, it is no summary, and nothing behind the cut is read (the allocation ends there). */
static void test_cut_short(void **state)
{
	static struct merged_summary whole;
	static struct summary_wire wire;
	size_t n;

	(void)state;
	fill(&whole);
	uint8_t *bytes = write(&whole, &n);
	for (size_t length = 0; length < n; length += length < 1200 ? 1 : 97) {
		uint8_t *cut = malloc(length + 1);
		assert_non_null(cut);
		memcpy(cut, bytes, length);
		assert_int_equal(summary_wire_read(cut, length, &wire), SUMMARY_WIRE_TOO_SHORT);
		free(cut);
	}
	free(bytes);
}

static void assert_refused(const uint8_t *bytes, size_t n, size_t at, uint8_t value, enum summary_wire_result result)
{
	static struct summary_wire wire;
	uint8_t *changed = malloc(n);

	assert_non_null(changed);
	memcpy(changed, bytes, n);
	changed[at] = value;
	assert_int_equal(summary_wire_read(changed, n, &wire), result);
	free(changed);
}

static void test_what_is_wrong_has_a_name(void **state)
{
	enum { FORMAT = 4, PARTS = 6, LENGTH = 8, VERSION = 12, KEY = 20, KIND = KEY + 36, COUNTERS = KEY + 38 + 32 };
	static struct merged_summary whole;
	size_t n;

	(void)state;
	fill(&whole);
	uint8_t *bytes = write(&whole, &n);
	assert_refused(bytes, n, 0, 'X', SUMMARY_WIRE_BAD_MAGIC);
	assert_refused(bytes, n, FORMAT, 99, SUMMARY_WIRE_BAD_FORMAT);
	assert_refused(bytes, n, LENGTH + 3, 99, SUMMARY_WIRE_TOO_SHORT);
	assert_refused(bytes, n, LENGTH + 1, 0, SUMMARY_WIRE_BAD_LENGTH);
	assert_refused(bytes, n, KEY, 5, SUMMARY_WIRE_BAD_KEY);
	assert_refused(bytes, n, KEY + 12, 1, SUMMARY_WIRE_BAD_KEY);
	assert_refused(bytes, n, KIND, 77, SUMMARY_WIRE_BAD_KEY);
	assert_refused(bytes, n, COUNTERS, 1, SUMMARY_WIRE_BAD_COUNTERS);
	/* Ports are a part of pairs only; the highest bits are no parts at all. */
	assert_refused(bytes, n, PARTS, (uint8_t)(bytes[PARTS] | 8), SUMMARY_WIRE_BAD_PART);
	assert_refused(bytes, n, PARTS + 1, 0x80, SUMMARY_WIRE_BAD_PART);
	/* A part less than there is. */
	assert_refused(bytes, n, PARTS, (uint8_t)(bytes[PARTS] & ~4), SUMMARY_WIRE_BAD_LENGTH);
	/* The last byte belongs to the sample's last ISN: any value will do. In the registers not. */
	enum { SAMPLED = 8 + 8 + 17 + 17 + 2 + 2 + 2 + 1 + 4 + 4 };
	size_t registers = n - SUMMARY_SAMPLE * SAMPLED - 1;
	assert_refused(bytes, n, n - 1, 0xff, SUMMARY_WIRE_OK);
	assert_refused(bytes, n, registers, 0xff, SUMMARY_WIRE_BAD_VALUE);
	free(bytes);
	for (int i = 0; i < SUMMARY_WIRE_RESULTS; i++)
		assert_true(strlen(summary_wire_result_name((enum summary_wire_result)i)) > 1);
}

/* Behind those that are in a sample there is nobody. */
static void test_samples_of_few(void **state)
{
	static struct merged_summary whole;
	enum { ISN_BYTES = 4 };
	size_t n;

	(void)state;
	memset(&whole, 0, sizeof(whole));
	whole.summary.crowds[CROWD_TRYING] = merged_summary_begin_crowds(&whole, CROWD_TRYING);
	add_connections(&whole, 3);
	uint8_t *bytes = write(&whole, &n);
	assert_refused(bytes, n, 0, bytes[0], SUMMARY_WIRE_OK);
	assert_refused(bytes, n, n - ISN_BYTES, 1, SUMMARY_WIRE_BAD_VALUE);
	free(bytes);
}

static void test_newer_replaces_older(void **state)
{
	static struct merged_summary whole;
	const struct summary_table_config config = { .memory_bytes = 1 << 20, .secret = { 1, 2 }, .n_tables = 1 };
	struct summary_table *table = summary_table_create(&config, NULL);
	const struct summary_key key = summary_key_service(&web, 443);
	struct summary_record *const *candidates;

	(void)state;
	assert_non_null(table);
	fill(&whole);
	assert_true(summary_table_put(table, &key, 5, &whole.summary));
	const struct summary *kept = &summary_table_find(table, &key)->summary;
	assert_int_equal(kept->totals[SUMMARY_ATTEMPTS], 500);
	assert_memory_equal(kept->slots, whole.slots, sizeof(whole.slots));
	assert_ptr_not_equal(kept->slots, whole.slots);
	/* It is a source like any other: what is busy there is offered here. */
	assert_int_equal(summary_table_candidates(table, &candidates), 1);
	whole.summary.totals[SUMMARY_ATTEMPTS] = 600;
	assert_false(summary_table_put(table, &key, 5, &whole.summary));
	assert_false(summary_table_put(table, &key, 4, &whole.summary));
	assert_int_equal(kept->totals[SUMMARY_ATTEMPTS], 500);
	assert_true(summary_table_put(table, &key, 6, &whole.summary));
	assert_int_equal(kept->totals[SUMMARY_ATTEMPTS], 600);
	summary_table_destroy(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_written_is_read),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_cut_short),
		cmocka_unit_test(test_what_is_wrong_has_a_name),
		cmocka_unit_test(test_samples_of_few),
		cmocka_unit_test(test_newer_replaces_older),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
