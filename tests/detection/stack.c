/* SPDX-License-Identifier: BSD-2-Clause */
/* How the SYNs of operating systems and tools look: first TTL, window, options in their order. */
#include "sim.h"

#include <string.h>

enum { OPT_NOP = 1, OPT_MSS = 2, OPT_WSCALE = 3, OPT_SACK_OK = 4, OPT_TS = 8, OPT_END = 0 };

struct look {
	uint8_t ttl;
	uint16_t window;
	uint8_t n_options;
	uint8_t options[24];
	uint8_t ts_at; /* where the time stamp's value stands; 0 = none */
};

static const struct look looks[STACK_KINDS] = {
	[STACK_LINUX] = { 64,
			  64240,
			  20,
			  { OPT_MSS, 4, 0x05, 0xb4, OPT_SACK_OK, 2, OPT_TS,  10,         0, 0,
			    0,       0, 0,    0,    0,           0, OPT_NOP, OPT_WSCALE, 3, 7 },
			  8 },
	[STACK_WINDOWS] = { 128,
			    64240,
			    12,
			    { OPT_MSS, 4, 0x05, 0xb4, OPT_NOP, OPT_WSCALE, 3, 8, OPT_NOP, OPT_NOP, OPT_SACK_OK, 2 },
			    0 },
	[STACK_MACOS] = { 64,
			  65535,
			  24,
			  { OPT_MSS, 4, 0x05, 0xb4, OPT_NOP, OPT_WSCALE, 3, 6, OPT_NOP,     OPT_NOP, OPT_TS,  10,
			    0,       0, 0,    0,    0,       0,          0, 0, OPT_SACK_OK, 2,       OPT_END, OPT_END },
			  12 },
	[STACK_RAW] = { 64, 512, 0, { 0 }, 0 },
	[STACK_MASSCAN] = { 255, 1024, 4, { OPT_MSS, 4, 0x05, 0xb4 }, 0 },
	[STACK_ZMAP] = { 255, 65535, 4, { OPT_MSS, 4, 0x05, 0xb4 }, 0 },
	[STACK_BARE] = { 255, 0, 0, { 0 }, 0 },
	[STACK_DOMINATE] = { 255, 65535, 0, { 0 }, 0 },
};

void stack_syn(struct segment *segment, enum stack_kind stack, unsigned hops, uint32_t ts_value)
{
	const struct look *look = &looks[stack];

	segment->flags = SYN;
	segment->ttl = (uint8_t)(look->ttl - hops);
	segment->window = look->window;
	segment->n_options = look->n_options;
	memcpy(segment->options, look->options, look->n_options);
	if (look->ts_at == 0)
		return;
	for (int i = 0; i < 4; i++)
		segment->options[look->ts_at + i] = (uint8_t)(ts_value >> (24 - 8 * i));
}

unsigned stack_first_ttl(enum stack_kind stack)
{
	return looks[stack].ttl;
}
