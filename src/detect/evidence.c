/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an alarm can show (detection science, section 6): what became of attempts since the trouble began, who took
 * part, how alike they look, how likely their addresses are made up, and what the sensor could not see.
 */
#include "evidence.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tcpwitness/base/units.h"

#include "sensor_view.h"

/* Fewer connections say nothing about a crowd, fewer attempts nothing about a share. */
enum { MIN_CROWD = 30, MIN_ATTEMPTS = 10, MIN_CONNECTIONS = 20 };

/* Fewer in a sample may be alike by chance. */
enum { MIN_ALIKE = 8 };

/* One that sent so much stands for the event. */
#define MAIN_SOURCE_SHARE 0.9

/* A cohort is judged so long after its end, and the completion of now is that of so many. */
#define MATURE_NS (1200 * NS_PER_MS)
enum { NOW_SLOTS = 8 };

/* What went on when the run began may be part of trouble that begins so soon. */
#define LATE_START_NS (120 * NS_PER_SEC)

const char *evidence_name(const struct alert_target *target, char text[static EVIDENCE_NAME_BYTES])
{
	char ip[IP_ADDR_TEXT_BYTES];

	ip_addr_format(&target->ip, ip);
	if (target->prefix_bits != 0)
		snprintf(text, EVIDENCE_NAME_BYTES, "%s/%u", ip, target->prefix_bits);
	else if (!target->has_port)
		snprintf(text, EVIDENCE_NAME_BYTES, "%s", ip);
	else if (target->ip.version == 6)
		snprintf(text, EVIDENCE_NAME_BYTES, "[%s]:%u", ip, target->port);
	else
		snprintf(text, EVIDENCE_NAME_BYTES, "%s:%u", ip, target->port);
	return text;
}

const char *evidence_sources(double n_sources, char text[static EVIDENCE_SOURCES_BYTES])
{
	if (n_sources < 1.5)
		snprintf(text, EVIDENCE_SOURCES_BYTES, "%.0f source", n_sources);
	else if (n_sources < 100)
		snprintf(text, EVIDENCE_SOURCES_BYTES, "%.0f sources", n_sources);
	else if (n_sources < 9950)
		snprintf(text, EVIDENCE_SOURCES_BYTES, "about %.0f sources", round(n_sources / 10) * 10);
	else if (n_sources < 999500)
		snprintf(text, EVIDENCE_SOURCES_BYTES, "about %.0fk sources", n_sources / 1e3);
	else
		snprintf(text, EVIDENCE_SOURCES_BYTES, "about %.1fM sources", fmin(n_sources / 1e6, 1e6));
	return text;
}

static double clamp_unit(double value)
{
	return fmin(fmax(value, 0), 1);
}

static double share(uint64_t part, uint64_t whole)
{
	return whole == 0 ? 0 : clamp_unit((double)part / (double)whole);
}

void evidence_begin(struct evidence_past *past, const struct detect_scene *scene, uint64_t began_ns,
		    const uint64_t totals[static SUMMARY_COUNTERS])
{
	const struct summary_crowd *before = summary_crowd_before(scene->summary, CROWD_TRYING, scene->now_ns);

	memcpy(past->totals, totals, sizeof(past->totals));
	past->half_open_peak = summary_half_open(scene->summary);
	past->sources = -1;
	if (before != NULL && before->span < began_ns / SUMMARY_SPAN_NS)
		past->sources = summary_crowd_sources(before);
}

void evidence_watch(struct evidence_past *past, const struct detect_scene *scene)
{
	uint64_t half_open = summary_half_open(scene->summary);

	if (half_open > past->half_open_peak)
		past->half_open_peak = half_open;
}

const struct summary_crowd *evidence_crowd(const struct detector *detector, const struct detect_scene *scene)
{
	const struct summary_crowd *crowd = scene->crowd[detector->crowd];

	if (detector->crowd == CROWD_FAILING && (crowd == NULL || crowd->connections < MIN_CROWD) &&
	    scene->crowd[CROWD_TRYING] != NULL)
		return scene->crowd[CROWD_TRYING];
	return crowd;
}

/*
 * Two signs, each enough for a suspicion: sources that are all different while their SYNs are all alike (measured
 * floods: 1 bit of fingerprints, 15 of sources; flash crowds have both), and answers that nobody reacts to, neither
 * by ACK nor by RST. Who sends his SYN again is a real client, or imitates one; who completes his handshake is none.
 */
double evidence_spoofed(const struct summary_crowd *crowd, const uint64_t counts[static SUMMARY_COUNTERS])
{
	if (crowd->connections < MIN_CROWD)
		return -1;

	double once = clamp_unit((summary_crowd_sources(crowd) / (double)crowd->connections - 0.2) / 0.6);
	double alike = 1 - clamp_unit((summary_crowd_entropy(crowd) - 1.5) / 2.0);
	uint64_t incomplete = counts[SUMMARY_UNANSWERED] + counts[SUMMARY_STILL_HALF_OPEN];
	double ignored = share(counts[SUMMARY_STILL_HALF_OPEN], incomplete + 1);
	double retried = share(counts[SUMMARY_RETRIED] - counts[SUMMARY_RETRIED_SETTLED], incomplete + 1);
	/* Once real clients would have sent their SYN again, different stacks excuse less. */
	double without_stacks = incomplete >= MIN_CROWD ? 0.8 : 0.3;
	double suspect = once * (without_stacks + (1 - without_stacks) * alike);
	double doubt = (1 - suspect) * (1 - 0.5 * ignored * alike);
	double completed = share(counts[SUMMARY_COMPLETED], counts[SUMMARY_ATTEMPTS]);

	return clamp_unit((1 - doubt) * (1 - retried) * (1 - completed));
}

bool evidence_one_way(const struct summary *summary)
{
	const uint64_t *totals = summary->totals;

	return totals[SUMMARY_ATTEMPTS] > 0 && totals[SUMMARY_ANSWERED] == 0 && totals[SUMMARY_REFUSED] == 0;
}

/* What a summary that was forgotten meanwhile counted is lost: then what it counts now is the least that it was. */
static void count_since(const struct summary *summary, const uint64_t before[static SUMMARY_COUNTERS],
			uint64_t counts[static SUMMARY_COUNTERS])
{
	for (int k = 0; k < SUMMARY_COUNTERS; k++) {
		uint64_t total = summary->totals[k];
		counts[k] = total >= before[k] ? total - before[k] : total;
	}
}

static void fill_counts(struct event_alert *alert, const struct summary *summary,
			const uint64_t counts[static SUMMARY_COUNTERS])
{
	uint64_t stray = 0;

	for (int k = SUMMARY_STRAYS; k <= SUMMARY_STRAYS_LAST; k++)
		stray += counts[k];
	alert->counts.syn = counts[SUMMARY_ATTEMPTS];
	alert->counts.synack = counts[SUMMARY_ANSWERED];
	alert->counts.completed = counts[SUMMARY_COMPLETED];
	alert->counts.unanswered = counts[SUMMARY_UNANSWERED];
	alert->counts.half_open = summary_half_open(summary);
	alert->counts.refused = counts[SUMMARY_REFUSED];
	alert->counts.syn_repeated = counts[SUMMARY_SYNS_REPEATED];
	alert->counts.synack_repeated = counts[SUMMARY_SYNACKS_REPEATED];
	alert->counts.client_reset = counts[SUMMARY_CLIENT_RESET];
	alert->counts.unreachable = counts[SUMMARY_UNREACHABLE];
	alert->counts.stray = stray;
}

/* Of the cohorts of the last seconds that had their time; of all since the trouble began, before there are enough. */
static double completion_now(const struct detect_scene *scene, const uint64_t counts[static SUMMARY_COUNTERS])
{
	uint64_t recent[SUMMARY_COHORT_COUNTERS];
	uint64_t end = ns_since(scene->now_ns, MATURE_NS) / SUMMARY_SLOT_NS;

	summary_sum(scene->summary, end > NOW_SLOTS ? end - NOW_SLOTS : 0, end > 0 ? end - 1 : 0, recent);
	if (recent[SUMMARY_ATTEMPTS] >= MIN_ATTEMPTS)
		return share(recent[SUMMARY_COMPLETED], recent[SUMMARY_ATTEMPTS]);
	if (counts[SUMMARY_ATTEMPTS] >= MIN_ATTEMPTS)
		return share(counts[SUMMARY_COMPLETED], counts[SUMMARY_ATTEMPTS]);
	return -1;
}

static void fill_completion(struct event_alert *alert, const struct detect_scene *scene,
			    const struct evidence_past *past, const uint64_t counts[static SUMMARY_COUNTERS])
{
	alert->completion = completion_now(scene, counts);
	alert->completion_baseline = -1;
	if (past->totals[SUMMARY_ATTEMPTS] >= MIN_ATTEMPTS)
		alert->completion_baseline = share(past->totals[SUMMARY_COMPLETED], past->totals[SUMMARY_ATTEMPTS]);
}

static void fill_listener(struct event_alert *alert, const struct detect_scene *scene, const struct evidence_past *past)
{
	uint64_t half_open = summary_half_open(scene->summary);

	alert->has_listener = scene->key->kind == SUMMARY_SERVICE || scene->key->kind == SUMMARY_HOST;
	alert->listener.half_open_now = half_open;
	alert->listener.half_open_peak = past->half_open_peak > half_open ? past->half_open_peak : half_open;
}

/* Registers that few values have found say nearly exactly how many; the more there are, the more share one. */
static double sources_error(double n)
{
	double load = n / HYPERLOGLOG_REGISTERS;
	double most = 1.04 / sqrt(HYPERLOGLOG_REGISTERS);

	if (n < 1.5)
		return 0;
	return fmin(sqrt(fmax(exp(load) - load - 1, 0) / HYPERLOGLOG_REGISTERS) / load, most);
}

static unsigned count_client(const struct summary_crowd *crowd, const struct ip_addr *client)
{
	unsigned n = 0;

	for (unsigned i = 0; i < crowd->n_sampled; i++)
		n += ip_addr_equal(&summary_crowd_sampled(crowd, i)->client, client);
	return n;
}

static bool is_first_of_client(const struct summary_crowd *crowd, unsigned at)
{
	const struct ip_addr *client = &summary_crowd_sampled(crowd, at)->client;

	for (unsigned i = 0; i < at; i++)
		if (ip_addr_equal(&summary_crowd_sampled(crowd, i)->client, client))
			return false;
	return true;
}

/* The most frequent clients of the sample; equals in the order of their addresses. */
static void fill_top_sources(struct event_alert *alert, const struct summary_crowd *crowd)
{
	unsigned n_sampled = crowd->n_sampled;
	/* Of a part, one connection alone stands for nobody. */
	unsigned least = crowd->connections <= n_sampled ? 1 : 2;
	unsigned numbers[ALERT_TOP_SOURCES] = { 0 };

	for (unsigned i = 0; i < n_sampled; i++) {
		const struct ip_addr *client = &summary_crowd_sampled(crowd, i)->client;
		unsigned n = count_client(crowd, client);
		unsigned at = alert->n_top_sources;

		if (n < least || !is_first_of_client(crowd, i))
			continue;
		while (at > 0 && (numbers[at - 1] < n || (numbers[at - 1] == n && memcmp(&alert->top_sources[at - 1].ip,
											 client, sizeof(*client)) > 0)))
			at--;
		if (at == ALERT_TOP_SOURCES)
			continue;
		if (alert->n_top_sources < ALERT_TOP_SOURCES)
			alert->n_top_sources++;
		for (unsigned k = alert->n_top_sources - 1u; k > at; k--) {
			numbers[k] = numbers[k - 1];
			alert->top_sources[k] = alert->top_sources[k - 1];
		}
		numbers[at] = n;
		alert->top_sources[at].ip = *client;
		alert->top_sources[at].share = (double)n / n_sampled;
	}
}

static bool is_alike(const struct summary_sampled *a, const struct summary_sampled *b)
{
	return a->ttl == b->ttl && a->window == b->window && a->syn_layout == b->syn_layout;
}

static void fill_fingerprint(struct event_alert *alert, const struct summary_crowd *crowd)
{
	unsigned n_sampled = crowd->n_sampled;
	unsigned most = 0;
	unsigned n_low_zero = 0;
	unsigned n_same_port = 0;

	for (unsigned i = 0; i < n_sampled; i++) {
		const struct summary_sampled *sampled = summary_crowd_sampled(crowd, i);
		unsigned n = 0;

		for (unsigned k = 0; k < n_sampled; k++)
			n += is_alike(sampled, summary_crowd_sampled(crowd, k));
		n_low_zero += (sampled->isn & 0xffff) == 0;
		n_same_port += sampled->client_port == summary_crowd_sampled(crowd, 0)->client_port;
		if (n <= most)
			continue;
		most = n;
		alert->fingerprint.ttl = sampled->ttl;
		alert->fingerprint.window = sampled->window;
		alert->fingerprint.layout = sampled->syn_layout;
		alert->fingerprint.share = (double)n / n_sampled;
	}
	alert->fingerprint.entropy_bits = summary_crowd_entropy(crowd);
	alert->fingerprint.isn_low_bits_zero = n_sampled >= MIN_ALIKE && n_low_zero == n_sampled;
	alert->fingerprint.one_source_port = n_sampled >= MIN_ALIKE && n_same_port == n_sampled;
}

static void fill_sample_flows(struct event_alert *alert, const struct summary_crowd *crowd)
{
	for (unsigned i = 0; i < crowd->n_sampled && alert->n_sample_flows < ALERT_SAMPLE_FLOWS; i++) {
		unsigned at = alert->n_sample_flows;
		uint64_t flow_id = summary_crowd_sampled(crowd, i)->flow_id;

		if (flow_id == 0)
			continue;
		for (; at > 0 && alert->sample_flows[at - 1] > flow_id; at--)
			alert->sample_flows[at] = alert->sample_flows[at - 1];
		alert->sample_flows[at] = flow_id;
		alert->n_sample_flows++;
	}
}

static void fill_crowd(struct sensor_event *event, const struct summary_crowd *crowd, bool are_syns,
		       const uint64_t counts[static SUMMARY_COUNTERS])
{
	struct event_alert *alert = &event->alert;
	double sources = summary_crowd_sources(crowd);

	alert->sources_distinct = (uint64_t)llround(sources);
	alert->sources_error = sources_error(sources);
	fill_top_sources(alert, crowd);
	fill_sample_flows(alert, crowd);
	if (alert->n_top_sources > 0 && crowd->n_sampled >= MIN_ALIKE &&
	    alert->top_sources[0].share >= MAIN_SOURCE_SHARE && event->ends.client.version == 0)
		event->ends.client = alert->top_sources[0].ip;
	if (!are_syns)
		return;
	fill_fingerprint(alert, crowd);
	alert->spoofed_likelihood = evidence_spoofed(crowd, counts);
}

static void fill_visibility(struct event_alert *alert, const struct detect_scene *scene)
{
	const struct detect_visibility *now = scene->visibility;
	uint64_t heard = now->one_way_connections + now->two_way_connections;

	alert->visibility.one_way = evidence_one_way(scene->summary);
	alert->visibility.kernel_dropped = now->kernel_dropped;
	alert->visibility.flows_evicted = now->flows_evicted;
	alert->visibility.flows_refused = now->flows_refused;
	alert->visibility.lost_share = sensor_view_lost_share(scene->view);
	alert->visibility.one_way_share = heard < MIN_CONNECTIONS ? -1 : share(now->one_way_connections, heard);
	alert->visibility.started_late = scene->sensor != NULL && scene->sensor->totals[SUMMARY_JOINED] > 0 &&
					 ns_since(alert->started_ns, scene->began_ns) < LATE_START_NS;
}

void evidence_fill(struct sensor_event *event, const struct detector *detector, const struct detect_scene *scene,
		   const struct evidence_past *past)
{
	const struct summary_crowd *crowd = evidence_crowd(detector, scene);
	uint64_t counts[SUMMARY_COUNTERS];

	count_since(scene->summary, past->totals, counts);
	fill_counts(&event->alert, scene->summary, counts);
	fill_completion(&event->alert, scene, past, counts);
	fill_listener(&event->alert, scene, past);
	event->alert.sources_baseline = past->sources;
	if (crowd != NULL)
		fill_crowd(event, crowd, detector->crowd != CROWD_STRAY, counts);
	fill_visibility(&event->alert, scene);
}
