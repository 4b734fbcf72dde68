/* SPDX-License-Identifier: BSD-2-Clause */
/* The named situations that detectors are judged by, and the truth about each. */
#include "scenario.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

#define VICTIM 0xcb00710au /* 203.0.113.10 */

/* A flood within a flash crowd: that is there so long before, and behind. */
#define CROWD_BEFORE_NS (20 * SIM_S)

double option_number(struct options *options, const char *name, double otherwise)
{
	const char *text = option_text(options, name, NULL);

	return text != NULL ? strtod(text, NULL) : otherwise;
}

const char *option_text(struct options *options, const char *name, const char *otherwise)
{
	size_t length = strlen(name);

	for (int i = 0; i < options->n; i++) {
		if (strncmp(options->pairs[i], name, length) == 0 && options->pairs[i][length] == '=') {
			options->used |= 1u << i;
			return options->pairs[i] + length + 1;
		}
	}
	return otherwise;
}

static uint64_t at(double seconds)
{
	return SIM_START_NS + (uint64_t)(seconds * 1e9);
}

static int choice(struct options *options, const char *name, const char *const *words)
{
	const char *text = option_text(options, name, words[0]);

	for (int i = 0; words[i] != NULL; i++)
		if (strcmp(words[i], text) == 0)
			return i;
	fprintf(stderr, "simulate: %s=%s: not known\n", name, text);
	exit(2);
}

/* The victim's own count, a hundred times a second while it changes. told: what was told last. */
static void tell_half_open(struct sim *sim, void *who, uint64_t told)
{
	const struct server *server = who;
	char members[80];

	if (server->n_half_open != told) {
		snprintf(members, sizeof(members), "\"time\":%.6f,\"value\":%u", (double)sim->now_ns / 1e9,
			 server->n_half_open);
		truth_line(sim, "half_open", members);
	}
	sim_in(sim, 10 * SIM_MS, tell_half_open, who, server->n_half_open);
}

struct server *make_victim(struct sim *sim, struct options *options)
{
	static const char *const reactions[] = { "linux", "windows", "proxy", "refusing", "silent", NULL };
	struct server *server = calloc(1, sizeof(*server));

	if (server == NULL)
		abort();
	server->ip = VICTIM;
	server->port = (uint16_t)option_number(options, "port", 443);
	server->reaction = (enum reaction)choice(options, "reaction", reactions);
	server->backlog = (unsigned)option_number(options, "backlog", 511);
	server->cookies = option_number(options, "cookies", 1) != 0;
	server->accept_backlog = (unsigned)option_number(options, "accept_backlog", 0);
	server->accepts_per_second = option_number(options, "accepts", 0);
	server->delay_ns = SIM_MS / 5;
	server->hops = 1;
	sim->victim = server;
	if (sim->truth != NULL)
		sim_in(sim, 0, tell_half_open, server, 0);
	return server;
}

void begin_background(struct sim *sim, struct options *options, struct server *server)
{
	double rate = option_number(options, "background", 100);

	if (rate <= 0)
		return;
	crowd_begin(sim, &(struct crowd){
				 .server = server,
				 .per_second = rate,
				 .from_ns = at(0),
				 .until_ns = sim->end_ns,
				 .first_ip = 0x51000000,
				 .n_clients = (unsigned)fmax(200, rate),
				 .loss = option_number(options, "loss", 0.005),
				 .gives_up = option_number(options, "gives_up", 0.002),
				 .resets = 0.02,
				 .is_web = true,
			 });
}

const char *service_key(struct sim *sim, const struct server *server, char text[static 100])
{
	char ip[48];

	snprintf(text, 100, "\"ip\":\"%s\",\"port\":%u", ip_text(sim, server->ip, ip), server->port);
	return text;
}

struct span span_of(struct sim *sim, struct options *options, double seconds, double tail)
{
	double lead = option_number(options, "lead", LEAD_S);

	seconds = option_number(options, "seconds", seconds);
	tail = option_number(options, "tail", tail);
	sim->end_ns = at(lead + seconds + tail);
	return (struct span){ at(lead), at(lead + seconds) };
}

static const char *const spoofs[] = { "random", "net24", "one", "botnet", NULL };

/* Honest clients, as many times more than usual. */
static void begin_crowd(struct sim *sim, struct options *options, struct server *server, struct span span, double times)
{
	char key[100];

	crowd_begin(sim, &(struct crowd){ .server = server,
					  .per_second = option_number(options, "background", 100) * times,
					  .from_ns = span.from_ns,
					  .until_ns = span.until_ns,
					  .first_ip = 0x54000000,
					  .n_clients = 50000,
					  .loss = option_number(options, "loss", 0.005),
					  .gives_up = 0.004,
					  .resets = 0.03,
					  .is_web = true });
	truth_attack(sim, "flash_crowd", "[\"flash_crowd\"]", service_key(sim, server, key), span.from_ns,
		     span.until_ns, "\"informational\":true");
}

static void begin_syn_flood(struct sim *sim, struct options *options)
{
	static const char *const stacks[] = { "linux", "windows", "macos",    "raw",   "masscan",
					      "zmap",  "bare",    "dominate", "mixed", NULL };
	struct span span = span_of(sim, options, 60, 60);
	struct server *server = make_victim(sim, options);
	const char *stack_name = option_text(options, "stack", "raw");
	double times = option_number(options, "times", 0);
	int stack = STACK_RAW;
	char key[100], parameters[200];

	for (int i = 0; stacks[i] != NULL; i++)
		if (strcmp(stacks[i], stack_name) == 0)
			stack = i;
	struct flood flood = {
		.server = server,
		.per_second = option_number(options, "rate", 1000),
		.from_ns = span.from_ns,
		.until_ns = span.until_ns,
		.ramp_ns = (uint64_t)(option_number(options, "ramp", 0) * 1e9),
		.on_ns = (uint64_t)(option_number(options, "on", 0) * 1e9),
		.off_ns = (uint64_t)(option_number(options, "off", 0) * 1e9),
		.spoofing = (enum spoofing)choice(options, "spoof", spoofs),
		.stack = stack < STACK_KINDS ? (enum stack_kind)stack : STACK_RAW,
		.is_mixed = stack == STACK_KINDS,
		.owners_reset = option_number(options, "owners_reset", 0.05),
	};
	begin_background(sim, options, server);
	if (times > 0)
		begin_crowd(sim, options, server,
			    (struct span){ span.from_ns - CROWD_BEFORE_NS, span.until_ns + CROWD_BEFORE_NS }, times);
	flood_begin(sim, &flood);
	snprintf(parameters, sizeof(parameters), "\"rate\":%g,\"spoof\":\"%s\",\"stack\":\"%s\",\"on\":%g",
		 flood.per_second, spoofs[flood.spoofing], stack_name, (double)flood.on_ns / 1e9);
	truth_attack(sim, "syn_flood", "[\"syn_flood\",\"half_open_surge\"]", service_key(sim, server, key),
		     span.from_ns, span.until_ns, parameters);
}

static void begin_trickle(struct sim *sim, struct options *options)
{
	struct span span = span_of(sim, options, 150, 90);
	struct server *server = make_victim(sim, options);
	char key[100], parameters[100];
	double rate = option_number(options, "rate", 2);

	server->backlog = (unsigned)option_number(options, "backlog", 128);
	begin_background(sim, options, server);
	flood_begin(sim, &(struct flood){ .server = server,
					  .per_second = rate,
					  .from_ns = span.from_ns,
					  .until_ns = span.until_ns,
					  .is_mixed = true });
	snprintf(parameters, sizeof(parameters), "\"rate\":%g,\"backlog\":%u", rate, server->backlog);
	truth_attack(sim, "trickle", "[\"half_open_surge\",\"syn_flood\"]", service_key(sim, server, key), span.from_ns,
		     span.until_ns, parameters);
}

static void begin_carpet(struct sim *sim, struct options *options)
{
	struct span span = span_of(sim, options, 60, 60);
	double rate = option_number(options, "rate", 2);
	enum spoofing spoofing = (enum spoofing)choice(options, "spoof", spoofs);
	unsigned n_hosts = (unsigned)option_number(options, "hosts", 254);
	unsigned n_ports = (unsigned)option_number(options, "ports", 1);
	bool is_linux = strcmp(option_text(options, "stack", "raw"), "linux") == 0;
	struct server *server = make_victim(sim, options);
	char text[48], key[100], parameters[32];

	begin_background(sim, options, server);
	for (unsigned i = 0; i < n_hosts * n_ports; i++) {
		struct server *host = calloc(1, sizeof(*host));
		if (host == NULL)
			abort();
		*host = (struct server){ .ip = 0xcb007101 + i % n_hosts,
					 .port = (uint16_t)(80 + 61 * (i / n_hosts)),
					 .backlog = 128,
					 .cookies = true,
					 .reaction = server->reaction == REACTS_REFUSING ? REACTS_REFUSING
						     : i % 4 == 0                        ? REACTS_LINUX
											 : REACTS_SILENT,
					 .delay_ns = SIM_MS / 5,
					 .hops = 1 };
		flood_begin(sim, &(struct flood){ .server = host,
						  .per_second = rate / n_ports,
						  .from_ns = span.from_ns + sim_below(sim, SIM_S / 2),
						  .until_ns = span.until_ns,
						  .spoofing = spoofing,
						  .stack = is_linux ? STACK_LINUX : STACK_RAW });
	}
	snprintf(key, sizeof(key), "\"prefix\":\"%s/%u\"", ip_text(sim, sim->tap.ipv6 ? 0 : 0xcb007100, text),
		 sim->tap.ipv6 ? 64 : 24);
	snprintf(parameters, sizeof(parameters), "\"rate\":%g", rate * n_hosts);
	truth_attack(sim, "carpet", "[\"carpet_bombing\"]", key, span.from_ns, span.until_ns, parameters);
	/* The one with ordinary clients is none of those that refuse. */
	server->reaction = REACTS_LINUX;
}

static void begin_flash_crowd(struct sim *sim, struct options *options)
{
	struct span span = span_of(sim, options, 60, 60);
	struct server *server = make_victim(sim, options);

	begin_background(sim, options, server);
	begin_crowd(sim, options, server, span, option_number(options, "times", 20));
}

static void begin_exhaustion(struct sim *sim, struct options *options)
{
	static const char *const stacks[] = { "linux", "windows", "macos", NULL };
	double lead = option_number(options, "lead", LEAD_S);
	double seconds = option_number(options, "seconds", 120);
	struct server *server = make_victim(sim, options);
	struct opener *o = calloc(1, sizeof(*o));

	if (o == NULL)
		abort();
	sim->end_ns = at(lead + seconds + option_number(options, "tail", 120));
	server->ip = 0x0a000009;
	*o = (struct opener){
		.server = server,
		.ip = 0x0a000005,
		.per_second = option_number(options, "rate", 800),
		.ramp_per_second2 = option_number(options, "ramp", 0),
		.from_ns = at(lead),
		.until_ns = at(lead + seconds),
		.stack = (enum stack_kind)choice(options, "stack", stacks),
		.reuses = option_number(options, "reuse", 0) != 0,
		.sags = option_number(options, "sags", 1) != 0,
		.is_poisson = option_number(options, "poisson", 0) != 0,
		.script = { .request_bytes = 120,
			    .response_bytes = 400,
			    .exchanges = 1,
			    .answer_ns = SIM_MS,
			    .close_delay_ns = SIM_MS / 10 },
	};
	sim->opener = o;
	begin_background(sim, options, server);
	opener_begin(sim, o);
}

/* --- scans, strays, states --- */

static void source_truth(struct sim *sim, const char *scenario, const char *accepted, uint32_t ip, struct span span)
{
	char text[48], key[100];

	snprintf(key, sizeof(key), "\"ip\":\"%s\",\"role\":\"source\"", ip_text(sim, ip, text));
	truth_attack(sim, scenario, accepted, key, span.from_ns, span.until_ns, "");
}

static void begin_scan(struct sim *sim, struct options *options)
{
	static const char *const kinds[] = { "vertical", "horizontal", "slow", "fin",         "null",
					     "xmas",     "ack",        "worm", "distributed", NULL };
	static const uint8_t flags[] = { SYN, SYN, SYN, FIN, 0, FIN | PSH | URG, ACK, SYN, SYN };
	int kind = choice(options, "kind", kinds);
	bool is_horizontal = kind == 1 || kind == 7;
	bool is_slow = kind == 2;
	struct span span = span_of(sim, options, is_slow ? 1800 : 30, 60);
	struct server *server = make_victim(sim, options);
	struct scan scan = {
		.from_ip = kind == 7 ? 0x0a000963 : 0xc6336407,
		.n_sources = (uint32_t)option_number(options, "sources", kind == 8 ? 60 : 1),
		.to_ip = is_horizontal ? 0xcb007000 : VICTIM,
		.n_hosts = is_horizontal ? 4096 : 1,
		.first_port = is_horizontal ? 445 : 1,
		.n_ports = is_horizontal ? 1 : 2000,
		.per_second = option_number(options, "rate",
					    is_slow     ? 0.04
					    : kind == 7 ? 30
							: 200),
		.from_ns = span.from_ns,
		.until_ns = span.until_ns,
		.flags = flags[kind],
		.open = option_number(options, "open", 0.02),
		.refusing = option_number(options, "refusing", is_horizontal ? 0.2 : 0.9),
		.real_stack = kind == 7,
	};

	begin_background(sim, options, server);
	scan_begin(sim, &scan);
	if (kind == 7)
		source_truth(sim, "worm", "[\"connection_fan_out\",\"port_scan\"]", scan.from_ip, span);
	else if (kind == 8) {
		char text[48], key[100];
		snprintf(key, sizeof(key), "\"ip\":\"%s\"", ip_text(sim, VICTIM, text));
		truth_attack(sim, "distributed_scan", "[\"port_scan\"]", key, span.from_ns, span.until_ns, "");
	} else
		source_truth(sim, "scan", "[\"port_scan\"]", scan.from_ip, span);
}

static void begin_strays(struct sim *sim, struct options *options)
{
	static const char *const kinds[] = { "reflection", "backscatter", "ack", "rst", "fin", "xmas", NULL };
	static const uint8_t flags[] = { SYN | ACK, SYN | ACK, ACK, RST, FIN | ACK, FIN | PSH | URG };
	int kind = choice(options, "kind", kinds);
	struct span span = span_of(sim, options, 60, 60);
	struct server *server = make_victim(sim, options);
	char text[48], key[100];
	struct strays strays = {
		.per_second = option_number(options, "rate", kind == 1 ? 20 : 1000),
		.from_ns = span.from_ns,
		.until_ns = span.until_ns,
		.from_ip = kind == 0   ? 0x60000000
			   : kind == 1 ? 0xc6336407
				       : 0,
		.n_from = kind == 0 ? 800 : 1,
		.from_port = kind <= 1 ? 443 : 0,
		.to_ip = kind == 1 ? 0xcb007100 : VICTIM,
		.n_to = kind == 1 ? 256 : 1,
		.to_port = kind >= 2 ? server->port : 0,
		.flags = flags[kind],
		.to_server = true,
		.is_answered = kind == 0 || kind == 2,
	};

	option_number(options, "warm", 0);
	begin_background(sim, options, server);
	strays_begin(sim, &strays);
	if (kind == 1) {
		source_truth(sim, "backscatter", "[\"backscatter\"]", strays.from_ip, span);
		return;
	}
	snprintf(key, sizeof(key), "\"ip\":\"%s\"", ip_text(sim, VICTIM, text));
	truth_attack(sim, kinds[kind], kind == 0 ? "[\"synack_reflection\"]" : "[\"out_of_state_flood\"]", key,
		     span.from_ns, span.until_ns, "");
}

/* Connections that stay in some state: one crowd with a script. */
static void begin_held(struct sim *sim, struct options *options)
{
	static const char *const kinds[] = { "idle",       "established", "zero_window", "close_wait",
					     "fin_wait_2", "last_ack",    "time_wait",   NULL };
	static const char *const accepted[] = { "[\"connection_flood\"]", "[\"connection_flood\"]",
						"[\"zero_window_hold\"]", "[\"state_leak\"]",
						"[\"state_leak\"]",       "[\"state_leak\"]",
						"[\"time_wait_pileup\"]" };
	const struct script scripts[] = {
		{ .hold_ns = 300 * SIM_S, .close_delay_ns = SIM_MS },
		{ .hold_ns = SIM_S / 2, .close_delay_ns = SIM_MS },
		{ .request_bytes = 200,
		  .response_bytes = 60000,
		  .exchanges = 1,
		  .answer_ns = SIM_MS,
		  .stops_reading = true,
		  .close_delay_ns = SIM_MS },
		{ .request_bytes = 200,
		  .response_bytes = 900,
		  .exchanges = 1,
		  .answer_ns = SIM_MS,
		  .close_delay_ns = UINT64_MAX },
		{ .request_bytes = 200,
		  .response_bytes = 900,
		  .exchanges = 1,
		  .answer_ns = SIM_MS,
		  .server_closes = true,
		  .close_delay_ns = UINT64_MAX },
		{ .request_bytes = 200,
		  .response_bytes = 900,
		  .exchanges = 1,
		  .answer_ns = SIM_MS,
		  .leaves = true,
		  .close_delay_ns = SIM_MS },
		{ .request_bytes = 100,
		  .response_bytes = 300,
		  .exchanges = 1,
		  .server_closes = true,
		  .close_delay_ns = SIM_MS },
	};
	int kind = choice(options, "kind", kinds);
	bool is_leak = kind >= 3 && kind <= 5;
	struct span span = span_of(sim, options, is_leak ? 900 : 120, 120);
	struct server *server = make_victim(sim, options);
	char key[100];

	begin_background(sim, options, server);
	crowd_begin(sim, &(struct crowd){ .server = server,
					  .per_second = option_number(options, "rate",
								      is_leak     ? 2
								      : kind == 1 ? 500
								      : kind == 6 ? 900
										  : 50),
					  .from_ns = span.from_ns,
					  .until_ns = span.until_ns,
					  .first_ip = 0x55000000,
					  .n_clients = (unsigned)option_number(options, "clients", kind == 2 ? 1 : 40),
					  .script = scripts[kind] });
	truth_attack(sim, kinds[kind], accepted[kind], service_key(sim, server, key), span.from_ns, span.until_ns, "");
}

static void change_reaction(struct sim *sim, void *who, uint64_t reaction)
{
	struct server *server = who;

	(void)sim;
	server->reaction = (enum reaction)reaction;
}

static void begin_service_down(struct sim *sim, struct options *options)
{
	static const char *const kinds[] = { "refusing", "silent", NULL };
	int kind = choice(options, "kind", kinds);
	struct span span = span_of(sim, options, 60, 60);
	struct server *server = make_victim(sim, options);
	char key[100];

	begin_background(sim, options, server);
	sim_at(sim, span.from_ns, change_reaction, server, kind == 0 ? REACTS_REFUSING : REACTS_SILENT);
	sim_at(sim, span.until_ns, change_reaction, server, REACTS_LINUX);
	truth_attack(sim, "service_down", "[\"service_down\"]", service_key(sim, server, key), span.from_ns,
		     span.until_ns, "");
}

static void change_accepts(struct sim *sim, void *who, uint64_t accepts)
{
	struct server *server = who;

	server->accept_backlog = accepts != 0 ? 128 : 0;
	server->accepts_per_second = (double)accepts;
	server->accepting_ns = sim->now_ns;
	server->n_waiting = 0;
}

static void begin_accept_overflow(struct sim *sim, struct options *options)
{
	struct span span = span_of(sim, options, 60, 60);
	struct server *server = make_victim(sim, options);
	char key[100];

	begin_background(sim, options, server);
	sim_at(sim, span.from_ns, change_accepts, server, (uint64_t)option_number(options, "slow", 10));
	sim_at(sim, span.until_ns, change_accepts, server, 0);
	truth_attack(sim, "accept_overflow", "[\"accept_queue_overflow\"]", service_key(sim, server, key), span.from_ns,
		     span.until_ns, "");
}

static void begin_day(struct sim *sim, struct options *options)
{
	double hours = option_number(options, "hours", 24);

	sim->end_ns = at(hours * 3600);
	ordinary_day(sim, option_number(options, "background", 10), option_number(options, "loss", 0.005), sim->end_ns);
	char members[80];
	snprintf(members, sizeof(members), "\"days\":%g", hours / 24);
	truth_line(sim, "clean", members);
}

void scenario_end(struct sim *sim)
{
	char members[300];

	if (sim->victim != NULL) {
		const struct server *v = sim->victim;
		snprintf(members, sizeof(members),
			 "\"backlog\":%u,\"peak_half_open\":%u,\"full\":%.6f,\"half_full\":%.6f,\"cookies\":%llu,"
			 "\"first_cookie\":%.6f,\"last_cookie\":%.6f,\"dropped\":%llu",
			 v->backlog + 1, v->peak_half_open, (double)v->full_ns / 1e9, (double)v->half_full_ns / 1e9,
			 (unsigned long long)v->n_cookies, (double)v->first_cookie_ns / 1e9,
			 (double)v->last_cookie_ns / 1e9, (unsigned long long)v->n_dropped);
		truth_line(sim, "victim", members);
	}
	if (sim->opener != NULL) {
		const struct opener *o = sim->opener;
		char client[48], server[48];
		snprintf(members, sizeof(members),
			 "\"client\":\"%s\",\"ip\":\"%s\",\"port\":%u,\"start\":%.6f,\"end\":%.6f,\"half\":%.6f,"
			 "\"first_failure\":%.6f,\"opened\":%llu,\"failed\":%llu",
			 ip_text(sim, o->ip, client), ip_text(sim, o->server->ip, server), o->server->port,
			 (double)o->from_ns / 1e9, (double)o->until_ns / 1e9, (double)o->half_ns / 1e9,
			 (double)o->first_failure_ns / 1e9, (unsigned long long)o->n_opened,
			 (unsigned long long)o->n_failed);
		truth_line(sim, "opener", members);
	}
}

const struct scenario scenarios[] = {
	{ "syn_flood", "rate background times spoof stack ramp on off reaction backlog cookies", begin_syn_flood },
	{ "trickle", "a few SYNs per second that hold a small backlog", begin_trickle },
	{ "carpet", "a /24 at a few SYNs per second and host: rate hosts ports spoof stack, reaction=refusing",
	  begin_carpet },
	{ "flash_crowd", "times as many honest clients as usual", begin_flash_crowd },
	{ "exhaustion", "a client runs out of ports: rate ramp stack reuse poisson", begin_exhaustion },
	{ "scan", "kind vertical horizontal slow fin null xmas ack worm distributed", begin_scan },
	{ "strays", "kind reflection backscatter ack rst fin xmas", begin_strays },
	{ "held", "kind idle established zero_window close_wait fin_wait_2 last_ack time_wait", begin_held },
	{ "injection", "somebody resets the connections of others: rate, hits (share)", begin_injection },
	{ "burst", "clients at once to a full queue: clients gap accept_backlog waiting (lab L7)", begin_burst },
	{ "service_down", "kind refusing silent", begin_service_down },
	{ "accept_overflow", "the application accepts slow connections per second only", begin_accept_overflow },
	{ "day", "hours of nothing wrong at background connections per second", begin_day },
	{ NULL, NULL, NULL },
};
