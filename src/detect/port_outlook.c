/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ring of seconds is run forward: what comes free is known for the next 2MSL, and follows from what is opened after
 * that. Within a second, all is taken to be spread evenly.
 */
#include "port_outlook.h"

#include <math.h>
#include <string.h>

#define STEP_S 0.25

/* Of the connections that ended lately: how long they lived, and how many left TIME_WAIT. */
enum { LATELY_S = 60 };

/* Below, nothing needs to be foreseen; and what leads no further than this does not run out, whatever chance does. */
#define NEAR_OCCUPANCY 0.3
#define LEAST_STEADY   0.8

static double waiting_in(const struct port_use_slot *slot, enum port_side side)
{
	return side == PORT_SIDE_CLIENT ? slot->waiting : slot->server_waiting;
}

double port_outlook_waiting(const struct port_use *use, enum port_side side, uint64_t time_ns, double two_msl_s)
{
	double until_s = (double)(time_ns % PORT_USE_SLOT_NS) / PORT_USE_SLOT_NS;
	/* The oldest second counts as far as it lies within 2MSL. */
	double whole_s = two_msl_s - until_s;
	double sum = 0;

	for (int age = 0; age <= (int)ceil(whole_s) && age < PORT_USE_SLOTS; age++) {
		if ((uint64_t)age * PORT_USE_SLOT_NS > time_ns)
			break;
		const struct port_use_slot *slot = port_use_slot_at(use, time_ns - (uint64_t)age * PORT_USE_SLOT_NS);
		if (slot == NULL)
			continue;
		double share = fmin(whole_s - age + 1, 1);
		sum += age == 0 ? waiting_in(slot, side) : waiting_in(slot, side) * fmax(share, 0);
	}
	return sum;
}

/* What the run forward goes by. Times are seconds from now, negative ones have passed. */
struct course {
	const struct port_use *use;
	const struct port_rate *rate;
	const struct port_outlook *outlook;
	enum port_side side;
	uint64_t now_ns;
	double present_s; /* of the present second, what has passed */
	double slow_per_s;
	double capacity;
};

static const struct port_use_slot *slot_at(const struct course *course, double at_s)
{
	if (-at_s * (double)NS_PER_SEC >= (double)course->now_ns)
		return NULL;
	return port_use_slot_at(course->use, course->now_ns - (uint64_t)(-at_s * (double)NS_PER_SEC));
}

/* The present second is not over, so what it holds is spread over less. */
static double density(const struct course *course, double at_s, double count)
{
	return at_s > -course->present_s ? count / fmax(course->present_s, 0.05) : count;
}

static double opened_at(const struct course *course, double at_s)
{
	if (at_s >= 0)
		return fmax(course->rate->per_s + course->rate->per_s2 * at_s, 0);
	const struct port_use_slot *slot = slot_at(course, at_s);
	return slot != NULL ? density(course, at_s, slot->opened) : 0;
}

static double waits_at(const struct course *course, double at_s)
{
	if (at_s >= 0)
		return course->outlook->waiting_share * opened_at(course, at_s - course->outlook->life_s);
	const struct port_use_slot *slot = slot_at(course, at_s);
	return slot != NULL ? density(course, at_s, waiting_in(slot, course->side)) : 0;
}

static double run_forward(const struct course *course, double two_msl_s)
{
	const struct port_outlook *outlook = course->outlook;
	double in_use = outlook->in_use;

	if (in_use >= course->capacity)
		return 0;
	for (int step = 0; step < (int)(PORT_HORIZON_S / STEP_S); step++) {
		double at_s = (step + 0.5) * STEP_S;
		double opened = opened_at(course, at_s);
		if (course->slow_per_s > 0 && in_use >= course->capacity / 2)
			opened = fmin(opened, course->slow_per_s);
		double closed = opened_at(course, at_s - outlook->life_s);
		double change = opened - (1 - outlook->waiting_share) * closed - waits_at(course, at_s - two_msl_s);
		double left = course->capacity - in_use;
		in_use += change * STEP_S;
		if (in_use >= course->capacity)
			return at_s - STEP_S / 2 + left / change;
	}
	return -1;
}

static void judge_ended(const struct port_use *use, enum port_side side, uint64_t now_ns, struct port_outlook *outlook)
{
	double closed = 0;
	double waiting = 0;
	double lived_ms = 0;

	for (int age = 0; age < LATELY_S && (uint64_t)age * PORT_USE_SLOT_NS <= now_ns; age++) {
		const struct port_use_slot *slot = port_use_slot_at(use, now_ns - (uint64_t)age * PORT_USE_SLOT_NS);
		if (slot == NULL)
			continue;
		closed += slot->closed;
		waiting += waiting_in(slot, side);
		lived_ms += slot->lived_ms;
	}
	outlook->life_s = closed > 0 ? lived_ms / closed / 1000 : 0;
	outlook->waiting_share = closed > 0 ? fmin(waiting / closed, 1) : 1;
}

bool port_outlook_is_near(const struct port_use *use, enum port_side side, uint64_t now_ns,
			  const struct port_limits *limits, double unseen, struct port_outlook *outlook)
{
	memset(outlook, 0, sizeof(*outlook));
	outlook->waiting = port_outlook_waiting(use, side, now_ns, limits->two_msl_s);
	outlook->in_use = port_use_active(use) + outlook->waiting + unseen;
	outlook->occupancy = outlook->in_use / limits->capacity;
	outlook->seconds_left = -1;
	return outlook->occupancy >= NEAR_OCCUPANCY;
}

void port_outlook_compute(const struct port_use *use, enum port_side side, uint64_t now_ns,
			  const struct port_limits *limits, const struct port_rate *rate, double slow_per_s,
			  struct port_outlook *outlook)
{
	struct course course = {
		.use = use,
		.rate = rate,
		.outlook = outlook,
		.side = side,
		.now_ns = now_ns,
		.present_s = (double)(now_ns % PORT_USE_SLOT_NS) / PORT_USE_SLOT_NS,
		.slow_per_s = slow_per_s,
		.capacity = limits->capacity,
	};

	judge_ended(use, side, now_ns, outlook);
	double held_s = outlook->life_s + outlook->waiting_share * limits->two_msl_s;
	outlook->steady = rate->per_s * held_s / limits->capacity;
	outlook->sustainable_per_s = held_s > 0 ? limits->capacity / held_s : 0;
	if (outlook->steady < LEAST_STEADY && rate->per_s2 <= 0)
		return;
	outlook->seconds_left = run_forward(&course, limits->two_msl_s);
	if (outlook->seconds_left >= 0 || slow_per_s <= 0)
		return;
	/* Whether it will be slowed down so much that it never runs out is not to be relied on. */
	course.slow_per_s = 0;
	outlook->seconds_left = run_forward(&course, limits->two_msl_s);
}
