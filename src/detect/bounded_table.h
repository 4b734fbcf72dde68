/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * A hash table of fixed size whose entries begin with struct bounded_entry, followed at once by their key. When it is
 * full, a newcomer takes the place of the entry that was not used for longest, among those least worth keeping. What
 * is forgotten depends on the order of use only, never on hash values, so that a run gives the same events under
 * every secret.
 */
enum bounded_keep {
	KEEP_LEAST = 0,
	KEEP_LONGER,
	KEEP_LAST,   /* given up only when nothing else is left */
	KEEP_PINNED, /* never given up */
	KEEP_CLASSES,
};

struct bounded_entry {
	uint32_t place; /* in the table plus one */
	enum bounded_keep keep;
};

struct bounded_table;

/* The memory of a table with n_entries. */
size_t bounded_table_bytes(size_t n_entries, size_t entry_bytes);

/*
 * As many entries as fit into memory_bytes, at least one. Null when memory is short or memory_bytes is too little.
 * forget is called with an entry that loses its place, and may be null.
 */
struct bounded_table *bounded_table_create(size_t entry_bytes, size_t key_bytes, size_t memory_bytes,
					   void (*forget)(void *context, void *entry), void *context);
void bounded_table_destroy(struct bounded_table *table);

size_t bounded_table_capacity(const struct bounded_table *table);
size_t bounded_table_count(const struct bounded_table *table);

/* The entry with this number, 0 .. bounded_table_count - 1; the order means nothing. */
void *bounded_table_at(const struct bounded_table *table, size_t number);

/*
 * Keys are compared as bytes and must have no padding. hash: keyed with a secret, or an attacker could make long
 * chains.
 */
void *bounded_table_find(struct bounded_table *table, uint64_t hash, const void *key);

/*
 * A key with this hash will be looked for soon: its bucket is fetched into the processor's cache; and the entry that is
 * first there, which reads the bucket. Whoever has several to look for lets their memory come at the same time.
 */
void bounded_table_expect(const struct bounded_table *table, uint64_t hash);
void bounded_table_expect_entry(const struct bounded_table *table, uint64_t hash);

/* A new zeroed entry for a key that is not in the table, or null when all others are pinned. */
void *bounded_table_insert(struct bounded_table *table, uint64_t hash, const void *key);

/* The entry was used now, and is worth keep. */
void bounded_table_touch(struct bounded_table *table, void *entry, enum bounded_keep keep);

/* The entry of that worth that was not used for longest, or null. */
void *bounded_table_oldest(const struct bounded_table *table, enum bounded_keep keep);
