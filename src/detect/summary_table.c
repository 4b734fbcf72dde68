/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the signals of one tracker to its summaries: which keys a signal counts for, and which keys are remembered
 * (design 1.5).
 */
#include "summary_table.h"

#include <stdlib.h>
#include <string.h>

#include "block_pool.h"
#include "port_use.h"
#include "summary_count.h"

/* Parts of targets that were asked in more than one slot of time. */
struct target_parts {
	struct summary_slot slots[SUMMARY_SLOTS];
	struct summary_ages ages; /* SERVICE only: the last member, which others leave out */
};

struct source_record {
	struct summary_record record;
	struct summary_ages ages;
};

/* Signals come in runs about the same addresses. */
struct hashed_address {
	struct ip_addr address;
	uint64_t hash; /* summary_address_hash */
};

/* The records of one kind. */
struct kind_table {
	struct summary_table *table;
	struct bounded_table *entries;
	struct block_pool parts; /* SERVICE, HOST, PREFIX: struct target_parts */
	uint64_t forgotten_ns;   /* what began later was counted in no record that is gone */
};

enum { MAX_CANDIDATES = 4096, MIN_CANDIDATES = 64 };

/*
 * Where only some kinds are counted, a service knows nothing of its host and prefix: they may be in other tables. This
 * does: by the server's hash, perhaps the records of its host and prefix. The key has the last word, as places are
 * used again.
 */
enum { NEAR_RECORDS = 256 };

struct near_records {
	struct summary_record *host[NEAR_RECORDS];
	struct summary_record *prefix[NEAR_RECORDS];
};

struct summary_table {
	struct siphash_key secret;
	unsigned n_tables;
	uint64_t evicted;
	struct kind_table kinds[SUMMARY_SENSOR];
	struct block_pool crowds;     /* struct summary_crowds */
	struct block_pool helds;      /* struct summary_held */
	struct block_pool ports;      /* struct port_use */
	struct source_filter filter;  /* by what they try and send */
	struct source_filter failing; /* by what they try in vain: slow scans, which the others hide */
	struct summary_record *last_service;
	struct near_records *near; /* of one table of several */
	struct summary_record **candidates;
	size_t n_candidates;
	struct summary_record **urgent;
	size_t n_urgent;
	bool is_urgent_full;
	size_t candidates_room;       /* and as many urgent ones */
	struct hashed_address client; /* of the signal before, or of the one that is counted */
	struct hashed_address server;
	struct summary_hashes hashes; /* of the signal that is counted, once has_hashes */
	bool has_hashes;
	struct summary_record sensor;
	struct summary_slot sensor_slots[SUMMARY_SLOTS];
};

/* What each part gets of the memory, in 64ths. */
static const unsigned record_share[SUMMARY_SENSOR] = {
	[SUMMARY_SERVICE] = 6, [SUMMARY_HOST] = 5, [SUMMARY_PREFIX] = 3, [SUMMARY_SOURCE] = 8, [SUMMARY_PAIR] = 3,
};
static const unsigned parts_share[SUMMARY_SENSOR] = {
	[SUMMARY_SERVICE] = 6,
	[SUMMARY_HOST] = 5,
	[SUMMARY_PREFIX] = 3,
};
/*
 * How long it takes until it is forgotten that a source tried something, and that it tried in vain. One probe a minute
 * is enough to be noticed.
 */
#define FILTER_NS         (300 * NS_PER_SEC)
#define FAILING_FILTER_NS (900 * NS_PER_SEC)

enum { CROWDS_SHARE = 12, HELDS_SHARE = 2, PORTS_SHARE = 10, FILTER_SHARE = 1, SHARES = 64 };

/* --- what is given up --- */

static void give_back_crowds(struct summary_table *table, struct summary *summary)
{
	for (int kind = 0; kind < SUMMARY_CROWDS; kind++) {
		if (summary->crowds[kind] != NULL)
			block_pool_give_back(&table->crowds, summary->crowds[kind]);
		summary->crowds[kind] = NULL;
	}
}

static void give_back_parts(struct kind_table *kind, struct summary_record *record)
{
	struct summary *summary = &record->summary;

	if (summary->latest_ns > kind->forgotten_ns)
		kind->forgotten_ns = summary->latest_ns;

	give_back_crowds(kind->table, summary);
	if (summary->held != NULL)
		block_pool_give_back(&kind->table->helds, summary->held);
	if (record->key.kind <= SUMMARY_PREFIX) {
		if (summary->slots != NULL)
			block_pool_give_back(&kind->parts, summary->slots);
		summary->ages = NULL;
	}
	if (summary->ports != NULL)
		block_pool_give_back(&kind->table->ports, summary->ports);
	summary->held = NULL;
	summary->slots = NULL;
	summary->ports = NULL;
}

static void forget_record(void *context, void *entry)
{
	struct kind_table *kind = context;
	struct summary_record *record = entry;

	kind->table->evicted++;
	if (record->candidate != 0)
		kind->table->candidates[record->candidate - 1] = NULL;
	if (record->urgent != 0)
		kind->table->urgent[record->urgent - 1] = NULL;
	give_back_parts(kind, record);
}

/* --- life cycle --- */

static size_t record_bytes(enum summary_kind kind)
{
	return kind == SUMMARY_SOURCE ? sizeof(struct source_record) : sizeof(struct summary_record);
}

static int create_kind(struct summary_table *table, enum summary_kind which, size_t share_bytes)
{
	struct kind_table *kind = &table->kinds[which];
	size_t part_bytes =
		which == SUMMARY_SERVICE ? sizeof(struct target_parts) : offsetof(struct target_parts, ages);

	kind->table = table;
	kind->entries = bounded_table_create(record_bytes(which), sizeof(struct summary_key),
					     record_share[which] * share_bytes, forget_record, kind);
	return kind->entries == NULL ? -1 : block_pool_init(&kind->parts, part_bytes, parts_share[which] * share_bytes);
}

static size_t candidates_within(size_t memory_bytes)
{
	size_t candidates = memory_bytes / 4096;

	candidates = candidates < MIN_CANDIDATES ? MIN_CANDIDATES : candidates;
	return candidates > MAX_CANDIDATES ? MAX_CANDIDATES : candidates;
}

/* One of SHARES that are given out beside what the table itself takes. */
static size_t share_of(size_t memory_bytes, unsigned n_parts)
{
	size_t own_bytes = sizeof(struct summary_table) +
			   2 * candidates_within(memory_bytes) * sizeof(struct summary_record *) +
			   (n_parts > 1 ? sizeof(struct near_records) : 0);

	return memory_bytes > own_bytes ? (memory_bytes - own_bytes) / SHARES : 0;
}

uint32_t summary_table_filter_cells(size_t memory_bytes)
{
	return source_filter_cells(FILTER_SHARE * share_of(memory_bytes, 1) / 2);
}

static int create_parts(struct summary_table *table, const struct summary_table_config *config)
{
	unsigned n_parts = config->n_parts == 0 ? 1 : config->n_parts;
	size_t share_bytes = share_of(config->memory_bytes, n_parts);

	if (n_parts > 1) {
		table->near = calloc(1, sizeof(*table->near));
		if (table->near == NULL)
			return -1;
	}
	table->candidates_room = candidates_within(config->memory_bytes);
	/* NOLINTNEXTLINE(bugprone-sizeof-expression) */
	table->candidates = calloc(table->candidates_room, sizeof(*table->candidates));
	/* NOLINTNEXTLINE(bugprone-sizeof-expression) */
	table->urgent = calloc(table->candidates_room, sizeof(*table->urgent));
	if (table->candidates == NULL || table->urgent == NULL)
		return -1;
	for (int kind = 0; kind < SUMMARY_SENSOR; kind++)
		if (create_kind(table, (enum summary_kind)kind, share_bytes) != 0)
			return -1;
	if (block_pool_init(&table->crowds, sizeof(struct summary_crowds), CROWDS_SHARE * share_bytes) != 0 ||
	    block_pool_init(&table->helds, sizeof(struct summary_held), HELDS_SHARE * share_bytes) != 0 ||
	    block_pool_init(&table->ports, sizeof(struct port_use), PORTS_SHARE * share_bytes) != 0)
		return -1;
	uint32_t n_cells =
		config->n_filter_cells != 0 ? config->n_filter_cells : summary_table_filter_cells(config->memory_bytes);
	if (source_filter_init(&table->filter, n_cells, n_parts, FILTER_NS) != 0)
		return -1;
	return source_filter_init(&table->failing, n_cells, n_parts, FAILING_FILTER_NS);
}

struct summary_table *summary_table_create(const struct summary_table_config *config, struct error *error)
{
	struct summary_table *table = calloc(1, sizeof(*table));

	if (table == NULL || create_parts(table, config) != 0) {
		summary_table_destroy(table);
		error_set(error, "no memory for what detectors remember (%zu bytes)", config->memory_bytes);
		return NULL;
	}
	table->secret = config->secret;
	table->n_tables = config->n_tables;
	table->sensor.key = summary_key_sensor();
	table->sensor.summary.slots = table->sensor_slots;
	return table;
}

void summary_table_destroy(struct summary_table *table)
{
	if (table == NULL)
		return;
	for (int kind = 0; kind < SUMMARY_SENSOR; kind++) {
		bounded_table_destroy(table->kinds[kind].entries);
		block_pool_fini(&table->kinds[kind].parts);
	}
	block_pool_fini(&table->crowds);
	block_pool_fini(&table->helds);
	block_pool_fini(&table->ports);
	source_filter_fini(&table->filter);
	source_filter_fini(&table->failing);
	free(table->candidates);
	free(table->urgent);
	free(table->near);
	free(table);
}

/* --- records --- */

/* Kinds have tables of their own, and prefixes of an IP version one length: that leaves addresses and port. */
static uint64_t hash_of(const struct summary_table *table, const struct summary_key *key)
{
	size_t address_bytes = key->ip.version == 4 ? 4 : sizeof(key->ip.bytes);
	uint32_t port = key->port;
	uint8_t bytes[sizeof(port) + 2 * sizeof(key->ip.bytes)];
	size_t n = sizeof(port);

	memcpy(bytes, &port, sizeof(port));
	memcpy(bytes + n, key->ip.bytes, address_bytes);
	n += address_bytes;
	if (key->kind == SUMMARY_PAIR) {
		memcpy(bytes + n, key->client.bytes, address_bytes);
		n += address_bytes;
	}
	return siphash13(&table->secret, bytes, n);
}

struct summary_record *summary_table_find(struct summary_table *table, const struct summary_key *key)
{
	if (key->kind == SUMMARY_SENSOR)
		return &table->sensor;
	return bounded_table_find(table->kinds[key->kind].entries, hash_of(table, key), key);
}

/* A key that is looked for a while after its hash is known: until then the memory comes that has to be read. */
struct search {
	struct summary_key key;
	uint64_t hash;
	bool is_begun;
};

static void begin_search(struct summary_table *table, struct search *search, const struct summary_key *key)
{
	*search = (struct search){ *key, hash_of(table, key), true };
	bounded_table_expect(table->kinds[key->kind].entries, search->hash);
}

static void expect_found(const struct summary_table *table, const struct search *search)
{
	if (search->is_begun)
		bounded_table_expect_entry(table->kinds[search->key.kind].entries, search->hash);
}

static struct summary_record *end_search(struct summary_table *table, const struct search *search, bool create)
{
	struct kind_table *kind = &table->kinds[search->key.kind];
	struct summary_record *record = bounded_table_find(kind->entries, search->hash, &search->key);

	if (record != NULL || !create)
		return record;
	record = bounded_table_insert(kind->entries, search->hash, &search->key);
	if (record == NULL)
		return NULL;
	if (search->key.kind == SUMMARY_SOURCE)
		record->summary.ages = &((struct source_record *)(void *)record)->ages;
	return record;
}

static struct summary_record *find_or_create(struct summary_table *table, const struct summary_key *key, bool create)
{
	struct search search;

	begin_search(table, &search, key);
	return end_search(table, &search, create);
}

static bool holds_something(const struct summary *summary)
{
	const uint64_t *totals = summary->totals;

	return totals[SUMMARY_COMPLETED] > 0 || summary_half_open(summary) > 0 ||
	       totals[SUMMARY_STALLED] > totals[SUMMARY_STALLED_OVER];
}

/*
 * Whoever was asked once, or in one moment, goes first. Those that have parts are worth more, so that parts can be had
 * from them.
 */
static enum bounded_keep worth(const struct summary_record *record)
{
	const struct summary *summary = &record->summary;

	if (record->attention > ATTENTION_NONE)
		return KEEP_PINNED;
	switch (record->key.kind) {
	case SUMMARY_SOURCE:
		return summary->totals[SUMMARY_COMPLETED] > 0 ? KEEP_LONGER : KEEP_LEAST;
	case SUMMARY_PAIR:
		return summary->totals[SUMMARY_TIME_WAIT] > summary->totals[SUMMARY_TIME_WAIT_OVER] ? KEEP_LONGER
												    : KEEP_LEAST;
	default:
		if (summary->slots == NULL)
			return KEEP_LEAST;
		return holds_something(summary) ? KEEP_LAST : KEEP_LONGER;
	}
}

/* It counts nothing any more, and begins anew. */
static void reset_record(struct kind_table *kind, struct summary_record *record)
{
	kind->table->evicted++;
	give_back_parts(kind, record);
	memset(&record->summary, 0, sizeof(record->summary));
	bounded_table_touch(kind->entries, record, KEEP_LEAST);
}

static struct target_parts *take_parts(struct kind_table *kind)
{
	struct target_parts *parts = block_pool_take(&kind->parts);

	for (int keep = KEEP_LONGER; parts == NULL && keep < KEEP_PINNED; keep++) {
		struct summary_record *oldest = bounded_table_oldest(kind->entries, (enum bounded_keep)keep);
		if (oldest == NULL)
			continue;
		reset_record(kind, oldest);
		parts = block_pool_take(&kind->parts);
	}
	return parts;
}

/* Its connections begin in more than one slot of time. False: there is no room, it counts nothing. */
static bool begin_parts(struct kind_table *kind, struct summary_record *record)
{
	struct target_parts *parts = take_parts(kind);

	if (parts == NULL) {
		reset_record(kind, record);
		return false;
	}
	summary_begin_slots(&record->summary, parts->slots);
	if (record->key.kind == SUMMARY_SERVICE)
		summary_begin_ages(&record->summary, &parts->ages);
	return true;
}

/* --- attention --- */

static void offer_if_deserving(struct summary_table *table, struct summary_record *record, uint64_t now_ns)
{
	if (record->attention != ATTENTION_NONE || record->candidate != 0 ||
	    table->n_candidates == table->candidates_room)
		return;
	if (!summary_may_deserve(&record->summary, (enum summary_kind)record->key.kind, now_ns, table->n_tables))
		return;
	table->candidates[table->n_candidates++] = record;
	record->candidate = (uint32_t)table->n_candidates;
}

size_t summary_table_candidates(const struct summary_table *table, struct summary_record *const **candidates)
{
	*candidates = table->candidates;
	return table->n_candidates;
}

void summary_table_forget_candidates(struct summary_table *table)
{
	for (size_t i = 0; i < table->n_candidates; i++)
		if (table->candidates[i] != NULL)
			table->candidates[i]->candidate = 0;
	table->n_candidates = 0;
}

/* --- urgency --- */

enum { URGE_OF_ATTEMPT = 1, URGE_OF_TROUBLE = 2 };

/* What only goes on, or is over, can wait. */
static unsigned urge_of(enum summary_kind kind, const struct flow_signal *signal)
{
	switch ((int)signal->kind) {
	case SIGNAL_ATTEMPT:
		return URGE_OF_ATTEMPT;
	case SIGNAL_COMPLETED:
		return kind == SUMMARY_PAIR ? URGE_OF_ATTEMPT : 0;
	case SIGNAL_SYN_REPEATED:
	case SIGNAL_SYNACK_REPEATED:
	case SIGNAL_REFUSED:
	case SIGNAL_UNREACHABLE:
	case SIGNAL_UNANSWERED:
	case SIGNAL_STILL_HALF_OPEN:
	case SIGNAL_CLIENT_RESET:
	case SIGNAL_SYNACK_AFTER_ACK:
	case SIGNAL_DATA_IGNORED:
	case SIGNAL_STALLED:
	case SIGNAL_HELD:
	case SIGNAL_RST_SUSPECT:
	case SIGNAL_STRAY:
		return URGE_OF_TROUBLE;
	default:
		return 0;
	}
}

static void add_urge(struct summary_table *table, struct summary_record *record, unsigned urge)
{
	unsigned least = table->n_tables < SUMMARY_URGENT ? SUMMARY_URGENT / table->n_tables : 1;

	if (record->urge <= UINT16_MAX - SUMMARY_URGENT)
		record->urge = (uint16_t)(record->urge + urge);
	if (record->urge < least || record->urgent != 0)
		return;
	if (table->n_urgent == table->candidates_room) {
		table->is_urgent_full = true;
		return;
	}
	table->urgent[table->n_urgent++] = record;
	record->urgent = (uint16_t)table->n_urgent;
}

bool summary_table_urgent(const struct summary_table *table, struct summary_record *const **urgent, size_t *n)
{
	*urgent = table->urgent;
	*n = table->n_urgent;
	return !table->is_urgent_full;
}

void summary_table_sift_urgent(struct summary_table *table)
{
	size_t n = 0;

	for (size_t i = 0; i < table->n_urgent; i++) {
		struct summary_record *record = table->urgent[i];
		if (record == NULL)
			continue;
		record->urgent = 0;
		if (record->urge == 0 || record->attention == ATTENTION_NONE)
			continue;
		table->urgent[n++] = record;
		record->urgent = (uint16_t)n;
	}
	table->n_urgent = n;
	table->is_urgent_full = false;
}

void summary_table_judged(struct summary_table *table, const struct summary_key *key)
{
	struct summary_record *record = summary_table_find(table, key);

	if (record != NULL)
		record->urge = 0;
}

/* A newcomer may deserve attention; who has it may be judged sooner. */
static void note_change(struct summary_table *table, struct summary_record *record, const struct flow_signal *signal)
{
	enum summary_kind kind = (enum summary_kind)record->key.kind;

	if (record->attention == ATTENTION_NONE)
		offer_if_deserving(table, record, signal->now_ns);
	else if (urge_of(kind, signal) != 0)
		add_urge(table, record, urge_of(kind, signal));
}

/* --- attention, and what it brings --- */

static uint32_t still_so(uint64_t begun, uint64_t over)
{
	uint64_t n = begun > over ? begun - over : 0;

	return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

static void begin_ports(struct summary *summary, uint64_t now_ns)
{
	uint64_t since_ns = summary->since_ns != 0 ? summary->since_ns : now_ns;
	uint64_t begun = summary->totals[SUMMARY_COMPLETED] + summary->totals[SUMMARY_JOINED];

	port_use_begin(summary->ports, since_ns, now_ns, still_so(begun, summary->totals[SUMMARY_CLOSED]),
		       still_so(summary->totals[SUMMARY_TIME_WAIT], summary->totals[SUMMARY_TIME_WAIT_OVER]));
}

/* How a pair uses its ports is followed from now on, or no longer. */
static void attend_ports(struct summary_table *table, struct summary *summary, enum summary_attention attention,
			 uint64_t now_ns)
{
	if (attention == ATTENTION_NONE && summary->ports != NULL) {
		block_pool_give_back(&table->ports, summary->ports);
		summary->ports = NULL;
	} else if (attention != ATTENTION_NONE && summary->ports == NULL) {
		summary->ports = block_pool_take(&table->ports);
		if (summary->ports != NULL)
			begin_ports(summary, now_ns);
	}
}

struct summary_record *summary_table_attend(struct summary_table *table, const struct summary_key *key,
					    enum summary_attention attention, uint64_t now_ns)
{
	struct summary_record *record;

	if (key->kind == SUMMARY_SENSOR) {
		table->sensor.attention = (uint8_t)attention;
		return &table->sensor;
	}
	record = find_or_create(table, key, attention > ATTENTION_NONE);
	if (record == NULL)
		return NULL;
	record->attention = (uint8_t)attention;
	if (attention == ATTENTION_NONE)
		record->urge = 0;
	if (attention < ATTENTION_CROWDS)
		give_back_crowds(table, &record->summary);
	if (key->kind == SUMMARY_PAIR)
		attend_ports(table, &record->summary, attention, now_ns);
	bounded_table_touch(table->kinds[key->kind].entries, record, worth(record));
	return record;
}

void summary_table_set_alarmed(struct summary_table *table, const struct summary_key *key, bool is_alarmed)
{
	struct summary_record *record = summary_table_find(table, key);

	if (record != NULL)
		record->is_alarmed = is_alarmed;
}

/* --- signals --- */

/*
 * What a signal does is compiled twice: for a table that has all keys, where nothing asks which kinds it is about, and
 * for one that has a part of them.
 */
#define BOTH_WAYS static inline __attribute__((always_inline))

static bool has_crowd(enum summary_kind key_kind, enum summary_crowd_kind crowd)
{
	return key_kind != SUMMARY_PAIR && (key_kind != SUMMARY_SENSOR || crowd == CROWD_STRAY);
}

static uint64_t address_hash(struct hashed_address *last, const struct ip_addr *address)
{
	if (!ip_addr_equal(&last->address, address))
		*last = (struct hashed_address){ *address, summary_address_hash(address) };
	return last->hash;
}

static void count_crowd(struct summary_table *table, struct summary_record *record, const struct flow_signal *signal)
{
	enum summary_kind kind = (enum summary_kind)record->key.kind;
	enum summary_crowd_kind which = summary_crowd_of(kind, signal);

	if (which == SUMMARY_CROWDS || !has_crowd(kind, which))
		return;
	struct summary_crowds **crowds = &record->summary.crowds[which];
	if (*crowds == NULL)
		*crowds = block_pool_take(&table->crowds);
	struct summary_crowd *crowd = *crowds == NULL ? NULL : summary_crowd_at(*crowds, signal->now_ns);
	if (crowd == NULL)
		return;
	if (!table->has_hashes)
		table->hashes = summary_hashes_of(signal, address_hash(&table->client, &signal->client),
						  address_hash(&table->server, &signal->server));
	table->has_hashes = true;
	summary_crowd_add(crowd, kind, signal, &table->hashes);
}

static bool creates_targets(const struct flow_signal *signal)
{
	return signal->kind == SIGNAL_ATTEMPT || signal->kind == SIGNAL_STRAY || signal->kind == SIGNAL_JOINED;
}

/*
 * A connection that began before the record may have been counted in one that is forgotten: all or nothing of it
 * counts. Where none is, it is only told later than another. Of a source it was before its filter opened.
 */
BOTH_WAYS bool may_count(struct summary_table *table, struct summary_record *record, const struct flow_signal *signal)
{
	struct summary *summary = &record->summary;

	if (summary->since_ns != 0)
		return signal->since_ns >= summary->since_ns ||
		       (record->key.kind != SUMMARY_SOURCE &&
			signal->since_ns > table->kinds[record->key.kind].forgotten_ns);
	bool is_first = record->key.kind == SUMMARY_PAIR ? signal->kind == SIGNAL_COMPLETED : creates_targets(signal);
	if (!is_first)
		return false;
	summary->since_ns = signal->since_ns;
	return true;
}

static void note_since(struct summary *summary, const struct flow_signal *signal)
{
	if (signal->since_ns < summary->since_ns)
		summary->since_ns = signal->since_ns;
}

static void count_target(struct summary_table *table, struct summary_record *record, const struct flow_signal *signal)
{
	struct kind_table *kind = &table->kinds[record->key.kind];
	struct summary *summary = &record->summary;

	if (!may_count(table, record, signal))
		return;
	if (summary->slots == NULL && signal->since_ns / SUMMARY_SLOT_NS != summary->since_ns / SUMMARY_SLOT_NS &&
	    !begin_parts(kind, record))
		return;
	note_since(summary, signal);
	if (signal->kind == SIGNAL_SYNACK_REPEATED && signal->held_until_ns != 0 && summary->held == NULL &&
	    record->key.kind == SUMMARY_SERVICE)
		summary->held = block_pool_take(&table->helds);
	summary_count_signal(summary, (enum summary_kind)record->key.kind, signal);
	if (record->attention == ATTENTION_CROWDS)
		count_crowd(table, record, signal);
	note_change(table, record, signal);
	bounded_table_touch(kind->entries, record, worth(record));
}

BOTH_WAYS struct summary_record *service_of(struct summary_table *table, const struct search *search,
					    const struct flow_signal *signal)
{
	if (!search->is_begun)
		return table->last_service;
	/* A stray segment to any port is no sign of a service. */
	struct summary_record *service =
		end_search(table, search, signal->kind == SIGNAL_ATTEMPT || signal->kind == SIGNAL_JOINED);
	if (service != NULL)
		table->last_service = service;
	return service;
}

/* The service remembers where its host and prefix are; places are used again, so the key has the last word. */
BOTH_WAYS struct summary_record *host_of(struct summary_table *table, struct summary_record *service,
					 const struct flow_signal *signal)
{
	if (service != NULL && service->host != NULL && ip_addr_equal(&service->host->key.ip, &signal->server))
		return service->host;
	const struct summary_key key = summary_key_host(&signal->server);
	struct summary_record *host = find_or_create(table, &key, creates_targets(signal));
	if (service != NULL)
		service->host = host;
	return host;
}

static bool is_within(const struct ip_addr *address, const struct summary_key *prefix)
{
	return address->version == prefix->ip.version &&
	       memcmp(address->bytes, prefix->ip.bytes, prefix->prefix_bits / 8) == 0;
}

BOTH_WAYS struct summary_record *prefix_of(struct summary_table *table, struct summary_record *service,
					   const struct flow_signal *signal)
{
	if (service != NULL && service->prefix != NULL && is_within(&signal->server, &service->prefix->key))
		return service->prefix;
	const struct summary_key key = summary_key_prefix(&signal->server);
	struct summary_record *prefix = find_or_create(table, &key, creates_targets(signal));
	if (service != NULL)
		service->prefix = prefix;
	return prefix;
}

/* The same where the service does not know, see struct near_records. */
static struct summary_record *near_host(struct summary_table *table, const struct flow_signal *signal)
{
	struct summary_record **near = &table->near->host[table->server.hash % NEAR_RECORDS];

	if (*near == NULL || !ip_addr_equal(&(*near)->key.ip, &signal->server))
		*near = host_of(table, NULL, signal);
	return *near;
}

static struct summary_record *near_prefix(struct summary_table *table, const struct flow_signal *signal)
{
	struct summary_record **near = &table->near->prefix[table->server.hash % NEAR_RECORDS];

	if (*near == NULL || !is_within(&signal->server, &(*near)->key))
		*near = prefix_of(table, NULL, signal);
	return *near;
}

/* Of whose sources the filters are asked. */
enum {
	FILTERED = 1 << SIGNAL_ATTEMPT | 1 << SIGNAL_STRAY | 1 << SIGNAL_UNANSWERED | 1 << SIGNAL_STILL_HALF_OPEN |
		   1 << SIGNAL_REFUSED | 1 << SIGNAL_UNREACHABLE | 1 << SIGNAL_CLIENT_RESET | 1 << SIGNAL_SYN_REPEATED |
		   1 << SIGNAL_SYNACK_REPEATED,
};

static bool is_filtered(const struct flow_signal *signal)
{
	return (FILTERED >> signal->kind) & 1;
}

/* Cells are far apart, and what they say is needed last. */
BOTH_WAYS void prefetch_filters(struct summary_table *table, const struct flow_signal *signal)
{
	uint64_t hash = address_hash(&table->client, &signal->client);

	source_filter_prefetch(&table->filter, hash);
	source_filter_prefetch(&table->failing, hash);
}

/*
 * Signals that say nothing but that an attempt failed, of a source that hardly stands out: not worth looking for its
 * record. A record begins with an attempt or a stray segment, so that all or nothing of an attempt is counted.
 */
BOTH_WAYS bool concerns_source(struct summary_table *table, const struct flow_signal *signal, bool *create)
{
	uint64_t now_ns = signal->now_ns;

	*create = false;
	if (!is_filtered(signal))
		return true;
	uint64_t hash = address_hash(&table->client, &signal->client);
	switch ((int)signal->kind) {
	case SIGNAL_ATTEMPT:
		*create = source_filter_count(&table->filter, hash, now_ns);
		*create |= source_filter_is_open(&table->failing, hash, now_ns);
		return *create;
	case SIGNAL_STRAY:
		*create = source_filter_count(&table->filter, hash, now_ns);
		*create |= source_filter_count(&table->failing, hash, now_ns);
		return *create;
	case SIGNAL_SYN_REPEATED:
	case SIGNAL_SYNACK_REPEATED:
		return source_filter_is_open(&table->filter, hash, now_ns) ||
		       source_filter_is_open(&table->failing, hash, now_ns);
	default:
		return source_filter_count(&table->failing, hash, now_ns) ||
		       source_filter_is_open(&table->filter, hash, now_ns);
	}
}

BOTH_WAYS void count_source(struct summary_table *table, struct search *search, const struct flow_signal *signal)
{
	struct kind_table *kind = &table->kinds[SUMMARY_SOURCE];
	bool create;

	if (!concerns_source(table, signal, &create))
		return;
	/* Often nobody stands out. */
	if (!create && bounded_table_count(kind->entries) == 0)
		return;
	if (!search->is_begun) {
		const struct summary_key key = summary_key_source(&signal->client);
		begin_search(table, search, &key);
	}
	struct summary_record *record = end_search(table, search, create);
	if (record == NULL || !may_count(table, record, signal))
		return;
	summary_count_signal(&record->summary, SUMMARY_SOURCE, signal);
	if (record->attention == ATTENTION_CROWDS)
		count_crowd(table, record, signal);
	note_change(table, record, signal);
	bounded_table_touch(kind->entries, record, worth(record));
}

static bool concerns_pair(const struct flow_signal *signal)
{
	switch ((int)signal->kind) {
	case SIGNAL_COMPLETED:
	case SIGNAL_JOINED:
	case SIGNAL_TIME_WAIT:
	case SIGNAL_TIME_WAIT_OVER:
	case SIGNAL_SERVER_TIME_WAIT:
	case SIGNAL_SERVER_TIME_WAIT_OVER:
		return true;
	case SIGNAL_CLOSED:
		return signal->completed;
	default:
		return false;
	}
}

BOTH_WAYS void count_pair(struct summary_table *table, const struct search *search, const struct flow_signal *signal)
{
	struct kind_table *kind = &table->kinds[SUMMARY_PAIR];

	if (!search->is_begun)
		return;
	struct summary_record *record = end_search(table, search, signal->kind == SIGNAL_COMPLETED);
	if (record == NULL || !may_count(table, record, signal))
		return;
	note_since(&record->summary, signal);
	summary_count_signal(&record->summary, SUMMARY_PAIR, signal);
	if (signal->kind == SIGNAL_COMPLETED)
		summary_count_recent(&record->summary, 1, 0, signal->now_ns);
	if (record->summary.ports != NULL)
		port_use_signal(record->summary.ports, signal);
	note_change(table, record, signal);
	bounded_table_touch(kind->entries, record, worth(record));
}

static void count_sensor(struct summary_table *table, const struct flow_signal *signal)
{
	struct summary *summary = &table->sensor.summary;

	if (summary->since_ns == 0)
		summary->since_ns = signal->since_ns;
	summary_count_signal(summary, SUMMARY_SENSOR, signal);
	if (table->sensor.attention == ATTENTION_CROWDS)
		count_crowd(table, &table->sensor, signal);
}

unsigned summary_table_kinds(const struct flow_signal *signal)
{
	unsigned kinds = 0;

	if (summary_is_counted(SUMMARY_SERVICE, signal))
		kinds |= 1 << SUMMARY_SERVICE | 1 << SUMMARY_HOST | 1 << SUMMARY_PREFIX | 1 << SUMMARY_SENSOR;
	if (summary_is_counted(SUMMARY_SOURCE, signal))
		kinds |= 1 << SUMMARY_SOURCE;
	if (concerns_pair(signal))
		kinds |= 1 << SUMMARY_PAIR;
	return kinds;
}

static bool has_kind(unsigned kinds, enum summary_kind kind)
{
	return (kinds >> kind & 1) != 0;
}

/*
 * What a signal needs is far apart, and hardly any of it in a cache. So all that has to be looked for is begun at once,
 * and each record and its cohorts are asked for before the first is counted.
 */
struct searches {
	struct search service;
	struct search source;
	struct search pair;
};

BOTH_WAYS void begin_searches(struct summary_table *table, struct searches *searches, const struct flow_signal *signal,
			      unsigned kinds)
{
	const struct summary_record *last = table->last_service;

	searches->service.is_begun = false;
	searches->source.is_begun = false;
	searches->pair.is_begun = false;
	if (has_kind(kinds, SUMMARY_SERVICE) &&
	    (last == NULL || last->key.port != signal->server_port || !ip_addr_equal(&last->key.ip, &signal->server))) {
		const struct summary_key key = summary_key_service(&signal->server, signal->server_port);
		begin_search(table, &searches->service, &key);
	}
	if (has_kind(kinds, SUMMARY_SOURCE) && is_filtered(signal)) {
		prefetch_filters(table, signal);
	} else if (has_kind(kinds, SUMMARY_SOURCE) && bounded_table_count(table->kinds[SUMMARY_SOURCE].entries) > 0) {
		const struct summary_key key = summary_key_source(&signal->client);
		begin_search(table, &searches->source, &key);
	}
	if (has_kind(kinds, SUMMARY_PAIR) && concerns_pair(signal)) {
		const struct summary_key key = summary_key_pair(signal);
		begin_search(table, &searches->pair, &key);
		if (signal->kind == SIGNAL_COMPLETED)
			bounded_table_expect_insert(table->kinds[SUMMARY_PAIR].entries);
	}
}

/* The parts of a record that nearly every signal reads, and those that tell whether it deserves attention. */
static void expect_record(const struct summary_record *record)
{
	if (record == NULL)
		return;
	const uint64_t *totals = record->summary.totals;
	__builtin_prefetch(&record->summary);
	__builtin_prefetch(&record->summary.ports);
	__builtin_prefetch(&totals[SUMMARY_HALF_OPEN_ENDED]);
	__builtin_prefetch(&totals[SUMMARY_CLOSED_UNSPOKEN]);
	if (record->attention != ATTENTION_NONE)
		return;
	__builtin_prefetch(&totals[SUMMARY_SERVER_TIME_WAIT]);
	__builtin_prefetch(&totals[SUMMARY_LAST_ACK_OVER]);
}

static void expect_cohort(const struct summary_record *record, const struct flow_signal *signal)
{
	if (record != NULL && record->summary.slots != NULL)
		__builtin_prefetch(&record->summary.slots[signal->since_ns / SUMMARY_SLOT_NS % SUMMARY_SLOTS]);
}

#define ALL_KINDS (~0u)

/* Where all kinds are counted, the service remembers where its host and prefix are: they are in the same table. */
BOTH_WAYS bool count_kinds(struct summary_table *table, const struct flow_signal *signal, unsigned kinds)
{
	struct searches searches;
	struct summary_record *service = NULL;
	struct summary_record *host = NULL;
	struct summary_record *prefix = NULL;

	table->has_hashes = false;
	begin_searches(table, &searches, signal, kinds);
	if (has_kind(kinds, SUMMARY_SERVICE))
		service = service_of(table, &searches.service, signal);
	expect_record(service);
	if (has_kind(kinds, SUMMARY_HOST))
		host = kinds == ALL_KINDS ? host_of(table, service, signal) : near_host(table, signal);
	expect_record(host);
	if (has_kind(kinds, SUMMARY_PREFIX))
		prefix = kinds == ALL_KINDS ? prefix_of(table, service, signal) : near_prefix(table, signal);
	expect_cohort(service, signal);
	expect_cohort(host, signal);
	expect_found(table, &searches.source);
	expect_found(table, &searches.pair);
	if (summary_is_counted(SUMMARY_SERVICE, signal)) {
		if (service != NULL)
			count_target(table, service, signal);
		if (host != NULL)
			count_target(table, host, signal);
		if (prefix != NULL)
			count_target(table, prefix, signal);
		if (has_kind(kinds, SUMMARY_SENSOR))
			count_sensor(table, signal);
	}
	if (has_kind(kinds, SUMMARY_SOURCE) && summary_is_counted(SUMMARY_SOURCE, signal))
		count_source(table, &searches.source, signal);
	count_pair(table, &searches.pair, signal);
	return (service != NULL && service->is_alarmed) || (host != NULL && host->is_alarmed);
}

bool summary_table_signal(struct summary_table *table, const struct flow_signal *signal)
{
	return count_kinds(table, signal, ALL_KINDS);
}

void summary_table_count(struct summary_table *table, const struct flow_signal *signal, const struct summary_ends *ends,
			 unsigned kinds)
{
	table->client = (struct hashed_address){ signal->client, ends->client };
	table->server = (struct hashed_address){ signal->server, ends->server };
	count_kinds(table, signal, kinds);
}

size_t summary_table_crowds(const struct summary_table *table, size_t *n_free)
{
	*n_free = table->crowds.n_free;
	return table->crowds.n_blocks;
}

struct source_filter *summary_table_filter(struct summary_table *table)
{
	return &table->filter;
}

struct source_filter *summary_table_failing_filter(struct summary_table *table)
{
	return &table->failing;
}

uint64_t summary_table_evicted(const struct summary_table *table)
{
	return table->evicted;
}

size_t summary_table_capacity(const struct summary_table *table, enum summary_kind kind)
{
	return bounded_table_capacity(table->kinds[kind].entries);
}

/* --- what others told --- */

/* Has a part of its own as large as from's, takes over its content; without from's part it has none. */
static void *copy_part(struct block_pool *pool, void *own, const void *from)
{
	if (from == NULL) {
		if (own != NULL)
			block_pool_give_back(pool, own);
		return NULL;
	}
	if (own == NULL)
		own = block_pool_take(pool);
	if (own != NULL)
		memcpy(own, from, pool->block_bytes);
	return own;
}

static void copy_target_parts(struct kind_table *kind, struct summary_record *record, const struct summary *from)
{
	struct summary *summary = &record->summary;

	if (from->slots == NULL || (summary->slots == NULL && !begin_parts(kind, record)))
		return;
	memcpy(summary->slots, from->slots, SUMMARY_SLOTS * sizeof(*from->slots));
	if (summary->ages != NULL && from->ages != NULL)
		*summary->ages = *from->ages;
}

static void copy_parts(struct summary_table *table, struct summary_record *record, const struct summary *from)
{
	struct summary *summary = &record->summary;

	if (record->key.kind == SUMMARY_SENSOR) {
		if (from->slots != NULL)
			memcpy(table->sensor_slots, from->slots, sizeof(table->sensor_slots));
	} else if (record->key.kind <= SUMMARY_PREFIX) {
		copy_target_parts(&table->kinds[record->key.kind], record, from);
	} else if (record->key.kind == SUMMARY_SOURCE && from->ages != NULL) {
		*summary->ages = *from->ages;
	}
	summary->held = copy_part(&table->helds, summary->held, from->held);
	summary->ports = copy_part(&table->ports, summary->ports, from->ports);
	for (int kind = 0; kind < SUMMARY_CROWDS; kind++)
		summary->crowds[kind] = copy_part(&table->crowds, summary->crowds[kind], from->crowds[kind]);
}

bool summary_table_put(struct summary_table *table, const struct summary_key *key, uint64_t version,
		       const struct summary *summary)
{
	struct summary_record *record = key->kind == SUMMARY_SENSOR ? &table->sensor : find_or_create(table, key, true);

	if (record == NULL || version <= record->version)
		return false;
	record->version = version;
	copy_parts(table, record, summary);
	struct summary parts = record->summary;
	record->summary = *summary;
	record->summary.slots = parts.slots;
	record->summary.ages = parts.ages;
	record->summary.held = parts.held;
	record->summary.ports = parts.ports;
	memcpy(record->summary.crowds, parts.crowds, sizeof(parts.crowds));
	if (key->kind == SUMMARY_SENSOR)
		return true;
	if (record->attention == ATTENTION_NONE)
		offer_if_deserving(table, record, summary->latest_ns);
	else
		add_urge(table, record, SUMMARY_URGENT);
	bounded_table_touch(table->kinds[key->kind].entries, record, worth(record));
	return true;
}

void summary_table_each(struct summary_table *table, void (*visit)(void *context, struct summary_record *record),
			void *context)
{
	for (int kind = 0; kind < SUMMARY_SENSOR; kind++)
		for (size_t i = 0; i < bounded_table_count(table->kinds[kind].entries); i++)
			visit(context, bounded_table_at(table->kinds[kind].entries, i));
	visit(context, &table->sensor);
}
