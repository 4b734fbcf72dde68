/* SPDX-License-Identifier: BSD-2-Clause */
/* The bounded queue between two threads: its edges with one thread, then its ordering with two (meant for TSan too). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>

#include "tcpwitness/base/ring.h"

static void push(struct ring *ring, uint64_t value)
{
	uint64_t *record = ring_reserve(ring);

	assert_non_null(record);
	*record = value;
	ring_commit(ring);
}

static uint64_t pop(struct ring *ring)
{
	const uint64_t *record = ring_peek(ring);

	assert_non_null(record);
	uint64_t value = *record;
	ring_release(ring);
	return value;
}

static void test_capacity_is_rounded_up(void **state)
{
	static const size_t wanted_and_got[][2] = { { 0, 2 }, { 1, 2 }, { 2, 2 }, { 3, 4 }, { 64, 64 }, { 65, 128 } };

	(void)state;
	for (size_t i = 0; i < sizeof(wanted_and_got) / sizeof(wanted_and_got[0]); i++) {
		struct ring *ring = ring_create(wanted_and_got[i][0], sizeof(uint64_t));
		assert_int_equal(ring_capacity(ring), wanted_and_got[i][1]);
		assert_int_equal(ring_count(ring), 0);
		ring_destroy(ring);
	}
}

static void test_destroy_null(void **state)
{
	(void)state;
	ring_destroy(NULL);
}

static void test_empty_and_full(void **state)
{
	struct ring *ring = ring_create(4, sizeof(uint64_t));

	(void)state;
	assert_null(ring_peek(ring));
	for (uint64_t i = 0; i < 4; i++)
		push(ring, i);
	assert_int_equal(ring_count(ring), 4);
	assert_null(ring_reserve(ring));
	/* One given back makes room for one. */
	assert_int_equal(pop(ring), 0);
	push(ring, 4);
	assert_null(ring_reserve(ring));
	for (uint64_t i = 1; i <= 4; i++)
		assert_int_equal(pop(ring), i);
	assert_null(ring_peek(ring));
	assert_int_equal(ring_count(ring), 0);
	ring_destroy(ring);
}

static void test_reserved_record_is_hidden_until_commit(void **state)
{
	struct ring *ring = ring_create(4, sizeof(uint64_t));
	uint64_t *record = ring_reserve(ring);

	(void)state;
	*record = 7;
	assert_null(ring_peek(ring));
	assert_int_equal(ring_count(ring), 0);
	assert_ptr_equal(ring_reserve(ring), record);
	ring_commit(ring);
	assert_int_equal(ring_count(ring), 1);
	assert_int_equal(pop(ring), 7);
	ring_destroy(ring);
}

/* It looks at the producer's count only when it has read all that it knew of. */
static void test_the_consumer_knows_no_more_than_there_is(void **state)
{
	struct ring *ring = ring_create(4, sizeof(uint64_t));

	(void)state;
	assert_int_equal(ring_known_count(ring), 0);
	push(ring, 1);
	push(ring, 2);
	assert_int_equal(ring_known_count(ring), 0);
	assert_int_equal(pop(ring), 1);
	assert_int_equal(ring_known_count(ring), 1);
	push(ring, 3);
	assert_int_equal(ring_known_count(ring), 1);
	assert_int_equal(pop(ring), 2);
	assert_int_equal(pop(ring), 3);
	assert_int_equal(ring_known_count(ring), 0);
	ring_destroy(ring);
}

static void test_peeked_record_stays_until_release(void **state)
{
	struct ring *ring = ring_create(2, sizeof(uint64_t));

	(void)state;
	push(ring, 1);
	push(ring, 2);
	assert_ptr_equal(ring_peek(ring), ring_peek(ring));
	assert_int_equal(*(const uint64_t *)ring_peek(ring), 1);
	assert_int_equal(ring_count(ring), 2);
	assert_null(ring_reserve(ring));
	ring_release(ring);
	assert_int_equal(pop(ring), 2);
	ring_destroy(ring);
}

/* Record sizes that are no power of two lie beside each other without touching. */
static void test_odd_record_size(void **state)
{
	enum { N = 8, RECORD_BYTES = 7 };
	struct ring *ring = ring_create(N, RECORD_BYTES);

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < N; i++) {
			uint8_t *record = ring_reserve(ring);
			for (int j = 0; j < RECORD_BYTES; j++)
				record[j] = (uint8_t)(16 * i + j);
			ring_commit(ring);
		}
		for (int i = 0; i < N; i++) {
			const uint8_t *record = ring_peek(ring);
			for (int j = 0; j < RECORD_BYTES; j++)
				assert_int_equal(record[j], 16 * i + j);
			ring_release(ring);
		}
	}
	ring_destroy(ring);
}

/* Every fill level at every position, many times around. */
static void test_wraps_around_at_every_level(void **state)
{
	struct ring *ring = ring_create(8, sizeof(uint64_t));
	uint64_t next_in = 0;
	uint64_t next_out = 0;

	(void)state;
	for (uint64_t level = 1; level <= 8; level++) {
		for (int round = 0; round < 9; round++) {
			for (uint64_t i = 0; i < level; i++)
				push(ring, next_in++);
			assert_int_equal(ring_count(ring), level);
			for (uint64_t i = 0; i < level; i++)
				assert_int_equal(pop(ring), next_out++);
		}
	}
	ring_destroy(ring);
}

enum { N_RECORDS = 3000000, RECORD_WORDS = 5 };

/* What the record with this number holds: every word differs, so that a half-written record cannot pass. */
static uint64_t word_of(uint64_t number, uint64_t word)
{
	return (number * RECORD_WORDS + word + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

static void *produce(void *argument)
{
	struct ring *ring = argument;

	for (uint64_t number = 0; number < N_RECORDS;) {
		uint64_t *record = ring_reserve(ring);
		if (record == NULL) {
			sched_yield();
			continue;
		}
		for (uint64_t word = 0; word < RECORD_WORDS; word++)
			record[word] = word_of(number, word);
		ring_commit(ring);
		number++;
	}
	return NULL;
}

/* All records arrive whole and in order, although the ring is small and therefore often full and often empty. */
static void test_two_threads(void **state)
{
	struct ring *ring = ring_create(64, RECORD_WORDS * sizeof(uint64_t));
	uint64_t n_wrong = 0;
	uint64_t highest_count = 0;
	pthread_t producer;

	(void)state;
	assert_int_equal(pthread_create(&producer, NULL, produce, ring), 0);
	for (uint64_t number = 0; number < N_RECORDS;) {
		const uint64_t *record = ring_peek(ring);
		if (record == NULL) {
			sched_yield();
			continue;
		}
		for (uint64_t word = 0; word < RECORD_WORDS; word++)
			n_wrong += record[word] != word_of(number, word);
		uint64_t count = ring_count(ring);
		highest_count = count > highest_count ? count : highest_count;
		ring_release(ring);
		number++;
	}
	pthread_join(producer, NULL);
	assert_int_equal(n_wrong, 0);
	assert_in_range(highest_count, 1, ring_capacity(ring));
	assert_null(ring_peek(ring));
	ring_destroy(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_capacity_is_rounded_up),
		cmocka_unit_test(test_destroy_null),
		cmocka_unit_test(test_empty_and_full),
		cmocka_unit_test(test_reserved_record_is_hidden_until_commit),
		cmocka_unit_test(test_the_consumer_knows_no_more_than_there_is),
		cmocka_unit_test(test_peeked_record_stays_until_release),
		cmocka_unit_test(test_odd_record_size),
		cmocka_unit_test(test_wraps_around_at_every_level),
		cmocka_unit_test(test_two_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
