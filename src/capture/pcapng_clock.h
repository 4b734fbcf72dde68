/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/time.h>

/* How one interface of a pcapng file counts time: options if_tsresol and if_tsoffset. */
struct pcapng_clock {
	bool is_binary;   /* a tick is 2^-exponent seconds, else 10^-exponent */
	uint8_t exponent; /* 0 .. 127 */
	int64_t offset_s; /* added to every time */
};

/* What holds when the options are absent: microseconds since the epoch. */
#define PCAPNG_CLOCK_DEFAULT ((struct pcapng_clock){ .exponent = 6 })

/* Takes over the value of if_tsresol; every value is legal. */
void pcapng_clock_set_resolution(struct pcapng_clock *clock, uint8_t if_tsresol);

/*
 * The time of a tick count, rounded down to nanoseconds, which stand in tv_usec, as libpcap has it. Seconds that do
 * not fit become the nearest that do.
 */
struct timeval pcapng_clock_time(const struct pcapng_clock *clock, uint64_t ticks);
