/* SPDX-License-Identifier: BSD-2-Clause */
/* Each shape has one place, which is told by its bytes: it is noted there, or nowhere. */
#include "syn_shapes.h"

#include <string.h>

static uint8_t place_of(const struct syn_shape *shape)
{
	uint64_t halves[2];

	memcpy(halves, shape, sizeof(halves));
	return (uint8_t)((halves[0] ^ halves[1] * 31) * UINT64_C(0x9e3779b97f4a7c15) >> 56);
}

bool syn_shapes_note(struct syn_shapes *shapes, const struct syn_shape *shape, uint8_t *number)
{
	struct syn_shape *place = &shapes->shape[ *number = place_of(shape)];

	if (!place->is_used)
		*place = *shape;
	return memcmp(place, shape, sizeof(*place)) == 0;
}
