/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tcpwitness/base/ip_addr.h"
#include "tcpwitness/base/word.h"
#include "checksum.h"

enum { OFFLOAD_SETS = 512, OFFLOAD_WAYS = 2 };

/* Right ones in a row: the address has moved, or the earlier signs were forged. */
enum { OFFLOAD_RIGHT_TO_UNLEARN = 32 };

/* What one sending address' checksums were like. version 0 in addr: an empty place. */
struct offload_host {
	struct ip_addr addr;
	uint8_t n_right;       /* right ones so far, saturated */
	uint8_t n_wrong;       /* wrong ones in a row, saturated */
	uint8_t n_right_since; /* right ones since the last sign of offload, saturated */
	bool offloads;
};

/* All that one segment needs, in one line of the processor's cache. */
struct offload_set {
	_Alignas(64) struct offload_host hosts[OFFLOAD_WAYS];
	uint8_t recent_way;
};

_Static_assert(sizeof(struct offload_set) == 64, "a set is one line");

/*
 * Which hosts leave checksums to their interface. Small and of fixed size: a host that falls out is
 * learned again. All zero is the empty table. The same segments in the same order give the same answers.
 */
struct checksum_offload {
	struct offload_set sets[OFFLOAD_SETS];
	bool any_right;  /* some host's checksum was right */
	uint8_t n_wrong; /* wrong ones of all hosts while none was right, saturated */
};

/* Learns from one segment of src and returns true when its wrong checksum is explained by offload. */
bool checksum_offload_explains(struct checksum_offload *offload, const struct ip_addr *src, enum tcp_checksum checksum);

/* Gives addr, which is not in the set, the place that was not used last. Nothing is known of it. */
struct offload_host *checksum_offload_begin(struct offload_set *set, const struct ip_addr *addr);

/* Not keyed: who collides on purpose only makes this table learn again. */
static inline struct offload_set *offload_set_of(struct checksum_offload *offload, const struct ip_addr *addr)
{
	uint64_t hash = (word_load64(addr->bytes) ^ addr->version) * UINT64_C(0x9e3779b97f4a7c15);

	hash = (hash ^ hash >> 29 ^ word_load64(addr->bytes + 8)) * UINT64_C(0xbf58476d1ce4e5b9);
	return &offload->sets[(uint32_t)(hash >> 32) % OFFLOAD_SETS];
}

/* Without a branch for each part, since nothing foretells in which of its places a host is. */
static inline bool offload_is_host(const struct offload_host *host, const struct ip_addr *addr)
{
	uint64_t first = word_load64(host->addr.bytes) ^ word_load64(addr->bytes);
	uint64_t second = word_load64(host->addr.bytes + 8) ^ word_load64(addr->bytes + 8);

	return (first | second | (host->addr.version ^ addr->version)) == 0;
}

static inline struct offload_host *offload_find(struct checksum_offload *offload, const struct ip_addr *addr)
{
	struct offload_set *set = offload_set_of(offload, addr);
	const bool is_second = offload_is_host(&set->hosts[1], addr);

	_Static_assert(OFFLOAD_WAYS == 2, "the first place or the second");
	if (!(is_second | offload_is_host(&set->hosts[0], addr)))
		return checksum_offload_begin(set, addr);
	set->recent_way = is_second;
	return &set->hosts[is_second];
}

static inline void offload_count(uint8_t *count)
{
	*count = (uint8_t)(*count + (*count < UINT8_MAX));
}

/* What nearly every segment teaches. Hosts with offload send some right ones too: Linux those of its resets. */
static inline void checksum_offload_learn_right(struct checksum_offload *offload, const struct ip_addr *src)
{
	struct offload_host *host = offload_find(offload, src);

	offload->any_right = true;
	host->n_wrong = 0;
	offload_count(&host->n_right);
	offload_count(&host->n_right_since);
	if (host->n_right_since >= OFFLOAD_RIGHT_TO_UNLEARN)
		host->offloads = false;
}
