/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "tcpwitness/base/word.h"

/* A 128-bit secret. Two halves in host order. */
struct siphash_key {
	uint64_t k0;
	uint64_t k1;
};

/*
 * SipHash-1-3 of length bytes at data (Aumasson and Bernstein, 2012, with reduced rounds, as the
 * Linux kernel and most language runtimes use it for hash tables). For hash tables whose keys
 * an attacker chooses; not a message authentication code. Reads data byte-wise, so any alignment
 * is legal, and gives the same value on every machine. Any thread.
 */
uint64_t siphash13(const struct siphash_key *key, const void *data, size_t length);

/*
 * The same in steps, for a short message that is at hand as words: its bytes from the first on, eight a word, the first
 * of them the lowest. The end takes the up to seven bytes that are left and the length of the whole.
 */
struct siphash_state {
	uint64_t v0;
	uint64_t v1;
	uint64_t v2;
	uint64_t v3;
};

static inline void siphash_round(struct siphash_state *s)
{
	s->v0 += s->v1;
	s->v1 = word_rotate64(s->v1, 13) ^ s->v0;
	s->v0 = word_rotate64(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = word_rotate64(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = word_rotate64(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = word_rotate64(s->v1, 17) ^ s->v2;
	s->v2 = word_rotate64(s->v2, 32);
}

static inline struct siphash_state siphash13_begin(const struct siphash_key *key)
{
	return (struct siphash_state){
		.v0 = key->k0 ^ UINT64_C(0x736f6d6570736575),
		.v1 = key->k1 ^ UINT64_C(0x646f72616e646f6d),
		.v2 = key->k0 ^ UINT64_C(0x6c7967656e657261),
		.v3 = key->k1 ^ UINT64_C(0x7465646279746573),
	};
}

static inline void siphash13_add(struct siphash_state *s, uint64_t word)
{
	s->v3 ^= word;
	siphash_round(s);
	s->v0 ^= word;
}

static inline uint64_t siphash13_end(struct siphash_state *s, uint64_t rest, size_t length)
{
	siphash13_add(s, rest | (uint64_t)length << 56);
	s->v2 ^= 0xff;
	siphash_round(s);
	siphash_round(s);
	siphash_round(s);
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

/* A key from a number given by the user: the same for the same seed, on every machine. */
struct siphash_key siphash_key_from_seed(uint64_t seed);

/* A key from the kernel's random generator. Returns 0, or a negative errno. */
int siphash_key_random(struct siphash_key *key);
