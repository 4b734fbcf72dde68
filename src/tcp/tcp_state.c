/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state machine of one end: RFC 9293 figure 5 with the rules of 3.10.7, as a table. It says
 * nothing of who saw what: whether an event surely happened to an end is decided in tcp_evidence.c.
 *
 * What each state means, in terms of an observer's evidence:
 *   CLOSED       no connection: not opened yet, reset, or over
 *   LISTEN       would answer a SYN; nothing was heard from it yet (open, filtered and absent look alike)
 *   SYN_SENT     its SYN was seen
 *   SYN_RCVD     its SYN-ACK was seen: half open
 *   ESTABLISHED  it has the other end's SYN and the acknowledgement of its own
 *   FIN_WAIT_1   its FIN was seen before it acknowledged one
 *   FIN_WAIT_2   and the acknowledgement of that FIN has reached it
 *   CLOSE_WAIT   it has the other end's FIN
 *   LAST_ACK     and has sent its own
 *   CLOSING      FINs crossed: it has the other end's FIN, but no acknowledgement of its own
 *   TIME_WAIT    it has both: it keeps the tuple for 2MSL
 */
#include "tcpwitness/tcp/tcp_state.h"

#include <stddef.h>

struct row {
	uint8_t next; /* enum tcp_state + 1; 0 = no row */
	const char *reason;
};

#define TO(state, section)                    \
	{                                     \
		(uint8_t)(state) + 1, section \
	}

/* clang-format off */
static const struct row table[TCPS_COUNT][TCPE_COUNT] = {
	/* in state          on event                     goes to                     why (RFC 9293) */
	[TCPS_CLOSED]     [TCPE_SND_SYN]         = TO(TCPS_SYN_SENT,    "3.5: active open"),
	[TCPS_CLOSED]     [TCPE_SND_SYNACK]      = TO(TCPS_SYN_RCVD,    "3.5: answers a SYN"),

	[TCPS_LISTEN]     [TCPE_SND_SYN]         = TO(TCPS_SYN_SENT,    "3.5: it opens actively itself"),
	[TCPS_LISTEN]     [TCPE_SND_SYNACK]      = TO(TCPS_SYN_RCVD,    "3.5: answers a SYN"),
	[TCPS_LISTEN]     [TCPE_SND_RST]         = TO(TCPS_CLOSED,      "3.5.2: refuses, nothing listens"),

	[TCPS_SYN_SENT]   [TCPE_SND_SYNACK]      = TO(TCPS_SYN_RCVD,    "3.5: simultaneous open"),
	[TCPS_SYN_SENT]   [TCPE_RCV_SYN]         = TO(TCPS_SYN_RCVD,    "3.5: simultaneous open"),
	[TCPS_SYN_SENT]   [TCPE_RCV_SYNACK]      = TO(TCPS_ESTABLISHED, "3.10.7.3: its SYN is acknowledged"),
	[TCPS_SYN_SENT]   [TCPE_RCV_RST]         = TO(TCPS_CLOSED,      "3.10.7.3: refused"),
	[TCPS_SYN_SENT]   [TCPE_SND_RST]         = TO(TCPS_CLOSED,      "3.10.4: gives up the attempt"),
	[TCPS_SYN_SENT]   [TCPE_TIMEOUT]         = TO(TCPS_CLOSED,      "3.8.3: nobody answered"),

	[TCPS_SYN_RCVD]   [TCPE_RCV_ACK_OF_SYN]  = TO(TCPS_ESTABLISHED, "3.10.7.4: its SYN is acknowledged"),
	[TCPS_SYN_RCVD]   [TCPE_RCV_SYNACK]      = TO(TCPS_ESTABLISHED, "3.5: simultaneous open completes"),
	[TCPS_SYN_RCVD]   [TCPE_SND_FIN]         = TO(TCPS_FIN_WAIT_1,  "3.10.4: closes before it is established"),
	[TCPS_SYN_RCVD]   [TCPE_RCV_RST]         = TO(TCPS_LISTEN,      "3.10.7.4: a passive open listens again"),
	[TCPS_SYN_RCVD]   [TCPE_SND_RST]         = TO(TCPS_CLOSED,      "3.10.5: abort"),
	[TCPS_SYN_RCVD]   [TCPE_TIMEOUT]         = TO(TCPS_CLOSED,      "3.8.3: no third segment came"),

	[TCPS_ESTABLISHED][TCPE_SND_FIN]         = TO(TCPS_FIN_WAIT_1,  "3.6: closes first"),
	[TCPS_ESTABLISHED][TCPE_RCV_FIN]         = TO(TCPS_CLOSE_WAIT,  "3.6: the other end closes first"),
	[TCPS_ESTABLISHED][TCPE_RCV_RST]         = TO(TCPS_CLOSED,      "3.10.7.4: reset"),
	[TCPS_ESTABLISHED][TCPE_SND_RST]         = TO(TCPS_CLOSED,      "3.10.5: abort"),

	[TCPS_FIN_WAIT_1] [TCPE_RCV_ACK_OF_FIN]  = TO(TCPS_FIN_WAIT_2,  "3.10.7.4: its FIN is acknowledged"),
	[TCPS_FIN_WAIT_1] [TCPE_RCV_FIN]         = TO(TCPS_CLOSING,     "3.6: FINs crossed"),
	[TCPS_FIN_WAIT_1] [TCPE_RCV_RST]         = TO(TCPS_CLOSED,      "3.10.7.4: reset"),
	[TCPS_FIN_WAIT_1] [TCPE_SND_RST]         = TO(TCPS_CLOSED,      "3.10.5: abort"),
	[TCPS_FIN_WAIT_1] [TCPE_TIMEOUT]         = TO(TCPS_CLOSED,      "3.8.3: nobody acknowledged its FIN"),

	[TCPS_FIN_WAIT_2] [TCPE_RCV_FIN]         = TO(TCPS_TIME_WAIT,   "3.6: normal close of the first closer"),
	[TCPS_FIN_WAIT_2] [TCPE_RCV_RST]         = TO(TCPS_CLOSED,      "3.10.7.4: reset"),
	[TCPS_FIN_WAIT_2] [TCPE_SND_RST]         = TO(TCPS_CLOSED,      "3.6.1: data came after it closed both ways"),
	[TCPS_FIN_WAIT_2] [TCPE_TIMEOUT]         = TO(TCPS_CLOSED,      "3.6, loosely: stacks end an orphan's wait"),

	[TCPS_CLOSE_WAIT] [TCPE_SND_FIN]         = TO(TCPS_LAST_ACK,    "3.6: closes second"),
	[TCPS_CLOSE_WAIT] [TCPE_RCV_RST]         = TO(TCPS_CLOSED,      "3.10.7.4: reset"),
	[TCPS_CLOSE_WAIT] [TCPE_SND_RST]         = TO(TCPS_CLOSED,      "3.10.5: abort"),

	[TCPS_CLOSING]    [TCPE_RCV_ACK_OF_FIN]  = TO(TCPS_TIME_WAIT,   "3.10.7.4: its FIN is acknowledged"),
	[TCPS_CLOSING]    [TCPE_RCV_RST]         = TO(TCPS_CLOSED,      "3.10.7.4: reset"),
	[TCPS_CLOSING]    [TCPE_SND_RST]         = TO(TCPS_CLOSED,      "3.10.5: abort"),
	[TCPS_CLOSING]    [TCPE_TIMEOUT]         = TO(TCPS_CLOSED,      "3.8.3: nobody acknowledged its FIN"),

	[TCPS_LAST_ACK]   [TCPE_RCV_ACK_OF_FIN]  = TO(TCPS_CLOSED,      "3.10.7.4: its FIN is acknowledged"),
	[TCPS_LAST_ACK]   [TCPE_RCV_RST]         = TO(TCPS_CLOSED,      "3.10.7.4: reset"),
	[TCPS_LAST_ACK]   [TCPE_SND_RST]         = TO(TCPS_CLOSED,      "3.10.5: abort"),
	[TCPS_LAST_ACK]   [TCPE_TIMEOUT]         = TO(TCPS_CLOSED,      "3.8.3: nobody acknowledged its FIN"),

	[TCPS_TIME_WAIT]  [TCPE_TIMEOUT]         = TO(TCPS_CLOSED,      "3.4.2: 2MSL passed"),
	[TCPS_TIME_WAIT]  [TCPE_RCV_RST]         = TO(TCPS_CLOSED,      "3.10.7.4: reset; RFC 1337 advises against"),
	[TCPS_TIME_WAIT]  [TCPE_SND_RST]         = TO(TCPS_CLOSED,      "3.6.1: data came after the close"),
};

static const char *const state_names[TCPS_COUNT] = {
	[TCPS_CLOSED] = "CLOSED",         [TCPS_LISTEN] = "LISTEN",         [TCPS_SYN_SENT] = "SYN_SENT",
	[TCPS_SYN_RCVD] = "SYN_RCVD",     [TCPS_ESTABLISHED] = "ESTABLISHED", [TCPS_FIN_WAIT_1] = "FIN_WAIT_1",
	[TCPS_FIN_WAIT_2] = "FIN_WAIT_2", [TCPS_CLOSE_WAIT] = "CLOSE_WAIT", [TCPS_CLOSING] = "CLOSING",
	[TCPS_LAST_ACK] = "LAST_ACK",     [TCPS_TIME_WAIT] = "TIME_WAIT",
};

static const char *const event_names[TCPE_COUNT] = {
	[TCPE_SND_SYN] = "snd_syn",               [TCPE_SND_SYNACK] = "snd_synack",
	[TCPE_SND_FIN] = "snd_fin",               [TCPE_SND_RST] = "snd_rst",
	[TCPE_RCV_SYN] = "rcv_syn",               [TCPE_RCV_SYNACK] = "rcv_synack",
	[TCPE_RCV_ACK_OF_SYN] = "rcv_ack_of_syn", [TCPE_RCV_ACK_OF_FIN] = "rcv_ack_of_fin",
	[TCPE_RCV_FIN] = "rcv_fin",               [TCPE_RCV_RST] = "rcv_rst",
	[TCPE_TIMEOUT] = "timeout",
};
/* clang-format on */

enum tcp_state tcp_state_next(enum tcp_state state, enum tcp_event event)
{
	uint8_t next = table[state][event].next;

	return next == 0 ? state : (enum tcp_state)(next - 1);
}

const char *tcp_state_transition_reason(enum tcp_state state, enum tcp_event event)
{
	return table[state][event].reason;
}

const char *tcp_state_name(enum tcp_state state)
{
	return state_names[state];
}

const char *tcp_event_name(enum tcp_event event)
{
	return event_names[event];
}

const char *tcp_certainty_name(enum tcp_certainty certainty)
{
	static const char *const names[] = {
		[TCP_PROVED] = "proved",
		[TCP_PRESUMED] = "presumed",
		[TCP_CONTRADICTED] = "contradicted",
	};

	return names[certainty];
}
