/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All detectors there are. A new one is its file, its line here and in detect_internal.h, and its rule file in rules/.
 */
#include "detect_internal.h"

/* One a line. */
/* clang-format off */
const struct detector *const detectors[] = {
	&detector_syn_flood,
	&detector_half_open_surge,
	&detector_service_down,
	&detector_flash_crowd,
	&detector_carpet_bombing,
	&detector_time_wait_exhaustion,
	&detector_time_wait_pileup,
	&detector_accept_queue_overflow,
	&detector_connection_flood,
	&detector_zero_window_hold,
	&detector_state_leak,
	&detector_rst_injection,
	&detector_sensor_health,
	&detector_port_scan,
	&detector_connection_fan_out,
	&detector_synack_reflection,
	&detector_backscatter,
	&detector_out_of_state_flood,
	NULL,
};
/* clang-format on */
