/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "tcpwitness/events/sensor_event.h"

/*
 * For tests that compare events as bytes: between some members there is room that has no meaning. Events are to begin
 * as zeroed memory and to be copied as bytes.
 */
static inline void clear_transition_padding(struct tcp_transition *transition)
{
	const struct tcp_transition from = *transition;

	memset(transition, 0, sizeof(*transition));
	transition->side = from.side;
	transition->from = from.from;
	transition->to = from.to;
	transition->certainty = from.certainty;
	transition->cause = from.cause;
	transition->inferred = from.inferred;
	transition->caused_by = from.caused_by;
}

static inline void clear_target_padding(struct alert_target *target)
{
	const struct alert_target from = *target;

	memset(target, 0, sizeof(*target));
	target->ip = from.ip;
	target->prefix_bits = from.prefix_bits;
	target->has_port = from.has_port;
	target->port = from.port;
	target->is_source = from.is_source;
	target->client = from.client;
}

static inline void clear_event_padding(struct sensor_event *event)
{
	if (event->type == EVENT_TCP_STATE)
		clear_transition_padding(&event->tcp_state.transition);
	else if (event->type == EVENT_ALERT)
		clear_target_padding(&event->alert.target);
}

/* Says on the way out what is not. */
static inline bool is_same_alarm(const struct sensor_event *a, const struct sensor_event *b)
{
	if (memcmp(a, b, sizeof(*a)) == 0)
		return true;
	printf("  %llu %s: %s\n  %llu %s: %s\n", (unsigned long long)a->time_ns, a->alert.detector,
	       a->alert.explanation, (unsigned long long)b->time_ns, b->alert.detector, b->alert.explanation);
	for (size_t k = 0; k < sizeof(*a); k++)
		if (((const char *)a)[k] != ((const char *)b)[k])
			printf("byte %zu differs (alert begins at %zu)\n", k, offsetof(struct sensor_event, alert));
	return false;
}
