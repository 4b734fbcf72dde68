/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/* Strings that live as long as the configuration that points to them. Main thread. */
struct string_pool;

/* Null when memory is short. */
struct string_pool *string_pool_create(void);
void string_pool_destroy(struct string_pool *pool);

/* A copy owned by the pool, or null when memory is short. */
const char *string_pool_copy(struct string_pool *pool, const char *text);
