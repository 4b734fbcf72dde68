/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "port_use.h"

/* How fast a client opens connections, and whether that rises. */
struct port_rate {
	double per_s;        /* now */
	double per_s2;       /* its steady growth; 0 unless it is beyond doubt */
	double error_per_s;  /* standard error of per_s */
	double recent_per_s; /* over the last 10 s, whatever lies behind */
	double window_s;     /* what per_s was judged by */
};

/*
 * Judged by the longest time within which the client behaved alike: at a constant rate, or a steadily growing one.
 * So after a sudden change only what came after it counts, and what was steady is known the better the longer it
 * was. Nothing before from_ns counts.
 */
void port_rate_estimate(const struct port_use *use, uint64_t now_ns, uint64_t from_ns, struct port_rate *rate);
