/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <string.h>

#include "tcpwitness/events/sensor_event.h"

/* For tests that compare events as bytes: between the members of a transition there is room that has no meaning. */
static inline void clear_event_padding(struct sensor_event *event)
{
	struct tcp_transition *transition = &event->tcp_state.transition;
	const struct tcp_transition from = *transition;

	if (event->type != EVENT_TCP_STATE)
		return;
	memset(transition, 0, sizeof(*transition));
	transition->side = from.side;
	transition->from = from.from;
	transition->to = from.to;
	transition->certainty = from.certainty;
	transition->cause = from.cause;
	transition->inferred = from.inferred;
	transition->caused_by = from.caused_by;
}
