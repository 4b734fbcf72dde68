/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The honest traffic of all workloads. What is set here and in the profiles, and not measured on any one network: 20 %
 * IPv6; round trips, pauses and answer sizes without a scale of their own (exponential; Pareto, shape 1.2).
 */
#include "conversations.h"

#include <stdlib.h>
#include <string.h>

#include "hosts.h"
#include "random.h"

static const uint64_t us_ns = 1000;
static const uint64_t ms_ns = 1000000;

enum {
	SEGMENT_BYTES = 1448, /* Ethernet's MSS less timestamps */
	SEGMENT_BYTES_IPV6 = 1428,
	SEGMENTS_PER_ACK = 2, /* RFC 9293, 3.8.6.3 */
	SYN_RETRIES = 2,
};

/* What the connection does next. */
enum step {
	STEP_SYN = 0,
	STEP_SYNACK,
	STEP_HANDSHAKE_ACK,
	STEP_DATA,
	STEP_DATA_AGAIN,
	STEP_DATA_ACK,
	STEP_FIRST_FIN,
	STEP_SECOND_FIN,
	STEP_LAST_ACK,
	STEP_RST,
};

struct end {
	struct side side;
	uint32_t seq; /* of its next byte */
	uint32_t ts_offset;
	uint32_t ts_last;
	uint16_t ip_id; /* of its next packet: counts the packets of the connection, as Linux does */
};

struct conversation {
	struct end ends[2];
	uint64_t rtt_ns;
	enum conversation_outcome outcome;
	enum step step;
	enum host_role sender; /* of the data now under way; later, who closes */
	bool ipv6;
	uint32_t requests_left;
	uint32_t data_left_bytes;
	uint32_t unacked_segments;
	uint32_t last_payload_bytes;
	uint32_t syn_retries_left;
};

struct due {
	uint64_t time_ns;
	uint32_t index; /* of the conversation; breaks ties */
};

struct conversations {
	struct conversation_profile profile;
	struct random random;
	struct hosts hosts;
	struct conversation_counts counts;
	struct conversation *all;
	struct due *heap; /* the earliest at the root */
};

static bool is_before(const struct due *a, const struct due *b)
{
	return a->time_ns != b->time_ns ? a->time_ns < b->time_ns : a->index < b->index;
}

static void sift_down(struct conversations *c, uint32_t at)
{
	struct due moving = c->heap[at];

	for (;;) {
		uint32_t child = 2 * at + 1;
		if (child >= c->profile.population)
			break;
		if (child + 1 < c->profile.population && is_before(&c->heap[child + 1], &c->heap[child]))
			child++;
		if (!is_before(&c->heap[child], &moving))
			break;
		c->heap[at] = c->heap[child];
		at = child;
	}
	c->heap[at] = moving;
}

static enum conversation_outcome choose_outcome(struct conversations *c)
{
	uint32_t left = random_below(&c->random, 1000);
	uint32_t outcome = 0;

	while (left >= c->profile.outcome_permille[outcome])
		left -= c->profile.outcome_permille[outcome++];
	return (enum conversation_outcome)outcome;
}

static uint32_t request_bytes(struct conversations *c)
{
	if (random_permille(&c->random, c->profile.upload_permille))
		return random_size(&c->random, 2000, 1.2, 2e7);
	return 80 + random_below(&c->random, 900);
}

/* A new connection in place of the one before. */
static void renew(struct conversations *c, struct conversation *it)
{
	struct random *random = &c->random;

	*it = (struct conversation){
		.outcome = choose_outcome(c),
		.rtt_ns = 200 * us_ns + random_gap_ns(random, 20.0 * (double)ms_ns),
		.requests_left = 1 + random_below(random, c->profile.max_requests),
		.data_left_bytes = request_bytes(c),
		.syn_retries_left = SYN_RETRIES,
	};
	for (int role = HOST_CLIENT; role <= HOST_SERVER; role++) {
		it->ends[role].seq = random_u32(random);
		it->ends[role].ts_offset = random_u32(random);
		it->ends[role].ip_id = (uint16_t)random_u32(random);
	}
}

/* The segment that one end sends now, with all its sequence numbers; advances what it has sent. */
static void fill(struct conversation *it, enum host_role from, uint8_t flags, uint32_t payload_bytes, uint64_t time_ns,
		 struct segment *segment)
{
	struct end *sender = &it->ends[from];
	const struct end *receiver = &it->ends[!from];

	sender->ts_last = sender->ts_offset + (uint32_t)(time_ns / ms_ns);
	*segment = (struct segment){
		.time_ns = time_ns,
		.from = sender->side,
		.to = receiver->side,
		.ipv6 = it->ipv6,
		.to_server = from == HOST_CLIENT,
		.flags = flags,
		.ttl = from == HOST_CLIENT ? 57 : 64,
		.ip_id = sender->ip_id++,
		.window = flags & FLAG_SYN ? 64240 : 502,
		.seq = sender->seq,
		.ack = flags & FLAG_ACK ? receiver->seq : 0,
		.timestamps = (flags & FLAG_RST) == 0,
		.ts_value = sender->ts_last,
		.ts_echo = flags & FLAG_ACK ? receiver->ts_last : 0,
		.payload_bytes = payload_bytes,
	};
	sender->seq += payload_bytes + ((flags & FLAG_SYN) != 0) + ((flags & FLAG_FIN) != 0);
}

/* The connection is over: its place is taken by a new one. Returns the time until that begins. */
static uint64_t replace(struct conversations *c, struct conversation *it)
{
	c->counts.open--;
	renew(c, it);
	return random_gap_ns(&c->random, c->profile.idle_mean_ns);
}

/* After the last answer: how the connection ends. Returns the time until it does. */
static uint64_t close_connection(struct conversations *c, struct conversation *it)
{
	switch (it->outcome) {
	case OUTCOME_FIN_BY_CLIENT:
	case OUTCOME_FIN_BY_SERVER:
		it->step = STEP_FIRST_FIN;
		it->sender = it->outcome == OUTCOME_FIN_BY_CLIENT ? HOST_CLIENT : HOST_SERVER;
		break;
	case OUTCOME_RST_BY_CLIENT:
	case OUTCOME_RST_BY_SERVER:
		it->step = STEP_RST;
		it->sender = it->outcome == OUTCOME_RST_BY_CLIENT ? HOST_CLIENT : HOST_SERVER;
		break;
	case OUTCOME_SILENT:
	case OUTCOME_REFUSED:
	case OUTCOME_UNANSWERED:
	case OUTCOME_COUNT:
		return replace(c, it);
	}
	return random_gap_ns(&c->random, c->profile.close_mean_ns);
}

/* After data were acknowledged: more of them, the other side's turn, or the end. Returns the time until then. */
static uint64_t continue_data(struct conversations *c, struct conversation *it)
{
	struct random *random = &c->random;

	it->step = STEP_DATA;
	it->unacked_segments = 0;
	if (it->data_left_bytes > 0)
		return 20 * us_ns + random_below(random, 200000);
	if (it->sender == HOST_CLIENT) {
		it->sender = HOST_SERVER;
		it->data_left_bytes = random_size(random, 300, 1.2, c->profile.answer_most_bytes);
		return it->rtt_ns / 2 + random_gap_ns(random, 5.0 * (double)ms_ns);
	}
	if (--it->requests_left == 0)
		return close_connection(c, it);
	it->sender = HOST_CLIENT;
	it->data_left_bytes = request_bytes(c);
	return random_gap_ns(random, c->profile.think_mean_ns);
}

/* One data segment; returns the time until the next step. */
static uint64_t send_data(struct conversations *c, struct conversation *it, uint64_t time_ns, struct segment *segment)
{
	uint32_t most = it->ipv6 ? SEGMENT_BYTES_IPV6 : SEGMENT_BYTES;
	uint32_t payload_bytes = it->data_left_bytes < most ? it->data_left_bytes : most;
	uint8_t push = payload_bytes == it->data_left_bytes ? FLAG_PSH : 0;

	fill(it, it->sender, FLAG_ACK | push, payload_bytes, time_ns, segment);
	it->data_left_bytes -= payload_bytes;
	it->last_payload_bytes = payload_bytes;
	it->unacked_segments++;
	if (random_permille(&c->random, c->profile.resend_permille)) {
		it->step = STEP_DATA_AGAIN;
		return 200 * ms_ns + it->rtt_ns;
	}
	if (it->data_left_bytes > 0 && it->unacked_segments < SEGMENTS_PER_ACK)
		return 12 * us_ns; /* a full segment at 1 Gbit/s */
	it->step = STEP_DATA_ACK;
	return 20 * us_ns + it->rtt_ns / 64;
}

/* Connections are numbered as they begin: numbers that wait would leave gaps in the clients' ports. */
static void open_connection(struct conversations *c, struct conversation *it)
{
	struct conversation_counts *counts = &c->counts;

	it->ipv6 = hosts_assign(&c->hosts, counts->begun++, &it->ends[HOST_CLIENT].side, &it->ends[HOST_SERVER].side);
	counts->open++;
	if (counts->open > counts->most_open)
		counts->most_open = counts->open;
}

static uint64_t send_syn(struct conversations *c, struct conversation *it, uint64_t time_ns, struct segment *segment)
{
	if (it->syn_retries_left == SYN_RETRIES)
		open_connection(c, it);
	fill(it, HOST_CLIENT, FLAG_SYN, 0, time_ns, segment);
	if (it->outcome == OUTCOME_REFUSED) {
		it->step = STEP_RST;
		it->sender = HOST_SERVER;
		return it->rtt_ns / 2;
	}
	if (it->outcome != OUTCOME_UNANSWERED) {
		it->step = STEP_SYNACK;
		return it->rtt_ns / 2;
	}
	if (it->syn_retries_left-- == 0)
		return replace(c, it);
	it->ends[HOST_CLIENT].seq--;                                     /* the next is the same SYN again */
	return 1000 * ms_ns << (SYN_RETRIES - 1 - it->syn_retries_left); /* RFC 6298, 2.1 and 5.5 */
}

/* Makes the one segment that is due, and returns the time until the connection's next. */
static uint64_t advance(struct conversations *c, struct conversation *it, uint64_t time_ns, struct segment *segment)
{
	switch (it->step) {
	case STEP_SYN:
		return send_syn(c, it, time_ns, segment);
	case STEP_SYNACK:
		fill(it, HOST_SERVER, FLAG_SYN | FLAG_ACK, 0, time_ns, segment);
		it->step = STEP_HANDSHAKE_ACK;
		return it->rtt_ns / 2;
	case STEP_HANDSHAKE_ACK:
		fill(it, HOST_CLIENT, FLAG_ACK, 0, time_ns, segment);
		it->step = STEP_DATA;
		return 50 * us_ns;
	case STEP_DATA:
		return send_data(c, it, time_ns, segment);
	case STEP_DATA_AGAIN:
		it->ends[it->sender].seq -= it->last_payload_bytes;
		fill(it, it->sender, FLAG_ACK, it->last_payload_bytes, time_ns, segment);
		it->step = STEP_DATA_ACK;
		return it->rtt_ns / 2;
	case STEP_DATA_ACK:
		fill(it, !it->sender, FLAG_ACK, 0, time_ns, segment);
		return continue_data(c, it);
	case STEP_FIRST_FIN:
		fill(it, it->sender, FLAG_FIN | FLAG_ACK, 0, time_ns, segment);
		it->step = STEP_SECOND_FIN;
		return it->rtt_ns / 2 + 50 * us_ns;
	case STEP_SECOND_FIN:
		fill(it, !it->sender, FLAG_FIN | FLAG_ACK, 0, time_ns, segment);
		it->step = STEP_LAST_ACK;
		return it->rtt_ns / 2;
	case STEP_LAST_ACK:
		fill(it, it->sender, FLAG_ACK, 0, time_ns, segment);
		return replace(c, it);
	case STEP_RST:
		fill(it, it->sender, FLAG_RST | FLAG_ACK, 0, time_ns, segment);
		if (it->outcome == OUTCOME_REFUSED)
			segment->seq = 0; /* RFC 9293, 3.10.7.1: a closed port has no sequence number of its own */
		return replace(c, it);
	}
	abort();
}

void conversations_next(struct conversations *c, struct segment *segment)
{
	struct due *root = &c->heap[0];

	root->time_ns += advance(c, &c->all[root->index], root->time_ns, segment);
	sift_down(c, 0);
}

uint64_t conversations_next_ns(const struct conversations *c)
{
	return c->heap[0].time_ns;
}

const struct conversation_counts *conversations_counts(const struct conversations *c)
{
	return &c->counts;
}

struct conversations *conversations_create(uint64_t seed, const struct conversation_profile *profile, uint64_t start_ns)
{
	struct conversations *c = malloc(sizeof(*c));
	uint32_t n = profile->population;

	if (c == NULL)
		return NULL;
	*c = (struct conversations){
		.profile = *profile,
		.random.state = seed,
		.hosts = { .n_clients = profile->n_clients, .n_servers = profile->n_servers, .seed = seed },
	};
	c->all = calloc(n, sizeof(*c->all));
	c->heap = calloc(n, sizeof(*c->heap));
	if (c->all == NULL || c->heap == NULL) {
		conversations_destroy(c);
		return NULL;
	}
	for (uint32_t i = 0; i < n; i++) {
		renew(c, &c->all[i]);
		c->heap[i] = (struct due){ start_ns + random_gap_ns(&c->random, profile->idle_mean_ns), i };
	}
	for (uint32_t at = n / 2; at-- > 0;)
		sift_down(c, at);
	return c;
}

void conversations_destroy(struct conversations *c)
{
	if (c == NULL)
		return;
	free(c->all);
	free(c->heap);
	free(c);
}
