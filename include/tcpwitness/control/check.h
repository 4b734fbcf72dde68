/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdio.h>

#include "tcpwitness/control/config.h"
#include "tcpwitness/control/run.h"

/*
 * tcpwitness check: says on out that configuration and rules are right, or writes all their mistakes to err, one a
 * line. config may be one of which config_load said CONFIG_INVALID; invalid is that line.
 */
enum exit_code check_execute(const struct config *config, const struct error *invalid, FILE *out, FILE *err);
