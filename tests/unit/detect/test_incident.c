/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What becomes of findings: detectors that find what the test tells them to, and the events that come of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "incident.h"

#define START_NS (UINT64_C(1795132800) * NS_PER_SEC)
#define TICK_NS  (100 * NS_PER_MS)

enum { FLOOD, OVERLOAD, LEAK, N_FAKES };

static struct finding told[N_FAKES];
static struct detect_scene seen[N_FAKES];

static void find(unsigned which, const struct detect_scene *scene, void *state, struct finding *finding)
{
	seen[which] = *scene;
	++*(uint64_t *)state;
	*finding = told[which];
}

static void find_flood(const void *params, const struct detect_scene *scene, void *state, struct finding *finding)
{
	(void)params;
	find(FLOOD, scene, state, finding);
}

static void find_overload(const void *params, const struct detect_scene *scene, void *state, struct finding *finding)
{
	(void)params;
	find(OVERLOAD, scene, state, finding);
}

static void find_leak(const void *params, const struct detect_scene *scene, void *state, struct finding *finding)
{
	(void)params;
	find(LEAK, scene, state, finding);
}

#define FAKE(NAME, FIND, GROUP)                                                                               \
	{                                                                                                     \
		.name = NAME, .kinds = 1 << SUMMARY_SERVICE, .group = GROUP, .target_bytes = 8, .find = FIND, \
		.default_severity = 2                                                                         \
	}

static const struct detector fakes[N_FAKES] = {
	[FLOOD] = FAKE("syn_flood", find_flood, INCIDENT_SERVICE),
	[OVERLOAD] = FAKE("half_open_surge", find_overload, INCIDENT_SERVICE),
	[LEAK] = FAKE("state_leak", find_leak, INCIDENT_OWN),
};

/* One service that is judged; the events that were written. */
struct world {
	struct rule rules[N_FAKES];
	struct detector_run runs[N_FAKES];
	struct watch_set watches;
	struct incident_book book;
	struct detect_stats stats;
	struct event_writer writer;
	struct detect_visibility visibility;
	struct summary summary;
	struct watch *watch;
	uint64_t now_ns;
	struct sensor_event open;
	struct event_alert events[256];
	size_t n_events;
};

static struct sensor_event *begin_event(void *context, enum sensor_event_type type)
{
	struct world *world = context;

	world->open = (struct sensor_event){ .type = type };
	return &world->open;
}

static void end_event(void *context, struct sensor_event *event)
{
	struct world *world = context;

	assert_true(world->n_events < 256);
	world->events[world->n_events++] = event->alert;
}

static void world_init(struct world *world)
{
	const struct siphash_key secret = { 1, 2 };
	const struct ip_addr ip = { .version = 4, .bytes = { 203, 0, 113, 5 } };
	const struct summary_key key = summary_key_service(&ip, 443);

	memset(world, 0, sizeof(*world));
	memset(told, 0, sizeof(told));
	world->writer = (struct event_writer){ .context = world, .begin = begin_event, .end = end_event };
	world->now_ns = START_NS;
	world->summary.since_ns = START_NS;
	for (unsigned i = 0; i < N_FAKES; i++) {
		world->rules[i].enabled = true;
		world->rules[i].severity = world->rules[i].default_severity = 2;
		world->runs[i].detector = &fakes[i];
		world->runs[i].rule = &world->rules[i];
		world->runs[i].slot = (uint8_t)(fakes[i].group < INCIDENT_OWN ? fakes[i].group : INCIDENT_OWN + i);
	}
	assert_int_equal(watch_set_init(&world->watches, world->runs, N_FAKES, 1 << 20, &secret), 0);
	assert_int_equal(incident_book_init(&world->book, &world->watches, 1 << 18, &world->writer, &world->stats), 0);
	world->watch = watch_begin(&world->watches, &key, START_NS);
	assert_non_null(world->watch);
}

static void world_fini(struct world *world)
{
	incident_book_fini(&world->book);
	watch_set_fini(&world->watches);
}

static void run(struct world *world, double seconds)
{
	for (int i = 0; i < seconds * 10; i++) {
		struct detect_scene scene = {
			.now_ns = world->now_ns,
			.key = &world->watch->key,
			.summary = &world->summary,
			.sensor = &world->summary,
			.visibility = &world->visibility,
		};
		world->summary.totals[SUMMARY_ATTEMPTS]++;
		incident_judge(&world->book, world->watch, &scene, (struct incident_time){ world->now_ns, 7 });
		world->now_ns += TICK_NS;
	}
}

static struct finding alarming(double score)
{
	return (struct finding){
		.is_alarming = true,
		.is_hot = true,
		.is_suspicious = true,
		.score = score,
		.level = 100,
		.threshold = 20,
		.confidence = 0.9,
		.clear_after_ns = 5 * NS_PER_SEC,
	};
}

static void test_one_incident_for_a_group(void **state)
{
	static struct world world;

	(void)state;
	world_init(&world);
	told[FLOOD] = alarming(0.8);
	told[OVERLOAD] = alarming(0.6);
	run(&world, 1);
	assert_int_equal(world.n_events, 1);
	assert_int_equal(world.events[0].phase, ALERT_RAISED);
	assert_string_equal(world.events[0].detector, "syn_flood");
	assert_string_equal(world.events[0].runner_up, "half_open_surge");
	assert_true(world.events[0].runner_up_score > 0.59);
	assert_int_equal(world.stats.alarms_open, 1);
	/* Both detectors know of it, and its own detectors are beside it. */
	assert_ptr_equal(seen[OVERLOAD].alarm, seen[FLOOD].alarm);
	assert_non_null(seen[FLOOD].alarm);
	assert_ptr_equal(seen[OVERLOAD].present_class, &fakes[FLOOD]);
	assert_true(seen[OVERLOAD].is_suspicious);
	assert_null(seen[LEAK].alarm);
	assert_false(seen[LEAK].is_suspicious);
	told[LEAK] = alarming(0);
	run(&world, 1);
	assert_int_equal(world.n_events, 2);
	assert_string_equal(world.events[1].detector, "state_leak");
	assert_int_not_equal(world.events[1].alert_id, world.events[0].alert_id);
	world_fini(&world);
}

static void test_equal_scores_go_by_order(void **state)
{
	static struct world world;

	(void)state;
	world_init(&world);
	told[OVERLOAD] = told[FLOOD] = alarming(0.7);
	run(&world, 1);
	assert_string_equal(world.events[0].detector, "syn_flood");
	world_fini(&world);
}

static void test_another_class_must_lead_for_a_while(void **state)
{
	static struct world world;

	(void)state;
	world_init(&world);
	told[FLOOD] = alarming(0.6);
	run(&world, 20);
	size_t n_before = world.n_events;
	told[OVERLOAD] = alarming(0.65);
	run(&world, 20);
	for (size_t i = 0; i < world.n_events; i++)
		assert_string_equal(world.events[i].detector, "syn_flood");
	n_before = world.n_events;
	told[OVERLOAD] = alarming(0.9);
	run(&world, 1.5);
	assert_int_equal(world.n_events, n_before);
	run(&world, 1);
	assert_int_equal(world.n_events, n_before + 1);
	assert_int_equal(world.events[n_before].phase, ALERT_UPDATE);
	assert_string_equal(world.events[n_before].detector, "half_open_surge");
	assert_int_equal(world.events[n_before].alert_id, world.events[0].alert_id);
	world_fini(&world);
}

static void test_what_is_immediate_takes_over_at_once(void **state)
{
	static struct world world;

	(void)state;
	world_init(&world);
	told[OVERLOAD] = alarming(0.6);
	told[OVERLOAD].severity = 3;
	run(&world, 1);
	told[FLOOD] = alarming(0.9);
	told[FLOOD].is_immediate = true;
	told[FLOOD].severity = 1;
	run(&world, 0.1);
	assert_int_equal(world.n_events, 2);
	assert_string_equal(world.events[1].detector, "syn_flood");
	assert_int_equal(world.events[1].severity, 1);
	world_fini(&world);
}

static const struct event_alert *last_event(const struct world *world)
{
	return &world->events[world->n_events - 1];
}

/* However well a crowd fits: a flood in it is told at once, and as long as it is there. */
static void test_what_is_harmless_hides_no_trouble(void **state)
{
	static struct world world;

	(void)state;
	world_init(&world);
	told[OVERLOAD] = alarming(0.9);
	told[OVERLOAD].severity = 3;
	run(&world, 20);
	told[FLOOD] = alarming(0.55);
	told[FLOOD].severity = 2;
	run(&world, 0.1);
	assert_string_equal(last_event(&world)->detector, "syn_flood");
	assert_int_equal(last_event(&world)->severity, 2);
	assert_int_equal(last_event(&world)->alert_id, world.events[0].alert_id);
	assert_string_equal(last_event(&world)->runner_up, "half_open_surge");
	told[FLOOD].is_alarming = false;
	run(&world, 30);
	assert_string_equal(last_event(&world)->detector, "syn_flood");
	/* Over, and the crowd is still there. */
	told[FLOOD].is_hot = false;
	run(&world, 30);
	assert_string_equal(last_event(&world)->detector, "half_open_surge");
	world_fini(&world);
}

static void test_trouble_is_raised_before_what_is_harmless(void **state)
{
	static struct world world;

	(void)state;
	world_init(&world);
	told[FLOOD] = alarming(0.9);
	told[FLOOD].severity = 3;
	told[OVERLOAD] = alarming(0.5);
	run(&world, 1);
	assert_string_equal(world.events[0].detector, "half_open_surge");
	world_fini(&world);
}

/* Two detectors that take turns every second for ten minutes. */
static void test_classes_cannot_flap(void **state)
{
	static struct world world;
	unsigned n_changes = 0;

	(void)state;
	world_init(&world);
	for (int i = 0; i < 600; i++) {
		told[FLOOD] = alarming(i % 8 < 4 ? 0.9 : 0.5);
		told[OVERLOAD] = alarming(i % 8 < 4 ? 0.5 : 0.9);
		told[FLOOD].is_immediate = told[OVERLOAD].is_immediate = true;
		run(&world, 1);
	}
	for (size_t i = 1; i < world.n_events; i++)
		n_changes += strcmp(world.events[i].detector, world.events[i - 1].detector) != 0;
	assert_true(n_changes <= 4);
	world_fini(&world);
}

static void test_it_ends_when_nothing_of_the_group_is_found(void **state)
{
	static struct world world;

	(void)state;
	world_init(&world);
	told[FLOOD] = alarming(0.8);
	run(&world, 2);
	memset(&told[FLOOD], 0, sizeof(told[FLOOD]));
	/* Another one of the group still finds something. */
	told[OVERLOAD].is_hot = true;
	run(&world, 20);
	assert_int_equal(world.stats.alarms_open, 1);
	told[OVERLOAD].is_hot = false;
	told[FLOOD].clear_after_ns = 5 * NS_PER_SEC;
	run(&world, 5.2);
	assert_int_equal(world.stats.alarms_open, 0);
	assert_int_equal(world.events[world.n_events - 1].phase, ALERT_CLEARED);
	assert_string_equal(world.events[world.n_events - 1].clear_reason, "recovered");
	assert_null(world.watch->incidents);
	/* Trouble is forgotten a while later, and what the detectors know is not. */
	run(&world, 11);
	assert_null(world.watch->trouble);
	assert_true(*(uint64_t *)watch_state(world.watch, &world.runs[FLOOD]) > 300);
	world_fini(&world);
}

static void test_what_does_not_fit_is_counted_once(void **state)
{
	static struct world world;

	(void)state;
	world_init(&world);
	incident_book_fini(&world.book);
	/* Room for the alarms of one key each. */
	assert_int_equal(incident_book_init(&world.book, &world.watches, 2 * sizeof(struct incident) + 6000,
					    &world.writer, &world.stats),
			 0);
	told[FLOOD] = alarming(0.8);
	run(&world, 1);
	size_t n_open = world.stats.alarms_open;
	for (uint8_t i = 10; i < 60; i++) {
		const struct ip_addr ip = { .version = 4, .bytes = { 203, 0, 113, i } };
		const struct summary_key key = summary_key_service(&ip, 443);
		world.watch = watch_begin(&world.watches, &key, world.now_ns);
		assert_non_null(world.watch);
		run(&world, 1);
	}
	assert_true(world.stats.alarms_open >= n_open && world.stats.alarms_open < 51);
	assert_int_equal(world.stats.alarms_suppressed, 51 - world.stats.alarms_open);
	world_fini(&world);
}

static void test_what_stands_beside_each_other(void **state)
{
	static struct world world;
	const struct ip_addr ip = { .version = 4, .bytes = { 203, 0, 113, 5 } };
	const struct ip_addr other = { .version = 4, .bytes = { 203, 0, 113, 9 } };
	const struct summary_key host = summary_key_host(&ip);
	const struct summary_key other_host = summary_key_host(&other);
	const struct summary_key prefix = summary_key_prefix(&other);

	(void)state;
	world_init(&world);
	told[FLOOD] = alarming(0.8);
	run(&world, 1);
	assert_int_equal(incident_count_below(&world.book, &host), 1);
	assert_int_equal(incident_count_below(&world.book, &other_host), 0);
	assert_int_equal(incident_count_below(&world.book, &prefix), 1);
	assert_false(incident_is_above(&world.book, &world.watch->key));
	/* Only informational: says nothing about what is around. */
	told[FLOOD].severity = 3;
	run(&world, 30);
	assert_int_equal(incident_count_below(&world.book, &host), 0);
	world_fini(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_incident_for_a_group),
		cmocka_unit_test(test_equal_scores_go_by_order),
		cmocka_unit_test(test_another_class_must_lead_for_a_while),
		cmocka_unit_test(test_what_is_immediate_takes_over_at_once),
		cmocka_unit_test(test_classes_cannot_flap),
		cmocka_unit_test(test_what_is_harmless_hides_no_trouble),
		cmocka_unit_test(test_trouble_is_raised_before_what_is_harmless),
		cmocka_unit_test(test_it_ends_when_nothing_of_the_group_is_found),
		cmocka_unit_test(test_what_does_not_fit_is_counted_once),
		cmocka_unit_test(test_what_stands_beside_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
