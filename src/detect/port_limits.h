/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "port_use.h"

/* How many ports a client has towards one service, and how long each is taken by TIME_WAIT. */
struct port_limits {
	double capacity;
	double two_msl_s;
	enum port_use_stack stack; /* what its SYNs look like, or its ports */
	bool is_shared;            /* several hosts behind one address: a NAT gateway */
	bool is_reusing;           /* it opens connections on ports that are in TIME_WAIT, and so does not run out */
	bool by_rule;              /* capacity is configured */
	bool by_ports;             /* capacity is corrected by the ports seen */
};

/*
 * From the stack's defaults, corrected by what is seen: ports outside its range, a range that was gone through
 * without leaving a part of it, TIME_WAITs that are cut short never before a certain time. port_range and
 * two_msl_ns are configured values that go before all; 0 = none.
 */
void port_limits_infer(const struct port_use *use, uint64_t now_ns, uint64_t port_range, uint64_t two_msl_ns,
		       struct port_limits *limits);

/* "Linux", ...; static. */
const char *port_stack_name(enum port_use_stack stack);
