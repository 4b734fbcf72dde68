/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

#include "tcpwitness/base/units.h"
#include "tcpwitness/tcp/tcp_conn.h"

/*
 * Stamps: times in half the memory, for what is only asked how long ago it was. A stamp is the number of microseconds
 * since tcp_conn.stamps_from_ns, and 0 means "never". What is more than STAMP_EXACT_NS old may look less old than it
 * is, but never less than that: no question is about a longer time. A time before stamps_from_ns (a clock that was set
 * back by more than STAMP_EXACT_NS) is taken for it.
 */
#define STAMP_EXACT_NS ((UINT64_C(1) << 30) * NS_PER_US) /* 18 minutes */

/* The connection begins at now_ns. */
static inline void stamps_begin(struct tcp_conn *conn, uint64_t now_ns)
{
	conn->stamps_from_ns = now_ns - STAMP_EXACT_NS; /* before 0, possibly: modulo 2^64 */
}

/* Moves stamps_from_ns, and all stamps with it. */
void stamps_move(struct tcp_conn *conn, uint64_t now_ns);

/* Before anything is stamped or asked at now_ns. */
static inline void stamps_advance(struct tcp_conn *conn, uint64_t now_ns)
{
	int64_t since_ns = (int64_t)(now_ns - conn->stamps_from_ns);

	if (since_ns > (int64_t)(2 * STAMP_EXACT_NS))
		stamps_move(conn, now_ns);
}

/* time_ns is not after the last time that was given to stamps_advance. Never 0. */
static inline uint32_t stamp_of(const struct tcp_conn *conn, uint64_t time_ns)
{
	int64_t since_ns = (int64_t)(time_ns - conn->stamps_from_ns);

	return since_ns < (int64_t)NS_PER_US ? 1 : (uint32_t)((uint64_t)since_ns / NS_PER_US);
}

/* The time of a stamp, less than a microsecond early; 0 for never. */
static inline uint64_t stamp_ns(const struct tcp_conn *conn, uint32_t stamp)
{
	return stamp == 0 ? 0 : conn->stamps_from_ns + stamp * NS_PER_US;
}
