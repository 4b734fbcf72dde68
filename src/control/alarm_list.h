/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdio.h>

#include "tcpwitness/events/sensor_event.h"

/*
 * What alarms there were in a run, for the summary that a person reads. Bounded: when it is full, alarms that are over
 * and less severe make room. Main thread.
 */
struct alarm_list;

/* Null when memory is short. */
struct alarm_list *alarm_list_create(void);
void alarm_list_destroy(struct alarm_list *list);

void alarm_list_note(struct alarm_list *list, const struct event_alert *alert);

/* A line for each, at most so many: those that are open first, then by severity, then by when they began. */
enum { ALARM_LIST_LINES = 12 };
void alarm_list_print(struct alarm_list *list, FILE *out);
