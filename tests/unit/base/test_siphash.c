/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SipHash-1-3 against a second implementation, which follows the paper step by step with the rounds as parameters.
 * That one is itself held against the vectors of the paper's appendix A and of its authors, which exist for 2-4.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tcpwitness/base/siphash.h"

static void rotate(uint64_t *value, int bits)
{
	*value = (*value << bits) | (*value >> (64 - bits));
}

/* Figure 2.1 of the paper: the ARX network, four additions, rotations and exclusive ors in two half rounds. */
static void rounds(uint64_t v[4], int n)
{
	for (int i = 0; i < n; i++) {
		v[0] += v[1];
		v[2] += v[3];
		rotate(&v[1], 13);
		rotate(&v[3], 16);
		v[1] ^= v[0];
		v[3] ^= v[2];
		rotate(&v[0], 32);
		v[2] += v[1];
		v[0] += v[3];
		rotate(&v[1], 17);
		rotate(&v[3], 21);
		v[1] ^= v[2];
		v[3] ^= v[0];
		rotate(&v[2], 32);
	}
}

/* Section 2 of the paper: the message is padded into words, the last byte of the last word being its length. */
static uint64_t reference(int c, int d, struct siphash_key key, const uint8_t *message, size_t length)
{
	static const char initial[] = "somepseudorandomlygeneratedbytes";
	uint8_t padded[256] = { 0 };
	size_t n_words = length / 8 + 1;
	uint64_t v[4] = { 0 };

	assert_true(length < sizeof(padded) - 8);
	memcpy(padded, message, length);
	padded[8 * n_words - 1] = (uint8_t)length;
	for (int i = 0; i < 32; i++)
		v[i / 8] = v[i / 8] << 8 | (uint8_t)initial[i];
	v[0] ^= key.k0;
	v[1] ^= key.k1;
	v[2] ^= key.k0;
	v[3] ^= key.k1;
	for (size_t i = 0; i < n_words; i++) {
		uint64_t word = 0;
		for (int j = 7; j >= 0; j--)
			word = word << 8 | padded[8 * i + (size_t)j];
		v[3] ^= word;
		rounds(v, c);
		v[0] ^= word;
	}
	v[2] ^= 0xff;
	rounds(v, d);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* Key 00 01 .. 0f, message 00 01 02 ..: the set-up of all published vectors. */
static const struct siphash_key published_key = { UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908) };

static void fill_message(uint8_t *message, size_t length)
{
	for (size_t i = 0; i < length; i++)
		message[i] = (uint8_t)i;
}

static void test_reference_has_the_published_2_4_values(void **state)
{
	uint8_t message[15];

	(void)state;
	fill_message(message, sizeof(message));
	assert_true(reference(2, 4, published_key, message, 0) == UINT64_C(0x726fdb47dd0e0e31));
	/* Appendix A of the paper. */
	assert_true(reference(2, 4, published_key, message, 15) == UINT64_C(0xa129ca6149be45e5));
}

static void test_1_3_equals_the_reference_at_every_length(void **state)
{
	uint8_t message[200];

	(void)state;
	fill_message(message, sizeof(message));
	for (size_t length = 0; length <= sizeof(message); length++)
		assert_true(siphash13(&published_key, message, length) ==
			    reference(1, 3, published_key, message, length));
}

static void test_any_alignment(void **state)
{
	uint8_t buffer[64 + 8];
	uint8_t message[64];

	(void)state;
	fill_message(message, sizeof(message));
	for (size_t offset = 0; offset < 8; offset++) {
		memcpy(buffer + offset, message, sizeof(message));
		assert_true(siphash13(&published_key, buffer + offset, sizeof(message)) ==
			    reference(1, 3, published_key, message, sizeof(message)));
	}
}

static void test_steps_give_the_same(void **state)
{
	uint8_t message[20];
	struct siphash_state steps = siphash13_begin(&published_key);

	(void)state;
	fill_message(message, sizeof(message));
	siphash13_add(&steps, UINT64_C(0x0706050403020100));
	siphash13_add(&steps, UINT64_C(0x0f0e0d0c0b0a0908));
	assert_true(siphash13_end(&steps, UINT64_C(0x13121110), sizeof(message)) ==
		    reference(1, 3, published_key, message, sizeof(message)));
}

/* Both halves of the key and every bit of the message count. */
static void test_every_bit_counts(void **state)
{
	uint8_t message[37] = { 0 };
	const struct siphash_key zero = { 0, 0 };
	const uint64_t base = siphash13(&zero, message, sizeof(message));

	(void)state;
	for (size_t bit = 0; bit < 8 * sizeof(message); bit++) {
		message[bit / 8] ^= (uint8_t)(1U << bit % 8);
		assert_true(siphash13(&zero, message, sizeof(message)) != base);
		message[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
	for (unsigned bit = 0; bit < 64; bit++) {
		const struct siphash_key k0 = { UINT64_C(1) << bit, 0 };
		const struct siphash_key k1 = { 0, UINT64_C(1) << bit };
		assert_true(siphash13(&k0, message, sizeof(message)) != base);
		assert_true(siphash13(&k1, message, sizeof(message)) != base);
	}
}

static void test_key_from_seed(void **state)
{
	struct siphash_key a = siphash_key_from_seed(1);
	struct siphash_key again = siphash_key_from_seed(1);
	struct siphash_key b = siphash_key_from_seed(2);

	(void)state;
	assert_true(a.k0 == again.k0 && a.k1 == again.k1);
	assert_true(a.k0 != b.k0 && a.k1 != b.k1);
	assert_true(a.k0 != a.k1);
}

static void test_key_random(void **state)
{
	struct siphash_key a = { 0, 0 };
	struct siphash_key b = { 0, 0 };

	(void)state;
	assert_int_equal(siphash_key_random(&a), 0);
	assert_int_equal(siphash_key_random(&b), 0);
	/* Equal by chance once in 2^64. */
	assert_true(a.k0 != b.k0);
	assert_true(a.k1 != b.k1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reference_has_the_published_2_4_values),
		cmocka_unit_test(test_1_3_equals_the_reference_at_every_length),
		cmocka_unit_test(test_any_alignment),
		cmocka_unit_test(test_steps_give_the_same),
		cmocka_unit_test(test_every_bit_counts),
		cmocka_unit_test(test_key_from_seed),
		cmocka_unit_test(test_key_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
