/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>

#include "tcpwitness/events/sensor_event.h"

/*
 * The only encoder of events: one JSON object of design section 3, ended by a newline. Main thread.
 */
struct event_json;

struct event_json *event_json_create(void);
void event_json_destroy(struct event_json *encoder);

/*
 * The line, borrowed until the next call, its length with the newline in *length. Valid UTF-8, no raw control
 * characters, whatever the strings in the event hold. Null when memory is short.
 */
const char *event_json_encode(struct event_json *encoder, const struct sensor_event *event, size_t *length);
