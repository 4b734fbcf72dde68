/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who took part: distinct addresses and ports, fingerprints, and a sample of the connections.
 */
#include <math.h>
#include <string.h>

#include "tcpwitness/base/siphash.h"

#include "summary.h"

/* Public and fixed, or sketches of different sensors would not merge. */
static const struct siphash_key sketch_key = { UINT64_C(0x7463707769746e65), UINT64_C(0x736b657463686573) };

uint64_t summary_address_hash(const struct ip_addr *address)
{
	return siphash13(&sketch_key, address, sizeof(*address));
}

/* Spreads bits that are already unpredictable, or of few values, over the whole word (SplitMix64). */
static uint64_t mix(uint64_t value)
{
	value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
	return value ^ (value >> 31);
}

/* What a TTL began with, as stacks choose it. */
static uint64_t ttl_class(uint8_t ttl)
{
	return ttl <= 32 ? 0 : ttl <= 64 ? 1 : ttl <= 128 ? 2 : 3;
}

static void update_server(struct summary_hashes *hashes, uint64_t server, uint16_t server_port)
{
	uint64_t port = mix(server_port + UINT64_C(0x9e3779b97f4a7c15));

	hashes->server = hyperloglog_small_mark_of(server);
	hashes->port = hyperloglog_small_mark_of(port);
	hashes->endpoint = hyperloglog_small_mark_of(mix(server + port));
	hashes->server_hash = server;
	hashes->server_port = server_port;
}

void summary_hashes_update(struct summary_hashes *hashes, const struct flow_signal *signal, uint64_t client,
			   uint64_t server)
{
	/* Strays have no flow; the packet stands for them. */
	uint64_t id = signal->flow_id != 0 ? signal->flow_id : signal->packet_number;
	uint64_t look = (uint64_t)signal->syn_layout << 24 | (uint64_t)signal->window << 8 | ttl_class(signal->ttl);

	/* No mark has rank 0. */
	if (hashes->server.rank == 0 || hashes->server_hash != server || hashes->server_port != signal->server_port)
		update_server(hashes, server, signal->server_port);
	hashes->client = hyperloglog_mark_of(client);
	hashes->sample = mix(client + id * UINT64_C(0x9e3779b97f4a7c15)) | 1;
	hashes->fingerprint = (uint32_t)(mix(look + 1) % SUMMARY_FINGERPRINTS);
}

/*
 * Sorted by priority, empty places last. As a rule there are as many as connections, or all places are taken: what is
 * behind them is not read.
 */
static int sample_count(const struct summary_crowd *crowd)
{
	int n = crowd->connections < SUMMARY_SAMPLE ? (int)crowd->connections : SUMMARY_SAMPLE;

	while (n > 0 && crowd->sample[n - 1].priority == 0)
		n--;
	while (n < SUMMARY_SAMPLE && crowd->sample[n].priority != 0)
		n++;
	return n;
}

static void sample_insert(struct summary_crowd *crowd, const struct summary_sampled *sampled)
{
	int n = sample_count(crowd);
	int place = n;

	while (place > 0 && sampled->priority < crowd->sample[place - 1].priority)
		place--;
	/* It is in the sample already, or its priority is too high. */
	if (place == SUMMARY_SAMPLE || (place > 0 && crowd->sample[place - 1].priority == sampled->priority))
		return;
	if (n == SUMMARY_SAMPLE)
		n--;
	memmove(&crowd->sample[place + 1], &crowd->sample[place], (size_t)(n - place) * sizeof(*sampled));
	crowd->sample[place] = *sampled;
}

/* Among many connections few are left in the sample: those whose priority comes before the last one's. */
static bool may_be_sampled(const struct summary_crowd *crowd, uint64_t priority)
{
	const struct summary_sampled *last = &crowd->sample[SUMMARY_SAMPLE - 1];

	/* An empty place is behind all priorities. */
	return crowd->connections <= SUMMARY_SAMPLE || last->priority - 1 >= priority;
}

/* Apart, as it is rare. */
__attribute__((noinline)) static void sample_signal(struct summary_crowd *crowd, const struct flow_signal *signal,
						    uint64_t priority)
{
	struct summary_sampled sampled;

	/* Padding is compared and sent along. */
	memset(&sampled, 0, sizeof(sampled));
	sampled.priority = priority;
	sampled.flow_id = signal->flow_id;
	sampled.client = signal->client;
	sampled.server = signal->server;
	sampled.client_port = signal->client_port;
	sampled.server_port = signal->server_port;
	sampled.window = signal->window;
	sampled.ttl = signal->ttl;
	sampled.syn_layout = signal->syn_layout;
	sampled.isn = signal->isn;
	sample_insert(crowd, &sampled);
}

void summary_crowd_add(struct summary_crowd *crowd, enum summary_kind kind, const struct flow_signal *signal,
		       const struct summary_hashes *hashes)
{
	bool is_first = crowd->connections == 0;

	crowd->connections++;
	crowd->fingerprints[hashes->fingerprint] = summary_add_saturated(crowd->fingerprints[hashes->fingerprint], 1);
	/* What is the same for all of them by the kind of the key needs to be told once. */
	if (is_first || kind != SUMMARY_SOURCE)
		hyperloglog_set(&crowd->sources, hashes->client);
	if (is_first || (kind != SUMMARY_SERVICE && kind != SUMMARY_HOST))
		hyperloglog_small_set(&crowd->servers, hashes->server);
	if (is_first || kind != SUMMARY_SERVICE) {
		hyperloglog_small_set(&crowd->ports, hashes->port);
		hyperloglog_small_set(&crowd->endpoints, hashes->endpoint);
	}
	if (may_be_sampled(crowd, hashes->sample))
		sample_signal(crowd, signal, hashes->sample);
}

__attribute__((noinline)) static void begin_span(struct summary_crowd *crowd, uint64_t span)
{
	if (crowd->connections > 0)
		memset(crowd, 0, sizeof(*crowd));
	crowd->span = span;
}

struct summary_crowd *summary_crowd_of_span(struct summary_crowds *crowds, uint64_t span)
{
	struct summary_crowd *crowd = &crowds->spans[span & 1];

	if (span > crowd->span)
		begin_span(crowd, span);
	return span == crowd->span ? crowd : NULL;
}

static const struct summary_crowd *crowd_of_span(const struct summary *summary, enum summary_crowd_kind kind,
						 uint64_t span)
{
	const struct summary_crowd *crowd;

	if (summary->crowds[kind] == NULL)
		return NULL;
	crowd = &summary->crowds[kind]->spans[span & 1];
	return crowd->span == span && crowd->connections > 0 ? crowd : NULL;
}

const struct summary_crowd *summary_crowd_now(const struct summary *summary, enum summary_crowd_kind kind,
					      uint64_t now_ns)
{
	return crowd_of_span(summary, kind, now_ns / SUMMARY_SPAN_NS);
}

const struct summary_crowd *summary_crowd_before(const struct summary *summary, enum summary_crowd_kind kind,
						 uint64_t now_ns)
{
	return now_ns < SUMMARY_SPAN_NS ? NULL : crowd_of_span(summary, kind, now_ns / SUMMARY_SPAN_NS - 1);
}

double summary_crowd_entropy(const struct summary_crowd *crowd)
{
	double total = 0;
	double bits = 0;

	for (int i = 0; i < SUMMARY_FINGERPRINTS; i++)
		total += crowd->fingerprints[i];
	for (int i = 0; i < SUMMARY_FINGERPRINTS; i++) {
		double share = crowd->fingerprints[i] / total;
		if (crowd->fingerprints[i] > 0)
			bits -= share * log2(share);
	}
	return bits;
}

void summary_crowd_union(struct summary_crowd *into, const struct summary_crowd *from)
{
	if (from->span > into->span)
		into->span = from->span;
	into->connections += from->connections;
	for (int i = 0; i < SUMMARY_FINGERPRINTS; i++)
		into->fingerprints[i] = summary_add_saturated(into->fingerprints[i], from->fingerprints[i]);
	hyperloglog_merge(&into->sources, &from->sources);
	hyperloglog_small_merge(&into->servers, &from->servers);
	hyperloglog_small_merge(&into->ports, &from->ports);
	hyperloglog_small_merge(&into->endpoints, &from->endpoints);
	for (int i = 0; i < SUMMARY_SAMPLE && from->sample[i].priority != 0; i++)
		sample_insert(into, &from->sample[i]);
}

void summary_crowd_merge(struct summary_crowd *into, const struct summary_crowd *from)
{
	if (from->span < into->span)
		return;
	if (from->span > into->span)
		*into = *from;
	else
		summary_crowd_union(into, from);
}
