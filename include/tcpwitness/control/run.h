/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "tcpwitness/control/config.h"

/* How the program ends (tcpwitness(1)). */
enum exit_code {
	EXIT_DONE = 0,
	EXIT_INPUT = 1, /* a file or interface could not be read, or configuration or rules are invalid */
	EXIT_USAGE = 2,
	EXIT_OUTPUT = 3, /* events could not be written */
};

/*
 * Opens the input, starts the pipeline, feeds the sinks until the end of the input or a signal, and says on standard
 * error what went wrong and what was seen. Main thread.
 */
enum exit_code run_execute(const struct config *config);
