/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random operations on the flow table and on a model that is too simple to be wrong: an array that is searched from
 * end to end. Both must agree after every step on who is there, who was evicted for whom, who expires first and on
 * all counters.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "flow_sort.c"
#include "flow_table.c"

#include "flow_table_check.h"
#include "random.h"

enum { N_KEYS = 960, N_STEPS = 20000, CHECK_EVERY = 97, MEMORY_BYTES = 64 * 1024, CLOCK_STEP_NS = 16 };

/* The key's number is its place in the array; id is unique over the run. */
struct model_flow {
	bool present;
	enum flow_class flow_class;
	uint64_t id;
	uint64_t touched_ns;
	uint64_t place; /* counts touches: the order in a queue */
};

struct model {
	struct model_flow flows[N_KEYS];
	uint64_t timeout_ns[FLOW_CLASS_COUNT];
	uint64_t clock_ns;
	uint64_t n_touches;
	uint64_t capacity;
	uint64_t created;
	uint64_t expired[FLOW_CLASS_COUNT];
	uint64_t evicted[FLOW_CLASS_COUNT];
	uint64_t last_evicted_id; /* by the model */
};

struct run {
	struct model model;
	struct flow_table *table;
	struct random random;
	uint64_t now_ns; /* as given: steps back now and then */
	uint64_t next_id;
	uint64_t table_evicted_id;
	uint32_t hash_mask; /* few bits: long chains */
};

static enum flow_class random_class(struct run *run)
{
	/* Established ones are frequent, so that their share fills. */
	if (random_below(&run->random, 3) == 0)
		return FLOW_CLASS_ESTABLISHED;
	return (enum flow_class)(1 + random_below(&run->random, FLOW_CLASS_COUNT - 1));
}

static struct flow_key key_number(uint32_t n)
{
	return (struct flow_key){ .port = { (uint16_t)n, 80 }, .ip_version = 4 };
}

static uint64_t hash_number(const struct run *run, uint32_t n)
{
	return (n * UINT64_C(0x9e3779b97f4a7c15) >> 20) & run->hash_mask;
}

static void note_evicted(void *context, struct flow *flow)
{
	struct run *run = context;

	run->table_evicted_id = flow->id;
}

/* ---- The model ---- */

static uint64_t model_count(const struct model *model, unsigned flow_class)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < N_KEYS; i++)
		n += model->flows[i].present &&
		     (flow_class == FLOW_CLASS_COUNT || model->flows[i].flow_class == flow_class);
	return n;
}

/* The flow of the class that was touched first, or null. */
static struct model_flow *model_head(struct model *model, enum flow_class flow_class)
{
	struct model_flow *head = NULL;

	for (unsigned i = 0; i < N_KEYS; i++) {
		struct model_flow *flow = &model->flows[i];
		if (flow->present && flow->flow_class == flow_class && (head == NULL || flow->place < head->place))
			head = flow;
	}
	return head;
}

static void model_evict(struct model *model, enum flow_class flow_class)
{
	struct model_flow *victim = model_head(model, flow_class);

	victim->present = false;
	model->evicted[flow_class]++;
	model->last_evicted_id = victim->id;
}

static void model_make_room(struct model *model)
{
	static const enum flow_class order[] = {
		FLOW_CLASS_CLOSED,        FLOW_CLASS_UNANSWERED, FLOW_CLASS_HALF_OPEN,
		FLOW_CLASS_TIME_WAIT,     FLOW_CLASS_MIDSTREAM,  FLOW_CLASS_UNANSWERED_NEW,
		FLOW_CLASS_HALF_OPEN_NEW, FLOW_CLASS_CLOSING,    FLOW_CLASS_HALF_CLOSED,
	};
	unsigned i = 0;

	if (model_count(model, FLOW_CLASS_COUNT) < model->capacity)
		return;
	while (model_count(model, order[i]) == 0)
		i++;
	model_evict(model, order[i]);
}

static void model_place(struct model *model, struct model_flow *flow, enum flow_class flow_class, uint64_t now_ns)
{
	if (now_ns > model->clock_ns)
		model->clock_ns = now_ns;
	flow->flow_class = flow_class;
	flow->touched_ns = model->clock_ns;
	flow->place = ++model->n_touches;
}

static void model_make_established_place(struct model *model, enum flow_class flow_class)
{
	if (flow_class == FLOW_CLASS_ESTABLISHED &&
	    model_count(model, FLOW_CLASS_ESTABLISHED) >= model->capacity * 15 / 16)
		model_evict(model, FLOW_CLASS_ESTABLISHED);
}

static struct model_flow *model_next_expired(struct model *model, uint64_t now_ns)
{
	struct model_flow *first = NULL;
	uint64_t first_due_ns = 0;

	if (now_ns > model->clock_ns)
		model->clock_ns = now_ns;
	for (unsigned i = FLOW_CLASS_FREE + 1; i < FLOW_CLASS_COUNT; i++) {
		struct model_flow *head = model_head(model, (enum flow_class)i);
		if (head == NULL || head->touched_ns + model->timeout_ns[i] > model->clock_ns)
			continue;
		if (first == NULL || head->touched_ns + model->timeout_ns[i] < first_due_ns) {
			first = head;
			first_due_ns = head->touched_ns + model->timeout_ns[i];
		}
	}
	return first;
}

/* ---- Steps on both ---- */

/* What is fetched is what the look-up will come to. */
static void check_trail(const struct run *run, uint32_t n)
{
	struct flow_trail trail;
	unsigned i = 0;

	flow_table_fetch_chain(run->table, hash_number(run, n), &trail);
	flow_table_fetch_link(run->table, &trail);
	flow_table_fetch_flow(run->table, hash_number(run, n), &trail);
	assert_true(trail.link != NULL || (!run->model.flows[n].present && trail.rest == NULL));
	if (trail.rest == NULL)
		return;
	uint64_t id = flow_table_peek(&trail).id;
	while (!run->model.flows[i].present || run->model.flows[i].id != id)
		assert_true(++i < N_KEYS);
	assert_true(hash_number(run, i) == hash_number(run, n));
}

static struct flow *table_find(struct run *run, uint32_t n)
{
	check_trail(run, n);
	struct flow_key key = key_number(n);
	struct flow *flow = flow_table_find(run->table, &key, hash_number(run, n));

	assert_int_equal(flow != NULL, run->model.flows[n].present);
	if (flow != NULL) {
		assert_int_equal(flow->id, run->model.flows[n].id);
		assert_int_equal(flow->flow_class, run->model.flows[n].flow_class);
		assert_int_equal(flow->touched_ns, run->model.flows[n].touched_ns);
	}
	return flow;
}

static void step_insert(struct run *run, uint32_t n)
{
	enum flow_class flow_class = random_class(run);
	struct model_flow *expected = &run->model.flows[n];
	struct flow_key key = key_number(n);
	struct flow *flow;

	model_make_established_place(&run->model, flow_class);
	model_make_room(&run->model);
	*expected = (struct model_flow){ .present = true, .id = ++run->next_id };
	model_place(&run->model, expected, flow_class, run->now_ns);
	run->model.created++;
	flow = flow_table_insert(run->table, &key, hash_number(run, n), flow_class, run->now_ns);
	assert_non_null(flow);
	flow->id = expected->id;
	make_typical(flow);
}

static void step_touch(struct run *run, uint32_t n, struct flow *flow)
{
	enum flow_class flow_class =
		random_below(&run->random, 2) == 0 ? (enum flow_class)flow->flow_class : random_class(run);

	if (flow->flow_class != FLOW_CLASS_ESTABLISHED)
		model_make_established_place(&run->model, flow_class);
	model_place(&run->model, &run->model.flows[n], flow_class, run->now_ns);
	flow_table_touch(run->table, flow, flow_class, run->now_ns);
	make_typical(flow);
}

static void step_remove(struct run *run, uint32_t n, struct flow *flow)
{
	run->model.flows[n].present = false;
	flow_table_remove(run->table, flow);
}

/* Handles up to three that are due, as a caller would: most go, some get another time. */
static void step_expire(struct run *run)
{
	for (unsigned i = 0; i < 3; i++) {
		struct model_flow *expected = model_next_expired(&run->model, run->now_ns);
		struct flow *flow = flow_table_next_expired(run->table, run->now_ns);

		assert_int_equal(flow != NULL, expected != NULL);
		if (flow == NULL)
			return;
		assert_int_equal(flow->id, expected->id);
		assert_true(flow_table_due_ns(run->table, flow) <= run->model.clock_ns);
		if (random_below(&run->random, 4) == 0) {
			step_touch(run, (uint32_t)(expected - run->model.flows), flow);
		} else {
			run->model.expired[expected->flow_class]++;
			step_remove(run, (uint32_t)(expected - run->model.flows), flow);
		}
	}
}

static void one_step(struct run *run)
{
	uint32_t n = random_below(&run->random, N_KEYS);
	struct flow *flow = table_find(run, n);

	run->now_ns += random_below(&run->random, CLOCK_STEP_NS);
	if (random_below(&run->random, 20) == 0)
		run->now_ns -= random_below(&run->random, 10 * CLOCK_STEP_NS);
	switch (random_below(&run->random, 8)) {
	case 0:
		step_expire(run);
		break;
	case 1:
		if (flow != NULL)
			step_remove(run, n, flow);
		break;
	default:
		if (flow != NULL)
			step_touch(run, n, flow);
		else
			step_insert(run, n);
		break;
	}
}

static void compare(const struct run *run)
{
	const struct flow_table_stats *stats = flow_table_get_stats(run->table);

	assert_int_equal(run->table_evicted_id, run->model.last_evicted_id);
	assert_int_equal(stats->created, run->model.created);
	assert_int_equal(stats->refused, 0);
	for (unsigned i = 0; i < FLOW_CLASS_COUNT; i++) {
		assert_int_equal(stats->evicted[i], run->model.evicted[i]);
		assert_int_equal(stats->expired[i], run->model.expired[i]);
		assert_int_equal(stats->in_use[i], model_count(&run->model, i));
	}
}

/* What is left comes out by id, which is the order in which it went in. */
static void drain(struct run *run)
{
	uint64_t left = model_count(&run->model, FLOW_CLASS_COUNT);
	uint64_t last_id = 0;

	for (struct flow *flow; (flow = flow_table_first(run->table)) != NULL; left--) {
		assert_true(flow->id > last_id);
		last_id = flow->id;
		assert_int_equal(run->model.flows[flow->key.port[0]].id, flow->id);
		flow_table_remove(run->table, flow);
	}
	assert_int_equal(left, 0);
	check_flow_table(run->table);
}

static void run_with(uint64_t seed, uint32_t hash_mask)
{
	struct flow_table_config config;
	struct run run = { .random = { seed }, .now_ns = 1000000, .hash_mask = hash_mask };
	uint64_t total_evicted = 0;
	uint64_t total_expired = 0;

	flow_table_config_defaults(&config);
	config.memory_bytes = MEMORY_BYTES;
	/* Near the time that a flow stays under so many steps, some of them equal. */
	for (unsigned i = 0; i < FLOW_CLASS_COUNT; i++)
		config.timeout_ns[i] = UINT64_C(2000) * (1 + i / 2);
	run.table = flow_table_create(&config, note_evicted, &run, NULL);
	assert_non_null(run.table);
	memcpy(run.model.timeout_ns, config.timeout_ns, sizeof(config.timeout_ns));
	run.model.capacity = flow_table_get_stats(run.table)->capacity;
	assert_true(run.model.capacity < N_KEYS);

	for (unsigned step = 0; step < N_STEPS; step++) {
		one_step(&run);
		flow_table_close(run.table);
		compare(&run);
		if (step % CHECK_EVERY == 0)
			check_flow_table(run.table);
	}
	for (unsigned i = 0; i < FLOW_CLASS_COUNT; i++) {
		total_evicted += run.model.evicted[i];
		total_expired += run.model.expired[i];
	}
	/* The run went where it should. */
	assert_true(total_evicted > 100);
	assert_true(total_expired > 100);
	assert_true(run.model.evicted[FLOW_CLASS_ESTABLISHED] > 10);
	drain(&run);
	flow_table_destroy(run.table);
}

static void test_agrees_with_the_model(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 4; seed++)
		run_with(seed * UINT64_C(0x2545f4914f6cdd1d), UINT32_MAX);
}

static void test_agrees_with_the_model_when_keys_collide(void **state)
{
	(void)state;
	run_with(99, 7);
	run_with(100, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_agrees_with_the_model),
		cmocka_unit_test(test_agrees_with_the_model_when_keys_collide),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
