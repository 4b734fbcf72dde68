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

/* Those to whom most happens first: there may not be room for all. */
static bool by_weight(const struct newcomer *a, const struct newcomer *b)
{
	if (a->key.kind == b->key.kind && a->weight != b->weight)
		return a->weight > b->weight;
	return by_key(a, b);
}

static void sift_down(struct newcomer *list, size_t at, size_t n, comes_before_fn comes_before)
{
	struct newcomer moved = list[at];

	for (size_t child = 2 * at + 1; child < n; child = 2 * at + 1) {
		if (child + 1 < n && comes_before(&list[child], &list[child + 1]))
			child++;
		if (!comes_before(&moved, &list[child]))
			break;
		list[at] = list[child];
		at = child;
	}
	list[at] = moved;
}

static void sort(struct newcomer *list, size_t n, comes_before_fn comes_before)
{
	for (size_t i = n / 2; i-- > 0;)
		sift_down(list, i, n, comes_before);
	for (size_t end = n; end-- > 1;) {
		struct newcomer last = list[end];
		list[end] = list[0];
		list[0] = last;
		sift_down(list, 0, end, comes_before);
	}
}

/* --- newcomers --- */

static void gather(struct attention *attention)
{
	attention->n_newcomers = 0;
	for (size_t i = 0; i < attention->set->n_tables; i++) {
		struct summary_record *const *candidates;
		size_t n = summary_table_candidates(attention->set->tables[i], &candidates);
		for (size_t k = 0; k < n && attention->n_newcomers < attention->newcomers_room; k++)
			if (candidates[k] != NULL)
				attention->newcomers[attention->n_newcomers++].key = candidates[k]->key;
		summary_table_forget_candidates(attention->set->tables[i]);
	}
}

static uint32_t weight_of(const struct summary *summary)
{
	uint64_t n = summary->recent.attempts + 4 * (uint64_t)summary->recent.signs + summary_half_open(summary);

	return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

/* Each once, and only those that deserve it. */
static void sift(struct attention *attention, uint64_t tick_ns)
{
	struct newcomer *list = attention->newcomers;
	size_t n_kept = 0;

	sort(list, attention->n_newcomers, by_key);
	for (size_t i = 0; i < attention->n_newcomers; i++) {
		if (n_kept > 0 && memcmp(&list[n_kept - 1].key, &list[i].key, sizeof(list[i].key)) == 0)
			continue;
		const struct summary *summary = merged_summary_of(attention->merged, attention->set, &list[i].key);
		enum summary_kind kind = (enum summary_kind)list[i].key.kind;
		/* What was until the tick; at the tick itself a new span may begin. */
		if (summary == NULL || summary_deserves(summary, kind, tick_ns - 1) == ATTENTION_NONE)
			continue;
		list[n_kept] = list[i];
		list[n_kept++].weight = weight_of(summary);
	}
	attention->n_newcomers = n_kept;
	sort(list, n_kept, by_weight);
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

void attention_adopt(struct attention *attention, uint64_t tick_ns)
{
	attention->is_short = crowds_are_short(attention->set);
	gather(attention);
	if (attention->n_newcomers == 0)
		return;
	sift(attention, tick_ns);
	leavers_forget(&attention->leavers);
	unsigned n_refused = 0;
	for (size_t i = 0; i < attention->n_newcomers; i++)
		n_refused += !adopt(attention, &attention->newcomers[i], n_refused < MAX_REFUSED, tick_ns);
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
