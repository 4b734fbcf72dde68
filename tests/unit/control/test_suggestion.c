/* SPDX-License-Identifier: BSD-2-Clause */
/* What a person may have meant, and when it is better to say nothing. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "suggestion.h"

static const char *suggest(const char *word)
{
	static const char *const known[] = { "memory", "events", "threads", "output", "syn_flood" };
	struct suggestion suggestion;

	suggestion_init(&suggestion, word);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		suggestion_offer(&suggestion, known[i]);
	return suggestion.best;
}

static void one_edit_is_near(void **state)
{
	(void)state;
	assert_string_equal(suggest("memry"), "memory");   /* left out */
	assert_string_equal(suggest("memorry"), "memory"); /* too many */
	assert_string_equal(suggest("mxmory"), "memory");  /* another one */
	assert_string_equal(suggest("meomry"), "memory");  /* neighbours swapped */
	assert_string_equal(suggest("synflood"), "syn_flood");
}

static void what_is_far_is_not_suggested(void **state)
{
	(void)state;
	assert_null(suggest("colour"));
	assert_null(suggest("x"));
	assert_null(suggest(""));
}

static void the_nearest_wins_and_then_the_first(void **state)
{
	struct suggestion suggestion;

	(void)state;
	suggestion_init(&suggestion, "abcdef");
	suggestion_offer(&suggestion, "abcdxx");
	suggestion_offer(&suggestion, "abcdex");
	suggestion_offer(&suggestion, "abcdey");
	assert_string_equal(suggestion.best, "abcdex");
}

static void words_of_any_length_are_safe(void **state)
{
	char word[4096];
	struct suggestion suggestion;

	(void)state;
	for (size_t length = 1; length < 300; length++) {
		memset(word, 'a', length);
		word[length] = '\0';
		suggestion_init(&suggestion, word);
		suggestion_offer(&suggestion, word);
		if (length <= 63)
			assert_ptr_equal(suggestion.best, word);
		else
			assert_null(suggestion.best);
	}
}

static void the_text_is_ready_for_a_message(void **state)
{
	struct suggestion suggestion;
	char text[64];

	(void)state;
	suggestion_init(&suggestion, "memry");
	assert_string_equal(suggestion_text(&suggestion, text, sizeof(text)), "");
	suggestion_offer(&suggestion, "memory");
	assert_string_equal(suggestion_text(&suggestion, text, sizeof(text)), " (did you mean 'memory'?)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_edit_is_near),
		cmocka_unit_test(what_is_far_is_not_suggested),
		cmocka_unit_test(the_nearest_wins_and_then_the_first),
		cmocka_unit_test(words_of_any_length_are_safe),
		cmocka_unit_test(the_text_is_ready_for_a_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
