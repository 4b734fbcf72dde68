/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From sources, which see connections, to parts of the tables, which know keys: see summary_set.h.
 */
#include "signal_logs.h"

#include <assert.h>
#include <stdlib.h>

struct logged_signal {
	struct flow_signal signal;
	struct summary_ends ends;
	uint64_t parts; /* bits: of those that count something of it */
	struct summary_shares shares;
};

struct signal_log {
	/* Signals come in runs about the same addresses. */
	struct ip_addr client;
	struct ip_addr server;
	struct summary_ends ends; /* of these */
	uint64_t prefix;          /* of the server */
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

/* --- what a source does --- */

static void note_ends(struct signal_log *log, const struct flow_signal *signal)
{
	if (!ip_addr_equal(&log->client, &signal->client)) {
		log->client = signal->client;
		log->ends.client = summary_address_hash(&signal->client);
	}
	if (!ip_addr_equal(&log->server, &signal->server)) {
		const struct summary_key prefix = summary_key_prefix(&signal->server);
		log->server = signal->server;
		log->ends.server = summary_address_hash(&signal->server);
		log->prefix = summary_address_hash(&prefix.ip);
	}
}

static void log_signal(struct signal_log *log, const struct summary_set *set, const struct flow_signal *signal)
{
	struct logged_signal *entry = &log->entries[log->n++];

	note_ends(log, signal);
	entry->signal = *signal;
	entry->ends = log->ends;
	entry->shares = summary_set_shares(set, signal, &log->ends, log->prefix);
	entry->parts = 0;
	for (int kind = 0; kind < SUMMARY_KINDS; kind++)
		if (entry->shares.part[kind] < SUMMARY_PARTS)
			entry->parts |= UINT64_C(1) << entry->shares.part[kind];
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

static const struct logged_signal *head_of(const struct signal_log *log, size_t at)
{
	return at < log->n ? &log->entries[at] : NULL;
}

/* The log whose next entry comes first, or n_logs; in *other the first entry of the other logs, or null. */
static size_t find_first(struct signal_log *const *logs, size_t n_logs, const size_t *at,
			 const struct logged_signal **other)
{
	const struct logged_signal *first = NULL;
	size_t which = n_logs;

	*other = NULL;
	for (size_t i = 0; i < n_logs; i++) {
		const struct logged_signal *head = head_of(logs[i], at[i]);
		if (head == NULL)
			continue;
		if (first == NULL || comes_before(head, first)) {
			*other = first;
			first = head;
			which = i;
		} else if (*other == NULL || comes_before(head, *other)) {
			*other = head;
		}
	}
	return which;
}

/* parts: bits. The logs stay as they are. */
static void count_all(struct signal_log *const *logs, size_t n_logs, const struct summary_set *set, uint64_t parts)
{
	size_t at[SUMMARY_PARTS] = { 0 };
	const struct logged_signal *other;

	for (size_t i = find_first(logs, n_logs, at, &other); i < n_logs; i = find_first(logs, n_logs, at, &other)) {
		const struct logged_signal *head = head_of(logs[i], at[i]);
		do {
			for (uint64_t left = head->parts & parts; left != 0; left &= left - 1)
				count(set, head, (unsigned)__builtin_ctzll(left));
			head = head_of(logs[i], ++at[i]);
		} while (head != NULL && (other == NULL || comes_before(head, other)));
	}
}

void signal_logs_settle(struct signal_logs *logs, unsigned part)
{
	if (logs->is_settled[part])
		return;
	count_all(logs->logs, logs->set->n_parts, logs->set, UINT64_C(1) << part);
	logs->is_settled[part] = true;
}

void signal_logs_settle_rest(struct signal_logs *logs)
{
	uint64_t parts = 0;

	for (size_t i = 0; i < logs->set->n_parts; i++)
		if (!logs->is_settled[i])
			parts |= UINT64_C(1) << i;
	if (parts != 0)
		count_all(logs->logs, logs->set->n_parts, logs->set, parts);
	for (size_t i = 0; i < logs->set->n_parts; i++) {
		logs->logs[i]->n = 0;
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
		count_all(&log, 1, logs->set, UINT64_C(1) << i);
		atomic_flag_clear_explicit(&logs->is_busy[i], memory_order_release);
	}
	log->n = 0;
}

void signal_logs_add(struct signal_logs *logs, unsigned source, const struct flow_signal *signal)
{
	struct signal_log *log = logs->logs[source];

	/* It would be counted by some parts only. */
	assert(!logs->is_settled[source]);
	if (log->n == log->room)
		empty_log(logs, log);
	log_signal(log, logs->set, signal);
}
