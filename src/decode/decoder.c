/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The way into decoding: the decoder's life, its counters, and the names of the ways in which decoding ends. Names are
 * part of the events (design, summary.decode_refused) and do not change.
 */
#include "tcpwitness/decode/decoder.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tcpwitness/base/units.h"
#include "decode_internal.h"

enum { FRAGMENTS_HELD_MAX = 65536, DEPTH_MAX = 16 };

static const char *const result_names[] = {
	[DECODE_TCP] = "tcp",
	[DECODE_ICMP_QUOTE] = "icmp_quote",
	[DECODE_NOT_TCP] = "not_tcp",
	[DECODE_FRAGMENT_HELD] = "fragment_held",
	[DECODE_UNKNOWN_LINK_TYPE] = "unknown_link_type",
	[DECODE_TRUNCATED_LINK] = "truncated_link",
	[DECODE_TOO_MANY_VLANS] = "too_many_vlans",
	[DECODE_TRUNCATED_VLAN] = "truncated_vlan",
	[DECODE_TRUNCATED_MPLS] = "truncated_mpls",
	[DECODE_TOO_MANY_MPLS_LABELS] = "too_many_mpls_labels",
	[DECODE_UNKNOWN_MPLS_PAYLOAD] = "unknown_mpls_payload",
	[DECODE_TRUNCATED_PPPOE] = "truncated_pppoe",
	[DECODE_BAD_PPPOE] = "bad_pppoe",
	[DECODE_TRUNCATED_PPP] = "truncated_ppp",
	[DECODE_TRUNCATED_IPV4] = "truncated_ipv4",
	[DECODE_BAD_IPV4_VERSION] = "bad_ipv4_version",
	[DECODE_BAD_IPV4_HEADER_LENGTH] = "bad_ipv4_header_length",
	[DECODE_BAD_IPV4_TOTAL_LENGTH] = "bad_ipv4_total_length",
	[DECODE_BAD_IPV4_CHECKSUM] = "bad_ipv4_checksum",
	[DECODE_BAD_IPV4_OPTIONS] = "bad_ipv4_options",
	[DECODE_TRUNCATED_IPV6] = "truncated_ipv6",
	[DECODE_BAD_IPV6_VERSION] = "bad_ipv6_version",
	[DECODE_BAD_IPV6_LENGTH] = "bad_ipv6_length",
	[DECODE_TRUNCATED_IPV6_EXTENSION] = "truncated_ipv6_extension",
	[DECODE_TOO_MANY_IPV6_EXTENSIONS] = "too_many_ipv6_extensions",
	[DECODE_BAD_FRAGMENT] = "bad_fragment",
	[DECODE_FRAGMENT_OVERLAP] = "fragment_overlap",
	[DECODE_FRAGMENT_HEADER_SPLIT] = "fragment_header_split",
	[DECODE_FRAGMENT_TABLE_FULL] = "fragment_table_full",
	[DECODE_FRAGMENT_NESTED] = "fragment_nested",
	[DECODE_TRUNCATED_GRE] = "truncated_gre",
	[DECODE_BAD_GRE] = "bad_gre",
	[DECODE_TRUNCATED_ERSPAN] = "truncated_erspan",
	[DECODE_TRUNCATED_UDP] = "truncated_udp",
	[DECODE_TRUNCATED_VXLAN] = "truncated_vxlan",
	[DECODE_BAD_VXLAN] = "bad_vxlan",
	[DECODE_TRUNCATED_GENEVE] = "truncated_geneve",
	[DECODE_BAD_GENEVE] = "bad_geneve",
	[DECODE_TRUNCATED_GTPU] = "truncated_gtpu",
	[DECODE_BAD_GTPU] = "bad_gtpu",
	[DECODE_TUNNELS_TOO_DEEP] = "tunnels_too_deep",
	[DECODE_TRUNCATED_TCP_HEADER] = "truncated_tcp_header",
	[DECODE_SHORT_TCP_HEADER] = "short_tcp_header",
	[DECODE_BAD_TCP_DATA_OFFSET] = "bad_tcp_data_offset",
	[DECODE_TRUNCATED_ICMP_QUOTE] = "truncated_icmp_quote",
};

_Static_assert(sizeof(result_names) / sizeof(result_names[0]) == DECODE_RESULT_COUNT, "every result has a name");

const char *decode_result_name(enum decode_result result)
{
	assert((unsigned)result < DECODE_RESULT_COUNT);
	return result_names[result];
}

bool decode_result_is_truncation(enum decode_result result)
{
	static const char prefix[] = "truncated_";

	return strncmp(decode_result_name(result), prefix, sizeof(prefix) - 1) == 0;
}

void decoder_config_defaults(struct decoder_config *config)
{
	*config = (struct decoder_config){
		.checksum = CHECKSUM_MODE_AUTO,
		.max_fragments_held = 1024,
		.fragment_timeout_ns = 30 * NS_PER_SEC,
		.max_depth = 8,
		.vxlan_port = 4789,
		.geneve_port = 6081,
		.gtpu_port = 2152,
	};
}

static int check_config(const struct decoder_config *config, struct error *error)
{
	if (config->max_fragments_held == 0 || config->max_fragments_held > FRAGMENTS_HELD_MAX)
		return error_set(error, "decoder: max_fragments_held is %u: give 1 to %d", config->max_fragments_held,
				 FRAGMENTS_HELD_MAX);
	if (config->max_depth == 0 || config->max_depth > DEPTH_MAX)
		return error_set(error, "decoder: max_depth is %u: give 1 to %d", config->max_depth, DEPTH_MAX);
	if ((unsigned)config->checksum > CHECKSUM_MODE_OFF)
		return error_set(error, "decoder: checksum mode %d is not known: give auto, on or off",
				 (int)config->checksum);
	return 0;
}

struct decoder *decoder_create(const struct decoder_config *config, struct error *error)
{
	struct decoder *decoder;

	if (check_config(config, error) != 0)
		return NULL;
	/* calloc does not care for the lines of struct offload_set. */
	decoder = aligned_alloc(_Alignof(struct decoder), sizeof(*decoder));
	if (decoder == NULL)
		goto no_memory;
	memset(decoder, 0, sizeof(*decoder));
	decoder->config = *config;
	decoder->fragments =
		frag_table_create(config->max_fragments_held, config->fragment_timeout_ns, &decoder->stats);
	if (decoder->fragments == NULL)
		goto no_memory;
	return decoder;

no_memory:
	error_set(error, "decoder: no memory for %u datagrams in fragments: lower max_fragments_held",
		  config->max_fragments_held);
	decoder_destroy(decoder);
	return NULL;
}

void decoder_destroy(struct decoder *decoder)
{
	if (decoder == NULL)
		return;
	frag_table_destroy(decoder->fragments);
	free(decoder);
}

/* In pieces, each of which is a few wide stores: the whole would be one `rep stos`, which starts slowly. */
static inline void clear_packet(struct packet *packet)
{
	enum { FIRST = 64, SECOND = 128, THIRD = 192, END = sizeof(struct packet) };
	uint8_t *bytes = (uint8_t *)packet;

	_Static_assert(END > THIRD && END <= THIRD + FIRST, "four pieces cover a packet");
	memset(bytes, 0, FIRST);
	memset(bytes + FIRST, 0, SECOND - FIRST);
	memset(bytes + SECOND, 0, THIRD - SECOND);
	memset(bytes + THIRD, 0, END - THIRD);
}

enum decode_result decoder_decode(struct decoder *decoder, const struct frame *frame, struct packet *packet)
{
	struct cursor in = { .data = frame->data,
			     .captured_bytes = frame->captured_bytes,
			     .wire_bytes = frame->wire_bytes };
	enum decode_result result;

	/* Some capture files claim less than they hold. */
	if (in.wire_bytes < in.captured_bytes)
		in.wire_bytes = in.captured_bytes;
	clear_packet(packet);
	packet->time_ns = frame->time_ns;
	packet->number = frame->number;
	packet->wire_bytes = in.wire_bytes;
	packet->source = frame->source;
	result = decode_frame(decoder, frame->link_type, in, packet);
	decoder->stats.results[result]++;
	return result;
}

const struct decoder_stats *decoder_get_stats(const struct decoder *decoder)
{
	return &decoder->stats;
}
