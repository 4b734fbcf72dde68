/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The mergeable value per target that design 1.7 asks for. It decides nothing; the detectors do.
 */
#include "target_summary.h"

#include <math.h>
#include <string.h>

#include "tcpwitness/base/siphash.h"

static const struct siphash_key sketch_key = { UINT64_C(0x7463707769746e65), UINT64_C(0x736b657463686573) };

uint64_t target_source_hash(const struct ip_addr *source)
{
	return siphash13(&sketch_key, source, sizeof(*source));
}

static uint32_t add_saturated(uint32_t a, uint32_t b)
{
	return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}

void target_summary_count(struct target_summary *summary, enum target_outcome outcome, uint64_t since_ns)
{
	uint64_t number = since_ns / TARGET_SLOT_NS;
	struct target_slot *slot = &summary->slots[number % TARGET_SLOTS];

	summary->totals[outcome]++;
	if (number > slot->number) {
		memset(slot, 0, sizeof(*slot));
		slot->number = number;
	}
	if (number == slot->number)
		slot->outcomes[outcome] = add_saturated(slot->outcomes[outcome], 1);
}

void target_crowd_add(struct target_crowd *crowd, const struct flow_signal *signal, uint64_t source_hash)
{
	const uint32_t fingerprint[2] = { (uint32_t)signal->ttl << 16 | signal->window, signal->syn_layout };
	uint32_t *bucket =
		&crowd->fingerprints[siphash13(&sketch_key, fingerprint, sizeof(fingerprint)) % TARGET_FINGERPRINTS];

	crowd->connections++;
	*bucket = add_saturated(*bucket, 1);
	hyperloglog_add(&crowd->sources, source_hash);
}

void target_crowd_clear(struct target_crowd *crowd)
{
	memset(crowd, 0, sizeof(*crowd));
}

void target_summary_try(struct target_summary *summary, const struct flow_signal *signal, uint64_t source_hash,
			bool keep)
{
	uint64_t span = signal->now_ns / TARGET_SPAN_NS;

	if (span > summary->trying_span && !keep)
		target_crowd_clear(&summary->trying);
	if (span > summary->trying_span)
		summary->trying_span = span;
	target_crowd_add(&summary->trying, signal, source_hash);
}

void target_summary_sum(const struct target_summary *summary, uint64_t first, uint64_t last,
			uint64_t outcomes[static TARGET_OUTCOMES])
{
	memset(outcomes, 0, TARGET_OUTCOMES * sizeof(*outcomes));
	for (int i = 0; i < TARGET_SLOTS; i++) {
		const struct target_slot *slot = &summary->slots[i];
		if (slot->number < first || slot->number > last)
			continue;
		for (int k = 0; k < TARGET_OUTCOMES; k++)
			outcomes[k] += slot->outcomes[k];
	}
}

static uint64_t difference(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

uint64_t target_summary_half_open(const struct target_summary *summary)
{
	return difference(summary->totals[TARGET_ANSWERED], summary->totals[TARGET_HALF_OPEN_ENDED]);
}

uint64_t target_summary_old_half_open(const struct target_summary *summary, uint64_t first_young)
{
	uint64_t young[TARGET_OUTCOMES];

	target_summary_sum(summary, first_young, UINT64_MAX, young);
	return difference(target_summary_half_open(summary),
			  difference(young[TARGET_ANSWERED], young[TARGET_HALF_OPEN_ENDED]));
}

uint64_t target_incomplete(const uint64_t outcomes[static TARGET_OUTCOMES])
{
	return difference(outcomes[TARGET_ATTEMPTS],
			  outcomes[TARGET_COMPLETED] + outcomes[TARGET_REFUSED] + outcomes[TARGET_UNREACHABLE]);
}

double target_crowd_entropy(const struct target_crowd *crowd)
{
	double total = 0;
	double bits = 0;

	for (int i = 0; i < TARGET_FINGERPRINTS; i++)
		total += crowd->fingerprints[i];
	for (int i = 0; i < TARGET_FINGERPRINTS; i++) {
		double share = crowd->fingerprints[i] / total;
		if (crowd->fingerprints[i] > 0)
			bits -= share * log2(share);
	}
	return bits;
}

static void slot_merge(struct target_slot *into, const struct target_slot *from)
{
	if (from->number < into->number)
		return;
	if (from->number > into->number) {
		*into = *from;
		return;
	}
	for (int k = 0; k < TARGET_OUTCOMES; k++)
		into->outcomes[k] = add_saturated(into->outcomes[k], from->outcomes[k]);
}

static void crowd_merge(struct target_crowd *into, const struct target_crowd *from)
{
	into->connections += from->connections;
	for (int i = 0; i < TARGET_FINGERPRINTS; i++)
		into->fingerprints[i] = add_saturated(into->fingerprints[i], from->fingerprints[i]);
	hyperloglog_merge(&into->sources, &from->sources);
}

void target_summary_merge(struct target_summary *into, const struct target_summary *from)
{
	for (int i = 0; i < TARGET_SLOTS; i++)
		slot_merge(&into->slots[i], &from->slots[i]);
	for (int k = 0; k < TARGET_OUTCOMES; k++)
		into->totals[k] += from->totals[k];
	if (from->trying_span == into->trying_span)
		crowd_merge(&into->trying, &from->trying);
	if (from->trying_span > into->trying_span) {
		into->trying_span = from->trying_span;
		into->trying = from->trying;
	}
	crowd_merge(&into->failing, &from->failing);
}
