/* SPDX-License-Identifier: BSD-2-Clause */
/* Slots of many sizes out of one memory: they never overlap, and memory goes to the sizes that are asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "slot_arena.h"

enum { ARENA_BYTES = 1 << 20 };

static struct slot_arena *create(size_t bytes)
{
	struct slot_arena *arena = slot_arena_create(bytes);

	assert_non_null(arena);
	assert_true(slot_arena_bytes(arena) <= bytes);
	return arena;
}

static unsigned take_all(struct slot_arena *arena, size_t bytes, uint32_t *slots)
{
	unsigned n = 0;

	for (uint32_t slot; (slot = slot_arena_take(arena, bytes)) != 0; n++)
		slots[n] = slot;
	return n;
}

static void test_as_many_slots_as_promised(void **state)
{
	static const size_t sizes[] = { 1, 16, 17, 160, 176, 384, 385, 1000, SLOT_MAX_BYTES };
	uint32_t *slots = calloc(ARENA_BYTES / SLOT_GRANULE_BYTES, sizeof(*slots));

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct slot_arena *arena = create(ARENA_BYTES);
		unsigned n = take_all(arena, sizes[i], slots);
		assert_int_equal(n, slot_arena_count(arena, sizes[i]));
		assert_true(slot_arena_bytes_of(arena, slots[0]) >= sizes[i]);
		assert_true(n * slot_arena_bytes_of(arena, slots[0]) >= ARENA_BYTES / 8 * 7);
		slot_arena_destroy(arena);
	}
	free(slots);
}

static void test_memory_goes_to_another_size(void **state)
{
	uint32_t *slots = calloc(ARENA_BYTES / SLOT_GRANULE_BYTES, sizeof(*slots));
	struct slot_arena *arena = create(ARENA_BYTES);

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		size_t bytes = round % 2 == 0 ? 176 : 640;
		unsigned n = take_all(arena, bytes, slots);
		assert_int_equal(n, slot_arena_count(arena, bytes));
		for (unsigned i = 0; i < n; i++)
			slot_arena_give_back(arena, slots[i]);
	}
	slot_arena_destroy(arena);
	free(slots);
}

/* A small one takes what is left for larger ones, when nothing else is. */
static void test_a_larger_slot_serves_too(void **state)
{
	uint32_t *slots = calloc(ARENA_BYTES / SLOT_GRANULE_BYTES, sizeof(*slots));
	struct slot_arena *arena = create(ARENA_BYTES);
	unsigned n = take_all(arena, 1024, slots);

	(void)state;
	assert_int_equal(slot_arena_take(arena, 160), 0);
	slot_arena_give_back(arena, slots[n / 2]);
	uint32_t slot = slot_arena_take(arena, 160);
	assert_int_equal(slot, slots[n / 2]);
	assert_int_equal(slot_arena_bytes_of(arena, slot), 1024);
	slot_arena_destroy(arena);
	free(slots);
}

struct held {
	uint32_t slot;
	uint16_t bytes;
	uint8_t value;
};

static void check_held(const struct slot_arena *arena, const struct held *held)
{
	const uint8_t *at = slot_arena_at(arena, held->slot);

	assert_true((uintptr_t)at % SLOT_GRANULE_BYTES == 0);
	for (unsigned i = 0; i < held->bytes; i++)
		assert_int_equal(at[i], held->value);
}

struct held_slots {
	struct held *all;
	unsigned n;
	unsigned n_moved;
};

static void note_moved(void *context, uint32_t from, uint32_t to)
{
	struct held_slots *held = context;
	unsigned i = 0;

	while (i < held->n && held->all[i].slot != from)
		i++;
	assert_true(i < held->n);
	held->all[i].slot = to;
	held->n_moved++;
}

static void test_slots_in_use_never_overlap(void **state)
{
	enum { N_HELD = 4000, N_STEPS = 60000 };
	struct held *all = calloc(N_HELD, sizeof(*all));
	struct random random = { 3 };
	unsigned n_refused = 0;
	struct slot_arena *arena = create(ARENA_BYTES);
	struct held_slots slots_held = { .all = all, .n = N_HELD };

	(void)state;
	for (unsigned step = 0; step < N_STEPS; step++) {
		struct held *held = &all[random_below(&random, N_HELD)];
		if (held->slot != 0) {
			check_held(arena, held);
			slot_arena_give_back(arena, held->slot);
			held->slot = 0;
			continue;
		}
		/* Sizes change with time, so that blocks are cut anew. */
		held->bytes = (uint16_t)(1 + random_below(&random, step < N_STEPS / 2 ? 300 : SLOT_MAX_BYTES));
		held->value = (uint8_t)random_u32(&random);
		held->slot = slot_arena_take(arena, held->bytes);
		if (held->slot == 0 && slot_arena_compact(arena, note_moved, &slots_held))
			held->slot = slot_arena_take(arena, held->bytes);
		n_refused += held->slot == 0;
		if (held->slot != 0)
			memset(slot_arena_at(arena, held->slot), held->value, held->bytes);
	}
	assert_true(n_refused > 100);
	assert_true(slots_held.n_moved > 100);
	for (unsigned i = 0; i < N_HELD; i++) {
		if (all[i].slot == 0)
			continue;
		check_held(arena, &all[i]);
		slot_arena_give_back(arena, all[i].slot);
	}
	/* All was given back: it can be had in one size again. */
	uint32_t *slots = calloc(ARENA_BYTES / SLOT_GRANULE_BYTES, sizeof(*slots));
	assert_int_equal(take_all(arena, 176, slots), slot_arena_count(arena, 176));
	free(slots);
	slot_arena_destroy(arena);
	free(all);
}

/* Every other slot of all blocks is free, and yet none of another size can be had. */
static void test_memory_in_pieces_is_put_together(void **state)
{
	enum { SMALL_BYTES = 176, LARGE_BYTES = 640 };
	uint32_t *slots = calloc(ARENA_BYTES / SLOT_GRANULE_BYTES, sizeof(*slots));
	struct slot_arena *arena = create(ARENA_BYTES);
	unsigned n = take_all(arena, SMALL_BYTES, slots);
	struct held_slots held = { .all = calloc(n, sizeof(struct held)) };
	unsigned n_large = 0;

	(void)state;
	for (unsigned i = 0; i < n; i++) {
		if (i % 2 == 0) {
			slot_arena_give_back(arena, slots[i]);
			continue;
		}
		held.all[held.n] = (struct held){ slots[i], SMALL_BYTES, (uint8_t)i };
		memset(slot_arena_at(arena, slots[i]), (uint8_t)i, SMALL_BYTES);
		held.n++;
	}
	assert_int_equal(slot_arena_take(arena, LARGE_BYTES), 0);
	do {
		while (slot_arena_take(arena, LARGE_BYTES) != 0)
			n_large++;
	} while (slot_arena_compact(arena, note_moved, &held));
	for (unsigned i = 0; i < held.n; i++)
		check_held(arena, &held.all[i]);
	/* Of the half that was free nearly all. Each slot was moved once or twice at most. */
	assert_true((size_t)n_large * LARGE_BYTES > ARENA_BYTES / 20 * (size_t)9);
	assert_in_range(held.n_moved, 1, 2 * held.n);
	slot_arena_destroy(arena);
	free(held.all);
	free(slots);
}

static void test_nothing_is_moved_without_gain(void **state)
{
	uint32_t *slots = calloc(ARENA_BYTES / SLOT_GRANULE_BYTES, sizeof(*slots));
	struct slot_arena *arena = create(ARENA_BYTES);

	(void)state;
	assert_false(slot_arena_compact(arena, NULL, NULL));
	(void)take_all(arena, 176, slots);
	assert_false(slot_arena_compact(arena, NULL, NULL));
	slot_arena_give_back(arena, slots[1000]);
	assert_false(slot_arena_compact(arena, NULL, NULL));
	slot_arena_destroy(arena);
	free(slots);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_many_slots_as_promised),
		cmocka_unit_test(test_memory_goes_to_another_size),
		cmocka_unit_test(test_a_larger_slot_serves_too),
		cmocka_unit_test(test_slots_in_use_never_overlap),
		cmocka_unit_test(test_memory_in_pieces_is_put_together),
		cmocka_unit_test(test_nothing_is_moved_without_gain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
