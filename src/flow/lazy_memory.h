/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>

/*
 * Zeroed memory of *bytes, rounded down to whole pages, that costs nothing until it is touched. Null with errno set.
 * *bytes must be a page or more.
 */
void *lazy_memory_map(size_t *bytes);

/* bytes as rounded by lazy_memory_map; memory may be null. */
void lazy_memory_unmap(void *memory, size_t bytes);
