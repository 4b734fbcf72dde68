/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * First contacts, counted by sketches and judged by their shape. A scan goes along ports or along hosts; the peers of
 * a P2P network, many of which are gone, have each an address and a port of their own. That, and not the share of
 * failures, tells them apart.
 */
#include "reach.h"

#include <math.h>
#include <string.h>

#include "minmax.h"

/* An honest host's first contact succeeds with theta0, a scanner's with theta1 (Jung et al.). */
#define THETA_HONEST  0.8
#define THETA_SCANNER 0.2

/* So many times more of the one than of the other make a line; of endpoints than of both, a block. */
#define LINE  4.0
#define BLOCK 3.0
/* Beside other failures of the same address (NAT), so large a part on one port is a line of its own. */
#define LINE_SHARE 0.7

/* Where the ranges begin from which stacks take ports for clients. */
enum { FIRST_CLIENT_PORT = 32768 };

static bool comes_before(const struct reach_example *a, const struct reach_example *b)
{
	return a->priority != 0 && (b->priority == 0 || a->priority < b->priority);
}

static void insert_example(struct reach_example examples[static REACH_EXAMPLES], const struct reach_example *example)
{
	int place = REACH_EXAMPLES;

	while (place > 0 && comes_before(example, &examples[place - 1]))
		place--;
	if (place == REACH_EXAMPLES || (place > 0 && examples[place - 1].priority == example->priority))
		return;
	memmove(&examples[place + 1], &examples[place], (size_t)(REACH_EXAMPLES - 1 - place) * sizeof(*example));
	examples[place] = *example;
}

static uint64_t connections_of(const struct summary_crowd *crowd)
{
	return crowd == NULL ? 0 : crowd->connections;
}

uint64_t crowd_recent(const struct summary *summary, enum summary_crowd_kind kind, uint64_t now_ns)
{
	return connections_of(summary_crowd_now(summary, kind, now_ns)) +
	       connections_of(summary_crowd_before(summary, kind, now_ns));
}

uint64_t crowd_growth(struct crowd_cursor *cursor, const struct summary *summary, enum summary_crowd_kind kind,
		      uint64_t now_ns)
{
	uint64_t span = now_ns / SUMMARY_SPAN_NS;
	uint64_t now = connections_of(summary_crowd_now(summary, kind, now_ns));
	uint64_t before = connections_of(summary_crowd_before(summary, kind, now_ns));
	uint64_t known = 0;

	if (cursor->span == span)
		known = cursor->connections + cursor->before;
	else if (cursor->span + 1 == span)
		known = cursor->connections;
	*cursor = (struct crowd_cursor){ .span = span, .connections = now, .before = before };
	return now + before > known ? now + before - known : 0;
}

static void add_examples(struct reach_example examples[static REACH_EXAMPLES], const struct summary_crowd *crowd)
{
	/* They are sorted, so those behind find no place either. */
	for (unsigned i = 0; i < REACH_EXAMPLES && i < crowd->n_sampled; i++) {
		const struct summary_sampled *sampled = summary_crowd_sampled(crowd, i);
		const struct reach_example example = {
			.priority = crowd->priorities[i],
			.ip = sampled->server,
			.port = sampled->server_port,
			.is_low = sampled->server_port < FIRST_CLIENT_PORT,
		};
		insert_example(examples, &example);
	}
}

static void add_crowd(struct reach_side *side, const struct summary_crowd *crowd)
{
	if (crowd == NULL)
		return;
	summary_crowd_add_endpoints(&side->endpoints, crowd);
	summary_crowd_add_servers(&side->hosts, crowd);
	summary_crowd_add_ports(&side->ports, crowd);
	add_examples(side->examples, crowd);
}

void reach_add(struct reach_side *side, const struct summary *summary, enum summary_crowd_kind kind, uint64_t now_ns,
	       uint64_t n_new)
{
	side->connections += n_new;
	add_crowd(side, summary_crowd_before(summary, kind, now_ns));
	add_crowd(side, summary_crowd_now(summary, kind, now_ns));
}

static void add_answers(struct reach_answers *answers, const struct summary_crowd *crowd)
{
	if (crowd == NULL)
		return;
	summary_crowd_add_endpoints(&answers->endpoints, crowd);
	add_examples(answers->examples, crowd);
}

void reach_add_answers(struct reach_answers *answers, const struct summary *summary, uint64_t now_ns)
{
	add_answers(answers, summary_crowd_before(summary, CROWD_ANSWERED, now_ns));
	add_answers(answers, summary_crowd_now(summary, CROWD_ANSWERED, now_ns));
}

double reach_endpoints(const struct summary *summary, enum summary_crowd_kind kind, uint64_t now_ns)
{
	const struct summary_crowd *before = summary_crowd_before(summary, kind, now_ns);
	const struct summary_crowd *now = summary_crowd_now(summary, kind, now_ns);
	struct hyperloglog_small endpoints = { 0 };

	if (before != NULL)
		summary_crowd_add_endpoints(&endpoints, before);
	if (now != NULL)
		summary_crowd_add_endpoints(&endpoints, now);
	return hyperloglog_small_estimate(&endpoints);
}

void reach_add_hosts(struct hyperloglog_small *hosts, const struct summary *summary, enum summary_crowd_kind kind,
		     uint64_t now_ns)
{
	const struct summary_crowd *before = summary_crowd_before(summary, kind, now_ns);
	const struct summary_crowd *now = summary_crowd_now(summary, kind, now_ns);

	if (before != NULL)
		summary_crowd_add_servers(hosts, before);
	if (now != NULL)
		summary_crowd_add_servers(hosts, now);
}

static void union_examples(struct reach_example into[static REACH_EXAMPLES],
			   const struct reach_example from[static REACH_EXAMPLES])
{
	for (int i = 0; i < REACH_EXAMPLES && from[i].priority != 0; i++)
		insert_example(into, &from[i]);
}

void reach_union(struct reach_period *into, const struct reach_period *from)
{
	into->failed.connections += from->failed.connections;
	hyperloglog_small_merge(&into->failed.endpoints, &from->failed.endpoints);
	hyperloglog_small_merge(&into->failed.hosts, &from->failed.hosts);
	hyperloglog_small_merge(&into->failed.ports, &from->failed.ports);
	union_examples(into->failed.examples, from->failed.examples);
	hyperloglog_small_merge(&into->answered.endpoints, &from->answered.endpoints);
	union_examples(into->answered.examples, from->answered.examples);
}

struct reach_period *reach_period_at(struct reach_period periods[static REACH_PERIODS], uint64_t length_ns,
				     uint64_t now_ns)
{
	uint64_t number = now_ns / length_ns + 1;
	struct reach_period *period = &periods[number % REACH_PERIODS];

	if (period->number != number) {
		memset(period, 0, sizeof(*period));
		period->number = number;
	}
	return period;
}

void reach_both(const struct reach_period periods[static REACH_PERIODS], uint64_t length_ns, uint64_t now_ns,
		struct reach_period *both)
{
	uint64_t number = now_ns / length_ns + 1;

	memset(both, 0, sizeof(*both));
	for (int i = 0; i < REACH_PERIODS; i++)
		if (periods[i].number == number || periods[i].number + 1 == number)
			reach_union(both, &periods[i]);
}

static void find_main_port(const struct reach_side *side, struct reach_view *view)
{
	int most = 0;
	int n = 0;

	for (; n < REACH_EXAMPLES && side->examples[n].priority != 0; n++)
		;
	for (int i = 0; i < n; i++) {
		int alike = 0;
		for (int j = 0; j < n; j++)
			alike += side->examples[j].port == side->examples[i].port;
		if (alike > most) {
			most = alike;
			view->port = side->examples[i].port;
		}
	}
	view->port_share = n == 0 ? 0 : (double)most / n;
}

static bool is_alike(const struct reach_example *reached, const struct reach_side *failed, enum reach_shape shape)
{
	for (int i = 0; i < REACH_EXAMPLES && failed->examples[i].priority != 0; i++) {
		bool same_host = ip_addr_equal(&failed->examples[i].ip, &reached->ip);
		bool same_port = failed->examples[i].port == reached->port;
		if ((same_host && shape != REACH_HORIZONTAL) || (same_port && shape != REACH_VERTICAL))
			return true;
	}
	return false;
}

/* Which part of what was reached is of the kind that failed. What else goes well for an address speaks for others. */
static double share_alike(const struct reach_period *period, enum reach_shape shape)
{
	int alike = 0;
	int n = 0;

	for (; n < REACH_EXAMPLES && period->answered.examples[n].priority != 0; n++)
		alike += is_alike(&period->answered.examples[n], &period->failed, shape);
	return n == 0 ? 0 : (double)alike / n;
}

static void find_shape(struct reach_view *view)
{
	if (view->ports >= LINE * view->hosts) {
		view->shape = REACH_VERTICAL;
		view->count = view->ports;
	} else if (view->hosts >= LINE * view->ports) {
		view->shape = REACH_HORIZONTAL;
		view->count = lesser(view->hosts, view->failed);
	} else if (view->failed >= BLOCK * greater(view->hosts, view->ports)) {
		view->shape = REACH_BLOCK;
		view->count = view->failed;
	} else if (view->port_share >= LINE_SHARE) {
		view->shape = REACH_HORIZONTAL;
		view->count = view->port_share * view->failed;
	} else {
		view->shape = REACH_SCATTERED;
		view->count = view->failed;
	}
}

void reach_see(const struct reach_period *period, struct reach_view *view)
{
	struct hyperloglog_small all = period->answered.endpoints;

	memset(view, 0, sizeof(*view));
	view->failures = period->failed.connections;
	view->failed = hyperloglog_small_estimate(&period->failed.endpoints);
	view->hosts = lesser(hyperloglog_small_estimate(&period->failed.hosts), view->failed);
	view->ports = lesser(hyperloglog_small_estimate(&period->failed.ports), view->failed);
	view->found = hyperloglog_small_estimate(&period->answered.endpoints);
	find_main_port(&period->failed, view);
	find_shape(view);
	/* What answered and then failed all the same (a SYN scan resets what it finds open) was not reached. */
	hyperloglog_small_merge(&all, &period->failed.endpoints);
	double reached = greater(hyperloglog_small_estimate(&all) - view->failed, 0);
	double alike = share_alike(period, view->shape);
	view->reset = greater(view->found - reached, 0) * alike;
	view->found *= alike;
	view->against = reached * alike;
}

void reach_found(const struct reach_period *period, enum reach_shape shape,
		 struct reach_example found[static REACH_EXAMPLES])
{
	int n_found = 0;

	memset(found, 0, REACH_EXAMPLES * sizeof(*found));
	for (int i = 0; i < REACH_EXAMPLES && period->answered.examples[i].priority != 0; i++)
		if (is_alike(&period->answered.examples[i], &period->failed, shape))
			found[n_found++] = period->answered.examples[i];
}

double reach_likelihood(double failed, double reached)
{
	const double of_failure = log((1 - THETA_SCANNER) / (1 - THETA_HONEST));
	const double of_success = log(THETA_SCANNER / THETA_HONEST);

	return failed * of_failure + reached * of_success;
}
