/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * connection_fan_out by example: a worm, fast and slow, and what only looks like one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "hand.h"

static struct hand *source(void)
{
	return hand_create(&detector_connection_fan_out, SUMMARY_SOURCE, "10.0.0.66");
}

static void try_hosts(struct hand *hand, int n, double rate, uint16_t port, enum hand_outcome outcome)
{
	double start = ns_to_seconds(hand->tick_ns - HAND_START_NS);

	for (int i = 0; i < n; i++) {
		struct flow_signal attempt = hand_attempt(hand, start + i / rate, hand->key.ip,
							  hand_ip4(0x0a010000 + (uint32_t)i * 17), port);
		hand_settle(hand, &attempt, start + i / rate, outcome);
	}
}

static void test_worm_is_found_within_seconds(void **state)
{
	(void)state;
	struct hand *hand = source();

	try_hosts(hand, 300, 20, 445, HAND_SILENT_RETRIED);
	assert_true(hand_raised_at(hand) > 0 && hand_raised_at(hand) < 3.5);
	assert_int_equal(hand->raised.severity, 2);
	assert_non_null(strstr(hand->alert.explanation, "port 445"));
	assert_non_null(strstr(hand->alert.explanation, "reached none"));
	assert_int_equal(hand->n_raised, 1);
	/* Much more of it is more serious. */
	assert_int_equal(hand->finding.severity, 1);
	hand_advance(hand, 60);
	assert_true(hand_cleared_at(hand) > 15 + 29 && hand_cleared_at(hand) < 15 + 35);
	hand_destroy(hand);
}

static void test_slow_worm(void **state)
{
	(void)state;
	struct hand *hand = source();

	try_hosts(hand, 140, 0.35, 23, HAND_SILENT_RETRIED);
	assert_true(hand_raised_at(hand) > 0 && hand_raised_at(hand) < 280);
	assert_int_equal(hand->n_raised, 1);
	assert_true(hand_cleared_at(hand) < 0);
	hand_destroy(hand);
}

/* A newsletter to old addresses: three quarters of the mail servers are gone, and some refuse. */
static void test_mail_to_old_addresses_is_no_worm(void **state)
{
	(void)state;
	struct hand *hand = source();
	static const enum hand_outcome outcomes[] = { HAND_SILENT_RETRIED, HAND_COMPLETED, HAND_SILENT_RETRIED,
						      HAND_REFUSED };

	for (int i = 0; i < 600; i++) {
		struct flow_signal attempt =
			hand_attempt(hand, i / 2.0, hand->key.ip, hand_ip4(0x40000000 + (uint32_t)i * 7919), 25);
		hand_settle(hand, &attempt, i / 2.0, outcomes[i % 4]);
	}
	assert_true(hand_raised_at(hand) > 0);
	assert_int_equal(hand->raised.severity, 3);
	assert_int_equal(hand->finding.severity, 3);
	assert_null(strstr(hand->alert.explanation, "worm"));
	hand_destroy(hand);
}

static void test_too_few_hosts(void **state)
{
	(void)state;
	struct hand *hand = source();

	try_hosts(hand, 44, 20, 445, HAND_SILENT_RETRIED);
	hand_advance(hand, 30);
	assert_int_equal(hand->n_raised, 0);
	hand_destroy(hand);
}

static void test_spreading_with_success_is_urgent(void **state)
{
	(void)state;
	struct hand *hand = source();

	for (int i = 0; i < 200; i++) {
		struct flow_signal attempt =
			hand_attempt(hand, i / 20.0, hand->key.ip, hand_ip4(0x0a010000 + (uint32_t)i * 17), 445);
		hand_settle(hand, &attempt, i / 20.0, i % 10 == 3 ? HAND_COMPLETED : HAND_SILENT_RETRIED);
	}
	assert_int_equal(hand->n_raised, 1);
	assert_int_equal(hand->raised.severity, 1);
	assert_non_null(strstr(hand->alert.explanation, "and at those it reached"));
	hand_destroy(hand);
}

static void test_single_syns_are_a_scan(void **state)
{
	(void)state;
	struct hand *hand = source();

	try_hosts(hand, 300, 20, 445, HAND_SILENT);
	assert_int_equal(hand->n_raised, 0);
	hand_destroy(hand);
}

static void test_crawler_with_many_dead_hosts(void **state)
{
	(void)state;
	struct hand *hand = source();

	for (int i = 0; i < 1000; i++) {
		struct flow_signal attempt =
			hand_attempt(hand, i / 50.0, hand->key.ip, hand_ip4(0x50000000 + (uint32_t)i * 70001), 443);
		hand_settle(hand, &attempt, i / 50.0, i % 2 == 0 ? HAND_COMPLETED : HAND_SILENT_RETRIED);
	}
	assert_int_equal(hand->n_raised, 0);
	hand_destroy(hand);
}

static void test_peers_of_a_p2p_network(void **state)
{
	(void)state;
	struct hand *hand = source();

	for (int i = 0; i < 400; i++) {
		struct flow_signal attempt =
			hand_attempt(hand, i / 10.0, hand->key.ip, hand_ip4(0x50000000 + (uint32_t)i * 70001),
				     (uint16_t)(1024 + i * 97));
		hand_settle(hand, &attempt, i / 10.0, i % 5 == 0 ? HAND_COMPLETED : HAND_SILENT_RETRIED);
	}
	assert_int_equal(hand->n_raised, 0);
	hand_destroy(hand);
}

/* All clients' attempts fail, and this one has many. */
static void test_network_that_is_cut(void **state)
{
	(void)state;
	struct hand *hand = source();

	for (int i = 0; i < 300; i++) {
		struct flow_signal attempt =
			hand_attempt(hand, i / 20.0, hand->key.ip, hand_ip4(0x0a010000 + (uint32_t)i * 17), 25);
		for (int other = 0; other < 4; other++)
			summary_count(&hand->sensor, SUMMARY_ATTEMPTS, attempt.since_ns);
		hand_settle(hand, &attempt, i / 20.0, HAND_SILENT_RETRIED);
	}
	assert_int_equal(hand->n_raised, 0);
	hand_destroy(hand);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_worm_is_found_within_seconds),
		cmocka_unit_test(test_slow_worm),
		cmocka_unit_test(test_mail_to_old_addresses_is_no_worm),
		cmocka_unit_test(test_too_few_hosts),
		cmocka_unit_test(test_spreading_with_success_is_urgent),
		cmocka_unit_test(test_single_syns_are_a_scan),
		cmocka_unit_test(test_crawler_with_many_dead_hosts),
		cmocka_unit_test(test_peers_of_a_p2p_network),
		cmocka_unit_test(test_network_that_is_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
