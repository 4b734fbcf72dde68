/* SPDX-License-Identifier: BSD-2-Clause */
#include "tcpwitness/base/log.h"

#include <stdarg.h>
#include <stdio.h>

static enum log_level level_wanted = LOG_LEVEL_WARNING;
static int with_priority;

void log_set_level(enum log_level level)
{
	level_wanted = level;
}

void log_set_journal(int use_priority)
{
	with_priority = use_priority;
}

void log_message(enum log_level level, const char *format, ...)
{
	static const int priority[] = { 3, 4, 6, 7 }; /* syslog(3): err, warning, info, debug */
	char line[1024];
	va_list args;

	if (level > level_wanted)
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (with_priority)
		fprintf(stderr, "<%d>%s\n", priority[level], line);
	else
		fprintf(stderr, "tcpwitness: %s\n", line);
}
