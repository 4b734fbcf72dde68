/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where attempts are kept: entries of one cache line, found by hash chains, in two queues by age. How a SYN is packed
 * into entries is in syn_pack.c.
 *
 * One mapping holds the index (heads of hash chains) and the slots. Everything links by slot number; slot 0 is never
 * used, so that 0 means none and fresh zero pages are an empty index. Slots from first_fresh on were never used.
 *
 * Queues are linked one way only, to save four bytes in each entry: an attempt that leaves from the middle leaves its
 * entry behind (ENTRY_GONE) until it comes to the head. Most are answered in their first second, and the queue of that
 * second is short.
 *
 * A newcomer goes to the end of its chain, which was just walked to find that it is new. So the oldest of all, which
 * leaves when it expires or when place is made, is the first of its chain, and taking it out touches no other.
 *
 * Invariants, checked by the unit test after every step:
 *  - each slot below first_fresh is free, a part of exactly one attempt, or an entry in exactly one queue;
 *  - entries of attempts are in exactly one chain, in the order of their ids, those that are gone in none (while the
 *    store is drained there are no chains), and no head of a queue is gone;
 *  - ids and the times at which timers began do not decrease from head to tail.
 */
#include "tcpwitness/flow/syn_store.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lazy_memory.h"
#include "syn_pack.h"
#include "tcpwitness/base/units.h"

enum {
	NO_SLOT = 0,
	MIN_MEMORY_BYTES = 64 * 1024,
	DEFAULT_MEMORY_BYTES = 32 * 1024 * 1024,
};

struct queue {
	uint32_t head; /* oldest */
	uint32_t tail;
};

struct syn_store {
	void *memory; /* one mapping: chains, then slots; null: no store */
	uint32_t *chains;
	union syn_slot *slots;
	uint64_t chain_mask;
	uint32_t first_fresh;
	uint32_t first_freed;
	size_t mapped_bytes;
	struct queue queues[2]; /* by whether overdue */
	uint32_t next;          /* head of those overdue, if its chain is known */
	uint32_t *chain_of_next;
	bool draining; /* syn_store_oldest was called: chains are void */
	struct flow_key_config key;
	uint64_t new_ns;
	uint64_t overdue_ns;
	syn_evict_fn *evict;
	void *evict_context;
	struct syn_store_stats stats;
};

void syn_store_config_defaults(struct syn_store_config *config)
{
	*config = (struct syn_store_config){
		.memory_bytes = DEFAULT_MEMORY_BYTES,
		.new_ns = NS_PER_SEC,
		.overdue_ns = 134 * NS_PER_SEC,
	};
}

/* ---- Start and end ---- */

static int map_memory(struct syn_store *store, size_t budget_bytes)
{
	uint64_t n_chains = 1;

	while (n_chains * 2 <= budget_bytes / (sizeof(union syn_slot) + sizeof(uint32_t)))
		n_chains *= 2;
	store->mapped_bytes = budget_bytes;
	store->memory = lazy_memory_map(&store->mapped_bytes);
	if (store->memory == NULL)
		return -1;
	store->chains = store->memory;
	store->chain_mask = n_chains - 1;
	/* The index is a multiple of a slot, so slots are aligned to cache lines. */
	store->slots = (void *)(store->chains + n_chains);
	store->stats.memory_bytes = store->mapped_bytes;
	store->stats.capacity = (store->mapped_bytes - n_chains * sizeof(uint32_t)) / sizeof(union syn_slot) - 1;
	return 0;
}

static int check_config(const struct syn_store_config *config, struct error *error)
{
	const uint64_t max_bytes = (uint64_t)UINT32_MAX * sizeof(union syn_slot);

	if (config->memory_bytes != 0 && config->memory_bytes < MIN_MEMORY_BYTES)
		return error_set(error, "store of unanswered SYNs: memory of %zu bytes is too small; give 64K or more",
				 config->memory_bytes);
	if (config->memory_bytes > max_bytes)
		return error_set(
			error,
			"store of unanswered SYNs: memory of %zu bytes is more than it can use; give %llu or less",
			config->memory_bytes, (unsigned long long)max_bytes);
	if (config->new_ns == 0 || config->overdue_ns == 0)
		return error_set(error, "store of unanswered SYNs: a timeout is 0; give a time above 0");
	return 0;
}

struct syn_store *syn_store_create(const struct syn_store_config *config, const struct flow_key_config *key,
				   syn_evict_fn *evict, void *context, struct error *error)
{
	struct syn_store *store;

	if (check_config(config, error) != 0)
		return NULL;
	store = calloc(1, sizeof(*store));
	if (store == NULL || (config->memory_bytes != 0 && map_memory(store, config->memory_bytes) != 0)) {
		error_set(error, "store of unanswered SYNs: cannot allocate %zu bytes: %s; lower --memory",
			  config->memory_bytes, strerror(errno));
		free(store);
		return NULL;
	}
	store->first_fresh = NO_SLOT + 1;
	store->key = *key;
	store->new_ns = config->new_ns;
	store->overdue_ns = config->overdue_ns;
	store->evict = evict;
	store->evict_context = context;
	return store;
}

void syn_store_destroy(struct syn_store *store)
{
	if (store == NULL)
		return;
	lazy_memory_unmap(store->memory, store->mapped_bytes);
	free(store);
}

const struct syn_store_stats *syn_store_get_stats(const struct syn_store *store)
{
	return &store->stats;
}

/* ---- Slots ---- */

static uint32_t slot_of(const struct syn_store *store, const struct syn_entry *entry)
{
	return (uint32_t)((const union syn_slot *)entry - store->slots);
}

static struct syn_entry *entry_at(const struct syn_store *store, uint32_t slot)
{
	return &store->slots[slot].entry;
}

static uint64_t n_free(const struct syn_store *store)
{
	return store->stats.capacity - store->stats.entries_in_use;
}

/* There must be a free one. */
static uint32_t take_slot(struct syn_store *store)
{
	uint32_t slot = store->first_freed;

	if (slot != NO_SLOT)
		store->first_freed = store->slots[slot].next_freed;
	else
		slot = store->first_fresh++;
	store->stats.entries_in_use++;
	memset(&store->slots[slot], 0, sizeof(store->slots[slot]));
	return slot;
}

static void free_slot(struct syn_store *store, uint32_t slot)
{
	if (slot == NO_SLOT)
		return;
	store->slots[slot].entry.state = ENTRY_FREE;
	store->slots[slot].next_freed = store->first_freed;
	store->first_freed = slot;
	store->stats.entries_in_use--;
}

static struct syn_parts parts_of(const struct syn_store *store, const struct syn_entry *entry)
{
	struct syn_parts parts = { NULL, NULL, NULL };
	uint32_t repeats;

	if (!entry->has_parts)
		return parts;
	parts.more = &store->slots[entry->hash_or_more].more;
	if (entry->has_rare)
		parts.rare = &store->slots[parts.more->rest].rare;
	repeats = entry->has_rare ? parts.rare->repeats : parts.more->rest;
	if (repeats != NO_SLOT)
		parts.repeats = &store->slots[repeats].repeats;
	return parts;
}

static void free_parts(struct syn_store *store, struct syn_entry *entry)
{
	struct syn_parts parts = parts_of(store, entry);

	if (parts.more == NULL)
		return;
	if (parts.rare != NULL)
		free_slot(store, parts.rare->repeats);
	free_slot(store, parts.more->rest);
	free_slot(store, entry->hash_or_more);
	entry->has_parts = false;
	entry->has_rare = false;
}

/* ---- Chains ---- */

static uint32_t *chain_of(struct syn_store *store, uint64_t hash)
{
	return &store->chains[hash & store->chain_mask];
}

static void key_of(const struct syn_store *store, const struct syn_entry *entry, struct flow_key *key)
{
	struct syn_parts parts = parts_of(store, entry);
	struct packet packet;

	if (!syn_is_tagged(entry, &parts)) {
		syn_untagged_key(entry, &parts, key);
		return;
	}
	syn_unpack(entry, &parts, &packet);
	flow_key_from_packet(&store->key, &packet, key);
}

static uint32_t *chain_of_entry(struct syn_store *store, const struct syn_entry *entry)
{
	struct flow_key key;

	key_of(store, entry, &key);
	return chain_of(store, flow_key_hash(&store->key, &key));
}

static void chain_append(struct syn_store *store, uint64_t hash, uint32_t slot)
{
	uint32_t *link = chain_of(store, hash);

	while (*link != NO_SLOT)
		link = &entry_at(store, *link)->hash_next;
	*link = slot;
}

static void chain_unlink(struct syn_store *store, const struct syn_entry *entry)
{
	uint32_t slot = slot_of(store, entry);
	uint32_t *link = slot == store->next ? store->chain_of_next : chain_of_entry(store, entry);

	while (*link != slot)
		link = &entry_at(store, *link)->hash_next;
	*link = entry->hash_next;
}

/* ---- Queues ---- */

/*
 * Fetches what will be touched when the head leaves its queue, which is seldom before the next packet. The head itself
 * was fetched when it was second.
 */
static void fetch_next(struct syn_store *store, bool overdue)
{
	uint32_t head = store->queues[overdue].head;

	__builtin_prefetch(entry_at(store, entry_at(store, head)->queue_next), 1);
	if (!overdue || head == store->next)
		return;
	store->next = head;
	if (head == NO_SLOT || store->draining)
		return;
	store->chain_of_next = chain_of_entry(store, entry_at(store, head));
	__builtin_prefetch(store->chain_of_next, 1);
}

static void queue_append(struct syn_store *store, bool overdue, struct syn_entry *entry)
{
	struct queue *queue = &store->queues[overdue];
	uint32_t slot = slot_of(store, entry);

	entry->queue_next = NO_SLOT;
	if (queue->tail != NO_SLOT)
		entry_at(store, queue->tail)->queue_next = slot;
	else
		queue->head = slot;
	queue->tail = slot;
	entry->state = overdue ? ENTRY_OVERDUE : ENTRY_NEW;
	store->stats.in_use[overdue]++;
}

static void queue_pop(struct syn_store *store, bool overdue)
{
	struct queue *queue = &store->queues[overdue];

	queue->head = entry_at(store, queue->head)->queue_next;
	if (queue->head == NO_SLOT)
		queue->tail = NO_SLOT;
}

/* What is gone goes when it comes to the head. */
static void clear_head(struct syn_store *store, bool overdue)
{
	uint32_t slot;

	while ((slot = store->queues[overdue].head) != NO_SLOT && entry_at(store, slot)->state == ENTRY_GONE) {
		queue_pop(store, overdue);
		free_slot(store, slot);
	}
	fetch_next(store, overdue);
}

static bool is_key_of(const struct syn_store *store, const struct syn_entry *entry, const struct flow_key *key)
{
	struct syn_parts parts = parts_of(store, entry);
	struct flow_key own;

	if (!syn_ends_are(entry, &parts, key))
		return false;
	if (key->domain == 0 && !syn_is_tagged(entry, &parts))
		return true;
	key_of(store, entry, &own);
	return flow_key_equal(&own, key);
}

void syn_store_fetch(const struct syn_store *store, uint64_t hash, unsigned step)
{
	const uint32_t *link;

	if (store->memory == NULL)
		return;
	link = &store->chains[hash & store->chain_mask];
	if (step == 0) {
		__builtin_prefetch(link);
		return;
	}
	for (unsigned i = 1; i < step && *link != NO_SLOT; i++)
		link = &entry_at(store, *link)->hash_next;
	__builtin_prefetch(entry_at(store, *link), 1);
}

struct syn_entry *syn_store_find(struct syn_store *store, const struct flow_key *key, uint64_t hash)
{
	if (store->memory == NULL)
		return NULL;
	for (uint32_t slot = *chain_of(store, hash); slot != NO_SLOT; slot = entry_at(store, slot)->hash_next) {
		if (is_key_of(store, entry_at(store, slot), key))
			return entry_at(store, slot);
	}
	return NULL;
}

/* ---- Leaving ---- */

/* The next attempt begins with fresh chains. */
static void end_drain(struct syn_store *store)
{
	memset(store->chains, 0, (store->chain_mask + 1) * sizeof(store->chains[0]));
	store->draining = false;
}

void syn_store_remove(struct syn_store *store, struct syn_entry *entry)
{
	bool overdue = entry->state == ENTRY_OVERDUE;

	if (!store->draining)
		chain_unlink(store, entry);
	free_parts(store, entry);
	entry->state = ENTRY_GONE;
	store->stats.in_use[overdue]--;
	clear_head(store, overdue);
	if (store->draining && store->stats.in_use[false] + store->stats.in_use[true] == 0)
		end_drain(store);
}

void syn_store_promote(struct syn_store *store, struct syn_entry *entry)
{
	store->stats.promoted++;
	syn_store_remove(store, entry);
}

void syn_store_expire(struct syn_store *store, struct syn_entry *entry)
{
	store->stats.expired[entry->state == ENTRY_OVERDUE]++;
	syn_store_remove(store, entry);
}

static struct syn_entry *head_of(struct syn_store *store, bool overdue)
{
	uint32_t slot = store->queues[overdue].head;

	return slot != NO_SLOT ? entry_at(store, slot) : NULL;
}

/* Evicts until n slots are free; not spared, which may be null. False: there was nobody else to evict. */
static bool make_room(struct syn_store *store, unsigned n, const struct syn_entry *spared)
{
	while (n_free(store) < n) {
		struct syn_entry *victim = head_of(store, true);
		if (victim == NULL)
			victim = head_of(store, false);
		if (victim == NULL || victim == spared)
			return false;
		if (store->evict != NULL)
			store->evict(store->evict_context, victim);
		store->stats.evicted[victim->state == ENTRY_OVERDUE]++;
		syn_store_remove(store, victim);
	}
	return true;
}

/* ---- Attempts ---- */

struct syn_entry *syn_store_insert(struct syn_store *store, const struct packet *packet, uint64_t hash,
				   uint64_t previous_id, uint64_t now_ns)
{
	unsigned n_parts = syn_parts_needed(packet, previous_id, now_ns);
	struct syn_parts parts = { NULL, NULL, NULL };
	struct flow_key key;

	if (store->memory == NULL || !syn_fits(packet) || !make_room(store, 1 + n_parts, NULL)) {
		store->stats.refused++;
		return NULL;
	}
	uint32_t slot = take_slot(store);
	struct syn_entry *entry = entry_at(store, slot);
	if (n_parts > 0) {
		entry->has_parts = true;
		entry->hash_or_more = take_slot(store);
		parts.more = &store->slots[entry->hash_or_more].more;
	}
	if (n_parts > 1) {
		entry->has_rare = true;
		parts.more->rest = take_slot(store);
		parts.rare = &store->slots[parts.more->rest].rare;
	}
	entry->client_index = flow_key_from_packet(&store->key, packet, &key) & 1;
	syn_pack(entry, &parts, packet, previous_id, now_ns);
	chain_append(store, hash, slot);
	queue_append(store, false, entry);
	store->stats.created++;
	return entry;
}

bool syn_store_holds(const struct syn_store *store, const struct syn_entry *entry, const struct packet *packet)
{
	struct syn_parts parts = parts_of(store, entry);

	return syn_is_repeat(entry, &parts, packet);
}

bool syn_store_reserve(struct syn_store *store, struct syn_entry *entry)
{
	struct syn_parts parts = parts_of(store, entry);
	bool lacks_repeats = parts.more != NULL && parts.more->n_syns > 1 && parts.repeats == NULL;

	if (parts.more != NULL && !lacks_repeats)
		return true;
	if (!make_room(store, 1, entry))
		return false;
	uint32_t slot = take_slot(store);
	if (parts.more == NULL) {
		syn_extend(entry, &store->slots[slot].more);
		entry->hash_or_more = slot;
		entry->has_parts = true;
	} else if (parts.rare != NULL) {
		parts.rare->repeats = slot;
	} else {
		parts.more->rest = slot;
	}
	return true;
}

void syn_store_repeat(struct syn_store *store, struct syn_entry *entry, const struct packet *packet)
{
	struct syn_parts parts = parts_of(store, entry);

	syn_pack_repeat(entry, &parts, packet);
}

void syn_store_duplicate(struct syn_store *store, struct syn_entry *entry)
{
	struct syn_more *more = parts_of(store, entry).more;

	assert(more != NULL); /* syn_store_reserve made it */
	more->n_duplicates++;
}

bool syn_store_is_alerted(const struct syn_entry *entry)
{
	return entry->alerted;
}

void syn_store_set_alerted(struct syn_entry *entry)
{
	entry->alerted = true;
}

uint64_t syn_store_id(const struct syn_entry *entry)
{
	return entry->id;
}

unsigned syn_store_client_index(const struct syn_entry *entry)
{
	return entry->client_index;
}

static uint64_t touched_ns_of(const struct syn_store *store, const struct syn_entry *entry)
{
	struct syn_parts parts = parts_of(store, entry);
	uint64_t begun_ns = parts.rare != NULL ? parts.rare->begun_ns : entry->first_ns;

	if (entry->state != ENTRY_OVERDUE)
		return begun_ns;
	return begun_ns > UINT64_MAX - store->new_ns ? UINT64_MAX : begun_ns + store->new_ns;
}

static uint64_t due_ns_of(const struct syn_store *store, const struct syn_entry *entry)
{
	uint64_t touched_ns = touched_ns_of(store, entry);
	uint64_t timeout_ns = entry->state == ENTRY_OVERDUE ? store->overdue_ns : store->new_ns;

	return touched_ns > UINT64_MAX - timeout_ns ? UINT64_MAX : touched_ns + timeout_ns;
}

void syn_store_unpack(const struct syn_store *store, const struct syn_entry *entry, struct syn_attempt *attempt)
{
	struct syn_parts parts = parts_of(store, entry);
	const struct syn_more *more = parts.more;

	syn_unpack(entry, &parts, &attempt->first);
	syn_unpack_repeats(entry, &parts, attempt);
	attempt->previous_id = more != NULL ? more->previous_id : 0;
	attempt->touched_ns = touched_ns_of(store, entry);
	attempt->due_ns = due_ns_of(store, entry);
	attempt->overdue = entry->state == ENTRY_OVERDUE;
	attempt->alerted = entry->alerted;
}

void syn_store_get_gist(const struct syn_store *store, const struct syn_entry *entry, struct syn_gist *gist)
{
	struct syn_parts parts = parts_of(store, entry);

	syn_get_gist(entry, &parts, gist);
}

/* ---- Order ---- */

struct syn_entry *syn_store_first_due(struct syn_store *store, uint64_t *due_ns, bool *overdue)
{
	struct syn_entry *fresh = head_of(store, false);
	struct syn_entry *late = head_of(store, true);
	uint64_t fresh_ns = fresh != NULL ? due_ns_of(store, fresh) : UINT64_MAX;
	uint64_t late_ns = late != NULL ? due_ns_of(store, late) : UINT64_MAX;

	*overdue = fresh == NULL || (late != NULL && late_ns < fresh_ns);
	*due_ns = *overdue ? late_ns : fresh_ns;
	return *overdue ? late : fresh;
}

void syn_store_move_on(struct syn_store *store, struct syn_entry *entry)
{
	assert(entry->state == ENTRY_NEW && slot_of(store, entry) == store->queues[false].head);
	queue_pop(store, false);
	store->stats.in_use[false]--;
	clear_head(store, false);
	queue_append(store, true, entry);
}

struct syn_entry *syn_store_oldest(struct syn_store *store)
{
	struct syn_entry *fresh = head_of(store, false);
	struct syn_entry *late = head_of(store, true);

	store->draining = fresh != NULL || late != NULL;
	if (fresh == NULL || late == NULL)
		return fresh != NULL ? fresh : late;
	return late->id < fresh->id ? late : fresh;
}
