/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pending_profile by example: attempts stand out when they take longer than the target's handshakes usually do, and
 * when nothing else explains it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "tcpwitness/base/units.h"

#include "pending_profile.h"

#define BEGIN_NS (UINT64_C(1795132800) * NS_PER_SEC)
#define TICK_NS  (100 * NS_PER_MS)

enum { TICKS_PER_S = 10, MAX_DELAY = 16 };

/* Handshakes that will complete. */
struct due {
	unsigned n;
	uint64_t since_ns;
};

/* A target, and what was seen of it until now. */
struct target {
	struct summary summary;
	struct summary_slot slots[SUMMARY_SLOTS];
	struct pending_profile profile;
	struct pending_excess excess; /* as found at the last tick */
	struct pending_excess first;  /* the first that was found */
	double first_s;               /* when, since the last change of traffic; < 0 = not yet */
	double change_s;
	uint64_t tick;
	struct due due[MAX_DELAY]; /* by the tick in which they complete */
	double owed;               /* attempts, less than one */
	double owed_failing;
};

static struct target *begin(void)
{
	static struct target target;

	memset(&target, 0, sizeof(target));
	target.summary.since_ns = BEGIN_NS;
	summary_begin_slots(&target.summary, target.slots);
	target.first_s = -1;
	return &target;
}

static uint64_t now_ns(const struct target *target)
{
	return BEGIN_NS + target->tick * TICK_NS;
}

static unsigned count_attempts(struct target *target, double *owed, double per_second)
{
	unsigned n = (unsigned)(*owed += per_second / TICKS_PER_S);

	*owed -= n;
	for (unsigned i = 0; i < n; i++)
		summary_count(&target->summary, SUMMARY_ATTEMPTS, now_ns(target));
	return n;
}

static void complete(struct target *target, struct due due)
{
	for (unsigned i = 0; i < due.n; i++) {
		summary_count(&target->summary, SUMMARY_ANSWERED, due.since_ns);
		summary_count(&target->summary, SUMMARY_HALF_OPEN_ENDED, due.since_ns);
		summary_count(&target->summary, SUMMARY_COMPLETED, due.since_ns);
	}
}

struct traffic {
	double completing;     /* attempts per second */
	unsigned handshake;    /* ticks that these take */
	double failing;        /* attempts per second that never complete */
	bool failing_answered; /* by SYN-ACK */
	double least;          /* the excess that is asked for; 0 = 8 */
	const struct summary *handshakes;
};

/* The same traffic for so long; an excess is looked for at each tick. */
static void pass(struct target *target, struct traffic traffic, double seconds)
{
	target->first_s = -1;
	target->change_s = (double)target->tick / TICKS_PER_S;
	for (uint64_t end = target->tick + (uint64_t)lround(seconds * TICKS_PER_S); target->tick < end;) {
		unsigned n = count_attempts(target, &target->owed, traffic.completing);
		target->due[(target->tick + traffic.handshake) % MAX_DELAY] = (struct due){ n, now_ns(target) };
		n = count_attempts(target, &target->owed_failing, traffic.failing);
		for (unsigned i = 0; i < n && traffic.failing_answered; i++)
			summary_count(&target->summary, SUMMARY_ANSWERED, now_ns(target));
		target->tick++;
		complete(target, target->due[target->tick % MAX_DELAY]);
		pending_profile_excess(&target->profile, &target->summary, traffic.handshakes, now_ns(target),
				       traffic.least > 0 ? traffic.least : 8, &target->excess);
		pending_profile_learn(&target->profile, &target->summary, now_ns(target));
		if (target->excess.excess > 0 && target->first_s < 0) {
			target->first_s = (double)target->tick / TICKS_PER_S - target->change_s;
			target->first = target->excess;
		}
	}
}

static void assert_nothing_stands_out(const struct target *target)
{
	assert_true(target->first_s < 0);
}

/* --- what stands out --- */

static void attempts_that_ought_to_be_complete_stand_out(void **state)
{
	struct target *target = begin();

	(void)state;
	pass(target, (struct traffic){ .completing = 20, .handshake = 1 }, 60);
	pass(target, (struct traffic){ .completing = 20, .handshake = 1, .failing = 200 }, 1);
	assert_true(target->first_s > 0 && target->first_s <= 0.5);
	/* By then all of the flood is the excess, within a tick, and nobody has answered it. */
	assert_true(target->excess.excess > 150 && target->excess.excess <= 200);
	assert_true(target->excess.pending >= target->excess.excess);
	assert_true(target->excess.answered == 0 && target->excess.completed > 0);
	assert_true(target->excess.seconds <= 1.5);
	assert_true(target->excess.first * SUMMARY_SLOT_NS >= BEGIN_NS + 59 * NS_PER_SEC);
}

/* The target's own standards: what is late on a short path is not yet late on a long one. */
static void the_slower_the_target_the_later_they_stand_out(void **state)
{
	double found_s[2];

	(void)state;
	for (unsigned k = 0; k < 2; k++) {
		struct target *target = begin();
		unsigned handshake = k == 0 ? 1 : 6;
		pass(target, (struct traffic){ .completing = 50, .handshake = handshake }, 60);
		pass(target, (struct traffic){ .completing = 50, .handshake = handshake, .failing = 100 }, 2);
		assert_true(target->first_s > 0);
		found_s[k] = target->first_s;
	}
	assert_true(found_s[0] + 0.3 <= found_s[1] && found_s[1] <= 1.2);
}

static void attempts_that_are_answered_and_left_are_told_from_those_that_are_not(void **state)
{
	struct target *target = begin();

	(void)state;
	pass(target, (struct traffic){ .completing = 20, .handshake = 1 }, 60);
	pass(target, (struct traffic){ .completing = 20, .handshake = 1, .failing = 200, .failing_answered = true }, 1);
	assert_true(target->excess.answered > 150);
	assert_true(target->excess.reset == 0);
}

/* --- what does not --- */

static void a_surge_that_fares_as_always_is_none(void **state)
{
	struct target *target = begin();

	(void)state;
	pass(target, (struct traffic){ .completing = 20, .handshake = 3 }, 60);
	pass(target, (struct traffic){ .completing = 1000, .handshake = 3 }, 10);
	assert_nothing_stands_out(target);
	/* Were they half a second slower, they would stand out. */
	pass(target, (struct traffic){ .completing = 1000, .handshake = 8 }, 3);
	assert_true(target->first_s > 0);
}

static void less_than_is_asked_for_is_none(void **state)
{
	(void)state;
	for (unsigned k = 0; k < 2; k++) {
		struct target *target = begin();
		pass(target, (struct traffic){ .completing = 20, .handshake = 1 }, 60);
		/* In the 1.5 s that are looked at there are at most 150. */
		pass(target,
		     (struct traffic){ .completing = 20, .handshake = 1, .failing = 100, .least = k == 0 ? 160 : 120 },
		     5);
		assert_int_equal(target->first_s > 0, k);
	}
}

/* One in fifty never completes, wherever; that is not the matter of anybody's flood. */
static void the_few_that_never_complete_are_none(void **state)
{
	struct target *target = begin();

	(void)state;
	pass(target, (struct traffic){ .completing = 490, .handshake = 1, .failing = 10, .least = 1 }, 60);
	assert_nothing_stands_out(target);
	pass(target, (struct traffic){ .completing = 490, .handshake = 1, .failing = 60, .least = 1 }, 10);
	assert_true(target->first_s > 0);
}

/* --- what it is told of nothing yet --- */

/* Without a handshake known, none is late for 0.3 s. */
static void of_an_unknown_target_nothing_is_late_at_once(void **state)
{
	struct target *target = begin();

	(void)state;
	pass(target, (struct traffic){ .failing = 400 }, 0.3);
	assert_nothing_stands_out(target);
	pass(target, (struct traffic){ .failing = 400 }, 1);
	assert_true(target->first_s > 0 && target->first_s <= 0.5);
}

/* The handshakes of others, of the host or the sensor, tell what to expect: these take half a second. */
static void of_an_unknown_target_the_handshakes_of_others_tell(void **state)
{
	struct summary slow = { 0 };
	struct target *target = begin();

	(void)state;
	for (int i = 0; i < 100; i++)
		summary_count_handshake(&slow, 500 * NS_PER_MS);
	pass(target, (struct traffic){ .failing = 400, .handshakes = &slow }, 0.6);
	assert_nothing_stands_out(target);
	pass(target, (struct traffic){ .failing = 400, .handshakes = &slow }, 1);
	assert_true(target->first_s > 0);
}

/* --- what it learns --- */

static void a_flood_cannot_teach_it(void **state)
{
	struct target *target = begin();
	struct traffic flood = { .completing = 20, .handshake = 1, .failing = 200 };

	(void)state;
	pass(target, (struct traffic){ .completing = 20, .handshake = 1 }, 60);
	pass(target, flood, 5);
	double early = target->excess.excess;
	pass(target, flood, 120);
	assert_true(early > 150);
	assert_true(fabs(target->excess.excess - early) < 5);
}

/* The way of the packets changed, and every handshake is half a second longer from now on. */
static void a_target_that_becomes_slower_is_known_again_soon(void **state)
{
	struct target *target = begin();
	struct traffic slower = { .completing = 100, .handshake = 6 };

	(void)state;
	pass(target, (struct traffic){ .completing = 100, .handshake = 1 }, 300);
	pass(target, slower, 2);
	assert_true(target->first_s > 0);
	pass(target, slower, 58);
	pass(target, slower, 30);
	assert_nothing_stands_out(target);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(attempts_that_ought_to_be_complete_stand_out),
		cmocka_unit_test(the_slower_the_target_the_later_they_stand_out),
		cmocka_unit_test(attempts_that_are_answered_and_left_are_told_from_those_that_are_not),
		cmocka_unit_test(a_surge_that_fares_as_always_is_none),
		cmocka_unit_test(less_than_is_asked_for_is_none),
		cmocka_unit_test(the_few_that_never_complete_are_none),
		cmocka_unit_test(of_an_unknown_target_nothing_is_late_at_once),
		cmocka_unit_test(of_an_unknown_target_the_handshakes_of_others_tell),
		cmocka_unit_test(a_flood_cannot_teach_it),
		cmocka_unit_test(a_target_that_becomes_slower_is_known_again_soon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
