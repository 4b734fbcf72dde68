/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "command_line.h"
#include "tcpwitness/control/config.h"

/*
 * A shell command that reads the run's captures again (live: EVENT_JSON_REPLAY_FILE) with all that decides what is
 * found in them: the configuration file, rules, keys and the filter of this run. What only concerns where events go,
 * or how fast, is left out. To be freed; null when memory is short.
 */
char *replay_command(const struct config *config, const struct command_line *line);

/* The command that takes a capture as EVENT_JSON_REPLAY_FILE first; empty when files are read. To be freed, too. */
char *replay_capture(const struct config *config);
