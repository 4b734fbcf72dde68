/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Puts together what ports, parity, rates and the ring of TIME_WAITs say. Each may contradict what the client's stack
 * would have; what is seen goes before what is usual, and what is configured before both.
 */
#include "port_watch.h"

#include <math.h>

/* The half-way mark agrees with the capacity. */
#define AGREES 0.05
/* Nearly all that is in use is of the parity that came first: nothing was freed and taken again before the mark. */
#define MIN_FIRST_PARITY_SHARE 0.85
/* A range and what was used of it are the same thing. */
#define SAME_SPAN 1.15

/* More than all cannot be in use: then the range is wider, or TIME_WAIT shorter. */
#define BEYOND 1.03
enum { ALL_PORTS = 64512, SHORTER_TWO_MSL_S = 60 };

/*
 * Beyond the half-way mark a connect() looks through the half that is taken first; 520 of them a second do that with
 * 14,116 ports (measured).
 */
#define PORTS_SEARCHED_PER_S (520.0 * 14116)
/* Connections behind the mark that such an expectation weighs, and when they are enough without it: in seconds. */
#define FLIP_GUESS_S 0.3
#define FLIP_KNOWN_S 3.0
/* Fewer connections than chance would have it. */
#define SLOWED_DEVIATIONS 3.0

/* Silence (detection science, section 4): below 5 % of the demand for 2 s. It is over at 20 %. */
#define SILENT_SHARE   0.05
#define SPEAKING_SHARE 0.2
enum { SILENT_S = 2, DEMAND_S = 10, DEMAND_WITHIN_S = 120 };
#define MIN_DEMAND_PER_S 3.0

/* So full it must be that silence has this reason: as sure as the capacity is. */
#define SILENT_OCCUPANCY       0.9
#define SILENT_OCCUPANCY_KNOWN 0.97

static double opened_at_age(const struct port_use *use, uint64_t now_ns, int age)
{
	if ((uint64_t)age * PORT_USE_SLOT_NS > now_ns)
		return 0;
	const struct port_use_slot *slot = port_use_slot_at(use, now_ns - (uint64_t)age * PORT_USE_SLOT_NS);
	return slot != NULL ? slot->opened : 0;
}

static double present_share(uint64_t now_ns)
{
	return (double)(now_ns % PORT_USE_SLOT_NS) / PORT_USE_SLOT_NS;
}

/* Connections per second over the last SILENT_S. */
static double latest_rate(const struct port_use *use, uint64_t now_ns)
{
	double sum = 0;

	for (int age = 0; age < SILENT_S; age++)
		sum += opened_at_age(use, now_ns, age);
	sum += (1 - present_share(now_ns)) * opened_at_age(use, now_ns, SILENT_S);
	return sum / SILENT_S;
}

/* The highest rate over DEMAND_S within the last DEMAND_WITHIN_S. */
static double demand(const struct port_use *use, uint64_t now_ns)
{
	double sum = 0;
	double highest = 0;

	for (int age = 1; age <= DEMAND_WITHIN_S; age++) {
		sum += opened_at_age(use, now_ns, age);
		if (age > DEMAND_S)
			sum -= opened_at_age(use, now_ns, age - DEMAND_S);
		highest = fmax(highest, sum / DEMAND_S);
	}
	return highest;
}

static uint32_t span_of_ports(const struct port_use *use)
{
	uint32_t first = UINT32_MAX;
	uint32_t last = 0;

	for (int i = 0; i < PORT_USE_GROUPS; i++) {
		const struct port_use_group *group = &use->groups[i];
		if (group->opened == 0)
			continue;
		first = group->lowest < first ? group->lowest : first;
		last = group->highest > last ? group->highest : last;
	}
	return last >= first ? last - first + 1 : 0;
}

/* What was in use when the parity changed: what is now, without what came since and with what went. */
static double in_use_at_flip(const struct port_watch *watch, const struct port_use *use, uint64_t now_ns)
{
	const struct port_parity *parity = &watch->parity;
	double two_msl_s = watch->limits.two_msl_s;
	double since_s = ns_to_seconds(now_ns - parity->flip_ns);
	double waiting = port_outlook_waiting(use, watch->side, now_ns, two_msl_s);
	double freed = port_outlook_waiting(use, watch->side, now_ns, two_msl_s + since_s) - waiting;
	double opened = parity->run_opened + parity->group_opened;

	return port_use_active(use) + waiting + freed - opened;
}

/* Connections of the second in which it began to be followed: their parity was not looked at. */
static double unfollowed(const struct port_use *use)
{
	const struct port_use_slot *slot = port_use_slot_at(use, use->followed_ns);

	return use->estimated > 0 && slot != NULL ? slot->opened : 0;
}

static void learn_from_flip(struct port_watch *watch, const struct port_use *use, uint64_t now_ns)
{
	double at_flip = in_use_at_flip(watch, use, now_ns);
	double span = span_of_ports(use);
	/* What was not followed came before, and so from the first half. */
	double first_parity = (double)watch->parity.before_opened + use->estimated + unfollowed(use);
	struct port_rate before;

	port_rate_estimate(use, watch->parity.flip_ns, use->since_ns, &before);
	watch->rate_before_flip = before.per_s;
	if (first_parity < MIN_FIRST_PARITY_SHARE * at_flip || watch->limits.is_shared)
		return;
	double capacity = watch->limits.capacity;
	if (fabs(2 * at_flip / capacity - 1) < AGREES) {
		watch->is_exact = true;
	} else if (watch->limits.by_rule || (2 * at_flip > capacity && span <= capacity)) {
		return;
	} else if (span <= SAME_SPAN * 2 * at_flip) {
		/* Ranges hold as many ports of one parity as of the other. */
		watch->learned_capacity = 2 * ceil(span / 2);
		watch->is_exact = true;
	} else if (ns_to_seconds(watch->parity.flip_ns - use->since_ns) < watch->limits.two_msl_s) {
		/* Half of the ports are taken, and most of these were before anything was seen. */
		watch->unseen = capacity / 2 - at_flip;
	}
}

static void infer_limits(struct port_watch *watch, const struct port_use *use, const struct port_watch_given *given,
			 uint64_t now_ns)
{
	struct port_limits *limits = &watch->limits;

	port_limits_infer(use, now_ns, given->port_range, given->two_msl_ns, limits);
	if (watch->learned_capacity > 0 && !limits->by_rule && !limits->is_shared &&
	    span_of_ports(use) <= SAME_SPAN * watch->learned_capacity) {
		limits->capacity = watch->learned_capacity;
		limits->by_ports = true;
	}
	if (watch->learned_two_msl_s > 0 && watch->learned_two_msl_s < limits->two_msl_s)
		limits->two_msl_s = watch->learned_two_msl_s;
}

/* Whose TIME_WAITs are more; that the server's matter is known only of clients that cannot choose another tuple. */
static enum port_side side_of(const struct port_watch *watch, const struct port_use *use, uint64_t now_ns)
{
	double two_msl_s = watch->limits.two_msl_s;

	if (!watch->limits.is_shared && !watch->limits.by_rule)
		return PORT_SIDE_CLIENT;
	return port_outlook_waiting(use, PORT_SIDE_SERVER, now_ns, two_msl_s) >
			       2 * port_outlook_waiting(use, PORT_SIDE_CLIENT, now_ns, two_msl_s)
		       ? PORT_SIDE_SERVER
		       : PORT_SIDE_CLIENT;
}

/*
 * Ports taken before the sensor's time were taken at the rate that was seen afterwards, so just before it, and come
 * free 2MSL later.
 */
static double still_unseen(const struct port_watch *watch, const struct port_use *use, uint64_t now_ns)
{
	if (watch->unseen <= 0)
		return 0;
	double since_s = ns_to_seconds(now_ns > use->since_ns ? now_ns - use->since_ns : 0);
	double lasted_s = fmin(watch->unseen / fmax(watch->rate_before_flip, 1), watch->limits.two_msl_s);
	double left = (watch->limits.two_msl_s - since_s) / fmax(lasted_s, 1);

	return watch->unseen * fmin(fmax(left, 0), 1);
}

static void correct_what_cannot_be(struct port_watch *watch)
{
	watch->is_beyond_model = false;
	if (watch->outlook.in_use <= BEYOND * watch->limits.capacity)
		return;
	watch->is_exact = false;
	if (watch->limits.by_rule || watch->limits.capacity >= ALL_PORTS)
		watch->is_beyond_model = true;
	else if (watch->limits.two_msl_s > SHORTER_TWO_MSL_S)
		watch->learned_two_msl_s = SHORTER_TWO_MSL_S;
	else
		watch->learned_capacity = ALL_PORTS;
}

static void judge_silence(struct port_watch *watch, const struct port_use *use, uint64_t now_ns)
{
	bool is_known =
		watch->is_exact || watch->limits.by_rule ||
		(watch->limits.stack != PORT_STACK_OTHER && !watch->limits.is_shared && !watch->limits.by_ports);
	double full = is_known ? SILENT_OCCUPANCY_KNOWN : SILENT_OCCUPANCY;
	double latest = latest_rate(use, now_ns);

	if (watch->outlook.occupancy < full) {
		watch->silent_since_ns = 0;
		return;
	}
	if (watch->silent_since_ns == 0) {
		watch->demand_per_s = demand(use, now_ns);
		if (watch->demand_per_s >= MIN_DEMAND_PER_S && latest < SILENT_SHARE * watch->demand_per_s)
			watch->silent_since_ns = now_ns - SILENT_S * NS_PER_SEC;
	} else if (latest > SPEAKING_SHARE * watch->demand_per_s) {
		watch->silent_since_ns = 0;
	}
}

/* What the rate falls to when half of the ports are taken; 0 = it does not, as far as is known. */
static double slow_rate(const struct port_watch *watch)
{
	if (!port_parity_is_linux(&watch->parity))
		return 0;
	return PORTS_SEARCHED_PER_S / (watch->limits.capacity / 2);
}

/*
 * Behind the half-way mark, an application that the search for ports slows down is another one than before: then only
 * what came after counts. At first that is little, and what is usual of the search helps.
 */
static void judge_rate(struct port_watch *watch, const struct port_use *use, uint64_t now_ns)
{
	const struct port_parity *parity = &watch->parity;

	port_rate_estimate(use, now_ns, use->since_ns, &watch->rate);
	watch->is_slowed = false;
	if (!parity->has_flipped || watch->rate_before_flip <= 0)
		return;
	double since_s = ns_to_seconds(now_ns - parity->flip_ns);
	double opened = parity->run_opened + parity->group_opened;
	double slow = slow_rate(watch);
	double expected = watch->rate_before_flip * since_s;
	bool is_expected_slow =
		slow < watch->rate_before_flip && since_s < FLIP_KNOWN_S && opened < (slow * since_s + expected) / 2;
	watch->is_slowed = expected - opened > SLOWED_DEVIATIONS * sqrt(fmax(expected, 1));
	if (!is_expected_slow && !watch->is_slowed)
		return;
	if (since_s >= FLIP_KNOWN_S) {
		port_rate_estimate(use, now_ns, parity->flip_ns, &watch->rate);
		return;
	}
	watch->rate.per_s = (opened + slow * FLIP_GUESS_S) / (since_s + FLIP_GUESS_S);
	watch->rate.per_s2 = 0;
	watch->rate.window_s = since_s;
}

void port_watch_update(struct port_watch *watch, const struct port_use *use, const struct port_watch_given *given,
		       uint64_t now_ns)
{
	infer_limits(watch, use, given, now_ns);
	watch->side = side_of(watch, use, now_ns);
	if (port_parity_follow(&watch->parity, use, now_ns)) {
		learn_from_flip(watch, use, now_ns);
		infer_limits(watch, use, given, now_ns);
	}
	double unseen = still_unseen(watch, use, now_ns);
	if (!port_outlook_is_near(use, watch->side, now_ns, &watch->limits, unseen, &watch->outlook))
		return;
	judge_rate(watch, use, now_ns);
	bool is_behind = watch->parity.has_flipped || watch->outlook.occupancy > 0.5 + AGREES / 2;
	double slow_per_s = is_behind ? 0 : slow_rate(watch);
	port_outlook_compute(use, watch->side, now_ns, &watch->limits, &watch->rate, slow_per_s, &watch->outlook);
	correct_what_cannot_be(watch);
	judge_silence(watch, use, now_ns);
}
