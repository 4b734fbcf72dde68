/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdio.h>

#include "tcpwitness/control/config.h"
#include "tcpwitness/detect/ruleset.h"

/*
 * The built-in defaults, changed by the files and folders of config->rules_paths, or by the installed rules when
 * there are none. Owned by the caller; null with *error and, when it is not null, all mistakes in report.
 */
struct ruleset *rules_choose(const struct config *config, FILE *report, struct error *error);
