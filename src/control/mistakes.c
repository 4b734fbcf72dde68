/* SPDX-License-Identifier: BSD-2-Clause */
/* Decides how a mistake in a file of ours is written: as compilers do, so that editors can jump to it. */
#include "mistakes.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_REPORTED = 100 }; /* more help nobody, and a hostile file must not fill a disk */

/* One that is held, in a list by its place. */
struct mistake {
	struct mistake *next;
	unsigned line;
	unsigned column;
	char what[];
};

static void tell(struct mistakes *mistakes, unsigned line, unsigned column, const char *what)
{
	char place[32] = "";

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

static bool is_before(const struct mistake *a, unsigned line, unsigned column)
{
	return a->line != line ? a->line < line : a->column <= column;
}

/* Without memory it is counted, which is enough for the file to be refused. */
static void hold(struct mistakes *mistakes, unsigned line, unsigned column, const char *what)
{
	struct mistake **place = &mistakes->held;
	struct mistake *mistake;

	mistakes->n++;
	if (mistakes->n > MAX_REPORTED)
		return;
	mistake = malloc(sizeof(*mistake) + strlen(what) + 1);
	if (mistake == NULL)
		return;
	mistake->line = line;
	mistake->column = column;
	memcpy(mistake->what, what, strlen(what) + 1);
	while (*place != NULL && is_before(*place, line, column))
		place = &(*place)->next;
	mistake->next = *place;
	*place = mistake;
}

void mistakes_add(struct mistakes *mistakes, unsigned line, unsigned column, const char *format, ...)
{
	char what[384];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	if (mistakes->is_held)
		hold(mistakes, line, column, what);
	else
		tell(mistakes, line, column, what);
}

unsigned mistakes_tell(struct mistakes *mistakes, FILE *report, struct error *error)
{
	struct mistakes told = { .name = mistakes->name, .report = report, .error = error };

	for (const struct mistake *mistake = mistakes->held; mistake != NULL; mistake = mistake->next)
		tell(&told, mistake->line, mistake->column, mistake->what);
	if (told.n < mistakes->n && told.n == 0)
		tell(&told, 0, 0, "out of memory");
	mistakes_forget(mistakes);
	return mistakes->n;
}

void mistakes_forget(struct mistakes *mistakes)
{
	while (mistakes->held != NULL) {
		struct mistake *next = mistakes->held->next;

		free(mistakes->held);
		mistakes->held = next;
	}
}
