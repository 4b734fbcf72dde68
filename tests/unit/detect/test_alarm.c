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

static void test_class_change_keeps_the_alarm(void **state)
{
	struct alarm *alarm = open_at(*state, 0, 100);
	struct alarm_reading flood = { .level = 100, .severity = 2, .is_hot = true, .detector = "syn_flood" };
	struct alarm_reading crowd = flood;

	crowd.detector = "flash_crowd";
	alarm->written.detector = flood.detector;
	assert_int_equal(review(alarm, 0.5, flood), ALARM_NOTHING_DUE);
	assert_int_equal(review(alarm, 0.6, crowd), ALARM_UPDATE_DUE);
	/* One way and back again is told at a walk. */
	assert_int_equal(review(alarm, 0.7, flood), ALARM_NOTHING_DUE);
	assert_int_equal(review(alarm, 10.5, flood), ALARM_NOTHING_DUE);
	assert_int_equal(review(alarm, 10.6, flood), ALARM_UPDATE_DUE);
	/* A finer class is a class. */
	flood.class_name = "spoofed_syn_flood";
	assert_int_equal(review(alarm, 20.6, flood), ALARM_UPDATE_DUE);
}

static void test_what_unfolds_is_told_at_once(void **state)
{
	static const char *const classes[] = { "a", "b", "c", "d", "e" };
	struct alarm *alarm = open_at(*state, 0, 100);
	struct alarm_reading now = { .level = 100, .severity = 2, .is_hot = true };
	int told = 0;

	for (int i = 0; i < 5; i++) {
		now.class_name = classes[i];
		told += review(alarm, 0.5 + i, now) == ALARM_UPDATE_DUE;
	}
	assert_int_equal(told, 3);
	assert_int_equal(review(alarm, 13, now), ALARM_UPDATE_DUE);
}

static void test_worse_than_ever_never_waits(void **state)
{
	struct alarm *alarm = open_at(*state, 0, 100);
	struct alarm_reading now = { .level = 100, .severity = 3, .is_hot = true };

	assert_int_equal(review(alarm, 0.5, now), ALARM_UPDATE_DUE);
	now.severity = 2; /* as bad as it was */
	assert_int_equal(review(alarm, 0.6, now), ALARM_NOTHING_DUE);
	now.severity = 1;
	assert_int_equal(review(alarm, 0.7, now), ALARM_UPDATE_DUE);
}

static void test_reason_tells_recovery_from_silence(void **state)
{
	struct alarm *alarm = open_at(*state, 0, 100);
	struct alarm_reading calm = { .level = 1, .severity = 2, .arrivals = 1 };
	enum alarm_due due = ALARM_NOTHING_DUE;

	for (double s = 0.1; due != ALARM_CLEAR_DUE; s += 0.1) {
		calm.arrivals++;
		due = review(alarm, s, calm);
	}
	assert_string_equal(alarm_clear_reason(alarm, at(30)), "recovered");
	alarm_close(*state, alarm, at(30));

	alarm = open_at(*state, 1000, 100);
	for (double s = 1000.1; review(alarm, s, calm) != ALARM_CLEAR_DUE; s += 0.1)
		;
	assert_string_equal(alarm_clear_reason(alarm, at(1030)), "silent");
}

/* What a detector and the engine do with one target that is hot or not; returns the number of events. */
static unsigned play(struct alarm_set *set, struct alarm **open, double second, bool is_hot)
{
	struct alarm_reading reading = { .level = is_hot ? 100 : 0, .severity = 2, .is_hot = is_hot };

	if (*open == NULL) {
		if (is_hot)
			*open = open_at(set, second, 100);
		return is_hot;
	}
	if (alarm_review(*open, &reading, CLEAR_AFTER_NS, at(second)) != ALARM_CLEAR_DUE)
		return 0;
	alarm_close(set, *open, at(second));
	*open = NULL;
	return 1;
}

static void test_pulses_are_one_incident(void **state)
{
	struct alarm_set *set = *state;
	struct alarm *alarm = NULL;
	uint64_t id = 0;
	unsigned n_events = 0;
	double cleared = 0;

	for (unsigned tick = 0; tick < 20000; tick++) {
		double s = tick * 0.1;
		unsigned n = play(set, &alarm, s, s < 1200 && tick % 600 < 100);

		n_events += n;
		if (n > 0 && alarm != NULL) {
			assert_true(id == 0 || alarm->alert_id == id);
			id = alarm->alert_id;
		}
		if (n > 0 && alarm == NULL)
			cleared = s;
	}
	/* Raised, cleared in the first pause, raised again, and over when the pulses are. */
	assert_int_equal(n_events, 4);
	assert_true(cleared > 1150 && cleared < 1150 + 65);
}

static void test_new_ones_come_one_by_one(void **state)
{
	struct alarm_set *set = alarm_set_create(1 << 20, 200);
	struct alert_target target = web;
	unsigned n = 0;

	(void)state;
	for (uint16_t i = 1; i <= 600; i++) {
		target.port = i;
		n += alarm_open(set, "syn_flood", &target, at(1), at(10 + i * 0.01)) != NULL;
	}
	assert_int_equal(n, ALARM_BURST + 5);

	/* What comes back is not new. */
	target.port = 1;
	struct alarm *alarm = NULL;
	for (uint16_t i = 0; alarm == NULL; i++)
		alarm = alarm_open(set, "syn_flood", &target, at(1), at(17 + i));
	uint64_t id = alarm->alert_id;
	alarm_close(set, alarm, at(40));
	for (uint16_t i = 1000; i < 1020; i++) {
		target.port = i;
		alarm_open(set, "syn_flood", &target, at(1), at(50));
	}
	target.port = 1;
	alarm = alarm_open(set, "syn_flood", &target, at(50), at(50));
	assert_non_null(alarm);
	assert_int_equal(alarm->alert_id, id);
	assert_int_equal(alarm->n_reopened, 1);
	alarm_set_destroy(set);
}

static uint32_t draw(uint64_t *seed, uint32_t below)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(*seed >> 33) % below;
}

/* The times of the last events of one alarm; true as long as no minute has too many. */
struct minute {
	double times[ALARM_EVENTS_PER_MINUTE];
	unsigned n;
};

static bool note_event(struct minute *minute, double second)
{
	double *oldest = &minute->times[minute->n++ % ALARM_EVENTS_PER_MINUTE];
	bool is_rare = minute->n <= ALARM_EVENTS_PER_MINUTE || second - *oldest >= 60;

	*oldest = second;
	return is_rare;
}

/*
 * Hours of readings without any sense: never more than so many events in a minute, and an id that lasts as long as
 * its trouble is not away for five minutes.
 */
static void test_no_readings_make_it_flap(void **state)
{
	static const char *const classes[] = { "syn_flood", "flash_crowd", "service_down" };

	(void)state;
	for (uint64_t seed = 1; seed <= 24; seed++) {
		struct alarm_set *set = alarm_set_create(65536, 4);
		struct alarm *alarm = NULL;
		struct minute minute = { .n = 0 };
		uint64_t random = seed;
		uint64_t id = 0;
		double over = 0;
		uint32_t hold = 1 + draw(&random, 600); /* ticks that it stays hot or cold, at most */
		uint64_t clear_after_ns = (1 + draw(&random, 60)) * NS_PER_SEC;
		bool is_hot = false;

		for (unsigned tick = 0, next = 0; tick < 2 * 36000; tick++) {
			double s = tick * 0.1;
			if (tick == next) {
				is_hot = !is_hot;
				next += 1 + draw(&random, draw(&random, 20) == 0 ? 6000 : hold);
			}
			struct alarm_reading reading = {
				.level = is_hot ? draw(&random, 100000) : 0,
				.extent = draw(&random, 100000),
				.severity = (uint8_t)(1 + draw(&random, 3)),
				.stage = (uint8_t)draw(&random, 4),
				.detector = classes[draw(&random, 3)],
				.is_hot = is_hot,
			};
			if (alarm == NULL && is_hot) {
				alarm = alarm_open(set, "service", &web, at(s), at(s));
				assert_non_null(alarm);
				assert_true(id == 0 || (alarm->alert_id == id) == (s - over <= 300.05));
				id = alarm->alert_id;
				alarm->threshold = 20;
				alarm_written(alarm, &reading, at(s));
				assert_true(note_event(&minute, s));
			} else if (alarm != NULL) {
				enum alarm_due due = alarm_review(alarm, &reading, clear_after_ns, at(s));

				if (due == ALARM_UPDATE_DUE)
					alarm_written(alarm, &reading, at(s));
				assert_true(due == ALARM_NOTHING_DUE || note_event(&minute, s));
				if (due == ALARM_CLEAR_DUE) {
					assert_false(is_hot);
					alarm_close(set, alarm, at(s));
					alarm = NULL;
					over = s;
				}
			}
		}
		alarm_set_destroy(set);
	}
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
		TEST(test_class_change_keeps_the_alarm),
		TEST(test_what_unfolds_is_told_at_once),
		TEST(test_worse_than_ever_never_waits),
		TEST(test_reason_tells_recovery_from_silence),
		TEST(test_pulses_are_one_incident),
		TEST(test_new_ones_come_one_by_one),
		TEST(test_no_readings_make_it_flap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
