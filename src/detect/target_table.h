/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tcpwitness/base/error.h"
#include "tcpwitness/base/siphash.h"
#include "tcpwitness/detect/flow_signal.h"

#include "baseline.h"
#include "bounded_table.h"
#include "target_summary.h"
#include "top_sources.h"

/*
 * What is known of each target: a service (address and port), and beside it the host as a whole. All detectors that
 * judge targets share these records (detection science, section 6), so that they agree on the figures.
 */
struct target_key {
	struct ip_addr ip;
	uint8_t is_service; /* 1: ip and port; 0: the host, over all its ports, and port is 0 */
	uint16_t port;
};
_Static_assert(sizeof(struct target_key) == 20, "keys are hashed as bytes and must have no padding");

struct alarm;

struct syn_flood_target {
	struct alarm *alarm;        /* null = none open */
	struct baseline attempts;   /* per second */
	struct baseline incomplete; /* per second */
	double excess_s;            /* CUSUM of the rate over the threshold, see syn_flood.c */
	double attempts_rate;       /* per second, of the cohorts judged last */
	double incomplete_rate;
	double threshold;
	double completed_share;                  /* 0 .. 1 */
	double retried_share;                    /* of the incomplete ones */
	uint64_t judged;                         /* cohorts before this slot number have been judged */
	uint64_t began_ns;                       /* of the present excess; 0 = none */
	uint64_t n_incomplete;                   /* judged, since then */
	uint64_t totals_before[TARGET_OUTCOMES]; /* of the summary, when it began */
	bool suppressed;                         /* an alarm was due and could not be raised */
};

struct half_open_target {
	struct alarm *alarm;
	struct baseline level;
	uint64_t learned_ns;
	uint64_t began_ns; /* since when the level is above the threshold; 0 = it is not */
	uint64_t totals_before[TARGET_OUTCOMES];
	bool suppressed;
};

struct target {
	struct bounded_entry entry;
	struct target_key key;
	bool is_hot;
	uint8_t n_alarms;          /* open, of all detectors */
	uint16_t n_service_alarms; /* hosts: open SYN flood alarms of single services */
	uint64_t created_ns;
	uint64_t busy_ns; /* last time at which it deserved to be hot */
	uint64_t recent_span;
	uint32_t recent_attempts; /* within the span */
	uint64_t calm_checked_ns;
	struct target *hot_next;
	struct target *hot_previous;
	double handshake_mean_s; /* SYN to third ACK, moving; 0 = none seen */
	double handshake_deviation_s;
	/* Hosts: one port's lead over all others (Boyer-Moore majority vote, halved every span), and the ports seen. */
	uint16_t leading_port;
	uint32_t leading_votes;
	uint32_t all_votes;
	uint64_t ports_seen;            /* 64 hash buckets */
	struct top_sources top_failing; /* sources of summary.failing */
	struct target_summary summary;
	struct syn_flood_target syn_flood;
	struct half_open_target half_open;
};

struct target_table;

struct target_table *target_table_create(size_t memory_bytes, const struct siphash_key *secret, struct error *error);
void target_table_destroy(struct target_table *table);

/* Counts the signal for its service and for its host, both of which an attempt creates. */
void target_table_signal(struct target_table *table, const struct flow_signal *signal);

/* Null when nothing is known. */
struct target *target_table_find(struct target_table *table, const struct target_key *key);

/*
 * The targets that deserve to be looked at, longest hot first: those with some attempts, half-open connections, or an
 * alarm.
 */
struct target *target_table_first_hot(struct target_table *table);

/* Once a tick, after the detectors: targets that were calm for a while are no longer hot. */
void target_table_cool(struct target_table *table, uint64_t now_ns);

/* An alarm of the target was raised or cleared: it is kept while one is open. */
void target_table_alarm(struct target_table *table, struct target *target, bool is_open);

/* The record of the service's host, or null. */
struct target *target_table_host(struct target_table *table, const struct target *service);

/* A SYN flood alarm of one of the host's services was raised or cleared. The host is kept while one is open. */
void target_table_service_alarm(struct target_table *table, struct target *host, bool is_open);

uint64_t target_table_evicted(const struct target_table *table);
size_t target_table_capacity(const struct target_table *table);
