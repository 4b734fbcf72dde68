/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * How members are packed, for flow_rest.c: each is described once, with what it is expected to be, and the description
 * serves all ways.
 */

/*
 * What a description is used for. Members come in groups. Most groups of most flows are as expected in all: that is
 * found out first, and then the group is left out; else its members are packed one by one.
 */
enum way {
	WAY_TEST,   /* is anything not as expected? changes nothing */
	WAY_PACK,   /* appends what is not */
	WAY_UNPACK, /* takes what was appended, or what is expected */
	WAY_EXPECT, /* takes what is expected */
};

/* All ways are made from the same functions, by the compiler: which one it is, is known in each. */
#define ALL_WAYS static inline __attribute__((always_inline))

struct coder {
	uint8_t *at;
	uint64_t mask; /* bit i: the member number i is not as expected; of a test: what differs, in whatever bits */
	unsigned n;    /* members so far */
};

/* --- members --- */

ALL_WAYS bool code_flag(struct coder *c, const enum way way, bool flag)
{
	unsigned n = c->n++;

	if (way == WAY_UNPACK)
		return (c->mask >> n & 1) != 0;
	if (way == WAY_TEST)
		c->mask |= flag;
	if (way == WAY_PACK)
		c->mask |= (uint64_t)flag << n;
	return way == WAY_PACK && flag;
}

/* Written always, and kept only if needed: that is quicker than to decide. NOLINTBEGIN(bugprone-macro-parentheses) */
#define CODE_FUNCTION(name, type)                                                                \
	ALL_WAYS void name(struct coder *c, const enum way way, type *value, type expected)      \
	{                                                                                        \
		if (way == WAY_TEST) {                                                           \
			c->mask |= (uint64_t)(*value ^ expected);                                \
		} else if (way == WAY_EXPECT) {                                                  \
			*value = expected;                                                       \
		} else {                                                                         \
			bool differs = code_flag(c, way, way == WAY_PACK && *value != expected); \
			if (way == WAY_PACK)                                                     \
				memcpy(c->at, value, sizeof(*value));                            \
			else if (differs)                                                        \
				memcpy(value, c->at, sizeof(*value));                            \
			else                                                                     \
				*value = expected;                                               \
			c->at += differs ? sizeof(*value) : 0;                                   \
		}                                                                                \
	}

CODE_FUNCTION(code_u8, uint8_t)
CODE_FUNCTION(code_u16, uint16_t)
CODE_FUNCTION(code_u32, uint32_t)
CODE_FUNCTION(code_u64, uint64_t)
/* NOLINTEND(bugprone-macro-parentheses) */

/* Bytes as they are. */
ALL_WAYS void code_raw(struct coder *c, const enum way way, void *bytes, size_t n)
{
	if (way == WAY_PACK)
		memcpy(c->at, bytes, n);
	if (way == WAY_UNPACK)
		memcpy(bytes, c->at, n);
	if (way == WAY_PACK || way == WAY_UNPACK)
		c->at += n;
}

/* The first n of some places, when there are any. */
ALL_WAYS void code_places(struct coder *c, const enum way way, uint8_t *n, void *places, size_t place_bytes)
{
	if (!code_flag(c, way, *n != 0))
		return;
	code_raw(c, way, n, sizeof(*n));
	code_raw(c, way, places, *n * place_bytes);
}

/* Where the low bytes of a number stand in it. */
#define LOW_BYTES(value, n) ((uint8_t *)(value) + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? sizeof(uint64_t) - (n) : 0))

/* Whole numbers of fewer bytes than their type. */
ALL_WAYS void write_low(uint8_t *at, uint64_t value, const unsigned n_bytes)
{
	memcpy(at, LOW_BYTES(&value, n_bytes), n_bytes);
}

ALL_WAYS uint64_t read_low(const uint8_t *at, const unsigned n_bytes)
{
	uint64_t value = 0;

	memcpy(LOW_BYTES(&value, n_bytes), at, n_bytes);
	return value;
}

/* A number that, when it is not as expected, is above from by what n_bytes can hold, as a rule. */
ALL_WAYS void code_near(struct coder *c, const enum way way, uint64_t *value, uint64_t expected, uint64_t from,
			const unsigned n_bytes)
{
	bool differs = code_flag(c, way, *value != expected);
	bool is_far = code_flag(c, way, differs && (*value - from) >> 8 * n_bytes != 0);

	if (way == WAY_TEST)
		c->mask |= *value ^ expected;
	if (way == WAY_TEST || (way == WAY_PACK && !differs))
		return;
	if (!differs) {
		*value = expected;
	} else if (is_far) {
		code_raw(c, way, value, sizeof(*value));
	} else {
		if (way == WAY_PACK)
			write_low(c->at, *value - from, n_bytes);
		else
			*value = from + read_low(c->at, n_bytes);
		c->at += n_bytes;
	}
}

/* The mask of a group stands before its members. */
ALL_WAYS struct coder group_begin(uint8_t *at, const enum way way, const unsigned mask_bytes)
{
	struct coder c = { .at = at + mask_bytes };

	if (way == WAY_UNPACK)
		c.mask = read_low(at, mask_bytes);
	return c;
}

ALL_WAYS void group_end(const struct coder *c, const enum way way, uint8_t **at, const unsigned mask_bytes)
{
	assert(c->n <= 8 * mask_bytes);
	if (way == WAY_PACK)
		write_low(*at, c->mask, mask_bytes);
	if (way == WAY_PACK || way == WAY_UNPACK)
		*at = c->at;
}
