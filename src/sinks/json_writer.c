/* SPDX-License-Identifier: BSD-2-Clause */
/* How the kinds of values in events look as JSON: times and addresses as in EVE, numbers of bounded precision. */
#include "json_writer.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

#include "tcpwitness/base/units.h"
#include "utf8.h"

enum {
	SECONDS_PER_DAY = 86400,
	/* Enough for every rounded number, and 0.1 stays 0.1. */
	REAL_DIGITS = 15,
	/* Of one byte of text: \u001B. */
	ESCAPED_MAX_BYTES = 6,
};

/* REAL_DIGITS digits hold every whole number below. */
static const double REAL_DIGITS_LIMIT = 1e15;

static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
			    "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
			    "8081828384858687888990919293949596979899";

void json_writer_init(struct json_writer *json)
{
	*json = (struct json_writer){ .dates = { { .day = UINT64_MAX }, { .day = UINT64_MAX } } };
}

void json_writer_start(struct json_writer *json, char *buffer, size_t capacity)
{
	json->begin = buffer;
	json->at = buffer;
	json->end = buffer + capacity;
	json->is_full = capacity == 0;
	json->level = JSON_IN_OBJECT;
	json->depth = 0;
	json->arrays = 0;
	if (capacity > 0)
		*json->at++ = '{';
}

size_t json_writer_finish(struct json_writer *json)
{
	assert(json->level == JSON_IN_OBJECT && json->depth == 0);
	json->level = JSON_IN_NOTHING;
	if (json->is_full || (json->at[-1] != ',' && !json_has_room(json, 1)))
		return 0;
	if (json->at[-1] == ',')
		json->at--;
	*json->at++ = '}';
	return (size_t)(json->at - json->begin);
}

void json_begin(struct json_writer *json, enum json_level level)
{
	assert(json->depth < JSON_MAX_DEPTH - 1);
	json->arrays = json->arrays << 1 | (json->level == JSON_IN_ARRAY);
	json->depth++;
	json->level = (uint8_t)level;
	if (json_has_room(json, 1))
		*json->at++ = level == JSON_IN_ARRAY ? '[' : '{';
}

void json_end(struct json_writer *json, enum json_level level)
{
	assert(json->level == level && json->depth > 0);
	json->level = json->arrays & 1 ? JSON_IN_ARRAY : JSON_IN_OBJECT;
	json->arrays >>= 1;
	json->depth--;
	if (!json_has_room(json, 2))
		return;
	if (json->at[-1] == ',')
		json->at--;
	*json->at++ = level == JSON_IN_ARRAY ? ']' : '}';
	*json->at++ = ',';
}

/* --- numbers --- */

/* number < 100 */
static char *write_pair(char *at, unsigned number)
{
	memcpy(at, pairs + (size_t)2 * number, 2);
	return at + 2;
}

static unsigned count_digits(uint64_t number)
{
	unsigned n = 1;

	for (; number >= 10000; number /= 10000)
		n += 4;
	return n + (number >= 10) + (number >= 100) + (number >= 1000);
}

char *json_write_digits(char *at, uint64_t number)
{
	char *end = at + count_digits(number);

	for (at = end; number >= 100; number /= 100) {
		at -= 2;
		write_pair(at, (unsigned)(number % 100));
	}
	if (number >= 10)
		write_pair(at - 2, (unsigned)number);
	else
		at[-1] = (char)('0' + number);
	return end;
}

/* As printf writes it, but with a point wherever the user lives, always a real number, and a short exponent. */
static char *write_printed(char *at, double value)
{
	char printed[40];
	bool is_real = false;

	snprintf(printed, sizeof(printed), "%.*g", REAL_DIGITS, value);
	for (const char *from = printed; *from != '\0'; from++) {
		if (*from == 'e') {
			is_real = true;
			*at++ = 'e';
			if (from[1] == '-')
				*at++ = '-';
			from += 1;
			while (from[1] == '0')
				from++;
		} else if (*from == '-' || (*from >= '0' && *from <= '9')) {
			*at++ = *from;
		} else if (!is_real) { /* the locale's decimal point, of one byte or more */
			is_real = true;
			*at++ = '.';
		}
	}
	return is_real ? at : json_write_bytes(at, ".0", 2);
}

char *json_write_real(char *at, double value, unsigned decimals)
{
	static const double scales[] = { 1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6 };
	double scaled = round(value * scales[decimals]);
	uint64_t scale = (uint64_t)scales[decimals];

	if (!isfinite(value))
		return json_write_bytes(at, "null", 4);
	if (!(fabs(scaled) < REAL_DIGITS_LIMIT))
		return write_printed(at, isfinite(scaled) ? scaled / scales[decimals] : value);
	/* printf would write an exponent. */
	if (scaled != 0 && fabs(scaled / scales[decimals]) < 1e-4)
		return write_printed(at, scaled / scales[decimals]);

	uint64_t whole = (uint64_t)fabs(scaled) / scale;
	uint64_t rest = (uint64_t)fabs(scaled) % scale;
	if (scaled < 0)
		*at++ = '-';
	at = json_write_digits(at, whole);
	*at++ = '.';
	/* At least one decimal, also where none are asked for. */
	uint64_t place = scale == 1 ? 10 : scale;
	do {
		place /= 10;
		*at++ = (char)('0' + rest / place);
		rest %= place;
	} while (rest != 0);
	return at;
}

/* --- times --- */

static const char *date_of_day(struct json_writer *json, uint64_t day)
{
	struct json_date *date = &json->dates[day & 1];
	time_t seconds = (time_t)(day * SECONDS_PER_DAY);
	char text[32];
	struct tm utc;

	if (date->day == day)
		return date->text;
	gmtime_r(&seconds, &utc);
	/* The masks tell the compiler what the calendar guarantees: two digits. */
	snprintf(text, sizeof(text), "%04u-%02u-%02uT", (unsigned)(utc.tm_year + 1900) % 10000,
		 (unsigned)(utc.tm_mon + 1) % 100, (unsigned)utc.tm_mday % 100);
	memcpy(date->text, text, sizeof(date->text));
	date->day = day;
	return date->text;
}

char *json_write_time(struct json_writer *json, char *at, uint64_t time_ns)
{
	uint64_t seconds = time_ns / NS_PER_SEC;
	unsigned microseconds = (unsigned)(time_ns % NS_PER_SEC / NS_PER_US);
	unsigned of_day = (unsigned)(seconds % SECONDS_PER_DAY);

	at = json_write_bytes(at, date_of_day(json, seconds / SECONDS_PER_DAY), JSON_DATE_BYTES);
	at = write_pair(at, of_day / 3600);
	*at++ = ':';
	at = write_pair(at, of_day / 60 % 60);
	*at++ = ':';
	at = write_pair(at, of_day % 60);
	*at++ = '.';
	at = write_pair(at, microseconds / 10000);
	at = write_pair(at, microseconds / 100 % 100);
	at = write_pair(at, microseconds % 100);
	return json_write_bytes(at, "+0000", 5);
}

/* --- texts --- */

/* RFC 8259 section 7: the short forms where there are any. */
static char *write_escaped(char *at, unsigned char byte)
{
	static const char digits[] = "0123456789ABCDEF";
	static const char specials[] = "\"\\\b\f\n\r\t";
	static const char letters[] = "\"\\bfnrt";
	const char *special = strchr(specials, byte);

	*at++ = '\\';
	if (special != NULL) {
		*at++ = letters[special - specials];
		return at;
	}
	at = json_write_bytes(at, "u00", 3);
	*at++ = digits[byte >> 4];
	*at++ = digits[byte & 15];
	return at;
}

/* ASCII that stands for itself. */
static bool is_plain(unsigned char byte)
{
	return byte >= 0x20 && byte < 0x7F && byte != '"' && byte != '\\';
}

void json_add_text(struct json_writer *json, const char *text)
{
	char *at = json->at;

	if (!json_has_room(json, ESCAPED_MAX_BYTES * strlen(text) + JSON_NAME_EXTRA_BYTES))
		return;
	*at++ = '"';
	while (*text != '\0') {
		struct utf8_char next;

		if (is_plain((unsigned char)*text)) {
			*at++ = *text++;
			continue;
		}
		next = utf8_next(text);
		if (next.length == 1 && next.is_fit) {
			at = write_escaped(at, (unsigned char)*text);
		} else if (next.is_fit) {
			at = json_write_bytes(at, text, next.length);
		} else {
			at = json_write_bytes(at, UTF8_REPLACEMENT, sizeof(UTF8_REPLACEMENT) - 1);
		}
		text += next.length;
	}
	*at++ = '"';
	json_value_ends(json, at);
}
