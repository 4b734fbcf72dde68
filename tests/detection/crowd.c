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

static struct script web_script(struct sim *sim)
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

/* --- a day --- */

static struct server *make_server(uint32_t ip, uint16_t port, enum reaction reaction)
{
	struct server *server = calloc(1, sizeof(*server));

	if (server == NULL)
		abort();
	*server = (struct server){ .ip = ip,
				   .port = port,
				   .reaction = reaction,
				   .backlog = 511,
				   .cookies = true,
				   .delay_ns = SIM_MS / 5,
				   .hops = 1 };
	return server;
}

/* Somebody asks somebody regularly, whether he answers or not. */
struct checker {
	struct server *server;
	uint32_t ip;
	uint64_t period_ns;
	uint16_t port;
	bool resets;
	uint64_t until_ns;
};

static void check(struct sim *sim, void *who, uint64_t argument)
{
	struct checker *checker = who;

	(void)argument;
	if (sim->now_ns >= checker->until_ns)
		return;
	struct conn *conn = conn_new(sim, checker->server, checker->ip, (uint16_t)(33000 + checker->port++ % 20000));
	conn->stack = STACK_LINUX;
	conn->hops = 1;
	conn->delay_ns = SIM_MS / 10;
	conn->script = (struct script){ .client_resets = checker->resets, .close_delay_ns = SIM_MS };
	conn_open(sim, conn);
	sim_in(sim, checker->period_ns, check, checker, 0);
}

static void begin_check(struct sim *sim, struct server *server, uint32_t ip, double period_s, bool resets,
			uint64_t until_ns)
{
	struct checker *checker = calloc(1, sizeof(*checker));

	if (checker == NULL)
		abort();
	*checker = (struct checker){ server, ip, (uint64_t)(period_s * 1e9), 0, resets, until_ns };
	sim_in(sim, sim_below(sim, checker->period_ns), check, checker, 0);
}

/* A service that restarts now and then, for some seconds. */
struct restarts {
	struct server *server;
	uint64_t until_ns;
};

static void restart(struct sim *sim, void *who, uint64_t argument)
{
	struct restarts *restarts = who;
	bool is_down = argument != 0;

	if (sim->now_ns >= restarts->until_ns)
		return;
	restarts->server->reaction = is_down ? REACTS_LINUX : REACTS_REFUSING;
	if (is_down)
		sim_in(sim, 4 * 3600 * SIM_S + sim_exponential_ns(sim, 1 / 14400.0), restart, restarts, 0);
	else
		sim_in(sim, SIM_S / 2 + sim_below(sim, SIM_S), restart, restarts, 1);
}

enum { PEERS = 3000 };

/* A peer-to-peer program asks many, of whom many are gone. */
struct peers {
	struct server *servers[PEERS];
	uint64_t until_ns;
};

static struct peers *make_peers(struct sim *sim, uint64_t until_ns)
{
	struct peers *peers = calloc(1, sizeof(*peers));

	if (peers == NULL)
		abort();
	peers->until_ns = until_ns;
	for (int i = 0; i < PEERS; i++) {
		double luck = sim_uniform(sim);
		struct server *peer = make_server(0x50000000 + (uint32_t)sim_below(sim, 1 << 26),
						  (uint16_t)(1024 + sim_below(sim, 60000)),
						  luck < 0.35   ? REACTS_SILENT
						  : luck < 0.45 ? REACTS_REFUSING
								: REACTS_LINUX);
		peer->delay_ns = 20 * SIM_MS;
		peer->hops = 12;
		peers->servers[i] = peer;
	}
	return peers;
}

static void ask_peer(struct sim *sim, void *who, uint64_t argument)
{
	struct peers *peers = who;

	(void)argument;
	if (sim->now_ns >= peers->until_ns)
		return;
	struct server *peer = peers->servers[sim_below(sim, PEERS)];
	struct conn *conn = conn_new(sim, peer, 0x0a000963, (uint16_t)(32768 + sim_below(sim, 28000)));
	conn->stack = STACK_WINDOWS;
	conn->hops = 1;
	conn->delay_ns = SIM_MS / 5;
	conn->script = web_script(sim);
	conn_open(sim, conn);
	sim_in(sim, sim_exponential_ns(sim, 0.5), ask_peer, who, 0);
}

/* What the Internet sends to everybody. */
static void noise(struct sim *sim, void *who, uint64_t argument)
{
	uint64_t *until_ns = who;
	uint32_t from = random_u32(&sim->random);
	uint32_t to = 0xcb007100 + (uint32_t)sim_below(sim, 256);
	static const uint16_t ports[] = { 22, 23, 80, 443, 445, 3389, 5060, 8080, 8443 };

	(void)argument;
	if (sim->now_ns >= *until_ns)
		return;
	double kind = sim_uniform(sim);
	uint16_t port = sim_chance(sim, 0.6) ? ports[sim_below(sim, 9)] : (uint16_t)sim_below(sim, 65535);
	if (kind < 0.85)
		stray_segment(sim, from, (uint16_t)(1024 + sim_below(sim, 60000)), to, port, SYN, 245, true);
	else if (kind < 0.93)
		stray_segment(sim, from, 80, to, (uint16_t)(1024 + sim_below(sim, 60000)), RST | ACK, 50, true);
	else
		stray_segment(sim, from, 443, to, (uint16_t)(1024 + sim_below(sim, 60000)), ACK, 50, true);
	sim_in(sim, sim_exponential_ns(sim, 0.5), noise, who, 0);
}

void ordinary_day(struct sim *sim, double per_second, double loss, uint64_t until_ns)
{
	const uint32_t dmz = 0xcb007100, inside = 0x0a000000;
	struct server *web = make_server(dmz + 10, 443, REACTS_LINUX);
	struct server *plain = make_server(dmz + 11, 80, REACTS_LINUX);
	struct server *mail = make_server(dmz + 25, 25, REACTS_LINUX);
	struct server *data = make_server(inside + 50, 5432, REACTS_LINUX);
	struct server *api = make_server(inside + 60, 8080, REACTS_LINUX);
	struct server *dead = make_server(inside + 77, 8080, REACTS_SILENT);
	struct server *refusing = make_server(inside + 78, 9100, REACTS_REFUSING);
	struct restarts *restarts = calloc(1, sizeof(*restarts));
	uint64_t *end = malloc(sizeof(*end));

	if (restarts == NULL || end == NULL)
		abort();
	*end = until_ns;
	crowd_begin(sim, &(struct crowd){ .server = web,
					  .per_second = per_second * 0.6,
					  .is_diurnal = true,
					  .from_ns = sim->now_ns,
					  .until_ns = until_ns,
					  .first_ip = 0x51000000,
					  .n_clients = 4000,
					  .loss = loss,
					  .gives_up = 0.002,
					  .resets = 0.03,
					  .is_web = true });
	crowd_begin(sim, &(struct crowd){ .server = plain,
					  .per_second = per_second * 0.2,
					  .is_diurnal = true,
					  .from_ns = sim->now_ns,
					  .until_ns = until_ns,
					  .first_ip = 0x52000000,
					  .n_clients = 40,
					  .loss = loss,
					  .gives_up = 0.002,
					  .resets = 0.02,
					  .is_web = true });
	crowd_begin(sim, &(struct crowd){ .server = api,
					  .per_second = per_second * 0.15,
					  .from_ns = sim->now_ns,
					  .until_ns = until_ns,
					  .first_ip = inside + 0x300,
					  .n_clients = 12,
					  .is_web = true });
	crowd_begin(sim, &(struct crowd){ .server = mail,
					  .per_second = per_second * 0.03,
					  .from_ns = sim->now_ns,
					  .until_ns = until_ns,
					  .first_ip = 0x53000000,
					  .n_clients = 3000,
					  .loss = loss,
					  .gives_up = 0.004,
					  .is_web = true });
	/* Connections of a pool: they say something now and then, for hours. */
	crowd_begin(sim, &(struct crowd){ .server = data,
					  .per_second = 0.005,
					  .from_ns = sim->now_ns,
					  .until_ns = until_ns,
					  .first_ip = inside + 0x300,
					  .n_clients = 12,
					  .script = { .request_bytes = 100,
						      .response_bytes = 900,
						      .exchanges = 60,
						      .think_ns = 60 * SIM_S,
						      .answer_ns = SIM_MS,
						      .hold_ns = 600 * SIM_S,
						      .close_delay_ns = SIM_MS } });
	begin_check(sim, web, inside + 5, 5, false, until_ns);
	begin_check(sim, plain, inside + 5, 2, true, until_ns);
	begin_check(sim, api, inside + 6, 2, true, until_ns);
	begin_check(sim, dead, inside + 5, 5, false, until_ns);
	begin_check(sim, refusing, inside + 6, 10, false, until_ns);
	*restarts = (struct restarts){ api, until_ns };
	sim_in(sim, 3600 * SIM_S, restart, restarts, 0);
	sim_in(sim, SIM_S, ask_peer, make_peers(sim, until_ns), 0);
	sim_in(sim, SIM_S, noise, end, 0);
}
