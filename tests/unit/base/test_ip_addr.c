/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses as text (RFC 5952 for IPv6) and their order. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <string.h>

#include "random.h"
#include "tcpwitness/base/ip_addr.h"

static struct ip_addr parse(const char *text)
{
	struct ip_addr addr;

	if (!ip_addr_parse(text, &addr))
		fail_msg("'%s' is refused", text);
	return addr;
}

static void test_ipv4_bytes(void **state)
{
	const struct ip_addr addr = parse("192.0.2.1");
	const uint8_t expected[16] = { 192, 0, 2, 1 };

	(void)state;
	assert_int_equal(addr.version, 4);
	assert_memory_equal(addr.bytes, expected, sizeof(expected));
}

static void test_ipv6_bytes(void **state)
{
	const struct ip_addr addr = parse("2001:db8::ff:1");
	const uint8_t expected[16] = { 0x20, 0x01, 0x0d, 0xb8, [13] = 0xff, [15] = 1 };

	(void)state;
	assert_int_equal(addr.version, 6);
	assert_memory_equal(addr.bytes, expected, sizeof(expected));
}

/* Left: what people write; right: the one form that we write. RFC 5952, sections 4 and 5. */
static void test_format_is_canonical(void **state)
{
	static const char *const pairs[][2] = {
		{ "0.0.0.0", "0.0.0.0" },
		{ "255.255.255.255", "255.255.255.255" },
		{ "::", "::" },
		{ "::1", "::1" },
		{ "2001:0DB8:0000:0000:0000:0000:0000:0001", "2001:db8::1" },
		{ "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1" }, /* 4.2.2: one zero field is not shortened */
		{ "2001:0:0:1:0:0:0:1", "2001:0:0:1::1" },          /* 4.2.3: the longest run is */
		{ "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1" },    /* 4.2.3: the first of two equal ones is */
		{ "::ffff:192.0.2.1", "::ffff:192.0.2.1" },         /* 5: mapped addresses are written mixed */
		{ "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		const struct ip_addr addr = parse(pairs[i][0]);
		char text[IP_ADDR_TEXT_BYTES];
		assert_ptr_equal(ip_addr_format(&addr, text), text);
		assert_string_equal(text, pairs[i][1]);
		const struct ip_addr again = parse(text);
		assert_true(ip_addr_equal(&addr, &again));
	}
}

/* Zero words in every place, and all others random: the text is the C library's. */
static void test_format_is_that_of_the_c_library(void **state)
{
	struct random random = { 1 };

	(void)state;
	for (unsigned i = 0; i < 256 * 64; i++) {
		struct ip_addr addr = { .version = 6 };
		char text[IP_ADDR_TEXT_BYTES];
		char expected[INET6_ADDRSTRLEN];

		for (unsigned word = 0; word < 8; word++) {
			if (i >> word & 1)
				continue;
			addr.bytes[2 * word] = (uint8_t)(random_below(&random, 2) * random_u32(&random));
			addr.bytes[2 * word + 1] = (uint8_t)random_u32(&random);
			if (random_below(&random, 4) == 0)
				addr.bytes[2 * word] = addr.bytes[2 * word + 1] = 0xFF;
		}
		assert_non_null(inet_ntop(AF_INET6, addr.bytes, expected, sizeof(expected)));
		assert_string_equal(ip_addr_format(&addr, text), expected);

		memset(addr.bytes + 4, 0, 12);
		addr.version = 4;
		assert_non_null(inet_ntop(AF_INET, addr.bytes, expected, sizeof(expected)));
		assert_string_equal(ip_addr_format(&addr, text), expected);
		assert_ptr_equal(ip_addr_write(&addr, text), text + strlen(expected));
	}
}

static void test_no_address_is_empty_text(void **state)
{
	const struct ip_addr none = { .version = 0 };
	char text[IP_ADDR_TEXT_BYTES] = "before";

	(void)state;
	assert_string_equal(ip_addr_format(&none, text), "");
}

static void test_refused_texts_leave_the_address_alone(void **state)
{
	static const char *const texts[] = {
		"",        "1.2.3",   "1.2.3.4.5", "1.2.3.256", "01.2.3.4",  " 1.2.3.4",  "1.2.3.4 ",
		"1::2::3", "12345::", "g::",       "::1%lo",    "1.2.3.4/8", "localhost", "1:2:3:4:5:6:7",
	};
	const struct ip_addr before = parse("203.0.113.9");

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct ip_addr addr = before;
		if (ip_addr_parse(texts[i], &addr))
			fail_msg("'%s' is accepted", texts[i]);
		assert_true(ip_addr_equal(&addr, &before));
	}
}

/* By version first, then by value; 10.0.0.1 and a00:1:: share their first bytes and still differ. */
static void test_order(void **state)
{
	static const char *const ascending[] = { "0.0.0.0", "9.255.255.255", "10.0.0.1", "10.0.1.0",
						 "::",      "::1",           "a00:1::" };
	enum { N = sizeof(ascending) / sizeof(ascending[0]) };

	(void)state;
	for (size_t i = 0; i < N; i++) {
		for (size_t j = 0; j < N; j++) {
			const struct ip_addr a = parse(ascending[i]);
			const struct ip_addr b = parse(ascending[j]);
			int order = ip_addr_compare(&a, &b);
			assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
			assert_int_equal(ip_addr_equal(&a, &b), i == j);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ipv4_bytes),
		cmocka_unit_test(test_ipv6_bytes),
		cmocka_unit_test(test_format_is_canonical),
		cmocka_unit_test(test_format_is_that_of_the_c_library),
		cmocka_unit_test(test_no_address_is_empty_text),
		cmocka_unit_test(test_refused_texts_leave_the_address_alone),
		cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
