/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * out_of_state_flood by example: floods by kind, and connections that began unseen.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "hand.h"

static struct hand *victim(void)
{
	return hand_create(&detector_out_of_state_flood, SUMMARY_HOST, "203.0.113.5");
}

static void flood(struct hand *hand, enum flow_stray kind, double start, double seconds, double rate)
{
	for (int i = 0; i < seconds * rate; i++)
		hand_stray(hand, kind, start + i / rate, hand_ip4(0x50000000 + (uint32_t)i * 70001),
			   (uint16_t)(1024 + i * 13 % 60000), hand->key.ip, 80);
}

static void test_each_kind_is_found_by_its_name(void **state)
{
	(void)state;
	static const struct {
		enum flow_stray kind;
		const char *name;
	} cases[] = {
		{ STRAY_ACK, "ack_flood" },     { STRAY_RST, "rst_flood" },   { STRAY_FIN, "fin_flood" },
		{ STRAY_FIN_ACK, "fin_flood" }, { STRAY_XMAS, "xmas_flood" }, { STRAY_NULL, "null_flood" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hand *hand = victim();
		flood(hand, cases[i].kind, 7, 4, 500);
		assert_true(hand_raised_at(hand) > 7 && hand_raised_at(hand) <= 8.5);
		assert_string_equal(hand->raised.class_name, cases[i].name);
		assert_non_null(strstr(hand->alert.explanation, "most to port 80"));
		hand_destroy(hand);
	}
}

static void test_from_the_first_packet_on(void **state)
{
	(void)state;
	struct hand *hand = victim();

	flood(hand, STRAY_ACK, 0, 3, 500);
	assert_true(hand_raised_at(hand) > 0 && hand_raised_at(hand) <= 1.5);
	hand_destroy(hand);
}

static void test_life(void **state)
{
	(void)state;
	struct hand *hand = victim();

	flood(hand, STRAY_ACK, 10, 20, 1000);
	hand_advance(hand, 100);
	assert_int_equal(hand->n_raised, 1);
	assert_true(hand_cleared_at(hand) > 60 && hand_cleared_at(hand) <= 65);
	hand_destroy(hand);
}

static void test_below_the_floor(void **state)
{
	(void)state;
	struct hand *hand = victim();

	flood(hand, STRAY_ACK, 10, 20, 180);
	assert_int_equal(hand->n_raised, 0);
	hand_destroy(hand);
}

/* Thousands of connections were open before, and all of them show within seconds. */
static void test_busy_server_when_the_run_begins(void **state)
{
	(void)state;
	struct hand *hand = victim();

	for (int i = 0; i < 6000; i++) {
		struct ip_addr client = hand_ip4(0x50000000 + (uint32_t)i * 70001);
		hand_stray(hand, STRAY_ACK, i / 2000.0, client, (uint16_t)(1024 + i), hand->key.ip, 443);
		if (i >= 400)
			hand_claim(hand, i / 2000.0, client, (uint16_t)(1024 + i - 400), hand->key.ip, 443);
	}
	hand_advance(hand, 10);
	assert_int_equal(hand->n_raised, 0);
	hand_destroy(hand);
}

/* Clients' acknowledgements of downloads, and nothing of what the server sends. */
static void test_one_way_view_of_downloads(void **state)
{
	(void)state;
	struct hand *hand = victim();

	for (int i = 0; i < 20000; i++) {
		struct flow_signal signal =
			hand_signal(hand, SIGNAL_STRAY, i / 2000.0, hand_ip4(0x50000000 + (uint32_t)i % 50), 50000,
				    hand->key.ip, 443);
		signal.flow_id = 1 + (uint64_t)i % 50;
		hand_advance(hand, i / 2000.0);
		hand_count(hand, (enum summary_counter)(SUMMARY_STRAYS + STRAY_ACK), &signal);
		hand_crowd(hand, CROWD_STRAY, &signal);
	}
	assert_int_equal(hand->n_raised, 0);
	hand_destroy(hand);
}

/* The host scans by Xmas segments, and closed ports refuse. */
static void test_answers_to_a_stealth_scan(void **state)
{
	(void)state;
	struct hand *hand = victim();

	for (int i = 0; i < 3000; i++)
		hand_stray(hand, STRAY_RST, 10 + i / 1000.0, hand_ip("198.51.100.1"), (uint16_t)(1 + i), hand->key.ip,
			   54321);
	hand_advance(hand, 20);
	assert_int_equal(hand->n_raised, 0);
	hand_destroy(hand);
}

static void test_usual_strays_are_learned(void **state)
{
	(void)state;
	struct hand *hand = victim();

	flood(hand, STRAY_FIN_ACK, 10, 200, 50);
	flood(hand, STRAY_FIN_ACK, 210, 10, 400);
	assert_int_equal(hand->n_raised, 0);
	hand_destroy(hand);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_kind_is_found_by_its_name),
		cmocka_unit_test(test_from_the_first_packet_on),
		cmocka_unit_test(test_life),
		cmocka_unit_test(test_below_the_floor),
		cmocka_unit_test(test_busy_server_when_the_run_begins),
		cmocka_unit_test(test_one_way_view_of_downloads),
		cmocka_unit_test(test_answers_to_a_stealth_scan),
		cmocka_unit_test(test_usual_strays_are_learned),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
