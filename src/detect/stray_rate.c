/* SPDX-License-Identifier: BSD-2-Clause */
#include "stray_rate.h"

#include <math.h>
#include <string.h>

static uint32_t grown(uint64_t *known, uint64_t total)
{
	uint64_t by = total > *known ? total - *known : 0;

	*known = total;
	return by > UINT32_MAX ? UINT32_MAX : (uint32_t)by;
}

/* What came before somebody looked counts as if it came in the first tick, unless that was long ago. */
static void begin(struct stray_rate *rate, const struct summary *summary, uint64_t now_ns)
{
	rate->is_begun = true;
	if (ns_since(now_ns, summary->since_ns) < NS_PER_SEC)
		return;
	memcpy(rate->totals, &summary->totals[SUMMARY_STRAYS], sizeof(rate->totals));
	rate->claimed = summary->totals[SUMMARY_STRAYS_CLAIMED];
	rate->attempts = summary->totals[SUMMARY_ATTEMPTS];
}

void stray_rate_take(struct stray_rate *rate, const struct detect_scene *scene, uint64_t ignore_until_ns)
{
	const struct summary *summary = scene->summary;
	uint64_t number = scene->now_ns / STRAY_TICK_NS;
	struct stray_tick *tick = &rate->ticks[number % STRAY_TICKS];
	bool is_ignored = scene->now_ns <= ignore_until_ns;

	if (!rate->is_begun)
		begin(rate, summary, scene->now_ns);
	if (tick->tick != number) {
		memset(tick, 0, sizeof(*tick));
		tick->tick = number;
	}
	for (int i = 0; i < STRAY_COUNT; i++) {
		uint32_t new = grown(&rate->totals[i], summary->totals[SUMMARY_STRAYS + i]);
		tick->counts[i] += is_ignored ? 0 : new;
		if (new > 0)
			rate->latest = number;
	}
	uint32_t claimed = grown(&rate->claimed, summary->totals[SUMMARY_STRAYS_CLAIMED]);
	tick->claimed += claimed;
	if (claimed > 0)
		rate->latest = number;
	tick->attempts += grown(&rate->attempts, summary->totals[SUMMARY_ATTEMPTS]);
}

void stray_rate_sum(const struct stray_rate *rate, uint64_t now_ns, struct stray_sums *sums)
{
	uint64_t number = now_ns / STRAY_TICK_NS;

	memset(sums, 0, sizeof(*sums));
	/* As a rule there are none, and what was tried does not matter. */
	if (stray_rate_is_zero(rate, now_ns))
		return;
	for (int i = 0; i < STRAY_TICKS; i++) {
		const struct stray_tick *tick = &rate->ticks[i];
		uint64_t age = number - tick->tick;
		if (tick->tick > number || age >= STRAY_LAG_TICKS + STRAY_WINDOW_TICKS)
			continue;
		bool is_old = age >= STRAY_LAG_TICKS;
		bool is_recent = age < STRAY_WINDOW_TICKS;
		sums->attempts += is_old ? tick->attempts : 0;
		sums->claimed += tick->claimed;
		for (int kind = 0; kind < STRAY_COUNT; kind++) {
			sums->counts[kind] += is_old ? tick->counts[kind] : 0;
			sums->recent[kind] += is_recent ? tick->counts[kind] : 0;
		}
	}
}

/* --- who sends --- */

/* The smallest of many hashes tell how many there are (Bar-Yossef et al., 2002). */
static double count_flows(const struct summary_crowd *crowd)
{
	if (crowd->n_sampled < SUMMARY_SAMPLE)
		return crowd->n_sampled;
	return (SUMMARY_SAMPLE - 1) / ldexp((double)crowd->priorities[SUMMARY_SAMPLE - 1], -64);
}

static void find_ports(const struct summary_crowd *crowd, struct stray_spread *spread)
{
	int most = 0;
	int most_from = 0;
	unsigned n = crowd->n_sampled;

	for (unsigned i = 0; i < n; i++) {
		const struct summary_sampled *sampled = summary_crowd_sampled(crowd, i);
		int to = 0;
		int from = 0;
		for (unsigned j = 0; j < n; j++) {
			const struct summary_sampled *other = summary_crowd_sampled(crowd, j);
			to += other->server_port == sampled->server_port;
			from += other->client_port == sampled->client_port;
		}
		if (to > most) {
			most = to;
			spread->port = sampled->server_port;
		}
		if (from > most_from) {
			most_from = from;
			spread->from_port = sampled->client_port;
		}
		spread->is_own |= ip_addr_equal(&sampled->client, &sampled->server);
	}
	spread->port_share = n == 0 ? 0 : (double)most / n;
	spread->from_port_share = n == 0 ? 0 : (double)most_from / n;
}

void stray_spread_see(const struct detect_scene *scene, struct stray_spread *spread)
{
	const struct summary_crowd *now = summary_crowd_now(scene->summary, CROWD_STRAY, scene->now_ns);
	const struct summary_crowd *before = summary_crowd_before(scene->summary, CROWD_STRAY, scene->now_ns);
	struct hyperloglog sources;

	memset(spread, 0, sizeof(*spread));
	hyperloglog_clear(&sources);
	for (int i = 0; i < 2; i++) {
		const struct summary_crowd *crowd = i == 0 ? before : now;
		if (crowd == NULL)
			continue;
		spread->segments += (double)crowd->connections;
		spread->flows += count_flows(crowd);
		summary_crowd_add_sources(&sources, crowd);
		/* The later one, unless it has only begun. */
		if (i == 0 || crowd->connections >= SUMMARY_SAMPLE || before == NULL)
			find_ports(crowd, spread);
	}
	spread->sources = hyperloglog_estimate(&sources);
}
