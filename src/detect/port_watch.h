/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "port_limits.h"
#include "port_outlook.h"
#include "port_parity.h"
#include "port_rate.h"
#include "port_use.h"

/* All that is concluded about one pair, and what of it has to be remembered from tick to tick. Zeroed at first. */
struct port_watch {
	struct port_parity parity;
	struct port_limits limits;
	struct port_rate rate;
	struct port_outlook outlook;
	enum port_side side;
	double learned_capacity;  /* by the half-way mark or by what was in use; 0 = nothing learned */
	double learned_two_msl_s; /* likewise */
	double unseen;           /* ports that were taken when the half-way mark was passed, before the sensor's time */
	double demand_per_s;     /* connections that it opened before it fell silent */
	double rate_before_flip; /* connections per second before the half-way mark */
	uint64_t silent_since_ns; /* 0 = it is not silent */
	bool is_exact;            /* the half-way mark came where the capacity says */
	bool is_slowed;           /* the search for ports slows it down since the half-way mark */
	bool is_beyond_model;     /* more ports are in use than there can be: do not trust any of this */
};

/* What is configured for the pair; 0 = to be inferred. */
struct port_watch_given {
	uint64_t port_range;
	uint64_t two_msl_ns;
};

/* Concludes anew, at packet time now_ns. */
void port_watch_update(struct port_watch *watch, const struct port_use *use, const struct port_watch_given *given,
		       uint64_t now_ns);
