/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ICMP errors (RFC 792) and ICMPv6 errors (RFC 4443) that quote a TCP segment: which connection they speak of, and what
 * they say of it in the terms of RFC 1122 4.2.3.9. Queries and everything else are sound packets of another protocol.
 */
#include "decode_internal.h"

enum {
	ICMP_HEADER_BYTES = 8,
	ICMP_UNREACHABLE = 3,
	ICMP_TIME_EXCEEDED = 11,
	ICMP_PARAMETER_PROBLEM = 12,
	ICMPV6_UNREACHABLE = 1,
	ICMPV6_PACKET_TOO_BIG = 2,
	ICMPV6_TIME_EXCEEDED = 3,
	ICMPV6_PARAMETER_PROBLEM = 4,
};

static enum icmp_error_kind classify_unreachable(uint8_t code)
{
	switch (code) {
	case 2:
	case 3:
		return ICMP_ERROR_HARD_UNREACHABLE;
	case 4:
		return ICMP_ERROR_TOO_BIG;
	case 9:
	case 10:
	case 13:
		return ICMP_ERROR_PROHIBITED;
	case 0:
	case 1:
	case 5: /* source route failed */
	case 6:
	case 7:
	case 8:  /* source host isolated */
	case 11: /* for the type of service */
	case 12:
		return ICMP_ERROR_SOFT_UNREACHABLE;
	default:
		return ICMP_ERROR_OTHER;
	}
}

static enum icmp_error_kind classify_icmp(uint8_t type, uint8_t code)
{
	switch (type) {
	case ICMP_UNREACHABLE:
		return classify_unreachable(code);
	case ICMP_TIME_EXCEEDED:
		return ICMP_ERROR_SOFT_UNREACHABLE;
	case ICMP_PARAMETER_PROBLEM:
		return ICMP_ERROR_OTHER;
	default:
		return ICMP_ERROR_NONE;
	}
}

static enum icmp_error_kind classify_unreachable_v6(uint8_t code)
{
	switch (code) {
	case 0: /* no route */
	case 2: /* beyond the scope of the source address */
	case 3: /* address unreachable */
		return ICMP_ERROR_SOFT_UNREACHABLE;
	case 1:
	case 5: /* source address failed policy */
	case 6: /* reject route */
		return ICMP_ERROR_PROHIBITED;
	case 4: /* port unreachable */
		return ICMP_ERROR_HARD_UNREACHABLE;
	default:
		return ICMP_ERROR_OTHER;
	}
}

static enum icmp_error_kind classify_icmpv6(uint8_t type, uint8_t code)
{
	switch (type) {
	case ICMPV6_UNREACHABLE:
		return classify_unreachable_v6(code);
	case ICMPV6_PACKET_TOO_BIG:
		return ICMP_ERROR_TOO_BIG;
	case ICMPV6_TIME_EXCEEDED:
		return ICMP_ERROR_SOFT_UNREACHABLE;
	case ICMPV6_PARAMETER_PROBLEM:
		/* Code 1: the next header is not known there, which is what "protocol unreachable" says in IPv4. */
		return code == 1 ? ICMP_ERROR_HARD_UNREACHABLE : ICMP_ERROR_OTHER;
	default:
		return ICMP_ERROR_NONE;
	}
}

static enum decode_result decode_quote(struct decode_context *context, enum icmp_error_kind kind, bool is_ipv4,
				       struct cursor in)
{
	enum decode_result result;

	context->is_quote = true;
	result = is_ipv4 ? decode_ipv4(context, in) : decode_ipv6(context, in);
	switch ((int)result) {
	case DECODE_TCP:
		context->packet->icmp_error = kind;
		return DECODE_ICMP_QUOTE;
	case DECODE_TRUNCATED_IPV4:
	case DECODE_TRUNCATED_IPV6:
	case DECODE_TRUNCATED_IPV6_EXTENSION:
		return DECODE_TRUNCATED_ICMP_QUOTE;
	default:
		return result;
	}
}

enum decode_result decode_icmp(struct decode_context *context, struct cursor in)
{
	const uint8_t *header = cursor_peek(&in, 2);
	enum icmp_error_kind kind;

	if (header == NULL)
		return DECODE_TRUNCATED_ICMP_QUOTE;
	kind = classify_icmp(header[0], header[1]);
	if (kind == ICMP_ERROR_NONE)
		return DECODE_NOT_TCP;
	if (!cursor_skip(&in, ICMP_HEADER_BYTES))
		return DECODE_TRUNCATED_ICMP_QUOTE;
	return decode_quote(context, kind, true, in);
}

enum decode_result decode_icmpv6(struct decode_context *context, struct cursor in)
{
	const uint8_t *header = cursor_peek(&in, 2);
	enum icmp_error_kind kind;

	if (header == NULL)
		return DECODE_TRUNCATED_ICMP_QUOTE;
	kind = classify_icmpv6(header[0], header[1]);
	if (kind == ICMP_ERROR_NONE)
		return DECODE_NOT_TCP;
	if (!cursor_skip(&in, ICMP_HEADER_BYTES))
		return DECODE_TRUNCATED_ICMP_QUOTE;
	return decode_quote(context, kind, false, in);
}
