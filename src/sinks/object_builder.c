/* SPDX-License-Identifier: BSD-2-Clause */
/* How the kinds of values in events look as JSON: times and addresses as in EVE, numbers of bounded precision. */
#include "object_builder.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tcpwitness/base/units.h"
#include "utf8.h"

const char *format_time(uint64_t time_ns, char text[static TIME_TEXT_BYTES])
{
	time_t seconds = (time_t)(time_ns / NS_PER_SEC);
	unsigned microseconds = (unsigned)(time_ns % NS_PER_SEC / NS_PER_US);
	struct tm utc;

	gmtime_r(&seconds, &utc);
	/* The masks tell the compiler what the calendar guarantees: two digits. */
	snprintf(text, TIME_TEXT_BYTES, "%04u-%02u-%02uT%02u:%02u:%02u.%06u+0000",
		 (unsigned)(utc.tm_year + 1900) % 10000, (unsigned)(utc.tm_mon + 1) % 100, (unsigned)utc.tm_mday % 100,
		 (unsigned)utc.tm_hour % 100, (unsigned)utc.tm_min % 100, (unsigned)utc.tm_sec % 100, microseconds);
	return text;
}

void put_value(struct object_builder *build, json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new_nocheck(object, key, value) != 0)
		build->failed = true;
}

json_t *put_object(struct object_builder *build, json_t *object, const char *key)
{
	json_t *child = json_object();

	put_value(build, object, key, child);
	return build->failed ? NULL : child;
}

json_t *put_array(struct object_builder *build, json_t *object, const char *key)
{
	json_t *child = json_array();

	put_value(build, object, key, child);
	return build->failed ? NULL : child;
}

void append_value(struct object_builder *build, json_t *array, json_t *value)
{
	if (json_array_append_new(array, value) != 0)
		build->failed = true;
}

void put_name(struct object_builder *build, json_t *object, const char *key, const char *name)
{
	put_value(build, object, key, json_string_nocheck(name));
}

/* Null when memory is short, which the caller's put or append notices. */
static json_t *text_value(const char *text)
{
	char *clean = malloc(UTF8_CLEAN_BYTES(strlen(text)));
	json_t *value = NULL;

	if (clean != NULL)
		value = json_stringn_nocheck(clean, utf8_clean(text, clean));
	free(clean);
	return value;
}

void append_text(struct object_builder *build, json_t *array, const char *text)
{
	append_value(build, array, text_value(text));
}

void put_text(struct object_builder *build, json_t *object, const char *key, const char *text)
{
	put_value(build, object, key, text_value(text));
}

void put_flag(struct object_builder *build, json_t *object, const char *key, bool flag)
{
	put_value(build, object, key, json_boolean(flag));
}

void put_time(struct object_builder *build, json_t *object, const char *key, uint64_t time_ns)
{
	char text[TIME_TEXT_BYTES];

	put_name(build, object, key, format_time(time_ns, text));
}

void put_addr(struct object_builder *build, json_t *object, const char *key, const struct ip_addr *addr)
{
	char text[IP_ADDR_TEXT_BYTES];

	put_name(build, object, key, ip_addr_format(addr, text));
}

static json_t *count_value(uint64_t count)
{
	return json_integer(count > INT64_MAX ? INT64_MAX : (json_int_t)count);
}

void put_count(struct object_builder *build, json_t *object, const char *key, uint64_t count)
{
	put_value(build, object, key, count_value(count));
}

void put_real(struct object_builder *build, json_t *object, const char *key, double value, unsigned decimals)
{
	static const double scales[] = { 1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6 };

	if (!isfinite(value)) {
		put_value(build, object, key, json_null());
		return;
	}
	/* + 0.0 makes a negative zero positive. */
	put_value(build, object, key, json_real(round(value * scales[decimals]) / scales[decimals] + 0.0));
}

void put_dotted(struct object_builder *build, json_t *object, const char *name, uint64_t count)
{
	const char *dot;

	while ((dot = strchr(name, '.')) != NULL) {
		size_t length = (size_t)(dot - name);
		json_t *child = json_object_getn(object, name, length);

		if (child == NULL) {
			child = json_object();
			if (json_object_setn_new_nocheck(object, name, length, child) != 0) {
				build->failed = true;
				return;
			}
		}
		if (!json_is_object(child))
			break;
		object = child;
		name = dot + 1;
	}
	put_count(build, object, name, count);
}
