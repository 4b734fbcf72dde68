/* SPDX-License-Identifier: BSD-2-Clause */
/* One behaviour of the flow table a test; random operations against a model are in test_flow_table_model.c. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>

/* Allocations of the table are counted; fail_mapping makes memory short. */
static unsigned n_allocations;
static size_t mapped_bytes;
static bool fail_mapping;

static void *counted_calloc(size_t n, size_t bytes)
{
	n_allocations++;
	return calloc(n, bytes);
}

static void *counted_mmap(void *address, size_t bytes, int protection, int flags, int fd, long offset)
{
	n_allocations++;
	mapped_bytes += bytes;
	if (fail_mapping) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return mmap(address, bytes, protection, flags, fd, offset);
}

static int counted_munmap(void *memory, size_t bytes)
{
	mapped_bytes -= bytes;
	return munmap(memory, bytes);
}

#define calloc counted_calloc
#define mmap   counted_mmap
#define munmap counted_munmap
#include "flow_sort.c"
#include "flow_table.c"
#include "lazy_memory.c"
#include "slot_arena.c"
#undef calloc
#undef mmap
#undef munmap

#include "flow_table_check.h"

#define SECONDS(n) ((n)*NS_PER_SEC)

enum { SMALL_BYTES = 64 * 1024 };

static const struct flow_key_config keys = { .secret = { 3, 4 } };

/* Evicted flows by id, in order. */
struct evicted {
	uint64_t ids[64];
	unsigned n;
};

static void note_evicted(void *context, struct flow *flow)
{
	struct evicted *evicted = context;

	evicted->ids[evicted->n++ % 64] = flow->id;
}

static struct flow_table *create_table(size_t memory_bytes, struct evicted *evicted)
{
	struct flow_table_config config;
	struct error error;
	struct flow_table *table;

	flow_table_config_defaults(&config);
	config.memory_bytes = memory_bytes;
	table = flow_table_create(&config, evicted != NULL ? note_evicted : NULL, evicted, &error);
	assert_non_null(table);
	return table;
}

/* The n-th of many connections. */
static struct flow_key key_number(uint32_t n)
{
	struct flow_key key = { .port = { 80, (uint16_t)n }, .ip_version = 4 };

	memcpy(key.addr[1], &n, sizeof(n));
	return key;
}

static struct flow *insert(struct flow_table *table, uint32_t n, enum flow_class flow_class, uint64_t now_ns)
{
	struct flow_key key = key_number(n);

	flow_table_close(table);
	struct flow *flow = flow_table_insert(table, &key, flow_key_hash(&keys, &key), flow_class, now_ns);
	if (flow == NULL)
		return NULL;
	flow->id = n;
	make_typical(flow);
	flow_table_close(table);
	return flow_table_find(table, &key, flow_key_hash(&keys, &key));
}

/* Pointers that were given before are dead afterwards. */
static struct flow *find(struct flow_table *table, uint32_t n)
{
	struct flow_key key = key_number(n);

	flow_table_close(table);
	return flow_table_find(table, &key, flow_key_hash(&keys, &key));
}

/* A segment of the flow came at now_ns. */
static void touch(struct flow_table *table, struct flow *flow, enum flow_class flow_class, uint64_t now_ns)
{
	flow_table_touch(table, flow, flow_class, now_ns);
	make_typical(flow);
}

static void test_finds_what_was_inserted(void **state)
{
	struct flow_table *table = create_table(SMALL_BYTES, NULL);
	struct flow *flow;

	(void)state;
	assert_null(find(table, 1));
	insert(table, 1, FLOW_CLASS_UNANSWERED_NEW, SECONDS(5));
	assert_null(find(table, 2));
	flow = find(table, 1);
	assert_non_null(flow);
	struct flow_key key = key_number(1);
	assert_ptr_equal(flow_table_find(table, &key, flow_key_hash(&keys, &key)), flow);
	assert_int_equal(flow->flow_class, FLOW_CLASS_UNANSWERED_NEW);
	assert_int_equal(flow->touched_ns, SECONDS(5));
	flow_table_remove(table, flow);
	assert_null(find(table, 1));
	check_flow_table(table);
	flow_table_destroy(table);
}

static struct flow *adopt(struct flow_table *table, uint32_t n, uint64_t id, uint64_t touched_ns)
{
	struct flow image = { .key = key_number(n), .id = id, .last_ns = n };

	image.hash = flow_key_hash(&keys, &image.key);
	flow_table_close(table);
	return flow_table_adopt(table, &image, FLOW_CLASS_UNANSWERED, touched_ns);
}

/* A flow that lived elsewhere takes the place in its queue that it would have had here. */
static void test_adopted_flows_expire_in_the_order_of_their_age(void **state)
{
	/* Ids 1 to 9, touched at 1, 1, 2, 2, ...; in the order in which they are taken over. */
	static const uint32_t order[] = { 5, 2, 9, 1, 8, 4, 3, 7, 6 };
	struct flow_table *table = create_table(256 * 1024, NULL);
	struct flow *flow;

	(void)state;
	insert(table, 100, FLOW_CLASS_ESTABLISHED, SECONDS(20));
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		flow = adopt(table, order[i], order[i], SECONDS((order[i] + 1) / 2));
		flow = find(table, order[i]);
		assert_non_null(flow);
		assert_int_equal(flow->last_ns, order[i]);
		assert_int_equal(flow->touched_ns, SECONDS((order[i] + 1) / 2));
		check_flow_table(table);
	}
	for (uint64_t id = 1; id <= 9; id++) {
		flow = flow_table_next_expired(table, SECONDS(134 + (id + 1) / 2));
		assert_non_null(flow);
		assert_int_equal(flow->id, id);
		flow_table_remove(table, flow);
	}
	assert_null(flow_table_next_expired(table, SECONDS(140)));
	flow_table_destroy(table);
}

/* Senders choose the order: far from the tail a flow counts as younger than it is, and the queue stays in order. */
static void test_the_search_for_an_adopted_flows_place_is_bounded(void **state)
{
	struct flow_table *table = create_table(1024 * 1024, NULL);
	struct flow *flow;

	(void)state;
	for (uint32_t n = 1; n <= 100; n++)
		insert(table, n, FLOW_CLASS_UNANSWERED, SECONDS(10 + n));
	flow = adopt(table, 200, 200, SECONDS(1));
	assert_int_equal(flow->touched_ns, SECONDS(10 + 36)); /* 64 are younger */
	check_flow_table(table);
	flow = adopt(table, 201, 201, SECONDS(10 + 90));
	assert_int_equal(flow->touched_ns, SECONDS(10 + 90));
	check_flow_table(table);
	flow_table_destroy(table);
}

static void test_an_adopted_flow_evicts_as_a_newcomer_does(void **state)
{
	struct evicted evicted = { .n = 0 };
	struct flow_table *table = create_table(SMALL_BYTES, &evicted);
	uint32_t capacity = (uint32_t)flow_table_get_stats(table)->capacity;

	(void)state;
	for (uint32_t n = 1; n <= capacity; n++)
		insert(table, n, n == 2 ? FLOW_CLASS_CLOSED : FLOW_CLASS_HALF_CLOSED, SECONDS(10));
	assert_non_null(adopt(table, 1000, 1000, SECONDS(9)));
	assert_int_equal(evicted.n, 1);
	assert_int_equal(evicted.ids[0], 2);
	check_flow_table(table);
	flow_table_destroy(table);
}

static void test_reused_place_is_zeroed(void **state)
{
	static const struct flow zero;
	struct flow_table *table = create_table(SMALL_BYTES, NULL);
	struct flow *flow = insert(table, 1, FLOW_CLASS_ESTABLISHED, 1);

	(void)state;
	memset(&flow->conn, 0xff, sizeof(flow->conn));
	memset(&flow->history, 0xff, sizeof(flow->history));
	flow->previous_id = 77;
	flow_table_remove(table, flow);
	struct flow_key key = key_number(2);
	assert_ptr_equal(flow_table_insert(table, &key, 2, FLOW_CLASS_CLOSED, 2), flow);
	assert_memory_equal(&flow->conn, &zero.conn, sizeof(zero.conn));
	assert_memory_equal(&flow->history, &zero.history, sizeof(zero.history));
	assert_int_equal(flow->previous_id, 0);
	flow_table_destroy(table);
}

/* Fills all places but one with established connections as far as their share goes, then the rest with others. */
static void fill(struct flow_table *table, enum flow_class rest, uint64_t now_ns)
{
	uint32_t n = 1;

	for (; n <= table->established_max; n++)
		insert(table, n, FLOW_CLASS_ESTABLISHED, now_ns);
	for (; n <= table->capacity; n++)
		insert(table, n, rest, now_ns);
}

static void test_eviction_follows_the_stated_order(void **state)
{
	static const enum flow_class order[] = {
		FLOW_CLASS_CLOSED,        FLOW_CLASS_UNANSWERED, FLOW_CLASS_HALF_OPEN,
		FLOW_CLASS_TIME_WAIT,     FLOW_CLASS_MIDSTREAM,  FLOW_CLASS_UNANSWERED_NEW,
		FLOW_CLASS_HALF_OPEN_NEW, FLOW_CLASS_CLOSING,    FLOW_CLASS_HALF_CLOSED,
	};
	const uint32_t n_classes = sizeof(order) / sizeof(order[0]);
	enum { N_EACH = 4 }; /* more than the share of those that are not established */
	struct evicted evicted = { .n = 0 };
	struct flow_table *table = create_table(SMALL_BYTES, &evicted);
	uint32_t n = 1000;

	(void)state;
	/* Some of each class, the one that goes first inserted last; then established ones for the rest. */
	for (uint32_t i = n_classes; i-- > 0;) {
		for (uint32_t j = 0; j < N_EACH; j++)
			insert(table, 100 + N_EACH * i + j, order[i], SECONDS(n_classes - i));
	}
	while (n < 1000 + table->capacity - N_EACH * n_classes)
		insert(table, n++, FLOW_CLASS_ESTABLISHED, 0);
	assert_int_equal(evicted.n, 0);

	/* Newcomers that nothing displaces: half_closed is last in the order, and they are the youngest of it. */
	for (uint32_t i = 0; i < N_EACH * n_classes; i++) {
		assert_non_null(insert(table, n++, FLOW_CLASS_HALF_CLOSED, SECONDS(20)));
		assert_int_equal(evicted.n, i + 1);
		assert_int_equal(evicted.ids[i], 100 + i);
		assert_null(find(table, 100 + i));
		assert_int_equal(table->stats.evicted[order[i / N_EACH]], i % N_EACH + 1);
		check_flow_table(table);
	}
	assert_int_equal(table->stats.evicted[FLOW_CLASS_ESTABLISHED], 0);
	flow_table_destroy(table);
}

static void test_longest_untouched_of_a_class_goes_first(void **state)
{
	struct evicted evicted = { .n = 0 };
	struct flow_table *table = create_table(SMALL_BYTES, &evicted);

	(void)state;
	for (uint32_t n = 1; n <= table->capacity; n++)
		insert(table, n, FLOW_CLASS_UNANSWERED, n);
	touch(table, find(table, 1), FLOW_CLASS_UNANSWERED, table->capacity + 1);
	insert(table, 1000, FLOW_CLASS_UNANSWERED, table->capacity + 2);
	assert_int_equal(evicted.ids[0], 2);
	assert_non_null(find(table, 1));
	flow_table_destroy(table);
}

static void test_established_share_is_15_of_16(void **state)
{
	struct evicted evicted = { .n = 0 };
	struct flow_table *table = create_table(SMALL_BYTES, &evicted);
	uint32_t share = table->capacity * 15 / 16;

	(void)state;
	assert_true(share < table->capacity);
	for (uint32_t n = 1; n <= share; n++)
		insert(table, n, FLOW_CLASS_ESTABLISHED, n);
	insert(table, 1000, FLOW_CLASS_HALF_OPEN_NEW, 1000);
	assert_int_equal(evicted.n, 0);

	/* One of them speaks: no newcomer to the share, nobody goes. */
	touch(table, find(table, 1), FLOW_CLASS_ESTABLISHED, 1001);
	assert_int_equal(evicted.n, 0);

	/* A handshake completes: the longest silent goes, although there are free places. */
	touch(table, find(table, 1000), FLOW_CLASS_ESTABLISHED, 1002);
	assert_int_equal(evicted.n, 1);
	assert_int_equal(evicted.ids[0], 2);
	assert_int_equal(find(table, 1000)->flow_class, FLOW_CLASS_ESTABLISHED);
	assert_int_equal(table->stats.in_use[FLOW_CLASS_ESTABLISHED], share);

	/* The same for one that is established from the first. */
	insert(table, 1001, FLOW_CLASS_ESTABLISHED, 1003);
	assert_int_equal(evicted.n, 2);
	assert_int_equal(evicted.ids[1], 3);
	assert_int_equal(table->stats.evicted[FLOW_CLASS_ESTABLISHED], 2);
	check_flow_table(table);
	flow_table_destroy(table);
}

static void test_flood_of_syns_evicts_no_established_connection(void **state)
{
	struct evicted evicted = { .n = 0 };
	struct flow_table *table = create_table(1024 * 1024, &evicted);
	uint32_t n_established = table->established_max;

	(void)state;
	fill(table, FLOW_CLASS_HALF_OPEN_NEW, SECONDS(1));
	for (uint32_t i = 0; i < 1000000; i++) {
		struct flow *flow = insert(table, 10000000 + i, FLOW_CLASS_UNANSWERED_NEW, SECONDS(1) + i * 1000);
		assert_non_null(flow);
		if (i % 4 == 3) /* some are answered */
			touch(table, flow, FLOW_CLASS_HALF_OPEN_NEW, SECONDS(1) + i * 1000);
	}
	assert_int_equal(table->stats.in_use[FLOW_CLASS_ESTABLISHED], n_established);
	assert_int_equal(table->stats.evicted[FLOW_CLASS_ESTABLISHED], 0);
	assert_int_equal(evicted.n, 1000000);
	assert_int_equal(table->stats.refused, 0);
	for (uint32_t n = 1; n <= n_established; n++)
		assert_non_null(find(table, n));
	check_flow_table(table);
	flow_table_destroy(table);
}

static void test_newcomer_is_refused_and_counted_when_none_may_go(void **state)
{
	struct flow_table *table = create_table(SMALL_BYTES, NULL);

	(void)state;
	/* The share of established connections leaves a place for others, so this needs a broken share. */
	table->established_max = table->capacity;
	table->established_bytes_max = SIZE_MAX;
	fill(table, FLOW_CLASS_CLOSED, 1);
	assert_null(insert(table, 1000, FLOW_CLASS_UNANSWERED_NEW, 2));
	assert_int_equal(table->stats.refused, 1);
	assert_int_equal(table->stats.created, table->capacity);
	check_flow_table(table);
	flow_table_destroy(table);
}

static void test_expires_at_the_timeout_of_the_class(void **state)
{
	struct flow_table *table = create_table(SMALL_BYTES, NULL);
	struct flow *flow = insert(table, 1, FLOW_CLASS_TIME_WAIT, SECONDS(10));

	(void)state;
	assert_int_equal(flow_table_due_ns(table, flow), SECONDS(70));
	assert_null(flow_table_next_expired(table, SECONDS(70) - 1));
	assert_ptr_equal(flow_table_next_expired(table, SECONDS(70)), flow);
	touch(table, flow, FLOW_CLASS_TIME_WAIT, SECONDS(70));
	assert_null(flow_table_next_expired(table, SECONDS(129)));
	assert_ptr_equal(flow_table_next_expired(table, SECONDS(130)), flow);
	assert_int_equal(table->stats.expired[FLOW_CLASS_TIME_WAIT], 0);
	flow_table_remove(table, flow);
	assert_int_equal(table->stats.expired[FLOW_CLASS_TIME_WAIT], 1);
	assert_null(flow_table_next_expired(table, UINT64_MAX));
	flow_table_destroy(table);
}

static void test_removal_before_the_timeout_is_no_expiry(void **state)
{
	struct flow_table *table = create_table(SMALL_BYTES, NULL);
	struct flow *flow = insert(table, 1, FLOW_CLASS_CLOSED, SECONDS(1));
	struct flow *other = insert(table, 2, FLOW_CLASS_CLOSED, SECONDS(1));

	(void)state;
	flow = flow_table_next_expired(table, SECONDS(10));
	assert_int_equal(flow->id, 1);
	flow_table_remove(table, other); /* not the one that was given */
	assert_int_equal(table->stats.expired[FLOW_CLASS_CLOSED], 0);
	touch(table, flow, FLOW_CLASS_CLOSED, SECONDS(10)); /* lives on, so this is no expiry either */
	flow_table_remove(table, flow);
	assert_int_equal(table->stats.expired[FLOW_CLASS_CLOSED], 0);
	flow_table_destroy(table);
}

static void test_evicted_flow_does_not_count_as_expired(void **state)
{
	struct evicted evicted = { .n = 0 };
	struct flow_table *table = create_table(SMALL_BYTES, &evicted);

	(void)state;
	fill(table, FLOW_CLASS_CLOSED, SECONDS(1));
	assert_non_null(flow_table_next_expired(table, SECONDS(6)));
	insert(table, 1000, FLOW_CLASS_UNANSWERED, SECONDS(6));
	assert_int_equal(evicted.n, 1);
	assert_int_equal(table->stats.evicted[FLOW_CLASS_CLOSED], 1);
	assert_int_equal(table->stats.expired[FLOW_CLASS_CLOSED], 0);
	flow_table_destroy(table);
}

static void test_first_due_of_all_classes_comes_first(void **state)
{
	struct flow_table *table = create_table(SMALL_BYTES, NULL);
	struct flow *flow;
	static const uint32_t expected[] = { 4, 2, 5, 3, 1 };

	(void)state;
	insert(table, 1, FLOW_CLASS_ESTABLISHED, SECONDS(0)); /* due at 7860 */
	insert(table, 2, FLOW_CLASS_TIME_WAIT, SECONDS(1));   /* 61, as 5, but the lower class number */
	insert(table, 3, FLOW_CLASS_UNANSWERED, SECONDS(2));  /* 136 */
	insert(table, 4, FLOW_CLASS_CLOSED, SECONDS(3));      /* 8 */
	insert(table, 5, FLOW_CLASS_CLOSED, SECONDS(56));     /* 61 */
	for (unsigned i = 0; i < 5; i++) {
		flow = flow_table_next_expired(table, SECONDS(10000));
		assert_non_null(flow);
		assert_int_equal(flow->id, expected[i]);
		flow_table_remove(table, flow);
	}
	assert_null(flow_table_next_expired(table, SECONDS(10000)));
	flow_table_destroy(table);
}

static void test_clock_never_goes_back(void **state)
{
	struct flow_table *table = create_table(SMALL_BYTES, NULL);
	insert(table, 1, FLOW_CLASS_CLOSED, SECONDS(100));
	struct flow *second = insert(table, 2, FLOW_CLASS_CLOSED, SECONDS(50));

	(void)state;
	assert_int_equal(second->touched_ns, SECONDS(100));
	struct flow *first = find(table, 1);
	touch(table, first, FLOW_CLASS_CLOSED, SECONDS(1));
	assert_int_equal(first->touched_ns, SECONDS(100));
	check_flow_table(table);
	assert_null(flow_table_next_expired(table, SECONDS(104)));
	/* Seen at 105 in between, so 105 it stays. */
	assert_int_equal(flow_table_next_expired(table, SECONDS(105))->id, 2);
	assert_int_equal(flow_table_next_expired(table, SECONDS(20))->id, 2);
	assert_int_equal(insert(table, 3, FLOW_CLASS_CLOSED, SECONDS(30))->touched_ns, SECONDS(105));
	check_flow_table(table);
	flow_table_destroy(table);
}

static void test_end_of_time_does_not_wrap(void **state)
{
	struct flow_table *table = create_table(SMALL_BYTES, NULL);
	struct flow *flow = insert(table, 1, FLOW_CLASS_ESTABLISHED, UINT64_MAX - 1);

	(void)state;
	assert_int_equal(flow_table_due_ns(table, flow), UINT64_MAX);
	assert_null(flow_table_next_expired(table, UINT64_MAX - 1));
	flow_table_destroy(table);
}

static void test_syn_lives_135_seconds_from_its_last_repeat(void **state)
{
	struct flow_table_config config;

	(void)state;
	flow_table_config_defaults(&config);
	assert_int_equal(config.timeout_ns[FLOW_CLASS_UNANSWERED_NEW] + config.timeout_ns[FLOW_CLASS_UNANSWERED],
			 SECONDS(135));
	assert_true(config.timeout_ns[FLOW_CLASS_ESTABLISHED] > SECONDS(2 * 3600));
	for (unsigned i = FLOW_CLASS_FREE + 1; i < FLOW_CLASS_COUNT; i++)
		assert_in_range(config.timeout_ns[i], SECONDS(1), SECONDS(3 * 3600));
}

static void test_drain_gives_all_by_id(void **state)
{
	struct flow_table *table = create_table(1000 * sizeof(struct flow), NULL);
	uint64_t n = 0;

	(void)state;
	/* A step that is prime to the modulus gives each id once, in no order, over all classes. */
	for (uint32_t i = 0; i < 900; i++)
		insert(table, 1 + i * 367 % 900, (enum flow_class)(1 + i % (FLOW_CLASS_COUNT - 1)), i);
	for (uint32_t id = 3; id <= 900; id += 3) /* free places in between */
		flow_table_remove(table, find(table, id));
	flow_table_close(table);
	for (struct flow *flow; (flow = flow_table_first(table)) != NULL; n++) {
		assert_int_equal(flow->id, 1 + n / 2 * 3 + n % 2);
		flow_table_remove(table, flow);
	}
	assert_int_equal(n, 600);
	check_flow_table(table);

	/* Empty again, it may be used again. */
	insert(table, 5, FLOW_CLASS_CLOSED, SECONDS(1));
	assert_int_equal(flow_table_next_expired(table, SECONDS(6))->id, 5);
	check_flow_table(table);
	flow_table_destroy(table);
}

static void test_drain_ends_with_the_last_flow(void **state)
{
	struct flow_table *table = create_table(SMALL_BYTES, NULL);
	struct flow *first;

	(void)state;
	assert_null(flow_table_first(table));
	insert(table, 1, FLOW_CLASS_ESTABLISHED, 1);
	insert(table, 2, FLOW_CLASS_CLOSED, 2);
	insert(table, 3, FLOW_CLASS_ESTABLISHED, 3);
	flow_table_close(table);
	first = flow_table_first(table);
	assert_int_equal(first->id, 1);
	flow_table_remove(table, first);
	assert_int_equal(flow_table_first(table)->id, 2);
	flow_table_remove(table, flow_table_first(table));
	flow_table_remove(table, flow_table_first(table));
	assert_null(flow_table_first(table));
	check_flow_table(table);
	flow_table_destroy(table);
}

/* Gives the flow, which is closed, this body. */
static void set_body(struct flow_table *table, uint32_t slot, enum flow_class flow_class, const void *bytes, size_t n)
{
	struct flow_link *link = &table->links[slot];

	table->body_bytes[flow_class] -= bytes_of_body(table, slot);
	slot_arena_give_back(table->bodies, link->body);
	link->body = slot_arena_take(table->bodies, n);
	table->body_bytes[flow_class] += bytes_of_body(table, slot);
	memcpy(slot_arena_at(table->bodies, link->body), bytes, n);
}

/* As the short way leaves it behind the last acknowledgement of a close: see flow_table_plain_segment. */
static void test_a_flow_at_rest_that_is_over_takes_less_room(void **state)
{
	struct flow_table *table = create_table(SMALL_BYTES, NULL);
	uint32_t slot = insert(table, 1, FLOW_CLASS_TIME_WAIT, 1000)->slot;
	const struct flow_key key = key_number(1);
	struct rest_closed closed = {
		.head = { .close = REST_FINS_ACKED,
			  .flow_class = FLOW_CLASS_TIME_WAIT,
			  .port = { key.port[0], key.port[1] } },
	};
	const struct rest_link link = { table->links[slot].hash, table->links[slot].touched_ns };
	struct flow before;

	(void)state;
	flow_table_close(table);
	memcpy(closed.head.addr[1], key.addr[1], sizeof(closed.head.addr[1]));
	rest_opening_of(&closed.head)->id = 1;
	rest_closing_of(&closed.head)->signals = FLOW_SIGNAL_COMPLETED;
	flow_rest_unpack(&closed, &link, &table->shapes, &before);
	size_t bytes = (size_t)((uint8_t *)(rest_closing_of(&closed.head) + 1) - (uint8_t *)&closed);
	set_body(table, slot, FLOW_CLASS_TIME_WAIT, &closed, bytes);
	assert_in_range(bytes_of_body(table, slot), 176, 176);
	shrink_at_rest(table, slot);
	assert_in_range(bytes_of_body(table, slot), 1, 112);
	check_flow_table(table);
	struct flow *flow = find(table, 1);
	before.slot = flow->slot;
	assert_memory_equal(flow, &before, sizeof(before));
	flow_table_close(table);
	flow_table_destroy(table);
}

static void test_memory_stays_within_the_budget(void **state)
{
	static const size_t budgets[] = { SMALL_BYTES, 65537, 100000, 1 << 20, (1 << 20) + 4095, 64 << 20 };

	(void)state;
	for (size_t i = 0; i < sizeof(budgets) / sizeof(budgets[0]); i++) {
		mapped_bytes = 0;
		struct flow_table *table = create_table(budgets[i], NULL);
		uint64_t flows = table->stats.capacity;

		assert_true(mapped_bytes <= budgets[i]);
		assert_true(table->memory_bytes < HUGE_PAGE_BYTES || (uintptr_t)table->memory % HUGE_PAGE_BYTES == 0);
		assert_true(table->stats.memory_bytes <= mapped_bytes);
		assert_true(table->index.n_max >= flows); /* load factor */
		/* Index and links lie within their mapping, and little of the budget is lost. */
		assert_true((char *)&table->links[flows + 1] <= (char *)table->memory + table->memory_bytes);
		assert_true(flows * (TYPICAL_BODY_BYTES + sizeof(struct flow_link) + 8) > budgets[i] / 100 * 90);
		flow_table_destroy(table);
	}
}

static void test_allocates_nothing_after_create(void **state)
{
	struct flow_table *table = create_table(SMALL_BYTES, NULL);
	unsigned before = n_allocations;
	struct flow *flow;

	(void)state;
	assert_int_equal(table->first_fresh, 1); /* and create linked no free list */
	fill(table, FLOW_CLASS_UNANSWERED, 1);
	for (uint32_t n = 1000; n < 2000; n++)
		insert(table, n, FLOW_CLASS_UNANSWERED, n);
	while ((flow = flow_table_next_expired(table, SECONDS(1000))) != NULL)
		flow_table_remove(table, flow);
	flow_table_close(table);
	while ((flow = flow_table_first(table)) != NULL)
		flow_table_remove(table, flow);
	assert_int_equal(n_allocations, before);
	flow_table_destroy(table);
}

static void test_bad_config_is_refused_with_a_reason(void **state)
{
	struct flow_table_config config;
	struct error error;

	(void)state;
	flow_table_config_defaults(&config);
	config.memory_bytes = SMALL_BYTES - 1;
	assert_null(flow_table_create(&config, NULL, NULL, &error));
	assert_non_null(strstr(error.text, "64K"));
	config.memory_bytes = SIZE_MAX;
	assert_null(flow_table_create(&config, NULL, NULL, &error));
	assert_non_null(strstr(error.text, "or less"));
	config.memory_bytes = SMALL_BYTES;
	config.timeout_ns[FLOW_CLASS_CLOSING] = 0;
	assert_null(flow_table_create(&config, NULL, NULL, &error));
	assert_non_null(strstr(error.text, "closing"));
}

static void test_short_memory_is_refused_with_a_reason(void **state)
{
	struct flow_table_config config;
	struct error error;

	(void)state;
	flow_table_config_defaults(&config);
	fail_mapping = true;
	assert_null(flow_table_create(&config, NULL, NULL, &error));
	fail_mapping = false;
	assert_non_null(strstr(error.text, "--memory"));
	flow_table_destroy(NULL);
}

/* Most of the index is room that is not touched before it is needed; what was found before is found after. */
static void the_index_grows_with_the_flows(void **state)
{
	enum { N_FLOWS = 20000 };
	struct flow_table *table = create_table(16 << 20, NULL);

	(void)state;
	assert_true(table->index.n_max > N_FLOWS && table->index.n < 1000);
	for (uint32_t n = 1; n <= N_FLOWS; n++) {
		const struct flow_key key = key_number(n);
		struct flow *flow =
			flow_table_insert(table, &key, flow_key_hash(&keys, &key), FLOW_CLASS_UNANSWERED_NEW, 1000 + n);
		assert_non_null(flow);
		flow->id = n;
		flow_table_close(table);
		assert_true(table->index.n >= n && table->index.n <= 4 * n + 64);
		const struct flow_key before = key_number(1 + n * 7919 % n);
		flow = flow_table_find(table, &before, flow_key_hash(&keys, &before));
		assert_non_null(flow);
		assert_int_equal(flow->id, 1 + n * 7919 % n);
		flow_table_close(table);
	}
	for (uint32_t n = 1; n <= N_FLOWS; n++) {
		const struct flow_key key = key_number(n);
		struct flow *flow = flow_table_find(table, &key, flow_key_hash(&keys, &key));
		assert_non_null(flow);
		assert_int_equal(flow->id, n);
		flow_table_remove(table, flow);
	}
	assert_true(table->stats.longest_chain < 16);
	flow_table_destroy(table);
}

/* As many keys as wanted whose hash, under keys.secret, falls into chain 0. */
static void collide(struct flow_table *table, uint32_t *numbers, unsigned wanted)
{
	unsigned found = 0;

	for (uint32_t n = 1; found < wanted; n++) {
		struct flow_key key = key_number(n);
		if ((flow_key_hash(&keys, &key) & (table->index.n_max - 1)) == 0)
			numbers[found++] = n;
	}
}

static void test_chosen_keys_collide_only_under_the_known_secret(void **state)
{
	const struct flow_key_config other = { .secret = { 5, 6 } };
	struct flow_table *table = create_table(1024 * 1024, NULL);
	uint32_t numbers[200];

	(void)state;
	collide(table, numbers, 200);
	for (unsigned i = 0; i < 200; i++)
		insert(table, numbers[i], FLOW_CLASS_UNANSWERED, 1);
	assert_int_equal(find(table, numbers[0])->id, numbers[0]); /* at the end of the chain */
	assert_int_equal(table->stats.longest_chain, 200);
	/* From the middle and both ends. */
	flow_table_remove(table, find(table, numbers[100]));
	flow_table_remove(table, find(table, numbers[0]));
	flow_table_remove(table, find(table, numbers[199]));
	assert_null(find(table, numbers[100]));
	assert_int_equal(find(table, numbers[99])->id, numbers[99]);
	check_flow_table(table);
	flow_table_destroy(table);

	table = create_table(1024 * 1024, NULL);
	for (unsigned i = 0; i < 200; i++) {
		struct flow_key key = key_number(numbers[i]);
		flow_table_insert(table, &key, flow_key_hash(&other, &key), FLOW_CLASS_UNANSWERED, 1);
		assert_non_null(flow_table_find(table, &key, flow_key_hash(&other, &key)));
		flow_table_close(table);
	}
	assert_true(table->stats.longest_chain <= 6);
	flow_table_destroy(table);
}

static void test_same_hash_is_not_the_same_key(void **state)
{
	struct flow_table *table = create_table(SMALL_BYTES, NULL);
	struct flow_key one = key_number(1);
	struct flow_key two = key_number(2);
	struct flow *first = flow_table_insert(table, &one, 42, FLOW_CLASS_CLOSED, 1);
	struct flow *second = flow_table_insert(table, &two, 42, FLOW_CLASS_CLOSED, 1);

	(void)state;
	assert_ptr_equal(flow_table_find(table, &one, 42), first);
	assert_ptr_equal(flow_table_find(table, &two, 42), second);
	flow_table_destroy(table);
}

/* Fills three quarters of the table, and then gives each flow troubles, in no order. Returns how many had to go. */
static uint64_t evicted_when_flows_grow(const struct flow_key_config *key)
{
	struct flow_table_config config;
	struct flow_table *table;

	flow_table_config_defaults(&config);
	config.memory_bytes = 8 << 20;
	config.key = key;
	table = flow_table_create(&config, NULL, NULL, NULL);
	assert_non_null(table);
	uint32_t n = (uint32_t)table->stats.capacity / 4 * 3 / 512 * 512;
	for (uint32_t i = 0; i < n; i++)
		insert(table, i, FLOW_CLASS_ESTABLISHED, 1);
	for (uint32_t i = 0; i < n; i++) {
		struct flow *flow = find(table, i * 4099 % n);
		if (flow == NULL)
			continue;
		flow->conn.end[SIDE_CLIENT].retransmissions = i;
		flow->conn.end[SIDE_SERVER].lost_before_tap = i;
		for (uint32_t more = 0; more < i % 7; more++)
			flow->conn.end[SIDE_SERVER].pending_packet[more % CONN_MAX_PENDING] = i;
		flow->conn.end[SIDE_CLIENT].payload_bytes = i % 3 == 0 ? UINT64_MAX / 3 : 0;
		flow_table_close(table);
	}
	check_flow_table(table);
	uint64_t evicted = table->stats.evicted_total;
	for (uint32_t i = 0; i < n && key != NULL; i++) {
		struct flow *flow = find(table, i * 4099 % n);
		assert_true(flow == NULL || flow->conn.end[SIDE_CLIENT].retransmissions == i);
	}
	flow_table_destroy(table);
	return evicted;
}

/* Where there is room in pieces that are too small, the pieces are put together, and nobody has to go. */
static void test_flows_that_grow_find_room(void **state)
{
	(void)state;
	assert_true(evicted_when_flows_grow(NULL) > 100);
	assert_true(evicted_when_flows_grow(&keys) < 10);
}

static void test_names(void **state)
{
	(void)state;
	for (unsigned i = 0; i < FLOW_CLASS_COUNT; i++)
		assert_non_null(flow_class_name((enum flow_class)i));
	assert_string_equal(flow_class_name(FLOW_CLASS_HALF_OPEN_NEW), "half_open_new");
	assert_string_equal(flow_end_reason_name(FLOW_END_EVICTED), "forced");
	assert_string_equal(flow_end_reason_name(FLOW_END_REUSED), "tcp_reuse");
	assert_string_equal(flow_end_reason_name(FLOW_END_SHUTDOWN), "shutdown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_finds_what_was_inserted),
		cmocka_unit_test(test_adopted_flows_expire_in_the_order_of_their_age),
		cmocka_unit_test(test_the_search_for_an_adopted_flows_place_is_bounded),
		cmocka_unit_test(test_an_adopted_flow_evicts_as_a_newcomer_does),
		cmocka_unit_test(test_reused_place_is_zeroed),
		cmocka_unit_test(test_eviction_follows_the_stated_order),
		cmocka_unit_test(test_longest_untouched_of_a_class_goes_first),
		cmocka_unit_test(test_established_share_is_15_of_16),
		cmocka_unit_test(test_flood_of_syns_evicts_no_established_connection),
		cmocka_unit_test(test_newcomer_is_refused_and_counted_when_none_may_go),
		cmocka_unit_test(test_expires_at_the_timeout_of_the_class),
		cmocka_unit_test(test_removal_before_the_timeout_is_no_expiry),
		cmocka_unit_test(test_evicted_flow_does_not_count_as_expired),
		cmocka_unit_test(test_first_due_of_all_classes_comes_first),
		cmocka_unit_test(test_clock_never_goes_back),
		cmocka_unit_test(test_end_of_time_does_not_wrap),
		cmocka_unit_test(test_syn_lives_135_seconds_from_its_last_repeat),
		cmocka_unit_test(test_drain_gives_all_by_id),
		cmocka_unit_test(test_drain_ends_with_the_last_flow),
		cmocka_unit_test(test_a_flow_at_rest_that_is_over_takes_less_room),
		cmocka_unit_test(test_memory_stays_within_the_budget),
		cmocka_unit_test(test_allocates_nothing_after_create),
		cmocka_unit_test(test_bad_config_is_refused_with_a_reason),
		cmocka_unit_test(test_short_memory_is_refused_with_a_reason),
		cmocka_unit_test(the_index_grows_with_the_flows),
		cmocka_unit_test(test_chosen_keys_collide_only_under_the_known_secret),
		cmocka_unit_test(test_same_hash_is_not_the_same_key),
		cmocka_unit_test(test_flows_that_grow_find_room),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
