/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tcpwitness/detect/flow_signal.h"

#include "summary.h"

/*
 * Pairs of client and service that have completed few connections. Most never complete more, and the summary of a pair
 * is large. So what a pair counts at first is kept in half a cache line, and nothing of it is lost when the pair gets a
 * summary of its own. A newcomer takes the place of the one that came first, so what is forgotten does not depend on
 * hash values.
 */

/* A connection tells of itself in fewer signals than this, and fewer than that many connections are few. */
enum { RARE_PAIR_BITS = 5, RARE_PAIR_SIGNALS = (1 << RARE_PAIR_BITS) - 1 };

/* The counts are those of enum summary_counter. No signal adds more than one to any. */
struct rare_pair {
	uint64_t hash; /* stands for the key */
	uint64_t since_ns;
	uint32_t next; /* place of the next in its chain; 0 = none */
	uint32_t span; /* lower half of the span in which the latest connection completed, see struct summary_recent */
	uint32_t in_span : RARE_PAIR_BITS; /* that completed in it */
	uint32_t completed : RARE_PAIR_BITS;
	uint32_t retried_settled : RARE_PAIR_BITS;
	uint32_t joined : RARE_PAIR_BITS;
	uint32_t closed : RARE_PAIR_BITS;
	uint32_t closed_unspoken : RARE_PAIR_BITS;
	uint32_t signals : RARE_PAIR_BITS; /* counted; 0 = nobody has this place */
	uint32_t time_wait : RARE_PAIR_BITS;
	uint32_t time_wait_over : RARE_PAIR_BITS;
	uint32_t time_wait_reused : RARE_PAIR_BITS;
	uint32_t server_time_wait : RARE_PAIR_BITS;
	uint32_t server_time_wait_over : RARE_PAIR_BITS;
};
_Static_assert(sizeof(struct rare_pair) == 32, "half a cache line");

struct rare_pairs {
	unsigned char *memory;
	struct rare_pair *pairs; /* by place; the first is left free */
	uint32_t *chains;        /* places */
	uint32_t chain_mask;
	uint32_t n_places;
	uint32_t newest; /* place */
};

/* As many as fit into memory_bytes. -1 when memory is short or too little. */
int rare_pairs_init(struct rare_pairs *rare, size_t memory_bytes);
void rare_pairs_fini(struct rare_pairs *rare);

/* A pair with this hash will be looked for soon: its chain is fetched; and the pair, which reads the chain. */
void rare_pairs_expect(const struct rare_pairs *rare, uint64_t hash);
void rare_pairs_expect_found(const struct rare_pairs *rare, uint64_t hash);

/* Null: it is none of these. hash: of the whole key, under a secret. */
struct rare_pair *rare_pairs_find(const struct rare_pairs *rare, uint64_t hash);

/* A pair that is not there yet. Its connections count that began at since_ns or later. True: another was forgotten. */
bool rare_pairs_add(struct rare_pairs *rare, uint64_t hash, uint64_t since_ns, struct rare_pair **pair);

void rare_pairs_remove(struct rare_pairs *rare, struct rare_pair *pair);

/* With this signal it has no longer fewer than least connections, or has more to tell than there is room for. */
bool rare_pair_is_full(const struct rare_pair *pair, const struct flow_signal *signal, unsigned least);

/* What summary_count_signal would count, of a pair that is not full. */
void rare_pair_count(struct rare_pair *pair, const struct flow_signal *signal);

/* All of it, to a summary that is still empty. */
void rare_pair_give(const struct rare_pair *pair, struct summary *summary);
