/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What each kind of value looks like, and that no other JSON library would write it otherwise: jansson builds the same
 * object as a tree and prints it, and the two texts are equal byte for byte.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "json_writer.h"
#include "random.h"
#include "tcpwitness/base/units.h"

#define BAD "\xEF\xBF\xBD" /* U+FFFD */

enum { BUFFER_BYTES = 1 << 16 };

static struct json_writer writer;
static char buffer[BUFFER_BYTES];

static struct json_writer *start(void)
{
	json_writer_init(&writer);
	json_writer_start(&writer, buffer, sizeof(buffer) - 1);
	return &writer;
}

/* The object as text, valid until the next start. */
static const char *finish(void)
{
	size_t length = json_writer_finish(&writer);

	assert_in_range(length, 2, sizeof(buffer) - 1);
	buffer[length] = '\0';
	return buffer;
}

/* Takes over value, and says how jansson writes it under the key "k". Valid until the next call. */
static const char *as_jansson_writes(json_t *value)
{
	static char text[BUFFER_BYTES];
	json_t *object = json_object();

	assert_non_null(value);
	assert_int_equal(json_object_set_new_nocheck(object, "k", value), 0);
	size_t length = json_dumpb(object, text, sizeof(text) - 1, JSON_COMPACT | JSON_REAL_PRECISION(15));
	assert_in_range(length, 1, sizeof(text) - 1);
	text[length] = '\0';
	json_decref(object);
	return text;
}

static void write_one_of_each(struct json_writer *json)
{
	struct ip_addr addr;

	assert_true(ip_addr_parse("2001:db8:1111:2222:3333:4444:5555:6666", &addr));
	begin_array(json, "array");
	append_count(json, UINT64_MAX);
	append_name(json, "name");
	append_text(json, "\x01\xFF text");
	append_object(json);
	put_null(json, "null");
	end_object(json);
	end_array(json);
	begin_object(json, "object");
	put_text(json, "text", "\"\\\n\x02");
	put_flag(json, "flag", false);
	end_object(json);
	put_time(json, "time", UINT64_MAX);
	put_addr(json, "addr", &addr);
	put_real(json, "real", -123456.789, 3);
	put_count(json, "count", 0);
	put_name(json, "name", "a name");
}

/* --- objects and arrays --- */

static void levels_nest_in_the_order_of_the_calls(void **state)
{
	(void)state;
	assert_string_equal((start(), finish()), "{}");
	struct json_writer *json = start();
	begin_object(json, "empty");
	end_object(json);
	begin_array(json, "none");
	end_array(json);
	begin_array(json, "list");
	append_count(json, 1);
	append_name(json, "two");
	append_text(json, "th\"ree");
	append_object(json);
	put_flag(json, "yes", true);
	put_flag(json, "no", false);
	begin_object_n(json, "part of it", 4);
	put_null(json, "nothing");
	end_object(json);
	end_object(json);
	append_object(json);
	end_object(json);
	end_array(json);
	put_name(json, "last", "");
	assert_string_equal(finish(),
			    "{\"empty\":{},\"none\":[],\"list\":[1,\"two\",\"th\\\"ree\",{\"yes\":true,\"no\":"
			    "false,\"part\":{\"nothing\":null}},{}],\"last\":\"\"}");
}

static void end_an_array_in_an_object(struct json_writer *json)
{
	begin_object(json, "object");
	end_array(json);
}

static void end_an_object_in_an_array(struct json_writer *json)
{
	begin_array(json, "array");
	end_object(json);
}

static void end_the_outermost(struct json_writer *json)
{
	end_object(json);
}

static void append_to_an_object(struct json_writer *json)
{
	append_count(json, 1);
}

static void put_into_an_array(struct json_writer *json)
{
	begin_array(json, "array");
	put_count(json, "key", 1);
}

static void finish_too_early(struct json_writer *json)
{
	begin_object(json, "object");
	json_writer_finish(json);
}

static void write_after_the_end(struct json_writer *json)
{
	json_writer_finish(json);
	put_count(json, "key", 1);
}

static void nest_too_deep(struct json_writer *json)
{
	for (unsigned depth = 1; depth <= JSON_MAX_DEPTH; depth++)
		begin_object(json, "k");
}

static bool aborts(void (*calls)(struct json_writer *json))
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		signal(SIGABRT, SIG_DFL);
		if (freopen("/dev/null", "w", stderr) != NULL)
			calls(start());
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void levels_that_do_not_fit_are_noticed(void **state)
{
	static void (*const wrong[])(struct json_writer *) = {
		end_an_array_in_an_object, end_an_object_in_an_array, end_the_outermost,   append_to_an_object,
		put_into_an_array,         finish_too_early,          write_after_the_end, nest_too_deep,
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_true(aborts(wrong[i]));
	assert_false(aborts(write_one_of_each));
}

static void the_deepest_level_can_be_used(void **state)
{
	(void)state;
	struct json_writer *json = start();
	for (unsigned depth = 1; depth < JSON_MAX_DEPTH; depth++) {
		if (depth % 2 == 1)
			begin_array(json, "k");
		else
			append_object(json);
	}
	for (unsigned depth = JSON_MAX_DEPTH - 1; depth > 0; depth--) {
		if (depth % 2 == 1)
			end_array(json);
		else
			end_object(json);
	}
	json_t *read = json_loads(finish(), 0, NULL);
	assert_non_null(read);
	json_decref(read);
}

/* --- a buffer that is too short --- */

/* Each buffer is allocated in its length, so that a sanitizer sees every byte that is written beyond it. */
static void nothing_is_written_beyond_the_buffer(void **state)
{
	char *whole;
	size_t length;
	bool fits = false;

	(void)state;
	write_one_of_each(start());
	whole = strdup(finish());
	assert_non_null(whole);
	length = strlen(whole);
	for (size_t capacity = 0; capacity < length + 200; capacity++) {
		char *place = malloc(capacity + 1);
		struct json_writer json;

		assert_non_null(place);
		place[capacity] = '#';
		json_writer_init(&json);
		json_writer_start(&json, place, capacity);
		write_one_of_each(&json);
		size_t written = json_writer_finish(&json);
		assert_int_equal(place[capacity], '#');
		assert_true(written == 0 || (written == length && memcmp(place, whole, length) == 0));
		assert_false(written == 0 && fits); /* what fits into less fits */
		assert_false(written != 0 && capacity < length);
		fits = written != 0;
		free(place);
	}
	assert_true(fits);
	free(whole);
}

/* --- numbers --- */

static const char *count_text(uint64_t count)
{
	put_count(start(), "k", count);
	return finish();
}

static void counts_are_written_as_printf_does(void **state)
{
	struct random random = { 1 };
	char expected[64];

	(void)state;
	assert_string_equal(count_text(0), "{\"k\":0}");
	assert_string_equal(count_text(INT64_MAX), "{\"k\":9223372036854775807}");
	assert_string_equal(count_text((uint64_t)INT64_MAX + 1), "{\"k\":9223372036854775807}");
	assert_string_equal(count_text(UINT64_MAX), "{\"k\":9223372036854775807}");
	for (uint64_t power = 1; power < UINT64_C(1000000000000000000); power *= 10) {
		for (uint64_t count = power - 1; count <= power + 1; count++) {
			snprintf(expected, sizeof(expected), "{\"k\":%" PRIu64 "}", count);
			assert_string_equal(count_text(count), expected);
		}
	}
	for (unsigned i = 0; i < 200000; i++) {
		uint64_t count = (random_u64(&random) >> 1) >> (random_u64(&random) % 63);

		snprintf(expected, sizeof(expected), "{\"k\":%" PRIu64 "}", count);
		assert_string_equal(count_text(count), expected);
	}
}

static const char *real_text(double value, unsigned decimals)
{
	put_real(start(), "k", value, decimals);
	return finish();
}

static void reals_have_a_point_and_no_more_digits_than_asked(void **state)
{
	static const struct {
		double value;
		unsigned decimals;
		const char *text;
	} samples[] = {
		{ 0, 3, "0.0" },
		{ -0.0, 3, "0.0" },
		{ -0.0001, 3, "0.0" },
		{ 1, 3, "1.0" },
		{ 0.1, 3, "0.1" },
		{ 0.001, 3, "0.001" },
		{ 0.0005, 3, "0.001" },
		{ 12.5, 0, "13.0" },
		{ -12.25, 1, "-12.3" },
		{ 100.05, 4, "100.05" },
		{ 0.0001, 4, "0.0001" },
		{ 0.00001, 5, "1e-5" },
		{ -0.000012, 6, "-1.2e-5" },
		{ 999999999999.999, 3, "999999999999.999" },
		{ 1e12, 3, "1000000000000.0" },
		{ 1e15, 3, "1e15" },
		{ 1e300, 3, "1e300" },
		{ -1.7976931348623157e308, 4, "-1.79769313486232e308" },
		{ (double)NAN, 3, "null" },
		{ (double)INFINITY, 3, "null" },
		{ -(double)INFINITY, 3, "null" },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		char expected[64];

		snprintf(expected, sizeof(expected), "{\"k\":%s}", samples[i].text);
		assert_string_equal(real_text(samples[i].value, samples[i].decimals), expected);
	}
}

static double random_real(struct random *random)
{
	double fraction = (double)(random_u64(random) >> 11) * 0x1p-53;
	int exponent = (int)(random_u64(random) % 120) - 50;
	double value =
		random_u64(random) % 8 == 0 ? (double)(random_u64(random) % 100000) / 1000 : ldexp(fraction, exponent);

	return random_u64(random) % 4 == 0 ? -value : value;
}

static void reals_are_written_as_jansson_does(void **state)
{
	static const double scales[] = { 1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6 };
	struct random random = { 2 };

	(void)state;
	for (unsigned i = 0; i < 300000; i++) {
		double value = random_real(&random);
		unsigned decimals = (unsigned)(random_u64(&random) % 7);
		double rounded = round(value * scales[decimals]) / scales[decimals] + 0.0;

		assert_string_equal(real_text(value, decimals), as_jansson_writes(json_real(rounded)));
	}
	/* Every time of a handshake below a second, as the records write it. */
	for (unsigned us = 0; us < 1000000; us += 7)
		assert_string_equal(real_text(us / 1000.0, 3), as_jansson_writes(json_real(us / 1000.0)));
}

/* --- times --- */

/* The form of EVE, by strftime. */
static const char *slow_time_text(uint64_t time_ns)
{
	static char text[64];
	time_t seconds = (time_t)(time_ns / NS_PER_SEC);
	char date[32];
	struct tm utc;

	assert_non_null(gmtime_r(&seconds, &utc));
	assert_int_equal(strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc), 19);
	snprintf(text, sizeof(text), "{\"k\":\"%s.%06" PRIu64 "+0000\"}", date, time_ns % NS_PER_SEC / NS_PER_US);
	return text;
}

static void expect_time(struct json_writer *json, uint64_t time_ns)
{
	json_writer_start(json, buffer, sizeof(buffer) - 1);
	put_time(json, "k", time_ns);
	buffer[json_writer_finish(json)] = '\0';
	assert_string_equal(buffer, slow_time_text(time_ns));
}

static void times_are_those_of_the_calendar(void **state)
{
	struct random random = { 3 };
	struct json_writer json;

	(void)state;
	json_writer_init(&json);
	expect_time(&json, 0);
	expect_time(&json, UINT64_MAX);
	assert_non_null(strstr(buffer, "2554-07-21T23:34:33.709551+0000"));
	/* Around each midnight, which year's ends and leap days are among, in turn with the day before. */
	for (uint64_t day = 0; day <= UINT64_MAX / NS_PER_SEC / 86400; day++) {
		uint64_t midnight_ns = day * 86400 * NS_PER_SEC;

		expect_time(&json, midnight_ns);
		expect_time(&json, midnight_ns - (day > 0));
		expect_time(&json, midnight_ns + NS_PER_SEC - 1);
	}
	for (unsigned i = 0; i < 100000; i++)
		expect_time(&json, random_u64(&random) >> (random_u64(&random) % 8));
}

/* --- addresses --- */

static void addresses_have_the_text_of_the_c_library(void **state)
{
	struct random random = { 4 };

	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		struct ip_addr addr = { .version = random_u64(&random) % 2 ? 4 : 6 };
		char text[INET6_ADDRSTRLEN];
		char expected[INET6_ADDRSTRLEN + 16];

		for (unsigned byte = 0; byte < (addr.version == 6 ? 16U : 4U); byte++)
			addr.bytes[byte] = random_u64(&random) % 2 ? 0 : (uint8_t)random_u64(&random);
		assert_non_null(inet_ntop(addr.version == 6 ? AF_INET6 : AF_INET, addr.bytes, text, sizeof(text)));
		snprintf(expected, sizeof(expected), "{\"k\":\"%s\"}", text);
		put_addr(start(), "k", &addr);
		assert_string_equal(finish(), expected);
	}
	put_addr(start(), "k", &(struct ip_addr){ .version = 0 });
	assert_string_equal(finish(), "{\"k\":\"\"}");
}

/* --- texts --- */

static const char *text_text(const char *text)
{
	put_text(start(), "k", text);
	return finish();
}

static void texts_are_escaped_where_json_asks_for_it(void **state)
{
	(void)state;
	assert_string_equal(text_text(""), "{\"k\":\"\"}");
	assert_string_equal(text_text("a/b 'c' <d>"), "{\"k\":\"a/b 'c' <d>\"}");
	assert_string_equal(text_text("\"\\\b\f\n\r\t"), "{\"k\":\"\\\"\\\\\\b\\f\\n\\r\\t\"}");
	assert_string_equal(text_text("\x01\x1b\x1f"), "{\"k\":\"\\u0001\\u001B\\u001F\"}");
	assert_string_equal(text_text("\x7f \xc2\x9b \xff"), "{\"k\":\"" BAD " " BAD " " BAD "\"}");
	assert_string_equal(text_text("Zürich € 𝄞"), "{\"k\":\"Zürich € 𝄞\"}");
}

/* All characters of one byte and of two, and random ones: those that are fit are written as jansson does. */
static void texts_are_written_as_jansson_does(void **state)
{
	static const char *const parts[] = { "a",
					     "\"",
					     "\\",
					     "\n",
					     "\x01",
					     "\x1f",
					     " ",
					     "é",
					     "\xdf\xbf",
					     "€",
					     "\xef\xbf\xbf",
					     "𝄞",
					     "\xf4\x8f\xbf\xbf",
					     "/",
					     "\t",
					     "\b",
					     "\f",
					     "\r" };
	struct random random = { 5 };
	char text[256];

	(void)state;
	for (unsigned byte = 1; byte < 0x7F; byte++) {
		text[0] = (char)byte;
		text[1] = '\0';
		assert_string_equal(text_text(text), as_jansson_writes(json_string(text)));
	}
	for (unsigned point = 0xA0; point < 0x800; point++) {
		text[0] = (char)(0xC0 | point >> 6);
		text[1] = (char)(0x80 | (point & 63));
		text[2] = '\0';
		assert_string_equal(text_text(text), as_jansson_writes(json_string(text)));
	}
	for (unsigned i = 0; i < 20000; i++) {
		text[0] = '\0';
		for (uint64_t n = random_u64(&random) % 40; n > 0; n--)
			strcat(text, parts[random_u64(&random) % (sizeof(parts) / sizeof(parts[0]))]);
		assert_string_equal(text_text(text), as_jansson_writes(json_string(text)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(levels_nest_in_the_order_of_the_calls),
		cmocka_unit_test(levels_that_do_not_fit_are_noticed),
		cmocka_unit_test(the_deepest_level_can_be_used),
		cmocka_unit_test(nothing_is_written_beyond_the_buffer),
		cmocka_unit_test(counts_are_written_as_printf_does),
		cmocka_unit_test(reals_have_a_point_and_no_more_digits_than_asked),
		cmocka_unit_test(reals_are_written_as_jansson_does),
		cmocka_unit_test(times_are_those_of_the_calendar),
		cmocka_unit_test(addresses_have_the_text_of_the_c_library),
		cmocka_unit_test(texts_are_escaped_where_json_asks_for_it),
		cmocka_unit_test(texts_are_written_as_jansson_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
