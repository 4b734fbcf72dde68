/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SYN floods against a service, or a host over its ports: attempts that never become connections (detection science,
 * sections 5 and 6, D1). What counts is what became of attempts, in cohorts, and above all the silent ones (fate.h): a
 * real client asks again after a second, a flood does not. They are judged three times. Against the target's own
 * habits as soon as its handshakes ought to be complete (pending_profile.h), which finds a strong flood within half a
 * second; after the first repetition of real clients; and after the second one, when even a busy service on a path
 * that loses has next to none left, so that a few per second are enough. Over the last two runs a one-sided CUSUM. A
 * port that refuses is judged by who is refused.
 */
#include "syn_flood.h"

#include <math.h>
#include <stddef.h>

#include "tcpwitness/base/units.h"
#include "tcpwitness/detect/detector.h"

#include "detect_internal.h"
#include "minmax.h"
#include "sensor_view.h"

/* The CUSUMs may not grow so far beyond their limits that the end of a flood would not be noticed. */
#define MAX_EXCESS 2.0

/*
 * Clients that vanish between SYN and ACK: next to none, and of many attempts more. What is not known yet counts as so
 * many attempts; what looks made up is not given that benefit.
 */
#define UNKNOWN_SHARE    0.005
#define UNKNOWN_WEIGHT   200.0
#define MADE_UP_SHARE    1e-4
#define USUAL_SHARE_MOST 0.1
#define MAX_SUM_TO_LEARN 2.0

/* So many times more attempts than usual are a crowd. */
#define CROWDED 1.5

/* Of a crowd so many leave before they are served, however rare that is otherwise; more are to be explained. */
#define CROWD_LEAVES 0.005

/*
 * SYNs again: so many per second, and so many times as many as there are attempts that a stack may still repeat, for
 * that is how long it does.
 */
#define AGAIN_RATE 100.0
#define AGAIN_NS   (2 * NS_PER_SEC)
#define ASKING_NS  (70 * NS_PER_SEC)
enum { AGAIN_TIMES = 4 };

/* So large a part of what failed at its peak. */
#define REPEATED_SHARE 0.25

/* So many without options are surely made up. Beside what comes to nothing, some may complete. */
#define RAW_SURE          0.8
#define RAW_MAX_COMPLETED 0.2

/* Fewer handshakes do not tell how long they take. */
enum { MIN_HANDSHAKES = 20 };

/* Attempts must have become more by this share of those that fail; and twice what is usual looks like a crowd. */
#define MORE_SHARE   0.5
#define CROWD_FACTOR 2.0

/* Of what is more in a crowd, some complete soon, however long the paths have become. */
#define CROWD_MAX_COMPLETED 0.1
#define CROWD_COUNTS        1.5

/* How much more alike the fingerprints have become; fewer are alike by chance. */
#define ALIKE_MORE 0.25
enum { MIN_LOOKS = 30 };

/* A flood of a whole host: over many ports, none in the lead, not from a few scanners. */
enum { HOST_MIN_PORTS = 8 };
#define HOST_MAX_LEAD 0.3

/* Fewer resets are no matter. Of more it counts when so large a part is of one client. */
enum { MIN_RESETS = 6 };
#define RESETS_MIN_LEAD 0.5

/* So many check a service at most, each so often per second; and so many of all clients give up meanwhile. */
#define CHECKERS        32.0
#define CHECKS_EACH     2.0
#define CHECKS_SEEN     2.0
#define GIVING_UP_SHARE 0.1

/* Scanners that share the work send many SYNs each; who makes up addresses sends few, or has very many. */
#define HOST_ONCE  0.5
#define HOST_CROWD 200.0

/*
 * One source that asks many ports again and again, at a rate: a scanner knows a port that refused it, and asks one that
 * is silent ten times more at most.
 */
enum { HAMMER_MIN_PORTS = 64 };
#define HAMMER_MIN_LEAD 0.5
#define HAMMER_REFUSED  3.0
#define HAMMER_SILENT   12.0

/*
 * In a crowd that overwhelms the service, some of many repetitions are missed: silent attempts per attempt whose SYN
 * was repeated in vain.
 */
#define EARLY_OF_RETRYING 0.15
#define LATE_OF_RETRYING  0.03

#define STRONG_RATE  500.0
#define TRICKLE_RATE 8.0

/* A flood goes on in a cohort in which so large a part of what failed at its peak fails. */
#define LAST_SHARE 0.05

/* Another name must fit for so long. */
#define CLASS_NS NS_PER_SEC

static const struct rule_param rows[] = {
	/* name, type, offset, least, most, default, meaning */
	{ "floor", RULE_PARAM_RATE, offsetof(struct syn_flood_params, floor), 0.1, 1e7, 1.5,
	  "silent attempts per second that are never an alarm, judged when real clients have asked twice more" },
	{ "count", RULE_PARAM_RATIO, offsetof(struct syn_flood_params, count), 1, 1000, 12,
	  "silent attempts beyond the floor and the usual, summed up, that are an alarm" },
	{ "quick_floor", RULE_PARAM_RATE, offsetof(struct syn_flood_params, quick_floor), 0.1, 1e7, 8,
	  "the same floor, judged when real clients have asked once more" },
	{ "quick_count", RULE_PARAM_RATIO, offsetof(struct syn_flood_params, quick_count), 1, 1000, 30,
	  "the same sum, judged when real clients have asked once more" },
	{ "fast_count", RULE_PARAM_RATIO, offsetof(struct syn_flood_params, fast_count), 20, 1000, 80,
	  "attempts overdue by the target's own habits that are an alarm at once" },
	{ "refused_floor", RULE_PARAM_RATE, offsetof(struct syn_flood_params, refused_floor), 0.1, 1e7, 4,
	  "refused attempts per second that are never an alarm" },
	{ "refused_count", RULE_PARAM_RATIO, offsetof(struct syn_flood_params, refused_count), 1, 1000, 16,
	  "refused attempts beyond the floor, summed up, that are an alarm if their sources look made up" },
	{ "reset_floor", RULE_PARAM_RATE, offsetof(struct syn_flood_params, reset_floor), 0, 1e7, 100,
	  "attempts per second that are reset after the SYN-ACK, by few clients each or by a tenth of all, which count "
	  "as none" },
	{ "factor", RULE_PARAM_RATIO, offsetof(struct syn_flood_params, factor), 1, 1000, 1.5,
	  "how many times the share of silent attempts that is usual for the target is no alarm" },
	{ "crowd_factor", RULE_PARAM_RATIO, offsetof(struct syn_flood_params, crowd_factor), 1, 1000, 3,
	  "the same while many more attempts come than usual" },
	{ "few_sources", RULE_PARAM_COUNT, offsetof(struct syn_flood_params, few_sources), 0, 1e6, 8,
	  "up to so many sources are few" },
	{ "few_factor", RULE_PARAM_RATIO, offsetof(struct syn_flood_params, few_factor), 1, 1000, 2,
	  "how many times higher the floors are for few sources, unless they send SYNs that no system sends" },
	{ "unproven_factor", RULE_PARAM_RATIO, offsetof(struct syn_flood_params, unproven_factor), 1, 1000, 10,
	  "how many times higher they are for few sources that try a service that never worked" },
	{ "whole_host", RULE_PARAM_FLAG, offsetof(struct syn_flood_params, whole_host), 0, 1, 1,
	  "also watch hosts over all their ports" },
	{ "host_sources", RULE_PARAM_COUNT, offsetof(struct syn_flood_params, host_sources), 1, 1e6, 32,
	  "distinct sources that must take part in a flood of a whole host" },
	{ "clear_after", RULE_PARAM_DURATION, offsetof(struct syn_flood_params, clear_after_ns), 1, 3600, 25,
	  "how long it must be quiet before the alarm is over" },
};

/* What is told now is a flood: in the alarm of a crowd, say, it has not begun. */
static bool is_told(const struct detect_scene *scene)
{
	return scene->alarm != NULL && scene->present_class == &detector_syn_flood;
}

/* --- what fails --- */

/*
 * Of attempts that the client reset after the SYN-ACK, those that count as none. Such a reset frees the server's entry
 * at once: clients that give up (some of all who come) and checks that end so (of few sources, at a walk) cost next to
 * nothing, unless they are so many that the load hurts.
 */
static double excused_resets(const struct syn_flood_params *p, const struct syn_flood_state *state, double resets,
			     double attempts, double seconds)
{
	double most = p->reset_floor * seconds;

	if (state->resets == RESETS_MEANT)
		return 0;
	if (state->resets == RESETS_OF_MANY)
		most = lesser(most, GIVING_UP_SHARE * attempts);
	return lesser(resets, most);
}

/* Silent attempts, and of those that were reset what counts; and repeated ones, in a flood that repeats its SYNs. */
static double failing_of(const struct syn_flood_params *p, const struct syn_flood_state *state, const struct fate *fate)
{
	double silent = fate->silent - excused_resets(p, state, fate->reset, fate->attempts, fate->seconds);

	return greater(silent, 0) + (state->repeats_its_syns ? fate->retrying : 0);
}

/*
 * Of a flood that was found before its SYNs were due again, attempts that are repeated are no less a part than before
 * as long as they are as many, and more than the service's own clients would be.
 */
static void watch_repeats(struct syn_flood_state *state, const struct detect_scene *scene)
{
	uint64_t last = fate_last_slot(scene->now_ns, FATE_EARLY_NS);
	struct fate fate;

	state->repeats_its_syns = false;
	if (!is_told(scene) || state->by == BY_REFUSAL)
		return;
	fate_sum(scene->summary, last >= RATE_SLOTS ? last - RATE_SLOTS + 1 : 0, last, &fate);
	state->repeats_its_syns =
		2 * fate.retrying >= fate.open && fate.open >= REPEATED_SHARE * scene->alarm->peak * fate.seconds &&
		fate.attempts >= CROWDED * state->attempts.mean * fate.seconds && 2 * fate.completed < fate.attempts;
}

/*
 * SYNs again and again from the same few ports, each of which takes one entry of the server at most: no stack asks more
 * than twice in two seconds for what is not answered, and never with another sequence number.
 */
static void count_again(struct syn_flood_state *state, const struct detect_scene *scene)
{
	const struct summary *summary = scene->summary;

	if (!state->is_again_begun) {
		if ((summary->totals[SUMMARY_SYNS_REPEATED] | summary->totals[SUMMARY_RETRIED]) == 0) {
			recent_look(&state->again, scene->now_ns);
			return;
		}
		state->is_again_begun = true;
		state->asking.looked_ns = state->again.looked_ns;
	}
	uint64_t n = recent_count(&state->again, summary->totals[SUMMARY_SYNS_REPEATED], summary->since_ns,
				  AGAIN_NS / RECENT_SLOTS, scene->now_ns);
	uint64_t asking = recent_count(&state->asking, summary->totals[SUMMARY_RETRIED], summary->since_ns,
				       ASKING_NS / RECENT_SLOTS, scene->now_ns);

	state->again_rate = (double)n / ns_to_seconds(AGAIN_NS);
	if (scene->key->kind != SUMMARY_SERVICE || state->again_rate < AGAIN_RATE || n < AGAIN_TIMES * (asking + 1))
		state->again_rate = 0;
}

/* --- what is usual --- */

static void begin_watch(struct syn_flood_state *state, const struct detect_scene *scene)
{
	uint64_t early = fate_last_slot(scene->now_ns, FATE_EARLY_NS);
	uint64_t late = fate_last_slot(scene->now_ns, FATE_LATE_NS);

	state->judged_early = early > RATE_SLOTS ? early - RATE_SLOTS : 0;
	state->judged_late = late > RATE_SLOTS ? late - RATE_SLOTS : 0;
	state->judged_refused = state->judged_early;
	baseline_begin(&state->attempts, scene->now_ns);
	baseline_begin(&state->completed, scene->now_ns);
	baseline_begin(&state->silent, scene->now_ns);
}

void syn_flood_learn_share(struct silent_share *share, double seconds, double attempts, double failing)
{
	double kept = baseline_kept(seconds);

	share->silent = share->silent * kept + failing;
	share->attempts = share->attempts * kept + attempts;
	share->learned_ns += (uint64_t)(seconds * (double)NS_PER_SEC);
}

static void teach(struct baseline *baseline, double value, bool is_doubtful, uint64_t end_ns)
{
	if (is_doubtful)
		baseline_skip(baseline, end_ns);
	else
		baseline_learn(baseline, value, end_ns);
}

/*
 * A sample a second. What is suspicious is not learned from; how much is usually silent only from what had the time to
 * ask twice more, when even a weak flood is suspicious.
 */
static void learn(const struct syn_flood_params *p, struct syn_flood_state *state, const struct detect_scene *scene,
		  uint64_t last, bool is_late)
{
	bool is_troubled = scene->is_suspicious || scene->alarm != NULL;
	uint64_t end_ns = (last + 1) * SUMMARY_SLOT_NS;
	struct fate fate;

	fate_sum(scene->summary, last >= SAMPLE_SLOTS ? last - SAMPLE_SLOTS + 1 : 0, last, &fate);
	double silent = failing_of(p, state, &fate);
	/* A slow flood must not be learned while it is told from chance. */
	bool is_doubtful = is_troubled || (is_late ? state->late : state->early) > MAX_SUM_TO_LEARN;
	if (!is_doubtful)
		syn_flood_learn_share(is_late ? &state->late_share : &state->early_share, fate.seconds, fate.attempts,
				      silent);
	if (is_late) {
		teach(&state->silent, silent / fate.seconds, is_doubtful, end_ns);
	} else {
		teach(&state->attempts, fate.attempts / fate.seconds, is_doubtful, end_ns);
		teach(&state->completed, fate.completed / fate.seconds, is_doubtful, end_ns);
	}
}

/*
 * Silent attempts that a cohort has without any flood: clients whose repetitions were not seen, and who vanish. What is
 * usual is usual for so many attempts; a crowd has more of both, and not quite in proportion.
 */
static double usual_silent(const struct syn_flood_params *p, const struct syn_flood_state *state,
			   const struct detect_scene *scene, const struct fate *fate, bool is_late)
{
	const struct silent_share *known = is_late ? &state->late_share : &state->early_share;
	double missed = fate_missed_repeats(scene);
	double unseen = fate->retried * missed * (is_late ? missed : 1);
	bool is_crowd = fate->attempts > CROWDED * state->attempts.mean * fate->seconds + 3 * sqrt(fate->attempts);
	double share = (known->silent + UNKNOWN_SHARE * UNKNOWN_WEIGHT) / (known->attempts + UNKNOWN_WEIGHT);

	if (known->learned_ns < SHARE_READY_NS)
		return unseen + (state->is_made_up ? MADE_UP_SHARE : UNKNOWN_SHARE) * fate->attempts;
	double usual = lesser(share, USUAL_SHARE_MOST) * (is_crowd ? p->crowd_factor : p->factor);

	return greater(unseen, greater(usual, is_crowd ? CROWD_LEAVES : 0) * fate->attempts);
}

/* --- the sums --- */

double syn_flood_add_slot(double sum, double beyond, double seconds, const struct syn_flood_limits *limits)
{
	sum += beyond - limits->floor * seconds;
	return lesser(greater(sum, 0), limits->count * MAX_EXCESS);
}

void syn_flood_note_beginning(uint64_t *began_ns, uint64_t slot, double sum)
{
	if (sum <= 0)
		*began_ns = 0;
	else if (*began_ns == 0)
		*began_ns = slot * SUMMARY_SLOT_NS;
}

uint64_t syn_flood_first_to_judge(uint64_t judged, uint64_t last, double *sum, double floor)
{
	if (last < judged + SUMMARY_SLOTS / 2)
		return judged;
	uint64_t first = last - SUMMARY_SLOTS / 2;
	*sum = greater(*sum - floor * ns_to_seconds((first - judged) * SUMMARY_SLOT_NS), 0);
	return first;
}

/*
 * Of a cohort of which no more is open than the floor allows, nothing is added to a sum that is zero: what fails is a
 * part of what is open.
 */
static bool is_harmless(const struct detect_scene *scene, uint64_t slot, double sum, double floor)
{
	struct fate_cohort cohort;

	if (sum > 0)
		return false;
	fate_of_cohort(scene->summary, slot, &cohort);
	return cohort.open <= floor * ns_to_seconds(SUMMARY_SLOT_NS);
}

static void add_silence(const struct syn_flood_params *p, struct syn_flood_state *state,
			const struct detect_scene *scene, const struct syn_flood_limits *limits, uint64_t slot,
			bool is_late)
{
	double *sum = is_late ? &state->late : &state->early;
	struct fate fate;

	fate_sum(scene->summary, slot, slot, &fate);
	double beyond = failing_of(p, state, &fate) - usual_silent(p, state, scene, &fate, is_late);
	*sum = syn_flood_add_slot(*sum, beyond, fate.seconds, limits);
}

static void judge_silence(const struct syn_flood_params *p, struct syn_flood_state *state,
			  const struct detect_scene *scene, bool is_late)
{
	const struct syn_flood_limits limits = { is_late ? p->floor : p->quick_floor,
						 is_late ? p->count : p->quick_count };
	uint64_t last = fate_last_slot(scene->now_ns, is_late ? FATE_LATE_NS : FATE_EARLY_NS);
	uint64_t *judged = is_late ? &state->judged_late : &state->judged_early;
	double *sum = is_late ? &state->late : &state->early;
	uint64_t *began_ns = is_late ? &state->late_began_ns : &state->early_began_ns;

	for (uint64_t slot = syn_flood_first_to_judge(*judged, last, sum, limits.floor); slot <= last; slot++) {
		if (!is_harmless(scene, slot, *sum, limits.floor))
			add_silence(p, state, scene, &limits, slot, is_late);
		syn_flood_note_beginning(began_ns, slot, *sum);
		if (slot % SAMPLE_SLOTS == 0)
			learn(p, state, scene, slot, is_late);
	}
	if (last >= *judged)
		*judged = last + 1;
}

/* --- who they are --- */

/* Those who try look like those who came before: a crowd is not to be told from a flood by its looks. */
static bool looks_as_usual(const struct summary_crowd *now, const struct summary_crowd *before)
{
	if (now == NULL || now->connections < MIN_LOOKS)
		return true;
	return before != NULL && fate_alike(now) < fate_alike(before) + ALIKE_MORE &&
	       fate_raw(now) < fate_raw(before) + ALIKE_MORE;
}

/* Those who tried of late, as long as they were not the flood itself. */
static const struct summary_crowd *trying_before(const struct detect_scene *scene)
{
	return summary_crowd_before(scene->summary, CROWD_TRYING, scene->now_ns);
}

/* By whom attempts are reset, a tool, health checkers, or clients. */
static void measure_resets(struct syn_flood_state *state, const struct detect_scene *scene)
{
	uint64_t last = scene->now_ns / SUMMARY_SLOT_NS;
	struct fate_leaders leaders;
	struct fate fate = { 0 };

	/* Cohorts have no more of them than all time. */
	if (scene->summary->totals[SUMMARY_CLIENT_RESET] >= MIN_RESETS)
		fate_sum(scene->summary, last >= HOT_SLOTS ? last - HOT_SLOTS + 1 : 0, last, &fate);
	if (fate.reset < MIN_RESETS) {
		if (scene->alarm == NULL)
			state->resets = RESETS_OF_MANY;
		return;
	}
	const struct summary_crowd *crowd = fate_crowd(scene);
	if (crowd == NULL)
		return;
	fate_leaders(crowd, &leaders);
	double sources = summary_crowd_sources(crowd);
	bool are_few = sources <= CHECKERS && fate.reset / fate.seconds <= CHECKS_EACH * sources;
	bool is_each_seen_again = (double)crowd->connections >= CHECKS_SEEN * sources;
	if (leaders.source >= RESETS_MIN_LEAD || fate_raw(crowd) >= RAW_SPOOFED)
		state->resets = RESETS_MEANT;
	else if (are_few && is_each_seen_again)
		state->resets = RESETS_OF_CHECKS;
	else if (!are_few || state->resets == RESETS_MEANT)
		state->resets = RESETS_OF_MANY;
}

static void measure_crowd(struct syn_flood_state *state, const struct detect_scene *scene)
{
	const struct summary_crowd *crowd = fate_crowd(scene);
	struct fate_leaders leaders;

	if (crowd == NULL)
		return;
	fate_leaders(crowd, &leaders);
	state->sources = summary_crowd_sources(crowd);
	state->once = fate_once_of(crowd, state->sources);
	state->alike = fate_alike(crowd);
	state->raw = fate_raw(crowd);
	state->top_share = leaders.source;
	state->top_ip = leaders.source_ip;
	state->port_share = leaders.port;
	double ports = summary_crowd_ports(crowd);
	state->repeats = ports >= HAMMER_MIN_PORTS && leaders.source >= HAMMER_MIN_LEAD && leaders.port <= HOST_MAX_LEAD
				 ? leaders.source * (double)crowd->connections / ports
				 : 0;
	state->is_made_up = state->raw >= RAW_SPOOFED || !looks_as_usual(crowd, trying_before(scene));
}

/* Answers that the sensor cannot have seen are no silence of the server's. */
static double unanswered_share(const struct detect_scene *scene, double unanswered, double attempts)
{
	if (evidence_one_way(scene->summary) || sensor_view_is_one_way(scene->view))
		return 0;
	return fate_share(unanswered - greater(sensor_view_lost_share(scene->view), 0) * attempts, attempts);
}

/* All figures are of one window of cohorts, first .. last: what fails is part of what was tried. */
static void measure_window(const struct syn_flood_params *p, struct syn_flood_state *state,
			   const struct detect_scene *scene, uint64_t first, uint64_t last, bool is_late)
{
	bool refused = state->by == BY_REFUSAL;
	struct fate fate;

	fate_sum(scene->summary, first, last, &fate);
	double usual = usual_silent(p, state, scene, &fate, is_late);
	double silent = failing_of(p, state, &fate);
	double failing = refused ? fate.refused + fate.unreachable : greater(silent - usual, 0);
	state->rate = failing / fate.seconds;
	state->usual_rate = refused ? 0 : lesser(usual, silent) / fate.seconds;
	state->allowed_rate = refused ? 0 : usual / fate.seconds;
	state->attempts_rate = fate.attempts / fate.seconds;
	state->completed_rate = fate.completed / fate.seconds;
	state->completed_share = fate_share(fate.completed, fate.attempts);
	state->unanswered_share =
		unanswered_share(scene, fate.attempts - fate.answered - fate.refused - fate.unreachable, fate.attempts);
	/* Of those that count. */
	double excused = refused ? 0 : excused_resets(p, state, fate.reset, fate.attempts, fate.seconds);
	state->reset_share = fate_share(fate.reset - excused, failing);
	state->retrying_share = fate_share(fate.retrying, fate.open);
	state->retrying_rate = fate.retrying / fate.seconds;
}

/* Over the last cohorts that are old enough, but not over those before the trouble began. */
static void measure_rates(const struct syn_flood_params *p, struct syn_flood_state *state,
			  const struct detect_scene *scene)
{
	uint64_t last = fate_last_slot(scene->now_ns, state->by == BY_REFUSAL ? REFUSED_NS : FATE_EARLY_NS);
	uint64_t began = state->began_ns / SUMMARY_SLOT_NS;
	uint64_t first = last >= RATE_SLOTS ? last - RATE_SLOTS + 1 : 0;

	if (began > first)
		first = began < last ? began : last;
	measure_window(p, state, scene, first, last, false);
}

bool syn_flood_has_worked(const struct detect_scene *scene)
{
	return scene->summary->totals[SUMMARY_COMPLETED] > 0;
}

/* How many times higher the floors are for those who took part. */
static double doubt(const struct syn_flood_params *p, const struct syn_flood_state *state,
		    const struct detect_scene *scene)
{
	bool is_few = state->sources <= (double)p->few_sources + 0.5;

	if (state->raw >= RAW_SPOOFED)
		return 1;
	if (is_few)
		return syn_flood_has_worked(scene) ? p->few_factor : p->unproven_factor;
	return syn_flood_has_worked(scene) ? 1 : p->few_factor;
}

bool syn_flood_is_hammered(const struct syn_flood_state *state, double rate, bool is_refused)
{
	return rate >= STRONG_RATE && state->repeats >= (is_refused ? HAMMER_REFUSED : HAMMER_SILENT);
}

/* A host is flooded as such when no port leads, and it is no scan. */
static bool is_spread(const struct syn_flood_params *p, const struct syn_flood_state *state,
		      const struct detect_scene *scene)
{
	const struct summary_crowd *crowd = fate_crowd(scene);

	if (!p->whole_host || scene->n_alarms_below > 0 || crowd == NULL)
		return false;
	if (syn_flood_is_hammered(state, state->rate, state->by == BY_REFUSAL))
		return true;
	return summary_crowd_ports(crowd) >= HOST_MIN_PORTS && state->port_share <= HOST_MAX_LEAD &&
	       state->top_share <= HOST_MAX_LEAD && state->sources >= (double)p->host_sources &&
	       (state->once >= HOST_ONCE || state->sources >= HOST_CROWD);
}

/* --- the three judgements, and refusal --- */

/* The figures after the second repetition, if more fails by them. */
static void measure_late(const struct syn_flood_params *p, struct syn_flood_state *state,
			 const struct detect_scene *scene)
{
	uint64_t last = fate_last_slot(scene->now_ns, FATE_LATE_NS);
	uint64_t first = last >= HOT_SLOTS ? last - HOT_SLOTS + 1 : 0;
	struct fate fate;

	fate_sum(scene->summary, first, last, &fate);
	if (failing_of(p, state, &fate) - usual_silent(p, state, scene, &fate, true) > state->rate * fate.seconds)
		measure_window(p, state, scene, first, last, true);
}

/* The latest cohorts that can be judged still have silent attempts: of what is over, late ones say nothing new. */
static bool goes_on(const struct syn_flood_params *p, const struct syn_flood_state *state,
		    const struct detect_scene *scene)
{
	uint64_t last = fate_last_slot(scene->now_ns, FATE_EARLY_NS);
	struct fate fate;

	fate_sum(scene->summary, last >= RATE_SLOTS ? last - RATE_SLOTS + 1 : 0, last, &fate);
	return failing_of(p, state, &fate) / fate.seconds >= p->floor / 2;
}

static bool is_silence_flood(const struct syn_flood_params *p, struct syn_flood_state *state,
			     const struct detect_scene *scene)
{
	double times = doubt(p, state, scene);

	if (state->early >= p->quick_count &&
	    state->rate >= greater(times * p->quick_floor, EARLY_OF_RETRYING * state->retrying_rate))
		return true;
	if (state->late < p->count)
		return false;
	/* What is usual after one repetition hides a weak flood, which the second one shows. */
	if (scene->alarm == NULL || goes_on(p, state, scene))
		measure_late(p, state, scene);
	return state->rate >= greater(times * p->floor, LATE_OF_RETRYING * state->retrying_rate);
}

/*
 * So many SYNs as no system sends them, to one port, and hardly a handshake among them: no need to wait for what
 * becomes of them. A scanner sends one to a port, not a hundred.
 */
static bool is_raw_flood(const struct syn_flood_params *p, const struct syn_flood_state *state,
			 const struct detect_scene *scene, struct pending_excess *excess)
{
	uint64_t last = scene->now_ns / SUMMARY_SLOT_NS;
	uint64_t first = last >= 1 ? last - 1 : 0;
	struct fate fate;

	if (scene->key->kind != SUMMARY_SERVICE)
		return false;
	/* As a rule there are not so many: who they are is in memory that nobody else needs now. */
	double attempts = (double)summary_cohort(scene->summary, SUMMARY_ATTEMPTS, last);
	if (first < last)
		attempts += (double)summary_cohort(scene->summary, SUMMARY_ATTEMPTS, first);
	if (attempts < p->fast_count)
		return false;
	fate_sum(scene->summary, first, last, &fate);
	const struct summary_crowd *crowd = summary_crowd_now(scene->summary, CROWD_TRYING, scene->now_ns);
	if (crowd == NULL || (double)crowd->connections < p->fast_count || fate_raw(crowd) < RAW_SURE)
		return false;
	double seconds = lesser(ns_to_seconds(ns_since(scene->now_ns, first * SUMMARY_SLOT_NS)), fate.seconds);
	if (fate.completed > RAW_MAX_COMPLETED * fate.attempts ||
	    fate.attempts < CROWD_FACTOR * state->attempts.mean * seconds)
		return false;
	*excess = (struct pending_excess){
		.seconds = greater(seconds, 0.05),
		.attempts = fate.attempts,
		.pending = fate.open,
		.excess = fate.attempts - fate.completed,
		.answered = fate.waiting + fate.reset,
		.reset = fate.reset,
		.completed = fate.completed,
		.first = first,
	};
	return true;
}

/* Of what is pending. */
static void excuse_resets(const struct syn_flood_params *p, const struct syn_flood_state *state,
			  struct pending_excess *excess)
{
	double excused = excused_resets(p, state, excess->reset, excess->attempts, excess->seconds);

	excess->excess -= excused;
	excess->pending -= excused;
	excess->answered -= excused;
	excess->reset -= excused;
	if (excess->excess < p->fast_count)
		excess->excess = 0;
}

/*
 * Whether it is known how long handshakes with the target take. Paths may all be slow (satellites: 0.6 s and more), so
 * that where none was seen nothing is overdue before attempts would have been repeated, unless they come as fast as
 * floods do and look made up.
 */
static bool knows_handshakes(const struct syn_flood_state *state, const struct detect_scene *scene,
			     const struct pending_excess *excess)
{
	const struct summary_crowd *now = summary_crowd_now(scene->summary, CROWD_TRYING, scene->now_ns);
	uint64_t n = 0;

	for (int i = 0; i < SUMMARY_RTT_BUCKETS; i++)
		n += scene->summary->handshakes[i];
	if (n >= MIN_HANDSHAKES)
		return true;
	/* The slot in which it began is one of a part only. */
	return excess->attempts >= 0.8 * STRONG_RATE * excess->seconds &&
	       (state->is_made_up || (fate_alike(now) >= ALIKE && fate_once(now) >= ONCE_SPOOFED));
}

/* Overdue by the target's own habits, and neither a crowd whose handshakes take longer nor a server that just died. */
static bool is_pending_flood(const struct syn_flood_params *p, struct syn_flood_state *state,
			     const struct detect_scene *scene, struct pending_excess *excess)
{
	pending_profile_excess(&state->profile, scene->summary,
			       syn_flood_has_worked(scene) ? scene->summary : scene->sensor, scene->now_ns,
			       p->fast_count, excess);
	excuse_resets(p, state, excess);
	if (excess->excess <= 0 || !knows_handshakes(state, scene, excess))
		return false;
	const struct summary_crowd *now = summary_crowd_now(scene->summary, CROWD_TRYING, scene->now_ns);
	const struct summary_crowd *before = summary_crowd_before(scene->summary, CROWD_TRYING, scene->now_ns);
	bool is_known = state->attempts.learned_ns >= NS_PER_SEC;
	double usual = state->attempts.mean * excess->seconds;
	double more = excess->attempts - usual;
	if (is_known && more < MORE_SHARE * excess->excess - 3 * sqrt(excess->attempts))
		return false;
	if (excess->reset >= MORE_SHARE * excess->excess)
		return true;
	bool is_raw = now != NULL && now->connections >= MIN_LOOKS && fate_raw(now) >= RAW_SPOOFED &&
		      fate_alike(now) >= ALIKE;
	if (is_raw)
		return true;
	bool is_ignored = excess->answered >= MORE_SHARE * excess->excess;
	bool is_crowd_like = is_known && excess->attempts >= CROWD_FACTOR * usual && looks_as_usual(now, before);
	if (is_crowd_like)
		return is_ignored && excess->completed <= usual + CROWD_MAX_COMPLETED * more &&
		       excess->excess >= CROWD_COUNTS * p->fast_count;
	if (is_ignored)
		return true;
	return now != NULL && !looks_as_usual(now, before) && fate_alike(now) >= ALIKE &&
	       fate_once(now) >= ONCE_SPOOFED;
}

static void take_pending(const struct syn_flood_params *p, struct syn_flood_state *state,
			 const struct detect_scene *scene, const struct pending_excess *excess)
{
	/* What looks made up need not wait for answers, and these may have been refusals. */
	state->by = 2 * excess->pending < excess->excess ? BY_REFUSAL : BY_PENDING;
	state->rate = excess->excess / excess->seconds;
	state->usual_rate = 0;
	state->attempts_rate = excess->attempts / excess->seconds;
	state->completed_rate = excess->completed / excess->seconds;
	state->completed_share = fate_share(excess->completed, excess->attempts);
	state->unanswered_share = unanswered_share(scene, excess->pending - excess->answered, excess->attempts);
	state->reset_share = fate_share(excess->reset, excess->excess);
	state->retrying_share = 0;
	state->threshold = p->fast_count / excess->seconds;
}

/* --- the finding --- */

static bool is_still_hot(const struct syn_flood_params *p, const struct syn_flood_state *state,
			 const struct detect_scene *scene)
{
	uint64_t last = fate_last_slot(scene->now_ns, FATE_EARLY_NS);
	struct fate fate;

	fate_sum(scene->summary, last >= HOT_SLOTS ? last - HOT_SLOTS + 1 : 0, last, &fate);
	double usual = usual_silent(p, state, scene, &fate, false) / fate.seconds;
	double silent = failing_of(p, state, &fate) / fate.seconds;
	if (silent - usual >= p->floor / 2 + 2 * sqrt(usual / fate.seconds))
		return true;
	return state->by == BY_REFUSAL && (fate.refused + fate.unreachable) / fate.seconds >= p->refused_floor / 2;
}

/* When it went on last: the end of the last cohort that can be judged and has a part of what failed at the peak. */
static uint64_t last_seen_ns(const struct syn_flood_params *p, const struct syn_flood_state *state,
			     const struct detect_scene *scene)
{
	uint64_t last = fate_last_slot(scene->now_ns, state->by == BY_REFUSAL ? REFUSED_NS : FATE_EARLY_NS);
	double least = greater(p->floor, LAST_SHARE * (is_told(scene) ? scene->alarm->peak : state->rate));
	struct fate fate;

	if (state->by == BY_PENDING || state->again_rate > 0)
		return scene->now_ns;
	for (uint64_t slot = last; slot > 0 && slot + HOT_SLOTS > last; slot--) {
		fate_sum(scene->summary, slot, slot, &fate);
		double failing =
			state->by == BY_REFUSAL ? fate.refused + fate.unreachable : failing_of(p, state, &fate);
		if (failing >= least * fate.seconds)
			return (slot + 1) * SUMMARY_SLOT_NS;
	}
	return 1;
}

static uint8_t severity(const struct syn_flood_state *state)
{
	bool is_starved = baseline_ready(&state->completed) && state->completed.mean >= 1 &&
			  state->completed_rate < state->completed.mean / 2;

	if (state->by == BY_REFUSAL || state->by == BY_AGAIN)
		return state->rate + state->again_rate >= STRONG_RATE ? 1 : 2;
	if (state->completed_share < 0.3 || state->unanswered_share > 0.3 || is_starved || state->listener.is_full)
		return 1;
	return state->listener.backlog > 0 && state->listener.half_open_now > state->listener.backlog / 2 ? 1 : 2;
}

static double score(const struct syn_flood_state *state)
{
	double fit = 0.55;

	if (state->once >= ONCE_SPOOFED || state->raw >= RAW_SPOOFED || state->alike >= ALIKE)
		fit += 0.15;
	if (state->completed_share < 0.5)
		fit += 0.1;
	if (state->rate >= 50 || state->listener.is_full || state->reset_share > 0.3)
		fit += 0.1;
	fit -= 0.4 * state->retrying_share;
	if (state->by == BY_SILENCE && state->rate < TRICKLE_RATE)
		fit = lesser(fit, 0.5);
	return greater(fit, 0.05);
}

static const char *class_now(const struct syn_flood_state *state)
{
	if (state->reset_share >= 0.3 || state->top_share >= 0.5 || state->by == BY_AGAIN)
		return "direct_syn_flood";
	if (state->by == BY_REFUSAL)
		return "refused_syn_flood";
	if (state->listener.cookies == ALERT_COOKIES_YES)
		return "cookies_syn_flood";
	if (state->listener.is_silent)
		return "queue_full_syn_flood";
	return state->once >= 0.5 || state->raw >= RAW_SPOOFED ? "spoofed_syn_flood" : "direct_syn_flood";
}

/* What it is called it stays, unless it looks otherwise for a while; and when it ends it looks like nothing. */
static const char *class_name(struct syn_flood_state *state, const struct detect_scene *scene, bool is_alarming)
{
	const char *now = class_now(state);

	if (!is_told(scene) || state->class_name == NULL)
		state->class_name = now;
	if (now == state->class_name || !is_alarming)
		state->class_since_ns = scene->now_ns;
	else if (ns_since(scene->now_ns, state->class_since_ns) >= CLASS_NS)
		state->class_name = now;
	return state->class_name;
}

static double confidence(const struct syn_flood_state *state, const struct detect_scene *scene)
{
	double level = state->rate + state->usual_rate + state->again_rate;
	double sure = 1 - 0.4 * lesser(state->threshold / greater(level, state->threshold), 1);

	if (!baseline_ready(&state->attempts))
		sure *= 0.95;
	return sure * (1 - 0.5 * state->retrying_share) * sensor_view_confidence(scene->view);
}

/* 0 = none */
static uint64_t earliest(uint64_t a, uint64_t b)
{
	if (a == 0 || b == 0)
		return a + b;
	return a < b ? a : b;
}

/*
 * By what found it: a SYN or two that came to nothing before have raised another sum, and are no part of it. What is
 * found at once may have gone on for a while, more slowly.
 */
static uint64_t began_of(const struct syn_flood_params *p, const struct syn_flood_state *state, uint8_t by,
			 const struct pending_excess *excess)
{
	if (by == BY_AGAIN)
		return 0;
	if (by == BY_REFUSAL)
		return state->refused_began_ns;
	if (by == BY_PENDING)
		return earliest(excess->first * SUMMARY_SLOT_NS,
				state->early >= p->quick_count / 2 ? state->early_began_ns : 0);
	return state->early >= p->quick_count ? state->early_began_ns : state->late_began_ns;
}

static void decide(const struct syn_flood_params *p, struct syn_flood_state *state, const struct detect_scene *scene,
		   struct finding *finding)
{
	bool is_host = scene->key->kind == SUMMARY_HOST;
	struct pending_excess excess;
	uint8_t by = BY_NOTHING;

	measure_rates(p, state, scene);
	bool is_pending = is_pending_flood(p, state, scene, &excess) || is_raw_flood(p, state, scene, &excess);
	bool is_doubtful = is_pending || state->early > 0 || state->late > 0 || state->refused > 0;
	if (is_doubtful || scene->alarm != NULL)
		measure_crowd(state, scene);
	if (is_silence_flood(p, state, scene))
		by = BY_SILENCE;
	else if (is_pending)
		by = BY_PENDING;
	else if (syn_flood_is_refused(p, state, scene))
		by = BY_REFUSAL;
	else if (state->again_rate > 0)
		by = BY_AGAIN;
	if (by != BY_NOTHING)
		state->by = by;
	if (by != BY_NOTHING && !is_told(scene))
		state->began_ns = began_of(p, state, by, &excess);
	if (by == BY_PENDING)
		take_pending(p, state, scene, &excess);
	else if (by == BY_REFUSAL)
		measure_rates(p, state, scene);
	if (by == BY_AGAIN)
		state->threshold = AGAIN_RATE;
	else if (by != BY_PENDING)
		state->threshold = state->by == BY_REFUSAL ? p->refused_floor
							   : doubt(p, state, scene) * p->floor + state->allowed_rate;

	finding->is_alarming = by != BY_NOTHING && !scene->is_alarm_above && (!is_host || is_spread(p, state, scene));
	/* Of nothing that is told, or is to be, nobody asks whether it is over. */
	if (finding->is_alarming || scene->alarm != NULL)
		finding->is_hot = by == BY_PENDING || state->again_rate > 0 || is_still_hot(p, state, scene);
	finding->is_suspicious = excess.excess > 0 || state->early > p->quick_count / 4 || state->late > p->count / 3 ||
				 state->refused > p->refused_count / 2;
}

static void find(const void *params, const struct detect_scene *scene, void *target, struct finding *finding)
{
	const struct syn_flood_params *p = params;
	struct syn_flood_state *state = target;

	if (state->judged_early == 0)
		begin_watch(state, scene);
	pending_profile_learn(&state->profile, scene->summary, scene->now_ns);
	if (scene->key->kind == SUMMARY_SERVICE)
		listener_judge(&state->listener, scene);
	measure_resets(state, scene);
	watch_repeats(state, scene);
	count_again(state, scene);
	judge_silence(p, state, scene, false);
	judge_silence(p, state, scene, true);
	syn_flood_judge_refusals(p, state, scene);
	if (!is_told(scene)) {
		state->began_ns =
			earliest(earliest(state->early_began_ns, state->late_began_ns), state->refused_began_ns);
		if (state->began_ns == 0)
			state->by = BY_NOTHING;
	}
	decide(p, state, scene, finding);

	finding->score = score(state);
	finding->level = state->rate + state->usual_rate + state->again_rate;
	finding->baseline = state->silent.mean;
	finding->threshold = state->threshold;
	finding->extent = state->sources;
	finding->confidence = confidence(state, scene);
	finding->severity = fate_worst(scene, severity(state));
	finding->began_ns = state->began_ns;
	if (finding->is_alarming || scene->alarm != NULL)
		finding->seen_ns = last_seen_ns(p, state, scene);
	finding->is_immediate = state->rate >= STRONG_RATE;
	finding->clear_after_ns = p->clear_after_ns;
	finding->class_name = class_name(state, scene, finding->is_alarming);
}

static const char *const class_names[] = { "spoofed_syn_flood",    "direct_syn_flood",  "cookies_syn_flood",
					   "queue_full_syn_flood", "refused_syn_flood", NULL };

const struct detector detector_syn_flood = {
	.name = "syn_flood",
	.text = "attempts to connect to a service, or to a host over its ports, that never become connections",
	.default_signature_id = 1000001,
	.default_severity = 1,
	.default_signature = "TCPWITNESS SYN flood on a service",
	.default_category = "Attempted Denial of Service",
	.default_mitre_technique = "T1499.001",
	.default_mitre_tactic = "Impact",
	.params = rows,
	.n_params = sizeof(rows) / sizeof(rows[0]),
	.params_bytes = sizeof(struct syn_flood_params),
	.kinds = 1 << SUMMARY_SERVICE | 1 << SUMMARY_HOST,
	.class_names = class_names,
	.group = INCIDENT_SERVICE,
	.trouble = TROUBLE_SYN_FLOOD,
	.behind = CROWD_FAILING,
	.target_bytes = (sizeof(struct syn_flood_state) + 7) / 8 * 8,
	.find = find,
	.explain = syn_flood_explain,
};
