/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tcpwitness/base/error.h"
#include "tcpwitness/decode/packet.h"
#include "tcpwitness/flow/flow.h"

/*
 * What is remembered of a connection when its flow has left the table: so little that it can be kept for minutes, and
 * enough to tell its late segments (repeated FINs and what answers them, RSTs, data that was long on its way) from a
 * connection that begins, or that goes on. Without it each of them would be a connection of its own, with a
 * wrong originator.
 *
 * The rule, for a segment whose tuple has no flow and no attempt:
 *  - a SYN begins a connection, always; the one before it is known;
 *  - what brings nothing new is late: its last sequence number is not beyond the last one known of its sender (but for
 *    one that a FIN takes, if there is no payload), and it acknowledges no more than was known of the other end (but
 *    for one, again), both within the last 16 MiB. A new connection whose SYN was missed falls into that by chance
 *    once in 65,000 times;
 *  - everything else belongs to a connection that goes on, or to another one: it begins as any segment does, and the
 *    one before it is known.
 * Of a connection that was evicted before it was over, nothing is late: it goes on with the next segment.
 *
 * Kept is a keyed fingerprint of 64 bits (flow_key_hash), not the tuple. Nobody who does not know the key can make two
 * alike; alike by chance, they would have to agree in their numbers too.
 *
 * The oldest goes first when all places are taken. There are no timers: what is too old is not found. Capture thread.
 */
struct tombstones;

enum { TOMBSTONE_BYTES = 32 };

struct tombstones_config {
	size_t memory_bytes; /* for entries and index together; 0 = none are kept */
	uint64_t closed_ns;  /* how long a connection is remembered, to a second */
	uint64_t reset_ns;   /* how long one that a RST ended */
};

/* 240 s: 2MSL of RFC 9293 3.4.2; 60 s after a RST, which nobody repeats for long; 16 MiB. */
void tombstones_config_defaults(struct tombstones_config *config);

struct tombstones_stats {
	uint64_t created;
	uint64_t evicted; /* while not yet too old */
	uint64_t capacity;
	uint64_t memory_bytes; /* allocated */
};

/* Allocates all that will ever be used. Null with *error filled when memory is short or the config out of range. */
struct tombstones *tombstones_create(const struct tombstones_config *config, struct error *error);
void tombstones_destroy(struct tombstones *tombstones);

/* The flow is about to leave the table. over: both ends are done with the connection. */
void tombstones_add(struct tombstones *tombstones, const struct flow *flow, bool over, uint64_t now_ns);

/*
 * Is the segment late? hash is that of its key, sender_index the end of the key that sent it. *previous_id gets the id
 * of the flow that is remembered under its tuple, 0 = none.
 */
bool tombstones_is_late(const struct tombstones *tombstones, uint64_t hash, unsigned sender_index,
			const struct packet *packet, uint64_t now_ns, uint64_t *previous_id);

/* As flow_table_fetch, for tombstones_is_late: step 0 the chain, step 1 its first. */
void tombstones_fetch(const struct tombstones *tombstones, uint64_t hash, unsigned step);

/* Borrowed, always current. */
const struct tombstones_stats *tombstones_get_stats(const struct tombstones *tombstones);
