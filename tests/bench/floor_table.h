/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The least that any tracker must do for a segment: tell which connection it belongs to, whichever way it goes, and
 * find or make that connection's entry. One line of the cache an entry, all allocated and faulted in beforehand, no
 * timers, no removal. Inline: a call would cost as much as what is measured.
 */

/* One end. An IPv4 address stands in low, with high 0. */
struct floor_end {
	uint64_t high;
	uint64_t low;
	uint64_t digest; /* of address and port: puts the two ends in order */
	uint16_t port;
};

struct floor_segment {
	uint64_t hash;
	uint64_t time_ns;
	uint32_t wire_bytes;
	uint32_t side;            /* which of ends sent it */
	struct floor_end ends[2]; /* in the order of their digests */
};

struct floor_entry {
	uint64_t high[2];
	uint64_t low[2];
	uint16_t port[2];
	uint32_t in_use;
	uint64_t last_ns;
	uint64_t bytes;
	uint32_t packets[2];
};

_Static_assert(sizeof(struct floor_entry) == 64, "one line of the cache");

struct floor_key {
	uint64_t k[4];
};

struct floor_table {
	struct floor_entry *entries;
	uint64_t mask;
	uint64_t n_entries;
	struct floor_key key;
};

/*
 * Room for twice n_connections at least, so that open addressing stays short. Returns 0, or -1 when memory is short.
 */
int floor_table_create(struct floor_table *table, uint64_t n_connections);

__extension__ typedef unsigned __int128 floor_u128;

/* Multiply and fold: 64 bits in which each bit of the secret and of both words counts. */
static inline uint64_t floor_fold(uint64_t a, uint64_t b)
{
	floor_u128 product = (floor_u128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline void floor_digest(const struct floor_key *key, struct floor_end *end, bool ipv6)
{
	if (ipv6)
		end->digest = floor_fold(end->high ^ key->k[2], end->low ^ key->k[3]) + end->port;
	else
		end->digest = end->low << 16 | end->port;
}

/* Puts ends, sender first, in order and hashes them. */
static inline void floor_identify(const struct floor_key *key, struct floor_segment *segment)
{
	uint64_t from = segment->ends[0].digest;
	uint64_t to = segment->ends[1].digest;
	uint64_t lower = from < to ? from : to;
	uint64_t upper = from < to ? to : from;

	segment->side = from < to ? 0 : 1;
	segment->hash = floor_fold(lower ^ key->k[0], upper ^ key->k[1]);
}

static inline struct floor_entry *floor_home(const struct floor_table *table, const struct floor_segment *segment)
{
	return &table->entries[segment->hash & table->mask];
}

static inline bool floor_matches(const struct floor_entry *entry, const struct floor_end *first,
				 const struct floor_end *second)
{
	return ((entry->high[0] ^ first->high) | (entry->low[0] ^ first->low) | (entry->high[1] ^ second->high) |
		(entry->low[1] ^ second->low) | (uint64_t)(entry->port[0] ^ first->port) |
		(uint64_t)(entry->port[1] ^ second->port)) == 0;
}

/* Finds or makes the segment's entry and counts the segment. */
static inline void floor_track(struct floor_table *table, const struct floor_segment *segment)
{
	const struct floor_end *first = &segment->ends[segment->side];
	const struct floor_end *second = &segment->ends[!segment->side];
	uint64_t at = segment->hash & table->mask;

	while (table->entries[at].in_use && !floor_matches(&table->entries[at], first, second))
		at = (at + 1) & table->mask;
	struct floor_entry *entry = &table->entries[at];
	if (!entry->in_use) {
		*entry = (struct floor_entry){
			.high = { first->high, second->high },
			.low = { first->low, second->low },
			.port = { first->port, second->port },
			.in_use = 1,
		};
		table->n_entries++;
	}
	entry->last_ns = segment->time_ns;
	entry->bytes += segment->wire_bytes;
	entry->packets[segment->side]++;
}
