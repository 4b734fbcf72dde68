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

/* A flow as most are: so many of them fit as the table says. */
static void make_typical(struct flow *flow)
{
	const struct tcp_end usual = { .heard = true,
				       .seq_known = true,
				       .una_known = true,
				       .acked_any = true,
				       .edge_known = true,
				       .window_known = true,
				       .syn_seen = true,
				       .fin_ack_boundary_known = true };

	flow->conn.rtt_client_us = flow->conn.rtt_server_us = UINT32_MAX;
	flow->conn.owner = tcp_conn_owner(flow->id);
	flow->conn.direction_certain = true;
	flow->conn.established_once = true;
	flow->signals = FLOW_SIGNALS_OPENED;
	flow->conn.stamps_from_ns = flow->first_ns - (UINT64_C(1) << 30) * 1000;
	for (unsigned side = 0; side < 2; side++) {
		struct tcp_end *end = &flow->conn.end[side];
		*end = usual;
		end->active_open = side == SIDE_CLIENT;
		end->state = TCPS_ESTABLISHED;
		end->sure = TCPS_ESTABLISHED;
		end->syns = 1;
		end->n_candidates = 1;
		end->syn_flags = side == SIDE_CLIENT ? SEG_SYN : SEG_SYN | SEG_ACK;
		end->syn_end = 1;
		end->snd_nxt = 1;
		end->snd_una = 1;
		end->last_ack = 1;
		end->nxt_before_fin_ack = 1;
		end->right_edge = 1;
		end->last_ns = flow->touched_ns;
		end->caused_by = end->sure_caused_by = end->state_packet = flow->id + 1;
	}
	flow->last_ns = flow->touched_ns;
	flow->history = (struct conn_history){ .text = "ShA", .length = 3, .started = true, .endpoint = { 3, 3 } };
	flow->history.seen[SIDE_CLIENT] = 0x81;
	flow->history.seen[SIDE_SERVER] = 0x02;
}

static void check_chains(const struct flow_table *table, struct slot_census *census)
{
	for (uint64_t i = 0; i < table->index.n; i++) {
		for (uint32_t slot = table->index.chains[i]; slot != NO_SLOT; slot = table->links[slot].hash_next) {
			assert_in_range(slot, 1, table->first_fresh - 1);
			assert_ptr_equal(growing_index_chain(&table->index, table->links[slot].hash),
					 &table->index.chains[i]);
			assert_int_equal(census->in_chain[slot]++, 0);
		}
	}
}

static const struct flow *find_open_const(const struct flow_table *table, uint32_t slot)
{
	for (unsigned i = 0; i < MAX_OPEN; i++) {
		if (table->open[i].slot == slot)
			return &table->open[i];
	}
	return NULL;
}

static unsigned count_open(const struct flow_table *table)
{
	unsigned n = 0;

	for (unsigned i = 0; i < MAX_OPEN; i++)
		n += table->open[i].slot != NO_SLOT;
	return n;
}

static unsigned class_of_slot(const struct flow_table *table, uint32_t slot)
{
	const struct flow *flow = find_open_const(table, slot);

	if (flow != NULL)
		return flow->flow_class;
	assert_int_not_equal(table->links[slot].body, 0);
	const struct rest_head *head = slot_arena_at(table->bodies, table->links[slot].body);
	return head->flow_class;
}

static void check_queue(const struct flow_table *table, unsigned flow_class, struct slot_census *census)
{
	const struct queue *queue = &table->queues[flow_class];
	uint64_t touched_ns = 0;
	uint64_t bytes = 0;
	uint64_t n = 0;
	uint32_t prev = NO_SLOT;

	for (uint32_t slot = queue->head; slot != NO_SLOT; slot = table->links[slot].class_next) {
		const struct flow_link *link = &table->links[slot];
		assert_in_range(slot, 1, table->first_fresh - 1);
		assert_int_equal(census->in_queue[slot]++, 0);
		assert_int_equal(class_of_slot(table, slot), flow_class);
		assert_int_equal(link->class_prev, prev);
		assert_true(link->touched_ns >= touched_ns);
		touched_ns = link->touched_ns;
		assert_true(due_ns(table, (enum flow_class)flow_class, touched_ns) >= table->next_due_ns);
		bytes += bytes_of_body(table, slot);
		prev = slot;
		n++;
	}
	assert_int_equal(queue->tail, prev);
	assert_true(touched_ns <= table->clock_ns);
	assert_int_equal(table->stats.in_use[flow_class], n);
	assert_int_equal(table->body_bytes[flow_class], bytes);
}

static void check_free_list(const struct flow_table *table, struct slot_census *census)
{
	for (uint32_t slot = table->first_freed; slot != NO_SLOT; slot = table->links[slot].hash_next) {
		assert_in_range(slot, 1, table->first_fresh - 1);
		assert_int_equal(table->links[slot].body, 0);
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
	assert_int_equal(table->n_open, count_open(table));
	assert_true(table->first_fresh <= table->capacity + 1);
	assert_true(table->stats.in_use[FLOW_CLASS_ESTABLISHED] <= table->established_max);
	for (uint32_t slot = 1; slot < table->first_fresh; slot++) {
		assert_int_equal(census.in_queue[slot], census.in_chain[slot]);
		assert_int_equal(census.in_free_list[slot], !census.in_chain[slot]);
	}
	free(census.in_chain);
	free(census.in_queue);
	free(census.in_free_list);
}
