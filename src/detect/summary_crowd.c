/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who took part: distinct addresses and ports, fingerprints, and a sample of the connections.
 */
#include <math.h>
#include <stddef.h>
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

/* What is known of a SYN by its look. */
static uint32_t fingerprint_of(uint32_t syn_layout, uint16_t window, uint8_t ttl)
{
	uint64_t look = (uint64_t)syn_layout << 24 | (uint64_t)window << 8 | ttl_class(ttl);

	return (uint32_t)(mix(look + 1) % SUMMARY_FINGERPRINTS);
}

static uint64_t port_hash(uint16_t server_port)
{
	return mix(server_port + UINT64_C(0x9e3779b97f4a7c15));
}

static void update_server(struct summary_hashes *hashes, uint64_t server, uint16_t server_port)
{
	uint64_t port = port_hash(server_port);

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

	/* No mark has rank 0. */
	if (hashes->server.rank == 0 || hashes->server_hash != server || hashes->server_port != signal->server_port)
		update_server(hashes, server, signal->server_port);
	hashes->client = hyperloglog_mark_of(client);
	hashes->sample = mix(client + id * UINT64_C(0x9e3779b97f4a7c15)) | 1;
	hashes->fingerprint = fingerprint_of(signal->syn_layout, signal->window, signal->ttl);
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
	if (n < SUMMARY_SAMPLE && crowd->sample[n / SUMMARY_PLACES] == NULL)
		return NULL;
	if (n == SUMMARY_SAMPLE)
		place = crowd->places[--n];
	memmove(&crowd->priorities[rank + 1], &crowd->priorities[rank], (n - rank) * sizeof(priority));
	memmove(&crowd->places[rank + 1], &crowd->places[rank], n - rank);
	crowd->priorities[rank] = priority;
	crowd->places[rank] = place;
	crowd->n_sampled = n + 1;
	return summary_crowd_at_place(crowd, place);
}

/* Among many connections few are left in the sample: those whose priority comes before the last one's. */
static bool may_be_sampled(const struct summary_crowd *crowd, uint64_t priority)
{
	return crowd->n_sampled < SUMMARY_SAMPLE || priority < crowd->priorities[SUMMARY_SAMPLE - 1];
}

/* --- marks, as a sample keeps them --- */

enum { RANK_BITS = 6, MAX_RANK = (1 << RANK_BITS) - 1 };
_Static_assert(HYPERLOGLOG_BITS + RANK_BITS <= 16, "a place and a rank fit into a word");
_Static_assert(64 - HYPERLOGLOG_SMALL_BITS + 1 <= MAX_RANK, "so does the longest run");

static uint16_t pack(struct hyperloglog_mark mark)
{
	return (uint16_t)(mark.place << RANK_BITS | mark.rank);
}

static struct hyperloglog_mark unpack(uint16_t packed)
{
	return (struct hyperloglog_mark){
		.place = (uint16_t)(packed >> RANK_BITS),
		.rank = packed & MAX_RANK,
	};
}

static struct hyperloglog_mark port_mark(const struct summary_sampled *sampled)
{
	return hyperloglog_small_mark_of(port_hash(sampled->server_port));
}

static uint32_t fingerprint_in(const struct summary_sampled *sampled)
{
	return fingerprint_of(sampled->syn_layout, sampled->window, sampled->ttl);
}

/* --- one by one --- */

/* Apart, as it is rare. */
__attribute__((noinline)) static void sample_signal(struct summary_crowd *crowd, const struct flow_signal *signal,
						    const struct summary_hashes *hashes)
{
	struct summary_sampled *sampled = summary_crowd_take_place(crowd, hashes->sample);

	if (sampled == NULL)
		return;
	sampled->flow_id = signal->flow_id;
	sampled->client = signal->client;
	sampled->server = signal->server;
	sampled->client_port = signal->client_port;
	sampled->server_port = signal->server_port;
	sampled->window = signal->window;
	sampled->ttl = signal->ttl;
	sampled->source_mark = pack(hashes->client);
	sampled->server_mark = pack(hashes->server);
	sampled->endpoint_mark = pack(hashes->endpoint);
	sampled->syn_layout = signal->syn_layout;
	sampled->isn = signal->isn;
}

static void see_fingerprint(uint32_t *fingerprints, uint32_t fingerprint)
{
	fingerprints[fingerprint] = summary_add_saturated(fingerprints[fingerprint], 1);
}

static void see_sampled(struct summary_sketches *sketches, const struct summary_crowd *crowd)
{
	for (unsigned i = 0; i < crowd->n_sampled; i++) {
		const struct summary_sampled *sampled = summary_crowd_at_place(crowd, i);
		see_fingerprint(sketches->fingerprints, fingerprint_in(sampled));
		hyperloglog_set(&sketches->sources, unpack(sampled->source_mark));
		hyperloglog_small_set(&sketches->servers, unpack(sampled->server_mark));
		hyperloglog_small_set(&sketches->ports, port_mark(sampled));
		hyperloglog_small_set(&sketches->endpoints, unpack(sampled->endpoint_mark));
	}
}

__attribute__((noinline)) static void begin_sketches(struct summary_crowd *crowd)
{
	memset(crowd->sketches, 0, sizeof(*crowd->sketches));
	see_sampled(crowd->sketches, crowd);
	crowd->is_sketched = true;
}

/* What is the same for all of them by the kind of the key was told by the sample. */
static void see_signal(struct summary_sketches *sketches, enum summary_kind kind, const struct summary_hashes *hashes)
{
	see_fingerprint(sketches->fingerprints, hashes->fingerprint);
	if (kind != SUMMARY_SOURCE)
		hyperloglog_set(&sketches->sources, hashes->client);
	if (kind != SUMMARY_SERVICE && kind != SUMMARY_HOST)
		hyperloglog_small_set(&sketches->servers, hashes->server);
	if (kind != SUMMARY_SERVICE) {
		hyperloglog_small_set(&sketches->ports, hashes->port);
		hyperloglog_small_set(&sketches->endpoints, hashes->endpoint);
	}
}

void summary_crowd_add(struct summary_crowd *crowd, enum summary_kind kind, const struct flow_signal *signal,
		       const struct summary_hashes *hashes)
{
	crowd->connections++;
	if (crowd->sketches != NULL) {
		if (summary_crowd_outgrows_sample(crowd, hashes->sample))
			begin_sketches(crowd);
		if (crowd->is_sketched)
			see_signal(crowd->sketches, kind, hashes);
	}
	if (may_be_sampled(crowd, hashes->sample))
		sample_signal(crowd, signal, hashes);
}

void summary_crowd_give_room(struct summary_crowd *crowd, struct summary_crowd_room *room)
{
	crowd->sketches = &room->sketches;
	for (int i = 0; i < SUMMARY_PLACE_BLOCKS; i++)
		crowd->sample[i] = &room->sample[i];
}

__attribute__((noinline)) static void begin_span(struct summary_crowd *crowd, uint64_t span)
{
	crowd->span = span;
	crowd->connections = 0;
	crowd->n_sampled = 0;
	crowd->is_sketched = false;
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

/* --- what they tell --- */

void summary_crowd_add_sources(struct hyperloglog *to, const struct summary_crowd *crowd)
{
	if (crowd->is_sketched) {
		hyperloglog_merge(to, &crowd->sketches->sources);
		return;
	}
	for (unsigned i = 0; i < crowd->n_sampled; i++)
		hyperloglog_set(to, unpack(summary_crowd_at_place(crowd, i)->source_mark));
}

/* Of which there is a small sketch each. */
enum small_part { PART_SERVERS, PART_PORTS, PART_ENDPOINTS };

static const struct hyperloglog_small *small_sketch(const struct summary_sketches *sketches, enum small_part part)
{
	if (part == PART_SERVERS)
		return &sketches->servers;
	return part == PART_PORTS ? &sketches->ports : &sketches->endpoints;
}

static struct hyperloglog_mark small_mark(const struct summary_sampled *sampled, enum small_part part)
{
	if (part == PART_PORTS)
		return port_mark(sampled);
	return unpack(part == PART_SERVERS ? sampled->server_mark : sampled->endpoint_mark);
}

static void add_small(struct hyperloglog_small *to, const struct summary_crowd *crowd, enum small_part part)
{
	if (crowd->is_sketched) {
		hyperloglog_small_merge(to, small_sketch(crowd->sketches, part));
		return;
	}
	for (unsigned i = 0; i < crowd->n_sampled; i++)
		hyperloglog_small_set(to, small_mark(summary_crowd_at_place(crowd, i), part));
}

static double estimate_small(const struct summary_crowd *crowd, enum small_part part)
{
	struct hyperloglog_small sketch = { { 0 } };

	add_small(&sketch, crowd, part);
	return hyperloglog_small_estimate(&sketch);
}

void summary_crowd_add_servers(struct hyperloglog_small *to, const struct summary_crowd *crowd)
{
	add_small(to, crowd, PART_SERVERS);
}

void summary_crowd_add_ports(struct hyperloglog_small *to, const struct summary_crowd *crowd)
{
	add_small(to, crowd, PART_PORTS);
}

void summary_crowd_add_endpoints(struct hyperloglog_small *to, const struct summary_crowd *crowd)
{
	add_small(to, crowd, PART_ENDPOINTS);
}

double summary_crowd_sources(const struct summary_crowd *crowd)
{
	struct hyperloglog sources = { { 0 } };

	if (crowd->is_sketched)
		return hyperloglog_estimate(&crowd->sketches->sources);
	summary_crowd_add_sources(&sources, crowd);
	return hyperloglog_estimate(&sources);
}

double summary_crowd_servers(const struct summary_crowd *crowd)
{
	return estimate_small(crowd, PART_SERVERS);
}

double summary_crowd_ports(const struct summary_crowd *crowd)
{
	return estimate_small(crowd, PART_PORTS);
}

void summary_crowd_sketch(const struct summary_crowd *crowd, struct summary_sketches *sketches)
{
	if (crowd->is_sketched) {
		*sketches = *crowd->sketches;
		return;
	}
	memset(sketches, 0, sizeof(*sketches));
	see_sampled(sketches, crowd);
}

void summary_crowd_fingerprints(const struct summary_crowd *crowd, uint32_t counts[static SUMMARY_FINGERPRINTS])
{
	if (crowd->is_sketched) {
		memcpy(counts, crowd->sketches->fingerprints, sizeof(crowd->sketches->fingerprints));
		return;
	}
	memset(counts, 0, SUMMARY_FINGERPRINTS * sizeof(*counts));
	for (unsigned i = 0; i < crowd->n_sampled; i++)
		see_fingerprint(counts, fingerprint_in(summary_crowd_at_place(crowd, i)));
}

double summary_crowd_entropy(const struct summary_crowd *crowd)
{
	uint32_t counts[SUMMARY_FINGERPRINTS];
	double total = 0;
	double bits = 0;

	summary_crowd_fingerprints(crowd, counts);
	for (int i = 0; i < SUMMARY_FINGERPRINTS; i++)
		total += counts[i];
	for (int i = 0; i < SUMMARY_FINGERPRINTS; i++) {
		double share = counts[i] / total;
		if (counts[i] > 0)
			bits -= share * log2(share);
	}
	return bits;
}

/* --- together --- */

static void merge_sketches(struct summary_sketches *into, const struct summary_sketches *from)
{
	for (int i = 0; i < SUMMARY_FINGERPRINTS; i++)
		into->fingerprints[i] = summary_add_saturated(into->fingerprints[i], from->fingerprints[i]);
	hyperloglog_merge(&into->sources, &from->sources);
	hyperloglog_small_merge(&into->servers, &from->servers);
	hyperloglog_small_merge(&into->ports, &from->ports);
	hyperloglog_small_merge(&into->endpoints, &from->endpoints);
}

void summary_crowd_union(struct summary_crowd *into, const struct summary_crowd *from)
{
	if (from->span > into->span)
		into->span = from->span;
	if (!into->is_sketched)
		begin_sketches(into);
	if (from->is_sketched)
		merge_sketches(into->sketches, from->sketches);
	else
		see_sampled(into->sketches, from);
	into->connections += from->connections;
	for (unsigned rank = 0; rank < from->n_sampled; rank++) {
		struct summary_sampled *sampled = summary_crowd_take_place(into, from->priorities[rank]);
		if (sampled != NULL)
			*sampled = *summary_crowd_sampled(from, rank);
	}
}

void summary_crowd_copy(struct summary_crowd *into, const struct summary_crowd *from)
{
	struct summary_sketches *sketches = into->sketches;

	memcpy(into, from, offsetof(struct summary_crowd, sample));
	into->sketches = sketches;
	into->is_sketched = from->is_sketched && sketches != NULL;
	if (into->is_sketched)
		*sketches = *from->sketches;
	for (unsigned i = 0; i * SUMMARY_PLACES < into->n_sampled; i++) {
		if (into->sample[i] == NULL)
			into->n_sampled = 0;
		else
			*into->sample[i] = *from->sample[i];
	}
}

void summary_crowd_merge(struct summary_crowd *into, const struct summary_crowd *from)
{
	if (from->span < into->span)
		return;
	if (from->span > into->span)
		summary_crowd_copy(into, from);
	else
		summary_crowd_union(into, from);
}
