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

/*
 * Of a key that has attention: from so much on it is worth knowing who takes part. Never less than what deserves
 * attention at all.
 */
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

enum { NEVER = UINT32_MAX };

/* What one of n tables must count more until it is enough, if all n knew as much. NEVER: it does not matter. */
static uint32_t lacks(uint64_t count, uint32_t least, unsigned n)
{
	if (least == 0)
		return NEVER;
	if (count * n >= least)
		return 0;
	uint64_t rest = least - count * n;
	return (uint32_t)(n <= 1 ? rest : (rest + n - 1) / n);
}

static uint32_t lesser(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
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

static uint64_t ports_in_use(const uint64_t *totals)
{
	uint64_t begun = totals[SUMMARY_COMPLETED] + totals[SUMMARY_JOINED];
	uint64_t open = begun > totals[SUMMARY_CLOSED] ? begun - totals[SUMMARY_CLOSED] : 0;

	return open + ended(totals, SUMMARY_TIME_WAIT);
}

/* As a level, however long ago it came to that. */
static uint32_t lacks_level(const struct summary *summary, const struct enough *least, unsigned n)
{
	const uint64_t *totals = summary->totals;
	uint32_t rest = lacks(summary_half_open(summary), least->half_open, n);

	rest = lesser(rest, lacks(ended(totals, SUMMARY_SERVER_TIME_WAIT), least->server_time_wait, n));
	rest = lesser(rest, lacks(summary_gauge(summary, GAUGE_UNSPOKEN), least->unspoken, n));
	if (least->ports != 0)
		rest = lesser(rest, lacks(ports_in_use(totals), least->ports, n));
	if (least->gauge == 0)
		return rest;
	rest = lesser(rest, lacks(ended(totals, SUMMARY_STALLED), least->gauge, n));
	rest = lesser(rest, lacks(ended(totals, SUMMARY_CLOSE_WAIT), least->gauge, n));
	rest = lesser(rest, lacks(ended(totals, SUMMARY_FIN_WAIT_2), least->gauge, n));
	return lesser(rest, lacks(ended(totals, SUMMARY_LAST_ACK), least->gauge, n));
}

/* A share of the attempts too, but for one table of several, of which it says nothing. */
static uint32_t lacks_failed(const uint64_t *totals, const struct enough *least, unsigned n)
{
	uint64_t n_failed = failed(totals);
	uint32_t rest = lacks(n_failed, least->failed, n);
	bool is_share = n > 1 || 4 * n_failed >= totals[SUMMARY_ATTEMPTS];

	return rest == 0 && !is_share ? 1 : rest;
}

static uint32_t lacks_recent(const struct summary *summary, const struct enough *least, unsigned n)
{
	uint32_t rest = lesser(lacks(summary->recent.attempts, least->attempts, n),
			       lacks(summary->recent.signs, least->signs, n));

	return least->failed == 0 || rest == 0 ? rest : lesser(rest, lacks_failed(summary->totals, least, n));
}

/*
 * 0 = it is enough. Otherwise so many signals at least must come before it can be: each counts one of a kind, at most,
 * and whatever is over counts less.
 */
static uint32_t lacks_to_be_enough(const struct summary *summary, const struct enough *least, uint64_t now_ns,
				   unsigned n)
{
	uint32_t rest = lacks_recent(summary, least, n);

	if (rest == 0) {
		if (summary->recent.span == now_ns / SUMMARY_SPAN_NS)
			return 0;
		/* What is not recent at now_ns may be so for the next signal: times go back a little. */
		rest = 1;
	}
	return lesser(rest, lacks_level(summary, least, n));
}

uint32_t summary_lacks_to_deserve(const struct summary *summary, enum summary_kind kind, uint64_t now_ns,
				  unsigned n_tables)
{
	return lacks_to_be_enough(summary, &enough[kind], now_ns, n_tables);
}

bool summary_is_enough(const struct summary *summary, enum summary_kind kind, uint64_t now_ns)
{
	return lacks_to_be_enough(summary, &enough[kind], now_ns, 1) == 0;
}

unsigned summary_pair_deserves_at(unsigned n_tables)
{
	return (enough[SUMMARY_PAIR].attempts + n_tables - 1) / n_tables;
}

enum summary_attention summary_deserves(const struct summary *summary, enum summary_kind kind, uint64_t now_ns)
{
	if (kind == SUMMARY_SENSOR)
		return ATTENTION_CROWDS;
	if (!summary_is_enough(summary, kind, now_ns))
		return ATTENTION_NONE;
	return lacks_to_be_enough(summary, &enough_for_crowds[kind], now_ns, 1) == 0 ? ATTENTION_CROWDS
										     : ATTENTION_KEPT;
}
