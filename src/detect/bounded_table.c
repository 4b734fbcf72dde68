/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which targets are remembered: chained hashing over one array, and one list in the order of use per class of worth.
 */
#include "bounded_table.h"

#include <assert.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Places are numbered from 1, so that zeroed memory is an empty list. */
struct use_list {
	uint32_t newest;
	uint32_t oldest;
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
	unsigned char *entries;
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
	return sizeof(struct bounded_table) + n_entries * entry_bytes + bucket_count(n_entries) * sizeof(uint32_t);
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
	table->buckets = calloc(bucket_count(capacity), sizeof(*table->buckets));
	table->entries = calloc(capacity, entry_bytes);
	if (table->buckets == NULL || table->entries == NULL) {
		bounded_table_destroy(table);
		return NULL;
	}
	return table;
}

void bounded_table_destroy(struct bounded_table *table)
{
	if (table == NULL)
		return;
	free(table->buckets);
	free(table->entries);
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

static uint32_t place_of(const struct bounded_table *table, const struct bounded_entry *entry)
{
	return (uint32_t)((size_t)((const unsigned char *)entry - table->entries) / table->entry_bytes) + 1;
}

static void unlist(struct bounded_table *table, struct bounded_entry *entry)
{
	struct use_list *list = &table->lists[entry->keep];

	if (entry->newer != 0)
		entry_at(table, entry->newer)->older = entry->older;
	else
		list->newest = entry->older;
	if (entry->older != 0)
		entry_at(table, entry->older)->newer = entry->newer;
	else
		list->oldest = entry->newer;
}

static void list_as_newest(struct bounded_table *table, struct bounded_entry *entry, enum bounded_keep keep)
{
	struct use_list *list = &table->lists[keep];
	uint32_t place = place_of(table, entry);

	entry->keep = keep;
	entry->newer = 0;
	entry->older = list->newest;
	if (list->newest != 0)
		entry_at(table, list->newest)->newer = place;
	else
		list->oldest = place;
	list->newest = place;
}

void *bounded_table_find(struct bounded_table *table, uint64_t hash, const void *key)
{
	uint32_t place = table->buckets[hash & table->bucket_mask];

	while (place != 0) {
		struct bounded_entry *entry = entry_at(table, place);
		if (entry->hash == hash && memcmp(entry + 1, key, table->key_bytes) == 0)
			return entry;
		place = entry->next_in_bucket;
	}
	return NULL;
}

static void unchain(struct bounded_table *table, const struct bounded_entry *entry)
{
	uint32_t *link = &table->buckets[entry->hash & table->bucket_mask];
	uint32_t place = place_of(table, entry);

	while (*link != place)
		link = &entry_at(table, *link)->next_in_bucket;
	*link = entry->next_in_bucket;
}

static struct bounded_entry *give_up_one(struct bounded_table *table)
{
	for (int keep = KEEP_LEAST; keep < KEEP_PINNED; keep++) {
		if (table->lists[keep].oldest == 0)
			continue;
		struct bounded_entry *entry = entry_at(table, table->lists[keep].oldest);
		if (table->forget != NULL)
			table->forget(table->context, entry);
		unlist(table, entry);
		unchain(table, entry);
		return entry;
	}
	return NULL;
}

void *bounded_table_insert(struct bounded_table *table, uint64_t hash, const void *key)
{
	uint32_t *bucket = &table->buckets[hash & table->bucket_mask];
	struct bounded_entry *entry;

	if (table->n_used < table->capacity)
		entry = entry_at(table, ++table->n_used);
	else
		entry = give_up_one(table);
	if (entry == NULL)
		return NULL;
	memset(entry, 0, table->entry_bytes);
	entry->hash = hash;
	memcpy(entry + 1, key, table->key_bytes);
	entry->next_in_bucket = *bucket;
	*bucket = place_of(table, entry);
	list_as_newest(table, entry, KEEP_LEAST);
	return entry;
}

void bounded_table_touch(struct bounded_table *table, void *entry, enum bounded_keep keep)
{
	struct bounded_entry *used = entry;

	if (used->keep == keep && used->newer == 0)
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
