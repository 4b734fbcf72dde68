/* SPDX-License-Identifier: BSD-2-Clause */
/* A shape has the same number each time, and no two have the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "random.h"
#include "syn_shapes.h"

static struct syn_shapes shapes;

/* That of a pair of systems. */
static struct syn_shape shape_number(unsigned n)
{
	struct random random = { n };

	return (struct syn_shape){
		.layout = 0x01020304,
		.mss = { (uint16_t)(1200 + random_below(&random, 260)), 1460 },
		.window = (uint16_t)random_u32(&random),
		.offers = { 0x1f, 0x1f },
		.wscales = (uint8_t)random_u32(&random),
		.is_used = 1,
	};
}

static unsigned note(unsigned from, unsigned end)
{
	unsigned n_noted = 0;

	for (unsigned i = from; i < end; i++) {
		const struct syn_shape shape = shape_number(i);
		uint16_t number;
		uint16_t again;
		if (!syn_shapes_note(&shapes, &shape, &number))
			continue;
		n_noted++;
		assert_in_range(number, 0, SYN_SHAPES - 1);
		assert_memory_equal(&shapes.shape[number], &shape, sizeof(shape));
		assert_true(syn_shapes_note(&shapes, &shape, &again));
		assert_int_equal(again, number);
	}
	return n_noted;
}

static void test_nearly_all_of_a_few_hundred_have_a_number(void **state)
{
	(void)state;
	memset(&shapes, 0, sizeof(shapes));
	assert_in_range(note(0, 400), 395, 400);
}

static void test_what_was_noted_stays(void **state)
{
	(void)state;
	memset(&shapes, 0, sizeof(shapes));
	unsigned n_first = note(0, 400);
	unsigned n_later = note(400, 40000);
	assert_in_range(n_first + n_later, SYN_SHAPES - 10, SYN_SHAPES);
	assert_int_equal(note(0, 400), n_first);
	assert_int_equal(note(50000, 50100), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nearly_all_of_a_few_hundred_have_a_number),
		cmocka_unit_test(test_what_was_noted_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
