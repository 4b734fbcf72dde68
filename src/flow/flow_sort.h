/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

#include "tcpwitness/flow/flow.h"

/* Flows are linked by their number in the slab. Number 0 is never a flow: as a link it means "none". */
enum { NO_SLOT = 0 };

/*
 * Links all flows in use of slots first_slot .. end_slot - 1 through class_next, in the order of their ids, and returns
 * the first or NO_SLOT. class_prev and what class_next linked before are void. Equal ids stay in the order of slots.
 */
uint32_t flow_sort_by_id(struct flow *slab, uint32_t first_slot, uint32_t end_slot);
