/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tcpwitness/base/error.h"
#include "tcpwitness/flow/flow.h"
#include "tcpwitness/flow/syn_store.h"
#include "tcpwitness/tcp/recent_segments.h"

/*
 * The table of tracked flows: a keyed hash over memory that is allocated once. Every flow is in the queue of its class;
 * a class has one timeout, so its head expires first, and expiry never scans. Capture thread.
 *
 * A flow is packed while nobody works with it. The functions that give a flow open it: it is a whole struct flow, and
 * stays where it is until flow_table_close, or until it is removed. No more than three may be open at a time.
 *
 * When memory is full a newcomer takes the place of the flow that goes first in this order, the one longest
 * untouched within a class: closed, unanswered, half_open, time_wait, midstream, unanswered_new, half_open_new,
 * closing, half_closed. An established connection is never evicted for a newcomer; at most 15 of
 * 16 places, and of as many bytes, are for established connections, and when one more completes its handshake than
 * that, the established connection longest silent goes. So a flood of SYNs evicts none.
 */
struct flow_table;

struct flow_table_config {
	size_t memory_bytes;                   /* for flows and index together; at least 64 KiB */
	uint64_t timeout_ns[FLOW_CLASS_COUNT]; /* by class; FLOW_CLASS_FREE is unused */
	/* How hashes are made of keys, borrowed. Null: nobody says, and memory in pieces is not put together. */
	const struct flow_key_config *key;
};

/* The timeouts of the manual page tcpwitness(1), and 256 MiB. */
void flow_table_config_defaults(struct flow_table_config *config);

struct flow_table_stats {
	uint64_t created;
	uint64_t expired[FLOW_CLASS_COUNT]; /* removed as flow_table_next_expired gave them, by class */
	uint64_t evicted[FLOW_CLASS_COUNT];
	uint64_t evicted_total;            /* of all classes */
	uint64_t refused;                  /* newcomers for whom no place could be made */
	uint64_t in_use[FLOW_CLASS_COUNT]; /* now */
	uint64_t capacity;                 /* flows, if all are in good order; those with troubles take more room */
	uint64_t longest_chain;            /* flows looked at by the longest look-up so far */
	uint64_t memory_bytes;             /* allocated */
};

/*
 * Called for a flow that leaves by eviction, before its place is given away: the last chance to write
 * its record. The flow is borrowed for the call; the table must not be used in it.
 */
typedef void flow_evict_fn(void *context, struct flow *flow);

/*
 * Allocates all that the table will ever use, within memory_bytes. Null with *error filled when memory is short or
 * the config is out of range.
 */
struct flow_table *flow_table_create(const struct flow_table_config *config, flow_evict_fn *evict, void *context,
				     struct error *error);
void flow_table_destroy(struct flow_table *table);

/*
 * The flow with this key, open until it is closed or removed, or null. A flow that is open already is the same one.
 * hash is flow_key_hash of key.
 */
struct flow *flow_table_find(struct flow_table *table, const struct flow_key *key, uint64_t hash);

/*
 * Fetches what flow_table_find with this hash will look at, so that it is there by then: the chain, then the first link
 * of it, then that flow. Each step looks at what the one before has fetched, so other work comes between them, but
 * nothing that changes the table. *trail is what they have come to.
 */
struct flow_trail {
	const uint32_t *chain;
	const struct flow_link *link; /* null: the chain is empty */
	const void *rest;             /* the flow; null: another one is first in the chain, or it is open */
};

void flow_table_fetch_chain(const struct flow_table *table, uint64_t hash, struct flow_trail *trail);
void flow_table_fetch_link(const struct flow_table *table, struct flow_trail *trail);
void flow_table_fetch_flow(const struct flow_table *table, uint64_t hash, struct flow_trail *trail);

/* Behind the last step, if it came to a flow: who that is. */
struct flow_glimpse {
	uint64_t id;
	unsigned client_index;
	bool client_has_spoken; /* of one that is not over */
};

struct flow_glimpse flow_table_peek(const struct flow_trail *trail);

/*
 * The client of a flow at rest speaks for the first time (SIGNAL_CLIENT_SPOKE). Of *flow, borrowed for the call, only
 * what signals tell is filled in. Returns what flow->alerted is to be. The table must not be used in it.
 */
typedef bool client_speaks_fn(void *context, struct flow *flow);

/*
 * A flow at rest goes on to close in good order. Of *flow, borrowed for the call, what signals tell and the states as
 * they are now are filled in; signals, alerted, gauges and held_ms are as they were, and to be what they become. The
 * table must not be used in it.
 */
typedef void flow_closes_fn(void *context, struct flow *flow);

/*
 * A connection opens in good order: SIGNAL_COMPLETED, by which it is no longer half open. True: that happened while an
 * alarm was open for its server. The table must not be used in it.
 */
typedef bool connection_opens_fn(void *context, const struct plain_opening *opening);

/* What a segment needs beside its flow when it takes the short way: see src/flow/flow_plain.h. */
struct plain_rules {
	struct recent_segments *recent;
	connection_opens_fn *connection_opens; /* null, as the next one: nobody listens */
	client_speaks_fn *client_speaks;
	flow_closes_fn *flow_closes;
	void *context;
	struct flow *sketch;       /* what these are given */
	uint64_t interim_ns;       /* as in struct tracker_config */
	uint64_t max_window_bytes; /* as in struct tcp_conn_config */
	bool states_are_told;      /* a change of states is more than a change of the flow */
};

/*
 * Applies packet to the flow with this key where that needs no more than what stands in a flow at rest: the next
 * segment of a connection in good order that is established or closes. False: nothing was done, and *flow is what
 * flow_table_find gives. sender_index is as flow_key_from_packet returned it.
 */
bool flow_table_plain_segment(struct flow_table *table, const struct flow_key *key, uint64_t hash,
			      unsigned sender_index, const struct packet *packet, const struct plain_rules *rules,
			      struct flow **flow);

/*
 * The same for the third segment of an attempt (flow/syn_store.h), which packet is if it is nothing else, sent by the
 * client and the latest of all: the table has the flow then, at rest, as if flow_table_adopt had taken it over and it
 * had been touched as established. False: nothing was done, or nobody would have to go for it.
 */
bool flow_table_plain_opening(struct flow_table *table, const struct flow_key *key, uint64_t hash,
			      const struct plain_opening *opening, const struct packet *packet,
			      const struct plain_rules *rules);

/*
 * A new, zeroed, open flow with key and hash set, in the queue of flow_class as touched at now_ns; another may have
 * been evicted for it. Null when no place could be made (counted). The key must not be in the table.
 */
struct flow *flow_table_insert(struct flow_table *table, const struct flow_key *key, uint64_t hash,
			       enum flow_class flow_class, uint64_t now_ns);

/*
 * Takes over a flow that lived elsewhere (flow/syn_store.h): a copy of *image, whose key, hash and id are set, in the
 * queue of flow_class (below FLOW_CLASS_ESTABLISHED) as touched at touched_ns. Among flows touched at the same time it
 * stands by its id. Otherwise as flow_table_insert. When more than 64 flows of the class were touched since, it counts
 * as touched with the oldest of these.
 */
struct flow *flow_table_adopt(struct flow_table *table, const struct flow *image, enum flow_class flow_class,
			      uint64_t touched_ns);

/*
 * Puts the flow at the end of the queue of flow_class, as touched at now_ns (or at the latest time the table has seen,
 * if that is later). May evict another flow when flow_class is FLOW_CLASS_ESTABLISHED and their share is full.
 */
void flow_table_touch(struct flow_table *table, struct flow *flow, enum flow_class flow_class, uint64_t now_ns);

/*
 * The flow's timeout passed and it goes on in another class (not established), as touched when it passed: so that its
 * next timeout does not depend on when the first one was noticed.
 */
void flow_table_move_on(struct flow_table *table, struct flow *flow, enum flow_class flow_class);

/*
 * Nobody works with a flow for now: all that are open are packed, and pointers to them are dead. A flow may take more
 * room than before, and others may be evicted for that; when nobody may go, the flow itself is.
 */
void flow_table_close(struct flow_table *table);

/* Takes the flow out; the pointer is dead afterwards. */
void flow_table_remove(struct flow_table *table, struct flow *flow);

/*
 * The flow whose timeout passed first of all that are due at now_ns, or null when none is due. It is open and stays in
 * the table: the caller removes or touches it, or asks again. Ties go to the lower class number, then to the order in
 * the queue.
 */
struct flow *flow_table_next_expired(struct flow_table *table, uint64_t now_ns);

/* Packet time is now_ns: no flow is touched before that any more. */
void flow_table_pass_time(struct flow_table *table, uint64_t now_ns);

/* Packet time before which flow_table_next_expired gives none. */
uint64_t flow_table_next_due_ns(const struct flow_table *table);

/* Packet time at which the flow's timeout passes. */
uint64_t flow_table_due_ns(const struct flow_table *table, const struct flow *flow);

/*
 * For the end of a run: the flow with the lowest id still in the table, or null when it is empty. Sorts once at
 * the first call, so no other function but flow_table_remove may be called between calls.
 */
struct flow *flow_table_first(struct flow_table *table);

/*
 * For the end of a run in which flows are counted and no more: all leave at once, in no order. What became of those in
 * good order (tcp_conn_outcome) is added to outcomes; of the others visit is told, which must not use the table.
 */
typedef void flow_visit_fn(void *context, const struct flow *flow);
void flow_table_count_out(struct flow_table *table, uint64_t outcomes[CONN_OUTCOME_COUNT], flow_visit_fn *visit,
			  void *context);

/* Borrowed, always current. */
const struct flow_table_stats *flow_table_get_stats(const struct flow_table *table);
