/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory of tables, of which there may be much. */
#include "tcpwitness/base/big_memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

void big_memory_wish_huge_pages(void *memory, size_t bytes)
{
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	uintptr_t end = ((uintptr_t)memory + bytes) & ~(page_bytes - 1);
	size_t before = -(uintptr_t)memory & (page_bytes - 1);
	unsigned char *first = (unsigned char *)memory + before;

	if (bytes >= HUGE_PAGE_BYTES)
		madvise(first, end - (uintptr_t)first, MADV_HUGEPAGE);
}

void *big_memory_calloc(size_t n, size_t bytes_each)
{
	void *memory;
	size_t bytes;

	/* calloc would refuse this too, but a sanitizer's ends the process instead. */
	if (__builtin_mul_overflow(n, bytes_each, &bytes))
		return NULL;
	memory = calloc(n, bytes_each);
	if (memory != NULL)
		big_memory_wish_huge_pages(memory, bytes);
	return memory;
}
