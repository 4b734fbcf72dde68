/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SipHash-1-3, from the description in "SipHash: a fast short-input PRF" (Aumasson, Bernstein,
 * 2012): one compression round per word and three at the end.
 */
#include "tcpwitness/base/siphash.h"

#include <errno.h>
#include <sys/random.h>

struct sip_state {
	uint64_t v0;
	uint64_t v1;
	uint64_t v2;
	uint64_t v3;
};

static inline uint64_t rotate_left(uint64_t value, unsigned bits)
{
	return (value << bits) | (value >> (64 - bits));
}

static inline void sip_round(struct sip_state *s)
{
	s->v0 += s->v1;
	s->v1 = rotate_left(s->v1, 13) ^ s->v0;
	s->v0 = rotate_left(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = rotate_left(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = rotate_left(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = rotate_left(s->v1, 17) ^ s->v2;
	s->v2 = rotate_left(s->v2, 32);
}

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
	struct sip_state s = {
		.v0 = key->k0 ^ UINT64_C(0x736f6d6570736575),
		.v1 = key->k1 ^ UINT64_C(0x646f72616e646f6d),
		.v2 = key->k0 ^ UINT64_C(0x6c7967656e657261),
		.v3 = key->k1 ^ UINT64_C(0x7465646279746573),
	};
	size_t whole = length / 8;

	for (size_t i = 0; i < whole; i++) {
		uint64_t word = load_le64(bytes + 8 * i);
		s.v3 ^= word;
		sip_round(&s);
		s.v0 ^= word;
	}
	uint64_t last = load_rest(bytes + 8 * whole, length % 8) | ((uint64_t)length << 56);
	s.v3 ^= last;
	sip_round(&s);
	s.v0 ^= last;
	s.v2 ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
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
