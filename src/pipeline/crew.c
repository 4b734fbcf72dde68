/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who works on which lane, and when. A stretch is done in rounds, nearly always one: each lane is followed until the
 * stretch ends or its log is full; then what is sure to be first is merged out of the logs, which makes room. What all
 * lanes told the detection is counted in a round of its own, each lane's source its own part.
 *
 * Whoever has nothing to do takes the next lane that nobody has taken in this round. So a thread that the system lets
 * wait holds up nobody but the lane that it is at, and it does not matter how many are awake. Whoever finds no lane
 * does spare work, a little at a time, and if there is none looks around for a while before going to sleep: rounds are
 * so short that waking somebody up is a good part of them. Spare work that all will wait for comes before lanes: only
 * one can do it, so it is begun while the others have lanes.
 */
#include "crew.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "event_log.h"
#include "lane_run.h"
#include "pause.h"

/* Which lanes of a round are taken, in one word: nobody can take one of a round that is over. */
enum { ROUND_SHIFT = 8 };
#define TAKEN_MASK ((UINT64_C(1) << ROUND_SHIFT) - 1)

/* Looks around for a lane: some 0.1 ms. */
enum { PAUSES_AWAKE = 2000 };

/* What is done with a lane in a round. */
typedef void lane_task(struct lane_run *run);

struct crew {
	struct shards *shards;            /* borrowed */
	struct lane_run runs[MAX_SHARDS]; /* by lane */
	struct crew_spare spare;
	unsigned n_threads; /* beside the one that gives work */
	pthread_t threads[MAX_SHARDS];
	unsigned n_started;
	lane_task *task;          /* of the round; stays until all its lanes are done */
	_Atomic uint64_t taken;   /* number of the round, and how many of its lanes are taken */
	_Atomic unsigned n_done;  /* lanes of the round */
	_Atomic bool is_over;     /* there will be no more */
	_Atomic unsigned n_sleep; /* of the threads */
	_Atomic bool giver_sleeps;
	pthread_mutex_t mutex; /* for going to sleep, and for waking up */
	pthread_cond_t begins;
	pthread_cond_t ends;
	bool is_called; /* there may be spare work */
};

static bool has_lane(struct crew *crew)
{
	return (atomic_load(&crew->taken) & TAKEN_MASK) < crew->shards->n_lanes;
}

static bool is_round_over(struct crew *crew)
{
	return atomic_load(&crew->n_done) == crew->shards->n_lanes;
}

static bool take_lane(struct crew *crew, unsigned *lane)
{
	uint64_t taken = atomic_load(&crew->taken);

	while ((taken & TAKEN_MASK) < crew->shards->n_lanes) {
		if (atomic_compare_exchange_weak(&crew->taken, &taken, taken + 1)) {
			*lane = (unsigned)(taken & TAKEN_MASK);
			return true;
		}
	}
	return false;
}

/* False: all are taken. */
static bool work_on_lane(struct crew *crew)
{
	unsigned lane;

	if (!take_lane(crew, &lane))
		return false;
	crew->task(&crew->runs[lane]);
	if (atomic_fetch_add(&crew->n_done, 1) + 1 == crew->shards->n_lanes && atomic_load(&crew->giver_sleeps)) {
		pthread_mutex_lock(&crew->mutex);
		pthread_cond_signal(&crew->ends);
		pthread_mutex_unlock(&crew->mutex);
	}
	return true;
}

static bool do_spare_work(const struct crew *crew)
{
	return crew->spare.work != NULL && crew->spare.work(crew->spare.context);
}

static bool do_wanted_work(const struct crew *crew)
{
	return crew->spare.work != NULL && crew->spare.is_wanted(crew->spare.context) && do_spare_work(crew);
}

/* Who goes to sleep says so before looking a last time, who has work gives it before asking who sleeps. */
static void sleep_until_called(struct crew *crew)
{
	pthread_mutex_lock(&crew->mutex);
	atomic_fetch_add(&crew->n_sleep, 1);
	while (!atomic_load(&crew->is_over) && !has_lane(crew) && !crew->is_called)
		pthread_cond_wait(&crew->begins, &crew->mutex);
	crew->is_called = false;
	atomic_fetch_sub(&crew->n_sleep, 1);
	pthread_mutex_unlock(&crew->mutex);
}

static void *help(void *argument)
{
	struct crew *crew = argument;
	unsigned n_pauses = 0;

	while (!atomic_load(&crew->is_over)) {
		if (do_wanted_work(crew) || work_on_lane(crew) || do_spare_work(crew)) {
			n_pauses = 0;
		} else if (n_pauses++ < PAUSES_AWAKE) {
			pause_processor();
		} else {
			sleep_until_called(crew);
			n_pauses = 0;
		}
	}
	return NULL;
}

static void wake_all(struct crew *crew)
{
	if (atomic_load(&crew->n_sleep) == 0)
		return;
	pthread_mutex_lock(&crew->mutex);
	pthread_cond_broadcast(&crew->begins);
	pthread_mutex_unlock(&crew->mutex);
}

static void wait_for_others(struct crew *crew)
{
	unsigned n_pauses = 0;

	while (!is_round_over(crew) && n_pauses < PAUSES_AWAKE) {
		if (do_spare_work(crew))
			n_pauses = 0;
		else
			pause_processor();
		n_pauses++;
	}
	if (is_round_over(crew))
		return;
	pthread_mutex_lock(&crew->mutex);
	atomic_store(&crew->giver_sleeps, true);
	while (!is_round_over(crew))
		pthread_cond_wait(&crew->ends, &crew->mutex);
	atomic_store(&crew->giver_sleeps, false);
	pthread_mutex_unlock(&crew->mutex);
}

/* The task is done for every lane. */
static void do_round(struct crew *crew, lane_task *task)
{
	uint64_t round = atomic_load(&crew->taken) >> ROUND_SHIFT;

	crew->task = task;
	atomic_store(&crew->n_done, 0);
	atomic_store(&crew->taken, (round + 1) << ROUND_SHIFT);
	wake_all(crew);
	while (work_on_lane(crew))
		;
	wait_for_others(crew);
}

void crew_call(struct crew *crew)
{
	if (atomic_load(&crew->n_sleep) == 0)
		return;
	pthread_mutex_lock(&crew->mutex);
	crew->is_called = true;
	pthread_cond_signal(&crew->begins);
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

/* Until it is done wholly, and all events of it are merged. */
static void do_rounds(struct crew *crew, lane_task *task)
{
	const struct event_rank last = EVENT_RANK_LAST;
	struct shards *shards = crew->shards;
	struct event_log *logs[MAX_SHARDS];
	struct event_rank reached;

	for (unsigned i = 0; i < shards->n_lanes; i++)
		logs[i] = shards->lanes[i].log;
	do {
		do_round(crew, task);
		reached = least_rank(crew);
		event_log_merge(logs, shards->n_lanes, &reached, &shards->writer, shards->orphan_counts);
	} while (event_rank_is_before(&reached, &last));
	for (unsigned i = 0; i < shards->n_lanes; i++)
		lane_run_end(&crew->runs[i]);
}

void crew_follow(struct crew *crew, const struct batch *batch, const struct stretch *stretch)
{
	for (unsigned i = 0; i < crew->shards->n_lanes; i++)
		lane_run_begin(&crew->runs[i], crew->shards, i, batch, stretch);
	do_rounds(crew, lane_run_go_on);
	shards_resume(crew->shards, batch->now_ns[stretch->end - 1]);
}

void crew_finish(struct crew *crew)
{
	shards_pass_last(crew->shards);
	for (unsigned i = 0; i < crew->shards->n_lanes; i++)
		lane_run_begin_last(&crew->runs[i], crew->shards, i);
	do_rounds(crew, lane_run_record_left);
}

void crew_settle(struct crew *crew)
{
	do_round(crew, lane_run_settle);
}

/* --- life cycle --- */

struct crew *crew_create(struct shards *shards, const struct crew_spare *spare, struct error *error)
{
	struct crew *crew = calloc(1, sizeof(*crew));

	if (crew == NULL) {
		error_set(error, "out of memory: no room for threads");
		return NULL;
	}
	crew->shards = shards;
	crew->spare = *spare;
	crew->n_threads = shards->n_lanes - 1;
	atomic_store(&crew->taken, shards->n_lanes); /* none is left of a round before the first */
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
	atomic_store(&crew->is_over, true);
	pthread_cond_broadcast(&crew->begins);
	pthread_mutex_unlock(&crew->mutex);
	for (unsigned i = 0; i < crew->n_started; i++)
		pthread_join(crew->threads[i], NULL);
	pthread_cond_destroy(&crew->ends);
	pthread_cond_destroy(&crew->begins);
	pthread_mutex_destroy(&crew->mutex);
	free(crew);
}
