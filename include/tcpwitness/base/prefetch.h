/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * Memory that is read soon is to be fetched into the processor's cache. A function that does nothing but
 * __builtin_prefetch has no effect in gcc's eyes, and where it sees the function whole, in one file or with
 * -flto, it leaves calls to it out. The empty statement is an effect.
 */
static inline void prefetch(const void *address)
{
	__builtin_prefetch(address);
	__asm__ volatile("");
}

/* The same for memory that is written. */
static inline void prefetch_to_write(const void *address)
{
	__builtin_prefetch(address, 1);
	__asm__ volatile("");
}
