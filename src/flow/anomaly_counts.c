/* SPDX-License-Identifier: BSD-2-Clause */
#include "tcpwitness/flow/anomaly_counts.h"

#include <stddef.h>

enum { LOW_MAX = UINT8_MAX, HIGH_MAX = UINT8_MAX };

/* High part of an anomaly, or the place for it; null when there is none. */
static uint8_t *high_of(struct anomaly_counts *counts, enum anomaly anomaly)
{
	for (unsigned i = 0; i < ANOMALY_COUNTS_CARRIES; i++) {
		if (counts->carries[i].high == 0)
			counts->carries[i].anomaly = (uint8_t)anomaly;
		if (counts->carries[i].anomaly == anomaly)
			return &counts->carries[i].high;
	}
	return NULL;
}

/* What low cannot hold. */
static uint16_t carry(struct anomaly_counts *counts, enum anomaly anomaly)
{
	uint8_t *high = high_of(counts, anomaly);

	if (high == NULL || *high == HIGH_MAX)
		return 0;
	++*high;
	counts->low[anomaly] = 0;
	return (uint16_t)(*high << 8);
}

uint16_t anomaly_counts_add(struct anomaly_counts *counts, enum anomaly anomaly)
{
	if (counts->low[anomaly] == LOW_MAX)
		return carry(counts, anomaly);
	counts->low[anomaly]++;
	for (unsigned i = 0; i < ANOMALY_COUNTS_CARRIES && counts->carries[i].high != 0; i++) {
		if (counts->carries[i].anomaly == anomaly)
			return (uint16_t)(counts->carries[i].high << 8 | counts->low[anomaly]);
	}
	return counts->low[anomaly];
}

void anomaly_counts_add_times(struct anomaly_counts *counts, enum anomaly anomaly, uint32_t times)
{
	while (times > 0 && anomaly_counts_add(counts, anomaly) != 0)
		times--;
}

void anomaly_counts_read(const struct anomaly_counts *counts, uint16_t to[ANOMALY_COUNT])
{
	for (unsigned i = 0; i < ANOMALY_COUNT; i++)
		to[i] = counts->low[i];
	for (unsigned i = 0; i < ANOMALY_COUNTS_CARRIES && counts->carries[i].high != 0; i++)
		to[counts->carries[i].anomaly] |= (uint16_t)(counts->carries[i].high << 8);
}
