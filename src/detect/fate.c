/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What became of attempts, and how alike those look who made them: see fate.h.
 */
#include "fate.h"

#include <stdio.h>

#include "tcpwitness/base/word.h"

#include "evidence.h"
#include "minmax.h"
#include "sensor_view.h"

/* On a path that loses 2 % of segments; and where more is lost, what the sensor itself finds is missing. */
#define MISSED_REPEATS_LEAST 0.03
#define MISSED_REPEATS_MOST  0.5

/* Not all that the sensor misses shows as missing. */
#define UNSEEN_WEIGHT 1.5

/* What one source sends at least that stands for all. */
#define MAIN_SHARE 0.5

/* Fewer say nothing of a crowd. */
enum { MIN_CROWD = 12 };

static double not_negative(double value)
{
	return greater(value, 0);
}

/* Of cohorts: less than a signed word holds, of which it takes one instruction. */
static double figure(uint64_t count)
{
	return (double)(int64_t)count;
}

void fate_sum(const struct summary *summary, uint64_t first, uint64_t last, struct fate *fate)
{
	uint64_t counts[SUMMARY_COHORT_COUNTERS];

	double seconds = ns_to_seconds((last - first + 1) * SUMMARY_SLOT_NS);
	if (!summary_sum(summary, first, last, counts)) {
		*fate = (struct fate){ .seconds = seconds };
		return;
	}
	*fate = (struct fate){
		.seconds = seconds,
		.attempts = figure(counts[SUMMARY_ATTEMPTS]),
		.answered = figure(counts[SUMMARY_ANSWERED]),
		.completed = figure(counts[SUMMARY_COMPLETED]),
		.refused = figure(counts[SUMMARY_REFUSED]),
		.unreachable = figure(counts[SUMMARY_UNREACHABLE]),
		.reset = figure(counts[SUMMARY_CLIENT_RESET]),
		.repeaters = not_negative(figure(counts[SUMMARY_SYNACK_REPEATERS]) -
					  figure(counts[SUMMARY_REPEATERS_ENDED])),
		.bare = figure(counts[SUMMARY_BARE_SYNACKS]),
		.retried = figure(counts[SUMMARY_RETRIED]),
	};
	double retrying = not_negative(fate->retried - figure(counts[SUMMARY_RETRIED_SETTLED]));
	fate->open = not_negative(fate->attempts - fate->completed - fate->refused - fate->unreachable);
	fate->retrying = lesser(retrying, fate->open);
	fate->silent = fate->open - fate->retrying;
	fate->waiting = not_negative(fate->answered - figure(counts[SUMMARY_HALF_OPEN_ENDED]));
	fate->ignored = not_negative(fate->waiting - fate->repeaters);
}

void fate_of_only_cohort(const struct summary *summary, uint64_t slot, struct fate_cohort *cohort)
{
	cohort->attempts = (double)summary_cohort(summary, SUMMARY_ATTEMPTS, slot);
	cohort->refused = (double)(summary_cohort(summary, SUMMARY_REFUSED, slot) +
				   summary_cohort(summary, SUMMARY_UNREACHABLE, slot));
	cohort->open = not_negative(cohort->attempts - cohort->refused -
				    (double)summary_cohort(summary, SUMMARY_COMPLETED, slot));
}

uint64_t fate_last_slot(uint64_t now_ns, uint64_t age_ns)
{
	uint64_t n_slots = ns_since(now_ns, age_ns) / SUMMARY_SLOT_NS;

	return n_slots > 0 ? n_slots - 1 : 0;
}

double fate_share(double part, double whole)
{
	return whole <= 0 ? 0 : lesser(not_negative(part / whole), 1);
}

double fate_missed_repeats(const struct detect_scene *scene)
{
	double lost = sensor_view_lost_share(scene->view);

	return lesser(MISSED_REPEATS_LEAST + UNSEEN_WEIGHT * greater(lost, 0), MISSED_REPEATS_MOST);
}

double fate_alike(const struct summary_crowd *crowd)
{
	double all = 0;
	double most = 0;
	uint32_t counts[SUMMARY_FINGERPRINTS];

	if (crowd == NULL)
		return 0;
	summary_crowd_fingerprints(crowd, counts);
	for (int i = 0; i < SUMMARY_FINGERPRINTS; i++) {
		all += counts[i];
		most = greater(most, counts[i]);
	}
	return fate_share(most, all);
}

double fate_once(const struct summary_crowd *crowd)
{
	return crowd == NULL ? 0 : fate_once_of(crowd, summary_crowd_sources(crowd));
}

double fate_once_of(const struct summary_crowd *crowd, double sources)
{
	return fate_share(sources, (double)crowd->connections);
}

double fate_raw(const struct summary_crowd *crowd)
{
	double raw = 0;

	if (crowd == NULL)
		return 0;
	for (unsigned i = 0; i < crowd->n_sampled; i++)
		raw += summary_crowd_sampled(crowd, i)->syn_layout == 0;
	return fate_share(raw, crowd->n_sampled);
}

/* Differs only where the addresses do. */
static uint64_t word_of(const struct ip_addr *address)
{
	return word_load64(address->bytes) ^ word_rotate64(word_load64(address->bytes + 8), 32);
}

enum sampled_part { SAMPLED_SOURCE, SAMPLED_SERVER, SAMPLED_PORT };

static uint64_t part_word(const struct summary_sampled *sampled, enum sampled_part part)
{
	if (part == SAMPLED_PORT)
		return sampled->server_port;
	return word_of(part == SAMPLED_SOURCE ? &sampled->client : &sampled->server);
}

/* Given that their words are the same. */
static bool is_alike(const struct summary_sampled *a, const struct summary_sampled *b, enum sampled_part part)
{
	if (part == SAMPLED_PORT)
		return true;
	return part == SAMPLED_SOURCE ? ip_addr_equal(&a->client, &b->client) : ip_addr_equal(&a->server, &b->server);
}

/* The rank of the first of those that are most alike, and their share. */
static unsigned find_leader(const struct summary_crowd *crowd, unsigned n, enum sampled_part part, double *share)
{
	uint64_t words[SUMMARY_SAMPLE];
	unsigned alike[SUMMARY_SAMPLE] = { 0 }; /* counted at the first of them */
	unsigned leader = 0;

	for (unsigned i = 0; i < n; i++) {
		const struct summary_sampled *sampled = summary_crowd_sampled(crowd, i);
		unsigned first = 0;
		words[i] = part_word(sampled, part);
		while (first < i &&
		       (words[first] != words[i] || !is_alike(summary_crowd_sampled(crowd, first), sampled, part)))
			first++;
		alike[first]++;
	}
	for (unsigned i = 1; i < n; i++)
		if (alike[i] > alike[leader])
			leader = i;
	*share = fate_share(alike[leader], n);
	return leader;
}

void fate_leaders(const struct summary_crowd *crowd, struct fate_leaders *leaders)
{
	unsigned n = crowd != NULL ? crowd->n_sampled : 0;

	*leaders = (struct fate_leaders){ 0 };
	if (n == 0)
		return;
	unsigned source = find_leader(crowd, n, SAMPLED_SOURCE, &leaders->source);
	leaders->source_ip = summary_crowd_sampled(crowd, source)->client;
	find_leader(crowd, n, SAMPLED_SERVER, &leaders->server);
	find_leader(crowd, n, SAMPLED_PORT, &leaders->port);
	leaders->n = n;
}

const struct summary_crowd *fate_crowd(const struct detect_scene *scene)
{
	const struct summary_crowd *failing = scene->crowd[CROWD_FAILING];

	if (failing != NULL && failing->connections >= MIN_CROWD)
		return failing;
	failing = summary_crowd_now(scene->summary, CROWD_FAILING, scene->now_ns);
	if (failing != NULL && failing->connections >= MIN_CROWD)
		return failing;
	const struct summary_crowd *before = summary_crowd_before(scene->summary, CROWD_FAILING, scene->now_ns);
	if (before != NULL && before->connections >= MIN_CROWD)
		return before;
	return summary_crowd_now(scene->summary, CROWD_TRYING, scene->now_ns);
}

uint8_t fate_worst(const struct detect_scene *scene, uint8_t severity)
{
	if (scene->alarm == NULL || scene->alarm->written.severity == 0 || scene->alarm->written.severity > 2)
		return severity;
	return scene->alarm->written.severity < severity ? scene->alarm->written.severity : severity;
}

const char *fate_sources(const struct event_alert *alert, char text[static FATE_SOURCES_BYTES])
{
	if (alert->n_top_sources > 0 && alert->top_sources[0].share >= MAIN_SHARE)
		return ip_addr_format(&alert->top_sources[0].ip, text);
	if (alert->sources_distinct == 0) {
		snprintf(text, FATE_SOURCES_BYTES, "sources not counted yet");
		return text;
	}
	return evidence_sources((double)alert->sources_distinct, text);
}
