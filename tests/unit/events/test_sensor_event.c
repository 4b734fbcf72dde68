/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tcpwitness/events/sensor_event.h"

static void types_have_the_names_of_the_command_line(void **state)
{
	(void)state;
	assert_string_equal(sensor_event_type_name(EVENT_ALERT), "alert");
	assert_string_equal(sensor_event_type_name(EVENT_FLOW), "flow");
	assert_string_equal(sensor_event_type_name(EVENT_ANOMALY), "anomaly");
	assert_string_equal(sensor_event_type_name(EVENT_TCP_STATE), "tcp_state");
	assert_string_equal(sensor_event_type_name(EVENT_STATS), "stats");
	assert_string_equal(sensor_event_type_name(EVENT_SUMMARY), "summary");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(types_have_the_names_of_the_command_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
