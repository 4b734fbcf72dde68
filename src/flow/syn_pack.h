/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tcpwitness/flow/flow_key.h"
#include "tcpwitness/flow/syn_store.h"

/* How an attempt's segments lie in one to four slots of the store. */

enum entry_state {
	ENTRY_FREE = 0,
	ENTRY_LIVE,
	ENTRY_GONE, /* its attempt left; it waits for its turn in the queue of the unanswered */
};

struct syn_entry {
	uint32_t hash_next; /* links of the store; see syn_store.c */
	uint32_t queue_next;
	uint64_t first_ns;
	uint64_t id : 52;     /* packet number: enough for ten million packets a second over fourteen years */
	uint64_t source : 12; /* index of file or interface */
	uint32_t iss;
	uint32_t ts_val;
	uint32_t layout;       /* of the options */
	uint32_t hash_or_part; /* has_parts: slot of the second part; is_answered: of the answer; else payload_hash */
	uint8_t addr[2][4];    /* client's, server's; of IPv6 the first four bytes */
	uint16_t port[2];
	uint16_t window;
	uint16_t mss;
	uint16_t ip_id;
	uint8_t ttl;
	uint8_t ip_bytes;   /* two words; more is in the second part */
	uint32_t state : 2; /* enum entry_state */
	uint32_t has_parts : 1;
	uint32_t has_rare : 1;
	uint32_t is_ipv6 : 1;
	uint32_t client_index : 1;
	uint32_t alerted : 1;
	uint32_t wscale : 4;
	uint32_t options : 4; /* which of the ordinary ones; see syn_pack.c */
	uint32_t has_vlan : 1;
	uint32_t vlan : 12;
	uint32_t options_complete : 1;
	uint32_t is_answered : 1;
	uint32_t in_queue : 1; /* of the unanswered: until its turn comes, even when it is answered */
};

/* A repeat of the SYN, in what may differ from the first. */
struct syn_again {
	uint32_t hash;         /* packet.payload_hash */
	uint32_t after_low_ns; /* since the first SYN, 48 bits: three days */
	uint16_t after_high_ns;
	uint16_t ip_id;
};

/* The second slot: the rest of IPv6 addresses, the first repeat, and what is not rare. */
struct syn_more {
	uint32_t rest; /* slot of what is rare (has_rare), of the answer (is_answered), or of the repeats; 0 = none */
	uint32_t hash; /* packet.payload_hash of the first SYN */
	uint32_t last_ts_val;
	uint8_t n_syns;
	uint8_t n_duplicates;
	uint16_t flags; /* SEG_* */
	uint64_t previous_id;
	uint8_t addr_rest[2][12];
	uint16_t ip_bytes;
	uint16_t payload_bytes;
	struct syn_again repeat;
};

enum { SYN_PART_REPEATS = 5 };

/* One more slot: the second repeat and those behind it. Linux gives up after the sixth. */
struct syn_repeats {
	struct syn_again repeat[SYN_PART_REPEATS];
};

_Static_assert(SYN_PART_REPEATS + 1 == SYN_MAX_REPEATS, "repeats are in the second part and in one of their own");

/* What is rare. */
struct syn_rare {
	uint32_t repeats;  /* slot of the repeats; 0 = none */
	uint64_t begun_ns; /* when the attempt's timer began: later than the SYN's time when clocks step back */
	struct anomaly_set anomalies;
	uint16_t vlans[PACKET_MAX_VLANS];
	uint8_t tunnels[PACKET_MAX_TUNNELS];
	uint32_t tunnel_network;
	uint32_t ts_ecr;
	uint16_t present; /* TCPOPT_* */
	uint8_t n_vlans;
	uint8_t n_tunnels;
	uint8_t wscale; /* as sent */
	uint8_t fastopen_cookie_bytes;
	uint8_t mptcp_subtype;
};

/*
 * The server's SYN-ACK, of an attempt with neither rare things nor repeats: its own slot, the last of the attempt. It
 * is the attempt's place in the queue of the half open.
 */
struct syn_answer {
	uint64_t number : 52;
	uint64_t wscale : 4;
	uint64_t options : 4; /* as of the entry */
	uint64_t options_complete : 1;
	uint64_t is_late : 1;    /* the attempt was overdue */
	uint64_t is_overdue : 1; /* it is, as one that is half open */
	uint32_t queue_next;
	uint32_t queue_prev;
	uint32_t entry;    /* slot of the entry */
	uint32_t syn_hash; /* without a second part: packet.payload_hash of the SYN */
	uint32_t hash;
	uint32_t after_low_ns; /* since the SYN, as of struct syn_again */
	uint32_t iss;
	uint32_t ts_val;
	uint32_t ts_ecr;
	uint32_t layout;
	uint16_t after_high_ns;
	uint16_t ip_id;
	uint16_t window;
	uint16_t mss;
	uint16_t ip_bytes;
	uint16_t flags;
	uint8_t ttl;
};

union syn_slot {
	struct syn_entry entry;
	struct syn_more more;
	struct syn_rare rare;
	struct syn_repeats repeats;
	struct syn_answer answer;
	uint32_t next_freed;
};

_Static_assert(sizeof(struct syn_entry) == SYN_STORE_ENTRY_BYTES, "an attempt takes one cache line, links included");
_Static_assert(sizeof(union syn_slot) == SYN_STORE_ENTRY_BYTES, "parts take the places of entries");

struct syn_parts {
	struct syn_more *more; /* null: none */
	struct syn_rare *rare;
	struct syn_repeats *repeats;
	struct syn_answer *answer;
};

/* Can the packet be packed at all, so that an unpacked one means the same to flow and state machine? */
bool syn_fits(const struct packet *packet);

/* Beside the entry: 0, 1 or 2. */
unsigned syn_parts_needed(const struct packet *packet, uint64_t previous_id, uint64_t now_ns);

/* The entry, in no queue and no chain yet; more: slot of the first part, if it has any. */
void syn_pack(const struct packet *packet, unsigned client_index, unsigned n_parts, uint32_t more,
	      struct syn_entry *entry);

/* Beside it, what it has no room for. parts are zeroed, and as many as needed. */
void syn_pack_parts(const struct syn_parts *parts, const struct packet *packet, uint64_t previous_id, uint64_t now_ns);

/* Gives an attempt without parts its second one. The caller links it. */
void syn_extend(const struct syn_entry *entry, struct syn_more *more);

void syn_unpack(const struct syn_entry *entry, const struct syn_parts *parts, struct packet *packet);

void syn_get_gist(const struct syn_entry *entry, const struct syn_parts *parts, struct syn_gist *gist);

/* As syn_store_get_opening. */
bool syn_get_opening(const struct syn_entry *entry, const struct syn_parts *parts, struct plain_opening *opening);

/* Its key, if it has no VLANs or tunnels. */
void syn_untagged_key(const struct syn_entry *entry, const struct syn_parts *parts, struct flow_key *key);

/* Same addresses and ports as the key; VLANs and tunnels are not compared. more: the second part, or null. */
bool syn_ends_are(const struct syn_entry *entry, const struct syn_more *more, const struct flow_key *key);

/* It may have VLANs or tunnels. */
bool syn_is_tagged(const struct syn_entry *entry);

/* Adds a repeat; its part must be there. */
void syn_pack_repeat(const struct syn_entry *entry, const struct syn_parts *parts, const struct packet *packet);
void syn_unpack_repeats(const struct syn_entry *entry, const struct syn_parts *parts, struct syn_attempt *attempt);

/* Is it a SYN-ACK that answers the attempt, neither of which has anything that struct syn_answer has no room for? */
bool syn_is_plain_answer(const struct syn_entry *entry, const struct syn_parts *parts, const struct packet *packet);

/* The caller links the part, and sets is_answered. */
void syn_pack_answer(const struct syn_entry *entry, bool is_late, struct syn_answer *answer,
		     const struct packet *packet);
void syn_unpack_answer(const struct syn_entry *entry, const struct syn_parts *parts, struct packet *packet);
uint64_t syn_answer_time_ns(const struct syn_entry *entry, const struct syn_answer *answer);

/* Is it the attempt's SYN again, in all but time, identification, timestamp and content of payload? */
bool syn_is_repeat(const struct syn_entry *entry, const struct syn_parts *parts, const struct packet *packet);
