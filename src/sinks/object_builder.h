/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "tcpwitness/base/ip_addr.h"

/*
 * Puts values of the events' kinds into jansson objects. Keys are ASCII and appear in the order in which they are put.
 * Shortage of memory is remembered in failed and makes all later calls harmless, so that a caller
 * asks once, at the end.
 */
struct object_builder {
	bool failed;
};

/* "2026-11-20T02:31:45.039666+0000", with the final zero. */
#define TIME_TEXT_BYTES 32

/* EVE's form of a time: UTC, microseconds (the rest is cut off). Returns text. */
const char *format_time(uint64_t time_ns, char text[static TIME_TEXT_BYTES]);

/* Takes over value, which may be null. */
void put_value(struct object_builder *build, json_t *object, const char *key, json_t *value);

/* A new empty object or array under key, borrowed; null when memory is short. */
json_t *put_object(struct object_builder *build, json_t *object, const char *key);
json_t *put_array(struct object_builder *build, json_t *object, const char *key);
void append_value(struct object_builder *build, json_t *array, json_t *value);
void append_text(struct object_builder *build, json_t *array, const char *text);

/* name is one of our own: ASCII. text may hold any bytes. */
void put_name(struct object_builder *build, json_t *object, const char *key, const char *name);
void put_text(struct object_builder *build, json_t *object, const char *key, const char *text);

void put_flag(struct object_builder *build, json_t *object, const char *key, bool flag);
void put_time(struct object_builder *build, json_t *object, const char *key, uint64_t time_ns);
void put_addr(struct object_builder *build, json_t *object, const char *key, const struct ip_addr *addr);

/* A number that no JSON reader could take as it is (above 2^63 - 1) is put as 2^63 - 1. */
void put_count(struct object_builder *build, json_t *object, const char *key, uint64_t count);

/* Rounded to that many decimals, 0 .. 6; null when value is not finite. */
void put_real(struct object_builder *build, json_t *object, const char *key, double value, unsigned decimals);

/*
 * A counter under its dotted name, as nested objects ("flow.created" is created in flow). Where a part of the name is
 * already a number, the rest stays one key with its dots: nothing is lost.
 */
void put_dotted(struct object_builder *build, json_t *object, const char *name, uint64_t count);
