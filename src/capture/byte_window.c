/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one buffer between a file and the frames in it. It is read into rather than mapped: the kernel's copy into a
 * buffer that stays in the cache costs less than the page faults of a map, a file that is cut while it is read gives a
 * short read instead of SIGBUS, and memory does not grow with the file.
 */
#include "byte_window.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int byte_window_init(struct byte_window *window, struct byte_source source, size_t room_bytes)
{
	*window = (struct byte_window){ .source = source, .room_bytes = room_bytes, .usual_bytes = room_bytes };
	window->buffer = malloc(room_bytes);
	return window->buffer != NULL ? 0 : -1;
}

void byte_window_fini(struct byte_window *window)
{
	free(window->buffer);
}

/* Returns 0, or -1 with the error set. */
static int grow(struct byte_window *window, size_t n_bytes)
{
	size_t bigger_bytes = window->room_bytes;

	while (bigger_bytes < n_bytes)
		bigger_bytes *= 2;
	uint8_t *bigger = realloc(window->buffer, bigger_bytes);
	if (bigger == NULL) {
		window->error = ENOMEM;
		return -1;
	}
	window->buffer = bigger;
	window->room_bytes = bigger_bytes;
	return 0;
}

bool byte_window_fill(struct byte_window *window, size_t n_bytes)
{
	size_t limit = n_bytes > window->usual_bytes ? n_bytes : window->usual_bytes;

	if (byte_window_at_hand(window) >= n_bytes)
		return true;
	/* Less than a record, so that moving it costs little beside the reading. */
	memmove(window->buffer, window->buffer + window->begin, byte_window_at_hand(window));
	window->end -= window->begin;
	window->begin = 0;
	if (n_bytes > window->room_bytes && grow(window, n_bytes) < 0)
		return false;
	while (window->end < n_bytes) {
		ssize_t n =
			window->source.read(window->source.context, window->buffer + window->end, limit - window->end);
		if (n <= 0) {
			window->error = n < 0 ? errno : 0;
			return false;
		}
		window->end += (size_t)n;
	}
	return true;
}
