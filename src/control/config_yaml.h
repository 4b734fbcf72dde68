/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>

#include "tcpwitness/control/config.h"
#include "mistakes.h"

/*
 * Puts the values of a configuration file into *config. Keys may be written in full ("flow.timeout.closed: 5s") or
 * nested. All mistakes are added; right values are stored even so.
 */
void config_yaml_read_file(struct config *config, struct mistakes *mistakes);

/* The same from memory. For tests and the fuzzer. */
void config_yaml_read_text(struct config *config, const char *text, size_t length, struct mistakes *mistakes);
