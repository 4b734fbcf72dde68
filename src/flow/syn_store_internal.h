/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "syn_pack.h"
#include "tcpwitness/flow/syn_store.h"

/* The parts of the SYN store share this; see syn_store.c. */

enum { NO_SLOT = 0 };

/* Of struct syn_store.noted. The store has fewer slots. */
#define NOT_NOTED UINT32_MAX

/* Of entries, or, of the half open, of their answers. */
struct syn_queue {
	uint32_t head; /* oldest */
	uint32_t tail;
};

struct syn_store {
	void *memory; /* one mapping: chains, those of early attempts, then slots; null: no store */
	uint32_t *chains;
	uint32_t *early_chains; /* see syn_store.c */
	union syn_slot *slots;
	uint64_t chain_mask;
	uint64_t early_mask;
	uint64_t late_from_id; /* attempts before are early; UINT64_MAX: all are */
	uint64_t n_early;      /* in chains */
	uint32_t first_fresh;
	uint32_t first_freed;
	size_t mapped_bytes;
	struct syn_queue queues[SYN_CLASS_COUNT];
	uint32_t noted[SYN_CLASS_COUNT];  /* the heads for which the following is so; NOT_NOTED: it is so or later */
	uint64_t due_ns[SYN_CLASS_COUNT]; /* UINT64_MAX = no head */
	enum syn_class first_due;         /* which of these is first; of equals the lower */
	uint64_t last_overdue_id;         /* of all that came to SYN_UNANSWERED: whoever came before is overdue, too */
	uint32_t *chain_of_next;          /* of the head of SYN_UNANSWERED */
	bool draining;                    /* syn_store_oldest was called: chains are void */
	uint32_t half_open_left;          /* while draining: those that were answered, by id, linked by hash_next */
	struct flow_key_config key;
	uint64_t timeout_ns[SYN_CLASS_COUNT];
	syn_evict_fn *evict;
	void *evict_context;
	struct syn_store_stats stats;
};

static inline uint32_t syn_slot_of(const struct syn_store *store, const struct syn_entry *entry)
{
	return (uint32_t)((const union syn_slot *)entry - store->slots);
}

static inline struct syn_entry *syn_entry_at(const struct syn_store *store, uint32_t slot)
{
	return &store->slots[slot].entry;
}

static inline bool syn_is_early(const struct syn_store *store, const struct syn_entry *entry)
{
	return entry->id < store->late_from_id;
}

static inline uint32_t *syn_early_chain(const struct syn_store *store, uint64_t hash)
{
	return &store->early_chains[hash & store->early_mask];
}

static inline uint32_t *syn_late_chain(const struct syn_store *store, uint64_t hash)
{
	return &store->chains[hash & store->chain_mask];
}

static inline uint32_t *syn_chain_of(const struct syn_store *store, const struct syn_entry *entry, uint64_t hash)
{
	return syn_is_early(store, entry) ? syn_early_chain(store, hash) : syn_late_chain(store, hash);
}

/* Of an attempt that was answered. */
static inline struct syn_answer *syn_answer_of(const struct syn_store *store, const struct syn_entry *entry)
{
	uint32_t slot = entry->hash_or_part;

	return &store->slots[entry->has_parts ? store->slots[slot].more.rest : slot].answer;
}

static inline struct syn_parts syn_parts_of(const struct syn_store *store, const struct syn_entry *entry)
{
	struct syn_parts parts = { NULL, NULL, NULL, NULL };
	uint32_t repeats;

	if (entry->has_parts)
		parts.more = &store->slots[entry->hash_or_part].more;
	if (entry->is_answered)
		parts.answer = syn_answer_of(store, entry);
	if (entry->is_answered || parts.more == NULL)
		return parts;
	if (entry->has_rare)
		parts.rare = &store->slots[parts.more->rest].rare;
	repeats = entry->has_rare ? parts.rare->repeats : parts.more->rest;
	if (repeats != NO_SLOT)
		parts.repeats = &store->slots[repeats].repeats;
	return parts;
}

static inline enum syn_class syn_class_of(const struct syn_store *store, const struct syn_entry *entry)
{
	if (entry->is_answered)
		return syn_answer_of(store, entry)->is_overdue ? SYN_HALF_OPEN : SYN_HALF_OPEN_NEW;
	return entry->id <= store->last_overdue_id ? SYN_UNANSWERED : SYN_UNANSWERED_NEW;
}

static inline bool syn_is_half_open(enum syn_class class)
{
	return class >= SYN_HALF_OPEN_NEW;
}

static inline bool syn_is_overdue(enum syn_class class)
{
	return class == SYN_UNANSWERED || class == SYN_HALF_OPEN;
}

/* --- syn_slots.c --- */

/* There must be a free one. The first leaves in it what was there, the second zeroes it. */
uint32_t syn_take_slot_as_it_is(struct syn_store *store);
uint32_t syn_take_slot(struct syn_store *store);
void syn_free_slot(struct syn_store *store, uint32_t slot);

void syn_free_parts(struct syn_store *store, struct syn_entry *entry);

void syn_key_of(const struct syn_store *store, const struct syn_entry *entry, struct flow_key *key);
uint32_t *syn_chain_of_entry(struct syn_store *store, const struct syn_entry *entry);
void syn_chain_append(struct syn_store *store, uint64_t hash, uint32_t slot);
void syn_chain_unlink(struct syn_store *store, uint32_t *chain, const struct syn_entry *entry);

/* --- syn_queue.c --- */

/* The class whose head is due first; of equals the lower. */
enum syn_class syn_queue_first_due(struct syn_store *store);

/* The attempt that is first in the queue, or null. */
struct syn_entry *syn_queue_head(const struct syn_store *store, enum syn_class class);

/* There is nothing in them. */
void syn_queues_clear(struct syn_store *store);

/* When the attempt's timer began, and when it ends. */
uint64_t syn_touched_ns(const struct syn_store *store, const struct syn_entry *entry);
uint64_t syn_due_ns(const struct syn_store *store, const struct syn_entry *entry);

void syn_queue_append(struct syn_store *store, enum syn_class class, struct syn_entry *entry);

/* It was answered: answer, which is linked to it, is its place from now on. */
void syn_queue_answer(struct syn_store *store, struct syn_entry *entry, struct syn_answer *answer);

/* The head of its class goes to the next one. */
void syn_queue_move_on(struct syn_store *store, struct syn_entry *entry);

/* As syn_store_each, of one class. */
void syn_queue_each(const struct syn_store *store, enum syn_class class, syn_visit_fn *visit, void *context);

/* Links all that were answered in the order of their ids; chains are void from then on. Returns the first. */
uint32_t syn_queue_sort_answered(struct syn_store *store);

/* It goes: it has neither parts nor a place any more. */
void syn_queue_leave(struct syn_store *store, struct syn_entry *entry);
