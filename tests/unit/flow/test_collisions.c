/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who chooses addresses and ports, and does not know the secret, gets chains no longer than chance gives. Each pattern
 * below is one that unkeyed or linear hashes fall for: keys that differ in few bits, in high bits only, whose sums or
 * differences are all the same, whose ends mirror each other.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tcpwitness/flow/flow_key.h"

enum {
	N_KEYS = 65536,
	N_CHAINS = 65536, /* as many as keys, as in the tables: the number of keys in a chain is Poisson with mean 1 */
	/* A chain of 14 or more is there once in 20 million such tables: sum of 1/(e k!) from 14 on, 65536 times. */
	LONGEST = 13,
	N_SECRETS = 4,
};

struct ends {
	uint64_t addr[2][2]; /* high and low half; the low half of an IPv4 address */
	uint16_t port[2];
	bool ipv6;
};

typedef void pattern_fn(uint32_t i, struct ends *ends);

static void client_ports(uint32_t i, struct ends *ends)
{
	ends->port[0] = (uint16_t)i;
}

static void both_ports(uint32_t i, struct ends *ends)
{
	ends->port[0] = (uint16_t)(1024 + (i & 255));
	ends->port[1] = (uint16_t)(1024 + (i >> 8));
}

static void client_addresses(uint32_t i, struct ends *ends)
{
	ends->addr[0][1] = 0x0a000000 + i;
}

static void high_bits_of_addresses(uint32_t i, struct ends *ends)
{
	ends->addr[0][1] = (uint64_t)i << 16;
}

/* Address and port go opposite ways: their sum is the same for all. */
static void constant_sum(uint32_t i, struct ends *ends)
{
	ends->addr[0][1] = 0x0a000000 + i;
	ends->port[0] = (uint16_t)(65535 - i);
}

/* Both addresses change in the same bits: their exclusive or is the same for all. */
static void constant_xor(uint32_t i, struct ends *ends)
{
	ends->addr[0][1] = 0x0a000000 ^ i;
	ends->addr[1][1] = 0x0b000000 ^ i;
}

/* Each end is the other one's mirror. */
static void reflected(uint32_t i, struct ends *ends)
{
	ends->addr[0][1] = 0x0a000000 + i;
	ends->addr[1][1] = UINT32_MAX - (0x0a000000 + i);
	ends->port[0] = (uint16_t)i;
	ends->port[1] = (uint16_t)~i;
}

/* A host with itself. */
static void equal_ends(uint32_t i, struct ends *ends)
{
	ends->addr[0][1] = ends->addr[1][1] = 0x0a000001;
	ends->port[0] = (uint16_t)i;
	ends->port[1] = (uint16_t)(i + 1);
}

static void ipv6_low_half(uint32_t i, struct ends *ends)
{
	ends->ipv6 = true;
	ends->addr[0][1] = i;
}

static void ipv6_high_half(uint32_t i, struct ends *ends)
{
	ends->ipv6 = true;
	ends->addr[0][0] = (uint64_t)i << 48;
}

/* What is added to one half is taken off the other one. */
static void ipv6_between_halves(uint32_t i, struct ends *ends)
{
	ends->ipv6 = true;
	ends->addr[0][0] += i;
	ends->addr[0][1] -= i;
}

static void single_bits(uint32_t i, struct ends *ends)
{
	ends->ipv6 = true;
	ends->addr[0][0] ^= UINT64_C(1) << (i & 63);
	ends->addr[1][1] ^= UINT64_C(1) << (i >> 6 & 63);
	ends->port[0] ^= (uint16_t)(1U << (i >> 12));
}

static void put_address(struct ip_addr *addr, const uint64_t halves[2], bool ipv6)
{
	uint64_t words[2] = { halves[0], halves[1] };

	*addr = (struct ip_addr){ .version = ipv6 ? 6 : 4 };
	for (unsigned i = 0; i < (ipv6 ? 16 : 4); i++)
		addr->bytes[i] = (uint8_t)(ipv6 ? words[i / 8] >> (56 - i % 8 * 8) : words[1] >> (24 - i * 8));
}

static uint64_t hash_of(const struct flow_key_config *config, const struct ends *ends)
{
	struct packet packet = { .src_port = ends->port[0], .dst_port = ends->port[1] };
	struct flow_key key;

	put_address(&packet.src, ends->addr[0], ends->ipv6);
	put_address(&packet.dst, ends->addr[1], ends->ipv6);
	flow_key_from_packet(config, &packet, &key);
	return flow_key_hash(config, &key);
}

/*
 * Pairs of keys in one chain: n (n - 1) / 2 / m on average, with about that much variance. Six times its root is
 * passed by chance once in 500 million.
 */
static void assert_like_chance(const uint32_t *lengths, const char *name)
{
	const double expected = (double)N_KEYS * (N_KEYS - 1) / 2 / N_CHAINS;
	uint64_t pairs = 0;
	uint32_t longest = 0;

	for (size_t i = 0; i < N_CHAINS; i++) {
		pairs += (uint64_t)lengths[i] * (lengths[i] - (lengths[i] > 0)) / 2;
		longest = lengths[i] > longest ? lengths[i] : longest;
	}
	double beyond = (double)pairs - expected;
	if (beyond * beyond > 36 * expected || longest > LONGEST)
		fail_msg("%s: %llu pairs in one chain instead of %.0f, longest chain %u", name,
			 (unsigned long long)pairs, expected, longest);
}

static void check_pattern(pattern_fn *pattern, const char *name)
{
	static uint32_t low[N_CHAINS];
	static uint32_t high[N_CHAINS];

	for (uint64_t seed = 0; seed < N_SECRETS; seed++) {
		const struct flow_key_config config = { .secret = siphash_key_from_seed(seed) };
		memset(low, 0, sizeof(low));
		memset(high, 0, sizeof(high));
		for (uint32_t i = 0; i < N_KEYS; i++) {
			struct ends ends = { .addr = { { 0, 0x0a000001 }, { 0, 0xc6336401 } }, .port = { 40000, 443 } };
			pattern(i, &ends);
			uint64_t hash = hash_of(&config, &ends);
			low[hash % N_CHAINS]++; /* what tables take */
			high[(hash >> 32) % N_CHAINS]++;
		}
		assert_like_chance(low, name);
		assert_like_chance(high, name);
	}
}

#define CHECK(pattern) check_pattern(pattern, #pattern)

static void chosen_keys_collide_by_chance_only(void **state)
{
	(void)state;
	CHECK(client_ports);
	CHECK(both_ports);
	CHECK(client_addresses);
	CHECK(high_bits_of_addresses);
	CHECK(constant_sum);
	CHECK(constant_xor);
	CHECK(reflected);
	CHECK(equal_ends);
	CHECK(ipv6_low_half);
	CHECK(ipv6_high_half);
	CHECK(ipv6_between_halves);
	CHECK(single_bits);
}

/* Keys that were found to share a chain under one secret are spread under another. */
static void collisions_do_not_outlive_the_secret(void **state)
{
	const struct flow_key_config known = { .secret = siphash_key_from_seed(1) };
	const struct flow_key_config fresh = { .secret = siphash_key_from_seed(2) };
	enum { N_FOUND = 64 };
	bool seen[N_CHAINS] = { false };
	unsigned n_found = 0;
	unsigned n_apart = 0;

	(void)state;
	for (uint32_t i = 0; n_found < N_FOUND; i++) {
		struct ends ends = { .addr = { { 0, 0x0a000000 + i / 60000 }, { 0, 0xc6336401 } },
				     .port = { (uint16_t)(1024 + i % 60000), 443 } };
		if (hash_of(&known, &ends) % N_CHAINS != 0)
			continue;
		uint64_t chain = hash_of(&fresh, &ends) % N_CHAINS;
		n_found++;
		n_apart += !seen[chain];
		seen[chain] = true;
	}
	assert_true(n_apart >= N_FOUND - 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chosen_keys_collide_by_chance_only),
		cmocka_unit_test(collisions_do_not_outlive_the_secret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
