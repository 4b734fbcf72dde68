/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A ring of places in the order of arrival, and chains over it to find them.
 */
#include "rare_pairs.h"

#include <stdlib.h>
#include <string.h>

#include "tcpwitness/base/big_memory.h"
#include "tcpwitness/base/prefetch.h"

int rare_pairs_init(struct rare_pairs *rare, size_t memory_bytes)
{
	size_t n = memory_bytes > BIG_MEMORY_LINE_BYTES
			   ? (memory_bytes - BIG_MEMORY_LINE_BYTES) / (sizeof(struct rare_pair) + 2 * sizeof(uint32_t))
			   : 0;
	size_t n_chains = 1;

	*rare = (struct rare_pairs){ 0 };
	if (n < 2)
		return -1;
	n = n < UINT32_MAX ? n : UINT32_MAX;
	while (n_chains < n)
		n_chains *= 2;
	rare->memory = big_memory_calloc(n * sizeof(*rare->pairs) + BIG_MEMORY_LINE_BYTES, 1);
	rare->chains = big_memory_calloc(n_chains, sizeof(*rare->chains));
	if (rare->memory == NULL || rare->chains == NULL) {
		rare_pairs_fini(rare);
		return -1;
	}
	rare->pairs = big_memory_first_line(rare->memory);
	rare->chain_mask = (uint32_t)n_chains - 1;
	rare->n_places = (uint32_t)n;
	return 0;
}

void rare_pairs_fini(struct rare_pairs *rare)
{
	free(rare->memory);
	free(rare->chains);
	*rare = (struct rare_pairs){ 0 };
}

static uint32_t *chain_of(const struct rare_pairs *rare, uint64_t hash)
{
	return &rare->chains[hash & rare->chain_mask];
}

void rare_pairs_expect(const struct rare_pairs *rare, uint64_t hash)
{
	prefetch(chain_of(rare, hash));
}

void rare_pairs_expect_found(const struct rare_pairs *rare, uint64_t hash)
{
	prefetch_to_write(&rare->pairs[*chain_of(rare, hash)]);
}

/* How many have come since the one in this place. */
static uint32_t age_of(const struct rare_pairs *rare, uint32_t place)
{
	return place <= rare->newest ? rare->newest - place : rare->newest + rare->n_places - 1 - place;
}

/*
 * A chain leads from newer to older pairs. Those whose places were taken leave no trace in it: where it leads to one
 * that is not older, or of another chain, all behind is forgotten. Returns what leads to the pair, or null.
 */
static uint32_t *find_link(const struct rare_pairs *rare, uint64_t hash)
{
	uint32_t *link = chain_of(rare, hash);
	uint32_t least_age = 0;

	while (*link != 0 && age_of(rare, *link) >= least_age) {
		struct rare_pair *pair = &rare->pairs[*link];
		if (pair->signals == 0 || chain_of(rare, pair->hash) != chain_of(rare, hash))
			break;
		if (pair->hash == hash)
			return link;
		least_age = age_of(rare, *link) + 1;
		link = &pair->next;
	}
	return NULL;
}

struct rare_pair *rare_pairs_find(const struct rare_pairs *rare, uint64_t hash)
{
	const uint32_t *link = find_link(rare, hash);

	return link == NULL ? NULL : &rare->pairs[*link];
}

void rare_pairs_remove(struct rare_pairs *rare, struct rare_pair *pair)
{
	uint32_t *link = find_link(rare, pair->hash);

	*link = pair->next;
	pair->signals = 0;
}

bool rare_pairs_add(struct rare_pairs *rare, uint64_t hash, uint64_t since_ns, struct rare_pair **pair)
{
	uint32_t *chain = chain_of(rare, hash);
	/* 0 is no place. */
	uint32_t place = rare->newest + 1 < rare->n_places ? rare->newest + 1 : 1;
	bool is_taken = rare->pairs[place].signals > 0;

	rare->pairs[place] = (struct rare_pair){ .hash = hash, .since_ns = since_ns, .next = *chain };
	*chain = place;
	rare->newest = place;
	*pair = &rare->pairs[place];
	return is_taken;
}

bool rare_pair_is_full(const struct rare_pair *pair, const struct flow_signal *signal, unsigned least)
{
	bool is_begun = signal->kind == SIGNAL_COMPLETED || signal->kind == SIGNAL_JOINED;

	return pair->signals == RARE_PAIR_SIGNALS || (is_begun && pair->completed + pair->joined + 1U >= least);
}

static void count_completed(struct rare_pair *pair, const struct flow_signal *signal)
{
	uint32_t span = (uint32_t)(signal->now_ns / SUMMARY_SPAN_NS);
	int32_t passed = pair->completed == 0 ? 1 : (int32_t)(span - pair->span);

	pair->completed++;
	pair->retried_settled += signal->retried;
	if (passed < 0)
		return;
	pair->in_span = passed == 0 ? pair->in_span + 1U : 1;
	pair->span = span;
}

void rare_pair_count(struct rare_pair *pair, const struct flow_signal *signal)
{
	pair->signals++;
	switch ((int)signal->kind) {
	case SIGNAL_COMPLETED:
		count_completed(pair, signal);
		break;
	case SIGNAL_JOINED:
		pair->joined++;
		break;
	case SIGNAL_CLOSED:
		pair->closed++;
		pair->closed_unspoken += !signal->spoke;
		break;
	case SIGNAL_TIME_WAIT:
		pair->time_wait++;
		break;
	case SIGNAL_TIME_WAIT_OVER:
		pair->time_wait_over++;
		pair->time_wait_reused += signal->reused;
		break;
	case SIGNAL_SERVER_TIME_WAIT:
		pair->server_time_wait++;
		break;
	case SIGNAL_SERVER_TIME_WAIT_OVER:
		pair->server_time_wait_over++;
		break;
	default:
		break;
	}
}

/* Since it began no more spans can have passed than their lower half tells. */
static uint64_t whole_span(const struct rare_pair *pair)
{
	uint64_t first = pair->since_ns / SUMMARY_SPAN_NS;

	return first + (uint32_t)(pair->span - (uint32_t)first);
}

void rare_pair_give(const struct rare_pair *pair, struct summary *summary)
{
	uint64_t *totals = summary->totals;

	summary->since_ns = pair->since_ns;
	summary->recent = (struct summary_recent){ .span = whole_span(pair), .attempts = pair->in_span };
	totals[SUMMARY_COMPLETED] = pair->completed;
	totals[SUMMARY_RETRIED_SETTLED] = pair->retried_settled;
	totals[SUMMARY_JOINED] = pair->joined;
	totals[SUMMARY_CLOSED] = pair->closed;
	totals[SUMMARY_CLOSED_UNSPOKEN] = pair->closed_unspoken;
	totals[SUMMARY_TIME_WAIT] = pair->time_wait;
	totals[SUMMARY_TIME_WAIT_OVER] = pair->time_wait_over;
	totals[SUMMARY_TIME_WAIT_REUSED] = pair->time_wait_reused;
	totals[SUMMARY_SERVER_TIME_WAIT] = pair->server_time_wait;
	totals[SUMMARY_SERVER_TIME_WAIT_OVER] = pair->server_time_wait_over;
}
