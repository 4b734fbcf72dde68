/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is usual, after "detection science" section 6: half-life, cold start, and the cap on growth.
 */
#include "baseline.h"

#include <math.h>

#include "tcpwitness/base/units.h"

#include "minmax.h"

#define HALF_LIFE_S 300.0

/* Until then the plain mean of all samples counts. */
#define READY_NS (60 * NS_PER_SEC)

/* Of the mean, per minute; and a little in absolute terms, or a mean of zero could never grow. */
#define GROWTH_PER_MINUTE       0.05
#define GROWTH_FLOOR_PER_MINUTE 0.2

/* A sample speaks for the time since the one before it, but for no more than this. */
#define MAX_SAMPLE_NS NS_PER_SEC

/* exp2(-seconds / HALF_LIFE_S) for the times that nearly all lessons are apart. */
#define KEPT_OF_SECOND  0x1.fed1824b51373p-1
#define KEPT_OF_QUARTER 0x1.ffb44fcbf1d77p-1

double baseline_kept(double seconds)
{
	if (seconds == 1.0)
		return KEPT_OF_SECOND;
	if (seconds == 0.25)
		return KEPT_OF_QUARTER;
	return exp2(-seconds / HALF_LIFE_S);
}

void baseline_begin(struct baseline *baseline, uint64_t now_ns)
{
	*baseline = (struct baseline){ .updated_ns = now_ns };
}

void baseline_rest(struct baseline *baseline, uint64_t now_ns)
{
	uint64_t silent_ns = ns_since(now_ns, baseline->updated_ns);
	double kept = baseline_kept(ns_to_seconds(silent_ns));

	baseline->mean *= kept;
	baseline->deviation *= kept;
	baseline->learned_ns += silent_ns;
	baseline->updated_ns = now_ns;
}

/* Inlined, so that of a usual time what does not depend on the figure is known to the compiler. */
static inline void learn_over(struct baseline *baseline, double value, bool was_ready, uint64_t elapsed_ns)
{
	double seconds = ns_to_seconds(elapsed_ns);
	double moving_weight = 1.0 - baseline_kept(seconds);
	double plain_weight = (double)elapsed_ns / (double)baseline->learned_ns;
	double weight = greater(moving_weight, plain_weight);
	double mean = baseline->mean + weight * (value - baseline->mean);

	if (was_ready) {
		double minutes = seconds / 60.0;
		double most = baseline->mean * (1.0 + GROWTH_PER_MINUTE * minutes) + GROWTH_FLOOR_PER_MINUTE * minutes;
		mean = lesser(mean, most);
	}
	baseline->deviation += weight * (fabs(value - mean) - baseline->deviation);
	baseline->mean = mean;
}

void baseline_learn(struct baseline *baseline, double value, uint64_t now_ns)
{
	bool was_ready = baseline_ready(baseline);

	if (ns_since(now_ns, baseline->updated_ns) > MAX_SAMPLE_NS)
		baseline_rest(baseline, now_ns - MAX_SAMPLE_NS);

	uint64_t elapsed_ns = ns_since(now_ns, baseline->updated_ns);
	if (elapsed_ns == 0)
		return;
	baseline->updated_ns = now_ns;
	baseline->learned_ns += elapsed_ns;
	if (elapsed_ns == NS_PER_SEC)
		learn_over(baseline, value, was_ready, NS_PER_SEC);
	else
		learn_over(baseline, value, was_ready, elapsed_ns);
}

void baseline_skip(struct baseline *baseline, uint64_t now_ns)
{
	baseline->updated_ns = now_ns;
}

bool baseline_ready(const struct baseline *baseline)
{
	return baseline->learned_ns >= READY_NS;
}

double baseline_limit(const struct baseline *baseline, double floor, double factor)
{
	return baseline_ready(baseline) ? greater(floor, factor * baseline->mean) : floor;
}

void baseline_teach(struct baseline *baseline, uint64_t *second, double value, bool is_suspicious, uint64_t now_ns)
{
	if (baseline->updated_ns == 0)
		baseline_begin(baseline, now_ns);
	if (now_ns / NS_PER_SEC == *second)
		return;
	*second = now_ns / NS_PER_SEC;
	if (is_suspicious)
		baseline_skip(baseline, now_ns);
	else
		baseline_learn(baseline, value, now_ns);
}
