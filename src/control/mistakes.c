/* SPDX-License-Identifier: BSD-2-Clause */
/* Decides how a mistake in a file of ours is written: as compilers do, so that editors can jump to it. */
#include "mistakes.h"

#include <stdarg.h>

enum { MAX_REPORTED = 100 }; /* more help nobody, and a hostile file must not fill a disk */

void mistakes_add(struct mistakes *mistakes, unsigned line, unsigned column, const char *format, ...)
{
	char what[384];
	char place[32] = "";
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	if (line != 0)
		snprintf(place, sizeof(place), "%u:%u:", line, column);

	if (mistakes->n == 0)
		error_set(mistakes->error, "%s:%s %s", mistakes->name, place, what);
	if (mistakes->report != NULL && mistakes->n < MAX_REPORTED)
		fprintf(mistakes->report, "%s:%s %s\n", mistakes->name, place, what);
	mistakes->n++;
	if (mistakes->report != NULL && mistakes->n == MAX_REPORTED)
		fprintf(mistakes->report, "%s: more mistakes are not shown\n", mistakes->name);
}
