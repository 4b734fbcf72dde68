/* SPDX-License-Identifier: BSD-2-Clause */
/* Decides how the progress of a long offline run looks on a terminal. */
#include "progress.h"

#include <stdio.h>
#include <string.h>

enum { BAR_COLUMNS = 20 };

const char *progress_format_number(double number, char *text, size_t text_bytes)
{
	static const char suffixes[] = " kMGTP";
	unsigned power = 0;

	if (number < 10000) {
		snprintf(text, text_bytes, "%.0f", number);
		return text;
	}
	while (number >= 1000 && power + 2 < sizeof(suffixes)) {
		number /= 1000;
		power++;
	}
	snprintf(text, text_bytes, "%.1f%c", number, suffixes[power]);
	return text;
}

/* "[#####...............]  25%  12 s left  " */
static size_t format_bar(const struct pipeline_progress *progress, double elapsed_seconds, char *text, size_t bytes)
{
	double share = (double)progress->input_bytes_read / (double)progress->input_bytes_total;
	char bar[BAR_COLUMNS + 1];
	char left[32] = "";
	int n;

	if (share > 1)
		share = 1; /* the file grew meanwhile */
	memset(bar, '.', BAR_COLUMNS);
	memset(bar, '#', (size_t)(share * BAR_COLUMNS));
	bar[BAR_COLUMNS] = '\0';
	if (share > 0.01)
		snprintf(left, sizeof(left), "  %.0f s left", elapsed_seconds * (1 - share) / share);
	n = snprintf(text, bytes, "[%s] %3.0f%%%.20s  ", bar, share * 100, left);
	return (size_t)n < bytes ? (size_t)n : bytes - 1;
}

const char *progress_format(const struct pipeline_progress *progress, double elapsed_seconds,
			    char text[static PROGRESS_TEXT_BYTES])
{
	double rate = elapsed_seconds > 0 ? (double)progress->packets / elapsed_seconds : 0;
	char packets[16];
	char rate_text[16];
	size_t used = 0;

	if (progress->input_bytes_total > 0)
		used = format_bar(progress, elapsed_seconds, text, PROGRESS_TEXT_BYTES);
	snprintf(text + used, PROGRESS_TEXT_BYTES - used, "%s packets, %s/s",
		 progress_format_number((double)progress->packets, packets, sizeof(packets)),
		 progress_format_number(rate, rate_text, sizeof(rate_text)));
	return text;
}
