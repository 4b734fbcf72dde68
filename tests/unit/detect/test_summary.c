/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Summaries: what counts where, and that merging gives the same value in any order and grouping.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "summary.h"

#define START_NS (UINT64_C(1795132800) * NS_PER_SEC)

/* A summary with all its parts, without pointers to share by mistake. */
struct whole {
	struct summary summary;
	struct summary_slot slots[SUMMARY_SLOTS];
	struct summary_ages ages;
	struct summary_crowds crowds[SUMMARY_CROWDS];
	struct summary_crowd_room rooms[SUMMARY_CROWDS][2];
};

static void point_to_parts(struct whole *whole)
{
	whole->summary.slots = whole->slots;
	whole->summary.ages = &whole->ages;
	for (int kind = 0; kind < SUMMARY_CROWDS; kind++) {
		whole->summary.crowds[kind] = &whole->crowds[kind];
		for (int i = 0; i < 2; i++)
			summary_crowd_give_room(&whole->crowds[kind].spans[i], &whole->rooms[kind][i]);
	}
}

static void whole_init(struct whole *whole)
{
	memset(whole, 0, sizeof(*whole));
	point_to_parts(whole);
}

/* The places of a sample may be others, and one may have sketches where the other needs none. */
static void assert_same_crowd(const struct summary_crowd *a, const struct summary_crowd *b)
{
	struct summary_sketches of_a;
	struct summary_sketches of_b;

	assert_int_equal(a->span, b->span);
	assert_int_equal(a->connections, b->connections);
	assert_int_equal(a->n_sampled, b->n_sampled);
	assert_memory_equal(a->priorities, b->priorities, a->n_sampled * sizeof(*a->priorities));
	for (unsigned rank = 0; rank < a->n_sampled; rank++)
		assert_memory_equal(summary_crowd_sampled(a, rank), summary_crowd_sampled(b, rank),
				    sizeof(struct summary_sampled));
	summary_crowd_sketch(a, &of_a);
	summary_crowd_sketch(b, &of_b);
	assert_memory_equal(&of_a, &of_b, sizeof(of_a));
}

static void assert_same(const struct whole *a, const struct whole *b)
{
	assert_int_equal(a->summary.since_ns, b->summary.since_ns);
	assert_int_equal(a->summary.latest_ns, b->summary.latest_ns);
	assert_memory_equal(a->summary.totals, b->summary.totals, sizeof(a->summary.totals));
	assert_memory_equal(a->summary.handshakes, b->summary.handshakes, sizeof(a->summary.handshakes));
	assert_memory_equal(a->slots, b->slots, sizeof(a->slots));
	assert_memory_equal(&a->ages, &b->ages, sizeof(a->ages));
	for (int kind = 0; kind < SUMMARY_CROWDS; kind++) {
		assert_same_crowd(&a->crowds[kind].spans[0], &b->crowds[kind].spans[0]);
		assert_same_crowd(&a->crowds[kind].spans[1], &b->crowds[kind].spans[1]);
	}
}

static uint64_t next_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *state >> 33;
}

/* One connection of a random kind at a random time within 20 s: some spans and slots are used twice. */
static void count_connection(struct whole *whole, uint64_t id, uint64_t random)
{
	uint64_t since_ns = START_NS + random % (20 * NS_PER_SEC);
	struct flow_signal signal = {
		.client = { .version = 4, .bytes = { 10, 0, (uint8_t)(random >> 8), (uint8_t)random } },
		.server = { .version = 4, .bytes = { 203, 0, 113, (uint8_t)(random % 7) } },
		.server_port = (uint16_t)(random % 11),
		.client_port = (uint16_t)random,
		.ttl = (uint8_t)(random >> 3),
		.window = (uint16_t)(random % 3),
		.flow_id = id,
	};
	const struct summary_hashes hashes =
		summary_hashes_of(&signal, summary_address_hash(&signal.client), summary_address_hash(&signal.server));
	struct summary *summary = &whole->summary;

	if (summary->since_ns == 0 || since_ns < summary->since_ns)
		summary->since_ns = since_ns;
	if (since_ns > summary->latest_ns)
		summary->latest_ns = since_ns;
	summary_count(summary, SUMMARY_ATTEMPTS, since_ns);
	summary_count(summary, (enum summary_counter)(1 + random % (SUMMARY_COHORT_COUNTERS - 1)), since_ns);
	summary_count_handshake(summary, random % (2 * NS_PER_SEC));
	summary_count_age(summary, (enum summary_gauge)(random % SUMMARY_GAUGES), random % 3 == 0 ? -1 : 1, since_ns);
	struct summary_crowd *crowd = summary_crowd_at(summary->crowds[random % SUMMARY_CROWDS], since_ns);
	if (crowd != NULL)
		summary_crowd_add(crowd, SUMMARY_PREFIX, &signal, &hashes);
}

/* The same connections, spread over n summaries. */
static void count_spread(struct whole *wholes, unsigned n)
{
	uint64_t random = 7;

	for (unsigned i = 0; i < n; i++)
		whole_init(&wholes[i]);
	for (uint64_t id = 1; id <= 4000; id++) {
		uint64_t value = next_random(&random);
		/* In the order of time, as trackers count. */
		value = (id * (20 * NS_PER_SEC) / 4001) + value % 1000;
		count_connection(&wholes[value % n], id, value);
	}
}

static void test_merge_is_commutative_and_associative(void **state)
{
	static struct whole parts[3];
	static struct whole left;
	static struct whole right;
	static struct whole inner;

	(void)state;
	count_spread(parts, 3);
	whole_init(&left);
	summary_merge(&left.summary, &parts[0].summary);
	summary_merge(&left.summary, &parts[1].summary);
	summary_merge(&left.summary, &parts[2].summary);

	whole_init(&inner);
	summary_merge(&inner.summary, &parts[2].summary);
	summary_merge(&inner.summary, &parts[1].summary);
	whole_init(&right);
	summary_merge(&right.summary, &inner.summary);
	summary_merge(&right.summary, &parts[0].summary);
	assert_same(&left, &right);
}

static void test_parts_together_are_the_whole(void **state)
{
	static struct whole parts[5];
	static struct whole together;
	static struct whole alone;

	(void)state;
	count_spread(&alone, 1);
	count_spread(parts, 5);
	whole_init(&together);
	for (int i = 0; i < 5; i++)
		summary_merge(&together.summary, &parts[i].summary);
	assert_same(&together, &alone);
	assert_int_equal(alone.summary.totals[SUMMARY_ATTEMPTS], 4000);
}

/* A summary is cumulative: a later one of the same source takes the place of the earlier one. */
static void test_a_later_one_replaces(void **state)
{
	static struct whole early;
	static struct whole late;
	static struct whole merged;

	(void)state;
	whole_init(&early);
	count_connection(&early, 1, 100);
	late = early;
	point_to_parts(&late);
	count_connection(&late, 2, 200);
	whole_init(&merged);
	summary_merge(&merged.summary, &late.summary);
	assert_same(&merged, &late);
	assert_int_equal(merged.summary.totals[SUMMARY_ATTEMPTS], 2);
	assert_int_equal(early.summary.totals[SUMMARY_ATTEMPTS], 1);
}

static void test_without_slots_the_totals_are_the_only_slot(void **state)
{
	static struct whole merged;
	struct summary small = { .since_ns = START_NS + 10 };
	struct summary_slot slots[SUMMARY_SLOTS];
	uint64_t number = START_NS / SUMMARY_SLOT_NS;
	uint64_t counts[SUMMARY_COHORT_COUNTERS];

	(void)state;
	for (int i = 0; i < 3; i++)
		summary_count(&small, SUMMARY_ATTEMPTS, START_NS + 10);
	summary_count(&small, SUMMARY_ANSWERED, START_NS + 10);
	summary_sum(&small, number, number, counts);
	assert_int_equal(counts[SUMMARY_ATTEMPTS], 3);
	summary_sum(&small, number + 1, UINT64_MAX, counts);
	assert_int_equal(counts[SUMMARY_ATTEMPTS], 0);

	whole_init(&merged);
	summary_merge(&merged.summary, &small);
	summary_begin_slots(&small, slots);
	assert_memory_equal(merged.slots, slots, sizeof(slots));
	summary_count(&small, SUMMARY_ATTEMPTS, START_NS + SUMMARY_SLOT_NS);
	summary_sum(&small, number, number, counts);
	assert_int_equal(counts[SUMMARY_ATTEMPTS], 3);
	summary_sum(&small, 0, UINT64_MAX, counts);
	assert_int_equal(counts[SUMMARY_ATTEMPTS], 4);
}

/* What becomes of an attempt counts where it began; old slots are not touched by what is too late for them. */
static void test_cohorts(void **state)
{
	static struct whole whole;
	uint64_t counts[SUMMARY_COHORT_COUNTERS];
	uint64_t number = START_NS / SUMMARY_SLOT_NS;

	(void)state;
	whole_init(&whole);
	summary_count(&whole.summary, SUMMARY_ATTEMPTS, START_NS);
	summary_count(&whole.summary, SUMMARY_ATTEMPTS, START_NS + NS_PER_SEC);
	summary_count(&whole.summary, SUMMARY_COMPLETED, START_NS);
	summary_sum(&whole.summary, number, number, counts);
	assert_int_equal(counts[SUMMARY_ATTEMPTS], 1);
	assert_int_equal(counts[SUMMARY_COMPLETED], 1);
	assert_int_equal(summary_incomplete(counts), 0);
	summary_count(&whole.summary, SUMMARY_ATTEMPTS, START_NS + SUMMARY_SLOTS * SUMMARY_SLOT_NS);
	summary_count(&whole.summary, SUMMARY_REFUSED, START_NS);
	summary_sum(&whole.summary, number, number, counts);
	assert_int_equal(counts[SUMMARY_ATTEMPTS], 0);
	assert_int_equal(whole.summary.totals[SUMMARY_REFUSED], 1);
}

static void stall(struct summary *summary, uint64_t since_ns)
{
	summary->totals[SUMMARY_STALLED]++;
	summary_count_age(summary, GAUGE_STALLED, 1, since_ns);
}

static void test_gauges_know_ages(void **state)
{
	static struct whole whole;
	struct summary *summary = &whole.summary;

	(void)state;
	whole_init(&whole);
	stall(summary, START_NS);
	stall(summary, START_NS + 7 * NS_PER_SEC);
	stall(summary, START_NS + 200 * NS_PER_SEC);
	assert_int_equal(summary_gauge(summary, GAUGE_STALLED), 3);
	assert_int_equal(summary_old_gauge(summary, GAUGE_STALLED, START_NS + 200 * NS_PER_SEC), 2);
	assert_int_equal(summary_old_gauge(summary, GAUGE_STALLED, START_NS + 5 * NS_PER_SEC), 1);
	assert_int_equal(summary_old_gauge(summary, GAUGE_STALLED, START_NS + 4 * NS_PER_SEC), 0);
	summary->totals[SUMMARY_STALLED_OVER]++;
	summary_count_age(summary, GAUGE_STALLED, -1, START_NS + 7 * NS_PER_SEC);
	assert_int_equal(summary_old_gauge(summary, GAUGE_STALLED, START_NS + 200 * NS_PER_SEC), 1);
	assert_int_equal(summary_old_gauge(summary, GAUGE_STALLED, START_NS + 15 * NS_PER_SEC), 1);
	/* A bucket of the ring that is used again held what is old by then. */
	stall(summary, START_NS + SUMMARY_AGES * SUMMARY_AGE_NS);
	assert_int_equal(summary_old_gauge(summary, GAUGE_STALLED, START_NS + 50 * NS_PER_SEC), 1);
}

/* 50 a second, each for 15 s: so 250 are older than 10 s, whenever one asks. */
static void test_a_steady_gauge_is_steady_at_each_age(void **state)
{
	static struct whole whole;
	struct summary *summary = &whole.summary;

	(void)state;
	whole_init(&whole);
	for (unsigned tenth = 0; tenth < 600; tenth++) {
		uint64_t now_ns = START_NS + tenth * (NS_PER_SEC / 10);
		for (int i = 0; i < 5; i++)
			stall(summary, now_ns);
		for (int i = 0; i < 5 && tenth >= 150; i++) {
			summary->totals[SUMMARY_STALLED_OVER]++;
			summary_count_age(summary, GAUGE_STALLED, -1, now_ns - 15 * NS_PER_SEC);
		}
		if (tenth < 200)
			continue;
		uint64_t old = summary_old_gauge(summary, GAUGE_STALLED, now_ns - 10 * NS_PER_SEC);
		assert_in_range(old, 240, 260);
	}
}

/* A bucket begins where the one before it ends; the first and the last one take what is beyond. */
static void test_handshakes_are_counted_by_how_long_they_took(void **state)
{
	struct summary summary = { 0 };

	(void)state;
	summary_count_handshake(&summary, 0);
	for (int i = 0; i < SUMMARY_RTT_BUCKETS; i++) {
		uint64_t begins_ns = (128 * NS_PER_US) << i;
		summary_count_handshake(&summary, begins_ns - 1);
		summary_count_handshake(&summary, begins_ns);
	}
	summary_count_handshake(&summary, UINT64_MAX);
	assert_int_equal(summary.handshakes[0], 2);
	for (int i = 1; i < SUMMARY_RTT_BUCKETS - 1; i++)
		assert_int_equal(summary.handshakes[i], 2);
	assert_int_equal(summary.handshakes[SUMMARY_RTT_BUCKETS - 1], 4);
}

/* Whatever span is asked for: short ones are looked up, long ones searched. */
static void test_sums_of_any_span(void **state)
{
	static struct whole whole;
	const uint64_t oldest = START_NS / SUMMARY_SLOT_NS;
	uint64_t counts[SUMMARY_COHORT_COUNTERS];

	(void)state;
	whole_init(&whole);
	for (uint64_t i = 0; i < SUMMARY_SLOTS + 4; i++)
		for (uint64_t n = 0; n <= i; n++)
			summary_count(&whole.summary, SUMMARY_ATTEMPTS, (oldest + i) * SUMMARY_SLOT_NS + n);
	for (uint64_t first = 0; first < SUMMARY_SLOTS + 8; first++) {
		uint64_t expected = 0;
		for (uint64_t last = first; last < SUMMARY_SLOTS + 8; last++) {
			if (last >= 4 && last < SUMMARY_SLOTS + 4)
				expected += last + 1;
			summary_sum(&whole.summary, oldest + first, oldest + last, counts);
			assert_int_equal(counts[SUMMARY_ATTEMPTS], expected);
		}
		summary_sum(&whole.summary, oldest + first, UINT64_MAX, counts);
		assert_int_equal(counts[SUMMARY_ATTEMPTS], expected);
	}
	/* Before time began, and backwards. */
	summary_sum(&whole.summary, UINT64_MAX - 3, UINT64_MAX, counts);
	assert_int_equal(counts[SUMMARY_ATTEMPTS], 0);
	summary_sum(&whole.summary, oldest + 9, oldest + 8, counts);
	assert_int_equal(counts[SUMMARY_ATTEMPTS], 0);
}

/* Each counter is summed for itself, however large it is. */
static void test_sums_of_large_counts(void **state)
{
	static const uint32_t large[] = { 1, UINT32_MAX / SUMMARY_SLOTS, UINT32_MAX / SUMMARY_SLOTS + 1, UINT32_MAX };
	static struct whole whole;
	const uint64_t oldest = START_NS / SUMMARY_SLOT_NS;
	uint64_t counts[SUMMARY_COHORT_COUNTERS];

	(void)state;
	for (size_t i = 0; i < sizeof(large) / sizeof(large[0]); i++) {
		for (int counter = 0; counter < SUMMARY_COHORT_COUNTERS; counter++) {
			whole_init(&whole);
			for (uint64_t slot = oldest; slot < oldest + SUMMARY_SLOTS; slot++) {
				for (int other = 0; other < SUMMARY_COHORT_COUNTERS; other++)
					summary_count_in(&whole.summary, (enum summary_counter)other, slot);
				whole.slots[slot % SUMMARY_SLOTS].counts[counter] = large[i];
			}
			assert_true(summary_sum(&whole.summary, oldest, oldest + SUMMARY_SLOTS - 1, counts));
			for (int other = 0; other < SUMMARY_COHORT_COUNTERS; other++)
				assert_int_equal(counts[other],
						 (uint64_t)SUMMARY_SLOTS * (other == counter ? large[i] : 1));
		}
	}
	assert_false(summary_sum(&whole.summary, oldest + SUMMARY_SLOTS, oldest + SUMMARY_SLOTS + 3, counts));
}

static void test_crowds_estimate_who_took_part(void **state)
{
	static struct summary_whole_crowd whole;
	struct summary_crowd *crowd = &whole.crowd;
	struct flow_signal signal = { .server = { .version = 4, .bytes = { 203, 0, 113, 5 } }, .ttl = 64 };

	(void)state;
	summary_crowd_give_room(crowd, &whole.room);
	for (uint32_t i = 0; i < 10000; i++) {
		signal.flow_id = i + 1;
		signal.client = (struct ip_addr){ .version = 4,
						  .bytes = { 10, 0, (uint8_t)(i % 2000 >> 8), (uint8_t)(i % 2000) } };
		signal.server_port = (uint16_t)(i % 100);
		signal.window = (uint16_t)(i % 4);
		const struct summary_hashes hashes = summary_hashes_of(&signal, summary_address_hash(&signal.client),
								       summary_address_hash(&signal.server));
		summary_crowd_add(crowd, SUMMARY_HOST, &signal, &hashes);
	}
	assert_int_equal(crowd->connections, 10000);
	assert_true(fabs(summary_crowd_sources(crowd) - 2000) < 0.12 * 2000);
	assert_true(fabs(summary_crowd_ports(crowd) - 100) < 12);
	assert_true(fabs(summary_crowd_servers(crowd) - 1) < 0.1);
	/* Four looks, two of which may share a bucket. */
	assert_true(summary_crowd_entropy(crowd) >= 1.5 && summary_crowd_entropy(crowd) <= 2.01);
	for (int i = 1; i < SUMMARY_SAMPLE; i++)
		assert_true(crowd->priorities[i - 1] < crowd->priorities[i]);
}

static void test_small_samples_are_complete(void **state)
{
	static struct summary_whole_crowd whole;
	struct summary_crowd *crowd = &whole.crowd;
	uint64_t seen = 0;

	(void)state;
	summary_crowd_give_room(crowd, &whole.room);
	for (uint64_t id = 1; id <= SUMMARY_SAMPLE; id++) {
		struct flow_signal signal = { .flow_id = id, .client = { .version = 4, .bytes = { (uint8_t)id } } };
		const struct summary_hashes hashes = summary_hashes_of(&signal, summary_address_hash(&signal.client),
								       summary_address_hash(&signal.server));
		summary_crowd_add(crowd, SUMMARY_SERVICE, &signal, &hashes);
		/* The same again is no other connection. */
		summary_crowd_add(crowd, SUMMARY_SERVICE, &signal, &hashes);
	}
	assert_int_equal(crowd->n_sampled, SUMMARY_SAMPLE);
	for (unsigned i = 0; i < SUMMARY_SAMPLE; i++)
		seen |= UINT64_C(1) << (summary_crowd_sampled(crowd, i)->flow_id - 1);
	assert_int_equal(seen, UINT32_MAX);
}

/* One of which the addresses are the same that are so by the kind of the key. */
static struct flow_signal signal_of_kind(enum summary_kind kind, uint32_t i)
{
	struct flow_signal signal = {
		.flow_id = i + 1,
		.client = { .version = 4, .bytes = { 10, 0, 0, (uint8_t)(i * 7) } },
		.server = { .version = 4, .bytes = { 203, 0, 113, (uint8_t)(i & 15) } },
		.server_port = (uint16_t)(i / 2),
		.window = (uint16_t)(i % 5),
		.ttl = (uint8_t)(i * 11),
		.syn_layout = i % 3,
	};

	if (kind == SUMMARY_SOURCE)
		signal.client.bytes[3] = 1;
	if (kind == SUMMARY_SERVICE || kind == SUMMARY_HOST)
		signal.server.bytes[3] = 1;
	if (kind == SUMMARY_SERVICE)
		signal.server_port = 80;
	return signal;
}

static void see(struct summary_sketches *sketches, const struct summary_hashes *hashes)
{
	sketches->fingerprints[hashes->fingerprint]++;
	hyperloglog_set(&sketches->sources, hashes->client);
	hyperloglog_small_set(&sketches->servers, hashes->server);
	hyperloglog_small_set(&sketches->ports, hashes->port);
	hyperloglog_small_set(&sketches->endpoints, hashes->endpoint);
}

static void assert_tells(const struct summary_crowd *crowd, const struct summary_sketches *all)
{
	struct summary_sketches told;
	struct summary_sketches added = { .fingerprints = { 0 } };

	summary_crowd_sketch(crowd, &told);
	assert_memory_equal(&told, all, sizeof(told));
	summary_crowd_add_sources(&added.sources, crowd);
	summary_crowd_add_servers(&added.servers, crowd);
	summary_crowd_add_ports(&added.ports, crowd);
	summary_crowd_add_endpoints(&added.endpoints, crowd);
	summary_crowd_fingerprints(crowd, added.fingerprints);
	assert_memory_equal(&added, all, sizeof(added));
	/* To the bit. */
	double estimates[] = { summary_crowd_sources(crowd), summary_crowd_servers(crowd), summary_crowd_ports(crowd) };
	double expected[] = { hyperloglog_estimate(&all->sources), hyperloglog_small_estimate(&all->servers),
			      hyperloglog_small_estimate(&all->ports) };
	assert_memory_equal(estimates, expected, sizeof(estimates));
}

/* Before there are sketches and after, and when the span that was large begins anew. */
static void test_few_tell_what_sketches_would(void **state)
{
	enum { CONNECTIONS = 3 * SUMMARY_SAMPLE };
	static struct summary_crowds crowds;
	static struct summary_crowd_room room;

	(void)state;
	summary_crowd_give_room(&crowds.spans[0], &room);
	for (uint64_t span = 2; span < 2 * (uint64_t)SUMMARY_KINDS; span += 2) {
		enum summary_kind kind = (enum summary_kind)(span / 2 - 1);
		struct summary_crowd *crowd = summary_crowd_of_span(&crowds, span);
		struct summary_sketches all = { .fingerprints = { 0 } };

		for (uint32_t i = 0; i < CONNECTIONS; i++) {
			const struct flow_signal signal = signal_of_kind(kind, i);
			const struct summary_hashes hashes = summary_hashes_of(
				&signal, summary_address_hash(&signal.client), summary_address_hash(&signal.server));
			summary_crowd_add(crowd, kind, &signal, &hashes);
			see(&all, &hashes);
			assert_int_equal(crowd->is_sketched, i >= SUMMARY_SAMPLE);
			assert_tells(crowd, &all);
		}
	}
}

/* An attempt may fail twice: its answer was late, and then the third segment. It counts twice, in unions too. */
static void test_who_joins_twice_counts_twice(void **state)
{
	enum { CONNECTIONS = 6 };
	static struct summary_whole_crowd whole;
	static struct summary_whole_crowd other;
	struct summary_sketches all = { .fingerprints = { 0 } };

	(void)state;
	summary_crowd_give_room(&whole.crowd, &whole.room);
	summary_crowd_give_room(&other.crowd, &other.room);
	for (uint32_t i = 0; i < 2 * CONNECTIONS; i++) {
		const struct flow_signal signal = signal_of_kind(SUMMARY_PREFIX, i / 2 * 5);
		const struct summary_hashes hashes = summary_hashes_of(&signal, summary_address_hash(&signal.client),
								       summary_address_hash(&signal.server));
		summary_crowd_add(&whole.crowd, SUMMARY_PREFIX, &signal, &hashes);
		see(&all, &hashes);
		assert_int_equal(whole.crowd.n_sampled, i / 2 + 1);
		assert_tells(&whole.crowd, &all);
	}
	summary_crowd_union(&other.crowd, &whole.crowd);
	assert_int_equal(other.crowd.connections, 2 * CONNECTIONS);
	assert_tells(&other.crowd, &all);
}

/* Few and few, few and many, many and few. */
static void test_unions_of_few(void **state)
{
	static const uint32_t sizes[][2] = { { 5, 7 }, { 20, 20 }, { 10, 60 }, { 60, 10 }, { 0, 3 }, { 3, 0 } };

	(void)state;
	for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
		static struct summary_whole_crowd wholes[2];
		struct summary_sketches all = { .fingerprints = { 0 } };
		uint32_t id = 0;

		memset(wholes, 0, sizeof(wholes));
		for (int w = 0; w < 2; w++) {
			summary_crowd_give_room(&wholes[w].crowd, &wholes[w].room);
			for (uint32_t i = 0; i < sizes[k][w]; i++) {
				const struct flow_signal signal = signal_of_kind(SUMMARY_PREFIX, id++);
				const struct summary_hashes hashes =
					summary_hashes_of(&signal, summary_address_hash(&signal.client),
							  summary_address_hash(&signal.server));
				summary_crowd_add(&wholes[w].crowd, SUMMARY_PREFIX, &signal, &hashes);
				see(&all, &hashes);
			}
		}
		summary_crowd_union(&wholes[0].crowd, &wholes[1].crowd);
		assert_int_equal(wholes[0].crowd.connections, id);
		assert_int_equal(wholes[0].crowd.n_sampled, id < SUMMARY_SAMPLE ? id : SUMMARY_SAMPLE);
		assert_tells(&wholes[0].crowd, &all);
	}
}

static int by_value(const void *a, const void *b)
{
	uint64_t first = *(const uint64_t *)a;
	uint64_t second = *(const uint64_t *)b;

	return (first > second) - (first < second);
}

static void test_samples_hold_the_smallest(void **state)
{
	enum { CONNECTIONS = 500 };
	static struct summary_whole_crowd whole;
	struct summary_crowd *crowd = &whole.crowd;
	static uint64_t priorities[CONNECTIONS];
	static uint64_t of_flow[CONNECTIONS + 1];

	(void)state;
	summary_crowd_give_room(crowd, &whole.room);
	for (int n = 0; n < CONNECTIONS; n++) {
		struct flow_signal signal = { .flow_id = (uint64_t)n + 1, .client = { .version = 4 } };
		const struct summary_hashes hashes = summary_hashes_of(&signal, summary_address_hash(&signal.client),
								       summary_address_hash(&signal.server));
		summary_crowd_add(crowd, SUMMARY_SERVICE, &signal, &hashes);
		priorities[n] = hashes.sample;
		of_flow[signal.flow_id] = hashes.sample;
		qsort(priorities, (size_t)n + 1, sizeof(priorities[0]), by_value);
		for (int i = 0; i < SUMMARY_SAMPLE; i++)
			assert_int_equal(crowd->priorities[i], i <= n ? priorities[i] : 0);
		for (unsigned i = 0; i < crowd->n_sampled; i++)
			assert_int_equal(of_flow[summary_crowd_sampled(crowd, i)->flow_id], crowd->priorities[i]);
	}
}

/* Hashes of the signal before help with the next one, whoever that is about. */
static void test_hashes_do_not_depend_on_the_signal_before(void **state)
{
	struct summary_hashes kept = { .sample = 0 };

	(void)state;
	for (uint32_t i = 0; i < 64; i++) {
		const struct flow_signal signal = {
			.flow_id = i + 1,
			.client = { .version = 4, .bytes = { 10, 0, 0, (uint8_t)i } },
			.server = { .version = 4, .bytes = { 203, 0, 113, (uint8_t)(i >> 2 & 3) } },
			.server_port = (uint16_t)(i & 3),
			.ttl = (uint8_t)(i * 4),
		};
		uint64_t client = summary_address_hash(&signal.client);
		uint64_t server = summary_address_hash(&signal.server);
		static struct summary_whole_crowd by_kept;
		static struct summary_whole_crowd by_fresh;

		summary_hashes_update(&kept, &signal, client, server);
		const struct summary_hashes fresh = summary_hashes_of(&signal, client, server);
		summary_crowd_give_room(&by_kept.crowd, &by_kept.room);
		summary_crowd_give_room(&by_fresh.crowd, &by_fresh.room);
		summary_crowd_add(&by_kept.crowd, SUMMARY_PREFIX, &signal, &kept);
		summary_crowd_add(&by_fresh.crowd, SUMMARY_PREFIX, &signal, &fresh);
		assert_same_crowd(&by_kept.crowd, &by_fresh.crowd);
	}
}

static void test_spans(void **state)
{
	static struct whole whole;
	struct flow_signal signal = { .flow_id = 1, .client = { .version = 4 } };
	const struct summary_hashes hashes =
		summary_hashes_of(&signal, summary_address_hash(&signal.client), summary_address_hash(&signal.server));
	struct summary_crowds *crowds = &whole.crowds[CROWD_FAILING];

	(void)state;
	whole_init(&whole);
	assert_null(summary_crowd_now(&whole.summary, CROWD_FAILING, START_NS));
	summary_crowd_add(summary_crowd_at(crowds, START_NS), SUMMARY_HOST, &signal, &hashes);
	assert_non_null(summary_crowd_now(&whole.summary, CROWD_FAILING, START_NS + 1));
	assert_null(summary_crowd_before(&whole.summary, CROWD_FAILING, START_NS));
	assert_non_null(summary_crowd_before(&whole.summary, CROWD_FAILING, START_NS + SUMMARY_SPAN_NS));
	assert_null(summary_crowd_now(&whole.summary, CROWD_FAILING, START_NS + SUMMARY_SPAN_NS));
	summary_crowd_add(summary_crowd_at(crowds, START_NS + 2 * SUMMARY_SPAN_NS), SUMMARY_HOST, &signal, &hashes);
	assert_null(summary_crowd_at(crowds, START_NS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_merge_is_commutative_and_associative),
		cmocka_unit_test(test_parts_together_are_the_whole),
		cmocka_unit_test(test_a_later_one_replaces),
		cmocka_unit_test(test_without_slots_the_totals_are_the_only_slot),
		cmocka_unit_test(test_cohorts),
		cmocka_unit_test(test_gauges_know_ages),
		cmocka_unit_test(test_a_steady_gauge_is_steady_at_each_age),
		cmocka_unit_test(test_handshakes_are_counted_by_how_long_they_took),
		cmocka_unit_test(test_sums_of_any_span),
		cmocka_unit_test(test_sums_of_large_counts),
		cmocka_unit_test(test_crowds_estimate_who_took_part),
		cmocka_unit_test(test_small_samples_are_complete),
		cmocka_unit_test(test_few_tell_what_sketches_would),
		cmocka_unit_test(test_who_joins_twice_counts_twice),
		cmocka_unit_test(test_unions_of_few),
		cmocka_unit_test(test_samples_hold_the_smallest),
		cmocka_unit_test(test_hashes_do_not_depend_on_the_signal_before),
		cmocka_unit_test(test_spans),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
