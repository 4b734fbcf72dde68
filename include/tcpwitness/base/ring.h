/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A bounded queue of fixed-size records between exactly one producer thread and one
 * consumer thread, on C11 atomics, without locks. Records are written and read in place.
 */
struct ring;

/*
 * Room for capacity records (rounded up to a power of two, at least 2) of record_bytes each.
 * Returns null when memory is short. The caller owns the ring.
 */
struct ring *ring_create(size_t capacity, size_t record_bytes);

/* Frees the ring; null is legal. Neither thread may be using it. */
void ring_destroy(struct ring *ring);

/*
 * Producer only. The next free record, to be filled in place, or null when the ring is full.
 * Not visible to the consumer until ring_commit. Calling it again without a commit gives the same record.
 */
void *ring_reserve(struct ring *ring);

/* The same, but null as well when no more than n_kept records are free: those are kept for other calls. */
void *ring_reserve_keeping(struct ring *ring, size_t n_kept);

/* Producer only. Hands the reserved record to the consumer. */
void ring_commit(struct ring *ring);

/*
 * Consumer only. The oldest record, valid until ring_release, or null when the ring is empty.
 */
const void *ring_peek(struct ring *ring);

/* Consumer only. Gives the record of the last ring_peek back to the producer. */
void ring_release(struct ring *ring);

/*
 * Consumer only. Records that it knows of without asking the producer, whose cache line that would take: never more
 * than there are.
 */
size_t ring_known_count(const struct ring *ring);

/* Any thread: records now in the ring; a snapshot that may be old at once. */
size_t ring_count(const struct ring *ring);

/* Any thread: the number of records it can hold. */
size_t ring_capacity(const struct ring *ring);
