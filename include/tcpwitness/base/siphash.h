/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

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

/* A key from a number given by the user: the same for the same seed, on every machine. */
struct siphash_key siphash_key_from_seed(uint64_t seed);

/* A key from the kernel's random generator. Returns 0, or a negative errno. */
int siphash_key_random(struct siphash_key *key);
