/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides which connections are remembered: look-up, the order of expiry, and who goes when memory is full. What a
 * class means and when a flow changes class is decided by the caller.
 *
 * A flow is a link and, between its segments, a body. Links are of one size and hold what the table itself asks:
 * where a flow stands in its hash chain and in the queue of its class. Slot 0 is never used, so that 0 means "none" and
 * fresh zero pages are an empty index. Slots from first_fresh on were never used; freed ones are in a list through
 * hash_next. A body is the flow at rest (flow_rest.h), in a slot of the size it needs.
 *
 * A flow that the caller works with is open: it stands whole in one of a few places. Its body, if it has one, is
 * void until the flow is closed.
 *
 * Invariants, checked by the unit test after every step:
 *  - each slot below first_fresh is free, or in exactly one chain (that of its hash) and one queue (that of its class);
 *  - touched_ns never decreases from head to tail of a queue, and never exceeds clock_ns;
 *  - no more than established_max flows are in the queue of FLOW_CLASS_ESTABLISHED;
 *  - a flow that is not open has a body.
 */
#include "tcpwitness/flow/flow_table.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "flow_link.h"
#include "flow_plain.h"
#include "flow_plain_open.h"
#include "flow_rest.h"
#include "flow_rest_over.h"
#include "flow_sort.h"
#include "growing_index.h"
#include "lazy_memory.h"
#include "slot_arena.h"
#include "syn_shapes.h"
#include "tcpwitness/base/prefetch.h"
#include "tcpwitness/base/units.h"

enum {
	MIN_MEMORY_BYTES = 64 * 1024,
	DEFAULT_MEMORY_BYTES = 256 * 1024 * 1024,
	TYPICAL_BODY_BYTES = 128, /* the table holds as many flows as bodies of this size */
	PAGE_BYTES = 4096,
	CACHE_LINE_BYTES = 64,
	MAX_OPEN = 4,     /* the caller's, the one that goes for it, and those that these look at */
	MAX_EVICTED = 16, /* for one body: they may be too small for it */
};

struct queue {
	uint32_t head; /* longest untouched */
	uint32_t tail;
};

struct flow_table {
	void *memory; /* one mapping: chains, then links */
	size_t memory_bytes;
	struct growing_index index; /* the first of a chain is its newest flow */
	struct flow_link *links;
	struct slot_arena *bodies;
	uint32_t capacity; /* slots 1 .. capacity */
	uint32_t first_fresh;
	uint32_t first_freed;
	uint32_t established_max;
	size_t established_bytes_max;
	uint32_t expiring;    /* slot that flow_table_next_expired gave last and nobody touched since */
	uint64_t next_due_ns; /* no flow is due before */
	bool draining;     /* flow_table_first was called: all flows are in the queue drain, not in those of classes */
	uint64_t clock_ns; /* latest time seen */
	struct queue queues[FLOW_CLASS_COUNT];
	struct queue drain; /* by id */
	uint64_t timeout_ns[FLOW_CLASS_COUNT];
	uint64_t body_bytes[FLOW_CLASS_COUNT]; /* of the flows of a class */
	unsigned n_open;
	struct flow open[MAX_OPEN]; /* slot 0: the place is free */
	uint64_t packed[FLOW_REST_MAX_BYTES / sizeof(uint64_t) + 1];
	const struct flow_key_config *key; /* null: bodies stay where they are */
	flow_evict_fn *evict;
	void *evict_context;
	struct flow_table_stats stats;
	struct syn_shapes shapes; /* large, and seldom looked at: behind all others */
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

/*
 * Room for as many links as typical bodies, for one to two chains for each link, whatever makes a power of two, and the
 * rest for bodies. So a table that is full has fewer chains for a flow than one that is not, see grow_index.
 */
static int map_memory(struct flow_table *table, size_t budget_bytes)
{
	uint64_t n_links = budget_bytes / (sizeof(struct flow_link) + 2 * sizeof(uint32_t) + TYPICAL_BODY_BYTES);
	uint64_t n_chains = power_of_two_from(n_links);
	size_t chains_bytes = n_chains * sizeof(uint32_t);

	table->memory_bytes = chains_bytes + (n_links + 1) * sizeof(struct flow_link);
	table->memory_bytes = (table->memory_bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
	table->memory = lazy_memory_map(&table->memory_bytes);
	if (table->memory == NULL)
		return -errno;
	table->bodies = slot_arena_create(budget_bytes - table->memory_bytes);
	if (table->bodies == NULL)
		return -errno;
	table->index = growing_index_begin(table->memory, n_chains);
	table->links = (void *)(table->index.chains + n_chains);
	uint64_t n_bodies = slot_arena_count(table->bodies, TYPICAL_BODY_BYTES);
	table->capacity = (uint32_t)(n_links < n_bodies ? n_links : n_bodies);
	table->established_max = (uint32_t)((uint64_t)table->capacity * 15 / 16);
	table->established_bytes_max = slot_arena_bytes(table->bodies) / 16 * 15;
	return 0;
}

static int check_config(const struct flow_table_config *config, struct error *error)
{
	const uint64_t max_bytes = (uint64_t)UINT32_MAX * SLOT_GRANULE_BYTES;

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
		flow_table_destroy(table);
		return NULL;
	}
	table->first_fresh = NO_SLOT + 1;
	table->key = config->key;
	table->evict = evict;
	table->evict_context = context;
	memcpy(table->timeout_ns, config->timeout_ns, sizeof(table->timeout_ns));
	table->stats.capacity = table->capacity;
	table->stats.memory_bytes = table->memory_bytes + slot_arena_bytes(table->bodies);
	table->next_due_ns = UINT64_MAX;
	return table;
}

void flow_table_destroy(struct flow_table *table)
{
	if (table == NULL)
		return;
	lazy_memory_unmap(table->memory, table->memory_bytes);
	slot_arena_destroy(table->bodies);
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

static uint64_t due_ns(const struct flow_table *table, enum flow_class flow_class, uint64_t touched_ns)
{
	uint64_t timeout_ns = table->timeout_ns[flow_class];

	return touched_ns > UINT64_MAX - timeout_ns ? UINT64_MAX : touched_ns + timeout_ns;
}

uint64_t flow_table_due_ns(const struct flow_table *table, const struct flow *flow)
{
	return due_ns(table, (enum flow_class)flow->flow_class, flow->touched_ns);
}

/* ---- Flows that are open ---- */

static struct flow *open_place(struct flow_table *table)
{
	for (unsigned i = 0; i < MAX_OPEN; i++) {
		if (table->open[i].slot == NO_SLOT)
			return &table->open[i];
	}
	/* More flows are open than anybody works with: a mistake of the caller, as in flow_table.h. */
	abort();
}

/* Mostly none is open, and places are large: so many lines of the cache are not looked at for that. */
static struct flow *find_open(struct flow_table *table, uint32_t slot)
{
	if (table->n_open == 0)
		return NULL;
	for (unsigned i = 0; i < MAX_OPEN; i++) {
		if (table->open[i].slot == slot)
			return &table->open[i];
	}
	return NULL;
}

static void fill_place(struct flow_table *table, struct flow *place, uint32_t slot)
{
	place->slot = slot;
	table->n_open++;
}

static void leave_place(struct flow_table *table, struct flow *place)
{
	place->slot = NO_SLOT;
	table->n_open--;
}

static struct flow *open_flow(struct flow_table *table, uint32_t slot)
{
	const struct flow_link *link = &table->links[slot];
	struct flow *flow = find_open(table, slot);

	if (flow != NULL)
		return flow;
	flow = open_place(table);
	const struct rest_link rest = { link->hash, link->touched_ns };
	flow_rest_unpack(slot_arena_at(table->bodies, link->body), &rest, &table->shapes, flow);
	fill_place(table, flow, slot);
	return flow;
}

/* ---- Queues ---- */

static struct queue *queue_of(struct flow_table *table, const struct flow *flow)
{
	return table->draining ? &table->drain : &table->queues[flow->flow_class];
}

static void queue_append(struct flow_table *table, struct queue *queue, uint32_t slot)
{
	struct flow_link *link = &table->links[slot];

	link->class_next = NO_SLOT;
	link->class_prev = queue->tail;
	if (queue->tail != NO_SLOT)
		table->links[queue->tail].class_next = slot;
	else
		queue->head = slot;
	queue->tail = slot;
}

static void queue_unlink(struct flow_table *table, struct queue *queue, uint32_t slot)
{
	const struct flow_link *link = &table->links[slot];

	if (link->class_prev != NO_SLOT)
		table->links[link->class_prev].class_next = link->class_next;
	else
		queue->head = link->class_next;
	if (link->class_next != NO_SLOT)
		table->links[link->class_next].class_prev = link->class_prev;
	else
		queue->tail = link->class_prev;
}

/* What its body takes, in the class where the flow is. */
static size_t bytes_of_body(const struct flow_table *table, uint32_t slot)
{
	uint32_t body = table->links[slot].body;

	return body != 0 ? slot_arena_bytes_of(table->bodies, body) : 0;
}

static void count_in(struct flow_table *table, uint32_t slot, enum flow_class flow_class, uint64_t touched_ns)
{
	table->links[slot].touched_ns = touched_ns;
	table->stats.in_use[flow_class]++;
	table->body_bytes[flow_class] += bytes_of_body(table, slot);
	if (due_ns(table, flow_class, touched_ns) < table->next_due_ns)
		table->next_due_ns = due_ns(table, flow_class, touched_ns);
}

static void count_out(struct flow_table *table, uint32_t slot, enum flow_class flow_class)
{
	table->stats.in_use[flow_class]--;
	table->body_bytes[flow_class] -= bytes_of_body(table, slot);
}

static void become(struct flow_table *table, struct flow *flow, enum flow_class flow_class, uint64_t touched_ns)
{
	flow->flow_class = (uint8_t)flow_class;
	flow->touched_ns = touched_ns;
	count_in(table, flow->slot, flow_class, touched_ns);
}

static void class_enter(struct flow_table *table, struct flow *flow, enum flow_class flow_class, uint64_t touched_ns)
{
	struct queue *queue = &table->queues[flow_class];

	/* A queue is in the order of touch, whatever clocks did. */
	if (queue->tail != NO_SLOT && table->links[queue->tail].touched_ns > touched_ns)
		touched_ns = table->links[queue->tail].touched_ns;
	queue_append(table, queue, flow->slot);
	become(table, flow, flow_class, touched_ns);
}

static void class_leave(struct flow_table *table, struct flow *flow)
{
	queue_unlink(table, queue_of(table, flow), flow->slot);
	count_out(table, flow->slot, (enum flow_class)flow->flow_class);
}

/* ---- Chains ---- */

static uint32_t *chain_of(struct flow_table *table, uint64_t hash)
{
	return growing_index_chain(&table->index, hash);
}

static uint32_t *next_in_chain(void *links, uint32_t slot)
{
	return &((struct flow_link *)links)[slot].hash_next;
}

static uint64_t hash_of(const void *links, uint32_t slot)
{
	return ((const struct flow_link *)links)[slot].hash;
}

/*
 * So many chains for each flow that there was at a time, up to all: most flows are then the first of their chains,
 * which is fetched before it is looked up.
 */
static void grow_index(struct flow_table *table)
{
	enum { CHAINS_OF_FLOW = 2 };
	uint64_t wanted = (uint64_t)CHAINS_OF_FLOW * table->first_fresh;

	while (table->index.n < wanted && table->index.n < table->index.n_max)
		growing_index_grow(&table->index, table->links, next_in_chain, hash_of);
}

static void chain_unlink(struct flow_table *table, uint32_t slot)
{
	uint32_t *at = chain_of(table, table->links[slot].hash);

	while (*at != slot)
		at = &table->links[*at].hash_next;
	*at = table->links[slot].hash_next;
}

static bool has_key(struct flow_table *table, uint32_t slot, const struct flow_key *key)
{
	const struct flow *flow = find_open(table, slot);

	return flow != NULL ? flow_key_equal(&flow->key, key)
			    : flow_rest_has_key(slot_arena_at(table->bodies, table->links[slot].body), key);
}

static uint32_t find_slot(struct flow_table *table, const struct flow_key *key, uint64_t hash)
{
	uint64_t looked_at = 0;
	uint32_t found = NO_SLOT;

	for (uint32_t slot = *chain_of(table, hash); slot != NO_SLOT && found == NO_SLOT;) {
		const struct flow_link *link = &table->links[slot];
		looked_at++;
		if (link->hash == hash && has_key(table, slot, key))
			found = slot;
		slot = link->hash_next;
	}
	if (looked_at > table->stats.longest_chain)
		table->stats.longest_chain = looked_at;
	return found;
}

void flow_table_fetch_chain(const struct flow_table *table, uint64_t hash, struct flow_trail *trail)
{
	trail->chain = growing_index_chain(&table->index, hash);
	prefetch(trail->chain);
}

void flow_table_fetch_link(const struct flow_table *table, struct flow_trail *trail)
{
	const struct flow_link *link = &table->links[*trail->chain];

	prefetch_to_write(link);
	trail->link = *trail->chain != NO_SLOT ? link : NULL;
}

void flow_table_fetch_flow(const struct flow_table *table, uint64_t hash, struct flow_trail *trail)
{
	const struct flow_link *link = trail->link;

	trail->rest = NULL;
	if (link == NULL)
		return;
	if (link->hash != hash || link->body == 0) {
		prefetch_to_write(&table->links[link->hash_next]);
		return;
	}
	const uint8_t *body = slot_arena_at(table->bodies, link->body);
	for (size_t i = 0; i < TYPICAL_BODY_BYTES; i += CACHE_LINE_BYTES)
		prefetch_to_write(body + i);
	/* Bodies of other sizes, such as those of IPv6, seldom begin as those do. */
	if (link->body * (size_t)SLOT_GRANULE_BYTES % TYPICAL_BODY_BYTES != 0)
		prefetch_to_write(body + TYPICAL_BODY_BYTES);
	/* Its neighbours in the queue, which it leaves when it is touched. */
	prefetch_to_write(&table->links[link->class_next]);
	prefetch_to_write(&table->links[link->class_prev]);
	trail->rest = body;
}

struct flow_glimpse flow_table_peek(const struct flow_trail *trail)
{
	const struct rest_head *head = trail->rest;

	return (struct flow_glimpse){ flow_rest_id(head), head->client_index, head->client_has_spoken };
}

struct flow *flow_table_find(struct flow_table *table, const struct flow_key *key, uint64_t hash)
{
	uint32_t slot = find_slot(table, key, hash);

	return slot != NO_SLOT ? open_flow(table, slot) : NULL;
}

/* The flow at rest begins to close. False: there is no room, and nothing was done. */
static bool make_room_to_close(struct flow_table *table, uint32_t slot, enum flow_class flow_class)
{
	struct flow_link *link = &table->links[slot];
	size_t bytes = bytes_of_body(table, slot);
	uint32_t body = slot_arena_take(table->bodies, bytes + sizeof(struct rest_closing));

	if (body == 0)
		return false;
	flow_rest_make_room(slot_arena_at(table->bodies, link->body), bytes, slot_arena_at(table->bodies, body));
	slot_arena_give_back(table->bodies, link->body);
	link->body = body;
	table->body_bytes[flow_class] += bytes_of_body(table, slot) - bytes;
	return true;
}

/* The flow at rest is touched, and may be in another class than before. */
static void touch_at_rest(struct flow_table *table, uint32_t slot, enum flow_class before, uint64_t now_ns)
{
	const struct rest_head *head = slot_arena_at(table->bodies, table->links[slot].body);
	enum flow_class after = (enum flow_class)head->flow_class;

	if (after != before || table->queues[after].tail != slot) {
		queue_unlink(table, &table->queues[before], slot);
		queue_append(table, &table->queues[after], slot);
	}
	if (after == before) {
		table->links[slot].touched_ns = now_ns;
		return;
	}
	count_out(table, slot, before);
	count_in(table, slot, after, now_ns);
}

/* The flow at rest may be over, and takes less room then. */
static void shrink_at_rest(struct flow_table *table, uint32_t slot)
{
	struct flow_link *link = &table->links[slot];
	struct rest_head *head = slot_arena_at(table->bodies, link->body);
	enum flow_class flow_class = (enum flow_class)head->flow_class;
	size_t before = bytes_of_body(table, slot);
	size_t bytes = flow_rest_over_pack(head, link->touched_ns, &table->shapes, table->packed);

	if (bytes == 0 || slot_arena_is_same_size(bytes, before))
		return;
	uint32_t body = slot_arena_take(table->bodies, bytes);
	if (body == 0)
		return;
	memcpy(slot_arena_at(table->bodies, body), table->packed, bytes);
	slot_arena_give_back(table->bodies, link->body);
	link->body = body;
	table->body_bytes[flow_class] += bytes_of_body(table, slot) - before;
}

/* Applies a plain segment to the flow at rest. False: nothing was done. */
static bool apply_at_rest(struct flow_table *table, uint32_t slot, unsigned sender_index, const struct packet *packet,
			  const struct plain_rules *rules)
{
	const struct flow_link *link = &table->links[slot];
	struct plain_segment seg;

	if (link->body == 0 || packet->time_ns < table->clock_ns)
		return false;
	const struct rest_link rest = { link->hash, link->touched_ns };
	struct rest_head *head = slot_arena_at(table->bodies, link->body);
	enum flow_class before = (enum flow_class)head->flow_class;
	if (!flow_plain_judge(&seg, head, &rest, sender_index, packet, rules))
		return false;
	if (flow_plain_needs_room(&seg) && !make_room_to_close(table, slot, before))
		return false;
	table->clock_ns = packet->time_ns;
	if (flow_plain_apply(&seg, slot_arena_at(table->bodies, link->body), &table->shapes, rules))
		touch_at_rest(table, slot, before, packet->time_ns);
	else
		shrink_at_rest(table, slot);
	return true;
}

bool flow_table_plain_segment(struct flow_table *table, const struct flow_key *key, uint64_t hash,
			      unsigned sender_index, const struct packet *packet, const struct plain_rules *rules,
			      struct flow **flow)
{
	uint32_t slot = find_slot(table, key, hash);

	*flow = NULL;
	if (slot == NO_SLOT)
		return false;
	if (apply_at_rest(table, slot, sender_index, packet, rules))
		return true;
	*flow = open_flow(table, slot);
	return false;
}

/* ---- Eviction ---- */

static void evict_flow(struct flow_table *table, struct flow *flow)
{
	if (table->evict != NULL)
		table->evict(table->evict_context, flow);
	table->stats.evicted[flow->flow_class]++;
	table->stats.evicted_total++;
	if (flow->slot == table->expiring)
		table->expiring = NO_SLOT; /* a flow leaves in one way only */
	flow_table_remove(table, flow);
}

/*
 * The flow that a newcomer may displace, or null. The order is that of the header: what is over or overdue goes before
 * what may still become a connection, so that a table full of TIME_WAIT does not make one attempt displace the next;
 * and so does what is no connection for all that is known, so that a flood of strays does not displace attempts.
 */
static struct flow *find_victim(struct flow_table *table)
{
	static const enum flow_class order[] = {
		FLOW_CLASS_CLOSED,        FLOW_CLASS_UNANSWERED, FLOW_CLASS_HALF_OPEN,
		FLOW_CLASS_TIME_WAIT,     FLOW_CLASS_MIDSTREAM,  FLOW_CLASS_UNANSWERED_NEW,
		FLOW_CLASS_HALF_OPEN_NEW, FLOW_CLASS_CLOSING,    FLOW_CLASS_HALF_CLOSED,
	};

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		uint32_t slot = table->queues[order[i]].head;
		/* Not the one for whom place is made. */
		while (slot != NO_SLOT && find_open(table, slot) != NULL)
			slot = table->links[slot].class_next;
		if (slot != NO_SLOT)
			return open_flow(table, slot);
	}
	return NULL;
}

static bool evict_one(struct flow_table *table)
{
	struct flow *victim = find_victim(table);

	if (victim != NULL)
		evict_flow(table, victim);
	return victim != NULL;
}

static void evict_oldest_established(struct flow_table *table)
{
	uint32_t slot = table->queues[FLOW_CLASS_ESTABLISHED].head;

	while (slot != NO_SLOT && find_open(table, slot) != NULL)
		slot = table->links[slot].class_next;
	if (slot != NO_SLOT)
		evict_flow(table, open_flow(table, slot));
}

/* Keeps one place in 16 for connections that are not established, so that the sensor never goes blind to new ones. */
static bool is_established_share_full(const struct flow_table *table)
{
	return table->stats.in_use[FLOW_CLASS_ESTABLISHED] >= table->established_max ||
	       table->body_bytes[FLOW_CLASS_ESTABLISHED] >= table->established_bytes_max;
}

static void make_established_place(struct flow_table *table)
{
	if (is_established_share_full(table))
		evict_oldest_established(table);
}

/* ---- Flows ---- */

/* Takes a free slot, or NO_SLOT. */
static uint32_t take_slot(struct flow_table *table)
{
	uint32_t slot = table->first_freed;

	if (slot != NO_SLOT) {
		table->first_freed = table->links[slot].hash_next;
		return slot;
	}
	return table->first_fresh <= table->capacity ? table->first_fresh++ : NO_SLOT;
}

static uint32_t take_slot_by_force(struct flow_table *table)
{
	uint32_t slot = take_slot(table);

	return slot != NO_SLOT || !evict_one(table) ? slot : take_slot(table);
}

/* In its chain, and in no queue yet. */
static void begin_link(struct flow_table *table, uint32_t slot, uint64_t hash, uint32_t body)
{
	uint32_t *chain = chain_of(table, hash);

	table->links[slot] = (struct flow_link){ .hash = hash, .hash_next = *chain, .body = body };
	*chain = slot;
	grow_index(table);
	table->stats.created++;
}

/* An open flow in its chain, and in no queue yet. Null when no place could be made. */
static struct flow *begin_flow(struct flow_table *table, uint64_t hash)
{
	uint32_t slot = take_slot_by_force(table);

	if (slot == NO_SLOT) {
		table->stats.refused++;
		return NULL;
	}
	begin_link(table, slot, hash, 0);
	struct flow *flow = open_place(table);
	fill_place(table, flow, slot);
	return flow;
}

struct flow *flow_table_insert(struct flow_table *table, const struct flow_key *key, uint64_t hash,
			       enum flow_class flow_class, uint64_t now_ns)
{
	assert(!table->draining && flow_class > FLOW_CLASS_FREE && flow_class < FLOW_CLASS_COUNT);
	advance_clock(table, now_ns);
	if (flow_class == FLOW_CLASS_ESTABLISHED)
		make_established_place(table);
	struct flow *flow = begin_flow(table, hash);
	if (flow == NULL)
		return NULL;
	*flow = (struct flow){ .key = *key, .hash = hash, .slot = flow->slot };
	class_enter(table, flow, flow_class, table->clock_ns);
	return flow;
}

static uint64_t id_of(struct flow_table *table, uint32_t slot)
{
	const struct flow *flow = find_open(table, slot);

	return flow != NULL ? flow->id : flow_rest_id(slot_arena_at(table->bodies, table->links[slot].body));
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
	struct flow_link *link = &table->links[flow->slot];
	uint32_t after = queue->tail;

	for (unsigned i = 0; i < MAX_WALK && after != NO_SLOT; i++) {
		const struct flow_link *other = &table->links[after];
		if (other->touched_ns < touched_ns ||
		    (other->touched_ns == touched_ns && id_of(table, after) < flow->id))
			break;
		after = other->class_prev;
	}
	if (after == queue->tail) {
		class_enter(table, flow, flow_class, touched_ns);
		return;
	}
	if (after != NO_SLOT && table->links[after].touched_ns > touched_ns)
		touched_ns = table->links[after].touched_ns;
	link->class_prev = after;
	link->class_next = after != NO_SLOT ? table->links[after].class_next : queue->head;
	table->links[link->class_next].class_prev = flow->slot;
	if (after != NO_SLOT)
		table->links[after].class_next = flow->slot;
	else
		queue->head = flow->slot;
	become(table, flow, flow_class, touched_ns);
}

struct flow *flow_table_adopt(struct flow_table *table, const struct flow *image, enum flow_class flow_class,
			      uint64_t touched_ns)
{
	assert(!table->draining && flow_class > FLOW_CLASS_FREE && flow_class < FLOW_CLASS_ESTABLISHED);
	struct flow *flow = begin_flow(table, image->hash);
	if (flow == NULL)
		return NULL;
	uint32_t slot = flow->slot;
	*flow = *image;
	flow->slot = slot;
	class_enter_since(table, flow, flow_class, touched_ns);
	return flow;
}

bool flow_table_plain_opening(struct flow_table *table, const struct flow_key *key, uint64_t hash,
			      const struct plain_opening *opening, const struct packet *packet,
			      const struct plain_rules *rules)
{
	bool has_link = table->first_freed != NO_SLOT || table->first_fresh <= table->capacity;
	uint16_t shape;

	if (packet->time_ns < table->clock_ns || !has_link || is_established_share_full(table) ||
	    !plain_open_judge(opening, packet, rules, &table->shapes, &shape))
		return false;
	uint32_t body = slot_arena_take(table->bodies, plain_open_bytes(opening));
	if (body == 0)
		return false;
	plain_open_apply(opening, key, packet, rules, shape, slot_arena_at(table->bodies, body));
	uint32_t slot = take_slot(table);
	begin_link(table, slot, hash, body);
	table->clock_ns = packet->time_ns;
	queue_append(table, &table->queues[FLOW_CLASS_ESTABLISHED], slot);
	count_in(table, slot, FLOW_CLASS_ESTABLISHED, packet->time_ns);
	return true;
}

/* A body does not say whose it is, but its flow's key does, and so where its link is. */
static void on_body_moved(void *context, uint32_t from, uint32_t to)
{
	struct flow_table *table = context;
	const struct rest_link rest = { 0 };
	struct flow flow;

	flow_rest_unpack(slot_arena_at(table->bodies, to), &rest, &table->shapes, &flow);
	uint32_t slot = *chain_of(table, flow_key_hash(table->key, &flow.key));
	while (slot != NO_SLOT && table->links[slot].body != from)
		slot = table->links[slot].hash_next;
	assert(slot != NO_SLOT);
	table->links[slot].body = to;
}

/*
 * A body for the flow; 0 when there is none. Where memory is left, but in pieces that are too small, it is put
 * together. Otherwise others may go for it, and all that may go may be too small.
 */
static uint32_t take_body(struct flow_table *table, size_t bytes)
{
	uint32_t body = slot_arena_take(table->bodies, bytes);

	if (body == 0 && table->key != NULL && slot_arena_compact(table->bodies, on_body_moved, table))
		body = slot_arena_take(table->bodies, bytes);
	for (unsigned i = 0; body == 0 && i < MAX_EVICTED && evict_one(table); i++)
		body = slot_arena_take(table->bodies, bytes);
	return body;
}

/* Gives the flow, which is open, a body of that size. False when there is none. */
static bool resize_body(struct flow_table *table, const struct flow *flow, size_t bytes)
{
	struct flow_link *link = &table->links[flow->slot];
	uint32_t body = take_body(table, bytes);

	if (body == 0)
		return false;
	table->body_bytes[flow->flow_class] -= bytes_of_body(table, flow->slot);
	if (link->body != 0)
		slot_arena_give_back(table->bodies, link->body);
	link->body = body;
	table->body_bytes[flow->flow_class] += bytes_of_body(table, flow->slot);
	return true;
}

static void close_flow(struct flow_table *table, struct flow *flow)
{
	const struct flow_link *link = &table->links[flow->slot];
	size_t bytes = flow_rest_pack(flow, &table->shapes, table->packed);
	size_t room = bytes_of_body(table, flow->slot);

	if (!slot_arena_is_same_size(bytes, room) && !resize_body(table, flow, bytes) && room < bytes) {
		evict_flow(table, flow);
		return;
	}
	memcpy(slot_arena_at(table->bodies, link->body), table->packed, bytes);
	leave_place(table, flow);
}

/* Not inline, so that a packet that opened none, as most do, pays for nothing. */
__attribute__((noinline)) static void close_flows(struct flow_table *table)
{
	for (unsigned i = 0; i < MAX_OPEN && table->n_open > 0; i++) {
		if (table->open[i].slot != NO_SLOT)
			close_flow(table, &table->open[i]);
	}
}

void flow_table_close(struct flow_table *table)
{
	if (table->n_open > 0)
		close_flows(table);
}

void flow_table_touch(struct flow_table *table, struct flow *flow, enum flow_class flow_class, uint64_t now_ns)
{
	assert(!table->draining && flow->flow_class != FLOW_CLASS_FREE);
	assert(flow_class > FLOW_CLASS_FREE && flow_class < FLOW_CLASS_COUNT);
	advance_clock(table, now_ns);
	if (flow_class == FLOW_CLASS_ESTABLISHED && flow->flow_class != FLOW_CLASS_ESTABLISHED)
		make_established_place(table);
	if (flow->slot == table->expiring)
		table->expiring = NO_SLOT;
	class_leave(table, flow);
	class_enter(table, flow, flow_class, table->clock_ns);
}

void flow_table_move_on(struct flow_table *table, struct flow *flow, enum flow_class flow_class)
{
	uint64_t due_ns = flow_table_due_ns(table, flow);

	assert(!table->draining && flow->flow_class != FLOW_CLASS_FREE && flow_class != FLOW_CLASS_ESTABLISHED);
	if (flow->slot == table->expiring)
		table->expiring = NO_SLOT;
	class_leave(table, flow);
	class_enter(table, flow, flow_class, due_ns < table->clock_ns ? due_ns : table->clock_ns);
}

void flow_table_pass_time(struct flow_table *table, uint64_t now_ns)
{
	advance_clock(table, now_ns);
}

uint64_t flow_table_next_due_ns(const struct flow_table *table)
{
	return table->next_due_ns;
}

static bool is_empty(const struct flow_table *table)
{
	for (unsigned i = FLOW_CLASS_FREE + 1; i < FLOW_CLASS_COUNT; i++)
		if (table->stats.in_use[i] != 0)
			return false;
	return true;
}

/* The chains are void while the table is drained; the next connection begins with fresh ones. */
static void end_drain(struct flow_table *table)
{
	memset(table->index.chains, 0, table->index.n * sizeof(table->index.chains[0]));
	table->draining = false;
}

void flow_table_remove(struct flow_table *table, struct flow *flow)
{
	uint32_t slot = flow->slot;
	struct flow_link *link = &table->links[slot];

	assert(flow->flow_class != FLOW_CLASS_FREE);
	if (slot == table->expiring) {
		table->stats.expired[flow->flow_class]++;
		table->expiring = NO_SLOT;
	}
	if (!table->draining)
		chain_unlink(table, slot);
	class_leave(table, flow);
	if (link->body != 0)
		slot_arena_give_back(table->bodies, link->body);
	link->body = 0;
	link->hash_next = table->first_freed;
	table->first_freed = slot;
	leave_place(table, flow);
	flow->flow_class = FLOW_CLASS_FREE;
	if (table->draining && is_empty(table))
		end_drain(table);
}

struct flow *flow_table_next_expired(struct flow_table *table, uint64_t now_ns)
{
	uint32_t first = NO_SLOT;

	assert(!table->draining);
	advance_clock(table, now_ns);
	table->expiring = NO_SLOT;
	if (table->next_due_ns > table->clock_ns)
		return NULL;
	table->next_due_ns = UINT64_MAX;
	for (unsigned i = FLOW_CLASS_FREE + 1; i < FLOW_CLASS_COUNT; i++) {
		uint32_t head = table->queues[i].head;
		if (head == NO_SLOT ||
		    due_ns(table, (enum flow_class)i, table->links[head].touched_ns) >= table->next_due_ns)
			continue;
		first = head;
		table->next_due_ns = due_ns(table, (enum flow_class)i, table->links[head].touched_ns);
	}
	if (first == NO_SLOT || table->next_due_ns > table->clock_ns)
		return NULL;
	table->expiring = first;
	return open_flow(table, first);
}

/* ---- The end of a run: all flows by id ---- */

/* Nothing is looked up any more: chains and queues give way to one order. */
static void begin_drain(struct flow_table *table)
{
	for (uint32_t slot = NO_SLOT + 1; slot < table->first_fresh; slot++) {
		struct flow_link *link = &table->links[slot];
		if (link->body != 0)
			flow_sort_set_key(link, flow_rest_id(slot_arena_at(table->bodies, link->body)));
	}
	uint32_t slot = flow_sort(table->links, NO_SLOT + 1, table->first_fresh);

	memset(table->queues, 0, sizeof(table->queues));
	table->drain = (struct queue){ NO_SLOT, NO_SLOT };
	while (slot != NO_SLOT) {
		uint32_t next = table->links[slot].class_next;
		queue_append(table, &table->drain, slot);
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
	return open_flow(table, table->drain.head);
}

static void count_outcome(struct flow_table *table, uint32_t slot, uint64_t outcomes[CONN_OUTCOME_COUNT],
			  flow_visit_fn *visit, void *context)
{
	const struct flow_link *link = &table->links[slot];
	const void *body = slot_arena_at(table->bodies, link->body);
	enum conn_outcome outcome;

	if (flow_rest_outcome(body, &outcome)) {
		outcomes[outcome]++;
	} else {
		struct flow *flow = open_flow(table, slot);
		visit(context, flow);
		leave_place(table, flow);
	}
	slot_arena_give_back(table->bodies, link->body);
}

void flow_table_count_out(struct flow_table *table, uint64_t outcomes[CONN_OUTCOME_COUNT], flow_visit_fn *visit,
			  void *context)
{
	assert(!table->draining);
	flow_table_close(table);
	for (uint32_t slot = NO_SLOT + 1; slot < table->first_fresh; slot++) {
		if (table->links[slot].body != 0)
			count_outcome(table, slot, outcomes, visit, context);
	}
	memset(table->links, 0, table->first_fresh * sizeof(table->links[0]));
	memset(table->index.chains, 0, table->index.n * sizeof(table->index.chains[0]));
	memset(table->queues, 0, sizeof(table->queues));
	memset(table->body_bytes, 0, sizeof(table->body_bytes));
	memset(table->stats.in_use, 0, sizeof(table->stats.in_use));
	table->first_fresh = NO_SLOT + 1;
	table->first_freed = NO_SLOT;
	table->expiring = NO_SLOT;
	table->next_due_ns = UINT64_MAX;
}
