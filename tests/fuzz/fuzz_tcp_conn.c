/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes as a sequence of segments of one connection. Each record chooses a side, flags, small steps of sequence and
 * acknowledgement numbers around what the ends use, lengths, time and options, so that plausible and
 * implausible segments mix. Checks what must hold after every one.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tcpwitness/base/units.h"
#include "tcpwitness/tcp/conn_history.h"
#include "tcpwitness/tcp/tcp_conn.h"
#include "tcpwitness/tcp/tcp_seq.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RECORD_BYTES = 10, MAX_RECORDS = 400 };

static void check_end(const struct tcp_end *end)
{
	assert(end->state < TCPS_COUNT && end->sure < TCPS_COUNT);
	assert(end->n_pending <= CONN_MAX_PENDING);
	assert(end->n_holes <= CONN_MAX_HOLES);
	assert(end->n_candidates <= CONN_MAX_SYN_CANDIDATES);
	/* Proved means: heard, and nothing is only presumed. */
	if (end->certainty == TCP_PROVED) {
		assert(end->heard);
		assert(end->state == end->sure);
		assert(!end->assumed);
	}
	for (unsigned i = 0; i < end->n_holes; i++)
		assert(seq_lt(end->holes[i].left, end->holes[i].right));
}

/* What the transitions so far tell of an end, and so what a reader of the events knows. */
struct told {
	uint8_t state;
	uint8_t certainty;
	uint64_t caused_by;
};

static void tell_beginning(struct told told[2], const struct tcp_conn *conn)
{
	bool picked_up = conn->origin >= CONN_ORIGIN_MIDSTREAM;

	told[SIDE_CLIENT] = (struct told){ picked_up ? TCPS_ESTABLISHED : TCPS_CLOSED, TCP_PRESUMED, 0 };
	told[SIDE_SERVER] = (struct told){ picked_up ? TCPS_ESTABLISHED : TCPS_LISTEN, TCP_PRESUMED, 0 };
}

static void check_verdict(const struct tcp_conn *conn, const struct tcp_verdict *verdict, uint64_t number,
			  struct told told[2])
{
	/* One fewer than there is room for: then none can have been left out. */
	assert(verdict->n_transitions < CONN_MAX_TRANSITIONS);
	for (unsigned i = 0; i < verdict->n_transitions; i++) {
		const struct tcp_transition *t = &verdict->transitions[i];
		assert(t->side < 2 && t->cause < CONN_CAUSE_COUNT);
		/* No state without a cause: each transition begins where the last one ended. */
		assert(t->from == told[t->side].state);
		assert(t->caused_by <= number);
		told[t->side] = (struct told){ t->to, t->certainty, t->caused_by };
	}
	for (unsigned i = 0; i < 2; i++) {
		assert(told[i].state == conn->end[i].state);
		assert(told[i].certainty == conn->end[i].certainty);
		assert(told[i].caused_by == conn->end[i].caused_by);
	}
}

static struct packet segment(const struct tcp_conn *conn, const uint8_t *r, enum conn_side side, uint64_t *now_ns,
			     uint64_t number)
{
	const struct tcp_end *sender = &conn->end[side];
	const struct tcp_end *receiver = &conn->end[1 - side];
	static const uint32_t steps[] = { 0, 1, 2, 100, 1460, 70000, 3000000, 0x80000000u };
	struct packet packet = { .number = number, .src_port = 40000, .dst_port = 80, .ttl = 64 };
	uint32_t seq_step = steps[r[2] & 7];
	uint32_t ack_step = steps[r[3] & 7];

	*now_ns += (uint64_t)r[7] * r[7] * NS_PER_MS;
	packet.time_ns = (r[8] & 0x80) && *now_ns > NS_PER_SEC ? *now_ns - NS_PER_SEC : *now_ns;
	packet.flags = r[1];
	packet.seq = (r[2] & 8) ? sender->snd_nxt - seq_step : sender->snd_nxt + seq_step;
	if (r[2] & 16)
		packet.seq = sender->iss;
	packet.ack = (r[3] & 8) ? receiver->snd_nxt - ack_step : receiver->snd_nxt + ack_step;
	if (r[3] & 16)
		packet.ack = receiver->iss + 1;
	packet.payload_bytes = (uint32_t)r[4] * ((r[5] & 1) ? 6 : 0);
	packet.window = (uint16_t)(r[6] << 8);
	packet.ip_id = (r[5] & 2) ? 7 : (uint16_t)number;
	packet.payload_hash = 1u + packet.seq % 5;
	packet.options.present = (uint16_t)(r[8] & 0x7f);
	packet.options.wscale = r[9];
	packet.options.ts_val = (uint32_t)r[9] << ((r[5] >> 2) & 31);
	packet.icmp_error = (r[5] & 0xe0) == 0xe0 ? (enum icmp_error_kind)(1 + r[9] % 5) : ICMP_ERROR_NONE;
	return packet;
}

static void run(const uint8_t *data, size_t n_records)
{
	struct error error;
	struct tcp_context tcp = { .recent = recent_segments_create(4096, &error) };
	struct tcp_verdict verdict;
	struct conn_history history;
	struct tcp_conn conn;
	struct told told[2];
	uint64_t now_ns = NS_PER_SEC;
	bool begun = false;

	tcp_conn_config_defaults(&tcp.config);
	assert(tcp.recent != NULL);
	memset(&conn, 0, sizeof(conn));
	for (size_t i = 0; i < n_records; i++) {
		const uint8_t *r = data + i * RECORD_BYTES;
		enum conn_side side = (r[0] & 1) ? SIDE_SERVER : SIDE_CLIENT;
		struct packet packet = segment(&conn, r, side, &now_ns, i + 1);

		tcp.config.rst_strict = (r[0] & 2) != 0;
		if (!begun) {
			conn_history_init(&history);
			side = tcp_conn_init(&conn, &tcp, 0, &packet, &verdict);
			begun = true;
			tell_beginning(told, &conn);
		} else if ((r[0] & 0xfc) == 0xfc) {
			tcp_conn_expire(&conn, now_ns, &verdict);
		} else {
			if (packet.icmp_error != ICMP_ERROR_NONE)
				tcp_conn_icmp(&conn, side, &packet, &verdict);
			else
				tcp_conn_advance(&conn, &tcp, side, &packet, &verdict);
		}
		check_verdict(&conn, &verdict, packet.number, told);
		if (verdict.kind == CONN_NEW_INCARNATION) {
			begun = false;
		} else if (verdict.kind == CONN_NEW_INCARNATION_HELD_SYN) {
			struct packet_syn syn = conn.next_syn;
			tcp_conn_init_from_syn(&conn, &tcp, 0, &syn, &verdict);
			tell_beginning(told, &conn);
			check_verdict(&conn, &verdict, syn.number, told);
		} else if (verdict.kind != CONN_DUPLICATE) {
			conn_history_segment(&history, side, &packet, &verdict);
		}
		check_end(&conn.end[0]);
		check_end(&conn.end[1]);
		assert(tcp_conn_phase(&conn) < CONN_PHASE_COUNT);
		assert(tcp_conn_outcome(&conn, (r[0] & 4) != 0) < CONN_OUTCOME_COUNT);
	}
	recent_segments_destroy(tcp.recent);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n_records = size / RECORD_BYTES;

	run(data, n_records > MAX_RECORDS ? MAX_RECORDS : n_records);
	return 0;
}
