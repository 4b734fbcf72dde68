/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * backscatter by example: answers of a flood's victim, and senders that only look like one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "hand.h"

static struct hand *sender(void)
{
	return hand_create(&detector_backscatter, SUMMARY_SOURCE, "198.51.100.80");
}

static struct ip_addr ours(int i)
{
	return hand_ip4(0xcb007100 + (uint32_t)i);
}

static void test_synacks_to_many(void **state)
{
	(void)state;
	struct hand *hand = sender();

	for (int i = 0; i < 100; i++)
		hand_stray(hand, STRAY_SYNACK, 1 + i * 0.1, hand->key.ip, 80, ours(i % 40), (uint16_t)(1024 + i * 331));
	assert_true(hand_raised_at(hand) > 0 && hand_raised_at(hand) <= 4);
	assert_int_equal(hand->raised.severity, 3);
	assert_non_null(strstr(hand->alert.explanation, "from port 80"));
	assert_non_null(strstr(hand->alert.explanation, "do not block it"));
	hand_advance(hand, 400);
	assert_true(hand_cleared_at(hand) > 300);
	assert_int_equal(hand->n_raised, 1);
	hand_destroy(hand);
}

static void test_one_in_a_minute(void **state)
{
	(void)state;
	struct hand *hand = sender();

	for (int i = 0; i < 30; i++)
		hand_stray(hand, STRAY_RST, 60.0 * i, hand->key.ip, 80, ours(i), (uint16_t)(1024 + i * 331));
	assert_true(hand_raised_at(hand) > 14 * 60 && hand_raised_at(hand) < 19 * 60);
	hand_destroy(hand);
}

static void test_too_few_addresses(void **state)
{
	(void)state;
	struct hand *hand = sender();

	for (int i = 0; i < 1000; i++)
		hand_stray(hand, STRAY_SYNACK, i * 0.1, hand->key.ip, 80, ours(i % 13), (uint16_t)(1024 + i * 31));
	assert_int_equal(hand->n_raised, 0);
	hand_destroy(hand);
}

static void test_server_whose_clients_are_not_seen(void **state)
{
	(void)state;
	struct hand *hand = sender();

	for (int i = 0; i < 200; i++) {
		hand_stray(hand, STRAY_SYNACK, i * 0.1, hand->key.ip, 443, ours(i % 60), (uint16_t)(1024 + i));
		hand_claim(hand, i * 0.1 + 0.05, hand->key.ip, 443, ours(i % 60), (uint16_t)(1024 + i));
	}
	assert_int_equal(hand->n_raised, 0);
	hand_destroy(hand);
}

/* It resets connections that were idle since before the run began. */
static void test_resets_of_a_load_balancer(void **state)
{
	(void)state;
	struct hand *hand = sender();

	for (int i = 0; i < 200; i++) {
		struct flow_signal signal = hand_signal(hand, SIGNAL_STRAY, i * 0.5, hand->key.ip, 443, ours(i), 50000);
		signal.isn = 0x12345678;
		hand_advance(hand, i * 0.5);
		hand_count(hand, (enum summary_counter)(SUMMARY_STRAYS + STRAY_RST), &signal);
		hand_crowd(hand, CROWD_STRAY, &signal);
	}
	assert_int_equal(hand->n_raised, 0);
	hand_destroy(hand);
}

/* The run begins in the middle of a flood: its victim repeats SYN-ACKs to SYNs that nobody saw. */
static void test_victim_of_a_flood_that_began_before(void **state)
{
	(void)state;
	struct hand *hand = sender();

	hand->sensor.totals[SUMMARY_ANSWERED] = 100;
	for (int i = 0; i < 500; i++)
		hand_stray(hand, STRAY_SYNACK, i * 0.1, hand->key.ip, 443, ours(i % 200), (uint16_t)(1024 + i));
	/* What comes after a minute begins anew: a straggler does not make the others count. */
	hand_stray(hand, STRAY_SYNACK, 80, hand->key.ip, 443, ours(3), 1027);
	hand_advance(hand, 100);
	assert_int_equal(hand->n_raised, 0);
	/* But who goes on has been asked by nobody. */
	for (int i = 0; i < 100; i++)
		hand_stray(hand, STRAY_SYNACK, 100 + i * 0.1, hand->key.ip, 443, ours(i % 30), (uint16_t)(1024 + i));
	assert_int_equal(hand->n_raised, 1);
	assert_non_null(strstr(hand->alert.explanation, " addresses here"));
	hand_destroy(hand);
}

static void test_a_straggler_begins_nothing(void **state)
{
	(void)state;
	struct hand *hand = sender();

	for (int i = 0; i < 40; i++)
		hand_stray(hand, STRAY_SYNACK, i * 0.5, hand->key.ip, 80, ours(i), (uint16_t)(1024 + i));
	assert_int_equal(hand->n_raised, 1);
	hand_advance(hand, 500);
	assert_true(hand_cleared_at(hand) > 300);
	hand_stray(hand, STRAY_SYNACK, 600, hand->key.ip, 80, ours(7), 1031);
	hand_advance(hand, 700);
	assert_int_equal(hand->n_raised, 1);
	hand_destroy(hand);
}

static void test_scan_by_acks_is_none(void **state)
{
	(void)state;
	struct hand *hand = sender();

	for (int i = 0; i < 200; i++)
		hand_stray(hand, i % 4 == 0 ? STRAY_RST : STRAY_ACK, i * 0.1, hand->key.ip, 80, ours(i), 80);
	assert_int_equal(hand->n_raised, 0);
	hand_destroy(hand);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_synacks_to_many),
		cmocka_unit_test(test_one_in_a_minute),
		cmocka_unit_test(test_too_few_addresses),
		cmocka_unit_test(test_server_whose_clients_are_not_seen),
		cmocka_unit_test(test_resets_of_a_load_balancer),
		cmocka_unit_test(test_victim_of_a_flood_that_began_before),
		cmocka_unit_test(test_a_straggler_begins_nothing),
		cmocka_unit_test(test_scan_by_acks_is_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
