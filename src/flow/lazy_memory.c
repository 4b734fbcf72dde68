/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tables of this folder live in: one mapping each, made at start. Pages are zero and are taken from the system
 * when they are first touched, so a budget that is not needed is not used. A mapping begins with a huge page, if it has
 * any: parts of it whose sizes are powers of two lie in no more of these than they fill.
 */
#include "lazy_memory.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tcpwitness/base/big_memory.h"

/* Gives back what is before the first huge page, and what is left of spare_bytes behind the last byte. */
static uint8_t *begin_with_huge_page(uint8_t *memory, size_t bytes, size_t spare_bytes)
{
	size_t before = -(uintptr_t)memory % HUGE_PAGE_BYTES;

	if (before > 0)
		munmap(memory, before);
	if (spare_bytes > before)
		munmap(memory + before + bytes, spare_bytes - before);
	return memory + before;
}

void *lazy_memory_map(size_t *bytes)
{
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *memory;

	*bytes = *bytes / page_bytes * page_bytes;
	size_t spare_bytes = *bytes >= HUGE_PAGE_BYTES ? HUGE_PAGE_BYTES : 0;
	memory = mmap(NULL, *bytes + spare_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return NULL;
	if (spare_bytes > 0)
		memory = begin_with_huge_page(memory, *bytes, spare_bytes);
	big_memory_wish_huge_pages(memory, *bytes);
	return memory;
}

void lazy_memory_unmap(void *memory, size_t bytes)
{
	if (memory != NULL)
		munmap(memory, bytes);
}
