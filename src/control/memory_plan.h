/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

#include "tcpwitness/control/config.h"

/*
 * Divides config->memory_bytes. What the program needs whatever it tracks comes first (config->memory_fixed_bytes): its
 * own code and buffers, the event queue, fragments. The queue and the fragments are made smaller where memory is, see
 * tcpwitness(1); then the detectors and the stores of connections share the rest.
 */
void memory_plan_divide(struct config *config);

/* Says on the log what became smaller than was asked, and when memory is too small for the fixed parts. */
void memory_plan_log(const struct config *config);
