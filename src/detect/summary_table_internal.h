/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "block_pool.h"
#include "near_index.h"
#include "rare_pairs.h"
#include "source_presence.h"
#include "summary_count.h"
#include "summary_table.h"
#include "unkeyed_hash.h"

/*
 * What the files of a table share: summary_table.c decides what is remembered, summary_attend.c what more is kept of
 * keys that deserve it, and summary_signal.c counts.
 */

/* Parts of targets that were asked in more than one slot of time. */
struct target_parts {
	struct summary_slot slots[SUMMARY_SLOTS];
	struct summary_ages ages; /* SERVICE only: the last member, which others leave out */
};

struct source_record {
	struct summary_record record;
	struct summary_ages ages;
};

/* Signals come in runs about the same addresses, and clients are hashed first when their cells are fetched. */
struct hashed_address {
	struct ip_addr address;
	uint64_t hash; /* summary_address_hash */
};

enum { HASHED_CLIENTS_BITS = 6 };

/* The records of one kind. */
struct kind_table {
	struct summary_table *table;
	struct bounded_table *entries;
	struct block_pool parts; /* SERVICE, HOST, PREFIX: struct target_parts */
	uint64_t forgotten_ns;   /* what began later was counted in no record that is gone */
};

/*
 * Where only some kinds are counted, a service knows nothing of its host and prefix: they may be in other tables. This
 * does: by the server's hash, perhaps the records of its host and prefix. The key has the last word, as places are
 * used again.
 */
enum { NEAR_RECORDS = 256 };

struct near_records {
	struct summary_record *host[NEAR_RECORDS];
	struct summary_record *prefix[NEAR_RECORDS];
};

struct summary_table {
	struct siphash_key secret;
	unsigned n_tables;
	unsigned urgent_at; /* the urge of one of n_tables from which on a key may be urgent */
	uint64_t evicted;
	struct kind_table kinds[SUMMARY_SENSOR];
	struct source_presence sources; /* that have a record */
	struct rare_pairs rare_pairs;   /* that have no record yet, */
	unsigned rare_connections;      /* for they have fewer than this */
	struct block_pool crowds;       /* struct summary_crowds */
	struct block_pool sketches;     /* struct summary_sketches: as many as they can ever need, */
	struct block_pool places;       /* and struct summary_places */
	struct block_pool helds;        /* struct summary_held */
	struct block_pool ports;        /* struct port_use */
	struct source_filter filter;    /* by what they try and send */
	struct source_filter failing;   /* by what they try in vain: slow scans, which the others hide */
	struct near_index near_services;
	struct near_index near_sources;
	const struct summary_record *fetched; /* the service that a signal was expected about before */
	struct near_records *near;            /* of one table of several */
	struct summary_record **candidates;
	size_t n_candidates;
	struct summary_record **urgent;
	size_t n_urgent;
	bool is_urgent_full;
	size_t candidates_room; /* and as many urgent ones */
	struct hashed_address clients[1 << HASHED_CLIENTS_BITS];
	struct hashed_address server; /* of the signal before, or of the one that is counted */
	struct summary_tally tally;   /* of the signal that is counted */
	struct summary_hashes hashes; /* and what crowds keep of it, once has_hashes */
	bool has_hashes;
	struct summary_record sensor;
	struct summary_slot sensor_slots[SUMMARY_SLOTS];
};

/* A key that is looked for a while after its hash is known: until then the memory comes that has to be read. */
struct summary_search {
	struct summary_key key;
	uint64_t hash;
	bool is_begun;
};

uint64_t summary_table_hash(const struct summary_table *table, const struct summary_key *key);

/* For the key that search holds. */
void summary_table_begin_search(struct summary_table *table, struct summary_search *search);

/* Fetches what is probably the record, and reads what summary_table_begin_search has fetched. */
void summary_table_expect_found(const struct summary_table *table, const struct summary_search *search);

/* Null: there is none, or no room for a new one. That of a pair knows what was counted of it without one. */
struct summary_record *summary_table_end_search(struct summary_table *table, const struct summary_search *search,
						bool create);
struct summary_record *summary_table_find_or_create(struct summary_table *table, const struct summary_key *key,
						    bool create);

/* Where the client's hash is kept, perhaps. Each signal of a burst finds what was hashed for it. */
static inline struct hashed_address *summary_table_hashed_client(struct summary_table *table, const struct ip_addr *ip)
{
	return &table->clients[unkeyed_hash(ip, 0) >> (64 - HASHED_CLIENTS_BITS)];
}

enum bounded_keep summary_table_worth(const struct summary_record *record);

/* It was used now. Of those that are never given up, nobody asks when. */
static inline void summary_table_touch(struct kind_table *kind, struct summary_record *record)
{
	if (record->attention == ATTENTION_NONE || record->entry.keep != KEEP_PINNED)
		bounded_table_touch(kind->entries, record, summary_table_worth(record));
}

/* Its connections begin in more than one slot of time. False: there is no room, it counts nothing. */
bool summary_table_begin_parts(struct kind_table *kind, struct summary_record *record);

/* What the crowd needs for whoever has this priority. */
void summary_table_make_room(struct summary_table *table, struct summary_crowd *crowd, uint64_t priority);
void summary_table_give_back_crowds(struct summary_table *table, struct summary *summary);

/* Among the candidates, if it has no attention and may deserve some; if not, notes for how many signals. */
void summary_table_offer(struct summary_table *table, struct summary_record *record, uint64_t now_ns);

/* So much more has happened to a key that has attention. */
void summary_table_add_urge(struct summary_table *table, struct summary_record *record, unsigned urge);
