/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TCP options (RFC 9293 3.2 and the RFCs named at each kind). An option with a wrong length is reported and skipped by
 * the length it gives, as receivers do; one whose length cannot be ends the reading, and what came before it counts.
 * Of a kind sent twice the later one counts, as in Linux and the BSDs.
 */
#include "decode_internal.h"
#include "tcp_header.h"

enum {
	EXPERIMENT_FASTOPEN = 0xf989, /* RFC 7413 A, used before kind 34 was given */
	MAX_SACK_BLOCKS = 4,
	SACK_BLOCK_BYTES = 8,
	FASTOPEN_COOKIE_MIN_BYTES = 4,
	FASTOPEN_COOKIE_MAX_BYTES = 16,
};

static bool fill_sack(struct tcp_options *options, const uint8_t *data, uint8_t n_bytes)
{
	if (n_bytes == 0 || n_bytes % SACK_BLOCK_BYTES != 0 || n_bytes > MAX_SACK_BLOCKS * SACK_BLOCK_BYTES)
		return false;
	options->n_sack_blocks = n_bytes / SACK_BLOCK_BYTES;
	for (uint8_t i = 0; i < options->n_sack_blocks; i++) {
		options->sack[i].left = load_be32(data + (size_t)i * SACK_BLOCK_BYTES);
		options->sack[i].right = load_be32(data + (size_t)i * SACK_BLOCK_BYTES + 4);
	}
	options->present |= TCPOPT_SACK;
	return true;
}

static bool fill_fastopen(struct tcp_options *options, uint8_t cookie_bytes)
{
	if (cookie_bytes != 0 && (cookie_bytes < FASTOPEN_COOKIE_MIN_BYTES ||
				  cookie_bytes > FASTOPEN_COOKIE_MAX_BYTES || cookie_bytes % 2 != 0))
		return false;
	options->fastopen_cookie_bytes = cookie_bytes;
	options->present |= TCPOPT_FASTOPEN;
	return true;
}

/*
 * RFC 8684 3.3.1: a DSS option on a segment without payload only acknowledges data, unless it maps some: then it closes
 * (3.3.3).
 */
static bool is_mptcp_signal(const uint8_t *data, uint8_t n_bytes)
{
	enum { DATA_SEQUENCE_SIGNAL = 2, HAS_MAPPING = 0x04 };

	return data[0] >> 4 != DATA_SEQUENCE_SIGNAL || (n_bytes > 1 && (data[1] & HAS_MAPPING) != 0);
}

static bool fill_mptcp(struct tcp_options *options, const uint8_t *data, uint8_t n_bytes)
{
	if (n_bytes == 0)
		return false;
	options->mptcp_subtype = data[0] >> 4;
	options->present |= TCPOPT_MPTCP;
	if (is_mptcp_signal(data, n_bytes))
		options->present |= TCPOPT_MPTCP_SIGNAL;
	return true;
}

static bool fill_flag(struct tcp_options *options, uint16_t option, bool is_well_formed)
{
	if (is_well_formed)
		options->present |= option;
	return is_well_formed;
}

/* One option of the current kinds. data and n_bytes are what follows kind and length. False: malformed. */
static bool fill_option(struct packet *packet, uint8_t kind, const uint8_t *data, uint8_t n_bytes)
{
	struct tcp_options *options = &packet->options;

	switch (kind) {
	case OPTION_MSS:
		if (n_bytes == 2)
			options->mss = load_be16(data);
		return fill_flag(options, TCPOPT_MSS, n_bytes == 2);
	case OPTION_WSCALE:
		if (n_bytes != 1)
			return false;
		options->wscale = data[0];
		if (data[0] > WSCALE_MAX)
			anomaly_set_add(&packet->anomalies, ANOMALY_WSCALE_OUT_OF_RANGE);
		return fill_flag(options, TCPOPT_WSCALE, true);
	case OPTION_SACK_PERMITTED:
		return fill_flag(options, TCPOPT_SACK_PERMITTED, n_bytes == 0);
	case OPTION_SACK:
		return fill_sack(options, data, n_bytes);
	case OPTION_TIMESTAMP:
		if (n_bytes != 8)
			return false;
		options->ts_val = load_be32(data);
		options->ts_ecr = load_be32(data + 4);
		return fill_flag(options, TCPOPT_TIMESTAMP, true);
	case OPTION_MD5:
		return fill_flag(options, TCPOPT_MD5, n_bytes == 16);
	case OPTION_AO:
		return fill_flag(options, TCPOPT_AO, n_bytes >= 2);
	case OPTION_MPTCP:
		return fill_mptcp(options, data, n_bytes);
	case OPTION_FASTOPEN:
		return fill_fastopen(options, n_bytes);
	case OPTION_EXPERIMENT_1:
	case OPTION_EXPERIMENT_2:
		if (kind == OPTION_EXPERIMENT_2 && n_bytes >= 2 && load_be16(data) == EXPERIMENT_FASTOPEN)
			return fill_fastopen(options, (uint8_t)(n_bytes - 2));
		anomaly_set_add(&packet->anomalies, ANOMALY_TCP_OPTION_EXPERIMENTAL);
		return fill_flag(options, TCPOPT_OTHER, true);
	default:
		return fill_flag(options, TCPOPT_OTHER, true);
	}
}

#define KIND_BIT(kind) (UINT64_C(1) << (kind))
#define OBSOLETE_KINDS                                                                                             \
	(KIND_BIT(OPTION_ECHO) | KIND_BIT(OPTION_ECHO_REPLY) | KIND_BIT(OPTION_POC_PERMITTED) |                    \
	 KIND_BIT(OPTION_POC_PROFILE) | KIND_BIT(OPTION_CC) | KIND_BIT(OPTION_CC_NEW) | KIND_BIT(OPTION_CC_ECHO) | \
	 KIND_BIT(OPTION_ALT_CHECKSUM) | KIND_BIT(OPTION_ALT_CHECKSUM_DATA))

static inline bool is_obsolete(uint8_t kind)
{
	return kind < 64 && (OBSOLETE_KINDS & KIND_BIT(kind)) != 0;
}

/* Length with kind and length octets that an obsolete kind must have by its RFC; 0: any. */
static uint8_t obsolete_option_bytes(uint8_t kind)
{
	switch (kind) {
	case OPTION_POC_PERMITTED:
		return 2;
	case OPTION_POC_PROFILE:
	case OPTION_ALT_CHECKSUM:
		return 3;
	case OPTION_ALT_CHECKSUM_DATA:
		return 0;
	default:
		return 6;
	}
}

static bool may_repeat(uint8_t kind)
{
	return kind == OPTION_MPTCP || kind == OPTION_EXPERIMENT_1 || kind == OPTION_EXPERIMENT_2;
}

static inline void take_option(struct packet *packet, uint64_t seen[4], const uint8_t *option)
{
	const uint8_t kind = option[0];
	const uint8_t option_bytes = option[1];
	const uint64_t bit = UINT64_C(1) << (kind % 64);

	if ((seen[kind / 64] & bit) != 0 && !may_repeat(kind))
		anomaly_set_add(&packet->anomalies, ANOMALY_TCP_OPTION_DUPLICATE);
	seen[kind / 64] |= bit;
	if (is_obsolete(kind)) {
		uint8_t expected = obsolete_option_bytes(kind);

		anomaly_set_add(&packet->anomalies, ANOMALY_TCP_OPTION_OBSOLETE);
		if (expected != 0 && expected != option_bytes) {
			anomaly_set_add(&packet->anomalies, ANOMALY_TCP_OPTION_MALFORMED);
			return;
		}
	}
	if (!fill_option(packet, kind, option + 2, (uint8_t)(option_bytes - 2)))
		anomaly_set_add(&packet->anomalies, ANOMALY_TCP_OPTION_MALFORMED);
}

/* Not a part of its caller, which would save what this one needs and the usual segments do not. */
__attribute__((noinline)) static void walk_options(struct packet *packet, const uint8_t *bytes, uint32_t n_bytes,
						   bool is_whole)
{
	uint64_t seen[4] = { 0 };
	uint32_t layout = tcp_layout_begin();
	uint32_t at = 0;

	while (at < n_bytes) {
		const uint8_t kind = bytes[at];

		layout = tcp_layout_add(layout, kind);
		if (kind == OPTION_END)
			break;
		if (kind == OPTION_NOP) {
			at++;
			continue;
		}
		if (at + 1 == n_bytes || bytes[at + 1] < 2 || at + bytes[at + 1] > n_bytes) {
			/* Where the capture cut the header, only a length that cannot be is the sender's fault. */
			if (is_whole || (at + 1 < n_bytes && bytes[at + 1] < 2))
				anomaly_set_add(&packet->anomalies, ANOMALY_TCP_OPTION_MALFORMED);
			break;
		}
		take_option(packet, seen, bytes + at);
		at += bytes[at + 1];
	}
	if (n_bytes > 0)
		packet->options.layout = layout == 0 ? 1 : layout;
}

void decode_tcp_options(const struct decode_context *context, const uint8_t *bytes, uint32_t n_bytes, bool is_whole)
{
	struct packet *packet = context->packet;

	if (context->decoder->no_short_way || (!fill_lone_timestamp(&packet->options, bytes, n_bytes) &&
					       !fill_linux_syn(&packet->options, bytes, n_bytes)))
		walk_options(packet, bytes, n_bytes, is_whole);
}
