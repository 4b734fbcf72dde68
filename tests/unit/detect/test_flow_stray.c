/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Segments without a connection are told apart by their flags.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tcpwitness/decode/packet.h"
#include "tcpwitness/detect/flow_signal.h"

static void test_what_stacks_send(void **state)
{
	(void)state;
	assert_int_equal(flow_stray_kind(SEG_SYN | SEG_ACK), STRAY_SYNACK);
	assert_int_equal(flow_stray_kind(SEG_SYN | SEG_ACK | SEG_ECE), STRAY_SYNACK);
	assert_int_equal(flow_stray_kind(SEG_RST), STRAY_RST);
	assert_int_equal(flow_stray_kind(SEG_RST | SEG_ACK), STRAY_RST);
	assert_int_equal(flow_stray_kind(SEG_FIN | SEG_ACK), STRAY_FIN_ACK);
	assert_int_equal(flow_stray_kind(SEG_FIN | SEG_ACK | SEG_PSH), STRAY_FIN_ACK);
	assert_int_equal(flow_stray_kind(SEG_ACK), STRAY_ACK);
	assert_int_equal(flow_stray_kind(SEG_ACK | SEG_PSH | SEG_URG), STRAY_ACK);
}

static void test_what_only_tools_send(void **state)
{
	(void)state;
	assert_int_equal(flow_stray_kind(0), STRAY_NULL);
	assert_int_equal(flow_stray_kind(SEG_ECE | SEG_CWR), STRAY_NULL);
	assert_int_equal(flow_stray_kind(SEG_FIN), STRAY_FIN);
	assert_int_equal(flow_stray_kind(SEG_FIN | SEG_PSH | SEG_URG), STRAY_XMAS);
	assert_int_equal(flow_stray_kind(SEG_FIN | SEG_URG), STRAY_OTHER);
	assert_int_equal(flow_stray_kind(SEG_PSH), STRAY_OTHER);
	assert_int_equal(flow_stray_kind(SEG_SYN | SEG_FIN), STRAY_OTHER);
	assert_int_equal(flow_stray_kind(SEG_SYN | SEG_RST), STRAY_OTHER);
	assert_int_equal(flow_stray_kind(SEG_RST | SEG_FIN | SEG_ACK), STRAY_OTHER);
	assert_int_equal(flow_stray_kind(SEG_FIN | SEG_SYN | SEG_RST | SEG_PSH | SEG_ACK | SEG_URG), STRAY_OTHER);
}

static void test_each_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (unsigned i = 0; i < STRAY_COUNT; i++)
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(flow_stray_name((enum flow_stray)i),
						flow_stray_name((enum flow_stray)j));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_stacks_send),
		cmocka_unit_test(test_what_only_tools_send),
		cmocka_unit_test(test_each_has_a_name_of_its_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
