/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Queues of the SYN store: one for each class, in the order in which timers end.
 *
 * Those of the unanswered are linked one way only, to save four bytes in each entry: an attempt that leaves from the
 * middle leaves its entry behind (ENTRY_GONE) until it comes to the head. Most are answered in their first second, and
 * the queue of that second is short. One that is answered goes to another entry for that reason; from then on its
 * answer has room for the other link.
 */
#include "syn_store_internal.h"

#include <assert.h>

#include "list_sort.h"

/* ---- Time ---- */

static uint64_t add_ns(uint64_t time_ns, uint64_t duration_ns)
{
	return time_ns > UINT64_MAX - duration_ns ? UINT64_MAX : time_ns + duration_ns;
}

uint64_t syn_touched_ns(const struct syn_store *store, const struct syn_entry *entry)
{
	struct syn_parts parts = syn_parts_of(store, entry);
	enum syn_class class = syn_class_of(entry);
	uint64_t begun_ns = entry->first_ns;

	if (parts.answer != NULL)
		begun_ns = syn_answer_time_ns(entry, parts.answer);
	else if (parts.rare != NULL)
		begun_ns = parts.rare->begun_ns;
	return syn_is_overdue(class) ? add_ns(begun_ns, store->timeout_ns[class - 1]) : begun_ns;
}

uint64_t syn_due_ns(const struct syn_store *store, const struct syn_entry *entry)
{
	return add_ns(syn_touched_ns(store, entry), store->timeout_ns[syn_class_of(entry)]);
}

/* ---- Queues ---- */

void syn_queues_clear(struct syn_store *store)
{
	for (unsigned i = 0; i < SYN_CLASS_COUNT; i++) {
		store->queues[i] = (struct syn_queue){ NO_SLOT, NO_SLOT };
		store->noted[i] = NO_SLOT;
		store->due_ns[i] = UINT64_MAX;
		store->stats.in_use[i] = 0;
	}
	store->first_due = SYN_UNANSWERED_NEW;
}

static void note_due(struct syn_store *store, enum syn_class class, uint64_t due_ns)
{
	enum syn_class first = SYN_UNANSWERED_NEW;

	store->due_ns[class] = due_ns;
	for (unsigned i = SYN_UNANSWERED; i < SYN_CLASS_COUNT; i++)
		if (store->due_ns[i] < store->due_ns[first])
			first = (enum syn_class)i;
	store->first_due = first;
}

/*
 * The head may be another one than before. Fetches what will be touched when it leaves, which is seldom before the next
 * packet; the head itself was fetched when it was second.
 */
static void note_head(struct syn_store *store, enum syn_class class)
{
	uint32_t slot = store->queues[class].head;
	const struct syn_entry *head = syn_entry_at(store, slot);

	if (slot == store->noted[class])
		return;
	store->noted[class] = slot;
	note_due(store, class, slot != NO_SLOT ? syn_due_ns(store, head) : UINT64_MAX);
	__builtin_prefetch(syn_entry_at(store, head->queue_next), 1);
	if (class != SYN_UNANSWERED || slot == NO_SLOT || store->draining)
		return;
	store->chain_of_next = syn_chain_of_entry(store, head);
	__builtin_prefetch(store->chain_of_next, 1);
}

void syn_queue_append(struct syn_store *store, enum syn_class class, struct syn_entry *entry)
{
	struct syn_queue *queue = &store->queues[class];
	struct syn_answer *answer = syn_parts_of(store, entry).answer;
	uint32_t slot = syn_slot_of(store, entry);

	entry->queue_next = NO_SLOT;
	if (answer != NULL)
		answer->queue_prev = queue->tail;
	entry->state = syn_is_overdue(class) ? ENTRY_OVERDUE : ENTRY_NEW;
	store->stats.in_use[class]++;
	if (queue->tail != NO_SLOT)
		syn_entry_at(store, queue->tail)->queue_next = slot;
	else
		queue->head = slot;
	queue->tail = slot;
	if (queue->head == slot)
		note_head(store, class);
}

static void queue_pop(struct syn_store *store, enum syn_class class)
{
	struct syn_queue *queue = &store->queues[class];

	queue->head = syn_entry_at(store, queue->head)->queue_next;
	if (queue->head == NO_SLOT)
		queue->tail = NO_SLOT;
}

/* What is gone goes when it comes to the head. */
static void clear_head(struct syn_store *store, enum syn_class class)
{
	uint32_t slot;

	while ((slot = store->queues[class].head) != NO_SLOT && syn_entry_at(store, slot)->state == ENTRY_GONE) {
		queue_pop(store, class);
		syn_free_slot(store, slot);
	}
	note_head(store, class);
}

/* From anywhere: of an attempt that was answered. */
static void queue_unlink(struct syn_store *store, enum syn_class class, const struct syn_entry *entry)
{
	struct syn_queue *queue = &store->queues[class];
	uint32_t prev = syn_parts_of(store, entry).answer->queue_prev;

	if (prev != NO_SLOT)
		syn_entry_at(store, prev)->queue_next = entry->queue_next;
	else
		queue->head = entry->queue_next;
	if (entry->queue_next != NO_SLOT)
		syn_parts_of(store, syn_entry_at(store, entry->queue_next)).answer->queue_prev = prev;
	else
		queue->tail = prev;
	note_head(store, class);
}

void syn_queue_leave(struct syn_store *store, struct syn_entry *entry)
{
	enum syn_class class = syn_class_of(entry);

	store->stats.in_use[class]--;
	if (entry->is_answered) {
		queue_unlink(store, class, entry);
		syn_free_parts(store, entry);
		syn_free_slot(store, syn_slot_of(store, entry));
		return;
	}
	syn_free_parts(store, entry);
	entry->state = ENTRY_GONE;
	clear_head(store, class);
}

void syn_queue_move_on(struct syn_store *store, struct syn_entry *entry)
{
	enum syn_class class = syn_class_of(entry);

	assert(!syn_is_overdue(class) && syn_slot_of(store, entry) == store->queues[class].head);
	store->stats.in_use[class]--;
	if (entry->is_answered) {
		queue_unlink(store, class, entry);
	} else {
		queue_pop(store, class);
		clear_head(store, class);
	}
	syn_queue_append(store, (enum syn_class)(class + 1), entry);
}

/* ---- The end of a run ---- */

static uint64_t id_at(const void *store, uint32_t slot)
{
	return syn_entry_at(store, slot)->id;
}

static uint32_t *next_left_at(void *store, uint32_t slot)
{
	return &syn_entry_at(store, slot)->hash_next;
}

/* Links the ascending run that begins at *slot, and leaves *slot behind it. */
static uint32_t take_run(struct syn_store *store, uint32_t *slot)
{
	uint32_t run = *slot;
	struct syn_entry *last;

	do {
		last = syn_entry_at(store, *slot);
		*slot = last->queue_next;
		last->hash_next = *slot;
	} while (*slot != NO_SLOT && syn_entry_at(store, *slot)->id > last->id);
	last->hash_next = NO_SLOT;
	return run;
}

uint32_t syn_queue_sort_answered(struct syn_store *store)
{
	struct list_sort sort = { { NO_SLOT } };

	for (unsigned class = SYN_HALF_OPEN_NEW; class < SYN_CLASS_COUNT; class ++) {
		uint32_t slot = store->queues[class].head;
		while (slot != NO_SLOT)
			list_sort_add(&sort, store, id_at, next_left_at, take_run(store, &slot));
	}
	return list_sort_end(&sort, store, id_at, next_left_at);
}
