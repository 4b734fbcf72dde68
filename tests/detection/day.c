/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A day on which nothing is wrong: what runs by itself beside the web's clients. Health checks (also of what is dead),
 * pools that idle, peers that are gone, backups at night, one address with thousands behind it, and the noise of the
 * internet.
 */
#include "world.h"

#include <stdlib.h>

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

/* --- by night --- */

enum { DAY_S = 24 * 3600, BACKUP_AT_S = 2 * 3600, RESTART_AT_S = 4 * 3600, RESTART_S = 12 };

struct nights {
	struct server *server;
	uint64_t until_ns;
};

/* One host fetches much from another, every night. */
static void backup(struct sim *sim, void *who, uint64_t argument)
{
	const struct nights *nights = who;

	(void)argument;
	if (sim->now_ns >= nights->until_ns)
		return;
	crowd_begin(sim, &(struct crowd){ .server = nights->server,
					  .per_second = 0.5,
					  .from_ns = sim->now_ns,
					  .until_ns = sim->now_ns + 60 * SIM_S,
					  .first_ip = 0x0a000009,
					  .n_clients = 1,
					  .script = { .request_bytes = 300,
						      .response_bytes = 1400000,
						      .exchanges = 1,
						      .answer_ns = SIM_MS,
						      .server_closes = true,
						      .close_delay_ns = SIM_MS } });
	sim_in(sim, DAY_S * SIM_S, backup, who, 0);
}

static void is_back(struct sim *sim, void *who, uint64_t argument)
{
	struct server *server = who;

	(void)sim;
	(void)argument;
	server->reaction = REACTS_LINUX;
}

/* A server is updated and starts again: for some seconds it refuses. To say so is right, to keep quiet as well. */
static void update(struct sim *sim, void *who, uint64_t argument)
{
	const struct nights *nights = who;
	char ip[48], key[100];

	(void)argument;
	if (sim->now_ns >= nights->until_ns)
		return;
	nights->server->reaction = REACTS_REFUSING;
	snprintf(key, sizeof(key), "\"ip\":\"%s\",\"port\":%u", ip_text(sim, nights->server->ip, ip),
		 nights->server->port);
	truth_attack(sim, "restart", "[\"service_down\"]", key, sim->now_ns, sim->now_ns + RESTART_S * SIM_S,
		     "\"informational\":true");
	sim_in(sim, RESTART_S * SIM_S, is_back, nights->server, 0);
	sim_in(sim, DAY_S * SIM_S, update, who, 0);
}

static struct nights *make_nights(struct server *server, uint64_t until_ns)
{
	struct nights *nights = malloc(sizeof(*nights));

	if (nights == NULL)
		abort();
	*nights = (struct nights){ server, until_ns };
	return nights;
}

/* One address with many behind it, a crawler, and clients that are told what is new. */
static void begin_big_clients(struct sim *sim, struct server *web, double per_second, uint64_t until_ns)
{
	crowd_begin(sim, &(struct crowd){ .server = web,
					  .per_second = per_second * 0.15,
					  .is_diurnal = true,
					  .from_ns = sim->now_ns,
					  .until_ns = until_ns,
					  .first_ip = 0xc633644d,
					  .n_clients = 1,
					  .loss = 0.003,
					  .resets = 0.05,
					  .is_web = true });
	crowd_begin(sim, &(struct crowd){ .server = web,
					  .per_second = per_second * 0.1,
					  .from_ns = sim->now_ns,
					  .until_ns = until_ns,
					  .first_ip = 0xc6336442,
					  .n_clients = 1,
					  .is_web = true });
	crowd_begin(sim, &(struct crowd){ .server = web,
					  .per_second = 0.01,
					  .from_ns = sim->now_ns,
					  .until_ns = until_ns,
					  .first_ip = 0x58000000,
					  .n_clients = 500,
					  .loss = 0.003,
					  .script = { .request_bytes = 6,
						      .response_bytes = 2,
						      .exchanges = 200,
						      .think_ns = 30 * SIM_S,
						      .answer_ns = SIM_MS,
						      .close_delay_ns = SIM_MS } });
}

/* Who comes by day and by night: clients of the web, of an interface, of mail. */
static void begin_crowds(struct sim *sim, struct server *web, struct server *plain, struct server *api,
			 struct server *mail, double per_second, double loss, uint64_t until_ns)
{
	const uint32_t inside = 0x0a000000;

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
	begin_crowds(sim, web, plain, api, mail, per_second, loss, until_ns);
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
	begin_big_clients(sim, web, per_second, until_ns);
	struct server *watched[] = { web, plain, mail, data, api };
	for (unsigned i = 0; i < sizeof(watched) / sizeof(watched[0]); i++)
		begin_check(sim, watched[i], inside + 4, 60, false, until_ns);
	sim_in(sim, BACKUP_AT_S * SIM_S, backup, make_nights(data, until_ns), 0);
	sim_in(sim, RESTART_AT_S * SIM_S, update, make_nights(plain, until_ns), 0);
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
