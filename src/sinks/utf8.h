/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>

/* Longest result of utf8_clean for a text of length bytes, with the final zero. */
#define UTF8_CLEAN_BYTES(length) (3 * (length) + 1)

/*
 * Copies text to out as valid UTF-8: each byte that is not part of a well-formed sequence (RFC 3629), and each of the
 * control characters that JSON does not escape (DEL and C1, which terminals may obey), becomes U+FFFD. Returns the
 * length without the final zero. out has room for UTF8_CLEAN_BYTES(strlen(text)).
 */
size_t utf8_clean(const char *text, char *out);
