/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of the event types, as event_type and --events give them (design section 3). */
#include "tcpwitness/events/sensor_event.h"

const char *sensor_event_type_name(enum sensor_event_type type)
{
	static const char *const names[EVENT_TYPE_COUNT] = {
		[EVENT_ALERT] = "alert",         [EVENT_FLOW] = "flow",   [EVENT_ANOMALY] = "anomaly",
		[EVENT_TCP_STATE] = "tcp_state", [EVENT_STATS] = "stats", [EVENT_SUMMARY] = "summary",
	};

	return names[type];
}
