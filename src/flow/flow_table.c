/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides which connections are remembered: look-up, the order of expiry, and who goes when memory is full. What a
 * class means and when a flow changes class is decided by the caller.
 *
 * One mapping, made at start and not touched before it is needed, holds the index (heads of hash chains) and the
 * slab. Everything links by slot number. Slot 0 is never used, so that 0 means "none" and fresh zero pages are an
 * empty index. Slots from first_fresh on were never used; freed ones are in a list through hash_next.
 *
 * Invariants, checked by the unit test after every step:
 *  - each slot below first_fresh is free, or in exactly one chain (that of its hash) and one queue (that of its class);
 *  - touched_ns never decreases from head to tail of a queue, and never exceeds clock_ns;
 *  - no more than established_max flows are in the queue of FLOW_CLASS_ESTABLISHED.
 */
#include "tcpwitness/flow/flow_table.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "flow_sort.h"
#include "lazy_memory.h"
#include "tcpwitness/base/units.h"

enum {
	MIN_MEMORY_BYTES = 64 * 1024,
	DEFAULT_MEMORY_BYTES = 256 * 1024 * 1024,
};

struct queue {
	uint32_t head; /* longest untouched */
	uint32_t tail;
};

struct flow_table {
	void *memory; /* one mapping: chains, then slab */
	size_t memory_bytes;
	uint32_t *chains; /* slot of the newest flow with that hash */
	struct flow *slab;
	uint64_t chain_mask;
	uint32_t capacity; /* slots 1 .. capacity */
	uint32_t first_fresh;
	uint32_t first_freed;
	uint32_t established_max;
	uint32_t expiring; /* slot that flow_table_next_expired gave last and nobody touched since */
	bool draining;     /* flow_table_first was called: all flows are in the queue drain, not in those of classes */
	uint64_t clock_ns; /* latest time seen */
	struct queue queues[FLOW_CLASS_COUNT];
	struct queue drain; /* by id */
	uint64_t timeout_ns[FLOW_CLASS_COUNT];
	flow_evict_fn *evict;
	void *evict_context;
	struct flow_table_stats stats;
};

/*
 * Seconds. A sensor must not forget sooner than the ends do, or late segments look like new connections; and not much
 * later, or it counts connections that are gone. The two _NEW classes are the first second of their successors:
 * what is answered within it never counts as overdue.
 */
static const uint32_t default_timeout_s[FLOW_CLASS_COUNT] = {
	/* class                    s        because */
	[FLOW_CLASS_UNANSWERED_NEW] = 1, /* RFC 6298 2.1: the first repeat of a SYN comes after 1 s */
	[FLOW_CLASS_UNANSWERED] = 134,   /* 135 s in all: Linux gives up 127 to 131 s after the first SYN */
	[FLOW_CLASS_HALF_OPEN_NEW] = 1,  /* RFC 6298 2.1: the first repeat of a SYN-ACK comes after 1 s */
	[FLOW_CLASS_HALF_OPEN] = 75,     /* BSD gives up after 75 s, Linux after 63 s */
	[FLOW_CLASS_MIDSTREAM] = 60,     /* one end heard, no handshake: only silence tells a scan from a connection */
	[FLOW_CLASS_ESTABLISHED] = 7860, /* RFC 9293 3.8.4: keep-alive after 2 h, then 11 min of unanswered probes */
	[FLOW_CLASS_HALF_CLOSED] = 600,  /* FIN_WAIT_2 of a process that is gone ends after 60 s (Linux) to 600 s (BSD);
					  * shorter would lose ends that read on (RFC 9293 3.6.1) between two pauses */
	[FLOW_CLASS_CLOSING] = 120,      /* Linux repeats an orphan's FIN for about 100 s */
	[FLOW_CLASS_TIME_WAIT] = 60,     /* Linux and FreeBSD; RFC 9293 3.4.2 asks for 2MSL, 4 min */
	[FLOW_CLASS_CLOSED] = 5,         /* longer than segments stay on the way between both ends */
};

void flow_table_config_defaults(struct flow_table_config *config)
{
	*config = (struct flow_table_config){ .memory_bytes = DEFAULT_MEMORY_BYTES };
	for (unsigned i = 0; i < FLOW_CLASS_COUNT; i++)
		config->timeout_ns[i] = default_timeout_s[i] * NS_PER_SEC;
}

/* ---- Start and end ---- */

static uint64_t power_of_two_from(uint64_t n)
{
	uint64_t power = 1;

	while (power < n)
		power *= 2;
	return power;
}

/* One chain or more for each flow, and as many flows as the rest holds. */
static int map_memory(struct flow_table *table, size_t budget_bytes)
{
	uint64_t n_chains = power_of_two_from(budget_bytes / (sizeof(struct flow) + sizeof(uint32_t)));
	size_t chains_bytes = n_chains * sizeof(uint32_t);

	table->memory_bytes = budget_bytes;
	table->memory = lazy_memory_map(&table->memory_bytes);
	if (table->memory == NULL)
		return -errno;
	table->chains = table->memory;
	table->chain_mask = n_chains - 1;
	table->slab = (void *)(table->chains + n_chains);
	table->capacity = (uint32_t)((table->memory_bytes - chains_bytes) / sizeof(struct flow) - 1);
	table->established_max = (uint32_t)((uint64_t)table->capacity * 15 / 16);
	return 0;
}

static int check_config(const struct flow_table_config *config, struct error *error)
{
	const uint64_t max_bytes = (uint64_t)UINT32_MAX * sizeof(struct flow);

	if (config->memory_bytes < MIN_MEMORY_BYTES)
		return error_set(error, "flow table: memory of %zu bytes is too small; give 64K or more",
				 config->memory_bytes);
	if (config->memory_bytes > max_bytes)
		return error_set(error,
				 "flow table: memory of %zu bytes is more than the table can use; give %llu or less",
				 config->memory_bytes, (unsigned long long)max_bytes);
	for (unsigned i = FLOW_CLASS_FREE + 1; i < FLOW_CLASS_COUNT; i++)
		if (config->timeout_ns[i] == 0)
			return error_set(error, "flow table: timeout of class %s is 0; give a time above 0",
					 flow_class_name((enum flow_class)i));
	return 0;
}

struct flow_table *flow_table_create(const struct flow_table_config *config, flow_evict_fn *evict, void *context,
				     struct error *error)
{
	struct flow_table *table;

	if (check_config(config, error) != 0)
		return NULL;
	table = calloc(1, sizeof(*table));
	if (table == NULL || map_memory(table, config->memory_bytes) != 0) {
		error_set(error, "flow table: cannot allocate %zu bytes: %s; lower --memory", config->memory_bytes,
			  strerror(errno));
		free(table);
		return NULL;
	}
	table->first_fresh = NO_SLOT + 1;
	table->evict = evict;
	table->evict_context = context;
	memcpy(table->timeout_ns, config->timeout_ns, sizeof(table->timeout_ns));
	table->stats.capacity = table->capacity;
	table->stats.memory_bytes = table->memory_bytes;
	return table;
}

void flow_table_destroy(struct flow_table *table)
{
	if (table == NULL)
		return;
	lazy_memory_unmap(table->memory, table->memory_bytes);
	free(table);
}

const struct flow_table_stats *flow_table_get_stats(const struct flow_table *table)
{
	return &table->stats;
}

/* ---- Time ---- */

/* Captures hold steps backwards; the order of the queues must not. */
static void advance_clock(struct flow_table *table, uint64_t now_ns)
{
	if (now_ns > table->clock_ns)
		table->clock_ns = now_ns;
}

uint64_t flow_table_due_ns(const struct flow_table *table, const struct flow *flow)
{
	uint64_t timeout_ns = table->timeout_ns[flow->flow_class];

	return flow->touched_ns > UINT64_MAX - timeout_ns ? UINT64_MAX : flow->touched_ns + timeout_ns;
}

/* ---- Queues ---- */

static uint32_t slot_of(const struct flow_table *table, const struct flow *flow)
{
	return (uint32_t)(flow - table->slab);
}

static struct queue *queue_of(struct flow_table *table, const struct flow *flow)
{
	return table->draining ? &table->drain : &table->queues[flow->flow_class];
}

static void queue_append(struct flow_table *table, struct queue *queue, struct flow *flow)
{
	uint32_t slot = slot_of(table, flow);

	flow->class_next = NO_SLOT;
	flow->class_prev = queue->tail;
	if (queue->tail != NO_SLOT)
		table->slab[queue->tail].class_next = slot;
	else
		queue->head = slot;
	queue->tail = slot;
}

static void queue_unlink(struct flow_table *table, struct queue *queue, const struct flow *flow)
{
	if (flow->class_prev != NO_SLOT)
		table->slab[flow->class_prev].class_next = flow->class_next;
	else
		queue->head = flow->class_next;
	if (flow->class_next != NO_SLOT)
		table->slab[flow->class_next].class_prev = flow->class_prev;
	else
		queue->tail = flow->class_prev;
}

static void class_enter(struct flow_table *table, struct flow *flow, enum flow_class flow_class, uint64_t touched_ns)
{
	struct queue *queue = &table->queues[flow_class];

	flow->flow_class = (uint8_t)flow_class;
	flow->touched_ns = touched_ns;
	/* A queue is in the order of touch, whatever clocks did. */
	if (queue->tail != NO_SLOT && table->slab[queue->tail].touched_ns > touched_ns)
		flow->touched_ns = table->slab[queue->tail].touched_ns;
	queue_append(table, queue, flow);
	table->stats.in_use[flow_class]++;
}

static void class_leave(struct flow_table *table, struct flow *flow)
{
	queue_unlink(table, queue_of(table, flow), flow);
	table->stats.in_use[flow->flow_class]--;
}

/* ---- Chains ---- */

static uint32_t *chain_of(struct flow_table *table, uint64_t hash)
{
	return &table->chains[hash & table->chain_mask];
}

static void chain_unlink(struct flow_table *table, const struct flow *flow)
{
	uint32_t slot = slot_of(table, flow);
	uint32_t *link = chain_of(table, flow->hash);

	while (*link != slot)
		link = &table->slab[*link].hash_next;
	*link = flow->hash_next;
}

struct flow *flow_table_find(struct flow_table *table, const struct flow_key *key, uint64_t hash)
{
	struct flow *found = NULL;
	uint64_t looked_at = 0;

	for (uint32_t slot = *chain_of(table, hash); slot != NO_SLOT && found == NULL;) {
		struct flow *flow = &table->slab[slot];
		looked_at++;
		if (flow->hash == hash && flow_key_equal(&flow->key, key))
			found = flow;
		slot = flow->hash_next;
	}
	if (looked_at > table->stats.longest_chain)
		table->stats.longest_chain = looked_at;
	return found;
}

/* ---- Eviction ---- */

static void evict_flow(struct flow_table *table, struct flow *flow)
{
	if (table->evict != NULL)
		table->evict(table->evict_context, flow);
	table->stats.evicted[flow->flow_class]++;
	table->stats.evicted_total++;
	if (slot_of(table, flow) == table->expiring)
		table->expiring = NO_SLOT; /* a flow leaves in one way only */
	flow_table_remove(table, flow);
}

/*
 * The flow that a newcomer may displace, or null. The order is that of the header: what is over or overdue goes before
 * what may still become a connection, so that a table full of TIME_WAIT does not make one attempt displace the next.
 */
static struct flow *find_victim(struct flow_table *table)
{
	static const enum flow_class order[] = {
		FLOW_CLASS_CLOSED,    FLOW_CLASS_UNANSWERED,     FLOW_CLASS_HALF_OPEN,
		FLOW_CLASS_TIME_WAIT, FLOW_CLASS_UNANSWERED_NEW, FLOW_CLASS_HALF_OPEN_NEW,
		FLOW_CLASS_MIDSTREAM, FLOW_CLASS_CLOSING,        FLOW_CLASS_HALF_CLOSED,
	};

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (table->queues[order[i]].head != NO_SLOT)
			return &table->slab[table->queues[order[i]].head];
	return NULL;
}

/* Keeps one place in 16 for connections that are not established, so that the sensor never goes blind to new ones. */
static void make_established_place(struct flow_table *table)
{
	if (table->stats.in_use[FLOW_CLASS_ESTABLISHED] >= table->established_max)
		evict_flow(table, &table->slab[table->queues[FLOW_CLASS_ESTABLISHED].head]);
}

/* ---- Flows ---- */

/* Takes a free slot, or NO_SLOT. */
static uint32_t take_slot(struct flow_table *table)
{
	uint32_t slot = table->first_freed;

	if (slot != NO_SLOT) {
		table->first_freed = table->slab[slot].hash_next;
		return slot;
	}
	return table->first_fresh <= table->capacity ? table->first_fresh++ : NO_SLOT;
}

static uint32_t take_slot_by_force(struct flow_table *table)
{
	uint32_t slot = take_slot(table);
	struct flow *victim;

	if (slot != NO_SLOT)
		return slot;
	victim = find_victim(table);
	if (victim == NULL)
		return NO_SLOT;
	evict_flow(table, victim);
	return take_slot(table);
}

struct flow *flow_table_insert(struct flow_table *table, const struct flow_key *key, uint64_t hash,
			       enum flow_class flow_class, uint64_t now_ns)
{
	uint32_t *chain = chain_of(table, hash);
	struct flow *flow;
	uint32_t slot;

	assert(!table->draining && flow_class > FLOW_CLASS_FREE && flow_class < FLOW_CLASS_COUNT);
	advance_clock(table, now_ns);
	if (flow_class == FLOW_CLASS_ESTABLISHED)
		make_established_place(table);
	slot = take_slot_by_force(table);
	if (slot == NO_SLOT) {
		table->stats.refused++;
		return NULL;
	}
	flow = &table->slab[slot];
	memset(flow, 0, sizeof(*flow));
	flow->key = *key;
	flow->hash = hash;
	flow->hash_next = *chain;
	*chain = slot;
	class_enter(table, flow, flow_class, table->clock_ns);
	table->stats.created++;
	return flow;
}

/*
 * Puts a flow into a queue as if it had been there since touched_ns. Queues are nearly in the order in which flows are
 * adopted, so the place is near the tail; the walk is bounded because senders choose the order.
 */
static void class_enter_since(struct flow_table *table, struct flow *flow, enum flow_class flow_class,
			      uint64_t touched_ns)
{
	enum { MAX_WALK = 64 };
	struct queue *queue = &table->queues[flow_class];
	uint32_t slot = slot_of(table, flow);
	uint32_t after = queue->tail;

	for (unsigned i = 0; i < MAX_WALK && after != NO_SLOT; i++) {
		const struct flow *other = &table->slab[after];
		if (other->touched_ns < touched_ns || (other->touched_ns == touched_ns && other->id < flow->id))
			break;
		after = other->class_prev;
	}
	if (after == queue->tail) {
		class_enter(table, flow, flow_class, touched_ns);
		return;
	}
	flow->flow_class = (uint8_t)flow_class;
	flow->touched_ns = touched_ns;
	if (after != NO_SLOT && table->slab[after].touched_ns > touched_ns)
		flow->touched_ns = table->slab[after].touched_ns;
	flow->class_prev = after;
	flow->class_next = after != NO_SLOT ? table->slab[after].class_next : queue->head;
	table->slab[flow->class_next].class_prev = slot;
	if (after != NO_SLOT)
		table->slab[after].class_next = slot;
	else
		queue->head = slot;
	table->stats.in_use[flow_class]++;
}

struct flow *flow_table_adopt(struct flow_table *table, const struct flow *image, enum flow_class flow_class,
			      uint64_t touched_ns)
{
	uint32_t *chain = chain_of(table, image->hash);
	struct flow *flow;
	uint32_t slot;

	assert(!table->draining && flow_class > FLOW_CLASS_FREE && flow_class < FLOW_CLASS_ESTABLISHED);
	slot = take_slot_by_force(table);
	if (slot == NO_SLOT) {
		table->stats.refused++;
		return NULL;
	}
	flow = &table->slab[slot];
	*flow = *image;
	flow->hash_next = *chain;
	*chain = slot;
	class_enter_since(table, flow, flow_class, touched_ns);
	table->stats.created++;
	return flow;
}

void flow_table_touch(struct flow_table *table, struct flow *flow, enum flow_class flow_class, uint64_t now_ns)
{
	assert(!table->draining && flow->flow_class != FLOW_CLASS_FREE);
	assert(flow_class > FLOW_CLASS_FREE && flow_class < FLOW_CLASS_COUNT);
	advance_clock(table, now_ns);
	if (flow_class == FLOW_CLASS_ESTABLISHED && flow->flow_class != FLOW_CLASS_ESTABLISHED)
		make_established_place(table);
	if (slot_of(table, flow) == table->expiring)
		table->expiring = NO_SLOT;
	class_leave(table, flow);
	class_enter(table, flow, flow_class, table->clock_ns);
}

void flow_table_move_on(struct flow_table *table, struct flow *flow, enum flow_class flow_class)
{
	uint64_t due_ns = flow_table_due_ns(table, flow);

	assert(!table->draining && flow->flow_class != FLOW_CLASS_FREE && flow_class != FLOW_CLASS_ESTABLISHED);
	if (slot_of(table, flow) == table->expiring)
		table->expiring = NO_SLOT;
	class_leave(table, flow);
	class_enter(table, flow, flow_class, due_ns < table->clock_ns ? due_ns : table->clock_ns);
}

static bool is_empty(const struct flow_table *table)
{
	for (unsigned i = FLOW_CLASS_FREE + 1; i < FLOW_CLASS_COUNT; i++)
		if (table->stats.in_use[i] != 0)
			return false;
	return true;
}

void flow_table_remove(struct flow_table *table, struct flow *flow)
{
	uint32_t slot = slot_of(table, flow);

	assert(flow->flow_class != FLOW_CLASS_FREE);
	if (slot == table->expiring) {
		table->stats.expired[flow->flow_class]++;
		table->expiring = NO_SLOT;
	}
	chain_unlink(table, flow);
	class_leave(table, flow);
	flow->flow_class = FLOW_CLASS_FREE;
	flow->hash_next = table->first_freed;
	table->first_freed = slot;
	if (table->draining)
		table->draining = !is_empty(table);
}

struct flow *flow_table_next_expired(struct flow_table *table, uint64_t now_ns)
{
	struct flow *first = NULL;
	uint64_t first_due_ns = UINT64_MAX;

	assert(!table->draining);
	advance_clock(table, now_ns);
	for (unsigned i = FLOW_CLASS_FREE + 1; i < FLOW_CLASS_COUNT; i++) {
		struct flow *head = &table->slab[table->queues[i].head];
		if (table->queues[i].head != NO_SLOT && flow_table_due_ns(table, head) < first_due_ns) {
			first = head;
			first_due_ns = flow_table_due_ns(table, head);
		}
	}
	if (first_due_ns > table->clock_ns)
		first = NULL;
	table->expiring = first != NULL ? slot_of(table, first) : NO_SLOT;
	return first;
}

/* ---- The end of a run: all flows by id ---- */

static void begin_drain(struct flow_table *table)
{
	uint32_t slot = flow_sort_by_id(table->slab, NO_SLOT + 1, table->first_fresh);

	memset(table->queues, 0, sizeof(table->queues));
	table->drain = (struct queue){ NO_SLOT, NO_SLOT };
	while (slot != NO_SLOT) {
		uint32_t next = table->slab[slot].class_next;
		queue_append(table, &table->drain, &table->slab[slot]);
		slot = next;
	}
	table->expiring = NO_SLOT;
	table->draining = true;
}

struct flow *flow_table_first(struct flow_table *table)
{
	if (is_empty(table))
		return NULL;
	if (!table->draining)
		begin_drain(table);
	return &table->slab[table->drain.head];
}
