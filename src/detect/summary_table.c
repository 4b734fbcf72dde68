/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which keys are remembered, and how much of them (design 1.5).
 */
#include <stdlib.h>
#include <string.h>

#include "port_use.h"
#include "summary_table_internal.h"

enum { MAX_CANDIDATES = 4096, MIN_CANDIDATES = 64 };
_Static_assert(MAX_CANDIDATES < UINT16_MAX, "records know their place among them");

/* What each part gets of the memory, in 64ths. */
static const unsigned record_share[SUMMARY_SENSOR] = {
	[SUMMARY_SERVICE] = 6, [SUMMARY_HOST] = 5, [SUMMARY_PREFIX] = 3, [SUMMARY_SOURCE] = 8, [SUMMARY_PAIR] = 2,
};
static const unsigned parts_share[SUMMARY_SENSOR] = {
	[SUMMARY_SERVICE] = 6,
	[SUMMARY_HOST] = 5,
	[SUMMARY_PREFIX] = 3,
};
/*
 * How long it takes until it is forgotten that a source tried something, and that it tried in vain. One probe a minute
 * is enough to be noticed.
 */
#define FILTER_NS         (300 * NS_PER_SEC)
#define FAILING_FILTER_NS (900 * NS_PER_SEC)

enum { RARE_PAIRS_SHARE = 1, CROWDS_SHARE = 12, HELDS_SHARE = 2, PORTS_SHARE = 10, FILTER_SHARE = 1, SHARES = 64 };

/* --- what is given up --- */

static void give_back_crowds(struct summary_table *table, struct summary_crowds *crowds)
{
	for (int i = 0; i < 2; i++) {
		const struct summary_crowd *crowd = &crowds->spans[i];
		if (crowd->sketches != NULL)
			block_pool_give_back(&table->sketches, crowd->sketches);
		for (int k = 0; k < SUMMARY_PLACE_BLOCKS && crowd->sample[k] != NULL; k++)
			block_pool_give_back(&table->places, crowd->sample[k]);
	}
	block_pool_give_back(&table->crowds, crowds);
}

void summary_table_give_back_crowds(struct summary_table *table, struct summary *summary)
{
	for (int kind = 0; kind < SUMMARY_CROWDS; kind++) {
		if (summary->crowds[kind] != NULL)
			give_back_crowds(table, summary->crowds[kind]);
		summary->crowds[kind] = NULL;
	}
}

static void give_back_parts(struct kind_table *kind, struct summary_record *record)
{
	struct summary *summary = &record->summary;

	if (summary->latest_ns > kind->forgotten_ns)
		kind->forgotten_ns = summary->latest_ns;

	summary_table_give_back_crowds(kind->table, summary);
	if (summary->held != NULL)
		block_pool_give_back(&kind->table->helds, summary->held);
	if (record->key.kind <= SUMMARY_PREFIX) {
		if (summary->slots != NULL)
			block_pool_give_back(&kind->parts, summary->slots);
		summary->ages = NULL;
	}
	if (summary->ports != NULL)
		block_pool_give_back(&kind->table->ports, summary->ports);
	summary->held = NULL;
	summary->slots = NULL;
	summary->ports = NULL;
}

static void forget_record(void *context, void *entry)
{
	struct kind_table *kind = context;
	struct summary_record *record = entry;

	kind->table->evicted++;
	if (record->key.kind == SUMMARY_SOURCE)
		source_presence_remove(&kind->table->sources, &record->key.ip);
	if (record->candidate != 0)
		kind->table->candidates[record->candidate - 1] = NULL;
	if (record->urgent != 0)
		kind->table->urgent[record->urgent - 1] = NULL;
	give_back_parts(kind, record);
}

/* --- life cycle --- */

static size_t record_bytes(enum summary_kind kind)
{
	size_t bytes = kind == SUMMARY_SOURCE ? sizeof(struct source_record) : sizeof(struct summary_record);

	/* The next one begins a line too. */
	return (bytes + SUMMARY_LINE_BYTES - 1) / SUMMARY_LINE_BYTES * SUMMARY_LINE_BYTES;
}

static int create_kind(struct summary_table *table, enum summary_kind which, size_t share_bytes)
{
	struct kind_table *kind = &table->kinds[which];
	size_t part_bytes =
		which == SUMMARY_SERVICE ? sizeof(struct target_parts) : offsetof(struct target_parts, ages);

	kind->table = table;
	kind->entries = bounded_table_create(record_bytes(which), sizeof(struct summary_key),
					     record_share[which] * share_bytes, forget_record, kind);
	return kind->entries == NULL ? -1 : block_pool_init(&kind->parts, part_bytes, parts_share[which] * share_bytes);
}

/* Two take one part in so many of the memory. Services that are asked in turn need a place each, as their clients. */
static size_t near_places_within(size_t memory_bytes)
{
	enum { PART = 64, LEAST = 32, MOST = 65536 };
	size_t n = LEAST;

	while (n < MOST && 4 * n * sizeof(struct summary_record *) <= memory_bytes / PART)
		n *= 2;
	return n;
}

static int near_index_init(struct near_index *index, size_t n_places)
{
	index->n_places = n_places;
	/* NOLINTNEXTLINE(bugprone-sizeof-expression) */
	index->places = calloc(n_places, sizeof(*index->places));
	return index->places == NULL ? -1 : 0;
}

static size_t candidates_within(size_t memory_bytes)
{
	size_t candidates = memory_bytes / 4096;

	candidates = candidates < MIN_CANDIDATES ? MIN_CANDIDATES : candidates;
	return candidates > MAX_CANDIDATES ? MAX_CANDIDATES : candidates;
}

/* One of SHARES that are given out beside what the table itself takes. */
static size_t share_of(size_t memory_bytes, unsigned n_parts)
{
	size_t n_pointers = 2 * candidates_within(memory_bytes) + 2 * near_places_within(memory_bytes);
	size_t own_bytes = sizeof(struct summary_table) + n_pointers * sizeof(struct summary_record *) +
			   (n_parts > 1 ? sizeof(struct near_records) : 0);

	return memory_bytes > own_bytes ? (memory_bytes - own_bytes) / SHARES : 0;
}

uint32_t summary_table_filter_cells(size_t memory_bytes)
{
	return source_filter_cells(FILTER_SHARE * share_of(memory_bytes, 1) / 2);
}

void summary_table_make_room(struct summary_table *table, struct summary_crowd *crowd, uint64_t priority)
{
	struct summary_places **next =
		crowd->n_sampled < SUMMARY_SAMPLE ? &crowd->sample[crowd->n_sampled / SUMMARY_PLACES] : NULL;

	if (next != NULL && *next == NULL)
		*next = block_pool_take(&table->places);
	if (crowd->sketches == NULL && summary_crowd_outgrows_sample(crowd, priority))
		crowd->sketches = block_pool_take(&table->sketches);
}

/* Whoever has crowds finds room for them when they grow. Memory that is not needed is not touched. */
static int create_crowds(struct summary_table *table, size_t memory_bytes)
{
	size_t crowds_bytes = sizeof(struct summary_crowds) + sizeof(uint32_t);
	size_t sketches_bytes = 2 * (sizeof(struct summary_sketches) + sizeof(uint32_t));
	size_t places_bytes = (size_t)2 * SUMMARY_PLACE_BLOCKS * (sizeof(struct summary_places) + sizeof(uint32_t));
	size_t n = memory_bytes / (crowds_bytes + sketches_bytes + places_bytes);

	if (block_pool_init(&table->crowds, sizeof(struct summary_crowds), n * crowds_bytes) != 0 ||
	    block_pool_init(&table->sketches, sizeof(struct summary_sketches), n * sketches_bytes) != 0)
		return -1;
	return block_pool_init(&table->places, sizeof(struct summary_places), n * places_bytes);
}

static int create_parts(struct summary_table *table, const struct summary_table_config *config)
{
	unsigned n_parts = config->n_parts == 0 ? 1 : config->n_parts;
	size_t share_bytes = share_of(config->memory_bytes, n_parts);

	if (n_parts > 1) {
		table->near = calloc(1, sizeof(*table->near));
		if (table->near == NULL)
			return -1;
	}
	table->candidates_room = candidates_within(config->memory_bytes);
	/* NOLINTNEXTLINE(bugprone-sizeof-expression) */
	table->candidates = calloc(table->candidates_room, sizeof(*table->candidates));
	/* NOLINTNEXTLINE(bugprone-sizeof-expression) */
	table->urgent = calloc(table->candidates_room, sizeof(*table->urgent));
	if (table->candidates == NULL || table->urgent == NULL ||
	    near_index_init(&table->near_services, near_places_within(config->memory_bytes)) != 0 ||
	    near_index_init(&table->near_sources, near_places_within(config->memory_bytes)) != 0)
		return -1;
	for (int kind = 0; kind < SUMMARY_SENSOR; kind++)
		if (create_kind(table, (enum summary_kind)kind, share_bytes) != 0)
			return -1;
	if (source_presence_init(&table->sources, bounded_table_capacity(table->kinds[SUMMARY_SOURCE].entries)) != 0)
		return -1;
	if (rare_pairs_init(&table->rare_pairs, RARE_PAIRS_SHARE * share_bytes) != 0 ||
	    create_crowds(table, CROWDS_SHARE * share_bytes) != 0 ||
	    block_pool_init(&table->helds, sizeof(struct summary_held), HELDS_SHARE * share_bytes) != 0 ||
	    block_pool_init(&table->ports, sizeof(struct port_use), PORTS_SHARE * share_bytes) != 0)
		return -1;
	uint32_t n_cells =
		config->n_filter_cells != 0 ? config->n_filter_cells : summary_table_filter_cells(config->memory_bytes);
	if (source_filter_init(&table->filter, n_cells, n_parts, FILTER_NS) != 0)
		return -1;
	return source_filter_init(&table->failing, n_cells, n_parts, FAILING_FILTER_NS);
}

struct summary_table *summary_table_create(const struct summary_table_config *config, struct error *error)
{
	struct summary_table *table = calloc(1, sizeof(*table));

	if (table == NULL || create_parts(table, config) != 0) {
		summary_table_destroy(table);
		error_set(error, "no memory for what detectors remember (%zu bytes)", config->memory_bytes);
		return NULL;
	}
	table->secret = config->secret;
	table->n_tables = config->n_tables;
	table->urgent_at = config->n_tables < SUMMARY_URGENT ? SUMMARY_URGENT / config->n_tables : 1;
	table->rare_connections = summary_pair_deserves_at(config->n_tables);
	table->sensor.key = summary_key_sensor();
	table->sensor.summary.slots = table->sensor_slots;
	return table;
}

void summary_table_destroy(struct summary_table *table)
{
	if (table == NULL)
		return;
	for (int kind = 0; kind < SUMMARY_SENSOR; kind++) {
		bounded_table_destroy(table->kinds[kind].entries);
		block_pool_fini(&table->kinds[kind].parts);
	}
	source_presence_fini(&table->sources);
	rare_pairs_fini(&table->rare_pairs);
	block_pool_fini(&table->crowds);
	block_pool_fini(&table->sketches);
	block_pool_fini(&table->places);
	block_pool_fini(&table->helds);
	block_pool_fini(&table->ports);
	source_filter_fini(&table->filter);
	source_filter_fini(&table->failing);
	free(table->near_services.places);
	free(table->near_sources.places);
	free(table->candidates);
	free(table->urgent);
	free(table->near);
	free(table);
}

/* --- records --- */

/* As two words: bytes that were stored one by one would be waited for. */
static size_t hash_address(struct siphash_state *state, const struct ip_addr *address)
{
	uint64_t words[2];

	memcpy(words, address->bytes, sizeof(words));
	siphash13_add(state, words[0]);
	if (address->version == 4)
		return sizeof(words[0]);
	siphash13_add(state, words[1]);
	return sizeof(words);
}

/* Kinds have tables of their own, and prefixes of an IP version one length: that leaves addresses and port. */
uint64_t summary_table_hash(const struct summary_table *table, const struct summary_key *key)
{
	struct siphash_state state = siphash13_begin(&table->secret);
	size_t n_bytes = sizeof(key->port) + hash_address(&state, &key->ip);

	if (key->kind == SUMMARY_PAIR)
		n_bytes += hash_address(&state, &key->client);
	return siphash13_end(&state, key->port, n_bytes);
}

struct summary_record *summary_table_find(struct summary_table *table, const struct summary_key *key)
{
	if (key->kind == SUMMARY_SENSOR)
		return &table->sensor;
	return bounded_table_find(table->kinds[key->kind].entries, summary_table_hash(table, key), key);
}

void summary_table_begin_search(struct summary_table *table, struct summary_search *search)
{
	search->hash = summary_table_hash(table, &search->key);
	search->is_begun = true;
	bounded_table_expect(table->kinds[search->key.kind].entries, search->hash);
	if (search->key.kind == SUMMARY_PAIR)
		rare_pairs_expect(&table->rare_pairs, search->hash);
}

void summary_table_expect_found(const struct summary_table *table, const struct summary_search *search)
{
	if (!search->is_begun)
		return;
	bounded_table_expect_entry(table->kinds[search->key.kind].entries, search->hash);
	if (search->key.kind == SUMMARY_PAIR)
		rare_pairs_expect_found(&table->rare_pairs, search->hash);
}

/* What was counted of a pair before it had a record. */
static void take_over_rare(struct summary_table *table, uint64_t hash, struct summary *summary)
{
	struct rare_pair *rare = rare_pairs_find(&table->rare_pairs, hash);

	if (rare == NULL)
		return;
	rare_pair_give(rare, summary);
	rare_pairs_remove(&table->rare_pairs, rare);
}

struct summary_record *summary_table_end_search(struct summary_table *table, const struct summary_search *search,
						bool create)
{
	struct kind_table *kind = &table->kinds[search->key.kind];
	struct summary_record *record = bounded_table_find(kind->entries, search->hash, &search->key);

	if (record != NULL || !create)
		return record;
	record = bounded_table_insert(kind->entries, search->hash, &search->key);
	if (record == NULL)
		return NULL;
	if (search->key.kind == SUMMARY_SOURCE) {
		source_presence_add(&table->sources, &search->key.ip);
		record->summary.ages = &((struct source_record *)(void *)record)->ages;
	}
	if (search->key.kind == SUMMARY_PAIR)
		take_over_rare(table, search->hash, &record->summary);
	return record;
}

struct summary_record *summary_table_find_or_create(struct summary_table *table, const struct summary_key *key,
						    bool create)
{
	struct summary_search search = { .key = *key };

	summary_table_begin_search(table, &search);
	return summary_table_end_search(table, &search, create);
}

static bool holds_something(const struct summary *summary)
{
	const uint64_t *totals = summary->totals;

	return totals[SUMMARY_COMPLETED] > 0 || summary_half_open(summary) > 0 ||
	       totals[SUMMARY_STALLED] > totals[SUMMARY_STALLED_OVER];
}

/*
 * Whoever was asked once, or in one moment, goes first. Those that have parts are worth more, so that parts can be had
 * from them.
 */
enum bounded_keep summary_table_worth(const struct summary_record *record)
{
	const struct summary *summary = &record->summary;

	if (record->attention > ATTENTION_NONE)
		return KEEP_PINNED;
	switch (record->key.kind) {
	case SUMMARY_SOURCE:
		return summary->totals[SUMMARY_COMPLETED] > 0 ? KEEP_LONGER : KEEP_LEAST;
	case SUMMARY_PAIR:
		return summary->totals[SUMMARY_TIME_WAIT] > summary->totals[SUMMARY_TIME_WAIT_OVER] ? KEEP_LONGER
												    : KEEP_LEAST;
	default:
		if (summary->slots == NULL)
			return KEEP_LEAST;
		return holds_something(summary) ? KEEP_LAST : KEEP_LONGER;
	}
}

/* It counts nothing any more, and begins anew. */
static void reset_record(struct kind_table *kind, struct summary_record *record)
{
	kind->table->evicted++;
	give_back_parts(kind, record);
	memset(&record->summary, 0, sizeof(record->summary));
	bounded_table_touch(kind->entries, record, KEEP_LEAST);
}

static struct target_parts *take_parts(struct kind_table *kind)
{
	struct target_parts *parts = block_pool_take(&kind->parts);

	for (int keep = KEEP_LONGER; parts == NULL && keep < KEEP_PINNED; keep++) {
		struct summary_record *oldest = bounded_table_oldest(kind->entries, (enum bounded_keep)keep);
		if (oldest == NULL)
			continue;
		reset_record(kind, oldest);
		parts = block_pool_take(&kind->parts);
	}
	return parts;
}

/* Its connections begin in more than one slot of time. False: there is no room, it counts nothing. */
bool summary_table_begin_parts(struct kind_table *kind, struct summary_record *record)
{
	struct target_parts *parts = take_parts(kind);

	if (parts == NULL) {
		reset_record(kind, record);
		return false;
	}
	summary_begin_slots(&record->summary, parts->slots);
	if (record->key.kind == SUMMARY_SERVICE)
		summary_begin_ages(&record->summary, &parts->ages);
	return true;
}

size_t summary_table_crowds(const struct summary_table *table, size_t *n_free)
{
	*n_free = table->crowds.n_free;
	return table->crowds.n_blocks;
}

struct source_filter *summary_table_filter(struct summary_table *table)
{
	return &table->filter;
}

struct source_filter *summary_table_failing_filter(struct summary_table *table)
{
	return &table->failing;
}

uint64_t summary_table_evicted(const struct summary_table *table)
{
	return table->evicted;
}

size_t summary_table_capacity(const struct summary_table *table, enum summary_kind kind)
{
	return bounded_table_capacity(table->kinds[kind].entries);
}

/* --- what others told --- */

/* Has a part of its own as large as from's, takes over its content; without from's part it has none. */
static void *copy_part(struct block_pool *pool, void *own, const void *from)
{
	if (from == NULL) {
		if (own != NULL)
			block_pool_give_back(pool, own);
		return NULL;
	}
	if (own == NULL)
		own = block_pool_take(pool);
	if (own != NULL)
		memcpy(own, from, pool->block_bytes);
	return own;
}

static void copy_crowd(struct summary_table *table, struct summary_crowd *own, const struct summary_crowd *from)
{
	if (from->is_sketched && own->sketches == NULL)
		own->sketches = block_pool_take(&table->sketches);
	for (unsigned i = 0; i * SUMMARY_PLACES < from->n_sampled; i++)
		if (own->sample[i] == NULL)
			own->sample[i] = block_pool_take(&table->places);
	summary_crowd_copy(own, from);
}

static struct summary_crowds *copy_crowds(struct summary_table *table, struct summary_crowds *own,
					  const struct summary_crowds *from)
{
	if (from == NULL) {
		if (own != NULL)
			give_back_crowds(table, own);
		return NULL;
	}
	if (own == NULL)
		own = block_pool_take(&table->crowds);
	for (int i = 0; own != NULL && i < 2; i++)
		copy_crowd(table, &own->spans[i], &from->spans[i]);
	return own;
}

static void copy_target_parts(struct kind_table *kind, struct summary_record *record, const struct summary *from)
{
	struct summary *summary = &record->summary;

	if (from->slots == NULL || (summary->slots == NULL && !summary_table_begin_parts(kind, record)))
		return;
	memcpy(summary->slots, from->slots, SUMMARY_SLOTS * sizeof(*from->slots));
	if (summary->ages != NULL && from->ages != NULL)
		*summary->ages = *from->ages;
}

static void copy_parts(struct summary_table *table, struct summary_record *record, const struct summary *from)
{
	struct summary *summary = &record->summary;

	if (record->key.kind == SUMMARY_SENSOR) {
		if (from->slots != NULL)
			memcpy(table->sensor_slots, from->slots, sizeof(table->sensor_slots));
	} else if (record->key.kind <= SUMMARY_PREFIX) {
		copy_target_parts(&table->kinds[record->key.kind], record, from);
	} else if (record->key.kind == SUMMARY_SOURCE && from->ages != NULL) {
		*summary->ages = *from->ages;
	}
	summary->held = copy_part(&table->helds, summary->held, from->held);
	summary->ports = copy_part(&table->ports, summary->ports, from->ports);
	for (int kind = 0; kind < SUMMARY_CROWDS; kind++)
		summary->crowds[kind] = copy_crowds(table, summary->crowds[kind], from->crowds[kind]);
}

bool summary_table_put(struct summary_table *table, const struct summary_key *key, uint64_t version,
		       const struct summary *summary)
{
	struct summary_record *record =
		key->kind == SUMMARY_SENSOR ? &table->sensor : summary_table_find_or_create(table, key, true);

	if (record == NULL || version <= record->version)
		return false;
	record->version = version;
	copy_parts(table, record, summary);
	struct summary parts = record->summary;
	record->summary = *summary;
	record->summary.slots = parts.slots;
	record->summary.ages = parts.ages;
	record->summary.held = parts.held;
	record->summary.ports = parts.ports;
	memcpy(record->summary.crowds, parts.crowds, sizeof(parts.crowds));
	if (key->kind == SUMMARY_SENSOR)
		return true;
	record->n_calm = 0;
	if (record->attention == ATTENTION_NONE)
		summary_table_offer(table, record, summary->latest_ns);
	else
		summary_table_add_urge(table, record, SUMMARY_URGENT);
	bounded_table_touch(table->kinds[key->kind].entries, record, summary_table_worth(record));
	return true;
}

void summary_table_each(struct summary_table *table, void (*visit)(void *context, struct summary_record *record),
			void *context)
{
	for (int kind = 0; kind < SUMMARY_SENSOR; kind++)
		for (size_t i = 0; i < bounded_table_count(table->kinds[kind].entries); i++)
			visit(context, bounded_table_at(table->kinds[kind].entries, i));
	visit(context, &table->sensor);
}
