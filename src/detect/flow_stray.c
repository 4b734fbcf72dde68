/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a segment that belongs to no connection is, by its flags. Scanners and flooders choose them; stacks send few
 * combinations (RFC 9293 3.10.7.1 is what they answer to).
 */
#include "tcpwitness/decode/packet.h"
#include "tcpwitness/detect/flow_signal.h"

static const uint16_t control = SEG_FIN | SEG_SYN | SEG_RST | SEG_PSH | SEG_ACK | SEG_URG;

enum flow_stray flow_stray_kind(uint16_t flags)
{
	switch (flags & (SEG_FIN | SEG_SYN | SEG_RST | SEG_ACK)) {
	case SEG_SYN | SEG_ACK:
		return STRAY_SYNACK;
	case SEG_RST:
	case SEG_RST | SEG_ACK:
		return STRAY_RST;
	case SEG_FIN | SEG_ACK:
		return STRAY_FIN_ACK;
	case SEG_ACK:
		return STRAY_ACK;
	default:
		break;
	}
	switch (flags & control) {
	case 0:
		return STRAY_NULL;
	case SEG_FIN:
		return STRAY_FIN;
	case SEG_FIN | SEG_PSH | SEG_URG:
		return STRAY_XMAS;
	default:
		return STRAY_OTHER;
	}
}

const char *flow_stray_name(enum flow_stray stray)
{
	static const char *const names[] = {
		[STRAY_SYNACK] = "SYN-ACK", [STRAY_RST] = "RST",   [STRAY_FIN] = "FIN",   [STRAY_FIN_ACK] = "FIN-ACK",
		[STRAY_ACK] = "ACK",        [STRAY_NULL] = "NULL", [STRAY_XMAS] = "Xmas", [STRAY_OTHER] = "odd-flag",
	};

	return stray < STRAY_COUNT ? names[stray] : "unknown";
}
