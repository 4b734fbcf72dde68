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

struct summary_sampled *summary_crowd_take_place(struct summary_crowd *crowd, uint64_t priority)
{
	unsigned n = crowd->n_sampled;
	unsigned rank = n;
	uint8_t place = (uint8_t)n;

	while (rank > 0 && priority < crowd->priorities[rank - 1])
		rank--;
	if (rank == SUMMARY_SAMPLE || (rank > 0 && crowd->priorities[rank - 1] == priority))
		return NULL;
	if (n == SUMMARY_SAMPLE)
		place = crowd->places[--n];
	memmove(&crowd->priorities[rank + 1], &crowd->priorities[rank], (n - rank) * sizeof(priority));
	memmove(&crowd->places[rank + 1], &crowd->places[rank], n - rank);
	crowd->priorities[rank] = priority;
	crowd->places[rank] = place;
	crowd->n_sampled = n + 1;
	return &crowd->sample[place];
}

/* Among many connections few are left in the sample: those whose priority comes before the last one's. */
static bool may_be_sampled(const struct summary_crowd *crowd, uint64_t priority)
{
	return crowd->n_sampled < SUMMARY_SAMPLE || priority < crowd->priorities[SUMMARY_SAMPLE - 1];
}

/* Apart, as it is rare. */
__attribute__((noinline)) static void sample_signal(struct summary_crowd *crowd, const struct flow_signal *signal,
						    uint64_t priority)
{
	struct summary_sampled *sampled = summary_crowd_take_place(crowd, priority);

	if (sampled == NULL)
		return;
	sampled->flow_id = signal->flow_id;
	sampled->client = signal->client;
	sampled->server = signal->server;
	sampled->client_port = signal->client_port;
	sampled->server_port = signal->server_port;
	sampled->window = signal->window;
	sampled->ttl = signal->ttl;
	sampled->syn_layout = signal->syn_layout;
	sampled->isn = signal->isn;
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
	for (unsigned rank = 0; rank < from->n_sampled; rank++) {
		struct summary_sampled *sampled = summary_crowd_take_place(into, from->priorities[rank]);
		if (sampled != NULL)
			*sampled = *summary_crowd_sampled(from, rank);
	}
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
