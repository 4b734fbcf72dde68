/* SPDX-License-Identifier: BSD-2-Clause */
/* A list of copies, freed together. Configuration has a few dozen strings: nothing here needs to be fast. */
#include "string_pool.h"

#include <stdlib.h>
#include <string.h>

struct pooled {
	struct pooled *next;
	char text[];
};

struct string_pool {
	struct pooled *first;
};

struct string_pool *string_pool_create(void)
{
	return calloc(1, sizeof(struct string_pool));
}

void string_pool_destroy(struct string_pool *pool)
{
	if (pool == NULL)
		return;
	while (pool->first != NULL) {
		struct pooled *next = pool->first->next;

		free(pool->first);
		pool->first = next;
	}
	free(pool);
}

const char *string_pool_copy(struct string_pool *pool, const char *text)
{
	size_t bytes = strlen(text) + 1;
	struct pooled *copy = malloc(sizeof(*copy) + bytes);

	if (copy == NULL)
		return NULL;
	memcpy(copy->text, text, bytes);
	copy->next = pool->first;
	pool->first = copy;
	return copy->text;
}
