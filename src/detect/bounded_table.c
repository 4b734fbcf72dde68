/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which targets are remembered: chained hashing over one array, and one list in the order of use per class of worth.
 * All links are in an array of their own: entries are large, and looking for one or moving it in its list reads nothing
 * of the others.
 */
#include "bounded_table.h"

#include <assert.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tcpwitness/base/big_memory.h"
#include "tcpwitness/base/prefetch.h"

/* Places are numbered from 1, so that zeroed memory is an empty list. */
struct use_list {
	uint32_t newest;
	uint32_t oldest;
};

/* Of the entry in the same place. */
struct bounded_link {
	uint32_t hash;           /* its low half */
	uint32_t next_in_bucket; /* places; 0 = none */
	uint32_t newer;
	uint32_t older;
};

struct bounded_table {
	size_t entry_bytes;
	size_t key_bytes;
	uint32_t capacity;
	uint32_t n_used; /* places 1 .. n_used hold an entry: nothing is ever freed but to be taken at once */
	uint32_t bucket_mask;
	struct use_list lists[KEEP_CLASSES];
	void (*forget)(void *context, void *entry);
	void *context;
	uint32_t *buckets;
	struct bounded_link *links; /* by place */
	unsigned char *memory;
	unsigned char *entries; /* in it, the first at the beginning of a line of a processor's cache */
};

static size_t bucket_count(size_t n_entries)
{
	size_t n = 4;

	while (n < n_entries)
		n *= 2;
	return n;
}

size_t bounded_table_bytes(size_t n_entries, size_t entry_bytes)
{
	return sizeof(struct bounded_table) + BIG_MEMORY_LINE_BYTES + n_entries * entry_bytes +
	       bucket_count(n_entries) * sizeof(uint32_t) + (n_entries + 1) * sizeof(struct bounded_link);
}

static size_t entries_within(size_t memory_bytes, size_t entry_bytes)
{
	size_t low = 0;
	size_t high = memory_bytes / entry_bytes < UINT32_MAX / 2 ? memory_bytes / entry_bytes : UINT32_MAX / 2;

	while (low < high) {
		size_t middle = low + (high - low + 1) / 2;
		if (bounded_table_bytes(middle, entry_bytes) <= memory_bytes)
			low = middle;
		else
			high = middle - 1;
	}
	return low;
}

struct bounded_table *bounded_table_create(size_t entry_bytes, size_t key_bytes, size_t memory_bytes,
					   void (*forget)(void *context, void *entry), void *context)
{
	size_t capacity = entries_within(memory_bytes, entry_bytes);
	struct bounded_table *table;

	assert(entry_bytes >= sizeof(struct bounded_entry) + key_bytes);
	assert(entry_bytes % alignof(struct bounded_entry) == 0);
	if (capacity == 0)
		return NULL;
	table = calloc(1, sizeof(*table));
	if (table == NULL)
		return NULL;
	table->entry_bytes = entry_bytes;
	table->key_bytes = key_bytes;
	table->capacity = (uint32_t)capacity;
	table->bucket_mask = (uint32_t)bucket_count(capacity) - 1;
	table->forget = forget;
	table->context = context;
	table->buckets = big_memory_calloc(bucket_count(capacity), sizeof(*table->buckets));
	table->links = big_memory_calloc(capacity + 1, sizeof(*table->links));
	table->memory = big_memory_calloc(capacity * entry_bytes + BIG_MEMORY_LINE_BYTES, 1);
	if (table->buckets == NULL || table->links == NULL || table->memory == NULL) {
		bounded_table_destroy(table);
		return NULL;
	}
	table->entries = big_memory_first_line(table->memory);
	return table;
}

void bounded_table_destroy(struct bounded_table *table)
{
	if (table == NULL)
		return;
	free(table->buckets);
	free(table->links);
	free(table->memory);
	free(table);
}

size_t bounded_table_capacity(const struct bounded_table *table)
{
	return table->capacity;
}

size_t bounded_table_count(const struct bounded_table *table)
{
	return table->n_used;
}

static struct bounded_entry *entry_at(const struct bounded_table *table, uint32_t place)
{
	return (struct bounded_entry *)(void *)(table->entries + (size_t)(place - 1) * table->entry_bytes);
}

static void unlist(struct bounded_table *table, const struct bounded_entry *entry)
{
	const struct bounded_link *link = &table->links[entry->place];
	struct use_list *list = &table->lists[entry->keep];

	if (link->newer != 0)
		table->links[link->newer].older = link->older;
	else
		list->newest = link->older;
	if (link->older != 0)
		table->links[link->older].newer = link->newer;
	else
		list->oldest = link->newer;
}

static void list_as_newest(struct bounded_table *table, struct bounded_entry *entry, enum bounded_keep keep)
{
	struct bounded_link *link = &table->links[entry->place];
	struct use_list *list = &table->lists[keep];

	entry->keep = keep;
	link->newer = 0;
	link->older = list->newest;
	if (list->newest != 0)
		table->links[list->newest].newer = entry->place;
	else
		list->oldest = entry->place;
	list->newest = entry->place;
}

void bounded_table_expect(const struct bounded_table *table, uint64_t hash)
{
	prefetch(&table->buckets[hash & table->bucket_mask]);
}

void bounded_table_expect_entry(const struct bounded_table *table, uint64_t hash)
{
	if (table->n_used == 0)
		return;

	uint32_t place = table->buckets[hash & table->bucket_mask];
	if (place == 0)
		return;
	prefetch(&table->links[place]);
	prefetch(entry_at(table, place));
}

/* As memcmp, which is a call, for keys of a few words. */
static bool is_key(const unsigned char *a, const unsigned char *b, size_t n)
{
	uint64_t word_a;
	uint64_t word_b;

	if (n < sizeof(word_a))
		return memcmp(a, b, n) == 0;
	for (size_t i = 0; i + sizeof(word_a) < n; i += sizeof(word_a)) {
		memcpy(&word_a, a + i, sizeof(word_a));
		memcpy(&word_b, b + i, sizeof(word_b));
		if (word_a != word_b)
			return false;
	}
	/* The last word begins within the one before, so that it ends with the key. */
	memcpy(&word_a, a + n - sizeof(word_a), sizeof(word_a));
	memcpy(&word_b, b + n - sizeof(word_b), sizeof(word_b));
	return word_a == word_b;
}

void *bounded_table_find(struct bounded_table *table, uint64_t hash, const void *key)
{
	if (table->n_used == 0)
		return NULL;

	uint32_t place = table->buckets[hash & table->bucket_mask];
	while (place != 0) {
		struct bounded_entry *entry = entry_at(table, place);
		/* As a rule it is the first: whoever asked for its link would wait for that too. */
		if (is_key((const unsigned char *)(entry + 1), key, table->key_bytes))
			return entry;
		place = table->links[place].next_in_bucket;
	}
	return NULL;
}

static void unchain(struct bounded_table *table, uint32_t place)
{
	uint32_t *next = &table->buckets[table->links[place].hash & table->bucket_mask];

	while (*next != place)
		next = &table->links[*next].next_in_bucket;
	*next = table->links[place].next_in_bucket;
}

/* Returns its place; 0 = all are pinned. */
static uint32_t give_up_one(struct bounded_table *table)
{
	for (int keep = KEEP_LEAST; keep < KEEP_PINNED; keep++) {
		uint32_t place = table->lists[keep].oldest;
		if (place == 0)
			continue;
		if (table->forget != NULL)
			table->forget(table->context, entry_at(table, place));
		unlist(table, entry_at(table, place));
		unchain(table, place);
		return place;
	}
	return 0;
}

void *bounded_table_insert(struct bounded_table *table, uint64_t hash, const void *key)
{
	uint32_t *bucket = &table->buckets[hash & table->bucket_mask];
	bool is_fresh = table->n_used < table->capacity;
	uint32_t place = is_fresh ? ++table->n_used : give_up_one(table);

	if (place == 0)
		return NULL;
	struct bounded_entry *entry = entry_at(table, place);
	/* What was never used is zero, and most of a large entry may never be touched. */
	if (!is_fresh)
		memset(entry, 0, table->entry_bytes);
	entry->place = place;
	memcpy(entry + 1, key, table->key_bytes);
	table->links[place].hash = (uint32_t)hash;
	table->links[place].next_in_bucket = *bucket;
	*bucket = place;
	list_as_newest(table, entry, KEEP_LEAST);
	return entry;
}

void bounded_table_touch(struct bounded_table *table, void *entry, enum bounded_keep keep)
{
	struct bounded_entry *used = entry;

	/* Of those that are never given up, nobody asks who was used when. */
	if (used->keep == keep && (keep == KEEP_PINNED || table->lists[keep].newest == used->place))
		return;
	unlist(table, used);
	list_as_newest(table, used, keep);
}

void *bounded_table_oldest(const struct bounded_table *table, enum bounded_keep keep)
{
	uint32_t place = table->lists[keep].oldest;

	return place == 0 ? NULL : entry_at(table, place);
}

void *bounded_table_at(const struct bounded_table *table, size_t number)
{
	return entry_at(table, (uint32_t)number + 1);
}
