/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tcpwitness/base/ip_addr.h"

/*
 * Writes one JSON object, in the order of the calls, into the caller's buffer, without blanks. Nothing is allocated
 * and nothing is written beyond the buffer: what has no room is left out, and json_writer_finish then says so.
 *
 * put_... writes a key and its value into the innermost open object, append_... a value into the innermost open array;
 * each begin_... has its end_.... That calls fit is the caller's duty, held by assertions; so is that no key is put
 * twice into an object. Keys are ASCII without '"' and '\'.
 */

enum {
	JSON_MAX_DEPTH = 32,
	/* The longest number, time or address, with its quotes and comma. */
	JSON_SCALAR_BYTES = 64,
	/* What a key of n bytes needs besides n: quotes and colon; and a name: quotes and comma. */
	JSON_KEY_EXTRA_BYTES = 3,
	JSON_NAME_EXTRA_BYTES = 3,
	JSON_DATE_BYTES = sizeof("2026-11-20T") - 1,
};

struct json_date {
	uint64_t day; /* since 1970 */
	char text[JSON_DATE_BYTES];
};

enum json_level {
	JSON_IN_NOTHING = 0,
	JSON_IN_OBJECT = 1,
	JSON_IN_ARRAY = 2,
};

/* Every value leaves a comma behind it, which the end of its object or array takes away. */
struct json_writer {
	char *at;  /* the next byte */
	char *end; /* behind the last byte of the buffer */
	char *begin;
	uint8_t level;             /* enum json_level: the innermost that is open */
	bool is_full;              /* something had no room */
	uint8_t depth;             /* of levels around it */
	uint32_t arrays;           /* which of them are arrays; bit 0: the innermost */
	struct json_date dates[2]; /* by the day's lowest bit: around midnight two days are asked for in turn */
};

void json_writer_init(struct json_writer *json);

/* Begins the object in buffer. What was begun before is forgotten. */
void json_writer_start(struct json_writer *json, char *buffer, size_t capacity);

/* Ends the object. Returns its length, 0 when the buffer was too short. */
size_t json_writer_finish(struct json_writer *json);

/*
 * The parts of which the calls below are made. Each of json_write_... gets a place with enough room and returns where
 * its text ends.
 */
char *json_write_digits(char *at, uint64_t number);
char *json_write_real(char *at, double value, unsigned decimals);
char *json_write_time(struct json_writer *json, char *at, uint64_t time_ns);
void json_add_text(struct json_writer *json, const char *text);
void json_begin(struct json_writer *json, enum json_level level);
void json_end(struct json_writer *json, enum json_level level);

/* Inlined, the length of a key is a constant, and a key is a few stores. */
#define ALWAYS_INLINE static inline __attribute__((always_inline))

ALWAYS_INLINE bool json_has_room(struct json_writer *json, size_t n_bytes)
{
	if (__builtin_expect((size_t)(json->end - json->at) >= n_bytes, true))
		return true;
	json->is_full = true;
	return false;
}

ALWAYS_INLINE bool json_key_has_room(struct json_writer *json, size_t key_bytes, size_t value_bytes)
{
	assert(json->level == JSON_IN_OBJECT);
	return json_has_room(json, key_bytes + JSON_KEY_EXTRA_BYTES + value_bytes);
}

ALWAYS_INLINE bool json_element_has_room(struct json_writer *json, size_t value_bytes)
{
	assert(json->level == JSON_IN_ARRAY);
	return json_has_room(json, value_bytes);
}

/* Without a final zero, as all that is written here. */
ALWAYS_INLINE char *json_write_bytes(char *at, const char *bytes, size_t n_bytes)
{
	memcpy(at, bytes, n_bytes);
	return at + n_bytes;
}

/* Returns where the value goes. */
ALWAYS_INLINE char *json_write_key(char *at, const char *key, size_t key_bytes)
{
	*at++ = '"';
	at = json_write_bytes(at, key, key_bytes);
	return json_write_bytes(at, "\":", 2);
}

ALWAYS_INLINE void json_value_ends(struct json_writer *json, char *at)
{
	*at++ = ',';
	json->at = at;
}

/* The key is the first key_bytes of key. */
ALWAYS_INLINE void begin_object_n(struct json_writer *json, const char *key, size_t key_bytes)
{
	if (json_key_has_room(json, key_bytes, 0))
		json->at = json_write_key(json->at, key, key_bytes);
	json_begin(json, JSON_IN_OBJECT);
}

ALWAYS_INLINE void begin_object(struct json_writer *json, const char *key)
{
	begin_object_n(json, key, strlen(key));
}

ALWAYS_INLINE void end_object(struct json_writer *json)
{
	json_end(json, JSON_IN_OBJECT);
}

ALWAYS_INLINE void begin_array(struct json_writer *json, const char *key)
{
	if (json_key_has_room(json, strlen(key), 0))
		json->at = json_write_key(json->at, key, strlen(key));
	json_begin(json, JSON_IN_ARRAY);
}

ALWAYS_INLINE void end_array(struct json_writer *json)
{
	json_end(json, JSON_IN_ARRAY);
}

ALWAYS_INLINE void append_object(struct json_writer *json)
{
	assert(json->level == JSON_IN_ARRAY);
	json_begin(json, JSON_IN_OBJECT);
}

ALWAYS_INLINE char *json_write_name(char *at, const char *name, size_t name_bytes)
{
	*at++ = '"';
	at = json_write_bytes(at, name, name_bytes);
	*at++ = '"';
	return at;
}

/* name is one of our own: ASCII without anything to escape. */
ALWAYS_INLINE void put_name_n(struct json_writer *json, const char *key, const char *name, size_t name_bytes)
{
	if (json_key_has_room(json, strlen(key), name_bytes + JSON_NAME_EXTRA_BYTES))
		json_value_ends(json, json_write_name(json_write_key(json->at, key, strlen(key)), name, name_bytes));
}

ALWAYS_INLINE void put_name(struct json_writer *json, const char *key, const char *name)
{
	put_name_n(json, key, name, strlen(name));
}

ALWAYS_INLINE void append_name(struct json_writer *json, const char *name)
{
	size_t name_bytes = strlen(name);

	if (json_element_has_room(json, name_bytes + JSON_NAME_EXTRA_BYTES))
		json_value_ends(json, json_write_name(json->at, name, name_bytes));
}

/* text may hold any bytes: what is not UTF-8 or controls a terminal becomes U+FFFD, what JSON forbids is escaped. */
ALWAYS_INLINE void put_text(struct json_writer *json, const char *key, const char *text)
{
	if (json_key_has_room(json, strlen(key), 0))
		json->at = json_write_key(json->at, key, strlen(key));
	json_add_text(json, text);
}

ALWAYS_INLINE void append_text(struct json_writer *json, const char *text)
{
	assert(json->level == JSON_IN_ARRAY);
	json_add_text(json, text);
}

ALWAYS_INLINE void put_flag(struct json_writer *json, const char *key, bool flag)
{
	char *at;

	if (!json_key_has_room(json, strlen(key), JSON_SCALAR_BYTES))
		return;
	at = json_write_key(json->at, key, strlen(key));
	json_value_ends(json, flag ? json_write_bytes(at, "true", 4) : json_write_bytes(at, "false", 5));
}

ALWAYS_INLINE void put_null(struct json_writer *json, const char *key)
{
	char *at;

	if (!json_key_has_room(json, strlen(key), JSON_SCALAR_BYTES))
		return;
	at = json_write_key(json->at, key, strlen(key));
	json_value_ends(json, json_write_bytes(at, "null", 4));
}

/* EVE's form of a time: UTC, microseconds (the rest is cut off). */
ALWAYS_INLINE void put_time(struct json_writer *json, const char *key, uint64_t time_ns)
{
	char *at;

	if (!json_key_has_room(json, strlen(key), JSON_SCALAR_BYTES))
		return;
	at = json_write_key(json->at, key, strlen(key));
	*at++ = '"';
	at = json_write_time(json, at, time_ns);
	*at++ = '"';
	json_value_ends(json, at);
}

/* RFC 5952 for IPv6. */
ALWAYS_INLINE void put_addr(struct json_writer *json, const char *key, const struct ip_addr *addr)
{
	char *at;

	if (!json_key_has_room(json, strlen(key), JSON_SCALAR_BYTES))
		return;
	at = json_write_key(json->at, key, strlen(key));
	*at++ = '"';
	at = ip_addr_write(addr, at);
	*at++ = '"';
	json_value_ends(json, at);
}

/* A number that no JSON reader could take as it is (above 2^63 - 1) is put as 2^63 - 1. */
ALWAYS_INLINE char *json_write_count(char *at, uint64_t count)
{
	if (count < 10) {
		*at++ = (char)('0' + count);
		return at;
	}
	return json_write_digits(at, count > INT64_MAX ? INT64_MAX : count);
}

ALWAYS_INLINE void put_count(struct json_writer *json, const char *key, uint64_t count)
{
	if (json_key_has_room(json, strlen(key), JSON_SCALAR_BYTES))
		json_value_ends(json, json_write_count(json_write_key(json->at, key, strlen(key)), count));
}

ALWAYS_INLINE void append_count(struct json_writer *json, uint64_t count)
{
	if (json_element_has_room(json, JSON_SCALAR_BYTES))
		json_value_ends(json, json_write_count(json->at, count));
}

/* Rounded to that many decimals, 0 .. 6; null when value is not finite. */
ALWAYS_INLINE void put_real(struct json_writer *json, const char *key, double value, unsigned decimals)
{
	if (json_key_has_room(json, strlen(key), JSON_SCALAR_BYTES))
		json_value_ends(json, json_write_real(json_write_key(json->at, key, strlen(key)), value, decimals));
}
