/* SPDX-License-Identifier: BSD-2-Clause */
/* Each shape has two places, which are told by its bytes: it is noted in one of these, or nowhere. */
#include "syn_shapes.h"

#include <string.h>

static uint16_t place_of(const struct syn_shape *shape)
{
	uint64_t halves[2];

	memcpy(halves, shape, sizeof(halves));
	return (uint16_t)((halves[0] ^ halves[1] * 31) * UINT64_C(0x9e3779b97f4a7c15) >> (64 - SYN_SHAPE_BITS));
}

/* Is it there, or was there nothing? */
static bool takes_place(struct syn_shape *place, const struct syn_shape *shape)
{
	if (!place->is_used)
		*place = *shape;
	return memcmp(place, shape, sizeof(*place)) == 0;
}

bool syn_shapes_note(struct syn_shapes *shapes, const struct syn_shape *shape, uint16_t *number)
{
	*number = place_of(shape);
	if (takes_place(&shapes->shape[*number], shape))
		return true;
	*number ^= 1;
	return takes_place(&shapes->shape[*number], shape);
}
