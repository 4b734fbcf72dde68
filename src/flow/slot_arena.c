/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sizes go up in steps of a granule where most slots are, and in larger ones above. The blocks of a size that have
 * a free slot are in a list, blocks that are all free in another. Free slots of a block are linked through their first
 * bytes; those from n_fresh on were never used, so that fresh memory is not touched before it is needed.
 */
#include "slot_arena.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lazy_memory.h"

enum {
	MIN_BLOCK_BYTES = 4096,
	MAX_BLOCK_BYTES = 65536,
	BLOCKS_WANTED = 64, /* so that each size can have some */
	BLOCKS_LOOKED_AT = 64,
	FINE_MAX_BYTES = 384,
	N_FINE = FINE_MAX_BYTES / SLOT_GRANULE_BYTES,
	NO_BLOCK = UINT32_MAX,
};

static const uint16_t coarse_bytes[] = { 448, 512, 640, 768, 1024, 1344, SLOT_MAX_BYTES };

enum {
	N_COARSE = sizeof(coarse_bytes) / sizeof(coarse_bytes[0]),
	N_SIZES = N_FINE + N_COARSE,
};

struct block {
	uint32_t next; /* in the list of its size, or of free blocks */
	uint32_t prev;
	uint16_t size; /* index of sizes */
	uint16_t n_slots;
	uint16_t n_used;
	uint16_t n_fresh; /* slots that were ever used */
	uint16_t freed;   /* first of those given back, counted from 1; 0 = none */
};

struct slot_arena {
	uint8_t *memory;
	size_t memory_bytes;
	size_t block_bytes;
	unsigned block_shift; /* from granules to blocks */
	uint32_t n_blocks;
	uint32_t n_fresh_blocks;  /* blocks that were ever used */
	uint32_t free_blocks;     /* of those, the first that is all free */
	uint32_t usable[N_SIZES]; /* first block of the size with a free slot */
	uint64_t n_free[N_SIZES]; /* slots, in all blocks of the size */
	uint32_t next_looked_at;  /* block at which compacting goes on */
	struct block *blocks;
};

static unsigned size_of(size_t bytes)
{
	unsigned coarse = 0;

	if (bytes <= FINE_MAX_BYTES)
		return bytes == 0 ? 0 : (unsigned)((bytes - 1) / SLOT_GRANULE_BYTES);
	while (coarse_bytes[coarse] < bytes)
		coarse++;
	return N_FINE + coarse;
}

static size_t bytes_of(unsigned size)
{
	return size < N_FINE ? (size + 1) * (size_t)SLOT_GRANULE_BYTES : coarse_bytes[size - N_FINE];
}

struct slot_arena *slot_arena_create(size_t memory_bytes)
{
	struct slot_arena *arena = calloc(1, sizeof(*arena));

	if (arena == NULL)
		return NULL;
	arena->block_bytes = MIN_BLOCK_BYTES;
	while (arena->block_bytes < MAX_BLOCK_BYTES && arena->block_bytes * 2 * BLOCKS_WANTED <= memory_bytes)
		arena->block_bytes *= 2;
	while ((size_t)SLOT_GRANULE_BYTES << arena->block_shift < arena->block_bytes)
		arena->block_shift++;
	arena->memory_bytes = memory_bytes;
	arena->memory = lazy_memory_map(&arena->memory_bytes);
	arena->n_blocks = (uint32_t)(arena->memory_bytes / arena->block_bytes);
	arena->blocks = calloc(arena->n_blocks, sizeof(arena->blocks[0]));
	arena->free_blocks = NO_BLOCK;
	memset(arena->usable, 0xff, sizeof(arena->usable));
	if (arena->memory == NULL || arena->blocks == NULL) {
		slot_arena_destroy(arena);
		errno = ENOMEM;
		return NULL;
	}
	return arena;
}

void slot_arena_destroy(struct slot_arena *arena)
{
	if (arena == NULL)
		return;
	lazy_memory_unmap(arena->memory, arena->memory_bytes);
	free(arena->blocks);
	free(arena);
}

/* --- lists of blocks --- */

static void list_push(struct slot_arena *arena, uint32_t *list, uint32_t number)
{
	struct block *block = &arena->blocks[number];

	block->prev = NO_BLOCK;
	block->next = *list;
	if (*list != NO_BLOCK)
		arena->blocks[*list].prev = number;
	*list = number;
}

static void list_remove(struct slot_arena *arena, uint32_t *list, uint32_t number)
{
	const struct block *block = &arena->blocks[number];

	if (block->prev != NO_BLOCK)
		arena->blocks[block->prev].next = block->next;
	else
		*list = block->next;
	if (block->next != NO_BLOCK)
		arena->blocks[block->next].prev = block->prev;
}

/* Slot 0 of block 0 is left out: its number would be 0. It counts as used. */
static uint16_t never_used(uint32_t number)
{
	return number == 0 ? 1 : 0;
}

/* A block of its own for the size, or NO_BLOCK. */
static uint32_t take_block(struct slot_arena *arena, unsigned size)
{
	uint32_t number = arena->free_blocks;

	if (number != NO_BLOCK)
		list_remove(arena, &arena->free_blocks, number);
	else if (arena->n_fresh_blocks < arena->n_blocks)
		number = arena->n_fresh_blocks++;
	else
		return NO_BLOCK;
	arena->blocks[number] = (struct block){
		.size = (uint16_t)size,
		.n_slots = (uint16_t)(arena->block_bytes / bytes_of(size)),
		.n_used = never_used(number),
		.n_fresh = never_used(number),
	};
	arena->n_free[size] += arena->blocks[number].n_slots - never_used(number);
	list_push(arena, &arena->usable[size], number);
	return number;
}

/* A block with a free slot of the size; else of the next size that has one. */
static uint32_t find_block(struct slot_arena *arena, unsigned size)
{
	uint32_t number = arena->usable[size];

	if (number == NO_BLOCK)
		number = take_block(arena, size);
	for (unsigned larger = size + 1; number == NO_BLOCK && larger < N_SIZES; larger++)
		number = arena->usable[larger];
	return number;
}

/* --- slots --- */

static uint8_t *slot_in(const struct slot_arena *arena, uint32_t number, unsigned index)
{
	return arena->memory + number * arena->block_bytes + index * bytes_of(arena->blocks[number].size);
}

uint32_t slot_arena_take(struct slot_arena *arena, size_t bytes)
{
	uint32_t number = find_block(arena, size_of(bytes));
	struct block *block;
	unsigned index;

	if (number == NO_BLOCK)
		return 0;
	block = &arena->blocks[number];
	if (block->freed != 0) {
		index = block->freed - 1u;
		memcpy(&block->freed, slot_in(arena, number, index), sizeof(block->freed));
	} else {
		index = block->n_fresh++;
	}
	block->n_used++;
	arena->n_free[block->size]--;
	if (block->n_used == block->n_slots)
		list_remove(arena, &arena->usable[block->size], number);
	return (uint32_t)((size_t)(slot_in(arena, number, index) - arena->memory) / SLOT_GRANULE_BYTES);
}

void slot_arena_give_back(struct slot_arena *arena, uint32_t slot)
{
	uint32_t number = slot >> arena->block_shift;
	struct block *block = &arena->blocks[number];
	size_t offset = slot * (size_t)SLOT_GRANULE_BYTES - number * arena->block_bytes;
	uint16_t index = (uint16_t)(offset / bytes_of(block->size));

	memcpy(slot_in(arena, number, index), &block->freed, sizeof(block->freed));
	block->freed = (uint16_t)(index + 1);
	if (block->n_used == block->n_slots)
		list_push(arena, &arena->usable[block->size], number);
	block->n_used--;
	arena->n_free[block->size]++;
	if (block->n_used == never_used(number)) {
		arena->n_free[block->size] -= block->n_slots - block->n_used;
		list_remove(arena, &arena->usable[block->size], number);
		list_push(arena, &arena->free_blocks, number);
	}
}

/* --- emptying a block --- */

static bool is_usable(const struct block *block, uint32_t number)
{
	return block->n_used < block->n_slots && block->n_used > never_used(number);
}

/*
 * The block with the smallest part in use, of those looked at, whose slots have room elsewhere. NO_BLOCK when there is
 * none. Block 0 is left out, as not all of it can be emptied.
 */
static uint32_t find_sparse(struct slot_arena *arena)
{
	uint32_t sparsest = NO_BLOCK;

	for (unsigned i = 0; i < BLOCKS_LOOKED_AT && i < arena->n_fresh_blocks; i++) {
		uint32_t number = arena->next_looked_at;
		const struct block *block = &arena->blocks[number];
		arena->next_looked_at = number + 1 < arena->n_fresh_blocks ? number + 1 : 0;
		unsigned n_free_here = block->n_slots - block->n_used;
		if (number == 0 || !is_usable(block, number) ||
		    arena->n_free[block->size] - n_free_here < block->n_used)
			continue;
		const struct block *best = &arena->blocks[sparsest != NO_BLOCK ? sparsest : number];
		if (block->n_used * best->n_slots <= best->n_used * block->n_slots)
			sparsest = number;
	}
	return sparsest;
}

/* A bit for each slot of the block that is not in use. */
static void mark_free(const struct slot_arena *arena, uint32_t number, uint8_t *bits)
{
	const struct block *block = &arena->blocks[number];

	for (unsigned index = block->n_fresh; index < block->n_slots; index++)
		bits[index / 8] |= (uint8_t)(1U << index % 8);
	for (uint16_t freed = block->freed; freed != 0;) {
		unsigned index = freed - 1U;
		bits[index / 8] |= (uint8_t)(1U << index % 8);
		memcpy(&freed, slot_in(arena, number, index), sizeof(freed));
	}
}

bool slot_arena_compact(struct slot_arena *arena, slot_moved_fn *moved, void *context)
{
	uint8_t bits[MAX_BLOCK_BYTES / SLOT_GRANULE_BYTES / 8] = { 0 };
	uint32_t number = find_sparse(arena);
	struct block *block;

	if (number == NO_BLOCK)
		return false;
	block = &arena->blocks[number];
	size_t bytes = bytes_of(block->size);
	mark_free(arena, number, bits);
	/* Out of the list, it is not asked for the slots that are to take its place. */
	list_remove(arena, &arena->usable[block->size], number);
	arena->n_free[block->size] -= block->n_slots - block->n_used;
	for (unsigned index = 0; index < block->n_slots; index++) {
		if ((bits[index / 8] >> index % 8 & 1) != 0)
			continue;
		const uint8_t *from = slot_in(arena, number, index);
		uint32_t to = slot_arena_take(arena, bytes);
		memcpy(slot_arena_at(arena, to), from, bytes);
		moved(context, (uint32_t)((size_t)(from - arena->memory) / SLOT_GRANULE_BYTES), to);
	}
	block->n_used = 0;
	list_push(arena, &arena->free_blocks, number);
	return true;
}

void *slot_arena_at(const struct slot_arena *arena, uint32_t slot)
{
	return arena->memory + slot * (size_t)SLOT_GRANULE_BYTES;
}

size_t slot_arena_bytes_of(const struct slot_arena *arena, uint32_t slot)
{
	return bytes_of(arena->blocks[slot >> arena->block_shift].size);
}

bool slot_arena_is_same_size(size_t bytes, size_t other_bytes)
{
	return size_of(bytes) == size_of(other_bytes);
}

size_t slot_arena_count(const struct slot_arena *arena, size_t bytes)
{
	/* Without slot 0 of block 0. */
	return arena->n_blocks * (arena->block_bytes / bytes_of(size_of(bytes))) - 1;
}

size_t slot_arena_bytes(const struct slot_arena *arena)
{
	return arena->n_blocks * arena->block_bytes;
}
