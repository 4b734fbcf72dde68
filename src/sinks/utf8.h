/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* U+FFFD, which stands for what is no text. */
#define UTF8_REPLACEMENT "\xEF\xBF\xBD"

struct utf8_char {
	size_t length; /* bytes; 1 for a byte that is not part of a well-formed sequence */
	bool is_fit;   /* may be shown; else U+FFFD stands for it */
};

/*
 * The character with which text, not empty and ended by a zero, begins. Not fit are bytes outside of well-formed
 * sequences (RFC 3629), and the control characters that JSON does not escape (DEL and C1), which terminals may obey.
 */
struct utf8_char utf8_next(const char *text);
