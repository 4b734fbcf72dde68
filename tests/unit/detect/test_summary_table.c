/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which keys a signal counts for, which are remembered, and which are offered for a closer look.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "summary_table.h"

#define START_NS (UINT64_C(1795132800) * NS_PER_SEC)

static struct ip_addr ip4(uint32_t value)
{
	return (struct ip_addr){
		.version = 4,
		.bytes = { (uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8), (uint8_t)value },
	};
}

static struct summary_table *create(size_t memory_bytes)
{
	const struct summary_table_config config = { .memory_bytes = memory_bytes, .secret = { 1, 2 }, .n_tables = 1 };
	struct summary_table *table = summary_table_create(&config, NULL);

	assert_non_null(table);
	return table;
}

static struct flow_signal attempt(uint32_t client, uint32_t server, uint16_t port, uint64_t at_ns)
{
	return (struct flow_signal){
		.kind = SIGNAL_ATTEMPT,
		.client = ip4(client),
		.server = ip4(server),
		.client_port = 40000,
		.server_port = port,
		.now_ns = at_ns,
		.since_ns = at_ns,
	};
}

static void tell(struct summary_table *table, struct flow_signal signal, enum flow_signal_kind kind, uint64_t after_ns)
{
	signal.kind = kind;
	signal.now_ns += after_ns;
	summary_table_signal(table, &signal);
}

static const uint64_t *totals(struct summary_table *table, struct summary_key key)
{
	const struct summary_record *record = summary_table_find(table, &key);

	return record == NULL ? NULL : record->summary.totals;
}

static void test_a_connection_counts_for_all_its_keys(void **state)
{
	struct summary_table *table = create(1 << 20);
	struct flow_signal signal = attempt(0x0a000001, 0xcb007105, 443, START_NS);
	const struct ip_addr server = ip4(0xcb007105);

	(void)state;
	summary_table_signal(table, &signal);
	tell(table, signal, SIGNAL_ANSWERED, NS_PER_MS);
	signal.completed = true;
	tell(table, signal, SIGNAL_COMPLETED, 2 * NS_PER_MS);
	tell(table, signal, SIGNAL_HALF_OPEN_ENDED, 2 * NS_PER_MS);
	const struct summary_key keys[] = { summary_key_service(&server, 443), summary_key_host(&server),
					    summary_key_prefix(&server), summary_key_sensor() };
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(totals(table, keys[i])[SUMMARY_ATTEMPTS], 1);
		assert_int_equal(totals(table, keys[i])[SUMMARY_COMPLETED], 1);
		assert_int_equal(totals(table, keys[i])[SUMMARY_HALF_OPEN_ENDED], 1);
	}
	/* A client that came once has no record, and neither has its pair. */
	assert_null(totals(table, summary_key_pair(&signal.client, &signal.server, signal.server_port)));
	assert_null(totals(table, summary_key_source(&signal.client)));
	tell(table, signal, SIGNAL_CLOSED, NS_PER_SEC);
	assert_int_equal(totals(table, keys[0])[SUMMARY_CLOSED_UNSPOKEN], 1);
	assert_int_equal(summary_gauge(&summary_table_find(table, &keys[0])->summary, GAUGE_UNSPOKEN), 0);
	summary_table_destroy(table);
}

static void test_all_or_nothing_of_a_connection_counts(void **state)
{
	struct summary_table *table = create(1 << 20);
	struct flow_signal early = attempt(1, 0xcb007105, 443, START_NS);
	struct flow_signal late = attempt(2, 0xcb007105, 443, START_NS + NS_PER_SEC);
	const struct ip_addr server = ip4(0xcb007105);

	(void)state;
	/* The record knows nothing of the early one: it was forgotten in between. */
	summary_table_signal(table, &early);
	for (uint32_t i = 0; i < 1000; i++) {
		struct flow_signal other = attempt(3, 0x0a000000 + i, 443, START_NS + NS_PER_MS);
		summary_table_signal(table, &other);
	}
	summary_table_signal(table, &late);
	tell(table, early, SIGNAL_ANSWERED, 2 * NS_PER_SEC);
	tell(table, late, SIGNAL_ANSWERED, 2 * NS_PER_SEC);
	assert_int_equal(totals(table, summary_key_service(&server, 443))[SUMMARY_ANSWERED], 1);
	summary_table_destroy(table);
}

/* Nothing was forgotten, so an earlier one was counted nowhere: it is only told later. */
static void test_the_order_of_telling_does_not_matter(void **state)
{
	struct summary_table *table = create(1 << 20);
	const struct flow_signal early = attempt(1, 0xcb007105, 443, START_NS);
	const struct flow_signal late = attempt(2, 0xcb007105, 443, START_NS + NS_PER_SEC);
	const struct ip_addr server = ip4(0xcb007105);
	const struct summary_key service = summary_key_service(&server, 443);

	(void)state;
	summary_table_signal(table, &late);
	summary_table_signal(table, &early);
	assert_int_equal(totals(table, service)[SUMMARY_ATTEMPTS], 2);
	assert_true(summary_table_find(table, &service)->summary.since_ns == START_NS);
	assert_int_equal(summary_cohort(&summary_table_find(table, &service)->summary, SUMMARY_ATTEMPTS,
					START_NS / SUMMARY_SLOT_NS),
			 1);
	summary_table_destroy(table);
}

/* A pair has a record once it completes enough connections to matter, and knows of the first of them too. */
static void test_a_pair_that_comes_again_has_a_record(void **state)
{
	struct summary_table *table = create(1 << 20);
	struct flow_signal signal = attempt(0x0a000001, 0xcb007105, 443, START_NS);
	const struct summary_key pair = summary_key_pair(&signal.client, &signal.server, signal.server_port);
	unsigned least = summary_pair_deserves_at(1);

	(void)state;
	signal.completed = true;
	for (unsigned i = 0; i < least; i++) {
		struct summary_record *const *candidates;
		assert_null(totals(table, pair));
		assert_int_equal(summary_table_candidates(table, &candidates), 0);
		tell(table, signal, SIGNAL_COMPLETED, i * NS_PER_MS);
		tell(table, signal, SIGNAL_CLOSED, i * NS_PER_MS);
		tell(table, signal, SIGNAL_TIME_WAIT, i * NS_PER_MS);
	}
	assert_int_equal(totals(table, pair)[SUMMARY_COMPLETED], least);
	assert_int_equal(totals(table, pair)[SUMMARY_CLOSED], least);
	assert_int_equal(totals(table, pair)[SUMMARY_TIME_WAIT], least);
	/* It counts only what holds its ports. */
	assert_int_equal(totals(table, pair)[SUMMARY_ATTEMPTS], 0);
	assert_true(summary_table_find(table, &pair)->summary.since_ns == START_NS);
	assert_true(summary_deserves(&summary_table_find(table, &pair)->summary, SUMMARY_PAIR, START_NS) ==
		    ATTENTION_KEPT);
	summary_table_destroy(table);
}

/* Where several tables count, each has but a part of the connections. */
static void test_of_several_tables_each_is_sooner_content(void **state)
{
	(void)state;
	assert_int_equal(summary_pair_deserves_at(1), 6);
	assert_int_equal(summary_pair_deserves_at(2), 3);
	assert_int_equal(summary_pair_deserves_at(4), 2);
	assert_int_equal(summary_pair_deserves_at(6), 1);
	assert_int_equal(summary_pair_deserves_at(60), 1);
}

/* Somebody else knows that it deserves attention. */
static void test_attention_finds_what_is_known_of_a_rare_pair(void **state)
{
	struct summary_table *table = create(1 << 20);
	struct flow_signal signal = attempt(0x0a000001, 0xcb007105, 443, START_NS);
	const struct summary_key pair = summary_key_pair(&signal.client, &signal.server, signal.server_port);

	(void)state;
	tell(table, signal, SIGNAL_COMPLETED, 0);
	tell(table, signal, SIGNAL_JOINED, 0);
	assert_non_null(summary_table_attend(table, &pair, ATTENTION_KEPT, START_NS));
	tell(table, signal, SIGNAL_COMPLETED, NS_PER_MS);
	assert_int_equal(totals(table, pair)[SUMMARY_COMPLETED], 2);
	assert_int_equal(totals(table, pair)[SUMMARY_JOINED], 1);
	assert_non_null(summary_table_find(table, &pair)->summary.ports);
	summary_table_destroy(table);
}

/* What a connection tells whose beginning was not counted makes no gauge negative. */
static void test_a_rare_pair_counts_all_or_nothing(void **state)
{
	struct summary_table *table = create(1 << 20);
	struct flow_signal early = attempt(1, 0xcb007105, 443, START_NS);
	struct flow_signal late = attempt(1, 0xcb007105, 443, START_NS + NS_PER_SEC);
	const struct summary_key pair = summary_key_pair(&early.client, &early.server, early.server_port);

	(void)state;
	tell(table, early, SIGNAL_COMPLETED, 0);
	for (uint32_t i = 0; i < 1000; i++) {
		struct flow_signal other = attempt(1000 + i, 0x0a000000, 443, START_NS);
		tell(table, other, SIGNAL_COMPLETED, NS_PER_MS);
	}
	late.completed = early.completed = true;
	for (unsigned i = 0; i + 1 < summary_pair_deserves_at(1); i++)
		tell(table, late, SIGNAL_COMPLETED, 0);
	tell(table, early, SIGNAL_CLOSED, 2 * NS_PER_SEC);
	tell(table, early, SIGNAL_TIME_WAIT_OVER, 2 * NS_PER_SEC);
	tell(table, late, SIGNAL_CLOSED, 2 * NS_PER_SEC);
	tell(table, late, SIGNAL_COMPLETED, 2 * NS_PER_SEC);
	assert_int_equal(totals(table, pair)[SUMMARY_CLOSED], 1);
	assert_int_equal(totals(table, pair)[SUMMARY_TIME_WAIT_OVER], 0);
	summary_table_destroy(table);
}

static struct source_filter *filter_of(struct summary_table *table)
{
	return summary_table_filter(table);
}

/* Of addresses that differ in the order of their halves, services and sources share the places where they may be. */
static struct ip_addr ip6(uint8_t upper, uint8_t lower)
{
	struct ip_addr address = { .version = 6 };

	address.bytes[7] = upper;
	address.bytes[15] = lower;
	return address;
}

static void test_who_shares_a_place_is_told_apart(void **state)
{
	enum { TRIES = 60 };
	struct summary_table *table = create(1 << 20);
	struct source_filter *filter = filter_of(table);
	const struct ip_addr ends[] = { ip6(1, 2), ip6(2, 1) };

	(void)state;
	for (unsigned i = 0; i < TRIES; i++) {
		struct flow_signal signal = attempt(0, 0, 443, START_NS + i * NS_PER_MS);
		signal.client = ends[i % 2];
		signal.server = ends[i / 2 % 2];
		summary_table_signal(table, &signal);
		if (i == TRIES / 2 - 1)
			source_filter_judge(&filter, 1, signal.now_ns);
	}
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(totals(table, summary_key_service(&ends[i], 443))[SUMMARY_ATTEMPTS], TRIES / 2);
		assert_int_equal(totals(table, summary_key_source(&ends[i]))[SUMMARY_ATTEMPTS], TRIES / 4);
	}
	summary_table_destroy(table);
}

/* 100 scanned addresses, among a million SYNs with made-up sources: the scanner has a record, they have none. */
static void test_made_up_sources_have_no_records(void **state)
{
	struct summary_table *table = create(32 << 20);
	struct source_filter *filter = filter_of(table);
	const struct ip_addr scanner = ip4(0xc6336401);
	uint32_t random = 1;
	unsigned n_known = 0;

	(void)state;
	for (uint32_t i = 0; i < 1000000; i++) {
		uint64_t at_ns = START_NS + i * UINT64_C(20000);
		random = random * 1664525 + 1013904223;
		struct flow_signal signal = attempt(random ^ (random >> 13), 0xcb007105, 443, at_ns);
		summary_table_signal(table, &signal);
		if (i % 10000 == 0) {
			signal = attempt(0xc6336401, 0xcb007200 + i / 10000, 22, at_ns);
			summary_table_signal(table, &signal);
		}
		if (i % 5000 == 0)
			source_filter_judge(&filter, 1, at_ns);
	}
	assert_non_null(totals(table, summary_key_source(&scanner)));
	assert_true(totals(table, summary_key_source(&scanner))[SUMMARY_ATTEMPTS] > 30);
	random = 1;
	for (uint32_t i = 0; i < 100000; i++) {
		random = random * 1664525 + 1013904223;
		const struct ip_addr source = ip4(random ^ (random >> 13));
		n_known += totals(table, summary_key_source(&source)) != NULL;
	}
	assert_true(n_known < 1000);
	summary_table_destroy(table);
}

/* Sprayed targets are forgotten before a service that is in use, whatever their number. */
static void test_a_spray_does_not_displace_what_is_used(void **state)
{
	struct summary_table *table = create(1 << 20);
	struct flow_signal used = attempt(1, 0xcb007105, 443, START_NS);
	const struct ip_addr server = ip4(0xcb007105);

	(void)state;
	for (uint64_t i = 0; i < 4; i++) {
		used.now_ns = used.since_ns = START_NS + i * NS_PER_SEC;
		tell(table, used, SIGNAL_ATTEMPT, 0);
		tell(table, used, SIGNAL_COMPLETED, NS_PER_MS);
	}
	for (uint32_t i = 0; i < 100000; i++) {
		struct flow_signal spray = attempt(7, 0x0b000000 + i * 257, (uint16_t)i, START_NS + 5 * NS_PER_SEC + i);
		summary_table_signal(table, &spray);
	}
	assert_true(summary_table_evicted(table) > 90000);
	assert_int_equal(totals(table, summary_key_service(&server, 443))[SUMMARY_COMPLETED], 4);
	assert_int_equal(totals(table, summary_key_host(&server))[SUMMARY_COMPLETED], 4);
	summary_table_destroy(table);
}

/* Targets that were asked twice take parts; when none is left, the one that was not used for longest begins anew. */
static void test_parts_are_had_from_the_oldest(void **state)
{
	struct summary_table *table = create(256 << 10);
	const struct ip_addr first = ip4(0x0b000000);

	(void)state;
	for (uint64_t round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < 30; i++) {
			struct flow_signal signal =
				attempt(7, 0x0b000000 + i, 80, START_NS + round * NS_PER_SEC + i * NS_PER_MS);
			summary_table_signal(table, &signal);
		}
	}
	const struct ip_addr last = ip4(0x0b000000 + 29);
	const struct summary_key key = summary_key_service(&last, 80);
	assert_non_null(summary_table_find(table, &key)->summary.slots);
	assert_int_equal(totals(table, key)[SUMMARY_ATTEMPTS], 2);
	assert_true(summary_table_evicted(table) > 0);
	const uint64_t *of_first = totals(table, summary_key_service(&first, 80));
	assert_true(of_first == NULL || of_first[SUMMARY_ATTEMPTS] < 2);
	summary_table_destroy(table);
}

static void test_a_prefix_has_what_begins_so(void **state)
{
	struct ip_addr six = { .version = 6, .bytes = { 0xcb, 0, 0x71, 1, 2, 3, 4, 5, 6 } };
	const struct ip_addr four = ip4(0xcb007105);
	const struct ip_addr beside = ip4(0xcb007205);
	const struct summary_key of_four = summary_key_prefix(&four);
	const struct summary_key of_six = summary_key_prefix(&six);

	(void)state;
	assert_true(summary_prefix_has(&of_four, &four));
	assert_false(summary_prefix_has(&of_four, &beside));
	assert_false(summary_prefix_has(&of_four, &six));
	assert_true(summary_prefix_has(&of_six, &six));
	six.bytes[8] = 7;
	assert_true(summary_prefix_has(&of_six, &six));
	six.bytes[7] = 7;
	assert_false(summary_prefix_has(&of_six, &six));
}

static void test_busy_keys_are_offered_once(void **state)
{
	struct summary_table *table = create(1 << 20);
	struct summary_record *const *candidates;

	(void)state;
	for (uint64_t i = 0; i < 7; i++) {
		struct flow_signal signal = attempt(1, 0xcb007105, 443, START_NS + i);
		summary_table_signal(table, &signal);
	}
	assert_int_equal(summary_table_candidates(table, &candidates), 0);
	for (uint64_t i = 7; i < 10; i++) {
		struct flow_signal signal = attempt(1, 0xcb007105, 443, START_NS + i);
		summary_table_signal(table, &signal);
	}
	/* The service and its host; not yet the prefix. */
	assert_int_equal(summary_table_candidates(table, &candidates), 2);
	const struct summary_key key = candidates[0]->key;
	assert_int_equal(summary_deserves(&candidates[0]->summary, SUMMARY_SERVICE, START_NS + 10), ATTENTION_KEPT);
	summary_table_forget_candidates(table);
	assert_non_null(summary_table_attend(table, &key, ATTENTION_CROWDS, START_NS + 10));
	struct flow_signal signal = attempt(1, 0xcb007105, 443, START_NS + 11);
	summary_table_signal(table, &signal);
	/* What has attention is not offered, and from now on who takes part is known. */
	assert_int_equal(summary_table_candidates(table, &candidates), 1);
	assert_non_null(summary_crowd_now(&summary_table_find(table, &key)->summary, CROWD_TRYING, START_NS + 11));
	assert_non_null(summary_table_attend(table, &key, ATTENTION_NONE, START_NS + 12));
	assert_null(summary_crowd_now(&summary_table_find(table, &key)->summary, CROWD_TRYING, START_NS + 12));
	summary_table_destroy(table);
}

/* Many of each service, in two spans: whoever has crowds has sketches for both. */
static void test_crowds_that_grow_have_sketches(void **state)
{
	enum { SERVICES = 200, CLIENTS = SUMMARY_SAMPLE + 8 };
	struct summary_table *table = create(4 << 20);
	const struct ip_addr server = ip4(0xcb007105);
	size_t n_crowds = 0;
	size_t n_free;

	(void)state;
	for (uint64_t i = 0; i < (uint64_t)SERVICES * CLIENTS * 2; i++) {
		uint16_t port = (uint16_t)(1 + i / CLIENTS % SERVICES);
		uint64_t at_ns = START_NS + i / CLIENTS / SERVICES * SUMMARY_SPAN_NS;
		const struct summary_key key = summary_key_service(&server, port);
		struct flow_signal signal = attempt((uint32_t)(0x0a000000 + i % CLIENTS), 0xcb007105, port, at_ns);

		assert_non_null(summary_table_attend(table, &key, ATTENTION_CROWDS, at_ns));
		signal.flow_id = i + 1;
		summary_table_signal(table, &signal);
	}
	for (uint16_t port = 1; port <= SERVICES; port++) {
		const struct summary_key key = summary_key_service(&server, port);
		const struct summary_crowds *crowds = summary_table_find(table, &key)->summary.crowds[CROWD_TRYING];
		for (int k = 0; crowds != NULL && k < 2; k++) {
			assert_int_equal(crowds->spans[k].connections, CLIENTS);
			assert_true(summary_crowd_sources(&crowds->spans[k]) > CLIENTS - 2);
		}
		n_crowds += crowds != NULL;
		assert_non_null(summary_table_attend(table, &key, ATTENTION_KEPT, START_NS + 2 * SUMMARY_SPAN_NS));
	}
	/* There were crowds for some, and they are all given back. */
	assert_in_range(n_crowds, 1, SERVICES - 1);
	assert_int_equal(summary_table_crowds(table, &n_free), n_crowds);
	assert_int_equal(n_free, n_crowds);
	summary_table_destroy(table);
}

static void test_crowds_take_the_room_they_need(void **state)
{
	struct summary_table *table = create(4 << 20);
	const struct ip_addr server = ip4(0xcb007105);
	const struct summary_key key = summary_key_service(&server, 443);

	(void)state;
	assert_non_null(summary_table_attend(table, &key, ATTENTION_CROWDS, START_NS));
	for (unsigned n = 1; n <= 2 * SUMMARY_SAMPLE; n++) {
		struct flow_signal signal = attempt(0x0a000000 + n, 0xcb007105, 443, START_NS);
		signal.flow_id = n;
		summary_table_signal(table, &signal);
		const struct summary_crowd *crowd =
			summary_crowd_now(&summary_table_find(table, &key)->summary, CROWD_TRYING, START_NS);
		unsigned n_sampled = n < SUMMARY_SAMPLE ? n : SUMMARY_SAMPLE;
		assert_int_equal(crowd->n_sampled, n_sampled);
		for (unsigned i = 0; i < SUMMARY_PLACE_BLOCKS; i++)
			assert_int_equal(crowd->sample[i] != NULL, i * SUMMARY_PLACES < n_sampled);
		assert_int_equal(crowd->sketches != NULL, n > SUMMARY_SAMPLE);
	}
	summary_table_destroy(table);
}

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

/* Of a connection like many: what the table hears of it next. */
static struct flow_signal random_signal(uint32_t *random, uint64_t now_ns)
{
	static const enum tcp_state states[] = { TCPS_CLOSE_WAIT, TCPS_FIN_WAIT_2, TCPS_LAST_ACK };
	uint64_t ago_ns = next_random(random) % 8 * (NS_PER_SEC / 2);
	struct flow_signal signal = attempt(1 + next_random(random) % 3, 0xcb007105, 443, now_ns);

	signal.kind = (enum flow_signal_kind)(next_random(random) % SIGNAL_KIND_COUNT);
	if (next_random(random) % 3 == 0)
		signal.kind = next_random(random) % 2 ? SIGNAL_ATTEMPT : SIGNAL_COMPLETED;
	if (signal.kind == SIGNAL_ATTEMPT)
		ago_ns = 0;
	signal.since_ns -= ago_ns;
	/* What is told late is told of the past. */
	signal.now_ns -= next_random(random) % 4 * (ago_ns / 4);
	signal.completed = next_random(random) % 2;
	signal.spoke = next_random(random) % 2;
	signal.side = (uint8_t)(next_random(random) % 2);
	signal.state = (uint8_t)states[next_random(random) % 3];
	signal.stray = (uint8_t)(next_random(random) % STRAY_COUNT);
	return signal;
}

/* Whoever is not asked whether it deserves attention would not have been found to. */
static void test_calm_keys_could_not_be_offered(void **state)
{
	uint32_t random = 1;
	unsigned n_calm = 0;
	unsigned n_offered = 0;

	(void)state;
	for (unsigned world = 0; world < 40; world++) {
		struct summary_table *table = create(1 << 20);
		struct summary_record *const *candidates;
		for (uint64_t i = 0; i < 1000; i++) {
			uint64_t now_ns = START_NS + i * (world + 1) * NS_PER_SEC / 16;
			const struct flow_signal signal = random_signal(&random, now_ns);
			const struct summary_key keys[] = {
				summary_key_service(&signal.server, 443),
				summary_key_host(&signal.server),
				summary_key_prefix(&signal.server),
				summary_key_source(&signal.client),
				summary_key_pair(&signal.client, &signal.server, signal.server_port),
			};
			summary_table_signal(table, &signal);
			for (size_t k = 0; k < 5; k++) {
				const struct summary_record *record = summary_table_find(table, &keys[k]);
				if (record == NULL || record->candidate != 0 || record->n_calm == 0)
					continue;
				assert_true(summary_lacks_to_deserve(&record->summary, (enum summary_kind)keys[k].kind,
								     signal.now_ns, 1) > record->n_calm);
				n_calm++;
			}
			n_offered += summary_table_candidates(table, &candidates) > 0;
			if (i % 100 == 0)
				summary_table_forget_candidates(table);
		}
		summary_table_destroy(table);
	}
	assert_true(n_calm > 1000);
	assert_true(n_offered > 1000);
}

/* Who had attention and lost it is asked at once, however calm it once was. */
static void test_who_lost_attention_is_asked_anew(void **state)
{
	struct summary_table *table = create(1 << 20);
	const struct ip_addr server = ip4(0xcb007105);
	const struct summary_key key = summary_key_service(&server, 443);
	struct summary_record *const *candidates;

	(void)state;
	struct flow_signal signal = attempt(1, 0xcb007105, 443, START_NS);
	summary_table_signal(table, &signal);
	assert_true(summary_table_find(table, &key)->n_calm > 0);
	assert_non_null(summary_table_attend(table, &key, ATTENTION_KEPT, START_NS));
	for (uint64_t i = 1; i < 8; i++) {
		signal = attempt(1, 0xcb007105, 443, START_NS + i);
		summary_table_signal(table, &signal);
	}
	assert_non_null(summary_table_attend(table, &key, ATTENTION_NONE, START_NS + 8));
	summary_table_forget_candidates(table);
	tell(table, signal, SIGNAL_ANSWERED, 1);
	/* And its host, which was not attended. */
	assert_int_equal(summary_table_candidates(table, &candidates), 2);
	summary_table_destroy(table);
}

/* A trickle is never busy, but what it holds open adds up. */
static void test_a_trickle_is_offered(void **state)
{
	struct summary_table *table = create(1 << 20);
	struct summary_record *const *candidates;

	(void)state;
	for (uint64_t i = 0; i < 15; i++) {
		struct flow_signal signal = attempt((uint32_t)i, 0xcb007105, 443, START_NS + 3 * i * NS_PER_SEC);
		summary_table_signal(table, &signal);
		tell(table, signal, SIGNAL_ANSWERED, NS_PER_MS);
	}
	assert_int_equal(summary_table_candidates(table, &candidates), 0);
	struct flow_signal signal = attempt(99, 0xcb007105, 443, START_NS + 45 * NS_PER_SEC);
	summary_table_signal(table, &signal);
	tell(table, signal, SIGNAL_ANSWERED, NS_PER_MS);
	assert_true(summary_table_candidates(table, &candidates) >= 1);
	assert_int_equal(candidates[0]->key.kind, SUMMARY_SERVICE);
	summary_table_destroy(table);
}

/* A forgotten record is no candidate any more. */
static void test_forgotten_candidates(void **state)
{
	struct summary_table *table = create(256 << 10);
	struct summary_record *const *candidates;
	size_t n_left = 0;

	(void)state;
	for (uint64_t i = 0; i < 8; i++) {
		struct flow_signal signal = attempt(1, 0xcb007105, 443, START_NS + i);
		summary_table_signal(table, &signal);
	}
	for (uint32_t i = 0; i < 5000; i++) {
		struct flow_signal spray = attempt(7, 0x0b000000 + i * 257, 80, START_NS + 100 + i);
		summary_table_signal(table, &spray);
	}
	size_t n = summary_table_candidates(table, &candidates);
	for (size_t i = 0; i < n; i++)
		n_left += candidates[i] != NULL;
	assert_int_equal(n, 2);
	assert_int_equal(n_left, 0);
	summary_table_destroy(table);
}

static void test_strays_make_hosts_and_no_services(void **state)
{
	struct summary_table *table = create(1 << 20);
	struct flow_signal stray = attempt(1, 0xcb007105, 443, START_NS);
	const struct ip_addr server = ip4(0xcb007105);

	(void)state;
	stray.kind = SIGNAL_STRAY;
	stray.stray = STRAY_ACK;
	summary_table_signal(table, &stray);
	assert_null(totals(table, summary_key_service(&server, 443)));
	assert_int_equal(totals(table, summary_key_host(&server))[SUMMARY_STRAYS + STRAY_ACK], 1);
	assert_int_equal(totals(table, summary_key_prefix(&server))[SUMMARY_STRAYS + STRAY_ACK], 1);
	summary_table_destroy(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_connection_counts_for_all_its_keys),
		cmocka_unit_test(test_who_shares_a_place_is_told_apart),
		cmocka_unit_test(test_all_or_nothing_of_a_connection_counts),
		cmocka_unit_test(test_a_pair_that_comes_again_has_a_record),
		cmocka_unit_test(test_of_several_tables_each_is_sooner_content),
		cmocka_unit_test(test_attention_finds_what_is_known_of_a_rare_pair),
		cmocka_unit_test(test_a_rare_pair_counts_all_or_nothing),
		cmocka_unit_test(test_the_order_of_telling_does_not_matter),
		cmocka_unit_test(test_made_up_sources_have_no_records),
		cmocka_unit_test(test_a_spray_does_not_displace_what_is_used),
		cmocka_unit_test(test_parts_are_had_from_the_oldest),
		cmocka_unit_test(test_a_prefix_has_what_begins_so),
		cmocka_unit_test(test_busy_keys_are_offered_once),
		cmocka_unit_test(test_calm_keys_could_not_be_offered),
		cmocka_unit_test(test_who_lost_attention_is_asked_anew),
		cmocka_unit_test(test_a_trickle_is_offered),
		cmocka_unit_test(test_crowds_that_grow_have_sketches),
		cmocka_unit_test(test_crowds_take_the_room_they_need),
		cmocka_unit_test(test_forgotten_candidates),
		cmocka_unit_test(test_strays_make_hosts_and_no_services),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
