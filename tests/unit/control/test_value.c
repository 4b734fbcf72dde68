/* SPDX-License-Identifier: BSD-2-Clause */
/* What people write for numbers, sizes, durations and flags, and what they are told when it is none. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tcpwitness/base/units.h"
#include "tcpwitness/control/config.h"
#include "value.h"

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

static const struct value_range any_range = { 0, 1e18 };

static void sizes_are_powers_of_1024(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} cases[] = {
		{ "0", 0 },
		{ "65536", 65536 },
		{ "1K", 1024 },
		{ "512M", UINT64_C(512) << 20 },
		{ "512m", UINT64_C(512) << 20 },
		{ "1.5G", UINT64_C(3) << 29 },
		{ "2T", UINT64_C(2) << 40 },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		uint64_t bytes = 1;

		assert_true(config_parse_size(cases[i].text, &bytes));
		assert_int_equal(bytes, cases[i].bytes);
	}
}

static void what_is_no_size_is_refused(void **state)
{
	static const char *const cases[] = {
		"",
		"M",
		"12Q",
		"12 M",
		"-1",
		"+1",
		"1e3",
		"0x10",
		"1.M",
		".5M",
		"12MB",
		"1,5G",
		"inf",
		"nan",
		" 1",
		"1 ",
		"99999999999999999999T",
		"1111111111111111111111111111111111111",
	};
	uint64_t bytes;

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++)
		assert_false(config_parse_size(cases[i], &bytes));
}

static void durations_need_a_unit(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} good[] = {
		{ "0", 0 },
		{ "7ns", 7 },
		{ "250ms", 250 * NS_PER_MS },
		{ "10s", 10 * NS_PER_SEC },
		{ "0.5s", NS_PER_SEC / 2 },
		{ "5m", 300 * NS_PER_SEC },
		{ "1h", 3600 * NS_PER_SEC },
		{ "7d", 7 * 86400 * NS_PER_SEC },
	};
	static const char *const bad[] = { "", "10", "s", "10 s", "-1s", "10S", "10sec", "1h30m", "1e3s" };
	struct error problem;
	struct value value;

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(good); i++) {
		assert_true(value_parse(VALUE_DURATION, any_range, good[i].text, &value, &problem));
		assert_int_equal(value.integer, good[i].ns);
	}
	for (size_t i = 0; i < N_ELEMENTS(bad); i++)
		assert_false(value_parse(VALUE_DURATION, any_range, bad[i], &value, &problem));
}

static void counts_are_whole_and_do_not_wrap(void **state)
{
	struct value_range all = { 0, 18446744073709551616.0 };
	struct error problem;
	struct value value;

	(void)state;
	assert_true(value_parse(VALUE_COUNT, all, "18446744073709551615", &value, &problem));
	assert_int_equal(value.integer, UINT64_MAX);
	assert_false(value_parse(VALUE_COUNT, all, "18446744073709551616", &value, &problem));
	assert_false(value_parse(VALUE_COUNT, all, "99999999999999999999", &value, &problem));
	assert_false(value_parse(VALUE_COUNT, all, "1.5", &value, &problem));
	assert_false(value_parse(VALUE_COUNT, all, "1K", &value, &problem));
}

static void flags_are_words(void **state)
{
	static const char *const yes[] = { "true", "yes", "on", "True", "ON" };
	static const char *const no[] = { "false", "no", "off", "FALSE" };
	static const char *const neither[] = { "", "1", "0", "y", "truee" };
	struct error problem;
	struct value value;

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(yes); i++) {
		assert_true(value_parse(VALUE_FLAG, any_range, yes[i], &value, &problem));
		assert_int_equal(value.integer, 1);
	}
	for (size_t i = 0; i < N_ELEMENTS(no); i++) {
		assert_true(value_parse(VALUE_FLAG, any_range, no[i], &value, &problem));
		assert_int_equal(value.integer, 0);
	}
	for (size_t i = 0; i < N_ELEMENTS(neither); i++)
		assert_false(value_parse(VALUE_FLAG, any_range, neither[i], &value, &problem));
}

static void problems_say_how_to_mend_them(void **state)
{
	static const struct {
		enum value_type type;
		struct value_range range;
		const char *text;
		const char *problem;
	} cases[] = {
		{ VALUE_SIZE, { 0, 1e9 }, "12Q", "'12Q' is not a size (use e.g. 512M)" },
		{ VALUE_SIZE, { 1048576, 1073741824 }, "1K", "'1K' is out of range (use 1M to 1G)" },
		{ VALUE_DURATION, { 0, 60 }, "10", "'10' is not a duration (use e.g. 250ms, 10s, 5m or 1h)" },
		{ VALUE_DURATION, { 0.1, 3600 }, "2h", "'2h' is out of range (use 100ms to 1h)" },
		{ VALUE_COUNT, { 1, 64 }, "x", "'x' is not a whole number (use e.g. 20)" },
		{ VALUE_COUNT, { 1, 64 }, "0", "'0' is out of range (use 1 to 64)" },
		{ VALUE_COUNT, { 1, 64 }, "65", "'65' is out of range (use 1 to 64)" },
		{ VALUE_RATIO, { 0, 1 }, "50%", "'50%' is not a number (use e.g. 0.25)" },
		{ VALUE_RATIO, { 0.01, 1 }, "1.5", "'1.5' is out of range (use 0.01 to 1)" },
		{ VALUE_RATE, { 0, 100 }, "5/m", "'5/m' is not a rate per second (use e.g. 20 or 0.5)" },
		{ VALUE_RATE, { 0, 100 }, "101/s", "'101/s' is out of range (use 0 to 100 per second)" },
		{ VALUE_FLAG, { 0, 0 }, "maybe", "'maybe' is not true or false (write one of them)" },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		struct error problem = { .text = "" };
		struct value value;

		assert_false(value_parse(cases[i].type, cases[i].range, cases[i].text, &value, &problem));
		assert_string_equal(problem.text, cases[i].problem);
	}
}

static void the_ends_of_a_range_are_in_it(void **state)
{
	struct value_range range = { 1, 64 };
	struct error problem;
	struct value value;

	(void)state;
	assert_true(value_parse(VALUE_COUNT, range, "1", &value, &problem));
	assert_true(value_parse(VALUE_COUNT, range, "64", &value, &problem));
}

static void what_is_printed_can_be_read(void **state)
{
	static const struct {
		enum value_type type;
		const char *text;
	} cases[] = {
		{ VALUE_FLAG, "true" },    { VALUE_FLAG, "false" },    { VALUE_COUNT, "20" },
		{ VALUE_SIZE, "0" },       { VALUE_SIZE, "1000" },     { VALUE_SIZE, "256M" },
		{ VALUE_SIZE, "1536M" },   { VALUE_DURATION, "0s" },   { VALUE_DURATION, "250ms" },
		{ VALUE_DURATION, "90s" }, { VALUE_DURATION, "131m" }, { VALUE_DURATION, "1ns" },
		{ VALUE_RATIO, "0.125" },  { VALUE_RATE, "50" },       { VALUE_RATE, "0.5" },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		struct error problem;
		struct value value;
		char text[VALUE_TEXT_BYTES];

		assert_true(value_parse(cases[i].type, any_range, cases[i].text, &value, &problem));
		assert_string_equal(value_format(cases[i].type, &value, text), cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_are_powers_of_1024),
		cmocka_unit_test(what_is_no_size_is_refused),
		cmocka_unit_test(durations_need_a_unit),
		cmocka_unit_test(counts_are_whole_and_do_not_wrap),
		cmocka_unit_test(flags_are_words),
		cmocka_unit_test(problems_say_how_to_mend_them),
		cmocka_unit_test(the_ends_of_a_range_are_in_it),
		cmocka_unit_test(what_is_printed_can_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
