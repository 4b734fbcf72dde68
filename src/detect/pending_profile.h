/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "summary.h"

/*
 * Which share of the attempts of a target is still pending, by the age of their slot: the shape that handshakes with it
 * usually have. So attempts that ought to be complete by the target's own standards are seen before any fixed
 * deadline, whatever the paths of its clients are like, and a surge of attempts that fares as always is none. It learns
 * from handshakes that completed, so a flood cannot teach it.
 */
#define PROFILE_BIN_NS (50 * NS_PER_MS)
enum { PROFILE_BINS = 26 };
_Static_assert(UINT64_MAX / SUMMARY_SLOT_NS < UINT64_C(1) << (64 - PROFILE_BINS), "a slot's number has bins behind it");

/* Slots that are over, and young enough to have a place in it. */
enum { PROFILE_SLOTS = 6 };

struct pending_profile {
	float completed[PROFILE_BINS]; /* handshakes of slots that were seen at that age, with old ones fading */
	float pending[PROFILE_BINS];   /* of these: had not completed at that age */
	/* By number % PROFILE_SLOTS: the number, and behind it the bins at which the slot was seen, a bit each. */
	uint64_t slots[PROFILE_SLOTS];
	uint16_t completed_at[PROFILE_SLOTS][PROFILE_BINS]; /* where it was seen */
};

/* How the young slots of a target fare against its profile. */
struct pending_excess {
	double seconds;   /* that the slots in question span */
	double attempts;  /* in them */
	double pending;   /* of these */
	double excess;    /* pending beyond what is usual; 0 = no slots stand out */
	double answered;  /* of the pending: the client did not react to the SYN-ACK, or reset */
	double reset;     /* of these: reset */
	double completed; /* in these slots */
	uint64_t first;   /* slot */
};

/* Once a tick, or a second where little happens. */
void pending_profile_learn(struct pending_profile *profile, const struct summary *summary, uint64_t now_ns);

/*
 * The slots whose excess is the clearest, if one is at least least and far beyond chance. handshakes: a summary whose
 * handshakes tell what to expect as long as the profile knows little.
 */
void pending_profile_excess(const struct pending_profile *profile, const struct summary *summary,
			    const struct summary *handshakes, uint64_t now_ns, double least,
			    struct pending_excess *excess);
