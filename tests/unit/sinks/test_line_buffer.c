/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "line_buffer.h"

static bool put(struct line_buffer *buffer, const char *line)
{
	return line_buffer_put(buffer, line, strlen(line));
}

/* The unsent bytes as one text. */
static const char *unsent(const struct line_buffer *buffer, size_t limit)
{
	static char text[256];
	struct iovec pieces[2];
	int n_pieces = line_buffer_unsent(buffer, limit, pieces);
	size_t length = 0;

	for (int i = 0; i < n_pieces; i++) {
		memcpy(text + length, pieces[i].iov_base, pieces[i].iov_len);
		length += pieces[i].iov_len;
	}
	text[length] = '\0';
	return text;
}

static void lines_are_released_whole(void **state)
{
	struct line_buffer buffer;
	struct line_counts counts;

	(void)state;
	assert_true(line_buffer_init(&buffer, 32));
	assert_true(put(&buffer, "one\n"));
	assert_true(put(&buffer, "two\n"));
	assert_int_equal(line_buffer_lines(&buffer), 2);

	counts = line_buffer_accept(&buffer, 2);
	assert_int_equal(counts.lines, 0);
	assert_int_equal(line_buffer_free_bytes(&buffer), 32 - 8);
	assert_string_equal(unsent(&buffer, 100), "e\ntwo\n");
	assert_string_equal(unsent(&buffer, 3), "e\nt");

	counts = line_buffer_accept(&buffer, 3);
	assert_int_equal(counts.lines, 1);
	assert_int_equal(counts.bytes, 4);
	assert_int_equal(line_buffer_free_bytes(&buffer), 32 - 4);
	assert_int_equal(line_buffer_lines(&buffer), 1);

	counts = line_buffer_accept(&buffer, 3);
	assert_int_equal(counts.lines, 1);
	assert_false(line_buffer_has_unsent(&buffer));
	assert_int_equal(line_buffer_free_bytes(&buffer), 32);
	line_buffer_fini(&buffer);
}

static void a_line_sent_in_part_is_whole_again_after_a_rewind(void **state)
{
	struct line_buffer buffer;

	(void)state;
	assert_true(line_buffer_init(&buffer, 32));
	put(&buffer, "one\n");
	put(&buffer, "two\n");
	line_buffer_accept(&buffer, 6);
	assert_string_equal(unsent(&buffer, 100), "o\n");
	line_buffer_rewind(&buffer);
	assert_string_equal(unsent(&buffer, 100), "two\n");
	line_buffer_fini(&buffer);
}

static void a_line_that_does_not_fit_is_refused_whole(void **state)
{
	struct line_buffer buffer;

	(void)state;
	assert_true(line_buffer_init(&buffer, 8));
	assert_true(put(&buffer, "12345\n"));
	assert_false(put(&buffer, "67\n"));
	assert_true(put(&buffer, "7\n"));
	assert_string_equal(unsent(&buffer, 100), "12345\n7\n");
	line_buffer_clear(&buffer);
	assert_int_equal(line_buffer_free_bytes(&buffer), 8);
	assert_int_equal(line_buffer_lines(&buffer), 0);
	line_buffer_fini(&buffer);
}

/* Whatever the sizes and the cuts, the bytes come out as they went in, over many turns of the ring. */
static void bytes_come_out_as_they_went_in(void **state)
{
	struct line_buffer buffer;
	unsigned next_in = 0;
	unsigned next_out = 0;
	uint64_t lines = 0;
	uint32_t random = 1;
	static char out[1 << 16];
	size_t n_out = 0;

	(void)state;
	assert_true(line_buffer_init(&buffer, 53));
	while (next_in < 2000 || line_buffer_has_unsent(&buffer)) {
		char line[16];
		struct iovec pieces[2];

		random = random * 1664525 + 1013904223;
		snprintf(line, sizeof(line), "%u\n", next_in);
		if (next_in < 2000 && put(&buffer, line))
			next_in++;
		if (line_buffer_unsent(&buffer, random >> 28, pieces) > 0) {
			memcpy(out + n_out, pieces[0].iov_base, pieces[0].iov_len);
			n_out += pieces[0].iov_len;
			lines += line_buffer_accept(&buffer, pieces[0].iov_len).lines;
		}
	}
	assert_int_equal(lines, 2000);
	for (char *at = strtok(out, "\n"); at != NULL; at = strtok(NULL, "\n"))
		assert_int_equal(strtoul(at, NULL, 10), next_out++);
	assert_int_equal(next_out, 2000);
	line_buffer_fini(&buffer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_released_whole),
		cmocka_unit_test(a_line_sent_in_part_is_whole_again_after_a_rewind),
		cmocka_unit_test(a_line_that_does_not_fit_is_refused_whole),
		cmocka_unit_test(bytes_come_out_as_they_went_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
