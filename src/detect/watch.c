/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which keys are judged, and what is kept of each between two looks.
 */
#include "watch.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "tcpwitness/base/prefetch.h"

/* What each kind gets of the memory for watches, in 64ths. */
static const unsigned kind_share[SUMMARY_SENSOR] = {
	[SUMMARY_SERVICE] = 14, [SUMMARY_HOST] = 11, [SUMMARY_PREFIX] = 6, [SUMMARY_SOURCE] = 16, [SUMMARY_PAIR] = 5,
};
enum { TROUBLES_SHARE = 2, CROWDS_SHARE = 10, SHARES = 64 };

#define FIRST_HEARD_NS (60 * NS_PER_SEC)

enum { CACHE_LINE_BYTES = 64, ALL_CROWDS = (1 << SUMMARY_CROWDS) - 1 };

/* So many of the keys with what was learned of them are hot at most, in eighths. */
enum { HOT_EIGHTHS = 6 };

/* Where each detector's state and parameters are, in the watches of a kind. Returns the bytes of a watch. */
static size_t lay_out(struct watch_set *set, int kind)
{
	size_t bytes = sizeof(struct watch);

	for (size_t i = 0; i < set->n_runs; i++) {
		struct detector_run *run = &set->runs[i];
		if (run->detector->find == NULL || ((run->detector->kinds >> kind) & 1) == 0)
			continue;
		const struct detector *detector = run->detector;
		size_t glance_bytes = detector->glance_bytes != 0 ? detector->glance_bytes : detector->target_bytes;
		run->glance_bytes = sizeof(void *) + glance_bytes;
		run->params_offset[kind] = bytes;
		bytes += sizeof(void *);
		run->state_offset[kind] = bytes;
		bytes += (detector->target_bytes + 7) / 8 * 8;
	}
	return bytes;
}

static const void **params_of(struct watch *watch, const struct detector_run *run)
{
	return (const void **)(void *)((char *)watch + run->params_offset[watch->key.kind]);
}

static void look_up_params(struct watch_set *set, struct watch *watch)
{
	const struct rule_subject subject = watch_subject(&watch->key);

	for (size_t i = 0; i < set->n_runs; i++)
		if (set->runs[i].params_offset[watch->key.kind] != 0)
			*params_of(watch, &set->runs[i]) = rule_params_for(set->runs[i].rule, &subject);
}

/* Gaps are closed only when there are many, so places are more than keys. */
static size_t places_for(size_t max_hot)
{
	return max_hot + max_hot / 2 + 1;
}

static int start_kind(struct watch_set *set, int which, size_t memory_bytes)
{
	struct watch_kind *kind = &set->kinds[which];
	size_t entry_bytes = lay_out(set, which);
	size_t hot_bytes = memory_bytes / (entry_bytes + sizeof(*kind->hot)) * sizeof(*kind->hot);

	kind->entries =
		bounded_table_create(entry_bytes, sizeof(struct summary_key), memory_bytes - hot_bytes, NULL, NULL);
	/* With very little memory there may be no room for what is kept of such a key: none is judged then. */
	if (kind->entries == NULL)
		return 0;
	kind->max_hot = bounded_table_capacity(kind->entries) * HOT_EIGHTHS / 8;
	if (kind->max_hot == 0)
		kind->max_hot = 1;
	kind->hot = calloc(places_for(kind->max_hot), sizeof(*kind->hot));
	return kind->hot == NULL ? -1 : 0;
}

int watch_set_init(struct watch_set *set, struct detector_run *runs, size_t n_runs, size_t memory_bytes,
		   const struct siphash_key *secret)
{
	*set = (struct watch_set){ .secret = *secret, .runs = runs, .n_runs = n_runs };

	size_t sensor_bytes = lay_out(set, SUMMARY_SENSOR);
	size_t share_bytes = memory_bytes > sensor_bytes ? (memory_bytes - sensor_bytes) / SHARES : 0;
	for (int i = 0; i < SUMMARY_SENSOR; i++)
		if (start_kind(set, i, kind_share[i] * share_bytes) != 0)
			return -1;
	set->sensor = calloc(1, sensor_bytes);
	if (set->sensor == NULL)
		return -1;
	set->sensor->key = summary_key_sensor();
	look_up_params(set, set->sensor);
	if (block_pool_init(&set->troubles, sizeof(struct trouble), TROUBLES_SHARE * share_bytes) != 0)
		return -1;
	return block_pool_init(&set->crowds, sizeof(struct summary_whole_crowd), CROWDS_SHARE * share_bytes);
}

void watch_set_fini(struct watch_set *set)
{
	for (int kind = 0; kind < SUMMARY_SENSOR; kind++) {
		bounded_table_destroy(set->kinds[kind].entries);
		free(set->kinds[kind].hot);
	}
	free(set->sensor);
	block_pool_fini(&set->troubles);
	block_pool_fini(&set->crowds);
}

struct watch *watch_find(struct watch_set *set, const struct summary_key *key)
{
	if (key->kind == SUMMARY_SENSOR)
		return set->sensor;
	if (set->kinds[key->kind].entries == NULL)
		return NULL;
	return bounded_table_find(set->kinds[key->kind].entries, siphash13(&set->secret, key, sizeof(*key)), key);
}

/* --- hot keys --- */

static void close_gaps(struct watch_kind *kind)
{
	size_t n = 0;

	for (size_t i = 0; i < kind->n_places; i++) {
		if (kind->hot[i].watch == NULL)
			continue;
		kind->hot[n] = kind->hot[i];
		kind->hot[n].watch->hot_place = (uint32_t)n;
		n++;
	}
	kind->n_places = n;
}

static struct watch *first_from(const struct watch_kind *kind, size_t place)
{
	while (place < kind->n_places && kind->hot[place].watch == NULL)
		place++;
	return place < kind->n_places ? kind->hot[place].watch : NULL;
}

struct watch *watch_first(const struct watch_set *set, enum summary_kind kind)
{
	return kind == SUMMARY_SENSOR ? set->sensor : first_from(&set->kinds[kind], 0);
}

struct watch *watch_next(const struct watch_set *set, const struct watch *watch)
{
	return watch->key.kind == SUMMARY_SENSOR ? NULL
						 : first_from(&set->kinds[watch->key.kind], watch->hot_place + 1);
}

static void expect(const void *from, size_t n_bytes)
{
	const char *line = (const char *)from - (uintptr_t)from % CACHE_LINE_BYTES;

	for (; line < (const char *)from + n_bytes; line += CACHE_LINE_BYTES)
		prefetch(line);
}

/* What is looked at whenever such a key is judged: the latest cohorts, so many; and crowds, a bit each. */
static const struct {
	uint8_t n_slots;
	uint8_t crowds;
} judged[SUMMARY_SENSOR] = {
	[SUMMARY_SERVICE] = { 26, 1 << CROWD_TRYING },
	[SUMMARY_HOST] = { 22, ALL_CROWDS },
	[SUMMARY_PREFIX] = { 18, ALL_CROWDS },
	[SUMMARY_SOURCE] = { 0, ALL_CROWDS },
};

/* Who takes part is asked at each judgement only how many they are. */
static void expect_crowds(const struct summary *summary, unsigned crowds)
{
	for (int kind = 0; kind < SUMMARY_CROWDS; kind++) {
		if ((crowds >> kind & 1) == 0 || summary->crowds[kind] == NULL)
			continue;
		prefetch(&summary->crowds[kind]->spans[0].span);
		prefetch(&summary->crowds[kind]->spans[1].span);
	}
}

/* The last n up to now, which may begin at the end of all and go on in front. */
static void expect_slots(const struct summary_slot *slots, uint64_t now, size_t n)
{
	size_t first = (now - n + 1) % SUMMARY_SLOTS;
	size_t n_behind = n < SUMMARY_SLOTS - first ? n : SUMMARY_SLOTS - first;

	expect(&slots[first], n_behind * sizeof(*slots));
	expect(slots, (n - n_behind) * sizeof(*slots));
}

static void expect_parts(const struct watch *watch, enum summary_kind kind, uint64_t now_ns)
{
	const struct summary *summary = &watch->record->summary;

	expect_crowds(summary, watch->trouble != NULL ? ALL_CROWDS : judged[kind].crowds);
	if (summary->ages != NULL)
		expect(summary->ages, sizeof(*summary->ages));
	if (summary->slots == NULL)
		return;
	expect_slots(summary->slots, now_ns / SUMMARY_SLOT_NS, judged[kind].n_slots);
}

void watch_expect(const struct watch *watch, enum summary_kind kind, unsigned n_before, uint64_t now_ns)
{
	if (n_before == WATCH_AHEAD) {
		prefetch(&watch->record);
		return;
	}
	if (n_before > 0) {
		if (watch->record == NULL)
			return;
		/* Where its parts are. */
		expect(&watch->record->summary, offsetof(struct summary, totals));
		prefetch(&watch->record->summary.crowds);
		return;
	}
	expect(watch, sizeof(*watch));
	if (watch->record == NULL)
		return;
	expect(watch->record, sizeof(*watch->record));
	expect_parts(watch, kind, now_ns);
}

void watch_expect_state(const struct watch *watch, enum summary_kind kind, const struct detector_run *run)
{
	expect((const char *)watch + run->params_offset[kind], run->glance_bytes);
}

void watch_hurry(struct watch_set *set, const struct watch *watch)
{
	set->kinds[watch->key.kind].hot[watch->hot_place].is_hurried = true;
}

static void set_restless(struct watch_kind *kind, struct hot_key *hot, bool is_restless)
{
	kind->n_restless += (size_t)is_restless - (size_t)hot->is_restless;
	hot->is_restless = is_restless;
}

void watch_note_judged(struct watch_set *set, const struct watch *watch)
{
	struct watch_kind *kind = &set->kinds[watch->key.kind];
	struct hot_key *hot = &kind->hot[watch->hot_place];

	hot->is_hurried = false;
	hot->is_troubled = watch->trouble != NULL || watch->incidents != NULL;
	set_restless(kind, hot, hot->is_troubled || watch->suspicious != 0);
}

bool watch_is_full(const struct watch_set *set, enum summary_kind kind)
{
	return set->kinds[kind].n_hot >= set->kinds[kind].max_hot;
}

struct watch *watch_begin(struct watch_set *set, const struct summary_key *key, uint64_t now_ns)
{
	struct watch_kind *kind = &set->kinds[key->kind];

	if (watch_is_full(set, (enum summary_kind)key->kind))
		return NULL;
	uint64_t hash = siphash13(&set->secret, key, sizeof(*key));
	struct watch *watch = bounded_table_find(kind->entries, hash, key);
	if (watch == NULL) {
		watch = bounded_table_insert(kind->entries, hash, key);
		if (watch == NULL)
			return NULL;
		look_up_params(set, watch);
	}
	watch->is_hot = true;
	watch->deserved_ns = now_ns;
	if (kind->n_places == places_for(kind->max_hot))
		close_gaps(kind);
	watch->hot_place = (uint32_t)kind->n_places;
	kind->hot[kind->n_places++] = (struct hot_key){ .watch = watch };
	kind->n_hot++;
	bounded_table_touch(kind->entries, watch, KEEP_PINNED);
	return watch;
}

void watch_weigh(struct watch_set *set, const struct watch *watch, uint32_t weight)
{
	set->kinds[watch->key.kind].hot[watch->hot_place].weight = weight;
}

void watch_end(struct watch_set *set, struct watch *watch)
{
	struct watch_kind *kind = &set->kinds[watch->key.kind];

	watch_end_trouble(set, watch);
	set_restless(kind, &kind->hot[watch->hot_place], false);
	kind->hot[watch->hot_place].watch = NULL;
	kind->n_hot--;
	watch->is_hot = false;
	watch->attention = ATTENTION_NONE;
	watch->record = NULL;
	watch->suspicious = 0;
	watch->suppressed = 0;
	watch->silenced = 0;
	watch->folded_into = 0;
	bounded_table_touch(kind->entries, watch, KEEP_LONGER);
}

void *watch_state(struct watch *watch, const struct detector_run *run)
{
	return (char *)watch + run->state_offset[watch->key.kind];
}

const void *watch_params(const struct watch *watch, const struct detector_run *run)
{
	return *(const void *const *)(const void *)((const char *)watch + run->params_offset[watch->key.kind]);
}

struct rule_subject watch_subject(const struct summary_key *key)
{
	struct rule_subject subject = { .target = key->ip, .target_bits = key->prefix_bits, .source = key->client };

	if (key->kind == SUMMARY_SOURCE) {
		subject.source = key->ip;
		memset(&subject.target, 0, sizeof(subject.target));
	}
	subject.has_port = key->kind == SUMMARY_SERVICE || key->kind == SUMMARY_PAIR;
	subject.port = key->port;
	return subject;
}

/* --- trouble --- */

/*
 * What was counted before the trouble began: without what began since, as far as cohorts tell. Where there are none,
 * all that is known of a key is part of the trouble if it began soon after it was first heard of.
 */
static void set_totals_before(struct trouble *trouble, const struct watch *watch, const struct summary *summary,
			      uint64_t began_ns)
{
	uint64_t *before = trouble->totals_before;
	uint64_t recent[SUMMARY_COHORT_COUNTERS];

	if (!summary_kind_has_slots((enum summary_kind)watch->key.kind)) {
		if (ns_since(began_ns, summary->since_ns) > FIRST_HEARD_NS)
			memcpy(before, summary->totals, sizeof(trouble->totals_before));
		return;
	}
	summary_sum(summary, began_ns / SUMMARY_SLOT_NS, UINT64_MAX, recent);
	memcpy(before, summary->totals, sizeof(trouble->totals_before));
	for (int k = 0; k < SUMMARY_COHORT_COUNTERS; k++)
		before[k] -= recent[k] < before[k] ? recent[k] : before[k];
}

struct trouble *watch_begin_trouble(struct watch_set *set, struct watch *watch, const struct summary *summary,
				    uint64_t began_ns, uint64_t now_ns)
{
	struct trouble *trouble = watch->trouble;
	uint64_t span = now_ns / SUMMARY_SPAN_NS;

	if (trouble != NULL)
		return trouble;
	trouble = block_pool_take(&set->troubles);
	watch->trouble = trouble;
	if (trouble == NULL)
		return NULL;
	set_totals_before(trouble, watch, summary, began_ns);
	/* Crowds of the span before count if it began then. */
	trouble->closed_span = began_ns / SUMMARY_SPAN_NS < span && span >= 2 ? span - 2 : span - 1;
	return trouble;
}

void watch_end_trouble(struct watch_set *set, struct watch *watch)
{
	struct trouble *trouble = watch->trouble;

	if (trouble == NULL)
		return;
	for (int kind = 0; kind < SUMMARY_CROWDS; kind++)
		if (trouble->crowds[kind] != NULL)
			block_pool_give_back(&set->crowds, trouble->crowds[kind]);
	block_pool_give_back(&set->troubles, trouble);
	watch->trouble = NULL;
}

static struct summary_crowd *take_crowd(struct watch_set *set)
{
	struct summary_whole_crowd *whole = block_pool_take(&set->crowds);

	if (whole == NULL)
		return NULL;
	summary_crowd_give_room(&whole->crowd, &whole->room);
	return &whole->crowd;
}

/* Takes in the span that is over, if it was not. */
static void close_span(struct watch_set *set, struct trouble *trouble, const struct summary *summary, int kind,
		       uint64_t now_ns)
{
	const struct summary_crowd *over = summary_crowd_before(summary, (enum summary_crowd_kind)kind, now_ns);

	if (over == NULL || over->span <= trouble->closed_span)
		return;
	if (trouble->crowds[kind] == NULL)
		trouble->crowds[kind] = take_crowd(set);
	if (trouble->crowds[kind] != NULL)
		summary_crowd_union(trouble->crowds[kind], over);
}

void watch_view_crowds(struct watch_set *set, struct watch *watch, const struct summary *summary, uint64_t now_ns,
		       struct summary_whole_crowd views[static SUMMARY_CROWDS],
		       const struct summary_crowd *crowd[static SUMMARY_CROWDS])
{
	struct trouble *trouble = watch->trouble;

	/* Pointers to crowds: NOLINTNEXTLINE(bugprone-sizeof-expression) */
	memset(crowd, 0, SUMMARY_CROWDS * sizeof(*crowd));
	if (trouble == NULL)
		return;
	for (int kind = 0; kind < SUMMARY_CROWDS; kind++) {
		const struct summary_crowd *now = summary_crowd_now(summary, (enum summary_crowd_kind)kind, now_ns);
		close_span(set, trouble, summary, kind, now_ns);
		const struct summary_crowd *past = trouble->crowds[kind];
		if (past != NULL && now != NULL) {
			summary_crowd_give_room(&views[kind].crowd, &views[kind].room);
			summary_crowd_copy(&views[kind].crowd, past);
			summary_crowd_union(&views[kind].crowd, now);
			crowd[kind] = &views[kind].crowd;
		} else {
			crowd[kind] = past != NULL ? past : now;
		}
	}
	trouble->closed_span = now_ns / SUMMARY_SPAN_NS - 1;
}
