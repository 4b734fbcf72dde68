/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When an alarm speaks, when it ends, and when it is the same again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "alarm.h"
#include "tcpwitness/base/units.h"

#define CLEAR_AFTER_NS (30 * NS_PER_SEC)

static const struct alert_target web = { .ip = { .bytes = { 192, 0, 2, 1 }, .version = 4 },
					 .has_port = true,
					 .port = 80 };

static uint64_t at(double seconds)
{
	return (uint64_t)((1000 + seconds) * 1e9);
}

static int setup(void **state)
{
	*state = alarm_set_create(65536, 4);
	return *state == NULL;
}

static int teardown(void **state)
{
	alarm_set_destroy(*state);
	return 0;
}

static struct alarm *open_at(struct alarm_set *set, double second, double level)
{
	struct alarm *alarm = alarm_open(set, "syn_flood", &web, at(second - 1), at(second));
	const struct alarm_reading reading = { .level = level, .severity = 2, .is_hot = true };

	assert_non_null(alarm);
	alarm->threshold = 20;
	alarm_written(alarm, &reading, at(second));
	return alarm;
}

/* Reviews like a detector: writes what is due. */
static enum alarm_due review(struct alarm *alarm, double second, struct alarm_reading reading)
{
	enum alarm_due due = alarm_review(alarm, &reading, CLEAR_AFTER_NS, at(second));

	if (due == ALARM_UPDATE_DUE)
		alarm_written(alarm, &reading, at(second));
	return due;
}

static unsigned count_updates(struct alarm *alarm, double from, double to, double growth_per_s)
{
	unsigned n = 0;

	for (double s = from; s < to; s += 0.1)
		n += review(alarm, s,
			    (struct alarm_reading){ .level = 100 + growth_per_s * s, .severity = 2, .is_hot = true }) ==
		     ALARM_UPDATE_DUE;
	return n;
}

static void test_steady_trouble_is_not_repeated(void **state)
{
	struct alarm *alarm = open_at(*state, 0, 100);

	assert_int_equal(count_updates(alarm, 0.1, 600, 0), 0);
}

static void test_growing_trouble_is_told_every_ten_seconds_then_every_minute(void **state)
{
	struct alarm *alarm = open_at(*state, 0, 100);

	assert_int_equal(count_updates(alarm, 0.1, 59.9, 100), 5);
	assert_int_equal(count_updates(alarm, 60, 300, 100), 4);
}

static void test_more_severe_is_told_at_once(void **state)
{
	struct alarm *alarm = open_at(*state, 0, 100);

	assert_int_equal(review(alarm, 0.5, (struct alarm_reading){ .level = 100, .severity = 1, .is_hot = true }),
			 ALARM_UPDATE_DUE);
	/* Less severe is no hurry. */
	assert_int_equal(review(alarm, 1, (struct alarm_reading){ .level = 100, .severity = 2, .is_hot = true }),
			 ALARM_NOTHING_DUE);
	assert_int_equal(review(alarm, 10.6, (struct alarm_reading){ .level = 100, .severity = 2, .is_hot = true }),
			 ALARM_UPDATE_DUE);
}

static void test_clears_after_patience(void **state)
{
	struct alarm *alarm = open_at(*state, 0, 100);
	struct alarm_reading hot = { .level = 100, .severity = 2, .is_hot = true };
	struct alarm_reading calm = { .level = 95, .severity = 2, .is_hot = false };

	assert_int_equal(review(alarm, 20, hot), ALARM_NOTHING_DUE);
	assert_int_equal(review(alarm, 49, calm), ALARM_NOTHING_DUE);
	assert_int_equal(review(alarm, 49.5, hot), ALARM_NOTHING_DUE);
	assert_int_equal(review(alarm, 79.4, calm), ALARM_NOTHING_DUE);
	assert_int_equal(review(alarm, 79.5, calm), ALARM_CLEAR_DUE);
}

static void test_peak_is_kept(void **state)
{
	struct alarm *alarm = open_at(*state, 0, 100);

	review(alarm, 1, (struct alarm_reading){ .level = 900, .severity = 2, .is_hot = true });
	review(alarm, 2, (struct alarm_reading){ .level = 50, .severity = 2, .is_hot = true });
	assert_true(alarm->peak >= 900 && alarm->peak <= 900);
}

static void test_soon_again_is_the_same(void **state)
{
	struct alarm_set *set = *state;
	struct alarm *alarm = open_at(set, 0, 100);
	uint64_t id = alarm->alert_id;
	uint64_t started_ns = alarm->started_ns;

	alarm_close(set, alarm, at(100));
	alarm = open_at(set, 399, 100);
	assert_int_equal(alarm->alert_id, id);
	assert_int_equal(alarm->started_ns, started_ns);
	alarm_close(set, alarm, at(500));
	alarm = open_at(set, 801, 100);
	assert_int_not_equal(alarm->alert_id, id);
}

static void test_ids_come_from_what_the_alarm_is_about(void **state)
{
	struct alarm_set *set = *state;
	struct alarm_set *other = alarm_set_create(65536, 4);
	struct alert_target host = web;
	struct alarm *alarm = alarm_open(set, "syn_flood", &web, at(1), at(2));

	assert_int_equal(alarm->alert_id, alarm_open(other, "syn_flood", &web, at(1), at(7))->alert_id);
	host.has_port = false;
	assert_int_not_equal(alarm->alert_id, alarm_open(other, "syn_flood", &host, at(1), at(2))->alert_id);
	host = web;
	host.client = web.ip;
	assert_int_not_equal(alarm->alert_id, alarm_open(other, "syn_flood", &host, at(1), at(2))->alert_id);
	alarm_set_destroy(other);
}

static void test_number_is_bounded(void **state)
{
	struct alarm_set *set = *state;
	struct alert_target target = web;
	struct alarm *first = NULL;

	for (uint16_t port = 1; port <= 4; port++) {
		target.port = port;
		struct alarm *alarm = alarm_open(set, "syn_flood", &target, at(1), at(2));
		first = port == 1 ? alarm : first;
		assert_non_null(alarm);
	}
	target.port = 5;
	assert_null(alarm_open(set, "syn_flood", &target, at(1), at(2)));
	alarm_close(set, first, at(3));
	assert_non_null(alarm_open(set, "syn_flood", &target, at(3), at(4)));
	/* Those that are remembered never keep a new one from being raised. */
	for (uint16_t port = 6; port < 100; port++) {
		target.port = port;
		struct alarm *alarm = alarm_open(set, "syn_flood", &target, at(port), at(port));
		assert_true(alarm == NULL || alarm->is_open);
		if (alarm != NULL)
			alarm_close(set, alarm, at(port));
	}
	assert_int_equal(alarm_set_open(set), 4);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_steady_trouble_is_not_repeated),
		TEST(test_growing_trouble_is_told_every_ten_seconds_then_every_minute),
		TEST(test_more_severe_is_told_at_once),
		TEST(test_clears_after_patience),
		TEST(test_peak_is_kept),
		TEST(test_soon_again_is_the_same),
		TEST(test_ids_come_from_what_the_alarm_is_about),
		TEST(test_number_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
