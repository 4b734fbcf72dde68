/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tcpwitness/base/error.h"
#include "tcpwitness/base/frame.h"
#include "tcpwitness/decode/packet.h"

/*
 * From a captured frame to a struct packet, through one bounded cursor. Holds what must be
 * remembered between frames: IP fragments and what was learned about checksum offload.
 */
struct decoder;

enum checksum_mode {
	CHECKSUM_MODE_AUTO = 0, /* verify; learn which senders leave checksums to their interface */
	CHECKSUM_MODE_ON = 1,   /* verify; everything that does not verify is bad */
	CHECKSUM_MODE_OFF = 2,
};

/* What a datagram that is being put together takes, or a little less. */
enum { DECODER_FRAGMENT_BYTES = 9728 };

struct decoder_config {
	enum checksum_mode checksum;
	uint32_t max_fragments_held;  /* datagrams being put together at once; 1 .. 65536 */
	uint64_t fragment_timeout_ns; /* an incomplete datagram is forgotten after that much packet time */
	uint8_t max_depth;            /* IP headers and tunnels in one frame; 1 .. 16 */
	uint16_t vxlan_port;          /* UDP destination ports that mean a tunnel; 0 = none */
	uint16_t geneve_port;
	uint16_t gtpu_port;
};

/* 4789, 6081, 2152, depth 8, 1024 datagrams, 30 s, AUTO. */
void decoder_config_defaults(struct decoder_config *config);

/*
 * How decoding ended. The first four are no refusals; each of the others is the name of a reason,
 * counted under decode_result_name().
 */
enum decode_result {
	DECODE_TCP = 0,           /* *packet is a segment */
	DECODE_ICMP_QUOTE = 1,    /* *packet is the segment that an ICMP error quotes */
	DECODE_NOT_TCP = 2,       /* a sound packet of another protocol: nothing to track */
	DECODE_FRAGMENT_HELD = 3, /* a fragment, kept or not needed */

	DECODE_UNKNOWN_LINK_TYPE = 4,
	DECODE_TRUNCATED_LINK,
	DECODE_TOO_MANY_VLANS,
	DECODE_TRUNCATED_VLAN,
	DECODE_TRUNCATED_MPLS,
	DECODE_TOO_MANY_MPLS_LABELS,
	DECODE_UNKNOWN_MPLS_PAYLOAD,
	DECODE_TRUNCATED_PPPOE,
	DECODE_BAD_PPPOE,
	DECODE_TRUNCATED_PPP,
	DECODE_TRUNCATED_IPV4,
	DECODE_BAD_IPV4_VERSION,
	DECODE_BAD_IPV4_HEADER_LENGTH,
	DECODE_BAD_IPV4_TOTAL_LENGTH,
	DECODE_BAD_IPV4_CHECKSUM,
	DECODE_BAD_IPV4_OPTIONS,
	DECODE_TRUNCATED_IPV6,
	DECODE_BAD_IPV6_VERSION,
	DECODE_BAD_IPV6_LENGTH,
	DECODE_TRUNCATED_IPV6_EXTENSION,
	DECODE_TOO_MANY_IPV6_EXTENSIONS,
	DECODE_BAD_FRAGMENT,     /* impossible offset or length */
	DECODE_FRAGMENT_OVERLAP, /* overlaps with other content, or inside the TCP header: the datagram is dropped */
	DECODE_FRAGMENT_HEADER_SPLIT, /* first fragment ends inside the TCP header and the rest did not come */
	DECODE_FRAGMENT_TABLE_FULL,
	DECODE_FRAGMENT_NESTED, /* a fragment in a tunnel whose own packet came in fragments: not put together */
	DECODE_TRUNCATED_GRE,
	DECODE_BAD_GRE,
	DECODE_TRUNCATED_ERSPAN,
	DECODE_TRUNCATED_UDP,
	DECODE_TRUNCATED_VXLAN,
	DECODE_BAD_VXLAN,
	DECODE_TRUNCATED_GENEVE,
	DECODE_BAD_GENEVE,
	DECODE_TRUNCATED_GTPU,
	DECODE_BAD_GTPU,
	DECODE_TUNNELS_TOO_DEEP,
	DECODE_TRUNCATED_TCP_HEADER, /* fewer than 20 bytes captured */
	DECODE_SHORT_TCP_HEADER,     /* the IP packet has no room for 20 bytes */
	DECODE_BAD_TCP_DATA_OFFSET,  /* below 5 words, or beyond the IP packet */
	DECODE_TRUNCATED_ICMP_QUOTE,
	DECODE_RESULT_COUNT, /* not a result */
};

/* Lower-case name without prefix ("truncated_tcp_header"), static storage. Any thread. */
const char *decode_result_name(enum decode_result result);

/* True for a result that refuses the frame. */
static inline bool decode_result_is_refusal(enum decode_result result)
{
	return result > DECODE_FRAGMENT_HELD;
}

/* True for one that says that a header goes on beyond what was captured of the frame, or of its packet. */
bool decode_result_is_truncation(enum decode_result result);

struct decoder_stats {
	uint64_t results[DECODE_RESULT_COUNT];
	uint64_t checksum_bad;
	uint64_t checksum_offloaded;
	uint64_t checksum_unchecked;
	uint64_t fragments_reassembled; /* datagrams */
	uint64_t fragments_timed_out;   /* datagrams */
};

/* Frames refused, for whatever reason. */
static inline uint64_t decoder_stats_refused(const struct decoder_stats *stats)
{
	uint64_t refused = 0;

	for (unsigned i = DECODE_FRAGMENT_HELD + 1; i < DECODE_RESULT_COUNT; i++)
		refused += stats->results[i];
	return refused;
}

/*
 * Allocates everything that it will ever use. Returns null with *error filled when memory is short or the
 * config is out of range. Owned by the caller; one decoder is used by one thread.
 */
struct decoder *decoder_create(const struct decoder_config *config, struct error *error);
void decoder_destroy(struct decoder *decoder);

/*
 * Capture thread. Decodes one frame. *packet is filled for DECODE_TCP and DECODE_ICMP_QUOTE, and for refusals holds
 * whatever was decoded before the refusal (addresses with version 0 where none were), with the
 * anomalies found. Never reads outside the frame, whatever its bytes; allocates nothing.
 */
enum decode_result decoder_decode(struct decoder *decoder, const struct frame *frame, struct packet *packet);

/* Capture thread. Borrowed, always current. */
const struct decoder_stats *decoder_get_stats(const struct decoder *decoder);
