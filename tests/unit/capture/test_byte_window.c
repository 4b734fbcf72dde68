/* SPDX-License-Identifier: BSD-2-Clause */
/* A window over bytes that come in pieces: nothing is lost or moved at the wrong time, and it grows when it must. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "byte_window.h"

enum { ROOM_BYTES = 64 };

/* Bytes that count up, in pieces of at most piece_bytes, and then an errno (0 = an end). */
struct counting {
	size_t n_given;
	size_t n_all;
	size_t piece_bytes;
	size_t largest_request;
	int error;
};

static ssize_t read_counting(void *context, uint8_t *out, size_t out_bytes)
{
	struct counting *counting = context;
	size_t n_bytes = counting->piece_bytes < out_bytes ? counting->piece_bytes : out_bytes;

	if (out_bytes > counting->largest_request)
		counting->largest_request = out_bytes;
	if (n_bytes > counting->n_all - counting->n_given)
		n_bytes = counting->n_all - counting->n_given;
	if (n_bytes == 0 && counting->error != 0) {
		errno = counting->error;
		return -1;
	}
	for (size_t i = 0; i < n_bytes; i++)
		out[i] = (uint8_t)counting->n_given++;
	return (ssize_t)n_bytes;
}

static struct byte_window open_window(struct counting *counting)
{
	struct byte_window window;

	assert_int_equal(byte_window_init(&window, (struct byte_source){ read_counting, counting }, ROOM_BYTES), 0);
	return window;
}

static void assert_counts_from(const struct byte_window *window, size_t first, size_t n_bytes)
{
	assert_true(byte_window_at_hand(window) >= n_bytes);
	for (size_t i = 0; i < n_bytes; i++)
		assert_int_equal(byte_window_data(window)[i], (uint8_t)(first + i));
}

/* Records of every length that fits, over pieces of every size. */
static void test_records_across_pieces(void **state)
{
	(void)state;
	for (size_t piece_bytes = 1; piece_bytes <= ROOM_BYTES + 1; piece_bytes++) {
		for (size_t record_bytes = 1; record_bytes <= ROOM_BYTES; record_bytes++) {
			struct counting counting = { .n_all = 10 * record_bytes, .piece_bytes = piece_bytes };
			struct byte_window window = open_window(&counting);
			for (size_t i = 0; i < 10; i++) {
				assert_true(byte_window_fill(&window, record_bytes));
				assert_counts_from(&window, i * record_bytes, record_bytes);
				byte_window_take(&window, record_bytes);
			}
			assert_false(byte_window_fill(&window, 1));
			assert_int_equal(window.error, 0);
			assert_int_equal(byte_window_at_hand(&window), 0);
			byte_window_fini(&window);
		}
	}
}

static void test_what_is_at_hand_stays_in_place(void **state)
{
	struct counting counting = { .n_all = 1000, .piece_bytes = 1000 };
	struct byte_window window = open_window(&counting);

	(void)state;
	assert_true(byte_window_fill(&window, 10));
	const uint8_t *first = byte_window_data(&window);
	byte_window_take(&window, 10);
	assert_true(byte_window_fill(&window, ROOM_BYTES - 10));
	assert_ptr_equal(byte_window_data(&window), first + 10);
	assert_int_equal(counting.n_given, ROOM_BYTES);
	byte_window_fini(&window);
}

/* One long record makes it grow; afterwards no more is read at once than before. */
static void test_grows_for_one_record(void **state)
{
	struct counting counting = { .n_all = 1000, .piece_bytes = 1000 };
	struct byte_window window = open_window(&counting);

	(void)state;
	assert_true(byte_window_fill(&window, 5));
	byte_window_take(&window, 5);
	assert_true(byte_window_fill(&window, 300));
	assert_counts_from(&window, 5, 300);
	assert_int_equal(byte_window_at_hand(&window), 300);
	byte_window_take(&window, 300);
	counting.largest_request = 0;
	assert_true(byte_window_fill(&window, 1));
	assert_int_equal(counting.largest_request, ROOM_BYTES);
	assert_counts_from(&window, 305, ROOM_BYTES);
	byte_window_fini(&window);
}

/* What came before an end or an error can still be had. */
static void test_end_and_error(void **state)
{
	const int errors[] = { 0, EIO, ECANCELED };

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct counting counting = { .n_all = 20, .piece_bytes = 3, .error = errors[i] };
		struct byte_window window = open_window(&counting);
		assert_false(byte_window_fill(&window, 21));
		assert_int_equal(window.error, errors[i]);
		assert_counts_from(&window, 0, 20);
		assert_int_equal(byte_window_at_hand(&window), 20);
		assert_true(byte_window_fill(&window, 20));
		byte_window_fini(&window);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records_across_pieces),
		cmocka_unit_test(test_what_is_at_hand_stays_in_place),
		cmocka_unit_test(test_grows_for_one_record),
		cmocka_unit_test(test_end_and_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
