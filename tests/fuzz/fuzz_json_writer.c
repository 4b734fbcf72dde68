/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any sequence of values, texts of any bytes among them: jansson reads the object, and a buffer of just its length
 * gives the same, a shorter one nothing. Each byte says what comes next: its lowest four bits the kind, the others how
 * many bytes of the input the value takes.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "../../src/sinks/json_writer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_BYTES = 4096, TEXT_BYTES = 16 };

/* What is left of the input, and the levels that it opened. */
struct script {
	const uint8_t *data;
	size_t size;
	unsigned n_keys;
	unsigned depth;
	bool is_array[JSON_MAX_DEPTH];
	char key[16];
};

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void take(struct script *script, void *bytes, size_t n_bytes)
{
	size_t taken = n_bytes < script->size ? n_bytes : script->size;

	memset(bytes, 0, n_bytes);
	if (taken > 0)
		memcpy(bytes, script->data, taken);
	script->data += taken;
	script->size -= taken;
}

static uint64_t take_number(struct script *script, unsigned n_bytes)
{
	uint64_t number = 0;

	take(script, &number, n_bytes <= sizeof(number) ? n_bytes : sizeof(number));
	return number;
}

static void take_text(struct script *script, unsigned n_bytes, char text[static TEXT_BYTES + 1])
{
	memset(text, 0, TEXT_BYTES + 1);
	take(script, text, n_bytes);
}

/* No key stands twice in an object. */
static const char *next_key(struct script *script)
{
	snprintf(script->key, sizeof(script->key), "k%u", script->n_keys++);
	return script->key;
}

static void open_level(struct script *script, struct json_writer *json, bool is_array)
{
	if (script->depth + 1 >= JSON_MAX_DEPTH)
		return;
	if (script->is_array[script->depth]) {
		append_object(json);
		is_array = false;
	} else if (is_array) {
		begin_array(json, next_key(script));
	} else {
		begin_object(json, next_key(script));
	}
	script->is_array[++script->depth] = is_array;
}

static void close_level(struct script *script, struct json_writer *json)
{
	if (script->depth == 0)
		return;
	if (script->is_array[script->depth--])
		end_array(json);
	else
		end_object(json);
}

static void append_value(struct script *script, struct json_writer *json, unsigned kind, unsigned n_bytes)
{
	char text[TEXT_BYTES + 1];

	switch (kind % 3) {
	case 0:
		append_count(json, take_number(script, n_bytes));
		break;
	case 1:
		append_name(json, next_key(script));
		break;
	default:
		take_text(script, n_bytes, text);
		append_text(json, text);
	}
}

static void put_value(struct script *script, struct json_writer *json, unsigned kind, unsigned n_bytes)
{
	struct ip_addr addr = { .version = n_bytes % 2 ? 4 : 6 };
	const char *key = next_key(script);
	char text[TEXT_BYTES + 1];
	uint64_t bits;
	double real;

	switch (kind % 8) {
	case 0:
		put_count(json, key, take_number(script, n_bytes));
		break;
	case 1:
		put_name(json, key, key);
		break;
	case 2:
		put_flag(json, key, n_bytes % 2);
		break;
	case 3:
		put_null(json, key);
		break;
	case 4:
		put_time(json, key, take_number(script, 8));
		break;
	case 5:
		take(script, addr.bytes, addr.version == 6 ? 16 : 4);
		put_addr(json, key, &addr);
		break;
	case 6:
		bits = take_number(script, 8);
		memcpy(&real, &bits, sizeof(real));
		put_real(json, key, real, n_bytes % 7);
		break;
	default:
		take_text(script, n_bytes, text);
		put_text(json, key, text);
	}
}

/* Returns the length of the object, 0 when it did not fit. */
static size_t play(const uint8_t *data, size_t size, char *buffer, size_t capacity)
{
	struct script script = { .data = data, .size = size };
	struct json_writer json;

	json_writer_init(&json);
	json_writer_start(&json, buffer, capacity);
	while (script.size > 0) {
		unsigned next = (unsigned)take_number(&script, 1);
		unsigned kind = next & 15;
		unsigned n_bytes = next >> 4;

		if (kind >= 14)
			close_level(&script, &json);
		else if (kind >= 11)
			open_level(&script, &json, kind == 13);
		else if (script.is_array[script.depth])
			append_value(&script, &json, kind, n_bytes);
		else
			put_value(&script, &json, kind, n_bytes);
	}
	while (script.depth > 0)
		close_level(&script, &json);
	return json_writer_finish(&json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char whole[64 * MAX_BYTES];
	size_t length;
	json_t *read;

	if (size > MAX_BYTES)
		return 0;
	length = play(data, size, whole, sizeof(whole));
	require(length >= 2);
	read = json_loadb(whole, length, JSON_REJECT_DUPLICATES, NULL);
	require(read != NULL);
	json_decref(read);

	/* Buffers of exactly these lengths, so that a sanitizer sees what is written beyond them. */
	for (size_t capacity = length / 2; capacity < length + 200; capacity += 1 + length / 7) {
		char *buffer = malloc(capacity);

		require(buffer != NULL);
		size_t written = play(data, size, buffer, capacity);
		require(written == 0 || (written == length && memcmp(buffer, whole, length) == 0));
		require(written == 0 || capacity >= length);
		free(buffer);
	}
	return 0;
}
