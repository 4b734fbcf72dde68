/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

#include "flow_link.h"

/* What the link is sorted by. It takes the room of hash_next and class_prev. */
void flow_sort_set_key(struct flow_link *link, uint64_t key);

/*
 * Links all of first_slot .. end_slot - 1 that have a body through class_next, in the order of their keys, and returns
 * the first or NO_SLOT. What class_next linked before is void. Equal keys stay in the order of slots.
 */
uint32_t flow_sort(struct flow_link *links, uint32_t first_slot, uint32_t end_slot);
