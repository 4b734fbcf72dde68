/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random operations on the store of unanswered SYNs and on a model that is too simple to be wrong: lists that are
 * searched from end to end. Both must agree after every step on who is there and with what content, who was evicted
 * for whom, who is due first, how many entries are taken, and on all counters.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "syn_store.c"

#include "random.h"

enum { N_KEYS = 1500, N_STEPS = 30000, CHECK_EVERY = 61, MEMORY_BYTES = 64 * 1024 };

/* One attempt; its number is its place in the array and the port of its client. */
struct model_attempt {
	bool present;
	bool alerted;
	bool answered_late;
	enum syn_class class;
	uint64_t id;
	uint64_t begun_ns;
	uint64_t previous_id;
	struct packet first;
	struct packet repeats[SYN_MAX_REPEATS];
	unsigned n_repeats;
	unsigned n_duplicates;
	unsigned n_parts;
	bool reserved; /* the part of the repeats */
	struct packet answer;
};

static const uint64_t timeout_ns[SYN_CLASS_COUNT] = { 1000, 30000, 700, 20000 };

/*
 * What waits in a queue: an attempt, or the entry of one that is gone; or, among the unanswered, the entry of one that
 * was answered, whose other entries are counted where it is half open.
 */
struct model_place {
	uint32_t n; /* N_KEYS: gone */
	unsigned n_entries;
	bool answered;
};

struct model_queue {
	struct model_place places[MEMORY_BYTES / 64];
	unsigned n;
};

struct run {
	struct model_attempt attempts[N_KEYS];
	struct model_queue queues[SYN_CLASS_COUNT];
	struct syn_store_stats expected;
	uint64_t last_evicted_id; /* by the model */
	uint64_t store_evicted_id;
	struct syn_store *store;
	struct flow_key_config key;
	struct random random;
	uint64_t now_ns;
	uint64_t next_id;
};

static void note_evicted(void *context, struct syn_entry *entry)
{
	struct run *run = context;

	run->store_evicted_id = syn_store_id(entry);
}

/* Every fourth has a neighbour that differs from it in its VLAN alone, or in its address family. */
static void set_ends(struct packet *packet, uint32_t n)
{
	packet->src.version = n % 4 == 3 ? 6 : 4;
	packet->dst.version = packet->src.version;
	packet->src.bytes[0] = 10;
	packet->dst.bytes[0] = n % 2 == 0 ? 9 : 11; /* before and after the client in the key's order */
	packet->src.bytes[15] = packet->src.version == 6 ? 5 : 0;
	packet->src_port = (uint16_t)(1000 + n / 4);
	packet->dst_port = 80;
	packet->n_vlans = n % 4 == 1 ? 1 : (n % 4 == 2 ? 2 : 0);
	packet->vlans[0] = packet->n_vlans > 0 ? 3 : 0;
	packet->vlans[1] = packet->n_vlans > 1 ? 4 : 0;
}

static void fill_syn(struct run *run, struct packet *packet, uint32_t n)
{
	*packet = (struct packet){
		.time_ns = run->now_ns,
		.number = ++run->next_id,
		.source = (uint16_t)random_below(&run->random, 4096),
		.seq = random_below(&run->random, UINT32_MAX),
		.flags = SEG_SYN,
		.window = (uint16_t)(1 + random_below(&run->random, 65535)),
		.ttl = (uint8_t)random_below(&run->random, 256),
		.ip_id = (uint16_t)random_below(&run->random, 65536),
		.ip_bytes = (uint16_t)(40 + random_below(&run->random, 20)),
		.payload_hash = random_below(&run->random, UINT32_MAX),
		.options_complete = random_below(&run->random, 10) != 0,
		.options = { .present = TCPOPT_MSS | TCPOPT_WSCALE | TCPOPT_TIMESTAMP,
			     .mss = (uint16_t)random_below(&run->random, 65536),
			     .wscale = (uint8_t)random_below(&run->random, 16),
			     .ts_val = random_below(&run->random, UINT32_MAX),
			     .layout = random_below(&run->random, UINT32_MAX) },
	};
	set_ends(packet, n);
	if (random_below(&run->random, 8) == 0) {
		packet->flags |= SEG_ECE | SEG_CWR;
		packet->payload_bytes = random_below(&run->random, 1400);
		packet->ip_bytes = (uint16_t)(packet->ip_bytes + packet->payload_bytes);
	}
	if (random_below(&run->random, 8) == 0) {
		packet->options.present |= TCPOPT_FASTOPEN | TCPOPT_MPTCP;
		packet->options.fastopen_cookie_bytes = 8;
		packet->options.mptcp_subtype = 1;
		packet->options.wscale = (uint8_t)random_below(&run->random, 256);
		packet->options.ts_ecr = random_below(&run->random, UINT32_MAX);
		anomaly_set_add(&packet->anomalies, (enum anomaly)random_below(&run->random, ANOMALY_COUNT));
	}
}

static uint64_t hash_of(const struct run *run, const struct packet *packet, struct flow_key *key)
{
	flow_key_from_packet(&run->key, packet, key);
	return flow_key_hash(&run->key, key);
}

/* ---- The model ---- */

static uint64_t model_entries(const struct run *run)
{
	uint64_t n = 0;

	for (unsigned class = 0; class < SYN_CLASS_COUNT; class ++)
		for (unsigned i = 0; i < run->queues[class].n; i++)
			n += run->queues[class].places[i].n_entries;
	return n;
}

static void model_take_out(struct model_queue *queue, struct model_place *place)
{
	size_t n_behind = (size_t)(&queue->places[queue->n] - place - 1);

	memmove(place, place + 1, n_behind * sizeof(*place));
	queue->n--;
}

static void model_append(struct model_queue *queue, uint32_t n, unsigned n_entries)
{
	queue->places[queue->n++] = (struct model_place){ n, n_entries, false };
}

static struct model_place *model_find(struct model_queue *queue, uint32_t n, bool answered)
{
	for (unsigned i = 0; i < queue->n; i++) {
		if (queue->places[i].n == n && queue->places[i].answered == answered)
			return &queue->places[i];
	}
	return NULL;
}

static struct model_place *model_place_of(struct run *run, uint32_t n)
{
	return model_find(&run->queues[run->attempts[n].class], n, false);
}

/* What comes to the head and is not there any more, goes; the entry of one that was answered stays with the others. */
static void model_clear_heads(struct run *run)
{
	for (unsigned class = 0; class < SYN_HALF_OPEN_NEW; class ++) {
		struct model_queue *queue = &run->queues[class];
		while (queue->n > 0 && (queue->places[0].n == N_KEYS || queue->places[0].answered)) {
			if (queue->places[0].answered)
				model_place_of(run, queue->places[0].n)->n_entries++;
			model_take_out(queue, &queue->places[0]);
		}
	}
}

/* An entry that is in a queue of the unanswered waits for its turn. */
static void model_remove(struct run *run, uint32_t n)
{
	struct model_attempt *attempt = &run->attempts[n];
	struct model_place *place = model_place_of(run, n);

	if (attempt->class >= SYN_HALF_OPEN_NEW) {
		model_take_out(&run->queues[attempt->class], place);
		for (unsigned class = 0; class < SYN_HALF_OPEN_NEW; class ++) {
			place = model_find(&run->queues[class], n, true);
			if (place != NULL)
				*place = (struct model_place){ N_KEYS, 1, false };
		}
	} else {
		*place = (struct model_place){ N_KEYS, 1, false };
	}
	attempt->present = false;
	run->expected.in_use[attempt->class]--;
	model_clear_heads(run);
}

/* False when only spared is left. */
static bool model_make_room(struct run *run, unsigned n_entries, uint32_t spared)
{
	while (run->expected.capacity - model_entries(run) < n_entries) {
		unsigned class = run->queues[SYN_UNANSWERED].n > 0 ? SYN_UNANSWERED : SYN_UNANSWERED_NEW;
		if (run->queues[class].n == 0 || run->queues[class].places[0].n == spared)
			return false;
		uint32_t victim = run->queues[class].places[0].n;
		run->expected.evicted[class]++;
		run->last_evicted_id = run->attempts[victim].id;
		model_remove(run, victim);
	}
	return true;
}

static uint64_t model_due_ns(const struct model_attempt *attempt)
{
	bool answered = attempt->class >= SYN_HALF_OPEN_NEW;
	uint64_t first_ns =
		answered ? attempt->answer.time_ns + timeout_ns[SYN_HALF_OPEN_NEW] : attempt->begun_ns + timeout_ns[0];

	return first_ns + (attempt->class % 2 == 1 ? timeout_ns[attempt->class] : 0);
}

/* The number of the attempt due first, or N_KEYS. */
static uint32_t model_first_due(const struct run *run)
{
	uint32_t first = N_KEYS;

	for (unsigned class = 0; class < SYN_CLASS_COUNT; class ++) {
		if (run->queues[class].n == 0)
			continue;
		uint32_t n = run->queues[class].places[0].n;
		if (first == N_KEYS || model_due_ns(&run->attempts[n]) < model_due_ns(&run->attempts[first]))
			first = n;
	}
	return first;
}

/* ---- Steps on both ---- */

/* What is told without unpacking is what unpacking gives. */
static void check_gist(const struct run *run, const struct syn_attempt *attempt, const struct syn_entry *entry)
{
	const struct packet *syn = &attempt->first;
	struct syn_gist gist;

	syn_store_get_gist(run->store, entry, &gist);
	assert_int_equal(gist.id, syn->number);
	assert_int_equal(gist.time_ns, syn->time_ns);
	assert_memory_equal(&gist.client, &syn->src, sizeof(gist.client));
	assert_memory_equal(&gist.server, &syn->dst, sizeof(gist.server));
	assert_int_equal(gist.client_port, syn->src_port);
	assert_int_equal(gist.server_port, syn->dst_port);
	assert_int_equal(gist.iss, syn->seq);
	assert_int_equal(gist.layout, syn->options.layout);
	assert_int_equal(gist.window, syn->window);
	assert_int_equal(gist.ttl, syn->ttl);
	const uint16_t ordinary = TCPOPT_MSS | TCPOPT_WSCALE | TCPOPT_SACK_PERMITTED | TCPOPT_TIMESTAMP;
	assert_int_equal(gist.options, syn->options.present & ordinary);
	assert_int_equal(gist.repeated, attempt->n_repeats > 0);
}

static void check_content(const struct run *run, const struct model_attempt *expected, const struct syn_entry *entry)
{
	struct syn_attempt attempt;
	const struct packet *last =
		expected->n_repeats > 0 ? &expected->repeats[expected->n_repeats - 1] : &expected->first;

	syn_store_unpack(run->store, entry, &attempt);
	assert_memory_equal(&attempt.first, &expected->first, sizeof(attempt.first));
	assert_int_equal(attempt.last_ts_val, last->options.ts_val);
	assert_int_equal(attempt.n_repeats, expected->n_repeats);
	for (unsigned i = 0; i < attempt.n_repeats; i++) {
		assert_int_equal(attempt.repeats[i].time_ns, expected->repeats[i].time_ns);
		assert_int_equal(attempt.repeats[i].hash, expected->repeats[i].payload_hash);
		assert_int_equal(attempt.repeats[i].ip_id, expected->repeats[i].ip_id);
	}
	assert_int_equal(attempt.n_duplicates, expected->n_duplicates);
	assert_int_equal(attempt.previous_id, expected->previous_id);
	assert_int_equal(attempt.due_ns, model_due_ns(expected));
	assert_int_equal(attempt.class, expected->class);
	assert_int_equal(attempt.answered_late, expected->answered_late);
	if (expected->class >= SYN_HALF_OPEN_NEW)
		assert_memory_equal(&attempt.answer, &expected->answer, sizeof(attempt.answer));
	assert_int_equal(attempt.alerted, expected->alerted);
	check_gist(run, &attempt, entry);
}

/* What is fetched is the chain, to its end. */
static void check_trail(const struct syn_store *store, uint64_t hash, const struct syn_entry *entry)
{
	const uint32_t *link = syn_store_fetch_chain(store, hash);
	bool is_passed = entry == NULL;

	while (*link != NO_SLOT) {
		is_passed = is_passed || syn_entry_at(store, *link) == entry;
		link = syn_store_fetch_next(store, link);
	}
	assert_true(is_passed);
	assert_ptr_equal(syn_store_fetch_next(store, link), link);
}

static struct syn_entry *find(struct run *run, uint32_t n)
{
	struct packet packet = { .seq = 0 };
	struct flow_key key;

	set_ends(&packet, n);
	uint64_t hash = hash_of(run, &packet, &key);
	struct syn_entry *entry = syn_store_find(run->store, &key, hash);
	assert_int_equal(entry != NULL, run->attempts[n].present);
	check_trail(run->store, hash, entry);
	if (entry != NULL)
		check_content(run, &run->attempts[n], entry);
	return entry;
}

static void step_insert(struct run *run, uint32_t n)
{
	uint64_t previous_id = random_below(&run->random, 4) == 0 ? run->next_id : 0;
	struct model_attempt *attempt = &run->attempts[n];
	struct packet packet;
	struct flow_key key;

	fill_syn(run, &packet, n);
	uint64_t hash = hash_of(run, &packet, &key);
	unsigned client_index = flow_key_from_packet(&run->key, &packet, &key);
	unsigned n_parts = syn_parts_needed(&packet, previous_id, run->now_ns);
	if (model_make_room(run, 1 + n_parts, N_KEYS)) {
		*attempt = (struct model_attempt){ .present = true,
						   .id = packet.number,
						   .begun_ns = run->now_ns,
						   .previous_id = previous_id,
						   .first = packet,
						   .n_parts = n_parts };
		model_append(&run->queues[false], n, 1 + n_parts);
		run->expected.created++;
		run->expected.in_use[false]++;
	}
	assert_non_null(syn_store_insert(run->store, &packet, client_index, hash, previous_id, run->now_ns));
}

static void step_repeat(struct run *run, uint32_t n, struct syn_entry *entry)
{
	struct model_attempt *attempt = &run->attempts[n];
	struct packet packet = attempt->first;

	packet.time_ns = run->now_ns;
	packet.options.ts_val += 1000 * attempt->n_repeats + random_below(&run->random, 1000);
	packet.ip_id = (uint16_t)random_below(&run->random, 65536);
	packet.payload_hash = random_below(&run->random, UINT32_MAX);
	bool holds = attempt->n_repeats < SYN_MAX_REPEATS && attempt->class < SYN_HALF_OPEN_NEW;
	assert_int_equal(syn_store_holds(run->store, entry, &packet), holds);
	if (!holds)
		return;
	bool needs = attempt->n_parts == 0 || (attempt->n_repeats == 1 && !attempt->reserved);
	bool room = !needs || model_make_room(run, 1, n);
	assert_int_equal(syn_store_reserve(run->store, entry), room);
	if (!room)
		return;
	if (needs) {
		attempt->reserved = attempt->n_repeats == 1;
		attempt->n_parts++;
		model_place_of(run, n)->n_entries++;
	}
	if (random_below(&run->random, 4) == 0) {
		attempt->n_duplicates++;
		syn_store_duplicate(run->store, entry);
		return;
	}
	attempt->repeats[attempt->n_repeats++] = packet;
	syn_store_repeat(run->store, entry, &packet);
	attempt->alerted = true;
	syn_store_set_alerted(entry);
}

/* Most are plain; the others are refused, and nothing happens. */
static struct packet random_answer(struct run *run, const struct model_attempt *attempt, bool *plain)
{
	const struct packet *syn = &attempt->first;
	struct packet packet = {
		.time_ns = run->now_ns,
		.number = ++run->next_id,
		.src = syn->dst,
		.dst = syn->src,
		.src_port = syn->dst_port,
		.dst_port = syn->src_port,
		.seq = random_below(&run->random, UINT32_MAX),
		.ack = syn->seq + 1,
		.flags = SEG_SYN | SEG_ACK,
		.window = (uint16_t)random_below(&run->random, 65536),
		.ttl = (uint8_t)random_below(&run->random, 256),
		.ip_id = (uint16_t)random_below(&run->random, 65536),
		.ip_bytes = (uint16_t)random_below(&run->random, 65536),
		.payload_hash = random_below(&run->random, UINT32_MAX),
		.options_complete = random_below(&run->random, 10) != 0,
		.options = { .present = TCPOPT_MSS | TCPOPT_SACK_PERMITTED | TCPOPT_TIMESTAMP,
			     .mss = (uint16_t)random_below(&run->random, 65536),
			     .wscale = (uint8_t)random_below(&run->random, 16),
			     .ts_val = random_below(&run->random, UINT32_MAX),
			     .ts_ecr = random_below(&run->random, UINT32_MAX),
			     .layout = random_below(&run->random, UINT32_MAX) },
	};
	unsigned odd = random_below(&run->random, 16);

	if (random_below(&run->random, 4) == 0)
		packet.flags |= SEG_ECE;
	packet.flags |= odd == 0 ? SEG_PSH : 0;
	packet.ack += odd == 1;
	packet.payload_bytes = odd == 2;
	packet.options.present |= odd == 3 ? TCPOPT_FASTOPEN : 0;
	packet.options.wscale = odd == 4 ? 16 : packet.options.wscale;
	packet.checksum = odd == 5 ? CHECKSUM_BAD : packet.checksum;
	if (odd == 6)
		anomaly_set_add(&packet.anomalies, ANOMALY_FRAGMENT_OVERLAP);
	*plain = odd > 6 && attempt->class < SYN_HALF_OPEN_NEW && attempt->n_repeats == 0 &&
		 attempt->n_duplicates == 0 && attempt->n_parts < 2 && syn->payload_bytes == 0;
	return packet;
}

static void step_answer(struct run *run, uint32_t n, struct syn_entry *entry)
{
	struct model_attempt *attempt = &run->attempts[n];
	const uint64_t *in_use = run->expected.in_use;
	bool plain;
	const struct packet answer = random_answer(run, attempt, &plain);
	bool many = in_use[SYN_HALF_OPEN_NEW] + in_use[SYN_HALF_OPEN] >= run->expected.capacity / SYN_ANSWERED_SHARE;
	bool fits = plain && !many && model_make_room(run, 1, n);

	assert_int_equal(syn_store_answer(run->store, entry, &answer), fits);
	if (!fits)
		return;
	struct model_place *place = model_place_of(run, n);
	unsigned n_entries = place->n_entries;
	attempt->answered_late = attempt->class == SYN_UNANSWERED;
	run->expected.in_use[attempt->class]--;
	*place = (struct model_place){ n, 1, true };
	attempt->class = SYN_HALF_OPEN_NEW;
	attempt->answer = answer;
	model_append(&run->queues[SYN_HALF_OPEN_NEW], n, n_entries);
	model_clear_heads(run);
	run->expected.in_use[SYN_HALF_OPEN_NEW]++;
}

static void step_leave(struct run *run, uint32_t n, struct syn_entry *entry)
{
	struct flow_key key;
	uint64_t hash = hash_of(run, &run->attempts[n].first, &key);

	model_remove(run, n);
	if (random_below(&run->random, 3) == 0) {
		syn_store_remove(run->store, entry);
		return;
	}
	run->expected.promoted++;
	syn_store_promote(run->store, entry, hash);
}

static void step_time(struct run *run)
{
	for (;;) {
		uint32_t n = model_first_due(run);
		uint64_t due_ns;
		enum syn_class class;
		struct syn_entry *entry = syn_store_first_due(run->store, &due_ns, &class);

		assert_int_equal(entry != NULL, n < N_KEYS);
		if (entry == NULL)
			return;
		struct model_attempt *attempt = &run->attempts[n];
		assert_int_equal(syn_store_id(entry), attempt->id);
		assert_int_equal(due_ns, model_due_ns(attempt));
		assert_int_equal(class, attempt->class);
		if (due_ns > run->now_ns)
			return;
		if (class == SYN_UNANSWERED || class == SYN_HALF_OPEN) {
			run->expected.expired[class]++;
			model_remove(run, n);
			syn_store_expire(run->store, entry);
			continue;
		}
		struct model_place *place = model_place_of(run, n);
		unsigned n_entries = place->n_entries;
		model_take_out(&run->queues[class], place);
		run->expected.in_use[class]--;
		attempt->class = class + 1;
		model_append(&run->queues[class + 1], n, n_entries);
		model_clear_heads(run);
		run->expected.in_use[class + 1]++;
		syn_store_move_on(run->store, entry);
	}
}

/* What is noted is so, or else nothing is due before; and it is as much as one that left could tell. */
static void check_noted(const struct syn_store *store)
{
	for (unsigned class = 0; class < SYN_CLASS_COUNT; class ++) {
		const struct syn_entry *head = syn_queue_head(store, (enum syn_class) class);
		uint64_t due_ns = head != NULL ? syn_due_ns(store, head) : UINT64_MAX;
		assert_true(store->noted[class] == NOT_NOTED || store->noted[class] == store->queues[class].head);
		assert_true(store->noted[class] == NOT_NOTED ? store->due_ns[class] <= due_ns
							     : store->due_ns[class] == due_ns);
		assert_true(syn_store_due_ns(store) <= due_ns);
	}
}

/* Returns how many are in it. */
static uint64_t check_chain(const struct syn_store *store, uint32_t first, bool is_early)
{
	uint64_t n = 0;
	uint64_t id = 0;

	for (uint32_t slot = first; slot != NO_SLOT; slot = syn_entry_at(store, slot)->hash_next) {
		assert_true(syn_entry_at(store, slot)->id > id);
		id = syn_entry_at(store, slot)->id;
		assert_int_equal(syn_is_early(store, syn_entry_at(store, slot)), is_early);
		n++;
	}
	return n;
}

/* The invariants at the top of syn_store.c. */
static void check_invariants(const struct syn_store *store)
{
	uint64_t queued = 0;
	uint64_t chained = 0;
	uint64_t n_early = 0;

	for (unsigned class = 0; class < SYN_CLASS_COUNT; class ++) {
		bool half_open = class >= SYN_HALF_OPEN_NEW;
		uint64_t id = 0;
		uint64_t due_ns = 0;
		uint32_t last = NO_SLOT;
		for (uint32_t slot = store->queues[class].head; slot != NO_SLOT;) {
			const struct syn_answer *answer = half_open ? &store->slots[slot].answer : NULL;
			const struct syn_entry *entry = syn_entry_at(store, half_open ? answer->entry : slot);
			bool is_other = entry->state == ENTRY_GONE || entry->is_answered != half_open;
			assert_true(half_open || entry->in_queue);
			assert_true(!half_open || (!is_other && syn_parts_of(store, entry).answer == answer));
			assert_true(is_other || syn_class_of(store, entry) == class);
			assert_true(last != NO_SLOT || !is_other);
			assert_true(half_open || entry->id > id);
			assert_true(!half_open || answer->queue_prev == last);
			last = slot;
			slot = half_open ? answer->queue_next : entry->queue_next;
			slot = last == store->queues[class].tail ? NO_SLOT : slot;
			if (is_other)
				continue;
			assert_true(syn_due_ns(store, entry) >= due_ns);
			due_ns = syn_due_ns(store, entry);
			id = entry->id;
			queued++;
		}
		assert_int_equal(last, store->queues[class].tail);
	}
	for (uint64_t chain = 0; chain <= store->chain_mask; chain++)
		chained += check_chain(store, store->chains[chain], false);
	for (uint64_t chain = 0; chain <= store->early_mask; chain++)
		n_early += check_chain(store, store->early_chains[chain], true);
	chained += n_early;
	assert_int_equal(chained, queued);
	assert_int_equal(n_early, store->n_early);
	for (unsigned class = 0; class < SYN_CLASS_COUNT; class ++)
		queued -= store->stats.in_use[class];
	assert_int_equal(queued, 0);
	uint64_t n_freed = 0;
	for (uint32_t slot = store->first_freed; slot != NO_SLOT; slot = store->slots[slot].next_freed)
		n_freed++;
	assert_int_equal(store->first_fresh - 1, store->stats.entries_in_use + n_freed);
	check_noted(store);
}

static void compare(struct run *run)
{
	run->expected.entries_in_use = model_entries(run);
	assert_memory_equal(&run->expected, syn_store_get_stats(run->store), sizeof(run->expected));
	assert_int_equal(run->store_evicted_id, run->last_evicted_id);
}

static void one_step(struct run *run)
{
	uint32_t n = random_below(&run->random, N_KEYS);
	struct syn_entry *entry = find(run, n);

	/* By turns so slow that the store fills, and so fast that attempts expire. */
	run->now_ns += random_below(&run->random, run->next_id / 1000 % 2 == 0 ? 50 : 250);
	switch (random_below(&run->random, 8)) {
	case 0:
		step_time(run);
		break;
	case 1:
		if (entry != NULL)
			step_leave(run, n, entry);
		break;
	case 2:
	case 3:
		if (entry != NULL)
			step_answer(run, n, entry);
		break;
	default:
		if (entry != NULL)
			step_repeat(run, n, entry);
		else
			step_insert(run, n);
		break;
	}
}

/* What is left comes out by id. */
static void drain(struct run *run)
{
	uint64_t last_id = 0;

	for (struct syn_entry *entry; (entry = syn_store_oldest(run->store)) != NULL;) {
		assert_true(syn_store_id(entry) > last_id);
		last_id = syn_store_id(entry);
		syn_store_remove(run->store, entry);
	}
	assert_int_equal(run->store->stats.entries_in_use, 0);
	check_invariants(run->store);
}

static void run_with(uint64_t seed, bool one_chain)
{
	struct syn_store_config config = { .memory_bytes = MEMORY_BYTES };
	struct run *run = test_calloc(1, sizeof(*run));

	memcpy(config.timeout_ns, timeout_ns, sizeof(config.timeout_ns));
	run->random.state = seed;
	run->now_ns = 1000000;
	run->key = (struct flow_key_config){ .secret = { seed, 7 }, .use_vlan = true };
	run->store = syn_store_create(&config, &run->key, note_evicted, run, NULL);
	assert_non_null(run->store);
	if (one_chain)
		run->store->chain_mask = run->store->early_mask = 0;
	run->expected = *syn_store_get_stats(run->store);
	for (unsigned step = 0; step < N_STEPS; step++) {
		one_step(run);
		compare(run);
		if (step % CHECK_EVERY == 0)
			check_invariants(run->store);
	}
	/* The run went where it should. */
	assert_int_not_equal(run->store->late_from_id, UINT64_MAX);
	assert_true(run->expected.evicted[true] > 100 && run->expected.expired[true] > 100);
	assert_true(run->expected.promoted > 100 && run->expected.expired[SYN_HALF_OPEN] > 20);
	drain(run);
	syn_store_destroy(run->store);
	test_free(run);
}

static void agrees_with_the_model(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++)
		run_with(seed * UINT64_C(0x2545f4914f6cdd1d), false);
}

/* All in one chain: what tells attempts apart is their key, never their hash. */
static void agrees_with_the_model_when_all_hashes_collide(void **state)
{
	(void)state;
	run_with(99, true);
}

/* ---- What the model's random packets do not reach ---- */

static struct packet syn_number(uint32_t n)
{
	return (struct packet){ .time_ns = 1000 + n,
				.number = 1 + n,
				.src = { .version = 4,
					 .bytes = { 10, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n } },
				.dst = { .version = 4, .bytes = { 192, 0, 2, 1 } },
				.src_port = 1024,
				.dst_port = 80,
				.flags = SEG_SYN,
				.window = 512,
				.ip_bytes = 40 };
}

static struct syn_entry *insert(struct syn_store *store, const struct packet *packet)
{
	const struct flow_key_config keys = { .use_vlan = true };
	struct flow_key key;

	unsigned client_index = flow_key_from_packet(&keys, packet, &key);
	return syn_store_insert(store, packet, client_index, flow_key_hash(&keys, &key), 0, packet->time_ns);
}

static struct syn_store *create(size_t memory_bytes, syn_evict_fn *evict, void *context)
{
	const struct flow_key_config keys = { .use_vlan = true };
	struct syn_store_config config;
	struct error error;

	syn_store_config_defaults(&config);
	config.memory_bytes = memory_bytes;
	return syn_store_create(&config, &keys, evict, context, &error);
}

static void count_evicted(void *context, struct syn_entry *entry)
{
	uint64_t *last_id = context;

	assert_int_equal(syn_store_id(entry), *last_id + 1); /* the oldest first */
	++*last_id;
}

static void a_flood_takes_one_entry_an_attempt_and_the_oldest_go_first(void **state)
{
	uint64_t last_id = 0;
	struct syn_store *store = create(1 << 20, count_evicted, &last_id);
	const struct syn_store_stats *stats = syn_store_get_stats(store);

	(void)state;
	/* The index takes a sixteenth at most. */
	assert_true(stats->capacity * 68 >= (1 << 20) - 64 * 1024);
	for (uint32_t n = 0; n < 100000; n++) {
		const struct packet packet = syn_number(n);
		assert_non_null(insert(store, &packet));
	}
	assert_int_equal(stats->in_use[false], stats->capacity);
	assert_int_equal(stats->entries_in_use, stats->capacity);
	assert_int_equal(last_id, 100000 - stats->capacity);
	syn_store_destroy(store);
}

static void what_cannot_be_packed_is_refused(void **state)
{
	static const uint16_t flags[] = { SEG_SYN | SEG_ACK, SEG_SYN | SEG_RST, SEG_SYN | SEG_FIN, SEG_ACK, 0 };
	struct syn_store *store = create(64 << 10, NULL, NULL);
	struct packet packet;
	uint64_t n_refused = 0;

	(void)state;
	for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++, n_refused++) {
		packet = syn_number(i);
		packet.flags = flags[i];
		assert_null(insert(store, &packet));
	}
	packet = syn_number(50);
	packet.number = UINT64_C(1) << 52;
	assert_null(insert(store, &packet));
	packet = syn_number(50);
	packet.source = 4096;
	assert_null(insert(store, &packet));
	packet = syn_number(50);
	packet.payload_bytes = 65536;
	assert_null(insert(store, &packet));
	assert_int_equal(syn_store_get_stats(store)->refused, n_refused + 3);
	assert_int_equal(syn_store_get_stats(store)->entries_in_use, 0);
	syn_store_destroy(store);
}

static void the_last_one_is_not_evicted_for_its_own_repeat(void **state)
{
	struct syn_store *store = create(64 << 10, NULL, NULL);
	struct packet packet = syn_number(0);
	struct syn_entry *oldest = insert(store, &packet);

	(void)state;
	for (uint32_t n = 1; n < syn_store_get_stats(store)->capacity; n++) {
		packet = syn_number(n);
		insert(store, &packet);
	}
	packet = syn_number(0);
	assert_true(syn_store_holds(store, oldest, &packet));
	assert_false(syn_store_reserve(store, oldest));
	assert_int_equal(syn_store_get_stats(store)->evicted[false], 0);
	syn_store_destroy(store);
}

static struct syn_entry *look_up(struct syn_store *store, const struct packet *packet)
{
	const struct flow_key_config keys = { .use_vlan = true };
	struct flow_key key;

	flow_key_from_packet(&keys, packet, &key);
	return syn_store_find(store, &key, flow_key_hash(&keys, &key));
}

static void a_store_that_was_drained_takes_attempts_again(void **state)
{
	struct syn_store *store = create(64 << 10, NULL, NULL);
	struct syn_entry *oldest;
	struct packet packet;

	(void)state;
	for (unsigned turn = 0; turn < 2; turn++) {
		for (uint32_t n = 0; n < 300; n++) {
			packet = syn_number(n);
			assert_null(look_up(store, &packet));
			struct syn_entry *entry = insert(store, &packet);
			assert_ptr_equal(look_up(store, &packet), entry);
		}
		check_invariants(store);
		while ((oldest = syn_store_oldest(store)) != NULL)
			syn_store_remove(store, oldest);
		check_invariants(store);
	}
	syn_store_destroy(store);
}

static void what_is_left_comes_by_id_whenever_it_was_answered(void **state)
{
	enum { N = 300, PRIME = 101 };
	struct syn_store *store = create(256 << 10, NULL, NULL);
	struct syn_entry *entry;
	unsigned n_answered = 0;
	uint64_t last_id = 0;

	(void)state;
	for (uint32_t n = 0; n < N; n++) {
		struct packet packet = syn_number(n);
		assert_non_null(insert(store, &packet));
	}
	for (uint32_t i = 0; i < N; i++) {
		const struct packet syn = syn_number(i * PRIME % N);
		struct packet answer = syn;
		if (i % 3 == 0)
			continue;
		answer.flags = SEG_SYN | SEG_ACK;
		answer.ack = syn.seq + 1;
		answer.time_ns = 5000 + i;
		entry = look_up(store, &syn);
		assert_true(syn_store_answer(store, entry, &answer));
		if (syn_queue_head(store, SYN_HALF_OPEN_NEW) == entry)
			syn_store_move_on(store, entry);
	}
	for (; (entry = syn_store_oldest(store)) != NULL; syn_store_remove(store, entry)) {
		assert_int_equal(syn_store_id(entry), last_id + 1);
		last_id = syn_store_id(entry);
		n_answered += entry->is_answered;
	}
	assert_int_equal(n_answered, N * 2 / 3);
	assert_int_equal(last_id, N);
	syn_store_destroy(store);
}

static void without_memory_there_is_no_store(void **state)
{
	struct syn_store *store = create(0, NULL, NULL);
	const struct packet packet = syn_number(0);
	uint64_t due_ns;
	enum syn_class class;

	(void)state;
	assert_null(insert(store, &packet));
	assert_null(syn_store_first_due(store, &due_ns, &class));
	assert_null(syn_store_oldest(store));
	check_trail(store, 42, NULL);
	syn_store_destroy(store);
	assert_null(create(1000, NULL, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_the_model),
		cmocka_unit_test(agrees_with_the_model_when_all_hashes_collide),
		cmocka_unit_test(a_flood_takes_one_entry_an_attempt_and_the_oldest_go_first),
		cmocka_unit_test(what_cannot_be_packed_is_refused),
		cmocka_unit_test(the_last_one_is_not_evicted_for_its_own_repeat),
		cmocka_unit_test(a_store_that_was_drained_takes_attempts_again),
		cmocka_unit_test(what_is_left_comes_by_id_whenever_it_was_answered),
		cmocka_unit_test(without_memory_there_is_no_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
