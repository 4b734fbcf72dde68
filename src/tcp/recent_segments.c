/* SPDX-License-Identifier: BSD-2-Clause */
#include "tcpwitness/tcp/recent_segments.h"

#include <stdlib.h>
#include <string.h>

#include "tcpwitness/base/big_memory.h"
#include "tcpwitness/base/prefetch.h"

struct set {
	struct recent_segment ways[RECENT_WAYS];
};

_Static_assert(sizeof(struct set) == 128, "a set takes two cache lines side by side, which are fetched together");

struct recent_segments {
	void *memory;
	struct set *sets; /* in it */
	size_t n_sets;    /* a power of two */
};

struct recent_segments *recent_segments_create(size_t memory_bytes, struct error *error)
{
	struct recent_segments *recent = calloc(1, sizeof(*recent));
	size_t n_sets = 1;

	while (2 * n_sets * sizeof(struct set) <= memory_bytes)
		n_sets *= 2;
	if (recent != NULL) {
		recent->n_sets = n_sets;
		recent->memory = calloc(1, n_sets * sizeof(struct set) + BIG_MEMORY_LINE_BYTES);
	}
	if (recent == NULL || recent->memory == NULL) {
		error_set(error, "out of memory: no room for the last segments");
		free(recent);
		return NULL;
	}
	recent->sets = big_memory_first_line(recent->memory);
	return recent;
}

void recent_segments_destroy(struct recent_segments *recent)
{
	if (recent == NULL)
		return;
	free(recent->memory);
	free(recent);
}

void recent_segments_clear(struct recent_segments *recent)
{
	memset(recent->sets, 0, recent->n_sets * sizeof(struct set));
}

static struct set *set_of(const struct recent_segments *recent, uint32_t owner, uint32_t seq)
{
	uint64_t mixed = (owner + seq * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0x9fb21c651e98df25);

	return &recent->sets[mixed >> 32 & (recent->n_sets - 1)];
}

struct recent_segment *recent_segments_set(struct recent_segments *recent, uint32_t owner, uint32_t seq)
{
	return set_of(recent, owner, seq)->ways;
}

void recent_segments_fetch(const struct recent_segments *recent, uint32_t owner, uint32_t seq)
{
	const struct set *set = set_of(recent, owner, seq);

	prefetch_to_write(&set->ways[0]);
	prefetch_to_write(&set->ways[RECENT_WAYS / 2]);
}

const struct recent_segment *recent_segments_find(const struct recent_segment *set, uint32_t owner,
						  const struct packet *packet)
{
	const struct recent_segment *found = NULL;

	for (unsigned i = 0; i < RECENT_WAYS; i++) {
		const struct recent_segment *way = &set[i];
		if (way->payload_hash == packet->payload_hash && way->owner == owner && way->ip_id == packet->ip_id &&
		    way->time_ns != 0 && (found == NULL || way->time_ns > found->time_ns))
			found = way;
	}
	return found;
}

/* Of equals the first. By numbers, as no processor could guess which it is. */
static struct recent_segment *oldest_of(struct recent_segment *set)
{
	_Static_assert(RECENT_WAYS == 4, "two pairs");
	unsigned of_first_two = set[1].time_ns < set[0].time_ns;
	unsigned of_last_two = 2U + (set[3].time_ns < set[2].time_ns);
	unsigned is_last = set[of_last_two].time_ns < set[of_first_two].time_ns;

	return &set[of_first_two + is_last * (of_last_two - of_first_two)];
}

void recent_segments_put(struct recent_segments *recent, const struct recent_segment *segment)
{
	*oldest_of(recent_segments_set(recent, segment->owner, segment->seq)) = *segment;
}

void recent_segments_copy(struct recent_segments *to, const struct recent_segments *from)
{
	for (size_t i = 0; i < from->n_sets * RECENT_WAYS; i++) {
		const struct recent_segment *segment = &from->sets[i / RECENT_WAYS].ways[i % RECENT_WAYS];
		if (segment->time_ns != 0)
			recent_segments_put(to, segment);
	}
}

struct recent_segment *recent_segments_add(struct recent_segment *set, uint32_t owner, const struct packet *packet)
{
	struct recent_segment *oldest = oldest_of(set);

	*oldest = (struct recent_segment){
		.time_ns = packet->time_ns,
		.owner = owner,
		.seq = packet->seq,
		.payload_hash = packet->payload_hash,
		.ip_id = packet->ip_id,
	};
	return oldest;
}
