/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* How large huge pages are. The kernel's own word on that is not worth a file to be read. */
enum { HUGE_PAGE_BYTES = 2 << 20 };

/*
 * Asks for huge pages where [memory, memory + bytes) covers some wholly; a wish, not a need. Tables are read before
 * they are written, all over the place: with small pages each of them is then taken from the system twice, first as one
 * that is zero for all to read, then as one of its own, and for that every thread of the program is interrupted, on
 * whatever core it runs. And look-ups in a full table of huge pages were a tenth faster.
 */
void big_memory_wish_huge_pages(void *memory, size_t bytes);

/* As calloc, to be given back with free; for tables. */
void *big_memory_calloc(size_t n, size_t bytes_each);

/*
 * The first place in memory that begins a line of a processor's cache. Who wants n bytes from there on allocates
 * BIG_MEMORY_LINE_BYTES more, and gives back what he allocated.
 */
enum { BIG_MEMORY_LINE_BYTES = 64 };

static inline void *big_memory_first_line(void *memory)
{
	return (unsigned char *)memory + (-(uintptr_t)memory & (BIG_MEMORY_LINE_BYTES - 1));
}
