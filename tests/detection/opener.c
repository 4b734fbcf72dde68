/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A client that opens and closes towards one service, and where its ports come from (detection science, L1 to L3):
 * Linux hands out ports of one parity first; who closes first keeps the port for 2MSL; without a free port connect()
 * fails and nothing is sent.
 */
#include "world.h"

#include <math.h>
#include <stdlib.h>

enum { PORT_FREE = 0, PORT_OPEN, PORT_WAITS };

static bool may_take(const struct sim *sim, const struct opener *o, unsigned port)
{
	if (o->taken[port] == PORT_FREE)
		return true;
	return o->reuses && o->taken[port] == PORT_WAITS && sim->now_ns - o->freed_ns[port] > SIM_S;
}

/* As connect() on Linux: the even ones from a place that moves on, then the odd ones. Windows: in order. */
static int choose_port(struct sim *sim, struct opener *o)
{
	unsigned stride = o->stack == STACK_LINUX ? 2 : 1;

	o->next = (o->next + stride * (1 + (unsigned)sim_below(sim, 8))) % o->n_ports;
	for (unsigned parity = 0; parity < stride; parity++) {
		unsigned begin = (o->next / stride * stride + parity) % o->n_ports;
		for (unsigned i = 0; i < o->n_ports / stride; i++) {
			unsigned port = (begin + stride * i) % o->n_ports;
			if (may_take(sim, o, port))
				return (int)port;
		}
	}
	return -1;
}

static void free_port(struct sim *sim, void *who, uint64_t port)
{
	struct opener *o = who;

	if (o->taken[port] != PORT_WAITS || sim->now_ns - o->freed_ns[port] < o->two_msl_ns)
		return;
	o->taken[port] = PORT_FREE;
	o->n_taken--;
}

static void is_over(struct sim *sim, struct conn *conn, void *owner, bool completed)
{
	struct opener *o = owner;
	unsigned port = conn->client_port - o->lowest;

	if (o->taken[port] != PORT_OPEN)
		return;
	if (!completed || conn->script.client_resets || conn->script.server_closes) {
		o->taken[port] = PORT_FREE;
		o->n_taken--;
		return;
	}
	o->taken[port] = PORT_WAITS;
	o->freed_ns[port] = sim->now_ns;
	sim_in(sim, o->two_msl_ns, free_port, o, port);
}

static void open_one(struct sim *sim, struct opener *o)
{
	int port = choose_port(sim, o);

	if (port < 0) {
		o->n_failed++;
		if (o->first_failure_ns == 0)
			o->first_failure_ns = sim->now_ns;
		return;
	}
	o->n_taken += o->taken[port] == PORT_FREE;
	o->taken[port] = PORT_OPEN;
	if (o->half_ns == 0 && 2 * o->n_taken >= o->n_ports)
		o->half_ns = sim->now_ns;
	struct conn *conn = conn_new(sim, o->server, o->ip, (uint16_t)(o->lowest + (unsigned)port));
	conn->stack = (uint8_t)o->stack;
	conn->hops = 1;
	conn->delay_ns = SIM_MS / 10;
	conn->script = o->script;
	conn->owner = o;
	conn->over = is_over;
	o->n_opened++;
	conn_open(sim, conn);
}

static void open_step(struct sim *sim, void *who, uint64_t argument)
{
	struct opener *o = who;
	double rate = o->per_second;

	(void)argument;
	if (sim->now_ns >= o->until_ns)
		return;
	if (o->ramp_per_second2 > 0)
		rate = fmin(rate, 20 + o->ramp_per_second2 * (double)(sim->now_ns - o->from_ns) / 1e9);
	if (o->sags && 2 * o->n_taken >= o->n_ports)
		rate = fmin(rate, 520);
	open_one(sim, o);
	sim_in(sim, o->is_poisson ? sim_exponential_ns(sim, rate) : (uint64_t)(1e9 / rate), open_step, o, 0);
}

void opener_begin(struct sim *sim, struct opener *o)
{
	o->lowest = o->stack == STACK_LINUX ? 32768 : 49152;
	o->n_ports = o->stack == STACK_LINUX ? 28232 : 16384;
	o->two_msl_ns = (o->stack == STACK_LINUX ? 60 : o->stack == STACK_WINDOWS ? 120 : 30) * SIM_S;
	o->next = (unsigned)sim_below(sim, o->n_ports);
	o->taken = calloc(o->n_ports, 1);
	o->freed_ns = calloc(o->n_ports, sizeof(*o->freed_ns));
	if (o->taken == NULL || o->freed_ns == NULL)
		abort();
	sim_at(sim, o->from_ns, open_step, o, 0);
}
