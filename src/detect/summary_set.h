/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "tcpwitness/base/siphash.h"
#include "tcpwitness/detect/flow_signal.h"

#include "summary.h"
#include "summary_table.h"

/*
 * All tables of an engine. Its own knowledge is dealt out by key, not by connection: one table, the key's part, counts
 * all that concerns a key, in the order of the packets, and so knows of it what the only table of an engine would.
 * Each other sensor has a table of its own behind these; what it told of a key is merged with what is known here.
 */
enum { SUMMARY_PARTS = 64, SUMMARY_SET_TABLES = 2 * SUMMARY_PARTS };
_Static_assert(SUMMARY_PARTS <= 64, "parts are bits of a word");

struct summary_set {
	struct siphash_key secret;
	size_t n_parts;          /* the first so many tables */
	size_t n_tables;         /* these and those of other sensors */
	uint32_t n_filter_cells; /* of all parts together */
	struct summary_table *tables[SUMMARY_SET_TABLES];
};

/* How many tables may know something of one key: its part, and all those of other sensors. */
static inline size_t summary_set_layers(const struct summary_set *set)
{
	return 1 + set->n_tables - set->n_parts;
}

/* Of these, the one with this number; 0 is the key's part. */
struct summary_table *summary_set_table(const struct summary_set *set, size_t layer, const struct summary_key *key);

/* By kind, the part that counts what a signal says of its key of this kind; SUMMARY_PARTS = nothing. */
struct summary_shares {
	uint8_t part[SUMMARY_KINDS];
};

/* The same of a service: what all signals about it have in common. */
struct summary_service_shares {
	uint8_t service;
	uint8_t host;
	uint8_t prefix;
};

/* hash: summary_address_hash of the server. */
struct summary_service_shares summary_set_service_shares(const struct summary_set *set, const struct ip_addr *server,
							 uint64_t hash, uint16_t port);

/* service: of the signal's. */
struct summary_shares summary_set_shares(const struct summary_set *set, const struct flow_signal *signal,
					 const struct summary_ends *ends, const struct summary_service_shares *service);
