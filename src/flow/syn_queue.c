/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Queues of the SYN store: one for each class, in the order in which timers end.
 *
 * Those of the unanswered are linked one way only, to save four bytes in each entry: an attempt that leaves from the
 * middle leaves its entry behind (ENTRY_GONE) until it comes to the head. One that is answered leaves its entry there,
 * too, but keeps it: its answer is its place in the queues of the half open, which are linked both ways. Most are
 * answered in their first second, and the queue of that second is short.
 *
 * In a flood, nearly all become overdue, and then expire or go for others. So nothing is written to an entry whose turn
 * comes: one queue goes on where the other one begins, in the order of ids, and the next one is mostly linked already.
 * A queue ends with its tail, whatever is linked to that.
 */
#include "syn_store_internal.h"

#include <assert.h>

#include "list_sort.h"
#include "tcpwitness/base/prefetch.h"

/* ---- Time ---- */

static uint64_t add_ns(uint64_t time_ns, uint64_t duration_ns)
{
	return time_ns > UINT64_MAX - duration_ns ? UINT64_MAX : time_ns + duration_ns;
}

/* When the timer of the attempt, which is of this class, began. */
static inline uint64_t touched_ns_in(const struct syn_store *store, enum syn_class class, const struct syn_entry *entry)
{
	uint64_t begun_ns = entry->first_ns;

	if (syn_is_half_open(class))
		begun_ns = syn_answer_time_ns(entry, syn_answer_of(store, entry));
	else if (entry->has_rare)
		begun_ns = store->slots[store->slots[entry->hash_or_part].more.rest].rare.begun_ns;
	return syn_is_overdue(class) ? add_ns(begun_ns, store->timeout_ns[class - 1]) : begun_ns;
}

static uint64_t due_ns_in(const struct syn_store *store, enum syn_class class, const struct syn_entry *entry)
{
	return add_ns(touched_ns_in(store, class, entry), store->timeout_ns[class]);
}

uint64_t syn_touched_ns(const struct syn_store *store, const struct syn_entry *entry)
{
	return touched_ns_in(store, syn_class_of(store, entry), entry);
}

uint64_t syn_due_ns(const struct syn_store *store, const struct syn_entry *entry)
{
	return due_ns_in(store, syn_class_of(store, entry), entry);
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
	store->last_overdue_id = 0;
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

struct syn_entry *syn_queue_head(const struct syn_store *store, enum syn_class class)
{
	uint32_t slot = store->queues[class].head;

	if (slot == NO_SLOT)
		return NULL;
	return syn_entry_at(store, syn_is_half_open(class) ? store->slots[slot].answer.entry : slot);
}

static uint32_t next_of(const struct syn_store *store, enum syn_class class, uint32_t slot)
{
	const union syn_slot *place = &store->slots[slot];

	if (slot == store->queues[class].tail)
		return NO_SLOT;
	return syn_is_half_open(class) ? place->answer.queue_next : place->entry.queue_next;
}

/*
 * Fetches what will be touched when the head leaves: it was fetched itself when it was second. Inline, as most callers
 * know the class.
 */
static inline __attribute__((always_inline)) void note_new_head(struct syn_store *store, enum syn_class class)
{
	const struct syn_entry *head = syn_queue_head(store, class);
	uint32_t slot = store->queues[class].head;

	store->noted[class] = slot;
	note_due(store, class, head != NULL ? due_ns_in(store, class, head) : UINT64_MAX);
	if (head == NULL)
		return;
	prefetch_to_write(&store->slots[next_of(store, class, slot)]);
	if (class != SYN_UNANSWERED || store->draining)
		return;
	store->chain_of_next = syn_chain_of_entry(store, head);
	prefetch_to_write(store->chain_of_next);
}

static void note_head(struct syn_store *store, enum syn_class class)
{
	if (store->queues[class].head != store->noted[class])
		note_new_head(store, class);
}

/*
 * The head may have left before its time, as most do that are answered. When the next one is due is looked at when the
 * time comes that was noted: it cannot be due before.
 */
static inline void forget_head(struct syn_store *store, enum syn_class class)
{
	if (store->queues[class].head != store->noted[class])
		store->noted[class] = NOT_NOTED;
}

enum syn_class syn_queue_first_due(struct syn_store *store)
{
	while (store->noted[store->first_due] == NOT_NOTED)
		note_new_head(store, store->first_due);
	return store->first_due;
}

static void answer_append(struct syn_store *store, struct syn_queue *queue, struct syn_answer *answer)
{
	uint32_t slot = (uint32_t)((const union syn_slot *)answer - store->slots);

	answer->queue_next = NO_SLOT;
	answer->queue_prev = queue->tail;
	if (queue->tail != NO_SLOT)
		store->slots[queue->tail].answer.queue_next = slot;
	else
		queue->head = slot;
	queue->tail = slot;
}

static void answer_unlink(struct syn_store *store, struct syn_queue *queue, const struct syn_answer *answer)
{
	if (answer->queue_prev != NO_SLOT)
		store->slots[answer->queue_prev].answer.queue_next = answer->queue_next;
	else
		queue->head = answer->queue_next;
	if (answer->queue_next != NO_SLOT)
		store->slots[answer->queue_next].answer.queue_prev = answer->queue_prev;
	else
		queue->tail = answer->queue_prev;
}

static void entry_append(struct syn_store *store, struct syn_queue *queue, const struct syn_entry *entry)
{
	uint32_t slot = syn_slot_of(store, entry);

	if (queue->tail == NO_SLOT)
		queue->head = slot;
	else if (syn_entry_at(store, queue->tail)->queue_next != slot)
		syn_entry_at(store, queue->tail)->queue_next = slot;
	queue->tail = slot;
}

void syn_queue_append(struct syn_store *store, enum syn_class class, struct syn_entry *entry)
{
	struct syn_queue *queue = &store->queues[class];
	bool was_empty = queue->head == NO_SLOT;

	if (syn_is_half_open(class)) {
		struct syn_answer *answer = syn_answer_of(store, entry);
		answer->is_overdue = syn_is_overdue(class);
		answer_append(store, queue, answer);
	} else {
		entry_append(store, queue, entry);
	}
	store->stats.in_use[class]++;
	if (was_empty && store->noted[class] != NOT_NOTED)
		note_head(store, class);
}

/* Of the unanswered. */
static inline void entry_pop(struct syn_store *store, enum syn_class class)
{
	struct syn_queue *queue = &store->queues[class];

	queue->head = next_of(store, class, queue->head);
	if (queue->head == NO_SLOT)
		queue->tail = NO_SLOT;
}

/* Of the unanswered: what is gone goes when it comes to the head, and what is answered is there no longer. */
static inline void clear_head(struct syn_store *store, enum syn_class class)
{
	uint32_t slot;

	while ((slot = store->queues[class].head) != NO_SLOT) {
		struct syn_entry *head = syn_entry_at(store, slot);
		if (head->state != ENTRY_GONE && !head->is_answered)
			break;
		entry_pop(store, class);
		head->in_queue = false;
		if (head->state == ENTRY_GONE)
			syn_free_slot(store, slot);
	}
}

void syn_queue_answer(struct syn_store *store, struct syn_entry *entry, struct syn_answer *answer)
{
	enum syn_class before = syn_class_of(store, entry);

	answer->entry = syn_slot_of(store, entry);
	entry->is_answered = true;
	store->stats.in_use[before]--;
	if (store->queues[before].head == answer->entry) {
		clear_head(store, before);
		if (before == SYN_UNANSWERED_NEW)
			forget_head(store, before);
		else
			note_head(store, before);
	}
	syn_queue_append(store, SYN_HALF_OPEN_NEW, entry);
}

/* From anywhere. */
static void leave_half_open(struct syn_store *store, enum syn_class class, const struct syn_entry *entry)
{
	answer_unlink(store, &store->queues[class], syn_answer_of(store, entry));
	forget_head(store, class);
}

void syn_queue_leave(struct syn_store *store, struct syn_entry *entry)
{
	enum syn_class class = syn_class_of(store, entry);
	bool is_head = store->queues[class].head == syn_slot_of(store, entry);

	store->stats.in_use[class]--;
	if (entry->is_answered)
		leave_half_open(store, class, entry);
	syn_free_parts(store, entry);
	if (!entry->in_queue) {
		syn_free_slot(store, syn_slot_of(store, entry));
		return;
	}
	entry->state = ENTRY_GONE;
	if (is_head) {
		clear_head(store, class);
		note_head(store, class);
	}
}

/* What happens to nearly all attempts of a flood. */
static void move_on_unanswered(struct syn_store *store, struct syn_entry *entry)
{
	assert(entry == syn_queue_head(store, SYN_UNANSWERED_NEW));
	store->stats.in_use[SYN_UNANSWERED_NEW]--;
	entry_pop(store, SYN_UNANSWERED_NEW);
	clear_head(store, SYN_UNANSWERED_NEW);
	note_new_head(store, SYN_UNANSWERED_NEW);
	store->last_overdue_id = entry->id;
	entry_append(store, &store->queues[SYN_UNANSWERED], entry);
	store->stats.in_use[SYN_UNANSWERED]++;
	note_head(store, SYN_UNANSWERED);
}

void syn_queue_move_on(struct syn_store *store, struct syn_entry *entry)
{
	if (!entry->is_answered) {
		move_on_unanswered(store, entry);
		return;
	}
	assert(entry == syn_queue_head(store, SYN_HALF_OPEN_NEW));
	store->stats.in_use[SYN_HALF_OPEN_NEW]--;
	leave_half_open(store, SYN_HALF_OPEN_NEW, entry);
	syn_queue_append(store, SYN_HALF_OPEN, entry);
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

/* Links the ascending run that begins with the answer in *slot, and leaves *slot behind it. */
static uint32_t take_run(struct syn_store *store, uint32_t *slot)
{
	uint32_t run = store->slots[*slot].answer.entry;
	struct syn_entry *last = syn_entry_at(store, run);

	while ((*slot = store->slots[*slot].answer.queue_next) != NO_SLOT) {
		uint32_t next = store->slots[*slot].answer.entry;
		if (syn_entry_at(store, next)->id < last->id)
			break;
		last->hash_next = next;
		last = syn_entry_at(store, next);
	}
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

void syn_queue_each(const struct syn_store *store, enum syn_class class, syn_visit_fn *visit, void *context)
{
	for (uint32_t slot = store->queues[class].head; slot != NO_SLOT;) {
		const struct syn_entry *entry =
			syn_entry_at(store, syn_is_half_open(class) ? store->slots[slot].answer.entry : slot);
		slot = next_of(store, class, slot);
		prefetch(&store->slots[slot]);
		if (entry->state != ENTRY_GONE && entry->is_answered == syn_is_half_open(class))
			visit(context, entry);
	}
}
