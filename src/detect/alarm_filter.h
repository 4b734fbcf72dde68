/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "tcpwitness/events/sensor_event.h"

/*
 * Fills alert->filter with a BPF filter (pcap-filter(7)) that shows the packets in question, by detector, class and
 * target; and alert->capture with one of all that must be captured, at least, for the alarm to be found again (empty:
 * everything). Neither looks into VLANs and tunnels.
 */
void alarm_filter_fill(struct event_alert *alert);
