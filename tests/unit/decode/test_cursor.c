/* SPDX-License-Identifier: BSD-2-Clause */
/* The bounded reader: never beyond what was captured, and the wire's length is kept apart from it. */
#include "decode_test.h"

#include "cursor.h"

static const uint8_t bytes[8] = { 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08 };

static void loads_are_big_endian(void **state)
{
	(void)state;
	assert_int_equal(load_be16(bytes), 0x0102);
	assert_int_equal(load_be32(bytes + 4), 0x05060708);
}

static void taking_moves_on_and_stops_at_what_was_captured(void **state)
{
	struct cursor cursor = { .data = bytes, .captured_bytes = 8, .wire_bytes = 100 };

	(void)state;
	assert_ptr_equal(cursor_take(&cursor, 5), bytes);
	assert_int_equal(cursor.captured_bytes, 3);
	assert_int_equal(cursor.wire_bytes, 95);
	assert_null(cursor_take(&cursor, 4));
	assert_int_equal(cursor.captured_bytes, 3);
	assert_ptr_equal(cursor_take(&cursor, 3), bytes + 5);
	assert_null(cursor_take(&cursor, 1));
	assert_int_equal(cursor.wire_bytes, 92);
}

static void peeking_does_not_move(void **state)
{
	struct cursor cursor = { .data = bytes, .captured_bytes = 2, .wire_bytes = 2 };

	(void)state;
	assert_ptr_equal(cursor_peek(&cursor, 2), bytes);
	assert_ptr_equal(cursor_peek(&cursor, 2), bytes);
	assert_null(cursor_peek(&cursor, 3));
}

static void an_empty_cursor_without_memory_is_legal(void **state)
{
	struct cursor cursor = { .data = NULL };

	(void)state;
	assert_null(cursor_peek(&cursor, 1));
	assert_null(cursor_take(&cursor, 1));
	assert_true(cursor_skip(&cursor, 0));
	assert_false(cursor_skip(&cursor, UINT32_MAX));
}

static void limiting_cuts_both_lengths_and_never_lengthens(void **state)
{
	struct cursor cursor = { .data = bytes, .captured_bytes = 8, .wire_bytes = 20 };

	(void)state;
	cursor_limit(&cursor, 30);
	assert_int_equal(cursor.wire_bytes, 20);
	cursor_limit(&cursor, 10);
	assert_int_equal(cursor.wire_bytes, 10);
	assert_int_equal(cursor.captured_bytes, 8);
	cursor_limit(&cursor, 3);
	assert_int_equal(cursor.wire_bytes, 3);
	assert_int_equal(cursor.captured_bytes, 3);
}

static void a_quote_may_be_longer_than_what_is_there(void **state)
{
	struct cursor cursor = { .data = bytes, .captured_bytes = 8, .wire_bytes = 8 };

	(void)state;
	cursor_set_wire_bytes(&cursor, 1500);
	assert_int_equal(cursor.wire_bytes, 1500);
	assert_int_equal(cursor.captured_bytes, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loads_are_big_endian),
		cmocka_unit_test(taking_moves_on_and_stops_at_what_was_captured),
		cmocka_unit_test(peeking_does_not_move),
		cmocka_unit_test(an_empty_cursor_without_memory_is_legal),
		cmocka_unit_test(limiting_cuts_both_lengths_and_never_lengthens),
		cmocka_unit_test(a_quote_may_be_longer_than_what_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
