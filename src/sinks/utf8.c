/* SPDX-License-Identifier: BSD-2-Clause */
/* Which bytes are text, from RFC 3629: names of files and interfaces may hold anything but '/' and zero. */
#include "utf8.h"

#include <stdint.h>

static bool is_tail(uint8_t byte)
{
	return (byte & 0xC0) == 0x80;
}

/*
 * Length of the well-formed sequence at bytes, 0 when there is none (RFC 3629 section 4). The text ends in a zero,
 * which is no tail byte, so no look goes beyond it.
 */
static size_t sequence_length(const uint8_t *bytes)
{
	uint8_t lead = bytes[0];

	if (lead < 0x80)
		return 1;
	if (lead < 0xC2 || lead > 0xF4 || !is_tail(bytes[1]))
		return 0;
	if (lead < 0xE0)
		return 2;
	if ((lead == 0xE0 && bytes[1] < 0xA0) || (lead == 0xED && bytes[1] > 0x9F)) /* overlong, or a surrogate */
		return 0;
	if ((lead == 0xF0 && bytes[1] < 0x90) || (lead == 0xF4 && bytes[1] > 0x8F)) /* overlong, or above U+10FFFF */
		return 0;
	if (!is_tail(bytes[2]))
		return 0;
	if (lead < 0xF0)
		return 3;
	return is_tail(bytes[3]) ? 4 : 0;
}

static bool is_terminal_control(const uint8_t *bytes, size_t length)
{
	return (length == 1 && bytes[0] == 0x7F) || (length == 2 && bytes[0] == 0xC2 && bytes[1] < 0xA0);
}

struct utf8_char utf8_next(const char *text)
{
	const uint8_t *bytes = (const uint8_t *)text;
	size_t length = sequence_length(bytes);

	if (length == 0)
		return (struct utf8_char){ .length = 1, .is_fit = false };
	return (struct utf8_char){ .length = length, .is_fit = !is_terminal_control(bytes, length) };
}
