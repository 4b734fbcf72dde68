/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which keys become hot and which do not, over one table and over several.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "attention.h"

#define START_NS (UINT64_C(1795132800) * NS_PER_SEC)
#define TICK_NS  (100 * NS_PER_MS)

struct world {
	struct summary_set set; /* this sensor's only part, and other sensors */
	struct merged_summary merged;
	struct watch_set watches;
	struct attention attention;
	uint64_t now_ns;
};

static struct world *world_create(size_t n_tables, size_t memory_bytes)
{
	const struct siphash_key secret = { 1, 2 };
	struct world *world = calloc(1, sizeof(*world));
	const struct summary_table_config config = { .memory_bytes = memory_bytes,
						     .secret = secret,
						     .n_tables = (unsigned)n_tables };

	assert_non_null(world);
	world->set.n_parts = 1;
	world->set.n_tables = n_tables;
	world->now_ns = START_NS;
	for (size_t i = 0; i < n_tables; i++) {
		world->set.tables[i] = summary_table_create(&config, NULL);
		assert_non_null(world->set.tables[i]);
	}
	assert_int_equal(watch_set_init(&world->watches, NULL, 0, 1 << 20, &secret), 0);
	assert_int_equal(attention_init(&world->attention, &world->watches, &world->set, &world->merged, 1 << 16), 0);
	return world;
}

static void world_destroy(struct world *world)
{
	attention_fini(&world->attention);
	watch_set_fini(&world->watches);
	for (size_t i = 0; i < world->set.n_tables; i++)
		summary_table_destroy(world->set.tables[i]);
	free(world);
}

static struct ip_addr host(unsigned number)
{
	return (struct ip_addr){ .version = 4, .bytes = { 203, 0, (uint8_t)(number >> 8), (uint8_t)number } };
}

/* Attempts on a service, each told by another table. */
static void try(struct world *world, unsigned number, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const struct flow_signal signal = {
			.kind = SIGNAL_ATTEMPT,
			.client = { .version = 4, .bytes = { 10, 0, 0, (uint8_t)i } },
			.server = host(number),
			.server_port = 443,
			.flow_id = world->now_ns + i,
			.now_ns = world->now_ns,
			.since_ns = world->now_ns,
		};
		summary_table_signal(world->set.tables[i % world->set.n_tables], &signal);
	}
}

static void tick(struct world *world)
{
	struct watch *next;

	world->now_ns += TICK_NS;
	attention_adopt(&world->attention, world->now_ns);
	for (int kind = 0; kind < SUMMARY_SENSOR; kind++) {
		for (struct watch *watch = watch_first(&world->watches, (enum summary_kind)kind); watch != NULL;
		     watch = next) {
			next = watch_next(&world->watches, watch);
			attention_renew(&world->attention, watch,
					merged_summary_of(&world->merged, &world->set, &watch->key), world->now_ns);
		}
	}
}

static struct watch *service(struct world *world, unsigned number)
{
	const struct ip_addr ip = host(number);
	const struct summary_key key = summary_key_service(&ip, 443);

	return watch_find(&world->watches, &key);
}

/* Seven attempts are not enough and eight are, whether one tracker sees them all or each sees one. */
static void test_enough_is_enough_over_all_tables(void **state)
{
	static const size_t n_tables[] = { 1, 3, 8 };

	(void)state;
	for (size_t i = 0; i < sizeof(n_tables) / sizeof(n_tables[0]); i++) {
		struct world *world = world_create(n_tables[i], 1 << 20);
		try(world, 1, 7);
		try(world, 2, 8);
		tick(world);
		assert_null(service(world, 1));
		assert_non_null(service(world, 2));
		assert_true(service(world, 2)->is_hot);
		try(world, 1, 1);
		tick(world);
		assert_true(service(world, 1)->is_hot);
		world_destroy(world);
	}
}

/* In the order of the ticks, and within one tick of what happens; never of hashes. */
static void test_the_order_of_becoming_hot(void **state)
{
	struct world *world = world_create(1, 1 << 20);

	(void)state;
	try(world, 9, 8);
	tick(world);
	try(world, 5, 8);
	try(world, 7, 12);
	try(world, 3, 8);
	tick(world);
	static const uint8_t expected[] = { 9, 7, 3, 5 };
	const struct watch *watch = watch_first(&world->watches, SUMMARY_SERVICE);
	for (size_t i = 0; i < sizeof(expected); i++, watch = watch_next(&world->watches, watch)) {
		assert_non_null(watch);
		assert_int_equal(watch->key.ip.bytes[3], expected[i]);
	}
	assert_null(watch);
	world_destroy(world);
}

static void test_what_is_calm_cools_down(void **state)
{
	struct world *world = world_create(2, 1 << 20);

	(void)state;
	try(world, 1, 20);
	tick(world);
	assert_int_equal(service(world, 1)->attention, ATTENTION_CROWDS);
	for (int i = 0; i < 170; i++)
		tick(world);
	/* The watch remembers, for when it comes again. */
	assert_false(service(world, 1)->is_hot);
	try(world, 1, 20);
	tick(world);
	assert_true(service(world, 1)->is_hot);
	world_destroy(world);
}

/* Many busy services use all crowds; the one that becomes busy now gets some all the same. */
static void test_usual_traffic_gives_up_its_crowds(void **state)
{
	struct world *world = world_create(1, 1 << 20);

	(void)state;
	for (int i = 0; i < 400; i++) {
		for (unsigned number = 1; number <= 40; number++)
			if (i % 10 == 0)
				try(world, number, 6);
		tick(world);
	}
	for (int i = 0; i < 10; i++) {
		try(world, 99, 20);
		tick(world);
	}
	const struct summary_key key = service(world, 99)->key;
	assert_non_null(summary_crowd_now(&summary_table_find(world->set.tables[0], &key)->summary, CROWD_TRYING,
					  world->now_ns - 1));
	world_destroy(world);
}

/* More busy services than can be watched, and then one that is flooded. */
static void test_a_flood_takes_the_place_of_the_least(void **state)
{
	struct world *world = world_create(1, 8 << 20);
	size_t max_hot = world->watches.kinds[SUMMARY_SERVICE].max_hot = 30;

	(void)state;
	for (unsigned number = 1; number <= max_hot + 20; number++)
		try(world, number, number == 5 ? 8 : 9);
	tick(world);
	assert_int_equal(world->watches.kinds[SUMMARY_SERVICE].n_hot, max_hot);
	try(world, 5000, 20);
	tick(world);
	assert_null(service(world, 5000));
	try(world, 5000, 40);
	tick(world);
	assert_true(service(world, 5000)->is_hot);
	assert_int_equal(world->watches.kinds[SUMMARY_SERVICE].n_hot, max_hot);
	assert_true(world->attention.n_refused > 20);
	world_destroy(world);
}

/* Several that come at once displace as many, in the order of what happens to these; and nobody who is in trouble. */
static void test_those_who_go_go_in_order(void **state)
{
	struct world *world = world_create(1, 8 << 20);
	struct watch_kind *services = &world->watches.kinds[SUMMARY_SERVICE];

	(void)state;
	services->max_hot = 8;
	for (unsigned number = 1; number <= 8; number++)
		try(world, number, number == 7 ? 30 : 20 - number);
	tick(world);
	services->hot[service(world, 8)->hot_place].is_troubled = true;
	for (unsigned number = 101; number <= 104; number++)
		try(world, number, 60);
	tick(world);
	/* Sixty are more than four times fourteen, not fifteen; and who has only twelve is in trouble. */
	assert_false(service(world, 6)->is_hot);
	assert_true(service(world, 8)->is_hot);
	assert_true(service(world, 7)->is_hot);
	assert_true(service(world, 5)->is_hot);
	assert_true(service(world, 101)->is_hot);
	assert_null(service(world, 102));
	assert_int_equal(services->n_hot, 8);
	for (unsigned number = 102; number <= 104; number++)
		try(world, number, 10);
	tick(world);
	assert_true(service(world, 102)->is_hot);
	assert_true(service(world, 103)->is_hot);
	assert_true(service(world, 104)->is_hot);
	for (unsigned number = 3; number <= 6; number++)
		assert_false(service(world, number)->is_hot);
	assert_true(service(world, 1)->is_hot);
	assert_true(service(world, 2)->is_hot);
	world_destroy(world);
}

/* Of many more than there is room for, of services and of hosts, the heaviest are taken, and all others counted. */
static void test_the_heaviest_of_many(void **state)
{
	enum { NEWCOMERS = 300, ROOM = 40 };
	struct world *world = world_create(1, 8 << 20);

	(void)state;
	world->watches.kinds[SUMMARY_SERVICE].max_hot = ROOM;
	world->watches.kinds[SUMMARY_HOST].max_hot = 2 * ROOM;
	/* In an order that has nothing to do with their weight. */
	for (unsigned i = 0; i < NEWCOMERS; i++)
		try(world, 1 + i, 8 + i * 7 % NEWCOMERS);
	tick(world);
	for (unsigned i = 0; i < NEWCOMERS; i++) {
		const struct ip_addr ip = host(1 + i);
		const struct summary_key key = summary_key_host(&ip);
		unsigned heavier = NEWCOMERS - 1 - i * 7 % NEWCOMERS;
		assert_int_equal(service(world, 1 + i) != NULL, heavier < ROOM);
		assert_int_equal(watch_find(&world->watches, &key) != NULL, heavier < 2 * ROOM);
	}
	uint64_t n_prefixes = 2;
	assert_true(world->attention.n_refused >= 2 * NEWCOMERS - 3 * ROOM);
	assert_true(world->attention.n_refused <= 2 * NEWCOMERS - 3 * ROOM + n_prefixes);
	world_destroy(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_enough_is_enough_over_all_tables),
		cmocka_unit_test(test_the_order_of_becoming_hot),
		cmocka_unit_test(test_what_is_calm_cools_down),
		cmocka_unit_test(test_usual_traffic_gives_up_its_crowds),
		cmocka_unit_test(test_a_flood_takes_the_place_of_the_least),
		cmocka_unit_test(test_those_who_go_go_in_order),
		cmocka_unit_test(test_the_heaviest_of_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
