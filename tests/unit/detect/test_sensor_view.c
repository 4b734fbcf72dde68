/* SPDX-License-Identifier: BSD-2-Clause */
/* What the sensor's own counts say of its view, over the last minute. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sensor_view.h"

static bool is_near(double value, double expected)
{
	return value > expected - 1e-6 && value < expected + 1e-6;
}

#define BEGIN_NS (1000000 * NS_PER_SEC)

static void nothing_seen_is_nothing_known(void **state)
{
	struct sensor_view view = { 0 };
	const struct detect_visibility few = {
		.segments = 50, .payload_segments = 50, .unseen_segments = 20, .one_way_connections = 3
	};

	(void)state;
	assert_true(sensor_view_lost_share(NULL) < 0);
	assert_true(sensor_view_one_way_share(NULL) < 0);
	assert_false(sensor_view_is_one_way(NULL));
	assert_true(sensor_view_confidence(NULL) == 1);
	sensor_view_update(&view, &few, BEGIN_NS);
	assert_true(sensor_view_lost_share(&view) < 0);
	assert_true(sensor_view_one_way_share(&view) < 0);
}

static void that_nothing_was_dropped_tells_nothing_of_what_was_lost(void **state)
{
	struct sensor_view view = { 0 };
	const struct detect_visibility syns = { .segments = 5000, .payload_segments = 20 };

	(void)state;
	sensor_view_update(&view, &syns, BEGIN_NS);
	assert_true(sensor_view_lost_share(&view) < 0);
}

static void shares_are_those_of_the_first_seconds_too(void **state)
{
	struct sensor_view view = { 0 };
	const struct detect_visibility counts = {
		.segments = 900,
		.payload_segments = 450,
		.unseen_segments = 60,
		.late_segments = 10,
		.kernel_dropped = 30,
		.interface_dropped = 10,
		.one_way_connections = 30,
		.two_way_connections = 10,
		.duplicates = 90,
		.truncated_packets = 9,
	};

	(void)state;
	sensor_view_update(&view, &counts, BEGIN_NS + NS_PER_SEC);
	assert_true(is_near(sensor_view_lost_share(&view), 0.1));
	assert_true(is_near(sensor_view_one_way_share(&view), 0.75));
	assert_true(is_near(sensor_view_duplicate_share(&view), 0.1));
	assert_true(is_near(sensor_view_truncated_share(&view), 0.01));
	assert_true(sensor_view_is_one_way(&view));
	assert_true(is_near(sensor_view_confidence(&view), 0.9 * 0.9 * 0.9 * 0.625));
}

static void what_is_older_than_a_minute_is_forgotten(void **state)
{
	struct sensor_view view = { 0 };
	struct detect_visibility counts = { 0 };

	(void)state;
	for (unsigned second = 0; second < 300; second++) {
		counts.segments += 100;
		counts.payload_segments += 100;
		counts.unseen_segments += second < 100 ? 10 : 0;
		sensor_view_update(&view, &counts, BEGIN_NS + second * NS_PER_SEC);
		if (second == 99)
			assert_true(is_near(sensor_view_lost_share(&view), 10.0 / 110));
		if (second == 130)
			assert_true(sensor_view_lost_share(&view) > 0.03);
		if (second >= 165)
			assert_true(sensor_view_lost_share(&view) == 0);
	}
	/* Nor is it known after a long silence. */
	sensor_view_update(&view, &counts, BEGIN_NS + 100000 * NS_PER_SEC);
	assert_true(sensor_view_lost_share(&view) < 0);
}

/* Frames that the kernel dropped are acknowledged too: each is one, not two. */
static void what_was_dropped_and_is_missed_counts_once(void **state)
{
	struct sensor_view view = { 0 };
	const struct detect_visibility counts = {
		.segments = 900, .payload_segments = 450, .unseen_segments = 50, .kernel_dropped = 180
	};

	(void)state;
	sensor_view_update(&view, &counts, BEGIN_NS);
	assert_true(is_near(sensor_view_lost_share(&view), 180.0 / 1080));
}

static void a_clock_that_stands_still_or_steps_back_does_no_harm(void **state)
{
	struct sensor_view view = { 0 };
	struct detect_visibility counts = { .segments = 1000, .payload_segments = 1000 };

	(void)state;
	sensor_view_update(&view, &counts, BEGIN_NS + 100 * NS_PER_SEC);
	counts.segments = 2000;
	counts.payload_segments = 2000;
	counts.unseen_segments = 20;
	sensor_view_update(&view, &counts, BEGIN_NS);
	assert_true(is_near(sensor_view_lost_share(&view), 20.0 / 2020));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_seen_is_nothing_known),
		cmocka_unit_test(that_nothing_was_dropped_tells_nothing_of_what_was_lost),
		cmocka_unit_test(shares_are_those_of_the_first_seconds_too),
		cmocka_unit_test(what_is_older_than_a_minute_is_forgotten),
		cmocka_unit_test(what_was_dropped_and_is_missed_counts_once),
		cmocka_unit_test(a_clock_that_stands_still_or_steps_back_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
