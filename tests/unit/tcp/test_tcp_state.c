/* SPDX-License-Identifier: BSD-2-Clause */
/* The table as a whole: what holds for any state machine, and what holds for this one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tcpwitness/tcp/tcp_state.h"

static void every_state_can_be_reached(void **context)
{
	bool reached[TCPS_COUNT] = { [TCPS_CLOSED] = true, [TCPS_LISTEN] = true };

	(void)context;
	for (unsigned round = 0; round < TCPS_COUNT; round++) {
		for (unsigned state = 0; state < TCPS_COUNT; state++) {
			for (unsigned event = 0; reached[state] && event < TCPE_COUNT; event++)
				reached[tcp_state_next((enum tcp_state)state, (enum tcp_event)event)] = true;
		}
	}
	for (unsigned state = 0; state < TCPS_COUNT; state++)
		assert_true(reached[state]);
}

static void every_state_has_a_way_out(void **context)
{
	(void)context;
	for (unsigned state = 0; state < TCPS_COUNT; state++) {
		bool way_out = false;
		for (unsigned event = 0; event < TCPE_COUNT; event++)
			way_out |= tcp_state_next((enum tcp_state)state, (enum tcp_event)event) != state;
		assert_true(way_out);
	}
}

static void a_row_has_a_reason_and_changes_the_state(void **context)
{
	(void)context;
	for (unsigned state = 0; state < TCPS_COUNT; state++) {
		for (unsigned event = 0; event < TCPE_COUNT; event++) {
			bool moves = tcp_state_next((enum tcp_state)state, (enum tcp_event)event) != state;
			assert_true(moves == (tcp_state_transition_reason((enum tcp_state)state,
									  (enum tcp_event)event) != NULL));
		}
	}
}

static void a_reset_ends_every_synchronised_state(void **context)
{
	(void)context;
	for (unsigned state = TCPS_ESTABLISHED; state <= TCPS_TIME_WAIT; state++) {
		assert_int_equal(tcp_state_next((enum tcp_state)state, TCPE_RCV_RST), TCPS_CLOSED);
		assert_int_equal(tcp_state_next((enum tcp_state)state, TCPE_SND_RST), TCPS_CLOSED);
	}
}

/* RFC 9293 figure 5: only an end that has sent its FIN first comes to TIME_WAIT. */
static void only_a_first_closer_waits(void **context)
{
	(void)context;
	for (unsigned state = 0; state < TCPS_COUNT; state++) {
		for (unsigned event = 0; event < TCPE_COUNT; event++) {
			if (state == TCPS_TIME_WAIT ||
			    tcp_state_next((enum tcp_state)state, (enum tcp_event)event) != TCPS_TIME_WAIT)
				continue;
			assert_true(state == TCPS_FIN_WAIT_2 || state == TCPS_CLOSING);
		}
	}
}

static void names_are_those_of_the_rfc(void **context)
{
	(void)context;
	assert_string_equal(tcp_state_name(TCPS_SYN_RCVD), "SYN_RCVD");
	assert_string_equal(tcp_state_name(TCPS_FIN_WAIT_2), "FIN_WAIT_2");
	assert_string_equal(tcp_event_name(TCPE_RCV_ACK_OF_FIN), "rcv_ack_of_fin");
	assert_string_equal(tcp_certainty_name(TCP_CONTRADICTED), "contradicted");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_state_can_be_reached),
		cmocka_unit_test(every_state_has_a_way_out),
		cmocka_unit_test(a_row_has_a_reason_and_changes_the_state),
		cmocka_unit_test(a_reset_ends_every_synchronised_state),
		cmocka_unit_test(only_a_first_closer_waits),
		cmocka_unit_test(names_are_those_of_the_rfc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
