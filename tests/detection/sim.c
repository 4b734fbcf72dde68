/* SPDX-License-Identifier: BSD-2-Clause */
/* The clock of the simulated world: a heap of what is going to happen, and chance. */
#include "sim.h"

#include <math.h>
#include <stdlib.h>

static bool is_before(const struct sim_event *a, const struct sim_event *b)
{
	return a->time_ns != b->time_ns ? a->time_ns < b->time_ns : a->order < b->order;
}

void sim_at(struct sim *sim, uint64_t time_ns, sim_action action, void *who, uint64_t argument)
{
	if (sim->n_events == sim->room) {
		sim->room = sim->room > 0 ? 2 * sim->room : 4096;
		sim->heap = realloc(sim->heap, sim->room * sizeof(*sim->heap));
		if (sim->heap == NULL)
			abort();
	}
	struct sim_event event = { time_ns, sim->order++, action, who, argument };
	size_t place = sim->n_events++;
	while (place > 0 && is_before(&event, &sim->heap[(place - 1) / 2])) {
		sim->heap[place] = sim->heap[(place - 1) / 2];
		place = (place - 1) / 2;
	}
	sim->heap[place] = event;
}

static struct sim_event take_first(struct sim *sim)
{
	struct sim_event first = sim->heap[0];
	struct sim_event last = sim->heap[--sim->n_events];
	size_t place = 0;

	for (;;) {
		size_t child = 2 * place + 1;
		if (child >= sim->n_events)
			break;
		if (child + 1 < sim->n_events && is_before(&sim->heap[child + 1], &sim->heap[child]))
			child++;
		if (!is_before(&sim->heap[child], &last))
			break;
		sim->heap[place] = sim->heap[child];
		place = child;
	}
	sim->heap[place] = last;
	return first;
}

void sim_run(struct sim *sim)
{
	while (sim->n_events > 0) {
		struct sim_event event = take_first(sim);
		if (event.time_ns > sim->end_ns)
			break;
		sim->now_ns = event.time_ns;
		event.action(sim, event.who, event.argument);
	}
}

double sim_uniform(struct sim *sim)
{
	return 1 - random_unit(&sim->random);
}

uint64_t sim_below(struct sim *sim, uint64_t n)
{
	return (uint64_t)(sim_uniform(sim) * (double)n);
}

bool sim_chance(struct sim *sim, double probability)
{
	return probability > 0 && sim_uniform(sim) < probability;
}

uint64_t sim_exponential_ns(struct sim *sim, double per_second)
{
	return random_gap_ns(&sim->random, 1e9 / per_second);
}

double sim_pareto(struct sim *sim, double least, double alpha, double most)
{
	return fmin(least * pow(random_unit(&sim->random), -1 / alpha), most);
}
