/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Memory in slots of many sizes, out of one mapping made at start. The mapping is cut into blocks, and a block into
 * slots of one size; a block whose slots are all free may be cut anew for another size. So memory goes to the
 * sizes that are asked for, nothing is moved but when the owner asks for it, and taking and giving back are O(1).
 *
 * A slot is named by a number, which is half of a pointer; 0 names none. Capture thread.
 */
enum { SLOT_GRANULE_BYTES = 16, SLOT_MAX_BYTES = 1792 };

struct slot_arena;

/* Null with errno set. memory_bytes is rounded down to whole pages. */
struct slot_arena *slot_arena_create(size_t memory_bytes);
void slot_arena_destroy(struct slot_arena *arena);

/*
 * A slot of at least bytes, not zeroed; it may be larger when only such are left. bytes is at most SLOT_MAX_BYTES. 0
 * when there is none.
 */
uint32_t slot_arena_take(struct slot_arena *arena, size_t bytes);
void slot_arena_give_back(struct slot_arena *arena, uint32_t slot);

/*
 * When slots of many sizes come and go, blocks are left of which little is in use, and which no other size can have.
 * This empties one, if its slots in use can stand in others of the size: moved is told of each, whose bytes are at both
 * places for the call. It looks at a bounded number of blocks. False: none was found.
 */
typedef void slot_moved_fn(void *context, uint32_t from, uint32_t to);
bool slot_arena_compact(struct slot_arena *arena, slot_moved_fn *moved, void *context);

/* Where it is: aligned to SLOT_GRANULE_BYTES. */
void *slot_arena_at(const struct slot_arena *arena, uint32_t slot);

/* How large it is. */
size_t slot_arena_bytes_of(const struct slot_arena *arena, uint32_t slot);

/* Would slot_arena_take give slots of the same size for both? */
bool slot_arena_is_same_size(size_t bytes, size_t other_bytes);

/* How many slots of at least bytes there are at most, when there are no others. */
size_t slot_arena_count(const struct slot_arena *arena, size_t bytes);

/* All that slots can be made of. */
size_t slot_arena_bytes(const struct slot_arena *arena);
