/* SPDX-License-Identifier: BSD-2-Clause */
#include "many_flows.h"

#include <stdbool.h>
#include <stdlib.h>

#include "hosts.h"
#include "random.h"

/* 20000 new connections a second; then 100000 segments a second. */
static const uint64_t handshake_gap_ns = 50000;
static const uint64_t data_gap_ns = 10000;

enum {
	LAG = 200, /* connections that begin before one's SYN is answered: 10 ms */
	HANDSHAKE_SEGMENTS = 3,
	UNACKED_MAX_BYTES = 32000, /* well inside the window */
};

/* What cannot be computed from the connection's number. */
struct many_flow {
	uint32_t sent[2];    /* sequence numbers used by each end, its SYN counted */
	uint32_t unacked[2]; /* of these */
	uint32_t sent_ms[2]; /* when it sent last */
	uint16_t packets[2];
};

struct many_flows {
	struct random random;
	struct hosts hosts;
	uint64_t start_ns;
	uint64_t n_given; /* segments, over both phases */
	uint32_t n;
	struct many_flow *all;
};

/* What an end chose when it began: the same each time it is asked for. */
static uint32_t chosen(const struct many_flows *flows, uint32_t number, enum host_role role, unsigned what)
{
	struct random random = { .state = flows->hosts.seed + ((uint64_t)number << 8 | what << 1 | role) };

	return random_u32(&random);
}

enum { CHOSEN_ISN = 1, CHOSEN_TS_OFFSET, CHOSEN_IP_ID };

static void fill(struct many_flows *flows, uint32_t number, enum host_role from, uint8_t flags, uint32_t payload_bytes,
		 uint64_t time_ns, struct segment *segment)
{
	struct many_flow *flow = &flows->all[number];
	enum host_role to = from == HOST_CLIENT ? HOST_SERVER : HOST_CLIENT;
	struct side ends[2];
	bool ipv6 = hosts_assign(&flows->hosts, number, &ends[HOST_CLIENT], &ends[HOST_SERVER]);
	bool acks = (flags & FLAG_ACK) != 0;

	flow->sent_ms[from] = (uint32_t)((time_ns - flows->start_ns) / 1000000);
	*segment = (struct segment){
		.time_ns = time_ns,
		.from = ends[from],
		.to = ends[to],
		.ipv6 = ipv6,
		.to_server = from == HOST_CLIENT,
		.flags = flags,
		.ttl = from == HOST_CLIENT ? 57 : 64,
		.ip_id = (uint16_t)(chosen(flows, number, from, CHOSEN_IP_ID) + flow->packets[from]++),
		.window = flags & FLAG_SYN ? 64240 : 502,
		.seq = chosen(flows, number, from, CHOSEN_ISN) + flow->sent[from],
		.ack = acks ? chosen(flows, number, to, CHOSEN_ISN) + flow->sent[to] : 0,
		.timestamps = true,
		.ts_value = chosen(flows, number, from, CHOSEN_TS_OFFSET) + flow->sent_ms[from],
		.ts_echo = acks ? chosen(flows, number, to, CHOSEN_TS_OFFSET) + flow->sent_ms[to] : 0,
		.payload_bytes = payload_bytes,
	};
	uint32_t taken = payload_bytes + ((flags & FLAG_SYN) != 0);
	flow->sent[from] += taken;
	flow->unacked[from] += taken;
	if (acks)
		flow->unacked[to] = 0;
}

/*
 * In each step a connection begins, another is answered, and a third completes: LAG steps lie between them. At both
 * ends of the phase some of the three are missing. False: nothing is due in this turn.
 */
static bool handshake(struct many_flows *flows, struct segment *segment)
{
	static const uint8_t flags[] = { FLAG_SYN, FLAG_SYN | FLAG_ACK, FLAG_ACK };
	uint64_t step = flows->n_given / HANDSHAKE_SEGMENTS;
	uint64_t which = flows->n_given % HANDSHAKE_SEGMENTS;
	uint64_t time_ns = flows->start_ns + flows->n_given * handshake_gap_ns / HANDSHAKE_SEGMENTS;

	flows->n_given++;
	if (step < which * LAG || step - which * LAG >= flows->n)
		return false;
	fill(flows, (uint32_t)(step - which * LAG), which == 1 ? HOST_SERVER : HOST_CLIENT, flags[which], 0, time_ns,
	     segment);
	return true;
}

void many_flows_next(struct many_flows *flows, struct segment *segment)
{
	uint64_t n_handshake = (uint64_t)(flows->n + 2 * LAG) * HANDSHAKE_SEGMENTS;

	while (flows->n_given < n_handshake) {
		if (handshake(flows, segment))
			return;
	}
	uint64_t time_ns = flows->start_ns + n_handshake * handshake_gap_ns / HANDSHAKE_SEGMENTS +
			   (flows->n_given++ - n_handshake) * data_gap_ns;
	uint32_t number = random_below(&flows->random, flows->n);
	enum host_role from = random_permille(&flows->random, 500) ? HOST_CLIENT : HOST_SERVER;
	uint32_t payload_bytes = 20 + random_below(&flows->random, 400);
	if (flows->all[number].unacked[from] + payload_bytes > UNACKED_MAX_BYTES)
		from = from == HOST_CLIENT ? HOST_SERVER : HOST_CLIENT; /* its peer acknowledges first, with data */
	fill(flows, number, from, FLAG_ACK | FLAG_PSH, payload_bytes, time_ns, segment);
}

struct many_flows *many_flows_create(uint64_t seed, uint32_t n_connections, uint64_t start_ns)
{
	struct many_flows *flows = malloc(sizeof(*flows));

	if (flows == NULL)
		return NULL;
	*flows = (struct many_flows){
		.random.state = seed,
		.hosts = { .n_clients = 60000, .n_servers = 500, .seed = ~seed },
		.start_ns = start_ns,
		.n = n_connections,
		.all = calloc(n_connections, sizeof(struct many_flow)),
	};
	if (flows->all == NULL) {
		free(flows);
		return NULL;
	}
	return flows;
}

void many_flows_destroy(struct many_flows *flows)
{
	if (flows == NULL)
		return;
	free(flows->all);
	free(flows);
}
