/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tcpwitness/base/error.h"

/* Values as people write them, on the command line, in configuration and in rules alike. */
enum value_type {
	VALUE_FLAG = 0, /* true false yes no on off */
	VALUE_COUNT,    /* 20 */
	VALUE_SIZE,     /* 64K 512M 1G, powers of 1024 */
	VALUE_DURATION, /* 250ms 10s 5m 1h */
	VALUE_RATIO,    /* 0.25 */
	VALUE_RATE,     /* 20 or 20/s */
};

struct value {
	uint64_t integer; /* flags 0 or 1; counts; sizes in bytes; durations in nanoseconds */
	double real;      /* ratios; rates per second */
};

/* Legal values, both ends included: sizes in bytes, durations in seconds. Flags have no range. */
struct value_range {
	double min;
	double max;
};

#define VALUE_TEXT_BYTES  40
#define VALUE_RANGE_BYTES 96 /* two of them and some words */

/* True and *value filled, or false and *problem says in one line what is wrong and how to mend it. */
bool value_parse(enum value_type type, struct value_range range, const char *text, struct value *value,
		 struct error *problem);

/* The shortest text that value_parse reads back as the same value. Returns text. */
const char *value_format(enum value_type type, const struct value *value, char text[static VALUE_TEXT_BYTES]);

/* "1s to 7d", for messages and manuals; empty for flags. Returns text. */
const char *value_format_range(enum value_type type, struct value_range range, char text[static VALUE_RANGE_BYTES]);
