/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SipHash-1-3, from the description in "SipHash: a fast short-input PRF" (Aumasson, Bernstein,
 * 2012): one compression round per word and three at the end.
 */
#include "tcpwitness/base/siphash.h"

#include <errno.h>
#include <sys/random.h>

/* Written out, or compilers do not see that it is one load. */
static inline uint64_t load_le64(const uint8_t *bytes)
{
	return (uint64_t)bytes[0] | (uint64_t)bytes[1] << 8 | (uint64_t)bytes[2] << 16 | (uint64_t)bytes[3] << 24 |
	       (uint64_t)bytes[4] << 32 | (uint64_t)bytes[5] << 40 | (uint64_t)bytes[6] << 48 |
	       (uint64_t)bytes[7] << 56;
}

static inline uint64_t load_rest(const uint8_t *bytes, size_t n)
{
	uint64_t word = 0;

	for (size_t i = 0; i < n; i++)
		word |= (uint64_t)bytes[i] << (8 * i);
	return word;
}

uint64_t siphash13(const struct siphash_key *key, const void *data, size_t length)
{
	const uint8_t *bytes = data;
	struct siphash_state s = siphash13_begin(key);
	size_t whole = length / 8;

	for (size_t i = 0; i < whole; i++)
		siphash13_add(&s, load_le64(bytes + 8 * i));
	return siphash13_end(&s, load_rest(bytes + 8 * whole, length % 8), length);
}

struct siphash_key siphash_key_from_seed(uint64_t seed)
{
	static const struct siphash_key fixed = { UINT64_C(0x7463707769746e65), UINT64_C(0x7373206669786564) };
	uint8_t bytes[9]; /* the seed, then which half */
	struct siphash_key key;

	for (unsigned i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(seed >> (8 * i));
	bytes[8] = 0;
	key.k0 = siphash13(&fixed, bytes, sizeof(bytes));
	bytes[8] = 1;
	key.k1 = siphash13(&fixed, bytes, sizeof(bytes));
	return key;
}

int siphash_key_random(struct siphash_key *key)
{
	ssize_t n = getrandom(key, sizeof(*key), 0);

	if (n < 0)
		return -errno;
	return n == (ssize_t)sizeof(*key) ? 0 : -EIO;
}
