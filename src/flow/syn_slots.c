/* SPDX-License-Identifier: BSD-2-Clause */
/* Slots of the SYN store: who has which, what an attempt consists of, and the hash chains that find attempts. */
#include "syn_store_internal.h"

#include <assert.h>
#include <string.h>

#include "tcpwitness/base/prefetch.h"

/* ---- Slots ---- */

uint32_t syn_take_slot_as_it_is(struct syn_store *store)
{
	enum { AHEAD = 4 };
	uint32_t slot = store->first_freed;

	store->stats.entries_in_use++;
	if (slot != NO_SLOT) {
		store->first_freed = store->slots[slot].next_freed;
		return slot;
	}
	prefetch_to_write(&store->slots[store->first_fresh + AHEAD]);
	return store->first_fresh++;
}

uint32_t syn_take_slot(struct syn_store *store)
{
	uint32_t slot = syn_take_slot_as_it_is(store);

	memset(&store->slots[slot], 0, sizeof(store->slots[slot]));
	return slot;
}

void syn_free_slot(struct syn_store *store, uint32_t slot)
{
	if (slot == NO_SLOT)
		return;
	store->slots[slot].entry.state = ENTRY_FREE;
	store->slots[slot].next_freed = store->first_freed;
	store->first_freed = slot;
	store->stats.entries_in_use--;
}

/* What the second part leads to. */
static void free_rest(struct syn_store *store, const struct syn_entry *entry)
{
	struct syn_parts parts = syn_parts_of(store, entry);

	if (parts.rare != NULL)
		syn_free_slot(store, parts.rare->repeats);
	syn_free_slot(store, parts.more->rest);
}

void syn_free_parts(struct syn_store *store, struct syn_entry *entry)
{
	if (entry->has_parts)
		free_rest(store, entry);
	if (entry->has_parts || entry->is_answered)
		syn_free_slot(store, entry->hash_or_part);
	entry->has_parts = false;
	entry->has_rare = false;
	entry->is_answered = false;
}

/* ---- Chains ---- */

void syn_key_of(const struct syn_store *store, const struct syn_entry *entry, struct flow_key *key)
{
	struct syn_parts parts = syn_parts_of(store, entry);
	struct packet packet;

	if (!syn_is_tagged(entry)) {
		syn_untagged_key(entry, &parts, key);
		return;
	}
	syn_unpack(entry, &parts, &packet);
	flow_key_from_packet(&store->key, &packet, key);
}

uint32_t *syn_chain_of_entry(struct syn_store *store, const struct syn_entry *entry)
{
	struct flow_key key;

	syn_key_of(store, entry, &key);
	return syn_chain_of(store, entry, flow_key_hash(&store->key, &key));
}

void syn_chain_append(struct syn_store *store, uint64_t hash, uint32_t slot)
{
	const struct syn_entry *entry = syn_entry_at(store, slot);
	uint32_t *link = syn_chain_of(store, entry, hash);

	store->n_early += syn_is_early(store, entry);
	while (*link != NO_SLOT)
		link = &syn_entry_at(store, *link)->hash_next;
	*link = slot;
}

/* Where the entry is linked from. */
static uint32_t *link_to(const struct syn_store *store, uint32_t *chain, uint32_t slot)
{
	uint32_t *link = chain;

	while (*link != slot) {
		assert(*link != NO_SLOT);
		link = &syn_entry_at(store, *link)->hash_next;
	}
	return link;
}

void syn_chain_unlink(struct syn_store *store, uint32_t *chain, const struct syn_entry *entry)
{
	*link_to(store, chain, syn_slot_of(store, entry)) = entry->hash_next;
	store->n_early -= syn_is_early(store, entry);
}
