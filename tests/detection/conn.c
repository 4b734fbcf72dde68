/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Both ends of a connection. A segment on its way is one number, so that nothing needs to be allocated for it; data
 * are sent again from the first byte that is missing (go back N), SYNs and SYN-ACKs as Linux does (its schedule, its
 * pruning, its cookies: detection science, L4 to L7).
 */
#include "conn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MSS = 1448, WINDOW_SEGMENTS = 10, SYNACK_RETRIES = 5, SYN_RETRIES = 6, MAX_RELATIVE = (1 << 21) - 1 };

#define RTO_NS (300 * SIM_MS)

enum operation {
	OP_AT_TAP = 0,
	OP_ARRIVES,
	OP_SYN_TIMER,
	OP_SYNACK_TIMER,
	OP_DATA_TIMER_CLIENT,
	OP_DATA_TIMER_SERVER,
	OP_REQUEST,
	OP_RESPONSE,
	OP_CLOSE,
	OP_CLOSE_OTHER,
};

/* A segment in 64 bits: operation 4, to the server 1, flags 5, payload 11, seq 21, ack 21. Numbers are relative. */
struct travelling {
	bool to_server;
	uint8_t flags;
	uint32_t payload;
	uint32_t seq;
	uint32_t ack;
};

static uint64_t pack(enum operation operation, const struct travelling *t)
{
	return (uint64_t)operation | (uint64_t)t->to_server << 4 | (uint64_t)(t->flags & 31) << 5 |
	       (uint64_t)t->payload << 10 | (uint64_t)t->seq << 21 | (uint64_t)t->ack << 42;
}

static struct travelling unpack(uint64_t argument)
{
	return (struct travelling){
		.to_server = argument >> 4 & 1,
		.flags = (uint8_t)(argument >> 5 & 31),
		.payload = (uint32_t)(argument >> 10 & 2047),
		.seq = (uint32_t)(argument >> 21 & MAX_RELATIVE),
		.ack = (uint32_t)(argument >> 42 & MAX_RELATIVE),
	};
}

static void step(struct sim *sim, void *who, uint64_t argument);

static void later(struct sim *sim, struct conn *conn, uint64_t delay_ns, uint64_t argument)
{
	conn->refs++;
	sim_in(sim, delay_ns, step, conn, argument);
}

struct conn *conn_new(struct sim *sim, struct server *server, uint32_t client_ip, uint16_t client_port)
{
	struct conn *conn = sim->free_conns;

	if (conn != NULL)
		sim->free_conns = conn->next_free;
	else
		conn = malloc(sizeof(*conn));
	if (conn == NULL)
		abort();
	*conn = (struct conn){ .server = server, .client_ip = client_ip, .client_port = client_port, .hops = 5 };
	conn->client.iss = (uint32_t)random_u64(&sim->random);
	conn->server_side.iss = (uint32_t)random_u64(&sim->random);
	conn->delay_ns = 5 * SIM_MS;
	return conn;
}

/* --- segments --- */

static void send(struct sim *sim, struct conn *conn, bool to_server, uint8_t flags, uint32_t seq, uint32_t payload)
{
	const struct tcp_side *sender = to_server ? &conn->client : &conn->server_side;
	struct travelling t = { to_server, flags, payload, seq, sender->rcv };
	uint64_t delay_ns = to_server ? conn->delay_ns : conn->server->delay_ns;

	if (t.seq > MAX_RELATIVE || t.ack > MAX_RELATIVE)
		abort();
	if (!sim_chance(sim, (double)conn->loss))
		later(sim, conn, delay_ns, pack(OP_AT_TAP, &t));
}

/* Without the option a window is what the 16 bits say. */
static bool has_window_scale(const struct conn *conn)
{
	bool has_timestamps = conn->stack == STACK_LINUX || conn->stack == STACK_MACOS;

	return conn->stack < STACK_RAW && (has_timestamps || !conn->is_cookie);
}

static uint16_t window_of(const struct conn *conn, const struct travelling *t)
{
	const struct tcp_side *sender = t->to_server ? &conn->client : &conn->server_side;

	if (sender->window_closed)
		return 0;
	return has_window_scale(conn) ? 501 : 64240;
}

/* Each end's own clock. */
static uint32_t clock_of(const struct tcp_side *side, uint64_t time_ns)
{
	return (uint32_t)(time_ns / SIM_MS) + side->iss;
}

static void put_stamp(uint8_t *at, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* The stamp that came last from the other end: as late as the way between allows. */
static void echo_timestamp(const struct sim *sim, const struct conn *conn, bool to_server, struct segment *s)
{
	const struct tcp_side *peer = to_server ? &conn->server_side : &conn->client;
	uint64_t way_ns = 2 * (to_server ? conn->delay_ns : conn->server->delay_ns);

	for (unsigned i = 0; i + 9 < s->n_options;) {
		if (s->options[i] == 8) {
			put_stamp(s->options + i + 6, clock_of(peer, sim->now_ns - way_ns));
			return;
		}
		i += s->options[i] == 1 ? 1 : s->options[i + 1];
	}
}

static void pass_tap(struct sim *sim, struct conn *conn, const struct travelling *t)
{
	const struct server *server = conn->server;
	const struct tcp_side *sender = t->to_server ? &conn->client : &conn->server_side;
	struct segment s = { 0 };
	bool has_timestamps = conn->stack == STACK_LINUX || conn->stack == STACK_MACOS;
	uint32_t ts = clock_of(sender, sim->now_ns);

	if (t->flags & SYN) {
		/* A SYN-ACK mirrors what the SYN offers; a cookie without time stamps holds no options but the MSS. */
		enum stack_kind look = (enum stack_kind)conn->stack;
		bool is_bare = conn->is_cookie && !has_timestamps;
		if (!t->to_server && (is_bare || look >= STACK_RAW))
			look = STACK_MASSCAN;
		stack_syn(&s, look, 0, ts);
		if (!t->to_server)
			s.window = 65160;
	} else {
		s.window = window_of(conn, t);
		if (has_timestamps && !(t->flags & RST)) {
			memcpy(s.options, (const uint8_t[]){ 1, 1, 8, 10 }, 4);
			put_stamp(s.options + 4, ts);
			s.n_options = 12;
		}
	}
	if ((t->flags & ACK) && has_timestamps)
		echo_timestamp(sim, conn, t->to_server, &s);
	s.flags = t->flags;
	if (t->to_server && t->flags == SYN && conn->stack == STACK_DOMINATE)
		s.flags |= ECE | CWR;
	s.ttl = (uint8_t)(t->to_server ? stack_first_ttl((enum stack_kind)conn->stack) - conn->hops
				       : 64 - server->hops);
	s.ip_id = (uint16_t)random_u64(&sim->random);
	if (t->to_server && conn->stack == STACK_ZMAP)
		s.ip_id = 54321;
	s.from = t->to_server ? conn->client_ip : server->ip;
	s.to = t->to_server ? server->ip : conn->client_ip;
	s.from_port = t->to_server ? conn->client_port : server->port;
	s.to_port = t->to_server ? server->port : conn->client_port;
	s.seq = (t->to_server ? conn->client.iss : conn->server_side.iss) + t->seq;
	if (t->flags & ACK)
		s.ack = (t->to_server ? conn->server_side.iss : conn->client.iss) + t->ack;
	s.payload_bytes = t->payload;
	tap_pass(sim, &s, t->to_server);
}

static void at_tap(struct sim *sim, struct conn *conn, uint64_t argument)
{
	struct travelling t = unpack(argument);

	pass_tap(sim, conn, &t);
	if (!sim_chance(sim, (double)conn->loss))
		later(sim, conn, t.to_server ? conn->server->delay_ns : conn->delay_ns, pack(OP_ARRIVES, &t));
}

/* --- data --- */

static void arm(struct sim *sim, struct conn *conn, struct tcp_side *side)
{
	bool is_client = side == &conn->client;
	uint64_t rto_ns = (RTO_NS + 2 * (conn->delay_ns + conn->server->delay_ns))
			  << (side->tries < 6 ? side->tries : 6);

	side->timer++;
	later(sim, conn, rto_ns,
	      (uint64_t)(is_client ? OP_DATA_TIMER_CLIENT : OP_DATA_TIMER_SERVER) | (uint64_t)side->timer << 4);
}

static void pump(struct sim *sim, struct conn *conn, struct tcp_side *side)
{
	bool to_server = side == &conn->client;
	const struct tcp_side *peer = to_server ? &conn->server_side : &conn->client;
	bool was_idle = side->una == side->nxt;
	uint32_t limit = side->una + WINDOW_SEGMENTS * MSS;

	if (!side->is_open || side->is_gone)
		return;
	if (peer->window_closed && limit > side->una + 1)
		limit = side->una; /* the window is shut: the timer probes */
	while (side->nxt < side->to_send && side->nxt < limit) {
		uint32_t bytes = side->to_send - side->nxt < MSS ? side->to_send - side->nxt : MSS;
		send(sim, conn, to_server, ACK | (side->nxt + bytes == side->to_send ? PSH : 0), side->nxt, bytes);
		side->nxt += bytes;
	}
	if (side->fin_wanted && side->nxt == side->to_send && !peer->window_closed) {
		send(sim, conn, to_server, FIN | ACK, side->nxt, 0);
		side->nxt++;
		side->fin_sent = true;
	}
	if (side->nxt > side->highest)
		side->highest = side->nxt;
	if (was_idle && (side->nxt > side->una || (side->nxt < side->to_send)))
		arm(sim, conn, side);
}

static void tell_over(struct sim *sim, struct conn *conn)
{
	if (conn->is_told)
		return;
	conn->is_told = true;
	if (conn->over != NULL)
		conn->over(sim, conn, conn->owner, conn->completed);
}

static void drop_entry(struct conn *conn)
{
	if (!conn->has_entry)
		return;
	conn->has_entry = false;
	conn->server->n_half_open--;
	conn->server->n_young -= conn->is_young;
}

static void data_timer(struct sim *sim, struct conn *conn, struct tcp_side *side, uint8_t timer)
{
	bool to_server = side == &conn->client;
	const struct tcp_side *peer = to_server ? &conn->server_side : &conn->client;

	if (timer != side->timer || side->is_gone || (side->una == side->nxt && side->nxt == side->to_send))
		return;
	if (++side->tries > 10 && !peer->window_closed) {
		side->is_gone = true;
		tell_over(sim, conn);
		return;
	}
	if (peer->window_closed) {
		send(sim, conn, to_server, ACK, side->una - 1, 0);
	} else {
		side->nxt = side->una;
		side->fin_sent = false;
		pump(sim, conn, side);
	}
	arm(sim, conn, side);
}

static void close_side(struct sim *sim, struct conn *conn, struct tcp_side *side)
{
	side->fin_wanted = true;
	pump(sim, conn, side);
}

/* --- what the two do with each other --- */

static void client_opens(struct sim *sim, struct conn *conn)
{
	conn->client.is_open = true;
	conn->completed = true;
	if (conn->script.vanishes) {
		conn->client.is_gone = true;
		tell_over(sim, conn);
		return;
	}
	if (conn->script.exchanges > 0 && conn->script.request_bytes > 0)
		later(sim, conn, conn->script.think_ns, OP_REQUEST);
	else
		later(sim, conn, conn->script.hold_ns, OP_CLOSE);
}

static void next_step_of_script(struct sim *sim, struct conn *conn)
{
	struct script *script = &conn->script;

	if (conn->client.rcv < conn->server_side.to_send)
		return;
	if (conn->exchanges_done < script->exchanges)
		later(sim, conn, script->think_ns, OP_REQUEST);
	else
		later(sim, conn, script->hold_ns, OP_CLOSE);
}

static void begin_request(struct sim *sim, struct conn *conn)
{
	conn->exchanges_done++;
	conn->client.to_send += conn->script.request_bytes;
	pump(sim, conn, &conn->client);
	if (conn->script.response_bytes == 0)
		next_step_of_script(sim, conn);
}

static void begin_response(struct sim *sim, struct conn *conn)
{
	if (!conn->server_side.is_open)
		return;
	conn->server_side.to_send += conn->script.response_bytes;
	pump(sim, conn, &conn->server_side);
}

static void begin_close(struct sim *sim, struct conn *conn)
{
	bool by_server = conn->script.server_closes;
	struct tcp_side *closer = by_server ? &conn->server_side : &conn->client;

	if (conn->script.client_resets) {
		send(sim, conn, true, RST | ACK, conn->client.nxt, 0);
		conn->client.is_gone = true;
		tell_over(sim, conn);
		return;
	}
	close_side(sim, conn, closer);
}

static void check_closed(struct sim *sim, struct conn *conn)
{
	if (conn->client.fin_acked && conn->client.fin_seen)
		tell_over(sim, conn);
}

static void take_ack(struct sim *sim, struct conn *conn, struct tcp_side *side, uint32_t ack)
{
	if (ack <= side->una || ack > side->highest)
		return;
	side->una = ack;
	if (side->nxt < ack)
		side->nxt = ack;
	side->tries = 0;
	side->timer++;
	if (side->fin_wanted && ack == side->to_send + 1)
		side->fin_acked = true;
	pump(sim, conn, side);
	if (side->una < side->nxt)
		arm(sim, conn, side);
}

static void take_data(struct sim *sim, struct conn *conn, struct tcp_side *side, const struct travelling *t)
{
	bool is_server = side == &conn->server_side;
	uint32_t length = t->payload + ((t->flags & FIN) != 0);

	if (length == 0) {
		if (t->seq + 1 == side->rcv) /* a probe */
			send(sim, conn, !is_server, ACK, side->nxt, 0);
		return;
	}
	if (t->seq != side->rcv) {
		send(sim, conn, !is_server, ACK, side->nxt, 0);
		return;
	}
	side->rcv += length;
	if (!is_server && conn->script.stops_reading && t->payload > 0)
		side->window_closed = true;
	send(sim, conn, !is_server, ACK, side->nxt, 0);
	if (t->flags & FIN) {
		side->fin_seen = true;
		if (!side->fin_wanted && conn->script.close_delay_ns != UINT64_MAX)
			later(sim, conn, conn->script.close_delay_ns, OP_CLOSE_OTHER | (uint64_t)is_server << 4);
	} else if (is_server && side->rcv == conn->client.to_send) {
		if (conn->script.response_bytes > 0)
			later(sim, conn, conn->script.answer_ns, OP_RESPONSE);
	} else if (!is_server) {
		next_step_of_script(sim, conn);
	}
}

/* --- the client's handshake --- */

static uint64_t syn_timeout_ns(const struct conn *conn)
{
	unsigned tries = conn->client.tries;

	if (conn->is_linear)
		return SIM_S << (tries > 4 ? tries - 4 : 0);
	return SIM_S << tries;
}

static void send_syn(struct sim *sim, struct conn *conn)
{
	send(sim, conn, true, SYN, 0, 0);
	if (!conn->is_bogus && !conn->repeats_never)
		later(sim, conn, syn_timeout_ns(conn), OP_SYN_TIMER);
}

void conn_open(struct sim *sim, struct conn *conn)
{
	conn->client.nxt = conn->client.highest = 1;
	conn->client.to_send = 1;
	send_syn(sim, conn);
}

static void syn_timer(struct sim *sim, struct conn *conn)
{
	unsigned most = conn->stack == STACK_WINDOWS ? 4 : conn->is_linear ? SYN_RETRIES + 3 : SYN_RETRIES;

	if (conn->client.is_open || conn->client.is_gone)
		return;
	if (++conn->client.tries > most) {
		conn->client.is_gone = true;
		tell_over(sim, conn);
		return;
	}
	send_syn(sim, conn);
}

static void client_gets(struct sim *sim, struct conn *conn, const struct travelling *t)
{
	struct tcp_side *client = &conn->client;

	if (conn->script.leaves && client->fin_sent)
		return;
	if (conn->is_bogus || client->is_gone) {
		bool resets = conn->is_bogus ? conn->owner_resets : !conn->script.vanishes;
		if (resets && !(t->flags & RST)) {
			uint32_t seq = t->ack;
			send(sim, conn, true, RST, seq, 0);
		}
		return;
	}
	if (t->flags & RST) {
		client->is_gone = true;
		tell_over(sim, conn);
		return;
	}
	if (t->flags & SYN) {
		client->una = 1;
		client->rcv = client->rcv > 1 ? client->rcv : 1;
		send(sim, conn, true, ACK, client->nxt, 0);
		if (!client->is_open)
			client_opens(sim, conn);
		return;
	}
	if (!client->is_open)
		return;
	take_ack(sim, conn, client, t->ack);
	take_data(sim, conn, client, t);
	check_closed(sim, conn);
}

/* --- the server's handshake --- */

static void send_synack(struct sim *sim, struct conn *conn)
{
	send(sim, conn, false, SYN | ACK, 0, 0);
}

static void note_backlog(struct sim *sim, struct server *server)
{
	if (server->n_half_open > server->peak_half_open)
		server->peak_half_open = server->n_half_open;
	if (server->half_full_ns == 0 && 2 * server->n_half_open >= server->backlog)
		server->half_full_ns = sim->now_ns;
}

static void add_entry(struct sim *sim, struct conn *conn)
{
	struct server *server = conn->server;

	conn->has_entry = conn->is_young = true;
	conn->server_side.tries = 0;
	server->n_half_open++;
	server->n_young++;
	note_backlog(sim, server);
	send_synack(sim, conn);
	later(sim, conn, SIM_S, OP_SYNACK_TIMER);
}

static bool is_accept_queue_full(struct sim *sim, struct server *server)
{
	if (server->accept_backlog == 0)
		return false;
	if (server->accepts_per_second > 0) {
		double taken = (double)(sim->now_ns - server->accepting_ns) / 1e9 * server->accepts_per_second;
		unsigned whole = (unsigned)taken;
		if (whole > 0) {
			server->n_waiting = server->n_waiting > whole ? server->n_waiting - whole : 0;
			server->accepting_ns = sim->now_ns;
		}
	}
	return server->n_waiting > server->accept_backlog;
}

static void server_gets_syn(struct sim *sim, struct conn *conn)
{
	struct server *server = conn->server;
	struct tcp_side *side = &conn->server_side;

	side->rcv = 1;
	if (side->is_open || conn->has_entry) {
		send_synack(sim, conn);
		return;
	}
	side->nxt = side->highest = side->to_send = 1;
	if (is_accept_queue_full(sim, server)) {
		server->n_dropped++;
		return;
	}
	unsigned fit = server->reaction == REACTS_LINUX ? server->backlog + 1 : UINT32_MAX;
	if (server->n_half_open < fit) {
		add_entry(sim, conn);
		return;
	}
	if (server->full_ns == 0)
		server->full_ns = sim->now_ns;
	if (!server->cookies) {
		server->n_dropped++;
		return;
	}
	if (server->n_cookies++ == 0)
		server->first_cookie_ns = sim->now_ns;
	server->last_cookie_ns = sim->now_ns;
	conn->is_cookie = true;
	send_synack(sim, conn);
}

/* As Linux: above half of the backlog old entries are given up early, the more the fewer are young. */
static unsigned most_repeats(const struct server *server)
{
	unsigned most = server->reaction == REACTS_WINDOWS ? 2 : SYNACK_RETRIES;
	unsigned young = 2 * server->n_young;

	if (server->reaction != REACTS_LINUX || 2 * server->n_half_open <= (server->backlog > 8 ? server->backlog : 8))
		return most;
	while (most > 2 && server->n_half_open >= young) {
		most--;
		young *= 2;
	}
	return most;
}

static void synack_timer(struct sim *sim, struct conn *conn)
{
	if (!conn->has_entry)
		return;
	if (conn->server_side.tries >= most_repeats(conn->server)) {
		drop_entry(conn);
		return;
	}
	if (conn->is_young) {
		conn->is_young = false;
		conn->server->n_young--;
	}
	conn->server_side.tries++;
	send_synack(sim, conn);
	later(sim, conn, SIM_S << conn->server_side.tries, OP_SYNACK_TIMER);
}

static void server_opens(struct sim *sim, struct conn *conn)
{
	drop_entry(conn);
	conn->server_side.una = 1;
	conn->server_side.is_open = true;
	conn->server_side.tries = 0;
	conn->server->n_waiting += conn->server->accept_backlog != 0;
	(void)sim;
}

static void server_gets_ack(struct sim *sim, struct conn *conn, const struct travelling *t)
{
	if (conn->server_side.is_open || t->ack == 0)
		return;
	if (!conn->has_entry && !conn->is_cookie)
		return;
	if (is_accept_queue_full(sim, conn->server)) {
		conn->is_ignored = true;
		return;
	}
	server_opens(sim, conn);
}

static void server_gets(struct sim *sim, struct conn *conn, const struct travelling *t)
{
	struct tcp_side *side = &conn->server_side;
	enum reaction reaction = conn->server->reaction;

	if (reaction == REACTS_SILENT)
		return;
	if (t->flags & RST) {
		drop_entry(conn);
		side->is_gone = true;
		return;
	}
	if (reaction == REACTS_REFUSING || side->is_gone) {
		/* Nobody listens any more, and who was connected is forgotten. */
		side->is_gone = true;
		drop_entry(conn);
		side->rcv = t->seq + t->payload + ((t->flags & (SYN | FIN)) != 0);
		send(sim, conn, false, t->flags & SYN ? RST | ACK : RST, t->flags & SYN ? 0 : t->ack, 0);
		return;
	}
	if (t->flags & SYN) {
		if (reaction == REACTS_PROXY) {
			side->rcv = side->nxt = side->highest = side->to_send = 1;
			conn->is_cookie = true;
			send_synack(sim, conn);
		} else {
			server_gets_syn(sim, conn);
		}
		return;
	}
	server_gets_ack(sim, conn, t);
	if (!side->is_open)
		return;
	take_ack(sim, conn, side, t->ack);
	take_data(sim, conn, side, t);
}

/* --- dispatch --- */

static void arrives(struct sim *sim, struct conn *conn, uint64_t argument)
{
	struct travelling t = unpack(argument);

	if (t.to_server)
		server_gets(sim, conn, &t);
	else
		client_gets(sim, conn, &t);
}

static void close_other(struct sim *sim, struct conn *conn, bool is_server)
{
	close_side(sim, conn, is_server ? &conn->server_side : &conn->client);
}

static void step(struct sim *sim, void *who, uint64_t argument)
{
	struct conn *conn = who;

	conn->refs--;
	switch ((enum operation)(argument & 15)) {
	case OP_AT_TAP:
		at_tap(sim, conn, argument);
		break;
	case OP_ARRIVES:
		arrives(sim, conn, argument);
		break;
	case OP_SYN_TIMER:
		syn_timer(sim, conn);
		break;
	case OP_SYNACK_TIMER:
		synack_timer(sim, conn);
		break;
	case OP_DATA_TIMER_CLIENT:
		data_timer(sim, conn, &conn->client, (uint8_t)(argument >> 4));
		break;
	case OP_DATA_TIMER_SERVER:
		data_timer(sim, conn, &conn->server_side, (uint8_t)(argument >> 4));
		break;
	case OP_REQUEST:
		begin_request(sim, conn);
		break;
	case OP_RESPONSE:
		begin_response(sim, conn);
		break;
	case OP_CLOSE:
		begin_close(sim, conn);
		break;
	case OP_CLOSE_OTHER:
		close_other(sim, conn, argument >> 4 & 1);
		break;
	}
	if (conn->refs > 0)
		return;
	drop_entry(conn);
	tell_over(sim, conn);
	conn->next_free = sim->free_conns;
	sim->free_conns = conn;
}

void conn_forge_rst(struct sim *sim, struct conn *conn, bool to_server, uint32_t beside, uint8_t ttl)
{
	struct tcp_side *victim = to_server ? &conn->server_side : &conn->client;
	const struct tcp_side *pretended = to_server ? &conn->client : &conn->server_side;
	struct segment s = { .from = to_server ? conn->client_ip : conn->server->ip,
			     .to = to_server ? conn->server->ip : conn->client_ip,
			     .from_port = to_server ? conn->client_port : conn->server->port,
			     .to_port = to_server ? conn->server->port : conn->client_port,
			     .flags = RST,
			     .ttl = ttl,
			     .seq = pretended->iss + victim->rcv + beside,
			     .ip_id = (uint16_t)random_u64(&sim->random) };

	tap_pass(sim, &s, to_server);
	if (beside == 0 && victim->is_open) {
		victim->is_gone = true; /* RFC 5961: only the exact number ends it */
		if (!to_server)
			tell_over(sim, conn);
	} else if (victim->is_open && !victim->is_gone && beside < 64000) {
		send(sim, conn, !to_server, ACK, victim->nxt, 0); /* a challenge ACK */
	}
}

void stray_segment(struct sim *sim, uint32_t from, uint16_t from_port, uint32_t to, uint16_t to_port, uint8_t flags,
		   uint8_t ttl, bool to_server)
{
	struct segment s = { .from = from,
			     .from_port = from_port,
			     .to = to,
			     .to_port = to_port,
			     .flags = flags,
			     .ttl = ttl,
			     .window = 512,
			     .seq = random_u32(&sim->random),
			     .ip_id = (uint16_t)random_u64(&sim->random) };

	if (flags & ACK)
		s.ack = random_u32(&sim->random);
	if ((flags & (SYN | ACK)) == (SYN | ACK)) {
		s.n_options = 4;
		memcpy(s.options, (const uint8_t[]){ 2, 4, 5, 0xb4 }, 4);
	}
	tap_pass(sim, &s, to_server);
}
