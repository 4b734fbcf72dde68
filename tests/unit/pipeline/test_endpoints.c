/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two model endpoints with their applications and a bad path between them, at random: what the tracker says is proved
 * must be so (endpoint_lab.h). One seed a test, so that a failure is easily repeated.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "endpoint_lab.h"

enum { MAX_BYTES = 400 };

static uint64_t next_random(uint64_t *state)
{
	/* xorshift64 */
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static size_t random_bytes(uint8_t *bytes, uint64_t seed)
{
	uint64_t random = seed * 0x9e3779b97f4a7c15u + 1;
	size_t n = 40 + next_random(&random) % (MAX_BYTES - 40);

	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)(next_random(&random) >> 32);
	return n;
}

static struct lab_score run_seeds(uint64_t from, uint64_t to, unsigned allowed)
{
	struct lab_score score = { 0 };
	uint8_t bytes[MAX_BYTES];

	for (uint64_t seed = from; seed < to; seed++) {
		size_t n = random_bytes(bytes, seed);
		const char *problem = lab_run(bytes, n, allowed, NULL, &score);
		if (problem != NULL) {
			char text[256];
			snprintf(text, sizeof(text), "%s", problem);
			lab_run(bytes, n, allowed, stderr, &score);
			fail_msg("seed %llu: %s", (unsigned long long)seed, text);
		}
	}
	print_message("%llu packets, %llu looks, %.2f %% proved, %.2f %% right\n", (unsigned long long)score.packets,
		      (unsigned long long)score.looks, 100.0 * (double)score.proved / (double)score.looks,
		      100.0 * (double)score.right / (double)score.looks);
	return score;
}

static void what_is_proved_is_so_on_a_bad_path(void **state)
{
	(void)state;
	const struct lab_score score = run_seeds(1, 10000, 0);

	/* To be always unsure would be no answer. These connections are short, and in much trouble. */
	assert_true(score.proved * 2 > score.looks);
}

static void what_is_proved_is_so_when_one_end_forgets_its_connection(void **state)
{
	(void)state;
	run_seeds(1, 10000, LAB_REUSE | LAB_CRASHES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_proved_is_so_on_a_bad_path),
		cmocka_unit_test(what_is_proved_is_so_when_one_end_forgets_its_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
