/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a signal to the summaries of all that it is about: its service, host, prefix, source, pair, and the sensor.
 */
#include "tcpwitness/base/prefetch.h"

#include "port_use.h"
#include "summary_table_internal.h"

/*
 * What a signal does is compiled twice: for a table that has all keys, where nothing asks which kinds it is about, and
 * for one that has a part of them.
 */
#define BOTH_WAYS static inline __attribute__((always_inline))

/* A newcomer may deserve attention; who has it may be judged sooner. */
BOTH_WAYS void note_change(struct summary_table *table, struct summary_record *record, const struct flow_signal *signal)
{
	unsigned urge = record->key.kind == SUMMARY_PAIR ? table->tally.urge_of_pair : table->tally.urge;

	if (record->attention != ATTENTION_NONE) {
		if (urge != 0)
			summary_table_add_urge(table, record, urge);
	} else if (record->n_calm > 0) {
		record->n_calm--;
	} else {
		summary_table_offer(table, record, signal->now_ns);
	}
}

static uint64_t address_hash(struct hashed_address *known, const struct ip_addr *address)
{
	if (!ip_addr_equal(&known->address, address)) {
		known->address = *address;
		known->hash = summary_address_hash(address);
	}
	return known->hash;
}

static uint64_t client_hash(struct summary_table *table, const struct ip_addr *client)
{
	return address_hash(summary_table_hashed_client(table, client), client);
}

/* Once for all that count the signal: the first that needs them asks. */
__attribute__((noinline)) static void make_hashes(struct summary_table *table, const struct flow_signal *signal)
{
	summary_hashes_update(&table->hashes, signal, client_hash(table, &signal->client),
			      address_hash(&table->server, &signal->server));
	table->has_hashes = true;
}

/* The signal's client joins a crowd of the key: one of summary_crowd_kind plus one; 0 = none. */
BOTH_WAYS void count_crowd(struct summary_table *table, struct summary_record *record, uint8_t joined,
			   const struct flow_signal *signal)
{
	if (joined == 0 || record->attention != ATTENTION_CROWDS)
		return;
	struct summary_crowds **crowds = &record->summary.crowds[joined - 1];
	if (*crowds == NULL)
		*crowds = block_pool_take(&table->crowds);
	if (*crowds == NULL)
		return;
	if (!table->has_hashes)
		make_hashes(table, signal);
	struct summary_crowd *crowd = summary_crowd_of_span(*crowds, table->tally.recent.span);
	if (crowd == NULL)
		return;
	if (summary_crowd_needs_room(crowd, table->hashes.sample))
		summary_table_make_room(table, crowd, table->hashes.sample);
	summary_crowd_add(crowd, (enum summary_kind)record->key.kind, signal, &table->hashes);
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

BOTH_WAYS void count_target(struct summary_table *table, struct summary_record *record,
			    const struct flow_signal *signal)
{
	struct kind_table *kind = &table->kinds[record->key.kind];
	struct summary *summary = &record->summary;

	if (!may_count(table, record, signal))
		return;
	if (summary->slots == NULL && table->tally.slot != summary->since_ns / SUMMARY_SLOT_NS &&
	    !summary_table_begin_parts(kind, record))
		return;
	note_since(summary, signal);
	if (signal->kind == SIGNAL_SYNACK_REPEATED && signal->held_until_ns != 0 && summary->held == NULL &&
	    record->key.kind == SUMMARY_SERVICE)
		summary->held = block_pool_take(&table->helds);
	summary_count_signal(summary, (enum summary_kind)record->key.kind, &table->tally, signal);
	count_crowd(table, record, table->tally.crowd, signal);
	note_change(table, record, signal);
	summary_table_touch(kind, record);
}

static struct summary_record *search_service(struct summary_table *table, const struct summary_search *search,
					     const struct flow_signal *signal)
{
	/* A stray segment to any port is no sign of a service. */
	struct summary_record *service = summary_table_end_search(
		table, search, signal->kind == SIGNAL_ATTEMPT || signal->kind == SIGNAL_JOINED);

	if (service != NULL)
		*near_index_place(&table->near_services, &signal->server, signal->server_port) = service;
	return service;
}

/* The service remembers where its host and prefix are; places are used again, so the key has the last word. */
BOTH_WAYS struct summary_record *host_of(struct summary_table *table, struct summary_record *service,
					 const struct flow_signal *signal)
{
	if (service != NULL && service->host != NULL && ip_addr_equal(&service->host->key.ip, &signal->server))
		return service->host;
	const struct summary_key key = summary_key_host(&signal->server);
	struct summary_record *host = summary_table_find_or_create(table, &key, creates_targets(signal));
	if (service != NULL)
		service->host = host;
	return host;
}

BOTH_WAYS struct summary_record *prefix_of(struct summary_table *table, struct summary_record *service,
					   const struct flow_signal *signal)
{
	if (service != NULL && service->prefix != NULL && summary_prefix_has(&service->prefix->key, &signal->server))
		return service->prefix;
	const struct summary_key key = summary_key_prefix(&signal->server);
	struct summary_record *prefix = summary_table_find_or_create(table, &key, creates_targets(signal));
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

	if (*near == NULL || !summary_prefix_has(&(*near)->key, &signal->server))
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
BOTH_WAYS void prefetch_filters(struct summary_table *table, const struct ip_addr *client)
{
	uint64_t hash = client_hash(table, client);

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
	uint64_t hash = client_hash(table, &signal->client);
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

/*
 * What a signal needs is far apart, and hardly any of it in a cache. So all that has to be looked for is begun at once,
 * and each record and its cohorts are asked for before the first is counted.
 */
struct searches {
	struct summary_record *near_service; /* found already; else service is looked for */
	struct summary_record *near_source;  /* likewise */
	struct summary_search service;
	struct summary_search source;
	struct summary_search pair;
};

/* Perhaps it is known where its record is; otherwise it is looked for. */
BOTH_WAYS void begin_search_for_source(struct summary_table *table, struct searches *searches,
				       const struct flow_signal *signal)
{
	searches->near_source = near_index_find(&table->near_sources, &signal->client, 0);
	if (searches->near_source != NULL)
		return;
	searches->source.key = summary_key_source(&signal->client);
	summary_table_begin_search(table, &searches->source);
}

BOTH_WAYS struct summary_record *find_source(struct summary_table *table, struct searches *searches,
					     const struct flow_signal *signal, bool create)
{
	if (searches->near_source == NULL && !searches->source.is_begun)
		begin_search_for_source(table, searches, signal);
	if (searches->near_source != NULL)
		return searches->near_source;
	struct summary_record *source = summary_table_end_search(table, &searches->source, create);
	if (source != NULL)
		*near_index_place(&table->near_sources, &signal->client, 0) = source;
	return source;
}

BOTH_WAYS void count_source(struct summary_table *table, struct searches *searches, const struct flow_signal *signal)
{
	struct kind_table *kind = &table->kinds[SUMMARY_SOURCE];
	bool create;

	if (!concerns_source(table, signal, &create))
		return;
	if (!create && !source_presence_may_have(&table->sources, &signal->client))
		return;
	struct summary_record *record = find_source(table, searches, signal, create);
	if (record == NULL || !may_count(table, record, signal))
		return;
	summary_count_signal(&record->summary, SUMMARY_SOURCE, &table->tally, signal);
	count_crowd(table, record, table->tally.crowd_of_source, signal);
	note_change(table, record, signal);
	summary_table_touch(kind, record);
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

/* As may_count and note_since have it of a record. */
static void count_rare_pair(struct summary_table *table, struct rare_pair *rare, const struct flow_signal *signal)
{
	if (signal->since_ns < rare->since_ns) {
		if (signal->since_ns <= table->kinds[SUMMARY_PAIR].forgotten_ns)
			return;
		rare->since_ns = signal->since_ns;
	}
	rare_pair_count(rare, signal);
}

static void begin_rare_pair(struct summary_table *table, uint64_t hash, const struct flow_signal *signal)
{
	struct kind_table *kind = &table->kinds[SUMMARY_PAIR];
	struct rare_pair *rare;

	if (rare_pairs_add(&table->rare_pairs, hash, signal->since_ns, &rare)) {
		table->evicted++;
		if (signal->now_ns > kind->forgotten_ns)
			kind->forgotten_ns = signal->now_ns;
	}
	rare_pair_count(rare, signal);
}

BOTH_WAYS void count_pair(struct summary_table *table, const struct summary_search *search,
			  const struct flow_signal *signal)
{
	struct kind_table *kind = &table->kinds[SUMMARY_PAIR];

	if (!search->is_begun)
		return;
	struct rare_pair *rare = rare_pairs_find(&table->rare_pairs, search->hash);
	if (rare != NULL && !rare_pair_is_full(rare, signal, table->rare_connections)) {
		count_rare_pair(table, rare, signal);
		return;
	}
	bool is_rare = rare == NULL && signal->kind == SIGNAL_COMPLETED;
	bool create = rare != NULL || (is_rare && table->rare_connections <= 1);
	struct summary_record *record = summary_table_end_search(table, search, create);
	if (record == NULL && is_rare && !create)
		begin_rare_pair(table, search->hash, signal);
	if (record == NULL || !may_count(table, record, signal))
		return;
	note_since(&record->summary, signal);
	summary_count_signal(&record->summary, SUMMARY_PAIR, &table->tally, signal);
	if (signal->kind == SIGNAL_COMPLETED)
		summary_count_recent(&record->summary, 1, 0, signal->now_ns);
	if (record->summary.ports != NULL)
		port_use_signal(record->summary.ports, signal);
	note_change(table, record, signal);
	bounded_table_touch(kind->entries, record, summary_table_worth(record));
}

BOTH_WAYS void count_sensor(struct summary_table *table, const struct flow_signal *signal)
{
	struct summary *summary = &table->sensor.summary;

	if (summary->since_ns == 0)
		summary->since_ns = signal->since_ns;
	summary_count_signal(summary, SUMMARY_SENSOR, &table->tally, signal);
	/* Its only crowd. */
	if (signal->kind == SIGNAL_STRAY)
		count_crowd(table, &table->sensor, table->tally.crowd, signal);
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

BOTH_WAYS void begin_searches(struct summary_table *table, struct searches *searches, const struct flow_signal *signal,
			      unsigned kinds)
{
	searches->near_service = has_kind(kinds, SUMMARY_SERVICE)
					 ? near_index_find(&table->near_services, &signal->server, signal->server_port)
					 : NULL;
	searches->near_source = NULL;
	searches->service.is_begun = false;
	searches->source.is_begun = false;
	searches->pair.is_begun = false;
	if (has_kind(kinds, SUMMARY_SERVICE) && searches->near_service == NULL) {
		searches->service.key = summary_key_service(&signal->server, signal->server_port);
		summary_table_begin_search(table, &searches->service);
	}
	if (has_kind(kinds, SUMMARY_SOURCE) && is_filtered(signal)) {
		prefetch_filters(table, &signal->client);
	} else if (has_kind(kinds, SUMMARY_SOURCE) && source_presence_may_have(&table->sources, &signal->client)) {
		begin_search_for_source(table, searches, signal);
	}
	if (has_kind(kinds, SUMMARY_PAIR) && concerns_pair(signal)) {
		searches->pair.key = summary_key_pair(&signal->client, &signal->server, signal->server_port);
		summary_table_begin_search(table, &searches->pair);
	}
}

/* The lines of a record that nearly every signal needs, and those that tell whether it deserves attention. */
static void expect_record(const struct summary_record *record)
{
	if (record == NULL)
		return;
	const uint64_t *totals = record->summary.totals;
	prefetch_to_write(&record->summary);
	prefetch_to_write(&totals[SUMMARY_ATTEMPTS]);
	if (record->attention != ATTENTION_NONE || record->n_calm > 0)
		return;
	prefetch(&totals[SUMMARY_CLOSED_UNSPOKEN]);
	prefetch(&totals[SUMMARY_SERVER_TIME_WAIT]);
	prefetch(&totals[SUMMARY_LAST_ACK_OVER]);
}

/* And what only some need; reads what expect_record has fetched. */
static void expect_parts(const struct summary_record *record, const struct flow_signal *signal, uint64_t slot)
{
	if (record == NULL)
		return;
	const struct summary *summary = &record->summary;
	if (signal->kind == SIGNAL_CLIENT_SPOKE || signal->kind == SIGNAL_CLOSED)
		prefetch_to_write(&summary->totals[SUMMARY_SPOKEN]);
	else if (summary->slots != NULL)
		prefetch_to_write(&summary->slots[slot % SUMMARY_SLOTS]);
	if (summary->ages != NULL)
		prefetch_to_write(&summary->ages->buckets[signal->since_ns / SUMMARY_AGE_NS % SUMMARY_AGES]);
	if (signal->kind == SIGNAL_COMPLETED)
		prefetch_to_write(summary->handshakes);
}

#define ALL_KINDS (~0u)

/* Where all kinds are counted, the service remembers where its host and prefix are: they are in the same table. */
BOTH_WAYS bool count_kinds(struct summary_table *table, const struct flow_signal *signal, unsigned kinds)
{
	struct searches searches;
	struct summary_record *service;
	struct summary_record *host = NULL;
	struct summary_record *prefix = NULL;

	table->has_hashes = false;
	summary_tally_signal(&table->tally, signal);
	begin_searches(table, &searches, signal, kinds);
	service = searches.service.is_begun ? search_service(table, &searches.service, signal) : searches.near_service;
	expect_record(service);
	if (has_kind(kinds, SUMMARY_HOST))
		host = kinds == ALL_KINDS ? host_of(table, service, signal) : near_host(table, signal);
	expect_record(host);
	if (has_kind(kinds, SUMMARY_PREFIX))
		prefix = kinds == ALL_KINDS ? prefix_of(table, service, signal) : near_prefix(table, signal);
	expect_parts(service, signal, table->tally.slot);
	expect_parts(host, signal, table->tally.slot);
	expect_record(searches.near_source);
	summary_table_expect_found(table, &searches.source);
	summary_table_expect_found(table, &searches.pair);
	if (!table->tally.is_not_of_targets) {
		struct summary_record *const targets[] = { service, host, prefix };
		for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
			if (targets[i] != NULL)
				count_target(table, targets[i], signal);
		if (has_kind(kinds, SUMMARY_SENSOR))
			count_sensor(table, signal);
	}
	if (has_kind(kinds, SUMMARY_SOURCE) && !table->tally.is_not_of_source)
		count_source(table, &searches, signal);
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
	*summary_table_hashed_client(table, &signal->client) = (struct hashed_address){ signal->client, ends->client };
	table->server = (struct hashed_address){ signal->server, ends->server };
	count_kinds(table, signal, kinds);
}

/* --- what is fetched before a signal comes --- */

static void fetch_places(struct summary_table *table, struct detect_expected *expected)
{
	expected->service_place = near_index_place(&table->near_services, expected->server, expected->server_port);
	expected->source_place = near_index_place(&table->near_sources, expected->client, 0);
	prefetch(expected->service_place);
	prefetch(expected->source_place);
	if (expected->news == DETECT_NEWS_SYN)
		prefetch_filters(table, expected->client);
}

static void fetch_record(const struct summary_record *record, enum detect_news news)
{
	if (record == NULL)
		return;
	prefetch_to_write(record);
	prefetch_to_write(&record->summary);
	prefetch_to_write(&record->summary.totals[news == DETECT_NEWS_SPOKEN ? SUMMARY_SPOKEN : SUMMARY_ATTEMPTS]);
	prefetch(&record->summary.crowds[CROWD_TRYING]);
}

/* With the span stands what says whether somebody is taken into the sample. */
static void fetch_crowd(const struct summary_crowds *crowds, uint64_t now_ns)
{
	const struct summary_crowd *crowd = &crowds->spans[now_ns / SUMMARY_SPAN_NS & 1];

	prefetch_to_write(&crowd->span);
}

/* Whoever spoke is counted by age, which begins with the connection. */
static void fetch_parts(const struct summary_record *record, enum detect_news news, uint64_t now_ns)
{
	if (record == NULL || news == DETECT_NEWS_SPOKEN)
		return;
	const struct summary *summary = &record->summary;
	if (summary->slots != NULL)
		prefetch_to_write(&summary->slots[now_ns / SUMMARY_SLOT_NS % SUMMARY_SLOTS]);
	if (summary->ages != NULL)
		prefetch_to_write(&summary->ages->buckets[now_ns / SUMMARY_AGE_NS % SUMMARY_AGES]);
	if (news == DETECT_NEWS_SYN && summary->crowds[CROWD_TRYING] != NULL)
		fetch_crowd(summary->crowds[CROWD_TRYING], now_ns);
}

/* Who completes a handshake is looked for among the pairs. */
static void fetch_chain_of_pair(const struct summary_table *table, struct detect_expected *expected)
{
	const struct summary_key key = summary_key_pair(expected->client, expected->server, expected->server_port);

	expected->pair_hash = summary_table_hash(table, &key);
	rare_pairs_expect(&table->rare_pairs, expected->pair_hash);
}

static void fetch_records(struct summary_table *table, struct detect_expected *expected)
{
	expected->service = *expected->service_place;
	/* In a flood all are about one service. */
	if (expected->service == table->fetched)
		expected->service = NULL;
	else
		table->fetched = expected->service;
	expected->source = *expected->source_place;
	fetch_record(expected->service, expected->news);
	fetch_record(expected->source, expected->news);
	if (expected->news == DETECT_NEWS_COMPLETED)
		fetch_chain_of_pair(table, expected);
}

static const struct summary_record *host_known_to(const struct summary_record *service)
{
	return service != NULL ? service->host : NULL;
}

void summary_table_fetch(struct summary_table *table, struct detect_expected *expected, uint64_t now_ns,
			 enum detect_fetch step)
{
	switch (step) {
	case DETECT_FETCH_PLACES:
		fetch_places(table, expected);
		break;
	case DETECT_FETCH_RECORDS:
		fetch_records(table, expected);
		break;
	case DETECT_FETCH_PARTS:
		fetch_parts(expected->service, expected->news, now_ns);
		fetch_parts(expected->source, expected->news, now_ns);
		fetch_record(host_known_to(expected->service), expected->news);
		if (expected->news == DETECT_NEWS_COMPLETED)
			rare_pairs_expect_found(&table->rare_pairs, expected->pair_hash);
		break;
	case DETECT_FETCH_PARTS_OF_HOST:
		fetch_parts(host_known_to(expected->service), expected->news, now_ns);
		break;
	}
}
