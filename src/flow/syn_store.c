/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where attempts are kept: entries of one cache line, found by hash chains, in a queue for each class. How a SYN is
 * packed into entries is in syn_pack.c, slots and chains in syn_slots.c, the queues in syn_queue.c.
 *
 * One mapping holds the index (heads of hash chains) and the slots. Everything links by slot number; slot 0 is never
 * used, so that 0 means none and fresh zero pages are an empty index. Slots from first_fresh on were never used.
 *
 * A newcomer goes to the end of its chain, which was just walked to find that it is new. So the oldest, which
 * leaves when it expires or when place is made, is the first of its chain as a rule, and taking it out touches no
 * other.
 *
 * Chains are as many as a full store needs, and hashes lead to all of them alike: few attempts at a time would touch
 * all that memory. So those that come while few were ever there at a time are in few chains of their own. They are
 * early; those that come from then on are late, and look-ups go both ways while early ones are left.
 *
 * Invariants, checked by the unit test after every step:
 *  - each slot below first_fresh is free, a part of exactly one attempt, or an entry;
 *  - entries of unanswered attempts are in exactly one queue, answers in exactly one of the half open; in the former
 *    are those that are gone, too, and some that are answered, but never at the head;
 *  - entries of attempts are in exactly one chain, in the order of their ids, those that are gone in none (while the
 *    store is drained there are no chains);
 *  - ids and the times at which timers began do not decrease from head to tail.
 */
#include "tcpwitness/flow/syn_store.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lazy_memory.h"
#include "syn_store_internal.h"
#include "tcpwitness/base/prefetch.h"
#include "tcpwitness/base/units.h"

enum {
	MIN_MEMORY_BYTES = 64 * 1024,
	CHAINS_OF_EARLY = 32, /* one of so many chains is for early attempts, */
	EARLY_OF_CHAINS = 32, /* and there are so many of these chains for each slot until attempts are late */
	DEFAULT_MEMORY_BYTES = 32 * 1024 * 1024,
};

void syn_store_config_defaults(struct syn_store_config *config)
{
	*config = (struct syn_store_config){
		.memory_bytes = DEFAULT_MEMORY_BYTES,
		.timeout_ns = { NS_PER_SEC, 134 * NS_PER_SEC, NS_PER_SEC, 75 * NS_PER_SEC },
	};
}

/* ---- Start and end ---- */

static int map_memory(struct syn_store *store, size_t budget_bytes)
{
	uint64_t n_chains = CHAINS_OF_EARLY * sizeof(union syn_slot) / sizeof(uint32_t);

	while (n_chains * 2 <= budget_bytes / (sizeof(union syn_slot) + sizeof(uint32_t)))
		n_chains *= 2;
	uint64_t n_early_chains = n_chains / CHAINS_OF_EARLY;
	size_t index_bytes = (n_chains + n_early_chains) * sizeof(uint32_t);
	store->mapped_bytes = budget_bytes;
	store->memory = lazy_memory_map(&store->mapped_bytes);
	if (store->memory == NULL)
		return -1;
	store->chains = store->memory;
	store->chain_mask = n_chains - 1;
	store->early_chains = store->chains + n_chains;
	store->early_mask = n_early_chains - 1;
	store->late_from_id = UINT64_MAX;
	/* The index is a multiple of a slot, so slots are aligned to cache lines. */
	store->slots = (void *)((uint8_t *)store->memory + index_bytes);
	store->stats.memory_bytes = store->mapped_bytes;
	store->stats.capacity = (store->mapped_bytes - index_bytes) / sizeof(union syn_slot) - 1;
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
	for (unsigned i = 0; i < SYN_CLASS_COUNT; i++)
		if (config->timeout_ns[i] == 0)
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
	memcpy(store->timeout_ns, config->timeout_ns, sizeof(store->timeout_ns));
	syn_queues_clear(store);
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

/* ---- Looking up ---- */

/* Not inline, or whoever looks for a key makes room on the stack for one of its own. */
__attribute__((noinline)) static bool is_whole_key_of(const struct syn_store *store, const struct syn_entry *entry,
						      const struct flow_key *key)
{
	struct flow_key own;

	syn_key_of(store, entry, &own);
	return flow_key_equal(&own, key);
}

static bool is_key_of(const struct syn_store *store, const struct syn_entry *entry, const struct flow_key *key)
{
	const struct syn_more *more = entry->has_parts ? &store->slots[entry->hash_or_part].more : NULL;

	return syn_ends_are(entry, more, key) &&
	       ((key->domain == 0 && !syn_is_tagged(entry)) || is_whole_key_of(store, entry, key));
}

/* Are late attempts there, or may be? */
static bool has_late(const struct syn_store *store)
{
	return store->late_from_id != UINT64_MAX;
}

const uint32_t *syn_store_fetch_chain(const struct syn_store *store, uint64_t hash)
{
	static const uint32_t no_chain = NO_SLOT;
	const uint32_t *link = &no_chain;

	if (store->memory != NULL)
		link = has_late(store) ? syn_late_chain(store, hash) : syn_early_chain(store, hash);
	if (store->n_early != 0)
		prefetch(syn_early_chain(store, hash));
	prefetch(link);
	return link;
}

/* Behind the last entry, this stays where it is. */
const uint32_t *syn_store_fetch_next(const struct syn_store *store, const uint32_t *link)
{
	if (*link == NO_SLOT)
		return link;
	const struct syn_entry *entry = syn_entry_at(store, *link);
	prefetch_to_write(entry);
	return &entry->hash_next;
}

static struct syn_entry *find_in(const struct syn_store *store, const uint32_t *chain, const struct flow_key *key)
{
	for (uint32_t slot = *chain; slot != NO_SLOT; slot = syn_entry_at(store, slot)->hash_next) {
		if (is_key_of(store, syn_entry_at(store, slot), key))
			return syn_entry_at(store, slot);
	}
	return NULL;
}

struct syn_entry *syn_store_find(struct syn_store *store, const struct flow_key *key, uint64_t hash)
{
	struct syn_entry *entry = NULL;

	if (store->n_early != 0)
		entry = find_in(store, syn_early_chain(store, hash), key);
	if (entry == NULL && store->memory != NULL && has_late(store))
		entry = find_in(store, syn_late_chain(store, hash), key);
	return entry;
}

/* ---- Leaving ---- */

static bool is_empty(const struct syn_store *store)
{
	for (unsigned i = 0; i < SYN_CLASS_COUNT; i++)
		if (store->queues[i].head != NO_SLOT)
			return false;
	return true;
}

static void clear_chains(struct syn_store *store)
{
	memset(store->early_chains, 0, (store->early_mask + 1) * sizeof(store->early_chains[0]));
	if (has_late(store))
		memset(store->chains, 0, (store->chain_mask + 1) * sizeof(store->chains[0]));
	store->n_early = 0;
	store->late_from_id = UINT64_MAX;
}

/* The next attempt begins with fresh chains. */
static void end_drain(struct syn_store *store)
{
	clear_chains(store);
	store->last_overdue_id = 0;
	store->draining = false;
}

void syn_store_remove(struct syn_store *store, struct syn_entry *entry)
{
	if (!store->draining) {
		bool is_next = syn_slot_of(store, entry) == store->noted[SYN_UNANSWERED];
		syn_chain_unlink(store, is_next ? store->chain_of_next : syn_chain_of_entry(store, entry), entry);
	} else if (entry->is_answered) {
		store->half_open_left = entry->hash_next;
	}
	syn_queue_leave(store, entry);
	if (store->draining && is_empty(store))
		end_drain(store);
}

void syn_store_promote(struct syn_store *store, struct syn_entry *entry, uint64_t hash)
{
	assert(!store->draining);
	store->stats.promoted++;
	syn_chain_unlink(store, syn_chain_of(store, entry, hash), entry);
	syn_queue_leave(store, entry);
}

void syn_store_expire(struct syn_store *store, struct syn_entry *entry)
{
	store->stats.expired[syn_class_of(store, entry)]++;
	syn_store_remove(store, entry);
}

static uint64_t n_free(const struct syn_store *store)
{
	return store->stats.capacity - store->stats.entries_in_use;
}

/* As make_room. Not inline: there mostly is room. */
__attribute__((noinline)) static bool evict_for(struct syn_store *store, unsigned n, const struct syn_entry *spared)
{
	while (n_free(store) < n) {
		struct syn_entry *victim = syn_queue_head(store, SYN_UNANSWERED);
		if (victim == NULL)
			victim = syn_queue_head(store, SYN_UNANSWERED_NEW);
		if (victim == NULL || victim == spared)
			return false;
		if (store->evict != NULL)
			store->evict(store->evict_context, victim);
		store->stats.evicted[syn_class_of(store, victim)]++;
		syn_store_remove(store, victim);
	}
	return true;
}

/* Evicts until n slots are free; not spared, which may be null. False: there was nobody else to evict. */
static inline bool make_room(struct syn_store *store, unsigned n, const struct syn_entry *spared)
{
	return n_free(store) >= n || evict_for(store, n, spared);
}

/* ---- Attempts ---- */

/* What the entry has no room for. Returns the slot of the first part. */
static uint32_t take_parts(struct syn_store *store, unsigned n_parts, const struct packet *packet, uint64_t previous_id,
			   uint64_t now_ns)
{
	struct syn_parts parts = { NULL, NULL, NULL, NULL };
	uint32_t more = syn_take_slot(store);

	parts.more = &store->slots[more].more;
	if (n_parts > 1) {
		parts.more->rest = syn_take_slot(store);
		parts.rare = &store->slots[parts.more->rest].rare;
	}
	syn_pack_parts(&parts, packet, previous_id, now_ns);
	return more;
}

struct syn_entry *syn_store_insert(struct syn_store *store, const struct packet *packet, unsigned client_index,
				   uint64_t hash, uint64_t previous_id, uint64_t now_ns)
{
	unsigned n_parts = syn_parts_needed(packet, previous_id, now_ns);

	if (store->memory == NULL || !syn_fits(packet) || packet->number <= store->last_overdue_id ||
	    !make_room(store, 1 + n_parts, NULL)) {
		store->stats.refused++;
		return NULL;
	}
	uint32_t slot = syn_take_slot_as_it_is(store);
	struct syn_entry *entry = syn_entry_at(store, slot);
	uint32_t more = n_parts > 0 ? take_parts(store, n_parts, packet, previous_id, now_ns) : NO_SLOT;
	syn_pack(packet, client_index, n_parts, more, entry);
	if (!has_late(store) && store->first_fresh > (store->early_mask + 1) / EARLY_OF_CHAINS)
		store->late_from_id = packet->number;
	syn_chain_append(store, hash, slot);
	syn_queue_append(store, SYN_UNANSWERED_NEW, entry);
	store->stats.created++;
	return entry;
}

bool syn_store_holds(const struct syn_store *store, const struct syn_entry *entry, const struct packet *packet)
{
	struct syn_parts parts = syn_parts_of(store, entry);

	return syn_is_repeat(entry, &parts, packet);
}

bool syn_store_reserve(struct syn_store *store, struct syn_entry *entry)
{
	struct syn_parts parts = syn_parts_of(store, entry);
	bool lacks_repeats = parts.more != NULL && parts.more->n_syns > 1 && parts.repeats == NULL;

	if (parts.more != NULL && !lacks_repeats)
		return true;
	if (!make_room(store, 1, entry))
		return false;
	uint32_t slot = syn_take_slot(store);
	if (parts.more == NULL) {
		syn_extend(entry, &store->slots[slot].more);
		entry->hash_or_part = slot;
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
	struct syn_parts parts = syn_parts_of(store, entry);

	syn_pack_repeat(entry, &parts, packet);
}

bool syn_store_answer(struct syn_store *store, struct syn_entry *entry, const struct packet *packet)
{
	struct syn_parts parts = syn_parts_of(store, entry);
	uint64_t n_answered = store->stats.in_use[SYN_HALF_OPEN_NEW] + store->stats.in_use[SYN_HALF_OPEN];

	if (!syn_is_plain_answer(entry, &parts, packet) || n_answered >= store->stats.capacity / SYN_ANSWERED_SHARE ||
	    !make_room(store, 1, entry))
		return false;
	uint32_t slot = syn_take_slot_as_it_is(store);
	struct syn_answer *answer = &store->slots[slot].answer;
	syn_pack_answer(entry, syn_class_of(store, entry) == SYN_UNANSWERED, answer, packet);
	if (parts.more != NULL)
		parts.more->rest = slot;
	else
		entry->hash_or_part = slot;
	syn_queue_answer(store, entry, answer);
	return true;
}

void syn_store_duplicate(struct syn_store *store, struct syn_entry *entry)
{
	struct syn_more *more = syn_parts_of(store, entry).more;

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

void syn_store_unpack(const struct syn_store *store, const struct syn_entry *entry, struct syn_attempt *attempt)
{
	struct syn_parts parts = syn_parts_of(store, entry);
	const struct syn_more *more = parts.more;

	syn_unpack(entry, &parts, &attempt->first);
	syn_unpack_repeats(entry, &parts, attempt);
	attempt->answered_late = parts.answer != NULL && parts.answer->is_late;
	if (parts.answer != NULL)
		syn_unpack_answer(entry, &parts, &attempt->answer);
	attempt->previous_id = more != NULL ? more->previous_id : 0;
	attempt->touched_ns = syn_touched_ns(store, entry);
	attempt->due_ns = syn_due_ns(store, entry);
	attempt->class = syn_class_of(store, entry);
	attempt->alerted = entry->alerted;
}

void syn_store_get_gist(const struct syn_store *store, const struct syn_entry *entry, struct syn_gist *gist)
{
	struct syn_parts parts = syn_parts_of(store, entry);

	syn_get_gist(entry, &parts, gist);
}

bool syn_store_get_opening(const struct syn_store *store, const struct syn_entry *entry, struct plain_opening *opening)
{
	struct syn_parts parts = syn_parts_of(store, entry);

	return syn_get_opening(entry, &parts, opening);
}

void syn_store_each(const struct syn_store *store, syn_visit_fn *visit, void *context)
{
	for (unsigned class = 0; class < SYN_CLASS_COUNT; class ++)
		syn_queue_each(store, (enum syn_class) class, visit, context);
}

void syn_store_clear(struct syn_store *store)
{
	if (is_empty(store))
		return;
	syn_queues_clear(store);
	store->first_fresh = NO_SLOT + 1;
	store->first_freed = NO_SLOT;
	store->stats.entries_in_use = 0;
	clear_chains(store);
}

/* ---- Order ---- */

struct syn_entry *syn_store_first_due(struct syn_store *store, uint64_t *due_ns, enum syn_class *class)
{
	*class = syn_queue_first_due(store);
	*due_ns = store->due_ns[*class];
	return syn_queue_head(store, *class);
}

uint64_t syn_store_due_ns(const struct syn_store *store)
{
	return store->due_ns[store->first_due];
}

void syn_store_move_on(struct syn_store *store, struct syn_entry *entry)
{
	syn_queue_move_on(store, entry);
}

static struct syn_entry *older_of(struct syn_entry *a, struct syn_entry *b)
{
	if (a == NULL || b == NULL)
		return a != NULL ? a : b;
	return a->id < b->id ? a : b;
}

struct syn_entry *syn_store_oldest(struct syn_store *store)
{
	struct syn_entry *unanswered =
		older_of(syn_queue_head(store, SYN_UNANSWERED_NEW), syn_queue_head(store, SYN_UNANSWERED));

	if (!store->draining)
		store->half_open_left = syn_queue_sort_answered(store);
	uint32_t answered = store->half_open_left;
	struct syn_entry *oldest = older_of(unanswered, answered != NO_SLOT ? syn_entry_at(store, answered) : NULL);
	store->draining = oldest != NULL;
	return oldest;
}
