/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tcpwitness/base/error.h"
#include "tcpwitness/base/siphash.h"
#include "tcpwitness/detect/detect_engine.h"
#include "tcpwitness/detect/flow_signal.h"

#include "bounded_table.h"
#include "source_filter.h"
#include "summary.h"

/*
 * The summaries of the keys that are given to it, or what a remote sensor told of its own: a bounded number for each
 * kind of key. What is remembered is decided here; which keys deserve attention is decided over all tables together
 * (watch.h). Owned by the engine.
 */
struct summary_table;

struct summary_table_config {
	size_t memory_bytes;
	struct siphash_key secret;
	unsigned n_tables;       /* that may know something of the same key, at least 1 */
	unsigned n_parts;        /* over which the keys are dealt out; 0 = 1 */
	uint32_t n_filter_cells; /* of all parts together; 0 = as fits this table alone */
};

/* What one table with so much memory has for its filters. */
uint32_t summary_table_filter_cells(size_t memory_bytes);

/* How much is remembered of a key, beside its totals and slots. */
enum summary_attention {
	ATTENTION_NONE = 0, /* may be forgotten */
	ATTENTION_KEPT,     /* is kept */
	ATTENTION_CROWDS,   /* and who takes part */
};

/*
 * In lines of a processor's cache: by which one is found and what has attention needs; what every signal changes; then
 * the totals, of which each signal needs one line or two.
 */
enum { SUMMARY_LINE_BYTES = 64 };

struct summary_record {
	struct bounded_entry entry;
	struct summary_key key;
	uint8_t attention;           /* enum summary_attention */
	bool is_alarmed;             /* an alarm about it is open */
	uint16_t candidate;          /* place among the candidates plus one; 0 = none */
	uint16_t n_calm;             /* without attention: so many signals more cannot make it deserve some */
	uint16_t urge;               /* what has happened since it was judged: see summary_table_urgent */
	uint16_t urgent;             /* place among the urgent plus one; 0 = none */
	uint64_t version;            /* of what a remote sensor told; 0 = counted here */
	struct summary_record *host; /* SERVICE: perhaps that of its host, if the key says so */
	struct summary_record *prefix;
	struct summary summary;
};
_Static_assert(offsetof(struct summary_record, host) == SUMMARY_LINE_BYTES, "begins a line");
_Static_assert(offsetof(struct summary_record, summary.totals) == (size_t)2 * SUMMARY_LINE_BYTES, "begin a line");

struct summary_table *summary_table_create(const struct summary_table_config *config, struct error *error);
void summary_table_destroy(struct summary_table *table);

/* Counts the signal wherever it belongs. True: an alarm about the connection's service or host is open. */
bool summary_table_signal(struct summary_table *table, const struct flow_signal *signal);

/* As detect_source_fetch. */
void summary_table_fetch(struct summary_table *table, struct detect_expected *expected, uint64_t now_ns,
			 enum detect_fetch step);

/* Bits 1 << kind for those kinds whose keys may count something of the signal. */
unsigned summary_table_kinds(const struct flow_signal *signal);

/* summary_address_hash of a signal's ends. */
struct summary_ends {
	uint64_t client;
	uint64_t server;
};

/* The same for some kinds only, bits of what summary_table_kinds says. */
void summary_table_count(struct summary_table *table, const struct flow_signal *signal, const struct summary_ends *ends,
			 unsigned kinds);

/*
 * What another sensor knows of the key, whole: takes the place of what it told before. A table that is filled so is a
 * source like any other. version: greater ones are newer. False: it is not newer, or there is no room.
 */
bool summary_table_put(struct summary_table *table, const struct summary_key *key, uint64_t version,
		       const struct summary *summary);

/* Calls visit for each record, in no order that means anything. */
void summary_table_each(struct summary_table *table, void (*visit)(void *context, struct summary_record *record),
			void *context);

/* Null: nothing is known; or it is a pair with so few connections that it has no record. */
struct summary_record *summary_table_find(struct summary_table *table, const struct summary_key *key);

/*
 * From now_ns on so much is kept of the key, which need not be known yet. Null: there is no room (ATTENTION_NONE: it
 * is not known).
 */
struct summary_record *summary_table_attend(struct summary_table *table, const struct summary_key *key,
					    enum summary_attention attention, uint64_t now_ns);

/* An alarm about the key is open or not, for the answers of summary_table_signal. */
void summary_table_set_alarmed(struct summary_table *table, const struct summary_key *key, bool is_alarmed);

/*
 * Keys that may deserve attention and have none: those that changed since the last look. Null entries are to be left
 * out. They are to be looked at, then forgotten.
 */
size_t summary_table_candidates(const struct summary_table *table, struct summary_record *const **candidates);
void summary_table_forget_candidates(struct summary_table *table);

/*
 * Keys that have attention and of which enough has happened since they were judged to judge them again: SUMMARY_URGENT
 * at least, over all tables. Each attempt counts one, and each sign of trouble two. Null entries are to be left out.
 * False: there are more than there is room for.
 */
enum { SUMMARY_URGENT = 8 };
bool summary_table_urgent(const struct summary_table *table, struct summary_record *const **urgent, size_t *n);

/* Leaves those out that have been judged. */
void summary_table_sift_urgent(struct summary_table *table);

/* The key is judged now, with all that has happened. */
void summary_table_judged(struct summary_table *table, const struct summary_key *key);

/* Whether what is known of a key, over all tables, deserves attention at now_ns, and how much. */
enum summary_attention summary_deserves(const struct summary *summary, enum summary_kind kind, uint64_t now_ns);

/* Whether it deserves any at all. Not of the sensor, which always does. */
bool summary_is_enough(const struct summary *summary, enum summary_kind kind, uint64_t now_ns);

/*
 * Whether it may (0), given what one of n_tables knows: if over all of them it does, then by one at least it may.
 * Otherwise, how many signals at least the one must count before it may.
 */
uint32_t summary_lacks_to_deserve(const struct summary *summary, enum summary_kind kind, uint64_t now_ns,
				  unsigned n_tables);

/* By one of n_tables a pair may deserve it from so many connections on; before, it has no record. */
unsigned summary_pair_deserves_at(unsigned n_tables);

/* How many crowds there is room for, and of these, how many are left. */
size_t summary_table_crowds(const struct summary_table *table, size_t *n_free);

struct source_filter *summary_table_filter(struct summary_table *table);
struct source_filter *summary_table_failing_filter(struct summary_table *table);
uint64_t summary_table_evicted(const struct summary_table *table);
size_t summary_table_capacity(const struct summary_table *table, enum summary_kind kind);

/* The key of what is around: the host or the prefix of a server. */
struct summary_key summary_key_service(const struct ip_addr *ip, uint16_t port);
struct summary_key summary_key_host(const struct ip_addr *ip);
struct summary_key summary_key_prefix(const struct ip_addr *ip);
struct summary_key summary_key_source(const struct ip_addr *ip);
struct summary_key summary_key_pair(const struct ip_addr *client, const struct ip_addr *server, uint16_t server_port);
struct summary_key summary_key_sensor(void);

/* Whether summary_key_prefix of the address is this one. */
bool summary_prefix_has(const struct summary_key *prefix, const struct ip_addr *address);

/* Whether what becomes of the attempts is kept by cohorts. */
bool summary_kind_has_slots(enum summary_kind kind);
