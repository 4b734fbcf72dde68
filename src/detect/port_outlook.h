/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "port_limits.h"
#include "port_parity.h"
#include "port_rate.h"
#include "port_use.h"

/* Whose TIME_WAITs take the ports: the client's own, or those of the server, which then refuses the tuples. */
enum port_side { PORT_SIDE_CLIENT = 0, PORT_SIDE_SERVER };

/* How far a client has used up its ports, and what comes of it (detection science, section 4). */
struct port_outlook {
	double in_use; /* connections and TIME_WAITs */
	double waiting;
	double occupancy; /* of the capacity */
	double steady;    /* occupancy that the present rate leads to, o* */
	double sustainable_per_s;
	double life_s;        /* how long connections live */
	double waiting_share; /* of the connections that end, in TIME_WAIT */
	double seconds_left;  /* until no port is left; negative: not to be expected within PORT_HORIZON_S */
};

/* What is further away is not foreseen. */
#define PORT_HORIZON_S 600.0

/*
 * How full it is; and whether so full that the rest is worth computing. unseen: ports that are taken by what nobody
 * saw.
 */
bool port_outlook_is_near(const struct port_use *use, enum port_side side, uint64_t now_ns,
			  const struct port_limits *limits, double unseen, struct port_outlook *outlook);

/*
 * The rest. TIME_WAITs end 2MSL after they began, connections when those before them did, and new ones come at the
 * present rate, growing as it does. slow_per_s: what the rate falls to where half of the ports are taken; 0 = it does
 * not.
 */
void port_outlook_compute(const struct port_use *use, enum port_side side, uint64_t now_ns,
			  const struct port_limits *limits, const struct port_rate *rate, double slow_per_s,
			  struct port_outlook *outlook);

/* TIME_WAITs that last at time_ns. */
double port_outlook_waiting(const struct port_use *use, enum port_side side, uint64_t time_ns, double two_msl_s);
