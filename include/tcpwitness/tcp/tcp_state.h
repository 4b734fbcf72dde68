/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

/* States of one end of a connection (RFC 9293 3.3.2). The order is that of the RFC's text. */
enum tcp_state {
	TCPS_CLOSED = 0,
	TCPS_LISTEN,
	TCPS_SYN_SENT,
	TCPS_SYN_RCVD,
	TCPS_ESTABLISHED,
	TCPS_FIN_WAIT_1,
	TCPS_FIN_WAIT_2,
	TCPS_CLOSE_WAIT,
	TCPS_CLOSING,
	TCPS_LAST_ACK,
	TCPS_TIME_WAIT,
	TCPS_COUNT, /* not a state */
};

/*
 * What happens to one end. SND_ events are certain when the segment is seen at the tap: this end sent
 * it. RCV_ events are certain only once a later segment of this end shows that it received them.
 */
enum tcp_event {
	TCPE_SND_SYN = 0, /* SYN without ACK */
	TCPE_SND_SYNACK,
	TCPE_SND_FIN,
	TCPE_SND_RST,
	TCPE_RCV_SYN,    /* SYN without ACK */
	TCPE_RCV_SYNACK, /* and it acknowledges this end's SYN */
	TCPE_RCV_ACK_OF_SYN,
	TCPE_RCV_ACK_OF_FIN,
	TCPE_RCV_FIN, /* with all data before it */
	TCPE_RCV_RST, /* acceptable by RFC 9293 3.10.7 and RFC 5961 */
	TCPE_TIMEOUT, /* 2MSL, or the end gave up repeating itself: an estimate, nothing is sent */
	TCPE_COUNT,   /* not an event */
};

/* How sure a state is. */
enum tcp_certainty {
	TCP_PROVED = 0,       /* this end's own segments show it */
	TCP_PRESUMED = 1,     /* it follows if the segments seen going to this end arrived */
	TCP_CONTRADICTED = 2, /* it was presumed further on, then this end acted as if not: rolled back */
};

/*
 * The state that an end goes to from state on event; state itself where the table has no row.
 * A pure look-up in the table of tcp_state.c (RFC 9293 figure 5 and 3.10.7). Any thread.
 */
enum tcp_state tcp_state_next(enum tcp_state state, enum tcp_event event);

/* The RFC's section for that transition, as text ("3.5"); null where there is no row. Static. */
const char *tcp_state_transition_reason(enum tcp_state state, enum tcp_event event);

/* Names as in events: "SYN_RCVD", "rcv_fin", "presumed". Static storage, never null in range. */
const char *tcp_state_name(enum tcp_state state);
const char *tcp_event_name(enum tcp_event event);
const char *tcp_certainty_name(enum tcp_certainty certainty);
