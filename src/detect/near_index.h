/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "tcpwitness/base/ip_addr.h"

#include "summary_table.h"
#include "unkeyed_hash.h"

/* Where records of one kind perhaps are, if their keys say so: found without their hash. */
struct near_index {
	struct summary_record **places;
	size_t n_places; /* a power of two */
};

/* port: 0 of keys that have none. */
static inline struct summary_record **near_index_place(const struct near_index *index, const struct ip_addr *ip,
						       uint16_t port)
{
	return &index->places[unkeyed_hash(ip, port) >> 40 & (index->n_places - 1)];
}

/* Null: it is not where it may be near; the search tells. */
static inline struct summary_record *near_index_find(const struct near_index *index, const struct ip_addr *ip,
						     uint16_t port)
{
	struct summary_record *near = *near_index_place(index, ip, port);

	return near != NULL && near->key.port == port && ip_addr_equal(&near->key.ip, ip) ? near : NULL;
}
