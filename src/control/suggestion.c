/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides which known word is near enough to a mistyped one: optimal string alignment distance (insert, delete,
 * replace, swap neighbours), at most one edit in three characters.
 */
#include "suggestion.h"

#include <stdio.h>
#include <string.h>

enum { MAX_WORD = 63, CHARACTERS_PER_EDIT = 3 };

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned least = a < b ? a : b;

	return least < c ? least : c;
}

/* Distance between a and the first b_length characters of b; both at most MAX_WORD long. */
static unsigned edit_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
	unsigned rows[3][MAX_WORD + 1]; /* the row before last, the last and the present one, in turn */

	for (size_t j = 0; j <= b_length; j++)
		rows[0][j] = (unsigned)j;
	for (size_t i = 1; i <= a_length; i++) {
		unsigned *row = rows[i % 3];
		const unsigned *last = rows[(i + 2) % 3];
		const unsigned *before_last = rows[(i + 1) % 3];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b_length; j++) {
			unsigned replace = last[j - 1] + (a[i - 1] != b[j - 1]);

			row[j] = min3(last[j] + 1, row[j - 1] + 1, replace);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before_last[j - 2] + 1 < row[j])
				row[j] = before_last[j - 2] + 1;
		}
	}
	return rows[a_length % 3][b_length];
}

void suggestion_init(struct suggestion *suggestion, const char *word)
{
	*suggestion = (struct suggestion){ .word = word };
}

void suggestion_offer_part(struct suggestion *suggestion, const char *candidate, size_t length, const char *meant)
{
	size_t word_length = strlen(suggestion->word);
	unsigned distance;

	if (word_length > MAX_WORD || length > MAX_WORD)
		return;
	distance = edit_distance(suggestion->word, word_length, candidate, length);
	if ((size_t)distance * CHARACTERS_PER_EDIT > word_length)
		return;
	if (suggestion->best == NULL || distance < suggestion->distance) {
		suggestion->best = meant;
		suggestion->distance = distance;
	}
}

void suggestion_offer(struct suggestion *suggestion, const char *candidate)
{
	suggestion_offer_part(suggestion, candidate, strlen(candidate), candidate);
}

const char *suggestion_text(const struct suggestion *suggestion, char *text, size_t text_bytes)
{
	if (suggestion->best == NULL)
		text[0] = '\0';
	else
		snprintf(text, text_bytes, " (did you mean '%s'?)", suggestion->best);
	return text;
}
