/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which keys deserve attention: enough happens to them now, or enough is as it should not be, however slowly it came
 * to that. A key that may is offered by the table that counts it; whether it does is decided over all tables.
 */
#include "summary_table.h"

/* Of one kind of key: what is enough, within a span or as a level; 0 = does not matter. */
struct enough {
	uint32_t attempts;
	uint32_t signs;
	uint32_t half_open;
	uint32_t gauge;            /* of each of summary_gauge but UNSPOKEN */
	uint32_t unspoken;         /* established, and the client says nothing */
	uint32_t server_time_wait; /* endpoints that the server keeps */
	uint32_t failed;           /* however long ago, while it goes on and is a quarter of its attempts */
	uint32_t ports;            /* in use by a pair; its attempts are completed connections */
};

static const struct enough enough[SUMMARY_SENSOR] = {
	[SUMMARY_SERVICE] = { .attempts = 8,
			      .signs = 4,
			      .half_open = 16,
			      .gauge = 16,
			      .unspoken = 32,
			      .server_time_wait = 1000 },
	[SUMMARY_HOST] = { .attempts = 8, .signs = 8, .half_open = 16, .server_time_wait = 1000 },
	[SUMMARY_PREFIX] = { .attempts = 32, .signs = 16, .half_open = 64 },
	[SUMMARY_SOURCE] = { .attempts = 32, .signs = 8, .half_open = 16, .gauge = 8, .unspoken = 16, .failed = 6 },
	[SUMMARY_PAIR] = { .attempts = 6, .ports = 256 },
};

/* Of a key that has attention: from so much on it is worth knowing who takes part. */
static const struct enough enough_for_crowds[SUMMARY_SENSOR] = {
	[SUMMARY_SERVICE] = { .attempts = 16, .signs = 8, .half_open = 32, .unspoken = 64 },
	[SUMMARY_HOST] = { .attempts = 32, .signs = 8, .half_open = 32 },
	[SUMMARY_PREFIX] = { .attempts = 64, .signs = 32, .half_open = 64 },
	[SUMMARY_SOURCE] = { .attempts = 32, .signs = 8, .half_open = 16, .failed = 6 },
};

static uint64_t ended(const uint64_t *totals, enum summary_counter begun)
{
	return totals[begun] > totals[begun + 1] ? totals[begun] - totals[begun + 1] : 0;
}

static bool reaches(uint64_t count, uint32_t least, unsigned n)
{
	return least != 0 && count * n >= least;
}

/* Of a source, what it sent out of nowhere too. */
static uint64_t failed(const uint64_t *totals)
{
	uint64_t n = totals[SUMMARY_REFUSED] + totals[SUMMARY_UNREACHABLE] + totals[SUMMARY_UNANSWERED] +
		     totals[SUMMARY_STILL_HALF_OPEN] + totals[SUMMARY_CLIENT_RESET];

	for (int stray = 0; stray < STRAY_COUNT; stray++)
		n += totals[SUMMARY_STRAYS + stray];
	return n > totals[SUMMARY_STRAYS_CLAIMED] ? n - totals[SUMMARY_STRAYS_CLAIMED] : 0;
}

static bool is_piled_up(const struct summary *summary, const struct enough *least, unsigned n)
{
	const uint64_t *totals = summary->totals;

	if (reaches(summary_half_open(summary), least->half_open, n) ||
	    reaches(ended(totals, SUMMARY_SERVER_TIME_WAIT), least->server_time_wait, n) ||
	    reaches(summary_gauge(summary, GAUGE_UNSPOKEN), least->unspoken, n))
		return true;
	return least->gauge != 0 && (reaches(ended(totals, SUMMARY_STALLED), least->gauge, n) ||
				     reaches(ended(totals, SUMMARY_CLOSE_WAIT), least->gauge, n) ||
				     reaches(ended(totals, SUMMARY_FIN_WAIT_2), least->gauge, n) ||
				     reaches(ended(totals, SUMMARY_LAST_ACK), least->gauge, n));
}

static uint64_t ports_in_use(const uint64_t *totals)
{
	uint64_t begun = totals[SUMMARY_COMPLETED] + totals[SUMMARY_JOINED];
	uint64_t open = begun > totals[SUMMARY_CLOSED] ? begun - totals[SUMMARY_CLOSED] : 0;

	return open + ended(totals, SUMMARY_TIME_WAIT);
}

static bool is_enough(const struct summary *summary, const struct enough *least, uint64_t now_ns, unsigned n)
{
	const struct summary_recent *recent = &summary->recent;
	bool is_now = recent->span == now_ns / SUMMARY_SPAN_NS;

	if (least->ports != 0 && reaches(ports_in_use(summary->totals), least->ports, n))
		return true;
	if (is_now && (reaches(recent->attempts, least->attempts, n) || reaches(recent->signs, least->signs, n)))
		return true;
	/* Of one table of several, the share of the attempts that failed says nothing. */
	if (is_now && least->failed != 0 && reaches(failed(summary->totals), least->failed, n) &&
	    (n > 1 || 4 * failed(summary->totals) >= summary->totals[SUMMARY_ATTEMPTS]))
		return true;
	return is_piled_up(summary, least, n);
}

bool summary_may_deserve(const struct summary *summary, enum summary_kind kind, uint64_t now_ns, unsigned n_tables)
{
	return is_enough(summary, &enough[kind], now_ns, n_tables);
}

enum summary_attention summary_deserves(const struct summary *summary, enum summary_kind kind, uint64_t now_ns)
{
	if (kind == SUMMARY_SENSOR)
		return ATTENTION_CROWDS;
	if (is_enough(summary, &enough_for_crowds[kind], now_ns, 1))
		return ATTENTION_CROWDS;
	return is_enough(summary, &enough[kind], now_ns, 1) ? ATTENTION_KEPT : ATTENTION_NONE;
}
