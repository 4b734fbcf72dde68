/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>
#include <string.h>

/* Words at any address, in the machine's own byte order; and words turned round. */

static inline uint16_t word_load16(const uint8_t *bytes)
{
	uint16_t word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

static inline uint32_t word_load32(const uint8_t *bytes)
{
	uint32_t word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

static inline uint64_t word_load64(const uint8_t *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

/* To the left, by less than all bits of the word; 0 leaves it as it is. */
static inline uint32_t word_rotate32(uint32_t word, unsigned bits)
{
	return word << bits | word >> (-bits & 31);
}

static inline uint64_t word_rotate64(uint64_t word, unsigned bits)
{
	return word << bits | word >> (-bits & 63);
}
