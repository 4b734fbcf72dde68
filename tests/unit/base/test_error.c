/* SPDX-License-Identifier: BSD-2-Clause */
/* The one-line text of a failure: filled, cut to fit, and optional. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tcpwitness/base/error.h"

static void test_fills_and_returns_minus_one(void **state)
{
	struct error error;

	(void)state;
	assert_int_equal(error_set(&error, "%s:%d: %s", "default.yaml", 14, "expected a number"), -1);
	assert_string_equal(error.text, "default.yaml:14: expected a number");
}

static void test_replaces_what_was_there(void **state)
{
	struct error error;

	(void)state;
	error_set(&error, "a long text that must not shine through");
	error_set(&error, "short");
	assert_string_equal(error.text, "short");
}

static void test_null_is_legal(void **state)
{
	(void)state;
	assert_int_equal(error_set(NULL, "%s", "nobody listens"), -1);
}

/* At, below and above the size of the text: always terminated, never written past. */
static void test_cut_to_fit(void **state)
{
	struct {
		struct error error;
		char guard;
	} guarded;
	char long_text[2 * sizeof(guarded.error.text)];

	(void)state;
	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	for (size_t length = sizeof(guarded.error.text) - 2; length < sizeof(guarded.error.text) + 2; length++) {
		size_t expected = length < sizeof(guarded.error.text) ? length : sizeof(guarded.error.text) - 1;
		guarded.guard = 'g';
		assert_int_equal(error_set(&guarded.error, "%.*s", (int)length, long_text), -1);
		assert_int_equal(strlen(guarded.error.text), expected);
		assert_memory_equal(guarded.error.text, long_text, expected);
		assert_int_equal(guarded.guard, 'g');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fills_and_returns_minus_one),
		cmocka_unit_test(test_replaces_what_was_there),
		cmocka_unit_test(test_null_is_legal),
		cmocka_unit_test(test_cut_to_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
