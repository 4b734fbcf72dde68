/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Times of pcapng files: counts of ticks, whose length each interface states as a power of 10 or 2 (section 4.2 of
 * draft-ietf-opsawg-pcapng). Exact for every count and every resolution that the option can hold.
 */
#include "pcapng_clock.h"

#include "tcpwitness/base/units.h"

enum {
	NS_EXPONENT = 9,      /* a nanosecond is 10^-9 seconds */
	EXPONENT_BITS = 0x7f, /* of if_tsresol; the bit above them says that the base is 2 */
};

#define N_POWERS (sizeof(powers_of_10) / sizeof(powers_of_10[0]))

/* All that fit in 64 bits. */
static const uint64_t powers_of_10[] = {
	UINT64_C(1),
	UINT64_C(10),
	UINT64_C(100),
	UINT64_C(1000),
	UINT64_C(10000),
	UINT64_C(100000),
	UINT64_C(1000000),
	UINT64_C(10000000),
	UINT64_C(100000000),
	UINT64_C(1000000000),
	UINT64_C(10000000000),
	UINT64_C(100000000000),
	UINT64_C(1000000000000),
	UINT64_C(10000000000000),
	UINT64_C(100000000000000),
	UINT64_C(1000000000000000),
	UINT64_C(10000000000000000),
	UINT64_C(100000000000000000),
	UINT64_C(1000000000000000000),
	UINT64_C(10000000000000000000),
};

void pcapng_clock_set_resolution(struct pcapng_clock *clock, uint8_t if_tsresol)
{
	clock->is_binary = if_tsresol > EXPONENT_BITS;
	clock->exponent = if_tsresol & EXPONENT_BITS;
}

/* Seconds, and *ns of the next one. */
static uint64_t split_decimal(unsigned exponent, uint64_t ticks, uint64_t *ns)
{
	uint64_t seconds = 0;

	if (exponent < N_POWERS) {
		seconds = ticks / powers_of_10[exponent];
		ticks -= seconds * powers_of_10[exponent];
	}
	if (exponent <= NS_EXPONENT)
		*ns = ticks * powers_of_10[NS_EXPONENT - exponent];
	else if (exponent - NS_EXPONENT < N_POWERS)
		*ns = ticks / powers_of_10[exponent - NS_EXPONENT];
	else
		*ns = 0;
	return seconds;
}

static uint64_t split_binary(unsigned exponent, uint64_t ticks, uint64_t *ns)
{
	uint64_t seconds = exponent < 64 ? ticks >> exponent : 0;
	uint64_t fraction = 0; /* of a second, in units of 2^-64 */

	if (exponent >= 64)
		fraction = ticks >> (exponent - 64);
	else if (exponent > 0)
		fraction = ticks << (64 - exponent);
	/* The upper half of a product of 96 bits; neither part exceeds 64. */
	uint64_t low = (fraction & UINT32_MAX) * NS_PER_SEC;
	*ns = ((fraction >> 32) * NS_PER_SEC + (low >> 32)) >> 32;
	return seconds;
}

struct timeval pcapng_clock_time(const struct pcapng_clock *clock, uint64_t ticks)
{
	uint64_t ns;
	uint64_t seconds = clock->is_binary ? split_binary(clock->exponent, ticks, &ns)
					    : split_decimal(clock->exponent, ticks, &ns);
	int64_t sum_s;

	if (__builtin_add_overflow(seconds, clock->offset_s, &sum_s))
		sum_s = INT64_MAX;
	return (struct timeval){ .tv_sec = sum_s, .tv_usec = (int64_t)ns };
}
