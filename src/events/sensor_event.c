/* SPDX-License-Identifier: BSD-2-Clause */
/* Of each type of event: its name, as event_type and --events give it (design section 3), and its size. */
#include "tcpwitness/events/sensor_event.h"

const char *sensor_event_type_name(enum sensor_event_type type)
{
	static const char *const names[EVENT_TYPE_COUNT] = {
		[EVENT_ALERT] = "alert",         [EVENT_FLOW] = "flow",   [EVENT_ANOMALY] = "anomaly",
		[EVENT_TCP_STATE] = "tcp_state", [EVENT_STATS] = "stats", [EVENT_SUMMARY] = "summary",
	};

	return names[type];
}

size_t sensor_event_bytes(enum sensor_event_type type)
{
	static const size_t bytes[EVENT_TYPE_COUNT] = {
		[EVENT_ALERT] = sizeof(struct event_alert),     [EVENT_FLOW] = sizeof(struct event_flow),
		[EVENT_ANOMALY] = sizeof(struct event_anomaly), [EVENT_TCP_STATE] = sizeof(struct event_tcp_state),
		[EVENT_STATS] = sizeof(struct event_stats),     [EVENT_SUMMARY] = sizeof(struct event_summary),
	};

	return offsetof(struct sensor_event, alert) + bytes[type];
}
