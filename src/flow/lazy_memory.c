/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tables of this folder live in: one mapping each, made at start. Pages are zero and are taken from the system
 * when they are first touched, so a budget that is not needed is not used.
 */
#include "lazy_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include "tcpwitness/base/big_memory.h"

void *lazy_memory_map(size_t *bytes)
{
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	void *memory;

	*bytes = *bytes / page_bytes * page_bytes;
	memory = mmap(NULL, *bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return NULL;
	big_memory_wish_huge_pages(memory, *bytes);
	return memory;
}

void lazy_memory_unmap(void *memory, size_t bytes)
{
	if (memory != NULL)
		munmap(memory, bytes);
}
