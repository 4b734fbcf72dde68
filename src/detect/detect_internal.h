/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "tcpwitness/detect/detect_engine.h"
#include "tcpwitness/detect/detector.h"

extern const struct detector detector_syn_flood;
extern const struct detector detector_half_open_surge;
extern const struct detector detector_service_down;
extern const struct detector detector_flash_crowd;
extern const struct detector detector_carpet_bombing;
extern const struct detector detector_time_wait_exhaustion;
extern const struct detector detector_time_wait_pileup;
extern const struct detector detector_port_scan;
extern const struct detector detector_connection_fan_out;
extern const struct detector detector_synack_reflection;
extern const struct detector detector_backscatter;
extern const struct detector detector_out_of_state_flood;
extern const struct detector detector_accept_queue_overflow;
extern const struct detector detector_connection_flood;
extern const struct detector detector_zero_window_hold;
extern const struct detector detector_state_leak;
extern const struct detector detector_rst_injection;
extern const struct detector detector_sensor_health;

/* What a source has counted, once it is settled, for those who send it to another sensor; for tests. */
struct summary_table;
struct summary_table *detect_source_table(struct detect_source *source);
