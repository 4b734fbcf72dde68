/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides what is a number, a size, a duration and a flag in everything that people write for the program. Strict: no
 * sign, no exponent, no space, no missing unit, so that a slip of the pen is an error and never another value.
 */
#include "value.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tcpwitness/base/units.h"
#include "tcpwitness/control/config.h"

struct unit {
	const char *name;
	uint64_t factor;
};

/* The largest first: value_format takes the first that divides. */
static const struct unit time_units[] = {
	{ "d", 86400 * NS_PER_SEC },
	{ "h", 3600 * NS_PER_SEC },
	{ "m", 60 * NS_PER_SEC },
	{ "s", NS_PER_SEC },
	{ "ms", NS_PER_MS },
	{ "us", NS_PER_US },
	{ "ns", 1 },
};

static const struct unit size_units[] = {
	{ "T", UINT64_C(1) << 40 },
	{ "G", UINT64_C(1) << 30 },
	{ "M", UINT64_C(1) << 20 },
	{ "K", UINT64_C(1) << 10 },
	{ "", 1 },
};

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

enum { MAX_DIGITS = 20 }; /* of a number before and after the point; enough for 2^64 */

/* Reads digits, and a point with digits when allowed. Returns the rest of the text, or null. */
static const char *parse_decimal(const char *text, bool point_allowed, double *number)
{
	char digits[2 * MAX_DIGITS + 2];
	size_t length = strspn(text, "0123456789");

	if (length == 0 || length > MAX_DIGITS)
		return NULL;
	if (point_allowed && text[length] == '.') {
		size_t fraction = strspn(text + length + 1, "0123456789");

		if (fraction == 0 || fraction > MAX_DIGITS)
			return NULL;
		length += 1 + fraction;
	}
	memcpy(digits, text, length);
	digits[length] = '\0';
	*number = strtod(digits, NULL);
	return text + length;
}

/* "1.5h" with the table of its units: false when it is not one, or does not fit. */
static bool parse_with_unit(const char *text, const struct unit *units, size_t n_units, uint64_t *result)
{
	double number;
	const char *suffix = parse_decimal(text, true, &number);

	if (suffix == NULL)
		return false;
	for (size_t i = 0; i < n_units; i++) {
		if (strcmp(suffix, units[i].name) != 0)
			continue;
		number *= (double)units[i].factor;
		if (number >= 18446744073709551616.0) /* 2^64 */
			return false;
		*result = (uint64_t)(number + 0.5);
		return true;
	}
	return false;
}

bool config_parse_size(const char *text, uint64_t *bytes)
{
	char upper[2 * MAX_DIGITS + 4];
	size_t length = strlen(text);

	if (length == 0 || length >= sizeof(upper))
		return false;
	memcpy(upper, text, length + 1);
	if (upper[length - 1] >= 'a' && upper[length - 1] <= 'z') /* 512m is as good as 512M */
		upper[length - 1] = (char)(upper[length - 1] - 'a' + 'A');
	return parse_with_unit(upper, size_units, N_ELEMENTS(size_units), bytes);
}

static bool parse_count(const char *text, uint64_t *count)
{
	uint64_t value = 0;

	if (text[0] == '\0')
		return false;
	for (; *text != '\0'; text++) {
		unsigned digit = (unsigned)(*text - '0');

		if (*text < '0' || *text > '9' || value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*count = value;
	return true;
}

static bool parse_flag(const char *text, uint64_t *flag)
{
	static const char *const words[2][3] = { { "false", "no", "off" }, { "true", "yes", "on" } };

	for (uint64_t meaning = 0; meaning < 2; meaning++) {
		for (size_t i = 0; i < N_ELEMENTS(words[meaning]); i++) {
			if (strcasecmp(text, words[meaning][i]) == 0) {
				*flag = meaning;
				return true;
			}
		}
	}
	return false;
}

static bool parse_real(const char *text, const char *optional_suffix, double *real)
{
	const char *rest = parse_decimal(text, true, real);

	return rest != NULL && (*rest == '\0' || strcmp(rest, optional_suffix) == 0);
}

static bool parse_any(enum value_type type, const char *text, struct value *value)
{
	switch (type) {
	case VALUE_FLAG:
		return parse_flag(text, &value->integer);
	case VALUE_COUNT:
		return parse_count(text, &value->integer);
	case VALUE_SIZE:
		return config_parse_size(text, &value->integer);
	case VALUE_DURATION:
		if (strcmp(text, "0") == 0)
			return true; /* nothing needs no unit */
		return parse_with_unit(text, time_units, N_ELEMENTS(time_units), &value->integer);
	case VALUE_RATIO:
		return parse_real(text, "", &value->real);
	case VALUE_RATE:
		return parse_real(text, "/s", &value->real);
	}
	return false;
}

/* What a value of this type is called, and how to write one. */
static const char *expectation(enum value_type type)
{
	switch (type) {
	case VALUE_FLAG:
		return "true or false (write one of them)";
	case VALUE_COUNT:
		return "a whole number (use e.g. 20)";
	case VALUE_SIZE:
		return "a size (use e.g. 512M)";
	case VALUE_DURATION:
		return "a duration (use e.g. 250ms, 10s, 5m or 1h)";
	case VALUE_RATIO:
		return "a number (use e.g. 0.25)";
	case VALUE_RATE:
		return "a rate per second (use e.g. 20 or 0.5)";
	}
	return "";
}

/* The value in the unit of its range. */
static double value_measure(enum value_type type, const struct value *value)
{
	switch (type) {
	case VALUE_FLAG:
	case VALUE_COUNT:
	case VALUE_SIZE:
		return (double)value->integer;
	case VALUE_DURATION:
		return ns_to_seconds(value->integer);
	case VALUE_RATIO:
	case VALUE_RATE:
		return value->real;
	}
	return 0;
}

bool value_parse(enum value_type type, struct value_range range, const char *text, struct value *value,
		 struct error *problem)
{
	char range_text[VALUE_RANGE_BYTES];
	double measure;

	*value = (struct value){ .integer = 0 };
	if (!parse_any(type, text, value)) {
		error_set(problem, "'%.64s' is not %s", text, expectation(type));
		return false;
	}
	measure = value_measure(type, value);
	if (type != VALUE_FLAG && (measure < range.min || measure > range.max)) {
		error_set(problem, "'%.64s' is out of range (use %s)", text,
			  value_format_range(type, range, range_text));
		return false;
	}
	return true;
}

static void format_with_unit(uint64_t number, const struct unit *units, size_t n_units, char *text)
{
	const struct unit *unit = units;

	while (unit < units + n_units - 1 && number % unit->factor != 0)
		unit++;
	snprintf(text, VALUE_TEXT_BYTES, "%" PRIu64 "%s", number / unit->factor, unit->name);
}

const char *value_format(enum value_type type, const struct value *value, char text[static VALUE_TEXT_BYTES])
{
	switch (type) {
	case VALUE_FLAG:
		snprintf(text, VALUE_TEXT_BYTES, "%s", value->integer ? "true" : "false");
		break;
	case VALUE_COUNT:
		snprintf(text, VALUE_TEXT_BYTES, "%" PRIu64, value->integer);
		break;
	case VALUE_SIZE:
		if (value->integer == 0)
			snprintf(text, VALUE_TEXT_BYTES, "0");
		else
			format_with_unit(value->integer, size_units, N_ELEMENTS(size_units), text);
		break;
	case VALUE_DURATION:
		if (value->integer == 0)
			snprintf(text, VALUE_TEXT_BYTES, "0s");
		else
			format_with_unit(value->integer, time_units, N_ELEMENTS(time_units), text);
		break;
	case VALUE_RATIO:
	case VALUE_RATE:
		snprintf(text, VALUE_TEXT_BYTES, "%.10g", value->real);
		break;
	}
	return text;
}

const char *value_format_range(enum value_type type, struct value_range range, char text[static VALUE_RANGE_BYTES])
{
	char min_text[VALUE_TEXT_BYTES];
	char max_text[VALUE_TEXT_BYTES];
	bool in_seconds = type == VALUE_DURATION;
	double factor = in_seconds ? (double)NS_PER_SEC : 1.0;
	struct value min = { .integer = (uint64_t)(range.min * factor + 0.5), .real = range.min };
	struct value max = { .integer = (uint64_t)(range.max * factor + 0.5), .real = range.max };

	text[0] = '\0';
	if (type != VALUE_FLAG)
		snprintf(text, VALUE_RANGE_BYTES, "%s to %s%s", value_format(type, &min, min_text),
			 value_format(type, &max, max_text), type == VALUE_RATE ? " per second" : "");
	return text;
}
