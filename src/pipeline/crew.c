/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who works on which lane, and when. A stretch is done in rounds, nearly always one: each lane is followed until the
 * stretch ends or its log is full; then what is sure to be first is merged out of the logs, which makes room. What all
 * lanes told the detection is counted in a round of its own, each lane's source its own part.
 *
 * Whoever has nothing to do takes the next lane that nobody has taken in this round. So a thread that the system lets
 * wait holds up nobody but the lane that it is at, and it does not matter how many are awake.
 */
#include "crew.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "event_log.h"
#include "lane_run.h"

/* What is done with a lane in a round. */
typedef void lane_task(struct lane_run *run);

struct crew {
	struct shards *shards;            /* borrowed */
	struct lane_run runs[MAX_SHARDS]; /* by lane */
	lane_task *task;
	_Atomic unsigned next_run; /* not taken in this round */
	unsigned n_threads;        /* beside the one that gives work */
	pthread_t threads[MAX_SHARDS];
	unsigned n_started;
	pthread_mutex_t mutex; /* for what follows */
	pthread_cond_t begins;
	pthread_cond_t ends;
	uint64_t round;
	bool is_open; /* the round may still be joined */
	bool is_over; /* there will be no more */
	unsigned n_at_work;
};

static void work(struct crew *crew)
{
	unsigned i;

	while ((i = atomic_fetch_add(&crew->next_run, 1)) < crew->shards->n_lanes)
		crew->task(&crew->runs[i]);
}

static void *help(void *argument)
{
	struct crew *crew = argument;
	uint64_t joined = 0;

	pthread_mutex_lock(&crew->mutex);
	for (;;) {
		while (!crew->is_over && (!crew->is_open || crew->round == joined))
			pthread_cond_wait(&crew->begins, &crew->mutex);
		if (crew->is_over)
			break;
		joined = crew->round;
		crew->n_at_work++;
		pthread_mutex_unlock(&crew->mutex);
		work(crew);
		pthread_mutex_lock(&crew->mutex);
		if (--crew->n_at_work == 0)
			pthread_cond_signal(&crew->ends);
	}
	pthread_mutex_unlock(&crew->mutex);
	return NULL;
}

/* The task is done for every lane. */
static void do_round(struct crew *crew, lane_task *task)
{
	pthread_mutex_lock(&crew->mutex);
	crew->task = task;
	atomic_store(&crew->next_run, 0);
	crew->round++;
	crew->is_open = true;
	pthread_cond_broadcast(&crew->begins);
	pthread_mutex_unlock(&crew->mutex);
	work(crew);
	pthread_mutex_lock(&crew->mutex);
	crew->is_open = false;
	while (crew->n_at_work > 0)
		pthread_cond_wait(&crew->ends, &crew->mutex);
	pthread_mutex_unlock(&crew->mutex);
}

/* Up to here everything is in the logs. */
static struct event_rank least_rank(const struct crew *crew)
{
	struct event_rank least = EVENT_RANK_LAST;

	for (unsigned i = 0; i < crew->shards->n_lanes; i++) {
		if (event_rank_is_before(&crew->runs[i].stopped_at, &least))
			least = crew->runs[i].stopped_at;
	}
	return least;
}

void crew_follow(struct crew *crew, const struct batch *batch, const struct stretch *stretch)
{
	const struct event_rank last = EVENT_RANK_LAST;
	struct shards *shards = crew->shards;
	struct event_log *logs[MAX_SHARDS];
	struct event_rank reached;

	for (unsigned i = 0; i < shards->n_lanes; i++) {
		logs[i] = shards->lanes[i].log;
		lane_run_begin(&crew->runs[i], shards, i, batch, stretch);
	}
	do {
		do_round(crew, lane_run_go_on);
		reached = least_rank(crew);
		event_log_merge(logs, shards->n_lanes, &reached, &shards->writer, shards->orphan_counts);
	} while (event_rank_is_before(&reached, &last));
	for (unsigned i = 0; i < shards->n_lanes; i++)
		lane_run_end(&crew->runs[i]);
	shards_resume(shards, batch->now_ns[stretch->end - 1]);
}

void crew_settle(struct crew *crew)
{
	do_round(crew, lane_run_settle);
}

/* --- life cycle --- */

struct crew *crew_create(struct shards *shards, struct error *error)
{
	struct crew *crew = calloc(1, sizeof(*crew));

	if (crew == NULL) {
		error_set(error, "out of memory: no room for threads");
		return NULL;
	}
	crew->shards = shards;
	crew->n_threads = shards->n_lanes - 1;
	pthread_mutex_init(&crew->mutex, NULL);
	pthread_cond_init(&crew->begins, NULL);
	pthread_cond_init(&crew->ends, NULL);
	return crew;
}

int crew_start(struct crew *crew, struct error *error)
{
	for (; crew->n_started < crew->n_threads; crew->n_started++) {
		int result = pthread_create(&crew->threads[crew->n_started], NULL, help, crew);
		if (result != 0)
			return error_set(error, "cannot start %u threads: %s; use fewer (--threads)",
					 crew->n_threads + 1, strerror(result));
	}
	return 0;
}

void crew_destroy(struct crew *crew)
{
	if (crew == NULL)
		return;
	pthread_mutex_lock(&crew->mutex);
	crew->is_over = true;
	pthread_cond_broadcast(&crew->begins);
	pthread_mutex_unlock(&crew->mutex);
	for (unsigned i = 0; i < crew->n_started; i++)
		pthread_join(crew->threads[i], NULL);
	pthread_cond_destroy(&crew->ends);
	pthread_cond_destroy(&crew->begins);
	pthread_mutex_destroy(&crew->mutex);
	free(crew);
}
