/* SPDX-License-Identifier: BSD-2-Clause */
#include "floor_table.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

int floor_table_create(struct floor_table *table, uint64_t n_connections)
{
	uint64_t n_slots = 1024;

	while (n_slots < 2 * n_connections)
		n_slots *= 2;
	size_t bytes = n_slots * sizeof(struct floor_entry);
	*table = (struct floor_table){ .mask = n_slots - 1 };
	if (getrandom(&table->key, sizeof(table->key), 0) != (ssize_t)sizeof(table->key))
		return -1;
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return -1;
	(void)madvise(memory, bytes, MADV_HUGEPAGE); /* where there are none, small pages do */
	memset(memory, 0, bytes);
	table->entries = memory;
	return 0;
}
