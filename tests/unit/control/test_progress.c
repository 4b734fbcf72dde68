/* SPDX-License-Identifier: BSD-2-Clause */
/* What a person sees while a long capture is read. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "progress.h"

static void numbers_are_short(void **state)
{
	static const struct {
		double number;
		const char *text;
	} cases[] = {
		{ 0, "0" },          { 9999, "9999" },  { 10000, "10.0k" },  { 123456, "123.5k" },
		{ 1234567, "1.2M" }, { 1.5e9, "1.5G" }, { 1e18, "1000.0P" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[16];

		assert_string_equal(progress_format_number(cases[i].number, text, sizeof(text)), cases[i].text);
	}
}

static void a_file_of_known_size_has_a_bar(void **state)
{
	struct pipeline_progress progress = { .packets = 50000, .input_bytes_read = 25, .input_bytes_total = 100 };
	char text[PROGRESS_TEXT_BYTES];

	(void)state;
	assert_string_equal(progress_format(&progress, 2, text),
			    "[#####...............]  25%  6 s left  50.0k packets, 25.0k/s");
	progress.input_bytes_read = 100;
	assert_string_equal(progress_format(&progress, 2, text),
			    "[####################] 100%  0 s left  50.0k packets, 25.0k/s");
}

static void at_first_nobody_knows_how_long_it_takes(void **state)
{
	struct pipeline_progress progress = { .input_bytes_total = 100 };
	char text[PROGRESS_TEXT_BYTES];

	(void)state;
	assert_string_equal(progress_format(&progress, 0, text), "[....................]   0%  0 packets, 0/s");
}

static void a_pipe_has_counts_only(void **state)
{
	struct pipeline_progress progress = { .packets = 100, .input_bytes_read = 25 };
	char text[PROGRESS_TEXT_BYTES];

	(void)state;
	assert_string_equal(progress_format(&progress, 10, text), "100 packets, 10/s");
}

static void no_numbers_break_the_line(void **state)
{
	struct pipeline_progress progress = { .packets = UINT64_MAX,
					      .input_bytes_read = UINT64_MAX,
					      .input_bytes_total = 1 };
	char text[PROGRESS_TEXT_BYTES];

	(void)state;
	assert_true(strlen(progress_format(&progress, 1e-9, text)) < PROGRESS_TEXT_BYTES);
	progress.input_bytes_read = UINT64_MAX / 50;
	progress.input_bytes_total = UINT64_MAX;
	assert_true(strlen(progress_format(&progress, 1e15, text)) < PROGRESS_TEXT_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_short),
		cmocka_unit_test(a_file_of_known_size_has_a_bar),
		cmocka_unit_test(at_first_nobody_knows_how_long_it_takes),
		cmocka_unit_test(a_pipe_has_counts_only),
		cmocka_unit_test(no_numbers_break_the_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
