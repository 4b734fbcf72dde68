/* SPDX-License-Identifier: BSD-2-Clause */
/* Prints the state table of src/tcp/tcp_state.c as Markdown, for ARCHITECTURE.md. */
#include <stdio.h>

#include "tcpwitness/tcp/tcp_state.h"

int main(void)
{
	printf("| in state | on event | goes to | why (RFC 9293) |\n| --- | --- | --- | --- |\n");
	for (unsigned state = 0; state < TCPS_COUNT; state++) {
		for (unsigned event = 0; event < TCPE_COUNT; event++) {
			const char *reason = tcp_state_transition_reason((enum tcp_state)state, (enum tcp_event)event);
			if (reason == NULL)
				continue;
			enum tcp_state next = tcp_state_next((enum tcp_state)state, (enum tcp_event)event);
			printf("| %s | %s | %s | %s |\n", tcp_state_name((enum tcp_state)state),
			       tcp_event_name((enum tcp_event)event), tcp_state_name(next), reason);
		}
	}
	return 0;
}
