/* SPDX-License-Identifier: BSD-2-Clause */
/* The first vector is that of the published specification; the others were computed with Python's hashlib. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tcpwitness/events/community_id.h"

struct vector {
	const char *src;
	uint16_t src_port;
	const char *dst;
	uint16_t dst_port;
	const char *id;
};

static const struct vector vectors[] = {
	{ "128.232.110.120", 34855, "66.35.250.204", 80, "1:LQU9qZlK+B5F3KDmev6m5PMibrg=" },
	{ "10.0.0.1", 40000, "10.0.0.2", 80, "1:3k1SoWXs/FltHw2aBCgUTgbDQF4=" },
	{ "2001:db8::1", 40000, "2001:db8::2", 443, "1:RYG3Msb11GthNt1OYXJouPzmrvA=" },
	/* One host talks to itself: the lower port comes first. */
	{ "10.0.0.7", 12345, "10.0.0.7", 80, "1:74WiIVgltHGXmEhV+Rvr/xKmswM=" },
	{ "fe80::1", 1, "fe80::1", 2, "1:X7OTft7UHA5sWkq7ogqNK+xzpQ4=" },
};

static void matches_known_values_in_both_directions(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		const struct vector *v = &vectors[i];
		char text[COMMUNITY_ID_BYTES];
		struct ip_addr src;
		struct ip_addr dst;

		assert_true(ip_addr_parse(v->src, &src));
		assert_true(ip_addr_parse(v->dst, &dst));
		assert_ptr_equal(community_id(&src, v->src_port, &dst, v->dst_port, text), text);
		assert_string_equal(text, v->id);
		assert_string_equal(community_id(&dst, v->dst_port, &src, v->src_port, text), v->id);
	}
}

static void another_port_gives_another_id(void **state)
{
	char a[COMMUNITY_ID_BYTES];
	char b[COMMUNITY_ID_BYTES];
	struct ip_addr src;
	struct ip_addr dst;

	(void)state;
	assert_true(ip_addr_parse("192.0.2.1", &src));
	assert_true(ip_addr_parse("192.0.2.2", &dst));
	assert_string_not_equal(community_id(&src, 256, &dst, 1, a), community_id(&src, 1, &dst, 256, b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matches_known_values_in_both_directions),
		cmocka_unit_test(another_port_gives_another_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
