/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * synack_reflection by example: SYN-ACKs that nobody asked for, and those whose SYN was only not seen.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "hand.h"

static struct hand *victim(void)
{
	return hand_create(&detector_synack_reflection, SUMMARY_HOST, "203.0.113.5");
}

/* From so many servers, seconds long. */
static void reflect(struct hand *hand, double start, double seconds, double rate, int servers)
{
	for (int i = 0; i < seconds * rate; i++)
		hand_stray(hand, STRAY_SYNACK, start + i / rate, hand_ip4(0x50000000 + (uint32_t)(i % servers) * 70001),
			   443, hand->key.ip, (uint16_t)(1024 + i * 13 % 60000));
}

static void test_reflection_is_found_and_ends(void **state)
{
	(void)state;
	struct hand *hand = victim();

	reflect(hand, 5, 10, 500, 300);
	hand_advance(hand, 60);
	assert_true(hand_raised_at(hand) > 5 && hand_raised_at(hand) <= 6.0);
	assert_int_equal(hand->n_raised, 1);
	assert_true(hand_cleared_at(hand) > 45 && hand_cleared_at(hand) <= 50);
	hand_destroy(hand);
}

static void test_from_the_first_packet_on(void **state)
{
	(void)state;
	struct hand *hand = victim();

	reflect(hand, 0, 5, 500, 300);
	assert_true(hand_raised_at(hand) > 0 && hand_raised_at(hand) <= 1.7);
	hand_destroy(hand);
}

static void test_what_it_says(void **state)
{
	(void)state;
	struct hand *hand = victim();

	reflect(hand, 5, 3, 2000, 1000);
	assert_non_null(strstr(hand->alert.explanation, "203.0.113.5 gets "));
	assert_non_null(strstr(hand->alert.explanation, "most on port 443"));
	assert_int_equal(hand->finding.severity, 1);
	hand_destroy(hand);
}

static void test_below_the_floor(void **state)
{
	(void)state;
	struct hand *hand = victim();

	reflect(hand, 5, 20, 45, 40);
	assert_int_equal(hand->n_raised, 0);
	hand_destroy(hand);
}

static void test_few_servers_are_none(void **state)
{
	(void)state;
	struct hand *hand = victim();

	reflect(hand, 5, 5, 500, 5);
	assert_int_equal(hand->n_raised, 0);
	hand_destroy(hand);
}

/* The first SYN-ACKs of a run answer SYNs that passed before. */
static void test_busy_client_when_the_run_begins(void **state)
{
	(void)state;
	struct hand *hand = victim();

	reflect(hand, 0, 0.3, 1000, 300);
	hand_advance(hand, 10);
	assert_int_equal(hand->n_raised, 0);
	hand_destroy(hand);
}

/* Only what servers send passes the sensor; the data that follow show after 200 ms. */
static void test_one_way_view_of_a_busy_client(void **state)
{
	(void)state;
	struct hand *hand = victim();

	for (int i = 0; i < 5000; i++) {
		struct ip_addr server = hand_ip4(0x50000000 + (uint32_t)(i % 300) * 70001);
		hand_stray(hand, STRAY_SYNACK, i / 500.0, server, 443, hand->key.ip, (uint16_t)(1024 + i));
		if (i >= 100)
			hand_claim(hand, i / 500.0, server, 443, hand->key.ip, (uint16_t)(1024 + i - 100));
	}
	assert_int_equal(hand->n_raised, 0);
	hand_destroy(hand);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reflection_is_found_and_ends),
		cmocka_unit_test(test_from_the_first_packet_on),
		cmocka_unit_test(test_what_it_says),
		cmocka_unit_test(test_below_the_floor),
		cmocka_unit_test(test_few_servers_are_none),
		cmocka_unit_test(test_busy_client_when_the_run_begins),
		cmocka_unit_test(test_one_way_view_of_a_busy_client),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
