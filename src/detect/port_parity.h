/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "port_use.h"

/*
 * Linux hands out ports of one parity to connect() as long as one is free, then those of the other: the change is an
 * exact half-way mark, and from then on each connect() first looks through the half that is taken, which costs time.
 * Followed from tick to tick, so it is the detector's state. Zeroed at first.
 */
struct port_parity {
	uint64_t looked_s;  /* seconds of packet time before this one are looked at */
	uint64_t looked_ns; /* and this one up to here: so many connections */
	uint32_t looked_opened;
	uint32_t looked_odd;
	uint64_t group_ns;      /* when the group began */
	uint64_t flip_ns;       /* when the last change was */
	uint32_t group_opened;  /* connections that are too few to judge yet */
	uint32_t group_odd;     /* of these, from odd ports */
	uint32_t run_opened;    /* connections of the present parity, one after the other */
	uint32_t before_opened; /* connections of the parity before */
	bool run_is_odd;
	bool is_sure; /* the present parity was seen unmixed */
	bool has_flipped;
};

/* Looks at what came since the last time. True when a change of parity was found just now. */
bool port_parity_follow(struct port_parity *parity, const struct port_use *use, uint64_t now_ns);

/* Its ports are handed out parity by parity, as far as that can be seen. */
bool port_parity_is_linux(const struct port_parity *parity);
