/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where something is suspicious about many keys at once they are judged by turns. A detector made for the test finds
 * every service suspicious, and notes when it is asked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "made_detector.h"
#include "simulation.h"

enum { FROM_S = 10, UNTIL_S = 30 };

struct asked {
	uint64_t last_ns;
};

/* Of all services, from FROM_S to UNTIL_S. */
struct looks {
	uint64_t n;
	uint64_t longest_gap_ns;
};

static struct looks looks;

static void find_suspicious(const void *params, const struct detect_scene *scene, void *state, struct finding *finding)
{
	struct asked *asked = state;
	uint64_t since_ns = scene->now_ns - scene->began_ns;

	(void)params;
	if (asked->last_ns != 0 && since_ns > FROM_S * NS_PER_SEC && since_ns < UNTIL_S * NS_PER_SEC) {
		uint64_t gap_ns = scene->now_ns - asked->last_ns;
		looks.n++;
		looks.longest_gap_ns = gap_ns > looks.longest_gap_ns ? gap_ns : looks.longest_gap_ns;
	}
	asked->last_ns = scene->now_ns;
	finding->is_suspicious = true;
}

static const struct detector suspicious =
	MADE_DETECTOR("suspicious", 1, 2, .target_bytes = sizeof(struct asked), .find = find_suspicious);

/* In place of the program's own table. */
const struct detector *const detectors[] = { &suspicious, NULL };

/* Each is asked for often enough to be hot, and seldom enough never to be urgent. */
static void look_at(struct sim *sim, uint32_t n_services)
{
	looks = (struct looks){ 0 };
	sim_init(sim);
	sim->memory_bytes = (size_t)128 * 1024 * 1024;
	for (uint32_t i = 0; i < n_services; i++)
		sim_background(sim, 0, UNTIL_S, 3, (struct sim_host){ .ip = sim_ip4(0x0a010001 + i), .port = 443 });
	sim_run(sim, UNTIL_S);
	sim_fini(sim);
}

static void some_are_judged_at_each_tick(void **state)
{
	static struct sim sim;

	(void)state;
	look_at(&sim, 200);
	assert_int_equal(looks.longest_gap_ns, 100 * NS_PER_MS);
	assert_in_range(looks.n, 200 * 10 * (UNTIL_S - FROM_S - 1), 200 * 10 * (UNTIL_S - FROM_S));
}

/* 256 at a tick, hence each at every third; and once a second as if there were no turns. */
static void many_take_turns(void **state)
{
	static struct sim sim;
	const uint64_t n_of_turns = 700 * 10 / 3 * (UNTIL_S - FROM_S);
	const uint64_t n_of_others = 700 * (UNTIL_S - FROM_S);

	(void)state;
	look_at(&sim, 700);
	assert_int_equal(looks.longest_gap_ns, 300 * NS_PER_MS);
	assert_in_range(looks.n, n_of_turns - 700 * 4, n_of_turns + n_of_others);
}

/* Who is due once a second anyhow takes no turn before that; a few are urgent now and then. */
static void far_more_are_judged_once_a_second(void **state)
{
	static struct sim sim;

	(void)state;
	look_at(&sim, 2600);
	assert_int_equal(looks.longest_gap_ns, NS_PER_SEC);
	assert_in_range(looks.n, 2600 * (UNTIL_S - FROM_S - 2), 2600 * (UNTIL_S - FROM_S + 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(some_are_judged_at_each_tick),
		cmocka_unit_test(many_take_turns),
		cmocka_unit_test(far_more_are_judged_once_a_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
