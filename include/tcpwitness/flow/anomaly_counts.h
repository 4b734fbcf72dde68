/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

#include "tcpwitness/decode/anomaly.h"

/*
 * How often each anomaly occurred in one flow, up to ANOMALY_COUNTS_MAX, in half the memory that as many numbers take:
 * most are 0, and few ever pass 255. All zero = none. When more than ANOMALY_COUNTS_CARRIES kinds do in one flow, which
 * no application makes, those that come last stay at 255. Capture thread.
 */
enum { ANOMALY_COUNTS_MAX = UINT16_MAX, ANOMALY_COUNTS_CARRIES = 14 };

struct anomaly_counts {
	uint8_t low[ANOMALY_COUNT];
	struct {
		uint8_t anomaly;
		uint8_t high;              /* so many times 256, beside low; 0 = not in use */
	} carries[ANOMALY_COUNTS_CARRIES]; /* those in use first */
};

/* Counts one more. Returns the new count, or 0 when it could not be counted. */
uint16_t anomaly_counts_add(struct anomaly_counts *counts, enum anomaly anomaly);

/* The same, as often as it goes. */
void anomaly_counts_add_times(struct anomaly_counts *counts, enum anomaly anomaly, uint32_t times);

void anomaly_counts_read(const struct anomaly_counts *counts, uint16_t to[ANOMALY_COUNT]);
