/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tcpwitness/base/units.h"
#include "tcpwitness/detect/flow_signal.h"

#include "hyperloglog.h"

/*
 * What is known of the attempts to reach one target (design 1.7): a plain value without pointers, that merges.
 * Summaries of the same target made by several threads or sensors give, merged in any order and grouping, the same
 * summary, byte for byte. Everything in it is a sum, a maximum, or a union of sets, kept apart by numbered spans of
 * packet time.
 *
 * Outcomes are counted in *cohorts*: what becomes of an attempt is credited to the slot of time in which the attempt
 * began. So the share of a slot's attempts that completed is exact however long a handshake takes, and a surge of
 * attempts that complete 300 ms later is never, not even for a moment, a surge of attempts that do not complete.
 */
enum target_outcome {
	TARGET_ATTEMPTS = 0,
	TARGET_ANSWERED,        /* by SYN-ACK */
	TARGET_COMPLETED,       /* handshakes */
	TARGET_REFUSED,         /* by RST */
	TARGET_UNREACHABLE,     /* by ICMP */
	TARGET_UNANSWERED,      /* no answer by the deadline; one may have come later */
	TARGET_STILL_HALF_OPEN, /* no third ACK by the deadline; one may have come later */
	TARGET_HALF_OPEN_ENDED, /* of the answered: no longer half open */
	TARGET_RETRIED,         /* the client sent its SYN again at its first time-out, as real stacks do */
	TARGET_SYNACK_REPEATED, /* SYN-ACKs sent again; each repetition counts */
	TARGET_OUTCOMES,        /* not an outcome */
};

#define TARGET_SLOT_NS (250 * NS_PER_MS)

/* 4 s of cohorts. A detector must have judged a cohort before its slot is used again. */
enum { TARGET_SLOTS = 16 };

/* How finely fingerprints of SYNs (TTL, window, option layout) are told apart. */
enum { TARGET_FINGERPRINTS = 32 };

struct target_slot {
	uint64_t number; /* packet time / TARGET_SLOT_NS */
	uint32_t outcomes[TARGET_OUTCOMES];
};

/* Who they were: distinct sources and how alike their SYNs look. */
struct target_crowd {
	uint64_t connections; /* that were added */
	uint32_t fingerprints[TARGET_FINGERPRINTS];
	struct hyperloglog sources;
};

struct target_summary {
	struct target_slot slots[TARGET_SLOTS];
	uint64_t totals[TARGET_OUTCOMES]; /* since the target is watched */
	uint64_t trying_span;             /* packet time / TARGET_SPAN_NS that trying belongs to */
	struct target_crowd trying;       /* all attempts of the span */
	struct target_crowd failing;      /* attempts that came to nothing, since the target was last calm */
};

/* How long one crowd of those who try is collected. */
#define TARGET_SPAN_NS (4 * NS_PER_SEC)

/* The key of all sketches: public and fixed, or sketches of different sensors would not merge. */
uint64_t target_source_hash(const struct ip_addr *source);

/* One attempt, or what became of it; since_ns is when the attempt began. */
void target_summary_count(struct target_summary *summary, enum target_outcome outcome, uint64_t since_ns);

void target_crowd_add(struct target_crowd *crowd, const struct flow_signal *signal, uint64_t source_hash);
void target_crowd_clear(struct target_crowd *crowd);

/* Adds an attempt to those who try; an old span is forgotten unless keep. */
void target_summary_try(struct target_summary *summary, const struct flow_signal *signal, uint64_t source_hash,
			bool keep);

/* Sums the cohorts first .. last (slot numbers, both included) that are still known into outcomes. */
void target_summary_sum(const struct target_summary *summary, uint64_t first, uint64_t last,
			uint64_t outcomes[static TARGET_OUTCOMES]);

/* Connections that are half open now, whatever their age. */
uint64_t target_summary_half_open(const struct target_summary *summary);

/* Those of them whose attempt began in a slot before first_young. */
uint64_t target_summary_old_half_open(const struct target_summary *summary, uint64_t first_young);

/*
 * Attempts that came to nothing, given cohorts whose deadline has passed. Refused ones are an answer, and no part of
 * it.
 */
uint64_t target_incomplete(const uint64_t outcomes[static TARGET_OUTCOMES]);

/* Diversity of the SYNs' fingerprints in bits, 0 (all alike) .. 5. */
double target_crowd_entropy(const struct target_crowd *crowd);

/* Takes what from knows into into. Associative and commutative. */
void target_summary_merge(struct target_summary *into, const struct target_summary *from);
