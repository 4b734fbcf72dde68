/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * Traffic for the detectors, as the tracker would report it: connections with their outcomes are planned, sorted by
 * time, and then told to an engine; the alarms that it writes are kept. Times are seconds from the start of the
 * simulation.
 */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event_padding.h"
#include "tcpwitness/base/units.h"
#include "tcpwitness/detect/detect_engine.h"
#include "tcpwitness/detect/detector.h"

/* 2026-11-20T00:00:00Z, and a little, for nothing in the real world starts on a tick. */
#define SIM_START_NS (UINT64_C(1795132800) * NS_PER_SEC + UINT64_C(12345678))

struct sim_event {
	uint64_t order;
	struct flow_signal signal;
};

struct sim {
	struct sim_event *events;
	size_t n_events;
	size_t room;
	uint64_t flows;
	uint64_t random;
	struct siphash_key secret;
	size_t memory_bytes;
	unsigned n_sources; /* trackers over which connections are spread; 0 = 1 */
	struct detect_visibility visibility;
	const char *only;     /* run only this detector; null = all */
	uint64_t last_packet; /* stop after this packet; 0 = run to the end */
	struct ruleset *ruleset;
	struct detect_engine *engine;
	struct sensor_event *alerts;
	size_t n_alerts;
	size_t alerts_room;
	struct sensor_event open_event;
};

struct sim_host {
	struct ip_addr ip;
	uint16_t port;
};

static inline struct ip_addr sim_ip4(uint32_t value)
{
	return (struct ip_addr){
		.version = 4,
		.bytes = { (uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8), (uint8_t)value },
	};
}

static inline struct ip_addr sim_ip(const char *text)
{
	struct ip_addr ip = { 0 };

	if (!ip_addr_parse(text, &ip))
		abort();
	return ip;
}

static inline uint64_t sim_ns(double seconds)
{
	return SIM_START_NS + (uint64_t)(seconds * 1e9 + 0.5);
}

/* Of an alarm: seconds from the start. */
static inline double sim_seconds(uint64_t time_ns)
{
	return ((double)time_ns - (double)SIM_START_NS) / 1e9;
}

/* SplitMix64: small, and the same on every machine. */
static inline uint64_t sim_random(struct sim *sim)
{
	uint64_t z = sim->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static inline double sim_fraction(struct sim *sim)
{
	return (double)(sim_random(sim) >> 11) / 9007199254740992.0;
}

static inline void sim_init(struct sim *sim)
{
	*sim = (struct sim){
		.random = 1,
		.secret = { 1, 2 },
		.memory_bytes = (size_t)32 * 1024 * 1024,
	};
	sim->ruleset = ruleset_create_default(NULL);
	if (sim->ruleset == NULL)
		abort();
}

static inline void sim_fini(struct sim *sim)
{
	detect_engine_destroy(sim->engine);
	ruleset_destroy(sim->ruleset);
	free(sim->events);
	free(sim->alerts);
}

/* One attempt; the following calls say what becomes of it. */
struct sim_conn {
	double at;
	struct flow_signal signal;
};

static inline void sim_plan(struct sim *sim, const struct sim_conn *conn, enum flow_signal_kind kind, double after)
{
	if (sim->n_events == sim->room) {
		sim->room = sim->room > 0 ? 2 * sim->room : 4096;
		sim->events = realloc(sim->events, sim->room * sizeof(*sim->events));
		if (sim->events == NULL)
			abort();
	}
	struct sim_event *event = &sim->events[sim->n_events];
	event->order = sim->n_events++;
	event->signal = conn->signal;
	event->signal.kind = kind;
	event->signal.now_ns = sim_ns(conn->at + after);
}

static inline struct sim_conn sim_attempt(struct sim *sim, double at, struct ip_addr client, uint16_t client_port,
					  struct sim_host server)
{
	struct sim_conn conn = {
		.at = at,
		.signal = {
			.client = client,
			.client_port = client_port,
			.server = server.ip,
			.server_port = server.port,
			.flow_id = ++sim->flows,
			.since_ns = sim_ns(at),
			.isn = (uint32_t)sim_random(sim),
		},
	};

	return conn;
}

/* SYNs as a raw tool makes them: all alike. */
static inline void sim_raw_stack(struct sim_conn *conn)
{
	conn->signal.ttl = 242;
	conn->signal.window = 0;
	conn->signal.syn_layout = 0;
}

/* SYNs of real hosts, at many distances. */
static inline void sim_real_stack(struct sim *sim, struct sim_conn *conn)
{
	static const uint16_t windows[] = { 64240, 65535, 29200, 8192 };
	uint64_t r = sim_random(sim);

	conn->signal.ttl = (uint8_t)((r & 1 ? 64 : 128) - (r >> 1) % 20);
	conn->signal.window = windows[(r >> 8) % 4];
	conn->signal.syn_layout = 0x1000 + (uint32_t)(r >> 10) % 3;
	conn->signal.timestamps = true;
}

static inline void sim_completes(struct sim *sim, struct sim_conn conn, double rtt, double life)
{
	sim_plan(sim, &conn, SIGNAL_ATTEMPT, 0);
	conn.signal.answered = true;
	sim_plan(sim, &conn, SIGNAL_ANSWERED, rtt / 2);
	sim_plan(sim, &conn, SIGNAL_COMPLETED, rtt);
	conn.signal.completed = true;
	sim_plan(sim, &conn, SIGNAL_HALF_OPEN_ENDED, rtt);
	sim_plan(sim, &conn, SIGNAL_CLIENT_SPOKE, rtt + life / 2);
	conn.signal.spoke = true;
	sim_plan(sim, &conn, SIGNAL_CLOSED, rtt + life);
}

/* Answered, and never heard of again: the server repeats its SYN-ACK and gives up after lifetime. */
static inline void sim_stays_half_open(struct sim *sim, struct sim_conn conn, double lifetime)
{
	sim_plan(sim, &conn, SIGNAL_ATTEMPT, 0);
	conn.signal.answered = true;
	sim_plan(sim, &conn, SIGNAL_ANSWERED, 0.001);
	sim_plan(sim, &conn, SIGNAL_STILL_HALF_OPEN, 1.001);
	conn.signal.is_first = true;
	for (double after = 1; after < lifetime; after = 2 * after + 1) {
		conn.signal.held_before_ns = conn.signal.held_until_ns;
		conn.signal.held_until_ns = sim_ns(conn.at + fmin(2 * after + 1, lifetime));
		sim_plan(sim, &conn, SIGNAL_SYNACK_REPEATED, after + 0.002);
		conn.signal.is_first = false;
	}
	conn.signal.held_before_ns = conn.signal.held_until_ns;
	sim_plan(sim, &conn, SIGNAL_HALF_OPEN_ENDED, lifetime);
	sim_plan(sim, &conn, SIGNAL_CLOSED, lifetime);
}

static inline void sim_is_ignored(struct sim *sim, struct sim_conn conn, int retries)
{
	double after = 1;

	sim_plan(sim, &conn, SIGNAL_ATTEMPT, 0);
	sim_plan(sim, &conn, SIGNAL_UNANSWERED, 1);
	conn.signal.is_first = true;
	for (int i = 0; i < retries; i++, after = 2 * after + 1) {
		sim_plan(sim, &conn, SIGNAL_SYN_REPEATED, after + 0.01);
		conn.signal.is_first = false;
		conn.signal.retried = true;
	}
	sim_plan(sim, &conn, SIGNAL_CLOSED, after + 60);
}

static inline void sim_is_refused(struct sim *sim, struct sim_conn conn)
{
	sim_plan(sim, &conn, SIGNAL_ATTEMPT, 0);
	sim_plan(sim, &conn, SIGNAL_REFUSED, 0.001);
	sim_plan(sim, &conn, SIGNAL_CLOSED, 0.001);
}

/* The handshake completes, the client closes first after life and holds TIME_WAIT for held. */
static inline void sim_leaves_time_wait(struct sim *sim, struct sim_conn conn, double life, double held, bool reused)
{
	sim_completes(sim, conn, 0.001, life);
	conn.signal.answered = true;
	conn.signal.completed = true;
	sim_plan(sim, &conn, SIGNAL_TIME_WAIT, 0.001 + life);
	conn.signal.reused = reused;
	sim_plan(sim, &conn, SIGNAL_TIME_WAIT_OVER, 0.001 + life + held);
}

/* Ordinary clients at a mean rate: 200 sources, RTTs of 5 .. 100 ms, one in 200 gives up. */
static inline void sim_background(struct sim *sim, double from, double to, double per_second, struct sim_host server)
{
	for (double at = from; at < to; at += 2 * sim_fraction(sim) / per_second) {
		struct ip_addr client = sim_ip4(0x0a010000 + (uint32_t)(sim_random(sim) % 200));
		struct sim_conn conn =
			sim_attempt(sim, at, client, (uint16_t)(32768 + sim_random(sim) % 28232), server);
		sim_real_stack(sim, &conn);
		if (sim_random(sim) % 200 == 0)
			sim_stays_half_open(sim, conn, 5);
		else
			sim_completes(sim, conn, 0.005 + 0.095 * sim_fraction(sim), 0.2);
	}
}

enum sim_reaction { SIM_ANSWERS, SIM_IGNORES, SIM_REFUSES };

/* A spoofed flood: every SYN from another address, all alike. */
static inline void sim_spoofed_flood(struct sim *sim, double from, double to, double per_second, struct sim_host server,
				     enum sim_reaction reaction)
{
	double gap = 1 / per_second;

	for (double at = from; at < to; at += gap) {
		struct sim_conn conn = sim_attempt(sim, at, sim_ip4((uint32_t)sim_random(sim) | 1),
						   (uint16_t)(1024 + sim_random(sim) % 60000), server);
		sim_raw_stack(&conn);
		if (reaction == SIM_ANSWERS)
			sim_stays_half_open(sim, conn, 63);
		else if (reaction == SIM_IGNORES)
			sim_is_ignored(sim, conn, 0);
		else
			sim_is_refused(sim, conn);
	}
}

/* Real clients that take turns, each with a port of its own; where nobody answers, their stacks ask again. */
static inline void sim_clients(struct sim *sim, double from, double to, double per_second, unsigned n_clients,
			       struct sim_host server, enum sim_reaction reaction)
{
	double at = from;

	for (unsigned n = 0; at < to; at = from + ++n / per_second) {
		struct sim_conn conn = sim_attempt(sim, at, sim_ip4(0x0a020001 + n % n_clients),
						   (uint16_t)(1024 + sim->flows % 60000), server);
		sim_real_stack(sim, &conn);
		if (reaction == SIM_ANSWERS)
			sim_completes(sim, conn, 0.05, 0.2);
		else if (reaction == SIM_IGNORES)
			sim_is_ignored(sim, conn, 5);
		else
			sim_is_refused(sim, conn);
	}
}

static inline int sim_compare(const void *a, const void *b)
{
	const struct sim_event *x = a;
	const struct sim_event *y = b;

	if (x->signal.now_ns != y->signal.now_ns)
		return x->signal.now_ns < y->signal.now_ns ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static inline struct sensor_event *sim_event_begin(void *context, enum sensor_event_type type)
{
	struct sim *sim = context;

	memset(&sim->open_event, 0, sizeof(sim->open_event));
	sim->open_event.type = type;
	return &sim->open_event;
}

/* What severity_map of rules can name is what the detector declares. */
static inline void sim_require_known_class(const struct event_alert *alert)
{
	int row = ruleset_find(alert->detector);
	const char *const *names = row >= 0 ? detectors[row]->class_names : NULL;

	if (alert->class_name == NULL || strcmp(alert->class_name, alert->detector) == 0)
		return;
	while (names != NULL && *names != NULL && strcmp(*names, alert->class_name) != 0)
		names++;
	if (names != NULL && *names != NULL)
		return;
	fprintf(stderr, "class '%s' is not among the class_names of detector '%s'\n", alert->class_name,
		alert->detector);
	abort();
}

static inline void sim_event_end(void *context, struct sensor_event *event)
{
	struct sim *sim = context;

	sim_require_known_class(&event->alert);
	if (sim->n_alerts == sim->alerts_room) {
		sim->alerts_room = sim->alerts_room > 0 ? 2 * sim->alerts_room : 16;
		sim->alerts = realloc(sim->alerts, sim->alerts_room * sizeof(*sim->alerts));
		if (sim->alerts == NULL)
			abort();
	}
	clear_event_padding(event);
	memcpy(&sim->alerts[sim->n_alerts++], event, sizeof(*event));
}

static inline void sim_start(struct sim *sim)
{
	const struct event_writer writer = { .context = sim, .begin = sim_event_begin, .end = sim_event_end };
	const struct detect_config config = { .memory_bytes = sim->memory_bytes,
					      .secret = sim->secret,
					      .n_sources = sim->n_sources };

	for (size_t i = 0; i < sim->ruleset->n_rules; i++)
		if (sim->only != NULL && strcmp(detectors[i]->name, sim->only) != 0)
			sim->ruleset->rules[i].enabled = false;
	sim->engine = detect_engine_create(sim->ruleset, &config, &writer, NULL);
	if (sim->engine == NULL)
		abort();
}

/* A connection is always told by the same tracker. */
static inline struct detect_source *sim_source(struct sim *sim, const struct flow_signal *signal)
{
	uint64_t hash = signal->client_port * UINT64_C(0x9e3779b97f4a7c15);

	for (int i = 0; i < 16; i++)
		hash = (hash ^ signal->client.bytes[i] ^ (uint64_t)signal->server.bytes[i] << 8) *
		       UINT64_C(0x100000001b3);
	return detect_engine_source(sim->engine, sim->n_sources == 0 ? 0 : (unsigned)((hash >> 32) % sim->n_sources));
}

/*
 * Tells the plan to a new engine, with a packet of something else every 50 ms that lets time pass, until to. A
 * planned signal is a packet of its own; timers of the tracker thus go off at other connections' packets, as they do.
 */
static inline void sim_run(struct sim *sim, double to)
{
	uint64_t packet = 0;
	uint64_t end_ns = sim_ns(to);
	uint64_t pulse_ns = SIM_START_NS;
	size_t i = 0;

	qsort(sim->events, sim->n_events, sizeof(*sim->events), sim_compare);
	sim_start(sim);
	while (sim->last_packet == 0 || packet < sim->last_packet) {
		bool is_signal = i < sim->n_events && sim->events[i].signal.now_ns <= pulse_ns;
		uint64_t now_ns = is_signal ? sim->events[i].signal.now_ns : pulse_ns;
		if (now_ns > end_ns)
			break;
		detect_engine_advance(sim->engine, now_ns, ++packet, &sim->visibility);
		if (is_signal) {
			sim->events[i].signal.packet_number = packet;
			detect_source_signal(sim_source(sim, &sim->events[i].signal), &sim->events[i].signal);
			i++;
		} else {
			pulse_ns += 50 * NS_PER_MS;
		}
	}
}

/* The nth event (from 0) of this detector and phase, or null. */
static inline const struct sensor_event *sim_alert(const struct sim *sim, const char *detector, enum alert_phase phase,
						   unsigned nth)
{
	for (size_t i = 0; i < sim->n_alerts; i++) {
		const struct event_alert *alert = &sim->alerts[i].alert;
		if (strcmp(alert->detector, detector) == 0 && alert->phase == phase && nth-- == 0)
			return &sim->alerts[i];
	}
	return NULL;
}

static inline unsigned sim_count(const struct sim *sim, const char *detector, enum alert_phase phase)
{
	unsigned n = 0;

	while (sim_alert(sim, detector, phase, n) != NULL)
		n++;
	return n;
}

/* For a person who looks into a failed test. */
static inline void sim_print(const struct sim *sim)
{
	static const char *const phases[] = { "raised", "update", "cleared" };

	for (size_t i = 0; i < sim->n_alerts; i++) {
		const struct event_alert *a = &sim->alerts[i].alert;
		printf("%8.3f %-20s %-7s rate %.1f base %.2f thr %.1f peak %.1f src %llu spoof %.2f conf %.2f | %s\n",
		       sim_seconds(sim->alerts[i].time_ns), a->detector, phases[a->phase], a->rate, a->baseline,
		       a->threshold, a->peak, (unsigned long long)a->sources_distinct, a->spoofed_likelihood,
		       a->confidence, a->explanation);
	}
}
