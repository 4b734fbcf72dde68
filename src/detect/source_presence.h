/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tcpwitness/base/ip_addr.h"

#include "unkeyed_hash.h"

/*
 * Whether a source can have a record at all: nearly every signal asks, and hardly any source has one. How many records
 * share a place is counted, in less memory than their index takes, and without their keyed hash. So a no is certain
 * and a yes is not; whoever makes addresses share a place gains nothing but that they are looked for.
 */
struct source_presence {
	uint8_t *counts; /* UINT8_MAX = so many that it stays so */
	size_t n_places; /* a power of two */
};

/* For so many records. -1 when memory is short. */
int source_presence_init(struct source_presence *presence, size_t n_records);
void source_presence_fini(struct source_presence *presence);

static inline uint8_t *source_presence_place(const struct source_presence *presence, const struct ip_addr *source)
{
	return &presence->counts[unkeyed_hash(source, 0) >> 32 & (presence->n_places - 1)];
}

/* A record begins, or is gone. */
void source_presence_add(struct source_presence *presence, const struct ip_addr *source);
void source_presence_remove(struct source_presence *presence, const struct ip_addr *source);

static inline bool source_presence_may_have(const struct source_presence *presence, const struct ip_addr *source)
{
	return *source_presence_place(presence, source) != 0;
}
