/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Floods of SYNs that are refused: by a port on which nothing listens, or a host that cannot be reached. Refusals are
 * everyday: clients look for a service that has gone. So they are judged by how many more they are than usual, and by
 * who is refused.
 */
#include <math.h>

#include "tcpwitness/base/units.h"

#include "minmax.h"
#include "syn_flood.h"

/* A refusing port that once worked is dead rather than flooded, unless so many times more attempts come than usual. */
#define REFUSED_FACTOR 3.0

/* Where nothing speaks for a flood but its rate. */
#define REFUSED_RATE_FEW  100.0
#define REFUSED_RATE_MANY 20.0

/*
 * Refusals that go on when the run begins may be those of clients of a service that died long ago, who come back; from
 * so many sources alike, hardly any of them twice, they are not. When nothing was found for a while, they are usual.
 */
#define COLD_SOURCES 128
#define ACCEPTED_NS  (30 * NS_PER_SEC)
#define COLD_NS      (10 * NS_PER_SEC)

/* Of so many sources that look made up, and of so many whose looks say nothing. */
enum { MANY_SOURCES = 16, CROWD_SOURCES = 64 };

/* So much alike they are surely of one tool. */
#define ALIKE_SURE 0.85

/* Refused attempts that are usual: of clients of a service that is not there. */
static double usual_refused(const struct syn_flood_params *p, const struct syn_flood_state *state, double seconds)
{
	const struct silent_share *known = &state->refusals;
	double known_s = ns_to_seconds(known->learned_ns);

	return known_s < 1 ? 0 : p->factor * known->silent / lesser(known_s, SHARE_HALF_LIFE_S / M_LN2) * seconds;
}

/* The refusals were there when the run began, or soon after. */
static bool is_from_the_start(const struct syn_flood_state *state, const struct detect_scene *scene)
{
	return state->refused_began_ns != 0 && ns_since(state->refused_began_ns, scene->began_ns) < COLD_NS;
}

/*
 * Of the refusals of a slot, those to learn from. What the run begins with is known to nobody, and no more of it than
 * the floor is usual; nor is what no system sends.
 */
static double refusals_to_learn(const struct syn_flood_params *p, const struct syn_flood_state *state,
				const struct detect_scene *scene, uint64_t slot, double refused)
{
	uint64_t run_ns = ns_since(slot * SUMMARY_SLOT_NS, scene->began_ns);
	double seconds = ns_to_seconds(SUMMARY_SLOT_NS);

	if (state->refusals.learned_ns >= SHARE_READY_NS || refused <= 0)
		return refused;
	const struct summary_crowd *crowd = summary_crowd_now(scene->summary, CROWD_TRYING, scene->now_ns);
	if (crowd == NULL)
		crowd = summary_crowd_before(scene->summary, CROWD_TRYING, scene->now_ns);
	if (fate_raw(crowd) >= RAW_SPOOFED || (run_ns < COLD_NS && crowd == NULL))
		return 0;
	return run_ns < COLD_NS ? lesser(refused, p->refused_floor * seconds / p->factor) : refused;
}

static bool may_learn_refusals(struct syn_flood_state *state, const struct detect_scene *scene, uint64_t slot)
{
	uint64_t slot_ns = slot * SUMMARY_SLOT_NS;
	bool is_old = is_from_the_start(state, scene) && ns_since(slot_ns, scene->began_ns) >= ACCEPTED_NS;

	if (slot_ns < scene->began_ns || scene->alarm != NULL)
		return false;
	if (is_old && !state->is_accepted) {
		state->is_accepted = true;
		state->refusals = (struct silent_share){ 0 };
	}
	return is_old || state->refusals.learned_ns < SHARE_READY_NS || (!scene->is_suspicious && state->refused <= 0);
}

void syn_flood_judge_refusals(const struct syn_flood_params *p, struct syn_flood_state *state,
			      const struct detect_scene *scene)
{
	const struct syn_flood_limits limits = { p->refused_floor, p->refused_count };
	uint64_t last = fate_last_slot(scene->now_ns, REFUSED_NS);
	double seconds = ns_to_seconds(SUMMARY_SLOT_NS);
	struct fate_cohort cohort;

	for (uint64_t slot = syn_flood_first_to_judge(state->judged_refused, last, &state->refused, limits.floor);
	     slot <= last; slot++) {
		fate_of_cohort(scene->summary, slot, &cohort);
		/* To a sum that is zero nothing adds nothing. */
		if (state->refused > 0 || cohort.refused > 0) {
			double beyond = cohort.refused - usual_refused(p, state, seconds);
			state->refused = syn_flood_add_slot(state->refused, beyond, seconds, &limits);
		}
		syn_flood_note_beginning(&state->refused_began_ns, slot, state->refused);
		if (!may_learn_refusals(state, scene, slot))
			continue;
		syn_flood_learn_share(&state->refusals, seconds, cohort.attempts,
				      refusals_to_learn(p, state, scene, slot, cohort.refused));
	}
	if (last >= state->judged_refused)
		state->judged_refused = last + 1;
}

static bool is_more_than_usual(const struct syn_flood_state *state, double rate, double times)
{
	if (state->attempts.learned_ns < NS_PER_SEC)
		return true;
	return rate >= times * greater(state->attempts.mean, 1);
}

bool syn_flood_is_refused(const struct syn_flood_params *p, const struct syn_flood_state *state,
			  const struct detect_scene *scene)
{
	uint64_t last = fate_last_slot(scene->now_ns, REFUSED_NS);
	struct fate fate;

	if (state->refused < p->refused_count)
		return false;
	fate_sum(scene->summary, last >= SAMPLE_SLOTS ? last - SAMPLE_SLOTS + 1 : 0, last, &fate);
	double rate = (fate.refused + fate.unreachable) / fate.seconds;
	if (rate < p->refused_floor)
		return false;
	/* By a second alone half as much may seem as much. */
	fate_sum(scene->summary, last >= RATE_SLOTS ? last - RATE_SLOTS + 1 : 0, last, &fate);
	bool is_much = (fate.refused + fate.unreachable) / fate.seconds >= REFUSED_RATE_MANY;
	bool is_raw = state->raw >= RAW_SPOOFED && state->alike >= ALIKE;
	bool is_once = state->once >= ONCE_SPOOFED;
	bool is_alike = state->alike >= ALIKE_SURE;
	/* Peers of many kinds look for one who has left, each once. */
	bool is_made_up = is_raw || (is_once && state->sources >= MANY_SOURCES && (is_alike || is_much)) ||
			  syn_flood_is_hammered(state, rate, true);
	if (syn_flood_has_worked(scene))
		return is_made_up && is_more_than_usual(state, rate, REFUSED_FACTOR);
	if (is_from_the_start(state, scene))
		return is_raw || (is_once && is_alike && state->sources >= COLD_SOURCES) || rate >= REFUSED_RATE_FEW;
	return is_made_up || rate >= REFUSED_RATE_FEW || (state->sources >= CROWD_SOURCES && is_much);
}
