/* SPDX-License-Identifier: BSD-2-Clause */
#include "port_client.h"

#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "tcpwitness/base/units.h"

enum { PORTS = 65536 };

/* Options as the decoder hashes them: kinds in order, FNV-1a. */
enum { LAYOUT_LINUX = 0x32e187f9, LAYOUT_WINDOWS = 0x051cadd1 };

/* Trackers hold a TIME_WAIT for so long, and tell when a new connection cuts it short. */
#define TRACKED_S     60.0
#define HANDSHAKE_S   0.001
#define REUSE_AFTER_S 1.0
#define CALENDAR_S    0.01
#define MAX_WAIT_S    0.05

const struct port_client port_client_linux = {
	.from_s = 5,
	.slow_per_s = 520,
	.life_s = 0.005,
	.two_msl_s = 60,
	.first_port = 32768,
	.last_port = 60999,
	.ttl = 64,
	.window = 64240,
	.layout = LAYOUT_LINUX,
	.seed = 1,
};

const struct port_client port_client_windows = {
	.from_s = 5,
	.life_s = 0.005,
	.two_msl_s = 120,
	.order = PORT_ORDER_RANDOM,
	.first_port = 49152,
	.last_port = 65535,
	.ttl = 128,
	.window = 64240,
	.layout = LAYOUT_WINDOWS,
	.seed = 1,
};

const struct port_client port_client_macos = {
	.from_s = 5,
	.life_s = 0.005,
	.two_msl_s = 30,
	.order = PORT_ORDER_RANDOM,
	.first_port = 49152,
	.last_port = 65535,
	.ttl = 64,
	.window = 65535,
	.layout = UINT32_C(0x91962de9),
	.seed = 1,
};

struct model {
	const struct port_client *client;
	struct port_client_run *run;
	struct random random;
	uint32_t offset;
	uint32_t n_ports;
	bool is_past_half;
	double ready_at;                  /* when it has done with the connection before */
	uint64_t free[2][PORTS / 2 / 64]; /* by parity, then port / 2: as of today */
	uint32_t *days;                   /* first port that comes free on each day of CALENDAR_S; 0 = none */
	uint32_t next_that_day[PORTS];
	size_t today;
	size_t n_days;
	double closed_at[PORTS]; /* TIME_WAIT began; 0 = none */
};

static double exponential(struct model *model)
{
	return -log(random_unit(&model->random));
}

static void tell(struct model *model, enum flow_signal_kind kind, double at_s, double since_s, uint32_t port)
{
	struct port_client_run *run = model->run;

	if (run->n_events == run->room) {
		run->room = run->room > 0 ? 2 * run->room : 4096;
		run->events = realloc(run->events, run->room * sizeof(*run->events));
		if (run->events == NULL)
			abort();
	}
	run->events[run->n_events] = (struct port_client_event){
		.order = run->n_events,
		.at_s = at_s,
		.since_s = since_s,
		.kind = kind,
		.reused = kind == SIGNAL_TIME_WAIT_OVER,
		.port = (uint16_t)port,
	};
	run->n_events++;
}

static void set_free(struct model *model, uint32_t port, bool is_free)
{
	uint64_t bit = UINT64_C(1) << (port / 2 % 64);
	uint64_t *word = &model->free[port % 2][port / 2 / 64];

	*word = is_free ? *word | bit : *word & ~bit;
}

static bool is_free(const struct model *model, uint32_t port, double at_s)
{
	if (model->free[port % 2][port / 2 / 64] >> (port / 2 % 64) & 1)
		return true;
	return model->client->reuses && model->closed_at[port] > 0 && at_s - model->closed_at[port] > REUSE_AFTER_S;
}

static void take(struct model *model, uint32_t port, double until_s)
{
	size_t day = (size_t)(until_s / CALENDAR_S) + 1;

	set_free(model, port, false);
	/* A port that is reused may be on another day's list already; it is taken off there by closed_at. */
	if (day >= model->n_days || model->client->reuses)
		return;
	model->next_that_day[port] = model->days[day];
	model->days[day] = port;
}

static void let_time_pass(struct model *model, double at_s)
{
	for (; model->today < model->n_days && (double)model->today * CALENDAR_S <= at_s; model->today++) {
		for (uint32_t port = model->days[model->today]; port != 0; port = model->next_that_day[port])
			set_free(model, port, true);
	}
}

/* The first free port of a parity in the half-open range of indices (port / 2), or 0. */
static uint32_t first_free(const struct model *model, uint32_t parity, uint32_t from, uint32_t to, double at_s)
{
	for (uint32_t i = from; i < to;) {
		if (!model->client->reuses && i % 64 == 0 && model->free[parity][i / 64] == 0) {
			i += 64;
			continue;
		}
		if (is_free(model, 2 * i + parity, at_s))
			return 2 * i + parity;
		i++;
	}
	return 0;
}

/* As the kernel does: the first parity from the offset on, all around; then the second. */
static uint32_t pick_by_parity(struct model *model, double at_s)
{
	uint32_t first = model->client->first_port;
	uint32_t half = model->n_ports / 2;

	for (uint32_t i = 0; i < 2; i++) {
		uint32_t parity = (first + i) % 2;
		uint32_t low = (first + i) / 2;
		uint32_t from = low + model->offset / 2 % half;
		uint32_t port = first_free(model, parity, from, low + half, at_s);
		if (port == 0)
			port = first_free(model, parity, low, from, at_s);
		if (port == 0)
			continue;
		uint32_t passed = (port / 2 + half - from) % half;
		uint32_t skip = random_below(&model->random, 8);
		model->offset = 2 * ((model->offset / 2 + (passed > skip ? passed : skip) + 1) % half);
		model->is_past_half = i == 1;
		return port;
	}
	return 0;
}

static uint32_t pick_next(struct model *model, double at_s)
{
	uint32_t first = model->client->first_port;

	if (model->client->order == PORT_ORDER_RANDOM)
		model->offset = random_below(&model->random, model->n_ports);
	for (uint32_t i = 0; i < model->n_ports; i++) {
		uint32_t port = first + (model->offset + i) % model->n_ports;
		if (!is_free(model, port, at_s))
			continue;
		model->offset = (model->offset + i + 1) % model->n_ports;
		return port;
	}
	return 0;
}

static void open_connection(struct model *model, double at_s)
{
	const struct port_client *client = model->client;
	struct port_client_run *run = model->run;
	uint32_t port = client->order == PORT_ORDER_PARITY ? pick_by_parity(model, at_s) : pick_next(model, at_s);

	if (port == 0) {
		if (run->failed_s < 0)
			run->failed_s = at_s;
		run->n_failed++;
		return;
	}
	if (model->is_past_half && run->flipped_s < 0)
		run->flipped_s = at_s;
	run->n_opened++;
	if (model->closed_at[port] > 0 && at_s - model->closed_at[port] < TRACKED_S)
		tell(model, SIGNAL_TIME_WAIT_OVER, at_s, model->closed_at[port], port);
	double life_s = HANDSHAKE_S + client->life_s * (client->is_random ? exponential(model) : 1);
	double closed_s = at_s + life_s;
	double how = random_unit(&model->random);
	tell(model, SIGNAL_COMPLETED, at_s + HANDSHAKE_S, at_s, port);
	tell(model, SIGNAL_CLOSED, closed_s, at_s, port);
	model->closed_at[port] = 0;
	if (how > client->resets + client->server_closes) {
		tell(model, SIGNAL_TIME_WAIT, closed_s, at_s, port);
		model->closed_at[port] = closed_s;
		take(model, port, closed_s + client->two_msl_s);
		return;
	}
	if (how > client->resets)
		tell(model, SIGNAL_SERVER_TIME_WAIT, closed_s, at_s, port);
	take(model, port, closed_s);
}

static int compare(const void *a, const void *b)
{
	const struct port_client_event *x = a;
	const struct port_client_event *y = b;

	if (x->at_s != y->at_s)
		return x->at_s < y->at_s ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

void port_client_plan(const struct port_client *client, struct port_client_run *run)
{
	struct model *model = calloc(1, sizeof(*model));

	if (model == NULL)
		abort();
	*run = (struct port_client_run){ .failed_s = -1, .flipped_s = -1 };
	model->client = client;
	model->run = run;
	model->random.state = client->seed;
	model->n_ports = (uint32_t)client->last_port - client->first_port + 1;
	model->n_days = (size_t)((client->until_s + client->two_msl_s) / CALENDAR_S) + 2;
	model->days = calloc(model->n_days, sizeof(*model->days));
	if (model->days == NULL)
		abort();
	for (uint32_t port = client->first_port; port <= client->last_port; port++)
		set_free(model, port, true);
	double most = client->most_per_s > 0 ? client->most_per_s : client->start_per_s;
	for (double asked_s = client->from_s; asked_s < client->until_s;) {
		double rate = client->start_per_s + client->growth_per_s2 * (asked_s - client->from_s);
		rate = rate < most || client->growth_per_s2 == 0 ? rate : most;
		/* What is asked for while it searches for a port has to wait. */
		double at_s = fmax(asked_s, model->ready_at);
		if (at_s < client->until_s) {
			let_time_pass(model, at_s);
			open_connection(model, at_s);
		}
		if (model->is_past_half && client->slow_per_s > 0)
			model->ready_at = at_s + 1 / client->slow_per_s;
		asked_s += (client->is_random ? exponential(model) : 1) / rate;
		/* No more than a few wait: who asks waits for the answer. */
		asked_s = fmax(asked_s, model->ready_at - MAX_WAIT_S);
	}
	free(model->days);
	free(model);
	qsort(run->events, run->n_events, sizeof(*run->events), compare);
}

void port_client_free(struct port_client_run *run)
{
	free(run->events);
	run->events = NULL;
}

static uint64_t ns_at(uint64_t start_ns, double at_s)
{
	return start_ns + (uint64_t)(at_s * (double)NS_PER_SEC + 0.5);
}

struct flow_signal port_client_signal(const struct port_client *client, const struct port_client_event *event,
				      uint64_t start_ns)
{
	return (struct flow_signal){
		.kind = event->kind,
		.answered = true,
		.completed = true,
		.reused = event->reused,
		.ttl = client->ttl,
		.window = client->window,
		.syn_layout = client->layout,
		.client = { .bytes = { 10, 0, 0, 5 }, .version = 4 },
		.server = { .bytes = { 10, 0, 0, 9 }, .version = 4 },
		.client_port = event->port,
		.server_port = 443,
		.now_ns = ns_at(start_ns, event->at_s),
		.since_ns = ns_at(start_ns, event->since_s),
	};
}
