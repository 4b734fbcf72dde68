/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MPLS label stacks (RFC 3032). The stack does not say what follows it: IP is told by its first four bits, and
 * anything else may be an Ethernet pseudowire, with or without a control word (RFC 4448, RFC 4385).
 */
#include "decode_internal.h"
#include "ip_header.h"

enum {
	LABEL_BYTES = 4,
	CONTROL_WORD_BYTES = 4,
	BOTTOM_OF_STACK = 0x01, /* in the third byte of a label */
	MAX_LABELS = 16,
	NIBBLE_CONTROL_WORD = 0,
	NIBBLE_ASSOCIATED_CHANNEL = 1,
};

static bool ipv4_is_plausible(struct cursor in)
{
	const uint8_t *header = cursor_peek(&in, 4);

	/* A cut header gets the benefit of the doubt: decode_ipv4 then names the cut. */
	if (header == NULL)
		return true;
	return (header[0] & 0x0f) * 4 >= IPV4_HEADER_MIN_BYTES && load_be16(header + 2) <= in.wire_bytes;
}

static enum decode_result decode_pseudowire(struct decode_context *context, struct cursor in)
{
	struct cursor behind_control_word = in;
	uint8_t nibble = in.data[0] >> 4;

	if (!decode_descend(context))
		return DECODE_TUNNELS_TOO_DEEP;
	if (nibble == NIBBLE_CONTROL_WORD && cursor_skip(&behind_control_word, CONTROL_WORD_BYTES) &&
	    ethernet_is_plausible(behind_control_word))
		return decode_ethernet(context, behind_control_word);
	if (ethernet_is_plausible(in))
		return decode_ethernet(context, in);
	if (in.captured_bytes < in.wire_bytes && in.captured_bytes < CONTROL_WORD_BYTES + ETHERNET_HEADER_BYTES)
		return DECODE_TRUNCATED_MPLS;
	return nibble == NIBBLE_ASSOCIATED_CHANNEL ? DECODE_NOT_TCP : DECODE_UNKNOWN_MPLS_PAYLOAD;
}

enum decode_result decode_mpls(struct decode_context *context, struct cursor in)
{
	const uint8_t *label;
	const uint8_t *payload;
	unsigned n_labels = 0;

	do {
		label = cursor_take(&in, LABEL_BYTES);
		if (label == NULL)
			return DECODE_TRUNCATED_MPLS;
		if (++n_labels > MAX_LABELS)
			return DECODE_TOO_MANY_MPLS_LABELS;
	} while ((label[2] & BOTTOM_OF_STACK) == 0);

	payload = cursor_peek(&in, 1);
	if (payload == NULL)
		return DECODE_TRUNCATED_MPLS;
	switch (payload[0] >> 4) {
	case 4:
		/* RFC 4928 2: an Ethernet address may begin like an IP header. */
		if (!ipv4_is_plausible(in) && ethernet_is_plausible(in))
			return decode_pseudowire(context, in);
		return decode_ipv4(context, in);
	case 6:
		return decode_ipv6(context, in);
	default:
		return decode_pseudowire(context, in);
	}
}
