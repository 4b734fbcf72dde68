/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>

/* The search for what a person may have meant by a mistyped word. */
struct suggestion {
	const char *word;
	const char *best; /* null = nothing offered is near */
	unsigned distance;
};

void suggestion_init(struct suggestion *suggestion, const char *word);

/*
 * Offers the first length characters of candidate; when they are the nearest so far (ties: the first offered wins),
 * meant is remembered. Both are borrowed.
 */
void suggestion_offer_part(struct suggestion *suggestion, const char *candidate, size_t length, const char *meant);

/* Offers a whole word that stands for itself. */
void suggestion_offer(struct suggestion *suggestion, const char *candidate);

/* " (did you mean 'x'?)", or an empty text. Room for both is in the caller's buffer. Returns text. */
const char *suggestion_text(const struct suggestion *suggestion, char *text, size_t text_bytes);
