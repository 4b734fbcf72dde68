/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * The catalogue of things that a segment or a connection should not do, or that are worth counting.
 * Names in events are the enum names in lower case without the prefix ("syn_retransmit").
 * Adding one: a line here, a line in the table of anomaly.c, a scenario that shows it.
 */
enum anomaly {
	/* Found while decoding, anomaly.type "decode". */
	ANOMALY_TCP_HEADER_TRUNCATED = 0,
	ANOMALY_TCP_OPTION_MALFORMED,
	ANOMALY_TCP_OPTION_DUPLICATE,
	ANOMALY_TCP_OPTION_OBSOLETE,
	ANOMALY_TCP_OPTION_EXPERIMENTAL,
	ANOMALY_WSCALE_OUT_OF_RANGE,
	ANOMALY_BAD_TCP_CHECKSUM,
	ANOMALY_FLAGS_SYN_FIN,
	ANOMALY_FLAGS_SYN_RST,
	ANOMALY_FLAGS_FIN_RST,
	ANOMALY_FLAGS_NULL,
	ANOMALY_FLAGS_XMAS,
	ANOMALY_FLAGS_FIN_NO_ACK,
	ANOMALY_FLAGS_ACK_MISSING,
	ANOMALY_ACK_FIELD_WITHOUT_FLAG,
	ANOMALY_SYN_URGENT,
	ANOMALY_URGENT_POINTER_BAD,
	ANOMALY_LAND_PACKET,
	ANOMALY_PORT_ZERO,
	ANOMALY_SYN_TO_MULTICAST,
	ANOMALY_LOOPBACK_ON_WIRE,
	ANOMALY_FRAGMENTED_TCP_HEADER, /* the TCP header is split over fragments */
	ANOMALY_FRAGMENT_OVERLAP,      /* fragments overlap, with other content */
	/* Opening, anomaly.type "stream" from here on. */
	ANOMALY_SYN_RETRANSMIT,
	ANOMALY_SYN_DIFFERENT_ISN,
	ANOMALY_SYN_WITH_DATA,
	ANOMALY_TFO_COOKIE_REQUEST,
	ANOMALY_TFO_DATA,
	ANOMALY_TFO_DATA_IGNORED,
	ANOMALY_SYNACK_WRONG_ACK,
	ANOMALY_SYNACK_WRONG_DIRECTION,
	ANOMALY_SYNACK_RETRANSMIT,
	ANOMALY_SYNACK_DIFFERENT_ISN,
	ANOMALY_SYNACK_DIFFERENT_ACK,
	ANOMALY_SYNACK_UNSOLICITED,
	ANOMALY_SYNACK_AFTER_ESTABLISHED,
	ANOMALY_THIRD_ACK_WRONG_ACK,
	ANOMALY_THIRD_ACK_MISSING,
	ANOMALY_DATA_BEFORE_ESTABLISHED,
	ANOMALY_SIMULTANEOUS_OPEN,
	ANOMALY_OLD_DUPLICATE_SYN,
	ANOMALY_SYN_IN_SYNCHRONIZED,
	ANOMALY_SYN_AFTER_PARTIAL,
	ANOMALY_CHALLENGE_ACK,
	ANOMALY_HALF_OPEN_DISCOVERED,
	ANOMALY_NO_SESSION_SEGMENT,
	ANOMALY_SYN_COOKIE_SUSPECTED,
	/* Data phase. */
	ANOMALY_RETRANSMISSION,
	ANOMALY_SPURIOUS_RETRANSMISSION,
	ANOMALY_OUT_OF_ORDER,
	ANOMALY_CAPTURE_DUPLICATE,
	ANOMALY_NETWORK_DUPLICATE,
	ANOMALY_DUPLICATE_ACK,
	ANOMALY_REPEATED_ACK,
	ANOMALY_DSACK,
	ANOMALY_ACK_UNSEEN_DATA,
	ANOMALY_UNSEEN_SEGMENT, /* a gap in the sender's sequence numbers */
	ANOMALY_INVALID_ACK,
	ANOMALY_OUTDATED_ACK,
	ANOMALY_SEQ_OUT_OF_WINDOW,
	ANOMALY_WINDOW_SHRINK,
	ANOMALY_WINDOW_TOO_LARGE,
	ANOMALY_ZERO_WINDOW,
	ANOMALY_ZERO_WINDOW_PROBE,
	ANOMALY_ZERO_WINDOW_PROBE_ACK,
	ANOMALY_KEEPALIVE,
	ANOMALY_KEEPALIVE_ACK,
	ANOMALY_KEEPALIVE_UNANSWERED,
	ANOMALY_PAWS_REJECT,
	ANOMALY_TIMESTAMP_MISSING,
	ANOMALY_TIMESTAMP_UNEXPECTED,
	ANOMALY_OVERLAP_CONFLICT,
	ANOMALY_SPLIT_ROUTING, /* only one direction is visible */
	ANOMALY_EXCESS_INFLIGHT,
	ANOMALY_SMALL_SEGMENTS,
	/* Closing and reset. */
	ANOMALY_FIN_RETRANSMIT,
	ANOMALY_FIN_MOVED,
	ANOMALY_FIN_OUT_OF_WINDOW,
	ANOMALY_FIN_INVALID_ACK,
	ANOMALY_BAD_ACK_IN_CLOSE,
	ANOMALY_ACK_BEYOND_FIN,
	ANOMALY_DATA_AFTER_FIN,
	ANOMALY_DATA_AFTER_CLOSE_RST,
	ANOMALY_SIMULTANEOUS_CLOSE,
	ANOMALY_SYN_IN_TIME_WAIT,
	ANOMALY_TIME_WAIT_REUSE_OK,
	ANOMALY_TIME_WAIT_REUSE_REFUSED,
	ANOMALY_EARLY_PORT_REUSE,
	ANOMALY_TUPLE_REUSE_LIVE,
	ANOMALY_TIME_WAIT_ASSASSINATED,
	ANOMALY_RST_EXACT,
	ANOMALY_RST_IN_WINDOW,
	ANOMALY_RST_OUT_OF_WINDOW,
	ANOMALY_RST_WITH_DATA,
	ANOMALY_RST_REFUSES_SYN,
	ANOMALY_RST_CONTRADICTED,
	ANOMALY_ABORTIVE_CLOSE,
	ANOMALY_RST_AFTER_FIN,
	ANOMALY_ICMP_ERROR, /* an ICMP error quoted this connection */
	ANOMALY_COUNT,      /* not an anomaly */
};

/* A set of anomalies, as one packet shows them. All zero = none. */
struct anomaly_set {
	uint64_t bits[2];
};

_Static_assert(ANOMALY_COUNT <= 128, "struct anomaly_set has room for 128");

static inline void anomaly_set_add(struct anomaly_set *set, enum anomaly anomaly)
{
	set->bits[(unsigned)anomaly / 64] |= UINT64_C(1) << ((unsigned)anomaly % 64);
}

static inline bool anomaly_set_has(const struct anomaly_set *set, enum anomaly anomaly)
{
	return (set->bits[(unsigned)anomaly / 64] >> ((unsigned)anomaly % 64)) & 1;
}

static inline bool anomaly_set_empty(const struct anomaly_set *set)
{
	return (set->bits[0] | set->bits[1]) == 0;
}

/* What a person and an event need to know of one anomaly. Static storage. */
struct anomaly_info {
	const char *name; /* lower case, as in events */
	const char *text; /* one phrase: what was seen */
	bool is_decode;   /* anomaly.type is "decode", else "stream" */
	bool is_noise;    /* ordinary on a healthy network: counted in the flow record, no event of its own */
};

/* Never null for a value below ANOMALY_COUNT. Any thread. */
const struct anomaly_info *anomaly_info(enum anomaly anomaly);
