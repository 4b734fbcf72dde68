/* SPDX-License-Identifier: BSD-2-Clause */
/* Which row is the most specific one; the traps are prefixes in each other, ports in each other, and both versions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tcpwitness/detect/rule_match.h"

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

/* "" = every address. */
static struct ip_prefix prefix_of_text(const char *text)
{
	struct ip_prefix prefix = { .bits = 0 };

	if (text[0] != '\0')
		assert_int_equal(ip_prefix_parse(text, &prefix), IP_PREFIX_OK);
	return prefix;
}

static struct rule_match_row row(const char *prefix, uint16_t value)
{
	return (struct rule_match_row){ .prefix = prefix_of_text(prefix), .value = value };
}

static struct rule_match_row ports(const char *prefix, uint16_t first, uint16_t last, uint16_t value)
{
	return (struct rule_match_row){
		.prefix = prefix_of_text(prefix),
		.has_ports = true,
		.port_first = first,
		.port_last = last,
		.value = value,
	};
}

static int find(const struct rule_matcher *matcher, const char *prefix, int port)
{
	const struct rule_match_key key = {
		.prefix = prefix_of_text(prefix),
		.has_port = port >= 0,
		.port = (uint16_t)port,
	};

	return rule_matcher_find(matcher, &key);
}

static void the_longer_prefix_first_then_the_port(void **state)
{
	const struct rule_match_row rows[] = {
		row("10.0.0.0/8", 1),
		ports("10.0.0.0/8", 443, 443, 2),
		row("10.1.0.0/16", 3),
		row("10.1.2.3", 4),
		ports("10.1.2.3", 80, 90, 5),
		ports("", 443, 443, 6),
		row("2001:db8::/32", 7),
		row("2001:db8::7", 8),
		ports("10.1.2.0/24", 22, 22, 9),
	};
	struct rule_matcher *matcher = rule_matcher_create(rows, N_ELEMENTS(rows), NULL, NULL);

	(void)state;
	assert_int_equal(find(matcher, "10.9.9.9", -1), 1);
	assert_int_equal(find(matcher, "10.9.9.9", 80), 1);
	assert_int_equal(find(matcher, "10.9.9.9", 443), 2);
	assert_int_equal(find(matcher, "10.1.9.9", 443), 3); /* the prefix counts before the port */
	assert_int_equal(find(matcher, "10.1.2.3", 443), 4);
	assert_int_equal(find(matcher, "10.1.2.3", 85), 5);
	assert_int_equal(find(matcher, "10.1.2.3", 79), 4);
	assert_int_equal(find(matcher, "10.1.2.3", 91), 4);
	assert_int_equal(find(matcher, "10.1.2.4", 22), 9);
	assert_int_equal(find(matcher, "10.1.2.4", 23), 3); /* past a longer prefix whose ports are others */
	assert_int_equal(find(matcher, "192.0.2.1", 443), 6);
	assert_int_equal(find(matcher, "192.0.2.1", 80), -1);
	assert_int_equal(find(matcher, "2001:db8::7", 443), 8);
	assert_int_equal(find(matcher, "2001:db8::8", 443), 7);
	assert_int_equal(find(matcher, "2001:db9::8", 443), 6);
	assert_int_equal(find(matcher, "", 443), 6);
	assert_int_equal(find(matcher, "", -1), -1);
	/* A prefix is matched by what holds the whole of it. */
	assert_int_equal(find(matcher, "10.1.0.0/16", -1), 3);
	assert_int_equal(find(matcher, "10.0.0.0/15", -1), 1);
	assert_int_equal(find(matcher, "8.0.0.0/6", -1), -1);
	rule_matcher_destroy(matcher);
	assert_int_equal(rule_matcher_find(NULL, &(struct rule_match_key){ .port = 1 }), -1);
}

static void the_shortest_prefix_is_more_than_no_address(void **state)
{
	const struct rule_match_row rows[] = { row("", 1), row("0.0.0.0/0", 2), row("::/0", 3) };
	struct rule_matcher *matcher = rule_matcher_create(rows, N_ELEMENTS(rows), NULL, NULL);

	(void)state;
	assert_int_equal(find(matcher, "192.0.2.1", -1), 2);
	assert_int_equal(find(matcher, "2001:db8::1", -1), 3);
	assert_int_equal(find(matcher, "", -1), 1);
	rule_matcher_destroy(matcher);
}

struct clashes {
	unsigned n;
	uint16_t kept;
	uint16_t refused;
};

static void count_clash(void *context, const struct rule_match_row *kept, const struct rule_match_row *refused)
{
	struct clashes *clashes = context;

	clashes->n++;
	clashes->kept = kept->value;
	clashes->refused = refused->value;
}

static void what_is_equally_specific_clashes(void **state)
{
	static const struct {
		struct rule_match_row first;
		struct rule_match_row second;
		unsigned n;
	} cases[] = {
		{ { .value = 1 }, { .value = 2 }, 1 },
		{ { .value = 1 }, { .value = 1 }, 0 },
		{ { .value = 1 }, { .has_ports = true, .port_first = 1, .port_last = 9, .value = 2 }, 0 },
		{ { .has_ports = true, .port_first = 1, .port_last = 9, .value = 1 },
		  { .has_ports = true, .port_first = 9, .port_last = 9, .value = 2 },
		  1 },
		{ { .has_ports = true, .port_first = 5, .port_last = 6, .value = 1 },
		  { .has_ports = true, .port_first = 0, .port_last = 65535, .value = 2 },
		  1 },
		{ { .has_ports = true, .port_first = 1, .port_last = 9, .value = 1 },
		  { .has_ports = true, .port_first = 10, .port_last = 10, .value = 2 },
		  0 },
		{ { .has_ports = true, .port_first = 1, .port_last = 9, .value = 1 },
		  { .has_ports = true, .port_first = 5, .port_last = 12, .value = 1 },
		  0 },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		const struct rule_match_row rows[] = { cases[i].first, cases[i].second };
		struct clashes clashes = { .n = 0 };
		struct rule_matcher *matcher = rule_matcher_create(rows, 2, count_clash, &clashes);

		assert_int_equal(clashes.n, cases[i].n);
		assert_true(clashes.n == 0 || (clashes.kept == 1 && clashes.refused == 2));
		rule_matcher_destroy(matcher);
	}
}

/* What was given first keeps its ports; the other gets what is left on all sides. */
static void ports_in_each_other_are_shared_out(void **state)
{
	const struct rule_match_row rows[] = {
		ports("", 100, 199, 1),     ports("", 300, 399, 2), ports("", 0, 65535, 3),
		ports("", 65535, 65535, 4), ports("", 150, 350, 5),
	};
	struct rule_matcher *matcher = rule_matcher_create(rows, N_ELEMENTS(rows), NULL, NULL);

	(void)state;
	for (int port = 0; port <= 65535; port++) {
		int expected = port >= 100 && port < 200 ? 1 : port >= 300 && port < 400 ? 2 : 3;
		assert_int_equal(find(matcher, "", port), expected);
	}
	rule_matcher_destroy(matcher);
}

static void a_row_over_another_is_known(void **state)
{
	const struct rule_match_row rows[] = {
		row("10.0.0.0/8", 1),
		row("10.1.0.0/16", 2),
		ports("", 25, 25, 3),
		row("192.0.2.0/24", 4),
		ports("192.0.2.0/24", 80, 80, 5),
	};
	struct rule_matcher *matcher = rule_matcher_create(rows, N_ELEMENTS(rows), NULL, NULL);

	(void)state;
	assert_false(rule_matcher_covers(matcher, &rows[0]));
	assert_true(rule_matcher_covers(matcher, &rows[1]));
	assert_false(rule_matcher_covers(matcher, &rows[2]));
	assert_false(rule_matcher_covers(matcher, &rows[3]));
	assert_true(rule_matcher_covers(matcher, &rows[4]));
	rule_matcher_destroy(matcher);
}

/* The plain way: every row is looked at. */
static int find_slowly(const struct rule_match_row *rows, size_t n_rows, const struct rule_match_key *key)
{
	int best = -1;

	for (size_t i = 0; i < n_rows; i++) {
		const struct rule_match_row *r = &rows[i];
		bool is_any = r->prefix.ip.version == 0;

		if (!is_any && !ip_prefix_holds(&r->prefix, &key->prefix))
			continue;
		if (r->has_ports && (!key->has_port || key->port < r->port_first || key->port > r->port_last))
			continue;
		if (best < 0) {
			best = (int)i;
			continue;
		}
		const struct rule_match_row *b = &rows[best];
		bool best_is_any = b->prefix.ip.version == 0;
		if (best_is_any != is_any              ? best_is_any
		    : b->prefix.bits != r->prefix.bits ? b->prefix.bits < r->prefix.bits
						       : !b->has_ports && r->has_ports)
			best = (int)i;
	}
	return best < 0 ? -1 : rows[best].value;
}

static uint32_t random_next(uint32_t *random)
{
	*random = *random * 1664525u + 1013904223u;
	return *random >> 8;
}

static struct ip_prefix random_prefix(uint32_t *random, unsigned least_bits)
{
	struct ip_addr ip = { .version = random_next(random) % 2 != 0 ? 4 : 6 };
	unsigned max_bits = ip.version == 4 ? 32 : 128;

	/* Few values, so that prefixes meet. */
	for (unsigned i = 0; i < max_bits / 8; i++)
		ip.bytes[i] = (uint8_t)(random_next(random) % 2 * 128);
	return ip_prefix_of(&ip, (uint8_t)(least_bits + random_next(random) % (max_bits - least_bits + 1)));
}

static void the_fast_way_finds_what_the_plain_way_finds(void **state)
{
	uint32_t random = 1;

	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		struct rule_match_row rows[40];
		struct rule_matcher *matcher;

		for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
			rows[i] = (struct rule_match_row){ .value = (uint16_t)i };
			if (random_next(&random) % 8 != 0)
				rows[i].prefix = random_prefix(&random, 0);
			rows[i].has_ports = random_next(&random) % 2 != 0;
			rows[i].port_first = (uint16_t)(random_next(&random) % 20);
			rows[i].port_last = (uint16_t)(rows[i].port_first + random_next(&random) % 5);
		}
		matcher = rule_matcher_create(rows, N_ELEMENTS(rows), NULL, NULL);
		for (unsigned i = 0; i < 200; i++) {
			struct rule_match_key key = { .has_port = random_next(&random) % 2 != 0 };

			key.port = (uint16_t)(random_next(&random) % 25);
			if (random_next(&random) % 16 != 0)
				key.prefix = random_prefix(&random, 24);
			assert_int_equal(rule_matcher_find(matcher, &key), find_slowly(rows, N_ELEMENTS(rows), &key));
		}
		rule_matcher_destroy(matcher);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_longer_prefix_first_then_the_port),
		cmocka_unit_test(the_shortest_prefix_is_more_than_no_address),
		cmocka_unit_test(what_is_equally_specific_clashes),
		cmocka_unit_test(ports_in_each_other_are_shared_out),
		cmocka_unit_test(a_row_over_another_is_known),
		cmocka_unit_test(the_fast_way_finds_what_the_plain_way_finds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
