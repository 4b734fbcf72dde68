/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * The text of a failed start-up or control operation. It is filled once, where
 * the cause is known, in one line that says what failed, where, and how to mend it.
 * Never used on the packet path, where failures are enum values that are counted.
 */
struct error {
	char text[512];
};

/*
 * Writes the formatted line into *error, cut to fit. A null error is legal and
 * is ignored. Returns -1 always, so that a caller can write "return error_set(...)".
 * Any thread; not concurrently on one object.
 */
int error_set(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));
