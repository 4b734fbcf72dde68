/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "json_writer.h"
#include "tcpwitness/events/sensor_event.h"
#include "tcpwitness/sinks/event_json.h"

/* The type's own objects, put into the event's object. One file each; event_json.c does the rest. */
void event_json_put_flow(struct json_writer *json, const struct event_flow *flow);
void event_json_put_alert(struct json_writer *json, const struct event_alert *alert,
			  const struct event_json_replay *replay);

/*
 * The ends that an alarm's src and dest stand for: those in the event when the detector named them, else what the
 * target says: the server is the host it is about, or the client when it is a source; a prefix stands for nobody.
 */
struct event_ends event_json_alert_ends(const struct sensor_event *event);
