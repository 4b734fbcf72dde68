/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>

#include "tcpwitness/pipeline/pipeline.h"

#define PROGRESS_TEXT_BYTES 80

/*
 * One line, at most 79 columns: bar and share when the size of the input is known, else counts only. Returns text.
 */
const char *progress_format(const struct pipeline_progress *progress, double elapsed_seconds,
			    char text[static PROGRESS_TEXT_BYTES]);

/* "1234", "56.7k", "8.9M", for people. Returns text, which holds at least 16 bytes. */
const char *progress_format_number(double number, char *text, size_t text_bytes);
