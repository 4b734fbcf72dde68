/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What share of attempts is pending at which age, and what is beyond it: see pending_profile.h.
 */
#include "pending_profile.h"

#include <math.h>

#include "fate.h"
#include "minmax.h"

/* Beyond so many attempts in a bin, old ones fade. */
#define FADE_AT 4000.0F

/* What is known from elsewhere counts as so many attempts. */
#define PRIOR_WEIGHT 3.0

/* Where no handshake is known, none is expected to take longer; and so many never end, wherever. */
#define UNKNOWN_HANDSHAKE_S 0.3
#define NEVER_SHARE         0.02

/* Beyond chance: so many standard deviations, and a share of what is expected, for habits change. */
#define DEVIATIONS   6.0
#define HABIT_CHANGE 0.3

/* Fewer handshakes do not tell how long they take. */
enum { MIN_HANDSHAKES = 20 };

static int bin_of(uint64_t slot, uint64_t now_ns)
{
	uint64_t age = (ns_since(now_ns, slot * SUMMARY_SLOT_NS) + PROFILE_BIN_NS / 2) / PROFILE_BIN_NS;

	return age < PROFILE_BINS ? (int)age : PROFILE_BINS - 1;
}

static void learn_bin(struct pending_profile *profile, unsigned bin, unsigned seen, double completed)
{
	profile->completed[bin] += (float)completed;
	profile->pending[bin] += (float)greater(completed - seen, 0);
	if (profile->completed[bin] > FADE_AT) {
		profile->completed[bin] /= 2;
		profile->pending[bin] /= 2;
	}
}

/* The slot is so old that what has not completed never will: it tells how long the others took. */
static void learn_slot(struct pending_profile *profile, uint64_t place, uint32_t bins, double completed)
{
	for (; bins != 0; bins &= bins - 1) {
		unsigned bin = (unsigned)__builtin_ctz(bins);
		learn_bin(profile, bin, profile->completed_at[place][bin], completed);
	}
}

void pending_profile_learn(struct pending_profile *profile, const struct summary *summary, uint64_t now_ns)
{
	uint64_t now = now_ns / SUMMARY_SLOT_NS;
	const uint64_t all_bins = (UINT64_C(1) << PROFILE_BINS) - 1;

	for (uint64_t slot = now > PROFILE_SLOTS ? now - PROFILE_SLOTS : 0; slot < now; slot++) {
		uint64_t place = slot % PROFILE_SLOTS;
		uint64_t known = profile->slots[place];
		int bin = bin_of(slot, now_ns);
		if (known >> PROFILE_BINS != slot) {
			uint64_t completed = summary_cohort(summary, SUMMARY_COMPLETED, known >> PROFILE_BINS);
			learn_slot(profile, place, (uint32_t)(known & all_bins), (double)completed);
			known = slot << PROFILE_BINS;
		}
		uint64_t completed = summary_cohort(summary, SUMMARY_COMPLETED, slot);
		if (bin < PROFILE_BINS - 1 && completed < UINT16_MAX) {
			profile->completed_at[place][bin] = (uint16_t)completed;
			known |= UINT64_C(1) << bin;
		}
		profile->slots[place] = known;
	}
}

static double slower_than(const struct summary *handshakes, double age_s)
{
	double all = 0;
	double slower = 0;
	double most_s = (double)(UINT64_C(128) * NS_PER_US) / (double)NS_PER_SEC;

	for (int i = 0; handshakes != NULL && i < SUMMARY_RTT_BUCKETS; i++, most_s *= 2) {
		all += handshakes->handshakes[i];
		if (most_s > age_s)
			slower += handshakes->handshakes[i];
	}
	if (all < MIN_HANDSHAKES)
		return age_s < UNKNOWN_HANDSHAKE_S ? 1 : NEVER_SHARE;
	return greater(slower / all, NEVER_SHARE);
}

/* The attempts of a slot are on average half a slot younger than its beginning. */
static double usual_share(const struct pending_profile *profile, const struct summary *handshakes, int bin)
{
	double middle_s = bin * ns_to_seconds(PROFILE_BIN_NS) - ns_to_seconds(SUMMARY_SLOT_NS) / 2;
	double prior = slower_than(handshakes, middle_s);
	double share = (profile->pending[bin] + PRIOR_WEIGHT * prior) / (profile->completed[bin] + PRIOR_WEIGHT);

	return greater(share, NEVER_SHARE);
}

static void add_fate(struct pending_excess *window, const struct fate *fate)
{
	window->seconds += fate->seconds;
	window->attempts += fate->attempts;
	window->pending += fate->open;
	window->answered += fate->waiting + fate->reset;
	window->reset += fate->reset;
	window->completed += fate->completed;
}

void pending_profile_excess(const struct pending_profile *profile, const struct summary *summary,
			    const struct summary *handshakes, uint64_t now_ns, double least,
			    struct pending_excess *excess)
{
	uint64_t now = now_ns / SUMMARY_SLOT_NS;
	uint64_t oldest = now > PROFILE_SLOTS ? now - PROFILE_SLOTS + 1 : 0;
	struct fate fates[PROFILE_SLOTS];
	double shares[PROFILE_SLOTS];
	double known[PROFILE_SLOTS];
	double best = 0;
	double attempts = 0;
	int n_slots = (int)(now - oldest);

	*excess = (struct pending_excess){ 0 };
	for (int i = 0; i < n_slots; i++)
		attempts += (double)summary_cohort(summary, SUMMARY_ATTEMPTS, oldest + (uint64_t)i);
	/* No more can be overdue than there are. */
	if (attempts < least)
		return;
	for (int i = 0; i < n_slots; i++) {
		int bin = bin_of(oldest + (uint64_t)i, now_ns);
		fate_sum(summary, oldest + (uint64_t)i, oldest + (uint64_t)i, &fates[i]);
		shares[i] = usual_share(profile, handshakes, bin);
		known[i] = profile->completed[bin] + PRIOR_WEIGHT;
	}
	for (int first = 0; first < n_slots; first++) {
		struct pending_excess window = { .first = oldest + (uint64_t)first };
		double usual = 0;
		double variance = 0;
		/* What does not stand out itself is not where it began. */
		if (fates[first].open <= shares[first] * fates[first].attempts)
			continue;
		for (int i = first; i < n_slots; i++) {
			double expected = shares[i] * fates[i].attempts;
			add_fate(&window, &fates[i]);
			usual += expected;
			variance += expected * (1 - shares[i]) * (1 + fates[i].attempts / known[i]);
			window.excess = window.pending - usual;
			double beyond = window.excess - DEVIATIONS * sqrt(variance) - HABIT_CHANGE * usual;
			if (window.excess >= least && beyond > best) {
				best = beyond;
				*excess = window;
			}
		}
	}
}
