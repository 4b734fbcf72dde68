/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides whether a wrong TCP checksum is the sender's fault, or comes from capturing on the sending host before
 * its interface filled the checksum in, or from addresses that were rewritten after the capture. Own rules, from what
 * Linux, the BSDs and Windows leave in the field; no RFC speaks of it. A sensor that takes such segments for damaged
 * ones is blind to one direction, or to all.
 */
#include "checksum_offload.h"

#include <string.h>

#include "tcpwitness/base/word.h"

enum {
	N_WRONG_TO_LEARN = 3,    /* wrong ones, and no right one, before arbitrary content is explained too */
	N_RIGHT_TO_UNLEARN = 32, /* right ones in a row: the address has moved, or the earlier signs were forged */
};

static uint32_t hash_addr(const struct ip_addr *addr)
{
	uint64_t halves[2];
	uint64_t hash;

	/* Not keyed: who collides on purpose only makes this table learn again. */
	memcpy(halves, addr->bytes, sizeof(halves));
	hash = (halves[0] ^ addr->version) * UINT64_C(0x9e3779b97f4a7c15);
	hash = (hash ^ hash >> 29 ^ halves[1]) * UINT64_C(0xbf58476d1ce4e5b9);
	return (uint32_t)(hash >> 32);
}

/* Without a branch for each part, since nothing foretells in which of its places a host is. */
static inline bool is_host(const struct offload_host *host, const struct ip_addr *addr)
{
	uint64_t first = word_load64(host->addr.bytes) ^ word_load64(addr->bytes);
	uint64_t second = word_load64(host->addr.bytes + 8) ^ word_load64(addr->bytes + 8);

	return (first | second | (host->addr.version ^ addr->version)) == 0;
}

/* The entry of addr; a new one takes the place that was not used last. */
static inline struct offload_host *find_host(struct checksum_offload *offload, const struct ip_addr *addr)
{
	struct offload_set *set = &offload->sets[hash_addr(addr) % OFFLOAD_SETS];
	const bool is_second = is_host(&set->hosts[1], addr);
	const bool is_known = is_second | is_host(&set->hosts[0], addr);
	const uint8_t way = is_known ? is_second : set->recent_way ^ 1;

	_Static_assert(OFFLOAD_WAYS == 2, "the first place or the second");
	set->recent_way = way;
	if (!is_known)
		set->hosts[way] = (struct offload_host){ .addr = *addr };
	return &set->hosts[way];
}

static inline void saturating_increment(uint8_t *count)
{
	*count = (uint8_t)(*count + (*count < UINT8_MAX));
}

static void learn_right(struct offload_host *host)
{
	host->n_wrong = 0;
	saturating_increment(&host->n_right);
	saturating_increment(&host->n_right_since);
	if (host->offloads && host->n_right_since >= N_RIGHT_TO_UNLEARN)
		host->offloads = false;
}

static bool learn_wrong(struct checksum_offload *offload, struct offload_host *host, enum tcp_checksum checksum)
{
	if (checksum == TCP_CHECKSUM_PARTIAL) {
		host->offloads = true;
	} else if (checksum == TCP_CHECKSUM_ZERO) {
		/* Easily forged, so it does not count against a host that was seen to fill the field in. */
		if (host->n_right == 0)
			host->offloads = true;
	} else {
		saturating_increment(&host->n_wrong);
		saturating_increment(&offload->n_wrong);
		if (host->n_right == 0 && host->n_wrong >= N_WRONG_TO_LEARN)
			host->offloads = true;
		/* In a capture whose addresses were rewritten all are wrong: not three of each host are lost then. */
		if (!offload->any_right && offload->n_wrong >= N_WRONG_TO_LEARN)
			host->offloads = true;
	}
	if (host->offloads)
		host->n_right_since = 0;
	return host->offloads;
}

bool checksum_offload_explains(struct checksum_offload *offload, const struct ip_addr *src, enum tcp_checksum checksum)
{
	struct offload_host *host = find_host(offload, src);

	if (checksum != TCP_CHECKSUM_RIGHT)
		return learn_wrong(offload, host, checksum);
	/* Hosts with offload send some right ones too: Linux computes those of its resets in software. */
	learn_right(host);
	offload->any_right = true;
	return false;
}
