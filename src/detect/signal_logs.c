/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From sources, which see connections, to parts of the tables, which know keys: see summary_set.h.
 */
#include "signal_logs.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tcpwitness/base/prefetch.h"

#include "unkeyed_hash.h"

struct logged_signal {
	struct flow_signal signal;
	struct summary_ends ends;
	uint64_t parts; /* bits: of those that count something of it */
	struct summary_shares shares;
};

/* Hashes cost more than all else that is done with a signal here, and most signals are about few services. */
struct known_service {
	struct ip_addr server; /* version 0: none */
	uint16_t port;
	struct summary_service_shares shares;
	uint64_t server_hash;
	struct alarm_note alarm;
};

enum {
	KNOWN_SERVICES = 128,
	ENTRIES_AHEAD = 8, /* fetched: other threads read or wrote them last */
	CACHE_LINE_BYTES = 64,
};

struct signal_log {
	struct known_service known[KNOWN_SERVICES];
	struct ip_addr client; /* of the signal before */
	uint64_t client_hash;
	size_t room;
	size_t n;
	struct logged_signal entries[];
};

static struct signal_log *create_log(size_t memory_bytes)
{
	size_t room = memory_bytes > sizeof(struct signal_log)
			      ? (memory_bytes - sizeof(struct signal_log)) / sizeof(struct logged_signal)
			      : 0;
	room = room > 0 ? room : 1;
	struct signal_log *log = calloc(1, sizeof(*log) + room * sizeof(*log->entries));

	if (log != NULL)
		log->room = room;
	return log;
}

int signal_logs_init(struct signal_logs *logs, const struct summary_set *set, size_t memory_bytes)
{
	logs->set = set;
	logs->until_ns = UINT64_MAX;
	for (size_t i = 0; i < set->n_parts; i++) {
		logs->logs[i] = create_log(memory_bytes / set->n_parts);
		if (logs->logs[i] == NULL)
			return -1;
		atomic_flag_clear(&logs->is_busy[i]);
	}
	return 0;
}

void signal_logs_fini(struct signal_logs *logs)
{
	for (size_t i = 0; i < SUMMARY_PARTS; i++)
		free(logs->logs[i]);
}

/* It may be behind the end. */
static inline void expect_entry(const struct logged_signal *entry, bool is_written)
{
	for (size_t at = 0; at < sizeof(*entry); at += CACHE_LINE_BYTES) {
		if (is_written)
			prefetch_to_write((const char *)entry + at);
		else
			prefetch((const char *)entry + at);
	}
}

/* --- what a source does --- */

/* Where it may be kept. */
static struct known_service *place_of(struct signal_log *log, const struct ip_addr *server, uint16_t port)
{
	return &log->known[unkeyed_hash(server, port) >> 32 & (KNOWN_SERVICES - 1)];
}

static struct known_service *service_of(struct signal_log *log, const struct summary_set *set,
					const struct flow_signal *signal)
{
	struct known_service *known = place_of(log, &signal->server, signal->server_port);

	if (known->port == signal->server_port && ip_addr_equal(&known->server, &signal->server))
		return known;
	uint64_t hash = summary_address_hash(&signal->server);
	*known = (struct known_service){
		.server = signal->server,
		.port = signal->server_port,
		.shares = summary_set_service_shares(set, &signal->server, hash, signal->server_port),
		.server_hash = hash,
	};
	return known;
}

static uint64_t client_hash(struct signal_log *log, const struct ip_addr *client)
{
	if (!ip_addr_equal(&log->client, client)) {
		log->client = *client;
		log->client_hash = summary_address_hash(client);
	}
	return log->client_hash;
}

static struct alarm_note *log_signal(struct signal_log *log, const struct summary_set *set,
				     const struct flow_signal *signal)
{
	struct logged_signal *entry = &log->entries[log->n++];
	struct known_service *service = service_of(log, set, signal);

	expect_entry(entry + ENTRIES_AHEAD, true);
	entry->signal = *signal;
	entry->ends = (struct summary_ends){ client_hash(log, &signal->client), service->server_hash };
	entry->shares = summary_set_shares(set, signal, &entry->ends, &service->shares);
	entry->parts = 0;
	for (int kind = 0; kind < SUMMARY_KINDS; kind++)
		if (entry->shares.part[kind] < SUMMARY_PARTS)
			entry->parts |= UINT64_C(1) << entry->shares.part[kind];
	return &service->alarm;
}

/* --- what a part does --- */

static void count(const struct summary_set *set, const struct logged_signal *entry, unsigned part)
{
	unsigned kinds = 0;

	for (int kind = 0; kind < SUMMARY_KINDS; kind++)
		if (entry->shares.part[kind] == part)
			kinds |= 1u << kind;
	summary_table_count(set->tables[part], &entry->signal, &entry->ends, kinds);
}

static bool comes_before(const struct logged_signal *a, const struct logged_signal *b)
{
	if (a->signal.now_ns != b->signal.now_ns)
		return a->signal.now_ns < b->signal.now_ns;
	return a->signal.packet_number < b->signal.packet_number;
}

/* What is left of a log. */
struct log_rest {
	const struct logged_signal *next;
	const struct logged_signal *end;
};

/* Entries are in the order of time. */
static const struct logged_signal *end_of(const struct signal_log *log, uint64_t until_ns)
{
	size_t n = log->n;

	while (n > 0 && log->entries[n - 1].signal.now_ns > until_ns)
		n--;
	return &log->entries[n];
}

/* Those with nothing in them are left out. Returns how many there are. */
static size_t list_rests(struct signal_log *const *logs, size_t n_logs, uint64_t until_ns, struct log_rest *rests)
{
	size_t n = 0;

	for (size_t i = 0; i < n_logs; i++) {
		rests[n] = (struct log_rest){ logs[i]->entries, end_of(logs[i], until_ns) };
		n += rests[n].next < rests[n].end;
	}
	return n;
}

static struct log_rest *first_of(struct log_rest *rests, size_t n)
{
	struct log_rest *first = rests;

	for (size_t i = 1; i < n; i++) {
		if (comes_before(rests[i].next, first->next))
			first = &rests[i];
	}
	return first;
}

/* parts: bits. The logs stay as they are. */
static void count_all(struct signal_log *const *logs, size_t n_logs, const struct summary_set *set, uint64_t parts,
		      uint64_t until_ns)
{
	struct log_rest rests[SUMMARY_PARTS];
	size_t n = list_rests(logs, n_logs, until_ns, rests);

	while (n > 0) {
		struct log_rest *rest = first_of(rests, n);
		const struct logged_signal *entry = rest->next++;
		expect_entry(entry + ENTRIES_AHEAD, false);
		for (uint64_t left = entry->parts & parts; left != 0; left &= left - 1)
			count(set, entry, (unsigned)__builtin_ctzll(left));
		/* Of two entries of one rank the one in the lower log comes first, so logs keep their order. */
		if (rest->next == rest->end)
			memmove(rest, rest + 1, (size_t)(&rests[n--] - (rest + 1)) * sizeof(*rest));
	}
}

void signal_logs_settle(struct signal_logs *logs, unsigned part)
{
	if (logs->is_settled[part])
		return;
	count_all(logs->logs, logs->set->n_parts, logs->set, UINT64_C(1) << part, logs->until_ns);
	logs->is_settled[part] = true;
}

static void keep_later(struct signal_log *log, uint64_t until_ns)
{
	size_t n = 0;

	while (n < log->n && log->entries[log->n - n - 1].signal.now_ns > until_ns)
		n++;
	memmove(log->entries, &log->entries[log->n - n], n * sizeof(log->entries[0]));
	log->n = n;
}

void signal_logs_settle_rest(struct signal_logs *logs)
{
	uint64_t parts = 0;

	for (size_t i = 0; i < logs->set->n_parts; i++)
		if (!logs->is_settled[i])
			parts |= UINT64_C(1) << i;
	if (parts != 0)
		count_all(logs->logs, logs->set->n_parts, logs->set, parts, logs->until_ns);
	for (size_t i = 0; i < logs->set->n_parts; i++) {
		keep_later(logs->logs[i], logs->until_ns);
		logs->is_settled[i] = false;
	}
}

/* --- what a source does when its log is full --- */

/* All parts take what it holds, though other sources may be about the same. */
static void empty_log(struct signal_logs *logs, struct signal_log *log)
{
	for (size_t i = 0; i < logs->set->n_parts; i++) {
		while (atomic_flag_test_and_set_explicit(&logs->is_busy[i], memory_order_acquire))
			;
		count_all(&log, 1, logs->set, UINT64_C(1) << i, UINT64_MAX);
		atomic_flag_clear_explicit(&logs->is_busy[i], memory_order_release);
	}
	log->n = 0;
}

struct alarm_note *signal_logs_add(struct signal_logs *logs, unsigned source, const struct flow_signal *signal)
{
	struct signal_log *log = logs->logs[source];

	/* It would be counted by some parts only. */
	assert(!logs->is_settled[source]);
	if (log->n == log->room)
		empty_log(logs, log);
	return log_signal(log, logs->set, signal);
}
