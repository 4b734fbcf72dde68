/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is counted of a client's ports, and that it does not matter which tracker saw which connection.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "port_use.h"
#include "random.h"

#define START_NS (UINT64_C(1795132800) * NS_PER_SEC)

enum { TRACKERS = 4 };

static struct flow_signal signal_at(enum flow_signal_kind kind, double at, uint16_t port)
{
	return (struct flow_signal){
		.kind = kind,
		.completed = true,
		.client_port = port,
		.now_ns = START_NS + (uint64_t)(at * 1e9),
		.since_ns = START_NS + (uint64_t)(at * 1e9),
		.ttl = 64,
	};
}

static void test_counts_by_second(void **state)
{
	static struct port_use use;
	(void)state;

	port_use_init(&use, START_NS);
	for (int i = 0; i < 10; i++) {
		struct flow_signal signal = signal_at(SIGNAL_COMPLETED, 1.05 + i * 0.1, (uint16_t)(40000 + i));
		port_use_signal(&use, &signal);
	}
	struct flow_signal closed = signal_at(SIGNAL_CLOSED, 3.5, 40000);
	closed.since_ns = START_NS + NS_PER_SEC;
	port_use_signal(&use, &closed);
	struct flow_signal waits = signal_at(SIGNAL_TIME_WAIT, 3.5, 40000);
	port_use_signal(&use, &waits);
	assert_int_equal(port_use_active(&use), 9);
	assert_int_equal(port_use_slot_at(&use, START_NS + NS_PER_SEC)->opened, 10);
	assert_int_equal(port_use_slot_at(&use, START_NS + NS_PER_SEC)->opened_odd, 5);
	const struct port_use_slot *slot = port_use_slot_at(&use, START_NS + 3 * NS_PER_SEC);
	assert_int_equal(slot->closed, 1);
	assert_int_equal(slot->lived_ms, 2500);
	assert_int_equal(slot->waiting, 1);
	assert_null(port_use_slot_at(&use, START_NS + 2 * NS_PER_SEC));
	/* The new connection frees nothing: one TIME_WAIT less is in that second's ring, and one connection more. */
	struct flow_signal again = signal_at(SIGNAL_TIME_WAIT_OVER, 7.0, 40000);
	again.since_ns = START_NS + 3500 * NS_PER_MS;
	again.reused = true;
	port_use_signal(&use, &again);
	assert_int_equal(slot->waiting, 0);
	assert_int_equal(use.cut_short, 1);
	assert_int_equal(use.gaps[2].count, 1);
	assert_int_equal(use.gaps[2].shortest_ms, 3500);
}

static void test_what_began_before_is_not_counted(void **state)
{
	static struct port_use use;
	(void)state;

	port_use_init(&use, START_NS + 10 * NS_PER_SEC);
	struct flow_signal closed = signal_at(SIGNAL_CLOSED, 11, 40000);
	closed.since_ns = START_NS + 9 * NS_PER_SEC;
	port_use_signal(&use, &closed);
	assert_int_equal(port_use_active(&use), 0);
	/* Its TIME_WAIT holds a port whoever saw it begin. */
	struct flow_signal waits = signal_at(SIGNAL_TIME_WAIT, 11, 40000);
	port_use_signal(&use, &waits);
	assert_int_equal(port_use_slot_at(&use, START_NS + 11 * NS_PER_SEC)->waiting, 1);
}

/* Its SYN was missed; it holds a port all the same, and is no sign of another stack. */
static void test_connections_picked_up_in_their_middle(void **state)
{
	static struct port_use use;
	struct flow_signal joined = signal_at(SIGNAL_JOINED, 1, 40000);
	struct flow_signal closed = signal_at(SIGNAL_CLOSED, 2, 40000);
	(void)state;

	port_use_init(&use, START_NS);
	port_use_signal(&use, &joined);
	assert_int_equal(port_use_active(&use), 1);
	port_use_signal(&use, &closed);
	assert_int_equal(port_use_active(&use), 0);
	for (int i = 0; i < PORT_STACKS; i++)
		assert_int_equal(use.stacks[i], 0);
	/* More ends than beginnings: what was missed is not less than nothing. */
	port_use_signal(&use, &closed);
	assert_int_equal(port_use_active(&use), 0);
}

/* 256 ports were in use when the pair came to attention; of its connections before, nobody noted when they came. */
static void test_what_is_known_already_is_spread(void **state)
{
	static struct port_use use;
	uint32_t opened = 0;
	uint32_t waiting = 0;
	(void)state;

	port_use_begin(&use, START_NS + 5 * NS_PER_SEC, START_NS + 17 * NS_PER_SEC, 56, 200);
	for (int i = 0; i < 30; i++) {
		const struct port_use_slot *slot = port_use_slot_at(&use, START_NS + (uint64_t)i * NS_PER_SEC);
		assert_true((slot != NULL) == (i >= 5 && i <= 17));
		if (slot == NULL)
			continue;
		assert_true(slot->opened >= 19 && slot->opened <= 20);
		opened += slot->opened;
		waiting += slot->waiting;
	}
	assert_int_equal(opened, 256);
	assert_int_equal(waiting, 200);
	assert_int_equal(port_use_active(&use), 56);
	/* One that was open already closes. */
	struct flow_signal closed = signal_at(SIGNAL_CLOSED, 18, 40000);
	closed.since_ns = START_NS + 6 * NS_PER_SEC;
	port_use_signal(&use, &closed);
	assert_int_equal(port_use_active(&use), 55);
}

/* Options as the decoder hashes them. */
static uint32_t layout_of(const char *kinds)
{
	uint32_t layout = UINT32_C(2166136261);

	for (; *kinds != '\0'; kinds++)
		layout = (layout ^ (uint32_t)(*kinds - '0')) * UINT32_C(16777619);
	return layout;
}

static void test_stacks(void **state)
{
	(void)state;
	assert_int_equal(port_use_stack_of(61, 64240, layout_of("24813")), PORT_STACK_LINUX);
	assert_int_equal(port_use_stack_of(61, 29200, layout_of("211413")), PORT_STACK_LINUX);
	assert_int_equal(port_use_stack_of(118, 64240, layout_of("213114")), PORT_STACK_WINDOWS);
	assert_int_equal(port_use_stack_of(118, 8192, layout_of("21348")), PORT_STACK_WINDOWS);
	assert_int_equal(port_use_stack_of(64, 65535, layout_of("21311840")), PORT_STACK_MACOS);
	assert_int_equal(port_use_stack_of(64, 65535, layout_of("21348")), PORT_STACK_FREEBSD);
	assert_int_equal(port_use_stack_of(242, 0, 0), PORT_STACK_OTHER);
}

/* Connections of all kinds over 700 s, longer than the ring; each belongs to one tracker, by its port. */
static void feed(struct port_use *uses, unsigned n_uses)
{
	struct random random = { 7 };

	for (unsigned i = 0; i < n_uses; i++)
		port_use_init(&uses[i], START_NS);
	for (int i = 0; i < 20000; i++) {
		double at = i * 0.035;
		uint16_t port = (uint16_t)(1024 + random_u64(&random) % 60000);
		struct port_use *use = &uses[port % n_uses];
		static const enum flow_signal_kind kinds[] = { SIGNAL_COMPLETED,      SIGNAL_CLOSED,
							       SIGNAL_TIME_WAIT,      SIGNAL_SERVER_TIME_WAIT,
							       SIGNAL_TIME_WAIT_OVER, SIGNAL_SERVER_TIME_WAIT_OVER };
		struct flow_signal signal = signal_at(kinds[random_u64(&random) % 6], at, port);
		signal.reused = random_u64(&random) % 2 == 0;
		signal.ttl = (uint8_t)(50 + random_u64(&random) % 80);
		if (signal.kind != SIGNAL_COMPLETED)
			signal.since_ns -= random_u64(&random) % (at < 20 ? 1 : 20) * NS_PER_SEC;
		port_use_signal(use, &signal);
	}
}

static void test_merging_equals_one_tracker(void **state)
{
	static struct port_use parts[TRACKERS];
	static struct port_use merged;
	static struct port_use backwards;
	(void)state;

	feed(parts, TRACKERS);
	merged = parts[0];
	for (int i = 1; i < TRACKERS; i++)
		port_use_merge(&merged, &parts[i]);
	/* ((3 + 2) + (1 + 0)): another order and grouping. */
	port_use_merge(&parts[1], &parts[0]);
	backwards = parts[3];
	port_use_merge(&backwards, &parts[2]);
	port_use_merge(&backwards, &parts[1]);
	assert_memory_equal(&merged, &backwards, sizeof(merged));
	assert_true(merged.opened > 2000 && merged.cut_short > 500);
}

/* TIME_WAITs end on the ports on which they began, so even what is taken back is the same. */
static void test_one_client_on_four_trackers(void **state)
{
	static struct port_use parts[TRACKERS];
	static struct port_use one;
	(void)state;

	port_use_init(&one, START_NS);
	for (int i = 0; i < TRACKERS; i++)
		port_use_init(&parts[i], START_NS);
	for (int i = 0; i < 30000; i++) {
		uint16_t port = (uint16_t)(32768 + i * 2 % 4000);
		double at = i * 0.025;
		struct flow_signal life[] = {
			signal_at(SIGNAL_TIME_WAIT_OVER, at, port),
			signal_at(SIGNAL_COMPLETED, at, port),
			signal_at(SIGNAL_CLOSED, at + 0.01, port),
			signal_at(SIGNAL_TIME_WAIT, at + 0.01, port),
		};
		life[0].reused = i >= 2000;
		life[0].since_ns -= i >= 2000 ? (uint64_t)49990 * NS_PER_MS : 0;
		life[2].since_ns = life[1].since_ns;
		for (int k = 0; k < 4; k++) {
			port_use_signal(&one, &life[k]);
			port_use_signal(&parts[port / 2 % TRACKERS], &life[k]);
		}
	}
	for (int i = 1; i < TRACKERS; i++)
		port_use_merge(&parts[0], &parts[i]);
	assert_memory_equal(&one, &parts[0], sizeof(one));
	assert_int_equal(port_use_active(&one), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts_by_second),
		cmocka_unit_test(test_what_began_before_is_not_counted),
		cmocka_unit_test(test_connections_picked_up_in_their_middle),
		cmocka_unit_test(test_what_is_known_already_is_spread),
		cmocka_unit_test(test_stacks),
		cmocka_unit_test(test_merging_equals_one_tracker),
		cmocka_unit_test(test_one_client_on_four_trackers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
