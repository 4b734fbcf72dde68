/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the table finds, and whom it gives up when it is full.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bounded_table.h"

struct item {
	struct bounded_entry entry;
	uint64_t key;
	uint64_t value;
};

enum { ITEMS = 100 };

static uint64_t forgotten;
static unsigned n_forgotten;

static void note_forgotten(void *context, void *entry)
{
	(void)context;
	forgotten = ((struct item *)entry)->key;
	n_forgotten++;
}

static int setup(void **state)
{
	n_forgotten = 0;
	*state = bounded_table_create(sizeof(struct item), sizeof(uint64_t),
				      bounded_table_bytes(ITEMS, sizeof(struct item)), note_forgotten, NULL);
	return *state == NULL;
}

static int teardown(void **state)
{
	bounded_table_destroy(*state);
	return 0;
}

/* A bad hash on purpose: chains must work. */
static uint64_t hash_of(uint64_t key)
{
	return key % 7;
}

static struct item *find(struct bounded_table *table, uint64_t key)
{
	return bounded_table_find(table, hash_of(key), &key);
}

static struct item *insert(struct bounded_table *table, uint64_t key)
{
	return bounded_table_insert(table, hash_of(key), &key);
}

static void fill(struct bounded_table *table)
{
	for (uint64_t key = 1; key <= ITEMS; key++)
		insert(table, key)->value = 10 * key;
}

static void test_capacity_is_what_the_memory_holds(void **state)
{
	assert_int_equal(bounded_table_capacity(*state), ITEMS);
	assert_null(bounded_table_create(sizeof(struct item), sizeof(uint64_t), 64, NULL, NULL));
}

static void test_finds_what_was_inserted(void **state)
{
	struct bounded_table *table = *state;

	fill(table);
	for (uint64_t key = 1; key <= ITEMS; key++)
		assert_int_equal(find(table, key)->value, 10 * key);
	assert_null(find(table, ITEMS + 1));
	assert_int_equal(bounded_table_count(table), ITEMS);
	assert_int_equal(n_forgotten, 0);
}

static void test_gives_up_the_longest_unused(void **state)
{
	struct bounded_table *table = *state;

	fill(table);
	bounded_table_touch(table, find(table, 1), KEEP_LEAST);
	struct item *newcomer = insert(table, 1000);
	assert_int_equal(newcomer->value, 0);
	assert_int_equal(forgotten, 2);
	assert_null(find(table, 2));
	assert_int_equal(find(table, 1)->value, 10);
	assert_ptr_equal(find(table, 1000), newcomer);
}

static void test_gives_up_the_least_worth_first(void **state)
{
	struct bounded_table *table = *state;

	fill(table);
	for (uint64_t key = 1; key <= ITEMS; key++)
		bounded_table_touch(table, find(table, key),
				    key <= 50   ? KEEP_LAST
				    : key <= 99 ? KEEP_LONGER
						: KEEP_LEAST);
	insert(table, 1001);
	assert_int_equal(forgotten, 100);
	bounded_table_touch(table, find(table, 1001), KEEP_PINNED);
	insert(table, 1002);
	assert_int_equal(forgotten, 51);
}

static void test_never_gives_up_the_pinned(void **state)
{
	struct bounded_table *table = *state;

	fill(table);
	for (uint64_t key = 1; key <= ITEMS; key++)
		bounded_table_touch(table, find(table, key), KEEP_PINNED);
	assert_null(insert(table, 1000));
	bounded_table_touch(table, find(table, 33), KEEP_LEAST);
	assert_non_null(insert(table, 1000));
	assert_int_equal(forgotten, 33);
}

static void test_a_long_life(void **state)
{
	struct bounded_table *table = *state;
	uint64_t random = 88172645463325252u;

	for (int i = 0; i < 100000; i++) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		uint64_t key = random % 300;
		struct item *item = find(table, key);
		if (item == NULL) {
			item = insert(table, key);
			item->value = ~key;
		}
		assert_int_equal(item->key, key);
		assert_int_equal(item->value, ~key);
		bounded_table_touch(table, item, (enum bounded_keep)((random >> 40) % KEEP_PINNED));
	}
	assert_int_equal(bounded_table_count(table), ITEMS);
}

struct long_item {
	struct bounded_entry entry;
	uint8_t key[40];
};

/* Of keys of any length, each byte counts, and nothing behind the last. */
static void test_each_byte_of_a_key_counts(void **state)
{
	(void)state;
	for (size_t key_bytes = 1; key_bytes < 40; key_bytes++) {
		uint8_t key[40] = { 0 };
		struct bounded_table *table =
			bounded_table_create(sizeof(struct long_item), key_bytes,
					     bounded_table_bytes(2, sizeof(struct long_item)), NULL, NULL);
		void *item = bounded_table_insert(table, 1, key);
		assert_non_null(item);
		for (size_t i = 0; i < sizeof(key); i++) {
			key[i] = 1;
			assert_ptr_equal(bounded_table_find(table, 1, key), i < key_bytes ? NULL : item);
			key[i] = 0;
		}
		bounded_table_destroy(table);
	}
}

/* What is only expected is not there, and nothing is given up for it. */
static void test_expecting_changes_nothing(void **state)
{
	struct bounded_table *table = *state;

	bounded_table_expect(table, 1);
	bounded_table_expect_entry(table, 1);
	assert_int_equal(bounded_table_count(table), 0);
	for (uint64_t key = 0; key < ITEMS; key++)
		assert_non_null(bounded_table_insert(table, hash_of(key), &key));
	bounded_table_expect_entry(table, 1);
	assert_int_equal(n_forgotten, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_capacity_is_what_the_memory_holds), TEST(test_finds_what_was_inserted),
		TEST(test_gives_up_the_longest_unused),       TEST(test_gives_up_the_least_worth_first),
		TEST(test_never_gives_up_the_pinned),         TEST(test_a_long_life),
		TEST(test_expecting_changes_nothing),         cmocka_unit_test(test_each_byte_of_a_key_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
