/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tcpwitness/base/ip_prefix.h"

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

static struct ip_prefix prefix_of_text(const char *text)
{
	struct ip_prefix prefix;

	assert_int_equal(ip_prefix_parse(text, &prefix), IP_PREFIX_OK);
	return prefix;
}

static void what_is_written_is_read(void **state)
{
	static const struct {
		const char *text;
		enum ip_prefix_text result;
		const char *read; /* with OK and HOST_BITS */
	} cases[] = {
		{ "192.0.2.1", IP_PREFIX_OK, "192.0.2.1" },
		{ "192.0.2.1/32", IP_PREFIX_OK, "192.0.2.1" },
		{ "192.0.2.0/24", IP_PREFIX_OK, "192.0.2.0/24" },
		{ "0.0.0.0/0", IP_PREFIX_OK, "0.0.0.0/0" },
		{ "::/0", IP_PREFIX_OK, "::/0" },
		{ "2001:db8::/32", IP_PREFIX_OK, "2001:db8::/32" },
		{ "2001:db8::1", IP_PREFIX_OK, "2001:db8::1" },
		{ "2001:db8:0:8000::/49", IP_PREFIX_OK, "2001:db8:0:8000::/49" },
		{ "10.1.0.0/8", IP_PREFIX_HOST_BITS, "10.0.0.0/8" },
		{ "2001:db8::1/64", IP_PREFIX_HOST_BITS, "2001:db8::/64" },
		{ "10.0.0.0/33", IP_PREFIX_NO_LENGTH, "" },
		{ "2001:db8::/129", IP_PREFIX_NO_LENGTH, "" },
		{ "10.0.0.0/", IP_PREFIX_NO_LENGTH, "" },
		{ "10.0.0.0/8x", IP_PREFIX_NO_LENGTH, "" },
		{ "10.0.0.0/0008", IP_PREFIX_NO_LENGTH, "" },
		{ "10.0.0/8", IP_PREFIX_NO_ADDRESS, "" },
		{ "/8", IP_PREFIX_NO_ADDRESS, "" },
		{ "", IP_PREFIX_NO_ADDRESS, "" },
		{ "scanners", IP_PREFIX_NO_ADDRESS, "" },
		{ "1111111111111111111111111111111111111111111111111111111111/8", IP_PREFIX_NO_ADDRESS, "" },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		struct ip_prefix prefix = { .bits = 0 };
		char text[IP_ADDR_TEXT_BYTES];

		assert_int_equal(ip_prefix_parse(cases[i].text, &prefix), cases[i].result);
		assert_string_equal(ip_prefix_format(&prefix, text), cases[i].read);
	}
}

static void a_prefix_holds_what_begins_with_it(void **state)
{
	const struct ip_prefix ten = prefix_of_text("10.0.0.0/8");
	const struct ip_prefix odd = prefix_of_text("10.128.0.0/9");
	const struct ip_prefix host = prefix_of_text("10.200.3.4");
	const struct ip_prefix all = prefix_of_text("0.0.0.0/0");
	const struct ip_prefix doc = prefix_of_text("2001:db8::/32");
	const struct ip_prefix v6_all = prefix_of_text("::/0");
	const struct ip_prefix none = { .bits = 0 };

	(void)state;
	assert_true(ip_prefix_holds(&ten, &host));
	assert_true(ip_prefix_holds(&odd, &host));
	assert_true(ip_prefix_holds(&ten, &odd));
	assert_true(ip_prefix_holds(&ten, &ten));
	assert_true(ip_prefix_holds(&all, &ten));
	assert_false(ip_prefix_holds(&odd, &ten));
	assert_false(ip_prefix_holds(&host, &odd));
	assert_false(ip_prefix_holds(&all, &doc));
	assert_true(ip_prefix_holds(&v6_all, &doc));
	assert_false(ip_prefix_holds(&v6_all, &host));
	assert_false(ip_prefix_holds(&all, &none));
	assert_false(ip_prefix_holds(&none, &host));
	assert_true(ip_prefix_compare(&ten, &odd) < 0);
	assert_true(ip_prefix_compare(&all, &ten) < 0);
	assert_true(ip_prefix_compare(&doc, &host) > 0);
	assert_int_equal(ip_prefix_compare(&doc, &doc), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(a_prefix_holds_what_begins_with_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
