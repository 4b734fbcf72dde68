/* SPDX-License-Identifier: BSD-2-Clause */
/* The last segments of all connections: found while they are remembered, and never taken for those of another. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tcpwitness/tcp/recent_segments.h"

enum { OWNER = 0x1234, OTHER = 0x1236, SEQ = 1000 };

static struct recent_segments *create(size_t bytes)
{
	struct error error;
	struct recent_segments *recent = recent_segments_create(bytes, &error);

	assert_non_null(recent);
	return recent;
}

static struct packet segment(uint64_t time_ns, uint32_t hash, uint16_t ip_id)
{
	return (struct packet){ .time_ns = time_ns, .seq = SEQ, .payload_hash = hash, .ip_id = ip_id };
}

static void test_a_segment_is_found_by_all_that_names_it(void **state)
{
	struct recent_segments *recent = create(4096);
	struct recent_segment *set = recent_segments_set(recent, OWNER, SEQ);
	const struct packet packet = segment(5, 77, 3);
	const struct packet other_bytes = segment(6, 78, 3);
	const struct packet other_number = segment(6, 77, 4);

	(void)state;
	assert_null(recent_segments_find(set, OWNER, &packet));
	recent_segments_add(set, OWNER, &packet);
	assert_int_equal(recent_segments_find(set, OWNER, &packet)->time_ns, 5);
	assert_null(recent_segments_find(set, OTHER, &packet));
	assert_null(recent_segments_find(set, OWNER | 1, &packet));
	assert_null(recent_segments_find(set, OWNER, &other_bytes));
	assert_null(recent_segments_find(set, OWNER, &other_number));
	recent_segments_destroy(recent);
}

static void test_the_newest_of_several_is_found(void **state)
{
	struct recent_segments *recent = create(0);
	struct recent_segment *set = recent_segments_set(recent, OWNER, SEQ);

	(void)state;
	for (uint64_t time_ns = 10; time_ns <= 12; time_ns++) {
		const struct packet packet = segment(time_ns, 77, 3);
		recent_segments_add(set, OWNER, &packet);
	}
	const struct packet again = segment(20, 77, 3);
	assert_int_equal(recent_segments_find(set, OWNER, &again)->time_ns, 12);
	recent_segments_destroy(recent);
}

static void test_the_oldest_goes(void **state)
{
	struct recent_segments *recent = create(0);
	struct recent_segment *set = recent_segments_set(recent, OWNER, SEQ);

	(void)state;
	for (uint32_t i = 0; i <= RECENT_WAYS; i++) {
		const struct packet packet = segment(100 + i, 1 + i, 0);
		recent_segments_add(set, OWNER, &packet);
	}
	for (uint32_t i = 0; i <= RECENT_WAYS; i++) {
		const struct packet packet = segment(200, 1 + i, 0);
		assert_int_equal(recent_segments_find(set, OWNER, &packet) == NULL, i == 0);
	}
	recent_segments_destroy(recent);
}

static void test_segments_are_spread_over_all_sets(void **state)
{
	enum { SETS = 256, SEGMENTS = SETS * 16, MOST = 16 * 3 };
	struct recent_segments *recent = create(SETS * RECENT_WAYS * sizeof(struct recent_segment));
	const struct recent_segment *first = recent_segments_set(recent, 0, 0);
	unsigned counts[SETS] = { 0 };

	(void)state;
	for (uint32_t i = 0; i < SETS; i++) {
		const struct recent_segment *set = recent_segments_set(recent, i, 0);
		first = set < first ? set : first;
	}
	/* Numbers as a bulk transfer has them: far apart and regular. */
	for (uint32_t i = 0; i < SEGMENTS; i++)
		counts[(recent_segments_set(recent, OWNER, SEQ + i * 1448) - first) / RECENT_WAYS % SETS]++;
	for (unsigned i = 0; i < SETS; i++)
		assert_in_range(counts[i], 0, MOST);
	recent_segments_destroy(recent);
}

static void test_a_copy_holds_what_the_first_held(void **state)
{
	struct recent_segments *from = create(0);
	struct recent_segments *to = create(4096);
	const struct packet packet = segment(5, 77, 3);

	(void)state;
	recent_segments_add(recent_segments_set(from, OWNER, SEQ), OWNER, &packet);
	recent_segments_copy(to, from);
	assert_non_null(recent_segments_find(recent_segments_set(to, OWNER, SEQ), OWNER, &packet));
	recent_segments_clear(to);
	assert_null(recent_segments_find(recent_segments_set(to, OWNER, SEQ), OWNER, &packet));
	recent_segments_destroy(from);
	recent_segments_destroy(to);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_segment_is_found_by_all_that_names_it),
		cmocka_unit_test(test_the_newest_of_several_is_found),
		cmocka_unit_test(test_the_oldest_goes),
		cmocka_unit_test(test_segments_are_spread_over_all_sets),
		cmocka_unit_test(test_a_copy_holds_what_the_first_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
