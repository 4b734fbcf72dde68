/* SPDX-License-Identifier: BSD-2-Clause */
#include "common_history.h"

#include <string.h>

const struct common_history common_histories[N_COMMON_HISTORIES] = {
	/* text, seen, endpoint, then, length, has_payload */
	{ "", { 0x00, 0x00 }, { 0, 0 }, { 0, 0, 0, 0, 0, 0 }, 0, 0 },
	{ "Sh", { 0x01, 0x02 }, { 3, 3 }, { 0, 2, 0, 0, 0, 0 }, 2, 0 },
	{ "ShA", { 0x81, 0x02 }, { 3, 3 }, { 3, 0, 11, 8, 0, 12 }, 3, 0 },
	{ "ShAD", { 0xc1, 0x02 }, { 3, 3 }, { 0, 0, 18, 6, 4, 19 }, 4, 1 },
	{ "ShADa", { 0xc1, 0x82 }, { 3, 3 }, { 0, 0, 25, 5, 0, 26 }, 5, 1 },
	{ "ShADad", { 0xc1, 0xc2 }, { 3, 3 }, { 0, 0, 29, 0, 0, 30 }, 6, 1 },
	{ "ShADd", { 0xc1, 0x42 }, { 3, 3 }, { 0, 0, 33, 0, 7, 34 }, 5, 1 },
	{ "ShADda", { 0xc1, 0xc2 }, { 3, 3 }, { 0, 0, 40, 0, 0, 41 }, 6, 1 },
	{ "ShAd", { 0x81, 0x42 }, { 3, 3 }, { 9, 0, 44, 0, 0, 45 }, 4, 1 },
	{ "ShAdD", { 0xc1, 0x42 }, { 3, 3 }, { 0, 0, 51, 0, 10, 52 }, 5, 1 },
	{ "ShAdDa", { 0xc1, 0xc2 }, { 3, 3 }, { 0, 0, 58, 0, 0, 59 }, 6, 1 },
	{ "ShAF", { 0x85, 0x02 }, { 4, 3 }, { 0, 0, 0, 0, 16, 13 }, 4, 0 },
	{ "ShAf", { 0x81, 0x06 }, { 3, 4 }, { 0, 0, 14, 0, 0, 0 }, 4, 0 },
	{ "ShAFf", { 0x85, 0x06 }, { 4, 4 }, { 0, 0, 0, 0, 15, 0 }, 5, 0 },
	{ "ShAfF", { 0x85, 0x06 }, { 4, 4 }, { 0, 0, 0, 0, 0, 0 }, 5, 0 },
	{ "ShAFfa", { 0x85, 0x86 }, { 4, 4 }, { 0, 0, 0, 0, 0, 0 }, 6, 0 },
	{ "ShAFa", { 0x85, 0x82 }, { 4, 3 }, { 0, 0, 0, 0, 0, 17 }, 5, 0 },
	{ "ShAFaf", { 0x85, 0x86 }, { 4, 4 }, { 0, 0, 0, 0, 0, 0 }, 6, 0 },
	{ "ShADF", { 0xc5, 0x02 }, { 4, 3 }, { 0, 0, 0, 0, 23, 20 }, 5, 1 },
	{ "ShADf", { 0xc1, 0x06 }, { 3, 4 }, { 0, 0, 21, 0, 0, 0 }, 5, 1 },
	{ "ShADFf", { 0xc5, 0x06 }, { 4, 4 }, { 0, 0, 0, 0, 22, 0 }, 6, 1 },
	{ "ShADfF", { 0xc5, 0x06 }, { 4, 4 }, { 0, 0, 0, 0, 0, 0 }, 6, 1 },
	{ "ShADFfa", { 0xc5, 0x86 }, { 4, 4 }, { 0, 0, 0, 0, 0, 0 }, 7, 1 },
	{ "ShADFa", { 0xc5, 0x82 }, { 4, 3 }, { 0, 0, 0, 0, 0, 24 }, 6, 1 },
	{ "ShADFaf", { 0xc5, 0x86 }, { 4, 4 }, { 0, 0, 0, 0, 0, 0 }, 7, 1 },
	{ "ShADaF", { 0xc5, 0x82 }, { 4, 3 }, { 0, 0, 0, 0, 0, 27 }, 6, 1 },
	{ "ShADaf", { 0xc1, 0x86 }, { 3, 4 }, { 0, 0, 28, 0, 0, 0 }, 6, 1 },
	{ "ShADaFf", { 0xc5, 0x86 }, { 4, 4 }, { 0, 0, 0, 0, 0, 0 }, 7, 1 },
	{ "ShADafF", { 0xc5, 0x86 }, { 4, 4 }, { 0, 0, 0, 0, 0, 0 }, 7, 1 },
	{ "ShADadF", { 0xc5, 0xc2 }, { 4, 3 }, { 0, 0, 0, 0, 0, 31 }, 7, 1 },
	{ "ShADadf", { 0xc1, 0xc6 }, { 3, 4 }, { 0, 0, 32, 0, 0, 0 }, 7, 1 },
	{ "ShADadFf", { 0xc5, 0xc6 }, { 4, 4 }, { 0, 0, 0, 0, 0, 0 }, 8, 1 },
	{ "ShADadfF", { 0xc5, 0xc6 }, { 4, 4 }, { 0, 0, 0, 0, 0, 0 }, 8, 1 },
	{ "ShADdF", { 0xc5, 0x42 }, { 4, 3 }, { 0, 0, 0, 0, 38, 35 }, 6, 1 },
	{ "ShADdf", { 0xc1, 0x46 }, { 3, 4 }, { 0, 0, 36, 0, 0, 0 }, 6, 1 },
	{ "ShADdFf", { 0xc5, 0x46 }, { 4, 4 }, { 0, 0, 0, 0, 37, 0 }, 7, 1 },
	{ "ShADdfF", { 0xc5, 0x46 }, { 4, 4 }, { 0, 0, 0, 0, 0, 0 }, 7, 1 },
	{ "ShADdFfa", { 0xc5, 0xc6 }, { 4, 4 }, { 0, 0, 0, 0, 0, 0 }, 8, 1 },
	{ "ShADdFa", { 0xc5, 0xc2 }, { 4, 3 }, { 0, 0, 0, 0, 0, 39 }, 7, 1 },
	{ "ShADdFaf", { 0xc5, 0xc6 }, { 4, 4 }, { 0, 0, 0, 0, 0, 0 }, 8, 1 },
	{ "ShADdaF", { 0xc5, 0xc2 }, { 4, 3 }, { 0, 0, 0, 0, 0, 42 }, 7, 1 },
	{ "ShADdaf", { 0xc1, 0xc6 }, { 3, 4 }, { 0, 0, 43, 0, 0, 0 }, 7, 1 },
	{ "ShADdaFf", { 0xc5, 0xc6 }, { 4, 4 }, { 0, 0, 0, 0, 0, 0 }, 8, 1 },
	{ "ShADdafF", { 0xc5, 0xc6 }, { 4, 4 }, { 0, 0, 0, 0, 0, 0 }, 8, 1 },
	{ "ShAdF", { 0x85, 0x42 }, { 4, 3 }, { 0, 0, 0, 0, 49, 46 }, 5, 1 },
	{ "ShAdf", { 0x81, 0x46 }, { 3, 4 }, { 0, 0, 47, 0, 0, 0 }, 5, 1 },
	{ "ShAdFf", { 0x85, 0x46 }, { 4, 4 }, { 0, 0, 0, 0, 48, 0 }, 6, 1 },
	{ "ShAdfF", { 0x85, 0x46 }, { 4, 4 }, { 0, 0, 0, 0, 0, 0 }, 6, 1 },
	{ "ShAdFfa", { 0x85, 0xc6 }, { 4, 4 }, { 0, 0, 0, 0, 0, 0 }, 7, 1 },
	{ "ShAdFa", { 0x85, 0xc2 }, { 4, 3 }, { 0, 0, 0, 0, 0, 50 }, 6, 1 },
	{ "ShAdFaf", { 0x85, 0xc6 }, { 4, 4 }, { 0, 0, 0, 0, 0, 0 }, 7, 1 },
	{ "ShAdDF", { 0xc5, 0x42 }, { 4, 3 }, { 0, 0, 0, 0, 56, 53 }, 6, 1 },
	{ "ShAdDf", { 0xc1, 0x46 }, { 3, 4 }, { 0, 0, 54, 0, 0, 0 }, 6, 1 },
	{ "ShAdDFf", { 0xc5, 0x46 }, { 4, 4 }, { 0, 0, 0, 0, 55, 0 }, 7, 1 },
	{ "ShAdDfF", { 0xc5, 0x46 }, { 4, 4 }, { 0, 0, 0, 0, 0, 0 }, 7, 1 },
	{ "ShAdDFfa", { 0xc5, 0xc6 }, { 4, 4 }, { 0, 0, 0, 0, 0, 0 }, 8, 1 },
	{ "ShAdDFa", { 0xc5, 0xc2 }, { 4, 3 }, { 0, 0, 0, 0, 0, 57 }, 7, 1 },
	{ "ShAdDFaf", { 0xc5, 0xc6 }, { 4, 4 }, { 0, 0, 0, 0, 0, 0 }, 8, 1 },
	{ "ShAdDaF", { 0xc5, 0xc2 }, { 4, 3 }, { 0, 0, 0, 0, 0, 60 }, 7, 1 },
	{ "ShAdDaf", { 0xc1, 0xc6 }, { 3, 4 }, { 0, 0, 61, 0, 0, 0 }, 7, 1 },
	{ "ShAdDaFf", { 0xc5, 0xc6 }, { 4, 4 }, { 0, 0, 0, 0, 0, 0 }, 8, 1 },
	{ "ShAdDafF", { 0xc5, 0xc6 }, { 4, 4 }, { 0, 0, 0, 0, 0, 0 }, 8, 1 },
};

/* Index of then; -1 = none of these letters. */
static int step_of(char letter)
{
	switch (letter) {
	case 'D':
		return STEP_DATA;
	case 'A':
		return STEP_ACK;
	case 'F':
		return STEP_FIN;
	case 'd':
		return STEPS_OF_END + STEP_DATA;
	case 'a':
		return STEPS_OF_END + STEP_ACK;
	case 'f':
		return STEPS_OF_END + STEP_FIN;
	default:
		return -1;
	}
}

/* Follows the letters from "Sh" on. */
static unsigned find(const struct conn_history *history)
{
	unsigned number = 1;

	if (history->length < 2 || history->text[0] != 'S' || history->text[1] != 'h')
		return 0;
	for (unsigned i = 2; i < history->length && number != 0; i++) {
		int step = step_of(history->text[i]);
		number = step >= 0 ? common_histories[number].then[step] : 0;
	}
	return number;
}

/* Bits of conn_history.seen. */
static const uint8_t letter_of[] = { [STEP_DATA] = 6, [STEP_ACK] = 7, [STEP_FIN] = 2 };

static bool is_given(const struct conn_history *history, enum conn_side side, enum common_step step)
{
	return (history->seen[side] >> letter_of[step] & 1) != 0;
}

/* That payload was seen, and that both ends have the connection, is more than the bits say: it is so of each. */
static unsigned own_number(const struct conn_history *history)
{
	if (!history->payload_seen || history->endpoint[SIDE_CLIENT] == 0 || history->endpoint[SIDE_SERVER] == 0)
		return 0;
	return OWN_HISTORIES | (unsigned)is_given(history, SIDE_CLIENT, STEP_DATA) |
	       (unsigned)is_given(history, SIDE_CLIENT, STEP_ACK) << 1 |
	       (unsigned)is_given(history, SIDE_SERVER, STEP_DATA) << 2 |
	       (unsigned)is_given(history, SIDE_SERVER, STEP_ACK) << 3;
}

uint8_t common_history_number(const struct conn_history *history)
{
	const struct common_history *common = &common_histories[find(history)];

	if (common != common_histories && common->has_payload == history->payload_seen &&
	    memcmp(common->seen, history->seen, sizeof(common->seen)) == 0 &&
	    memcmp(common->endpoint, history->endpoint, sizeof(common->endpoint)) == 0)
		return (uint8_t)(common - common_histories);
	return (uint8_t)own_number(history);
}

uint8_t common_history_then(uint8_t number, enum conn_side side, enum common_step step)
{
	unsigned own = OWN_HISTORIES | 1u << (2 * side + step);

	if (number >= OWN_HISTORIES)
		return step != STEP_FIN && (number & own) == own ? number : 0;
	const struct common_history *now = &common_histories[number];
	if (step != STEP_FIN && (now->seen[side] >> letter_of[step] & 1) != 0)
		return number;
	return now->then[side * STEPS_OF_END + step];
}
