/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "tcpwitness/base/ip_addr.h"
#include "tcpwitness/base/word.h"

#include "summary_table.h"

/*
 * Where records of one kind perhaps are, if their keys say so: found without their hash. Not keyed, as whoever makes
 * keys share a place gains nothing but that they are looked for.
 */
struct near_index {
	struct summary_record **places;
	size_t n_places; /* a power of two */
};

/* port: 0 of keys that have none. */
static inline struct summary_record **near_index_place(const struct near_index *index, const struct ip_addr *ip,
						       uint16_t port)
{
	uint64_t sum = word_load64(ip->bytes) ^ word_load64(ip->bytes + 8) ^ (uint64_t)port << 48;

	return &index->places[sum * UINT64_C(0x9E3779B97F4A7C15) >> 40 & (index->n_places - 1)];
}

/* Null: it is not where it may be near; the search tells. */
static inline struct summary_record *near_index_find(const struct near_index *index, const struct ip_addr *ip,
						     uint16_t port)
{
	struct summary_record *near = *near_index_place(index, ip, port);

	return near != NULL && near->key.port == port && ip_addr_equal(&near->key.ip, ip) ? near : NULL;
}
