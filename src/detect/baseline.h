/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * What is usual for one figure of one target: a moving mean and mean absolute deviation that forget with a half-life
 * of five minutes (detection science, section 6). Whoever feeds it leaves out what is suspicious; what still gets in
 * can raise a learned mean by 5 % a minute at most, so that a slow ramp cannot teach it.
 */
struct baseline {
	double mean;
	double deviation;
	uint64_t updated_ns; /* what came before is known or left out */
	uint64_t learned_ns; /* time over which it learned */
};

/* The figure is watched from now_ns on; *baseline is zeroed. */
void baseline_begin(struct baseline *baseline, uint64_t now_ns);

/* The figure is value now; before the last second it was zero since the last call. */
void baseline_learn(struct baseline *baseline, double value, uint64_t now_ns);

/* The figure was zero since the last call. */
void baseline_rest(struct baseline *baseline, uint64_t now_ns);

/* The time since the last call is not to be learned from. */
void baseline_skip(struct baseline *baseline, uint64_t now_ns);

/* What is left after seconds of what was learned. */
double baseline_kept(double seconds);

/* It has learned for a minute; before that, floors alone decide. */
bool baseline_ready(const struct baseline *baseline);

/* What is too much: floor, and once it is known what is usual, at least factor times that. */
double baseline_limit(const struct baseline *baseline, double floor, double factor);

/*
 * Learns value once a second, or skips the second when it is suspicious. *second is the caller's: of the last lesson.
 */
void baseline_teach(struct baseline *baseline, uint64_t *second, double value, bool is_suspicious, uint64_t now_ns);
