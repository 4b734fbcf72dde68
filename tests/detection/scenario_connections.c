/* SPDX-License-Identifier: BSD-2-Clause */
/* Situations made of single connections that are watched one by one: forged resets, and a burst at a full queue. */
#include <stdlib.h>

#include "scenario.h"
#include "world.h"

/* --- RST injection --- */

enum { SESSIONS = 60 };

struct injection {
	struct server *server;
	struct conn *sessions[SESSIONS];
	double per_second;
	double hits;
	uint64_t until_ns;
};

static void open_session(struct sim *sim, struct injection *injection, unsigned i)
{
	struct conn *conn =
		conn_new(sim, injection->server, 0x55000000 + i * 977, (uint16_t)(32768 + sim_below(sim, 28000)));

	conn->stack = (uint8_t)(i % 3);
	conn->hops = (uint8_t)(6 + i % 9);
	conn->delay_ns = (1 + sim_below(sim, 40)) * SIM_MS;
	conn->script = (struct script){ .request_bytes = 80,
					.response_bytes = 200,
					.exchanges = 1000,
					.think_ns = SIM_S / 2 + sim_below(sim, SIM_S),
					.answer_ns = SIM_MS,
					.close_delay_ns = SIM_MS };
	conn->refs++; /* kept: it is named below */
	injection->sessions[i] = conn;
	conn_open(sim, conn);
}

static void inject(struct sim *sim, void *who, uint64_t argument)
{
	struct injection *injection = who;
	unsigned i = (unsigned)sim_below(sim, SESSIONS);
	struct conn *conn = injection->sessions[i];
	bool hits = sim_chance(sim, injection->hits);

	(void)argument;
	if (sim->now_ns >= injection->until_ns)
		return;
	if (conn->client.is_gone || conn->server_side.is_gone)
		open_session(sim, injection, i); /* the client comes again */
	else
		conn_forge_rst(sim, conn, sim_chance(sim, 0.5), hits ? 0 : 1 + (uint32_t)sim_below(sim, 1u << 31), 47);
	sim_in(sim, sim_exponential_ns(sim, injection->per_second), inject, injection, 0);
}

static void open_sessions(struct sim *sim, void *who, uint64_t argument)
{
	open_session(sim, who, (unsigned)argument);
}

void begin_injection(struct sim *sim, struct options *options)
{
	struct span span = span_of(sim, options, 60, 60);
	struct server *server = make_victim(sim, options);
	struct injection *injection = calloc(1, sizeof(*injection));
	char key[100];

	if (injection == NULL)
		abort();
	*injection = (struct injection){ .server = server,
					 .per_second = option_number(options, "rate", 5),
					 .hits = option_number(options, "hits", 0.5),
					 .until_ns = span.until_ns };
	begin_background(sim, options, server);
	for (unsigned i = 0; i < SESSIONS; i++)
		sim_in(sim, sim_below(sim, 5 * SIM_S), open_sessions, injection, i);
	sim_at(sim, span.from_ns, inject, injection, 0);
	truth_attack(sim, "injection", "[\"rst_injection\"]", service_key(sim, server, key), span.from_ns,
		     span.until_ns, "");
}

/* --- many clients at one instant (lab L7, L7b, L7c) --- */

static void open_one(struct sim *sim, void *who, uint64_t i)
{
	struct conn *conn = conn_new(sim, who, 0x55000000 + (uint32_t)i, (uint16_t)(40000 + i));

	conn->stack = STACK_LINUX;
	conn->is_linear = true;
	conn->delay_ns = 20 * SIM_MS;
	conn->script = (struct script){ .request_bytes = 100, .exchanges = 1, .hold_ns = 1000 * SIM_S };
	conn_open(sim, conn);
}

void begin_burst(struct sim *sim, struct options *options)
{
	struct span span = span_of(sim, options, 60, 60);
	struct server *server = make_victim(sim, options);
	unsigned clients = (unsigned)option_number(options, "clients", 30);
	uint64_t gap_ns = (uint64_t)(option_number(options, "gap", 0.0001) * 1e9);

	begin_background(sim, options, server);
	server->n_waiting = (unsigned)option_number(options, "waiting", 0);
	for (unsigned i = 0; i < clients; i++)
		sim_at(sim, span.from_ns + i * gap_ns, open_one, server, i);
}
