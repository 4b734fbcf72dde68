/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>

#include "tcpwitness/events/sensor_event.h"

/*
 * The only encoder of events: one JSON object of design section 3, ended by a newline. Main thread.
 */
struct event_json;

/*
 * How an alarm can be had again from a capture, for detection.command: words quoted for the shell, borrowed for the
 * encoder's life.
 */
struct event_json_replay {
	const char *capture; /* live: takes a capture first, behind it comes its filter; empty = the run read files */
	const char *command; /* reads the capture as this run did, and writes alarms; null = nothing to say */
};

/* The name of the capture that is taken first; command reads it. */
#define EVENT_JSON_REPLAY_FILE "alarm.pcap"

struct event_json *event_json_create(void);
void event_json_destroy(struct event_json *encoder);

void event_json_set_replay(struct event_json *encoder, const struct event_json_replay *replay);

/*
 * The line, borrowed until the next call, its length with the newline in *length. Valid UTF-8, no raw control
 * characters, whatever the strings in the event hold. Null when memory is short.
 */
const char *event_json_encode(struct event_json *encoder, const struct sensor_event *event, size_t *length);
