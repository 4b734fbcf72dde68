/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

/*
 * The machine's clocks, for deadlines and for the tick of an interface that is idle. Nothing that judges packets asks
 * them: its time is an argument. Any thread.
 */

/* CLOCK_MONOTONIC, ns since some point in the past. */
uint64_t clock_monotonic_ns(void);

/* CLOCK_REALTIME, ns since the epoch: the clock by which the kernel stamps packets. */
uint64_t clock_realtime_ns(void);
