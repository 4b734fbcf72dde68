/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IPv4 options (RFC 791 3.1), only as far as a receiver that finds them impossible drops the packet: lengths that do
 * not fit, and pointers into an option's own head. What is inside of the others (a security label's, above all) hosts
 * leave alone.
 */
#include "decode_internal.h"

enum {
	OPTION_END = 0,
	OPTION_NOP = 1,
	OPTION_RECORD_ROUTE = 7,
	OPTION_TIMESTAMP = 0x44,
	OPTION_LOOSE_ROUTE = 0x83,
	OPTION_STRICT_ROUTE = 0x89,
	OPTION_HEAD_BYTES = 2, /* type and length */
};

/* The least length of the option and the least value of its pointer, the byte behind the length; 0: it has none. */
static uint8_t least_length(uint8_t type, uint8_t *least_pointer)
{
	switch (type) {
	case OPTION_RECORD_ROUTE:
	case OPTION_LOOSE_ROUTE:
	case OPTION_STRICT_ROUTE:
		*least_pointer = 4;
		return 3;
	case OPTION_TIMESTAMP:
		*least_pointer = 5;
		return 4;
	default:
		*least_pointer = 0;
		return OPTION_HEAD_BYTES;
	}
}

bool ipv4_options_are_possible(const uint8_t *options, uint32_t n_bytes)
{
	uint32_t at = 0;

	while (at < n_bytes && options[at] != OPTION_END) {
		uint8_t least_pointer;
		uint8_t option_bytes;

		if (options[at] == OPTION_NOP) {
			at++;
			continue;
		}
		if (at + OPTION_HEAD_BYTES > n_bytes)
			return false;
		option_bytes = options[at + 1];
		if (option_bytes < least_length(options[at], &least_pointer) || option_bytes > n_bytes - at)
			return false;
		if (least_pointer != 0 && options[at + OPTION_HEAD_BYTES] < least_pointer)
			return false;
		at += option_bytes;
	}
	return true;
}
