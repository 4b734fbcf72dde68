/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "utf8.h"

#define BAD "\xEF\xBF\xBD" /* U+FFFD */

static void expect(const char *text, const char *expected)
{
	char out[3 * 64 + 1] = "";

	while (*text != '\0') {
		struct utf8_char next = utf8_next(text);

		assert_in_range(next.length, 1, strnlen(text, 4));
		if (next.is_fit)
			strncat(out, text, next.length);
		else
			strcat(out, UTF8_REPLACEMENT);
		text += next.length;
	}
	assert_string_equal(out, expected);
}

static void valid_text_stays_as_it_is(void **state)
{
	(void)state;
	expect("", "");
	expect("eth0", "eth0");
	expect("Zürich € 𝄞 \xC2\xA0", "Zürich € 𝄞 \xC2\xA0");
	expect("\xF4\x8F\xBF\xBF", "\xF4\x8F\xBF\xBF");       /* U+10FFFF */
	expect("tab\tline\n\x1b[31m", "tab\tline\n\x1b[31m"); /* escaped by json_writer.c */
}

static void each_byte_outside_a_sequence_is_replaced(void **state)
{
	(void)state;
	expect("a\x80z", "a" BAD "z");
	expect("a\xFFz", "a" BAD "z");
	expect("cut\xE2\x82", "cut" BAD BAD);
	expect("\xF0\x9D\x84", BAD BAD BAD);
	expect("\xC3(", BAD "(");
}

static void forms_that_rfc_3629_forbids_are_replaced(void **state)
{
	(void)state;
	expect("\xC0\xAF", BAD BAD);         /* overlong '/' */
	expect("\xE0\x80\xAF", BAD BAD BAD); /* overlong '/' */
	expect("\xF0\x80\x80\xAF", BAD BAD BAD BAD);
	expect("\xED\xA0\x80", BAD BAD BAD);         /* surrogate */
	expect("\xF4\x90\x80\x80", BAD BAD BAD BAD); /* above U+10FFFF */
	expect("\xF5\x80\x80\x80", BAD BAD BAD BAD);
}

static void controls_that_terminals_obey_are_replaced(void **state)
{
	(void)state;
	expect("a\x7F", "a" BAD);
	expect("\xC2\x9B"
	       "31m",
	       BAD "31m"); /* C1 form of ESC [ */
	expect("\xC2\x80", BAD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(valid_text_stays_as_it_is),
		cmocka_unit_test(each_byte_outside_a_sequence_is_replaced),
		cmocka_unit_test(forms_that_rfc_3629_forbids_are_replaced),
		cmocka_unit_test(controls_that_terminals_obey_are_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
