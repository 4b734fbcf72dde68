/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "judgement.h"

/*
 * How many segments without a connection a target gets per second, by kind. Those that turn out to belong to one after
 * all are taken back, for which they are given some time: the rates are of the second that ended STRAY_LAG_NS ago.
 */
#define STRAY_TICK_NS (100 * NS_PER_MS)
enum { STRAY_LAG_TICKS = 6, STRAY_WINDOW_TICKS = 10, STRAY_TICKS = 17 };

struct stray_tick {
	uint64_t tick; /* packet time / STRAY_TICK_NS */
	uint32_t counts[STRAY_COUNT];
	uint32_t claimed;
	uint32_t attempts;
};

struct stray_rate {
	bool is_begun;
	uint64_t totals[STRAY_COUNT]; /* of the summary, at the last look */
	uint64_t claimed;
	uint64_t attempts;
	uint64_t latest;                      /* tick with strays, or some that were claimed; 0 = there were none */
	struct stray_tick ticks[STRAY_TICKS]; /* by tick % STRAY_TICKS */
};

struct stray_sums {
	double counts[STRAY_COUNT]; /* in the window */
	double recent[STRAY_COUNT]; /* in the last second, claimed or not */
	double claimed;             /* from the window's beginning until now */
	double attempts;            /* connections that were tried in the window; 0 where nothing strayed */
};

/* Once a tick, or a second where little happens. What strays before ignore_until_ns is not counted. */
void stray_rate_take(struct stray_rate *rate, const struct detect_scene *scene, uint64_t ignore_until_ns);
void stray_rate_sum(const struct stray_rate *rate, uint64_t now_ns, struct stray_sums *sums);

/* Nothing strayed for so long that all sums are zero: as a rule. */
static inline bool stray_rate_is_zero(const struct stray_rate *rate, uint64_t now_ns)
{
	return rate->latest + STRAY_LAG_TICKS + STRAY_WINDOW_TICKS <= now_ns / STRAY_TICK_NS;
}

/*
 * How many different connections the recent stray segments would belong to, each with its own addresses and ports, and
 * how many segments these are. Estimated from the sample, to a fifth.
 */
struct stray_spread {
	double segments;
	double flows;
	double sources;
	uint16_t port;     /* that most go to */
	double port_share; /* 0 .. 1 */
	uint16_t from_port;
	double from_port_share;
	bool is_own; /* the sender of some is their receiver */
};
void stray_spread_see(const struct detect_scene *scene, struct stray_spread *spread);
