/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "tcpwitness/events/sensor_event.h"

/* For whoever needs a writer of events and is not interested in any. */
static inline struct sensor_event *begin_unheard(void *context, enum sensor_event_type type)
{
	(void)context;
	(void)type;
	return NULL;
}

static inline void end_unheard(void *context, struct sensor_event *event)
{
	(void)context;
	(void)event;
}

/* unwanted: as in struct event_writer; with 0 each event is offered, and refused one by one. */
static inline struct event_writer unheard_events(sensor_event_mask unwanted)
{
	return (struct event_writer){ .begin = begin_unheard, .end = end_unheard, .unwanted = unwanted };
}
