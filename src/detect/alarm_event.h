/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "tcpwitness/detect/detector.h"
#include "tcpwitness/events/sensor_event.h"

#include "alarm.h"

/*
 * What an alarm's life says in its event: id, phase, target, times, severity, class, figures. All that is not known
 * yet is marked as unknown. After alarm_written, and after alarm_close when it is over.
 */
void alarm_event_life(struct event_alert *alert, const struct alarm *alarm, enum alert_phase phase, uint64_t now_ns);

/* The detector's parameters as in force for the target: copied, for they may be the rule's own or an exception's. */
void alarm_event_parameters(struct event_alert *alert, const struct detector *detector, const void *params);
