/* SPDX-License-Identifier: BSD-2-Clause */
#include "tcpwitness/tcp/tcp_stamp.h"

/* What was before the new beginning is taken for it: it is STAMP_EXACT_NS old, or older. */
static void move(uint32_t *stamps, unsigned n, uint64_t by)
{
	for (unsigned i = 0; i < n; i++) {
		if (stamps[i] != 0)
			stamps[i] = stamps[i] > by ? (uint32_t)(stamps[i] - by) : 1;
	}
}

static void move_end(struct tcp_end *end, uint64_t by)
{
	move(end->pending_stamp, end->n_pending, by);
	move(&end->fin_stamp, 1, by);
	move(&end->rst_sent_stamp, 1, by);
	move(&end->rst_refused_stamp, 1, by);
	for (unsigned i = 0; i < end->n_holes; i++)
		move(&end->holes[i].stamp, 1, by);
}

void stamps_move(struct tcp_conn *conn, uint64_t now_ns)
{
	uint64_t by = (now_ns - STAMP_EXACT_NS - conn->stamps_from_ns) / NS_PER_US;

	move_end(&conn->end[0], by);
	move_end(&conn->end[1], by);
	conn->stamps_from_ns += by * NS_PER_US;
}
