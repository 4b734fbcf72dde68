/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * port_scan by example: scans of every shape and speed, and the many honest hosts whose connections fail.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "hand.h"

#define SCANNER "198.51.100.7"

static struct hand *source(const char *ip)
{
	return hand_create(&detector_port_scan, SUMMARY_SOURCE, ip);
}

/* n attempts, rate a second, to ports of one host; their outcome is known delay seconds later. */
static void scan_ports(struct hand *hand, double start, int n, double rate, double delay, enum hand_outcome outcome)
{
	struct flow_signal *attempts = calloc((size_t)n, sizeof(*attempts));
	int settled = 0;

	for (int i = 0; i < n; i++) {
		double now = start + i / rate;
		for (; settled < i && start + settled / rate + delay <= now; settled++)
			hand_settle(hand, &attempts[settled], start + settled / rate + delay, outcome);
		attempts[i] = hand_attempt(hand, now, hand->key.ip, hand_ip("203.0.113.5"), (uint16_t)(1 + i));
	}
	for (; settled < n; settled++)
		hand_settle(hand, &attempts[settled], start + settled / rate + delay, outcome);
	free(attempts);
}

static void scan_hosts(struct hand *hand, double start, int n, double rate, uint16_t port, enum hand_outcome outcome)
{
	for (int i = 0; i < n; i++) {
		struct flow_signal attempt =
			hand_attempt(hand, start + i / rate, hand->key.ip, hand_ip4(0xcb007100 + (uint32_t)i), port);
		hand_settle(hand, &attempt, start + i / rate, outcome);
	}
}

static void test_silent_ports_are_found_before_their_answers_are_overdue(void **state)
{
	(void)state;
	struct hand *hand = source(SCANNER);

	scan_ports(hand, 0, 1000, 761, 1.0, HAND_SILENT);
	hand_advance(hand, 3);
	assert_true(hand_raised_at(hand) > 0 && hand_raised_at(hand) < 1.0);
	assert_string_equal(hand->raised.class_name, "vertical_scan");
	assert_int_equal(hand->raised.severity, 3);
	assert_non_null(strstr(hand->alert.explanation, "203.0.113.5"));
	hand_destroy(hand);
}

static void test_refused_ports_are_found_at_once(void **state)
{
	(void)state;
	struct hand *hand = source(SCANNER);

	scan_ports(hand, 0, 300, 100, 0.001, HAND_REFUSED);
	assert_true(hand_raised_at(hand) > 0 && hand_raised_at(hand) <= 0.4);
	hand_destroy(hand);
}

static void test_half_open_scan_of_open_ports(void **state)
{
	(void)state;
	struct hand *hand = source(SCANNER);

	scan_ports(hand, 0, 100, 50, 0.02, HAND_HALF_OPEN_SCAN);
	assert_true(hand_raised_at(hand) > 0 && hand_raised_at(hand) <= 0.7);
	assert_non_null(strstr(hand->alert.explanation, " answered ("));
	hand_destroy(hand);
}

/* "tries about 120 ports of 203.0.113.5 (...) within 3 s; 60 answered (...)" */
static void numbers_of(const struct hand *hand, unsigned *tried, unsigned *answered)
{
	const char *tries = strstr(hand->alert.explanation, " tries ");
	const char *found = strstr(hand->alert.explanation, "; ");

	assert_non_null(tries);
	assert_non_null(found);
	assert_true(sscanf(tries, " tries about %u", tried) == 1 || sscanf(tries, " tries %u", tried) == 1);
	*answered = 0;
	sscanf(found, "; %u answered", answered);
}

/* A connect scan at 20 per second, of which half succeeds: it takes half a minute to be sure, but it is not slow. */
static void test_what_a_scan_finds_is_part_of_what_it_tries(void **state)
{
	(void)state;
	struct hand *hand = source(SCANNER);
	unsigned tried = 0;
	unsigned answered = 0;

	for (unsigned i = 0; i < 1200; i++) {
		double now = i / 20.0;
		struct flow_signal attempt = hand_attempt(hand, now, hand->key.ip, hand_ip4(0xcb007100 + i / 30),
							  (uint16_t)(20 + 7 * (i % 30)));
		hand_settle(hand, &attempt, now + 0.01,
			    (i * 2654435761U >> 16) % 100 < 48 ? HAND_COMPLETED : HAND_REFUSED);
		if (hand->n_raised == 0 || i % 100 != 0)
			continue;
		unsigned before = answered;
		numbers_of(hand, &tried, &answered);
		assert_true(answered <= tried);
		assert_true(answered >= before);
	}
	assert_int_equal(hand->n_raised, 1);
	assert_string_not_equal(hand->raised.class_name, "slow_scan");
	assert_null(strstr(hand->alert.explanation, "slowly"));
	hand_destroy(hand);
}

static void test_a_refusal_is_an_answer(void **state)
{
	(void)state;
	struct hand *hand = source(SCANNER);

	scan_ports(hand, 0, 300, 100, 0.001, HAND_REFUSED);
	assert_null(strstr(hand->alert.explanation, "none answered"));
	assert_non_null(strstr(hand->alert.explanation, "none is open"));
	hand_destroy(hand);
}

static void test_few_failing_ports_are_no_scan(void **state)
{
	(void)state;
	struct hand *hand = source(SCANNER);

	scan_ports(hand, 0, 18, 10, 0.001, HAND_REFUSED);
	hand_advance(hand, 30);
	assert_int_equal(hand->n_raised, 0);
	hand_destroy(hand);
}

static void test_slow_scan(void **state)
{
	(void)state;
	struct hand *hand = source(SCANNER);

	for (int i = 0; i < 35; i++) {
		struct flow_signal attempt =
			hand_attempt(hand, 30.0 * i, hand->key.ip, hand_ip("203.0.113.5"), (uint16_t)(20 + i));
		hand_settle(hand, &attempt, 30.0 * i + 1, HAND_SILENT);
	}
	assert_true(hand_raised_at(hand) > 17 * 30 && hand_raised_at(hand) <= 22 * 30);
	assert_string_equal(hand->raised.class_name, "slow_scan");
	assert_int_equal(hand->n_raised, 1);
	hand_advance(hand, 35 * 30 + 330);
	assert_true(hand_cleared_at(hand) > 0);
	hand_destroy(hand);
}

static void test_retries_to_one_dead_service(void **state)
{
	(void)state;
	struct hand *hand = source(SCANNER);

	for (int i = 0; i < 2000; i++) {
		struct flow_signal attempt = hand_attempt(hand, 0.05 * i, hand->key.ip, hand_ip("203.0.113.5"), 443);
		hand_settle(hand, &attempt, 0.05 * i, HAND_REFUSED);
	}
	assert_int_equal(hand->n_raised, 0);
	hand_destroy(hand);
}

/* Each peer has an address and a port of its own, and most are gone. */
static void test_peers_of_a_p2p_network(void **state)
{
	(void)state;
	struct hand *hand = source("10.0.2.15");

	for (int i = 0; i < 400; i++) {
		struct ip_addr peer = hand_ip4(0x50000000 + (uint32_t)i * 70001);
		uint16_t port = i % 4 == 0 ? 6346 : (uint16_t)(1024 + i * 97);
		struct flow_signal attempt = hand_attempt(hand, 0.2 * i, hand->key.ip, peer, port);
		hand_settle(hand, &attempt, 0.2 * i, i % 3 == 0 ? HAND_COMPLETED : HAND_SILENT_RETRIED);
	}
	assert_int_equal(hand->n_raised, 0);
	hand_destroy(hand);
}

static void test_crawler_and_mail_server_with_some_dead_hosts(void **state)
{
	(void)state;
	struct hand *hand = source("10.0.0.25");

	for (int i = 0; i < 2000; i++) {
		struct ip_addr server = hand_ip4(0x50000000 + (uint32_t)i * 70001);
		struct flow_signal attempt = hand_attempt(hand, 0.1 * i, hand->key.ip, server, 25);
		hand_settle(hand, &attempt, 0.1 * i, i % 6 == 0 ? HAND_SILENT_RETRIED : HAND_COMPLETED);
	}
	assert_int_equal(hand->n_raised, 0);
	hand_destroy(hand);
}

/* Answers take 300 ms. */
static void test_burst_of_a_health_checker(void **state)
{
	(void)state;
	struct hand *hand = source("10.0.0.9");
	struct flow_signal attempts[200];

	for (int i = 0; i < 200; i++)
		attempts[i] = hand_attempt(hand, 0.0005 * i, hand->key.ip, hand_ip4(0x0a010000 + (uint32_t)i), 8080);
	for (int i = 0; i < 200; i++)
		hand_settle(hand, &attempts[i], 0.3 + 0.0005 * i, HAND_COMPLETED);
	hand_advance(hand, 5);
	assert_int_equal(hand->n_raised, 0);
	hand_destroy(hand);
}

static void test_scan_from_behind_nat_beside_honest_traffic(void **state)
{
	(void)state;
	struct hand *hand = source("203.0.113.1");

	for (int i = 0; i < 3000; i++) {
		double now = 0.01 * i;
		struct flow_signal honest =
			hand_attempt(hand, now, hand->key.ip, hand_ip4(0x50000000 + (uint32_t)i * 70001), 443);
		hand_settle(hand, &honest, now, HAND_COMPLETED);
		if (i < 1000 || i % 4 != 0)
			continue;
		struct flow_signal probe =
			hand_attempt(hand, now, hand->key.ip, hand_ip4(0xc6336400 + (uint32_t)i), 445);
		hand_settle(hand, &probe, now, HAND_REFUSED);
	}
	assert_true(hand_raised_at(hand) > 10 && hand_raised_at(hand) < 13);
	assert_string_equal(hand->raised.class_name, "horizontal_scan");
	assert_non_null(strstr(hand->alert.explanation, "port 445"));
	hand_destroy(hand);
}

static void test_inside_source_is_more_serious(void **state)
{
	(void)state;
	struct hand *hand = source("10.1.2.3");

	scan_hosts(hand, 0, 100, 100, 445, HAND_REFUSED);
	assert_int_equal(hand->n_raised, 1);
	assert_int_equal(hand->raised.severity, 2);
	assert_string_equal(hand->raised.class_name, "horizontal_scan");
	assert_string_equal(hand->alert.mitre_technique, "T1046");
	hand_destroy(hand);
}

static void test_clears_soon_after_a_fast_scan(void **state)
{
	(void)state;
	struct hand *hand = source(SCANNER);

	scan_ports(hand, 0, 1000, 200, 0.01, HAND_REFUSED);
	hand_advance(hand, 60);
	assert_true(hand_cleared_at(hand) > 30 && hand_cleared_at(hand) <= 5 + 35);
	assert_int_equal(hand->n_raised, 1);
	hand_destroy(hand);
}

static void stealth_scan(struct hand *hand, enum flow_stray kind, int n)
{
	for (int i = 0; i < n; i++)
		hand_stray(hand, kind, 0.01 * i, hand->key.ip, 54321, hand_ip("203.0.113.5"), (uint16_t)(1 + i));
	hand_advance(hand, 0.01 * n + 5);
}

static void test_stealth_scans(void **state)
{
	(void)state;
	static const struct {
		enum flow_stray kind;
		const char *name;
	} cases[] = {
		{ STRAY_FIN, "stealth_fin_scan" },   { STRAY_NULL, "stealth_null_scan" },
		{ STRAY_XMAS, "stealth_xmas_scan" }, { STRAY_FIN_ACK, "stealth_maimon_scan" },
		{ STRAY_ACK, "stealth_ack_scan" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hand *hand = source(SCANNER);
		stealth_scan(hand, cases[i].kind, 200);
		assert_int_equal(hand->n_raised, 1);
		assert_string_equal(hand->raised.class_name, cases[i].name);
		hand_destroy(hand);
	}
}

static void test_one_probe_of_each_kind_is_no_scan(void **state)
{
	(void)state;
	struct hand *hand = source(SCANNER);

	for (int i = 0; i < 60; i++)
		hand_stray(hand, (enum flow_stray)(i % STRAY_COUNT), i, hand->key.ip, 54321, hand_ip("203.0.113.5"),
			   80);
	assert_int_equal(hand->n_raised, 0);
	hand_destroy(hand);
}

/* A server's connections, open before the run began: it sends on them, and its clients answer. */
static void test_server_picked_up_in_the_middle(void **state)
{
	(void)state;
	struct hand *hand = source("203.0.113.5");

	for (int i = 0; i < 500; i++) {
		struct ip_addr client = hand_ip4(0x50000000 + (uint32_t)i * 70001);
		hand_stray(hand, STRAY_ACK, 0.01 * i, hand->key.ip, 443, client, (uint16_t)(32768 + i * 50));
		hand_claim(hand, 0.01 * i + 0.005, hand->key.ip, 443, client, (uint16_t)(32768 + i * 50));
	}
	hand_advance(hand, 20);
	assert_int_equal(hand->n_raised, 0);
	hand_destroy(hand);
}

static void test_distributed_scan_of_a_host(void **state)
{
	(void)state;
	struct hand *hand = hand_create(&detector_port_scan, SUMMARY_HOST, "203.0.113.5");

	for (int i = 0; i < 400; i++) {
		struct ip_addr bot = hand_ip4(0x50000000 + (uint32_t)(i % 40) * 70001);
		struct flow_signal attempt = hand_attempt(hand, 0.05 * i, bot, hand->key.ip, (uint16_t)(1 + i));
		hand_settle(hand, &attempt, 0.05 * i, HAND_REFUSED);
	}
	assert_true(hand_raised_at(hand) > 0 && hand_raised_at(hand) < 6);
	assert_string_equal(hand->raised.class_name, "distributed_scan");
	assert_int_equal(hand->raised.severity, 3);
	hand_destroy(hand);
}

/* A client that fails in the span of time before is no reason to wait for the next. */
static void test_distributed_scan_is_found_beside_ordinary_failures(void **state)
{
	(void)state;
	struct hand *hand = hand_create(&detector_port_scan, SUMMARY_HOST, "203.0.113.5");
	struct flow_signal client = hand_attempt(hand, 3.5, hand_ip("192.0.2.1"), hand->key.ip, 443);

	hand_settle(hand, &client, 3.5, HAND_REFUSED);
	for (int i = 0; i < 200; i++) {
		struct ip_addr bot = hand_ip4(0x50000000 + (uint32_t)(i % 40) * 70001);
		struct flow_signal attempt = hand_attempt(hand, 4.1 + 0.005 * i, bot, hand->key.ip, (uint16_t)(1 + i));
		hand_settle(hand, &attempt, 4.1 + 0.005 * i, HAND_REFUSED);
	}
	assert_true(hand_raised_at(hand) > 4.1 && hand_raised_at(hand) < 5);
	assert_true(hand->raised.began_ns == HAND_START_NS + 4 * NS_PER_SEC);
	assert_string_equal(hand->raised.class_name, "distributed_scan");
	hand_destroy(hand);
}

static void test_scan_of_one_source_beside_others_is_no_distributed_scan(void **state)
{
	(void)state;
	struct hand *hand = hand_create(&detector_port_scan, SUMMARY_HOST, "203.0.113.5");

	for (int i = 0; i < 1000; i++) {
		uint32_t other = 0x50000000 + (uint32_t)(i % 13) * 70001;
		struct ip_addr ip = i % 5 != 0 ? hand_ip(SCANNER) : hand_ip4(other);
		struct flow_signal attempt = hand_attempt(hand, 3 + 0.005 * i, ip, hand->key.ip, (uint16_t)(1 + i));
		hand_settle(hand, &attempt, 3 + 0.005 * i, HAND_REFUSED);
	}
	assert_int_equal(hand->n_raised, 0);
	hand_destroy(hand);
}

static void test_spoofed_flood_of_random_ports_is_no_distributed_scan(void **state)
{
	(void)state;
	struct hand *hand = hand_create(&detector_port_scan, SUMMARY_HOST, "203.0.113.5");

	for (int i = 0; i < 3000; i++) {
		struct flow_signal attempt = hand_attempt(hand, 0.002 * i, hand_ip4(0x50000000 + (uint32_t)i * 70001),
							  hand->key.ip, (uint16_t)(1 + i * 7));
		hand_settle(hand, &attempt, 0.002 * i, HAND_SILENT);
	}
	hand_advance(hand, 20);
	assert_int_equal(hand->n_raised, 0);
	hand_destroy(hand);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_silent_ports_are_found_before_their_answers_are_overdue),
		cmocka_unit_test(test_refused_ports_are_found_at_once),
		cmocka_unit_test(test_half_open_scan_of_open_ports),
		cmocka_unit_test(test_what_a_scan_finds_is_part_of_what_it_tries),
		cmocka_unit_test(test_a_refusal_is_an_answer),
		cmocka_unit_test(test_few_failing_ports_are_no_scan),
		cmocka_unit_test(test_slow_scan),
		cmocka_unit_test(test_retries_to_one_dead_service),
		cmocka_unit_test(test_peers_of_a_p2p_network),
		cmocka_unit_test(test_crawler_and_mail_server_with_some_dead_hosts),
		cmocka_unit_test(test_burst_of_a_health_checker),
		cmocka_unit_test(test_scan_from_behind_nat_beside_honest_traffic),
		cmocka_unit_test(test_inside_source_is_more_serious),
		cmocka_unit_test(test_clears_soon_after_a_fast_scan),
		cmocka_unit_test(test_stealth_scans),
		cmocka_unit_test(test_one_probe_of_each_kind_is_no_scan),
		cmocka_unit_test(test_server_picked_up_in_the_middle),
		cmocka_unit_test(test_distributed_scan_of_a_host),
		cmocka_unit_test(test_distributed_scan_is_found_beside_ordinary_failures),
		cmocka_unit_test(test_scan_of_one_source_beside_others_is_no_distributed_scan),
		cmocka_unit_test(test_spoofed_flood_of_random_ports_is_no_distributed_scan),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
