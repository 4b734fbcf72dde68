/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The short way of the opening (tcp_opening.c) against the rules: random openings, most of them plain but for one
 * thing, go to both, and both must say the same and leave the same behind after each segment. The rules alone are
 * tcp_conn.c once more, without the short way.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "random.h"
#include "tcp_internal.h"

#define opening_syn(seg)         false
#define opening_segment(seg)     false
#define tcp_conn_config_defaults rules_config_defaults
#define tcp_conn_advance         rules_advance
#define tcp_conn_init            rules_init
#define tcp_conn_init_from_syn   rules_init_from_syn
#define tcp_conn_icmp            rules_icmp
#define tcp_conn_expire          rules_expire
void rules_config_defaults(struct tcp_conn_config *config);
void rules_advance(struct tcp_conn *conn, const struct tcp_context *context, enum conn_side side,
		   const struct packet *packet, struct tcp_verdict *verdict);
enum conn_side rules_init(struct tcp_conn *conn, const struct tcp_context *context, uint32_t owner,
			  const struct packet *packet, struct tcp_verdict *verdict);
void rules_init_from_syn(struct tcp_conn *conn, const struct tcp_context *context, uint32_t owner,
			 const struct packet_syn *syn, struct tcp_verdict *verdict);
void rules_icmp(struct tcp_conn *conn, enum conn_side side, const struct packet *packet, struct tcp_verdict *verdict);
void rules_expire(struct tcp_conn *conn, uint64_t now_ns, struct tcp_verdict *verdict);
#include "tcp_conn.c"
#undef opening_syn
#undef opening_segment
#undef tcp_conn_config_defaults
#undef tcp_conn_advance
#undef tcp_conn_init

enum { N_OPENINGS = 200000, MOST_SEGMENTS = 8 };

struct run {
	struct random random;
	struct tcp_context shorter; /* both with memory of their own */
	struct tcp_context rules;
	struct tcp_conn conn[2];
	uint64_t now_ns;
	uint64_t number;
	unsigned n_plain[2]; /* what the short way took, of SYN-ACKs and of third segments */
};

static unsigned below(struct run *run, uint32_t n)
{
	return random_below(&run->random, n);
}

static bool one_in(struct run *run, uint32_t n)
{
	return below(run, n) == 0;
}

static struct packet begin_packet(struct run *run, uint16_t flags)
{
	run->now_ns += one_in(run, 40) ? below(run, 2000) * NS_PER_SEC : below(run, 1000000);
	if (one_in(run, 40))
		run->now_ns -= below(run, 500000);
	return (struct packet){
		.time_ns = run->now_ns,
		.number = ++run->number,
		.flags = flags,
		.window = (uint16_t)(one_in(run, 20) ? 0 : 1 + below(run, 65535)),
		.ttl = (uint8_t)(1 + below(run, 255)),
		.ip_id = (uint16_t)(one_in(run, 3) ? 0 : below(run, 20)),
		.payload_hash = below(run, one_in(run, 20) ? 3 : UINT32_MAX),
		.options_complete = !one_in(run, 20),
	};
}

static void add_syn_options(struct run *run, struct packet *packet)
{
	struct tcp_options *options = &packet->options;

	options->present =
		(uint16_t)((one_in(run, 5) ? 0 : TCPOPT_MSS) | (one_in(run, 3) ? 0 : TCPOPT_WSCALE) |
			   (one_in(run, 3) ? 0 : TCPOPT_SACK_PERMITTED) | (one_in(run, 3) ? 0 : TCPOPT_TIMESTAMP));
	if (one_in(run, 20))
		options->present |= one_in(run, 2) ? TCPOPT_FASTOPEN : TCPOPT_MPTCP;
	options->mss = (uint16_t)below(run, 65536);
	options->wscale = (options->present & TCPOPT_WSCALE) != 0 ? (uint8_t)below(run, 16) : 0;
	options->ts_val = (options->present & TCPOPT_TIMESTAMP) != 0 ? below(run, 100) : 0;
	options->ts_ecr = one_in(run, 4) ? below(run, 100) : 0;
	options->layout = below(run, UINT32_MAX);
}

/* Now and then one thing about it is not plain. */
static void disturb(struct run *run, struct packet *packet)
{
	if (!one_in(run, 8))
		return;
	switch (below(run, 7)) {
	case 0:
		packet->seq += below(run, 5) - 2;
		break;
	case 1:
		packet->ack += below(run, 5) - 2;
		break;
	case 2:
		packet->payload_bytes = 1 + below(run, 3);
		packet->payload_head = below(run, 5);
		break;
	case 3:
		packet->flags ^= (uint16_t)(1u << below(run, 9));
		break;
	case 4:
		anomaly_set_add(&packet->anomalies, ANOMALY_FRAGMENT_OVERLAP);
		break;
	case 5:
		packet->options.present ^= TCPOPT_TIMESTAMP;
		break;
	default:
		packet->options.present |= TCPOPT_SACK;
		packet->options.n_sack_blocks = 1;
		packet->options.sack[0].left = packet->ack - 1;
		packet->options.sack[0].right = packet->ack;
		break;
	}
}

static void compare_transitions(const struct tcp_transition *shorter, const struct tcp_transition *rules)
{
	assert_int_equal(shorter->side, rules->side);
	assert_int_equal(shorter->from, rules->from);
	assert_int_equal(shorter->to, rules->to);
	assert_int_equal(shorter->certainty, rules->certainty);
	assert_int_equal(shorter->cause, rules->cause);
	assert_int_equal(shorter->inferred, rules->inferred);
	assert_int_equal(shorter->caused_by, rules->caused_by);
}

/* Places of pending events that are not in use may hold anything; both ways leave the same there, too. */
static void compare(const struct run *run, const struct tcp_verdict *shorter, const struct tcp_verdict *rules)
{
	assert_memory_equal(&run->conn[0], &run->conn[1], sizeof(run->conn[0]));
	assert_int_equal(shorter->kind, rules->kind);
	assert_int_equal(shorter->n_transitions, rules->n_transitions);
	for (unsigned i = 0; i < rules->n_transitions; i++)
		compare_transitions(&shorter->transitions[i], &rules->transitions[i]);
	assert_memory_equal(&shorter->anomalies, &rules->anomalies, sizeof(rules->anomalies));
	assert_int_equal(shorter->completed, rules->completed);
	assert_int_equal(shorter->new_payload, rules->new_payload);
	assert_int_equal(shorter->retransmitted_payload, rules->retransmitted_payload);
	assert_int_equal(shorter->n_unseen, rules->n_unseen);
}

static void compare_recent(const struct run *run, const struct packet *packet, enum conn_side side)
{
	uint32_t owner = run->conn[0].owner | (uint32_t)side;

	assert_memory_equal(recent_segments_set(run->shorter.recent, owner, packet->seq),
			    recent_segments_set(run->rules.recent, owner, packet->seq),
			    RECENT_WAYS * sizeof(struct recent_segment));
}

/* Would the short way take it? It is asked of a copy, whose segments are remembered nowhere else. */
static bool is_taken(const struct run *run, const struct packet *packet, enum conn_side side)
{
	struct recent_segment recent[RECENT_WAYS] = { { .time_ns = 0 } };
	struct tcp_conn conn = run->conn[0];
	struct tcp_verdict verdict;
	struct segment seg = segment_of(&conn, &run->shorter, side, packet, &verdict);

	verdict_init(&verdict, packet);
	seg.recent = recent;
	return opening_segment(&seg);
}

static enum conn_verdict_kind advance(struct run *run, enum conn_side side, const struct packet *packet)
{
	struct tcp_verdict verdict[2];
	bool is_third = run->conn[0].end[SIDE_SERVER].heard;

	run->n_plain[is_third] += is_taken(run, packet, side);
	tcp_conn_advance(&run->conn[0], &run->shorter, side, packet, &verdict[0]);
	rules_advance(&run->conn[1], &run->rules, side, packet, &verdict[1]);
	compare(run, &verdict[0], &verdict[1]);
	compare_recent(run, packet, side);
	return (enum conn_verdict_kind)verdict[0].kind;
}

static struct packet next_packet(struct run *run, enum conn_side *side)
{
	const struct tcp_end *client = &run->conn[0].end[SIDE_CLIENT];
	const struct tcp_end *server = &run->conn[0].end[SIDE_SERVER];
	bool answers = !server->heard || one_in(run, 8);
	struct packet packet = begin_packet(run, answers ? SEG_SYN | SEG_ACK : SEG_ACK);
	const struct tcp_end *self = answers ? server : client;

	*side = answers || one_in(run, 10) ? SIDE_SERVER : SIDE_CLIENT;
	packet.seq = answers ? (server->heard ? server->iss : below(run, UINT32_MAX)) : self->snd_nxt;
	packet.ack = answers ? client->iss + 1 : server->snd_nxt;
	if (answers)
		add_syn_options(run, &packet);
	else if (client->timestamps && server->timestamps)
		packet.options = (struct tcp_options){ .present = TCPOPT_TIMESTAMP,
						       .ts_val = below(run, 100),
						       .ts_ecr = below(run, 100) };
	if (!answers && one_in(run, 3))
		packet.flags |= SEG_PSH;
	if (one_in(run, 10)) { /* the SYN again, or another one */
		packet.flags = SEG_SYN;
		packet.seq = client->iss + (one_in(run, 2) ? 0 : 7);
		*side = SIDE_CLIENT;
	}
	disturb(run, &packet);
	return packet;
}

static void play_opening(struct run *run)
{
	struct tcp_verdict verdict[2];
	struct packet syn = begin_packet(run, SEG_SYN | (one_in(run, 5) ? SEG_ECE | SEG_CWR : 0));
	uint32_t owner = tcp_conn_owner(run->number);

	syn.seq = below(run, UINT32_MAX);
	add_syn_options(run, &syn);
	disturb(run, &syn);
	enum conn_side side = tcp_conn_init(&run->conn[0], &run->shorter, owner, &syn, &verdict[0]);
	assert_int_equal(rules_init(&run->conn[1], &run->rules, owner, &syn, &verdict[1]), side);
	compare(run, &verdict[0], &verdict[1]);
	compare_recent(run, &syn, side);
	for (unsigned i = 0; i < MOST_SEGMENTS; i++) {
		const struct packet packet = next_packet(run, &side);
		if (advance(run, side, &packet) >= CONN_NEW_INCARNATION)
			return;
	}
}

static void test_random_openings(void **state)
{
	struct run run = { .random = { 7 }, .now_ns = 1000 * NS_PER_SEC };
	struct error error;

	(void)state;
	tcp_conn_config_defaults(&run.shorter.config);
	run.rules.config = run.shorter.config;
	run.shorter.recent = recent_segments_create(64 * 1024, &error);
	run.rules.recent = recent_segments_create(64 * 1024, &error);
	for (unsigned i = 0; i < N_OPENINGS; i++) {
		run.shorter.config.max_window_bytes = one_in(&run, 8) ? 30000 : 0;
		run.rules.config.max_window_bytes = run.shorter.config.max_window_bytes;
		play_opening(&run);
	}
	/* Else nothing was compared. */
	assert_true(run.n_plain[0] > N_OPENINGS / 8);
	assert_true(run.n_plain[1] > N_OPENINGS / 16);
	recent_segments_destroy(run.shorter.recent);
	recent_segments_destroy(run.rules.recent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_openings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
