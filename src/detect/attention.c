/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From candidates to hot keys and back. Nothing here depends on hash values, nor on how connections are spread over
 * tables.
 */
#include "attention.h"

#include <stdlib.h>
#include <string.h>

#include "tcpwitness/base/units.h"

/*
 * When crowds are short, whoever has had them for so long without trouble gives them up for others, until twice as
 * much happens to it.
 */
#define USUAL_NS (30 * NS_PER_SEC)
enum { SHORT_SHARE = 8, RENEWED_GROWTH = 2, RENEWED_ATTEMPTS = 16, SIGNS_OF_TROUBLE = 8 };

/* A newcomer to whom so many times more happens takes the place of a hot key; after so many refused, none is tried. */
enum { DISPLACING_WEIGHT = 4, MAX_REFUSED = 16 };

/* How long a key is still looked at after it last deserved it: until its cohorts are judged and detectors calm. */
#define HOT_NS (12 * NS_PER_SEC)

/* A slow scan's probes come that far apart, and who is refused at once is refused before anybody looks. */
#define HOT_SOURCE_NS (90 * NS_PER_SEC)

int attention_init(struct attention *attention, struct watch_set *watches, const struct summary_set *set,
		   struct merged_summary *merged, size_t memory_bytes)
{
	size_t leavers = leavers_bytes(watches);

	*attention = (struct attention){
		.watches = watches,
		.set = set,
		.merged = merged,
		.newcomers_room = (memory_bytes - (leavers < memory_bytes / 2 ? leavers : 0)) / sizeof(struct newcomer),
	};
	attention->newcomers = calloc(attention->newcomers_room, sizeof(*attention->newcomers));
	return attention->newcomers == NULL ? -1 : leavers_init(&attention->leavers, watches);
}

void attention_fini(struct attention *attention)
{
	free(attention->newcomers);
	leavers_fini(&attention->leavers);
}

/* --- in order, without allocation --- */

typedef bool (*comes_before_fn)(const struct newcomer *a, const struct newcomer *b);

static bool by_key(const struct newcomer *a, const struct newcomer *b)
{
	if (a->key.kind != b->key.kind)
		return a->key.kind < b->key.kind;
	return memcmp(&a->key, &b->key, sizeof(a->key)) < 0;
}

static bool by_reverse_key(const struct newcomer *a, const struct newcomer *b)
{
	return by_key(b, a);
}

/* Of one kind, those to whom most happens first: there may not be room for all. */
static bool by_weight(const struct newcomer *a, const struct newcomer *b)
{
	return a->weight != b->weight ? a->weight > b->weight : by_key(a, b);
}

/* A heap: who comes before all others is its first. */
static void sift_down(struct newcomer *heap, size_t at, size_t n, comes_before_fn comes_before)
{
	struct newcomer moved = heap[at];

	for (size_t child = 2 * at + 1; child < n; child = 2 * at + 1) {
		if (child + 1 < n && comes_before(&heap[child + 1], &heap[child]))
			child++;
		if (!comes_before(&heap[child], &moved))
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = moved;
}

static void make_heap(struct newcomer *list, size_t n, comes_before_fn comes_before)
{
	for (size_t i = n / 2; i-- > 0;)
		sift_down(list, i, n, comes_before);
}

/* The first of n takes the place behind the others. */
static void move_first_behind(struct newcomer *heap, size_t n, comes_before_fn comes_before)
{
	struct newcomer first = heap[0];

	heap[0] = heap[n - 1];
	heap[n - 1] = first;
	sift_down(heap, 0, n - 1, comes_before);
}

/* Those of the kind come in front of all others; returns how many they are. */
static size_t bring_forward(struct newcomer *list, size_t n, enum summary_kind kind)
{
	size_t n_of_kind = 0;

	for (size_t i = 0; i < n; i++) {
		if (list[i].key.kind != kind)
			continue;
		struct newcomer moved = list[n_of_kind];
		list[n_of_kind++] = list[i];
		list[i] = moved;
	}
	return n_of_kind;
}

/* --- newcomers --- */

static uint32_t weight_of(const struct summary *summary)
{
	uint64_t n = summary->recent.attempts + 4 * (uint64_t)summary->recent.signs + summary_half_open(summary);

	return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

/* False: what happens to the key does not deserve attention. */
static bool weigh(struct newcomer *newcomer, const struct summary *summary, uint64_t tick_ns)
{
	/* What was until the tick; at the tick itself a new span may begin. */
	if (summary == NULL || !summary_is_enough(summary, (enum summary_kind)newcomer->key.kind, tick_ns - 1))
		return false;
	newcomer->weight = weight_of(summary);
	return true;
}

/* A key that several sensors know of may be a candidate of each. */
static void leave_each_once(struct attention *attention)
{
	struct newcomer *list = attention->newcomers;
	size_t n_kept = 0;

	make_heap(list, attention->n_newcomers, by_reverse_key);
	for (size_t n = attention->n_newcomers; n > 1; n--)
		move_first_behind(list, n, by_reverse_key);
	for (size_t i = 0; i < attention->n_newcomers; i++)
		if (n_kept == 0 || memcmp(&list[n_kept - 1].key, &list[i].key, sizeof(list[i].key)) != 0)
			list[n_kept++] = list[i];
	attention->n_newcomers = n_kept;
}

/* With other sensors: what all of them together know of the candidates counts. */
static void sift_merged(struct attention *attention, uint64_t tick_ns)
{
	struct newcomer *list = attention->newcomers;
	size_t n_kept = 0;

	leave_each_once(attention);
	for (size_t i = 0; i < attention->n_newcomers; i++) {
		list[n_kept] = list[i];
		n_kept += weigh(&list[n_kept], merged_summary_of(attention->merged, attention->set, &list[i].key),
				tick_ns);
	}
	attention->n_newcomers = n_kept;
}

/* Each once, and only those that deserve it; looked at are no more candidates than there is room for. */
static void gather(struct attention *attention, uint64_t tick_ns)
{
	bool is_alone = summary_set_layers(attention->set) == 1;
	size_t n_left = attention->newcomers_room;

	attention->n_newcomers = 0;
	for (size_t i = 0; i < attention->set->n_tables; i++) {
		struct summary_record *const *candidates;
		size_t n = summary_table_candidates(attention->set->tables[i], &candidates);
		for (size_t k = 0; k < n && n_left > 0; k++) {
			if (candidates[k] == NULL)
				continue;
			struct newcomer *newcomer = &attention->newcomers[attention->n_newcomers];
			n_left--;
			newcomer->key = candidates[k]->key;
			attention->n_newcomers += !is_alone || weigh(newcomer, &candidates[k]->summary, tick_ns);
		}
		summary_table_forget_candidates(attention->set->tables[i]);
	}
	if (!is_alone)
		sift_merged(attention, tick_ns);
}

static void attend(struct attention *attention, struct watch *watch, enum summary_attention level, uint64_t tick_ns)
{
	size_t n_layers = summary_set_layers(attention->set);

	watch->attention = (uint8_t)level;
	for (size_t i = 0; i < n_layers; i++) {
		struct summary_table *table = summary_set_table(attention->set, i, &watch->key);
		struct summary_record *record = summary_table_attend(table, &watch->key, level, tick_ns);
		if (n_layers == 1)
			watch->record = level == ATTENTION_NONE ? NULL : record;
	}
}

void attention_end(struct attention *attention, struct watch *watch, uint64_t tick_ns)
{
	attend(attention, watch, ATTENTION_NONE, tick_ns);
	watch_end(attention->watches, watch);
}

/*
 * The hot key of that kind to which least happens makes room, if that is much less than what happens to the newcomer.
 * Those who were adopted at this tick need not be asked: heaviest newcomers come first.
 */
static bool make_room(struct attention *attention, const struct newcomer *newcomer, uint64_t tick_ns)
{
	const struct leaver *least = leavers_first(&attention->leavers, &attention->watches->kinds[newcomer->key.kind]);

	if (least == NULL || (uint64_t)least->weight * DISPLACING_WEIGHT >= newcomer->weight)
		return false;
	attention_end(attention, least->watch, tick_ns);
	leavers_drop_first(&attention->leavers);
	return true;
}

/* False: there is no room for it. */
static bool adopt(struct attention *attention, const struct newcomer *newcomer, bool may_displace, uint64_t tick_ns)
{
	struct watch *watch = watch_find(attention->watches, &newcomer->key);

	if (watch != NULL && watch->is_hot)
		return true;
	watch = watch_begin(attention->watches, &newcomer->key, tick_ns);
	if (watch == NULL && may_displace && make_room(attention, newcomer, tick_ns))
		watch = watch_begin(attention->watches, &newcomer->key, tick_ns);
	if (watch == NULL)
		return false;
	watch->crowded_ns = 0;
	watch->given_up_at = 0;
	watch_weigh(attention->watches, watch, newcomer->weight);
	attend(attention, watch, ATTENTION_KEPT, tick_ns);
	return true;
}

/* Of the parts the sum counts, as if they were one table. */
static bool crowds_are_short(const struct summary_set *set)
{
	size_t n_all = 0;
	size_t n_free = 0;

	for (size_t i = 0; i < set->n_tables; i++) {
		size_t n_own_free;
		size_t n_own = summary_table_crowds(set->tables[i], &n_own_free);
		n_all = i < set->n_parts ? n_all + n_own : n_own;
		n_free = i < set->n_parts ? n_free + n_own_free : n_own_free;
		if (i + 1 >= set->n_parts && n_free < n_all / SHORT_SHARE + 1)
			return true;
	}
	return false;
}

/*
 * Takes those in for whom there is room, or makes some; returns how many are refused. Once no more can be taken in, the
 * others are not put in order: there are thousands where many are watched.
 */
static unsigned adopt_heaviest(struct attention *attention, struct newcomer *list, size_t n, unsigned n_refused,
			       uint64_t tick_ns)
{
	bool is_alone = summary_set_layers(attention->set) == 1;

	make_heap(list, n, by_weight);
	for (; n > 0; n--) {
		/* Who is hot already is not refused; where other sensors are, he may be among them. */
		if (is_alone && n_refused >= MAX_REFUSED &&
		    watch_is_full(attention->watches, (enum summary_kind)list[0].key.kind))
			return n_refused + (unsigned)n;
		n_refused += !adopt(attention, &list[0], n_refused < MAX_REFUSED, tick_ns);
		move_first_behind(list, n, by_weight);
	}
	return n_refused;
}

void attention_adopt(struct attention *attention, uint64_t tick_ns)
{
	attention->is_short = crowds_are_short(attention->set);
	gather(attention, tick_ns);
	leavers_forget(&attention->leavers);

	struct newcomer *rest = attention->newcomers;
	size_t n_rest = attention->n_newcomers;
	unsigned n_refused = 0;
	for (int kind = 0; kind < SUMMARY_SENSOR && n_rest > 0; kind++) {
		size_t n = bring_forward(rest, n_rest, (enum summary_kind)kind);
		n_refused = adopt_heaviest(attention, rest, n, n_refused, tick_ns);
		rest += n;
		n_rest -= n;
	}
	attention->n_refused += n_refused;
}

/* Others need its crowds more. */
static bool gives_up(const struct attention *attention, struct watch *watch, const struct summary *summary,
		     uint64_t tick_ns)
{
	const struct summary_recent *recent = &summary->recent;

	if (recent->signs >= SIGNS_OF_TROUBLE)
		return false;
	if (watch->attention != ATTENTION_CROWDS)
		return watch->given_up_at != 0 &&
		       recent->attempts < RENEWED_GROWTH * watch->given_up_at + RENEWED_ATTEMPTS;
	if (!attention->is_short || ns_since(tick_ns, watch->crowds_ns) < USUAL_NS)
		return false;
	watch->given_up_at = recent->attempts > 0 ? recent->attempts : 1;
	return true;
}

void attention_renew(struct attention *attention, struct watch *watch, const struct summary *summary, uint64_t tick_ns)
{
	if (watch->key.kind == SUMMARY_SENSOR) {
		if (watch->attention != ATTENTION_CROWDS)
			attend(attention, watch, ATTENTION_CROWDS, tick_ns);
		return;
	}

	uint64_t hot_ns = watch->key.kind == SUMMARY_SOURCE ? HOT_SOURCE_NS : HOT_NS;
	enum summary_attention deserved = summary_deserves(summary, (enum summary_kind)watch->key.kind, tick_ns - 1);
	bool is_troubled = watch->incidents != NULL || watch->trouble != NULL;

	watch_weigh(attention->watches, watch, weight_of(summary));
	if (deserved != ATTENTION_NONE || is_troubled)
		watch->deserved_ns = tick_ns;
	if (is_troubled || (deserved == ATTENTION_CROWDS && !gives_up(attention, watch, summary, tick_ns)))
		watch->crowded_ns = tick_ns;
	if (watch->crowded_ns == tick_ns && watch->attention != ATTENTION_CROWDS) {
		attend(attention, watch, ATTENTION_CROWDS, tick_ns);
		watch->crowds_ns = tick_ns;
		watch->given_up_at = 0;
	} else if (watch->attention == ATTENTION_CROWDS &&
		   (watch->given_up_at != 0 || ns_since(tick_ns, watch->crowded_ns) >= hot_ns)) {
		attend(attention, watch, ATTENTION_KEPT, tick_ns);
	} else if (ns_since(tick_ns, watch->deserved_ns) >= hot_ns) {
		attention_end(attention, watch, tick_ns);
	}
}
