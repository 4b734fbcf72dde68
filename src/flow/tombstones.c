/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Remembers connections that left the flow table. Entries lie in a ring in the order in which they were made, so the
 * oldest is the one that is overwritten, whatever the hash key; chains by hash find them. Slot 0 is never used, so that
 * 0 means none and fresh zero pages are an empty index.
 */
#include "tcpwitness/flow/tombstones.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lazy_memory.h"
#include "tcpwitness/base/prefetch.h"
#include "tcpwitness/base/units.h"
#include "tcpwitness/tcp/tcp_seq.h"

enum {
	NO_SLOT = 0,
	MIN_MEMORY_BYTES = 16 * 1024,
	DEFAULT_MEMORY_BYTES = 16 * 1024 * 1024,
	/* How far back a late segment may lie: the largest windows in use (RFC 7323 allows 1 GiB). */
	REACH = 1 << 24,
};

#define MAX_ID ((UINT64_C(1) << 52) - 1)

struct tombstone {
	uint64_t hash;
	uint64_t id : 52; /* 0: unknown, it did not fit */
	uint64_t chained : 1;
	uint64_t over : 1;
	uint64_t reset : 1;
	uint64_t known : 2; /* a bit for each end of the key whose number is known */
	uint32_t next[2];   /* by end of the key: one past the last sequence number seen or acknowledged */
	uint32_t ended_s;   /* seconds of packet time, modulo 2^32 */
	uint32_t hash_next;
};

_Static_assert(sizeof(struct tombstone) == TOMBSTONE_BYTES, "a closed connection is remembered in half a cache line");

struct tombstones {
	void *memory; /* one mapping: chains, then slots; null: none are kept */
	uint32_t *chains;
	struct tombstone *slots;
	uint64_t chain_mask;
	size_t mapped_bytes;
	uint32_t next_slot; /* the oldest, or fresh */
	uint32_t closed_s;
	uint32_t reset_s;
	struct tombstones_stats stats;
};

void tombstones_config_defaults(struct tombstones_config *config)
{
	*config = (struct tombstones_config){
		.memory_bytes = DEFAULT_MEMORY_BYTES,
		.closed_ns = 240 * NS_PER_SEC,
		.reset_ns = 60 * NS_PER_SEC,
	};
}

static int map_memory(struct tombstones *tombstones, size_t budget_bytes)
{
	uint64_t n_chains = 1;

	while (n_chains * 2 <= budget_bytes / (sizeof(struct tombstone) + sizeof(uint32_t)))
		n_chains *= 2;
	tombstones->mapped_bytes = budget_bytes;
	tombstones->memory = lazy_memory_map(&tombstones->mapped_bytes);
	if (tombstones->memory == NULL)
		return -1;
	tombstones->chains = tombstones->memory;
	tombstones->chain_mask = n_chains - 1;
	tombstones->slots = (void *)(tombstones->chains + n_chains);
	tombstones->stats.memory_bytes = tombstones->mapped_bytes;
	tombstones->stats.capacity =
		(tombstones->mapped_bytes - n_chains * sizeof(uint32_t)) / sizeof(struct tombstone) - 1;
	return 0;
}

struct tombstones *tombstones_create(const struct tombstones_config *config, struct error *error)
{
	const uint64_t max_bytes = (uint64_t)UINT32_MAX * sizeof(struct tombstone);
	struct tombstones *tombstones;

	if ((config->memory_bytes != 0 && config->memory_bytes < MIN_MEMORY_BYTES) ||
	    config->memory_bytes > max_bytes) {
		error_set(error, "closed connections: memory of %zu bytes is out of range; give 16K to %llu",
			  config->memory_bytes, (unsigned long long)max_bytes);
		return NULL;
	}
	tombstones = calloc(1, sizeof(*tombstones));
	if (tombstones == NULL || (config->memory_bytes != 0 && map_memory(tombstones, config->memory_bytes) != 0)) {
		error_set(error, "closed connections: cannot allocate %zu bytes: %s; lower --memory",
			  config->memory_bytes, strerror(errno));
		free(tombstones);
		return NULL;
	}
	tombstones->next_slot = NO_SLOT + 1;
	tombstones->closed_s = (uint32_t)(config->closed_ns / NS_PER_SEC);
	tombstones->reset_s = (uint32_t)(config->reset_ns / NS_PER_SEC);
	return tombstones;
}

void tombstones_destroy(struct tombstones *tombstones)
{
	if (tombstones == NULL)
		return;
	lazy_memory_unmap(tombstones->memory, tombstones->mapped_bytes);
	free(tombstones);
}

const struct tombstones_stats *tombstones_get_stats(const struct tombstones *tombstones)
{
	return &tombstones->stats;
}

static uint32_t seconds_of(uint64_t time_ns)
{
	return (uint32_t)(time_ns / NS_PER_SEC);
}

static bool is_current(const struct tombstones *tombstones, const struct tombstone *stone, uint64_t now_ns)
{
	uint32_t lifetime_s = stone->reset ? tombstones->reset_s : tombstones->closed_s;

	return seconds_of(now_ns) - stone->ended_s < lifetime_s;
}

static void unchain(struct tombstones *tombstones, uint32_t slot)
{
	struct tombstone *stone = &tombstones->slots[slot];
	uint32_t *link = &tombstones->chains[stone->hash & tombstones->chain_mask];

	while (*link != slot)
		link = &tombstones->slots[*link].hash_next;
	*link = stone->hash_next;
	stone->chained = false;
}

static uint32_t find(const struct tombstones *tombstones, uint64_t hash)
{
	uint32_t slot = tombstones->chains[hash & tombstones->chain_mask];

	while (slot != NO_SLOT && tombstones->slots[slot].hash != hash)
		slot = tombstones->slots[slot].hash_next;
	return slot;
}

/* Overwrites the oldest. */
static uint32_t take_slot(struct tombstones *tombstones, uint64_t now_ns)
{
	uint32_t slot = tombstones->next_slot;
	struct tombstone *stone = &tombstones->slots[slot];

	if (stone->chained) {
		tombstones->stats.evicted += is_current(tombstones, stone, now_ns);
		unchain(tombstones, slot);
	}
	tombstones->next_slot = slot < tombstones->stats.capacity ? slot + 1 : NO_SLOT + 1;
	return slot;
}

void tombstones_add(struct tombstones *tombstones, const struct flow *flow, bool over, uint64_t now_ns)
{
	if (tombstones->memory == NULL)
		return;
	uint32_t before = find(tombstones, flow->hash);
	if (before != NO_SLOT)
		unchain(tombstones, before);
	uint32_t slot = take_slot(tombstones, now_ns);
	struct tombstone *stone = &tombstones->slots[slot];
	uint32_t *chain = &tombstones->chains[flow->hash & tombstones->chain_mask];
	*stone = (struct tombstone){
		.hash = flow->hash,
		.id = flow->id <= MAX_ID ? flow->id & MAX_ID : 0,
		.chained = true,
		.over = over,
		.reset = flow->conn.end[SIDE_CLIENT].rst_sent || flow->conn.end[SIDE_SERVER].rst_sent,
		.ended_s = seconds_of(now_ns),
		.hash_next = *chain,
	};
	for (unsigned side = 0; side < 2; side++) {
		unsigned index = side == SIDE_CLIENT ? flow->client_index : 1u - flow->client_index;
		if (!flow->conn.end[side].seq_known)
			continue;
		stone->next[index] = flow->conn.end[side].snd_nxt;
		stone->known = (stone->known | 1u << index) & 3u;
	}
	*chain = slot;
	tombstones->stats.created++;
}

/* Numbers [from, to) bring nothing beyond next, but for slack, and are not too old. */
static bool is_old(uint32_t from, uint32_t to, uint32_t next, uint32_t slack)
{
	return seq_leq(to, next + slack) && seq_diff(next, from) <= REACH;
}

static bool brings_nothing_new(const struct tombstone *stone, unsigned sender_index, const struct packet *packet)
{
	unsigned receiver_index = 1 - sender_index;
	uint32_t end = packet->seq + packet->payload_bytes + ((packet->flags & SEG_FIN) ? 1u : 0u);
	/* A FIN may be new: its sender was not done when the connection was over for all others (RFC 9293 3.10.7.4). */
	uint32_t slack = packet->payload_bytes == 0;

	if ((stone->known >> sender_index & 1) != 0 && !is_old(packet->seq, end, stone->next[sender_index], slack))
		return false;
	return (packet->flags & SEG_ACK) == 0 || (stone->known >> receiver_index & 1) == 0 ||
	       is_old(packet->ack, packet->ack, stone->next[receiver_index], 1);
}

void tombstones_fetch(const struct tombstones *tombstones, uint64_t hash, unsigned step)
{
	if (tombstones->memory == NULL)
		return;
	const uint32_t *chain = &tombstones->chains[hash & tombstones->chain_mask];
	if (step == 0)
		prefetch(chain);
	else if (step == 1)
		prefetch(&tombstones->slots[*chain]);
}

bool tombstones_is_late(const struct tombstones *tombstones, uint64_t hash, unsigned sender_index,
			const struct packet *packet, uint64_t now_ns, uint64_t *previous_id)
{
	*previous_id = 0;
	if (tombstones->memory == NULL)
		return false;
	uint32_t slot = find(tombstones, hash);
	const struct tombstone *stone = &tombstones->slots[slot];
	if (slot == NO_SLOT || !is_current(tombstones, stone, now_ns))
		return false;
	*previous_id = stone->id;
	if (!stone->over || (packet->flags & (SEG_SYN | SEG_ACK)) == SEG_SYN)
		return false;
	return brings_nothing_new(stone, sender_index, packet);
}
