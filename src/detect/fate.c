/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What became of attempts, and how alike those look who made them: see fate.h.
 */
#include "fate.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "evidence.h"
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

/* As fmax and fmin, which are calls: nothing here is NaN. */
static double not_negative(double value)
{
	return value > 0 ? value : 0;
}

static double lesser(double a, double b)
{
	return a < b ? a : b;
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
		.attempts = (double)counts[SUMMARY_ATTEMPTS],
		.answered = (double)counts[SUMMARY_ANSWERED],
		.completed = (double)counts[SUMMARY_COMPLETED],
		.refused = (double)counts[SUMMARY_REFUSED],
		.unreachable = (double)counts[SUMMARY_UNREACHABLE],
		.reset = (double)counts[SUMMARY_CLIENT_RESET],
		.repeaters = not_negative((double)counts[SUMMARY_SYNACK_REPEATERS] -
					  (double)counts[SUMMARY_REPEATERS_ENDED]),
		.bare = (double)counts[SUMMARY_BARE_SYNACKS],
		.retried = (double)counts[SUMMARY_RETRIED],
	};
	double retrying = not_negative(fate->retried - (double)counts[SUMMARY_RETRIED_SETTLED]);
	fate->open = not_negative(fate->attempts - fate->completed - fate->refused - fate->unreachable);
	fate->retrying = lesser(retrying, fate->open);
	fate->silent = fate->open - fate->retrying;
	fate->waiting = not_negative(fate->answered - (double)counts[SUMMARY_HALF_OPEN_ENDED]);
	fate->ignored = not_negative(fate->waiting - fate->repeaters);
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

	return fmin(MISSED_REPEATS_LEAST + UNSEEN_WEIGHT * fmax(lost, 0), MISSED_REPEATS_MOST);
}

double fate_alike(const struct summary_crowd *crowd)
{
	double all = 0;
	double most = 0;

	if (crowd == NULL)
		return 0;
	for (int i = 0; i < SUMMARY_FINGERPRINTS; i++) {
		all += crowd->fingerprints[i];
		most = fmax(most, crowd->fingerprints[i]);
	}
	return fate_share(most, all);
}

double fate_once(const struct summary_crowd *crowd)
{
	if (crowd == NULL)
		return 0;
	return fate_share(hyperloglog_estimate(&crowd->sources), (double)crowd->connections);
}

double fate_raw(const struct summary_crowd *crowd)
{
	double all = 0;
	double raw = 0;

	for (int i = 0; crowd != NULL && i < SUMMARY_SAMPLE && crowd->sample[i].priority != 0; i++) {
		all++;
		raw += crowd->sample[i].syn_layout == 0;
	}
	return fate_share(raw, all);
}

static bool same_address(const struct ip_addr *a, const struct ip_addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

void fate_leaders(const struct summary_crowd *crowd, struct fate_leaders *leaders)
{
	const struct summary_sampled *sample = crowd != NULL ? crowd->sample : NULL;
	unsigned n = 0;

	*leaders = (struct fate_leaders){ 0 };
	while (sample != NULL && n < SUMMARY_SAMPLE && sample[n].priority != 0)
		n++;
	for (unsigned i = 0; i < n; i++) {
		unsigned of_source = 0;
		unsigned of_server = 0;
		unsigned of_port = 0;
		for (unsigned k = 0; k < n; k++) {
			of_source += same_address(&sample[i].client, &sample[k].client);
			of_server += same_address(&sample[i].server, &sample[k].server);
			of_port += sample[i].server_port == sample[k].server_port;
		}
		if (fate_share(of_source, n) > leaders->source) {
			leaders->source = fate_share(of_source, n);
			leaders->source_ip = sample[i].client;
		}
		leaders->server = fmax(leaders->server, fate_share(of_server, n));
		leaders->port = fmax(leaders->port, fate_share(of_port, n));
	}
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
