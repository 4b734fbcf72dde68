/* SPDX-License-Identifier: BSD-2-Clause */
/* Threads that work, wait and claim rests as they like: who claims one is alone, and nobody waits for ever. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "random.h"
#include "rest.h"

enum { N_THREADS = 4, N_ROUNDS = 20000, N_PARTS = 7 };

struct place {
	struct rest *rest;
	uint64_t own[N_THREADS]; /* changed by its thread at work */
	uint64_t parts[N_PARTS]; /* changed by whoever does the part, in a rest */
	uint64_t n_rests;        /* changed by whoever is alone */
	uint64_t total;          /* the same: all that there was of own */
};

struct worker {
	struct place *place;
	unsigned number;
	pthread_t thread;
};

static void do_part(void *context, unsigned number)
{
	struct place *place = context;

	place->parts[number]++;
}

/* All plain memory: the thread sanitizer sees whether anybody else is at work. */
static void be_alone(struct place *place)
{
	place->n_rests++;
	for (unsigned i = 0; i < N_THREADS; i++) {
		place->total += place->own[i];
		place->own[i] = 0;
	}
	rest_share(place->rest, do_part, place, N_PARTS);
	for (unsigned i = 0; i < N_PARTS; i++)
		assert_true(place->parts[i] == place->n_rests);
}

static void *work(void *context)
{
	struct worker *worker = context;
	struct place *place = worker->place;
	struct random random = { .state = worker->number };

	for (unsigned round = 0; round < N_ROUNDS; round++) {
		rest_begin_work(place->rest, worker->number);
		place->own[worker->number]++;
		if (random_permille(&random, 50) && rest_claim(place->rest, worker->number)) {
			be_alone(place);
			rest_release(place->rest);
		}
		rest_end_work(place->rest, worker->number);
		if (random_permille(&random, 5))
			usleep(100);
	}
	return NULL;
}

static void test_who_claims_a_rest_is_alone(void **state)
{
	static struct place place;
	struct worker workers[N_THREADS];

	(void)state;
	place.rest = rest_create(N_THREADS, NULL);
	assert_non_null(place.rest);
	for (unsigned i = 0; i < N_THREADS; i++) {
		workers[i] = (struct worker){ .place = &place, .number = i };
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (unsigned i = 0; i < N_THREADS; i++)
		pthread_join(workers[i].thread, NULL);
	rest_begin_work(place.rest, 0);
	assert_true(rest_claim(place.rest, 0));
	be_alone(&place);
	rest_release(place.rest);
	rest_end_work(place.rest, 0);
	assert_true(place.n_rests > 1);
	assert_int_equal(place.total, (uint64_t)N_THREADS * N_ROUNDS);
	rest_destroy(place.rest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_claims_a_rest_is_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
