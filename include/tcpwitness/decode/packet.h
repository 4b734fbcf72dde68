/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tcpwitness/base/ip_addr.h"
#include "tcpwitness/decode/anomaly.h"

/* TCP header flags as on the wire (RFC 9293 3.1; AE is the former NS bit, RFC 7560, draft-ietf-tcpm-accurate-ecn). */
enum {
	SEG_FIN = 0x001,
	SEG_SYN = 0x002,
	SEG_RST = 0x004,
	SEG_PSH = 0x008,
	SEG_ACK = 0x010,
	SEG_URG = 0x020,
	SEG_ECE = 0x040,
	SEG_CWR = 0x080,
	SEG_AE = 0x100,
};

/* Which options a header carried, in struct tcp_options.present. */
enum {
	TCPOPT_MSS = 1 << 0,
	TCPOPT_WSCALE = 1 << 1,
	TCPOPT_SACK_PERMITTED = 1 << 2,
	TCPOPT_SACK = 1 << 3,
	TCPOPT_TIMESTAMP = 1 << 4,
	TCPOPT_FASTOPEN = 1 << 5, /* RFC 7413 kind 34, or experimental kind 254 with magic f989 */
	TCPOPT_MD5 = 1 << 6,      /* RFC 2385 */
	TCPOPT_AO = 1 << 7,       /* RFC 5925 */
	TCPOPT_MPTCP = 1 << 8,    /* RFC 8684 */
	TCPOPT_OTHER = 1 << 9,
	TCPOPT_MPTCP_SIGNAL = 1 << 10, /* with MPTCP: says more than what data has come */
};

struct tcp_options {
	uint16_t present;              /* TCPOPT_* */
	uint16_t mss;                  /* bytes; if TCPOPT_MSS */
	uint8_t wscale;                /* shift as sent, not clamped; if TCPOPT_WSCALE */
	uint8_t n_sack_blocks;         /* 0 .. 4; if TCPOPT_SACK */
	uint8_t fastopen_cookie_bytes; /* 0 = cookie request; if TCPOPT_FASTOPEN */
	uint8_t mptcp_subtype;         /* if TCPOPT_MPTCP */
	uint32_t ts_val;               /* if TCPOPT_TIMESTAMP */
	uint32_t ts_ecr;
	struct {
		uint32_t left;  /* first sequence number of the block */
		uint32_t right; /* one past its last */
	} sack[4];
	uint32_t layout; /* kinds in order, hashed: equal for equal stacks; 0 = no options */
};

enum { PACKET_MAX_VLANS = 4, PACKET_MAX_TUNNELS = 4, PACKET_HEAD_BYTES = 32 };

enum tunnel_kind {
	TUNNEL_NONE = 0,
	TUNNEL_GRE = 1,
	TUNNEL_IPIP = 2, /* IPv4 in IPv4, IPv6 in IPv6, IPv4 in IPv6 */
	TUNNEL_6IN4 = 3,
	TUNNEL_VXLAN = 4,
	TUNNEL_GENEVE = 5,
	TUNNEL_GTPU = 6,
	TUNNEL_ERSPAN = 7,
};

enum checksum_state {
	CHECKSUM_UNCHECKED = 0, /* not whole in the capture, or checking is off */
	CHECKSUM_GOOD = 1,
	CHECKSUM_BAD = 2,
	CHECKSUM_OFFLOADED = 3, /* does not verify, and the sender's host is known to leave it to its interface */
};

/*
 * What an ICMP or ICMPv6 error says about the connection it quotes (RFC 1122 4.2.3.9). src/dst and
 * the ports in struct packet are then those of the *quoted* segment: src is the end that sent it.
 */
enum icmp_error_kind {
	ICMP_ERROR_NONE = 0,
	ICMP_ERROR_HARD_UNREACHABLE = 1, /* protocol or port unreachable */
	ICMP_ERROR_SOFT_UNREACHABLE = 2, /* net, host, route, time exceeded */
	ICMP_ERROR_PROHIBITED = 3,       /* administratively */
	ICMP_ERROR_TOO_BIG = 4,          /* fragmentation needed, packet too big */
	ICMP_ERROR_OTHER = 5,
};

/*
 * A decoded view of one TCP segment (or of one quoted by an ICMP error). Numbers are in host order.
 * Nothing here points into the frame: the view stays valid when the frame is gone.
 */
struct packet {
	uint64_t time_ns;
	uint64_t number;     /* as struct frame */
	uint32_t wire_bytes; /* whole frame */
	uint16_t source;     /* index of file or interface */
	uint16_t ip_bytes;   /* innermost IP packet with its header, saturated at 65535 */

	struct ip_addr src; /* innermost IP header: the segment's sender */
	struct ip_addr dst;
	uint16_t src_port;
	uint16_t dst_port;
	uint8_t ttl;    /* or hop limit */
	uint16_t ip_id; /* IPv4 identification; 0 for IPv6 */

	uint8_t n_vlans;                     /* tags stored, outermost first; tag 0 counts as a tag */
	uint8_t n_tunnels;                   /* tunnels passed, outermost first */
	uint16_t vlans[PACKET_MAX_VLANS];    /* 12-bit VLAN ids */
	uint8_t tunnels[PACKET_MAX_TUNNELS]; /* enum tunnel_kind */
	uint32_t tunnel_network;             /* VXLAN or Geneve network id of the innermost such tunnel, else 0 */

	uint32_t seq;
	uint32_t ack;    /* as in the header even without SEG_ACK */
	uint16_t flags;  /* SEG_* */
	uint16_t window; /* as in the header, unscaled */
	uint16_t urgent;
	uint16_t tcp_header_bytes;
	uint32_t payload_bytes; /* on the wire, from the IP length: right even when the capture is cut */
	uint32_t payload_captured_bytes;
	uint32_t payload_head; /* hash of its first PACKET_HEAD_BYTES, or of all if less; 0 = none, or not captured */
	uint32_t payload_hash; /* of the captured payload and header, for telling duplicates apart; 0 = none captured */
	struct tcp_options options;
	bool options_complete; /* false when the capture cut the header inside its options */

	enum checksum_state checksum;
	enum icmp_error_kind icmp_error; /* not NONE: this is a quote, and only addresses, ports and seq are sure */
	bool was_fragmented;             /* put together from fragments, or a first fragment */
	struct anomaly_set anomalies;    /* ANOMALY_* of the decode group, this packet */
};
