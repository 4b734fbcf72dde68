/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From signals to what is known of targets: which outcome counts where, which targets are worth remembering (design
 * 1.5) and which are worth looking at, so that a tick costs what is going on, not what the table holds.
 */
#include "target_table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Hot: so many attempts within one span of TARGET_SPAN_NS, or so many half-open connections. */
enum { HOT_ATTEMPTS = 8, HOT_HALF_OPEN = 16 };

/* How long a target is still looked at after it last deserved it: until its cohorts are judged and its alarms calm. */
#define HOT_NS (12 * NS_PER_SEC)

/*
 * A Linux client's first retransmission of its SYN comes after 1 s, the second not before 2 s (detection science,
 * 2.2).
 */
#define FIRST_RETRY_NS (1900 * NS_PER_MS)

/* An unfinished handshake that ends before the tracker's deadlines (1 s) was not reported as still half open. */
#define DEADLINE_NS NS_PER_SEC

/* Weight of the newest handshake in the moving mean of their duration. */
#define HANDSHAKE_WEIGHT 0.05

/* Failing sources of a calm target are forgotten after so long. */
#define CALM_NS (10 * NS_PER_SEC)

struct target_table {
	struct siphash_key secret;
	uint64_t evicted;
	struct target *hot_first;
	struct target *hot_last;
	struct bounded_table *entries;
};

static void enlist_hot(struct target_table *table, struct target *target)
{
	target->is_hot = true;
	target->hot_next = NULL;
	target->hot_previous = table->hot_last;
	if (table->hot_last != NULL)
		table->hot_last->hot_next = target;
	else
		table->hot_first = target;
	table->hot_last = target;
}

static void unlist_hot(struct target_table *table, struct target *target)
{
	if (target->hot_next != NULL)
		target->hot_next->hot_previous = target->hot_previous;
	else
		table->hot_last = target->hot_previous;
	if (target->hot_previous != NULL)
		target->hot_previous->hot_next = target->hot_next;
	else
		table->hot_first = target->hot_next;
	target->is_hot = false;
}

static void forget_target(void *context, void *entry)
{
	struct target_table *table = context;
	struct target *target = entry;

	table->evicted++;
	if (target->is_hot)
		unlist_hot(table, target);
}

struct target_table *target_table_create(size_t memory_bytes, const struct siphash_key *secret, struct error *error)
{
	struct target_table *table = calloc(1, sizeof(*table));

	if (table == NULL || memory_bytes <= sizeof(*table)) {
		free(table);
		error_set(error, "no memory for detection targets (%zu bytes)", memory_bytes);
		return NULL;
	}
	table->secret = *secret;
	table->entries = bounded_table_create(sizeof(struct target), sizeof(struct target_key),
					      memory_bytes - sizeof(*table), forget_target, table);
	if (table->entries == NULL) {
		free(table);
		error_set(error, "no memory for detection targets (%zu bytes)", memory_bytes);
		return NULL;
	}
	return table;
}

void target_table_destroy(struct target_table *table)
{
	if (table == NULL)
		return;
	bounded_table_destroy(table->entries);
	free(table);
}

uint64_t target_table_evicted(const struct target_table *table)
{
	return table->evicted;
}

size_t target_table_capacity(const struct target_table *table)
{
	return bounded_table_capacity(table->entries);
}

struct target *target_table_first_hot(struct target_table *table)
{
	return table->hot_first;
}

struct target *target_table_find(struct target_table *table, const struct target_key *key)
{
	return bounded_table_find(table->entries, siphash13(&table->secret, key, sizeof(*key)), key);
}

static struct target *find_or_create(struct target_table *table, const struct target_key *key, bool create,
				     uint64_t since_ns)
{
	uint64_t hash = siphash13(&table->secret, key, sizeof(*key));
	struct target *target = bounded_table_find(table->entries, hash, key);

	if (target != NULL || !create)
		return target;
	target = bounded_table_insert(table->entries, hash, key);
	if (target == NULL)
		return NULL;
	target->created_ns = since_ns;
	target->calm_checked_ns = since_ns;
	baseline_begin(&target->syn_flood.attempts, since_ns);
	baseline_begin(&target->syn_flood.incomplete, since_ns);
	baseline_begin(&target->half_open.level, since_ns);
	return target;
}

static enum bounded_keep worth(const struct target *target)
{
	if (target->n_alarms > 0 || target->n_service_alarms > 0)
		return KEEP_PINNED;
	if (target_summary_half_open(&target->summary) > 0)
		return KEEP_LAST;
	return target->summary.totals[TARGET_COMPLETED] > 0 ? KEEP_LONGER : KEEP_LEAST;
}

static void learn_handshake(struct target *target, const struct flow_signal *signal)
{
	double took_s = ns_to_seconds(ns_since(signal->now_ns, signal->since_ns));

	/* Longer ones waited for a retransmission, and say nothing of the path. */
	if (took_s > 1.0)
		return;
	double error_s = took_s - target->handshake_mean_s;
	bool is_first = target->summary.totals[TARGET_COMPLETED] == 1;
	double weight = is_first ? 1.0 : HANDSHAKE_WEIGHT;
	target->handshake_mean_s += weight * error_s;
	target->handshake_deviation_s += weight * (fabs(error_s) - target->handshake_deviation_s);
	if (is_first)
		target->handshake_deviation_s = took_s / 2;
}

/* How the attempts spread over the ports of a host. */
static void vote_for_port(struct target *host, uint16_t port)
{
	host->all_votes++;
	host->ports_seen |= UINT64_C(1) << (((uint32_t)port * UINT32_C(2654435761)) >> 26);
	if (port == host->leading_port) {
		host->leading_votes++;
	} else if (host->leading_votes == 0) {
		host->leading_port = port;
		host->leading_votes = 1;
	} else {
		host->leading_votes--;
	}
}

static void count_attempt(struct target *target, const struct flow_signal *signal, uint64_t source_hash)
{
	uint64_t span = signal->now_ns / TARGET_SPAN_NS;

	if (span != target->recent_span) {
		target->recent_span = span;
		target->recent_attempts = 0;
		target->leading_votes /= 2;
		target->all_votes /= 2;
		target->ports_seen = 0;
	}
	target->recent_attempts++;
	if (!target->key.is_service)
		vote_for_port(target, signal->server_port);
	target_summary_try(&target->summary, signal, source_hash, target->n_alarms > 0);
	target_summary_count(&target->summary, TARGET_ATTEMPTS, signal->since_ns);
}

static void count_failure(struct target *target, const struct flow_signal *signal, uint64_t source_hash)
{
	target_crowd_add(&target->summary.failing, signal, source_hash);
	top_sources_add(&target->top_failing, &signal->client, source_hash);
}

static void count_signal(struct target *target, const struct flow_signal *signal, uint64_t source_hash)
{
	struct target_summary *summary = &target->summary;
	bool is_early = ns_since(signal->now_ns, signal->since_ns) < DEADLINE_NS;

	switch (signal->kind) {
	case SIGNAL_ATTEMPT:
		count_attempt(target, signal, source_hash);
		break;
	case SIGNAL_SYN_REPEATED:
		if (ns_since(signal->now_ns, signal->since_ns) < FIRST_RETRY_NS)
			target_summary_count(summary, TARGET_RETRIED, signal->since_ns);
		break;
	case SIGNAL_ANSWERED:
		target_summary_count(summary, TARGET_ANSWERED, signal->since_ns);
		break;
	case SIGNAL_SYNACK_REPEATED:
		target_summary_count(summary, TARGET_SYNACK_REPEATED, signal->since_ns);
		break;
	case SIGNAL_COMPLETED:
		target_summary_count(summary, TARGET_COMPLETED, signal->since_ns);
		learn_handshake(target, signal);
		break;
	case SIGNAL_REFUSED:
		target_summary_count(summary, TARGET_REFUSED, signal->since_ns);
		count_failure(target, signal, source_hash);
		break;
	case SIGNAL_UNREACHABLE:
		target_summary_count(summary, TARGET_UNREACHABLE, signal->since_ns);
		break;
	case SIGNAL_UNANSWERED:
		target_summary_count(summary, TARGET_UNANSWERED, signal->since_ns);
		count_failure(target, signal, source_hash);
		break;
	case SIGNAL_STILL_HALF_OPEN:
		target_summary_count(summary, TARGET_STILL_HALF_OPEN, signal->since_ns);
		count_failure(target, signal, source_hash);
		break;
	case SIGNAL_HALF_OPEN_ENDED:
		target_summary_count(summary, TARGET_HALF_OPEN_ENDED, signal->since_ns);
		if (!signal->completed && is_early)
			count_failure(target, signal, source_hash);
		break;
	case SIGNAL_TIME_WAIT:
	case SIGNAL_TIME_WAIT_OVER:
	case SIGNAL_CLOSED:
	case SIGNAL_SERVER_TIME_WAIT:
	case SIGNAL_SERVER_TIME_WAIT_OVER:
	case SIGNAL_CLIENT_RESET:
	case SIGNAL_CLIENT_SPOKE:
	case SIGNAL_SYNACK_AFTER_ACK:
	case SIGNAL_DATA_IGNORED:
	case SIGNAL_STALLED:
	case SIGNAL_STALLED_OVER:
	case SIGNAL_HELD:
	case SIGNAL_HELD_OVER:
	case SIGNAL_RST_SUSPECT:
	case SIGNAL_STRAY:
	case SIGNAL_JOINED:
	case SIGNAL_STRAY_CLAIMED:
	case SIGNAL_KIND_COUNT:
		break;
	}
}

static bool deserves_hot(const struct target *target, uint64_t now_ns)
{
	bool is_tried = target->recent_attempts >= HOT_ATTEMPTS && target->recent_span == now_ns / TARGET_SPAN_NS;

	return is_tried || target->n_alarms > 0 || target_summary_half_open(&target->summary) >= HOT_HALF_OPEN;
}

static void signal_target(struct target_table *table, const struct target_key *key, const struct flow_signal *signal,
			  uint64_t source_hash)
{
	struct target *target = find_or_create(table, key, signal->kind == SIGNAL_ATTEMPT, signal->since_ns);

	/* An attempt older than the record was counted in one that is forgotten: all or nothing of it counts. */
	if (target == NULL || signal->since_ns < target->created_ns)
		return;
	count_signal(target, signal, source_hash);
	bounded_table_touch(table->entries, target, worth(target));
	if (!deserves_hot(target, signal->now_ns))
		return;
	target->busy_ns = signal->now_ns;
	if (!target->is_hot) {
		baseline_rest(&target->syn_flood.attempts, signal->now_ns);
		baseline_rest(&target->syn_flood.incomplete, signal->now_ns);
		baseline_rest(&target->half_open.level, signal->now_ns);
		enlist_hot(table, target);
	}
}

void target_table_signal(struct target_table *table, const struct flow_signal *signal)
{
	struct target_key key = { .ip = signal->server, .is_service = 1, .port = signal->server_port };

	if (signal->kind >= SIGNAL_TIME_WAIT)
		return;
	uint64_t source_hash = target_source_hash(&signal->client);
	signal_target(table, &key, signal, source_hash);
	key.is_service = 0;
	key.port = 0;
	signal_target(table, &key, signal, source_hash);
}

/* Nothing is going on: whoever failed until now has no part in what comes. */
static void forget_failing(struct target *target, uint64_t now_ns)
{
	bool is_calm = target->n_alarms == 0 && target->syn_flood.began_ns == 0 && target->half_open.began_ns == 0 &&
		       target_summary_half_open(&target->summary) < HOT_HALF_OPEN;

	if (!is_calm || ns_since(now_ns, target->calm_checked_ns) < CALM_NS)
		return;
	target->calm_checked_ns = now_ns;
	if (target->summary.failing.connections > 0) {
		target_crowd_clear(&target->summary.failing);
		top_sources_clear(&target->top_failing);
	}
}

void target_table_cool(struct target_table *table, uint64_t now_ns)
{
	struct target *next;

	for (struct target *target = table->hot_first; target != NULL; target = next) {
		next = target->hot_next;
		forget_failing(target, now_ns);
		if (deserves_hot(target, now_ns))
			target->busy_ns = now_ns;
		else if (ns_since(now_ns, target->busy_ns) >= HOT_NS)
			unlist_hot(table, target);
	}
}

void target_table_alarm(struct target_table *table, struct target *target, bool is_open)
{
	if (is_open)
		target->n_alarms++;
	else
		target->n_alarms--;
	bounded_table_touch(table->entries, target, worth(target));
}

struct target *target_table_host(struct target_table *table, const struct target *service)
{
	const struct target_key key = { .ip = service->key.ip };

	return target_table_find(table, &key);
}

void target_table_service_alarm(struct target_table *table, struct target *host, bool is_open)
{
	if (is_open)
		host->n_service_alarms++;
	else
		host->n_service_alarms--;
	bounded_table_touch(table->entries, host, worth(host));
}
