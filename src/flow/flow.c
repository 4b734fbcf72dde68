/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The names under which flow classes and the reasons for ending a flow's record appear in counters
 * and events. Reasons that EVE knows have EVE's name.
 */
#include "tcpwitness/flow/flow.h"

#include <assert.h>

const char *flow_class_name(enum flow_class flow_class)
{
	static const char *const names[FLOW_CLASS_COUNT] = {
		[FLOW_CLASS_FREE] = "free",
		[FLOW_CLASS_UNANSWERED_NEW] = "unanswered_new",
		[FLOW_CLASS_UNANSWERED] = "unanswered",
		[FLOW_CLASS_HALF_OPEN_NEW] = "half_open_new",
		[FLOW_CLASS_HALF_OPEN] = "half_open",
		[FLOW_CLASS_MIDSTREAM] = "midstream",
		[FLOW_CLASS_ESTABLISHED] = "established",
		[FLOW_CLASS_HALF_CLOSED] = "half_closed",
		[FLOW_CLASS_CLOSING] = "closing",
		[FLOW_CLASS_TIME_WAIT] = "time_wait",
		[FLOW_CLASS_CLOSED] = "closed",
	};

	assert((unsigned)flow_class < FLOW_CLASS_COUNT);
	return names[flow_class];
}

const char *flow_end_reason_name(enum flow_end_reason reason)
{
	static const char *const names[] = {
		[FLOW_END_TIMEOUT] = "timeout",  [FLOW_END_CLOSED] = "closed",     [FLOW_END_EVICTED] = "forced",
		[FLOW_END_REUSED] = "tcp_reuse", [FLOW_END_SHUTDOWN] = "shutdown", [FLOW_END_INTERIM] = "interim",
	};

	assert((size_t)reason < sizeof(names) / sizeof(names[0]));
	return names[reason];
}
