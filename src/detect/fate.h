/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "judgement.h"
#include "summary.h"

/*
 * What became of the attempts of some cohorts, as the detectors of floods and their relatives need it. The figure that
 * tells a flood from every kind of honest trouble is the *silent* ones: neither completed nor refused, and the client
 * never asked again. Real stacks repeat their SYN after 1 s (RFC 6298), so that lost segments, full queues and dead
 * servers leave hardly any.
 */
struct fate {
	double seconds; /* that the cohorts span */
	double attempts;
	double answered;
	double completed;
	double refused;
	double unreachable;
	double reset;     /* by the client, after the SYN-ACK: its kernel knows of no SYN */
	double repeaters; /* half open, and the server repeated its SYN-ACK of its own accord */
	double bare;
	double retried;  /* at any time */
	double open;     /* neither completed nor refused */
	double retrying; /* of the open: with a repeated SYN */
	double silent;   /* of the open: the others */
	double waiting;  /* answered, and the client did not react */
	double ignored; /* waiting, beyond those that the server repeated: it keeps no state for them, as far as seen */
};

/* Slots: numbers as in summary.h, both included. */
void fate_sum(const struct summary *summary, uint64_t first, uint64_t last, struct fate *fate);

/* Of one cohort, what shows whether anything failed at all. */
struct fate_cohort {
	double attempts;
	double refused; /* or unreachable */
	double open;
};

/* Where there are no slots. */
void fate_of_only_cohort(const struct summary *summary, uint64_t slot, struct fate_cohort *cohort);

/* Asked of each cohort several times. */
static inline void fate_of_cohort(const struct summary *summary, uint64_t slot, struct fate_cohort *cohort)
{
	if (summary->slots == NULL) {
		fate_of_only_cohort(summary, slot, cohort);
		return;
	}

	const struct summary_slot *known = &summary->slots[slot % SUMMARY_SLOTS];
	*cohort = (struct fate_cohort){ 0 };
	if (known->number != slot)
		return;
	cohort->attempts = known->counts[SUMMARY_ATTEMPTS];
	cohort->refused = (double)known->counts[SUMMARY_REFUSED] + known->counts[SUMMARY_UNREACHABLE];
	cohort->open = cohort->attempts - cohort->refused - known->counts[SUMMARY_COMPLETED];
	if (cohort->open < 0)
		cohort->open = 0;
}

/* The last slot that ended at least age_ns ago. */
uint64_t fate_last_slot(uint64_t now_ns, uint64_t age_ns);

/* part / whole, 0 .. 1; 0 of nothing. */
double fate_share(double part, double whole);

/*
 * A cohort may be judged so long after its end: the first repetition of a SYN comes after 1 s, and the second is no
 * later than 3 s after the SYN, on all systems of today.
 */
#define FATE_EARLY_NS (1050 * NS_PER_MS)
#define FATE_LATE_NS  (3300 * NS_PER_MS)

/* Share of repeated SYNs that go unseen, being lost before the sensor or not captured. */
double fate_missed_repeats(const struct detect_scene *scene);

/* What share of the crowd's connections the most frequent fingerprint has; 0 of nobody. */
double fate_alike(const struct summary_crowd *crowd);

/* Distinct sources per connection of the crowd, 0 .. 1: near 1 where each sends one SYN. */
double fate_once(const struct summary_crowd *crowd);

/* The same for whoever knows how many sources the crowd has, which is much to find out. */
double fate_once_of(const struct summary_crowd *crowd, double sources);

/* The share of the sample whose SYNs carry no options at all, as only tools send them. */
double fate_raw(const struct summary_crowd *crowd);

/* Shares of the most frequent source, server and port in the sample. */
struct fate_leaders {
	double source;
	double server;
	double port;
	struct ip_addr source_ip;
	unsigned n; /* sampled */
};

void fate_leaders(const struct summary_crowd *crowd, struct fate_leaders *leaders);

/* Those that came to nothing, collected since the trouble began or of late; of those who try, when too few. */
const struct summary_crowd *fate_crowd(const struct detect_scene *scene);

/* The severity of an incident does not fall before it is over. */
uint8_t fate_worst(const struct detect_scene *scene, uint8_t severity);

enum { FATE_SOURCES_BYTES = IP_ADDR_TEXT_BYTES + 32 };

/* The main source of the event by its address, or how many there are in words. Returns text. */
const char *fate_sources(const struct event_alert *alert, char text[static FATE_SOURCES_BYTES]);
