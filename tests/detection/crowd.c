/* SPDX-License-Identifier: BSD-2-Clause */
/* Ordinary traffic: what a network looks like when nothing is wrong, in all its untidiness. */
#include "world.h"

#include <math.h>
#include <stdlib.h>

static uint32_t mix(uint32_t x)
{
	x ^= x >> 16;
	x *= 0x7feb352d;
	x ^= x >> 15;
	x *= 0x846ca68b;
	return x ^ x >> 16;
}

/* What is so of a client stays so: its system, its distance. */
static void dress(struct conn *conn, double loss)
{
	uint32_t hash = mix(conn->client_ip);

	conn->stack = (uint8_t)(hash % 10 < 4 ? STACK_WINDOWS : hash % 10 < 8 ? STACK_LINUX : STACK_MACOS);
	conn->hops = (uint8_t)(3 + hash / 16 % 18);
	conn->is_linear = hash / 1024 % 3 == 0;
	/* 0.2 .. 300 ms there and back, most below 60. */
	conn->delay_ns = (uint64_t)(0.1e6 * pow(1500, pow((hash >> 12) / 1048576.0, 0.8)));
	conn->loss = (float)(loss / 2);
}

struct script web_script(struct sim *sim)
{
	struct script script = {
		.request_bytes = 200 + (uint32_t)sim_below(sim, 600),
		.response_bytes = (uint32_t)sim_pareto(sim, 400, 1.2, 60000),
		.exchanges = 1,
		.think_ns = sim_below(sim, 20 * SIM_MS),
		.answer_ns = SIM_MS + sim_exponential_ns(sim, 100),
		.hold_ns = sim_below(sim, 50 * SIM_MS),
		.close_delay_ns = sim_below(sim, 5 * SIM_MS),
		.server_closes = sim_chance(sim, 0.5),
	};

	if (sim_chance(sim, 0.2)) { /* kept alive */
		script.exchanges = 2 + (unsigned)sim_below(sim, 5);
		script.think_ns = sim_exponential_ns(sim, 0.5);
		script.hold_ns = 5 * SIM_S + sim_exponential_ns(sim, 0.1);
		script.response_bytes = (uint32_t)fmin(script.response_bytes, 8000);
	}
	return script;
}

/* Nights have a third of the traffic of days. */
static double rate_now(const struct sim *sim, const struct crowd *crowd)
{
	double hours = (double)(sim->now_ns - SIM_START_NS) / 3.6e12;

	if (!crowd->is_diurnal)
		return crowd->per_second;
	return crowd->per_second * (0.67 + 0.33 * sin((hours - 8) / 24 * 2 * 3.14159265358979));
}

static void arrive(struct sim *sim, void *who, uint64_t argument)
{
	struct crowd *crowd = who;
	unsigned client = (unsigned)sim_below(sim, crowd->n_clients);

	(void)argument;
	if (sim->now_ns >= crowd->until_ns)
		return;
	struct conn *conn = conn_new(sim, crowd->server, crowd->first_ip + client,
				     (uint16_t)(32768 + crowd->ports[client]++ % 28000));
	dress(conn, crowd->loss);
	conn->script = crowd->is_web ? web_script(sim) : crowd->script;
	conn->script.client_resets |= sim_chance(sim, crowd->resets);
	if (sim_chance(sim, crowd->gives_up)) {
		conn->is_bogus = true;
	}
	conn_open(sim, conn);
	sim_in(sim, sim_exponential_ns(sim, rate_now(sim, crowd)), arrive, crowd, 0);
}

void crowd_begin(struct sim *sim, const struct crowd *crowd)
{
	struct crowd *own = malloc(sizeof(*own));

	if (own == NULL)
		abort();
	*own = *crowd;
	own->ports = calloc(crowd->n_clients, sizeof(*own->ports));
	if (own->ports == NULL)
		abort();
	for (unsigned i = 0; i < crowd->n_clients; i++)
		own->ports[i] = (uint16_t)sim_below(sim, 28000);
	sim_at(sim, crowd->from_ns + sim_exponential_ns(sim, crowd->per_second), arrive, own, 0);
}
