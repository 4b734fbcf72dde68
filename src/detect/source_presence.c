/* SPDX-License-Identifier: BSD-2-Clause */
/* How many records share a place. */
#include "source_presence.h"

#include <stdlib.h>

/* A source without a record finds a place of others as seldom as one in so many, when all records are taken. */
enum { PLACES_PER_RECORD = 4, MOST_PLACES = 1 << 18 };

int source_presence_init(struct source_presence *presence, size_t n_records)
{
	size_t n_places = 64;

	while (n_places < PLACES_PER_RECORD * n_records && n_places < MOST_PLACES)
		n_places *= 2;
	*presence = (struct source_presence){ .counts = calloc(n_places, 1), .n_places = n_places };
	return presence->counts == NULL ? -1 : 0;
}

void source_presence_fini(struct source_presence *presence)
{
	free(presence->counts);
	*presence = (struct source_presence){ 0 };
}

void source_presence_add(struct source_presence *presence, const struct ip_addr *source)
{
	uint8_t *count = source_presence_place(presence, source);

	*count = (uint8_t)(*count + (*count < UINT8_MAX));
}

void source_presence_remove(struct source_presence *presence, const struct ip_addr *source)
{
	uint8_t *count = source_presence_place(presence, source);

	*count = (uint8_t)(*count - (*count < UINT8_MAX));
}
