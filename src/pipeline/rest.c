/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A thread says that it works, and then looks whether a rest was claimed; who claims it says so, and then looks who
 * works. Both are in one order for all (memory_order_seq_cst), so one of the two sees the other.
 */
#include "rest.h"

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { CACHE_LINE_BYTES = 64 };

struct rest_thread {
	alignas(CACHE_LINE_BYTES) atomic_bool is_working;
};

struct rest {
	alignas(CACHE_LINE_BYTES) atomic_bool is_claimed; /* changes seldom, is read by all */
	alignas(CACHE_LINE_BYTES) pthread_mutex_t mutex;  /* for what follows, and while one waits */
	pthread_cond_t at_rest;                           /* somebody has come to rest, though one was claimed */
	pthread_cond_t changed;                           /* the rest is over, or there is a task */
	pthread_cond_t done;                              /* the task is */
	rest_task *task;
	void *context;
	unsigned next; /* number of the task that nobody has taken; n_numbers = none */
	unsigned n_numbers;
	unsigned n_done;
	unsigned n_threads;
	struct rest_thread threads[];
};

/* With the mutex. */
static void help(struct rest *rest)
{
	while (rest->next < rest->n_numbers) {
		unsigned number = rest->next++;
		pthread_mutex_unlock(&rest->mutex);
		rest->task(rest->context, number);
		pthread_mutex_lock(&rest->mutex);
		if (++rest->n_done == rest->n_numbers)
			pthread_cond_signal(&rest->done);
	}
}

static void wait_for_release(struct rest *rest)
{
	pthread_mutex_lock(&rest->mutex);
	while (atomic_load(&rest->is_claimed)) {
		help(rest);
		if (atomic_load(&rest->is_claimed))
			pthread_cond_wait(&rest->changed, &rest->mutex);
	}
	pthread_mutex_unlock(&rest->mutex);
}

void rest_begin_work(struct rest *rest, unsigned thread)
{
	for (;;) {
		atomic_store(&rest->threads[thread].is_working, true);
		if (!atomic_load(&rest->is_claimed))
			return;
		rest_end_work(rest, thread);
		wait_for_release(rest);
	}
}

void rest_end_work(struct rest *rest, unsigned thread)
{
	atomic_store(&rest->threads[thread].is_working, false);
	if (!atomic_load(&rest->is_claimed))
		return;
	pthread_mutex_lock(&rest->mutex);
	pthread_cond_signal(&rest->at_rest);
	pthread_mutex_unlock(&rest->mutex);
}

static bool is_any_working(const struct rest *rest, unsigned but)
{
	for (unsigned i = 0; i < rest->n_threads; i++) {
		if (i != but && atomic_load(&rest->threads[i].is_working))
			return true;
	}
	return false;
}

bool rest_claim(struct rest *rest, unsigned thread)
{
	if (atomic_exchange(&rest->is_claimed, true))
		return false;
	pthread_mutex_lock(&rest->mutex);
	while (is_any_working(rest, thread))
		pthread_cond_wait(&rest->at_rest, &rest->mutex);
	pthread_mutex_unlock(&rest->mutex);
	return true;
}

void rest_share(struct rest *rest, rest_task *task, void *context, unsigned n)
{
	pthread_mutex_lock(&rest->mutex);
	rest->task = task;
	rest->context = context;
	rest->next = 0;
	rest->n_numbers = n;
	rest->n_done = 0;
	pthread_cond_broadcast(&rest->changed);
	help(rest);
	while (rest->n_done < n)
		pthread_cond_wait(&rest->done, &rest->mutex);
	pthread_mutex_unlock(&rest->mutex);
}

void rest_release(struct rest *rest)
{
	pthread_mutex_lock(&rest->mutex);
	atomic_store(&rest->is_claimed, false);
	pthread_cond_broadcast(&rest->changed);
	pthread_mutex_unlock(&rest->mutex);
}

struct rest *rest_create(unsigned n_threads, struct error *error)
{
	size_t bytes = sizeof(struct rest) + n_threads * sizeof(struct rest_thread);
	struct rest *rest = aligned_alloc(CACHE_LINE_BYTES, bytes);

	if (rest == NULL) {
		error_set(error, "out of memory: no room for %u threads", n_threads);
		return NULL;
	}
	memset(rest, 0, bytes);
	rest->n_threads = n_threads;
	pthread_mutex_init(&rest->mutex, NULL);
	pthread_cond_init(&rest->at_rest, NULL);
	pthread_cond_init(&rest->changed, NULL);
	pthread_cond_init(&rest->done, NULL);
	return rest;
}

void rest_destroy(struct rest *rest)
{
	if (rest == NULL)
		return;
	pthread_cond_destroy(&rest->done);
	pthread_cond_destroy(&rest->changed);
	pthread_cond_destroy(&rest->at_rest);
	pthread_mutex_destroy(&rest->mutex);
	free(rest);
}
