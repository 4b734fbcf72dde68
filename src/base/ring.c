/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One producer, one consumer. head counts records handed over, tail records given back; both only
 * grow, so head - tail is the fill level even after they wrap. Each side keeps a copy of the other's counter
 * and reads the shared one only when the copy says full or empty: that halves the traffic between cores.
 */
#include "tcpwitness/base/ring.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { CACHE_LINE_BYTES = 64 };

struct ring {
	alignas(CACHE_LINE_BYTES) _Atomic size_t head; /* written by the producer */
	size_t tail_copy;                              /* producer's */
	alignas(CACHE_LINE_BYTES) _Atomic size_t tail; /* written by the consumer */
	size_t head_copy;                              /* consumer's */
	alignas(CACHE_LINE_BYTES) size_t mask;         /* constant from here on */
	size_t record_bytes;
	unsigned char *records;
};

struct ring *ring_create(size_t capacity, size_t record_bytes)
{
	size_t rounded = 2;
	struct ring *ring;

	if (capacity > SIZE_MAX / 4 / record_bytes)
		return NULL;
	while (rounded < capacity)
		rounded *= 2;
	ring = aligned_alloc(CACHE_LINE_BYTES, sizeof(*ring));
	if (ring == NULL)
		return NULL;
	*ring = (struct ring){ .mask = rounded - 1, .record_bytes = record_bytes };
	ring->records = calloc(rounded, record_bytes);
	if (ring->records == NULL) {
		free(ring);
		return NULL;
	}
	return ring;
}

void ring_destroy(struct ring *ring)
{
	if (ring == NULL)
		return;
	free(ring->records);
	free(ring);
}

void *ring_reserve_keeping(struct ring *ring, size_t n_kept)
{
	size_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);

	if (head - ring->tail_copy + n_kept > ring->mask) {
		ring->tail_copy = atomic_load_explicit(&ring->tail, memory_order_acquire);
		if (head - ring->tail_copy + n_kept > ring->mask)
			return NULL;
	}
	return ring->records + (head & ring->mask) * ring->record_bytes;
}

void *ring_reserve(struct ring *ring)
{
	return ring_reserve_keeping(ring, 0);
}

void ring_commit(struct ring *ring)
{
	size_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);

	atomic_store_explicit(&ring->head, head + 1, memory_order_release);
}

const void *ring_peek(struct ring *ring)
{
	size_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

	if (tail == ring->head_copy) {
		ring->head_copy = atomic_load_explicit(&ring->head, memory_order_acquire);
		if (tail == ring->head_copy)
			return NULL;
	}
	return ring->records + (tail & ring->mask) * ring->record_bytes;
}

void ring_release(struct ring *ring)
{
	size_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

	atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
}

size_t ring_known_count(const struct ring *ring)
{
	return ring->head_copy - atomic_load_explicit(&ring->tail, memory_order_relaxed);
}

size_t ring_count(const struct ring *ring)
{
	size_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
	size_t head = atomic_load_explicit(&ring->head, memory_order_acquire);

	return head - tail;
}

size_t ring_capacity(const struct ring *ring)
{
	return ring->mask + 1;
}
