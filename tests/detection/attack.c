/* SPDX-License-Identifier: BSD-2-Clause */
/* Trouble: floods, strays, scans. */
#include "world.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void *copy_of(const void *what, size_t bytes)
{
	void *copy = malloc(bytes);

	if (copy == NULL)
		abort();
	return memcpy(copy, what, bytes);
}

static uint32_t flood_source(struct sim *sim, const struct flood *flood)
{
	switch (flood->spoofing) {
	case SPOOF_NET24:
		return 0xc6336400 + (uint32_t)sim_below(sim, 256);
	case SPOOF_ONE:
		return 0xc6336407;
	case SPOOF_BOTNET:
		return 0x60000000 + (uint32_t)sim_below(sim, 300) * 7919;
	case SPOOF_RANDOM:
		break;
	}
	return 0x01000000 + (uint32_t)sim_below(sim, 0xdf000000 - 0x01000000);
}

static void flood_one(struct sim *sim, struct flood *flood)
{
	struct conn *conn =
		conn_new(sim, flood->server, flood_source(sim, flood), (uint16_t)(1024 + sim_below(sim, 60000)));

	conn->stack = (uint8_t)(flood->is_mixed ? (uint64_t)STACK_LINUX + sim_below(sim, 3) : (uint64_t)flood->stack);
	conn->hops = (uint8_t)(flood->is_mixed ? 5 + sim_below(sim, 15) : 13 + sim_below(sim, 2));
	conn->delay_ns = 10 * SIM_MS;
	conn->is_bogus = true;
	conn->loss = (float)(flood->loss / 2);
	conn->owner_resets =
		flood->spoofing == SPOOF_BOTNET ? flood->stack == STACK_RAW : sim_chance(sim, flood->owners_reset);
	conn_open(sim, conn);
}

static void flood_step(struct sim *sim, void *who, uint64_t argument)
{
	struct flood *flood = who;
	uint64_t into_ns = sim->now_ns - flood->from_ns;
	double rate = flood->per_second;

	(void)argument;
	if (sim->now_ns >= flood->until_ns)
		return;
	if (flood->on_ns != 0) {
		uint64_t phase = into_ns % (flood->on_ns + flood->off_ns);
		if (phase >= flood->on_ns) {
			sim_in(sim, flood->on_ns + flood->off_ns - phase, flood_step, flood, 0);
			return;
		}
	}
	if (into_ns < flood->ramp_ns)
		rate = fmax(rate * (double)into_ns / (double)flood->ramp_ns, rate / 100);
	flood_one(sim, flood);
	sim_in(sim, (uint64_t)((0.5 + sim_uniform(sim)) * 1e9 / rate), flood_step, flood, 0);
}

void flood_begin(struct sim *sim, const struct flood *flood)
{
	sim_at(sim, flood->from_ns, flood_step, copy_of(flood, sizeof(*flood)), 0);
}

static void stray_step(struct sim *sim, void *who, uint64_t argument)
{
	struct strays *s = who;

	(void)argument;
	if (sim->now_ns >= s->until_ns)
		return;
	uint32_t from = s->from_ip != 0 ? s->from_ip + (uint32_t)sim_below(sim, s->n_from)
					: 0x01000000 + (uint32_t)sim_below(sim, 0xde000000);
	uint32_t to = s->to_ip + (uint32_t)sim_below(sim, s->n_to);
	uint16_t from_port = s->from_port != 0 ? s->from_port : (uint16_t)(1024 + sim_below(sim, 60000));
	uint16_t to_port = s->to_port != 0 ? s->to_port : (uint16_t)(1024 + sim_below(sim, 60000));
	stray_segment(sim, from, from_port, to, to_port, s->flags, (uint8_t)(44 + from % 16), s->to_server);
	if (s->is_answered)
		stray_segment(sim, to, to_port, from, from_port, RST, 63, !s->to_server);
	sim_in(sim, sim_exponential_ns(sim, s->per_second), stray_step, s, 0);
}

void strays_begin(struct sim *sim, const struct strays *strays)
{
	sim_at(sim, strays->from_ns, stray_step, copy_of(strays, sizeof(*strays)), 0);
}

static void scan_step(struct sim *sim, void *who, uint64_t argument)
{
	struct scan *scan = who;
	uint64_t n = (uint64_t)scan->n_hosts * scan->n_ports;

	if (scan->until_ns != 0 ? sim->now_ns >= scan->until_ns : argument >= n)
		return;
	/* In an order that is not that of numbers. */
	uint64_t which = (argument * 2654435761u) % n;
	uint32_t ip = scan->to_ip + (uint32_t)(which % scan->n_hosts);
	uint16_t port = (uint16_t)(scan->first_port + which / scan->n_hosts);
	uint32_t from = scan->from_ip + (uint32_t)sim_below(sim, scan->n_sources);
	double luck = sim_uniform(sim);
	enum reaction reaction = luck < scan->open                    ? REACTS_LINUX
				 : luck < scan->open + scan->refusing ? REACTS_REFUSING
								      : REACTS_SILENT;
	uint16_t from_port = (uint16_t)(40000 + sim_below(sim, 20000));
	if (scan->flags != SYN) {
		stray_segment(sim, from, from_port, ip, port, scan->flags, 52, true);
		if (reaction == REACTS_REFUSING || (scan->flags & ACK))
			stray_segment(sim, ip, port, from, from_port, RST | ACK, 63, false);
	} else {
		struct server *server = calloc(1, sizeof(*server));
		if (server == NULL)
			abort();
		*server = (struct server){
			.ip = ip, .port = port, .reaction = reaction, .backlog = 128, .delay_ns = SIM_MS, .hops = 1
		};
		struct conn *conn = conn_new(sim, server, from, from_port);
		conn->stack = scan->real_stack ? STACK_WINDOWS : STACK_MASSCAN;
		conn->hops = 9;
		conn->is_bogus = !scan->real_stack;
		conn->owner_resets = true;
		conn->script = (struct script){
			.request_bytes = 100, .response_bytes = 200, .exchanges = 1, .close_delay_ns = SIM_MS
		};
		conn_open(sim, conn);
	}
	sim_in(sim, (uint64_t)((0.5 + sim_uniform(sim)) * 1e9 / scan->per_second), scan_step, scan, argument + 1);
}

void scan_begin(struct sim *sim, const struct scan *scan)
{
	sim_at(sim, scan->from_ns, scan_step, copy_of(scan, sizeof(*scan)), 0);
}
