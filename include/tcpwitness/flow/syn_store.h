/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tcpwitness/base/error.h"
#include "tcpwitness/decode/packet.h"
#include "tcpwitness/flow/flow_key.h"

/*
 * Connection attempts of which only the client's SYN and its repeats were seen, or its SYN and the server's SYN-ACK: on
 * a mirror port most TCP "flows" are such, and in a flood nearly all. A struct flow for each would let a flood push out
 * connections; here an attempt takes one entry of 64 bytes, links included, and one more once it is answered.
 *
 * What is kept are the segments themselves, packed. So nothing has to be known here of states: the
 * caller plays them to the state machine again when it needs the flow, and gets the flow
 * that would have been there all the time. What cannot be packed so that this holds is refused by
 * syn_store_insert, syn_store_holds or syn_store_answer, and belongs into the flow table.
 *
 * Entries are found by the whole key, addresses and ports in full. The hash only chooses where to look: a collision
 * costs a comparison and never gives a wrong connection.
 *
 * A second entry is taken by what does not fit into the first: IPv6, a repeat, a duplicate of the capture, data, flags
 * beside SYN, a connection before it on the tuple. A third by more repeats. And one more by several VLANs, tunnels,
 * rare options, decode anomalies, a clock that stepped back. The answer takes one; an attempt that was answered has
 * neither repeats nor anything of what is rare.
 *
 * Repeats do not restart timers, so attempts expire in the order in which they came, or were answered. When the store
 * is full, the oldest unanswered attempt goes for a newcomer. Those that were answered never go for another, and are
 * no more than SYN_ANSWERED_SHARE lets in. Capture thread.
 */
struct syn_store;

/* An attempt in the store; borrowed until it is removed. */
struct syn_entry;

enum {
	SYN_STORE_ENTRY_BYTES = 64,
	SYN_MAX_REPEATS = 6, /* Linux repeats a SYN as often; more become a flow */
	/* Of all entries, one in so many attempts may be answered: each has two or three entries. */
	SYN_ANSWERED_SHARE = 4,
};

/*
 * Where an attempt stands, as the flow table's classes of these names. It goes from the first of a pair to the second
 * when it is overdue, and expires from there.
 */
enum syn_class {
	SYN_UNANSWERED_NEW = 0,
	SYN_UNANSWERED,
	SYN_HALF_OPEN_NEW,
	SYN_HALF_OPEN,
	SYN_CLASS_COUNT, /* not a class */
};

struct syn_store_config {
	size_t memory_bytes; /* for entries and index together; 0 = no store: every insert is refused */
	uint64_t timeout_ns[SYN_CLASS_COUNT];
};

/* The times of the flow table's classes; 32 MiB. */
void syn_store_config_defaults(struct syn_store_config *config);

struct syn_store_stats {
	uint64_t created;
	uint64_t expired[SYN_CLASS_COUNT]; /* by syn_store_expire */
	uint64_t evicted[SYN_CLASS_COUNT];
	uint64_t promoted; /* by syn_store_promote: a flow took over */
	uint64_t refused;  /* SYNs that do not fit; the flow table has them */
	uint64_t in_use[SYN_CLASS_COUNT];
	uint64_t entries_in_use; /* of capacity; those of attempts that are gone are given back when their turn comes */
	uint64_t capacity;       /* entries */
	uint64_t memory_bytes;   /* allocated */
};

/* An attempt unpacked. */
struct syn_attempt {
	struct packet first;  /* the first SYN, in all that the state machine and the flow look at */
	uint32_t last_ts_val; /* highest, and that of the last SYN */
	unsigned n_repeats;
	struct syn_repeat {
		uint64_t time_ns;
		uint32_t hash; /* packet.payload_hash */
		uint16_t ip_id;
	} repeats[SYN_MAX_REPEATS]; /* oldest first */
	unsigned n_duplicates;      /* of SYNs, by the capture */
	bool answered_late;         /* it was overdue when it was answered */
	struct packet answer;       /* the SYN-ACK, likewise; only of an attempt that is half open */
	uint64_t previous_id;       /* flow id of the connection before it on the tuple; 0 = none known */
	uint64_t touched_ns;        /* when its timer began, as in struct flow */
	uint64_t due_ns;            /* when its timer ends */
	enum syn_class class;
	bool alerted; /* as in struct flow */
};

/* What detectors are told of an attempt, from its first SYN: far less than all of it, and at hand at once. */
struct syn_gist {
	uint64_t id;
	uint64_t time_ns;
	struct ip_addr client;
	struct ip_addr server;
	uint16_t client_port;
	uint16_t server_port;
	uint32_t iss;
	uint32_t layout; /* struct tcp_options.layout */
	uint16_t window;
	uint16_t options; /* TCPOPT_*: MSS, window scale, SACK permitted, timestamps */
	uint8_t ttl;
	bool repeated;
	bool answered;
};

/* What a connection that opens in good order takes from its SYN, or from its SYN-ACK. */
struct plain_syn {
	uint64_t time_ns;
	uint64_t number; /* of the packet */
	uint32_t seq;
	uint32_t ts_val;
	uint32_t payload_hash;
	uint16_t options; /* TCPOPT_*: as in struct syn_gist */
	uint16_t mss;
	uint16_t window;
	uint16_t ip_id;
	uint16_t ip_bytes;
	uint8_t wscale; /* 14 at most (RFC 7323 2.3) */
	uint8_t ttl;
};

/* An attempt that was answered in time, and nothing is odd about it so far: see src/flow/flow_plain_open.h. */
struct plain_opening {
	const struct syn_entry *attempt;
	struct plain_syn syn;
	struct plain_syn synack;
	uint32_t layout; /* of the SYN's options */
	uint16_t source;
	uint8_t client_index;
	bool is_ipv6;
	bool alerted;
};

/* Called for an attempt that leaves by eviction; the store must not be changed in it. */
typedef void syn_evict_fn(void *context, struct syn_entry *entry);

/*
 * Allocates all that the store will ever use. key is that which hashes the packets' keys. Null with *error filled
 * when memory is short or the config is out of range.
 */
struct syn_store *syn_store_create(const struct syn_store_config *config, const struct flow_key_config *key,
				   syn_evict_fn *evict, void *context, struct error *error);
void syn_store_destroy(struct syn_store *store);

/* The attempt with this key, or null. hash is flow_key_hash of key. */
struct syn_entry *syn_store_find(struct syn_store *store, const struct flow_key *key, uint64_t hash);

/*
 * Fetches what syn_store_find with this hash will look at, as flow_table_fetch_chain and its like do: first the chain,
 * then its entries, one with each call. A newcomer looks at all of them; a chain has seldom more than three. Returns
 * what the next call begins with.
 */
const uint32_t *syn_store_fetch_chain(const struct syn_store *store, uint64_t hash);
const uint32_t *syn_store_fetch_next(const struct syn_store *store, const uint32_t *link);

/*
 * A new attempt that began with packet, which this end of its key sent; the key must not be in the store, and hash is
 * that of it. now_ns is the latest packet time seen: the attempt's timer begins then. Another attempt may have been
 * evicted for it. Null when it does not fit (counted); neither does a packet whose number is not higher than that of
 * an attempt that is overdue.
 */
struct syn_entry *syn_store_insert(struct syn_store *store, const struct packet *packet, unsigned client_index,
				   uint64_t hash, uint64_t previous_id, uint64_t now_ns);

/* Is it the attempt's SYN again, so that the functions below may add it? False: only a flow can hold both. */
bool syn_store_holds(const struct syn_store *store, const struct syn_entry *entry, const struct packet *packet);

/*
 * Makes sure that a repeat can be added: other attempts may be evicted. False when there is no entry for it; then
 * nothing was changed.
 */
bool syn_store_reserve(struct syn_store *store, struct syn_entry *entry);

/* Adds a repeat of the attempt's SYN that the store holds, after syn_store_reserve. */
void syn_store_repeat(struct syn_store *store, struct syn_entry *entry, const struct packet *packet);

/*
 * The first SYN-ACK, of the attempt's server: the attempt is half open from packet's time on, which must be the latest.
 * False, with no answer added, when only a flow can hold it: there is something odd about it, or about the attempt, or
 * there are too many already.
 */
bool syn_store_answer(struct syn_store *store, struct syn_entry *entry, const struct packet *packet);

/* Counts that a SYN of the attempt was captured twice, after syn_store_reserve. */
void syn_store_duplicate(struct syn_store *store, struct syn_entry *entry);

void syn_store_set_alerted(struct syn_entry *entry);
bool syn_store_is_alerted(const struct syn_entry *entry);
void syn_store_unpack(const struct syn_store *store, const struct syn_entry *entry, struct syn_attempt *attempt);

void syn_store_get_gist(const struct syn_store *store, const struct syn_entry *entry, struct syn_gist *gist);

/* False: it is no such attempt. */
bool syn_store_get_opening(const struct syn_store *store, const struct syn_entry *entry, struct plain_opening *opening);

/* Packet number of the first SYN. */
uint64_t syn_store_id(const struct syn_entry *entry);

/* Which end of the attempt's key (0 or 1) sent the SYN. */
unsigned syn_store_client_index(const struct syn_entry *entry);

/* All take the attempt out; the pointer is dead afterwards. They differ in what they count. hash is that of its key. */
void syn_store_remove(struct syn_store *store, struct syn_entry *entry);
void syn_store_promote(struct syn_store *store, struct syn_entry *entry, uint64_t hash);
void syn_store_expire(struct syn_store *store, struct syn_entry *entry);

/*
 * The attempt whose timer ends first, or null when the store is empty; *due_ns and *class are set. Ties go to the
 * lower class, then to the older attempt. The caller compares with the flow table's, then expires it or moves it on.
 */
struct syn_entry *syn_store_first_due(struct syn_store *store, uint64_t *due_ns, enum syn_class *class);

/* Packet time before which no attempt is due. There may be none then either, as the one that would be may have left. */
uint64_t syn_store_due_ns(const struct syn_store *store);

/* Its first timer ended: it goes to the next class. It must be the one that syn_store_first_due gave. */
void syn_store_move_on(struct syn_store *store, struct syn_entry *entry);

/* All attempts, in no order; visit changes nothing. */
typedef void syn_visit_fn(void *context, const struct syn_entry *entry);
void syn_store_each(const struct syn_store *store, syn_visit_fn *visit, void *context);

/* All attempts leave at once, and nothing is counted. Not between syn_store_oldest and the end. */
void syn_store_clear(struct syn_store *store);

/*
 * For the end of a run: the attempt with the lowest id, null when the store is empty. From the first call on until
 * then, no other function but syn_store_unpack and syn_store_remove may be called, the latter for that attempt only.
 */
struct syn_entry *syn_store_oldest(struct syn_store *store);

/* Borrowed, always current. */
const struct syn_store_stats *syn_store_get_stats(const struct syn_store *store);
