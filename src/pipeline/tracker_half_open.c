/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long a server keeps a half-open connection: it repeats the SYN-ACK at growing intervals and gives up when the
 * next repetition would be due (Linux: after 1, 3, 7, 15 and 31 s, and gives up at 63 s; when its queue is more than
 * half full already at 7 s). A SYN-ACK that answers a repeated SYN shows nothing: a server with SYN cookies sends it
 * too, and keeps nothing.
 */
#include "tracker_internal.h"

#include "tcpwitness/base/units.h"

/* A SYN-ACK so soon after a repeated SYN answers it. */
#define PROMPTED_NS (400 * NS_PER_MS)

/* Intervals double (RFC 6298 5.5). */
enum { BACKOFF = 2 };

static uint16_t in_units(uint64_t duration_ns)
{
	uint64_t units = duration_ns / FLOW_SYNACK_UNIT_NS;

	return units < UINT16_MAX ? (uint16_t)units : UINT16_MAX;
}

static uint64_t held_until(const struct flow *flow)
{
	if (flow->synack_held == 0)
		return 0;
	return flow->first_ns + ((uint64_t)flow->synack_after + flow->synack_held) * FLOW_SYNACK_UNIT_NS;
}

void tracker_half_open_begins(struct flow *flow, uint64_t now_ns)
{
	flow->synack_after = in_units(ns_since(now_ns, flow->first_ns));
	flow->synack_held = 0;
}

void tracker_half_open_repeats(struct flow *flow, uint64_t now_ns, struct flow_signal *signal)
{
	uint64_t last_ns = flow->first_ns + (uint64_t)flow->synack_after * FLOW_SYNACK_UNIT_NS;
	uint64_t later_syn_ns = flow->conn.later_syn_ns;
	bool is_prompted =
		later_syn_ns + FLOW_SYNACK_UNIT_NS >= last_ns && ns_since(now_ns, later_syn_ns) < PROMPTED_NS;

	signal->held_before_ns = held_until(flow);
	if (!is_prompted)
		flow->synack_held = in_units(BACKOFF * ns_since(now_ns, last_ns));
	flow->synack_after = in_units(ns_since(now_ns, flow->first_ns));
	signal->held_until_ns = held_until(flow);
}

void tracker_half_open_ends(struct flow *flow, uint64_t now_ns, struct flow_signal *signal)
{
	signal->held_before_ns = held_until(flow);
	signal->held_until_ns = signal->held_before_ns < now_ns ? signal->held_before_ns : now_ns;
}
