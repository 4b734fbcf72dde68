/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each source has a thread, which tells its signals and then counts what concerns its own keys: the alarms are those
 * of one source alone. And so they are when sources are ahead of what is judged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>

#include "simulation.h"

enum { CREW = 4 };

static const struct sim_host web = { .ip = { .bytes = { 203, 0, 113, 5 }, .version = 4 }, .port = 443 };
static struct ruleset *ruleset;

/* They are told events first .. end - 1 of the plan, and count them, between two barriers each. */
struct crew {
	struct sim *sim;
	pthread_barrier_t barrier;
	bool *answers; /* of the engine, by event */
	size_t first;
	size_t end;
	bool is_over;
};

struct worker {
	struct crew *crew;
	struct detect_source *source;
	pthread_t thread;
};

static void *work(void *context)
{
	struct worker *worker = context;
	struct crew *crew = worker->crew;

	for (;;) {
		pthread_barrier_wait(&crew->barrier);
		if (crew->is_over)
			return NULL;
		for (size_t i = crew->first; i < crew->end; i++)
			if (sim_source(crew->sim, &crew->sim->events[i].signal) == worker->source)
				crew->answers[i] = detect_source_signal(worker->source, &crew->sim->events[i].signal);
		pthread_barrier_wait(&crew->barrier);
		detect_source_settle(worker->source);
		pthread_barrier_wait(&crew->barrier);
	}
}

/* What comes between two boundaries of time is told at once. */
static size_t end_of_tick(const struct sim *sim, size_t first)
{
	const uint64_t tick_ns = 100 * NS_PER_MS;
	size_t end = first;

	while (end < sim->n_events &&
	       sim->events[end].signal.now_ns / tick_ns == sim->events[first].signal.now_ns / tick_ns)
		end++;
	return end;
}

static void plan(struct sim *sim, unsigned n_sources)
{
	sim_init(sim);
	ruleset_destroy(sim->ruleset);
	sim->ruleset = ruleset;
	sim->n_sources = n_sources;
	sim->memory_bytes = (size_t)16 << 20;
	sim_background(sim, 0, 30, 50, web);
	sim_spoofed_flood(sim, 10, 12, 300, web, SIM_ANSWERS);
	/* More at once than the logs hold. */
	sim_spoofed_flood(sim, 20, 20.2, 100000, (struct sim_host){ web.ip, 80 }, SIM_IGNORES);
	qsort(sim->events, sim->n_events, sizeof(*sim->events), sim_compare);
	for (size_t i = 0; i < sim->n_events; i++)
		sim->events[i].signal.packet_number = i + 1;
	sim_start(sim);
}

static void end(struct sim *sim)
{
	sim->ruleset = NULL;
	sim_fini(sim);
}

static bool *run_alone(struct sim *sim)
{
	plan(sim, 1);
	bool *answers = calloc(sim->n_events, sizeof(*answers));
	for (size_t i = 0; i < sim->n_events; i++) {
		const struct flow_signal *signal = &sim->events[i].signal;
		detect_engine_advance(sim->engine, signal->now_ns, i + 1, &sim->visibility);
		answers[i] = detect_source_signal(detect_engine_source(sim->engine, 0), signal);
	}
	return answers;
}

static bool *run_by_crew(struct sim *sim)
{
	struct crew crew = { .sim = sim };
	struct worker workers[CREW];

	plan(sim, CREW);
	crew.answers = calloc(sim->n_events, sizeof(*crew.answers));
	assert_int_equal(pthread_barrier_init(&crew.barrier, NULL, CREW + 1), 0);
	for (unsigned i = 0; i < CREW; i++) {
		workers[i] = (struct worker){ .crew = &crew, .source = detect_engine_source(sim->engine, i) };
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (; crew.first < sim->n_events; crew.first = crew.end) {
		crew.end = end_of_tick(sim, crew.first);
		detect_engine_advance(sim->engine, sim->events[crew.first].signal.now_ns, crew.first + 1,
				      &sim->visibility);
		for (int phase = 0; phase < 3; phase++)
			pthread_barrier_wait(&crew.barrier);
	}
	crew.is_over = true;
	pthread_barrier_wait(&crew.barrier);
	for (unsigned i = 0; i < CREW; i++)
		pthread_join(workers[i].thread, NULL);
	pthread_barrier_destroy(&crew.barrier);
	return crew.answers;
}

/* To each signal: whether an alarm is open about its service or host. */
static void compare_answers(const struct sim *sim, const bool *alone, const bool *together)
{
	size_t n_open = 0;

	for (size_t i = 0; i < sim->n_events; i++) {
		n_open += alone[i];
		assert_int_equal(alone[i], together[i]);
	}
	assert_in_range(n_open, 1, sim->n_events - 1);
}

static void test_threads_find_what_one_finds(void **state)
{
	static struct sim alone;
	static struct sim together;

	(void)state;
	bool *alone_answers = run_alone(&alone);
	bool *together_answers = run_by_crew(&together);
	compare_answers(&alone, alone_answers, together_answers);
	sim_print(&alone);
	assert_true(alone.n_alerts >= 2);
	assert_int_equal(alone.n_alerts, together.n_alerts);
	for (size_t i = 0; i < alone.n_alerts; i++)
		assert_true(is_same_alarm(&alone.alerts[i], &together.alerts[i]));
	free(alone_answers);
	free(together_answers);
	end(&alone);
	end(&together);
}

/* Tells what each source has up to the tick and as much later as that source is ahead; then the tick is judged. */
static void run_ahead(struct sim *sim, unsigned n_sources, uint64_t ahead_ns)
{
	const uint64_t tick_ns = 100 * NS_PER_MS;
	size_t told[CREW] = { 0 };

	sim_init(sim);
	ruleset_destroy(sim->ruleset);
	sim->ruleset = ruleset;
	sim->n_sources = n_sources;
	sim->memory_bytes = (size_t)64 << 20;
	sim_background(sim, 0, 30, 50, web);
	sim_spoofed_flood(sim, 10, 12, 300, web, SIM_ANSWERS);
	qsort(sim->events, sim->n_events, sizeof(*sim->events), sim_compare);
	sim_start(sim);
	for (uint64_t now_ns = sim->events[0].signal.now_ns / tick_ns * tick_ns;
	     now_ns <= sim->events[sim->n_events - 1].signal.now_ns; now_ns += tick_ns) {
		for (unsigned k = 0; k < n_sources; k++) {
			struct detect_source *source = detect_engine_source(sim->engine, k);
			for (; told[k] < sim->n_events; told[k]++) {
				const struct flow_signal *signal = &sim->events[told[k]].signal;
				if (signal->now_ns > now_ns + k * ahead_ns)
					break;
				if (sim_source(sim, signal) == source)
					detect_source_signal(source, signal);
			}
		}
		if (n_sources > 1)
			detect_engine_count_until(sim->engine, now_ns);
		detect_engine_advance(sim->engine, now_ns, 0, &sim->visibility);
	}
}

static void test_sources_may_be_ahead(void **state)
{
	static struct sim alone;
	static struct sim ahead;

	(void)state;
	run_ahead(&alone, 1, 0);
	run_ahead(&ahead, CREW, 70 * NS_PER_MS);
	assert_true(alone.n_alerts >= 2);
	assert_int_equal(alone.n_alerts, ahead.n_alerts);
	for (size_t i = 0; i < alone.n_alerts; i++)
		assert_true(is_same_alarm(&alone.alerts[i], &ahead.alerts[i]));
	end(&alone);
	end(&ahead);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threads_find_what_one_finds),
		cmocka_unit_test(test_sources_may_be_ahead),
	};

	ruleset = ruleset_create_default(NULL);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	ruleset_destroy(ruleset);
	return failed;
}
