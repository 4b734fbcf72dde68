/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Walks a flow table and fails the test when one of the invariants at the top of flow_table.c does not hold. For
 * tests that include flow_table.c; include it after that.
 */
#pragma once

/* How often each slot was met on a walk. */
struct slot_census {
	uint8_t *in_chain;
	uint8_t *in_queue;
	uint8_t *in_free_list;
};

static void check_chains(const struct flow_table *table, struct slot_census *census)
{
	for (uint64_t i = 0; i <= table->chain_mask; i++) {
		for (uint32_t slot = table->chains[i]; slot != NO_SLOT; slot = table->slab[slot].hash_next) {
			assert_in_range(slot, 1, table->first_fresh - 1);
			assert_int_equal(table->slab[slot].hash & table->chain_mask, i);
			assert_int_equal(census->in_chain[slot]++, 0);
		}
	}
}

static void check_queue(const struct flow_table *table, unsigned flow_class, struct slot_census *census)
{
	const struct queue *queue = &table->queues[flow_class];
	uint64_t touched_ns = 0;
	uint64_t n = 0;
	uint32_t prev = NO_SLOT;

	for (uint32_t slot = queue->head; slot != NO_SLOT; slot = table->slab[slot].class_next) {
		assert_in_range(slot, 1, table->first_fresh - 1);
		assert_int_equal(census->in_queue[slot]++, 0);
		assert_int_equal(table->slab[slot].flow_class, flow_class);
		assert_int_equal(table->slab[slot].class_prev, prev);
		assert_true(table->slab[slot].touched_ns >= touched_ns);
		touched_ns = table->slab[slot].touched_ns;
		prev = slot;
		n++;
	}
	assert_int_equal(queue->tail, prev);
	assert_true(touched_ns <= table->clock_ns);
	assert_int_equal(table->stats.in_use[flow_class], n);
}

static void check_free_list(const struct flow_table *table, struct slot_census *census)
{
	for (uint32_t slot = table->first_freed; slot != NO_SLOT; slot = table->slab[slot].hash_next) {
		assert_in_range(slot, 1, table->first_fresh - 1);
		assert_int_equal(census->in_free_list[slot]++, 0);
	}
}

static void check_flow_table(const struct flow_table *table)
{
	size_t n = (size_t)table->capacity + 1;
	struct slot_census census = { calloc(n, 1), calloc(n, 1), calloc(n, 1) };

	check_chains(table, &census);
	for (unsigned i = FLOW_CLASS_FREE + 1; i < FLOW_CLASS_COUNT; i++)
		check_queue(table, i, &census);
	check_free_list(table, &census);
	assert_true(table->first_fresh <= table->capacity + 1);
	assert_true(table->stats.in_use[FLOW_CLASS_ESTABLISHED] <= table->established_max);
	for (uint32_t slot = 1; slot < table->first_fresh; slot++) {
		assert_int_equal(census.in_chain[slot], table->slab[slot].flow_class != FLOW_CLASS_FREE);
		assert_int_equal(census.in_queue[slot], census.in_chain[slot]);
		assert_int_equal(census.in_free_list[slot], !census.in_chain[slot]);
	}
	free(census.in_chain);
	free(census.in_queue);
	free(census.in_free_list);
}
